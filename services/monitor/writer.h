/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * writer.h - writes JSON, one value after the other
 *
 * Keys are the monitor's own; texts may be anybody's: what is not UTF-8, a
 * control character or of use to an HTML parser never comes out as it went in.
 */
#ifndef MONITOR_WRITER_H
#define MONITOR_WRITER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/**
 * struct writer - where to
 * @file:  the text
 * @comma: a value was written before in this object or array
 */
struct writer {
	FILE *file;
	bool comma;
};

/* In an array @key is NULL, as at the top */
void writer_begin(struct writer *w, const char *key, char bracket);
void writer_end(struct writer *w, char bracket);
void writer_text(struct writer *w, const char *key, const char *text);
void writer_number(struct writer *w, const char *key, uint64_t value);
void writer_bool(struct writer *w, const char *key, bool value);

#endif
