/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * operator_questions.c - what a proxy asks the operator, and what it tells
 *
 * operator_stage.h draws it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/operator_scene.h"

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
		ck_assert_uint_eq(verdict_error(kind, "192.0.2.1", 22), EACCES);
		/* no port of UDP: an echo */
		ck_assert_uint_eq(verdict_error(kind, "192.0.2.1", 0),
				  kind == IPC_KIND_STREAM ? EACCES : 0);
		ck_assert_uint_eq(verdict_error(kind, "127.0.0.1", 80), EACCES);
		ck_assert_uint_eq(verdict_error(kind, "::1", 80), EACCES);
		ck_assert_uint_eq(verdict_error(kind, "169.254.169.254", 80),
				  EACCES);
		ck_assert_uint_eq(verdict_error(kind, "::ffff:127.0.0.1", 80),
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
	ck_assert_uint_eq(verdict_error(IPC_KIND_BIND, "0.0.0.0", 81), EACCES);
	ck_assert_uint_eq(verdict_error(IPC_KIND_BIND, "0.0.0.0", 0), EACCES);
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
	ck_assert_uint_eq(verdict_error(IPC_KIND_STREAM, "192.0.2.1", 80), 0);
}
END_TEST

START_TEST(a_reload_withdraws_what_was_said)
{
	const struct ipc_attach *a;

	web_up();
	ck_assert_uint_eq(verdict_error(IPC_KIND_STREAM, "192.0.2.1", 80), 0);
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
	ck_assert_uint_eq(a->addresses, 2);
	ck_assert_str_eq(a->address[0], "10.0.0.2");
	ck_assert_str_eq(a->address[1], "fd00::2");
	ck_assert_uint_eq(verdict_error(IPC_KIND_STREAM, "192.0.2.1", 80),
			  EACCES);
}
END_TEST

static const struct ipc_guest_row *ask_about_web(void)
{
	const struct ipc_guest_row *row = &ask_status()->guest[0];

	ck_assert_str_eq(row->name, "web");
	return row;
}

START_TEST(how_much_a_guest_uses_is_told_by_the_proxy)
{
	const struct ipc_guest_row *row;

	web_up();
	report.type = IPC_REPORT_COUNTS;
	report.counts = (struct ipc_counts){
		.guest = web->domain, .circuits = 17, .calls = 99, .refused = 3
	};
	stage_report(&stage, &report);
	reports_done();
	row = ask_about_web();
	ck_assert_uint_eq(row->circuits, 17);
	ck_assert_uint_eq(row->refused, 3);
	ck_assert_uint_ge(row->requests, 99);
	/* the next process begins anew, what was is not forgotten */
	stage_proxy_go(&stage);
	stage_proxy_come(&stage, 2);
	stage_order_expect(&stage, IPC_ORDER_ATTACH);
	row = ask_about_web();
	ck_assert_uint_eq(row->circuits, 0);
	ck_assert_uint_eq(row->refused, 3);
	ck_assert_uint_ge(row->requests, 99);
}
END_TEST

static Suite *questions_suite(void)
{
	Suite *suite = suite_create("operator, questions");
	TCase *t = tcase_create("operator, questions");

	tcase_add_checked_fixture(t, open_stage, close_stage);
	tcase_set_timeout(t, 30);
	tcase_add_test(t, a_question_is_answered_by_policy);
	tcase_add_test(
		t, a_bound_port_that_may_be_published_is_where_it_comes_from);
	tcase_add_test(t, a_datagram_socket_is_bound_where_it_may_be_published);
	tcase_add_test(t,
		       a_question_about_another_guest_or_line_is_not_answered);
	tcase_add_test(t, a_reload_withdraws_what_was_said);
	tcase_add_test(t, how_much_a_guest_uses_is_told_by_the_proxy);
	suite_add_tcase(suite, t);
	return suite;
}

int main(void)
{
	return unit_run(questions_suite());
}
