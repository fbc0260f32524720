// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * copy.c - the same calls on an ordinary socket, through private buffers
 *
 * What is committed is sent at once; what a non-blocking socket does not take
 * stays in the buffer and goes before anything else. What is peeked at is
 * received as much at a time as fits. A buffer whose end is reached begins
 * again at its start, so that every span is contiguous.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "guest/lib/internal.h"

/* Of each buffer; half of it can be asked for, as with a ring */
#define BUFFER_BYTES ((size_t)256 * 1024)

static int fail(int error)
{
	errno = error;
	return -1;
}

static size_t held(const struct buffer *b)
{
	return b->tail - b->head;
}

/* Room for @bytes behind the tail: bytes that are left move to the start */
static void make_room(struct buffer *b, size_t bytes)
{
	if (b->head == b->tail)
		b->head = b->tail = 0;
	if (BUFFER_BYTES - b->tail >= bytes)
		return;
	memmove(b->bytes, b->bytes + b->head, held(b));
	b->tail -= b->head;
	b->head = 0;
}

static bool is_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && flags & O_NONBLOCK;
}

/* Send until @left are left. 0; EAGAIN; or the errno that ended it */
static int send_out(struct switchboard *s, size_t left)
{
	struct buffer *b = &s->out;
	ssize_t sent;

	while (held(b) > left) {
		sent = send(s->fd, b->bytes + b->head, held(b), MSG_NOSIGNAL);
		if (sent < 0)
			return errno == EWOULDBLOCK ? EAGAIN : errno;
		b->head += sent;
	}
	return 0;
}

static int copy_flush(struct switchboard *s)
{
	int error = send_out(s, 0);

	return error ? fail(error) : 0;
}

static ssize_t copy_reserve(struct switchboard *s, size_t bytes, void **at)
{
	struct buffer *b = &s->out;
	int error = 0;

	/* what did not go before may go now */
	if (held(b) > 0)
		error = send_out(s, 0);
	/* there may be room for @bytes all the same */
	if (error == EAGAIN && held(b) + bytes <= BUFFER_BYTES)
		error = 0;
	if (error)
		return fail(error);
	make_room(b, bytes);
	*at = b->bytes + b->tail;
	return BUFFER_BYTES - b->tail;
}

static int copy_commit(struct switchboard *s, size_t bytes)
{
	int error;

	s->out.tail += bytes;
	do {
		error = send_out(s, 0);
		/* a blocking commit has no way to be called again */
	} while (error == EINTR);
	if (error == EAGAIN && is_nonblocking(s->fd))
		error = 0;
	return error ? fail(error) : 0;
}

/* One recv(). 0, or an errno; at the end @ended is set */
static int receive(struct switchboard *s, int flags)
{
	struct buffer *b = &s->in;
	ssize_t got =
		recv(s->fd, b->bytes + b->tail, BUFFER_BYTES - b->tail, flags);

	if (got < 0 && errno == EWOULDBLOCK)
		return EAGAIN;
	if (got < 0 && (errno == EINTR || errno == EAGAIN))
		return errno;
	if (got <= 0) {
		s->ended = true;
		s->in_error = got < 0 ? errno : 0;
		return 0;
	}
	b->tail += got;
	return 0;
}

static ssize_t copy_peek(struct switchboard *s, size_t bytes, const void **at)
{
	struct buffer *b = &s->in;
	int error;

	make_room(b, bytes > held(b) ? bytes - held(b) : 0);
	while (held(b) < bytes && !s->ended) {
		error = receive(s, 0);
		if (error)
			return fail(error);
	}
	if (held(b) == 0 && s->in_error) {
		/* told once, as by a socket; then it is the end */
		error = s->in_error;
		s->in_error = 0;
		return fail(error);
	}
	*at = b->bytes + b->head;
	return held(b);
}

static int copy_release(struct switchboard *s, size_t bytes)
{
	s->in.head += bytes;
	return 0;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* What can be had without waiting; pending bytes are sent as far as they go */
static unsigned int ready(struct switchboard *s, unsigned int events)
{
	unsigned int found = 0;

	if (events & SWITCHBOARD_READ && (held(&s->in) > 0 || s->ended))
		found |= SWITCHBOARD_READ;
	return found;
}

/* What poll() says, with our own buffers added. 0 when nothing of ours is */
static unsigned int found_by_poll(struct switchboard *s, unsigned int events,
				  short revents)
{
	unsigned int found = 0;

	if (events & SWITCHBOARD_READ &&
	    revents & (POLLIN | POLLHUP | POLLERR | POLLRDHUP))
		found |= SWITCHBOARD_READ;
	if (events & SWITCHBOARD_WRITE && revents & (POLLOUT | POLLERR)) {
		/* what is pending goes first; an error is reserve()'s to tell */
		if (held(&s->out) == 0 || send_out(s, 0) != EAGAIN)
			found |= SWITCHBOARD_WRITE;
	}
	return found;
}

static int copy_wait(struct switchboard *s, unsigned int events, int timeout_ms)
{
	int64_t until = now_ms() + timeout_ms;
	unsigned int found = ready(s, events);
	struct pollfd p = { .fd = s->fd };
	int left_ms = found ? 0 : timeout_ms;
	int n;

	p.events = events & SWITCHBOARD_READ ? POLLIN : 0;
	p.events |= events & SWITCHBOARD_WRITE ? POLLOUT : 0;
	for (;;) {
		n = poll(&p, 1, left_ms);
		if (n < 0)
			return -1;
		found |= found_by_poll(s, events, n ? p.revents : 0);
		if (found || n == 0)
			return found;
		if (timeout_ms != SWITCHBOARD_FOREVER)
			left_ms = until > now_ms() ? until - now_ms() : 0;
	}
}

static int copy_detach(struct switchboard *s, bool force)
{
	int error = send_out(s, 0);

	if (!force) {
		if (error == EAGAIN || error == EINTR)
			return fail(EAGAIN);
		if (held(&s->in) > 0)
			return fail(ENOTEMPTY);
	}
	free(s->out.bytes);
	free(s->in.bytes);
	return 0;
}

static const struct transport copy = {
	.reserve = copy_reserve,
	.commit = copy_commit,
	.flush = copy_flush,
	.peek = copy_peek,
	.release = copy_release,
	.wait = copy_wait,
	.detach = copy_detach,
};

int switchboard_copy_init(struct switchboard *s)
{
	s->out.bytes = malloc(BUFFER_BYTES);
	s->in.bytes = malloc(BUFFER_BYTES);
	if (!s->out.bytes || !s->in.bytes) {
		free(s->out.bytes);
		free(s->in.bytes);
		return ENOMEM;
	}
	s->span = BUFFER_BYTES / 2;
	s->transport = &copy;
	return 0;
}
