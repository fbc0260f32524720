// SPDX-License-Identifier: GPL-2.0-only
/*
 * sbperf - what a path costs, measured by a program that only knows sockets
 *
 *   sbperf serve PORT
 *   sbperf client ADDRESS PORT [--mib N] [--repeat N] [--count N] TEST...
 *
 * A connection begins with a request of 64 bytes (struct request); a server
 * also has the TCP port after PORT, and UDP port PORT. The tests:
 *   out64k in64k out1448 in1448   goodput, from and to the client, in writes
 *                     of that size; until the server has said that it has all
 *   sizes             the same, out, in writes of 64 bytes to 1 MiB
 *   touched           the same, 64 KiB, every byte made and looked at
 *   zero zero-touched the same without and with looking at the bytes, by
 *                     libswitchboard, where it maps the circuit
 *   rounds            connect, and the answers to 1 to 4 requests of 64
 *                     bytes on the new connection, since before socket()
 *   rate              connect, one request, one answer, close, one after
 *                     the other
 *   cost              requests, such connections, MiB: not their time, but
 *                     the switches, interrupts and events of the client's
 *                     machine
 *   udp-rounds        as rounds, with datagrams of 64 bytes
 *   udp-out udp-in    goodput of 1400-byte datagrams, as fast as they go, and
 *                     how many were lost, by the receiver's socket and in all
 *   many              --count busy connections at once
 *   hold              --count idle connections: memory of the client's machine
 *                     for each; they stay until standard input ends, and are
 *                     then asked, each once
 *   profile-connect, -round, -out, -in, -touched, -zero, -zero-touched,
 *   -datagram         100 of these, or 16 MiB, between marks that
 *                     profile/plugin.c sees
 *
 * One line for each figure: name, unit, median, minimum, maximum, samples.
 * Same program, same machine code, on every path.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "tests/bench/sbperf/sbperf.h"

#define COUNT_MAX 12000
#define MIB_MAX 4096

struct test {
	const char *name;
	void (*measure)(void);
};

static const struct test test[] = {
	{ "out64k", measure_out64k },
	{ "in64k", measure_in64k },
	{ "out1448", measure_out1448 },
	{ "in1448", measure_in1448 },
	{ "sizes", measure_sizes },
	{ "touched", measure_touched },
	{ "zero", measure_zero },
	{ "zero-touched", measure_zero_touched },
	{ "rounds", measure_rounds },
	{ "rate", measure_rate },
	{ "cost", measure_cost },
	{ "udp-rounds", measure_datagram_rounds },
	{ "udp-out", measure_datagrams_out },
	{ "udp-in", measure_datagrams_in },
	{ "many", measure_many },
	{ "hold", measure_hold },
};

static void run_test(const char *name)
{
	if (!strncmp(name, "profile-", 8)) {
		profile(name + 8);
		return;
	}
	for (size_t n = 0; n < sizeof(test) / sizeof(test[0]); n++)
		if (!strcmp(name, test[n].name)) {
			test[n].measure();
			return;
		}
	fprintf(stderr, "sbperf: no test '%s'\n", name);
	exit(2);
}

static unsigned long number(const char *text, unsigned long max)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*end || end == text || n < 1 || n > max) {
		fprintf(stderr, "sbperf: '%s' is not 1 to %lu\n", text, max);
		exit(2);
	}
	return n;
}

static void set_option(const char *option, const char *value)
{
	if (!strcmp(option, "--mib"))
		stream_bytes = (uint64_t)number(value, MIB_MAX) << 20;
	else if (!strcmp(option, "--repeat"))
		repeat = number(value, SAMPLES_MAX);
	else if (!strcmp(option, "--count"))
		count = number(value, COUNT_MAX);
	else {
		fprintf(stderr, "sbperf: no option '%s'\n", option);
		exit(2);
	}
}

static int run_client(int argc, char **argv)
{
	int n = 2;

	if (inet_pton(AF_INET, argv[0], &server.sin_addr) != 1) {
		fprintf(stderr, "sbperf: '%s' is no address\n", argv[0]);
		return 2;
	}
	server.sin_family = AF_INET;
	server.sin_port = htons(number(argv[1], 65534));
	for (; n + 1 < argc && argv[n][0] == '-'; n += 2)
		set_option(argv[n], argv[n + 1]);
	for (; n < argc; n++)
		run_test(argv[n]);
	return 0;
}

/* A process of its own, that ends with this one */
static void start(void (*work)(uint16_t port), uint16_t port)
{
	pid_t child = fork();

	if (child < 0)
		fail("fork");
	if (child > 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	work(port);
}

_Noreturn static void serve(uint16_t port)
{
	start(serve_many, port + 1);
	start(serve_datagrams, port);
	serve_listener(listen_at(port));
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc == 3 && !strcmp(argv[1], "serve"))
		serve(number(argv[2], 65534));
	if (argc >= 5 && !strcmp(argv[1], "client"))
		return run_client(argc - 2, argv + 2);
	fprintf(stderr, "usage: sbperf serve PORT\n"
			"       sbperf client ADDRESS PORT [--mib N] "
			"[--repeat N] [--count N] TEST...\n");
	return 2;
}
