/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * guest_memory.h - a hypervisor that is one file of memory in this process
 *
 * Plays hypervisor.h for a harness: page n of the guest has grant
 * GUEST_GREF + n, and each mapping is a mapping of its own between pages that
 * fault, so that a byte too far, or a byte after the unmap, kills.
 */
#ifndef TESTS_FUZZ_GUEST_MEMORY_H
#define TESTS_FUZZ_GUEST_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#define GUEST_GREF 100u
#define GUEST_PORT 7u

/**
 * struct guest_memory - the guest
 * @pages:   how many it has
 * @byte:    all of them, one after the other
 * @mapped:  pages that the service has mapped now
 * @bound:   channels that the service has bound now, 0 or 1
 * @pending: the guest has sent an event
 * @events:  that the service has sent
 */
struct guest_memory {
	unsigned int pages;
	uint8_t *byte;
	unsigned int mapped;
	unsigned int bound;
	bool pending;
	unsigned int events;
};

extern struct guest_memory guest_memory;

/* All pages zero; once before anything else, and again for each input */
void guest_memory_init(unsigned int pages);
void *guest_memory_page(unsigned int page);

#endif
