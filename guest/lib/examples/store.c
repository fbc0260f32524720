// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * store.c - a small key-value server on circuits
 *
 *   circuit-store [-c] PORT
 *
 * A thread for each connection. A key is looked up where the client put it,
 * and a value goes from the table straight into the circuit. What a request
 * says of its lengths is copied before it is checked: the client may be
 * changing it. A key that changes while it is looked up finds another value,
 * which is the client's own fault; keys that are stored are copied first.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common.h"
#include "store.h"

#define BUCKETS 65536u
#define ITEMS_MAX 1000000u

struct item {
	struct item *next;
	uint16_t key_bytes;
	uint32_t value_bytes;
	uint8_t bytes[]; /* key, value */
};

static struct item *bucket[BUCKETS];
static uint32_t items;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Where the item with that key hangs, or would. Lock held */
static struct item **find(const uint8_t *key, uint16_t bytes)
{
	struct item **at = &bucket[check_sum(0, key, bytes) % BUCKETS];

	while (*at && ((*at)->key_bytes != bytes ||
		       memcmp((*at)->bytes, key, bytes) != 0))
		at = &(*at)->next;
	return at;
}

static void drop(struct item **at)
{
	struct item *old = *at;

	*at = old->next;
	free(old);
	items--;
}

/* A copy of key and value takes the place of what was there. Lock held */
static enum store_status set(const struct store_header *h, const uint8_t *body)
{
	struct item *new = malloc(sizeof(*new) + h->key_bytes + h->value_bytes);
	struct item **at;

	if (!new)
		return STORE_FULL;
	new->key_bytes = h->key_bytes;
	new->value_bytes = h->value_bytes;
	memcpy(new->bytes, body, h->key_bytes + h->value_bytes);
	at = find(new->bytes, h->key_bytes);
	if (*at)
		drop(at);
	if (items >= ITEMS_MAX) {
		free(new);
		return STORE_FULL;
	}
	new->next = *at;
	*at = new;
	items++;
	return STORE_OK;
}

/* The answer's header, and behind it the value, if any. Lock held */
static size_t answer(const struct store_header *h, const uint8_t *body,
		     uint8_t *to)
{
	struct item **at = find(body, h->key_bytes);
	struct store_header a = { .call = STORE_OK };

	if (h->call == STORE_SET) {
		a.call = set(h, body);
	} else if (!*at) {
		a.call = STORE_NOT_THERE;
	} else if (h->call == STORE_DELETE) {
		drop(at);
	} else {
		a.value_bytes = (*at)->value_bytes;
		memcpy(to + sizeof(a), (*at)->bytes + (*at)->key_bytes,
		       a.value_bytes);
	}
	memcpy(to, &a, sizeof(a));
	return sizeof(a) + a.value_bytes;
}

static bool is_good(const struct store_header *h)
{
	if (h->call < STORE_GET || h->call > STORE_DELETE)
		return false;
	return h->key_bytes > 0 && h->key_bytes <= STORE_KEY_MAX &&
	       h->value_bytes <= (h->call == STORE_SET ? STORE_VALUE_MAX : 0);
}

/* False when the client has gone, or says what is no request */
static bool serve_one(struct switchboard *s)
{
	struct store_header h;
	const uint8_t *body;
	const void *from;
	size_t bytes;
	void *to;

	if (!take_record(s, &h, sizeof(h)) || !is_good(&h))
		return false;
	bytes = h.key_bytes + h.value_bytes;
	if (switchboard_peek(s, bytes, &from) < (ssize_t)bytes)
		return false;
	if (switchboard_reserve(s, sizeof(h) + STORE_VALUE_MAX, &to) < 0)
		return false;
	body = from;
	pthread_mutex_lock(&lock);
	bytes = answer(&h, body, to);
	pthread_mutex_unlock(&lock);
	return switchboard_release(s, h.key_bytes + h.value_bytes) == 0 &&
	       switchboard_commit(s, bytes) == 0;
}

static void *serve(void *opaque)
{
	struct switchboard *s = opaque;

	while (serve_one(s))
		continue;
	switchboard_close(s);
	return NULL;
}

int main(int argc, char **argv)
{
	bool copy = argc > 1 && strcmp(argv[1], "-c") == 0;
	struct switchboard *s;
	pthread_t thread;
	int listener;

	if (argc != 2 + copy) {
		fputs("usage: circuit-store [-c] PORT\n", stderr);
		return 2;
	}
	/* its tables are made before there are threads */
	check_sum(0, "", 0);
	listener = open_listener(argv[1 + copy]);
	for (;;) {
		s = next_connection(listener, copy);
		errno = pthread_create(&thread, NULL, serve, s);
		if (errno)
			die("no more threads");
		pthread_detach(thread);
	}
}
