// SPDX-License-Identifier: GPL-2.0-only
/*
 * orders.c - what the operator tells the guest: addresses, lines, refusals
 *
 * Called from the trunk's work item only, so lines come and go in one thread.
 * Addresses are gathered until CONFIGURED and then replace the old ones in one
 * go: an operator that restarts hands out the same ones again, and nothing
 * moves.
 */
#include <linux/sched/signal.h>
#include <linux/wait.h>

#include "switchboard.h"

struct given {
	struct sb_address address[SB_ADDRESSES_MAX];
	u8 prefix[SB_ADDRESSES_MAX];
	unsigned int addresses;
	struct sb_address resolver[SB_RESOLVERS_MAX];
	unsigned int resolvers;
};

/* Being gathered, and in force; the trunk's work item only */
static struct given gathered, current_given;

/* guards @lines and @line_of_kind against those that look lines up */
static DEFINE_SPINLOCK(lines_lock);
static struct sb_guest_line *lines[SB_LINES_MAX];
static struct sb_guest_line *line_of_kind[SB_LINE_DIRECT + 1];

static DECLARE_WAIT_QUEUE_HEAD(news);
static bool device_expected;
static bool configured;
/* By kind: the operator took the line to a proxy and has asked for no other */
static unsigned long lines_away;

static void line_up(struct work_struct *work)
{
	sb_accept_line_up();
	sb_datagram_line_up();
}

static DECLARE_WORK(line_up_work, line_up);

static void take_address(const struct sb_message *m)
{
	struct sb_address a;

	if (!sb_address_copy(&a, &m->local) || sb_address_is_any(&a) ||
	    m->prefix > (a.family == SB_FAMILY_IPV4 ? 32 : 128) ||
	    gathered.addresses == SB_ADDRESSES_MAX) {
		pr_warn_ratelimited("the operator's address is no use\n");
		return;
	}
	gathered.prefix[gathered.addresses] = m->prefix;
	gathered.address[gathered.addresses++] = a;
}

static void take_resolver(const struct sb_message *m)
{
	struct sb_address a;

	if (!sb_address_copy(&a, &m->local) || sb_address_is_any(&a) ||
	    gathered.resolvers == SB_RESOLVERS_MAX) {
		pr_warn_ratelimited("the operator's name server is no use\n");
		return;
	}
	gathered.resolver[gathered.resolvers++] = a;
}

static void apply_given(void)
{
	unsigned int i;
	int error;

	sb_address_own_clear();
	sb_netdev_clear();
	sb_resolver_clear();
	for (i = 0; i < current_given.addresses; i++) {
		sb_address_own_add(&current_given.address[i]);
		error = sb_netdev_add_address(&current_given.address[i],
					      current_given.prefix[i]);
		if (error)
			pr_warn("sb0 does not take address %u: %d\n", i, error);
	}
	for (i = 0; i < current_given.resolvers; i++)
		sb_resolver_add(&current_given.resolver[i]);
}

static void take_configured(void)
{
	if (!configured ||
	    memcmp(&gathered, &current_given, sizeof(gathered))) {
		current_given = gathered;
		apply_given();
	}
	memset(&gathered, 0, sizeof(gathered));
	WRITE_ONCE(configured, true);
	wake_up_all(&news);
}

/* Whoever looks a line up takes a reference under the lock */
static void publish(unsigned int number, struct sb_guest_line *line)
{
	struct sb_guest_line *old;
	unsigned int kind;

	spin_lock_bh(&lines_lock);
	old = lines[number];
	lines[number] = line;
	for (kind = 0; kind < ARRAY_SIZE(line_of_kind); kind++)
		if (old && line_of_kind[kind] == old)
			line_of_kind[kind] = NULL;
	spin_unlock_bh(&lines_lock);
}

static void lose(unsigned int number)
{
	struct sb_guest_line *line = lines[number];

	if (!line)
		return;
	publish(number, NULL);
	sb_direct_forget(number);
	sb_line_lose(line);
}

/* Lines to proxies are the operator's domain's, direct ones never are */
static bool may_be_made(const struct sb_message *m, domid_t operator)
{
	if (m->kind == SB_LINE_TCP || m->kind == SB_LINE_UDP)
		return m->domain == operator;
	return m->kind == SB_LINE_DIRECT && m->domain < DOMID_FIRST_RESERVED &&
	       m->domain != operator;
}

static void take_line_wanted(const struct sb_message *m, domid_t operator)
{
	struct sb_guest_line *line = lines[m->line];

	if (!may_be_made(m, operator)) {
		pr_warn_ratelimited("line %u: kind %u, domain %u unsupported\n",
				    m->line, m->kind, m->domain);
		return;
	}
	clear_bit(m->kind, &lines_away);
	if (!line) {
		line = sb_line_create(m->line, m->kind, m->domain);
		if (IS_ERR(line)) {
			pr_warn_ratelimited("line %u cannot be made: %ld\n",
					    m->line, PTR_ERR(line));
			/* who waits for it goes through the proxy */
			if (m->kind == SB_LINE_DIRECT)
				sb_trunk_say(SB_MESSAGE_LINE_GONE, m->line);
			return;
		}
		publish(m->line, line);
	}
	sb_trunk_say(SB_MESSAGE_LINE_READY, m->line);
}

/* Who waits for a line of that kind waits no longer */
static void take_line_lost(const struct sb_message *m)
{
	struct sb_guest_line *line = lines[m->line];

	if (line && line->kind != SB_LINE_DIRECT) {
		set_bit(line->kind, &lines_away);
		wake_up_all(&news);
	}
	lose(m->line);
	sb_trunk_say(SB_MESSAGE_LINE_GONE, m->line);
}

/* Linux knows no errno beyond this; anything else is a lie, and a refusal */
static u16 errno_of(u32 error)
{
	return error && error < MAX_ERRNO ? error : EPROTO;
}

static void take_refused(const struct sb_message *m)
{
	struct sb_guest_line *line = lines[m->line];
	struct sb_circuit *c;
	struct sb_sock *sb;

	if (!line)
		return;
	rcu_read_lock();
	c = sb_table_slot(line, m->entry);
	if (c && c->generation == m->generation) {
		WRITE_ONCE(c->refused, errno_of(m->error));
		sb = rcu_dereference(c->end[SB_OWNER]);
		if (sb)
			sb_stream_bell(sb);
	}
	rcu_read_unlock();
}

/* @m is a copy that the operator cannot change any more */
void sb_orders_handle(const struct sb_message *m, domid_t operator)
{
	if (m->line >= SB_LINES_MAX) {
		pr_warn_ratelimited("order %#x names line %u, above %u\n",
				    m->type, m->line, SB_LINES_MAX - 1);
		return;
	}
	switch (m->type) {
	case SB_MESSAGE_ADDRESS:
		return take_address(m);
	case SB_MESSAGE_NAMESERVER:
		return take_resolver(m);
	case SB_MESSAGE_CONFIGURED:
		return take_configured();
	case SB_MESSAGE_LINE_WANTED:
		return take_line_wanted(m, operator);
	case SB_MESSAGE_LINE_LOST:
		return take_line_lost(m);
	case SB_MESSAGE_REFUSED:
		return take_refused(m);
	case SB_MESSAGE_LINE_OFFERED:
		return sb_foreign_offered(m);
	case SB_MESSAGE_LINE_ENDED:
		return sb_foreign_ended(m);
	case SB_MESSAGE_ADMIT:
		return sb_foreign_admit(m);
	case SB_MESSAGE_ROUTE:
		return sb_direct_route(m);
	default:
		pr_warn_ratelimited("unknown order %#x\n", m->type);
	}
}

/* Calls wait in the proxy's hands, listeners in the operator's */
static void resend_line(struct sb_guest_line *line)
{
	u32 entry, entries = sb_table_entries(line);
	struct sb_circuit *c;
	u32 word;

	for (entry = 0; entry < entries; entry++) {
		rcu_read_lock();
		c = sb_table_slot(line, entry);
		word = c ? sb_load(&c->entry->peer) : 0;
		if (c && c->kind == SB_ENTRY_LISTENER && c->asked &&
		    !c->refused && READ_ONCE(c->state) == SB_CIRCUIT_BUSY &&
		    sb_word_generation(word) != c->generation)
			sb_trunk_request(c);
		rcu_read_unlock();
	}
}

void sb_orders_resend(void)
{
	unsigned int i;

	for (i = 0; i < SB_LINES_MAX; i++) {
		if (!lines[i])
			continue;
		/* of direct lines an operator that is new knows nothing */
		if (!lines[i]->attached || lines[i]->kind == SB_LINE_DIRECT)
			sb_trunk_say(SB_MESSAGE_LINE_READY, i);
		resend_line(lines[i]);
	}
	sb_foreign_resend();
}

void sb_orders_lose_all(void)
{
	unsigned int i;

	for (i = 0; i < SB_LINES_MAX; i++)
		lose(i);
	lines_away = 0;
	sb_foreign_end_all();
	memset(&gathered, 0, sizeof(gathered));
}

void sb_orders_expect(bool device)
{
	WRITE_ONCE(device_expected, device);
	wake_up_all(&news);
}

static bool may_connect(void)
{
	return READ_ONCE(configured) && READ_ONCE(line_of_kind[SB_LINE_TCP]);
}

bool sb_orders_wait_ready(unsigned int seconds)
{
	long timeo = seconds * HZ;

	wait_event_killable_timeout(
		news, may_connect() || !READ_ONCE(device_expected), timeo);
	return may_connect();
}

struct sb_guest_line *sb_orders_line(enum sb_line_kind kind)
{
	struct sb_guest_line *line;

	spin_lock_bh(&lines_lock);
	line = line_of_kind[kind];
	if (line)
		kref_get(&line->ref);
	spin_unlock_bh(&lines_lock);
	return line;
}

static bool may_come(enum sb_line_kind kind)
{
	return READ_ONCE(device_expected) && !test_bit(kind, &lines_away);
}

struct sb_guest_line *sb_orders_line_wait(enum sb_line_kind kind, long timeo)
{
	struct sb_guest_line *line = sb_orders_line(kind);
	long left;

	if (line)
		return line;
	if (!timeo || !may_come(kind))
		return ERR_PTR(-ENETUNREACH);
	timeo = min(timeo, (long)SB_ATTACH_S * HZ);
	left = wait_event_interruptible_timeout(
		news, (line = sb_orders_line(kind)) || !may_come(kind), timeo);
	if (left < 0)
		return ERR_PTR(-ERESTARTSYS);
	return line ? line : ERR_PTR(-ENETUNREACH);
}

void sb_orders_line_attached(struct sb_guest_line *line)
{
	queue_work(sb_workqueue, &line->work);
	/* who wants one of these knows which */
	if (line->kind == SB_LINE_DIRECT)
		return;
	spin_lock_bh(&lines_lock);
	if (lines[line->number] == line)
		line_of_kind[line->kind] = line;
	spin_unlock_bh(&lines_lock);
	wake_up_all(&news);
	queue_work(sb_workqueue, &line_up_work);
}

struct sb_guest_line *sb_orders_line_direct(unsigned int number)
{
	struct sb_guest_line *line;

	spin_lock_bh(&lines_lock);
	line = number < SB_LINES_MAX ? lines[number] : NULL;
	if (line &&
	    (line->kind != SB_LINE_DIRECT || !READ_ONCE(line->attached)))
		line = NULL;
	if (line)
		kref_get(&line->ref);
	spin_unlock_bh(&lines_lock);
	return line;
}

struct sb_guest_line *sb_orders_line_number(unsigned int number)
{
	return lines[number];
}
