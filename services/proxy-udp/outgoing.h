/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * outgoing.h - records on their way from the ring to a socket
 *
 *	ring --- send.c: records ---> runs.c: messages ---> sendmmsg()
 */
#ifndef PROXY_UDP_OUTGOING_H
#define PROXY_UDP_OUTGOING_H

#include "services/common/limits.h"
#include "services/proxy-udp/udp.h"

/* One of each of the ancillary data that a record can ask for, and a length */
#define OUTGOING_CONTROL_BYTES                                              \
	(CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(int)) + \
	 CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(uint16_t)))

/**
 * struct outgoing - a record
 * @header:        copied out
 * @room:          bytes of ring that it takes
 * @to:            where to, as the kernel has it
 * @to_bytes:      of @to
 * @control_bytes: of @control
 * @pieces:        of the payload, in the guest: one, or two at the wrap
 * @piece:         these
 * @control:       ancillary data
 */
struct outgoing {
	struct sb_datagram header;
	uint32_t room;
	struct sockaddr_storage to;
	socklen_t to_bytes;
	uint32_t control_bytes;
	uint32_t pieces;
	struct iovec piece[2];
	_Alignas(struct cmsghdr) char control[OUTGOING_CONTROL_BYTES];
};

/**
 * struct run - records that one message carries
 * @records: how many
 * @room:    bytes of ring that they take
 * @payload: of all
 */
struct run {
	uint32_t records;
	uint32_t room;
	uint32_t payload;
};

/* Room for one more */
void outgoing_add_control(struct outgoing *out, int level, int type,
			  const void *at, size_t bytes);

/**
 * runs_make() - make messages of records
 * @o:       the socket
 * @out:     records in their order; those that begin a run may get another
 *           ancillary datum
 * @count:   how many, at most LIMIT_RECORD_BATCH
 * @message: as many, to be filled in
 * @run:     the same
 *
 * Return: messages.
 */
unsigned int runs_make(const struct outlet *o, struct outgoing *out,
		       unsigned int count, struct mmsghdr *message,
		       struct run *run);

/**
 * runs_refused() - the kernel did not take a run of more than one record
 * @error: errno
 *
 * Its records go out one by one, so that each is told its own fate.
 */
void runs_refused(struct outlet *o, const struct outgoing *first,
		  const struct run *run, int error);

#endif
