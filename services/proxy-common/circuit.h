/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * circuit.h - an entry of a line and its pages, whatever they are joined to
 *
 * A circuit is known from the first look at its entry until the guest takes
 * its pages back. It is idle between generations, with its pages mapped: so
 * the next use costs no hypercall.
 */
#ifndef PROXY_COMMON_CIRCUIT_H
#define PROXY_COMMON_CIRCUIT_H

#include "protocol/ring.h"
#include "services/proxy-common/line.h"

/**
 * struct circuit - what is known of an entry
 * @line:       its line
 * @shared:     the entry in the guest
 * @entry:      its number
 * @generation: the one in use, or the last one that was
 * @word:       our word as published, 0 when nothing was for @generation
 * @active:     a generation is in use
 * @order:      of the mapped areas
 * @pages:      mapped, 0: none
 * @base:       index page, then tx, then rx; the guest's
 * @tx:         ring from the guest
 * @rx:         ring to the guest
 * @question:   waits for a verdict
 * @held_next:  behind it in line.held
 * @held_back:  the pointer that points here while it waits for a token
 * @paid:       has its token
 * @left:       the program has closed it: nobody waits for its bells
 * @kept:       the kind has it on a list: not to be forgotten
 * @since_ms:   when this generation began
 */
struct circuit {
	struct line *line;
	struct sb_entry *shared;
	uint32_t entry;
	uint32_t generation;
	uint32_t word;
	bool active;
	uint8_t order;
	uint16_t pages;
	uint8_t *base;
	struct sb_reader tx;
	struct sb_writer rx;
	struct verdict_waiter question;
	struct circuit *held_next;
	struct circuit **held_back;
	bool paid;
	bool left;
	bool kept;
	uint64_t since_ms;
};

/* Look at an entry of which nothing is known yet, or at a known circuit */
void circuit_look(struct line *l, uint32_t entry);

/* The same for an active circuit, whose guest's word is @owner */
void circuit_follow(struct circuit *c, uint32_t owner);

/* A new generation is in use */
void circuit_begin(struct circuit *c, uint32_t generation);
/* One that another process began: our word is what that published */
void circuit_resume(struct circuit *c, uint32_t generation);
/*
 * Map the pages that the entry names, unless they are, and start its rings.
 * Return: 0 or -errno.
 */
int circuit_map(struct circuit *c);
/* The same, but the rings go on where they are. -EPROTO: they cannot */
int circuit_map_again(struct circuit *c);
void circuit_unmap(struct circuit *c);
/*
 * Copy what the guest wants out of the index page. Return: 0, or -EPROTO when
 * that is of another generation, or its addresses are no such thing.
 */
int circuit_read_call(const struct circuit *c, struct sb_call *call);
/* The guest's options, each word loaded once */
void circuit_copy_options(const struct circuit *c, struct sb_options *to);

/* TAKEN, without a bell: nobody waits for that */
void circuit_take(struct circuit *c);
/* Publish our word with these flags added and at least this state; ring */
void circuit_publish(struct circuit *c, uint32_t flags_and_state);
/**
 * circuit_end() - write CLOSED, let go of the socket
 * @error: errno, positive, or 0
 * @flags: SB_WORD_RESET or 0
 */
void circuit_end(struct circuit *c, uint32_t error, uint32_t flags);
/* The same for a guest that lied */
void circuit_end_liar(struct circuit *c, const char *what);
/* Answer a generation that never began: CLOSED and @error */
void circuit_refuse(struct circuit *c, uint32_t generation, uint32_t error);
/* Was this generation already answered CLOSED, by us? */
bool circuit_is_over(const struct circuit *c, uint32_t generation);

/* --- questions.c --- */

/* Nothing is known about the line's destinations. Return: 0 or -errno */
int questions_begin(struct line *l);
/* None of its circuits is active */
void questions_end(struct line *l);
/**
 * questions_find() - what does the operator say?
 *
 * Return: true with its answer; otherwise it was asked, and the circuit is
 * looked at when that is worth while.
 */
bool questions_find(struct circuit *c, const struct verdict_key *key,
		    struct verdict_answer *answer);
/* The operator's orders `verdict`, and `withdraw` */
void questions_answer(struct proxy *p, const struct ipc_verdict *verdict);
void questions_withdraw(struct line *l);
/* The timer of open questions */
void questions_due(struct loop_timer *timer);

/* --- tokens.c --- */

/*
 * Has the circuit its token? Otherwise it waits, behind others of its line
 * that wait, and is looked at when it has.
 */
bool tokens_pay(struct circuit *c);
/* It waits no longer */
void tokens_leave(struct circuit *c);
/* The timer of those that wait */
void tokens_due(struct loop_timer *timer);

static inline uint8_t *circuit_tx_area(const struct circuit *c)
{
	return c->base + SB_PAGE_BYTES;
}

static inline uint8_t *circuit_rx_area(const struct circuit *c)
{
	return circuit_tx_area(c) + sb_area_bytes(c->order);
}

#endif
