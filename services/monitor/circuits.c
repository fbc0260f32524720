// SPDX-License-Identifier: GPL-2.0-only
/*
 * circuits.c - the circuits of one service, from one answer to the next
 *
 * A circuit is the same one as before when guest, line, entry and generation
 * are: only then is the difference of its byte counts a rate.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "services/monitor/book.h"

static int compare(const void *a, const void *b)
{
	const struct ipc_circuit_row *x =
		&((const struct book_circuit *)a)->row;
	const struct ipc_circuit_row *y =
		&((const struct book_circuit *)b)->row;

	if (x->guest != y->guest)
		return x->guest < y->guest ? -1 : 1;
	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	if (x->entry != y->entry)
		return x->entry < y->entry ? -1 : 1;
	if (x->generation != y->generation)
		return x->generation < y->generation ? -1 : 1;
	return 0;
}

/* A service that counts backwards, or clocks that stand still: no rate */
uint64_t book_rate(uint64_t before, uint64_t now, int64_t passed_ms)
{
	if (now <= before || passed_ms <= 0)
		return 0;
	return (uint64_t)((double)(now - before) * 1000.0 / (double)passed_ms);
}

/* An answer in parts may name a circuit twice, when others ended meanwhile */
static void remove_doubles(struct book_circuits *c)
{
	unsigned int i, kept = 0;

	for (i = 0; i < c->count; i++) {
		if (kept && !compare(&c->circuit[kept - 1], &c->circuit[i]))
			kept--;
		c->circuit[kept++] = c->circuit[i];
	}
	c->count = kept;
}

void book_circuits_merge(struct book_circuits *now,
			 const struct book_circuits *before)
{
	int64_t passed_ms = now->answered_ms - before->answered_ms;
	unsigned int i;

	if (!now->count)
		return;
	qsort(now->circuit, now->count, sizeof(*now->circuit), compare);
	remove_doubles(now);
	for (i = 0; before->count && i < now->count; i++) {
		struct book_circuit *c = &now->circuit[i];
		const struct book_circuit *old = bsearch(
			c, before->circuit, before->count, sizeof(*c), compare);

		if (!old)
			continue;
		c->sent_rate = book_rate(old->row.sent, c->row.sent, passed_ms);
		c->received_rate = book_rate(old->row.received, c->row.received,
					     passed_ms);
	}
}

static int grow(struct book_circuits *c, unsigned int wanted)
{
	unsigned int room = c->room ? c->room : IPC_CIRCUIT_ROWS_MAX;
	struct book_circuit *larger;

	while (room < wanted)
		room *= 2;
	if (room == c->room)
		return 0;
	larger = reallocarray(c->circuit, room, sizeof(*larger));
	if (!larger)
		return -ENOMEM;
	c->circuit = larger;
	c->room = room;
	return 0;
}

int book_circuits_add(struct book_circuits *c,
		      const struct ipc_circuit_row *row, unsigned int count)
{
	unsigned int i;
	int error;

	if (count > MONITOR_CIRCUITS_MAX - c->count)
		count = MONITOR_CIRCUITS_MAX - c->count;
	if (!count)
		return 0;
	error = grow(c, c->count + count);
	if (error)
		return error;
	for (i = 0; i < count; i++) {
		c->circuit[c->count + i].row = row[i];
		c->circuit[c->count + i].sent_rate = 0;
		c->circuit[c->count + i].received_rate = 0;
	}
	c->count += count;
	return 0;
}
