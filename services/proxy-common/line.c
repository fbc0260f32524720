// SPDX-License-Identifier: GPL-2.0-only
/*
 * line.c - a line's turn: bells, entries, table pages
 *
 * Everything here that is read from the guest is an index or a bit: an entry
 * number is bounded by the bitmap it came from, a table page by the directory
 * and by what the guest says it has.
 */
#include <stdlib.h>

#include "services/common/limits.h"
#include "services/proxy-common/circuit.h"

void line_look_at(struct line *l, uint32_t entry)
{
	uint32_t word = entry / 64;

	l->due[word] |= 1ull << (entry % 64);
	l->due_words[word / 64] |= 1ull << (word % 64);
	proxy_queue(l->proxy, l);
}

void line_event(struct line *l)
{
	l->masked = true;
	l->armed = false;
	sb_bells_disarm(&l->ours);
	proxy_queue(l->proxy, l);
}

void line_ring(struct line *l, uint32_t entry)
{
	l->useful = true;
	if (!sb_bells_ring(&l->theirs, entry) || l->notify)
		return;
	l->notify = true;
	proxy_queue(l->proxy, l);
}

void line_ring_later(struct line *l, uint32_t entry)
{
	if (l->laters == LINE_LATER_MAX)
		line_ring_now(l);
	l->later[l->laters++] = (uint16_t)entry;
}

void line_ring_now(struct line *l)
{
	if (!l->laters)
		return;
	l->notify = true;
	proxy_queue(l->proxy, l);
	for (uint32_t i = 0; i < l->laters; i++)
		sb_bells_ring(&l->theirs, l->later[i]);
	l->laters = 0;
}

void line_report(struct line *l)
{
	l->report_due = true;
	proxy_queue(l->proxy, l);
}

/* Bells become entries to look at */
static void take_bells(struct line *l)
{
	uint64_t summary = sb_bells_take_summary(&l->ours), bells;
	uint32_t word;

	for (; summary; summary &= summary - 1) {
		word = __builtin_ctzll(summary) * SB_SUMMARY_WORDS;
		for (unsigned int i = 0; i < SB_SUMMARY_WORDS; i++, word++) {
			bells = sb_bells_take_word(&l->ours, word);
			if (!bells)
				continue;
			l->due[word] |= bells;
			l->due_words[word / 64] |= 1ull << (word % 64);
		}
	}
}

/* The next word of l->due, from the cursor round; -1 when none is left */
static int next_due(const struct line *l)
{
	uint32_t from = l->cursor / 64, i, at;
	uint64_t words;

	for (i = 0; i <= LINE_DUE_WORDS; i++) {
		at = (from + i) % LINE_DUE_WORDS;
		words = l->due_words[at];
		if (i == 0)
			words &= ~0ull << (l->cursor % 64);
		if (words)
			return at * 64 + __builtin_ctzll(words);
	}
	return -1;
}

/* Look at the entries of one word of l->due. Return: how many */
static unsigned int look_at_word(struct line *l, uint32_t word)
{
	uint64_t due = l->due[word];
	unsigned int count = 0;

	l->due[word] = 0;
	l->due_words[word / 64] &= ~(1ull << (word % 64));
	l->cursor = (word + 1) % SB_DOORBELL_WORDS;
	for (; due; due &= due - 1, count++)
		circuit_look(l, word * 64 + __builtin_ctzll(due));
	l->proxy->count[PROXY_LOOKS] += count;
	return count;
}

static void send_event(struct line *l)
{
	line_ring_now(l);
	l->notify = false;
	l->proxy->count[PROXY_NOTIFICATIONS]++;
	hypervisor_notify(l->proxy->port, l->channel);
}

/* Return: there is more to report */
static bool report(struct line *l)
{
	if (l->proxy->kind->report(l))
		return l->report_due;
	proxy_starve(l->proxy);
	return false;
}

bool line_run(struct line *l)
{
	unsigned int looks = 0;
	int word;

	if (!l->armed)
		take_bells(l);
	while (looks < LIMIT_LINE_BURST && (word = next_due(l)) >= 0)
		looks += look_at_word(l, word);
	if (l->notify)
		send_event(l);
	if ((l->report_due && report(l)) || next_due(l) >= 0)
		return true;
	if (!l->armed)
		l->armed = sb_bells_arm(&l->ours);
	return !l->armed;
}

/* Map the table page of an entry, if the guest has one there */
static struct line_page *page_make(struct line *l, uint32_t n)
{
	struct hypervisor *port = l->proxy->port;
	struct line_page *page;
	uint32_t gref;

	if (n >= SB_TABLE_PAGES_MAX || n >= sb_load(&l->header->table_pages))
		return NULL;
	page = calloc(1, sizeof(*page));
	if (!page)
		return NULL;
	gref = sb_load(&l->directory->gref[n]);
	page->shared = hypervisor_map(port, l->attach.guest, &gref, 1);
	if (page->shared) {
		l->page[n] = page;
		return page;
	}
	l->proxy->count[PROXY_BAD_GRANTS]++;
	free(page);
	return NULL;
}

static struct line_page *page_get(struct line *l, uint32_t entry)
{
	uint32_t n = entry / SB_ENTRIES_PER_PAGE;

	if (n < SB_TABLE_PAGES_MAX && l->page[n])
		return l->page[n];
	return page_make(l, n);
}

struct sb_entry *line_entry(struct line *l, uint32_t entry)
{
	struct line_page *page = page_get(l, entry);

	return page ? &page->shared->entry[entry % SB_ENTRIES_PER_PAGE] : NULL;
}

struct circuit *line_circuit(const struct line *l, uint32_t entry)
{
	uint32_t n = entry / SB_ENTRIES_PER_PAGE;

	if (n >= SB_TABLE_PAGES_MAX || !l->page[n])
		return NULL;
	return l->page[n]->circuit[entry % SB_ENTRIES_PER_PAGE];
}

struct circuit *line_circuit_make(struct line *l, uint32_t entry)
{
	struct line_page *page = page_get(l, entry);
	struct circuit **slot, *c;

	if (!page)
		return NULL;
	slot = &page->circuit[entry % SB_ENTRIES_PER_PAGE];
	if (*slot)
		return *slot;
	c = calloc(1, l->proxy->kind->circuit_bytes);
	if (!c)
		return NULL;
	c->line = l;
	c->entry = entry;
	c->shared = &page->shared->entry[entry % SB_ENTRIES_PER_PAGE];
	*slot = c;
	return c;
}

void line_circuit_free(struct circuit *c)
{
	struct line_page *page = c->line->page[c->entry / SB_ENTRIES_PER_PAGE];

	page->circuit[c->entry % SB_ENTRIES_PER_PAGE] = NULL;
	free(c);
}

void line_for_each(const struct line *l,
		   void (*visit)(struct circuit *c, void *argument),
		   void *argument)
{
	for (uint32_t n = 0; n < SB_TABLE_PAGES_MAX; n++) {
		struct line_page *page = l->page[n];

		for (uint32_t i = 0; page && i < SB_ENTRIES_PER_PAGE; i++)
			if (page->circuit[i])
				visit(page->circuit[i], argument);
	}
}

void line_lie(struct line *l, const char *what, uint32_t entry)
{
	l->lies++;
	l->proxy->count[PROXY_LIES]++;
	log_guest(&l->limit, LOG_LEVEL_WARNING, l->attach.guest, l->attach.name,
		  "line %u, entry %u: %s", l->attach.line, entry, what);
}
