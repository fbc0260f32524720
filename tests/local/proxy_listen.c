// SPDX-License-Identifier: GPL-2.0-only
/*
 * proxy_listen.c - a guest listens through proxy-tcp
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/local/stage.h"
#include "tests/unit/unit.h"

static struct stage stage;
static struct guest_line *line;

static void setup(void)
{
	line = stage_open_attached(&stage);
}

static void teardown(void)
{
	stage_close_attached(&stage, line);
}

/* A listener on a free port of the loopback */
static struct guest_circuit *listen_somewhere(uint16_t *port)
{
	struct guest_circuit *listener = guest_listener_new(line);
	struct sb_address any = stage_loopback(0);

	guest_circuit_offer(listener);
	stage_listen(&stage, listener, &any);
	ck_assert_int_eq(guest_circuit_wait(listener, SB_PEER_OPEN,
					    STAGE_TIMEOUT_MS),
			 0);
	*port = listener->shared->local.port;
	ck_assert_uint_ne(*port, 0);
	return listener;
}

static struct guest_circuit *post(const struct guest_circuit *listener)
{
	struct guest_circuit *c = guest_circuit_new(line, 2);

	ck_assert_ptr_nonnull(c);
	guest_circuit_post(c, listener);
	return c;
}

START_TEST(posted_circuits_are_accepted_into_in_order)
{
	uint16_t port;
	struct guest_circuit *listener = listen_somewhere(&port), *c[3];
	char text[2] = { 0 };
	int fd[3];

	for (int i = 0; i < 3; i++)
		c[i] = post(listener);
	for (int i = 0; i < 3; i++) {
		text[0] = '0' + i;
		fd[i] = stage_dial(port);
		ck_assert_int_eq(write(fd[i], text, 1), 1);
		ck_assert_int_eq(guest_circuit_wait(c[i], SB_PEER_OPEN,
						    STAGE_TIMEOUT_MS),
				 0);
	}
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(guest_circuit_receive_all(c[i], text, 1,
							   STAGE_TIMEOUT_MS),
				 0);
		ck_assert_int_eq(text[0], '0' + i);
		ck_assert_int_eq(guest_circuit_send(c[i], "y", 1), 1);
		ck_assert_int_eq(read(fd[i], text, 1), 1);
		ck_assert_uint_eq(c[i]->shared->local.port, port);
		ck_assert_uint_ne(c[i]->shared->remote.port, 0);
	}
}
END_TEST

static int dial_ipv6(uint16_t port)
{
	struct sockaddr_in6 sa = { .sin6_family = AF_INET6,
				   .sin6_port = htons(port),
				   .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

/* What a socket on both families asks for, where a rule says `::` */
START_TEST(a_listener_at_every_address_takes_both_families)
{
	struct guest_circuit *listener = guest_listener_new(line), *c[2];
	struct sb_address every = { .family = SB_FAMILY_IPV6 };
	uint16_t port;
	int fd[2];

	guest_circuit_offer(listener);
	stage_listen(&stage, listener, &every);
	ck_assert_int_eq(guest_circuit_wait(listener, SB_PEER_OPEN,
					    STAGE_TIMEOUT_MS),
			 0);
	port = listener->shared->local.port;
	c[0] = post(listener);
	fd[0] = stage_dial(port);
	ck_assert_int_eq(
		guest_circuit_wait(c[0], SB_PEER_OPEN, STAGE_TIMEOUT_MS), 0);
	c[1] = post(listener);
	fd[1] = dial_ipv6(port);
	ck_assert_int_eq(
		guest_circuit_wait(c[1], SB_PEER_OPEN, STAGE_TIMEOUT_MS), 0);
	/* the first is told of as Linux does, as ::ffff:127.0.0.1 */
	ck_assert_uint_eq(c[0]->shared->remote.family, SB_FAMILY_IPV6);
	ck_assert_mem_eq(c[0]->shared->remote.bytes + 10, "\xff\xff\x7f\0\0\1",
			 6);
	ck_assert_uint_eq(c[1]->shared->remote.bytes[15], 1);
	ck_assert_uint_eq(c[1]->shared->remote.bytes[12], 0);
	close(fd[0]);
	close(fd[1]);
}
END_TEST

/*
 * One with a place for each family, whose ports the proxy chooses: what the
 * guest is told of is the IPv6 one, the operator is told of both
 */
static struct guest_circuit *listen_at_both(uint16_t *six, uint16_t *four)
{
	static struct ipc_message list = { .type = IPC_ORDER_LIST };
	struct guest_circuit *listener = guest_listener_new(line);
	struct sb_address at = { .family = SB_FAMILY_IPV6,
				 .bytes = { [15] = 1 } };
	struct sb_address other = stage_loopback(0);
	const struct ipc_listen *told;

	guest_circuit_offer(listener);
	stage_listen_both(&stage, listener, &at, &other);
	ck_assert_int_eq(guest_circuit_wait(listener, SB_PEER_OPEN,
					    STAGE_TIMEOUT_MS),
			 0);
	stage_order(&stage, &list);
	told = &stage_expect(&stage, IPC_REPORT_LISTENING)->listen;
	ck_assert_uint_eq(told->local.port, listener->shared->local.port);
	ck_assert_uint_eq(told->other.family, SB_FAMILY_IPV4);
	ck_assert_uint_eq(told->other.bytes[0], 127);
	*six = told->local.port;
	*four = told->other.port;
	return listener;
}

START_TEST(a_listener_may_have_a_place_for_each_family)
{
	uint16_t port[2];
	struct guest_circuit *listener = listen_at_both(&port[0], &port[1]);
	struct guest_circuit *c[4];
	int fd[4];

	for (int i = 0; i < 4; i++) {
		fd[i] = i % 2 ? stage_dial(port[1]) : dial_ipv6(port[0]);
		c[i] = post(listener);
		ck_assert_int_eq(guest_circuit_wait(c[i], SB_PEER_OPEN,
						    STAGE_TIMEOUT_MS),
				 0);
		ck_assert_uint_eq(c[i]->shared->local.port, port[i % 2]);
		ck_assert_uint_eq(c[i]->shared->remote.family,
				  i % 2 ? SB_FAMILY_IPV4 : SB_FAMILY_IPV6);
	}
	for (int i = 0; i < 4; i++)
		close(fd[i]);
}
END_TEST

START_TEST(both_places_of_a_listener_take_turns_and_end_together)
{
	uint16_t port[2];
	unsigned int before = stage_descriptors(stage.proxy);
	struct guest_circuit *listener = listen_at_both(&port[0], &port[1]);
	struct guest_circuit *c[4];
	int fd[4], ipv4 = 0;

	for (int i = 0; i < 4; i++)
		fd[i] = i < 2 ? dial_ipv6(port[0]) : stage_dial(port[1]);
	for (int i = 0; i < 4; i++) {
		c[i] = post(listener);
		ck_assert_int_eq(guest_circuit_wait(c[i], SB_PEER_OPEN,
						    STAGE_TIMEOUT_MS),
				 0);
		ipv4 += c[i]->shared->remote.family == SB_FAMILY_IPV4;
		/* after two, one of each */
		if (i == 1)
			ck_assert_int_eq(ipv4, 1);
	}
	ck_assert_int_eq(ipv4, 2);
	guest_circuit_publish(listener, SB_OWNER_CLOSED);
	ck_assert_int_eq(guest_circuit_wait(listener, SB_PEER_CLOSED,
					    STAGE_TIMEOUT_MS),
			 0);
	/* what was accepted stays open, both listening sockets are closed */
	unit_until(stage_descriptors(stage.proxy) == before + 4);
	for (int i = 0; i < 4; i++)
		close(fd[i]);
}
END_TEST

START_TEST(a_taken_place_is_told_and_gives_up_the_other)
{
	unsigned int before = stage_descriptors(stage.proxy);
	struct guest_circuit *listener = guest_listener_new(line);
	struct sb_address at = { .family = SB_FAMILY_IPV6,
				 .bytes = { [15] = 1 } };
	struct sb_address other = stage_loopback(0);
	int fd = stage_listener(&other.port);

	guest_circuit_offer(listener);
	stage_listen_both(&stage, listener, &at, &other);
	ck_assert_int_eq(guest_circuit_wait(listener, SB_PEER_OPEN,
					    STAGE_TIMEOUT_MS),
			 -EADDRINUSE);
	unit_until(stage_descriptors(stage.proxy) == before);
	close(fd);
}
END_TEST

START_TEST(connections_wait_until_a_circuit_is_posted)
{
	uint16_t port;
	struct guest_circuit *listener = listen_somewhere(&port), *c;
	int fd = stage_dial(port);

	ck_assert_int_eq(write(fd, "hello", 5), 5);
	stage_rests(stage.proxy);
	c = post(listener);
	ck_assert_int_eq(guest_circuit_wait(c, SB_PEER_OPEN, STAGE_TIMEOUT_MS),
			 0);
}
END_TEST

START_TEST(circuits_may_be_posted_before_the_order_comes)
{
	struct guest_circuit *listener = guest_listener_new(line), *c;
	struct sb_address any = stage_loopback(0);
	int fd;

	guest_circuit_offer(listener);
	c = post(listener);
	/* what is rung for after it is looked at after it */
	stage_connection(&stage, line, 2, &fd);
	stage_listen(&stage, listener, &any);
	ck_assert_int_eq(guest_circuit_wait(listener, SB_PEER_OPEN,
					    STAGE_TIMEOUT_MS),
			 0);
	stage_dial(listener->shared->local.port);
	ck_assert_int_eq(guest_circuit_wait(c, SB_PEER_OPEN, STAGE_TIMEOUT_MS),
			 0);
}
END_TEST

START_TEST(taken_port_is_told)
{
	struct guest_circuit *listener = guest_listener_new(line);
	struct sb_address at;
	uint16_t port;

	stage_listener(&port);
	at = stage_loopback(port);
	guest_circuit_offer(listener);
	stage_listen(&stage, listener, &at);
	ck_assert_int_eq(guest_circuit_wait(listener, SB_PEER_OPEN,
					    STAGE_TIMEOUT_MS),
			 -EADDRINUSE);
	/* and the entry is good for another try */
	ck_assert_int_eq(guest_circuit_recycle(listener), 0);
	at.port = 0;
	guest_circuit_offer(listener);
	stage_listen(&stage, listener, &at);
	ck_assert_int_eq(guest_circuit_wait(listener, SB_PEER_OPEN,
					    STAGE_TIMEOUT_MS),
			 0);
}
END_TEST

START_TEST(end_of_a_listener_ends_what_was_posted)
{
	uint16_t port;
	struct guest_circuit *listener = listen_somewhere(&port);
	struct guest_circuit *used = post(listener), *unused = post(listener);
	char text[4];
	int fd = stage_dial(port);

	ck_assert_int_eq(
		guest_circuit_wait(used, SB_PEER_OPEN, STAGE_TIMEOUT_MS), 0);
	guest_circuit_publish(listener, SB_OWNER_CLOSED);
	ck_assert_int_eq(guest_circuit_wait(listener, SB_PEER_CLOSED,
					    STAGE_TIMEOUT_MS),
			 0);
	ck_assert_int_eq(guest_circuit_wait(unused, SB_PEER_OPEN,
					    STAGE_TIMEOUT_MS),
			 -ECONNABORTED);
	/* the accepted connection goes on, the port is free */
	ck_assert_int_eq(guest_circuit_send(used, "abc", 3), 3);
	ck_assert_int_eq(read(fd, text, 4), 3);
	ck_assert_int_eq(guest_circuit_recycle(unused), 0);
	guest_circuit_post(unused, listener);
	ck_assert_int_eq(guest_circuit_wait(unused, SB_PEER_OPEN,
					    STAGE_TIMEOUT_MS),
			 -ECONNABORTED);
}
END_TEST

START_TEST(posted_circuit_can_be_withdrawn)
{
	uint16_t port;
	struct guest_circuit *listener = listen_somewhere(&port);
	struct guest_circuit *first = post(listener), *second = post(listener);

	guest_circuit_publish(first, SB_OWNER_CLOSED);
	ck_assert_int_eq(
		guest_circuit_wait(first, SB_PEER_CLOSED, STAGE_TIMEOUT_MS), 0);
	stage_dial(port);
	ck_assert_int_eq(
		guest_circuit_wait(second, SB_PEER_OPEN, STAGE_TIMEOUT_MS), 0);
	ck_assert_int_eq(guest_circuit_recycle(first), 0);
	guest_circuit_post(first, listener);
	stage_dial(port);
	ck_assert_int_eq(
		guest_circuit_wait(first, SB_PEER_OPEN, STAGE_TIMEOUT_MS), 0);
}
END_TEST

START_TEST(many_come_at_once)
{
	enum { COUNT = 200 };
	struct guest_circuit *listener, *c[COUNT];
	uint16_t port;
	int fd[COUNT];

	listener = listen_somewhere(&port);
	for (int i = 0; i < COUNT; i++) {
		fd[i] = stage_dial(port);
		ck_assert_int_eq(write(fd[i], &i, sizeof(i)), sizeof(i));
		c[i] = post(listener);
	}
	for (int i = 0; i < COUNT; i++) {
		int number;

		ck_assert_int_eq(guest_circuit_wait(c[i], SB_PEER_OPEN,
						    STAGE_TIMEOUT_MS),
				 0);
		ck_assert_int_eq(guest_circuit_receive_all(c[i], &number,
							   sizeof(number),
							   STAGE_TIMEOUT_MS),
				 0);
		ck_assert_int_lt(number, COUNT);
		ck_assert_msg(fd[number] >= 0, "%d twice", number);
		close(fd[number]);
		fd[number] = -1;
	}
}
END_TEST

START_TEST(repeated_listen_is_idempotent)
{
	uint16_t port;
	struct guest_circuit *listener = listen_somewhere(&port), *c;
	struct sb_address at = stage_loopback(port);

	stage_listen(&stage, listener, &at);
	stage_listen(&stage, listener, &at);
	c = post(listener);
	stage_dial(port);
	ck_assert_int_eq(guest_circuit_wait(c, SB_PEER_OPEN, STAGE_TIMEOUT_MS),
			 0);
	ck_assert_uint_eq(sb_word_state(guest_circuit_peer(listener)),
			  SB_PEER_OPEN);
}
END_TEST

START_TEST(two_guests_cannot_have_one_port)
{
	uint16_t port;
	struct guest_line *other = stage_line(&stage, "beta");
	struct guest_circuit *listener;
	struct sb_address at;

	listen_somewhere(&port);
	stage_attach(&stage, other);
	listener = guest_listener_new(other);
	at = stage_loopback(port);
	guest_circuit_offer(listener);
	stage_listen(&stage, listener, &at);
	ck_assert_int_eq(guest_circuit_wait(listener, SB_PEER_OPEN,
					    STAGE_TIMEOUT_MS),
			 -EADDRINUSE);
	guest_free(other->guest);
}
END_TEST

/* What a process may do that others may not, in the kernel's words */
static uint64_t capabilities(pid_t process)
{
	unsigned long long bits = 0;
	char path[64], row[128];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", process);
	file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	while (fgets(row, sizeof(row), file))
		if (sscanf(row, "CapPrm: %llx", &bits) == 1)
			break;
	fclose(file);
	return bits;
}

START_TEST(publishes_low_ports_with_one_capability)
{
	struct guest_circuit *listener;
	struct sb_address at = stage_loopback(1023);
	int error = -EADDRINUSE;

	if (geteuid() != 0)
		return;
	ck_assert_int_eq(stage_end(stage.proxy, SIGTERM), 0);
	stage.user = "nobody";
	stage_proxy_start(&stage);
	stage_attach(&stage, line);
	/* CAP_NET_BIND_SERVICE and no other */
	ck_assert_uint_eq(capabilities(stage.proxy), 1 << 10);
	listener = guest_listener_new(line);
	for (; error == -EADDRINUSE && at.port > 900; at.port--) {
		guest_circuit_offer(listener);
		stage_listen(&stage, listener, &at);
		error = guest_circuit_wait(listener, SB_PEER_OPEN,
					   STAGE_TIMEOUT_MS);
		if (error)
			ck_assert_int_eq(guest_circuit_recycle(listener), 0);
	}
	ck_assert_int_eq(error, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("proxy_listen");
	TCase *tcase = tcase_create("listen");

	tcase_set_timeout(tcase, 20);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, posted_circuits_are_accepted_into_in_order);
	tcase_add_test(tcase, a_listener_at_every_address_takes_both_families);
	tcase_add_test(tcase, a_listener_may_have_a_place_for_each_family);
	tcase_add_test(tcase,
		       both_places_of_a_listener_take_turns_and_end_together);
	tcase_add_test(tcase, a_taken_place_is_told_and_gives_up_the_other);
	tcase_add_test(tcase, connections_wait_until_a_circuit_is_posted);
	tcase_add_test(tcase, circuits_may_be_posted_before_the_order_comes);
	tcase_add_test(tcase, taken_port_is_told);
	tcase_add_test(tcase, end_of_a_listener_ends_what_was_posted);
	tcase_add_test(tcase, posted_circuit_can_be_withdrawn);
	tcase_add_test(tcase, many_come_at_once);
	tcase_add_test(tcase, repeated_listen_is_idempotent);
	tcase_add_test(tcase, two_guests_cannot_have_one_port);
	tcase_add_test(tcase, publishes_low_ports_with_one_capability);
	suite_add_tcase(suite, tcase);
	return unit_run(suite);
}
