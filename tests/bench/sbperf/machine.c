// SPDX-License-Identifier: GPL-2.0-only
/*
 * machine.c - what connections cost the machine of the client beside time
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/sbperf/sbperf.h"

#define EVENTS_TIMES 100
#define EVENTS_BYTES (16ull << 20)

/* What Linux and the module count: since the machine started */
struct events {
	double switches;
	double interrupts;
	double sent;
	double received;
};

/* The number behind @key at the beginning of a line, or 0 */
static double read_counter(const char *path, const char *key)
{
	FILE *file = fopen(path, "r");
	size_t length = strlen(key);
	double value = 0;
	char line[4096];

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, key, length)) {
			value = strtod(line + length, NULL);
			break;
		}
	if (file)
		fclose(file);
	return value;
}

static void read_events(struct events *e)
{
	e->switches = read_counter("/proc/stat", "ctxt ");
	e->interrupts = read_counter("/proc/stat", "intr ");
	e->sent = read_counter("/proc/net/switchboard", "# events_sent ");
	e->received = read_counter("/proc/net/switchboard", "# "
							    "events_received ");
}

static void report_event(const char *of, const char *what, double value)
{
	char name[64];

	snprintf(name, sizeof(name), "%s_%s", of, what);
	report_one(name, "each", value);
}

/* @work, and what it took of each for one of @times */
static void measure_events(const char *of, void (*work)(unsigned int),
			   unsigned int times)
{
	struct events before, after;

	read_events(&before);
	work(times);
	read_events(&after);
	report_event(of, "switches",
		     (after.switches - before.switches) / times);
	report_event(of, "interrupts",
		     (after.interrupts - before.interrupts) / times);
	if (after.sent + after.received == 0)
		return;
	report_event(of, "events_sent", (after.sent - before.sent) / times);
	report_event(of, "events_received",
		     (after.received - before.received) / times);
}

static void rounds_only(unsigned int times)
{
	int fd = connect_server();

	while (times--) {
		ask(fd, REQUEST_ECHO, 0, 1);
		await_answer(fd);
	}
	close(fd);
}

static void stream_only(unsigned int mib)
{
	uint64_t bytes = (uint64_t)mib << 20;
	int fd = connect_server();

	ask(fd, REQUEST_SINK, bytes, READ_BYTES);
	pour(fd, bytes, READ_BYTES);
	await_answer(fd);
	close(fd);
}

void measure_cost(void)
{
	measure_events("round", rounds_only, EVENTS_TIMES);
	measure_events("connection", connect_ask_close, EVENTS_TIMES);
	measure_events("mib", stream_only, EVENTS_BYTES >> 20);
}

void measure_hold(void)
{
	static int fd[65536];
	double before, start;
	char byte;

	allow_descriptors(count);
	before = read_counter("/proc/meminfo", "MemFree:");
	for (unsigned int n = 0; n < count; n++)
		fd[n] = connect_many();
	before -= read_counter("/proc/meminfo", "MemFree:");
	report_one("held_memory", "KiB", before / count);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	start = now_us();
	for (unsigned int n = 0; n < count; n++) {
		ask(fd[n], REQUEST_ECHO, 0, 1);
		await_answer(fd[n]);
	}
	report_one("held_answer", "us", (now_us() - start) / count);
	for (unsigned int n = 0; n < count; n++)
		close(fd[n]);
}
