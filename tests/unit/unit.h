/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * unit.h - main() of a test program: one suite, run, count the failures
 *
 * Tests wait for conditions, never for times: a machine that has other things
 * to do may need seconds for anything that another process or thread does. A
 * pause is allowed only where nothing is to happen, and then a slow machine
 * makes the test weaker, never wrong.
 */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

#include <check.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

/* How long a condition may take; a run that passes never waits that long */
#define UNIT_PATIENCE_MS 30000

static inline uint64_t unit_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Wait for what somebody else does; the test fails when it does not happen */
#define unit_until(condition)                                                \
	do {                                                                 \
		uint64_t unit_end_ms = unit_now_ms() + UNIT_PATIENCE_MS;     \
                                                                             \
		while (!(condition)) {                                       \
			ck_assert_msg(unit_now_ms() < unit_end_ms,           \
				      "it does not happen: %s", #condition); \
			usleep(1000);                                        \
		}                                                            \
	} while (0)

/* Run every test of @suite. Return: what main() returns */
static inline int unit_run(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}

#endif
