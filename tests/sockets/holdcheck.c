// SPDX-License-Identifier: GPL-2.0-only
/*
 * holdcheck - calls that block, and when and how each of them returns
 *
 *	holdcheck ADDRESS SILENT-PORT DEAF-PORT LISTEN-PORT
 *
 * Plain sockets: one thread for each of recv, poll, epoll (connected to
 * SILENT-PORT, where nobody ever sends), send (DEAF-PORT, where nobody reads)
 * and accept (LISTEN-PORT). When all block it prints "held". Then a line for
 * each call that returned: its name, the time since boot in seconds
 * (/proc/uptime's clock) and what it said, such as
 *
 *	recv 123.45 ECONNRESET
 *	poll 123.45 IN HUP ERR ECONNRESET
 *	accept 130.20 accepted
 *
 * and "all returned" when all but accept have; that goes on until it is killed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Long enough for every thread to be asleep in its call */
#define SETTLE_MS 500
/* What a wait of poll reports, besides what was asked for */
#define STREAM_EVENTS (POLLIN | POLLRDHUP)

struct held {
	const char *name;
	void (*block)(struct held *held);
	int port_argument;
	struct sockaddr_in far;
	int fd;
	pthread_t thread;
};

static void die(const char *what)
{
	fprintf(stderr, "holdcheck: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void report(const struct held *held, const char *words, int error)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	printf("%s %ld.%02ld %s%s\n", held->name, (long)now.tv_sec,
	       now.tv_nsec / 10000000, words,
	       error ? strerrorname_np(error) : "");
	fflush(stdout);
}

static int pending_error(int fd)
{
	int error = 0;
	socklen_t bytes = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes))
		die("SO_ERROR");
	return error;
}

/* POLLIN and EPOLLIN, and so on, are the same bits */
static void report_events(const struct held *held, unsigned int events)
{
	char words[32];

	snprintf(words, sizeof(words), "%s%s%s", events & POLLIN ? "IN " : "",
		 events & POLLHUP ? "HUP " : "",
		 events & POLLERR ? "ERR " : "");
	report(held, words, pending_error(held->fd));
}

static void block_recv(struct held *held)
{
	char byte;
	ssize_t got = recv(held->fd, &byte, 1, 0);

	report(held, got ? "" : "end", got < 0 ? errno : 0);
}

static void block_send(struct held *held)
{
	static char piece[65536];

	while (send(held->fd, piece, sizeof(piece), MSG_NOSIGNAL) > 0)
		;
	report(held, "", errno);
}

static void block_poll(struct held *held)
{
	struct pollfd wanted = { .fd = held->fd, .events = STREAM_EVENTS };

	if (poll(&wanted, 1, -1) < 0)
		die("poll");
	report_events(held, wanted.revents);
}

static void block_epoll(struct held *held)
{
	struct epoll_event event = { .events = STREAM_EVENTS | EPOLLET };
	int set = epoll_create1(0);

	if (set < 0 || epoll_ctl(set, EPOLL_CTL_ADD, held->fd, &event))
		die("epoll_ctl");
	/* a process that was frozen, as by xl save, gets EINTR here */
	while (epoll_wait(set, &event, 1, -1) < 0) {
		if (errno != EINTR)
			die("epoll_wait");
	}
	report_events(held, event.events);
	close(set);
}

static void block_accept(struct held *held)
{
	for (;;) {
		int fd = accept(held->fd, NULL, NULL);

		report(held, fd < 0 ? "" : "accepted", fd < 0 ? errno : 0);
		if (fd < 0)
			return;
		close(fd);
	}
}

static struct held all[] = {
	{ .name = "recv", .block = block_recv, .port_argument = 2 },
	{ .name = "poll", .block = block_poll, .port_argument = 2 },
	{ .name = "epoll", .block = block_epoll, .port_argument = 2 },
	{ .name = "send", .block = block_send, .port_argument = 3 },
	{ .name = "accept", .block = block_accept, .port_argument = 4 },
};

#define HELD_COUNT (sizeof(all) / sizeof(all[0]))

static void open_socket(struct held *held)
{
	const struct sockaddr *far = (const struct sockaddr *)&held->far;

	held->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (held->fd < 0)
		die("socket");
	if (held->block != block_accept) {
		if (connect(held->fd, far, sizeof(held->far)))
			die(held->name);
		return;
	}
	held->far.sin_addr.s_addr = htonl(INADDR_ANY);
	if (bind(held->fd, far, sizeof(held->far)) || listen(held->fd, 8))
		die("listen");
}

static void *run(void *argument)
{
	struct held *held = argument;

	held->block(held);
	return NULL;
}

static void start(struct held *held, char **arguments)
{
	int port = atoi(arguments[held->port_argument]);

	held->far.sin_family = AF_INET;
	held->far.sin_port = htons((unsigned short)port);
	if (inet_pton(AF_INET, arguments[1], &held->far.sin_addr) != 1) {
		errno = EINVAL;
		die(arguments[1]);
	}
	open_socket(held);
	if (pthread_create(&held->thread, NULL, run, held))
		die("a thread");
}

int main(int count, char **arguments)
{
	if (count != 5) {
		fprintf(stderr, "usage: holdcheck ADDRESS SILENT-PORT "
				"DEAF-PORT LISTEN-PORT\n");
		return 2;
	}
	for (size_t i = 0; i < HELD_COUNT; i++)
		start(&all[i], arguments);
	poll(NULL, 0, SETTLE_MS);
	puts("held");
	fflush(stdout);
	for (size_t i = 0; i < HELD_COUNT; i++) {
		if (all[i].block != block_accept)
			pthread_join(all[i].thread, NULL);
	}
	puts("all returned");
	fflush(stdout);
	pthread_join(all[HELD_COUNT - 1].thread, NULL);
	return 0;
}
