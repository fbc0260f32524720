// SPDX-License-Identifier: GPL-2.0-only
/*
 * orders.c - what the operator orders about lines, and what it is told
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
#include "services/proxy-common/circuit.h"

void orders_report(struct proxy *p, const struct ipc_message *m)
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
	orders_report(p, m);
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
	orders_report(p, m);
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
	orders_report(p, m);
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

static struct ipc_message *draft_listing(const struct line *l)
{
	struct ipc_message *m = endpoint_draft(IPC_REPORT_LISTING);

	m->listing.guest = l->attach.guest;
	memcpy(m->listing.identity, l->attach.identity,
	       sizeof(m->listing.identity));
	m->listing.line = l->attach.line;
	m->listing.gref = l->attach.gref;
	m->listing.port = l->attach.port;
	return m;
}

/* The operator keeps no books of circuits, only of lines and listeners */
static void list(struct proxy *p)
{
	struct line *l;

	for (unsigned int i = 0; i < PROXY_BUCKETS; i++) {
		for (l = p->line[i]; l; l = l->chain) {
			if (p->kind->list)
				p->kind->list(l);
			orders_report(p, draft_listing(l));
		}
	}
}

static void withdraw(struct proxy *p, const struct ipc_line *order)
{
	struct line *l = proxy_line_find(p, order->guest, order->line);

	if (l)
		questions_withdraw(l);
}

void orders_report_counts(struct line *l)
{
	struct ipc_message *m = endpoint_draft(IPC_REPORT_COUNTS);

	m->counts = (struct ipc_counts){
		.guest = l->attach.guest,
		.line = l->attach.line,
		.circuits = l->circuits - l->standby,
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
	case IPC_ORDER_LIST:
		list(p);
		break;
	case IPC_ORDER_VERDICT:
		questions_answer(p, &m->verdict);
		break;
	case IPC_ORDER_WITHDRAW:
		withdraw(p, &m->line);
		break;
	default:
		if (p->kind->order)
			p->kind->order(p, m);
		break;
	}
}

int orders_init(struct proxy *p)
{
	char path[SERVICE_PATH_BYTES], file[SERVICE_PATH_BYTES];
	struct ipc_socket *socket;
	int error, bytes;

	bytes = snprintf(file, sizeof(file), "orders-%s%s.ipc", p->kind->pair,
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
