/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ring_basic - what one ring says, step by step, on one thread
 *
 * The steps run at several start indexes: at zero, and so near 2^32 that the
 * indexes wrap in the middle.
 */
#include "tests/unit/area.h"
#include "tests/unit/unit.h"

#define AREA_BYTES SB_PAGE_BYTES

static const uint32_t starts[] = {
	0, 1, 0x7fffffff, 0xffffffff, 0u - AREA_BYTES, 100u - AREA_BYTES
};
#define STARTS ((int)(sizeof(starts) / sizeof(starts[0])))

static struct sb_index_page page;
static struct sb_writer w;
static struct sb_reader r;

/* A ring from owner to peer whose indexes begin at @start */
static void ring_at(uint32_t start)
{
	memset(&page, 0, sizeof(page));
	page.side[SB_OWNER].produced = start;
	page.side[SB_PEER].consumed = start;
	ck_assert_int_eq(sb_writer_resume(&w, page.side, SB_OWNER, AREA_BYTES),
			 0);
	ck_assert_int_eq(sb_reader_resume(&r, page.side, SB_PEER, AREA_BYTES),
			 0);
	/* both may have been at a start index where an old event is passed */
	page.side[SB_PEER].data_event = start - 1;
	page.side[SB_OWNER].space_event = start - 1;
}

static void produce(uint32_t bytes)
{
	ck_assert_int_ge(sb_writer_space(&w), bytes);
	sb_writer_advance(&w, bytes);
}

static void consume(uint32_t bytes)
{
	ck_assert_int_ge(sb_reader_available(&r), bytes);
	sb_reader_advance(&r, bytes);
}

START_TEST(sizes_follow_the_order)
{
	ck_assert_uint_eq(sb_area_bytes(SB_ORDER_MIN), 4096);
	ck_assert_uint_eq(sb_area_bytes(SB_ORDER_DEFAULT), 16384);
	ck_assert_uint_eq(sb_area_bytes(SB_ORDER_MAX), 1048576);
	ck_assert_uint_eq(SB_CIRCUIT_PAGES(SB_ORDER_DEFAULT),
			  SB_CIRCUIT_PAGES_INLINE);
}
END_TEST

START_TEST(new_ring_is_empty)
{
	memset(&page, 0, sizeof(page));
	sb_writer_init(&w, &page, SB_OWNER, AREA_BYTES);
	sb_reader_init(&r, &page, SB_PEER, AREA_BYTES);
	ck_assert_int_eq(sb_writer_space(&w), AREA_BYTES);
	ck_assert_int_eq(sb_reader_available(&r), 0);
	ck_assert_uint_eq(sb_writer_offset(&w), 0);
	ck_assert_uint_eq(sb_reader_run(&r), AREA_BYTES);
}
END_TEST

START_TEST(the_first_byte_rings_when_written_and_not_when_read)
{
	memset(&page, 0, sizeof(page));
	sb_writer_init(&w, &page, SB_OWNER, AREA_BYTES);
	sb_reader_init(&r, &page, SB_PEER, AREA_BYTES);
	produce(1);
	ck_assert(sb_writer_publish(&w));
	consume(1);
	ck_assert(!sb_reader_release(&r));
}
END_TEST

START_TEST(bytes_show_only_when_published_and_room_when_released)
{
	ring_at(starts[_i]);
	produce(AREA_BYTES);
	ck_assert_int_eq(sb_writer_space(&w), 0);
	ck_assert_int_eq(sb_reader_available(&r), 0);
	sb_writer_publish(&w);
	ck_assert_int_eq(sb_reader_available(&r), AREA_BYTES);

	consume(1000);
	ck_assert_int_eq(sb_reader_available(&r), AREA_BYTES - 1000);
	ck_assert_int_eq(sb_writer_space(&w), 0);
	sb_reader_release(&r);
	ck_assert_int_eq(sb_writer_space(&w), 1000);
}
END_TEST

START_TEST(offset_and_run_meet_at_the_wrap)
{
	ring_at(starts[_i]);
	for (int step = 0; step < 20; step++) {
		produce(777);
		sb_writer_publish(&w);
		consume(777);
		sb_reader_release(&r);
		ck_assert_uint_eq(sb_writer_offset(&w), sb_reader_offset(&r));
		ck_assert_uint_eq(sb_writer_offset(&w),
				  (starts[_i] + (step + 1) * 777u) %
					  AREA_BYTES);
		ck_assert_uint_eq(sb_writer_offset(&w) + sb_writer_run(&w),
				  AREA_BYTES);
	}
}
END_TEST

START_TEST(an_unarmed_ring_rings_no_bell)
{
	ring_at(starts[_i]);
	for (int step = 0; step < 100; step++) {
		produce(99);
		ck_assert(!sb_writer_publish(&w));
		consume(99);
		ck_assert(!sb_reader_release(&r));
	}
}
END_TEST

START_TEST(nothing_new_rings_no_bell)
{
	ring_at(starts[_i]);
	sb_reader_arm(&r, 1);
	ck_assert(!sb_writer_publish(&w));
	ck_assert(!sb_reader_release(&r));
}
END_TEST

START_TEST(an_armed_reader_is_woken_once_at_its_threshold)
{
	ring_at(starts[_i]);
	ck_assert_int_eq(sb_reader_arm(&r, 100), 0);
	produce(99);
	ck_assert(!sb_writer_publish(&w));
	produce(1);
	ck_assert(sb_writer_publish(&w));
	produce(1);
	ck_assert(!sb_writer_publish(&w));
	ck_assert_int_eq(sb_reader_arm(&r, 200), 101);
	produce(AREA_BYTES - 101);
	ck_assert(sb_writer_publish(&w));
}
END_TEST

START_TEST(an_armed_writer_is_woken_once_at_its_threshold)
{
	ring_at(starts[_i]);
	produce(AREA_BYTES);
	sb_writer_publish(&w);
	ck_assert_int_eq(sb_writer_arm(&w, 50), 0);
	consume(49);
	ck_assert(!sb_reader_release(&r));
	consume(1);
	ck_assert(sb_reader_release(&r));
	consume(AREA_BYTES - 50);
	ck_assert(!sb_reader_release(&r));
}
END_TEST

START_TEST(waiting_for_a_whole_area_ends)
{
	ring_at(starts[_i]);
	ck_assert_int_eq(sb_reader_arm(&r, AREA_BYTES), 0);
	produce(AREA_BYTES - 1);
	ck_assert(!sb_writer_publish(&w));
	produce(1);
	ck_assert(sb_writer_publish(&w));

	ck_assert_int_eq(sb_writer_arm(&w, AREA_BYTES), 0);
	consume(AREA_BYTES - 1);
	ck_assert(!sb_reader_release(&r));
	consume(1);
	ck_assert(sb_reader_release(&r));
}
END_TEST

START_TEST(arming_tells_what_came_meanwhile)
{
	ring_at(starts[_i]);
	produce(10);
	sb_writer_publish(&w);
	ck_assert_int_eq(sb_reader_arm(&r, 1), 10);
	ck_assert_int_eq(sb_writer_arm(&w, 1), AREA_BYTES - 10);
}
END_TEST

START_TEST(resuming_finds_the_published_indexes)
{
	struct sb_writer w2;
	struct sb_reader r2;

	ring_at(starts[_i]);
	produce(300);
	sb_writer_publish(&w);
	produce(5); /* never published: lost with the process */
	consume(100);
	sb_reader_release(&r);
	consume(7); /* never released: read again */
	ck_assert_int_eq(sb_writer_resume(&w2, page.side, SB_OWNER, AREA_BYTES),
			 0);
	ck_assert_int_eq(sb_reader_resume(&r2, page.side, SB_PEER, AREA_BYTES),
			 0);
	ck_assert_int_eq(sb_writer_space(&w2), AREA_BYTES - 200);
	ck_assert_int_eq(sb_reader_available(&r2), 200);
}
END_TEST

START_TEST(resuming_refuses_indexes_that_contradict)
{
	ring_at(starts[_i]);
	page.side[SB_OWNER].produced += AREA_BYTES + 1;
	ck_assert_int_eq(sb_writer_resume(&w, page.side, SB_OWNER, AREA_BYTES),
			 -EPROTO);
	ck_assert_int_eq(sb_reader_resume(&r, page.side, SB_PEER, AREA_BYTES),
			 -EPROTO);
	page.side[SB_OWNER].produced = starts[_i] - 1;
	ck_assert_int_eq(sb_writer_resume(&w, page.side, SB_OWNER, AREA_BYTES),
			 -EPROTO);
	ck_assert_int_eq(sb_reader_resume(&r, page.side, SB_PEER, AREA_BYTES),
			 -EPROTO);
}
END_TEST

START_TEST(the_two_directions_share_nothing)
{
	struct sb_writer back;

	ring_at(starts[_i]);
	sb_writer_init(&back, &page, SB_PEER, AREA_BYTES);
	sb_writer_advance(&back, 123);
	page.side[SB_OWNER].consumed = 0;
	sb_writer_publish(&back);
	ck_assert_int_eq(sb_reader_available(&r), 0);
	ck_assert_int_eq(sb_writer_space(&w), AREA_BYTES);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ring_basic");
	TCase *tests = tcase_create("steps");

	tcase_add_test(tests, sizes_follow_the_order);
	tcase_add_test(tests, new_ring_is_empty);
	tcase_add_test(tests,
		       the_first_byte_rings_when_written_and_not_when_read);
#define AT_EVERY_START(test) tcase_add_loop_test(tests, test, 0, STARTS)
	AT_EVERY_START(bytes_show_only_when_published_and_room_when_released);
	AT_EVERY_START(offset_and_run_meet_at_the_wrap);
	AT_EVERY_START(an_unarmed_ring_rings_no_bell);
	AT_EVERY_START(nothing_new_rings_no_bell);
	AT_EVERY_START(an_armed_reader_is_woken_once_at_its_threshold);
	AT_EVERY_START(an_armed_writer_is_woken_once_at_its_threshold);
	AT_EVERY_START(waiting_for_a_whole_area_ends);
	AT_EVERY_START(arming_tells_what_came_meanwhile);
	AT_EVERY_START(resuming_finds_the_published_indexes);
	AT_EVERY_START(resuming_refuses_indexes_that_contradict);
	AT_EVERY_START(the_two_directions_share_nothing);
	suite_add_tcase(suite, tests);
	return unit_run(suite);
}
