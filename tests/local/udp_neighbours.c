// SPDX-License-Identifier: GPL-2.0-only
/*
 * udp_neighbours.c - proxy-udp: two guests that may not meet directly see who
 * each other is
 *
 *	line (client) --- proxy-udp --- loopback --- proxy-udp --- other (server)
 */
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "services/common/address.h"
#include "tests/local/stage_udp.h"
#include "tests/unit/unit.h"

#define CLIENT_PORT 4444
#define SERVER_PORT 53

static const uint16_t families[] = { SB_FAMILY_IPV4, SB_FAMILY_IPV6 };

static struct stage stage;
static struct guest_line *line;
static struct guest_line *other;
/* Of the guest @other: where it calls itself that, and where it is in Dom0 */
static struct sb_address own;
static struct sb_address place;
static struct guest_circuit *server;

static void setup(void)
{
	line = stage_open_attached_udp(&stage);
	other = stage_line(&stage, "beta");
	stage_attach(&stage, other);
}

static void teardown(void)
{
	guest_line_end(other);
	stage_close_attached(&stage, line);
}

static void start_server(uint16_t family)
{
	own = stage_udp_guest_address(other, family, SERVER_PORT);
	place = (struct sb_address){ .family = family };
	place.bytes[family == SB_FAMILY_IPV4 ? 3 : 15] = 1;
	if (family == SB_FAMILY_IPV4)
		place.bytes[0] = 127;
	server = stage_udp_publish(&stage, other, 2, &own, &place);
	place = server->shared->local;
}

/* As a guest does that says which port it calls its own */
static void send_from(struct guest_circuit *c, uint32_t port)
{
	struct sb_datagram h = { .kind = SB_DATAGRAM_DATA,
				 .bytes = 5,
				 .remote = own,
				 .info = port };

	ck_assert_int_eq(guest_datagram_put(c, &h, "query"), 0);
}

/* @c sends to the server for the first time. Return: what that is told */
static struct sb_datagram ask(struct guest_circuit *c, uint32_t port,
			      bool first)
{
	struct sb_datagram h;
	char text[8];

	send_from(c, port);
	if (first)
		stage_udp_verdict(&stage, stage_udp_question(&stage), 0,
				  &place);
	ck_assert_int_eq(
		guest_datagram_wait(server, &h, text, 8, STAGE_TIMEOUT_MS), 5);
	ck_assert_uint_eq(h.kind, SB_DATAGRAM_DATA);
	return h;
}

static void expect_address(const struct sb_address *got,
			   const struct sb_address *wanted)
{
	char a[ADDRESS_TEXT_BYTES], b[ADDRESS_TEXT_BYTES];

	ck_assert_str_eq(address_port_text(got, a, sizeof(a)),
			 address_port_text(wanted, b, sizeof(b)));
}

/* The server's answer arrives at @c, from where it was asked */
static void answer(struct guest_circuit *c, const struct sb_address *to)
{
	struct sb_datagram h;
	char text[8];

	ck_assert_int_eq(guest_datagram_send(server, to, "answer", 6), 0);
	ck_assert_int_eq(guest_datagram_wait(c, &h, text, 8, STAGE_TIMEOUT_MS),
			 6);
	ck_assert_mem_eq(text, "answer", 6);
	expect_address(&h.remote, &own);
	ck_assert(stage_quiet(&stage, 1));
}

START_TEST(a_neighbour_sees_who_has_sent_and_may_answer)
{
	uint16_t family = families[_i];
	struct guest_circuit *c = stage_udp_open(line, 2);
	struct guest_circuit *second = stage_udp_open(line, 2);
	struct sb_address wanted = stage_udp_guest_address(line, family, 0);
	struct sb_datagram h, h2;

	start_server(family);
	h = ask(c, CLIENT_PORT, true);
	wanted.port = CLIENT_PORT;
	expect_address(&h.remote, &wanted);
	h2 = ask(second, CLIENT_PORT + 1, false);
	wanted.port = CLIENT_PORT + 1;
	expect_address(&h2.remote, &wanted);
	/* each is answered, in whatever order */
	answer(second, &h2.remote);
	answer(c, &h.remote);
	answer(second, &h2.remote);
}
END_TEST

START_TEST(a_neighbour_that_has_not_called_needs_a_verdict)
{
	struct guest_circuit *c = stage_udp_open(line, 2);
	struct sb_datagram h, error;

	start_server(SB_FAMILY_IPV4);
	h = ask(c, CLIENT_PORT, true);
	h.remote.port++;
	ck_assert_int_eq(guest_datagram_send(server, &h.remote, "x", 1), 0);
	stage_udp_verdict(&stage, stage_udp_question(&stage), EACCES, NULL);
	ck_assert_int_ge(guest_datagram_wait(server, &error, NULL, 0,
					     STAGE_TIMEOUT_MS),
			 0);
	ck_assert_uint_eq(error.error, EACCES);
	ck_assert_uint_eq(error.remote.port, h.remote.port);
}
END_TEST

START_TEST(a_neighbour_that_is_gone_is_nobody)
{
	uint16_t family = families[_i];
	bool ipv4 = family == SB_FAMILY_IPV4;
	struct guest_circuit *c = stage_udp_open(line, 2);
	struct sb_datagram h, error;

	start_server(family);
	h = ask(c, CLIENT_PORT, true);
	guest_circuit_close(c);
	ck_assert_int_eq(
		guest_circuit_wait(c, SB_PEER_CLOSED, STAGE_TIMEOUT_MS), 0);
	ck_assert_int_eq(guest_datagram_send(server, &h.remote, "late", 4), 0);
	ck_assert_int_ge(guest_datagram_wait(server, &error, NULL, 0,
					     STAGE_TIMEOUT_MS),
			 0);
	ck_assert_uint_eq(error.kind, ipv4 ? SB_DATAGRAM_ERROR_ICMP
					   : SB_DATAGRAM_ERROR_ICMP6);
	ck_assert_uint_eq(error.error, ECONNREFUSED);
	ck_assert_uint_eq(error.icmp_code,
			  ipv4 ? ICMP_PORT_UNREACH : ICMP6_DST_UNREACH_NOPORT);
	expect_address(&error.remote, &h.remote);
	ck_assert(stage_quiet(&stage, 1));
}
END_TEST

/* Its own ports are a guest's affair; its addresses are the operator's word */
START_TEST(a_guest_cannot_call_itself_what_it_is_not)
{
	struct sb_address theirs =
		stage_udp_guest_address(other, SB_FAMILY_IPV4, 0);
	struct sb_address wanted =
		stage_udp_guest_address(line, SB_FAMILY_IPV4, CLIENT_PORT);
	struct guest_circuit *c = guest_datagram_new(line, 2);
	struct sb_datagram h;

	guest_datagram_offer(c, &theirs);
	ck_assert_int_eq(guest_circuit_wait(c, SB_PEER_OPEN, STAGE_TIMEOUT_MS),
			 0);
	start_server(SB_FAMILY_IPV4);
	h = ask(c, CLIENT_PORT, true);
	expect_address(&h.remote, &wanted);
	/* what it said first holds: others' room is not for its changes */
	h = ask(c, CLIENT_PORT + 1, false);
	expect_address(&h.remote, &wanted);
	answer(c, &h.remote);
	/* no port at all: then it is from Dom0 */
	c = stage_udp_open(line, 2);
	h = ask(c, 0x10000 + CLIENT_PORT, false);
	ck_assert(!address_equal(&h.remote, &wanted));
	ck_assert(!(address_class(&h.remote) & ADDRESS_LOOPBACK));
	answer(c, &h.remote);
}
END_TEST

/* Whoever else sends from Dom0's loopback is no guest */
START_TEST(strangers_are_no_neighbours)
{
	struct guest_circuit *c = stage_udp_open(line, 2);
	struct sb_address at;
	int fd = stage_udp_socket(SB_FAMILY_IPV4, &at);
	struct sb_datagram h;
	char text[8];

	start_server(SB_FAMILY_IPV4);
	ask(c, CLIENT_PORT, true);
	stage_udp_give(fd, &place, "query", 5);
	ck_assert_int_eq(
		guest_datagram_wait(server, &h, text, 8, STAGE_TIMEOUT_MS), 5);
	ck_assert_uint_eq(h.remote.port, at.port);
	ck_assert_uint_eq(h.remote.bytes[0], 192);
	ck_assert_int_eq(guest_datagram_send(server, &h.remote, "answer", 6),
			 0);
	ck_assert_int_eq(stage_udp_take(fd, text, 8, NULL), 6);
	close(fd);
}
END_TEST

START_TEST(the_destination_is_told_as_the_guest_knows_it)
{
	struct guest_circuit *c = stage_udp_open(line, 2);
	struct sb_datagram h;

	start_server(SB_FAMILY_IPV4);
	server->shared->options.set = SB_OPTION_LOCAL;
	server->shared->options.flags = SB_OPTION_LOCAL;
	guest_datagram_options(server, true);
	h = ask(c, CLIENT_PORT, true);
	/* the option is applied at the next look at the latest */
	while (!(h.flags & SB_DATAGRAM_LOCAL))
		h = ask(c, CLIENT_PORT, false);
	ck_assert_mem_eq(h.local, own.bytes, 16);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("udp_neighbours");
	TCase *tcase = tcase_create("neighbours");

	tcase_set_timeout(tcase, 20);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, a_neighbour_sees_who_has_sent_and_may_answer,
			    0, 2);
	tcase_add_test(tcase, a_neighbour_that_has_not_called_needs_a_verdict);
	tcase_add_loop_test(tcase, a_neighbour_that_is_gone_is_nobody, 0, 2);
	tcase_add_test(tcase, a_guest_cannot_call_itself_what_it_is_not);
	tcase_add_test(tcase, strangers_are_no_neighbours);
	tcase_add_test(tcase, the_destination_is_told_as_the_guest_knows_it);
	suite_add_tcase(suite, tcase);
	return unit_run(suite);
}
