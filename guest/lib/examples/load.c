// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * load.c - asks the key-value server as fast as it answers
 *
 *   circuit-load [-c] HOST PORT REQUESTS [BYTES [DEPTH]]
 *
 * One connection; of ten requests one sets and nine get, keys come again in an
 * order that looks random, and every value that comes back is checked. Up to
 * DEPTH requests are on their way at once.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common.h"
#include "store.h"

#define KEYS 1000u
#define KEY_BYTES 16u
#define DEPTH_MAX 64u
#define REQUEST_MAX (sizeof(struct store_header) + KEY_BYTES + STORE_VALUE_MAX)

static const char usage[] = "[-c] HOST PORT REQUESTS [BYTES [DEPTH]]";

struct load {
	struct switchboard *s;
	uint32_t value_bytes;
	uint32_t version[KEYS]; /* of the value that was set last */
	struct {
		uint32_t key;
		uint32_t version;
		bool set;
	} asked[DEPTH_MAX];
};

static uint32_t key_of(uint32_t request)
{
	return (request * 2654435761u) >> 12 & 1023;
}

static void make_key(uint8_t *key, uint32_t number)
{
	memset(key, 'k', KEY_BYTES);
	memcpy(key, &number, sizeof(number));
}

static uint8_t value_byte(uint32_t key, uint32_t version, uint32_t i)
{
	return key + version * 7 + i;
}

static void ask(struct load *l, uint32_t request)
{
	uint32_t i, key = key_of(request) % KEYS, slot = request % DEPTH_MAX;
	bool is_set = !l->version[key] || request % 10 == 0;
	struct store_header h = { .call = is_set ? STORE_SET : STORE_GET,
				  .key_bytes = KEY_BYTES,
				  .value_bytes = is_set ? l->value_bytes : 0 };
	size_t bytes = sizeof(h) + KEY_BYTES + h.value_bytes;
	uint8_t *at;
	void *place;

	if (switchboard_reserve(l->s, bytes, &place) < 0)
		die("asking");
	at = place;
	memcpy(at, &h, sizeof(h));
	make_key(at + sizeof(h), key);
	if (is_set)
		l->version[key]++;
	for (i = 0; i < h.value_bytes; i++)
		at[sizeof(h) + KEY_BYTES + i] =
			value_byte(key, l->version[key], i);
	l->asked[slot].key = key;
	l->asked[slot].version = l->version[key];
	l->asked[slot].set = is_set;
	if (switchboard_commit(l->s, bytes) != 0)
		die("asking");
}

static bool is_value(const struct load *l, uint32_t slot, const uint8_t *value)
{
	uint32_t i;

	for (i = 0; i < l->value_bytes; i++)
		if (value[i] !=
		    value_byte(l->asked[slot].key, l->asked[slot].version, i))
			return false;
	return true;
}

static void hear(struct load *l, uint32_t request)
{
	uint32_t slot = request % DEPTH_MAX;
	uint32_t wanted = l->asked[slot].set ? 0 : l->value_bytes;
	struct store_header h;
	const void *value;

	if (!take_record(l->s, &h, sizeof(h)))
		die("no answer");
	errno = EBADMSG;
	if (h.call != STORE_OK || h.value_bytes != wanted)
		die("request %u: status %u, %u bytes", request, h.call,
		    h.value_bytes);
	if (!wanted)
		return;
	if (switchboard_peek(l->s, wanted, &value) < (ssize_t)wanted)
		die("no value");
	if (!is_value(l, slot, value)) {
		errno = EBADMSG;
		die("request %u: another value", request);
	}
	switchboard_release(l->s, wanted);
}

static void run(struct load *l, uint32_t requests, uint32_t depth)
{
	uint64_t start_us = now_us(), us;
	uint32_t asked = 0, heard = 0;

	while (heard < requests) {
		while (asked < requests && asked - heard < depth)
			ask(l, asked++);
		if (switchboard_flush(l->s) != 0)
			die("asking");
		hear(l, heard++);
	}
	us = now_us() - start_us;
	printf("%u requests, %s, %llu us, %llu requests/s\n", requests,
	       switchboard_is_mapped(l->s) ? "in place" : "copied",
	       (unsigned long long)us,
	       (unsigned long long)(requests * 1000000ull / (us ? us : 1)));
}

static uint32_t number(int argc, char **argv, int i, uint32_t otherwise,
		       uint32_t max)
{
	unsigned long n = i < argc ? strtoul(argv[i], NULL, 10) : otherwise;

	errno = EINVAL;
	if (n < 1 || n > max)
		die("%s: 1 to %u", argv[i], max);
	return n;
}

int main(int argc, char **argv)
{
	bool copy = argc > 1 && strcmp(argv[1], "-c") == 0;
	static struct load l;
	uint32_t requests, depth;

	argv += copy;
	argc -= copy;
	if (argc < 4 || argc > 6) {
		fprintf(stderr, "usage: circuit-load %s\n", usage);
		return 2;
	}
	requests = number(argc, argv, 3, 1, 1000000000);
	l.value_bytes = number(argc, argv, 4, 100, STORE_VALUE_MAX);
	depth = number(argc, argv, 5, 1, DEPTH_MAX);
	l.s = open_connection(argv[1], argv[2], copy);
	/* what is on its way fits into the ring, or both ends may wait */
	if (depth > switchboard_span(l.s) / REQUEST_MAX)
		depth = switchboard_span(l.s) / REQUEST_MAX;
	run(&l, requests, depth);
	return switchboard_close(l.s) == 0 ? 0 : 1;
}
