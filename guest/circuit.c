// SPDX-License-Identifier: GPL-2.0-only
/*
 * circuit.c - the pages of a circuit: allocate, map, grant, zero, give back
 *
 * Each area is mapped twice in a row, so that a span of it is contiguous
 * wherever it begins. Pages are allocated one by one: nothing here needs more
 * than order 0. They are zeroed when they are allocated and again before the
 * circuit begins another generation.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <xen/page.h>

#include "switchboard.h"

SB_ASSERT(SB_CIRCUIT_PAGES(SB_CIRCUIT_ORDER) <= SB_CIRCUIT_PAGES_INLINE);
SB_ASSERT(SB_LARGE_ORDER <= SB_ORDER_MAX);

/* A connection that fails is better than a process that is killed for it */
#define PAGE_FLAGS \
	(GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN | __GFP_RETRY_MAYFAIL)

static LIST_HEAD(blanks);
static DEFINE_SPINLOCK(blanks_lock);
static unsigned int blank_count;

/* Of the size that there are thousands of: a quarter less than kmalloc's */
static struct kmem_cache *small_cache;

static size_t struct_bytes(unsigned int pages)
{
	const struct sb_circuit *c;

	return sizeof(*c) + pages * (sizeof(*c->page) + sizeof(*c->gref));
}

int sb_circuit_init(void)
{
	size_t bytes = struct_bytes(SB_CIRCUIT_PAGES(SB_CIRCUIT_ORDER));

	small_cache =
		kmem_cache_create("switchboard_circuit", bytes, 0, 0, NULL);
	return small_cache ? 0 : -ENOMEM;
}

void sb_circuit_exit(void)
{
	kmem_cache_destroy(small_cache);
}

static struct sb_circuit *alloc_struct(unsigned int pages)
{
	struct sb_circuit *c;

	if (pages == SB_CIRCUIT_PAGES(SB_CIRCUIT_ORDER))
		c = kmem_cache_zalloc(small_cache, GFP_KERNEL);
	else
		c = kzalloc(struct_bytes(pages), GFP_KERNEL);
	if (!c)
		return NULL;
	c->page = (struct page **)(c + 1);
	c->gref = (grant_ref_t *)(c->page + pages);
	c->state = SB_CIRCUIT_BLANK;
	INIT_LIST_HEAD(&c->node);
	INIT_LIST_HEAD(&c->request);
	return c;
}

struct sb_circuit *sb_circuit_alloc_bare(void)
{
	return alloc_struct(0);
}

static bool alloc_pages_of(struct sb_circuit *c)
{
	while (c->pages < SB_CIRCUIT_PAGES(c->order)) {
		c->page[c->pages] = alloc_page(PAGE_FLAGS);
		if (!c->page[c->pages])
			return false;
		c->pages++;
	}
	if (c->pages <= SB_CIRCUIT_PAGES_INLINE)
		return true;
	c->list = (u32 *)get_zeroed_page(GFP_KERNEL);
	return c->list;
}

static bool map_pages(struct sb_circuit *c)
{
	unsigned int i, n = 1u << c->order, count = 1 + 4 * n;
	struct page **twice = kcalloc(count, sizeof(*twice), GFP_KERNEL);
	u8 *base;

	if (!twice)
		return false;
	twice[0] = c->page[0];
	for (i = 0; i < 2 * n; i++) {
		twice[1 + i] = c->page[1 + i % n];
		twice[1 + 2 * n + i] = c->page[1 + n + i % n];
	}
	base = vmap(twice, count, VM_MAP, PAGE_KERNEL);
	kfree(twice);
	if (!base)
		return false;
	c->index = (struct sb_index_page *)base;
	c->area[0] = base + PAGE_SIZE;
	c->area[1] = c->area[0] + 2 * n * PAGE_SIZE;
	return true;
}

/* A circuit with zeroed pages and no grants; NULL without memory */
struct sb_circuit *sb_circuit_alloc(unsigned int order)
{
	struct sb_circuit *c = NULL;

	if (!sb_grow_reserve(order))
		return NULL;
	c = alloc_struct(SB_CIRCUIT_PAGES(order));
	if (!c) {
		sb_grow_release(order);
		return NULL;
	}
	c->kind = SB_ENTRY_STREAM;
	c->order = order;
	sb_count(&sb_counters.circuits_existing);
	if (alloc_pages_of(c) && map_pages(c))
		return c;
	sb_circuit_free(c);
	return NULL;
}

/* Process context, without a grant left */
void sb_circuit_free(struct sb_circuit *c)
{
	unsigned int i;

	if (c->index)
		vunmap(c->index);
	for (i = 0; i < c->pages; i++)
		__free_page(c->page[i]);
	free_page((unsigned long)c->list);
	if (c->kind == SB_ENTRY_STREAM) {
		atomic64_dec(&sb_counters.circuits_existing);
		sb_grow_release(c->order);
	}
	if (!c->line)
		kfree(c->entry);
	kfree_rcu(c, rcu);
}

/* Too many for the entry: a page of their own, which the peer only reads */
static int grant_list(struct sb_circuit *c, domid_t domain)
{
	unsigned int i;
	int ref;

	for (i = 0; i < c->pages; i++)
		c->list[i] = c->gref[i];
	ref = gnttab_grant_foreign_access(domain, virt_to_gfn(c->list), 0);
	if (ref < 0)
		return -ENOBUFS;
	c->list_gref = ref;
	return 0;
}

int sb_circuit_grant(struct sb_circuit *c, domid_t domain)
{
	grant_ref_t head;
	unsigned int i;
	int ref;

	if (!c->pages)
		return 0;
	if (gnttab_alloc_grant_references(c->pages, &head))
		return -ENOBUFS;
	for (i = 0; i < c->pages; i++) {
		ref = gnttab_claim_grant_reference(&head);
		gnttab_grant_foreign_access_ref(ref, domain,
						xen_page_to_gfn(c->page[i]), 0);
		c->gref[i] = ref;
	}
	gnttab_free_grant_references(head);
	return c->list ? grant_list(c, domain) : 0;
}

static bool end_grant(grant_ref_t *gref)
{
	if (*gref == SB_GREF_NONE)
		return true;
	if (!gnttab_try_end_foreign_access(*gref))
		return false;
	*gref = SB_GREF_NONE;
	return true;
}

bool sb_circuit_ungrant(struct sb_circuit *c)
{
	bool ended = end_grant(&c->list_gref);
	unsigned int i;

	for (i = 0; i < c->pages; i++)
		ended &= end_grant(&c->gref[i]);
	return ended;
}

/*
 * Only what was used is zeroed. A peer that wrote beyond the index it told us
 * gives away nothing but what it knows itself, and could write it again.
 */
void sb_circuit_wipe(struct sb_circuit *c)
{
	u32 size = sb_circuit_area_bytes(c);
	unsigned int i;
	u32 told;

	if (!c->pages)
		return;
	for (i = 0; i < 2; i++) {
		told = sb_load(&c->index->side[i].produced);
		if (c->exposed)
			told = size;
		memset(c->area[i], 0, min(size, max(told, c->used[i])));
		c->used[i] = 0;
	}
	memset(c->index, 0,
	       c->exposed ? sizeof(*c->index)
			  : offsetofend(struct sb_index_page, call));
	c->exposed = false;
}

void sb_circuit_ring(struct sb_circuit *c, enum sb_side side)
{
	struct sb_guest_line *line = c->line;
	struct sb_sock *other;

	sb_count(&sb_counters.bells_rung);
	if (line) {
		sb_channel_ring(&line->channel, c->number);
		return;
	}
	if (c->foreign) {
		sb_callee_ring(c);
		return;
	}
	rcu_read_lock();
	other = rcu_dereference(c->end[!side]);
	if (other)
		sb_stream_bell(other);
	rcu_read_unlock();
}

void sb_circuit_bell_owner(struct sb_circuit *c)
{
	struct sb_sock *sb = rcu_dereference(c->end[SB_OWNER]);
	struct sb_pair *p = rcu_dereference(c->pair);

	if (sb)
		sb_stream_bell(sb);
	else if (p)
		sb_pair_bell(p);
}

/* The other end's spinlock must not be taken inside this end's */
void sb_circuit_ring_locked(struct sb_circuit *c, enum sb_side side)
{
	if (c->line || c->foreign)
		sb_circuit_ring(c, side);
	else
		queue_work(sb_workqueue, &c->later);
}

static void run_later(struct work_struct *work)
{
	struct sb_circuit *c = container_of(work, struct sb_circuit, later);

	if (READ_ONCE(c->state) == SB_CIRCUIT_ENDING) {
		sb_circuit_free(c);
		return;
	}
	sb_circuit_ring(c, SB_OWNER);
	sb_circuit_ring(c, SB_PEER);
}

static struct sb_circuit *blank_alloc(void)
{
	struct sb_circuit *c = sb_circuit_alloc(SB_CIRCUIT_ORDER);

	if (!c)
		return NULL;
	INIT_WORK(&c->later, run_later);
	c->entry = kzalloc(sizeof(*c->entry), GFP_KERNEL);
	if (c->entry)
		return c;
	sb_circuit_free(c);
	return NULL;
}

struct sb_circuit *sb_circuit_blank_get(void)
{
	struct sb_circuit *c;

	spin_lock_bh(&blanks_lock);
	c = list_first_entry_or_null(&blanks, struct sb_circuit, node);
	if (c) {
		list_del_init(&c->node);
		blank_count--;
	}
	spin_unlock_bh(&blanks_lock);
	return c ? c : blank_alloc();
}

void sb_circuit_blank_put(struct sb_circuit *c)
{
	/* what a program can still see is nobody else's */
	bool keep = !sb_exposure_in_use(c);

	if (keep)
		sb_circuit_wipe(c);
	memset(c->entry, 0, sizeof(*c->entry));
	spin_lock_bh(&blanks_lock);
	keep = keep && blank_count < SB_BLANK_MAX;
	if (keep) {
		list_add(&c->node, &blanks);
		blank_count++;
	}
	spin_unlock_bh(&blanks_lock);
	if (keep)
		return;
	WRITE_ONCE(c->state, SB_CIRCUIT_ENDING);
	queue_work(sb_workqueue, &c->later);
}

/* Nobody there to be told anything */
static bool other_closed(struct sb_circuit *c, enum sb_side side)
{
	u32 word = sb_load(sb_circuit_word(c, !side));

	return sb_word_generation(word) == c->generation &&
	       sb_word_state(word) == SB_WORD_CLOSED;
}

/*
 * On a line the peer may answer at any moment: the bell that brings its answer
 * finds the circuit either still busy, then sb_pool_close() looks again, or
 * closing.
 */
void sb_circuit_leave(struct sb_circuit *c, enum sb_side side, u32 flags)
{
	rcu_read_lock();
	if (c->foreign) {
		sb_callee_leave(c, flags);
		rcu_read_unlock();
		return;
	}
	sb_store_full(sb_circuit_word(c, side), sb_word(c->generation, flags));
	RCU_INIT_POINTER(c->end[side], NULL);
	if (!other_closed(c, side))
		sb_circuit_ring(c, side);
	if (c->line) {
		sb_count(&sb_counters.circuits_ended);
		sb_pool_close(c);
	} else if (refcount_dec_and_test(&c->ends)) {
		sb_count(&sb_counters.circuits_ended);
		sb_circuit_blank_put(c);
	}
	rcu_read_unlock();
}
