/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * line - a guest that does what it likes with its line to proxy-tcp
 *
 * See guest_line.h. Here the operator answers calls and orders to listen; the
 * network's end connects, sends, closes.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "services/common/address.h"
#include "services/proxy-tcp/tcp.h"
#include "tests/fuzz/guest_line.h"

#define SOCKETS_MAX 8

static int server = -1;
static struct sb_address server_at;
static int outside[SOCKETS_MAX];
static int outsides;

static void act_bell(const struct step *s)
{
	guest_line_ring(s->place & 1 ? s->value : s->entry % 32);
}

static void act_index(const struct step *s)
{
	guest_line_index(s, s->value % 20000);
}

/* A circuit's call: to the server, to nobody, or to what the input says */
static void act_call(const struct step *s)
{
	struct sb_call *call = &guest_line_circuit(s->entry)->call;
	uint32_t owner = guest_line_entry(s->entry)->owner;

	call->generation =
		s->place & 1 ? s->place >> 1 : sb_word_generation(owner);
	call->remote = server_at;
	if (s->value & 1)
		call->remote.port = 1;
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
	struct ipc_verdict verdict = { .error = s->value & 0x10 ? 13 : 0,
				       .direct = s->value & 0x20,
				       .to = server_at };
	struct line *l = guest_line_now();

	if (!l)
		return;
	if (s->value & 1)
		verdict.to.port = 1;
	if (s->place & 1)
		questions_withdraw(l);
	else
		guest_line_answer(&verdict);
}

static void act_listen(const struct step *s)
{
	struct ipc_message m = { .type = IPC_ORDER_LISTEN };
	struct line *l = guest_line_now();

	if (!l)
		return;
	m.listen.guest = l->attach.guest;
	m.listen.line = l->attach.line;
	m.listen.entry = s->entry % 32;
	m.listen.backlog = 4;
	m.listen.generation =
		sb_word_generation(guest_line_entry(m.listen.entry)->owner);
	address_parse(&m.listen.local, "127.0.0.1");
	if (m.listen.generation)
		tcp_kind.order(&guest_line.proxy, &m);
}

/* Connect from outside to what an entry says that it listens on */
static void act_visit(const struct step *s)
{
	const struct sb_entry *e = guest_line_entry(s->entry % 32);
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

/* One circuit instead of another, in a generation that is true or not */
static void act_replace(const struct step *s)
{
	struct sb_entry *e = guest_line_entry(s->entry);
	unsigned int old = s->place % 32;

	e->listener = old;
	e->replaces =
		s->value ? s->value % 4
			 : sb_word_generation(guest_line_entry(old)->owner);
}

static void (*const acts[])(const struct step *s) = {
	act_turns,  act_word,	  act_bell,    act_index,
	act_call,   act_turns,	  act_listen,  act_field,
	act_visit,  act_outside,  act_turns,   act_line,
	act_header, act_scribble, act_verdict, act_replace,
};

/* The kernel was never given an address outside of what is mapped */
static void check_circuit(struct circuit *c, void *argument)
{
	const struct stream *s = stream_of(c);

	(void)argument;
	FUZZ_ASSERT(s->error != EFAULT);
	FUZZ_ASSERT(c->active == (s->phase != STREAM_IDLE));
	FUZZ_ASSERT(!c->active || c->generation);
	FUZZ_ASSERT(!s->old || (s->phase == STREAM_OPEN && s->old->heir == s));
	FUZZ_ASSERT((s->phase == STREAM_REPLACED) ==
		    (s->heir && s->heir->old == s));
	FUZZ_ASSERT(s->phase <= STREAM_CALLING ||
		    s->phase == STREAM_LISTENING || c->pages);
}

static void check(const struct line *l)
{
	const struct tcp_line *tl = (const struct tcp_line *)(const void *)l;

	FUZZ_ASSERT(l->circuits <= 32 && tl->listeners <= LISTENERS_MAX);
	FUZZ_ASSERT(tl->called + l->standby <= l->circuits);
	FUZZ_ASSERT(l->standby == tl->listeners + tl->posted);
	FUZZ_ASSERT(tl->called <= CIRCUITS_MAX);
	FUZZ_ASSERT(!tl->ended == !l->report_due);
	line_for_each(l, check_circuit, NULL);
}

static void begin(void)
{
	if (server >= 0)
		return;
	server = guest_line_socket(SOCK_STREAM, &server_at);
	FUZZ_ASSERT(listen(server, 64) == 0);
}

static void close_outside(void)
{
	int fd;

	while (outsides)
		close(outside[--outsides]);
	while ((fd = accept4(server, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t bytes)
{
	static const struct guest_script script = {
		.kind = &tcp_kind,
		.entry_kind = SB_ENTRY_STREAM,
		.table_pages = 2,
		.order = { SB_ORDER_DEFAULT, SB_ORDER_DEFAULT },
		.calls_burst = 1000,
		.act = acts,
		.acts = sizeof(acts) / sizeof(acts[0]),
		.check = check,
		.begin = begin,
		.end = close_outside,
	};

	return guest_line_play(&script, input, bytes);
}
