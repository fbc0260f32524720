// SPDX-License-Identifier: GPL-2.0-only
/*
 * destination.c - where datagrams may go, and from where they may come
 *
 * The operator decides about each destination of a guest, and its verdict
 * holds until it is withdrawn. Two things need no verdict: answers to whoever
 * has called a published socket, and datagrams that come back from an address
 * that the guest was allowed to send to, whatever their port (so a server may
 * answer from another).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "services/common/address.h"
#include "services/common/limits.h"
#include "services/proxy-udp/udp.h"

static uint64_t now_of(const struct udp_line *ul)
{
	return loop_now(&ul->line.proxy->service.loop);
}

int destination_begin(struct udp_line *ul)
{
	neighbour_addresses(ul);
	return known_init(&ul->peers, ul->line.verdicts.seed);
}

void destination_end(struct udp_line *ul)
{
	known_fini(&ul->peers);
	known_fini(&ul->former);
}

void destination_withdraw(struct udp_line *ul)
{
	struct known former = ul->former;

	neighbour_addresses(ul);
	if (!former.slot && known_init(&former, ul->line.verdicts.seed) < 0)
		return;
	/* withdrawn twice in a moment: what came between is lost with it */
	memset(former.slot, 0, sizeof(*former.slot) * KNOWN_SETS * KNOWN_WAYS);
	ul->former = ul->peers;
	ul->peers = former;
	ul->former_until_ms = now_of(ul) + LIMIT_WITHDRAWN_MS;
}

/* Answers come from where it really went, and are to be shown as they left */
static int remember_route(struct outlet *o, const struct sb_address *shown,
			  const struct sb_address *real)
{
	uint32_t routes = o->routes < OUTLET_ROUTES ? o->routes : OUTLET_ROUTES;
	struct route *r;

	for (uint32_t i = 0; i < routes; i++)
		if (memcmp(&o->route[i].real, real, sizeof(*real)) == 0 &&
		    memcmp(&o->route[i].shown, shown, sizeof(*shown)) == 0)
			return 0;
	if (!o->route)
		o->route = calloc(OUTLET_ROUTES, sizeof(*o->route));
	if (!o->route)
		return -ENOMEM;
	r = &o->route[o->routes % OUTLET_ROUTES];
	r->shown = *shown;
	r->real = *real;
	/* stays in the upper half once all have been used */
	o->routes = o->routes + 1 < 2 * OUTLET_ROUTES ? o->routes + 1
						      : OUTLET_ROUTES;
	return 0;
}

static void remember_peer(struct datagrams *d, const struct sb_address *real)
{
	struct sb_address peer = *real;

	if (address_class(real) & (ADDRESS_MULTICAST | ADDRESS_BROADCAST))
		d->outlet->open = true;
	peer.port = 0;
	known_add(&udp_line_of(d)->peers, &peer);
}

/* Only where a scope means something, so that equal addresses are equal */
static struct sb_address plain(const struct sb_address *a)
{
	struct sb_address result = address_unmap(a);

	if (!(address_class(&result) &
	      (ADDRESS_LINK_LOCAL | ADDRESS_MULTICAST)))
		result.scope = 0;
	return result;
}

/* A program that is gone could not send it again */
static bool can_go_back(const struct datagrams *d, const struct sb_datagram *h)
{
	uint32_t owner = sb_load(&d->circuit.shared->owner);

	return !(h->flags & SB_DATAGRAM_PROXIED) && !(owner & SB_WORD_FIN);
}

int destination_find(struct datagrams *d, const struct sb_datagram *header,
		     struct sb_address *real)
{
	struct outlet *o = d->outlet;
	struct verdict_key key = { .kind = IPC_KIND_DATAGRAM,
				   .remote = plain(&header->remote) };
	struct verdict_answer answer;
	int error;

	error = o->neighbours ? neighbour_answers(o, &key.remote, real)
			      : -ENOENT;
	if (error != -ENOENT)
		return error;
	*real = outlet_unshow(&key.remote);
	if (o->published && known_has(&o->callers, real))
		return 0;
	if (!questions_find(&d->circuit, &key, &answer))
		return -EINPROGRESS;
	if (answer.error)
		return -(int)answer.error;
	if (answer.direct && can_go_back(d, header))
		return -EREMCHG;
	*real = plain(&answer.to);
	remember_peer(d, real);
	if (memcmp(real, &key.remote, sizeof(*real)) == 0)
		return 0;
	neighbour_sends(d, header->info);
	return remember_route(o, &key.remote, real);
}

int destination_place(struct datagrams *d, struct sb_address *place)
{
	struct verdict_key key = { .kind = IPC_KIND_BIND,
				   .remote = plain(&d->bound) };
	struct verdict_answer answer;

	if (!questions_find(&d->circuit, &key, &answer))
		return -EINPROGRESS;
	*place = answer.to;
	return -(int)answer.error;
}

bool destination_admits(struct datagrams *d, const struct sb_address *real)
{
	struct udp_line *ul = udp_line_of(d);
	struct outlet *o = d->outlet;
	struct sb_address peer = *real;

	if (o->published) {
		known_add(&o->callers, real);
		return true;
	}
	peer.port = 0;
	if (o->open || known_has(&ul->peers, &peer))
		return true;
	return now_of(ul) < ul->former_until_ms &&
	       known_has(&ul->former, &peer);
}
