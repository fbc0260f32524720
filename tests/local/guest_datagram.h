/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * guest_datagram.h - a test guest's datagram sockets
 *
 * A datagram socket is a guest_circuit of kind DATAGRAM whose rings carry
 * records. As in guest_line.h: results are 0 or -errno, waits have a bound,
 * and what is shared can be reached to be spoilt.
 */
#ifndef TESTS_LOCAL_GUEST_DATAGRAM_H
#define TESTS_LOCAL_GUEST_DATAGRAM_H

#include "protocol/datagram.h"
#include "tests/local/guest_line.h"

/* In the pool, of that order. Return: the circuit, or NULL */
struct guest_circuit *guest_datagram_new(struct guest_line *l,
					 unsigned int order);

/**
 * guest_datagram_offer() - ask for a socket, with a bell
 * @c:     READY
 * @local: bound to, or NULL
 */
void guest_datagram_offer(struct guest_circuit *c,
			  const struct sb_address *local);
/* The same for one that takes the place of @old */
void guest_datagram_exchange(struct guest_circuit *c,
			     const struct guest_circuit *old);

/* Set options before the offer, or later with a bell */
void guest_datagram_options(struct guest_circuit *c, bool bell);

/*
 * Put a record into tx; the bell is rung when the peer asked for it.
 * Return: 0, or -EAGAIN when there is no room.
 */
int guest_datagram_put(struct guest_circuit *c,
		       const struct sb_datagram *header, const void *payload);
/* The same for plain data */
int guest_datagram_send(struct guest_circuit *c, const struct sb_address *to,
			const void *payload, uint32_t bytes);

/*
 * Take a record out of rx; what is longer than @size is cut.
 * Return: bytes of payload, -EAGAIN, -EPROTO.
 */
int guest_datagram_take(struct guest_circuit *c, struct sb_datagram *header,
			void *payload, uint32_t size);
/* The same, waiting for one. -ETIMEDOUT */
int guest_datagram_wait(struct guest_circuit *c, struct sb_datagram *header,
			void *payload, uint32_t size, int timeout_ms);

#endif
