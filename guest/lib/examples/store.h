/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * store.h - what the key-value server and its clients say to each other
 *
 * A request is a header, a key and, to set, a value; an answer is a header
 * and, after a get, the value. Numbers are the machine's own.
 */
#ifndef SWITCHBOARD_EXAMPLES_STORE_H
#define SWITCHBOARD_EXAMPLES_STORE_H

#include <stdint.h>

#define STORE_KEY_MAX 64u
/* A request must fit into half of the smallest ring there is */
#define STORE_VALUE_MAX 1024u

enum store_call {
	STORE_GET = 1,
	STORE_SET = 2,
	STORE_DELETE = 3,
};

enum store_status {
	STORE_OK = 0,
	STORE_NOT_THERE = 1,
	STORE_FULL = 2,
};

struct store_header {
	uint16_t call; /* of an answer: the status */
	uint16_t key_bytes;
	uint32_t value_bytes;
};

#endif
