/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * json.c - the JSON that the messages use, scanned and printed in place
 *
 * An `open` passes here for every connection, so this is written to be short
 * in instructions as well as strict.
 */
#include <errno.h>
#include <string.h>

#include "ipc/json.h"

bool json_fault(struct json_scanner *s, enum ipc_fault fault)
{
	if (s->fault == IPC_FAULT_NONE)
		s->fault = fault;
	s->at = s->end;
	return false;
}

static void skip_space(struct json_scanner *s)
{
	while (s->at < s->end && (*s->at == ' ' || *s->at == '\n' ||
				  *s->at == '\t' || *s->at == '\r'))
		s->at++;
}

bool json_take(struct json_scanner *s, char c)
{
	skip_space(s);
	if (s->at == s->end || *s->at != c)
		return false;
	s->at++;
	return true;
}

bool json_expect(struct json_scanner *s, char c)
{
	return json_take(s, c) || json_fault(s, IPC_FAULT_SYNTAX);
}

bool json_next(struct json_scanner *s, char close)
{
	if (json_take(s, ','))
		return true;
	json_expect(s, close);
	return false;
}

bool json_wrong_type(struct json_scanner *s)
{
	static const char values[] = "{[\"-0123456789tfn";

	skip_space(s);
	if (s->at < s->end && memchr(values, *s->at, sizeof(values) - 1))
		return json_fault(s, IPC_FAULT_TYPE);
	return json_fault(s, IPC_FAULT_SYNTAX);
}

int json_text(struct json_scanner *s, char *text, size_t size)
{
	size_t used = 0;

	if (!json_take(s, '"')) {
		json_wrong_type(s);
		return -1;
	}
	while (s->at < s->end && *s->at != '"') {
		char c = *s->at++;

		if (c == '\\' && s->at < s->end) {
			c = *s->at++;
			if (c != '"' && c != '\\' && c != '/')
				c = 0;
		}
		if (c < 0x20 || c > 0x7e || used + 1 >= size) {
			json_fault(s, IPC_FAULT_RANGE);
			return -1;
		}
		text[used++] = c;
	}
	text[used] = 0;
	return json_expect(s, '"') ? (int)used : -1;
}

static bool is_digit(const struct json_scanner *s)
{
	return s->at < s->end && *s->at >= '0' && *s->at <= '9';
}

bool json_integer(struct json_scanner *s, uint64_t *value)
{
	const char *first;
	uint64_t v = 0;

	skip_space(s);
	first = s->at;
	while (is_digit(s)) {
		unsigned int digit = (unsigned int)(*s->at++ - '0');

		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, digit, &v))
			return json_fault(s, IPC_FAULT_RANGE);
	}
	if (s->at == first) {
		if (s->at < s->end && *s->at == '-')
			return json_fault(s, IPC_FAULT_RANGE);
		return json_wrong_type(s);
	}
	if (*first == '0' && s->at - first > 1)
		return json_fault(s, IPC_FAULT_SYNTAX);
	if (s->at < s->end && (*s->at == '.' || *s->at == 'e' || *s->at == 'E'))
		return json_fault(s, IPC_FAULT_TYPE);
	*value = v;
	return true;
}

static bool take_word(struct json_scanner *s, const char *word)
{
	size_t bytes = strlen(word);

	if ((size_t)(s->end - s->at) < bytes || memcmp(s->at, word, bytes) != 0)
		return false;
	s->at += bytes;
	return true;
}

bool json_boolean(struct json_scanner *s, bool *value)
{
	skip_space(s);
	*value = take_word(s, "true");
	return *value || take_word(s, "false") || json_wrong_type(s);
}

void json_put(struct json_printer *p, const char *text, size_t bytes)
{
	if ((size_t)(p->end - p->at) < bytes) {
		p->error = -EMSGSIZE;
		return;
	}
	memcpy(p->at, text, bytes);
	p->at += bytes;
}

void json_put_char(struct json_printer *p, char c)
{
	if (p->at == p->end)
		p->error = -EMSGSIZE;
	else
		*p->at++ = c;
}

void json_put_key(struct json_printer *p, const char *key, size_t bytes)
{
	/* called after '{' at the earliest, so there is a byte before */
	if (p->at[-1] != '{')
		json_put_char(p, ',');
	json_put_char(p, '"');
	json_put(p, key, bytes);
	json_put(p, "\":", 2);
}

void json_put_text(struct json_printer *p, const char *text)
{
	json_put_char(p, '"');
	for (; *text; text++) {
		if (*text < 0x20 || *text > 0x7e)
			p->error = -EINVAL;
		if (*text == '"' || *text == '\\')
			json_put_char(p, '\\');
		json_put_char(p, *text);
	}
	json_put_char(p, '"');
}

void json_put_integer(struct json_printer *p, uint64_t value)
{
	char digits[20];
	char *first = digits + sizeof(digits);

	do {
		*--first = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	json_put(p, first, (size_t)(digits + sizeof(digits) - first));
}
