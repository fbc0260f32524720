/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * far.h - the far end of a case: an agent that does as it is told
 *
 * The near end writes a line, the agent answers with one: "ok NUMBER" or
 * "no ERRNO". Connections are numbered by the agent. An order can be started
 * and its answer fetched later, so that both ends work at the same time.
 *
 *   listen BACKLOG           a new listener instead of the last; its port
 *   unlisten                 close it
 *   accept                   from that listener: number of a connection
 *   connect ADDRESS PORT     number of a connection
 *   send C BYTES SEED        pattern of pattern.h
 *   drip C BYTES SEED PIECE PAUSE_US    the same, slowly
 *   recv C BYTES SEED        exactly so many, and right
 *   drink C BYTES SEED PIECE PAUSE_US   the same, slowly
 *   drain C SEED             until the end: how many bytes; all right
 *   errno C                  what recv() ends with: 0 at an orderly end
 *   shutdown C HOW
 *   close C
 *   reset C                  close with SO_LINGER 0
 *   port C                   own port; peerport C: the other one
 *   sleep MS
 *   udp                      a UDP socket on any port, counted as a connection
 *   udprecv C BYTES SEED     one datagram, exactly that one
 *   udpsend C BYTES SEED     one datagram to whom the last one came from
 *   udprun C BYTES SEED SEGMENT     the same, in datagrams of so many bytes
 *   udpecho C COUNT          so many, each back to where it came from
 *   udpto ADDRESS PORT C BYTES SEED     one datagram to there
 *   udppeer C                port that the last one came from
 */
#ifndef SWITCHBOARD_SOCKETS_FAR_H
#define SWITCHBOARD_SOCKETS_FAR_H

#include "check.h"

/* Serve orders on @control until it ends; listeners are bound to @address */
void far_serve(int control, const union endpoint *address);

/* A server for agents: one process per control connection, for ever */
int far_server(const union endpoint *address);

/* An agent on this machine: its control connection */
int far_fork(const union endpoint *address);

/* Order and answer; a "no" ends the case */
long far_ask(const struct world *w, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The order alone, the answer alone */
void far_start(const struct world *w, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
long far_finish(const struct world *w);

/* The answer to an order that may go wrong: negative errno then */
long far_finish_any(const struct world *w);

#endif
