// SPDX-License-Identifier: GPL-2.0-only
/*
 * loopback.c - connections that never leave the guest
 *
 * Both sockets use one circuit whose pages are granted to nobody and whose
 * entry is plain memory: the one that connects is the owner, the one that is
 * accepted the peer, and everything else is the code of stream.c. A bell is a
 * call of the other socket's.
 *
 * 127.0.0.0/8, ::1 and the guest's own addresses come here. Nobody listening
 * is ECONNREFUSED. A full backlog makes the caller wait, as a lost SYN would,
 * but no longer than it takes the listener to accept.
 */
#include "switchboard.h"

bool sb_loopback_wanted(const struct sb_address *remote)
{
	return sb_address_is_loopback(remote) || sb_address_is_own(remote);
}

/* An unbound socket gets a port, and the address it talks to as its own */
static int choose_local(struct sb_sock *sb, const struct sb_address *remote)
{
	struct sb_address any = { .family = remote->family };
	int error;

	if (!sb->bound.family) {
		error = sb_port_bind(sb, &any);
		if (error)
			return error == -EADDRINUSE ? -EADDRNOTAVAIL : error;
	}
	sb->local = sb->bound;
	if (!sb_address_is_any(&sb->bound))
		return sb->bound.family == remote->family ? 0 : -ENETUNREACH;
	sb->local = *remote;
	sb->local.port = sb->bound.port;
	return 0;
}

static void prepare(struct sb_circuit *c, const struct sb_sock *sb)
{
	c->generation = sb_generation_next(c->generation);
	c->state = SB_CIRCUIT_BUSY;
	c->entry->kind = SB_ENTRY_STREAM;
	c->entry->order = c->order;
	c->entry->listener = SB_ENTRY_NONE;
	c->entry->local = sb->local;
	c->entry->remote = sb->remote;
	refcount_set(&c->ends, 2);
	sb_store(&c->entry->peer, sb_word(c->generation, 0));
	sb_store(&c->entry->owner, sb_word(c->generation, SB_WORD_LIVE));
}

/* Nobody took the other end */
static void undo(struct sb_sock *sb, struct sb_circuit *c)
{
	RCU_INIT_POINTER(c->end[SB_OWNER], NULL);
	sb->circuit = NULL;
	sb_stream_state(&sb->sk, TCP_CLOSE);
	sb_circuit_blank_put(c);
}

static int join(struct sb_sock *sb, struct sb_sock *listening)
{
	struct sb_circuit *c = sb_circuit_blank_get();
	int error;

	if (!c)
		return -ENOBUFS;
	prepare(c, sb);
	sb_stream_state(&sb->sk, TCP_SYN_SENT);
	sb_stream_attach(sb, c, SB_OWNER);
	error = sb_accept_join(listening, c);
	if (error)
		undo(sb, c);
	else
		sb_stream_look(sb);
	return error;
}

/* Socket lock held. 0 when connected or under way */
int sb_loopback_connect(struct sb_sock *sb, const struct sb_address *remote)
{
	bool was_bound = sb->bound.family;
	struct sb_sock *listening;
	int error;

	error = choose_local(sb, remote);
	if (error)
		return error;
	sb->remote = *remote;
	listening = sb_port_find(remote);
	if (listening) {
		error = join(sb, listening);
		sock_put(&listening->sk);
	} else {
		error = -ECONNREFUSED;
	}
	if (!error) {
		sb_count(&sb_counters.loopback_opened);
		return 0;
	}
	sb_count(&sb_counters.circuits_refused);
	if (!was_bound)
		sb_port_release(sb);
	return error;
}
