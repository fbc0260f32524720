/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * spent.h - what a path costs: time on a processor, with a proxy and without
 *
 * What counts is the time on a processor, which does not depend on what else
 * the machine does as much as time does.
 */
#ifndef TESTS_BENCH_NATIVE_SPENT_H
#define TESTS_BENCH_NATIVE_SPENT_H

#include "tests/bench/native/native.h"

/* The processes: services on the path, and who is at its other end */
extern struct watched {
	pid_t proxy;
	pid_t broker;
	pid_t server;
} watched;

/**
 * struct spent - nanoseconds on a processor
 * @client:   this process: plain program, or guest
 * @server:   of either
 * @services: proxy and operator
 * @wall_us:  what a clock says
 */
struct spent {
	double client;
	double server;
	double services;
	double wall_us;
};

/*
 * @through the proxy against @without, by turns, each of which does @units:
 * plain client and server against services and server. The guest's own time is
 * not in it: it is not Dom0's.
 */
void spent_compare(const char *name, void (*without)(void),
		   void (*through)(void), double units);

#endif
