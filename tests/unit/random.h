/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * random.h - numbers that look random and come again with the same seed
 */
#ifndef TESTS_RANDOM_H
#define TESTS_RANDOM_H

#include <stdint.h>

struct random {
	uint64_t state;
};

/* Different seeds, even 1 and 2, give sequences that have nothing in common */
static inline struct random random_seed(uint64_t seed)
{
	struct random r = { (seed + 1) * 0x9e3779b97f4a7c15ull };

	return r;
}

static inline uint32_t random_next(struct random *r)
{
	r->state ^= r->state >> 12;
	r->state ^= r->state << 25;
	r->state ^= r->state >> 27;
	return (r->state * 0x2545f4914f6cdd1dull) >> 32;
}

/* 0 to @limit - 1 */
static inline uint32_t random_below(struct random *r, uint32_t limit)
{
	return ((uint64_t)random_next(r) * limit) >> 32;
}

/* @low to @high, both included */
static inline uint32_t random_between(struct random *r, uint32_t low,
				      uint32_t high)
{
	return low + random_below(r, high - low + 1);
}

#endif
