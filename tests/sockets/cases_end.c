// SPDX-License-Identifier: GPL-2.0-only
/*
 * cases_end.c - shutdown(), close() and resets, and who notices what
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "far.h"
#include "near.h"

static volatile sig_atomic_t pipes;

static void count_pipe(int signal_number)
{
	pipes++;
}

static void count_pipes(void)
{
	struct sigaction act = { .sa_handler = count_pipe };

	sigaction(SIGPIPE, &act, NULL);
}

static void half_close(struct world *w)
{
	struct pair p = near_pair(w);

	near_send(p.near, 5000, 1);
	must_be(shutdown(p.near, SHUT_WR), 0);
	must_be(far_ask(w, "drain %d 1", p.far), 5000);
	far_ask(w, "send %d 5000 2", p.far);
	near_recv(p.near, 5000, 2);
	far_ask(w, "close %d", p.far);
	near_recv_eof(p.near);
	near_recv_eof(p.near);
}

/* Both directions hold data when one end says it is done */
static void half_close_in_flight(struct world *w)
{
	struct pair p = near_pair(w);

	far_start(w, "send %d 300000 3", p.far);
	near_send(p.near, 3000, 4);
	must_be(shutdown(p.near, SHUT_WR), 0);
	near_recv(p.near, 300000, 3);
	far_finish(w);
	must_be(far_ask(w, "drain %d 4", p.far), 3000);
	far_ask(w, "shutdown %d 1", p.far);
	near_recv_eof(p.near);
}

static void far_half_close(struct world *w)
{
	struct pair p = near_pair(w);

	far_ask(w, "send %d 1000 1", p.far);
	far_ask(w, "shutdown %d 1", p.far);
	near_recv(p.near, 1000, 1);
	near_recv_eof(p.near);
	far_start(w, "drain %d 2", p.far);
	near_send(p.near, 100000, 2);
	must_be(close(p.near), 0);
	must_be(far_finish(w), 100000);
}

static void close_after_write(struct world *w)
{
	struct pair p = near_pair(w);

	far_start(w, "drink %d 200000 5 10000 5000", p.far);
	near_send(p.near, 200000, 5);
	must_be(close(p.near), 0);
	far_finish(w);
	must_be(far_ask(w, "errno %d", p.far), 0);
}

static void far_closes_after_write(struct world *w)
{
	struct pair p = near_pair(w);

	far_start(w, "send %d 200000 5", p.far);
	near_recv(p.near, 100000, 5);
	near_sleep_ms(20);
	must(near_poll(p.near, POLLIN, NEAR_LONG_MS) & POLLIN);
	{
		/* the second half continues the pattern: only count it */
		char buffer[4096];
		size_t held = 0;
		ssize_t got;

		while (held < 100000) {
			got = recv(p.near, buffer, sizeof(buffer), 0);
			must(got > 0);
			held += (size_t)got;
		}
	}
	far_finish(w);
	far_ask(w, "close %d", p.far);
	near_recv_eof(p.near);
}

static void small_then_close(struct world *w)
{
	int i;

	for (i = 0; i < 20; i++) {
		struct pair p = near_pair(w);

		near_send(p.near, 1, 1);
		must_be(close(p.near), 0);
		must_be(far_ask(w, "drain %d 1", p.far), 1);
	}
}

static void shutdown_read(struct world *w)
{
	struct pair p = near_pair(w);

	must_be(shutdown(p.near, SHUT_RD), 0);
	near_recv_eof(p.near);
	near_send(p.near, 1000, 1);
	far_ask(w, "recv %d 1000 1", p.far);
}

static void shutdown_both(struct world *w)
{
	struct pair p = near_pair(w);

	must_be(shutdown(p.near, SHUT_RDWR), 0);
	must_fail(send(p.near, "x", 1, MSG_NOSIGNAL), EPIPE);
	near_recv_eof(p.near);
	must_be(far_ask(w, "errno %d", p.far), 0);
}

static void shutdown_twice(struct world *w)
{
	struct pair p = near_pair(w);

	must_fail(shutdown(p.near, 3), EINVAL);
	must_fail(shutdown(p.near, -1), EINVAL);
	must_be(shutdown(p.near, SHUT_WR), 0);
	must_be(shutdown(p.near, SHUT_WR), 0);
	must_be(shutdown(p.near, SHUT_RD), 0);
	must_be(shutdown(p.near, SHUT_RD), 0);
}

/* Bytes that nobody read: the far end learns of it and never hangs */
static void close_with_unread(struct world *w)
{
	struct pair p = near_pair(w);
	long error;

	far_ask(w, "send %d 1000 1", p.far);
	must(near_poll(p.near, POLLIN, NEAR_LONG_MS) & POLLIN);
	must_be(close(p.near), 0);
	error = far_ask(w, "errno %d", p.far);
	if (error && error != ECONNRESET)
		fail("the far end sees errno %ld", error);
}

static void reset(struct world *w)
{
	struct linger abort = { .l_onoff = 1 };
	struct pair p = near_pair(w);

	must_be(setsockopt(p.near, SOL_SOCKET, SO_LINGER, &abort,
			   sizeof(abort)),
		0);
	must_be(close(p.near), 0);
	must_be(far_ask(w, "errno %d", p.far), ECONNRESET);
}

static void far_reset(struct world *w)
{
	struct pair p = near_pair(w);
	char byte;

	far_ask(w, "reset %d", p.far);
	must_fail(recv(p.near, &byte, 1, 0), ECONNRESET);
	near_recv_eof(p.near);
	must_be(near_get(p.near, SOL_SOCKET, SO_ERROR), 0);
	must_fail(send(p.near, &byte, 1, MSG_NOSIGNAL), EPIPE);
}

static void far_reset_while_sending(struct world *w)
{
	struct pair p = near_pair(w);
	static char buffer[1 << 20];
	ssize_t got = 1;
	int i;

	near_fill(p.near, 1);
	far_start(w, "sleep 100");
	far_finish(w);
	far_ask(w, "reset %d", p.far);
	for (i = 0; i < 3 && got > 0; i++)
		got = send(p.near, buffer, sizeof(buffer), MSG_NOSIGNAL);
	if (got != -1 || (errno != ECONNRESET && errno != EPIPE))
		fail("send returns %zd, errno %d", got, errno);
}

/* The far process closes: our writes end in EPIPE or ECONNRESET, soon */
static void far_closes_while_sending(struct world *w)
{
	struct pair p = near_pair(w);
	char byte = 0;
	int i;

	far_ask(w, "close %d", p.far);
	must(near_poll(p.near, POLLIN, NEAR_LONG_MS) & POLLIN);
	for (i = 0; i < 10000; i++) {
		if (send(p.near, &byte, 1, MSG_NOSIGNAL) < 0) {
			int error = errno;

			if (error != EPIPE && error != ECONNRESET)
				fail("send: errno %d", error);
			return;
		}
		near_sleep_ms(5);
	}
	fail("send goes on for ever");
}

static void broken_pipe(struct world *w)
{
	struct pair p = near_pair(w);

	count_pipes();
	must_be(shutdown(p.near, SHUT_WR), 0);
	must_fail(send(p.near, "x", 1, MSG_NOSIGNAL), EPIPE);
	must_be(pipes, 0);
	must_fail(send(p.near, "x", 1, 0), EPIPE);
	must_be(pipes, 1);
	must_fail(write(p.near, "x", 1), EPIPE);
	must_be(pipes, 2);
}

/* close() waits until what was written is out of the guest's hands */
static void lingers(struct world *w)
{
	struct linger wait = { .l_onoff = 1, .l_linger = 10 };
	struct pair p = near_pair(w);

	must_be(setsockopt(p.near, SOL_SOCKET, SO_LINGER, &wait, sizeof(wait)),
		0);
	far_start(w, "recv %d 30000 6", p.far);
	near_send(p.near, 30000, 6);
	must_be(close(p.near), 0);
	far_finish(w);
	must_be(far_ask(w, "errno %d", p.far), 0);
}

/* ... but no longer than it was told to */
static void lingers_in_vain(struct world *w)
{
	struct linger wait = { .l_onoff = 1, .l_linger = 1 };
	struct pair p = near_pair(w);

	/* were it for ever, the case would be still running */
	must_be(setsockopt(p.near, SOL_SOCKET, SO_LINGER, &wait, sizeof(wait)),
		0);
	near_fill(p.near, 1);
	must_be(close(p.near), 0);
}

static void closed_while_full(struct world *w)
{
	struct pair p = near_pair(w);
	size_t sent = near_fill(p.near, 7);

	must_be(close(p.near), 0);
	near_sleep_ms(100);
	must_be(far_ask(w, "drain %d 7", p.far), sent);
}

/* The agent's whole process goes away */
static void far_dies(struct world *w)
{
	struct pair p = near_pair(w);
	char byte;
	ssize_t got;

	close(w->far);
	got = recv(p.near, &byte, 1, 0);
	if (got && errno != ECONNRESET)
		fail("recv returns %zd, errno %d", got, errno);
}

const struct check_case end_cases[] = {
	{ "end-half-close", half_close, PAIRS },
	{ "end-half-close-in-flight", half_close_in_flight, PAIRS },
	{ "end-far-half-close", far_half_close, PAIRS },
	{ "end-close-after-write", close_after_write, PAIRS },
	{ "end-far-closes-after-write", far_closes_after_write, PAIRS },
	{ "end-small-then-close", small_then_close, PAIRS },
	{ "end-shutdown-read", shutdown_read, PAIRS },
	{ "end-shutdown-both", shutdown_both, PAIRS },
	{ "end-shutdown-twice", shutdown_twice, PAIRS },
	{ "end-close-with-unread", close_with_unread, PAIRS },
	{ "end-reset", reset, PAIRS },
	{ "end-far-reset", far_reset, PAIRS },
	{ "end-far-reset-while-sending", far_reset_while_sending, PAIRS },
	{ "end-far-closes-while-sending", far_closes_while_sending, PAIRS },
	{ "end-broken-pipe", broken_pipe, PAIRS },
	{ "end-lingers", lingers, PAIRS },
	{ "end-lingers-in-vain", lingers_in_vain, PAIRS },
	{ "end-closed-while-full", closed_while_full, PAIRS },
	{ "end-far-dies", far_dies, PAIRS },
	CASES_END,
};
