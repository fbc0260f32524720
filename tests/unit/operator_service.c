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

/* The tool's exit status when nobody answers */
#define TOOL_NOBODY 2

/* --- the normal life --- */

START_TEST(a_guest_gets_addresses_name_servers_and_a_line)
{
	struct sb_message m;

	web = stage_guest(&stage, "web", STAGE_IDENTITY_WEB, 0);
	ck_assert_int_eq(guest_trunk_connect(web, STAGE_TIMEOUT_MS), 0);
	ck_assert_int_eq(guest_trunk_expect(web, SB_MESSAGE_ADDRESS, &m,
					    STAGE_TIMEOUT_MS),
			 0);
	ck_assert_uint_eq(m.local.family, SB_FAMILY_IPV4);
	ck_assert_uint_eq(m.prefix, 24);
	ck_assert_int_eq(guest_trunk_expect(web, SB_MESSAGE_ADDRESS, &m,
					    STAGE_TIMEOUT_MS),
			 0);
	ck_assert_uint_eq(m.local.family, SB_FAMILY_IPV6);
	ck_assert_uint_eq(m.prefix, 64);
	ck_assert_int_eq(guest_trunk_expect(web, SB_MESSAGE_NAMESERVER, &m,
					    STAGE_TIMEOUT_MS),
			 0);
	ck_assert_int_eq(guest_trunk_expect(web, SB_MESSAGE_CONFIGURED, &m,
					    STAGE_TIMEOUT_MS),
			 0);
	ck_assert_int_eq(guest_trunk_expect(web, SB_MESSAGE_LINE_WANTED, &m,
					    STAGE_TIMEOUT_MS),
			 0);
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

START_TEST(a_port_that_may_not_be_published_is_refused)
{
	struct sb_message m = stage_listen_message(4, 1, "0.0.0.0", 81);

	web_up();
	stage_refused(web, &m, EACCES);
	stage_order_none(&stage, 100);
	m = stage_listen_message(4, 1, "0.0.0.0", 80);
	send_request(web, &m);
	expect_listen(web->domain, 4, 1);
}
END_TEST

START_TEST(a_request_sent_again_gives_the_same_order_again)
{
	struct sb_message l = stage_listen_message(4, 1, "0.0.0.0", 80);
	int i;

	web_up();
	for (i = 0; i < 20; i++) {
		send_request(web, &l);
		expect_listen(web->domain, 4, 1);
	}
}
END_TEST

START_TEST(listeners_are_limited_and_freed)
{
	struct sb_message l;
	uint32_t i;

	web_up();
	for (i = 0; i < 2; i++) {
		l = stage_listen_message(100 + i, 1, "0.0.0.0", 80);
		send_request(web, &l);
		expect_listen(web->domain, 100 + i, 1);
	}
	l = stage_listen_message(102, 1, "0.0.0.0", 80);
	stage_refused(web, &l, ENOBUFS);
	/* another generation: not this one */
	report_ended(web->domain, 100, 2);
	report_ended(web->domain, 101, 1);
	/* the report and the request come by different ways */
	reports_done();
	send_request(web, &l);
	expect_listen(web->domain, 102, 1);
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
	reports_done();
	send_request(db, &l);
	order = stage_order_expect(&stage, IPC_ORDER_LISTEN);
	ck_assert_uint_eq(order->listen.guest, db->domain);
}
END_TEST

/* What is ordered of a listener with a place for each family */
static void expect_both_places(void)
{
	const struct ipc_listen *order =
		&stage_order_expect(&stage, IPC_ORDER_LISTEN)->listen;

	ck_assert_uint_eq(order->local.family, SB_FAMILY_IPV6);
	ck_assert_uint_eq(order->local.port, 18086);
	ck_assert_uint_eq(order->other.family, SB_FAMILY_IPV4);
	ck_assert_uint_eq(order->other.port, 18080);
}

START_TEST(a_socket_on_both_families_is_published_for_each)
{
	struct sb_message l = stage_listen_message(4, 1, "::", 80);
	const struct ipc_message *order;

	web_up();
	db_up();
	/* IPV6_V6ONLY, or bound to an address: the IPv6 rule alone */
	send_request(web, &l);
	order = stage_order_expect(&stage, IPC_ORDER_LISTEN);
	ck_assert_uint_eq(order->listen.local.port, 18086);
	ck_assert_uint_eq(order->listen.other.family, SB_FAMILY_NONE);
	report_ended(web->domain, 4, 1);
	reports_done();
	l = stage_listen_message(4, 2, "::", 80);
	l.kind = SB_LISTEN_BOTH;
	send_request(web, &l);
	expect_both_places();
	/* asked for again: the same */
	send_request(web, &l);
	expect_both_places();
	/* and both are taken */
	l = stage_listen_message(5, 1, "0.0.0.0", 80);
	stage_refused(db, &l, EADDRINUSE);
	report_ended(web->domain, 4, 2);
	reports_done();
	send_request(db, &l);
	expect_listen(db->domain, 5, 1);
	/* one of both is another guest's */
	l = stage_listen_message(4, 3, "::", 80);
	l.kind = SB_LISTEN_BOTH;
	stage_refused(web, &l, EADDRINUSE);
	l.kind = SB_LISTEN_BOTH + 1;
	stage_refused(web, &l, EINVAL);
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
	m = stage_listen_message(3, 7, "0.0.0.0", 80);
	stage_refused(web, &m, ENETUNREACH);
	ck_assert_int_eq(guest_request_line_gone(web, 0), 0);
	stage_trunk_expect(web, SB_MESSAGE_LINE_WANTED, &m);
	ck_assert_int_eq(guest_request_line_ready(web_line), 0);
	stage_order_expect(&stage, IPC_ORDER_ATTACH);
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
	struct sb_message m = stage_listen_message(3, 7, "0.0.0.0", 80);
	uint32_t domain;

	web_up();
	send_request(web, &m);
	expect_listen(web->domain, 3, 7);
	domain = web->domain;
	guest_free(web);
	stage_order_expect(&stage, IPC_ORDER_DETACH);
	web = stage_guest(&stage, "stranger", STAGE_IDENTITY_DB, domain);
	ck_assert_int_eq(guest_device_wait(web, LOCAL_STATE_INIT_WAIT, 300),
			 -ETIMEDOUT);
	guest_free(web);
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
	if (step >= 7)
		stage_attach_order(&stage, g->domain);
	guest_free(g);
}

START_TEST(a_guest_may_vanish_at_any_step)
{
	int step, round;

	for (round = 0; round < 3; round++) {
		for (step = 0; step <= 7; step++)
			vanish_after(step);
	}
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
	struct sb_message l = stage_listen_message(4, 1, "0.0.0.0", 80);
	const struct ipc_message *order;

	web_up();
	send_request(web, &l);
	expect_listen(web->domain, 4, 1);
	stage_proxy_go(&stage);
	stage_proxy_come(&stage, 2);
	order = stage_order_expect(&stage, IPC_ORDER_ATTACH);
	ck_assert_uint_eq(order->attach.gref, web_line->header_gref);
	order = stage_order_expect(&stage, IPC_ORDER_LISTEN);
	ck_assert_uint_eq(order->listen.entry, 4);
	ck_assert_uint_eq(order->listen.local.port, 18080);
}
END_TEST

START_TEST(another_operator_takes_over_what_there_is)
{
	struct sb_message m;
	struct sb_message l = stage_listen_message(4, 1, "0.0.0.0", 80);
	uint32_t epoch;

	web_up();
	send_request(web, &l);
	expect_listen(web->domain, 4, 1);
	epoch = sb_load(&web->trunk.page->peer_epoch);
	stage_operator_kill(&stage);
	/* a request that nobody has read yet */
	m = stage_listen_message(5, 1, "0.0.0.0", 90);
	send_request(web, &m);
	stage_operator_start(&stage);
	unit_until(sb_load(&web->trunk.page->peer_epoch) != epoch);
	stage_hello(&stage, 1);
	report_web_line(4, web_line->header_gref, web_line->channel.port);
	stage_trunk_expect(web, SB_MESSAGE_LINE_WANTED, &m);
	ck_assert_int_eq(guest_request_line_ready(web_line), 0);
	/* refused, for lack of a line, or ordered: both are answers */
	requests_done(web);
	reports_done();
	db_up();
	stage_refused(db, &l, EADDRINUSE);
	report_ended(web->domain, 4, 1);
	reports_done();
	send_request(db, &l);
	stage_order_expect(&stage, IPC_ORDER_LISTEN);
}
END_TEST

/* The proxy's list says both, and both are taken */
START_TEST(both_places_of_a_listener_outlive_the_operator)
{
	struct sb_message l = stage_listen_message(4, 1, "::", 80), m;
	uint32_t epoch;

	web_up();
	l.kind = SB_LISTEN_BOTH;
	send_request(web, &l);
	expect_both_places();
	epoch = sb_load(&web->trunk.page->peer_epoch);
	stage_operator_kill(&stage);
	stage_operator_start(&stage);
	unit_until(sb_load(&web->trunk.page->peer_epoch) != epoch);
	stage_hello(&stage, 1);
	report_web_both(4);
	stage_trunk_expect(web, SB_MESSAGE_LINE_WANTED, &m);
	ck_assert_int_eq(guest_request_line_ready(web_line), 0);
	requests_done(web);
	reports_done();
	db_up();
	m = stage_listen_message(5, 1, "0.0.0.0", 80);
	stage_refused(db, &m, EADDRINUSE);
	send_request(web, &l);
	expect_both_places();
}
END_TEST

START_TEST(a_line_of_a_driver_that_is_gone_is_not_taken_over)
{
	struct sb_message m = stage_listen_message(3, 7, "0.0.0.0", 80);
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
	expect_listen(domain, 3, 7);
}
END_TEST

/* --- the administrator --- */

static int run_tool(const char *command)
{
	const char *argument[] = { "switchboard", "--run-dir",
				   stage.base.directory, command, NULL };

	int status;

	/* it does not wait long for an operator that has no time for it */
	unit_until((status = stage_end(stage_run("switchboard", argument),
				       0)) != TOOL_NOBODY);
	return status;
}

START_TEST(the_configuration_is_read_again_when_it_is_good)
{
	struct sb_message m;

	web_up();
	ck_assert_uint_eq(verdict_error(IPC_KIND_STREAM, "198.51.100.1", 80),
			  EACCES);
	ck_assert_int_eq(run_tool("status"), 0);
	ck_assert_int_eq(run_tool("guests"), 0);
	ck_assert_int_eq(run_tool("listeners"), 0);
	ck_assert_int_eq(run_tool("check"), 0);
	stage_write_config(&stage, "{ \"udp_proxies\": [], \"guests\": { "
				   "\"web\": 1 } }");
	ck_assert_int_eq(run_tool("check"), 1);
	ck_assert_int_eq(run_tool("reload"), 1);
	ck_assert_uint_eq(verdict_error(IPC_KIND_STREAM, "198.51.100.1", 80),
			  EACCES);
	stage_write_config(&stage, "{ \"udp_proxies\": [], \"guests\": { "
				   "\"web\": {"
				   "\"addresses\": [\"10.0.0.9/24\"], "
				   "\"connect\": ["
				   "{\"to\":\"any\",\"ports\":80}] } } }");
	ck_assert_int_eq(run_tool("reload"), 0);
	/* limits may have changed, and verdicts hold no longer */
	stage_order_expect(&stage, IPC_ORDER_ATTACH);
	ck_assert_uint_eq(verdict_error(IPC_KIND_STREAM, "198.51.100.1", 80),
			  0);
	stage_trunk_expect(web, SB_MESSAGE_ADDRESS, &m);
	/* those that it got first are still in its ring */
	while (m.local.bytes[3] != 9)
		stage_trunk_expect(web, SB_MESSAGE_ADDRESS, &m);
	stage_trunk_expect(web, SB_MESSAGE_CONFIGURED, &m);
}
END_TEST

START_TEST(other_proxies_take_a_restart_and_the_tool_says_so)
{
	const struct ipc_message *answer;

	web_up();
	stage_write_config(&stage, "{ \"udp_proxies\": [\"main\"], "
				   "\"guests\": {} }");
	answer = ask_operator(IPC_REQUEST_CHECK);
	ck_assert_int_eq(answer->type, IPC_ANSWER_DONE);
	ck_assert_ptr_nonnull(strstr(answer->answer.text, "restart switch"));
	answer = ask_operator(IPC_REQUEST_RELOAD);
	ck_assert_int_eq(answer->type, IPC_ANSWER_FAILED);
	ck_assert_ptr_nonnull(strstr(answer->answer.text, "restart switch"));
	ck_assert_ptr_nonnull(strstr(answer->answer.text, "old"));
	/* nothing of it holds: the guest is still there */
	ck_assert_uint_eq(verdict_error(IPC_KIND_STREAM, "192.0.2.1", 80), 0);
	stage_write_config(&stage, operator_config);
	answer = ask_operator(IPC_REQUEST_CHECK);
	ck_assert_ptr_null(strstr(answer->answer.text, "restart"));
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
	tcase_add_test(t, a_port_that_may_not_be_published_is_refused);
	tcase_add_test(t, a_request_sent_again_gives_the_same_order_again);
	tcase_add_test(t, listeners_are_limited_and_freed);
	tcase_add_test(t, a_published_port_belongs_to_the_first_until_it_ends);
	tcase_add_test(t, a_socket_on_both_families_is_published_for_each);
	tcase_add_test(t, both_places_of_a_listener_outlive_the_operator);
	tcase_add_test(t, port_0_is_a_port_that_may_be_published);
	tcase_add_test(t, a_line_that_the_proxy_gives_up_is_made_again);
	tcase_add_test(t, a_guest_that_vanishes_is_detached);
	tcase_add_test(t, a_domain_id_used_again_inherits_nothing);
	tcase_add_test(t, a_guest_may_vanish_at_any_step);
	tcase_add_test(t, a_driver_may_leave_and_come_back);
	tcase_add_test(t, another_proxy_process_gets_lines_and_listeners_again);
	tcase_add_test(t, another_operator_takes_over_what_there_is);
	tcase_add_test(t, a_line_of_a_driver_that_is_gone_is_not_taken_over);
	tcase_add_test(t, the_configuration_is_read_again_when_it_is_good);
	tcase_add_test(t, other_proxies_take_a_restart_and_the_tool_says_so);
	tcase_add_test(t, guests_come_and_go_with_the_configuration);
	suite_add_tcase(suite, t);
	return suite;
}

int main(void)
{
	return unit_run(operator_suite());
}
