// SPDX-License-Identifier: GPL-2.0-only
/*
 * report.c - the book as JSON
 *
 * switchboard-monitor(8) lists the keys. Times are ISO 8601 in UTC, rates
 * bytes per second.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "services/monitor/report.h"
#include "services/monitor/writer.h"

/* A moment on the book's clock */
static void put_time(struct writer *w, const char *key, int64_t at_ms,
		     const struct report_clock *clock)
{
	int64_t wall_ms = clock->wall_ms - (clock->now_ms - at_ms);
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm tm;
	char text[40], whole[64];

	gmtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(whole, sizeof(whole), "%s.%03uZ", text,
		 (unsigned int)(wall_ms % 1000));
	writer_text(w, key, whole);
}

enum report_cause report_cause_of(const char *counter)
{
	static const struct {
		const char *part;
		enum report_cause cause;
	} causes[] = {
		{ "refused", REPORT_CAUSE_REFUSAL },
		{ "denied", REPORT_CAUSE_REFUSAL },
		{ "limited", REPORT_CAUSE_REFUSAL },
		{ "throttled", REPORT_CAUSE_REFUSAL },
		{ "error", REPORT_CAUSE_ERROR },
		{ "lies", REPORT_CAUSE_ERROR },
		{ "dropped", REPORT_CAUSE_ERROR },
		{ "failed", REPORT_CAUSE_ERROR },
		{ "bad", REPORT_CAUSE_ERROR },
		{ "reset", REPORT_CAUSE_ERROR },
		{ "timeout", REPORT_CAUSE_ERROR },
		{ "stray", REPORT_CAUSE_ERROR },
		{ "expelled", REPORT_CAUSE_ERROR },
		{ "lost", REPORT_CAUSE_ERROR },
		{ "no-descriptor", REPORT_CAUSE_ERROR },
	};
	size_t i;

	for (i = 0; i < sizeof(causes) / sizeof(causes[0]); i++)
		if (strstr(counter, causes[i].part))
			return causes[i].cause;
	return REPORT_CAUSE_NONE;
}

static void put_name(struct writer *w, const struct book_service *s)
{
	writer_text(w, "service", s->service);
	writer_text(w, "instance", s->instance);
}

/* As an array: names of counters are values here, never keys */
static void put_counters(struct writer *w, const struct book_service *s)
{
	unsigned int i;

	writer_begin(w, "counters", '[');
	for (i = 0; i < s->counters; i++) {
		writer_begin(w, NULL, '{');
		writer_text(w, "name", s->counter[i].name);
		writer_number(w, "value", s->counter[i].value);
		writer_end(w, '}');
	}
	writer_end(w, ']');
}

static void put_service(struct writer *w, const struct book_service *s,
			const struct report_clock *clock)
{
	writer_begin(w, NULL, '{');
	put_name(w, s);
	writer_text(w, "state", s->state == BOOK_UP ? "up" : "away");
	put_time(w, "since", s->changed_ms, clock);
	writer_bool(w, "seen", s->state != BOOK_NEVER);
	writer_number(w, "restarts", s->restarts);
	writer_number(w, "pid", s->pid);
	writer_number(w, "uptime_s", s->uptime_s);
	writer_number(w, "rss_kib", s->rss_kib);
	writer_number(w, "guests", s->guests_all);
	writer_number(w, "circuits", s->circuits_all);
	writer_number(w, "sent_rate", s->sent_rate);
	writer_number(w, "received_rate", s->received_rate);
	writer_number(w, "impostures", s->impostures);
	put_counters(w, s);
	writer_end(w, '}');
}

static void put_services(struct writer *w, const struct book *b,
			 const struct report_clock *clock)
{
	unsigned int i;

	writer_begin(w, "services", '[');
	for (i = 0; i < b->services; i++)
		put_service(w, &b->service[i], clock);
	writer_end(w, ']');
}

static void put_circuit(struct writer *w, const struct book_service *s,
			const struct book_circuit *c)
{
	const struct ipc_circuit_row *r = &c->row;

	writer_begin(w, NULL, '{');
	put_name(w, s);
	writer_text(w, "guest", r->name);
	writer_number(w, "domain", r->guest);
	writer_number(w, "line", r->line);
	writer_number(w, "entry", r->entry);
	writer_number(w, "generation", r->generation);
	writer_text(w, "kind", r->kind);
	writer_text(w, "state", r->state);
	writer_text(w, "local", r->local);
	writer_number(w, "local_port", r->local_port);
	writer_text(w, "remote", r->remote);
	writer_number(w, "remote_port", r->remote_port);
	writer_number(w, "sent", r->sent);
	writer_number(w, "received", r->received);
	writer_number(w, "sent_rate", c->sent_rate);
	writer_number(w, "received_rate", c->received_rate);
	writer_number(w, "age_s", r->age_s);
	writer_end(w, '}');
}

/* Circuits of services that are away are not known to exist any more */
static void put_circuits(struct writer *w, const struct book *b)
{
	uint64_t all = 0, shown = 0;
	unsigned int i, j;

	writer_begin(w, "circuits", '[');
	for (i = 0; i < b->services; i++) {
		const struct book_service *s = &b->service[i];

		if (!book_service_carries(s))
			continue;
		for (j = 0; j < s->circuits.count; j++)
			put_circuit(w, s, &s->circuits.circuit[j]);
		shown += s->circuits.count;
		all += s->circuits_all;
	}
	writer_end(w, ']');
	writer_number(w, "circuits_all", all);
	writer_bool(w, "circuits_more", all > shown);
}

static bool same_guest(const struct ipc_guest_row *g, uint32_t domain,
		       const char *name)
{
	return g->domain == domain && !strcmp(g->name, name);
}

static void put_rates(struct writer *w, const struct book *b,
		      const struct ipc_guest_row *g)
{
	uint64_t sent = 0, received = 0;
	unsigned int i, j;

	for (i = 0; i < b->services; i++) {
		const struct book_service *s = &b->service[i];

		if (!book_service_carries(s))
			continue;
		for (j = 0; j < s->circuits.count; j++) {
			const struct book_circuit *c = &s->circuits.circuit[j];

			if (!same_guest(g, c->row.guest, c->row.name))
				continue;
			sent += c->sent_rate;
			received += c->received_rate;
		}
	}
	writer_number(w, "sent_rate", sent);
	writer_number(w, "received_rate", received);
}

/* What a service that is there says about a guest, or NULL */
static const struct ipc_guest_row *view_of(const struct book_service *s,
					   const struct ipc_guest_row *g)
{
	unsigned int i;

	for (i = 0; s->state == BOOK_UP && i < s->guests; i++)
		if (same_guest(&s->guest[i], g->domain, g->name))
			return &s->guest[i];
	return NULL;
}

static void put_views(struct writer *w, const struct book *b,
		      const struct ipc_guest_row *g)
{
	unsigned int i;

	writer_begin(w, "seen_by", '[');
	for (i = 0; i < b->services; i++) {
		const struct ipc_guest_row *view = view_of(&b->service[i], g);

		if (!view)
			continue;
		writer_begin(w, NULL, '{');
		put_name(w, &b->service[i]);
		writer_text(w, "state", view->state);
		writer_number(w, "circuits", view->circuits);
		writer_number(w, "listeners", view->listeners);
		writer_number(w, "requests", view->requests);
		writer_number(w, "refused", view->refused);
		writer_number(w, "lies", view->lies);
		writer_end(w, '}');
	}
	writer_end(w, ']');
}

static void put_guest(struct writer *w, const struct book *b,
		      const struct ipc_guest_row *g)
{
	unsigned int i;

	writer_begin(w, NULL, '{');
	writer_text(w, "name", g->name);
	writer_number(w, "domain", g->domain);
	writer_text(w, "identity", g->identity);
	writer_text(w, "state", g->state);
	writer_text(w, "proxy", g->proxy);
	writer_begin(w, "addresses", '[');
	for (i = 0; i < g->addresses; i++)
		writer_text(w, NULL, g->address[i]);
	writer_end(w, ']');
	writer_begin(w, "direct", '[');
	for (i = 0; i < g->directs; i++)
		writer_text(w, NULL, g->direct[i]);
	writer_end(w, ']');
	put_rates(w, b, g);
	put_views(w, b, g);
	writer_end(w, '}');
}

/* Did a service before number @service already name the guest? */
static bool put_before(const struct book *b, unsigned int service,
		       const struct ipc_guest_row *g)
{
	unsigned int i;

	for (i = 0; i < service; i++)
		if (view_of(&b->service[i], g))
			return true;
	return false;
}

/* The operator's page comes first: it knows a guest's state and addresses */
static void put_guests(struct writer *w, const struct book *b)
{
	unsigned int i, j;

	writer_begin(w, "guests", '[');
	for (i = 0; i < b->services; i++) {
		const struct book_service *s = &b->service[i];

		for (j = 0; s->state == BOOK_UP && j < s->guests; j++)
			if (!put_before(b, i, &s->guest[j]))
				put_guest(w, b, &s->guest[j]);
	}
	writer_end(w, ']');
}

static void put_causes(struct writer *w, const struct book *b, const char *key,
		       enum report_cause wanted)
{
	unsigned int i, j;

	writer_begin(w, key, '[');
	for (i = 0; i < b->services; i++) {
		const struct book_service *s = &b->service[i];

		for (j = 0; j < s->counters; j++) {
			const struct ipc_counter *c = &s->counter[j];

			if (!c->value || report_cause_of(c->name) != wanted)
				continue;
			writer_begin(w, NULL, '{');
			put_name(w, s);
			writer_text(w, "cause", c->name);
			writer_number(w, "count", c->value);
			writer_end(w, '}');
		}
	}
	writer_end(w, ']');
}

static void put_events(struct writer *w, const struct book *b,
		       const struct report_clock *clock)
{
	const struct book_event *e;
	uint64_t back;

	writer_begin(w, "events", '[');
	for (back = 0; (e = book_event_back(b, back)); back++) {
		writer_begin(w, NULL, '{');
		put_time(w, "time", e->at_ms, clock);
		writer_number(w, "number", b->events_all - back);
		writer_text(w, "event", e->event.event);
		writer_text(w, "service", e->event.service);
		writer_text(w, "instance", e->event.instance);
		writer_text(w, "guest", e->event.guest);
		writer_number(w, "domain", e->event.domain);
		writer_text(w, "why", e->event.why);
		writer_end(w, '}');
	}
	writer_end(w, ']');
}

/* Oldest first: [sent_rate, received_rate, circuits] */
static void put_history(struct writer *w, const struct book *b)
{
	uint64_t back = MONITOR_SAMPLES_MAX;

	writer_begin(w, "history", '[');
	while (back--) {
		const struct book_sample *s = book_sample_back(b, back);

		if (!s)
			continue;
		writer_begin(w, NULL, '[');
		writer_number(w, NULL, s->sent_rate);
		writer_number(w, NULL, s->received_rate);
		writer_number(w, NULL, s->circuits);
		writer_end(w, ']');
	}
	writer_end(w, ']');
}

static void put_counters_by_service(struct writer *w, const struct book *b)
{
	unsigned int i;

	writer_begin(w, "services", '[');
	for (i = 0; i < b->services; i++) {
		writer_begin(w, NULL, '{');
		put_name(w, &b->service[i]);
		put_counters(w, &b->service[i]);
		writer_end(w, '}');
	}
	writer_end(w, ']');
}

static void put_report(struct writer *w, const struct book *b,
		       enum report_kind kind, const struct report_clock *clock)
{
	bool all = kind == REPORT_STATUS;

	writer_begin(w, NULL, '{');
	put_time(w, "time", clock->now_ms, clock);
	if (all || kind == REPORT_SERVICES)
		put_services(w, b, clock);
	if (all || kind == REPORT_GUESTS)
		put_guests(w, b);
	if (all || kind == REPORT_CIRCUITS)
		put_circuits(w, b);
	if (all || kind == REPORT_COUNTERS) {
		put_causes(w, b, "refusals", REPORT_CAUSE_REFUSAL);
		put_causes(w, b, "errors", REPORT_CAUSE_ERROR);
	}
	if (kind == REPORT_COUNTERS)
		put_counters_by_service(w, b);
	if (all) {
		put_events(w, b, clock);
		put_history(w, b);
	}
	writer_end(w, '}');
	fputc('\n', w->file);
}

char *report_text(const struct book *b, enum report_kind kind,
		  const struct report_clock *clock, size_t *bytes)
{
	struct writer w = { 0 };
	char *text = NULL;

	if (kind == REPORT_METRICS)
		return metrics_text(b, bytes);
	w.file = open_memstream(&text, bytes);
	if (!w.file)
		return NULL;
	put_report(&w, b, kind, clock);
	if (fclose(w.file)) {
		free(text);
		return NULL;
	}
	return text;
}
