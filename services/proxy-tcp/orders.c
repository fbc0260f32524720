// SPDX-License-Identifier: GPL-2.0-only
/*
 * orders.c - what the operator orders, and what it is told
 *
 * The operator keeps the books, this process the sockets. Whenever the pair
 * is connected anew the first report is `hello`; the operator then asks for a
 * list of what exists, or attaches every line. So a report that cannot be
 * delivered because nobody is there may be forgotten.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "services/common/limits.h"
#include "services/proxy-tcp/circuit.h"

static void report(struct proxy *p, const struct ipc_message *m)
{
	static struct log_limit limit;
	int error = endpoint_send(&p->operator, m);

	if (error && error != -ENOTCONN)
		log_limited(&limit, LOG_LEVEL_WARNING,
			    "cannot report to the operator: %s",
			    strerror(-error));
}

static void say_hello(struct endpoint *e)
{
	struct proxy *p = e->owner;
	struct ipc_message *m = endpoint_draft(IPC_REPORT_HELLO);

	snprintf(m->hello.service, sizeof(m->hello.service), "%s",
		 p->service.name);
	snprintf(m->hello.instance, sizeof(m->hello.instance), "%s",
		 p->service.instance);
	m->hello.epoch = p->service.epoch;
	m->hello.version = IPC_VERSION;
	report(p, m);
}

static void report_failed(struct proxy *p, const struct ipc_attach *order,
			  int error, const char *why)
{
	struct ipc_message *m = endpoint_draft(IPC_REPORT_FAILED);

	m->failed.guest = order->guest;
	m->failed.line = order->line;
	m->failed.error = error;
	snprintf(m->failed.why, sizeof(m->failed.why), "%s: %s", why,
		 strerror(error));
	report(p, m);
}

static void attach(struct proxy *p, const struct ipc_attach *order)
{
	const char *why = "";
	struct ipc_message *m;
	int error = line_attach(p, order, &why);

	if (error) {
		log_guest(NULL, LOG_LEVEL_WARNING, order->guest, order->name,
			  "line %u is not attached: %s: %s", order->line, why,
			  strerror(-error));
		report_failed(p, order, -error, why);
		return;
	}
	log_guest(NULL, LOG_LEVEL_INFO, order->guest, order->name,
		  "line %u is attached", order->line);
	m = endpoint_draft(IPC_REPORT_ATTACHED);
	m->line.guest = order->guest;
	m->line.line = order->line;
	report(p, m);
}

static void detach(struct proxy *p, const struct ipc_line *order)
{
	struct line *l = proxy_line_find(p, order->guest, order->line);

	if (!l)
		return;
	log_guest(NULL, LOG_LEVEL_INFO, order->guest, l->attach.name,
		  "line %u is detached", order->line);
	line_detach(l);
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
	report(p, m);
}

static void open_listener(struct proxy *p, const struct ipc_listen *order)
{
	struct line *l = proxy_line_find(p, order->guest, order->line);

	if (l)
		listen_order(l, order);
	else
		report_no_line(p, order);
}

static void take_verdict(struct proxy *p, const struct ipc_verdict *verdict)
{
	struct line *l = proxy_line_find(p, verdict->question.guest,
					 verdict->question.line);

	if (!l ||
	    !verdicts_answer(&l->verdicts, verdict, loop_now(&p->service.loop)))
		p->count[PROXY_STRAY_VERDICTS]++;
}

static void withdraw(struct proxy *p, const struct ipc_line *order)
{
	struct line *l = proxy_line_find(p, order->guest, order->line);

	if (l)
		verdicts_withdraw(&l->verdicts);
}

static void list_listener(struct circuit *c, void *argument)
{
	struct ipc_message *m;

	if (c->phase != CIRCUIT_LISTENING)
		return;
	m = endpoint_draft(IPC_REPORT_LISTENING);
	m->listen.guest = c->line->attach.guest;
	m->listen.line = c->line->attach.line;
	m->listen.entry = c->entry;
	m->listen.generation = c->generation;
	m->listen.local = c->local;
	m->listen.backlog = c->options.backlog;
	report(c->line->proxy, m);
}

static void list_line(const struct line *l)
{
	struct ipc_message *m = endpoint_draft(IPC_REPORT_LISTING);

	m->listing.guest = l->attach.guest;
	memcpy(m->listing.identity, l->attach.identity,
	       sizeof(m->listing.identity));
	m->listing.line = l->attach.line;
	m->listing.gref = l->attach.gref;
	m->listing.port = l->attach.port;
	report(l->proxy, m);
}

static void list(struct proxy *p)
{
	struct line *l;

	for (unsigned int i = 0; i < PROXY_BUCKETS; i++) {
		for (l = p->line[i]; l; l = l->chain) {
			line_for_each(l, list_listener, NULL);
			list_line(l);
		}
	}
}

static void take_order(struct endpoint *e, const struct ipc_message *m)
{
	struct proxy *p = e->owner;

	switch (m->type) {
	case IPC_ORDER_ATTACH:
		attach(p, &m->attach);
		break;
	case IPC_ORDER_DETACH:
		detach(p, &m->line);
		break;
	case IPC_ORDER_LISTEN:
		open_listener(p, &m->listen);
		break;
	case IPC_ORDER_LIST:
		list(p);
		break;
	case IPC_ORDER_VERDICT:
		take_verdict(p, &m->verdict);
		break;
	case IPC_ORDER_WITHDRAW:
		withdraw(p, &m->line);
		break;
	default:
		break;
	}
}

bool orders_report_ended(struct proxy *p, struct line *l)
{
	struct ipc_message *m = endpoint_draft(IPC_REPORT_ENDED);
	struct ipc_ended *ended = &m->ended;
	struct circuit *c = l->ended;

	ended->guest = l->attach.guest;
	ended->line = l->attach.line;
	for (ended->count = 0; c && ended->count < IPC_CIRCUITS_MAX;
	     c = c->next_ended) {
		ended->circuit[ended->count].entry = c->entry;
		ended->circuit[ended->count].generation = c->ended_generation;
		ended->count++;
	}
	if (endpoint_send(&p->operator, m) == -EAGAIN)
		return false;
	while (l->ended != c) {
		l->ended->told_ended = false;
		l->ended = l->ended->next_ended;
	}
	return true;
}

bool orders_ask(const struct line *l, const struct verdict_key *key)
{
	struct ipc_message *m = endpoint_draft(IPC_REPORT_ASKED);

	m->question.guest = l->attach.guest;
	m->question.line = l->attach.line;
	m->question.kind = key->kind;
	m->question.remote = key->remote;
	m->question.source = key->source;
	return endpoint_send(&l->proxy->operator, m) == 0;
}

void orders_report_counts(struct line *l)
{
	struct ipc_message *m = endpoint_draft(IPC_REPORT_COUNTS);

	m->counts = (struct ipc_counts){
		.guest = l->attach.guest,
		.line = l->attach.line,
		.circuits = l->circuits - l->listeners - l->posted,
		.calls = l->calls,
		.refused = l->refused,
	};
	if (m->counts.circuits == l->told.circuits &&
	    m->counts.calls == l->told.calls &&
	    m->counts.refused == l->told.refused)
		return;
	if (endpoint_send(&l->proxy->operator, m) == 0)
		l->told = m->counts;
}

int orders_init(struct proxy *p)
{
	char path[SERVICE_PATH_BYTES], file[SERVICE_PATH_BYTES];
	struct ipc_socket *socket;
	int error, bytes;

	bytes = snprintf(file, sizeof(file), "orders-%s.ipc",
			 p->service.instance);
	if (bytes >= (int)sizeof(file))
		return -ENAMETOOLONG;
	error = service_path(&p->service, path, "operator", NULL, file);
	if (error)
		return error;
	socket = ipc_open(IPC_PAIR, IPC_PROXY, IPC_OPERATOR);
	if (!socket)
		return -errno;
	p->operator.owner = p;
	p->operator.message = take_order;
	p->operator.connected = say_hello;
	error = ipc_connect(socket, path);
	if (!error)
		error = endpoint_init(&p->operator, & p->service.loop, socket);
	if (error)
		ipc_close(socket);
	return error;
}
