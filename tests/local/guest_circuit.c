// SPDX-License-Identifier: GPL-2.0-only
/*
 * guest_circuit.c - a test guest's circuits: life cycle and data
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/local/guest_line.h"

static void reset_rings(struct guest_circuit *c)
{
	sb_writer_init(&c->writer, c->index, SB_OWNER, sb_area_bytes(c->order));
	sb_reader_init(&c->reader, c->index, SB_OWNER, sb_area_bytes(c->order));
}

/* Where the grants go: into the entry, or into a page of their own */
static int name_grants(struct guest_circuit *c)
{
	struct guest *g = c->line->guest;
	uint32_t *target = c->shared->gref;

	if (c->pages > SB_CIRCUIT_PAGES_INLINE) {
		c->list_frame = guest_pages_get(g, 1);
		if (!c->list_frame)
			return -ENOMEM;
		c->shared->gref_list =
			guest_grant(g, c->list_frame, c->line->remote);
		if (!c->shared->gref_list)
			return -ENOSPC;
		target = guest_page(g, c->list_frame);
	}
	memcpy(target, c->gref, c->pages * sizeof(*target));
	return 0;
}

static int make_pages(struct guest_circuit *c)
{
	struct guest *g = c->line->guest;

	c->pages = SB_CIRCUIT_PAGES(c->order);
	c->frame = guest_pages_get(g, c->pages);
	if (!c->frame)
		return -ENOMEM;
	for (uint32_t i = 0; i < c->pages; i++) {
		c->gref[i] = guest_grant(g, c->frame + i, c->line->remote);
		if (!c->gref[i])
			return -ENOSPC;
	}
	c->index = guest_page(g, c->frame);
	c->tx = guest_page(g, c->frame + 1);
	c->rx = guest_page(g, c->frame + 1 + (1u << c->order));
	reset_rings(c);
	return name_grants(c);
}

static struct guest_circuit *make_entry(struct guest_line *l,
					enum sb_entry_kind kind)
{
	struct guest_circuit *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->line = l;
	c->kind = kind;
	c->entry = l->free_entries ? l->free_entry[--l->free_entries]
				   : l->next_entry++;
	c->shared = guest_line_entry(l, c->entry);
	if (!c->shared) {
		free(c);
		return NULL;
	}
	c->shared->kind = kind;
	c->shared->listener = SB_ENTRY_NONE;
	c->shared->replaces = 0;
	c->generation = sb_generation_next(
		sb_word_generation(sb_load(&c->shared->owner)));
	c->next = l->circuits;
	c->back = &l->circuits;
	if (c->next)
		c->next->back = &c->next;
	l->circuits = c;
	return c;
}

static void set_word(struct guest_circuit *c, uint32_t flags_and_state)
{
	c->word = sb_word(c->generation, flags_and_state);
	sb_store_full(&c->shared->owner, c->word);
}

struct guest_circuit *guest_circuit_new(struct guest_line *l,
					unsigned int order)
{
	struct guest_circuit *c = make_entry(l, SB_ENTRY_STREAM);

	if (!c)
		return NULL;
	c->order = order;
	c->shared->order = order;
	if (make_pages(c)) {
		guest_circuit_free(c);
		return NULL;
	}
	set_word(c, SB_OWNER_READY);
	return c;
}

struct guest_circuit *guest_listener_new(struct guest_line *l)
{
	struct guest_circuit *c = make_entry(l, SB_ENTRY_LISTENER);

	if (c)
		set_word(c, SB_OWNER_FREE);
	return c;
}

void guest_circuit_free(struct guest_circuit *c)
{
	*c->back = c->next;
	if (c->next)
		c->next->back = c->back;
	free(c);
}

void guest_circuit_publish(struct guest_circuit *c, uint32_t flags_and_state)
{
	set_word(c, flags_and_state);
	guest_line_ring(c->line, c->entry);
}

void guest_circuit_offer(struct guest_circuit *c)
{
	c->shared->listener = SB_ENTRY_NONE;
	set_word(c, SB_OWNER_OFFERED);
}

void guest_circuit_call(struct guest_circuit *c, const struct sb_address *local,
			const struct sb_address *remote)
{
	struct sb_call *call = &c->index->call;

	*call = (struct sb_call){ .generation = c->generation,
				  .remote = *remote };
	if (local)
		call->local = *local;
	c->shared->listener = SB_ENTRY_NONE;
	guest_circuit_publish(c, SB_OWNER_OFFERED);
}

void guest_circuit_post(struct guest_circuit *c,
			const struct guest_circuit *listener)
{
	c->shared->listener = listener->entry;
	guest_circuit_publish(c, SB_OWNER_OFFERED);
}

uint32_t guest_circuit_peer(const struct guest_circuit *c)
{
	uint32_t word = sb_load_full(&c->shared->peer);

	return sb_word_generation(word) == c->generation ? word : 0;
}

static int peer_error(const struct guest_circuit *c)
{
	return -(int)sb_load(&c->shared->error);
}

/*
 * Wait for a bell of anybody, or a moment: the end of a circuit that nobody
 * waits for is told without an event. Return: 0 or -ETIMEDOUT
 */
static int wait_until(struct guest_line *l, uint64_t end_ms)
{
	uint64_t now_ms = guest_now_ms();

	if (now_ms >= end_ms)
		return -ETIMEDOUT;
	guest_line_wait(l, end_ms - now_ms < 2 ? end_ms - now_ms : 2);
	return 0;
}

int guest_circuit_wait(struct guest_circuit *c, enum sb_peer_state state,
		       int timeout_ms)
{
	uint64_t end_ms = guest_now_ms() + timeout_ms;

	for (;;) {
		uint32_t now = sb_word_state(guest_circuit_peer(c));

		if (now == SB_PEER_CLOSED && state < SB_PEER_CLOSED)
			return peer_error(c);
		if (now >= state)
			return 0;
		if (wait_until(c->line, end_ms))
			return -ETIMEDOUT;
	}
}

static void copy_in(struct guest_circuit *c, const uint8_t *bytes, size_t count)
{
	size_t run = sb_writer_run(&c->writer);
	size_t first = count < run ? count : run;

	memcpy(c->tx + sb_writer_offset(&c->writer), bytes, first);
	memcpy(c->tx, bytes + first, count - first);
	sb_writer_advance(&c->writer, count);
	if (sb_writer_publish(&c->writer))
		guest_line_ring(c->line, c->entry);
}

ssize_t guest_circuit_send(struct guest_circuit *c, const void *bytes,
			   size_t count)
{
	uint32_t peer = guest_circuit_peer(c);
	int64_t space;

	if (sb_word_state(peer) == SB_PEER_CLOSED)
		return peer_error(c) ? peer_error(c) : -EPIPE;
	if (peer & SB_WORD_STOP || c->word & SB_WORD_FIN)
		return -EPIPE;
	space = sb_writer_space(&c->writer);
	if (space == 0)
		space = sb_writer_arm(&c->writer, c->writer.size / 2);
	if (space <= 0)
		return space ? space : -EAGAIN;
	if (count > (size_t)space)
		count = space;
	copy_in(c, bytes, count);
	return count;
}

static void copy_out(struct guest_circuit *c, uint8_t *bytes, size_t count)
{
	size_t run = sb_reader_run(&c->reader);
	size_t first = count < run ? count : run;

	memcpy(bytes, c->rx + sb_reader_offset(&c->reader), first);
	memcpy(bytes + first, c->rx, count - first);
	sb_reader_advance(&c->reader, count);
	if (sb_reader_release(&c->reader))
		guest_line_ring(c->line, c->entry);
}

ssize_t guest_circuit_receive(struct guest_circuit *c, void *bytes,
			      size_t count)
{
	/* the word first: what was produced before its FIN is seen after it */
	uint32_t peer = guest_circuit_peer(c);
	int64_t held = sb_reader_available(&c->reader);

	if (held == 0 && !(peer & SB_WORD_FIN) &&
	    sb_word_state(peer) != SB_PEER_CLOSED)
		held = sb_reader_arm(&c->reader, 1);
	if (held < 0)
		return held;
	if (held > 0) {
		count = count < (size_t)held ? count : (size_t)held;
		copy_out(c, bytes, count);
		return count;
	}
	if (peer & SB_WORD_FIN)
		return 0;
	if (sb_word_state(peer) == SB_PEER_CLOSED)
		return peer_error(c);
	return -EAGAIN;
}

int guest_circuit_send_all(struct guest_circuit *c, const void *bytes,
			   size_t count, int timeout_ms)
{
	uint64_t end_ms = guest_now_ms() + timeout_ms;
	const uint8_t *at = bytes;
	ssize_t sent;

	while (count) {
		sent = guest_circuit_send(c, at, count);
		if (sent == -EAGAIN) {
			if (wait_until(c->line, end_ms))
				return -ETIMEDOUT;
			continue;
		}
		if (sent < 0)
			return sent;
		at += sent;
		count -= sent;
	}
	return 0;
}

int guest_circuit_receive_all(struct guest_circuit *c, void *bytes,
			      size_t count, int timeout_ms)
{
	uint64_t end_ms = guest_now_ms() + timeout_ms;
	uint8_t *at = bytes;
	ssize_t got;

	while (count) {
		got = guest_circuit_receive(c, at, count);
		if (got == -EAGAIN) {
			if (wait_until(c->line, end_ms))
				return -ETIMEDOUT;
			continue;
		}
		if (got <= 0)
			return got ? got : -ENODATA;
		at += got;
		count -= got;
	}
	return 0;
}

void guest_circuit_shutdown(struct guest_circuit *c)
{
	guest_circuit_publish(c, (c->word & 0xff) | SB_WORD_FIN);
}

void guest_circuit_close(struct guest_circuit *c)
{
	guest_circuit_publish(c, (c->word & 0xff) | SB_WORD_FIN | SB_WORD_STOP);
}

void guest_circuit_abort(struct guest_circuit *c)
{
	guest_circuit_publish(c, SB_OWNER_CLOSED | SB_WORD_RESET);
}

int guest_circuit_recycle(struct guest_circuit *c)
{
	if (sb_word_state(guest_circuit_peer(c)) < SB_PEER_CLOSED)
		return -EBUSY;
	c->generation = sb_generation_next(c->generation);
	c->shared->listener = SB_ENTRY_NONE;
	c->shared->replaces = 0;
	if (c->pages) {
		memset(guest_page(c->line->guest, c->frame), 0,
		       (size_t)c->pages * LOCAL_PAGE_BYTES);
		reset_rings(c);
	}
	set_word(c, c->pages ? SB_OWNER_READY : SB_OWNER_FREE);
	return 0;
}

static int end_grants(struct guest_circuit *c)
{
	struct guest *g = c->line->guest;
	int error = 0;

	for (uint32_t i = 0; i < c->pages && !error; i++)
		error = guest_grant_end(g, c->gref[i]);
	if (!error && c->list_frame)
		error = guest_grant_end(g, c->shared->gref_list);
	if (error)
		return error;
	guest_pages_put(g, c->frame, c->pages);
	if (c->list_frame)
		guest_pages_put(g, c->list_frame, 1);
	return 0;
}

int guest_circuit_revoke(struct guest_circuit *c, int timeout_ms)
{
	int error;

	guest_circuit_publish(c, SB_OWNER_REVOKED);
	error = guest_circuit_wait(c, SB_PEER_UNMAPPED, timeout_ms);
	if (!error)
		error = end_grants(c);
	if (error)
		return error;
	set_word(c, SB_OWNER_FREE);
	c->line->free_entry[c->line->free_entries++] = c->entry;
	guest_circuit_free(c);
	return 0;
}
