/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ring_model - a ring against a plain queue, thousands of random histories
 *
 * The model knows no indexes: it counts, in 64 bits, the bytes written,
 * published, released and read since the beginning, and the thresholds that
 * each side armed. After every operation ring and model must agree on room,
 * content and bells. A failure prints the seed; SEED=n runs that one alone.
 */
#include <inttypes.h>
#include <stdio.h>

#include "tests/unit/area.h"
#include "tests/unit/random.h"
#include "tests/unit/unit.h"

#define SEEDS 4000
#define STEPS 300

/**
 * struct model - what a ring should be
 * @written, @published, @read, @released: bytes since the beginning
 * @wake_reader: published bytes at which the reader's bell is due, 0: none
 * @wake_writer: released bytes at which the writer's bell is due, 0: none
 */
struct model {
	uint64_t written;
	uint64_t published;
	uint64_t read;
	uint64_t released;
	uint64_t wake_reader;
	uint64_t wake_writer;
};

/**
 * struct pair - a ring, its model, and the seed that made both
 * @room: what the writer has been told; may be less than there is
 * @held: what the reader has been told
 */
struct pair {
	uint64_t seed;
	struct random random;
	struct model model;
	struct sb_index_page page;
	struct sb_writer w;
	struct sb_reader r;
	uint8_t *area;
	uint32_t size;
	uint32_t room;
	uint32_t held;
};

static struct pair p;

/* ck_assert() records each call, which is too slow for millions of them */
#define AGREE(ring, model) agree(#ring, (ring), (model))

static void agree(const char *what, int64_t ring, int64_t model)
{
	if (ring != model)
		ck_abort_msg("SEED=%" PRIu64 ": %s is %" PRId64 ", the model "
			     "says %" PRId64,
			     p.seed, what, ring, model);
}

/* The byte at position @n of the stream; no period that an area could hide */
static uint8_t stream_byte(uint64_t n)
{
	return (n * 0x9e3779b97f4a7c15ull) >> 56;
}

static void write_some(void)
{
	uint32_t bytes = random_between(&p.random, 0, p.room);
	uint8_t chunk[SB_PAGE_BYTES * 4];

	for (uint32_t i = 0; i < bytes; i++)
		chunk[i] = stream_byte(p.model.written + i);
	area_write(p.area, &p.w, chunk, bytes);
	p.model.written += bytes;
	p.room -= bytes;
	AGREE(sb_writer_room(&p.w), p.room);
}

static void publish(void)
{
	bool due = p.model.wake_reader > p.model.published &&
		   p.model.wake_reader <= p.model.written;

	AGREE(sb_writer_publish(&p.w), due);
	p.model.published = p.model.written;
}

static void look_for_room(void)
{
	p.room = p.size - (p.model.written - p.model.released);
	AGREE(sb_writer_space(&p.w), p.room);
}

static void arm_writer(void)
{
	uint32_t room = random_between(&p.random, 1, p.size);

	publish();
	p.room = p.size - (p.model.written - p.model.released);
	AGREE(sb_writer_arm(&p.w, room), p.room);
	p.model.wake_writer =
		p.room < room ? p.model.written + room - p.size : 0;
}

static void read_some(void)
{
	uint32_t bytes = random_between(&p.random, 0, p.held);
	uint8_t chunk[SB_PAGE_BYTES * 4];

	area_read(p.area, &p.r, chunk, bytes);
	for (uint32_t i = 0; i < bytes; i++)
		AGREE(chunk[i], stream_byte(p.model.read + i));
	p.model.read += bytes;
	p.held -= bytes;
	AGREE(sb_reader_held(&p.r), p.held);
}

static void release(void)
{
	bool due = p.model.wake_writer > p.model.released &&
		   p.model.wake_writer <= p.model.read;

	AGREE(sb_reader_release(&p.r), due);
	p.model.released = p.model.read;
}

static void look_for_bytes(void)
{
	p.held = p.model.published - p.model.read;
	AGREE(sb_reader_available(&p.r), p.held);
}

static void arm_reader(void)
{
	uint32_t bytes = random_between(&p.random, 1, p.size);

	release();
	p.held = p.model.published - p.model.read;
	AGREE(sb_reader_arm(&p.r, bytes), p.held);
	p.model.wake_reader = p.held < bytes ? p.model.read + bytes : 0;
}

static void (*const operations[])(void) = {
	write_some, publish, look_for_room,  arm_writer,
	read_some,  release, look_for_bytes, arm_reader,
};
#define OPERATIONS (sizeof(operations) / sizeof(operations[0]))

/* Anywhere, but mostly where the indexes wrap within the history */
static uint32_t pick_start(void)
{
	if (random_below(&p.random, 4) == 0)
		return random_next(&p.random);
	return 0u - random_below(&p.random, 20000);
}

static void begin(uint64_t seed)
{
	uint32_t start;

	memset(&p, 0, sizeof(p));
	p.seed = seed;
	p.random = random_seed(seed);
	p.size = sb_area_bytes(random_below(&p.random, 3));
	p.area = area_new(p.size);
	p.room = p.size;
	start = pick_start();
	p.page.side[SB_OWNER].produced = start;
	p.page.side[SB_OWNER].space_event = start - 1;
	p.page.side[SB_PEER].consumed = start;
	p.page.side[SB_PEER].data_event = start - 1;
	AGREE(sb_writer_resume(&p.w, p.page.side, SB_OWNER, p.size), 0);
	AGREE(sb_reader_resume(&p.r, p.page.side, SB_PEER, p.size), 0);
}

static void run_history(uint64_t seed)
{
	begin(seed);
	for (int step = 0; step < STEPS; step++)
		operations[random_below(&p.random, OPERATIONS)]();
	area_free(p.area, p.size);
}

START_TEST(ring_and_queue_agree)
{
	const char *seed = getenv("SEED");

	if (seed) {
		run_history(strtoull(seed, NULL, 0));
		return;
	}
	for (uint64_t n = 0; n < SEEDS; n++)
		run_history(n);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ring_model");
	TCase *tests = tcase_create("histories");

	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, ring_and_queue_agree);
	suite_add_tcase(suite, tests);
	return unit_run(suite);
}
