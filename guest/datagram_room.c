// SPDX-License-Identifier: GPL-2.0-only
/*
 * datagram_room.c - waiting: for room in the ring, for the proxy's answer
 *
 * Who needs room for a record gets a circuit if there is none, a larger one if
 * the record does not fit or the ring was full, and otherwise waits, letting
 * go of the socket. The circuit may end meanwhile: then it begins anew.
 */
#include <linux/sched/signal.h>

#include "datagram.h"

/* ---- room for records ---- */

void sb_datagram_flush(struct sb_datagram_sock *ds)
{
	struct sb_sock *sb = &ds->sb;

	if (ds->fresh)
		sb_datagram_offer(ds);
	else if (sb->circuit && sb_writer_publish(&sb->tx))
		sb_circuit_ring(sb->circuit, SB_OWNER);
}

void sb_datagram_written(struct sb_datagram_sock *ds, u32 room, bool more)
{
	struct sb_writer *w = &ds->sb.tx;

	if (room > sb_writer_run(w))
		ds->sb.circuit->used[SB_OWNER] = w->size;
	sb_writer_advance(w, room);
	ds->room = 0;
	/*
	 * Of several datagrams only the last rings; sendmmsg() may end before
	 * that, and tells nobody
	 */
	if (!more)
		sb_datagram_flush(ds);
	else if (!delayed_work_pending(&ds->work))
		sb_datagram_schedule(ds, 1);
}

/* Until there is room, or the circuit is another; 0 to look again */
static int wait_for_room(struct sb_datagram_sock *ds, u32 room, long *timeo)
{
	struct sb_sock *sb = &ds->sb;
	struct sb_circuit *c = sb->circuit;
	struct wait_queue_entry wait;
	u32 wanted = max(room, sb->tx.size / 2);
	s64 space = 0;
	int error = 0;

	sb_wait_begin(&sb->sk, &wait);
	while (!error && sb->circuit == c && space < wanted && !sb->sk.sk_err &&
	       !(sb->sk.sk_shutdown & SEND_SHUTDOWN)) {
		sk_set_bit(SOCKWQ_ASYNC_NOSPACE, &sb->sk);
		set_bit(SOCK_NOSPACE, &sb->sk.sk_socket->flags);
		space = sb_writer_arm(&sb->tx, wanted);
		if (space < 0 || space >= wanted)
			break;
		error = sb_wait_sleep(&sb->sk, &wait, timeo);
		sb_datagram_look(ds);
	}
	sb_wait_end(&sb->sk, &wait);
	/* less than what we asked for may do */
	return space >= room ? 0 : error;
}

/*
 * The peer has not answered yet: nothing can be exchanged before it does. Its
 * answer to a client's socket may have no bell of its own
 */
static int wait_for_answer(struct sb_datagram_sock *ds, long *timeo)
{
	struct sb_sock *sb = &ds->sb;
	struct wait_queue_entry wait;
	int error = 0;
	long slice;

	sb_datagram_flush(ds);
	ds->answer_awaited++;
	sb_wait_begin(&sb->sk, &wait);
	while (!error && sb->circuit && !ds->open) {
		if (signal_pending(current)) {
			error = sock_intr_errno(*timeo);
			break;
		}
		slice = min_t(long, *timeo, msecs_to_jiffies(SB_ANSWER_MS));
		*timeo -= slice;
		error = sb_wait_sleep(&sb->sk, &wait, &slice);
		*timeo += slice;
		sb_datagram_look(ds);
	}
	sb_wait_end(&sb->sk, &wait);
	ds->answer_awaited--;
	return error;
}

/* 0: there is another circuit, or the same one can be looked at again */
static int make_more(struct sb_datagram_sock *ds, u32 room, long *timeo)
{
	bool must = room > ds->sb.tx.size;
	int error = -EAGAIN;

	sb_datagram_options_tell(ds);
	/* who fills a small ring is better off with a large one */
	if (must || !ds->stay_small)
		error = sb_datagram_grow(ds);
	if (!error)
		return 0;
	if (!must)
		return wait_for_room(ds, room, timeo);
	if (error != -EAGAIN)
		return error;
	if (!ds->open)
		return wait_for_answer(ds, timeo);
	/* the old circuit waits for its reader: this one */
	sb_datagram_pending(ds);
	return ds->old ? -ENOBUFS : 0;
}

int sb_datagram_make_room(struct sb_datagram_sock *ds, u32 room, long *timeo)
{
	struct sb_sock *sb = &ds->sb;
	int error;
	s64 space;

	for (;;) {
		if (sb->sk.sk_err)
			return sock_error(&sb->sk);
		if (sb->sk.sk_shutdown & SEND_SHUTDOWN)
			return -EPIPE;
		if (!sb->circuit) {
			error = sb_datagram_need_circuit(ds, room, *timeo);
			if (error)
				return error;
			continue;
		}
		space = sb_writer_room(&sb->tx);
		if (space < room)
			space = sb_writer_space(&sb->tx);
		if (space >= room)
			return 0;
		if (space < 0) {
			sb_datagram_lie(ds, "consumed index");
			continue;
		}
		ds->room = room;
		sb_datagram_flush(ds);
		if (!sb->circuit)
			continue;
		error = make_more(ds, room, timeo);
		if (error)
			return error;
	}
}

/* ---- the port ---- */

/* The proxy's answer, 0 when it is open; or the errno of waiting */
static int wait_open(struct sb_datagram_sock *ds)
{
	long timeo = SB_LISTEN_S * HZ;
	int error = wait_for_answer(ds, &timeo);

	if (ds->open)
		return 0;
	if (!ds->sb.circuit)
		return ds->answer ? -ds->answer : -ENETDOWN;
	return error == -EAGAIN ? -ETIMEDOUT : error;
}

int sb_datagram_publish(struct sb_datagram_sock *ds)
{
	int error;

	ds->unpublished = false;
	if (!sb_datagram_wants_port(ds))
		return 0;
	error = sb_datagram_need_circuit(ds, 0, SB_ATTACH_S * HZ);
	/* in this guest only, until a line comes up */
	if (error)
		return error == -ENETUNREACH ? 0 : error;
	ds->binding = true;
	error = wait_open(ds);
	ds->binding = false;
	if (error)
		sb_datagram_leave(ds);
	if (error != -EACCES)
		return error;
	/* a client's port: it sends, and others inside may use it */
	ds->unpublished = true;
	return 0;
}

void sb_datagram_settle_port(struct sb_datagram_sock *ds)
{
	struct sb_sock *sb = &ds->sb;

	if (!sb->bound.family)
		return;
	/* the others' is theirs: it means nothing to the proxy */
	if (sb_datagram_wants_port(ds) &&
	    test_bit(SB_SOCK_AUTOPORT, &sb->flags) && sb->circuit &&
	    !test_bit(SB_SOCK_PORT_TOLD, &sb->flags) && !ds->open)
		wait_open(ds);
	set_bit(SB_SOCK_PORT_TOLD, &sb->flags);
}
