// SPDX-License-Identifier: GPL-2.0-only
/*
 * connect.c - a circuit is connected to where the operator said
 *
 * Nothing waits: a connection that takes its time costs its socket and nothing
 * else.
 *
 * System calls: socket, setsockopt, bind, connect, getsockopt, getsockname,
 * epoll_ctl, close.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "services/common/address.h"
#include "services/proxy-tcp/tcp.h"

/* A source address without a port must not take one of its own for good */
static int bind_source(int fd, const struct sb_address *source)
{
	const int on = 1;
	struct sockaddr_storage sa;
	socklen_t length = address_to_sockaddr(source, &sa);

	if (!length)
		return 0;
	if (source->port)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	else
		setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on,
			   sizeof(on));
	return bind(fd, (struct sockaddr *)&sa, length) < 0 ? -errno : 0;
}

static void read_local(struct stream *s)
{
	struct sockaddr_storage sa;
	socklen_t length = sizeof(sa);

	if (getsockname(s->watch.fd, (struct sockaddr *)&sa, &length) == 0)
		address_from_sockaddr(&s->local, (struct sockaddr *)&sa);
}

static void connected(struct stream *s)
{
	tcp_count(s, TCP_CONNECTED, 1);
	stream_set_phase(s, STREAM_OPEN);
	s->writable = true;
	read_local(s);
	stream_opened(s);
	/* the guest may have written already, without a bell of its own */
	stream_look_at(s);
}

static void failed(struct stream *s, int error)
{
	tcp_count(s, TCP_CONNECT_FAILED, 1);
	circuit_end(&s->circuit, error, 0);
}

void connect_look(struct stream *s)
{
	socklen_t length = sizeof(int);
	int error = 0;

	if (!s->writable)
		return;
	if (getsockopt(s->watch.fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
		error = errno;
	if (error)
		failed(s, error);
	else
		connected(s);
}

/*
 * Return: 0 when connected, 1 when that takes time, or -errno. To an address
 * of this very machine it takes none, but the first call does not say so.
 */
static int dial(int fd, const struct sb_address *to)
{
	struct sockaddr_storage sa;
	socklen_t length = address_to_sockaddr(to, &sa);

	if (connect(fd, (struct sockaddr *)&sa, length) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return -errno;
	if (connect(fd, (struct sockaddr *)&sa, length) == 0)
		return 0;
	return errno == EALREADY ? 1 : -errno;
}

/* The same */
static int start(struct stream *s, int fd, const struct sb_address *from)
{
	uint32_t events = EPOLLIN | EPOLLRDHUP;
	int error, result;

	options_apply(s, fd);
	error = bind_source(fd, from);
	if (error)
		return error;
	result = dial(fd, &s->remote);
	if (result < 0)
		return result;
	if (result)
		events |= EPOLLOUT;
	/* what has happened already is told all the same */
	return stream_watch(s, fd, events) < 0 ? -ENOBUFS : result;
}

static int open_socket(struct stream *s, const struct sb_address *from)
{
	int family = s->remote.family == SB_FAMILY_IPV6 ? AF_INET6 : AF_INET;
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int result;

	if (fd < 0) {
		s->circuit.line->proxy->count[PROXY_NO_DESCRIPTOR]++;
		return -ENOBUFS;
	}
	result = start(s, fd, from);
	if (result < 0)
		close(fd);
	return result;
}

void connect_start(struct stream *s, const struct sb_address *to,
		   const struct sb_address *from)
{
	int result;

	stream_set_phase(s, STREAM_CONNECTING);
	s->remote = *to;
	s->local = (struct sb_address){ 0 };
	result = open_socket(s, from);
	if (result < 0)
		failed(s, -result);
	else if (result == 0)
		connected(s);
	else
		circuit_take(&s->circuit);
}
