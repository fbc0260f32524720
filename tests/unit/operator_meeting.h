/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * operator_meeting.h - two guests that are to meet, and one that is not
 *
 *	caller 10.0.0.2 ----> callee 10.0.0.3, fd00::3: ports 80 and 90
 *
 * Around introductions.c alone: what it sends to a guest is kept, and a guest
 * that does not take what it is sent is expelled at once, in the middle of
 * whatever is being done. Time is what the test says.
 */
#ifndef OPERATOR_MEETING_H
#define OPERATOR_MEETING_H

#include "services/operator/introductions.h"

#define SENT_MAX 64u

/* What a guest was sent and has not looked at */
struct post {
	struct sb_message message[SENT_MAX];
	unsigned int sent;
	unsigned int seen;
	/* it takes so many more, then it is expelled; -1: any number */
	int patience;
};

enum step { STEP_WANTED, STEP_OFFERED, STEP_UP, STEP_ROUTED, STEPS };

extern struct operator_service op;
extern struct guest caller, callee, apart;
extern struct post to_caller, to_callee;
extern struct sb_trunk page;
/* Lines whose verdicts were */
extern unsigned int withdrawn;

/* The fixture of every case; in the end everybody leaves, and nothing is left */
void open_scene(void);
void close_scene(void);
/* Its trunk is gone */
void leave(struct guest *g);
/* So much time passes */
void later(uint64_t ms);

/* A stream's destination; does the operator say that @caller will meet it? */
struct introduction_place place(const char *text, uint16_t port);
bool wanted(const char *text, uint16_t port);

/* The next message that it was sent is this one; there is none */
struct sb_message expect(struct guest *g, enum sb_message_type type);
void nothing_more(struct guest *g);
/* The callee is told: who may call, and where; the caller: the way */
void expect_sources(void);
void expect_admit(const char *text, uint16_t port);
void expect_route(const char *text, uint16_t port, uint32_t error);

/* What the guests say. Return: what introductions.c makes of it */
struct sb_message taken(uint32_t gref, uint32_t error);
bool say_ready(uint32_t gref);
bool say_taken(uint32_t error);
bool say_gone(struct guest *g);
bool say_admitted(const char *text, uint16_t port, uint32_t error);

/* From the beginning up to, and with, this step */
void go_to(enum step step);
/* What was sent so far is not looked at */
void all_seen(void);

#endif
