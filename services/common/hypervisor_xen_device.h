/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hypervisor_xen_device.h - the nodes of one guest in xenstore
 *
 * Private to hypervisor_xen*.c. What a guest wrote is read as unsigned
 * numbers and nothing else. Paths are computed, never taken from nodes that a
 * guest can write.
 */
#ifndef SWITCHBOARD_HYPERVISOR_XEN_DEVICE_H
#define SWITCHBOARD_HYPERVISOR_XEN_DEVICE_H

#include <stddef.h>

#include <xenstore.h>

#include "services/common/hypervisor.h"

#define XEN_PATH_BYTES 128
#define XEN_BACKENDS "/local/domain/0/backend/switchboard"

/* enum xenbus_state of Xen's io/xenbus.h */
enum xen_state {
	XEN_STATE_UNKNOWN = 0,
	XEN_STATE_INITIALISING = 1,
	XEN_STATE_INIT_WAIT = 2,
	XEN_STATE_INITIALISED = 3,
	XEN_STATE_CONNECTED = 4,
	XEN_STATE_CLOSING = 5,
	XEN_STATE_CLOSED = 6,
};

/* "/local/domain/DOMAIN/device/switchboard/0/NODE" in XEN_PATH_BYTES */
void xen_frontend_path(char *path, uint32_t domain, const char *node);
/* The same below XEN_BACKENDS */
void xen_backend_path(char *path, uint32_t domain, const char *node);

/* Decimal digits only, at most @max */
bool xen_parse_number(const char *text, uint64_t max, uint32_t *value);
/* A node's text, cut to @size */
bool xen_read_text(struct xs_handle *store, const char *path, char *text,
		   size_t size);
bool xen_write_text(struct xs_handle *store, xs_transaction_t t,
		    const char *path, const char *text);
/* A domain's UUID */
bool xen_read_identity(struct xs_handle *store, uint32_t domain, char *identity,
		       size_t size);

/* XEN_STATE_UNKNOWN when there is no such node, or no sense in it */
enum xen_state xen_frontend_state(struct xs_handle *store, uint32_t domain);
enum xen_state xen_backend_state(struct xs_handle *store, uint32_t domain);
/* Return: 0, or -errno: -ENODEV when a toolstack has removed the device */
int xen_backend_set_state(struct xs_handle *store, uint32_t domain,
			  enum xen_state state);

/* Fill in gref and port. Return: false when the guest wrote no such thing */
bool xen_read_trunk(struct xs_handle *store, uint32_t domain,
		    struct hypervisor_guest *guest);
/* Make both ends' nodes anew. Return: 0 or -errno */
int xen_device_create(struct xs_handle *store, uint32_t domain,
		      const char *identity);
/* Did we, or a process before us, offer this very guest the device? */
bool xen_device_exists(struct xs_handle *store, uint32_t domain,
		       const char *identity);

#endif
