// SPDX-License-Identifier: GPL-2.0-only
/*
 * host.c - for whom may a request be?
 *
 * The monitor listens on the loopback without asking who reads. A browser
 * would read for any web page whose name leads here, unless such a name is
 * refused: addresses cannot be faked that way.
 */
#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "services/monitor/server.h"

#define HOST_BYTES 256

/* "NAME", "NAME:PORT", "[ADDRESS]:PORT": what is before the port */
static bool split(const char *host, char *name)
{
	const char *end = *host == '[' ? strchr(host, ']') : strchr(host, ':');
	size_t bytes;

	if (*host == '[' && !end)
		return false;
	host += *host == '[';
	if (!end)
		end = host + strlen(host);
	bytes = (size_t)(end - host);
	if (!bytes || bytes >= HOST_BYTES)
		return false;
	memcpy(name, host, bytes);
	name[bytes] = 0;
	if (*end == ']')
		end++;
	return !*end || (*end == ':' &&
			 strspn(end + 1, "0123456789") == strlen(end + 1));
}

static bool listed(const char *name, const char *hosts)
{
	size_t bytes = strlen(name);

	while (hosts && *hosts) {
		size_t item = strcspn(hosts, ",");

		if (item == bytes && !strncasecmp(hosts, name, bytes))
			return true;
		hosts += item + (hosts[item] == ',');
	}
	return false;
}

bool server_host_allowed(const char *host, const char *hosts)
{
	struct in6_addr address;
	char name[HOST_BYTES];

	if (!host || !split(host, name))
		return false;
	return inet_pton(AF_INET, name, &address) == 1 ||
	       inet_pton(AF_INET6, name, &address) == 1 ||
	       !strcasecmp(name, "localhost") || listed(name, hosts);
}
