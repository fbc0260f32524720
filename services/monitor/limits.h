/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * limits.h - what the monitor holds at most, whoever talks to it
 */
#ifndef MONITOR_LIMITS_H
#define MONITOR_LIMITS_H

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

/* HTTP: connections at once, those that wait in the kernel, bytes for one request with all its headers */
#define MONITOR_CONNECTIONS_MAX 48u
#define MONITOR_BACKLOG 1024
#define MONITOR_CONNECTION_BYTES (16u * 1024u)
/* Silence that is borne, and how long a request may take from first to last */
#define MONITOR_IDLE_S 10u
#define MONITOR_REQUEST_MS 20000u
/* How long a client that has closed its side may wait for its answer */
#define MONITOR_HALF_CLOSED_MS 1000u

#endif
