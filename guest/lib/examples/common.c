// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * common.c - what the examples share: names, sockets, whole records
 */
#include "common.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

_Noreturn void die(const char *format, ...)
{
	int error = errno;
	va_list list;

	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fprintf(stderr, ": %s\n", strerror(error));
	exit(1);
}

static struct switchboard *begin(int fd, bool copy)
{
	return switchboard_attach(fd, copy ? SWITCHBOARD_COPY : 0);
}

/* A numeric address of either family, so that no resolver is needed */
static socklen_t parse(struct sockaddr_storage *a, const char *host,
		       const char *port)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)a;
	struct sockaddr_in *v4 = (struct sockaddr_in *)a;

	memset(a, 0, sizeof(*a));
	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(strtoul(port, NULL, 10));
		return sizeof(*v4);
	}
	errno = EINVAL;
	if (inet_pton(AF_INET6, host, &v6->sin6_addr) != 1)
		die("%s: no address", host);
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(strtoul(port, NULL, 10));
	return sizeof(*v6);
}

struct switchboard *open_connection(const char *host, const char *port,
				    bool copy)
{
	struct sockaddr_storage a;
	socklen_t bytes = parse(&a, host, port);
	int fd = socket(a.ss_family, SOCK_STREAM, 0);
	struct switchboard *s;

	if (fd < 0 || connect(fd, (struct sockaddr *)&a, bytes) != 0)
		die("%s port %s", host, port);
	s = begin(fd, copy);
	if (!s)
		die("cannot attach");
	return s;
}

int open_listener(const char *port)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6 };
	int on = 1, fd = socket(AF_INET6, SOCK_STREAM, 0);

	/* of IPv4 too, as Linux has it by default */
	a.sin6_port = htons(strtoul(port, NULL, 10));
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 ||
	    listen(fd, 64) != 0)
		die("port %s", port);
	return fd;
}

struct switchboard *next_connection(int listener, bool copy)
{
	struct switchboard *s;
	int fd;

	for (;;) {
		fd = accept(listener, NULL, NULL);
		if (fd < 0 && errno != ECONNABORTED && errno != EINTR)
			die("accept");
		s = fd < 0 ? NULL : begin(fd, copy);
		if (s)
			return s;
		/* a client that has gone already is no reason to end */
		if (fd >= 0)
			close(fd);
	}
}

bool take_record(struct switchboard *s, void *to, size_t bytes)
{
	const void *at;

	if (switchboard_peek(s, bytes, &at) < (ssize_t)bytes)
		return false;
	/* the copy is what is believed: @at may be changing */
	memcpy(to, at, bytes);
	return switchboard_release(s, bytes) == 0;
}

bool put_record(struct switchboard *s, const void *from, size_t bytes)
{
	void *at;

	if (switchboard_reserve(s, bytes, &at) < 0)
		return false;
	memcpy(at, from, bytes);
	return switchboard_commit(s, bytes) == 0;
}

/* A table for each of four bytes that are taken at once */
static uint32_t table[4][256];

static void make_tables(void)
{
	uint32_t i, crc;
	int k;

	for (i = 0; i < 256; i++) {
		crc = i;
		for (k = 0; k < 8; k++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
		table[0][i] = crc;
	}
	for (i = 0; i < 256; i++)
		for (k = 1; k < 4; k++)
			table[k][i] = table[k - 1][i] >> 8 ^
				      table[0][table[k - 1][i] & 255];
}

uint32_t check_sum(uint32_t crc, const void *bytes, size_t n)
{
	const uint8_t *at = bytes;
	uint32_t word;

	if (!table[0][1])
		make_tables();
	crc = ~crc;
	for (; n >= 4; n -= 4, at += 4) {
		memcpy(&word, at, 4);
		crc ^= word;
		crc = table[3][crc & 255] ^ table[2][crc >> 8 & 255] ^
		      table[1][crc >> 16 & 255] ^ table[0][crc >> 24];
	}
	while (n-- > 0)
		crc = crc >> 8 ^ table[0][(crc ^ *at++) & 255];
	return ~crc;
}

uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}
