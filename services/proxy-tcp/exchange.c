// SPDX-License-Identifier: GPL-2.0-only
/*
 * exchange.c - a stream goes on in another circuit
 *
 * The guest offers a circuit that names the one it replaces. The socket moves
 * to it at once, and what it receives goes there; what the guest had written to
 * the old tx goes out first (transfer.c), until the guest's old word has FIN:
 * then the old circuit is CLOSED. It has no socket meanwhile, only an heir.
 *
 * What cannot be taken is refused, and nothing has changed. Either of the two
 * that ends before its time ends the other: an heir without what was before it
 * would lose bytes.
 *
 * System calls: epoll_ctl.
 */
#include <errno.h>

#include "services/proxy-tcp/tcp.h"

/* The stream to be replaced, if it is one that can be */
static struct stream *find_old(struct stream *s, uint32_t entry,
			       uint32_t generation)
{
	struct circuit *c = NULL;
	struct stream *old;

	if (entry < SB_ENTRIES_MAX)
		c = line_circuit(s->circuit.line, entry);
	if (!c || !c->active || c->generation != generation)
		return NULL;
	old = stream_of(c);
	return old->phase != STREAM_OPEN || old->old ? NULL : old;
}

static void refuse(struct stream *s, uint32_t generation, uint32_t error)
{
	tcp_count(s, TCP_EXCHANGES_REFUSED, 1);
	circuit_refuse(&s->circuit, generation, error);
}

/* Socket, names, what is known of both */
static void inherit(struct stream *s, struct stream *old)
{
	s->readable = old->readable;
	s->writable = old->writable;
	s->hung_up = old->hung_up;
	s->out_done = old->out_done;
	s->in_done = old->in_done;
	s->error = old->error;
	s->last_in = old->last_in;
	s->options = old->options;
	s->local = old->local;
	s->remote = old->remote;
	s->sent = old->sent;
	s->received = old->received;
	s->called = old->called;
	old->called = false;
	s->old = old;
	old->heir = s;
	stream_set_phase(old, STREAM_REPLACED);
}

void exchange_begin(struct stream *s, uint32_t generation, uint32_t entry,
		    uint32_t replaces)
{
	struct stream *old = find_old(s, entry, replaces);
	int error = old ? circuit_map(&s->circuit) : -EBUSY;

	if (error) {
		refuse(s, generation, (uint32_t)-error);
		return;
	}
	stream_begin(s, generation, STREAM_OPEN);
	inherit(s, old);
	if (stream_take_watch(s, old) < 0) {
		circuit_end(&s->circuit, ENOBUFS, SB_WORD_RESET);
		return;
	}
	tcp_count(s, TCP_EXCHANGED, 1);
	sb_store(&s->circuit.shared->replaced, generation);
	s->circuit.word = old->circuit.word & SB_WORD_FLAGS;
	stream_opened(s);
	stream_look_at(s);
}

void exchange_ended(struct stream *s)
{
	struct stream *old = s->old, *heir = s->heir;

	if (old)
		exchange_end(s);
	if (!heir)
		return;
	s->heir = NULL;
	heir->old = NULL;
	circuit_end(&heir->circuit, ECONNRESET, SB_WORD_RESET);
}

void exchange_end(struct stream *s)
{
	struct stream *old = s->old;

	s->old = NULL;
	old->heir = NULL;
	circuit_end(&old->circuit, 0, 0);
}
