// SPDX-License-Identifier: GPL-2.0-only
/*
 * datagram_message.c - ancillary data of sendmsg() and recvmsg()
 *
 * What a program sends by it overrides the socket's options for one datagram;
 * what it receives it has asked for by an option. Interfaces outside have no
 * number here: whatever comes from there came by sb0.
 */
#include <linux/errqueue.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/timekeeping.h>
#include <linux/udp.h>
#include <net/inet_sock.h>
#include <net/ipv6.h>
#include <net/scm.h>

#include "datagram.h"

/* ---- sending ---- */

/* An integer, or as Linux allows for IP_TOS, a byte */
static int read_int(struct cmsghdr *cmsg, int *value)
{
	if (cmsg->cmsg_len == CMSG_LEN(sizeof(int)))
		*value = *(int *)CMSG_DATA(cmsg);
	else if (cmsg->cmsg_len == CMSG_LEN(sizeof(u8)))
		*value = *(u8 *)CMSG_DATA(cmsg);
	else
		return -EINVAL;
	return 0;
}

static int take_hops(struct sb_datagram_target *target, int value, int least)
{
	if (value < least || value > 255)
		return -EINVAL;
	if (value < 0)
		return 0;
	target->hops = value;
	target->flags |= SB_DATAGRAM_HOPS;
	return 0;
}

static int take_tos(struct sb_datagram_target *target, int value, int least)
{
	if (value < least || value > 255)
		return -EINVAL;
	if (value < 0)
		return 0;
	target->tos = value;
	target->flags |= SB_DATAGRAM_TOS;
	return 0;
}

static int read_info4(struct sb_datagram_target *target, struct cmsghdr *cmsg)
{
	const struct in_pktinfo *info = CMSG_DATA(cmsg);

	if (cmsg->cmsg_len != CMSG_LEN(sizeof(*info)))
		return -EINVAL;
	if (info->ipi_ifindex && !sb_datagram_interface(info->ipi_ifindex, 0))
		return -ENODEV;
	memset(&target->from, 0, sizeof(target->from));
	target->from.family = SB_FAMILY_IPV4;
	memcpy(target->from.bytes, &info->ipi_spec_dst, 4);
	return 0;
}

static int read_info6(struct sb_datagram_target *target, struct cmsghdr *cmsg)
{
	const struct in6_pktinfo *info = CMSG_DATA(cmsg);

	if (cmsg->cmsg_len < CMSG_LEN(sizeof(*info)))
		return -EINVAL;
	if (info->ipi6_ifindex && !sb_datagram_interface(info->ipi6_ifindex, 0))
		return -ENODEV;
	memset(&target->from, 0, sizeof(target->from));
	if (ipv6_addr_v4mapped(&info->ipi6_addr)) {
		target->from.family = SB_FAMILY_IPV4;
		memcpy(target->from.bytes, &info->ipi6_addr.s6_addr32[3], 4);
		return 0;
	}
	if (target->to.family == SB_FAMILY_IPV4 &&
	    !ipv6_addr_any(&info->ipi6_addr))
		return -EINVAL;
	target->from.family = target->to.family;
	if (target->to.family == SB_FAMILY_IPV6)
		memcpy(target->from.bytes, &info->ipi6_addr, 16);
	return 0;
}

static int read_ip(struct sb_datagram_target *target, struct cmsghdr *cmsg)
{
	int value, error;

	switch (cmsg->cmsg_type) {
	case IP_PKTINFO:
		return read_info4(target, cmsg);
	case IP_TTL:
		if (cmsg->cmsg_len != CMSG_LEN(sizeof(int)))
			return -EINVAL;
		return take_hops(target, *(int *)CMSG_DATA(cmsg), 1);
	case IP_TOS:
		error = read_int(cmsg, &value);
		return error ? error : take_tos(target, value, 0);
	case IP_RETOPTS:
		/* none is the only list of options there is */
		return cmsg->cmsg_len == CMSG_LEN(0) ? 0 : -EINVAL;
	default:
		return -EINVAL;
	}
}

static int read_ipv6(struct sb_datagram_target *target, struct cmsghdr *cmsg)
{
	bool is_int = cmsg->cmsg_len == CMSG_LEN(sizeof(int));
	int value = is_int ? *(int *)CMSG_DATA(cmsg) : 0;

	/* of the others IPv4 knows nothing */
	if (target->to.family == SB_FAMILY_IPV4 &&
	    cmsg->cmsg_type != IPV6_PKTINFO)
		return 0;
	switch (cmsg->cmsg_type) {
	case IPV6_PKTINFO:
		return read_info6(target, cmsg);
	case IPV6_HOPLIMIT:
		return is_int ? take_hops(target, value, -1) : -EINVAL;
	case IPV6_TCLASS:
		return is_int ? take_tos(target, value, -1) : -EINVAL;
	case IPV6_DONTFRAG:
		return is_int && (value == 0 || value == 1) ? 0 : -EINVAL;
	default:
		return -EINVAL;
	}
}

static int read_udp(struct sb_datagram_target *target, struct cmsghdr *cmsg)
{
	if (cmsg->cmsg_type != UDP_SEGMENT ||
	    cmsg->cmsg_len != CMSG_LEN(sizeof(u16)))
		return -EINVAL;
	target->segment = *(u16 *)CMSG_DATA(cmsg);
	return 0;
}

/* The core knows what belongs to it: marks, times, priorities */
static int read_socket(struct sock *sk, struct msghdr *msg,
		       struct cmsghdr *cmsg)
{
	struct sockcm_cookie unused;

	sockcm_init(&unused, sk);
	return __sock_cmsg_send(sk, msg, cmsg, &unused);
}

static int read_one(struct sb_datagram_sock *ds, struct msghdr *msg,
		    struct cmsghdr *cmsg, struct sb_datagram_target *target)
{
	struct sock *sk = &ds->sb.sk;

	switch (cmsg->cmsg_level) {
	case SOL_SOCKET:
		return read_socket(sk, msg, cmsg);
	case SOL_IP:
		return sk->sk_family == AF_INET ||
				       target->to.family == SB_FAMILY_IPV4
			       ? read_ip(target, cmsg)
			       : 0;
	case SOL_IPV6:
		return sk->sk_family == AF_INET6 ? read_ipv6(target, cmsg) : 0;
	case SOL_UDP:
		return sb_datagram_is_ping(sk) ? 0 : read_udp(target, cmsg);
	default:
		return 0;
	}
}

int sb_datagram_read_controls(struct sb_datagram_sock *ds, struct msghdr *msg,
			      struct sb_datagram_target *target)
{
	struct cmsghdr *cmsg;
	int error;

	for (cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
		if (!CMSG_OK(msg, cmsg))
			return -EINVAL;
		error = read_one(ds, msg, cmsg, target);
		if (error)
			return error;
	}
	return 0;
}

/* ---- receiving ---- */

static void put_nanoseconds(const struct sock *sk, struct msghdr *msg,
			    struct timespec64 t)
{
	struct __kernel_timespec ts = { t.tv_sec, t.tv_nsec };
	struct __kernel_old_timespec old = { t.tv_sec, t.tv_nsec };

	if (sock_flag(sk, SOCK_TSTAMP_NEW))
		put_cmsg(msg, SOL_SOCKET, SO_TIMESTAMPNS_NEW, sizeof(ts), &ts);
	else
		put_cmsg(msg, SOL_SOCKET, SO_TIMESTAMPNS_OLD, sizeof(old),
			 &old);
}

static void put_microseconds(const struct sock *sk, struct msghdr *msg,
			     struct timespec64 t)
{
	long us = t.tv_nsec / NSEC_PER_USEC;
	struct __kernel_sock_timeval tv = { t.tv_sec, us };
	struct __kernel_old_timeval old = { t.tv_sec, us };

	if (sock_flag(sk, SOCK_TSTAMP_NEW))
		put_cmsg(msg, SOL_SOCKET, SO_TIMESTAMP_NEW, sizeof(tv), &tv);
	else
		put_cmsg(msg, SOL_SOCKET, SO_TIMESTAMP_OLD, sizeof(old), &old);
}

/* @time: when it was queued; 0: it has just been found in the ring */
static void put_times(struct sock *sk, struct msghdr *msg, ktime_t time)
{
	struct scm_timestamping_internal stamps = {};
	bool wanted = sk->sk_tsflags & SOF_TIMESTAMPING_RX_SOFTWARE &&
		      sk->sk_tsflags & SOF_TIMESTAMPING_SOFTWARE;

	if (!wanted && !sock_flag(sk, SOCK_RCVTSTAMP) &&
	    !sock_flag(sk, SOCK_TIMESTAMP))
		return;
	if (!time)
		time = ktime_get_real();
	/* for SIOCGSTAMP */
	sock_write_timestamp(sk, time);
	if (sock_flag(sk, SOCK_RCVTSTAMPNS))
		put_nanoseconds(sk, msg, ktime_to_timespec64(time));
	else if (sock_flag(sk, SOCK_RCVTSTAMP))
		put_microseconds(sk, msg, ktime_to_timespec64(time));
	if (!wanted)
		return;
	stamps.ts[0] = ktime_to_timespec64(time);
	if (sock_flag(sk, SOCK_TSTAMP_NEW))
		put_cmsg_scm_timestamping64(msg, &stamps);
	else
		put_cmsg_scm_timestamping(msg, &stamps);
}

static u32 interface_of(const struct sb_datagram *h)
{
	if (h->interface == SB_LOOPBACK_INDEX &&
	    (sb_loopback_wanted(&h->remote)))
		return SB_LOOPBACK_INDEX;
	return sb_netdev_index();
}

static void put_info4(struct msghdr *msg, const struct sb_datagram *h)
{
	struct in_pktinfo info = { .ipi_ifindex = interface_of(h) };
	__be32 local;

	memcpy(&local, h->local, sizeof(local));
	info.ipi_addr.s_addr = local;
	info.ipi_spec_dst.s_addr = local;
	put_cmsg(msg, SOL_IP, IP_PKTINFO, sizeof(info), &info);
}

static void put_info6(struct msghdr *msg, const struct sb_datagram *h)
{
	struct in6_pktinfo info = { .ipi6_ifindex = interface_of(h) };
	__be32 v4;

	if (h->remote.family == SB_FAMILY_IPV4) {
		memcpy(&v4, h->local, sizeof(v4));
		ipv6_addr_set_v4mapped(v4, &info.ipi6_addr);
	} else {
		memcpy(&info.ipi6_addr, h->local, sizeof(info.ipi6_addr));
	}
	put_cmsg(msg, SOL_IPV6, IPV6_PKTINFO, sizeof(info), &info);
}

/* Where it was sent to, port and all; on a socket of both families, too */
static void put_destination4(const struct sb_sock *sb, struct msghdr *msg,
			     const struct sb_datagram *h)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(sb->bound.port) };

	memcpy(&to.sin_addr, h->local, sizeof(to.sin_addr));
	put_cmsg(msg, SOL_IP, IP_ORIGDSTADDR, sizeof(to), &to);
}

static void put_destination6(const struct sb_sock *sb, struct msghdr *msg,
			     const struct sb_datagram *h)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6,
				   .sin6_port = htons(sb->bound.port) };

	memcpy(&to.sin6_addr, h->local, sizeof(to.sin6_addr));
	put_cmsg(msg, SOL_IPV6, IPV6_ORIGDSTADDR, sizeof(to), &to);
}

static void put_ip(const struct sb_sock *sb, struct msghdr *msg,
		   const struct sb_datagram *h)
{
	int hops = h->hops;

	if (sb_option_hint(sb, SB_HINT_IP_PKTINFO) &&
	    h->flags & SB_DATAGRAM_LOCAL)
		put_info4(msg, h);
	if (sb_option_hint(sb, SB_HINT_IP_RECVTTL) &&
	    h->flags & SB_DATAGRAM_HOPS)
		put_cmsg(msg, SOL_IP, IP_TTL, sizeof(hops), &hops);
	if (sb_option_hint(sb, SB_HINT_IP_RECVTOS) &&
	    h->flags & SB_DATAGRAM_TOS)
		put_cmsg(msg, SOL_IP, IP_TOS, sizeof(h->tos), (void *)&h->tos);
	if (sb_option_hint(sb, SB_HINT_IP_RECVORIGDSTADDR) &&
	    h->flags & SB_DATAGRAM_LOCAL)
		put_destination4(sb, msg, h);
}

static void put_ipv6(const struct sb_sock *sb, struct msghdr *msg,
		     const struct sb_datagram *h)
{
	int hops = h->hops, tos = h->tos;

	if (sb_option_hint(sb, SB_HINT_IPV6_RECVHOPLIMIT) &&
	    h->flags & SB_DATAGRAM_HOPS)
		put_cmsg(msg, SOL_IPV6, IPV6_HOPLIMIT, sizeof(hops), &hops);
	if (sb_option_hint(sb, SB_HINT_IPV6_RECVTCLASS) &&
	    h->flags & SB_DATAGRAM_TOS)
		put_cmsg(msg, SOL_IPV6, IPV6_TCLASS, sizeof(tos), &tos);
	if (sb_option_hint(sb, SB_HINT_IPV6_RECVORIGDSTADDR) &&
	    h->flags & SB_DATAGRAM_LOCAL)
		put_destination6(sb, msg, h);
}

/* In Linux's order. @header: with @info, several of that length are joined */
void sb_datagram_put_controls(struct sb_datagram_sock *ds, struct msghdr *msg,
			      const struct sb_datagram *header, ktime_t time,
			      u32 drops)
{
	struct sb_sock *sb = &ds->sb;
	struct sock *sk = &sb->sk;
	int segment = header->info;

	put_times(sk, msg, time);
	if (sock_flag(sk, SOCK_RXQ_OVFL) && drops)
		put_cmsg(msg, SOL_SOCKET, SO_RXQ_OVFL, sizeof(drops), &drops);
	if (unlikely(header->info))
		put_cmsg(msg, SOL_UDP, UDP_GRO, sizeof(segment), &segment);
	if (sk->sk_family == AF_INET6 &&
	    sb_option_hint(sb, SB_HINT_IPV6_RECVPKTINFO) &&
	    header->flags & SB_DATAGRAM_LOCAL)
		put_info6(msg, header);
	if (header->remote.family == SB_FAMILY_IPV4)
		put_ip(sb, msg, header);
	else
		put_ipv6(sb, msg, header);
}
