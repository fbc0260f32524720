// SPDX-License-Identifier: GPL-2.0-only
/*
 * broker_guest.c - what the broker keeps of a guest: grants and channels
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/local/broker_guest.h"

uint32_t broker_guest_init(struct broker_guest *g, uint32_t domain, int memory,
			   const struct local_message *hello)
{
	struct stat st;

	if (fstat(memory, &st) < 0 || st.st_size < (off_t)LOCAL_TABLE_BYTES)
		return EINVAL;
	memset(g, 0, sizeof(*g));
	g->mappings = calloc(LOCAL_GRANTS, sizeof(*g->mappings));
	if (!g->mappings)
		return ENOMEM;
	g->table = mmap(NULL, LOCAL_TABLE_BYTES, PROT_READ | PROT_WRITE,
			MAP_SHARED, memory, 0);
	if (g->table == MAP_FAILED) {
		free(g->mappings);
		return ENOMEM;
	}
	for (unsigned int i = 0; i < BROKER_CHANNELS; i++)
		g->channel[i].to_guest = -1;
	memcpy(g->name, hello->name, sizeof(g->name));
	memcpy(g->identity, hello->identity, sizeof(g->identity));
	g->memory = memory;
	g->frames = st.st_size / LOCAL_PAGE_BYTES;
	g->frontend = LOCAL_STATE_INITIALISING;
	g->domain = domain;
	return 0;
}

void broker_guest_fini(struct broker_guest *g)
{
	for (uint32_t port = 0; port < BROKER_CHANNELS; port++)
		broker_guest_free(g, port);
	munmap(g->table, LOCAL_TABLE_BYTES);
	free(g->mappings);
	close(g->memory);
	g->domain = 0;
}

static uint32_t map_one(struct broker_guest *g, uint32_t domain, uint32_t gref,
			uint32_t *frame)
{
	struct local_grant *entry;
	uint16_t flags;

	if (gref >= LOCAL_GRANTS)
		return EINVAL;
	entry = &g->table[gref];
	flags = __atomic_load_n(&entry->flags, __ATOMIC_ACQUIRE);
	if (!(flags & LOCAL_GRANT_PERMITTED) ||
	    __atomic_load_n(&entry->domain, __ATOMIC_ACQUIRE) != domain)
		return EACCES;
	*frame = __atomic_load_n(&entry->frame, __ATOMIC_ACQUIRE);
	if (*frame >= g->frames || g->mappings[gref] == UINT16_MAX)
		return EINVAL;
	/* a guest that ends its grant meanwhile loses this race, or we do */
	if (!__atomic_compare_exchange_n(&entry->flags, &flags,
					 flags | LOCAL_GRANT_IN_USE, false,
					 __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		return EACCES;
	g->mappings[gref]++;
	return 0;
}

uint32_t broker_guest_map(struct broker_guest *g, uint32_t domain,
			  const uint32_t *gref, uint32_t count, uint32_t *frame)
{
	uint32_t error = 0, i;

	for (i = 0; i < count && !error; i++)
		error = map_one(g, domain, gref[i], &frame[i]);
	if (!error)
		return 0;
	while (--i > 0)
		broker_guest_unmap(g, gref[i - 1]);
	return error;
}

void broker_guest_unmap(struct broker_guest *g, uint32_t gref)
{
	if (gref < LOCAL_GRANTS && g->mappings[gref] &&
	    --g->mappings[gref] == 0)
		__atomic_fetch_and(&g->table[gref].flags,
				   (uint16_t)~LOCAL_GRANT_IN_USE,
				   __ATOMIC_SEQ_CST);
}

static struct broker_channel *get(struct broker_guest *g, uint32_t port)
{
	if (port >= BROKER_CHANNELS || g->channel[port].to_guest < 0)
		return NULL;
	return &g->channel[port];
}

uint32_t broker_guest_allocate(struct broker_guest *g, uint32_t remote,
			       uint32_t *port)
{
	struct broker_channel *c;

	/* port 0 is none, as in Xen */
	for (*port = 1; *port < BROKER_CHANNELS; ++*port)
		if (!get(g, *port))
			break;
	if (*port == BROKER_CHANNELS)
		return ENOSPC;
	c = &g->channel[*port];
	c->remote = remote;
	c->bound_by = NULL;
	c->to_guest = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	c->to_service = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->to_guest >= 0 && c->to_service >= 0)
		return 0;
	broker_guest_free(g, *port);
	return EMFILE;
}

uint32_t broker_guest_bind(struct broker_guest *g, uint32_t domain,
			   uint32_t port, const void *by)
{
	struct broker_channel *c = get(g, port);

	if (!c || c->remote != domain || c->bound_by)
		return EINVAL;
	c->bound_by = by;
	return 0;
}

uint32_t broker_guest_unbind(struct broker_guest *g, uint32_t port,
			     const void *by)
{
	struct broker_channel *c = get(g, port);

	if (!c || c->bound_by != by)
		return EINVAL;
	c->bound_by = NULL;
	return 0;
}

uint32_t broker_guest_free(struct broker_guest *g, uint32_t port)
{
	struct broker_channel *c = get(g, port);

	if (!c)
		return EINVAL;
	close(c->to_guest);
	close(c->to_service);
	c->to_guest = -1;
	return 0;
}

void broker_guest_unbind_all(struct broker_guest *g, const void *by)
{
	for (uint32_t port = 0; port < BROKER_CHANNELS; port++)
		if (g->channel[port].to_guest >= 0)
			broker_guest_unbind(g, port, by);
}
