// SPDX-License-Identifier: GPL-2.0-only
/*
 * pair.c - two processes that work at the same time, on two processors
 */
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "protocol/atomic.h"
#include "tests/bench/native/native.h"
#include "tests/bench/sbperf/sbperf.h"

/* Shared: who is ready, and when the other process had finished */
struct gate {
	uint32_t ready;
	double end_us;
};

static void stay_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	/* a machine with one processor shows nothing, but it runs */
	sched_setaffinity(0, sizeof(set), &set);
}

static void pass(struct gate *g)
{
	__atomic_fetch_add(&g->ready, 1, __ATOMIC_SEQ_CST);
	while (sb_load(&g->ready) < 2)
		sched_yield();
}

static void consume_apart(struct gate *g, void (*consume)(void *shared),
			  void *shared)
{
	stay_on(1);
	/* its own copy of the pages, before the time counts */
	memset(chunk, 1, sizeof(chunk));
	pass(g);
	consume(shared);
	g->end_us = now_us();
	_exit(0);
}

double pair_run(void (*produce)(void *shared), void (*consume)(void *shared),
		void *shared)
{
	struct gate *g = mmap(NULL, sizeof(*g), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	double start, end;
	pid_t child;
	int status;

	if (g == MAP_FAILED)
		fail("mmap");
	child = fork();
	if (child < 0)
		fail("fork");
	if (child == 0)
		consume_apart(g, consume, shared);
	stay_on(0);
	pass(g);
	start = now_us();
	produce(shared);
	end = now_us();
	if (waitpid(child, &status, 0) != child || status != 0)
		fail("the other process");
	if (g->end_us > end)
		end = g->end_us;
	munmap(g, sizeof(*g));
	return (end - start) / 1e6;
}
