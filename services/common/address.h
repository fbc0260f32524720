/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * address.h - addresses: text, prefixes, classes
 */
#ifndef SERVICES_COMMON_ADDRESS_H
#define SERVICES_COMMON_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "protocol/address.h"

/* "[" + an IPv6 address + "%" + scope + "]:" + port, and the zero */
#define ADDRESS_TEXT_BYTES 72

/* What an address is for; bits */
#define ADDRESS_UNSPECIFIED 0x01u
#define ADDRESS_LOOPBACK 0x02u
#define ADDRESS_LINK_LOCAL 0x04u
#define ADDRESS_MULTICAST 0x08u
#define ADDRESS_BROADCAST 0x10u
#define ADDRESS_MAPPED 0x20u /* IPv4 in ::ffff:0:0/96 */
#define ADDRESS_RESERVED 0x40u /* 0.0.0.0/8, 240.0.0.0/4, ::/96 and the like */

/**
 * struct address_prefix - a network, or one address when @bits is the maximum
 * @address: port is 0
 * @bits:    0 to 32 or 128
 */
struct address_prefix {
	struct sb_address address;
	uint8_t bits;
};

/* Is it one that a peer may have sent: family, zero padding, scope? */
bool address_valid(const struct sb_address *a);

/* Same address, whatever the port */
bool address_equal(const struct sb_address *a, const struct sb_address *b);

/* "192.0.2.1", "fd00::1", "fe80::1%3": port 0. Return: 0 or -EINVAL */
int address_parse(struct sb_address *a, const char *text);

/* Without the port. Return: @text; "" for family none */
const char *address_text(const struct sb_address *a, char *text, size_t size);

/* "192.0.2.1:80", "[fd00::1]:80" */
const char *address_port_text(const struct sb_address *a, char *text,
			      size_t size);

/* "192.0.2.0/24", or an address alone; bits beyond the prefix must be zero */
int address_prefix_parse(struct address_prefix *p, const char *text);
bool address_prefix_match(const struct address_prefix *p,
			  const struct sb_address *a);
const char *address_prefix_text(const struct address_prefix *p, char *text,
				size_t size);

/* ADDRESS_* bits; those of the IPv4 address, and MAPPED, for a mapped one */
unsigned int address_class(const struct sb_address *a);

/* ::ffff:192.0.2.1 becomes 192.0.2.1; others stay */
struct sb_address address_unmap(const struct sb_address *a);

/* Return: length, or 0 when the family is none */
socklen_t address_to_sockaddr(const struct sb_address *a,
			      struct sockaddr_storage *out);
/* Return: 0 or -EAFNOSUPPORT */
int address_from_sockaddr(struct sb_address *a, const struct sockaddr *in);

#endif
