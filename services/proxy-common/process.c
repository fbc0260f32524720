// SPDX-License-Identifier: GPL-2.0-only
/*
 * process.c - the four steps of a proxy's main()
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>

#include "services/proxy-common/process.h"

static const int capabilities[] = { CAP_NET_BIND_SERVICE };

static void acquire(struct proxy *p)
{
	int error;

	service_raise_descriptors();
	if (service_acquire(&p->service))
		exit(EXIT_FAILURE);
	p->port = hypervisor_open(p->service.hypervisor, HYPERVISOR_GRANTS);
	if (!p->port)
		die("--hypervisor %s: %s", p->service.hypervisor,
		    strerror(errno));
	error = proxy_init(p);
	if (error)
		die("event channels: %s", strerror(-error));
	error = orders_init(p);
	if (error)
		die("cannot join the operator's pair below %s: %s",
		    p->service.run_dir, strerror(-error));
}

static int confine(struct proxy *p, const struct proxy_rights *rights)
{
	const struct sandbox sandbox = {
		.capability = capabilities,
		.capabilities = sizeof(capabilities) / sizeof(capabilities[0]),
		.call = rights->call,
		.calls = rights->calls,
		.ioctl = rights->ioctl,
		.ioctls = rights->ioctls,
		.inet = true,
	};

	return service_confine(&p->service, &sandbox);
}

int proxy_main(struct proxy *p, const struct proxy_kind *kind,
	       const struct proxy_rights *rights, int argc, char **argv)
{
	int status;

	p->kind = kind;
	p->service.name = kind->name;
	p->service.party = IPC_PROXY;
	p->service.user = kind->user;
	p->service.status = status_fill;
	service_configure(&p->service, argc, argv);
	acquire(p);
	if (confine(p, rights))
		return EXIT_FAILURE;
	status = service_serve(&p->service);
	proxy_fini(p);
	endpoint_fini(&p->operator);
	hypervisor_close(p->port);
	loop_fini(&p->service.loop);
	return status;
}
