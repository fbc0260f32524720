// SPDX-License-Identifier: GPL-2.0-only
/*
 * cases_signal.c - calls that signals interrupt, and sockets that send them
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "far.h"
#include "near.h"

static volatile sig_atomic_t signals;
static volatile sig_atomic_t signalled_fd;
static volatile sig_atomic_t signalled_band;

static void count(int number, siginfo_t *why, void *where)
{
	signals++;
	signalled_fd = why->si_fd;
	signalled_band |= (sig_atomic_t)why->si_band;
}

static void catch (int number, int flags)
{
	struct sigaction act = { .sa_sigaction = count,
				 .sa_flags = SA_SIGINFO | flags };

	sigaction(number, &act, NULL);
}

/**
 * struct interrupter - a thread that interrupts another again and again
 * @target: the other
 * @over:   no more
 */
struct interrupter {
	pthread_t thread;
	pthread_t target;
	bool over;
};

/* The first one may come before the other waits: so there are more */
static void *interrupt(void *arg)
{
	struct interrupter *i = arg;

	while (!__atomic_load_n(&i->over, __ATOMIC_RELAXED)) {
		near_sleep_ms(150);
		pthread_kill(i->target, SIGUSR1);
	}
	return NULL;
}

static void begin_interrupting(struct interrupter *i)
{
	i->target = pthread_self();
	i->over = false;
	pthread_create(&i->thread, NULL, interrupt, i);
}

static void end_interrupting(struct interrupter *i)
{
	__atomic_store_n(&i->over, true, __ATOMIC_RELAXED);
	pthread_join(i->thread, NULL);
}

static void reader(struct world *w)
{
	struct pair p = near_pair(w);
	struct interrupter i;
	char byte;

	catch (SIGUSR1, 0);
	begin_interrupting(&i);
	must_fail(recv(p.near, &byte, 1, 0), EINTR);
	must_fail(poll(&(struct pollfd){ .fd = p.near, .events = POLLIN }, 1,
		       NEAR_LONG_MS),
		  EINTR);
	end_interrupting(&i);
	far_ask(w, "send %d 10 1", p.far);
	near_recv(p.near, 10, 1);
}

/* Some signals, and only then what the reader waits for */
struct giver {
	const struct world *world;
	const struct pair *pair;
	pthread_t reader;
};

static void *interrupt_and_give(void *arg)
{
	const struct giver *g = arg;

	for (int i = 0; i < 3; i++) {
		near_sleep_ms(100);
		pthread_kill(g->reader, SIGUSR1);
	}
	far_start(g->world, "send %d 1 1", g->pair->far);
	return NULL;
}

static void restarted_reader(struct world *w)
{
	struct pair p = near_pair(w);
	struct giver giver = { w, &p, pthread_self() };
	pthread_t other;
	char byte;

	catch (SIGUSR1, SA_RESTART);
	pthread_create(&other, NULL, interrupt_and_give, &giver);
	must_be(recv(p.near, &byte, 1, 0), 1);
	must(signals);
	pthread_join(other, NULL);
	far_finish(w);
}

/* What was received before the signal is returned, not lost */
static void partial_reader(struct world *w)
{
	struct pair p = near_pair(w);
	struct interrupter i;
	char buffer[100];
	int held = 0;

	catch (SIGUSR1, 0);
	far_ask(w, "send %d 40 1", p.far);
	near_until(ioctl(p.near, FIONREAD, &held) == 0 && held == 40);
	begin_interrupting(&i);
	must_be(recv(p.near, buffer, 100, MSG_WAITALL), 40);
	end_interrupting(&i);
}

/* A signal after some bytes went tells how many; with none it is EINTR */
static void writer(struct world *w)
{
	struct pair p = near_pair(w);
	static char buffer[1 << 20];
	struct interrupter i;
	ssize_t got;
	int turns = 0;

	near_fill(p.near, 1);
	catch (SIGUSR1, 0);
	begin_interrupting(&i);
	do
		got = send(p.near, buffer, sizeof(buffer), MSG_NOSIGNAL);
	while (got > 0 && ++turns < 100);
	if (got != -1 || errno != EINTR)
		fail("send returns %zd, errno %d", got, errno);
	end_interrupting(&i);
}

static void acceptor(struct world *w)
{
	unsigned int port;
	int fd = near_listen(w, 1, &port);
	struct interrupter i;

	catch (SIGUSR1, 0);
	begin_interrupting(&i);
	must_fail(accept(fd, NULL, NULL), EINTR);
	end_interrupting(&i);
}

static void wait_for_signal(int before)
{
	near_until(signals > before);
}

static void data_signals(struct world *w)
{
	struct pair p = near_pair(w);
	int before;
	int on = 1;

	catch (SIGIO, SA_RESTART);
	must_be(fcntl(p.near, F_SETOWN, getpid()), 0);
	must_be(ioctl(p.near, FIOASYNC, &on), 0);
	must(fcntl(p.near, F_GETFL) & O_ASYNC);
	before = signals;
	far_ask(w, "send %d 10 1", p.far);
	wait_for_signal(before);
	near_recv(p.near, 10, 1);
	before = signals;
	far_ask(w, "close %d", p.far);
	wait_for_signal(before);
	on = 0;
	must_be(ioctl(p.near, FIOASYNC, &on), 0);
}

static void signals_tell_more(struct world *w)
{
	struct pair p = near_pair(w);

	catch (SIGUSR2, SA_RESTART);
	must_be(fcntl(p.near, F_SETOWN, getpid()), 0);
	must_be(fcntl(p.near, F_SETSIG, SIGUSR2), 0);
	must_be(fcntl(p.near, F_SETFL, O_ASYNC), 0);
	far_ask(w, "send %d 10 1", p.far);
	/* others may tell that it can be written to */
	near_until(signalled_band & POLLIN);
	must_be(signalled_fd, p.near);
}

static void accept_signals(struct world *w)
{
	unsigned int port;
	int fd = near_listen(w, 4, &port);
	int before = signals;

	catch (SIGIO, SA_RESTART);
	must_be(fcntl(fd, F_SETOWN, getpid()), 0);
	must_be(fcntl(fd, F_SETFL, O_ASYNC | O_NONBLOCK), 0);
	far_start(w, "connect %s %u", endpoint_text(&w->reach), port);
	wait_for_signal(before);
	far_finish(w);
	must(accept(fd, NULL, NULL) >= 0);
}

const struct check_case signal_cases[] = {
	{ "signal-reader", reader, PAIRS },
	{ "signal-restarted-reader", restarted_reader, PAIRS },
	{ "signal-partial-reader", partial_reader, PAIRS },
	{ "signal-writer", writer, PAIRS },
	{ "signal-acceptor", acceptor, ONCE },
	{ "signal-data", data_signals, PAIRS },
	{ "signal-tells-more", signals_tell_more, PAIRS },
	{ "signal-accept", accept_signals, LISTENS },
	CASES_END,
};
