/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * memory.h - how much memory a service has, and giving back what it needs not
 */
#ifndef SERVICES_COMMON_MEMORY_H
#define SERVICES_COMMON_MEMORY_H

#include <stdint.h>

/**
 * struct memory - what has to be open before confinement
 * @statm: /proc/self/statm
 * @maps:  /proc/self/smaps
 */
struct memory {
	int statm;
	int maps;
};

/* Descriptors that cannot be opened are -1, and then nothing is known */
void memory_open(struct memory *m);

/* Resident memory, 0 when unknown */
uint64_t memory_resident_kib(const struct memory *m);

/*
 * Give back what only the start needed: freed heap, and the libraries' code
 * that is mapped but perhaps never run again. May be called once.
 */
void memory_trim(struct memory *m);

#endif
