// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * datagram.c - the same calls on a datagram socket: one commit, one datagram
 *
 * Datagrams are always copied. A circuit that carries them belongs to the
 * kernel, or to a socket that others than its peer may write to: either way
 * somebody has to look at each record before a program may, and that is the
 * kernel. So nothing is won by mapping it; but datagrams are taken from the
 * socket many with one system call, and shown one after the other where they
 * were put.
 *
 * What was taken and not shown has left the socket: nobody else sees it.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "guest/lib/internal.h"

/* UDP's largest payload, over IPv6 */
#define DATAGRAM_MOST ((size_t)65527)
/* Taken at once, at most */
#define BATCH 16

/**
 * struct datagrams - what a datagram socket's attachment has
 * @out:     the place that reserve() gives
 * @in:      datagrams that were taken
 * @from:    who sent each
 * @message: of the last recvmmsg(): the length of each, and of its address
 * @next:    the one that is shown next
 * @count:   how many were taken
 */
struct datagrams {
	uint8_t out[DATAGRAM_MOST];
	uint8_t in[BATCH][DATAGRAM_MOST];
	struct sockaddr_storage from[BATCH];
	struct mmsghdr message[BATCH];
	unsigned int next;
	unsigned int count;
};

static int fail(int error)
{
	errno = error;
	return -1;
}

static bool is_there(const struct datagrams *d)
{
	return d->next < d->count;
}

static ssize_t datagram_reserve(struct switchboard *s, size_t bytes, void **at)
{
	(void)bytes;
	*at = s->datagrams->out;
	return DATAGRAM_MOST;
}

static int send_one(struct switchboard *s, size_t bytes,
		    const struct sockaddr *to, socklen_t to_bytes)
{
	ssize_t sent;

	do {
		sent = sendto(s->fd, s->datagrams->out, bytes, MSG_NOSIGNAL, to,
			      to_bytes);
		/* a blocking commit has no way to be called again */
	} while (sent < 0 && errno == EINTR);
	return sent < 0 ? -1 : 0;
}

static int datagram_flush(struct switchboard *s)
{
	(void)s;
	return 0;
}

/* As many as there are, but one at least. 0 or -1 */
static int receive(struct switchboard *s)
{
	struct datagrams *d = s->datagrams;
	struct iovec piece[BATCH];
	int got;

	memset(d->message, 0, sizeof(d->message));
	for (unsigned int i = 0; i < BATCH; i++) {
		piece[i] = (struct iovec){ d->in[i], sizeof(d->in[i]) };
		d->message[i].msg_hdr = (struct msghdr){
			.msg_name = &d->from[i],
			.msg_namelen = sizeof(d->from[i]),
			.msg_iov = &piece[i],
			.msg_iovlen = 1,
		};
	}
	d->next = d->count = 0;
	got = recvmmsg(s->fd, d->message, BATCH, MSG_WAITFORONE, NULL);
	if (got < 0)
		return errno == EWOULDBLOCK ? fail(EAGAIN) : -1;
	d->count = (unsigned int)got;
	return 0;
}

static ssize_t datagram_peek(struct switchboard *s, size_t bytes,
			     const void **at)
{
	struct datagrams *d = s->datagrams;

	(void)bytes;
	if (!is_there(d) && receive(s) != 0)
		return -1;
	/* shut down: recvmmsg() says 0 or an empty datagram of nobody's */
	if (!is_there(d))
		return 0;
	*at = d->in[d->next];
	s->shown = true;
	return d->message[d->next].msg_len;
}

static int datagram_release(struct switchboard *s, size_t bytes)
{
	(void)bytes;
	if (!s->shown)
		return fail(EINVAL);
	s->shown = false;
	s->datagrams->next++;
	return 0;
}

static int datagram_wait(struct switchboard *s, unsigned int events,
			 int timeout_ms)
{
	bool here = events & SWITCHBOARD_READ && is_there(s->datagrams);
	struct pollfd p = { .fd = s->fd };
	int found = here ? SWITCHBOARD_READ : 0;

	p.events = events & SWITCHBOARD_READ ? POLLIN : 0;
	p.events |= events & SWITCHBOARD_WRITE ? POLLOUT : 0;
	if (poll(&p, 1, here ? 0 : timeout_ms) < 0)
		return here ? found : -1;
	if (p.revents & (POLLIN | POLLHUP | POLLERR | POLLRDHUP))
		found |= SWITCHBOARD_READ;
	if (p.revents & (POLLOUT | POLLERR))
		found |= SWITCHBOARD_WRITE;
	return found & (int)events;
}

static int datagram_detach(struct switchboard *s, bool force)
{
	if (!force && is_there(s->datagrams))
		return fail(ENOTEMPTY);
	free(s->datagrams);
	return 0;
}

static const struct transport datagram = {
	.reserve = datagram_reserve,
	.flush = datagram_flush,
	.peek = datagram_peek,
	.release = datagram_release,
	.wait = datagram_wait,
	.detach = datagram_detach,
};

int switchboard_datagram_init(struct switchboard *s)
{
	/* pages that no datagram reaches are never touched */
	s->datagrams = calloc(1, sizeof(*s->datagrams));
	if (!s->datagrams)
		return ENOMEM;
	s->span = DATAGRAM_MOST;
	s->transport = &datagram;
	return 0;
}

int switchboard_commit_to(struct switchboard *s, size_t bytes,
			  const struct sockaddr *to, socklen_t to_bytes)
{
	if (!s->datagrams)
		return fail(EOPNOTSUPP);
	if (bytes > s->reserved)
		return fail(EINVAL);
	if (send_one(s, bytes, to, to_bytes) != 0)
		return -1;
	s->reserved = 0;
	return 0;
}

ssize_t switchboard_peek_from(struct switchboard *s, const void **at,
			      struct sockaddr *from, socklen_t *from_bytes)
{
	const struct msghdr *m;
	socklen_t bytes;
	ssize_t held;

	if (!s->datagrams)
		return fail(EOPNOTSUPP);
	held = switchboard_peek(s, 1, at);
	if (held < 0 || !is_there(s->datagrams) || !from)
		return held;
	m = &s->datagrams->message[s->datagrams->next].msg_hdr;
	bytes = m->msg_namelen < *from_bytes ? m->msg_namelen : *from_bytes;
	memcpy(from, m->msg_name, bytes);
	*from_bytes = m->msg_namelen;
	return held;
}
