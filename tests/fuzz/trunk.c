/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * trunk - a guest that writes anything into its trunk, at any moment
 *
 * The input is a script of steps: the guest stores a word somewhere in its
 * pages, or the operator attaches, takes messages, answers. The hypervisor is
 * played by memory in this process, and every page that the operator maps is
 * between pages that fault.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "services/operator/trunk.h"
#include "tests/fuzz/fuzz.h"

#define PAGES 5u
/* header, tx, rx: each mapping with a page before and behind that faults */
#define PAGE_BYTES ((size_t)SB_PAGE_BYTES)
#define SPACE_BYTES (9 * PAGE_BYTES)

static uint8_t *space;
static unsigned int mapped;
static unsigned int bound;
static struct trunk trunk;

static uint8_t *page_at(unsigned int page)
{
	static const unsigned int place[PAGES] = { 1, 3, 4, 6, 7 };

	return space + place[page] * PAGE_BYTES;
}

/* The grant of page n is 100 + n; nothing else is granted */
void *hypervisor_map(struct hypervisor *h, uint32_t domain,
		     const uint32_t *gref, unsigned int count)
{
	(void)h;
	(void)domain;
	for (unsigned int n = 0; n < count; n++)
		if (gref[n] != gref[0] + n || gref[n] < 100 ||
		    gref[n] >= 100 + PAGES) {
			errno = EINVAL;
			return NULL;
		}
	if (count == 2 && gref[0] != 101 && gref[0] != 103) {
		errno = EINVAL;
		return NULL;
	}
	mapped++;
	return page_at(gref[0] - 100);
}

int hypervisor_unmap(struct hypervisor *h, void *address, unsigned int count)
{
	(void)h;
	(void)address;
	(void)count;
	FUZZ_ASSERT(mapped > 0);
	mapped--;
	return 0;
}

int hypervisor_bind(struct hypervisor *h, uint32_t domain, uint32_t port)
{
	(void)h;
	(void)domain;
	if (port != 7)
		return -EINVAL;
	bound++;
	return 3;
}

int hypervisor_unbind(struct hypervisor *h, int channel)
{
	(void)h;
	FUZZ_ASSERT(channel == 3 && bound == 1);
	bound--;
	return 0;
}

int hypervisor_notify(struct hypervisor *h, int channel)
{
	(void)h;
	FUZZ_ASSERT(channel == 3 && bound == 1);
	return 0;
}

static void prepare_space(void)
{
	space = mmap(NULL, SPACE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
		     -1, 0);
	if (space == MAP_FAILED ||
	    mprotect(page_at(0), PAGE_BYTES, PROT_READ | PROT_WRITE) ||
	    mprotect(page_at(1), 2 * PAGE_BYTES, PROT_READ | PROT_WRITE) ||
	    mprotect(page_at(3), 2 * PAGE_BYTES, PROT_READ | PROT_WRITE))
		abort();
}

/* As an honest guest would leave its pages */
static void prepare_guest(void)
{
	struct sb_trunk *header = (struct sb_trunk *)page_at(0);

	for (unsigned int page = 0; page < PAGES; page++)
		memset(page_at(page), 0, PAGE_BYTES);
	header->magic = SB_TRUNK_MAGIC;
	header->version = SB_TRUNK_VERSION;
	for (unsigned int n = 0; n < SB_TRUNK_AREA_PAGES; n++) {
		header->tx_gref[n] = 101 + n;
		header->rx_gref[n] = 103 + n;
	}
}

/* A step is four bytes: what, two of place, one of value */
struct step {
	uint8_t what;
	uint8_t place[2];
	uint8_t value;
};

/* Mostly where it matters: the words that are read again and again */
static void scribble(const struct step *s)
{
	static const uint16_t words[] = { 0,	4,    8,    12,	  16,	20,
					  24,	64,   72,   1024, 1028, 1032,
					  1036, 1088, 1092, 1096, 1100 };
	/* small numbers, positive and negative */
	uint32_t value = s->value - 64u;

	if (s->what & 0x10)
		value *= sizeof(struct sb_message);
	if (s->what & 0x20) {
		unsigned int place = s->place[0] | s->place[1] << 8;

		page_at(place / PAGE_BYTES % PAGES)[place % PAGE_BYTES] =
			s->value;
	} else {
		uint32_t *word =
			(uint32_t *)(page_at(0) +
				     words[s->place[0] % (sizeof(words) / 2)]);

		*word = s->what & 0x40 ? *word + value : value;
	}
}

static void attach(void)
{
	struct hypervisor_guest guest = { .gref = 100, .port = 7 };
	const char *why = NULL;

	if (trunk_attached(&trunk))
		trunk_detach(&trunk);
	if (trunk_attach(&trunk, (struct hypervisor *)&trunk, &guest, 1,
			 &why) != 0) {
		FUZZ_ASSERT(why && !trunk_attached(&trunk));
		FUZZ_ASSERT(!mapped && !bound);
	}
}

/* Return: the trunk is still believed */
static bool take_messages(void)
{
	struct sb_message m;
	int got = 1;

	/* never more than fit the ring between two looks */
	for (int n = 0; n < 64 && got == 1; n++) {
		got = trunk_peek(&trunk, &m);
		FUZZ_ASSERT(got == 0 || got == 1 || got == -EPROTO);
		if (got == 1)
			trunk_consume(&trunk);
	}
	return got >= 0;
}

static bool send_message(const struct step *s)
{
	struct sb_message m = { .type = s->value };
	int err = trunk_send(&trunk, &m);

	FUZZ_ASSERT(!err || err == -ENOBUFS || err == -EPROTO);
	FUZZ_ASSERT(trunk.queued <= LIMIT_TRUNK_ANSWERS);
	return err != -EPROTO;
}

/* Return: false when the operator gives the trunk up */
static bool act(const struct step *s)
{
	switch (s->what & 7) {
	case 0:
		return take_messages();
	case 1:
		return send_message(s);
	case 2:
		return trunk_flush(&trunk) == 0;
	case 3:
		trunk_publish(&trunk);
		return true;
	case 4:
		return trunk_arm(&trunk) >= 0;
	default:
		scribble(s);
		return true;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t bytes)
{
	struct step s;

	if (!space)
		prepare_space();
	prepare_guest();
	memset(&trunk, 0, sizeof(trunk));
	for (; bytes >= sizeof(s); input += sizeof(s), bytes -= sizeof(s)) {
		memcpy(&s, input, sizeof(s));
		if (!trunk_attached(&trunk)) {
			if (s.what & 1)
				attach();
			else
				scribble(&s);
		} else if (s.what == 0xff || !act(&s)) {
			trunk_detach(&trunk);
		}
	}
	if (trunk_attached(&trunk))
		trunk_detach(&trunk);
	FUZZ_ASSERT(!mapped && !bound);
	return 0;
}
