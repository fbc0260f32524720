/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * doorbell_threads - many ring, one answers, nothing is lost
 *
 * Two threads ring for the same entries: each puts a piece of work on an
 * entry's counter and rings. The answerer sleeps by the armed protocol and
 * must see all the work; it is done when it has. Events are counted: for each
 * time that it armed, at most one from each thread that rings.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <time.h>

#include "protocol/doorbell.h"
#include "tests/unit/random.h"
#include "tests/unit/unit.h"

#define RINGERS 2
#define SLEEP_MAX_S 10

static struct sb_line line;
static struct sb_doorbells bells;
static struct sb_bells b;
static sem_t channel;
static uint32_t work[SB_ENTRIES_MAX]; /* put there by the ringers */
static uint32_t done[SB_ENTRIES_MAX]; /* the answerer's */
static uint32_t events;

/* Entries in use, rings of each ringer */
static const struct plan {
	uint32_t entries;
	uint32_t rings;
} plans[] = {
	{ 1, 200000 },
	{ 64, 200000 },
	{ 1000, 200000 },
	{ SB_ENTRIES_MAX, 300000 },
};
#define PLANS ((int)(sizeof(plans) / sizeof(plans[0])))

static void setup(void)
{
	memset(&line, 0, sizeof(line));
	memset(&bells, 0, sizeof(bells));
	memset(work, 0, sizeof(work));
	memset(done, 0, sizeof(done));
	events = 0;
	b = sb_bells_to_owner(&line, &bells);
	sem_init(&channel, 0, 0);
}

struct ringer {
	const struct plan *plan;
	uint64_t seed;
};

static void *run_ringer(void *opaque)
{
	struct ringer *ringer = opaque;
	struct random random = random_seed(ringer->seed);

	for (uint32_t n = 0; n < ringer->plan->rings; n++) {
		uint32_t entry = random_below(&random, ringer->plan->entries);

		__atomic_fetch_add(&work[entry], 1, __ATOMIC_RELEASE);
		if (sb_bells_ring(&b, entry)) {
			__atomic_fetch_add(&events, 1, __ATOMIC_RELAXED);
			sem_post(&channel);
		}
	}
	return NULL;
}

/* Return: pieces of work found */
static uint32_t answer_word(uint32_t word)
{
	uint32_t found = 0;

	for (uint64_t bits = sb_bells_take_word(&b, word); bits;
	     bits &= bits - 1) {
		uint32_t entry = word * 64 + __builtin_ctzll(bits);
		uint32_t now = __atomic_load_n(&work[entry], __ATOMIC_ACQUIRE);

		found += now - done[entry];
		done[entry] = now;
	}
	return found;
}

static uint32_t answer(void)
{
	uint64_t summary = sb_bells_take_summary(&b);
	uint32_t found = 0;

	for (; summary; summary &= summary - 1) {
		uint32_t first = __builtin_ctzll(summary) * SB_SUMMARY_WORDS;

		for (uint32_t n = 0; n < SB_SUMMARY_WORDS; n++)
			found += answer_word(first + n);
	}
	return found;
}

static bool sleep_until_event(void)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += SLEEP_MAX_S;
	while (sem_timedwait(&channel, &until) != 0)
		if (errno != EINTR)
			return false;
	return true;
}

START_TEST(no_bell_is_lost_and_events_are_bounded)
{
	const struct plan *plan = &plans[_i];
	struct ringer ringer[RINGERS] = { { plan, 1 }, { plan, 2 } };
	uint32_t total = plan->rings * RINGERS, found = 0, arms = 0;
	pthread_t thread[RINGERS];

	for (int i = 0; i < RINGERS; i++)
		pthread_create(&thread[i], NULL, run_ringer, &ringer[i]);
	while (found < total) {
		found += answer();
		if (found == total)
			break;
		arms++;
		if (!sb_bells_arm(&b))
			continue;
		ck_assert_msg(sleep_until_event(),
			      "a bell was lost: %u of %u seen", found, total);
		sb_bells_disarm(&b);
	}
	for (int i = 0; i < RINGERS; i++)
		pthread_join(thread[i], NULL);
	ck_assert_uint_eq(found, total);
	ck_assert(events <= RINGERS * (arms + 1));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("doorbell_threads");
	TCase *tests = tcase_create("rings");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, setup, NULL);
	tcase_add_loop_test(tests, no_bell_is_lost_and_events_are_bounded, 0,
			    PLANS);
	suite_add_tcase(suite, tests);
	return unit_run(suite);
}
