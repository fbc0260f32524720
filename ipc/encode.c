/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * encode.c - from a message to JSON, as the table has it
 *
 * Values are checked against the table on the way out too: what this process
 * sends is never what the other end would have to drop.
 */
#include <errno.h>
#include <string.h>

#include "ipc/json.h"
#include "ipc/table.h"
#include "services/common/address.h"

static void encode_fields(struct json_printer *p, const struct ipc_field *field,
			  uint32_t fields, const char *body);

static uint64_t load_integer(const struct ipc_field *f, const char *at)
{
	if (f->kind == IPC_U16)
		return *(const uint16_t *)(const void *)at;
	if (f->kind == IPC_U32)
		return *(const uint32_t *)(const void *)at;
	return *(const uint64_t *)(const void *)at;
}

static void encode_integer(struct json_printer *p, const struct ipc_field *f,
			   const char *at)
{
	uint64_t v = load_integer(f, at);

	if (v < f->min || v > f->max)
		p->error = -EINVAL;
	json_put_integer(p, v);
}

static void encode_text(struct json_printer *p, const struct ipc_field *f,
			const char *text)
{
	size_t bytes = strnlen(text, f->size);

	if (bytes == f->size || bytes < f->min ||
	    (f->kind == IPC_NAME && !ipc_name_valid(text)) ||
	    (f->kind == IPC_IDENTITY && bytes && !ipc_identity_valid(text))) {
		p->error = -EINVAL;
		return;
	}
	json_put_text(p, text);
}

static void encode_word(struct json_printer *p, const struct ipc_field *f,
			uint32_t value)
{
	if (value < f->min || value > f->max)
		p->error = -EINVAL;
	else
		json_put_text(p, f->word[value]);
}

static void encode_address(struct json_printer *p, const struct sb_address *a)
{
	char text[IPC_ADDRESS_TEXT_BYTES];

	if (a->family == SB_FAMILY_NONE)
		p->error = -EINVAL;
	json_put_text(p, address_text(a, text, sizeof(text)));
}

static void encode_tuple(struct json_printer *p, const struct ipc_rows *rows,
			 const char *row)
{
	uint32_t i;

	for (i = 0; i < rows->fields; i++) {
		json_put_char(p, i ? ',' : '[');
		encode_integer(p, &rows->field[i], row + rows->field[i].at);
	}
	json_put_char(p, ']');
}

static void encode_list(struct json_printer *p, const struct ipc_field *f,
			const char *body)
{
	const struct ipc_rows *rows = f->rows;
	const struct ipc_field text = { .kind = IPC_TEXT,
					.size = rows->row_bytes };
	uint32_t count =
		*(const uint32_t *)(const void *)(body + rows->count_at);
	uint32_t i;

	if (count > rows->max) {
		p->error = -EINVAL;
		return;
	}
	json_put_char(p, '[');
	for (i = 0; i < count; i++) {
		const char *row = body + f->at + (size_t)i * rows->row_bytes;

		if (i)
			json_put_char(p, ',');
		if (f->kind == IPC_TUPLES)
			encode_tuple(p, rows, row);
		else if (f->kind == IPC_TEXTS)
			encode_text(p, &text, row);
		else
			encode_fields(p, rows->field, rows->fields, row);
	}
	json_put_char(p, ']');
}

static void encode_counters(struct json_printer *p, const struct ipc_field *f,
			    const char *body)
{
	uint32_t count =
		*(const uint32_t *)(const void *)(body + f->rows->count_at);
	const struct ipc_counter *row = (const void *)(body + f->at);
	uint32_t i;

	if (count > f->rows->max) {
		p->error = -EINVAL;
		return;
	}
	json_put_char(p, '{');
	for (i = 0; i < count; i++, row++) {
		size_t bytes = strnlen(row->name, IPC_NAME_BYTES);

		if (!bytes || bytes == IPC_NAME_BYTES ||
		    !ipc_name_valid(row->name)) {
			p->error = -EINVAL;
			return;
		}
		json_put_key(p, row->name, bytes);
		json_put_integer(p, row->value);
	}
	json_put_char(p, '}');
}

/* A value that is as if its key were missing is left out */
static bool is_absent(const struct ipc_field *f, const char *at)
{
	if (!f->optional)
		return false;
	if (f->kind == IPC_ADDRESS)
		return ((const struct sb_address *)(const void *)at)->family ==
		       SB_FAMILY_NONE;
	return load_integer(f, at) == 0;
}

static void encode_value(struct json_printer *p, const struct ipc_field *f,
			 const char *body)
{
	switch (f->kind) {
	case IPC_U16:
	case IPC_U32:
	case IPC_U64:
		encode_integer(p, f, body + f->at);
		break;
	case IPC_BOOL:
		if (*(const bool *)(body + f->at))
			json_put(p, "true", 4);
		else
			json_put(p, "false", 5);
		break;
	case IPC_WORD:
		encode_word(p, f,
			    *(const uint32_t *)(const void *)(body + f->at));
		break;
	case IPC_ADDRESS:
		encode_address(p, (const void *)(body + f->at));
		break;
	case IPC_COUNTERS:
		encode_counters(p, f, body);
		break;
	case IPC_TEXTS:
	case IPC_TUPLES:
	case IPC_ROWS:
		encode_list(p, f, body);
		break;
	default:
		encode_text(p, f, body + f->at);
	}
}

static void encode_keys(struct json_printer *p, const struct ipc_field *field,
			uint32_t fields, const char *body)
{
	uint32_t i;

	for (i = 0; i < fields && !p->error; i++) {
		if (is_absent(&field[i], body + field[i].at))
			continue;
		json_put_key(p, field[i].key, field[i].key_bytes);
		encode_value(p, &field[i], body);
	}
}

static void encode_fields(struct json_printer *p, const struct ipc_field *field,
			  uint32_t fields, const char *body)
{
	json_put_char(p, '{');
	encode_keys(p, field, fields, body);
	json_put_char(p, '}');
}

int ipc_message_encode(const struct ipc_message *m, char *text, size_t bytes)
{
	static const struct ipc_field name_field = { .kind = IPC_NAME,
						     .size = IPC_NAME_BYTES,
						     .min = 1 };
	struct json_printer p = { text, text + bytes, 0 };
	const struct ipc_definition *d;

	if (m->type <= 0 || m->type >= IPC_TYPES)
		return -EINVAL;
	d = &ipc_table[m->type];
	if (bytes > d->bytes_max)
		p.end = text + d->bytes_max;
	json_put_char(&p, '{');
	if (p.error)
		return p.error;
	json_put_key(&p, d->key, strlen(d->key));
	encode_text(&p, &name_field, d->name ? d->name : m->event.event);
	encode_keys(&p, d->field, d->fields, (const char *)&m->attach);
	json_put_char(&p, '}');
	return p.error ? p.error : (int)(p.at - text);
}
