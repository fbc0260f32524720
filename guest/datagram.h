/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * datagram.h - what the datagram_*.c files tell each other
 *
 * A datagram socket is a stream socket's structure with more behind it: it has
 * a circuit like one, whose rings carry records (protocol/datagram.h). What
 * comes from inside the guest waits in sk_receive_queue as in Linux: an skb
 * whose header is a struct sb_datagram too, in front of its data.
 */
#ifndef SB_GUEST_DATAGRAM_H
#define SB_GUEST_DATAGRAM_H

#include <linux/skbuff.h>

#include "../protocol/datagram.h"
#include "switchboard.h"

/* Linux tells interfaces by index: lo always has this one */
#define SB_LOOPBACK_INDEX 1

/* How much of a datagram an error tells, as an ICMP error would */
#define SB_DATAGRAM_QUOTED 548u
/* Nobody is at a port */
#define SB_PORT_UNREACH_TYPE4 3
#define SB_PORT_UNREACH_CODE4 3
#define SB_PORT_UNREACH_TYPE6 1
#define SB_PORT_UNREACH_CODE6 4

/**
 * struct sb_datagram_target - where a datagram goes, and how
 * @to:       destination
 * @from:     source that the program asked for; family none: it did not
 * @hops:     valid when @flags says SB_DATAGRAM_HOPS
 * @tos:      valid when @flags says SB_DATAGRAM_TOS
 * @flags:    SB_DATAGRAM_*
 * @segment:  bytes of each datagram that the message is cut into, or 0
 * @in_guest: @to is this guest
 */
struct sb_datagram_target {
	struct sb_address to;
	struct sb_address from;
	u8 hops;
	u8 tos;
	u8 flags;
	u16 segment;
	bool in_guest;
};

/**
 * struct sb_datagram_cork - a datagram that is written in pieces
 * @target: of the first piece
 * @bytes:  there are so far
 * @data:   the pieces
 */
struct sb_datagram_cork {
	struct sb_datagram_target target;
	u32 bytes;
	u8 data[SB_DATAGRAM_MAX];
};

/**
 * struct sb_datagram_group - a multicast group that a socket has joined
 * @node:     in the socket's list
 * @address:  of the group, port 0
 * @in_guest: joined on lo: datagrams of this guest only
 * @only:     hears only its @sources; else everybody but them
 * @filters:  has had sources: @only stays as it is
 * @source_count: how many
 * @sources:  struct group_source, under groups_lock
 */
struct sb_datagram_group {
	struct list_head node;
	struct sb_address address;
	bool in_guest;
	bool only;
	bool filters;
	u16 source_count;
	struct list_head sources;
};

/* What becomes of a source of a group */
enum sb_source_change {
	SB_SOURCE_ADD, /* heard, and no others that are not added, too */
	SB_SOURCE_DROP, /* no longer */
	SB_SOURCE_BLOCK, /* not heard, while all others are */
	SB_SOURCE_UNBLOCK,
};

/**
 * struct sb_datagram_sock - a datagram socket
 * @sb:         must be first; sb.circuit is what is written to
 * @open:       the proxy has answered OPEN
 * @fresh:      the circuit is not offered yet: records first
 * @binding:    bind() waits for the answer, and tells it
 * @answer_awaited: how many wait for OPEN; nobody else is woken by it
 * @unpublished: the proxy does not have the port that was bound
 * @stay_small: there is no larger circuit for this socket
 * @reattach:   the circuit ended: the work item is to get another one
 * @from_queue: the next datagram comes from inside the guest, if there is one
 * @answer:     errno of a circuit that ended before it was open
 * @room:       what a datagram that found no room needed
 * @old:        a circuit that @sb.circuit replaces, or that ended, as long as
 *              there is something to read; or NULL
 * @old_tx:     of @old, in case it does not come to that
 * @old_rx:     of @old
 * @old_seen:   the peer's word of @old
 * @drops:      datagrams that former circuits lost
 * @told_drops: what the present one told
 * @peeked_empties: datagrams of no bytes in front that were peeked at
 * @refused:    the destination that could not be sent to
 * @refused_error: and why, until it is told
 * @groups:     joined, under groups_lock of datagram_group.c
 * @group_count: how many
 * @source_count: sources of all of them
 * @group_out:  interface for IPv4 and IPv6 multicast: lo, sb0 or 0
 * @group_address: what IP_MULTICAST_IF reads
 * @corked:     UDP_CORK is on
 * @cork:       pieces that wait, or NULL
 * @met:        pairs that it has sent over, whose answers it takes (pair.h)
 * @last:       the pair that was last used, and one; 0: none
 * @spare:      memory for the next datagram from a pair, or NULL: put there by
 *              who owns the socket, taken by whoever exchanges it
 * @blocked:    in the list of those that wait for a pair's room
 * @work:       gets another circuit; holds a reference while pending
 */
struct sb_datagram_sock {
	struct sb_sock sb;
	bool open;
	bool fresh;
	bool binding;
	bool unpublished;
	bool stay_small;
	bool reattach;
	bool from_queue;
	bool corked;
	int answer;
	u32 answer_awaited;
	u32 room;
	struct sb_circuit *old;
	struct sb_writer old_tx;
	struct sb_reader old_rx;
	u32 old_seen;
	u32 drops;
	u32 told_drops;
	u32 peeked_empties;
	struct sb_address refused;
	u16 refused_error;
	u16 group_count;
	u16 source_count;
	struct list_head groups;
	u32 group_out[2];
	__be32 group_address;
	struct sb_datagram_cork *cork;
	DECLARE_BITMAP(met, SB_PAIRS_MAX);
	u8 last;
	struct sk_buff *spare;
	struct list_head blocked;
	struct delayed_work work;
};

static inline struct sb_datagram_sock *sb_ds(const struct sock *sk)
{
	return container_of(sb_sk(sk), struct sb_datagram_sock, sb);
}

static inline struct sb_datagram_sock *sb_ds_of(const struct sb_sock *sb)
{
	return container_of(sb, struct sb_datagram_sock, sb);
}

static inline bool sb_datagram_is_ping(const struct sock *sk)
{
	return sk->sk_protocol != IPPROTO_UDP;
}

static inline bool sb_datagram_is_connected(const struct sock *sk)
{
	return sk->sk_state == TCP_ESTABLISHED;
}

/* The header in front of an skb's data */
static inline struct sb_datagram *sb_datagram_header(const struct sk_buff *skb)
{
	return (struct sb_datagram *)skb->head;
}

/* ---- datagram.c ---- */
/* A socket that is not bound gets a port */
int sb_datagram_autobind(struct sb_datagram_sock *ds);
void sb_datagram_write_space(struct sock *sk);
/* Ownership held: a record of @room bytes finds its place now */
bool sb_datagram_writable(struct sb_datagram_sock *ds);

/* ---- datagram_circuit.c; ownership held unless said otherwise ---- */
/* Is this socket one that others outside may know the port of? */
bool sb_datagram_wants_port(const struct sb_datagram_sock *ds);
/* A circuit that is not offered yet, with areas for @room bytes */
int sb_datagram_need_circuit(struct sb_datagram_sock *ds, u32 room, long timeo);
/* A larger one instead, not offered yet either; -EAGAIN: not now */
int sb_datagram_grow(struct sb_datagram_sock *ds);
/* With what is in it already */
void sb_datagram_offer(struct sb_datagram_sock *ds);
/* Give all circuits back */
void sb_datagram_leave(struct sb_datagram_sock *ds);
void sb_datagram_work(struct work_struct *work);
/* Have the work item look at the socket; spinlock or ownership held */
void sb_datagram_schedule(struct sb_datagram_sock *ds, unsigned long delay);
/* The peer's words, spinlock or ownership held */
void sb_datagram_look(struct sb_datagram_sock *ds);
void sb_datagram_lie(struct sb_datagram_sock *ds, const char *what);
/* Done with the old circuit; spinlock or ownership held */
void sb_datagram_forget_old(struct sb_datagram_sock *ds);

static inline bool sb_datagram_old_ended(const struct sb_datagram_sock *ds)
{
	return sb_word_state(ds->old_seen) == SB_WORD_CLOSED;
}

/* ---- datagram_room.c; ownership held ---- */
/* What was not shown to the peer yet */
void sb_datagram_flush(struct sb_datagram_sock *ds);
/* @room bytes were written: let the peer see, unless more come at once */
void sb_datagram_written(struct sb_datagram_sock *ds, u32 room, bool more);
/* A circuit with room for a record, waiting if need be; 0 or -errno */
int sb_datagram_make_room(struct sb_datagram_sock *ds, u32 room, long *timeo);
/* bind(): ask for the port, wait for the answer. 0, or bind()'s error */
int sb_datagram_publish(struct sb_datagram_sock *ds);
/* Wait until the proxy says which port it has, if somebody wants to know */
void sb_datagram_settle_port(struct sb_datagram_sock *ds);

/* ---- datagram_send.c ---- */
int sb_datagram_send(struct socket *sock, struct msghdr *msg, size_t bytes);
/* UDP_CORK was switched off: send what waits */
int sb_datagram_uncork(struct sb_datagram_sock *ds);
/* A record for the proxy; ownership held. @bytes, or -errno */
int sb_datagram_send_record(struct sb_datagram_sock *ds,
			    const struct sb_datagram_target *target,
			    struct iov_iter *from, u32 bytes, int flags);

/* ---- datagram_message.c: ancillary data ---- */
int sb_datagram_read_controls(struct sb_datagram_sock *ds, struct msghdr *msg,
			      struct sb_datagram_target *target);
void sb_datagram_put_controls(struct sb_datagram_sock *ds, struct msghdr *msg,
			      const struct sb_datagram *header, ktime_t time,
			      u32 drops);

/* ---- datagram_receive.c ---- */
int sb_datagram_receive(struct socket *sock, struct msghdr *msg, size_t bytes,
			int flags);
/* Is there a datagram? Errors in front are taken. Spinlock or ownership held */
bool sb_datagram_pending(struct sb_datagram_sock *ds);
/* Ask for a bell at the next one: true when it is there already */
bool sb_datagram_arm(struct sb_datagram_sock *ds);
/* Bytes of the next one, 0 for none; ownership held */
u32 sb_datagram_next_bytes(struct sb_datagram_sock *ds);

/* ---- datagram_queue.c: inside the guest ---- */
int sb_datagram_deliver(struct sb_datagram_sock *ds,
			const struct sb_datagram_target *target,
			struct iov_iter *from, u32 bytes);
/* An skb with room for a record's header, and data to be filled; or ERR_PTR */
struct sk_buff *sb_datagram_skb(u32 bytes, gfp_t gfp);
/* The same in softirq, with the memory of one that is done if it is enough */
struct sk_buff *sb_datagram_skb_again(struct sb_datagram_sock *ds, u32 bytes);
/* Out of the queue, and received; ownership held */
void sb_datagram_skb_done(struct sb_datagram_sock *ds, struct sk_buff *skb);
/* Takes the skb; false: the queue was full, and it is dropped and counted */
bool sb_datagram_enqueue(struct sock *sk, struct sk_buff *skb);
/* As the receiver is to see them */
u8 sb_datagram_hops(const struct sb_sock *sb,
		    const struct sb_datagram_target *target);
u8 sb_datagram_tos(const struct sb_sock *sb,
		   const struct sb_datagram_target *target);

/* ---- pair_send.c, pair_wait.c: straight to another guest; see pair.h ---- */
/* Ownership held. @bytes, -errno; -ENOLINK: it goes through the proxy */
int sb_pair_send(struct sb_datagram_sock *ds, struct sb_datagram_target *target,
		 struct iov_iter *from, u32 bytes, int flags);
/* The socket is released */
void sb_pair_unblock(struct sb_datagram_sock *ds);
/* The proxy gave a datagram back; spinlock or ownership held */
void sb_pair_given_back(struct sb_datagram_sock *ds,
			const struct sb_datagram *error, const u8 *payload);

/* ---- datagram_error.c ---- */
/* An error record; @payload may be NULL. Spinlock or ownership held */
void sb_datagram_take_error(struct sb_datagram_sock *ds,
			    const struct sb_datagram *header,
			    const u8 *payload);
int sb_datagram_receive_error(struct sock *sk, struct msghdr *msg,
			      size_t bytes);

/* ---- datagram_group.c: multicast ---- */
int sb_datagram_join(struct sb_datagram_sock *ds,
		     const struct sb_address *group, u32 interface);
int sb_datagram_part(struct sb_datagram_sock *ds,
		     const struct sb_address *group, u32 interface);
/* -EINVAL: no member, or one of the other way */
int sb_datagram_change_source(struct sb_datagram_sock *ds,
			      const struct sb_address *group,
			      const struct sb_address *source, u32 interface,
			      enum sb_source_change change);
/*
 * The peer is told of all groups. False: there is no room for all of them now,
 * which a new circuit always has
 */
bool sb_datagram_rejoin(struct sb_datagram_sock *ds);
/* Another peer came to the circuit of @sb, under RCU: it knows of no groups */
void sb_datagram_peer_is_new(struct sb_sock *sb);
bool sb_datagram_joined_outside(const struct sb_datagram_sock *ds);
/* Is @sb a member of the group on lo, and hears this one? */
bool sb_datagram_hears(struct sb_sock *sb, const struct sb_address *group,
		       const struct sb_address *source);
void sb_datagram_part_all(struct sb_datagram_sock *ds);
/* An interface of this guest by index or IPv4 address: its index, or 0 */
u32 sb_datagram_interface(u32 index, __be32 address);

/* ---- datagram_ping.c ---- */
/* Bytes of an ICMP header, checked and changed before it is sent */
#define SB_PING_BYTES 8
int sb_datagram_ping_check(const struct sock *sk, u8 *header);
/* An echo request becomes the answer that this guest gives */
void sb_datagram_ping_answer(const struct sock *sk, struct sk_buff *skb);
/* The answer to this socket's request, whatever number it had outside */
void sb_datagram_ping_renumber(const struct sock *sk, u8 *header);

/* ---- datagram_options.c ---- */
const struct sb_option *sb_datagram_option_find(int level, int name);
/* sb.options as they should be now; true when they changed */
bool sb_datagram_options_collect(struct sb_datagram_sock *ds);
/* The peer is told when they did: whenever there is time for it */
void sb_datagram_options_tell(struct sb_datagram_sock *ds);
/* The same for those of SOL_SOCKET, which change without our knowing */
void sb_datagram_options_look(struct sb_datagram_sock *ds);

#endif
