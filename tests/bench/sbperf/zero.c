// SPDX-License-Identifier: GPL-2.0-only
/*
 * zero.c - streams of programs that use libswitchboard
 *
 * Where the socket is no circuit that can be mapped the library copies, and
 * the figure is not one of zero-copy: then there is none.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "guest/lib/switchboard.h"
#include "tests/bench/sbperf/sbperf.h"

/* Both sides move whole lines, so that bytes are made and checked as words */
#define LINE_BYTES 64u
/* Of a reserve() or peek(), at most; what is made depends on the piece */
#define PIECE_BYTES 65536u

/* Bytes from @position on that are of one piece, of @held */
static size_t cut(uint64_t position, uint64_t left, size_t held)
{
	size_t most = PIECE_BYTES - position % PIECE_BYTES;

	held -= held % LINE_BYTES;
	if (held > most)
		held = most;
	return held > left ? left : held;
}

static bool write_in_place(struct switchboard *s, uint64_t bytes, bool touch)
{
	for (uint64_t at = 0; at < bytes;) {
		void *to;
		ssize_t room = switchboard_reserve(s, LINE_BYTES, &to);
		size_t next;

		if (room < 0)
			return false;
		next = cut(at, bytes - at, room);
		if (touch)
			touch_make(to, next, at / PIECE_BYTES);
		if (switchboard_commit(s, next) != 0)
			return false;
		at += next;
	}
	return true;
}

static bool read_in_place(struct switchboard *s, uint64_t bytes, bool touch)
{
	for (uint64_t at = 0; at < bytes;) {
		const void *from;
		ssize_t held = switchboard_peek(s, LINE_BYTES, &from);
		size_t next;

		if (held < (ssize_t)LINE_BYTES)
			return false;
		next = cut(at, bytes - at, held);
		if (touch && !touch_check(from, next, at / PIECE_BYTES))
			return false;
		if (switchboard_release(s, next) != 0)
			return false;
		at += next;
	}
	return true;
}

bool drain_in_place(int fd, uint64_t bytes, bool touch)
{
	struct switchboard *s = switchboard_attach(fd, 0);
	bool well = s && read_in_place(s, bytes, touch);

	return s && switchboard_detach(s) == 0 && well;
}

static struct switchboard *attach(int fd, uint64_t bytes, bool touch)
{
	struct switchboard *s;

	ask(fd, touch ? REQUEST_CHECK_IN_PLACE : REQUEST_SINK_IN_PLACE, bytes,
	    PIECE_BYTES);
	s = switchboard_attach(fd, SWITCHBOARD_MAP);
	if (!s)
		fail("attach");
	return s;
}

/* Until the server has answered that it has read all */
static void pour_in_place(struct switchboard *s, uint64_t bytes, bool touch)
{
	int fd = switchboard_fd(s);
	bool well = write_in_place(s, bytes, touch);

	if (switchboard_detach(s) != 0 || !well)
		fail("stream in place");
	await_answer(fd);
}

static double goodput_mbit(bool touch, uint64_t bytes)
{
	int fd = connect_server();
	double start = now_us(), end;

	pour_in_place(attach(fd, bytes, touch), bytes, touch);
	end = now_us();
	close(fd);
	return bytes * 8.0 / (end - start);
}

void profile_zero(bool touch, uint64_t bytes, void (*start)(void),
		  void (*stop)(void))
{
	int fd;

	/* pools fill */
	goodput_mbit(touch, bytes);
	fd = connect_server();
	start();
	pour_in_place(attach(fd, bytes, touch), bytes, touch);
	stop();
	close(fd);
}

static void measure(const char *name, bool touch)
{
	double sample[SAMPLES_MAX];
	unsigned int samples = repeat < 3 ? repeat : 3;

	goodput_mbit(touch, stream_bytes / 4);
	for (unsigned int n = 0; n < samples; n++)
		sample[n] = goodput_mbit(touch, stream_bytes);
	report(name, "Mbit/s", sample, samples);
}

void measure_zero(void)
{
	measure("zero", false);
}

void measure_zero_touched(void)
{
	measure("zero_touched", true);
}
