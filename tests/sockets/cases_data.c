// SPDX-License-Identifier: GPL-2.0-only
/*
 * cases_data.c - bytes: all of them, in order, whatever the sizes and stalls
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "far.h"
#include "near.h"
#include "pattern.h"

#define MIB ((size_t)1 << 20)

static void out(struct world *w)
{
	struct pair p = near_pair(w);

	far_start(w, "recv %d %zu 5", p.far, 2 * MIB);
	near_send(p.near, 2 * MIB, 5);
	far_finish(w);
}

static void in(struct world *w)
{
	struct pair p = near_pair(w);

	far_start(w, "send %d %zu 6", p.far, 2 * MIB);
	near_recv(p.near, 2 * MIB, 6);
	far_finish(w);
}

struct sender {
	int fd;
	size_t bytes;
};

static void *send_all(void *arg)
{
	struct sender *s = arg;

	near_send(s->fd, s->bytes, 7);
	return NULL;
}

/* Both ways at once, the far end echoing with what it has */
static void both_ways(struct world *w)
{
	struct pair p = near_pair(w);
	struct pair q = near_pair(w);
	struct sender s = { p.near, MIB };
	pthread_t thread;

	far_start(w, "send %d %d 8", p.far, 100000);
	pthread_create(&thread, NULL, send_all, &s);
	near_recv(p.near, 100000, 8);
	far_finish(w);
	far_start(w, "recv %d %zu 7", p.far, MIB);
	far_finish(w);
	pthread_join(thread, NULL);
	near_send(q.near, 1, 1);
	far_ask(w, "recv %d 1 1", q.far);
}

/* Sizes around every power of two, so that each wrap is met */
static void odd_sizes(struct world *w)
{
	struct pair p = near_pair(w);
	size_t size;
	int step;

	for (size = 1; size <= 65536; size *= 2) {
		for (step = -1; step <= 1; step++) {
			size_t n = size + (size_t)step;

			if (!n)
				continue;
			far_start(w, "recv %d %zu %zu", p.far, n, n);
			near_send(p.near, n, (unsigned int)n);
			far_finish(w);
			far_start(w, "send %d %zu %zu", p.far, n, n + 1);
			near_recv(p.near, n, (unsigned int)n + 1);
			far_finish(w);
		}
	}
}

static void one_byte_writes(struct world *w)
{
	struct pair p = near_pair(w);
	unsigned int i;

	near_set(p.near, IPPROTO_TCP, TCP_NODELAY, 1);
	far_start(w, "recv %d 20000 3", p.far);
	for (i = 0; i < 20000; i++) {
		uint8_t byte = pattern_byte(3, i);

		must_be(send(p.near, &byte, 1, MSG_NOSIGNAL), 1);
	}
	far_finish(w);
}

static void one_byte_reads(struct world *w)
{
	struct pair p = near_pair(w);
	unsigned int i;

	far_start(w, "drip %d 20000 4 7 0", p.far);
	for (i = 0; i < 20000; i++) {
		uint8_t byte;

		must_be(recv(p.near, &byte, 1, 0), 1);
		must_be(byte, pattern_byte(4, i));
	}
	far_finish(w);
}

/* The far end reads 256 KiB, stops, and goes on later */
static void reader_stalls(struct world *w)
{
	struct pair p = near_pair(w);
	size_t sent;
	uint8_t rest[8192];
	size_t i;

	sent = near_fill(p.near, 11);
	must(sent > 4096);
	far_start(w, "recv %d %zu 11", p.far, sent + sizeof(rest));
	must_be(near_poll(p.near, POLLOUT, NEAR_LONG_MS), POLLOUT);
	pattern_fill(rest, sizeof(rest), 11, sent);
	for (i = 0; i < sizeof(rest);) {
		ssize_t got = send(p.near, rest + i, sizeof(rest) - i, 0);

		must(got > 0);
		i += (size_t)got;
	}
	far_finish(w);
}

/* A blocking writer against a slow reader */
static void slow_reader(struct world *w)
{
	struct pair p = near_pair(w);

	near_set(p.near, SOL_SOCKET, SO_SNDBUF, 16384);
	far_start(w, "drink %d %zu 12 65535 2000", p.far, 4 * MIB);
	near_send(p.near, 4 * MIB, 12);
	far_finish(w);
}

static void near_stalls(struct world *w)
{
	struct pair p = near_pair(w);

	far_start(w, "send %d %zu 13", p.far, 4 * MIB);
	near_sleep_ms(300);
	near_recv(p.near, 4 * MIB, 13);
	far_finish(w);
}

static void zero_length(struct world *w)
{
	struct pair p = near_pair(w);

	must_be(send(p.near, "", 0, MSG_NOSIGNAL), 0);
	must_be(write(p.near, "", 0), 0);
	near_send(p.near, 1, 1);
	far_ask(w, "recv %d 1 1", p.far);
	far_ask(w, "send %d 3 1", p.far);
	near_poll(p.near, POLLIN, NEAR_LONG_MS);
	must_be(recv(p.near, &(char){ 0 }, 0, 0), 0);
	near_recv(p.near, 3, 1);
}

static void bad_memory(struct world *w)
{
	struct pair p = near_pair(w);

	must_fail(send(p.near, (void *)16, 100, MSG_NOSIGNAL), EFAULT);
	near_send(p.near, 100, 2);
	far_ask(w, "recv %d 100 2", p.far);
	far_ask(w, "send %d 100 3", p.far);
	near_poll(p.near, POLLIN, NEAR_LONG_MS);
	must_fail(recv(p.near, (void *)16, 100, 0), EFAULT);
	near_recv(p.near, 100, 3);
	must_fail(send(p.near, (void *)16, 1, MSG_NOSIGNAL), EFAULT);
}

static int outq(int fd)
{
	int bytes = -1;

	must_be(ioctl(fd, SIOCOUTQ, &bytes), 0);
	return bytes;
}

static void queue_lengths(struct world *w)
{
	struct pair p = near_pair(w);
	int bytes = -1;
	size_t sent;

	must_be(ioctl(p.near, FIONREAD, &bytes), 0);
	must_be(bytes, 0);
	must_be(outq(p.near), 0);
	far_ask(w, "send %d 1234 1", p.far);
	near_until(ioctl(p.near, FIONREAD, &bytes) == 0 && bytes == 1234);
	near_recv(p.near, 234, 1);
	must_be(ioctl(p.near, SIOCINQ, &bytes), 0);
	must_be(bytes, 1000);
	sent = near_fill(p.near, 2);
	must(outq(p.near) > 0);
	must(outq(p.near) <= (int)sent);
	far_ask(w, "recv %d %zu 2", p.far, sent);
	near_until(outq(p.near) == 0);
}

static void listener_queue_length(struct world *w)
{
	unsigned int port;
	int fd = near_listen(w, 1, &port);
	int bytes;

	must_fail(ioctl(fd, FIONREAD, &bytes), EINVAL);
	must_fail(ioctl(fd, SIOCOUTQ, &bytes), EINVAL);
}

static int pattern_file(size_t bytes, uint32_t seed)
{
	uint8_t *buffer = malloc(bytes);
	int fd = memfd_create("sockcheck", 0);

	must(fd >= 0);
	pattern_fill(buffer, bytes, seed, 0);
	must_be(write(fd, buffer, bytes), bytes);
	must_be(lseek(fd, 0, SEEK_SET), 0);
	free(buffer);
	return fd;
}

static void by_sendfile(struct world *w)
{
	struct pair p = near_pair(w);
	int file = pattern_file(500000, 21);
	off_t offset = 0;

	far_start(w, "recv %d 500000 21", p.far);
	while (offset < 500000)
		must(sendfile(p.near, file, &offset, 500000) > 0);
	far_finish(w);
	must_be(lseek(file, 0, SEEK_CUR), 0);
}

static void by_splice_out(struct world *w)
{
	struct pair p = near_pair(w);
	int file = pattern_file(300000, 22);
	size_t sent = 0;
	int end[2];

	must_be(pipe(end), 0);
	far_start(w, "recv %d 300000 22", p.far);
	while (sent < 300000) {
		ssize_t n = splice(file, NULL, end[1], NULL, 50000, 0);

		must(n > 0);
		sent += (size_t)n;
		while (n > 0) {
			ssize_t m = splice(end[0], NULL, p.near, NULL,
					   (size_t)n, SPLICE_F_MORE);

			must(m > 0);
			n -= m;
		}
	}
	far_finish(w);
}

static void by_splice_in(struct world *w)
{
	struct pair p = near_pair(w);
	uint8_t buffer[65536];
	size_t held = 0;
	int end[2];

	must_be(pipe(end), 0);
	near_nonblock(p.near, true);
	must_fail(splice(p.near, NULL, end[1], NULL, 1000, 0), EAGAIN);
	near_nonblock(p.near, false);
	far_start(w, "send %d 300000 23", p.far);
	while (held < 300000) {
		ssize_t n = splice(p.near, NULL, end[1], NULL, sizeof(buffer),
				   SPLICE_F_MOVE);

		must(n > 0);
		must_be(read(end[0], buffer, sizeof(buffer)), n);
		must_be(pattern_check(buffer, (size_t)n, 23, held), n);
		held += (size_t)n;
	}
	far_finish(w);
	far_ask(w, "close %d", p.far);
	must_be(splice(p.near, NULL, end[1], NULL, 1000, 0), 0);
}

const struct check_case data_cases[] = {
	{ "data-out", out, PAIRS },
	{ "data-in", in, PAIRS },
	{ "data-both-ways", both_ways, PAIRS },
	{ "data-odd-sizes", odd_sizes, PAIRS },
	{ "data-one-byte-writes", one_byte_writes, PAIRS },
	{ "data-one-byte-reads", one_byte_reads, PAIRS },
	{ "data-reader-stalls", reader_stalls, PAIRS },
	{ "data-slow-reader", slow_reader, PAIRS },
	{ "data-near-stalls", near_stalls, PAIRS },
	{ "data-zero-length", zero_length, PAIRS },
	{ "data-bad-memory", bad_memory, PAIRS },
	{ "data-queue-lengths", queue_lengths, PAIRS },
	{ "data-listener-queue-length", listener_queue_length, ONCE },
	{ "data-sendfile", by_sendfile, PAIRS },
	{ "data-splice-out", by_splice_out, PAIRS },
	{ "data-splice-in", by_splice_in, PAIRS },
	CASES_END,
};
