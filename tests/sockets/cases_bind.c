// SPDX-License-Identifier: GPL-2.0-only
/*
 * cases_bind.c - bind(), who may have which port, and both families at once
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "far.h"
#include "near.h"

/* Ports tried for a pair of sockets, one in each family */
#define V6ONLY_TRIES 16

static int try_bind(int fd, const union endpoint *e)
{
	return bind(fd, &e->any, endpoint_bytes(e));
}

static unsigned int port_of(int fd)
{
	union endpoint e = near_name(fd);

	return endpoint_port(&e);
}

/* A connection from the machine to itself works and carries bytes */
static void meets(int listener, const union endpoint *e)
{
	int caller = socket(e->any.sa_family, SOCK_STREAM, 0);
	int callee;

	must_be(connect(caller, &e->any, endpoint_bytes(e)), 0);
	callee = accept(listener, NULL, NULL);
	must(callee >= 0);
	near_send(caller, 100, 1);
	near_recv(callee, 100, 1);
	close(caller);
	near_recv_eof(callee);
	close(callee);
}

static void any_port(struct world *w)
{
	union endpoint e = near_loopback(w, 0);
	int fd = near_socket(w, 0);

	must_be(try_bind(fd, &e), 0);
	must(port_of(fd));
	must_be(listen(fd, 1), 0);
	e = near_loopback(w, port_of(fd));
	meets(fd, &e);
}

/* listen() without bind() chooses a port */
static void no_bind(struct world *w)
{
	int fd = near_socket(w, 0);
	union endpoint e;

	must_be(listen(fd, 1), 0);
	must(port_of(fd));
	e = near_loopback(w, port_of(fd));
	meets(fd, &e);
}

static void bad(struct world *w)
{
	union endpoint e = near_loopback(w, 0);
	union endpoint other;
	int fd = near_socket(w, 0);

	must_fail(bind(fd, &e.any, 4), EINVAL);
	must_fail(bind(fd, (struct sockaddr *)16, endpoint_bytes(&e)), EFAULT);
	e.any.sa_family = AF_UNIX;
	must_fail(bind(fd, &e.any, sizeof(e.v6)), EAFNOSUPPORT);
	endpoint_parse(&other,
		       w->family == AF_INET ? "198.51.100.77" : "2001:db8::77");
	must_fail(try_bind(fd, &other), EADDRNOTAVAIL);
	e = near_loopback(w, 0);
	must_be(try_bind(fd, &e), 0);
	must_fail(try_bind(fd, &e), EINVAL);
}

static void taken(struct world *w)
{
	union endpoint e = near_loopback(w, 0);
	union endpoint any;
	int one = near_socket(w, 0);
	int two = near_socket(w, 0);

	must_be(try_bind(one, &e), 0);
	e = near_loopback(w, port_of(one));
	any = near_wildcard(w, port_of(one));
	must_fail(try_bind(two, &e), EADDRINUSE);
	must_fail(try_bind(two, &any), EADDRINUSE);
	must_be(listen(one, 1), 0);
	near_set(two, SOL_SOCKET, SO_REUSEADDR, 1);
	must_fail(try_bind(two, &e), EADDRINUSE);
	must_be(close(one), 0);
	must_be(try_bind(two, &e), 0);
	must_be(listen(two, 1), 0);
	meets(two, &e);
}

/* Both want it and neither listens yet: the first listen() has it */
static void reuse_address(struct world *w)
{
	union endpoint e = near_loopback(w, 0);
	int one = near_socket(w, 0);
	int two = near_socket(w, 0);

	near_set(one, SOL_SOCKET, SO_REUSEADDR, 1);
	near_set(two, SOL_SOCKET, SO_REUSEADDR, 1);
	must_be(try_bind(one, &e), 0);
	e = near_loopback(w, port_of(one));
	must_be(try_bind(two, &e), 0);
	must_be(listen(one, 1), 0);
	must_fail(listen(two, 1), EADDRINUSE);
}

/* Both listen; each call reaches one of them */
static void reuse_port(struct world *w)
{
	union endpoint e = near_loopback(w, 0);
	int fd[2];
	int taken_by = 0;
	int i;

	for (i = 0; i < 2; i++) {
		fd[i] = near_socket(w, SOCK_NONBLOCK);
		near_set(fd[i], SOL_SOCKET, SO_REUSEPORT, 1);
		must_be(try_bind(fd[i], &e), 0);
		e = near_loopback(w, port_of(fd[0]));
		must_be(listen(fd[i], 64), 0);
	}
	for (i = 0; i < 32; i++) {
		int caller = near_socket(w, 0);

		must_be(connect(caller, &e.any, endpoint_bytes(&e)), 0);
	}
	for (i = 0; i < 64; i++)
		if (accept(fd[i % 2], NULL, NULL) >= 0)
			taken_by++;
	must_be(taken_by, 32);
}

static void after_close(struct world *w)
{
	unsigned int port;
	int i;

	for (i = 0; i < 20; i++) {
		union endpoint e;
		int fd = near_listen(w, 1, &port);

		e = near_loopback(w, port);
		meets(fd, &e);
		must_be(close(fd), 0);
		fd = near_socket(w, 0);
		near_set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
		must_be(try_bind(fd, &e), 0);
		must_be(listen(fd, 1), 0);
		close(fd);
	}
}

static bool ports_are_free(void)
{
	int first = 1024;
	FILE *f = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "r");

	if (f) {
		if (fscanf(f, "%d", &first) != 1)
			first = 1024;
		fclose(f);
	}
	return first < 1024;
}

static void privileged(struct world *w)
{
	union endpoint e = near_loopback(w, 81);
	int fd;

	if (ports_are_free())
		check_skip("every port is for everybody here");
	must_be(setresuid(65534, 65534, 65534), 0);
	fd = near_socket(w, 0);
	must_fail(try_bind(fd, &e), EACCES);
}

/* ---- one socket for both families ---- */

static int ipv6_listener(int v6only, unsigned int port)
{
	union endpoint e = { .v6 = { .sin6_family = AF_INET6 } };
	int fd = socket(AF_INET6, SOCK_STREAM, 0);

	endpoint_set_port(&e, port);
	must(fd >= 0);
	near_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, v6only);
	must_be(try_bind(fd, &e), 0);
	must_be(listen(fd, 4), 0);
	return fd;
}

static union endpoint mapped_loopback(unsigned int port)
{
	union endpoint e;

	endpoint_parse(&e, "::ffff:127.0.0.1");
	endpoint_set_port(&e, port);
	return e;
}

static void dual_stack(struct world *w)
{
	int listener = ipv6_listener(0, 0);
	union endpoint to = near_loopback(w, port_of(listener));
	union endpoint e = {};
	socklen_t bytes = sizeof(e);
	int caller = near_socket(w, 0);
	int callee;

	must_be(connect(caller, &to.any, endpoint_bytes(&to)), 0);
	callee = accept(listener, &e.any, &bytes);
	must(callee >= 0);
	must_be(e.any.sa_family, AF_INET6);
	must_be(IN6_IS_ADDR_V4MAPPED(&e.v6.sin6_addr) != 0,
		w->family == AF_INET);
	must_be(endpoint_port(&e), port_of(caller));
	e = near_name(callee);
	must_be(IN6_IS_ADDR_V4MAPPED(&e.v6.sin6_addr) != 0,
		w->family == AF_INET);
	near_send(callee, 10, 1);
	near_recv(caller, 10, 1);
}

/* An IPv6 socket that calls an IPv4 address tells it as a mapped one */
static void mapped_call(struct world *w)
{
	unsigned int port;
	union endpoint e;
	int listener;
	int fd;

	if (w->family != AF_INET)
		check_skip("IPv4 only");
	listener = near_listen(w, 1, &port);
	e = mapped_loopback(port);
	fd = socket(AF_INET6, SOCK_STREAM, 0);
	must_be(connect(fd, &e.any, endpoint_bytes(&e)), 0);
	must_be(accept(listener, NULL, NULL) >= 0, 1);
	e = near_peer(fd);
	must_be(e.any.sa_family, AF_INET6);
	must(IN6_IS_ADDR_V4MAPPED(&e.v6.sin6_addr));
	e = near_name(fd);
	must(IN6_IS_ADDR_V4MAPPED(&e.v6.sin6_addr));
	fd = socket(AF_INET6, SOCK_STREAM, 0);
	near_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	e = mapped_loopback(port);
	must_fail(connect(fd, &e.any, endpoint_bytes(&e)), ENETUNREACH);
}

/*
 * A listener of IPv6 alone, and a socket of IPv4 bound to the same port. The
 * port is any that was free in IPv6; somebody else may hold it in IPv4.
 */
static int v6only_pair(int *four)
{
	union endpoint e = { .v4 = { .sin_family = AF_INET } };
	int six, error = EADDRINUSE;

	*four = socket(AF_INET, SOCK_STREAM, 0);
	for (int i = 0; i < V6ONLY_TRIES && error == EADDRINUSE; i++) {
		six = ipv6_listener(1, 0);
		endpoint_set_port(&e, port_of(six));
		error = try_bind(*four, &e) == 0 ? 0 : errno;
		if (error)
			close(six);
	}
	must_be(error, 0);
	return six;
}

static void v6only(struct world *w)
{
	int four;
	int six = v6only_pair(&four);
	union endpoint to = near_loopback(w, port_of(six));
	int caller = near_socket(w, 0);

	if (w->family == AF_INET)
		must_fail(connect(caller, &to.any, endpoint_bytes(&to)),
			  ECONNREFUSED);
	must_be(listen(four, 1), 0);
	meets(w->family == AF_INET ? four : six, &to);
	must_fail(setsockopt(six, IPPROTO_IPV6, IPV6_V6ONLY, &(int){ 0 },
			     sizeof(int)),
		  EINVAL);
}

static void both_families_conflict(struct world *w)
{
	int six = ipv6_listener(0, 0);
	union endpoint e = { .v4 = { .sin_family = AF_INET } };
	int four = socket(AF_INET, SOCK_STREAM, 0);

	endpoint_set_port(&e, port_of(six));
	must_fail(try_bind(four, &e), EADDRINUSE);
}

/* The machine's own address is the machine too */
static void own_address(struct world *w)
{
	struct ifaddrs *list;
	struct ifaddrs *each;
	union endpoint e = {};

	must_be(getifaddrs(&list), 0);
	for (each = list; each; each = each->ifa_next) {
		if (!each->ifa_addr || each->ifa_flags & IFF_LOOPBACK ||
		    each->ifa_addr->sa_family != w->family)
			continue;
		memcpy(&e, each->ifa_addr,
		       w->family == AF_INET ? sizeof(e.v4) : sizeof(e.v6));
		if (w->family == AF_INET6 && e.v6.sin6_scope_id)
			e.any.sa_family = AF_UNSPEC;
		if (e.any.sa_family != AF_UNSPEC)
			break;
	}
	if (e.any.sa_family == AF_UNSPEC)
		check_skip("no address but loopback");
	if (w->ports)
		endpoint_set_port(&e, w->port + w->ports_used++);
	int fd = near_socket(w, 0);

	near_set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	must_be(try_bind(fd, &e), 0);
	must_be(listen(fd, 1), 0);
	e = near_name(fd);
	meets(fd, &e);
}

const struct check_case bind_cases[] = {
	{ "bind-any-port", any_port, ONCE },
	{ "bind-not-before-listen", no_bind, LOCAL },
	{ "bind-bad", bad, ONCE },
	{ "bind-taken", taken, ONCE },
	{ "bind-reuse-address", reuse_address, ONCE },
	{ "bind-reuse-port", reuse_port, ONCE },
	{ "bind-after-close", after_close, LOCAL },
	{ "bind-privileged", privileged, ONCE },
	{ "bind-dual-stack", dual_stack, LOCAL },
	{ "bind-mapped-call", mapped_call, LOCAL },
	{ "bind-v6only", v6only, LOCAL },
	{ "bind-families-conflict", both_families_conflict, LOCAL },
	{ "bind-own-address", own_address, LISTENS },
	CASES_END,
};
