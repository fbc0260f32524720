/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ring_hostile - a peer that lies about its indexes
 *
 * Whatever the peer's line says, and however it changes while it is used, the
 * answer is -EPROTO or a number of bytes that can be copied without leaving
 * the area, which lies between guard pages here. CASES 27.
 */
#include <pthread.h>

#include "tests/unit/area.h"
#include "tests/unit/random.h"
#include "tests/unit/unit.h"

#define AREA_BYTES ((int)SB_PAGE_BYTES)

static struct sb_index_page page;
static uint8_t *area;
static uint8_t chunk[AREA_BYTES];

static const uint32_t lies[] = {
	0,	    1,		AREA_BYTES - 1,	 AREA_BYTES, AREA_BYTES + 1,
	0x7fffffff, 0x80000000, 0u - AREA_BYTES, 0u - 1,     0xffffffff
};
#define LIES (sizeof(lies) / sizeof(lies[0]))

static void setup(void)
{
	memset(&page, 0, sizeof(page));
	area = area_new(AREA_BYTES);
}

static void teardown(void)
{
	area_free(area, AREA_BYTES);
}

/* ck_assert() records each call, which is too slow for millions of them */
static void expect(int64_t answer, int64_t honest)
{
	if (answer != honest)
		ck_abort_msg("answer %lld, honest would be %lld",
			     (long long)answer, (long long)honest);
}

/* Return: an error or a number of bytes that fits the area */
static bool harmless(int64_t answer)
{
	return answer == -EPROTO || (answer >= 0 && answer <= AREA_BYTES);
}

/* The honest answer, in arithmetic that cannot wrap: distances from @base */
static int64_t honest_held(int64_t consumed, int64_t released, int64_t seen,
			   int64_t produced)
{
	if (produced < seen || produced > released + AREA_BYTES)
		return -EPROTO;
	return produced - consumed;
}

static void check_reader(uint32_t base, int consumed, int released, int seen,
			 int produced)
{
	struct sb_reader r = { .mine = &page.side[SB_PEER],
			       .peer = &page.side[SB_OWNER],
			       .size = AREA_BYTES,
			       .consumed = base + consumed,
			       .released = base + released,
			       .produced = base + seen };

	page.side[SB_OWNER].produced = base + produced;
	expect(sb_reader_available(&r),
	       honest_held(consumed, released, seen, produced));
}

static void check_writer(uint32_t base, int written, int published, int seen,
			 int consumed)
{
	struct sb_writer w = { .mine = &page.side[SB_OWNER],
			       .peer = &page.side[SB_PEER],
			       .size = AREA_BYTES,
			       .produced = base + written,
			       .published = base + published,
			       .consumed = base + seen };
	int64_t honest = consumed < seen || consumed > published
				 ? -EPROTO
				 : AREA_BYTES - (written - consumed);

	page.side[SB_PEER].consumed = base + consumed;
	expect(sb_writer_space(&w), honest);
}

/* Random honest states around @base; the peer's next index is anywhere near */
static void check_states(uint32_t base, struct random *random)
{
	for (int n = 0; n < 200000; n++) {
		int seen = random_below(random, AREA_BYTES + 1);
		int consumed = random_below(random, seen + 1);
		int released = random_below(random, consumed + 1);
		int next = random_between(random, 0, 6 * AREA_BYTES) -
			   3 * AREA_BYTES;

		check_reader(base, consumed, released, seen, next);
		/* as a writer: seen <= published <= written <= seen + size */
		check_writer(base, seen, consumed, released, next);
	}
}

START_TEST(only_indexes_that_can_be_true_are_believed)
{
	struct random random = random_seed(27);

	check_states(0, &random);
	check_states(0x7ffff800, &random);
	check_states(0u - AREA_BYTES / 2, &random);
	check_states(0u - 2 * AREA_BYTES, &random);
}
END_TEST

START_TEST(listed_lies_are_refused_or_harmless)
{
	for (size_t n = 0; n < LIES * LIES; n++) {
		struct sb_reader r;
		struct sb_writer w;
		int64_t bytes;

		memset(&page, 0, sizeof(page));
		page.side[SB_OWNER].produced = lies[n / LIES];
		page.side[SB_OWNER].consumed = lies[n % LIES];
		sb_reader_init(&r, &page, SB_PEER, AREA_BYTES);
		sb_writer_init(&w, &page, SB_PEER, AREA_BYTES);
		bytes = sb_reader_available(&r);
		ck_assert(bytes == -EPROTO || bytes == lies[n / LIES]);
		ck_assert_int_le(bytes, AREA_BYTES);
		/* nothing was written yet: only 0 can have been consumed */
		bytes = sb_writer_space(&w);
		ck_assert_int_eq(bytes, lies[n % LIES] ? -EPROTO : AREA_BYTES);
	}
}
END_TEST

START_TEST(an_index_that_moves_backwards_is_a_lie)
{
	struct sb_reader r;
	struct sb_writer w;

	sb_reader_init(&r, &page, SB_PEER, AREA_BYTES);
	page.side[SB_OWNER].produced = 100;
	ck_assert_int_eq(sb_reader_available(&r), 100);
	page.side[SB_OWNER].produced = 99;
	ck_assert_int_eq(sb_reader_available(&r), -EPROTO);

	sb_writer_init(&w, &page, SB_PEER, AREA_BYTES);
	sb_writer_advance(&w, 200);
	sb_writer_publish(&w);
	page.side[SB_OWNER].consumed = 150;
	ck_assert_int_eq(sb_writer_space(&w), AREA_BYTES - 50);
	page.side[SB_OWNER].consumed = 149;
	ck_assert_int_eq(sb_writer_space(&w), -EPROTO);
}
END_TEST

START_TEST(a_lie_changes_nothing_that_was_believed)
{
	struct sb_reader r, before;

	sb_reader_init(&r, &page, SB_PEER, AREA_BYTES);
	page.side[SB_OWNER].produced = 100;
	sb_reader_available(&r);
	before = r;
	page.side[SB_OWNER].produced = 0xffffffff;
	ck_assert_int_eq(sb_reader_available(&r), -EPROTO);
	ck_assert_int_eq(sb_reader_arm(&r, 1), -EPROTO);
	ck_assert(memcmp(&r, &before, sizeof(r)) == 0);
	ck_assert_uint_eq(sb_reader_held(&r), 100);
}
END_TEST

START_TEST(events_at_random_are_answered_with_a_bell_at_most)
{
	struct random random = random_seed(4);
	struct sb_writer w;

	sb_writer_init(&w, &page, SB_PEER, AREA_BYTES);
	for (int n = 0; n < 100000; n++) {
		page.side[SB_OWNER].data_event = random_next(&random);
		page.side[SB_OWNER].space_event = random_next(&random);
		page.side[SB_OWNER].consumed = w.produced;
		expect(sb_writer_space(&w), AREA_BYTES);
		sb_writer_advance(&w, random_below(&random, AREA_BYTES + 1));
		sb_writer_publish(&w);
	}
}
END_TEST

/* One's own line, as an application that maps it would scribble over it */
START_TEST(own_line_is_never_read_back)
{
	struct sb_writer w;
	struct sb_reader r;

	sb_writer_init(&w, &page, SB_OWNER, AREA_BYTES);
	sb_reader_init(&r, &page, SB_OWNER, AREA_BYTES);
	sb_writer_advance(&w, 10);
	sb_writer_publish(&w);
	memset(&page.side[SB_OWNER], 0xa5, sizeof(struct sb_index));
	ck_assert_int_eq(sb_writer_space(&w), AREA_BYTES - 10);
	ck_assert_int_eq(sb_reader_available(&r), 0);
	sb_writer_advance(&w, 1);
	sb_writer_publish(&w);
	ck_assert_uint_eq(page.side[SB_OWNER].produced, 11);
}
END_TEST

static bool stop;

/* Flips the peer's line between near truths, lies and noise */
static void *flip(void *opaque)
{
	struct random random = random_seed(99);
	struct sb_index *line = &page.side[SB_OWNER];

	(void)opaque;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		uint32_t own = sb_load(&page.side[SB_PEER].produced);
		uint32_t seen = sb_load(&page.side[SB_PEER].consumed);
		uint32_t near = random_below(&random, 2 * AREA_BYTES);

		sb_store(&line->produced, seen + near - AREA_BYTES / 4);
		sb_store(&line->consumed, own - near + AREA_BYTES / 4);
		sb_store(&line->data_event, random_next(&random));
		if (random_below(&random, 16) == 0)
			sb_store(&line->produced, random_next(&random));
	}
	return NULL;
}

/* A service's turn. Return: a ring that lied is begun anew where it stood */
static bool take_turn(struct sb_reader *r, struct sb_writer *w)
{
	int64_t held = sb_reader_available(r);
	int64_t room = sb_writer_space(w);

	if (!harmless(held) || !harmless(room))
		ck_abort_msg("neither an error nor a size");
	if (held > 0)
		area_read(area, r, chunk, held);
	if (room > 0)
		area_write(area, w, chunk, room);
	sb_reader_release(r);
	sb_writer_publish(w);
	return held >= 0 && room >= 0;
}

START_TEST(a_line_that_flips_while_it_is_used_does_no_harm)
{
	struct sb_reader r;
	struct sb_writer w;
	pthread_t flipper;
	uint32_t lied = 0, believed = 0;

	sb_reader_init(&r, &page, SB_PEER, AREA_BYTES);
	sb_writer_init(&w, &page, SB_PEER, AREA_BYTES);
	ck_assert_int_eq(pthread_create(&flipper, NULL, flip, NULL), 0);
	for (int n = 0; n < 60000 || !lied || !believed; n++) {
		if (take_turn(&r, &w)) {
			believed++;
			continue;
		}
		lied++;
		/* the peer's seen index is not kept: every lie is a new start */
		r.produced = r.released;
		w.consumed = w.published;
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(flipper, NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ring_hostile");
	TCase *tests = tcase_create("lies");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, only_indexes_that_can_be_true_are_believed);
	tcase_add_test(tests, listed_lies_are_refused_or_harmless);
	tcase_add_test(tests, an_index_that_moves_backwards_is_a_lie);
	tcase_add_test(tests, a_lie_changes_nothing_that_was_believed);
	tcase_add_test(tests,
		       events_at_random_are_answered_with_a_bell_at_most);
	tcase_add_test(tests, own_line_is_never_read_back);
	tcase_add_test(tests, a_line_that_flips_while_it_is_used_does_no_harm);
	suite_add_tcase(suite, tests);
	return unit_run(suite);
}
