/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * unit.h - main() of a test program: one suite, run, count the failures
 */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

#include <check.h>

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
