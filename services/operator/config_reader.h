/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * config_reader.h - take typed values out of the file, and remember mistakes
 *
 * The first mistake is kept; after it every reader gives up. Only config*.c
 * need this.
 */
#ifndef OPERATOR_CONFIG_READER_H
#define OPERATOR_CONFIG_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "services/operator/config.h"
#include "services/operator/config_place.h"

/**
 * struct config_reader - a file being read
 * @path:   its name
 * @text:   its text
 * @bytes:  length of it
 * @error:  CONFIG_ERROR_BYTES
 * @failed: @error has been written
 */
struct config_reader {
	const char *path;
	const char *text;
	size_t bytes;
	char *error;
	bool failed;
};

/* A value and where it is */
struct config_value {
	struct config_place place;
	const json_t *json;
};

/* Return: false, always */
bool config_fail(struct config_reader *r, const struct config_place *place,
		 const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Must be an object, all of whose keys are in @known, which ends in NULL */
bool config_check_keys(struct config_reader *r, const struct config_value *v,
		       const char *const *known);

/* The value of @key in object @v. Return: is it there? */
bool config_get(const struct config_value *v, const char *key,
		struct config_value *to);
/* The same, and it is a mistake when it is not there */
bool config_need(struct config_reader *r, const struct config_value *v,
		 const char *key, struct config_value *to);

/* Must be a list of at most @max elements; 0 with a mistake otherwise */
size_t config_list(struct config_reader *r, const struct config_value *v,
		   size_t max);
struct config_value config_element(const struct config_value *v, size_t index);

bool config_number(struct config_reader *r, const struct config_value *v,
		   uint32_t min, uint32_t max, uint32_t *to);
/* true or false */
bool config_flag(struct config_reader *r, const struct config_value *v,
		 bool *to);
/* Must be a text. Return: it, or NULL with a mistake */
const char *config_text(struct config_reader *r, const struct config_value *v);
/* A name: letters, digits and . _ - + @ */
bool config_name(struct config_reader *r, const struct config_value *v,
		 const char *text, char *to);
bool config_address(struct config_reader *r, const struct config_value *v,
		    struct sb_address *to);
/* 80, "80" or "8000-8010" */
bool config_ports(struct config_reader *r, const struct config_value *v,
		  struct config_ports *to);

/* A guest's object; @v->place.key is its name. config_guest.c */
bool config_read_guest(struct config_reader *r, const struct config_value *v,
		       const struct config *c, struct config_guest *g);
/* "limits", when it is there. config_guest.c */
bool config_read_limits(struct config_reader *r, const struct config_value *v,
			struct config_limits *limits);

#endif
