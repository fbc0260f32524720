/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * proxy.h - switchboard-proxy-tcp: circuits on one side, sockets on the other
 *
 *	operator --- orders.c --- line.c --- circuit.c --- call.c --- connect.c
 *	                            |            |-------- listen.c
 *	guest ------ proxy.c -------+            |-------- transfer.c --- network
 *	                                         +-------- options.c
 *
 * One thread. Bells, socket events and unfinished work all become one thing: a
 * bit in its line that says "look at this entry" (line_look_at()). Before the
 * loop sleeps, each line that has such bits gets a turn (line_run()), a
 * bounded number of entries long; a look at an entry moves at most one span
 * each way. So a guest's share of the process does not depend on how much it
 * rings, sends or receives.
 */
#ifndef PROXY_TCP_PROXY_H
#define PROXY_TCP_PROXY_H

#include "services/common/hypervisor.h"
#include "services/common/service.h"

struct line;
struct circuit;
struct verdict_key;

enum proxy_count {
	PROXY_SENT_BYTES, /* from guests to the network */
	PROXY_RECEIVED_BYTES, /* from the network to guests */
	PROXY_EVENTS, /* event channels found pending */
	PROXY_NOTIFICATIONS, /* event channels notified */
	PROXY_LOOKS, /* looks at entries */
	PROXY_CALLS, /* calls */
	PROXY_QUESTIONS, /* of which the operator was asked */
	PROXY_CALLS_HELD, /* calls that had to wait for a token */
	PROXY_CALLS_REFUSED, /* by the operator, or by limits */
	PROXY_STRAY_VERDICTS, /* answers that nobody waited for */
	PROXY_CONNECTED, /* of those, connected */
	PROXY_CONNECT_FAILED, /* of those, not */
	PROXY_LISTENS, /* orders to listen */
	PROXY_LISTEN_FAILED,
	PROXY_POSTED, /* circuits posted to listeners */
	PROXY_ACCEPTED, /* connections given to them */
	PROXY_RESETS, /* connections reset by their other end */
	PROXY_ENDED, /* circuits ended, for whatever reason */
	PROXY_LIES, /* indexes, words and entries that cannot be */
	PROXY_BAD_GRANTS, /* pages that could not be mapped */
	PROXY_THROTTLED, /* lines whose events came without cause */
	PROXY_NO_DESCRIPTOR, /* sockets that could not be had */
	PROXY_OPTIONS_FAILED, /* socket options the kernel refused */
	PROXY_COUNTS
};

extern const char *const proxy_count_name[PROXY_COUNTS];

/* Lines by domain id */
#define PROXY_BUCKETS 64u

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
 * @starved:  when listeners without descriptors and unsent reports try again
 * @tokens:   when calls that wait for a token are looked at
 * @questions: when open questions are looked after
 * @counts:   when the operator is told how many circuits there are, and late
 *            bells are rung
 * @epoch:    of the next line to be attached
 * @count:    for status
 */
struct proxy {
	struct service service;
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
	uint64_t count[PROXY_COUNTS];
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
/* The line wants a turn before the loop sleeps */
void proxy_queue(struct proxy *p, struct line *l);
/* Something could not be had just now: descriptors, room for a report */
void proxy_starve(struct proxy *p);

/* Calls of a line wait for tokens, or for answers */
void proxy_hold_calls(struct proxy *p);
void proxy_expect_answers(struct proxy *p);

/* orders.c: join the operator's pair; 0 or -errno */
int orders_init(struct proxy *p);
/* Ask it; false when that cannot be done now */
bool orders_ask(const struct line *l, const struct verdict_key *key);
/* Tell it which listeners ended; false when it cannot be told now */
bool orders_report_ended(struct proxy *p, struct line *l);
/* Tell it how many circuits there are, when that has changed */
void orders_report_counts(struct line *l);

/* status.c */
void status_fill(struct service *s, const struct ipc_survey *survey,
		 struct ipc_status *status);

#endif
