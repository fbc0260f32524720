// SPDX-License-Identifier: GPL-2.0-only
/*
 * streamcheck.c - many bytes over many connections, each byte checked
 *
 *   streamcheck server ADDRESS PORT
 *   streamcheck client [OPTION]... ADDRESS PORT
 *   streamcheck [OPTION]... local
 *
 * Every connection begins with an order of the client: how much goes each
 * way, in which pieces, when the server is to stop reading and for how long.
 * Then both directions run at once. Bytes are those of pattern.h, so that one
 * that is lost, repeated, changed or another connection's is told with its
 * offset. The server's last words are what it has received; only then has
 * the connection passed.
 *
 * One thread, one epoll loop, plain sockets.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "near.h"
#include "pattern.h"

#define BUFFER_BYTES 65536
#define STALL_AFTER (256u << 10)
#define ORDER_MAGIC 0x6b436d5453626f21u
#define EVENTS 64
#define DESCRIPTORS_MAX 65536

/**
 * struct order - the client's first words, in the byte order of the machine
 * @out:      bytes from the client
 * @in:       bytes from the server
 * @seed:     of @out; @in has the next
 * @piece:    bytes per write at most, both ways
 * @stall_ms: how long the server stops reading after STALL_AFTER bytes
 */
struct order {
	uint64_t magic;
	uint64_t out;
	uint64_t in;
	uint32_t seed;
	uint32_t piece;
	uint32_t stall_ms;
	uint32_t reserved;
};

/**
 * struct verdict - the server's last words
 * @received: right bytes
 * @error:    errno, EBADMSG for a wrong byte
 */
struct verdict {
	uint64_t received;
	uint64_t error;
};

/**
 * struct stream - one connection, either end
 * @fd:       non-blocking
 * @server:   which end this is
 * @order:    what is to be done; being received while @order_held is short
 * @sent:     of everything this end writes
 * @received: of the pattern that this end reads
 * @verdict:  the server's; being received by the client
 * @resume_ms: reading goes on then
 * @added:    to the epoll set, for @watched
 */
struct stream {
	int fd;
	bool server;
	bool connected;
	bool stalled;
	struct order order;
	size_t order_held;
	uint64_t sent;
	uint64_t received;
	struct verdict verdict;
	size_t verdict_held;
	uint64_t resume_ms;
	bool added;
	uint32_t watched;
	struct stream *next_stalled;
};

/* The stream of each descriptor; NULL for the listener's */
static struct stream *by_fd[DESCRIPTORS_MAX];
static int loop;
static struct stream *stalled;
static unsigned int open_streams;
static unsigned int passed;
static unsigned int failed;

/* near.c ends a case with this; here it is the whole program */
void check_fail(const char *file, int line, const char *format, ...)
{
	va_list list;

	fprintf(stderr, "%s:%d: ", file, line);
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fputc('\n', stderr);
	exit(1);
}

static void unstall(struct stream *s)
{
	struct stream **link = &stalled;

	while (*link && *link != s)
		link = &(*link)->next_stalled;
	if (*link)
		*link = s->next_stalled;
	s->stalled = false;
}

static void end(struct stream *s, const char *why, int error)
{
	if (why) {
		failed++;
		fprintf(stderr,
			"connection %u: %s after %llu sent, %llu received: "
			"%s\n",
			s->order.seed, why, (unsigned long long)s->sent,
			(unsigned long long)s->received, strerror(error));
	} else {
		passed++;
	}
	if (s->stalled)
		unstall(s);
	by_fd[s->fd] = NULL;
	close(s->fd);
	free(s);
	open_streams--;
}

/* Everything that this end has to write now: the total, not what is left */
static uint64_t to_send(const struct stream *s)
{
	if (!s->server)
		return s->connected ? sizeof(s->order) + s->order.out : 0;
	if (s->order_held < sizeof(s->order))
		return 0;
	return s->order.in + (s->received == s->order.out || s->verdict.error
				      ? sizeof(s->verdict)
				      : 0);
}

/* Bytes @at and on of what this end writes: how many there are in a row */
static size_t fill(struct stream *s, uint8_t *buffer, size_t room)
{
	uint64_t head = s->server ? 0 : sizeof(s->order);
	uint64_t body = s->server ? s->order.in : s->order.out;
	uint64_t at = s->sent;
	uint64_t n;

	if (at < head) {
		n = head - at < room ? head - at : room;
		memcpy(buffer, (uint8_t *)&s->order + at, n);
		return n;
	}
	at -= head;
	if (at < body) {
		n = body - at < room ? body - at : room;
		pattern_fill(buffer, n, s->order.seed + s->server, at);
		return n;
	}
	at -= body;
	n = sizeof(s->verdict) - at;
	s->verdict.received = s->received;
	memcpy(buffer, (uint8_t *)&s->verdict + at, n);
	return n;
}

static bool write_some(struct stream *s)
{
	uint8_t buffer[BUFFER_BYTES];
	size_t room = s->order.piece < sizeof(buffer) ? s->order.piece
						      : sizeof(buffer);
	int turns = 64;

	while (s->sent < to_send(s) && turns--) {
		size_t n = fill(s, buffer, room ? room : 1);
		ssize_t got = send(s->fd, buffer, n, MSG_NOSIGNAL);

		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			return true;
		if (got < 0) {
			end(s, "cannot send", errno);
			return false;
		}
		s->sent += (uint64_t)got;
	}
	return true;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void stall(struct stream *s)
{
	s->stalled = true;
	s->resume_ms = now_ms() + s->order.stall_ms;
	s->next_stalled = stalled;
	stalled = s;
}

/* Bytes of the other end's: header first, then pattern, then the verdict */
static bool digest(struct stream *s, const uint8_t *bytes, size_t n)
{
	uint64_t body;
	size_t part;

	if (s->server && s->order_held < sizeof(s->order)) {
		part = sizeof(s->order) - s->order_held;
		part = part < n ? part : n;
		memcpy((uint8_t *)&s->order + s->order_held, bytes, part);
		s->order_held += part;
		bytes += part;
		n -= part;
		if (s->order_held == sizeof(s->order) &&
		    s->order.magic != ORDER_MAGIC)
			return false;
	}
	body = s->server ? s->order.out : s->order.in;
	part = body - s->received < n ? body - s->received : n;
	if (pattern_check(bytes, part, s->order.seed + !s->server,
			  s->received) != part)
		return false;
	s->received += part;
	bytes += part;
	n -= part;
	if (s->server)
		return !n;
	if (n > sizeof(s->verdict) - s->verdict_held)
		return false;
	memcpy((uint8_t *)&s->verdict + s->verdict_held, bytes, n);
	s->verdict_held += n;
	return true;
}

static void finish_client(struct stream *s)
{
	if (s->verdict_held < sizeof(s->verdict))
		end(s, "the server left early", EPIPE);
	else if (s->verdict.error)
		end(s, "the server complains", (int)s->verdict.error);
	else if (s->verdict.received != s->order.out)
		end(s, "the server has lost bytes", EBADMSG);
	else
		end(s, NULL, 0);
}

/* The other end is done */
static void finish(struct stream *s)
{
	if (!s->server)
		finish_client(s);
	else if (s->sent < to_send(s) || s->received < s->order.out)
		end(s, "the client left early", EPIPE);
	else
		end(s, NULL, 0);
}

static bool read_some(struct stream *s)
{
	uint8_t buffer[BUFFER_BYTES];
	int turns = 64;

	while (turns-- && !s->stalled) {
		ssize_t got = recv(s->fd, buffer, sizeof(buffer), 0);
		uint64_t before = s->received;

		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			return true;
		if (got < 0) {
			end(s, "cannot receive", errno);
			return false;
		}
		if (!got) {
			finish(s);
			return false;
		}
		if (!digest(s, buffer, (size_t)got)) {
			end(s, "a wrong byte", EBADMSG);
			return false;
		}
		if (s->server && s->order.stall_ms && before < STALL_AFTER &&
		    s->received >= STALL_AFTER)
			stall(s);
	}
	return true;
}

static void watch(struct stream *s)
{
	struct epoll_event e = { .data.fd = s->fd };

	if (!s->stalled)
		e.events |= EPOLLIN;
	if (!s->connected || s->sent < to_send(s))
		e.events |= EPOLLOUT;
	if (s->added && e.events == s->watched)
		return;
	if (epoll_ctl(loop, s->added ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, s->fd,
		      &e))
		fail("epoll_ctl: errno %d", errno);
	s->added = true;
	s->watched = e.events;
}

/* The client is done when it has the verdict: it says so */
static void say_end(struct stream *s)
{
	if (!s->server && s->connected && s->sent == to_send(s) &&
	    s->verdict_held == sizeof(s->verdict))
		shutdown(s->fd, SHUT_WR);
}

static void move(struct stream *s)
{
	if (!s->connected) {
		int error = near_get(s->fd, SOL_SOCKET, SO_ERROR);

		if (error) {
			end(s, "cannot connect", error);
			return;
		}
		s->connected = true;
	}
	if (!write_some(s) || !read_some(s))
		return;
	say_end(s);
	watch(s);
}

static struct stream *add(int fd, bool server)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (!s || fd >= DESCRIPTORS_MAX)
		fail("cannot hold more than %u connections", open_streams);
	by_fd[fd] = s;
	near_nonblock(fd, true);
	s->fd = fd;
	s->server = server;
	s->connected = server;
	open_streams++;
	return s;
}

static void take(int listener)
{
	int fd;

	while ((fd = accept(listener, NULL, NULL)) >= 0)
		watch(add(fd, true));
}

static int resume(void)
{
	struct stream **link = &stalled;
	uint64_t now = now_ms();
	int wait = -1;

	while (*link) {
		struct stream *s = *link;

		if (s->resume_ms <= now) {
			*link = s->next_stalled;
			s->stalled = false;
			watch(s);
			continue;
		}
		if (wait < 0 || s->resume_ms - now < (uint64_t)wait)
			wait = (int)(s->resume_ms - now);
		link = &s->next_stalled;
	}
	return wait;
}

static void turn(int listener)
{
	struct epoll_event e[EVENTS];
	int wait = resume();
	int n = epoll_wait(loop, e, EVENTS, wait);
	int i;

	for (i = 0; i < n; i++) {
		struct stream *s = by_fd[e[i].data.fd];

		if (!s)
			take(listener);
		else if (!s->stalled || !(e[i].events & (EPOLLERR | EPOLLHUP)))
			move(s);
		else
			end(s, "broke while stalled", ECONNRESET);
	}
}

static void serve(const union endpoint *address)
{
	struct epoll_event e = { .events = EPOLLIN };
	int listener =
		socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0);

	near_set(listener, SOL_SOCKET, SO_REUSEADDR, 1);
	if (bind(listener, &address->any, endpoint_bytes(address)) ||
	    listen(listener, 1024) ||
	    epoll_ctl(loop, EPOLL_CTL_ADD, listener, &e))
		fail("cannot listen on %s port %u: errno %d",
		     endpoint_text(address), endpoint_port(address), errno);
	for (;;)
		turn(listener);
}

static void call(const union endpoint *to, const struct order *order)
{
	int fd = socket(to->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct stream *s;

	if (fd < 0)
		fail("socket: errno %d", errno);
	s = add(fd, false);
	s->order = *order;
	if (connect(fd, &to->any, endpoint_bytes(to)) && errno != EINPROGRESS)
		end(s, "cannot connect", errno);
	else
		watch(s);
}

static int client(const union endpoint *to, struct order order,
		  unsigned int connections)
{
	uint64_t start = now_ms();
	uint64_t bytes = (order.out + order.in) * connections;
	unsigned int i;

	for (i = 0; i < connections; i++) {
		order.seed++;
		call(to, &order);
	}
	while (open_streams)
		turn(-1);
	printf("%u of %u connections passed, %llu bytes in %llu ms\n", passed,
	       connections, (unsigned long long)bytes,
	       (unsigned long long)(now_ms() - start));
	return passed == connections ? 0 : 1;
}

/* A server of one's own; it dies with this process */
static int local(union endpoint *at, const struct order *order,
		 unsigned int connections)
{
	int probe = socket(AF_INET, SOCK_STREAM, 0);
	int status;
	pid_t pid;

	endpoint_parse(at, "127.0.0.1");
	if (bind(probe, &at->any, endpoint_bytes(at)))
		fail("bind: errno %d", errno);
	*at = near_name(probe);
	close(probe);
	pid = fork();
	if (!pid) {
		loop = epoll_create1(EPOLL_CLOEXEC);
		serve(at);
	}
	near_sleep_ms(200);
	status = client(at, *order, connections);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return status;
}

static void allow_descriptors(void)
{
	struct rlimit r;

	getrlimit(RLIMIT_NOFILE, &r);
	r.rlim_cur = r.rlim_max;
	setrlimit(RLIMIT_NOFILE, &r);
}

static void usage(void)
{
	fprintf(stderr, "usage: streamcheck server ADDRESS PORT\n"
			"       streamcheck client [OPTION]... ADDRESS PORT\n"
			"       streamcheck [OPTION]... local\n"
			"  --connections N  at once, 1\n"
			"  --out BYTES      from the client, per connection, "
			"1048576\n"
			"  --in BYTES       from the server, 1048576\n"
			"  --piece BYTES    per write, 65536\n"
			"  --stall MS       the server stops reading for so "
			"long after "
			"256 KiB\n"
			"  --seconds N      give up then, 600\n");
	exit(2);
}

static unsigned int parse(int argc, char **argv, struct order *order)
{
	static const struct option options[] = {
		{ "connections", required_argument, NULL, 'c' },
		{ "out", required_argument, NULL, 'o' },
		{ "in", required_argument, NULL, 'i' },
		{ "piece", required_argument, NULL, 'p' },
		{ "stall", required_argument, NULL, 's' },
		{ "seconds", required_argument, NULL, 't' },
		{},
	};
	unsigned int connections = 1;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		unsigned long long n = optarg ? strtoull(optarg, NULL, 0) : 0;

		if (c == 'c')
			connections = (unsigned int)n;
		else if (c == 'o')
			order->out = n;
		else if (c == 'i')
			order->in = n;
		else if (c == 'p')
			order->piece = (uint32_t)n;
		else if (c == 's')
			order->stall_ms = (uint32_t)n;
		else if (c == 't')
			alarm((unsigned int)n);
		else
			usage();
	}
	return connections;
}

int main(int argc, char **argv)
{
	struct order order = { .magic = ORDER_MAGIC,
			       .out = 1 << 20,
			       .in = 1 << 20,
			       .piece = BUFFER_BYTES };
	unsigned int connections;
	union endpoint at;

	allow_descriptors();
	alarm(600);
	connections = parse(argc, argv, &order);
	argv += optind;
	argc -= optind;
	loop = epoll_create1(EPOLL_CLOEXEC);
	/* without arguments: what `make units` runs */
	if (!argc)
		return local(&at, &order, 50);
	if (argc == 1 && !strcmp(argv[0], "local"))
		return local(&at, &order, connections);
	if (argc != 3 || !endpoint_parse(&at, argv[1]))
		usage();
	endpoint_set_port(&at, (unsigned int)atoi(argv[2]));
	if (!strcmp(argv[0], "server")) {
		alarm(0);
		serve(&at);
	}
	return strcmp(argv[0], "client") ? 2 : client(&at, order, connections);
}
