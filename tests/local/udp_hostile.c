// SPDX-License-Identifier: GPL-2.0-only
/*
 * udp_hostile.c - proxy-udp: guests that lie, guests that do not read
 *
 * CASES 8, 10, 20, 30 and 33 as far as datagrams go. UDP_FLOOD_S=600 makes the
 * flood take ten minutes.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/local/stage_udp.h"
#include "tests/unit/random.h"
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

/* The line, and other circuits, go on as if nothing had been */
static void others_work(void)
{
	struct guest_circuit *c = stage_udp_open(line, 0);
	struct sb_address to;
	int fd = stage_udp_socket(SB_FAMILY_IPV4, &to);

	ck_assert_int_eq(guest_datagram_send(c, &to, "", 0), 0);
	stage_udp_allow(&stage, &to);
	stage_udp_take(fd, &to, 0, NULL);
	stage_udp_pass(c, fd, &to, "y", 1);
	close(fd);
}

/* Publish @bytes of tx whose first record has this length */
static void put_raw(struct guest_circuit *c, uint32_t length, uint32_t bytes)
{
	struct sb_datagram h = { .bytes = length,
				 .kind = SB_DATAGRAM_DATA,
				 .remote = stage_loopback(9) };

	memcpy(c->tx + sb_writer_offset(&c->writer), &h, sizeof(h));
	sb_writer_advance(&c->writer, bytes);
	sb_writer_publish(&c->writer);
	guest_line_ring(line, c->entry);
}

static const struct {
	uint32_t length;
	uint32_t bytes;
} lies[] = {
	{ 1, 64 }, /* longer than what is there */
	{ 0, 65 }, /* an end within a cache line */
	{ 0, 32 },
	{ SB_DATAGRAM_MAX, 4096 },
	{ SB_DATAGRAM_MAX + 1, 4096 },
	{ 0xffffffc0, 128 }, /* whose room overflows */
	{ 0xffffffff, 128 },
	{ 4096, 4096 }, /* beyond the ring */
	{ 0, 8192 },
};

START_TEST(a_record_that_cannot_be_ends_its_circuit)
{
	struct guest_circuit *c = stage_udp_open(line, 0);

	put_raw(c, lies[_i].length, lies[_i].bytes);
	ck_assert_int_eq(
		guest_circuit_wait(c, SB_PEER_CLOSED, STAGE_TIMEOUT_MS), 0);
	ck_assert_uint_eq(c->shared->error, EPROTO);
	ck_assert(guest_circuit_peer(c) & SB_WORD_RESET);
	ck_assert_int_eq(guest_circuit_recycle(c), 0);
	others_work();
}
END_TEST

static const struct {
	struct sb_datagram header;
	uint32_t error;
} bad[] = {
	{ { .kind = 0, .remote = { .family = 4, .port = 9 } }, EINVAL },
	{ { .kind = 2, .remote = { .family = 4, .port = 9 } }, EINVAL },
	{ { .kind = 255, .remote = { .family = 4, .port = 9 } }, EINVAL },
	{ { .kind = 1, .flags = 0x80, .remote = { .family = 4, .port = 9 } },
	  EINVAL },
	{ { .kind = 1, .error = 1, .remote = { .family = 4, .port = 9 } },
	  EINVAL },
	{ { .kind = 1, .remote = { .family = 0, .port = 9 } }, EINVAL },
	{ { .kind = 1, .remote = { .family = 5, .port = 9 } }, EINVAL },
	{ { .kind = 1, .remote = { .family = 0xffff, .port = 9 } }, EINVAL },
	{ { .kind = 1, .remote = { .family = 4, .port = 0 } }, EINVAL },
	{ { .kind = 1,
	    .remote = { .family = 4, .port = 9, .bytes = { [4] = 1 } } },
	  EINVAL },
	{ { .kind = 1, .remote = { .family = 4, .port = 9, .scope = 1 } },
	  EINVAL },
	/* groups that are none */
	{ { .kind = 5, .remote = { .family = 4, .bytes = { 10, 0, 0, 1 } } },
	  EINVAL },
	{ { .kind = 6, .remote = { .family = 6 } }, EINVAL },
};

START_TEST(a_record_that_asks_for_nonsense_costs_itself)
{
	struct guest_circuit *c = stage_udp_open(line, 0);
	struct sb_address to;
	struct sb_datagram h;
	char byte;
	int fd = stage_udp_socket(SB_FAMILY_IPV4, &to);

	ck_assert_int_eq(guest_datagram_put(c, &bad[_i].header, NULL), 0);
	ck_assert_int_eq(guest_datagram_send(c, &to, "x", 1), 0);
	stage_udp_allow(&stage, &to);
	ck_assert_int_eq(stage_udp_take(fd, &byte, 1, NULL), 1);
	ck_assert_int_ge(guest_datagram_wait(c, &h, NULL, 0, STAGE_TIMEOUT_MS),
			 0);
	ck_assert_uint_eq(h.kind, SB_DATAGRAM_ERROR_LOCAL);
	ck_assert_uint_eq(h.error, bad[_i].error);
	close(fd);
}
END_TEST

struct flipper {
	uint32_t *word[4];
	uint32_t value[4];
	bool stop;
};

static void *flip(void *argument)
{
	struct flipper *f = argument;

	while (!__atomic_load_n(&f->stop, __ATOMIC_RELAXED))
		for (int i = 0; i < 4; i++) {
			uint32_t now = sb_load(f->word[i]);

			sb_store(f->word[i], now ^ f->value[i]);
		}
	return NULL;
}

/* Records all over the ring, written before anybody changes them */
static void fill_with_records(struct guest_circuit *c,
			      const struct sb_address *to)
{
	struct sb_datagram h = { .bytes = 3,
				 .kind = SB_DATAGRAM_DATA,
				 .remote = *to };

	for (uint32_t at = 0; at < c->writer.size; at += 128)
		memcpy(c->tx + at, &h, sizeof(h));
}

START_TEST(headers_that_change_while_they_are_read)
{
	struct guest_circuit *c = stage_udp_open(line, 0);
	struct sb_address to;
	struct flipper f = { .value = { 0xffff, 0xff, 0x2, 0x10000 } };
	pthread_t thread;
	int fd = stage_udp_socket(SB_FAMILY_IPV4, &to);

	guest_datagram_send(c, &to, "xyz", 3);
	stage_udp_allow(&stage, &to);
	fill_with_records(c, &to);
	for (int i = 0; i < 4; i++)
		f.word[i] =
			(uint32_t *)(void *)(c->tx + 256 + (size_t)(i % 3) * 4);
	ck_assert_int_eq(pthread_create(&thread, NULL, flip, &f), 0);
	for (int i = 0; i < 3000; i++) {
		if (sb_word_state(guest_circuit_peer(c)) == SB_PEER_CLOSED) {
			/* the pages stay as they are, but for the indexes */
			c->generation = sb_generation_next(c->generation);
			memset(c->index, 0, sizeof(*c->index));
			sb_writer_init(&c->writer, c->index, SB_OWNER, 4096);
			sb_reader_init(&c->reader, c->index, SB_OWNER, 4096);
			guest_datagram_offer(c, NULL);
		}
		while (guest_datagram_take(c, &(struct sb_datagram){ 0 }, NULL,
					   0) >= 0)
			;
		if (sb_writer_space(&c->writer) >= 128) {
			sb_writer_advance(&c->writer, 128);
			sb_writer_publish(&c->writer);
		}
		guest_line_ring(line, c->entry);
		if (i % 64 == 0)
			guest_line_wait(line, 1);
	}
	__atomic_store_n(&f.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	guest_circuit_abort(c);
	while (!stage_quiet(&stage, 20))
		;
	others_work();
	close(fd);
}
END_TEST

START_TEST(indexes_that_lie_end_the_circuit)
{
	static const uint32_t lie[] = { 1, 64 * 1024, 0x80000000, 0xffffffff };
	struct sb_address to;
	int fd = stage_udp_socket(SB_FAMILY_IPV4, &to);

	for (unsigned int i = 0; i < 4; i++) {
		struct guest_circuit *c = stage_udp_open(line, 0);

		/* what was consumed of rx, told when something is to be put */
		sb_store(&c->index->side[SB_OWNER].consumed, lie[i]);
		guest_datagram_send(c, &to, "x", 1);
		if (i == 0)
			stage_udp_verdict(&stage, stage_udp_question(&stage),
					  EACCES, NULL);
		guest_line_ring(line, c->entry);
		guest_circuit_wait(c, SB_PEER_CLOSED, 200);
		guest_circuit_abort(c);
		ck_assert_int_eq(guest_circuit_wait(c, SB_PEER_CLOSED,
						    STAGE_TIMEOUT_MS),
				 0);
	}
	close(fd);
	others_work();
}
END_TEST

START_TEST(words_and_calls_that_cannot_be)
{
	struct guest_circuit *c = guest_datagram_new(line, 0);

	/* a call of another generation */
	guest_datagram_offer(c, NULL);
	ck_assert_int_eq(guest_circuit_wait(c, SB_PEER_OPEN, STAGE_TIMEOUT_MS),
			 0);
	guest_circuit_abort(c);
	ck_assert_int_eq(
		guest_circuit_wait(c, SB_PEER_CLOSED, STAGE_TIMEOUT_MS), 0);
	guest_circuit_recycle(c);
	c->index->call.generation = c->generation + 1;
	c->shared->listener = SB_ENTRY_NONE;
	guest_circuit_publish(c, SB_OWNER_OFFERED);
	ck_assert_int_eq(guest_circuit_wait(c, SB_PEER_OPEN, STAGE_TIMEOUT_MS),
			 -EPROTO);
	guest_circuit_recycle(c);
	/* an address that is none */
	guest_datagram_offer(c, &(struct sb_address){ .family = 9 });
	ck_assert_int_eq(guest_circuit_wait(c, SB_PEER_OPEN, STAGE_TIMEOUT_MS),
			 -EPROTO);
	guest_circuit_recycle(c);
	/* another kind, another protocol, an exchange with itself */
	c->shared->kind = SB_ENTRY_STREAM;
	guest_datagram_offer(c, NULL);
	ck_assert_int_eq(guest_circuit_wait(c, SB_PEER_OPEN, STAGE_TIMEOUT_MS),
			 -EINVAL);
	guest_circuit_recycle(c);
	c->shared->kind = SB_ENTRY_DATAGRAM;
	c->shared->options.protocol = 2;
	guest_datagram_offer(c, NULL);
	ck_assert_int_eq(guest_circuit_wait(c, SB_PEER_OPEN, STAGE_TIMEOUT_MS),
			 -EPROTONOSUPPORT);
	guest_circuit_recycle(c);
	c->shared->options.protocol = 0;
	guest_datagram_exchange(c, c);
	ck_assert_int_eq(guest_circuit_wait(c, SB_PEER_OPEN, STAGE_TIMEOUT_MS),
			 0);
	guest_circuit_abort(c);
	ck_assert_int_eq(
		guest_circuit_wait(c, SB_PEER_CLOSED, STAGE_TIMEOUT_MS), 0);
	others_work();
}
END_TEST

START_TEST(exchanges_with_whatever_there_is)
{
	struct random random = random_seed(11);
	struct guest_circuit *c[8];

	for (int i = 0; i < 8; i++)
		c[i] = guest_datagram_new(line, 0);
	for (int round = 0; round < 3000; round++) {
		struct guest_circuit *one = c[random_below(&random, 8)];
		uint32_t state = sb_word_state(one->word);

		if (state == SB_OWNER_READY) {
			one->index->call =
				(struct sb_call){ .generation =
							  one->generation };
			one->shared->listener = random_below(&random, 10);
			guest_circuit_publish(one, SB_OWNER_OFFERED);
		} else if (sb_word_state(guest_circuit_peer(one)) >=
			   SB_PEER_CLOSED) {
			guest_circuit_recycle(one);
		} else if (random_below(&random, 2)) {
			guest_circuit_publish(one, SB_OWNER_CLOSED);
		} else {
			guest_circuit_close(one);
		}
		if (round % 50 == 0)
			guest_line_wait(line, 1);
	}
	for (int i = 0; i < 8; i++) {
		if (sb_word_state(c[i]->word) == SB_OWNER_READY)
			continue;
		guest_circuit_abort(c[i]);
		ck_assert_int_eq(guest_circuit_wait(c[i], SB_PEER_CLOSED,
						    STAGE_TIMEOUT_MS),
				 0);
	}
	ck_assert_uint_le(stage_descriptors(stage.proxy), 40);
	others_work();
}
END_TEST

static unsigned int flood_s(void)
{
	const char *text = getenv("UDP_FLOOD_S");

	return text ? (unsigned int)atoi(text) : 1;
}

/* The guest has 20 sockets, reads none; the network floods them all */
START_TEST(a_guest_that_never_reads_costs_nothing_more)
{
	/* memory stays as it is for so many floods of so many datagrams */
	enum { SOCKETS = 20, FLOOD = 250, FLOODS = 3, SLACK_KIB = 1024 };
	struct guest_circuit *c[SOCKETS];
	struct sb_address to, from[SOCKETS];
	uint64_t end_ms, rss_kib = 0, settled_kib = 0, sent = 0;
	unsigned int quiet = 0;
	struct sb_datagram h = { 0 };
	static char bytes[1400];
	uint32_t drops = 0;
	int got;
	int fd = stage_udp_socket(SB_FAMILY_IPV4, &to);

	for (int i = 0; i < SOCKETS; i++) {
		c[i] = stage_udp_open(line, 2);
		ck_assert_int_eq(guest_datagram_send(c[i], &to, "", 0), 0);
		if (i == 0)
			stage_udp_allow(&stage, &to);
		stage_udp_take(fd, bytes, 1, &from[i]);
	}
	end_ms = guest_now_ms() + flood_s() * 1000ull;
	while (guest_now_ms() < end_ms || quiet < FLOODS) {
		ck_assert_msg(guest_now_ms() < end_ms + STAGE_TIMEOUT_MS,
			      "it grows and grows: %llu KiB",
			      (unsigned long long)rss_kib);
		for (int i = 0; i < FLOOD * SOCKETS; i++, sent++)
			stage_udp_give(fd, &from[i % SOCKETS], bytes,
				       sent % sizeof(bytes));
		quiet = stage_rss_kib(stage.proxy) > rss_kib ? 0 : quiet + 1;
		rss_kib = stage_rss_kib(stage.proxy);
		if (!settled_kib && quiet == FLOODS)
			settled_kib = rss_kib;
	}
	/* slowly is too much, too */
	ck_assert_uint_le(rss_kib, settled_kib + SLACK_KIB);
	/* when it reads again it is told what it has missed */
	while ((got = guest_datagram_take(c[0], &h, NULL, 0)) >= 0)
		drops = h.drops;
	ck_assert_int_eq(got, -EAGAIN);
	while (!drops) {
		stage_udp_give(fd, &from[0], "x", 1);
		while (guest_datagram_wait(c[0], &h, NULL, 0, 2) >= 0)
			drops = h.drops;
	}
	printf("%llu datagrams in %u s, RSS %llu KiB at first, %llu KiB at the "
	       "end, the first socket lost %u\n",
	       (unsigned long long)sent, flood_s(),
	       (unsigned long long)settled_kib, (unsigned long long)rss_kib,
	       drops);
	close(fd);
}
END_TEST

/* One guest floods; another's questions are answered all the same */
START_TEST(a_flood_does_not_starve_another_guest)
{
	struct guest_line *other = stage_line(&stage, "beta");
	struct guest_circuit *c, *quiet;
	struct sb_address to, nowhere, from;
	unsigned int slow = 0;
	char byte;
	int fd = stage_udp_socket(SB_FAMILY_IPV4, &to);
	int sink = stage_udp_socket(SB_FAMILY_IPV4, &nowhere);

	stage_attach(&stage, other);
	quiet = stage_udp_open(other, 2);
	ck_assert_int_eq(guest_datagram_send(quiet, &to, "", 0), 0);
	stage_udp_allow(&stage, &to);
	stage_udp_take(fd, &byte, 1, &from);
	c = stage_udp_open(line, 5);
	ck_assert_int_eq(guest_datagram_send(c, &nowhere, "", 0), 0);
	stage_udp_allow(&stage, &nowhere);
	for (int i = 0; i < 200; i++) {
		uint64_t start_ms = guest_now_ms();
		struct sb_datagram h;

		while (guest_datagram_send(c, &nowhere, "x", 1) == 0)
			;
		stage_udp_pass(quiet, fd, &to, "q", 1);
		stage_udp_give(fd, &from, "a", 1);
		ck_assert_int_eq(guest_datagram_wait(quiet, &h, &byte, 1,
						     STAGE_TIMEOUT_MS),
				 1);
		slow += guest_now_ms() - start_ms > 1000;
	}
	/* a machine that has other things to do may be slow now and then */
	ck_assert_uint_le(slow, 20);
	close(fd);
	close(sink);
	guest_line_end(other);
}
END_TEST

START_TEST(sockets_beyond_the_rate_wait_their_turn)
{
	static struct guest_circuit *c[60];
	struct sb_address to;
	uint64_t start_ms;
	uint32_t number;
	int fd = stage_udp_socket(SB_FAMILY_IPV4, &to);

	/* 20 at once, then 100 a second */
	stage.calls_burst = 20;
	stage.calls_per_s = 100;
	stage_order_attach(&stage, line);
	stage_expect(&stage, IPC_REPORT_ATTACHED);
	start_ms = guest_now_ms();
	for (uint32_t i = 0; i < 60; i++) {
		c[i] = guest_datagram_new(line, 0);
		guest_datagram_send(c[i], &to, &i, sizeof(i));
		guest_datagram_offer(c[i], NULL);
	}
	stage_udp_allow(&stage, &to);
	for (uint32_t i = 0; i < 60; i++)
		stage_udp_take(fd, &number, sizeof(number), NULL);
	ck_assert_uint_ge(guest_now_ms() - start_ms, 350);
	close(fd);
}
END_TEST

START_TEST(sockets_beyond_the_limit_are_refused)
{
	struct sb_address own = stage_udp_own(SB_FAMILY_IPV4, 0);
	struct sb_address place = stage_loopback(0);
	struct guest_circuit *c;

	/* 64 may be published, as the order to attach says */
	for (int i = 0; i < 64; i++) {
		own.port = (uint16_t)(1000 + i);
		stage_udp_publish(&stage, line, 0, &own, &place);
	}
	own.port = 2000;
	c = guest_datagram_new(line, 0);
	guest_datagram_offer(c, &own);
	stage_udp_verdict(&stage, stage_udp_question(&stage), 0, &place);
	ck_assert_int_eq(guest_circuit_wait(c, SB_PEER_OPEN, STAGE_TIMEOUT_MS),
			 -ENOBUFS);
	others_work();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("udp_hostile");
	TCase *tcase = tcase_create("hostile");

	tcase_set_timeout(tcase, 30 + flood_s());
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, a_record_that_cannot_be_ends_its_circuit, 0,
			    sizeof(lies) / sizeof(lies[0]));
	tcase_add_loop_test(tcase, a_record_that_asks_for_nonsense_costs_itself,
			    0, sizeof(bad) / sizeof(bad[0]));
	tcase_add_test(tcase, headers_that_change_while_they_are_read);
	tcase_add_test(tcase, indexes_that_lie_end_the_circuit);
	tcase_add_test(tcase, words_and_calls_that_cannot_be);
	tcase_add_test(tcase, exchanges_with_whatever_there_is);
	tcase_add_test(tcase, a_guest_that_never_reads_costs_nothing_more);
	tcase_add_test(tcase, a_flood_does_not_starve_another_guest);
	tcase_add_test(tcase, sockets_beyond_the_rate_wait_their_turn);
	tcase_add_test(tcase, sockets_beyond_the_limit_are_refused);
	suite_add_tcase(suite, tcase);
	return unit_run(suite);
}
