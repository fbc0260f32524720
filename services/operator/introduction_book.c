// SPDX-License-Identifier: GPL-2.0-only
/*
 * introduction_book.c - which guests have been introduced
 *
 * A guest has few lines, so the list is short; it is looked through when a
 * line or a route is made, never for a connection.
 */
#include <stdlib.h>

#include "services/operator/introductions.h"

struct introduction *introduction_find(const struct operator_service *o,
				       const struct guest *caller,
				       const struct guest *callee)
{
	struct introduction *i;

	for (i = o->introductions; i; i = i->next) {
		if (i->caller == caller && i->callee == callee)
			return i;
	}
	return NULL;
}

struct introduction *introduction_by_caller(const struct guest *g,
					    uint32_t line)
{
	struct introduction *i;

	for (i = g->op->introductions; i; i = i->next) {
		if (i->caller == g && i->caller_line == line)
			return i;
	}
	return NULL;
}

struct introduction *introduction_by_callee(const struct guest *g,
					    uint32_t line)
{
	struct introduction *i;

	for (i = g->op->introductions; i; i = i->next) {
		if (i->callee == g && i->callee_line == line)
			return i;
	}
	return NULL;
}

struct introduction *introduction_by_line(const struct operator_service *o,
					  uint32_t caller_domain, uint32_t gref,
					  uint32_t port)
{
	struct introduction *i;

	for (i = o->introductions; i; i = i->next) {
		if (i->caller_domain == caller_domain && i->gref == gref &&
		    i->port == port)
			return i;
	}
	return NULL;
}

struct introduction *introduction_add(struct operator_service *o,
				      struct guest *caller,
				      struct guest *callee)
{
	struct introduction *i;

	if (o->introduction_count == LIMIT_INTRODUCTIONS)
		return NULL;
	i = calloc(1, sizeof(*i));
	if (!i)
		return NULL;
	i->caller = caller;
	i->callee = callee;
	i->caller_domain = caller ? caller->domain : 0;
	i->callee_domain = callee ? callee->domain : 0;
	i->since_ms = loop_now(&o->service.loop);
	i->next = o->introductions;
	o->introductions = i;
	o->introduction_count++;
	return i;
}

void introduction_release(struct operator_service *o, struct introduction *i)
{
	struct introduction **at = &o->introductions;

	if (i->busy || i->caller_line || i->callee_line)
		return;
	/* remembered for a while, so that it is not tried all the time */
	if (i->caller && i->callee && i->again_ms > loop_now(&o->service.loop))
		return;
	while (*at != i)
		at = &(*at)->next;
	*at = i->next;
	o->introduction_count--;
	free(i);
}

uint16_t introduction_number(const struct guest *g)
{
	uint16_t n;

	for (n = OPERATOR_DIRECT_LINES; n < SB_LINES_MAX; n++) {
		if (!introduction_by_caller(g, n) &&
		    !introduction_by_callee(g, n))
			return n;
	}
	return 0;
}
