// SPDX-License-Identifier: GPL-2.0-only
/*
 * hypervisor_xen_device.c - the nodes of one guest in xenstore
 *
 * The frontend's directory belongs to the guest, the backend's to Dom0; each
 * may read the other's. Both are made in one transaction, so that neither end
 * sees half a device.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services/common/hypervisor_xen_device.h"

#define TRUNK_VERSION 1u

void xen_frontend_path(char *path, uint32_t domain, const char *node)
{
	snprintf(path, XEN_PATH_BYTES,
		 "/local/domain/%u/device/switchboard/0%s%s", domain,
		 *node ? "/" : "", node);
}

void xen_backend_path(char *path, uint32_t domain, const char *node)
{
	snprintf(path, XEN_PATH_BYTES, XEN_BACKENDS "/%u/0%s%s", domain,
		 *node ? "/" : "", node);
}

/* Decimal digits only, and nothing else in the node */
bool xen_parse_number(const char *text, uint64_t max, uint32_t *value)
{
	uint64_t n = 0;

	if (!text || !*text || strlen(text) > 10)
		return false;
	for (; *text; text++) {
		if (!isdigit((unsigned char)*text))
			return false;
		n = n * 10 + (*text - '0');
	}
	*value = n;
	return n <= max;
}

/* xs_read() counts its bytes apart and may hold zeros; cut at the first */
bool xen_read_text(struct xs_handle *store, const char *path, char *text,
		   size_t size)
{
	char *found = xs_read(store, XBT_NULL, path, NULL);

	if (!found)
		return false;
	snprintf(text, size, "%s", found);
	free(found);
	return true;
}

static bool read_number(struct xs_handle *store, const char *path, uint64_t max,
			uint32_t *value)
{
	char text[16];

	return xen_read_text(store, path, text, sizeof(text)) &&
	       xen_parse_number(text, max, value);
}

static enum xen_state read_state(struct xs_handle *store, const char *path)
{
	uint32_t value;

	return read_number(store, path, XEN_STATE_CLOSED, &value)
		       ? value
		       : XEN_STATE_UNKNOWN;
}

enum xen_state xen_frontend_state(struct xs_handle *store, uint32_t domain)
{
	char path[XEN_PATH_BYTES];

	xen_frontend_path(path, domain, "state");
	return read_state(store, path);
}

bool xen_write_text(struct xs_handle *store, xs_transaction_t t,
		    const char *path, const char *text)
{
	return xs_write(store, t, path, text, strlen(text));
}

enum xen_state xen_backend_state(struct xs_handle *store, uint32_t domain)
{
	char path[XEN_PATH_BYTES];

	xen_backend_path(path, domain, "state");
	return read_state(store, path);
}

/* A device that a toolstack has removed is not brought back by its state */
int xen_backend_set_state(struct xs_handle *store, uint32_t domain,
			  enum xen_state state)
{
	char path[XEN_PATH_BYTES], text[4];
	enum xen_state now;

	now = xen_backend_state(store, domain);
	if (now == state)
		return 0;
	if (now == XEN_STATE_UNKNOWN)
		return -ENODEV;
	snprintf(text, sizeof(text), "%u", state);
	xen_backend_path(path, domain, "state");
	return xen_write_text(store, XBT_NULL, path, text) ? 0 : -errno;
}

bool xen_read_identity(struct xs_handle *store, uint32_t domain, char *identity,
		       size_t size)
{
	char path[XEN_PATH_BYTES], vm[XEN_PATH_BYTES - 8];

	snprintf(path, sizeof(path), "/local/domain/%u/vm", domain);
	if (!xen_read_text(store, path, vm, sizeof(vm)))
		return false;
	snprintf(path, sizeof(path), "%s/uuid", vm);
	return xen_read_text(store, path, identity, size) && *identity;
}

bool xen_read_trunk(struct xs_handle *store, uint32_t domain,
		    struct hypervisor_guest *guest)
{
	char path[XEN_PATH_BYTES];
	uint32_t version;

	xen_frontend_path(path, domain, "version");
	if (!read_number(store, path, UINT32_MAX, &version) ||
	    version != TRUNK_VERSION)
		return false;
	xen_frontend_path(path, domain, "ring-ref");
	if (!read_number(store, path, UINT32_MAX, &guest->gref))
		return false;
	xen_frontend_path(path, domain, "event-channel");
	return read_number(store, path, UINT32_MAX, &guest->port);
}

static bool set_owner(struct xs_handle *store, xs_transaction_t t,
		      const char *path, uint32_t owner, uint32_t reader)
{
	struct xs_permissions permission[2] = {
		{ .id = owner, .perms = XS_PERM_NONE },
		{ .id = reader, .perms = XS_PERM_READ },
	};

	return xs_set_permissions(store, t, path, permission, 2);
}

/* An empty directory that @owner may write and @reader may read */
static bool make_directory(struct xs_handle *store, xs_transaction_t t,
			   const char *path, uint32_t owner, uint32_t reader)
{
	xs_rm(store, t, path);
	return xs_mkdir(store, t, path) &&
	       set_owner(store, t, path, owner, reader);
}

static bool write_frontend(struct xs_handle *store, xs_transaction_t t,
			   uint32_t domain)
{
	char path[XEN_PATH_BYTES], backend[XEN_PATH_BYTES];

	xen_frontend_path(path, domain, "");
	if (!make_directory(store, t, path, domain, 0))
		return false;
	xen_backend_path(backend, domain, "");
	xen_frontend_path(path, domain, "backend");
	if (!xen_write_text(store, t, path, backend))
		return false;
	xen_frontend_path(path, domain, "backend-id");
	if (!xen_write_text(store, t, path, "0"))
		return false;
	xen_frontend_path(path, domain, "state");
	return xen_write_text(store, t, path, "1");
}

static bool write_backend(struct xs_handle *store, xs_transaction_t t,
			  uint32_t domain, const char *identity)
{
	char path[XEN_PATH_BYTES], frontend[XEN_PATH_BYTES], number[16];
	const char *const pairs[][2] = {
		{ "frontend", frontend }, { "frontend-id", number },
		{ "identity", identity }, { "online", "1" },
		{ "state", "2" },
	};

	xen_frontend_path(frontend, domain, "");
	snprintf(number, sizeof(number), "%u", domain);
	xen_backend_path(path, domain, "");
	if (!make_directory(store, t, path, 0, domain))
		return false;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		xen_backend_path(path, domain, pairs[i][0]);
		if (!xen_write_text(store, t, path, pairs[i][1]))
			return false;
	}
	return true;
}

int xen_device_create(struct xs_handle *store, uint32_t domain,
		      const char *identity)
{
	xs_transaction_t t;
	bool written;

	for (int attempt = 0; attempt < 16; attempt++) {
		t = xs_transaction_start(store);
		if (t == XBT_NULL)
			return -errno;
		written = write_frontend(store, t, domain) &&
			  write_backend(store, t, domain, identity);
		if (xs_transaction_end(store, t, !written))
			return written ? 0 : -EIO;
		if (errno != EAGAIN)
			return -errno;
	}
	return -EAGAIN;
}

/* Did we, or a process before us, offer this very guest the device? */
bool xen_device_exists(struct xs_handle *store, uint32_t domain,
		       const char *identity)
{
	char path[XEN_PATH_BYTES], text[XEN_PATH_BYTES],
		expected[XEN_PATH_BYTES];

	xen_backend_path(path, domain, "identity");
	if (!xen_read_text(store, path, text, sizeof(text)) ||
	    strcmp(text, identity) != 0)
		return false;
	xen_frontend_path(path, domain, "backend");
	xen_backend_path(expected, domain, "");
	return xen_read_text(store, path, text, sizeof(text)) &&
	       strcmp(text, expected) == 0 &&
	       xen_frontend_state(store, domain) != XEN_STATE_UNKNOWN;
}
