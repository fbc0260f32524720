/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * proxies.c - orders to proxies, reports from them, their comings
 *
 * A proxy says hello on every new connection of the pair. Then it is ordered
 * to attach every line and to listen for every listener in the books, as fast
 * as the pair takes it. Of a new process the streams in the books are struck:
 * they died with the old one. One that we knew, or that the operator before
 * us knew, is asked to list what it has: what the books lack is added, after
 * a restart of the operator that is everything; what was ordered before the
 * list was asked for and is not in it is struck. Rounds tell the two apart.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "services/operator/operator.h"

/* Until guests have appeared: then lines of guests unknown are detached */
#define SETTLE_MS 3000u
/* After something could not be ordered, until the lists are compared */
#define LIST_AGAIN_MS 1000u

struct proxy *proxy_find(struct operator_service *o, const char *instance)
{
	uint32_t i;

	for (i = 0; i < o->proxies; i++) {
		if (strcmp(o->proxy[i].instance, instance) == 0)
			return &o->proxy[i];
	}
	return NULL;
}

bool proxy_may_return(const struct proxy *p)
{
	uint64_t now = loop_now(&p->op->service.loop);

	return p->there || now - p->away_since_ms < LIMIT_PROXY_AWAY_MS;
}

static void lost(struct proxy *p)
{
	struct operator_service *o = p->op;

	if (!p->there)
		return;
	p->there = false;
	p->away_since_ms = loop_now(&o->service.loop);
	log_print(LOG_LEVEL_WARNING, "proxy-tcp %s is away", p->instance);
	service_event(&o->service, "proxy-lost", NULL, 0, p->instance);
}

static int send_order(struct proxy *p, const struct ipc_message *m)
{
	int err = p->there ? endpoint_send(&p->endpoint, m) : -ENOTCONN;

	if (err == -ENOTCONN)
		lost(p);
	else if (err && err != -EAGAIN)
		log_print(LOG_LEVEL_ERROR, "%s to %s cannot be sent: %s",
			  ipc_type_name(m->type), p->instance, strerror(-err));
	return err;
}

int proxy_attach(struct guest *g)
{
	struct ipc_message *m = endpoint_draft(IPC_ORDER_ATTACH);
	struct ipc_attach *a = &m->attach;

	a->guest = g->domain;
	memcpy(a->identity, g->identity, sizeof(a->identity));
	memcpy(a->name, g->config->name, sizeof(a->name));
	a->line = OPERATOR_TCP_LINE;
	a->gref = g->line.gref;
	a->port = g->line.port;
	/* those that it accepts count there too; the operator sees neither */
	a->circuits_max = SB_ENTRIES_MAX;
	if (g->config->limits.circuits < SB_ENTRIES_MAX / 2)
		a->circuits_max = 2 * g->config->limits.circuits;
	a->listeners_max = g->config->limits.listeners;
	return send_order(g->line.proxy, m);
}

int proxy_detach(struct proxy *p, uint32_t domain, uint32_t line)
{
	struct ipc_message *m = endpoint_draft(IPC_ORDER_DETACH);
	int err;

	m->line.guest = domain;
	m->line.line = line;
	err = send_order(p, m);
	/* its queue is full: a list will show the line, and detach it */
	if (err == -EAGAIN)
		loop_timer_start(&p->op->service.loop, &p->relist,
				 LIST_AGAIN_MS);
	return err;
}

int proxy_connect(struct guest *g, const struct sb_message *request,
		  const struct sb_address *remote,
		  const struct sb_address *source)
{
	struct ipc_message *m = endpoint_draft(IPC_ORDER_OPEN);

	m->open.guest = g->domain;
	m->open.line = request->line;
	m->open.entry = request->entry;
	m->open.generation = request->generation;
	m->open.remote = *remote;
	m->open.source = *source;
	return send_order(g->line.proxy, m);
}

int proxy_listen(struct guest *g, const struct book_record *record)
{
	struct ipc_message *m = endpoint_draft(IPC_ORDER_LISTEN);

	m->listen.guest = g->domain;
	m->listen.line = OPERATOR_TCP_LINE;
	m->listen.entry = record->entry;
	m->listen.generation = record->generation;
	m->listen.local = record->address;
	m->listen.backlog = record->backlog;
	return send_order(g->line.proxy, m);
}

static void ask_again(struct loop_timer *timer)
{
	struct proxy *p = loop_owner(timer, struct proxy, relist);

	p->settled = true;
	p->list_due = true;
}

static bool orders_due(const struct proxy *p)
{
	const struct guest *g;

	for (g = p->op->guests; g; g = g->next) {
		if (g->line.proxy == p && g->line.due)
			return true;
	}
	return false;
}

void proxies_ask(struct operator_service *o)
{
	uint32_t i;

	for (i = 0; i < o->proxies; i++) {
		struct proxy *p = &o->proxy[i];

		if (!p->list_due || !p->there || orders_due(p))
			continue;
		p->list_due = false;
		p->round = ++o->round;
		if (send_order(p, endpoint_draft(IPC_ORDER_LIST)) == -EAGAIN)
			loop_timer_start(&o->service.loop, &p->relist,
					 LIST_AGAIN_MS);
	}
}

int proxy_order_due(struct guest *g)
{
	struct line *line = &g->line;
	struct book_record *r;
	int err = 0;

	if (!line->due || !line->proxy->there)
		return 0;
	if (!line->due_entry)
		err = proxy_attach(g);
	r = book_next(&line->book, line->due_entry);
	for (; r && !err; r = book_next(&line->book, r->entry + 1)) {
		line->due_entry = r->entry;
		if (r->kind == SB_ENTRY_LISTENER)
			err = proxy_listen(g, r);
	}
	/* when it is away again, the next hello begins anew */
	if (err == -EAGAIN)
		return err;
	line->due = false;
	return 0;
}

/* Those of @p's guests that have a line */
static void bring_up(struct proxy *p, bool another)
{
	struct guest *g;

	for (g = p->op->guests; g; g = g->next) {
		if (g->line.proxy != p)
			continue;
		if (g->line.state == LINE_READY ||
		    g->line.state == LINE_ATTACHED) {
			if (another) {
				guest_forget_all(g, false);
				g->line.state = LINE_READY;
			}
			g->line.due = true;
			g->line.due_entry = 0;
		}
		guest_wake(g);
	}
}

static void take_hello(struct proxy *p, const struct ipc_hello *hello)
{
	struct operator_service *o = p->op;
	bool another = p->epoch && p->epoch != hello->epoch;

	if (strcmp(hello->service, "proxy-tcp") != 0 ||
	    strcmp(hello->instance, p->instance) != 0 ||
	    hello->version != IPC_VERSION) {
		log_limited(&p->endpoint.limit, LOG_LEVEL_ERROR,
			    "%s %s, version %u, on the pair of proxy-tcp %s",
			    hello->service, hello->instance, hello->version,
			    p->instance);
		return;
	}
	log_print(LOG_LEVEL_INFO, "proxy-tcp %s is here%s", p->instance,
		  another ? ", another process" : "");
	service_event(&o->service, "proxy-connected", NULL, 0, p->instance);
	p->there = true;
	p->epoch = hello->epoch;
	bring_up(p, another);
	/* of a new process the books know more than it does */
	p->list_due = !another;
	loop_timer_start(&o->service.loop, &p->relist, SETTLE_MS);
}

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

static void take_listing(struct proxy *p, const struct ipc_listing *listing)
{
	struct guest *g = listed_guest(p, listing);
	uint32_t i;

	if (!g)
		return;
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

static void take_report(struct endpoint *e, const struct ipc_message *m)
{
	struct proxy *p = e->owner;

	if (m->type == IPC_REPORT_HELLO) {
		take_hello(p, &m->hello);
		return;
	}
	if (!p->there) {
		stray(p);
		return;
	}
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

/* Until it has said hello it gets nothing but this, which makes it say so */
static void pair_connected(struct endpoint *e)
{
	struct proxy *p = e->owner;

	lost(p);
	endpoint_send(e, endpoint_draft(IPC_ORDER_LIST));
}

void proxies_look(struct operator_service *o)
{
	uint32_t i;

	for (i = 0; i < o->proxies; i++) {
		struct proxy *p = &o->proxy[i];

		if (p->there && !ipc_connected(p->endpoint.socket))
			lost(p);
	}
}

static int open_proxy(struct operator_service *o, struct proxy *p,
		      const char *instance)
{
	struct service *s = &o->service;
	char file[IPC_NAME_BYTES + 16], path[SERVICE_PATH_BYTES];
	struct ipc_socket *socket;
	int err;

	snprintf(p->instance, sizeof(p->instance), "%s", instance);
	p->op = o;
	p->away_since_ms = loop_now(&s->loop);
	p->relist.fire = ask_again;
	p->endpoint.owner = p;
	p->endpoint.message = take_report;
	p->endpoint.connected = pair_connected;
	snprintf(file, sizeof(file), "orders-%s.ipc", instance);
	err = service_path(s, path, s->name, NULL, file);
	socket = err ? NULL : ipc_open(IPC_PAIR, IPC_OPERATOR, IPC_PROXY);
	if (!socket)
		return err ? err : -errno;
	err = ipc_bind(socket, path, 0660);
	if (!err)
		err = endpoint_init(&p->endpoint, &s->loop, socket);
	if (err)
		ipc_close(socket);
	return err;
}

int proxies_open(struct operator_service *o)
{
	uint32_t i;

	for (i = 0; i < o->config->proxies; i++) {
		const char *instance = o->config->proxy[i];
		int err = open_proxy(o, &o->proxy[i], instance);

		if (err) {
			log_print(LOG_LEVEL_ERROR,
				  "cannot serve proxy-tcp %s: %s", instance,
				  strerror(-err));
			return err;
		}
		o->proxies++;
	}
	return 0;
}
