// SPDX-License-Identifier: GPL-2.0-only
/*
 * datagram_options.c - the options of datagram sockets
 *
 * Those that mean something else than on a stream, or nothing there, have rows
 * here; all others are those of option_table.c. What a program wants told with
 * each datagram is kept as a hint, one for each protocol; the peer's socket
 * needs to know only whether anybody wants it at all.
 */
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/udp.h>
#include <net/ip.h>

#include "datagram.h"
#include "membership.h"
#include "option_rows.h"

#define DEFAULT_HOPS 64
#define SEGMENT_MAX 65535
/* What lo and sb0 say when nobody has been asked */
#define LOOPBACK_MTU4 65535
#define LOOPBACK_MTU6 65536

static int check_tos(struct sb_sock *sb, int *value)
{
	*value &= 0xff;
	return 0;
}

static int check_tclass(struct sb_sock *sb, int *value)
{
	*value = *value == -1 ? 0 : *value;
	return 0;
}

static int check_ttl(struct sb_sock *sb, int *value)
{
	if (*value == 0)
		return -EINVAL;
	if (*value == -1)
		*value = DEFAULT_HOPS;
	return 0;
}

/* Who does not want errors any more has none that wait */
static int check_recverr(struct sb_sock *sb, int *value)
{
	if (!*value)
		skb_queue_purge(&sb->sk.sk_error_queue);
	return 0;
}

static int check_multicast_hops(struct sb_sock *sb, int *value)
{
	if (*value == -1)
		*value = 1;
	return 0;
}

static int set_cork(struct sb_sock *sb, const struct sb_option *o,
		    sockptr_t value, unsigned int bytes)
{
	struct sb_datagram_sock *ds = sb_ds_of(sb);
	int on, error = 0;

	if (bytes < sizeof(on))
		return -EINVAL;
	if (copy_from_sockptr(&on, value, sizeof(on)))
		return -EFAULT;
	lock_sock(&sb->sk);
	ds->corked = on;
	if (!on)
		error = sb_datagram_uncork(ds);
	release_sock(&sb->sk);
	/* Linux sends, and does not tell how that went */
	return error == -EFAULT ? error : 0;
}

static int read_cork(struct sb_sock *sb, const struct sb_option *o)
{
	return READ_ONCE(sb_ds_of(sb)->corked);
}

static int read_mtu(struct sb_sock *sb, const struct sb_option *o)
{
	int bytes;

	lock_sock(&sb->sk);
	if (!sb_datagram_is_connected(&sb->sk))
		bytes = -ENOTCONN;
	else if (!sb_loopback_wanted(&sb->remote))
		bytes = ETH_DATA_LEN;
	else
		bytes = sb->remote.family == SB_FAMILY_IPV4 ? LOOPBACK_MTU4
							    : LOOPBACK_MTU6;
	release_sock(&sb->sk);
	return bytes;
}

/* ---- the interface that multicast leaves by ---- */

static int set_out4(struct sb_sock *sb, const struct sb_option *o,
		    sockptr_t value, unsigned int bytes)
{
	struct sb_datagram_sock *ds = sb_ds_of(sb);
	struct ip_mreqn request;
	u32 interface;
	int error;

	/* an address alone is where struct ip_mreqn has the group's */
	if (bytes >= sizeof(struct ip_mreq)) {
		error = sb_membership_read4(value, bytes,
					    sizeof(struct ip_mreq), &request);
	} else {
		error = sb_membership_read4(value, bytes,
					    sizeof(struct in_addr), &request);
		request.imr_address = request.imr_multiaddr;
	}
	if (error)
		return error;
	interface = sb_datagram_interface(request.imr_ifindex,
					  request.imr_address.s_addr);
	if (!interface && (request.imr_ifindex || request.imr_address.s_addr))
		return -EADDRNOTAVAIL;
	lock_sock(&sb->sk);
	ds->group_out[0] = interface;
	ds->group_address = request.imr_address.s_addr;
	release_sock(&sb->sk);
	return 0;
}

static int get_out4(struct sb_sock *sb, char __user *value, int __user *bytes)
{
	__be32 address = READ_ONCE(sb_ds_of(sb)->group_address);

	return sb_option_get_bytes(value, bytes, &address, sizeof(address));
}

static int set_out6(struct sb_sock *sb, const struct sb_option *o,
		    sockptr_t value, unsigned int bytes)
{
	u32 interface = 0;
	int index;

	if (bytes < sizeof(index))
		return -EINVAL;
	if (copy_from_sockptr(&index, value, sizeof(index)))
		return -EFAULT;
	if (index) {
		interface = sb_datagram_interface(index, 0);
		if (!interface)
			return -ENODEV;
	}
	WRITE_ONCE(sb_ds_of(sb)->group_out[1], interface);
	return 0;
}

static int read_out6(struct sb_sock *sb, const struct sb_option *o)
{
	return READ_ONCE(sb_ds_of(sb)->group_out[1]);
}

static const struct sb_option table[] = {
	OTHER(SOL_UDP, UDP_CORK, .set = set_cork, .read = read_cork),
	HINT(SOL_UDP, UDP_SEGMENT, SB_HINT_UDP_SEGMENT, 0, SEGMENT_MAX, 0),
	SWITCH(SOL_UDP, UDP_GRO, SB_HINT_UDP_GRO, 0),
	SWITCH(SOL_UDP, UDP_NO_CHECK6_TX, SB_HINT_UDP_NO_CHECK6_TX, 0),
	SWITCH(SOL_UDP, UDP_NO_CHECK6_RX, SB_HINT_UDP_NO_CHECK6_RX, 0),

	FIELD(SOL_IP, IP_TOS, SB_OPTION_TOS, U8, tos, S32_MIN, S32_MAX, 0,
	      .check = check_tos),
	FIELD(SOL_IP, IP_TTL, SB_OPTION_TTL, U8, ttl, -1, 255, DEFAULT_HOPS,
	      .check = check_ttl),
	HINT(SOL_IP, IP_RECVERR, SB_HINT_IP_RECVERR, S32_MIN, S32_MAX, 0,
	     .yes_no = true, .check = check_recverr),
	OTHER(SOL_IP, IP_MTU, .set = sb_option_refuse, .read = read_mtu),
	HINT(SOL_IP, IP_MULTICAST_TTL, SB_HINT_IP_MULTICAST_TTL, -1, 255, 1,
	     .check = check_multicast_hops),
	OTHER(SOL_IP, IP_MULTICAST_IF, .set = set_out4, .get = get_out4),
	OTHER(SOL_IP, IP_ADD_MEMBERSHIP, .set = sb_membership_set4),
	OTHER(SOL_IP, IP_DROP_MEMBERSHIP, .set = sb_membership_set4),
	OTHER(SOL_IP, IP_ADD_SOURCE_MEMBERSHIP, .set = sb_membership_source4),
	OTHER(SOL_IP, IP_DROP_SOURCE_MEMBERSHIP, .set = sb_membership_source4),
	OTHER(SOL_IP, IP_BLOCK_SOURCE, .set = sb_membership_source4),
	OTHER(SOL_IP, IP_UNBLOCK_SOURCE, .set = sb_membership_source4),
	OTHER(SOL_IP, MCAST_JOIN_GROUP, .set = sb_membership_set),
	OTHER(SOL_IP, MCAST_LEAVE_GROUP, .set = sb_membership_set),
	OTHER(SOL_IP, MCAST_JOIN_SOURCE_GROUP, .set = sb_membership_source),
	OTHER(SOL_IP, MCAST_LEAVE_SOURCE_GROUP, .set = sb_membership_source),
	OTHER(SOL_IP, MCAST_BLOCK_SOURCE, .set = sb_membership_source),
	OTHER(SOL_IP, MCAST_UNBLOCK_SOURCE, .set = sb_membership_source),

	FIELD(SOL_IPV6, IPV6_TCLASS, SB_OPTION_TCLASS, U8, tclass, -1, 255, 0,
	      .check = check_tclass),
	HINT(SOL_IPV6, IPV6_RECVERR, SB_HINT_IPV6_RECVERR, S32_MIN, S32_MAX, 0,
	     .yes_no = true, .check = check_recverr),
	OTHER(SOL_IPV6, IPV6_MTU, .set = sb_option_refuse, .read = read_mtu),
	SWITCH(SOL_IPV6, IPV6_MULTICAST_ALL, SB_HINT_IPV6_MULTICAST_ALL, 1),
	HINT(SOL_IPV6, IPV6_MULTICAST_HOPS, SB_HINT_IPV6_MULTICAST_HOPS, -1,
	     255, 1, .check = check_multicast_hops),
	OTHER(SOL_IPV6, IPV6_MULTICAST_IF, .set = set_out6, .read = read_out6),
	OTHER(SOL_IPV6, IPV6_ADD_MEMBERSHIP, .set = sb_membership_set6),
	OTHER(SOL_IPV6, IPV6_DROP_MEMBERSHIP, .set = sb_membership_set6),
	OTHER(SOL_IPV6, MCAST_JOIN_GROUP, .set = sb_membership_set),
	OTHER(SOL_IPV6, MCAST_LEAVE_GROUP, .set = sb_membership_set),
	OTHER(SOL_IPV6, MCAST_JOIN_SOURCE_GROUP, .set = sb_membership_source),
	OTHER(SOL_IPV6, MCAST_LEAVE_SOURCE_GROUP, .set = sb_membership_source),
	OTHER(SOL_IPV6, MCAST_BLOCK_SOURCE, .set = sb_membership_source),
	OTHER(SOL_IPV6, MCAST_UNBLOCK_SOURCE, .set = sb_membership_source),
};

const struct sb_option *sb_datagram_option_find(int level, int name)
{
	size_t i;

	if (level == SOL_TCP || (level == SOL_IP && name == IP_PKTOPTIONS))
		return NULL;
	for (i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].level == level && table[i].name == name)
			return &table[i];
	return sb_option_find(level, name);
}

/* ---- what the peer's socket should have ---- */

static bool put_flag(struct sb_options *options, u32 bit, bool on)
{
	u32 before = options->flags;

	if (!on && !(options->set & bit))
		return false;
	options->set |= bit;
	options->flags = on ? before | bit : before & ~bit;
	return options->flags != before;
}

/* One that is on until it is switched off */
static bool put_switch(struct sb_options *options, u32 bit, bool on)
{
	if (on && !(options->set & bit))
		return false;
	if (!(options->set & bit))
		options->flags |= bit;
	options->set |= bit;
	return put_flag(options, bit, on);
}

static bool put_byte(struct sb_options *options, u32 bit, u8 *field, u8 value,
		     bool changed)
{
	if (!changed && !(options->set & bit))
		return false;
	if (options->set & bit && *field == value)
		return false;
	options->set |= bit;
	*field = value;
	return true;
}

static bool either(const struct sb_sock *sb, enum sb_hint ip, enum sb_hint ipv6)
{
	return sb_option_hint(sb, ip) || sb_option_hint(sb, ipv6);
}

static bool collect_told(struct sb_sock *sb)
{
	struct sb_options *o = &sb->options;
	bool changed;

	changed = put_flag(o, SB_OPTION_LOCAL,
			   either(sb, SB_HINT_IP_PKTINFO,
				  SB_HINT_IPV6_RECVPKTINFO) ||
				   either(sb, SB_HINT_IP_RECVORIGDSTADDR,
					  SB_HINT_IPV6_RECVORIGDSTADDR));
	changed |= put_flag(o, SB_OPTION_RECVHOPS,
			    either(sb, SB_HINT_IP_RECVTTL,
				   SB_HINT_IPV6_RECVHOPLIMIT));
	changed |= put_flag(o, SB_OPTION_RECVTOS,
			    either(sb, SB_HINT_IP_RECVTOS,
				   SB_HINT_IPV6_RECVTCLASS));
	return changed;
}

static bool collect_broadcast(struct sb_sock *sb)
{
	return put_flag(&sb->options, SB_OPTION_BROADCAST,
			sock_flag(&sb->sk, SOCK_BROADCAST));
}

bool sb_datagram_options_collect(struct sb_datagram_sock *ds)
{
	struct sb_sock *sb = &ds->sb;
	struct sb_options *o = &sb->options;
	bool v6 = sb->sk.sk_family == AF_INET6;
	enum sb_hint mtu =
		v6 ? SB_HINT_IPV6_MTU_DISCOVER : SB_HINT_IP_MTU_DISCOVER;
	enum sb_hint hops =
		v6 ? SB_HINT_IPV6_MULTICAST_HOPS : SB_HINT_IP_MULTICAST_TTL;
	bool changed = sb_options_collect(sb);

	changed |= collect_broadcast(sb);
	changed |= collect_told(sb);
	/* both are on at first */
	changed |=
		put_switch(o, SB_OPTION_MULTICAST_LOOP,
			   !sb_option_hint(sb, v6 ? SB_HINT_IPV6_MULTICAST_LOOP
						  : SB_HINT_IP_MULTICAST_LOOP));
	changed |=
		put_switch(o, SB_OPTION_MULTICAST_ALL,
			   !sb_option_hint(sb, v6 ? SB_HINT_IPV6_MULTICAST_ALL
						  : SB_HINT_IP_MULTICAST_ALL));
	changed |= put_byte(o, SB_OPTION_MTU_DISCOVER, &o->mtu_discover,
			    sb->hints.changed[mtu] ^ IP_PMTUDISC_WANT,
			    sb->hints.changed[mtu]);
	changed |=
		put_byte(o, SB_OPTION_MULTICAST_HOPS, &o->multicast_hops,
			 sb->hints.changed[hops] ^ 1, sb->hints.changed[hops]);
	o->protocol = sb_datagram_is_ping(&sb->sk);
	return changed;
}

void sb_datagram_options_tell(struct sb_datagram_sock *ds)
{
	if (sb_datagram_options_collect(ds))
		sb_stream_options_changed(&ds->sb);
}

void sb_datagram_options_look(struct sb_datagram_sock *ds)
{
	bool changed = sb_options_collect(&ds->sb);

	changed |= collect_broadcast(&ds->sb);
	if (changed)
		sb_stream_options_changed(&ds->sb);
}
