// SPDX-License-Identifier: GPL-2.0-only
/*
 * writer.c - writes JSON, one value after the other
 */
#include <inttypes.h>
#include <string.h>

#include "services/monitor/writer.h"

/* Bytes of the UTF-8 character at @text, 0 when it is none */
static unsigned int character_bytes(const unsigned char *text)
{
	static const struct {
		unsigned char mask, lead;
		uint32_t least;
	} forms[] = { { 0x80, 0x00, 0 },
		      { 0xe0, 0xc0, 0x80 },
		      { 0xf0, 0xe0, 0x800 },
		      { 0xf8, 0xf0, 0x10000 } };
	unsigned int bytes, i;
	uint32_t value;

	for (bytes = 0; bytes < 4; bytes++)
		if ((text[0] & forms[bytes].mask) == forms[bytes].lead)
			break;
	if (bytes == 4)
		return 0;
	value = text[0] & (unsigned char)~forms[bytes].mask;
	for (i = 1; i <= bytes; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (text[i] & 0x3f);
	}
	if (value < forms[bytes].least || value > 0x10ffff ||
	    (value >= 0xd800 && value <= 0xdfff))
		return 0;
	return bytes + 1;
}

static void put_text(FILE *f, const char *text)
{
	const unsigned char *at = (const unsigned char *)text;

	fputc('"', f);
	while (*at) {
		unsigned int bytes = character_bytes(at);

		if (!bytes)
			fputs("\\ufffd", f);
		else if (*at < 0x20 || *at == 0x7f || strchr("\"\\<>&'", *at))
			fprintf(f, "\\u%04x", *at);
		else
			fwrite(at, 1, bytes, f);
		at += bytes ? bytes : 1;
	}
	fputc('"', f);
}

static void put_key(struct writer *w, const char *key)
{
	if (w->comma)
		fputc(',', w->file);
	w->comma = true;
	if (key)
		fprintf(w->file, "\"%s\":", key);
}

void writer_begin(struct writer *w, const char *key, char bracket)
{
	put_key(w, key);
	fputc(bracket, w->file);
	w->comma = false;
}

void writer_end(struct writer *w, char bracket)
{
	fputc(bracket, w->file);
	w->comma = true;
}

void writer_text(struct writer *w, const char *key, const char *text)
{
	put_key(w, key);
	put_text(w->file, text);
}

void writer_number(struct writer *w, const char *key, uint64_t value)
{
	put_key(w, key);
	/* readers of JSON have signed numbers */
	fprintf(w->file, "%" PRIu64, value > INT64_MAX ? INT64_MAX : value);
}

void writer_bool(struct writer *w, const char *key, bool value)
{
	put_key(w, key);
	fputs(value ? "true" : "false", w->file);
}
