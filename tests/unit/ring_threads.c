/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ring_threads - a whole circuit with four threads on it
 *
 *            tx ring                  The two rings share the index page, so
 *   writer ----------> reader         that each side's line is stored to by
 *   owner               peer          two threads. Threads sleep and wake by
 *   reader <---------- writer         the event protocol alone: a wake-up that
 *            rx ring                  is lost shows as a sleep without end.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <time.h>

#include "tests/unit/area.h"
#include "tests/unit/random.h"
#include "tests/unit/unit.h"

#define SLEEP_MAX_S 10
#define CHUNK_MAX 9000u

/**
 * struct plan - how a stream is moved
 * @order: of the areas
 * @start: of the indexes
 * @bytes: in each direction
 * @chunk: largest piece written or read at once
 * @room_max: most room that a writer waits for
 * @held_max: most bytes that a reader waits for
 */
struct plan {
	unsigned int order;
	uint32_t start;
	uint32_t bytes;
	uint32_t chunk;
	uint32_t room_max;
	uint32_t held_max;
};

static const struct plan plans[] = {
	{ 0, 0, 16 << 20, CHUNK_MAX, 1, 1 },
	{ 2, 0u - 100000, 32 << 20, CHUNK_MAX, 1, 1 },
	{ 0, 0u - 1000, 200000, 1, 1, 1 }, /* one-byte writes */
	{ 0, 7, 8 << 20, 700, 2048, 2049 }, /* as much as both may want */
	{ 1, 0, 2 << 20, 3000, 1, 8192 }, /* SO_RCVLOWAT of a whole area */
	{ 1, 0, 2 << 20, 3000, 8192, 1 },
};
#define PLANS ((int)(sizeof(plans) / sizeof(plans[0])))

/**
 * struct end - one thread's end of one ring
 * @bell:   posted by whoever would send this thread an event
 * @other:  the thread that it rings
 * @arms:   how often it asked to be woken, so that bells can be bounded
 * @rings:  how often it rang @other
 * @fault:  what went wrong, or NULL
 */
struct end {
	const struct plan *plan;
	uint8_t *area;
	struct random random;
	sem_t bell;
	struct end *other;
	struct sb_writer w;
	struct sb_reader r;
	uint32_t arms;
	uint32_t rings;
	const char *fault;
};

static struct sb_index_page page;
static struct end ends[4];

static uint8_t stream_byte(uint32_t n)
{
	return (n * 0x9e3779b1u) >> 24;
}

static void ring_bell(struct end *e)
{
	e->rings++;
	sem_post(&e->other->bell);
}

static bool sleep_until_rung(struct end *e)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += SLEEP_MAX_S;
	while (sem_timedwait(&e->bell, &until) != 0) {
		if (errno == EINTR)
			continue;
		e->fault = "a wake-up was lost";
		return false;
	}
	return true;
}

/* Return: bytes of room, at least 1; or 0 after a fault */
static uint32_t wait_for_room(struct end *e)
{
	uint32_t want = random_between(&e->random, 1, e->plan->room_max);
	int64_t room = sb_writer_space(&e->w);

	while (room >= 0 && room < want) {
		e->arms++;
		room = sb_writer_arm(&e->w, want);
		if (room >= 0 && room < want && !sleep_until_rung(e))
			return 0;
		room = sb_writer_space(&e->w);
	}
	if (room < 0)
		e->fault = "the writer found a lie";
	return room < 0 ? 0 : room;
}

/* Return: bytes to read, at least 1; or 0 after a fault. @left: to come */
static uint32_t wait_for_bytes(struct end *e, uint32_t left)
{
	uint32_t want = random_between(&e->random, 1, e->plan->held_max);
	int64_t held = sb_reader_available(&e->r);

	if (want > left)
		want = left;
	while (held >= 0 && held < want) {
		e->arms++;
		held = sb_reader_arm(&e->r, want);
		if (held >= 0 && held < want && !sleep_until_rung(e))
			return 0;
		held = sb_reader_available(&e->r);
	}
	if (held < 0)
		e->fault = "the reader found a lie";
	return held < 0 ? 0 : held;
}

static uint32_t pick_chunk(struct end *e, uint32_t limit)
{
	uint32_t chunk = random_between(&e->random, 1, e->plan->chunk);

	return chunk < limit ? chunk : limit;
}

static void *run_writer(void *opaque)
{
	struct end *e = opaque;
	uint8_t chunk[CHUNK_MAX];
	uint32_t sent = 0;

	while (sent < e->plan->bytes) {
		uint32_t room = wait_for_room(e);
		uint32_t left = e->plan->bytes - sent;
		uint32_t bytes = pick_chunk(e, room < left ? room : left);

		if (room == 0)
			return NULL;
		for (uint32_t i = 0; i < bytes; i++)
			chunk[i] = stream_byte(sent + i);
		area_write(e->area, &e->w, chunk, bytes);
		if (sb_writer_publish(&e->w))
			ring_bell(e);
		sent += bytes;
	}
	return NULL;
}

static void *run_reader(void *opaque)
{
	struct end *e = opaque;
	uint8_t chunk[CHUNK_MAX];
	uint32_t got = 0;

	while (got < e->plan->bytes) {
		uint32_t held = wait_for_bytes(e, e->plan->bytes - got);
		uint32_t bytes = pick_chunk(e, held);

		if (held == 0)
			return NULL;
		area_read(e->area, &e->r, chunk, bytes);
		if (sb_reader_release(&e->r))
			ring_bell(e);
		for (uint32_t i = 0; i < bytes; i++)
			if (chunk[i] != stream_byte(got + i))
				e->fault = "a byte is not what was written";
		got += bytes;
	}
	return NULL;
}

/* The ring that @writer's side writes, between two threads */
static void prepare(const struct plan *plan, enum sb_side writer,
		    struct end *from, struct end *to, uint64_t seed)
{
	uint32_t size = sb_area_bytes(plan->order);

	memset(from, 0, sizeof(*from));
	memset(to, 0, sizeof(*to));
	from->plan = to->plan = plan;
	from->area = to->area = area_new(size);
	from->other = to;
	to->other = from;
	from->random = random_seed(seed);
	to->random = random_seed(seed + 1000);
	sem_init(&from->bell, 0, 0);
	sem_init(&to->bell, 0, 0);
	page.side[writer].produced = plan->start;
	page.side[!writer].consumed = plan->start;
	ck_assert_int_eq(sb_writer_resume(&from->w, page.side, writer, size),
			 0);
	ck_assert_int_eq(sb_reader_resume(&to->r, page.side, !writer, size), 0);
}

static void check_end(const struct end *e)
{
	ck_assert_msg(!e->fault, "%s", e->fault);
	/*
	 * An event is passed once, also when whoever armed found enough and did
	 * not sleep. The first bell may be for one that nobody asked for
	 */
	ck_assert_uint_le(e->rings, e->other->arms + 1);
}

START_TEST(streams_arrive_byte_exact_both_ways)
{
	const struct plan *plan = &plans[_i];
	pthread_t thread[4];

	memset(&page, 0, sizeof(page));
	prepare(plan, SB_OWNER, &ends[0], &ends[1], 1);
	prepare(plan, SB_PEER, &ends[2], &ends[3], 2);
	for (int i = 0; i < 4; i++)
		pthread_create(&thread[i], NULL,
			       i % 2 ? run_reader : run_writer, &ends[i]);
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	for (int i = 0; i < 4; i++)
		check_end(&ends[i]);
	area_free(ends[0].area, sb_area_bytes(plan->order));
	area_free(ends[2].area, sb_area_bytes(plan->order));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ring_threads");
	TCase *tests = tcase_create("streams");

	tcase_set_timeout(tests, 60);
	tcase_add_loop_test(tests, streams_arrive_byte_exact_both_ways, 0,
			    PLANS);
	suite_add_tcase(suite, tests);
	return unit_run(suite);
}
