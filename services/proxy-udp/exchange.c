// SPDX-License-Identifier: GPL-2.0-only
/*
 * exchange.c - a circuit takes the place of another, for larger areas
 *
 * The guest offers a circuit that names the entry it replaces, and writes to
 * the new one only. What is in the old one's tx goes out first, so that the
 * order is kept; then the outlet moves, the new entry says OPEN and the old
 * one CLOSED. What the guest has not read of the old rx it reads before.
 */
#include "services/proxy-udp/udp.h"

/* The circuit to be replaced, if there is one that can be */
static struct datagrams *find_old(const struct datagrams *d)
{
	struct circuit *c = NULL;
	struct datagrams *old;

	if (d->replaces < SB_ENTRIES_MAX)
		c = line_circuit(d->circuit.line, d->replaces);
	if (!c || !c->active || c == &d->circuit)
		return NULL;
	old = datagrams_of(c);
	return old->successor || old->phase == DATAGRAMS_REPLACING ? NULL : old;
}

bool exchange_begin(struct datagrams *d)
{
	struct datagrams *old = find_old(d);

	if (!old)
		return false;
	old->successor = d;
	datagrams_look_at(old);
	return true;
}

void exchange_end(struct datagrams *old)
{
	/* ends the old one's part, see exchange_forget() */
	circuit_end(&old->circuit, 0, 0);
}

static struct datagrams *predecessor(const struct datagrams *d)
{
	struct circuit *c = line_circuit(d->circuit.line, d->replaces);

	return c && datagrams_of(c)->successor == d ? datagrams_of(c) : NULL;
}

void exchange_forget(struct datagrams *d)
{
	struct datagrams *next = d->successor, *old;

	if (d->replaces != SB_ENTRY_NONE) {
		old = predecessor(d);
		if (old)
			old->successor = NULL;
		d->replaces = SB_ENTRY_NONE;
	}
	if (!next)
		return;
	d->successor = NULL;
	next->replaces = SB_ENTRY_NONE;
	if (d->outlet) {
		outlet_move(d, next);
		udp_count(next, UDP_EXCHANGED, 1);
		datagrams_opened(next, true);
	} else {
		/* there is nothing to take: a socket of its own */
		datagrams_restart(next);
	}
}
