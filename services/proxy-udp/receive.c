// SPDX-License-Identifier: GPL-2.0-only
/*
 * receive.c - datagrams into the ring, many with one system call
 *
 * The kernel writes payloads to where their records will be. How long the
 * next datagrams are nobody knows: places are laid out for as many as the
 * longest of the last ones, and what is longer spills into private memory.
 * When they are as long as the last ones, which is the rule where there are
 * many, nothing is moved; otherwise records are moved together, in the guest's
 * memory, before the guest can see them.
 *
 * A socket of which the loop tells until it is empty (outlet.c) gets one place:
 * if there is more it will be told.
 *
 * A guest that does not read fills its ring, then its socket's buffer; then
 * the kernel drops, which costs this process nothing, and counts.
 *
 * System calls: recvmmsg, recvmsg, setsockopt.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "services/common/address.h"
#include "services/common/limits.h"
#include "services/proxy-udp/udp.h"

#define CONTROL_BYTES 256
#define SPILL_BYTES 65536u

/**
 * struct incoming - a datagram on its way
 * @from:    source
 * @at:      index in the ring where its payload was to go
 * @place:   bytes that were there for it
 * @piece:   of the ring, one or two, and of @spill
 * @control: ancillary data
 * @spill:   what was longer; its head is for the rest, should it move
 */
struct incoming {
	struct sockaddr_storage from;
	uint32_t at;
	uint32_t place;
	struct iovec piece[3];
	_Alignas(struct cmsghdr) char control[CONTROL_BYTES];
	uint8_t spill[SPILL_BYTES];
};

static struct incoming incoming[LIMIT_RECORD_BATCH];
static struct mmsghdr message[LIMIT_RECORD_BATCH];

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* Between the ring, at an index, and private memory */
static void ring_read(const struct circuit *c, uint32_t index, uint8_t *to,
		      uint32_t bytes)
{
	uint32_t offset = index & (c->rx.size - 1);
	uint32_t first = least(bytes, c->rx.size - offset);

	memcpy(to, circuit_rx_area(c) + offset, first);
	memcpy(to + first, circuit_rx_area(c), bytes - first);
}

static void ring_write(const struct circuit *c, uint32_t index,
		       const void *from, uint32_t bytes)
{
	uint32_t offset = index & (c->rx.size - 1);
	uint32_t first = least(bytes, c->rx.size - offset);

	memcpy(circuit_rx_area(c) + offset, from, first);
	memcpy(circuit_rx_area(c), (const uint8_t *)from + first,
	       bytes - first);
}

/* Towards the front; both may wrap, and overlap */
static void ring_move(const struct circuit *c, uint32_t to, uint32_t from,
		      uint32_t bytes)
{
	uint32_t mask = c->rx.size - 1, step;

	for (; bytes; bytes -= step, to += step, from += step) {
		step = least(bytes, c->rx.size - (to & mask));
		step = least(step, c->rx.size - (from & mask));
		memmove(circuit_rx_area(c) + (to & mask),
			circuit_rx_area(c) + (from & mask), step);
	}
}

bool receive_put(struct datagrams *d, const struct sb_datagram *header,
		 const void *payload)
{
	struct circuit *c = &d->circuit;
	uint32_t room = sb_datagram_room(header->bytes);

	if (sb_writer_room(&c->rx) < room && sb_writer_space(&c->rx) < room)
		return false;
	ring_write(c, c->rx.produced, header, sizeof(*header));
	if (header->bytes)
		ring_write(c, c->rx.produced + sizeof(*header), payload,
			   header->bytes);
	sb_writer_advance(&c->rx, room);
	return true;
}

void receive_publish(struct datagrams *d)
{
	struct circuit *c = &d->circuit;

	if (sb_writer_publish(&c->rx))
		line_ring(c->line, c->entry);
	c->line->useful = true;
}

static void set_address(struct sb_datagram *h, const void *bytes, size_t count,
			uint32_t interface)
{
	memcpy(h->local, bytes, count);
	h->interface = interface;
	h->flags |= SB_DATAGRAM_LOCAL | SB_DATAGRAM_INTERFACE;
}

static void take_pktinfo6(struct sb_datagram *h, const void *at)
{
	struct in6_pktinfo in6;

	memcpy(&in6, at, sizeof(in6));
	if (h->remote.family == SB_FAMILY_IPV6)
		set_address(h, &in6.ipi6_addr, 16, in6.ipi6_ifindex);
	else
		set_address(h, &in6.ipi6_addr.s6_addr[12], 4, in6.ipi6_ifindex);
}

static void take_pktinfo(struct sb_datagram *h, const void *at)
{
	struct in_pktinfo in;

	memcpy(&in, at, sizeof(in));
	set_address(h, &in.ipi_addr, 4, (uint32_t)in.ipi_ifindex);
}

static void take_drops(struct datagrams *d, const void *at)
{
	struct outlet *o = d->outlet;
	uint32_t drops;

	memcpy(&drops, at, sizeof(drops));
	udp_count(d, UDP_DROP_SOCKET, drops - o->kernel_drops);
	o->drops += drops - o->kernel_drops;
	o->kernel_drops = drops;
}

/* IP_TOS comes as a byte, everything else as an int */
static uint8_t number(const struct cmsghdr *c)
{
	int value = 0;

	if (c->cmsg_len < CMSG_LEN(sizeof(value)))
		return *CMSG_DATA(c);
	memcpy(&value, CMSG_DATA(c), sizeof(value));
	return (uint8_t)value;
}

static void take_control(struct datagrams *d, struct sb_datagram *h,
			 struct cmsghdr *c)
{
	bool ipv4 = c->cmsg_level == IPPROTO_IP;

	if (c->cmsg_level == SOL_SOCKET) {
		if (c->cmsg_type == SO_RXQ_OVFL)
			take_drops(d, CMSG_DATA(c));
	} else if (c->cmsg_type == (ipv4 ? IP_TTL : IPV6_HOPLIMIT)) {
		h->hops = number(c);
		h->flags |= SB_DATAGRAM_HOPS;
	} else if (c->cmsg_type == (ipv4 ? IP_TOS : IPV6_TCLASS)) {
		h->tos = number(c);
		h->flags |= SB_DATAGRAM_TOS;
	} else if (ipv4 && c->cmsg_type == IP_PKTINFO) {
		if (!(h->flags & SB_DATAGRAM_LOCAL))
			take_pktinfo(h, CMSG_DATA(c));
	} else if (!ipv4 && c->cmsg_type == IPV6_PKTINFO) {
		take_pktinfo6(h, CMSG_DATA(c));
	}
}

/* Return: is it for the guest? */
static bool make_header(struct datagrams *d, struct mmsghdr *m,
			struct sb_datagram *h)
{
	struct msghdr *hdr = &m->msg_hdr;
	struct sb_address real;
	bool neighbour;

	memset(h, 0, sizeof(*h));
	h->kind = SB_DATAGRAM_DATA;
	h->bytes = m->msg_len;
	if (address_from_sockaddr(&real, hdr->msg_name) < 0)
		return false;
	real = address_unmap(&real);
	if (d->outlet->protocol == UDP_PROTOCOL_ECHO)
		real.port = 0;
	neighbour = neighbour_called(d->outlet, &real, &h->remote);
	if (!neighbour && !destination_admits(d, &real)) {
		udp_count(d, UDP_DROP_STRANGER, 1);
		return false;
	}
	if (!neighbour)
		h->remote = outlet_show(d->outlet, &real);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(hdr); c; c = CMSG_NXTHDR(hdr, c))
		take_control(d, h, c);
	if (neighbour)
		neighbour_show_local(d->outlet, h);
	h->drops = d->outlet->drops;
	return true;
}

/* Where payload @i goes: @place bytes of the ring at @index, then its spill */
static void lay_out(const struct circuit *c, unsigned int i, uint32_t index,
		    uint32_t place)
{
	struct incoming *in = &incoming[i];
	struct msghdr *m = &message[i].msg_hdr;
	uint32_t offset =
		(index + sizeof(struct sb_datagram)) & (c->rx.size - 1);
	uint32_t first = least(place, c->rx.size - offset);
	unsigned int pieces = 1;

	in->at = index + sizeof(struct sb_datagram);
	in->place = place;
	in->piece[0] = (struct iovec){ circuit_rx_area(c) + offset, first };
	if (place > first)
		in->piece[pieces++] =
			(struct iovec){ circuit_rx_area(c), place - first };
	in->piece[pieces++] =
		(struct iovec){ in->spill + place, SPILL_BYTES - place };
	*m = (struct msghdr){ .msg_name = &in->from,
			      .msg_namelen = sizeof(in->from),
			      .msg_iov = in->piece,
			      .msg_iovlen = pieces,
			      .msg_control = in->control,
			      .msg_controllen = sizeof(in->control) };
}

/* Return: how many places there are in @room bytes, each but the last alike */
static unsigned int lay_out_all(const struct datagrams *d, uint32_t room,
				unsigned int places)
{
	const struct circuit *c = &d->circuit;
	uint32_t slot = sb_datagram_room(d->outlet->expected);
	uint32_t index = c->rx.produced, rest;
	unsigned int n = least(room / slot, places);

	if (!n)
		n = 1;
	for (unsigned int i = 0; i + 1 < n; i++, index += slot)
		lay_out(c, i, index, slot - sizeof(struct sb_datagram));
	rest = room - (index - c->rx.produced);
	rest = rest > sizeof(struct sb_datagram)
		       ? rest - (uint32_t)sizeof(struct sb_datagram)
		       : 0;
	lay_out(c, n - 1, index, least(rest, SB_DATAGRAM_MAX));
	return n;
}

/* From now on nothing that was received is in the ring's free part */
static void evacuate(const struct circuit *c, unsigned int from,
		     unsigned int count)
{
	for (unsigned int i = from; i < count; i++)
		ring_read(c, incoming[i].at, incoming[i].spill,
			  least(message[i].msg_len, incoming[i].place));
}

/**
 * struct settling - what was received finds its place
 * @count:     datagrams
 * @evacuated: all that are left are in private memory
 * @longest:   payload
 * @payload:   bytes in all that went into the ring
 * @records:   that went into the ring
 */
struct settling {
	unsigned int count;
	bool evacuated;
	uint32_t longest;
	uint64_t payload;
	unsigned int records;
};

static void settle(struct datagrams *d, unsigned int i, struct settling *s)
{
	struct circuit *c = &d->circuit;
	struct incoming *in = &incoming[i];
	uint32_t bytes = message[i].msg_len;
	struct sb_datagram h;
	uint32_t to;

	if (bytes > s->longest)
		s->longest = bytes;
	if (!make_header(d, &message[i], &h))
		return;
	if (!s->evacuated && (bytes > in->place || d->outlet->pending)) {
		evacuate(c, i, s->count);
		s->evacuated = true;
	}
	if (d->outlet->pending ||
	    sb_writer_room(&c->rx) < sb_datagram_room(bytes)) {
		if (!s->evacuated)
			evacuate(c, i, s->count);
		s->evacuated = true;
		pending_add(d, &h, in->spill);
		return;
	}
	to = c->rx.produced + sizeof(h);
	if (s->evacuated)
		ring_write(c, to, in->spill, bytes);
	else if (to != in->at)
		ring_move(c, to, in->at, bytes);
	ring_write(c, c->rx.produced, &h, sizeof(h));
	sb_writer_advance(&c->rx, sb_datagram_room(bytes));
	s->payload += bytes;
	s->records++;
}

/* Places for the next ones: as the longest of these, or slowly shorter */
static void expect(struct outlet *o, uint32_t longest)
{
	if (longest >= o->expected)
		o->expected = longest;
	else
		o->expected -= (o->expected - longest) / 8;
	if (o->expected < LIMIT_EXPECTED_LEAST)
		o->expected = LIMIT_EXPECTED_LEAST;
}

/* Places are laid out for as many as there may be, and one more shows the end */
static void expect_more(struct outlet *o, bool all)
{
	if (all)
		o->places = least(o->places * 4, LIMIT_RECORD_BATCH);
	else
		o->places -= (o->places - LIMIT_PLACES_LEAST) / 4;
}

/* The kernel says how many it dropped: of use where there is more than one */
static void count_drops(struct outlet *o)
{
	const int on = 1;

	if (o->counts_drops || !o->received)
		return;
	o->counts_drops = true;
	setsockopt(o->watch.fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof(on));
}

static void settle_all(struct datagrams *d, unsigned int count)
{
	struct settling s = { .count = count };

	for (unsigned int i = 0; i < count; i++)
		settle(d, i, &s);
	expect(d->outlet, s.longest);
	if (!s.records)
		return;
	rest_touch(d->outlet);
	count_drops(d->outlet);
	d->outlet->received += s.payload;
	udp_count(d, UDP_RECEIVED, s.records);
	udp_count(d, UDP_RECEIVED_BYTES, s.payload);
	receive_publish(d);
}

/* Return: how many came, or -1 */
static int receive(const struct outlet *o, unsigned int wanted)
{
	ssize_t got;

	if (wanted > 1)
		return recvmmsg(o->watch.fd, message, wanted, MSG_DONTWAIT,
				NULL);
	got = recvmsg(o->watch.fd, &message[0].msg_hdr, MSG_DONTWAIT);
	if (got < 0)
		return -1;
	message[0].msg_len = (unsigned int)got;
	return 1;
}

static void receive_some(struct datagrams *d, uint32_t room)
{
	struct outlet *o = d->outlet;
	unsigned int wanted;
	int got;

	if (o->expected < LIMIT_EXPECTED_LEAST)
		o->expected = LIMIT_EXPECTED_LEAST;
	wanted = lay_out_all(d, room, o->once ? o->places : 1);
	got = receive(o, wanted);
	o->turn = loop_turns(o->loop);
	/* an error of an earlier datagram: the queue has it */
	if (got < 0 && errno != EAGAIN && errno != EINTR)
		o->failed = true;
	if (got > 0)
		settle_all(d, (unsigned int)got);
	if (o->once)
		expect_more(o, got == (int)wanted);
	/*
	 * The loop tells again; or there were fewer than places, so that the
	 * socket is empty
	 */
	if (!o->once || (got < (int)wanted && !(got < 0 && errno != EAGAIN)))
		o->readable = false;
	if (o->readable || o->failed)
		datagrams_look_at(d);
}

int receive_run(struct datagrams *d)
{
	struct circuit *c = &d->circuit;
	struct outlet *o = d->outlet;
	uint32_t wanted;
	int64_t room;

	if ((!o->pending && !o->readable) || outlet_rests(o))
		return 0;
	room = sb_writer_space(&c->rx);
	if (room < 0)
		return -EPROTO;
	if (o->pending && !pending_run(d))
		return 0;
	if (!o->readable)
		return 0;
	room = sb_writer_room(&c->rx);
	wanted = least(sb_datagram_room(o->expected), c->rx.size / 2);
	/* the guest reads slowly: not woken for every datagram that it takes */
	if (room < wanted)
		room = sb_writer_arm(&c->rx, c->rx.size / 2);
	if (room < 0)
		return -EPROTO;
	if (room >= wanted)
		receive_some(d, (uint32_t)room);
	return 0;
}
