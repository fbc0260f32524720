// SPDX-License-Identifier: GPL-2.0-only
/*
 * datagram_error.c - who is told what went wrong with a datagram
 *
 * The proxy tells everything it hears; whether the program does is decided as
 * Linux decides it. A connected socket hears of hard errors of its own peer, by
 * sk_err. One with IP_RECVERR hears of all, and finds them in its error queue
 * with what the error quoted. An unconnected socket without it hears nothing
 * of the network; but that a datagram could not even be sent, which Linux
 * would have told at once, it hears when it tries that destination again.
 */
#include <linux/errqueue.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/in.h>
#include <linux/in6.h>

#include "datagram.h"

/* As icmp_err_convert of Linux says which codes of "unreachable" are hard */
#define HARD4                                                              \
	(BIT(ICMP_PROT_UNREACH) | BIT(ICMP_PORT_UNREACH) |                 \
	 BIT(ICMP_FRAG_NEEDED) | BIT(ICMP_NET_UNKNOWN) |                   \
	 BIT(ICMP_HOST_UNKNOWN) | BIT(ICMP_HOST_ISOLATED) |                \
	 BIT(ICMP_NET_ANO) | BIT(ICMP_HOST_ANO) | BIT(ICMP_PKT_FILTERED) | \
	 BIT(ICMP_PREC_VIOLATION) | BIT(ICMP_PREC_CUTOFF))
#define HARD6                                                    \
	(BIT(ICMPV6_ADM_PROHIBITED) | BIT(ICMPV6_PORT_UNREACH) | \
	 BIT(ICMPV6_POLICY_FAIL) | BIT(ICMPV6_REJECT_ROUTE))

/* An ICMP error holds no more of a datagram, over IPv6; nor does ours */
#define QUOTED_MAX 1232u

static bool is_hard(const struct sb_datagram *h)
{
	if (h->kind == SB_DATAGRAM_ERROR_LOCAL)
		return true;
	if (h->kind == SB_DATAGRAM_ERROR_ICMP) {
		if (h->icmp_type == ICMP_DEST_UNREACH)
			return h->icmp_code < 16 && HARD4 & BIT(h->icmp_code);
		return h->icmp_type == ICMP_PARAMETERPROB;
	}
	if (h->icmp_type == ICMPV6_DEST_UNREACH)
		return h->icmp_code < 8 && HARD6 & BIT(h->icmp_code);
	return h->icmp_type == ICMPV6_PKT_TOOBIG ||
	       h->icmp_type == ICMPV6_PARAMPROB;
}

static bool wants_queue(const struct sb_sock *sb, const struct sb_datagram *h)
{
	/* IPv4 errors of an IPv6 socket go by the option of IPv4 */
	return sb_option_hint(sb, h->remote.family == SB_FAMILY_IPV4
					  ? SB_HINT_IP_RECVERR
					  : SB_HINT_IPV6_RECVERR);
}

static u8 origin_of(const struct sb_datagram *h)
{
	switch (h->kind) {
	case SB_DATAGRAM_ERROR_ICMP:
		return SO_EE_ORIGIN_ICMP;
	case SB_DATAGRAM_ERROR_ICMP6:
		return SO_EE_ORIGIN_ICMP6;
	default:
		return SO_EE_ORIGIN_LOCAL;
	}
}

/* The skb's data is what the error quotes; the header goes with it */
static void queue_error(struct sock *sk, const struct sb_datagram *h,
			const u8 *payload)
{
	u32 bytes = payload ? min(h->bytes, QUOTED_MAX) : 0;
	struct sk_buff *skb;
	struct sock_exterr_skb *error;

	skb = alloc_skb(sizeof(*h) + bytes, GFP_ATOMIC);
	if (!skb)
		return;
	skb_reserve(skb, sizeof(*h));
	*sb_datagram_header(skb) = *h;
	if (bytes)
		skb_put_data(skb, payload, bytes);
	error = SKB_EXT_ERR(skb);
	memset(error, 0, sizeof(*error));
	error->ee.ee_errno = h->error;
	error->ee.ee_origin = origin_of(h);
	error->ee.ee_type = h->icmp_type;
	error->ee.ee_code = h->icmp_code;
	error->ee.ee_info = h->info;
	if (sock_queue_err_skb(sk, skb))
		kfree_skb(skb);
}

/* Could not be sent: kept for who tries again */
static void keep_refusal(struct sb_datagram_sock *ds,
			 const struct sb_datagram *h)
{
	ds->refused = h->remote;
	ds->refused_error = h->error;
}

void sb_datagram_take_error(struct sb_datagram_sock *ds,
			    const struct sb_datagram *header, const u8 *payload)
{
	struct sb_sock *sb = &ds->sb;
	struct sock *sk = &sb->sk;
	bool connected = sb_datagram_is_connected(sk);
	struct sb_datagram h = *header;

	if (h.kind == SB_DATAGRAM_ERROR_LOCAL && h.error == EREMCHG) {
		sb_pair_given_back(ds, &h, payload);
		return;
	}
	if (!h.error || h.error >= MAX_ERRNO)
		h.error = EPROTO;
	if (connected &&
	    (!sb_address_equal(&h.remote, &sb->remote) ||
	     (!sb_datagram_is_ping(sk) && h.remote.port != sb->remote.port)))
		connected = false;
	if (wants_queue(sb, &h)) {
		queue_error(sk, &h, payload);
	} else if (!connected) {
		if (h.kind == SB_DATAGRAM_ERROR_LOCAL)
			keep_refusal(ds, &h);
		return;
	} else if (!is_hard(&h)) {
		return;
	}
	WRITE_ONCE(sk->sk_err, h.error);
	sk_error_report(sk);
}

/* What MSG_ERRQUEUE tells: the error, and who reported it */
struct told4 {
	struct sock_extended_err ee;
	struct sockaddr_in offender;
};

struct told6 {
	struct sock_extended_err ee;
	struct sockaddr_in6 offender;
};

/* The address of who reported it, in the form of this socket's family */
static void fill_offender(const struct sock *sk, const struct sb_datagram *h,
			  struct sockaddr *to)
{
	struct sb_address from = { .family = h->remote.family };

	if (h->kind == SB_DATAGRAM_ERROR_LOCAL)
		return;
	memcpy(from.bytes, h->local, sizeof(from.bytes));
	if (from.family == SB_FAMILY_IPV4)
		memset(from.bytes + 4, 0, sizeof(from.bytes) - 4);
	sb_address_format(&from, sk, to);
}

static void put_told(struct sock *sk, struct msghdr *msg,
		     const struct sk_buff *skb)
{
	const struct sb_datagram *h = sb_datagram_header(skb);
	struct told4 told4 = { .ee = SKB_EXT_ERR(skb)->ee };
	struct told6 told6 = { .ee = SKB_EXT_ERR(skb)->ee };

	if (sk->sk_family == AF_INET) {
		fill_offender(sk, h, (struct sockaddr *)&told4.offender);
		put_cmsg(msg, SOL_IP, IP_RECVERR, sizeof(told4), &told4);
	} else {
		fill_offender(sk, h, (struct sockaddr *)&told6.offender);
		put_cmsg(msg, SOL_IPV6, IPV6_RECVERR, sizeof(told6), &told6);
	}
}

/* recvmsg(MSG_ERRQUEUE): never waits */
int sb_datagram_receive_error(struct sock *sk, struct msghdr *msg, size_t bytes)
{
	struct sk_buff *skb;
	int copied;

	lock_sock(sk);
	/* what the ring brought is put into the queue */
	sb_datagram_pending(sb_ds(sk));
	release_sock(sk);
	skb = sock_dequeue_err_skb(sk);
	if (!skb)
		return -EAGAIN;
	copied = min_t(size_t, bytes, skb->len);
	if (copied < (int)skb->len)
		msg->msg_flags |= MSG_TRUNC;
	if (skb_copy_datagram_msg(skb, 0, msg, copied)) {
		kfree_skb(skb);
		return -EFAULT;
	}
	if (msg->msg_name)
		msg->msg_namelen = sb_address_format(
			&sb_datagram_header(skb)->remote, sk, msg->msg_name);
	put_told(sk, msg, skb);
	msg->msg_flags |= MSG_ERRQUEUE;
	consume_skb(skb);
	return copied;
}
