// SPDX-License-Identifier: GPL-2.0-only
/*
 * neighbours.c - two guests on one stage
 */
#include "tests/local/neighbours.h"

#include <sys/socket.h>
#include <unistd.h>

void neighbours_open(struct neighbours *n)
{
	stage_open(&n->stage);
	stage_proxy_start(&n->stage);
	n->honest = stage_line(&n->stage, "honest");
	n->liar = stage_line(&n->stage, "liar");
	stage_attach(&n->stage, n->honest);
	stage_attach(&n->stage, n->liar);
}

void neighbours_prove_service(struct neighbours *n)
{
	char text[8];
	int fd;
	struct guest_circuit *c =
		stage_connection(&n->stage, n->honest, 2, &fd);

	ck_assert_int_eq(guest_circuit_send(c, "hello", 5), 5);
	ck_assert_int_eq(recv(fd, text, 5, MSG_WAITALL), 5);
	ck_assert_int_eq(write(fd, "there", 5), 5);
	ck_assert_int_eq(
		guest_circuit_receive_all(c, text, 5, STAGE_TIMEOUT_MS), 0);
	guest_circuit_close(c);
	ck_assert_int_eq(
		guest_circuit_wait(c, SB_PEER_CLOSED, STAGE_TIMEOUT_MS), 0);
	close(fd);
}

void neighbours_close(struct neighbours *n)
{
	neighbours_prove_service(n);
	guest_line_end(n->liar);
	guest_line_end(n->honest);
	stage_close(&n->stage);
}
