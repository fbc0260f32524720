// SPDX-License-Identifier: GPL-2.0-only
/*
 * exchange.c - a stream moves to another circuit while it is open
 *
 * The owner offers a circuit of another size whose entry names the one that it
 * replaces. Whoever writes a ring goes on in it until it has decided, and then
 * goes on in the new one; what a ring holds when that is told is all that it
 * ever held, so every byte has its place and nobody waits:
 *
 *	owner					peer
 *	new: OFFERED, replaces old ---------->	maps it; writes to new rx
 *						from here on
 *	old rx has its last byte <-------------	new: OPEN
 *	writes to new tx from here on
 *	old: FIN ----------------------------->	old tx has its last byte;
 *	reads old rx empty, then new rx		reads it empty, then new tx
 *	old is the pool's again <--------------	old: CLOSED
 *
 * Either end of a direct circuit is here; a proxy's part is its own. A peer
 * that does not take the offer answers CLOSED, and nothing has happened. While
 * the offer is open, what the owner's word says it says in both entries, in the
 * new one first; so it does not matter which the peer looks at.
 *
 * sb_sock.circuit is where we write, sb_sock.rx where we read. The peer's end
 * gets an offer in its tasklet, maybe while a process owns the socket: it then
 * waits in sb_sock.offer, under the spinlock, until the process lets go.
 */
#include "switchboard.h"

static const u32 abandon = SB_OWNER_CLOSED | SB_WORD_FIN | SB_WORD_STOP;

/* ---- reading; ownership held ---- */

bool sb_exchange_read_on(struct sb_sock *sb)
{
	struct sb_exchange *x = &sb->exchange;

	if (!x->reads_old || !x->at_end || sb_reader_held(&sb->rx) ||
	    sb_reader_available(&sb->rx))
		return false;
	x->reads_old = false;
	sb->rx = x->rx;
	sb->rx_area = x->rx_area;
	/* whatever is in it is news */
	sb->told = sb->rx.consumed - 1;
	return true;
}

/* ---- both ends ---- */

/* Nobody reads or writes the old circuit any more */
static void forget_old(struct sb_sock *sb)
{
	struct sb_circuit *c = sb->exchange.old;
	u32 flags = SB_WORD_FIN | SB_WORD_STOP;

	sb->exchange.old = NULL;
	flags |= sb->side == SB_OWNER ? SB_OWNER_OFFERED : SB_PEER_CLOSED;
	sb_circuit_leave(c, sb->side, flags);
	/* who lingers waits for this */
	sb->sk.sk_write_space(&sb->sk);
}

/* Write to @c from here on, and read it when the old one is empty */
static void move_to(struct sb_sock *sb, struct sb_circuit *c)
{
	struct sb_exchange *x = &sb->exchange;
	struct sb_circuit *old = sb->circuit;
	struct sb_reader rx = sb->rx;
	u8 *rx_area = sb->rx_area;
	u32 own = sb->own, told = sb->told;

	old->used[sb->side] =
		max(old->used[sb->side], min(sb->tx.size, sb->tx.produced));
	x->old = old;
	x->old_word = sb->word;
	x->old_peer_word = sb->peer_word;
	x->old_own = own;
	x->old_tx = sb->tx;
	sb_stream_attach(sb, c, sb->side);
	sb->own |= own & SB_WORD_FLAGS;
	sb->told = told;
	x->rx = sb->rx;
	x->rx_area = sb->rx_area;
	x->reads_old = true;
	x->at_end = sb->side == SB_OWNER;
	sb->rx = rx;
	sb->rx_area = rx_area;
	sb_count(&sb_counters.circuits_exchanged);
}

static u32 word_of(const u32 *word, u32 generation)
{
	u32 value = sb_load_full(word);

	return sb_word_generation(value) == generation ? value : 0;
}

/* What became of the old circuit since the stream has moved */
static void look_at_old(struct sb_sock *sb)
{
	struct sb_exchange *x = &sb->exchange;
	u32 word = word_of(x->old_peer_word, x->old->generation);
	bool closed = sb_word_state(word) >= SB_WORD_CLOSED || x->old->lost;

	if (!x->at_end && (word & SB_WORD_FIN || closed))
		x->at_end = true;
	sb_exchange_read_on(sb);
	if (x->reads_old)
		return;
	if (sb->side == SB_PEER || closed)
		forget_old(sb);
}

/* ---- the owner's end ---- */

bool sb_exchange_possible(const struct sb_sock *sb)
{
	const struct sb_circuit *c = sb->circuit;

	return c && c->line && READ_ONCE(c->line->exchanges) &&
	       c->kind == SB_ENTRY_STREAM && !sb_is_datagram(sb) &&
	       !sb_exchange_pending(sb) &&
	       sb->exchange.refusals < SB_REFUSALS_MAX &&
	       (sb->sk.sk_state == TCP_ESTABLISHED ||
		sb->sk.sk_state == TCP_CLOSE_WAIT) &&
	       !sb->sk.sk_err && !test_bit(SB_SOCK_ATTACHED, &sb->flags) &&
	       sb_word_state(sb->seen) == SB_WORD_LIVE &&
	       !(sb->own & SB_WORD_FLAGS) && !(sb->seen & SB_WORD_STOP);
}

void sb_exchange_offer(struct sb_sock *sb, struct sb_circuit *c)
{
	struct sb_entry *e = c->entry;

	e->listener = sb->circuit->number;
	e->replaces = sb->circuit->generation;
	e->options = sb->options;
	sb->exchange.next = c;
	rcu_assign_pointer(c->end[SB_OWNER], sb);
	sb_store_full(&e->owner, sb_word(c->generation, SB_WORD_LIVE));
	sb_circuit_ring(c, SB_OWNER);
}

/* The peer has taken it: the old tx has its last byte */
static void go_over(struct sb_sock *sb, struct sb_circuit *c)
{
	struct sb_exchange *x = &sb->exchange;

	x->next = NULL;
	move_to(sb, c);
	x->old_own |= SB_WORD_FIN;
	sb_store_full(x->old_word, x->old_own);
	sb_circuit_ring(x->old, SB_OWNER);
	if (memcmp(&c->entry->options, &sb->options, sizeof(sb->options)))
		sb_stream_options_changed(sb);
	sb->sk.sk_data_ready(&sb->sk);
	sb->sk.sk_write_space(&sb->sk);
}

static void look_at_next(struct sb_sock *sb)
{
	struct sb_circuit *c = sb->exchange.next;
	u32 word = word_of(&c->entry->peer, c->generation);

	if (sb_word_state(word) < SB_WORD_LIVE && !c->lost)
		return;
	if (!c->lost && sb_load(&c->entry->replaced) == c->generation) {
		go_over(sb, c);
		return;
	}
	sb->exchange.next = NULL;
	sb->exchange.refusals++;
	sb_count(&sb_counters.exchanges_refused);
	sb_circuit_leave(c, SB_OWNER, abandon);
}

/* ---- the peer's end, of a direct circuit ---- */

static void refuse(struct sb_circuit *c, u32 error)
{
	sb_store(&c->entry->error, error);
	sb_circuit_leave(c, SB_PEER, SB_PEER_CLOSED);
}

/* Is it offered for the circuit that we have, and can that be replaced? */
static bool may_take(const struct sb_sock *sb, struct sb_circuit *c)
{
	const struct sb_callee *callee = sb_callee_of(c);
	const struct sb_circuit *old = sb->circuit;

	return old && old->foreign && old->number == callee->replaces_entry &&
	       old->generation == callee->replaces && !sb->exchange.old &&
	       sb_word_state(sb->own) == SB_WORD_LIVE &&
	       sb_word_state(sb->seen) < SB_WORD_CLOSED && !sb->sk.sk_err &&
	       !test_bit(SB_SOCK_ATTACHED, &sb->flags);
}

static void take(struct sb_sock *sb)
{
	struct sb_circuit *c = sb->exchange.offer;

	sb->exchange.offer = NULL;
	if (!may_take(sb, c)) {
		refuse(c, EBUSY);
		return;
	}
	move_to(sb, c);
	c->entry->error = 0;
	c->entry->grow_switch = 0;
	sb_store(&c->entry->replaced, c->generation);
	sb_store_full(sb->word, sb->own);
	sb_circuit_ring(c, SB_PEER);
	sb->sk.sk_write_space(&sb->sk);
}

bool sb_exchange_offered(struct sb_sock *sb, struct sb_circuit *c)
{
	struct sock *sk = &sb->sk;
	bool first;

	spin_lock_bh(&sk->sk_lock.slock);
	first = !sb->exchange.offer;
	if (first) {
		sb->exchange.offer = c;
		if (sock_owned_by_user(sk))
			set_bit(SB_SOCK_BELL, &sb->flags);
		else
			take(sb);
	}
	spin_unlock_bh(&sk->sk_lock.slock);
	return first;
}

/* Under RCU: whose stream that is, or NULL */
static struct sb_sock *find_stream(const struct sb_callee *callee)
{
	struct sb_callee **slot, *old = NULL;

	if (callee->replaces_entry >= SB_ENTRIES_MAX)
		return NULL;
	slot = sb_foreign_slot(callee->line, callee->replaces_entry);
	if (slot) {
		/* pairs with map() */
		old = smp_load_acquire(slot);
	}
	if (!old || old == callee ||
	    READ_ONCE(old->phase) != SB_CALLEE_JOINED ||
	    READ_ONCE(old->circuit.generation) != callee->replaces)
		return NULL;
	return rcu_dereference(old->circuit.end[SB_PEER]);
}

/* In the tasklet, under RCU; the socket checks it again under its lock */
void sb_exchange_take_offer(struct sb_callee *callee, u32 generation,
			    u32 replaces)
{
	struct sb_circuit *c = &callee->circuit;
	struct sb_sock *sb;

	callee->replaces = replaces;
	callee->replaces_entry = sb_load(&c->entry->listener);
	sb = READ_ONCE(c->entry->kind) == SB_ENTRY_STREAM ? find_stream(callee)
							  : NULL;
	if (!sb) {
		sb_callee_refuse(callee, generation, EBUSY);
		return;
	}
	if (sb_callee_begin(callee, generation) &&
	    !sb_exchange_offered(sb, c)) {
		sb_store(&c->entry->error, EBUSY);
		sb_callee_leave(c, SB_PEER_CLOSED);
	}
}

/* ---- what streams and sockets call ---- */

/* Bytes of the old tx that the peer has not taken yet */
u32 sb_exchange_unsent(struct sb_sock *sb)
{
	struct sb_writer *w = &sb->exchange.old_tx;

	if (!sb->exchange.old)
		return 0;
	/* whoever lies here only lies to the program of its own stream */
	sb_writer_space(w);
	return w->size - sb_writer_room(w);
}

void sb_exchange_look(struct sb_sock *sb)
{
	if (sb->exchange.next)
		look_at_next(sb);
	if (sb->exchange.old)
		look_at_old(sb);
}

int sb_exchange_settle(struct sb_sock *sb)
{
	long timeo = msecs_to_jiffies(SB_SETTLE_MS);
	struct wait_queue_entry wait;
	int error = 0;

	if (likely(!sb_exchange_pending(sb)))
		return 0;
	sb_wait_begin(&sb->sk, &wait);
	set_bit(SB_SOCK_ASKS, &sb->flags);
	while (!error) {
		sb_stream_look(sb);
		if (!sb_exchange_pending(sb))
			break;
		if (sb->exchange.reads_old && sb->exchange.at_end)
			error = -EAGAIN;
		else
			error = sb_wait_sleep(&sb->sk, &wait, &timeo);
	}
	clear_bit(SB_SOCK_ASKS, &sb->flags);
	sb_wait_end(&sb->sk, &wait);
	return error;
}

void sb_exchange_look_at_offer(struct sb_sock *sb)
{
	if (sb->exchange.offer)
		take(sb);
}

void sb_exchange_word_add(struct sb_sock *sb, u32 flags)
{
	struct sb_circuit *c = sb->exchange.next;

	if (!c)
		return;
	sb_store_full(&c->entry->owner,
		      sb_word(c->generation,
			      (sb->own | flags) &
				      (SB_WORD_STATE | SB_WORD_FLAGS)));
	sb_circuit_ring_locked(c, SB_OWNER);
}

void sb_exchange_leave(struct sb_sock *sb, u32 flags)
{
	struct sb_exchange *x = &sb->exchange;
	struct sb_circuit *next = x->next, *old = x->old;

	x->next = NULL;
	x->old = NULL;
	x->reads_old = false;
	if (next)
		sb_circuit_leave(next, SB_OWNER, flags);
	if (!old)
		return;
	/* the new one's end is told already; a peer's old one is over */
	if (sb->side == SB_PEER)
		flags = SB_PEER_CLOSED | (flags & SB_WORD_FLAGS);
	sb_circuit_leave(old, sb->side,
			 (flags & (SB_WORD_STATE | SB_WORD_FLAGS)) |
				 SB_WORD_FIN | SB_WORD_STOP);
}
