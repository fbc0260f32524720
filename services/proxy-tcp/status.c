// SPDX-License-Identifier: GPL-2.0-only
/*
 * status.c - what the monitor is told
 */
#include <stdio.h>
#include <string.h>

#include "services/common/address.h"
#include "services/proxy-tcp/circuit.h"

const char *const proxy_count_name[PROXY_COUNTS] = {
	[PROXY_SENT_BYTES] = "sent-bytes",
	[PROXY_RECEIVED_BYTES] = "received-bytes",
	[PROXY_EVENTS] = "events",
	[PROXY_NOTIFICATIONS] = "notifications",
	[PROXY_LOOKS] = "looks",
	[PROXY_CALLS] = "calls",
	[PROXY_QUESTIONS] = "questions",
	[PROXY_CALLS_HELD] = "calls-held",
	[PROXY_CALLS_REFUSED] = "calls-refused",
	[PROXY_STRAY_VERDICTS] = "stray-verdicts",
	[PROXY_CONNECTED] = "connected",
	[PROXY_CONNECT_FAILED] = "connect-failed",
	[PROXY_LISTENS] = "listens",
	[PROXY_LISTEN_FAILED] = "listen-failed",
	[PROXY_POSTED] = "posted",
	[PROXY_ACCEPTED] = "accepted",
	[PROXY_RESETS] = "resets",
	[PROXY_ENDED] = "ended",
	[PROXY_LIES] = "lies",
	[PROXY_BAD_GRANTS] = "bad-grants",
	[PROXY_THROTTLED] = "throttled",
	[PROXY_NO_DESCRIPTOR] = "no-descriptor",
	[PROXY_OPTIONS_FAILED] = "options-failed",
};

static const char *const phase_name[] = {
	[CIRCUIT_IDLE] = "idle",
	[CIRCUIT_CALLING] = "calling",
	[CIRCUIT_CONNECTING] = "connecting",
	[CIRCUIT_POSTED] = "posted",
	[CIRCUIT_OPEN] = "open",
	[CIRCUIT_LISTENING] = "listening",
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
	row->circuits = l->circuits - l->listeners - l->posted;
	row->listeners = l->listeners;
	row->requests = l->calls + l->listens;
	row->refused = l->refused;
	row->lies = l->lies;
}

static const char *state_name(const struct circuit *c)
{
	if (c->phase != CIRCUIT_OPEN)
		return phase_name[c->phase];
	if (c->out_done || c->in_done)
		return "half-closed";
	return "open";
}

static void fill_circuit(const struct circuit *c, struct ipc_circuit_row *row)
{
	const struct line *l = c->line;
	uint64_t now_ms = loop_now(&l->proxy->service.loop);

	row->guest = l->attach.guest;
	memcpy(row->name, l->attach.name, sizeof(row->name));
	row->line = l->attach.line;
	row->entry = c->entry;
	row->generation = c->generation;
	snprintf(row->kind, sizeof(row->kind), "%s",
		 c->phase == CIRCUIT_LISTENING ? "listener" : "stream");
	snprintf(row->state, sizeof(row->state), "%s", state_name(c));
	address_text(&c->local, row->local, sizeof(row->local));
	row->local_port = c->local.port;
	address_text(&c->remote, row->remote, sizeof(row->remote));
	row->remote_port = c->remote.port;
	row->sent = c->sent;
	row->received = c->received;
	row->age_s = (now_ms - c->since_ms) / 1000;
}

static void add_circuit(struct circuit *c, void *argument)
{
	struct rows *rows = argument;
	struct ipc_status *status = rows->status;

	if (!circuit_active(c) || c->phase == CIRCUIT_POSTED)
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

	counters_fill(status, proxy_count_name, p->count, PROXY_COUNTS);
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
