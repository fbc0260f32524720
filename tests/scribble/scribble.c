// SPDX-License-Identifier: GPL-2.0-only
/*
 * scribble.c - a hostile peer: writes nonsense where Dom0 may write
 *
 *   scribble DOMAIN TRUNK-GREF SECONDS [SEED [WHAT]]
 *
 * WHAT adds 1 for indexes, 2 for entries, 4 for bells: those by default, and of
 * the line to proxy-tcp. With 8 it is the line to proxy-udp, and records of
 * datagrams are what is written, too.
 *
 * Runs in Dom0 as root, beside the real services, while the guest makes
 * connections, and begins before its first 60. It finds the guest's lines in
 * the trunk's old messages, maps them and their circuits, and until the time is
 * up stores random values into whatever the peer's side owns: indexes, words,
 * errors, addresses, doorbells, records. The guest's circuits may end; the
 * guest must not crash, hang or leak.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "protocol/datagram.h"
#include "protocol/doorbell.h"
#include "protocol/ring.h"
#include "protocol/trunk.h"
#include "services/common/hypervisor.h"

#define CIRCUITS_MAX 256

enum what {
	INDEXES = 1,
	ENTRIES = 2,
	BELLS = 4,
	RECORDS = 8,
};

static struct hypervisor *port;
static uint32_t domain;
static struct sb_line *line;
static struct sb_doorbells *bells;
static struct sb_directory *directory;
static struct sb_index_page *page[CIRCUITS_MAX];
static uint32_t mapped[CIRCUITS_MAX];
static unsigned int pages;
static enum sb_line_kind line_kind = SB_LINE_TCP;
static enum sb_entry_kind entry_kind = SB_ENTRY_STREAM;

static void *map(uint32_t gref, const char *what)
{
	void *at = hypervisor_map(port, domain, &gref, 1);

	if (!at)
		fprintf(stderr, "%s, grant %u: %s\n", what, gref,
			strerror(errno));
	return at;
}

/* The latest LINE_READY in the guest's half of the trunk */
static uint32_t find_line(const struct sb_trunk *trunk)
{
	const unsigned int count = SB_PAGE_BYTES / sizeof(struct sb_message);
	uint32_t found = 0;

	for (unsigned int p = 0; p < SB_TRUNK_AREA_PAGES; p++) {
		const struct sb_message *m = map(trunk->tx_gref[p], "messages");

		for (unsigned int i = 0; m && i < count; i++)
			if (m[i].type == SB_MESSAGE_LINE_READY &&
			    m[i].kind == line_kind)
				found = m[i].gref;
	}
	return found;
}

static struct sb_table *table(unsigned int n)
{
	static struct sb_table *known[SB_TABLE_PAGES_MAX];

	if (!known[n])
		known[n] = map(directory->gref[n], "table");
	return known[n];
}

static bool is_mapped(uint32_t gref)
{
	for (unsigned int i = 0; i < pages; i++)
		if (mapped[i] == gref)
			return true;
	return false;
}

/* Its index page; where records are written its areas behind that, too */
static void *map_circuit(const struct sb_entry *e)
{
	unsigned int count =
		entry_kind == SB_ENTRY_DATAGRAM ? SB_CIRCUIT_PAGES_INLINE : 1;
	uint32_t gref[SB_CIRCUIT_PAGES_INLINE];

	memcpy(gref, e->gref, sizeof(gref));
	return hypervisor_map(port, domain, gref, count);
}

/* Circuits that have come since; they stay mapped */
static void find_circuits(void)
{
	uint32_t tables = line->table_pages;

	for (uint32_t n = 0; n < tables * SB_ENTRIES_PER_PAGE; n++) {
		struct sb_table *t = table(n / SB_ENTRIES_PER_PAGE);
		struct sb_entry *e;

		if (!t || pages == CIRCUITS_MAX)
			return;
		e = &t->entry[n % SB_ENTRIES_PER_PAGE];
		if (e->kind != entry_kind || e->gref_list || !e->gref[0] ||
		    e->order != SB_ORDER_DEFAULT || is_mapped(e->gref[0]))
			continue;
		mapped[pages] = e->gref[0];
		page[pages] = map_circuit(e);
		if (page[pages])
			pages++;
	}
}

static uint32_t pick(void)
{
	static const uint32_t some[] = { 0,	     1,	    0xffffffff,
					 0x80000000, 16384, 16385 };
	uint32_t r = (uint32_t)random();

	return r & 1 ? (uint32_t)random() << 1 : some[r / 2 % 6];
}

static void scribble_index(void)
{
	struct sb_index *index;

	if (!pages)
		return;
	index = &page[(unsigned long)random() % pages]->side[SB_PEER];
	switch (random() % 4) {
	case 0:
		sb_store(&index->produced, pick());
		break;
	case 1:
		sb_store(&index->consumed, pick());
		break;
	case 2:
		sb_store(&index->produced, index->produced + 1);
		break;
	default:
		sb_store(&index->data_event, pick());
	}
}

/* Lengths and fields at their bounds, and beyond */
static struct sb_datagram nonsense(void)
{
	static const uint32_t bytes[] = { 0,	 1,	64,    1400,
					  16320, 16321, 65527, 65528 };
	static const uint16_t family[] = { SB_FAMILY_IPV4, SB_FAMILY_IPV6,
					   SB_FAMILY_NONE, 5 };
	struct sb_datagram h = { .bytes = bytes[random() % 8],
				 .kind = (uint8_t)(random() % 8),
				 .flags = (uint8_t)random(),
				 .error = (uint16_t)random(),
				 .icmp_type = (uint8_t)random(),
				 .icmp_code = (uint8_t)random(),
				 .drops = pick(),
				 .info = pick() };

	if (random() % 8 == 0)
		h.bytes = pick();
	if (random() & 1)
		h.flags &= SB_DATAGRAM_FLAGS;
	h.remote.family = family[random() % 4];
	h.remote.port = (uint16_t)pick();
	h.remote.bytes[0] = (uint8_t)random();
	return h;
}

/* One behind what is there, or a word of one that may be read just now */
static void scribble_record(void)
{
	uint32_t size = sb_area_bytes(SB_ORDER_DEFAULT), at;
	struct sb_datagram h = nonsense();
	struct sb_index *index;
	uint8_t *base, *rx;

	if (!pages)
		return;
	base = (uint8_t *)page[(unsigned long)random() % pages];
	index = &((struct sb_index_page *)(void *)base)->side[SB_PEER];
	rx = base + SB_PAGE_BYTES + size;
	at = index->produced & (size - SB_DATAGRAM_ALIGN);
	if (random() & 1) {
		memcpy(rx + at, &h, sizeof(h));
		sb_store(&index->produced,
			 index->produced + sb_datagram_room(h.bytes));
	} else {
		at = (uint32_t)random() & (size - SB_DATAGRAM_ALIGN);
		memcpy(rx + at, &h, 8);
	}
}

static void scribble_entry(void)
{
	uint32_t entries = line->table_pages * SB_ENTRIES_PER_PAGE;
	uint32_t n = entries ? (uint32_t)random() % entries : 0;
	struct sb_table *t = table(n / SB_ENTRIES_PER_PAGE);
	struct sb_entry *e = t ? &t->entry[n % SB_ENTRIES_PER_PAGE] : NULL;

	if (!e)
		return;
	sb_store(&e->error, pick());
	e->local.family = (uint16_t)pick();
	e->remote.family = (uint16_t)pick();
	sb_store(&e->info_ack, pick());
	/* half of them of the right generation */
	sb_store(&e->peer, random() & 1 ? pick()
					: (e->owner & ~0xffu) |
						  ((uint32_t)random() & 0x7f));
}

/*
 * Not the summary: a bit set there without an event keeps the real proxy from
 * sending one, and then nothing more is tested.
 */
static void scribble_bells(void)
{
	bells->to_owner[(unsigned long)random() % SB_DOORBELL_WORDS] =
		(uint64_t)random() << 32 | (uint64_t)random();
	sb_store(&line->peer_epoch, random() % 64 ? line->peer_epoch : pick());
}

static int attach(uint32_t gref)
{
	struct sb_trunk *trunk = map(gref, "trunk");

	line = trunk ? map(find_line(trunk), "line") : NULL;
	if (!line)
		return -1;
	bells = map(line->doorbell_gref, "doorbells");
	directory = map(line->directory_gref, "directory");
	return bells && directory && line->magic == SB_LINE_MAGIC ? 0 : -1;
}

int main(int argc, char **argv)
{
	time_t end;
	unsigned long turns = 0;
	unsigned long what = argc > 5 ? strtoul(argv[5], NULL, 10)
				      : INDEXES | ENTRIES | BELLS;

	if (argc < 4) {
		fputs("usage: scribble DOMAIN TRUNK-GREF SECONDS "
		      "[SEED [WHAT]]\n",
		      stderr);
		return 2;
	}
	domain = (uint32_t)strtoul(argv[1], NULL, 10);
	srandom(argc > 4 ? (unsigned int)strtoul(argv[4], NULL, 10) : 1);
	if (what & RECORDS) {
		line_kind = SB_LINE_UDP;
		entry_kind = SB_ENTRY_DATAGRAM;
	}
	port = hypervisor_open("xen", HYPERVISOR_GRANTS);
	if (!port || attach((uint32_t)strtoul(argv[2], NULL, 10)))
		return 1;
	end = time(NULL) + strtol(argv[3], NULL, 10);
	for (; time(NULL) < end; turns++) {
		struct timespec nap = { .tv_nsec = 200000 };

		if (turns % 1024 == 0)
			find_circuits();
		if (what & INDEXES)
			scribble_index();
		if (what & RECORDS)
			scribble_record();
		if (what & ENTRIES && turns % 4 == 0)
			scribble_entry();
		if (what & BELLS)
			scribble_bells();
		nanosleep(&nap, NULL);
	}
	printf("%lu turns, %u circuits\n", turns, pages);
	return 0;
}
