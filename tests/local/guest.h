/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * guest.h - a guest in user space, for tests and benchmarks
 *
 * Plays the owner's side of trunk, lines and circuits against the local
 * hypervisor, with the very headers that the kernel module uses. It keeps the
 * protocol when its functions are used as they are meant, and everything it
 * shares is reachable through its structures, so that a test can break every
 * rule. One thread a guest; give up with errno values, never abort.
 *
 *	guest ---- guest_trunk ---- operator
 *	  |------- guest_line ----- proxy, or another guest
 *	              |--- guest_circuit, guest_circuit, ...
 */
#ifndef TESTS_LOCAL_GUEST_H
#define TESTS_LOCAL_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "protocol/doorbell.h"
#include "protocol/line.h"
#include "protocol/ring.h"
#include "protocol/trunk.h"
#include "services/common/hypervisor_wire.h"

#define GUEST_TIMEOUT_MS 5000
#define GUEST_RUN_MAX HYPERVISOR_MAP_MAX

struct guest_line;

/**
 * struct guest_options - what a guest is to be
 * @name:     its name
 * @identity: its UUID
 * @domain:   domain id, or 0 for the next free one
 * @memory:   bytes, or 0 for enough for about 1500 circuits
 */
struct guest_options {
	const char *name;
	const char *identity;
	uint32_t domain;
	size_t memory;
};

/**
 * struct guest_channel - an event channel
 * @port:   number that the other side binds; 0: none
 * @wait:   eventfd, readable when the other side has notified
 * @signal: eventfd, to notify the other side
 */
struct guest_channel {
	uint32_t port;
	int wait;
	int signal;
};

/**
 * struct guest_trunk - the line to the operator
 * @page:    header, or NULL before guest_trunk_connect()
 * @tx:      messages that we send
 * @rx:      messages that the operator sends
 * @writer:  of @tx
 * @reader:  of @rx
 * @channel: of the trunk
 * @gref:    of @page
 */
struct guest_trunk {
	struct sb_trunk *page;
	uint8_t *tx;
	uint8_t *rx;
	struct sb_writer writer;
	struct sb_reader reader;
	struct guest_channel channel;
	uint32_t gref;
};

/**
 * struct guest - a guest
 * @broker:     connection to the hypervisor
 * @domain:     its number
 * @backend:    the device's state as the operator last set it
 * @memory:     memfd
 * @base:       all of its memory
 * @frames:     pages of it
 * @next_frame: pages from here on were never used
 * @free_run:   by length: first frame of a chain of freed runs, or 0
 * @grant:      grant table, in its memory
 * @free_grant: stack
 * @free_grants: grants in it
 * @trunk:      line to the operator
 * @lines:      that were not freed
 * @message:    scratch
 */
struct guest {
	int broker;
	uint32_t domain;
	uint32_t backend;
	int memory;
	uint8_t *base;
	uint32_t frames;
	uint32_t next_frame;
	uint32_t free_run[GUEST_RUN_MAX + 1];
	struct local_grant *grant;
	uint32_t free_grant[LOCAL_GRANTS];
	uint32_t free_grants;
	struct guest_trunk trunk;
	struct guest_line *lines;
	struct local_message message;
};

/*
 * Return: the guest, or NULL with errno. Freeing it is as sudden as a crash, and
 * frees its lines and their circuits too.
 */
struct guest *guest_new(const char *directory,
			const struct guest_options *options);
void guest_free(struct guest *g);

/* @count zeroed pages in a row. Return: their first frame, or 0 */
uint32_t guest_pages_get(struct guest *g, uint32_t count);
void guest_pages_put(struct guest *g, uint32_t frame, uint32_t count);
void *guest_page(const struct guest *g, uint32_t frame);
uint32_t guest_frame(const struct guest *g, const void *page);

/* Grant a page. Return: the grant, or 0 when there is none left */
uint32_t guest_grant(struct guest *g, uint32_t frame, uint32_t domain);
/* Return: 0, or -EBUSY while somebody maps the page */
int guest_grant_end(struct guest *g, uint32_t gref);

int guest_channel_allocate(struct guest *g, struct guest_channel *c,
			   uint32_t remote);
void guest_channel_free(struct guest *g, struct guest_channel *c);
void guest_channel_notify(const struct guest_channel *c);
/* Return: true when it was notified within @timeout_ms */
bool guest_channel_wait(const struct guest_channel *c, int timeout_ms);

/* The frontend's state, with the trunk that belongs to it */
int guest_device_set(struct guest *g, enum local_state state);
/* Return: 0, or -ETIMEDOUT */
int guest_device_wait(struct guest *g, enum local_state backend,
		      int timeout_ms);

/* Milliseconds, monotonic */
uint64_t guest_now_ms(void);

#endif
