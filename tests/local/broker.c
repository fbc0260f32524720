// SPDX-License-Identifier: GPL-2.0-only
/*
 * broker.c - the local hypervisor: connections, guests, news
 *
 * One thread polls all connections. What a service mapped or bound is undone
 * when its connection ends, as a kernel does for a process; what a guest had
 * is gone with its connection, but mappings of its memory stay valid until
 * they are unmapped, as on Xen.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/local/broker.h"
#include "tests/local/broker_guest.h"

#define CONNECTIONS 256u

/**
 * struct connection - somebody who talks to us
 * @fd:     -1 in a free slot
 * @role:   LOCAL_CALLS, LOCAL_WATCH, LOCAL_GUEST, or 0 at first
 * @domain: who it is
 * @mapped: by slot of the guest: how often it mapped each grant, or NULL
 */
struct connection {
	int fd;
	uint32_t role;
	uint32_t domain;
	uint16_t *mapped[BROKER_GUESTS];
};

struct broker {
	pthread_t thread;
	int listener;
	int stop;
	uint32_t last_domain;
	struct connection connection[CONNECTIONS];
	struct broker_guest guest[BROKER_GUESTS];
	struct local_message message;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

static struct broker_guest *find_guest(struct broker *b, uint32_t domain)
{
	for (unsigned int i = 0; domain && i < BROKER_GUESTS; i++)
		if (b->guest[i].domain == domain)
			return &b->guest[i];
	return NULL;
}

static struct connection *guest_connection(struct broker *b, uint32_t domain)
{
	for (unsigned int i = 0; i < CONNECTIONS; i++)
		if (b->connection[i].fd >= 0 &&
		    b->connection[i].role == LOCAL_GUEST &&
		    b->connection[i].domain == domain)
			return &b->connection[i];
	return NULL;
}

static void tell(struct connection *c, const struct broker_guest *g,
		 enum hypervisor_guest_change change)
{
	struct local_message m = { .type = LOCAL_NEWS,
				   .state = change,
				   .domain = g->domain,
				   .gref = g->gref,
				   .port = g->port };

	memcpy(m.name, g->name, sizeof(m.name));
	memcpy(m.identity, g->identity, sizeof(m.identity));
	local_send(c->fd, &m, NULL, 0);
}

static void tell_all(struct broker *b, const struct broker_guest *g,
		     enum hypervisor_guest_change change)
{
	for (unsigned int i = 0; i < CONNECTIONS; i++)
		if (b->connection[i].fd >= 0 &&
		    b->connection[i].role == LOCAL_WATCH)
			tell(&b->connection[i], g, change);
}

static void set_backend(struct broker *b, struct broker_guest *g,
			enum local_state state)
{
	struct local_message m = { .type = LOCAL_BACKEND, .state = state };
	struct connection *c = guest_connection(b, g->domain);

	if (g->backend == state)
		return;
	g->backend = state;
	if (c)
		local_send(c->fd, &m, NULL, 0);
}

/* The same decisions as hypervisor_xen_guests.c makes */
static void look_at_frontend(struct broker *b, struct broker_guest *g)
{
	bool up = g->frontend == LOCAL_STATE_INITIALISED ||
		  g->frontend == LOCAL_STATE_CONNECTED;

	if (!g->offered)
		return;
	if (up && !g->connected && g->backend != LOCAL_STATE_CLOSED) {
		g->connected = true;
		tell_all(b, g, HYPERVISOR_GUEST_CONNECTED);
	} else if (!up && g->connected) {
		g->connected = false;
		tell_all(b, g, HYPERVISOR_GUEST_CLOSED);
	} else if (g->frontend == LOCAL_STATE_INITIALISING) {
		set_backend(b, g, LOCAL_STATE_INIT_WAIT);
	} else if (!up) {
		set_backend(b, g, LOCAL_STATE_CLOSED);
	}
}

static void device_order(struct broker *b, const struct local_message *m)
{
	struct broker_guest *g = find_guest(b, m->domain);

	if (!g)
		return;
	if (m->type == LOCAL_ATTACHED) {
		set_backend(b, g, LOCAL_STATE_CONNECTED);
	} else if (m->type == LOCAL_WITHDRAW) {
		g->offered = false;
		g->connected = false;
		set_backend(b, g, LOCAL_STATE_CLOSED);
	} else if (m->type == LOCAL_OFFER) {
		g->offered = true;
		look_at_frontend(b, g);
	}
}

/* Watching: the first look tells everything; a new operator offers again */
static void begin_watch(struct broker *b, struct connection *c)
{
	for (unsigned int i = 0; i < BROKER_GUESTS; i++) {
		if (!b->guest[i].domain)
			continue;
		b->guest[i].offered = false;
		b->guest[i].connected = false;
		tell(c, &b->guest[i], HYPERVISOR_GUEST_APPEARED);
	}
}

static void reply(struct connection *c, struct local_message *m, uint32_t error,
		  const int *fd, unsigned int fds)
{
	m->type = LOCAL_REPLY;
	m->error = error;
	if (error || fds == 0)
		m->count = error ? 0 : m->count;
	local_send(c->fd, m, fd, error ? 0 : fds);
}

static void begin_guest(struct broker *b, struct connection *c,
			struct local_message *m, int memory)
{
	uint32_t domain = m->domain ? m->domain : b->last_domain + 1;
	struct broker_guest *g = NULL;
	uint32_t error;

	for (unsigned int i = 0; i < BROKER_GUESTS && !g; i++)
		if (!b->guest[i].domain)
			g = &b->guest[i];
	error = !g ? ENOSPC
		: find_guest(b, domain)
			? EEXIST
			: broker_guest_init(g, domain, memory, m);
	if (error) {
		close(memory);
	} else {
		if (domain > b->last_domain)
			b->last_domain = domain;
		c->domain = domain;
		tell_all(b, g, HYPERVISOR_GUEST_APPEARED);
	}
	m->domain = domain;
	m->count = 0;
	reply(c, m, error, NULL, 0);
}

static void unmap_for(struct broker *b, struct connection *c,
		      struct broker_guest *g, uint32_t gref)
{
	uint16_t *mapped = c->mapped[g - b->guest];

	if (!mapped || gref >= LOCAL_GRANTS || !mapped[gref])
		return;
	mapped[gref]--;
	broker_guest_unmap(g, gref);
}

static void call_map(struct broker *b, struct connection *c,
		     struct broker_guest *g, struct local_message *m)
{
	uint32_t frame[HYPERVISOR_MAP_MAX], error;
	uint16_t **mapped = &c->mapped[g - b->guest];

	if (!*mapped)
		*mapped = calloc(LOCAL_GRANTS, sizeof(**mapped));
	error = *mapped ? broker_guest_map(g, c->domain, m->item, m->count,
					   frame)
			: ENOMEM;
	for (uint32_t i = 0; !error && i < m->count; i++)
		(*mapped)[m->item[i]]++;
	if (!error)
		memcpy(m->item, frame, m->count * sizeof(frame[0]));
	reply(c, m, error, &g->memory, 1);
}

static void call_channel(struct broker *b, struct connection *c,
			 struct broker_guest *g, struct local_message *m)
{
	uint32_t error;
	int fd[2];

	m->count = 0;
	if (m->type == LOCAL_UNBIND) {
		reply(c, m, broker_guest_unbind(g, m->port, c), NULL, 0);
		return;
	}
	error = broker_guest_bind(g, c->domain, m->port, c);
	if (!error) {
		fd[0] = g->channel[m->port].to_service;
		fd[1] = g->channel[m->port].to_guest;
	}
	reply(c, m, error, fd, 2);
}

static void call(struct broker *b, struct connection *c,
		 struct local_message *m)
{
	struct broker_guest *g = find_guest(b, m->domain);

	if (!g) {
		reply(c, m, ESRCH, NULL, 0);
	} else if (m->type == LOCAL_MAP) {
		call_map(b, c, g, m);
	} else if (m->type == LOCAL_UNMAP) {
		for (uint32_t i = 0; i < m->count; i++)
			unmap_for(b, c, g, m->item[i]);
		m->count = 0;
		reply(c, m, 0, NULL, 0);
	} else if (m->type == LOCAL_BIND || m->type == LOCAL_UNBIND) {
		call_channel(b, c, g, m);
	} else {
		reply(c, m, EINVAL, NULL, 0);
	}
}

static void guest_request(struct broker *b, struct connection *c,
			  struct local_message *m)
{
	struct broker_guest *g = find_guest(b, c->domain);
	uint32_t error;
	int fd[2] = { -1, -1 };

	if (!g)
		return;
	switch (m->type) {
	case LOCAL_ALLOCATE:
		error = broker_guest_allocate(g, m->domain, &m->port);
		if (!error) {
			fd[0] = g->channel[m->port].to_guest;
			fd[1] = g->channel[m->port].to_service;
		}
		reply(c, m, error, fd, 2);
		break;
	case LOCAL_FREE:
		reply(c, m, broker_guest_free(g, m->port), NULL, 0);
		break;
	case LOCAL_FRONTEND:
		g->frontend = m->state;
		g->gref = m->gref;
		g->port = m->port;
		look_at_frontend(b, g);
		break;
	default:
		call(b, c, m);
	}
}

static void undo_calls(struct broker *b, struct connection *c)
{
	for (unsigned int i = 0; i < BROKER_GUESTS; i++) {
		if (!b->guest[i].domain)
			continue;
		for (uint32_t n = 0; c->mapped[i] && n < LOCAL_GRANTS; n++)
			while (c->mapped[i][n])
				unmap_for(b, c, &b->guest[i], n);
		broker_guest_unbind_all(&b->guest[i], c);
	}
}

static void end_guest(struct broker *b, struct broker_guest *g)
{
	unsigned int slot = g - b->guest;

	tell_all(b, g, HYPERVISOR_GUEST_GONE);
	broker_guest_fini(g);
	for (unsigned int i = 0; i < CONNECTIONS; i++) {
		free(b->connection[i].mapped[slot]);
		b->connection[i].mapped[slot] = NULL;
	}
}

static void end(struct broker *b, struct connection *c)
{
	struct broker_guest *g = NULL;

	if (c->role == LOCAL_GUEST)
		g = find_guest(b, c->domain);
	undo_calls(b, c);
	if (g)
		end_guest(b, g);
	for (unsigned int i = 0; i < BROKER_GUESTS; i++) {
		free(c->mapped[i]);
		c->mapped[i] = NULL;
	}
	close(c->fd);
	c->fd = -1;
}

static void begin(struct broker *b, struct connection *c,
		  struct local_message *m, int fd)
{
	c->role = m->type;
	c->domain = LOCAL_DOMAIN_SERVICES;
	if (m->type == LOCAL_WATCH)
		begin_watch(b, c);
	else if (m->type == LOCAL_GUEST)
		begin_guest(b, c, m, fd);
}

static void serve(struct broker *b, struct connection *c)
{
	struct local_message *m = &b->message;
	int fd[LOCAL_FDS_MAX];

	if (local_receive(c->fd, m, fd, 0)) {
		end(b, c);
		return;
	}
	if (c->role == 0)
		begin(b, c, m, fd[0]);
	else if (c->role == LOCAL_CALLS)
		call(b, c, m);
	else if (c->role == LOCAL_WATCH)
		device_order(b, m);
	else
		guest_request(b, c, m);
}

static void take_connection(struct broker *b)
{
	int fd = accept4(b->listener, NULL, NULL, SOCK_CLOEXEC);

	for (unsigned int i = 0; fd >= 0 && i < CONNECTIONS; i++) {
		if (b->connection[i].fd >= 0)
			continue;
		b->connection[i].fd = fd;
		b->connection[i].role = 0;
		return;
	}
	close(fd);
}

static void *run(void *argument)
{
	struct broker *b = argument;
	struct pollfd set[CONNECTIONS + 2];

	for (;;) {
		for (unsigned int i = 0; i < CONNECTIONS; i++)
			set[i] = (struct pollfd){ b->connection[i].fd, POLLIN,
						  0 };
		set[CONNECTIONS] = (struct pollfd){ b->listener, POLLIN, 0 };
		set[CONNECTIONS + 1] = (struct pollfd){ b->stop, POLLIN, 0 };
		if (poll(set, CONNECTIONS + 2, -1) < 0)
			continue;
		if (set[CONNECTIONS + 1].revents)
			return NULL;
		for (unsigned int i = 0; i < CONNECTIONS; i++)
			if (set[i].revents && b->connection[i].fd >= 0)
				serve(b, &b->connection[i]);
		if (set[CONNECTIONS].revents)
			take_connection(b);
	}
}

static int listen_at(struct broker *b, const char *directory)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int length = snprintf(b->path, sizeof(b->path), "%s/%s", directory,
			      LOCAL_SOCKET);

	if (length < 0 || (size_t)length >= sizeof(b->path))
		return ENAMETOOLONG;
	memcpy(address.sun_path, b->path, sizeof(b->path));
	unlink(b->path);
	b->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	b->stop = eventfd(0, EFD_CLOEXEC);
	if (b->listener < 0 || b->stop < 0 ||
	    bind(b->listener, (struct sockaddr *)&address, sizeof(address)) ||
	    listen(b->listener, CONNECTIONS))
		return errno;
	return 0;
}

static void release(struct broker *b)
{
	for (unsigned int i = 0; i < CONNECTIONS; i++)
		if (b->connection[i].fd >= 0)
			end(b, &b->connection[i]);
	if (b->listener >= 0)
		close(b->listener);
	if (b->stop >= 0)
		close(b->stop);
	free(b);
}

struct broker *broker_start(const char *directory)
{
	struct broker *b = calloc(1, sizeof(*b));
	int error;

	if (!b)
		return NULL;
	for (unsigned int i = 0; i < CONNECTIONS; i++)
		b->connection[i].fd = -1;
	b->listener = -1;
	b->stop = -1;
	error = listen_at(b, directory);
	if (!error)
		error = pthread_create(&b->thread, NULL, run, b);
	if (!error)
		return b;
	release(b);
	errno = error;
	return NULL;
}

void broker_stop(struct broker *b)
{
	eventfd_write(b->stop, 1);
	pthread_join(b->thread, NULL);
	unlink(b->path);
	release(b);
}
