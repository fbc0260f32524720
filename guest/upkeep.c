// SPDX-License-Identifier: GPL-2.0-only
/*
 * upkeep.c - what a line does for its circuits when nobody asks
 *
 * The work item ends grants and fills the pool. The sweep, every few seconds,
 * looks what the pool has too much, resets what does not close, ends requests
 * that nobody answers. What is too much goes back a little at a time: hundreds
 * of circuits at once would hold up for 20 ms whoever uses the processor. When
 * the line is lost, each of its circuits is told.
 */
#include "datagram.h"

/* Each circuit of the line, under RCU */
static void visit_circuits(struct sb_guest_line *line,
			   void (*visit)(struct sb_circuit *c))
{
	u32 entry, entries = sb_table_entries(line);
	struct sb_circuit *c;

	for (entry = 0; entry < entries; entry++) {
		rcu_read_lock();
		c = sb_table_slot(line, entry);
		if (c)
			visit(c);
		rcu_read_unlock();
	}
}

/*
 * Bells that the former peer had taken and not answered are rung again, and it
 * alone knew which groups were joined
 */
static void ring_again(struct sb_circuit *c)
{
	struct sb_sock *sb = rcu_dereference(c->end[SB_OWNER]);
	u8 state = READ_ONCE(c->state);

	if (state == SB_CIRCUIT_CLOSING || state == SB_CIRCUIT_REVOKED ||
	    state == SB_CIRCUIT_POSTED || state == SB_CIRCUIT_BUSY)
		sb_circuit_ring(c, SB_OWNER);
	if (sb)
		sb_datagram_peer_is_new(sb);
}

/*
 * The peer of a line that is lost lets go of everything at once, if it is
 * honest: what it still maps is tried again before the next sweep would, at
 * first after moments. The sweep is there as long as a circuit is.
 */
static void try_again_soon(struct sb_guest_line *line)
{
	if (!list_empty(&line->ending))
		mod_delayed_work(sb_workqueue, &line->sweep,
				 sb_line_patience(line));
}

void sb_pool_work(struct work_struct *work)
{
	struct sb_guest_line *line =
		container_of(work, struct sb_guest_line, work);

	sb_pool_give(line);
	sb_ending_work(line);
	if (READ_ONCE(line->lost))
		try_again_soon(line);
	if (test_and_clear_bit(0, &line->reattached))
		visit_circuits(line, ring_again);
	sb_pool_refill(line);
}

/* A request that nobody answers ends some day */
static void expire(struct sb_circuit *c)
{
	u32 word = sb_load(&c->entry->peer);

	if (!READ_ONCE(c->asked) || READ_ONCE(c->state) != SB_CIRCUIT_BUSY ||
	    time_before(jiffies, READ_ONCE(c->since) + SB_CONNECT_S * HZ))
		return;
	if (sb_word_generation(word) == c->generation &&
	    sb_word_state(word) >= SB_PEER_OPEN)
		return;
	WRITE_ONCE(c->refused, ETIMEDOUT);
	sb_circuit_bell_owner(c);
}

/* Returns when to come again, in jiffies */
static unsigned long sweep(struct sb_guest_line *line)
{
	if (!time_before(jiffies, line->sweep_at)) {
		line->sweep_at = jiffies + SB_SWEEP_S * HZ;
		sb_pool_look_over(line);
		sb_ending_reset_orphans(line);
		visit_circuits(line, expire);
		visit_circuits(line, sb_pool_check);
	}
	return sb_pool_trim(line) ? msecs_to_jiffies(SB_TRIM_MS)
				  : SB_SWEEP_S * HZ;
}

void sb_pool_sweep(struct work_struct *work)
{
	struct sb_guest_line *line =
		container_of(work, struct sb_guest_line, sweep.work);
	unsigned long delay = SB_SWEEP_S * HZ;

	if (READ_ONCE(line->lost) && !READ_ONCE(line->used)) {
		bool left = line->left;

		line->left = true;
		if (!left)
			sb_line_put(line);
		return;
	}
	if (!READ_ONCE(line->lost))
		delay = sweep(line);
	queue_work(sb_workqueue, &line->work);
	queue_delayed_work(sb_workqueue, &line->sweep, delay);
}

/* What is nobody's ends; what is somebody's is told to them */
static void lose_one(struct sb_circuit *c)
{
	struct sb_guest_line *line = c->line;

	spin_lock_bh(&line->lock);
	c->lost = true;
	if (c->state == SB_CIRCUIT_READY) {
		sb_pool_forget_ready(c);
		sb_ending_move(c);
	} else if (c->state == SB_CIRCUIT_CLOSING ||
		   c->state == SB_CIRCUIT_REVOKED) {
		sb_ending_move(c);
	}
	spin_unlock_bh(&line->lock);
	sb_trunk_forget(c);
	sb_accept_lost(c);
	sb_circuit_bell_owner(c);
}

/* The line is marked lost: nobody places a circuit on it any more */
void sb_pool_lose(struct sb_guest_line *line)
{
	visit_circuits(line, lose_one);
}
