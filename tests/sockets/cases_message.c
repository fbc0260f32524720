// SPDX-License-Identifier: GPL-2.0-only
/*
 * cases_message.c - the flags of send() and recv(), and messages in pieces
 */
#include <fcntl.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "far.h"
#include "near.h"
#include "pattern.h"

static void has_pattern(const uint8_t *bytes, size_t n, uint32_t seed,
			uint64_t offset)
{
	must_be(pattern_check(bytes, n, seed, offset), n);
}

static void arrives(int fd, size_t bytes)
{
	uint8_t buffer[65536];

	near_until(recv(fd, buffer, sizeof(buffer), MSG_PEEK | MSG_DONTWAIT) >=
		   (ssize_t)bytes);
}

static void peek(struct world *w)
{
	struct pair p = near_pair(w);
	uint8_t buffer[1000];

	must_fail(recv(p.near, buffer, 10, MSG_PEEK | MSG_DONTWAIT), EAGAIN);
	far_ask(w, "send %d 1000 1", p.far);
	arrives(p.near, 1000);
	must_be(recv(p.near, buffer, 10, MSG_PEEK), 10);
	has_pattern(buffer, 10, 1, 0);
	must_be(recv(p.near, buffer, 1000, MSG_PEEK), 1000);
	has_pattern(buffer, 1000, 1, 0);
	must_be(recv(p.near, buffer, 400, 0), 400);
	must_be(recv(p.near, buffer, 1000, MSG_PEEK), 600);
	has_pattern(buffer, 600, 1, 400);
	must_be(recv(p.near, buffer, 600, MSG_PEEK | MSG_WAITALL), 600);
	must_be(recv(p.near, buffer, 1000, 0), 600);
	far_ask(w, "close %d", p.far);
	must_be(recv(p.near, buffer, 10, MSG_PEEK), 0);
	must_be(recv(p.near, buffer, 10, MSG_PEEK), 0);
}

static void waitall(struct world *w)
{
	struct pair p = near_pair(w);
	uint8_t buffer[40000];

	far_start(w, "drip %d 40000 2 5000 10000", p.far);
	must_be(recv(p.near, buffer, sizeof(buffer), MSG_WAITALL), 40000);
	has_pattern(buffer, sizeof(buffer), 2, 0);
	far_finish(w);
	far_ask(w, "send %d 100 3", p.far);
	far_ask(w, "close %d", p.far);
	must_be(recv(p.near, buffer, sizeof(buffer), MSG_WAITALL), 100);
	must_be(recv(p.near, buffer, sizeof(buffer), MSG_WAITALL), 0);
}

/* Without MSG_WAITALL a blocking recv() returns what is there */
static void not_waitall(struct world *w)
{
	struct pair p = near_pair(w);
	uint8_t buffer[1000];

	far_ask(w, "send %d 10 2", p.far);
	must_be(recv(p.near, buffer, sizeof(buffer), 0), 10);
}

static void dontwait(struct world *w)
{
	struct pair p = near_pair(w);
	uint8_t buffer[100];

	must_fail(recv(p.near, buffer, 100, MSG_DONTWAIT), EAGAIN);
	far_ask(w, "send %d 50 4", p.far);
	arrives(p.near, 50);
	must_be(recv(p.near, buffer, 100, MSG_DONTWAIT | MSG_WAITALL), 50);
	near_nonblock(p.near, true);
	must_fail(recv(p.near, buffer, 100, 0), EAGAIN);
	must_fail(read(p.near, buffer, 100), EAGAIN);
}

/* On a stream MSG_TRUNC throws away */
static void thrown_away(struct world *w)
{
	struct pair p = near_pair(w);
	uint8_t buffer[100];

	far_ask(w, "send %d 1000 5", p.far);
	arrives(p.near, 1000);
	must_be(recv(p.near, NULL, 300, MSG_TRUNC), 300);
	must_be(recv(p.near, buffer, 100, 0), 100);
	has_pattern(buffer, 100, 5, 300);
	must_be(recv(p.near, NULL, 5000, MSG_TRUNC), 600);
	must_fail(recv(p.near, NULL, 1, MSG_TRUNC | MSG_DONTWAIT), EAGAIN);
}

static void more(struct world *w)
{
	struct pair p = near_pair(w);
	uint8_t buffer[3000];

	pattern_fill(buffer, sizeof(buffer), 6, 0);
	must_be(send(p.near, buffer, 1000, MSG_MORE), 1000);
	must_be(send(p.near, buffer + 1000, 1000, MSG_MORE), 1000);
	must_be(send(p.near, buffer + 2000, 1000, 0), 1000);
	far_ask(w, "recv %d 3000 6", p.far);
	/* even what is never followed by more is sent in the end */
	must_be(send(p.near, buffer, 1000, MSG_MORE), 1000);
	far_ask(w, "recv %d 1000 6", p.far);
	must_be(send(p.near, buffer, 10, MSG_MORE), 10);
	must_be(shutdown(p.near, SHUT_WR), 0);
	far_ask(w, "recv %d 10 6", p.far);
}

static void cork(struct world *w)
{
	struct pair p = near_pair(w);

	near_set(p.near, IPPROTO_TCP, TCP_CORK, 1);
	near_send(p.near, 100, 7);
	must_be(near_get(p.near, IPPROTO_TCP, TCP_CORK), 1);
	near_set(p.near, IPPROTO_TCP, TCP_CORK, 0);
	far_ask(w, "recv %d 100 7", p.far);
}

/* Sends one message of 1000 pieces of 0 to 99 bytes */
static void pieces(struct world *w)
{
	struct pair p = near_pair(w);
	static uint8_t bytes[50000];
	struct iovec part[1000];
	struct msghdr m = { .msg_iov = part, .msg_iovlen = 1000 };
	size_t at = 0;
	size_t i;

	pattern_fill(bytes, sizeof(bytes), 8, 0);
	for (i = 0; i < 1000; i++) {
		part[i].iov_base = bytes + at;
		part[i].iov_len = i % 100;
		at += i % 100;
	}
	far_start(w, "recv %d %zu 8", p.far, at);
	must_be(sendmsg(p.near, &m, 0), at);
	far_finish(w);
	far_ask(w, "send %d 5000 9", p.far);
	arrives(p.near, 5000);
	memset(bytes, 0, sizeof(bytes));
	must_be(recvmsg(p.near, &m, MSG_WAITALL | MSG_DONTWAIT), 5000);
	has_pattern(bytes, 5000, 9, 0);
	m.msg_iovlen = IOV_MAX + 1;
	must_fail(sendmsg(p.near, &m, 0), EMSGSIZE);
}

static void vectors(struct world *w)
{
	struct pair p = near_pair(w);
	uint8_t buffer[300];
	struct iovec part[3] = { { buffer, 100 },
				 { buffer + 100, 0 },
				 { buffer + 100, 200 } };

	pattern_fill(buffer, sizeof(buffer), 1, 0);
	must_be(writev(p.near, part, 3), 300);
	far_ask(w, "recv %d 300 1", p.far);
	far_ask(w, "send %d 300 2", p.far);
	arrives(p.near, 300);
	must_be(readv(p.near, part, 3), 300);
	has_pattern(buffer, 300, 2, 0);
}

static void message_fields(struct world *w)
{
	struct pair p = near_pair(w);
	union endpoint name;
	char control[64];
	uint8_t buffer[10];
	struct iovec part = { buffer, sizeof(buffer) };
	struct msghdr m = { .msg_name = &name,
			    .msg_namelen = sizeof(name),
			    .msg_iov = &part,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof(control) };

	far_ask(w, "send %d 20 1", p.far);
	arrives(p.near, 20);
	must_be(recvmsg(p.near, &m, 0), 10);
	must_be(m.msg_namelen, 0);
	must_be(m.msg_controllen, 0);
	must_be(m.msg_flags & (MSG_TRUNC | MSG_EOR | MSG_OOB), 0);
}

/* A destination on a connected stream is not looked at */
static void send_to(struct world *w)
{
	struct pair p = near_pair(w);
	union endpoint e = near_loopback(w, 1);
	union endpoint from;
	socklen_t bytes = sizeof(from);
	uint8_t buffer[10];

	pattern_fill(buffer, sizeof(buffer), 1, 0);
	must_be(sendto(p.near, buffer, 10, 0, &e.any, endpoint_bytes(&e)), 10);
	far_ask(w, "recv %d 10 1", p.far);
	far_ask(w, "send %d 10 1", p.far);
	must_be(recvfrom(p.near, buffer, 10, 0, &from.any, &bytes), 10);
}

static void many_messages(struct world *w)
{
	struct pair p = near_pair(w);
	uint8_t buffer[1000];
	struct iovec part[10];
	struct mmsghdr m[10];
	unsigned int i;

	memset(m, 0, sizeof(m));
	pattern_fill(buffer, sizeof(buffer), 1, 0);
	for (i = 0; i < 10; i++) {
		part[i].iov_base = buffer + (size_t)i * 100;
		part[i].iov_len = 100;
		m[i].msg_hdr.msg_iov = &part[i];
		m[i].msg_hdr.msg_iovlen = 1;
	}
	must_be(sendmmsg(p.near, m, 10, 0), 10);
	for (i = 0; i < 10; i++)
		must_be(m[i].msg_len, 100);
	far_ask(w, "recv %d 1000 1", p.far);
	far_ask(w, "send %d 1000 2", p.far);
	arrives(p.near, 1000);
	must_be(recvmmsg(p.near, m, 10, MSG_DONTWAIT, NULL), 10);
	has_pattern(buffer, 1000, 2, 0);
}

static void error_queue(struct world *w)
{
	struct pair p = near_pair(w);
	uint8_t buffer[10];

	must_fail(recv(p.near, buffer, 10, MSG_ERRQUEUE), EAGAIN);
}

static void low_water(struct world *w)
{
	struct pair p = near_pair(w);
	uint8_t buffer[3000];

	near_set(p.near, SOL_SOCKET, SO_RCVLOWAT, 2000);
	must_be(near_get(p.near, SOL_SOCKET, SO_RCVLOWAT), 2000);
	far_ask(w, "send %d 1999 1", p.far);
	arrives(p.near, 1999);
	must_be(near_poll(p.near, POLLIN, 100), 0);
	must_be(recv(p.near, buffer, 3000, MSG_PEEK | MSG_DONTWAIT), 1999);
	far_ask(w, "send %d 1 2", p.far);
	must_be(near_poll(p.near, POLLIN, NEAR_LONG_MS), POLLIN);
	must_be(recv(p.near, buffer, 3000, 0), 2000);
	far_ask(w, "send %d 10 1", p.far);
	far_ask(w, "close %d", p.far);
	must_be(near_poll(p.near, POLLIN, NEAR_LONG_MS), POLLIN);
	must_be(recv(p.near, buffer, 3000, 0), 10);
}

static void receive_timeout(struct world *w)
{
	struct pair p = near_pair(w);
	struct timeval limit = { .tv_usec = 150000 };
	socklen_t bytes = sizeof(limit);
	uint8_t buffer[100];
	uint64_t start = near_now_ms();

	must_be(setsockopt(p.near, SOL_SOCKET, SO_RCVTIMEO, &limit, bytes), 0);
	must_fail(recv(p.near, buffer, 100, 0), EAGAIN);
	must(near_now_ms() - start >= 140);
	far_ask(w, "send %d 10 1", p.far);
	must_be(recv(p.near, buffer, 100, MSG_WAITALL), 10);
	must_be(getsockopt(p.near, SOL_SOCKET, SO_RCVTIMEO, &limit, &bytes), 0);
	must(limit.tv_usec >= 150000 && limit.tv_usec < 160000);
}

static void send_timeout(struct world *w)
{
	struct pair p = near_pair(w);
	struct timeval limit = { .tv_usec = 150000 };
	static uint8_t buffer[1 << 20];
	uint64_t start;
	ssize_t got;

	must_be(setsockopt(p.near, SOL_SOCKET, SO_SNDTIMEO, &limit,
			   sizeof(limit)),
		0);
	near_fill(p.near, 1);
	/* what still finds room does not count */
	do {
		start = near_now_ms();
		got = send(p.near, buffer, sizeof(buffer), MSG_NOSIGNAL);
	} while (got > 0);
	if (got != -1 || errno != EAGAIN)
		fail("send returns %zd, errno %d", got, errno);
	must(near_now_ms() - start >= 140);
}

const struct check_case message_cases[] = {
	{ "message-peek", peek, PAIRS },
	{ "message-waitall", waitall, PAIRS },
	{ "message-not-waitall", not_waitall, PAIRS },
	{ "message-dontwait", dontwait, PAIRS },
	{ "message-trunc", thrown_away, PAIRS },
	{ "message-more", more, PAIRS },
	{ "message-cork", cork, PAIRS },
	{ "message-pieces", pieces, PAIRS },
	{ "message-vectors", vectors, PAIRS },
	{ "message-fields", message_fields, PAIRS },
	{ "message-send-to", send_to, PAIRS },
	{ "message-many", many_messages, PAIRS },
	{ "message-error-queue", error_queue, ONCE },
	{ "message-low-water", low_water, PAIRS },
	{ "message-receive-timeout", receive_timeout, PAIRS },
	{ "message-send-timeout", send_timeout, PAIRS },
	CASES_END,
};
