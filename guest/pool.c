// SPDX-License-Identifier: GPL-2.0-only
/*
 * pool.c - ready circuits of a line
 *
 * A circuit is READY in the pool of its size, goes out to a socket or a
 * listener, and comes back when it has ended (ending.c). The pools keep what
 * comes back; every few seconds half of what was never needed meanwhile is
 * given up, of the larger sizes all of it. Of the size that growing begins with
 * one is always ready, so that a socket that turns busy waits for nothing; the
 * others are made for those who asked (grow.c) and found none.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "switchboard.h"

static const u8 sizes[] = SB_SIZE_ORDERS;

SB_ASSERT(ARRAY_SIZE(sizes) == SB_SIZES);

/* Pages of larger circuits in the pools of all lines */
static atomic64_t pages_ready = ATOMIC64_INIT(0);

/* Which of a line's pools has circuits of @order */
static struct sb_pool *pool_of(struct sb_guest_line *line, unsigned int order)
{
	unsigned int i;

	for (i = SB_SIZES; i > 0; i--)
		if (sizes[i - 1] == order)
			break;
	return &line->pool[i];
}

static unsigned int order_of(const struct sb_guest_line *line,
			     const struct sb_pool *pool)
{
	return pool == line->pool ? SB_CIRCUIT_ORDER
				  : sizes[pool - line->pool - 1];
}

void sb_pool_init(struct sb_guest_line *line)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(line->pool); i++)
		INIT_LIST_HEAD(&line->pool[i].ready);
}

void sb_pool_make_ready(struct sb_circuit *c)
{
	struct sb_pool *pool = pool_of(c->line, c->order);

	sb_withheld_drop(c);
	c->state = SB_CIRCUIT_READY;
	list_add(&c->node, &pool->ready);
	pool->count++;
	if (c->order != SB_CIRCUIT_ORDER)
		atomic64_add(SB_CIRCUIT_PAGES(c->order), &pages_ready);
	sb_count(&sb_counters.circuits_ready);
	sb_repeat_room_news();
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
	e->replaces = 0;
	e->owner_error = 0;
	e->gref_list = c->list_gref;
	memset(&e->options, 0, sizeof(e->options));
	for (i = 0; i < SB_CIRCUIT_PAGES_INLINE; i++)
		e->gref[i] =
			c->list || i >= c->pages ? SB_GREF_NONE : c->gref[i];
}

void sb_pool_begin_generation(struct sb_circuit *c)
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
	error = sb_circuit_grant(c, line->domain);
	if (!error) {
		/* so that nobody takes it for the pool's */
		c->state = SB_CIRCUIT_BUSY;
		error = sb_table_place(line, c);
	}
	if (error) {
		dispose(c);
		return ERR_PTR(error);
	}
	sb_pool_begin_generation(c);
	return c;
}

/* A new one. -ENOBUFS: for now, if something is on its way back */
static struct sb_circuit *make(struct sb_guest_line *line, unsigned int order)
{
	struct sb_circuit *c;

	if (sb_withheld_too_much(line->kind, line->domain) ||
	    !sb_room_for(line, SB_CIRCUIT_PAGES(order)))
		return ERR_PTR(-ENOBUFS);
	c = place(line, sb_circuit_alloc(order));
	if (c == ERR_PTR(-ENOBUFS) && order == SB_CIRCUIT_ORDER)
		sb_room_make(line);
	return c;
}

void sb_pool_forget_ready(struct sb_circuit *c)
{
	list_del_init(&c->node);
	pool_of(c->line, c->order)->count--;
	if (c->order != SB_CIRCUIT_ORDER)
		atomic64_sub(SB_CIRCUIT_PAGES(c->order), &pages_ready);
	atomic64_dec(&sb_counters.circuits_ready);
}

/* A ready one, or NULL */
static struct sb_circuit *pop(struct sb_guest_line *line, struct sb_pool *pool)
{
	struct sb_circuit *c;

	spin_lock_bh(&line->lock);
	c = list_first_entry_or_null(&pool->ready, struct sb_circuit, node);
	if (c) {
		sb_pool_forget_ready(c);
		c->state = SB_CIRCUIT_BUSY;
	}
	pool->low = min(pool->low, pool->count);
	spin_unlock_bh(&line->lock);
	return c;
}

static u32 kept(const struct sb_guest_line *line, const struct sb_pool *pool)
{
	if (pool == line->pool)
		return SB_POOL_MIN;
	return order_of(line, pool) == SB_LARGE_ORDER &&
			       READ_ONCE(line->exchanges)
		       ? SB_LARGE_KEPT
		       : 0;
}

struct sb_circuit *sb_pool_take(struct sb_guest_line *line, bool may_make)
{
	struct sb_circuit *c = pop(line, line->pool);

	if (line->pool->count < SB_POOL_MIN / 2)
		queue_work(sb_workqueue, &line->work);
	if (c)
		return c;
	if (!may_make)
		return ERR_PTR(-ENOBUFS);
	return make(line, SB_CIRCUIT_ORDER);
}

struct sb_circuit *sb_pool_take_grown(struct sb_guest_line *line,
				      unsigned int order)
{
	struct sb_pool *pool = pool_of(line, order);
	struct sb_circuit *c = pop(line, pool);

	if (!c)
		atomic_inc(&pool->wanted);
	if (READ_ONCE(pool->count) < kept(line, pool) || !c)
		queue_work(sb_workqueue, &line->work);
	return c;
}

bool sb_pool_is_ready(struct sb_guest_line *line, unsigned int order)
{
	return READ_ONCE(pool_of(line, order)->count);
}

long sb_pool_elsewhere(struct sb_guest_line *line, unsigned int order)
{
	long here = READ_ONCE(pool_of(line, order)->count);

	return atomic64_read(&pages_ready) - here * SB_CIRCUIT_PAGES(order);
}

struct sb_circuit *sb_pool_take_large(struct sb_guest_line *line,
				      unsigned int order)
{
	struct sb_circuit *c = pop(line, pool_of(line, order));

	return c ? c : make(line, order);
}

struct sb_circuit *sb_pool_take_bare(struct sb_guest_line *line)
{
	struct sb_circuit *c = sb_circuit_alloc_bare();

	if (c)
		c->kind = SB_ENTRY_LISTENER;
	return place(line, c);
}

/*
 * The peer hears of it and maps it ahead of use, so that its first connection
 * does not wait for that.
 */
static bool add(struct sb_guest_line *line, unsigned int order)
{
	struct sb_circuit *c = make(line, order);
	u32 number;

	if (IS_ERR(c))
		return false;
	number = c->number;
	spin_lock_bh(&line->lock);
	if (c->lost)
		sb_ending_move(c);
	else
		sb_pool_make_ready(c);
	spin_unlock_bh(&line->lock);
	sb_channel_ring(&line->channel, number);
	return true;
}

/* One work item: nobody else makes circuits for the pool */
static bool fill(struct sb_guest_line *line, struct sb_pool *pool)
{
	u32 wanted = atomic_xchg(&pool->wanted, 0);

	wanted = max(kept(line, pool), min(wanted, SB_GROW_BATCH));
	while (READ_ONCE(pool->count) < wanted) {
		if (!READ_ONCE(line->attached) || READ_ONCE(line->lost) ||
		    !add(line, order_of(line, pool)))
			return false;
	}
	return true;
}

void sb_pool_refill(struct sb_guest_line *line)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(line->pool); i++)
		if (sb_room_is_short() || !fill(line, &line->pool[i]))
			return;
}

/*
 * Circuits of a pool that others can have. What is kept goes only when so little
 * is left that it is not made again at once
 */
static u32 spare(const struct sb_guest_line *line, const struct sb_pool *pool)
{
	bool all = pool != line->pool && sb_room_is_short();
	u32 least = all ? 0 : kept(line, pool);
	u32 count = READ_ONCE(pool->count);

	return count > least ? count - least : 0;
}

u32 sb_pool_spare(struct sb_guest_line *line, bool larger)
{
	u32 i, pages = 0;

	for (i = larger; i < ARRAY_SIZE(line->pool); i++)
		pages += spare(line, &line->pool[i]) *
			 SB_CIRCUIT_PAGES(order_of(line, &line->pool[i]));
	return pages;
}

/* The largest first: nobody needs those */
void sb_pool_give(struct sb_guest_line *line)
{
	int pages = atomic_xchg(&line->give, 0);
	unsigned int i;

	for (i = ARRAY_SIZE(line->pool); i > 0 && pages > 0; i--) {
		struct sb_pool *pool = &line->pool[i - 1];
		struct sb_circuit *c;

		while (pages > 0 && spare(line, pool)) {
			c = pop(line, pool);
			if (!c)
				break;
			pages -= c->pages;
			atomic64_add(c->pages, &sb_counters.pages_given);
			sb_ending_revoke(c);
		}
	}
}

/* What nobody needed since the last sweep: half of it, or all that is large */
static u32 surplus(const struct sb_guest_line *line, const struct sb_pool *pool)
{
	u32 least = kept(line, pool), low = pool->low;

	if (pool != line->pool)
		return low > least ? low - least : 0;
	low = low > least ? (low - least + 1) / 2 : 0;
	if (pool->count > SB_POOL_MAX)
		low = max(low, pool->count - SB_POOL_MAX);
	return low;
}

void sb_pool_look_over(struct sb_guest_line *line)
{
	struct sb_pool *pool;
	unsigned int i;

	spin_lock_bh(&line->lock);
	for (i = 0; i < ARRAY_SIZE(line->pool); i++) {
		pool = &line->pool[i];
		pool->surplus = surplus(line, pool);
		pool->low = pool->count - pool->surplus;
	}
	spin_unlock_bh(&line->lock);
}

/* One circuit that is too many, if there still is one */
static struct sb_circuit *pop_surplus(struct sb_guest_line *line,
				      struct sb_pool *pool)
{
	if (!pool->surplus || READ_ONCE(pool->count) <= kept(line, pool))
		pool->surplus = 0;
	if (!pool->surplus)
		return NULL;
	pool->surplus--;
	return pop(line, pool);
}

bool sb_pool_trim(struct sb_guest_line *line)
{
	unsigned int i = 0, pages = 0;
	struct sb_circuit *c;

	while (i < ARRAY_SIZE(line->pool) && pages < SB_TRIM_PAGES) {
		c = pop_surplus(line, &line->pool[i]);
		if (c) {
			pages += c->pages;
			sb_ending_revoke(c);
		} else {
			i++;
		}
	}
	return i < ARRAY_SIZE(line->pool);
}
