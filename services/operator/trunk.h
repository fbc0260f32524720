/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * trunk.h - the operator's end of a guest's trunk
 *
 * The guest owns the pages and may write anything at any time. A message is
 * copied out word by word before it is looked at; the rings' indexes are
 * checked by ring.h. What does not fit into the guest's ring waits in a
 * bounded queue.
 */
#ifndef OPERATOR_TRUNK_H
#define OPERATOR_TRUNK_H

#include "protocol/ring.h"
#include "protocol/trunk.h"
#include "services/common/hypervisor.h"
#include "services/common/limits.h"

/**
 * struct trunk - a mapped trunk; zero-initialised: not attached
 * @hypervisor: port
 * @page:       header
 * @tx:         the guest's messages
 * @rx:         ours
 * @reader:     of @tx
 * @writer:     of @rx
 * @channel:    local event channel
 * @taken_over: another operator was attached before
 * @features:   those that the guest offers and we use
 * @queued:     messages of @queue that wait, the first at @queue_at
 */
struct trunk {
	struct hypervisor *hypervisor;
	struct sb_trunk *page;
	uint8_t *tx;
	uint8_t *rx;
	struct sb_reader reader;
	struct sb_writer writer;
	int channel;
	bool taken_over;
	uint32_t features;
	uint32_t queued;
	uint32_t queue_at;
	struct sb_message queue[LIMIT_TRUNK_ANSWERS];
};

/**
 * trunk_attach() - map a trunk, bind its channel, tell the guest
 * @t:      not attached
 * @h:      port
 * @guest:  domain, gref and port are used
 * @epoch:  of this process
 * @why:    set to what was wrong, on failure
 *
 * Return: 0 or -errno; nothing is then mapped.
 */
int trunk_attach(struct trunk *t, struct hypervisor *h,
		 const struct hypervisor_guest *guest, uint32_t epoch,
		 const char **why);
void trunk_detach(struct trunk *t);
static inline bool trunk_attached(const struct trunk *t)
{
	return t->page;
}

/* A copy of the next message. Return: 1, 0 when there is none, -EPROTO */
int trunk_peek(struct trunk *t, struct sb_message *m);
/* The message that was peeked at is done with */
void trunk_consume(struct trunk *t);

/* Return: 0, -ENOBUFS when the queue is full, -EPROTO */
int trunk_send(struct trunk *t, const struct sb_message *m);
/* Send what is queued, as far as there is room. Return: 0 or -EPROTO */
int trunk_flush(struct trunk *t);
/* Let the guest see what was sent and read; one event when it asked for any */
void trunk_publish(struct trunk *t);
/* Before sleeping. Return: 1: there is something to do, 0, -EPROTO */
int trunk_arm(struct trunk *t);

#endif
