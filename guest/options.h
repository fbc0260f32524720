/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * options.h - socket options: what is carried to the proxy, what is kept
 *
 * docs/OPTIONS.md has one row for each option.
 */
#ifndef SWITCHBOARD_OPTIONS_H
#define SWITCHBOARD_OPTIONS_H

#include <linux/sockptr.h>
#include <linux/types.h>

struct sb_sock;
struct sock;

/*
 * Options that have no meaning on a circuit. Programs set them as a hint and
 * read them back, so the value is kept and nothing else happens.
 */
enum sb_hint {
	SB_HINT_LINGER2,
	SB_HINT_DEFER_ACCEPT,
	SB_HINT_WINDOW_CLAMP,
	SB_HINT_FASTOPEN,
	SB_HINT_THIN_LINEAR_TIMEOUTS,
	SB_HINT_IP_MTU_DISCOVER,
	SB_HINT_IP_UNICAST_IF,
	SB_HINT_IP_RECVERR,
	SB_HINT_IP_FREEBIND,
	SB_HINT_IP_BIND_ADDRESS_NO_PORT,
	SB_HINT_IP_MULTICAST_LOOP,
	SB_HINT_IP_MULTICAST_ALL,
	SB_HINT_IP_PKTINFO,
	SB_HINT_IP_RECVTTL,
	SB_HINT_IP_RECVTOS,
	SB_HINT_IP_RECVOPTS,
	SB_HINT_IP_RETOPTS,
	SB_HINT_IP_RECVORIGDSTADDR,
	SB_HINT_IPV6_MTU_DISCOVER,
	SB_HINT_IPV6_UNICAST_IF,
	SB_HINT_IPV6_RECVERR,
	SB_HINT_IPV6_DONTFRAG,
	SB_HINT_IPV6_AUTOFLOWLABEL,
	SB_HINT_IPV6_FLOWINFO_SEND,
	SB_HINT_IPV6_MULTICAST_LOOP,
	SB_HINT_IPV6_RECVPKTINFO,
	SB_HINT_IPV6_RECVHOPLIMIT,
	SB_HINT_IPV6_RECVTCLASS,
	SB_HINT_IPV6_RECVRTHDR,
	SB_HINT_IPV6_RECVHOPOPTS,
	SB_HINT_IPV6_RECVDSTOPTS,
	SB_HINT_IPV6_RECVPATHMTU,
	SB_HINT_IPV6_RECVORIGDSTADDR,
	SB_HINT_IPV6_FLOWINFO,
	SB_HINT_IP_MULTICAST_TTL,
	SB_HINT_IPV6_MULTICAST_HOPS,
	SB_HINT_IPV6_MULTICAST_ALL,
	SB_HINT_UDP_SEGMENT,
	SB_HINT_UDP_GRO,
	SB_HINT_UDP_NO_CHECK6_TX,
	SB_HINT_UDP_NO_CHECK6_RX,
	SB_HINTS
};

/**
 * struct sb_hints - the kept options of one socket
 * @changed: value xor Linux's initial value, so that zeroed memory is a new
 *           socket; a socket that is accepted gets a copy of its listener's
 */
struct sb_hints {
	s32 changed[SB_HINTS];
};

/**
 * sb_options_collect() - notice options that the core has set by itself
 * @sb: locked
 *
 * On Linux 6.1 setsockopt(SOL_SOCKET) never reaches a family. This compares
 * what the core left in struct sock (SO_KEEPALIVE, SO_LINGER, SO_SNDBUF,
 * SO_RCVBUF, SO_REUSEADDR, SO_REUSEPORT) with @sb->options and takes it over.
 * Cheap enough for every send, receive, listen, connect and close.
 *
 * Return: true when something changed that the peer should be told.
 */
bool sb_options_collect(struct sb_sock *sb);

/*
 * For struct proto: the core calls it, with the socket locked, when
 * SO_KEEPALIVE changes, the one option of SOL_SOCKET that acts on idle sockets.
 */
void sb_options_keepalive(struct sock *sk, int on);

/* Where the value of an option lives */
enum sb_store {
	SB_STORE_FLAG,
	SB_STORE_U8,
	SB_STORE_U16,
	SB_STORE_U32,
	SB_STORE_HINT,
	SB_STORE_NOWHERE,
};

/**
 * struct sb_option - what is known about one option
 * @level:   SOL_TCP, SOL_UDP, SOL_IP or SOL_IPV6
 * @name:    TCP_..., UDP_..., IP_... or IPV6_...
 * @store:   where the value lives
 * @yes_no:  any value but 0 counts as 1
 * @where:   offset in struct sb_options, or enum sb_hint
 * @bit:     SB_OPTION_...
 * @min:     smallest value that Linux takes, otherwise EINVAL
 * @max:     largest
 * @initial: read back until something is set
 * @check:   further conditions; may adjust the value; runs locked
 * @set:     instead of everything above; takes its own lock
 * @read:    instead of the stored value; may lock
 * @get:     instead of copying an int; takes its own lock
 */
struct sb_option {
	u16 level;
	u16 name;
	u8 store;
	bool yes_no;
	u16 where;
	u32 bit;
	s32 min;
	s32 max;
	s32 initial;
	int (*check)(struct sb_sock *sb, int *value);
	int (*set)(struct sb_sock *sb, const struct sb_option *o,
		   sockptr_t value, unsigned int bytes);
	int (*read)(struct sb_sock *sb, const struct sb_option *o);
	int (*get)(struct sb_sock *sb, char __user *value, int __user *bytes);
};

/* Whether a hint that is off at first has been set, for who can make use of it */
bool sb_option_hint(const struct sb_sock *sb, enum sb_hint hint);

/* In option_table.c: NULL for what is not supported */
const struct sb_option *sb_option_find(int level, int name);

/* setsockopt() and getsockopt() of bytes that are no int */
int sb_option_get_bytes(char __user *to, int __user *bytes, const void *from,
			size_t size);
/* .set of options that are only there to be read */
int sb_option_refuse(struct sb_sock *sb, const struct sb_option *o,
		     sockptr_t value, unsigned int bytes);

/* The value, stored or initial */
int sb_option_load(const struct sb_sock *sb, const struct sb_option *o);

#endif
