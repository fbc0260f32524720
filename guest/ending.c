// SPDX-License-Identifier: GPL-2.0-only
/*
 * ending.c - circuits that nobody uses any more
 *
 * A circuit that a socket or a listener gave back is CLOSING until the peer has
 * said CLOSED; then it is zeroed and READY again under a new generation. One
 * that is to go is REVOKED: the peer unmaps it, says UNMAPPED, and the work
 * item ends its grants and frees its pages. Pages whose grant cannot be ended
 * stay where they are and are tried again.
 */
#include "switchboard.h"

static bool peer_says(struct sb_circuit *c, enum sb_peer_state state)
{
	u32 word = sb_load(&c->entry->peer);

	return sb_word_generation(word) == c->generation &&
	       sb_word_state(word) >= state;
}

/* line->lock held */
void sb_ending_move(struct sb_circuit *c)
{
	sb_withheld_add(c);
	c->state = SB_CIRCUIT_ENDING;
	list_move_tail(&c->node, &c->line->ending);
	queue_work(sb_workqueue, &c->line->work);
}

void sb_ending_revoke(struct sb_circuit *c)
{
	struct sb_guest_line *line = c->line;
	bool lost;

	spin_lock_bh(&line->lock);
	lost = line->lost || c->lost;
	if (lost) {
		sb_ending_move(c);
	} else {
		sb_withheld_add(c);
		c->state = SB_CIRCUIT_REVOKED;
		sb_store_full(&c->entry->owner,
			      sb_word(c->generation, SB_OWNER_REVOKED));
	}
	spin_unlock_bh(&line->lock);
	if (lost)
		return;
	sb_circuit_ring(c, SB_OWNER);
	sb_pool_check(c);
}

/*
 * The peer will not touch the pages again. Takes the circuit out of the hands
 * of others before it zeroes the pages, without a lock.
 */
static void recycle(struct sb_circuit *c)
{
	struct sb_guest_line *line = c->line;

	sb_trunk_forget(c);
	if (c->kind == SB_ENTRY_LISTENER) {
		spin_lock_bh(&line->lock);
		sb_ending_move(c);
		spin_unlock_bh(&line->lock);
		return;
	}
	if (sb_exposure_in_use(c)) {
		/* a program still sees the pages: another circuit instead */
		sb_ending_revoke(c);
		return;
	}
	sb_circuit_wipe(c);
	spin_lock_bh(&line->lock);
	if (line->lost || c->lost) {
		sb_ending_move(c);
	} else {
		sb_pool_begin_generation(c);
		sb_pool_make_ready(c);
	}
	spin_unlock_bh(&line->lock);
}

static bool take_for(struct sb_circuit *c, enum sb_circuit_state state,
		     enum sb_peer_state said)
{
	struct sb_guest_line *line = c->line;
	bool taken;

	spin_lock_bh(&line->lock);
	taken = c->state == state && peer_says(c, said);
	if (taken) {
		c->state = SB_CIRCUIT_BUSY;
		list_del_init(&c->node);
	}
	spin_unlock_bh(&line->lock);
	return taken;
}

void sb_pool_check(struct sb_circuit *c)
{
	struct sb_guest_line *line = c->line;

	if (take_for(c, SB_CIRCUIT_CLOSING, SB_PEER_CLOSED)) {
		recycle(c);
	} else if (take_for(c, SB_CIRCUIT_REVOKED, SB_PEER_UNMAPPED)) {
		spin_lock_bh(&line->lock);
		sb_ending_move(c);
		spin_unlock_bh(&line->lock);
	}
}

void sb_pool_close(struct sb_circuit *c)
{
	struct sb_guest_line *line = c->line;

	spin_lock_bh(&line->lock);
	c->since = jiffies;
	if (line->lost || c->lost) {
		sb_ending_move(c);
	} else {
		sb_withheld_add(c);
		c->state = SB_CIRCUIT_CLOSING;
		list_move_tail(&c->node, &line->closing);
	}
	spin_unlock_bh(&line->lock);
	sb_pool_check(c);
}

/* Pages that the peer may still map count as quarantined */
static void quarantine(struct sb_circuit *c)
{
	struct sb_guest_line *line = c->line;

	if (!c->quarantined)
		atomic64_add(c->pages, &sb_counters.pages_quarantined);
	c->quarantined = true;
	spin_lock_bh(&line->lock);
	list_add_tail(&c->node, &line->ending);
	spin_unlock_bh(&line->lock);
}

static void end(struct sb_circuit *c)
{
	sb_trunk_forget(c);
	if (!sb_circuit_ungrant(c)) {
		quarantine(c);
		return;
	}
	if (c->quarantined)
		atomic64_sub(c->pages, &sb_counters.pages_quarantined);
	spin_lock_bh(&c->line->lock);
	sb_withheld_drop(c);
	spin_unlock_bh(&c->line->lock);
	sb_table_clear(c);
	sb_circuit_free(c);
	sb_repeat_room_news();
}

void sb_ending_work(struct sb_guest_line *line)
{
	struct sb_circuit *c, *next;
	LIST_HEAD(ending);

	spin_lock_bh(&line->lock);
	list_splice_init(&line->ending, &ending);
	spin_unlock_bh(&line->lock);
	list_for_each_entry_safe(c, next, &ending, node) {
		list_del_init(&c->node);
		end(c);
	}
}

void sb_ending_reset_orphans(struct sb_guest_line *line)
{
	u32 word;
	struct sb_circuit *c;

	spin_lock_bh(&line->lock);
	list_for_each_entry(c, &line->closing, node) {
		if (time_before(jiffies, c->since + SB_ORPHAN_S * HZ))
			continue;
		c->since = jiffies;
		word = sb_word(c->generation, SB_OWNER_CLOSED | SB_WORD_RESET |
						      SB_WORD_FIN |
						      SB_WORD_STOP);
		sb_store_full(&c->entry->owner, word);
		sb_circuit_ring(c, SB_OWNER);
	}
	spin_unlock_bh(&line->lock);
}
