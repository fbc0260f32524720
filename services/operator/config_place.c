/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * config_place.c - where in the file a value is
 *
 * The text is known to be JSON, so the walk looks only at what it needs:
 * quotes, brackets, commas. It is bounded all the same.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "services/operator/config_place.h"

/* No chain is longer: the configuration is not nested deeper */
#define STEPS_MAX 16

struct walk {
	const char *at;
	const char *end;
};

const char *config_place_text(const struct config_place *place, char *text,
			      size_t size)
{
	size_t used;

	text[0] = 0;
	if (!place || !place->up)
		return text;
	config_place_text(place->up, text, size);
	used = strlen(text);
	if (place->key)
		snprintf(text + used, size - used, "%s%s", used ? "." : "",
			 place->key);
	else
		snprintf(text + used, size - used, "[%zu]", place->index);
	return text;
}

static void skip_space(struct walk *w)
{
	while (w->at < w->end && strchr(" \t\r\n", *w->at) && *w->at)
		w->at++;
}

static void skip_text(struct walk *w)
{
	for (w->at++; w->at < w->end && *w->at != '"'; w->at++) {
		if (*w->at == '\\')
			w->at++;
	}
	if (w->at < w->end)
		w->at++;
}

/* Any value: up to the comma or bracket that ends it */
static void skip_value(struct walk *w)
{
	int depth = 0;

	while (w->at < w->end) {
		if (*w->at == '"') {
			skip_text(w);
			continue;
		}
		if (strchr("}],", *w->at) && *w->at && depth == 0)
			return;
		if (*w->at == '{' || *w->at == '[')
			depth++;
		if (*w->at == '}' || *w->at == ']')
			depth--;
		w->at++;
	}
}

/* Is the text token at @from, which may hold escapes, @key? */
static bool is_key(const char *from, const char *to, const char *key)
{
	json_t *text =
		json_loadb(from, (size_t)(to - from), JSON_DECODE_ANY, NULL);
	bool same = json_is_string(text) &&
		    strcmp(json_string_value(text), key) == 0;

	json_decref(text);
	return same;
}

/* From behind '{' to the value of @key; @line_at: where the key is */
static bool walk_to_key(struct walk *w, const char *key, const char **line_at)
{
	for (;;) {
		const char *from;

		skip_space(w);
		from = w->at;
		if (from >= w->end || *from != '"')
			return false;
		skip_text(w);
		if (is_key(from, w->at, key)) {
			*line_at = from;
			skip_space(w);
			w->at++; /* the colon */
			return true;
		}
		skip_space(w);
		w->at++;
		skip_value(w);
		if (w->at >= w->end || *w->at != ',')
			return false;
		w->at++;
	}
}

/* From behind '[' to element @index */
static bool walk_to_index(struct walk *w, size_t index, const char **line_at)
{
	while (index--) {
		skip_value(w);
		if (w->at >= w->end || *w->at != ',')
			return false;
		w->at++;
	}
	skip_space(w);
	if (w->at >= w->end || *w->at == ']')
		return false;
	*line_at = w->at;
	return true;
}

static bool take_step(struct walk *w, const struct config_place *step,
		      const char **line_at)
{
	skip_space(w);
	if (w->at >= w->end || *w->at != (step->key ? '{' : '['))
		return false;
	w->at++;
	if (step->key)
		return walk_to_key(w, step->key, line_at);
	return walk_to_index(w, step->index, line_at);
}

unsigned int config_place_line(const struct config_place *place,
			       const char *json, size_t bytes)
{
	const struct config_place *step[STEPS_MAX];
	struct walk w = { json, json + bytes };
	const char *line_at;
	unsigned int line = 1;
	int steps = 0;

	for (; place && place->up && steps < STEPS_MAX; place = place->up)
		step[steps++] = place;
	skip_space(&w);
	line_at = w.at;
	while (steps && take_step(&w, step[steps - 1], &line_at))
		steps--;
	while (json < line_at)
		line += *json++ == '\n';
	return line;
}
