// SPDX-License-Identifier: GPL-2.0-only
/*
 * listen.c - listeners, and the circuits that the guest posted to them
 *
 * A connection is accepted only when a circuit waits for it; until then it
 * stays in the kernel's backlog, which answers its peer as any busy server's
 * does. The listening socket is edge-triggered like all others: one edge, or a
 * newly posted circuit, and it accepts until either side has no more.
 *
 * A circuit may be posted before the operator's order to listen has come, or
 * comes again after this process was started anew: it waits with its line.
 *
 * System calls: socket, setsockopt, bind, listen, accept4, getsockname,
 * epoll_ctl, close.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "services/common/address.h"
#include "services/common/limits.h"
#include "services/proxy-tcp/circuit.h"

static void append(struct circuit *c, struct circuit **at)
{
	c->next = *at;
	c->back = at;
	if (c->next)
		c->next->back = &c->next;
	*at = c;
}

void listen_unpost(struct circuit *c)
{
	struct circuit *listener;

	if (!c->back)
		return;
	*c->back = c->next;
	if (c->next) {
		c->next->back = c->back;
	} else {
		listener = line_circuit(c->line, c->posted_to);
		if (listener && listener->posted_end == &c->next)
			listener->posted_end = c->back;
	}
	c->back = NULL;
}

static void enqueue(struct circuit *c, struct circuit *listener)
{
	append(c, listener->posted_end);
	listener->posted_end = &c->next;
	line_look_at(c->line, listener->entry);
}

/* Is there, or will there be, a listener in that entry of the guest? */
static bool is_listener(struct line *l, uint32_t entry)
{
	struct sb_entry *e = line_entry(l, entry);

	return e &&
	       __atomic_load_n(&e->kind, __ATOMIC_ACQUIRE) ==
		       SB_ENTRY_LISTENER &&
	       sb_word_state(sb_load(&e->owner)) == SB_OWNER_OFFERED;
}

void listen_post(struct circuit *c, uint32_t generation, uint32_t listener)
{
	struct line *l = c->line;
	struct circuit *to = line_circuit(l, listener);
	bool listens = to && to->phase == CIRCUIT_LISTENING;
	int error;

	if (!listens && !is_listener(l, listener)) {
		circuit_refuse(c, generation, ECONNABORTED);
		return;
	}
	circuit_begin(c, generation, CIRCUIT_POSTED);
	c->posted_to = listener;
	c->back = NULL;
	error = line_has_room(l) ? circuit_map(c) : -ENOBUFS;
	if (error) {
		circuit_end(c, -error, 0);
		return;
	}
	l->useful = true;
	l->proxy->count[PROXY_POSTED]++;
	if (listens)
		enqueue(c, to);
	else
		append(c, &l->waiting);
}

/* Circuits that were posted to a listener before we knew it */
static void adopt_waiting(struct circuit *listener)
{
	struct circuit *c = listener->line->waiting, *next;

	for (; c; c = next) {
		next = c->next;
		if (c->posted_to != listener->entry)
			continue;
		listen_unpost(c);
		enqueue(c, listener);
	}
}

void listen_end_posted(struct circuit *listener)
{
	while (listener->posted)
		circuit_end(listener->posted, ECONNABORTED, 0);
}

/* Every circuit that is accepted into was seen OFFERED; is it still? */
static struct circuit *next_posted(struct circuit *listener)
{
	struct circuit *c;
	uint32_t owner;

	while ((c = listener->posted)) {
		owner = sb_load(&c->shared->owner);
		if (sb_word_generation(owner) == c->generation &&
		    sb_word_state(owner) == SB_OWNER_OFFERED)
			return c;
		/* ends it, whatever it says now */
		circuit_follow(c, owner);
	}
	return NULL;
}

static void accepted(struct circuit *c, int fd, const struct circuit *listener,
		     const struct sockaddr_storage *from)
{
	struct sockaddr_storage sa;
	socklen_t length = sizeof(sa);

	listen_unpost(c);
	c->line->posted--;
	address_from_sockaddr(&c->remote, (const struct sockaddr *)from);
	c->local = listener->local;
	if (getsockname(fd, (struct sockaddr *)&sa, &length) == 0)
		address_from_sockaddr(&c->local, (struct sockaddr *)&sa);
	c->phase = CIRCUIT_OPEN;
	c->writable = true;
	if (circuit_watch(c, fd, EPOLLIN | EPOLLRDHUP) < 0) {
		close(fd);
		circuit_end(c, ENOBUFS, SB_WORD_RESET);
		return;
	}
	options_apply(c, fd);
	c->line->proxy->count[PROXY_ACCEPTED]++;
	circuit_opened(c);
	line_look_at(c->line, c->entry);
}

static void starve(struct circuit *listener)
{
	struct proxy *p = listener->line->proxy;

	p->count[PROXY_NO_DESCRIPTOR]++;
	proxy_starve(p);
}

/* Return: accepted one? */
static bool accept_next(struct circuit *listener, struct circuit *c)
{
	struct sockaddr_storage from = { 0 };
	socklen_t length = sizeof(from);
	int fd = accept4(listener->watch.fd, (struct sockaddr *)&from, &length,
			 SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0) {
		accepted(c, fd, listener, &from);
		return true;
	}
	/* what Linux tells of connections that died in the backlog: go on */
	if (errno == ECONNABORTED || errno == EPROTO || errno == EINTR ||
	    errno == ENETDOWN || errno == EHOSTUNREACH || errno == ENETUNREACH)
		return true;
	if (errno == EAGAIN)
		listener->readable = false;
	else
		starve(listener);
	return false;
}

void listen_look(struct circuit *listener)
{
	struct circuit *c;

	for (unsigned int i = 0; i < LIMIT_ACCEPT_BURST; i++) {
		if (!listener->readable)
			return;
		c = next_posted(listener);
		if (!c || !accept_next(listener, c))
			return;
	}
	line_look_at(listener->line, listener->entry);
}

static int start(struct circuit *c, int fd, const struct ipc_listen *order)
{
	const int on = 1;
	struct sockaddr_storage sa;
	socklen_t length = address_to_sockaddr(&order->local, &sa);

	/* connections of a process before this one may linger on the port */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	options_apply(c, fd);
	if (bind(fd, (struct sockaddr *)&sa, length) < 0 ||
	    listen(fd, order->backlog) < 0)
		return -errno;
	length = sizeof(sa);
	if (getsockname(fd, (struct sockaddr *)&sa, &length) == 0)
		address_from_sockaddr(&c->local, (struct sockaddr *)&sa);
	return circuit_watch(c, fd, EPOLLIN);
}

static int begin(struct circuit *c, const struct ipc_listen *order)
{
	struct line *l = c->line;
	int family = order->local.family == SB_FAMILY_IPV6 ? AF_INET6 : AF_INET;
	int fd, error;

	circuit_begin(c, order->generation, CIRCUIT_LISTENING);
	c->local = order->local;
	c->posted = NULL;
	c->posted_end = &c->posted;
	if (!line_has_room(l) || l->listeners > l->attach.listeners_max)
		return -ENOBUFS;
	fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		l->proxy->count[PROXY_NO_DESCRIPTOR]++;
		return -ENOBUFS;
	}
	error = start(c, fd, order);
	if (error)
		close(fd);
	return error;
}

void listen_order(struct line *l, const struct ipc_listen *order)
{
	struct circuit *c =
		circuit_take_order(l, order->entry, order->generation);
	int error;

	if (!c)
		return;
	l->proxy->count[PROXY_LISTENS]++;
	error = begin(c, order);
	if (error) {
		l->proxy->count[PROXY_LISTEN_FAILED]++;
		circuit_end(c, -error, 0);
		return;
	}
	circuit_opened(c);
	adopt_waiting(c);
}
