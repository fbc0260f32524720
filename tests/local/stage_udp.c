// SPDX-License-Identifier: GPL-2.0-only
/*
 * stage_udp.c - what tests of proxy-udp have in common
 */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "services/common/address.h"
#include "tests/local/stage_udp.h"

int stage_udp_socket(uint16_t family, struct sb_address *at)
{
	bool ipv6 = family == SB_FAMILY_IPV6;
	int fd =
		socket(ipv6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_storage sa;
	socklen_t length;

	*at = (struct sb_address){ .family = family };
	at->bytes[ipv6 ? 15 : 3] = 1;
	if (!ipv6)
		at->bytes[0] = 127;
	length = address_to_sockaddr(at, &sa);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, length), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sa, &length), 0);
	address_from_sockaddr(at, (struct sockaddr *)&sa);
	return fd;
}

int stage_udp_take(int fd, void *bytes, size_t size, struct sb_address *from)
{
	struct pollfd set = { fd, POLLIN, 0 };
	struct sockaddr_storage sa;
	socklen_t length = sizeof(sa);
	ssize_t got;

	ck_assert_msg(poll(&set, 1, STAGE_TIMEOUT_MS) == 1, "no datagram");
	got = recvfrom(fd, bytes, size, 0, (struct sockaddr *)&sa, &length);
	ck_assert_int_ge(got, 0);
	if (from)
		address_from_sockaddr(from, (struct sockaddr *)&sa);
	return (int)got;
}

bool stage_udp_quiet(int fd, int timeout_ms)
{
	struct pollfd set = { fd, POLLIN, 0 };

	return poll(&set, 1, timeout_ms) == 0;
}

void stage_udp_give(int fd, const struct sb_address *to, const void *bytes,
		    size_t count)
{
	struct sockaddr_storage sa;
	socklen_t length = address_to_sockaddr(to, &sa);

	ck_assert_int_eq(sendto(fd, bytes, count, 0, (struct sockaddr *)&sa,
				length),
			 (ssize_t)count);
}

struct sb_address stage_udp_own(uint16_t family, uint16_t port)
{
	struct sb_address a = { .family = family, .port = port };

	a.bytes[0] = family == SB_FAMILY_IPV4 ? 10 : 0xfd;
	a.bytes[family == SB_FAMILY_IPV4 ? 3 : 15] = 2;
	return a;
}

struct sb_address stage_udp_guest_address(const struct guest_line *l,
					  uint16_t family, uint16_t port)
{
	struct sb_address a = { .family = family, .port = port };
	bool ipv4 = family == SB_FAMILY_IPV4;

	a.bytes[0] = ipv4 ? 10 : 0xfd;
	if (ipv4)
		a.bytes[1] = 99;
	a.bytes[ipv4 ? 3 : 15] = (uint8_t)l->guest->domain;
	return a;
}

const struct ipc_question *stage_udp_question(struct stage *s)
{
	static struct ipc_question question;

	question = stage_expect(s, IPC_REPORT_ASKED)->question;
	return &question;
}

void stage_udp_verdict(struct stage *s, const struct ipc_question *q,
		       uint32_t error, const struct sb_address *to)
{
	static struct ipc_message m;

	memset(&m, 0, sizeof(m));
	m.type = IPC_ORDER_VERDICT;
	m.verdict.question = *q;
	m.verdict.error = error;
	if (to)
		m.verdict.to = *to;
	stage_order(s, &m);
}

void stage_udp_allow(struct stage *s, const struct sb_address *to)
{
	const struct ipc_question *q = stage_udp_question(s);

	ck_assert_uint_eq(q->kind, IPC_KIND_DATAGRAM);
	ck_assert(address_equal(&q->remote, to));
	ck_assert_uint_eq(q->remote.port, to->port);
	stage_udp_verdict(s, q, 0, NULL);
}

struct guest_circuit *stage_udp_open(struct guest_line *l, unsigned int order)
{
	struct guest_circuit *c = guest_datagram_new(l, order);
	int error;

	ck_assert_ptr_nonnull(c);
	guest_datagram_offer(c, NULL);
	error = guest_circuit_wait(c, SB_PEER_OPEN, STAGE_TIMEOUT_MS);
	ck_assert_msg(error == 0, "no socket: %s", strerror(-error));
	return c;
}

struct guest_circuit *stage_udp_publish(struct stage *s, struct guest_line *l,
					unsigned int order,
					const struct sb_address *bound,
					const struct sb_address *place)
{
	struct guest_circuit *c = guest_datagram_new(l, order);
	const struct ipc_question *q;
	int error;

	ck_assert_ptr_nonnull(c);
	guest_datagram_offer(c, bound);
	q = stage_udp_question(s);
	ck_assert_uint_eq(q->kind, IPC_KIND_BIND);
	ck_assert_uint_eq(q->remote.port, bound->port);
	stage_udp_verdict(s, q, 0, place);
	error = guest_circuit_wait(c, SB_PEER_OPEN, STAGE_TIMEOUT_MS);
	ck_assert_msg(error == 0, "not published: %s", strerror(-error));
	return c;
}

struct sb_address stage_udp_pass(struct guest_circuit *c, int fd,
				 const struct sb_address *to, const void *bytes,
				 uint32_t count)
{
	static uint8_t got[65536];
	struct sb_address from;

	ck_assert_int_eq(guest_datagram_send(c, to, bytes, count), 0);
	ck_assert_int_eq(stage_udp_take(fd, got, sizeof(got), &from),
			 (int)count);
	ck_assert(memcmp(got, bytes, count) == 0);
	return from;
}
