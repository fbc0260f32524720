/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * introductions.h - two guests meet without Dom0 between them
 *
 * When a guest calls an address of another one, and both may, the operator
 * introduces them: the caller makes a line for the callee's domain, the callee
 * maps it. That happens once for each ordered pair; what then goes over the
 * line the operator does not see. For each destination the callee is told to
 * admit it before the caller is told the route.
 *
 *	    caller                  operator                  callee
 *	                 <-------- LINE_WANTED
 *	   LINE_READY    -------->
 *	                           LINE_OFFERED -------->
 *	                                        <--------   LINE_TAKEN
 *	                           ADMIT from   -------->
 *	each destination:          ADMIT to     -------->
 *	                                        <--------   ADMITTED
 *	                 <-------- ROUTE
 */
#ifndef OPERATOR_INTRODUCTIONS_H
#define OPERATOR_INTRODUCTIONS_H

#include "services/operator/operator.h"

enum introduction_state {
	INTRODUCTION_WANTED, /* the caller is to make a line */
	INTRODUCTION_OFFERED, /* the callee is to take it */
	INTRODUCTION_UP, /* both have it */
	INTRODUCTION_KNOWN, /* after a restart: one of both has told of it */
	INTRODUCTION_ENDING, /* both are to let go of it */
};

/**
 * struct introduction_place - a destination
 * @to:   unmapped, with its port
 * @kind: SB_ENTRY_STREAM or SB_ENTRY_DATAGRAM
 */
struct introduction_place {
	struct sb_address to;
	uint8_t kind;
};

/**
 * struct introduction - a line from one guest to another
 * @next:        all of them
 * @caller:      who owns the line; NULL when gone
 * @callee:      whom it leads to; the same
 * @caller_domain: as numbers, for those that are not here yet
 * @callee_domain: the same
 * @state:       see above
 * @caller_line: the caller's number for it, 0: it has none
 * @callee_line: the callee's
 * @gref:        of the header
 * @port:        of the caller's event channel
 * @waiting:     destinations called before the line is up
 * @waits:       how many
 * @since_ms:    when it was made
 * @again_ms:    ENDING: it is not made again before; 0: when it has ended
 * @busy:        must not be freed now
 */
struct introduction {
	struct introduction *next;
	struct guest *caller;
	struct guest *callee;
	uint32_t caller_domain;
	uint32_t callee_domain;
	enum introduction_state state;
	uint16_t caller_line;
	uint16_t callee_line;
	uint32_t gref;
	uint32_t port;
	struct introduction_place waiting[LIMIT_INTRODUCTION_WAITS];
	uint32_t waits;
	uint64_t since_ms;
	uint64_t again_ms;
	bool busy;
};

/**
 * introduction_wanted() - will these two meet directly?
 * @caller: may connect to @place
 * @place:  of a stream, or of datagrams
 *
 * Begins whatever is missing. Return: yes; then the proxy answers EREMCHG.
 */
bool introduction_wanted(struct guest *caller,
			 const struct introduction_place *place);
/* A guest is here: verdicts that were given without it are withdrawn */
void introductions_arrive(struct operator_service *o);
/* A guest's trunk is gone: so are its lines */
void introductions_leave(struct guest *g);
/* The configuration is another: ask again about every destination */
void introductions_reconfigured(struct operator_service *o);
/* Once a second: what did not come about ends */
void introductions_look(struct operator_service *o);

/* Messages of guests about lines of ours; false: there is no such line */
bool introduction_line_ready(struct guest *g, const struct sb_message *m);
bool introduction_line_gone(struct guest *g, const struct sb_message *m);
bool introduction_line_taken(struct guest *g, const struct sb_message *m);
bool introduction_admitted(struct guest *g, const struct sb_message *m);

/* introduction_book.c: the records */

struct introduction *introduction_find(const struct operator_service *o,
				       const struct guest *caller,
				       const struct guest *callee);
/* By a guest's own number for the line */
struct introduction *introduction_by_caller(const struct guest *g,
					    uint32_t line);
struct introduction *introduction_by_callee(const struct guest *g,
					    uint32_t line);
/* By whose line it is, and where */
struct introduction *introduction_by_line(const struct operator_service *o,
					  uint32_t caller_domain, uint32_t gref,
					  uint32_t port);
/* Return: NULL without memory, or when there are too many */
struct introduction *introduction_add(struct operator_service *o,
				      struct guest *caller,
				      struct guest *callee);
/* Free it if nobody holds it any more */
void introduction_release(struct operator_service *o, struct introduction *i);
/* A number for a line of @g, or 0 */
uint16_t introduction_number(const struct guest *g);

#endif
