// SPDX-License-Identifier: GPL-2.0-only
/*
 * cases_datagram_option.c - UDP sockets: options, what comes with a datagram
 */
#include <linux/net_tstamp.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/udp.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "datagram.h"
#include "near.h"
#include "pattern.h"

/* Long rows are read better with short words */
#define ANY NEAR_ANY
#define NONE NEAR_NONE
/* lo is number 1 everywhere; these options have it in network byte order */
#define LOOPBACK_INDEX 0x01000000

static const struct near_value common[] = {
	{ SOL_SOCKET, SO_BROADCAST, 0, 1, 1, NONE },
	{ SOL_SOCKET, SO_REUSEADDR, 0, 1, 1, NONE },
	{ SOL_SOCKET, SO_REUSEPORT, 0, 1, 1, NONE },
	{ SOL_SOCKET, SO_SNDBUF, ANY, 20000, 40000, NONE },
	{ SOL_SOCKET, SO_RCVBUF, ANY, 20000, 40000, NONE },
	{ SOL_SOCKET, SO_RXQ_OVFL, 0, 1, 1, NONE },
	{ SOL_SOCKET, SO_TIMESTAMP, 0, 1, 1, NONE },
	{ SOL_SOCKET, SO_PRIORITY, 0, 4, 4, NONE },
	{ SOL_SOCKET, SO_DONTROUTE, 0, 0, 0, NONE },
	{ SOL_SOCKET, SO_TYPE, SOCK_DGRAM, NONE, NONE, NONE },
	{ SOL_SOCKET, SO_PROTOCOL, IPPROTO_UDP, NONE, NONE, NONE },
	{ SOL_SOCKET, SO_ACCEPTCONN, 0, NONE, NONE, NONE },
	{ SOL_SOCKET, SO_ERROR, 0, NONE, NONE, NONE },
	{ SOL_IP, IP_TOS, 0, 0x13, 0x13, NONE },
	{ SOL_IP, IP_TTL, ANY, 9, 9, 256 },
	{ SOL_IP, IP_TTL, 9, 255, 255, 0 },
	{ SOL_IP, IP_MTU_DISCOVER, ANY, IP_PMTUDISC_DO, IP_PMTUDISC_DO, 6 },
	{ SOL_IP, IP_UNICAST_IF, 0, LOOPBACK_INDEX, LOOPBACK_INDEX, NONE },
	{ SOL_IP, IP_RECVERR, 0, 1, 1, NONE },
	{ SOL_IP, IP_PKTINFO, 0, 7, 1, NONE },
	{ SOL_IP, IP_RECVTTL, 0, 1, 1, NONE },
	{ SOL_IP, IP_RECVTOS, 0, 1, 1, NONE },
	{ SOL_IP, IP_RECVORIGDSTADDR, 0, 1, 1, NONE },
	{ SOL_IP, IP_FREEBIND, 0, 1, 1, NONE },
	{ SOL_IP, IP_MULTICAST_TTL, 1, 7, 7, 256 },
	{ SOL_IP, IP_MULTICAST_TTL, 7, -1, 1, NONE },
	{ SOL_IP, IP_MULTICAST_LOOP, 1, 0, 0, NONE },
	{ SOL_IP, IP_MULTICAST_ALL, ANY, 0, 0, 2 },
	{ SOL_UDP, UDP_CORK, 0, 1, 1, NONE },
	{ SOL_UDP, UDP_CORK, 1, 0, 0, NONE },
	{ SOL_UDP, UDP_SEGMENT, 0, 1200, 1200, 65536 },
};

static const struct near_value ipv6_only[] = {
	{ SOL_IPV6, IPV6_V6ONLY, ANY, 1, 1, NONE },
	{ SOL_IPV6, IPV6_UNICAST_HOPS, ANY, 9, 9, 256 },
	{ SOL_IPV6, IPV6_MULTICAST_HOPS, 1, 9, 9, 256 },
	{ SOL_IPV6, IPV6_MULTICAST_LOOP, 1, 0, 0, 2 },
	{ SOL_IPV6, IPV6_MULTICAST_ALL, 1, 0, 0, NONE },
	{ SOL_IPV6, IPV6_TCLASS, 0, 0x13, 0x13, 256 },
	{ SOL_IPV6, IPV6_RECVPKTINFO, 0, 1, 1, NONE },
	{ SOL_IPV6, IPV6_RECVHOPLIMIT, 0, 1, 1, NONE },
	{ SOL_IPV6, IPV6_RECVTCLASS, 0, 1, 1, NONE },
	{ SOL_IPV6, IPV6_UNICAST_IF, 0, LOOPBACK_INDEX, LOOPBACK_INDEX, NONE },
	{ SOL_IPV6, IPV6_RECVERR, 0, 1, 1, NONE },
	{ SOL_IPV6, IPV6_MTU_DISCOVER, ANY, 2, 2, 6 },
};

static void values(struct world *w)
{
	int fd = dgram_socket(w);
	size_t i;

	for (i = 0; i < sizeof(common) / sizeof(common[0]); i++)
		near_check_value(fd, &common[i]);
	for (i = 0; w->family == AF_INET6 &&
		    i < sizeof(ipv6_only) / sizeof(ipv6_only[0]);
	     i++)
		near_check_value(fd, &ipv6_only[i]);
}

static void refused(struct world *w)
{
	int fd = dgram_socket(w);
	int value = 1;
	socklen_t bytes = sizeof(value);

	must_fail(setsockopt(fd, SOL_TCP, TCP_NODELAY, &value, bytes),
		  ENOPROTOOPT);
	must_fail(setsockopt(fd, SOL_UDP, 77, &value, bytes), ENOPROTOOPT);
	value = (int)htonl(77777);
	must_fail(setsockopt(fd, SOL_IP, IP_UNICAST_IF, &value, bytes),
		  EADDRNOTAVAIL);
	if (w->family == AF_INET6)
		must_fail(setsockopt(fd, SOL_IPV6, IPV6_UNICAST_IF, &value,
				     bytes),
			  EADDRNOTAVAIL);
	must_fail(getsockopt(fd, SOL_UDP, 77, &value, &bytes), ENOPROTOOPT);
	must_fail(getsockopt(fd, SOL_IP, IP_MTU, &value, &bytes), ENOTCONN);
	must_fail(setsockopt(fd, SOL_UDP, UDP_CORK, &value, 2), EINVAL);
	must_fail(getsockopt(fd, SOL_IP, IP_ADD_MEMBERSHIP, &value, &bytes),
		  ENOPROTOOPT);
}

static void mtu(struct world *w)
{
	struct dgram_pair p = dgram_pair(w);

	if (w->family == AF_INET)
		must_be(near_get(p.a, SOL_IP, IP_MTU), 65535);
	else
		must_be(near_get(p.a, SOL_IPV6, IPV6_MTU), 65536);
}

static void check_info(const struct world *w, struct dgram_message *m,
		       const union endpoint *to)
{
	const struct in_pktinfo *v4 = dgram_control(m, SOL_IP, IP_PKTINFO);
	const struct in6_pktinfo *v6 = dgram_control(m, SOL_IPV6, IPV6_PKTINFO);
	unsigned int lo = if_nametoindex("lo");

	if (w->family == AF_INET) {
		must(v4);
		must_be(v4->ipi_ifindex, lo);
		must(v4->ipi_addr.s_addr == to->v4.sin_addr.s_addr);
		must(v4->ipi_spec_dst.s_addr == to->v4.sin_addr.s_addr);
	} else {
		must(v6);
		must_be(v6->ipi6_ifindex, lo);
		must(!memcmp(&v6->ipi6_addr, &to->v6.sin6_addr, 16));
	}
}

static void packet_info(struct world *w)
{
	union endpoint any = near_wildcard(w, 0);
	struct dgram_message m;
	union endpoint to;
	int fd = dgram_socket(w);
	int from = dgram_socket(w);

	must_be(bind(fd, &any.any, endpoint_bytes(&any)), 0);
	if (w->family == AF_INET)
		near_set(fd, SOL_IP, IP_PKTINFO, 1);
	else
		near_set(fd, SOL_IPV6, IPV6_RECVPKTINFO, 1);
	to = dgram_name(w, fd);
	dgram_send_to(from, &to, 10, 1);
	must_be(dgram_recv_message(fd, &m, 0), 10);
	check_info(w, &m, &to);
	if (w->family != AF_INET)
		return;
	/* another address of the loopback's network */
	to.v4.sin_addr.s_addr = htonl(0x7f000007);
	dgram_send_to(from, &to, 10, 1);
	must_be(dgram_recv_message(fd, &m, 0), 10);
	check_info(w, &m, &to);
	must(m.name.v4.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
}

/* The source that a datagram shall have */
static void choose_source(struct world *w)
{
	struct in_pktinfo info = { .ipi_spec_dst.s_addr = htonl(0x7f000009) };
	int fd = dgram_bound(w);
	int from = dgram_socket(w);
	union endpoint to = near_name(fd);
	struct dgram_message m;

	if (w->family != AF_INET)
		check_skip("IPv4 only");
	must_be(dgram_send_control(from, &to, 10, SOL_IP, IP_PKTINFO, &info,
				   sizeof(info)),
		10);
	must_be(dgram_recv_message(fd, &m, 0), 10);
	must(m.name.v4.sin_addr.s_addr == htonl(0x7f000009));
}

/* Interfaces and sources that there are not */
static void refuse_source(struct world *w)
{
	bool v4 = w->family == AF_INET;
	struct in_pktinfo info4 = { .ipi_ifindex = 77777 };
	struct in6_pktinfo info6 = { .ipi6_ifindex = 77777 };
	const void *info = v4 ? (const void *)&info4 : &info6;
	size_t bytes = v4 ? sizeof(info4) : sizeof(info6);
	int level = v4 ? SOL_IP : SOL_IPV6;
	int type = v4 ? IP_PKTINFO : IPV6_PKTINFO;
	int from = dgram_socket(w), fd = dgram_bound(w);
	union endpoint to = near_name(fd), far_away;

	must_fail(dgram_send_control(from, &to, 10, level, type, info, bytes),
		  ENODEV);
	endpoint_parse(&far_away, v4 ? "192.0.2.1" : "2001:db8::1");
	info4 = (struct in_pktinfo){ .ipi_spec_dst = far_away.v4.sin_addr };
	info6 = (struct in6_pktinfo){ .ipi6_addr = far_away.v6.sin6_addr };
	must_fail(dgram_send_control(from, &to, 10, level, type, info, bytes),
		  v4 ? ENETUNREACH : EINVAL);
	dgram_none(fd);
}

static void hops_and_tos4(int a, int b)
{
	struct dgram_message m;
	const uint8_t *tos;
	const int *ttl;
	int value;

	near_set(b, SOL_IP, IP_RECVTTL, 1);
	near_set(b, SOL_IP, IP_RECVTOS, 1);
	near_set(a, SOL_IP, IP_TTL, 33);
	near_set(a, SOL_IP, IP_TOS, 0x20);
	dgram_send(a, 10, 1);
	must_be(dgram_recv_message(b, &m, 0), 10);
	ttl = dgram_control(&m, SOL_IP, IP_TTL);
	tos = dgram_control(&m, SOL_IP, IP_TOS);
	must(ttl && *ttl == 33);
	must(tos && *tos == 0x20);
	value = 44;
	must_be(dgram_send_control(a, NULL, 10, SOL_IP, IP_TTL, &value,
				   sizeof(value)),
		10);
	must_be(dgram_recv_message(b, &m, 0), 10);
	ttl = dgram_control(&m, SOL_IP, IP_TTL);
	must(ttl && *ttl == 44);
	value = 300;
	must_fail(dgram_send_control(a, NULL, 10, SOL_IP, IP_TTL, &value,
				     sizeof(value)),
		  EINVAL);
	must_fail(dgram_send_control(a, NULL, 10, SOL_IP, 99, &value,
				     sizeof(value)),
		  EINVAL);
}

static void hops_and_tos6(int a, int b)
{
	struct dgram_message m;
	const int *hops;
	const int *class;
	int value = 44;

	near_set(b, SOL_IPV6, IPV6_RECVHOPLIMIT, 1);
	near_set(b, SOL_IPV6, IPV6_RECVTCLASS, 1);
	near_set(a, SOL_IPV6, IPV6_UNICAST_HOPS, 33);
	near_set(a, SOL_IPV6, IPV6_TCLASS, 0x20);
	dgram_send(a, 10, 1);
	must_be(dgram_recv_message(b, &m, 0), 10);
	hops = dgram_control(&m, SOL_IPV6, IPV6_HOPLIMIT);
	class = dgram_control(&m, SOL_IPV6, IPV6_TCLASS);
	must(hops && *hops == 33);
	must(class && *class == 0x20);
	must_be(dgram_send_control(a, NULL, 10, SOL_IPV6, IPV6_HOPLIMIT, &value,
				   sizeof(value)),
		10);
	must_be(dgram_recv_message(b, &m, 0), 10);
	hops = dgram_control(&m, SOL_IPV6, IPV6_HOPLIMIT);
	must(hops && *hops == 44);
}

static void hops_and_tos(struct world *w)
{
	struct dgram_pair p = dgram_pair(w);

	if (w->family == AF_INET)
		hops_and_tos4(p.a, p.b);
	else
		hops_and_tos6(p.a, p.b);
}

static void original_destination(struct world *w)
{
	struct dgram_pair p = dgram_pair(w);
	const union endpoint *to;
	union endpoint name = near_name(p.b);
	struct dgram_message m;
	bool v4 = w->family == AF_INET;

	near_set(p.b, v4 ? SOL_IP : SOL_IPV6,
		 v4 ? IP_RECVORIGDSTADDR : IPV6_RECVORIGDSTADDR, 1);
	dgram_send(p.a, 10, 1);
	must_be(dgram_recv_message(p.b, &m, 0), 10);
	to = dgram_control(&m, v4 ? SOL_IP : SOL_IPV6,
			   v4 ? IP_ORIGDSTADDR : IPV6_ORIGDSTADDR);
	must(to);
	must(endpoint_same(to, &name));
}

/* What comes over IPv4 to a socket of both families */
static void told_of_mapped(struct world *w)
{
	union endpoint any = near_wildcard(w, 0), to = any;
	const struct sockaddr_in *sent_to;
	const struct in6_pktinfo *info;
	struct dgram_message m;
	const int *ttl;
	int fd = dgram_socket(w), from = socket(AF_INET, SOCK_DGRAM, 0);
	int hops = 7;

	if (w->family != AF_INET6)
		check_skip("IPv6 only");
	near_set(fd, SOL_IPV6, IPV6_V6ONLY, 0);
	must_be(bind(fd, &any.any, endpoint_bytes(&any)), 0);
	any = near_name(fd);
	near_set(fd, SOL_IPV6, IPV6_RECVPKTINFO, 1);
	near_set(fd, SOL_IPV6, IPV6_RECVHOPLIMIT, 1);
	near_set(fd, SOL_IP, IP_RECVTTL, 1);
	near_set(fd, SOL_IP, IP_RECVORIGDSTADDR, 1);
	endpoint_parse(&to, "127.0.0.1");
	endpoint_set_port(&to, endpoint_port(&any));
	dgram_send_to(from, &to, 10, 1);
	must_be(dgram_recv_message(fd, &m, 0), 10);
	info = dgram_control(&m, SOL_IPV6, IPV6_PKTINFO);
	must(info && IN6_IS_ADDR_V4MAPPED(&info->ipi6_addr));
	must(!dgram_control(&m, SOL_IPV6, IPV6_HOPLIMIT));
	ttl = dgram_control(&m, SOL_IP, IP_TTL);
	must(ttl && *ttl == 64);
	sent_to = dgram_control(&m, SOL_IP, IP_ORIGDSTADDR);
	must(sent_to && sent_to->sin_family == AF_INET);
	must(sent_to->sin_port == to.v4.sin_port);
	must(sent_to->sin_addr.s_addr == to.v4.sin_addr.s_addr);
	/* over IPv4 what IPv6 calls it means nothing */
	endpoint_parse(&to, "::ffff:127.0.0.1");
	endpoint_set_port(&to, endpoint_port(&any));
	must_be(dgram_send_control(fd, &to, 10, SOL_IPV6, IPV6_HOPLIMIT, &hops,
				   sizeof(hops)),
		10);
	must_be(dgram_recv_message(fd, &m, 0), 10);
	ttl = dgram_control(&m, SOL_IP, IP_TTL);
	must(ttl && *ttl == 64);
}

/* MSG_PROBE sends nothing; a link's address needs the link */
static void probe(struct world *w)
{
	struct dgram_pair p = dgram_pair(w);
	union endpoint link;
	int fd = dgram_socket(w);

	must_be(send(p.a, "x", 1, 0x10), 1);
	dgram_send(p.a, 20, 2);
	dgram_recv(p.b, 20, 2);
	dgram_none(p.b);
	if (w->family == AF_INET)
		return;
	endpoint_parse(&link, "fe80::1");
	endpoint_set_port(&link, 9);
	must_fail(connect(fd, &link.any, endpoint_bytes(&link)), EINVAL);
	endpoint_parse(&link, "ff02::1");
	endpoint_set_port(&link, 9);
	must_fail(connect(fd, &link.any, endpoint_bytes(&link)), EINVAL);
}

static int64_t off_by_ms(int64_t seconds, int64_t ns)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return ((now.tv_sec - seconds) * 1000000000 + now.tv_nsec - ns) /
	       1000000;
}

static bool is_recent(const struct world *w, int64_t seconds, int64_t ns)
{
	return off_by_ms(seconds, ns) < (int64_t)NEAR_LONG_MS * w->patience;
}

static void timestamps(struct world *w)
{
	struct dgram_pair p = dgram_pair(w);
	const struct timeval *tv;
	const struct timespec *ts;
	struct dgram_message m;

	near_set(p.b, SOL_SOCKET, SO_TIMESTAMP, 1);
	dgram_send(p.a, 10, 1);
	must_be(dgram_recv_message(p.b, &m, 0), 10);
	tv = dgram_control(&m, SOL_SOCKET, SO_TIMESTAMP);
	must(tv);
	must(is_recent(w, tv->tv_sec, tv->tv_usec * 1000));
	near_set(p.b, SOL_SOCKET, SO_TIMESTAMPNS, 1);
	dgram_send(p.a, 10, 1);
	must_be(dgram_recv_message(p.b, &m, 0), 10);
	ts = dgram_control(&m, SOL_SOCKET, SO_TIMESTAMPNS);
	must(ts && !dgram_control(&m, SOL_SOCKET, SO_TIMESTAMP));
	must(is_recent(w, ts->tv_sec, ts->tv_nsec));
	near_set(p.b, SOL_SOCKET, SO_TIMESTAMPNS, 0);
	near_set(p.b, SOL_SOCKET, SO_TIMESTAMPING,
		 SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE);
	/* Linux begins to take them a little later */
	do {
		dgram_send(p.a, 10, 1);
		must_be(dgram_recv_message(p.b, &m, 0), 10);
		ts = dgram_control(&m, SOL_SOCKET, SO_TIMESTAMPING);
	} while (!ts);
	must(is_recent(w, ts->tv_sec, ts->tv_nsec));
}

/* The ioctl begins to keep times when it is first used */
static void last_timestamp(struct world *w)
{
	struct dgram_pair p = dgram_pair(w);
	struct timeval last = {};

	must_fail(ioctl(p.b, SIOCGSTAMP, &last), ENOENT);
	/* a little later */
	do {
		dgram_send(p.a, 10, 1);
		dgram_recv(p.b, 10, 1);
	} while (ioctl(p.b, SIOCGSTAMP, &last));
	must(is_recent(w, last.tv_sec, last.tv_usec * 1000));
}

/* One message, datagrams of a given size */
static void segments(struct world *w)
{
	struct dgram_pair p = dgram_pair(w);
	uint16_t size = 400;
	unsigned int i;

	must_be(dgram_send_control(p.a, NULL, 1000, SOL_UDP, UDP_SEGMENT, &size,
				   sizeof(size)),
		1000);
	for (i = 0; i < 3; i++) {
		char buffer[1000];

		must_be(near_poll(p.b, 1, NEAR_LONG_MS), 1);
		must_be(recv(p.b, buffer, sizeof(buffer), 0),
			i < 2 ? 400 : 200);
	}
	dgram_none(p.b);
	size = 10;
	must_be(dgram_send_control(p.a, NULL, 640, SOL_UDP, UDP_SEGMENT, &size,
				   sizeof(size)),
		640);
	for (i = 0; i < 64; i++) {
		char buffer[100];

		must_be(near_poll(p.b, 1, NEAR_LONG_MS), 1);
		must_be(recv(p.b, buffer, sizeof(buffer), 0), 10);
	}
	must_fail(dgram_send_control(p.a, NULL, 2000, SOL_UDP, UDP_SEGMENT,
				     &size, sizeof(size)),
		  EINVAL);
}

static void cork(struct world *w)
{
	static char large[65527];
	struct dgram_pair p = dgram_pair(w);
	char buffer[100];

	near_set(p.a, SOL_UDP, UDP_CORK, 1);
	must_be(send(p.a, "ab", 2, 0), 2);
	must_be(send(p.a, "cde", 3, 0), 3);
	near_sleep_ms(20);
	dgram_none(p.b);
	near_set(p.a, SOL_UDP, UDP_CORK, 0);
	must_be(near_poll(p.b, 1, NEAR_LONG_MS), 1);
	must_be(recv(p.b, buffer, sizeof(buffer), 0), 5);
	must_be(memcmp(buffer, "abcde", 5), 0);
	must_be(send(p.a, "f", 1, 0), 1);
	must_be(near_poll(p.b, 1, NEAR_LONG_MS), 1);
	must_be(recv(p.b, buffer, sizeof(buffer), 0), 1);
	/* a piece that does not fit costs all of them */
	must_be(send(p.a, "abcd", 4, MSG_MORE), 4);
	must_fail(send(p.a, large, sizeof(large), 0), EMSGSIZE);
	must_be(send(p.a, "g", 1, 0), 1);
	must_be(near_poll(p.b, 1, NEAR_LONG_MS), 1);
	must_be(recv(p.b, buffer, sizeof(buffer), 0), 1);
}

/* The next peek tells @bytes, of a datagram of @seed from @offset on */
static void peek_is(int fd, size_t room, size_t bytes, unsigned int seed,
		    size_t offset)
{
	uint8_t buffer[100];

	must_be(recv(fd, buffer, room, MSG_PEEK), (ssize_t)bytes);
	must(pattern_check(buffer, bytes, seed, offset) == bytes);
}

static void peek_offset(struct world *w)
{
	struct dgram_pair p = dgram_pair(w);
	char byte;

	must_be(near_get(p.b, SOL_SOCKET, SO_PEEK_OFF), -1);
	near_set(p.b, SOL_SOCKET, SO_PEEK_OFF, 0);
	dgram_send(p.a, 10, 1);
	dgram_send(p.a, 20, 2);
	peek_is(p.b, 4, 4, 1, 0);
	peek_is(p.b, 100, 6, 1, 4);
	/* on into the next one */
	peek_is(p.b, 100, 20, 2, 0);
	must_be(near_get(p.b, SOL_SOCKET, SO_PEEK_OFF), 30);
	must_fail(recv(p.b, &byte, 1, MSG_PEEK | MSG_DONTWAIT), EAGAIN);
	dgram_recv(p.b, 10, 1);
	must_be(near_get(p.b, SOL_SOCKET, SO_PEEK_OFF), 20);
	near_set(p.b, SOL_SOCKET, SO_PEEK_OFF, 5);
	peek_is(p.b, 100, 15, 2, 5);
	dgram_recv(p.b, 20, 2);
	must_be(near_get(p.b, SOL_SOCKET, SO_PEEK_OFF), 0);
	/* one of no bytes is peeked at once */
	dgram_send(p.a, 0, 3);
	dgram_send(p.a, 5, 4);
	peek_is(p.b, 100, 0, 3, 0);
	peek_is(p.b, 100, 5, 4, 0);
	dgram_recv(p.b, 0, 3);
	dgram_recv(p.b, 5, 4);
	/* without it each peek begins at the first */
	near_set(p.b, SOL_SOCKET, SO_PEEK_OFF, -1);
	dgram_send(p.a, 7, 5);
	peek_is(p.b, 100, 7, 5, 0);
	peek_is(p.b, 100, 7, 5, 0);
}

const struct check_case datagram_option_cases[] = {
	{ "datagram-option-values", values, ONCE },
	{ "datagram-option-refused", refused, ONCE },
	{ "datagram-option-mtu", mtu, ONCE },
	{ "datagram-option-packet-info", packet_info, ONCE },
	{ "datagram-option-choose-source", choose_source, ONCE },
	{ "datagram-option-refuse-source", refuse_source, ONCE },
	{ "datagram-option-told-of-mapped", told_of_mapped, ONCE },
	{ "datagram-option-probe", probe, ONCE },
	{ "datagram-option-peek-offset", peek_offset, ONCE },
	{ "datagram-option-hops-and-tos", hops_and_tos, ONCE },
	{ "datagram-option-original-destination", original_destination, ONCE },
	{ "datagram-option-timestamps", timestamps, ONCE },
	{ "datagram-option-last-timestamp", last_timestamp, ONCE },
	{ "datagram-option-segments", segments, ONCE },
	{ "datagram-option-cork", cork, ONCE },
	CASES_END,
};
