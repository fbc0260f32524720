// SPDX-License-Identifier: GPL-2.0-only
/*
 * questions.c - what the operator is asked about a line's destinations
 *
 * Verdicts of each line are kept by services/common/verdicts.c; here they
 * meet the operator's pair, the loop and the circuits that wait for them.
 */
#include <errno.h>

#include "services/common/limits.h"
#include "services/proxy-common/circuit.h"

static uint64_t now_of(const struct line *l)
{
	return loop_now(&l->proxy->service.loop);
}

static bool ask(struct verdicts *v, const struct verdict_key *key)
{
	struct line *l = loop_owner(v, struct line, verdicts);
	struct ipc_message *m = endpoint_draft(IPC_REPORT_ASKED);

	m->question = (struct ipc_question){
		.guest = l->attach.guest,
		.line = l->attach.line,
		.kind = key->kind,
		.remote = key->remote,
		.source = key->source,
	};
	l->proxy->count[PROXY_QUESTIONS]++;
	return endpoint_send(&l->proxy->operator, m) == 0;
}

static void wake(struct verdict_waiter *w)
{
	struct circuit *c = loop_owner(w, struct circuit, question);

	line_look_at(c->line, c->entry);
}

int questions_begin(struct line *l)
{
	l->verdicts.ask = ask;
	l->verdicts.wake = wake;
	return verdicts_init(&l->verdicts, l->proxy->service.epoch);
}

void questions_end(struct line *l)
{
	verdicts_fini(&l->verdicts);
}

static void look_after(struct proxy *p)
{
	if (!loop_timer_running(&p->questions))
		loop_timer_start(&p->service.loop, &p->questions,
				 LIMIT_VERDICTS_SWEEP_MS);
}

bool questions_find(struct circuit *c, const struct verdict_key *key,
		    struct verdict_answer *answer)
{
	struct line *l = c->line;

	if (verdicts_find(&l->verdicts, key, now_of(l), answer))
		return true;
	if (!verdicts_waits(&c->question))
		verdicts_wait(&l->verdicts, key, now_of(l), &c->question);
	look_after(l->proxy);
	return false;
}

void questions_answer(struct proxy *p, const struct ipc_verdict *verdict)
{
	struct line *l = proxy_line_find(p, verdict->question.guest,
					 verdict->question.line);

	if (!l || !verdicts_answer(&l->verdicts, verdict, now_of(l)))
		p->count[PROXY_STRAY_VERDICTS]++;
}

void questions_withdraw(struct line *l)
{
	verdicts_withdraw(&l->verdicts);
	if (l->proxy->kind->withdrawn)
		l->proxy->kind->withdrawn(l);
}

static void sweep(struct line *l)
{
	if (verdicts_busy(&l->verdicts))
		verdicts_sweep(&l->verdicts, now_of(l));
	if (verdicts_busy(&l->verdicts))
		look_after(l->proxy);
}

void questions_due(struct loop_timer *timer)
{
	proxy_for_each_line(loop_owner(timer, struct proxy, questions), sweep);
}
