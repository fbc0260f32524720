// SPDX-License-Identifier: GPL-2.0-only
/*
 * direct.c - calls to other guests, from the caller's side
 *
 * A route says which line of ours leads straight to the guest that has a
 * destination; the operator tells it once both sides are ready. A destination
 * without a route is called through the proxy like any other. The proxy's
 * EREMCHG says that it has moved: the route is there already, or comes soon,
 * and the call is repeated over it. It is repeated through the proxy when the
 * operator says that there is no direct way, when the route does not come, and
 * when the other guest answers EREMCHG because it was not told of us (any
 * more). A program notices nothing of this but the time it takes.
 */
#include <linux/jhash.h>
#include <linux/slab.h>

#include "switchboard.h"

#define BUCKETS 64u
/* The line of a destination to which there is no direct way */
#define NO_LINE SB_LINES_MAX

/**
 * struct route - a destination that is another guest's
 * @node: in its bucket
 * @to:   address and port
 * @kind: SB_ENTRY_STREAM or SB_ENTRY_DATAGRAM
 * @line: number of the line, or NO_LINE
 * @until: NO_LINE for datagrams: in jiffies, then nothing is known
 */
struct route {
	struct hlist_node node;
	struct sb_address to;
	u8 kind;
	u16 line;
	unsigned long until;
};

/* guards all of these */
static DEFINE_SPINLOCK(routes_lock);
static struct hlist_head routes[BUCKETS];
static unsigned int route_count;

/* ---- routes; lock held ---- */

static struct hlist_head *bucket(const struct sb_address *a)
{
	return &routes[jhash(a->bytes, sizeof(a->bytes), a->port) % BUCKETS];
}

static struct route *find(const struct sb_address *to, u8 kind)
{
	struct route *r;

	hlist_for_each_entry(r, bucket(to), node)
		if (r->to.port == to->port && r->kind == kind &&
		    sb_address_equal(&r->to, to))
			return r;
	return NULL;
}

static void forget(struct route *r)
{
	hlist_del(&r->node);
	route_count--;
	kfree(r);
}

static void forget_line(u16 line)
{
	struct hlist_node *next;
	struct route *r;
	unsigned int i;

	for (i = 0; i < BUCKETS; i++)
		hlist_for_each_entry_safe(r, next, &routes[i], node)
			if (r->line == line)
				forget(r);
}

static void add(const struct sb_address *to, u8 kind, u16 line)
{
	struct route *r = find(to, kind);

	/* a route that is known already is one of those */
	if (!r && route_count == SB_ROUTES_MAX)
		forget_line(NO_LINE);
	if (!r && route_count < SB_ROUTES_MAX) {
		r = kzalloc(sizeof(*r), GFP_ATOMIC);
		if (r) {
			r->to = *to;
			r->kind = kind;
			hlist_add_head(&r->node, bucket(to));
			route_count++;
		}
	}
	if (!r)
		return;
	r->line = line;
	r->until = jiffies + SB_NO_ROUTE_S * HZ;
}

void sb_direct_route(const struct sb_message *m)
{
	u8 kind = m->kind == SB_ENTRY_DATAGRAM ? SB_ENTRY_DATAGRAM
					       : SB_ENTRY_STREAM;
	struct sb_address to;

	spin_lock_bh(&routes_lock);
	if (sb_address_copy(&to, &m->remote))
		add(&to, kind, m->error ? NO_LINE : m->line);
	else if (m->error)
		forget_line(m->line);
	spin_unlock_bh(&routes_lock);
	sb_repeat_route_news();
	sb_pair_route_news();
}

void sb_direct_forget(u16 line)
{
	spin_lock_bh(&routes_lock);
	forget_line(line);
	spin_unlock_bh(&routes_lock);
}

/*
 * A call that waits forgets that there is no line; nobody waits for what
 * becomes of a datagram
 */
static bool is_stale(const struct route *r)
{
	return r->kind == SB_ENTRY_DATAGRAM && r->line == NO_LINE &&
	       time_after_eq(jiffies, r->until);
}

bool sb_direct_find(const struct sb_address *to, enum sb_entry_kind kind,
		    u16 *line)
{
	struct route *r;

	if (!READ_ONCE(route_count))
		return false;
	spin_lock_bh(&routes_lock);
	r = find(to, kind);
	if (r && is_stale(r)) {
		forget(r);
		r = NULL;
	}
	if (r)
		*line = r->line;
	spin_unlock_bh(&routes_lock);
	return r;
}

void sb_direct_forget_place(const struct sb_address *to,
			    enum sb_entry_kind kind)
{
	struct route *r;

	spin_lock_bh(&routes_lock);
	r = find(to, kind);
	if (r)
		forget(r);
	spin_unlock_bh(&routes_lock);
}

void sb_direct_none(const struct sb_address *to, enum sb_entry_kind kind)
{
	spin_lock_bh(&routes_lock);
	add(to, kind, NO_LINE);
	spin_unlock_bh(&routes_lock);
}

static bool look_up(const struct sb_address *to, u16 *line)
{
	return sb_direct_find(to, SB_ENTRY_STREAM, line);
}

struct sb_guest_line *sb_direct_line(const struct sb_address *to)
{
	u16 line;

	if (!look_up(to, &line) || line == NO_LINE)
		return NULL;
	return sb_orders_line_direct(line);
}

/* ---- a call ---- */

/* The port is ours until the socket is closed; so are both ends' names */
static int choose_source(struct sb_sock *sb)
{
	struct sb_address a = { .family = sb->remote.family };
	int error;

	if (!sb->bound.family) {
		error = sb_port_bind(sb, &a);
		if (error)
			return error == -EADDRINUSE ? -EADDRNOTAVAIL : error;
	}
	sb->local = sb->bound;
	if (!sb_address_is_any(&sb->bound))
		return sb->bound.family == sb->remote.family ? 0 : -ENETUNREACH;
	if (!sb_address_own_first(sb->remote.family, &sb->local))
		return -ENETUNREACH;
	sb->local.port = sb->bound.port;
	return 0;
}

static void give_back(struct sb_circuit *c)
{
	rcu_read_lock();
	sb_circuit_leave(c, SB_OWNER, SB_OWNER_CLOSED);
	rcu_read_unlock();
}

int sb_direct_call(struct sb_sock *sb, struct sb_circuit *c)
{
	struct sb_call *call = &c->index->call;
	int error = choose_source(sb);

	if (error) {
		give_back(c);
		return error;
	}
	call->local = sb->local;
	call->remote = sb->remote;
	sb_store(&call->generation, c->generation);
	c->since = jiffies;
	sb_stream_attach(sb, c, SB_OWNER);
	sb_store_full(sb->word, sb->own);
	sb_circuit_ring(c, SB_OWNER);
	sb_count(&sb_counters.direct_called);
	return 0;
}
