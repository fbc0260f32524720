/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * guests.c - guests come, connect, leave
 *
 * The hypervisor's news say which domains there are; a guest is known by its
 * name and UUID, never by its domain id alone.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "services/operator/introductions.h"

/* News taken in one wake-up */
#define NEWS_BURST 64
/* Domains remembered, strangers too */
#define DOMAINS_MAX 1024u

struct guest *guest_find(struct operator_service *o, uint32_t domain)
{
	struct guest *g;

	for (g = o->guests; g; g = g->next) {
		if (g->domain == domain)
			return g;
	}
	return NULL;
}

const char *guest_state_name(const struct guest *g)
{
	static const char *const names[] = {
		[GUEST_STRANGER] = "stranger",
		[GUEST_OFFERED] = "offered",
		[GUEST_CONNECTED] = "connected",
		[GUEST_EXPELLED] = "expelled",
	};

	if (g->state == GUEST_CONNECTED &&
	    g->line[OPERATOR_TCP_LINE].state == LINE_ATTACHED)
		return "attached";
	return names[g->state];
}

/* Everything that hangs on the trunk; the guest itself stays */
static void disconnect(struct guest *g)
{
	lines_end(g);
	introductions_leave(g);
	guest_rest(g);
	trunk_detach(&g->trunk);
	g->masked = false;
}

void guest_expel(struct guest *g, const char *why)
{
	struct operator_service *o = g->op;

	if (g->state == GUEST_EXPELLED)
		return;
	log_guest(NULL, LOG_LEVEL_WARNING, g->domain, g->name, "expelled: %s",
		  why);
	disconnect(g);
	g->state = GUEST_EXPELLED;
	o->counter[COUNT_GUESTS_EXPELLED]++;
	hypervisor_guest_withdraw(o->hypervisor, g->domain, why);
	service_event(&o->service, "guest-expelled", g->name, g->domain, why);
}

void guest_lied(struct guest *g, const char *what)
{
	g->lies++;
	g->op->counter[COUNT_LIES]++;
	log_guest(&g->limit, LOG_LEVEL_WARNING, g->domain, g->name,
		  "malformed request: %s", what);
	if (++g->trunk_lies >= LIMIT_TRUNK_LIES)
		guest_expel(g, "too many malformed requests");
}

void guest_send(struct guest *g, const struct sb_message *m)
{
	int err;

	if (!trunk_attached(&g->trunk))
		return;
	err = trunk_send(&g->trunk, m);
	if (err == -ENOBUFS)
		guest_expel(g, "it does not read its trunk");
	else if (err)
		guest_expel(g, "a lie in the trunk's indexes");
	else
		guest_wake(g);
}

/* Addresses, name servers; again after a reload or when taking over */
static void send_configuration(struct guest *g)
{
	const struct config *c = g->op->config;
	struct sb_message m = { 0 };
	uint32_t i;

	m.type = SB_MESSAGE_ADDRESS;
	for (i = 0; i < g->config->addresses; i++) {
		m.local = g->config->address[i].address;
		m.prefix = g->config->address[i].bits;
		guest_send(g, &m);
	}
	m.prefix = 0;
	m.type = SB_MESSAGE_NAMESERVER;
	for (i = 0; i < c->name_servers; i++) {
		m.local = c->name_server[i];
		guest_send(g, &m);
	}
	memset(&m, 0, sizeof(m));
	m.type = SB_MESSAGE_CONFIGURED;
	guest_send(g, &m);
}

/* The configuration of a domain, unless another domain already has it */
static const struct config_guest *choose_config(struct operator_service *o,
						const char *name,
						const char *identity)
{
	const struct config_guest *c = config_find_guest(o->config, name);
	struct guest *g;

	if (!c || (c->identity[0] && strcasecmp(c->identity, identity) != 0))
		return NULL;
	for (g = o->guests; g; g = g->next) {
		if (g->config == c)
			return NULL;
	}
	return c;
}

static void offer(struct guest *g)
{
	struct operator_service *o = g->op;
	int err = hypervisor_guest_offer(o->hypervisor, g->domain);

	if (err) {
		log_guest(NULL, LOG_LEVEL_ERROR, g->domain, g->name,
			  "cannot offer the device: %s", strerror(-err));
		return;
	}
	g->state = GUEST_OFFERED;
	log_guest(NULL, LOG_LEVEL_INFO, g->domain, g->name,
		  "device offered, identity %s", g->identity);
}

static void remove_guest(struct guest *g)
{
	struct operator_service *o = g->op;
	struct guest **at = &o->guests;

	disconnect(g);
	while (*at != g)
		at = &(*at)->next;
	*at = g->next;
	o->guest_count--;
	free(g);
}

/*
 * Another domain that was waiting for the name: xl starts a guest anew before
 * the old domain is quite dead
 */
static void succeed(struct operator_service *o)
{
	struct guest *g;

	for (g = o->guests; g; g = g->next) {
		if (g->config || g->state != GUEST_STRANGER)
			continue;
		g->config = choose_config(o, g->name, g->identity);
		if (g->config)
			offer(g);
	}
}

static void gone(struct guest *g)
{
	struct operator_service *o = g->op;

	if (g->config) {
		log_guest(NULL, LOG_LEVEL_INFO, g->domain, g->name, "gone");
		service_event(&o->service, "guest-gone", g->name, g->domain,
			      NULL);
	}
	remove_guest(g);
	succeed(o);
}

static struct guest *add_guest(struct operator_service *o,
			       const struct hypervisor_guest *news)
{
	struct guest *g;

	if (o->guest_count == DOMAINS_MAX)
		return NULL;
	g = calloc(1, sizeof(*g));
	if (!g)
		return NULL;
	g->op = o;
	g->domain = news->domain;
	memcpy(g->name, news->name, sizeof(g->name));
	memcpy(g->identity, news->identity, sizeof(g->identity));
	g->config = choose_config(o, g->name, g->identity);
	g->retry.fire = guest_retry;
	lines_init(g);
	g->next = o->guests;
	o->guests = g;
	o->guest_count++;
	return g;
}

static void appeared(struct operator_service *o,
		     const struct hypervisor_guest *news)
{
	struct guest *g = guest_find(o, news->domain);

	if (g && strcmp(g->identity, news->identity) == 0)
		return;
	if (g)
		gone(g); /* the number was used again */
	g = add_guest(o, news);
	if (!g)
		log_print(LOG_LEVEL_ERROR, "no room for domain %u",
			  news->domain);
	else if (g->config)
		offer(g);
}

static void connected(struct guest *g, const struct hypervisor_guest *news)
{
	struct operator_service *o = g->op;
	const char *why;
	int err;

	if (!g->config || g->state == GUEST_EXPELLED)
		return;
	if (trunk_attached(&g->trunk))
		disconnect(g);
	err = trunk_attach(&g->trunk, o->hypervisor, news, o->service.epoch,
			   &why);
	if (!err) {
		why = "the device's state cannot be written";
		err = hypervisor_guest_attached(o->hypervisor, g->domain);
	}
	if (err) {
		log_guest(&g->limit, LOG_LEVEL_WARNING, g->domain, g->name,
			  "%s: %s", why, strerror(-err));
		guest_expel(g, why);
		return;
	}
	g->state = GUEST_CONNECTED;
	g->trunk_lies = 0;
	bucket_init(&g->bucket, g->config->limits.requests_per_s,
		    g->config->limits.request_burst,
		    loop_now(&o->service.loop));
	o->counter[COUNT_GUESTS_CONNECTED]++;
	log_guest(NULL, LOG_LEVEL_INFO, g->domain, g->name, "connected%s",
		  g->trunk.taken_over ? ", taken over" : "");
	service_event(&o->service, "guest-connected", g->name, g->domain, NULL);
	send_configuration(g);
	lines_begin(g);
	introductions_arrive(o);
	guest_wake(g);
}

/* The driver has let go; it may come back */
static void closed(struct guest *g)
{
	struct operator_service *o = g->op;

	disconnect(g);
	if (!g->config || g->state == GUEST_EXPELLED)
		return;
	log_guest(&g->limit, LOG_LEVEL_INFO, g->domain, g->name, "closed");
	service_event(&o->service, "guest-closed", g->name, g->domain, NULL);
	hypervisor_guest_withdraw(o->hypervisor, g->domain, NULL);
	offer(g);
}

static void take_news(struct operator_service *o,
		      const struct hypervisor_guest *news)
{
	struct guest *g = guest_find(o, news->domain);

	if (news->change == HYPERVISOR_GUEST_APPEARED)
		appeared(o, news);
	else if (g && news->change == HYPERVISOR_GUEST_CONNECTED)
		connected(g, news);
	else if (g && news->change == HYPERVISOR_GUEST_CLOSED)
		closed(g);
	else if (g && news->change == HYPERVISOR_GUEST_GONE)
		gone(g);
}

int guests_news(struct operator_service *o)
{
	struct hypervisor_guest news;
	int burst, got = 1;

	for (burst = 0; burst < NEWS_BURST && got > 0; burst++) {
		got = hypervisor_guest_next(o->hypervisor, &news);
		if (got > 0)
			take_news(o, &news);
	}
	return got < 0 ? got : 0;
}

static bool same_addresses(const struct config_guest *a,
			   const struct config_guest *b)
{
	uint32_t i;

	if (a->addresses != b->addresses)
		return false;
	for (i = 0; i < a->addresses; i++) {
		if (a->address[i].bits != b->address[i].bits ||
		    !address_equal(&a->address[i].address,
				   &b->address[i].address))
			return false;
	}
	return true;
}

static bool same_name_servers(const struct config *a, const struct config *b)
{
	return a->name_servers == b->name_servers &&
	       memcmp(a->name_server, b->name_server, sizeof(a->name_server)) ==
		       0;
}

static void reconfigure(struct guest *g, const struct config_guest *old,
			bool servers_changed)
{
	struct operator_service *o = g->op;

	if (old && !g->config) {
		log_guest(NULL, LOG_LEVEL_NOTICE, g->domain, g->name,
			  "no longer in the configuration");
		disconnect(g);
		g->state = GUEST_STRANGER;
		hypervisor_guest_withdraw(o->hypervisor, g->domain,
					  "not in the configuration");
	} else if (!old && g->config && g->state == GUEST_STRANGER) {
		offer(g);
	} else if (old && g->config && trunk_attached(&g->trunk)) {
		bucket_change(&g->bucket, g->config->limits.requests_per_s,
			      g->config->limits.request_burst);
		if (servers_changed || !same_addresses(old, g->config))
			send_configuration(g);
	}
}

void guests_reconfigure(struct operator_service *o, struct config *config)
{
	struct config *old = o->config;
	bool servers = !same_name_servers(old, config);
	const struct config_guest *was;
	struct guest *g;

	/* @old stays whole until every guest has left it */
	o->config = config;
	for (g = o->guests; g; g = g->next) {
		was = g->config;
		g->config = NULL;
		g->config = choose_config(o, g->name, g->identity);
		reconfigure(g, was, servers);
	}
	config_free(old);
}
