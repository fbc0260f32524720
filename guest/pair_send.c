// SPDX-License-Identifier: GPL-2.0-only
/*
 * pair_send.c - a message becomes a record for another guest
 *
 * It goes over our own line to the guest that a route names, or back over the
 * line of a guest that calls us. The payload is copied from the program's
 * memory straight into the ring, under the pair's lock, so a page that is not
 * there must not be waited for: it is faulted in without the lock, and the
 * copying repeated.
 */
#include <linux/sched/signal.h>
#include <linux/uio.h>

#include "pair.h"

/* The address that the other guest sees and may answer */
static bool choose_source(const struct sb_datagram_sock *ds,
			  const struct sb_datagram_target *target,
			  struct sb_address *source)
{
	const struct sb_sock *sb = &ds->sb;

	*source = sb->bound;
	if (sb->local.family && !sb_address_is_any(&sb->local))
		*source = sb->local;
	if (target->from.family && !sb_address_is_any(&target->from))
		*source = target->from;
	if (sb_address_is_any(source)) {
		if (!sb_address_own_first(target->to.family, source))
			return false;
	} else if (source->family != target->to.family ||
		   !sb_address_is_own(source)) {
		return false;
	}
	source->port = sb->bound.port;
	return true;
}

bool sb_pair_describe(const struct sb_datagram_sock *ds,
		      const struct sb_datagram_target *target, u32 bytes,
		      struct sb_datagram *header)
{
	struct sb_address source;

	if (!choose_source(ds, target, &source))
		return false;
	memset(header, 0, sizeof(*header));
	header->bytes = bytes;
	header->kind = SB_DATAGRAM_DATA;
	header->flags = SB_DATAGRAM_HOPS | SB_DATAGRAM_TOS | SB_DATAGRAM_LOCAL;
	header->remote = target->to;
	memcpy(header->local, source.bytes, sizeof(header->local));
	header->info = source.port;
	header->hops = sb_datagram_hops(&ds->sb, target);
	header->tos = sb_datagram_tos(&ds->sb, target);
	return true;
}

/* ---- the ring; the pair's lock held ---- */

/* 0, -EPIPE, -EMSGSIZE, -EAGAIN or -ENOBUFS */
static int make_room(struct sb_pair *p, u32 room)
{
	s64 space;

	if (p->over || p->broken)
		return -EPIPE;
	if (room > p->tx.size)
		return -EMSGSIZE;
	space = sb_writer_room(&p->tx);
	if (space >= room)
		return 0;
	space = sb_writer_space(&p->tx);
	if (space < 0) {
		/* whoever reads ends it: nobody else knows that nobody reads */
		WRITE_ONCE(p->broken, true);
		sb_channel_recall(p->channel, p->circuit->number);
		return -EPIPE;
	}
	if (p->tx.consumed != p->mark)
		p->stalled = false;
	if (space >= room)
		return 0;
	return p->stalled ? -ENOBUFS : -EAGAIN;
}

/* Returns: the other end is to be rung for */
static bool publish(struct sb_pair *p, const struct sb_datagram *header)
{
	u32 room = sb_datagram_room(header->bytes);
	u8 *at = p->tx_area + sb_writer_offset(&p->tx);

	memcpy(at, header, sizeof(*header));
	if (room > sb_writer_run(&p->tx))
		p->circuit->used[p->side] = p->tx.size;
	sb_writer_advance(&p->tx, room);
	return sb_writer_publish(&p->tx);
}

/* Another guest answers to, and from, addresses that it was called by */
static void note_known(struct sb_pair *p, const struct sb_address *to)
{
	u32 i;

	for (i = 0; i < p->known_count; i++)
		if (sb_address_equal(&p->known[i], to))
			return;
	if (p->known_count < SB_ADDRESSES_MAX)
		p->known[p->known_count++] = *to;
}

/* 0 or -EFAULT: pages are missing */
static int copy_in(struct sb_pair *p, u32 bytes, struct iov_iter *from)
{
	u8 *at = p->tx_area + sb_writer_offset(&p->tx);
	size_t copied;

	pagefault_disable();
	/* within the area: see transfer.c */
	copied = _copy_from_iter(at + sizeof(struct sb_datagram), bytes, from);
	pagefault_enable();
	if (copied == bytes)
		return 0;
	iov_iter_revert(from, copied);
	return -EFAULT;
}

static int put_locked(struct sb_pair *p, struct sb_datagram_sock *ds,
		      const struct sb_datagram *header, struct iov_iter *from,
		      bool waits)
{
	u32 room = sb_datagram_room(header->bytes);
	int error = make_room(p, room);

	if (error == -EAGAIN && waits && sb_pair_block(p, ds, room))
		error = 0;
	if (!error)
		error = copy_in(p, header->bytes, from);
	if (!error && p->side == SB_OWNER)
		note_known(p, &header->remote);
	return error;
}

int sb_pair_put(struct sb_pair *p, struct sb_datagram_sock *ds,
		const struct sb_datagram *header, struct iov_iter *from,
		bool waits)
{
	bool ring = false;
	int error;

	spin_lock_bh(&p->lock);
	error = put_locked(p, ds, header, from, waits);
	if (!error) {
		/* what comes back is for somebody who has asked for it */
		set_bit(p->slot, ds->met);
		if (p->side == SB_OWNER)
			set_bit(header->info, p->ports);
		WRITE_ONCE(ds->last, p->slot + 1);
		ring = publish(p, header);
	}
	spin_unlock_bh(&p->lock);
	if (ring)
		sb_circuit_ring(p->circuit, p->side);
	if (!error)
		sb_count(&sb_counters.datagrams_direct_out);
	return error;
}

void sb_pair_answer(struct sb_pair *p, const struct sb_datagram *header,
		    const u8 *payload)
{
	bool ring = false;
	int error;
	u8 *at;

	spin_lock_bh(&p->lock);
	error = make_room(p, sb_datagram_room(header->bytes));
	if (!error) {
		at = p->tx_area + sb_writer_offset(&p->tx);
		memcpy(at + sizeof(*header), payload, header->bytes);
		ring = publish(p, header);
	}
	spin_unlock_bh(&p->lock);
	if (ring)
		sb_circuit_ring(p->circuit, p->side);
	if (error)
		sb_count(&sb_counters.datagrams_dropped);
}

/* ---- one message ---- */

/* Is it for another guest at all, in a form that a pair can carry? */
static bool may_be_direct(const struct sb_datagram_sock *ds,
			  const struct sb_datagram_target *target)
{
	return !sb_datagram_is_ping(&ds->sb.sk) &&
	       !sb_address_is_multicast(&target->to) &&
	       !(target->flags & SB_DATAGRAM_PROXIED);
}

/* Under RCU. Whose it is: @line of ours, if that has no pair yet */
static struct sb_pair *find(struct sb_datagram_target *target, u16 *line)
{
	struct sb_pair *p;

	*line = SB_LINES_MAX;
	if (!sb_direct_find(&target->to, SB_ENTRY_DATAGRAM, line))
		return sb_pair_that_calls(&target->to);
	if (*line == SB_LINES_MAX) {
		target->flags |= SB_DATAGRAM_PROXIED;
		return NULL;
	}
	p = sb_pair_of_line(*line);
	if (p)
		*line = SB_LINES_MAX;
	return p;
}

static int put_once(struct sb_datagram_sock *ds,
		    struct sb_datagram_target *target, struct iov_iter *from,
		    u32 bytes, u16 *line)
{
	struct sb_datagram header;
	struct sb_pair *p;
	int error = -ENOLINK;

	rcu_read_lock();
	p = find(target, line);
	if (p && sb_pair_describe(ds, target, bytes, &header))
		error = sb_pair_put(p, ds, &header, from, true);
	rcu_read_unlock();
	return error;
}

/* 0: to be tried again */
static int wait_for_room(struct sb_datagram_sock *ds, int flags)
{
	struct sock *sk = &ds->sb.sk;
	long timeo = sock_sndtimeo(sk, flags & MSG_DONTWAIT);
	struct wait_queue_entry wait;
	int error = 0;

	if (!timeo) {
		/* poll() says so too, until there is room */
		set_bit(SOCK_NOSPACE, &sk->sk_socket->flags);
		return -EAGAIN;
	}
	sb_wait_begin(sk, &wait);
	while (!error && !list_empty_careful(&ds->blocked))
		error = sb_wait_sleep(sk, &wait, &timeo);
	sb_wait_end(sk, &wait);
	sb_pair_unblock(ds);
	return error;
}

/* 0: to be tried again */
static int fault_in(struct iov_iter *from, u32 bytes)
{
	if (fatal_signal_pending(current))
		return -EINTR;
	cond_resched();
	return fault_in_iov_iter_readable(from, bytes) ? -EFAULT : 0;
}

static int go_by_proxy(struct sb_datagram_target *target)
{
	target->flags |= SB_DATAGRAM_PROXIED;
	return -ENOLINK;
}

/* What is to be done about a failure. 0: try again */
static int recover(struct sb_datagram_sock *ds,
		   struct sb_datagram_target *target, struct iov_iter *from,
		   u32 bytes, int flags, u16 line, int error)
{
	switch (error) {
	case -ENOLINK:
		if (line == SB_LINES_MAX)
			return -ENOLINK;
		return sb_pair_call(line) ? go_by_proxy(target) : 0;
	case -EFAULT:
		return fault_in(from, bytes);
	case -EAGAIN:
		return wait_for_room(ds, flags);
	case -ENOBUFS:
		/* the other guest stands still: lost, as on a network */
		sb_count(&sb_counters.datagrams_dropped);
		iov_iter_advance(from, bytes);
		return bytes;
	default:
		return go_by_proxy(target);
	}
}

/* Ownership held. -ENOLINK: it goes through the proxy */
int sb_pair_send(struct sb_datagram_sock *ds, struct sb_datagram_target *target,
		 struct iov_iter *from, u32 bytes, int flags)
{
	struct sock *sk = &ds->sb.sk;
	u16 line;
	int error;

	if (!may_be_direct(ds, target))
		return -ENOLINK;
	for (;;) {
		if (READ_ONCE(sk->sk_err))
			return sock_error(sk);
		if (sk->sk_shutdown & SEND_SHUTDOWN)
			return -EPIPE;
		error = put_once(ds, target, from, bytes, &line);
		if (!error)
			break;
		error = recover(ds, target, from, bytes, flags, line, error);
		if (error)
			return error;
	}
	sb_pair_unblock(ds);
	/* the port is known to somebody now, and stays */
	set_bit(SB_SOCK_PORT_TOLD, &ds->sb.flags);
	return bytes;
}
