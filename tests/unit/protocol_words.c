/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * protocol_words - generation, flags and state in one word
 */
#include "protocol/line.h"
#include "protocol/trunk.h"
#include "tests/unit/unit.h"

START_TEST(a_word_gives_back_what_was_put_in)
{
	static const uint32_t generations[] = { 0, 1, 0x123456,
						SB_GENERATION_MAX };

	for (uint32_t state = 0; state < 16; state++) {
		uint32_t flags = SB_WORD_FIN | SB_WORD_RESET;
		uint32_t word = sb_word(generations[_i], flags | state);

		ck_assert_uint_eq(sb_word_generation(word), generations[_i]);
		ck_assert_uint_eq(sb_word_state(word), state);
		ck_assert_uint_eq(word & SB_WORD_FLAGS, flags);
	}
}
END_TEST

START_TEST(the_parts_of_a_word_do_not_overlap)
{
	uint32_t flags = SB_WORD_FIN | SB_WORD_STOP | SB_WORD_RESET;
	uint32_t generation = SB_GENERATION_MAX << SB_GENERATION_SHIFT;

	ck_assert_uint_eq(flags, SB_WORD_FLAGS);
	ck_assert_int_eq(__builtin_popcount(flags), 3);
	ck_assert_uint_eq(SB_WORD_STATE & flags, 0);
	ck_assert_uint_eq((SB_WORD_STATE | flags) & generation, 0);
	ck_assert_uint_le(SB_OWNER_REVOKED, SB_WORD_STATE);
	ck_assert_uint_le(SB_PEER_UNMAPPED, SB_WORD_STATE);
}
END_TEST

START_TEST(generations_run_round_and_skip_zero)
{
	ck_assert_uint_eq(sb_generation_next(0), 1);
	ck_assert_uint_eq(sb_generation_next(1), 2);
	ck_assert_uint_eq(sb_generation_next(SB_GENERATION_MAX - 1),
			  SB_GENERATION_MAX);
	ck_assert_uint_eq(sb_generation_next(SB_GENERATION_MAX), 1);
	ck_assert_uint_eq(sb_generation_next(0xffffffff), 1);
}
END_TEST

START_TEST(states_and_flags_only_grow_along_a_life)
{
	static const uint32_t owner[] = {
		SB_OWNER_FREE,
		SB_OWNER_READY,
		SB_OWNER_OFFERED,
		SB_OWNER_OFFERED | SB_WORD_FIN,
		SB_OWNER_OFFERED | SB_WORD_FIN | SB_WORD_STOP,
		SB_OWNER_CLOSED | SB_WORD_FIN | SB_WORD_STOP,
		SB_OWNER_CLOSED | SB_WORD_FLAGS,
		SB_OWNER_REVOKED | SB_WORD_FLAGS,
	};

	for (size_t n = 1; n < sizeof(owner) / sizeof(owner[0]); n++) {
		ck_assert_uint_ge(sb_word_state(owner[n]),
				  sb_word_state(owner[n - 1]));
		ck_assert_uint_eq(owner[n] & owner[n - 1] & SB_WORD_FLAGS,
				  owner[n - 1] & SB_WORD_FLAGS);
	}
	ck_assert_uint_lt(SB_PEER_NONE, SB_PEER_TAKEN);
	ck_assert_uint_lt(SB_PEER_TAKEN, SB_PEER_OPEN);
	ck_assert_uint_lt(SB_PEER_OPEN, SB_PEER_CLOSED);
	ck_assert_uint_lt(SB_PEER_CLOSED, SB_PEER_UNMAPPED);
}
END_TEST

START_TEST(each_cache_line_has_one_writer)
{
	ck_assert_uint_eq(offsetof(struct sb_entry, peer) % 64, 0);
	ck_assert_uint_eq(offsetof(struct sb_line, owner_armed) % 64, 0);
	ck_assert_uint_eq(offsetof(struct sb_line, peer_version) % 64, 0);
	ck_assert_uint_eq(offsetof(struct sb_line, peer_armed) % 64, 0);
	ck_assert_uint_eq(offsetof(struct sb_line, to_owner) % 64, 0);
	ck_assert_uint_eq(offsetof(struct sb_line, to_peer) % 64, 0);
	ck_assert_uint_eq(offsetof(struct sb_trunk, peer_version) % 64, 0);
	ck_assert_uint_eq(offsetof(struct sb_trunk, index) % 64, 0);
	ck_assert_uint_eq(sizeof(struct sb_index), 64);
}
END_TEST

START_TEST(messages_never_straddle_the_wrap)
{
	const uint32_t message_bytes = sizeof(struct sb_message);

	ck_assert(SB_TRUNK_AREA_BYTES % message_bytes == 0);
	ck_assert(SB_TRUNK_AREA_BYTES / message_bytes == 64);
	ck_assert_int_eq(__builtin_popcount(SB_TRUNK_AREA_BYTES), 1);
}
END_TEST

START_TEST(requests_and_orders_are_told_apart)
{
	ck_assert_uint_lt(SB_MESSAGE_LISTEN, 0x80);
	ck_assert_uint_ge(SB_MESSAGE_ADDRESS, 0x80);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("protocol_words");
	TCase *tests = tcase_create("words");

	tcase_add_loop_test(tests, a_word_gives_back_what_was_put_in, 0, 4);
	tcase_add_test(tests, the_parts_of_a_word_do_not_overlap);
	tcase_add_test(tests, generations_run_round_and_skip_zero);
	tcase_add_test(tests, states_and_flags_only_grow_along_a_life);
	tcase_add_test(tests, each_cache_line_has_one_writer);
	tcase_add_test(tests, messages_never_straddle_the_wrap);
	tcase_add_test(tests, requests_and_orders_are_told_apart);
	suite_add_tcase(suite, tests);
	return unit_run(suite);
}
