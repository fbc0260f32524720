/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * known.h - addresses that a guest has to do with, as many as fit
 *
 * A set of bounded size: what was not touched for longest makes room. What an
 * address is known for is the owner's affair; whether its port counts is, too.
 */
#ifndef PROXY_UDP_KNOWN_H
#define PROXY_UDP_KNOWN_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/address.h"

#define KNOWN_SETS 256u
#define KNOWN_WAYS 4u

/**
 * struct known_slot - an address
 * @address: family none: the slot is free
 * @touched: when, on the set's clock; 0: free
 */
struct known_slot {
	struct sb_address address;
	uint32_t touched;
};

/**
 * struct known - the set
 * @slot:  KNOWN_SETS times KNOWN_WAYS, or NULL: nothing is known
 * @seed:  of the hash: not known to those who choose addresses
 * @clock: moves with every touch
 */
struct known {
	struct known_slot *slot;
	uint64_t seed;
	uint32_t clock;
};

/* Return: 0 or -ENOMEM */
int known_init(struct known *k, uint64_t seed);
void known_fini(struct known *k);
/* Is it known? Then it was touched. Return: the number of its slot, or -1 */
int known_find(struct known *k, const struct sb_address *a);
static inline bool known_has(struct known *k, const struct sb_address *a)
{
	return known_find(k, a) >= 0;
}
/* Return: the number of its slot; -1 when there are none */
int known_add(struct known *k, const struct sb_address *a);

#endif
