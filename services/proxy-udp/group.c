// SPDX-License-Identifier: GPL-2.0-only
/*
 * group.c - multicast groups that a guest's socket joins and leaves
 *
 * A guest may hear a group that it may send to, at the port that its socket
 * is bound to; from which of the group's sources is its own affair. The kernel
 * bounds how many groups, and sources of each, a socket may have.
 *
 * System calls: setsockopt.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "services/common/address.h"
#include "services/proxy-udp/udp.h"

/* An option's value; one of the two forms */
union wish {
	struct group_req group;
	struct group_source_req source;
};

/* Which option, of IPv4 and IPv6 alike; 0: no such change */
static int option_of(const struct sb_datagram *h)
{
	bool source = h->flags & SB_DATAGRAM_LOCAL;

	switch (h->kind) {
	case SB_DATAGRAM_JOIN:
		return source ? MCAST_JOIN_SOURCE_GROUP : MCAST_JOIN_GROUP;
	case SB_DATAGRAM_LEAVE:
		return source ? MCAST_LEAVE_SOURCE_GROUP : MCAST_LEAVE_GROUP;
	case SB_DATAGRAM_BLOCK:
		return source ? MCAST_BLOCK_SOURCE : 0;
	case SB_DATAGRAM_UNBLOCK:
		return source ? MCAST_UNBLOCK_SOURCE : 0;
	default:
		return 0;
	}
}

static socklen_t fill_wish(union wish *wish, const struct sb_datagram *h,
			   const struct sb_address *group)
{
	struct sb_address source = { .family = group->family };

	memset(wish, 0, sizeof(*wish));
	if (!(h->flags & SB_DATAGRAM_LOCAL)) {
		wish->group.gr_interface = h->interface;
		address_to_sockaddr(group, &wish->group.gr_group);
		return sizeof(wish->group);
	}
	memcpy(source.bytes, h->local, sizeof(source.bytes));
	wish->source.gsr_interface = h->interface;
	address_to_sockaddr(group, &wish->source.gsr_group);
	address_to_sockaddr(&source, &wish->source.gsr_source);
	return sizeof(wish->source);
}

static int change(const struct outlet *o, const struct sb_datagram *h,
		  const struct sb_address *group)
{
	bool v4 = group->family == SB_FAMILY_IPV4;
	int option = option_of(h);
	union wish wish;
	socklen_t bytes;

	if (!option || (o->family != group->family && !(v4 && o->dual)))
		return -EINVAL;
	bytes = fill_wish(&wish, h, group);
	return setsockopt(o->watch.fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, option,
			  &wish, bytes) < 0
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
	error = change(d->outlet, header, &group);
	/* what is so already: the guest keeps count */
	return error == -EADDRINUSE || error == -EADDRNOTAVAIL ? 0 : error;
}
