// SPDX-License-Identifier: GPL-2.0-only
/*
 * listen.c - the monitor's listening socket, made before confinement
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "services/monitor/server.h"

static int parse(const char *text, struct sockaddr_storage *address,
		 socklen_t *bytes)
{
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)address;
	struct sockaddr_in *four = (struct sockaddr_in *)address;
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN + 2] = "";
	unsigned long port;
	char *end;

	if (!colon || (size_t)(colon - text) >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, (size_t)(colon - text));
	port = strtoul(colon + 1, &end, 10);
	if (colon[1] < '0' || colon[1] > '9' || *end || port > 65535)
		return -EINVAL;
	memset(address, 0, sizeof(*address));
	if (inet_pton(AF_INET, host, &four->sin_addr) == 1) {
		four->sin_family = AF_INET;
		four->sin_port = htons((uint16_t)port);
		*bytes = sizeof(*four);
		return 0;
	}
	if (host[0] != '[' || colon[-1] != ']')
		return -EINVAL;
	host[colon - text - 1] = 0;
	six->sin6_family = AF_INET6;
	six->sin6_port = htons((uint16_t)port);
	*bytes = sizeof(*six);
	return inet_pton(AF_INET6, host + 1, &six->sin6_addr) == 1 ? 0
								   : -EINVAL;
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
