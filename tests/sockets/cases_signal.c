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
	signalled_band = (sig_atomic_t)why->si_band;
}

static void catch (int number, int flags)
{
	struct sigaction act = { .sa_sigaction = count,
				 .sa_flags = SA_SIGINFO | flags };

	sigaction(number, &act, NULL);
}

static void *interrupt(void *thread)
{
	near_sleep_ms(150);
	pthread_kill(*(pthread_t *)thread, SIGUSR1);
	return NULL;
}

static pthread_t interrupt_me(pthread_t *self)
{
	pthread_t other;

	*self = pthread_self();
	pthread_create(&other, NULL, interrupt, self);
	return other;
}

static void reader(struct world *w)
{
	struct pair p = near_pair(w);
	pthread_t self;
	pthread_t other;
	char byte;

	catch (SIGUSR1, 0);
	other = interrupt_me(&self);
	must_fail(recv(p.near, &byte, 1, 0), EINTR);
	pthread_join(other, NULL);
	other = interrupt_me(&self);
	must_fail(poll(&(struct pollfd){ .fd = p.near, .events = POLLIN }, 1,
		       5000),
		  EINTR);
	pthread_join(other, NULL);
	far_ask(w, "send %d 10 1", p.far);
	near_recv(p.near, 10, 1);
}

static void restarted_reader(struct world *w)
{
	struct pair p = near_pair(w);
	pthread_t self;
	pthread_t other;
	char byte;

	catch (SIGUSR1, SA_RESTART);
	far_start(w, "drip %d 2 1 1 300000", p.far);
	must_be(recv(p.near, &byte, 1, 0), 1);
	other = interrupt_me(&self);
	must_be(recv(p.near, &byte, 1, 0), 1);
	must(signals);
	pthread_join(other, NULL);
	far_finish(w);
}

static volatile bool insistent;

static void *insist(void *thread)
{
	while (insistent) {
		near_sleep_ms(150);
		pthread_kill(*(pthread_t *)thread, SIGUSR1);
	}
	return NULL;
}

/* What was received before the signal is returned, not lost */
static void partial_reader(struct world *w)
{
	struct pair p = near_pair(w);
	pthread_t self;
	pthread_t other;
	char buffer[100];

	catch (SIGUSR1, 0);
	far_ask(w, "send %d 40 1", p.far);
	other = interrupt_me(&self);
	must_be(recv(p.near, buffer, 100, MSG_WAITALL), 40);
	pthread_join(other, NULL);
}

/* A signal after some bytes went tells how many; with none it is EINTR */
static void writer(struct world *w)
{
	struct pair p = near_pair(w);
	static char buffer[1 << 20];
	pthread_t self = pthread_self();
	pthread_t other;
	ssize_t got;
	int turns = 0;

	near_fill(p.near, 1);
	catch (SIGUSR1, 0);
	insistent = true;
	pthread_create(&other, NULL, insist, &self);
	do
		got = send(p.near, buffer, sizeof(buffer), MSG_NOSIGNAL);
	while (got > 0 && ++turns < 100);
	if (got != -1 || errno != EINTR)
		fail("send returns %zd, errno %d", got, errno);
	insistent = false;
	pthread_join(other, NULL);
}

static void acceptor(struct world *w)
{
	unsigned int port;
	int fd = near_listen(w, 1, &port);
	pthread_t self;
	pthread_t other;

	catch (SIGUSR1, 0);
	other = interrupt_me(&self);
	must_fail(accept(fd, NULL, NULL), EINTR);
	pthread_join(other, NULL);
}

static void wait_for_signal(int before)
{
	int i;

	for (i = 0; i < 250 && signals == before; i++)
		near_sleep_ms(20);
	must(signals > before);
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
	int before;

	catch (SIGUSR2, SA_RESTART);
	must_be(fcntl(p.near, F_SETOWN, getpid()), 0);
	must_be(fcntl(p.near, F_SETSIG, SIGUSR2), 0);
	must_be(fcntl(p.near, F_SETFL, O_ASYNC), 0);
	near_sleep_ms(50);
	before = signals;
	far_ask(w, "send %d 10 1", p.far);
	wait_for_signal(before);
	must_be(signalled_fd, p.near);
	must(signalled_band & POLLIN);
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
