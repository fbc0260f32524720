/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * line - a guest that does what it likes with its line to proxy-tcp
 *
 * The input is a script: the guest stores into header, bells, directory,
 * entries and rings; the operator orders; the network's end connects, sends,
 * closes; the proxy takes turns. Sockets are real, on the loopback. After
 * each turn the books must agree; at the end nothing may be left mapped,
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
#include "services/proxy-tcp/circuit.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/guest_memory.h"

/* Pages of the guest: header, bells, directory, two of the table, a list of
 * grants, then the pages of eight circuits
 */
#define PAGE_HEADER 0u
#define PAGE_BELLS 1u
#define PAGE_DIRECTORY 2u
#define PAGE_TABLE 3u
#define PAGE_LIST 5u
#define PAGE_CIRCUIT 6u
#define CIRCUITS 8u
#define PAGES (PAGE_CIRCUIT + CIRCUITS * SB_CIRCUIT_PAGES_INLINE)

#define DOMAIN_ID 5u
#define CIRCUITS_MAX 6u
#define LISTENERS_MAX 2u
#define SOCKETS_MAX 8
#define STEPS_MAX 200

static struct proxy proxy;
static int server = -1;
static uint16_t server_port;
static int outside[SOCKETS_MAX];
static int outsides;

/* orders.c without an operator: it always takes the report */
bool orders_report_ended(struct proxy *p, struct line *l)
{
	(void)p;
	for (; l->ended; l->ended = l->ended->next_ended) {
		FUZZ_ASSERT(l->ended->told_ended);
		l->ended->told_ended = false;
	}
	return true;
}

/* What was asked last */
static struct ipc_verdict asked;

bool orders_ask(const struct line *l, const struct verdict_key *key)
{
	(void)l;
	FUZZ_ASSERT(key->kind == IPC_KIND_STREAM);
	FUZZ_ASSERT(address_valid(&key->remote));
	asked.question.kind = key->kind;
	asked.question.remote = key->remote;
	asked.question.source = key->source;
	return true;
}

void orders_report_counts(struct line *l)
{
	FUZZ_ASSERT(l->circuits >= l->listeners + l->posted);
}

static struct sb_line *header(void)
{
	return guest_memory_page(PAGE_HEADER);
}

static struct sb_entry *entry_at(unsigned int entry)
{
	struct sb_table *table = guest_memory_page(PAGE_TABLE + entry / 16 % 2);

	return &table->entry[entry % 16];
}

/* A line as an honest guest makes it: eight circuits ready, a table of two */
static void prepare_guest(void)
{
	struct sb_directory *directory;
	uint32_t *list;

	guest_memory_init(PAGES);
	directory = guest_memory_page(PAGE_DIRECTORY);
	list = guest_memory_page(PAGE_LIST);
	header()->magic = SB_LINE_MAGIC;
	header()->version = SB_LINE_VERSION;
	header()->kind = SB_LINE_TCP;
	header()->doorbell_gref = GUEST_GREF + PAGE_BELLS;
	header()->directory_gref = GUEST_GREF + PAGE_DIRECTORY;
	header()->table_pages = 2;
	directory->gref[0] = GUEST_GREF + PAGE_TABLE;
	directory->gref[1] = GUEST_GREF + PAGE_TABLE + 1;
	for (unsigned int n = 0; n < SB_CIRCUIT_PAGES(SB_ORDER_MAX); n++)
		list[n] = GUEST_GREF + PAGE_CIRCUIT +
			  n % (CIRCUITS * SB_CIRCUIT_PAGES_INLINE);
	for (unsigned int n = 0; n < CIRCUITS; n++) {
		struct sb_entry *e = entry_at(n);

		e->owner = sb_word(1, SB_OWNER_READY);
		e->order = SB_ORDER_DEFAULT;
		e->kind = SB_ENTRY_STREAM;
		e->listener = SB_ENTRY_NONE;
		e->gref_list = GUEST_GREF + PAGE_LIST;
		for (unsigned int k = 0; k < SB_CIRCUIT_PAGES_INLINE; k++)
			e->gref[k] = GUEST_GREF + PAGE_CIRCUIT +
				     n * SB_CIRCUIT_PAGES_INLINE + k;
	}
}

static void attach(void)
{
	const struct ipc_attach order = { .guest = DOMAIN_ID,
					  .identity = "fuzz",
					  .name = "fuzz",
					  .kind = SB_LINE_TCP,
					  .gref = GUEST_GREF,
					  .port = GUEST_PORT,
					  .circuits_max = CIRCUITS_MAX,
					  .listeners_max = LISTENERS_MAX,
					  .calls_per_s = 1000,
					  .calls_burst = 1000 };
	const char *why = NULL;
	int error = line_attach(&proxy, &order, &why);

	FUZZ_ASSERT(error <= 0);
	FUZZ_ASSERT(!error || why);
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

/* The guest's word: a state of now, or of the next or another generation */
static void act_word(const struct step *s)
{
	struct sb_entry *e = entry_at(s->entry);
	uint32_t generation = sb_word_generation(e->owner);

	if (s->place & 1)
		generation = sb_generation_next(generation);
	if ((s->place & 0xff00) == 0xff00)
		generation = s->value >> SB_GENERATION_SHIFT;
	sb_store(&e->owner, sb_word(generation, s->value & 0x7f));
}

static void act_field(const struct step *s)
{
	struct sb_entry *e = entry_at(s->entry);

	switch (s->place % 8) {
	case 0:
		e->kind = s->value % 5;
		break;
	case 1:
		e->order = s->value % 12;
		break;
	case 2:
		e->listener = s->value & 0x80 ? s->value : s->value % 32;
		break;
	case 3:
		e->gref[s->value % 9] = s->value >> 4;
		break;
	case 4:
		e->gref_list = s->value % 2 ? s->value : GUEST_GREF + PAGE_LIST;
		break;
	case 5:
		sb_store(&e->options_seq, s->value);
		break;
	case 6:
		sb_store(&e->info_seq, s->value);
		break;
	default:
		((uint8_t *)&e->options)[s->value % sizeof(e->options)] =
			s->value >> 8;
	}
}

/* The guest's ring indexes of a circuit: a little further, or anywhere */
static void act_index(const struct step *s)
{
	uint32_t *line = guest_memory_page(
		PAGE_CIRCUIT + s->entry % CIRCUITS * SB_CIRCUIT_PAGES_INLINE);
	uint32_t *index = &line[s->place % 4];

	sb_store(index,
		 s->place & 0x100 ? s->value : *index + s->value % 20000);
}

static void act_scribble(const struct step *s)
{
	size_t at = (s->place << 4 | s->entry) % (PAGES * SB_PAGE_BYTES);

	guest_memory.byte[at] = s->value;
}

static void act_bell(const struct step *s)
{
	struct sb_bells b =
		sb_bells_to_peer(header(), guest_memory_page(PAGE_BELLS));

	if (s->place & 1)
		sb_bells_ring(&b, s->value % SB_ENTRIES_MAX);
	else
		sb_bells_ring(&b, s->entry % 32);
	guest_memory.pending = true;
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

/* A circuit's call: to the server, to nobody, or to what the input says */
static void act_call(const struct step *s)
{
	struct sb_index_page *page = guest_memory_page(
		PAGE_CIRCUIT + s->entry % CIRCUITS * SB_CIRCUIT_PAGES_INLINE);
	struct sb_call *call = &page->call;

	call->generation =
		s->place & 1 ? s->place >> 1
			     : sb_word_generation(entry_at(s->entry)->owner);
	address_parse(&call->remote, "127.0.0.1");
	call->remote.port = s->value & 1 ? 1 : server_port;
	memset(&call->local, 0, sizeof(call->local));
	if (s->value & 0x100)
		call->remote.family = s->value >> 16;
	if (s->value & 0x200)
		call->local = call->remote;
	if (s->value & 0x400)
		call->remote.bytes[s->value >> 16 & 15] = s->value >> 24;
}

/* The operator answers, or forgets; only this machine is ever called */
static void act_verdict(const struct step *s)
{
	struct line *l = proxy_line_find(&proxy, DOMAIN_ID, 0);

	if (!l)
		return;
	if (s->place & 1) {
		verdicts_withdraw(&l->verdicts);
		return;
	}
	asked.error = s->value & 0x10 ? 13 : 0;
	asked.direct = s->value & 0x20;
	address_parse(&asked.to, "127.0.0.1");
	asked.to.port = s->value & 1 ? 1 : server_port;
	verdicts_answer(&l->verdicts, &asked, 0);
}

static void act_listen(const struct step *s)
{
	struct line *l = proxy_line_find(&proxy, DOMAIN_ID, 0);
	struct ipc_listen order = { .guest = DOMAIN_ID,
				    .entry = s->entry % 32,
				    .backlog = 4 };

	if (!l)
		return;
	order.generation = sb_word_generation(entry_at(order.entry)->owner);
	address_parse(&order.local, "127.0.0.1");
	if (order.generation)
		listen_order(l, &order);
}

/* Connect from outside to what an entry says that it listens on */
static void act_visit(const struct step *s)
{
	const struct sb_entry *e = entry_at(s->entry % 32);
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(e->local.port) };
	int fd;

	if (sb_word_state(e->peer) != SB_PEER_OPEN || outsides == SOCKETS_MAX)
		return;
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	FUZZ_ASSERT(fd >= 0);
	(void)connect(fd, (struct sockaddr *)&to, sizeof(to));
	outside[outsides++] = fd;
}

/* The other end of what the proxy connected */
static void act_outside(const struct step *s)
{
	static char bytes[32768];
	const struct linger reset = { 1, 0 };
	int fd;

	if (outsides < SOCKETS_MAX) {
		fd = accept4(server, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0)
			outside[outsides++] = fd;
	}
	if (!outsides)
		return;
	fd = outside[s->entry % outsides];
	switch (s->place % 5) {
	case 0:
		send(fd, bytes, s->value % sizeof(bytes), MSG_NOSIGNAL);
		break;
	case 1:
		recv(fd, bytes, s->value % sizeof(bytes), 0);
		break;
	case 2:
		shutdown(fd, s->value & 1 ? SHUT_WR : SHUT_RD);
		break;
	default:
		if (s->value & 1)
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset,
				   sizeof(reset));
		close(fd);
		outside[s->entry % outsides] = outside[outsides - 1];
		outsides--;
	}
}

static void act_line(const struct step *s)
{
	struct line *l = proxy_line_find(&proxy, DOMAIN_ID, 0);

	if (l && s->value & 1)
		line_detach(l);
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
	act_turns, act_word,   act_bell,   act_index,	 act_call,
	act_turns, act_listen, act_field,  act_visit,	 act_outside,
	act_turns, act_line,   act_header, act_scribble, act_verdict,
};
#define ACTS (sizeof(acts) / sizeof(acts[0]))

/* The kernel was never given an address outside of what is mapped */
static void check_circuit(struct circuit *c, void *argument)
{
	(void)argument;
	FUZZ_ASSERT(c->error != EFAULT);
	FUZZ_ASSERT(c->phase == CIRCUIT_IDLE || c->generation);
	FUZZ_ASSERT(c->phase <= CIRCUIT_CALLING ||
		    c->phase == CIRCUIT_LISTENING || c->pages);
}

static void check_books(void)
{
	const struct line *l = proxy_line_find(&proxy, DOMAIN_ID, 0);

	FUZZ_ASSERT(proxy.lines == (l ? 1 : 0));
	if (!l)
		return;
	FUZZ_ASSERT(l->circuits <= 32 && l->listeners <= LISTENERS_MAX);
	FUZZ_ASSERT(l->called + l->listeners + l->posted <= l->circuits);
	FUZZ_ASSERT(l->called <= CIRCUITS_MAX);
	FUZZ_ASSERT(l->verdicts.questions <= LIMIT_LINE_QUESTIONS);
	FUZZ_ASSERT(l->mapped <= 2 * CIRCUITS_MAX + LIMIT_LINE_MAPPED_SPARE);
	line_for_each(l, check_circuit, NULL);
}

static void prepare_server(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t length = sizeof(at);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	FUZZ_ASSERT(bind(server, (struct sockaddr *)&at, sizeof(at)) == 0);
	FUZZ_ASSERT(listen(server, 64) == 0);
	FUZZ_ASSERT(getsockname(server, (struct sockaddr *)&at, &length) == 0);
	server_port = ntohs(at.sin_port);
}

/* Nobody's connection may be met by the next input */
static void close_outside(void)
{
	int fd;

	while (outsides)
		close(outside[--outsides]);
	while ((fd = accept4(server, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		close(fd);
}

static int lowest_free_descriptor(void)
{
	int fd = fcntl(server, F_DUPFD_CLOEXEC, 0);

	close(fd);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t bytes)
{
	struct step s;
	int descriptor, steps = 0;

	if (server < 0)
		prepare_server();
	prepare_guest();
	memset(&proxy, 0, sizeof(proxy));
	memset(&asked, 0, sizeof(asked));
	descriptor = lowest_free_descriptor();
	proxy.service.epoch = 1;
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
	close_outside();
	FUZZ_ASSERT(!guest_memory.mapped && !guest_memory.bound);
	FUZZ_ASSERT(lowest_free_descriptor() == descriptor);
	return 0;
}
