/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * host.c - Dom0's own addresses, as they are now
 */
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "services/operator/host.h"

#define RECEIVE_BYTES 16384
#define DUMP_TIMEOUT_MS 2000

static struct host_address *find(struct host *h,
				 const struct host_address *wanted)
{
	uint32_t i;

	for (i = 0; i < h->addresses; i++) {
		struct host_address *a = &h->address[i];

		if (a->interface == wanted->interface &&
		    a->address.family == wanted->address.family &&
		    memcmp(a->address.bytes, wanted->address.bytes, 16) == 0)
			return a;
	}
	return NULL;
}

static void add(struct host *h, const struct host_address *a)
{
	if (find(h, a))
		return;
	if (h->addresses == HOST_ADDRESSES_MAX) {
		h->overflow = true;
		return;
	}
	h->address[h->addresses++] = *a;
}

static void drop(struct host *h, const struct host_address *a)
{
	struct host_address *found = find(h, a);

	if (found)
		*found = h->address[--h->addresses];
}

static void take_attribute(struct host *h, const struct nlmsghdr *m,
			   const struct rtattr *attribute)
{
	const struct ifaddrmsg *message = NLMSG_DATA(m);
	size_t bytes = message->ifa_family == AF_INET ? 4 : 16;
	struct host_address a = { .interface = message->ifa_index };

	if (RTA_PAYLOAD(attribute) < bytes)
		return;
	a.address.family = message->ifa_family == AF_INET ? SB_FAMILY_IPV4
							  : SB_FAMILY_IPV6;
	memcpy(a.address.bytes, RTA_DATA(attribute), bytes);
	if (m->nlmsg_type == RTM_NEWADDR)
		add(h, &a);
	else
		drop(h, &a);
}

/* Of a point-to-point interface ADDRESS is the far end and LOCAL ours */
static void take_message(struct host *h, const struct nlmsghdr *m)
{
	const struct ifaddrmsg *message = NLMSG_DATA(m);
	const struct rtattr *attribute, *address = NULL, *local = NULL;
	int left = (int)IFA_PAYLOAD(m);

	if (m->nlmsg_type != RTM_NEWADDR && m->nlmsg_type != RTM_DELADDR)
		return;
	if (m->nlmsg_len < NLMSG_LENGTH(sizeof(*message)) ||
	    (message->ifa_family != AF_INET && message->ifa_family != AF_INET6))
		return;
	for (attribute = IFA_RTA(message); RTA_OK(attribute, left);
	     attribute = RTA_NEXT(attribute, left)) {
		if (attribute->rta_type == IFA_ADDRESS)
			address = attribute;
		if (attribute->rta_type == IFA_LOCAL)
			local = attribute;
		/* a subnet's broadcast address reaches Dom0 too */
		if (attribute->rta_type == IFA_BROADCAST)
			take_attribute(h, m, attribute);
	}
	if (local || address)
		take_attribute(h, m, local ? local : address);
}

void host_take(struct host *h, const void *messages, size_t bytes)
{
	const struct nlmsghdr *m = messages;

	for (; NLMSG_OK(m, bytes); m = NLMSG_NEXT(m, bytes))
		take_message(h, m);
}

static int ask(struct host *h)
{
	struct {
		struct nlmsghdr header;
		struct ifaddrmsg message;
	} request = {
		.header = { .nlmsg_len = sizeof(request),
			    .nlmsg_type = RTM_GETADDR,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
	};

	h->addresses = 0;
	h->overflow = false;
	return send(h->fd, &request, sizeof(request), 0) < 0 ? -errno : 0;
}

/* Return: 1 with a datagram from the kernel taken, 0 without, or -errno */
static int receive(struct host *h, bool *done)
{
	static char buffer[RECEIVE_BYTES]
		__attribute__((aligned(__alignof__(struct nlmsghdr))));
	struct sockaddr_nl from = { 0 };
	socklen_t from_bytes = sizeof(from);
	const struct nlmsghdr *first = (const void *)buffer;
	ssize_t bytes = recvfrom(h->fd, buffer, sizeof(buffer), MSG_DONTWAIT,
				 (struct sockaddr *)&from, &from_bytes);

	if (bytes < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (from.nl_pid != 0)
		return 1; /* not from the kernel */
	if (NLMSG_OK(first, (size_t)bytes) && first->nlmsg_type == NLMSG_DONE)
		*done = true;
	host_take(h, buffer, (size_t)bytes);
	return 1;
}

int host_update(struct host *h)
{
	bool done;
	int err;

	do {
		err = receive(h, &done);
	} while (err > 0);
	/* changes were lost: ask for everything again, it comes like changes */
	return err == -ENOBUFS ? ask(h) : err;
}

static int take_all(struct host *h)
{
	struct pollfd p = { .fd = h->fd, .events = POLLIN };
	bool done = false;
	int err = ask(h);

	while (!err && !done) {
		if (poll(&p, 1, DUMP_TIMEOUT_MS) <= 0)
			return -ETIMEDOUT;
		err = receive(h, &done);
		if (err > 0)
			err = 0;
	}
	return err;
}

int host_open(struct host *h)
{
	struct sockaddr_nl self = {
		.nl_family = AF_NETLINK,
		.nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
	};
	int err;

	h->addresses = 0;
	h->overflow = false;
	h->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (h->fd < 0)
		return -errno;
	err = bind(h->fd, (struct sockaddr *)&self, sizeof(self)) < 0 ? -errno
								      : 0;
	if (!err)
		err = take_all(h);
	if (err)
		host_close(h);
	return err;
}

void host_close(struct host *h)
{
	if (h->fd >= 0)
		close(h->fd);
	h->fd = -1;
}

bool host_has(const struct host *h, const struct sb_address *a)
{
	uint32_t i;

	for (i = 0; i < h->addresses; i++) {
		const struct sb_address *own = &h->address[i].address;

		if (own->family == a->family &&
		    memcmp(own->bytes, a->bytes, 16) == 0)
			return true;
	}
	return h->overflow;
}
