// SPDX-License-Identifier: GPL-2.0-only
/*
 * datagram_group.c - multicast: groups that a socket has joined
 *
 * A member hears everybody but the sources that it has blocked, or only those
 * that it has added; which of both is settled by what came first, as in Linux.
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
/* As its net.ipv4.igmp_max_msf and net.ipv6.mld_max_msf */
#define SOURCES_MAX4 10
#define SOURCES_MAX6 64
/* Of all groups of a socket: a new circuit is told them in one go */
#define SOURCES_MAX_SOCKET 64

/**
 * struct group_source - one that is heard, or that is not
 * @node:    in the group's list
 * @address: port 0
 */
struct group_source {
	struct list_head node;
	struct sb_address address;
};

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

static struct group_source *find_source(const struct sb_datagram_group *g,
					const struct sb_address *address)
{
	struct group_source *source;

	list_for_each_entry(source, &g->sources, node)
		if (sb_address_equal(&source->address, address))
			return source;
	return NULL;
}

bool sb_datagram_hears(struct sb_sock *sb, const struct sb_address *group,
		       const struct sb_address *source)
{
	struct sb_address address = *group;
	struct sb_datagram_group *g;
	bool hears = false;

	address.port = 0;
	spin_lock_bh(&groups_lock);
	g = find(sb_ds_of(sb), &address, true);
	if (g)
		hears = !find_source(g, source) == !g->only;
	spin_unlock_bh(&groups_lock);
	return hears;
}

/* @source: may be NULL */
static void put_record(struct sb_datagram_sock *ds,
		       const struct sb_address *address,
		       const struct sb_address *source, u8 kind)
{
	struct sb_sock *sb = &ds->sb;
	struct sb_datagram h = { .kind = kind, .remote = *address };

	if (source) {
		memcpy(h.local, source->bytes, sizeof(h.local));
		h.flags = SB_DATAGRAM_LOCAL;
	}
	memcpy(sb->tx_area + sb_writer_offset(&sb->tx), &h, sizeof(h));
	sb_datagram_written(ds, sizeof(h), true);
}

/* Have it done outside: 0, or what Linux says without any network */
static int tell(struct sb_datagram_sock *ds, const struct sb_address *address,
		const struct sb_address *source, u8 kind)
{
	long timeo = SB_ATTACH_S * HZ;
	int error;

	error = sb_datagram_make_room(ds, sb_datagram_room(0), &timeo);
	if (error)
		return error == -ENETUNREACH ? -ENODEV : error;
	put_record(ds, address, source, kind);
	sb_datagram_flush(ds);
	return 0;
}

static void rejoin(struct sb_datagram_sock *ds,
		   const struct sb_datagram_group *g)
{
	const struct group_source *source;

	if (!g->only)
		put_record(ds, &g->address, NULL, SB_DATAGRAM_JOIN);
	list_for_each_entry(source, &g->sources, node)
		put_record(ds, &g->address, &source->address,
			   g->only ? SB_DATAGRAM_JOIN : SB_DATAGRAM_BLOCK);
}

/* Records that say of all groups what is to be heard */
static u32 count_records(const struct sb_datagram_sock *ds)
{
	const struct sb_datagram_group *g;
	u32 records = 0;

	list_for_each_entry(g, &ds->groups, node)
		if (!g->in_guest)
			records += g->source_count + !g->only;
	return records;
}

bool sb_datagram_rejoin(struct sb_datagram_sock *ds)
{
	s64 room = (s64)count_records(ds) * sb_datagram_room(0);
	const struct sb_datagram_group *g;

	if (sb_writer_space(&ds->sb.tx) < room)
		return false;
	list_for_each_entry(g, &ds->groups, node)
		if (!g->in_guest)
			rejoin(ds, g);
	return true;
}

void sb_datagram_peer_is_new(struct sb_sock *sb)
{
	struct sb_datagram_sock *ds;

	if (!sb_is_datagram(sb) || !refcount_inc_not_zero(&sb->sk.sk_refcnt))
		return;
	ds = sb_ds_of(sb);
	if (sb_datagram_joined_outside(ds)) {
		set_bit(SB_SOCK_REJOIN, &sb->flags);
		sb_datagram_schedule(ds, 0);
	}
	sock_put(&sb->sk);
}

static void free_group(struct sb_datagram_group *g)
{
	struct group_source *source, *next;

	list_for_each_entry_safe(source, next, &g->sources, node)
		kfree(source);
	kfree(g);
}

/* @only: just the sources that are added */
static int add_group(struct sb_datagram_sock *ds,
		     const struct sb_address *group, bool in_guest, bool only)
{
	struct sb_datagram_group *g = kmalloc(sizeof(*g), GFP_KERNEL);

	if (!g)
		return -ENOBUFS;
	*g = (struct sb_datagram_group){ .address = *group,
					 .in_guest = in_guest,
					 .only = only };
	INIT_LIST_HEAD(&g->sources);
	spin_lock_bh(&groups_lock);
	list_add_tail(&g->node, &ds->groups);
	spin_unlock_bh(&groups_lock);
	ds->group_count++;
	return 0;
}

/* Nobody outside is told */
static void remove_group(struct sb_datagram_sock *ds,
			 struct sb_datagram_group *g)
{
	spin_lock_bh(&groups_lock);
	list_del(&g->node);
	spin_unlock_bh(&groups_lock);
	ds->group_count--;
	ds->source_count -= g->source_count;
	free_group(g);
}

static int check_join(const struct sb_datagram_sock *ds,
		      const struct sb_address *group, bool in_guest)
{
	if (find(ds, group, in_guest))
		return -EADDRINUSE;
	return ds->group_count < GROUPS_MAX ? 0 : -ENOBUFS;
}

int sb_datagram_join(struct sb_datagram_sock *ds,
		     const struct sb_address *group, u32 interface)
{
	bool in_guest = interface == SB_LOOPBACK_INDEX;
	int error = check_join(ds, group, in_guest);

	if (!error && !in_guest) {
		error = tell(ds, group, NULL, SB_DATAGRAM_JOIN);
		/* which may have waited, without the lock */
		if (!error)
			error = check_join(ds, group, in_guest);
	}
	return error ? error : add_group(ds, group, in_guest, false);
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
	in_guest = g->in_guest;
	remove_group(ds, g);
	/* a circuit that is gone has left all groups */
	if (!in_guest && ds->sb.circuit)
		tell(ds, group, NULL, SB_DATAGRAM_LEAVE);
	return 0;
}

/* ---- sources ---- */

static bool is_addition(enum sb_source_change change)
{
	return change == SB_SOURCE_ADD || change == SB_SOURCE_BLOCK;
}

static bool is_of_only(enum sb_source_change change)
{
	return change == SB_SOURCE_ADD || change == SB_SOURCE_DROP;
}

/* Is there room for one more, and is it another one? */
static int check_addition(const struct sb_datagram_sock *ds,
			  const struct sb_datagram_group *g,
			  const struct sb_address *source)
{
	bool v4 = source->family == SB_FAMILY_IPV4;

	if (g && g->source_count >= (v4 ? SOURCES_MAX4 : SOURCES_MAX6))
		return -ENOBUFS;
	if (g && find_source(g, source))
		return -EADDRNOTAVAIL;
	if (ds->source_count >= SOURCES_MAX_SOCKET)
		return -ENOBUFS;
	return g || ds->group_count < GROUPS_MAX ? 0 : -ENOBUFS;
}

/* In the order, and with the errors, of Linux */
static int check_change(const struct sb_datagram_sock *ds,
			const struct sb_datagram_group *g,
			const struct sb_address *source,
			enum sb_source_change change)
{
	if (!g && change != SB_SOURCE_ADD)
		return -EINVAL;
	/* a member that never named any may begin with either */
	if (g && g->filters && g->only != is_of_only(change))
		return -EINVAL;
	if (is_addition(change))
		return check_addition(ds, g, source);
	return find_source(g, source) ? 0 : -EADDRNOTAVAIL;
}

static int add_source(struct sb_datagram_sock *ds, struct sb_datagram_group *g,
		      const struct sb_address *address, bool only)
{
	struct group_source *source = kmalloc(sizeof(*source), GFP_KERNEL);

	if (!source) {
		if (g->only && !g->source_count)
			remove_group(ds, g);
		return -ENOBUFS;
	}
	source->address = *address;
	spin_lock_bh(&groups_lock);
	list_add_tail(&source->node, &g->sources);
	g->only = only;
	spin_unlock_bh(&groups_lock);
	g->filters = true;
	g->source_count++;
	ds->source_count++;
	return 0;
}

static void drop_source(struct sb_datagram_sock *ds,
			struct sb_datagram_group *g,
			const struct sb_address *address)
{
	struct group_source *source = find_source(g, address);

	spin_lock_bh(&groups_lock);
	list_del(&source->node);
	spin_unlock_bh(&groups_lock);
	kfree(source);
	g->source_count--;
	ds->source_count--;
	/* who hears nobody any more is no member */
	if (g->only && !g->source_count)
		remove_group(ds, g);
}

/* What check_change() has nothing against */
static int make_change(struct sb_datagram_sock *ds,
		       const struct sb_address *group,
		       const struct sb_address *source, bool in_guest,
		       enum sb_source_change change)
{
	struct sb_datagram_group *g = find(ds, group, in_guest);
	int error;

	if (!is_addition(change)) {
		drop_source(ds, g, source);
		return 0;
	}
	if (!g) {
		error = add_group(ds, group, in_guest, true);
		if (error)
			return error;
		g = find(ds, group, in_guest);
	}
	return add_source(ds, g, source, is_of_only(change));
}

int sb_datagram_change_source(struct sb_datagram_sock *ds,
			      const struct sb_address *group,
			      const struct sb_address *source, u32 interface,
			      enum sb_source_change change)
{
	static const u8 kind[] = {
		[SB_SOURCE_ADD] = SB_DATAGRAM_JOIN,
		[SB_SOURCE_DROP] = SB_DATAGRAM_LEAVE,
		[SB_SOURCE_BLOCK] = SB_DATAGRAM_BLOCK,
		[SB_SOURCE_UNBLOCK] = SB_DATAGRAM_UNBLOCK,
	};
	bool in_guest = interface == SB_LOOPBACK_INDEX;
	int error;

	error = check_change(ds, find(ds, group, in_guest), source, change);
	if (!error && !in_guest) {
		error = tell(ds, group, source, kind[change]);
		/* which may have waited, without the lock */
		if (!error)
			error = check_change(ds, find(ds, group, in_guest),
					     source, change);
	}
	return error ? error : make_change(ds, group, source, in_guest, change);
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
		free_group(g);
	ds->group_count = 0;
	ds->source_count = 0;
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
