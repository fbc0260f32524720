// SPDX-License-Identifier: GPL-2.0-only
/*
 * call.c - what the guest calls, and what the operator says to it
 *
 * The guest writes into a circuit's index page where it wants to be connected,
 * offers the circuit and rings; nobody else takes part when the operator's
 * verdict about that destination is known (services/common/verdicts.h).
 * Otherwise the operator is asked, once, and the circuit waits.
 *
 * The call is copied once and checked; the guest may change the page then, to
 * no effect. Each call costs a token of its line, and waits for one in order,
 * so a guest cannot flood the operator with questions, nor the network with
 * connections.
 */
#include <errno.h>
#include <string.h>

#include "services/common/address.h"
#include "services/proxy-tcp/circuit.h"

/* EREMCHG: the guest calls again, on the line that goes straight there */
#define GOES_DIRECT EREMCHG

static void copy_call(struct sb_call *to, const struct circuit *c)
{
	const struct sb_index_page *page = (const void *)c->base;
	const uint32_t *from = (const uint32_t *)(const void *)&page->call;
	uint32_t word[sizeof(*to) / sizeof(uint32_t)];

	for (size_t i = 0; i < sizeof(word) / sizeof(word[0]); i++)
		word[i] = sb_load(&from[i]);
	memcpy(to, word, sizeof(*to));
}

/* What is wrong with the call, or NULL; then it is in @c */
static const char *read_call(struct circuit *c)
{
	struct sb_call call;

	copy_call(&call, c);
	if (call.generation != c->generation)
		return "a call of another generation";
	if (!address_valid(&call.remote))
		return "a call to an address of no family";
	if (call.local.family != SB_FAMILY_NONE && !address_valid(&call.local))
		return "a call from an address of no family";
	c->remote = address_unmap(&call.remote);
	if (call.local.family != SB_FAMILY_NONE)
		c->local = address_unmap(&call.local);
	return NULL;
}

static void refuse(struct circuit *c, uint32_t error)
{
	c->line->refused++;
	c->line->proxy->count[PROXY_CALLS_REFUSED]++;
	circuit_end(c, error, 0);
}

/* A source without a port is none: nothing of Dom0 would be bound to it */
static struct verdict_key key_of(const struct circuit *c)
{
	struct verdict_key key = { .kind = IPC_KIND_STREAM,
				   .remote = c->remote };

	if (c->local.port)
		key.source = c->local;
	return key;
}

static void judge(struct circuit *c)
{
	struct line *l = c->line;
	const struct verdict_key key = key_of(c);
	uint64_t now_ms = loop_now(&l->proxy->service.loop);
	struct verdict_answer answer;

	if (!verdicts_find(&l->verdicts, &key, now_ms, &answer)) {
		verdicts_wait(&l->verdicts, &key, now_ms, &c->question);
		proxy_expect_answers(l->proxy);
	} else if (answer.error) {
		refuse(c, answer.error);
	} else if (answer.direct) {
		circuit_end(c, GOES_DIRECT, 0);
	} else {
		connect_start(c, &answer.to, &answer.from);
	}
}

static void hold(struct circuit *c)
{
	struct line *l = c->line;

	c->next = NULL;
	c->back = l->held_end;
	*l->held_end = c;
	l->held_end = &c->next;
	l->proxy->count[PROXY_CALLS_HELD]++;
	proxy_hold_calls(l->proxy);
}

static void release(struct circuit *c)
{
	*c->back = c->next;
	if (c->next)
		c->next->back = c->back;
	else
		c->line->held_end = c->back;
	c->back = NULL;
}

static bool has_token(struct line *l)
{
	return bucket_has(&l->tokens, loop_now(&l->proxy->service.loop));
}

/* Whoever waits was here before */
static void pay(struct circuit *c)
{
	struct line *l = c->line;

	if (l->held || !has_token(l)) {
		hold(c);
		return;
	}
	bucket_take(&l->tokens);
	judge(c);
}

void call_begin(struct circuit *c, uint32_t generation)
{
	struct line *l = c->line;
	const char *wrong;
	int error;

	l->calls++;
	l->proxy->count[PROXY_CALLS]++;
	l->useful = true;
	circuit_begin(c, generation, CIRCUIT_CALLING);
	c->back = NULL;
	error = l->called > l->attach.circuits_max ? -ENOBUFS : circuit_map(c);
	if (error) {
		refuse(c, (uint32_t)-error);
		return;
	}
	wrong = read_call(c);
	if (wrong) {
		line_lie(l, wrong, c->entry);
		refuse(c, EINVAL);
		return;
	}
	pay(c);
}

void call_look(struct circuit *c)
{
	if (!c->back && !verdicts_waits(&c->question))
		judge(c);
}

void call_forget(struct circuit *c)
{
	verdicts_leave(&c->question);
	if (c->back)
		release(c);
}

void call_release_held(struct line *l)
{
	while (l->held && has_token(l)) {
		struct circuit *c = l->held;

		bucket_take(&l->tokens);
		release(c);
		line_look_at(l, c->entry);
	}
}
