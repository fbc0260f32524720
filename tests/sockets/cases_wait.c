// SPDX-License-Identifier: GPL-2.0-only
/*
 * cases_wait.c - poll() and select(): what is reported when
 */
#include <poll.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "far.h"
#include "near.h"

#define ALL (POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM | POLLRDHUP | POLLPRI)

static void states(struct world *w)
{
	struct pair p = near_pair(w);

	must_be(near_poll(p.near, ALL, 0), POLLOUT | POLLWRNORM);
	far_ask(w, "send %d 10 1", p.far);
	must_be(near_poll(p.near, POLLIN, NEAR_LONG_MS), POLLIN);
	must_be(near_poll(p.near, ALL, 0),
		POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM);
	near_recv(p.near, 10, 1);
	must_be(near_poll(p.near, ALL, 0), POLLOUT | POLLWRNORM);
}

static void far_shuts(struct world *w)
{
	struct pair p = near_pair(w);

	far_ask(w, "shutdown %d 1", p.far);
	must_be(near_poll(p.near, POLLRDHUP, NEAR_LONG_MS), POLLRDHUP);
	must_be(near_poll(p.near, ALL, 0),
		POLLIN | POLLRDNORM | POLLRDHUP | POLLOUT | POLLWRNORM);
	near_recv_eof(p.near);
	must_be(shutdown(p.near, SHUT_WR), 0);
	must(near_poll(p.near, 0, NEAR_LONG_MS) & POLLHUP);
	far_ask(w, "errno %d", p.far);
	must(near_poll(p.near, ALL, 100) & POLLHUP);
}

static void near_shuts(struct world *w)
{
	struct pair p = near_pair(w);
	short events;

	must_be(shutdown(p.near, SHUT_RD), 0);
	events = near_poll(p.near, ALL, 0);
	must_be(events & (POLLIN | POLLRDHUP | POLLHUP), POLLIN | POLLRDHUP);
	must_be(shutdown(p.near, SHUT_WR), 0);
	must(near_poll(p.near, ALL, 0) & POLLHUP);
}

static void far_resets(struct world *w)
{
	struct pair p = near_pair(w);
	short events;

	far_ask(w, "reset %d", p.far);
	must(near_poll(p.near, 0, NEAR_LONG_MS) & POLLERR);
	events = near_poll(p.near, ALL, 0);
	must_be(events & (POLLERR | POLLHUP | POLLIN | POLLRDHUP),
		POLLERR | POLLHUP | POLLIN | POLLRDHUP);
	must_be(near_get(p.near, SOL_SOCKET, SO_ERROR), ECONNRESET);
	must_be(near_get(p.near, SOL_SOCKET, SO_ERROR), 0);
	must(near_poll(p.near, ALL, 0) & POLLHUP);
	near_recv_eof(p.near);
}

static void wakes_reader(struct world *w)
{
	struct pair p = near_pair(w);

	far_start(w, "drip %d 2 1 1 200000", p.far);
	must_be(near_poll(p.near, POLLIN, NEAR_LONG_MS), POLLIN);
	near_recv(p.near, 2, 1);
	far_finish(w);
}

static void wakes_writer(struct world *w)
{
	struct pair p = near_pair(w);
	size_t sent = near_fill(p.near, 2);

	far_start(w, "drink %d %zu 2 65535 1000", p.far, sent);
	must_be(near_poll(p.near, POLLOUT, NEAR_LONG_MS), POLLOUT);
	must(send(p.near, "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1);
	far_finish(w);
}

static void listener(struct world *w)
{
	unsigned int port;
	int fd = near_listen(w, 4, &port);

	must_be(near_poll(fd, ALL, 0), 0);
	far_start(w, "connect %s %u", endpoint_text(&w->reach), port);
	must_be(near_poll(fd, ALL, NEAR_LONG_MS), POLLIN | POLLRDNORM);
	far_finish(w);
	must(accept(fd, NULL, NULL) >= 0);
	must_be(near_poll(fd, ALL, 0), 0);
}

static int selects(int fd, bool reading, bool writing, int ms)
{
	struct timeval limit = { ms / 1000, (long)(ms % 1000) * 1000 };
	fd_set in;
	fd_set out;
	int n;

	FD_ZERO(&in);
	FD_ZERO(&out);
	if (reading)
		FD_SET(fd, &in);
	if (writing)
		FD_SET(fd, &out);
	n = select(fd + 1, &in, &out, NULL, &limit);
	must(n >= 0);
	return (FD_ISSET(fd, &in) ? 1 : 0) | (FD_ISSET(fd, &out) ? 2 : 0);
}

static void by_select(struct world *w)
{
	struct pair p = near_pair(w);

	must_be(selects(p.near, true, true, 0), 2);
	must_be(selects(p.near, true, false, 50), 0);
	far_start(w, "drip %d 1 1 1 1", p.far);
	must_be(selects(p.near, true, false, NEAR_LONG_MS), 1);
	far_finish(w);
	near_recv(p.near, 1, 1);
	far_ask(w, "close %d", p.far);
	must_be(selects(p.near, true, false, NEAR_LONG_MS), 1);
	near_recv_eof(p.near);
}

static uint64_t cpu_ms(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return (uint64_t)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000 +
	       (uint64_t)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1000;
}

/* Waiting on a half-closed connection is waiting, not spinning */
static void half_closed_is_quiet(struct world *w)
{
	struct pair p = near_pair(w);
	uint64_t start;

	must_be(shutdown(p.near, SHUT_WR), 0);
	must_be(far_ask(w, "errno %d", p.far), 0);
	start = cpu_ms();
	must_be(near_poll(p.near, POLLIN, 400), 0);
	must(cpu_ms() - start < 100);
	far_ask(w, "send %d 10 1", p.far);
	near_recv(p.near, 10, 1);
}

struct blocked {
	struct near_thread thread;
	int fd;
	ssize_t got;
	int error;
};

static void *block_in_recv(void *arg)
{
	struct blocked *b = arg;
	char byte;

	near_will_wait(&b->thread);
	b->got = recv(b->fd, &byte, 1, 0);
	b->error = errno;
	return NULL;
}

static void shutdown_wakes_reader(struct world *w)
{
	struct pair p = near_pair(w);
	struct blocked b = { .fd = p.near };
	pthread_t thread;

	pthread_create(&thread, NULL, block_in_recv, &b);
	near_waits(&b.thread, __NR_recvfrom);
	must_be(shutdown(p.near, SHUT_RDWR), 0);
	pthread_join(thread, NULL);
	must_be(b.got, 0);
}

const struct check_case wait_cases[] = {
	{ "wait-states", states, PAIRS },
	{ "wait-far-shuts", far_shuts, PAIRS },
	{ "wait-near-shuts", near_shuts, PAIRS },
	{ "wait-far-resets", far_resets, PAIRS },
	{ "wait-wakes-reader", wakes_reader, PAIRS },
	{ "wait-wakes-writer", wakes_writer, PAIRS },
	{ "wait-listener", listener, LISTENS },
	{ "wait-select", by_select, PAIRS },
	{ "wait-half-closed-is-quiet", half_closed_is_quiet, PAIRS },
	{ "wait-shutdown-wakes-reader", shutdown_wakes_reader, PAIRS },
	CASES_END,
};
