/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * host.h - Dom0's own addresses, as they are now
 *
 * A netlink socket, made before confinement, gives them once and then every
 * change, so that an address that Dom0 gets later is protected as well.
 */
#ifndef OPERATOR_HOST_H
#define OPERATOR_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/address.h"

/* Addresses remembered; when Dom0 has more, every address is held its own */
#define HOST_ADDRESSES_MAX 1024u

/**
 * struct host - Dom0's addresses
 * @fd:        netlink socket
 * @overflow:  there are more than fit: host_has() says yes to everything
 * @addresses: how many of @address are valid
 */
struct host {
	int fd;
	bool overflow;
	uint32_t addresses;
	struct host_address {
		struct sb_address address;
		uint32_t interface;
	} address[HOST_ADDRESSES_MAX];
};

/* Open the socket and take all addresses. Return: 0 or -errno */
int host_open(struct host *h);
void host_close(struct host *h);

/* @fd is readable: take the changes. Return: 0 or -errno */
int host_update(struct host *h);

/* Is it an address of Dom0? The port and the scope do not matter */
bool host_has(const struct host *h, const struct sb_address *a);

/* A netlink message, apart for the tests */
void host_take(struct host *h, const void *messages, size_t bytes);

#endif
