/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * decode.c - from JSON to a message, as the table has it
 *
 * One pass, no allocation, no recursion that the text could drive: the table
 * says what may come next, so nothing can nest deeper than the table does.
 * A key that comes in the table's order, as encode.c writes them, is found at
 * the first look.
 */
#include <stdio.h>
#include <string.h>

#include "ipc/json.h"
#include "ipc/table.h"
#include "services/common/address.h"

static bool decode_object(struct json_scanner *s, const struct ipc_field *field,
			  uint32_t fields, void *body,
			  const struct ipc_field **culprit);

static bool decode_integer(struct json_scanner *s, const struct ipc_field *f,
			   void *at)
{
	uint64_t v;

	if (!json_integer(s, &v))
		return false;
	if (v < f->min || v > f->max)
		return json_fault(s, IPC_FAULT_RANGE);
	if (f->kind == IPC_U16)
		*(uint16_t *)at = (uint16_t)v;
	else if (f->kind == IPC_U32)
		*(uint32_t *)at = (uint32_t)v;
	else
		*(uint64_t *)at = v;
	return true;
}

static bool decode_text(struct json_scanner *s, const struct ipc_field *f,
			char *at)
{
	int bytes = json_text(s, at, f->size);

	if (bytes < 0)
		return false;
	if ((uint64_t)bytes < f->min)
		return json_fault(s, IPC_FAULT_RANGE);
	if (f->kind == IPC_NAME && !ipc_name_valid(at))
		return json_fault(s, IPC_FAULT_RANGE);
	if (f->kind == IPC_IDENTITY && bytes && !ipc_identity_valid(at))
		return json_fault(s, IPC_FAULT_RANGE);
	return true;
}

static bool decode_word(struct json_scanner *s, const struct ipc_field *f,
			uint32_t *at)
{
	char text[IPC_NAME_BYTES];
	uint32_t i;

	if (json_text(s, text, sizeof(text)) < 0)
		return false;
	for (i = (uint32_t)f->min; i <= f->max; i++) {
		if (strcmp(f->word[i], text) == 0) {
			*at = i;
			return true;
		}
	}
	return json_fault(s, IPC_FAULT_RANGE);
}

static bool decode_address(struct json_scanner *s, struct sb_address *at)
{
	char text[IPC_ADDRESS_TEXT_BYTES];
	uint16_t port = at->port;

	if (json_text(s, text, sizeof(text)) < 0)
		return false;
	if (address_parse(at, text) < 0)
		return json_fault(s, IPC_FAULT_RANGE);
	at->port = port;
	return true;
}

static bool decode_tuple(struct json_scanner *s, const struct ipc_rows *rows,
			 char *row)
{
	uint32_t i;

	if (!json_expect(s, '['))
		return false;
	for (i = 0; i < rows->fields; i++) {
		const struct ipc_field *f = &rows->field[i];

		if (i && !json_expect(s, ','))
			return false;
		if (!decode_integer(s, f, row + f->at))
			return false;
	}
	return json_expect(s, ']');
}

static bool decode_row(struct json_scanner *s, const struct ipc_field *f,
		       char *row, const struct ipc_field **culprit)
{
	const struct ipc_rows *rows = f->rows;

	if (f->kind == IPC_TUPLES)
		return decode_tuple(s, rows, row);
	if (f->kind == IPC_TEXTS)
		return json_text(s, row, rows->row_bytes) >= 0;
	return decode_object(s, rows->field, rows->fields, row, culprit);
}

static bool decode_list(struct json_scanner *s, const struct ipc_field *f,
			char *body, const struct ipc_field **culprit)
{
	uint32_t *count = (uint32_t *)(void *)(body + f->rows->count_at);

	if (!json_take(s, '['))
		return json_wrong_type(s);
	*count = 0;
	if (json_take(s, ']'))
		return true;
	do {
		char *row = body + f->at + (size_t)*count * f->rows->row_bytes;

		if (*count == f->rows->max)
			return json_fault(s, IPC_FAULT_RANGE);
		if (!decode_row(s, f, row, culprit))
			return false;
		++*count;
	} while (json_next(s, ']'));
	return s->fault == IPC_FAULT_NONE;
}

static bool decode_counters(struct json_scanner *s, const struct ipc_field *f,
			    char *body)
{
	uint32_t *count = (uint32_t *)(void *)(body + f->rows->count_at);
	struct ipc_counter *row = (struct ipc_counter *)(void *)(body + f->at);

	*count = 0;
	if (!json_take(s, '{'))
		return json_wrong_type(s);
	if (json_take(s, '}'))
		return true;
	do {
		if (*count == f->rows->max)
			return json_fault(s, IPC_FAULT_RANGE);
		if (json_text(s, row->name, sizeof(row->name)) < 1 ||
		    !ipc_name_valid(row->name))
			return json_fault(s, IPC_FAULT_RANGE);
		if (!json_expect(s, ':') || !json_integer(s, &row->value))
			return false;
		row++;
		++*count;
	} while (json_next(s, '}'));
	return s->fault == IPC_FAULT_NONE;
}

static bool decode_value(struct json_scanner *s, const struct ipc_field *f,
			 char *body, const struct ipc_field **culprit)
{
	switch (f->kind) {
	case IPC_U16:
	case IPC_U32:
	case IPC_U64:
		return decode_integer(s, f, body + f->at);
	case IPC_BOOL:
		return json_boolean(s, (bool *)(body + f->at));
	case IPC_WORD:
		return decode_word(s, f, (uint32_t *)(void *)(body + f->at));
	case IPC_ADDRESS:
		return decode_address(
			s, (struct sb_address *)(void *)(body + f->at));
	case IPC_COUNTERS:
		return decode_counters(s, f, body);
	case IPC_TEXTS:
	case IPC_TUPLES:
	case IPC_ROWS:
		return decode_list(s, f, body, culprit);
	default:
		return decode_text(s, f, body + f->at);
	}
}

/* A key that is missing is as if its value were zero, empty or of no family */
static void clear_value(const struct ipc_field *f, char *body)
{
	static const struct sb_address none;

	switch (f->kind) {
	case IPC_U16:
		memset(body + f->at, 0, sizeof(uint16_t));
		break;
	case IPC_U32:
		memset(body + f->at, 0, sizeof(uint32_t));
		break;
	case IPC_ADDRESS:
		memcpy(body + f->at, &none, sizeof(none));
		break;
	default:
		body[f->at] = 0;
	}
}

static bool check_missing(struct json_scanner *s, const struct ipc_field *field,
			  uint32_t fields, uint32_t seen,
			  const struct ipc_field **culprit)
{
	uint32_t i;

	for (i = 0; i < fields; i++) {
		if (seen & 1u << i || field[i].optional)
			continue;
		*culprit = &field[i];
		return json_fault(s, IPC_FAULT_KEY);
	}
	return true;
}

static uint32_t find_field(const struct ipc_field *field, uint32_t fields,
			   uint32_t guess, const char *key, size_t bytes)
{
	uint32_t tried;

	for (tried = 0; tried < fields; tried++) {
		uint32_t i = (guess + tried) % fields;

		if (field[i].key_bytes == bytes &&
		    memcmp(field[i].key, key, bytes) == 0)
			return i;
	}
	return fields;
}

/* Where a key's bytes are, without copying; escapes are in no key we know */
static const char *take_key(struct json_scanner *s, size_t *bytes)
{
	const char *key, *quote;

	if (!json_expect(s, '"'))
		return NULL;
	key = s->at;
	quote = memchr(key, '"', (size_t)(s->end - key));
	if (!quote) {
		json_fault(s, IPC_FAULT_SYNTAX);
		return NULL;
	}
	*bytes = (size_t)(quote - key);
	s->at = quote + 1;
	return json_expect(s, ':') ? key : NULL;
}

/* Keys and values up to the closing brace, which is taken */
static bool decode_fields(struct json_scanner *s, const struct ipc_field *field,
			  uint32_t fields, char *body,
			  const struct ipc_field **culprit)
{
	uint32_t seen = 0, at = 0, i;

	for (i = 0; i < fields; i++) {
		if (field[i].optional)
			clear_value(&field[i], body);
	}
	do {
		size_t bytes;
		const char *key = take_key(s, &bytes);

		if (!key)
			return false;
		at = find_field(field, fields, at, key, bytes);
		if (at == fields)
			return json_fault(s, IPC_FAULT_KEY);
		*culprit = &field[at];
		if (seen & 1u << at)
			return json_fault(s, IPC_FAULT_SYNTAX);
		seen |= 1u << at;
		if (!decode_value(s, &field[at], body, culprit))
			return false;
		*culprit = NULL;
		at = (at + 1) % fields;
	} while (json_next(s, '}'));
	return s->fault == IPC_FAULT_NONE &&
	       check_missing(s, field, fields, seen, culprit);
}

static bool decode_object(struct json_scanner *s, const struct ipc_field *field,
			  uint32_t fields, void *body,
			  const struct ipc_field **culprit)
{
	if (!json_take(s, '{'))
		return json_wrong_type(s);
	if (json_take(s, '}'))
		return check_missing(s, field, fields, 0, culprit);
	return decode_fields(s, field, fields, body, culprit);
}

/* The first key and its value say which message this is */
static enum ipc_type decode_name(struct json_scanner *s, char *name)
{
	size_t bytes;
	const char *key;
	unsigned int i;

	if (!json_expect(s, '{'))
		return 0;
	key = take_key(s, &bytes);
	if (!key || json_text(s, name, IPC_NAME_BYTES) < 1)
		goto unknown;
	for (i = 1; i < IPC_TYPES; i++) {
		const struct ipc_definition *d = &ipc_table[i];

		if (strlen(d->key) == bytes && !memcmp(d->key, key, bytes) &&
		    (d->name ? !strcmp(d->name, name) : ipc_name_valid(name)))
			return i;
	}
unknown:
	json_fault(s, IPC_FAULT_NAME);
	return 0;
}

static void *message_body(struct ipc_message *m)
{
	return &m->attach;
}

/* Everything but the party and the size, which are checked by the name */
static bool decode_body(struct json_scanner *s, struct ipc_message *m,
			const char *name, const struct ipc_field **culprit)
{
	const struct ipc_definition *d = &ipc_table[m->type];

	if (!d->name)
		memcpy(m->event.event, name, IPC_NAME_BYTES);
	if (json_take(s, ',')) {
		if (!d->fields)
			return json_fault(s, IPC_FAULT_KEY);
		if (!decode_fields(s, d->field, d->fields, message_body(m),
				   culprit))
			return false;
	} else {
		uint32_t i;

		if (!json_expect(s, '}') ||
		    !check_missing(s, d->field, d->fields, 0, culprit))
			return false;
		for (i = 0; i < d->fields; i++)
			clear_value(&d->field[i], message_body(m));
	}
	while (s->at < s->end && strchr(" \t\r\n", *s->at) && *s->at)
		s->at++;
	return s->at == s->end || json_fault(s, IPC_FAULT_SYNTAX);
}

enum ipc_fault ipc_message_decode(struct ipc_message *m, const char *text,
				  size_t bytes, unsigned int sender,
				  unsigned int receiver, char *why,
				  size_t why_bytes)
{
	struct json_scanner s = { text, text + bytes, IPC_FAULT_NONE };
	const struct ipc_field *culprit = NULL;
	const struct ipc_definition *d;
	char name[IPC_NAME_BYTES] = "";

	m->type = decode_name(&s, name);
	if (m->type) {
		d = &ipc_table[m->type];
		if (!(d->sender & sender) || !(d->receiver & receiver))
			json_fault(&s, IPC_FAULT_PARTY);
		else if (bytes > d->bytes_max)
			json_fault(&s, IPC_FAULT_SIZE);
		else
			decode_body(&s, m, name, &culprit);
	}
	if (s.fault != IPC_FAULT_NONE)
		snprintf(why, why_bytes, "%s, message \"%s\"%s%s%s",
			 ipc_fault_name(s.fault),
			 m->type ? ipc_type_name(m->type) : "unknown",
			 culprit ? ", key \"" : "", culprit ? culprit->key : "",
			 culprit ? "\"" : "");
	return s.fault;
}
