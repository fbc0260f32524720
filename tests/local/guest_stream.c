// SPDX-License-Identifier: GPL-2.0-only
/*
 * guest_stream.c - a test guest's stream that goes on in other circuits
 */
#include <errno.h>

#include "tests/local/guest_stream.h"

void guest_stream_replace(struct guest_circuit *c,
			  const struct guest_circuit *old)
{
	c->shared->listener = old->entry;
	c->shared->replaces = old->generation;
	guest_circuit_publish(c,
			      (old->word & SB_WORD_FLAGS) | SB_OWNER_OFFERED);
}

int guest_stream_offer(struct guest_stream *s, unsigned int order)
{
	if (s->next || s->old)
		return -EBUSY;
	s->next = guest_circuit_new(s->c->line, order);
	if (!s->next)
		return -ENOMEM;
	guest_stream_replace(s->next, s->c);
	return 0;
}

bool guest_stream_taken(const struct guest_circuit *c)
{
	return sb_word_state(guest_circuit_peer(c)) >= SB_PEER_OPEN &&
	       sb_load(&c->shared->replaced) == c->generation;
}

/* The old tx ends here, and so does the old rx */
static void go_over(struct guest_stream *s)
{
	s->old = s->c;
	s->c = s->next;
	s->next = NULL;
	s->reads_old = true;
	s->exchanged++;
	guest_circuit_publish(s->old, (s->old->word & 0xff) | SB_WORD_FIN);
}

/* Its pages are the guest's again */
static int forget(struct guest_circuit *c)
{
	int error = guest_circuit_recycle(c);

	return error ? error : guest_circuit_revoke(c, GUEST_TIMEOUT_MS);
}

static int look_at_next(struct guest_stream *s)
{
	struct guest_circuit *next = s->next;
	int error;

	if (guest_stream_taken(next)) {
		go_over(s);
		return 0;
	}
	if (sb_word_state(guest_circuit_peer(next)) < SB_PEER_CLOSED)
		return 0;
	s->next = NULL;
	error = -(int)sb_load(&next->shared->error);
	forget(next);
	return error;
}

int guest_stream_step(struct guest_stream *s)
{
	struct guest_circuit *old = s->old;

	if (s->next)
		return look_at_next(s);
	if (!old)
		return 0;
	if (s->reads_old && sb_reader_available(&old->reader) == 0)
		s->reads_old = false;
	if (s->reads_old ||
	    sb_word_state(guest_circuit_peer(old)) < SB_PEER_CLOSED)
		return 0;
	s->old = NULL;
	return forget(old);
}

int guest_stream_settle(struct guest_stream *s, int timeout_ms)
{
	uint64_t end_ms = guest_now_ms() + timeout_ms;
	int error = 0;

	while (!error && (s->next || s->old)) {
		error = guest_stream_step(s);
		if (guest_now_ms() > end_ms)
			return -ETIMEDOUT;
		guest_line_wait(s->c->line, 1);
	}
	return error;
}

ssize_t guest_stream_send(struct guest_stream *s, const void *bytes,
			  size_t count)
{
	guest_stream_step(s);
	return guest_circuit_send(s->c, bytes, count);
}

ssize_t guest_stream_receive(struct guest_stream *s, void *bytes, size_t count)
{
	ssize_t got;

	guest_stream_step(s);
	if (!s->reads_old)
		return guest_circuit_receive(s->c, bytes, count);
	got = guest_circuit_receive(s->old, bytes, count);
	/* its end is not the stream's */
	return got ? got : -EAGAIN;
}

void guest_stream_publish(struct guest_stream *s, uint32_t flags_and_state)
{
	uint32_t before = s->c->word & SB_WORD_FLAGS;

	if (s->next)
		guest_circuit_publish(s->next, before | flags_and_state);
	guest_circuit_publish(s->c, before | flags_and_state);
}
