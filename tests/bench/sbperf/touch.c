// SPDX-License-Identifier: GPL-2.0-only
/*
 * touch.c - a program that produces its bytes, and one that looks at them
 *
 * As cheap as a processor can write and compare every byte: what a path costs
 * a program that does something with its bytes shows all the better. So by the
 * widest vectors there are: 32 bytes with AVX2, else the 16 that every x86-64
 * has, where the bytes are aligned, as they are on all paths of sbperf but
 * behind a short read of a program that copies. All are equal when any bit and
 * every bit of them is one and the same word: two instructions for a vector,
 * in loops of their own, or the compiler would load each vector before.
 */
#include <string.h>

#include "tests/bench/sbperf/sbperf.h"

#define WIDE_BYTES 32
#define NARROW_BYTES 16

struct wide {
	uint64_t word __attribute__((vector_size(WIDE_BYTES)));
} __attribute__((packed, may_alias));

struct narrow {
	uint64_t word __attribute__((vector_size(NARROW_BYTES)));
} __attribute__((may_alias));

/* Tuned for processors that store so much in one go */
#define WIDE static __attribute__((target("avx2,tune=haswell")))

/* What all words of piece @n are */
static inline uint64_t word_of(uint64_t n)
{
	return (n + 1) * 0x9e3779b97f4a7c15ull;
}

WIDE void make_wide(uint8_t *bytes, size_t size, uint64_t word)
{
	const struct wide value = { word - (__typeof__(value.word)){} };
	struct wide *at = (struct wide *)bytes;

#pragma GCC unroll 64
	for (size_t i = 0; i < size / WIDE_BYTES; i++)
		at[i] = value;
}

static void make_narrow(uint8_t *bytes, size_t size, uint64_t word)
{
	const struct narrow value = { word - (__typeof__(value.word)){} };
	struct narrow *at = (struct narrow *)bytes;

#pragma GCC unroll 64
	for (size_t i = 0; i < size / NARROW_BYTES; i++)
		at[i] = value;
}

WIDE bool check_wide(const uint8_t *bytes, size_t size, uint64_t word)
{
	const struct wide value = { word - (__typeof__(value.word)){} };
	const struct wide *at = (const struct wide *)bytes;
	struct wide any = value, all = value;

#pragma GCC unroll 64
	for (size_t i = 0; i < size / WIDE_BYTES; i++)
		any.word |= at[i].word;
#pragma GCC unroll 64
	for (size_t i = 0; i < size / WIDE_BYTES; i++)
		all.word &= at[i].word;
	any.word ^= all.word;
	return !(any.word[0] | any.word[1] | any.word[2] | any.word[3]);
}

static bool check_narrow(const uint8_t *bytes, size_t size, uint64_t word)
{
	const struct narrow value = { word - (__typeof__(value.word)){} };
	const struct narrow *at = (const struct narrow *)bytes;
	struct narrow any = value, all = value;

#pragma GCC unroll 64
	for (size_t i = 0; i < size / NARROW_BYTES; i++)
		any.word |= at[i].word;
#pragma GCC unroll 64
	for (size_t i = 0; i < size / NARROW_BYTES; i++)
		all.word &= at[i].word;
	any.word ^= all.word;
	return !(any.word[0] | any.word[1]);
}

/* What vectors leave over, or cannot do */
static void make_rest(uint8_t *bytes, size_t size, uint64_t word)
{
	for (size_t i = 0; i < size; i += sizeof(word))
		memcpy(bytes + i, &word,
		       size - i < sizeof(word) ? size - i : sizeof(word));
}

static bool check_rest(const uint8_t *bytes, size_t size, uint64_t word)
{
	for (size_t i = 0; i < size; i += sizeof(word))
		if (memcmp(bytes + i, &word,
			   size - i < sizeof(word) ? size - i : sizeof(word)) !=
		    0)
			return false;
	return true;
}

static size_t vector_bytes(const uint8_t *bytes)
{
	if (__builtin_cpu_supports("avx2"))
		return WIDE_BYTES;
	return (uintptr_t)bytes % NARROW_BYTES ? 0 : NARROW_BYTES;
}

void touch_make(uint8_t *bytes, size_t size, uint64_t n)
{
	size_t vector = vector_bytes(bytes), done = 0;

	if (vector)
		done = size - size % vector;
	if (vector == WIDE_BYTES)
		make_wide(bytes, done, word_of(n));
	else
		make_narrow(bytes, done, word_of(n));
	make_rest(bytes + done, size - done, word_of(n));
}

bool touch_check(const uint8_t *bytes, size_t size, uint64_t n)
{
	size_t vector = vector_bytes(bytes), done = 0;
	bool same;

	if (vector)
		done = size - size % vector;
	same = vector == WIDE_BYTES ? check_wide(bytes, done, word_of(n))
				    : check_narrow(bytes, done, word_of(n));
	return same && check_rest(bytes + done, size - done, word_of(n));
}
