/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * datagram - a guest that does what it likes with its line to proxy-udp
 *
 * See guest_line.h. Here the guest offers circuits and writes records, some of
 * them honest; the operator answers, withdraws; the network sends.
 */
#include <arpa/inet.h>
#include <string.h>

#include "services/common/address.h"
#include "services/common/limits.h"
#include "services/proxy-udp/udp.h"
#include "tests/fuzz/guest_line.h"

static int outside = -1;
static struct sb_address outside_at;

static void act_wake(const struct step *s)
{
	act_word(s);
	guest_line_ring(s->entry % 16);
}

/* A new generation as an honest guest begins one, or nearly */
static void act_offer(const struct step *s)
{
	struct sb_entry *e = guest_line_entry(s->entry);
	struct sb_index_page *page = guest_line_circuit(s->entry);
	uint32_t generation = sb_generation_next(sb_word_generation(e->owner));

	memset(page, 0, sizeof(*page));
	page->call.generation = generation;
	if (s->value & 1) {
		page->call.local.family =
			s->value & 2 ? SB_FAMILY_IPV6 : SB_FAMILY_IPV4;
		page->call.local.port = s->value >> 16;
	}
	e->listener = s->value & 4 ? s->place % 20 : SB_ENTRY_NONE;
	sb_store(&e->owner, sb_word(generation, SB_OWNER_OFFERED));
	guest_line_ring(s->entry % 16);
}

static void act_index(const struct step *s)
{
	guest_line_index(s, s->value % 512 * 64);
	guest_line_ring(s->entry % 16);
}

/* A record behind those that are there, with one field as the script says */
static void act_record(const struct step *s)
{
	struct sb_index_page *page = guest_line_circuit(s->entry);
	uint8_t *tx = (uint8_t *)(void *)page + SB_PAGE_BYTES;
	uint32_t size = sb_area_bytes(guest_line_entry(s->entry)->order % 4);
	uint32_t *produced = &page->side[SB_OWNER].produced;
	struct sb_datagram h = { .kind = SB_DATAGRAM_DATA,
				 .bytes = s->place % 1500,
				 .remote = outside_at };

	h.remote.port = s->value & 1 ? outside_at.port : 1;
	if (s->value & 2)
		((uint8_t *)&h)[s->value >> 8 & 63] ^= s->value >> 16;
	if (s->value & 4)
		h.kind = SB_DATAGRAM_JOIN + (s->value >> 3 & 3);
	/* what fits, and is in the memory of this circuit */
	if (size <= 4 * SB_PAGE_BYTES)
		memcpy(tx + (*produced & (size - 64)), &h, sizeof(h));
	sb_store(produced, *produced + sb_datagram_room(s->place % 1500));
	guest_line_ring(s->entry % 16);
}

/* The operator answers; only the loopback may really be sent to */
static void act_verdict(const struct step *s)
{
	struct ipc_verdict verdict = {
		.error = s->value & 1 ? 0 : s->value % 134,
		.to = outside_at,
		.direct = (s->value & 0xf00) == 0xf00,
	};
	struct line *l = guest_line_now();

	if (!guest_line.asked)
		return;
	if (guest_line.question.kind == IPC_KIND_BIND)
		verdict.to.port = 0;
	guest_line_answer(&verdict);
	if (s->value & 0x1000 && l)
		questions_withdraw(l);
}

/* What has come to it */
static void forget_outside(void)
{
	char bytes[64];

	while (recv(outside, bytes, sizeof(bytes), MSG_DONTWAIT) >= 0)
		;
}

static void give(struct circuit *c, void *argument)
{
	static uint8_t bytes[65536];
	const struct step *s = argument;
	const struct outlet *o = datagrams_of(c)->outlet;
	struct sockaddr_storage to = { 0 };
	socklen_t length = sizeof(to);
	struct sb_address at;

	if (!c->active || !o || c->entry % 4 != s->entry % 4 ||
	    getsockname(o->watch.fd, (struct sockaddr *)&to, &length))
		return;
	address_from_sockaddr(&at, (struct sockaddr *)&to);
	to = (struct sockaddr_storage){ 0 };
	((struct sockaddr_in *)&to)->sin_family = AF_INET;
	((struct sockaddr_in *)&to)->sin_port = htons(at.port);
	((struct sockaddr_in *)&to)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (unsigned int n = 0; n <= s->place % 8; n++)
		sendto(outside, bytes, (s->value + n * 97) % 40000, 0,
		       (struct sockaddr *)&to, sizeof(struct sockaddr_in));
}

static void act_outside(const struct step *s)
{
	struct line *l = guest_line_now();
	struct step copy = *s;

	if (l)
		line_for_each(l, give, &copy);
	forget_outside();
}

/* As if there were no descriptors */
static void act_rest(const struct step *s)
{
	struct line *l = guest_line_now();

	(void)s;
	if (l)
		rest_one(l->proxy);
}

static void (*const acts[])(const struct step *s) = {
	act_turns,   act_offer,	 act_record, act_verdict,  act_turns,
	act_outside, act_index,	 act_wake,   act_turns,	   act_field,
	act_line,    act_record, act_header, act_scribble, act_rest,
};

/**
 * struct books - what circuits say, to be compared with what their line says
 * @circuits:  active
 * @published: outlets that hold a place, or are in a group
 * @outlets:   that do not rest
 * @stuck:     outlets
 * @buffers:   bytes
 */
struct books {
	uint32_t circuits;
	uint32_t published;
	uint32_t outlets;
	uint32_t stuck;
	uint64_t buffers;
};

static void check_circuit(struct circuit *c, void *argument)
{
	const struct datagrams *d = datagrams_of(c);
	struct books *books = argument;

	if (!c->active)
		return;
	FUZZ_ASSERT(c->generation && c->pages);
	FUZZ_ASSERT((d->phase == DATAGRAMS_OPEN) == !!d->outlet);
	FUZZ_ASSERT(!d->successor ||
		    d->successor->phase == DATAGRAMS_REPLACING);
	books->circuits++;
	if (!d->outlet)
		return;
	FUZZ_ASSERT(d->outlet->at == d);
	FUZZ_ASSERT(d->outlet->pendings <= LIMIT_PENDING);
	FUZZ_ASSERT(d->outlet->counted == !outlet_rests(d->outlet));
	FUZZ_ASSERT(!outlet_rests(d->outlet) || !d->outlet->pending);
	books->published += d->outlet->published + d->outlet->joined;
	books->outlets += d->outlet->counted;
	books->stuck += d->outlet->stuck;
	books->buffers += d->outlet->buffer;
}

static void check_list(const struct udp_line *ul)
{
	const struct outlet *before = NULL;
	uint32_t outlets = 0;

	for (const struct outlet *o = ul->oldest; o; o = o->newer, outlets++) {
		FUZZ_ASSERT(o->older == before && o->counted);
		before = o;
	}
	FUZZ_ASSERT(ul->newest == before && ul->outlets == outlets);
}

static void check(const struct line *l)
{
	const struct udp_line *ul = (const struct udp_line *)(const void *)l;
	struct books books = { 0 };

	line_for_each(l, check_circuit, &books);
	FUZZ_ASSERT(l->circuits == books.circuits);
	FUZZ_ASSERT(l->circuits <= CIRCUITS_MAX);
	FUZZ_ASSERT(ul->published == books.published);
	FUZZ_ASSERT(ul->published <= LISTENERS_MAX);
	FUZZ_ASSERT(ul->outlets == books.outlets);
	check_list(ul);
	FUZZ_ASSERT(ul->stuck == books.stuck);
	FUZZ_ASSERT(ul->buffers == books.buffers);
	FUZZ_ASSERT(ul->pending <= LIMIT_PENDING_BYTES);
}

static void begin(void)
{
	if (outside < 0)
		outside = guest_line_socket(SOCK_DGRAM, &outside_at);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t bytes)
{
	static const struct guest_script script = {
		.kind = &udp_kind,
		.entry_kind = SB_ENTRY_DATAGRAM,
		.table_pages = 1,
		.order = { SB_ORDER_MIN, SB_ORDER_DEFAULT },
		.calls_burst = 20,
		.act = acts,
		.acts = sizeof(acts) / sizeof(acts[0]),
		.check = check,
		.begin = begin,
		.end = forget_outside,
	};

	return guest_line_play(&script, input, bytes);
}
