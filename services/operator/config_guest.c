/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * config_guest.c - one guest of the configuration
 */
#include <stdlib.h>
#include <string.h>

#include "ipc/table.h"
#include "services/operator/config_reader.h"

bool config_read_limits(struct config_reader *r, const struct config_value *v,
			struct config_limits *limits)
{
	static const char *const known[] = { "circuits", "listeners",
					     "requests_per_s", "request_burst",
					     NULL };
	const struct {
		uint32_t *to;
		uint32_t min;
		uint32_t max;
	} field[] = {
		{ &limits->circuits, 0, SB_ENTRIES_MAX },
		{ &limits->listeners, 0, LIMIT_LISTENERS_MAX },
		{ &limits->requests_per_s, 1, LIMIT_REQUESTS_PER_S_MAX },
		{ &limits->request_burst, 1, LIMIT_REQUEST_BURST_MAX },
	};
	struct config_value list, value;
	unsigned int i;

	if (!config_get(v, "limits", &list))
		return true;
	if (!config_check_keys(r, &list, known))
		return false;
	for (i = 0; known[i]; i++) {
		if (config_get(&list, known[i], &value) &&
		    !config_number(r, &value, field[i].min, field[i].max,
				   field[i].to))
			return false;
	}
	return true;
}

/* "10.0.0.2/24": an address of a guest and the length of its network */
static bool read_address(struct config_reader *r, const struct config_value *v,
			 struct config_address *to)
{
	const char *text = config_text(r, v), *slash;
	char address[ADDRESS_TEXT_BYTES] = "";
	unsigned int max;
	char *end;
	long bits;

	if (!text)
		return false;
	slash = strchr(text, '/');
	if (slash && (size_t)(slash - text) < sizeof(address))
		memcpy(address, text, (size_t)(slash - text));
	if (!slash && strlen(text) < sizeof(address))
		memcpy(address, text, strlen(text) + 1);
	if (address_parse(&to->address, address) < 0 || to->address.scope)
		return config_fail(r, &v->place,
				   "expected an address like 10.0.0.2/24");
	if (address_class(&to->address))
		return config_fail(r, &v->place,
				   "no address that a guest can have");
	max = to->address.family == SB_FAMILY_IPV4 ? 32 : 128;
	bits = slash ? strtol(slash + 1, &end, 10) : (long)max;
	if (slash && (slash[1] < '0' || slash[1] > '9' || *end || bits < 1 ||
		      bits > (long)max))
		return config_fail(r, &v->place,
				   "the length behind / is not 1 to %u", max);
	to->bits = (uint8_t)bits;
	return true;
}

static bool read_addresses(struct config_reader *r,
			   const struct config_value *guest,
			   struct config_guest *g)
{
	struct config_value list, value;
	size_t i, count;

	if (!config_need(r, guest, "addresses", &list))
		return false;
	count = config_list(r, &list, LIMIT_GUEST_ADDRESSES);
	for (i = 0; i < count; i++) {
		value = config_element(&list, i);
		if (!read_address(r, &value, &g->address[i]))
			return false;
	}
	g->addresses = (uint32_t)count;
	if (!count)
		return config_fail(r, &list.place,
				   "a guest needs at least one address");
	return true;
}

/* "protocol": one of those that @all has; without it, all of them */
static bool read_protocol(struct config_reader *r,
			  const struct config_value *rule, uint32_t all,
			  uint32_t *protocols)
{
	static const struct {
		const char *name;
		uint32_t protocol;
	} known[] = { { "tcp", CONFIG_TCP },
		      { "udp", CONFIG_UDP },
		      { "icmp", CONFIG_ICMP } };
	struct config_value value;
	const char *text;
	size_t i;

	*protocols = all;
	if (!config_get(rule, "protocol", &value))
		return true;
	text = config_text(r, &value);
	for (i = 0; text && i < sizeof(known) / sizeof(known[0]); i++) {
		if (all & known[i].protocol && strcmp(text, known[i].name) == 0)
			*protocols = known[i].protocol;
	}
	if (*protocols != all || !text)
		return text;
	return config_fail(r, &value.place, "expected \"tcp\"%s \"udp\"%s",
			   all & CONFIG_ICMP ? "," : " or",
			   all & CONFIG_ICMP ? " or \"icmp\"" : "");
}

static bool read_connect_ports(struct config_reader *r,
			       const struct config_value *rule,
			       struct config_connect *to)
{
	struct config_value ports, value;
	size_t i, count;

	/* an echo has no port */
	if (to->protocols == CONFIG_ICMP && !config_get(rule, "ports", &ports))
		return true;
	if (!config_need(r, rule, "ports", &ports))
		return false;
	if (!json_is_array(ports.json)) {
		to->ports = 1;
		return config_ports(r, &ports, &to->port[0]);
	}
	count = config_list(r, &ports, LIMIT_RULE_PORTS);
	for (i = 0; i < count; i++) {
		value = config_element(&ports, i);
		if (!config_ports(r, &value, &to->port[i]))
			return false;
	}
	to->ports = (uint32_t)count;
	return count || config_fail(r, &ports.place, "the list is empty");
}

static bool read_connect(struct config_reader *r,
			 const struct config_value *rule,
			 struct config_connect *to)
{
	static const char *const known[] = { "to", "ports", "protocol", NULL };
	struct config_value value;
	const char *text;

	if (!config_check_keys(r, rule, known) ||
	    !read_protocol(r, rule, CONFIG_PROTOCOLS, &to->protocols) ||
	    !config_need(r, rule, "to", &value))
		return false;
	text = config_text(r, &value);
	if (!text)
		return false;
	to->any = strcmp(text, "any") == 0;
	if (!to->any && address_prefix_parse(&to->to, text) < 0)
		return config_fail(r, &value.place,
				   "expected \"any\", an address, or a "
				   "network like 192.0.2.0/24");
	if (!to->any && address_class(&to->to.address) & ADDRESS_MAPPED)
		return config_fail(r, &value.place,
				   "write the IPv4 address itself");
	return read_connect_ports(r, rule, to);
}

static bool read_publish(struct config_reader *r,
			 const struct config_value *rule,
			 struct config_publish *to)
{
	static const char *const known[] = { "ports", "address", "port",
					     "protocol", NULL };
	struct config_value value;
	uint32_t port;

	if (!config_check_keys(r, rule, known) ||
	    !read_protocol(r, rule, CONFIG_TCP | CONFIG_UDP, &to->protocols) ||
	    !config_need(r, rule, "ports", &value) ||
	    !config_ports(r, &value, &to->port) ||
	    !config_need(r, rule, "address", &value) ||
	    !config_address(r, &value, &to->at))
		return false;
	if (address_class(&to->at) & (ADDRESS_MULTICAST | ADDRESS_BROADCAST |
				      ADDRESS_MAPPED | ADDRESS_RESERVED))
		return config_fail(r, &value.place,
				   "nothing can listen at that address");
	port = to->port.first;
	if (config_get(rule, "port", &value) &&
	    !config_number(r, &value, 1, UINT16_MAX, &port))
		return false;
	if (port + (to->port.last - to->port.first) > UINT16_MAX)
		return config_fail(r, &rule->place, "the ports end behind %u",
				   UINT16_MAX);
	to->at.port = (uint16_t)port;
	return true;
}

static bool read_connects(struct config_reader *r,
			  const struct config_value *guest,
			  struct config_guest *g)
{
	struct config_value list, value;
	size_t count;

	if (!config_get(guest, "connect", &list))
		return true;
	count = config_list(r, &list, LIMIT_RULES);
	g->connect = calloc(count + 1, sizeof(*g->connect));
	if (!g->connect)
		return config_fail(r, &list.place, "out of memory");
	for (; g->connects < count; g->connects++) {
		value = config_element(&list, g->connects);
		if (!read_connect(r, &value, &g->connect[g->connects]))
			return false;
	}
	return !r->failed;
}

static bool read_publishes(struct config_reader *r,
			   const struct config_value *guest,
			   struct config_guest *g)
{
	struct config_value list, value;
	size_t count;

	if (!config_get(guest, "publish", &list))
		return true;
	count = config_list(r, &list, LIMIT_RULES);
	g->publish = calloc(count + 1, sizeof(*g->publish));
	if (!g->publish)
		return config_fail(r, &list.place, "out of memory");
	for (; g->publishes < count; g->publishes++) {
		value = config_element(&list, g->publishes);
		if (!read_publish(r, &value, &g->publish[g->publishes]))
			return false;
	}
	return !r->failed;
}

static bool is_instance(const char (*instance)[IPC_NAME_BYTES],
			uint32_t instances, const char *name)
{
	uint32_t i;

	for (i = 0; i < instances; i++) {
		if (strcmp(instance[i], name) == 0)
			return true;
	}
	return false;
}

/* The first of the instances unless @key says another */
static bool read_instance(struct config_reader *r, const struct config_value *v,
			  const char *key,
			  const char (*instance)[IPC_NAME_BYTES],
			  uint32_t instances, char *to)
{
	struct config_value value;

	if (instances)
		memcpy(to, instance[0], IPC_NAME_BYTES);
	if (!config_get(v, key, &value))
		return true;
	if (!config_name(r, &value, config_text(r, &value), to))
		return false;
	return is_instance(instance, instances, to) ||
	       config_fail(r, &value.place, "\"%s\" is not in \"%s\"", to,
			   strcmp(key, "proxy") ? "udp_proxies" : "proxies");
}

static bool read_proxy(struct config_reader *r, const struct config_value *v,
		       const struct config *c, struct config_guest *g)
{
	return read_instance(r, v, "proxy", c->proxy, c->proxies, g->proxy) &&
	       read_instance(r, v, "udp_proxy", c->udp_proxy, c->udp_proxies,
			     g->udp_proxy);
}

static bool read_identity(struct config_reader *r, const struct config_value *v,
			  struct config_guest *g)
{
	struct config_value value;
	const char *text;

	if (!config_get(v, "identity", &value))
		return true;
	text = config_text(r, &value);
	if (!text)
		return false;
	if (!ipc_identity_valid(text))
		return config_fail(r, &value.place, "expected a UUID");
	memcpy(g->identity, text, sizeof(g->identity));
	return true;
}

static bool read_direct(struct config_reader *r, const struct config_value *v,
			struct config_guest *g)
{
	struct config_value value;

	g->direct = true;
	return !config_get(v, "direct", &value) ||
	       config_flag(r, &value, &g->direct);
}

bool config_read_guest(struct config_reader *r, const struct config_value *v,
		       const struct config *c, struct config_guest *g)
{
	static const char *const known[] = {
		"identity",  "addresses", "connect", "publish", "proxy",
		"udp_proxy", "direct",	  "limits",  NULL
	};

	g->limits = c->limits;
	return config_name(r, v, v->place.key, g->name) &&
	       config_check_keys(r, v, known) && read_identity(r, v, g) &&
	       read_addresses(r, v, g) && read_connects(r, v, g) &&
	       read_publishes(r, v, g) && read_proxy(r, v, c, g) &&
	       read_direct(r, v, g) && config_read_limits(r, v, &g->limits);
}
