// SPDX-License-Identifier: GPL-2.0-only
/*
 * main.c - switchboard-proxy-tcp: guests' TCP on Dom0's sockets
 *
 * What it keeps beyond every proxy's rights is below.
 */
#include <linux/sockios.h>

#include "services/proxy-common/process.h"
#include "services/proxy-tcp/tcp.h"

static struct proxy proxy;

static const int calls[] = {
	/* connect.c, listen.c, stream.c */
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

static const unsigned long ioctls[] = { PROXY_IOCTLS, SIOCOUTQ };

static const struct proxy_rights rights = {
	.call = calls,
	.calls = sizeof(calls) / sizeof(calls[0]),
	.ioctl = ioctls,
	.ioctls = sizeof(ioctls) / sizeof(ioctls[0]),
};

int main(int argc, char **argv)
{
	return proxy_main(&proxy, &tcp_kind, &rights, argc, argv);
}
