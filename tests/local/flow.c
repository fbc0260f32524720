// SPDX-License-Identifier: GPL-2.0-only
/*
 * flow.c - a stream through proxy-tcp that is driven from both ends
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "tests/local/flow.h"
#include "tests/unit/random.h"
#include "tests/unit/unit.h"

static uint8_t chunk[FLOW_CHUNK];

void flow_open(struct flow *f, struct stage *s, struct guest_line *l,
	       unsigned int order, uint32_t seed)
{
	memset(f, 0, sizeof(*f));
	f->s.c = stage_connection(s, l, order, &f->fd);
	f->seed = seed;
	fcntl(f->fd, F_SETFL, O_NONBLOCK);
}

bool flow_guest_writes(struct flow *f, size_t count)
{
	ssize_t n;

	stage_fill(chunk, count, f->sent[0], f->seed);
	n = guest_stream_send(&f->s, chunk, count);
	ck_assert_msg(n > 0 || n == -EAGAIN, "sending: %zd", n);
	f->sent[0] += n > 0 ? n : 0;
	return n > 0;
}

bool flow_guest_reads(struct flow *f, size_t count)
{
	ssize_t n = guest_stream_receive(&f->s, chunk, count);

	ck_assert_msg(n > 0 || n == -EAGAIN, "receiving: %zd", n);
	if (n < 0)
		return false;
	ck_assert(stage_check(chunk, n, f->received[1], f->seed + 1));
	f->received[1] += n;
	return true;
}

bool flow_network_writes(struct flow *f, size_t count)
{
	ssize_t n;

	stage_fill(chunk, count, f->sent[1], f->seed + 1);
	n = write(f->fd, chunk, count);
	f->sent[1] += n > 0 ? n : 0;
	return n > 0;
}

ssize_t flow_network_reads(struct flow *f, size_t count)
{
	ssize_t n = read(f->fd, chunk, count);

	if (n > 0) {
		ck_assert(stage_check(chunk, n, f->received[0], f->seed));
		f->received[0] += n;
	}
	return n;
}

void flow_drain(struct flow *f)
{
	uint64_t end_ms = guest_now_ms() + FLOW_LIMIT_MS;

	while (f->received[0] < f->sent[0] || f->received[1] < f->sent[1]) {
		bool moved = flow_network_reads(f, FLOW_CHUNK) > 0;

		moved |= flow_guest_reads(f, FLOW_CHUNK);
		if (!moved)
			guest_line_wait(f->s.c->line, 1);
		ck_assert_uint_lt(guest_now_ms(), end_ms);
	}
}

/* Until the proxy has looked at the stream, from now on and once more */
static void wait_looked_at(struct flow *f)
{
	struct sb_entry *e = f->s.c->shared;
	uint64_t end_ms = guest_now_ms() + FLOW_LIMIT_MS;
	uint32_t seq;

	for (int i = 0; i < 2; i++) {
		seq = e->info_seq + 1;
		sb_store(&e->info_seq, seq);
		guest_line_ring(f->s.c->line, f->s.c->entry);
		while (sb_load(&e->info_ack) != seq) {
			ck_assert_uint_lt(guest_now_ms(), end_ms);
			guest_line_wait(f->s.c->line, 1);
		}
	}
}

/*
 * Nothing moves for a while, though the proxy looked: its socket is full. The
 * while is for what the kernel's loopback acknowledges late
 */
void flow_fill_out(struct flow *f)
{
	uint64_t before;

	do {
		before = f->sent[0];
		while (flow_guest_writes(f, FLOW_CHUNK))
			;
		for (int i = 0; i < 20 && f->sent[0] == before; i++) {
			guest_line_wait(f->s.c->line, 5);
			flow_guest_writes(f, FLOW_CHUNK);
		}
		wait_looked_at(f);
		flow_guest_writes(f, FLOW_CHUNK);
	} while (f->sent[0] != before);
}

void flow_fill_in(struct flow *f)
{
	uint64_t before;

	do {
		before = f->sent[1];
		for (int i = 0; i < 20; i++)
			while (flow_network_writes(f, FLOW_CHUNK) ||
			       usleep(1000))
				;
	} while (f->sent[1] != before);
}

void flow_wait_taken(struct flow *f)
{
	uint64_t end_ms = guest_now_ms() + FLOW_LIMIT_MS;

	while (f->s.next) {
		ck_assert_int_eq(guest_stream_step(&f->s), 0);
		ck_assert_uint_lt(guest_now_ms(), end_ms);
		guest_line_wait(f->s.c->line, 1);
	}
}

void flow_run(struct flow *f, uint64_t total, uint32_t piece)
{
	struct random random = random_seed(f->seed);
	uint64_t end_ms = guest_now_ms() + FLOW_LIMIT_MS;

	while (f->received[0] < total || f->received[1] < total) {
		bool moved = false;

		if (f->sent[0] < total)
			moved |= flow_guest_writes(f, 1 + random_below(&random,
								       piece));
		if (f->sent[1] < total)
			moved |= flow_network_writes(
				f, 1 + random_below(&random, piece));
		moved |= flow_network_reads(f, FLOW_CHUNK) > 0;
		moved |= flow_guest_reads(f, 1 + random_below(&random,
							      FLOW_CHUNK));
		if (random_below(&random, 4) == 0)
			guest_stream_offer(
				&f->s, random_below(&random, SB_ORDER_MAX + 1));
		if (!moved)
			guest_line_wait(f->s.c->line, 1);
		ck_assert_msg(guest_now_ms() < end_ms,
			      "stuck: %lu of %lu out, %lu of %lu in",
			      f->received[0], f->sent[0], f->received[1],
			      f->sent[1]);
	}
	flow_drain(f);
	ck_assert_int_eq(guest_stream_settle(&f->s, FLOW_LIMIT_MS), 0);
}
