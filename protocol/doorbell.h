/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * doorbell.h - "look at circuit n", without an event for every bell
 *
 * Ringing sets the entry's bit, then the summary bit that covers it. Only the
 * ring that finds the summary empty and the other side armed sends an event:
 * whoever found it occupied knows that its first bell has sent, or is about
 * to send, one. Answering takes the summary, then the words it names, each in
 * one exchange, so that a bell rung meanwhile is seen now or next time.
 *
 * A side is armed while it sleeps. Before it sleeps it arms and looks at its
 * summary once more; when it wakes it disarms, and works until the summary
 * is empty.
 */
#ifndef SWITCHBOARD_DOORBELL_H
#define SWITCHBOARD_DOORBELL_H

#include "line.h"

/* A summary bit covers this many words, a word 64 entries */
#define SB_SUMMARY_WORDS (SB_DOORBELL_WORDS / 64)

/**
 * struct sb_bells - the doorbells of one direction
 * @summary: in the line's header
 * @word:    SB_DOORBELL_WORDS words in the doorbell page
 * @armed:   written by the side that answers these bells
 */
struct sb_bells {
	uint64_t *summary;
	uint64_t *word;
	uint32_t *armed;
};

static inline struct sb_bells sb_bells_to_owner(struct sb_line *line,
						struct sb_doorbells *bells)
{
	struct sb_bells b = { &line->to_owner, bells->to_owner,
			      &line->owner_armed };

	return b;
}

static inline struct sb_bells sb_bells_to_peer(struct sb_line *line,
					       struct sb_doorbells *bells)
{
	struct sb_bells b = { &line->to_peer, bells->to_peer,
			      &line->peer_armed };

	return b;
}

/**
 * sb_bells_ring() - ask the other side to look at an entry
 * @b:     its bells
 * @entry: below SB_ENTRIES_MAX
 *
 * Return: true when an event must be sent.
 */
static inline bool sb_bells_ring(const struct sb_bells *b, uint32_t entry)
{
	uint32_t word = entry / 64;
	uint64_t bit = 1ull << (word / SB_SUMMARY_WORDS);

	if (sb_fetch_or64(&b->word[word], 1ull << (entry % 64)) &
	    1ull << (entry % 64))
		return false;
	if (sb_fetch_or64(b->summary, bit))
		return false;
	return sb_load_full(b->armed) != 0;
}

/**
 * sb_bells_resume() - take over the ringing from a process that died
 * @b: the other side's bells
 *
 * It may have died halfway: a bit without the summary, or a summary without
 * the event, would keep every later ring of that entry silent. Send an event
 * after this, whatever the other side is doing. Bells rung at the dead
 * process may be lost: look at every entry once.
 */
static inline void sb_bells_resume(const struct sb_bells *b)
{
	sb_fetch_or64(b->summary, ~0ull);
}

/**
 * sb_bells_arm() - the side that answers is about to sleep
 * @b: its bells
 *
 * Return: true when it may; false when there are bells to answer first, and
 * it is not armed.
 */
static inline bool sb_bells_arm(const struct sb_bells *b)
{
	sb_store_full(b->armed, 1);
	if (sb_load64(b->summary) == 0)
		return true;
	/* or every bell of a busy line would send an event */
	sb_store(b->armed, 0);
	return false;
}

static inline void sb_bells_disarm(const struct sb_bells *b)
{
	sb_store(b->armed, 0);
}

/* Take all summary bits; 0 when no bell was rung */
static inline uint64_t sb_bells_take_summary(const struct sb_bells *b)
{
	return sb_load64(b->summary) ? sb_exchange64(b->summary, 0) : 0;
}

/* Take the bells of word @word, which the summary named */
static inline uint64_t sb_bells_take_word(const struct sb_bells *b,
					  uint32_t word)
{
	return sb_load64(&b->word[word]) ? sb_exchange64(&b->word[word], 0) : 0;
}

#endif
