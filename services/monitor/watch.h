/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * watch.h - the services that are watched, and the questions put to them
 *
 * Each service has two sockets of its own, so that an answer is known by
 * where it came from: one service cannot speak for another.
 */
#ifndef MONITOR_WATCH_H
#define MONITOR_WATCH_H

#include "services/common/service.h"
#include "services/monitor/book.h"

/**
 * struct watch - a service that is watched
 * @page:   its page in the book
 * @watch:  all of them
 * @part:   which part of its answer was asked for last
 * @asked:  no answer has come to that yet
 * @asked_ms: when
 * @connections: ipc_connections() at that time
 * @survey: SURVEYOR
 * @events: SUB
 */
struct watch {
	struct book_service *page;
	struct watches *all;
	unsigned int part;
	bool asked;
	int64_t asked_ms;
	uint64_t connections;
	struct endpoint survey;
	struct endpoint events;
};

/**
 * struct watches - all of them
 * @service:     the monitor itself
 * @book:        where answers go
 * @wanted_ms:   when somebody last wanted to see all circuits
 * @count:       watched
 */
struct watches {
	struct service *service;
	struct book *book;
	int64_t wanted_ms;
	unsigned int count;
	struct watch watch[MONITOR_SERVICES_MAX];
};

/**
 * watches_add() - watch a service from now on; before confinement
 * @name:     "operator", "proxy-tcp", ...
 * @instance: "main"
 *
 * Return: 0 or -errno, see book_service_add() and ipc_connect().
 */
int watches_add(struct watches *all, const char *name, const char *instance);

/**
 * watches_add_list() - watch several: "operator,proxy-tcp:main"
 * @mistake: set to the item that is wrong, SERVICE_PATH_BYTES
 *
 * Return: 0 or -errno.
 */
int watches_add_list(struct watches *all, const char *list, char *mistake);

/* Ask all of them, once a second */
void watches_ask(struct watches *all);
void watches_close(struct watches *all);

#endif
