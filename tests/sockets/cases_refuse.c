// SPDX-License-Identifier: GPL-2.0-only
/*
 * cases_refuse.c - sockets that there are not, here or on circuits
 */
#include <linux/if_ether.h>
#include <arpa/inet.h>
#include <unistd.h>

#include "near.h"

static void no_such_kind(struct world *w)
{
	must_fail(socket(w->family, SOCK_STREAM, IPPROTO_UDP), EPROTONOSUPPORT);
	must_fail(socket(w->family, SOCK_RDM, 0), ESOCKTNOSUPPORT);
	must_fail(socket(w->family, 11, 0), EINVAL);
	must_fail(socketpair(w->family, SOCK_STREAM, 0, (int[2]){ 0 }),
		  EOPNOTSUPP);
}

static void raw(struct world *w)
{
	if (!w->circuit)
		check_skip("on circuits only");
	must_fail(socket(w->family, SOCK_RAW, IPPROTO_ICMP), EPERM);
	must_fail(socket(w->family, SOCK_RAW, IPPROTO_RAW), EPERM);
}

static void packet(struct world *w)
{
	if (!w->circuit)
		check_skip("on circuits only");
	must_fail(socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)), EPERM);
	must_fail(socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_IP)), EPERM);
}

/* There is no urgent data on a circuit, and nobody is told that there is */
static void urgent(struct world *w)
{
	struct pair p = near_pair(w);
	char byte;

	must_fail(recv(p.near, &byte, 1, MSG_OOB | MSG_DONTWAIT), EINVAL);
	if (w->circuit)
		must_fail(send(p.near, "x", 1, MSG_OOB), EOPNOTSUPP);
}

const struct check_case refuse_cases[] = {
	{ "refuse-no-such-kind", no_such_kind, ONCE },
	{ "refuse-raw", raw, ONCE },
	{ "refuse-packet", packet, ONCE },
	{ "refuse-urgent", urgent, ONCE },
	CASES_END,
};
