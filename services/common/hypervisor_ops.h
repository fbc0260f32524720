/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hypervisor_ops.h - what an implementation of hypervisor.h provides
 *
 * Private to hypervisor*.c. Each function does what hypervisor.h says of the
 * function of the same name; arguments are already checked.
 */
#ifndef SWITCHBOARD_HYPERVISOR_OPS_H
#define SWITCHBOARD_HYPERVISOR_OPS_H

#include "services/common/hypervisor.h"

/* Pages that one hypervisor_map() takes: an index page, two areas */
#define HYPERVISOR_MAP_MAX 513u

struct hypervisor_ops {
	void (*close)(struct hypervisor *h);
	void *(*map)(struct hypervisor *h, uint32_t domain,
		     const uint32_t *gref, unsigned int count);
	int (*unmap)(struct hypervisor *h, void *address, unsigned int count);
	int (*channel_fd)(const struct hypervisor *h);
	int (*bind)(struct hypervisor *h, uint32_t domain, uint32_t port);
	int (*unbind)(struct hypervisor *h, int channel);
	int (*notify)(struct hypervisor *h, int channel);
	int (*pending)(struct hypervisor *h);
	int (*unmask_all)(struct hypervisor *h, const int *channel,
			  unsigned int count);
	int (*guest_fd)(const struct hypervisor *h);
	int (*guest_next)(struct hypervisor *h, struct hypervisor_guest *guest);
	int (*guest_offer)(struct hypervisor *h, uint32_t domain);
	int (*guest_attached)(struct hypervisor *h, uint32_t domain);
	int (*guest_withdraw)(struct hypervisor *h, uint32_t domain,
			      const char *why);
};

/* First member of every implementation's structure */
struct hypervisor {
	const struct hypervisor_ops *ops;
};

struct hypervisor *hypervisor_xen_open(unsigned int wanted);
struct hypervisor *hypervisor_local_open(const char *directory,
					 unsigned int wanted);

#endif
