// SPDX-License-Identifier: GPL-2.0-only
/*
 * datagrams.c - the life of a datagram circuit
 *
 * Nothing is asked of the operator for a socket that is not bound: it is open
 * at the first look, and what is in its ring already goes out in the same.
 *
 * A process that takes over makes the sockets anew: a datagram socket has no
 * connection that could be lost, and what was in the rings still is.
 */
#include <errno.h>
#include <stdio.h>

#include "services/common/address.h"
#include "services/common/limits.h"
#include "services/proxy-udp/udp.h"

static const char *const phase_name[] = {
	[DATAGRAMS_LATE] = "late",
	[DATAGRAMS_BINDING] = "binding",
	[DATAGRAMS_REPLACING] = "replacing",
	[DATAGRAMS_OPEN] = "open",
};

void datagrams_look_at(struct datagrams *d)
{
	line_look_at(d->circuit.line, d->circuit.entry);
}

void datagrams_opened(struct datagrams *d, bool awaited)
{
	struct circuit *c = &d->circuit;

	d->phase = DATAGRAMS_OPEN;
	c->shared->local = d->outlet->local;
	c->shared->remote = (struct sb_address){ 0 };
	/* otherwise the bell goes with the first answer's */
	c->left = !awaited;
	circuit_publish(c, SB_PEER_OPEN);
	c->left = false;
	/* records may be in the ring already, without a bell of their own */
	datagrams_look_at(d);
}

void datagrams_restart(struct datagrams *d)
{
	d->phase = DATAGRAMS_LATE;
	datagrams_look_at(d);
}

/* A port that others may know; those of the guest's loopback never are */
static bool wants_place(const struct datagrams *d)
{
	return d->bound.port && d->protocol != UDP_PROTOCOL_ECHO &&
	       !(address_class(&d->bound) & ADDRESS_LOOPBACK);
}

static void open_outlet(struct datagrams *d, const struct sb_address *place)
{
	int error = outlet_open(d, place);

	if (error)
		circuit_end(&d->circuit, -error, 0);
	else
		datagrams_opened(d, wants_place(d));
}

/* The operator says where the guest's port appears, if anywhere */
static void bind_outlet(struct datagrams *d)
{
	struct sb_address place;
	int error = destination_place(d, &place);

	if (error == -EINPROGRESS)
		return;
	if (error == -EADDRINUSE) {
		udp_count(d, UDP_BIND_FAILED, 1);
		circuit_end(&d->circuit, EADDRINUSE, 0);
		return;
	}
	if (error)
		udp_count(d, UDP_UNPUBLISHED, 1);
	open_outlet(d, error ? NULL : &place);
}

static void start(struct datagrams *d)
{
	struct circuit *c = &d->circuit;

	/* sockets that the process before us had were paid for */
	if (!d->resumed && !tokens_pay(c))
		return;
	if (d->replaces != SB_ENTRY_NONE && exchange_begin(d)) {
		d->phase = DATAGRAMS_REPLACING;
		circuit_take(c);
	} else if (wants_place(d)) {
		d->phase = DATAGRAMS_BINDING;
		if (!c->word)
			circuit_take(c);
		bind_outlet(d);
	} else {
		open_outlet(d, NULL);
	}
}

/*
 * An outlet that rests is woken by something to be sent. Return: can the
 * circuit be looked at?
 */
static bool wake(struct datagrams *d)
{
	struct circuit *c = &d->circuit;
	int error;

	if (!outlet_rests(d->outlet) || sb_reader_available(&c->tx) <= 0)
		return true;
	if (!tokens_pay(c))
		return false;
	error = outlet_wake(d->outlet);
	if (error)
		circuit_end(c, -error, 0);
	return !error;
}

static void run(struct datagrams *d, uint32_t owner)
{
	bool closing = owner & SB_WORD_FIN && owner & SB_WORD_STOP;
	struct outlet *o = d->outlet;
	int64_t left;

	d->circuit.left = closing;
	if (!wake(d))
		return;
	options_apply(d);
	if (o->failed)
		error_drain(d);
	left = send_run(d);
	if (left == 0 && d->successor) {
		exchange_end(d);
		return;
	}
	if (left == 0 && closing) {
		circuit_end(&d->circuit, 0, 0);
		return;
	}
	if (left >= 0 && !(owner & SB_WORD_STOP) && receive_run(d) < 0)
		left = -EPROTO;
	if (left < 0)
		circuit_end_liar(&d->circuit, "a record or index that cannot "
					      "be");
}

static void go_on(struct circuit *c, uint32_t owner)
{
	struct datagrams *d = datagrams_of(c);

	switch (d->phase) {
	case DATAGRAMS_LATE:
		start(d);
		break;
	case DATAGRAMS_BINDING:
		bind_outlet(d);
		break;
	case DATAGRAMS_REPLACING:
		break;
	case DATAGRAMS_OPEN:
		run(d, owner);
		break;
	}
}

static int read_wishes(struct datagrams *d)
{
	struct circuit *c = &d->circuit;
	struct sb_options options;
	struct sb_call call;
	int error = d->resumed ? circuit_map_again(c) : circuit_map(c);

	if (!error)
		error = circuit_read_call(c, &call);
	if (error)
		return error;
	circuit_copy_options(c, &options);
	if (options.protocol > UDP_PROTOCOL_ECHO)
		return -EPROTONOSUPPORT;
	if (c->tx.consumed % SB_DATAGRAM_ALIGN ||
	    c->rx.produced % SB_DATAGRAM_ALIGN)
		return -EPROTO;
	d->protocol = options.protocol;
	d->bound = address_unmap(&call.local);
	return 0;
}

static struct datagrams *begin(struct line *l, uint32_t entry,
			       uint32_t generation, bool resumed)
{
	struct circuit *c = line_circuit_make(l, entry);
	struct datagrams *d = datagrams_of(c);

	if (!c)
		return NULL;
	l->calls++;
	if (__atomic_load_n(&c->shared->kind, __ATOMIC_ACQUIRE) !=
	    SB_ENTRY_DATAGRAM) {
		line_lie(l, "an entry that is for no datagrams", entry);
		circuit_refuse(c, generation, EINVAL);
		return NULL;
	}
	if (resumed)
		circuit_resume(c, generation);
	else
		circuit_begin(c, generation);
	d->phase = DATAGRAMS_LATE;
	d->resumed = resumed;
	d->replaces = sb_load(&c->shared->listener);
	d->successor = NULL;
	d->outlet = NULL;
	sb_store(&c->shared->grow_switch, 0);
	return d;
}

static void accept_offer(struct datagrams *d)
{
	struct circuit *c = &d->circuit;
	struct line *l = c->line;
	int error = l->circuits > l->attach.circuits_max ? -ENOBUFS
							 : read_wishes(d);

	if (error == -EPROTO)
		circuit_end_liar(c, "a call that cannot be");
	else if (error)
		circuit_end(c, -error, 0);
	else if (d->resumed)
		/* when all that was there before is known */
		datagrams_look_at(d);
	else
		start(d);
}

static void offered(struct line *l, uint32_t entry, uint32_t generation)
{
	struct datagrams *d = begin(l, entry, generation, false);

	if (!d)
		return;
	l->useful = true;
	accept_offer(d);
}

static void take_over(struct line *l, uint32_t entry, uint32_t generation)
{
	struct datagrams *d = begin(l, entry, generation, true);

	if (d)
		accept_offer(d);
}

static void ended(struct circuit *c, uint32_t flags)
{
	struct datagrams *d = datagrams_of(c);

	d->phase = DATAGRAMS_OPEN;
	exchange_forget(d);
	if (d->outlet)
		outlet_close(d->outlet);
}

static int line_begin(struct line *l)
{
	return destination_begin((struct udp_line *)(void *)l);
}

static void line_end(struct line *l)
{
	destination_end((struct udp_line *)(void *)l);
	outlet_end((struct udp_line *)(void *)l);
}

static void withdrawn(struct line *l)
{
	destination_withdraw((struct udp_line *)(void *)l);
}

static void look_if_stuck(struct circuit *c, void *argument)
{
	const struct outlet *o = datagrams_of(c)->outlet;

	if (c->active && o && o->stuck)
		line_look_at(c->line, c->entry);
}

static void line_again(struct line *l)
{
	if (((struct udp_line *)(void *)l)->stuck)
		line_for_each(l, look_if_stuck, NULL);
}

static void fill(const struct circuit *c, struct ipc_circuit_row *row)
{
	const struct datagrams *d = (const struct datagrams *)(const void *)c;
	const struct outlet *o = d->outlet;

	snprintf(row->kind, sizeof(row->kind), "datagram");
	snprintf(row->state, sizeof(row->state), "%s",
		 verdicts_waits(&c->question) ? "waiting"
		 : o && outlet_rests(o)	      ? "resting"
					      : phase_name[d->phase]);
	if (!o)
		return;
	address_text(&o->local, row->local, sizeof(row->local));
	row->local_port = o->local.port;
	row->sent = o->sent;
	row->received = o->received;
}

static const char *const count_name[] = {
#define NAME(count, text) [UDP_##count - PROXY_OWN_COUNTS] = text
	NAME(SENT, "sent-datagrams"),
	NAME(SENT_BYTES, "sent-bytes"),
	NAME(SENT_CALLS, "sent-calls"),
	NAME(RECEIVED, "received-datagrams"),
	NAME(RECEIVED_BYTES, "received-bytes"),
	NAME(SOCKETS, "sockets"),
	NAME(RESTED, "rested"),
	NAME(WOKEN, "woken"),
	NAME(REUSED, "reused"),
	NAME(BOUND, "bound"),
	NAME(UNPUBLISHED, "unpublished"),
	NAME(BIND_FAILED, "bind-failed"),
	NAME(EXCHANGED, "exchanged"),
	NAME(ERRORS, "errors-told"),
	NAME(ERRORS_LOCAL, "errors-local"),
	NAME(DROP_REFUSED, "dropped-refused"),
	NAME(DROP_BAD_RECORD, "dropped-bad-record"),
	NAME(DROP_BUSY, "dropped-busy"),
	NAME(DROP_SOCKET, "dropped-socket"),
	NAME(DROP_NO_ROOM, "dropped-no-room"),
	NAME(DROP_STRANGER, "dropped-stranger"),
	NAME(DROP_ERROR, "dropped-error"),
	NAME(GIVEN_BACK, "given-back"),
	NAME(CUT, "cut"),
#undef NAME
};

_Static_assert(sizeof(count_name) / sizeof(count_name[0]) ==
		       UDP_COUNTS_END - PROXY_OWN_COUNTS,
	       "every count has a name");

const struct proxy_kind udp_kind = {
	.name = "proxy-udp",
	.user = "switchboard-proxy-udp",
	.pair = "udp-",
	.line_kind = SB_LINE_UDP,
	.shares = 1,
	.line_bytes = sizeof(struct udp_line),
	.circuit_bytes = sizeof(struct datagrams),
	.count_name = count_name,
	.counts = sizeof(count_name) / sizeof(count_name[0]),
	.line_begin = line_begin,
	.line_end = line_end,
	.line_again = line_again,
	.withdrawn = withdrawn,
	.take_over = take_over,
	.offered = offered,
	.go_on = go_on,
	.ended = ended,
	.fill = fill,
};
