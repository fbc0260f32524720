/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * datagram_records.c - records: what fits, what cannot be, what may change
 *
 * CASES 33: lengths 0, 1, the largest, one more, and beyond the ring; a header
 * that changes while it is read.
 */
#include <pthread.h>
#include <stdlib.h>

#include "protocol/datagram.h"
#include "protocol/ring.h"
#include "tests/unit/area.h"
#include "tests/unit/random.h"
#include "tests/unit/unit.h"

START_TEST(room_is_the_header_the_payload_and_padding)
{
	uint32_t before = 0;

	for (uint32_t bytes = 0; bytes <= SB_DATAGRAM_MAX; bytes++) {
		uint32_t room = sb_datagram_room(bytes);

		if (room % SB_DATAGRAM_ALIGN || room < bytes + 64 ||
		    room >= bytes + 128 || room < before)
			ck_abort_msg("%u bytes take %u", bytes, room);
		before = room;
	}
	ck_assert_uint_eq(sb_datagram_room(0), 64);
	ck_assert_uint_eq(sb_datagram_room(1), 128);
	ck_assert_uint_eq(sb_datagram_room(64), 128);
	ck_assert_uint_eq(sb_datagram_room(65), 192);
	/* the areas that are named for it hold the largest, no smaller ones */
	ck_assert_uint_le(sb_datagram_room(SB_DATAGRAM_MAX),
			  sb_area_bytes(SB_DATAGRAM_ORDER_FULL));
	ck_assert_uint_gt(sb_datagram_room(SB_DATAGRAM_MAX),
			  sb_area_bytes(SB_DATAGRAM_ORDER_FULL - 1));
}
END_TEST

/* What is true of a record, in arithmetic that cannot wrap */
static int64_t honest(uint64_t bytes, uint64_t available)
{
	uint64_t room = (bytes + 64 + 63) / 64 * 64;

	if (available % 64 || available < 64 || bytes > SB_DATAGRAM_MAX ||
	    room > available)
		return -EPROTO;
	return (int64_t)room;
}

static void compare(uint32_t bytes, uint32_t available)
{
	struct sb_datagram h = { .bytes = bytes };
	int64_t answer = sb_datagram_check(&h, available);

	if (answer != honest(bytes, available))
		ck_abort_msg("%u of %u: %lld", bytes, available,
			     (long long)answer);
}

START_TEST(a_record_is_as_long_as_it_says_or_a_lie)
{
	static const uint32_t edge[] = {
		0,	    1,		63,	    64,		65,
		4032,	    4033,	65507,	    65526,	65527,
		65528,	    65536,	0x7fffffff, 0x80000000, 0xffffffbf,
		0xffffffc0, 0xffffffc1, 0xfffffffe, 0xffffffff
	};
	struct random random = random_seed(33);

	for (size_t i = 0; i < sizeof(edge) / sizeof(edge[0]); i++)
		for (size_t k = 0; k < sizeof(edge) / sizeof(edge[0]); k++)
			compare(edge[i], edge[k]);
	for (int i = 0; i < 1000000; i++)
		compare(random_next(&random) >> random_below(&random, 32),
			random_next(&random) >> random_below(&random, 32));
}
END_TEST

/*
 * A ring of records against a list: whatever lengths come, what is read is
 * what was written, and headers never wrap.
 */
enum { SIZE = 4096, KEPT = 128 };

struct kept {
	uint32_t bytes;
	uint32_t port;
};

static uint8_t area[SIZE] __attribute__((aligned(64)));
static struct sb_index_page page;

static void write_record(struct sb_writer *w, const struct kept *k)
{
	struct sb_datagram h = { .bytes = k->bytes,
				 .kind = SB_DATAGRAM_DATA,
				 .remote = { .port = (uint16_t)k->port } };
	uint32_t offset = sb_writer_offset(w);

	ck_assert_uint_eq(offset % SB_DATAGRAM_ALIGN, 0);
	ck_assert_uint_le(offset + sizeof(h), SIZE);
	memcpy(area + offset, &h, sizeof(h));
	for (uint32_t i = 0; i < k->bytes; i++)
		area[(offset + sizeof(h) + i) % SIZE] = (uint8_t)(k->port + i);
	sb_writer_advance(w, sb_datagram_room(k->bytes));
	sb_writer_publish(w);
}

static void read_record(struct sb_reader *r, const struct kept *k)
{
	uint32_t offset = sb_reader_offset(r);
	struct sb_datagram h;
	int64_t room;

	sb_datagram_copy(&h, area + offset);
	room = sb_datagram_check(&h, sb_reader_held(r));
	ck_assert_int_eq(room, sb_datagram_room(k->bytes));
	ck_assert_uint_eq(h.bytes, k->bytes);
	ck_assert_uint_eq(h.remote.port, k->port);
	for (uint32_t i = 0; i < k->bytes; i++)
		if (area[(offset + sizeof(h) + i) % SIZE] !=
		    (uint8_t)(k->port + i))
			ck_abort_msg("byte %u of record %u", i, k->port);
	sb_reader_advance(r, (uint32_t)room);
	sb_reader_release(r);
}

START_TEST(records_come_out_as_they_went_in)
{
	struct random random = random_seed(9);
	struct kept kept[KEPT] = { { 0, 0 } };
	uint32_t first = 0, last = 0;
	struct sb_writer w;
	struct sb_reader r;

	memset(&page, 0, sizeof(page));
	sb_writer_init(&w, &page, SB_OWNER, SIZE);
	sb_reader_init(&r, &page, SB_PEER, SIZE);
	for (uint32_t i = 0; i < 100000; i++) {
		struct kept k = { random_below(&random, i % 5 ? 300 : 4033),
				  i & 0xffff };

		if (random_below(&random, 2) &&
		    sb_writer_space(&w) >= sb_datagram_room(k.bytes)) {
			kept[last++ % KEPT] = k;
			write_record(&w, &k);
		} else if (sb_reader_available(&r) > 0) {
			read_record(&r, &kept[first++ % KEPT]);
		}
		ck_assert_int_eq(sb_reader_available(&r) > 0, first != last);
	}
	ck_assert_uint_gt(first, 1000);
}
END_TEST

static bool stop;

static void *change(void *at)
{
	uint32_t *word = at;

	for (uint32_t n = 0; !__atomic_load_n(&stop, __ATOMIC_RELAXED); n++)
		sb_store(word, n % 3 ? 0xffffffff : 10);
	return NULL;
}

/* What was checked is what is used: nothing is loaded twice */
START_TEST(a_header_that_changes_is_one_or_the_other)
{
	static struct sb_datagram shared;
	pthread_t thread;
	unsigned int good = 0, bad = 0;

	stop = false;
	ck_assert_int_eq(pthread_create(&thread, NULL, change, &shared.bytes),
			 0);
	for (int i = 0; i < 2000000 && (!good || !bad || i < 200000); i++) {
		struct sb_datagram h;
		int64_t room;

		sb_datagram_copy(&h, &shared);
		room = sb_datagram_check(&h, 4096);
		if (room == 128 && h.bytes == 10)
			good++;
		else if (room == -EPROTO && h.bytes == 0xffffffff)
			bad++;
		else if (room != 64 || h.bytes)
			ck_abort_msg("%u bytes, %lld", h.bytes,
				     (long long)room);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	ck_assert_uint_gt(good + bad, 0);
}
END_TEST

/* The header is copied and no byte beyond it: it may be the area's last */
START_TEST(a_header_at_the_end_of_the_area)
{
	uint8_t *pages = area_new(4096);
	struct sb_datagram h, at = { .bytes = 0, .kind = SB_DATAGRAM_JOIN };

	memcpy(pages + 4096 - sizeof(at), &at, sizeof(at));
	sb_datagram_copy(&h, pages + 4096 - sizeof(at));
	ck_assert_int_eq(memcmp(&h, &at, sizeof(h)), 0);
	area_free(pages, 4096);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("datagram");
	TCase *tcase = tcase_create("records");

	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, room_is_the_header_the_payload_and_padding);
	tcase_add_test(tcase, a_record_is_as_long_as_it_says_or_a_lie);
	tcase_add_test(tcase, records_come_out_as_they_went_in);
	tcase_add_test(tcase, a_header_that_changes_is_one_or_the_other);
	tcase_add_test(tcase, a_header_at_the_end_of_the_area);
	suite_add_tcase(suite, tcase);
	return unit_run(suite);
}
