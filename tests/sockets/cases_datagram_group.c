// SPDX-License-Identifier: GPL-2.0-only
/*
 * cases_datagram_group.c - UDP sockets: multicast on the loopback interface
 */
#include <arpa/inet.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

#include "datagram.h"
#include "near.h"

#define GROUP4 "239.77.1.2"
#define GROUP6 "ff05::7702"

static union endpoint group(const struct world *w)
{
	union endpoint e;

	endpoint_parse(&e, w->family == AF_INET ? GROUP4 : GROUP6);
	return e;
}

static int change(const struct world *w, int fd, const union endpoint *e,
		  unsigned int interface, bool join)
{
	struct ip_mreqn v4 = { .imr_multiaddr = e->v4.sin_addr,
			       .imr_ifindex = (int)interface };
	struct ipv6_mreq v6 = { .ipv6mr_multiaddr = e->v6.sin6_addr,
				.ipv6mr_interface = interface };

	if (w->family == AF_INET)
		return setsockopt(fd, SOL_IP,
				  join ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP,
				  &v4, sizeof(v4));
	return setsockopt(fd, SOL_IPV6,
			  join ? IPV6_ADD_MEMBERSHIP : IPV6_DROP_MEMBERSHIP,
			  &v6, sizeof(v6));
}

static void send_by(const struct world *w, int fd, unsigned int interface)
{
	struct ip_mreqn v4 = { .imr_ifindex = (int)interface };

	if (w->family == AF_INET)
		must_be(setsockopt(fd, SOL_IP, IP_MULTICAST_IF, &v4,
				   sizeof(v4)),
			0);
	else
		near_set(fd, SOL_IPV6, IPV6_MULTICAST_IF, (int)interface);
}

static int member(const struct world *w, union endpoint *e)
{
	union endpoint any;
	int fd = dgram_socket(w);

	near_set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	any = near_wildcard(w, endpoint_port(e));
	must_be(bind(fd, &any.any, endpoint_bytes(&any)), 0);
	any = near_name(fd);
	endpoint_set_port(e, endpoint_port(&any));
	return fd;
}

static void members(struct world *w)
{
	unsigned int lo = if_nametoindex("lo");
	union endpoint e = group(w);
	int from = dgram_socket(w);
	int first = member(w, &e);
	int second = member(w, &e);

	if (w->family == AF_INET6)
		check_skip("Linux has no route for it on lo");
	send_by(w, from, lo);
	must_be(change(w, first, &e, lo, true), 0);
	must_be(change(w, second, &e, lo, true), 0);
	must_fail(change(w, first, &e, lo, true), EADDRINUSE);
	dgram_send_to(from, &e, 100, 1);
	dgram_recv(first, 100, 1);
	dgram_recv(second, 100, 1);
	must_be(change(w, first, &e, lo, false), 0);
	must_fail(change(w, first, &e, lo, false), EADDRNOTAVAIL);
	near_set(first, w->family == AF_INET ? SOL_IP : SOL_IPV6,
		 w->family == AF_INET ? IP_MULTICAST_ALL : IPV6_MULTICAST_ALL,
		 0);
	dgram_send_to(from, &e, 50, 2);
	dgram_recv(second, 50, 2);
	dgram_none(first);
}

static void without_loop(struct world *w)
{
	unsigned int lo = if_nametoindex("lo");
	union endpoint e = group(w);
	int from = dgram_socket(w);
	int fd = member(w, &e);

	if (w->family == AF_INET6)
		check_skip("Linux has no route for it on lo");
	send_by(w, from, lo);
	must_be(change(w, fd, &e, lo, true), 0);
	near_set(from, w->family == AF_INET ? SOL_IP : SOL_IPV6,
		 w->family == AF_INET ? IP_MULTICAST_LOOP : IPV6_MULTICAST_LOOP,
		 0);
	dgram_send_to(from, &e, 50, 2);
	near_sleep_ms(50);
	/* on lo every copy comes back, or none: as the kernel has it */
	must(change(w, fd, &e, lo, false) == 0);
}

static void refused(struct world *w)
{
	union endpoint e = near_loopback(w, 0);
	int fd = dgram_socket(w);

	must_fail(change(w, fd, &e, 1, true), EINVAL);
	e = group(w);
	must_fail(change(w, fd, &e, 77777, true), ENODEV);
	must_fail(change(w, fd, &e, 1, false), EADDRNOTAVAIL);
	must_be(bind(fd, &e.any, endpoint_bytes(&e)), 0);
}

static void either_family(struct world *w)
{
	unsigned int lo = if_nametoindex("lo");
	union endpoint e = group(w);
	int from = dgram_socket(w);
	int fd = member(w, &e);
	struct group_req request = { .gr_interface = lo };

	if (w->family == AF_INET6)
		check_skip("Linux has no route for it on lo");
	memcpy(&request.gr_group, &e, endpoint_bytes(&e));
	must_be(setsockopt(fd, w->family == AF_INET ? SOL_IP : SOL_IPV6,
			   MCAST_JOIN_GROUP, &request, sizeof(request)),
		0);
	send_by(w, from, lo);
	dgram_send_to(from, &e, 10, 1);
	dgram_recv(fd, 10, 1);
}

const struct check_case datagram_group_cases[] = {
	{ "datagram-group-members", members, ONCE },
	{ "datagram-group-without-loop", without_loop, ONCE },
	{ "datagram-group-refused", refused, ONCE },
	{ "datagram-group-either-family", either_family, ONCE },
	CASES_END,
};
