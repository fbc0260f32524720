// SPDX-License-Identifier: GPL-2.0-only
/*
 * touch.c - a program that produces its bytes, and one that looks at them
 *
 * As cheap as a processor can write and compare every byte: what a path costs
 * a program that does something with its bytes shows all the better. Vectors,
 * because memset() and memcmp() use them too.
 */
#include <string.h>

#include "tests/bench/sbperf/sbperf.h"

#define LANES 4

struct lanes {
	uint64_t word __attribute__((vector_size(8 * LANES)));
} __attribute__((packed, may_alias));

#define INLINE static inline __attribute__((always_inline))
#define WIDE static __attribute__((target("avx2")))

static uint64_t word_of(uint64_t n)
{
	return (n + 1) * 0x9e3779b97f4a7c15ull;
}

INLINE void make(uint8_t *bytes, size_t size, uint64_t n)
{
	const struct lanes value = { word_of(n) - (__typeof__(value.word)){} };
	struct lanes *at = (struct lanes *)bytes;
	size_t whole = size / sizeof(value);

#pragma GCC unroll 8
	for (size_t i = 0; i < whole; i++)
		at[i] = value;
	memcpy(&at[whole], &value, size % sizeof(value));
}

INLINE bool check(const uint8_t *bytes, size_t size, uint64_t n)
{
	const struct lanes value = { word_of(n) - (__typeof__(value.word)){} };
	const struct lanes *at = (const struct lanes *)bytes;
	size_t whole = size / sizeof(value);
	struct lanes other = {};

#pragma GCC unroll 8
	for (size_t i = 0; i < whole; i++)
		other.word |= at[i].word ^ value.word;
	for (int lane = 0; lane < LANES; lane++)
		if (other.word[lane])
			return false;
	return memcmp(&at[whole], &value, size % sizeof(value)) == 0;
}

WIDE void make_wide(uint8_t *bytes, size_t size, uint64_t n)
{
	make(bytes, size, n);
}

WIDE bool check_wide(const uint8_t *bytes, size_t size, uint64_t n)
{
	return check(bytes, size, n);
}

void touch_make(uint8_t *bytes, size_t size, uint64_t n)
{
	if (__builtin_cpu_supports("avx2"))
		make_wide(bytes, size, n);
	else
		make(bytes, size, n);
}

bool touch_check(const uint8_t *bytes, size_t size, uint64_t n)
{
	if (__builtin_cpu_supports("avx2"))
		return check_wide(bytes, size, n);
	return check(bytes, size, n);
}
