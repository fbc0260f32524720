// SPDX-License-Identifier: GPL-2.0-only
/*
 * error.c - what became of datagrams that did not arrive
 *
 * The kernel keeps ICMP errors in a queue of the socket, each with the
 * destination that it is about: so the socket need not be connected for them
 * to be told apart. The guest decides which of its programs is told.
 *
 * System calls: recvmsg (MSG_ERRQUEUE).
 */
#include <errno.h>
#include <time.h>
#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include <sys/socket.h>

#include "services/common/address.h"
#include "services/common/limits.h"
#include "services/proxy-udp/udp.h"

#define CONTROL_BYTES 512

/**
 * struct told - an error as the kernel tells it
 * @name:    the destination
 * @quoted:  what ICMP quoted of the datagram
 * @control: the error
 * @bytes:   of @quoted
 */
struct told {
	struct sockaddr_storage name;
	uint8_t quoted[LIMIT_QUOTED_BYTES];
	_Alignas(struct cmsghdr) char control[CONTROL_BYTES];
	uint32_t bytes;
};

/* Return: 0, or -EAGAIN when the queue is empty */
static int take(const struct outlet *o, struct told *t,
		struct sock_extended_err **error)
{
	struct iovec piece = { t->quoted, sizeof(t->quoted) };
	struct msghdr m = { .msg_name = &t->name,
			    .msg_namelen = sizeof(t->name),
			    .msg_iov = &piece,
			    .msg_iovlen = 1,
			    .msg_control = t->control,
			    .msg_controllen = sizeof(t->control) };
	ssize_t got = recvmsg(o->watch.fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT);

	*error = NULL;
	if (got < 0)
		return -EAGAIN;
	t->bytes = (uint32_t)got;
	if (!m.msg_namelen)
		t->name.ss_family = AF_UNSPEC;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		if ((c->cmsg_level == IPPROTO_IP &&
		     c->cmsg_type == IP_RECVERR) ||
		    (c->cmsg_level == IPPROTO_IPV6 &&
		     c->cmsg_type == IPV6_RECVERR))
			*error = (struct sock_extended_err *)(void *)CMSG_DATA(
				c);
	}
	return 0;
}

static enum sb_datagram_kind kind_of(const struct sock_extended_err *e)
{
	if (e->ee_origin == SO_EE_ORIGIN_ICMP)
		return SB_DATAGRAM_ERROR_ICMP;
	if (e->ee_origin == SO_EE_ORIGIN_ICMP6)
		return SB_DATAGRAM_ERROR_ICMP6;
	return SB_DATAGRAM_ERROR_LOCAL;
}

/* Who reported it: only an address of the destination's family has room */
static void add_reporter(struct sb_datagram *h,
			 const struct sock_extended_err *e)
{
	struct sb_address reporter;

	if (address_from_sockaddr(&reporter, SO_EE_OFFENDER(e)) < 0)
		return;
	reporter = address_unmap(&reporter);
	if (reporter.family != h->remote.family)
		return;
	memcpy(h->local, reporter.bytes, sizeof(h->local));
	h->flags |= SB_DATAGRAM_LOCAL;
}

static void put(struct datagrams *d, const struct sb_datagram *h,
		const void *payload)
{
	if (receive_put(d, h, payload))
		receive_publish(d);
	else
		udp_count(d, UDP_DROP_ERROR, 1);
}

static void tell(struct datagrams *d, const struct told *t,
		 const struct sock_extended_err *e)
{
	struct sb_datagram h = { .kind = kind_of(e),
				 .bytes = t->bytes,
				 .error = (uint16_t)e->ee_errno,
				 .icmp_type = e->ee_type,
				 .icmp_code = e->ee_code,
				 .drops = d->outlet->drops,
				 .info = e->ee_info };
	struct sb_address real;

	if (address_from_sockaddr(&real, (const struct sockaddr *)&t->name) ==
	    0) {
		real = address_unmap(&real);
		if (!neighbour_called(d->outlet, &real, &h.remote))
			h.remote = outlet_show(d->outlet, &real);
	}
	if (h.kind != SB_DATAGRAM_ERROR_LOCAL) {
		udp_count(d, UDP_ERRORS, 1);
		add_reporter(&h, e);
	}
	put(d, &h, t->quoted);
}

unsigned int error_drain(struct datagrams *d)
{
	static struct told told;
	struct outlet *o = d->outlet;
	struct sock_extended_err *e;
	unsigned int local = 0;

	o->failed = false;
	for (unsigned int i = 0; i < LIMIT_ERROR_BURST; i++) {
		if (take(o, &told, &e) < 0)
			return local;
		if (!e || e->ee_origin == SO_EE_ORIGIN_TIMESTAMPING)
			continue;
		local += e->ee_origin == SO_EE_ORIGIN_LOCAL;
		tell(d, &told, e);
	}
	/* the rest when the others have had their turn */
	o->failed = true;
	datagrams_look_at(d);
	return local;
}

/* As in the guest's ring, where the payload may wrap */
void error_give_back(struct datagrams *d, const struct sb_datagram *header)
{
	static uint8_t payload[SB_DATAGRAM_MAX];
	const struct circuit *c = &d->circuit;
	uint32_t size = c->tx.size;
	uint32_t at = (c->tx.consumed + sizeof(*header)) & (size - 1);
	uint32_t run = size - at < header->bytes ? size - at : header->bytes;
	struct sb_datagram h = *header;

	memcpy(payload, circuit_tx_area(c) + at, run);
	memcpy(payload + run, circuit_tx_area(c), header->bytes - run);
	h.kind = SB_DATAGRAM_ERROR_LOCAL;
	h.error = EREMCHG;
	h.drops = d->outlet->drops;
	udp_count(d, UDP_GIVEN_BACK, 1);
	if (!d->outlet->pending && receive_put(d, &h, payload))
		receive_publish(d);
	else
		pending_add(d, &h, payload);
}

void error_tell(struct datagrams *d, const struct sb_datagram *header,
		uint32_t error)
{
	struct sb_datagram h = { .kind = SB_DATAGRAM_ERROR_LOCAL,
				 .error = (uint16_t)error,
				 .drops = d->outlet->drops,
				 .remote = header->remote };

	put(d, &h, NULL);
}

/* As the kernel would have it from a port that nobody is at */
void error_nobody(struct datagrams *d, const struct sb_datagram *header)
{
	bool ipv4 = header->remote.family == SB_FAMILY_IPV4;
	struct sb_datagram h = {
		.kind = ipv4 ? SB_DATAGRAM_ERROR_ICMP : SB_DATAGRAM_ERROR_ICMP6,
		.error = ECONNREFUSED,
		.flags = SB_DATAGRAM_LOCAL,
		.icmp_type = ipv4 ? ICMP_DEST_UNREACH : ICMP6_DST_UNREACH,
		.icmp_code =
			ipv4 ? ICMP_PORT_UNREACH : ICMP6_DST_UNREACH_NOPORT,
		.drops = d->outlet->drops,
		.remote = header->remote
	};

	memcpy(h.local, header->remote.bytes, sizeof(h.local));
	udp_count(d, UDP_ERRORS, 1);
	put(d, &h, NULL);
}
