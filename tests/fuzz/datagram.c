/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * datagram - a guest that does what it likes with its line to proxy-udp
 *
 * As in line.c the input is a script: the guest stores into words, entries,
 * calls, rings and records; the operator answers, withdraws; the network
 * sends. Sockets are real, on the loopback, and nothing else may be sent to.
 * After each turn the books must agree; at the end nothing may be left mapped,
 * bound or open.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "services/common/address.h"
#include "services/common/limits.h"
#include "services/proxy-udp/udp.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/guest_memory.h"

/* Pages of the guest, see line.c; circuits of the smallest and default order */
#define PAGE_HEADER 0u
#define PAGE_BELLS 1u
#define PAGE_DIRECTORY 2u
#define PAGE_TABLE 3u
#define PAGE_CIRCUIT 4u
#define CIRCUITS 8u
#define PAGES (PAGE_CIRCUIT + CIRCUITS * SB_CIRCUIT_PAGES_INLINE)

#define DOMAIN_ID 5u
#define LINE_NUMBER 1u
#define CIRCUITS_MAX 6u
#define PUBLISHED_MAX 2u
#define STEPS_MAX 200

static struct proxy proxy;
static int outside = -1;
static struct sb_address outside_at;
static struct ipc_message draft;
/* The last question, and how many have not been answered */
static struct ipc_question question;
static bool asked;

/* endpoint.c without an operator: questions are kept, the rest is heard */
struct ipc_message *endpoint_draft(enum ipc_type type)
{
	memset(&draft, 0, sizeof(draft));
	draft.type = type;
	return &draft;
}

int endpoint_send(struct endpoint *e, const struct ipc_message *m)
{
	(void)e;
	if (m->type == IPC_REPORT_ASKED) {
		question = m->question;
		asked = true;
		FUZZ_ASSERT(question.kind >= IPC_KIND_STREAM &&
			    question.kind <= IPC_KIND_BIND);
		FUZZ_ASSERT(address_valid(&question.remote));
	}
	return question.remote.port % 16 == 15 ? -EAGAIN : 0;
}

void orders_report_counts(struct line *l)
{
	(void)l;
}

static struct sb_line *header(void)
{
	return guest_memory_page(PAGE_HEADER);
}

static struct sb_entry *entry_at(unsigned int entry)
{
	struct sb_table *table = guest_memory_page(PAGE_TABLE);

	return &table->entry[entry % 16];
}

static uint8_t *circuit_at(unsigned int entry)
{
	return guest_memory_page(PAGE_CIRCUIT +
				 entry % CIRCUITS * SB_CIRCUIT_PAGES_INLINE);
}

static void prepare_entry(unsigned int n)
{
	struct sb_entry *e = entry_at(n);

	e->owner = sb_word(1, SB_OWNER_READY);
	e->order = n % 2 ? SB_ORDER_DEFAULT : SB_ORDER_MIN;
	e->kind = SB_ENTRY_DATAGRAM;
	e->listener = SB_ENTRY_NONE;
	for (unsigned int k = 0; k < SB_CIRCUIT_PAGES_INLINE; k++)
		e->gref[k] = GUEST_GREF + PAGE_CIRCUIT +
			     n * SB_CIRCUIT_PAGES_INLINE + k;
}

static void prepare_guest(void)
{
	struct sb_directory *directory;

	guest_memory_init(PAGES);
	directory = guest_memory_page(PAGE_DIRECTORY);
	header()->magic = SB_LINE_MAGIC;
	header()->version = SB_LINE_VERSION;
	header()->kind = SB_LINE_UDP;
	header()->doorbell_gref = GUEST_GREF + PAGE_BELLS;
	header()->directory_gref = GUEST_GREF + PAGE_DIRECTORY;
	header()->table_pages = 1;
	directory->gref[0] = GUEST_GREF + PAGE_TABLE;
	for (unsigned int n = 0; n < CIRCUITS; n++)
		prepare_entry(n);
}

static void attach(void)
{
	const struct ipc_attach order = { .guest = DOMAIN_ID,
					  .identity = "fuzz",
					  .name = "fuzz",
					  .line = LINE_NUMBER,
					  .kind = SB_LINE_UDP,
					  .gref = GUEST_GREF,
					  .port = GUEST_PORT,
					  .circuits_max = CIRCUITS_MAX,
					  .listeners_max = PUBLISHED_MAX,
					  .calls_per_s = 1000,
					  .calls_burst = 20 };
	const char *why = NULL;
	int error = line_attach(&proxy, &order, &why);

	FUZZ_ASSERT(error <= 0);
	FUZZ_ASSERT(!error || why);
}

static struct udp_line *line_now(void)
{
	return (struct udp_line *)(void *)proxy_line_find(&proxy, DOMAIN_ID,
							  LINE_NUMBER);
}

/**
 * struct step - eight bytes of the script
 * @what:  index of @acts, the rest modifies
 * @entry: which entry or circuit
 * @place: where in it
 * @value: what
 */
struct step {
	uint8_t what;
	uint8_t entry;
	uint16_t place;
	uint32_t value;
};

static void ring(unsigned int entry)
{
	struct sb_bells b =
		sb_bells_to_peer(header(), guest_memory_page(PAGE_BELLS));

	sb_bells_ring(&b, entry % SB_ENTRIES_MAX);
	guest_memory.pending = true;
}

static void act_word(const struct step *s)
{
	struct sb_entry *e = entry_at(s->entry);
	uint32_t generation = sb_word_generation(e->owner);

	if (s->place & 1)
		generation = sb_generation_next(generation);
	if ((s->place & 0xff00) == 0xff00)
		generation = s->value >> SB_GENERATION_SHIFT;
	sb_store(&e->owner, sb_word(generation, s->value & 0x7f));
	ring(s->entry % 16);
}

/* A new generation as an honest guest begins one, or nearly */
static void act_offer(const struct step *s)
{
	struct sb_entry *e = entry_at(s->entry);
	uint8_t *base = circuit_at(s->entry);
	struct sb_index_page *page = (struct sb_index_page *)(void *)base;
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
	ring(s->entry % 16);
}

static void act_field(const struct step *s)
{
	struct sb_entry *e = entry_at(s->entry);

	switch (s->place % 6) {
	case 0:
		e->kind = s->value % 5;
		break;
	case 1:
		e->order = s->value % 4;
		break;
	case 2:
		e->listener = s->value & 0x80 ? s->value : s->value % 32;
		break;
	case 3:
		e->gref[s->value % 9] = s->value >> 4;
		break;
	case 4:
		sb_store(&e->options_seq, s->value);
		break;
	default:
		((uint8_t *)&e->options)[s->value % sizeof(e->options)] =
			s->value >> 8;
	}
}

static void act_index(const struct step *s)
{
	uint32_t *line = (uint32_t *)(void *)circuit_at(s->entry);
	uint32_t *index = &line[s->place % 4];

	sb_store(index,
		 s->place & 0x100 ? s->value : *index + s->value % 512 * 64);
	ring(s->entry % 16);
}

/* A record behind those that are there, with one field as the script says */
static void act_record(const struct step *s)
{
	uint8_t *base = circuit_at(s->entry);
	struct sb_index_page *page = (struct sb_index_page *)(void *)base;
	uint32_t size = sb_area_bytes(entry_at(s->entry)->order % 4);
	uint32_t *produced = &page->side[SB_OWNER].produced;
	struct sb_datagram h = { .kind = SB_DATAGRAM_DATA,
				 .bytes = s->place % 1500,
				 .remote = outside_at };

	h.remote.port = s->value & 1 ? outside_at.port : 1;
	if (s->value & 2)
		((uint8_t *)&h)[s->value >> 8 & 63] ^= s->value >> 16;
	if (s->value & 4)
		h.kind = SB_DATAGRAM_JOIN + (s->value >> 3 & 1);
	/* what fits, and is in the memory of this circuit */
	if (size <= 4 * SB_PAGE_BYTES)
		memcpy(base + SB_PAGE_BYTES + (*produced & (size - 64)), &h,
		       sizeof(h));
	sb_store(produced, *produced + sb_datagram_room(s->place % 1500));
	ring(s->entry % 16);
}

static void act_scribble(const struct step *s)
{
	size_t at = (s->place << 4 | s->entry) % (PAGES * SB_PAGE_BYTES);

	guest_memory.byte[at] = s->value;
}

static void act_turns(const struct step *s)
{
	static const uint64_t one = 1;
	uint64_t none;
	int fd = hypervisor_channel_fd(NULL);

	if (guest_memory.pending)
		FUZZ_ASSERT(write(fd, &one, sizeof(one)) == sizeof(one));
	for (unsigned int n = 0; n <= s->value % 4; n++)
		FUZZ_ASSERT(loop_turn(&proxy.service.loop, 0) == 0);
	while (read(fd, &none, sizeof(none)) > 0)
		;
}

/* The operator answers; only the loopback may really be sent to */
static void act_verdict(const struct step *s)
{
	struct ipc_message m = { .type = IPC_ORDER_VERDICT };
	struct udp_line *ul = line_now();

	if (!asked)
		return;
	m.verdict.question = question;
	m.verdict.error = s->value & 1 ? 0 : s->value % 134;
	m.verdict.to = outside_at;
	if (question.kind == IPC_KIND_BIND)
		m.verdict.to.port = 0;
	m.verdict.direct = (s->value & 0xf00) == 0xf00;
	questions_answer(&proxy, &m.verdict);
	if (s->value & 0x1000 && ul)
		questions_withdraw(&ul->line);
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
	address_parse(&outside_at, "127.0.0.1");
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
	struct udp_line *ul = line_now();
	struct step copy = *s;
	uint16_t port = outside_at.port;
	char bytes[64];

	if (ul)
		line_for_each(&ul->line, give, &copy);
	outside_at.port = port;
	while (recv(outside, bytes, sizeof(bytes), MSG_DONTWAIT) >= 0)
		;
}

static void act_line(const struct step *s)
{
	struct udp_line *ul = line_now();

	if (ul && s->value & 1)
		line_detach(&ul->line);
	else
		attach();
}

static void act_header(const struct step *s)
{
	struct sb_directory *directory = guest_memory_page(PAGE_DIRECTORY);

	if (s->place & 1)
		header()->table_pages = s->value;
	else
		directory->gref[s->entry] = s->value;
}

static void (*const acts[])(const struct step *s) = {
	act_turns,   act_offer,	 act_record, act_verdict,  act_turns,
	act_outside, act_index,	 act_word,   act_turns,	   act_field,
	act_line,    act_record, act_header, act_scribble,
};
#define ACTS (sizeof(acts) / sizeof(acts[0]))

/**
 * struct books - what circuits say, to be compared with what their line says
 * @circuits:  active
 * @published: outlets
 * @stuck:     outlets
 * @buffers:   bytes
 */
struct books {
	uint32_t circuits;
	uint32_t published;
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
	books->published += d->outlet->published;
	books->stuck += d->outlet->stuck;
	books->buffers += d->outlet->buffer;
}

static void check_books(void)
{
	const struct udp_line *ul = line_now();
	struct books books = { 0 };

	FUZZ_ASSERT(proxy.lines == (ul ? 1 : 0));
	if (!ul)
		return;
	line_for_each(&ul->line, check_circuit, &books);
	FUZZ_ASSERT(ul->line.circuits == books.circuits);
	FUZZ_ASSERT(ul->line.circuits <= CIRCUITS_MAX);
	FUZZ_ASSERT(ul->published == books.published);
	FUZZ_ASSERT(ul->published <= PUBLISHED_MAX);
	FUZZ_ASSERT(ul->stuck == books.stuck);
	FUZZ_ASSERT(!ul->line.held || loop_timer_running(&proxy.tokens));
	FUZZ_ASSERT(ul->buffers == books.buffers);
	FUZZ_ASSERT(ul->pending <= LIMIT_PENDING_BYTES);
	FUZZ_ASSERT(ul->line.mapped <= CIRCUITS_MAX + LIMIT_LINE_MAPPED_SPARE);
}

static void prepare_outside(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t length = sizeof(at);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	outside = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	FUZZ_ASSERT(bind(outside, (struct sockaddr *)&at, sizeof(at)) == 0);
	FUZZ_ASSERT(getsockname(outside, (struct sockaddr *)&at, &length) == 0);
	address_from_sockaddr(&outside_at, (struct sockaddr *)&at);
}

static int lowest_free_descriptor(void)
{
	int fd = fcntl(outside, F_DUPFD_CLOEXEC, 0);

	close(fd);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t bytes)
{
	struct step s;
	int descriptor, steps = 0;

	if (outside < 0)
		prepare_outside();
	prepare_guest();
	asked = false;
	memset(&proxy, 0, sizeof(proxy));
	descriptor = lowest_free_descriptor();
	proxy.service.epoch = 1;
	proxy.kind = &udp_kind;
	FUZZ_ASSERT(loop_init(&proxy.service.loop) == 0);
	FUZZ_ASSERT(proxy_init(&proxy) == 0);
	attach();
	for (; bytes >= sizeof(s) && steps < STEPS_MAX;
	     input += sizeof(s), bytes -= sizeof(s), steps++) {
		memcpy(&s, input, sizeof(s));
		acts[s.what % ACTS](&s);
		check_books();
	}
	proxy_fini(&proxy);
	loop_fini(&proxy.service.loop);
	FUZZ_ASSERT(!guest_memory.mapped && !guest_memory.bound);
	FUZZ_ASSERT(lowest_free_descriptor() == descriptor);
	return 0;
}
