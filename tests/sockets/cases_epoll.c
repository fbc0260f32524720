// SPDX-License-Identifier: GPL-2.0-only
/*
 * cases_epoll.c - epoll, level and edge
 */
#include <sys/epoll.h>
#include <unistd.h>

#include "far.h"
#include "near.h"

static int watch(int fd, uint32_t events)
{
	struct epoll_event e = { .events = events };
	int ep = epoll_create1(EPOLL_CLOEXEC);

	must(ep >= 0);
	must_be(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e), 0);
	return ep;
}

/* The events of the one descriptor, 0 for none in @ms */
static uint32_t events_of(int ep, int ms)
{
	struct epoll_event e = {};
	int n = epoll_wait(ep, &e, 1, ms);

	must(n >= 0);
	return n ? e.events : 0;
}

static void level(struct world *w)
{
	struct pair p = near_pair(w);
	int ep = watch(p.near, EPOLLIN);

	must_be(events_of(ep, 50), 0);
	far_ask(w, "send %d 10 1", p.far);
	must_be(events_of(ep, NEAR_LONG_MS), EPOLLIN);
	must_be(events_of(ep, 0), EPOLLIN);
	near_recv(p.near, 5, 1);
	must_be(events_of(ep, 0), EPOLLIN);
	must_be(recv(p.near, &(uint64_t){ 0 }, 5, 0), 5);
	must_be(events_of(ep, 50), 0);
}

static void edge(struct world *w)
{
	struct pair p = near_pair(w);
	int ep = watch(p.near, EPOLLIN | EPOLLOUT | EPOLLET);

	must_be(events_of(ep, 50), EPOLLOUT);
	must_be(events_of(ep, 50), 0);
	far_ask(w, "send %d 10 1", p.far);
	must(events_of(ep, NEAR_LONG_MS) & EPOLLIN);
	must_be(events_of(ep, 50), 0);
	/* more data is a new edge although the old was not read */
	far_ask(w, "send %d 10 1", p.far);
	must(events_of(ep, NEAR_LONG_MS) & EPOLLIN);
	near_recv(p.near, 10, 1);
	near_recv(p.near, 10, 1);
	must_be(events_of(ep, 50), 0);
}

static void edge_writer(struct world *w)
{
	struct pair p = near_pair(w);
	size_t sent = near_fill(p.near, 1);
	int ep = watch(p.near, EPOLLOUT | EPOLLET);

	far_start(w, "drink %d %zu 1 65535 100", p.far, sent);
	must_be(events_of(ep, NEAR_LONG_MS), EPOLLOUT);
	far_finish(w);
}

static void end_with_data(struct world *w)
{
	struct pair p = near_pair(w);
	int ep = watch(p.near, EPOLLIN | EPOLLRDHUP | EPOLLET);
	int woken = 0;

	far_ask(w, "send %d 100 1", p.far);
	far_ask(w, "shutdown %d 1", p.far);
	while (!(events_of(ep, NEAR_LONG_MS) & EPOLLRDHUP))
		must(++woken < 10);
	/* nothing new happens: no busy loop, though data is unread */
	must_be(events_of(ep, 100), 0);
	near_recv(p.near, 100, 1);
	near_recv_eof(p.near);
}

static void one_shot(struct world *w)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLONESHOT };
	struct pair p = near_pair(w);
	int ep = watch(p.near, EPOLLIN | EPOLLONESHOT);

	far_ask(w, "send %d 10 1", p.far);
	must_be(events_of(ep, NEAR_LONG_MS), EPOLLIN);
	must_be(events_of(ep, 50), 0);
	must_be(epoll_ctl(ep, EPOLL_CTL_MOD, p.near, &e), 0);
	must_be(events_of(ep, 0), EPOLLIN);
}

static void hang_up(struct world *w)
{
	struct pair p = near_pair(w);
	int ep = watch(p.near, EPOLLIN | EPOLLRDHUP);

	far_ask(w, "reset %d", p.far);
	must((events_of(ep, NEAR_LONG_MS) & (EPOLLERR | EPOLLHUP)) ==
	     (EPOLLERR | EPOLLHUP));
}

/* A closed descriptor leaves the set by itself */
static void closed(struct world *w)
{
	struct pair p = near_pair(w);
	int ep = watch(p.near, EPOLLOUT);

	must_be(events_of(ep, 0), EPOLLOUT);
	must_be(close(p.near), 0);
	must_be(events_of(ep, 50), 0);
}

static void connecting(struct world *w)
{
	union endpoint e = near_target(w, (unsigned int)far_ask(w, "listen 1"));
	int fd = near_socket(w, SOCK_NONBLOCK);
	int ep = watch(fd, EPOLLIN | EPOLLOUT | EPOLLET);

	must(events_of(ep, 0) & EPOLLHUP);
	if (connect(fd, &e.any, endpoint_bytes(&e)) && errno != EINPROGRESS)
		fail("connect: errno %d", errno);
	must_be(events_of(ep, NEAR_LONG_MS), EPOLLOUT);
	must_be(near_get(fd, SOL_SOCKET, SO_ERROR), 0);
}

static void listening(struct world *w)
{
	unsigned int port;
	int fd = near_listen(w, 8, &port);
	int ep = watch(fd, EPOLLIN | EPOLLET);
	int i;

	near_nonblock(fd, true);
	for (i = 0; i < 3; i++) {
		far_start(w, "connect %s %u", endpoint_text(&w->reach), port);
		must_be(events_of(ep, NEAR_LONG_MS), EPOLLIN);
		far_finish(w);
		must(accept(fd, NULL, NULL) >= 0);
		must_fail(accept(fd, NULL, NULL), EAGAIN);
		must_be(events_of(ep, 20), 0);
	}
}

const struct check_case epoll_cases[] = {
	{ "epoll-level", level, PAIRS },
	{ "epoll-edge", edge, PAIRS },
	{ "epoll-edge-writer", edge_writer, PAIRS },
	{ "epoll-end-with-data", end_with_data, PAIRS },
	{ "epoll-one-shot", one_shot, PAIRS },
	{ "epoll-hang-up", hang_up, PAIRS },
	{ "epoll-closed", closed, PAIRS },
	{ "epoll-connecting", connecting, ONCE },
	{ "epoll-listening", listening, LISTENS },
	CASES_END,
};
