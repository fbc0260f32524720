/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bucket.h - tokens that come at a rate and are kept up to a bound
 */
#ifndef SERVICES_COMMON_BUCKET_H
#define SERVICES_COMMON_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

/**
 * struct bucket - tokens
 * @rate:    tokens a second, at least 1
 * @burst:   tokens at most, at least 1
 * @thousandths: of a token that are there now
 * @now_ms:  when they were counted
 */
struct bucket {
	uint32_t rate;
	uint32_t burst;
	uint64_t thousandths;
	uint64_t now_ms;
};

/* Full */
static inline void bucket_init(struct bucket *b, uint32_t rate, uint32_t burst,
			       uint64_t now_ms)
{
	b->rate = rate;
	b->burst = burst;
	b->thousandths = burst * 1000ull;
	b->now_ms = now_ms;
}

/* Another rate and bound; what is there stays, up to the bound */
static inline void bucket_change(struct bucket *b, uint32_t rate,
				 uint32_t burst)
{
	b->rate = rate;
	b->burst = burst;
	if (b->thousandths > burst * 1000ull)
		b->thousandths = burst * 1000ull;
}

/* Is there a token? */
static inline bool bucket_has(struct bucket *b, uint64_t now_ms)
{
	uint64_t passed_ms = now_ms - b->now_ms;
	uint64_t full = b->burst * 1000ull;

	b->now_ms = now_ms;
	/* a rate is below 2^20, so this only overflows after 500 years */
	b->thousandths += passed_ms * b->rate;
	if (b->thousandths > full)
		b->thousandths = full;
	return b->thousandths >= 1000;
}

/* Take one; call bucket_has() before */
static inline void bucket_take(struct bucket *b)
{
	b->thousandths -= 1000;
}

/* Milliseconds until there is a token, at least 1 */
static inline uint64_t bucket_wait_ms(const struct bucket *b)
{
	uint64_t missing = b->thousandths < 1000 ? 1000 - b->thousandths : 0;

	return missing / b->rate + 1;
}

#endif
