/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * guest_trunk.h - a test guest's line to the operator
 */
#ifndef TESTS_LOCAL_GUEST_TRUNK_H
#define TESTS_LOCAL_GUEST_TRUNK_H

#include "tests/local/guest_line.h"

/* Wait for the offer, make the trunk, wait until the operator has it */
int guest_trunk_connect(struct guest *g, int timeout_ms);
/* Make the trunk's pages and channel, tell nobody. Return: 0 or -errno */
int guest_trunk_make(struct guest *g);
/* Driver unloaded: Closing, wait for the operator, free the trunk, Closed */
int guest_trunk_disconnect(struct guest *g, int timeout_ms);

/* Return: 0, -EAGAIN when the ring is full, or -EPROTO */
int guest_trunk_send(struct guest *g, const struct sb_message *m);
/* Return: 0, -ETIMEDOUT or -EPROTO */
int guest_trunk_receive(struct guest *g, struct sb_message *m, int timeout_ms);
/* The next message must be of @type. Return: 0, -ETIMEDOUT, -EBADMSG */
int guest_trunk_expect(struct guest *g, enum sb_message_type type,
		       struct sb_message *m, int timeout_ms);

/* Requests about a line and its entries */
int guest_request_line_ready(const struct guest_line *l);
int guest_request_line_gone(struct guest *g, uint32_t line);
int guest_request_listen(const struct guest_circuit *c,
			 const struct sb_address *local, uint32_t backlog);

/*
 * Connect the trunk, take the configuration and make the first TCP line that
 * the operator wants. Return: the line, or NULL with errno.
 */
struct guest_line *guest_start_line(struct guest *g, int timeout_ms);

#endif
