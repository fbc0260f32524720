// SPDX-License-Identifier: GPL-2.0-only
/*
 * admission.c - which calls the operator admits on a foreign line
 *
 * Who may call us is the operator's to say, and it says it to us: what the
 * other guest writes about itself is only compared with it.
 */
#include "switchboard.h"

void sb_admission_init(struct sb_admissions *a)
{
	spin_lock_init(&a->lock);
}

static bool same_endpoint(const struct sb_address *a,
			  const struct sb_address *b)
{
	return a->port == b->port && sb_address_equal(a, b);
}

/* Index of the endpoint, or @count */
static unsigned int find(const struct sb_address *list, unsigned int count,
			 const struct sb_address *a)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		if (same_endpoint(&list[i], a))
			break;
	return i;
}

static int add(struct sb_address *list, unsigned int *count, unsigned int max,
	       const struct sb_address *a)
{
	unsigned int i = find(list, *count, a);

	if (i < *count)
		return 0;
	if (*count == max)
		return -ENOSPC;
	list[(*count)++] = *a;
	return 0;
}

static void drop(struct sb_address *list, unsigned int *count,
		 const struct sb_address *a)
{
	unsigned int i = find(list, *count, a);

	if (i < *count)
		list[i] = list[--*count];
}

/* Lock held */
static int take(struct sb_admissions *a, const struct sb_message *m)
{
	unsigned int of = m->kind == SB_ENTRY_DATAGRAM;
	struct sb_address from, to;
	bool has_from = sb_address_copy(&from, &m->remote);
	bool has_to = sb_address_copy(&to, &m->local);

	if (has_from == has_to) {
		if (has_from || !m->error)
			return -EINVAL;
		a->froms = 0;
		memset(a->tos, 0, sizeof(a->tos));
		return 0;
	}
	from.port = 0;
	if (!m->error)
		return has_from ? add(a->from, &a->froms, SB_ADDRESSES_MAX,
				      &from)
				: add(a->to[of], &a->tos[of], SB_ADMISSIONS_MAX,
				      &to);
	if (has_from)
		drop(a->from, &a->froms, &from);
	else
		drop(a->to[of], &a->tos[of], &to);
	return 0;
}

int sb_admission_take(struct sb_admissions *a, const struct sb_message *m)
{
	int error;

	spin_lock_bh(&a->lock);
	error = take(a, m);
	spin_unlock_bh(&a->lock);
	return error;
}

/*
 * A destination that was not announced is not refused for good: the
 * announcement may have been withdrawn while the call was on its way, and the
 * caller does better to ask its operator again.
 */
int sb_admission_check(struct sb_admissions *a, enum sb_entry_kind kind,
		       const struct sb_address *from,
		       const struct sb_address *to)
{
	unsigned int of = kind == SB_ENTRY_DATAGRAM;
	struct sb_address anyport = *from;
	int error = 0;

	anyport.port = 0;
	spin_lock_bh(&a->lock);
	if (find(a->to[of], a->tos[of], to) == a->tos[of])
		error = EREMCHG;
	else if (find(a->from, a->froms, &anyport) == a->froms)
		error = EACCES;
	spin_unlock_bh(&a->lock);
	return error;
}

bool sb_admission_has_from(struct sb_admissions *a,
			   const struct sb_address *from)
{
	struct sb_address anyport = *from;
	bool found;

	anyport.port = 0;
	spin_lock_bh(&a->lock);
	found = find(a->from, a->froms, &anyport) < a->froms;
	spin_unlock_bh(&a->lock);
	return found;
}
