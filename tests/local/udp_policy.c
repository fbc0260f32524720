// SPDX-License-Identifier: GPL-2.0-only
/*
 * udp_policy.c - proxy-udp: verdicts, published ports, errors, other guests
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "services/common/address.h"
#include "services/common/limits.h"
#include "tests/local/stage_udp.h"
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

static void withdraw(void)
{
	static struct ipc_message m;

	m.type = IPC_ORDER_WITHDRAW;
	m.line = (struct ipc_line){ line->guest->domain, line->number };
	stage_order(&stage, &m);
}

START_TEST(a_refusal_is_told_and_its_cause)
{
	struct guest_circuit *c = stage_udp_open(line, 2);
	struct sb_address to;
	struct sb_datagram h;
	int fd = stage_udp_socket(SB_FAMILY_IPV4, &to);

	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(guest_datagram_send(c, &to, "x", 1), 0);
	stage_udp_verdict(&stage, stage_udp_question(&stage), EACCES, NULL);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_ge(guest_datagram_wait(c, &h, NULL, 0,
						     STAGE_TIMEOUT_MS),
				 0);
		ck_assert_uint_eq(h.kind, SB_DATAGRAM_ERROR_LOCAL);
		ck_assert_uint_eq(h.error, EACCES);
		ck_assert_uint_eq(h.remote.port, to.port);
	}
	ck_assert(stage_udp_quiet(fd, 20));
	ck_assert(stage_quiet(&stage, 1));
	close(fd);
}
END_TEST

START_TEST(records_wait_for_the_verdict_and_keep_their_order)
{
	struct guest_circuit *c = stage_udp_open(line, 2);
	struct guest_circuit *other = stage_udp_open(line, 2);
	struct sb_address slow, quick;
	struct ipc_question asked;
	int slow_fd = stage_udp_socket(SB_FAMILY_IPV4, &slow);
	int quick_fd = stage_udp_socket(SB_FAMILY_IPV4, &quick);
	uint32_t got;

	for (uint32_t i = 0; i < 50; i++)
		ck_assert_int_eq(guest_datagram_send(c, i % 2 ? &quick : &slow,
						     &i, sizeof(i)),
				 0);
	asked = *stage_udp_question(&stage);
	ck_assert_uint_eq(asked.remote.port, slow.port);
	/* nobody else waits with it */
	ck_assert_int_eq(
		guest_datagram_send(other, &quick, &(uint32_t){ 99 }, 4), 0);
	stage_udp_allow(&stage, &quick);
	ck_assert_int_eq(stage_udp_take(quick_fd, &got, 4, NULL), 4);
	ck_assert_uint_eq(got, 99);
	ck_assert(stage_udp_quiet(slow_fd, 20));
	stage_udp_verdict(&stage, &asked, 0, NULL);
	for (uint32_t i = 0; i < 50; i++) {
		ck_assert_int_eq(stage_udp_take(i % 2 ? quick_fd : slow_fd,
						&got, 4, NULL),
				 4);
		ck_assert_uint_eq(got, i);
	}
	close(slow_fd);
	close(quick_fd);
}
END_TEST

/*
 * Ask, withdraw the verdict, answer. Return: did the answer come in, which may
 * take LIMIT_WITHDRAWN_MS at most?
 */
static bool is_answered_late(struct guest_circuit *c, int fd,
			     const struct sb_address *to)
{
	struct sb_address from;
	struct sb_datagram h;
	char byte;

	ck_assert_int_eq(guest_datagram_send(c, to, "1", 1), 0);
	stage_udp_allow(&stage, to);
	stage_udp_take(fd, &byte, 1, &from);
	stage_udp_pass(c, fd, to, "2", 1);
	withdraw();
	stage_orders_done(&stage);
	stage_udp_give(fd, &from, "a", 1);
	return guest_datagram_wait(c, &h, &byte, 1, LIMIT_WITHDRAWN_MS) == 1;
}

/* CASES 18: what is not answered holds up its own socket and no other */
START_TEST(an_open_question_holds_up_one_socket)
{
	struct guest_circuit *first = stage_udp_open(line, 2);
	struct guest_circuit *second = stage_udp_open(line, 2);
	struct sb_address slow, quick;
	int fd_slow = stage_udp_socket(SB_FAMILY_IPV4, &slow);
	int fd_quick = stage_udp_socket(SB_FAMILY_IPV4, &quick);
	struct ipc_question question;
	char byte;

	ck_assert_int_eq(guest_datagram_send(first, &slow, "s", 1), 0);
	question = *stage_udp_question(&stage);
	ck_assert_int_eq(guest_datagram_send(second, &quick, "q", 1), 0);
	stage_udp_allow(&stage, &quick);
	ck_assert_int_eq(stage_udp_take(fd_quick, &byte, 1, NULL), 1);
	for (int i = 0; i < 20; i++)
		stage_udp_pass(second, fd_quick, &quick, "again", 5);
	ck_assert(stage_udp_quiet(fd_slow, 0));
	stage_udp_verdict(&stage, &question, 0, NULL);
	ck_assert_int_eq(stage_udp_take(fd_slow, &byte, 1, NULL), 1);
	close(fd_slow);
	close(fd_quick);
}
END_TEST

START_TEST(a_verdict_holds_until_it_is_withdrawn)
{
	struct guest_circuit *c = stage_udp_open(line, 2);
	struct sb_address to;
	struct sb_datagram h;
	int tries = 0, fd = stage_udp_socket(SB_FAMILY_IPV4, &to);

	/* an answer that was on its way still comes in */
	while (!is_answered_late(c, fd, &to))
		ck_assert_int_lt(tries++, 5);
	ck_assert_int_eq(guest_datagram_send(c, &to, "3", 1), 0);
	stage_udp_verdict(&stage, stage_udp_question(&stage), EACCES, NULL);
	ck_assert_int_ge(guest_datagram_wait(c, &h, NULL, 0, STAGE_TIMEOUT_MS),
			 0);
	ck_assert_uint_eq(h.error, EACCES);
	ck_assert(stage_udp_quiet(fd, 20));
	close(fd);
}
END_TEST

START_TEST(questions_are_asked_again_of_another_operator)
{
	struct guest_circuit *c = stage_udp_open(line, 2);
	struct sb_address to;
	char byte;
	int fd = stage_udp_socket(SB_FAMILY_IPV4, &to);

	ck_assert_int_eq(guest_datagram_send(c, &to, "1", 1), 0);
	stage_udp_question(&stage);
	ipc_close(stage.pair);
	stage.pair = NULL;
	stage_operator_return(&stage);
	stage_order_attach(&stage, line);
	stage_udp_allow(&stage, &to);
	stage_expect(&stage, IPC_REPORT_ATTACHED);
	ck_assert_int_eq(stage_udp_take(fd, &byte, 1, NULL), 1);
	close(fd);
}
END_TEST

START_TEST(a_published_port_is_there_for_everybody)
{
	struct sb_address own = stage_udp_own(SB_FAMILY_IPV4, 53);
	struct sb_address place = stage_loopback(0), from, client;
	struct guest_circuit *c =
		stage_udp_publish(&stage, line, 2, &own, &place);
	struct sb_datagram h;
	char text[8];
	int fd = stage_udp_socket(SB_FAMILY_IPV4, &client);

	place = c->shared->local;
	ck_assert_uint_ne(place.port, 0);
	stage_udp_give(fd, &place, "query", 5);
	ck_assert_int_eq(guest_datagram_wait(c, &h, text, 8, STAGE_TIMEOUT_MS),
			 5);
	/* never as the guest's own loopback */
	ck_assert(!(address_class(&h.remote) & ADDRESS_LOOPBACK));
	ck_assert_uint_eq(h.remote.port, client.port);
	/* who has called may be answered, without a question */
	ck_assert_int_eq(guest_datagram_send(c, &h.remote, "answer", 6), 0);
	ck_assert_int_eq(stage_udp_take(fd, text, 8, &from), 6);
	ck_assert_uint_eq(from.port, place.port);
	ck_assert(stage_quiet(&stage, 1));
	/* and nobody else */
	h.remote.port++;
	ck_assert_int_eq(guest_datagram_send(c, &h.remote, "x", 1), 0);
	stage_udp_verdict(&stage, stage_udp_question(&stage), EACCES, NULL);
	close(fd);
}
END_TEST

START_TEST(a_port_that_is_not_published_works_as_a_clients)
{
	struct guest_circuit *c = guest_datagram_new(line, 2);
	struct sb_address own = stage_udp_own(SB_FAMILY_IPV4, 68), to;
	char byte;
	int fd = stage_udp_socket(SB_FAMILY_IPV4, &to);

	guest_datagram_send(c, &to, "x", 1);
	guest_datagram_offer(c, &own);
	stage_udp_verdict(&stage, stage_udp_question(&stage), EACCES, NULL);
	stage_udp_allow(&stage, &to);
	ck_assert_int_eq(stage_udp_take(fd, &byte, 1, NULL), 1);
	ck_assert_int_eq(guest_circuit_wait(c, SB_PEER_OPEN, STAGE_TIMEOUT_MS),
			 0);
	ck_assert_uint_eq(c->shared->local.family, SB_FAMILY_NONE);
	close(fd);
}
END_TEST

START_TEST(a_place_that_is_taken_is_refused)
{
	struct sb_address own = stage_udp_own(SB_FAMILY_IPV4, 53), place;
	struct guest_circuit *c = guest_datagram_new(line, 2);
	int fd = stage_udp_socket(SB_FAMILY_IPV4, &place);

	guest_datagram_offer(c, &own);
	stage_udp_verdict(&stage, stage_udp_question(&stage), 0, &place);
	ck_assert_int_eq(guest_circuit_wait(c, SB_PEER_OPEN, STAGE_TIMEOUT_MS),
			 -EADDRINUSE);
	close(fd);
}
END_TEST

/* Another guest's line to the same proxy */
static struct guest_line *second_guest(void)
{
	struct guest_line *l = stage_line(&stage, "beta");

	stage_attach(&stage, l);
	return l;
}

START_TEST(only_one_guest_shares_its_port_with_itself)
{
	struct guest_line *other = second_guest();
	struct sb_address own = stage_udp_own(SB_FAMILY_IPV4, 53);
	struct sb_address place = stage_loopback(0);
	struct guest_circuit *c[3];
	const struct ipc_question *q;

	for (int i = 0; i < 3; i++) {
		c[i] = guest_datagram_new(i < 2 ? line : other, 2);
		c[i]->shared->options.set = SB_OPTION_REUSEPORT;
		c[i]->shared->options.flags = SB_OPTION_REUSEPORT;
		guest_datagram_options(c[i], false);
		guest_datagram_offer(c[i], &own);
		q = stage_udp_question(&stage);
		stage_udp_verdict(&stage, q, 0, &place);
		ck_assert_int_eq(guest_circuit_wait(c[i], SB_PEER_OPEN,
						    STAGE_TIMEOUT_MS),
				 i < 2 ? 0 : -EADDRINUSE);
		place = c[0]->shared->local;
	}
	ck_assert_uint_eq(c[1]->shared->local.port, place.port);
	guest_line_end(other);
}
END_TEST

START_TEST(another_guest_is_reached_where_it_publishes)
{
	struct guest_line *other = second_guest();
	struct sb_address own = stage_udp_own(SB_FAMILY_IPV4, 53);
	struct sb_address place = stage_loopback(0);
	struct guest_circuit *server =
		stage_udp_publish(&stage, other, 2, &own, &place);
	struct guest_circuit *client = stage_udp_open(line, 2);
	struct sb_datagram h;
	char text[8];

	place = server->shared->local;
	ck_assert_int_eq(guest_datagram_send(client, &own, "query", 5), 0);
	stage_udp_verdict(&stage, stage_udp_question(&stage), 0, &place);
	ck_assert_int_eq(
		guest_datagram_wait(server, &h, text, 8, STAGE_TIMEOUT_MS), 5);
	ck_assert_int_eq(guest_datagram_send(server, &h.remote, "answer", 6),
			 0);
	ck_assert_int_eq(
		guest_datagram_wait(client, &h, text, 8, STAGE_TIMEOUT_MS), 6);
	/* from whom it was asked, not from where that is in Dom0 */
	ck_assert(address_equal(&h.remote, &own));
	ck_assert_uint_eq(h.remote.port, 53);
	guest_line_end(other);
}
END_TEST

/* The operator's answer to the next question: it is another guest's */
static void answer_direct(void)
{
	static struct ipc_message m;

	memset(&m, 0, sizeof(m));
	m.type = IPC_ORDER_VERDICT;
	m.verdict.question = *stage_udp_question(&stage);
	m.verdict.direct = true;
	stage_order(&stage, &m);
}

START_TEST(what_another_guest_can_be_told_directly_is_given_back)
{
	static uint8_t pattern[1500], payload[1500];
	struct guest_circuit *c = stage_udp_open(line, 2);
	struct sb_address to;
	int fd = stage_udp_socket(SB_FAMILY_IPV4, &to);
	struct sb_datagram h = { .kind = SB_DATAGRAM_DATA,
				 .bytes = 5,
				 .flags = SB_DATAGRAM_HOPS,
				 .hops = 9,
				 .remote = to },
			   back;
	char text[8];

	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = (uint8_t)(i * 7);
	/* more than once round the ring, so that some of them wrap */
	for (int i = 0; i < 200; i++) {
		h.bytes = 5 + (uint32_t)i * 7;
		ck_assert_int_eq(guest_datagram_put(c, &h, pattern), 0);
		answer_direct();
		ck_assert_int_eq(guest_datagram_wait(c, &back, payload,
						     sizeof(payload),
						     STAGE_TIMEOUT_MS),
				 (int)h.bytes);
		ck_assert_mem_eq(payload, pattern, h.bytes);
		ck_assert_uint_eq(back.kind, SB_DATAGRAM_ERROR_LOCAL);
		ck_assert_uint_eq(back.error, EREMCHG);
		ck_assert_uint_eq(back.flags, h.flags);
		ck_assert_uint_eq(back.hops, 9);
		ck_assert(address_equal(&back.remote, &to));
		ck_assert_uint_eq(back.remote.port, to.port);
	}
	/* there is no direct way after all: it is not given back again */
	h.bytes = 5;
	h.flags |= SB_DATAGRAM_PROXIED;
	ck_assert_int_eq(guest_datagram_put(c, &h, "again"), 0);
	answer_direct();
	ck_assert_int_eq(stage_udp_take(fd, text, 8, NULL), 5);
	ck_assert_mem_eq(text, "again", 5);
	close(fd);
}
END_TEST

START_TEST(icmp_errors_name_their_destination)
{
	struct guest_circuit *c = stage_udp_open(line, 2);
	struct sb_address closed, open;
	struct sb_datagram h;
	char text[32];
	int fd = stage_udp_socket(SB_FAMILY_IPV4, &closed);
	int open_fd = stage_udp_socket(SB_FAMILY_IPV4, &open);

	close(fd);
	ck_assert_int_eq(guest_datagram_send(c, &closed, "lost", 4), 0);
	stage_udp_allow(&stage, &closed);
	ck_assert_int_ge(guest_datagram_wait(c, &h, text, 32, STAGE_TIMEOUT_MS),
			 0);
	ck_assert_uint_eq(h.kind, SB_DATAGRAM_ERROR_ICMP);
	ck_assert_uint_eq(h.error, ECONNREFUSED);
	ck_assert_uint_eq(h.remote.port, closed.port);
	ck_assert_uint_eq(h.icmp_type, ICMP_DEST_UNREACH);
	ck_assert_uint_eq(h.icmp_code, ICMP_PORT_UNREACH);
	/* what else the socket sends is not lost for it */
	ck_assert_int_eq(guest_datagram_send(c, &open, "", 0), 0);
	stage_udp_allow(&stage, &open);
	ck_assert_int_eq(stage_udp_take(open_fd, text, 1, NULL), 0);
	for (int i = 0; i < 20; i++) {
		guest_datagram_send(c, &closed, "lost", 4);
		stage_udp_pass(c, open_fd, &open, "found", 5);
	}
	close(open_fd);
}
END_TEST

START_TEST(icmp6_errors_too)
{
	struct guest_circuit *c = stage_udp_open(line, 2);
	struct sb_address closed;
	struct sb_datagram h;
	int fd = stage_udp_socket(SB_FAMILY_IPV6, &closed);

	close(fd);
	ck_assert_int_eq(guest_datagram_send(c, &closed, "lost", 4), 0);
	stage_udp_allow(&stage, &closed);
	ck_assert_int_ge(guest_datagram_wait(c, &h, NULL, 0, STAGE_TIMEOUT_MS),
			 0);
	ck_assert_uint_eq(h.kind, SB_DATAGRAM_ERROR_ICMP6);
	ck_assert_uint_eq(h.error, ECONNREFUSED);
	ck_assert_uint_eq(h.remote.port, closed.port);
}
END_TEST

/* The proxy's group may have ping sockets? Root always may not */
static bool may_ping(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_ICMP);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

START_TEST(ping_sockets_send_echoes)
{
	struct guest_circuit *c = guest_datagram_new(line, 2);
	struct sb_address to = stage_loopback(0);
	struct icmphdr echo = { .type = ICMP_ECHO, .un.echo.sequence = 7 };
	struct sb_datagram h;
	int error;

	c->shared->options.protocol = 1;
	guest_datagram_offer(c, NULL);
	error = guest_circuit_wait(c, SB_PEER_OPEN, STAGE_TIMEOUT_MS);
	if (!may_ping()) {
		ck_assert_int_eq(error, -EACCES);
		return;
	}
	ck_assert_int_eq(error, 0);
	ck_assert_int_eq(guest_datagram_send(c, &to, &echo, sizeof(echo)), 0);
	stage_udp_allow(&stage, &to);
	ck_assert_int_eq(guest_datagram_wait(c, &h, &echo, sizeof(echo),
					     STAGE_TIMEOUT_MS),
			 sizeof(echo));
	ck_assert_uint_eq(echo.type, ICMP_ECHOREPLY);
	ck_assert_uint_eq(echo.un.echo.sequence, 7);
	ck_assert_uint_eq(h.remote.port, 0);
	/* too short to be one */
	ck_assert_int_eq(guest_datagram_send(c, &to, &echo, 7), 0);
	ck_assert_int_ge(guest_datagram_wait(c, &h, NULL, 0, STAGE_TIMEOUT_MS),
			 0);
	ck_assert_uint_eq(h.error, EINVAL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("udp_policy");
	TCase *tcase = tcase_create("policy");

	tcase_set_timeout(tcase, 20);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_refusal_is_told_and_its_cause);
	tcase_add_test(tcase,
		       records_wait_for_the_verdict_and_keep_their_order);
	tcase_add_test(tcase, an_open_question_holds_up_one_socket);
	tcase_add_test(tcase, a_verdict_holds_until_it_is_withdrawn);
	tcase_add_test(tcase, questions_are_asked_again_of_another_operator);
	tcase_add_test(tcase, a_published_port_is_there_for_everybody);
	tcase_add_test(tcase, a_port_that_is_not_published_works_as_a_clients);
	tcase_add_test(tcase, a_place_that_is_taken_is_refused);
	tcase_add_test(tcase, only_one_guest_shares_its_port_with_itself);
	tcase_add_test(tcase, another_guest_is_reached_where_it_publishes);
	tcase_add_test(tcase,
		       what_another_guest_can_be_told_directly_is_given_back);
	tcase_add_test(tcase, icmp_errors_name_their_destination);
	tcase_add_test(tcase, icmp6_errors_too);
	tcase_add_test(tcase, ping_sockets_send_echoes);
	suite_add_tcase(suite, tcase);
	return unit_run(suite);
}
