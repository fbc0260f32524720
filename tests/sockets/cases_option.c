// SPDX-License-Identifier: GPL-2.0-only
/*
 * cases_option.c - setsockopt() and getsockopt(): values, ranges, refusals
 */
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "far.h"
#include "near.h"

/* Long rows are read better with short words */
#define ANY NEAR_ANY
#define NONE NEAR_NONE

static const struct near_value common[] = {
	{ SOL_TCP, TCP_NODELAY, 0, 5, 1, NONE },
	{ SOL_TCP, TCP_CORK, 0, 1, 1, NONE },
	{ SOL_TCP, TCP_KEEPIDLE, ANY, 33, 33, 0 },
	{ SOL_TCP, TCP_KEEPIDLE, 33, 32767, 32767, 32768 },
	{ SOL_TCP, TCP_KEEPINTVL, ANY, 11, 11, 40000 },
	{ SOL_TCP, TCP_KEEPCNT, ANY, 3, 3, 128 },
	{ SOL_TCP, TCP_USER_TIMEOUT, 0, 5000, 5000, -1 },
	{ SOL_TCP, TCP_NOTSENT_LOWAT, ANY, 20000, 20000, NONE },
	{ SOL_TCP, TCP_LINGER2, 60, 10, 10, NONE },
	{ SOL_TCP, TCP_LINGER2, 10, -5, -1, NONE },
	{ SOL_TCP, TCP_LINGER2, -1, 1000, 120, NONE },
	{ SOL_TCP, TCP_DEFER_ACCEPT, 0, 5, 7, NONE },
	{ SOL_TCP, TCP_QUICKACK, 1, 0, ANY, NONE },
	{ SOL_TCP, TCP_MAXSEG, 536, 1000, 1000, 87 },
	{ SOL_TCP, TCP_FASTOPEN, 0, 16, 16, -1 },
	{ SOL_SOCKET, SO_KEEPALIVE, 0, 1, 1, NONE },
	{ SOL_SOCKET, SO_REUSEADDR, 0, 1, 1, NONE },
	{ SOL_SOCKET, SO_REUSEPORT, 0, 1, 1, NONE },
	{ SOL_SOCKET, SO_SNDBUF, ANY, 20000, 40000, NONE },
	{ SOL_SOCKET, SO_RCVBUF, ANY, 20000, 40000, NONE },
	{ SOL_SOCKET, SO_OOBINLINE, 0, 1, 1, NONE },
	{ SOL_SOCKET, SO_PRIORITY, 0, 4, 4, NONE },
	{ SOL_SOCKET, SO_RCVLOWAT, 1, 100, 100, NONE },
	{ SOL_IP, IP_TOS, 0, 0x10, 0x10, NONE },
	{ SOL_IP, IP_TTL, ANY, 9, 9, 256 },
	{ SOL_IP, IP_TTL, 9, 255, 255, 0 },
	{ SOL_IP, IP_MTU_DISCOVER, ANY, IP_PMTUDISC_DO, IP_PMTUDISC_DO, 6 },
	{ SOL_IP, IP_RECVERR, 0, 1, 1, NONE },
	{ SOL_IP, IP_FREEBIND, 0, 1, 1, NONE },
	{ SOL_IP, IP_BIND_ADDRESS_NO_PORT, 0, 1, 1, NONE },
	{ SOL_IP, IP_TRANSPARENT, 0, 0, 0, NONE },
};

static const struct near_value ipv6_only[] = {
	{ SOL_IPV6, IPV6_V6ONLY, ANY, 1, 1, NONE },
	{ SOL_IPV6, IPV6_UNICAST_HOPS, ANY, 9, 9, 256 },
	{ SOL_IPV6, IPV6_TCLASS, 0, 0x10, 0x10, 256 },
	{ SOL_IPV6, IPV6_RECVPKTINFO, 0, 1, 1, NONE },
	{ SOL_IPV6, IPV6_RECVHOPLIMIT, 0, 1, 1, NONE },
	{ SOL_IPV6, IPV6_RECVTCLASS, 0, 1, 1, NONE },
	{ SOL_IPV6, IPV6_RECVERR, 0, 1, 1, NONE },
	{ SOL_IPV6, IPV6_MTU_DISCOVER, ANY, 2, 2, 6 },
};

static void values(struct world *w)
{
	int fd = near_socket(w, 0);
	size_t i;

	for (i = 0; i < sizeof(common) / sizeof(common[0]); i++)
		near_check_value(fd, &common[i]);
	if (w->family == AF_INET)
		return;
	for (i = 0; i < sizeof(ipv6_only) / sizeof(ipv6_only[0]); i++)
		near_check_value(fd, &ipv6_only[i]);
}

/* Options that can be changed while the connection is in use */
static void values_when_open(struct world *w)
{
	struct pair p = near_pair(w);
	size_t i;

	for (i = 0; i < sizeof(common) / sizeof(common[0]); i++) {
		struct near_value v = common[i];

		if (v.name == TCP_MAXSEG || v.name == TCP_FASTOPEN ||
		    v.name == SO_REUSEPORT)
			continue;
		v.initial = ANY;
		near_check_value(p.near, &v);
		/* or all that follows waits for a fifth of a second */
		if (v.name == TCP_CORK)
			near_set(p.near, SOL_TCP, TCP_CORK, 0);
		near_send(p.near, 100, 1);
		far_ask(w, "recv %d 100 1", p.far);
	}
	near_set(p.near, SOL_SOCKET, SO_RCVLOWAT, 1);
	far_ask(w, "send %d 100 2", p.far);
	near_recv(p.near, 100, 2);
}

static void inherited(struct world *w)
{
	unsigned int port;
	int listener = near_listen(w, 1, &port);
	struct linger linger = { .l_onoff = 1, .l_linger = 7 };
	socklen_t bytes = sizeof(linger);
	int fd;

	near_set(listener, SOL_TCP, TCP_NODELAY, 1);
	near_set(listener, SOL_TCP, TCP_KEEPIDLE, 44);
	near_set(listener, SOL_SOCKET, SO_KEEPALIVE, 1);
	near_set(listener, SOL_SOCKET, SO_RCVBUF, 20000);
	near_set(listener, SOL_IP, IP_TOS, 0x10);
	must_be(setsockopt(listener, SOL_SOCKET, SO_LINGER, &linger, bytes), 0);
	far_start(w, "connect %s %u", endpoint_text(&w->reach), port);
	fd = accept(listener, NULL, NULL);
	must(fd >= 0);
	far_finish(w);
	must_be(near_get(fd, SOL_TCP, TCP_NODELAY), 1);
	must_be(near_get(fd, SOL_TCP, TCP_KEEPIDLE), 44);
	must_be(near_get(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
	must_be(near_get(fd, SOL_SOCKET, SO_RCVBUF), 40000);
	must_be(near_get(fd, SOL_IP, IP_TOS), 0x10);
	memset(&linger, 0, sizeof(linger));
	must_be(getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &bytes), 0);
	must_be(linger.l_onoff, 1);
	must_be(linger.l_linger, 7);
}

static void lengths(struct world *w)
{
	int fd = near_socket(w, 0);
	char small = 1;
	int value = 0;
	socklen_t bytes = sizeof(value);

	must_fail(setsockopt(fd, SOL_TCP, TCP_NODELAY, &small, 1), EINVAL);
	must_fail(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &small, 1), EINVAL);
	must_be(setsockopt(fd, SOL_IP, IP_RECVERR, &small, 1), 0);
	must_be(near_get(fd, SOL_IP, IP_RECVERR), 1);
	must_fail(setsockopt(fd, SOL_TCP, TCP_NODELAY, (void *)16, 4), EFAULT);
	must_be(getsockopt(fd, SOL_IP, IP_TTL, &small, &(socklen_t){ 1 }), 0);
	must(small);
	bytes = (socklen_t)-1;
	must_fail(getsockopt(fd, SOL_TCP, TCP_NODELAY, &value, &bytes), EINVAL);
	bytes = 2;
	must_be(getsockopt(fd, SOL_TCP, TCP_NODELAY, &value, &bytes), 0);
	must_be(bytes, 2);
}

static void unknown(struct world *w)
{
	static const struct {
		int level;
		int name;
	} no[] = { { SOL_TCP, 0x7000 },
		   { SOL_IP, 0x7000 },
		   { SOL_SOCKET, 0x7000 },
		   { 0x7777, 1 },
		   { SOL_TCP, 99 } };
	int fd = near_socket(w, 0);
	int value = 1;
	socklen_t bytes = sizeof(value);
	size_t i;

	for (i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
		bool level = no[i].level != 0x7777;

		must_fail(setsockopt(fd, no[i].level, no[i].name, &value,
				     sizeof(value)),
			  ENOPROTOOPT);
		/* an IPv4 socket has another word for levels */
		must_fail(getsockopt(fd, no[i].level, no[i].name, &value,
				     &bytes),
			  level || w->family == AF_INET6 ? ENOPROTOOPT
							 : EOPNOTSUPP);
	}
	if (w->family == AF_INET)
		must_fail(setsockopt(fd, SOL_IPV6, IPV6_V6ONLY, &value,
				     sizeof(value)),
			  ENOPROTOOPT);
}

/* On circuits these would be promises that nobody keeps */
static void refused_on_circuits(struct world *w)
{
	static const int no[] = { TCP_SYNCNT,	TCP_SAVE_SYN, TCP_INQ,
				  TCP_TX_DELAY, TCP_REPAIR,   TCP_MD5SIG,
				  TCP_ULP };
	int fd = near_socket(w, 0);
	int value = 1;
	size_t i;

	if (!w->circuit)
		check_skip("on circuits only");
	for (i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		must_fail(setsockopt(fd, SOL_TCP, no[i], &value, sizeof(value)),
			  ENOPROTOOPT);
	must_fail(setsockopt(fd, SOL_IP, IP_MINTTL, &value, sizeof(value)),
		  ENOPROTOOPT);
	must_fail(setsockopt(fd, SOL_IP, IP_TRANSPARENT, &value, sizeof(value)),
		  EPERM);
}

static void congestion(struct world *w)
{
	int fd = near_socket(w, 0);
	char name[16] = "";
	socklen_t bytes = sizeof(name);

	must_be(getsockopt(fd, SOL_TCP, TCP_CONGESTION, name, &bytes), 0);
	must_be(bytes, 16);
	must(strlen(name) > 2);
	must_be(setsockopt(fd, SOL_TCP, TCP_CONGESTION, "reno", 4), 0);
	must_be(getsockopt(fd, SOL_TCP, TCP_CONGESTION, name, &bytes), 0);
	must_be(strcmp(name, "reno"), 0);
	must_fail(setsockopt(fd, SOL_TCP, TCP_CONGESTION, "nonesuch", 8),
		  ENOENT);
	must_fail(setsockopt(fd, SOL_TCP, TCP_CONGESTION, "", 0), EINVAL);
}

static struct tcp_info tell(int fd)
{
	struct tcp_info i;
	socklen_t bytes = sizeof(i);

	memset(&i, 0, sizeof(i));
	must_be(getsockopt(fd, SOL_TCP, TCP_INFO, &i, &bytes), 0);
	must(bytes >= 104);
	return i;
}

enum { ESTABLISHED = 1, FIN_WAIT2 = 5, CLOSED = 7, CLOSE_WAIT, LISTENING = 10 };

static void info(struct world *w)
{
	struct pair p = near_pair(w);
	unsigned int port;
	struct tcp_info i;
	int fd;
	int n;

	must_be(tell(near_socket(w, 0)).tcpi_state, CLOSED);
	must_be(tell(near_listen(w, 5, &port)).tcpi_state, LISTENING);
	near_send(p.near, 1000, 1);
	far_ask(w, "recv %d 1000 1", p.far);
	i = tell(p.near);
	must_be(i.tcpi_state, ESTABLISHED);
	/* a circuit asks its proxy, and does not wait long for the answer */
	for (n = 0; w->remote && !i.tcpi_snd_mss && n < 50; n++)
		i = tell(p.near);
	if (w->remote || !w->circuit)
		must(i.tcpi_snd_mss > 500);
	far_ask(w, "shutdown %d 1", p.far);
	near_recv_eof(p.near);
	must_be(tell(p.near).tcpi_state, CLOSE_WAIT);
	p = near_pair(w);
	fd = p.near;
	must_be(shutdown(fd, SHUT_WR), 0);
	far_ask(w, "errno %d", p.far);
	near_until(tell(fd).tcpi_state == FIN_WAIT2);
}

static void nonblocking_ways(struct world *w)
{
	struct pair p = near_pair(w);
	int on = 1;
	char byte;

	must_be(ioctl(p.near, FIONBIO, &on), 0);
	must(fcntl(p.near, F_GETFL) & O_NONBLOCK);
	must_fail(recv(p.near, &byte, 1, 0), EAGAIN);
	on = 0;
	must_be(ioctl(p.near, FIONBIO, &on), 0);
	must(!(fcntl(p.near, F_GETFL) & O_NONBLOCK));
}

const struct check_case option_cases[] = {
	{ "option-values", values, ONCE },
	{ "option-values-when-open", values_when_open, PAIRS },
	{ "option-inherited", inherited, LISTENS },
	{ "option-lengths", lengths, ONCE },
	{ "option-unknown", unknown, ONCE },
	{ "option-refused-on-circuits", refused_on_circuits, ONCE },
	{ "option-congestion", congestion, ONCE },
	{ "option-info", info, PAIRS },
	{ "option-nonblocking-ways", nonblocking_ways, PAIRS },
	CASES_END,
};
