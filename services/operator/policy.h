/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * policy.h - may a guest connect there, may it publish that?
 *
 * Nothing is allowed that no rule allows. Some addresses must be named: Dom0's
 * own, loopback, link-local, multicast, unspecified and reserved ones, and
 * those of guests. "any" and networks never mean them; only a rule for that
 * one address does. An IPv4 address inside an IPv6 one is the IPv4 address.
 */
#ifndef OPERATOR_POLICY_H
#define OPERATOR_POLICY_H

#include "services/operator/config.h"
#include "services/operator/host.h"

/**
 * policy_connect() - may @guest connect to @remote, or send datagrams there?
 * @protocol: CONFIG_TCP, CONFIG_UDP or CONFIG_ICMP, for which ports say nothing
 * @remote:   unmapped, see address_unmap(); with the port
 *
 * Return: 0, or an errno for the guest (EACCES).
 */
int policy_connect(const struct config *config,
		   const struct config_guest *guest, const struct host *host,
		   uint32_t protocol, const struct sb_address *remote);

/**
 * policy_route() - where does a connection that is allowed go?
 * @protocol: as above
 * @remote: the address of a guest is replaced by the one of Dom0 at which
 *          that guest publishes the port; any other stays as it is
 *
 * Return: 0, or an errno for the caller: ECONNREFUSED when the guest may not
 * publish that port, EHOSTUNREACH for an echo, which no guest publishes.
 */
int policy_route(const struct config *config, uint32_t protocol,
		 struct sb_address *remote);

/* Which guest has an address, or NULL */
const struct config_guest *policy_callee(const struct config *config,
					 const struct sb_address *remote);

/**
 * policy_publish() - where does what @guest listens on appear?
 * @protocol: CONFIG_TCP or CONFIG_UDP
 * @local: what it has bound: port, family; must not be port 0
 * @at:    address and port of Dom0
 *
 * A socket bound to an IPv4 address needs a rule with one; an IPv6 socket
 * takes an IPv6 rule if there is one and otherwise an IPv4 rule.
 *
 * Return: 0, or an errno for the guest (EACCES).
 */
int policy_publish(const struct config_guest *guest, uint32_t protocol,
		   const struct sb_address *local, struct sb_address *at);

/**
 * policy_publish_both() - the same for a socket that listens on both families
 * @at: an IPv6 place and, when there is a rule for it, an IPv4 one; or only one,
 *      and the second has family none. A single place may be both: `::`
 */
int policy_publish_both(const struct config_guest *guest, uint32_t protocol,
			const struct sb_address *local,
			struct sb_address at[2]);

/*
 * For bind(port 0): the @n-th TCP port that @guest may publish for @local's
 * family. Return: the port, or 0 when there are no more.
 */
uint16_t policy_nth_port(const struct config_guest *guest,
			 const struct sb_address *local, uint32_t n);

#endif
