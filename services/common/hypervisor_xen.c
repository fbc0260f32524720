// SPDX-License-Identifier: GPL-2.0-only
/*
 * hypervisor_xen.c - grants and event channels through Xen's libraries
 *
 * The device of the event channels is read and written here rather than by
 * libxenevtchn, one channel a call: one read() takes, and one write()
 * unmasks, as many as there are.
 *
 * System calls used once confined: ioctl (IOCTL_GNTDEV_MAP_GRANT_REF,
 * _UNMAP_GRANT_REF, _GET_OFFSET_FOR_VADDR, IOCTL_EVTCHN_BIND_INTERDOMAIN,
 * _UNBIND, _NOTIFY), mmap, munmap, read, write.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xenevtchn.h>
#include <xengnttab.h>

#include "services/common/hypervisor_ops.h"
#include "services/common/hypervisor_xen.h"

/**
 * struct xen - the port
 * @port:    first
 * @gnttab:  or NULL when not wanted
 * @evtchn:  or NULL when not wanted
 * @guests:  or NULL when not wanted
 * @taken:   pending channels read from the device, not yet handed out
 * @count:   valid in @taken
 * @next:    of @taken
 */
struct xen {
	struct hypervisor port;
	xengnttab_handle *gnttab;
	xenevtchn_handle *evtchn;
	struct xen_guests *guests;
	evtchn_port_t taken[HYPERVISOR_BATCH];
	unsigned int count;
	unsigned int next;
};

static struct xen *xen_of(const struct hypervisor *h)
{
	return (struct xen *)h;
}

static void *map(struct hypervisor *h, uint32_t domain, const uint32_t *gref,
		 unsigned int count)
{
	uint32_t copy[HYPERVISOR_MAP_MAX];

	memcpy(copy, gref, count * sizeof(*gref));
	return xengnttab_map_domain_grant_refs(xen_of(h)->gnttab, count, domain,
					       copy, PROT_READ | PROT_WRITE);
}

static int unmap(struct hypervisor *h, void *address, unsigned int count)
{
	return xengnttab_unmap(xen_of(h)->gnttab, address, count) ? -errno : 0;
}

static int channel_fd(const struct hypervisor *h)
{
	return xenevtchn_fd(xen_of(h)->evtchn);
}

static int bind_channel(struct hypervisor *h, uint32_t domain, uint32_t port)
{
	int channel =
		xenevtchn_bind_interdomain(xen_of(h)->evtchn, domain, port);

	return channel < 0 ? -errno : channel;
}

static int unbind(struct hypervisor *h, int channel)
{
	return xenevtchn_unbind(xen_of(h)->evtchn, channel) ? -errno : 0;
}

static int notify(struct hypervisor *h, int channel)
{
	return xenevtchn_notify(xen_of(h)->evtchn, channel) ? -errno : 0;
}

static int pending(struct hypervisor *h)
{
	struct xen *x = xen_of(h);
	bool all_taken = x->count && x->count < HYPERVISOR_BATCH;
	ssize_t bytes;

	if (x->next < x->count)
		return x->taken[x->next++];
	x->next = 0;
	x->count = 0;
	/* a read that did not fill the buffer took all there was */
	if (all_taken)
		return -EAGAIN;
	bytes = read(xenevtchn_fd(x->evtchn), x->taken, sizeof(x->taken));
	if (bytes < (ssize_t)sizeof(x->taken[0]))
		return -EAGAIN;
	x->count = bytes / sizeof(x->taken[0]);
	return x->taken[x->next++];
}

static int unmask_all(struct hypervisor *h, const int *channel,
		      unsigned int count)
{
	evtchn_port_t port[HYPERVISOR_BATCH];
	ssize_t bytes = count * sizeof(port[0]);

	for (unsigned int i = 0; i < count; i++)
		port[i] = channel[i];
	return write(xenevtchn_fd(xen_of(h)->evtchn), port, bytes) < 0 ? -errno
								       : 0;
}

static int guest_fd(const struct hypervisor *h)
{
	return xen_guests_fd(xen_of(h)->guests);
}

static int guest_next(struct hypervisor *h, struct hypervisor_guest *guest)
{
	return xen_guests_next(xen_of(h)->guests, guest);
}

static int guest_offer(struct hypervisor *h, uint32_t domain)
{
	return xen_guests_offer(xen_of(h)->guests, domain);
}

static int guest_attached(struct hypervisor *h, uint32_t domain)
{
	return xen_guests_attached(xen_of(h)->guests, domain);
}

static int guest_withdraw(struct hypervisor *h, uint32_t domain,
			  const char *why)
{
	return xen_guests_withdraw(xen_of(h)->guests, domain, why);
}

static void close_port(struct hypervisor *h)
{
	struct xen *x = xen_of(h);

	xen_guests_close(x->guests);
	if (x->evtchn)
		xenevtchn_close(x->evtchn);
	if (x->gnttab)
		xengnttab_close(x->gnttab);
	free(x);
}

static const struct hypervisor_ops xen_ops = {
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

/* libxenevtchn's descriptor blocks, which is no good in an event loop */
static int set_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

static int open_grants(struct xen *x)
{
	x->gnttab = xengnttab_open(NULL, 0);
	if (!x->gnttab)
		return -errno;
	x->evtchn = xenevtchn_open(NULL, 0);
	if (!x->evtchn)
		return -errno;
	return set_nonblocking(xenevtchn_fd(x->evtchn));
}

struct hypervisor *hypervisor_xen_open(unsigned int wanted)
{
	struct xen *x = calloc(1, sizeof(*x));
	int error = 0;

	if (!x)
		return NULL;
	x->port.ops = &xen_ops;
	if (wanted & HYPERVISOR_GRANTS)
		error = open_grants(x);
	if (!error && wanted & HYPERVISOR_GUESTS) {
		x->guests = xen_guests_open();
		error = x->guests ? 0 : -errno;
	}
	if (!error)
		return &x->port;
	close_port(&x->port);
	errno = -error;
	return NULL;
}
