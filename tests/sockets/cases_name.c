// SPDX-License-Identifier: GPL-2.0-only
/*
 * cases_name.c - who am I, who is there, and which interfaces are there
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "far.h"
#include "near.h"

static void both_ends_agree(struct world *w)
{
	struct pair p = near_pair(w);
	union endpoint name = near_name(p.near);
	union endpoint peer = near_peer(p.near);

	must_be(name.any.sa_family, w->family);
	must_be(peer.any.sa_family, w->family);
	/* between machines, ports may be translated on the way in */
	must_be(endpoint_port(&peer), far_ask(w, "port %d", p.far));
	if (!w->remote || !w->accepted)
		must_be(endpoint_port(&name), far_ask(w, "peerport %d", p.far));
	must(endpoint_port(&name));
}

static void target_is_peer(struct world *w)
{
	union endpoint e = near_target(w, (unsigned int)far_ask(w, "listen 1"));
	int fd = near_connect(w, endpoint_port(&e));
	union endpoint peer = near_peer(fd);

	must_be(memcmp(&e, &peer, endpoint_bytes(&e)), 0);
}

static void short_buffer(struct world *w)
{
	struct pair p = near_pair(w);
	union endpoint whole = near_peer(p.near);
	union endpoint part;
	socklen_t bytes = 4;

	memset(&part, 0x55, sizeof(part));
	must_be(getpeername(p.near, &part.any, &bytes), 0);
	must_be(bytes, endpoint_bytes(&whole));
	must_be(memcmp(&part, &whole, 4), 0);
	must_be(((uint8_t *)&part)[4], 0x55);
	bytes = (socklen_t)-1;
	must_fail(getsockname(p.near, &part.any, &bytes), EINVAL);
	bytes = sizeof(part);
	must_fail(getsockname(p.near, (struct sockaddr *)16, &bytes), EFAULT);
}

/* After the peer is gone there is no peer; the own name stays */
static void name_after_end(struct world *w)
{
	struct pair p = near_pair(w);
	union endpoint name = near_name(p.near);
	union endpoint e;
	socklen_t bytes = sizeof(e);
	char byte;

	far_ask(w, "reset %d", p.far);
	must_fail(recv(p.near, &byte, 1, 0), ECONNRESET);
	must_fail(getpeername(p.near, &e.any, &bytes), ENOTCONN);
	e = near_name(p.near);
	must_be(endpoint_port(&e), endpoint_port(&name));
}

static void kind(struct world *w)
{
	struct pair p = near_pair(w);
	struct stat st;

	must_be(near_get(p.near, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
	must_be(near_get(p.near, SOL_SOCKET, SO_DOMAIN), w->family);
	must_be(near_get(p.near, SOL_SOCKET, SO_PROTOCOL), IPPROTO_TCP);
	must_be(near_get(p.near, SOL_SOCKET, SO_ACCEPTCONN), 0);
	must_be(fstat(p.near, &st), 0);
	must(S_ISSOCK(st.st_mode));
	must_fail(lseek(p.near, 0, SEEK_CUR), ESPIPE);
	must_be(socket(w->family, SOCK_STREAM, IPPROTO_TCP) >= 0, 1);
}

static void interfaces(struct world *w)
{
	struct ifaddrs *list;
	struct ifaddrs *each;
	union endpoint loopback = near_loopback(w, 0);
	bool found = false;

	must_be(getifaddrs(&list), 0);
	for (each = list; each; each = each->ifa_next) {
		if (!each->ifa_addr || each->ifa_addr->sa_family != w->family)
			continue;
		must(each->ifa_flags & IFF_UP);
		if (each->ifa_flags & IFF_LOOPBACK &&
		    !memcmp(each->ifa_addr, &loopback,
			    endpoint_bytes(&loopback)))
			found = true;
	}
	must(found);
	freeifaddrs(list);
}

static void interface_ioctls(struct world *w)
{
	struct ifreq r = { .ifr_name = "lo" };
	struct ifconf c = {};
	char buffer[4096];
	int fd = near_socket(w, 0);

	must_be(ioctl(fd, SIOCGIFFLAGS, &r), 0);
	must(r.ifr_flags & IFF_LOOPBACK);
	must(r.ifr_flags & IFF_UP);
	must_be(ioctl(fd, SIOCGIFINDEX, &r), 0);
	must_be(r.ifr_ifindex, if_nametoindex("lo"));
	must_be(ioctl(fd, SIOCGIFMTU, &r), 0);
	c.ifc_len = sizeof(buffer);
	c.ifc_buf = buffer;
	must_be(ioctl(fd, SIOCGIFCONF, &c), 0);
	must(c.ifc_len >= (int)sizeof(struct ifreq));
	if (w->family == AF_INET) {
		struct sockaddr_in *in = (void *)&r.ifr_addr;

		must_be(ioctl(fd, SIOCGIFADDR, &r), 0);
		must_be(ntohl(in->sin_addr.s_addr), INADDR_LOOPBACK);
		must_be(ioctl(fd, SIOCGIFNETMASK, &r), 0);
		must_be(ntohl(in->sin_addr.s_addr), 0xff000000);
	}
	strcpy(r.ifr_name, "none");
	must_fail(ioctl(fd, SIOCGIFFLAGS, &r), ENODEV);
	must_fail(ioctl(fd, 0x5401, buffer), ENOTTY);
	must_be(setresuid(65534, 65534, 65534), 0);
	strcpy(r.ifr_name, "lo");
	r.ifr_flags = 0;
	must_fail(ioctl(fd, SIOCSIFFLAGS, &r), EPERM);
}

const struct check_case name_cases[] = {
	{ "name-both-ends-agree", both_ends_agree, PAIRS },
	{ "name-target-is-peer", target_is_peer, ONCE },
	{ "name-short-buffer", short_buffer, PAIRS },
	{ "name-after-end", name_after_end, PAIRS },
	{ "name-kind", kind, PAIRS },
	{ "name-interfaces", interfaces, ONCE },
	{ "name-interface-ioctls", interface_ioctls, ONCE },
	CASES_END,
};
