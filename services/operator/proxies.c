/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * proxies.c - orders to proxies, and their comings
 *
 * A proxy says hello on every new connection of the pair. Then it is ordered
 * to attach every line and to listen for every listener in the books, as fast
 * as the pair takes it. Of a new process the streams in the books are struck:
 * they died with the old one. One that we knew, or that the operator before
 * us knew, is asked to list what it has, see reports.c.
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
	a->kind = SB_LINE_TCP;
	a->gref = g->line.gref;
	a->port = g->line.port;
	/* those that it accepts count there too; the operator sees neither */
	a->circuits_max = SB_ENTRIES_MAX;
	if (g->config->limits.circuits < SB_ENTRIES_MAX / 2)
		a->circuits_max = 2 * g->config->limits.circuits;
	a->listeners_max = g->config->limits.listeners;
	a->calls_per_s = g->config->limits.requests_per_s;
	a->calls_burst = g->config->limits.request_burst;
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

static void take_report(struct endpoint *e, const struct ipc_message *m)
{
	struct proxy *p = e->owner;

	if (m->type == IPC_REPORT_HELLO) {
		take_hello(p, &m->hello);
		return;
	}
	if (p->there)
		report_handle(p, m);
	else
		p->op->counter[COUNT_STRAY_REPORTS]++;
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
