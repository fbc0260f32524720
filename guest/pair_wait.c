// SPDX-License-Identifier: GPL-2.0-only
/*
 * pair_wait.c - datagrams that were given back, until it is known how they go
 *
 * The first datagram to another guest goes to the proxy, as to any other
 * destination. The operator then introduces the two guests, and the proxy
 * gives the datagram back: it waits here for the route. When there is none in
 * time it goes through the proxy after all, marked so that it is not given
 * back once more. The other guest gives back too, what it was not told to
 * take: that goes through the proxy at once.
 *
 * Few wait, and not for long; what there is no room for is dropped and counted.
 */
#include <linux/slab.h>
#include <linux/uio.h>

#include "pair.h"

/**
 * struct parcel - a datagram that waits
 * @node:    in the list
 * @ds:      whose it is, referenced
 * @until:   in jiffies: the route has come, or never will
 * @proxied: through the proxy, now
 * @flags:   of its record there
 * @header:  as on a direct line
 * @payload: behind it
 */
struct parcel {
	struct list_head node;
	struct sb_datagram_sock *ds;
	unsigned long until;
	bool proxied;
	u8 flags;
	struct sb_datagram header;
	u8 payload[];
};

/* guards these */
static DEFINE_SPINLOCK(parcels_lock);
static LIST_HEAD(parcels);
static unsigned int parcel_count;

static void move_all(struct work_struct *work);
static DECLARE_DELAYED_WORK(parcels_work, move_all);

void sb_pair_wait(struct sb_datagram_sock *ds, const struct sb_datagram *header,
		  const u8 *payload, bool proxied, u8 flags)
{
	struct parcel *w = NULL;

	if (READ_ONCE(parcel_count) < SB_PARCELS_MAX)
		w = kmalloc(struct_size(w, payload, header->bytes),
			    GFP_ATOMIC | __GFP_NOWARN);
	if (!w) {
		sb_count(&sb_counters.datagrams_dropped);
		return;
	}
	sock_hold(&ds->sb.sk);
	w->ds = ds;
	w->until = jiffies + SB_ROUTE_S * HZ;
	w->proxied = proxied;
	w->flags = flags;
	w->header = *header;
	memcpy(w->payload, payload, header->bytes);
	spin_lock_bh(&parcels_lock);
	list_add_tail(&w->node, &parcels);
	parcel_count++;
	spin_unlock_bh(&parcels_lock);
	sb_pair_route_news();
}

void sb_pair_route_news(void)
{
	if (READ_ONCE(parcel_count))
		mod_delayed_work(sb_workqueue, &parcels_work, 0);
}

/* The proxy gave it back: a route comes. Spinlock or ownership held */
void sb_pair_given_back(struct sb_datagram_sock *ds,
			const struct sb_datagram *error, const u8 *payload)
{
	struct sb_datagram_target target = {
		.to = error->remote,
		.flags = error->flags & (SB_DATAGRAM_HOPS | SB_DATAGRAM_TOS),
		.hops = error->hops,
		.tos = error->tos,
	};
	struct sb_datagram header;

	if (!payload || sb_datagram_is_ping(&ds->sb.sk) ||
	    !sb_pair_describe(ds, &target, error->bytes, &header)) {
		sb_count(&sb_counters.datagrams_dropped);
		return;
	}
	/* the port is known to somebody soon, and stays */
	set_bit(SB_SOCK_PORT_TOLD, &ds->sb.flags);
	sb_pair_wait(ds, &header, payload, false, 0);
}

/* ---- the work item ---- */

static void iterate(struct parcel *w, struct kvec *part, struct iov_iter *from)
{
	part->iov_base = w->payload;
	part->iov_len = w->header.bytes;
	iov_iter_kvec(from, ITER_SOURCE, part, 1, w->header.bytes);
}

/* Its sender may be gone by now; what it would need is not any more */
static void send_by_proxy(struct parcel *w)
{
	struct sb_datagram_target target = {
		.to = w->header.remote,
		.flags = (w->header.flags &
			  (SB_DATAGRAM_HOPS | SB_DATAGRAM_TOS)) |
			 w->flags,
		.hops = w->header.hops,
		.tos = w->header.tos,
	};
	struct sock *sk = &w->ds->sb.sk;
	struct iov_iter from;
	struct kvec part;
	int result = -EPIPE;

	iterate(w, &part, &from);
	lock_sock(sk);
	if (!test_bit(SB_SOCK_CLOSED, &w->ds->sb.flags))
		result = sb_datagram_send_record(w->ds, &target, &from,
						 w->header.bytes, MSG_DONTWAIT);
	release_sock(sk);
	if (result < 0)
		sb_count(&sb_counters.datagrams_dropped);
}

/* 0: sent; -EAGAIN: later; otherwise: not by this way */
static int send_over(struct parcel *w, u16 line)
{
	struct iov_iter from;
	struct sb_pair *p;
	struct kvec part;
	int error;

	iterate(w, &part, &from);
	error = sb_pair_call(line);
	if (error)
		return error;
	rcu_read_lock();
	p = sb_pair_of_line(line);
	error = p ? sb_pair_put(p, w->ds, &w->header, &from, false) : -EPIPE;
	rcu_read_unlock();
	return error;
}

/* False: it goes on waiting */
static bool move_one(struct parcel *w)
{
	bool late = time_after_eq(jiffies, w->until);
	u16 line = SB_LINES_MAX;
	int error = -ENOLINK;

	if (w->proxied) {
		send_by_proxy(w);
		return true;
	}
	if (!sb_direct_find(&w->header.remote, SB_ENTRY_DATAGRAM, &line)) {
		if (!late)
			return false;
		sb_direct_none(&w->header.remote, SB_ENTRY_DATAGRAM);
	}
	if (line < SB_LINES_MAX)
		error = send_over(w, line);
	if (error == -EAGAIN && !late)
		return false;
	if (error) {
		w->flags |= SB_DATAGRAM_PROXIED;
		send_by_proxy(w);
	}
	return true;
}

static void put_parcel(struct parcel *w)
{
	list_del(&w->node);
	sock_put(&w->ds->sb.sk);
	kfree(w);
}

static void move_all(struct work_struct *work)
{
	struct parcel *w, *next;
	unsigned int moved = 0;
	LIST_HEAD(all);
	bool left;

	spin_lock_bh(&parcels_lock);
	list_splice_init(&parcels, &all);
	spin_unlock_bh(&parcels_lock);
	list_for_each_entry_safe(w, next, &all, node) {
		if (!move_one(w))
			continue;
		put_parcel(w);
		moved++;
	}
	spin_lock_bh(&parcels_lock);
	list_splice(&all, &parcels);
	parcel_count -= moved;
	left = !list_empty(&parcels);
	spin_unlock_bh(&parcels_lock);
	if (left)
		queue_delayed_work(sb_workqueue, &parcels_work,
				   SB_ROUTE_TICK_MS * HZ / 1000);
}
