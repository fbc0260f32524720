/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * request - messages on the trunk, of any content, in any order
 *
 * The input is a list of messages. What the operator does with each goes to a
 * proxy that is made up here, which takes orders, is busy or is away, and may
 * report an end. Whatever comes, books stay within limits and agree with
 * what is published, nothing but what the policy allows is ordered, and a
 * refusal names the request.
 */
#include <errno.h>
#include <string.h>

#include "services/operator/introductions.h"
#include "tests/fuzz/fuzz.h"

#define LISTENERS_MAX 2u

static const char configuration[] =
	"{\"guests\":{\"fuzz\":{\"addresses\":[\"10.0.0.2/24\"],"
	"\"connect\":[{\"to\":\"192.0.2.0/24\",\"ports\":\"80-90\"},"
	"{\"to\":\"2001:db8::/32\",\"ports\":80}],"
	"\"publish\":[{\"ports\":\"80-83\",\"address\":\"0.0.0.0\"},"
	"{\"ports\":\"90-91\",\"address\":\"::\",\"port\":9000},"
	"{\"ports\":\"91-92\",\"address\":\"127.0.0.1\",\"port\":9002}],"
	"\"limits\":{\"circuits\":4,\"listeners\":2}}}}";

static struct operator_service op;
static struct guest guest;
static struct line *line;
static struct sb_message request;
static unsigned int answers;

/* What the proxy does with the next order: 0, -EAGAIN or -ENOTCONN */
static int mood;

int proxy_listen(const struct line *l, const struct book_record *record)
{
	const struct sb_address *a = &record->place[0].address;
	const struct sb_address *other = &record->place[1].address;

	(void)l;
	FUZZ_ASSERT(a->family == SB_FAMILY_IPV4
			    ? (a->port >= 80 && a->port <= 83) ||
				      a->port == 9002 || a->port == 9003
			    : a->port >= 9000 && a->port <= 9001);
	FUZZ_ASSERT(other->family == SB_FAMILY_NONE ||
		    (a->port == 9001 && other->port == 9002));
	FUZZ_ASSERT(record->backlog <= UINT16_MAX);
	return mood;
}

int proxy_attach(struct line *l)
{
	(void)l;
	return mood;
}

int proxy_detach(struct proxy *p, uint32_t domain, uint32_t number)
{
	(void)p;
	(void)domain;
	(void)number;
	return mood;
}

bool proxy_may_return(const struct proxy *p)
{
	(void)p;
	return false;
}

void guest_send(struct guest *g, const struct sb_message *m)
{
	(void)g;
	if (m->type == SB_MESSAGE_LINE_ENDED || m->type == SB_MESSAGE_LINE_LOST)
		return;
	FUZZ_ASSERT(m->type == SB_MESSAGE_REFUSED && m->error);
	FUZZ_ASSERT(m->line == request.line && m->entry == request.entry &&
		    m->generation == request.generation);
	answers++;
}

void guest_lied(struct guest *g, const char *what)
{
	FUZZ_ASSERT(what);
	g->lies++;
}

void line_forget(struct line *l, struct book_record *record)
{
	published_remove(&op.published, record);
	book_remove(&l->book, record);
}

void line_forget_all(struct line *l)
{
	struct book_record *r;
	uint32_t from = 0;

	while ((r = book_next(&l->book, from))) {
		from = r->entry + 1;
		line_forget(l, r);
	}
}

void line_made(struct line *l, uint32_t gref, uint32_t port)
{
	l->gref = gref;
	l->port = port;
	if (l->state == LINE_WANTED)
		l->state = LINE_READY;
}

void line_gone(struct line *l)
{
	line_forget_all(l);
	l->state = LINE_NONE;
}

void line_withdraw(struct line *l)
{
	FUZZ_ASSERT(l == line);
}

void service_event(struct service *s, const char *event, const char *guest_name,
		   uint32_t domain, const char *why)
{
	(void)s;
	(void)event;
	(void)guest_name;
	(void)domain;
	(void)why;
}

bool host_has(const struct host *h, const struct sb_address *a)
{
	(void)h;
	return a->bytes[0] == 192 && a->bytes[3] == 1;
}

static void prepare(void)
{
	static struct config *config;
	char error[CONFIG_ERROR_BYTES];

	if (!config)
		config = config_parse("fuzz", configuration,
				      strlen(configuration), error);
	FUZZ_ASSERT(config);
	memset(&op, 0, sizeof(op));
	memset(&guest, 0, sizeof(guest));
	op.config = config;
	guest.op = &op;
	/* so that it may tell of lines that we should know */
	guest.trunk.taken_over = true;
	guest.config = config_find_guest(config, "fuzz");
	line = &guest.line[OPERATOR_TCP_LINE];
	line->guest = &guest;
	line->state = LINE_ATTACHED;
	mood = 0;
	FUZZ_ASSERT(guest.config->limits.listeners == LISTENERS_MAX);
}

static void check_books(void)
{
	uint32_t listeners = 0, from = 0;
	struct book_record *r;

	while ((r = book_next(&line->book, from))) {
		from = r->entry + 1;
		listeners++;
		for (uint32_t i = 0; i < BOOK_PLACES; i++)
			FUZZ_ASSERT(!r->place[i].record ||
				    published_has(&op.published,
						  &r->place[i].address));
		FUZZ_ASSERT(r->place[0].record);
	}
	FUZZ_ASSERT(listeners == line->book.listeners);
	FUZZ_ASSERT(listeners <= LISTENERS_MAX);
}

/* A header of two bytes: the proxy's mood, and how much of what is sane */
static void shape(struct sb_message *m, uint8_t how)
{
	if (how & 1)
		m->line = 0;
	if (how & 2)
		m->entry %= 16;
	if (how & 4)
		m->type = 1 + m->type % 6;
	if (how & 8)
		m->generation = 1 + m->generation % 4;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t bytes)
{
	static const int moods[] = { 0, 0, -EAGAIN, -ENOTCONN };
	struct book_record *r;

	prepare();
	while (bytes >= 2 + sizeof(request)) {
		uint64_t lies = guest.lies;
		unsigned int before = answers;
		int result;

		mood = moods[input[0] % 4];
		memcpy(&request, input + 2, sizeof(request));
		shape(&request, input[1]);
		result = request_handle(&guest, &request);
		FUZZ_ASSERT(result == 0 || result == -EAGAIN);
		FUZZ_ASSERT(answers - before <= 1 && guest.lies - lies <= 1);
		FUZZ_ASSERT(result == 0 || answers == before);
		check_books();
		r = book_find(&line->book, input[0] / 4 % 16);
		if (r && input[1] & 0x10)
			line_forget(line, r);
		input += 2 + sizeof(request);
		bytes -= 2 + sizeof(request);
	}
	line_forget_all(line);
	introductions_leave(&guest);
	FUZZ_ASSERT(!op.introductions && !op.introduction_count);
	return 0;
}
