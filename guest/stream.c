// SPDX-License-Identifier: GPL-2.0-only
/*
 * stream.c - the states of a stream socket, as its circuit's words move them
 *
 * sk_state has TCP's names because programs and the core look at it. A bell
 * brings the socket up to date (sb_stream_look()) whenever no process owns it;
 * otherwise the owner does it on release. So sk_err and sk_shutdown are right
 * without anybody having to ask.
 *
 * What the two words mean to this end:
 *   peer OPEN      connected
 *   peer FIN       end of file after what is in the ring
 *   peer STOP      the peer has closed: what we write goes nowhere, and the
 *                  write after that is an error
 *   peer CLOSED    the end; with an error, reset or never connected
 */
#include <linux/sched/signal.h>

#include "switchboard.h"

void sb_stream_attach(struct sb_sock *sb, struct sb_circuit *c,
		      enum sb_side side)
{
	u32 size = sb_circuit_area_bytes(c);

	sb->circuit = c;
	sb->side = side;
	sb->word = sb_circuit_word(c, side);
	sb->peer_word = sb_circuit_word(c, !side);
	sb->own = sb_word(c->generation, SB_WORD_LIVE);
	sb->seen = sb_word(c->generation, 0);
	sb->told = 0;
	if (c->pages) {
		sb->tx_area = c->area[side];
		sb->rx_area = c->area[!side];
		sb_writer_init(&sb->tx, c->index, side, size);
		sb_reader_init(&sb->rx, c->index, side, size);
	}
	rcu_assign_pointer(c->end[side], sb);
}

void sb_stream_word_add(struct sb_sock *sb, u32 flags)
{
	if ((sb->own & flags) == flags)
		return;
	sb_exchange_word_add(sb, flags);
	sb->own |= flags;
	sb_store_full(sb->word, sb->own);
	sb_circuit_ring(sb->circuit, sb->side);
}

/* Where this end tells why it was not orderly */
static void store_error(struct sb_sock *sb, int error)
{
	struct sb_entry *e = sb->circuit->entry;

	if (sb->side == SB_OWNER)
		e->owner_error = error;
	else
		e->error = error;
}

static u32 closed_word(const struct sb_sock *sb, u32 flags)
{
	return (sb->own & ~SB_WORD_STATE) | SB_WORD_CLOSED | SB_WORD_FIN |
	       SB_WORD_STOP | flags;
}

/* Work: it is told when nobody here has the circuit any more */
void sb_stream_part(struct work_struct *work)
{
	struct sb_sock *sb = container_of(work, struct sb_sock, parting);

	lock_sock(&sb->sk);
	if (sb->circuit && sb->circuit->foreign &&
	    sb_word_state(sb->own) == SB_WORD_CLOSED)
		sb_stream_leave(sb, false);
	release_sock(&sb->sk);
	sock_put(&sb->sk);
}

/*
 * CLOSED gives another guest's circuit back: its owner uses it for another
 * connection, of which this socket, and a program that mapped it, must not see
 * anything. Nor may they be in the way of the next call.
 */
static void part_soon(struct sb_sock *sb)
{
	sock_hold(&sb->sk);
	if (!queue_work(sb_workqueue, &sb->parting))
		sock_put(&sb->sk);
}

void sb_stream_abort(struct sb_sock *sb, int error)
{
	store_error(sb, error);
	sb->own = closed_word(sb, SB_WORD_RESET);
	if (sb->circuit->foreign) {
		part_soon(sb);
	} else {
		sb_store_full(sb->word, sb->own);
		sb_circuit_ring_locked(sb->circuit, sb->side);
	}
	/* whatever it says from now on does not count */
	sb->seen |= SB_WORD_CLOSED;
	sb_stream_fail(sb, error);
}

void sb_stream_lie(struct sb_sock *sb, const char *what)
{
	sb_count(&sb_counters.lies);
	pr_warn_ratelimited("circuit %u: the peer's %s is a lie\n",
			    sb->circuit->number, what);
	sb_stream_abort(sb, EPROTO);
}

/* The connection is over, or never was; @error may be 0 after both FINs */
void sb_stream_fail(struct sb_sock *sb, int error)
{
	struct sock *sk = &sb->sk;

	if (sk->sk_state == TCP_SYN_SENT)
		sb_count(&sb_counters.circuits_refused);
	/* sent to and fro too often: that is no word for a program */
	if (error == EREMCHG)
		error = EHOSTUNREACH;
	/* as TCP: who has read the end already, hears of a broken pipe */
	if (sk->sk_state == TCP_CLOSE_WAIT && error == ECONNRESET)
		error = EPIPE;
	if (!error)
		sock_set_flag(sk, SOCK_DONE);
	else if (sk->sk_state != TCP_CLOSE)
		WRITE_ONCE(sk->sk_err, error);
	WRITE_ONCE(sk->sk_shutdown, SHUTDOWN_MASK);
	sb_stream_state(sk, TCP_CLOSE);
	if (error)
		sk_error_report(sk);
	sk->sk_state_change(sk);
}

static void take_name(struct sb_address *to, const struct sb_address *from)
{
	struct sb_address a;

	if (sb_address_copy(&a, from))
		*to = a;
}

/* Both ends' names are in the entry; in-guest they are the owner's view */
void sb_stream_names(struct sb_sock *sb)
{
	const struct sb_entry *e = sb->circuit->entry;
	bool owner = sb->side == SB_OWNER;

	/* the entry is the caller's memory: what we checked is in the circuit */
	if (sb->circuit->foreign) {
		sb->local = sb->circuit->remote;
		sb->remote = sb->circuit->local;
		return;
	}
	take_name(&sb->local, owner ? &e->local : &e->remote);
	take_name(&sb->remote, owner ? &e->remote : &e->local);
}

static void sb_stream_connected(struct sb_sock *sb)
{
	struct sock *sk = &sb->sk;

	sb_count(&sb_counters.circuits_opened);
	sb_stream_names(sb);
	sb_stream_state(sk, TCP_ESTABLISHED);
	sk->sk_state_change(sk);
	sk_wake_async(sk, SOCK_WAKE_IO, POLL_OUT);
}

/* The errno that goes with the peer's CLOSED, or 0 after an orderly end */
static int peer_error(const struct sb_sock *sb, u32 word)
{
	const struct sb_entry *e = sb->circuit->entry;
	u32 error;

	if (sb->side == SB_OWNER) {
		error = sb_load(&e->error);
		if (error >= MAX_ERRNO)
			return -EPROTO;
		if (!error && word & SB_WORD_RESET)
			return -ECONNRESET;
		return -(int)error;
	}
	if (!(word & SB_WORD_RESET))
		return 0;
	error = sb_load(&e->owner_error);
	return error && error < MAX_ERRNO ? -(int)error : -ECONNRESET;
}

static void take_fin(struct sb_sock *sb)
{
	struct sock *sk = &sb->sk;

	if (sk->sk_shutdown & RCV_SHUTDOWN && sock_flag(sk, SOCK_DONE))
		return;
	WRITE_ONCE(sk->sk_shutdown, sk->sk_shutdown | RCV_SHUTDOWN);
	sock_set_flag(sk, SOCK_DONE);
	sb_stream_state(sk, sb->own & SB_WORD_FIN ? TCP_CLOSE : TCP_CLOSE_WAIT);
	sk->sk_state_change(sk);
	sk_wake_async(sk, SOCK_WAKE_WAITD,
		      sk->sk_shutdown == SHUTDOWN_MASK ? POLL_HUP : POLL_IN);
}

/* State and flags only grow within a generation */
static bool went_back(u32 seen, u32 word)
{
	return sb_word_state(word) < sb_word_state(seen) ||
	       sb_word_state(word) > SB_WORD_CLOSED ||
	       seen & ~word & SB_WORD_FLAGS;
}

/* Called in vain: there is, or is no longer, a direct way to the destination */
static bool is_moved(const struct sb_sock *sb, u32 word)
{
	return sb->sk.sk_state == TCP_SYN_SENT && sb->side == SB_OWNER &&
	       sb_word_state(word) == SB_WORD_CLOSED &&
	       peer_error(sb, word) == -EREMCHG;
}

static void take_word(struct sb_sock *sb, u32 word)
{
	if (went_back(sb->seen, word)) {
		sb_stream_lie(sb, "word");
		return;
	}
	sb->seen = word;
	if (is_moved(sb, word) && sb_repeat_moved(sb))
		return;
	/* it may have opened and ended before we looked */
	if (sb->sk.sk_state == TCP_SYN_SENT &&
	    sb_word_state(word) >= SB_WORD_LIVE &&
	    (sb_word_state(word) == SB_WORD_LIVE || !peer_error(sb, word)))
		sb_stream_connected(sb);
	if (sb_word_state(word) == SB_WORD_CLOSED)
		sb_stream_fail(sb, -peer_error(sb, word));
	else if (word & SB_WORD_FIN)
		take_fin(sb);
}

static int lost_error(const struct sb_sock *sb)
{
	const struct sb_circuit *c = sb->circuit;

	if (READ_ONCE(c->refused))
		return sb->sk.sk_state == TCP_SYN_SENT ? c->refused : 0;
	if (!READ_ONCE(c->lost))
		return 0;
	/* nobody was there who would have connected it */
	if (sb->sk.sk_state == TCP_SYN_SENT && c->line->kind != SB_LINE_DIRECT)
		return ENETUNREACH;
	return ECONNRESET;
}

/*
 * The peer's word in the circuit that we have. The old one's is loaded before
 * it is looked whether that was replaced: an end that it tells of is then the
 * stream's. The new one's does not count before the old one is at its end.
 */
static u32 load_word(struct sb_sock *sb)
{
	const struct sb_circuit *c = sb->circuit;
	u32 word = sb_load(sb->peer_word);

	if (likely(!sb_exchange_pending(sb)))
		return word;
	sb_exchange_look(sb);
	if (sb->exchange.reads_old && !sb->exchange.at_end)
		return sb->seen;
	return sb->circuit == c ? word : sb_load(sb->peer_word);
}

void sb_stream_look(struct sb_sock *sb)
{
	struct sb_circuit *c = sb->circuit;
	u32 word;
	int error;

	if (!c)
		return;
	if (c->kind == SB_ENTRY_LISTENER) {
		sb_accept_look(sb);
		return;
	}
	word = load_word(sb);
	c = sb->circuit;
	if (sb_word_state(sb->seen) == SB_WORD_CLOSED)
		return;
	if (word != sb->seen && sb_word_generation(word) == c->generation)
		take_word(sb, word);
	else if (c->foreign && sb_word_generation(word) != c->generation)
		sb_stream_lie(sb, "generation");
	if (c->line && c->line->kind == SB_LINE_DIRECT)
		sb_grow_look(sb);
	error = lost_error(sb);
	if (error && sb_word_state(sb->seen) != SB_WORD_CLOSED) {
		sb->seen |= SB_WORD_CLOSED;
		if (error != EREMCHG || !sb_repeat_moved(sb))
			sb_stream_fail(sb, error);
	}
}

void sb_stream_wake_writers(struct sock *sk, struct socket *sock)
{
	struct socket_wq *wq;

	clear_bit(SOCK_NOSPACE, &sock->flags);
	rcu_read_lock();
	wq = rcu_dereference(sk->sk_wq);
	if (skwq_has_sleeper(wq))
		wake_up_interruptible_poll(&wq->wait, EPOLLOUT | EPOLLWRNORM |
							      EPOLLWRBAND);
	if (wq && wq->fasync_list && !(sk->sk_shutdown & SEND_SHUTDOWN))
		sock_wake_async(wq, SOCK_WAKE_SPACE, POLL_OUT);
	rcu_read_unlock();
}

void sb_stream_write_space(struct sock *sk)
{
	struct sb_sock *sb = sb_sk(sk);
	struct socket *sock = sk->sk_socket;
	u32 used;

	if (!sock || !test_bit(SOCK_NOSPACE, &sock->flags) || !sb->circuit)
		return;
	/* whoever wakes checks the index: here a lie only wakes for nothing */
	used = sb->tx.produced - sb_load(&sb->tx.peer->consumed);
	if (used <= sb->tx.size &&
	    sb->tx.size - used < sb_stream_room_wanted(sb))
		return;
	sb_stream_wake_writers(sk, sock);
}

/* Moves whenever there is more to read, or where it is read changes */
static u32 news(const struct sb_sock *sb)
{
	const struct sb_exchange *x = &sb->exchange;
	u32 produced = sb_load(&sb->rx.peer->produced);

	if (unlikely(x->reads_old && x->at_end))
		produced += sb_load(&x->rx.peer->produced);
	return produced;
}

/* The socket's spinlock held */
static void look_and_wake(struct sb_sock *sb)
{
	u32 produced;

	if (sb_is_datagram(sb)) {
		sb_datagram_bell(sb);
		return;
	}
	sb_exchange_look_at_offer(sb);
	sb_stream_look(sb);
	if (!sb->circuit || !sb->circuit->pages)
		return;
	if (test_bit(SB_SOCK_ASKS, &sb->flags))
		sb->sk.sk_state_change(&sb->sk);
	produced = news(sb);
	if (produced != sb->told) {
		sb->told = produced;
		sb->sk.sk_data_ready(&sb->sk);
	}
	sb->sk.sk_write_space(&sb->sk);
}

/* Softirq, or a process with bottom halves on; never this socket's spinlock */
void sb_stream_bell(struct sb_sock *sb)
{
	struct sock *sk = &sb->sk;

	spin_lock_bh(&sk->sk_lock.slock);
	if (sock_owned_by_user(sk))
		set_bit(SB_SOCK_BELL, &sb->flags);
	else
		look_and_wake(sb);
	spin_unlock_bh(&sk->sk_lock.slock);
}

void sb_stream_release_cb(struct sock *sk)
{
	struct sb_sock *sb = sb_sk(sk);

	if (test_bit(SB_SOCK_BELL, &sb->flags) &&
	    test_and_clear_bit(SB_SOCK_BELL, &sb->flags))
		look_and_wake(sb);
}

/*
 * What TCP would do with unread data, or with SO_LINGER of 0 seconds, is a
 * reset. After an orderly leave the peer drains what we wrote.
 */
void sb_stream_leave(struct sb_sock *sb, bool abort)
{
	struct sb_circuit *c = sb->circuit;
	u32 flags;

	if (!c)
		return;
	if (c->kind == SB_ENTRY_STREAM && !c->line && sb_accept_unjoin(c)) {
		/* nobody will ever take the other end */
		refcount_dec(&c->ends);
		abort = false;
	}
	/* who has aborted it already has told why */
	if (abort && sb_word_state(sb->own) != SB_WORD_CLOSED)
		store_error(sb, ECONNRESET);
	flags = abort ? closed_word(sb, SB_WORD_RESET)
		      : sb->own | SB_WORD_FIN | SB_WORD_STOP;
	if (c->pages)
		c->used[sb->side] = max(c->used[sb->side],
					min(sb->tx.size, sb->tx.produced));
	sb_mmap_leave(sb);
	flags &= SB_WORD_STATE | SB_WORD_FLAGS;
	sb_exchange_leave(sb, flags);
	sb_grow_leave(sb);
	sb->circuit = NULL;
	sb_circuit_leave(c, sb->side, flags);
}

void sb_stream_strip(struct sb_sock *sb, struct sb_circuit *c)
{
	lock_sock(&sb->sk);
	if (sb->circuit == c || sb->exchange.old == c) {
		sb_stream_look(sb);
		sb_stream_leave(sb, true);
	}
	release_sock(&sb->sk);
}

void sb_stream_disconnect(struct sb_sock *sb)
{
	struct sock *sk = &sb->sk;

	if (sk->sk_state == TCP_LISTEN)
		sb_accept_stop(sb);
	else if (sk->sk_state != TCP_CLOSE)
		WRITE_ONCE(sk->sk_err, ECONNRESET);
	sb_stream_leave(sb, true);
	if (!(sk->sk_userlocks & SOCK_BINDPORT_LOCK))
		sb_port_release(sb);
	else
		sb_port_unlisten(sb);
	memset(&sb->local, 0, sizeof(sb->local));
	memset(&sb->remote, 0, sizeof(sb->remote));
	sk->sk_shutdown = 0;
	sock_reset_flag(sk, SOCK_DONE);
	sb_stream_state(sk, TCP_CLOSE);
	sk_error_report(sk);
}
