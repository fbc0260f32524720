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
 * no effect. Each call costs a token of its line.
 */
#include <errno.h>

#include "services/common/address.h"
#include "services/proxy-tcp/tcp.h"

/* EREMCHG: the guest calls again, on the line that goes straight there */
#define GOES_DIRECT EREMCHG

/* Copy and check the call; then it is in @s. Return: 0 or -EPROTO */
static int read_call(struct stream *s)
{
	struct sb_call call;
	int error = circuit_read_call(&s->circuit, &call);

	if (error || call.remote.family == SB_FAMILY_NONE)
		return -EPROTO;
	s->remote = address_unmap(&call.remote);
	if (call.local.family != SB_FAMILY_NONE)
		s->local = address_unmap(&call.local);
	return 0;
}

static void refuse(struct stream *s, uint32_t error)
{
	s->circuit.line->refused++;
	tcp_count(s, TCP_CALLS_REFUSED, 1);
	circuit_end(&s->circuit, error, 0);
}

/* A source without a port is none: nothing of Dom0 would be bound to it */
static struct verdict_key key_of(const struct stream *s)
{
	struct verdict_key key = { .kind = IPC_KIND_STREAM,
				   .remote = s->remote };

	if (s->local.port)
		key.source = s->local;
	return key;
}

static void judge(struct stream *s)
{
	const struct verdict_key key = key_of(s);
	struct verdict_answer answer;

	if (!questions_find(&s->circuit, &key, &answer))
		return;
	if (answer.error)
		refuse(s, answer.error);
	else if (answer.direct)
		circuit_end(&s->circuit, GOES_DIRECT, 0);
	else
		connect_start(s, &answer.to, &answer.from);
}

void call_begin(struct stream *s, uint32_t generation)
{
	struct tcp_line *tl = tcp_line_of(s);
	struct line *l = &tl->line;
	int error;

	l->calls++;
	l->useful = true;
	tcp_count(s, TCP_CALLS, 1);
	stream_begin(s, generation, STREAM_CALLING);
	error = tl->called > l->attach.circuits_max ? -ENOBUFS
						    : circuit_map(&s->circuit);
	if (error) {
		refuse(s, (uint32_t)-error);
		return;
	}
	if (read_call(s)) {
		line_lie(l, "a call that cannot be", s->circuit.entry);
		refuse(s, EINVAL);
		return;
	}
	call_look(s);
}

void call_look(struct stream *s)
{
	if (tokens_pay(&s->circuit) && !verdicts_waits(&s->circuit.question))
		judge(s);
}
