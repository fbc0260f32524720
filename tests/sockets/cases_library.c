// SPDX-License-Identifier: GPL-2.0-only
/*
 * cases_library.c - libswitchboard at the near end, plain sockets at the other
 *
 * On circuits the near end works in place, elsewhere it copies: what a program
 * sees is the same.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "datagram.h"
#include "far.h"
#include "guest/lib/switchboard.h"
#include "near.h"
#include "pattern.h"

static struct switchboard *attach(const struct world *w, int fd)
{
	struct switchboard *s = switchboard_attach(fd, 0);

	must(s);
	must_be(switchboard_is_mapped(s), w->circuit);
	return s;
}

/* In pieces of every size up to @piece */
static void put(struct switchboard *s, size_t bytes, unsigned int seed,
		size_t piece)
{
	size_t sent = 0, n = 1;
	ssize_t room;
	void *at;

	while (sent < bytes) {
		room = switchboard_reserve(s, 1, &at);
		must(room > 0);
		n = n % piece + 1;
		n = n < (size_t)room ? n : (size_t)room;
		n = n < bytes - sent ? n : bytes - sent;
		pattern_fill(at, n, seed, sent);
		must_be(switchboard_commit(s, n), 0);
		sent += n;
	}
}

static void take(struct switchboard *s, size_t bytes, unsigned int seed)
{
	size_t got = 0, n;
	const void *at;
	ssize_t held;

	while (got < bytes) {
		held = switchboard_peek(s, 1, &at);
		must(held > 0);
		n = (size_t)held < bytes - got ? (size_t)held : bytes - got;
		must_be(pattern_check(at, n, seed, got), n);
		must_be(switchboard_release(s, n), 0);
		got += n;
	}
}

static void writes(struct world *w)
{
	struct pair p = near_pair(w);
	struct switchboard *s = attach(w, p.near);

	far_start(w, "recv %d 2000000 1", p.far);
	put(s, 2000000, 1, 100000);
	far_finish(w);
	far_start(w, "drink %d 300000 2 20000 2000", p.far);
	put(s, 300000, 2, 1000);
	far_finish(w);
	must_be(switchboard_close(s), 0);
	must_be(far_ask(w, "errno %d", p.far), 0);
}

static void reads(struct world *w)
{
	struct pair p = near_pair(w);
	struct switchboard *s = attach(w, p.near);
	const void *at;

	far_start(w, "send %d 2000000 3", p.far);
	take(s, 2000000, 3);
	far_finish(w);
	far_start(w, "drip %d 20000 4 100 200", p.far);
	take(s, 20000, 4);
	far_finish(w);
	far_ask(w, "send %d 10 5", p.far);
	far_ask(w, "shutdown %d 1", p.far);
	must_be(switchboard_peek(s, 100, &at), 10);
	must_be(pattern_check(at, 10, 5, 0), 10);
	must_be(switchboard_release(s, 10), 0);
	must_be(switchboard_peek(s, 1, &at), 0);
	/* the other direction goes on */
	put(s, 1000, 6, 1000);
	far_ask(w, "recv %d 1000 6", p.far);
	must_be(switchboard_close(s), 0);
}

/* What is asked for at least may be half of what there is room for */
static void whole_spans(struct world *w)
{
	struct pair p = near_pair(w);
	struct switchboard *s = attach(w, p.near);
	size_t span = switchboard_span(s);
	const void *from;
	void *at;
	int i;

	must(span >= 2048);
	for (i = 0; i < 20; i++) {
		far_start(w, "recv %d %zu 7", p.far, span);
		must(switchboard_reserve(s, span, &at) >= (ssize_t)span);
		pattern_fill(at, span, 7, 0);
		must_be(switchboard_commit(s, span), 0);
		far_finish(w);
		far_start(w, "send %d %zu 8", p.far, span);
		must(switchboard_peek(s, span, &from) >= (ssize_t)span);
		must_be(pattern_check(from, span, 8, 0), span);
		must_be(switchboard_release(s, span), 0);
		far_finish(w);
	}
	must_fail(switchboard_reserve(s, span + 1, &at), EMSGSIZE);
	must_be(switchboard_close(s), 0);
}

/* send() and recv() between the calls, and after them */
static void plain_calls_too(struct world *w)
{
	struct pair p = near_pair(w);
	struct switchboard *s = attach(w, p.near);
	const void *at;

	put(s, 5000, 1, 5000);
	far_ask(w, "recv %d 5000 1", p.far);
	near_send(p.near, 70000 / 7, 2);
	far_ask(w, "recv %d 10000 2", p.far);
	put(s, 3000, 3, 100);
	far_ask(w, "recv %d 3000 3", p.far);
	far_ask(w, "send %d 3000 4", p.far);
	near_recv(p.near, 3000, 4);
	far_ask(w, "send %d 1000 5", p.far);
	take(s, 1000, 5);
	near_nonblock(p.near, true);
	must_fail(switchboard_peek(s, 1, &at), EAGAIN);
	near_nonblock(p.near, false);
	must_be(switchboard_detach(s), 0);
	far_ask(w, "send %d 9000 6", p.far);
	near_recv(p.near, 9000, 6);
	near_send(p.near, 9000, 7);
	far_ask(w, "recv %d 9000 7", p.far);
	/* and again */
	s = attach(w, p.near);
	put(s, 10000, 8, 7000);
	far_ask(w, "recv %d 10000 8", p.far);
	must_be(switchboard_close(s), 0);
}

static void polled(struct world *w)
{
	struct pair p = near_pair(w);
	struct switchboard *s = attach(w, p.near);
	int error = EAGAIN;
	uint64_t sent = 0;
	const void *from;
	ssize_t room;
	void *at;

	near_nonblock(p.near, true);
	must_be(near_poll(p.near, POLLIN | POLLOUT, 0), POLLOUT);
	must_fail(switchboard_peek(s, 1, &from), EAGAIN);
	far_ask(w, "send %d 100 1", p.far);
	must_be(near_poll(p.near, POLLIN, NEAR_LONG_MS), POLLIN);
	take(s, 100, 1);
	must_fail(switchboard_peek(s, 1, &from), EAGAIN);
	must_be(near_poll(p.near, POLLIN, 0), 0);
	/* elsewhere the kernel takes megabytes */
	while (w->circuit) {
		room = switchboard_reserve(s, 1, &at);
		error = errno;
		if (room < 0)
			break;
		pattern_fill(at, room, 0, sent);
		must_be(switchboard_commit(s, room), 0);
		sent += room;
	}
	must_be(error, EAGAIN);
	far_start(w, "drain %d 0", p.far);
	must(near_poll(p.near, POLLOUT, NEAR_LONG_MS) & POLLOUT);
	must_be(switchboard_wait(s, SWITCHBOARD_WRITE, 5000),
		SWITCHBOARD_WRITE);
	switchboard_close(s);
	far_finish_any(w);
}

static void nothing(int number)
{
	(void)number;
}

static void waits_end(struct world *w)
{
	struct sigaction action = { .sa_handler = nothing };
	struct itimerval often = { { 0, 300000 }, { 0, 300000 } };
	struct itimerval never = { { 0, 0 }, { 0, 0 } };
	struct timeval limit = { .tv_usec = 200000 };
	struct pair p = near_pair(w);
	struct switchboard *s = attach(w, p.near);
	uint64_t start = near_now_ms();
	const void *at;

	must_be(switchboard_wait(s, SWITCHBOARD_READ, 100), 0);
	must(near_now_ms() - start >= 99);
	must_be(setsockopt(p.near, SOL_SOCKET, SO_RCVTIMEO, &limit,
			   sizeof(limit)),
		0);
	start = near_now_ms();
	must_fail(switchboard_peek(s, 1, &at), EAGAIN);
	must(near_now_ms() - start >= 190);
	memset(&limit, 0, sizeof(limit));
	must_be(setsockopt(p.near, SOL_SOCKET, SO_RCVTIMEO, &limit,
			   sizeof(limit)),
		0);
	must_be(sigaction(SIGALRM, &action, NULL), 0);
	/* the first one may come before it waits: so there are more */
	must_be(setitimer(ITIMER_REAL, &often, NULL), 0);
	must_fail(switchboard_peek(s, 1, &at), EINTR);
	must_be(setitimer(ITIMER_REAL, &never, NULL), 0);
	far_start(w, "sleep 200");
	must_be(switchboard_wait(s, SWITCHBOARD_READ | SWITCHBOARD_WRITE,
				 SWITCHBOARD_FOREVER),
		SWITCHBOARD_WRITE);
	far_finish(w);
	must_be(switchboard_close(s), 0);
}

static void resets(struct world *w)
{
	struct pair p = near_pair(w);
	struct switchboard *s = attach(w, p.near);
	const void *from;
	int error = 0, i;
	ssize_t room;
	void *at;

	far_ask(w, "reset %d", p.far);
	must_fail(switchboard_peek(s, 1, &from), ECONNRESET);
	for (i = 0; i < 1000 && !error; i++) {
		room = switchboard_reserve(s, 1, &at);
		if (room < 0 || switchboard_commit(s, room) != 0)
			error = errno;
	}
	must(error == EPIPE || error == ECONNRESET);
	switchboard_close(s);
}

/* One by one, and many before the first is looked at; the largest too */
static void datagrams(struct world *w)
{
	struct dgram_far p = dgram_far(w);
	struct switchboard *s = switchboard_attach(p.near, 0);
	static const size_t size[] = { 1, 64, 1400, 16000, 65507 };
	const void *from;
	unsigned int i;
	void *at;

	must(s);
	must_be(switchboard_is_mapped(s), 0);
	for (i = 0; i < sizeof(size) / sizeof(size[0]); i++) {
		must(switchboard_reserve(s, size[i], &at) >= (ssize_t)size[i]);
		pattern_fill(at, size[i], i, 0);
		must_be(switchboard_commit(s, size[i]), 0);
		far_ask(w, "udprecv %d %zu %u", p.far, size[i], i);
		far_ask(w, "udpsend %d %zu %u", p.far, size[i], i);
		must_be(switchboard_peek(s, 1, &from), (ssize_t)size[i]);
		must_be(pattern_check(from, size[i], i, 0), size[i]);
		must_be(switchboard_release(s, size[i]), 0);
	}
	for (i = 0; i < 20; i++)
		far_ask(w, "udpsend %d 10 %u", p.far, i);
	for (i = 0; i < 20; i++) {
		must_be(switchboard_peek(s, 1, &from), 10);
		must_be(pattern_check(from, 10, i, 0), 10);
		must_be(switchboard_release(s, 10), 0);
	}
	must_be(switchboard_detach(s), 0);
	dgram_send(p.near, 5, 5);
	far_ask(w, "udprecv %d 5 5", p.far);
}

const struct check_case library_cases[] = {
	{ "library-writes", writes, PAIRS },
	{ "library-reads", reads, PAIRS },
	{ "library-whole-spans", whole_spans, PAIRS },
	{ "library-plain-calls-too", plain_calls_too, PAIRS },
	{ "library-polled", polled, PAIRS },
	{ "library-waits-end", waits_end, PAIRS },
	{ "library-resets", resets, PAIRS },
	{ "library-datagrams", datagrams, ONCE },
	CASES_END,
};
