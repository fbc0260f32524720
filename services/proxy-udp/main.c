// SPDX-License-Identifier: GPL-2.0-only
/*
 * main.c - switchboard-proxy-udp: guests' datagrams on Dom0's sockets
 *
 * What it keeps beyond every proxy's rights is below. Ping sockets need no
 * capability, but a group within net.ipv4.ping_group_range.
 */
#include "services/proxy-common/process.h"
#include "services/proxy-udp/udp.h"

static struct proxy proxy;

static const int calls[] = {
	/* outlet.c */
	__NR_bind,
	__NR_getsockname,
	__NR_setsockopt,
	/* send.c, receive.c, error.c */
	__NR_sendmmsg,
	__NR_recvmmsg,
	__NR_recvmsg,
};

static const unsigned long ioctls[] = { PROXY_IOCTLS };

static const struct proxy_rights rights = {
	.call = calls,
	.calls = sizeof(calls) / sizeof(calls[0]),
	.ioctl = ioctls,
	.ioctls = sizeof(ioctls) / sizeof(ioctls[0]),
};

int main(int argc, char **argv)
{
	return proxy_main(&proxy, &udp_kind, &rights, argc, argv);
}
