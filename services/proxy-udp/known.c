// SPDX-License-Identifier: GPL-2.0-only
/*
 * known.c - addresses that a guest has to do with, as many as fit
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "services/proxy-udp/known.h"

int known_init(struct known *k, uint64_t seed)
{
	k->seed = seed;
	k->clock = 0;
	k->slot = calloc((size_t)KNOWN_SETS * KNOWN_WAYS, sizeof(*k->slot));
	return k->slot ? 0 : -ENOMEM;
}

void known_fini(struct known *k)
{
	free(k->slot);
	k->slot = NULL;
}

static struct known_slot *set_of(const struct known *k,
				 const struct sb_address *a)
{
	uint64_t word[sizeof(*a) / sizeof(uint64_t)], hash = k->seed;

	memcpy(word, a, sizeof(word));
	for (size_t i = 0; i < sizeof(word) / sizeof(word[0]); i++) {
		hash = (hash ^ word[i]) * 0x9e3779b97f4a7c15ull;
		hash ^= hash >> 29;
	}
	return &k->slot[(hash >> 32) % KNOWN_SETS * KNOWN_WAYS];
}

/* The clock goes round after 2^32 touches: then the order is wrong for once */
static uint32_t touch(struct known *k)
{
	if (++k->clock == 0)
		k->clock = 1;
	return k->clock;
}

int known_find(struct known *k, const struct sb_address *a)
{
	struct known_slot *set;

	if (!k->slot)
		return -1;
	set = set_of(k, a);
	for (unsigned int i = 0; i < KNOWN_WAYS; i++) {
		if (memcmp(&set[i].address, a, sizeof(*a)) == 0) {
			set[i].touched = touch(k);
			return (int)(&set[i] - k->slot);
		}
	}
	return -1;
}

int known_add(struct known *k, const struct sb_address *a)
{
	struct known_slot *set, *oldest;
	int at = known_find(k, a);

	if (!k->slot || at >= 0)
		return at;
	set = set_of(k, a);
	oldest = set;
	for (unsigned int i = 1; i < KNOWN_WAYS; i++)
		if (set[i].touched < oldest->touched)
			oldest = &set[i];
	oldest->address = *a;
	oldest->touched = touch(k);
	return (int)(oldest - k->slot);
}
