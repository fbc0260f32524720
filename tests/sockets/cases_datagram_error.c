// SPDX-License-Identifier: GPL-2.0-only
/*
 * cases_datagram_error.c - UDP sockets: what the network reports, and ping
 */
#include <time.h>
#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "datagram.h"
#include "near.h"
#include "pattern.h"

/* A loopback port where nobody is */
static union endpoint nobody(const struct world *w)
{
	int fd = dgram_bound(w);
	union endpoint e = near_name(fd);

	close(fd);
	return e;
}

static void is_told(struct world *w)
{
	union endpoint e = nobody(w);
	int fd = dgram_socket(w);
	char byte;

	dgram_connect(fd, &e);
	must_be(send(fd, "x", 1, 0), 1);
	must(near_poll(fd, POLLIN, NEAR_LONG_MS) & POLLERR);
	must_fail(recv(fd, &byte, 1, MSG_DONTWAIT), ECONNREFUSED);
	must_fail(recv(fd, &byte, 1, MSG_DONTWAIT), EAGAIN);
	must_be(send(fd, "x", 1, 0), 1);
	must_fail(send(fd, "x", 1, 0), ECONNREFUSED);
	must_be(send(fd, "x", 1, 0), 1);
	must_be(near_get(fd, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
	must_be(near_get(fd, SOL_SOCKET, SO_ERROR), 0);
	must_fail(recv(fd, &byte, 1, MSG_DONTWAIT), EAGAIN);
}

static void unconnected_is_not(struct world *w)
{
	union endpoint e = nobody(w);
	int fd = dgram_socket(w);
	char byte;

	dgram_send_to(fd, &e, 1, 1);
	dgram_send_to(fd, &e, 1, 1);
	must_be(near_poll(fd, POLLIN, 50) & POLLERR, 0);
	must_fail(recv(fd, &byte, 1, MSG_DONTWAIT), EAGAIN);
}

static void check_told(const struct world *w, struct dgram_message *m,
		       const union endpoint *to)
{
	bool v4 = w->family == AF_INET;
	const struct sock_extended_err *e = dgram_control(
		m, v4 ? SOL_IP : SOL_IPV6, v4 ? IP_RECVERR : IPV6_RECVERR);
	const union endpoint *offender;

	must(e);
	must_be(e->ee_errno, ECONNREFUSED);
	must_be(e->ee_origin, v4 ? SO_EE_ORIGIN_ICMP : SO_EE_ORIGIN_ICMP6);
	must_be(e->ee_type, v4 ? 3 : 1);
	must_be(e->ee_code, v4 ? 3 : 4);
	offender = (const void *)SO_EE_OFFENDER(e);
	must_be(offender->any.sa_family, w->family);
	must(endpoint_same(&m->name, to));
	must_be(m->header.msg_flags & MSG_ERRQUEUE, MSG_ERRQUEUE);
}

static void tell_errors(struct world *w, int fd, bool on)
{
	bool v4 = w->family == AF_INET;

	near_set(fd, v4 ? SOL_IP : SOL_IPV6, v4 ? IP_RECVERR : IPV6_RECVERR,
		 on);
}

/* A datagram of pattern 3, to where nobody is: its error then waits */
static void have_error(int fd, const union endpoint *to)
{
	dgram_send_to(fd, to, 100, 3);
	must(near_poll(fd, POLLIN, NEAR_LONG_MS) & POLLERR);
}

static void queue(struct world *w)
{
	union endpoint e = nobody(w);
	struct dgram_message m;
	int fd = dgram_socket(w);

	tell_errors(w, fd, true);
	must_fail(dgram_recv_message(fd, &m, MSG_ERRQUEUE), EAGAIN);
	have_error(fd, &e);
	must_be(dgram_recv_message(fd, &m, MSG_ERRQUEUE), 100);
	must_be(pattern_check(m.data, 100, 3, 0), 100);
	check_told(w, &m, &e);
	/* with the last one the pending error is gone too */
	must_be(near_poll(fd, POLLIN, 0) & POLLERR, 0);
	must_be(near_get(fd, SOL_SOCKET, SO_ERROR), 0);
	must_fail(dgram_recv_message(fd, &m, MSG_ERRQUEUE), EAGAIN);
}

/* Who wants no more errors has none that wait */
static void queue_off(struct world *w)
{
	union endpoint e = nobody(w);
	struct dgram_message m;
	int fd = dgram_socket(w);

	tell_errors(w, fd, true);
	have_error(fd, &e);
	must_be(near_get(fd, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
	tell_errors(w, fd, false);
	must_be(near_poll(fd, POLLIN, 0) & POLLERR, 0);
	must_fail(dgram_recv_message(fd, &m, MSG_ERRQUEUE), EAGAIN);
}

/* Return: errno of a recv() that does not wait */
static int try_recv(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_DONTWAIT) < 0 ? errno : 0;
}

static void queue_of_two(struct world *w)
{
	union endpoint e = nobody(w);
	struct dgram_message m;
	int fd = dgram_socket(w);
	int error;

	tell_errors(w, fd, true);
	dgram_connect(fd, &e);
	must_be(send(fd, "x", 1, 0), 1);
	must(near_poll(fd, POLLIN, NEAR_LONG_MS) & POLLERR);
	must_fail(send(fd, "yy", 2, 0), ECONNREFUSED);
	must_be(send(fd, "zzz", 3, 0), 3);
	near_until((error = try_recv(fd)) != EAGAIN);
	must_be(error, ECONNREFUSED);
	must(near_poll(fd, POLLIN, 0) & POLLERR);
	must_be(dgram_recv_message(fd, &m, MSG_ERRQUEUE), 1);
	must_be(dgram_recv_message(fd, &m, MSG_ERRQUEUE), 3);
	must_fail(dgram_recv_message(fd, &m, MSG_ERRQUEUE), EAGAIN);
}

/* ---- ping ---- */

static int ping_socket(const struct world *w)
{
	int fd = socket(w->family, SOCK_DGRAM,
			w->family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6);

	if (fd < 0 && errno == EACCES && !w->circuit)
		check_skip("net.ipv4.ping_group_range does not allow it");
	must(fd >= 0);
	return fd;
}

/* IPv4's and IPv6's have the same form */
static void fill_echo(const struct world *w, struct icmphdr *icmp)
{
	memset(icmp, 0, sizeof(*icmp));
	icmp->type =
		w->family == AF_INET ? ICMP_ECHO : (uint8_t)ICMP6_ECHO_REQUEST;
	icmp->un.echo.sequence = htons(5);
}

static uint16_t sum(const uint8_t *bytes, size_t size)
{
	uint32_t total = 0;
	size_t i;

	for (i = 0; i + 1 < size; i += 2)
		total += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return (uint16_t)total;
}

static void ping(struct world *w)
{
	union endpoint to = near_loopback(w, 0);
	uint8_t buffer[64] = {};
	struct icmphdr *icmp = (struct icmphdr *)buffer;
	int fd = ping_socket(w);
	union endpoint from = {};
	union endpoint name;
	socklen_t bytes = sizeof(from);

	fill_echo(w, icmp);
	pattern_fill(buffer + 8, 56, 1, 0);
	must_be(sendto(fd, buffer, 64, 0, &to.any, endpoint_bytes(&to)), 64);
	must_be(near_poll(fd, POLLIN, NEAR_LONG_MS), POLLIN);
	must_be(recvfrom(fd, buffer, 64, 0, &from.any, &bytes), 64);
	must_be(icmp->type, w->family == AF_INET ? ICMP_ECHOREPLY
						 : (uint8_t)ICMP6_ECHO_REPLY);
	must_be(ntohs(icmp->un.echo.sequence), 5);
	name = near_name(fd);
	must_be(ntohs(icmp->un.echo.id), endpoint_port(&name));
	must_be(pattern_check(buffer + 8, 56, 1, 0), 56);
	if (w->family == AF_INET)
		must_be(sum(buffer, 64), 0xffff);
	must(endpoint_same(&from, &to));
	dgram_none(fd);
}

static void ping_refused(struct world *w)
{
	union endpoint to = near_loopback(w, 0);
	uint8_t buffer[64] = {};
	struct icmphdr *icmp = (struct icmphdr *)buffer;
	int fd = ping_socket(w);

	must_fail(sendto(fd, buffer, 4, 0, &to.any, endpoint_bytes(&to)),
		  EINVAL);
	fill_echo(w, icmp);
	icmp->code = 3;
	must_fail(sendto(fd, buffer, 64, 0, &to.any, endpoint_bytes(&to)),
		  EINVAL);
	must_fail(socket(w->family, SOCK_DGRAM,
			 w->family == AF_INET ? IPPROTO_ICMPV6 : IPPROTO_ICMP),
		  EPROTONOSUPPORT);
	must_fail(socket(w->family, SOCK_DGRAM, IPPROTO_TCP), EPROTONOSUPPORT);
}

static void ping_identifier(struct world *w)
{
	union endpoint e = near_loopback(w, 4711);
	uint8_t buffer[16] = {};
	struct icmphdr *icmp = (struct icmphdr *)buffer;
	int fd = ping_socket(w);
	int other = ping_socket(w);

	must_be(bind(fd, &e.any, endpoint_bytes(&e)), 0);
	must_fail(bind(other, &e.any, endpoint_bytes(&e)), EADDRINUSE);
	e = near_loopback(w, 0);
	fill_echo(w, icmp);
	dgram_connect(fd, &e);
	must_be(send(fd, buffer, 16, 0), 16);
	must_be(near_poll(fd, POLLIN, NEAR_LONG_MS), POLLIN);
	must_be(recv(fd, buffer, 16, 0), 16);
	must_be(ntohs(icmp->un.echo.id), 4711);
}

/* The far machine answers, and shows this socket its own number */
static void ping_far(struct world *w)
{
	union endpoint to = w->target;
	uint8_t buffer[64] = {};
	struct icmphdr *icmp = (struct icmphdr *)buffer;
	int fd = ping_socket(w);
	union endpoint name;
	int i;

	if (w->direct)
		check_skip("who pings a guest asks Dom0's network for it");
	endpoint_set_port(&to, 0);
	dgram_connect(fd, &to);
	name = near_name(fd);
	for (i = 0; i < 3; i++) {
		fill_echo(w, icmp);
		pattern_fill(buffer + 8, 56, 1, 0);
		must_be(send(fd, buffer, 64, 0), 64);
		must_be(near_poll(fd, POLLIN, NEAR_LONG_MS), POLLIN);
		must_be(recv(fd, buffer, 64, 0), 64);
		must_be(icmp->type, w->family == AF_INET
					    ? ICMP_ECHOREPLY
					    : (uint8_t)ICMP6_ECHO_REPLY);
		must_be(ntohs(icmp->un.echo.id), endpoint_port(&name));
		must_be(pattern_check(buffer + 8, 56, 1, 0), 56);
		if (w->family == AF_INET)
			must_be(sum(buffer, 64), 0xffff);
	}
}

const struct check_case datagram_error_cases[] = {
	{ "datagram-error-is-told", is_told, ONCE },
	{ "datagram-error-unconnected-is-not", unconnected_is_not, ONCE },
	{ "datagram-error-queue", queue, ONCE },
	{ "datagram-error-queue-off", queue_off, ONCE },
	{ "datagram-error-queue-of-two", queue_of_two, ONCE },
	{ "datagram-ping", ping, ONCE },
	{ "datagram-ping-refused", ping_refused, ONCE },
	{ "datagram-ping-identifier", ping_identifier, ONCE },
	{ "datagram-ping-far", ping_far, ONCE },
	CASES_END,
};
