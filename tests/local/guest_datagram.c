// SPDX-License-Identifier: GPL-2.0-only
/*
 * guest_datagram.c - a test guest's datagram sockets
 */
#include <errno.h>
#include <string.h>

#include "tests/local/guest_datagram.h"

struct guest_circuit *guest_datagram_new(struct guest_line *l,
					 unsigned int order)
{
	struct guest_circuit *c = guest_circuit_new(l, order);

	if (!c)
		return NULL;
	c->kind = SB_ENTRY_DATAGRAM;
	c->shared->kind = SB_ENTRY_DATAGRAM;
	return c;
}

static void offer(struct guest_circuit *c, const struct sb_address *local,
		  uint32_t replaces)
{
	struct sb_call call = { .generation = c->generation };

	if (local)
		call.local = *local;
	c->index->call = call;
	c->shared->listener = replaces;
	guest_circuit_publish(c, SB_OWNER_OFFERED);
}

void guest_datagram_offer(struct guest_circuit *c,
			  const struct sb_address *local)
{
	offer(c, local, SB_ENTRY_NONE);
}

void guest_datagram_exchange(struct guest_circuit *c,
			     const struct guest_circuit *old)
{
	struct sb_address local = old->index->call.local;

	offer(c, &local, old->entry);
}

void guest_datagram_options(struct guest_circuit *c, bool bell)
{
	sb_store(&c->shared->options_seq, c->shared->options_seq + 1);
	if (bell)
		guest_line_ring(c->line, c->entry);
}

static void copy_in(struct guest_circuit *c, uint32_t index, const void *from,
		    uint32_t bytes)
{
	uint32_t size = c->writer.size, offset = index & (size - 1);
	uint32_t first = bytes < size - offset ? bytes : size - offset;

	memcpy(c->tx + offset, from, first);
	memcpy(c->tx, (const uint8_t *)from + first, bytes - first);
}

int guest_datagram_put(struct guest_circuit *c,
		       const struct sb_datagram *header, const void *payload)
{
	uint32_t room = sb_datagram_room(header->bytes);
	int64_t space = sb_writer_space(&c->writer);

	if (space < 0)
		return (int)space;
	if (space < room && sb_writer_arm(&c->writer, room) < room)
		return -EAGAIN;
	copy_in(c, c->writer.produced, header, sizeof(*header));
	if (header->bytes)
		copy_in(c, c->writer.produced + sizeof(*header), payload,
			header->bytes);
	sb_writer_advance(&c->writer, room);
	if (sb_writer_publish(&c->writer))
		guest_line_ring(c->line, c->entry);
	return 0;
}

int guest_datagram_send(struct guest_circuit *c, const struct sb_address *to,
			const void *payload, uint32_t bytes)
{
	struct sb_datagram header = { .bytes = bytes,
				      .kind = SB_DATAGRAM_DATA,
				      .remote = *to };

	return guest_datagram_put(c, &header, payload);
}

static void copy_out(struct guest_circuit *c, uint32_t index, void *to,
		     uint32_t bytes)
{
	uint32_t size = c->reader.size, offset = index & (size - 1);
	uint32_t first = bytes < size - offset ? bytes : size - offset;

	memcpy(to, c->rx + offset, first);
	memcpy((uint8_t *)to + first, c->rx, bytes - first);
}

int guest_datagram_take(struct guest_circuit *c, struct sb_datagram *header,
			void *payload, uint32_t size)
{
	int64_t held = sb_reader_available(&c->reader), room;

	if (held == 0)
		held = sb_reader_arm(&c->reader, 1);
	if (held <= 0)
		return held ? (int)held : -EAGAIN;
	sb_datagram_copy(header, c->rx + sb_reader_offset(&c->reader));
	room = sb_datagram_check(header, (uint32_t)held);
	if (room < 0)
		return (int)room;
	if (size)
		copy_out(c, c->reader.consumed + (uint32_t)sizeof(*header),
			 payload, header->bytes < size ? header->bytes : size);
	sb_reader_advance(&c->reader, (uint32_t)room);
	if (sb_reader_release(&c->reader))
		guest_line_ring(c->line, c->entry);
	return (int)header->bytes;
}

int guest_datagram_wait(struct guest_circuit *c, struct sb_datagram *header,
			void *payload, uint32_t size, int timeout_ms)
{
	uint64_t end_ms = guest_now_ms() + (uint64_t)timeout_ms, now_ms;
	int got;

	while ((got = guest_datagram_take(c, header, payload, size)) ==
	       -EAGAIN) {
		now_ms = guest_now_ms();
		if (now_ms >= end_ms)
			return -ETIMEDOUT;
		guest_line_wait(c->line, (int)(end_ms - now_ms));
	}
	return got;
}
