/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hypervisor_wire.h - what the local hypervisor's broker and its clients say
 *
 * The broker (tests/local/broker.c) plays Xen for guests and services that
 * are ordinary processes: it serves DIR/hypervisor.sock, a UNIX socket of
 * whole messages. The first message on a connection says what it is for:
 *
 *   CALLS    maps and binds; each request gets one reply
 *   WATCH    the operator's view of guests: news come, device orders go
 *   GUEST    a guest: memory is handed over, requests get replies, and the
 *            device's state is told whenever the operator changes it
 *
 * A guest's memory is one memfd. Its first pages are its grant table, laid
 * out as Xen's version 1, so that granting takes no request; the broker alone
 * sets the IN_USE flags and checks every mapping against the table. An event
 * channel is a pair of eventfds that the broker keeps as long as the guest
 * lives: so a service that died leaves nothing to repair.
 */
#ifndef SWITCHBOARD_HYPERVISOR_WIRE_H
#define SWITCHBOARD_HYPERVISOR_WIRE_H

#include <stdint.h>

#include "services/common/hypervisor_ops.h"

#define LOCAL_SOCKET "hypervisor.sock"
#define LOCAL_PAGE_BYTES 4096u

/* The domain that services run in */
#define LOCAL_DOMAIN_SERVICES 0u

/* Grants of a guest, as Xen's default; its table takes that many bytes * 8 */
#define LOCAL_GRANTS 32768u
#define LOCAL_GRANT_PERMITTED 0x1u
#define LOCAL_GRANT_IN_USE 0x8u

/**
 * struct local_grant - an entry of a guest's grant table
 * @flags:  LOCAL_GRANT_*
 * @domain: who may map the page
 * @frame:  page of the guest's memory
 */
struct local_grant {
	uint16_t flags;
	uint16_t domain;
	uint32_t frame;
};

#define LOCAL_TABLE_BYTES (LOCAL_GRANTS * sizeof(struct local_grant))
#define LOCAL_TABLE_PAGES (LOCAL_TABLE_BYTES / LOCAL_PAGE_BYTES)

enum local_type {
	/* first on a connection */
	LOCAL_CALLS = 1,
	LOCAL_WATCH,
	LOCAL_GUEST, /* domain (0: choose), name, identity; memfd */
	/* on CALLS and GUEST; each answered by LOCAL_REPLY */
	LOCAL_MAP, /* domain, count, item: grants -> item: frames; memfd */
	LOCAL_UNMAP, /* domain, count, item: grants */
	LOCAL_BIND, /* domain, port -> eventfds: to wait for, to notify */
	LOCAL_UNBIND, /* domain, port */
	LOCAL_REPLY, /* error, domain, port, count, item */
	/* on GUEST, answered */
	LOCAL_ALLOCATE, /* domain that may bind -> port; eventfds as BIND */
	LOCAL_FREE, /* port */
	/* on GUEST, not answered */
	LOCAL_FRONTEND, /* state, gref, port */
	LOCAL_BACKEND, /* to the guest: state */
	/* on WATCH, not answered */
	LOCAL_OFFER, /* domain */
	LOCAL_ATTACHED, /* domain */
	LOCAL_WITHDRAW, /* domain */
	LOCAL_NEWS, /* state: enum hypervisor_guest_change, and the rest */
};

/* As enum xenbus_state */
enum local_state {
	LOCAL_STATE_INITIALISING = 1,
	LOCAL_STATE_INIT_WAIT = 2,
	LOCAL_STATE_INITIALISED = 3,
	LOCAL_STATE_CONNECTED = 4,
	LOCAL_STATE_CLOSING = 5,
	LOCAL_STATE_CLOSED = 6,
};

/**
 * struct local_message - every message, cut off after @count items
 * @type:     enum local_type
 * @error:    of a reply: 0 or an errno
 * @domain:   which guest
 * @port:     event channel of that guest
 * @gref:     grant of the trunk
 * @state:    enum local_state or enum hypervisor_guest_change
 * @count:    of @item
 * @name:     guest's name
 * @identity: guest's UUID
 * @item:     grants or frames
 */
struct local_message {
	uint32_t type;
	uint32_t error;
	uint32_t domain;
	uint32_t port;
	uint32_t gref;
	uint32_t state;
	uint32_t count;
	char name[64];
	char identity[40];
	uint32_t item[HYPERVISOR_MAP_MAX];
};

#define LOCAL_FDS_MAX 2u

/**
 * local_send() - send a message and file descriptors
 * @fd:    -1 in place of one that is not there
 *
 * Return: 0 or -errno.
 */
int local_send(int socket, const struct local_message *m, const int *fd,
	       unsigned int fds);
/**
 * local_receive() - receive a message and file descriptors
 * @fd: LOCAL_FDS_MAX, -1 where there is none; the caller closes them
 *
 * Return: 0; -EAGAIN; -ECONNRESET at the end; -EBADMSG; another -errno.
 */
int local_receive(int socket, struct local_message *m, int *fd, int flags);
/* Connect to the broker in @directory. Return: a socket, or -errno */
int local_connect(const char *directory);
/*
 * Map @count frames of a guest's memory one after the other.
 * Return: the address, or NULL with errno.
 */
void *local_map_frames(int memory, const uint32_t *frame, unsigned int count);

#endif
