// SPDX-License-Identifier: GPL-2.0-only
/*
 * options.c - options of datagram sockets that guests want
 *
 * The options are copied out of the entry in one go, then compared with what
 * was applied before. A socket for both families gets those of both. Buffers
 * are bounded here, everything else by the kernel.
 *
 * System calls: setsockopt.
 */
#include <netinet/in.h>
#include <sys/socket.h>

#include "services/common/limits.h"
#include "services/proxy-common/options.h"
#include "services/proxy-udp/udp.h"

static const struct option options[] = {
	OPTION_FLAG(SB_OPTION_V6ONLY, IPPROTO_IPV6, IPV6_V6ONLY),
	OPTION_FLAG(SB_OPTION_BROADCAST, SOL_SOCKET, SO_BROADCAST),
	OPTION_FLAG(SB_OPTION_LOCAL, IPPROTO_IP, IP_PKTINFO),
	OPTION_FLAG(SB_OPTION_LOCAL, IPPROTO_IPV6, IPV6_RECVPKTINFO),
	OPTION_FLAG(SB_OPTION_RECVHOPS, IPPROTO_IP, IP_RECVTTL),
	OPTION_FLAG(SB_OPTION_RECVHOPS, IPPROTO_IPV6, IPV6_RECVHOPLIMIT),
	OPTION_FLAG(SB_OPTION_RECVTOS, IPPROTO_IP, IP_RECVTOS),
	OPTION_FLAG(SB_OPTION_RECVTOS, IPPROTO_IPV6, IPV6_RECVTCLASS),
	OPTION_FLAG(SB_OPTION_MULTICAST_LOOP, IPPROTO_IP, IP_MULTICAST_LOOP),
	OPTION_FLAG(SB_OPTION_MULTICAST_LOOP, IPPROTO_IPV6,
		    IPV6_MULTICAST_LOOP),
	OPTION_FLAG(SB_OPTION_MULTICAST_ALL, IPPROTO_IP, IP_MULTICAST_ALL),
	OPTION_FLAG(SB_OPTION_MULTICAST_ALL, IPPROTO_IPV6, IPV6_MULTICAST_ALL),
	OPTION_FIELD(SB_OPTION_TOS, IPPROTO_IP, IP_TOS, tos),
	OPTION_FIELD(SB_OPTION_TTL, IPPROTO_IP, IP_TTL, ttl),
	OPTION_FIELD(SB_OPTION_TCLASS, IPPROTO_IPV6, IPV6_TCLASS, tclass),
	OPTION_FIELD(SB_OPTION_HOPS, IPPROTO_IPV6, IPV6_UNICAST_HOPS, hops),
	OPTION_FIELD(SB_OPTION_MTU_DISCOVER, IPPROTO_IP, IP_MTU_DISCOVER,
		     mtu_discover),
	OPTION_FIELD(SB_OPTION_MTU_DISCOVER, IPPROTO_IPV6, IPV6_MTU_DISCOVER,
		     mtu_discover),
	OPTION_FIELD(SB_OPTION_MULTICAST_HOPS, IPPROTO_IP, IP_MULTICAST_TTL,
		     multicast_hops),
	OPTION_FIELD(SB_OPTION_MULTICAST_HOPS, IPPROTO_IPV6,
		     IPV6_MULTICAST_HOPS, multicast_hops),
	OPTION_FIELD(SB_OPTION_SNDBUF, SOL_SOCKET, SO_SNDBUF, sndbuf),
	OPTION_FIELD(SB_OPTION_RCVBUF, SOL_SOCKET, SO_RCVBUF, rcvbuf),
};

/* Does an option mean anything to a socket of this kind? */
static bool suits(const struct outlet *o, const struct option *option)
{
	if (option->level == IPPROTO_IP)
		return o->family == SB_FAMILY_IPV4 || o->dual;
	if (option->level == IPPROTO_IPV6)
		return o->family == SB_FAMILY_IPV6;
	return true;
}

/* What the kernel keeps for a guest is bounded for each socket, and in all */
static void bound_buffers(struct outlet *o, struct sb_options *now)
{
	struct udp_line *ul = udp_line_of(o->at);
	uint64_t others = ul->buffers - o->buffer;
	uint64_t left = others < LIMIT_LINE_BUFFER_BYTES
				? LIMIT_LINE_BUFFER_BYTES - others
				: 0;

	if (now->sndbuf > LIMIT_SOCKET_BUFFER_MAX)
		now->sndbuf = LIMIT_SOCKET_BUFFER_MAX;
	if (!(now->set & SB_OPTION_RCVBUF))
		return;
	if (now->rcvbuf > LIMIT_SOCKET_BUFFER_MAX)
		now->rcvbuf = LIMIT_SOCKET_BUFFER_MAX;
	if (now->rcvbuf > left)
		now->rcvbuf = (uint32_t)left;
	if (now->rcvbuf < LIMIT_SOCKET_BUFFER_LEAST)
		now->rcvbuf = LIMIT_SOCKET_BUFFER_LEAST;
	o->buffer = now->rcvbuf;
	ul->buffers = others + o->buffer;
}

static void apply(struct datagrams *d, uint32_t seq)
{
	struct outlet *o = d->outlet;
	struct sb_options now;

	circuit_copy_options(&d->circuit, &now);
	bound_buffers(o, &now);
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		const struct option *option = &options[i];

		if (suits(o, option) &&
		    option_differs(option, &o->options, &now) &&
		    option_set(o->watch.fd, option, &now) < 0)
			d->circuit.line->proxy->count[PROXY_OPTIONS_FAILED]++;
	}
	if (now.set & SB_OPTION_V6ONLY && now.flags & SB_OPTION_V6ONLY)
		o->dual = false;
	o->shared = now.set & now.flags &
		    (SB_OPTION_REUSEADDR | SB_OPTION_REUSEPORT);
	o->options = now;
	o->options_seq = seq;
	sb_store(&d->circuit.shared->options_ack, seq);
}

void options_begin(struct datagrams *d)
{
	apply(d, sb_load(&d->circuit.shared->options_seq));
}

void options_apply(struct datagrams *d)
{
	uint32_t seq = sb_load(&d->circuit.shared->options_seq);

	if (seq == d->outlet->options_seq)
		return;
	if (outlet_rests(d->outlet)) {
		/* its next socket gets them */
		d->outlet->options_seq = seq;
		sb_store(&d->circuit.shared->options_ack, seq);
	} else {
		apply(d, seq);
	}
	line_ring(d->circuit.line, d->circuit.entry);
}
