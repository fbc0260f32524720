// SPDX-License-Identifier: GPL-2.0-only
/*
 * hypervisor_local.c - the hypervisor port without a hypervisor
 *
 * Talks to the broker of hypervisor_wire.h over two connections that are made
 * in open(): one for calls that wait for their reply, one for news of guests.
 *
 * An event channel is an eventfd that is never read: it sits edge-triggered in
 * an epoll set of its own, so that each notification is one edge, and taking
 * 64 pending channels costs one system call, about as on Xen.
 */
#include <errno.h>
#include <search.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "services/common/hypervisor_ops.h"
#include "services/common/hypervisor_wire.h"

/**
 * struct mapping - what one map() mapped, to be named to the broker again
 * @address: key
 * @domain:  whose pages
 * @count:   of them
 * @gref:    of them
 */
struct mapping {
	void *address;
	uint32_t domain;
	uint32_t count;
	uint32_t gref[];
};

/**
 * struct channel - a bound event channel
 * @wait:   eventfd that the guest writes, -1 in a free slot
 * @signal: eventfd that the guest waits for
 * @domain: the guest
 * @port:   the guest's number for it
 * @masked: taken by pending(), not yet unmasked
 * @missed: rung while masked
 */
struct channel {
	int wait;
	int signal;
	uint32_t domain;
	uint32_t port;
	bool masked;
	bool missed;
};

/**
 * struct local - the port
 * @port:     first
 * @calls:    connection to the broker, or -1
 * @news:     connection to the broker, or -1
 * @set:      epoll set of bound channels
 * @mappings: tree of struct mapping
 * @channel:  grown by doubling
 * @channels: slots in @channel
 * @event:    taken from @set, not yet handed out
 * @events:   valid in @event
 * @next:     of @event
 * @message:  scratch, too large for the stack
 */
struct local {
	struct hypervisor port;
	int calls;
	int news;
	int set;
	void *mappings;
	struct channel *channel;
	unsigned int channels;
	struct epoll_event event[HYPERVISOR_BATCH];
	int events;
	int next;
	struct local_message message;
};

static struct local *local_of(const struct hypervisor *h)
{
	return (struct local *)h;
}

static struct local_message *request(struct local *l, enum local_type type,
				     uint32_t domain)
{
	struct local_message *m = &l->message;

	memset(m, 0, offsetof(struct local_message, item));
	m->type = type;
	m->domain = domain;
	return m;
}

/* Send l->message and wait for the answer in the same place */
static int call(struct local *l, int *fd)
{
	int error;

	if (l->calls < 0)
		return -EBADF;
	error = local_send(l->calls, &l->message, NULL, 0);
	if (!error)
		error = local_receive(l->calls, &l->message, fd, 0);
	if (error)
		return error;
	return -(int)l->message.error;
}

static int compare_mappings(const void *a, const void *b)
{
	const struct mapping *x = a, *y = b;

	return (x->address > y->address) - (x->address < y->address);
}

static struct mapping *remember(struct local *l, void *address, uint32_t domain,
				const uint32_t *gref, unsigned int count)
{
	struct mapping *m = malloc(sizeof(*m) + count * sizeof(*gref));

	if (!m)
		return NULL;
	m->address = address;
	m->domain = domain;
	m->count = count;
	memcpy(m->gref, gref, count * sizeof(*gref));
	if (tsearch(m, &l->mappings, compare_mappings))
		return m;
	free(m);
	return NULL;
}

static int forget_grants(struct local *l, uint32_t domain, const uint32_t *gref,
			 unsigned int count)
{
	struct local_message *m = request(l, LOCAL_UNMAP, domain);
	int fd[LOCAL_FDS_MAX];

	m->count = count;
	memcpy(m->item, gref, count * sizeof(*gref));
	return call(l, fd);
}

static void *map(struct hypervisor *h, uint32_t domain, const uint32_t *gref,
		 unsigned int count)
{
	struct local *l = local_of(h);
	struct local_message *m = request(l, LOCAL_MAP, domain);
	int fd[LOCAL_FDS_MAX], error;
	void *address;

	m->count = count;
	memcpy(m->item, gref, count * sizeof(*gref));
	error = call(l, fd);
	if (error) {
		errno = -error;
		return NULL;
	}
	address = local_map_frames(fd[0], m->item, count);
	error = errno;
	close(fd[0]);
	if (address && remember(l, address, domain, gref, count))
		return address;
	if (address) {
		munmap(address, (size_t)count * LOCAL_PAGE_BYTES);
		error = ENOMEM;
	}
	forget_grants(l, domain, gref, count);
	errno = error;
	return NULL;
}

static int unmap(struct hypervisor *h, void *address, unsigned int count)
{
	struct local *l = local_of(h);
	struct mapping key = { .address = address }, **found, *m;
	int error;

	found = tfind(&key, &l->mappings, compare_mappings);
	if (!found || (*found)->count != count)
		return -EINVAL;
	m = *found;
	tdelete(&key, &l->mappings, compare_mappings);
	munmap(address, (size_t)count * LOCAL_PAGE_BYTES);
	error = forget_grants(l, m->domain, m->gref, count);
	free(m);
	/* the guest may be gone already, its mappings were ours to keep */
	return error == -ESRCH ? 0 : error;
}

static int channel_fd(const struct hypervisor *h)
{
	return local_of(h)->set;
}

/* A free slot of l->channel, or -ENOMEM */
static int channel_slot(struct local *l)
{
	unsigned int n = l->channels ? 2 * l->channels : 16;
	struct channel *grown;

	for (unsigned int i = 0; i < l->channels; i++)
		if (l->channel[i].wait < 0)
			return i;
	grown = realloc(l->channel, n * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	for (unsigned int i = l->channels; i < n; i++)
		grown[i].wait = -1;
	n = l->channels;
	l->channel = grown;
	l->channels = n ? 2 * n : 16;
	return n;
}

static void kick(int eventfd)
{
	const uint64_t one = 1;

	/* EAGAIN when the count is at its limit: pending is pending */
	if (write(eventfd, &one, sizeof(one)) < 0)
		return;
}

static int bind_channel(struct hypervisor *h, uint32_t domain, uint32_t port)
{
	struct local *l = local_of(h);
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int fd[LOCAL_FDS_MAX], slot, error;

	slot = channel_slot(l);
	if (slot < 0)
		return slot;
	request(l, LOCAL_BIND, domain)->port = port;
	error = call(l, fd);
	if (error)
		return error;
	event.data.u32 = slot;
	if (epoll_ctl(l->set, EPOLL_CTL_ADD, fd[0], &event) < 0) {
		error = -errno;
		close(fd[0]);
		close(fd[1]);
		return error;
	}
	l->channel[slot] = (struct channel){
		.wait = fd[0], .signal = fd[1], .domain = domain, .port = port
	};
	/* Xen makes a freshly bound channel pending */
	kick(fd[0]);
	return slot;
}

static struct channel *channel_get(struct local *l, int channel)
{
	if (channel < 0 || (unsigned int)channel >= l->channels ||
	    l->channel[channel].wait < 0)
		return NULL;
	return &l->channel[channel];
}

static int unbind(struct hypervisor *h, int channel)
{
	struct local *l = local_of(h);
	struct channel *c = channel_get(l, channel);
	int fd[LOCAL_FDS_MAX], error;

	if (!c)
		return -ENOTCONN;
	request(l, LOCAL_UNBIND, c->domain)->port = c->port;
	error = call(l, fd);
	/* the broker and the guest have it too: closing alone does not suffice */
	epoll_ctl(l->set, EPOLL_CTL_DEL, c->wait, NULL);
	close(c->wait);
	close(c->signal);
	c->wait = -1;
	return error == -ESRCH ? 0 : error;
}

static int notify(struct hypervisor *h, int channel)
{
	struct channel *c = channel_get(local_of(h), channel);

	if (!c)
		return -ENOTCONN;
	kick(c->signal);
	return 0;
}

/*
 * One event while it is masked is noted, further ones are not even heard. A
 * channel that is heard again is told at once to have been rung.
 */
static void set_heard(struct local *l, int channel, bool heard)
{
	struct epoll_event event = { .events = heard ? EPOLLIN | EPOLLET : 0,
				     .data.u32 = channel };

	epoll_ctl(l->set, EPOLL_CTL_MOD, l->channel[channel].wait, &event);
}

/* Return: are there any? */
static bool take_events(struct local *l)
{
	bool all_taken = l->events && l->events < (int)HYPERVISOR_BATCH;

	l->next = 0;
	l->events = 0;
	/* a wait that did not fill the buffer took all there was */
	if (all_taken)
		return false;
	l->events = epoll_wait(l->set, l->event, HYPERVISOR_BATCH, 0);
	if (l->events < 0)
		l->events = 0;
	return l->events;
}

/* The next of those taken that is not masked, or -EAGAIN */
static int next_channel(struct local *l)
{
	struct channel *c;

	while (l->next < l->events) {
		int channel = l->event[l->next++].data.u32;

		c = channel_get(l, channel);
		if (!c)
			continue;
		if (!c->masked) {
			c->masked = true;
			return channel;
		}
		c->missed = true;
		set_heard(l, channel, false);
	}
	return -EAGAIN;
}

static int pending(struct hypervisor *h)
{
	struct local *l = local_of(h);
	int channel;

	do
		channel = next_channel(l);
	while (channel < 0 && take_events(l));
	return channel;
}

static int unmask_all(struct hypervisor *h, const int *channel,
		      unsigned int count)
{
	struct local *l = local_of(h);

	for (unsigned int i = 0; i < count; i++) {
		struct channel *c = channel_get(l, channel[i]);

		if (!c)
			return -ENOTCONN;
		c->masked = false;
		if (c->missed)
			set_heard(l, channel[i], true);
		c->missed = false;
	}
	return 0;
}

static int guest_fd(const struct hypervisor *h)
{
	return local_of(h)->news;
}

static int guest_next(struct hypervisor *h, struct hypervisor_guest *guest)
{
	struct local *l = local_of(h);
	struct local_message *m = &l->message;
	int fd[LOCAL_FDS_MAX];
	int error = local_receive(l->news, m, fd, MSG_DONTWAIT);

	if (error == -EAGAIN)
		return 0;
	if (error)
		return error;
	guest->change = m->state;
	guest->domain = m->domain;
	guest->gref = m->gref;
	guest->port = m->port;
	memcpy(guest->name, m->name, sizeof(guest->name));
	memcpy(guest->identity, m->identity, sizeof(guest->identity));
	guest->identity[sizeof(guest->identity) - 1] = 0;
	return 1;
}

static int order(struct hypervisor *h, enum local_type type, uint32_t domain)
{
	struct local *l = local_of(h);

	return local_send(l->news, request(l, type, domain), NULL, 0);
}

static int guest_offer(struct hypervisor *h, uint32_t domain)
{
	return order(h, LOCAL_OFFER, domain);
}

static int guest_attached(struct hypervisor *h, uint32_t domain)
{
	return order(h, LOCAL_ATTACHED, domain);
}

static int guest_withdraw(struct hypervisor *h, uint32_t domain,
			  const char *why)
{
	return order(h, LOCAL_WITHDRAW, domain);
}

static void free_mapping(void *node)
{
	struct mapping *m = node;

	munmap(m->address, (size_t)m->count * LOCAL_PAGE_BYTES);
	free(m);
}

static void close_port(struct hypervisor *h)
{
	struct local *l = local_of(h);

	tdestroy(l->mappings, free_mapping);
	for (unsigned int i = 0; i < l->channels; i++) {
		if (l->channel[i].wait < 0)
			continue;
		close(l->channel[i].wait);
		close(l->channel[i].signal);
	}
	free(l->channel);
	if (l->set >= 0)
		close(l->set);
	if (l->calls >= 0)
		close(l->calls);
	if (l->news >= 0)
		close(l->news);
	free(l);
}

static const struct hypervisor_ops local_ops = {
	.close = close_port,
	.map = map,
	.unmap = unmap,
	.channel_fd = channel_fd,
	.bind = bind_channel,
	.unbind = unbind,
	.notify = notify,
	.pending = pending,
	.unmask_all = unmask_all,
	.guest_fd = guest_fd,
	.guest_next = guest_next,
	.guest_offer = guest_offer,
	.guest_attached = guest_attached,
	.guest_withdraw = guest_withdraw,
};

/* A connection for one purpose, or -errno */
static int connect_for(struct local *l, const char *directory,
		       enum local_type type)
{
	int fd = local_connect(directory);
	int error;

	if (fd < 0)
		return fd;
	error = local_send(fd, request(l, type, 0), NULL, 0);
	if (!error)
		return fd;
	close(fd);
	return error;
}

struct hypervisor *hypervisor_local_open(const char *directory,
					 unsigned int wanted)
{
	struct local *l = calloc(1, sizeof(*l));
	int error = 0;

	if (!l)
		return NULL;
	l->port.ops = &local_ops;
	l->calls = -1;
	l->news = -1;
	l->set = epoll_create1(EPOLL_CLOEXEC);
	if (l->set < 0)
		error = -errno;
	if (!error && wanted & HYPERVISOR_GRANTS) {
		l->calls = connect_for(l, directory, LOCAL_CALLS);
		error = l->calls < 0 ? l->calls : 0;
	}
	if (!error && wanted & HYPERVISOR_GUESTS) {
		l->news = connect_for(l, directory, LOCAL_WATCH);
		error = l->news < 0 ? l->news : 0;
	}
	if (!error)
		return &l->port;
	close_port(&l->port);
	errno = -error;
	return NULL;
}
