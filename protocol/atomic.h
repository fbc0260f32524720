/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * atomic.h - the few atomic accesses that shared memory needs
 *
 * Both ends of a circuit live in different operating systems, so the kernel's
 * smp_*() and bit operations are no use here: a guest with one vCPU patches
 * the lock prefix out of them. The compiler's builtins always emit it, and
 * they are the same in the kernel, in a service and under ThreadSanitizer
 * (which does not understand fences: hence a sequentially consistent store
 * where a fence would do).
 */
#ifndef SWITCHBOARD_ATOMIC_H
#define SWITCHBOARD_ATOMIC_H

#include "layout.h"

/* clang-tidy does not see that the builtins write */
/* NOLINTBEGIN(readability-non-const-parameter) */

/* One load, never repeated by the compiler: what a peer may change meanwhile */
static inline uint32_t sb_load(const uint32_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

/* Everything written before is seen by whoever sees this value */
static inline void sb_store(uint32_t *p, uint32_t value)
{
	__atomic_store_n(p, value, __ATOMIC_RELEASE);
}

/*
 * The two halves of "tell, then look whether the peer sleeps": each side
 * stores with sb_store_full() and then loads with sb_load_full(); at least one
 * of two sides that do this at the same time sees the other's store.
 */
static inline void sb_store_full(uint32_t *p, uint32_t value)
{
	__atomic_store_n(p, value, __ATOMIC_SEQ_CST);
}

static inline uint32_t sb_load_full(const uint32_t *p)
{
	return __atomic_load_n(p, __ATOMIC_SEQ_CST);
}

/* Doorbell words: both sides write them */
static inline uint64_t sb_fetch_or64(uint64_t *p, uint64_t bits)
{
	return __atomic_fetch_or(p, bits, __ATOMIC_SEQ_CST);
}

static inline uint64_t sb_exchange64(uint64_t *p, uint64_t value)
{
	return __atomic_exchange_n(p, value, __ATOMIC_SEQ_CST);
}

static inline uint64_t sb_load64(const uint64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_SEQ_CST);
}

/* NOLINTEND(readability-non-const-parameter) */

#endif
