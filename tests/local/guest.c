// SPDX-License-Identifier: GPL-2.0-only
/*
 * guest.c - a guest's memory, grants, channels and device
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/local/guest_line.h"

#define MEMORY_DEFAULT (64u << 20)

uint64_t guest_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ull + now.tv_nsec / 1000000;
}

void *guest_page(const struct guest *g, uint32_t frame)
{
	return g->base + (size_t)frame * LOCAL_PAGE_BYTES;
}

uint32_t guest_frame(const struct guest *g, const void *page)
{
	return ((const uint8_t *)page - g->base) / LOCAL_PAGE_BYTES;
}

uint32_t guest_pages_get(struct guest *g, uint32_t count)
{
	uint32_t frame;

	if (count == 0 || count > GUEST_RUN_MAX)
		return 0;
	frame = g->free_run[count];
	if (frame) {
		memcpy(&g->free_run[count], guest_page(g, frame),
		       sizeof(frame));
	} else {
		if (count > g->frames - g->next_frame)
			return 0;
		frame = g->next_frame;
		g->next_frame += count;
	}
	memset(guest_page(g, frame), 0, (size_t)count * LOCAL_PAGE_BYTES);
	return frame;
}

void guest_pages_put(struct guest *g, uint32_t frame, uint32_t count)
{
	memcpy(guest_page(g, frame), &g->free_run[count], sizeof(frame));
	g->free_run[count] = frame;
}

uint32_t guest_grant(struct guest *g, uint32_t frame, uint32_t domain)
{
	uint32_t gref;

	if (!g->free_grants)
		return 0;
	gref = g->free_grant[--g->free_grants];
	g->grant[gref].frame = frame;
	__atomic_store_n(&g->grant[gref].domain, domain, __ATOMIC_RELEASE);
	__atomic_store_n(&g->grant[gref].flags, LOCAL_GRANT_PERMITTED,
			 __ATOMIC_SEQ_CST);
	return gref;
}

int guest_grant_end(struct guest *g, uint32_t gref)
{
	uint16_t flags = LOCAL_GRANT_PERMITTED;

	if (!__atomic_compare_exchange_n(&g->grant[gref].flags, &flags, 0,
					 false, __ATOMIC_SEQ_CST,
					 __ATOMIC_SEQ_CST))
		return -EBUSY;
	g->free_grant[g->free_grants++] = gref;
	return 0;
}

/* Take messages until a reply has come. Return: 0 or -errno */
static int await_reply(struct guest *g, int *fd)
{
	int error;

	for (;;) {
		error = local_receive(g->broker, &g->message, fd, 0);
		if (error)
			return error;
		if (g->message.type == LOCAL_REPLY)
			return -(int)g->message.error;
		if (g->message.type == LOCAL_BACKEND)
			g->backend = g->message.state;
	}
}

static int call(struct guest *g, int *fd)
{
	int error = local_send(g->broker, &g->message, NULL, 0);

	return error ? error : await_reply(g, fd);
}

static void prepare(struct guest *g, enum local_type type)
{
	memset(&g->message, 0, offsetof(struct local_message, item));
	g->message.type = type;
}

int guest_channel_allocate(struct guest *g, struct guest_channel *c,
			   uint32_t remote)
{
	int fd[LOCAL_FDS_MAX], error;

	prepare(g, LOCAL_ALLOCATE);
	g->message.domain = remote;
	error = call(g, fd);
	if (error)
		return error;
	c->port = g->message.port;
	c->wait = fd[0];
	c->signal = fd[1];
	return 0;
}

void guest_channel_free(struct guest *g, struct guest_channel *c)
{
	int fd[LOCAL_FDS_MAX];

	if (!c->port)
		return;
	prepare(g, LOCAL_FREE);
	g->message.port = c->port;
	call(g, fd);
	close(c->wait);
	close(c->signal);
	c->port = 0;
}

void guest_channel_notify(const struct guest_channel *c)
{
	eventfd_write(c->signal, 1);
}

bool guest_channel_wait(const struct guest_channel *c, int timeout_ms)
{
	struct pollfd set = { c->wait, POLLIN, 0 };
	eventfd_t count;

	if (eventfd_read(c->wait, &count) == 0)
		return true;
	return timeout_ms != 0 && poll(&set, 1, timeout_ms) == 1 &&
	       eventfd_read(c->wait, &count) == 0;
}

int guest_device_set(struct guest *g, enum local_state state)
{
	prepare(g, LOCAL_FRONTEND);
	g->message.state = state;
	g->message.gref = g->trunk.gref;
	g->message.port = g->trunk.channel.port;
	return local_send(g->broker, &g->message, NULL, 0);
}

int guest_device_wait(struct guest *g, enum local_state backend, int timeout_ms)
{
	uint64_t end_ms = guest_now_ms() + timeout_ms;
	struct pollfd set = { g->broker, POLLIN, 0 };
	int fd[LOCAL_FDS_MAX], error;

	while (g->backend != backend) {
		uint64_t now_ms = guest_now_ms();

		if (now_ms >= end_ms || poll(&set, 1, end_ms - now_ms) != 1)
			return -ETIMEDOUT;
		error = local_receive(g->broker, &g->message, fd, 0);
		if (error)
			return error;
		if (g->message.type == LOCAL_BACKEND)
			g->backend = g->message.state;
	}
	return 0;
}

static int make_memory(struct guest *g, size_t bytes)
{
	if (bytes < 2 * LOCAL_TABLE_BYTES)
		bytes = MEMORY_DEFAULT;
	g->memory = memfd_create("guest", MFD_CLOEXEC);
	if (g->memory < 0 || ftruncate(g->memory, bytes) < 0)
		return -errno;
	g->base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
		       g->memory, 0);
	if (g->base == MAP_FAILED)
		return -errno;
	g->frames = bytes / LOCAL_PAGE_BYTES;
	g->next_frame = LOCAL_TABLE_PAGES;
	g->grant = (struct local_grant *)g->base;
	/* the first few are reserved in Xen too; 0 means none here */
	for (uint32_t gref = LOCAL_GRANTS - 1; gref >= 8; gref--)
		g->free_grant[g->free_grants++] = gref;
	return 0;
}

static int register_guest(struct guest *g, const char *directory,
			  const struct guest_options *options)
{
	int fd[LOCAL_FDS_MAX], error;

	g->broker = local_connect(directory);
	if (g->broker < 0)
		return g->broker;
	prepare(g, LOCAL_GUEST);
	g->message.domain = options->domain;
	strncpy(g->message.name, options->name, sizeof(g->message.name) - 1);
	strncpy(g->message.identity, options->identity,
		sizeof(g->message.identity) - 1);
	error = local_send(g->broker, &g->message, &g->memory, 1);
	if (!error)
		error = await_reply(g, fd);
	g->domain = g->message.domain;
	return error;
}

struct guest *guest_new(const char *directory,
			const struct guest_options *options)
{
	struct guest *g = calloc(1, sizeof(*g));
	int error;

	if (!g)
		return NULL;
	g->broker = -1;
	g->memory = -1;
	g->base = MAP_FAILED;
	error = make_memory(g, options->memory);
	if (!error)
		error = register_guest(g, directory, options);
	if (!error)
		return g;
	guest_free(g);
	errno = -error;
	return NULL;
}

void guest_free(struct guest *g)
{
	if (!g)
		return;
	while (g->lines)
		guest_line_free(g->lines);
	if (g->broker >= 0)
		close(g->broker);
	if (g->trunk.channel.port) {
		close(g->trunk.channel.wait);
		close(g->trunk.channel.signal);
	}
	if (g->base != MAP_FAILED)
		munmap(g->base, (size_t)g->frames * LOCAL_PAGE_BYTES);
	if (g->memory >= 0)
		close(g->memory);
	free(g);
}
