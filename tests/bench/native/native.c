// SPDX-License-Identifier: GPL-2.0-only
/*
 * sbnative - what rings and proxies cost on this machine, without any Xen
 *
 *   sbnative [--rounds N] memory
 *   sbnative [--rounds N] proxied DIR PORT OPERATOR SERVER PROXY-TCP PROXY-UDP
 *
 * memory:  messages of 64 bytes to 1 MiB from one process to another, through
 *          a ring, through memory without any protocol, memory with the least
 *          possible, TCP on the loopback and UNIX sockets. All take turns, so that whatever else the
 *          machine does meets each of them; a ratio is of bursts that were
 *          neighbours, its median is reported.
 * proxied: a test guest on the local hypervisor in DIR, whose operator and
 *          proxies have those process numbers, talks to `sbperf serve PORT`,
 *          process SERVER, and a plain program does the same without them.
 *
 * One line for each figure, as sbperf prints them.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "tests/bench/native/spent.h"
#include "tests/bench/sbperf/sbperf.h"
#include "tests/local/guest.h"

/*
 * One burst: long against a wake-up, short against a scheduler's turn. The
 * kernel is slower, and gets less.
 */
#define BURST_BYTES (512ull << 20)
#define BURST_MESSAGES 1000000u
#define KERNEL_SHARE 8

unsigned int rounds = 31;

static const struct {
	const char *name;
	double (*burst)(const struct pace *p);
	uint64_t share;
} contestant[] = {
	{ "memory", memory_burst, 1 },
	{ "ring", ring_burst, 1 },
	{ "handed", handed_burst, 1 },
	{ "tcp", tcp_burst, KERNEL_SHARE },
	{ "unix", unix_burst, KERNEL_SHARE },
};

#define CONTESTANTS (sizeof(contestant) / sizeof(contestant[0]))

static double run_burst(size_t c, size_t size)
{
	uint64_t messages = BURST_BYTES / size;
	struct pace p = { .size = size };

	if (messages > BURST_MESSAGES)
		messages = BURST_MESSAGES;
	p.bytes = messages / contestant[c].share * size;
	return contestant[c].burst(&p);
}

static void measure_size(size_t size)
{
	static double rate[CONTESTANTS][ROUNDS_MAX];
	static double ratio[2][ROUNDS_MAX];
	char name[64];

	for (unsigned int n = 0; n < rounds; n++) {
		for (size_t c = 0; c < CONTESTANTS; c++)
			rate[c][n] = run_burst(c, size);
		ratio[0][n] = rate[1][n] / rate[0][n];
		ratio[1][n] = rate[1][n] / rate[2][n];
	}
	for (size_t c = 0; c < CONTESTANTS; c++) {
		snprintf(name, sizeof(name), "%s%zu", contestant[c].name, size);
		report(name, "MB/s", rate[c], rounds);
	}
	snprintf(name, sizeof(name), "ratio%zu", size);
	report(name, "ratio", ratio[0], rounds);
	snprintf(name, sizeof(name), "handed_ratio%zu", size);
	report(name, "ratio", ratio[1], rounds);
}

static void measure_memory(void)
{
	memset(chunk, 1, sizeof(chunk));
	for (size_t size = 64; size <= CHUNK_BYTES; size *= 4)
		measure_size(size);
}

/* @word: as in the usage */
static void measure_services(char **word)
{
	struct guest_options o = {
		.name = "alpha",
		.identity = "01234567-89ab-cdef-0123-456789abcdef",
	};
	struct guest *g = guest_new(word[0], &o);

	if (!g)
		fail("guest");
	watched.broker = atoi(word[2]);
	watched.server = atoi(word[3]);
	watched.proxy = atoi(word[4]);
	measure_proxied(g, atoi(word[1]));
	measure_datagrams(g, atoi(word[5]));
	guest_free(g);
}

static int usage(void)
{
	fprintf(stderr, "usage: sbnative [--rounds N] memory\n"
			"       sbnative [--rounds N] proxied DIR PORT "
			"OPERATOR SERVER PROXY-TCP PROXY-UDP\n");
	return 2;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	/* other work on this machine disturbs less; only root may */
	setpriority(PRIO_PROCESS, 0, -20);
	if (argc > 2 && !strcmp(argv[1], "--rounds")) {
		rounds = strtoul(argv[2], NULL, 10);
		argv += 2;
		argc -= 2;
	}
	if (rounds < 1 || rounds > ROUNDS_MAX)
		return usage();
	if (argc == 2 && !strcmp(argv[1], "memory"))
		measure_memory();
	else if (argc == 8 && !strcmp(argv[1], "proxied"))
		measure_services(argv + 2);
	else
		return usage();
	return 0;
}
