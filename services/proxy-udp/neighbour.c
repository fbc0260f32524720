// SPDX-License-Identifier: GPL-2.0-only
/*
 * neighbour.c - datagrams of one guest to another, through this process
 *
 *	sender --- its socket ---> loopback ---> published socket --- receiver
 *
 * Where policy lets two guests not meet directly, what one sends leaves a
 * socket of Dom0's and arrives at another's. The receiver is to see who sent
 * it all the same: so sockets that send to another guest are listed by their
 * port, and what comes from one of them is shown as from its guest's own
 * address. That is the operator's word; the port there is the guest's, whose
 * affair its ports are. Nobody else can send from such a socket: its port is
 * taken, and the kernel takes no datagram from outside that claims to be from
 * loopback.
 *
 * Who has called may be answered, as anybody may who called a published
 * socket. The socket that an answer goes to must be that same guest's still.
 *
 * System calls: bind, getsockname.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "services/common/address.h"
#include "services/proxy-udp/udp.h"

#define BUCKETS 1024u

/**
 * struct neighbours - those that have called a published socket
 * @known: by their own addresses
 * @real:  by slots of @known, where their sockets are
 */
struct neighbours {
	struct known known;
	struct sb_address real[KNOWN_SETS * KNOWN_WAYS];
};

/* One thread: sockets that send to other guests, by their ports */
static struct outlet *listed[BUCKETS];
static uint32_t count;

void neighbour_addresses(struct udp_line *ul)
{
	const struct ipc_attach *order = &ul->line.attach;

	ul->owns = 0;
	for (uint32_t i = 0; i < order->addresses; i++)
		if (address_parse(&ul->own[ul->owns], order->address[i]) == 0)
			ul->owns++;
}

/* ---- the sender ---- */

/* A socket that has sent nothing yet has none: then it gets one. 0: no port */
static uint16_t port_of(const struct outlet *o)
{
	bool ipv6 = o->family == SB_FAMILY_IPV6;
	struct sockaddr_storage sa = { .ss_family = ipv6 ? AF_INET6 : AF_INET };
	socklen_t bytes =
		ipv6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	struct sb_address local;

	/* refused where it has one */
	(void)bind(o->watch.fd, (struct sockaddr *)&sa, bytes);
	bytes = sizeof(sa);
	if (getsockname(o->watch.fd, (struct sockaddr *)&sa, &bytes) < 0 ||
	    address_from_sockaddr(&local, (struct sockaddr *)&sa) < 0)
		return 0;
	return local.port;
}

void neighbour_sends(struct datagrams *d, uint32_t port)
{
	struct outlet *o = d->outlet;

	/* told once: who changes it all the time must not push others out */
	if (o->port || !port || port > UINT16_MAX)
		return;
	o->port = port_of(o);
	if (!o->port)
		return;
	o->own_port = (uint16_t)port;
	o->next = listed[o->port % BUCKETS];
	listed[o->port % BUCKETS] = o;
	count++;
}

void neighbour_forget(struct outlet *o)
{
	struct outlet **at = &listed[o->port % BUCKETS];

	if (!o->port)
		return;
	while (*at != o)
		at = &(*at)->next;
	*at = o->next;
	o->port = 0;
	count--;
}

void neighbour_fini(struct outlet *o)
{
	if (o->neighbours)
		known_fini(&o->neighbours->known);
	free(o->neighbours);
}

/* ---- the receiver ---- */

/* Of any address it sends from what it sends to, within one machine */
static bool may_send_from(const struct outlet *o, const struct outlet *to,
			  const struct sb_address *real)
{
	if (o->family != real->family &&
	    !(o->dual && real->family == SB_FAMILY_IPV4))
		return false;
	if (o->local.family &&
	    !(address_class(&o->local) & ADDRESS_UNSPECIFIED))
		return address_equal(&o->local, real);
	return address_class(real) & ADDRESS_LOOPBACK ||
	       address_equal(&to->local, real);
}

static const struct outlet *find(const struct outlet *to,
				 const struct sb_address *real)
{
	const struct outlet *o = listed[real->port % BUCKETS];

	while (o && !(o->port == real->port && may_send_from(o, to, real)))
		o = o->next;
	return o;
}

/* What its socket is bound to, if that is one of the guest's; or the first */
static bool own_address(const struct outlet *o, uint16_t family,
			struct sb_address *own)
{
	const struct udp_line *ul = udp_line_of(o->at);
	bool found = false;

	for (uint32_t i = ul->owns; i-- > 0;) {
		if (ul->own[i].family != family)
			continue;
		*own = ul->own[i];
		found = true;
		if (address_equal(own, &o->at->bound))
			break;
	}
	return found;
}

static bool remember(struct outlet *o, const struct sb_address *shown,
		     const struct sb_address *real)
{
	struct neighbours *n = o->neighbours;

	if (!n) {
		n = calloc(1, sizeof(*n));
		if (!n)
			return false;
		if (known_init(&n->known,
			       udp_line_of(o->at)->line.verdicts.seed) < 0) {
			free(n);
			return false;
		}
		o->neighbours = n;
	}
	n->real[known_add(&n->known, shown)] = *real;
	return true;
}

bool neighbour_called(struct outlet *o, const struct sb_address *real,
		      struct sb_address *shown)
{
	const struct outlet *from;

	if (!count || !o->published)
		return false;
	from = find(o, real);
	if (!from || from->at->circuit.line == o->at->circuit.line ||
	    !own_address(from, real->family, shown))
		return false;
	shown->port = from->own_port;
	return remember(o, shown, real);
}

void neighbour_show_local(const struct outlet *o, struct sb_datagram *h)
{
	struct sb_address own;

	if (h->flags & SB_DATAGRAM_LOCAL &&
	    own_address(o, h->remote.family, &own))
		memcpy(h->local, own.bytes, sizeof(h->local));
}

int neighbour_answers(struct outlet *o, const struct sb_address *shown,
		      struct sb_address *real)
{
	int slot = known_find(&o->neighbours->known, shown);
	const struct outlet *to;
	struct sb_address own;

	if (slot < 0)
		return -ENOENT;
	*real = o->neighbours->real[slot];
	to = find(o, real);
	if (!to || to->own_port != shown->port ||
	    !own_address(to, shown->family, &own) ||
	    !address_equal(&own, shown))
		return -ENOTCONN;
	return 0;
}
