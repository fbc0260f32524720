// SPDX-License-Identifier: GPL-2.0-only
/*
 * hypervisor.c - choose an implementation and hand every call to it
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "services/common/hypervisor.h"
#include "services/common/hypervisor_ops.h"

static const char local_prefix[] = "local:";

struct hypervisor *hypervisor_open(const char *spec, unsigned int wanted)
{
	size_t prefix_bytes = sizeof(local_prefix) - 1;

	if (strcmp(spec, "xen") == 0)
		return hypervisor_xen_open(wanted);
	if (strncmp(spec, local_prefix, prefix_bytes) == 0)
		return hypervisor_local_open(spec + prefix_bytes, wanted);
	errno = EINVAL;
	return NULL;
}

void hypervisor_close(struct hypervisor *h)
{
	if (h)
		h->ops->close(h);
}

void *hypervisor_map(struct hypervisor *h, uint32_t domain,
		     const uint32_t *gref, unsigned int count)
{
	if (count == 0 || count > HYPERVISOR_MAP_MAX) {
		errno = EINVAL;
		return NULL;
	}
	return h->ops->map(h, domain, gref, count);
}

int hypervisor_unmap(struct hypervisor *h, void *address, unsigned int count)
{
	return h->ops->unmap(h, address, count);
}

int hypervisor_channel_fd(const struct hypervisor *h)
{
	return h->ops->channel_fd(h);
}

int hypervisor_bind(struct hypervisor *h, uint32_t domain, uint32_t port)
{
	return h->ops->bind(h, domain, port);
}

int hypervisor_unbind(struct hypervisor *h, int channel)
{
	return h->ops->unbind(h, channel);
}

int hypervisor_notify(struct hypervisor *h, int channel)
{
	return h->ops->notify(h, channel);
}

int hypervisor_pending(struct hypervisor *h)
{
	return h->ops->pending(h);
}

int hypervisor_unmask(struct hypervisor *h, int channel)
{
	return h->ops->unmask_all(h, &channel, 1);
}

int hypervisor_unmask_all(struct hypervisor *h, const int *channel,
			  unsigned int count)
{
	if (count > HYPERVISOR_BATCH)
		return -EINVAL;
	return count ? h->ops->unmask_all(h, channel, count) : 0;
}

int hypervisor_guest_fd(const struct hypervisor *h)
{
	return h->ops->guest_fd(h);
}

int hypervisor_guest_next(struct hypervisor *h, struct hypervisor_guest *guest)
{
	memset(guest, 0, sizeof(*guest));
	return h->ops->guest_next(h, guest);
}

int hypervisor_guest_offer(struct hypervisor *h, uint32_t domain)
{
	return h->ops->guest_offer(h, domain);
}

int hypervisor_guest_attached(struct hypervisor *h, uint32_t domain)
{
	return h->ops->guest_attached(h, domain);
}

int hypervisor_guest_withdraw(struct hypervisor *h, uint32_t domain,
			      const char *why)
{
	return h->ops->guest_withdraw(h, domain, why);
}
