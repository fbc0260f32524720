/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * answers.c - status, and the tool's requests
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "services/operator/introductions.h"

static const char *const counter_names[OPERATOR_COUNTERS] = {
	[COUNT_REQUESTS] = "requests",
	[COUNT_QUESTIONS] = "questions",
	[COUNT_ALLOWED] = "allowed",
	[COUNT_WITHDRAWN] = "withdrawn",
	[COUNT_LISTENS] = "listens",
	[COUNT_REFUSED_POLICY] = "refused-policy",
	[COUNT_REFUSED_LIMIT] = "refused-limit",
	[COUNT_REFUSED_IN_USE] = "refused-in-use",
	[COUNT_REFUSED_AWAY] = "refused-away",
	[COUNT_REFUSED_MALFORMED] = "refused-malformed",
	[COUNT_LIES] = "lies",
	[COUNT_THROTTLED] = "throttled",
	[COUNT_ENDED] = "ended",
	[COUNT_STRAY_REPORTS] = "stray-reports",
	[COUNT_GUESTS_CONNECTED] = "guests-connected",
	[COUNT_GUESTS_EXPELLED] = "guests-expelled",
	[COUNT_LINES_LOST] = "lines-lost",
	[COUNT_INTRODUCTIONS] = "introductions",
	[COUNT_INTRODUCTIONS_FAILED] = "introductions-failed",
	[COUNT_ROUTES] = "routes",
	[COUNT_RELOADS] = "reloads",
	[COUNT_RELOADS_FAILED] = "reloads-failed",
};

static const struct guest *running(const struct operator_service *o,
				   const struct config_guest *c)
{
	const struct guest *g;

	for (g = o->guests; g; g = g->next) {
		if (g->config == c)
			return g;
	}
	return NULL;
}

/* A call is a request, though the operator never saw it */
static void add_line(const struct line *l, struct ipc_guest_row *row)
{
	row->circuits += l->counts.circuits;
	row->listeners += l->book.listeners;
	row->requests += l->counts.calls;
	row->refused += l->counts.refused;
}

/* Whom a guest calls without Dom0; how many circuits only the two know */
static void fill_direct(const struct operator_service *o, const struct guest *g,
			struct ipc_guest_row *row)
{
	const struct introduction *i;

	for (i = o->introductions; i; i = i->next) {
		if (i->caller != g || i->state != INTRODUCTION_UP ||
		    !i->callee || row->directs == IPC_GUEST_DIRECT_MAX)
			continue;
		memcpy(row->direct[row->directs++], i->callee->name,
		       sizeof(row->direct[0]));
	}
}

static void fill_guest(const struct operator_service *o,
		       const struct config_guest *c, struct ipc_guest_row *row)
{
	const struct guest *g = running(o, c);
	uint32_t i;

	memset(row, 0, sizeof(*row));
	memcpy(row->name, c->name, sizeof(row->name));
	memcpy(row->proxy, c->proxy, sizeof(row->proxy));
	snprintf(row->state, sizeof(row->state), "%s",
		 g ? guest_state_name(g) : "absent");
	for (i = 0; i < c->addresses; i++)
		address_text(&c->address[i].address, row->address[i],
			     sizeof(row->address[i]));
	row->addresses = c->addresses;
	if (!g)
		return;
	row->domain = g->domain;
	memcpy(row->identity, g->identity, sizeof(row->identity));
	row->requests = g->requests;
	row->refused = g->refused;
	row->lies = g->lies;
	for (i = 0; i < OPERATOR_LINES; i++)
		add_line(&g->line[i], row);
	fill_direct(o, g, row);
}

static void fill_guests(const struct operator_service *o, uint32_t from,
			struct ipc_status *status)
{
	uint32_t i;

	status->guests_all = o->config->guests;
	for (i = from; i < o->config->guests; i++) {
		if (status->guests == IPC_GUEST_ROWS_MAX) {
			status->more = true;
			return;
		}
		fill_guest(o, &o->config->guest[i],
			   &status->guest[status->guests++]);
	}
}

static void fill_listener(const struct line *l, const struct book_record *r,
			  struct ipc_circuit_row *row)
{
	const struct guest *g = l->guest;
	uint64_t now = loop_now(&g->op->service.loop);

	memset(row, 0, sizeof(*row));
	row->guest = g->domain;
	memcpy(row->name, g->config->name, sizeof(row->name));
	row->line = l->number;
	row->entry = r->entry;
	row->generation = r->generation;
	snprintf(row->kind, sizeof(row->kind), "listener");
	snprintf(row->state, sizeof(row->state), "ordered");
	address_text(&r->place[0].address, row->local, sizeof(row->local));
	row->local_port = r->place[0].address.port;
	row->age_s = (now - r->asked_ms) / 1000;
}

/* Rows of one line; @from of them are still to be skipped */
static void fill_line(const struct line *l, uint32_t *from,
		      struct ipc_status *status)
{
	const struct book_record *r = book_next(&l->book, 0);

	status->circuits_all += l->book.listeners;
	for (; r; r = book_next(&l->book, r->entry + 1)) {
		if (*from) {
			--*from;
			continue;
		}
		if (status->circuits == IPC_CIRCUIT_ROWS_MAX) {
			status->more = true;
			return;
		}
		fill_listener(l, r, &status->circuit[status->circuits++]);
	}
}

static void fill_circuits(const struct operator_service *o, uint32_t from,
			  struct ipc_status *status)
{
	const struct guest *g;
	uint32_t i;

	for (g = o->guests; g; g = g->next) {
		for (i = 0; g->config && i < OPERATOR_LINES; i++)
			fill_line(&g->line[i], &from, status);
	}
}

void answers_status(struct service *s, const struct ipc_survey *survey,
		    struct ipc_status *status)
{
	struct operator_service *o =
		loop_owner(s, struct operator_service, service);
	uint32_t i, there = 0;

	counters_fill(status, counter_names, o->counter, OPERATOR_COUNTERS);
	for (i = 0; i < o->proxies; i++) {
		counters_fill_ipc(
			status, o->proxy[i].instance,
			ipc_socket_counters(o->proxy[i].endpoint.socket));
		there += o->proxy[i].there;
	}
	counters_fill(status, (const char *const[]){ "proxies-here" },
		      (const uint64_t[]){ there }, 1);
	fill_guests(o, survey->guests_from, status);
	fill_circuits(o, survey->circuits_from, status);
}

/* The file by its name in the directory that was opened at the start */
static struct config *load(struct operator_service *o, char *error)
{
	const char *path = o->service.config;
	const char *slash = strrchr(path, '/');
	struct config *c;
	int fd = openat(o->config_directory, slash ? slash + 1 : path,
			O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0) {
		snprintf(error, CONFIG_ERROR_BYTES, "%s: %s", path,
			 strerror(errno));
		return NULL;
	}
	c = config_load_fd(path, fd, error);
	close(fd);
	return c;
}

/*
 * The proxies' sockets were made before confinement and cannot be made now;
 * neither can those of the monitor, which reads the same file
 */
#define NEEDS_RESTART                                  \
	"\"proxies\" or \"udp_proxies\" has changed: " \
	"restart switchboard-operator and switchboard-monitor"

static bool same_proxies(const struct config *a, const struct config *b)
{
	return a->proxies == b->proxies && a->udp_proxies == b->udp_proxies &&
	       memcmp(a->proxy, b->proxy, sizeof(a->proxy)) == 0 &&
	       memcmp(a->udp_proxy, b->udp_proxy, sizeof(a->udp_proxy)) == 0;
}

bool operator_reload(struct operator_service *o, char *text, size_t size)
{
	char error[CONFIG_ERROR_BYTES];
	struct config *c = load(o, error);

	if (c && !same_proxies(c, o->config)) {
		config_free(c);
		c = NULL;
		snprintf(error, sizeof(error), "%s: " NEEDS_RESTART,
			 o->service.config);
	}
	if (!c) {
		o->counter[COUNT_RELOADS_FAILED]++;
		log_print(LOG_LEVEL_ERROR, "%s; the old configuration stays",
			  error);
		snprintf(text, size, "%s; the old configuration stays", error);
		return false;
	}
	guests_reconfigure(o, c);
	lines_reconfigured(o);
	introductions_reconfigured(o);
	o->counter[COUNT_RELOADS]++;
	log_print(LOG_LEVEL_NOTICE, "configuration read again, %u guests",
		  c->guests);
	service_event(&o->service, "config-reloaded", NULL, 0, NULL);
	snprintf(text, size, "%s: %u guests", o->service.config, c->guests);
	return true;
}

static bool check(struct operator_service *o, char *text, size_t size)
{
	char error[CONFIG_ERROR_BYTES];
	struct config *c = load(o, error);

	if (c)
		snprintf(text, size, "%s: %u guests, no mistakes%s",
			 o->service.config, c->guests,
			 same_proxies(c, o->config) ? "" : "; " NEEDS_RESTART);
	else
		snprintf(text, size, "%s", error);
	config_free(c);
	return c;
}

static void answer(struct endpoint *e, const struct ipc_message *m)
{
	struct operator_service *o = e->owner;
	char text[CONFIG_ERROR_BYTES * 2] = "";
	struct ipc_message *a;
	bool done;

	if (m->type == IPC_REQUEST_STATUS) {
		a = endpoint_draft(IPC_ANSWER_STATUS);
		service_status(&o->service, &a->status);
		answers_status(&o->service, &m->survey, &a->status);
		endpoint_send(e, a);
		return;
	}
	if (m->type == IPC_REQUEST_RELOAD)
		done = operator_reload(o, text, sizeof(text));
	else
		done = check(o, text, sizeof(text));
	a = endpoint_draft(done ? IPC_ANSWER_DONE : IPC_ANSWER_FAILED);
	log_text(a->answer.text, sizeof(a->answer.text), text, strlen(text));
	endpoint_send(e, a);
}

int answers_open(struct operator_service *o)
{
	struct service *s = &o->service;
	char path[SERVICE_PATH_BYTES];
	struct ipc_socket *socket;
	int err = service_path(s, path, s->name, NULL, "control.ipc");

	o->tool.owner = o;
	o->tool.message = answer;
	socket = err ? NULL : ipc_open(IPC_REP, IPC_OPERATOR, IPC_TOOL);
	if (!socket)
		return err ? err : -errno;
	/* root only: a reload is the administrator's */
	err = ipc_bind(socket, path, 0600);
	if (!err)
		err = endpoint_init(&o->tool, &s->loop, socket);
	if (err) {
		ipc_close(socket);
		log_print(LOG_LEVEL_ERROR, "cannot serve at %s: %s", path,
			  strerror(-err));
	}
	return err;
}
