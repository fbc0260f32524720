// SPDX-License-Identifier: GPL-2.0-only
/*
 * cases_datagram.c - UDP sockets on one machine: names, sending, receiving
 */
#include <arpa/inet.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "datagram.h"
#include "near.h"
#include "pattern.h"

static void names(struct world *w)
{
	union endpoint e = near_wildcard(w, 0);
	union endpoint to = near_loopback(w, 9);
	union endpoint name;
	int fd = dgram_socket(w);
	socklen_t bytes = sizeof(name);

	name = near_name(fd);
	must_be(endpoint_port(&name), 0);
	must(endpoint_same(&name, &e));
	must_fail(getpeername(fd, &name.any, &bytes), ENOTCONN);
	/* sending chooses a port */
	dgram_send_to(fd, &to, 1, 1);
	name = near_name(fd);
	must(endpoint_port(&name) != 0);
	endpoint_set_port(&e, endpoint_port(&name));
	must(endpoint_same(&name, &e));
	must_fail(bind(fd, &e.any, endpoint_bytes(&e)), EINVAL);
	dgram_connect(fd, &to);
	name = near_peer(fd);
	must(endpoint_same(&name, &to));
	name = near_name(fd);
	to = near_loopback(w, endpoint_port(&e));
	must(endpoint_same(&name, &to));
}

static void bind_any_port(struct world *w)
{
	union endpoint e = near_wildcard(w, 0);
	union endpoint name;
	int fd = dgram_socket(w);
	int from = dgram_socket(w);

	must_be(bind(fd, &e.any, endpoint_bytes(&e)), 0);
	name = dgram_name(w, fd);
	must(endpoint_port(&name) != 0);
	dgram_send_to(from, &name, 100, 1);
	dgram_recv(fd, 100, 1);
}

static void bind_refused(struct world *w)
{
	union endpoint e = near_loopback(w, 0);
	union endpoint far_away;
	int fd = dgram_bound(w);
	int other = dgram_socket(w);

	must_fail(bind(other, &e.any, 4), EINVAL);
	e = near_name(fd);
	must_fail(bind(other, &e.any, endpoint_bytes(&e)), EADDRINUSE);
	endpoint_parse(&far_away,
		       w->family == AF_INET ? "192.0.2.1" : "2001:db8::1");
	must_fail(bind(other, &far_away.any, endpoint_bytes(&far_away)),
		  EADDRNOTAVAIL);
	close(fd);
	must_be(bind(other, &e.any, endpoint_bytes(&e)), 0);
}

/* A stream's port of the same number is another one */
static void bind_beside_stream(struct world *w)
{
	union endpoint e;
	int i;

	/* somebody else may have that one just now */
	for (i = 0; i < 20; i++) {
		e = near_name(dgram_bound(w));
		if (!bind(near_socket(w, 0), &e.any, endpoint_bytes(&e)))
			return;
	}
	fail("no port is free for both: errno %d", errno);
}

static void reuse_address(struct world *w)
{
	union endpoint e = near_loopback(w, 0);
	int first = dgram_socket(w);
	int second = dgram_socket(w);
	int from = dgram_socket(w);

	near_set(first, SOL_SOCKET, SO_REUSEADDR, 1);
	near_set(second, SOL_SOCKET, SO_REUSEADDR, 1);
	must_be(bind(first, &e.any, endpoint_bytes(&e)), 0);
	e = near_name(first);
	must_be(bind(second, &e.any, endpoint_bytes(&e)), 0);
	/* the last one gets what comes */
	dgram_send_to(from, &e, 10, 1);
	dgram_recv(second, 10, 1);
	dgram_none(first);
	close(second);
	dgram_send_to(from, &e, 10, 2);
	dgram_recv(first, 10, 2);
}

/* A group shares what comes; one sender always finds the same socket */
static void reuse_port(struct world *w)
{
	union endpoint e = near_loopback(w, 0);
	unsigned int got[3] = { 0, 0, 0 };
	int group[3];
	int from[30];
	int i, j;

	for (i = 0; i < 3; i++) {
		group[i] = dgram_socket(w);
		near_set(group[i], SOL_SOCKET, SO_REUSEPORT, 1);
		must_be(bind(group[i], &e.any, endpoint_bytes(&e)), 0);
		e = near_name(group[i]);
	}
	must_fail(bind(dgram_socket(w), &e.any, endpoint_bytes(&e)),
		  EADDRINUSE);
	for (i = 0; i < 30; i++) {
		from[i] = dgram_socket(w);
		dgram_connect(from[i], &e);
		dgram_send(from[i], 10, 1);
		dgram_send(from[i], 10, 1);
	}
	for (i = 0; i < 3; i++)
		for (j = 0; near_poll(group[i], POLLIN, 0); j++) {
			dgram_recv(group[i], 10, 1);
			got[i]++;
		}
	must_be(got[0] + got[1] + got[2], 60);
	must(got[0] && got[1] && got[2]);
	must(!(got[0] % 2) && !(got[1] % 2) && !(got[2] % 2));
}

static void exchange(struct world *w)
{
	struct dgram_pair p = dgram_pair(w);
	union endpoint from;
	union endpoint name = near_name(p.a);

	dgram_send(p.a, 100, 1);
	dgram_send(p.a, 1, 2);
	dgram_send(p.a, 1400, 3);
	from = dgram_recv(p.b, 100, 1);
	must(endpoint_same(&from, &name));
	dgram_recv(p.b, 1, 2);
	dgram_recv(p.b, 1400, 3);
	dgram_none(p.b);
	dgram_send(p.b, 10, 4);
	dgram_recv(p.a, 10, 4);
}

static void empty(struct world *w)
{
	struct dgram_pair p = dgram_pair(w);
	char byte;

	must_be(send(p.a, NULL, 0, 0), 0);
	must_be(send(p.a, "x", 1, 0), 1);
	must_be(near_poll(p.b, POLLIN, NEAR_LONG_MS), POLLIN);
	must_be(recv(p.b, &byte, 1, MSG_DONTWAIT), 0);
	must_be(recv(p.b, &byte, 1, MSG_DONTWAIT), 1);
	dgram_none(p.b);
	must_be(write(p.a, NULL, 0), 0);
	must_be(near_poll(p.b, POLLIN, NEAR_LONG_MS), POLLIN);
	must_be(read(p.b, &byte, 1), 0);
}

static void sizes(struct world *w)
{
	static const size_t size[] = { 1,    63,   64,	 65,	2047,  2048,
				       2049, 4096, 9000, 16320, 16384, 40000 };
	size_t most = w->family == AF_INET ? 65507 : 65527;
	struct dgram_pair p = dgram_pair(w);
	static uint8_t buffer[65536];
	size_t i;

	for (i = 0; i < sizeof(size) / sizeof(size[0]); i++) {
		dgram_send(p.a, size[i], (unsigned int)i);
		dgram_recv(p.b, size[i], (unsigned int)i);
	}
	/* over IPv6 Linux's loopback has no room for the largest */
	if (w->family == AF_INET) {
		dgram_send(p.a, most, 1);
		dgram_recv(p.b, most, 1);
	}
	must_fail(send(p.a, buffer, most + 1, 0), EMSGSIZE);
	must_fail(send(p.a, buffer, sizeof(buffer), 0), EMSGSIZE);
	dgram_none(p.b);
}

static void cut(struct world *w)
{
	struct dgram_pair p = dgram_pair(w);
	struct dgram_message m;
	uint8_t buffer[100];

	dgram_send(p.a, 500, 1);
	dgram_send(p.a, 500, 2);
	dgram_send(p.a, 500, 3);
	must_be(recv(p.b, buffer, 100, 0), 100);
	must_be(pattern_check(buffer, 100, 1, 0), 100);
	must_be(recv(p.b, buffer, 100, MSG_TRUNC), 500);
	must_be(pattern_check(buffer, 100, 2, 0), 100);
	memset(&m, 0, sizeof(m));
	m.part.iov_base = buffer;
	m.part.iov_len = 100;
	m.header.msg_iov = &m.part;
	m.header.msg_iovlen = 1;
	must_be(recvmsg(p.b, &m.header, 0), 100);
	must_be(m.header.msg_flags & MSG_TRUNC, MSG_TRUNC);
	dgram_none(p.b);
	must_be(recv(p.b, NULL, 0, MSG_TRUNC | MSG_DONTWAIT), -1);
}

static void peek(struct world *w)
{
	struct dgram_pair p = dgram_pair(w);
	uint8_t buffer[100];

	must_fail(recv(p.b, buffer, 10, MSG_PEEK | MSG_DONTWAIT), EAGAIN);
	dgram_send(p.a, 100, 1);
	dgram_send(p.a, 50, 2);
	must_be(recv(p.b, buffer, 10, MSG_PEEK), 10);
	must_be(recv(p.b, buffer, 100, MSG_PEEK), 100);
	must_be(recv(p.b, NULL, 0, MSG_PEEK | MSG_TRUNC), 100);
	must_be(pattern_check(buffer, 100, 1, 0), 100);
	dgram_recv(p.b, 100, 1);
	must_be(recv(p.b, buffer, 100, MSG_PEEK), 50);
	dgram_recv(p.b, 50, 2);
	dgram_none(p.b);
}

static void readable_bytes(struct world *w)
{
	struct dgram_pair p = dgram_pair(w);
	int bytes = -1;

	must_be(ioctl(p.b, FIONREAD, &bytes), 0);
	must_be(bytes, 0);
	dgram_send(p.a, 300, 1);
	dgram_send(p.a, 100, 2);
	must_be(ioctl(p.b, FIONREAD, &bytes), 0);
	must_be(bytes, 300);
	dgram_recv(p.b, 300, 1);
	must_be(ioctl(p.b, FIONREAD, &bytes), 0);
	must_be(bytes, 100);
	must_be(ioctl(p.a, TIOCOUTQ, &bytes), 0);
	must_be(bytes, 0);
}

/* One socket, many peers, each told truly */
static void many_peers(struct world *w)
{
	int server = dgram_bound(w);
	union endpoint to = near_name(server);
	union endpoint from;
	union endpoint name;
	int client[20];
	unsigned int i;

	for (i = 0; i < 20; i++) {
		client[i] = dgram_bound(w);
		dgram_send_to(client[i], &to, 10 + i, i);
	}
	for (i = 0; i < 20; i++) {
		from = dgram_recv(server, 10 + i, i);
		name = near_name(client[i]);
		must(endpoint_same(&from, &name));
		dgram_send_to(server, &from, 30 + i, i);
	}
	for (i = 0; i < 20; i++)
		dgram_recv(client[i], 30 + i, i);
}

/* A connected socket hears its peer only, and may still send elsewhere */
static void connected_filters(struct world *w)
{
	struct dgram_pair p = dgram_pair(w);
	int other = dgram_bound(w);
	union endpoint a = near_name(p.a);
	union endpoint to = near_name(other);
	union endpoint from;

	must_be(sendto(other, "x", 1, 0, &a.any, endpoint_bytes(&a)), 1);
	near_sleep_ms(50);
	dgram_none(p.a);
	dgram_send_to(p.a, &to, 10, 1);
	from = dgram_recv(other, 10, 1);
	must(endpoint_same(&from, &a));
	dgram_send(p.b, 10, 2);
	dgram_recv(p.a, 10, 2);
}

static void disconnect(struct world *w)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	struct dgram_pair p = dgram_pair(w);
	union endpoint to_b = near_name(p.b);
	union endpoint to = to_b;
	union endpoint name;
	int fd = dgram_socket(w);
	socklen_t bytes = sizeof(name);

	dgram_connect(fd, &to);
	must_be(connect(fd, &none, sizeof(none)), 0);
	must_fail(getpeername(fd, &name.any, &bytes), ENOTCONN);
	/* the port that was not chosen is given back, as was the address */
	name = near_name(fd);
	must_be(endpoint_port(&name), 0);
	must_fail(send(fd, "x", 1, 0), EDESTADDRREQ);
	/* an address that was chosen stays */
	to = near_name(p.a);
	endpoint_set_port(&to, 0);
	must_be(connect(p.a, &none, sizeof(none)), 0);
	name = near_name(p.a);
	must(endpoint_same(&name, &to));
	dgram_send_to(p.a, &to_b, 10, 1);
	close(p.a);
	to = dgram_name(w, p.b);
	dgram_connect(fd, &to);
	name = near_peer(fd);
	must(endpoint_same(&name, &to));
}

static void connect_again(struct world *w)
{
	int first = dgram_bound(w);
	int second = dgram_bound(w);
	union endpoint e = near_name(first);
	int fd = dgram_socket(w);
	union endpoint before, after;

	dgram_connect(fd, &e);
	before = near_name(fd);
	dgram_send(fd, 10, 1);
	e = near_name(second);
	dgram_connect(fd, &e);
	after = near_name(fd);
	must(endpoint_same(&before, &after));
	dgram_send(fd, 10, 2);
	dgram_recv(first, 10, 1);
	dgram_recv(second, 10, 2);
}

static void send_refused(struct world *w)
{
	union endpoint e = near_loopback(w, 0);
	union endpoint to = near_loopback(w, 9);
	int fd = dgram_socket(w);

	must_fail(send(fd, "x", 1, 0), EDESTADDRREQ);
	must_fail(write(fd, "x", 1), EDESTADDRREQ);
	must_fail(sendto(fd, "x", 1, 0, &e.any, endpoint_bytes(&e)), EINVAL);
	must_fail(sendto(fd, "x", 1, 0, &to.any, 4), EINVAL);
	if (w->family == AF_INET)
		must_fail(sendto(fd, "x", 1, MSG_OOB, &to.any,
				 endpoint_bytes(&to)),
			  EOPNOTSUPP);
	must_fail(sendto(fd, (void *)16, 1, 0, &to.any, endpoint_bytes(&to)),
		  EFAULT);
	to.any.sa_family = AF_UNIX;
	must_fail(sendto(fd, "x", 1, 0, &to.any, sizeof(to.v6)),
		  w->family == AF_INET ? EAFNOSUPPORT : EINVAL);
	must_fail(listen(fd, 1), EOPNOTSUPP);
	must_fail(accept(fd, NULL, NULL), EOPNOTSUPP);
}

static void broadcast(struct world *w)
{
	union endpoint e;
	int fd = dgram_socket(w);

	if (w->family != AF_INET)
		check_skip("IPv4 only");
	endpoint_parse(&e, "255.255.255.255");
	endpoint_set_port(&e, 9);
	must_fail(sendto(fd, "x", 1, 0, &e.any, endpoint_bytes(&e)), EACCES);
	must_fail(connect(fd, &e.any, endpoint_bytes(&e)), EACCES);
	near_set(fd, SOL_SOCKET, SO_BROADCAST, 1);
	must_be(connect(fd, &e.any, endpoint_bytes(&e)), 0);
}

static void any_is_loopback(struct world *w)
{
	int fd = dgram_bound(w);
	int from = dgram_socket(w);
	union endpoint e = near_name(fd);
	union endpoint to = near_wildcard(w, endpoint_port(&e));

	dgram_send_to(from, &to, 10, 1);
	dgram_recv(fd, 10, 1);
	dgram_connect(from, &to);
	to = near_peer(from);
	must(endpoint_same(&to, &e));
}

static void pieces(struct world *w)
{
	struct dgram_pair p = dgram_pair(w);
	uint8_t buffer[300];
	struct iovec part[4] = { { buffer, 100 },
				 { buffer + 100, 0 },
				 { buffer + 100, 150 },
				 { buffer + 250, 50 } };

	pattern_fill(buffer, sizeof(buffer), 5, 0);
	must_be(writev(p.a, part, 4), 300);
	memset(buffer, 0, sizeof(buffer));
	must_be(readv(p.b, part, 4), 300);
	must_be(pattern_check(buffer, 300, 5, 0), 300);
}

static void many_messages(struct world *w)
{
	struct dgram_pair p = dgram_pair(w);
	uint8_t buffer[64][100];
	struct iovec part[64];
	struct mmsghdr m[64];
	unsigned int i;

	memset(m, 0, sizeof(m));
	for (i = 0; i < 64; i++) {
		pattern_fill(buffer[i], 100, i, 0);
		part[i].iov_base = buffer[i];
		part[i].iov_len = 30 + i;
		m[i].msg_hdr.msg_iov = &part[i];
		m[i].msg_hdr.msg_iovlen = 1;
	}
	must_be(sendmmsg(p.a, m, 64, 0), 64);
	for (i = 0; i < 64; i++) {
		must_be(m[i].msg_len, 30 + i);
		part[i].iov_len = 100;
	}
	must_be(near_poll(p.b, POLLIN, NEAR_LONG_MS), POLLIN);
	must_be(recvmmsg(p.b, m, 64, MSG_DONTWAIT, NULL), 64);
	for (i = 0; i < 64; i++) {
		must_be(m[i].msg_len, 30 + i);
		must_be(pattern_check(buffer[i], 30 + i, i, 0), 30 + i);
	}
	must_fail(recvmmsg(p.b, m, 64, MSG_DONTWAIT, NULL), EAGAIN);
	dgram_send(p.a, 10, 1);
	must_be(recvmmsg(p.b, m, 64, MSG_WAITFORONE, NULL), 1);
}

/* What does not fit the receive buffer is lost, and counted */
static void overflow(struct world *w)
{
	struct dgram_pair p = dgram_pair(w);
	struct dgram_message m;
	const uint32_t *lost = NULL;
	unsigned int sent, got = 0;

	near_set(p.b, SOL_SOCKET, SO_RCVBUF, 10000);
	near_set(p.b, SOL_SOCKET, SO_RXQ_OVFL, 1);
	for (sent = 0; sent < 200; sent++)
		dgram_send(p.a, 1000, 1);
	while (dgram_recv_message(p.b, &m, MSG_DONTWAIT) == 1000)
		got++;
	must(got > 0 && got < 100);
	dgram_send(p.a, 1000, 1);
	must_be(dgram_recv_message(p.b, &m, 0), 1000);
	lost = dgram_control(&m, SOL_SOCKET, SO_RXQ_OVFL);
	must(lost);
	must_be(*lost, sent - got);
}

static void in_one_piece(struct world *w)
{
	struct dgram_pair p = dgram_pair(w);
	uint8_t buffer[300];

	pattern_fill(buffer, sizeof(buffer), 6, 0);
	must_be(send(p.a, buffer, 100, MSG_MORE), 100);
	must_be(send(p.a, buffer + 100, 100, MSG_MORE), 100);
	near_sleep_ms(20);
	dgram_none(p.b);
	must_be(send(p.a, buffer + 200, 100, 0), 100);
	dgram_recv(p.b, 300, 6);
	dgram_none(p.b);
}

static void send_file(struct world *w)
{
	struct dgram_pair p = dgram_pair(w);
	int file = memfd_create("file", 0);
	uint8_t buffer[1000];

	pattern_fill(buffer, sizeof(buffer), 7, 0);
	must_be(write(file, buffer, sizeof(buffer)), 1000);
	must_be(lseek(file, 0, SEEK_SET), 0);
	must_be(sendfile(p.a, file, NULL, 1000), 1000);
	dgram_recv(p.b, 1000, 7);
}

/* A socket of both families, spoken to over IPv4 */
static void dual(struct world *w)
{
	union endpoint any = near_wildcard(w, 0);
	union endpoint v4, from;
	int fd = dgram_socket(w);
	int client = socket(AF_INET, SOCK_DGRAM, 0);
	int only = dgram_socket(w);

	if (w->family != AF_INET6)
		check_skip("IPv6 only");
	near_set(fd, SOL_IPV6, IPV6_V6ONLY, 0);
	must_be(bind(fd, &any.any, endpoint_bytes(&any)), 0);
	any = near_name(fd);
	endpoint_parse(&v4, "127.0.0.1");
	endpoint_set_port(&v4, endpoint_port(&any));
	dgram_send_to(client, &v4, 10, 1);
	from = dgram_recv(fd, 10, 1);
	must(IN6_IS_ADDR_V4MAPPED(&from.v6.sin6_addr));
	dgram_send_to(fd, &from, 10, 2);
	dgram_recv(client, 10, 2);
	/* such a socket takes a plain IPv4 address too */
	from = near_name(client);
	v4 = near_loopback(w, 0);
	endpoint_parse(&v4, "127.0.0.1");
	endpoint_set_port(&v4, endpoint_port(&from));
	dgram_send_to(fd, &v4, 10, 3);
	dgram_recv(client, 10, 3);
	near_set(only, SOL_IPV6, IPV6_V6ONLY, 1);
	must_fail(sendto(only, "x", 1, 0, &v4.any, sizeof(v4.v4)), ENETUNREACH);
	endpoint_parse(&v4, "::ffff:127.0.0.1");
	endpoint_set_port(&v4, 9);
	must_fail(sendto(only, "x", 1, 0, &v4.any, sizeof(v4.v6)), ENETUNREACH);
	must_fail(connect(only, &v4.any, sizeof(v4.v6)), ENETUNREACH);
}

const struct check_case datagram_cases[] = {
	{ "datagram-names", names, ONCE },
	{ "datagram-bind-any-port", bind_any_port, ONCE },
	{ "datagram-bind-refused", bind_refused, ONCE },
	{ "datagram-bind-beside-stream", bind_beside_stream, ONCE },
	{ "datagram-reuse-address", reuse_address, ONCE },
	{ "datagram-reuse-port", reuse_port, ONCE },
	{ "datagram-exchange", exchange, ONCE },
	{ "datagram-empty", empty, ONCE },
	{ "datagram-sizes", sizes, ONCE },
	{ "datagram-cut", cut, ONCE },
	{ "datagram-peek", peek, ONCE },
	{ "datagram-readable-bytes", readable_bytes, ONCE },
	{ "datagram-many-peers", many_peers, ONCE },
	{ "datagram-connected-filters", connected_filters, ONCE },
	{ "datagram-disconnect", disconnect, ONCE },
	{ "datagram-connect-again", connect_again, ONCE },
	{ "datagram-send-refused", send_refused, ONCE },
	{ "datagram-broadcast", broadcast, ONCE },
	{ "datagram-any-is-loopback", any_is_loopback, ONCE },
	{ "datagram-pieces", pieces, ONCE },
	{ "datagram-many-messages", many_messages, ONCE },
	{ "datagram-overflow", overflow, ONCE },
	{ "datagram-in-one-piece", in_one_piece, ONCE },
	{ "datagram-send-file", send_file, ONCE },
	{ "datagram-dual", dual, ONCE },
	CASES_END,
};
