/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * native.h - what the parts of sbnative share
 */
#ifndef TESTS_BENCH_NATIVE_NATIVE_H
#define TESTS_BENCH_NATIVE_NATIVE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define ROUNDS_MAX 1000

/* Times that every contestant has its turn */
extern unsigned int rounds;

/**
 * struct pace - one burst between two processes, as fast as it goes
 * @size:  bytes of a message
 * @bytes: in all
 */
struct pace {
	size_t size;
	uint64_t bytes;
};

/* ring.c: Return: MB/s of the burst */
double ring_burst(const struct pace *p);
double memory_burst(const struct pace *p);
double handed_burst(const struct pace *p);
/* sockets.c */
double tcp_burst(const struct pace *p);
double unix_burst(const struct pace *p);

/*
 * pair.c: @produce in this process and @consume in another, each on a
 * processor of its own where there are two. Return: seconds from the moment
 * when both were ready until both had finished.
 */
double pair_run(void (*produce)(void *shared), void (*consume)(void *shared),
		void *shared);

struct guest;
/* proxied.c, datagrams.c: through the proxies; proxied first */
void measure_proxied(struct guest *g, uint16_t port);
void measure_datagrams(struct guest *g, pid_t proxy_udp);

#endif
