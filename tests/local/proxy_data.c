// SPDX-License-Identifier: GPL-2.0-only
/*
 * proxy_data.c - bytes through proxy-tcp: exact, both ways, with all sizes
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/local/stage.h"
#include "tests/unit/random.h"
#include "tests/unit/unit.h"

#define CHUNK 65536u

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

/**
 * struct flow - a connection that is driven from both ends at once
 * @sent:     bytes by the guest, by the network
 * @received: bytes by the network (of sent[0]), by the guest (of sent[1])
 */
struct flow {
	struct guest_circuit *c;
	int fd;
	uint64_t sent[2];
	uint64_t received[2];
	uint32_t seed;
};

static void open_flow(struct flow *f, unsigned int order, uint32_t seed)
{
	memset(f, 0, sizeof(*f));
	f->c = stage_connection(&stage, line, order, &f->fd);
	f->seed = seed;
	fcntl(f->fd, F_SETFL, O_NONBLOCK);
}

static ssize_t step_out(struct flow *f, uint8_t *bytes, size_t count)
{
	ssize_t n;

	stage_fill(bytes, count, f->sent[0], f->seed);
	n = guest_circuit_send(f->c, bytes, count);
	f->sent[0] += n > 0 ? n : 0;
	ck_assert(n > 0 || n == -EAGAIN);
	n = read(f->fd, bytes, CHUNK);
	if (n > 0) {
		ck_assert(stage_check(bytes, n, f->received[0], f->seed));
		f->received[0] += n;
	}
	return n;
}

static ssize_t step_in(struct flow *f, uint8_t *bytes, size_t count)
{
	ssize_t n;

	stage_fill(bytes, count, f->sent[1], f->seed + 1);
	n = write(f->fd, bytes, count);
	f->sent[1] += n > 0 ? n : 0;
	n = guest_circuit_receive(f->c, bytes, CHUNK);
	ck_assert(n > 0 || n == -EAGAIN);
	if (n > 0) {
		ck_assert(stage_check(bytes, n, f->received[1], f->seed + 1));
		f->received[1] += n;
	}
	return n;
}

/* Both ways at once until each has moved @total, in pieces up to @piece */
static void run_flow(struct flow *f, uint64_t total, uint32_t piece)
{
	static uint8_t bytes[CHUNK];
	struct random random = random_seed(f->seed);
	uint64_t end_ms = guest_now_ms() + STAGE_TIMEOUT_MS;

	while (f->received[0] < total || f->received[1] < total) {
		size_t out = 1 + random_below(&random, piece);
		size_t in = 1 + random_below(&random, piece);
		ssize_t moved = 0;

		if (f->received[0] < total)
			moved += step_out(f, bytes, out) > 0;
		if (f->received[1] < total)
			moved += step_in(f, bytes, in) > 0;
		if (!moved)
			guest_line_wait(line, 1);
		ck_assert_msg(guest_now_ms() < end_ms,
			      "stuck: %lu of %lu out, %lu of %lu in",
			      f->received[0], f->sent[0], f->received[1],
			      f->sent[1]);
	}
}

START_TEST(both_ways_at_once_are_exact)
{
	struct flow f;

	open_flow(&f, 2, 11);
	run_flow(&f, 24u << 20, CHUNK);
}
END_TEST

START_TEST(odd_pieces_are_exact)
{
	struct flow f;

	open_flow(&f, 2, 12);
	run_flow(&f, 4u << 20, 1500);
}
END_TEST

START_TEST(smallest_and_largest_rings_are_exact)
{
	struct flow f;

	open_flow(&f, SB_ORDER_MIN, 13);
	run_flow(&f, 2u << 20, CHUNK);
	open_flow(&f, SB_ORDER_MAX, 14);
	run_flow(&f, 16u << 20, CHUNK);
}
END_TEST

START_TEST(single_bytes_at_full_rate)
{
	struct flow f;

	open_flow(&f, SB_ORDER_MIN, 15);
	run_flow(&f, 20000, 1);
}
END_TEST

/* CASES 5: the reader stops for a while, the writer is held back */
START_TEST(guest_that_stops_reading_holds_the_network_back)
{
	uint8_t *bytes = malloc(CHUNK);
	struct flow f;
	ssize_t n;
	int idle = 0;

	open_flow(&f, 2, 16);
	/* write until nothing moves any more: ring and sockets are full */
	while (idle < 20 || f.sent[1] <= 256u << 10) {
		stage_fill(bytes, CHUNK, f.sent[1], f.seed + 1);
		n = write(f.fd, bytes, CHUNK);
		f.sent[1] += n > 0 ? n : 0;
		idle = n > 0 ? 0 : idle + 1;
		if (n < 0)
			usleep(5000);
	}
	while (f.received[1] < f.sent[1]) {
		n = guest_circuit_receive(f.c, bytes, 1000);
		ck_assert(n > 0 || n == -EAGAIN);
		if (n > 0)
			ck_assert(stage_check(bytes, n, f.received[1],
					      f.seed + 1));
		else
			guest_line_wait(line, 100);
		f.received[1] += n > 0 ? n : 0;
	}
	free(bytes);
}
END_TEST

/* CASES 5 and 6: sends are partial, the tail is kept */
START_TEST(network_that_stops_reading_holds_the_guest_back)
{
	uint8_t *bytes = malloc(CHUNK);
	struct flow f;
	ssize_t n;
	int idle = 0;

	open_flow(&f, 2, 17);
	while (idle < 20 || f.sent[0] <= 256u << 10) {
		stage_fill(bytes, CHUNK, f.sent[0], f.seed);
		n = guest_circuit_send(f.c, bytes, CHUNK);
		f.sent[0] += n > 0 ? n : 0;
		idle = n > 0 ? 0 : idle + 1;
		if (n < 0)
			guest_line_wait(line, 5);
	}
	guest_circuit_close(f.c);
	fcntl(f.fd, F_SETFL, 0);
	while ((n = read(f.fd, bytes, 1000)) > 0) {
		ck_assert(stage_check(bytes, n, f.received[0], f.seed));
		f.received[0] += n;
	}
	ck_assert_int_eq(n, 0);
	ck_assert_uint_eq(f.received[0], f.sent[0]);
	ck_assert_int_eq(
		guest_circuit_wait(f.c, SB_PEER_CLOSED, STAGE_TIMEOUT_MS), 0);
	free(bytes);
}
END_TEST

START_TEST(a_thousand_circuits_at_once)
{
	enum { COUNT = 1000 };
	static struct guest_circuit *c[COUNT];
	static int fd[COUNT];
	struct sb_address to;
	uint16_t port;
	int listener = stage_listener(&port), number;

	to = stage_loopback(port);
	for (int i = 0; i < COUNT; i++) {
		c[i] = guest_circuit_new(line, 2);
		ck_assert_ptr_nonnull(c[i]);
		guest_circuit_send(c[i], &i, sizeof(i));
		stage_connect(&stage, c[i], &to);
		if (i % 100 == 99)
			ck_assert_int_eq(guest_circuit_wait(c[i], SB_PEER_OPEN,
							    STAGE_TIMEOUT_MS),
					 0);
		fd[i] = stage_accept(listener);
	}
	for (int i = 0; i < COUNT; i++) {
		ck_assert_int_eq(recv(fd[i], &number, 4, MSG_WAITALL), 4);
		ck_assert_int_eq(write(fd[i], &number, 4), 4);
	}
	/* which accepted socket is whose does not matter: the bytes tell */
	for (int i = 0; i < COUNT; i++) {
		ck_assert_int_eq(guest_circuit_receive_all(c[i], &number, 4,
							   STAGE_TIMEOUT_MS),
				 0);
		ck_assert_int_eq(number, i);
	}
}
END_TEST

/* CASES 20: one floods small writes, the other asks and is answered */
START_TEST(flood_does_not_starve_request_and_answer)
{
	struct guest_circuit *flood[8], *c;
	struct guest_line *other = stage_line(&stage, "beta");
	unsigned int slow = 0;
	uint64_t start_ms;
	static uint8_t bytes[CHUNK];
	int sink[8], fd;

	stage_attach(&stage, other);
	c = stage_connection(&stage, other, 2, &fd);
	for (int i = 0; i < 8; i++) {
		flood[i] = stage_connection(&stage, line, 2, &sink[i]);
		fcntl(sink[i], F_SETFL, O_NONBLOCK);
	}
	for (int round = 0; round < 200; round++) {
		for (int i = 0; i < 8; i++)
			while (guest_circuit_send(flood[i], bytes, 100) > 0)
				;
		start_ms = guest_now_ms();
		ck_assert_int_eq(guest_circuit_send(c, "q", 1), 1);
		ck_assert_int_eq(read(fd, bytes, 1), 1);
		ck_assert_int_eq(write(fd, "a", 1), 1);
		ck_assert_int_eq(guest_circuit_receive_all(c, bytes, 1,
							   STAGE_TIMEOUT_MS),
				 0);
		slow += guest_now_ms() - start_ms > 1000;
		for (int i = 0; i < 8; i++)
			while (read(sink[i], bytes, CHUNK) > 0)
				;
	}
	/* a machine that has other things to do may be slow now and then */
	ck_assert_uint_le(slow, 20);
	guest_free(other->guest);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("proxy_data");
	TCase *tcase = tcase_create("data");

	tcase_set_timeout(tcase, 30);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, both_ways_at_once_are_exact);
	tcase_add_test(tcase, odd_pieces_are_exact);
	tcase_add_test(tcase, smallest_and_largest_rings_are_exact);
	tcase_add_test(tcase, single_bytes_at_full_rate);
	tcase_add_test(tcase, guest_that_stops_reading_holds_the_network_back);
	tcase_add_test(tcase, network_that_stops_reading_holds_the_guest_back);
	tcase_add_test(tcase, a_thousand_circuits_at_once);
	tcase_add_test(tcase, flood_does_not_starve_request_and_answer);
	suite_add_tcase(suite, tcase);
	return unit_run(suite);
}
