/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * broker_guest.h - what the broker keeps of a guest: grants and channels
 *
 * Plays the hypervisor's part: checks every mapping against the guest's own
 * grant table, as Xen does, and counts who maps what.
 */
#ifndef TESTS_LOCAL_BROKER_GUEST_H
#define TESTS_LOCAL_BROKER_GUEST_H

#include <stdbool.h>

#include "services/common/hypervisor_wire.h"

#define BROKER_GUESTS 64u
#define BROKER_CHANNELS 1024u

/**
 * struct broker_channel - an event channel of a guest
 * @to_guest:   eventfd, -1 in a free slot
 * @to_service: eventfd
 * @remote:     domain that may bind it
 * @bound_by:   connection that bound it, or NULL
 */
struct broker_channel {
	int to_guest;
	int to_service;
	uint32_t remote;
	const void *bound_by;
};

/**
 * struct broker_guest - a guest
 * @domain:    its number; 0 in a free slot
 * @name:      given by it
 * @identity:  given by it
 * @memory:    its memfd
 * @frames:    pages of it
 * @table:     its grants, the first pages of its memory
 * @mappings:  by grant: how many mappings there are
 * @channel:   by port
 * @offered:   some operator has offered the device
 * @connected: and was told that it is connected
 * @frontend:  enum local_state
 * @backend:   enum local_state, 0 before the first offer
 * @gref:      trunk
 * @port:      trunk
 */
struct broker_guest {
	uint32_t domain;
	char name[64];
	char identity[40];
	int memory;
	uint32_t frames;
	struct local_grant *table;
	uint16_t *mappings;
	struct broker_channel channel[BROKER_CHANNELS];
	bool offered;
	bool connected;
	uint32_t frontend;
	uint32_t backend;
	uint32_t gref;
	uint32_t port;
};

/* Return: 0 or an errno, as all here: @memory is then the guest's */
uint32_t broker_guest_init(struct broker_guest *g, uint32_t domain, int memory,
			   const struct local_message *hello);
void broker_guest_fini(struct broker_guest *g);

/* Check and count @count grants for @domain; @frame is filled in */
uint32_t broker_guest_map(struct broker_guest *g, uint32_t domain,
			  const uint32_t *gref, uint32_t count,
			  uint32_t *frame);
void broker_guest_unmap(struct broker_guest *g, uint32_t gref);

uint32_t broker_guest_allocate(struct broker_guest *g, uint32_t remote,
			       uint32_t *port);
uint32_t broker_guest_bind(struct broker_guest *g, uint32_t domain,
			   uint32_t port, const void *by);
uint32_t broker_guest_unbind(struct broker_guest *g, uint32_t port,
			     const void *by);
uint32_t broker_guest_free(struct broker_guest *g, uint32_t port);
/* All that a connection has bound is unbound again */
void broker_guest_unbind_all(struct broker_guest *g, const void *by);

#endif
