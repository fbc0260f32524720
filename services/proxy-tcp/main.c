// SPDX-License-Identifier: GPL-2.0-only
/*
 * main.c - switchboard-proxy-tcp: guests' TCP on Dom0's sockets
 *
 * Four steps: configure from the command line; acquire the hypervisor's
 * devices, the operator's pair and room for descriptors; confine; serve.
 *
 * Kept: CAP_NET_BIND_SERVICE, for ports below 1024 that policy publishes;
 * INET sockets; of ioctl() the requests below. Files cannot be opened.
 */
#include <errno.h>
#include <sys/capability.h>
#include <linux/sockios.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <xen/xen.h>
#include <xen/sys/evtchn.h>
#include <xen/sys/gntdev.h>

#include "services/proxy-tcp/proxy.h"

static struct proxy proxy;

static const int capabilities[] = { CAP_NET_BIND_SERVICE };

static const int calls[] = {
	/* connect.c, listen.c, circuit.c */
	__NR_bind,
	__NR_connect,
	__NR_listen,
	__NR_accept4,
	__NR_getsockname,
	__NR_getsockopt,
	__NR_setsockopt,
	__NR_shutdown,
	/* transfer.c */
	__NR_sendto,
	__NR_sendmsg,
	__NR_recvfrom,
	__NR_recvmsg,
};

static const unsigned long ioctls[] = {
	IOCTL_GNTDEV_MAP_GRANT_REF,
	IOCTL_GNTDEV_UNMAP_GRANT_REF,
	IOCTL_GNTDEV_GET_OFFSET_FOR_VADDR,
	IOCTL_EVTCHN_BIND_INTERDOMAIN,
	IOCTL_EVTCHN_UNBIND,
	IOCTL_EVTCHN_NOTIFY,
	SIOCOUTQ,
};

static const struct sandbox sandbox = {
	.capability = capabilities,
	.capabilities = sizeof(capabilities) / sizeof(capabilities[0]),
	.call = calls,
	.calls = sizeof(calls) / sizeof(calls[0]),
	.ioctl = ioctls,
	.ioctls = sizeof(ioctls) / sizeof(ioctls[0]),
	.inet = true,
};

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

int main(int argc, char **argv)
{
	struct proxy *p = &proxy;
	int status;

	p->service.name = "proxy-tcp";
	p->service.party = IPC_PROXY;
	p->service.user = "switchboard-proxy-tcp";
	p->service.status = status_fill;
	service_configure(&p->service, argc, argv);
	acquire(p);
	if (service_confine(&p->service, &sandbox))
		return EXIT_FAILURE;
	status = service_serve(&p->service);
	proxy_fini(p);
	endpoint_fini(&p->operator);
	hypervisor_close(p->port);
	loop_fini(&p->service.loop);
	return status;
}
