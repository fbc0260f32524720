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

struct sum {
	domid_t domain;
	unsigned long pages;
};

static void add_up(struct sb_guest_line *line, void *arg)
{
	struct sum *sum = arg;

	if (line->kind == SB_LINE_DIRECT && line->domain == sum->domain)
		sum->pages += READ_ONCE(line->withheld);
}

bool sb_withheld_too_much(u8 kind, domid_t domain)
{
	struct sum sum = { .domain = domain };

	if (kind != SB_LINE_DIRECT)
		return false;
	sb_line_visit(add_up, &sum);
	return sum.pages > max_t(unsigned long, SB_WITHHELD_MIN,
				 totalram_pages() / SB_WITHHELD_SHARE);
}
