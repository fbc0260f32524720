// SPDX-License-Identifier: GPL-2.0-only
/*
 * proxy_hostile.c - a guest that breaks every rule spoils its own circuits only
 *
 * Each test ends by proving that an honest guest beside the liar is served.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/local/neighbours.h"
#include "tests/unit/random.h"
#include "tests/unit/unit.h"

static struct neighbours two;

static void setup(void)
{
	neighbours_open(&two);
}

static void teardown(void)
{
	neighbours_close(&two);
}

/* The circuit ends with EPROTO, and its other end is reset */
static void expect_caught(struct guest_circuit *c, int fd)
{
	char text[64];
	ssize_t n;

	ck_assert_int_eq(
		guest_circuit_wait(c, SB_PEER_CLOSED, STAGE_TIMEOUT_MS), 0);
	ck_assert_uint_eq(c->shared->error, EPROTO);
	ck_assert(guest_circuit_peer(c) & SB_WORD_RESET);
	fcntl(fd, F_SETFL, 0);
	while ((n = read(fd, text, sizeof(text))) > 0)
		;
	ck_assert_int_eq(n, -1);
	ck_assert_int_eq(errno, ECONNRESET);
	close(fd);
}

static const uint32_t wrong_produced[] = { 16385, 0x7fffffff, 0x80000000,
					   0xffffffff, 0xffff0000 };

START_TEST(produced_that_cannot_be)
{
	int fd;
	struct guest_circuit *c =
		stage_connection(&two.stage, two.liar, 2, &fd);

	sb_store_full(&c->index->side[SB_OWNER].produced, wrong_produced[_i]);
	guest_line_ring(two.liar, c->entry);
	expect_caught(c, fd);
}
END_TEST

START_TEST(produced_that_goes_back)
{
	int fd;
	struct guest_circuit *c =
		stage_connection(&two.stage, two.liar, 2, &fd);

	ck_assert_int_eq(guest_circuit_send(c, "12345678", 8), 8);
	ck_assert_int_eq(recv(fd, (char[8]){ 0 }, 8, MSG_WAITALL), 8);
	sb_store_full(&c->index->side[SB_OWNER].produced, 4);
	guest_line_ring(two.liar, c->entry);
	expect_caught(c, fd);
}
END_TEST

START_TEST(consumed_that_cannot_be)
{
	int fd;
	struct guest_circuit *c =
		stage_connection(&two.stage, two.liar, 2, &fd);

	sb_store_full(&c->index->side[SB_OWNER].consumed, 100);
	ck_assert_int_eq(write(fd, "x", 1), 1);
	expect_caught(c, fd);
}
END_TEST

/**
 * struct flipper - a thread that scribbles while traffic runs
 * @page: what it scribbles over
 * @stop: ends it
 */
struct flipper {
	uint32_t *word;
	unsigned int words;
	bool stop;
};

static void *flip(void *argument)
{
	struct flipper *f = argument;
	struct random random = random_seed(7);
	uint32_t was[64];

	for (unsigned int i = 0; i < f->words; i++)
		was[i] = sb_load(&f->word[i]);
	while (!__atomic_load_n(&f->stop, __ATOMIC_RELAXED)) {
		uint32_t i = random_below(&random, f->words);
		bool back = random_below(&random, 2);

		sb_store_full(&f->word[i],
			      back ? was[i] : random_next(&random));
	}
	return NULL;
}

static void run_flipper(struct flipper *f, struct guest_circuit *c, int fd)
{
	static char bytes[4096];
	pthread_t thread;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	ck_assert_int_eq(pthread_create(&thread, NULL, flip, f), 0);
	for (int i = 0; i < 300; i++) {
		guest_line_ring(two.liar, c->entry);
		if (write(fd, bytes, sizeof(bytes)) < 0 && errno != EAGAIN)
			break;
		if (read(fd, bytes, sizeof(bytes)) < 0 && errno != EAGAIN)
			break;
		if (i % 50 == 0)
			neighbours_prove_service(&two);
		usleep(100);
	}
	__atomic_store_n(&f->stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	close(fd);
}

START_TEST(index_page_that_flips_while_traffic_runs)
{
	int fd;
	struct guest_circuit *c =
		stage_connection(&two.stage, two.liar, 2, &fd);
	struct flipper f = { .word = (uint32_t *)c->index, .words = 32 };

	run_flipper(&f, c, fd);
}
END_TEST

START_TEST(entry_that_flips_while_traffic_runs)
{
	int fd;
	struct guest_circuit *c =
		stage_connection(&two.stage, two.liar, 2, &fd);
	struct flipper f = { .word = (uint32_t *)c->shared, .words = 64 };

	run_flipper(&f, c, fd);
}
END_TEST

START_TEST(line_header_that_flips_while_traffic_runs)
{
	int fd;
	struct guest_circuit *c =
		stage_connection(&two.stage, two.liar, 2, &fd);
	struct flipper f = { .word = (uint32_t *)two.liar->header,
			     .words = 64 };

	run_flipper(&f, c, fd);
}
END_TEST

/* A call on an entry that was made wrong. Return: the error told */
static int try_connect(struct guest_circuit *c)
{
	struct sb_address to;
	uint16_t port;
	int listener = stage_listener(&port), error;

	to = stage_loopback(port);
	stage_connect(&two.stage, c, &to);
	error = guest_circuit_wait(c, SB_PEER_OPEN, STAGE_TIMEOUT_MS);
	close(listener);
	return error;
}

START_TEST(bad_orders_and_grants)
{
	static const unsigned int order[] = { 9, 10, 31, 255 };
	struct guest_circuit *c;

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		c = guest_circuit_new(two.liar, 2);
		c->shared->order = order[i];
		ck_assert_int_eq(try_connect(c), -EINVAL);
	}
	for (int i = 0; i < 9; i += 4) {
		c = guest_circuit_new(two.liar, 2);
		c->shared->gref[i] = i ? 0xffffffff : 31000;
		ck_assert_int_lt(try_connect(c), 0);
	}
	c = guest_circuit_new(two.liar, 5);
	c->shared->gref_list = 31000;
	ck_assert_int_eq(try_connect(c), -EACCES);
	/* the list itself is good, what it says is not */
	c = guest_circuit_new(two.liar, 5);
	memset(guest_page(two.liar->guest, c->list_frame), 0xff, 4096);
	ck_assert_int_eq(try_connect(c), -EINVAL);
}
END_TEST

START_TEST(foreign_and_revoked_grants)
{
	struct guest_circuit *c = guest_circuit_new(two.liar, 2);
	struct local_grant *grant = two.liar->guest->grant;

	grant[c->gref[3]].domain = 99;
	ck_assert_int_eq(try_connect(c), -EACCES);
	c = guest_circuit_new(two.liar, 2);
	ck_assert_int_eq(guest_grant_end(two.liar->guest, c->gref[8]), 0);
	ck_assert_int_eq(try_connect(c), -EACCES);
}
END_TEST

START_TEST(wrong_kinds_and_listeners)
{
	struct guest_circuit *c = guest_circuit_new(two.liar, 2);

	/* ordered to listen, though it is none */
	guest_circuit_offer(c);
	stage_listen(&two.stage, c,
		     &(struct sb_address){ .family = SB_FAMILY_IPV4 });
	ck_assert_int_eq(guest_circuit_wait(c, SB_PEER_OPEN, STAGE_TIMEOUT_MS),
			 -EINVAL);
	c = guest_circuit_new(two.liar, 2);
	c->shared->kind = 77;
	ck_assert_int_eq(try_connect(c), -EINVAL);
	/* posted to itself, to nowhere */
	for (uint32_t listener = 0; listener < 3; listener++) {
		c = guest_circuit_new(two.liar, 2);
		c->shared->listener = listener == 0   ? c->entry
				      : listener == 1 ? 12345
						      : 0xfffffffe;
		guest_circuit_publish(c, SB_OWNER_OFFERED);
		ck_assert_int_eq(guest_circuit_wait(c, SB_PEER_OPEN,
						    STAGE_TIMEOUT_MS),
				 -ECONNABORTED);
	}
}
END_TEST

START_TEST(words_that_go_backwards)
{
	int fd;
	struct guest_circuit *c =
		stage_connection(&two.stage, two.liar, 2, &fd);

	guest_circuit_publish(c, SB_OWNER_READY);
	expect_caught(c, fd);
	c = stage_connection(&two.stage, two.liar, 2, &fd);
	/* it ends what there was, and is a call of its own, which is none */
	c->generation += 5;
	guest_circuit_publish(c, SB_OWNER_OFFERED);
	ck_assert_int_eq(guest_circuit_wait(c, SB_PEER_OPEN, STAGE_TIMEOUT_MS),
			 -EINVAL);
	ck_assert_int_eq(recv(fd, (char[1]){ 0 }, 1, 0), -1);
	ck_assert_int_eq(errno, ECONNRESET);
	/* pages taken back while they are in use: unmapped, then answered */
	c = stage_connection(&two.stage, two.liar, 2, &fd);
	ck_assert_int_eq(guest_circuit_revoke(c, STAGE_TIMEOUT_MS), 0);
	close(fd);
}
END_TEST

START_TEST(bells_of_entries_that_are_not_there)
{
	memset(two.liar->doorbells->to_peer, 0xff,
	       sizeof(two.liar->doorbells->to_peer));
	two.liar->header->to_peer = ~0ull;
	two.liar->header->table_pages = 0xffffffff;
	guest_channel_notify(&two.liar->channel);
	neighbours_prove_service(&two);
	two.liar->header->table_pages = 0;
	stage_rests(two.stage.proxy);
}
END_TEST

/* CASES 29: events without cause as fast as they go */
START_TEST(storm_of_events_is_bounded)
{
	uint64_t end_ms = guest_now_ms() + 600, before_ms;

	before_ms = stage_cpu_ms(two.stage.proxy);
	while (guest_now_ms() < end_ms)
		for (int i = 0; i < 100; i++)
			guest_channel_notify(&two.liar->channel);
	ck_assert_uint_le(stage_cpu_ms(two.stage.proxy) - before_ms, 200);
}
END_TEST

START_TEST(guest_that_vanishes)
{
	struct guest_circuit *c[8];
	unsigned int descriptors = stage_descriptors(two.stage.proxy);
	struct sb_address any = stage_loopback(0);
	int fd[8];

	for (int i = 0; i < 8; i++) {
		c[i] = stage_connection(&two.stage, two.liar, 2, &fd[i]);
		ck_assert_int_eq(guest_circuit_send(c[i], "x", 1), 1);
	}
	c[0] = guest_listener_new(two.liar);
	guest_circuit_offer(c[0]);
	stage_listen(&two.stage, c[0], &any);
	ck_assert_int_eq(
		guest_circuit_wait(c[0], SB_PEER_OPEN, STAGE_TIMEOUT_MS), 0);
	guest_line_end(two.liar);
	stage_detach(&two.stage, &(struct guest_line){ .guest = &(struct guest){
							       .domain = 2 } });
	for (int i = 0; i < 8; i++) {
		char text[4];

		ck_assert_int_eq(recv(fd[i], text, 1, MSG_WAITALL), 1);
		ck_assert_int_eq(read(fd[i], text, 1), -1);
		ck_assert_int_eq(errno, ECONNRESET);
	}
	unit_until(stage_descriptors(two.stage.proxy) == descriptors - 2);
	two.liar = stage_line(&two.stage, "again");
}
END_TEST

START_TEST(lines_that_cannot_be_attached)
{
	static struct ipc_message m;
	struct guest_line *l;

	for (int step = 0; step < 6; step++) {
		l = stage_line(&two.stage, "odd");
		m.type = IPC_ORDER_ATTACH;
		m.attach = (struct ipc_attach){
			.guest = l->guest->domain,
			.identity = "01234567-89ab-cdef-0123-456789abcdef",
			.name = "odd",
			.kind = SB_LINE_TCP,
			.gref = step == 0 ? 31000 : l->header_gref,
			.port = step == 1 ? 999 : l->channel.port,
			.circuits_max = 16,
			.listeners_max = 1,
			.calls_per_s = 1,
			.calls_burst = 1,
		};
		l->header->magic += step == 2;
		l->header->version += step == 3;
		l->header->kind += step == 4;
		l->header->directory_gref += step == 5 ? 31000 : 0;
		stage_order(&two.stage, &m);
		stage_expect(&two.stage, IPC_REPORT_FAILED);
		/* nothing of it is held */
		if (step)
			ck_assert_int_eq(
				guest_grant_end(l->guest, l->header_gref), 0);
		guest_line_end(l);
	}
}
END_TEST

START_TEST(limits_are_kept)
{
	static struct ipc_message m;
	struct guest_circuit *c[6];
	int fd[4];

	m.type = IPC_ORDER_ATTACH;
	m.attach = (struct ipc_attach){
		.guest = two.liar->guest->domain,
		.name = "guest",
		.kind = SB_LINE_TCP,
		.gref = two.liar->header_gref,
		.port = two.liar->channel.port,
		.circuits_max = 4,
		.listeners_max = 1,
		.calls_per_s = 1000,
		.calls_burst = 1000,
	};
	snprintf(m.attach.identity, sizeof(m.attach.identity),
		 "01234567-89ab-cdef-0123-4567%08x", two.liar->guest->domain);
	stage_order(&two.stage, &m);
	stage_expect(&two.stage, IPC_REPORT_ATTACHED);
	for (int i = 0; i < 4; i++)
		c[i] = stage_connection(&two.stage, two.liar, 2, &fd[i]);
	c[4] = guest_circuit_new(two.liar, 2);
	ck_assert_int_eq(try_connect(c[4]), -ENOBUFS);
	guest_circuit_close(c[0]);
	ck_assert_int_eq(
		guest_circuit_wait(c[0], SB_PEER_CLOSED, STAGE_TIMEOUT_MS), 0);
	ck_assert_int_eq(guest_circuit_recycle(c[4]), 0);
	c[5] = stage_connection(&two.stage, two.liar, 2, &fd[0]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("proxy_hostile");
	TCase *tcase = tcase_create("hostile");

	tcase_set_timeout(tcase, 20);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, produced_that_cannot_be, 0,
			    sizeof(wrong_produced) / sizeof(wrong_produced[0]));
	tcase_add_test(tcase, produced_that_goes_back);
	tcase_add_test(tcase, consumed_that_cannot_be);
	tcase_add_test(tcase, index_page_that_flips_while_traffic_runs);
	tcase_add_test(tcase, entry_that_flips_while_traffic_runs);
	tcase_add_test(tcase, line_header_that_flips_while_traffic_runs);
	tcase_add_test(tcase, bad_orders_and_grants);
	tcase_add_test(tcase, foreign_and_revoked_grants);
	tcase_add_test(tcase, wrong_kinds_and_listeners);
	tcase_add_test(tcase, words_that_go_backwards);
	tcase_add_test(tcase, bells_of_entries_that_are_not_there);
	tcase_add_test(tcase, storm_of_events_is_bounded);
	tcase_add_test(tcase, guest_that_vanishes);
	tcase_add_test(tcase, lines_that_cannot_be_attached);
	tcase_add_test(tcase, limits_are_kept);
	suite_add_tcase(suite, tcase);
	return unit_run(suite);
}
