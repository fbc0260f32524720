// SPDX-License-Identifier: GPL-2.0-only
/*
 * withheld.c - what another guest does not give back
 *
 * A circuit that waits for its peer's CLOSED or UNMAPPED, or whose grants do
 * not end, cannot be used by anybody: neither can the pages of a line that is
 * gone while they are still mapped. Another guest may let us wait for ever.
 * So all that one withholds is added up, over its lines of now and of before,
 * and beyond a bound it gets no circuit and no line any more. What it does
 * give back later, or loses when it ends, counts no longer.
 */
#include "switchboard.h"

/* Lines to other guests, with those that are lost */
static LIST_HEAD(others);
static DEFINE_SPINLOCK(others_lock);

void sb_withheld_begin(struct sb_guest_line *line)
{
	if (line->kind != SB_LINE_DIRECT)
		return;
	spin_lock_bh(&others_lock);
	list_add(&line->others, &others);
	spin_unlock_bh(&others_lock);
}

void sb_withheld_end(struct sb_guest_line *line)
{
	spin_lock_bh(&others_lock);
	list_del_init(&line->others);
	spin_unlock_bh(&others_lock);
}

static void change(struct sb_guest_line *line, int pages)
{
	WRITE_ONCE(line->withheld, line->withheld + pages);
	if (line->kind == SB_LINE_DIRECT)
		atomic64_add(pages, &sb_counters.pages_withheld);
}

void sb_withheld_add(struct sb_circuit *c)
{
	if (!c->withheld)
		change(c->line, c->pages);
	c->withheld = true;
}

void sb_withheld_drop(struct sb_circuit *c)
{
	if (c->withheld)
		change(c->line, -(int)c->pages);
	c->withheld = false;
}

void sb_withheld_line(struct sb_guest_line *line, unsigned int pages)
{
	int more = (int)pages - (int)line->withheld;

	change(line, more);
	atomic64_add(more, &sb_counters.pages_quarantined);
}

bool sb_withheld_too_much(u8 kind, domid_t domain)
{
	const struct sb_guest_line *other;
	unsigned long pages = 0;

	if (kind != SB_LINE_DIRECT)
		return false;
	spin_lock_bh(&others_lock);
	list_for_each_entry(other, &others, others)
		if (other->domain == domain)
			pages += READ_ONCE(other->withheld);
	spin_unlock_bh(&others_lock);
	return pages > max_t(unsigned long, SB_WITHHELD_MIN,
			     totalram_pages() / SB_WITHHELD_SHARE);
}
