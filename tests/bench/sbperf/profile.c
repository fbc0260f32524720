// SPDX-License-Identifier: GPL-2.0-only
/*
 * profile.c - work between marks that profile/plugin.c sees
 */
#include <string.h>
#include <unistd.h>

#include "tests/bench/sbperf/sbperf.h"

#define PROFILE_TIMES 100
#define PROFILE_BYTES (16ull << 20)

/* Instructions that do nothing, for the plugin to find */
static void mark_start(void)
{
#ifdef __x86_64__
	__asm__ volatile(".byte 0x0f, 0x1f, 0x84, 0x00, 0x01, 0x00, 0x5b, "
			 "0x5b" ::
				 : "memory");
#endif
}

static void mark_stop(void)
{
#ifdef __x86_64__
	__asm__ volatile(".byte 0x0f, 0x1f, 0x84, 0x00, 0x02, 0x00, 0x5b, "
			 "0x5b" ::
				 : "memory");
#endif
}

static void profile_connections(void)
{
	connect_ask_close(10);
	mark_start();
	connect_ask_close(PROFILE_TIMES);
	mark_stop();
}

static void rounds(int fd)
{
	for (int n = 0; n < PROFILE_TIMES; n++) {
		ask(fd, REQUEST_ECHO, 0, 1);
		await_answer(fd);
	}
}

static void out(int fd)
{
	ask(fd, REQUEST_SINK, PROFILE_BYTES, READ_BYTES);
	pour(fd, PROFILE_BYTES, READ_BYTES);
	await_answer(fd);
}

static void touched(int fd)
{
	ask(fd, REQUEST_CHECK, PROFILE_BYTES, READ_BYTES);
	pour_made(fd, PROFILE_BYTES, READ_BYTES);
	await_answer(fd);
}

static void in(int fd)
{
	ask(fd, REQUEST_SOURCE, PROFILE_BYTES, READ_BYTES);
	drain(fd, PROFILE_BYTES);
}

/* @work twice on one connection: the first fills pools and opens windows */
static void profile_stream(void (*work)(int fd))
{
	int fd = connect_server();

	work(fd);
	mark_start();
	work(fd);
	mark_stop();
	close(fd);
}

void profile(const char *what)
{
	if (!strcmp(what, "connect"))
		profile_connections();
	if (!strcmp(what, "round"))
		profile_stream(rounds);
	if (!strcmp(what, "out"))
		profile_stream(out);
	if (!strcmp(what, "in"))
		profile_stream(in);
	if (!strcmp(what, "touched"))
		profile_stream(touched);
	if (!strcmp(what, "zero"))
		profile_zero(false, PROFILE_BYTES, mark_start, mark_stop);
	if (!strcmp(what, "zero-touched"))
		profile_zero(true, PROFILE_BYTES, mark_start, mark_stop);
	if (!strcmp(what, "datagram"))
		profile_datagrams(mark_start, mark_stop);
}
