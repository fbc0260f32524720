/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hypervisor_xen.h - the half of the Xen port that speaks to xenstore
 *
 * Private to hypervisor_xen*.c. Arguments and results as hypervisor.h has
 * them.
 */
#ifndef SWITCHBOARD_HYPERVISOR_XEN_H
#define SWITCHBOARD_HYPERVISOR_XEN_H

#include "services/common/hypervisor.h"

struct xen_guests;

/* Return: the guests, or NULL with errno */
struct xen_guests *xen_guests_open(void);
void xen_guests_close(struct xen_guests *guests);
int xen_guests_fd(const struct xen_guests *guests);
int xen_guests_next(struct xen_guests *guests, struct hypervisor_guest *guest);
int xen_guests_offer(struct xen_guests *guests, uint32_t domain);
int xen_guests_attached(struct xen_guests *guests, uint32_t domain);
int xen_guests_withdraw(struct xen_guests *guests, uint32_t domain,
			const char *why);

#endif
