/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * guest_stream.h - a test guest's stream that goes on in other circuits
 *
 * As guest_circuit.c moves bytes, but the circuit may be exchanged meanwhile
 * (docs/PROTOCOL.md, Exchange). What is offered, written and read is reached
 * through the structure, also to be spoilt.
 */
#ifndef TESTS_LOCAL_GUEST_STREAM_H
#define TESTS_LOCAL_GUEST_STREAM_H

#include "tests/local/guest_line.h"

/**
 * struct guest_stream - a stream
 * @c:         where it writes; its words are the stream's
 * @next:      offered in place of @c, or NULL
 * @old:       what @c replaced, until it is read and CLOSED; or NULL
 * @reads_old: @old's rx is not empty for good yet
 * @exchanged: how often
 */
struct guest_stream {
	struct guest_circuit *c;
	struct guest_circuit *next;
	struct guest_circuit *old;
	bool reads_old;
	unsigned int exchanged;
};

/* Offer a READY circuit in place of @old, with a bell */
void guest_stream_replace(struct guest_circuit *c,
			  const struct guest_circuit *old);
/* Offer a new circuit of @order. Return: 0, or -errno: not now */
int guest_stream_offer(struct guest_stream *s, unsigned int order);
/*
 * Take in what the peer says. Return: 0, or the negative error with which it
 * refused the offer.
 */
int guest_stream_step(struct guest_stream *s);
/* Step until nothing is under way. Return: 0, -ETIMEDOUT, or as above */
int guest_stream_settle(struct guest_stream *s, int timeout_ms);
/* Did the peer take @c in place of another? */
bool guest_stream_taken(const struct guest_circuit *c);

/* As for circuits */
ssize_t guest_stream_send(struct guest_stream *s, const void *bytes,
			  size_t count);
ssize_t guest_stream_receive(struct guest_stream *s, void *bytes, size_t count);
/* Add flags to the stream's word, and to what is offered, there first */
void guest_stream_publish(struct guest_stream *s, uint32_t flags_and_state);

#endif
