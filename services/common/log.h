/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * log.h - structured logs, to the journal or to stderr
 *
 * Under systemd every line goes to the journal with fields (GUEST, DOMAIN);
 * otherwise to stderr. What repeats at somebody else's will is limited per
 * cause, and the number of suppressed lines is told. Control characters never
 * reach a log: log_text() is for whatever a guest or a file wrote.
 */
#ifndef SERVICES_COMMON_LOG_H
#define SERVICES_COMMON_LOG_H

#include <stddef.h>
#include <stdint.h>

/* As syslog has them */
enum log_level {
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_NOTICE = 5,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7,
};

/**
 * struct log_limit - how often one cause may be logged; zero-initialised
 * @since_ms:   beginning of the current interval
 * @logged:     lines in it
 * @suppressed: lines not logged since the last one that was
 *
 * LOG_LIMIT_BURST lines in LOG_LIMIT_MS. One static for each cause, or one in
 * each guest's record where guests must not silence each other.
 */
struct log_limit {
	uint64_t since_ms;
	uint32_t logged;
	uint32_t suppressed;
};

/**
 * log_open() - where to log; call it before confinement
 * @name:    of the service
 * @verbose: also LOG_LEVEL_DEBUG
 */
void log_open(const char *name, int verbose);

void log_print(enum log_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* About a guest; @name may be NULL. Limited by @limit unless that is NULL */
void log_guest(struct log_limit *limit, enum log_level level, uint32_t domain,
	       const char *name, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/* About something that may repeat */
void log_limited(struct log_limit *limit, enum log_level level,
		 const char *format, ...) __attribute__((format(printf, 3, 4)));

/* One line and the end: only before serve */
void die(const char *format, ...)
	__attribute__((format(printf, 1, 2), noreturn));

/**
 * log_text() - make any bytes fit to be logged
 * @text:  where to, zero-terminated; returned
 * @size:  of @text, at least 1
 * @bytes: what somebody wrote
 * @count: how many bytes
 *
 * Printable ASCII stays, the rest and the backslash become \xNN.
 */
const char *log_text(char *text, size_t size, const void *bytes, size_t count);

#endif
