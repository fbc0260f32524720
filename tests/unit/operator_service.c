/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * operator_service.c - the operator, between test guests and a scripted proxy
 *
 * operator_stage.h draws it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "services/common/limits.h"
#include "tests/unit/operator_scene.h"

/* --- the normal life --- */

START_TEST(a_guest_gets_addresses_name_servers_and_a_line)
{
	struct sb_message m;

	web = stage_guest(&stage, "web", STAGE_IDENTITY_WEB, 0);
	ck_assert_int_eq(guest_trunk_connect(web, STAGE_TIMEOUT_MS), 0);
	ck_assert_int_eq(guest_trunk_expect(web, SB_MESSAGE_ADDRESS, &m, 1000),
			 0);
	ck_assert_uint_eq(m.local.family, SB_FAMILY_IPV4);
	ck_assert_uint_eq(m.prefix, 24);
	ck_assert_int_eq(guest_trunk_expect(web, SB_MESSAGE_ADDRESS, &m, 1000),
			 0);
	ck_assert_uint_eq(m.local.family, SB_FAMILY_IPV6);
	ck_assert_uint_eq(m.prefix, 64);
	ck_assert_int_eq(
		guest_trunk_expect(web, SB_MESSAGE_NAMESERVER, &m, 1000), 0);
	ck_assert_int_eq(
		guest_trunk_expect(web, SB_MESSAGE_CONFIGURED, &m, 1000), 0);
	ck_assert_int_eq(
		guest_trunk_expect(web, SB_MESSAGE_LINE_WANTED, &m, 1000), 0);
	ck_assert_uint_eq(m.line, 0);
	ck_assert_uint_eq(m.kind, SB_LINE_TCP);
	ck_assert_uint_eq(web->trunk.page->peer_version, SB_TRUNK_VERSION);
	ck_assert_uint_ne(web->trunk.page->peer_epoch, 0);
}
END_TEST

START_TEST(a_domain_that_is_not_configured_gets_nothing)
{
	web = stage_guest(&stage, "stranger", STAGE_IDENTITY_WEB, 0);
	ck_assert_int_eq(guest_device_wait(web, LOCAL_STATE_INIT_WAIT, 300),
			 -ETIMEDOUT);
}
END_TEST

START_TEST(an_allowed_open_becomes_an_order)
{
	struct sb_message m = stage_open_message(3, 7, "192.0.2.1", 443);
	const struct ipc_message *order;

	web_up();
	send_request(web, &m);
	order = stage_order_expect(&stage, IPC_ORDER_OPEN);
	ck_assert_uint_eq(order->open.guest, web->domain);
	ck_assert_uint_eq(order->open.entry, 3);
	ck_assert_uint_eq(order->open.generation, 7);
	ck_assert_uint_eq(order->open.remote.port, 443);
	ck_assert_uint_eq(order->open.remote.bytes[0], 192);
	ck_assert_uint_eq(order->open.source.family, SB_FAMILY_NONE);
}
END_TEST

START_TEST(what_policy_does_not_allow_is_refused)
{
	struct sb_message m = stage_open_message(3, 7, "192.0.2.1", 22);

	web_up();
	stage_refused(web, &m, EACCES);
	m = stage_open_message(3, 7, "127.0.0.1", 80);
	stage_refused(web, &m, EACCES);
	m = stage_open_message(3, 7, "::ffff:127.0.0.1", 80);
	stage_refused(web, &m, EACCES);
	m = stage_listen_message(4, 1, "0.0.0.0", 81);
	stage_refused(web, &m, EACCES);
	stage_order_none(&stage, 100);
	m = stage_open_message(3, 7, "::ffff:127.0.0.1", 8080);
	send_request(web, &m);
	expect_open(web->domain, 3, 7);
}
END_TEST

START_TEST(a_request_sent_again_gives_the_same_order_again)
{
	struct sb_message m = stage_open_message(3, 7, "192.0.2.1", 80);
	struct sb_message l = stage_listen_message(4, 1, "0.0.0.0", 80);
	int i;

	web_up();
	for (i = 0; i < 20; i++) {
		send_request(web, &m);
		expect_open(web->domain, 3, 7);
		send_request(web, &l);
		stage_order_expect(&stage, IPC_ORDER_LISTEN);
	}
}
END_TEST

START_TEST(circuits_and_listeners_are_limited_and_freed)
{
	struct sb_message m, l;
	uint32_t i;

	web_up();
	for (i = 0; i < 8; i++) {
		m = stage_open_message(i, 1, "192.0.2.1", 80);
		send_request(web, &m);
		expect_open(web->domain, i, 1);
	}
	m = stage_open_message(8, 1, "192.0.2.1", 80);
	stage_refused(web, &m, ENOBUFS);
	report_ended(web->domain, 5, 2); /* another generation: not this one */
	report_ended(web->domain, 5, 1);
	/* the report and the request come by different ways */
	usleep(50000);
	send_request(web, &m);
	expect_open(web->domain, 8, 1);
	for (i = 0; i < 2; i++) {
		l = stage_listen_message(100 + i, 1, "0.0.0.0", 80);
		send_request(web, &l);
		stage_order_expect(&stage, IPC_ORDER_LISTEN);
	}
	l = stage_listen_message(102, 1, "0.0.0.0", 80);
	stage_refused(web, &l, ENOBUFS);
}
END_TEST

START_TEST(a_published_port_belongs_to_the_first_until_it_ends)
{
	struct sb_message l = stage_listen_message(4, 1, "0.0.0.0", 80);
	const struct ipc_message *order;

	web_up();
	db_up();
	send_request(web, &l);
	order = stage_order_expect(&stage, IPC_ORDER_LISTEN);
	ck_assert_uint_eq(order->listen.guest, web->domain);
	ck_assert_uint_eq(order->listen.local.port, 18080);
	ck_assert_uint_eq(order->listen.local.bytes[0], 127);
	ck_assert_uint_eq(order->listen.backlog, 128);
	stage_refused(db, &l, EADDRINUSE);
	report_ended(web->domain, 4, 1);
	usleep(50000);
	send_request(db, &l);
	order = stage_order_expect(&stage, IPC_ORDER_LISTEN);
	ck_assert_uint_eq(order->listen.guest, db->domain);
}
END_TEST

START_TEST(port_0_is_a_port_that_may_be_published)
{
	struct sb_message l = stage_listen_message(4, 1, "0.0.0.0", 0);

	web_up();
	db_up();
	send_request(web, &l);
	ck_assert_uint_eq(
		stage_order_expect(&stage, IPC_ORDER_LISTEN)->listen.local.port,
		18080);
	stage_refused(db, &l, EADDRINUSE);
}
END_TEST

START_TEST(a_bound_port_that_may_be_published_is_the_source)
{
	struct sb_message m = stage_open_message(3, 7, "192.0.2.1", 80);
	const struct ipc_message *order;

	web_up();
	m.local = stage_address("10.0.0.2", 80);
	send_request(web, &m);
	order = stage_order_expect(&stage, IPC_ORDER_OPEN);
	ck_assert_uint_eq(order->open.source.port, 18080);
	m.local.port = 81;
	m.entry = 4;
	send_request(web, &m);
	order = stage_order_expect(&stage, IPC_ORDER_OPEN);
	ck_assert_uint_eq(order->open.source.family, SB_FAMILY_NONE);
}
END_TEST

START_TEST(a_line_that_the_proxy_gives_up_is_made_again)
{
	struct sb_message m;

	web_up();
	report.type = IPC_REPORT_FAILED;
	report.failed.guest = web->domain;
	report.failed.line = 0;
	report.failed.error = EPROTO;
	strcpy(report.failed.why, "a test");
	stage_report(&stage, &report);
	stage_trunk_expect(web, SB_MESSAGE_LINE_LOST, &m);
	m = stage_open_message(3, 7, "192.0.2.1", 80);
	stage_refused(web, &m, ENETUNREACH);
	ck_assert_int_eq(guest_request_line_gone(web, 0), 0);
	stage_trunk_expect(web, SB_MESSAGE_LINE_WANTED, &m);
	ck_assert_int_eq(guest_request_line_ready(web_line), 0);
	stage_order_expect(&stage, IPC_ORDER_ATTACH);
}
END_TEST

/* --- what a proxy asks --- */

static const struct ipc_verdict *ask_about(enum ipc_question_kind kind,
					   const char *to, uint16_t port,
					   const char *from, uint16_t from_port)
{
	const struct ipc_verdict *v;

	memset(&report.question, 0, sizeof(report.question));
	report.type = IPC_REPORT_ASKED;
	report.question.guest = web->domain;
	report.question.line = 0;
	report.question.kind = kind;
	report.question.remote = stage_address(to, port);
	if (from)
		report.question.source = stage_address(from, from_port);
	stage_report(&stage, &report);
	v = &stage_order_expect(&stage, IPC_ORDER_VERDICT)->verdict;
	ck_assert_mem_eq(&v->question, &report.question, sizeof(v->question));
	return v;
}

static uint32_t error_of(enum ipc_question_kind kind, const char *to,
			 uint16_t port)
{
	return ask_about(kind, to, port, NULL, 0)->error;
}

START_TEST(a_question_is_answered_by_policy)
{
	const struct ipc_verdict *v;

	web_up();
	for (int kind = IPC_KIND_STREAM; kind <= IPC_KIND_DATAGRAM; kind++) {
		v = ask_about(kind, "192.0.2.1", 443, NULL, 0);
		ck_assert_uint_eq(v->error, 0);
		ck_assert_uint_eq(v->to.port, 443);
		ck_assert_uint_eq(v->to.bytes[0], 192);
		ck_assert_uint_eq(v->from.family, SB_FAMILY_NONE);
		ck_assert(!v->direct);
		ck_assert_uint_eq(error_of(kind, "192.0.2.1", 22), EACCES);
		/* no port of UDP: an echo */
		ck_assert_uint_eq(error_of(kind, "192.0.2.1", 0),
				  kind == IPC_KIND_STREAM ? EACCES : 0);
		ck_assert_uint_eq(error_of(kind, "127.0.0.1", 80), EACCES);
		ck_assert_uint_eq(error_of(kind, "::1", 80), EACCES);
		ck_assert_uint_eq(error_of(kind, "169.254.169.254", 80),
				  EACCES);
		ck_assert_uint_eq(error_of(kind, "::ffff:127.0.0.1", 80),
				  EACCES);
		v = ask_about(kind, "::ffff:127.0.0.1", 8080, NULL, 0);
		ck_assert_uint_eq(v->error, 0);
		ck_assert_uint_eq(v->to.family, SB_FAMILY_IPV4);
	}
}
END_TEST

START_TEST(a_bound_port_that_may_be_published_is_where_it_comes_from)
{
	const struct ipc_verdict *v;

	web_up();
	v = ask_about(IPC_KIND_STREAM, "192.0.2.1", 80, "10.0.0.2", 80);
	ck_assert_uint_eq(v->error, 0);
	ck_assert_uint_eq(v->from.port, 18080);
	ck_assert_uint_eq(v->from.bytes[0], 127);
	v = ask_about(IPC_KIND_STREAM, "192.0.2.1", 80, "10.0.0.2", 81);
	ck_assert_uint_eq(v->error, 0);
	ck_assert_uint_eq(v->from.family, SB_FAMILY_NONE);
}
END_TEST

START_TEST(a_datagram_socket_is_bound_where_it_may_be_published)
{
	const struct ipc_verdict *v;

	web_up();
	v = ask_about(IPC_KIND_BIND, "0.0.0.0", 80, NULL, 0);
	ck_assert_uint_eq(v->error, 0);
	ck_assert_uint_eq(v->to.port, 18080);
	ck_assert_uint_eq(error_of(IPC_KIND_BIND, "0.0.0.0", 81), EACCES);
	ck_assert_uint_eq(error_of(IPC_KIND_BIND, "0.0.0.0", 0), EACCES);
}
END_TEST

START_TEST(a_question_about_another_guest_or_line_is_not_answered)
{
	web_up();
	memset(&report.question, 0, sizeof(report.question));
	report.type = IPC_REPORT_ASKED;
	report.question.kind = IPC_KIND_STREAM;
	report.question.remote = stage_address("192.0.2.1", 80);
	report.question.guest = web->domain + 1;
	stage_report(&stage, &report);
	report.question.guest = web->domain;
	report.question.line = 1;
	stage_report(&stage, &report);
	report.question.line = 63;
	stage_report(&stage, &report);
	stage_order_none(&stage, 100);
	ck_assert_uint_eq(error_of(IPC_KIND_STREAM, "192.0.2.1", 80), 0);
}
END_TEST

START_TEST(a_reload_withdraws_what_was_said)
{
	const struct ipc_attach *a;

	web_up();
	ck_assert_uint_eq(error_of(IPC_KIND_STREAM, "192.0.2.1", 80), 0);
	stage_write_config(&stage, "{ \"udp_proxies\": [], \"guests\": { "
				   "\"web\": {"
				   "\"addresses\": [\"10.0.0.2/24\", "
				   "\"fd00::2/64\"], "
				   "\"limits\": "
				   "{\"listeners\":7,\"requests_per_s\":9,"
				   "\"request_burst\":5} } } }");
	kill(stage.operator_process, SIGHUP);
	a = &stage_order_expect(&stage, IPC_ORDER_ATTACH)->attach;
	ck_assert_uint_eq(a->kind, SB_LINE_TCP);
	ck_assert_uint_eq(a->listeners_max, 7);
	ck_assert_uint_eq(a->calls_per_s, 9);
	ck_assert_uint_eq(a->calls_burst, 5);
	ck_assert_uint_eq(error_of(IPC_KIND_STREAM, "192.0.2.1", 80), EACCES);
}
END_TEST

/* --- comings and goings --- */

START_TEST(a_guest_that_vanishes_is_detached)
{
	struct sb_message l = stage_listen_message(4, 1, "0.0.0.0", 80);
	uint32_t domain;

	web_up();
	domain = web->domain;
	send_request(web, &l);
	stage_order_expect(&stage, IPC_ORDER_LISTEN);
	guest_free(web);
	web = NULL;
	ck_assert_uint_eq(
		stage_order_expect(&stage, IPC_ORDER_DETACH)->line.guest,
		domain);
	/* and what it published is free */
	db_up();
	send_request(db, &l);
	stage_order_expect(&stage, IPC_ORDER_LISTEN);
}
END_TEST

START_TEST(a_domain_id_used_again_inherits_nothing)
{
	struct sb_message m = stage_open_message(3, 7, "192.0.2.1", 80);
	uint32_t domain;

	web_up();
	send_request(web, &m);
	expect_open(web->domain, 3, 7);
	domain = web->domain;
	guest_free(web);
	stage_order_expect(&stage, IPC_ORDER_DETACH);
	web = stage_guest(&stage, "stranger", STAGE_IDENTITY_DB, domain);
	ck_assert_int_eq(guest_device_wait(web, LOCAL_STATE_INIT_WAIT, 300),
			 -ETIMEDOUT);
	guest_free(web);
	usleep(50000);
	web = stage_guest(&stage, "web", STAGE_IDENTITY_DB, domain);
	web_line = stage_guest_up(&stage, web);
	stage_order_none(&stage, 100);
}
END_TEST

static void vanish_after(int step)
{
	struct guest *g = stage_guest(&stage, "web", STAGE_IDENTITY_WEB, 0);
	struct guest_line *l;
	struct sb_message m;

	if (step >= 1)
		guest_device_wait(g, LOCAL_STATE_INIT_WAIT, STAGE_TIMEOUT_MS);
	if (step >= 2)
		guest_trunk_make(g);
	if (step >= 3)
		guest_device_set(g, LOCAL_STATE_INITIALISED);
	if (step >= 4)
		guest_device_wait(g, LOCAL_STATE_CONNECTED, STAGE_TIMEOUT_MS);
	if (step >= 5)
		stage_trunk_expect(g, SB_MESSAGE_LINE_WANTED, &m);
	if (step >= 6) {
		l = guest_line_new(g, 0, SB_LINE_TCP, 0);
		guest_request_line_ready(l);
	}
	while (step >= 7 && stage_order_next(&stage, STAGE_TIMEOUT_MS)->type !=
				    IPC_ORDER_ATTACH)
		;
	guest_free(g);
}

START_TEST(a_guest_may_vanish_at_any_step)
{
	int step, round;

	for (round = 0; round < 3; round++) {
		for (step = 0; step <= 7; step++)
			vanish_after(step);
	}
	while (stage_order_next(&stage, 200))
		;
	web_up();
}
END_TEST

START_TEST(a_driver_may_leave_and_come_back)
{
	int i;

	web_up();
	for (i = 0; i < 3; i++) {
		ck_assert_int_eq(guest_trunk_disconnect(web, STAGE_TIMEOUT_MS),
				 0);
		stage_order_expect(&stage, IPC_ORDER_DETACH);
		ck_assert_int_eq(
			guest_device_set(web, LOCAL_STATE_INITIALISING), 0);
		guest_line_free(web_line);
		web_line = stage_guest_up(&stage, web);
	}
}
END_TEST

START_TEST(another_proxy_process_gets_lines_and_listeners_again)
{
	struct sb_message m = stage_open_message(3, 7, "192.0.2.1", 80);
	struct sb_message l = stage_listen_message(4, 1, "0.0.0.0", 80);
	const struct ipc_message *order;
	uint32_t i;

	web_up();
	send_request(web, &m);
	expect_open(web->domain, 3, 7);
	send_request(web, &l);
	stage_order_expect(&stage, IPC_ORDER_LISTEN);
	stage_proxy_go(&stage);
	stage_proxy_come(&stage, 2);
	order = stage_order_expect(&stage, IPC_ORDER_ATTACH);
	ck_assert_uint_eq(order->attach.gref, web_line->header_gref);
	order = stage_order_expect(&stage, IPC_ORDER_LISTEN);
	ck_assert_uint_eq(order->listen.entry, 4);
	ck_assert_uint_eq(order->listen.local.port, 18080);
	/* its streams are dead and count no more */
	for (i = 10; i < 18; i++) {
		m = stage_open_message(i, 1, "192.0.2.1", 80);
		send_request(web, &m);
		expect_open(web->domain, i, 1);
	}
}
END_TEST

START_TEST(a_request_waits_a_moment_for_a_proxy_that_is_away)
{
	struct sb_message m = stage_open_message(3, 7, "192.0.2.1", 80);

	web_up();
	stage_proxy_go(&stage);
	usleep(100000);
	send_request(web, &m);
	usleep(300000);
	stage_proxy_come(&stage, 2);
	stage_order_expect(&stage, IPC_ORDER_ATTACH);
	expect_open(web->domain, 3, 7);
	stage_proxy_go(&stage);
	usleep(100000);
	stage_refused(web, &m, ENETUNREACH);
}
END_TEST

/* What a proxy of the operator before answers to `list` */
static void report_web_line(uint32_t listener, uint32_t gref, uint32_t port)
{
	report.type = IPC_REPORT_LISTENING;
	report.listen.guest = web->domain;
	report.listen.line = 0;
	report.listen.entry = listener;
	report.listen.generation = 1;
	report.listen.local = stage_address("127.0.0.1", 18080);
	report.listen.backlog = 128;
	stage_report(&stage, &report);
	memset(&report.listing, 0, sizeof(report.listing));
	report.type = IPC_REPORT_LISTING;
	report.listing.guest = web->domain;
	strcpy(report.listing.identity, STAGE_IDENTITY_WEB);
	report.listing.gref = gref;
	report.listing.port = port;
	report.listing.count = 2;
	report.listing.circuit[0].entry = 3;
	report.listing.circuit[0].generation = 7;
	report.listing.circuit[0].kind = SB_ENTRY_STREAM;
	report.listing.circuit[1].entry = listener;
	report.listing.circuit[1].generation = 1;
	report.listing.circuit[1].kind = SB_ENTRY_LISTENER;
	stage_report(&stage, &report);
}

START_TEST(another_operator_takes_over_what_there_is)
{
	struct sb_message m = stage_open_message(3, 7, "192.0.2.1", 80);
	struct sb_message l = stage_listen_message(4, 1, "0.0.0.0", 80);
	uint32_t epoch;
	int i;

	web_up();
	send_request(web, &m);
	expect_open(web->domain, 3, 7);
	send_request(web, &l);
	stage_order_expect(&stage, IPC_ORDER_LISTEN);
	epoch = sb_load(&web->trunk.page->peer_epoch);
	stage_operator_kill(&stage);
	/* a request that nobody has read yet */
	m = stage_open_message(5, 1, "192.0.2.1", 80);
	send_request(web, &m);
	stage_operator_start(&stage);
	for (i = 0; i < 1000 && !ipc_connected(stage.proxy); i++)
		usleep(5000);
	for (i = 0; i < 1000 && sb_load(&web->trunk.page->peer_epoch) == epoch;
	     i++)
		usleep(5000);
	ck_assert_uint_ne(sb_load(&web->trunk.page->peer_epoch), epoch);
	stage_hello(&stage, 1);
	report_web_line(4, web_line->header_gref, web_line->channel.port);
	stage_trunk_expect(web, SB_MESSAGE_LINE_WANTED, &m);
	ck_assert_int_eq(guest_request_line_ready(web_line), 0);
	/* refused, for lack of a line, or ordered: both are answers */
	usleep(200000);
	while (stage_order_next(&stage, 100))
		;
	db_up();
	stage_refused(db, &l, EADDRINUSE);
	report_ended(web->domain, 4, 1);
	usleep(50000);
	send_request(db, &l);
	stage_order_expect(&stage, IPC_ORDER_LISTEN);
}
END_TEST

START_TEST(a_line_of_a_driver_that_is_gone_is_not_taken_over)
{
	struct sb_message m = stage_open_message(3, 7, "192.0.2.1", 80);
	uint32_t domain;

	web_up();
	domain = web->domain;
	stage_operator_kill(&stage);
	/* the driver is loaded anew while nobody looks */
	guest_free(web);
	web = stage_guest(&stage, "web", STAGE_IDENTITY_WEB, domain);
	stage_operator_start(&stage);
	stage_hello(&stage, 1);
	report_web_line(4, 1, 1);
	ck_assert_int_eq(guest_trunk_connect(web, STAGE_TIMEOUT_MS), 0);
	stage_report(&stage, &report);
	web_line = guest_line_new(web, 0, SB_LINE_TCP, 0);
	ck_assert_int_eq(guest_request_line_ready(web_line), 0);
	while (stage_order_next(&stage, STAGE_TIMEOUT_MS)->type !=
	       IPC_ORDER_ATTACH)
		;
	report.type = IPC_REPORT_ATTACHED;
	report.line.guest = domain;
	report.line.line = 0;
	stage_report(&stage, &report);
	send_request(web, &m);
	expect_open(domain, 3, 7);
}
END_TEST

/* --- the administrator --- */

static int run_tool(const char *command)
{
	const char *argument[] = { "switchboard", "--run-dir",
				   stage.base.directory, command, NULL };

	return stage_end(stage_run("switchboard", argument), 0);
}

START_TEST(the_configuration_is_read_again_when_it_is_good)
{
	struct sb_message m = stage_open_message(3, 7, "198.51.100.1", 80);

	web_up();
	stage_refused(web, &m, EACCES);
	ck_assert_int_eq(run_tool("status"), 0);
	ck_assert_int_eq(run_tool("guests"), 0);
	ck_assert_int_eq(run_tool("circuits"), 0);
	ck_assert_int_eq(run_tool("check"), 0);
	stage_write_config(&stage, "{ \"udp_proxies\": [], \"guests\": { "
				   "\"web\": 1 } }");
	ck_assert_int_eq(run_tool("check"), 1);
	ck_assert_int_eq(run_tool("reload"), 1);
	stage_refused(web, &m, EACCES);
	stage_write_config(&stage, "{ \"udp_proxies\": [], \"guests\": { "
				   "\"web\": {"
				   "\"addresses\": [\"10.0.0.9/24\"], "
				   "\"connect\": ["
				   "{\"to\":\"any\",\"ports\":80}] } } }");
	ck_assert_int_eq(run_tool("reload"), 0);
	/* limits may have changed, and verdicts hold no longer */
	stage_order_expect(&stage, IPC_ORDER_ATTACH);
	send_request(web, &m);
	expect_open(web->domain, 3, 7);
	stage_trunk_expect(web, SB_MESSAGE_ADDRESS, &m);
	ck_assert_uint_eq(m.local.bytes[3], 9);
	stage_trunk_expect(web, SB_MESSAGE_CONFIGURED, &m);
}
END_TEST

START_TEST(guests_come_and_go_with_the_configuration)
{
	static const char only_db[] = "{ \"udp_proxies\": [], \"guests\": { "
				      "\"db\": {"
				      "\"addresses\": [\"10.0.0.3/24\"] } } }";

	web_up();
	stage_write_config(&stage, only_db);
	kill(stage.operator_process, SIGHUP);
	stage_order_expect(&stage, IPC_ORDER_DETACH);
	ck_assert_int_eq(guest_trunk_disconnect(web, STAGE_TIMEOUT_MS), 0);
	guest_device_set(web, LOCAL_STATE_INITIALISING);
	stage_write_config(&stage, operator_config);
	kill(stage.operator_process, SIGHUP);
	guest_line_free(web_line);
	web_line = stage_guest_up(&stage, web);
}
END_TEST

static Suite *operator_suite(void)
{
	Suite *suite = suite_create("operator");
	TCase *t = tcase_create("operator");

	tcase_add_checked_fixture(t, open_stage, close_stage);
	tcase_set_timeout(t, 30);
	tcase_add_test(t, a_guest_gets_addresses_name_servers_and_a_line);
	tcase_add_test(t, a_domain_that_is_not_configured_gets_nothing);
	tcase_add_test(t, an_allowed_open_becomes_an_order);
	tcase_add_test(t, what_policy_does_not_allow_is_refused);
	tcase_add_test(t, a_request_sent_again_gives_the_same_order_again);
	tcase_add_test(t, circuits_and_listeners_are_limited_and_freed);
	tcase_add_test(t, a_published_port_belongs_to_the_first_until_it_ends);
	tcase_add_test(t, port_0_is_a_port_that_may_be_published);
	tcase_add_test(t, a_bound_port_that_may_be_published_is_the_source);
	tcase_add_test(t, a_question_is_answered_by_policy);
	tcase_add_test(
		t, a_bound_port_that_may_be_published_is_where_it_comes_from);
	tcase_add_test(t, a_datagram_socket_is_bound_where_it_may_be_published);
	tcase_add_test(t,
		       a_question_about_another_guest_or_line_is_not_answered);
	tcase_add_test(t, a_reload_withdraws_what_was_said);
	tcase_add_test(t, a_line_that_the_proxy_gives_up_is_made_again);
	tcase_add_test(t, a_guest_that_vanishes_is_detached);
	tcase_add_test(t, a_domain_id_used_again_inherits_nothing);
	tcase_add_test(t, a_guest_may_vanish_at_any_step);
	tcase_add_test(t, a_driver_may_leave_and_come_back);
	tcase_add_test(t, another_proxy_process_gets_lines_and_listeners_again);
	tcase_add_test(t, a_request_waits_a_moment_for_a_proxy_that_is_away);
	tcase_add_test(t, another_operator_takes_over_what_there_is);
	tcase_add_test(t, a_line_of_a_driver_that_is_gone_is_not_taken_over);
	tcase_add_test(t, the_configuration_is_read_again_when_it_is_good);
	tcase_add_test(t, guests_come_and_go_with_the_configuration);
	suite_add_tcase(suite, t);
	return suite;
}

int main(void)
{
	return unit_run(operator_suite());
}
