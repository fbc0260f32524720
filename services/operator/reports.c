/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * reports.c - what proxies report, and their lists
 *
 * What a list holds and the books lack is added, after a restart of the
 * operator that is everything; what was ordered before the list was asked for
 * and is not in it is struck. Rounds tell the two apart: each list that is
 * asked for begins one, and a record carries the round that it was ordered or
 * last confirmed in.
 */
#include <errno.h>
#include <string.h>

#include "services/operator/operator.h"

/* A report about a line that is not as the books have it, mostly just late */
static struct line *stray(struct proxy *p)
{
	p->op->counter[COUNT_STRAY_REPORTS]++;
	return NULL;
}

static struct line *line_of(struct proxy *p, uint32_t domain, uint32_t line)
{
	struct guest *g = guest_find(p->op, domain);

	if (!g || line >= OPERATOR_LINES || g->line[line].proxy != p)
		return stray(p);
	return &g->line[line];
}

static void take_attached(struct proxy *p, const struct ipc_line *line)
{
	struct line *l = line_of(p, line->guest, line->line);
	struct operator_service *o = p->op;
	struct guest *g;

	if (!l || l->state != LINE_READY)
		return;
	g = l->guest;
	l->state = LINE_ATTACHED;
	log_guest(&g->limit, LOG_LEVEL_INFO, g->domain, g->name,
		  "line %u attached by %s %s", l->number,
		  proxy_service(p->kind), p->instance);
	service_event(&o->service, "line-attached", g->name, g->domain,
		      p->instance);
	guest_wake(g);
}

static void take_failed(struct proxy *p, const struct ipc_failed *failed)
{
	struct line *l = line_of(p, failed->guest, failed->line);

	if (l && line_usable(l))
		line_lose(l, failed->why);
}

/* Of a guest that is not up yet: attaching its line makes it ask again */
static void take_asked(struct proxy *p, const struct ipc_question *q)
{
	struct line *l = line_of(p, q->guest, q->line);

	if (l && line_usable(l) && l->guest->config)
		question_handle(l, q);
}

static void take_ended(struct proxy *p, const struct ipc_ended *ended)
{
	struct line *l = line_of(p, ended->guest, ended->line);
	uint32_t i;

	for (i = 0; l && i < ended->count; i++) {
		struct book_record *r =
			book_find(&l->book, ended->circuit[i].entry);

		/* of a generation before the one that is booked */
		if (!r || r->generation != ended->circuit[i].generation)
			continue;
		p->op->counter[COUNT_ENDED]++;
		line_forget(l, r);
	}
}

static void take_counts(struct proxy *p, const struct ipc_counts *counts)
{
	struct line *l = line_of(p, counts->guest, counts->line);

	if (l)
		l->counts = *counts;
}

/* Add a listener that the proxy has, or confirm one. Return: it, or NULL */
static struct book_record *confirm(struct line *l, uint32_t entry,
				   uint32_t generation)
{
	struct operator_service *o = l->guest->op;
	struct book_record *r = book_find(&l->book, entry);

	if (r && r->generation != generation) {
		if (r->round >= l->proxy->round)
			return NULL; /* ordered since: the list is late */
		line_forget(l, r);
		r = NULL;
	}
	/* on a trunk that nobody had before us everything else is booked */
	if (!r && trunk_attached(&l->guest->trunk) &&
	    !l->guest->trunk.taken_over)
		return NULL;
	if (!r) {
		r = book_add(&l->book, entry, generation);
		if (!r)
			return NULL;
		r->asked_ms = loop_now(&o->service.loop);
	}
	r->round = o->round;
	return r;
}

/* The order for it, or the report of its end, was lost with a connection */
static void strike(struct line *l, struct book_record *r)
{
	struct sb_message m = {
		.type = SB_MESSAGE_REFUSED,
		.line = (uint16_t)l->number,
		.entry = r->entry,
		.generation = r->generation,
		.error = ECONNRESET,
	};

	line_forget(l, r);
	guest_send(l->guest, &m);
}

static void strike_unconfirmed(struct line *l)
{
	struct book_record *r = book_next(&l->book, 0);

	while (r) {
		uint32_t entry = r->entry;

		if (r->round < l->proxy->round)
			strike(l, r);
		r = book_next(&l->book, entry + 1);
	}
}

/* The line of which the proxy lists something; NULL: not one of ours */
static struct line *listed_line(struct proxy *p, uint32_t domain,
				uint32_t number)
{
	struct guest *g = guest_find(p->op, domain);
	struct line *l;

	if (!g || number >= OPERATOR_LINES)
		return NULL;
	l = &g->line[number];
	if (line_choose_proxy(g, l->kind) != p)
		return NULL;
	l->proxy = p;
	return l;
}

static void detach_unknown(struct proxy *p, const struct ipc_listing *listing)
{
	if (!p->settled)
		return;
	log_print(LOG_LEVEL_NOTICE,
		  "%s %s has line %u of domain %u, unknown here",
		  proxy_service(p->kind), p->instance, listing->line,
		  listing->guest);
	proxy_detach(p, listing->guest, listing->line);
}

/* One that the guest has lost, or of the driver before the trunk's? */
static bool is_left_over(const struct line *l)
{
	const struct trunk *t = &l->guest->trunk;

	if (l->forsaken)
		return true;
	return trunk_attached(t) && !t->taken_over &&
	       (l->state == LINE_NONE || l->state == LINE_WANTED);
}

static void take_listing(struct proxy *p, const struct ipc_listing *listing)
{
	struct line *l = listed_line(p, listing->guest, listing->line);

	if (!l || strcasecmp(l->guest->identity, listing->identity) != 0) {
		detach_unknown(p, listing);
		return;
	}
	if (is_left_over(l)) {
		proxy_detach(p, listing->guest, listing->line);
		return;
	}
	if (l->state == LINE_NONE || l->state == LINE_WANTED) {
		/* of the operator before us */
		l->state = LINE_ATTACHED;
		l->gref = listing->gref;
		l->port = listing->port;
	}
	if (l->gref != listing->gref || l->port != listing->port)
		return;
	strike_unconfirmed(l);
}

static void take_listening(struct proxy *p, const struct ipc_listen *listen)
{
	struct line *l = listed_line(p, listen->guest, listen->line);
	const struct sb_address at[BOOK_PLACES] = { listen->local,
						    listen->other };
	struct book_record *r;

	if (!l || l->forsaken)
		return;
	r = confirm(l, listen->entry, listen->generation);
	if (!r)
		return;
	published_move(&p->op->published, r, at);
	r->backlog = listen->backlog;
}

void report_handle(struct proxy *p, const struct ipc_message *m)
{
	if (m->type == IPC_REPORT_ATTACHED)
		take_attached(p, &m->line);
	else if (m->type == IPC_REPORT_FAILED)
		take_failed(p, &m->failed);
	else if (m->type == IPC_REPORT_ASKED)
		take_asked(p, &m->question);
	else if (m->type == IPC_REPORT_COUNTS)
		take_counts(p, &m->counts);
	else if (m->type == IPC_REPORT_ENDED)
		take_ended(p, &m->ended);
	else if (m->type == IPC_REPORT_LISTING)
		take_listing(p, &m->listing);
	else if (m->type == IPC_REPORT_LISTENING)
		take_listening(p, &m->listen);
}
