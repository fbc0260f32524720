/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * datagram_arrival.h - what datagram_receive.c and datagram_join.c share
 */
#ifndef SB_GUEST_DATAGRAM_ARRIVAL_H
#define SB_GUEST_DATAGRAM_ARRIVAL_H

#include "datagram.h"

/**
 * struct sb_arrival - the datagram that is to be received next
 * @header:  checked copy
 * @skb:     it is in the queue, or NULL
 * @payload: it is in the ring
 * @room:    bytes of the ring that its record takes
 */
struct sb_arrival {
	struct sb_datagram header;
	struct sk_buff *skb;
	const u8 *payload;
	u32 room;
};

/* The ring that is read now, and its bytes; spinlock or ownership held */
static inline struct sb_reader *sb_arrival_reader(struct sb_datagram_sock *ds)
{
	if (ds->old)
		return &ds->old_rx;
	return ds->sb.circuit ? &ds->sb.rx : NULL;
}

static inline const u8 *sb_arrival_area(const struct sb_datagram_sock *ds)
{
	return ds->old ? ds->old->area[SB_PEER] : ds->sb.rx_area;
}

/*
 * UDP_GRO: what follows the datagram in front, of which all was copied, and is
 * like it joins it, as far as there is room; @info of its header then says how
 * long each is. Ownership held. Returns: bytes in all.
 */
u32 sb_arrival_join(struct sb_datagram_sock *ds, struct sb_arrival *a,
		    struct msghdr *msg, size_t room);

#endif
