// SPDX-License-Identifier: GPL-2.0-only
/*
 * datagram_receive.c - datagrams out of the ring, or of the guest's own queue
 *
 * A record's header is copied out and checked before it is believed; its
 * payload goes to the program in one copy. Error records and datagrams that
 * this socket does not want are taken out of the way whenever somebody looks,
 * so that poll() never promises what recv() does not give.
 *
 * There are two places where datagrams wait. They take turns, and a place that
 * was peeked at keeps its turn.
 */
#include <linux/sched/signal.h>
#include <linux/uio.h>

#include "datagram_arrival.h"

/* ---- the ring; spinlock or ownership held ---- */

static void consume(struct sb_datagram_sock *ds, struct sb_reader *r, u32 room)
{
	struct sb_circuit *c = ds->old ? ds->old : ds->sb.circuit;

	if (room > sb_reader_run(r))
		c->used[SB_PEER] = r->size;
	sb_reader_advance(r, room);
	if (sb_reader_release(r))
		sb_circuit_ring(c, SB_OWNER);
}

static bool is_wanted(const struct sb_datagram_sock *ds,
		      const struct sb_datagram *h)
{
	const struct sb_sock *sb = &ds->sb;

	if (h->kind != SB_DATAGRAM_DATA || h->flags & ~SB_DATAGRAM_FLAGS)
		return false;
	if (h->remote.family != SB_FAMILY_IPV4 &&
	    (h->remote.family != SB_FAMILY_IPV6 || sb->sk.sk_family == AF_INET))
		return false;
	if (sb_datagram_is_ping(&sb->sk) && h->bytes < SB_PING_BYTES)
		return false;
	if (!sb_datagram_is_connected(&sb->sk))
		return true;
	return sb_address_equal(&h->remote, &sb->remote) &&
	       (sb_datagram_is_ping(&sb->sk) ||
		h->remote.port == sb->remote.port);
}

static bool is_error(const struct sb_datagram *h)
{
	return h->kind >= SB_DATAGRAM_ERROR_LOCAL &&
	       h->kind <= SB_DATAGRAM_ERROR_ICMP6;
}

/* A record that is no datagram for the program */
static void take_other(struct sb_datagram_sock *ds, const struct sb_datagram *h,
		       const u8 *payload)
{
	if (is_error(h))
		sb_datagram_take_error(ds, h, payload);
	else
		sb_count(&sb_counters.datagrams_dropped);
}

/* What the last circuit's reader is done with is given back */
static bool next_reader(struct sb_datagram_sock *ds)
{
	if (!ds->old || !sb_datagram_old_ended(ds))
		return false;
	sb_datagram_forget_old(ds);
	ds->sb.told = 0;
	return ds->sb.circuit;
}

/* The next datagram in the ring. What came since this began counts next time */
static bool find_in_ring(struct sb_datagram_sock *ds, struct sb_arrival *a)
{
	struct sb_reader *r = sb_arrival_reader(ds);
	s64 held, room;

again:
	held = r ? sb_reader_available(r) : 0;
	while (held > 0) {
		a->payload = sb_arrival_area(ds) + sb_reader_offset(r);
		sb_datagram_copy(&a->header, a->payload);
		a->payload += sizeof(a->header);
		room = sb_datagram_check(&a->header, held);
		if (room < 0) {
			held = room;
			break;
		}
		a->room = room;
		if (is_wanted(ds, &a->header))
			return true;
		take_other(ds, &a->header, a->payload);
		consume(ds, r, room);
		held -= room;
	}
	if (held < 0) {
		sb_datagram_lie(ds, "record");
		return false;
	}
	if (r && next_reader(ds)) {
		r = sb_arrival_reader(ds);
		goto again;
	}
	return false;
}

bool sb_datagram_arm(struct sb_datagram_sock *ds)
{
	struct sb_reader *r = sb_arrival_reader(ds);
	u32 bytes;
	s64 held;

	if (!r)
		return false;
	bytes = min(sb_reader_held(r) + SB_DATAGRAM_ALIGN, r->size);
	held = sb_reader_arm(r, bytes);
	/* a lie is found by whoever reads */
	return held < 0 || held >= bytes;
}

bool sb_datagram_pending(struct sb_datagram_sock *ds)
{
	struct sb_arrival a;

	return find_in_ring(ds, &a) ||
	       !skb_queue_empty_lockless(&ds->sb.sk.sk_receive_queue);
}

/* ---- both places; ownership held: nobody else takes datagrams away ---- */

static bool find_in_queue(struct sb_datagram_sock *ds, struct sb_arrival *a)
{
	a->skb = skb_peek(&ds->sb.sk.sk_receive_queue);
	if (!a->skb)
		return false;
	a->header = *sb_datagram_header(a->skb);
	return true;
}

static bool find(struct sb_datagram_sock *ds, struct sb_arrival *a)
{
	if (ds->from_queue && find_in_queue(ds, a))
		return true;
	a->skb = NULL;
	if (find_in_ring(ds, a)) {
		ds->from_queue = false;
		return true;
	}
	if (!find_in_queue(ds, a))
		return false;
	ds->from_queue = true;
	return true;
}

/* ---- SO_PEEK_OFF: peeking goes on behind what was peeked at ---- */

/**
 * struct peek - how far one has gone through what waits
 * @ring:    bytes of the ring that were passed
 * @skb:     the last of the queue that was passed, or NULL
 * @empties: datagrams of no bytes that were passed
 */
struct peek {
	u32 ring;
	struct sk_buff *skb;
	u32 empties;
};

static bool peek_in_ring(struct sb_datagram_sock *ds, struct sb_arrival *a,
			 struct peek *p)
{
	struct sb_reader *r = sb_arrival_reader(ds);
	u32 held = r ? sb_reader_held(r) : 0;
	s64 room;

	for (; held > p->ring; p->ring += room) {
		a->payload = sb_arrival_area(ds) +
			     ((sb_reader_offset(r) + p->ring) & (r->size - 1));
		sb_datagram_copy(&a->header, a->payload);
		a->payload += sizeof(a->header);
		room = sb_datagram_check(&a->header, held - p->ring);
		/* whoever gets there tells that it is a lie */
		if (room < 0)
			return false;
		a->skb = NULL;
		a->room = room;
		if (is_wanted(ds, &a->header))
			return true;
	}
	return false;
}

static bool peek_in_queue(struct sb_datagram_sock *ds, struct sb_arrival *a,
			  const struct peek *p)
{
	struct sk_buff_head *queue = &ds->sb.sk.sk_receive_queue;
	struct sk_buff *skb;

	spin_lock_bh(&queue->lock);
	skb = p->skb ? skb_peek_next(p->skb, queue) : skb_peek(queue);
	spin_unlock_bh(&queue->lock);
	if (!skb)
		return false;
	a->skb = skb;
	a->header = *sb_datagram_header(skb);
	return true;
}

/* One of no bytes is passed when it was peeked at, or there is more to pass */
static bool passes(struct sb_datagram_sock *ds, const struct sb_arrival *a,
		   struct peek *p, u32 off)
{
	if (a->header.bytes)
		return off >= a->header.bytes;
	if (off || p->empties < ds->peeked_empties) {
		p->empties++;
		return true;
	}
	ds->peeked_empties = p->empties + 1;
	return false;
}

/* They take turns as if each that was passed had been received */
static bool pass(struct sb_datagram_sock *ds, struct sb_arrival *a, u32 *off)
{
	struct peek p = {};

	while (passes(ds, a, &p, *off)) {
		*off -= a->header.bytes;
		if (a->skb)
			p.skb = a->skb;
		else
			p.ring += a->room;
		if (!(!a->skb && peek_in_queue(ds, a, &p)) &&
		    !peek_in_ring(ds, a, &p) && !peek_in_queue(ds, a, &p))
			return false;
	}
	return true;
}

/* The one that these flags mean, and where in it to begin */
static bool seek(struct sb_datagram_sock *ds, struct sb_arrival *a, int flags,
		 u32 *off)
{
	s32 start = READ_ONCE(ds->sb.sk.sk_peek_off);

	*off = 0;
	if (!find(ds, a))
		return false;
	if (likely(!(flags & MSG_PEEK) || start < 0) ||
	    sb_datagram_is_ping(&ds->sb.sk))
		return true;
	*off = start;
	return pass(ds, a, off);
}

u32 sb_datagram_next_bytes(struct sb_datagram_sock *ds)
{
	struct sb_arrival a;

	return find(ds, &a) ? a.header.bytes : 0;
}

/* Does anybody wait who has not told us, by epoll or for SIGIO? */
static bool is_watched(const struct sock *sk)
{
	/* who queues up after this looks at the ring after that */
	return waitqueue_active(sk_sleep((struct sock *)sk)) ||
	       sock_flag(sk, SOCK_FASYNC);
}

/* More than half a small ring waits: who sends so fast finds no room soon */
static void keep_up(struct sb_datagram_sock *ds)
{
	struct sb_sock *sb = &ds->sb;

	if (ds->old || ds->stay_small ||
	    sb->circuit->order > SB_CIRCUIT_ORDER ||
	    likely(sb_reader_held(&sb->rx) <= sb->rx.size / 2))
		return;
	if (!sb_datagram_grow(ds))
		sb_datagram_flush(ds);
}

static void take(struct sb_datagram_sock *ds, struct sb_arrival *a)
{
	struct sock *sk = &ds->sb.sk;
	struct sb_reader *r;

	if (unlikely(ds->peeked_empties) && !a->header.bytes)
		ds->peeked_empties--;
	/* the other place is next */
	ds->from_queue = !a->skb;
	if (a->skb) {
		skb_unlink(a->skb, &sk->sk_receive_queue);
		sb_datagram_skb_done(ds, a->skb);
		return;
	}
	consume(ds, sb_arrival_reader(ds), a->room);
	keep_up(ds);
	/* they must hear of the next */
	r = sb_arrival_reader(ds);
	if (r && !sb_reader_held(r) && is_watched(sk) && sb_datagram_arm(ds))
		sk->sk_data_ready(sk);
}

/* Bytes, or -EFAULT */
static int copy_payload(struct sb_datagram_sock *ds, const struct sb_arrival *a,
			struct msghdr *msg, u32 off, u32 bytes)
{
	u8 head[SB_PING_BYTES];
	u32 done = 0;

	if (a->skb)
		return skb_copy_datagram_msg(a->skb, off, msg, bytes) ? -EFAULT
								      : bytes;
	if (sb_datagram_is_ping(&ds->sb.sk)) {
		memcpy(head, a->payload, sizeof(head));
		sb_datagram_ping_renumber(&ds->sb.sk, head);
		done = min_t(u32, bytes, sizeof(head));
		if (copy_to_iter(head, done, &msg->msg_iter) != done)
			return -EFAULT;
	}
	/* within the area: see transfer.c */
	if (_copy_to_iter(a->payload + off + done, bytes - done,
			  &msg->msg_iter) != bytes - done)
		return -EFAULT;
	return bytes;
}

static void put_name(const struct sock *sk, const struct sb_datagram *h,
		     struct msghdr *msg)
{
	struct sb_address from = h->remote;

	if (!msg->msg_name)
		return;
	if (sb_datagram_is_ping(sk))
		from.port = 0;
	msg->msg_namelen = sb_address_format(&from, sk, msg->msg_name);
}

/* Datagrams of this socket that were lost before this one */
static u32 count_drops(struct sb_datagram_sock *ds, const struct sb_arrival *a)
{
	u32 in_guest = atomic_read(&ds->sb.sk.sk_drops);

	if (!a->skb)
		ds->told_drops = a->header.drops;
	return in_guest + ds->drops + ds->told_drops;
}

static bool may_join(const struct sb_datagram_sock *ds,
		     const struct sb_arrival *a, size_t room, int flags)
{
	return unlikely(ds->sb.hints.changed[SB_HINT_UDP_GRO]) &&
	       !sb_datagram_is_ping(&ds->sb.sk) && !(flags & MSG_PEEK) &&
	       a->header.bytes && a->header.bytes < room &&
	       a->header.bytes < SB_DATAGRAM_MAX_IPV4 &&
	       !(a->header.flags & SB_DATAGRAM_CUT);
}

/* From byte @off of it; what the next peek skips moves as in Linux */
static int receive_one(struct sb_datagram_sock *ds, struct sb_arrival *a,
		       struct msghdr *msg, size_t room, int flags, u32 off)
{
	struct sock *sk = &ds->sb.sk;
	u32 left = a->header.bytes - off;
	ktime_t time = a->skb ? a->skb->tstamp : 0;
	int result = copy_payload(ds, a, msg, off, min_t(size_t, room, left));

	a->header.info = 0;
	if (result >= 0) {
		if (may_join(ds, a, room, flags))
			result = sb_arrival_join(ds, a, msg, room);
		if ((room <= left && room < a->header.bytes) ||
		    (!a->skb && a->header.flags & SB_DATAGRAM_CUT))
			msg->msg_flags |= MSG_TRUNC;
		if (flags & MSG_TRUNC)
			result = max_t(int, result, a->header.bytes);
		put_name(sk, &a->header, msg);
		sb_datagram_put_controls(ds, msg, &a->header, time,
					 count_drops(ds, a));
		sk_peek_offset_bwd(sk, flags & MSG_PEEK ? -result : result);
	}
	/* what cannot be copied is gone, as in Linux */
	if (!(flags & MSG_PEEK))
		take(ds, a);
	return result;
}

/* ---- waiting ---- */

/* Nothing can when the ring is full of what was peeked at */
static bool more_came(struct sb_datagram_sock *ds)
{
	struct sb_reader *r = sb_arrival_reader(ds);
	u32 held = r ? sb_reader_held(r) : 0;

	return sb_datagram_arm(ds) && !(r && held == r->size);
}

/* 0: there is one. Otherwise the end: 1 for a closed direction, or -errno */
static int wait_for_one(struct sb_datagram_sock *ds, struct sb_arrival *a,
			long timeo, int flags, u32 *off)
{
	struct sock *sk = &ds->sb.sk;
	struct wait_queue_entry wait;
	int error;

	if (timeo)
		sb_datagram_options_look(ds);
	sb_wait_begin(sk, &wait);
	for (;;) {
		error = sock_error(sk);
		if (error || seek(ds, a, flags, off))
			break;
		error = sk->sk_shutdown & RCV_SHUTDOWN ? 1 : 0;
		if (error)
			break;
		if (more_came(ds))
			continue;
		sk_set_bit(SOCKWQ_ASYNC_WAITDATA, sk);
		error = sb_wait_sleep(sk, &wait, &timeo);
		sk_clear_bit(SOCKWQ_ASYNC_WAITDATA, sk);
		if (error)
			break;
		sb_datagram_look(ds);
	}
	sb_wait_end(sk, &wait);
	return error;
}

static int receive_locked(struct sb_datagram_sock *ds, struct msghdr *msg,
			  size_t bytes, int flags)
{
	struct sock *sk = &ds->sb.sk;
	long timeo = sock_rcvtimeo(sk, flags & MSG_DONTWAIT);
	struct sb_arrival a;
	u32 off;
	int error;

	sb_datagram_flush(ds);
	error = sock_error(sk);
	if (error)
		return error;
	if (!seek(ds, &a, flags, &off)) {
		sb_datagram_look(ds);
		error = wait_for_one(ds, &a, timeo, flags, &off);
	}
	if (error)
		return error < 0 ? error : 0;
	return receive_one(ds, &a, msg, bytes, flags, off);
}

int sb_datagram_receive(struct socket *sock, struct msghdr *msg, size_t bytes,
			int flags)
{
	struct sock *sk = sock->sk;
	int result;

	if (unlikely(flags & MSG_ERRQUEUE))
		return sb_datagram_receive_error(sk, msg, bytes);
	if (unlikely(flags & MSG_OOB && sb_datagram_is_ping(sk)))
		return -EOPNOTSUPP;
	lock_sock(sk);
	result = receive_locked(sb_ds(sk), msg, bytes, flags);
	release_sock(sk);
	return result;
}
