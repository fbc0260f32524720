/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * report.h - the book as JSON and as metrics
 *
 * Whatever a guest can influence (names, addresses, reasons) is a JSON string
 * or a quoted label here, and never anything else.
 */
#ifndef MONITOR_REPORT_H
#define MONITOR_REPORT_H

#include "services/monitor/book.h"

/* What can be asked for; the same names as below /api/ */
enum report_kind {
	REPORT_STATUS, /* everything */
	REPORT_SERVICES,
	REPORT_GUESTS,
	REPORT_CIRCUITS,
	REPORT_COUNTERS,
	REPORT_METRICS, /* Prometheus' text format, all others are JSON */
	REPORT_KINDS
};

/**
 * struct report_clock - what time it is
 * @now_ms:  on the book's clock
 * @wall_ms: since 1970, at that moment
 */
struct report_clock {
	int64_t now_ms;
	int64_t wall_ms;
};

/**
 * report_text() - write a report
 * @bytes: set to its length
 *
 * Return: the text, to be freed, or NULL when there is no memory.
 */
char *report_text(const struct book *b, enum report_kind kind,
		  const struct report_clock *clock, size_t *bytes);

/* Causes of refusals and of errors, by the names of counters */
enum report_cause {
	REPORT_CAUSE_NONE, /* counts something else */
	REPORT_CAUSE_REFUSAL,
	REPORT_CAUSE_ERROR,
};

enum report_cause report_cause_of(const char *counter);

/* The metrics, see report_text() */
char *metrics_text(const struct book *b, size_t *bytes);

#endif
