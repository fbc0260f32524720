/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * operator_scene.h - two guests on the operator's stage
 *
 * web may connect to 192.0.2.0/24 and one port of the loopback, and publishes
 * two ports; db may connect to anything and publishes the first of them.
 */
#ifndef OPERATOR_SCENE_H
#define OPERATOR_SCENE_H

#include "tests/unit/operator_stage.h"
#include "tests/unit/unit.h"

extern const char operator_config[];
extern struct operator_stage stage;
extern struct guest *web, *db;
extern struct guest_line *web_line;
extern struct ipc_message report;

/* The fixture of every case */
void open_stage(void);
void close_stage(void);
/* The guest appears and gets its line */
void web_up(void);
void db_up(void);
void send_request(struct guest *g, const struct sb_message *m);
/* The next order is this one */
void expect_listen(uint32_t guest, uint32_t entry, uint32_t generation);
/* A question of the proxy; the answer */
const struct ipc_verdict *ask_about(enum ipc_question_kind kind, const char *to,
				    uint16_t port, const char *from,
				    uint16_t from_port);
/* Without a source: the verdict's error */
uint32_t verdict_error(enum ipc_question_kind kind, const char *to,
		       uint16_t port);
/* Wait until the operator has handled every report; skips its orders */
void reports_done(void);
/* Wait until it has handled every request of @g */
void requests_done(struct guest *g);
/* Wait until the operator knows how many proxies are there */
void proxies_here(uint64_t count);
/* The tool's question, without the tool: the answer; the operator's status */
const struct ipc_message *ask_operator(enum ipc_type type);
const struct ipc_status *ask_status(void);
void report_ended(uint32_t guest, uint32_t entry, uint32_t generation);
/* What a proxy of the operator before answers to `list`: web's line */
void report_web_line(uint32_t listener, uint32_t gref, uint32_t port);
/* That it has @web's line, with a listener at one place of each family */
void report_web_both(uint32_t listener);

#endif
