// SPDX-License-Identifier: GPL-2.0-only
/*
 * datagram.c - helpers of the cases about datagrams
 */
#include "datagram.h"

#include <poll.h>
#include <string.h>

#include "far.h"
#include "near.h"
#include "pattern.h"

#define MOST 65536

int dgram_socket(const struct world *w)
{
	int fd = socket(w->family, SOCK_DGRAM, 0);

	if (fd < 0)
		fail("no datagram socket: errno %d", errno);
	return fd;
}

int dgram_bound(const struct world *w)
{
	union endpoint e = near_loopback(w, 0);
	int fd = dgram_socket(w);

	if (bind(fd, &e.any, endpoint_bytes(&e)))
		fail("bind: errno %d", errno);
	return fd;
}

union endpoint dgram_name(const struct world *w, int fd)
{
	union endpoint e = near_name(fd);

	return near_loopback(w, endpoint_port(&e));
}

void dgram_connect(int fd, const union endpoint *e)
{
	if (connect(fd, &e->any, endpoint_bytes(e)))
		fail("connect to %s port %u: errno %d", endpoint_text(e),
		     endpoint_port(e), errno);
}

struct dgram_pair dgram_pair(const struct world *w)
{
	struct dgram_pair p = { dgram_bound(w), dgram_bound(w) };
	union endpoint a = near_name(p.a);
	union endpoint b = near_name(p.b);

	dgram_connect(p.a, &b);
	dgram_connect(p.b, &a);
	return p;
}

struct dgram_far dgram_far(const struct world *w)
{
	struct dgram_far p = { dgram_socket(w), (int)far_ask(w, "udp") };
	union endpoint e =
		near_target(w, (unsigned int)far_ask(w, "port %d", p.far));

	dgram_connect(p.near, &e);
	return p;
}

void dgram_send_to(int fd, const union endpoint *e, size_t bytes,
		   unsigned int seed)
{
	uint8_t buffer[MOST];
	ssize_t got;

	pattern_fill(buffer, bytes, seed, 0);
	got = sendto(fd, buffer, bytes, 0, e ? &e->any : NULL,
		     e ? endpoint_bytes(e) : 0);
	if (got != (ssize_t)bytes)
		fail("sending %zu bytes returns %zd: errno %d", bytes, got,
		     errno);
}

void dgram_send(int fd, size_t bytes, unsigned int seed)
{
	dgram_send_to(fd, NULL, bytes, seed);
}

union endpoint dgram_recv(int fd, size_t bytes, unsigned int seed)
{
	uint8_t buffer[MOST];
	union endpoint from = {};
	socklen_t size = sizeof(from);
	ssize_t got;

	if (!near_poll(fd, POLLIN, 5000 * (int)near_patience))
		fail("no datagram of %zu bytes comes", bytes);
	got = recvfrom(fd, buffer, sizeof(buffer), MSG_DONTWAIT, &from.any,
		       &size);
	if (got != (ssize_t)bytes)
		fail("receiving %zu bytes returns %zd: errno %d", bytes, got,
		     errno);
	if (pattern_check(buffer, bytes, seed, 0) != bytes)
		fail("a datagram of %zu bytes is another one", bytes);
	return from;
}

void dgram_none(int fd)
{
	uint8_t byte;

	must_fail(recv(fd, &byte, 1, MSG_DONTWAIT), EAGAIN);
}

ssize_t dgram_recv_message(int fd, struct dgram_message *m, int flags)
{
	memset(m, 0, sizeof(*m));
	m->part.iov_base = m->data;
	m->part.iov_len = sizeof(m->data);
	m->header.msg_iov = &m->part;
	m->header.msg_iovlen = 1;
	m->header.msg_name = &m->name;
	m->header.msg_namelen = sizeof(m->name);
	m->header.msg_control = m->control;
	m->header.msg_controllen = sizeof(m->control);
	if (!(flags & (MSG_DONTWAIT | MSG_ERRQUEUE)))
		near_poll(fd, POLLIN, 5000 * (int)near_patience);
	return recvmsg(fd, &m->header, flags | MSG_DONTWAIT);
}

const void *dgram_control(struct dgram_message *m, int level, int type)
{
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(&m->header); c; c = CMSG_NXTHDR(&m->header, c))
		if (c->cmsg_level == level && c->cmsg_type == type)
			return CMSG_DATA(c);
	return NULL;
}

ssize_t dgram_send_control(int fd, const union endpoint *e, size_t bytes,
			   int level, int type, const void *data, size_t size)
{
	uint8_t control[256] __attribute__((aligned(8))) = {};
	uint8_t buffer[2048];
	struct iovec part = { buffer, bytes };
	union endpoint to = {};
	struct msghdr m = { .msg_iov = &part,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = CMSG_SPACE(size) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	pattern_fill(buffer, bytes, 1, 0);
	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(c), data, size);
	if (e) {
		to = *e;
		m.msg_name = &to;
		m.msg_namelen = endpoint_bytes(e);
	}
	return sendmsg(fd, &m, 0);
}

bool endpoint_same(const union endpoint *a, const union endpoint *b)
{
	if (a->any.sa_family != b->any.sa_family ||
	    endpoint_port(a) != endpoint_port(b))
		return false;
	if (a->any.sa_family == AF_INET)
		return a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
	return !memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr,
		       sizeof(a->v6.sin6_addr));
}
