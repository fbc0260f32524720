// SPDX-License-Identifier: GPL-2.0-only
/*
 * spent.c - the time of processes on a processor, by turns
 */
#include <stdio.h>
#include <unistd.h>

#include "tests/bench/native/spent.h"
#include "tests/bench/sbperf/sbperf.h"

struct watched watched;

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

static void read_spent(struct spent *s)
{
	s->client = process_ns(getpid());
	s->server = process_ns(watched.server);
	s->services = process_ns(watched.proxy) + process_ns(watched.broker);
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
		.services = b.services - a.services,
		.wall_us = b.wall_us - a.wall_us,
	};
}

static void report_as(const char *name, const char *suffix, const char *unit,
		      double *sample)
{
	char label[64];

	snprintf(label, sizeof(label), "%s_%s", name, suffix);
	report(label, unit, sample, rounds);
}

void spent_compare(const char *name, void (*without)(void),
		   void (*through)(void), double units)
{
	static double sample[5][ROUNDS_MAX];

	through();
	without();
	for (unsigned int n = 0; n < rounds; n++) {
		struct spent a = measure(without), b = measure(through);
		double kernel = a.client + a.server;
		double dom0 = b.services + b.server;

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
