// SPDX-License-Identifier: GPL-2.0-only
/*
 * proxy_exchange_end.c - streams that end while their circuit is exchanged
 *
 *	before:  offered  ->  taken  ->  old tx sent, CLOSED  ->  after
 *
 * An end may come at each of these points, from either side, and however rude.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/local/flow.h"
#include "tests/unit/unit.h"

static struct stage stage;
static struct guest_line *line;
static uint8_t chunk[FLOW_CHUNK];

static void setup(void)
{
	line = stage_open_attached(&stage);
}

static void teardown(void)
{
	stage_close_attached(&stage, line);
}

static void expect_all_and_end(struct flow *f)
{
	ssize_t n;

	fcntl(f->fd, F_SETFL, 0);
	while ((n = flow_network_reads(f, FLOW_CHUNK)) > 0)
		;
	ck_assert_int_eq(n, 0);
	ck_assert_uint_eq(f->received[0], f->sent[0]);
}

static void expect_closed(struct guest_circuit *c, uint32_t error)
{
	ck_assert_int_eq(guest_circuit_wait(c, SB_PEER_CLOSED, FLOW_LIMIT_MS),
			 0);
	ck_assert_uint_eq(c->shared->error, error);
}

/* A stream with bytes on their way out, for which a larger circuit is offered */
static void open_offered(struct flow *f, uint32_t seed, unsigned int order)
{
	flow_open(f, &stage, line, 2, seed);
	flow_fill_out(f);
	ck_assert_int_eq(guest_stream_offer(&f->s, order), 0);
}

/* When the offer is looked at, and by whom, does not matter */
START_TEST(close_while_offered_delivers_everything)
{
	struct guest_circuit *first, *second;
	struct flow f;

	open_offered(&f, 24 + _i, 6);
	first = f.s.c;
	second = f.s.next;
	if (_i)
		while (!guest_stream_taken(second))
			guest_line_wait(line, 1);
	guest_stream_publish(&f.s,
			     SB_OWNER_OFFERED | SB_WORD_FIN | SB_WORD_STOP);
	expect_all_and_end(&f);
	ck_assert_int_eq(
		guest_circuit_wait(first, SB_PEER_CLOSED, FLOW_LIMIT_MS), 0);
	ck_assert_int_eq(
		guest_circuit_wait(second, SB_PEER_CLOSED, FLOW_LIMIT_MS), 0);
}
END_TEST

START_TEST(close_while_the_old_one_is_sent_delivers_everything)
{
	struct flow f;

	open_offered(&f, 26, 6);
	flow_wait_taken(&f);
	flow_fill_out(&f);
	guest_stream_publish(&f.s,
			     SB_OWNER_OFFERED | SB_WORD_FIN | SB_WORD_STOP);
	expect_all_and_end(&f);
	expect_closed(f.s.old, 0);
	expect_closed(f.s.c, 0);
}
END_TEST

START_TEST(shutdown_is_told_behind_the_last_byte)
{
	struct flow f;

	open_offered(&f, 27 + _i, 4);
	if (_i)
		flow_wait_taken(&f);
	guest_stream_publish(&f.s, SB_OWNER_OFFERED | SB_WORD_FIN);
	expect_all_and_end(&f);
	/* the other way goes on */
	fcntl(f.fd, F_SETFL, O_NONBLOCK);
	flow_fill_in(&f);
	flow_drain(&f);
	shutdown(f.fd, SHUT_WR);
	expect_closed(f.s.c, 0);
}
END_TEST

START_TEST(an_end_of_the_network_is_told_behind_the_last_byte)
{
	uint64_t end_ms = guest_now_ms() + FLOW_LIMIT_MS;
	ssize_t n = -EAGAIN;
	struct flow f;

	flow_open(&f, &stage, line, 2, 29);
	flow_fill_in(&f);
	ck_assert_int_eq(guest_stream_offer(&f.s, 6), 0);
	while (!guest_stream_taken(f.s.next))
		guest_line_wait(line, 1);
	flow_fill_in(&f);
	shutdown(f.fd, SHUT_WR);
	while (n != 0 && guest_now_ms() < end_ms) {
		n = guest_stream_receive(&f.s, chunk, FLOW_CHUNK);
		ck_assert(n >= 0 || n == -EAGAIN);
		if (n > 0)
			ck_assert(stage_check(chunk, n, f.received[1],
					      f.seed + 1));
		f.received[1] += n > 0 ? n : 0;
	}
	ck_assert_int_eq(n, 0);
	ck_assert_uint_eq(f.received[1], f.sent[1]);
	ck_assert_int_eq(guest_stream_settle(&f.s, FLOW_LIMIT_MS), 0);
	ck_assert_uint_eq(f.s.exchanged, 1);
}
END_TEST

static void reset_by_network(struct flow *f)
{
	const struct linger now = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(f->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(f->fd);
}

START_TEST(a_reset_of_the_network_ends_both)
{
	struct flow f;

	open_offered(&f, 30, 6);
	flow_wait_taken(&f);
	reset_by_network(&f);
	expect_closed(f.s.c, ECONNRESET);
	expect_closed(f.s.old, 0);
}
END_TEST

static void expect_reset(int fd)
{
	ssize_t n;

	fcntl(fd, F_SETFL, 0);
	while ((n = read(fd, chunk, FLOW_CHUNK)) > 0)
		;
	ck_assert_int_eq(n, -1);
	ck_assert_int_eq(errno, ECONNRESET);
}

START_TEST(a_reset_of_the_guest_ends_both)
{
	struct guest_circuit *first, *second;
	struct flow f;

	open_offered(&f, 31 + _i, 6);
	first = f.s.c;
	second = f.s.next;
	if (_i)
		flow_wait_taken(&f);
	guest_stream_publish(&f.s, SB_OWNER_CLOSED | SB_WORD_RESET);
	expect_reset(f.fd);
	ck_assert_int_eq(
		guest_circuit_wait(first, SB_PEER_CLOSED, FLOW_LIMIT_MS), 0);
	ck_assert_int_eq(
		guest_circuit_wait(second, SB_PEER_CLOSED, FLOW_LIMIT_MS), 0);
}
END_TEST

/* Bytes would be missing: better no stream than another one */
START_TEST(taking_the_old_one_away_too_early_is_a_reset)
{
	const uint32_t state[] = { SB_OWNER_CLOSED, SB_OWNER_REVOKED,
				   SB_OWNER_READY };
	struct flow f;

	open_offered(&f, 33 + _i, 6);
	flow_wait_taken(&f);
	guest_circuit_publish(f.s.old, state[_i]);
	expect_reset(f.fd);
	expect_closed(f.s.c, ECONNRESET);
}
END_TEST

START_TEST(an_index_that_cannot_be_ends_both)
{
	struct guest_circuit *liar;
	struct flow f;

	open_offered(&f, 36 + _i, 6);
	flow_wait_taken(&f);
	liar = _i ? f.s.c : f.s.old;
	/* the old one's is believed at once, the new one's when it is its turn */
	sb_store_full(&liar->index->side[SB_OWNER].produced, 0x7fffffff);
	guest_line_ring(line, liar->entry);
	while (read(f.fd, chunk, FLOW_CHUNK) != 0 && errno != ECONNRESET)
		guest_line_wait(line, 1);
	expect_closed(f.s.c, EPROTO);
	ck_assert_int_eq(
		guest_circuit_wait(f.s.old, SB_PEER_CLOSED, FLOW_LIMIT_MS), 0);
}
END_TEST

/* The next process has no socket for either, and takes no offer of the last */
START_TEST(a_proxy_that_dies_ends_both)
{
	struct guest_circuit *c;
	struct flow f, g;

	flow_open(&f, &stage, line, 2, 42);
	flow_open(&g, &stage, line, 2, 43);
	flow_fill_out(&f);
	ck_assert_int_eq(guest_stream_offer(&f.s, 6), 0);
	flow_wait_taken(&f);
	stage_proxy_kill(&stage);
	ck_assert_int_eq(guest_stream_offer(&g.s, 6), 0);
	stage_proxy_start(&stage);
	stage_attach(&stage, line);
	expect_closed(f.s.old, ECONNRESET);
	expect_closed(f.s.c, ECONNRESET);
	expect_closed(g.s.c, ECONNRESET);
	expect_closed(g.s.next, EBUSY);
	ck_assert(!guest_stream_taken(g.s.next));
	/* and the next one exchanges as well */
	c = stage_connection(&stage, line, 2, &f.fd);
	f.s = (struct guest_stream){ .c = c };
	ck_assert_int_eq(guest_stream_offer(&f.s, 6), 0);
	ck_assert_int_eq(guest_stream_settle(&f.s, FLOW_LIMIT_MS), 0);
}
END_TEST

static void add_tests(TCase *tcase)
{
	tcase_add_loop_test(tcase, close_while_offered_delivers_everything, 0,
			    2);
	tcase_add_test(tcase,
		       close_while_the_old_one_is_sent_delivers_everything);
	tcase_add_loop_test(tcase, shutdown_is_told_behind_the_last_byte, 0, 2);
	tcase_add_test(tcase,
		       an_end_of_the_network_is_told_behind_the_last_byte);
	tcase_add_test(tcase, a_reset_of_the_network_ends_both);
	tcase_add_loop_test(tcase, a_reset_of_the_guest_ends_both, 0, 2);
	tcase_add_loop_test(tcase, taking_the_old_one_away_too_early_is_a_reset,
			    0, 3);
	tcase_add_loop_test(tcase, an_index_that_cannot_be_ends_both, 0, 2);
	tcase_add_test(tcase, a_proxy_that_dies_ends_both);
}

int main(void)
{
	Suite *suite = suite_create("proxy_exchange_end");
	TCase *tcase = tcase_create("exchange");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	add_tests(tcase);
	suite_add_tcase(suite, tcase);
	return unit_run(suite);
}
