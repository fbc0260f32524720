/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * common_loop.c - the event loop, and what a log makes of hostile text
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "services/common/log.h"
#include "services/common/loop.h"
#include "tests/unit/random.h"
#include "tests/unit/unit.h"

static struct loop loop;

static void set_up(void)
{
	ck_assert_int_eq(loop_init(&loop), 0);
}

static void tear_down(void)
{
	loop_fini(&loop);
}

/* --- timers --- */

#define TIMERS 50

static struct loop_timer timer[TIMERS];
static int fired[TIMERS], fired_count;

static void note(struct loop_timer *t)
{
	fired[fired_count++] = (int)(t - timer);
}

START_TEST(timers_fire_in_the_order_of_their_deadlines)
{
	struct random r = random_seed(3);
	uint64_t last = 0;
	int i;

	fired_count = 0;
	for (i = 0; i < TIMERS; i++) {
		timer[i].fire = note;
		loop_timer_start(&loop, &timer[i], random_below(&r, 60));
	}
	/* some are started anew, some stopped */
	for (i = 0; i < TIMERS; i += 5) {
		loop_timer_start(&loop, &timer[i], random_below(&r, 60));
		loop_timer_stop(&timer[i + 1]);
		loop_timer_stop(&timer[i + 1]);
	}
	for (i = 0; i < 500 && loop.timers; i++)
		ck_assert_int_eq(loop_turn(&loop, -1), 0);
	ck_assert_int_eq(fired_count, TIMERS - TIMERS / 5);
	for (i = 0; i < fired_count; i++) {
		const struct loop_timer *t = &timer[fired[i]];

		ck_assert_uint_ge(t->deadline_ms, last);
		ck_assert(!loop_timer_running(t));
		last = t->deadline_ms;
	}
}
END_TEST

static void fire_again(struct loop_timer *t)
{
	fired_count++;
	loop_timer_start(&loop, t, 0);
}

START_TEST(a_timer_that_starts_itself_does_not_starve_the_rest)
{
	int i;

	fired_count = 0;
	memset(timer, 0, sizeof(timer));
	timer[0].fire = fire_again;
	loop_timer_start(&loop, &timer[0], 0);
	for (i = 0; i < 10; i++)
		ck_assert_int_eq(loop_turn(&loop, -1), 0);
	ck_assert_int_ge(fired_count, 9);
	ck_assert_int_le(fired_count, 11);
}
END_TEST

/* --- watches --- */

struct bell {
	struct loop_watch watch;
	struct bell *victim;
	int rung;
};

static struct bell bell[3];

static void answer(struct loop_watch *watch, uint32_t events)
{
	struct bell *b = loop_owner(watch, struct bell, watch);
	uint64_t count;

	ck_assert_uint_ne(events & EPOLLIN, 0);
	ck_assert_int_eq(read(watch->fd, &count, sizeof(count)), 8);
	b->rung++;
	if (b->victim)
		loop_unwatch(&loop, &b->victim->watch);
}

static void ring_all(void)
{
	int i;

	memset(bell, 0, sizeof(bell));
	for (i = 0; i < 3; i++) {
		bell[i].watch.ready = answer;
		ck_assert_int_eq(loop_watch(&loop, &bell[i].watch,
					    eventfd(1, EFD_NONBLOCK), EPOLLIN),
				 0);
	}
}

START_TEST(a_watch_that_was_removed_is_not_called_again)
{
	int i, fd[3], rung = 0;

	ring_all();
	/* whoever comes first removes both others, whose events are fetched */
	for (i = 0; i < 3; i++) {
		fd[i] = bell[i].watch.fd;
		bell[i].victim = &bell[(i + 1) % 3];
	}
	ck_assert_int_eq(loop_turn(&loop, 1000), 0);
	ck_assert_int_eq(loop_turn(&loop, 0), 0);
	for (i = 0; i < 3; i++) {
		rung += bell[i].rung;
		close(fd[i]);
	}
	ck_assert_int_eq(rung, 2);
}
END_TEST

/* More than are kept, each readable: none is heard of, all are closed */
START_TEST(what_is_to_be_closed_is_before_the_loop_looks)
{
	static struct bell closed[LOOP_CLOSING + 1];
	int ends[LOOP_CLOSING + 1][2];
	char byte;

	for (int i = 0; i <= LOOP_CLOSING; i++) {
		ck_assert_int_eq(pipe(ends[i]), 0);
		ck_assert_int_eq(write(ends[i][1], "x", 1), 1);
		closed[i].watch.ready = answer;
		ck_assert_int_eq(loop_watch(&loop, &closed[i].watch, ends[i][0],
					    EPOLLIN),
				 0);
		loop_close_later(&loop, &closed[i].watch);
		ck_assert_int_eq(closed[i].watch.fd, -1);
	}
	ck_assert_int_eq(read(ends[LOOP_CLOSING][0], &byte, 1), 1);
	ck_assert_int_eq(loop_turn(&loop, 0), 0);
	for (int i = 0; i <= LOOP_CLOSING; i++) {
		ck_assert_int_eq(closed[i].rung, 0);
		ck_assert_int_eq(read(ends[i][0], &byte, 1), -1);
		close(ends[i][1]);
	}
}
END_TEST

static bool work_left(struct loop *l)
{
	return ++fired_count < 5;
}

START_TEST(work_that_is_left_keeps_the_loop_awake)
{
	fired_count = 0;
	loop.before_sleep = work_left;
	while (fired_count < 4)
		ck_assert_int_eq(loop_turn(&loop, -1), 0);
	ring_all();
	/* the fifth sleeps, and an event wakes it */
	ck_assert_int_eq(loop_turn(&loop, -1), 0);
	ck_assert_int_eq(bell[0].rung + bell[1].rung + bell[2].rung, 3);
}
END_TEST

static void stop(struct loop_timer *t)
{
	loop_stop(&loop);
}

START_TEST(a_loop_that_is_stopped_returns)
{
	memset(timer, 0, sizeof(timer));
	timer[0].fire = stop;
	loop_timer_start(&loop, &timer[0], 5);
	ck_assert_int_eq(loop_run(&loop), 0);
}
END_TEST

/* --- logs --- */

START_TEST(what_a_guest_wrote_is_made_harmless)
{
	char text[64], small[6];

	ck_assert_str_eq(log_text(text, sizeof(text), "plain", 5), "plain");
	ck_assert_str_eq(log_text(text, sizeof(text), "a\nb\x1b[2J\\\0\xff",
				  10),
			 "a\\x0ab\\x1b[2J\\x5c\\x00\\xff");
	ck_assert_str_eq(log_text(text, sizeof(text), NULL, 0), "");
	/* cut between two, never within one */
	ck_assert_str_eq(log_text(small, sizeof(small), "abc\n", 4), "abc");
	ck_assert_str_eq(log_text(small, 1, "abc", 3), "");
}
END_TEST

static Suite *loop_suite(void)
{
	Suite *suite = suite_create("loop");
	TCase *t = tcase_create("loop");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, timers_fire_in_the_order_of_their_deadlines);
	tcase_add_test(t, a_timer_that_starts_itself_does_not_starve_the_rest);
	tcase_add_test(t, a_watch_that_was_removed_is_not_called_again);
	tcase_add_test(t, what_is_to_be_closed_is_before_the_loop_looks);
	tcase_add_test(t, work_that_is_left_keeps_the_loop_awake);
	tcase_add_test(t, a_loop_that_is_stopped_returns);
	tcase_add_test(t, what_a_guest_wrote_is_made_harmless);
	suite_add_tcase(suite, t);
	return suite;
}

int main(void)
{
	return unit_run(loop_suite());
}
