/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * config.h - what the administrator has written
 *
 * One JSON file says which guests there are, what each may connect to and
 * publish, and which limits hold. It is read whole and checked whole: a file
 * with one mistake changes nothing, and the error names file, line and key.
 * docs/CONFIGURATION.md is its specification.
 */
#ifndef OPERATOR_CONFIG_H
#define OPERATOR_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/messages.h"
#include "services/common/address.h"
#include "services/common/limits.h"

#define CONFIG_ERROR_BYTES 512

struct config_ports {
	uint16_t first;
	uint16_t last;
};

/* What a rule is about; bits */
#define CONFIG_TCP 0x1u
#define CONFIG_UDP 0x2u
#define CONFIG_ICMP 0x4u /* echo: ping */
#define CONFIG_PROTOCOLS 0x7u

/**
 * struct config_connect - a guest may connect there
 * @protocols: CONFIG_*
 * @any:   "any": every address but those that must be named, see policy.h
 * @to:    unless @any
 * @ports: how many of @port are valid
 */
struct config_connect {
	uint32_t protocols;
	bool any;
	struct address_prefix to;
	uint32_t ports;
	struct config_ports port[LIMIT_RULE_PORTS];
};

/**
 * struct config_publish - a guest may be reached there
 * @protocols: CONFIG_TCP, CONFIG_UDP
 * @port: of the guest
 * @at:   address of Dom0, and the port that stands for @port.first
 */
struct config_publish {
	uint32_t protocols;
	struct config_ports port;
	struct sb_address at;
};

/**
 * struct config_limits - what one guest may hold and do
 * @circuits:       connections that it has asked for, at once
 * @listeners:      listeners at once
 * @requests_per_s: requests a second, in the long run
 * @request_burst:  requests at once
 */
struct config_limits {
	uint32_t circuits;
	uint32_t listeners;
	uint32_t requests_per_s;
	uint32_t request_burst;
};

/**
 * struct config_guest - a guest
 * @name:      its name for xl
 * @identity:  the only UUID it may have, or empty
 * @address:   @addresses of them, with the length of their network part
 * @connect:   @connects rules
 * @publish:   @publishes rules
 * @proxy:     instance of proxy-tcp that serves it
 * @udp_proxy: instance of proxy-udp that serves it, or empty
 * @direct:    may meet other guests without a proxy between them
 * @limits:    its own, or those of the file, or limits.h's
 */
struct config_guest {
	char name[IPC_NAME_BYTES];
	char identity[IPC_IDENTITY_BYTES];
	uint32_t addresses;
	struct config_address {
		struct sb_address address;
		uint8_t bits;
	} address[LIMIT_GUEST_ADDRESSES];
	uint32_t connects;
	struct config_connect *connect;
	uint32_t publishes;
	struct config_publish *publish;
	char proxy[IPC_NAME_BYTES];
	char udp_proxy[IPC_NAME_BYTES];
	bool direct;
	struct config_limits limits;
};

/**
 * struct config - the file
 * @name_server: @name_servers of them
 * @proxy:       @proxies instances of proxy-tcp
 * @udp_proxy:   @udp_proxies instances of proxy-udp, maybe none
 * @proxy_away_s: after which a proxy that stays away is gone
 * @limits:      of guests that do not set their own
 * @guest:       @guests of them
 */
struct config {
	uint32_t name_servers;
	struct sb_address name_server[LIMIT_NAME_SERVERS];
	uint32_t proxies;
	char proxy[LIMIT_PROXIES][IPC_NAME_BYTES];
	uint32_t udp_proxies;
	char udp_proxy[LIMIT_PROXIES][IPC_NAME_BYTES];
	uint32_t proxy_away_s;
	struct config_limits limits;
	uint32_t guests;
	struct config_guest *guest;
};

/**
 * config_load() - read and check a file
 * @path:  the file
 * @error: CONFIG_ERROR_BYTES; on failure "FILE:LINE: KEY: what is wrong"
 *
 * Return: the configuration, to be freed with config_free(), or NULL.
 */
struct config *config_load(const char *path, char *error);

/* The same from text: @path is only a name. @text need not end in zero */
struct config *config_parse(const char *path, const char *text, size_t bytes,
			    char *error);

/* The same from an open file, read from its beginning */
struct config *config_load_fd(const char *path, int fd, char *error);

void config_free(struct config *c);

/* Return: the guest, or NULL */
const struct config_guest *config_find_guest(const struct config *c,
					     const char *name);

#endif
