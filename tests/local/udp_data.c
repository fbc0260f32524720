// SPDX-License-Identifier: GPL-2.0-only
/*
 * udp_data.c - proxy-udp: datagrams both ways, whole, in order, told truly
 *
 * CASES 10, short flows; 19, options of a socket that is open; 33, lengths.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "services/common/address.h"
#include "tests/local/stage_udp.h"
#include "tests/unit/random.h"
#include "tests/unit/unit.h"

static struct stage stage;
static struct guest_line *line;

static void setup(void)
{
	line = stage_open_attached_udp(&stage);
}

static void teardown(void)
{
	stage_close_attached(&stage, line);
}

static void ask_and_answer(uint16_t family)
{
	struct guest_circuit *c = guest_datagram_new(line, 2);
	struct sb_address to, from;
	struct sb_datagram h;
	char text[16];
	int fd = stage_udp_socket(family, &to);

	/* the question is in the ring before the socket is asked for */
	ck_assert_int_eq(guest_datagram_send(c, &to, "query", 5), 0);
	guest_datagram_offer(c, NULL);
	stage_udp_allow(&stage, &to);
	ck_assert_int_eq(stage_udp_take(fd, text, 16, &from), 5);
	ck_assert(memcmp(text, "query", 5) == 0);
	stage_udp_give(fd, &from, "answer", 6);
	ck_assert_int_eq(guest_datagram_wait(c, &h, text, 16, STAGE_TIMEOUT_MS),
			 6);
	ck_assert(memcmp(text, "answer", 6) == 0);
	ck_assert_uint_eq(h.kind, SB_DATAGRAM_DATA);
	ck_assert_uint_eq(h.remote.port, to.port);
	ck_assert_uint_eq(h.remote.family, family);
	ck_assert_uint_eq(h.flags, 0);
	ck_assert_int_eq(guest_circuit_wait(c, SB_PEER_OPEN, STAGE_TIMEOUT_MS),
			 0);
	guest_circuit_close(c);
	ck_assert_int_eq(
		guest_circuit_wait(c, SB_PEER_CLOSED, STAGE_TIMEOUT_MS), 0);
	ck_assert_uint_eq(c->shared->error, 0);
	close(fd);
}

START_TEST(query_and_answer_ipv4)
{
	ask_and_answer(SB_FAMILY_IPV4);
}
END_TEST

START_TEST(query_and_answer_ipv6)
{
	ask_and_answer(SB_FAMILY_IPV6);
}
END_TEST

START_TEST(one_socket_talks_to_both_families)
{
	struct guest_circuit *c = stage_udp_open(line, 2);
	struct sb_address to4, to6, mapped;
	int fd4 = stage_udp_socket(SB_FAMILY_IPV4, &to4);
	int fd6 = stage_udp_socket(SB_FAMILY_IPV6, &to6);

	ck_assert_int_eq(guest_datagram_send(c, &to4, "4", 1), 0);
	ck_assert_int_eq(guest_datagram_send(c, &to6, "6", 1), 0);
	stage_udp_allow(&stage, &to4);
	stage_udp_allow(&stage, &to6);
	ck_assert_int_eq(stage_udp_take(fd4, &mapped, 1, NULL), 1);
	ck_assert_int_eq(stage_udp_take(fd6, &mapped, 1, NULL), 1);
	/* a mapped address is the IPv4 address, and so is its verdict */
	mapped = (struct sb_address){ .family = SB_FAMILY_IPV6,
				      .port = to4.port };
	memset(&mapped.bytes[10], 0xff, 2);
	memcpy(&mapped.bytes[12], to4.bytes, 4);
	stage_udp_pass(c, fd4, &mapped, "mapped", 6);
	ck_assert(stage_quiet(&stage, 20));
	close(fd4);
	close(fd6);
}
END_TEST

START_TEST(sizes_both_ways)
{
	static const uint32_t sizes[] = { 0,   1,    63,   64,	 65,   127,
					  128, 1400, 4096, 8000, 9000, 16320 };
	struct guest_circuit *c = stage_udp_open(line, 2);
	static uint8_t bytes[65536], got[65536];
	struct sb_address to, from;
	struct sb_datagram h;
	int fd = stage_udp_socket(SB_FAMILY_IPV4, &to);

	ck_assert_int_eq(guest_datagram_send(c, &to, "", 0), 0);
	stage_udp_allow(&stage, &to);
	ck_assert_int_eq(stage_udp_take(fd, got, 1, NULL), 0);
	/* more than once, so that each is somewhere else in the ring */
	for (unsigned int i = 0; i < 60; i++) {
		uint32_t size = sizes[i % 12];

		stage_fill(bytes, size, 0, i);
		from = stage_udp_pass(c, fd, &to, bytes, size);
		stage_udp_give(fd, &from, bytes, size);
		ck_assert_int_eq(guest_datagram_wait(c, &h, got, sizeof(got),
						     STAGE_TIMEOUT_MS),
				 (int)size);
		ck_assert_uint_eq(h.bytes, size);
		ck_assert(stage_check(got, size, 0, i));
	}
	close(fd);
}
END_TEST

/* Bursts of mixed lengths: whatever was expected of them, all arrive whole */
static void burst(struct guest_circuit *c, int fd, const struct sb_address *to,
		  const struct sb_address *from, struct random *random)
{
	static uint8_t bytes[4096], got[4096];
	unsigned int count = 1 + random_below(random, 20);
	uint32_t size[20], seed = random_below(random, 1 << 30);
	struct sb_datagram h;

	for (unsigned int i = 0; i < count; i++) {
		size[i] = random_below(random, i % 3 ? 200 : 2500);
		stage_fill(bytes, size[i], 0, seed + i);
		stage_udp_give(fd, from, bytes, size[i]);
	}
	for (unsigned int i = 0; i < count; i++) {
		ck_assert_int_eq(guest_datagram_wait(c, &h, got, sizeof(got),
						     STAGE_TIMEOUT_MS),
				 (int)size[i]);
		ck_assert(stage_check(got, size[i], 0, seed + i));
		ck_assert_uint_eq(h.drops, 0);
		while (guest_datagram_send(c, to, got, size[i]))
			guest_line_wait(line, 10);
	}
	for (unsigned int i = 0; i < count; i++) {
		ck_assert_int_eq(stage_udp_take(fd, got, sizeof(got), NULL),
				 (int)size[i]);
		ck_assert(stage_check(got, size[i], 0, seed + i));
	}
}

START_TEST(bursts_of_all_lengths)
{
	struct guest_circuit *c = stage_udp_open(line, 2);
	struct random random = random_seed(7);
	struct sb_address to, from;
	char byte;
	int fd = stage_udp_socket(SB_FAMILY_IPV4, &to);

	ck_assert_int_eq(guest_datagram_send(c, &to, "", 0), 0);
	stage_udp_allow(&stage, &to);
	stage_udp_take(fd, &byte, 1, &from);
	for (int i = 0; i < 200; i++)
		burst(c, fd, &to, &from, &random);
	close(fd);
}
END_TEST

START_TEST(largest_datagrams)
{
	struct guest_circuit *c = stage_udp_open(line, SB_DATAGRAM_ORDER_FULL);
	static uint8_t bytes[65536], got[65536];
	static const struct {
		uint16_t family;
		uint32_t size;
	} largest[] = { { SB_FAMILY_IPV4, SB_DATAGRAM_MAX_IPV4 },
			{ SB_FAMILY_IPV6, SB_DATAGRAM_MAX } };
	struct sb_address to, from;
	struct sb_datagram h;

	for (int i = 0; i < 2; i++) {
		uint32_t size = largest[i].size;
		int fd = stage_udp_socket(largest[i].family, &to);

		ck_assert_int_eq(guest_datagram_send(c, &to, "", 0), 0);
		stage_udp_allow(&stage, &to);
		stage_udp_take(fd, got, 1, NULL);
		for (uint32_t round = 0; round < 5; round++) {
			stage_fill(bytes, size, 0, round);
			from = stage_udp_pass(c, fd, &to, bytes, size);
			stage_udp_give(fd, &from, bytes, size);
			ck_assert_int_eq(guest_datagram_wait(c, &h, got,
							     sizeof(got),
							     STAGE_TIMEOUT_MS),
					 (int)size);
			ck_assert(stage_check(got, size, 0, round));
		}
		/* a byte more is the guest's mistake, and told */
		if (largest[i].family == SB_FAMILY_IPV4) {
			ck_assert_int_eq(guest_datagram_send(c, &to, bytes,
							     size + 1),
					 0);
			ck_assert_int_ge(guest_datagram_wait(c, &h, got,
							     sizeof(got),
							     STAGE_TIMEOUT_MS),
					 0);
			ck_assert_uint_eq(h.kind, SB_DATAGRAM_ERROR_LOCAL);
			ck_assert_uint_eq(h.error, EMSGSIZE);
		}
		close(fd);
	}
}
END_TEST

START_TEST(many_sockets_at_once)
{
	enum { SOCKETS = 500 };
	static struct guest_circuit *c[SOCKETS];
	struct sb_address to, from;
	struct sb_datagram h;
	uint32_t number;
	int fd = stage_udp_socket(SB_FAMILY_IPV4, &to);

	for (uint32_t i = 0; i < SOCKETS; i++) {
		c[i] = guest_datagram_new(line, 0);
		guest_datagram_send(c[i], &to, &i, sizeof(i));
		guest_datagram_offer(c[i], NULL);
		if (i == 0)
			stage_udp_allow(&stage, &to);
		ck_assert_int_eq(stage_udp_take(fd, &number, sizeof(number),
						&from),
				 sizeof(number));
		stage_udp_give(fd, &from, &number, sizeof(number));
	}
	/* one question was enough, and each has its own answer */
	ck_assert(stage_quiet(&stage, 1));
	for (uint32_t i = 0; i < SOCKETS; i++) {
		ck_assert_int_eq(guest_datagram_wait(c[i], &h, &number,
						     sizeof(number),
						     STAGE_TIMEOUT_MS),
				 sizeof(number));
		ck_assert_uint_eq(number, i);
		guest_circuit_close(c[i]);
	}
	for (uint32_t i = 0; i < SOCKETS; i++)
		ck_assert_int_eq(guest_circuit_wait(c[i], SB_PEER_CLOSED,
						    STAGE_TIMEOUT_MS),
				 0);
	ck_assert_uint_le(stage_descriptors(stage.proxy), 40);
	close(fd);
}
END_TEST

START_TEST(short_flows_leave_nothing_behind)
{
	struct guest_circuit *c = guest_datagram_new(line, 2);
	unsigned int descriptors = 0;
	struct sb_address to;
	char byte;
	int fd = stage_udp_socket(SB_FAMILY_IPV4, &to);

	for (int i = 0; i < 500; i++) {
		guest_datagram_send(c, &to, "q", 1);
		guest_datagram_offer(c, NULL);
		if (i == 0)
			stage_udp_allow(&stage, &to);
		guest_circuit_close(c);
		ck_assert_int_eq(stage_udp_take(fd, &byte, 1, NULL), 1);
		ck_assert_int_eq(guest_circuit_wait(c, SB_PEER_CLOSED,
						    STAGE_TIMEOUT_MS),
				 0);
		ck_assert_int_eq(guest_circuit_recycle(c), 0);
		if (i == 10)
			descriptors = stage_descriptors(stage.proxy);
	}
	ck_assert_uint_le(stage_descriptors(stage.proxy), descriptors);
	ck_assert_int_eq(guest_circuit_revoke(c, STAGE_TIMEOUT_MS), 0);
	close(fd);
}
END_TEST

START_TEST(what_came_with_a_datagram_is_told_when_asked_for)
{
	struct guest_circuit *c = stage_udp_open(line, 2);
	int tos = 0x28, ttl = 33;
	struct sb_address to, from;
	struct sb_datagram h;
	char byte;
	int fd = stage_udp_socket(SB_FAMILY_IPV4, &to);

	c->shared->options.set =
		SB_OPTION_LOCAL | SB_OPTION_RECVHOPS | SB_OPTION_RECVTOS;
	c->shared->options.flags = c->shared->options.set;
	guest_datagram_options(c, true);
	guest_datagram_send(c, &to, "", 0);
	stage_udp_allow(&stage, &to);
	stage_udp_take(fd, &byte, 1, &from);
	setsockopt(fd, IPPROTO_IP, IP_TOS, &tos, sizeof(tos));
	setsockopt(fd, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl));
	stage_udp_give(fd, &from, "x", 1);
	ck_assert_int_eq(guest_datagram_wait(c, &h, &byte, 1, STAGE_TIMEOUT_MS),
			 1);
	ck_assert_uint_eq(h.flags, SB_DATAGRAM_LOCAL | SB_DATAGRAM_INTERFACE |
					   SB_DATAGRAM_HOPS | SB_DATAGRAM_TOS);
	ck_assert_uint_eq(h.hops, 33);
	ck_assert_uint_eq(h.tos, 0x28);
	ck_assert_uint_eq(h.interface, 1);
	ck_assert(memcmp(h.local, from.bytes, 4) == 0);
	close(fd);
}
END_TEST

START_TEST(hops_and_tos_of_one_datagram)
{
	struct guest_circuit *c = stage_udp_open(line, 2);
	struct sb_datagram h = { .kind = SB_DATAGRAM_DATA, .bytes = 1 };
	char control[128], byte = 'x';
	struct iovec piece = { &byte, 1 };
	struct msghdr m = { .msg_iov = &piece, .msg_iovlen = 1 };
	int on = 1, seen = 0;
	int fd = stage_udp_socket(SB_FAMILY_IPV4, &h.remote);

	setsockopt(fd, IPPROTO_IP, IP_RECVTTL, &on, sizeof(on));
	setsockopt(fd, IPPROTO_IP, IP_RECVTOS, &on, sizeof(on));
	h.flags = SB_DATAGRAM_HOPS | SB_DATAGRAM_TOS;
	h.hops = 7;
	h.tos = 0x10;
	ck_assert_int_eq(guest_datagram_put(c, &h, &byte), 0);
	stage_udp_allow(&stage, &h.remote);
	ck_assert(!stage_udp_quiet(fd, STAGE_TIMEOUT_MS));
	m.msg_control = control;
	m.msg_controllen = sizeof(control);
	ck_assert_int_eq(recvmsg(fd, &m, 0), 1);
	for (struct cmsghdr *k = CMSG_FIRSTHDR(&m); k; k = CMSG_NXTHDR(&m, k)) {
		seen += k->cmsg_type == IP_TTL && *CMSG_DATA(k) == 7;
		seen += k->cmsg_type == IP_TOS && *CMSG_DATA(k) == 0x10;
	}
	ck_assert_int_eq(seen, 2);
	close(fd);
}
END_TEST

START_TEST(strangers_are_not_let_in)
{
	struct guest_circuit *c = stage_udp_open(line, 2);
	struct sb_address to, from, other;
	struct sb_datagram h;
	char byte;
	int fd = stage_udp_socket(SB_FAMILY_IPV4, &to);
	int stranger = stage_udp_socket(SB_FAMILY_IPV6, &other);
	int neighbour = stage_udp_socket(SB_FAMILY_IPV4, &other);

	guest_datagram_send(c, &to, "", 0);
	stage_udp_allow(&stage, &to);
	stage_udp_take(fd, &byte, 1, &from);
	/* another address: ::1 to the same socket */
	other = (struct sb_address){ .family = SB_FAMILY_IPV6,
				     .port = from.port };
	other.bytes[15] = 1;
	stage_udp_give(stranger, &other, "s", 1);
	/* another port of an address that the guest talks to may answer */
	stage_udp_give(neighbour, &from, "n", 1);
	ck_assert_int_eq(guest_datagram_wait(c, &h, &byte, 1, STAGE_TIMEOUT_MS),
			 1);
	ck_assert_int_eq(byte, 'n');
	ck_assert_int_eq(guest_datagram_wait(c, &h, &byte, 1, 50), -ETIMEDOUT);
	close(fd);
	close(stranger);
	close(neighbour);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("udp_data");
	TCase *tcase = tcase_create("data");

	tcase_set_timeout(tcase, 30);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, query_and_answer_ipv4);
	tcase_add_test(tcase, query_and_answer_ipv6);
	tcase_add_test(tcase, one_socket_talks_to_both_families);
	tcase_add_test(tcase, sizes_both_ways);
	tcase_add_test(tcase, bursts_of_all_lengths);
	tcase_add_test(tcase, largest_datagrams);
	tcase_add_test(tcase, many_sockets_at_once);
	tcase_add_test(tcase, short_flows_leave_nothing_behind);
	tcase_add_test(tcase, what_came_with_a_datagram_is_told_when_asked_for);
	tcase_add_test(tcase, hops_and_tos_of_one_datagram);
	tcase_add_test(tcase, strangers_are_not_let_in);
	suite_add_tcase(suite, tcase);
	return unit_run(suite);
}
