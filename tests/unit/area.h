/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * area.h - a ring's area between guard pages, copied into and out of
 *
 * The area ends at, and begins after, a page that faults when touched: a copy
 * that leaves the area by one byte kills the test.
 */
#ifndef TESTS_AREA_H
#define TESTS_AREA_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "protocol/ring.h"

static inline uint8_t *area_new(uint32_t bytes)
{
	uint32_t guard = SB_PAGE_BYTES;
	uint8_t *base = mmap(NULL, bytes + 2 * guard, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (base == MAP_FAILED ||
	    mprotect(base + guard, bytes, PROT_READ | PROT_WRITE) != 0)
		abort();
	return base + guard;
}

static inline void area_free(uint8_t *area, uint32_t bytes)
{
	munmap(area - SB_PAGE_BYTES, bytes + 2 * SB_PAGE_BYTES);
}

/* In two pieces where the area wraps, as a service's iovec would */
static inline void area_write(uint8_t *area, struct sb_writer *w,
			      const uint8_t *from, uint32_t bytes)
{
	uint32_t run = sb_writer_run(w);
	uint32_t first = bytes < run ? bytes : run;

	memcpy(area + sb_writer_offset(w), from, first);
	memcpy(area, from + first, bytes - first);
	sb_writer_advance(w, bytes);
}

static inline void area_read(const uint8_t *area, struct sb_reader *r,
			     uint8_t *to, uint32_t bytes)
{
	uint32_t run = sb_reader_run(r);
	uint32_t first = bytes < run ? bytes : run;

	memcpy(to, area + sb_reader_offset(r), first);
	memcpy(to + first, area, bytes - first);
	sb_reader_advance(r, bytes);
}

#endif
