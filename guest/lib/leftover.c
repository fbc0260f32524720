// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * leftover.c - what came before the circuit was mapped
 *
 * A socket that is attached goes on in a larger circuit first, where it can.
 * Bytes that came into the old one meanwhile must be read before, and are kept
 * here: the program peeks at them first, together with as much of what follows
 * as it asks for.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "guest/lib/internal.h"

/* As large as the rings that circuits have at first */
#define PIECE_BYTES 16384u

static size_t held(const struct buffer *b)
{
	return b->tail - b->head;
}

/* Room for so many bytes behind what is held. 0 or an errno */
static int make_room(struct buffer *b, size_t bytes)
{
	uint8_t *larger;

	memmove(b->bytes, b->bytes + b->head, held(b));
	b->tail -= b->head;
	b->head = 0;
	larger = realloc(b->bytes, b->tail + bytes);
	if (!larger)
		return ENOMEM;
	b->bytes = larger;
	return 0;
}

int switchboard_leftover_read(struct switchboard *s)
{
	struct buffer *b = &s->left;
	ssize_t n;

	if (!b->bytes) {
		b->bytes = malloc(PIECE_BYTES);
		if (!b->bytes)
			return ENOMEM;
	}
	if (make_room(b, PIECE_BYTES) != 0)
		return ENOMEM;
	n = recv(s->fd, b->bytes + b->tail, PIECE_BYTES, MSG_DONTWAIT);
	if (n > 0)
		b->tail += n;
	return n > 0 ? 0 : EAGAIN;
}

bool switchboard_leftover(const struct switchboard *s)
{
	return held(&s->left) > 0;
}

ssize_t switchboard_leftover_peek(struct switchboard *s, size_t bytes,
				  const void **at)
{
	struct buffer *b = &s->left;
	size_t missing;
	ssize_t n;

	while (held(b) < bytes) {
		missing = bytes - held(b);
		n = s->transport->peek(s, 1, at);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return -1;
		if (n <= 0)
			break;
		missing = (size_t)n < missing ? (size_t)n : missing;
		if (make_room(b, missing) != 0) {
			errno = ENOMEM;
			return -1;
		}
		memcpy(b->bytes + b->tail, *at, missing);
		b->tail += missing;
		s->transport->release(s, missing);
	}
	*at = b->bytes + b->head;
	return held(b);
}

void switchboard_leftover_release(struct switchboard *s, size_t bytes)
{
	s->left.head += bytes;
}
