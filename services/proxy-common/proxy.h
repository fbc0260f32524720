/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * proxy.h - what every proxy is: lines on one side, sockets on the other
 *
 *	operator --- orders.c --- attach.c   questions.c, tokens.c
 *	                            |              |
 *	guest ------ proxy.c ---- line.c --- circuit.c --- the proxy's own kind
 *
 * One thread. Bells, socket events and unfinished work all become one thing: a
 * bit in its line that says "look at this entry" (line_look_at()). Before the
 * loop sleeps, each line that has such bits gets a turn (line_run()), a
 * bounded number of entries long; what a look at an entry may do is bounded by
 * its kind. So a guest's share of the process does not depend on how much it
 * rings, sends or receives.
 *
 * What an entry is joined to, and how, is the kind's affair: struct
 * proxy_kind. Its structures begin with struct line and struct circuit.
 */
#ifndef PROXY_COMMON_PROXY_H
#define PROXY_COMMON_PROXY_H

#include "services/common/hypervisor.h"
#include "services/common/service.h"

struct line;
struct circuit;
struct proxy;

/* What every proxy counts; a kind's own counts begin at PROXY_OWN_COUNTS */
enum proxy_count {
	PROXY_EVENTS, /* event channels found pending */
	PROXY_NOTIFICATIONS, /* event channels notified */
	PROXY_LOOKS, /* looks at entries */
	PROXY_ENDED, /* circuits ended, for whatever reason */
	PROXY_LIES, /* indexes, words and entries that cannot be */
	PROXY_BAD_GRANTS, /* pages that could not be mapped */
	PROXY_THROTTLED, /* lines whose events came without cause */
	PROXY_NO_DESCRIPTOR, /* sockets that could not be had */
	PROXY_OPTIONS_FAILED, /* socket options the kernel refused */
	PROXY_QUESTIONS, /* asked of the operator */
	PROXY_STRAY_VERDICTS, /* its answers that nobody waited for */
	PROXY_HELD, /* circuits that had to wait for a token */
	PROXY_OWN_COUNTS
};

#define PROXY_COUNTS_MAX 48u

/* Lines by domain id */
#define PROXY_BUCKETS 64u

/**
 * struct proxy_kind - what one proxy does with entries
 * @name:          of the service
 * @user:          that it runs as
 * @pair:          what the name of its pair with the operator begins with
 * @line_kind:     of its lines: enum sb_line_kind
 * @features:       SB_FEATURE_* that it uses, if the guest does
 * @shares:        how often a line may have circuits_max circuits mapped: once
 *                 for what is called, once more for what is anything else
 * @line_bytes:    of its lines, struct line first
 * @circuit_bytes: of its circuits, struct circuit first
 * @count_name:    names of its own counts
 * @counts:        how many, at most PROXY_COUNTS_MAX - PROXY_OWN_COUNTS
 * @line_begin:    a line is attached, nothing of it is looked at yet; 0 or
 *                 -errno. Or NULL
 * @line_end:      a line goes, its circuits have ended; or NULL
 * @line_again:    something that could not be had may be had now
 * @withdrawn:     what the operator said of the line's destinations holds no
 *                 more; or NULL
 * @report:        line.report_due: tell the operator, and clear that when there
 *                 is nothing more to tell. Return: false when it cannot be
 *                 told now. NULL when that is never set
 * @take_over:     an OFFERED entry that a process before this one answered,
 *                 or should have; its circuit is idle
 * @offered:       an OFFERED entry whose circuit is idle, or unknown
 * @go_on:         an active circuit whose guest's word is @owner, OFFERED
 * @ended:         the circuit ends: let go of the socket, and in @flags may be
 *                 SB_WORD_RESET. Called before CLOSED is written
 * @order:         an order that is not about lines or verdicts; or NULL
 * @list:          tell the operator what a line has, before the line itself is
 *                 listed; or NULL
 * @fill:          kind, state, addresses and counts of an active circuit
 * @is_shown:      has it a row? NULL: all have
 * @fill_line:     what a line's row has beyond that of any proxy; or NULL
 */
struct proxy_kind {
	const char *name;
	const char *user;
	const char *pair;
	uint16_t line_kind;
	uint32_t features;
	uint8_t shares;
	size_t line_bytes;
	size_t circuit_bytes;
	const char *const *count_name;
	unsigned int counts;
	int (*line_begin)(struct line *l);
	void (*line_end)(struct line *l);
	void (*line_again)(struct line *l);
	void (*withdrawn)(struct line *l);
	bool (*report)(struct line *l);
	void (*take_over)(struct line *l, uint32_t entry, uint32_t generation);
	void (*offered)(struct line *l, uint32_t entry, uint32_t generation);
	void (*go_on)(struct circuit *c, uint32_t owner);
	void (*ended)(struct circuit *c, uint32_t flags);
	void (*order)(struct proxy *p, const struct ipc_message *m);
	void (*list)(const struct line *l);
	void (*fill)(const struct circuit *c, struct ipc_circuit_row *row);
	bool (*is_shown)(const struct circuit *c);
	void (*fill_line)(const struct line *l, struct ipc_guest_row *row);
};

/**
 * struct proxy_channel - an event channel
 * @line: whose it is, or NULL
 */
struct proxy_channel {
	struct line *line;
};

/**
 * struct proxy - the process
 * @service:  loop, status, events
 * @kind:     what it does; set by proxy_main()
 * @operator: orders come, reports go
 * @port:     the hypervisor
 * @channels: its event channels
 * @line:     all lines, by domain
 * @lines:    how many
 * @by_channel: lines by their event channel
 * @channels_max: slots in @by_channel
 * @first:    lines that want a turn
 * @last:     the last of them
 * @unmask:   channels to be unmasked before the loop sleeps
 * @unmasks:  how many
 * @throttle: when lines with events without cause are heard again
 * @starved:  when the kind tries again what could not be had
 * @tokens:   when circuits that wait for a token are looked after
 * @questions: when open questions are looked after
 * @counts:   when the operator is told how much is in use, and late bells are
 *            rung
 * @epoch:    of the next line to be attached
 * @count:    for status: enum proxy_count, then the kind's own
 */
struct proxy {
	struct service service;
	const struct proxy_kind *kind;
	struct endpoint operator;
	struct hypervisor *port;
	struct loop_watch channels;
	struct line *line[PROXY_BUCKETS];
	unsigned int lines;
	struct proxy_channel *by_channel;
	unsigned int channels_max;
	struct line *first;
	struct line **last;
	int unmask[HYPERVISOR_BATCH];
	unsigned int unmasks;
	struct loop_timer throttle;
	struct loop_timer starved;
	struct loop_timer tokens;
	struct loop_timer questions;
	struct loop_timer counts;
	uint32_t epoch;
	uint64_t count[PROXY_COUNTS_MAX];
};

/* Take the loop's events of @p->port; return 0 or -errno */
int proxy_init(struct proxy *p);
/* End every line */
void proxy_fini(struct proxy *p);

/* A line's channel was bound: its events are the line's. 0 or -ENOMEM */
int proxy_channel_add(struct proxy *p, int channel, struct line *l);
void proxy_channel_remove(struct proxy *p, int channel);

/* The line of a guest, or NULL */
struct line *proxy_line_find(struct proxy *p, uint32_t domain, uint32_t number);
/* Call @visit for every line; it may detach that line */
void proxy_for_each_line(struct proxy *p, void (*visit)(struct line *l));
/* The line wants a turn before the loop sleeps */
void proxy_queue(struct proxy *p, struct line *l);
/* Something could not be had just now: the kind's line_again() is called */
void proxy_starve(struct proxy *p);

/* orders.c: join the operator's pair; 0 or -errno */
int orders_init(struct proxy *p);
/* Tell the operator how much of a line is in use, when that has changed */
void orders_report_counts(struct line *l);
/* Tell the operator something; what cannot be sent is logged */
void orders_report(struct proxy *p, const struct ipc_message *m);

/* status.c */
void status_fill(struct service *s, const struct ipc_survey *survey,
		 struct ipc_status *status);

#endif
