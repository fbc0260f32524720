// SPDX-License-Identifier: GPL-2.0-only
/*
 * whole_path.c - a guest, the real operator and the real proxy-tcp together
 *
 *	test guest ---- broker ---- operator ---- proxy-tcp ---- loopback: test
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/local/guest_trunk.h"
#include "tests/local/stage.h"
#include "tests/unit/unit.h"

#define UUID "01234567-89ab-cdef-0123-456789abcdef"

static struct stage stage;
static pid_t operator_process;
static char config[96];
static uint16_t published;
static struct guest *guest;
static struct guest_line *line;

/* May connect to all of the loopback, and publish its port 80 at one of it */
static void write_config(void)
{
	FILE *file;
	int probe = stage_listener(&published);

	close(probe);
	snprintf(config, sizeof(config), "%s/switchboard.json",
		 stage.directory);
	file = fopen(config, "we");
	ck_assert_ptr_nonnull(file);
	fprintf(file,
		"{ \"udp_proxies\": [], \"guests\": { \"alpha\": {\n"
		"  \"addresses\": [\"10.88.0.11/24\"],\n"
		"  \"connect\": [{\"to\": \"127.0.0.1\",\n"
		"                 \"ports\": \"1024-65535\"}],\n"
		"  \"publish\": [{\"ports\": 80, \"address\": \"127.0.0.1\",\n"
		"                 \"port\": %u}] } } }\n",
		published);
	fclose(file);
}

static struct guest *new_guest(const char *name)
{
	struct guest_options o = { .name = name, .identity = UUID };
	struct guest *g = guest_new(stage.directory, &o);

	ck_assert_ptr_nonnull(g);
	return g;
}

static void setup(void)
{
	stage_open(&stage);
	write_config();
	operator_process = stage_service(&stage, "operator", config);
	stage.proxy = stage_service(&stage, "proxy-tcp", NULL);
	guest = new_guest("alpha");
	line = guest_start_line(guest, STAGE_TIMEOUT_MS);
	ck_assert_msg(line, "no line: %s", strerror(errno));
}

static void teardown(void)
{
	guest_free(guest);
	ck_assert_int_eq(stage_end(operator_process, SIGTERM), 0);
	stage_close(&stage);
}

static void ask(struct guest_circuit *c, struct sb_address to)
{
	guest_circuit_call(c, NULL, &to);
}

static struct guest_circuit *open_circuit(uint16_t port)
{
	struct guest_circuit *c = guest_circuit_new(line, 2);
	int error;

	ask(c, stage_loopback(port));
	error = guest_circuit_wait(c, SB_PEER_OPEN, STAGE_TIMEOUT_MS);
	ck_assert_msg(error == 0, "not open: %s", strerror(-error));
	return c;
}

static void prove_circuit(struct guest_circuit *c, int fd)
{
	char text[8];

	ck_assert_int_eq(
		guest_circuit_send_all(c, "question", 8, STAGE_TIMEOUT_MS), 0);
	ck_assert_int_eq(recv(fd, text, 8, MSG_WAITALL), 8);
	ck_assert_int_eq(write(fd, "answer", 6), 6);
	ck_assert_int_eq(
		guest_circuit_receive_all(c, text, 6, STAGE_TIMEOUT_MS), 0);
}

/* A connection that is made, used, and left open */
static void prove_connection(uint16_t port, int acceptor)
{
	struct guest_circuit *c = open_circuit(port);

	prove_circuit(c, stage_accept(acceptor));
}

static struct guest_circuit *listen_at(uint16_t port)
{
	struct guest_circuit *listener = guest_listener_new(line);
	struct sb_address at = { .family = SB_FAMILY_IPV4, .port = port };

	guest_circuit_offer(listener);
	ck_assert_int_eq(guest_request_listen(listener, &at, 16), 0);
	return listener;
}

/* The refusal of an entry, on the trunk */
static uint32_t refusal(const struct guest_circuit *c)
{
	struct sb_message m;

	ck_assert_int_eq(guest_trunk_expect(guest, SB_MESSAGE_REFUSED, &m,
					    STAGE_TIMEOUT_MS),
			 0);
	ck_assert_uint_eq(m.entry, c->entry);
	ck_assert_uint_eq(m.generation, c->generation);
	return m.error;
}

START_TEST(connects_where_policy_allows)
{
	uint16_t port;
	int listener = stage_listener(&port);
	struct guest_circuit *c = open_circuit(port), *denied;

	prove_circuit(c, stage_accept(listener));
	denied = guest_circuit_new(line, 2);
	ask(denied, stage_loopback(80));
	ck_assert_int_eq(guest_circuit_wait(denied, SB_PEER_OPEN,
					    STAGE_TIMEOUT_MS),
			 -EACCES);
	guest_circuit_close(c);
	ck_assert_int_eq(
		guest_circuit_wait(c, SB_PEER_CLOSED, STAGE_TIMEOUT_MS), 0);
}
END_TEST

START_TEST(listens_where_policy_allows)
{
	struct guest_circuit *listener = listen_at(80), *denied, *c;

	ck_assert_int_eq(guest_circuit_wait(listener, SB_PEER_OPEN,
					    STAGE_TIMEOUT_MS),
			 0);
	c = guest_circuit_new(line, 2);
	guest_circuit_post(c, listener);
	prove_circuit(c, stage_dial(published));
	denied = listen_at(81);
	ck_assert_uint_eq(refusal(denied), EACCES);
}
END_TEST

/* A new operator wants the line: it is there already, and is named again */
static void name_line_again(void)
{
	struct sb_message m = { 0 };

	while (m.type != SB_MESSAGE_LINE_WANTED)
		ck_assert_int_eq(
			guest_trunk_receive(guest, &m, STAGE_TIMEOUT_MS), 0);
	ck_assert_uint_eq(m.line, line->number);
	ck_assert_int_eq(guest_request_line_ready(line), 0);
}

START_TEST(operator_dies_and_circuits_carry_on)
{
	uint16_t port, other;
	int acceptor = stage_listener(&port), fd;
	int unknown = stage_listener(&other);
	struct guest_circuit *c = open_circuit(port), *later;

	fd = stage_accept(acceptor);
	ck_assert_int_eq(stage_end(operator_process, SIGKILL), -SIGKILL);
	prove_circuit(c, fd);
	/* where the verdict is known nobody is missed */
	prove_connection(port, acceptor);
	/* asked while nobody is there: answered by the next operator */
	later = guest_circuit_new(line, 2);
	ask(later, stage_loopback(other));
	usleep(20000);
	ck_assert_uint_eq(guest_circuit_peer(later), 0);
	operator_process = stage_service(&stage, "operator", config);
	name_line_again();
	ck_assert_int_eq(
		guest_circuit_wait(later, SB_PEER_OPEN, STAGE_TIMEOUT_MS), 0);
	prove_circuit(later, stage_accept(unknown));
	prove_circuit(c, fd);
	guest_circuit_close(c);
	ck_assert_int_eq(
		guest_circuit_wait(c, SB_PEER_CLOSED, STAGE_TIMEOUT_MS), 0);
}
END_TEST

START_TEST(proxy_dies_and_listeners_come_back)
{
	struct guest_circuit *listener = listen_at(80), *c, *posted;
	uint16_t port;
	int acceptor = stage_listener(&port);

	ck_assert_int_eq(guest_circuit_wait(listener, SB_PEER_OPEN,
					    STAGE_TIMEOUT_MS),
			 0);
	posted = guest_circuit_new(line, 2);
	guest_circuit_post(posted, listener);
	c = open_circuit(port);
	prove_circuit(c, stage_accept(acceptor));
	stage_proxy_kill(&stage);
	stage.proxy = stage_service(&stage, "proxy-tcp", NULL);
	ck_assert_int_eq(guest_line_wait_attached(line, STAGE_TIMEOUT_MS), 0);
	ck_assert_int_eq(
		guest_circuit_wait(c, SB_PEER_CLOSED, STAGE_TIMEOUT_MS), 0);
	ck_assert_uint_eq(c->shared->error, ECONNRESET);
	/* nobody asked the guest for anything */
	prove_circuit(posted, stage_dial(published));
	prove_connection(port, acceptor);
}
END_TEST

START_TEST(guest_dies_and_another_takes_its_place)
{
	uint16_t port;
	int acceptor = stage_listener(&port), fd, before;
	char byte;

	open_circuit(port);
	fd = stage_accept(acceptor);
	before = stage_descriptors(stage.proxy);
	guest_free(guest);
	ck_assert_int_eq(read(fd, &byte, 1), -1);
	ck_assert_int_eq(errno, ECONNRESET);
	guest = new_guest("alpha");
	line = guest_start_line(guest, STAGE_TIMEOUT_MS);
	ck_assert_msg(line, "no line: %s", strerror(errno));
	prove_connection(port, acceptor);
	ck_assert_int_le(stage_descriptors(stage.proxy), before);
}
END_TEST

START_TEST(driver_leaves_and_comes_back)
{
	uint16_t port;
	int acceptor = stage_listener(&port);

	for (int i = 0; i < 3; i++) {
		prove_connection(port, acceptor);
		guest_line_free(line);
		ck_assert_int_eq(
			guest_trunk_disconnect(guest, STAGE_TIMEOUT_MS), 0);
		ck_assert_int_eq(
			guest_device_set(guest, LOCAL_STATE_INITIALISING), 0);
		line = guest_start_line(guest, STAGE_TIMEOUT_MS);
		ck_assert_msg(line, "no line: %s", strerror(errno));
	}
}
END_TEST

START_TEST(two_hundred_circuits_at_once)
{
	enum { COUNT = 200 };
	struct guest_circuit *c[COUNT];
	uint16_t port;
	int acceptor = stage_listener(&port);

	for (int i = 0; i < COUNT; i++) {
		struct sb_address to = stage_loopback(port);

		c[i] = guest_circuit_new(line, 2);
		ask(c[i], to);
	}
	for (int i = 0; i < COUNT; i++) {
		ck_assert_int_eq(guest_circuit_wait(c[i], SB_PEER_OPEN,
						    STAGE_TIMEOUT_MS),
				 0);
		close(stage_accept(acceptor));
	}
	for (int i = 0; i < COUNT; i++) {
		guest_circuit_close(c[i]);
		ck_assert_int_eq(guest_circuit_wait(c[i], SB_PEER_CLOSED,
						    STAGE_TIMEOUT_MS),
				 0);
		ck_assert_int_eq(guest_circuit_revoke(c[i], STAGE_TIMEOUT_MS),
				 0);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("whole_path");
	TCase *tcase = tcase_create("whole");

	tcase_set_timeout(tcase, 20);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, connects_where_policy_allows);
	tcase_add_test(tcase, listens_where_policy_allows);
	tcase_add_test(tcase, operator_dies_and_circuits_carry_on);
	tcase_add_test(tcase, proxy_dies_and_listeners_come_back);
	tcase_add_test(tcase, guest_dies_and_another_takes_its_place);
	tcase_add_test(tcase, driver_leaves_and_comes_back);
	tcase_add_test(tcase, two_hundred_circuits_at_once);
	suite_add_tcase(suite, tcase);
	return unit_run(suite);
}
