// SPDX-License-Identifier: GPL-2.0-only
/*
 * membership.c - the options that join and leave multicast groups
 *
 * Linux has three forms of asking for it: with an address (IPv4), with an
 * interface (IPv6), and one for both. Each is read here; what is then done is
 * in datagram_group.c. Sizes, and the order of errors, are those of Linux.
 */
#include <linux/in.h>
#include <linux/in6.h>

#include "datagram.h"
#include "membership.h"

/* ---- whole groups ---- */

static int join_or_part(struct sb_sock *sb, const struct sb_address *group,
			u32 interface, bool join)
{
	struct sb_datagram_sock *ds = sb_ds_of(sb);
	int error;

	if (!sb_address_is_multicast(group) || sb_address_is_broadcast(group))
		return -EINVAL;
	lock_sock(&sb->sk);
	error = join ? sb_datagram_join(ds, group, interface)
		     : sb_datagram_part(ds, group, interface);
	release_sock(&sb->sk);
	return error;
}

int sb_membership_read4(sockptr_t value, unsigned int bytes, unsigned int least,
			struct ip_mreqn *request)
{
	memset(request, 0, sizeof(*request));
	if (bytes < least)
		return -EINVAL;
	bytes = bytes >= sizeof(*request) ? sizeof(*request) : least;
	return copy_from_sockptr(request, value, bytes) ? -EFAULT : 0;
}

int sb_membership_set4(struct sb_sock *sb, const struct sb_option *o,
		       sockptr_t value, unsigned int bytes)
{
	struct sb_address group = { .family = SB_FAMILY_IPV4 };
	bool join = o->name == IP_ADD_MEMBERSHIP;
	struct ip_mreqn request;
	u32 interface;
	int error;

	error = sb_membership_read4(value, bytes, sizeof(struct ip_mreq),
				    &request);
	if (error)
		return error;
	memcpy(group.bytes, &request.imr_multiaddr, 4);
	interface = sb_datagram_interface(request.imr_ifindex,
					  request.imr_address.s_addr);
	if (!interface && (request.imr_ifindex || request.imr_address.s_addr))
		return join ? -ENODEV : -EADDRNOTAVAIL;
	return join_or_part(sb, &group, interface, join);
}

int sb_membership_set6(struct sb_sock *sb, const struct sb_option *o,
		       sockptr_t value, unsigned int bytes)
{
	struct sb_address group = { .family = SB_FAMILY_IPV6 };
	bool join = o->name == IPV6_ADD_MEMBERSHIP;
	struct ipv6_mreq request;
	u32 interface;

	if (bytes < sizeof(request))
		return -EINVAL;
	if (copy_from_sockptr(&request, value, sizeof(request)))
		return -EFAULT;
	memcpy(group.bytes, &request.ipv6mr_multiaddr, sizeof(group.bytes));
	interface = sb_datagram_interface(request.ipv6mr_ifindex, 0);
	if (!interface && request.ipv6mr_ifindex)
		return join ? -ENODEV : -EADDRNOTAVAIL;
	return join_or_part(sb, &group, interface, join);
}

/* An address of the option's own protocol, without a port */
static int read_address(struct sb_address *address, const struct sb_option *o,
			const struct __kernel_sockaddr_storage *from)
{
	u8 family = o->level == SOL_IP ? SB_FAMILY_IPV4 : SB_FAMILY_IPV6;
	int error;

	error = sb_address_parse_any(address, (struct sockaddr *)from,
				     sizeof(*from));
	if (error || address->family != family)
		return -EINVAL;
	address->port = 0;
	address->scope = 0;
	return 0;
}

int sb_membership_set(struct sb_sock *sb, const struct sb_option *o,
		      sockptr_t value, unsigned int bytes)
{
	bool join = o->name == MCAST_JOIN_GROUP;
	struct group_req request;
	struct sb_address group;
	u32 interface;
	int error;

	if (bytes < sizeof(request))
		return -EINVAL;
	if (copy_from_sockptr(&request, value, sizeof(request)))
		return -EFAULT;
	error = read_address(&group, o, &request.gr_group);
	if (error)
		return error;
	interface = sb_datagram_interface(request.gr_interface, 0);
	if (!interface && request.gr_interface)
		return join ? -ENODEV : -EADDRNOTAVAIL;
	return join_or_part(sb, &group, interface, join);
}

/* ---- sources within a group ---- */

static int change_source(struct sb_sock *sb, const struct sb_address *group,
			 const struct sb_address *source, u32 interface,
			 enum sb_source_change change)
{
	int error;

	if (!sb_address_is_multicast(group) || sb_address_is_broadcast(group))
		return -EINVAL;
	lock_sock(&sb->sk);
	error = sb_datagram_change_source(sb_ds_of(sb), group, source,
					  interface, change);
	release_sock(&sb->sk);
	return error;
}

static enum sb_source_change change_of(const struct sb_option *o)
{
	switch (o->name) {
	case IP_ADD_SOURCE_MEMBERSHIP:
	case MCAST_JOIN_SOURCE_GROUP:
		return SB_SOURCE_ADD;
	case IP_DROP_SOURCE_MEMBERSHIP:
	case MCAST_LEAVE_SOURCE_GROUP:
		return SB_SOURCE_DROP;
	case IP_BLOCK_SOURCE:
	case MCAST_BLOCK_SOURCE:
		return SB_SOURCE_BLOCK;
	default:
		return SB_SOURCE_UNBLOCK;
	}
}

int sb_membership_source4(struct sb_sock *sb, const struct sb_option *o,
			  sockptr_t value, unsigned int bytes)
{
	struct sb_address group = { .family = SB_FAMILY_IPV4 };
	struct sb_address source = { .family = SB_FAMILY_IPV4 };
	struct ip_mreq_source request;
	u32 interface;

	if (bytes != sizeof(request))
		return -EINVAL;
	if (copy_from_sockptr(&request, value, sizeof(request)))
		return -EFAULT;
	memcpy(group.bytes, &request.imr_multiaddr, 4);
	memcpy(source.bytes, &request.imr_sourceaddr, 4);
	interface = sb_datagram_interface(0, request.imr_interface);
	if (!interface && request.imr_interface)
		return sb_address_is_multicast(&group) ? -ENODEV : -EINVAL;
	return change_source(sb, &group, &source, interface, change_of(o));
}

int sb_membership_source(struct sb_sock *sb, const struct sb_option *o,
			 sockptr_t value, unsigned int bytes)
{
	struct group_source_req request;
	struct sb_address group, source;
	u32 interface;

	if (bytes < sizeof(request))
		return -EINVAL;
	if (copy_from_sockptr(&request, value, sizeof(request)))
		return -EFAULT;
	/* a mapped address is no group of IPv6 */
	if (request.gsr_group.ss_family != request.gsr_source.ss_family ||
	    request.gsr_group.ss_family !=
		    (o->level == SOL_IP ? AF_INET : AF_INET6))
		return -EADDRNOTAVAIL;
	if (read_address(&group, o, &request.gsr_group) ||
	    read_address(&source, o, &request.gsr_source))
		return -EINVAL;
	interface = sb_datagram_interface(request.gsr_interface, 0);
	if (!interface && request.gsr_interface)
		return -ENODEV;
	return change_source(sb, &group, &source, interface, change_of(o));
}
