// SPDX-License-Identifier: GPL-2.0-only
/*
 * proxy_transfer.c - rings and sockets, without a line, a loop or a guest
 *
 * transfer.c against a socketpair; what it asks of circuits and lines is
 * written down by the functions below.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "services/proxy-tcp/tcp.h"
#include "tests/unit/unit.h"

#define AREA 4096u

/* What was asked for since the last run() */
static struct {
	unsigned int looks;
	unsigned int bells;
	uint32_t published;
	bool blocked;
	bool ended;
	bool exchanged;
	uint32_t error;
	const char *lie;
} asked;

static uint8_t pages[3 * SB_PAGE_BYTES] __attribute__((aligned(4096)));
static struct sb_index_page *page = (struct sb_index_page *)pages;
static struct proxy proxy;
static struct line line = { .proxy = &proxy };
static struct stream stream;
static struct sb_writer guest_tx;
static struct sb_reader guest_rx;
static int far;

void line_ring(struct line *l, uint32_t entry)
{
	asked.bells++;
}

void stream_look_at(const struct stream *s)
{
	asked.looks++;
}

void stream_blocked(struct stream *s)
{
	s->writable = false;
	asked.blocked = true;
}

void circuit_publish(struct circuit *c, uint32_t flags_and_state)
{
	asked.published |= flags_and_state;
}

void circuit_end(struct circuit *c, uint32_t error, uint32_t flags)
{
	asked.ended = true;
	asked.error = error;
}

void circuit_end_liar(struct circuit *c, const char *what)
{
	asked.ended = true;
	asked.error = EPROTO;
	asked.lie = what;
}

void exchange_end(struct stream *s)
{
	s->old = NULL;
	asked.exchanged = true;
}

static void setup(void)
{
	int pair[2];

	memset(pages, 0, sizeof(pages));
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	far = pair[1];
	fcntl(far, F_SETFL, O_NONBLOCK);
	stream = (struct stream){ .circuit.line = &line,
				  .circuit.base = pages,
				  .watch.fd = pair[0],
				  .phase = STREAM_OPEN,
				  .readable = true,
				  .writable = true };
	sb_reader_init(&stream.circuit.tx, page, SB_PEER, AREA);
	sb_writer_init(&stream.circuit.rx, page, SB_PEER, AREA);
	sb_writer_init(&guest_tx, page, SB_OWNER, AREA);
	sb_reader_init(&guest_rx, page, SB_OWNER, AREA);
}

static void teardown(void)
{
	close(stream.watch.fd);
	close(far);
}

static void run(uint32_t flags)
{
	memset(&asked, 0, sizeof(asked));
	transfer_run(&stream, sb_word(1, SB_OWNER_OFFERED | flags));
}

static void guest_writes(char first, uint32_t count)
{
	uint8_t *area = pages + SB_PAGE_BYTES;

	for (uint32_t i = 0; i < count; i++)
		area[(guest_tx.produced + i) % AREA] = first + i;
	sb_writer_advance(&guest_tx, count);
	sb_writer_publish(&guest_tx);
}

START_TEST(bytes_around_the_wrap_are_sent_in_one_go)
{
	char got[AREA];

	guest_writes(0, 4000);
	run(0);
	ck_assert_int_eq(read(far, got, AREA), 4000);
	ck_assert_int_gt(sb_writer_space(&guest_tx), 4000);
	guest_writes(7, 200);
	run(0);
	ck_assert_int_eq(read(far, got, AREA), 200);
	for (int i = 0; i < 200; i++)
		ck_assert_int_eq(got[i], (char)(7 + i));
	ck_assert_uint_eq(stream.sent, 4200);
	/* and it waits for the next byte */
	ck_assert_uint_eq(sb_load(&page->side[SB_PEER].data_event), 4200);
}
END_TEST

START_TEST(partial_sends_keep_the_tail)
{
	uint32_t produced = 0, got = 0;
	char bytes[AREA];
	int small = 1;
	ssize_t n;

	setsockopt(stream.watch.fd, SOL_SOCKET, SO_SNDBUF, &small,
		   sizeof(small));
	while (stream.writable && produced < 1u << 20) {
		guest_writes(produced, 1000);
		produced += 1000;
		run(0);
		sb_writer_space(&guest_tx);
	}
	ck_assert(asked.blocked);
	ck_assert_int_gt(sb_reader_held(&stream.circuit.tx), 0);
	while (got < produced) {
		n = read(far, bytes, 100);
		for (ssize_t i = 0; i < n; i++)
			ck_assert_int_eq(bytes[i], (char)(got + i));
		got += n > 0 ? n : 0;
		stream.writable = true;
		run(0);
	}
	ck_assert_uint_eq(stream.sent, produced);
}
END_TEST

START_TEST(blocked_socket_is_left_alone)
{
	stream.writable = false;
	stream.readable = false;
	guest_writes(0, 100);
	run(0);
	ck_assert_uint_eq(stream.sent, 0);
	ck_assert_uint_eq(asked.looks, 0);
	ck_assert_int_eq(read(far, &(char){ 0 }, 1), -1);
}
END_TEST

START_TEST(fin_is_passed_on_behind_the_last_byte)
{
	char got[16];

	guest_writes(0, 10);
	run(SB_WORD_FIN);
	ck_assert_int_eq(read(far, got, sizeof(got)), 10);
	ck_assert_int_eq(read(far, got, sizeof(got)), 0);
	ck_assert(!asked.ended);
	/* the other way goes on */
	ck_assert_int_eq(write(far, "abc", 3), 3);
	stream.readable = true;
	run(SB_WORD_FIN);
	ck_assert_int_eq(sb_reader_available(&guest_rx), 3);
}
END_TEST

START_TEST(close_waits_until_all_is_sent)
{
	guest_writes(0, 10);
	stream.writable = false;
	run(SB_WORD_FIN | SB_WORD_STOP);
	ck_assert(!asked.ended);
	stream.writable = true;
	run(SB_WORD_FIN | SB_WORD_STOP);
	ck_assert(asked.ended);
	ck_assert_uint_eq(asked.error, 0);
}
END_TEST

START_TEST(short_read_waits_for_an_edge)
{
	ck_assert_int_eq(write(far, "abc", 3), 3);
	run(0);
	ck_assert(!stream.readable);
	ck_assert_uint_eq(asked.looks, 0);
	ck_assert_uint_eq(asked.bells, 1);
	ck_assert_mem_eq(pages + (size_t)2 * SB_PAGE_BYTES, "abc", 3);
}
END_TEST

START_TEST(end_behind_a_short_read_is_seen)
{
	ck_assert_int_eq(write(far, "abc", 3), 3);
	shutdown(far, SHUT_WR);
	stream.hung_up = true;
	run(0);
	ck_assert(stream.readable);
	ck_assert_uint_eq(asked.looks, 1);
	run(0);
	ck_assert_uint_eq(asked.published, SB_WORD_FIN);
	ck_assert(!asked.ended);
	/* told once */
	run(0);
	ck_assert_uint_eq(asked.published, 0);
	run(SB_WORD_FIN);
	ck_assert(asked.ended);
}
END_TEST

START_TEST(full_ring_asks_for_half_of_it)
{
	char bytes[2 * AREA] = { 0 };

	ck_assert_int_eq(write(far, bytes, sizeof(bytes)), sizeof(bytes));
	run(0);
	ck_assert_int_eq(sb_reader_available(&guest_rx), AREA);
	run(0);
	ck_assert(stream.readable);
	ck_assert_uint_eq(asked.looks, 0);
	sb_reader_advance(&guest_rx, AREA / 2 - 1);
	ck_assert(!sb_reader_release(&guest_rx));
	sb_reader_advance(&guest_rx, 1);
	ck_assert(sb_reader_release(&guest_rx));
	run(0);
	ck_assert_uint_eq(stream.received, AREA + AREA / 2);
}
END_TEST

START_TEST(other_end_gone_is_told_behind_what_it_sent)
{
	ck_assert_int_eq(write(far, "abc", 3), 3);
	close(far);
	far = -1;
	guest_writes(0, 10);
	run(0);
	ck_assert_uint_eq(asked.published & SB_WORD_STOP, SB_WORD_STOP);
	run(0);
	ck_assert_int_eq(sb_reader_available(&guest_rx), 3);
	ck_assert(asked.ended);
	ck_assert_uint_eq(asked.error, EPIPE);
}
END_TEST

static const uint32_t lies[] = { AREA + 1, 0x7fffffff, 0x80000000, 0xffffffff };

START_TEST(lies_end_the_circuit)
{
	stream.readable = false;
	sb_store_full(&page->side[SB_OWNER].produced, lies[_i]);
	run(0);
	ck_assert(asked.ended && asked.lie);
	sb_store_full(&page->side[SB_OWNER].produced, 0);
	sb_store_full(&page->side[SB_OWNER].consumed, lies[_i]);
	stream.readable = true;
	run(0);
	ck_assert(asked.ended && asked.lie);
	ck_assert_uint_eq(stream.sent + stream.received, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("proxy_transfer");
	TCase *tcase = tcase_create("transfer");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, bytes_around_the_wrap_are_sent_in_one_go);
	tcase_add_test(tcase, partial_sends_keep_the_tail);
	tcase_add_test(tcase, blocked_socket_is_left_alone);
	tcase_add_test(tcase, fin_is_passed_on_behind_the_last_byte);
	tcase_add_test(tcase, close_waits_until_all_is_sent);
	tcase_add_test(tcase, short_read_waits_for_an_edge);
	tcase_add_test(tcase, end_behind_a_short_read_is_seen);
	tcase_add_test(tcase, full_ring_asks_for_half_of_it);
	tcase_add_test(tcase, other_end_gone_is_told_behind_what_it_sent);
	tcase_add_loop_test(tcase, lies_end_the_circuit, 0,
			    sizeof(lies) / sizeof(lies[0]));
	suite_add_tcase(suite, tcase);
	return unit_run(suite);
}
