// SPDX-License-Identifier: GPL-2.0-only
/*
 * udp_rest.c - proxy-udp: more sockets of guests than there are descriptors
 *
 * Here circuits are mapped with a descriptor each, so they are used once
 * before the descriptors become few: they stay mapped.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "services/common/address.h"
#include "tests/local/stage_udp.h"
#include "tests/unit/unit.h"

#define SOCKETS 60u
#define SPARE 20u

static struct stage stage;
static struct guest_line *line;
static struct guest_circuit *circuit[SOCKETS];
static struct sb_address to;
static int far;

static void setup(void)
{
	line = stage_open_attached_udp(&stage);
	far = stage_udp_socket(SB_FAMILY_IPV4, &to);
}

static void teardown(void)
{
	close(far);
	stage_close_attached(&stage, line);
}

/* There and back. Return: the port it came from */
static uint16_t round_trip(struct guest_circuit *c, uint32_t number)
{
	struct sb_address from;
	struct sb_datagram h;
	uint32_t got = ~number;

	ck_assert_int_eq(guest_datagram_send(c, &to, &number, sizeof(number)),
			 0);
	ck_assert_int_eq(stage_udp_take(far, &got, sizeof(got), &from),
			 sizeof(got));
	ck_assert_uint_eq(got, number);
	stage_udp_give(far, &from, &number, sizeof(number));
	got = ~number;
	ck_assert_int_eq(guest_datagram_wait(c, &h, &got, sizeof(got),
					     STAGE_TIMEOUT_MS),
			 sizeof(got));
	ck_assert_uint_eq(h.kind, SB_DATAGRAM_DATA);
	ck_assert_uint_eq(got, number);
	return from.port;
}

/* So many circuits of a line are mapped, and of no socket */
static void prepare(struct guest_line *l, struct guest_circuit **c,
		    unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		c[i] = stage_udp_open(l, 0);
	ck_assert_int_eq(guest_datagram_send(c[0], &to, "", 0), 0);
	stage_udp_allow(&stage, &to);
	stage_udp_take(far, NULL, 0, NULL);
	for (unsigned int i = 0; i < count; i++) {
		guest_circuit_close(c[i]);
		ck_assert_int_eq(guest_circuit_wait(c[i], SB_PEER_CLOSED,
						    STAGE_TIMEOUT_MS),
				 0);
		ck_assert_int_eq(guest_circuit_recycle(c[i]), 0);
	}
}

static void make_scarce(void)
{
	unsigned int most = stage_descriptors(stage.proxy) + SPARE;
	struct rlimit limit = { most, most };

	ck_assert_int_eq(prlimit(stage.proxy, RLIMIT_NOFILE, &limit, NULL), 0);
}

static void open_again(struct guest_circuit *c)
{
	guest_datagram_offer(c, NULL);
	ck_assert_int_eq(guest_circuit_wait(c, SB_PEER_OPEN, STAGE_TIMEOUT_MS),
			 0);
}

/* Their sockets come and go, which no program sees */
START_TEST(more_sockets_than_descriptors)
{
	unsigned int most;

	prepare(line, circuit, SOCKETS);
	/* the limit is of numbers, some of which were above it before */
	most = stage_descriptors(stage.proxy) + SOCKETS / 2;
	make_scarce();
	for (uint32_t i = 0; i < SOCKETS; i++) {
		open_again(circuit[i]);
		round_trip(circuit[i], i);
	}
	ck_assert_uint_le(stage_descriptors(stage.proxy), most);
	for (uint32_t round = 1; round < 4; round++)
		for (uint32_t i = 0; i < SOCKETS; i++)
			round_trip(circuit[i], round * 1000 + i);
	ck_assert_uint_le(stage_descriptors(stage.proxy), most);
	for (uint32_t i = 0; i < SOCKETS; i++)
		guest_circuit_close(circuit[i]);
	for (uint32_t i = 0; i < SOCKETS; i++)
		ck_assert_int_eq(guest_circuit_wait(circuit[i], SB_PEER_CLOSED,
						    STAGE_TIMEOUT_MS),
				 0);
}
END_TEST

/* One that others know keeps its socket, and what was not read */
START_TEST(a_published_port_does_not_rest)
{
	struct sb_address own = stage_udp_own(SB_FAMILY_IPV4, 53);
	struct sb_address place = stage_loopback(0);
	struct guest_circuit *server;
	struct sb_datagram h;
	char byte;

	prepare(line, circuit, SOCKETS);
	server = stage_udp_publish(&stage, line, 0, &own, &place);
	place = server->shared->local;
	make_scarce();
	stage_udp_give(far, &place, "1", 1);
	for (uint32_t i = 0; i < SOCKETS; i++) {
		open_again(circuit[i]);
		round_trip(circuit[i], i);
	}
	stage_udp_give(far, &place, "2", 1);
	for (int n = '1'; n <= '2'; n++) {
		ck_assert_int_eq(guest_datagram_wait(server, &h, &byte, 1,
						     STAGE_TIMEOUT_MS),
				 1);
		ck_assert_int_eq(byte, n);
	}
}
END_TEST

/* A socket that was at rest is as its program wants it */
START_TEST(options_outlive_a_rest)
{
	struct guest_circuit *c;
	char control[128];
	struct iovec piece = { control, 4 };
	struct msghdr m = { .msg_iov = &piece,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof(control) };
	struct cmsghdr *k;
	int on = 1;

	prepare(line, circuit, SOCKETS);
	make_scarce();
	c = circuit[0];
	c->shared->options.set = SB_OPTION_TTL;
	c->shared->options.ttl = 33;
	open_again(c);
	round_trip(c, 1);
	for (uint32_t i = 1; i < SOCKETS; i++) {
		open_again(circuit[i]);
		round_trip(circuit[i], i);
	}
	setsockopt(far, IPPROTO_IP, IP_RECVTTL, &on, sizeof(on));
	ck_assert_int_eq(guest_datagram_send(c, &to, "ttl", 3), 0);
	ck_assert(!stage_udp_quiet(far, STAGE_TIMEOUT_MS));
	ck_assert_int_eq(recvmsg(far, &m, 0), 3);
	k = CMSG_FIRSTHDR(&m);
	ck_assert(k && k->cmsg_type == IP_TTL);
	ck_assert_int_eq(*CMSG_DATA(k), 33);
}
END_TEST

/* A guest with thousands takes from itself, not from one with a few */
START_TEST(a_greedy_guest_rests_its_own)
{
	struct guest_line *other = stage_line(&stage, "other");
	struct guest *g = other->guest;
	struct guest_circuit *few[5];
	uint16_t port[5];

	stage_attach(&stage, other);
	prepare(other, few, 5);
	prepare(line, circuit, SOCKETS);
	make_scarce();
	for (uint32_t i = 0; i < 5; i++) {
		open_again(few[i]);
		port[i] = round_trip(few[i], i);
	}
	for (uint32_t i = 0; i < SOCKETS; i++) {
		open_again(circuit[i]);
		round_trip(circuit[i], i);
	}
	for (uint32_t i = 0; i < 5; i++)
		ck_assert_uint_eq(round_trip(few[i], i), port[i]);
	stage_detach(&stage, other);
	guest_line_free(other);
	guest_free(g);
}
END_TEST

/* One question from a new socket with this TTL, 0: none. What came with it */
static int ttl_of_question(struct guest_circuit *c, uint8_t ttl,
			   struct sb_address *from)
{
	struct sockaddr_storage sa;
	char control[128], byte;
	struct iovec piece = { &byte, 1 };
	struct msghdr m = { .msg_name = &sa,
			    .msg_namelen = sizeof(sa),
			    .msg_iov = &piece,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof(control) };
	struct cmsghdr *k;

	c->shared->options.set = ttl ? SB_OPTION_TTL : 0;
	c->shared->options.ttl = ttl;
	ck_assert_int_eq(guest_datagram_send(c, &to, "q", 1), 0);
	open_again(c);
	ck_assert(!stage_udp_quiet(far, STAGE_TIMEOUT_MS));
	ck_assert_int_eq(recvmsg(far, &m, 0), 1);
	address_from_sockaddr(from, (struct sockaddr *)&sa);
	k = CMSG_FIRSTHDR(&m);
	ck_assert(k && k->cmsg_type == IP_TTL);
	return *CMSG_DATA(k);
}

static void close_again(struct guest_circuit *c)
{
	guest_circuit_close(c);
	ck_assert_int_eq(
		guest_circuit_wait(c, SB_PEER_CLOSED, STAGE_TIMEOUT_MS), 0);
	ck_assert_int_eq(guest_circuit_recycle(c), 0);
}

/* What one socket had nobody else gets: neither options nor datagrams */
START_TEST(a_spare_socket_is_as_a_new_one)
{
	struct sb_address from, other;
	struct sb_datagram h;
	unsigned int before;
	int on = 1;

	prepare(line, circuit, 2);
	setsockopt(far, IPPROTO_IP, IP_RECVTTL, &on, sizeof(on));
	before = stage_descriptors(stage.proxy);
	ck_assert_int_eq(ttl_of_question(circuit[0], 0, &from), 64);
	/* a question later it is another's, so no descriptor is new */
	ck_assert_uint_le(stage_descriptors(stage.proxy), before);
	close_again(circuit[0]);
	stage_udp_give(far, &from, "late", 4);
	ck_assert_int_eq(ttl_of_question(circuit[1], 0, &other), 64);
	for (int i = 0; i < 3; i++) {
		stage_udp_give(far, &other, "a", 1);
		ck_assert_int_eq(guest_datagram_wait(circuit[1], &h, NULL, 0,
						     STAGE_TIMEOUT_MS),
				 1);
		ck_assert_uint_eq(h.drops, 0);
	}
	close_again(circuit[1]);
	/* one with an option serves only those that have it, too */
	ck_assert_int_eq(ttl_of_question(circuit[0], 33, &from), 33);
	close_again(circuit[0]);
	ck_assert_int_eq(ttl_of_question(circuit[0], 0, &from), 64);
	ck_assert_int_eq(ttl_of_question(circuit[1], 44, &from), 44);
	ck_assert_uint_le(stage_descriptors(stage.proxy), before);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("udp_rest");
	TCase *tcase = tcase_create("rest");

	tcase_set_timeout(tcase, 30);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, more_sockets_than_descriptors);
	tcase_add_test(tcase, a_published_port_does_not_rest);
	tcase_add_test(tcase, options_outlive_a_rest);
	tcase_add_test(tcase, a_greedy_guest_rests_its_own);
	tcase_add_test(tcase, a_spare_socket_is_as_a_new_one);
	suite_add_tcase(suite, tcase);
	return unit_run(suite);
}
