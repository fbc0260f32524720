/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pair.h - datagrams straight to and from another guest
 *
 * A pair is the one circuit of kind DATAGRAM of a direct line: all datagrams
 * of all sockets of the guest that owns the line go to the other guest over
 * it, and the answers come back over it. It is the kernels' own, no socket's
 * and no program's: the kernel that receives puts each datagram into the queue
 * of the socket that it is for, as it does with those of its own guest.
 */
#ifndef SB_GUEST_PAIR_H
#define SB_GUEST_PAIR_H

#include "datagram.h"

/**
 * struct sb_pair - one end of such a circuit
 * @circuit: given back when the pair ends
 * @channel: of its line
 * @line:    the line's number, of the owner's end
 * @admissions: what may come from the other guest; the peer's end
 * @side:    enum sb_side of ours
 * @slot:    its number among the pairs, for sb_datagram_sock.met
 * @lock:    guards what follows up to @known_count; inside a socket's lock
 * @over:    nobody touches the circuit any more
 * @broken:  the other end lied about what it consumed
 * @waiting: somebody waits for room
 * @stalled: for so long that datagrams are dropped instead
 * @mark:    the other's index when that was last looked at
 * @tx:      what we write
 * @tx_area: mapped twice in a row
 * @known:   addresses of the other guest that were sent to; the owner's end
 * @known_count: how many
 * @ports:   of ours that something was sent from, a bit for each; the owner's
 *           end
 * @rx:      what we read; the tasklet's alone
 * @rx_area: mapped twice in a row
 */
struct sb_pair {
	struct sb_circuit *circuit;
	struct sb_channel *channel;
	u16 line;
	struct sb_admissions *admissions;
	u8 side;
	u8 slot;
	spinlock_t lock;
	bool over;
	bool broken;
	bool waiting;
	bool stalled;
	u32 mark;
	struct sb_writer tx;
	u8 *tx_area;
	struct sb_address known[SB_ADDRESSES_MAX];
	u32 known_count;
	unsigned long *ports;
	struct sb_reader rx;
	const u8 *rx_area;
	struct rcu_head rcu;
};

/* ---- pair.c: beginning, end, bells ---- */
/* The owner's end on one of our lines; under RCU; or NULL */
struct sb_pair *sb_pair_of_line(u16 line);
/* The peer's end on a line of the guest that has this address; or NULL */
struct sb_pair *sb_pair_that_calls(const struct sb_address *from);
/* Have one on our line. Process context. 0 or -errno */
int sb_pair_call(u16 line);
/* Over, for good; @flags are added to our word */
void sb_pair_end(struct sb_pair *p, u32 flags);
/* Lock held: @ds is woken when there is room. True: there is already */
bool sb_pair_block(struct sb_pair *p, struct sb_datagram_sock *ds, u32 room);

/* ---- pair_send.c ---- */
/* The record of a datagram of this socket; false: it has no source there */
bool sb_pair_describe(const struct sb_datagram_sock *ds,
		      const struct sb_datagram_target *target, u32 bytes,
		      struct sb_datagram *header);
/*
 * Put a record of @ds into the ring; under RCU. 0, or -EPIPE: the pair is
 * over; -EMSGSIZE: it never fits; -EFAULT: pages are to be faulted in; -EAGAIN:
 * no room, and if @waits @ds will be woken; -ENOBUFS: nobody makes any
 */
int sb_pair_put(struct sb_pair *p, struct sb_datagram_sock *ds,
		const struct sb_datagram *header, struct iov_iter *from,
		bool waits);
/* An answer about a record that came, if there is room; the tasklet's */
void sb_pair_answer(struct sb_pair *p, const struct sb_datagram *header,
		    const u8 *payload);

/* ---- pair_receive.c ---- */
/* What is in the ring. False: it is a lie. In the tasklet, under RCU */
bool sb_pair_receive(struct sb_pair *p);

/* ---- pair_wait.c: datagrams whose way is not known yet ---- */
/* @header as on a direct line; @flags of the record if it goes by the proxy */
void sb_pair_wait(struct sb_datagram_sock *ds, const struct sb_datagram *header,
		  const u8 *payload, bool proxied, u8 flags);

#endif
