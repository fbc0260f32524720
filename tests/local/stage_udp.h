/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * stage_udp.h - what tests of proxy-udp have in common
 *
 * The scripted operator answers questions as the test says; the network is
 * the loopback.
 */
#ifndef TESTS_LOCAL_STAGE_UDP_H
#define TESTS_LOCAL_STAGE_UDP_H

#include "tests/local/guest_datagram.h"
#include "tests/local/stage.h"

/* A socket of the "network", bound to a free port of the loopback */
int stage_udp_socket(uint16_t family, struct sb_address *at);
/* Take a datagram within the time limit. Return: its length */
int stage_udp_take(int fd, void *bytes, size_t size, struct sb_address *from);
/* Is there none for @timeout_ms? */
bool stage_udp_quiet(int fd, int timeout_ms);
void stage_udp_give(int fd, const struct sb_address *to, const void *bytes,
		    size_t count);

/* The guest's own address, as the order to attach its line tells it */
struct sb_address stage_udp_guest_address(const struct guest_line *l,
					  uint16_t family, uint16_t port);
/* The next question. Return: a copy that stays until the next call */
const struct ipc_question *stage_udp_question(struct stage *s);
/* Answer it: 0 or errno, and where to, or NULL: to where it was asked for */
void stage_udp_verdict(struct stage *s, const struct ipc_question *q,
		       uint32_t error, const struct sb_address *to);
/* Expect a question about @to, allow it */
void stage_udp_allow(struct stage *s, const struct sb_address *to);

/* A socket that is OPEN, not bound */
struct guest_circuit *stage_udp_open(struct guest_line *l, unsigned int order);
/* One that is published at @place */
struct guest_circuit *stage_udp_publish(struct stage *s, struct guest_line *l,
					unsigned int order,
					const struct sb_address *bound,
					const struct sb_address *place);
/* Send from the guest, take it at @fd; Return: where it came from */
struct sb_address stage_udp_pass(struct guest_circuit *c, int fd,
				 const struct sb_address *to, const void *bytes,
				 uint32_t count);

/* An address that a guest might have */
struct sb_address stage_udp_own(uint16_t family, uint16_t port);

#endif
