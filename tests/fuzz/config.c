/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * config - the administrator's file, with any mistake that a person can make
 *
 * A file is refused with an error that names it and says what is wrong, or
 * accepted whole; then every value must be within what limits.h allows.
 */
#include <string.h>

#include "services/operator/config.h"
#include "tests/fuzz/fuzz.h"

#define PATH "switchboard.json"

static void check_address(const struct sb_address *a)
{
	FUZZ_ASSERT(address_valid(a));
	FUZZ_ASSERT(a->family != SB_FAMILY_NONE);
}

static void check_ports(const struct config_ports *p)
{
	FUZZ_ASSERT(p->first >= 1 && p->first <= p->last);
}

static void check_guest(const struct config *c, const struct config_guest *g)
{
	bool known = false;

	FUZZ_ASSERT(g->name[0] && strlen(g->name) < sizeof(g->name));
	FUZZ_ASSERT(g->addresses <= LIMIT_GUEST_ADDRESSES);
	FUZZ_ASSERT(g->connects <= LIMIT_RULES && g->publishes <= LIMIT_RULES);
	FUZZ_ASSERT(g->limits.circuits <= SB_ENTRIES_MAX);
	FUZZ_ASSERT(g->limits.listeners <= LIMIT_LISTENERS_MAX);
	for (uint32_t n = 0; n < c->proxies; n++)
		known |= !strcmp(g->proxy, c->proxy[n]);
	FUZZ_ASSERT(known);
	for (uint32_t n = 0; n < g->addresses; n++) {
		check_address(&g->address[n].address);
		FUZZ_ASSERT(g->address[n].bits <= 128);
	}
	for (uint32_t n = 0; n < g->connects; n++) {
		FUZZ_ASSERT(g->connect[n].ports <= LIMIT_RULE_PORTS);
		for (uint32_t k = 0; k < g->connect[n].ports; k++)
			check_ports(&g->connect[n].port[k]);
		if (!g->connect[n].any)
			check_address(&g->connect[n].to.address);
	}
	for (uint32_t n = 0; n < g->publishes; n++) {
		const struct config_publish *p = &g->publish[n];

		check_ports(&p->port);
		check_address(&p->at);
		FUZZ_ASSERT(p->at.port >= 1);
		FUZZ_ASSERT(p->at.port + (p->port.last - p->port.first) <=
			    UINT16_MAX);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t bytes)
{
	char error[CONFIG_ERROR_BYTES] = "";
	struct config *c =
		config_parse(PATH, (const char *)input, bytes, error);

	if (!c) {
		FUZZ_ASSERT(strnlen(error, sizeof(error)) < sizeof(error));
		FUZZ_ASSERT(!strncmp(error, PATH ":", strlen(PATH ":")));
		return 0;
	}
	FUZZ_ASSERT(c->guests <= LIMIT_GUESTS && c->proxies <= LIMIT_PROXIES);
	FUZZ_ASSERT(c->name_servers <= LIMIT_NAME_SERVERS);
	for (uint32_t n = 0; n < c->guests; n++)
		check_guest(c, &c->guest[n]);
	config_free(c);
	return 0;
}
