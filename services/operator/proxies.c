/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * proxies.c - orders to proxies, and their comings
 *
 * A proxy says hello on every new connection of the pair. Then it is ordered
 * to attach every line and to listen for every listener in the books, as fast
 * as the pair takes it. One that we knew, or that the operator before us knew,
 * is asked to list what it has, see reports.c.
 *
 * While one is away its guests keep their lines, for it may only be started
 * anew; when it stays away they lose them, and make others when it is back.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "services/operator/operator.h"

/* Until guests have appeared: then lines of guests unknown are detached */
#define SETTLE_MS 3000u
/* After something could not be ordered, until the lists are compared */
#define LIST_AGAIN_MS 1000u

const char *proxy_service(uint32_t kind)
{
	return kind == SB_LINE_UDP ? "proxy-udp" : "proxy-tcp";
}

struct proxy *proxy_find(const struct operator_service *o, uint32_t kind,
			 const char *instance)
{
	uint32_t i;

	for (i = 0; i < o->proxies; i++) {
		const struct proxy *p = &o->proxy[i];

		if (p->kind == kind && strcmp(p->instance, instance) == 0)
			return (struct proxy *)p;
	}
	return NULL;
}

static uint64_t away_ms(const struct proxy *p)
{
	if (p->there)
		return 0;
	return loop_now(&p->op->service.loop) - p->away_since_ms;
}

bool proxy_may_return(const struct proxy *p)
{
	return away_ms(p) < LIMIT_PROXY_AWAY_MS;
}

bool proxy_is_gone(const struct proxy *p)
{
	return !p->there && away_ms(p) >= p->gone_ms;
}

/* Those of @p's guests that have a line, or that may have one */
static void for_each_line(struct proxy *p, void (*visit)(struct line *l))
{
	struct guest *g;
	uint32_t i;

	for (g = p->op->guests; g; g = g->next) {
		for (i = 0; i < OPERATOR_LINES; i++) {
			if (g->line[i].proxy == p)
				visit(&g->line[i]);
		}
	}
}

static void forsake(struct line *l)
{
	if (line_usable(l))
		line_forsake(l);
}

static void gone(struct loop_timer *timer)
{
	struct proxy *p = loop_owner(timer, struct proxy, gone);

	log_print(LOG_LEVEL_WARNING, "%s %s is gone", proxy_service(p->kind),
		  p->instance);
	for_each_line(p, forsake);
}

static void begin_away(struct proxy *p)
{
	struct loop *loop = &p->op->service.loop;

	p->away_since_ms = loop_now(loop);
	p->gone_ms = p->op->config->proxy_away_s * 1000;
	loop_timer_start(loop, &p->gone, p->gone_ms);
}

static void lost(struct proxy *p)
{
	struct operator_service *o = p->op;

	if (!p->there)
		return;
	p->there = false;
	begin_away(p);
	log_print(LOG_LEVEL_WARNING, "%s %s is away", proxy_service(p->kind),
		  p->instance);
	service_event(&o->service, "proxy-lost", NULL, 0, p->instance);
}

int proxy_send(struct proxy *p, const struct ipc_message *m)
{
	int err = p->there ? endpoint_send(&p->endpoint, m) : -ENOTCONN;

	if (err == -ENOTCONN)
		lost(p);
	else if (err && err != -EAGAIN)
		log_print(LOG_LEVEL_ERROR, "%s to %s cannot be sent: %s",
			  ipc_type_name(m->type), p->instance, strerror(-err));
	return err;
}

int proxy_attach(struct line *l)
{
	struct ipc_message *m = endpoint_draft(IPC_ORDER_ATTACH);
	struct ipc_attach *a = &m->attach;
	const struct guest *g = l->guest;
	const struct config_limits *limits = &g->config->limits;

	a->guest = g->domain;
	memcpy(a->identity, g->identity, sizeof(a->identity));
	memcpy(a->name, g->config->name, sizeof(a->name));
	a->line = l->number;
	a->kind = l->kind;
	a->gref = l->gref;
	a->port = l->port;
	a->circuits_max = limits->circuits;
	a->listeners_max = limits->listeners;
	a->calls_per_s = limits->requests_per_s;
	a->calls_burst = limits->request_burst;
	a->addresses = g->config->addresses;
	for (uint32_t i = 0; i < a->addresses; i++)
		address_text(&g->config->address[i].address, a->address[i],
			     sizeof(a->address[i]));
	return proxy_send(l->proxy, m);
}

int proxy_detach(struct proxy *p, uint32_t domain, uint32_t line)
{
	struct ipc_message *m = endpoint_draft(IPC_ORDER_DETACH);
	int err;

	m->line.guest = domain;
	m->line.line = line;
	err = proxy_send(p, m);
	/* its queue is full: a list will show the line, and detach it */
	if (err == -EAGAIN)
		loop_timer_start(&p->op->service.loop, &p->relist,
				 LIST_AGAIN_MS);
	return err;
}

int proxy_listen(const struct line *l, const struct book_record *record)
{
	struct ipc_message *m = endpoint_draft(IPC_ORDER_LISTEN);

	m->listen.guest = l->guest->domain;
	m->listen.line = l->number;
	m->listen.entry = record->entry;
	m->listen.generation = record->generation;
	m->listen.local = record->place[0].address;
	m->listen.other = record->place[1].address;
	m->listen.backlog = record->backlog;
	return proxy_send(l->proxy, m);
}

static int withdraw(const struct line *l)
{
	struct ipc_message *m = endpoint_draft(IPC_ORDER_WITHDRAW);

	m->line.guest = l->guest->domain;
	m->line.line = l->number;
	return proxy_send(l->proxy, m);
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
	uint32_t i;

	for (g = p->op->guests; g; g = g->next) {
		for (i = 0; i < OPERATOR_LINES; i++) {
			if (g->line[i].proxy == p && g->line[i].due)
				return true;
		}
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
		if (proxy_send(p, endpoint_draft(IPC_ORDER_LIST)) == -EAGAIN)
			loop_timer_start(&o->service.loop, &p->relist,
					 LIST_AGAIN_MS);
	}
}

static int order_due(struct line *line)
{
	struct book_record *r;
	int err = 0;

	if (!line->due_entry)
		err = proxy_attach(line);
	r = book_next(&line->book, line->due_entry);
	for (; r && !err; r = book_next(&line->book, r->entry + 1)) {
		line->due_entry = r->entry;
		err = proxy_listen(line, r);
	}
	/* when it is away again, the next hello begins anew */
	if (err == -EAGAIN)
		return err;
	line->due = false;
	line->renew = false;
	line->withdraw = false;
	return 0;
}

/* The order to attach says all that is said to a line that is attached */
static int order_news(struct line *l)
{
	int err = l->renew ? proxy_attach(l) : withdraw(l);

	if (err == -EAGAIN)
		return err;
	l->renew = false;
	l->withdraw = false;
	return 0;
}

int proxy_order_due(struct guest *g)
{
	uint32_t i;
	int err = 0;

	for (i = 0; i < OPERATOR_LINES && err != -EAGAIN; i++) {
		struct line *l = &g->line[i];

		if (!l->proxy || !l->proxy->there)
			continue;
		if (l->due)
			err = order_due(l);
		else if (l->renew || l->withdraw)
			err = order_news(l);
	}
	return err == -EAGAIN ? err : 0;
}

static void bring_up(struct line *l)
{
	if (line_usable(l)) {
		l->due = true;
		l->due_entry = 0;
		guest_wake(l->guest);
	} else {
		line_proxy_came(l);
	}
}

static void detached(struct line *l)
{
	if (!line_usable(l))
		return;
	line_uncount(l);
	l->state = LINE_READY;
}

static void take_hello(struct proxy *p, const struct ipc_hello *hello)
{
	struct operator_service *o = p->op;
	bool another = p->epoch && p->epoch != hello->epoch;
	const char *service = proxy_service(p->kind);

	if (strcmp(hello->service, service) != 0 ||
	    strcmp(hello->instance, p->instance) != 0 ||
	    hello->version != IPC_VERSION) {
		log_limited(&p->endpoint.limit, LOG_LEVEL_ERROR,
			    "%s %s, version %u, on the pair of %s %s",
			    hello->service, hello->instance, hello->version,
			    service, p->instance);
		return;
	}
	log_print(LOG_LEVEL_INFO, "%s %s is here%s", service, p->instance,
		  another ? ", another process" : "");
	service_event(&o->service, "proxy-connected", NULL, 0, p->instance);
	p->there = true;
	p->epoch = hello->epoch;
	loop_timer_stop(&p->gone);
	if (another)
		for_each_line(p, detached);
	for_each_line(p, bring_up);
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

static int open_proxy(struct operator_service *o, uint32_t kind,
		      const char *instance)
{
	struct proxy *p = &o->proxy[o->proxies];
	struct service *s = &o->service;
	char file[IPC_NAME_BYTES + 24], path[SERVICE_PATH_BYTES];
	struct ipc_socket *socket;
	int err;

	p->kind = kind;
	snprintf(p->instance, sizeof(p->instance), "%s", instance);
	p->op = o;
	p->gone.fire = gone;
	begin_away(p);
	p->relist.fire = ask_again;
	p->endpoint.owner = p;
	p->endpoint.message = take_report;
	p->endpoint.connected = pair_connected;
	snprintf(file, sizeof(file), "orders-%s%s.ipc",
		 kind == SB_LINE_UDP ? "udp-" : "", instance);
	err = service_path(s, path, s->name, NULL, file);
	socket = err ? NULL : ipc_open(IPC_PAIR, IPC_OPERATOR, IPC_PROXY);
	if (!socket)
		return err ? err : -errno;
	err = ipc_bind(socket, path, 0660);
	if (!err)
		err = endpoint_init(&p->endpoint, &s->loop, socket);
	if (err)
		ipc_close(socket);
	else
		o->proxies++;
	return err;
}

static int open_proxies(struct operator_service *o, uint32_t kind,
			const char (*instance)[IPC_NAME_BYTES],
			uint32_t instances)
{
	uint32_t i;

	for (i = 0; i < instances; i++) {
		int err = open_proxy(o, kind, instance[i]);

		if (err) {
			log_print(LOG_LEVEL_ERROR, "cannot serve %s %s: %s",
				  proxy_service(kind), instance[i],
				  strerror(-err));
			return err;
		}
	}
	return 0;
}

int proxies_open(struct operator_service *o)
{
	const struct config *c = o->config;
	int err = open_proxies(o, SB_LINE_TCP, c->proxy, c->proxies);

	if (!err)
		err = open_proxies(o, SB_LINE_UDP, c->udp_proxy,
				   c->udp_proxies);
	return err;
}
