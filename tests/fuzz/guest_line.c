/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * guest_line.c - a guest that does what it likes with its line to a proxy
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "services/common/address.h"
#include "services/common/limits.h"
#include "tests/fuzz/guest_line.h"

#define DOMAIN_ID 5u
#define LINE_NUMBER 1u
#define STEPS_MAX 200

struct guest_line guest_line;

static const struct guest_script *script;
static struct proxy *const proxy = &guest_line.proxy;
static struct ipc_message draft;

/* endpoint.c without an operator: questions are kept, the rest is heard */
struct ipc_message *endpoint_draft(enum ipc_type type)
{
	memset(&draft, 0, sizeof(draft));
	draft.type = type;
	return &draft;
}

static int take_question(const struct ipc_question *question)
{
	FUZZ_ASSERT(question->kind >= IPC_KIND_STREAM &&
		    question->kind <= IPC_KIND_BIND);
	FUZZ_ASSERT(address_valid(&question->remote));
	guest_line.question = *question;
	guest_line.asked = true;
	return question->remote.port % 16 == 15 ? -EAGAIN : 0;
}

static int take_ended(const struct ipc_ended *ended)
{
	FUZZ_ASSERT(ended->count && ended->count <= IPC_CIRCUITS_MAX);
	for (uint32_t n = 0; n < ended->count; n++)
		FUZZ_ASSERT(
			ended->circuit[n].generation &&
			line_circuit(guest_line_now(), ended->circuit[n].entry)
				->kept);
	return ended->circuit[0].generation % 16 == 15 ? -EAGAIN : 0;
}

int endpoint_send(struct endpoint *e, const struct ipc_message *m)
{
	(void)e;
	if (m->type == IPC_REPORT_ASKED)
		return take_question(&m->question);
	if (m->type == IPC_REPORT_ENDED)
		return take_ended(&m->ended);
	return 0;
}

/* orders.c without the operator's pair */
void orders_report(struct proxy *p, const struct ipc_message *m)
{
	endpoint_send(&p->operator, m);
}

void orders_report_counts(struct line *l)
{
	FUZZ_ASSERT(l->circuits >= l->standby);
}

static struct sb_line *header(void)
{
	return guest_memory_page(PAGE_HEADER);
}

struct sb_entry *guest_line_entry(unsigned int entry)
{
	struct sb_table *table = guest_memory_page(
		PAGE_TABLE + entry / SB_ENTRIES_PER_PAGE % script->table_pages);

	return &table->entry[entry % SB_ENTRIES_PER_PAGE];
}

struct sb_index_page *guest_line_circuit(unsigned int entry)
{
	return guest_memory_page(PAGE_CIRCUIT +
				 entry % CIRCUITS * SB_CIRCUIT_PAGES_INLINE);
}

static void prepare_entry(unsigned int n)
{
	struct sb_entry *e = guest_line_entry(n);

	e->owner = sb_word(1, SB_OWNER_READY);
	e->order = script->order[n % 2];
	e->kind = script->entry_kind;
	e->listener = SB_ENTRY_NONE;
	e->gref_list = GUEST_GREF + PAGE_LIST;
	for (unsigned int k = 0; k < SB_CIRCUIT_PAGES_INLINE; k++)
		e->gref[k] = GUEST_GREF + PAGE_CIRCUIT +
			     n * SB_CIRCUIT_PAGES_INLINE + k;
}

/* A line as an honest guest makes it, circuits ready */
static void prepare_guest(void)
{
	struct sb_directory *directory;
	uint32_t *list;

	guest_memory_init(PAGES);
	directory = guest_memory_page(PAGE_DIRECTORY);
	list = guest_memory_page(PAGE_LIST);
	header()->magic = SB_LINE_MAGIC;
	header()->version = SB_LINE_VERSION;
	header()->kind = script->kind->line_kind;
	header()->doorbell_gref = GUEST_GREF + PAGE_BELLS;
	header()->directory_gref = GUEST_GREF + PAGE_DIRECTORY;
	header()->table_pages = script->table_pages;
	for (unsigned int n = 0; n < script->table_pages; n++)
		directory->gref[n] = GUEST_GREF + PAGE_TABLE + n;
	for (unsigned int n = 0; n < SB_CIRCUIT_PAGES(SB_ORDER_MAX); n++)
		list[n] = GUEST_GREF + PAGE_CIRCUIT +
			  n % (CIRCUITS * SB_CIRCUIT_PAGES_INLINE);
	for (unsigned int n = 0; n < CIRCUITS; n++)
		prepare_entry(n);
}

static void attach(void)
{
	const struct ipc_attach order = { .guest = DOMAIN_ID,
					  .identity = "fuzz",
					  .name = "fuzz",
					  .line = LINE_NUMBER,
					  .kind = script->kind->line_kind,
					  .gref = GUEST_GREF,
					  .port = GUEST_PORT,
					  .circuits_max = CIRCUITS_MAX,
					  .listeners_max = LISTENERS_MAX,
					  .calls_per_s = 1000,
					  .calls_burst = script->calls_burst };
	const char *why = NULL;
	int error = line_attach(proxy, &order, &why);

	FUZZ_ASSERT(error <= 0);
	FUZZ_ASSERT(!error || why);
}

struct line *guest_line_now(void)
{
	return proxy_line_find(proxy, DOMAIN_ID, LINE_NUMBER);
}

void guest_line_ring(unsigned int entry)
{
	struct sb_bells b =
		sb_bells_to_peer(header(), guest_memory_page(PAGE_BELLS));

	sb_bells_ring(&b, entry % SB_ENTRIES_MAX);
	guest_memory.pending = true;
}

void act_word(const struct step *s)
{
	struct sb_entry *e = guest_line_entry(s->entry);
	uint32_t generation = sb_word_generation(e->owner);

	if (s->place & 1)
		generation = sb_generation_next(generation);
	if ((s->place & 0xff00) == 0xff00)
		generation = s->value >> SB_GENERATION_SHIFT;
	sb_store(&e->owner, sb_word(generation, s->value & 0x7f));
}

void act_field(const struct step *s)
{
	struct sb_entry *e = guest_line_entry(s->entry);

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

void guest_line_index(const struct step *s, uint32_t further)
{
	uint32_t *line = (uint32_t *)(void *)guest_line_circuit(s->entry);
	uint32_t *index = &line[s->place % 4];

	sb_store(index, s->place & 0x100 ? s->value : *index + further);
}

void act_scribble(const struct step *s)
{
	size_t at = (s->place << 4 | s->entry) % (PAGES * SB_PAGE_BYTES);

	guest_memory.byte[at] = s->value;
}

void act_header(const struct step *s)
{
	struct sb_directory *directory = guest_memory_page(PAGE_DIRECTORY);

	if (s->place & 1)
		header()->table_pages = s->value;
	else
		directory->gref[s->entry] = s->value;
}

void act_line(const struct step *s)
{
	struct line *l = guest_line_now();

	if (l && s->value & 1)
		line_detach(l);
	else
		attach();
}

void act_turns(const struct step *s)
{
	static const uint64_t one = 1;
	uint64_t none;
	int fd = hypervisor_channel_fd(NULL);

	if (guest_memory.pending)
		FUZZ_ASSERT(write(fd, &one, sizeof(one)) == sizeof(one));
	for (unsigned int n = 0; n <= s->value % 4; n++)
		FUZZ_ASSERT(loop_turn(&proxy->service.loop, 0) == 0);
	while (read(fd, &none, sizeof(none)) > 0)
		;
}

void guest_line_answer(struct ipc_verdict *verdict)
{
	verdict->question = guest_line.question;
	verdict->question.guest = DOMAIN_ID;
	verdict->question.line = LINE_NUMBER;
	questions_answer(proxy, verdict);
}

int guest_line_socket(int type, struct sb_address *at)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t length = sizeof(in);
	int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	FUZZ_ASSERT(bind(fd, (struct sockaddr *)&in, sizeof(in)) == 0);
	FUZZ_ASSERT(getsockname(fd, (struct sockaddr *)&in, &length) == 0);
	address_from_sockaddr(at, (struct sockaddr *)&in);
	return fd;
}

static void check_books(void)
{
	const struct line *l = guest_line_now();

	FUZZ_ASSERT(proxy->lines == (l ? 1 : 0));
	if (!l)
		return;
	FUZZ_ASSERT(l->verdicts.questions <= LIMIT_LINE_QUESTIONS);
	FUZZ_ASSERT(l->mapped <= line_mapped_max(l) + LIMIT_LINE_MAPPED_SPARE);
	FUZZ_ASSERT(!l->held || loop_timer_running(&proxy->tokens));
	script->check(l);
}

static int lowest_free_descriptor(void)
{
	int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);

	close(fd);
	return fd;
}

int guest_line_play(const struct guest_script *play, const uint8_t *input,
		    size_t bytes)
{
	struct step s;
	int descriptor, steps = 0;

	script = play;
	script->begin();
	prepare_guest();
	memset(&guest_line, 0, sizeof(guest_line));
	descriptor = lowest_free_descriptor();
	proxy->service.epoch = 1;
	proxy->kind = script->kind;
	FUZZ_ASSERT(loop_init(&proxy->service.loop) == 0);
	FUZZ_ASSERT(proxy_init(proxy) == 0);
	attach();
	for (; bytes >= sizeof(s) && steps < STEPS_MAX;
	     input += sizeof(s), bytes -= sizeof(s), steps++) {
		memcpy(&s, input, sizeof(s));
		script->act[s.what % script->acts](&s);
		check_books();
	}
	proxy_fini(proxy);
	loop_fini(&proxy->service.loop);
	script->end();
	FUZZ_ASSERT(!guest_memory.mapped && !guest_memory.bound);
	FUZZ_ASSERT(lowest_free_descriptor() == descriptor);
	return 0;
}
