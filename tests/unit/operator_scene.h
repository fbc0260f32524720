/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * operator_scene.h - two guests on the operator's stage
 *
 * web may connect to 192.0.2.0/24 and one port of the loopback, and publishes
 * a port; db may connect to anything and publishes the same port.
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
void expect_open(uint32_t guest, uint32_t entry, uint32_t generation);
void report_ended(uint32_t guest, uint32_t entry, uint32_t generation);

#endif
