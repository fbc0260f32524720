/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * config_reader.c - take typed values out of the file, and remember mistakes
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/table.h"
#include "services/common/log.h"
#include "services/operator/config_reader.h"

bool config_fail(struct config_reader *r, const struct config_place *place,
		 const char *format, ...)
{
	char what[CONFIG_ERROR_BYTES / 2], where[128], shown[192];
	va_list arguments;

	if (r->failed)
		return false;
	r->failed = true;
	va_start(arguments, format);
	vsnprintf(what, sizeof(what), format, arguments);
	va_end(arguments);
	config_place_text(place, where, sizeof(where));
	log_text(shown, sizeof(shown), where, strlen(where));
	snprintf(r->error, CONFIG_ERROR_BYTES, "%s:%u: %s%s%s", r->path,
		 config_place_line(place, r->text, r->bytes), shown,
		 *shown ? ": " : "", what);
	return false;
}

/* What a value is, for "expected ..., not ..." */
static const char *kind_name(const json_t *json)
{
	static const char *const names[] = {
		[JSON_OBJECT] = "an object", [JSON_ARRAY] = "a list",
		[JSON_STRING] = "a text",    [JSON_INTEGER] = "a number",
		[JSON_REAL] = "a fraction",  [JSON_TRUE] = "true",
		[JSON_FALSE] = "false",	     [JSON_NULL] = "null",
	};

	return names[json_typeof(json)];
}

static bool is_known(const char *key, const char *const *known)
{
	for (; *known; known++) {
		if (strcmp(*known, key) == 0)
			return true;
	}
	return false;
}

bool config_check_keys(struct config_reader *r, const struct config_value *v,
		       const char *const *known)
{
	void *at;

	if (!json_is_object(v->json))
		return config_fail(r, &v->place,
				   "expected an object {...}, not %s",
				   kind_name(v->json));
	for (at = json_object_iter((json_t *)v->json); at;
	     at = json_object_iter_next((json_t *)v->json, at)) {
		const char *key = json_object_iter_key(at);
		struct config_place place = { &v->place, key, 0 };

		if (!is_known(key, known))
			return config_fail(r, &place, "unknown key");
	}
	return true;
}

bool config_get(const struct config_value *v, const char *key,
		struct config_value *to)
{
	to->place = (struct config_place){ &v->place, key, 0 };
	to->json = json_object_get(v->json, key);
	return to->json;
}

bool config_need(struct config_reader *r, const struct config_value *v,
		 const char *key, struct config_value *to)
{
	return config_get(v, key, to) ||
	       config_fail(r, &v->place, "key \"%s\" is missing", key);
}

size_t config_list(struct config_reader *r, const struct config_value *v,
		   size_t max)
{
	size_t count = json_array_size(v->json);

	if (!json_is_array(v->json))
		config_fail(r, &v->place, "expected a list [...], not %s",
			    kind_name(v->json));
	else if (count > max)
		config_fail(r, &v->place, "%zu elements, at most %zu allowed",
			    count, max);
	return r->failed ? 0 : count;
}

struct config_value config_element(const struct config_value *v, size_t index)
{
	return (struct config_value){ { &v->place, NULL, index },
				      json_array_get(v->json, index) };
}

bool config_number(struct config_reader *r, const struct config_value *v,
		   uint32_t min, uint32_t max, uint32_t *to)
{
	json_int_t value = json_integer_value(v->json);

	if (!json_is_integer(v->json))
		return config_fail(r, &v->place,
				   "expected a number %u to %u, not %s", min,
				   max, kind_name(v->json));
	if (value < min || value > max)
		return config_fail(r, &v->place,
				   "%" JSON_INTEGER_FORMAT " is not between %u "
				   "and %u",
				   value, min, max);
	*to = (uint32_t)value;
	return true;
}

bool config_flag(struct config_reader *r, const struct config_value *v,
		 bool *to)
{
	if (!json_is_boolean(v->json))
		return config_fail(r, &v->place,
				   "expected true or false, not %s",
				   kind_name(v->json));
	*to = json_is_true(v->json);
	return true;
}

const char *config_text(struct config_reader *r, const struct config_value *v)
{
	if (!json_is_string(v->json))
		config_fail(r, &v->place, "expected a text \"...\", not %s",
			    kind_name(v->json));
	return json_string_value(v->json);
}

bool config_name(struct config_reader *r, const struct config_value *v,
		 const char *text, char *to)
{
	char shown[IPC_NAME_BYTES * 2];

	if (!text)
		return false;
	if (!*text || strlen(text) >= IPC_NAME_BYTES || !ipc_name_valid(text))
		return config_fail(
			r, &v->place,
			"\"%s\" is no name: 1 to %u letters, digits and ._-+@",
			log_text(shown, sizeof(shown), text, strlen(text)),
			IPC_NAME_BYTES - 1);
	memcpy(to, text, strlen(text) + 1);
	return true;
}

bool config_address(struct config_reader *r, const struct config_value *v,
		    struct sb_address *to)
{
	const char *text = config_text(r, v);
	char shown[64];

	if (!text)
		return false;
	return address_parse(to, text) == 0 ||
	       config_fail(r, &v->place, "\"%s\" is no IP address",
			   log_text(shown, sizeof(shown), text, strlen(text)));
}

/* Decimal digits up to @end. Return: 0 when it is no port */
static uint32_t parse_port(const char *text, char end, const char **rest)
{
	uint32_t port = 0;

	for (; *text >= '0' && *text <= '9'; text++) {
		port = port * 10 + (uint32_t)(*text - '0');
		if (port > UINT16_MAX)
			return 0;
	}
	if (*text != end)
		return 0;
	*rest = text + (end != 0);
	return port;
}

bool config_ports(struct config_reader *r, const struct config_value *v,
		  struct config_ports *to)
{
	const char *text, *rest;
	uint32_t first = 0, last;
	char shown[64];

	if (json_is_integer(v->json)) {
		if (!config_number(r, v, 1, UINT16_MAX, &first))
			return false;
		*to = (struct config_ports){ (uint16_t)first, (uint16_t)first };
		return true;
	}
	text = config_text(r, v);
	if (!text)
		return false;
	rest = text;
	if (strchr(text, '-'))
		first = parse_port(text, '-', &rest);
	last = parse_port(rest, 0, &rest);
	if (!strchr(text, '-'))
		first = last;
	if (!first || !last || first > last)
		return config_fail(
			r, &v->place,
			"\"%s\" is neither a port nor a range like 8000-8010",
			log_text(shown, sizeof(shown), text, strlen(text)));
	*to = (struct config_ports){ (uint16_t)first, (uint16_t)last };
	return true;
}
