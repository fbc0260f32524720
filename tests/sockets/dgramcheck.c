// SPDX-License-Identifier: GPL-2.0-only
/*
 * dgramcheck.c - datagrams there and back again, and how many are lost
 *
 *   dgramcheck echo ADDRESS PORT       sends back what comes, for ever
 *   dgramcheck client ADDRESS PORT [--rounds N] [--bytes N] [--pause MS]
 *                                  [--lost N]
 *
 * The client sends numbered datagrams of a known pattern, one at a time, and
 * waits for each to come back as it was. One that does not within a second is
 * lost. It fails when more than --lost are, when a byte is wrong, and when the
 * last ten rounds do not all succeed: after whatever happened, the path works.
 * Nothing is done about a lost one but to go on, on the same socket.
 */
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "near.h"
#include "pattern.h"

#define MOST 65507
#define WAIT_MS 1000
#define LAST_ROUNDS 10

struct client {
	union endpoint to;
	unsigned int rounds;
	unsigned int bytes;
	unsigned int pause_ms;
	unsigned int lost;
};

/* near.c ends a case by these; here there is only one */
void check_fail(const char *file, int line, const char *format, ...)
{
	(void)line;
	fprintf(stderr, "dgramcheck: %s: %s\n", file, format);
	exit(1);
}

void check_skip(const char *why)
{
	fprintf(stderr, "dgramcheck: %s\n", why);
	exit(1);
}

static int open_socket(const union endpoint *e)
{
	int fd = socket(e->any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		perror("dgramcheck: socket");
		exit(1);
	}
	return fd;
}

static int echo(const union endpoint *at)
{
	static uint8_t buffer[MOST];
	int fd = open_socket(at);

	if (bind(fd, &at->any, endpoint_bytes(at))) {
		perror("dgramcheck: bind");
		return 1;
	}
	for (;;) {
		union endpoint from;
		socklen_t size = sizeof(from);
		ssize_t got = recvfrom(fd, buffer, sizeof(buffer), 0, &from.any,
				       &size);

		/* an error is a matter of one datagram */
		if (got >= 0)
			sendto(fd, buffer, (size_t)got, 0, &from.any, size);
	}
}

static void fill(uint8_t *buffer, const struct client *c, uint32_t number)
{
	memcpy(buffer, &number, sizeof(number));
	pattern_fill(buffer + sizeof(number), c->bytes - sizeof(number), number,
		     0);
}

/* Is it the one with this number? An earlier one came late, and is no news */
static bool is_right(const uint8_t *buffer, ssize_t bytes,
		     const struct client *c, uint32_t number)
{
	uint32_t got;

	if (bytes < (ssize_t)sizeof(got))
		return false;
	memcpy(&got, buffer, sizeof(got));
	if (bytes != (ssize_t)c->bytes || got > number ||
	    pattern_check(buffer + sizeof(got), c->bytes - sizeof(got), got,
			  0) != c->bytes - sizeof(got)) {
		fprintf(stderr,
			"dgramcheck: round %u: a datagram that was "
			"not sent\n",
			number);
		exit(1);
	}
	return got == number;
}

static bool one_round(int fd, const struct client *c, uint32_t number)
{
	static uint8_t buffer[MOST];
	uint64_t end = near_now_ms() + WAIT_MS;
	uint64_t now;

	fill(buffer, c, number);
	/* what cannot be sent is lost too */
	if (send(fd, buffer, c->bytes, 0) < 0)
		return false;
	while ((now = near_now_ms()) < end) {
		ssize_t got;

		near_poll(fd, POLLIN, (int)(end - now));
		got = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);
		if (got >= 0 && is_right(buffer, got, c, number))
			return true;
	}
	return false;
}

static int client(const struct client *c)
{
	int fd = open_socket(&c->to);
	unsigned int lost = 0;
	unsigned int good = 0;

	if (connect(fd, &c->to.any, endpoint_bytes(&c->to))) {
		perror("dgramcheck: connect");
		return 1;
	}
	for (unsigned int i = 0; i < c->rounds; i++) {
		bool came = one_round(fd, c, i);

		lost += !came;
		good = came ? good + 1 : 0;
		near_sleep_ms(c->pause_ms);
	}
	printf("%u rounds, %u lost, the last %u were not\n", c->rounds, lost,
	       good);
	return lost > c->lost || good < LAST_ROUNDS;
}

static void usage(void)
{
	fprintf(stderr, "usage: dgramcheck echo ADDRESS PORT\n"
			"       dgramcheck client ADDRESS PORT [--rounds N] "
			"[--bytes N] [--pause MS] [--lost N]\n");
	exit(2);
}

static void parse(struct client *c, int argc, char **argv)
{
	static const struct option options[] = {
		{ "rounds", required_argument, NULL, 'r' },
		{ "bytes", required_argument, NULL, 'b' },
		{ "pause", required_argument, NULL, 'p' },
		{ "lost", required_argument, NULL, 'l' },
		{},
	};
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		unsigned int value = optarg ? (unsigned int)atoi(optarg) : 0;

		if (o == 'r')
			c->rounds = value;
		else if (o == 'b' && value >= 4 && value <= MOST)
			c->bytes = value;
		else if (o == 'p')
			c->pause_ms = value;
		else if (o == 'l')
			c->lost = value;
		else
			usage();
	}
}

/* Without arguments: both ends here, for `make units` */
static int both(struct client *c)
{
	int status;
	pid_t pid;

	endpoint_parse(&c->to, "127.0.0.1");
	endpoint_set_port(&c->to, 20000 + (unsigned int)getpid() % 10000);
	pid = fork();
	if (!pid)
		_exit(echo(&c->to));
	near_sleep_ms(100);
	status = client(c);
	kill(pid, SIGKILL);
	return status;
}

int main(int argc, char **argv)
{
	struct client c = { .rounds = 100, .bytes = 64 };

	parse(&c, argc, argv);
	argv += optind;
	argc -= optind;
	if (!argc)
		return both(&c);
	if (argc != 3 || !endpoint_parse(&c.to, argv[1]))
		usage();
	endpoint_set_port(&c.to, (unsigned int)atoi(argv[2]));
	if (!strcmp(argv[0], "echo"))
		return echo(&c.to);
	if (strcmp(argv[0], "client") != 0)
		usage();
	return client(&c);
}
