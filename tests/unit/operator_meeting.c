/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * operator_meeting.c - two guests that are to meet, and one that is not
 */
#include <stdio.h>
#include <string.h>

#include "tests/unit/operator_meeting.h"
#include "tests/unit/unit.h"

static const char configuration[] =
	"{\"guests\":{"
	"\"caller\":{\"addresses\":[\"10.0.0.2/24\"],"
	"\"connect\":[{\"to\":\"10.0.0.3\",\"ports\":[80,90]},"
	"{\"to\":\"fd00::3\",\"ports\":80}]},"
	"\"callee\":{\"addresses\":[\"10.0.0.3/24\",\"fd00::3/64\"],"
	"\"publish\":[{\"ports\":\"80-99\",\"address\":\"127.0.0.1\"}]},"
	"\"apart\":{\"addresses\":[\"10.0.0.4/24\"],\"direct\":false,"
	"\"publish\":[{\"ports\":80,\"address\":\"127.0.0.2\"}]}}}";

struct operator_service op;
struct guest caller, callee, apart;
struct post to_caller, to_callee;
static struct post to_apart;
struct sb_trunk page;
unsigned int withdrawn;

/* ---- what the operator has around it ---- */

static struct post *post_of(const struct guest *g)
{
	return g == &caller   ? &to_caller
	       : g == &callee ? &to_callee
			      : &to_apart;
}

void leave(struct guest *g)
{
	g->trunk.page = NULL;
	introductions_leave(g);
}

void guest_send(struct guest *g, const struct sb_message *m)
{
	struct post *p = post_of(g);

	if (!trunk_attached(&g->trunk))
		return;
	if (p->patience == 0) {
		leave(g);
		return;
	}
	p->patience -= p->patience > 0;
	ck_assert_uint_lt(p->sent, SENT_MAX);
	p->message[p->sent++] = *m;
}

void line_withdraw(struct line *l)
{
	l->missed = false;
	withdrawn++;
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

/* ---- the guests ---- */

static void come(struct guest *g, const char *name, uint32_t domain)
{
	memset(g, 0, sizeof(*g));
	memset(post_of(g), 0, sizeof(struct post));
	post_of(g)->patience = -1;
	g->op = &op;
	g->domain = domain;
	snprintf(g->name, sizeof(g->name), "%s", name);
	g->config = config_find_guest(op.config, name);
	ck_assert_ptr_nonnull(g->config);
	g->trunk.page = &page;
	g->trunk.features = SB_TRUNK_DATAGRAMS;
}

void open_scene(void)
{
	char error[CONFIG_ERROR_BYTES];

	memset(&op, 0, sizeof(op));
	withdrawn = 0;
	op.service.loop.now_ms = 1000000;
	op.config = config_parse("test", configuration, strlen(configuration),
				 error);
	ck_assert_msg(op.config != NULL, "%s", error);
	come(&caller, "caller", 1);
	come(&callee, "callee", 2);
	come(&apart, "apart", 3);
	op.guests = &caller;
	caller.next = &callee;
	callee.next = &apart;
}

void close_scene(void)
{
	leave(&caller);
	leave(&callee);
	leave(&apart);
	ck_assert_ptr_null(op.introductions);
	ck_assert_uint_eq(op.introduction_count, 0);
	config_free(op.config);
}

void later(uint64_t ms)
{
	op.service.loop.now_ms += ms;
	introductions_look(&op);
}

struct introduction_place place(const char *text, uint16_t port)
{
	struct introduction_place p = { .kind = SB_ENTRY_STREAM };

	ck_assert_int_eq(address_parse(&p.to, text), 0);
	p.to.port = port;
	return p;
}

bool wanted(const char *text, uint16_t port)
{
	struct introduction_place p = place(text, port);

	return introduction_wanted(&caller, &p);
}

/* ---- what it is sent ---- */

struct sb_message expect(struct guest *g, enum sb_message_type type)
{
	struct post *p = post_of(g);
	struct sb_message m;

	ck_assert_msg(p->seen < p->sent, "%s hears nothing, not %#x", g->name,
		      type);
	m = p->message[p->seen++];
	ck_assert_msg(m.type == type, "%s hears %#x, not %#x", g->name, m.type,
		      type);
	return m;
}

void nothing_more(struct guest *g)
{
	struct post *p = post_of(g);

	ck_assert_msg(p->seen == p->sent, "%s hears %#x", g->name,
		      p->message[p->seen].type);
}

static void expect_place(const struct sb_address *a, const char *text,
			 uint16_t port)
{
	struct introduction_place p = place(text, port);

	ck_assert(address_equal(a, &p.to));
	ck_assert_uint_eq(a->port, port);
}

void expect_sources(void)
{
	struct sb_message m = expect(&callee, SB_MESSAGE_ADMIT);

	ck_assert_uint_eq(m.local.family, SB_FAMILY_NONE);
	expect_place(&m.remote, "10.0.0.2", 0);
}

void expect_admit(const char *text, uint16_t port)
{
	struct sb_message m = expect(&callee, SB_MESSAGE_ADMIT);

	ck_assert_uint_eq(m.kind, SB_ENTRY_STREAM);
	ck_assert_uint_eq(m.remote.family, SB_FAMILY_NONE);
	ck_assert_uint_eq(m.error, 0);
	expect_place(&m.local, text, port);
}

void expect_route(const char *text, uint16_t port, uint32_t error)
{
	struct sb_message m = expect(&caller, SB_MESSAGE_ROUTE);

	ck_assert_uint_eq(m.error, error);
	expect_place(&m.remote, text, port);
}

/* ---- what they say ---- */

static struct sb_message ready(uint32_t gref)
{
	return (struct sb_message){ .type = SB_MESSAGE_LINE_READY,
				    .kind = SB_LINE_DIRECT,
				    .line = OPERATOR_DIRECT_LINES,
				    .domain = callee.domain,
				    .gref = gref,
				    .port = 7 };
}

struct sb_message taken(uint32_t gref, uint32_t error)
{
	return (struct sb_message){ .type = SB_MESSAGE_LINE_TAKEN,
				    .kind = SB_LINE_DIRECT,
				    .line = OPERATOR_DIRECT_LINES,
				    .domain = caller.domain,
				    .gref = gref,
				    .port = 7,
				    .error = error };
}

bool say_ready(uint32_t gref)
{
	struct sb_message m = ready(gref);

	return introduction_line_ready(&caller, &m);
}

bool say_taken(uint32_t error)
{
	struct sb_message m = taken(5, error);

	return introduction_line_taken(&callee, &m);
}

bool say_gone(struct guest *g)
{
	struct sb_message m = { .type = SB_MESSAGE_LINE_GONE,
				.line = OPERATOR_DIRECT_LINES };

	return introduction_line_gone(g, &m);
}

bool say_admitted(const char *text, uint16_t port, uint32_t error)
{
	struct sb_message m = { .type = SB_MESSAGE_ADMITTED,
				.line = OPERATOR_DIRECT_LINES,
				.kind = SB_ENTRY_STREAM,
				.error = error };

	m.local = place(text, port).to;
	return introduction_admitted(&callee, &m);
}

void go_to(enum step step)
{
	ck_assert(wanted("10.0.0.3", 80));
	if (step >= STEP_OFFERED)
		say_ready(5);
	if (step >= STEP_UP)
		say_taken(0);
	if (step >= STEP_ROUTED)
		say_admitted("10.0.0.3", 80, 0);
}

void all_seen(void)
{
	to_caller.seen = to_caller.sent;
	to_callee.seen = to_callee.sent;
}
