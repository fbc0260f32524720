/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * protocol_litmus - "tell, then look whether the peer sleeps", at full speed
 *
 * Two threads meet, over and over, at the one instant that matters: one goes
 * to sleep while the other has news. Either the sleeper sees the news, or the
 * other is told to send an event. A store that is not a full barrier fails
 * here within a second on two cores: each side's store is still in its store
 * buffer when the other one looks.
 */
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#include "protocol/doorbell.h"
#include "protocol/ring.h"
#include "tests/unit/unit.h"

#define TEST_MS 400
#define AREA_BYTES SB_PAGE_BYTES

static struct sb_index_page page;
static struct sb_line line;
static struct sb_doorbells bells;
static struct sb_writer w;
static struct sb_reader r;
static struct sb_bells b;

/* One meeting: what the side with news, and the side that sleeps, found out */
static bool event_sent;
static bool may_sleep;

static bool publish_byte(void)
{
	sb_writer_advance(&w, 1);
	return sb_writer_publish(&w);
}

static bool sleep_for_byte(void)
{
	return sb_reader_arm(&r, 1) < 1;
}

static void take_byte(void)
{
	sb_reader_available(&r);
	sb_reader_advance(&r, 1);
	sb_reader_release(&r);
	sb_writer_space(&w);
}

static bool release_byte(void)
{
	sb_reader_advance(&r, 1);
	return sb_reader_release(&r);
}

static bool sleep_for_room(void)
{
	return sb_writer_arm(&w, 1) < 1;
}

static void fill_byte(void)
{
	if (sb_writer_space(&w) > 0)
		sb_writer_advance(&w, sb_writer_room(&w));
	sb_writer_publish(&w);
	sb_reader_available(&r);
}

static bool ring(void)
{
	return sb_bells_ring(&b, 1234);
}

static bool sleep_for_bell(void)
{
	return sb_bells_arm(&b);
}

static void answer_bell(void)
{
	sb_bells_disarm(&b);
	sb_bells_take_summary(&b);
	sb_bells_take_word(&b, 1234 / 64);
}

/**
 * struct meeting - two acts that happen at the same time
 * @tell:  the side with news. Return: must it send an event
 * @sleep: the other. Return: may it sleep
 * @reset: between meetings, alone
 */
static const struct meeting {
	bool (*tell)(void);
	bool (*sleep)(void);
	void (*reset)(void);
} meetings[] = {
	{ publish_byte, sleep_for_byte, take_byte },
	{ release_byte, sleep_for_room, fill_byte },
	{ ring, sleep_for_bell, answer_bell },
};
#define MEETINGS ((int)(sizeof(meetings) / sizeof(meetings[0])))

/* Rounds begun and ended; the sleeper's thread waits for the one, the teller
 * for the other */
static uint32_t begun;
static uint32_t ended;
static bool stop;

static void wait_for(const uint32_t *round, uint32_t value)
{
	for (uint32_t spins = 1; sb_load(round) != value; spins++)
		if (spins % 2000 == 0)
			sched_yield();
}

static void *run_sleeper(void *opaque)
{
	const struct meeting *m = opaque;

	for (uint32_t round = 1;; round++) {
		wait_for(&begun, round);
		if (__atomic_load_n(&stop, __ATOMIC_RELAXED))
			return NULL;
		may_sleep = m->sleep();
		sb_store(&ended, round);
	}
}

static bool time_is_up(const struct timespec *since)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - since->tv_sec) * 1000 +
		       (now.tv_nsec - since->tv_nsec) / 1000000 >=
	       TEST_MS;
}

static void prepare(void)
{
	begun = ended = 0;
	stop = false;
	memset(&page, 0, sizeof(page));
	sb_writer_init(&w, &page, SB_OWNER, AREA_BYTES);
	sb_reader_init(&r, &page, SB_PEER, AREA_BYTES);
	b = sb_bells_to_peer(&line, &bells);
}

START_TEST(news_and_sleep_never_miss_each_other)
{
	const struct meeting *m = &meetings[_i];
	struct timespec since;
	pthread_t sleeper;
	uint32_t round;

	prepare();
	clock_gettime(CLOCK_MONOTONIC, &since);
	pthread_create(&sleeper, NULL, run_sleeper, (void *)m);
	if (m->reset == fill_byte)
		fill_byte();
	for (round = 1; round % 256 || !time_is_up(&since); round++) {
		sb_store(&begun, round);
		/* start at slightly different times, on either side */
		for (volatile uint32_t n = round % 16 * 4; n; n--)
			;
		event_sent = m->tell();
		wait_for(&ended, round);
		if (may_sleep && !event_sent)
			ck_abort_msg("a wake-up was lost in round %u", round);
		m->reset();
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	sb_store(&begun, round);
	pthread_join(sleeper, NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("protocol_litmus");
	TCase *tests = tcase_create("meetings");

	tcase_set_timeout(tests, 30);
	tcase_add_loop_test(tests, news_and_sleep_never_miss_each_other, 0,
			    MEETINGS);
	suite_add_tcase(suite, tests);
	return unit_run(suite);
}
