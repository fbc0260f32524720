/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * guest_memory.c - a hypervisor that is one file of memory in this process
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "services/common/hypervisor.h"
#include "protocol/circuit.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/guest_memory.h"

#define PAGE_BYTES ((size_t)SB_PAGE_BYTES)
#define CHANNEL 3

struct guest_memory guest_memory;

static int memory_fd = -1;
static int channel_fd = -1;

void guest_memory_init(unsigned int pages)
{
	struct guest_memory *g = &guest_memory;

	if (memory_fd < 0) {
		memory_fd = memfd_create("guest", MFD_CLOEXEC);
		channel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		FUZZ_ASSERT(memory_fd >= 0 && channel_fd >= 0);
		FUZZ_ASSERT(ftruncate(memory_fd, pages * PAGE_BYTES) == 0);
		g->pages = pages;
		g->byte = mmap(NULL, pages * PAGE_BYTES, PROT_READ | PROT_WRITE,
			       MAP_SHARED, memory_fd, 0);
		FUZZ_ASSERT(g->byte != MAP_FAILED);
	}
	memset(g->byte, 0, pages * PAGE_BYTES);
	g->pending = false;
	g->events = 0;
	FUZZ_ASSERT(!g->mapped && !g->bound);
}

void *guest_memory_page(unsigned int page)
{
	return guest_memory.byte + page * PAGE_BYTES;
}

static bool is_granted(const uint32_t *gref, unsigned int count)
{
	for (unsigned int n = 0; n < count; n++)
		if (gref[n] < GUEST_GREF ||
		    gref[n] >= GUEST_GREF + guest_memory.pages)
			return false;
	return true;
}

void *hypervisor_map(struct hypervisor *h, uint32_t domain,
		     const uint32_t *gref, unsigned int count)
{
	uint8_t *at;

	(void)h;
	(void)domain;
	FUZZ_ASSERT(count >= 1 && count <= SB_CIRCUIT_PAGES(SB_ORDER_MAX));
	if (!is_granted(gref, count)) {
		errno = EINVAL;
		return NULL;
	}
	at = mmap(NULL, (count + 2) * PAGE_BYTES, PROT_NONE,
		  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	FUZZ_ASSERT(at != MAP_FAILED);
	at += PAGE_BYTES;
	for (unsigned int n = 0; n < count; n++)
		FUZZ_ASSERT(mmap(at + n * PAGE_BYTES, PAGE_BYTES,
				 PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
				 memory_fd,
				 (off_t)((gref[n] - GUEST_GREF) *
					 PAGE_BYTES)) != MAP_FAILED);
	guest_memory.mapped += count;
	return at;
}

int hypervisor_unmap(struct hypervisor *h, void *address, unsigned int count)
{
	(void)h;
	FUZZ_ASSERT(guest_memory.mapped >= count);
	guest_memory.mapped -= count;
	return munmap((uint8_t *)address - PAGE_BYTES,
		      (count + 2) * PAGE_BYTES);
}

int hypervisor_channel_fd(const struct hypervisor *h)
{
	(void)h;
	return channel_fd;
}

int hypervisor_bind(struct hypervisor *h, uint32_t domain, uint32_t port)
{
	(void)h;
	(void)domain;
	if (port != GUEST_PORT || guest_memory.bound)
		return -EINVAL;
	guest_memory.bound = 1;
	return CHANNEL;
}

int hypervisor_unbind(struct hypervisor *h, int channel)
{
	(void)h;
	FUZZ_ASSERT(channel == CHANNEL && guest_memory.bound);
	guest_memory.bound = 0;
	return 0;
}

int hypervisor_notify(struct hypervisor *h, int channel)
{
	(void)h;
	FUZZ_ASSERT(channel == CHANNEL && guest_memory.bound);
	guest_memory.events++;
	return 0;
}

int hypervisor_pending(struct hypervisor *h)
{
	(void)h;
	if (!guest_memory.pending)
		return -EAGAIN;
	guest_memory.pending = false;
	return CHANNEL;
}

int hypervisor_unmask_all(struct hypervisor *h, const int *channel,
			  unsigned int count)
{
	(void)h;
	for (unsigned int n = 0; n < count; n++)
		FUZZ_ASSERT(channel[n] == CHANNEL);
	return 0;
}

int hypervisor_unmask(struct hypervisor *h, int channel)
{
	return hypervisor_unmask_all(h, &channel, 1);
}
