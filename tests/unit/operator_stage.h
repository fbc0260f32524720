/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * operator_stage.h - what a test of the operator stands on
 *
 *	test: guests ---- broker ---- operator (a process)
 *	  |                              |
 *	  +---- scripted proxy ----------+ (the pair)
 */
#ifndef TESTS_OPERATOR_STAGE_H
#define TESTS_OPERATOR_STAGE_H

#include "tests/local/guest_trunk.h"
#include "tests/local/stage.h"

#define STAGE_IDENTITY_WEB "11111111-2222-3333-4444-555555555555"
#define STAGE_IDENTITY_DB "11111111-2222-3333-4444-666666666666"

/**
 * struct operator_stage - an operator, its hypervisor, its proxy
 * @base:     directory and broker
 * @operator_process: 0: none
 * @config:   path
 * @proxy:    the scripted proxy's end, or NULL
 * @lists:    `list` orders of this operator to this proxy
 * @greeted:  the connection of the pair on which hello was said
 */
struct operator_stage {
	struct stage base;
	pid_t operator_process;
	char config[96];
	struct ipc_socket *proxy;
	unsigned int lists;
	uint64_t greeted;
};

/* Broker, configuration, operator, and a proxy that has said hello */
void operator_stage_open(struct operator_stage *s, const char *config);
void operator_stage_close(struct operator_stage *s);

void stage_write_config(struct operator_stage *s, const char *config);
void stage_operator_start(struct operator_stage *s);
void stage_operator_kill(struct operator_stage *s);
/* Connect, say hello as process @epoch, until the operator takes notice */
void stage_proxy_come(struct operator_stage *s, uint32_t epoch);
void stage_proxy_go(struct operator_stage *s);
/* Wait for an operator, say hello, until it asks what there is */
void stage_hello(struct operator_stage *s, uint32_t epoch);
void stage_report(struct operator_stage *s, const struct ipc_message *m);
/* The next order but `list`; NULL when there is none in time */
const struct ipc_message *stage_order_next(struct operator_stage *s,
					   int timeout_ms);
const struct ipc_message *stage_order_expect(struct operator_stage *s,
					     enum ipc_type type);
/* The order to attach a line of @domain; those about others are skipped */
const struct ipc_message *stage_attach_order(struct operator_stage *s,
					     uint32_t domain);
/* No order, but `list`, comes for @timeout_ms */
void stage_order_none(struct operator_stage *s, int timeout_ms);

/* A guest that has not connected its trunk */
struct guest *stage_guest(struct operator_stage *s, const char *name,
			  const char *identity, uint32_t domain);
/* Connect, make the line, be attached by the scripted proxy */
struct guest_line *stage_guest_up(struct operator_stage *s, struct guest *g);
/* Until a message of @type; others are skipped */
void stage_trunk_expect(struct guest *g, enum sb_message_type type,
			struct sb_message *m);
struct sb_address stage_address(const char *text, uint16_t port);
/* A well-formed LISTEN of @entry */
struct sb_message stage_listen_message(uint32_t entry, uint32_t generation,
				       const char *at, uint16_t port);
/* Send it, expect REFUSED with @error */
void stage_refused(struct guest *g, const struct sb_message *m, uint32_t error);

#endif
