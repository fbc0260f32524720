/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * flow.h - a stream through proxy-tcp that is driven from both ends, whose
 * circuit may be exchanged meanwhile
 *
 * Everything fails the running check test when it fails, wrong bytes too.
 */
#ifndef TESTS_LOCAL_FLOW_H
#define TESTS_LOCAL_FLOW_H

#include "tests/local/guest_stream.h"
#include "tests/local/stage.h"

/* The most that moves at once */
#define FLOW_CHUNK 65536u
/* Nothing takes as long */
#define FLOW_LIMIT_MS 20000

/**
 * struct flow - a stream that is driven from both ends
 * @sent:     bytes by the guest, by the network
 * @received: bytes by the network (of sent[0]), by the guest (of sent[1])
 */
struct flow {
	struct guest_stream s;
	int fd;
	uint64_t sent[2];
	uint64_t received[2];
	uint32_t seed;
};

/* A connection with areas of @order */
void flow_open(struct flow *f, struct stage *s, struct guest_line *l,
	       unsigned int order, uint32_t seed);
/* Up to @count bytes; true when it was any */
bool flow_guest_writes(struct flow *f, size_t count);
bool flow_guest_reads(struct flow *f, size_t count);
bool flow_network_writes(struct flow *f, size_t count);
/* Return: bytes, 0 at the end, or -1 */
ssize_t flow_network_reads(struct flow *f, size_t count);
/* Everything that was written is read */
void flow_drain(struct flow *f);
/* Until ring, sockets and all are full: nobody takes any more */
void flow_fill_out(struct flow *f);
void flow_fill_in(struct flow *f);
/* Until the proxy has taken what was offered */
void flow_wait_taken(struct flow *f);
/* Both ways at once; a circuit of another size whenever that is possible */
void flow_run(struct flow *f, uint64_t total, uint32_t piece);

#endif
