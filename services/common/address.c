/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * address.c - addresses: text, prefixes, classes
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services/common/address.h"

static bool all_zero(const uint8_t *bytes, size_t count)
{
	while (count--) {
		if (*bytes++)
			return false;
	}
	return true;
}

bool address_valid(const struct sb_address *a)
{
	if (a->family == SB_FAMILY_IPV4)
		return a->scope == 0 && all_zero(a->bytes + 4, 12);
	return a->family == SB_FAMILY_IPV6;
}

bool address_equal(const struct sb_address *a, const struct sb_address *b)
{
	return a->family == b->family && a->scope == b->scope &&
	       memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

/* A scope is a number here: names belong to one machine's interfaces */
static int parse_scope(const char *text, uint32_t *scope)
{
	char *end;
	unsigned long value;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || *end || value > UINT32_MAX)
		return -EINVAL;
	*scope = (uint32_t)value;
	return 0;
}

int address_parse(struct sb_address *a, const char *text)
{
	char address[INET6_ADDRSTRLEN];
	const char *percent = strchr(text, '%');
	size_t bytes = percent ? (size_t)(percent - text) : strlen(text);

	memset(a, 0, sizeof(*a));
	if (bytes >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, bytes);
	address[bytes] = 0;
	if (!percent && inet_pton(AF_INET, address, a->bytes) == 1) {
		a->family = SB_FAMILY_IPV4;
		return 0;
	}
	if (inet_pton(AF_INET6, address, a->bytes) != 1)
		return -EINVAL;
	a->family = SB_FAMILY_IPV6;
	return percent ? parse_scope(percent + 1, &a->scope) : 0;
}

const char *address_text(const struct sb_address *a, char *text, size_t size)
{
	char address[INET6_ADDRSTRLEN] = "";

	if (a->family == SB_FAMILY_IPV4)
		inet_ntop(AF_INET, a->bytes, address, sizeof(address));
	else if (a->family == SB_FAMILY_IPV6)
		inet_ntop(AF_INET6, a->bytes, address, sizeof(address));
	if (a->family == SB_FAMILY_IPV6 && a->scope)
		snprintf(text, size, "%s%%%u", address, a->scope);
	else
		snprintf(text, size, "%s", address);
	return text;
}

const char *address_port_text(const struct sb_address *a, char *text,
			      size_t size)
{
	char address[ADDRESS_TEXT_BYTES];

	address_text(a, address, sizeof(address));
	if (a->family == SB_FAMILY_IPV6)
		snprintf(text, size, "[%s]:%u", address, a->port);
	else
		snprintf(text, size, "%s:%u", address, a->port);
	return text;
}

static unsigned int family_bits(const struct sb_address *a)
{
	return a->family == SB_FAMILY_IPV4 ? 32 : 128;
}

/* Do the first @bits of two addresses agree? */
static bool bits_equal(const uint8_t *a, const uint8_t *b, unsigned int bits)
{
	unsigned int rest = bits % 8;

	if (memcmp(a, b, bits / 8) != 0)
		return false;
	return !rest || !((a[bits / 8] ^ b[bits / 8]) >> (8 - rest));
}

static bool is_network(const struct address_prefix *p)
{
	uint8_t cleared[16] = { 0 };
	unsigned int rest = p->bits % 8;

	memcpy(cleared, p->address.bytes, p->bits / 8);
	if (rest)
		cleared[p->bits / 8] = (uint8_t)(p->address.bytes[p->bits / 8] &
						 0xff << (8 - rest));
	return memcmp(cleared, p->address.bytes, sizeof(cleared)) == 0;
}

int address_prefix_parse(struct address_prefix *p, const char *text)
{
	char address[ADDRESS_TEXT_BYTES];
	const char *slash = strchr(text, '/');
	size_t bytes = slash ? (size_t)(slash - text) : strlen(text);
	uint32_t bits;

	if (bytes >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, bytes);
	address[bytes] = 0;
	if (address_parse(&p->address, address) < 0)
		return -EINVAL;
	bits = family_bits(&p->address);
	if (slash && (strlen(slash) > 4 || parse_scope(slash + 1, &bits) < 0 ||
		      bits > family_bits(&p->address)))
		return -EINVAL;
	p->bits = (uint8_t)bits;
	return is_network(p) ? 0 : -EINVAL;
}

bool address_prefix_match(const struct address_prefix *p,
			  const struct sb_address *a)
{
	if (p->address.family != a->family)
		return false;
	if (p->address.scope && p->address.scope != a->scope)
		return false;
	return bits_equal(p->address.bytes, a->bytes, p->bits);
}

const char *address_prefix_text(const struct address_prefix *p, char *text,
				size_t size)
{
	char address[ADDRESS_TEXT_BYTES];

	address_text(&p->address, address, sizeof(address));
	if (p->bits == family_bits(&p->address))
		snprintf(text, size, "%s", address);
	else
		snprintf(text, size, "%s/%u", address, p->bits);
	return text;
}

static unsigned int ipv4_class(const uint8_t *b)
{
	if (all_zero(b, 4))
		return ADDRESS_UNSPECIFIED;
	if (b[0] == 127)
		return ADDRESS_LOOPBACK;
	if (b[0] == 169 && b[1] == 254)
		return ADDRESS_LINK_LOCAL;
	if ((b[0] & 0xf0) == 0xe0)
		return ADDRESS_MULTICAST;
	if ((b[0] & b[1] & b[2] & b[3]) == 0xff)
		return ADDRESS_BROADCAST;
	if (b[0] == 0 || b[0] >= 240)
		return ADDRESS_RESERVED;
	return 0;
}

/*
 * IPv4 inside IPv6 that is not mapped (compatible ::/96, 6to4 2002::/16,
 * NAT64 64:ff9b::/96, SIIT ::ffff:0:0:0/96) could lead to an IPv4 address
 * that a rule does not speak of, so it is reserved.
 */
static bool ipv6_embeds(const uint8_t *b)
{
	static const uint8_t nat64[12] = { 0, 0x64, 0xff, 0x9b };
	static const uint8_t siit[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

	return all_zero(b, 12) || (b[0] == 0x20 && b[1] == 0x02) ||
	       memcmp(b, nat64, 12) == 0 || memcmp(b, siit, 12) == 0;
}

static unsigned int ipv6_class(const uint8_t *b)
{
	if (all_zero(b, 16))
		return ADDRESS_UNSPECIFIED;
	if (all_zero(b, 15) && b[15] == 1)
		return ADDRESS_LOOPBACK;
	if (b[0] == 0xfe && (b[1] & 0x80))
		return ADDRESS_LINK_LOCAL; /* and the old site-local */
	if (b[0] == 0xff)
		return ADDRESS_MULTICAST;
	return ipv6_embeds(b) ? ADDRESS_RESERVED : 0;
}

static bool is_mapped(const struct sb_address *a)
{
	return a->family == SB_FAMILY_IPV6 && all_zero(a->bytes, 10) &&
	       a->bytes[10] == 0xff && a->bytes[11] == 0xff;
}

unsigned int address_class(const struct sb_address *a)
{
	if (a->family == SB_FAMILY_IPV4)
		return ipv4_class(a->bytes);
	if (is_mapped(a))
		return ADDRESS_MAPPED | ipv4_class(a->bytes + 12);
	return ipv6_class(a->bytes);
}

struct sb_address address_unmap(const struct sb_address *a)
{
	struct sb_address out = *a;

	if (!is_mapped(a))
		return out;
	memset(&out, 0, sizeof(out));
	out.family = SB_FAMILY_IPV4;
	out.port = a->port;
	memcpy(out.bytes, a->bytes + 12, 4);
	return out;
}

socklen_t address_to_sockaddr(const struct sb_address *a,
			      struct sockaddr_storage *out)
{
	struct sockaddr_in *in = (struct sockaddr_in *)out;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof(*out));
	if (a->family == SB_FAMILY_IPV4) {
		in->sin_family = AF_INET;
		in->sin_port = htons(a->port);
		memcpy(&in->sin_addr, a->bytes, 4);
		return sizeof(*in);
	}
	if (a->family != SB_FAMILY_IPV6)
		return 0;
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(a->port);
	in6->sin6_scope_id = a->scope;
	memcpy(&in6->sin6_addr, a->bytes, 16);
	return sizeof(*in6);
}

int address_from_sockaddr(struct sb_address *a, const struct sockaddr *in)
{
	const struct sockaddr_in *v4 = (const void *)in;
	const struct sockaddr_in6 *v6 = (const void *)in;

	memset(a, 0, sizeof(*a));
	if (in->sa_family == AF_INET) {
		a->family = SB_FAMILY_IPV4;
		a->port = ntohs(v4->sin_port);
		memcpy(a->bytes, &v4->sin_addr, 4);
		return 0;
	}
	if (in->sa_family != AF_INET6)
		return -EAFNOSUPPORT;
	a->family = SB_FAMILY_IPV6;
	a->port = ntohs(v6->sin6_port);
	a->scope = v6->sin6_scope_id;
	memcpy(a->bytes, &v6->sin6_addr, 16);
	return 0;
}
