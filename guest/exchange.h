/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * exchange.h - circuits that grow and shrink while they are open
 *
 * grow.c decides when, exchange.c moves the stream.
 */
#ifndef SB_GUEST_EXCHANGE_H
#define SB_GUEST_EXCHANGE_H

/* ---- exchange.c: a stream goes on in another circuit; ownership held ---- */
/* May we offer another one now? */
bool sb_exchange_possible(const struct sb_sock *sb);
/* Offer @c, of the line and out of its pool, in place of the socket's */
void sb_exchange_offer(struct sb_sock *sb, struct sb_circuit *c);
/* Take in what the peer says about it; spinlock or ownership held */
void sb_exchange_look(struct sb_sock *sb);
/* The old ring is empty for good: read the new one. True when that is so now */
bool sb_exchange_read_on(struct sb_sock *sb);
/* Bytes of the old tx that the peer has not taken yet */
u32 sb_exchange_unsent(struct sb_sock *sb);
/*
 * Wait until no exchange is under way; lets go of the lock meanwhile. -EAGAIN:
 * bytes of the old circuit must be read first, or the peer takes its time
 */
int sb_exchange_settle(struct sb_sock *sb);
/* Flags that are about to be added to our word; spinlock or ownership held */
void sb_exchange_word_add(struct sb_sock *sb, u32 flags);
/* The socket gives its circuits back: the other ones, with these flags */
void sb_exchange_leave(struct sb_sock *sb, u32 flags);
/* The caller offers @c, in the tasklet. False: one is being looked at */
bool sb_exchange_offered(struct sb_sock *sb, struct sb_circuit *c);
/* The same, of whichever socket it is for; in the tasklet, under RCU */
void sb_exchange_take_offer(struct sb_callee *callee, u32 generation,
			    u32 replaces);
/* The socket was owned when that happened; its spinlock held */
void sb_exchange_look_at_offer(struct sb_sock *sb);

/* Offered, or not done with the old one yet */
static inline bool sb_exchange_pending(const struct sb_sock *sb)
{
	return sb->exchange.next || sb->exchange.old;
}

/* ---- grow.c: when, and how large ---- */
/* A program found a ring full; ownership held */
void sb_grow_crowded(struct sb_sock *sb);
/* The same, of one that does not wait for it alone */
void sb_grow_polled(struct sb_sock *sb);
/*
 * A program is about to work in place: as large a circuit as can be had within
 * moments; lets go of the lock meanwhile. 0, or as sb_exchange_settle()
 */
int sb_grow_for_program(struct sb_sock *sb);
/* The called guest's program wishes for one; spinlock or ownership held */
void sb_grow_look(struct sb_sock *sb);
/* Pages of a circuit larger than all are at first: false when there are too
 * many
 */
bool sb_grow_reserve(unsigned int order);
void sb_grow_release(unsigned int order);
/* The socket has no circuit any more */
void sb_grow_leave(struct sb_sock *sb);
/* Circuits that are larger than need be shrink, every few seconds */
void sb_grow_init(void);

#endif
