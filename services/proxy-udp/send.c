// SPDX-License-Identifier: GPL-2.0-only
/*
 * send.c - records out of the ring, many with one system call
 *
 * A header is copied out before it is believed; the payload goes from the
 * guest's pages into the kernel, in one piece or, at the wrap, two. Records
 * are taken in their order: one that waits for a verdict holds up its own
 * socket, in its own ring, and nothing else. Records that need more than
 * sending - a refusal, a group to join - come when they are the first. How
 * they become messages is in runs.c.
 *
 * System calls: sendmmsg, sendto, epoll_ctl.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "services/common/address.h"
#include "services/common/limits.h"
#include "services/proxy-udp/outgoing.h"

/* An ICMP echo header: less than that ping sockets do not send */
#define ECHO_BYTES 8u

/* One thread: what a system call is made of need not be on its stack */
static struct outgoing outgoing[LIMIT_RECORD_BATCH];
static struct mmsghdr message[LIMIT_RECORD_BATCH];
static struct run runs[LIMIT_RECORD_BATCH];

/* What a look at the record in front came to */
enum verdict_on_record {
	RECORD_SENDS, /* it is in outgoing[] */
	RECORD_WAITS, /* for a verdict, or until it is the first */
	RECORD_DONE, /* nothing is to be sent for it */
};

static void add_number(struct outgoing *out, bool ipv4, int type4, int type6,
		       int value)
{
	outgoing_add_control(out, ipv4 ? IPPROTO_IP : IPPROTO_IPV6,
			     ipv4 ? type4 : type6, &value, sizeof(value));
}

/*
 * The source address is a choice among Dom0's only for a socket that is known
 * there; a guest's own means nothing to Dom0. The interface is one only where
 * routes do not say it.
 */
static void add_source(const struct outlet *o, struct outgoing *out,
		       const struct sb_address *to)
{
	const struct sb_datagram *h = &out->header;
	bool ipv4 = to->family == SB_FAMILY_IPV4;
	struct sb_address source = { .family = to->family };
	struct in_pktinfo in = { 0 };
	struct in6_pktinfo in6 = { 0 };

	memcpy(source.bytes, h->local, ipv4 ? 4 : sizeof(source.bytes));
	if (h->flags & SB_DATAGRAM_LOCAL && o->published &&
	    !address_class(&source)) {
		memcpy(&in.ipi_spec_dst, source.bytes, sizeof(in.ipi_spec_dst));
		memcpy(&in6.ipi6_addr, source.bytes, sizeof(in6.ipi6_addr));
	}
	if (h->flags & SB_DATAGRAM_INTERFACE &&
	    address_class(to) & (ADDRESS_MULTICAST | ADDRESS_BROADCAST |
				 ADDRESS_LINK_LOCAL)) {
		in.ipi_ifindex = (int)h->interface;
		in6.ipi6_ifindex = h->interface;
	}
	if (ipv4)
		outgoing_add_control(out, IPPROTO_IP, IP_PKTINFO, &in,
				     sizeof(in));
	else
		outgoing_add_control(out, IPPROTO_IPV6, IPV6_PKTINFO, &in6,
				     sizeof(in6));
}

static void add_controls(const struct outlet *o, struct outgoing *out,
			 const struct sb_address *to)
{
	const struct sb_datagram *h = &out->header;
	bool ipv4 = to->family == SB_FAMILY_IPV4;

	out->control_bytes = 0;
	if (h->flags & SB_DATAGRAM_HOPS)
		add_number(out, ipv4, IP_TTL, IPV6_HOPLIMIT, h->hops);
	if (h->flags & SB_DATAGRAM_TOS)
		add_number(out, ipv4, IP_TOS, IPV6_TCLASS, h->tos);
	if (h->flags & (SB_DATAGRAM_LOCAL | SB_DATAGRAM_INTERFACE))
		add_source(o, out, to);
}

static void add_payload(const struct circuit *c, struct outgoing *out,
			uint32_t index)
{
	uint32_t size = c->tx.size;
	uint32_t offset = (index + sizeof(out->header)) & (size - 1);
	uint32_t bytes = out->header.bytes, run = size - offset;
	uint8_t *area = circuit_tx_area(c);

	out->piece[0].iov_base = area + offset;
	out->piece[0].iov_len = bytes < run ? bytes : run;
	out->piece[1].iov_base = area;
	out->piece[1].iov_len = bytes - out->piece[0].iov_len;
	out->pieces = out->piece[1].iov_len ? 2 : 1;
}

/* Is it anything that can be sent? Return: 0, or the errno for the guest */
static uint32_t what_is_wrong(const struct outlet *o,
			      const struct sb_datagram *h)
{
	bool echo = o->protocol == UDP_PROTOCOL_ECHO;

	if (h->flags & ~SB_DATAGRAM_FLAGS || h->error ||
	    (h->remote.family != SB_FAMILY_IPV4 &&
	     h->remote.family != SB_FAMILY_IPV6) ||
	    !address_valid(&h->remote))
		return EINVAL;
	if (h->kind >= SB_DATAGRAM_JOIN && h->kind <= SB_DATAGRAM_UNBLOCK)
		return 0;
	if (h->kind != SB_DATAGRAM_DATA || (!echo && !h->remote.port) ||
	    (echo && h->bytes < ECHO_BYTES))
		return EINVAL;
	return 0;
}

static void drop(struct datagrams *d, const struct sb_datagram *h,
		 enum udp_count cause, uint32_t error)
{
	udp_count(d, cause, 1);
	error_tell(d, h, error);
}

/* Groups, and what cannot be sent; only for the record in front */
static enum verdict_on_record
handle_alone(struct datagrams *d, const struct sb_datagram *h, uint32_t wrong)
{
	int error;

	if (wrong) {
		drop(d, h, UDP_DROP_BAD_RECORD, wrong);
		return RECORD_DONE;
	}
	error = group_change(d, h);
	if (error == -EINPROGRESS)
		return RECORD_WAITS;
	if (error)
		drop(d, h,
		     error == -EACCES ? UDP_DROP_REFUSED : UDP_DROP_BAD_RECORD,
		     (uint32_t)-error);
	return RECORD_DONE;
}

/* Look at a record at @index. The first of a batch is number 0 */
static enum verdict_on_record look_at(struct datagrams *d, unsigned int n,
				      uint32_t index)
{
	struct outgoing *out = &outgoing[n];
	const struct sb_datagram *h = &out->header;
	uint32_t wrong = what_is_wrong(d->outlet, h);
	struct sb_address to;
	int error;

	if (wrong || h->kind != SB_DATAGRAM_DATA)
		return n ? RECORD_WAITS : handle_alone(d, h, wrong);
	error = destination_find(d, h, &to);
	if (error == -EINPROGRESS || (error && n))
		return RECORD_WAITS;
	if (error == -EREMCHG) {
		error_give_back(d, h);
		return RECORD_DONE;
	}
	if (error == -ENOTCONN) {
		error_nobody(d, h);
		return RECORD_DONE;
	}
	if (error) {
		drop(d, h, UDP_DROP_REFUSED, (uint32_t)-error);
		return RECORD_DONE;
	}
	out->to_bytes = outlet_sockaddr(d->outlet, &to, &out->to);
	if (!out->to_bytes) {
		if (!n)
			drop(d, h, UDP_DROP_BAD_RECORD, ENETUNREACH);
		return n ? RECORD_WAITS : RECORD_DONE;
	}
	add_controls(d->outlet, out, &to);
	add_payload(&d->circuit, out, index);
	return RECORD_SENDS;
}

/**
 * struct batch - what one pass over the ring came to
 * @count: records to be sent
 * @alone: bytes of a first record that is done with
 * @flags: of sendmmsg()
 */
struct batch {
	unsigned int count;
	uint32_t alone;
	int flags;
};

/* Whether a router may be used is said for all that one call sends */
static bool fits_batch(struct batch *b, const struct sb_datagram *h)
{
	int flags = MSG_DONTWAIT | MSG_NOSIGNAL;

	if (h->flags & SB_DATAGRAM_DIRECT)
		flags |= MSG_DONTROUTE;
	if (!b->count)
		b->flags = flags;
	return b->flags == flags;
}

/* Return: 0 or -EPROTO */
static int gather(struct datagrams *d, uint32_t held, struct batch *b)
{
	const struct circuit *c = &d->circuit;
	uint32_t index = c->tx.consumed;
	struct outgoing *out;
	enum verdict_on_record verdict;
	int64_t room;

	*b = (struct batch){ 0 };
	while (held && b->count < LIMIT_RECORD_BATCH) {
		out = &outgoing[b->count];
		sb_datagram_copy(&out->header,
				 circuit_tx_area(c) +
					 (index & (c->tx.size - 1)));
		room = sb_datagram_check(&out->header, held);
		if (room < 0)
			return b->count ? 0 : -EPROTO;
		if (!fits_batch(b, &out->header))
			return 0;
		verdict = look_at(d, b->count, index);
		if (verdict == RECORD_DONE)
			b->alone = (uint32_t)room;
		if (verdict != RECORD_SENDS)
			return 0;
		out->room = (uint32_t)room;
		index += (uint32_t)room;
		held -= (uint32_t)room;
		b->count++;
	}
	return 0;
}

static void advance(struct datagrams *d, uint32_t bytes, uint32_t records)
{
	struct circuit *c = &d->circuit;
	struct outlet *o = d->outlet;

	sb_reader_advance(&c->tx, bytes);
	o->retried = false;
	o->one_by_one -= records < o->one_by_one ? records : o->one_by_one;
	c->line->useful = true;
	if (sb_reader_release(&c->tx))
		line_ring(c->line, c->entry);
}

static void sent(struct datagrams *d, unsigned int messages)
{
	struct run all = { 0 };

	for (unsigned int i = 0; i < messages; i++) {
		all.records += runs[i].records;
		all.room += runs[i].room;
		all.payload += runs[i].payload;
	}
	d->outlet->sent += all.payload;
	udp_count(d, UDP_SENT, all.records);
	udp_count(d, UDP_SENT_BYTES, all.payload);
	udp_count(d, UDP_SENT_CALLS, 1);
	rest_touch(d->outlet);
	advance(d, all.room, all.records);
}

/*
 * The first record was not sent. An error that an earlier datagram caused is
 * told by the next call, whatever it sends: so every record is tried twice.
 */
static void not_sent(struct datagrams *d, int error)
{
	struct outlet *o = d->outlet;
	const struct sb_datagram *h = &outgoing[0].header;
	unsigned int told;

	if (error == EAGAIN) {
		outlet_blocked(o);
		return;
	}
	if (error == EINTR)
		return;
	told = error_drain(d);
	if (runs[0].records > 1) {
		runs_refused(o, &outgoing[0], &runs[0], error);
		return;
	}
	if (!told && !o->retried) {
		o->retried = true;
		return;
	}
	if (error == ENOBUFS) {
		udp_count(d, UDP_DROP_BUSY, 1);
	} else {
		udp_count(d, UDP_ERRORS_LOCAL, 1);
		/* the queue knows more, an MTU for example */
		if (!told)
			error_tell(d, h, (uint32_t)error);
	}
	advance(d, outgoing[0].room, 1);
}

/* The one that is alone is told in fewer words. Return: messages sent, or -1 */
static int send_messages(const struct outlet *o, unsigned int messages,
			 int flags)
{
	const struct msghdr *m = &message[0].msg_hdr;

	if (messages > 1 || m->msg_iovlen > 1 || m->msg_controllen)
		return sendmmsg(o->watch.fd, message, messages, flags);
	return sendto(o->watch.fd, m->msg_iov->iov_base, m->msg_iov->iov_len,
		      flags, m->msg_name, m->msg_namelen) < 0
		       ? -1
		       : 1;
}

static void send_batch(struct datagrams *d, const struct batch *b)
{
	unsigned int messages =
		runs_make(d->outlet, outgoing, b->count, message, runs);
	int done = send_messages(d->outlet, messages, b->flags);

	if (done > 0)
		sent(d, (unsigned int)done);
	else
		not_sent(d, errno);
}

int64_t send_run(struct datagrams *d)
{
	struct circuit *c = &d->circuit;
	int64_t held = sb_reader_available(&c->tx);
	unsigned int budget = LIMIT_RECORD_BURST, cost;
	struct batch b;

	while (held > 0 && d->outlet->writable && budget) {
		if (gather(d, (uint32_t)held, &b))
			return -EPROTO;
		if (!b.count && !b.alone)
			break;
		if (b.count)
			send_batch(d, &b);
		else
			advance(d, b.alone, 1);
		cost = b.count ? b.count : 1;
		budget -= cost < budget ? cost : budget;
		held = sb_reader_held(&c->tx);
	}
	if (held == 0)
		held = sb_reader_arm(&c->tx, 1);
	if (held > 0 && d->outlet->writable &&
	    !verdicts_waits(&d->circuit.question))
		datagrams_look_at(d);
	return held;
}
