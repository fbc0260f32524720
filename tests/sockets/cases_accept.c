// SPDX-License-Identifier: GPL-2.0-only
/*
 * cases_accept.c - listeners and what they take in
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "far.h"
#include "near.h"

static void start_far(struct world *w, unsigned int port)
{
	far_start(w, "connect %s %u", endpoint_text(&w->reach), port);
}

static void empty(struct world *w)
{
	unsigned int port;
	int fd = near_listen(w, 4, &port);

	near_nonblock(fd, true);
	must_fail(accept4(fd, NULL, NULL, 0), EAGAIN);
	must_fail(accept4(fd, NULL, NULL, 0), EAGAIN);
	must_be(near_poll(fd, POLLIN, 0), 0);
}

static void flags(struct world *w)
{
	unsigned int port;
	int fd = near_listen(w, 4, &port);
	int one;
	int two;

	near_nonblock(fd, true);
	must_fail(accept4(fd, NULL, NULL, 1), EINVAL);
	start_far(w, port);
	must(near_poll(fd, POLLIN, NEAR_LONG_MS) & POLLIN);
	far_finish(w);
	one = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	must(one >= 0);
	must(fcntl(one, F_GETFL) & O_NONBLOCK);
	must(fcntl(one, F_GETFD) & FD_CLOEXEC);
	near_nonblock(fd, false);
	start_far(w, port);
	two = accept(fd, NULL, NULL);
	must(two >= 0);
	far_finish(w);
	must(!(fcntl(two, F_GETFL) & O_NONBLOCK));
	must(!(fcntl(two, F_GETFD) & FD_CLOEXEC));
}

static void tells_address(struct world *w)
{
	unsigned int port;
	int listener = near_listen(w, 4, &port);
	union endpoint e = {};
	union endpoint peer;
	socklen_t bytes = sizeof(e);
	int fd;

	start_far(w, port);
	fd = accept(listener, &e.any, &bytes);
	must(fd >= 0);
	far_finish(w);
	must_be(e.any.sa_family, w->family);
	must_be(bytes, endpoint_bytes(&e));
	must_be(endpoint_port(&e), far_ask(w, "port 0"));
	peer = near_peer(fd);
	must_be(memcmp(&e, &peer, bytes), 0);
	e = near_name(fd);
	must_be(e.any.sa_family, w->family);
	must_be(far_ask(w, "peerport 0"), w->remote ? port : endpoint_port(&e));
}

struct waiter {
	struct near_thread thread;
	int fd;
	int result;
	int error;
};

static void *wait_in_accept(void *arg)
{
	struct waiter *waiter = arg;

	near_will_wait(&waiter->thread);
	waiter->result = accept(waiter->fd, NULL, NULL);
	waiter->error = errno;
	return NULL;
}

/* One thread waits in accept(): the listener still answers others */
static void shared_by_threads(struct world *w)
{
	unsigned int port;
	struct waiter waiter = { .fd = near_listen(w, 4, &port) };
	union endpoint e;
	pthread_t thread;

	pthread_create(&thread, NULL, wait_in_accept, &waiter);
	near_waits(&waiter.thread, __NR_accept);
	e = near_name(waiter.fd);
	must_be(e.any.sa_family, w->family);
	must_be(near_get(waiter.fd, SOL_SOCKET, SO_ACCEPTCONN), 1);
	must_be(near_get(waiter.fd, SOL_SOCKET, SO_ERROR), 0);
	must_be(listen(waiter.fd, 7), 0);
	must_be(shutdown(waiter.fd, SHUT_RDWR), 0);
	pthread_join(thread, NULL);
	must_be(waiter.result, -1);
	must_be(waiter.error, EINVAL);
	must_be(close(waiter.fd), 0);
}

/* close() must come back; whoever waits in accept() goes on waiting */
static void closed_by_thread(struct world *w)
{
	unsigned int port;
	struct waiter waiter = { .fd = near_listen(w, 4, &port) };
	pthread_t thread;

	pthread_create(&thread, NULL, wait_in_accept, &waiter);
	near_waits(&waiter.thread, __NR_accept);
	must_be(close(waiter.fd), 0);
}

static void times_out(struct world *w)
{
	struct timeval limit = { .tv_usec = 150000 };
	unsigned int port;
	int fd = near_listen(w, 4, &port);
	uint64_t start;

	must_be(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)),
		0);
	start = near_now_ms();
	must_fail(accept(fd, NULL, NULL), EAGAIN);
	must(near_now_ms() - start >= 140);
}

/* The caller is gone before accept(): either way the listener lives */
static void aborted(struct world *w)
{
	unsigned int port;
	int listener = near_listen(w, 4, &port);
	char byte;
	int fd;

	start_far(w, port);
	far_finish(w);
	far_ask(w, "reset 0");
	near_sleep_ms(100);
	start_far(w, port);
	far_finish(w);
	far_ask(w, "send 1 1 0");
	do {
		fd = accept(listener, NULL, NULL);
		if (fd < 0 && errno != ECONNABORTED)
			fail("accept: errno %d", errno);
	} while (fd < 0 || recv(fd, &byte, 1, 0) != 1);
}

/* Out of descriptors, twice the backlog: the listener still accepts */
static void out_of_descriptors(struct world *w)
{
	struct rlimit many;
	struct rlimit few;
	unsigned int port;
	int listener = near_listen(w, 4, &port);
	int fd;
	int i;

	start_far(w, port);
	far_finish(w);
	must(near_poll(listener, POLLIN, NEAR_LONG_MS) & POLLIN);
	fd = dup(listener);
	close(fd);
	must_be(getrlimit(RLIMIT_NOFILE, &many), 0);
	few = many;
	few.rlim_cur = (rlim_t)fd;
	must_be(setrlimit(RLIMIT_NOFILE, &few), 0);
	for (i = 0; i < 8; i++)
		must_fail(accept(listener, NULL, NULL), EMFILE);
	must_be(setrlimit(RLIMIT_NOFILE, &many), 0);
	far_ask(w, "send 0 1 0");
	fd = accept(listener, NULL, NULL);
	must(fd >= 0);
	near_recv(fd, 1, 0);
}

static void bad_pointer(struct world *w)
{
	union endpoint e;
	socklen_t bytes = (socklen_t)-1;
	unsigned int port;
	int listener = near_listen(w, 4, &port);

	start_far(w, port);
	far_finish(w);
	must_fail(accept(listener, &e.any, &bytes), EINVAL);
}

static void many_backlogs(struct world *w)
{
	static const int backlog[] = { 1 << 30, -1, 0, 1 };
	unsigned int port;
	int listener = near_listen(w, 4096, &port);
	size_t i;
	int fd;

	for (i = 0; i < 4; i++) {
		must_be(listen(listener, backlog[i]), 0);
		start_far(w, port);
		fd = accept(listener, NULL, NULL);
		must(fd >= 0);
		far_finish(w);
	}
}

/* Data that was sent before accept() is there after it; even the end is */
static void data_before_accept(struct world *w)
{
	unsigned int port;
	int listener = near_listen(w, 4, &port);
	int fd;

	start_far(w, port);
	far_finish(w);
	far_ask(w, "send 0 5000 9");
	far_ask(w, "close 0");
	near_sleep_ms(50);
	fd = accept(listener, NULL, NULL);
	must(fd >= 0);
	near_recv(fd, 5000, 9);
	near_recv_eof(fd);
}

/* Closing the listener leaves what was accepted alone, resets what was not */
static void closed_with_queue(struct world *w)
{
	unsigned int port;
	int listener = near_listen(w, 4, &port);
	long error;
	int fd;

	start_far(w, port);
	fd = accept(listener, NULL, NULL);
	must(fd >= 0);
	far_finish(w);
	start_far(w, port);
	far_finish(w);
	must(near_poll(listener, POLLIN, NEAR_LONG_MS) & POLLIN);
	must_be(close(listener), 0);
	near_send(fd, 100, 1);
	far_ask(w, "recv 0 100 1");
	error = far_ask(w, "errno 1");
	if (error && error != ECONNRESET)
		fail("the one that nobody took ends with errno %ld", error);
	start_far(w, port);
	must(far_finish_any(w) < 0);
}

static void many_in_a_row(struct world *w)
{
	unsigned int port;
	int listener = near_listen(w, 64, &port);
	int i;

	for (i = 0; i < 100; i++) {
		int fd;

		start_far(w, port);
		fd = accept(listener, NULL, NULL);
		must(fd >= 0);
		must_be(far_finish(w), i);
		near_send(fd, 100, (unsigned int)i);
		far_ask(w, "recv %d 100 %d", i, i);
		close(fd);
	}
}

const struct check_case accept_cases[] = {
	{ "accept-empty", empty, ONCE },
	{ "accept-flags", flags, LISTENS },
	{ "accept-tells-address", tells_address, LISTENS },
	{ "accept-shared-by-threads", shared_by_threads, ONCE },
	{ "accept-closed-by-thread", closed_by_thread, ONCE },
	{ "accept-times-out", times_out, ONCE },
	{ "accept-aborted", aborted, LISTENS },
	{ "accept-out-of-descriptors", out_of_descriptors, LISTENS },
	{ "accept-bad-pointer", bad_pointer, LISTENS },
	{ "accept-many-backlogs", many_backlogs, LISTENS },
	{ "accept-data-before", data_before_accept, LISTENS },
	{ "accept-closed-with-queue", closed_with_queue, LISTENS },
	{ "accept-many-in-a-row", many_in_a_row, LISTENS },
	CASES_END,
};
