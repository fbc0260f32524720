/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * datagram.h - helpers of the cases about datagrams
 */
#ifndef SWITCHBOARD_SOCKETS_DATAGRAM_H
#define SWITCHBOARD_SOCKETS_DATAGRAM_H

#include "check.h"

/* A UDP socket of the world's family */
int dgram_socket(const struct world *w);

/* One that is bound to the loopback address and any port */
int dgram_bound(const struct world *w);

/* Its name, with the loopback address instead of none */
union endpoint dgram_name(const struct world *w, int fd);

/* Two sockets connected to each other over loopback */
struct dgram_pair {
	int a;
	int b;
};

struct dgram_pair dgram_pair(const struct world *w);

/* A connected socket, and the agent's number of the one it talks to */
struct dgram_far {
	int near;
	int far;
};

struct dgram_far dgram_far(const struct world *w);

void dgram_connect(int fd, const union endpoint *e);
/* One datagram of the pattern; the second to an address */
void dgram_send(int fd, size_t bytes, unsigned int seed);
void dgram_send_to(int fd, const union endpoint *e, size_t bytes,
		   unsigned int seed);
/* Exactly that datagram, within the case's patience; who sent it */
union endpoint dgram_recv(int fd, size_t bytes, unsigned int seed);
/* Nothing to receive now */
void dgram_none(int fd);

/* recvmsg() of one datagram with room for what comes with it */
struct dgram_message {
	struct msghdr header;
	struct iovec part;
	union endpoint name;
	uint8_t data[2048];
	uint8_t control[512] __attribute__((aligned(8)));
};

ssize_t dgram_recv_message(int fd, struct dgram_message *m, int flags);
/* What came of that kind, or NULL */
const void *dgram_control(struct dgram_message *m, int level, int type);
/* sendmsg() of @bytes with one piece of ancillary data */
ssize_t dgram_send_control(int fd, const union endpoint *e, size_t bytes,
			   int level, int type, const void *data, size_t size);

/* Both addresses and ports */
bool endpoint_same(const union endpoint *a, const union endpoint *b);

#endif
