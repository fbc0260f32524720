/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * address.h - an IP address with a port, as circuits and requests carry it
 */
#ifndef SWITCHBOARD_ADDRESS_H
#define SWITCHBOARD_ADDRESS_H

#include "layout.h"

/* Not AF_INET and AF_INET6: those numbers belong to one operating system */
enum sb_family {
	SB_FAMILY_NONE = 0,
	SB_FAMILY_IPV4 = 4,
	SB_FAMILY_IPV6 = 6,
};

/**
 * struct sb_address - an endpoint
 * @family: enum sb_family
 * @port:   in the machine's byte order (little-endian)
 * @scope:  IPv6 scope id, 0 otherwise
 * @bytes:  network byte order; an IPv4 address in the first four, then zeros
 */
struct sb_address {
	uint16_t family;
	uint16_t port;
	uint32_t scope;
	uint8_t bytes[16];
};

SB_ASSERT_AT(struct sb_address, family, 0);
SB_ASSERT_AT(struct sb_address, port, 2);
SB_ASSERT_AT(struct sb_address, scope, 4);
SB_ASSERT_AT(struct sb_address, bytes, 8);
SB_ASSERT_SIZE(struct sb_address, 24);

#endif
