/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * switchboard.h - libswitchboard: read and write a connection in place
 *
 * On a circuit (a socket of switchboard.ko) a program gets pointers into the
 * memory that it shares with the other end: nothing is copied, and no system
 * call is made but to sleep and to wake a sleeper. On any other connected
 * stream socket the same calls copy through private buffers.
 *
 *	ssize_t room = switchboard_reserve(s, 1, &at);	out: room for at least 1
 *	fill at[0] .. at[n - 1], n <= room
 *	switchboard_commit(s, n);
 *
 *	ssize_t held = switchboard_peek(s, 1, &at);	in: at least 1 byte
 *	use at[0] .. at[n - 1], n <= held
 *	switchboard_release(s, n);
 *
 * What peek() shows may still be changed by the other end: who decides by a
 * byte copies it first. One thread may reserve, commit and flush while another
 * peeks and releases; nothing else may be done at the same time.
 *
 * On a datagram socket each commit sends one datagram, each peek shows one, and
 * release is done with it: always by copying.
 *
 * Where a call would block it does what the socket would: with O_NONBLOCK it
 * fails with EAGAIN, SO_RCVTIMEO and SO_SNDTIMEO count, signals interrupt it.
 * No call raises SIGPIPE. See libswitchboard(7).
 */
#ifndef SWITCHBOARD_LIBRARY_H
#define SWITCHBOARD_LIBRARY_H

#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct switchboard;

/* Flags of switchboard_attach() */
#define SWITCHBOARD_COPY 0x1u /* copy, even where the socket has a circuit */
#define SWITCHBOARD_MAP 0x2u /* fail with EOPNOTSUPP rather than copy */

/* Events of switchboard_wait() */
#define SWITCHBOARD_READ 0x1u
#define SWITCHBOARD_WRITE 0x2u

#define SWITCHBOARD_FOREVER (-1)

/**
 * switchboard_attach() - take over the moving of a socket's bytes
 * @fd:    a connected stream socket, or a datagram socket
 * @flags: SWITCHBOARD_COPY or SWITCHBOARD_MAP, or 0 for what is best
 *
 * The socket stays the caller's: poll() and shutdown() work on it as ever.
 *
 * Return: an attachment, to be ended by switchboard_detach() or
 * switchboard_close(); or NULL with errno. ENOTCONN: not connected;
 * EPROTOTYPE: neither stream nor datagrams; EBUSY: attached already; EINVAL:
 * @flags.
 */
struct switchboard *switchboard_attach(int fd, unsigned int flags);

/**
 * switchboard_detach() - the socket is an ordinary one again
 * @s: freed when the call succeeds
 *
 * Return: 0; or -1 with errno, and @s as it was. EAGAIN: what was committed
 * has not all been sent, see switchboard_flush(); ENOTEMPTY: bytes have been
 * taken from the socket that were not released (only where bytes are copied).
 */
int switchboard_detach(struct switchboard *s);

/* Detach, whatever is left undone, and close the socket */
int switchboard_close(struct switchboard *s);

/* The socket */
int switchboard_fd(const struct switchboard *s);

/* 1 when @s works in place, 0 when it copies */
int switchboard_is_mapped(const struct switchboard *s);

/* The most that switchboard_reserve() and switchboard_peek() may be asked for */
size_t switchboard_span(const struct switchboard *s);

/**
 * switchboard_reserve() - a place to write to
 * @s:     the attachment
 * @bytes: wanted at least, 1 to switchboard_span()
 * @at:    where the place is; undefined bytes until they are written
 *
 * Reserving again without having committed gives the same place.
 *
 * Return: bytes of room, at least @bytes; or -1 with errno. EAGAIN; EMSGSIZE:
 * more than switchboard_span(); EPIPE, ECONNRESET and the like: it is over.
 */
ssize_t switchboard_reserve(struct switchboard *s, size_t bytes, void **at);

/**
 * switchboard_commit() - what was written may go
 * @s:     the attachment
 * @bytes: of the reserved ones, from the first; the rest stays reserved
 *
 * Where bytes are copied this sends them; what a non-blocking socket does not
 * take is kept, see switchboard_flush(). A datagram has exactly @bytes, and is
 * either sent or, with EAGAIN, still reserved.
 *
 * Return: 0; or -1 with errno. EINVAL: more than reserved; EPIPE and the like.
 */
int switchboard_commit(struct switchboard *s, size_t bytes);

/**
 * switchboard_commit_to() - send what was written as a datagram
 * @s:        of a datagram socket
 * @bytes:    of the reserved ones, from the first; 0 is an empty datagram
 * @to:       where, or NULL: to whom the socket is connected
 * @to_bytes: of @to
 *
 * Return: as switchboard_commit(); EOPNOTSUPP: of a stream.
 */
int switchboard_commit_to(struct switchboard *s, size_t bytes,
			  const struct sockaddr *to, socklen_t to_bytes);

/**
 * switchboard_flush() - is everything that was committed on its way?
 * @s: the attachment
 *
 * Always at once on a circuit. Elsewhere a program with a non-blocking socket
 * waits for POLLOUT while this says EAGAIN.
 *
 * Return: 0; or -1 with errno.
 */
int switchboard_flush(struct switchboard *s);

/**
 * switchboard_peek() - look at what came in
 * @s:     the attachment
 * @bytes: wanted at least, 1 to switchboard_span()
 * @at:    where it is
 *
 * Return: bytes there, at least @bytes unless fewer are all that will come; 0
 * at the end; or -1 with errno, as switchboard_reserve(). An error of the
 * connection is told when the bytes before it have been released. Of a datagram
 * socket: the length of the next datagram, whatever @bytes is; 0: it is empty.
 */
ssize_t switchboard_peek(struct switchboard *s, size_t bytes, const void **at);

/**
 * switchboard_peek_from() - look at the next datagram, and whose it is
 * @s:          of a datagram socket
 * @at:         where it is
 * @from:       who sent it, or NULL
 * @from_bytes: room there; becomes what the address has, as in recvfrom()
 *
 * Return: as switchboard_peek(); EOPNOTSUPP: of a stream.
 */
ssize_t switchboard_peek_from(struct switchboard *s, const void **at,
			      struct sockaddr *from, socklen_t *from_bytes);

/**
 * switchboard_release() - bytes are done with
 * @s:     the attachment
 * @bytes: of those that were peeked at, from the first; of a datagram all go
 *
 * Return: 0; or -1 with errno EINVAL: more than were seen.
 */
int switchboard_release(struct switchboard *s, size_t bytes);

/**
 * switchboard_wait() - wait until a peek or a reserve of 1 will not block
 * @s:          the attachment
 * @events:     SWITCHBOARD_READ, SWITCHBOARD_WRITE or both
 * @timeout_ms: how long at most, or SWITCHBOARD_FOREVER
 *
 * Return: which of @events are true, 0 when time is over; or -1 with errno.
 */
int switchboard_wait(struct switchboard *s, unsigned int events,
		     int timeout_ms);

#ifdef __cplusplus
}
#endif

#endif
