// SPDX-License-Identifier: GPL-2.0-only
/*
 * proxy_connect.c - a guest connects through proxy-tcp: set-up and ends
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
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

static int read_within(int fd, void *bytes, size_t count)
{
	struct pollfd set = { fd, POLLIN, 0 };

	ck_assert_int_eq(poll(&set, 1, STAGE_TIMEOUT_MS), 1);
	return read(fd, bytes, count);
}

START_TEST(request_and_answer)
{
	char text[32] = { 0 };
	int fd = -1;
	struct guest_circuit *c = stage_connection(&stage, line, 2, &fd);

	for (int round = 0; round < 100; round++) {
		ck_assert_int_eq(guest_circuit_send_all(c, "question", 8,
							STAGE_TIMEOUT_MS),
				 0);
		ck_assert_int_eq(read_within(fd, text, sizeof(text)), 8);
		ck_assert_int_eq(write(fd, "answer", 6), 6);
		ck_assert_int_eq(guest_circuit_receive_all(c, text, 6,
							   STAGE_TIMEOUT_MS),
				 0);
		ck_assert_mem_eq(text, "answer", 6);
	}
}
END_TEST

START_TEST(addresses_are_those_of_the_socket)
{
	struct sockaddr_in sa = { 0 };
	socklen_t length = sizeof(sa);
	int fd;
	struct guest_circuit *c = stage_connection(&stage, line, 2, &fd);

	getpeername(fd, (struct sockaddr *)&sa, &length);
	ck_assert_uint_eq(c->shared->local.port, ntohs(sa.sin_port));
	getsockname(fd, (struct sockaddr *)&sa, &length);
	ck_assert_uint_eq(c->shared->remote.port, ntohs(sa.sin_port));
	ck_assert_uint_eq(c->shared->remote.family, SB_FAMILY_IPV4);
	ck_assert_mem_eq(c->shared->local.bytes, "\x7f\0\0\1", 4);
}
END_TEST

START_TEST(bytes_written_before_the_connection_are_sent)
{
	struct guest_circuit *c = guest_circuit_new(line, 2);
	struct sb_address to;
	char text[8];
	uint16_t port;
	int listener = stage_listener(&port);

	ck_assert_int_eq(guest_circuit_send(c, "early", 5), 5);
	to = stage_loopback(port);
	stage_connect(&stage, c, &to);
	ck_assert_int_eq(read_within(stage_accept(listener), text, 8), 5);
	ck_assert_mem_eq(text, "early", 5);
}
END_TEST

START_TEST(refused_and_unreachable_are_told)
{
	struct guest_circuit *c = guest_circuit_new(line, 2);
	struct sb_address to;
	uint16_t port;

	close(stage_listener(&port));
	to = stage_loopback(port);
	stage_connect(&stage, c, &to);
	ck_assert_int_eq(guest_circuit_wait(c, SB_PEER_OPEN, STAGE_TIMEOUT_MS),
			 -ECONNREFUSED);
	ck_assert_int_eq(guest_circuit_recycle(c), 0);
	to.bytes[0] = 224;
	stage_connect(&stage, c, &to);
	ck_assert_int_eq(guest_circuit_wait(c, SB_PEER_OPEN, STAGE_TIMEOUT_MS),
			 -ENETUNREACH);
}
END_TEST

/* A listener whose backlog is full answers no SYN: as good as a black hole */
static int black_hole(uint16_t *port)
{
	int fd = stage_listener(port);
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_port = htons(*port),
				  .sin_addr = { htonl(INADDR_LOOPBACK) } };

	listen(fd, 0);
	for (int i = 0; i < 3; i++) {
		int filler = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

		ck_assert(connect(filler, (struct sockaddr *)&sa, sizeof(sa)) ||
			  filler);
	}
	/* the first is in: there is no room for another */
	ck_assert_int_eq(poll(&(struct pollfd){ fd, POLLIN, 0 }, 1,
			      STAGE_TIMEOUT_MS),
			 1);
	return fd;
}

START_TEST(unanswered_syn_holds_up_nothing)
{
	struct guest_circuit *slow = guest_circuit_new(line, 2);
	struct sb_address to;
	uint16_t port;
	int fd;

	black_hole(&port);
	to = stage_loopback(port);
	stage_connect(&stage, slow, &to);
	for (int i = 0; i < 20; i++) {
		struct guest_circuit *c =
			stage_connection(&stage, line, 2, &fd);

		ck_assert_int_eq(guest_circuit_send(c, "x", 1), 1);
		close(fd);
	}
	ck_assert_uint_eq(sb_word_state(guest_circuit_peer(slow)),
			  SB_PEER_TAKEN);
	/* the guest gives up: answered at once */
	guest_circuit_abort(slow);
	ck_assert_int_eq(
		guest_circuit_wait(slow, SB_PEER_CLOSED, STAGE_TIMEOUT_MS), 0);
	ck_assert_int_eq(guest_circuit_recycle(slow), 0);
}
END_TEST

START_TEST(a_call_that_changes_later_changes_nothing)
{
	int fd;
	struct guest_circuit *c = stage_connection(&stage, line, 2, &fd);
	struct sb_address elsewhere = stage_loopback(1);
	char text[4];

	guest_circuit_call(c, NULL, &elsewhere);
	guest_circuit_call(c, NULL, &elsewhere);
	ck_assert_int_eq(guest_circuit_send_all(c, "abc", 3, STAGE_TIMEOUT_MS),
			 0);
	ck_assert_int_eq(read_within(fd, text, 4), 3);
	guest_circuit_close(c);
	ck_assert_int_eq(
		guest_circuit_wait(c, SB_PEER_CLOSED, STAGE_TIMEOUT_MS), 0);
	/* ended long ago, and stays so */
	guest_line_ring(line, c->entry);
	ck_assert(stage_quiet(&stage, 50));
}
END_TEST

START_TEST(guest_ends_writing_first)
{
	char text[8];
	int fd;
	struct guest_circuit *c = stage_connection(&stage, line, 2, &fd);

	ck_assert_int_eq(guest_circuit_send(c, "last", 4), 4);
	guest_circuit_shutdown(c);
	ck_assert_int_eq(read_within(fd, text, 8), 4);
	ck_assert_int_eq(read_within(fd, text, 8), 0);
	/* the other direction goes on */
	ck_assert_int_eq(write(fd, "after", 5), 5);
	ck_assert_int_eq(
		guest_circuit_receive_all(c, text, 5, STAGE_TIMEOUT_MS), 0);
	close(fd);
	ck_assert_int_eq(
		guest_circuit_wait(c, SB_PEER_CLOSED, STAGE_TIMEOUT_MS), 0);
	ck_assert_int_eq(guest_circuit_receive(c, text, 8), 0);
	ck_assert_uint_eq(c->shared->error, 0);
}
END_TEST

START_TEST(network_ends_writing_first)
{
	char text[8];
	int fd;
	struct guest_circuit *c = stage_connection(&stage, line, 2, &fd);

	ck_assert_int_eq(write(fd, "last", 4), 4);
	shutdown(fd, SHUT_WR);
	ck_assert_int_eq(
		guest_circuit_receive_all(c, text, 4, STAGE_TIMEOUT_MS), 0);
	ck_assert_int_eq(guest_circuit_receive_all(c, text, 1,
						   STAGE_TIMEOUT_MS),
			 -ENODATA);
	ck_assert_int_eq(guest_circuit_send(c, "after", 5), 5);
	ck_assert_int_eq(read_within(fd, text, 8), 5);
	guest_circuit_close(c);
	ck_assert_int_eq(read_within(fd, text, 8), 0);
	ck_assert_int_eq(
		guest_circuit_wait(c, SB_PEER_CLOSED, STAGE_TIMEOUT_MS), 0);
}
END_TEST

START_TEST(close_after_the_last_write_delivers_all)
{
	uint8_t *bytes = malloc(16384);
	size_t got = 0;
	ssize_t n;
	int fd;
	struct guest_circuit *c = stage_connection(&stage, line, 2, &fd);

	stage_fill(bytes, 16384, 0, 1);
	ck_assert_int_eq(guest_circuit_send(c, bytes, 16384), 16384);
	guest_circuit_close(c);
	memset(bytes, 0, 16384);
	while ((n = read_within(fd, bytes + got, 16384 - got)) > 0)
		got += n;
	ck_assert_int_eq(n, 0);
	ck_assert_uint_eq(got, 16384);
	ck_assert(stage_check(bytes, got, 0, 1));
	ck_assert_int_eq(
		guest_circuit_wait(c, SB_PEER_CLOSED, STAGE_TIMEOUT_MS), 0);
	free(bytes);
}
END_TEST

START_TEST(reset_by_the_network)
{
	struct linger reset = { 1, 0 };
	char text[8];
	int fd;
	struct guest_circuit *c = stage_connection(&stage, line, 2, &fd);

	ck_assert_int_eq(write(fd, "data", 4), 4);
	/* a reset overtakes what the proxy has not taken yet */
	stage_arrived(c, 4);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd);
	ck_assert_int_eq(
		guest_circuit_wait(c, SB_PEER_CLOSED, STAGE_TIMEOUT_MS), 0);
	ck_assert(guest_circuit_peer(c) & SB_WORD_RESET);
	/* what came before is still there */
	ck_assert_int_eq(
		guest_circuit_receive_all(c, text, 4, STAGE_TIMEOUT_MS), 0);
	ck_assert_int_eq(guest_circuit_receive(c, text, 8), -ECONNRESET);
}
END_TEST

START_TEST(reset_by_the_guest)
{
	char text[8];
	int fd;
	struct guest_circuit *c = stage_connection(&stage, line, 2, &fd);

	guest_circuit_abort(c);
	ck_assert_int_eq(
		guest_circuit_wait(c, SB_PEER_CLOSED, STAGE_TIMEOUT_MS), 0);
	ck_assert_int_eq(read_within(fd, text, 8), -1);
	ck_assert_int_eq(errno, ECONNRESET);
}
END_TEST

START_TEST(idle_half_closed_circuits_cost_no_cpu)
{
	struct guest_circuit *c[20];
	char text[8];
	int fd[20];

	for (int i = 0; i < 20; i++) {
		c[i] = stage_connection(&stage, line, 2, &fd[i]);
		/* all kinds: with data that nobody reads, either way round */
		if (i % 2)
			ck_assert_int_eq(write(fd[i], text, 8), 8);
		if (i % 4 < 2)
			shutdown(fd[i], SHUT_WR);
		else
			guest_circuit_shutdown(c[i]);
	}
	stage_rests(stage.proxy);
}
END_TEST

START_TEST(options_reach_the_socket)
{
	struct guest_circuit *c;
	int fd;

	c = stage_connection(&stage, line, 2, &fd);
	c->shared->options.set = SB_OPTION_NODELAY | SB_OPTION_KEEPALIVE |
				 SB_OPTION_KEEPIDLE | SB_OPTION_TOS;
	c->shared->options.flags = SB_OPTION_NODELAY | SB_OPTION_KEEPALIVE;
	c->shared->options.keepidle_s = 77;
	c->shared->options.tos = 0x10;
	sb_store(&c->shared->options_seq, 5);
	guest_line_ring(line, c->entry);
	unit_until(sb_load(&c->shared->options_ack) == 5);
	/* and its state comes back */
	ck_assert_int_eq(guest_circuit_send(c, "x", 1), 1);
	sb_store(&c->shared->info_seq, 9);
	guest_line_ring(line, c->entry);
	unit_until(sb_load(&c->shared->info_ack) == 9);
	ck_assert_uint_eq(c->shared->info.tcp_state, 1);
	ck_assert_uint_gt(c->shared->info.snd_mss, 500);
}
END_TEST

START_TEST(circuits_are_used_again_without_growth)
{
	struct sb_address to;
	struct guest_circuit *c = guest_circuit_new(line, 2);
	unsigned int descriptors = 0;
	uint16_t port;
	int listener = stage_listener(&port), fd;
	char text[8];

	to = stage_loopback(port);
	for (int i = 0; i < 300; i++) {
		stage_connect(&stage, c, &to);
		ck_assert_int_eq(guest_circuit_wait(c, SB_PEER_OPEN,
						    STAGE_TIMEOUT_MS),
				 0);
		fd = stage_accept(listener);
		ck_assert_int_eq(guest_circuit_send(c, "hello", 5), 5);
		ck_assert_int_eq(read_within(fd, text, 8), 5);
		if (i % 3 == 0)
			close(fd);
		guest_circuit_close(c);
		ck_assert_int_eq(guest_circuit_wait(c, SB_PEER_CLOSED,
						    STAGE_TIMEOUT_MS),
				 0);
		if (i % 3)
			close(fd);
		ck_assert_int_eq(guest_circuit_recycle(c), 0);
		if (i == 10)
			descriptors = stage_descriptors(stage.proxy);
	}
	unit_until(stage_descriptors(stage.proxy) <= descriptors + 1);
	/* the pages come back when the pool shrinks */
	ck_assert_int_eq(guest_circuit_revoke(c, STAGE_TIMEOUT_MS), 0);
}
END_TEST

START_TEST(circuits_of_every_size)
{
	uint8_t *bytes = malloc(1 << 20);
	int fd;

	for (unsigned int order = 0; order <= SB_ORDER_MAX; order++) {
		struct guest_circuit *c =
			stage_connection(&stage, line, order, &fd);
		uint32_t size = sb_area_bytes(order);

		stage_fill(bytes, size, 0, order);
		ck_assert_int_eq(guest_circuit_send(c, bytes, size), size);
		memset(bytes, 0, size);
		ck_assert_int_eq(recv(fd, bytes, size, MSG_WAITALL), size);
		ck_assert(stage_check(bytes, size, 0, order));
		guest_circuit_close(c);
		ck_assert_int_eq(guest_circuit_wait(c, SB_PEER_CLOSED,
						    STAGE_TIMEOUT_MS),
				 0);
		ck_assert_int_eq(guest_circuit_revoke(c, STAGE_TIMEOUT_MS), 0);
		close(fd);
	}
	free(bytes);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("proxy_connect");
	TCase *tcase = tcase_create("connect");

	tcase_set_timeout(tcase, 20);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, request_and_answer);
	tcase_add_test(tcase, addresses_are_those_of_the_socket);
	tcase_add_test(tcase, bytes_written_before_the_connection_are_sent);
	tcase_add_test(tcase, refused_and_unreachable_are_told);
	tcase_add_test(tcase, unanswered_syn_holds_up_nothing);
	tcase_add_test(tcase, a_call_that_changes_later_changes_nothing);
	tcase_add_test(tcase, guest_ends_writing_first);
	tcase_add_test(tcase, network_ends_writing_first);
	tcase_add_test(tcase, close_after_the_last_write_delivers_all);
	tcase_add_test(tcase, reset_by_the_network);
	tcase_add_test(tcase, reset_by_the_guest);
	tcase_add_test(tcase, idle_half_closed_circuits_cost_no_cpu);
	tcase_add_test(tcase, options_reach_the_socket);
	tcase_add_test(tcase, circuits_are_used_again_without_growth);
	tcase_add_test(tcase, circuits_of_every_size);
	suite_add_tcase(suite, tcase);
	return unit_run(suite);
}
