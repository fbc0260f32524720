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

/* ---- sources ---- */

/**
 * struct sourced - a member, and two that send to its group
 * @group: with the member's port
 * @fd:    the member
 * @first: sends from 127.0.0.1
 * @other: sends from 127.0.0.7
 */
struct sourced {
	union endpoint group;
	int fd;
	int first;
	int other;
};

static struct sourced sourced(const struct world *w)
{
	unsigned int lo = if_nametoindex("lo");
	struct sourced s = { .group = group(w) };
	union endpoint seven;

	if (w->family == AF_INET6)
		check_skip("Linux has no route for it on lo");
	s.fd = member(w, &s.group);
	near_set(s.fd, SOL_IP, IP_MULTICAST_ALL, 0);
	s.first = dgram_bound(w);
	send_by(w, s.first, lo);
	s.other = dgram_socket(w);
	endpoint_parse(&seven, "127.0.0.7");
	must_be(bind(s.other, &seven.any, endpoint_bytes(&seven)), 0);
	send_by(w, s.other, lo);
	return s;
}

/* By IPv4's own form, or by the one for both */
static int change_source(const struct sourced *s, int option,
			 const char *address)
{
	struct ip_mreq_source old = {
		.imr_multiaddr = s->group.v4.sin_addr,
		.imr_interface.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct group_source_req wish = { .gsr_interface = if_nametoindex("l"
									 "o") };
	union endpoint from;

	endpoint_parse(&from, address);
	old.imr_sourceaddr = from.v4.sin_addr;
	if (option == IP_ADD_SOURCE_MEMBERSHIP ||
	    option == IP_DROP_SOURCE_MEMBERSHIP || option == IP_BLOCK_SOURCE ||
	    option == IP_UNBLOCK_SOURCE)
		return setsockopt(s->fd, SOL_IP, option, &old, sizeof(old));
	memcpy(&wish.gsr_group, &s->group, endpoint_bytes(&s->group));
	memcpy(&wish.gsr_source, &from, endpoint_bytes(&from));
	return setsockopt(s->fd, SOL_IP, option, &wish, sizeof(wish));
}

/* Each sends to the group; who is heard */
static void heard(const struct world *w, const struct sourced *s, bool first,
		  bool other)
{
	union endpoint direct = near_name(s->fd);

	direct = near_loopback(w, endpoint_port(&direct));
	dgram_send_to(s->first, &s->group, 10, 1);
	if (first)
		dgram_recv(s->fd, 10, 1);
	dgram_send_to(s->other, &s->group, 20, 2);
	if (other)
		dgram_recv(s->fd, 20, 2);
	/* what was not to come is not in front of what does */
	dgram_send_to(s->first, &direct, 30, 3);
	dgram_recv(s->fd, 30, 3);
}

static void only_sources(struct world *w)
{
	struct sourced s = sourced(w);

	must_fail(change_source(&s, IP_DROP_SOURCE_MEMBERSHIP, "127.0.0.1"),
		  EINVAL);
	must_be(change_source(&s, IP_ADD_SOURCE_MEMBERSHIP, "127.0.0.1"), 0);
	heard(w, &s, true, false);
	must_fail(change_source(&s, IP_ADD_SOURCE_MEMBERSHIP, "127.0.0.1"),
		  EADDRNOTAVAIL);
	must_fail(change_source(&s, IP_BLOCK_SOURCE, "127.0.0.7"), EINVAL);
	must_fail(change_source(&s, IP_UNBLOCK_SOURCE, "127.0.0.1"), EINVAL);
	must_fail(change(w, s.fd, &s.group, if_nametoindex("lo"), true),
		  EADDRINUSE);
	must_be(change_source(&s, MCAST_JOIN_SOURCE_GROUP, "127.0.0.7"), 0);
	heard(w, &s, true, true);
	must_be(change_source(&s, IP_DROP_SOURCE_MEMBERSHIP, "127.0.0.1"), 0);
	must_fail(change_source(&s, MCAST_LEAVE_SOURCE_GROUP, "127.0.0.1"),
		  EADDRNOTAVAIL);
	heard(w, &s, false, true);
	/* without any it is no member */
	must_be(change_source(&s, MCAST_LEAVE_SOURCE_GROUP, "127.0.0.7"), 0);
	must_fail(change(w, s.fd, &s.group, if_nametoindex("lo"), false),
		  EADDRNOTAVAIL);
	heard(w, &s, false, false);
}

static void all_but_sources(struct world *w)
{
	struct sourced s = sourced(w);

	must_fail(change_source(&s, IP_BLOCK_SOURCE, "127.0.0.1"), EINVAL);
	must_be(change(w, s.fd, &s.group, if_nametoindex("lo"), true), 0);
	heard(w, &s, true, true);
	must_be(change_source(&s, IP_BLOCK_SOURCE, "127.0.0.1"), 0);
	must_fail(change_source(&s, MCAST_BLOCK_SOURCE, "127.0.0.1"),
		  EADDRNOTAVAIL);
	heard(w, &s, false, true);
	must_fail(change_source(&s, IP_ADD_SOURCE_MEMBERSHIP, "127.0.0.7"),
		  EINVAL);
	must_be(change_source(&s, MCAST_BLOCK_SOURCE, "127.0.0.7"), 0);
	heard(w, &s, false, false);
	must_be(change_source(&s, IP_UNBLOCK_SOURCE, "127.0.0.1"), 0);
	must_fail(change_source(&s, IP_UNBLOCK_SOURCE, "127.0.0.1"),
		  EADDRNOTAVAIL);
	must_be(change_source(&s, MCAST_UNBLOCK_SOURCE, "127.0.0.7"), 0);
	heard(w, &s, true, true);
	must_be(change(w, s.fd, &s.group, if_nametoindex("lo"), false), 0);
	heard(w, &s, false, false);
}

/* A member that has named none yet may still become one of the other way */
static void becomes_only_sources(struct world *w)
{
	struct sourced s = sourced(w);
	char address[] = "127.0.0.10";
	unsigned int i;

	must_be(change(w, s.fd, &s.group, if_nametoindex("lo"), true), 0);
	must_be(change_source(&s, IP_ADD_SOURCE_MEMBERSHIP, "127.0.0.7"), 0);
	heard(w, &s, false, true);
	for (i = 0; i < 9; i++) {
		address[9] = (char)('0' + i);
		must_be(change_source(&s, IP_ADD_SOURCE_MEMBERSHIP, address),
			0);
	}
	must_fail(change_source(&s, IP_ADD_SOURCE_MEMBERSHIP, "127.0.0.1"),
		  ENOBUFS);
	must_be(change(w, s.fd, &s.group, if_nametoindex("lo"), false), 0);
	must_be(change_source(&s, IP_ADD_SOURCE_MEMBERSHIP, "127.0.0.1"), 0);
	heard(w, &s, true, false);
}

static void sources_refused(struct world *w)
{
	bool v4 = w->family == AF_INET;
	int level = v4 ? SOL_IP : SOL_IPV6;
	int fd = dgram_socket(w);
	union endpoint e = group(w), from = near_loopback(w, 0);
	struct group_source_req wish = { .gsr_interface = 1 };

	memcpy(&wish.gsr_group, &e, endpoint_bytes(&e));
	memcpy(&wish.gsr_source, &from, endpoint_bytes(&from));
	must_fail(setsockopt(fd, level, MCAST_JOIN_SOURCE_GROUP, &wish,
			     sizeof(wish) - 1),
		  EINVAL);
	must_fail(setsockopt(fd, level, MCAST_LEAVE_SOURCE_GROUP, &wish,
			     sizeof(wish)),
		  EINVAL);
	must_be(setsockopt(fd, level, MCAST_JOIN_SOURCE_GROUP, &wish,
			   sizeof(wish)),
		0);
	must_fail(setsockopt(fd, level, MCAST_JOIN_SOURCE_GROUP, &wish,
			     sizeof(wish)),
		  EADDRNOTAVAIL);
	must_fail(setsockopt(fd, level, MCAST_BLOCK_SOURCE, &wish,
			     sizeof(wish)),
		  EINVAL);
	wish.gsr_interface = 77777;
	must_fail(setsockopt(fd, level, MCAST_JOIN_SOURCE_GROUP, &wish,
			     sizeof(wish)),
		  ENODEV);
	wish.gsr_interface = 1;
	wish.gsr_source.ss_family = v4 ? AF_INET6 : AF_INET;
	must_fail(setsockopt(fd, level, MCAST_JOIN_SOURCE_GROUP, &wish,
			     sizeof(wish)),
		  EADDRNOTAVAIL);
	wish.gsr_source.ss_family = wish.gsr_group.ss_family;
	memcpy(&wish.gsr_group, &from, endpoint_bytes(&from));
	must_fail(setsockopt(fd, level, MCAST_JOIN_SOURCE_GROUP, &wish,
			     sizeof(wish)),
		  EINVAL);
	if (v4)
		must_fail(setsockopt(fd, level, IP_ADD_SOURCE_MEMBERSHIP, &wish,
				     sizeof(wish)),
			  EINVAL);
}

const struct check_case datagram_group_cases[] = {
	{ "datagram-group-members", members, ONCE },
	{ "datagram-group-without-loop", without_loop, ONCE },
	{ "datagram-group-refused", refused, ONCE },
	{ "datagram-group-either-family", either_family, ONCE },
	{ "datagram-group-only-sources", only_sources, ONCE },
	{ "datagram-group-all-but-sources", all_but_sources, ONCE },
	{ "datagram-group-becomes-only-sources", becomes_only_sources, ONCE },
	{ "datagram-group-sources-refused", sources_refused, ONCE },
	CASES_END,
};
