// SPDX-License-Identifier: GPL-2.0-only
/*
 * proxied.c - what proxy and operator add to what the kernel spends
 *
 * The same server gets the same bytes and connections in turns from a plain
 * program and from a test guest through the proxy. What counts is the time on
 * a processor, which does not depend on what else the machine does as much as
 * time does: of the plain sender and the server, which is what the kernel
 * spends on the bytes, against that of the proxy and the server. The guest's
 * own is not in it: it is not Dom0's.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/bench/native/native.h"
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

/* Who is watched */
static struct {
	struct guest_line *line;
	struct sb_address to;
	pid_t proxy;
	pid_t broker;
	pid_t server;
} stage;

/* Nanoseconds that a process has been on a processor */
static double process_ns(pid_t process)
{
	char path[64];
	double ns = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", process);
	file = fopen(path, "re");
	if (!file || fscanf(file, "%lf", &ns) != 1)
		fail(path);
	fclose(file);
	return ns;
}

/**
 * struct spent - nanoseconds on a processor
 * @client:   this process: plain program, or guest
 * @server:   of either
 * @proxy:    and @broker (the operator), when they had a part in it
 * @wall_us:  what a clock says
 */
struct spent {
	double client;
	double server;
	double proxy;
	double broker;
	double wall_us;
};

static void read_spent(struct spent *s)
{
	s->client = process_ns(getpid());
	s->server = process_ns(stage.server);
	s->proxy = process_ns(stage.proxy);
	s->broker = process_ns(stage.broker);
	s->wall_us = now_us();
}

static struct spent measure(void (*work)(void))
{
	struct spent a, b;

	read_spent(&a);
	work();
	read_spent(&b);
	return (struct spent){
		.client = b.client - a.client,
		.server = b.server - a.server,
		.proxy = b.proxy - a.proxy,
		.broker = b.broker - a.broker,
		.wall_us = b.wall_us - a.wall_us,
	};
}

/* Of the pool, as in a guest: granted and mapped before */
static struct guest_circuit *dial(unsigned int order)
{
	static struct guest_circuit *pool[SB_ORDER_MAX + 1];
	struct guest_circuit *c = pool[order];

	if (!c)
		c = pool[order] = guest_circuit_new(stage.line, order);
	else if (guest_circuit_recycle(c))
		c = NULL;
	if (!c)
		fail("circuit");
	guest_circuit_offer(c);
	guest_request_open(c, NULL, &stage.to);
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

static void report_as(const char *name, const char *suffix, const char *unit,
		      double *sample)
{
	char label[64];

	snprintf(label, sizeof(label), "%s_%s", name, suffix);
	report(label, unit, sample, rounds);
}

/* @through the proxy against @without, by turns; figures for one of @units */
static void compare(const char *name, void (*without)(void),
		    void (*through)(void), double units)
{
	static double sample[5][ROUNDS_MAX];

	through();
	without();
	for (unsigned int n = 0; n < rounds; n++) {
		struct spent a = measure(without), b = measure(through);
		double kernel = a.client + a.server;
		double dom0 = b.proxy + b.broker + b.server;

		sample[0][n] = kernel / units;
		sample[1][n] = dom0 / units;
		sample[2][n] = dom0 / kernel;
		sample[3][n] = units * 1e6 / a.wall_us;
		sample[4][n] = units * 1e6 / b.wall_us;
	}
	report_as(name, "kernel", "ns", sample[0]);
	report_as(name, "proxied", "ns", sample[1]);
	report_as(name, "ratio", "ratio", sample[2]);
	report_as(name, "plain_rate", "1/s", sample[3]);
	report_as(name, "rate", "1/s", sample[4]);
}

void measure_proxied(const char *directory, uint16_t port, pid_t proxy,
		     pid_t broker, pid_t server_process)
{
	struct guest_options o = {
		.name = "alpha",
		.identity = "01234567-89ab-cdef-0123-456789abcdef",
	};
	struct guest *g = guest_new(directory, &o);

	memset(chunk, 1, sizeof(chunk));
	server.sin_family = AF_INET;
	server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server.sin_port = htons(port);
	stage.to = (struct sb_address){ .family = SB_FAMILY_IPV4,
					.port = port,
					.bytes = { 127, 0, 0, 1 } };
	stage.proxy = proxy;
	stage.broker = broker;
	stage.server = server_process;
	stage.line = g ? guest_start_line(g, LIMIT_MS) : NULL;
	if (!stage.line)
		fail("guest");
	compare("bytes_out", plain_out, guest_out, TURN_BYTES / 1024.0);
	compare("bytes_in", plain_in, guest_in, TURN_BYTES / 1024.0);
	compare("connections", plain_connections, guest_connections,
		TURN_CONNECTIONS);
	guest_free(g);
}
