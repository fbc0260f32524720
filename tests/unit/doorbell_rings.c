/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * doorbell_rings - what the bells say, step by step, on one thread
 */
#include <string.h>

#include "protocol/doorbell.h"
#include "tests/unit/unit.h"

static struct sb_line line;
static struct sb_doorbells bells;
static struct sb_bells b;

static void setup(void)
{
	memset(&line, 0, sizeof(line));
	memset(&bells, 0, sizeof(bells));
	b = sb_bells_to_peer(&line, &bells);
}

/* Take every bell that the summary names. Return: how many */
static int answer(uint32_t *entry)
{
	uint64_t summary = sb_bells_take_summary(&b);
	int rung = 0;

	for (uint32_t word = 0; word < SB_DOORBELL_WORDS; word++) {
		uint64_t bits;

		if (!(summary >> (word / SB_SUMMARY_WORDS) & 1))
			continue;
		bits = sb_bells_take_word(&b, word);
		for (; bits; bits &= bits - 1, rung++)
			*entry = word * 64 + __builtin_ctzll(bits);
	}
	return rung;
}

START_TEST(the_summary_covers_every_word)
{
	ck_assert(SB_SUMMARY_WORDS * 64 == SB_DOORBELL_WORDS);
	ck_assert(SB_DOORBELL_WORDS * 64 == SB_ENTRIES_MAX);
}
END_TEST

START_TEST(every_entry_has_a_bell_of_its_own)
{
	for (uint32_t n = 0; n < SB_ENTRIES_MAX; n++) {
		uint32_t entry = SB_ENTRY_NONE;

		sb_bells_ring(&b, n);
		ck_assert_int_eq(answer(&entry), 1);
		ck_assert_uint_eq(entry, n);
	}
}
END_TEST

START_TEST(only_a_side_that_sleeps_gets_an_event_and_only_one)
{
	uint32_t entry;

	ck_assert(!sb_bells_ring(&b, 3));
	ck_assert_int_eq(answer(&entry), 1);
	ck_assert(sb_bells_arm(&b));
	ck_assert(sb_bells_ring(&b, 3));
	ck_assert(!sb_bells_ring(&b, 3));
	ck_assert(!sb_bells_ring(&b, 4));
	ck_assert(!sb_bells_ring(&b, SB_ENTRIES_MAX - 1));
	sb_bells_disarm(&b);
	ck_assert_int_eq(answer(&entry), 3);
	ck_assert(!sb_bells_ring(&b, 3));
}
END_TEST

START_TEST(a_side_may_not_sleep_over_a_bell)
{
	uint32_t entry;

	sb_bells_ring(&b, 70);
	ck_assert(!sb_bells_arm(&b));
	ck_assert_int_eq(answer(&entry), 1);
	/* it did not sleep, so it needs no event either */
	ck_assert(!sb_bells_ring(&b, 71));
	ck_assert_int_eq(answer(&entry), 1);
	ck_assert(sb_bells_arm(&b));
}
END_TEST

START_TEST(an_empty_board_has_no_bells)
{
	uint32_t entry;

	ck_assert_uint_eq(sb_bells_take_summary(&b), 0);
	ck_assert_uint_eq(sb_bells_take_word(&b, 0), 0);
	ck_assert_int_eq(answer(&entry), 0);
}
END_TEST

START_TEST(the_two_directions_are_apart)
{
	struct sb_bells back = sb_bells_to_owner(&line, &bells);
	uint32_t entry;

	sb_bells_ring(&back, 5);
	ck_assert_int_eq(answer(&entry), 0);
	ck_assert_uint_eq(sb_bells_take_summary(&back), 1);
	ck_assert_uint_eq(sb_bells_take_word(&back, 0), 1 << 5);
}
END_TEST

/* Each step at which a ringing process can die, then another takes over */
START_TEST(a_ring_cut_short_is_made_good_by_resume)
{
	uint32_t entry;

	ck_assert(sb_bells_arm(&b));
	if (_i >= 0)
		sb_fetch_or64(&b.word[2], 1ull << 7);
	if (_i >= 1)
		sb_fetch_or64(b.summary, 1);
	/* silent as it stands: this is what the new process must repair */
	ck_assert(!sb_bells_ring(&b, 2 * 64 + 7));
	sb_bells_resume(&b);
	ck_assert_int_eq(answer(&entry), 1);
	ck_assert_uint_eq(entry, 2 * 64 + 7);
	ck_assert(sb_bells_arm(&b));
	ck_assert(sb_bells_ring(&b, 2 * 64 + 7));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("doorbell_rings");
	TCase *tests = tcase_create("bells");

	tcase_add_checked_fixture(tests, setup, NULL);
	tcase_add_test(tests, the_summary_covers_every_word);
	tcase_add_test(tests, every_entry_has_a_bell_of_its_own);
	tcase_add_test(tests,
		       only_a_side_that_sleeps_gets_an_event_and_only_one);
	tcase_add_test(tests, a_side_may_not_sleep_over_a_bell);
	tcase_add_test(tests, an_empty_board_has_no_bells);
	tcase_add_test(tests, the_two_directions_are_apart);
	tcase_add_loop_test(tests, a_ring_cut_short_is_made_good_by_resume, 0,
			    2);
	suite_add_tcase(suite, tests);
	return unit_run(suite);
}
