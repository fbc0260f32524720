// SPDX-License-Identifier: GPL-2.0-only
/*
 * cases_connect.c - connect() in all its ways
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "far.h"
#include "near.h"

/* A port of the far machine where nobody listens */
static union endpoint deaf(struct world *w)
{
	union endpoint e = near_target(w, (unsigned int)far_ask(w, "listen 1"));

	far_ask(w, "unlisten");
	return e;
}

static union endpoint listening(struct world *w, int backlog)
{
	return near_target(w, (unsigned int)far_ask(w, "listen %d", backlog));
}

static int try_connect(int fd, const union endpoint *e)
{
	return connect(fd, &e->any, endpoint_bytes(e));
}

static void blocking(struct world *w)
{
	union endpoint e = listening(w, 1);
	int fd = near_socket(w, 0);

	must_be(try_connect(fd, &e), 0);
	must_be(far_ask(w, "accept"), 0);
	near_send(fd, 1000, 1);
	must_be(far_ask(w, "recv 0 1000 1"), 1000);
	must_be(far_ask(w, "send 0 1000 2"), 1000);
	near_recv(fd, 1000, 2);
	must_fail(try_connect(fd, &e), EISCONN);
}

static void nonblocking(struct world *w)
{
	union endpoint e = listening(w, 1);
	int fd = near_socket(w, SOCK_NONBLOCK);
	int err = try_connect(fd, &e);

	if (err)
		must_fail(err, errno == EINPROGRESS ? EINPROGRESS : 0);
	must(near_poll(fd, POLLOUT, NEAR_LONG_MS) & POLLOUT);
	must_be(near_get(fd, SOL_SOCKET, SO_ERROR), 0);
	err = try_connect(fd, &e);
	/* the first connect() after success may still say 0 */
	if (!err)
		err = try_connect(fd, &e);
	must_be(err, -1);
	must_fail(try_connect(fd, &e), EISCONN);
	far_ask(w, "accept");
	near_send(fd, 10, 1);
	far_ask(w, "recv 0 10 1");
}

static void refused(struct world *w)
{
	union endpoint e = deaf(w);
	int fd = near_socket(w, 0);

	must_fail(try_connect(fd, &e), ECONNREFUSED);
	must_be(near_get(fd, SOL_SOCKET, SO_ERROR), 0);
}

static void refused_nonblocking(struct world *w)
{
	union endpoint e = deaf(w);
	int fd = near_socket(w, SOCK_NONBLOCK);
	int err = try_connect(fd, &e);
	int error = errno;
	short events;

	if (err && error == ECONNREFUSED)
		return;
	must_be(err, -1);
	must_be(error, EINPROGRESS);
	events = near_poll(fd, POLLIN | POLLOUT, NEAR_LONG_MS);
	must_be(events & (POLLERR | POLLHUP), POLLERR | POLLHUP);
	must_be(events & (POLLIN | POLLOUT), POLLIN | POLLOUT);
	must_be(near_get(fd, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
	must_be(near_get(fd, SOL_SOCKET, SO_ERROR), 0);
}

/* Linux lets the same socket try again */
static void refused_then_accepted(struct world *w)
{
	union endpoint e = deaf(w);
	int fd = near_socket(w, 0);

	must_fail(try_connect(fd, &e), ECONNREFUSED);
	e = listening(w, 1);
	must_be(try_connect(fd, &e), 0);
	far_ask(w, "accept");
	near_send(fd, 10, 1);
	far_ask(w, "recv 0 10 1");
}

static void dissolved(struct world *w)
{
	union endpoint e = listening(w, 2);
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	int fd = near_socket(w, 0);
	socklen_t bytes = sizeof(e);
	union endpoint peer;

	must_be(try_connect(fd, &e), 0);
	far_ask(w, "accept");
	must_be(connect(fd, &none, sizeof(none)), 0);
	must_fail(getpeername(fd, &peer.any, &bytes), ENOTCONN);
	far_ask(w, "errno 0");
	must_be(try_connect(fd, &e), 0);
	far_ask(w, "accept");
	near_send(fd, 10, 3);
	far_ask(w, "recv 1 10 3");
}

static void bad_address(struct world *w)
{
	union endpoint e = listening(w, 1);
	int fd = near_socket(w, 0);

	must_fail(connect(fd, &e.any, sizeof(sa_family_t) - 1), EINVAL);
	must_fail(connect(fd, &e.any,
			  endpoint_bytes(&e) - 4 -
				  (w->family == AF_INET ? 9 : 1)),
		  EINVAL);
	must_fail(connect(fd, (struct sockaddr *)16, endpoint_bytes(&e)),
		  EFAULT);
	must_fail(connect(fd, &e.any, 4096), EINVAL);
	e.any.sa_family = AF_UNIX;
	must_fail(try_connect(fd, &e), EAFNOSUPPORT);
	must_fail(connect(0x7fff, &e.any, endpoint_bytes(&e)), EBADF);
}

/* What nobody can connect to */
static void hopeless_address(struct world *w)
{
	union endpoint e;
	int fd = near_socket(w, 0);

	endpoint_parse(&e, w->family == AF_INET ? "224.0.0.5" : "ff0e::5");
	endpoint_set_port(&e, 80);
	must_fail(try_connect(fd, &e), ENETUNREACH);
}

/* The wildcard address means this machine */
static void wildcard(struct world *w)
{
	union endpoint e = listening(w, 1);
	union endpoint any = near_wildcard(w, endpoint_port(&e));
	int fd = near_socket(w, 0);

	must_be(try_connect(fd, &any), 0);
	e = near_peer(fd);
	any = near_loopback(w, endpoint_port(&e));
	must_be(memcmp(&e, &any, endpoint_bytes(&e)), 0);
	far_ask(w, "accept");
}

static void from_bound_port(struct world *w)
{
	union endpoint to = listening(w, 1);
	union endpoint from = near_loopback(w, 0);
	int fd = near_socket(w, 0);
	unsigned int port;

	must_be(bind(fd, &from.any, endpoint_bytes(&from)), 0);
	from = near_name(fd);
	port = endpoint_port(&from);
	must(port);
	must_be(try_connect(fd, &to), 0);
	from = near_name(fd);
	must_be(endpoint_port(&from), port);
	far_ask(w, "accept");
	must_be(far_ask(w, "peerport 0"), port);
}

static void before_connect(struct world *w)
{
	int fd = near_socket(w, 0);
	union endpoint e;
	socklen_t bytes = sizeof(e);
	char byte = 0;

	must_fail(recv(fd, &byte, 1, 0), ENOTCONN);
	must_fail(send(fd, &byte, 1, MSG_NOSIGNAL), EPIPE);
	must_fail(getpeername(fd, &e.any, &bytes), ENOTCONN);
	must_fail(shutdown(fd, SHUT_WR), ENOTCONN);
	must_fail(accept(fd, NULL, NULL), EINVAL);
	must_be(near_poll(fd, POLLIN | POLLOUT, 0), POLLOUT | POLLHUP);
	e = near_name(fd);
	must_be(e.any.sa_family, w->family);
	must_be(endpoint_port(&e), 0);
}

static void wrong_kind(struct world *w)
{
	struct pair p = near_pair(w);
	union endpoint e = near_wildcard(w, 0);

	must_fail(listen(p.near, 1), EINVAL);
	must_fail(accept(p.near, NULL, NULL), EINVAL);
	must_fail(bind(p.near, &e.any, endpoint_bytes(&e)), EINVAL);
}

static void listener_connects(struct world *w)
{
	unsigned int port;
	int fd = near_listen(w, 1, &port);
	union endpoint e = listening(w, 1);

	must_fail(try_connect(fd, &e), EISCONN);
}

/*
 * Is it still not there after half a second? In pieces, each of which others
 * have as well as we do: a machine that stood still has cost one of them.
 */
static bool hangs(int fd)
{
	short events = 0;
	int i;

	for (i = 0; i < 10 && !events; i++)
		events = near_poll(fd, POLLOUT, 50);
	return !events;
}

/* A connection that hangs: to a listener that is full, and stays so */
static int hanging(struct world *w, union endpoint *e)
{
	int fd;
	int i;

	*e = listening(w, 0);
	for (i = 0; i < 8; i++) {
		fd = near_socket(w, SOCK_NONBLOCK);
		if (try_connect(fd, e) && errno != EINPROGRESS)
			fail("connect: errno %d", errno);
		if (hangs(fd))
			return fd;
	}
	check_skip("a full listener still takes connections");
}

static void pending(struct world *w)
{
	union endpoint e;
	union endpoint any = near_wildcard(w, 0);
	int fd = hanging(w, &e);

	must_fail(try_connect(fd, &e), EALREADY);
	must_fail(bind(fd, &any.any, endpoint_bytes(&any)), EINVAL);
	must_fail(listen(fd, 1), EINVAL);
	must_be(near_poll(fd, POLLIN | POLLOUT, 0), 0);
	must_be(near_get(fd, SOL_SOCKET, SO_ERROR), 0);
	must_be(close(fd), 0);
}

static void nothing(int signal_number)
{
}

static bool interrupted_enough;

/* The first one may come before it waits: so there are more */
static void *interrupt(void *thread)
{
	while (!__atomic_load_n(&interrupted_enough, __ATOMIC_RELAXED)) {
		near_sleep_ms(200);
		pthread_kill(*(pthread_t *)thread, SIGUSR1);
	}
	return NULL;
}

static void interrupted(struct world *w)
{
	struct sigaction act = { .sa_handler = nothing };
	pthread_t self = pthread_self();
	pthread_t other;
	union endpoint e;
	int fd = hanging(w, &e);

	near_nonblock(fd, false);
	sigaction(SIGUSR1, &act, NULL);
	pthread_create(&other, NULL, interrupt, &self);
	must_fail(try_connect(fd, &e), EINTR);
	close(fd);

	fd = near_socket(w, 0);
	must_fail(try_connect(fd, &e), EINTR);
	__atomic_store_n(&interrupted_enough, true, __ATOMIC_RELAXED);
	pthread_join(other, NULL);
	near_nonblock(fd, true);
	must_fail(try_connect(fd, &e), EALREADY);
	must_fail(bind(fd, &e.any, endpoint_bytes(&e)), EINVAL);
}

static void timed_out(struct world *w)
{
	struct timeval limit = { .tv_usec = 200000 };
	union endpoint e;
	uint64_t start;
	int fd;

	hanging(w, &e);
	fd = near_socket(w, 0);
	must_be(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)),
		0);
	start = near_now_ms();
	must_fail(try_connect(fd, &e), EINPROGRESS);
	must(near_now_ms() - start >= 190);
	must_fail(try_connect(fd, &e), EALREADY);
}

const struct check_case connect_cases[] = {
	{ "connect", blocking, ONCE },
	{ "connect-nonblocking", nonblocking, ONCE },
	{ "connect-refused", refused, ONCE },
	{ "connect-refused-nonblocking", refused_nonblocking, ONCE },
	{ "connect-refused-then-accepted", refused_then_accepted, ONCE },
	{ "connect-dissolved", dissolved, ONCE },
	{ "connect-bad-address", bad_address, ONCE },
	{ "connect-hopeless-address", hopeless_address, LOCAL },
	{ "connect-wildcard", wildcard, LOCAL },
	{ "connect-from-bound-port", from_bound_port, LOCAL },
	{ "connect-not-yet", before_connect, ONCE },
	{ "connect-wrong-kind", wrong_kind, PAIRS },
	{ "connect-listener", listener_connects, LISTENS },
	{ "connect-pending", pending, LOCAL },
	{ "connect-interrupted", interrupted, LOCAL },
	{ "connect-timed-out", timed_out, LOCAL },
	CASES_END,
};
