/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * endpoint.c - an ipc socket in an event loop
 *
 * nanomsg signals that it can take a message after each one it took, so the
 * sending side is watched only while that is news: something is queued, or
 * nobody is connected. A peer that left and came back in between shows in the
 * number of connections, which every message and the timer look at.
 */
#include <errno.h>
#include <string.h>

#include "services/common/endpoint.h"
#include "services/common/limits.h"

static void watch_send(struct endpoint *e, bool wanted)
{
	if (ipc_send_fd(e->socket) < 0 || wanted == (e->send.fd >= 0))
		return;
	if (wanted)
		loop_watch(e->loop, &e->send, ipc_send_fd(e->socket),
			   EPOLLIN | EPOLLET);
	else
		loop_unwatch(e->loop, &e->send);
}

static void look_for_peer(struct endpoint *e)
{
	uint64_t connections;

	if (ipc_send_fd(e->socket) < 0)
		return;
	connections = ipc_connections(e->socket);
	/* one that cannot be used yet is counted, too: what is said is lost */
	if (connections == e->connections || !ipc_connected(e->socket))
		return;
	e->connections = connections;
	ipc_forget(e->socket);
	if (e->connected)
		e->connected(e);
}

static void flush(struct endpoint *e)
{
	size_t queued = ipc_flush(e->socket);

	watch_send(e, queued || !ipc_connected(e->socket));
}

static void send_ready(struct loop_watch *watch, uint32_t events)
{
	struct endpoint *e = loop_owner(watch, struct endpoint, send);

	look_for_peer(e);
	flush(e);
}

static void fire(struct loop_timer *timer)
{
	struct endpoint *e = loop_owner(timer, struct endpoint, timer);

	loop_timer_start(e->loop, timer, LIMIT_HOUSEKEEPING_MS);
	look_for_peer(e);
	flush(e);
}

static void receive_ready(struct loop_watch *watch, uint32_t events)
{
	static struct ipc_message m;
	struct endpoint *e = loop_owner(watch, struct endpoint, receive);
	int burst, err = 0;

	look_for_peer(e);
	for (burst = 0; burst < ENDPOINT_BURST && !err; burst++) {
		err = ipc_receive(e->socket, &m);
		if (!err && e->message) {
			e->message(e, &m);
		} else if (err == -EBADMSG) {
			log_limited(&e->limit, LOG_LEVEL_WARNING,
				    "message dropped: %s",
				    ipc_fault_text(e->socket));
			err = 0;
		} else if (err == -ETIMEDOUT && e->over) {
			e->over(e);
		}
	}
}

int endpoint_init(struct endpoint *e, struct loop *loop,
		  struct ipc_socket *socket)
{
	int err = 0;

	e->loop = loop;
	e->socket = socket;
	e->connections = 0;
	e->receive.fd = -1;
	e->receive.ready = receive_ready;
	e->send.fd = -1;
	e->send.ready = send_ready;
	e->timer.fire = fire;
	memset(&e->limit, 0, sizeof(e->limit));
	if (ipc_receive_fd(socket) >= 0)
		err = loop_watch(loop, &e->receive, ipc_receive_fd(socket),
				 EPOLLIN);
	if (!err && ipc_send_fd(socket) >= 0) {
		watch_send(e, true);
		loop_timer_start(loop, &e->timer, LIMIT_HOUSEKEEPING_MS);
	}
	return err;
}

int endpoint_send(struct endpoint *e, const struct ipc_message *m)
{
	int err = ipc_send(e->socket, m);

	if (err == -ENOTCONN || (!err && ipc_queued(e->socket)))
		watch_send(e, true);
	return err;
}

void endpoint_fini(struct endpoint *e)
{
	if (!e->socket)
		return;
	loop_unwatch(e->loop, &e->receive);
	loop_unwatch(e->loop, &e->send);
	loop_timer_stop(&e->timer);
	ipc_close(e->socket);
	e->socket = NULL;
}

struct ipc_message *endpoint_draft(enum ipc_type type)
{
	static struct ipc_message draft;

	draft.type = type;
	return &draft;
}
