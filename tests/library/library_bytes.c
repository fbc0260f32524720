// SPDX-License-Identifier: GPL-2.0-only
/*
 * library_bytes - every byte arrives, in order, whatever the pieces
 *
 *   writer thread -> end 0 ======================= end 1 -> reader thread
 *   reader thread <- end 0 ======================= end 1 <- writer thread
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>

#include "tests/library/ends.h"
#include "tests/unit/random.h"
#include "tests/unit/unit.h"

#define BYTES (1u << 20)

/* One thread: an end and how it moves its bytes */
struct mover {
	struct switchboard *s;
	struct ends *ends;
	int end;
	struct random random;
	uint32_t bytes;
	const char *fault;
};

static uint8_t stream_byte(uint32_t n)
{
	return (n * 0x9e3779b1u) >> 24;
}

static bool is_stream(const uint8_t *at, uint32_t bytes, uint32_t from)
{
	for (uint32_t i = 0; i < bytes; i++)
		if (at[i] != stream_byte(from + i))
			return false;
	return true;
}

static uint32_t pick(struct mover *m, uint32_t limit)
{
	/* mostly small, sometimes all there is */
	if (random_below(&m->random, 4) == 0)
		return random_between(&m->random, 1, limit);
	return random_between(&m->random, 1, limit < 600 ? limit : 600);
}

static void *write_all(void *opaque)
{
	struct mover *m = opaque;
	uint32_t sent = 0, bytes, left;
	ssize_t room;
	void *at;

	while (sent < m->bytes) {
		room = switchboard_reserve(
			m->s, pick(m, switchboard_span(m->s)), &at);
		if (room < 0) {
			m->fault = strerror(errno);
			return NULL;
		}
		left = m->bytes - sent;
		bytes = pick(m, room < (ssize_t)left ? room : left);
		for (uint32_t i = 0; i < bytes; i++)
			((uint8_t *)at)[i] = stream_byte(sent + i);
		if (switchboard_commit(m->s, bytes) != 0)
			m->fault = strerror(errno);
		sent += bytes;
	}
	ends_finish(m->ends, m->end);
	return NULL;
}

static void *read_all(void *opaque)
{
	struct mover *m = opaque;
	uint32_t got = 0, bytes;
	const void *at;
	ssize_t held;

	for (;;) {
		held = switchboard_peek(m->s, pick(m, switchboard_span(m->s)),
					&at);
		if (held < 0)
			m->fault = strerror(errno);
		if (held <= 0)
			break;
		bytes = pick(m, held);
		if (!is_stream(at, bytes, got))
			m->fault = "not the byte that was written";
		if (switchboard_release(m->s, bytes) != 0)
			m->fault = strerror(errno);
		got += bytes;
	}
	if (!m->fault && got != m->bytes)
		m->fault = "bytes were lost";
	return NULL;
}

START_TEST(arrive_in_order_both_ways_at_once)
{
	struct ends *ends = ends_open((enum ends_kind)_i);
	struct mover mover[4];
	pthread_t thread[4];

	memset(mover, 0, sizeof(mover));
	for (int i = 0; i < 4; i++) {
		mover[i].ends = ends;
		mover[i].end = i / 2;
		mover[i].s = ends->s[i / 2];
		mover[i].random = random_seed(i + 1);
		mover[i].bytes = BYTES;
		pthread_create(&thread[i], NULL, i % 2 ? read_all : write_all,
			       &mover[i]);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	for (int i = 0; i < 4; i++)
		ck_assert_msg(!mover[i].fault, "%s", mover[i].fault);
	ends_close(ends);
}
END_TEST

/* One thread has both ends, and nothing blocks */
START_TEST(arrive_without_blocking)
{
	struct ends *ends = ends_open((enum ends_kind)_i);
	struct switchboard *out = ends->s[0], *in = ends->s[1];
	uint32_t sent = 0, got = 0, full = 0;
	ssize_t room, held;
	const void *from;
	void *at;

	ends_set_nonblocking(ends, 0);
	ends_set_nonblocking(ends, 1);
	while (got < BYTES) {
		while (sent < BYTES) {
			room = switchboard_reserve(out, 1, &at);
			if (room < 0)
				break;
			if (room > BYTES - sent)
				room = BYTES - sent;
			for (ssize_t i = 0; i < room; i++)
				((uint8_t *)at)[i] = stream_byte(sent + i);
			ck_assert_int_eq(switchboard_commit(out, room), 0);
			sent += room;
		}
		if (switchboard_flush(out) != 0 || sent < BYTES) {
			ck_assert_int_eq(errno, EAGAIN);
			full++;
		}
		while ((held = switchboard_peek(in, 1, &from)) > 0) {
			ck_assert(is_stream(from, held, got));
			got += held;
			ck_assert_int_eq(switchboard_release(in, held), 0);
		}
		ck_assert_int_eq(errno, EAGAIN);
	}
	ck_assert_uint_gt(full, 0);
	ends_close(ends);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("library_bytes");
	TCase *tests = tcase_create("streams");

	tcase_set_timeout(tests, 60);
	tcase_add_loop_test(tests, arrive_in_order_both_ways_at_once, 0,
			    ENDS_KINDS);
	tcase_add_loop_test(tests, arrive_without_blocking, 0, ENDS_KINDS);
	suite_add_tcase(suite, tests);
	return unit_run(suite);
}
