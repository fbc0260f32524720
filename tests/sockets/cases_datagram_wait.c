// SPDX-License-Identifier: GPL-2.0-only
/*
 * cases_datagram_wait.c - UDP sockets: blocking, poll(), epoll, shutdown
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "datagram.h"
#include "near.h"

#define ALL (POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM | POLLRDHUP | POLLPRI)

static void states(struct world *w)
{
	int fd = dgram_socket(w);
	struct dgram_pair p = dgram_pair(w);

	must_be(near_poll(fd, ALL, 0), POLLOUT | POLLWRNORM);
	must_be(near_poll(p.b, ALL, 0), POLLOUT | POLLWRNORM);
	dgram_send(p.a, 10, 1);
	must_be(near_poll(p.b, POLLIN, NEAR_LONG_MS), POLLIN);
	must_be(near_poll(p.b, ALL, 0),
		POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM);
	dgram_recv(p.b, 10, 1);
	must_be(near_poll(p.b, ALL, 0), POLLOUT | POLLWRNORM);
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
	char buffer[100];

	near_will_wait(&b->thread);
	b->got = recv(b->fd, buffer, sizeof(buffer), 0);
	b->error = errno;
	return NULL;
}

static void wakes_reader(struct world *w)
{
	struct dgram_pair p = dgram_pair(w);
	struct blocked b = { .fd = p.b };
	pthread_t thread;

	pthread_create(&thread, NULL, block_in_recv, &b);
	near_waits(&b.thread, __NR_recvfrom);
	dgram_send(p.a, 42, 1);
	pthread_join(thread, NULL);
	must_be(b.got, 42);
}

static void shutdown_wakes_reader(struct world *w)
{
	struct dgram_pair p = dgram_pair(w);
	struct blocked b = { .fd = p.b };
	pthread_t thread;

	pthread_create(&thread, NULL, block_in_recv, &b);
	near_waits(&b.thread, __NR_recvfrom);
	must_be(shutdown(p.b, SHUT_RD), 0);
	pthread_join(thread, NULL);
	must_be(b.got, 0);
}

static void shut(struct world *w)
{
	struct dgram_pair p = dgram_pair(w);
	int fd = dgram_bound(w);
	char byte;

	must_fail(shutdown(fd, SHUT_RD), ENOTCONN);
	must_fail(shutdown(fd, 3), EINVAL);
	dgram_send(p.a, 10, 1);
	must_be(shutdown(p.b, SHUT_RD), 0);
	must_be(near_poll(p.b, ALL, 0),
		POLLIN | POLLRDNORM | POLLRDHUP | POLLOUT | POLLWRNORM);
	/* what has arrived can be read, then it is the end */
	dgram_recv(p.b, 10, 1);
	must_be(recv(p.b, &byte, 1, 0), 0);
	must_be(shutdown(p.a, SHUT_WR), 0);
	must_fail(send(p.a, "x", 1, 0), EPIPE);
	must_be(shutdown(p.a, SHUT_RD), 0);
	must(near_poll(p.a, ALL, 0) & POLLHUP);
}

static void receive_timeout(struct world *w)
{
	struct dgram_pair p = dgram_pair(w);
	struct timeval limit = { .tv_usec = 150000 };
	uint64_t start = near_now_ms();
	char byte;

	must_be(setsockopt(p.a, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)),
		0);
	must_fail(recv(p.a, &byte, 1, 0), EAGAIN);
	must(near_now_ms() - start >= 140);
	dgram_send(p.b, 1, 1);
	must_be(recv(p.a, &byte, 1, 0), 1);
}

static void nonblock(struct world *w)
{
	struct dgram_pair p = dgram_pair(w);
	int fd = dgram_socket(w);
	char byte;

	near_nonblock(fd, true);
	must_fail(recv(fd, &byte, 1, 0), EAGAIN);
	near_nonblock(p.a, true);
	must_fail(recv(p.a, &byte, 1, 0), EAGAIN);
	must_fail(read(p.a, &byte, 1), EAGAIN);
	dgram_send(p.b, 1, 1);
	must_be(read(p.a, &byte, 1), 1);
}

static void on_signal(int number)
{
	(void)number;
}

static void interrupted(struct world *w)
{
	struct itimerval often = { { 0, 300000 }, { 0, 300000 } };
	struct sigaction action = { .sa_handler = on_signal };
	struct dgram_pair p = dgram_pair(w);
	char byte;

	sigaction(SIGALRM, &action, NULL);
	/* the first one may come before it waits: so there are more */
	must_be(setitimer(ITIMER_REAL, &often, NULL), 0);
	must_fail(recv(p.a, &byte, 1, 0), EINTR);
}

static int watch(int fd, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.fd = fd };
	int set = epoll_create1(0);

	must(set >= 0);
	must_be(epoll_ctl(set, EPOLL_CTL_ADD, fd, &e), 0);
	return set;
}

/* What is reported within @ms, 0 for nothing */
static uint32_t reported(int set, int ms)
{
	struct epoll_event e = {};
	int n = epoll_wait(set, &e, 1, ms);

	must(n >= 0);
	return n ? e.events : 0;
}

static void level(struct world *w)
{
	struct dgram_pair p = dgram_pair(w);
	int set = watch(p.b, EPOLLIN);

	must_be(reported(set, 0), 0);
	dgram_send(p.a, 10, 1);
	dgram_send(p.a, 10, 2);
	must_be(reported(set, NEAR_LONG_MS), EPOLLIN);
	must_be(reported(set, 0), EPOLLIN);
	dgram_recv(p.b, 10, 1);
	must_be(reported(set, 0), EPOLLIN);
	dgram_recv(p.b, 10, 2);
	must_be(reported(set, 0), 0);
}

static void edge(struct world *w)
{
	struct dgram_pair p = dgram_pair(w);
	int set = watch(p.b, EPOLLIN | EPOLLET);

	must_be(reported(set, 0), 0);
	dgram_send(p.a, 10, 1);
	must_be(reported(set, NEAR_LONG_MS), EPOLLIN);
	must_be(reported(set, 50), 0);
	/* another one, the first still unread */
	dgram_send(p.a, 10, 2);
	must_be(reported(set, NEAR_LONG_MS), EPOLLIN);
	dgram_recv(p.b, 10, 1);
	dgram_recv(p.b, 10, 2);
	must_be(reported(set, 0), 0);
	dgram_send(p.a, 10, 3);
	must_be(reported(set, NEAR_LONG_MS), EPOLLIN);
}

static void once(struct world *w)
{
	struct dgram_pair p = dgram_pair(w);
	struct epoll_event e = { .events = EPOLLIN | EPOLLONESHOT };
	int set = watch(p.b, EPOLLIN | EPOLLONESHOT);

	dgram_send(p.a, 10, 1);
	must_be(reported(set, NEAR_LONG_MS), EPOLLIN);
	dgram_send(p.a, 10, 2);
	must_be(reported(set, 50), 0);
	must_be(epoll_ctl(set, EPOLL_CTL_MOD, p.b, &e), 0);
	must_be(reported(set, NEAR_LONG_MS), EPOLLIN);
}

static void to_write(struct world *w)
{
	struct dgram_pair p = dgram_pair(w);
	int set = watch(p.a, EPOLLOUT | EPOLLET);

	must_be(reported(set, 0), EPOLLOUT);
	must_be(reported(set, 20), 0);
	dgram_send(p.a, 10, 1);
	dgram_recv(p.b, 10, 1);
}

static volatile sig_atomic_t signals;

static void count_signal(int number)
{
	(void)number;
	signals++;
}

static void by_signal(struct world *w)
{
	struct sigaction action = { .sa_handler = count_signal };
	struct dgram_pair p = dgram_pair(w);

	sigaction(SIGIO, &action, NULL);
	must_be(fcntl(p.b, F_SETOWN, getpid()), 0);
	must_be(fcntl(p.b, F_SETFL, O_ASYNC | O_NONBLOCK), 0);
	dgram_send(p.a, 10, 1);
	near_until(signals > 0);
	dgram_recv(p.b, 10, 1);
}

const struct check_case datagram_wait_cases[] = {
	{ "datagram-wait-states", states, ONCE },
	{ "datagram-wait-wakes-reader", wakes_reader, ONCE },
	{ "datagram-wait-shutdown-wakes-reader", shutdown_wakes_reader, ONCE },
	{ "datagram-wait-shutdown", shut, ONCE },
	{ "datagram-wait-receive-timeout", receive_timeout, ONCE },
	{ "datagram-wait-nonblock", nonblock, ONCE },
	{ "datagram-wait-interrupted", interrupted, ONCE },
	{ "datagram-wait-level", level, ONCE },
	{ "datagram-wait-edge", edge, ONCE },
	{ "datagram-wait-once", once, ONCE },
	{ "datagram-wait-to-write", to_write, ONCE },
	{ "datagram-wait-by-signal", by_signal, ONCE },
	CASES_END,
};
