// SPDX-License-Identifier: GPL-2.0-only
/*
 * udp_life.c - proxy-udp: larger circuits, other processes, guests that go
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "services/common/address.h"
#include "tests/local/stage_udp.h"
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

static void expect_record(struct guest_circuit *c, uint32_t size, uint32_t seed)
{
	struct sb_datagram h;

	ck_assert_int_eq(guest_datagram_wait(c, &h, got, sizeof(got),
					     STAGE_TIMEOUT_MS),
			 (int)size);
	ck_assert_uint_eq(h.kind, SB_DATAGRAM_DATA);
	ck_assert_uint_eq(h.flags, 0);
	ck_assert(stage_check(got, size, 0, seed));
}

static void give(int fd, const struct sb_address *to, uint32_t size,
		 uint32_t seed)
{
	stage_fill(bytes, size, 0, seed);
	stage_udp_give(fd, to, bytes, size);
}

START_TEST(a_large_datagram_gets_a_larger_circuit)
{
	struct guest_circuit *small = stage_udp_open(line, 2), *large;
	struct sb_address to, from;
	int fd = stage_udp_socket(SB_FAMILY_IPV6, &to);

	ck_assert_int_eq(guest_datagram_send(small, &to, "", 0), 0);
	stage_udp_allow(&stage, &to);
	stage_udp_take(fd, got, 1, &from);
	give(fd, &from, 100, 1);
	give(fd, &from, SB_DATAGRAM_MAX, 2);
	give(fd, &from, 200, 3);
	unit_until(sb_load(&small->shared->grow_switch));
	ck_assert_uint_eq(small->shared->grow_switch, SB_DATAGRAM_ORDER_FULL);
	/* what is in the old tx goes first, though it came with the new one */
	ck_assert_int_eq(guest_datagram_send(small, &to, "old", 3), 0);
	large = guest_datagram_new(line, SB_DATAGRAM_ORDER_FULL);
	guest_datagram_send(large, &to, "new", 3);
	guest_datagram_exchange(large, small);
	ck_assert_int_eq(
		guest_circuit_wait(large, SB_PEER_OPEN, STAGE_TIMEOUT_MS), 0);
	ck_assert_int_eq(
		guest_circuit_wait(small, SB_PEER_CLOSED, STAGE_TIMEOUT_MS), 0);
	ck_assert_uint_eq(small->shared->error, 0);
	expect_record(small, 100, 1);
	expect_record(large, SB_DATAGRAM_MAX, 2);
	expect_record(large, 200, 3);
	ck_assert_int_eq(stage_udp_take(fd, got, 3, &to), 3);
	ck_assert(memcmp(got, "old", 3) == 0);
	ck_assert_uint_eq(to.port, from.port);
	ck_assert_int_eq(stage_udp_take(fd, got, 3, &to), 3);
	ck_assert(memcmp(got, "new", 3) == 0);
	ck_assert_uint_eq(to.port, from.port);
	ck_assert_int_eq(guest_circuit_recycle(small), 0);
	ck_assert_uint_eq(small->shared->listener, SB_ENTRY_NONE);
	close(fd);
}
END_TEST

START_TEST(a_guest_without_a_larger_circuit_gets_what_fits)
{
	struct guest_circuit *c = stage_udp_open(line, 0);
	struct sb_address to, from;
	struct sb_datagram h;
	int fd = stage_udp_socket(SB_FAMILY_IPV4, &to);

	ck_assert_int_eq(guest_datagram_send(c, &to, "", 0), 0);
	stage_udp_allow(&stage, &to);
	stage_udp_take(fd, got, 1, &from);
	give(fd, &from, 9000, 1);
	give(fd, &from, 10, 2);
	ck_assert_int_eq(guest_datagram_wait(c, &h, got, sizeof(got),
					     STAGE_TIMEOUT_MS),
			 4096 - 64);
	ck_assert_uint_eq(h.flags, SB_DATAGRAM_CUT);
	ck_assert(stage_check(got, 4096 - 64, 0, 1));
	expect_record(c, 10, 2);
	close(fd);
}
END_TEST

START_TEST(sockets_outlive_their_proxy)
{
	struct sb_address own = stage_udp_own(SB_FAMILY_IPV4, 53);
	struct sb_address place = stage_loopback(0), to, from;
	struct guest_circuit *server, *client = stage_udp_open(line, 2);
	struct guest_circuit *waiting = guest_datagram_new(line, 2);
	struct sb_datagram h;
	int fd = stage_udp_socket(SB_FAMILY_IPV4, &to);
	const struct ipc_question *q;

	server = stage_udp_publish(&stage, line, 2, &own, &place);
	place = server->shared->local;
	ck_assert_int_eq(guest_datagram_send(client, &to, "1", 1), 0);
	stage_udp_allow(&stage, &to);
	stage_udp_take(fd, got, 1, &from);
	/* a record that is in rx, and one that the old one never saw */
	give(fd, &place, 300, 1);
	stage_arrived(server, 300);
	kill(stage.proxy, SIGSTOP);
	guest_datagram_send(waiting, &to, "w", 1);
	guest_datagram_offer(waiting, NULL);
	stage_proxy_replace(&stage, line);
	for (int i = 0; i < 2; i++) {
		q = stage_udp_question(&stage);
		stage_udp_verdict(&stage, q, 0,
				  q->kind == IPC_KIND_BIND ? &place : NULL);
	}
	ck_assert_int_eq(stage_udp_take(fd, got, 1, NULL), 1);
	ck_assert_int_eq(got[0], 'w');
	expect_record(server, 300, 1);
	/* the same place; the circuit never left OPEN */
	ck_assert_uint_eq(sb_word_state(guest_circuit_peer(server)),
			  SB_PEER_OPEN);
	/* not before the new process has bound it */
	do {
		give(fd, &place, 400, 2);
	} while (guest_datagram_wait(server, &h, got, 400, 20) != 400);
	ck_assert(stage_check(got, 400, 0, 2));
	stage_udp_pass(client, fd, &to, "2", 1);
	guest_circuit_close(client);
	ck_assert_int_eq(guest_circuit_wait(client, SB_PEER_CLOSED,
					    STAGE_TIMEOUT_MS),
			 0);
	close(fd);
}
END_TEST

/* Its predecessor's last word stands, whatever the guest's still says */
START_TEST(what_has_ended_does_not_begin_again)
{
	struct guest_circuit *c = guest_datagram_new(line, 2);

	guest_datagram_offer(c, &(struct sb_address){ .family = 9 });
	ck_assert_int_eq(guest_circuit_wait(c, SB_PEER_OPEN, STAGE_TIMEOUT_MS),
			 -EPROTO);
	stage_proxy_replace(&stage, line);
	for (int i = 0; i < 10; i++) {
		guest_line_ring(line, c->entry);
		guest_line_wait(line, 5);
	}
	ck_assert_uint_eq(sb_word_state(guest_circuit_peer(c)), SB_PEER_CLOSED);
	ck_assert_uint_eq(c->shared->error, EPROTO);
	ck_assert_int_eq(guest_circuit_recycle(c), 0);
}
END_TEST

START_TEST(a_proxy_that_dies_often_loses_no_record_in_a_ring)
{
	struct guest_circuit *c = stage_udp_open(line, 2);
	struct sb_address to;
	uint32_t number;
	int fd = stage_udp_socket(SB_FAMILY_IPV4, &to);

	for (uint32_t i = 0; i < 8; i++) {
		kill(stage.proxy, SIGSTOP);
		for (uint32_t n = 0; n < 4; n++) {
			number = i * 4 + n;
			ck_assert_int_eq(guest_datagram_send(c, &to, &number,
							     sizeof(number)),
					 0);
		}
		stage_proxy_replace(&stage, line);
		stage_udp_allow(&stage, &to);
		for (uint32_t n = 0; n < 4; n++) {
			stage_udp_take(fd, &number, sizeof(number), NULL);
			ck_assert_uint_eq(number, i * 4 + n);
		}
		/* killed before it says so it would send them once more */
		unit_until(sb_writer_space(&c->writer) == c->writer.size);
	}
	close(fd);
}
END_TEST

START_TEST(a_guest_that_vanishes_leaves_nothing)
{
	struct guest_line *l = stage_line(&stage, "gone");
	unsigned int before = stage_descriptors(stage.proxy);
	struct guest *g = l->guest;
	struct sb_address to;
	int fd = stage_udp_socket(SB_FAMILY_IPV4, &to);

	stage_attach(&stage, l);
	for (int i = 0; i < 50; i++) {
		struct guest_circuit *c = stage_udp_open(l, 0);

		guest_datagram_send(c, &to, "x", 1);
	}
	stage_udp_question(&stage);
	stage_detach(&stage, l);
	unit_until(stage_descriptors(stage.proxy) <= before + 2);
	guest_line_free(l);
	guest_free(g);
	close(fd);
}
END_TEST

START_TEST(idle_sockets_cost_no_cpu)
{
	struct sb_address own = stage_udp_own(SB_FAMILY_IPV4, 53);
	struct sb_address place = stage_loopback(0);

	for (int i = 0; i < 20; i++) {
		own.port = (uint16_t)(100 + i);
		stage_udp_publish(&stage, line, 0, &own, &place);
	}
	stage_rests(stage.proxy);
}
END_TEST

/* More than the ring has room for, and the guest does not read */
static void flood(struct guest_circuit *c, int fd, const struct sb_address *to)
{
	struct sb_address from = stage_udp_pass(c, fd, to, "", 0);

	for (uint32_t i = 0; i < 40; i++)
		give(fd, &from, 1000, i);
}

START_TEST(sockets_that_are_not_read_cost_no_cpu)
{
	struct guest_circuit *c = stage_udp_open(line, 0);
	struct sb_address to;
	int fd = stage_udp_socket(SB_FAMILY_IPV4, &to);

	ck_assert_int_eq(guest_datagram_send(c, &to, "", 0), 0);
	stage_udp_allow(&stage, &to);
	stage_udp_take(fd, got, 1, NULL);
	flood(c, fd, &to);
	stage_rests(stage.proxy);
	for (uint32_t i = 0; i < 40; i++)
		expect_record(c, 1000, i);
	/* and one by one, as they come */
	for (uint32_t i = 0; i < 3; i++) {
		struct sb_address from = stage_udp_pass(c, fd, &to, "", 0);

		give(fd, &from, 10, i);
		expect_record(c, 10, i);
	}
	close(fd);
}
END_TEST

START_TEST(sockets_whose_guest_takes_no_more_cost_no_cpu)
{
	struct guest_circuit *c = stage_udp_open(line, 0);
	struct sb_address to;
	int fd = stage_udp_socket(SB_FAMILY_IPV4, &to);

	ck_assert_int_eq(guest_datagram_send(c, &to, "", 0), 0);
	stage_udp_allow(&stage, &to);
	stage_udp_take(fd, got, 1, NULL);
	guest_circuit_publish(c, SB_OWNER_OFFERED | SB_WORD_STOP);
	flood(c, fd, &to);
	stage_rests(stage.proxy);
	close(fd);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("udp_life");
	TCase *tcase = tcase_create("life");

	tcase_set_timeout(tcase, 30);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_large_datagram_gets_a_larger_circuit);
	tcase_add_test(tcase, a_guest_without_a_larger_circuit_gets_what_fits);
	tcase_add_test(tcase, sockets_outlive_their_proxy);
	tcase_add_test(tcase,
		       a_proxy_that_dies_often_loses_no_record_in_a_ring);
	tcase_add_test(tcase, what_has_ended_does_not_begin_again);
	tcase_add_test(tcase, a_guest_that_vanishes_leaves_nothing);
	tcase_add_test(tcase, idle_sockets_cost_no_cpu);
	tcase_add_test(tcase, sockets_that_are_not_read_cost_no_cpu);
	tcase_add_test(tcase, sockets_whose_guest_takes_no_more_cost_no_cpu);
	suite_add_tcase(suite, tcase);
	return unit_run(suite);
}
