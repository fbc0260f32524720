// SPDX-License-Identifier: GPL-2.0-only
/*
 * listeners.c - listeners, as the operator orders them and is told of them
 *
 * The operator keeps the books of who listens where: it is told when a
 * listener ends, which is put off when it does not listen.
 */
#include <errno.h>

#include "services/proxy-tcp/tcp.h"

/* Does the guest's word agree with the order to listen? Answer it when not */
static bool is_offered(struct circuit *c, uint32_t generation)
{
	uint32_t owner = sb_load(&c->shared->owner);
	uint32_t error = 0;

	if (sb_word_generation(owner) != generation)
		return false;
	if (sb_word_state(owner) == SB_OWNER_OFFERED) {
		if (__atomic_load_n(&c->shared->kind, __ATOMIC_ACQUIRE) ==
		    SB_ENTRY_LISTENER)
			return true;
		line_lie(c->line, "an order for an entry of another kind",
			 c->entry);
		error = EINVAL;
	}
	circuit_refuse(c, generation, error);
	return false;
}

struct stream *listeners_take_order(struct line *l, uint32_t entry,
				    uint32_t generation)
{
	struct circuit *c = line_circuit_make(l, entry);

	tcp_line(l)->listens++;
	if (!c) {
		line_lie(l, "an order for an entry that is not there", entry);
		return NULL;
	}
	if (c->active && c->generation == generation) {
		if (stream_of(c)->phase != STREAM_LISTENING)
			listeners_ended(stream_of(c), generation);
		return NULL;
	}
	if (c->active)
		circuit_end_liar(c, "a new generation before the old one's "
				    "end");
	if (!circuit_is_over(c, generation) && is_offered(c, generation))
		return stream_of(c);
	listeners_ended(stream_of(c), generation);
	return NULL;
}

/* For a line that is not attached, or no more: it has ended before */
static void report_no_line(struct proxy *p, const struct ipc_listen *order)
{
	struct ipc_message *m = endpoint_draft(IPC_REPORT_ENDED);

	m->ended.guest = order->guest;
	m->ended.line = order->line;
	m->ended.count = 1;
	m->ended.circuit[0].entry = order->entry;
	m->ended.circuit[0].generation = order->generation;
	orders_report(p, m);
}

void listeners_order(struct proxy *p, const struct ipc_message *m)
{
	struct line *l;

	if (m->type != IPC_ORDER_LISTEN)
		return;
	l = proxy_line_find(p, m->listen.guest, m->listen.line);
	if (l)
		listen_order(l, &m->listen);
	else
		report_no_line(p, &m->listen);
}

static void list(struct circuit *c, void *argument)
{
	const struct stream *s = stream_of(c);
	struct ipc_message *m;

	if (s->phase != STREAM_LISTENING)
		return;
	m = endpoint_draft(IPC_REPORT_LISTENING);
	m->listen.guest = c->line->attach.guest;
	m->listen.line = c->line->attach.line;
	m->listen.entry = c->entry;
	m->listen.generation = c->generation;
	m->listen.local = s->local;
	m->listen.other = s->also_local;
	m->listen.backlog = s->options.backlog;
	orders_report(c->line->proxy, m);
}

void listeners_list(const struct line *l)
{
	line_for_each(l, list, NULL);
}

void listeners_ended(struct stream *s, uint32_t generation)
{
	struct tcp_line *tl = tcp_line_of(s);

	s->ended_generation = generation;
	if (s->circuit.kept)
		return;
	s->circuit.kept = true;
	s->next_ended = tl->ended;
	tl->ended = s;
	line_report(&tl->line);
}

bool listeners_report(struct line *l)
{
	struct ipc_message *m = endpoint_draft(IPC_REPORT_ENDED);
	struct ipc_ended *ended = &m->ended;
	struct tcp_line *tl = tcp_line(l);
	struct stream *s = tl->ended;

	ended->guest = l->attach.guest;
	ended->line = l->attach.line;
	for (ended->count = 0; s && ended->count < IPC_CIRCUITS_MAX;
	     s = s->next_ended) {
		ended->circuit[ended->count].entry = s->circuit.entry;
		ended->circuit[ended->count].generation = s->ended_generation;
		ended->count++;
	}
	if (endpoint_send(&l->proxy->operator, m) == -EAGAIN)
		return false;
	while (tl->ended != s) {
		tl->ended->circuit.kept = false;
		tl->ended = tl->ended->next_ended;
	}
	l->report_due = tl->ended;
	return true;
}
