/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * neighbours.h - two guests on one stage: one breaks the rules, the other is
 * served all the same
 */
#ifndef TESTS_LOCAL_NEIGHBOURS_H
#define TESTS_LOCAL_NEIGHBOURS_H

#include "tests/local/stage.h"

/**
 * struct neighbours - a stage with proxy-tcp and the lines of two guests
 * @stage:  of both
 * @honest: keeps the rules
 * @liar:   need not
 */
struct neighbours {
	struct stage stage;
	struct guest_line *honest;
	struct guest_line *liar;
};

void neighbours_open(struct neighbours *n);
/* The honest guest is served, both ways; fails the running test otherwise */
void neighbours_prove_service(struct neighbours *n);
/* Proves that once more, then ends everything */
void neighbours_close(struct neighbours *n);

#endif
