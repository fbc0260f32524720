// SPDX-License-Identifier: GPL-2.0-only
/*
 * listen.c - the monitor's listening socket, made before confinement
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "services/common/address.h"
#include "services/monitor/server.h"

/* "ADDRESS:PORT", an IPv6 address in brackets */
static int parse(const char *text, struct sockaddr_storage *to,
		 socklen_t *bytes)
{
	const char *colon = strrchr(text, ':');
	bool brackets =
		colon && colon > text && *text == '[' && colon[-1] == ']';
	char host[ADDRESS_TEXT_BYTES];
	struct sb_address address;
	unsigned long port;
	char *end;

	if (!colon || colon - text >= (ptrdiff_t)sizeof(host))
		return -EINVAL;
	snprintf(host, sizeof(host), "%.*s", (int)(colon - text) - 2 * brackets,
		 text + brackets);
	port = strtoul(colon + 1, &end, 10);
	if (colon[1] < '0' || colon[1] > '9' || *end || port > UINT16_MAX ||
	    address_parse(&address, host) < 0 ||
	    (address.family == SB_FAMILY_IPV6) != brackets)
		return -EINVAL;
	address.port = (uint16_t)port;
	*bytes = address_to_sockaddr(&address, to);
	return 0;
}

int server_listen(const char *text)
{
	struct sockaddr_storage address;
	int fd, one = 1, error;
	socklen_t bytes = 0;

	error = parse(text, &address, &bytes);
	if (error)
		return error;
	fd = socket(address.ss_family,
		    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (!bind(fd, (struct sockaddr *)&address, bytes) &&
	    !listen(fd, MONITOR_BACKLOG))
		return fd;
	error = -errno;
	close(fd);
	return error;
}
