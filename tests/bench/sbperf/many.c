// SPDX-License-Identifier: GPL-2.0-only
/*
 * many.c - many busy connections at once, and how evenly they are served
 *
 * The client keeps all of them full, each in its turn; the server reads
 * whatever is ready and counts what each got. One more connection asks for
 * the counts, once everything is under way and again at the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/sbperf/sbperf.h"

#define FLOWS_MAX 12000u
#define BATCH 64
/* What each flow moves, and all of them together, at least */
#define FLOW_BYTES (64ull << 10)
#define TOTAL_BYTES (16ull << 20)
#define WRITE_BYTES 16384u

/**
 * struct flow - a connection of the server
 * @request: the last one, or as much of it as is there
 * @have:    bytes of it
 * @streams: what comes is a stream: counted, not looked at; its request's
 *           @bytes is the number of the test that it is of
 * @bytes:   of it since the count before
 */
struct flow {
	struct request request;
	uint32_t have;
	bool streams;
	uint64_t bytes;
};

static struct flow *flow[FLOWS_MAX + 64];
static double counted_us;
static int events;

static void tally_flow(struct tally *t, struct flow *f)
{
	double mib = f->bytes / 1048576.0;

	if (t->flows == 0 || f->bytes < t->least)
		t->least = f->bytes;
	if (f->bytes > t->most)
		t->most = f->bytes;
	t->flows++;
	t->sum += f->bytes;
	t->squares += mib * mib;
	f->bytes = 0;
}

/* Connections of a guest that is gone may still be there: not its business */
static void answer_count(int fd, uint64_t test)
{
	struct tally t = { .us = now_us() - counted_us };

	counted_us += t.us;
	for (size_t n = 0; n < FLOWS_MAX; n++)
		if (flow[n] && flow[n]->streams &&
		    flow[n]->request.bytes == test)
			tally_flow(&t, flow[n]);
	write_all(fd, &t, sizeof(t));
}

/* Return: false when the connection is over */
static bool take_request(int fd, struct flow *f)
{
	uint8_t *at = (uint8_t *)&f->request + f->have;
	ssize_t got = read(fd, at, sizeof(f->request) - f->have);

	if (got <= 0)
		return got < 0 && errno == EAGAIN;
	f->have += got;
	if (f->have < sizeof(f->request))
		return true;
	f->have = 0;
	if (f->request.kind == REQUEST_SINK)
		f->streams = true;
	else if (f->request.kind == REQUEST_COUNT)
		answer_count(fd, f->request.bytes);
	else
		return write_all(fd, &f->request, sizeof(f->request));
	return true;
}

static bool take(int fd, struct flow *f)
{
	ssize_t got;

	if (!f->streams)
		return take_request(fd, f);
	got = read(fd, chunk, READ_BYTES);
	if (got > 0)
		f->bytes += got;
	return got > 0 || (got < 0 && errno == EAGAIN);
}

static void watch(int fd, uint32_t what)
{
	struct epoll_event e = { .events = what, .data.fd = fd };

	if (epoll_ctl(events, EPOLL_CTL_ADD, fd, &e) != 0)
		fail("epoll_ctl");
}

static void accept_flow(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0 || fd >= (int)FLOWS_MAX) {
		close(fd);
		return;
	}
	flow[fd] = calloc(1, sizeof(**flow));
	if (!flow[fd])
		fail("memory");
	watch(fd, EPOLLIN);
}

static void end_flow(int fd)
{
	free(flow[fd]);
	flow[fd] = NULL;
	close(fd);
}

void serve_many(uint16_t port)
{
	struct epoll_event e[BATCH];
	int listener = listen_at(port);

	allow_descriptors(FLOWS_MAX);
	events = epoll_create1(EPOLL_CLOEXEC);
	watch(listener, EPOLLIN);
	for (;;) {
		int ready = epoll_wait(events, e, BATCH, -1);

		for (int n = 0; n < ready; n++)
			if (e[n].data.fd == listener)
				accept_flow(listener);
			else if (!take(e[n].data.fd, flow[e[n].data.fd]))
				end_flow(e[n].data.fd);
	}
}

/* Until @bytes more have been written, to whichever connection has room */
static void fill(uint64_t bytes)
{
	struct epoll_event e[BATCH];
	uint64_t written = 0;

	while (written < bytes) {
		int ready = epoll_wait(events, e, BATCH, -1);

		for (int n = 0; n < ready; n++) {
			ssize_t put = write(e[n].data.fd, chunk, WRITE_BYTES);

			if (put < 0 && errno != EAGAIN)
				fail("write");
			written += put > 0 ? put : 0;
		}
	}
}

static void read_tally(int fd, uint64_t id, struct tally *t)
{
	ask(fd, REQUEST_COUNT, id, 1);
	if (!read_all(fd, t, sizeof(*t)))
		fail("count");
}

static void report_tally(const char *name, const struct tally *t)
{
	double mib = t->sum / 1048576.0;
	char label[64];

	report_one(name, "Mbit/s", t->sum * 8 / t->us);
	snprintf(label, sizeof(label), "%s_jain", name);
	report_one(label, "index", mib * mib / (t->flows * t->squares));
	snprintf(label, sizeof(label), "%s_least", name);
	report_one(label, "of_mean", t->least * t->flows / t->sum);
	snprintf(label, sizeof(label), "%s_most", name);
	report_one(label, "of_mean", t->most * t->flows / t->sum);
}

void measure_many(void)
{
	int *fd = calloc(count, sizeof(*fd));
	int control = connect_many();
	uint64_t bytes = count * FLOW_BYTES;
	/* a number that no other test has had */
	uint64_t id = now_us() * 1000 + getpid();
	struct tally t;
	char name[32];

	if (bytes < TOTAL_BYTES)
		bytes = TOTAL_BYTES;
	allow_descriptors(count);
	events = epoll_create1(EPOLL_CLOEXEC);
	for (unsigned int n = 0; n < count; n++) {
		fd[n] = connect_many();
		ask(fd[n], REQUEST_SINK, id, 1);
		fcntl(fd[n], F_SETFL, O_NONBLOCK);
		watch(fd[n], EPOLLOUT);
	}
	fill(bytes / 4);
	read_tally(control, id, &t);
	fill(bytes);
	read_tally(control, id, &t);
	snprintf(name, sizeof(name), "many%u", count);
	report_tally(name, &t);
	for (unsigned int n = 0; n < count; n++)
		close(fd[n]);
	close(control);
	close(events);
	free(fd);
}
