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
static struct guest *stray(struct proxy *p)
{
	p->op->counter[COUNT_STRAY_REPORTS]++;
	return NULL;
}

static struct guest *guest_of(struct proxy *p, uint32_t domain, uint32_t line)
{
	struct guest *g = guest_find(p->op, domain);

	if (!g || g->line.proxy != p || line != OPERATOR_TCP_LINE)
		return stray(p);
	return g;
}

static void take_attached(struct proxy *p, const struct ipc_line *line)
{
	struct guest *g = guest_of(p, line->guest, line->line);
	struct operator_service *o = p->op;

	if (!g || g->line.state != LINE_READY)
		return;
	g->line.state = LINE_ATTACHED;
	log_guest(&g->limit, LOG_LEVEL_INFO, g->domain, g->name,
		  "line attached by proxy-tcp %s", p->instance);
	service_event(&o->service, "line-attached", g->name, g->domain,
		      p->instance);
	guest_wake(g);
}

static void take_failed(struct proxy *p, const struct ipc_failed *failed)
{
	struct guest *g = guest_of(p, failed->guest, failed->line);

	if (g &&
	    (g->line.state == LINE_READY || g->line.state == LINE_ATTACHED))
		guest_lose_line(g, failed->why);
}

static void take_ended(struct proxy *p, const struct ipc_ended *ended)
{
	struct guest *g = guest_of(p, ended->guest, ended->line);
	uint32_t i;

	for (i = 0; g && i < ended->count; i++) {
		struct book_record *r =
			book_find(&g->line.book, ended->circuit[i].entry);

		/* accepted ones were never in the books */
		if (!r || r->generation != ended->circuit[i].generation)
			continue;
		p->op->counter[COUNT_ENDED]++;
		guest_forget(g, r);
	}
}

/* Add a circuit that the proxy has, or confirm one. Return: it, or NULL */
static struct book_record *confirm(struct guest *g, uint32_t entry,
				   uint32_t generation, enum sb_entry_kind kind)
{
	struct book_record *r = book_find(&g->line.book, entry);

	if (r && (r->generation != generation || r->kind != kind)) {
		if (r->round >= g->line.proxy->round)
			return NULL; /* ordered since: the list is late */
		guest_forget(g, r);
		r = NULL;
	}
	if (!r) {
		r = book_add(&g->line.book, entry, generation, kind);
		if (!r)
			return NULL;
		r->asked_ms = loop_now(&g->op->service.loop);
	}
	r->round = g->op->round;
	return r;
}

/* The order for it, or the report of its end, was lost with a connection */
static void strike(struct guest *g, struct book_record *r)
{
	struct sb_message m = {
		.type = SB_MESSAGE_REFUSED,
		.line = OPERATOR_TCP_LINE,
		.entry = r->entry,
		.generation = r->generation,
		.error = ECONNRESET,
	};

	guest_forget(g, r);
	guest_send(g, &m);
}

static void strike_unconfirmed(struct guest *g)
{
	struct book_record *r = book_next(&g->line.book, 0);

	while (r) {
		uint32_t entry = r->entry;

		if (r->round < g->line.proxy->round)
			strike(g, r);
		r = book_next(&g->line.book, entry + 1);
	}
}

/* Whose line does the proxy speak of? NULL: not one of ours, now detached */
static struct guest *listed_guest(struct proxy *p,
				  const struct ipc_listing *listing)
{
	struct guest *g = guest_find(p->op, listing->guest);

	if (g && g->config && listing->line == OPERATOR_TCP_LINE &&
	    strcasecmp(g->identity, listing->identity) == 0 &&
	    proxy_find(p->op, g->config->proxy) == p) {
		g->line.proxy = p;
		return g;
	}
	if (p->settled) {
		log_print(LOG_LEVEL_NOTICE,
			  "proxy-tcp %s has line %u of domain %u, unknown here",
			  p->instance, listing->line, listing->guest);
		proxy_detach(p, listing->guest, listing->line);
	}
	return NULL;
}

/* A line of the driver before the one that made this trunk? */
static bool is_left_over(const struct guest *g)
{
	return trunk_attached(&g->trunk) && !g->trunk.taken_over &&
	       (g->line.state == LINE_NONE || g->line.state == LINE_WANTED);
}

static void take_listing(struct proxy *p, const struct ipc_listing *listing)
{
	struct guest *g = listed_guest(p, listing);
	uint32_t i;

	if (!g)
		return;
	if (is_left_over(g)) {
		proxy_detach(p, listing->guest, listing->line);
		return;
	}
	if (g->line.state == LINE_NONE || g->line.state == LINE_WANTED) {
		/* of the operator before us */
		g->line.state = LINE_ATTACHED;
		g->line.gref = listing->gref;
		g->line.port = listing->port;
	}
	if (g->line.gref != listing->gref || g->line.port != listing->port)
		return;
	for (i = 0; i < listing->count; i++) {
		const struct ipc_listing_circuit *c = &listing->circuit[i];

		/* listeners were confirmed with their address, before */
		if (c->kind != SB_ENTRY_LISTENER)
			confirm(g, c->entry, c->generation, c->kind);
	}
	if (!listing->more)
		strike_unconfirmed(g);
}

static void take_listening(struct proxy *p, const struct ipc_listen *listen)
{
	struct guest *g = guest_find(p->op, listen->guest);
	struct published *published = &p->op->published;
	struct book_record *r;

	if (!g || !g->config || listen->line != OPERATOR_TCP_LINE ||
	    proxy_find(p->op, g->config->proxy) != p)
		return;
	g->line.proxy = p;
	r = confirm(g, listen->entry, listen->generation, SB_ENTRY_LISTENER);
	if (!r)
		return;
	published_remove(published, r);
	r->address = listen->local;
	r->backlog = listen->backlog;
	published_add(published, r);
}

void report_handle(struct proxy *p, const struct ipc_message *m)
{
	if (m->type == IPC_REPORT_ATTACHED)
		take_attached(p, &m->line);
	else if (m->type == IPC_REPORT_FAILED)
		take_failed(p, &m->failed);
	else if (m->type == IPC_REPORT_ENDED)
		take_ended(p, &m->ended);
	else if (m->type == IPC_REPORT_LISTING)
		take_listing(p, &m->listing);
	else if (m->type == IPC_REPORT_LISTENING)
		take_listening(p, &m->listen);
}
