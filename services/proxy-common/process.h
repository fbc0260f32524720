/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * process.h - the process around a proxy: its rights and its four steps
 */
#ifndef PROXY_COMMON_PROCESS_H
#define PROXY_COMMON_PROCESS_H

#include <stdint.h>
#include <sys/ioctl.h>

#include <xen/xen.h>
#include <xen/sys/evtchn.h>
#include <xen/sys/gntdev.h>

#include "services/proxy-common/proxy.h"

/* What Xen's devices are asked for by every proxy */
#define PROXY_IOCTLS                                                \
	IOCTL_GNTDEV_MAP_GRANT_REF, IOCTL_GNTDEV_UNMAP_GRANT_REF,   \
		IOCTL_GNTDEV_GET_OFFSET_FOR_VADDR,                  \
		IOCTL_EVTCHN_BIND_INTERDOMAIN, IOCTL_EVTCHN_UNBIND, \
		IOCTL_EVTCHN_NOTIFY

/**
 * struct proxy_rights - what a kind of proxy needs beyond what all do
 * @call:   numbers of system calls
 * @calls:  how many
 * @ioctl:  PROXY_IOCTLS, and more
 * @ioctls: how many
 */
struct proxy_rights {
	const int *call;
	unsigned int calls;
	const unsigned long *ioctl;
	unsigned int ioctls;
};

/*
 * Configure from the command line; acquire the hypervisor's devices, the
 * operator's pair and room for descriptors; confine; serve. Kept:
 * CAP_NET_BIND_SERVICE, for ports below 1024 that policy publishes; INET
 * sockets; @rights. Files cannot be opened.
 *
 * Return: the process's status.
 */
int proxy_main(struct proxy *p, const struct proxy_kind *kind,
	       const struct proxy_rights *rights, int argc, char **argv);

#endif
