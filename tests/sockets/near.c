// SPDX-License-Identifier: GPL-2.0-only
/*
 * near.c - sockets of the near end, and small helpers of the cases
 */
#include "near.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "pattern.h"

#define PIECE_BYTES 65536
/* A socket is full when it was not writable for so long, three times */
#define FULL_MS (50 * (int)near_patience)

unsigned int near_patience = 1;

socklen_t endpoint_bytes(const union endpoint *e)
{
	return e->any.sa_family == AF_INET ? sizeof(e->v4) : sizeof(e->v6);
}

unsigned int endpoint_port(const union endpoint *e)
{
	return ntohs(e->any.sa_family == AF_INET ? e->v4.sin_port
						 : e->v6.sin6_port);
}

void endpoint_set_port(union endpoint *e, unsigned int port)
{
	if (e->any.sa_family == AF_INET)
		e->v4.sin_port = htons((uint16_t)port);
	else
		e->v6.sin6_port = htons((uint16_t)port);
}

bool endpoint_parse(union endpoint *e, const char *text)
{
	memset(e, 0, sizeof(*e));
	if (inet_pton(AF_INET, text, &e->v4.sin_addr) == 1)
		e->any.sa_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &e->v6.sin6_addr) == 1)
		e->any.sa_family = AF_INET6;
	return e->any.sa_family != AF_UNSPEC;
}

const char *endpoint_text(const union endpoint *e)
{
	static char text[INET6_ADDRSTRLEN];

	if (e->any.sa_family == AF_INET)
		inet_ntop(AF_INET, &e->v4.sin_addr, text, sizeof(text));
	else
		inet_ntop(AF_INET6, &e->v6.sin6_addr, text, sizeof(text));
	return text;
}

union endpoint near_name(int fd)
{
	union endpoint e = {};
	socklen_t bytes = sizeof(e);

	if (getsockname(fd, &e.any, &bytes))
		fail("getsockname: errno %d", errno);
	return e;
}

union endpoint near_peer(int fd)
{
	union endpoint e = {};
	socklen_t bytes = sizeof(e);

	if (getpeername(fd, &e.any, &bytes))
		fail("getpeername: errno %d", errno);
	return e;
}

union endpoint near_target(const struct world *w, unsigned int port)
{
	union endpoint e = w->target;

	endpoint_set_port(&e, port);
	return e;
}

union endpoint near_wildcard(const struct world *w, unsigned int port)
{
	union endpoint e = {};

	e.any.sa_family = (sa_family_t)w->family;
	endpoint_set_port(&e, port);
	return e;
}

union endpoint near_loopback(const struct world *w, unsigned int port)
{
	union endpoint e;

	endpoint_parse(&e, w->family == AF_INET ? "127.0.0.1" : "::1");
	endpoint_set_port(&e, port);
	return e;
}

int near_socket(const struct world *w, int flags)
{
	int fd = socket(w->family, SOCK_STREAM | flags, 0);

	if (fd < 0)
		fail("no socket: errno %d", errno);
	return fd;
}

int near_connect(const struct world *w, unsigned int port)
{
	union endpoint e = near_target(w, port);
	int fd = near_socket(w, 0);

	if (connect(fd, &e.any, endpoint_bytes(&e)))
		fail("connect to %s port %u: errno %d", endpoint_text(&e), port,
		     errno);
	return fd;
}

/* A listening socket, or -1 with errno */
static int try_listen(const struct world *w, const union endpoint *e,
		      int backlog)
{
	int fd = near_socket(w, 0);
	int error;

	near_set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (!bind(fd, &e->any, endpoint_bytes(e)) && !listen(fd, backlog))
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

/*
 * On another machine's policy only some ports can be reached: every case has
 * the same, and processes of the last one may just be ending
 */
int near_listen(struct world *w, int backlog, unsigned int *port)
{
	union endpoint e =
		w->remote ? near_wildcard(w, 0) : near_loopback(w, 0);
	int fd;

	if (w->ports)
		endpoint_set_port(&e, w->port + w->ports_used++ % w->ports);
	near_until((fd = try_listen(w, &e, backlog)) >= 0 ||
		   errno != EADDRINUSE);
	if (fd < 0)
		fail("listen on %s port %u: errno %d", endpoint_text(&e),
		     endpoint_port(&e), errno);
	e = near_name(fd);
	*port = endpoint_port(&e);
	return fd;
}

short near_poll(int fd, short events, int ms)
{
	struct pollfd p = { .fd = fd, .events = events };

	if (poll(&p, 1, ms) < 0)
		fail("poll: errno %d", errno);
	return p.revents;
}

void near_send(int fd, size_t bytes, unsigned int seed)
{
	uint8_t buffer[PIECE_BYTES];
	size_t sent = 0;

	while (sent < bytes) {
		size_t n = bytes - sent < sizeof(buffer) ? bytes - sent
							 : sizeof(buffer);
		ssize_t got;

		pattern_fill(buffer, n, seed, sent);
		got = send(fd, buffer, n, MSG_NOSIGNAL);
		if (got <= 0)
			fail("send returns %zd after %zu bytes: errno %d", got,
			     sent, errno);
		sent += (size_t)got;
	}
}

void near_recv(int fd, size_t bytes, unsigned int seed)
{
	uint8_t buffer[PIECE_BYTES];
	size_t held = 0;

	while (held < bytes) {
		size_t n = bytes - held < sizeof(buffer) ? bytes - held
							 : sizeof(buffer);
		ssize_t got = recv(fd, buffer, n, 0);
		size_t right;

		if (got <= 0)
			fail("recv returns %zd after %zu bytes: errno %d", got,
			     held, errno);
		right = pattern_check(buffer, (size_t)got, seed, held);
		if (right != (size_t)got)
			fail("byte %zu is wrong", held + right);
		held += (size_t)got;
	}
}

void near_recv_eof(int fd)
{
	char byte;
	ssize_t got = recv(fd, &byte, 1, 0);

	if (got)
		fail("recv returns %zd, not the end: errno %d", got, errno);
}

size_t near_fill(int fd, unsigned int seed)
{
	uint64_t end_ms =
		near_now_ms() + (uint64_t)NEAR_LONG_MS * near_patience;
	uint8_t buffer[PIECE_BYTES];
	size_t sent = 0;
	int full = 0;

	/* TCP lets a buffer grow that nobody has bounded */
	near_set(fd, SOL_SOCKET, SO_SNDBUF, PIECE_BYTES);
	/* a peer that takes its time may make room again, which poll() tells */
	while (full < 3) {
		ssize_t got;

		pattern_fill(buffer, sizeof(buffer), seed, sent);
		got = send(fd, buffer, sizeof(buffer),
			   MSG_DONTWAIT | MSG_NOSIGNAL);
		if (got < 0 && errno != EAGAIN)
			fail("send returns %zd: errno %d", got, errno);
		sent += got > 0 ? (size_t)got : 0;
		if (got > 0 || near_poll(fd, POLLOUT, FULL_MS))
			full = 0;
		else
			full++;
		if (near_now_ms() > end_ms)
			fail("there is room for ever: %zu bytes", sent);
	}
	return sent;
}

void near_nonblock(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	flags = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
	if (fcntl(fd, F_SETFL, flags))
		fail("fcntl: errno %d", errno);
}

int near_get(int fd, int level, int name)
{
	int value = 0;
	socklen_t bytes = sizeof(value);

	if (getsockopt(fd, level, name, &value, &bytes))
		fail("getsockopt(%d, %d): errno %d", level, name, errno);
	return value;
}

void near_set(int fd, int level, int name, int value)
{
	if (setsockopt(fd, level, name, &value, sizeof(value)))
		fail("setsockopt(%d, %d, %d): errno %d", level, name, value,
		     errno);
}

void near_check_value(int fd, const struct near_value *v)
{
	if (v->initial != NEAR_ANY &&
	    near_get(fd, v->level, v->name) != v->initial)
		fail("option %d/%d is %d at first, not %d", v->level, v->name,
		     near_get(fd, v->level, v->name), v->initial);
	if (v->bad != NEAR_NONE &&
	    (setsockopt(fd, v->level, v->name, &v->bad, sizeof(int)) != -1 ||
	     errno != EINVAL))
		fail("option %d/%d takes %d: errno %d", v->level, v->name,
		     v->bad, errno);
	if (v->set == NEAR_NONE)
		return;
	near_set(fd, v->level, v->name, v->set);
	if (v->then != NEAR_ANY && near_get(fd, v->level, v->name) != v->then)
		fail("option %d/%d is %d, not %d", v->level, v->name,
		     near_get(fd, v->level, v->name), v->then);
}

void near_will_wait(struct near_thread *t)
{
	__atomic_store_n(&t->task, gettid(), __ATOMIC_RELEASE);
}

/* Return: the system call that thread waits in, or -1 */
static long call_of(int task)
{
	char path[64];
	long number = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", task);
	f = task ? fopen(path, "r") : NULL;
	if (!f)
		return -1;
	/* "running", when it does not wait */
	if (fscanf(f, "%ld", &number) != 1)
		number = -1;
	fclose(f);
	return number;
}

void near_waits(const struct near_thread *t, long system_call)
{
	near_until(call_of(__atomic_load_n(&t->task, __ATOMIC_ACQUIRE)) ==
		   system_call);
}

void near_sleep_ms(unsigned int ms)
{
	struct timespec t = { ms / 1000, (long)(ms % 1000) * 1000000 };

	while (nanosleep(&t, &t) && errno == EINTR)
		;
}

uint64_t near_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}
