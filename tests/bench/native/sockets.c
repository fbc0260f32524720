// SPDX-License-Identifier: GPL-2.0-only
/*
 * sockets.c - the same bytes through the kernel: TCP on the loopback, UNIX
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/native/native.h"
#include "tests/bench/sbperf/sbperf.h"

/* A connected pair, and what goes through it */
struct stage {
	struct pace pace;
	int fd[2];
};

static void produce(void *shared)
{
	struct stage *s = shared;

	if (!pour(s->fd[0], s->pace.bytes, s->pace.size))
		fail("write");
}

static void consume(void *shared)
{
	struct stage *s = shared;

	if (!drain(s->fd[1], s->pace.bytes))
		fail("read");
}

static void connect_tcp(int fd[2])
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct sockaddr *name = (struct sockaddr *)&at;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t length = sizeof(at);

	fd[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || fd[0] < 0 || bind(listener, name, length) ||
	    listen(listener, 1) || getsockname(listener, name, &length) ||
	    connect(fd[0], name, length))
		fail("loopback");
	fd[1] = accept(listener, NULL, NULL);
	if (fd[1] < 0)
		fail("accept");
	close(listener);
}

static double burst(struct stage *s)
{
	double seconds = pair_run(produce, consume, s);

	close(s->fd[0]);
	close(s->fd[1]);
	return s->pace.bytes / seconds / 1e6;
}

double tcp_burst(const struct pace *p)
{
	struct stage s = { .pace = *p };

	connect_tcp(s.fd);
	return burst(&s);
}

double unix_burst(const struct pace *p)
{
	struct stage s = { .pace = *p };

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s.fd) != 0)
		fail("socketpair");
	return burst(&s);
}
