// SPDX-License-Identifier: GPL-2.0-only
/*
 * udp_path.c - two guests, the real operator and proxy-udp
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "services/common/address.h"
#include "tests/local/guest_trunk.h"
#include "tests/local/stage_udp.h"
#include "tests/unit/unit.h"

static struct stage stage;
static struct guest_line *alpha, *beta;
static pid_t operator_process;
static char config[128];
/* Where beta's port 53 appears: free when it was looked for */
static uint16_t published;
static char byte;

/* What alpha may send to, and beta's published port */
static void write_config(const char *connect)
{
	FILE *file;

	snprintf(config, sizeof(config), "%s/switchboard.json",
		 stage.directory);
	file = fopen(config, "we");
	ck_assert_ptr_nonnull(file);
	fprintf(file,
		"{ \"guests\": {\n"
		"  \"alpha\": { \"addresses\": [\"10.88.0.11/24\"],\n"
		"    \"connect\": [ %s ] },\n"
		"  \"beta\": { \"addresses\": [\"10.88.0.12/24\"],\n"
		"    \"publish\": [{\"ports\": 53, \"protocol\": \"udp\",\n"
		"      \"address\": \"127.0.0.1\", \"port\": %u}] } } }\n",
		connect, published);
	fclose(file);
}

#define TO_LOOPBACK "{\"to\": \"127.0.0.1\", \"ports\": \"1024-65535\"}"
#define TO_BETA "{\"to\": \"10.88.0.12\", \"ports\": 53}"

/* A guest that makes only the line for datagrams */
static struct guest_line *start_guest(const char *name, const char *identity)
{
	struct guest_options o = { .name = name, .identity = identity };
	struct guest *g = guest_new(stage.directory, &o);
	struct guest_line *l;
	struct sb_message m;

	ck_assert_ptr_nonnull(g);
	ck_assert_int_eq(guest_trunk_connect(g, STAGE_TIMEOUT_MS), 0);
	do {
		ck_assert_int_eq(guest_trunk_receive(g, &m, STAGE_TIMEOUT_MS),
				 0);
	} while (m.type != SB_MESSAGE_LINE_WANTED || m.kind != SB_LINE_UDP);
	l = guest_line_new(g, m.line, m.kind, m.domain);
	ck_assert_ptr_nonnull(l);
	ck_assert_int_eq(guest_request_line_ready(l), 0);
	ck_assert_int_eq(guest_line_wait_attached(l, STAGE_TIMEOUT_MS), 0);
	return l;
}

static void setup(void)
{
	struct sb_address place;

	close(stage_udp_socket(SB_FAMILY_IPV4, &place));
	published = place.port;
	stage_open(&stage);
	write_config(TO_LOOPBACK "," TO_BETA);
	operator_process = stage_service(&stage, "operator", config);
	stage.proxy = stage_service(&stage, "proxy-udp", NULL);
	alpha = start_guest("alpha", "01234567-89ab-cdef-0123-000000000001");
	beta = start_guest("beta", "01234567-89ab-cdef-0123-000000000002");
}

static void teardown(void)
{
	guest_line_end(alpha);
	guest_line_end(beta);
	ck_assert_int_eq(stage_end(operator_process, SIGTERM), 0);
	stage_close(&stage);
}

static uint32_t error_of(struct guest_circuit *c, const struct sb_address *to)
{
	struct sb_datagram h;

	ck_assert_int_eq(guest_datagram_send(c, to, "x", 1), 0);
	ck_assert_int_ge(guest_datagram_wait(c, &h, NULL, 0, STAGE_TIMEOUT_MS),
			 0);
	ck_assert_uint_eq(h.kind, SB_DATAGRAM_ERROR_LOCAL);
	return h.error;
}

START_TEST(policy_decides_about_each_destination)
{
	struct guest_circuit *c = stage_udp_open(alpha, 2);
	struct sb_address to, not_allowed = stage_loopback(53);
	int fd = stage_udp_socket(SB_FAMILY_IPV4, &to);

	stage_udp_pass(c, fd, &to, "allowed", 7);
	ck_assert_uint_eq(error_of(c, &not_allowed), EACCES);
	address_parse(&not_allowed, "192.0.2.9");
	not_allowed.port = 5000;
	ck_assert_uint_eq(error_of(c, &not_allowed), EACCES);
	/* a guest's address, and a port that it does not publish */
	ck_assert_uint_eq(error_of(stage_udp_open(beta, 2), &to), EACCES);
	close(fd);
}
END_TEST

START_TEST(one_guest_asks_another)
{
	struct sb_address any = { .family = SB_FAMILY_IPV4, .port = 53 };
	struct sb_address address = stage_udp_own(SB_FAMILY_IPV4, 53);
	struct guest_circuit *server = guest_datagram_new(beta, 2);
	struct guest_circuit *client = stage_udp_open(alpha, 2);
	struct sb_datagram h;
	char text[8];

	address_parse(&address, "10.88.0.12");
	address.port = 53;
	guest_datagram_offer(server, &any);
	ck_assert_int_eq(
		guest_circuit_wait(server, SB_PEER_OPEN, STAGE_TIMEOUT_MS), 0);
	ck_assert_uint_eq(server->shared->local.port, published);
	ck_assert_int_eq(guest_datagram_send(client, &address, "query", 5), 0);
	ck_assert_int_eq(
		guest_datagram_wait(server, &h, text, 8, STAGE_TIMEOUT_MS), 5);
	ck_assert_int_eq(guest_datagram_send(server, &h.remote, "answer", 6),
			 0);
	ck_assert_int_eq(
		guest_datagram_wait(client, &h, text, 8, STAGE_TIMEOUT_MS), 6);
	ck_assert(address_equal(&h.remote, &address));
	ck_assert_uint_eq(h.remote.port, 53);
}
END_TEST

START_TEST(another_policy_holds_at_once)
{
	struct guest_circuit *c = stage_udp_open(alpha, 2);
	struct sb_address to;
	int fd = stage_udp_socket(SB_FAMILY_IPV4, &to);
	struct sb_datagram h;

	stage_udp_pass(c, fd, &to, "1", 1);
	write_config(TO_BETA);
	kill(operator_process, SIGHUP);
	do {
		guest_datagram_send(c, &to, "2", 1);
	} while (guest_datagram_wait(c, &h, NULL, 0, 20) < 0);
	ck_assert_uint_eq(h.error, EACCES);
	close(fd);
}
END_TEST

START_TEST(sockets_do_not_notice_the_operators_death)
{
	struct guest_circuit *c = stage_udp_open(alpha, 2);
	struct sb_address to, other;
	int fd = stage_udp_socket(SB_FAMILY_IPV4, &to);
	int other_fd = stage_udp_socket(SB_FAMILY_IPV4, &other);

	stage_udp_pass(c, fd, &to, "1", 1);
	ck_assert_int_eq(stage_end(operator_process, SIGKILL), -SIGKILL);
	stage_udp_pass(c, fd, &to, "2", 1);
	/* what is not known waits for the next one */
	ck_assert_int_eq(guest_datagram_send(c, &other, "3", 1), 0);
	ck_assert(stage_udp_quiet(other_fd, 50));
	operator_process = stage_service(&stage, "operator", config);
	ck_assert_int_eq(stage_udp_take(other_fd, &byte, 1, NULL), 1);
	close(fd);
	close(other_fd);
}
END_TEST

/*
 * The proxy may have died between sending "1" and giving its room back: then
 * its successor sends it again, as networks may
 */
static void pass_second(struct guest_circuit *c, int fd,
			const struct sb_address *to)
{
	struct sb_address from;
	uint8_t got = 0;

	ck_assert_int_eq(guest_datagram_send(c, to, "2", 1), 0);
	ck_assert_int_eq(stage_udp_take(fd, &got, 1, &from), 1);
	if (got == '1')
		ck_assert_int_eq(stage_udp_take(fd, &got, 1, &from), 1);
	ck_assert_int_eq(got, '2');
}

START_TEST(sockets_outlive_the_proxy)
{
	struct sb_address any = { .family = SB_FAMILY_IPV4, .port = 53 };
	struct guest_circuit *server = guest_datagram_new(beta, 2);
	struct guest_circuit *client = stage_udp_open(alpha, 2);
	struct sb_address to, place = stage_loopback(published);
	struct sb_datagram h;
	int fd = stage_udp_socket(SB_FAMILY_IPV4, &to);

	guest_datagram_offer(server, &any);
	ck_assert_int_eq(
		guest_circuit_wait(server, SB_PEER_OPEN, STAGE_TIMEOUT_MS), 0);
	stage_udp_pass(client, fd, &to, "1", 1);
	stage_proxy_kill(&stage);
	stage.proxy = stage_service(&stage, "proxy-udp", NULL);
	pass_second(client, fd, &to);
	do {
		stage_udp_give(fd, &place, "q", 1);
	} while (guest_datagram_wait(server, &h, &byte, 1, 30) != 1);
	close(fd);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("udp_path");
	TCase *tcase = tcase_create("path");

	tcase_set_timeout(tcase, 30);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, policy_decides_about_each_destination);
	tcase_add_test(tcase, one_guest_asks_another);
	tcase_add_test(tcase, another_policy_holds_at_once);
	tcase_add_test(tcase, sockets_do_not_notice_the_operators_death);
	tcase_add_test(tcase, sockets_outlive_the_proxy);
	suite_add_tcase(suite, tcase);
	return unit_run(suite);
}
