/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * server.h - HTTP for a few readers, all of them possibly rude
 *
 * libmicrohttpd without a thread of its own, in the service's loop. Only GET
 * and HEAD; connections, memory, silence and the time a request may take are
 * bounded by limits.h. A request must name an address, "localhost" or a name
 * that was allowed, so that a foreign web page cannot read through a name of
 * its own that it points here.
 */
#ifndef MONITOR_SERVER_H
#define MONITOR_SERVER_H

#include <microhttpd.h>

#include "services/common/loop.h"
#include "services/monitor/report.h"

/**
 * enum server_count - what the server counts
 */
enum server_count {
	SERVER_CONNECTIONS,
	SERVER_REQUESTS,
	SERVER_BAD_METHOD,
	SERVER_BAD_PATH,
	SERVER_BAD_HOST,
	SERVER_BAD_SLOW,
	SERVER_FAILED_MEMORY,
	SERVER_COUNTS
};

extern const char *const server_count_name[SERVER_COUNTS];

/**
 * struct server_client - a connection
 * @fd:       its socket, -1 for a free place
 * @since_ms: when it came, or when its last request was answered
 */
struct server_client {
	int fd;
	uint64_t since_ms;
};

/**
 * struct server - the HTTP side of the monitor
 * @hosts:   names, separated by commas, that a request may be for besides
 *           addresses and localhost; may be NULL; set by the caller
 * @report:  writes a report, to be freed; set by the caller
 * @version: moves when reports change; set by the caller
 * @loop:    private, as the rest
 */
struct server {
	const char *hosts;
	char *(*report)(struct server *s, enum report_kind kind, size_t *bytes);
	const uint64_t *version;
	struct loop *loop;
	struct MHD_Daemon *daemon;
	struct loop_watch watch;
	bool more;
	uint64_t count[SERVER_COUNTS];
	struct MHD_Response *cached[REPORT_KINDS];
	uint64_t cached_version[REPORT_KINDS];
	struct server_client client[MONITOR_CONNECTIONS_MAX];
};

/**
 * server_open() - listen; before confinement
 * @address: "127.0.0.1:9090" or "[::1]:9090"
 *
 * Return: 0 or -errno (EINVAL: not an address with a port).
 */
int server_open(struct server *s, struct loop *loop, const char *address);
void server_close(struct server *s);

/* From loop.before_sleep: true when there is more work at once */
bool server_work(struct server *s);
/* Once a second: end connections that take too long */
void server_age(struct server *s);

/* Return: a listening socket or -errno, see server_open() */
int server_listen(const char *address);

/* May a request be for this Host? */
bool server_host_allowed(const char *host, const char *hosts);

#endif
