/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * circuit.h - one connection's shared memory: an index page and two areas
 *
 * The pages belong to the owner (the guest, or the calling guest of a direct
 * circuit), who grants them to the peer (a proxy, or the called guest). The
 * index page holds one cache line for each side, and the call that is read
 * before any application can map the page: what an application must not forge
 * is in the line's table (line.h).
 *
 * The owner writes into the tx area and reads the rx area; the peer does the
 * opposite. ring.h says how.
 */
#ifndef SWITCHBOARD_CIRCUIT_H
#define SWITCHBOARD_CIRCUIT_H

#include "address.h"
#include "atomic.h"

#define SB_PAGE_BYTES 4096u

/* An area is SB_PAGE_BYTES << order long; both areas of a circuit are alike */
#define SB_ORDER_MIN 0u
#define SB_ORDER_DEFAULT 2u
#define SB_ORDER_MAX 8u

/* Pages of a circuit of the default order: index page, tx area, rx area */
#define SB_CIRCUIT_PAGES(order) (1u + (2u << (order)))
#define SB_CIRCUIT_PAGES_INLINE 9u

enum sb_side {
	SB_OWNER = 0,
	SB_PEER = 1,
};

/**
 * struct sb_index - what one side tells the other, written by that side only
 * @produced:    bytes put into the ring this side writes, modulo 2^32
 * @consumed:    bytes taken out of the ring this side reads, modulo 2^32
 * @data_event:  "wake me when your @produced moves past this"
 * @space_event: "wake me when your @consumed moves past this"
 */
struct sb_index {
	uint32_t produced;
	uint32_t consumed;
	uint32_t data_event;
	uint32_t space_event;
	uint32_t reserved[12];
};

/**
 * struct sb_call - what the owner wants a circuit to be connected to
 * @generation: of the entry that the call belongs to
 * @reserved:   zero
 * @local:      bound address, family none when unbound
 * @remote:     where to connect; family none for a datagram socket
 *
 * Written before the entry is OFFERED and read once, then: no application can
 * have the page mapped before its socket is connected, and what it writes
 * here afterwards nobody reads. The entry has no room for it.
 */
struct sb_call {
	uint32_t generation;
	uint32_t reserved[3];
	struct sb_address local;
	struct sb_address remote;
};

/**
 * struct sb_index_page - the first page of a circuit
 * @side: indexed by enum sb_side
 * @call: of the owner
 */
struct sb_index_page {
	struct sb_index side[2];
	struct sb_call call;
	uint8_t reserved[SB_PAGE_BYTES - 192];
};

SB_ASSERT_AT(struct sb_index, produced, 0);
SB_ASSERT_AT(struct sb_index, consumed, 4);
SB_ASSERT_AT(struct sb_index, data_event, 8);
SB_ASSERT_AT(struct sb_index, space_event, 12);
SB_ASSERT_SIZE(struct sb_index, 64);
SB_ASSERT_AT(struct sb_call, generation, 0);
SB_ASSERT_AT(struct sb_call, local, 16);
SB_ASSERT_AT(struct sb_call, remote, 40);
SB_ASSERT_SIZE(struct sb_call, 64);
SB_ASSERT_AT(struct sb_index_page, call, 128);
SB_ASSERT_SIZE(struct sb_index_page, SB_PAGE_BYTES);

#endif
