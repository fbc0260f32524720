// SPDX-License-Identifier: GPL-2.0-only
/*
 * pending.c - datagrams that have been received and find no room
 *
 * There are few: the socket is read only as far as the ring has room for
 * datagrams like the last ones. One that is larger than the areas asks the
 * guest for larger ones (sb_entry.grow_switch), and waits a while; then the
 * guest gets what fits. Bounded for each socket and each guest.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "services/common/limits.h"
#include "services/proxy-udp/udp.h"

/**
 * struct pending - a datagram that waits
 * @next:     behind it
 * @header:   of its record
 * @since_ms: when it came
 * @payload:  @header.bytes of it
 */
struct pending {
	struct pending *next;
	struct sb_datagram header;
	uint64_t since_ms;
	uint8_t payload[];
};

static uint64_t now_of(const struct datagrams *d)
{
	return loop_now(&d->circuit.line->proxy->service.loop);
}

void pending_add(struct datagrams *d, const struct sb_datagram *header,
		 const uint8_t *payload)
{
	struct udp_line *ul = udp_line_of(d);
	struct outlet *o = d->outlet;
	size_t bytes = sizeof(struct pending) + header->bytes;
	struct pending *p = NULL;

	if (o->pendings < LIMIT_PENDING &&
	    ul->pending + bytes <= LIMIT_PENDING_BYTES)
		p = malloc(bytes);
	if (!p) {
		o->drops++;
		udp_count(d, UDP_DROP_NO_ROOM, 1);
		return;
	}
	p->next = NULL;
	p->header = *header;
	p->since_ms = now_of(d);
	memcpy(p->payload, payload, header->bytes);
	*o->pending_end = p;
	o->pending_end = &p->next;
	o->pendings++;
	ul->pending += bytes;
	/* perhaps there is room, or larger areas are to be asked for */
	datagrams_look_at(d);
}

static void set_stuck(struct outlet *o, bool stuck)
{
	struct udp_line *ul = udp_line_of(o->at);

	ul->stuck += stuck;
	ul->stuck -= o->stuck;
	o->stuck = stuck;
}

static void remove_first(struct outlet *o)
{
	struct pending *p = o->pending;

	udp_line_of(o->at)->pending -= sizeof(*p) + p->header.bytes;
	o->pending = p->next;
	if (!o->pending)
		o->pending_end = &o->pending;
	o->pendings--;
	free(p);
}

void pending_free(struct outlet *o)
{
	while (o->pending)
		remove_first(o);
	set_stuck(o, false);
}

/* The guest is asked for areas that hold such a record */
static void ask_for_room(struct datagrams *d, uint32_t room)
{
	struct circuit *c = &d->circuit;
	uint32_t order = SB_ORDER_MIN;

	while (sb_area_bytes(order) < room)
		order++;
	set_stuck(d->outlet, true);
	proxy_starve(c->line->proxy);
	if (sb_load(&c->shared->grow_switch) == order)
		return;
	sb_store(&c->shared->grow_switch, order);
	line_ring(c->line, c->entry);
}

/* Larger areas did not come: what the present ones hold has to do */
static void cut(struct datagrams *d, struct pending *p)
{
	uint32_t fits = d->circuit.rx.size - (uint32_t)sizeof(p->header);

	udp_line_of(d)->pending -= p->header.bytes - fits;
	p->header.bytes = fits;
	p->header.flags |= SB_DATAGRAM_CUT;
	udp_count(d, UDP_CUT, 1);
}

/* Return: can the first one go into the ring now? */
static bool fits(struct datagrams *d, struct pending *p)
{
	struct circuit *c = &d->circuit;
	uint32_t room = sb_datagram_room(p->header.bytes);

	if (room > c->rx.size) {
		if (now_of(d) - p->since_ms < LIMIT_EXCHANGE_MS) {
			ask_for_room(d, room);
			return false;
		}
		cut(d, p);
		room = c->rx.size;
	}
	set_stuck(d->outlet, false);
	if (room < c->rx.size / 2)
		room = c->rx.size / 2;
	return sb_writer_space(&c->rx) >=
		       (int64_t)sb_datagram_room(p->header.bytes) ||
	       sb_writer_arm(&c->rx, room) >=
		       (int64_t)sb_datagram_room(p->header.bytes);
}

bool pending_run(struct datagrams *d)
{
	struct outlet *o = d->outlet;
	uint64_t payload = 0;
	unsigned int count = 0;
	bool put = false;

	while (o->pending && fits(d, o->pending) &&
	       receive_put(d, &o->pending->header, o->pending->payload)) {
		put = true;
		/* what is given back came from nobody */
		if (o->pending->header.kind == SB_DATAGRAM_DATA) {
			payload += o->pending->header.bytes;
			count++;
		}
		remove_first(o);
	}
	if (put) {
		o->received += payload;
		udp_count(d, UDP_RECEIVED, count);
		udp_count(d, UDP_RECEIVED_BYTES, payload);
		receive_publish(d);
	}
	return !o->pending;
}
