// SPDX-License-Identifier: GPL-2.0-only
/*
 * io.c - whole reads and writes, requests and answers, lines of figures
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/sbperf/sbperf.h"

struct sockaddr_in server;
unsigned int repeat = 10;
unsigned int count = 500;
uint64_t stream_bytes = 32ull << 20;
uint8_t chunk[CHUNK_BYTES] __attribute__((aligned(64)));

void fail(const char *what)
{
	fprintf(stderr, "sbperf: %s: %s\n", what, strerror(errno));
	exit(1);
}

double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

bool read_all(int fd, void *to, size_t bytes)
{
	uint8_t *at = to;

	while (bytes) {
		ssize_t got = read(fd, at, bytes);

		if (got <= 0)
			return false;
		at += got;
		bytes -= got;
	}
	return true;
}

bool write_all(int fd, const void *from, size_t bytes)
{
	const uint8_t *at = from;

	while (bytes) {
		ssize_t put = write(fd, at, bytes);

		if (put <= 0)
			return false;
		at += put;
		bytes -= put;
	}
	return true;
}

bool drain(int fd, uint64_t bytes)
{
	while (bytes) {
		size_t piece = bytes < READ_BYTES ? bytes : READ_BYTES;
		ssize_t got = read(fd, chunk, piece);

		if (got <= 0)
			return false;
		bytes -= got;
	}
	return true;
}

bool pour(int fd, uint64_t bytes, uint32_t piece)
{
	while (bytes) {
		size_t next = bytes < piece ? bytes : piece;

		if (!write_all(fd, chunk, next))
			return false;
		bytes -= next;
	}
	return true;
}

bool drain_checked(int fd, uint64_t bytes, uint32_t piece)
{
	for (uint64_t n = 0; bytes; n++) {
		size_t next = bytes < piece ? bytes : piece;

		if (!read_all(fd, chunk, next) || !touch_check(chunk, next, n))
			return false;
		bytes -= next;
	}
	return true;
}

bool pour_made(int fd, uint64_t bytes, uint32_t piece)
{
	for (uint64_t n = 0; bytes; n++) {
		size_t next = bytes < piece ? bytes : piece;

		touch_make(chunk, next, n);
		if (!write_all(fd, chunk, next))
			return false;
		bytes -= next;
	}
	return true;
}

static int connect_port(unsigned int port)
{
	struct sockaddr_in to = server;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin_port = htons(port);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		fail("connect");
	return fd;
}

int connect_server(void)
{
	return connect_port(ntohs(server.sin_port));
}

int connect_many(void)
{
	return connect_port(ntohs(server.sin_port) + 1);
}

void ask(int fd, enum request_kind kind, uint64_t bytes, uint32_t piece)
{
	struct request r = { .kind = kind, .bytes = bytes, .chunk = piece };

	if (!write_all(fd, &r, sizeof(r)))
		fail("write");
}

void await_answer(int fd)
{
	struct request r;

	if (!read_all(fd, &r, sizeof(r)))
		fail("read");
}

void allow_descriptors(unsigned int n)
{
	struct rlimit limit = { n + 64, n + 64 };

	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		fail("setrlimit");
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void report(const char *name, const char *unit, double *sample,
	    unsigned int samples)
{
	qsort(sample, samples, sizeof(*sample), by_value);
	printf("%s %s %.3f %.3f %.3f %u\n", name, unit, sample[samples / 2],
	       sample[0], sample[samples - 1], samples);
	fflush(stdout);
}

void report_one(const char *name, const char *unit, double value)
{
	report(name, unit, &value, 1);
}
