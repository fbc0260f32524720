/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pattern.h - bytes that say where in which stream they belong
 *
 * Every byte depends on its offset and on the stream's seed, so that a byte
 * that is lost, repeated, or another stream's is found where it happens.
 */
#ifndef SWITCHBOARD_SOCKETS_PATTERN_H
#define SWITCHBOARD_SOCKETS_PATTERN_H

#include <stddef.h>
#include <stdint.h>

static inline uint64_t pattern_word(uint32_t seed, uint64_t index)
{
	uint64_t x = (index + 1) * 0x9e3779b97f4a7c15u ^ (uint64_t)seed << 17;

	x = (x ^ x >> 29) * 0xbf58476d1ce4e5b9u;
	return x ^ x >> 32;
}

static inline uint8_t pattern_byte(uint32_t seed, uint64_t offset)
{
	return pattern_word(seed, offset / 8) >> 8 * (offset % 8);
}

static inline void pattern_fill(uint8_t *to, size_t bytes, uint32_t seed,
				uint64_t offset)
{
	size_t i = 0;

	while (i < bytes && (offset + i) % 8)
		to[i] = pattern_byte(seed, offset + i), i++;
	for (; i + 8 <= bytes; i += 8) {
		uint64_t word = pattern_word(seed, (offset + i) / 8);

		__builtin_memcpy(to + i, &word, 8);
	}
	for (; i < bytes; i++)
		to[i] = pattern_byte(seed, offset + i);
}

/* The index of the first wrong byte, or @bytes */
static inline size_t pattern_check(const uint8_t *from, size_t bytes,
				   uint32_t seed, uint64_t offset)
{
	size_t i = 0;

	for (; i < bytes && (offset + i) % 8; i++)
		if (from[i] != pattern_byte(seed, offset + i))
			return i;
	for (; i + 8 <= bytes; i += 8) {
		uint64_t word = pattern_word(seed, (offset + i) / 8);

		if (__builtin_memcmp(from + i, &word, 8) != 0)
			break;
	}
	for (; i < bytes; i++)
		if (from[i] != pattern_byte(seed, offset + i))
			return i;
	return bytes;
}

#endif
