/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hypervisor.h - the little that a service needs of a hypervisor
 *
 * Two implementations behind one interface: "xen" (libxengnttab,
 * libxenevtchn, libxenstore) and "local:DIR" (memfd, eventfd and UNIX sockets
 * below DIR), so that a service runs unchanged, without Xen or root, in tests
 * and under sanitizers. Every handle is acquired in hypervisor_open(), before
 * the service confines itself. One thread at a time.
 */
#ifndef SWITCHBOARD_HYPERVISOR_H
#define SWITCHBOARD_HYPERVISOR_H

#include <stdbool.h>
#include <stdint.h>

struct hypervisor;

/* What a service wants of hypervisor_open() */
#define HYPERVISOR_GRANTS 0x1u /* map grants, bind event channels */
#define HYPERVISOR_GUESTS 0x2u /* see guests come and go, offer them devices */

/**
 * hypervisor_open() - acquire the handles
 * @spec:   "xen" or "local:DIR"
 * @wanted: HYPERVISOR_* bits
 *
 * Return: the port, or NULL with errno.
 */
struct hypervisor *hypervisor_open(const char *spec, unsigned int wanted);
void hypervisor_close(struct hypervisor *h);

/**
 * hypervisor_map() - map pages that a guest granted, one after the other
 * @domain: whose pages
 * @gref:   grant references, copied before use
 * @count:  1 to 513
 *
 * Return: address of @count contiguous pages, read and write, or NULL with
 * errno (EINVAL, EACCES: no such grant, or not for us; ENOMEM, ENOSPC).
 */
void *hypervisor_map(struct hypervisor *h, uint32_t domain,
		     const uint32_t *gref, unsigned int count);
/* Unmap all that one hypervisor_map() mapped. Return: 0 or -errno */
int hypervisor_unmap(struct hypervisor *h, void *address, unsigned int count);

/* A file descriptor that is readable while some bound channel is pending */
int hypervisor_channel_fd(const struct hypervisor *h);
/**
 * hypervisor_bind() - bind the other end of a guest's unbound event channel
 *
 * Return: the local channel (>= 0), or -errno. It starts unmasked.
 */
int hypervisor_bind(struct hypervisor *h, uint32_t domain, uint32_t port);
int hypervisor_unbind(struct hypervisor *h, int channel);
int hypervisor_notify(struct hypervisor *h, int channel);
/**
 * hypervisor_pending() - take the next pending channel, now masked
 *
 * Return: the channel, or -EAGAIN when there is none. Call this until -EAGAIN
 * each time: then the file descriptor tells of channels that have become
 * pending meanwhile, watched edge-triggered or not.
 */
int hypervisor_pending(struct hypervisor *h);
/* Unmask after the work that the event asked for */
int hypervisor_unmask(struct hypervisor *h, int channel);
/* The same for several channels at once, at most HYPERVISOR_BATCH */
int hypervisor_unmask_all(struct hypervisor *h, const int *channel,
			  unsigned int count);
#define HYPERVISOR_BATCH 64u

enum hypervisor_guest_change {
	HYPERVISOR_GUEST_NONE,
	HYPERVISOR_GUEST_APPEARED, /* name and identity are valid */
	HYPERVISOR_GUEST_CONNECTED, /* gref and port of its trunk are valid */
	HYPERVISOR_GUEST_CLOSED, /* its driver let go of the trunk */
	HYPERVISOR_GUEST_GONE, /* the domain is dying or dead */
};

/**
 * struct hypervisor_guest - what changed about a guest
 * @change:   what happened
 * @domain:   its domain id; may be used again by another guest later
 * @name:     as in its configuration
 * @identity: its UUID, never used again
 * @gref:     the trunk's header page
 * @port:     the trunk's event channel
 */
struct hypervisor_guest {
	enum hypervisor_guest_change change;
	uint32_t domain;
	char name[64];
	char identity[37];
	uint32_t gref;
	uint32_t port;
};

/* A file descriptor that is readable when hypervisor_guest_next() has news */
int hypervisor_guest_fd(const struct hypervisor *h);
/**
 * hypervisor_guest_next() - what happened next among the guests
 * @guest: written whole
 *
 * Guests that exist when the port is opened appear, and connect, as if they
 * had just come. Return: 1 with news, 0 without, -errno.
 */
int hypervisor_guest_next(struct hypervisor *h, struct hypervisor_guest *guest);
/**
 * hypervisor_guest_offer() - offer a guest the device: its driver will connect
 *
 * A device that an earlier process had offered and that the driver still
 * holds is taken over as it is. After CLOSED, withdraw the device and offer it
 * again at once: the offer takes effect when the driver comes back.
 *
 * Return: 0 or -errno.
 */
int hypervisor_guest_offer(struct hypervisor *h, uint32_t domain);
/* The trunk is attached: tell the driver. Return: 0 or -errno */
int hypervisor_guest_attached(struct hypervisor *h, uint32_t domain);
/*
 * Close the device, after an error or when the guest left it. @why is left in
 * xenstore for a person, may be NULL. It may be offered again.
 */
int hypervisor_guest_withdraw(struct hypervisor *h, uint32_t domain,
			      const char *why);

#endif
