/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * policy.c - may a guest connect there, may it publish that?
 */
#include <errno.h>

#include "services/operator/policy.h"

static bool ports_match(const struct config_connect *rule, uint32_t protocol,
			uint16_t port)
{
	uint32_t i;

	if (!(rule->protocols & protocol))
		return false;
	if (protocol == CONFIG_ICMP)
		return true;
	for (i = 0; i < rule->ports; i++) {
		if (port >= rule->port[i].first && port <= rule->port[i].last)
			return true;
	}
	return false;
}

const struct config_guest *policy_callee(const struct config *config,
					 const struct sb_address *remote)
{
	uint32_t i, j;

	for (i = 0; i < config->guests; i++) {
		const struct config_guest *g = &config->guest[i];

		for (j = 0; j < g->addresses; j++) {
			if (address_equal(&g->address[j].address, remote))
				return g;
		}
	}
	return NULL;
}

/* Only a rule for this very address means it */
static bool must_be_named(const struct config *config, const struct host *host,
			  const struct sb_address *remote)
{
	return address_class(remote) || host_has(host, remote) ||
	       policy_callee(config, remote);
}

static bool names_it(const struct config_connect *rule,
		     const struct sb_address *remote)
{
	return !rule->any && address_equal(&rule->to.address, remote) &&
	       rule->to.bits == (remote->family == SB_FAMILY_IPV4 ? 32 : 128);
}

int policy_connect(const struct config *config,
		   const struct config_guest *guest, const struct host *host,
		   uint32_t protocol, const struct sb_address *remote)
{
	bool wide = false;
	uint32_t i;

	for (i = 0; i < guest->connects; i++) {
		const struct config_connect *rule = &guest->connect[i];

		if (!ports_match(rule, protocol, remote->port))
			continue;
		if (names_it(rule, remote))
			return 0;
		if (rule->any || address_prefix_match(&rule->to, remote))
			wide = true;
	}
	return wide && !must_be_named(config, host, remote) ? 0 : EACCES;
}

static bool family_fits(const struct config_publish *rule,
			const struct sb_address *local, uint16_t family)
{
	if (rule->at.family != family)
		return false;
	return family == SB_FAMILY_IPV6 ? local->family == SB_FAMILY_IPV6
					: true;
}

static const struct config_publish *
find_publish(const struct config_guest *guest, uint32_t protocol,
	     const struct sb_address *local, uint16_t family)
{
	uint32_t i;

	for (i = 0; i < guest->publishes; i++) {
		const struct config_publish *rule = &guest->publish[i];

		if (rule->protocols & protocol &&
		    local->port >= rule->port.first &&
		    local->port <= rule->port.last &&
		    family_fits(rule, local, family))
			return rule;
	}
	return NULL;
}

/* Where a rule for that family has it. Return: is there one? */
static bool place_of(const struct config_guest *guest, uint32_t protocol,
		     const struct sb_address *local, uint16_t family,
		     struct sb_address *at)
{
	const struct config_publish *rule =
		find_publish(guest, protocol, local, family);

	*at = (struct sb_address){ 0 };
	if (!rule)
		return false;
	*at = rule->at;
	at->port = (uint16_t)(at->port + (local->port - rule->port.first));
	return true;
}

int policy_publish(const struct config_guest *guest, uint32_t protocol,
		   const struct sb_address *local, struct sb_address *at)
{
	if (place_of(guest, protocol, local, SB_FAMILY_IPV6, at) ||
	    place_of(guest, protocol, local, SB_FAMILY_IPV4, at))
		return 0;
	return EACCES;
}

int policy_publish_both(const struct config_guest *guest, uint32_t protocol,
			const struct sb_address *local, struct sb_address at[2])
{
	int err = policy_publish(guest, protocol, local, &at[0]);

	at[1] = (struct sb_address){ 0 };
	if (!err && at[0].family == SB_FAMILY_IPV6)
		place_of(guest, protocol, local, SB_FAMILY_IPV4, &at[1]);
	return err;
}

/* Listening on every address is listening on the loopback one */
static void make_reachable(struct sb_address *at)
{
	if (!(address_class(at) & ADDRESS_UNSPECIFIED))
		return;
	if (at->family == SB_FAMILY_IPV4)
		at->bytes[0] = 127;
	at->bytes[at->family == SB_FAMILY_IPV4 ? 3 : 15] = 1;
}

int policy_route(const struct config *config, uint32_t protocol,
		 struct sb_address *remote)
{
	const struct config_guest *callee = policy_callee(config, remote);
	struct sb_address at;

	if (!callee)
		return 0;
	if (protocol == CONFIG_ICMP)
		return EHOSTUNREACH;
	if (policy_publish(callee, protocol, remote, &at))
		return ECONNREFUSED;
	make_reachable(&at);
	*remote = at;
	return 0;
}

uint16_t policy_nth_port(const struct config_guest *guest,
			 const struct sb_address *local, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < guest->publishes; i++) {
		const struct config_publish *rule = &guest->publish[i];
		uint32_t count = rule->port.last - rule->port.first + 1u;

		if (!(rule->protocols & CONFIG_TCP) ||
		    !family_fits(rule, local, rule->at.family))
			continue;
		if (n < count)
			return (uint16_t)(rule->port.first + n);
		n -= count;
	}
	return 0;
}
