// SPDX-License-Identifier: GPL-2.0-only
/*
 * group.c - multicast groups that a guest's socket joins and leaves
 *
 * A guest may hear a group that it may send to, at the port that its socket
 * is bound to. The kernel bounds how many groups a socket may be in.
 *
 * System calls: setsockopt.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "services/common/address.h"
#include "services/proxy-udp/udp.h"

static int change_ipv4(const struct outlet *o, const struct sb_datagram *h,
		       const struct sb_address *group)
{
	struct ip_mreqn wish = { .imr_ifindex = (int)h->interface };
	bool join = h->kind == SB_DATAGRAM_JOIN;

	if (o->family != SB_FAMILY_IPV4 && !o->dual)
		return -EINVAL;
	memcpy(&wish.imr_multiaddr, group->bytes, sizeof(wish.imr_multiaddr));
	return setsockopt(o->watch.fd, IPPROTO_IP,
			  join ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP, &wish,
			  sizeof(wish)) < 0
		       ? -errno
		       : 0;
}

static int change_ipv6(const struct outlet *o, const struct sb_datagram *h,
		       const struct sb_address *group)
{
	struct ipv6_mreq wish = { .ipv6mr_interface = h->interface };
	bool join = h->kind == SB_DATAGRAM_JOIN;

	if (o->family != SB_FAMILY_IPV6)
		return -EINVAL;
	memcpy(&wish.ipv6mr_multiaddr, group->bytes,
	       sizeof(wish.ipv6mr_multiaddr));
	return setsockopt(o->watch.fd, IPPROTO_IPV6,
			  join ? IPV6_JOIN_GROUP : IPV6_LEAVE_GROUP, &wish,
			  sizeof(wish)) < 0
		       ? -errno
		       : 0;
}

/* It is known by its group, as others are by their place, and as many may be */
static int note_joined(struct datagrams *d)
{
	struct udp_line *ul = udp_line_of(d);

	if (d->outlet->joined)
		return 0;
	if (ul->published >= ul->line.attach.listeners_max)
		return -ENOBUFS;
	d->outlet->joined = true;
	ul->published++;
	return 0;
}

int group_change(struct datagrams *d, const struct sb_datagram *header)
{
	struct sb_address group = address_unmap(&header->remote), real;
	struct sb_datagram wanted = *header;
	struct outlet *o = d->outlet;
	int error;

	if (!(address_class(&group) & ADDRESS_MULTICAST))
		return -EINVAL;
	if (!group.port)
		group.port = d->bound.port;
	if (header->kind == SB_DATAGRAM_JOIN) {
		wanted.remote = group;
		wanted.flags |= SB_DATAGRAM_PROXIED;
		error = destination_find(d, &wanted, &real);
		if (!error)
			error = note_joined(d);
		if (error)
			return error;
	}
	error = group.family == SB_FAMILY_IPV4 ? change_ipv4(o, header, &group)
					       : change_ipv6(o, header, &group);
	/* one that is joined, or left, already: the guest keeps count */
	return error == -EADDRINUSE || error == -EADDRNOTAVAIL ? 0 : error;
}
