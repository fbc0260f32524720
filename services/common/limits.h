/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * limits.h - every limit of the Dom0 side, in one place
 *
 * What the protocol fixes is in protocol/, what the messages fix in
 * ipc/messages.h. A limit here bounds what guests, however many and however
 * hostile, can make a service hold or do.
 */
#ifndef SERVICES_COMMON_LIMITS_H
#define SERVICES_COMMON_LIMITS_H

/* Logs: lines per cause, then silence until the interval is over */
#define LOG_LIMIT_BURST 5u
#define LOG_LIMIT_MS 10000u

/* Configuration */
#define LIMIT_CONFIG_BYTES 1048576u
#define LIMIT_GUESTS 256u
#define LIMIT_PROXIES 32u
#define LIMIT_GUEST_ADDRESSES 8u
#define LIMIT_NAME_SERVERS 3u
#define LIMIT_RULES 256u /* connect or publish, of one guest */
#define LIMIT_RULE_PORTS 64u /* ports or ranges in one rule */

/* What a guest may hold unless its configuration says otherwise */
#define LIMIT_CIRCUITS_DEFAULT 4096u
#define LIMIT_LISTENERS_DEFAULT 64u
#define LIMIT_LISTENERS_MAX 1024u

/* Requests: a bucket of tokens for each guest */
#define LIMIT_REQUESTS_PER_S_DEFAULT 4000u
#define LIMIT_REQUESTS_PER_S_MAX 1000000u
#define LIMIT_REQUEST_BURST_DEFAULT 2048u
#define LIMIT_REQUEST_BURST_MAX 1000000u

/* Work for one guest in one wake-up before the next has its turn */
#define LIMIT_TRUNK_BURST 32u
#define LIMIT_LINE_BURST 256u
/* Bytes moved at once, each way, by one look at a circuit */
#define LIMIT_SPAN_BYTES 262144u
/* Connections accepted by one look at a listener */
#define LIMIT_ACCEPT_BURST 16u
/* Backlog of a listener, whatever the guest asks for */
#define LIMIT_BACKLOG_MAX 4096u
/* Circuits of the guest's pool that stay mapped beyond those it may use */
#define LIMIT_LINE_MAPPED_SPARE 256u

/* Events of which nothing came, in a row, before a line has to wait */
#define LIMIT_LINE_USELESS_EVENTS 64u
#define LIMIT_LINE_THROTTLE_MS 5u

/* Descriptors of a proxy: what it asks for when it starts */
#define LIMIT_DESCRIPTORS 262144u
/* How often the operator is told how many circuits there are */
#define LIMIT_COUNTS_MS 1000u
/* How often calls beyond their rate are looked at */
#define LIMIT_CALLS_MS 5u
/* How long a proxy waits when it got no descriptor */
#define LIMIT_STARVED_MS 100u

/* Answers to a guest that does not read its trunk */
#define LIMIT_TRUNK_ANSWERS 256u
/* Lies on one trunk before it is taken away */
#define LIMIT_TRUNK_LIES 64u

/* How long a request waits for a proxy that is away */
#define LIMIT_PROXY_AWAY_MS 2000u
/*
 * When its guests lose their lines, and with them what is connected or waits
 * to be, unless the configuration says: one that was started anew is back
 * before, on a busy machine too
 */
#define LIMIT_PROXY_AWAY_S_DEFAULT 10u
#define LIMIT_PROXY_AWAY_S_MAX 3600u

/* Verdicts kept of a line, and questions about others that are open at once */
#define LIMIT_LINE_VERDICTS 1024u
#define LIMIT_LINE_QUESTIONS 128u
/* When a question is asked again, when it ends, how long a refusal is kept */
#define LIMIT_ASK_AGAIN_MS 2000u
#define LIMIT_QUESTION_MS 30000u
#define LIMIT_REFUSAL_MS 1000u
/* How often lines with open questions are looked after */
#define LIMIT_VERDICTS_SWEEP_MS 100u

/* Direct lines: of all guests, how long one may take, after one that failed */
#define LIMIT_INTRODUCTIONS 1024u
#define LIMIT_INTRODUCTION_MS 5000u
#define LIMIT_INTRODUCTION_AGAIN_MS 10000u
/* Destinations that wait for one line */
#define LIMIT_INTRODUCTION_WAITS 16u

/*
 * Datagrams
 */
/* Records moved by one system call, and each way by one look at a circuit */
#define LIMIT_RECORD_BATCH 32u
#define LIMIT_RECORD_BURST 128u
/* Errors taken from a socket's queue by one look, and what they quote */
#define LIMIT_ERROR_BURST 16u
#define LIMIT_QUOTED_BYTES 512u
/* Places for datagrams that are to come are not laid out for less */
#define LIMIT_EXPECTED_LEAST 192u
#define LIMIT_PLACES_LEAST 2u
/* What the kernel may keep for a socket, and for all sockets of a line */
#define LIMIT_SOCKET_BUFFER_LEAST 16384u
#define LIMIT_SOCKET_BUFFER_DEFAULT 212992u
#define LIMIT_SOCKET_BUFFER_MAX 1048576u
#define LIMIT_LINE_BUFFER_BYTES 67108864u
/*
 * Sockets of a line from which on those that are idle go to rest, how many of
 * them when another is opened, how many are looked at for that, and how long
 * one is not idle: an answer may be on its way
 */
#define LIMIT_LINE_OUTLETS 1024u
#define LIMIT_REST_BURST 4u
#define LIMIT_REST_LOOKS 64u
#define LIMIT_OUTLET_IDLE_MS 5000u
/* Sockets of a line that are kept for the next one */
#define LIMIT_LINE_SPARES 8u
/* Received datagrams without room: of a socket, and bytes of a line */
#define LIMIT_PENDING (LIMIT_RECORD_BATCH + 1u)
#define LIMIT_PENDING_BYTES 2097152u
/* How long one that is too large waits for a larger circuit */
#define LIMIT_EXCHANGE_MS 2000u
/* How long answers are let in after their destination's verdict is withdrawn */
#define LIMIT_WITHDRAWN_MS 2000u

/* Status surveys and the tool */
#define LIMIT_SURVEY_MS 500u
#define LIMIT_TOOL_MS 3000u

/* At what interval services look after themselves: watchdog, peers */
#define LIMIT_HOUSEKEEPING_MS 1000u

/*
 * The monitor
 */
/* Services that are watched, each with two nanomsg sockets */
#define MONITOR_SERVICES_MAX 32u
/* Rows kept of one service */
#define MONITOR_CIRCUITS_MAX 2048u
#define MONITOR_GUESTS_MAX 256u
/* Messages that one answer is spread over at most */
#define MONITOR_PARTS_MAX (MONITOR_CIRCUITS_MAX / 128u)
/* Latest events and seconds that are kept */
#define MONITOR_EVENTS_MAX 200u
#define MONITOR_SAMPLES_MAX 120u

/* Surveys */
#define MONITOR_SURVEY_EVERY_MS 1000u
#define MONITOR_SURVEY_END_MS (24u * 3600u * 1000u)
#define MONITOR_OVERDUE_MS 5000
#define MONITOR_AWAY_AFTER_MS 2500
/* All circuits are asked for as long as somebody wants to see them */
#define MONITOR_INTEREST_MS 10000

/* HTTP: connections at once, those that wait, bytes of a request's head */
#define MONITOR_CONNECTIONS_MAX 48u
#define MONITOR_BACKLOG 1024
#define MONITOR_CONNECTION_BYTES (16u * 1024u)
/* Silence that is borne, and how long a request may take from first to last */
#define MONITOR_IDLE_S 10u
#define MONITOR_REQUEST_MS 20000u
/* How long a client that has closed its side may wait for its answer */
#define MONITOR_HALF_CLOSED_MS 1000u

#endif
