/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * operator_away.c - a proxy that stays away, and comes back
 *
 * operator_stage.h draws it. What is asked for meanwhile waits a moment for
 * another process. Its guests lose their lines when it is away for
 * as long as the configuration says, here the shortest time there is, and are
 * asked for others when it is here again.
 */
#include <errno.h>
#include <stdio.h>

#include "tests/unit/operator_scene.h"

static void open_impatient_stage(void)
{
	char config[2048];

	snprintf(config, sizeof(config), "{ \"proxy_away_s\": 1,%s",
		 operator_config + 1);
	operator_stage_open(&stage, config);
}

/* web loses its line and tears it down; until then it says that it has it */
static void lose_line(void)
{
	struct sb_message m = { 0 };

	while (m.type != SB_MESSAGE_LINE_LOST) {
		ck_assert_int_eq(guest_trunk_receive(web, &m, STAGE_TIMEOUT_MS),
				 0);
		if (m.type == SB_MESSAGE_LINE_WANTED)
			guest_request_line_ready(web_line);
	}
	ck_assert_uint_eq(m.line, 0);
	/* said before that was heard: no lie */
	ck_assert_int_eq(guest_request_line_ready(web_line), 0);
	ck_assert_int_eq(guest_request_line_gone(web, 0), 0);
}

static void make_line_again(struct guest *g, struct guest_line *l)
{
	const struct ipc_message *order;
	struct sb_message m;

	stage_trunk_expect(g, SB_MESSAGE_LINE_WANTED, &m);
	ck_assert_uint_eq(m.line, 0);
	ck_assert_int_eq(guest_request_line_ready(l), 0);
	order = stage_attach_order(&stage, g->domain);
	ck_assert_uint_eq(order->attach.gref, l->header_gref);
}

static void no_lies(void)
{
	const struct ipc_status *status = ask_status();

	for (uint32_t i = 0; i < status->guests; i++)
		ck_assert_uint_eq(status->guest[i].lies, 0);
}

/* A guest that comes now is asked for nothing that nobody would serve */
static void come_without_line(struct guest *g)
{
	const struct sb_message listen =
		stage_listen_message(3, 1, "0.0.0.0", 80);
	struct sb_message m = { 0 };

	ck_assert_int_eq(guest_trunk_connect(g, STAGE_TIMEOUT_MS), 0);
	send_request(g, &listen);
	while (m.type != SB_MESSAGE_REFUSED) {
		ck_assert_int_eq(guest_trunk_receive(g, &m, STAGE_TIMEOUT_MS),
				 0);
		ck_assert_uint_ne(m.type, SB_MESSAGE_LINE_WANTED);
	}
	ck_assert_uint_eq(m.error, ENETUNREACH);
}

START_TEST(guests_lose_the_line_of_a_proxy_that_is_gone)
{
	struct sb_message l = stage_listen_message(4, 1, "0.0.0.0", 80);
	struct guest_line *db_line;

	web_up();
	send_request(web, &l);
	expect_listen(web->domain, 4, 1);
	stage_proxy_go(&stage);
	lose_line();
	stage_refused(web, &l, ENETUNREACH);
	db = stage_guest(&stage, "db", STAGE_IDENTITY_DB, 0);
	come_without_line(db);
	no_lies();
	stage_proxy_come(&stage, 2);
	make_line_again(web, web_line);
	db_line = guest_line_new(db, 0, SB_LINE_TCP, 0);
	make_line_again(db, db_line);
	/* nothing is left of the listener that there was */
	send_request(db, &l);
	expect_listen(db->domain, 4, 1);
}
END_TEST

START_TEST(an_operator_that_finds_no_proxy_takes_lines_away_too)
{
	struct sb_message l = stage_listen_message(4, 1, "0.0.0.0", 80);
	uint32_t epoch;

	web_up();
	send_request(web, &l);
	expect_listen(web->domain, 4, 1);
	epoch = sb_load(&web->trunk.page->peer_epoch);
	stage_operator_kill(&stage);
	stage_proxy_go(&stage);
	stage_operator_start(&stage);
	unit_until(sb_load(&web->trunk.page->peer_epoch) != epoch);
	lose_line();
	/* it was only out of reach: what it still has nobody wants */
	stage_proxy_come(&stage, 1);
	report_web_line(4, web_line->header_gref, web_line->channel.port);
	ck_assert_uint_eq(
		stage_order_expect(&stage, IPC_ORDER_DETACH)->line.guest,
		web->domain);
	make_line_again(web, web_line);
	db_up();
	send_request(db, &l);
	expect_listen(db->domain, 4, 1);
	no_lies();
}
END_TEST

/*
 * Ask while no proxy is there, which the operator has noticed or not yet, and
 * let another process come. Return: was it ordered? Or was the machine so slow
 * that the operator gave up waiting?
 */
static bool is_ordered_late(uint32_t epoch, bool noticed)
{
	struct sb_message m = stage_listen_message(epoch, 7, "0.0.0.0", 80);
	struct sb_message answer;

	stage_proxy_go(&stage);
	if (noticed)
		proxies_here(0);
	send_request(web, &m);
	/* it need not, but may look at the request meanwhile */
	usleep(100000);
	stage_proxy_come(&stage, epoch);
	stage_order_expect(&stage, IPC_ORDER_ATTACH);
	for (;;) {
		const struct ipc_message *o = stage_order_next(&stage, 10);

		if (o && o->type == IPC_ORDER_LISTEN)
			return o->listen.entry == epoch;
		if (guest_trunk_receive(web, &answer, 0) == 0 &&
		    answer.type == SB_MESSAGE_REFUSED)
			return false;
	}
}

START_TEST(a_request_waits_a_moment_for_a_proxy_that_is_away)
{
	struct sb_message m = stage_listen_message(1, 7, "0.0.0.0", 80);
	uint32_t epoch = 2;

	web_up();
	while (!is_ordered_late(epoch, true))
		ck_assert_uint_lt(epoch++, 10);
	stage_proxy_go(&stage);
	proxies_here(0);
	stage_refused(web, &m, ENETUNREACH);
}
END_TEST

START_TEST(a_request_for_a_proxy_that_just_died_goes_to_the_next)
{
	uint32_t epoch = 2;

	web_up();
	while (!is_ordered_late(epoch, false))
		ck_assert_uint_lt(epoch++, 10);
}
END_TEST

static TCase *moment_tests(void)
{
	TCase *t = tcase_create("moment");

	tcase_add_checked_fixture(t, open_stage, close_stage);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, a_request_waits_a_moment_for_a_proxy_that_is_away);
	tcase_add_test(t,
		       a_request_for_a_proxy_that_just_died_goes_to_the_next);
	return t;
}

int main(void)
{
	Suite *suite = suite_create("operator_away");
	TCase *t = tcase_create("away");

	tcase_add_checked_fixture(t, open_impatient_stage, close_stage);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, guests_lose_the_line_of_a_proxy_that_is_gone);
	tcase_add_test(t, an_operator_that_finds_no_proxy_takes_lines_away_too);
	suite_add_tcase(suite, t);
	suite_add_tcase(suite, moment_tests());
	return unit_run(suite);
}
