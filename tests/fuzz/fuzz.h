/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fuzz.h - what a harness is: one function that takes any bytes at all
 *
 * The same file is built twice: with libFuzzer, which looks for new paths
 * (make fuzz), and with replay.c, which runs the kept inputs and seeded
 * mutations of them for a few seconds among the unit tests.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t bytes);

/* What must hold whatever the input was */
#define FUZZ_ASSERT(condition)                                             \
	do {                                                               \
		if (!(condition)) {                                        \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, \
				#condition);                               \
			abort();                                           \
		}                                                          \
	} while (0)

#endif
