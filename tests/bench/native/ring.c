// SPDX-License-Identifier: GPL-2.0-only
/*
 * ring.c - a ring between two processes, and memory without any protocol
 *
 * Both copy messages into an area of shared memory and out of it, on the same
 * processors. With the ring no byte is read before it is written or written
 * before there is room, and who has nothing to do for a while sleeps. Without
 * it one process writes the area round and round while the other reads it
 * round and round, each for itself, and what is read is not what was written:
 * no more than that can the processors pass.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "protocol/ring.h"
#include "tests/bench/native/native.h"
#include "tests/bench/sbperf/sbperf.h"

#define AREA_ORDER 6
#define AREA_BYTES (SB_PAGE_BYTES << AREA_ORDER)
/* Long messages go in pieces, so that both sides have something to do */
#define PIECE_BYTES (AREA_BYTES / 4)
/* Looks at an index before the side sleeps */
#define SPINS 2000

/**
 * struct stage - what both processes share
 * @pace:  of the burst
 * @index: of the ring
 * @area:  of the ring, mapped twice in a row, as the guest's kernel does
 * @wake:  eventfds: of the writer, of the reader
 */
struct stage {
	struct pace pace;
	struct sb_index_page *index;
	uint8_t *area;
	int wake[2];
};

static struct stage stage;

static uint8_t *map_area(void)
{
	int fd = memfd_create("ring", MFD_CLOEXEC);
	uint8_t *base = mmap(NULL, (size_t)2 * AREA_BYTES, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (fd < 0 || base == MAP_FAILED || ftruncate(fd, AREA_BYTES) != 0)
		fail("memory");
	for (int half = 0; half < 2; half++)
		if (mmap(base + (size_t)half * AREA_BYTES, AREA_BYTES,
			 PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd,
			 0) == MAP_FAILED)
			fail("mmap");
	close(fd);
	return base;
}

static void open_stage(const struct pace *p)
{
	stage.pace = *p;
	if (!stage.area) {
		stage.area = map_area();
		stage.index =
			mmap(NULL, sizeof(*stage.index), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (stage.index == MAP_FAILED)
			fail("mmap");
		for (int side = 0; side < 2; side++)
			stage.wake[side] = eventfd(0, EFD_CLOEXEC);
	}
	memset(stage.index, 0, sizeof(*stage.index));
}

static void wake(int side)
{
	uint64_t one = 1;

	if (write(stage.wake[side], &one, sizeof(one)) != sizeof(one))
		fail("eventfd");
}

static void sleep_until_woken(int side)
{
	uint64_t events;

	if (read(stage.wake[side], &events, sizeof(events)) < 0)
		fail("eventfd");
}

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static void wait_for_room(struct sb_writer *w)
{
	for (int n = 0; n < SPINS; n++) {
		if (sb_writer_space(w) > 0)
			return;
		__builtin_ia32_pause();
	}
	while (sb_writer_arm(w, w->size / 2) < w->size / 2)
		sleep_until_woken(SB_OWNER);
}

static void send_message(struct stage *s, struct sb_writer *w)
{
	uint32_t done = 0, next;

	for (; done < s->pace.size; done += next) {
		next = least(s->pace.size - done, PIECE_BYTES);
		if (sb_writer_room(w) < next && sb_writer_space(w) == 0)
			wait_for_room(w);
		next = least(next, sb_writer_room(w));
		memcpy(s->area + sb_writer_offset(w), chunk + done, next);
		sb_writer_advance(w, next);
		if (sb_writer_publish(w))
			wake(SB_PEER);
	}
}

static void produce(void *shared)
{
	struct stage *s = shared;
	uint64_t left = s->pace.bytes;
	struct sb_writer w;

	sb_writer_init(&w, s->index, SB_OWNER, AREA_BYTES);
	while (left) {
		send_message(s, &w);
		left -= s->pace.size;
	}
}

static void wait_for_bytes(struct sb_reader *r)
{
	for (int n = 0; n < SPINS; n++) {
		if (sb_reader_available(r) > 0)
			return;
		__builtin_ia32_pause();
	}
	while (sb_reader_arm(r, 1) < 1)
		sleep_until_woken(SB_PEER);
}

static void consume(void *shared)
{
	struct stage *s = shared;
	uint64_t left = s->pace.bytes;
	struct sb_reader r;

	sb_reader_init(&r, s->index, SB_PEER, AREA_BYTES);
	while (left) {
		uint32_t held = sb_reader_held(&r);

		if (!held && (held = sb_reader_available(&r)) == 0) {
			wait_for_bytes(&r);
			continue;
		}
		held = least(held, least(s->pace.size, PIECE_BYTES));
		memcpy(chunk, s->area + sb_reader_offset(&r), held);
		sb_reader_advance(&r, held);
		left -= held;
		if (sb_reader_release(&r))
			wake(SB_OWNER);
	}
}

/* The compiler must not find out that nobody looks at the bytes */
static void copy(void *to, const void *from, size_t bytes)
{
	memcpy(to, from, bytes);
	__asm__ volatile("" ::: "memory");
}

static void write_round(void *shared)
{
	struct stage *s = shared;
	uint64_t at = 0;
	size_t piece = s->pace.size < AREA_BYTES ? s->pace.size : AREA_BYTES;

	for (; at < s->pace.bytes; at += piece)
		copy(s->area + at % AREA_BYTES, chunk, piece);
}

static void read_round(void *shared)
{
	struct stage *s = shared;
	uint64_t at = 0;
	size_t piece = s->pace.size < AREA_BYTES ? s->pace.size : AREA_BYTES;

	for (; at < s->pace.bytes; at += piece)
		copy(chunk, s->area + at % AREA_BYTES, piece);
}

/*
 * Quarters of the area, handed over by one word each way: the least with
 * which the bytes that are read are those that were written
 */
static void await(const uint32_t *word, uint32_t value)
{
	while ((int32_t)(sb_load(word) - value) < 0)
		__builtin_ia32_pause();
}

static void write_quarters(void *shared)
{
	struct stage *s = shared;
	struct sb_index *word = s->index->side;
	size_t piece = least(s->pace.size, PIECE_BYTES);
	uint32_t quarters = s->pace.bytes / PIECE_BYTES;

	for (uint32_t n = 0; n < quarters; n++) {
		uint8_t *quarter = s->area + (size_t)(n % 4) * PIECE_BYTES;

		await(&word[SB_PEER].consumed, n < 4 ? 0 : n - 3);
		for (size_t at = 0; at < PIECE_BYTES; at += piece)
			copy(quarter + at, chunk, piece);
		sb_store(&word[SB_OWNER].produced, n + 1);
	}
}

static void read_quarters(void *shared)
{
	struct stage *s = shared;
	struct sb_index *word = s->index->side;
	size_t piece = least(s->pace.size, PIECE_BYTES);
	uint32_t quarters = s->pace.bytes / PIECE_BYTES;

	for (uint32_t n = 0; n < quarters; n++) {
		const uint8_t *quarter =
			s->area + (size_t)(n % 4) * PIECE_BYTES;

		await(&word[SB_OWNER].produced, n + 1);
		for (size_t at = 0; at < PIECE_BYTES; at += piece)
			copy(chunk, quarter + at, piece);
		sb_store(&word[SB_PEER].consumed, n + 1);
	}
}

double ring_burst(const struct pace *p)
{
	open_stage(p);
	return p->bytes / pair_run(produce, consume, &stage) / 1e6;
}

double memory_burst(const struct pace *p)
{
	open_stage(p);
	return p->bytes / pair_run(write_round, read_round, &stage) / 1e6;
}

double handed_burst(const struct pace *p)
{
	open_stage(p);
	return p->bytes / pair_run(write_quarters, read_quarters, &stage) / 1e6;
}
