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
#include "services/proxy-tcp/tcp.h"

static struct stream *find(const struct line *l, uint32_t entry)
{
	return stream_of(line_circuit(l, entry));
}

static void append(struct stream *s, struct stream **at)
{
	s->next = *at;
	s->back = at;
	if (s->next)
		s->next->back = &s->next;
	*at = s;
}

void listen_unpost(struct stream *s)
{
	struct stream *listener;

	if (!s->back)
		return;
	*s->back = s->next;
	if (s->next) {
		s->next->back = s->back;
	} else {
		listener = find(s->circuit.line, s->posted_to);
		if (listener && listener->posted_end == &s->next)
			listener->posted_end = s->back;
	}
	s->back = NULL;
}

static void enqueue(struct stream *s, struct stream *listener)
{
	append(s, listener->posted_end);
	listener->posted_end = &s->next;
	stream_look_at(listener);
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

void listen_post(struct stream *s, uint32_t generation, uint32_t listener)
{
	struct line *l = s->circuit.line;
	struct stream *to = find(l, listener);
	bool listens = to && to->phase == STREAM_LISTENING;
	int error;

	if (!listens && !is_listener(l, listener)) {
		circuit_refuse(&s->circuit, generation, ECONNABORTED);
		return;
	}
	stream_begin(s, generation, STREAM_POSTED);
	s->posted_to = listener;
	error = stream_has_room(s) ? circuit_map(&s->circuit) : -ENOBUFS;
	if (error) {
		circuit_end(&s->circuit, -error, 0);
		return;
	}
	l->useful = true;
	tcp_count(s, TCP_POSTED, 1);
	if (listens)
		enqueue(s, to);
	else
		append(s, &tcp_line(l)->waiting);
}

/* Circuits that were posted to a listener before we knew it */
static void adopt_waiting(struct stream *listener)
{
	struct stream *s = tcp_line_of(listener)->waiting, *next;

	for (; s; s = next) {
		next = s->next;
		if (s->posted_to != listener->circuit.entry)
			continue;
		listen_unpost(s);
		enqueue(s, listener);
	}
}

void listen_end_posted(struct stream *listener)
{
	while (listener->posted)
		circuit_end(&listener->posted->circuit, ECONNABORTED, 0);
}

/* Every circuit that is accepted into was seen OFFERED; is it still? */
static struct stream *next_posted(struct stream *listener)
{
	struct stream *s;
	uint32_t owner;

	while ((s = listener->posted)) {
		owner = sb_load(&s->circuit.shared->owner);
		if (sb_word_generation(owner) == s->circuit.generation &&
		    sb_word_state(owner) == SB_OWNER_OFFERED)
			return s;
		/* ends it, whatever it says now */
		circuit_follow(&s->circuit, owner);
	}
	return NULL;
}

static void accepted(struct stream *s, int fd, const struct stream *listener,
		     const struct sockaddr_storage *from)
{
	struct sockaddr_storage sa;
	socklen_t length = sizeof(sa);

	listen_unpost(s);
	address_from_sockaddr(&s->remote, (const struct sockaddr *)from);
	s->local = listener->local;
	if (getsockname(fd, (struct sockaddr *)&sa, &length) == 0)
		address_from_sockaddr(&s->local, (struct sockaddr *)&sa);
	stream_set_phase(s, STREAM_OPEN);
	s->writable = true;
	if (stream_watch(s, fd, EPOLLIN | EPOLLRDHUP) < 0) {
		close(fd);
		circuit_end(&s->circuit, ENOBUFS, SB_WORD_RESET);
		return;
	}
	options_apply(s, fd);
	tcp_count(s, TCP_ACCEPTED, 1);
	stream_opened(s);
	stream_look_at(s);
}

static void starve(struct stream *listener)
{
	struct proxy *p = listener->circuit.line->proxy;

	p->count[PROXY_NO_DESCRIPTOR]++;
	proxy_starve(p);
}

/* Return: accepted one? */
static bool accept_next(struct stream *listener, struct stream *s)
{
	struct sockaddr_storage from = { 0 };
	socklen_t length = sizeof(from);
	int fd = accept4(listener->watch.fd, (struct sockaddr *)&from, &length,
			 SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0) {
		accepted(s, fd, listener, &from);
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

void listen_look(struct stream *listener)
{
	struct stream *s;

	for (unsigned int i = 0; i < LIMIT_ACCEPT_BURST; i++) {
		if (!listener->readable)
			return;
		s = next_posted(listener);
		if (!s || !accept_next(listener, s))
			return;
	}
	stream_look_at(listener);
}

static int start(struct stream *s, int fd, const struct ipc_listen *order)
{
	const int on = 1;
	struct sockaddr_storage sa;
	socklen_t length = address_to_sockaddr(&order->local, &sa);

	/* connections of a process before this one may linger on the port */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	options_apply(s, fd);
	if (bind(fd, (struct sockaddr *)&sa, length) < 0 ||
	    listen(fd, order->backlog) < 0)
		return -errno;
	length = sizeof(sa);
	if (getsockname(fd, (struct sockaddr *)&sa, &length) == 0)
		address_from_sockaddr(&s->local, (struct sockaddr *)&sa);
	return stream_watch(s, fd, EPOLLIN);
}

static int begin(struct stream *s, const struct ipc_listen *order)
{
	struct tcp_line *tl = tcp_line_of(s);
	int family = order->local.family == SB_FAMILY_IPV6 ? AF_INET6 : AF_INET;
	int fd, error;

	stream_begin(s, order->generation, STREAM_LISTENING);
	s->local = order->local;
	s->posted = NULL;
	s->posted_end = &s->posted;
	if (!stream_has_room(s) ||
	    tl->listeners > tl->line.attach.listeners_max)
		return -ENOBUFS;
	fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		tl->line.proxy->count[PROXY_NO_DESCRIPTOR]++;
		return -ENOBUFS;
	}
	error = start(s, fd, order);
	if (error)
		close(fd);
	return error;
}

void listen_order(struct line *l, const struct ipc_listen *order)
{
	struct stream *s =
		listeners_take_order(l, order->entry, order->generation);
	int error;

	if (!s)
		return;
	tcp_count(s, TCP_LISTENS, 1);
	error = begin(s, order);
	if (error) {
		tcp_count(s, TCP_LISTEN_FAILED, 1);
		circuit_end(&s->circuit, -error, 0);
		return;
	}
	stream_opened(s);
	adopt_waiting(s);
}
