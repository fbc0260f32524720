/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * verdicts.h - what the operator said about a line's destinations
 *
 * A proxy asks the operator about each destination of a guest once; the
 * verdict is used for every later call, until it is withdrawn. While a
 * question is open everybody who wants the same answer waits for it.
 *
 * Guests choose the destinations, so everything is bounded: verdicts that are
 * kept (the one that was not used for longest makes room), questions that are
 * open at once (who comes later waits in a crowd), how long a question may
 * take (then it is ENETUNREACH) and how long a refusal is kept. All memory is
 * allocated once, for each line; it is touched as it is used.
 *
 * A verdict about a bound source, or about binding, holds for one use: it
 * depends on who listens where, which changes. So does one that says that
 * another line goes straight there.
 */
#ifndef SERVICES_COMMON_VERDICTS_H
#define SERVICES_COMMON_VERDICTS_H

#include <stdbool.h>
#include <stdint.h>

#include "ipc/messages.h"

#define VERDICT_BUCKETS 1024u

struct verdict;
struct verdicts;

/**
 * struct verdict_key - what a question is about
 * @kind:   enum ipc_question_kind
 * @remote: valid and unmapped, with its port
 * @source: the same, or family none
 */
struct verdict_key {
	uint32_t kind;
	struct sb_address remote;
	struct sb_address source;
};

/**
 * struct verdict_answer - a verdict, copied out
 * @error:  0, or an errno for the guest
 * @direct: goes over a line to another guest
 * @to:     where to; never of family none when @error is 0
 * @from:   bind to it first; or family none
 */
struct verdict_answer {
	uint32_t error;
	bool direct;
	struct sb_address to;
	struct sb_address from;
};

/**
 * struct verdict_waiter - somebody who waits for an answer
 * @next: private; both are NULL while it waits for nothing
 * @back: private
 *
 * Embedded in a circuit, zero-initialised.
 */
struct verdict_waiter {
	struct verdict_waiter *next;
	struct verdict_waiter *back;
};

/**
 * struct verdicts - those of one line
 * @ask:  ask the operator. Return: true when that is on its way; otherwise it
 *        is tried again by verdicts_sweep()
 * @wake: there is an answer, or room for the question: look again. It is
 *        called from inside this module: only mark the circuit there
 * @questions: open ones
 * @known: answers that are kept
 *
 * @ask and @wake are set by the owner, everything else by verdicts_init().
 */
struct verdicts {
	bool (*ask)(struct verdicts *v, const struct verdict_key *key);
	void (*wake)(struct verdict_waiter *w);
	uint32_t questions;
	uint32_t known;
	uint64_t seed;
	struct verdict *slot;
	struct verdict *bucket[VERDICT_BUCKETS];
	struct verdict *unused;
	uint32_t fresh;
	struct verdict_waiter crowd;
	struct verdict_waiter open;
	struct verdict_waiter answered;
};

/**
 * verdicts_init() - nothing is known
 * @seed: of the hash: not known to guests
 *
 * Return: 0 or -ENOMEM.
 */
int verdicts_init(struct verdicts *v, uint64_t seed);
/* Nobody may be waiting any more */
void verdicts_fini(struct verdicts *v);

/*
 * Is the answer known? Return: true with a copy of it. What holds for one use
 * is then forgotten.
 */
bool verdicts_find(struct verdicts *v, const struct verdict_key *key,
		   uint64_t now_ms, struct verdict_answer *answer);

/*
 * The answer is not known: ask, unless that was done, and wait. @w is woken
 * when it is worth to call verdicts_find() and, after that, this again.
 */
void verdicts_wait(struct verdicts *v, const struct verdict_key *key,
		   uint64_t now_ms, struct verdict_waiter *w);

/* Wait no longer; nothing when it does not */
void verdicts_leave(struct verdict_waiter *w);
static inline bool verdicts_waits(const struct verdict_waiter *w)
{
	return w->next;
}

/*
 * The operator's order `verdict`. Return: false when nobody had asked, then it
 * changes nothing.
 */
bool verdicts_answer(struct verdicts *v, const struct ipc_verdict *verdict,
		     uint64_t now_ms);

/* The operator's order `withdraw`: forget what is known; questions stay open */
void verdicts_withdraw(struct verdicts *v);

/* Another operator may be there: all open questions are asked again */
void verdicts_ask_again(struct verdicts *v, uint64_t now_ms);

/*
 * Once in LIMIT_VERDICTS_SWEEP_MS while verdicts_busy(): questions that could
 * not be asked are, and those whose answer may have been lost; those that
 * nobody answers end; the crowd moves up.
 */
void verdicts_sweep(struct verdicts *v, uint64_t now_ms);
bool verdicts_busy(const struct verdicts *v);

#endif
