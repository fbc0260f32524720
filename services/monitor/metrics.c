// SPDX-License-Identifier: GPL-2.0-only
/*
 * metrics.c - the book in Prometheus' text format
 *
 * One metric for each fact, one label set for each service or guest: circuits
 * are only counted, never labels, because a guest chooses how many there are.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services/monitor/report.h"

/* A label's value: the format has three characters to be escaped */
static void put_label(FILE *f, const char *name, const char *value)
{
	fprintf(f, "%s=\"", name);
	for (; *value; value++) {
		if (*value == '\n') {
			fputs("\\n", f);
			continue;
		}
		if (*value == '"' || *value == '\\')
			fputc('\\', f);
		fputc(*value, f);
	}
	fputc('"', f);
}

static void put_service(FILE *f, const struct book_service *s)
{
	put_label(f, "{service", s->service);
	put_label(f, ",instance", s->instance);
}

struct gauge {
	const char *name;
	const char *help;
	const char *type;
	uint64_t (*value)(const struct book_service *s);
};

static uint64_t value_up(const struct book_service *s)
{
	return s->state == BOOK_UP;
}

static uint64_t value_restarts(const struct book_service *s)
{
	return s->restarts;
}

static uint64_t value_memory(const struct book_service *s)
{
	return s->rss_kib * 1024;
}

static uint64_t value_guests(const struct book_service *s)
{
	return s->guests_all;
}

static uint64_t value_circuits(const struct book_service *s)
{
	return s->circuits_all;
}

static const struct gauge gauges[] = {
	{ "switchboard_up", "Does the service answer?", "gauge", value_up },
	{ "switchboard_restarts_total", "Processes that replaced another",
	  "counter", value_restarts },
	{ "switchboard_resident_bytes", "Memory of the process", "gauge",
	  value_memory },
	{ "switchboard_guests", "Guests it knows", "gauge", value_guests },
	{ "switchboard_circuits", "Circuits it serves", "gauge",
	  value_circuits },
};

static void put_head(FILE *f, const char *name, const char *help,
		     const char *type)
{
	fprintf(f, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_gauges(FILE *f, const struct book *b)
{
	unsigned int i, j;

	for (i = 0; i < sizeof(gauges) / sizeof(gauges[0]); i++) {
		put_head(f, gauges[i].name, gauges[i].help, gauges[i].type);
		for (j = 0; j < b->services; j++) {
			fputs(gauges[i].name, f);
			put_service(f, &b->service[j]);
			fprintf(f, "} %llu\n",
				(unsigned long long)gauges[i].value(
					&b->service[j]));
		}
	}
}

/* Names of counters are the services' own: one metric, the name a label */
static void put_counters(FILE *f, const struct book *b)
{
	unsigned int i, j;

	put_head(f, "switchboard_count_total", "Counters of the services",
		 "counter");
	for (i = 0; i < b->services; i++) {
		const struct book_service *s = &b->service[i];

		for (j = 0; j < s->counters; j++) {
			fputs("switchboard_count_total", f);
			put_service(f, s);
			put_label(f, ",what", s->counter[j].name);
			fprintf(f, "} %llu\n",
				(unsigned long long)s->counter[j].value);
		}
	}
}

static void put_guest(FILE *f, const struct book_service *s,
		      const struct ipc_guest_row *g, const char *what,
		      uint64_t value)
{
	fputs("switchboard_guest", f);
	put_service(f, s);
	put_label(f, ",guest", g->name);
	put_label(f, ",what", what);
	fprintf(f, "} %llu\n", (unsigned long long)value);
}

static void put_guests(FILE *f, const struct book *b)
{
	unsigned int i, j;

	put_head(f, "switchboard_guest", "What a service counts of a guest",
		 "gauge");
	for (i = 0; i < b->services; i++) {
		const struct book_service *s = &b->service[i];

		for (j = 0; s->state == BOOK_UP && j < s->guests; j++) {
			const struct ipc_guest_row *g = &s->guest[j];

			put_guest(f, s, g, "circuits", g->circuits);
			put_guest(f, s, g, "listeners", g->listeners);
			put_guest(f, s, g, "requests", g->requests);
			put_guest(f, s, g, "refused", g->refused);
			put_guest(f, s, g, "lies", g->lies);
		}
	}
}

char *metrics_text(const struct book *b, size_t *bytes)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, bytes);

	if (!f)
		return NULL;
	put_gauges(f, b);
	put_counters(f, b);
	put_guests(f, b);
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}
