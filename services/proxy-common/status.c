// SPDX-License-Identifier: GPL-2.0-only
/*
 * status.c - what the monitor is told
 */
#include <stdio.h>
#include <string.h>

#include "services/proxy-common/circuit.h"

static const char *const count_name[PROXY_OWN_COUNTS] = {
	[PROXY_EVENTS] = "events",
	[PROXY_NOTIFICATIONS] = "notifications",
	[PROXY_LOOKS] = "looks",
	[PROXY_ENDED] = "ended",
	[PROXY_LIES] = "lies",
	[PROXY_BAD_GRANTS] = "bad-grants",
	[PROXY_THROTTLED] = "throttled",
	[PROXY_NO_DESCRIPTOR] = "no-descriptor",
	[PROXY_OPTIONS_FAILED] = "options-failed",
	[PROXY_QUESTIONS] = "questions",
	[PROXY_STRAY_VERDICTS] = "stray-verdicts",
	[PROXY_HELD] = "calls-held",
};

/**
 * struct rows - circuits being counted off
 * @status: where the rows go
 * @skip:   of the circuits that would have a row
 */
struct rows {
	struct ipc_status *status;
	uint32_t skip;
};

static void fill_guest(const struct line *l, struct ipc_guest_row *row)
{
	memset(row, 0, sizeof(*row));
	row->domain = l->attach.guest;
	memcpy(row->name, l->attach.name, sizeof(row->name));
	memcpy(row->identity, l->attach.identity, sizeof(row->identity));
	snprintf(row->state, sizeof(row->state), "%s",
		 l->throttled ? "throttled" : "attached");
	snprintf(row->proxy, sizeof(row->proxy), "%s",
		 l->proxy->service.instance);
	row->circuits = l->circuits - l->standby;
	row->requests = l->calls;
	row->refused = l->refused;
	row->lies = l->lies;
	if (l->proxy->kind->fill_line)
		l->proxy->kind->fill_line(l, row);
}

static void fill_circuit(const struct circuit *c, struct ipc_circuit_row *row)
{
	const struct line *l = c->line;

	memset(row, 0, sizeof(*row));
	row->guest = l->attach.guest;
	memcpy(row->name, l->attach.name, sizeof(row->name));
	row->line = l->attach.line;
	row->entry = c->entry;
	row->generation = c->generation;
	row->age_s = (loop_now(&l->proxy->service.loop) - c->since_ms) / 1000;
	l->proxy->kind->fill(c, row);
}

static void add_circuit(struct circuit *c, void *argument)
{
	bool (*is_shown)(const struct circuit *c) =
		c->line->proxy->kind->is_shown;
	struct rows *rows = argument;
	struct ipc_status *status = rows->status;

	if (!c->active || (is_shown && !is_shown(c)))
		return;
	status->circuits_all++;
	if (rows->skip) {
		rows->skip--;
		return;
	}
	if (status->circuits < IPC_CIRCUIT_ROWS_MAX)
		fill_circuit(c, &status->circuit[status->circuits++]);
	else
		status->more = true;
}

void status_fill(struct service *s, const struct ipc_survey *survey,
		 struct ipc_status *status)
{
	struct proxy *p = loop_owner(s, struct proxy, service);
	struct rows rows = { status, survey->circuits_from };
	uint32_t skip = survey->guests_from;
	struct line *l;

	counters_fill(status, p->kind->count_name, p->count + PROXY_OWN_COUNTS,
		      p->kind->counts);
	counters_fill(status, count_name, p->count, PROXY_OWN_COUNTS);
	counters_fill_ipc(status, "operator",
			  ipc_socket_counters(p->operator.socket));
	for (unsigned int i = 0; i < PROXY_BUCKETS; i++) {
		for (l = p->line[i]; l; l = l->chain) {
			status->guests_all++;
			if (skip)
				skip--;
			else if (status->guests < IPC_GUEST_ROWS_MAX)
				fill_guest(l, &status->guest[status->guests++]);
			else
				status->more = true;
			line_for_each(l, add_circuit, &rows);
		}
	}
}
