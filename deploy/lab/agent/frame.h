/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * frame - how the lab's command agent and its clients talk
 *
 * One byte stream (a TCP connection to Dom0, a PV console to a guest) carries
 * several sessions; a session is one command. Every frame is an 8-byte header
 * (session, type, length; little-endian) and at most FRAME_BODY_MAX bytes.
 *
 *	client to agent	TOKEN	secret, first frame on a TCP connection
 *			RUN	flags byte, then the arguments, each ended by NUL
 *			INPUT	bytes for stdin; an empty body is end of file
 *			SIZE	rows and columns of a terminal, two 16-bit words
 *			HANGUP	the client is gone
 *	agent to client	OUTPUT	bytes of stdout
 *			ERROR	bytes of stderr
 *			CREDIT	the client may send so many more INPUT bytes
 *			EXIT	exit status, 128 + n after signal n
 *
 * Input is bounded by credit, so that a command that does not read its stdin
 * never stops the other sessions on the same stream.
 */
#ifndef LAB_FRAME_H
#define LAB_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define FRAME_HEADER_BYTES 8
#define FRAME_BODY_MAX 32768
#define FRAME_CREDIT_BYTES (256 * 1024)
#define FRAME_RUN_TERMINAL 1

/* What a guest's agent writes once, when its console is in raw mode. */
#define FRAME_HELLO "\001switchboard-lab-agent\002"

enum frame_type {
	FRAME_TOKEN = 1,
	FRAME_RUN,
	FRAME_INPUT,
	FRAME_SIZE,
	FRAME_HANGUP,
	FRAME_OUTPUT,
	FRAME_ERROR,
	FRAME_CREDIT,
	FRAME_EXIT,
};

struct frame {
	uint32_t session;
	uint16_t type;
	uint16_t length;
	const uint8_t *body;
};

/* Bytes on their way from one descriptor to another. Zeroed is empty. */
struct queue {
	uint8_t *bytes;
	size_t start;
	size_t end;
	size_t room;
};

static inline size_t queue_length(const struct queue *queue)
{
	return queue->end - queue->start;
}

void queue_append(struct queue *queue, const void *bytes, size_t length);
void queue_drop(struct queue *queue, size_t length);
void queue_free(struct queue *queue);

/* Read once into the queue. Returns bytes read, 0 at end of file, -errno. */
ssize_t queue_fill(struct queue *queue, int fd, size_t most);

/* Write once from the queue. Returns bytes written or -errno. */
ssize_t queue_drain(struct queue *queue, int fd);

void frame_put(struct queue *queue, uint32_t session, enum frame_type type,
	       const void *body, size_t length);

/* As frame_put() with a 32-bit number as the body. */
void frame_put_number(struct queue *queue, uint32_t session,
		      enum frame_type type, uint32_t number);

/*
 * Look at the first frame in the queue; its body stays valid until the queue
 * changes. Returns its whole size, 0 when it is not complete yet, or -EPROTO.
 */
ssize_t frame_peek(const struct queue *queue, struct frame *frame);

/* The 32-bit number in a frame's body, 0 when it is too short. */
uint32_t frame_number(const struct frame *frame);

#endif
