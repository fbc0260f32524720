// SPDX-License-Identifier: GPL-2.0-only
/*
 * outlet.c - a datagram circuit's socket of Dom0's
 *
 * Who may share a port: sockets of one guest that ask for it, as in Linux. The
 * first of them is bound without sharing, so that the kernel refuses it where
 * anybody else is, be it another guest's; only then is sharing switched on,
 * and others of the same guest ask for it before they are bound.
 *
 * Dom0's loopback is shown to guests as an address that is nobody's
 * (RFC 7600's 192.0.0.8, and one of the discard prefix), for what a guest
 * sends to a loopback address stays inside the guest.
 *
 * The loop tells of a socket that has datagrams until it is empty. So when one
 * has come, which is the rule for answers, one is read, and no second call has
 * to find out that there are no more. A socket that has more, or is not read
 * for whatever reason, tells only what is new from then on, and is read until
 * it is empty.
 *
 * System calls: socket, setsockopt, bind, getsockname, epoll_ctl, close.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "services/common/address.h"
#include "services/common/limits.h"
#include "services/proxy-udp/udp.h"

#define SHARES (SB_OPTION_REUSEADDR | SB_OPTION_REUSEPORT)

static const uint8_t dummy_ipv4[16] = { 192, 0, 0, 8 };
static const uint8_t dummy_ipv6[16] = { 1, 0, [15] = 1 };

void outlet_tell(struct outlet *o, bool once)
{
	uint32_t events = EPOLLIN;

	if (o->out_watched)
		events |= EPOLLOUT;
	if (once)
		events |= EPOLLET;
	o->once = once;
	loop_rewatch(o->loop, &o->watch, events);
}

/* Has it more than is read at once, or is it not read? */
static bool tells_again(const struct outlet *o)
{
	return !o->at || o->readable || o->failed ||
	       o->turn == loop_turns(o->loop);
}

static void socket_ready(struct loop_watch *watch, uint32_t events)
{
	struct outlet *o = loop_owner(watch, struct outlet, watch);

	if (!o->once && tells_again(o))
		outlet_tell(o, true);
	/* nobody's at the moment */
	if (!o->at)
		return;
	/* an error is told before datagrams, and may hide them */
	o->readable = o->readable || events & ~EPOLLOUT;
	o->writable = o->writable || events & EPOLLOUT;
	o->failed = o->failed || events & EPOLLERR;
	datagrams_look_at(o->at);
}

void outlet_blocked(struct outlet *o)
{
	o->writable = false;
	if (o->out_watched)
		return;
	o->out_watched = true;
	/* tells at once when there is room again by now */
	outlet_tell(o, true);
}

static void switch_on(int fd, int level, int name)
{
	const int on = 1;

	setsockopt(fd, level, name, &on, sizeof(on));
}

/* Errors name the destination that they are about */
static void prepare(const struct outlet *o, int fd)
{
	if (o->family == SB_FAMILY_IPV6)
		switch_on(fd, IPPROTO_IPV6, IPV6_RECVERR);
	if (o->family == SB_FAMILY_IPV4 || o->dual)
		switch_on(fd, IPPROTO_IP, IP_RECVERR);
}

/* What the kernel may keep for a guest is bounded, however many sockets */
static void bound_buffer(struct outlet *o, struct udp_line *ul, int fd)
{
	int bytes = LIMIT_SOCKET_BUFFER_LEAST;

	o->buffer = LIMIT_SOCKET_BUFFER_DEFAULT;
	if (ul->buffers + o->buffer > LIMIT_LINE_BUFFER_BYTES) {
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
		o->buffer = bytes;
	}
	ul->buffers += o->buffer;
}

/**
 * struct search - for another socket of the same guest at the same place
 * @place: the place
 * @shared: what it shares by, 0: there is none
 */
struct search {
	const struct sb_address *place;
	uint32_t shared;
};

static void find_sharer(struct circuit *c, void *argument)
{
	const struct outlet *o = datagrams_of(c)->outlet;
	struct search *search = argument;

	if (c->active && o && o->published &&
	    o->local.port == search->place->port &&
	    address_equal(&o->local, search->place))
		search->shared |= o->shared;
}

static void share(int fd, uint32_t by)
{
	if (by & SB_OPTION_REUSEADDR)
		switch_on(fd, SOL_SOCKET, SO_REUSEADDR);
	if (by & SB_OPTION_REUSEPORT)
		switch_on(fd, SOL_SOCKET, SO_REUSEPORT);
}

static void read_local(struct outlet *o, int fd)
{
	struct sockaddr_storage sa;
	socklen_t length = sizeof(sa);

	if (getsockname(fd, (struct sockaddr *)&sa, &length) == 0 &&
	    address_from_sockaddr(&o->local, (struct sockaddr *)&sa) == 0)
		o->local = address_unmap(&o->local);
}

static int bind_place(struct outlet *o, struct datagrams *d, int fd,
		      const struct sb_address *place)
{
	struct udp_line *ul = udp_line_of(d);
	struct search search = { place, 0 };
	struct sockaddr_storage sa;
	socklen_t length = address_to_sockaddr(place, &sa);

	if (ul->published >= ul->line.attach.listeners_max)
		return -ENOBUFS;
	if (o->shared)
		line_for_each(&ul->line, find_sharer, &search);
	share(fd, o->shared & search.shared);
	if (bind(fd, (struct sockaddr *)&sa, length) < 0) {
		udp_count(d, UDP_BIND_FAILED, 1);
		return -errno;
	}
	share(fd, o->shared);
	if (known_init(&o->callers, ul->line.verdicts.seed) < 0)
		return -ENOMEM;
	read_local(o, fd);
	o->published = true;
	ul->published++;
	udp_count(d, UDP_BOUND, 1);
	return 0;
}

static void close_socket(struct loop *loop, struct outlet *o)
{
	int fd = o->watch.fd;

	if (fd < 0)
		return;
	loop_forget(loop, &o->watch);
	close(fd);
}

static bool free_spares(struct udp_line *ul)
{
	bool any = ul->spares;
	struct outlet *o;

	while ((o = spare_any(ul))) {
		close_socket(&ul->line.proxy->service.loop, o);
		free(o);
	}
	return any;
}

void outlet_end(struct udp_line *ul)
{
	free_spares(ul);
}

static int make_socket(const struct outlet *o)
{
	bool ipv6 = o->family == SB_FAMILY_IPV6;
	int type = SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
	int protocol = 0, fd;

	if (o->protocol == UDP_PROTOCOL_ECHO)
		protocol = ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	fd = socket(ipv6 ? AF_INET6 : AF_INET, type, protocol);
	if (fd < 0 && (errno == EMFILE || errno == ENFILE) &&
	    (free_spares(udp_line_of(o->at)) ||
	     rest_one(o->at->circuit.line->proxy)))
		fd = socket(ipv6 ? AF_INET6 : AF_INET, type, protocol);
	return fd;
}

/* A socket that was not bound may want either family */
static int open_family(struct outlet *o, const struct datagrams *d,
		       const struct sb_address *place)
{
	uint16_t family = place ? place->family : d->bound.family;
	int fd;

	o->family = family;
	if (family == SB_FAMILY_NONE)
		o->family = o->protocol == UDP_PROTOCOL_ECHO ? SB_FAMILY_IPV4
							     : SB_FAMILY_IPV6;
	fd = make_socket(o);
	if (fd < 0 && errno == EAFNOSUPPORT && family == SB_FAMILY_NONE) {
		o->family = SB_FAMILY_IPV4;
		fd = make_socket(o);
	}
	o->dual = o->family == SB_FAMILY_IPV6 && !o->protocol;
	return fd;
}

static int no_socket(const struct datagrams *d, int error)
{
	if (error != EMFILE && error != ENFILE && error != ENOBUFS &&
	    error != ENOMEM)
		return -error;
	d->circuit.line->proxy->count[PROXY_NO_DESCRIPTOR]++;
	return -ENOBUFS;
}

static int start(struct outlet *o, struct datagrams *d, int fd,
		 const struct sb_address *place)
{
	struct loop *loop = &d->circuit.line->proxy->service.loop;
	int error = 0;

	rest_make_room(udp_line_of(d));
	prepare(o, fd);
	bound_buffer(o, udp_line_of(d), fd);
	o->watch.fd = fd;
	options_begin(d);
	if (place)
		error = bind_place(o, d, fd, place);
	o->watch.fd = -1;
	o->watch.ready = socket_ready;
	o->loop = loop;
	o->once = false;
	o->turn = loop_turns(loop) - 1;
	if (!error && loop_watch(loop, &o->watch, fd, EPOLLIN) < 0)
		error = -ENOBUFS;
	if (!error)
		rest_begin(o);
	return error;
}

void outlet_init(struct outlet *o)
{
	o->writable = true;
	o->run_refused = UINT32_MAX;
	o->places = LIMIT_PLACES_LEAST;
	o->pending_end = &o->pending;
}

/* Return: was there a socket that the guest has used before? */
static bool open_spare(struct datagrams *d)
{
	struct udp_line *ul = udp_line_of(d);
	uint16_t family = d->bound.family ? d->bound.family : SB_FAMILY_IPV6;
	struct sb_options options;
	struct outlet *o;

	if (d->protocol || !ul->spares)
		return false;
	circuit_copy_options(&d->circuit, &options);
	o = spare_take(ul, family, options.set);
	if (!o)
		return false;
	o->at = d;
	d->outlet = o;
	rest_make_room(ul);
	bound_buffer(o, ul, o->watch.fd);
	options_begin(d);
	rest_begin(o);
	udp_count(d, UDP_REUSED, 1);
	return true;
}

int outlet_open(struct datagrams *d, const struct sb_address *place)
{
	struct outlet *o;
	int fd, error;

	if (!place && open_spare(d))
		return 0;
	o = calloc(1, sizeof(*o));
	if (!o)
		return -ENOMEM;
	outlet_init(o);
	o->at = d;
	o->protocol = d->protocol;
	o->watch.fd = -1;
	d->outlet = o;
	fd = open_family(o, d, place);
	error = fd < 0 ? no_socket(d, errno) : start(o, d, fd, place);
	if (!error) {
		udp_count(d, UDP_SOCKETS, 1);
		return 0;
	}
	/* it is not watched: that is the last step */
	outlet_close(o);
	if (fd >= 0)
		close(fd);
	return error;
}

/* It does not count in its line any more */
static void leave_line(struct outlet *o)
{
	neighbour_forget(o);
	rest_end(o);
	pending_free(o);
	udp_line_of(o->at)->buffers -= o->buffer;
}

void outlet_rest(struct outlet *o)
{
	o->drops += o->pendings;
	udp_count(o->at, UDP_DROP_NO_ROOM, o->pendings);
	udp_count(o->at, UDP_RESTED, 1);
	leave_line(o);
	o->buffer = 0;
	close_socket(&o->at->circuit.line->proxy->service.loop, o);
	/* what waits in the ring until the socket takes more wakes it */
	if (!o->writable)
		datagrams_look_at(o->at);
	o->open = false;
	o->readable = false;
	o->writable = true;
	o->failed = false;
	o->out_watched = false;
	o->retried = false;
	o->kernel_drops = 0;
	o->counts_drops = false;
	/* the next one is to get all of them */
	memset(&o->options, 0, sizeof(o->options));
	o->at->circuit.paid = false;
}

int outlet_wake(struct outlet *o)
{
	int fd = make_socket(o), error;

	if (fd < 0)
		return no_socket(o->at, errno);
	o->dual = o->family == SB_FAMILY_IPV6 && !o->protocol;
	error = start(o, o->at, fd, NULL);
	if (error)
		close(fd);
	else
		udp_count(o->at, UDP_WOKEN, 1);
	return error;
}

void outlet_close(struct outlet *o)
{
	struct udp_line *ul = udp_line_of(o->at);

	leave_line(o);
	ul->published -= o->published + o->joined;
	o->at->outlet = NULL;
	if (spare_keep(ul, o))
		return;
	close_socket(&ul->line.proxy->service.loop, o);
	known_fini(&o->callers);
	neighbour_fini(o);
	free(o->route);
	free(o);
}

void outlet_move(struct datagrams *from, struct datagrams *to)
{
	struct outlet *o = from->outlet;

	from->outlet = NULL;
	to->outlet = o;
	o->at = to;
	/* the new entry's options are all to be looked at */
	o->options_seq = sb_load(&to->circuit.shared->options_seq) - 1;
	o->readable = !outlet_rests(o);
}

socklen_t outlet_sockaddr(const struct outlet *o, const struct sb_address *a,
			  struct sockaddr_storage *sa)
{
	struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)sa;

	if (a->family == o->family)
		return address_to_sockaddr(a, sa);
	if (!o->dual || a->family != SB_FAMILY_IPV4)
		return 0;
	memset(sin6, 0, sizeof(*sin6));
	sin6->sin6_family = AF_INET6;
	sin6->sin6_port = htons(a->port);
	memset(&sin6->sin6_addr.s6_addr[10], 0xff, 2);
	memcpy(&sin6->sin6_addr.s6_addr[12], a->bytes, 4);
	return sizeof(*sin6);
}

struct sb_address outlet_show(const struct outlet *o,
			      const struct sb_address *real)
{
	struct sb_address shown = *real;
	uint32_t routes = o->routes < OUTLET_ROUTES ? o->routes : OUTLET_ROUTES;

	for (uint32_t i = 0; i < routes; i++)
		if (memcmp(&o->route[i].real, real, sizeof(*real)) == 0)
			return o->route[i].shown;
	if (address_class(real) & ADDRESS_LOOPBACK)
		memcpy(shown.bytes,
		       real->family == SB_FAMILY_IPV4 ? dummy_ipv4 : dummy_ipv6,
		       sizeof(shown.bytes));
	return shown;
}

struct sb_address outlet_unshow(const struct sb_address *shown)
{
	static const uint8_t loopback_ipv4[16] = { 127, 0, 0, 1 };
	static const uint8_t loopback_ipv6[16] = { [15] = 1 };
	struct sb_address real = *shown;

	if (shown->family == SB_FAMILY_IPV4 &&
	    memcmp(shown->bytes, dummy_ipv4, sizeof(dummy_ipv4)) == 0)
		memcpy(real.bytes, loopback_ipv4, sizeof(real.bytes));
	if (shown->family == SB_FAMILY_IPV6 &&
	    memcmp(shown->bytes, dummy_ipv6, sizeof(dummy_ipv6)) == 0)
		memcpy(real.bytes, loopback_ipv6, sizeof(real.bytes));
	return real;
}
