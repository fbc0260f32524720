// SPDX-License-Identifier: GPL-2.0-only
/*
 * frame - byte queues, and frames in them
 *
 * The queues grow as needed and never shrink; who fills them bounds them.
 */
#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frame.h"

static void reserve(struct queue *queue, size_t length)
{
	size_t held = queue_length(queue);

	if (queue->room - queue->end >= length)
		return;
	if (held)
		memmove(queue->bytes, queue->bytes + queue->start, held);
	queue->start = 0;
	queue->end = held;
	if (queue->room - held >= length)
		return;
	queue->room = 2 * (held + length);
	queue->bytes = realloc(queue->bytes, queue->room);
	if (!queue->bytes)
		err(255, "queue");
}

void queue_append(struct queue *queue, const void *bytes, size_t length)
{
	reserve(queue, length);
	if (length)
		memcpy(queue->bytes + queue->end, bytes, length);
	queue->end += length;
}

void queue_drop(struct queue *queue, size_t length)
{
	queue->start += length;
	if (queue->start == queue->end)
		queue->start = queue->end = 0;
}

void queue_free(struct queue *queue)
{
	free(queue->bytes);
	memset(queue, 0, sizeof(*queue));
}

ssize_t queue_fill(struct queue *queue, int fd, size_t most)
{
	ssize_t length;

	reserve(queue, most);
	length = read(fd, queue->bytes + queue->end, most);
	if (length < 0)
		return -errno;
	queue->end += length;
	return length;
}

ssize_t queue_drain(struct queue *queue, int fd)
{
	ssize_t length;

	length = write(fd, queue->bytes + queue->start, queue_length(queue));
	if (length < 0)
		return -errno;
	queue_drop(queue, length);
	return length;
}

static void store(uint8_t *to, uint32_t number, int count)
{
	for (int i = 0; i < count; i++)
		to[i] = number >> (8 * i);
}

static uint32_t load(const uint8_t *from, int count)
{
	uint32_t number = 0;

	for (int i = 0; i < count; i++)
		number |= (uint32_t)from[i] << (8 * i);
	return number;
}

void frame_put(struct queue *queue, uint32_t session, enum frame_type type,
	       const void *body, size_t length)
{
	uint8_t header[FRAME_HEADER_BYTES];

	if (length > FRAME_BODY_MAX)
		errx(255, "a frame of %zu bytes is too long", length);
	store(header, session, 4);
	store(header + 4, type, 2);
	store(header + 6, length, 2);
	queue_append(queue, header, sizeof(header));
	queue_append(queue, body, length);
}

void frame_put_number(struct queue *queue, uint32_t session,
		      enum frame_type type, uint32_t number)
{
	uint8_t body[4];

	store(body, number, 4);
	frame_put(queue, session, type, body, sizeof(body));
}

ssize_t frame_peek(const struct queue *queue, struct frame *frame)
{
	const uint8_t *at = queue->bytes + queue->start;

	if (queue_length(queue) < FRAME_HEADER_BYTES)
		return 0;
	frame->session = load(at, 4);
	frame->type = load(at + 4, 2);
	frame->length = load(at + 6, 2);
	frame->body = at + FRAME_HEADER_BYTES;
	if (frame->length > FRAME_BODY_MAX || !frame->type ||
	    frame->type > FRAME_EXIT)
		return -EPROTO;
	if (queue_length(queue) < FRAME_HEADER_BYTES + (size_t)frame->length)
		return 0;
	return FRAME_HEADER_BYTES + frame->length;
}

uint32_t frame_number(const struct frame *frame)
{
	return frame->length < 4 ? 0 : load(frame->body, 4);
}
