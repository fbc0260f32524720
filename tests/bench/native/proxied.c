// SPDX-License-Identifier: GPL-2.0-only
/*
 * proxied.c - what proxy and operator add to what the kernel spends
 *
 * The same server gets the same bytes and connections in turns from a plain
 * program and from a test guest through the proxy.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/native/spent.h"
#include "tests/bench/sbperf/sbperf.h"
#include "tests/local/guest_trunk.h"

/* Of one turn */
#define TURN_BYTES (64ull << 20)
#define TURN_CONNECTIONS 100
/* Of a plain write: as much as the proxy sends at once */
#define PLAIN_BYTES 262144u
#define LIMIT_MS 20000
/* As a guest's circuit for bulk transfers */
#define BULK_ORDER 6

static struct guest_line *line;
static struct sb_address to;

/* Of the pool, as in a guest: granted and mapped before */
static struct guest_circuit *dial(unsigned int order)
{
	static struct guest_circuit *pool[SB_ORDER_MAX + 1];
	struct guest_circuit *c = pool[order];

	if (!c)
		c = pool[order] = guest_circuit_new(line, order);
	else if (guest_circuit_recycle(c))
		c = NULL;
	if (!c)
		fail("circuit");
	guest_circuit_call(c, NULL, &to);
	errno = -guest_circuit_wait(c, SB_PEER_OPEN, LIMIT_MS);
	if (errno)
		fail("guest's connect");
	return c;
}

static void send_request(struct guest_circuit *c, enum request_kind kind,
			 uint64_t bytes)
{
	struct request r = { .kind = kind,
			     .bytes = bytes,
			     .chunk = READ_BYTES };

	errno = -guest_circuit_send_all(c, &r, sizeof(r), LIMIT_MS);
	if (errno)
		fail("guest's write");
}

static void receive(struct guest_circuit *c, uint64_t bytes)
{
	while (bytes) {
		size_t piece = bytes < READ_BYTES ? bytes : READ_BYTES;

		errno = -guest_circuit_receive_all(c, chunk, piece, LIMIT_MS);
		if (errno)
			fail("guest's read");
		bytes -= piece;
	}
}

static void hang_up(struct guest_circuit *c)
{
	guest_circuit_close(c);
	guest_circuit_wait(c, SB_PEER_CLOSED, LIMIT_MS);
}

static void guest_out(void)
{
	struct guest_circuit *c = dial(BULK_ORDER);

	send_request(c, REQUEST_SINK, TURN_BYTES);
	for (uint64_t n = 0; n < TURN_BYTES; n += READ_BYTES)
		if (guest_circuit_send_all(c, chunk, READ_BYTES, LIMIT_MS))
			fail("guest's write");
	receive(c, REQUEST_BYTES);
	hang_up(c);
}

static void guest_in(void)
{
	struct guest_circuit *c = dial(BULK_ORDER);

	send_request(c, REQUEST_SOURCE, TURN_BYTES);
	receive(c, TURN_BYTES);
	hang_up(c);
}

static void guest_connections(void)
{
	for (int n = 0; n < TURN_CONNECTIONS; n++) {
		struct guest_circuit *c = dial(SB_ORDER_DEFAULT);

		send_request(c, REQUEST_ECHO, 0);
		receive(c, REQUEST_BYTES);
		hang_up(c);
	}
}

static void plain(enum request_kind kind)
{
	int fd = connect_server();

	ask(fd, kind, TURN_BYTES, READ_BYTES);
	if (kind == REQUEST_SINK ? !pour(fd, TURN_BYTES, PLAIN_BYTES)
				 : !drain(fd, TURN_BYTES))
		fail("stream");
	if (kind == REQUEST_SINK)
		await_answer(fd);
	close(fd);
}

static void plain_out(void)
{
	plain(REQUEST_SINK);
}

static void plain_in(void)
{
	plain(REQUEST_SOURCE);
}

static void plain_connections(void)
{
	connect_ask_close(TURN_CONNECTIONS);
}

void measure_proxied(struct guest *g, uint16_t port)
{
	memset(chunk, 1, sizeof(chunk));
	server.sin_family = AF_INET;
	server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server.sin_port = htons(port);
	to = (struct sb_address){ .family = SB_FAMILY_IPV4,
				  .port = port,
				  .bytes = { 127, 0, 0, 1 } };
	line = guest_start_line(g, LIMIT_MS);
	if (!line)
		fail("guest's line");
	spent_compare("bytes_out", plain_out, guest_out, TURN_BYTES / 1024.0);
	spent_compare("bytes_in", plain_in, guest_in, TURN_BYTES / 1024.0);
	spent_compare("connections", plain_connections, guest_connections,
		      TURN_CONNECTIONS);
}
