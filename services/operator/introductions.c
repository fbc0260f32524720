// SPDX-License-Identifier: GPL-2.0-only
/*
 * introductions.c - two guests meet without Dom0 between them
 *
 * What a guest says about a line is believed as far as it is its own line.
 * Whether a destination is admitted the policy says, when the route is told,
 * whatever the callee answered. A guest that is sent a message may be expelled
 * for not taking it, and then leaves in the middle of what is done here: a
 * record that is being worked on is marked busy.
 *
 * An operator that takes over hears of the lines there are by LINE_READY and
 * LINE_TAKEN, which guests send again; a line of which only one side is heard
 * in time ends.
 */
#include <errno.h>
#include <string.h>

#include "services/operator/introductions.h"
#include "services/operator/policy.h"

static uint64_t now(const struct operator_service *o)
{
	return loop_now(&o->service.loop);
}

static void tell(struct guest *g, enum sb_message_type type, uint16_t line)
{
	struct sb_message m = { .type = (uint16_t)type, .line = line };

	guest_send(g, &m);
}

/* ---- ends ---- */

/* There is no direct way: calls that wait for one go through the proxy */
static void dismiss(struct introduction *i)
{
	struct sb_message m = {
		.type = SB_MESSAGE_ROUTE,
		.error = EREMCHG,
	};

	while (i->caller && i->waits) {
		m.remote = i->waiting[--i->waits].to;
		m.kind = i->waiting[i->waits].kind;
		guest_send(i->caller, &m);
	}
}

/* Both let go; what the proxies know of the caller's destinations is void */
static void end(struct operator_service *o, struct introduction *i)
{
	bool was_busy = i->busy;

	if (i->state != INTRODUCTION_ENDING) {
		i->state = INTRODUCTION_ENDING;
		i->busy = true;
		dismiss(i);
		if (i->caller && i->caller_line)
			tell(i->caller, SB_MESSAGE_LINE_LOST, i->caller_line);
		if (i->callee && i->callee_line)
			tell(i->callee, SB_MESSAGE_LINE_ENDED, i->callee_line);
		if (i->caller) {
			line_withdraw(&i->caller->line[OPERATOR_TCP_LINE]);
			line_withdraw(&i->caller->line[OPERATOR_UDP_LINE]);
		}
		i->busy = was_busy;
	}
	introduction_release(o, i);
}

static void fail(struct operator_service *o, struct introduction *i,
		 const char *why)
{
	log_print(LOG_LEVEL_NOTICE, "domains %u and %u do not meet: %s",
		  i->caller_domain, i->callee_domain, why);
	o->counter[COUNT_INTRODUCTIONS_FAILED]++;
	i->again_ms = now(o) + LIMIT_INTRODUCTION_AGAIN_MS;
	end(o, i);
}

static struct introduction *of_guest(const struct guest *g)
{
	struct introduction *i;

	for (i = g->op->introductions; i; i = i->next) {
		if (i->caller == g || i->callee == g)
			return i;
	}
	return NULL;
}

void introductions_leave(struct guest *g)
{
	struct introduction *i;

	while ((i = of_guest(g))) {
		if (i->caller == g) {
			i->caller = NULL;
			i->caller_line = 0;
		}
		if (i->callee == g) {
			i->callee = NULL;
			i->callee_line = 0;
		}
		end(g->op, i);
	}
}

/* ---- beginnings ---- */

static bool may_meet(const struct guest *caller, const struct guest *callee)
{
	return caller != callee && caller->config && callee->config &&
	       caller->config->direct && callee->config->direct &&
	       trunk_attached(&caller->trunk) && trunk_attached(&callee->trunk);
}

static uint32_t protocol_of(uint8_t kind)
{
	return kind == SB_ENTRY_DATAGRAM ? CONFIG_UDP : CONFIG_TCP;
}

/* Do both know of datagrams on direct lines? */
static bool both_can(const struct guest *caller, const struct guest *callee,
		     uint8_t kind)
{
	return kind == SB_ENTRY_STREAM ||
	       (caller->trunk.features & callee->trunk.features &
		SB_TRUNK_DATAGRAMS);
}

/* Who has that address and publishes the port */
static const struct config_guest *
publisher_of(const struct operator_service *o,
	     const struct introduction_place *place)
{
	const struct config_guest *c = policy_callee(o->config, &place->to);
	struct sb_address at;

	if (!c || policy_publish(c, protocol_of(place->kind), &place->to, &at))
		return NULL;
	return c;
}

/* The same, if it is here */
static struct guest *callee_of(const struct operator_service *o,
			       const struct introduction_place *place)
{
	const struct config_guest *c = publisher_of(o, place);
	struct guest *g;

	for (g = c ? o->guests : NULL; g; g = g->next) {
		if (g->config == c)
			return g;
	}
	return NULL;
}

static bool same_place(const struct introduction_place *a,
		       const struct introduction_place *b)
{
	return a->kind == b->kind && a->to.port == b->to.port &&
	       address_equal(&a->to, &b->to);
}

/* Return: false, it has to wait for too much */
static bool wait_for_line(struct introduction *i,
			  const struct introduction_place *place)
{
	uint32_t n;

	for (n = 0; n < i->waits; n++) {
		if (same_place(&i->waiting[n], place))
			return true;
	}
	if (i->waits == LIMIT_INTRODUCTION_WAITS)
		return false;
	i->waiting[i->waits++] = *place;
	return true;
}

static bool introduce(struct operator_service *o, struct guest *caller,
		      struct guest *callee,
		      const struct introduction_place *place)
{
	struct introduction *i = introduction_add(o, caller, callee);
	struct sb_message m = {
		.type = SB_MESSAGE_LINE_WANTED,
		.kind = SB_LINE_DIRECT,
		.domain = callee->domain,
	};

	if (!i)
		return false;
	m.line = introduction_number(caller);
	if (!m.line) {
		introduction_release(o, i);
		return false;
	}
	i->caller_line = m.line;
	i->state = INTRODUCTION_WANTED;
	wait_for_line(i, place);
	guest_send(caller, &m);
	return true;
}

/* The callee is told; what it answers makes the route */
static void admit(struct introduction *i,
		  const struct introduction_place *place)
{
	struct sb_message m = {
		.type = SB_MESSAGE_ADMIT,
		.line = i->callee_line,
		.kind = place->kind,
		.local = place->to,
	};

	guest_send(i->callee, &m);
}

/* They do not meet now, but may later: the verdict is not for ever */
static bool miss(struct guest *caller, const struct introduction_place *place)
{
	uint32_t line = place->kind == SB_ENTRY_STREAM ? OPERATOR_TCP_LINE
						       : OPERATOR_UDP_LINE;

	caller->line[line].missed = true;
	return false;
}

static void withdraw_missed(struct guest *caller)
{
	uint32_t n;

	for (n = 0; n < OPERATOR_LINES; n++) {
		if (caller->line[n].missed)
			line_withdraw(&caller->line[n]);
	}
}

void introductions_arrive(struct operator_service *o)
{
	struct guest *g;

	for (g = o->guests; g; g = g->next)
		withdraw_missed(g);
}

bool introduction_wanted(struct guest *caller,
			 const struct introduction_place *place)
{
	struct operator_service *o = caller->op;
	const struct config_guest *publisher = publisher_of(o, place);
	struct guest *callee = callee_of(o, place);
	struct introduction *i;

	if (!publisher || !publisher->direct)
		return false;
	if (!callee || !trunk_attached(&callee->trunk))
		return miss(caller, place);
	if (!may_meet(caller, callee) || !both_can(caller, callee, place->kind))
		return false;
	i = introduction_find(o, caller, callee);
	if (i && i->state == INTRODUCTION_ENDING) {
		if (i->caller_line || i->callee_line || i->again_ms > now(o))
			return miss(caller, place);
		introduction_release(o, i);
		i = NULL;
	}
	if (!i)
		return introduce(o, caller, callee, place);
	if (i->state != INTRODUCTION_UP)
		return wait_for_line(i, place);
	admit(i, place);
	return true;
}

/* ---- what the guests say ---- */

/* One that has ended may be made again */
static void forget(struct operator_service *o, struct introduction *i)
{
	if (i->caller && !i->caller_line && !i->callee_line &&
	    i->again_ms <= now(o))
		withdraw_missed(i->caller);
	introduction_release(o, i);
}

static void offer(struct operator_service *o, struct introduction *i)
{
	struct sb_message m = {
		.type = SB_MESSAGE_LINE_OFFERED,
		.kind = SB_LINE_DIRECT,
		.domain = i->caller_domain,
		.gref = i->gref,
		.port = i->port,
	};

	m.line = introduction_number(i->callee);
	if (!m.line) {
		fail(o, i, "the callee has too many lines");
		return;
	}
	i->callee_line = m.line;
	i->state = INTRODUCTION_OFFERED;
	guest_send(i->callee, &m);
}

/* Calls come from the caller's addresses, all of them */
static void admit_sources(struct introduction *i)
{
	const struct config_guest *c = i->caller->config;
	struct sb_message m = { .type = SB_MESSAGE_ADMIT };
	uint32_t n;

	for (n = 0; n < c->addresses && i->callee; n++) {
		m.line = i->callee_line;
		m.remote = c->address[n].address;
		guest_send(i->callee, &m);
	}
}

static void up(struct operator_service *o, struct introduction *i)
{
	uint32_t n;

	i->state = INTRODUCTION_UP;
	o->counter[COUNT_INTRODUCTIONS]++;
	log_print(LOG_LEVEL_INFO, "domain %u (%s) has met domain %u (%s)",
		  i->caller_domain, i->caller->name, i->callee_domain,
		  i->callee->name);
	service_event(&o->service, "guests-introduced", i->caller->name,
		      i->caller_domain, i->callee->name);
	i->busy = true;
	admit_sources(i);
	for (n = 0; n < i->waits && i->caller && i->callee; n++)
		admit(i, &i->waiting[n]);
	i->busy = false;
	introduction_release(o, i);
}

/* One side of a line that the operator before us introduced */
static struct introduction *learn(struct guest *g, const struct sb_message *m)
{
	struct introduction *i;

	if (!g->trunk.taken_over || m->kind != SB_LINE_DIRECT ||
	    m->line < OPERATOR_DIRECT_LINES || m->line >= SB_LINES_MAX)
		return NULL;
	i = introduction_add(g->op, NULL, NULL);
	if (!i)
		return NULL;
	i->state = INTRODUCTION_KNOWN;
	i->gref = m->gref;
	i->port = m->port;
	return i;
}

/* Both have told of it; what the caller knows of routes may be out of date */
static void learned(struct operator_service *o, struct introduction *i)
{
	if (i->state != INTRODUCTION_KNOWN || !i->caller || !i->callee)
		return;
	if (may_meet(i->caller, i->callee))
		up(o, i);
	else
		end(o, i);
}

static bool learn_caller(struct guest *g, const struct sb_message *m)
{
	struct introduction *i =
		introduction_by_line(g->op, g->domain, m->gref, m->port);

	if (i && i->caller)
		return false;
	if (!i)
		i = learn(g, m);
	if (!i)
		return false;
	i->caller = g;
	i->caller_domain = g->domain;
	i->caller_line = m->line;
	if (!i->callee)
		i->callee_domain = m->domain;
	learned(g->op, i);
	return true;
}

bool introduction_line_ready(struct guest *g, const struct sb_message *m)
{
	struct introduction *i = introduction_by_caller(g, m->line);

	if (!i)
		return learn_caller(g, m);
	if (i->state == INTRODUCTION_WANTED) {
		i->gref = m->gref;
		i->port = m->port;
		offer(g->op, i);
		return true;
	}
	/* said again; another in its place has to be announced as gone first */
	return i->state == INTRODUCTION_ENDING ||
	       (i->gref == m->gref && i->port == m->port);
}

static bool learn_callee(struct guest *g, const struct sb_message *m)
{
	struct introduction *i =
		introduction_by_line(g->op, m->domain, m->gref, m->port);

	if (m->error || (i && i->callee))
		return false;
	if (!i)
		i = learn(g, m);
	if (!i)
		return false;
	i->callee = g;
	i->callee_domain = g->domain;
	i->callee_line = m->line;
	i->caller_domain = m->domain;
	learned(g->op, i);
	return true;
}

bool introduction_line_taken(struct guest *g, const struct sb_message *m)
{
	struct introduction *i = introduction_by_callee(g, m->line);

	if (!i)
		return learn_callee(g, m);
	if (i->state != INTRODUCTION_OFFERED)
		return true;
	if (!m->error) {
		up(g->op, i);
		return true;
	}
	i->callee_line = 0;
	fail(g->op, i, "the callee cannot take the line");
	return true;
}

bool introduction_line_gone(struct guest *g, const struct sb_message *m)
{
	struct introduction *i = introduction_by_caller(g, m->line);
	bool asked;

	if (i) {
		asked = i->state == INTRODUCTION_ENDING;
		i->caller_line = 0;
	} else {
		i = introduction_by_callee(g, m->line);
		if (!i)
			return g->trunk.taken_over &&
			       m->line >= OPERATOR_DIRECT_LINES;
		asked = i->state == INTRODUCTION_ENDING;
		i->callee_line = 0;
	}
	if (asked)
		forget(g->op, i);
	else
		fail(g->op, i, "one of them gave the line up");
	return true;
}

static bool is_allowed(const struct introduction *i,
		       const struct introduction_place *place)
{
	const struct operator_service *o = i->callee->op;

	return (place->kind == SB_ENTRY_STREAM ||
		place->kind == SB_ENTRY_DATAGRAM) &&
	       address_valid(&place->to) && callee_of(o, place) == i->callee &&
	       may_meet(i->caller, i->callee) &&
	       policy_connect(o->config, i->caller->config, &o->host,
			      protocol_of(place->kind), &place->to) == 0;
}

static void stop_waiting(struct introduction *i,
			 const struct introduction_place *place)
{
	uint32_t n;

	for (n = 0; n < i->waits; n++) {
		if (same_place(&i->waiting[n], place))
			i->waiting[n--] = i->waiting[--i->waits];
	}
}

bool introduction_admitted(struct guest *g, const struct sb_message *m)
{
	struct introduction *i = introduction_by_callee(g, m->line);
	struct sb_message route = {
		.type = SB_MESSAGE_ROUTE,
		.kind = m->kind,
		.remote = m->local,
	};
	struct introduction_place place = { .to = m->local, .kind = m->kind };

	/* of a line that it has just given up: ADMIT was on its way to it */
	if (!i)
		return m->line >= OPERATOR_DIRECT_LINES &&
		       m->line < SB_LINES_MAX;
	if (i->state != INTRODUCTION_UP)
		return true;
	if (!is_allowed(i, &place))
		return !m->local.family || address_valid(&m->local);
	stop_waiting(i, &place);
	route.line = i->caller_line;
	route.error = m->error ? EREMCHG : 0;
	g->op->counter[COUNT_ROUTES]++;
	guest_send(i->caller, &route);
	return true;
}

/* ---- what time and the administrator do ---- */

/* Destinations that were announced are asked about again when called */
static void announce_anew(struct introduction *i)
{
	struct sb_message m = { .error = EREMCHG };

	m.type = SB_MESSAGE_ROUTE;
	m.line = i->caller_line;
	guest_send(i->caller, &m);
	m.type = SB_MESSAGE_ADMIT;
	m.line = i->callee_line;
	if (i->callee)
		guest_send(i->callee, &m);
	if (i->callee && i->caller)
		admit_sources(i);
}

static void reconfigured(struct operator_service *o, struct introduction *i)
{
	if (i->state == INTRODUCTION_ENDING || !i->caller || !i->callee)
		return;
	if (!may_meet(i->caller, i->callee)) {
		end(o, i);
		return;
	}
	if (i->state != INTRODUCTION_UP)
		return;
	i->busy = true;
	announce_anew(i);
	i->busy = false;
	introduction_release(o, i);
}

static void look(struct operator_service *o, struct introduction *i)
{
	if (i->state == INTRODUCTION_ENDING)
		forget(o, i);
	else if (i->state != INTRODUCTION_UP &&
		 now(o) - i->since_ms > LIMIT_INTRODUCTION_MS)
		fail(o, i, "it took too long");
}

/* Others may end meanwhile, so the next one is looked for anew */
static void for_each(struct operator_service *o,
		     void (*visit)(struct operator_service *o,
				   struct introduction *i))
{
	struct introduction *all[LIMIT_INTRODUCTIONS], *i;
	uint32_t count = 0, n;

	for (i = o->introductions; i; i = i->next)
		all[count++] = i;
	for (n = 0; n < count; n++) {
		for (i = o->introductions; i && i != all[n]; i = i->next)
			;
		if (i)
			visit(o, i);
	}
}

void introductions_reconfigured(struct operator_service *o)
{
	for_each(o, reconfigured);
}

void introductions_look(struct operator_service *o)
{
	for_each(o, look);
}
