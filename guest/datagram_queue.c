// SPDX-License-Identifier: GPL-2.0-only
/*
 * datagram_queue.c - datagrams that never leave the guest
 *
 * An skb carries them, so that the kernel's own accounting bounds what waits
 * at a socket by its SO_RCVBUF; what does not fit is dropped and counted, as
 * UDP drops it. Nobody at the port is what an ICMP error would say.
 *
 * The sender owns its own socket only: the receiver's queue has a lock of its
 * own, and two sockets are never locked at once.
 */
#include <linux/in6.h>
#include <linux/uio.h>
#include <net/ip.h>

#include "datagram.h"

/* What an skb holds itself; the rest is in pages behind it */
#define LINEAR_BYTES 2048u

/* The source that the receiver is told */
static void find_source(const struct sb_datagram_sock *ds,
			const struct sb_datagram_target *target,
			struct sb_address *source)
{
	const struct sb_sock *sb = &ds->sb;
	const struct sb_address *local = &sb->bound;

	if (sb->local.family && !sb_address_is_any(&sb->local))
		local = &sb->local;
	if (target->from.family && !sb_address_is_any(&target->from)) {
		*source = target->from;
	} else if (!sb_address_is_any(local) &&
		   !sb_address_is_multicast(local) &&
		   local->family == target->to.family) {
		*source = *local;
	} else if (sb_address_is_own(&target->to)) {
		*source = target->to;
	} else {
		memset(source, 0, sizeof(*source));
		source->family = target->to.family;
		sb_address_any_to_loopback(source);
	}
	source->port = sb->bound.port;
}

u8 sb_datagram_hops(const struct sb_sock *sb,
		    const struct sb_datagram_target *target)
{
	const struct sb_options *o = &sb->options;
	bool v4 = target->to.family == SB_FAMILY_IPV4;

	if (target->flags & SB_DATAGRAM_HOPS)
		return target->hops;
	if (sb_address_is_multicast(&target->to))
		return o->set & SB_OPTION_MULTICAST_HOPS ? o->multicast_hops
							 : 1;
	if (v4)
		return o->set & SB_OPTION_TTL ? o->ttl : IPDEFTTL;
	return o->set & SB_OPTION_HOPS ? o->hops : IPDEFTTL;
}

u8 sb_datagram_tos(const struct sb_sock *sb,
		   const struct sb_datagram_target *target)
{
	const struct sb_options *o = &sb->options;

	if (target->flags & SB_DATAGRAM_TOS)
		return target->tos;
	if (target->to.family == SB_FAMILY_IPV4)
		return o->set & SB_OPTION_TOS ? o->tos : 0;
	return o->set & SB_OPTION_TCLASS ? o->tclass : 0;
}

/* As the receiver will see it */
static void fill_header(const struct sb_datagram_sock *ds,
			const struct sb_datagram_target *target, u32 bytes,
			struct sb_datagram *h)
{
	memset(h, 0, sizeof(*h));
	h->bytes = bytes;
	h->kind = SB_DATAGRAM_DATA;
	h->flags = SB_DATAGRAM_HOPS | SB_DATAGRAM_TOS | SB_DATAGRAM_LOCAL |
		   SB_DATAGRAM_INTERFACE;
	find_source(ds, target, &h->remote);
	memcpy(h->local, target->to.bytes, sizeof(h->local));
	h->interface = SB_LOOPBACK_INDEX;
	h->hops = sb_datagram_hops(&ds->sb, target);
	h->tos = sb_datagram_tos(&ds->sb, target);
}

struct sk_buff *sb_datagram_skb(u32 bytes, gfp_t gfp)
{
	u32 linear = min(bytes, LINEAR_BYTES);
	struct sk_buff *skb;
	int error;

	skb = alloc_skb_with_frags(sizeof(struct sb_datagram) + linear,
				   bytes - linear, PAGE_ALLOC_COSTLY_ORDER,
				   &error, gfp);
	if (!skb)
		return ERR_PTR(error);
	skb_reserve(skb, sizeof(struct sb_datagram));
	skb_put(skb, linear);
	skb->data_len = bytes - linear;
	skb->len = bytes;
	return skb;
}

/*
 * The memory of one datagram from another guest stays with its socket for the
 * next: to get and free it was an eighth of what a round costs the guests.
 */
struct sk_buff *sb_datagram_skb_again(struct sb_datagram_sock *ds, u32 bytes)
{
	struct sk_buff *skb = xchg(&ds->spare, NULL);

	if (skb) {
		if (bytes <= skb_end_offset(skb) - sizeof(struct sb_datagram)) {
			skb_reserve(skb, sizeof(struct sb_datagram));
			skb_put(skb, bytes);
			return skb;
		}
		kfree_skb(skb);
	}
	return sb_datagram_skb(bytes, GFP_ATOMIC);
}

/* Nobody else's, all in one piece, and of memory that is not scarce */
static bool may_keep(const struct sb_datagram_sock *ds,
		     const struct sk_buff *skb)
{
	return ds->last && !ds->spare && !skb_shared(skb) && !skb_cloned(skb) &&
	       !skb_is_nonlinear(skb) && !skb_pfmemalloc(skb);
}

void sb_datagram_skb_done(struct sb_datagram_sock *ds, struct sk_buff *skb)
{
	if (!may_keep(ds, skb)) {
		consume_skb(skb);
		return;
	}
	/* what it took of SO_RCVBUF */
	skb_orphan(skb);
	skb->len = 0;
	skb->data = skb->head;
	skb_reset_tail_pointer(skb);
	/* whoever exchanges it finds it empty */
	smp_store_release(&ds->spare, skb);
}

static struct sk_buff *build(struct sb_datagram_sock *ds,
			     const struct sb_datagram_target *target,
			     struct iov_iter *from, u32 bytes)
{
	struct sk_buff *skb = sb_datagram_skb(bytes, ds->sb.sk.sk_allocation);

	if (IS_ERR(skb))
		return skb;
	if (skb_copy_datagram_from_iter(skb, 0, from, bytes)) {
		kfree_skb(skb);
		return ERR_PTR(-EFAULT);
	}
	fill_header(ds, target, bytes, sb_datagram_header(skb));
	return skb;
}

/* Who asks only when it is there is told the time of that, as in Linux */
static bool wants_time(const struct sock *sk)
{
	return sock_flag(sk, SOCK_TIMESTAMP) ||
	       sock_flag(sk, SOCK_TIMESTAMPING_RX_SOFTWARE);
}

/* Takes the skb, whatever happens. A full queue drops */
bool sb_datagram_enqueue(struct sock *sk, struct sk_buff *skb)
{
	skb->tstamp = wants_time(sk) ? ktime_get_real() : 0;
	/* past SO_ATTACH_FILTER: there is no UDP header that it could look at */
	if (!__sock_queue_rcv_skb(sk, skb))
		return true;
	sb_count(&sb_counters.datagrams_dropped);
	kfree_skb(skb);
	return false;
}

static void enqueue(struct sock *sk, struct sk_buff *skb)
{
	if (sb_datagram_enqueue(sk, skb))
		sb_count(&sb_counters.datagrams_in_guest);
}

/* Nobody is there: what the sender would hear from the network */
static void refuse(struct sb_datagram_sock *ds, const struct sk_buff *skb,
		   const struct sb_address *to)
{
	bool v4 = to->family == SB_FAMILY_IPV4;
	struct sb_datagram h = {
		.bytes = min(skb_headlen(skb), SB_DATAGRAM_QUOTED),
		.kind = v4 ? SB_DATAGRAM_ERROR_ICMP : SB_DATAGRAM_ERROR_ICMP6,
		.error = ECONNREFUSED,
		.remote = *to,
		.icmp_type = v4 ? SB_PORT_UNREACH_TYPE4 : SB_PORT_UNREACH_TYPE6,
		.icmp_code = v4 ? SB_PORT_UNREACH_CODE4 : SB_PORT_UNREACH_CODE6,
	};

	memcpy(h.local, to->bytes, sizeof(h.local));
	sb_datagram_take_error(ds, &h, skb->data);
}

/**
 * struct copies - a datagram for a group
 * @skb: each member gets a clone
 * @to:  the group
 */
struct copies {
	struct sk_buff *skb;
	const struct sb_address *to;
};

static void copy_to_member(struct sb_sock *sb, void *arg)
{
	struct copies *copies = arg;
	struct sk_buff *skb;

	if (!sb_datagram_hears(sb, copies->to,
			       &sb_datagram_header(copies->skb)->remote))
		return;
	if (!sb_address_is_any(&sb->bound) &&
	    !sb_address_equal(&sb->bound, copies->to))
		return;
	/* a header of its own is not needed: nobody writes into it */
	skb = skb_clone(copies->skb, GFP_ATOMIC);
	if (skb)
		enqueue(&sb->sk, skb);
}

static void deliver_to_group(struct sb_datagram_sock *ds, struct sk_buff *skb,
			     const struct sb_address *to)
{
	struct copies copies = { .skb = skb, .to = to };
	const struct sb_options *o = &ds->sb.options;

	if (!(o->set & SB_OPTION_MULTICAST_LOOP) ||
	    o->flags & SB_OPTION_MULTICAST_LOOP)
		sb_port_visit_datagram(to->port, copy_to_member, &copies);
	consume_skb(skb);
}

static void deliver_to_port(struct sb_datagram_sock *ds, struct sk_buff *skb,
			    const struct sb_address *to)
{
	struct sb_sock *receiver;

	receiver = sb_port_find_datagram(to, &sb_datagram_header(skb)->remote);
	if (!receiver) {
		refuse(ds, skb, to);
		kfree_skb(skb);
		return;
	}
	enqueue(&receiver->sk, skb);
	sock_put(&receiver->sk);
}

/* An echo request to one of this guest's addresses answers itself */
static int answer_ping(struct sb_datagram_sock *ds, struct sk_buff *skb,
		       const struct sb_datagram_target *target)
{
	struct sb_datagram *h = sb_datagram_header(skb);
	struct sock *sk = &ds->sb.sk;
	int error;

	error = sb_datagram_ping_check(sk, skb->data);
	if (error) {
		kfree_skb(skb);
		return error;
	}
	memcpy(h->local, h->remote.bytes, sizeof(h->local));
	h->remote = target->to;
	sb_datagram_ping_answer(sk, skb);
	enqueue(sk, skb);
	return 0;
}

/* Ownership held. Returns @bytes, or -errno */
int sb_datagram_deliver(struct sb_datagram_sock *ds,
			const struct sb_datagram_target *target,
			struct iov_iter *from, u32 bytes)
{
	struct sk_buff *skb = build(ds, target, from, bytes);
	int error = 0;

	if (IS_ERR(skb))
		return PTR_ERR(skb);
	/* the port is known to somebody now, and stays */
	set_bit(SB_SOCK_PORT_TOLD, &ds->sb.flags);
	if (sb_datagram_is_ping(&ds->sb.sk))
		error = answer_ping(ds, skb, target);
	else if (sb_address_is_multicast(&target->to))
		deliver_to_group(ds, skb, &target->to);
	else
		deliver_to_port(ds, skb, &target->to);
	return error ? error : bytes;
}
