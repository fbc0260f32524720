/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * operator_introductions.c - two guests meet, message by message
 *
 * operator_meeting.h draws it.
 */
#include <errno.h>

#include "tests/unit/operator_meeting.h"
#include "tests/unit/unit.h"

START_TEST(two_guests_meet_in_this_order)
{
	struct sb_message m;

	ck_assert(wanted("10.0.0.3", 80));
	m = expect(&caller, SB_MESSAGE_LINE_WANTED);
	ck_assert_uint_eq(m.kind, SB_LINE_DIRECT);
	ck_assert_uint_eq(m.domain, 2);
	ck_assert_uint_eq(m.line, OPERATOR_DIRECT_LINES);
	nothing_more(&callee);
	ck_assert(say_ready(5));
	m = expect(&callee, SB_MESSAGE_LINE_OFFERED);
	ck_assert_uint_eq(m.domain, 1);
	ck_assert_uint_eq(m.gref, 5);
	ck_assert_uint_eq(m.port, 7);
	nothing_more(&caller);
	ck_assert(say_taken(0));
	expect_sources();
	expect_admit("10.0.0.3", 80);
	nothing_more(&caller);
	ck_assert(say_admitted("10.0.0.3", 80, 0));
	expect_route("10.0.0.3", 80, 0);
	/* the next destination needs no line */
	ck_assert(wanted("fd00::3", 80));
	expect_admit("fd00::3", 80);
	nothing_more(&caller);
	ck_assert(say_admitted("fd00::3", 80, EBUSY));
	expect_route("fd00::3", 80, EREMCHG);
	nothing_more(&callee);
	ck_assert_uint_eq(op.counter[COUNT_INTRODUCTIONS], 1);
}
END_TEST

START_TEST(calls_before_the_line_is_up_wait_for_it)
{
	uint16_t port;

	go_to(STEP_WANTED);
	ck_assert(wanted("10.0.0.3", 80));
	for (port = 81; port < 80 + LIMIT_INTRODUCTION_WAITS; port++)
		ck_assert(wanted("10.0.0.3", port));
	ck_assert(!wanted("10.0.0.3", port));
	expect(&caller, SB_MESSAGE_LINE_WANTED);
	nothing_more(&caller);
	ck_assert(say_ready(5));
	expect(&callee, SB_MESSAGE_LINE_OFFERED);
	ck_assert(say_taken(0));
	expect_sources();
	for (port = 80; port < 80 + LIMIT_INTRODUCTION_WAITS; port++)
		expect_admit("10.0.0.3", port);
	nothing_more(&callee);
}
END_TEST

/* What the one that stays hears, and that nothing is left when it has let go */
static void callee_is_gone(enum step step)
{
	bool waits = step < STEP_ROUTED;
	struct sb_message m;

	leave(&callee);
	if (waits)
		expect_route("10.0.0.3", 80, EREMCHG);
	m = expect(&caller, SB_MESSAGE_LINE_LOST);
	ck_assert_uint_eq(m.line, OPERATOR_DIRECT_LINES);
	nothing_more(&caller);
	ck_assert(say_gone(&caller));
}

static void caller_is_gone(enum step step)
{
	leave(&caller);
	if (step >= STEP_OFFERED) {
		expect(&callee, SB_MESSAGE_LINE_ENDED);
		ck_assert(say_gone(&callee));
	}
	nothing_more(&callee);
}

START_TEST(either_may_be_gone_at_every_step)
{
	go_to(_i / 2);
	all_seen();
	if (_i % 2)
		callee_is_gone(_i / 2);
	else
		caller_is_gone(_i / 2);
	ck_assert_uint_eq(op.introduction_count, 0);
	/* the next domain begins anew */
	caller.trunk.page = &page;
	callee.trunk.page = &page;
	go_to(STEP_ROUTED);
	expect(&caller, SB_MESSAGE_LINE_WANTED);
	expect_route("10.0.0.3", 80, 0);
}
END_TEST

/* It may leave while something is being sent to it, or to both in turn */
START_TEST(whoever_takes_no_message_leaves_in_the_middle)
{
	struct post *p = _i % 2 ? &to_caller : &to_callee;

	p->patience = _i / 2;
	go_to(STEP_ROUTED);
	wanted("fd00::3", 80);
	introductions_reconfigured(&op);
	later(LIMIT_INTRODUCTION_MS + 1);
	introductions_leave(_i % 2 ? &callee : &caller);
	say_gone(&caller);
	say_gone(&callee);
	later(LIMIT_INTRODUCTION_AGAIN_MS + 1);
	ck_assert_uint_eq(op.introduction_count, 0);
}
END_TEST

START_TEST(who_may_not_meet_is_not_introduced)
{
	struct introduction_place echo = place("10.0.0.3", 80);

	echo.kind = SB_ENTRY_DATAGRAM;
	/* not published; nobody's; direct is false; its own */
	ck_assert(!wanted("10.0.0.3", 22));
	ck_assert(!wanted("10.0.0.9", 80));
	ck_assert(!wanted("10.0.0.4", 80));
	ck_assert(!wanted("10.0.0.2", 80));
	callee.trunk.features = 0;
	ck_assert(!introduction_wanted(&caller, &echo));
	nothing_more(&caller);
	nothing_more(&callee);
	nothing_more(&apart);
	ck_assert_uint_eq(op.introduction_count, 0);
	/* nothing of it changes when somebody comes */
	introductions_arrive(&op);
	ck_assert_uint_eq(withdrawn, 0);
}
END_TEST

START_TEST(no_route_leads_where_policy_does_not)
{
	go_to(STEP_UP);
	all_seen();
	/* the callee says of its own accord what nobody asked for */
	ck_assert(say_admitted("10.0.0.3", 81, 0));
	ck_assert(say_admitted("10.0.0.4", 80, 0));
	ck_assert(say_admitted("10.0.0.2", 80, 0));
	nothing_more(&caller);
	ck_assert(say_admitted("10.0.0.3", 90, 0));
	expect_route("10.0.0.3", 90, 0);
}
END_TEST

START_TEST(a_guest_that_contradicts_is_told_so)
{
	struct sb_message m = taken(5, 0);

	/* lines that there are not, or not yet */
	ck_assert(!say_ready(5));
	ck_assert(!say_taken(0));
	ck_assert(!say_gone(&caller));
	m.line = 0;
	ck_assert(!introduction_admitted(&callee, &m));
	go_to(STEP_OFFERED);
	ck_assert(!introduction_line_taken(&apart, &m));
	ck_assert(!say_gone(&apart));
	/* before it is up nobody is routed */
	all_seen();
	ck_assert(say_admitted("10.0.0.3", 80, 0));
	nothing_more(&caller);
	/* again is no lie, another in its place is */
	ck_assert(say_ready(5));
	ck_assert(!say_ready(6));
	ck_assert(say_taken(0));
	ck_assert(say_taken(0));
	ck_assert(!say_ready(6));
	ck_assert_uint_eq(op.counter[COUNT_INTRODUCTIONS], 1);
	ck_assert_uint_eq(op.introduction_count, 1);
}
END_TEST

/* Whoever gives a line up may have been told of a destination meanwhile */
START_TEST(an_answer_about_a_line_that_is_gone_is_no_lie)
{
	go_to(STEP_UP);
	ck_assert(say_gone(&callee));
	all_seen();
	ck_assert(say_admitted("10.0.0.3", 80, 0));
	nothing_more(&caller);
}
END_TEST

START_TEST(a_line_that_cannot_be_taken_is_not_made_again_at_once)
{
	go_to(STEP_OFFERED);
	all_seen();
	ck_assert(say_taken(ENOMEM));
	expect_route("10.0.0.3", 80, EREMCHG);
	expect(&caller, SB_MESSAGE_LINE_LOST);
	nothing_more(&callee);
	ck_assert(!wanted("10.0.0.3", 80));
	ck_assert(say_gone(&caller));
	ck_assert(!wanted("10.0.0.3", 80));
	nothing_more(&caller);
	/* what was said meanwhile is withdrawn when it can be made */
	withdrawn = 0;
	later(LIMIT_INTRODUCTION_AGAIN_MS - 1);
	ck_assert_uint_eq(withdrawn, 0);
	later(1);
	ck_assert_uint_eq(withdrawn, 1);
	go_to(STEP_ROUTED);
	expect(&caller, SB_MESSAGE_LINE_WANTED);
	expect_route("10.0.0.3", 80, 0);
	ck_assert_uint_eq(op.counter[COUNT_INTRODUCTIONS_FAILED], 1);
}
END_TEST

START_TEST(what_takes_too_long_ends)
{
	go_to(_i);
	all_seen();
	later(LIMIT_INTRODUCTION_MS);
	nothing_more(&caller);
	later(1);
	expect_route("10.0.0.3", 80, EREMCHG);
	expect(&caller, SB_MESSAGE_LINE_LOST);
	if (_i == STEP_OFFERED)
		expect(&callee, SB_MESSAGE_LINE_ENDED);
	nothing_more(&callee);
}
END_TEST

/* What was called while it was away went through Dom0: that is asked again */
START_TEST(a_guest_that_comes_is_met)
{
	callee.trunk.page = NULL;
	ck_assert(!wanted("10.0.0.3", 80));
	ck_assert_uint_eq(withdrawn, 0);
	callee.trunk.page = &page;
	introductions_arrive(&op);
	ck_assert_uint_eq(withdrawn, 1);
	/* once, not whenever somebody comes */
	introductions_arrive(&op);
	ck_assert_uint_eq(withdrawn, 1);
	go_to(STEP_ROUTED);
	introductions_arrive(&op);
	ck_assert_uint_eq(withdrawn, 1);
	/* not even the domain is there */
	leave(&callee);
	caller.next = &apart;
	ck_assert(!wanted("10.0.0.3", 80));
	withdrawn = 0;
	caller.next = &callee;
	introductions_arrive(&op);
	ck_assert_uint_eq(withdrawn, 1);
}
END_TEST

static void learn(bool caller_first)
{
	caller.trunk.taken_over = true;
	callee.trunk.taken_over = true;
	if (caller_first)
		ck_assert(say_ready(5));
	ck_assert(say_taken(0));
	if (!caller_first)
		ck_assert(say_ready(5));
}

START_TEST(another_operator_hears_of_it_from_both)
{
	learn(_i);
	expect_sources();
	nothing_more(&caller);
	ck_assert(wanted("10.0.0.3", 80));
	expect_admit("10.0.0.3", 80);
	ck_assert(say_admitted("10.0.0.3", 80, 0));
	expect_route("10.0.0.3", 80, 0);
}
END_TEST

START_TEST(a_line_that_only_one_tells_of_ends)
{
	struct sb_message m = taken(6, 0);

	caller.trunk.taken_over = true;
	callee.trunk.taken_over = true;
	ck_assert(say_ready(5));
	/* the other tells of another */
	ck_assert(introduction_line_taken(&callee, &m));
	nothing_more(&caller);
	nothing_more(&callee);
	later(LIMIT_INTRODUCTION_MS + 1);
	expect(&caller, SB_MESSAGE_LINE_LOST);
	expect(&callee, SB_MESSAGE_LINE_ENDED);
	ck_assert(say_gone(&caller));
	ck_assert(say_gone(&callee));
	ck_assert_uint_eq(op.introduction_count, 0);
}
END_TEST

START_TEST(a_reload_asks_again_or_ends_it)
{
	struct config_guest changed = *callee.config;
	struct sb_message m;

	go_to(STEP_ROUTED);
	all_seen();
	introductions_reconfigured(&op);
	m = expect(&caller, SB_MESSAGE_ROUTE);
	ck_assert_uint_eq(m.error, EREMCHG);
	ck_assert_uint_eq(m.remote.family, SB_FAMILY_NONE);
	m = expect(&callee, SB_MESSAGE_ADMIT);
	ck_assert_uint_eq(m.error, EREMCHG);
	expect_sources();
	changed.direct = false;
	callee.config = &changed;
	introductions_reconfigured(&op);
	expect(&caller, SB_MESSAGE_LINE_LOST);
	expect(&callee, SB_MESSAGE_LINE_ENDED);
	callee.config = config_find_guest(op.config, "callee");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("operator_introductions");
	TCase *t = tcase_create("introductions");

	tcase_add_checked_fixture(t, open_scene, close_scene);
	tcase_add_test(t, two_guests_meet_in_this_order);
	tcase_add_test(t, calls_before_the_line_is_up_wait_for_it);
	tcase_add_loop_test(t, either_may_be_gone_at_every_step, 0, 2 * STEPS);
	tcase_add_loop_test(t, whoever_takes_no_message_leaves_in_the_middle, 0,
			    16);
	tcase_add_test(t, who_may_not_meet_is_not_introduced);
	tcase_add_test(t, no_route_leads_where_policy_does_not);
	tcase_add_test(t, a_guest_that_contradicts_is_told_so);
	tcase_add_test(t, an_answer_about_a_line_that_is_gone_is_no_lie);
	tcase_add_test(t,
		       a_line_that_cannot_be_taken_is_not_made_again_at_once);
	tcase_add_loop_test(t, what_takes_too_long_ends, STEP_WANTED, STEP_UP);
	tcase_add_test(t, a_guest_that_comes_is_met);
	tcase_add_loop_test(t, another_operator_hears_of_it_from_both, 0, 2);
	tcase_add_test(t, a_line_that_only_one_tells_of_ends);
	tcase_add_test(t, a_reload_asks_again_or_ends_it);
	suite_add_tcase(suite, t);
	return unit_run(suite);
}
