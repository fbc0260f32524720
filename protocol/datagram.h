/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * datagram.h - records: what the rings of a datagram circuit carry
 *
 * Every datagram is one record: a header of one cache line, the payload, and
 * padding up to the next SB_DATAGRAM_ALIGN bytes. As records begin at such
 * offsets a header never wraps; a payload may. A record is published whole:
 * `produced` only ever moves from the end of one record to the end of another.
 *
 * The reader copies the header out before it believes it, and checks it with
 * sb_datagram_check() against the bytes that are there. A header that is
 * impossible ends the circuit, for nobody knows where the next record is; one
 * that asks for something impossible (an unknown family, say) costs that
 * record, which is dropped and counted.
 *
 * On a direct line both sides write the same: @remote is where the datagram
 * goes, @local and @info where it comes from; an error record has all of them
 * as they were in the datagram that it is about.
 *
 * There is no room for a record: the writer drops the datagram and counts it,
 * as UDP does. (A guest's program that may block waits instead.)
 */
#ifndef SWITCHBOARD_DATAGRAM_H
#define SWITCHBOARD_DATAGRAM_H

#ifdef __KERNEL__
#include <linux/errno.h>
#include <linux/string.h>
#else
#include <errno.h>
#include <string.h>
#endif

#include "address.h"
#include "circuit.h"

#define SB_DATAGRAM_ALIGN 64u
/* Payload: UDP over IPv6 without extension headers; over IPv4 20 bytes less */
#define SB_DATAGRAM_MAX 65527u
#define SB_DATAGRAM_MAX_IPV4 65507u
/* The smallest areas that hold the largest record */
#define SB_DATAGRAM_ORDER_FULL 5u

enum sb_datagram_kind {
	SB_DATAGRAM_DATA = 1, /* either way */
	SB_DATAGRAM_ERROR_LOCAL = 2, /* peer to owner: could not be sent */
	SB_DATAGRAM_ERROR_ICMP = 3, /* peer to owner: an ICMP error came back */
	SB_DATAGRAM_ERROR_ICMP6 = 4, /* the same over IPv6 */
	/* owner to peer; with SB_DATAGRAM_LOCAL for what @local sends only */
	SB_DATAGRAM_JOIN = 5, /* join the group @remote */
	SB_DATAGRAM_LEAVE = 6, /* leave it */
	/* owner to peer, from a member of @remote, with SB_DATAGRAM_LOCAL */
	SB_DATAGRAM_BLOCK = 7, /* do not hear @local there */
	SB_DATAGRAM_UNBLOCK = 8, /* hear it again */
};

/* Bits of sb_datagram.flags: the field of the same name is valid */
#define SB_DATAGRAM_HOPS 0x01u
#define SB_DATAGRAM_TOS 0x02u
#define SB_DATAGRAM_LOCAL 0x04u
#define SB_DATAGRAM_INTERFACE 0x08u
/* Peer to owner: the payload was longer than there was room for */
#define SB_DATAGRAM_CUT 0x10u
/* Owner to peer: send without a router (MSG_DONTROUTE) */
#define SB_DATAGRAM_DIRECT 0x20u
/* Owner to proxy: send it even when there is a direct line for it */
#define SB_DATAGRAM_PROXIED 0x40u
#define SB_DATAGRAM_FLAGS 0x7fu

/**
 * struct sb_datagram - the header of a record
 * @bytes:     payload behind the header; an error's: of the datagram that
 *             caused it, as far as it is known
 * @kind:      enum sb_datagram_kind
 * @flags:     SB_DATAGRAM_*
 * @error:     of an error record: errno (Linux numbers), else 0
 * @remote:    owner to peer: destination, or the group; peer to owner: source;
 *             of an error record: the destination that it is about
 * @local:     of the family of @remote, network byte order: owner to peer the
 *             source to use, or that of a group; peer to owner the destination
 *             it was sent to; of an error record: the router or host that
 *             reported it
 * @interface: of the peer's system: by which it came, or shall go
 * @hops:      TTL or hop limit
 * @tos:       TOS or traffic class, with the ECN bits
 * @icmp_type: of an error record
 * @icmp_code: of an error record
 * @drops:     peer to owner: datagrams of this socket lost so far for want of
 *             room, modulo 2^32
 * @info:      of an error record: the MTU, where the error tells it; on a
 *             direct line: the port that goes with @local; owner to proxy: the
 *             port that its socket has, for other guests to see, or 0
 */
struct sb_datagram {
	uint32_t bytes;
	uint8_t kind;
	uint8_t flags;
	uint16_t error;
	struct sb_address remote;
	uint8_t local[16];
	uint32_t interface;
	uint8_t hops;
	uint8_t tos;
	uint8_t icmp_type;
	uint8_t icmp_code;
	uint32_t drops;
	uint32_t info;
};

/* Bytes of ring that a record with so much payload takes */
static inline uint32_t sb_datagram_room(uint32_t bytes)
{
	uint32_t whole = (uint32_t)sizeof(struct sb_datagram) + bytes;

	return (whole + SB_DATAGRAM_ALIGN - 1) & ~(SB_DATAGRAM_ALIGN - 1);
}

/**
 * sb_datagram_copy() - take the header at a ring's offset
 * @header: where it is copied to
 * @at:     in the area; the other side may be changing it
 *
 * Word by word, each loaded once: what is checked is what is used.
 */
static inline void sb_datagram_copy(struct sb_datagram *header, const void *at)
{
	uint32_t words[sizeof(*header) / sizeof(uint32_t)];
	const uint32_t *from = (const uint32_t *)at;
	unsigned int i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		words[i] = sb_load(&from[i]);
	memcpy(header, words, sizeof(*header));
}

/**
 * sb_datagram_check() - is there a whole record behind this header?
 * @header:    a copy
 * @available: bytes that the ring holds from the header on
 *
 * Return: bytes of ring that the record takes, or -EPROTO.
 */
static inline int64_t sb_datagram_check(const struct sb_datagram *header,
					uint32_t available)
{
	if (available < sizeof(*header) || available % SB_DATAGRAM_ALIGN)
		return -EPROTO;
	if (header->bytes > SB_DATAGRAM_MAX ||
	    sb_datagram_room(header->bytes) > available)
		return -EPROTO;
	return sb_datagram_room(header->bytes);
}

SB_ASSERT_AT(struct sb_datagram, bytes, 0);
SB_ASSERT_AT(struct sb_datagram, kind, 4);
SB_ASSERT_AT(struct sb_datagram, flags, 5);
SB_ASSERT_AT(struct sb_datagram, error, 6);
SB_ASSERT_AT(struct sb_datagram, remote, 8);
SB_ASSERT_AT(struct sb_datagram, local, 32);
SB_ASSERT_AT(struct sb_datagram, interface, 48);
SB_ASSERT_AT(struct sb_datagram, hops, 52);
SB_ASSERT_AT(struct sb_datagram, tos, 53);
SB_ASSERT_AT(struct sb_datagram, icmp_type, 54);
SB_ASSERT_AT(struct sb_datagram, icmp_code, 55);
SB_ASSERT_AT(struct sb_datagram, drops, 56);
SB_ASSERT_AT(struct sb_datagram, info, 60);
SB_ASSERT_SIZE(struct sb_datagram, SB_DATAGRAM_ALIGN);

#endif
