// SPDX-License-Identifier: GPL-2.0-only
/*
 * hypervisor_xen_guests.c - guests and their device, as xenstore has them
 *
 * Watches only mark what to look at again; looking happens once for each
 * guest however often it made the watch fire, so that a guest that toggles
 * its state costs one read each time round.
 *
 * A dying domain is not yet gone while somebody maps its pages, and its
 * mappers are waiting to be told. xenstored fires @releaseDomain and forgets
 * the domain as soon as it is dying, and `xl destroy` removes its nodes even
 * before: a guest whose domain is no longer introduced, or whose identity has
 * vanished or changed, is gone.
 *
 * What a guest wrote is read as unsigned numbers and nothing else. Paths are
 * computed here, never taken from nodes that a guest can write.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xenstore.h>

#include "services/common/hypervisor_xen.h"
#include "services/common/hypervisor_xen_device.h"

/* Watch events taken before the guests have their turn */
#define WATCH_BURST 256

/**
 * struct known - a domain that we told of
 * @next:      list
 * @domain:    domain id
 * @name:      its name
 * @identity:  its UUID
 * @told:      APPEARED was reported
 * @gone:      GONE is to be reported
 * @offered:   it has our device, and we watch its state
 * @connected: CONNECTED was reported
 * @changed:   look at its state
 */
struct known {
	struct known *next;
	uint32_t domain;
	char name[sizeof(((struct hypervisor_guest *)0)->name)];
	char identity[sizeof(((struct hypervisor_guest *)0)->identity)];
	bool told;
	bool gone;
	bool offered;
	bool connected;
	bool changed;
};

/**
 * struct xen_guests - all of them
 * @store:  xenstore
 * @known:  domains
 * @rescan: domains came or went
 */
struct xen_guests {
	struct xs_handle *store;
	struct known *known;
	bool rescan;
};

static struct known *find(struct xen_guests *g, uint32_t domain)
{
	struct known *k;

	for (k = g->known; k; k = k->next)
		if (k->domain == domain)
			return k;
	return NULL;
}

static bool is_alive(struct xen_guests *g, const struct known *k)
{
	char identity[sizeof(k->identity)];

	return xs_is_domain_introduced(g->store, k->domain) &&
	       xen_read_identity(g->store, k->domain, identity,
				 sizeof(identity)) &&
	       strcmp(identity, k->identity) == 0;
}

static void watch_state(struct xen_guests *g, struct known *k)
{
	char path[XEN_PATH_BYTES], token[16];

	xen_frontend_path(path, k->domain, "state");
	snprintf(token, sizeof(token), "%u", k->domain);
	k->offered = xs_watch(g->store, path, token);
}

static void unwatch_state(struct xen_guests *g, struct known *k)
{
	char path[XEN_PATH_BYTES], token[16];

	if (!k->offered)
		return;
	xen_frontend_path(path, k->domain, "state");
	snprintf(token, sizeof(token), "%u", k->domain);
	xs_unwatch(g->store, path, token);
	k->offered = false;
	k->connected = false;
}

/* A domain that we do not know yet, if it is ready to be known */
static void meet(struct xen_guests *g, uint32_t domain)
{
	char path[XEN_PATH_BYTES];
	struct known *k;

	if (domain == 0 || find(g, domain) ||
	    !xs_is_domain_introduced(g->store, domain))
		return;
	k = calloc(1, sizeof(*k));
	if (!k)
		return;
	k->domain = domain;
	snprintf(path, sizeof(path), "/local/domain/%u/name", domain);
	if (!xen_read_text(g->store, path, k->name, sizeof(k->name)) ||
	    !xen_read_identity(g->store, domain, k->identity,
			       sizeof(k->identity))) {
		free(k);
		return;
	}
	k->next = g->known;
	g->known = k;
}

/* Call @visit for each number that is a node's name below @path */
static void for_each_domain(struct xen_guests *g, const char *path,
			    void (*visit)(struct xen_guests *g, uint32_t))
{
	unsigned int count = 0;
	char **name = xs_directory(g->store, XBT_NULL, path, &count);
	uint32_t domain;

	for (unsigned int i = 0; name && i < count; i++)
		if (xen_parse_number(name[i], 0x7fef, &domain))
			visit(g, domain);
	free(name);
}

/* Nobody but us removes a backend whose guest died while we did not look */
static void remove_leftover(struct xen_guests *g, uint32_t domain)
{
	char path[XEN_PATH_BYTES];

	if (xs_is_domain_introduced(g->store, domain))
		return;
	snprintf(path, sizeof(path), XEN_BACKENDS "/%u", domain);
	xs_rm(g->store, XBT_NULL, path);
}

static void scan(struct xen_guests *g)
{
	struct known *k;

	g->rescan = false;
	for (k = g->known; k; k = k->next)
		k->gone = k->gone || !is_alive(g, k);
	for_each_domain(g, "/local/domain", meet);
}

static void take_watches(struct xen_guests *g)
{
	char **event;
	uint32_t domain;
	struct known *k;

	for (int i = 0; i < WATCH_BURST; i++) {
		event = xs_check_watch(g->store);
		if (!event)
			return;
		k = NULL;
		if (xen_parse_number(event[XS_WATCH_TOKEN], UINT32_MAX,
				     &domain))
			k = find(g, domain);
		if (k)
			k->changed = true;
		else if (event[XS_WATCH_PATH][0] == '@')
			g->rescan = true;
		free(event);
	}
}

static int report(const struct known *k, enum hypervisor_guest_change change,
		  struct hypervisor_guest *guest)
{
	guest->change = change;
	guest->domain = k->domain;
	memcpy(guest->name, k->name, sizeof(guest->name));
	memcpy(guest->identity, k->identity, sizeof(guest->identity));
	return 1;
}

/*
 * A backend in state Closed has been withdrawn from this driver, and waits for
 * it to begin anew: what it says of its old trunk is of no interest.
 */
static int connect_guest(struct xen_guests *g, struct known *k,
			 struct hypervisor_guest *guest)
{
	if (xen_backend_state(g->store, k->domain) == XEN_STATE_CLOSED)
		return 0;
	k->connected = xen_read_trunk(g->store, k->domain, guest);
	if (k->connected)
		return report(k, HYPERVISOR_GUEST_CONNECTED, guest);
	/* nodes of no sense: the same as a driver that gave up */
	xen_backend_set_state(g->store, k->domain, XEN_STATE_CLOSED);
	return report(k, HYPERVISOR_GUEST_CLOSED, guest);
}

/* Compare a guest's state with what we told. Return: 1 when there is news */
static int look(struct xen_guests *g, struct known *k,
		struct hypervisor_guest *guest)
{
	enum xen_state state;

	k->changed = false;
	if (!k->offered)
		return 0;
	state = xen_frontend_state(g->store, k->domain);
	if (state == XEN_STATE_UNKNOWN && !is_alive(g, k)) {
		k->gone = true;
		return 0;
	}
	if (state == XEN_STATE_INITIALISED || state == XEN_STATE_CONNECTED)
		return k->connected ? 0 : connect_guest(g, k, guest);
	if (k->connected) {
		k->connected = false;
		return report(k, HYPERVISOR_GUEST_CLOSED, guest);
	}
	if (state == XEN_STATE_INITIALISING)
		xen_backend_set_state(g->store, k->domain, XEN_STATE_INIT_WAIT);
	else if (state == XEN_STATE_CLOSING || state == XEN_STATE_CLOSED)
		xen_backend_set_state(g->store, k->domain, XEN_STATE_CLOSED);
	return 0;
}

/* Forget a guest that is gone, with what we left in xenstore for it */
static int bury(struct xen_guests *g, struct known **link,
		struct hypervisor_guest *guest)
{
	struct known *k = *link;
	char path[XEN_PATH_BYTES];
	bool told = k->told;

	report(k, HYPERVISOR_GUEST_GONE, guest);
	unwatch_state(g, k);
	snprintf(path, sizeof(path), XEN_BACKENDS "/%u", k->domain);
	xs_rm(g->store, XBT_NULL, path);
	*link = k->next;
	free(k);
	/* its number may already belong to another */
	g->rescan = true;
	return told;
}

int xen_guests_next(struct xen_guests *g, struct hypervisor_guest *guest)
{
	struct known **link, *k;

	take_watches(g);
	if (g->rescan)
		scan(g);
	for (link = &g->known; *link; link = &(*link)->next) {
		k = *link;
		if (k->changed && !k->gone && look(g, k, guest))
			return 1;
		if (k->gone)
			return bury(g, link, guest) ? 1
						    : xen_guests_next(g, guest);
		if (!k->told) {
			k->told = true;
			return report(k, HYPERVISOR_GUEST_APPEARED, guest);
		}
	}
	return 0;
}

int xen_guests_offer(struct xen_guests *g, uint32_t domain)
{
	struct known *k = find(g, domain);
	int error;

	if (!k)
		return -ESRCH;
	if (k->offered)
		return 0;
	if (!xen_device_exists(g->store, k->domain, k->identity)) {
		error = xen_device_create(g->store, k->domain, k->identity);
		if (error)
			return error;
	}
	/* fires at once: what the driver did already is then looked at */
	watch_state(g, k);
	return k->offered ? 0 : -errno;
}

int xen_guests_attached(struct xen_guests *g, uint32_t domain)
{
	return xen_backend_set_state(g->store, domain, XEN_STATE_CONNECTED);
}

int xen_guests_withdraw(struct xen_guests *g, uint32_t domain, const char *why)
{
	struct known *k = find(g, domain);
	char path[XEN_PATH_BYTES];
	int error;

	if (!k)
		return -ESRCH;
	unwatch_state(g, k);
	error = xen_backend_set_state(g->store, domain, XEN_STATE_CLOSED);
	if (error == 0 && why) {
		xen_backend_path(path, domain, "error");
		xen_write_text(g->store, XBT_NULL, path, why);
	}
	return error;
}

int xen_guests_fd(const struct xen_guests *g)
{
	return xs_fileno(g->store);
}

struct xen_guests *xen_guests_open(void)
{
	struct xen_guests *g = calloc(1, sizeof(*g));
	int error;

	if (!g)
		return NULL;
	g->store = xs_open(0);
	if (g->store && xs_watch(g->store, "@introduceDomain", "domains") &&
	    xs_watch(g->store, "@releaseDomain", "domains")) {
		for_each_domain(g, XEN_BACKENDS, remove_leftover);
		return g;
	}
	error = errno;
	xen_guests_close(g);
	errno = error;
	return NULL;
}

void xen_guests_close(struct xen_guests *g)
{
	struct known *k;

	if (!g)
		return;
	while (g->known) {
		k = g->known;
		g->known = k->next;
		free(k);
	}
	if (g->store)
		xs_close(g->store);
	free(g);
}
