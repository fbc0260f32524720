/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * json.h - the JSON that the messages use, scanned and printed in place
 *
 * A strict subset: texts are printable ASCII with no escapes but \" \\ \/,
 * numbers are unsigned 64-bit integers, nothing is null. No memory is
 * allocated and nothing recurses: the tables of table.h say what comes next.
 * A scanner that has found a fault finds the same one from then on.
 */
#ifndef IPC_JSON_H
#define IPC_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/messages.h"

/**
 * struct json_scanner - a place in a text
 * @at:    next byte
 * @end:   behind the last byte
 * @fault: the first fault, or IPC_FAULT_NONE
 */
struct json_scanner {
	const char *at;
	const char *end;
	enum ipc_fault fault;
};

/* Remember a fault, unless there is one. Return: false */
bool json_fault(struct json_scanner *s, enum ipc_fault fault);

/* Take @c, after white space, if it comes next */
bool json_take(struct json_scanner *s, char c);
/* Take @c, or it is a fault of syntax */
bool json_expect(struct json_scanner *s, char c);
/* Fault: another type than the table wants, or no JSON at all. Return: false */
bool json_wrong_type(struct json_scanner *s);
/* In a list: take ',' and go on, or @close and stop, or fault and stop */
bool json_next(struct json_scanner *s, char close);

/**
 * json_text() - take a text
 * @text: zero-terminated result
 * @size: of @text
 *
 * Return: its length, or -1 with a fault.
 */
int json_text(struct json_scanner *s, char *text, size_t size);
bool json_integer(struct json_scanner *s, uint64_t *value);
bool json_boolean(struct json_scanner *s, bool *value);

/**
 * struct json_printer - where JSON is written
 * @at:    next byte
 * @end:   behind the last byte there is room for
 * @error: 0, -EMSGSIZE or -EINVAL
 */
struct json_printer {
	char *at;
	char *end;
	int error;
};

void json_put(struct json_printer *p, const char *text, size_t bytes);
void json_put_char(struct json_printer *p, char c);
/* "KEY": with a comma in front unless it follows an opening brace */
void json_put_key(struct json_printer *p, const char *key, size_t bytes);
void json_put_text(struct json_printer *p, const char *text);
void json_put_integer(struct json_printer *p, uint64_t value);

#endif
