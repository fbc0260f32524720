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

static struct udp_line *line_of(struct verdicts *v)
{
	return loop_owner(v, struct udp_line, verdicts);
}

static struct udp_proxy *proxy_of(const struct udp_line *ul)
{
	return (struct udp_proxy *)(void *)ul->line.proxy;
}

static uint64_t now_of(const struct udp_line *ul)
{
	return loop_now(&ul->line.proxy->service.loop);
}

static bool ask(struct verdicts *v, const struct verdict_key *key)
{
	struct udp_line *ul = line_of(v);
	struct proxy *p = ul->line.proxy;
	struct ipc_message *m = endpoint_draft(IPC_REPORT_ASKED);

	m->question = (struct ipc_question){
		.guest = ul->line.attach.guest,
		.line = ul->line.attach.line,
		.kind = key->kind,
		.remote = key->remote,
		.source = key->source,
	};
	if (endpoint_send(&p->operator, m))
		return false;
	p->count[UDP_ASKED]++;
	return true;
}

static void wake(struct verdict_waiter *w)
{
	datagrams_look_at(loop_owner(w, struct datagrams, waiter));
}

int destination_begin(struct udp_line *ul)
{
	uint64_t seed = ul->line.proxy->epoch * 0x9e3779b97f4a7c15ull;
	int error;

	ul->verdicts.ask = ask;
	ul->verdicts.wake = wake;
	error = verdicts_init(&ul->verdicts, seed);
	if (!error)
		error = known_init(&ul->peers, seed);
	if (error)
		verdicts_fini(&ul->verdicts);
	return error;
}

void destination_end(struct udp_line *ul)
{
	verdicts_fini(&ul->verdicts);
	known_fini(&ul->peers);
	known_fini(&ul->former);
}

void destination_withdraw(struct udp_line *ul, bool again)
{
	struct known former = ul->former;

	verdicts_withdraw(&ul->verdicts);
	if (again)
		verdicts_ask_again(&ul->verdicts, now_of(ul));
	if (!former.slot && known_init(&former, ul->verdicts.seed) < 0)
		return;
	/* withdrawn twice in a moment: what came between is lost with it */
	memset(former.slot, 0, sizeof(*former.slot) * KNOWN_SETS * KNOWN_WAYS);
	ul->former = ul->peers;
	ul->peers = former;
	ul->former_until_ms = now_of(ul) + LIMIT_WITHDRAWN_MS;
}

static void sweep_line(struct line *l)
{
	struct udp_line *ul = (struct udp_line *)(void *)l;
	struct udp_proxy *up = proxy_of(ul);

	if (!verdicts_busy(&ul->verdicts))
		return;
	verdicts_sweep(&ul->verdicts, now_of(ul));
	if (verdicts_busy(&ul->verdicts) && !loop_timer_running(&up->sweep))
		loop_timer_start(&up->proxy.service.loop, &up->sweep,
				 LIMIT_VERDICTS_SWEEP_MS);
}

static void sweep(struct loop_timer *timer)
{
	struct udp_proxy *up = loop_owner(timer, struct udp_proxy, sweep);

	proxy_for_each_line(&up->proxy, sweep_line);
}

void destination_init(struct udp_proxy *up)
{
	up->sweep.fire = sweep;
}

void destination_order(struct proxy *p, const struct ipc_message *m)
{
	const struct ipc_question *q = &m->verdict.question;
	struct line *l;

	if (m->type == IPC_ORDER_VERDICT) {
		p->count[UDP_VERDICTS]++;
		l = proxy_line_find(p, q->guest, q->line);
		if (l)
			verdicts_answer(
				&((struct udp_line *)(void *)l)->verdicts,
				&m->verdict, loop_now(&p->service.loop));
	} else if (m->type == IPC_ORDER_WITHDRAW) {
		l = proxy_line_find(p, m->line.guest, m->line.line);
		if (l)
			destination_withdraw((struct udp_line *)(void *)l,
					     false);
	}
}

/* Return: 0 with the answer, or -EINPROGRESS */
static int get_verdict(struct datagrams *d, const struct verdict_key *key,
		       struct verdict_answer *answer)
{
	struct udp_line *ul = udp_line_of(d);
	struct udp_proxy *up = proxy_of(ul);
	uint64_t now_ms = now_of(ul);

	if (verdicts_find(&ul->verdicts, key, now_ms, answer))
		return 0;
	if (!verdicts_waits(&d->waiter))
		verdicts_wait(&ul->verdicts, key, now_ms, &d->waiter);
	if (!loop_timer_running(&up->sweep))
		loop_timer_start(&up->proxy.service.loop, &up->sweep,
				 LIMIT_VERDICTS_SWEEP_MS);
	return -EINPROGRESS;
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

int destination_find(struct datagrams *d, const struct sb_address *shown,
		     struct sb_address *real)
{
	struct outlet *o = d->outlet;
	struct verdict_key key = { .kind = IPC_KIND_DATAGRAM,
				   .remote = plain(shown) };
	struct verdict_answer answer;

	*real = outlet_unshow(&key.remote);
	if (o->published && known_has(&o->callers, real))
		return 0;
	if (get_verdict(d, &key, &answer))
		return -EINPROGRESS;
	if (answer.error)
		return -(int)answer.error;
	if (answer.direct)
		return -EHOSTUNREACH;
	*real = plain(&answer.to);
	remember_peer(d, real);
	if (memcmp(real, &key.remote, sizeof(*real)) != 0)
		return remember_route(o, &key.remote, real);
	return 0;
}

int destination_place(struct datagrams *d, struct sb_address *place)
{
	struct verdict_key key = { .kind = IPC_KIND_BIND,
				   .remote = plain(&d->bound) };
	struct verdict_answer answer;

	if (get_verdict(d, &key, &answer))
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
