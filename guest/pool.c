// SPDX-License-Identifier: GPL-2.0-only
/*
 * pool.c - ready circuits of a line, and circuits that end
 *
 * A circuit is READY in the pool, goes out to a socket or a listener, comes
 * back CLOSING, and when the peer has said CLOSED it is zeroed and READY again
 * under a new generation. The pool keeps what comes back; every few seconds
 * half of what was never needed meanwhile is REVOKED: the peer unmaps it, says
 * UNMAPPED, and a work item ends its grants and frees its pages. Pages whose
 * grant cannot be ended stay where they are and are tried again.
 *
 * A line has a few large circuits too, made once, for whoever comes first: a
 * sleep and a wake-up through the hypervisor cost as much as copying a hundred
 * KiB, so a bulk transfer goes as fast as its ring is long.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "switchboard.h"

/* line->lock held: the entry begins a new life, zeroed and offered to nobody */
static void make_ready(struct sb_circuit *c)
{
	struct sb_guest_line *line = c->line;

	sb_withheld_drop(c);
	c->state = SB_CIRCUIT_READY;
	if (c->list) {
		list_add(&c->node, &line->large);
		line->large_ready++;
	} else {
		list_add(&c->node, &line->ready);
		line->ready_count++;
	}
	sb_count(&sb_counters.circuits_ready);
}

/* Describe the circuit in its entry; the word makes it valid */
static void describe(struct sb_circuit *c)
{
	struct sb_entry *e = c->entry;
	unsigned int i;

	e->order = c->order;
	e->kind = c->kind;
	e->reserved0 = 0;
	e->listener = SB_ENTRY_NONE;
	e->owner_error = 0;
	e->gref_list = c->list_gref;
	memset(&e->options, 0, sizeof(e->options));
	for (i = 0; i < SB_CIRCUIT_PAGES_INLINE; i++)
		e->gref[i] =
			c->list || i >= c->pages ? SB_GREF_NONE : c->gref[i];
}

static void begin_generation(struct sb_circuit *c)
{
	c->generation = sb_generation_next(c->generation);
	c->asked = false;
	c->refused = 0;
	memset(&c->local, 0, sizeof(c->local));
	memset(&c->remote, 0, sizeof(c->remote));
	describe(c);
	sb_store(&c->entry->owner, sb_word(c->generation, SB_OWNER_READY));
}

/* Never shown to the peer, or not any more */
static void dispose(struct sb_circuit *c)
{
	sb_circuit_ungrant(c);
	sb_circuit_free(c);
}

/* Grants, an entry and a generation for @c, which is disposed of otherwise */
static struct sb_circuit *place(struct sb_guest_line *line,
				struct sb_circuit *c)
{
	int error;

	if (!c)
		return ERR_PTR(-ENOBUFS);
	error = sb_withheld_too_much(line->kind, line->domain)
			? -ENOBUFS
			: sb_circuit_grant(c, line->domain);
	if (!error) {
		/* so that nobody takes it for the pool's */
		c->state = SB_CIRCUIT_BUSY;
		error = sb_table_place(line, c);
	}
	if (error) {
		dispose(c);
		return ERR_PTR(error);
	}
	begin_generation(c);
	return c;
}

/* line->lock held: out of the pool, if it is in one */
static void forget_ready(struct sb_circuit *c)
{
	struct sb_guest_line *line = c->line;

	list_del_init(&c->node);
	if (c->list)
		line->large_ready--;
	else
		line->ready_count--;
	atomic64_dec(&sb_counters.circuits_ready);
}

static struct sb_circuit *pop(struct sb_guest_line *line, u32 kept)
{
	struct sb_circuit *c;

	spin_lock_bh(&line->lock);
	c = list_first_entry_or_null(line->large_ready > kept ? &line->large
							      : &line->ready,
				     struct sb_circuit, node);
	if (c) {
		forget_ready(c);
		c->state = SB_CIRCUIT_BUSY;
	}
	line->ready_low = min(line->ready_low, line->ready_count);
	spin_unlock_bh(&line->lock);
	return c;
}

static bool peer_says(struct sb_circuit *c, enum sb_peer_state state)
{
	u32 word = sb_load(&c->entry->peer);

	return sb_word_generation(word) == c->generation &&
	       sb_word_state(word) >= state;
}

struct sb_circuit *sb_pool_take(struct sb_guest_line *line, u32 kept,
				bool may_make)
{
	struct sb_circuit *c = pop(line, kept);

	if (line->ready_count < SB_POOL_MIN / 2)
		queue_work(sb_workqueue, &line->work);
	if (c)
		return c;
	if (!may_make)
		return ERR_PTR(-ENOBUFS);
	return place(line, sb_circuit_alloc(SB_CIRCUIT_ORDER));
}

/* How many large circuits this guest's memory allows for, of each line */
static u32 large_wanted(const struct sb_guest_line *line)
{
	unsigned long pages = SB_CIRCUIT_PAGES(SB_LARGE_ORDER);

	/* of direct lines there may be many */
	if (line->kind == SB_LINE_DIRECT)
		return SB_LARGE_MIN;
	return clamp_t(unsigned long, totalram_pages() / SB_LARGE_SHARE / pages,
		       SB_LARGE_MIN, SB_LARGE_MAX);
}

struct sb_circuit *sb_pool_take_large(struct sb_guest_line *line)
{
	struct sb_circuit *c = NULL;
	bool make;

	spin_lock_bh(&line->lock);
	if (line->large_ready) {
		c = list_first_entry(&line->large, struct sb_circuit, node);
		forget_ready(c);
		c->state = SB_CIRCUIT_BUSY;
	}
	make = !c && line->large_made < large_wanted(line);
	if (make)
		line->large_made++;
	spin_unlock_bh(&line->lock);
	if (c)
		return c;
	if (!make)
		return ERR_PTR(-ENOBUFS);
	c = place(line, sb_circuit_alloc(SB_LARGE_ORDER));
	if (IS_ERR(c)) {
		spin_lock_bh(&line->lock);
		line->large_made--;
		spin_unlock_bh(&line->lock);
	}
	return c;
}

struct sb_circuit *sb_pool_take_bare(struct sb_guest_line *line)
{
	struct sb_circuit *c = sb_circuit_alloc_bare();

	if (c)
		c->kind = SB_ENTRY_LISTENER;
	return place(line, c);
}

/* line->lock held */
static void move_to_end(struct sb_circuit *c)
{
	sb_withheld_add(c);
	c->state = SB_CIRCUIT_ENDING;
	list_move_tail(&c->node, &c->line->ending);
	queue_work(sb_workqueue, &c->line->work);
}

/* The peer is to unmap it; then its grants end, and its pages are put */
static void revoke(struct sb_circuit *c)
{
	struct sb_guest_line *line = c->line;
	bool lost;

	spin_lock_bh(&line->lock);
	lost = line->lost || c->lost;
	if (lost) {
		move_to_end(c);
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
		move_to_end(c);
		spin_unlock_bh(&line->lock);
		return;
	}
	if (sb_mmap_in_use(c)) {
		/* a program still sees the pages: another circuit instead */
		revoke(c);
		return;
	}
	sb_circuit_wipe(c);
	spin_lock_bh(&line->lock);
	if (line->lost || c->lost) {
		move_to_end(c);
	} else {
		begin_generation(c);
		make_ready(c);
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
		move_to_end(c);
		spin_unlock_bh(&line->lock);
	}
}

void sb_pool_close(struct sb_circuit *c)
{
	struct sb_guest_line *line = c->line;

	spin_lock_bh(&line->lock);
	c->since = jiffies;
	if (line->lost || c->lost) {
		move_to_end(c);
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
	/* a large one that a program kept is replaced, see refill() */
	if (c->list)
		c->line->large_made--;
	sb_table_clear(c);
	sb_circuit_free(c);
}

/*
 * The peer hears of it and maps it ahead of use, so that its first connection
 * does not wait for that; Dom0 only a few of the large ones, for its mappings
 * are few.
 */
static bool add(struct sb_guest_line *line, unsigned int order)
{
	struct sb_circuit *c = place(line, sb_circuit_alloc(order));
	u32 number;

	if (IS_ERR(c))
		return false;
	number = c->number;
	spin_lock_bh(&line->lock);
	if (c->lost)
		move_to_end(c);
	else
		make_ready(c);
	spin_unlock_bh(&line->lock);
	if (order == SB_CIRCUIT_ORDER || line->large_made < SB_LARGE_MIN ||
	    line->kind == SB_LINE_DIRECT)
		sb_channel_ring(&line->channel, number);
	return true;
}

static bool may_add(const struct sb_guest_line *line)
{
	return READ_ONCE(line->attached) && !READ_ONCE(line->lost);
}

/*
 * Large ones are made once, and kept. One work item: nobody else counts, but
 * on a line of datagrams, where they are made for whoever needs one.
 */
static void refill(struct sb_guest_line *line)
{
	while (may_add(line) && READ_ONCE(line->ready_count) < SB_POOL_MIN)
		if (!add(line, SB_CIRCUIT_ORDER))
			return;
	if (line->kind == SB_LINE_UDP)
		return;
	while (may_add(line) && line->large_made < large_wanted(line)) {
		if (!add(line, SB_LARGE_ORDER))
			return;
		line->large_made++;
	}
}

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

/* Bells that the former peer had taken and not answered are rung again */
static void ring_again(struct sb_circuit *c)
{
	u8 state = READ_ONCE(c->state);

	if (state == SB_CIRCUIT_CLOSING || state == SB_CIRCUIT_REVOKED ||
	    state == SB_CIRCUIT_POSTED || state == SB_CIRCUIT_BUSY)
		sb_circuit_ring(c, SB_OWNER);
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
	struct sb_circuit *c, *next;
	LIST_HEAD(ending);

	spin_lock_bh(&line->lock);
	list_splice_init(&line->ending, &ending);
	spin_unlock_bh(&line->lock);
	list_for_each_entry_safe(c, next, &ending, node) {
		list_del_init(&c->node);
		end(c);
	}
	if (READ_ONCE(line->lost))
		try_again_soon(line);
	if (test_and_clear_bit(0, &line->reattached))
		visit_circuits(line, ring_again);
	refill(line);
}

/* Half of what nobody needed since the last sweep goes */
static void trim(struct sb_guest_line *line)
{
	u32 surplus = 0, low = line->ready_low;
	struct sb_circuit *c;

	if (low > SB_POOL_MIN)
		surplus = (low - SB_POOL_MIN + 1) / 2;
	if (line->ready_count > SB_POOL_MAX)
		surplus = max(surplus, line->ready_count - SB_POOL_MAX);
	while (surplus--) {
		/* none of the large ones */
		c = pop(line, U32_MAX);
		if (!c)
			break;
		revoke(c);
	}
	spin_lock_bh(&line->lock);
	line->ready_low = line->ready_count;
	spin_unlock_bh(&line->lock);
}

/* Nobody's circuits that the peer does not drain are reset in the end */
static void reset_orphans(struct sb_guest_line *line)
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

void sb_pool_sweep(struct work_struct *work)
{
	struct sb_guest_line *line =
		container_of(work, struct sb_guest_line, sweep.work);

	if (READ_ONCE(line->lost) && !READ_ONCE(line->used)) {
		bool left = line->left;

		line->left = true;
		if (!left)
			sb_line_put(line);
		return;
	}
	if (!READ_ONCE(line->lost)) {
		trim(line);
		reset_orphans(line);
		visit_circuits(line, expire);
		visit_circuits(line, sb_pool_check);
	}
	queue_work(sb_workqueue, &line->work);
	queue_delayed_work(sb_workqueue, &line->sweep, SB_SWEEP_S * HZ);
}

/* What is nobody's ends; what is somebody's is told to them */
static void lose_one(struct sb_circuit *c)
{
	struct sb_guest_line *line = c->line;

	spin_lock_bh(&line->lock);
	c->lost = true;
	if (c->state == SB_CIRCUIT_READY) {
		forget_ready(c);
		move_to_end(c);
	} else if (c->state == SB_CIRCUIT_CLOSING ||
		   c->state == SB_CIRCUIT_REVOKED) {
		move_to_end(c);
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
