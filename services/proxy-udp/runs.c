// SPDX-License-Identifier: GPL-2.0-only
/*
 * runs.c - many records, one pass through the network stack
 *
 * Records that follow each other to the same destination, with the same
 * options and of the same length (the last one may be shorter), are one
 * message to the kernel, with the length beside it (UDP_SEGMENT). It passes
 * the stack once and becomes datagrams again in the network card, right before
 * its driver, or on the loopback at the receiver.
 *
 * The kernel refuses what it cannot cut like that - longer than the path's
 * MTU, through a device that makes no checksums, encrypted - before anything is
 * sent, so the records can go out one by one instead. What was refused once
 * is not tried on that socket again.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>

#include "services/proxy-udp/outgoing.h"

/* Of the kernel: UDP_MAX_SEGMENTS */
#define RUN_RECORDS_MAX 64u
/* With any header less than an IP packet can be, and than devices may take */
#define RUN_BYTES_MAX 65000u

_Static_assert(LIMIT_RECORD_BATCH <= RUN_RECORDS_MAX, "a batch may be a run");

/* One thread: all pieces of a batch, in their order */
static struct iovec piece[2 * LIMIT_RECORD_BATCH];

void outgoing_add_control(struct outgoing *out, int level, int type,
			  const void *at, size_t bytes)
{
	struct cmsghdr *c =
		(struct cmsghdr *)(void *)(out->control + out->control_bytes);

	/* to be compared, holes and all */
	memset(c, 0, CMSG_SPACE(bytes));
	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(bytes);
	memcpy(CMSG_DATA(c), at, bytes);
	out->control_bytes += CMSG_SPACE(bytes);
}

/* May it begin one? Without payload there is nothing to be cut */
static bool may_begin(const struct outlet *o, const struct outgoing *out)
{
	return !o->protocol && !o->one_by_one && out->header.bytes &&
	       out->header.bytes < o->run_refused;
}

static bool may_follow(const struct outgoing *first, const struct run *run,
		       const struct outgoing *out)
{
	return run->payload == run->records * first->header.bytes &&
	       out->header.bytes && out->header.bytes <= first->header.bytes &&
	       run->payload + out->header.bytes <= RUN_BYTES_MAX &&
	       out->to_bytes == first->to_bytes &&
	       memcmp(&out->to, &first->to, out->to_bytes) == 0 &&
	       out->control_bytes == first->control_bytes &&
	       memcmp(out->control, first->control, out->control_bytes) == 0;
}

static unsigned int add_pieces(struct iovec *to, const struct outgoing *out)
{
	memcpy(to, out->piece, out->pieces * sizeof(*to));
	return out->pieces;
}

/* Return: records of the run that begins with @first, of @count there are */
static unsigned int gather(const struct outlet *o, const struct outgoing *first,
			   unsigned int count, struct run *run)
{
	const struct outgoing *out = first;

	*run = (struct run){ 0 };
	do {
		run->records++;
		run->room += out->room;
		run->payload += out->header.bytes;
		out++;
	} while (run->records < count && may_begin(o, first) &&
		 may_follow(first, run, out));
	return run->records;
}

static void make_message(struct outgoing *first, const struct run *run,
			 struct msghdr *m)
{
	uint16_t bytes = (uint16_t)first->header.bytes;

	if (run->records > 1)
		outgoing_add_control(first, SOL_UDP, UDP_SEGMENT, &bytes,
				     sizeof(bytes));
	m->msg_name = &first->to;
	m->msg_namelen = first->to_bytes;
	m->msg_control = first->control;
	m->msg_controllen = first->control_bytes;
	m->msg_flags = 0;
}

unsigned int runs_make(const struct outlet *o, struct outgoing *out,
		       unsigned int count, struct mmsghdr *message,
		       struct run *run)
{
	struct iovec *next = piece;
	unsigned int n = 0, at, end;

	for (at = 0; at < count; at = end, n++) {
		struct msghdr *m = &message[n].msg_hdr;

		end = at + gather(o, &out[at], count - at, &run[n]);
		m->msg_iov = next;
		for (unsigned int i = at; i < end; i++)
			next += add_pieces(next, &out[i]);
		m->msg_iovlen = (size_t)(next - m->msg_iov);
		make_message(&out[at], &run[n], m);
	}
	return n;
}

void runs_refused(struct outlet *o, const struct outgoing *first,
		  const struct run *run, int error)
{
	o->one_by_one = run->records;
	if (error == EINVAL || error == EMSGSIZE)
		o->run_refused = first->header.bytes;
	else if (error == EIO)
		o->run_refused = 0;
}
