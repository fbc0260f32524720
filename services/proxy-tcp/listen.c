// SPDX-License-Identifier: GPL-2.0-only
/*
 * listen.c - listeners, and the circuits that the guest posted to them
 *
 * A connection is accepted only when a circuit waits for it; until then it
 * stays in the kernel's backlog, which answers its peer as any busy server's
 * does. The listening socket is edge-triggered like all others: one edge, or a
 * newly posted circuit, and it accepts until either side has no more.
 *
 * A listener on both families may have a place for each: then it has a second
 * socket, for IPv4, the first is for IPv6 only, and the two take turns with the
 * circuits that are posted.
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

void listen_ended(struct stream *listener)
{
	int fd = listener->also.fd;

	if (fd >= 0) {
		loop_forget(&listener->circuit.line->proxy->service.loop,
			    &listener->also);
		close(fd);
	}
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

/* Which of its sockets is looked at now: in turn, if both have something */
static bool takes_also(struct stream *listener)
{
	bool also = listener->also_readable &&
		    (listener->also_next || !listener->readable);

	listener->also_next = !also;
	return also;
}

/* Return: go on? */
static bool accept_next(struct stream *listener, struct stream *s)
{
	struct sockaddr_storage from = { 0 };
	socklen_t length = sizeof(from);
	bool also = takes_also(listener);
	int fd = accept4(also ? listener->also.fd : listener->watch.fd,
			 (struct sockaddr *)&from, &length,
			 SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0) {
		accepted(s, fd, listener, &from);
		return true;
	}
	/* what Linux tells of connections that died in the backlog: go on */
	if (errno == ECONNABORTED || errno == EPROTO || errno == EINTR ||
	    errno == ENETDOWN || errno == EHOSTUNREACH || errno == ENETUNREACH)
		return true;
	if (errno != EAGAIN) {
		starve(listener);
		return false;
	}
	if (also)
		listener->also_readable = false;
	else
		listener->readable = false;
	return true;
}

void listen_look(struct stream *listener)
{
	struct stream *s;

	for (unsigned int i = 0; i < LIMIT_ACCEPT_BURST; i++) {
		if (!listener->readable && !listener->also_readable)
			return;
		s = next_posted(listener);
		if (!s || !accept_next(listener, s))
			return;
	}
	stream_look_at(listener);
}

/* Return: 0, with what @at has become, or -errno */
static int listen_at(int fd, uint32_t backlog, struct sb_address *at)
{
	struct sockaddr_storage sa;
	socklen_t length = address_to_sockaddr(at, &sa);

	if (bind(fd, (struct sockaddr *)&sa, length) < 0 ||
	    listen(fd, backlog) < 0)
		return -errno;
	length = sizeof(sa);
	if (getsockname(fd, (struct sockaddr *)&sa, &length) == 0)
		address_from_sockaddr(at, (struct sockaddr *)&sa);
	return 0;
}

static int start(struct stream *s, int fd, const struct ipc_listen *order)
{
	const int on = 1;
	int error;

	options_apply(s, fd);
	/* IPv4 has a place of its own */
	if (order->other.family != SB_FAMILY_NONE)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	error = listen_at(fd, order->backlog, &s->local);
	return error ? error : stream_watch(s, fd, EPOLLIN);
}

static void also_ready(struct loop_watch *watch, uint32_t events)
{
	struct stream *s = loop_owner(watch, struct stream, also);

	s->also_readable = true;
	stream_look_at(s);
}

static int start_also(struct stream *s, int fd, const struct ipc_listen *order)
{
	struct loop *loop = &s->circuit.line->proxy->service.loop;
	int error;

	options_apply_also(s, fd);
	error = listen_at(fd, order->backlog, &s->also_local);
	if (error)
		return error;
	s->also.ready = also_ready;
	return loop_watch(loop, &s->also, fd, EPOLLIN | EPOLLET);
}

/* A socket for one of a listener's places */
static int open_at(struct stream *s, const struct ipc_listen *order,
		   const struct sb_address *at,
		   int (*begins)(struct stream *s, int fd,
				 const struct ipc_listen *order))
{
	int family = at->family == SB_FAMILY_IPV6 ? AF_INET6 : AF_INET;
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	const int on = 1;
	int error;

	if (fd < 0) {
		s->circuit.line->proxy->count[PROXY_NO_DESCRIPTOR]++;
		return -ENOBUFS;
	}
	/* connections of a process before this one may linger on the port */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	error = begins(s, fd, order);
	if (error)
		close(fd);
	return error;
}

/* What it has opened when it fails is closed with its end */
static int begin(struct stream *s, const struct ipc_listen *order)
{
	struct tcp_line *tl = tcp_line_of(s);
	int error;

	stream_begin(s, order->generation, STREAM_LISTENING);
	s->local = order->local;
	s->also_local = order->other;
	s->also_readable = false;
	s->posted = NULL;
	s->posted_end = &s->posted;
	if (!stream_has_room(s) ||
	    tl->listeners > tl->line.attach.listeners_max)
		return -ENOBUFS;
	error = open_at(s, order, &order->local, start);
	if (error || order->other.family == SB_FAMILY_NONE)
		return error;
	return open_at(s, order, &order->other, start_also);
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
