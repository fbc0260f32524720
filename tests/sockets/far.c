// SPDX-License-Identifier: GPL-2.0-only
/*
 * far.c - the agent that plays the far end, and how cases talk to it
 *
 * The agent blocks in every order: one order at a time is what the cases
 * need, and what makes it easy to say who did what when.
 */
#include "far.h"

#include <netinet/udp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "near.h"
#include "pattern.h"

#define LINE_BYTES 256
#define CONNECTIONS_MAX 1024
#define PIECE_BYTES 65536

struct agent {
	union endpoint address;
	int listener;
	int connection[CONNECTIONS_MAX];
	int connections;
	/* who the last datagram came from */
	union endpoint sender;
};

/* The words of an order: numbers, but for the address of some */
struct order {
	char name[16];
	char text[64];
	long number[4];
};

static void pause_us(long us)
{
	struct timespec t = { us / 1000000, us % 1000000 * 1000 };

	nanosleep(&t, NULL);
}

static long take(struct agent *a, int fd)
{
	if (fd < 0)
		return -errno;
	if (a->connections == CONNECTIONS_MAX) {
		close(fd);
		return -EMFILE;
	}
	a->connection[a->connections] = fd;
	return a->connections++;
}

static int connection(const struct agent *a, const struct order *o)
{
	long n = o->number[0];

	return n >= 0 && n < a->connections ? a->connection[n] : -1;
}

static long agent_unlisten(struct agent *a, const struct order *o)
{
	if (a->listener >= 0)
		close(a->listener);
	a->listener = -1;
	return 0;
}

static long agent_listen(struct agent *a, const struct order *o)
{
	union endpoint e = a->address;

	agent_unlisten(a, o);
	a->listener = socket(e.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (a->listener < 0 || bind(a->listener, &e.any, endpoint_bytes(&e)) ||
	    listen(a->listener, (int)o->number[0]))
		return -errno;
	e = near_name(a->listener);
	return endpoint_port(&e);
}

static long agent_accept(struct agent *a, const struct order *o)
{
	return take(a, accept4(a->listener, NULL, NULL, SOCK_CLOEXEC));
}

static long agent_connect(struct agent *a, const struct order *o)
{
	union endpoint e;
	int fd;

	if (!endpoint_parse(&e, o->text))
		return -EINVAL;
	endpoint_set_port(&e, (unsigned int)o->number[0]);
	fd = socket(e.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, &e.any, endpoint_bytes(&e))) {
		int error = errno;

		close(fd);
		return -error;
	}
	return take(a, fd);
}

static long send_pattern(int fd, size_t bytes, uint32_t seed, size_t piece,
			 long us)
{
	uint8_t buffer[PIECE_BYTES];
	size_t sent = 0;

	while (sent < bytes) {
		size_t n = bytes - sent < piece ? bytes - sent : piece;
		ssize_t got;

		pattern_fill(buffer, n, seed, sent);
		got = send(fd, buffer, n, MSG_NOSIGNAL);
		if (got < 0)
			return -errno;
		sent += (size_t)got;
		if (us)
			pause_us(us);
	}
	return (long)sent;
}

/* Up to @bytes, or the end; EBADMSG when a byte is wrong */
static long recv_pattern(int fd, size_t bytes, uint32_t seed, size_t piece,
			 long us)
{
	uint8_t buffer[PIECE_BYTES];
	size_t held = 0;

	while (held < bytes) {
		size_t n = bytes - held < piece ? bytes - held : piece;
		ssize_t got = recv(fd, buffer, n, 0);

		if (got < 0)
			return -errno;
		if (!got)
			break;
		if (pattern_check(buffer, (size_t)got, seed, held) !=
		    (size_t)got)
			return -EBADMSG;
		held += (size_t)got;
		if (us)
			pause_us(us);
	}
	return (long)held;
}

static size_t piece_of(const struct order *o)
{
	long piece = o->number[3] & 0xfffff;

	return piece > 0 && piece < PIECE_BYTES ? (size_t)piece : PIECE_BYTES;
}

static long agent_send(struct agent *a, const struct order *o)
{
	return send_pattern(connection(a, o), (size_t)o->number[1],
			    (uint32_t)o->number[2], PIECE_BYTES, 0);
}

static long agent_drip(struct agent *a, const struct order *o)
{
	return send_pattern(connection(a, o), (size_t)o->number[1],
			    (uint32_t)o->number[2], piece_of(o),
			    o->number[3] >> 20);
}

static long exactly(long got, long wanted)
{
	return got >= 0 && got != wanted ? -ENODATA : got;
}

static long agent_recv(struct agent *a, const struct order *o)
{
	return exactly(recv_pattern(connection(a, o), (size_t)o->number[1],
				    (uint32_t)o->number[2], PIECE_BYTES, 0),
		       o->number[1]);
}

static long agent_drink(struct agent *a, const struct order *o)
{
	return exactly(recv_pattern(connection(a, o), (size_t)o->number[1],
				    (uint32_t)o->number[2], piece_of(o),
				    o->number[3] >> 20),
		       o->number[1]);
}

static long agent_drain(struct agent *a, const struct order *o)
{
	return recv_pattern(connection(a, o), SIZE_MAX / 2,
			    (uint32_t)o->number[1], PIECE_BYTES, 0);
}

static long agent_errno(struct agent *a, const struct order *o)
{
	char buffer[PIECE_BYTES];
	ssize_t got;

	do
		got = recv(connection(a, o), buffer, sizeof(buffer), 0);
	while (got > 0);
	return got ? errno : 0;
}

static long agent_shutdown(struct agent *a, const struct order *o)
{
	return shutdown(connection(a, o), (int)o->number[1]) ? -errno : 0;
}

static long agent_close(struct agent *a, const struct order *o)
{
	int fd = connection(a, o);

	if (fd < 0)
		return -EBADF;
	a->connection[o->number[0]] = -1;
	return close(fd) ? -errno : 0;
}

static long agent_reset(struct agent *a, const struct order *o)
{
	struct linger abort = { .l_onoff = 1 };

	if (setsockopt(connection(a, o), SOL_SOCKET, SO_LINGER, &abort,
		       sizeof(abort)))
		return -errno;
	return agent_close(a, o);
}

static long agent_port(struct agent *a, const struct order *o)
{
	union endpoint e = near_name(connection(a, o));

	return endpoint_port(&e);
}

static long agent_peerport(struct agent *a, const struct order *o)
{
	union endpoint e = near_peer(connection(a, o));

	return endpoint_port(&e);
}

static long agent_sleep(struct agent *a, const struct order *o)
{
	pause_us(o->number[0] * 1000);
	return 0;
}

static long agent_udp(struct agent *a, const struct order *o)
{
	union endpoint e = a->address;
	int fd = socket(e.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, &e.any, endpoint_bytes(&e)))
		return -errno;
	return take(a, fd);
}

/* The next datagram, within a minute: its bytes */
static long receive_datagram(struct agent *a, int fd, uint8_t *buffer)
{
	struct timeval limit = { .tv_sec = 60 };
	socklen_t bytes = sizeof(a->sender);
	ssize_t got;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	got = recvfrom(fd, buffer, PIECE_BYTES, 0, &a->sender.any, &bytes);
	return got < 0 ? -errno : got;
}

static long agent_udprecv(struct agent *a, const struct order *o)
{
	uint8_t buffer[PIECE_BYTES];
	long got = receive_datagram(a, connection(a, o), buffer);

	if (got >= 0 && pattern_check(buffer, (size_t)got,
				      (uint32_t)o->number[2], 0) != (size_t)got)
		return -EBADMSG;
	return exactly(got, o->number[1]);
}

static long send_datagram(int fd, const union endpoint *to, size_t bytes,
			  uint32_t seed)
{
	uint8_t buffer[PIECE_BYTES];
	ssize_t got;

	pattern_fill(buffer, bytes, seed, 0);
	got = sendto(fd, buffer, bytes, 0, &to->any, endpoint_bytes(to));
	return got < 0 ? -errno : got;
}

static long agent_udpsend(struct agent *a, const struct order *o)
{
	return send_datagram(connection(a, o), &a->sender, (size_t)o->number[1],
			     (uint32_t)o->number[2]);
}

/* One call, many datagrams: they leave this machine's sockets together */
static long agent_udprun(struct agent *a, const struct order *o)
{
	int fd = connection(a, o), segment = (int)o->number[3];
	long sent;

	if (setsockopt(fd, SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment)))
		return -errno;
	sent = send_datagram(fd, &a->sender, (size_t)o->number[1],
			     (uint32_t)o->number[2]);
	segment = 0;
	setsockopt(fd, SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment));
	return sent;
}

static long agent_udpecho(struct agent *a, const struct order *o)
{
	int fd = connection(a, o);
	uint8_t buffer[PIECE_BYTES];
	long i, got;

	for (i = 0; i < o->number[1]; i++) {
		got = receive_datagram(a, fd, buffer);
		if (got < 0)
			return got;
		if (sendto(fd, buffer, (size_t)got, 0, &a->sender.any,
			   endpoint_bytes(&a->sender)) != got)
			return -errno;
	}
	return i;
}

static long agent_udpto(struct agent *a, const struct order *o)
{
	struct order inner = { .number = { o->number[1] } };
	union endpoint e;

	if (!endpoint_parse(&e, o->text))
		return -EINVAL;
	endpoint_set_port(&e, (unsigned int)o->number[0]);
	return send_datagram(connection(a, &inner), &e, (size_t)o->number[2],
			     (uint32_t)o->number[3]);
}

static long agent_udppeer(struct agent *a, const struct order *o)
{
	return endpoint_port(&a->sender);
}

static const struct {
	const char *name;
	long (*run)(struct agent *a, const struct order *o);
} orders[] = {
	{ "listen", agent_listen },	{ "unlisten", agent_unlisten },
	{ "accept", agent_accept },	{ "connect", agent_connect },
	{ "send", agent_send },		{ "drip", agent_drip },
	{ "recv", agent_recv },		{ "drink", agent_drink },
	{ "drain", agent_drain },	{ "errno", agent_errno },
	{ "shutdown", agent_shutdown }, { "close", agent_close },
	{ "reset", agent_reset },	{ "port", agent_port },
	{ "peerport", agent_peerport }, { "sleep", agent_sleep },
	{ "udp", agent_udp },		{ "udprecv", agent_udprecv },
	{ "udpsend", agent_udpsend },	{ "udpecho", agent_udpecho },
	{ "udprun", agent_udprun },	{ "udpto", agent_udpto },
	{ "udppeer", agent_udppeer },
};

/* "drip 0 BYTES SEED PIECE PAUSE": the last two share a number */
static void parse(struct order *o, char *line)
{
	char *word = strtok(line, " \n");
	int n = 0;

	memset(o, 0, sizeof(*o));
	snprintf(o->name, sizeof(o->name), "%s", word ? word : "");
	if (!strcmp(o->name, "connect") || !strcmp(o->name, "udpto"))
		snprintf(o->text, sizeof(o->text), "%s", strtok(NULL, " \n"));
	while ((word = strtok(NULL, " \n"))) {
		if (n < 4)
			o->number[n++] = atol(word);
		else
			o->number[3] |= atol(word) << 20;
	}
}

static long obey(struct agent *a, char *line)
{
	struct order o;
	size_t i;

	parse(&o, line);
	for (i = 0; i < sizeof(orders) / sizeof(orders[0]); i++)
		if (!strcmp(orders[i].name, o.name))
			return orders[i].run(a, &o);
	return -ENOSYS;
}

void far_serve(int control, const union endpoint *address)
{
	struct agent a = { .address = *address, .listener = -1 };
	FILE *in = fdopen(control, "r");
	char line[LINE_BYTES];

	endpoint_set_port(&a.address, 0);
	while (in && fgets(line, sizeof(line), in)) {
		long answer = obey(&a, line);

		dprintf(control, answer < 0 ? "no %ld\n" : "ok %ld\n",
			answer < 0 ? -answer : answer);
	}
}

int far_fork(const union endpoint *address)
{
	int end[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, end))
		fail("no socket pair: errno %d", errno);
	switch (fork()) {
	case -1:
		fail("no process for the far end: errno %d", errno);
	case 0:
		signal(SIGPIPE, SIG_IGN);
		alarm(0);
		close(end[0]);
		far_serve(end[1], address);
		_exit(0);
	}
	close(end[1]);
	return end[0];
}

int far_server(const union endpoint *address)
{
	int listener = socket(address->any.sa_family, SOCK_STREAM, 0);
	int on = 1;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_IGN);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, &address->any, endpoint_bytes(address)) ||
	    listen(listener, 64))
		return -errno;
	for (;;) {
		int control = accept(listener, NULL, NULL);

		if (control < 0)
			continue;
		if (!fork()) {
			close(listener);
			far_serve(control, address);
			_exit(0);
		}
		close(control);
	}
}

__attribute__((format(printf, 2, 0))) static void
send_order(const struct world *w, const char *format, va_list list)
{
	char line[LINE_BYTES];
	int bytes = vsnprintf(line, sizeof(line) - 1, format, list);

	line[bytes++] = '\n';
	if (send(w->far, line, (size_t)bytes, MSG_NOSIGNAL) != bytes)
		fail("the far end takes no order: errno %d", errno);
}

void far_start(const struct world *w, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	send_order(w, format, list);
	va_end(list);
}

long far_finish_any(const struct world *w)
{
	char line[LINE_BYTES];
	size_t held = 0;

	while (held < sizeof(line) - 1) {
		ssize_t got = recv(w->far, line + held, 1, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			fail("the far end is gone: errno %d", errno);
		if (line[held++] == '\n')
			break;
	}
	line[held] = 0;
	return line[0] == 'o' ? atol(line + 3) : -atol(line + 3);
}

long far_finish(const struct world *w)
{
	long answer = far_finish_any(w);

	if (answer < 0)
		fail("the far end cannot: %s", strerror((int)-answer));
	return answer;
}

long far_ask(const struct world *w, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	send_order(w, format, list);
	va_end(list);
	return far_finish(w);
}
