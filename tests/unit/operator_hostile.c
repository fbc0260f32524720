/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * operator_hostile.c - guests that lie to the operator, or flood it
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

/* --- hostile guests --- */

START_TEST(a_malformed_request_is_answered_and_counted)
{
	static const struct sb_message wrong[] = {
		{ .type = SB_MESSAGE_LISTEN, .line = 1, .generation = 1 },
		{ .type = SB_MESSAGE_LISTEN, .line = 65535, .generation = 1 },
		{ .type = SB_MESSAGE_LISTEN,
		  .entry = SB_ENTRIES_MAX,
		  .generation = 1 },
		{ .type = SB_MESSAGE_LISTEN,
		  .entry = 0xffffffff,
		  .generation = 1 },
		{ .type = SB_MESSAGE_LISTEN, .generation = 0 },
		{ .type = SB_MESSAGE_LISTEN, .generation = 0x1000000 },
		{ .type = SB_MESSAGE_LISTEN, .generation = 1 },
		{ .type = SB_MESSAGE_LISTEN,
		  .generation = 1,
		  .local = { .family = 5 } },
		{ .type = SB_MESSAGE_LISTEN,
		  .generation = 1,
		  .local = { .family = 4, .scope = 1 } },
		{ .type = SB_MESSAGE_LISTEN, .line = 64, .generation = 1 },
		{ .type = SB_MESSAGE_LINE_READY, .line = 1 },
		{ .type = SB_MESSAGE_LINE_GONE, .line = 3 },
	};
	struct sb_message m;
	unsigned int i;

	web_up();
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		stage_refused(web, &wrong[i], EINVAL);
	stage_order_none(&stage, 50);
	m = stage_listen_message(3, 7, "0.0.0.0", 80);
	send_request(web, &m);
	expect_listen(web->domain, 3, 7);
}
END_TEST

START_TEST(a_guest_that_goes_on_lying_is_expelled_and_nobody_else)
{
	struct sb_message m = { .type = 0x7777 };
	struct sb_message good = stage_listen_message(3, 7, "0.0.0.0", 80);
	int i;

	web_up();
	db_up();
	for (i = 0; i < (int)LIMIT_TRUNK_LIES + 10; i++) {
		while (guest_trunk_send(web, &m) == -EAGAIN &&
		       web->backend == LOCAL_STATE_CONNECTED)
			guest_device_wait(web, LOCAL_STATE_CLOSING, 10);
	}
	ck_assert_uint_eq(
		stage_order_expect(&stage, IPC_ORDER_DETACH)->line.guest,
		web->domain);
	send_request(db, &good);
	expect_listen(db->domain, 3, 7);
}
END_TEST

START_TEST(an_index_that_lies_ends_the_trunk)
{
	static const uint32_t lies[] = { 0xffffffff, 0x80000000,
					 3 * SB_TRUNK_AREA_BYTES };
	struct sb_message good = stage_listen_message(3, 7, "0.0.0.0", 80);
	struct sb_message refused = good;
	struct sb_index *mine;
	const struct ipc_message *m;

	web_up();
	db_up();
	mine = &web->trunk.page->index[SB_OWNER];
	sb_store(_i & 1 ? &mine->consumed : &mine->produced, lies[_i / 2]);
	guest_channel_notify(&web->trunk.channel);
	/* `consumed` is looked at when the operator has no more room */
	refused.local.port = 1;
	do {
		if (_i & 1)
			guest_trunk_send(web, &refused);
		m = stage_order_next(&stage, _i & 1 ? 1 : STAGE_TIMEOUT_MS);
		ck_assert(m || _i & 1);
	} while (!m || m->type != IPC_ORDER_DETACH);
	send_request(db, &good);
	expect_listen(db->domain, 3, 7);
}
END_TEST

START_TEST(a_header_that_is_wrong_closes_the_device)
{
	struct guest *g = stage_guest(&stage, "web", STAGE_IDENTITY_WEB, 0);
	struct guest_trunk *t = &g->trunk;

	guest_device_wait(g, LOCAL_STATE_INIT_WAIT, STAGE_TIMEOUT_MS);
	ck_assert_int_eq(guest_trunk_make(g), 0);
	if (_i == 0)
		t->page->magic++;
	if (_i == 1)
		t->page->version = 77;
	if (_i == 2)
		t->page->tx_gref[1] = 0xffffffff;
	if (_i == 3)
		t->page->rx_gref[0] = 1000;
	if (_i == 4)
		t->page->index[SB_OWNER].produced = 1u << 31;
	if (_i == 5)
		t->page->index[SB_PEER].produced = 64;
	if (_i == 6)
		t->channel.port = 99999;
	if (_i == 7)
		t->gref = 0xfffffff0;
	guest_device_set(g, LOCAL_STATE_INITIALISED);
	unit_until(guest_device_wait(g, LOCAL_STATE_CONNECTED, 5) == 0 ||
		   g->backend != LOCAL_STATE_INIT_WAIT);
	ck_assert(g->backend == LOCAL_STATE_CLOSING ||
		  g->backend == LOCAL_STATE_CLOSED);
	db_up();
	guest_free(g);
}
END_TEST

START_TEST(a_flood_of_requests_is_slowed_down_and_harms_nobody)
{
	struct sb_message m = stage_listen_message(0, 1, "0.0.0.0", 80);
	struct sb_message w = stage_listen_message(1, 1, "0.0.0.0", 90);
	unsigned int mine = 0, others = 0;
	uint64_t start_ms;

	web_up();
	db_up(); /* 50 a second, 20 at once */
	start_ms = guest_now_ms();
	while (mine < 60 || others < 4) {
		const struct ipc_message *o;

		/* each repeat is a request, and ordered again */
		while (guest_trunk_send(db, &m) == 0)
			;
		o = stage_order_next(&stage, 5);
		if (o && o->type == IPC_ORDER_LISTEN)
			*(o->listen.guest == db->domain ? &mine : &others) += 1;
		if (others == mine / 10)
			guest_trunk_send(web, &w);
		ck_assert_uint_le(mine, 20 + (guest_now_ms() - start_ms) / 20);
		ck_assert_uint_lt(guest_now_ms() - start_ms, STAGE_TIMEOUT_MS);
	}
}
END_TEST

START_TEST(a_guest_that_reads_no_answers_gets_no_more_work_done)
{
	struct sb_message m = stage_listen_message(0, 1, "0.0.0.0", 22);
	struct sb_message good = stage_listen_message(3, 7, "0.0.0.0", 80);
	int i, sent = 0;

	web_up();
	db_up();
	for (i = 0; i < 200; i++) {
		if (guest_trunk_send(web, &m) == 0)
			sent++;
		else
			usleep(1000);
	}
	/* 64 answers in its ring, one waiting, 64 requests in the other */
	ck_assert_int_le(sent, 64 + 1 + 64 + 32);
	send_request(db, &good);
	expect_listen(db->domain, 3, 7);
	/* when it reads, everything is answered */
	for (i = 0; i < sent; i++)
		stage_trunk_expect(web, SB_MESSAGE_REFUSED, &m);
}
END_TEST

START_TEST(a_storm_of_events_with_nothing_behind_is_paid_for)
{
	struct sb_message good = stage_listen_message(3, 7, "0.0.0.0", 80);
	int i;

	web_up();
	db_up();
	for (i = 0; i < 20000; i++)
		guest_channel_notify(&web->trunk.channel);
	send_request(db, &good);
	expect_listen(db->domain, 3, 7);
	good.local.port = 90;
	send_request(web, &good);
	expect_listen(web->domain, 3, 7);
}
END_TEST

static Suite *hostile_suite(void)
{
	Suite *suite = suite_create("operator, hostile guests");
	TCase *t = tcase_create("operator, hostile guests");

	tcase_add_checked_fixture(t, open_stage, close_stage);
	tcase_set_timeout(t, 30);
	tcase_add_test(t, a_malformed_request_is_answered_and_counted);
	tcase_add_test(t,
		       a_guest_that_goes_on_lying_is_expelled_and_nobody_else);
	tcase_add_loop_test(t, an_index_that_lies_ends_the_trunk, 0, 6);
	tcase_add_loop_test(t, a_header_that_is_wrong_closes_the_device, 0, 8);
	tcase_add_test(t, a_flood_of_requests_is_slowed_down_and_harms_nobody);
	tcase_add_test(t, a_guest_that_reads_no_answers_gets_no_more_work_done);
	tcase_add_test(t, a_storm_of_events_with_nothing_behind_is_paid_for);
	suite_add_tcase(suite, t);
	return suite;
}

int main(void)
{
	return unit_run(hostile_suite());
}
