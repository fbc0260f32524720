// SPDX-License-Identifier: GPL-2.0-only
/*
 * address.c - sockaddr and struct sb_address; which addresses are our own
 */
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/spinlock.h>
#include <net/ipv6.h>

#include "switchboard.h"

/* Few, and changed when the operator says so: a lock is enough */
static DEFINE_SEQLOCK(own_lock);
static struct sb_address own[SB_ADDRESSES_MAX];
static unsigned int own_count;

static const u8 zeros[16];

static void from_v4(struct sb_address *a, __be32 address)
{
	a->family = SB_FAMILY_IPV4;
	memcpy(a->bytes, &address, sizeof(address));
}

static int parse_v4(struct sb_address *a, const struct sockaddr_in *sin,
		    int bytes)
{
	if (bytes < (int)sizeof(*sin))
		return -EINVAL;
	if (sin->sin_family != AF_INET)
		return -EAFNOSUPPORT;
	from_v4(a, sin->sin_addr.s_addr);
	a->port = ntohs(sin->sin_port);
	return 0;
}

static bool needs_scope(const struct in6_addr *address)
{
	return __ipv6_addr_needs_scope_id(__ipv6_addr_type(address));
}

static int parse_v6(struct sb_address *a, const struct sockaddr_in6 *sin6,
		    int bytes)
{
	if (bytes < SIN6_LEN_RFC2133)
		return -EINVAL;
	if (sin6->sin6_family != AF_INET6)
		return -EAFNOSUPPORT;
	a->port = ntohs(sin6->sin6_port);
	if (ipv6_addr_v4mapped(&sin6->sin6_addr)) {
		from_v4(a, sin6->sin6_addr.s6_addr32[3]);
		return 0;
	}
	a->family = SB_FAMILY_IPV6;
	memcpy(a->bytes, &sin6->sin6_addr, sizeof(a->bytes));
	if (bytes >= (int)sizeof(*sin6) && needs_scope(&sin6->sin6_addr))
		a->scope = sin6->sin6_scope_id;
	return 0;
}

int sb_address_parse(struct sb_address *a, const struct sock *sk,
		     const struct sockaddr *sa, int bytes)
{
	memset(a, 0, sizeof(*a));
	if (sk->sk_family == AF_INET)
		return parse_v4(a, (const struct sockaddr_in *)sa, bytes);
	return parse_v6(a, (const struct sockaddr_in6 *)sa, bytes);
}

/* Of whatever family it says */
int sb_address_parse_any(struct sb_address *a, const struct sockaddr *sa,
			 int bytes)
{
	memset(a, 0, sizeof(*a));
	if (sa->sa_family == AF_INET)
		return parse_v4(a, (const struct sockaddr_in *)sa, bytes);
	return parse_v6(a, (const struct sockaddr_in6 *)sa, bytes);
}

static int format_v4(const struct sb_address *a, struct sockaddr_in *sin)
{
	memset(sin, 0, sizeof(*sin));
	sin->sin_family = AF_INET;
	sin->sin_port = htons(a->port);
	memcpy(&sin->sin_addr, a->bytes, sizeof(sin->sin_addr));
	return sizeof(*sin);
}

static int format_v6(const struct sb_address *a, struct sockaddr_in6 *sin6)
{
	__be32 v4;

	memset(sin6, 0, sizeof(*sin6));
	sin6->sin6_family = AF_INET6;
	sin6->sin6_port = htons(a->port);
	if (a->family == SB_FAMILY_IPV4) {
		memcpy(&v4, a->bytes, sizeof(v4));
		ipv6_addr_set_v4mapped(v4, &sin6->sin6_addr);
	} else {
		memcpy(&sin6->sin6_addr, a->bytes, sizeof(a->bytes));
		sin6->sin6_scope_id = a->scope;
	}
	return sizeof(*sin6);
}

int sb_address_format(const struct sb_address *a, const struct sock *sk,
		      struct sockaddr *sa)
{
	if (sk->sk_family == AF_INET)
		return format_v4(a, (struct sockaddr_in *)sa);
	return format_v6(a, (struct sockaddr_in6 *)sa);
}

bool sb_address_copy(struct sb_address *to, const struct sb_address *from)
{
	/* the peer may write meanwhile: a copy, then checked */
	memcpy(to, from, sizeof(*to));
	barrier();
	if (to->family == SB_FAMILY_IPV4) {
		memset(to->bytes + 4, 0, sizeof(to->bytes) - 4);
		to->scope = 0;
		return true;
	}
	return to->family == SB_FAMILY_IPV6;
}

bool sb_address_is_any(const struct sb_address *a)
{
	return !memcmp(a->bytes, zeros, sizeof(zeros));
}

static bool is_v6(const struct sb_address *a, int type)
{
	struct in6_addr in6;

	memcpy(&in6, a->bytes, sizeof(in6));
	return ipv6_addr_type(&in6) & type;
}

bool sb_address_is_loopback(const struct sb_address *a)
{
	if (a->family == SB_FAMILY_IPV4)
		return a->bytes[0] == 127;
	return is_v6(a, IPV6_ADDR_LOOPBACK);
}

bool sb_address_is_broadcast(const struct sb_address *a)
{
	static const u8 broadcast[4] = { 255, 255, 255, 255 };

	return a->family == SB_FAMILY_IPV4 &&
	       !memcmp(a->bytes, broadcast, sizeof(broadcast));
}

bool sb_address_is_multicast(const struct sb_address *a)
{
	if (a->family == SB_FAMILY_IPV4)
		return (a->bytes[0] & 0xf0) == 0xe0 ||
		       sb_address_is_broadcast(a);
	return is_v6(a, IPV6_ADDR_MULTICAST);
}

void sb_address_any_to_loopback(struct sb_address *a)
{
	if (!sb_address_is_any(a))
		return;
	if (a->family == SB_FAMILY_IPV4) {
		a->bytes[0] = 127;
		a->bytes[3] = 1;
	} else {
		a->bytes[15] = 1;
	}
}

bool sb_address_equal(const struct sb_address *a, const struct sb_address *b)
{
	return a->family == b->family && a->scope == b->scope &&
	       !memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

bool sb_address_is_own(const struct sb_address *a)
{
	unsigned int i, begun;
	bool found;

	do {
		begun = read_seqbegin(&own_lock);
		found = false;
		for (i = 0; i < READ_ONCE(own_count) && !found; i++)
			found = sb_address_equal(&own[i], a);
	} while (read_seqretry(&own_lock, begun));
	return found;
}

bool sb_address_own_first(u16 family, struct sb_address *a)
{
	unsigned int i, begun;
	bool found;

	do {
		begun = read_seqbegin(&own_lock);
		found = false;
		for (i = 0; i < READ_ONCE(own_count) && !found; i++) {
			found = own[i].family == family;
			if (found)
				*a = own[i];
		}
	} while (read_seqretry(&own_lock, begun));
	return found;
}

int sb_address_own_add(const struct sb_address *a)
{
	int error = -ENOSPC;

	write_seqlock_bh(&own_lock);
	if (own_count < SB_ADDRESSES_MAX) {
		own[own_count++] = *a;
		error = 0;
	}
	write_sequnlock_bh(&own_lock);
	return error;
}

void sb_address_own_clear(void)
{
	write_seqlock_bh(&own_lock);
	own_count = 0;
	write_sequnlock_bh(&own_lock);
}
