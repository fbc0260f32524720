/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * log.c - structured logs, to the journal or to stderr
 *
 * systemd tells by JOURNAL_STREAM that stderr is the journal; the native
 * protocol is used then, for its fields. Its socket is made by the first line
 * sent, so log_open() sends one: after confinement nothing new is needed.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "services/common/limits.h"
#include "services/common/log.h"

#define LINE_BYTES 512

static const char *service_name = "switchboard";
static bool to_journal;
static int level_max = LOG_LEVEL_INFO;

static void write_stderr(enum log_level level, const char *about,
			 const char *line)
{
	static const char *const words[] = {
		[LOG_LEVEL_ERROR] = "error: ",
		[LOG_LEVEL_WARNING] = "warning: ",
		[LOG_LEVEL_NOTICE] = "",
		[LOG_LEVEL_INFO] = "",
		[LOG_LEVEL_DEBUG] = "debug: ",
	};
	char text[2 * LINE_BYTES];
	int bytes = snprintf(text, sizeof(text), "%s: %s%s%s\n", service_name,
			     about, words[level], line);

	/* one write, so that lines of two processes do not mix */
	if (bytes > 0 && write(STDERR_FILENO, text, (size_t)bytes) < 0)
		return;
}

static void write_journal(enum log_level level, uint32_t domain,
			  const char *guest, const char *about,
			  const char *line)
{
	char priority[16], message[2 * LINE_BYTES], identifier[64];
	char name[96], id[32];
	struct iovec field[5];
	int fields = 0;

#define ADD(text, ...)                    \
	(field[fields].iov_base = (text), \
	 field[fields++].iov_len =        \
		 (size_t)snprintf(text, sizeof(text), __VA_ARGS__))
	ADD(priority, "PRIORITY=%d", level);
	ADD(message, "MESSAGE=%s%s", about, line);
	ADD(identifier, "SYSLOG_IDENTIFIER=switchboard-%s", service_name);
	if (guest) {
		ADD(name, "SWITCHBOARD_GUEST=%s", guest);
		ADD(id, "SWITCHBOARD_DOMAIN=%u", domain);
	}
#undef ADD
	sd_journal_sendv(field, fields);
}

__attribute__((format(printf, 4, 0))) static void
write_line(enum log_level level, uint32_t domain, const char *guest,
	   const char *format, va_list arguments)
{
	char raw[LINE_BYTES], line[LINE_BYTES], about[96] = "";
	int bytes;

	if ((int)level > level_max)
		return;
	if (guest)
		snprintf(about, sizeof(about), "guest %s (domain %u): ", guest,
			 domain);
	bytes = vsnprintf(raw, sizeof(raw), format, arguments);
	if (bytes < 0)
		return;
	if ((size_t)bytes >= sizeof(raw))
		bytes = sizeof(raw) - 1;
	log_text(line, sizeof(line), raw, (size_t)bytes);
	if (to_journal)
		write_journal(level, domain, guest, about, line);
	else
		write_stderr(level, about, line);
}

/* systemd says which file the journal's stream is: children may have another */
static bool is_journal(int fd)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	return stream && fstat(fd, &st) == 0 &&
	       sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	       st.st_dev == device && st.st_ino == inode;
}

void log_open(const char *name, int verbose)
{
	service_name = name;
	level_max = verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO;
	to_journal = is_journal(STDERR_FILENO);
	if (to_journal)
		log_print(LOG_LEVEL_INFO, "starting");
}

void log_print(enum log_level level, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	write_line(level, 0, NULL, format, arguments);
	va_end(arguments);
}

static uint64_t clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/*
 * May this line be logged? @suppressed: how many were not, to be told first.
 * Only lines that get through tell, so the tail of a flood may go untold.
 */
static bool limit_allows(struct log_limit *limit, uint32_t *suppressed)
{
	uint64_t now = clock_ms();

	*suppressed = 0;
	if (!limit)
		return true;
	if (!limit->since_ms || now - limit->since_ms >= LOG_LIMIT_MS) {
		limit->since_ms = now;
		limit->logged = 0;
	}
	if (limit->logged >= LOG_LIMIT_BURST) {
		limit->suppressed++;
		return false;
	}
	limit->logged++;
	*suppressed = limit->suppressed;
	limit->suppressed = 0;
	return true;
}

static void tell_suppressed(enum log_level level, uint32_t suppressed)
{
	if (suppressed)
		log_print(level, "%u lines like the next were suppressed",
			  suppressed);
}

void log_guest(struct log_limit *limit, enum log_level level, uint32_t domain,
	       const char *name, const char *format, ...)
{
	uint32_t suppressed;
	va_list arguments;

	if (!limit_allows(limit, &suppressed))
		return;
	tell_suppressed(level, suppressed);
	va_start(arguments, format);
	write_line(level, domain, name ? name : "?", format, arguments);
	va_end(arguments);
}

void log_limited(struct log_limit *limit, enum log_level level,
		 const char *format, ...)
{
	uint32_t suppressed;
	va_list arguments;

	if (!limit_allows(limit, &suppressed))
		return;
	tell_suppressed(level, suppressed);
	va_start(arguments, format);
	write_line(level, 0, NULL, format, arguments);
	va_end(arguments);
}

void die(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	write_line(LOG_LEVEL_ERROR, 0, NULL, format, arguments);
	va_end(arguments);
	exit(EXIT_FAILURE);
}

const char *log_text(char *text, size_t size, const void *bytes, size_t count)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *from = bytes;
	char *to = text, *end = text + size - 1;

	for (; count; count--, from++) {
		bool plain = *from >= 0x20 && *from < 0x7f && *from != '\\';

		if (end - to < (plain ? 1 : 4))
			break;
		if (plain) {
			*to++ = (char)*from;
			continue;
		}
		*to++ = '\\';
		*to++ = 'x';
		*to++ = digits[*from >> 4];
		*to++ = digits[*from & 15];
	}
	*to = 0;
	return text;
}
