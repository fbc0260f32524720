// SPDX-License-Identifier: GPL-2.0-only
/*
 * callee.c - another guest calls: an entry of its line becomes a connection
 *
 * An entry is mapped when the caller has it READY, so that a call costs no
 * grant operation: the tasklet copies the call, looks whether the operator has
 * admitted it and who listens, and puts the circuit into the listener's queue.
 * From there on it is a circuit like those inside the guest, and ours is the
 * end SB_PEER. When the program closes, our word has FIN and STOP, and becomes
 * CLOSED as soon as the caller has said that it writes no more; then the
 * caller zeroes the pages and begins another generation, in the same mapping.
 *
 * The caller's word is loaded once for each look. Idle, by its state:
 *	FREE		nothing
 *	READY		map ahead of use
 *	OFFERED		a call
 *	CLOSED		answer CLOSED, whatever generation it names
 *	REVOKED		unmap, answer UNMAPPED
 * While a socket has the circuit, stream.c says what the word may become.
 *
 * Phases move under the line's lock. IDLE becomes JOINED in the tasklet, and
 * ENDING in the work item; JOINED ends in sb_callee_leave(), LEFT in the
 * tasklet. A circuit that is ENDING is found by nobody any more.
 */
#include <linux/slab.h>

#include "switchboard.h"

/* Pages of all lines together, so that no guest takes all there are */
static atomic_t pages_mapped = ATOMIC_INIT(0);

static void store_word(struct sb_foreign_line *line, struct sb_entry *e,
		       u32 number, u32 word)
{
	sb_store_full(&e->peer, word);
	sb_channel_ring(&line->channel, number);
}

/* A generation that never began here ends */
static void refuse(struct sb_foreign_line *line, u32 number, u32 generation,
		   u32 error)
{
	struct sb_entry *e = sb_foreign_entry(line, number);

	sb_count(&sb_counters.direct_refused);
	sb_store(&e->error, error);
	store_word(line, e, number, sb_word(generation, SB_PEER_CLOSED));
}

void sb_callee_refuse(struct sb_callee *callee, u32 generation, u32 error)
{
	callee->word = sb_word(generation, SB_PEER_CLOSED);
	refuse(callee->line, callee->circuit.number, generation, error);
}

/* Was this generation already answered CLOSED, by us? */
static bool is_over(const struct sb_callee *callee, u32 generation)
{
	return sb_word_generation(callee->word) == generation &&
	       sb_word_state(callee->word) >= SB_PEER_CLOSED;
}

void sb_callee_ring(struct sb_circuit *c)
{
	sb_channel_ring(&sb_callee_of(c)->line->channel, c->number);
}

/* ---- a call ---- */

/* The call, copied: the caller may be writing. 0 or an errno for it */
static int copy_call(const struct sb_callee *callee, u32 generation,
		     struct sb_address *from, struct sb_address *to)
{
	const struct sb_circuit *c = &callee->circuit;
	const struct sb_call *call = &c->index->call;

	if (READ_ONCE(c->entry->kind) != SB_ENTRY_STREAM)
		return EPROTONOSUPPORT;
	if (sb_load(&c->entry->listener) != SB_ENTRY_NONE ||
	    sb_load(&call->generation) != generation ||
	    !sb_address_copy(from, &call->local) ||
	    !sb_address_copy(to, &call->remote) || from->family != to->family)
		return EINVAL;
	return 0;
}

bool sb_callee_begin(struct sb_callee *callee, u32 generation)
{
	struct sb_foreign_line *line = callee->line;
	struct sb_circuit *c = &callee->circuit;
	bool idle;

	spin_lock_bh(&line->lock);
	idle = callee->phase == SB_CALLEE_IDLE;
	if (idle) {
		callee->phase = SB_CALLEE_JOINED;
		callee->word = sb_word(generation, SB_PEER_NONE);
		c->generation = generation;
		c->state = SB_CIRCUIT_BUSY;
	}
	spin_unlock_bh(&line->lock);
	return idle;
}

/* It did not come to that */
static void stop(struct sb_callee *callee)
{
	spin_lock_bh(&callee->line->lock);
	callee->phase = SB_CALLEE_IDLE;
	spin_unlock_bh(&callee->line->lock);
}

/* Both names, as the caller sees them: its own is the local one */
static void name(struct sb_circuit *c, const struct sb_address *from,
		 const struct sb_address *to)
{
	c->local = *from;
	c->remote = *to;
	c->entry->local = *from;
	c->entry->remote = *to;
	c->entry->error = 0;
	c->entry->grow_switch = 0;
}

static int join(struct sb_callee *callee, u32 generation,
		const struct sb_address *from, const struct sb_address *to)
{
	struct sb_sock *listening = sb_port_find(to);
	int error = ECONNREFUSED;

	if (!listening)
		return error;
	if (sb_callee_begin(callee, generation)) {
		name(&callee->circuit, from, to);
		error = -sb_accept_join(listening, &callee->circuit);
		if (error)
			stop(callee);
	}
	sock_put(&listening->sk);
	return error;
}

/* The other guest's datagrams: the kernels' own, so nobody is asked */
static void take_pair(struct sb_callee *callee, u32 generation)
{
	struct sb_foreign_line *line = callee->line;
	struct sb_circuit *c = &callee->circuit;
	int error;

	if (!sb_callee_begin(callee, generation))
		return;
	error = sb_pair_take(c, &line->channel, &line->admissions);
	if (error) {
		stop(callee);
		sb_callee_refuse(callee, generation, error);
		return;
	}
	callee->word = sb_word(generation, SB_PEER_OPEN);
	store_word(line, c->entry, c->number, callee->word);
	/* what is there already */
	sb_channel_recall(&line->channel, c->number);
}

static void take_call(struct sb_callee *callee, u32 generation)
{
	struct sb_address from, to;
	int error = copy_call(callee, generation, &from, &to);

	if (!error)
		error = sb_admission_check(&callee->line->admissions,
					   SB_ENTRY_STREAM, &from, &to);
	if (!error)
		error = join(callee, generation, &from, &to);
	if (error) {
		sb_callee_refuse(callee, generation, error);
		return;
	}
	sb_count(&sb_counters.direct_taken);
	/* in the queue it is connected, whether or not anybody accepts it */
	sb_callee_ring(&callee->circuit);
}

/* ---- bells ---- */

static void look_at_idle(struct sb_callee *callee)
{
	struct sb_circuit *c = &callee->circuit;
	u32 owner = sb_load(&c->entry->owner);
	u32 generation = sb_word_generation(owner);
	u32 replaces;

	switch (sb_word_state(owner)) {
	case SB_OWNER_OFFERED:
		if (is_over(callee, generation))
			break;
		replaces = sb_load(&c->entry->replaces);
		if (READ_ONCE(c->entry->kind) == SB_ENTRY_DATAGRAM)
			take_pair(callee, generation);
		else if (replaces)
			sb_exchange_take_offer(callee, generation, replaces);
		else
			take_call(callee, generation);
		break;
	case SB_OWNER_CLOSED:
		if (!is_over(callee, generation))
			sb_callee_refuse(callee, generation, 0);
		break;
	case SB_OWNER_REVOKED:
		sb_foreign_want(callee->line, c->number);
		break;
	default:
		break;
	}
}

/* The caller's end, once we have left. Line's lock held */
static bool caller_is_done(const struct sb_circuit *c)
{
	u32 owner = sb_load(&c->entry->owner);

	return sb_word_generation(owner) != c->generation ||
	       sb_word_state(owner) != SB_OWNER_OFFERED || owner & SB_WORD_FIN;
}

/* Line's lock held: the circuit is nobody's, and the caller hears it */
static void close(struct sb_callee *callee, u32 flags)
{
	callee->word = sb_word(callee->circuit.generation,
			       (flags & SB_WORD_FLAGS) | SB_PEER_CLOSED);
	callee->phase = SB_CALLEE_IDLE;
	store_word(callee->line, callee->circuit.entry, callee->circuit.number,
		   callee->word);
}

static void look_at_left(struct sb_callee *callee)
{
	struct sb_foreign_line *line = callee->line;

	spin_lock_bh(&line->lock);
	if (callee->phase == SB_CALLEE_LEFT && caller_is_done(&callee->circuit))
		close(callee, callee->word);
	spin_unlock_bh(&line->lock);
}

/* Nobody has accepted it yet. A caller that gave up while it waited is gone */
static void look_at_queued(struct sb_callee *callee)
{
	struct sb_circuit *c = &callee->circuit;

	if (caller_is_done(c) && sb_accept_unjoin(c))
		sb_callee_leave(c, SB_WORD_CLOSED | SB_WORD_RESET);
}

static void look_at_joined(struct sb_callee *callee)
{
	struct sb_pair *p = rcu_dereference(callee->circuit.pair);
	struct sb_sock *sb = rcu_dereference(callee->circuit.end[SB_PEER]);

	if (p)
		sb_pair_bell(p);
	else if (sb)
		sb_stream_bell(sb);
	else
		look_at_queued(callee);
}

void sb_callee_bell(struct sb_foreign_line *line, u32 entry)
{
	struct sb_callee **slot = sb_foreign_slot(line, entry);
	struct sb_callee *callee = NULL;

	if (slot) {
		/* pairs with map(): what is found is whole */
		callee = smp_load_acquire(slot);
	}
	if (!callee) {
		sb_foreign_want(line, entry);
		return;
	}
	switch (READ_ONCE(callee->phase)) {
	case SB_CALLEE_IDLE:
		look_at_idle(callee);
		break;
	case SB_CALLEE_JOINED:
		look_at_joined(callee);
		break;
	case SB_CALLEE_LEFT:
		look_at_left(callee);
		break;
	default:
		break;
	}
}

/*
 * A program of ours may have written where the caller writes. The caller zeroes
 * what it wrote itself, then or later.
 */
static void clean(struct sb_circuit *c)
{
	if (!c->exposed)
		return;
	c->exposed = false;
	memset(c->area[SB_OWNER], 0, sb_circuit_area_bytes(c));
}

void sb_callee_leave(struct sb_circuit *c, u32 flags)
{
	struct sb_callee *callee = sb_callee_of(c);
	struct sb_foreign_line *line = callee->line;

	clean(c);
	spin_lock_bh(&line->lock);
	RCU_INIT_POINTER(c->end[SB_PEER], NULL);
	if (sb_word_state(flags) == SB_WORD_CLOSED) {
		close(callee, flags);
	} else {
		callee->word = sb_word(c->generation, flags);
		callee->phase = SB_CALLEE_LEFT;
		store_word(line, c->entry, c->number, callee->word);
	}
	if (callee->phase == SB_CALLEE_LEFT && caller_is_done(c))
		close(callee, flags);
	spin_unlock_bh(&line->lock);
	sb_count(&sb_counters.circuits_ended);
	/* what it did meanwhile may want an answer */
	sb_channel_recall(&line->channel, c->number);
}

/* ---- mapping and unmapping, in process context ---- */

/* Copy the grants out of the entry or its list. Returns 0 or -errno */
static int read_grants(struct sb_foreign_line *line, const struct sb_entry *e,
		       unsigned int count, u32 *gref)
{
	struct sb_mapping *m = NULL;
	const u32 *from = e->gref;
	unsigned int i;

	if (count > SB_CIRCUIT_PAGES_INLINE) {
		from = sb_mapping_page(line->domain, sb_load(&e->gref_list),
				       &m);
		if (!from)
			return -EACCES;
	}
	for (i = 0; i < count; i++)
		gref[i] = sb_load(&from[i]);
	if (m)
		sb_mapping_end(m);
	return 0;
}

/* Index page, then either area twice in a row, as circuit.c has it */
static void fill_order(u16 *order, unsigned int n)
{
	unsigned int i;

	order[0] = 0;
	for (i = 0; i < 2 * n; i++) {
		order[1 + i] = 1 + i % n;
		order[1 + 2 * n + i] = 1 + n + i % n;
	}
}

static struct sb_mapping *map_pages(struct sb_foreign_line *line,
				    const struct sb_entry *e, u8 order)
{
	unsigned int n = 1u << order, grants = SB_CIRCUIT_PAGES(order);
	struct sb_mapping *m = ERR_PTR(-ENOMEM);
	u32 *gref = kvcalloc(grants, sizeof(*gref), GFP_KERNEL);
	u16 *row = kvcalloc(1 + 4 * n, sizeof(*row), GFP_KERNEL);
	int error;

	if (gref && row) {
		fill_order(row, n);
		error = read_grants(line, e, grants, gref);
		m = error ? ERR_PTR(error)
			  : sb_mapping_make(line->domain, gref, grants, row,
					    1 + 4 * n);
	}
	kvfree(row);
	kvfree(gref);
	return m;
}

static void describe(struct sb_callee *callee, struct sb_entry *e, u32 number,
		     u8 order)
{
	struct sb_circuit *c = &callee->circuit;
	u8 *base = callee->map->base;

	c->foreign = true;
	c->entry = e;
	c->number = number;
	c->kind = SB_ENTRY_STREAM;
	c->order = order;
	c->pages = SB_CIRCUIT_PAGES(order);
	c->index = (struct sb_index_page *)base;
	c->area[0] = base + PAGE_SIZE;
	c->area[1] = c->area[0] + 2 * sb_area_bytes(order);
	INIT_LIST_HEAD(&c->node);
	INIT_LIST_HEAD(&c->request);
}

static struct sb_callee *map_callee(struct sb_foreign_line *line,
				    struct sb_entry *e, u32 number, u8 order)
{
	struct sb_callee *callee = kzalloc(sizeof(*callee), GFP_KERNEL);
	struct sb_mapping *m;

	if (!callee)
		return ERR_PTR(-ENOMEM);
	m = map_pages(line, e, order);
	if (IS_ERR(m)) {
		kfree(callee);
		return ERR_CAST(m);
	}
	callee->line = line;
	callee->map = m;
	describe(callee, e, number, order);
	return callee;
}

static void unreserve(struct sb_foreign_line *line, unsigned int pages)
{
	atomic_sub(pages, &pages_mapped);
	line->pages -= pages;
}

/*
 * Room for so many pages more: a line never has more than it leaves to others.
 * The line's work item only, or its end
 */
static bool reserve(struct sb_foreign_line *line, unsigned int pages)
{
	int all;

	if (line->mapped >= SB_FOREIGN_CIRCUITS_MAX)
		return false;
	all = atomic_add_return(pages, &pages_mapped);
	line->pages += pages;
	if (all + (int)line->pages <= SB_FOREIGN_PAGES_MAX)
		return true;
	unreserve(line, pages);
	return false;
}

/* Returns 0, or an errno for the caller */
static int map(struct sb_foreign_line *line, struct sb_entry *e, u32 number)
{
	u8 order = READ_ONCE(e->order);
	struct sb_callee *callee;

	if (order > SB_ORDER_MAX)
		return EINVAL;
	if (!reserve(line, SB_CIRCUIT_PAGES(order)))
		return ENOBUFS;
	callee = map_callee(line, e, number, order);
	if (IS_ERR(callee)) {
		unreserve(line, SB_CIRCUIT_PAGES(order));
		return -PTR_ERR(callee);
	}
	line->mapped++;
	atomic64_add(callee->circuit.pages, &sb_counters.pages_foreign);
	/* a bell that finds it finds it whole; what it missed it is told */
	smp_store_release(sb_foreign_slot(line, number), callee);
	sb_channel_recall(&line->channel, number);
	return 0;
}

static bool take_back(struct sb_callee *callee, u32 generation,
		      struct list_head *unmap)
{
	struct sb_foreign_line *line = callee->line;
	bool idle;

	spin_lock_bh(&line->lock);
	idle = callee->phase == SB_CALLEE_IDLE;
	if (idle) {
		callee->phase = SB_CALLEE_ENDING;
		callee->circuit.generation = generation;
		WRITE_ONCE(*sb_foreign_slot(line, callee->circuit.number),
			   NULL);
		list_add_tail(&callee->node, unmap);
	}
	spin_unlock_bh(&line->lock);
	return idle;
}

static bool may_be_mapped(const struct sb_entry *e)
{
	u8 kind = READ_ONCE(e->kind);

	return kind == SB_ENTRY_STREAM || kind == SB_ENTRY_DATAGRAM;
}

void sb_callee_serve(struct sb_foreign_line *line, u32 entry,
		     struct list_head *unmap)
{
	struct sb_entry *e = sb_foreign_entry(line, entry);
	struct sb_callee *callee = *sb_foreign_slot(line, entry);
	u32 owner = sb_load(&e->owner), generation = sb_word_generation(owner);
	u32 state = sb_word_state(owner);
	int error = 0;

	if (callee) {
		if (state == SB_OWNER_REVOKED)
			take_back(callee, generation, unmap);
		return;
	}
	if (state == SB_OWNER_READY || state == SB_OWNER_OFFERED)
		error = may_be_mapped(e) ? map(line, e, entry)
					 : EPROTONOSUPPORT;
	if (state == SB_OWNER_CLOSED || (error && state == SB_OWNER_OFFERED))
		refuse(line, entry, generation, error);
	else if (state == SB_OWNER_REVOKED)
		store_word(line, e, entry,
			   sb_word(generation, SB_PEER_UNMAPPED));
}

static void unmap_one(struct sb_callee *callee)
{
	struct sb_foreign_line *line = callee->line;
	struct sb_circuit *c = &callee->circuit;

	unreserve(line, c->pages);
	atomic64_sub(c->pages, &sb_counters.pages_foreign);
	line->mapped--;
	sb_mapping_end(callee->map);
	/* not when the whole line ends: nobody listens there */
	if (callee->phase == SB_CALLEE_ENDING)
		store_word(line, c->entry, c->number,
			   sb_word(c->generation, SB_PEER_UNMAPPED));
	kfree(callee);
}

void sb_callee_unmap(struct list_head *unmap)
{
	struct sb_callee *callee, *next;

	if (list_empty(unmap))
		return;
	/* the tasklet, and whoever rings, found them under RCU */
	synchronize_rcu();
	list_for_each_entry_safe(callee, next, unmap, node)
		unmap_one(callee);
}

/* ---- the line ends ---- */

/* Take the circuit away from its socket, if it has one. Returns: it has none */
static bool strip(struct sb_callee *callee)
{
	struct sb_circuit *c = &callee->circuit;
	struct sb_pair *p;
	struct sb_sock *sb;

	rcu_read_lock();
	p = rcu_dereference(c->pair);
	if (p) {
		/* it is lost: that is the end */
		sb_pair_bell(p);
		rcu_read_unlock();
		return true;
	}
	if (sb_accept_withdraw(c)) {
		sb_callee_leave(c, SB_WORD_CLOSED | SB_WORD_RESET);
		rcu_read_unlock();
		return true;
	}
	sb = rcu_dereference(c->end[SB_PEER]);
	if (sb && !refcount_inc_not_zero(&sb->sk.sk_refcnt))
		sb = NULL;
	rcu_read_unlock();
	if (!sb)
		return READ_ONCE(callee->phase) != SB_CALLEE_JOINED;
	sb_stream_strip(sb, c);
	sock_put(&sb->sk);
	return true;
}

/* Whoever is just accepting it will have a socket for it in a moment */
void sb_callee_lose(struct sb_callee *callee)
{
	WRITE_ONCE(callee->circuit.lost, true);
	while (READ_ONCE(callee->phase) == SB_CALLEE_JOINED && !strip(callee))
		schedule_timeout_uninterruptible(1);
}
