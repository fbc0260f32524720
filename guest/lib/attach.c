// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * attach.c - the public calls
 *
 * A circuit is worked on in place; where there is none, or where it cannot be
 * mapped, bytes are copied. The caller notices only in the time it takes.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guest/lib/internal.h"

static int fail(int error)
{
	errno = error;
	return -1;
}

/*
 * 0 when @fd is a stream socket that is, or was, connected; or a datagram
 * socket, connected or not
 */
static int check_socket(int fd, int *type)
{
	struct sockaddr_storage name;
	socklen_t bytes = sizeof(int);

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, type, &bytes) != 0)
		return errno;
	if (*type == SOCK_DGRAM)
		return 0;
	if (*type != SOCK_STREAM)
		return EPROTOTYPE;
	bytes = sizeof(name);
	return getpeername(fd, (struct sockaddr *)&name, &bytes) == 0 ? 0
								      : errno;
}

static int init(struct switchboard *s, unsigned int flags)
{
	int type, error = check_socket(s->fd, &type);

	if (error)
		return error;
	if (type == SOCK_DGRAM)
		return flags & SWITCHBOARD_MAP ? EOPNOTSUPP
					       : switchboard_datagram_init(s);
	error = EOPNOTSUPP;
	if (!(flags & SWITCHBOARD_COPY))
		error = switchboard_circuit_init(s);
	if (error == EOPNOTSUPP && !(flags & SWITCHBOARD_MAP))
		error = switchboard_copy_init(s);
	return error;
}

struct switchboard *switchboard_attach(int fd, unsigned int flags)
{
	struct switchboard *s;
	int error;

	if (flags & ~(SWITCHBOARD_COPY | SWITCHBOARD_MAP) ||
	    flags == (SWITCHBOARD_COPY | SWITCHBOARD_MAP)) {
		errno = EINVAL;
		return NULL;
	}
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->fd = fd;
	error = init(s, flags);
	if (!error)
		return s;
	free(s->left.bytes);
	free(s);
	errno = error;
	return NULL;
}

int switchboard_detach(struct switchboard *s)
{
	if (switchboard_leftover(s))
		return fail(ENOTEMPTY);
	if (s->transport->detach(s, false) != 0)
		return -1;
	free(s->left.bytes);
	free(s);
	return 0;
}

int switchboard_close(struct switchboard *s)
{
	int fd = s->fd;

	s->transport->detach(s, true);
	free(s->left.bytes);
	free(s);
	return close(fd);
}

int switchboard_fd(const struct switchboard *s)
{
	return s->fd;
}

int switchboard_is_mapped(const struct switchboard *s)
{
	return s->rings.ringer != NULL;
}

size_t switchboard_span(const struct switchboard *s)
{
	return s->span;
}

static int check_size(const struct switchboard *s, size_t bytes)
{
	if (bytes == 0)
		return EINVAL;
	return bytes > s->span ? EMSGSIZE : 0;
}

ssize_t switchboard_reserve(struct switchboard *s, size_t bytes, void **at)
{
	int error = check_size(s, bytes);
	ssize_t room;

	if (error)
		return fail(error);
	room = s->transport->reserve(s, bytes, at);
	s->reserved = room > 0 ? room : 0;
	return room;
}

int switchboard_commit(struct switchboard *s, size_t bytes)
{
	if (bytes > s->reserved)
		return fail(EINVAL);
	if (s->datagrams)
		return switchboard_commit_to(s, bytes, NULL, 0);
	s->reserved -= bytes;
	return s->transport->commit(s, bytes);
}

int switchboard_flush(struct switchboard *s)
{
	return s->transport->flush(s);
}

ssize_t switchboard_peek(struct switchboard *s, size_t bytes, const void **at)
{
	int error = check_size(s, bytes);
	ssize_t held;

	if (error)
		return fail(error);
	if (switchboard_leftover(s))
		held = switchboard_leftover_peek(s, bytes, at);
	else
		held = s->transport->peek(s, bytes, at);
	s->peeked = held > 0 ? held : 0;
	return held;
}

int switchboard_release(struct switchboard *s, size_t bytes)
{
	if (bytes > s->peeked)
		return fail(EINVAL);
	s->peeked -= bytes;
	if (switchboard_leftover(s)) {
		switchboard_leftover_release(s, bytes);
		return 0;
	}
	return s->transport->release(s, bytes);
}

int switchboard_wait(struct switchboard *s, unsigned int events, int timeout_ms)
{
	if (events == 0 || events & ~(SWITCHBOARD_READ | SWITCHBOARD_WRITE) ||
	    timeout_ms < SWITCHBOARD_FOREVER)
		return fail(EINVAL);
	if (events & SWITCHBOARD_READ && switchboard_leftover(s))
		return SWITCHBOARD_READ;
	return s->transport->wait(s, events, timeout_ms);
}
