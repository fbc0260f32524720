// SPDX-License-Identifier: GPL-2.0-only
/*
 * watch.c - the services that are watched
 *
 * A service is asked for the first part of its rows every second. The other
 * parts cost the service and Dom0 time, so they are asked for only while
 * somebody looks at all circuits, one after the other as they arrive.
 *
 * nanomsg neither frees an answer to a survey that is over, nor lets its
 * descriptor rest while no survey is going on. So surveys here do not expire;
 * the next one is sent when the last was answered, and when an answer is
 * overdue the socket is opened anew.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "services/common/log.h"
#include "services/monitor/watch.h"

static int64_t now(const struct watches *all)
{
	return (int64_t)loop_now(&all->service->loop);
}

static void ask(struct watch *w, unsigned int part)
{
	struct ipc_message *m = endpoint_draft(IPC_SURVEY_STATUS);

	m->survey.guests_from = part * IPC_GUEST_ROWS_MAX;
	m->survey.circuits_from = part * IPC_CIRCUIT_ROWS_MAX;
	w->part = part;
	w->asked = ipc_connected(w->survey.socket);
	w->asked_ms = now(w->all);
	w->connections = ipc_connections(w->survey.socket);
	/* nobody there, or busy: it is away, which its silence tells */
	ipc_send(w->survey.socket, m);
}

static void answered(struct endpoint *e, const struct ipc_message *m)
{
	struct watch *w = e->owner;
	struct watches *all = w->all;
	bool wanted = now(all) - all->wanted_ms < MONITOR_INTEREST_MS;
	int result;

	w->asked = false;
	if (m->type != IPC_ANSWER_STATUS)
		return;
	result = book_answer_merge(all->book, w->page, &m->status, w->part,
				   wanted ? MONITOR_PARTS_MAX : 1, now(all));
	if (result > 0)
		ask(w, w->part + 1);
	else if (result < 0)
		log_limited(&e->limit, LOG_LEVEL_WARNING,
			    "answer from %s %s not taken: %s", w->page->service,
			    w->page->instance, strerror(-result));
}

static void told(struct endpoint *e, const struct ipc_message *m)
{
	struct watch *w = e->owner;

	if (m->type != IPC_EVENT)
		return;
	if (book_event_add(w->all->book, w->page, &m->event, now(w->all)))
		log_limited(&e->limit, LOG_LEVEL_WARNING,
			    "%s %s told an event of %s %s: dropped",
			    w->page->service, w->page->instance,
			    m->event.service, m->event.instance);
}

/* The operator has no instances: its directory has none in its name */
static int connect_to(struct watch *w, struct endpoint *e,
		      enum ipc_pattern pattern, const char *file)
{
	struct service *s = w->all->service;
	bool alone = !strcmp(w->page->service, "operator");
	struct ipc_socket *socket;
	char path[SERVICE_PATH_BYTES];
	int error;

	error = service_path(s, path, w->page->service,
			     alone ? NULL : w->page->instance, file);
	if (error)
		return error;
	socket = ipc_open(pattern, IPC_MONITOR,
			  alone ? IPC_OPERATOR : IPC_PROXY);
	if (!socket)
		return -errno;
	error = ipc_connect(socket, path);
	if (!error && pattern == IPC_SURVEYOR)
		error = ipc_survey_deadline(socket, MONITOR_SURVEY_END_MS);
	if (error) {
		ipc_close(socket);
		return error;
	}
	e->owner = w;
	return endpoint_init(e, &s->loop, socket);
}

int watches_add(struct watches *all, const char *name, const char *instance)
{
	struct watch *w = &all->watch[all->count];
	int error;

	if (all->count == MONITOR_SERVICES_MAX)
		return -ENOSPC;
	w->all = all;
	w->page = book_service_add(all->book, name, instance, now(all));
	if (!w->page)
		return -errno;
	w->survey.message = answered;
	w->events.message = told;
	error = connect_to(w, &w->survey, IPC_SURVEYOR, "status.ipc");
	if (error)
		return error;
	error = connect_to(w, &w->events, IPC_SUB, "events.ipc");
	if (error) {
		endpoint_fini(&w->survey);
		return error;
	}
	all->count++;
	return 0;
}

/* A name that becomes part of a path */
static bool plain(const char *name)
{
	return *name && *name != '.' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz"
			    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
		       strlen(name);
}

static int add_item(struct watches *all, char *item)
{
	char *colon = strchr(item, ':');
	const char *instance = colon ? colon + 1 : "main";

	if (colon)
		*colon = 0;
	if (!plain(item) || !plain(instance))
		return -EINVAL;
	return watches_add(all, item, instance);
}

int watches_add_list(struct watches *all, const char *list, char *mistake)
{
	while (*list) {
		size_t bytes = strcspn(list, ",");
		char item[SERVICE_PATH_BYTES];
		int error;

		snprintf(mistake, SERVICE_PATH_BYTES, "%.*s", (int)bytes, list);
		snprintf(item, sizeof(item), "%s", mistake);
		error = bytes < sizeof(item) ? add_item(all, item) : -EINVAL;
		if (error)
			return error;
		list += bytes + (list[bytes] == ',');
	}
	return 0;
}

/* May an answer still come over the connection that the question took? */
static bool is_waiting(const struct watch *w)
{
	return w->asked && ipc_connected(w->survey.socket) &&
	       ipc_connections(w->survey.socket) == w->connections;
}

static int open_anew(struct watch *w)
{
	endpoint_fini(&w->survey);
	return connect_to(w, &w->survey, IPC_SURVEYOR, "status.ipc");
}

static void ask_again(struct watch *w)
{
	int error = 0;

	if (is_waiting(w)) {
		if (now(w->all) - w->asked_ms < MONITOR_OVERDUE_MS)
			return;
		error = open_anew(w);
	}
	if (!error)
		ask(w, 0);
	else
		log_print(LOG_LEVEL_ERROR, "cannot ask %s %s any more: %s",
			  w->page->service, w->page->instance,
			  strerror(-error));
}

void watches_ask(struct watches *all)
{
	unsigned int i;

	for (i = 0; i < all->count; i++)
		if (all->watch[i].survey.socket)
			ask_again(&all->watch[i]);
}

void watches_close(struct watches *all)
{
	while (all->count) {
		struct watch *w = &all->watch[--all->count];

		endpoint_fini(&w->survey);
		endpoint_fini(&w->events);
	}
}
