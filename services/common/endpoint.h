/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * endpoint.h - an ipc socket in an event loop
 *
 * Receives, flushes the queue, logs and counts what was dropped, and notices
 * when a pair's peer has come (back).
 */
#ifndef SERVICES_COMMON_ENDPOINT_H
#define SERVICES_COMMON_ENDPOINT_H

#include "ipc/ipc.h"
#include "services/common/log.h"
#include "services/common/loop.h"

/* Messages taken from one socket in one wake-up */
#define ENDPOINT_BURST 64

/**
 * struct endpoint - an ipc socket in an event loop
 * @socket:      the socket; belongs to the endpoint
 * @message:     a message has arrived; valid during the call; may be NULL.
 *               endpoint_send() in it answers a REP's or RESPONDENT's peer
 * @connected:   a pair has a new connection (also the first time); the queue
 *               for the old one is forgotten; may be NULL
 * @over:        a survey is over; may be NULL
 * @owner:       the caller's
 * @connections: private
 */
struct endpoint {
	struct ipc_socket *socket;
	void (*message)(struct endpoint *e, const struct ipc_message *m);
	void (*connected)(struct endpoint *e);
	void (*over)(struct endpoint *e);
	void *owner;
	struct loop *loop;
	struct loop_watch receive;
	struct loop_watch send;
	struct loop_timer timer;
	struct log_limit limit;
	uint64_t connections;
};

/**
 * endpoint_init() - put a socket into the loop
 * @e:      callbacks and owner are set by the caller
 * @loop:   the loop
 * @socket: opened, bound or connected; the endpoint closes it
 *
 * Return: 0 or -errno.
 */
int endpoint_init(struct endpoint *e, struct loop *loop,
		  struct ipc_socket *socket);
void endpoint_fini(struct endpoint *e);

/* ipc_send(), and the loop sends what it queued. Return: as ipc_send() */
int endpoint_send(struct endpoint *e, const struct ipc_message *m);

/*
 * The message that is being filled in for sending: one static for the whole
 * process, so that nobody puts one on the stack
 */
struct ipc_message *endpoint_draft(enum ipc_type type);

#endif
