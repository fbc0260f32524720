// SPDX-License-Identifier: GPL-2.0-only
/*
 * guest_line.c - a test guest's lines: header, bells, table
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/local/guest_line.h"

/* A page of the line, granted to its peer; NULL when there is none left */
static void *grant_page(struct guest_line *l, uint32_t *gref)
{
	uint32_t frame = guest_pages_get(l->guest, 1);

	if (!frame)
		return NULL;
	*gref = guest_grant(l->guest, frame, l->remote);
	if (!*gref)
		return NULL;
	l->gref[l->grefs++] = *gref;
	return guest_page(l->guest, frame);
}

struct guest_line *guest_line_new(struct guest *g, uint32_t number,
				  enum sb_line_kind kind, uint32_t remote)
{
	struct guest_line *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->guest = g;
	l->number = number;
	l->remote = remote;
	l->header = grant_page(l, &l->header_gref);
	if (!l->header)
		goto free_line;
	l->doorbells = grant_page(l, &l->header->doorbell_gref);
	l->directory = grant_page(l, &l->header->directory_gref);
	if (!l->doorbells || !l->directory ||
	    guest_channel_allocate(g, &l->channel, remote))
		goto free_line;
	l->header->magic = SB_LINE_MAGIC;
	l->header->version = SB_LINE_VERSION;
	l->header->kind = kind;
	l->header->features = kind == SB_LINE_UDP ? 0 : SB_FEATURE_EXCHANGE;
	l->next = g->lines;
	l->back = &g->lines;
	if (l->next)
		l->next->back = &l->next;
	g->lines = l;
	return l;

free_line:
	free(l);
	return NULL;
}

void guest_line_free(struct guest_line *l)
{
	if (!l)
		return;
	while (l->circuits)
		guest_circuit_free(l->circuits);
	*l->back = l->next;
	if (l->next)
		l->next->back = l->back;
	close(l->channel.wait);
	close(l->channel.signal);
	free(l);
}

void guest_line_end(struct guest_line *l)
{
	struct guest *g = l->guest;

	guest_line_free(l);
	guest_free(g);
}

int guest_line_wait_attached(struct guest_line *l, int timeout_ms)
{
	uint64_t end_ms = guest_now_ms() + timeout_ms;
	uint32_t epoch;

	while ((epoch = sb_load(&l->header->peer_epoch)) == l->epoch) {
		uint64_t now_ms = guest_now_ms();

		if (now_ms >= end_ms)
			return -ETIMEDOUT;
		guest_line_wait(l, end_ms - now_ms < 20 ? end_ms - now_ms : 20);
	}
	l->epoch = epoch;
	return 0;
}

struct sb_entry *guest_line_entry(struct guest_line *l, uint32_t n)
{
	uint32_t page = n / SB_ENTRIES_PER_PAGE;

	if (page >= SB_TABLE_PAGES_MAX)
		return NULL;
	while (l->tables <= page) {
		l->table[l->tables] =
			grant_page(l, &l->directory->gref[l->tables]);
		if (!l->table[l->tables])
			return NULL;
		l->tables++;
		sb_store(&l->header->table_pages, l->tables);
	}
	return &l->table[page]->entry[n % SB_ENTRIES_PER_PAGE];
}

void guest_line_ring(struct guest_line *l, uint32_t entry)
{
	struct sb_bells b = sb_bells_to_peer(l->header, l->doorbells);

	if (sb_bells_ring(&b, entry))
		guest_channel_notify(&l->channel);
}

static bool take_bells(struct guest_line *l, const struct sb_bells *b)
{
	uint64_t summary = sb_bells_take_summary(b), bells;
	bool any = false;

	for (unsigned int bit = 0; summary; bit++, summary >>= 1) {
		if (!(summary & 1))
			continue;
		for (unsigned int i = 0; i < SB_SUMMARY_WORDS; i++) {
			unsigned int word = bit * SB_SUMMARY_WORDS + i;

			bells = sb_bells_take_word(b, word);
			l->rung[word] |= bells;
			any = any || bells;
		}
	}
	return any;
}

bool guest_line_wait(struct guest_line *l, int timeout_ms)
{
	struct sb_bells b = sb_bells_to_owner(l->header, l->doorbells);
	bool any = take_bells(l, &b);

	if (any)
		return true;
	if (sb_bells_arm(&b))
		guest_channel_wait(&l->channel, timeout_ms);
	sb_bells_disarm(&b);
	return take_bells(l, &b);
}

bool guest_line_rung(struct guest_line *l, uint32_t entry)
{
	uint64_t bit = 1ull << (entry % 64);
	bool rung = l->rung[entry / 64] & bit;

	l->rung[entry / 64] &= ~bit;
	return rung;
}
