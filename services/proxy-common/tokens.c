// SPDX-License-Identifier: GPL-2.0-only
/*
 * tokens.c - what a guest calls costs tokens of its line
 *
 * They come at the rate that the operator ordered. Who finds none waits for
 * one in order: so a guest cannot flood the operator with questions, nor the
 * network with connections, and none of its programs is passed over.
 */
#include "services/common/limits.h"
#include "services/proxy-common/circuit.h"

static bool has_token(struct line *l)
{
	return bucket_has(&l->tokens, loop_now(&l->proxy->service.loop));
}

static void look_after(struct proxy *p)
{
	if (!loop_timer_running(&p->tokens))
		loop_timer_start(&p->service.loop, &p->tokens, LIMIT_CALLS_MS);
}

static void hold(struct circuit *c)
{
	struct line *l = c->line;

	c->held_next = NULL;
	c->held_back = l->held_end;
	*l->held_end = c;
	l->held_end = &c->held_next;
	l->proxy->count[PROXY_HELD]++;
	look_after(l->proxy);
}

static void take(struct circuit *c)
{
	bucket_take(&c->line->tokens);
	c->paid = true;
}

bool tokens_pay(struct circuit *c)
{
	struct line *l = c->line;

	if (c->paid || c->held_back)
		return c->paid;
	if (!l->held && has_token(l))
		take(c);
	else
		hold(c);
	return c->paid;
}

void tokens_leave(struct circuit *c)
{
	if (!c->held_back)
		return;
	*c->held_back = c->held_next;
	if (c->held_next)
		c->held_next->held_back = c->held_back;
	else
		c->line->held_end = c->held_back;
	c->held_back = NULL;
}

static void release(struct line *l)
{
	struct circuit *c;

	while ((c = l->held) && has_token(l)) {
		tokens_leave(c);
		take(c);
		line_look_at(l, c->entry);
	}
	if (l->held)
		look_after(l->proxy);
}

void tokens_due(struct loop_timer *timer)
{
	proxy_for_each_line(loop_owner(timer, struct proxy, tokens), release);
}
