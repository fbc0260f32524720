// SPDX-License-Identifier: GPL-2.0-only
/*
 * datagram_join.c - UDP_GRO: datagrams that are alike are received together
 *
 * Linux joins what a network card received together. Here it is what waits
 * behind the first one, in the same place: of one sender, one length - the last
 * may be shorter - and with the same ancillary data.
 */
#include <linux/uio.h>

#include "datagram_arrival.h"

/* As many as Linux joins */
#define JOINED_MAX 64

/**
 * struct joined - what one message holds
 * @last:  header of the last datagram
 * @bytes: of all
 * @room:  bytes that the program has for them
 * @count: datagrams
 */
struct joined {
	struct sb_datagram last;
	u32 bytes;
	u32 room;
	u32 count;
};

/* As long as the first, or shorter and then the last of them */
static bool may_follow(const struct sb_arrival *a, const struct joined *j,
		       const struct sb_datagram *next)
{
	const struct sb_datagram *first = &a->header;

	return next->kind == first->kind && next->flags == first->flags &&
	       next->bytes && next->bytes <= first->bytes &&
	       next->bytes <= j->room - j->bytes &&
	       next->remote.port == first->remote.port &&
	       sb_address_equal(&next->remote, &first->remote) &&
	       !memcmp(next->local, first->local, sizeof(first->local)) &&
	       next->interface == first->interface &&
	       next->hops == first->hops && next->tos == first->tos;
}

static bool copy_whole(const u8 *from, u32 bytes, struct iov_iter *to)
{
	size_t copied = copy_to_iter(from, bytes, to);

	if (copied == bytes)
		return true;
	iov_iter_revert(to, copied);
	return false;
}

/* Their records are taken with the first one's, by its @room */
static bool join_from_ring(struct sb_datagram_sock *ds, struct sb_arrival *a,
			   struct joined *j, struct msghdr *msg)
{
	struct sb_reader *r = sb_arrival_reader(ds);
	u32 held = sb_reader_held(r) - a->room;
	const u8 *at;
	s64 room;

	if (!held)
		return false;
	at = sb_arrival_area(ds) +
	     ((sb_reader_offset(r) + a->room) & (r->size - 1));
	sb_datagram_copy(&j->last, at);
	room = sb_datagram_check(&j->last, held);
	if (room < 0 || !may_follow(a, j, &j->last) ||
	    !copy_whole(at + sizeof(j->last), j->last.bytes, &msg->msg_iter))
		return false;
	a->room += room;
	return true;
}

/* Others only append to the queue: the first one stays until it is taken */
static bool join_from_queue(struct sb_datagram_sock *ds, struct sb_arrival *a,
			    struct joined *j, struct msghdr *msg)
{
	struct sk_buff_head *queue = &ds->sb.sk.sk_receive_queue;
	struct sk_buff *next;

	spin_lock_bh(&queue->lock);
	next = skb_peek_next(a->skb, queue);
	spin_unlock_bh(&queue->lock);
	if (!next)
		return false;
	j->last = *sb_datagram_header(next);
	if (!may_follow(a, j, &j->last) ||
	    skb_copy_datagram_msg(next, 0, msg, j->last.bytes))
		return false;
	skb_unlink(next, queue);
	consume_skb(next);
	return true;
}

u32 sb_arrival_join(struct sb_datagram_sock *ds, struct sb_arrival *a,
		    struct msghdr *msg, size_t room)
{
	struct joined j = { .last = a->header,
			    .bytes = a->header.bytes,
			    .room = min_t(size_t, room, SB_DATAGRAM_MAX_IPV4),
			    .count = 1 };

	while (j.count < JOINED_MAX && j.last.bytes == a->header.bytes &&
	       (a->skb ? join_from_queue(ds, a, &j, msg)
		       : join_from_ring(ds, a, &j, msg))) {
		j.bytes += j.last.bytes;
		j.count++;
		a->header.drops = j.last.drops;
	}
	if (j.count > 1)
		a->header.info = a->header.bytes;
	return j.bytes;
}
