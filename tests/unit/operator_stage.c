/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * operator_stage.c - what a test of the operator stands on
 */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "services/common/address.h"
#include "tests/unit/operator_stage.h"

static struct ipc_message message;

void stage_write_config(struct operator_stage *s, const char *config)
{
	FILE *f = fopen(s->config, "w");

	ck_assert_ptr_nonnull(f);
	fputs(config, f);
	fclose(f);
}

void stage_operator_start(struct operator_stage *s)
{
	/* another user than root reads the configuration again */
	s->base.user = "nobody";
	s->operator_process = stage_service(&s->base, "operator", s->config);
}

void stage_operator_kill(struct operator_stage *s)
{
	ck_assert_int_eq(stage_end(s->operator_process, SIGKILL), -SIGKILL);
	s->operator_process = 0;
	s->lists = 0;
	/* or what is sent next would go to the dead one */
	unit_until(!s->proxy || !ipc_connected(s->proxy));
}

void stage_report(struct operator_stage *s, const struct ipc_message *m)
{
	int err;

	unit_until((err = ipc_send(s->proxy, m)) != -EAGAIN &&
		   err != -ENOTCONN);
	ck_assert_int_eq(err, 0);
	unit_until(ipc_flush(s->proxy) == 0);
}

/* Take a message, if there is one. Return: 0 or -EAGAIN */
static int take_order(struct operator_stage *s)
{
	int err = ipc_receive(s->proxy, &message);

	ck_assert_msg(!err || err == -EAGAIN, "%s", ipc_fault_text(s->proxy));
	s->lists += !err && message.type == IPC_ORDER_LIST;
	return err;
}

static void say_hello(struct operator_stage *s, uint32_t epoch)
{
	message.type = IPC_REPORT_HELLO;
	strcpy(message.hello.service, "proxy-tcp");
	strcpy(message.hello.instance, "main");
	message.hello.epoch = epoch;
	message.hello.version = IPC_VERSION;
	stage_report(s, &message);
}

/*
 * A connection may end at once: the pair has one peer, and the operator may
 * not have seen yet that the one before is gone. So hello is said on each,
 * until `list` says that the operator has taken one; nothing comes before it.
 */
static bool greet(struct operator_stage *s, uint32_t epoch, unsigned int lists)
{
	uint64_t connection = ipc_connections(s->proxy);

	if (ipc_connected(s->proxy) && connection != s->greeted) {
		s->greeted = connection;
		say_hello(s, epoch);
	}
	if (s->lists < lists)
		take_order(s);
	return s->lists == lists && s->greeted == ipc_connections(s->proxy);
}

void stage_hello(struct operator_stage *s, uint32_t epoch)
{
	/* one for the connection, one for a process that it does not know */
	unit_until(greet(s, epoch, 2));
}

void stage_proxy_come(struct operator_stage *s, uint32_t epoch)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/operator/orders-main.ipc",
		 s->base.directory);
	s->proxy = ipc_open(IPC_PAIR, IPC_PROXY, IPC_OPERATOR);
	ck_assert_ptr_nonnull(s->proxy);
	ck_assert_int_eq(ipc_connect(s->proxy, path), 0);
	s->lists = 0;
	s->greeted = 0;
	unit_until(greet(s, epoch, 1));
}

void stage_proxy_go(struct operator_stage *s)
{
	ipc_close(s->proxy);
	s->proxy = NULL;
}

void operator_stage_open(struct operator_stage *s, const char *config)
{
	memset(s, 0, sizeof(*s));
	stage_open(&s->base);
	/* another user, when we are root, reads the configuration again */
	chmod(s->base.directory, 0755);
	snprintf(s->config, sizeof(s->config), "%s/switchboard.json",
		 s->base.directory);
	stage_write_config(s, config);
	stage_operator_start(s);
	stage_proxy_come(s, 1);
}

void operator_stage_close(struct operator_stage *s)
{
	if (s->operator_process)
		ck_assert_int_eq(stage_end(s->operator_process, SIGTERM), 0);
	stage_proxy_go(s);
	stage_close(&s->base);
}

const struct ipc_message *stage_order_next(struct operator_stage *s,
					   int timeout_ms)
{
	uint64_t end_ms = guest_now_ms() + (uint64_t)timeout_ms;
	struct pollfd p = { ipc_receive_fd(s->proxy), POLLIN, 0 };

	for (;;) {
		int err = take_order(s);
		uint64_t now_ms = guest_now_ms();

		if (!err && message.type != IPC_ORDER_LIST)
			return &message;
		if (now_ms >= end_ms)
			return NULL;
		if (err)
			poll(&p, 1, (int)(end_ms - now_ms));
	}
}

const struct ipc_message *stage_order_expect(struct operator_stage *s,
					     enum ipc_type type)
{
	const struct ipc_message *m = stage_order_next(s, STAGE_TIMEOUT_MS);

	ck_assert_msg(m != NULL, "no %s", ipc_type_name(type));
	ck_assert_str_eq(ipc_type_name(m->type), ipc_type_name(type));
	return m;
}

void stage_order_none(struct operator_stage *s, int timeout_ms)
{
	const struct ipc_message *m = stage_order_next(s, timeout_ms);

	ck_assert_msg(!m, "unexpected %s", m ? ipc_type_name(m->type) : "");
}

struct guest *stage_guest(struct operator_stage *s, const char *name,
			  const char *identity, uint32_t domain)
{
	struct guest_options o = { .name = name,
				   .identity = identity,
				   .domain = domain };
	struct guest *g = guest_new(s->base.directory, &o);

	ck_assert_msg(g != NULL, "guest %s: %s", name, strerror(errno));
	return g;
}

const struct ipc_message *stage_attach_order(struct operator_stage *s,
					     uint32_t domain)
{
	const struct ipc_message *m;

	do {
		m = stage_order_next(s, STAGE_TIMEOUT_MS);
		ck_assert_msg(m != NULL, "no order to attach %u", domain);
	} while (m->type != IPC_ORDER_ATTACH || m->attach.guest != domain);
	return m;
}

struct guest_line *stage_guest_up(struct operator_stage *s, struct guest *g)
{
	const struct ipc_message *order;
	struct guest_line *l;
	struct sb_message m;

	ck_assert_int_eq(guest_trunk_connect(g, STAGE_TIMEOUT_MS), 0);
	stage_trunk_expect(g, SB_MESSAGE_LINE_WANTED, &m);
	l = guest_line_new(g, m.line, m.kind, m.domain);
	ck_assert_ptr_nonnull(l);
	ck_assert_int_eq(guest_request_line_ready(l), 0);
	order = stage_attach_order(s, g->domain);
	ck_assert_uint_eq(order->attach.gref, l->header_gref);
	ck_assert_uint_eq(order->attach.port, l->channel.port);
	message.type = IPC_REPORT_ATTACHED;
	message.line.guest = g->domain;
	message.line.line = 0;
	stage_report(s, &message);
	return l;
}

void stage_trunk_expect(struct guest *g, enum sb_message_type type,
			struct sb_message *m)
{
	int err;

	do {
		err = guest_trunk_receive(g, m, STAGE_TIMEOUT_MS);
		ck_assert_msg(!err, "waiting for message %#x: %s", type,
			      strerror(-err));
	} while (m->type != type);
}

struct sb_address stage_address(const char *text, uint16_t port)
{
	struct sb_address a;

	ck_assert_int_eq(address_parse(&a, text), 0);
	a.port = port;
	return a;
}

struct sb_message stage_listen_message(uint32_t entry, uint32_t generation,
				       const char *at, uint16_t port)
{
	return (struct sb_message){ .type = SB_MESSAGE_LISTEN,
				    .entry = entry,
				    .generation = generation,
				    .backlog = 128,
				    .local = stage_address(at, port) };
}

void stage_refused(struct guest *g, const struct sb_message *m, uint32_t error)
{
	struct sb_message answer;

	ck_assert_int_eq(guest_trunk_send(g, m), 0);
	stage_trunk_expect(g, SB_MESSAGE_REFUSED, &answer);
	ck_assert_uint_eq(answer.line, m->line);
	ck_assert_uint_eq(answer.entry, m->entry);
	ck_assert_uint_eq(answer.generation, m->generation);
	ck_assert_uint_eq(answer.error, error);
}
