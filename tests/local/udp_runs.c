// SPDX-License-Identifier: GPL-2.0-only
/*
 * udp_runs.c - proxy-udp: records that go through the network stack together
 *
 * A receiver that asks for it (UDP_GRO) gets what was one message as one: so
 * it sees which records were. Records wait in the ring for a verdict, so that
 * the proxy finds all of them there.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
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
static uint8_t bytes[65536], got[65536];

static void setup(void)
{
	line = stage_open_attached_udp(&stage);
}

static void teardown(void)
{
	stage_close_attached(&stage, line);
}

static int open_joiner(uint16_t family, struct sb_address *at)
{
	int fd = stage_udp_socket(family, at), on = 1;

	ck_assert_int_eq(setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof(on)), 0);
	return fd;
}

/* One message. Return: its bytes; @segment: of what it consists, 0: of itself */
static int take(int fd, int *segment)
{
	char control[CMSG_SPACE(sizeof(int))];
	struct iovec piece = { got, sizeof(got) };
	struct msghdr m = { .msg_iov = &piece,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof(control) };
	struct cmsghdr *c;
	ssize_t size;

	ck_assert_msg(!stage_udp_quiet(fd, STAGE_TIMEOUT_MS), "no datagram");
	size = recvmsg(fd, &m, 0);
	ck_assert_int_ge(size, 0);
	*segment = 0;
	c = CMSG_FIRSTHDR(&m);
	if (c && c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO)
		memcpy(segment, CMSG_DATA(c), sizeof(*segment));
	return (int)size;
}

/* A record whose bytes say which it is, and how it is to be sent */
static void put(struct guest_circuit *c, const struct sb_address *to,
		uint32_t size, uint32_t seed, uint8_t hops)
{
	struct sb_datagram h = { .kind = SB_DATAGRAM_DATA,
				 .bytes = size,
				 .remote = *to,
				 .hops = hops,
				 .flags = hops ? SB_DATAGRAM_HOPS : 0 };

	stage_fill(bytes, size, 0, seed);
	ck_assert_int_eq(guest_datagram_put(c, &h, bytes), 0);
}

/* A message of @count records of @size bytes, then one of @last, if any */
static void expect_run(int fd, int count, int size, int last, uint32_t seed)
{
	int segment, whole = take(fd, &segment);
	int records = count + (last > 0);

	ck_assert_int_eq(whole, count * size + last);
	ck_assert_int_eq(segment, records > 1 ? size : 0);
	for (int i = 0; i < records; i++)
		ck_assert(stage_check(got + (size_t)(i * size),
				      (size_t)(i < count ? size : last), 0,
				      seed + (uint32_t)i));
}

static void equal_records(uint16_t family)
{
	struct guest_circuit *c = guest_datagram_new(line, 2);
	struct sb_address to;
	int fd = open_joiner(family, &to);

	for (uint32_t i = 0; i < 6; i++)
		put(c, &to, 1400, i, 0);
	put(c, &to, 300, 6, 0);
	/* what comes behind a shorter one is another run */
	put(c, &to, 300, 7, 0);
	guest_datagram_offer(c, NULL);
	stage_udp_allow(&stage, &to);
	expect_run(fd, 6, 1400, 300, 0);
	expect_run(fd, 1, 300, 0, 7);
	close(fd);
}

START_TEST(equal_records_are_one_message)
{
	equal_records(SB_FAMILY_IPV4);
	equal_records(SB_FAMILY_IPV6);
}
END_TEST

START_TEST(other_options_are_another_message)
{
	struct guest_circuit *c = guest_datagram_new(line, 2);
	static const uint8_t hops[] = { 0, 0, 9, 9, 9, 0, 10, 11 };
	struct sb_address to;
	int fd = open_joiner(SB_FAMILY_IPV4, &to);

	for (uint32_t i = 0; i < sizeof(hops); i++)
		put(c, &to, 100, i, hops[i]);
	guest_datagram_offer(c, NULL);
	stage_udp_allow(&stage, &to);
	expect_run(fd, 2, 100, 0, 0);
	expect_run(fd, 3, 100, 0, 2);
	for (uint32_t i = 5; i < sizeof(hops); i++)
		expect_run(fd, 1, 100, 0, i);
	close(fd);
}
END_TEST

START_TEST(other_destinations_are_another_message)
{
	struct guest_circuit *c = guest_datagram_new(line, 2);
	struct sb_address to[2];
	int fd[2];

	for (int i = 0; i < 2; i++)
		fd[i] = open_joiner(SB_FAMILY_IPV4, &to[i]);
	for (uint32_t i = 0; i < 8; i++)
		put(c, &to[i / 2 % 2], 200, i, 0);
	guest_datagram_offer(c, NULL);
	stage_udp_allow(&stage, &to[0]);
	stage_udp_allow(&stage, &to[1]);
	for (uint32_t i = 0; i < 8; i += 2)
		expect_run(fd[i / 2 % 2], 2, 200, 0, i);
	for (int i = 0; i < 2; i++)
		close(fd[i]);
}
END_TEST

START_TEST(empty_datagrams_are_sent_by_themselves)
{
	static const uint32_t size[] = { 0, 0, 50, 50, 0, 50, 0 };
	struct guest_circuit *c = guest_datagram_new(line, 2);
	struct sb_address to;
	int fd = open_joiner(SB_FAMILY_IPV4, &to);

	for (uint32_t i = 0; i < 7; i++)
		put(c, &to, size[i], i, 0);
	guest_datagram_offer(c, NULL);
	stage_udp_allow(&stage, &to);
	expect_run(fd, 1, 0, 0, 0);
	expect_run(fd, 1, 0, 0, 1);
	expect_run(fd, 2, 50, 0, 2);
	expect_run(fd, 1, 0, 0, 4);
	expect_run(fd, 1, 50, 0, 5);
	expect_run(fd, 1, 0, 0, 6);
	close(fd);
}
END_TEST

/* A packet has a length of 16 bits */
START_TEST(long_runs_are_several_messages)
{
	struct guest_circuit *c = guest_datagram_new(line, SB_ORDER_MAX);
	struct sb_address to;
	int fd = open_joiner(SB_FAMILY_IPV4, &to);

	for (uint32_t i = 0; i < 10; i++)
		put(c, &to, 9000, i, 0);
	guest_datagram_offer(c, NULL);
	stage_udp_allow(&stage, &to);
	expect_run(fd, 7, 9000, 0, 0);
	expect_run(fd, 3, 9000, 0, 7);
	close(fd);
}
END_TEST

/* Whatever the lengths and options, an ordinary receiver gets each, in order */
START_TEST(records_of_all_kinds_arrive_whole)
{
	struct guest_circuit *c = stage_udp_open(line, 2);
	struct random random = random_seed(11);
	struct sb_address to;
	uint32_t size[40];
	int fd = stage_udp_socket(SB_FAMILY_IPV4, &to);

	ck_assert_int_eq(guest_datagram_send(c, &to, "", 0), 0);
	stage_udp_allow(&stage, &to);
	stage_udp_take(fd, got, 1, NULL);
	for (int round = 0; round < 100; round++) {
		uint32_t alike = random_below(&random, 300), n;

		for (n = 0; n < 40; n++) {
			size[n] = random_below(&random, 4)
					  ? alike
					  : random_below(&random, 300);
			put(c, &to, size[n], n,
			    random_below(&random, 8) ? 0 : 7);
		}
		for (n = 0; n < 40; n++) {
			ck_assert_int_eq(stage_udp_take(fd, got, sizeof(got),
							NULL),
					 (int)size[n]);
			ck_assert(stage_check(got, size[n], 0, n));
		}
	}
	close(fd);
}
END_TEST

/* Nobody is there: each record is told, and none is sent twice */
START_TEST(an_error_is_of_one_record)
{
	struct guest_circuit *c = guest_datagram_new(line, 2);
	struct sb_address nobody, to;
	int fd = stage_udp_socket(SB_FAMILY_IPV4, &nobody), other;
	struct sb_datagram h;

	close(fd);
	other = stage_udp_socket(SB_FAMILY_IPV4, &to);
	for (uint32_t i = 0; i < 3; i++)
		put(c, &nobody, 100, i, 0);
	for (uint32_t i = 0; i < 6; i++)
		put(c, &to, 100, i, 0);
	guest_datagram_offer(c, NULL);
	stage_udp_allow(&stage, &nobody);
	stage_udp_allow(&stage, &to);
	ck_assert_int_ge(guest_datagram_wait(c, &h, got, sizeof(got), 2000), 0);
	ck_assert_uint_eq(h.kind, SB_DATAGRAM_ERROR_ICMP);
	ck_assert_uint_eq(h.error, ECONNREFUSED);
	for (uint32_t i = 0; i < 6; i++) {
		ck_assert_int_eq(stage_udp_take(other, got, 200, NULL), 100);
		ck_assert(stage_check(got, 100, 0, i));
	}
	put(c, &to, 7, 1, 0);
	ck_assert_int_eq(stage_udp_take(other, got, 200, NULL), 7);
	close(other);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("udp_runs");
	TCase *tcase = tcase_create("runs");

	tcase_set_timeout(tcase, 30);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, equal_records_are_one_message);
	tcase_add_test(tcase, other_options_are_another_message);
	tcase_add_test(tcase, other_destinations_are_another_message);
	tcase_add_test(tcase, empty_datagrams_are_sent_by_themselves);
	tcase_add_test(tcase, long_runs_are_several_messages);
	tcase_add_test(tcase, records_of_all_kinds_arrive_whole);
	tcase_add_test(tcase, an_error_is_of_one_record);
	suite_add_tcase(suite, tcase);
	return unit_run(suite);
}
