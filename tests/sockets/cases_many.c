// SPDX-License-Identifier: GPL-2.0-only
/*
 * cases_many.c - many sockets at once, and many one after the other
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "far.h"
#include "near.h"

#define AT_ONCE 200
/* Between machines each order to the far end takes its time */
#define AT_ONCE_REMOTE 50
#define CHURN 500
#define CHURN_REMOTE 50
#define PARALLEL 50

static void descriptors(rlim_t wanted)
{
	struct rlimit r;

	must_be(getrlimit(RLIMIT_NOFILE, &r), 0);
	if (r.rlim_cur < wanted) {
		r.rlim_cur = wanted < r.rlim_max ? wanted : r.rlim_max;
		must_be(setrlimit(RLIMIT_NOFILE, &r), 0);
	}
}

static void at_once(struct world *w)
{
	int many = w->remote ? AT_ONCE_REMOTE : AT_ONCE;
	long port = far_ask(w, "listen %d", many);
	int fd[AT_ONCE];
	int i;

	descriptors(2 * AT_ONCE + 50);
	for (i = 0; i < many; i++) {
		fd[i] = near_connect(w, (unsigned int)port);
		must_be(far_ask(w, "accept"), i);
	}
	for (i = 0; i < many; i++)
		near_send(fd[i], 100, (unsigned int)i);
	for (i = many - 1; i >= 0; i--)
		far_ask(w, "recv %d 100 %d", i, i);
	for (i = 0; i < many; i++)
		must_be(close(fd[i]), 0);
	for (i = 0; i < many; i++)
		must_be(far_ask(w, "errno %d", i), 0);
}

static void one_after_other(struct world *w)
{
	int many = w->remote ? CHURN_REMOTE : CHURN;
	long port = far_ask(w, "listen 16");
	int i;

	for (i = 0; i < many; i++) {
		int fd = near_connect(w, (unsigned int)port);

		near_send(fd, 10, 1);
		far_ask(w, "accept");
		far_ask(w, "recv %d 10 1", i);
		if (i % 2)
			must_be(close(fd), 0);
		far_ask(w, "close %d", i);
		if (!(i % 2))
			must_be(close(fd), 0);
	}
}

/* Connections that reset or close at once leave nothing behind either */
static void rude(struct world *w)
{
	struct linger abort = { .l_onoff = 1 };
	long port = far_ask(w, "listen 16");
	int i;

	for (i = 0; i < 100; i++) {
		int fd = near_connect(w, (unsigned int)port);

		must_be(setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort,
				   sizeof(abort)),
			0);
		far_ask(w, "accept");
		if (i % 3)
			near_send(fd, 1000, 1);
		must_be(close(fd), 0);
		must_be(far_ask(w, "errno %d", i) != 0, 1);
		far_ask(w, "close %d", i);
	}
}

/* Fifty set-ups at once, one of them to a port where nobody listens */
static void set_ups(struct world *w)
{
	unsigned int port = (unsigned int)far_ask(w, "listen 1");
	union endpoint dead = near_target(w, port);
	union endpoint e;
	int fd[PARALLEL];
	int i;

	e = near_target(w, (unsigned int)far_ask(w, "listen %d", PARALLEL));
	for (i = 0; i < PARALLEL; i++) {
		const union endpoint *to = i == 7 ? &dead : &e;

		fd[i] = near_socket(w, SOCK_NONBLOCK);
		if (connect(fd[i], &to->any, endpoint_bytes(to)) &&
		    errno != EINPROGRESS && (i != 7 || errno != ECONNREFUSED))
			fail("connect: errno %d", errno);
	}
	for (i = 0; i < PARALLEL; i++) {
		if (i == 7)
			continue;
		must(near_poll(fd[i], POLLOUT, 10000) & POLLOUT);
		must_be(near_get(fd[i], SOL_SOCKET, SO_ERROR), 0);
		far_ask(w, "accept");
	}
	for (i = 0; i < PARALLEL; i++)
		close(fd[i]);
}

static int open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	if (!d)
		check_skip("no /proc");
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void leaks_nothing(struct world *w)
{
	int before = open_descriptors();
	int i;

	for (i = 0; i < 20; i++) {
		struct pair p = near_pair(w);

		near_send(p.near, 10, 1);
		far_ask(w, "recv %d 10 1", p.far);
		must_be(close(p.near), 0);
		far_ask(w, "close %d", p.far);
	}
	must_be(open_descriptors(), before);
}

/* One connection floods; the answers of another keep coming */
static void fair(struct world *w)
{
	struct pair flood = near_pair(w);
	struct pair talk = near_pair(w);
	int i;

	near_fill(flood.near, 1);
	for (i = 0; i < 100; i++) {
		near_send(talk.near, 64, 2);
		far_ask(w, "recv %d 64 2", talk.far);
		far_ask(w, "send %d 64 3", talk.far);
		near_recv(talk.near, 64, 3);
	}
}

const struct check_case many_cases[] = {
	{ "many-at-once", at_once, ONCE },
	{ "many-one-after-other", one_after_other, ONCE },
	{ "many-rude", rude, ONCE },
	{ "many-set-ups", set_ups, ONCE },
	{ "many-leaks-nothing", leaks_nothing, PAIRS },
	{ "many-fair", fair, PAIRS },
	CASES_END,
};
