/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * table.h - how the table of messages is written down
 *
 * Only messages.c (the table), decode.c and encode.c need it.
 */
#ifndef IPC_TABLE_H
#define IPC_TABLE_H

#include "ipc/messages.h"

enum ipc_field_kind {
	IPC_U16, /* uint16_t, @min to @max */
	IPC_U32, /* uint32_t, @min to @max */
	IPC_U64, /* uint64_t, @min to @max */
	IPC_BOOL, /* bool */
	IPC_WORD, /* uint32_t, as the text @word[value]; @min to @max */
	IPC_NAME, /* char[@size]: letters, digits, . _ - + @; @min bytes */
	IPC_TEXT, /* char[@size]: printable ASCII; @min bytes */
	IPC_IDENTITY, /* char[37]: a UUID; empty only when @min is 0 */
	IPC_ADDRESS, /* struct sb_address but for its port */
	IPC_TEXTS, /* list of texts of @size in rows */
	IPC_TUPLES, /* list of lists of integers */
	IPC_ROWS, /* list of objects */
	IPC_COUNTERS, /* object of names and integers */
};

/**
 * struct ipc_rows - the elements of a list
 * @field:     of one element; for tuples the integers, in order
 * @fields:    how many
 * @count_at:  where the number of elements is, uint32_t, in the body
 * @row_bytes: size of one element
 * @max:       elements at most
 */
struct ipc_rows {
	const struct ipc_field *field;
	uint32_t fields;
	uint32_t count_at;
	uint32_t row_bytes;
	uint32_t max;
};

/**
 * struct ipc_field - a key and its value
 * @key:       the key
 * @key_bytes: its length
 * @kind:      enum ipc_field_kind
 * @optional:  may be missing, and then is zero, empty or of no family
 * @at:        where the value is in the body or row
 * @size:      of a text
 * @min:       least value, or shortest text
 * @max:       largest value
 * @rows:      of a list
 * @word:      texts that stand for the values @min to @max
 */
struct ipc_field {
	const char *key;
	uint8_t key_bytes;
	uint8_t kind;
	bool optional;
	uint32_t at;
	uint32_t size;
	uint64_t min;
	uint64_t max;
	const struct ipc_rows *rows;
	const char *const *word;
};

/**
 * struct ipc_definition - a message
 * @key:       the first key, "order", "report", ...
 * @name:      its value; NULL: any name, kept in the first field
 * @field:     the other keys
 * @sender:    bits of enum ipc_party
 * @receiver:  bits of enum ipc_party
 * @bytes_max: size of its JSON at most
 * @fields:    how many
 */
struct ipc_definition {
	const char *key;
	const char *name;
	const struct ipc_field *field;
	unsigned int sender;
	unsigned int receiver;
	uint32_t bytes_max;
	uint32_t fields;
};

#define IPC_FIELDS_MAX 32u

/* Indexed by enum ipc_type; entry 0 is empty */
extern const struct ipc_definition ipc_table[IPC_TYPES];

/* Is it of the letters that a name may have? */
bool ipc_name_valid(const char *name);
/* Is it 8-4-4-4-12 hexadecimal digits? */
bool ipc_identity_valid(const char *identity);

#endif
