/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * line.h - a guest's line as the proxy holds it
 *
 * The guest's memory is mapped as far as it is needed: three pages when the
 * line is attached, a table page when an entry in it is first looked at.
 */
#ifndef PROXY_COMMON_LINE_H
#define PROXY_COMMON_LINE_H

#include "protocol/doorbell.h"
#include "services/common/bucket.h"
#include "services/common/log.h"
#include "services/common/verdicts.h"
#include "services/proxy-common/proxy.h"

#define LINE_DUE_WORDS (SB_DOORBELL_WORDS / 64)
/* Bells that wait for an event that is sent anyway */
#define LINE_LATER_MAX 64u

/**
 * struct line_page - a mapped page of the table
 * @shared:  in the guest
 * @circuit: what we know of its entries, NULL for those we know nothing of
 */
struct line_page {
	struct sb_table *shared;
	struct circuit *circuit[SB_ENTRIES_PER_PAGE];
};

/**
 * struct line - a guest's line
 * @proxy:     whose
 * @chain:     next in the same bucket
 * @next:      next that wants a turn
 * @queued:    wants a turn
 * @attach:    the operator's order: who, which, where, limits
 * @header:    shared
 * @doorbells: shared
 * @directory: shared
 * @ours:      bells that the guest rings
 * @theirs:    bells that we ring
 * @channel:   event channel
 * @masked:    its event was taken and not yet unmasked
 * @armed:     the guest sends events for its bells
 * @throttled: waits for the proxy's timer to be unmasked
 * @notify:    an event is to be sent at the end of the turn
 * @later:     entries whose bells go with the next event
 * @laters:    how many
 * @report_due: the kind has something to tell the operator behind the turn
 * @useful:    something came of this turn
 * @useless:   events in a row of which nothing came
 * @due:       entries to be looked at
 * @due_words: words of @due that have any
 * @cursor:    word of @due to go on with
 * @page:      table pages mapped so far
 * @verdicts:  what the operator said about destinations
 * @tokens:    for calls
 * @held:      circuits that wait for one
 * @held_end:  where the next of them is appended
 * @circuits:  in use
 * @standby:   of them, those that are no connections, but wait for some
 * @mapped:    circuits whose pages are mapped
 * @lies:      so far
 * @calls:     of the guest so far: connections, or sockets
 * @refused:   of them, and of what else it asked for
 * @told:      counts as the operator was told
 * @limit:     of the log
 */
struct line {
	struct proxy *proxy;
	struct line *chain;
	struct line *next;
	bool queued;
	struct ipc_attach attach;
	struct sb_line *header;
	struct sb_doorbells *doorbells;
	struct sb_directory *directory;
	struct sb_bells ours;
	struct sb_bells theirs;
	int channel;
	bool masked;
	bool armed;
	bool throttled;
	bool notify;
	uint16_t later[LINE_LATER_MAX];
	uint32_t laters;
	bool report_due;
	bool useful;
	uint32_t useless;
	uint64_t due[SB_DOORBELL_WORDS];
	uint64_t due_words[LINE_DUE_WORDS];
	uint32_t cursor;
	struct line_page *page[SB_TABLE_PAGES_MAX];
	struct verdicts verdicts;
	struct bucket tokens;
	struct circuit *held;
	struct circuit **held_end;
	uint32_t circuits;
	uint32_t standby;
	uint32_t mapped;
	uint64_t lies;
	uint64_t calls;
	uint64_t refused;
	struct ipc_counts told;
	struct log_limit limit;
};

/**
 * line_attach() - map a line and serve it
 * @order: says where it is
 * @why:   what was wrong with it, for a log
 *
 * Another process may have served it before: what that held goes to the kind's
 * take_over().
 *
 * Return: 0 or -errno.
 */
int line_attach(struct proxy *p, const struct ipc_attach *order,
		const char **why);
/* End its circuits, unmap everything, forget it */
void line_detach(struct line *l);

/* Look at an entry in the line's next turn; @entry below SB_ENTRIES_MAX */
void line_look_at(struct line *l, uint32_t entry);
/* The line's event channel was pending */
void line_event(struct line *l);
/* Take a turn. Return: true when it wants another */
bool line_run(struct line *l);

/* An entry in the guest, its page mapped when needed; NULL: no such entry */
struct sb_entry *line_entry(struct line *l, uint32_t entry);
/* What we know of an entry, or NULL */
struct circuit *line_circuit(const struct line *l, uint32_t entry);
/* The same, made when there is none; NULL: no such entry, or no memory */
struct circuit *line_circuit_make(struct line *l, uint32_t entry);
/* Nothing is to be known of it any more */
void line_circuit_free(struct circuit *c);
/* Call @visit for every circuit that is known; it must free none */
void line_for_each(const struct line *l,
		   void (*visit)(struct circuit *c, void *argument),
		   void *argument);

/* Ring the guest's bell */
void line_ring(struct line *l, uint32_t entry);
/*
 * The same when nobody waits for it: the bell goes with the line's next event,
 * or with an event of its own within LIMIT_COUNTS_MS.
 */
void line_ring_later(struct line *l, uint32_t entry);
/* Send an event for those */
void line_ring_now(struct line *l);
/* The kind has something to tell the operator: its report() is called */
void line_report(struct line *l);
/* Circuits that may be mapped at once */
static inline uint32_t line_mapped_max(const struct line *l)
{
	return l->proxy->kind->shares * l->attach.circuits_max;
}
/* Count and log something that an honest guest does not do */
void line_lie(struct line *l, const char *what, uint32_t entry);

#endif
