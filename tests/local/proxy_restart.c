// SPDX-License-Identifier: GPL-2.0-only
/*
 * proxy_restart.c - proxy-tcp dies, another takes over without the guest's help
 */
#include <errno.h>
#include <signal.h>
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

START_TEST(connections_end_in_econnreset)
{
	struct guest_circuit *c[10];
	int fd[10];

	for (int i = 0; i < 10; i++)
		c[i] = stage_connection(&stage, line, 2, &fd[i]);
	stage_proxy_replace(&stage, line);
	for (int i = 0; i < 10; i++) {
		ck_assert_int_eq(guest_circuit_wait(c[i], SB_PEER_CLOSED,
						    STAGE_TIMEOUT_MS),
				 0);
		ck_assert_uint_eq(c[i]->shared->error, ECONNRESET);
		ck_assert_int_eq(guest_circuit_recycle(c[i]), 0);
	}
	/* and its pages can be had back */
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(guest_circuit_revoke(c[i], STAGE_TIMEOUT_MS),
				 0);
}
END_TEST

START_TEST(a_call_that_nobody_took_is_new_to_the_next)
{
	struct guest_circuit *before = guest_circuit_new(line, 2);
	struct guest_circuit *between = guest_circuit_new(line, 2);
	struct guest_circuit *slow = guest_circuit_new(line, 2);
	struct sb_address to, nowhere;
	const struct ipc_message *m;
	uint16_t port, full;
	int listener = stage_listener(&port), i;

	to = stage_loopback(port);
	/* asked about by the old one, called while there is none, begun */
	guest_circuit_call(before, NULL, &to);
	stage_expect(&stage, IPC_REPORT_ASKED);
	listen(stage_listener(&full), 0);
	nowhere = stage_loopback(full);
	for (i = 0; i < 3; i++)
		stage_connect(&stage, guest_circuit_new(line, 2), &nowhere);
	stage_connect(&stage, slow, &nowhere);
	ck_assert_uint_eq(sb_word_state(guest_circuit_peer(slow)),
			  SB_PEER_TAKEN);
	stage_proxy_kill(&stage);
	guest_circuit_call(between, NULL, &to);
	stage_proxy_start(&stage);
	stage_attach(&stage, line);
	m = stage_expect(&stage, IPC_REPORT_ASKED);
	stage_answer(&stage, &m->question, 0);
	ck_assert_int_eq(
		guest_circuit_wait(before, SB_PEER_OPEN, STAGE_TIMEOUT_MS), 0);
	ck_assert_int_eq(
		guest_circuit_wait(between, SB_PEER_OPEN, STAGE_TIMEOUT_MS), 0);
	ck_assert_int_eq(guest_circuit_wait(slow, SB_PEER_OPEN,
					    STAGE_TIMEOUT_MS),
			 -ECONNRESET);
	close(listener);
}
END_TEST

START_TEST(what_has_ended_is_not_called_again)
{
	int fd;
	struct guest_circuit *c = stage_connection(&stage, line, 2, &fd);

	/* closed by both, and not yet taken back by the guest */
	guest_circuit_close(c);
	ck_assert_int_eq(
		guest_circuit_wait(c, SB_PEER_CLOSED, STAGE_TIMEOUT_MS), 0);
	stage_proxy_replace(&stage, line);
	guest_line_ring(line, c->entry);
	ck_assert(stage_quiet(&stage, 100));
	ck_assert_uint_eq(sb_word_state(guest_circuit_peer(c)), SB_PEER_CLOSED);
	ck_assert_uint_eq(c->shared->error, 0);
	ck_assert_int_eq(guest_circuit_recycle(c), 0);
	ck_assert_int_eq(guest_circuit_revoke(c, STAGE_TIMEOUT_MS), 0);
}
END_TEST

START_TEST(an_end_that_nobody_waits_for_is_told_without_an_event)
{
	int fd;
	struct guest_circuit *c = stage_connection(&stage, line, 2, &fd);

	while (guest_line_wait(line, 20) > 0)
		;
	guest_circuit_close(c);
	ck_assert_int_eq(read(fd, (char[1]){ 0 }, 1), 0);
	unit_until(sb_word_state(guest_circuit_peer(c)) == SB_PEER_CLOSED);
	/* but it is told some time */
	unit_until(guest_line_wait(line, 10));
}
END_TEST

START_TEST(listeners_come_back_with_what_was_posted)
{
	struct guest_circuit *listener = guest_listener_new(line);
	struct guest_circuit *used = guest_circuit_new(line, 2);
	struct guest_circuit *unused = guest_circuit_new(line, 2);
	struct sb_address at = stage_loopback(0);
	uint16_t port;

	guest_circuit_offer(listener);
	stage_listen(&stage, listener, &at);
	ck_assert_int_eq(guest_circuit_wait(listener, SB_PEER_OPEN,
					    STAGE_TIMEOUT_MS),
			 0);
	port = listener->shared->local.port;
	at = stage_loopback(port);
	guest_circuit_post(used, listener);
	stage_dial(port);
	ck_assert_int_eq(
		guest_circuit_wait(used, SB_PEER_OPEN, STAGE_TIMEOUT_MS), 0);
	guest_circuit_post(unused, listener);
	stage_proxy_replace(&stage, line);
	stage_listen(&stage, listener, &at);
	ck_assert_int_eq(
		guest_circuit_wait(used, SB_PEER_CLOSED, STAGE_TIMEOUT_MS), 0);
	ck_assert_uint_eq(used->shared->error, ECONNRESET);
	stage_dial(port);
	ck_assert_int_eq(
		guest_circuit_wait(unused, SB_PEER_OPEN, STAGE_TIMEOUT_MS), 0);
	ck_assert_uint_eq(sb_word_state(guest_circuit_peer(listener)),
			  SB_PEER_OPEN);
}
END_TEST

START_TEST(new_connections_work_at_once)
{
	char text[4];
	int fd;
	struct guest_circuit *c;

	for (int i = 0; i < 3; i++) {
		stage_proxy_replace(&stage, line);
		c = stage_connection(&stage, line, 2, &fd);
		ck_assert_int_eq(guest_circuit_send(c, "abc", 3), 3);
		ck_assert_int_eq(recv(fd, text, 3, MSG_WAITALL), 3);
	}
}
END_TEST

START_TEST(attach_again_keeps_connections)
{
	char text[4];
	int fd;
	struct guest_circuit *c = stage_connection(&stage, line, 2, &fd);
	static struct ipc_message m;

	m.type = IPC_ORDER_LIST;
	stage_order(&stage, &m);
	stage_expect(&stage, IPC_REPORT_LISTING);
	stage_order_attach(&stage, line);
	stage_expect(&stage, IPC_REPORT_ATTACHED);
	ck_assert_uint_eq(sb_load(&line->header->peer_epoch), line->epoch);
	ck_assert_int_eq(guest_circuit_send(c, "abc", 3), 3);
	ck_assert_int_eq(recv(fd, text, 3, MSG_WAITALL), 3);
}
END_TEST

START_TEST(operator_that_comes_back_is_told_what_exists)
{
	struct guest_circuit *listener = guest_listener_new(line), *c;
	struct sb_address at = stage_loopback(0);
	static struct ipc_message m;
	int fd;

	guest_circuit_offer(listener);
	stage_listen(&stage, listener, &at);
	ck_assert_int_eq(guest_circuit_wait(listener, SB_PEER_OPEN,
					    STAGE_TIMEOUT_MS),
			 0);
	c = stage_connection(&stage, line, 2, &fd);
	ipc_close(stage.pair);
	stage.pair = NULL;
	usleep(100000);
	/* established circuits do not notice, then or later */
	ck_assert_int_eq(guest_circuit_send(c, "abc", 3), 3);
	ck_assert_int_eq(recv(fd, (char[4]){ 0 }, 3, MSG_WAITALL), 3);
	stage_operator_return(&stage);
	m.type = IPC_ORDER_LIST;
	stage_order(&stage, &m);
	ck_assert_uint_eq(
		stage_expect(&stage, IPC_REPORT_LISTENING)->listen.local.port,
		listener->shared->local.port);
	ck_assert_uint_eq(
		stage_expect(&stage, IPC_REPORT_LISTING)->listing.gref,
		line->header_gref);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("proxy_restart");
	TCase *tcase = tcase_create("restart");

	tcase_set_timeout(tcase, 20);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, connections_end_in_econnreset);
	tcase_add_test(tcase, a_call_that_nobody_took_is_new_to_the_next);
	tcase_add_test(tcase, what_has_ended_is_not_called_again);
	tcase_add_test(tcase,
		       an_end_that_nobody_waits_for_is_told_without_an_event);
	tcase_add_test(tcase, listeners_come_back_with_what_was_posted);
	tcase_add_test(tcase, new_connections_work_at_once);
	tcase_add_test(tcase, attach_again_keeps_connections);
	tcase_add_test(tcase, operator_that_comes_back_is_told_what_exists);
	suite_add_tcase(suite, tcase);
	return unit_run(suite);
}
