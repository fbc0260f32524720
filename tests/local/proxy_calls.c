// SPDX-License-Identifier: GPL-2.0-only
/*
 * proxy_calls.c - calls and verdicts: what a guest may write, what an operator
 * may say, and when
 *
 * Each test ends by proving that an honest guest beside the one that calls is
 * served.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "services/common/limits.h"
#include "tests/local/neighbours.h"
#include "tests/unit/unit.h"

/* What a proxy may hold of a thousand calls; a sanitizer keeps its own of each */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SPARE_KIB 32768u
#else
#define SPARE_KIB 2048u
#endif

static struct neighbours two;

static void setup(void)
{
	neighbours_open(&two);
}

static void teardown(void)
{
	neighbours_close(&two);
}

START_TEST(a_known_destination_is_connected_without_a_question)
{
	struct sb_address to, from = { .family = SB_FAMILY_IPV4, .port = 9 };
	struct guest_circuit *c = guest_circuit_new(two.liar, 2);
	const struct ipc_question *question;
	uint16_t port;
	int listener = stage_listener(&port);

	to = stage_loopback(port);
	stage_connect(&two.stage, c, &to);
	for (int i = 0; i < 5; i++) {
		c = guest_circuit_new(two.liar, 2);
		guest_circuit_call(c, NULL, &to);
		ck_assert_int_eq(guest_circuit_wait(c, SB_PEER_OPEN,
						    STAGE_TIMEOUT_MS),
				 0);
	}
	ck_assert(stage_quiet(&two.stage, 20));
	/* but another guest's is its own, and a bound port asks each time */
	c = guest_circuit_new(two.honest, 2);
	guest_circuit_call(c, NULL, &to);
	question = &stage_expect(&two.stage, IPC_REPORT_ASKED)->question;
	ck_assert_uint_eq(question->guest, two.honest->guest->domain);
	ck_assert_uint_eq(question->source.family, SB_FAMILY_NONE);
	stage_answer(&two.stage, question, 0);
	for (int i = 0; i < 2; i++) {
		c = guest_circuit_new(two.liar, 2);
		guest_circuit_call(c, &from, &to);
		question =
			&stage_expect(&two.stage, IPC_REPORT_ASKED)->question;
		ck_assert_uint_eq(question->source.port, 9);
		stage_answer(&two.stage, question, 0);
		ck_assert_int_eq(guest_circuit_wait(c, SB_PEER_OPEN,
						    STAGE_TIMEOUT_MS),
				 0);
	}
	close(listener);
}
END_TEST

START_TEST(a_verdict_may_send_it_elsewhere)
{
	struct guest_circuit *c = guest_circuit_new(two.liar, 2);
	struct sb_address to = { .family = SB_FAMILY_IPV4,
				 .port = 80,
				 .bytes = { 192, 0, 2, 1 } };
	static struct ipc_message m;
	uint16_t port;
	int listener = stage_listener(&port);

	guest_circuit_call(c, NULL, &to);
	m.verdict = (struct ipc_verdict){ .to = stage_loopback(port),
					  .from = stage_loopback(0) };
	m.verdict.from.bytes[3] = 9;
	m.verdict.question =
		stage_expect(&two.stage, IPC_REPORT_ASKED)->question;
	m.type = IPC_ORDER_VERDICT;
	stage_order(&two.stage, &m);
	ck_assert_int_eq(guest_circuit_wait(c, SB_PEER_OPEN, STAGE_TIMEOUT_MS),
			 0);
	ck_assert_uint_eq(c->shared->local.bytes[3], 9);
	ck_assert_uint_eq(c->shared->remote.port, port);
	close(stage_accept(listener));
}
END_TEST

/* What is called is copied once; what is no call is no connection */
static const struct sb_call wrong_calls[] = {
	{ .generation = 0xffffff },
	{ .remote = { .family = SB_FAMILY_NONE, .port = 80 } },
	{ .remote = { .family = 5, .port = 80 } },
	{ .remote = { .family = 0xffff, .port = 80 } },
	{ .remote = { .family = SB_FAMILY_IPV4, .scope = 1, .port = 80 } },
	{ .remote = { .family = SB_FAMILY_IPV4,
		      .port = 80,
		      .bytes = { 127, 0, 0, 1, 1 } } },
	{ .local = { .family = 7 },
	  .remote = { .family = SB_FAMILY_IPV4, .port = 80 } },
};

START_TEST(calls_that_are_none)
{
	struct guest_circuit *c = guest_circuit_new(two.liar, 2);
	struct sb_call *call = &c->index->call;

	*call = wrong_calls[_i];
	if (!call->generation)
		call->generation = c->generation;
	guest_circuit_publish(c, SB_OWNER_OFFERED);
	ck_assert_int_eq(guest_circuit_wait(c, SB_PEER_OPEN, STAGE_TIMEOUT_MS),
			 -EINVAL);
	ck_assert(stage_quiet(&two.stage, 20));
	ck_assert_int_eq(guest_circuit_recycle(c), 0);
}
END_TEST

START_TEST(a_call_to_port_0_is_asked_about_and_refused_by_the_kernel)
{
	struct guest_circuit *c = guest_circuit_new(two.liar, 2);
	struct sb_address to = stage_loopback(0);

	stage_connect(&two.stage, c, &to);
	ck_assert_int_lt(guest_circuit_wait(c, SB_PEER_OPEN, STAGE_TIMEOUT_MS),
			 0);
}
END_TEST

/* While it is asked about, the guest writes another call */
START_TEST(a_call_that_changes_while_it_is_judged)
{
	struct guest_circuit *c = guest_circuit_new(two.liar, 2);
	struct sb_address to, other;
	struct ipc_question question;
	uint16_t port;
	int listener = stage_listener(&port);

	to = stage_loopback(port);
	other = stage_loopback(1);
	guest_circuit_call(c, NULL, &to);
	question = stage_expect(&two.stage, IPC_REPORT_ASKED)->question;
	c->index->call.remote = other;
	c->index->call.generation++;
	stage_answer(&two.stage, &question, 0);
	ck_assert_int_eq(guest_circuit_wait(c, SB_PEER_OPEN, STAGE_TIMEOUT_MS),
			 0);
	close(stage_accept(listener));
	/* a verdict about what nobody asked changes nothing */
	question.remote = other;
	stage_answer(&two.stage, &question, 0);
	ck_assert_int_eq(guest_circuit_send(c, "x", 1), 1);
}
END_TEST

START_TEST(a_verdict_for_a_circuit_that_is_gone)
{
	struct guest_circuit *c = guest_circuit_new(two.liar, 2);
	struct sb_address to = stage_loopback(1);
	struct ipc_question question;

	guest_circuit_call(c, NULL, &to);
	question = stage_expect(&two.stage, IPC_REPORT_ASKED)->question;
	guest_circuit_abort(c);
	ck_assert_int_eq(
		guest_circuit_wait(c, SB_PEER_CLOSED, STAGE_TIMEOUT_MS), 0);
	ck_assert_int_eq(guest_circuit_recycle(c), 0);
	ck_assert_int_eq(guest_circuit_revoke(c, STAGE_TIMEOUT_MS), 0);
	stage_answer(&two.stage, &question, 0);
	/* a line that is not there, or no more */
	question.line = 63;
	stage_answer(&two.stage, &question, 0);
	stage_detach(&two.stage, two.liar);
	question.line = 0;
	stage_answer(&two.stage, &question, 0);
	neighbours_prove_service(&two);
}
END_TEST

START_TEST(a_withdrawal_between_question_and_answer)
{
	struct guest_circuit *c = guest_circuit_new(two.liar, 2);
	struct guest_circuit *next = guest_circuit_new(two.liar, 2);
	struct ipc_question question;
	static struct ipc_message m;
	struct sb_address to;
	uint16_t port;
	int listener = stage_listener(&port);

	to = stage_loopback(port);
	guest_circuit_call(c, NULL, &to);
	question = stage_expect(&two.stage, IPC_REPORT_ASKED)->question;
	m.type = IPC_ORDER_WITHDRAW;
	m.line = (struct ipc_line){ question.guest, question.line };
	stage_order(&two.stage, &m);
	stage_answer(&two.stage, &question, 0);
	ck_assert_int_eq(guest_circuit_wait(c, SB_PEER_OPEN, STAGE_TIMEOUT_MS),
			 0);
	/* and one afterwards: what was known is asked again, and refused */
	stage_order(&two.stage, &m);
	stage_orders_done(&two.stage);
	guest_circuit_call(next, NULL, &to);
	question = stage_expect(&two.stage, IPC_REPORT_ASKED)->question;
	stage_answer(&two.stage, &question, EACCES);
	ck_assert_int_eq(guest_circuit_wait(next, SB_PEER_OPEN,
					    STAGE_TIMEOUT_MS),
			 -EACCES);
	ck_assert_int_eq(guest_circuit_send(c, "x", 1), 1);
	close(listener);
}
END_TEST

START_TEST(a_direct_destination_is_not_connected_here)
{
	struct guest_circuit *c = guest_circuit_new(two.liar, 2);
	struct sb_address to = stage_loopback(1);
	static struct ipc_message m;

	guest_circuit_call(c, NULL, &to);
	m.verdict = (struct ipc_verdict){ .direct = true };
	m.verdict.question =
		stage_expect(&two.stage, IPC_REPORT_ASKED)->question;
	m.type = IPC_ORDER_VERDICT;
	stage_order(&two.stage, &m);
	ck_assert_int_eq(guest_circuit_wait(c, SB_PEER_OPEN, STAGE_TIMEOUT_MS),
			 -EREMCHG);
}
END_TEST

/* Thousands of destinations, which nobody answers: bounded, and only theirs */
START_TEST(a_guest_that_calls_everywhere)
{
	enum { CALLS = 1000 };
	static struct guest_circuit *c[CALLS];
	struct sb_address to = stage_loopback(1);
	uint64_t rss_kib = stage_rss_kib(two.stage.proxy);

	for (int i = 0; i < CALLS; i++) {
		c[i] = guest_circuit_new(two.liar, 0);
		to.port = 1 + i;
		to.bytes[2] = i >> 8;
		guest_circuit_call(c[i], NULL, &to);
	}
	for (unsigned int i = 0; i < LIMIT_LINE_QUESTIONS; i++)
		stage_expect(&two.stage, IPC_REPORT_ASKED);
	ck_assert(stage_quiet(&two.stage, 200));
	neighbours_prove_service(&two);
	for (int i = 0; i < CALLS; i++)
		guest_circuit_abort(c[i]);
	/* what is left is what it holds about them, and none of their pages */
	for (int i = 0; i < CALLS; i++) {
		ck_assert_int_eq(guest_circuit_wait(c[i], SB_PEER_CLOSED,
						    STAGE_TIMEOUT_MS),
				 0);
		ck_assert_int_eq(guest_circuit_revoke(c[i], STAGE_TIMEOUT_MS),
				 0);
	}
	ck_assert_uint_le(stage_rss_kib(two.stage.proxy), rss_kib + SPARE_KIB);
}
END_TEST

START_TEST(calls_beyond_their_rate_wait)
{
	static struct ipc_message m;
	struct guest_circuit *c[40];
	struct sb_address to;
	uint64_t start_ms;
	uint16_t port;
	int listener = stage_listener(&port);

	m.type = IPC_ORDER_ATTACH;
	m.attach = (struct ipc_attach){
		.guest = two.liar->guest->domain,
		.name = "guest",
		.kind = SB_LINE_TCP,
		.gref = two.liar->header_gref,
		.port = two.liar->channel.port,
		.circuits_max = 100,
		.listeners_max = 1,
		.calls_per_s = 100,
		.calls_burst = 10,
	};
	snprintf(m.attach.identity, sizeof(m.attach.identity),
		 "01234567-89ab-cdef-0123-4567%08x", two.liar->guest->domain);
	stage_order(&two.stage, &m);
	stage_expect(&two.stage, IPC_REPORT_ATTACHED);
	to = stage_loopback(port);
	start_ms = guest_now_ms();
	c[0] = guest_circuit_new(two.liar, 2);
	stage_connect(&two.stage, c[0], &to);
	for (int i = 1; i < 40; i++) {
		c[i] = guest_circuit_new(two.liar, 2);
		guest_circuit_call(c[i], NULL, &to);
	}
	neighbours_prove_service(&two);
	/* one that gives up in the queue does not hold it up */
	guest_circuit_abort(c[20]);
	for (int i = 0; i < 40; i++)
		ck_assert_int_eq(guest_circuit_wait(c[i],
						    i == 20 ? SB_PEER_CLOSED
							    : SB_PEER_OPEN,
						    STAGE_TIMEOUT_MS),
				 0);
	ck_assert_uint_ge(guest_now_ms() - start_ms, 250);
	close(listener);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("proxy_calls");
	TCase *tcase = tcase_create("calls");

	tcase_set_timeout(tcase, 20);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase,
		       a_known_destination_is_connected_without_a_question);
	tcase_add_test(tcase, a_verdict_may_send_it_elsewhere);
	tcase_add_loop_test(tcase, calls_that_are_none, 0,
			    sizeof(wrong_calls) / sizeof(wrong_calls[0]));
	tcase_add_test(
		tcase,
		a_call_to_port_0_is_asked_about_and_refused_by_the_kernel);
	tcase_add_test(tcase, a_call_that_changes_while_it_is_judged);
	tcase_add_test(tcase, a_verdict_for_a_circuit_that_is_gone);
	tcase_add_test(tcase, a_withdrawal_between_question_and_answer);
	tcase_add_test(tcase, a_direct_destination_is_not_connected_here);
	tcase_add_test(tcase, a_guest_that_calls_everywhere);
	tcase_add_test(tcase, calls_beyond_their_rate_wait);
	suite_add_tcase(suite, tcase);
	return unit_run(suite);
}
