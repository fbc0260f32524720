// SPDX-License-Identifier: GPL-2.0-only
/*
 * datagram_circuit.c - the circuit of a datagram socket: taken, exchanged,
 * lost, taken again
 *
 * The circuit is offered when the first records are in it already, so that
 * they cost no round trip. The call names a port only when the program chose
 * one; whether others outside may reach it there is the operator's decision,
 * and a refusal leaves the port good for use inside the guest and for sending.
 *
 * A record that does not fit makes the socket exchange its circuit: another is
 * offered whose `listener` field names the old one. The peer empties the old
 * tx first and says CLOSED there; we read the old rx first.
 *
 * A circuit may end under the socket, because proxy-udp was started anew, say.
 * UDP knows no such thing, so nobody is told: datagrams are lost, as they may
 * be. A socket that others know, by its port or by a group, gets another
 * circuit at once; any other when it sends again.
 */
#include <linux/sched/signal.h>

#include "datagram.h"

static const u32 abandon = SB_OWNER_CLOSED | SB_WORD_FIN | SB_WORD_STOP;

/* Nobody answered for a line of datagrams: who asks next does not wait */
static bool line_missing;

bool sb_datagram_wants_port(const struct sb_datagram_sock *ds)
{
	const struct sb_sock *sb = &ds->sb;

	return sb->sk.sk_userlocks & SOCK_BINDPORT_LOCK && !ds->unpublished &&
	       sb->sk.sk_protocol == IPPROTO_UDP &&
	       !sb_address_is_loopback(&sb->bound);
}

/* ---- giving circuits back; spinlock or ownership held ---- */

static void note_used(struct sb_circuit *c, const struct sb_writer *tx,
		      const struct sb_reader *rx)
{
	c->used[SB_OWNER] = max(c->used[SB_OWNER], min(tx->size, tx->produced));
	c->used[SB_PEER] = max(c->used[SB_PEER], min(rx->size, rx->produced));
}

void sb_datagram_forget_old(struct sb_datagram_sock *ds)
{
	struct sb_circuit *c = ds->old;

	ds->old = NULL;
	note_used(c, &ds->old_tx, &ds->old_rx);
	sb_circuit_leave(c, SB_OWNER, abandon);
}

static void drop_circuit(struct sb_datagram_sock *ds, u32 flags)
{
	struct sb_sock *sb = &ds->sb;
	struct sb_circuit *c = sb->circuit;

	note_used(c, &sb->tx, &sb->rx);
	sb->circuit = NULL;
	ds->open = false;
	ds->drops += ds->told_drops;
	ds->told_drops = 0;
	sb_circuit_leave(c, SB_OWNER, flags);
}

void sb_datagram_leave(struct sb_datagram_sock *ds)
{
	struct sb_sock *sb = &ds->sb;

	ds->reattach = false;
	if (ds->old)
		sb_datagram_forget_old(ds);
	if (!sb->circuit)
		return;
	sb_datagram_flush(ds);
	/* what was written is still sent */
	drop_circuit(ds,
		     ds->fresh ? abandon
			       : SB_OWNER_OFFERED | SB_WORD_FIN | SB_WORD_STOP);
	ds->fresh = false;
}

/* The circuit becomes the old one: to be read, and to go back to */
static void set_aside(struct sb_datagram_sock *ds)
{
	struct sb_sock *sb = &ds->sb;

	ds->old = sb->circuit;
	ds->old_tx = sb->tx;
	ds->old_rx = sb->rx;
	ds->old_seen = sb->seen;
	sb->circuit = NULL;
}

/* The peer does not take the new one */
static void go_back(struct sb_datagram_sock *ds)
{
	struct sb_sock *sb = &ds->sb;
	struct sb_circuit *c = ds->old;
	u32 drops = ds->told_drops;

	drop_circuit(ds, abandon);
	ds->drops -= drops;
	ds->told_drops = drops;
	sb_stream_attach(sb, c, SB_OWNER);
	sb->tx = ds->old_tx;
	sb->rx = ds->old_rx;
	sb->seen = ds->old_seen;
	ds->old = NULL;
	ds->open = true;
	ds->stay_small = true;
}

/* ---- the peer's words; spinlock or ownership held ---- */

void sb_datagram_schedule(struct sb_datagram_sock *ds, unsigned long delay)
{
	if (!sb_datagram_wants_port(ds) && !sb_datagram_joined_outside(ds) &&
	    ds->sb.circuit == NULL)
		return;
	sock_hold(&ds->sb.sk);
	if (!queue_delayed_work(sb_workqueue, &ds->work, delay))
		sock_put(&ds->sb.sk);
}

static void opened(struct sb_datagram_sock *ds)
{
	struct sb_sock *sb = &ds->sb;
	struct sb_address local;

	sb_count(&sb_counters.circuits_opened);
	ds->open = true;
	ds->answer = 0;
	if (!test_bit(SB_SOCK_PORT_TOLD, &sb->flags) &&
	    sb_address_copy(&local, &sb->circuit->entry->local))
		sb_port_move(sb, local.port);
	/* the datagrams that a receiver waits for are told by themselves */
	if (ds->answer_awaited)
		sb->sk.sk_state_change(&sb->sk);
}

/* @error: 0 when nobody needs to be told */
static void ended(struct sb_datagram_sock *ds, int error)
{
	struct sb_sock *sb = &ds->sb;
	struct sock *sk = &sb->sk;
	bool was_open = ds->open;

	if (ds->old && !was_open && !sb->circuit->lost &&
	    !sb_datagram_old_ended(ds) && !ds->old->lost) {
		go_back(ds);
		sk->sk_state_change(sk);
		return;
	}
	if (!ds->old && sb_reader_available(&sb->rx) > 0) {
		set_aside(ds);
		ds->old_seen |= SB_WORD_CLOSED;
		ds->open = false;
	} else {
		drop_circuit(ds, abandon);
	}
	ds->fresh = false;
	ds->answer = error;
	if (!was_open && error && !ds->binding && !sb_datagram_wants_port(ds)) {
		sb_count(&sb_counters.circuits_refused);
		WRITE_ONCE(sk->sk_err, error);
		sk_error_report(sk);
	}
	if (!ds->binding)
		sb_datagram_schedule(ds, was_open ? 0 : HZ);
	sk->sk_state_change(sk);
	sk->sk_write_space(sk);
}

void sb_datagram_lie(struct sb_datagram_sock *ds, const char *what)
{
	struct sb_sock *sb = &ds->sb;

	sb_count(&sb_counters.lies);
	pr_warn_ratelimited("circuit %u: the peer's %s is a lie\n",
			    sb->circuit ? sb->circuit->number : 0, what);
	if (ds->old)
		sb_datagram_forget_old(ds);
	if (sb->circuit) {
		sb->circuit->entry->owner_error = EPROTO;
		drop_circuit(ds, abandon | SB_WORD_RESET);
	}
	WRITE_ONCE(sb->sk.sk_err, EPROTO);
	sk_error_report(&sb->sk);
	sb_datagram_schedule(ds, HZ);
}

static bool went_back(u32 seen, u32 word)
{
	return sb_word_state(word) < sb_word_state(seen) ||
	       sb_word_state(word) > SB_WORD_CLOSED ||
	       seen & ~word & SB_WORD_FLAGS;
}

/* The old one's: only its end matters */
static void look_at_old(struct sb_datagram_sock *ds)
{
	struct sb_circuit *c = ds->old;
	u32 word = sb_load(&c->entry->peer);

	if (sb_word_generation(word) == c->generation &&
	    sb_word_state(word) == SB_PEER_CLOSED)
		ds->old_seen |= SB_WORD_CLOSED;
	if (READ_ONCE(c->lost))
		ds->old_seen |= SB_WORD_CLOSED;
}

static void take_word(struct sb_datagram_sock *ds, u32 word)
{
	struct sb_sock *sb = &ds->sb;
	u32 error;

	if (went_back(sb->seen, word)) {
		sb_datagram_lie(ds, "word");
		return;
	}
	sb->seen = word;
	if (sb_word_state(word) >= SB_PEER_OPEN && !ds->open) {
		error = sb_load(&sb->circuit->entry->error);
		/* it may have opened and ended before we looked */
		if (sb_word_state(word) == SB_PEER_OPEN || !error)
			opened(ds);
	}
	if (sb_word_state(word) != SB_PEER_CLOSED)
		return;
	error = sb_load(&sb->circuit->entry->error);
	ended(ds, error < MAX_ERRNO ? error : EPROTO);
}

/* The proxy holds a datagram that is too large for our rx */
static bool wants_more(const struct sb_datagram_sock *ds)
{
	const struct sb_circuit *c = ds->sb.circuit;

	return ds->open && !ds->old && !ds->stay_small &&
	       sb_load(&c->entry->grow_switch) > c->order;
}

void sb_datagram_look(struct sb_datagram_sock *ds)
{
	struct sb_sock *sb = &ds->sb;
	struct sb_circuit *c;
	u32 word;

	if (ds->old)
		look_at_old(ds);
	if (!sb->circuit || ds->fresh)
		return;
	c = sb->circuit;
	word = sb_load(sb->peer_word);
	if (word != sb->seen && sb_word_generation(word) == c->generation)
		take_word(ds, word);
	if (sb->circuit != c)
		return;
	if (READ_ONCE(c->lost))
		ended(ds, ds->open ? 0 : ENETDOWN);
	else if (READ_ONCE(c->refused) && !ds->open)
		ended(ds, c->refused);
	else if (wants_more(ds))
		sb_datagram_schedule(ds, 0);
}

/* ---- taking and offering; ownership held ---- */

static void write_call(struct sb_datagram_sock *ds, struct sb_circuit *c)
{
	struct sb_call call = { .generation = c->generation };

	call.local = ds->sb.bound;
	/* one that the program did not choose is nobody's to publish */
	if (!sb_datagram_wants_port(ds))
		call.local.port = 0;
	c->index->call = call;
}

void sb_datagram_offer(struct sb_datagram_sock *ds)
{
	struct sb_sock *sb = &ds->sb;
	struct sb_circuit *c = sb->circuit;
	struct sb_entry *e = c->entry;

	sb_datagram_options_collect(ds);
	e->kind = SB_ENTRY_DATAGRAM;
	e->listener = ds->old && !sb_datagram_old_ended(ds) ? ds->old->number
							    : SB_ENTRY_NONE;
	e->options = sb->options;
	write_call(ds, c);
	sb_writer_publish(&sb->tx);
	ds->fresh = false;
	sb_store_full(sb->word, sb->own);
	sb_circuit_ring(c, SB_OWNER);
	/* the line may have been lost before anybody could tell us */
	sb_datagram_look(ds);
}

static u32 order_for(u32 room)
{
	return room > sb_area_bytes(SB_CIRCUIT_ORDER) ? SB_LARGE_ORDER
						      : SB_CIRCUIT_ORDER;
}

static struct sb_circuit *take(struct sb_guest_line *line, u32 order)
{
	if (order == SB_LARGE_ORDER)
		return sb_pool_take_large(line, SB_LARGE_ORDER);
	return sb_pool_take(line, true);
}

/* A circuit that is not offered yet */
static int attach(struct sb_datagram_sock *ds, struct sb_guest_line *line,
		  u32 room)
{
	struct sb_circuit *c = take(line, order_for(room));

	if (IS_ERR(c))
		return PTR_ERR(c);
	sb_stream_attach(&ds->sb, c, SB_OWNER);
	ds->open = false;
	ds->fresh = true;
	ds->reattach = false;
	ds->answer = 0;
	sb_datagram_rejoin(ds);
	return 0;
}

/* Lets go of the socket's lock while there is no line yet */
static struct sb_guest_line *find_line(struct sock *sk, long timeo)
{
	struct sb_guest_line *line = sb_orders_line(SB_LINE_UDP);

	if (line)
		return line;
	if (READ_ONCE(line_missing))
		timeo = 0;
	release_sock(sk);
	line = sb_orders_line_wait(SB_LINE_UDP, timeo);
	lock_sock(sk);
	if (IS_ERR(line) && PTR_ERR(line) == -ENETUNREACH && timeo)
		WRITE_ONCE(line_missing, true);
	return line;
}

int sb_datagram_need_circuit(struct sb_datagram_sock *ds, u32 room, long timeo)
{
	struct sb_guest_line *line = find_line(&ds->sb.sk, timeo);
	int error = 0;

	if (IS_ERR(line))
		return PTR_ERR(line);
	WRITE_ONCE(line_missing, false);
	if (!ds->sb.circuit)
		error = sb_datagram_autobind(ds);
	if (!error && !ds->sb.circuit)
		error = attach(ds, line, room);
	sb_line_put(line);
	return error;
}

/* Another, larger circuit takes the place of this one; not offered yet */
int sb_datagram_grow(struct sb_datagram_sock *ds)
{
	struct sb_guest_line *line = ds->sb.circuit->line;
	struct sb_circuit *c;

	if (!ds->open || ds->old || ds->sb.circuit->order >= SB_LARGE_ORDER)
		return -EAGAIN;
	c = sb_pool_take_large(line, SB_LARGE_ORDER);
	if (IS_ERR(c)) {
		ds->stay_small = true;
		return PTR_ERR(c);
	}
	sb_datagram_flush(ds);
	set_aside(ds);
	sb_stream_attach(&ds->sb, c, SB_OWNER);
	ds->open = false;
	ds->fresh = true;
	return 0;
}

/* ---- the work item: what nobody asked for just now ---- */

/* Others know this socket, and the proxy does not */
static void attach_again(struct sb_datagram_sock *ds)
{
	struct sb_guest_line *line = sb_orders_line(SB_LINE_UDP);

	if (!line)
		return;
	WRITE_ONCE(line_missing, false);
	if (!sb_datagram_autobind(ds) && !attach(ds, line, 0))
		sb_datagram_flush(ds);
	sb_line_put(line);
}

/* What the peer before told Dom0 has to be told again; @ds has a circuit */
static void tell_groups_again(struct sb_datagram_sock *ds)
{
	if (!test_and_clear_bit(SB_SOCK_REJOIN, &ds->sb.flags) ||
	    sb_datagram_rejoin(ds))
		return;
	/* the ring is full of what the new one has yet to read */
	set_bit(SB_SOCK_REJOIN, &ds->sb.flags);
	sb_datagram_schedule(ds, HZ / 10);
}

void sb_datagram_work(struct work_struct *work)
{
	struct sb_datagram_sock *ds = container_of(
		to_delayed_work(work), struct sb_datagram_sock, work);
	struct sb_sock *sb = &ds->sb;
	struct sock *sk = &sb->sk;

	lock_sock(sk);
	if (test_bit(SB_SOCK_CLOSED, &sb->flags))
		goto out;
	if (!sb->circuit &&
	    (sb_datagram_wants_port(ds) || sb_datagram_joined_outside(ds)))
		attach_again(ds);
	if (sb->circuit)
		tell_groups_again(ds);
	if (sb->circuit && wants_more(ds))
		sb_datagram_grow(ds);
	sb_datagram_flush(ds);
out:
	release_sock(sk);
	sock_put(sk);
}
