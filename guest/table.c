// SPDX-License-Identifier: GPL-2.0-only
/*
 * table.c - the entries of a line
 *
 * The table grows a page (16 entries) at a time and never shrinks while the
 * line exists. Which circuit an entry holds is read under RCU by the bell;
 * line->lock guards changes.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <xen/page.h>

#include "switchboard.h"

static struct sb_table_page *page_create(domid_t domain)
{
	struct sb_table_page *p = kzalloc(sizeof(*p), GFP_KERNEL);
	int gref;

	if (!p)
		return NULL;
	p->table = (struct sb_table *)get_zeroed_page(GFP_KERNEL);
	if (!p->table)
		goto free_page;
	gref = gnttab_grant_foreign_access(domain, virt_to_gfn(p->table), 0);
	if (gref < 0)
		goto free_table;
	p->gref = gref;
	return p;

free_table:
	free_page((unsigned long)p->table);
free_page:
	kfree(p);
	return NULL;
}

/* False: the peer still maps it */
static bool page_destroy(struct sb_table_page *p)
{
	if (!sb_line_unshare(p->table, p->gref))
		return false;
	kfree(p);
	return true;
}

/* One more table page; another process may have been faster */
static int grow(struct sb_guest_line *line, u32 tables)
{
	struct sb_table_page *p;

	if (tables >= SB_TABLE_PAGES_MAX)
		return -ENOBUFS;
	p = page_create(line->domain);
	if (!p)
		return -ENOBUFS;
	spin_lock_bh(&line->lock);
	if (line->tables == tables) {
		line->table[tables] = p;
		line->directory->gref[tables] = p->gref;
		/* the page is there for whoever sees the number */
		smp_store_release(&line->tables, tables + 1);
		sb_store(&line->header->table_pages, tables + 1);
		p = NULL;
	}
	spin_unlock_bh(&line->lock);
	/* it was shown to nobody */
	if (p)
		page_destroy(p);
	return 0;
}

int sb_table_init(struct sb_guest_line *line)
{
	line->table =
		kvcalloc(SB_TABLE_PAGES_MAX, sizeof(*line->table), GFP_KERNEL);
	return line->table ? grow(line, 0) : -ENOMEM;
}

unsigned int sb_table_free(struct sb_guest_line *line)
{
	unsigned int left = 0;
	u32 i;

	for (i = 0; i < line->tables; i++) {
		if (line->table[i] && !page_destroy(line->table[i]))
			left++;
		else
			line->table[i] = NULL;
	}
	if (left)
		return left;
	kvfree(line->table);
	line->table = NULL;
	line->tables = 0;
	return 0;
}

static bool slot_take(struct sb_guest_line *line, struct sb_circuit *c, u32 n)
{
	struct sb_table_page *p = line->table[n / SB_ENTRIES_PER_PAGE];
	u32 slot = n % SB_ENTRIES_PER_PAGE;

	if (p->slot[slot])
		return false;
	c->line = line;
	c->number = n;
	c->entry = &p->table->entry[slot];
	/* a new tenant of the entry never repeats a generation */
	c->generation = sb_word_generation(c->entry->owner);
	/* a bell that finds the circuit finds it whole */
	smp_store_release(&p->slot[slot], c);
	line->entry_hint = n + 1;
	return true;
}

/* line->lock held. False when the table is full */
static bool place(struct sb_guest_line *line, struct sb_circuit *c)
{
	u32 i, n, entries = line->tables * SB_ENTRIES_PER_PAGE;

	for (i = 0; i < entries; i++) {
		n = (line->entry_hint + i) % entries;
		if (slot_take(line, c, n))
			return true;
	}
	return false;
}

int sb_table_place(struct sb_guest_line *line, struct sb_circuit *c)
{
	bool placed;
	u32 tables;
	int error;

	for (;;) {
		spin_lock_bh(&line->lock);
		placed = !line->lost &&
			 line->used < line->tables * SB_ENTRIES_PER_PAGE &&
			 place(line, c);
		if (placed)
			line->used++;
		tables = line->tables;
		spin_unlock_bh(&line->lock);
		if (placed)
			return 0;
		error = line->lost ? -ENETUNREACH : grow(line, tables);
		if (error)
			return error;
	}
}

void sb_table_clear(struct sb_circuit *c)
{
	struct sb_guest_line *line = c->line;
	struct sb_table_page *p = line->table[c->number / SB_ENTRIES_PER_PAGE];

	spin_lock_bh(&line->lock);
	sb_store(&c->entry->owner, sb_word(c->generation, SB_OWNER_FREE));
	WRITE_ONCE(p->slot[c->number % SB_ENTRIES_PER_PAGE], NULL);
	line->entry_hint = c->number;
	line->used--;
	spin_unlock_bh(&line->lock);
}

u32 sb_table_entries(struct sb_guest_line *line)
{
	/* pairs with grow() */
	return smp_load_acquire(&line->tables) * SB_ENTRIES_PER_PAGE;
}

struct sb_circuit *sb_table_slot(struct sb_guest_line *line, u32 entry)
{
	struct sb_table_page *p;

	if (entry >= sb_table_entries(line))
		return NULL;
	p = line->table[entry / SB_ENTRIES_PER_PAGE];
	/* pairs with slot_take() */
	return smp_load_acquire(&p->slot[entry % SB_ENTRIES_PER_PAGE]);
}
