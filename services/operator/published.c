/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * published.c - which address and port of Dom0 is whose listener's
 */
#include "services/common/address.h"
#include "services/operator/published.h"

/* Ports come from the configuration: no guest can aim at one bucket */
static struct book_record **bucket_of(struct published *p,
				      const struct sb_address *a)
{
	return &p->bucket[(a->port + a->bytes[3] * 31u + a->bytes[15]) %
			  PUBLISHED_BUCKETS];
}

void published_add(struct published *p, struct book_record *record)
{
	struct book_record **bucket = bucket_of(p, &record->address);

	record->next = *bucket;
	*bucket = record;
}

void published_remove(struct published *p, struct book_record *record)
{
	struct book_record **at = bucket_of(p, &record->address);

	while (*at && *at != record)
		at = &(*at)->next;
	if (*at)
		*at = record->next;
	record->next = NULL;
}

bool published_elsewhere(const struct published *p, const struct sb_address *at,
			 const struct book *b)
{
	const struct book_record *r = *bucket_of((struct published *)p, at);

	for (; r; r = r->next) {
		if (r->book != b && r->address.port == at->port &&
		    address_equal(&r->address, at))
			return true;
	}
	return false;
}

bool published_has(const struct published *p, const struct sb_address *at)
{
	return published_elsewhere(p, at, NULL);
}
