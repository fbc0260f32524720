/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * config_place.h - where in the file a value is
 *
 * The JSON library tells the line of a syntax error, but forgets where values
 * were. So a reader carries its place along, a chain of keys on the stack, and
 * when something is wrong the text is walked once more along that chain.
 */
#ifndef OPERATOR_CONFIG_PLACE_H
#define OPERATOR_CONFIG_PLACE_H

#include <stddef.h>

/**
 * struct config_place - a step from the top to a value
 * @up:    the step before; NULL: this is the top
 * @key:   key in an object, or NULL: element @index of a list
 * @index: see @key
 */
struct config_place {
	const struct config_place *up;
	const char *key;
	size_t index;
};

/* "guests.web.connect[2].ports"; "" at the top. Return: @text */
const char *config_place_text(const struct config_place *place, char *text,
			      size_t size);

/**
 * config_place_line() - the line, from 1, of a value's key or of a list element
 * @place: where
 * @json:  text that the JSON library has accepted
 * @bytes: its length
 *
 * A place that is not there gets the line of the nearest step above it.
 */
unsigned int config_place_line(const struct config_place *place,
			       const char *json, size_t bytes);

#endif
