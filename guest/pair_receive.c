// SPDX-License-Identifier: GPL-2.0-only
/*
 * pair_receive.c - records of another guest, each to the socket it is for
 *
 * Nothing in a record is believed. Its header is copied once. Where it comes
 * from must be an address that the operator gave the other guest: of a guest
 * that calls us, what was admitted; of one that we call, what we have sent to.
 * Where it goes must be admitted, or belong to a socket that has sent
 * something there itself. What is forged is dropped and counted.
 *
 * A datagram is copied out of the ring once, into the queue of its socket, as
 * far as SO_RCVBUF goes: the ring never waits for a program, and a program
 * that does not read loses its own datagrams only. A run takes out a bounded
 * number.
 */
#include <linux/in6.h>

#include "pair.h"

/* A datagram's ends, as they were checked */
struct ends {
	struct sb_address from;
	struct sb_address to;
};

/* The end that a record names by local and info */
static void local_end(const struct sb_datagram *h, struct sb_address *a)
{
	memset(a, 0, sizeof(*a));
	a->family = h->remote.family;
	a->port = h->info;
	memcpy(a->bytes, h->local,
	       a->family == SB_FAMILY_IPV4 ? 4 : sizeof(a->bytes));
}

static bool read_ends(const struct sb_datagram *h, struct ends *ends)
{
	if (!sb_address_copy(&ends->to, &h->remote) || !ends->to.port ||
	    ends->to.scope || !h->info || h->info > U16_MAX)
		return false;
	local_end(h, &ends->from);
	return true;
}

/* ---- answers ---- */

static void answer(struct sb_pair *p, const struct sb_datagram *about,
		   const u8 *payload, u8 kind, u16 error, u32 bytes)
{
	struct sb_datagram h = *about;

	h.kind = kind;
	h.error = error;
	h.bytes = bytes;
	sb_pair_answer(p, &h, payload);
	sb_count(&sb_counters.direct_refused);
}

/* It may not come here (any more): its sender is to try another way */
static void give_back(struct sb_pair *p, const struct sb_datagram *h,
		      const u8 *payload)
{
	answer(p, h, payload, SB_DATAGRAM_ERROR_LOCAL, EREMCHG, h->bytes);
}

/* Nobody is there */
static void refuse(struct sb_pair *p, const struct sb_datagram *h,
		   const u8 *payload)
{
	u8 kind = h->remote.family == SB_FAMILY_IPV4 ? SB_DATAGRAM_ERROR_ICMP
						     : SB_DATAGRAM_ERROR_ICMP6;

	answer(p, h, payload, kind, ECONNREFUSED,
	       min(h->bytes, SB_DATAGRAM_QUOTED));
}

static void drop_forged(void)
{
	sb_count(&sb_counters.direct_refused);
	sb_count(&sb_counters.datagrams_dropped);
}

/* ---- may it? ---- */

static bool is_known(struct sb_pair *p, const struct sb_address *a)
{
	bool found = false;
	u32 i;

	spin_lock_bh(&p->lock);
	for (i = 0; i < p->known_count && !found; i++)
		found = sb_address_equal(&p->known[i], a);
	spin_unlock_bh(&p->lock);
	return found;
}

/* The other guest's own address, as far as we have been told? */
static bool is_theirs(struct sb_pair *p, const struct sb_address *a)
{
	return p->side == SB_OWNER ? is_known(p, a)
				   : sb_admission_has_from(p->admissions, a);
}

/* Errors are for those who have sent something, over this pair */
static bool has_met(const struct sb_pair *p, const struct sb_sock *sb)
{
	return test_bit(p->slot, sb_ds_of(sb)->met);
}

/* Of those that we call, only sockets that did so hear anything */
static bool may_hear(const struct sb_pair *p, const struct sb_sock *sb)
{
	return p->side == SB_PEER || has_met(p, sb);
}

/* May the other guest know that nobody is at this port (any more)? */
static bool was_there(const struct sb_pair *p, u16 port)
{
	return p->side == SB_PEER || test_bit(port, p->ports);
}

/* 0; EREMCHG: not here; EACCES: forged */
static int check(struct sb_pair *p, const struct ends *ends)
{
	if (p->side == SB_PEER)
		return sb_admission_check(p->admissions, SB_ENTRY_DATAGRAM,
					  &ends->from, &ends->to);
	if (!sb_address_is_own(&ends->to))
		return EACCES;
	/* it may well be theirs: on their own line they can say who they are */
	return is_known(p, &ends->from) ? 0 : EREMCHG;
}

/* ---- a datagram ---- */

static void fill_header(const struct sb_datagram *h, const struct ends *ends,
			struct sb_datagram *to)
{
	memset(to, 0, sizeof(*to));
	to->bytes = h->bytes;
	to->kind = SB_DATAGRAM_DATA;
	to->flags = (h->flags & (SB_DATAGRAM_HOPS | SB_DATAGRAM_TOS)) |
		    SB_DATAGRAM_LOCAL;
	to->remote = ends->from;
	memcpy(to->local, ends->to.bytes, sizeof(to->local));
	to->hops = h->hops;
	to->tos = h->tos;
}

/* Bounded by what the socket may hold, before any memory is asked for */
static void queue(struct sb_sock *sb, u8 slot, const struct sb_datagram *h,
		  const struct ends *ends, const u8 *payload)
{
	struct sock *sk = &sb->sk;
	struct sk_buff *skb = NULL;

	if (atomic_read(&sk->sk_rmem_alloc) < READ_ONCE(sk->sk_rcvbuf))
		skb = sb_datagram_skb_again(sb_ds_of(sb), h->bytes);
	if (IS_ERR_OR_NULL(skb)) {
		atomic_inc(&sk->sk_drops);
		sb_count(&sb_counters.datagrams_dropped);
		return;
	}
	skb_store_bits(skb, 0, payload, h->bytes);
	fill_header(h, ends, sb_datagram_header(skb));
	WRITE_ONCE(sb_ds_of(sb)->last, slot + 1);
	if (sb_datagram_enqueue(sk, skb))
		sb_count(&sb_counters.datagrams_direct_in);
}

static void take_datagram(struct sb_pair *p, const struct sb_datagram *h,
			  const u8 *payload)
{
	struct sb_sock *receiver;
	struct ends ends;
	int error = read_ends(h, &ends) ? check(p, &ends) : EACCES;

	if (error == EREMCHG)
		give_back(p, h, payload);
	else if (error)
		drop_forged();
	if (error)
		return;
	receiver = sb_port_find_datagram(&ends.to, &ends.from);
	if (receiver && may_hear(p, receiver))
		queue(receiver, p->slot, h, &ends, payload);
	else if (receiver || !was_there(p, ends.to.port))
		give_back(p, h, payload);
	else
		refuse(p, h, payload);
	if (receiver)
		sock_put(&receiver->sk);
}

/* ---- an error about what one of ours has sent ---- */

static void tell(struct sb_sock *sb, const struct sb_datagram *h,
		 const struct ends *ends, const u8 *payload)
{
	bool v4 = h->remote.family == SB_FAMILY_IPV4;
	struct sb_datagram told = {
		.bytes = min(h->bytes, SB_DATAGRAM_QUOTED),
		.kind = v4 ? SB_DATAGRAM_ERROR_ICMP : SB_DATAGRAM_ERROR_ICMP6,
		.error = ECONNREFUSED,
		.remote = ends->to,
		.icmp_type = v4 ? SB_PORT_UNREACH_TYPE4 : SB_PORT_UNREACH_TYPE6,
		.icmp_code = v4 ? SB_PORT_UNREACH_CODE4 : SB_PORT_UNREACH_CODE6,
	};

	memcpy(told.local, ends->to.bytes, sizeof(told.local));
	/* whoever has the socket finds sk_err, as in Linux */
	bh_lock_sock(&sb->sk);
	sb_datagram_take_error(sb_ds_of(sb), &told, payload);
	bh_unlock_sock(&sb->sk);
}

/* The other guest does not take it: by the proxy then, for this once or not */
static void take_back(struct sb_pair *p, struct sb_sock *sb,
		      const struct sb_datagram *h, const struct ends *ends,
		      const u8 *payload)
{
	struct sb_datagram again = {
		.bytes = h->bytes,
		.kind = SB_DATAGRAM_DATA,
		.flags = h->flags & (SB_DATAGRAM_HOPS | SB_DATAGRAM_TOS |
				     SB_DATAGRAM_LOCAL),
		.remote = ends->to,
		.hops = h->hops,
		.tos = h->tos,
		.info = h->info,
	};

	memcpy(again.local, h->local, sizeof(again.local));
	if (p->side == SB_OWNER)
		sb_direct_forget_place(&ends->to, SB_ENTRY_DATAGRAM);
	sb_pair_wait(sb_ds_of(sb), &again, payload, true,
		     p->side == SB_OWNER ? SB_DATAGRAM_PROXIED : 0);
}

static void take_error(struct sb_pair *p, const struct sb_datagram *h,
		       const u8 *payload)
{
	struct sb_sock *sender = NULL;
	struct ends ends;

	if (read_ends(h, &ends) && is_theirs(p, &ends.to))
		sender = sb_port_find_datagram(&ends.from, &ends.to);
	if (!sender) {
		drop_forged();
		return;
	}
	if (!has_met(p, sender))
		drop_forged();
	else if (h->kind != SB_DATAGRAM_ERROR_LOCAL)
		tell(sender, h, &ends, payload);
	else if (h->error == EREMCHG)
		take_back(p, sender, h, &ends, payload);
	sock_put(&sender->sk);
}

/* ---- the ring ---- */

static void take(struct sb_pair *p, const struct sb_datagram *h,
		 const u8 *payload)
{
	if (h->kind == SB_DATAGRAM_DATA)
		take_datagram(p, h, payload);
	else if (h->kind >= SB_DATAGRAM_ERROR_LOCAL &&
		 h->kind <= SB_DATAGRAM_ERROR_ICMP6)
		take_error(p, h, payload);
	else
		sb_count(&sb_counters.datagrams_dropped);
}

static void release(struct sb_pair *p, u32 room)
{
	struct sb_reader *r = &p->rx;

	if (room > sb_reader_run(r))
		p->circuit->used[!p->side] = r->size;
	sb_reader_advance(r, room);
	if (sb_reader_release(r))
		sb_circuit_ring(p->circuit, p->side);
}

/* The record in front of @held bytes. Bytes that it took, or -EPROTO */
static s64 take_one(struct sb_pair *p, u32 held)
{
	const u8 *at = p->rx_area + sb_reader_offset(&p->rx);
	struct sb_datagram header;
	s64 room;

	sb_datagram_copy(&header, at);
	room = sb_datagram_check(&header, held);
	if (room < 0)
		return room;
	take(p, &header, at + sizeof(header));
	release(p, room);
	/* a page is as much work as a bell */
	p->channel->more += 1 + room / PAGE_SIZE;
	return room;
}

bool sb_pair_receive(struct sb_pair *p)
{
	unsigned int budget = SB_RECORDS_PER_RUN;
	s64 held = sb_reader_available(&p->rx), room;

	for (;;) {
		if (!held)
			held = sb_reader_arm(&p->rx, SB_DATAGRAM_ALIGN);
		if (held <= 0 || !budget--)
			break;
		room = take_one(p, held);
		if (room < 0)
			return false;
		held -= room;
	}
	if (held > 0)
		/* the rest after the others have had their turn */
		sb_channel_recall(p->channel, p->circuit->number);
	return held >= 0;
}
