/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * internal.h - what the files of libswitchboard tell each other
 *
 *   attach.c   the public calls: checks, then the transport's
 *   rings.c    a transport: the rings of a mapped circuit
 *   circuit.c  how rings ring and sleep when the kernel has the socket
 *   copy.c     a transport: private buffers and an ordinary socket
 *   datagram.c a transport: datagrams, in private buffers
 *   leftover.c what was read before the circuit could be mapped
 */
#ifndef SWITCHBOARD_INTERNAL_H
#define SWITCHBOARD_INTERNAL_H

#include <linux/switchboard.h>

#include "guest/lib/switchboard.h"
#include "protocol/ring.h"

/**
 * struct transport - one way of moving bytes
 *
 * As the public calls of the same names; sizes have been checked, and @wait's
 * events. @detach may refuse unless @force; afterwards nothing is left.
 */
struct transport {
	ssize_t (*reserve)(struct switchboard *s, size_t bytes, void **at);
	int (*commit)(struct switchboard *s, size_t bytes);
	int (*flush)(struct switchboard *s);
	ssize_t (*peek)(struct switchboard *s, size_t bytes, const void **at);
	int (*release)(struct switchboard *s, size_t bytes);
	int (*wait)(struct switchboard *s, unsigned int events, int timeout_ms);
	int (*detach)(struct switchboard *s, bool force);
};

/**
 * struct ringer - how the two ends of mapped rings wake each other
 * @ring:   wake the other end; 0 or an errno when nobody wants our bytes
 * @wait:   as SB_USER_WAIT; 0 or an errno
 * @detach: give the memory back; 0 or an errno
 *
 * The kernel's is in circuit.c; the tests have one of threads.
 */
struct ringer {
	int (*ring)(struct switchboard *s);
	int (*wait)(struct switchboard *s, struct sb_user_wait *wait);
	int (*detach)(struct switchboard *s);
};

/* The rings of a mapped circuit */
struct rings {
	const struct ringer *ringer;
	struct sb_index *index;
	enum sb_side side;
	struct sb_writer tx;
	struct sb_reader rx;
	uint8_t *tx_area;
	uint8_t *rx_area;
	void *map;
	size_t map_bytes;
};

/**
 * struct buffer - bytes on their way through a private buffer
 * @bytes: the memory
 * @head:  the first byte that is still to go
 * @tail:  behind the last one
 */
struct buffer {
	uint8_t *bytes;
	size_t head;
	size_t tail;
};

/**
 * struct switchboard - an attachment
 * @transport: how bytes are moved
 * @fd:        the socket, the caller's
 * @span:      the most that can be asked for at once
 * @reserved:  bytes that may be committed; the writing thread's
 * @peeked:    bytes that may be released; the reading thread's
 * @left:      of leftover.c, the reading thread's
 * @rings:     of rings.c
 * @out:       of copy.c, the writing thread's
 * @in:        of copy.c, the reading thread's
 * @ended:     of copy.c: no byte will come any more; the reading thread's
 * @in_error:  of copy.c: errno to tell when @in is empty
 * @datagrams: of datagram.c, or NULL
 * @shown:     of datagram.c: a datagram can be released; the reading thread's
 */
struct switchboard {
	const struct transport *transport;
	int fd;
	size_t span;
	size_t reserved;
	size_t peeked;
	struct buffer left;
	struct rings rings;
	struct buffer out;
	struct buffer in;
	bool ended;
	int in_error;
	struct datagrams *datagrams;
	bool shown;
};

/*
 * Work on mapped rings from the indexes that are there. @tx_area and @rx_area
 * are mapped twice in a row. 0 or an errno
 */
int switchboard_rings_init(struct switchboard *s, struct sb_index_page *page,
			   enum sb_side side, uint32_t size,
			   const struct ringer *ringer);
/* The circuit of a socket. 0; EOPNOTSUPP: it has none; or another errno */
int switchboard_circuit_init(struct switchboard *s);
/* Read what must be read before attaching. 0; EAGAIN: there is nothing */
int switchboard_leftover_read(struct switchboard *s);
/* Is any of it there? */
bool switchboard_leftover(const struct switchboard *s);
/* As the public calls, while there is */
ssize_t switchboard_leftover_peek(struct switchboard *s, size_t bytes,
				  const void **at);
void switchboard_leftover_release(struct switchboard *s, size_t bytes);
/* Private buffers. 0 or an errno */
int switchboard_copy_init(struct switchboard *s);
/* The same for a datagram socket */
int switchboard_datagram_init(struct switchboard *s);

#endif
