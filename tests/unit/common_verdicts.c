/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * common_verdicts.c - what the operator said is kept, within bounds
 */
#include <errno.h>
#include <string.h>

#include "services/common/limits.h"
#include "services/common/loop.h"
#include "services/common/verdicts.h"
#include "tests/unit/random.h"
#include "tests/unit/unit.h"

#define CALLERS 2048u

struct caller {
	struct verdict_waiter waiter;
	struct verdict_key key;
	unsigned int woken;
};

static struct verdicts verdicts;
static struct caller caller[CALLERS];
static struct verdict_key asked[8 * CALLERS];
static unsigned int asks;
static bool operator_is_there;
static struct caller *last_woken;

static bool ask(struct verdicts *v, const struct verdict_key *key)
{
	ck_assert_ptr_eq(v, &verdicts);
	if (!operator_is_there)
		return false;
	ck_assert_uint_lt(asks, sizeof(asked) / sizeof(asked[0]));
	asked[asks++] = *key;
	return true;
}

static void wake(struct verdict_waiter *w)
{
	last_woken = loop_owner(w, struct caller, waiter);
	ck_assert(!verdicts_waits(w));
	last_woken->woken++;
}

static void set_up(void)
{
	memset(caller, 0, sizeof(caller));
	asks = 0;
	operator_is_there = true;
	last_woken = NULL;
	verdicts = (struct verdicts){ .ask = ask, .wake = wake };
	ck_assert_int_eq(verdicts_init(&verdicts, 42), 0);
}

static void tear_down(void)
{
	for (unsigned int i = 0; i < CALLERS; i++)
		verdicts_leave(&caller[i].waiter);
	verdicts_fini(&verdicts);
}

static struct verdict_key destination(uint32_t number)
{
	struct verdict_key key = { .kind = IPC_KIND_STREAM };

	key.remote.family = SB_FAMILY_IPV4;
	key.remote.port = 80;
	memcpy(key.remote.bytes, &number, sizeof(number));
	return key;
}

static bool answer(const struct verdict_key *key, uint32_t error,
		   uint64_t now_ms)
{
	const struct ipc_verdict verdict = {
		.question = { .kind = key->kind,
			      .remote = key->remote,
			      .source = key->source },
		.error = error,
	};

	return verdicts_answer(&verdicts, &verdict, now_ms);
}

static bool find(const struct verdict_key *key, uint64_t now_ms)
{
	struct verdict_answer a;

	return verdicts_find(&verdicts, key, now_ms, &a);
}

/* Known afterwards: asked and answered */
static void learn(uint32_t number, uint64_t now_ms)
{
	const struct verdict_key key = destination(number);

	verdicts_wait(&verdicts, &key, now_ms, &caller[0].waiter);
	ck_assert(answer(&key, 0, now_ms));
}

START_TEST(a_destination_is_asked_once_and_all_calls_wait)
{
	const struct verdict_key key = destination(1);
	struct verdict_answer a;

	for (unsigned int i = 0; i < 5; i++) {
		ck_assert(!find(&key, 0));
		verdicts_wait(&verdicts, &key, 0, &caller[i].waiter);
		/* waiting twice is waiting once */
		verdicts_wait(&verdicts, &key, 0, &caller[i].waiter);
	}
	ck_assert_uint_eq(asks, 1);
	ck_assert_mem_eq(&asked[0], &key, sizeof(key));
	ck_assert(answer(&key, 0, 0));
	for (unsigned int i = 0; i < 5; i++)
		ck_assert_uint_eq(caller[i].woken, 1);
	ck_assert_ptr_eq(last_woken, &caller[4]);
	ck_assert(verdicts_find(&verdicts, &key, 1000000, &a));
	ck_assert_uint_eq(a.error, 0);
	ck_assert(!a.direct);
	ck_assert_mem_eq(&a.to, &key.remote, sizeof(a.to));
	ck_assert_uint_eq(a.from.family, SB_FAMILY_NONE);
	ck_assert(!verdicts_busy(&verdicts));
}
END_TEST

START_TEST(kind_port_and_source_are_part_of_the_question)
{
	struct verdict_key key = destination(1);

	learn(1, 0);
	ck_assert(find(&key, 0));
	key.kind = IPC_KIND_DATAGRAM;
	ck_assert(!find(&key, 0));
	key = destination(1);
	key.remote.port++;
	ck_assert(!find(&key, 0));
	key = destination(1);
	key.source = key.remote;
	ck_assert(!find(&key, 0));
	ck_assert(find(&(struct verdict_key){ IPC_KIND_STREAM,
					      destination(1).remote,
					      { 0 } },
		       0));
}
END_TEST

START_TEST(a_verdict_tells_where_to_and_from_where)
{
	const struct verdict_key key = destination(1);
	struct ipc_verdict verdict = {
		.question = { .kind = key.kind, .remote = key.remote },
		.to = destination(2).remote,
		.from = destination(3).remote,
		.direct = true,
	};
	struct verdict_answer a;

	ck_assert(!verdicts_answer(&verdicts, &verdict, 0));
	verdicts_wait(&verdicts, &key, 0, &caller[0].waiter);
	ck_assert(verdicts_answer(&verdicts, &verdict, 0));
	ck_assert(verdicts_find(&verdicts, &key, 0, &a));
	ck_assert(a.direct);
	ck_assert_mem_eq(&a.to, &verdict.to, sizeof(a.to));
	ck_assert_mem_eq(&a.from, &verdict.from, sizeof(a.from));
	/* what goes direct is called there from now on, not here */
	ck_assert(!find(&key, 0));
	verdict.direct = false;
	verdicts_wait(&verdicts, &key, 0, &caller[0].waiter);
	ck_assert(verdicts_answer(&verdicts, &verdict, 0));
	/* said again, and differently: the operator asked itself anew */
	verdict.error = EACCES;
	ck_assert(verdicts_answer(&verdicts, &verdict, 0));
	ck_assert(verdicts_find(&verdicts, &key, 0, &a));
	ck_assert_uint_eq(a.error, EACCES);
}
END_TEST

START_TEST(an_answer_that_nobody_asked_for_is_not_kept)
{
	const struct verdict_key key = destination(1);

	ck_assert(!answer(&key, 0, 0));
	ck_assert(!find(&key, 0));
	ck_assert_uint_eq(verdicts.known, 0);
}
END_TEST

START_TEST(a_refusal_is_soon_forgotten)
{
	const struct verdict_key key = destination(1);
	struct verdict_answer a;

	verdicts_wait(&verdicts, &key, 0, &caller[0].waiter);
	ck_assert(answer(&key, EACCES, 500));
	ck_assert(
		verdicts_find(&verdicts, &key, 500 + LIMIT_REFUSAL_MS - 1, &a));
	ck_assert_uint_eq(a.error, EACCES);
	ck_assert(!find(&key, 500 + LIMIT_REFUSAL_MS));
	ck_assert_uint_eq(verdicts.known, 0);
}
END_TEST

START_TEST(a_verdict_about_a_source_or_a_bind_is_used_once)
{
	struct verdict_key key = destination(1);

	key.source = destination(9).remote;
	for (int round = 0; round < 2; round++) {
		verdicts_wait(&verdicts, &key, 0, &caller[0].waiter);
		ck_assert_uint_eq(asks, round + 1);
		ck_assert(answer(&key, 0, 0));
		ck_assert(find(&key, 0));
		ck_assert(!find(&key, 0));
	}
	key = destination(1);
	key.kind = IPC_KIND_BIND;
	verdicts_wait(&verdicts, &key, 0, &caller[0].waiter);
	ck_assert(answer(&key, 0, 0));
	ck_assert(find(&key, 0));
	ck_assert(!find(&key, 0));
	ck_assert_uint_eq(verdicts.known, 0);
}
END_TEST

START_TEST(withdrawn_verdicts_are_asked_for_again)
{
	const struct verdict_key known = destination(1), open = destination(2);

	learn(1, 0);
	verdicts_wait(&verdicts, &open, 0, &caller[1].waiter);
	verdicts_withdraw(&verdicts);
	ck_assert(!find(&known, 0));
	ck_assert_uint_eq(verdicts.known, 0);
	/* what was asked is answered after the withdrawal, by the new rules */
	ck_assert(verdicts_waits(&caller[1].waiter));
	ck_assert(answer(&open, 0, 0));
	ck_assert(find(&open, 0));
	verdicts_wait(&verdicts, &known, 0, &caller[0].waiter);
	ck_assert_uint_eq(asks, 3);
}
END_TEST

START_TEST(what_was_not_used_for_longest_makes_room)
{
	const struct verdict_key kept = destination(1), other = destination(2);

	learn(1, 0);
	for (uint32_t i = 2; i <= LIMIT_LINE_VERDICTS; i++)
		learn(i, 0);
	ck_assert_uint_eq(verdicts.known, LIMIT_LINE_VERDICTS);
	ck_assert(find(&kept, 0));
	for (uint32_t i = 0; i < LIMIT_LINE_VERDICTS - 1; i++) {
		learn(100000 + i, 0);
		ck_assert_uint_eq(verdicts.known, LIMIT_LINE_VERDICTS);
	}
	ck_assert(find(&kept, 0));
	ck_assert(!find(&other, 0));
}
END_TEST

static void call_many(uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		caller[i].key = destination(i);
		verdicts_wait(&verdicts, &caller[i].key, 0, &caller[i].waiter);
	}
}

START_TEST(open_questions_are_bounded_and_the_crowd_moves_up)
{
	uint32_t answered = 0;

	call_many(1000);
	ck_assert_uint_eq(verdicts.questions, LIMIT_LINE_QUESTIONS);
	ck_assert_uint_eq(asks, LIMIT_LINE_QUESTIONS);
	while (answered < asks) {
		ck_assert(answer(&asked[answered++], 0, 0));
		if (!last_woken->woken)
			continue;
		/* who was woken without an answer asks now */
		if (!find(&last_woken->key, 0))
			verdicts_wait(&verdicts, &last_woken->key, 0,
				      &last_woken->waiter);
		ck_assert_uint_le(verdicts.questions, LIMIT_LINE_QUESTIONS);
	}
	ck_assert_uint_eq(answered, 1000);
	for (uint32_t i = 0; i < 1000; i++)
		ck_assert(find(&caller[i].key, 0));
	ck_assert(!verdicts_busy(&verdicts));
}
END_TEST

START_TEST(the_crowd_is_not_forgotten_when_those_before_it_left)
{
	call_many(LIMIT_LINE_QUESTIONS + 10);
	for (uint32_t i = 0; i < LIMIT_LINE_QUESTIONS; i++)
		verdicts_leave(&caller[i].waiter);
	for (uint32_t i = 0; i < LIMIT_LINE_QUESTIONS; i++)
		ck_assert(answer(&asked[i], 0, 0));
	for (uint32_t i = 0; i < 10; i++)
		ck_assert_uint_eq(caller[LIMIT_LINE_QUESTIONS + i].woken, 1);
	for (uint32_t i = 0; i < LIMIT_LINE_QUESTIONS; i++)
		ck_assert_uint_eq(caller[i].woken, 0);
}
END_TEST

START_TEST(the_crowd_moves_up_by_itself_when_nothing_is_open)
{
	const struct verdict_key key = destination(9999);

	call_many(LIMIT_LINE_QUESTIONS + 1);
	verdicts_wait(&verdicts, &key, 0, &caller[1000].waiter);
	for (uint32_t i = 0; i < LIMIT_LINE_QUESTIONS; i++)
		ck_assert(answer(&asked[i], 0, 0));
	verdicts_leave(&caller[LIMIT_LINE_QUESTIONS].waiter);
	verdicts_sweep(&verdicts, 1);
	ck_assert_uint_eq(caller[1000].woken, 1);
	ck_assert(!verdicts_busy(&verdicts));
}
END_TEST

START_TEST(questions_are_asked_again_after_each_attach)
{
	call_many(3);
	ck_assert_uint_eq(asks, 3);
	verdicts_ask_again(&verdicts, 0);
	ck_assert_uint_eq(asks, 6);
	ck_assert_mem_eq(&asked[3], &asked[0], sizeof(asked[0]));
	/* of two answers the second finds nobody, and is as good */
	ck_assert(answer(&asked[0], 0, 0));
	ck_assert(answer(&asked[0], 0, 0));
	ck_assert_uint_eq(caller[0].woken, 1);
	ck_assert_uint_eq(verdicts.known, 1);
}
END_TEST

START_TEST(what_could_not_be_asked_is_asked_by_the_sweep)
{
	operator_is_there = false;
	call_many(3);
	verdicts_sweep(&verdicts, 100);
	ck_assert_uint_eq(asks, 0);
	operator_is_there = true;
	verdicts_sweep(&verdicts, 200);
	ck_assert_uint_eq(asks, 3);
	verdicts_sweep(&verdicts, 300);
	ck_assert_uint_eq(asks, 3);
}
END_TEST

START_TEST(a_question_whose_answer_was_lost_is_asked_again)
{
	call_many(1);
	verdicts_sweep(&verdicts, LIMIT_ASK_AGAIN_MS - 1);
	ck_assert_uint_eq(asks, 1);
	verdicts_sweep(&verdicts, LIMIT_ASK_AGAIN_MS);
	verdicts_sweep(&verdicts, LIMIT_ASK_AGAIN_MS + 1);
	ck_assert_uint_eq(asks, 2);
	ck_assert(answer(&caller[0].key, 0, LIMIT_ASK_AGAIN_MS + 2));
	verdicts_sweep(&verdicts, 10ull * LIMIT_ASK_AGAIN_MS);
	ck_assert_uint_eq(asks, 2);
}
END_TEST

START_TEST(a_question_that_nobody_answers_ends)
{
	const struct verdict_key key = destination(0);
	struct verdict_answer a;

	call_many(1);
	verdicts_ask_again(&verdicts, 0);
	verdicts_sweep(&verdicts, LIMIT_QUESTION_MS - 1);
	ck_assert_uint_eq(caller[0].woken, 0);
	verdicts_sweep(&verdicts, LIMIT_QUESTION_MS);
	ck_assert_uint_eq(caller[0].woken, 1);
	ck_assert(verdicts_find(&verdicts, &key, LIMIT_QUESTION_MS, &a));
	ck_assert_uint_eq(a.error, ENETUNREACH);
	/* the answer that comes after all is the one that counts */
	ck_assert(answer(&key, 0, LIMIT_QUESTION_MS + 1));
	ck_assert(
		verdicts_find(&verdicts, &key, 10ull * LIMIT_QUESTION_MS, &a));
	ck_assert_uint_eq(a.error, 0);
}
END_TEST

START_TEST(who_has_left_is_not_woken)
{
	call_many(2);
	verdicts_leave(&caller[0].waiter);
	verdicts_leave(&caller[0].waiter);
	ck_assert(answer(&caller[0].key, 0, 0));
	ck_assert(answer(&caller[1].key, 0, 0));
	ck_assert_uint_eq(caller[0].woken, 0);
	ck_assert_uint_eq(caller[1].woken, 1);
}
END_TEST

static void random_step(struct random *r, uint64_t now_ms)
{
	uint32_t n = random_below(r, CALLERS);
	struct caller *c = &caller[n];
	const struct verdict_key key = destination(random_below(r, 3000));

	switch (random_below(r, 8)) {
	case 0:
		verdicts_leave(&c->waiter);
		break;
	case 1:
	case 2:
		answer(&key, random_below(r, 2) ? EACCES : 0, now_ms);
		break;
	case 3:
		if (random_below(r, 200) == 0)
			verdicts_withdraw(&verdicts);
		break;
	case 4:
		verdicts_sweep(&verdicts, now_ms);
		break;
	default:
		if (!find(&key, now_ms))
			verdicts_wait(&verdicts, &key, now_ms, &c->waiter);
	}
}

START_TEST(whatever_happens_the_bounds_hold)
{
	struct random r = random_seed((uint64_t)_i);

	for (uint64_t now_ms = 0; now_ms < 60000; now_ms++) {
		asks = 0;
		random_step(&r, now_ms);
		ck_assert_uint_le(verdicts.questions, LIMIT_LINE_QUESTIONS);
		ck_assert_uint_le(verdicts.known + verdicts.questions,
				  LIMIT_LINE_VERDICTS);
	}
	asks = 0;
	verdicts_sweep(&verdicts, 60000 + LIMIT_QUESTION_MS);
	for (unsigned int i = 0; i < CALLERS; i++)
		verdicts_leave(&caller[i].waiter);
	verdicts_withdraw(&verdicts);
	ck_assert(!verdicts_busy(&verdicts));
	ck_assert_uint_eq(verdicts.known, 0);
}
END_TEST

static Suite *verdicts_suite(void)
{
	Suite *suite = suite_create("verdicts");
	TCase *answers = tcase_create("answers");
	TCase *questions = tcase_create("questions");

	tcase_add_checked_fixture(answers, set_up, tear_down);
	tcase_add_test(answers, a_destination_is_asked_once_and_all_calls_wait);
	tcase_add_test(answers, kind_port_and_source_are_part_of_the_question);
	tcase_add_test(answers, a_verdict_tells_where_to_and_from_where);
	tcase_add_test(answers, an_answer_that_nobody_asked_for_is_not_kept);
	tcase_add_test(answers, a_refusal_is_soon_forgotten);
	tcase_add_test(answers,
		       a_verdict_about_a_source_or_a_bind_is_used_once);
	tcase_add_test(answers, withdrawn_verdicts_are_asked_for_again);
	tcase_add_test(answers, what_was_not_used_for_longest_makes_room);
	tcase_add_checked_fixture(questions, set_up, tear_down);
	tcase_add_test(questions,
		       open_questions_are_bounded_and_the_crowd_moves_up);
	tcase_add_test(questions,
		       the_crowd_is_not_forgotten_when_those_before_it_left);
	tcase_add_test(questions,
		       the_crowd_moves_up_by_itself_when_nothing_is_open);
	tcase_add_test(questions, questions_are_asked_again_after_each_attach);
	tcase_add_test(questions,
		       what_could_not_be_asked_is_asked_by_the_sweep);
	tcase_add_test(questions,
		       a_question_whose_answer_was_lost_is_asked_again);
	tcase_add_test(questions, a_question_that_nobody_answers_ends);
	tcase_add_test(questions, who_has_left_is_not_woken);
	tcase_add_loop_test(questions, whatever_happens_the_bounds_hold, 0, 4);
	suite_add_tcase(suite, answers);
	suite_add_tcase(suite, questions);
	return suite;
}

int main(void)
{
	return unit_run(verdicts_suite());
}
