// SPDX-License-Identifier: GPL-2.0-only
/*
 * datagram_group.c - multicast: groups that a socket has joined
 *
 * On lo a group is this guest's own affair: senders look for members
 * (datagram_queue.c). Anywhere else it is joined by the socket in Dom0, which
 * is told by a record, and told again by every circuit that follows. There is
 * one interface to the outside here, so there is only the default one there.
 */
#include <linux/in.h>
#include <linux/slab.h>

#include "datagram.h"

/* As Linux's net.ipv4.igmp_max_memberships */
#define GROUPS_MAX 20

/* Guards the groups of all sockets against senders in this guest */
static DEFINE_SPINLOCK(groups_lock);

static bool is_same(const struct sb_datagram_group *g,
		    const struct sb_address *address, bool in_guest)
{
	return g->in_guest == in_guest &&
	       sb_address_equal(&g->address, address);
}

/* Ownership held: only the lists' other readers need the lock */
static struct sb_datagram_group *find(const struct sb_datagram_sock *ds,
				      const struct sb_address *address,
				      bool in_guest)
{
	struct sb_datagram_group *g;

	list_for_each_entry(g, &ds->groups, node)
		if (is_same(g, address, in_guest))
			return g;
	return NULL;
}

bool sb_datagram_joined_outside(const struct sb_datagram_sock *ds)
{
	const struct sb_datagram_group *g;
	bool joined = false;

	spin_lock_bh(&groups_lock);
	list_for_each_entry(g, &ds->groups, node)
		joined |= !g->in_guest;
	spin_unlock_bh(&groups_lock);
	return joined;
}

bool sb_datagram_is_member(struct sb_sock *sb, const struct sb_address *group)
{
	struct sb_address address = *group;
	bool member;

	address.port = 0;
	spin_lock_bh(&groups_lock);
	member = find(sb_ds_of(sb), &address, true);
	spin_unlock_bh(&groups_lock);
	return member;
}

static void put_record(struct sb_datagram_sock *ds,
		       const struct sb_address *address, u8 kind)
{
	struct sb_sock *sb = &ds->sb;
	struct sb_datagram h = { .kind = kind, .remote = *address };

	memcpy(sb->tx_area + sb_writer_offset(&sb->tx), &h, sizeof(h));
	sb_datagram_written(ds, sizeof(h), true);
}

/* Join or leave outside: 0, or what Linux says without any network */
static int tell(struct sb_datagram_sock *ds, const struct sb_address *address,
		u8 kind)
{
	long timeo = SB_ATTACH_S * HZ;
	int error;

	error = sb_datagram_make_room(ds, sb_datagram_room(0), &timeo);
	if (error)
		return error == -ENETUNREACH ? -ENODEV : error;
	put_record(ds, address, kind);
	sb_datagram_flush(ds);
	return 0;
}

void sb_datagram_rejoin(struct sb_datagram_sock *ds)
{
	const struct sb_datagram_group *g;

	list_for_each_entry(g, &ds->groups, node)
		if (!g->in_guest)
			put_record(ds, &g->address, SB_DATAGRAM_JOIN);
}

int sb_datagram_join(struct sb_datagram_sock *ds,
		     const struct sb_address *group, u32 interface)
{
	bool in_guest = interface == SB_LOOPBACK_INDEX;
	struct sb_datagram_group *g;
	int error;

	if (find(ds, group, in_guest))
		return -EADDRINUSE;
	if (ds->group_count >= GROUPS_MAX)
		return -ENOBUFS;
	g = kmalloc(sizeof(*g), GFP_KERNEL);
	if (!g)
		return -ENOBUFS;
	g->address = *group;
	g->in_guest = in_guest;
	error = in_guest ? 0 : tell(ds, group, SB_DATAGRAM_JOIN);
	if (error) {
		kfree(g);
		return error;
	}
	spin_lock_bh(&groups_lock);
	list_add_tail(&g->node, &ds->groups);
	spin_unlock_bh(&groups_lock);
	ds->group_count++;
	return 0;
}

int sb_datagram_part(struct sb_datagram_sock *ds,
		     const struct sb_address *group, u32 interface)
{
	bool in_guest = interface == SB_LOOPBACK_INDEX;
	struct sb_datagram_group *g = find(ds, group, in_guest);

	/* without an interface any will do */
	if (!g && !interface)
		g = find(ds, group, true);
	if (!g)
		return -EADDRNOTAVAIL;
	spin_lock_bh(&groups_lock);
	list_del(&g->node);
	spin_unlock_bh(&groups_lock);
	ds->group_count--;
	/* a circuit that is gone has left all groups */
	if (!g->in_guest && ds->sb.circuit)
		tell(ds, group, SB_DATAGRAM_LEAVE);
	kfree(g);
	return 0;
}

/* The socket closes: the one in Dom0 leaves its groups when it does */
void sb_datagram_part_all(struct sb_datagram_sock *ds)
{
	struct sb_datagram_group *g, *next;
	LIST_HEAD(groups);

	spin_lock_bh(&groups_lock);
	list_splice_init(&ds->groups, &groups);
	spin_unlock_bh(&groups_lock);
	list_for_each_entry_safe(g, next, &groups, node)
		kfree(g);
	ds->group_count = 0;
}

u32 sb_datagram_interface(u32 index, __be32 address)
{
	struct sb_address a = { .family = SB_FAMILY_IPV4 };

	if (index)
		return index == SB_LOOPBACK_INDEX || index == sb_netdev_index()
			       ? index
			       : 0;
	memcpy(a.bytes, &address, sizeof(address));
	if (sb_address_is_loopback(&a))
		return SB_LOOPBACK_INDEX;
	return sb_address_is_own(&a) ? sb_netdev_index() : 0;
}
