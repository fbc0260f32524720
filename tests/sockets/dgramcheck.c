// SPDX-License-Identifier: GPL-2.0-only
/*
 * dgramcheck.c - datagrams there and back again, and how many are lost
 *
 *   dgramcheck echo ADDRESS PORT [SOURCE]   sends back what comes, for ever,
 *                                      and says from whom, whenever that changes
 *   dgramcheck client ADDRESS PORT [--rounds N] [--bytes N] [--pause MS]
 *                                  [--lost N] [--burst N] [--from ADDRESS]
 *   dgramcheck many ADDRESS PORT FILE [--sockets N]
 *   dgramcheck error ADDRESS PORT      sends until it hears an error: which
 *
 * The client sends numbered datagrams of a known pattern, one at a time or
 * --burst with one system call, and waits for each to come back as it was: for
 * a second, or longer when none may be lost. One that does not in time is lost,
 * and one that comes twice is an error. It fails when more than --lost rounds
 * are, when a byte is wrong, and when the last ten rounds do not all succeed:
 * after whatever happened, the path works. Nothing is done about a lost one but
 * to go on, on the same socket.
 *
 * ADDRESS may be a group: then the echo is a member, of that SOURCE only if it is
 * given, and the client takes answers from whoever gives them.
 *
 * With `many` each of N sockets has a round; when all had, FILE is made; when
 * somebody has removed it, each has another.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "near.h"
#include "pattern.h"

#define MOST 65507
#define WAIT_MS 1000
#define WAIT_LONG_MS 20000
#define LAST_ROUNDS 10
#define BURST_MAX 32
#define SOCKETS_MAX 4096

struct client {
	union endpoint to;
	unsigned int rounds;
	unsigned int bytes;
	unsigned int pause_ms;
	unsigned int lost;
	unsigned int burst;
	unsigned int sockets;
	union endpoint from;
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

static bool is_group(const union endpoint *e)
{
	if (e->any.sa_family == AF_INET)
		return IN_MULTICAST(ntohl(e->v4.sin_addr.s_addr));
	return IN6_IS_ADDR_MULTICAST(&e->v6.sin6_addr);
}

static void join(int fd, const union endpoint *group, const char *source)
{
	int level = group->any.sa_family == AF_INET ? SOL_IP : SOL_IPV6;
	struct group_source_req only = {};
	struct group_req all = {};
	union endpoint from;
	int status;

	memcpy(&all.gr_group, group, endpoint_bytes(group));
	memcpy(&only.gsr_group, group, endpoint_bytes(group));
	if (source && endpoint_parse(&from, source)) {
		memcpy(&only.gsr_source, &from, endpoint_bytes(&from));
		status = setsockopt(fd, level, MCAST_JOIN_SOURCE_GROUP, &only,
				    sizeof(only));
	} else {
		status = setsockopt(fd, level, MCAST_JOIN_GROUP, &all,
				    sizeof(all));
	}
	if (status) {
		perror("dgramcheck: join");
		exit(1);
	}
}

static int open_echo(const union endpoint *at, const char *source)
{
	union endpoint place = *at;
	int fd = open_socket(at);

	if (is_group(at)) {
		endpoint_parse(&place,
			       at->any.sa_family == AF_INET ? "0.0.0.0" : "::");
		endpoint_set_port(&place, endpoint_port(at));
	}
	if (bind(fd, &place.any, endpoint_bytes(&place))) {
		perror("dgramcheck: bind");
		exit(1);
	}
	if (is_group(at))
		join(fd, at, source);
	return fd;
}

/* Whoever started us reads it from a file: at once */
static void say_from(const union endpoint *from)
{
	static char last[64];
	const char *text = endpoint_text(from);

	if (strcmp(text, last) == 0)
		return;
	snprintf(last, sizeof(last), "%s", text);
	printf("from %s\n", text);
	fflush(stdout);
}

static void echo(int fd)
{
	static uint8_t buffer[MOST];

	for (;;) {
		union endpoint from;
		socklen_t size = sizeof(from);
		ssize_t got = recvfrom(fd, buffer, sizeof(buffer), 0, &from.any,
				       &size);

		/* an error is a matter of one datagram */
		if (got < 0)
			continue;
		say_from(&from);
		sendto(fd, buffer, (size_t)got, 0, &from.any, size);
	}
}

static void fill(uint8_t *buffer, const struct client *c, uint32_t number)
{
	memcpy(buffer, &number, sizeof(number));
	pattern_fill(buffer + sizeof(number), c->bytes - sizeof(number), number,
		     0);
}

/* Its place in the burst that begins with @first; an earlier one is no news */
static int place_of(const uint8_t *buffer, ssize_t bytes,
		    const struct client *c, uint32_t first)
{
	uint32_t got;

	if (bytes < (ssize_t)sizeof(got))
		return -1;
	memcpy(&got, buffer, sizeof(got));
	if (bytes != (ssize_t)c->bytes || got >= first + c->burst ||
	    pattern_check(buffer + sizeof(got), c->bytes - sizeof(got), got,
			  0) != c->bytes - sizeof(got)) {
		fprintf(stderr,
			"dgramcheck: round %u: a datagram that was "
			"not sent\n",
			first / c->burst);
		exit(1);
	}
	return got < first ? -1 : (int)(got - first);
}

/* What cannot be sent is lost too */
static void send_burst(int fd, const struct client *c, uint32_t first)
{
	static uint8_t buffer[BURST_MAX][MOST];
	struct iovec piece[BURST_MAX];
	struct mmsghdr message[BURST_MAX] = {};
	union endpoint to = c->to;
	unsigned int done = 0;
	int sent = 1;

	for (unsigned int i = 0; i < c->burst; i++) {
		fill(buffer[i], c, first + i);
		piece[i] = (struct iovec){ buffer[i], c->bytes };
		if (is_group(&c->to)) {
			message[i].msg_hdr.msg_name = &to;
			message[i].msg_hdr.msg_namelen = endpoint_bytes(&to);
		}
		message[i].msg_hdr.msg_iov = &piece[i];
		message[i].msg_hdr.msg_iovlen = 1;
	}
	for (; sent > 0 && done < c->burst; done += (unsigned int)sent)
		sent = sendmmsg(fd, message + done, c->burst - done, 0);
}

static void note_come(uint32_t *come, int place)
{
	if (place >= 0 && *come & 1u << place) {
		fprintf(stderr, "dgramcheck: a datagram came twice\n");
		exit(1);
	}
	if (place >= 0)
		*come |= 1u << place;
}

static bool one_round(int fd, const struct client *c, uint32_t number)
{
	static uint8_t buffer[MOST];
	uint64_t end = near_now_ms() + (c->lost ? WAIT_MS : WAIT_LONG_MS);
	uint32_t all = (uint32_t)((1ull << c->burst) - 1), come = 0;
	uint64_t now;

	send_burst(fd, c, number * c->burst);
	while ((now = near_now_ms()) < end) {
		ssize_t got;

		near_poll(fd, POLLIN, (int)(end - now));
		got = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);
		if (got >= 0)
			note_come(&come,
				  place_of(buffer, got, c, number * c->burst));
		if (come == all)
			return true;
	}
	return false;
}

static int connected(const struct client *c)
{
	int fd = open_socket(&c->to);

	if (c->from.any.sa_family &&
	    bind(fd, &c->from.any, endpoint_bytes(&c->from))) {
		perror("dgramcheck: bind");
		exit(1);
	}
	if (!is_group(&c->to) &&
	    connect(fd, &c->to.any, endpoint_bytes(&c->to))) {
		perror("dgramcheck: connect");
		exit(1);
	}
	return fd;
}

static int client(const struct client *c)
{
	int fd = connected(c);
	unsigned int lost = 0;
	unsigned int good = 0;

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

static void round_on_each(const int *fd, const struct client *c,
			  unsigned int first)
{
	for (unsigned int i = 0; i < c->sockets; i++) {
		if (!one_round(fd[i], c, first + i)) {
			fprintf(stderr, "dgramcheck: socket %u is deaf\n", i);
			exit(1);
		}
	}
}

static int many(const struct client *c, const char *file)
{
	struct rlimit limit = { c->sockets + 16, c->sockets + 16 };
	static int fd[SOCKETS_MAX];
	int mark;

	setrlimit(RLIMIT_NOFILE, &limit);
	for (unsigned int i = 0; i < c->sockets; i++)
		fd[i] = connected(c);
	round_on_each(fd, c, 0);
	mark = open(file, O_CREAT | O_WRONLY, 0644);
	if (mark < 0) {
		perror("dgramcheck: file");
		return 1;
	}
	while (access(file, F_OK) == 0)
		near_sleep_ms(50);
	round_on_each(fd, c, c->sockets);
	printf("%u sockets, two rounds each\n", c->sockets);
	return 0;
}

/* Not every datagram is answered by an error: some are lost as well */
static int error(const struct client *c)
{
	uint64_t end = near_now_ms() + WAIT_LONG_MS;
	int fd = open_socket(&c->to);
	uint8_t byte = 0;
	int heard = 0;

	if (connect(fd, &c->to.any, endpoint_bytes(&c->to))) {
		perror("dgramcheck: connect");
		return 1;
	}
	while (!heard && near_now_ms() < end) {
		if (send(fd, &byte, 1, 0) < 0 ||
		    (near_poll(fd, POLLIN, 200) &&
		     recv(fd, &byte, 1, MSG_DONTWAIT) < 0))
			heard = errno;
	}
	printf("%s\n", heard ? strerror(heard) : "no error");
	return !heard;
}

static void usage(void)
{
	fprintf(stderr, "usage: dgramcheck echo ADDRESS PORT [SOURCE]\n"
			"       dgramcheck client ADDRESS PORT [--rounds N] "
			"[--bytes N] [--pause MS] [--lost N] "
			"[--burst N] [--from ADDRESS]\n"
			"       dgramcheck many ADDRESS PORT FILE "
			"[--sockets N]\n"
			"       dgramcheck error ADDRESS PORT\n");
	exit(2);
}

static void parse(struct client *c, int argc, char **argv)
{
	static const struct option options[] = {
		{ "rounds", required_argument, NULL, 'r' },
		{ "bytes", required_argument, NULL, 'b' },
		{ "pause", required_argument, NULL, 'p' },
		{ "lost", required_argument, NULL, 'l' },
		{ "burst", required_argument, NULL, 'u' },
		{ "sockets", required_argument, NULL, 's' },
		{ "from", required_argument, NULL, 'f' },
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
		else if (o == 'u' && value >= 1 && value <= BURST_MAX)
			c->burst = value;
		else if (o == 's' && value >= 1 && value <= SOCKETS_MAX)
			c->sockets = value;
		else if (o == 'f' && endpoint_parse(&c->from, optarg))
			endpoint_set_port(&c->from, 0);
		else
			usage();
	}
}

/* Without arguments: both ends here, for `make units` */
static int both(struct client *c)
{
	socklen_t size;
	int status, fd;
	pid_t pid;

	endpoint_parse(&c->to, "127.0.0.1");
	fd = open_echo(&c->to, NULL);
	size = endpoint_bytes(&c->to);
	if (getsockname(fd, &c->to.any, &size)) {
		perror("dgramcheck: getsockname");
		return 1;
	}
	pid = fork();
	if (!pid)
		echo(fd);
	status = client(c);
	kill(pid, SIGKILL);
	return status;
}

int main(int argc, char **argv)
{
	struct client c = {
		.rounds = 100, .bytes = 64, .burst = 1, .sockets = 1
	};

	parse(&c, argc, argv);
	argv += optind;
	argc -= optind;
	if (!argc)
		return both(&c);
	if (argc < 3 || !endpoint_parse(&c.to, argv[1]))
		usage();
	endpoint_set_port(&c.to, (unsigned int)atoi(argv[2]));
	if (!strcmp(argv[0], "echo"))
		echo(open_echo(&c.to, argv[3]));
	if (!strcmp(argv[0], "many") && argc == 4)
		return many(&c, argv[3]);
	if (!strcmp(argv[0], "error"))
		return error(&c);
	if (strcmp(argv[0], "client") != 0)
		usage();
	return client(&c);
}
