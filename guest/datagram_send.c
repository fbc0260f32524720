// SPDX-License-Identifier: GPL-2.0-only
/*
 * datagram_send.c - a message becomes a record, or an skb for this guest
 *
 * One copy into the ring, nothing allocated. A ring without room makes the
 * caller wait, or is EAGAIN. What Dom0 knows better than we (is there a route,
 * may this guest send there) comes back later, as an error record; a refusal
 * for one of many destinations is told by the next sendto() to the same one.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uio.h>
#include <linux/udp.h>

#include "datagram.h"

/* What fits sb0's MTU */
#define HEADERS_V4 28
#define HEADERS_V6 48

/* ---- where to ---- */

/* 0, or 1 when the message names nobody */
static int parse_name(const struct sock *sk, const struct msghdr *msg,
		      struct sb_address *to)
{
	const struct sockaddr *sa = msg->msg_name;
	struct sockaddr_in v4;

	if (!sa)
		return 1;
	if (sk->sk_family == AF_INET6) {
		if (msg->msg_namelen <
		    (int)offsetofend(struct sockaddr, sa_family))
			return -EINVAL;
		if (sa->sa_family == AF_UNSPEC)
			return 1;
		if (sa->sa_family == AF_INET6)
			return sb_address_parse(to, sk, sa, msg->msg_namelen);
		if (sa->sa_family != AF_INET || sb_datagram_is_ping(sk))
			return sb_datagram_is_ping(sk) ? -EAFNOSUPPORT
						       : -EINVAL;
	}
	if (msg->msg_namelen < (int)sizeof(v4))
		return -EINVAL;
	v4 = *(const struct sockaddr_in *)sa;
	if (v4.sin_family != AF_INET && v4.sin_family != AF_UNSPEC)
		return -EAFNOSUPPORT;
	memset(to, 0, sizeof(*to));
	to->family = SB_FAMILY_IPV4;
	to->port = ntohs(v4.sin_port);
	memcpy(to->bytes, &v4.sin_addr, sizeof(v4.sin_addr));
	return 0;
}

static int check_name(const struct sock *sk, struct sb_address *to)
{
	if (sb_datagram_is_ping(sk))
		to->port = 0;
	else if (!to->port)
		return -EINVAL;
	sb_address_any_to_loopback(to);
	if (to->family == SB_FAMILY_IPV4 && sk->sk_ipv6only)
		return -ENETUNREACH;
	if (sb_address_is_broadcast(to) && !sock_flag(sk, SOCK_BROADCAST))
		return -EACCES;
	return 0;
}

static int find_name(struct sb_datagram_sock *ds, const struct msghdr *msg,
		     struct sb_address *to)
{
	const struct sock *sk = &ds->sb.sk;
	int result = parse_name(sk, msg, to);

	if (result < 0)
		return result;
	if (!result)
		return check_name(sk, to);
	if (!sb_datagram_is_connected(sk))
		return -EDESTADDRREQ;
	*to = ds->sb.remote;
	return 0;
}

/* Multicast leaves by the interface that the program chose */
static bool stays_in_guest(const struct sb_datagram_sock *ds,
			   const struct sb_address *to)
{
	bool v6 = to->family == SB_FAMILY_IPV6;

	if (sb_address_is_multicast(to))
		return ds->group_out[v6] == SB_LOOPBACK_INDEX;
	return sb_loopback_wanted(to);
}

/* Outside, Dom0 knows whether the address is one of its own */
static int check_wished_source(const struct sb_datagram_target *target)
{
	const struct sb_address *from = &target->from;
	bool loopback = sb_address_is_loopback(from);

	if (!from->family || sb_address_is_any(from))
		return 0;
	if (!target->in_guest)
		return loopback ? -EINVAL : 0;
	if (loopback || sb_address_is_own(from))
		return 0;
	return from->family == SB_FAMILY_IPV4 ? -ENETUNREACH : -EINVAL;
}

static int check_source(const struct sb_datagram_sock *ds,
			const struct sb_datagram_target *target)
{
	const struct sb_address *bound = &ds->sb.bound;

	if (!sb_address_is_any(bound) && !sb_address_is_multicast(bound)) {
		if (bound->family != target->to.family)
			return -ENETUNREACH;
		if (sb_address_is_loopback(bound) && !target->in_guest)
			return -EINVAL;
	}
	return check_wished_source(target);
}

/* A destination that was refused says so once, when it is tried again */
static int tell_refusal(struct sb_datagram_sock *ds,
			const struct sb_address *to)
{
	int error = ds->refused_error;

	if (likely(!error) || ds->refused.port != to->port ||
	    !sb_address_equal(&ds->refused, to))
		return 0;
	ds->refused_error = 0;
	return -error;
}

static int find_target(struct sb_datagram_sock *ds, struct msghdr *msg,
		       struct sb_datagram_target *target)
{
	struct sb_sock *sb = &ds->sb;
	int error;

	memset(target, 0, sizeof(*target));
	error = find_name(ds, msg, &target->to);
	if (error)
		return error;
	target->segment = READ_ONCE(sb->hints.changed[SB_HINT_UDP_SEGMENT]);
	if (msg->msg_flags & MSG_DONTROUTE ||
	    sock_flag(&sb->sk, SOCK_LOCALROUTE))
		target->flags |= SB_DATAGRAM_DIRECT;
	if (msg->msg_controllen) {
		error = sb_datagram_read_controls(ds, msg, target);
		if (error)
			return error;
	}
	target->in_guest = stays_in_guest(ds, &target->to);
	/* SO_BROADCAST may have been set since */
	if (!target->in_guest && sb_address_is_multicast(&target->to))
		sb_datagram_options_tell(ds);
	error = sb_datagram_autobind(ds);
	if (!error)
		error = check_source(ds, target);
	if (!error)
		error = tell_refusal(ds, &target->to);
	return error;
}

/* ---- into the ring ---- */

static void fill_header(struct sb_datagram *h,
			const struct sb_datagram_sock *ds,
			const struct sb_datagram_target *target, u32 bytes)
{
	memset(h, 0, sizeof(*h));
	h->bytes = bytes;
	h->kind = SB_DATAGRAM_DATA;
	h->flags = target->flags;
	h->remote = target->to;
	h->hops = target->hops;
	h->tos = target->tos;
	/* if it goes to another guest, that is told who we are */
	h->info = ds->sb.bound.port;
	/* the guest's own addresses mean nothing outside */
	if (target->from.family && !sb_address_is_any(&target->from) &&
	    !sb_address_is_own(&target->from)) {
		h->flags |= SB_DATAGRAM_LOCAL;
		memcpy(h->local, target->from.bytes, sizeof(h->local));
	}
}

/* Bytes, or -EFAULT, or what is wrong with a ping */
static int copy_in(struct sb_datagram_sock *ds, u8 *to, struct iov_iter *from,
		   u32 bytes)
{
	u8 head[SB_PING_BYTES];
	u32 done = 0;
	int error;

	if (sb_datagram_is_ping(&ds->sb.sk)) {
		done = sizeof(head);
		if (!copy_from_iter_full(head, done, from))
			return -EFAULT;
		error = sb_datagram_ping_check(&ds->sb.sk, head);
		if (error)
			return error;
		memcpy(to, head, done);
	}
	/* within the area: see transfer.c */
	if (_copy_from_iter(to + done, bytes - done, from) != bytes - done)
		return -EFAULT;
	return bytes;
}

int sb_datagram_send_record(struct sb_datagram_sock *ds,
			    const struct sb_datagram_target *target,
			    struct iov_iter *from, u32 bytes, int flags)
{
	struct sb_sock *sb = &ds->sb;
	long timeo = sock_sndtimeo(&sb->sk, flags & MSG_DONTWAIT);
	u32 room = sb_datagram_room(bytes);
	struct sb_datagram header;
	int result;
	u8 *at;

	result = sb_datagram_make_room(ds, room, &timeo);
	if (result)
		return result;
	at = sb->tx_area + sb_writer_offset(&sb->tx);
	result = copy_in(ds, at + sizeof(header), from, bytes);
	if (result >= 0) {
		fill_header(&header, ds, target, bytes);
		memcpy(at, &header, sizeof(header));
		sb_datagram_written(ds, room, flags & MSG_BATCH);
	} else {
		sb_datagram_flush(ds);
	}
	return result;
}

/* ---- one message ---- */

static int send_outside(struct sb_datagram_sock *ds,
			struct sb_datagram_target *target,
			struct iov_iter *from, u32 bytes, int flags)
{
	int result = sb_pair_send(ds, target, from, bytes, flags);

	if (result != -ENOLINK)
		return result;
	return sb_datagram_send_record(ds, target, from, bytes, flags);
}

static u32 most_to(const struct sb_datagram_target *target)
{
	return target->to.family == SB_FAMILY_IPV4 ? SB_DATAGRAM_MAX_IPV4
						   : SB_DATAGRAM_MAX;
}

static int send_one(struct sb_datagram_sock *ds,
		    struct sb_datagram_target *target, struct iov_iter *from,
		    u32 bytes, int flags)
{
	int error;

	if (bytes > most_to(target))
		return -EMSGSIZE;
	if (!target->in_guest)
		return send_outside(ds, target, from, bytes, flags);
	error = sock_error(&ds->sb.sk);
	if (error)
		return error;
	if (ds->sb.sk.sk_shutdown & SEND_SHUTDOWN)
		return -EPIPE;
	return sb_datagram_deliver(ds, target, from, bytes);
}

static int check_segments(const struct sb_datagram_target *target, u32 bytes)
{
	u32 headers =
		target->to.family == SB_FAMILY_IPV4 ? HEADERS_V4 : HEADERS_V6;

	if (!target->in_guest && target->segment + headers > ETH_DATA_LEN)
		return -EINVAL;
	return bytes > target->segment * UDP_MAX_SEGMENTS ? -EINVAL : 0;
}

/* UDP_SEGMENT: one message, many datagrams, one bell */
static int send_segments(struct sb_datagram_sock *ds,
			 struct sb_datagram_target *target,
			 struct iov_iter *from, u32 bytes, int flags)
{
	u32 piece, left = bytes;
	int result = check_segments(target, bytes);

	while (result >= 0 && left) {
		piece = min_t(u32, left, target->segment);
		result = send_one(ds, target, from, piece,
				  left > piece ? flags | MSG_BATCH : flags);
		left -= piece;
	}
	if (result >= 0)
		return bytes;
	sb_datagram_flush(ds);
	return result;
}

static int send_message(struct sb_datagram_sock *ds,
			struct sb_datagram_target *target,
			struct iov_iter *from, u32 bytes, int flags)
{
	if (target->segment && bytes > target->segment)
		return send_segments(ds, target, from, bytes, flags);
	return send_one(ds, target, from, bytes, flags);
}

/* ---- datagrams in pieces: MSG_MORE and UDP_CORK ---- */

static int add_piece(struct sb_datagram_sock *ds, struct msghdr *msg, u32 bytes)
{
	struct sb_datagram_cork *cork = ds->cork;
	int error;

	if (!cork) {
		cork = kvmalloc(sizeof(*cork), GFP_KERNEL);
		if (!cork)
			return -ENOBUFS;
		ds->cork = cork;
		cork->bytes = 0;
		error = find_target(ds, msg, &cork->target);
		if (error)
			return error;
	}
	if (bytes > most_to(&cork->target) - cork->bytes)
		return -EMSGSIZE;
	if (!copy_from_iter_full(cork->data + cork->bytes, bytes,
				 &msg->msg_iter))
		return -EFAULT;
	cork->bytes += bytes;
	return 0;
}

static int push(struct sb_datagram_sock *ds, int flags)
{
	struct sb_datagram_cork *cork = ds->cork;
	struct kvec part = { .iov_base = cork->data, .iov_len = cork->bytes };
	struct iov_iter from;
	int result;

	ds->cork = NULL;
	iov_iter_kvec(&from, ITER_SOURCE, &part, 1, cork->bytes);
	result = send_message(ds, &cork->target, &from, cork->bytes, flags);
	kvfree(cork);
	return result;
}

/* What cannot be added throws away what there was, as in Linux */
static int send_piece(struct sb_datagram_sock *ds, struct msghdr *msg,
		      u32 bytes, bool more)
{
	int result = add_piece(ds, msg, bytes);

	if (result) {
		kvfree(ds->cork);
		ds->cork = NULL;
		return result;
	}
	if (more)
		return bytes;
	result = push(ds, msg->msg_flags);
	return result < 0 ? result : bytes;
}

int sb_datagram_uncork(struct sb_datagram_sock *ds)
{
	int result = ds->cork ? push(ds, 0) : 0;

	return result < 0 ? result : 0;
}

static int send_locked(struct sb_datagram_sock *ds, struct msghdr *msg,
		       u32 bytes)
{
	bool more = msg->msg_flags & MSG_MORE || ds->corked;
	struct sb_datagram_target target;
	int result;

	if (unlikely(more || ds->cork))
		return send_piece(ds, msg, bytes, more);
	result = find_target(ds, msg, &target);
	/* only asked whether it could be */
	if (!result && unlikely(msg->msg_flags & MSG_PROBE))
		return bytes;
	if (!result)
		result = send_message(ds, &target, &msg->msg_iter, bytes,
				      msg->msg_flags);
	if (result < 0)
		sb_datagram_flush(ds);
	return result;
}

int sb_datagram_send(struct socket *sock, struct msghdr *msg, size_t bytes)
{
	struct sock *sk = sock->sk;
	int result;

	if (unlikely(bytes > U16_MAX))
		return -EMSGSIZE;
	/* Linux looks at it on IPv4 sockets only */
	if (unlikely(msg->msg_flags & MSG_OOB && sk->sk_family == AF_INET))
		return -EOPNOTSUPP;
	/* there is no page to be pinned: copy instead */
	if (unlikely(msg->msg_flags & MSG_ZEROCOPY &&
		     sock_flag(sk, SOCK_ZEROCOPY)))
		return -ENOBUFS;
	if (sb_datagram_is_ping(sk) && bytes < SB_PING_BYTES)
		return -EINVAL;
	lock_sock(sk);
	result = send_locked(sb_ds(sk), msg, bytes);
	release_sock(sk);
	return result;
}
