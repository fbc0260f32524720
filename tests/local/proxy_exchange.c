// SPDX-License-Identifier: GPL-2.0-only
/*
 * proxy_exchange.c - streams that go on in another circuit while they are open
 *
 *	before:  offered  ->  taken  ->  old tx sent, CLOSED  ->  after
 *
 * Bytes are exact across all of it, and what a guest offers that it must not is
 * refused. Ends that come meanwhile are in proxy_exchange_end.c.
 */
#include <errno.h>
#include <string.h>

#include "tests/local/flow.h"
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

static void expect_closed(struct guest_circuit *c, uint32_t error)
{
	ck_assert_int_eq(guest_circuit_wait(c, SB_PEER_CLOSED, FLOW_LIMIT_MS),
			 0);
	ck_assert_uint_eq(c->shared->error, error);
}

/* How often it is exchanged depends on who runs when */
static void run_many(struct flow *f, uint64_t bytes, uint32_t piece)
{
	while (f->s.exchanged < 20)
		flow_run(f, f->sent[0] + bytes, piece);
}

START_TEST(bytes_are_exact_over_many_exchanges)
{
	struct flow f;

	flow_open(&f, &stage, line, 2, 21);
	run_many(&f, 4u << 20, FLOW_CHUNK);
	/* and it is a circuit like any other still */
	guest_circuit_close(f.s.c);
	ck_assert_int_eq(
		guest_circuit_wait(f.s.c, SB_PEER_CLOSED, FLOW_LIMIT_MS), 0);
	ck_assert_uint_eq(f.s.c->shared->error, 0);
}
END_TEST

START_TEST(odd_pieces_in_small_rings_are_exact)
{
	struct flow f;

	flow_open(&f, &stage, line, SB_ORDER_MIN, 22);
	run_many(&f, 1u << 18, 1500);
}
END_TEST

START_TEST(a_stream_that_is_held_back_goes_on_in_the_larger_circuit)
{
	uint64_t sent[2];
	struct flow f;

	flow_open(&f, &stage, line, 2, 23);
	flow_fill_out(&f);
	flow_fill_in(&f);
	sent[0] = f.sent[0];
	ck_assert_int_eq(guest_stream_offer(&f.s, 6), 0);
	flow_wait_taken(&f);
	/* nobody reads: the old tx waits, the new one takes more at once */
	ck_assert_ptr_nonnull(f.s.old);
	flow_fill_out(&f);
	ck_assert_uint_ge(f.sent[0] - sent[0], sb_area_bytes(6));
	/* and so does the other way, as soon as the proxy gets round to it */
	sent[1] = f.sent[1];
	while (f.sent[1] == sent[1])
		flow_fill_in(&f);
	ck_assert_uint_lt(sb_word_state(guest_circuit_peer(f.s.old)),
			  SB_PEER_CLOSED);
	ck_assert_int_eq(guest_stream_offer(&f.s, 2), -EBUSY);
	flow_drain(&f);
	ck_assert_int_eq(guest_stream_settle(&f.s, FLOW_LIMIT_MS), 0);
	ck_assert_int_eq(guest_stream_offer(&f.s, 2), 0);
	ck_assert_int_eq(guest_stream_settle(&f.s, FLOW_LIMIT_MS), 0);
	flow_run(&f, f.sent[0] + (1u << 20), FLOW_CHUNK);
}
END_TEST

/* Offer a circuit as it must not be; the stream does not notice */
static void expect_refused(struct flow *f, uint32_t entry, uint32_t generation,
			   uint32_t error)
{
	struct guest_circuit *c = guest_circuit_new(line, 4);

	c->shared->listener = entry;
	c->shared->replaces = generation;
	guest_circuit_publish(c, SB_OWNER_OFFERED);
	expect_closed(c, error);
	ck_assert(!guest_stream_taken(c));
	ck_assert_int_eq(guest_circuit_recycle(c), 0);
	ck_assert_int_eq(guest_circuit_revoke(c, FLOW_LIMIT_MS), 0);
	flow_guest_writes(f, 100);
	flow_network_writes(f, 100);
	flow_drain(f);
}

START_TEST(what_is_no_open_stream_cannot_be_replaced)
{
	struct guest_circuit *ready, *listener;
	struct flow f;

	flow_open(&f, &stage, line, 2, 38);
	ready = guest_circuit_new(line, 2);
	listener = guest_listener_new(line);
	guest_circuit_offer(listener);
	expect_refused(&f, f.s.c->entry, f.s.c->generation + 1, EBUSY);
	expect_refused(&f, f.s.c->entry, 0xffffffff, EBUSY);
	expect_refused(&f, ready->entry, ready->generation, EBUSY);
	expect_refused(&f, listener->entry, listener->generation, EBUSY);
	expect_refused(&f, SB_ENTRY_NONE, 1, EBUSY);
	expect_refused(&f, SB_ENTRIES_MAX, 1, EBUSY);
	expect_refused(&f, SB_ENTRIES_MAX - 1, 1, EBUSY);
	/* the entry that the next circuit will get: itself */
	expect_refused(&f, listener->entry + 1, 1, EBUSY);
}
END_TEST

START_TEST(what_is_being_exchanged_cannot_be_replaced)
{
	struct guest_circuit *old, *c;
	struct flow f;

	flow_open(&f, &stage, line, 2, 39);
	flow_fill_out(&f);
	ck_assert_int_eq(guest_stream_offer(&f.s, 4), 0);
	flow_wait_taken(&f);
	old = f.s.old;
	for (int i = 0; i < 2; i++) {
		c = guest_circuit_new(line, 4);
		guest_stream_replace(c, i ? old : f.s.c);
		expect_closed(c, EBUSY);
	}
	flow_drain(&f);
	ck_assert_int_eq(guest_stream_settle(&f.s, FLOW_LIMIT_MS), 0);
}
END_TEST

START_TEST(pages_that_cannot_be_mapped_are_refused)
{
	struct guest_circuit *c;
	struct flow f;

	flow_open(&f, &stage, line, 2, 40);
	c = guest_circuit_new(line, 4);
	((uint32_t *)guest_page(line->guest, c->list_frame))[20] = 0xfffff;
	guest_stream_replace(c, f.s.c);
	ck_assert_int_eq(guest_circuit_wait(c, SB_PEER_CLOSED, FLOW_LIMIT_MS),
			 0);
	ck_assert_uint_ne(c->shared->error, 0);
	ck_assert(!guest_stream_taken(c));
	c = guest_circuit_new(line, 4);
	c->shared->order = SB_ORDER_MAX + 1;
	guest_stream_replace(c, f.s.c);
	expect_closed(c, EINVAL);
	flow_run(&f, 1u << 20, FLOW_CHUNK);
}
END_TEST

START_TEST(options_and_answers_go_on_in_the_new_one)
{
	uint32_t seq;
	struct flow f;

	flow_open(&f, &stage, line, 2, 41);
	ck_assert_int_eq(guest_stream_offer(&f.s, 4), 0);
	ck_assert_int_eq(guest_stream_settle(&f.s, FLOW_LIMIT_MS), 0);
	ck_assert_uint_eq(f.s.c->shared->remote.port,
			  f.s.c->shared->remote.port);
	ck_assert_uint_eq(f.s.c->shared->remote.family, SB_FAMILY_IPV4);
	f.s.c->shared->options.set = SB_OPTION_NODELAY;
	f.s.c->shared->options.flags = SB_OPTION_NODELAY;
	seq = f.s.c->shared->options_seq + 1;
	sb_store(&f.s.c->shared->options_seq, seq);
	sb_store(&f.s.c->shared->info_seq, 7);
	guest_line_ring(line, f.s.c->entry);
	for (int i = 0;
	     i < FLOW_LIMIT_MS && sb_load(&f.s.c->shared->info_ack) != 7; i++)
		guest_line_wait(line, 1);
	ck_assert_uint_eq(sb_load(&f.s.c->shared->info_ack), 7);
	ck_assert_uint_eq(sb_load(&f.s.c->shared->options_ack), seq);
	ck_assert_uint_eq(f.s.c->shared->info.tcp_state, 1);
}
END_TEST

START_TEST(many_exchanges_leave_nothing_behind)
{
	unsigned int descriptors = stage_descriptors(stage.proxy);
	struct flow f;

	flow_open(&f, &stage, line, 2, 44);
	for (unsigned int i = 0; i < 100; i++) {
		ck_assert_int_eq(guest_stream_offer(&f.s, i % 2 ? 2 : 8), 0);
		ck_assert_int_eq(guest_stream_settle(&f.s, FLOW_LIMIT_MS), 0);
	}
	flow_run(&f, 1u << 20, FLOW_CHUNK);
	ck_assert_uint_eq(stage_descriptors(stage.proxy), descriptors + 1);
}
END_TEST

START_TEST(the_feature_is_offered_and_answered)
{
	ck_assert_uint_eq(line->header->peer_features, SB_FEATURE_EXCHANGE);
}
END_TEST

static void add_tests(TCase *tcase)
{
	tcase_add_test(tcase, bytes_are_exact_over_many_exchanges);
	tcase_add_test(tcase, odd_pieces_in_small_rings_are_exact);
	tcase_add_test(
		tcase,
		a_stream_that_is_held_back_goes_on_in_the_larger_circuit);
	tcase_add_test(tcase, what_is_no_open_stream_cannot_be_replaced);
	tcase_add_test(tcase, what_is_being_exchanged_cannot_be_replaced);
	tcase_add_test(tcase, pages_that_cannot_be_mapped_are_refused);
	tcase_add_test(tcase, options_and_answers_go_on_in_the_new_one);
	tcase_add_test(tcase, many_exchanges_leave_nothing_behind);
	tcase_add_test(tcase, the_feature_is_offered_and_answered);
}

int main(void)
{
	Suite *suite = suite_create("proxy_exchange");
	TCase *tcase = tcase_create("exchange");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	add_tests(tcase);
	suite_add_tcase(suite, tcase);
	return unit_run(suite);
}
