/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * quiet.c - services/common/log.h without a word, for harnesses
 *
 * What a service logs is formatted all the same: sanitizers look at it.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services/common/log.h"

__attribute__((format(printf, 1, 0))) static void
format_only(const char *format, va_list arguments)
{
	char line[512];

	vsnprintf(line, sizeof(line), format, arguments);
}

void log_print(enum log_level level, const char *format, ...)
{
	va_list arguments;

	(void)level;
	va_start(arguments, format);
	format_only(format, arguments);
	va_end(arguments);
}

void log_guest(struct log_limit *limit, enum log_level level, uint32_t domain,
	       const char *name, const char *format, ...)
{
	va_list arguments;

	(void)limit;
	(void)level;
	(void)domain;
	(void)name;
	va_start(arguments, format);
	format_only(format, arguments);
	va_end(arguments);
}

void log_limited(struct log_limit *limit, enum log_level level,
		 const char *format, ...)
{
	va_list arguments;

	(void)limit;
	(void)level;
	va_start(arguments, format);
	format_only(format, arguments);
	va_end(arguments);
}

void die(const char *format, ...)
{
	fputs(format, stderr);
	abort();
}

const char *log_text(char *text, size_t size, const void *bytes, size_t count)
{
	if (count >= size)
		count = size - 1;
	memcpy(text, bytes, count);
	text[count] = '\0';
	return text;
}
