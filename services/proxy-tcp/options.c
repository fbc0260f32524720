// SPDX-License-Identifier: GPL-2.0-only
/*
 * options.c - socket options that the guest wants, and how its socket is doing
 *
 * The options are copied out of the entry in one go, then compared with what
 * was applied before: only differences become system calls. Every value goes
 * to setsockopt() and nowhere else, so the kernel is what checks it; what it
 * refuses is counted.
 *
 * System calls: setsockopt, getsockopt, ioctl (SIOCOUTQ).
 */
#include <linux/sockios.h>
#include <netinet/in.h>
#include <linux/tcp.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "services/common/address.h"
#include "services/common/limits.h"
#include "services/proxy-tcp/circuit.h"

#define AT(field) offsetof(struct sb_options, field)
#define SIZE(field) sizeof(((struct sb_options *)0)->field)

/**
 * struct option - how an option becomes a system call
 * @bit:    in sb_options.set
 * @level:  of setsockopt()
 * @name:   of setsockopt()
 * @offset: of the value in struct sb_options
 * @bytes:  of the value; 0: it is @bit in sb_options.flags
 */
struct option {
	uint32_t bit;
	int level;
	int name;
	size_t offset;
	size_t bytes;
};

static const struct option options[] = {
	{ SB_OPTION_V6ONLY, IPPROTO_IPV6, IPV6_V6ONLY, 0, 0 },
	{ SB_OPTION_REUSEPORT, SOL_SOCKET, SO_REUSEPORT, 0, 0 },
	{ SB_OPTION_NODELAY, IPPROTO_TCP, TCP_NODELAY, 0, 0 },
	{ SB_OPTION_CORK, IPPROTO_TCP, TCP_CORK, 0, 0 },
	{ SB_OPTION_QUICKACK, IPPROTO_TCP, TCP_QUICKACK, 0, 0 },
	{ SB_OPTION_KEEPIDLE, IPPROTO_TCP, TCP_KEEPIDLE, AT(keepidle_s),
	  SIZE(keepidle_s) },
	{ SB_OPTION_KEEPINTVL, IPPROTO_TCP, TCP_KEEPINTVL, AT(keepintvl_s),
	  SIZE(keepintvl_s) },
	{ SB_OPTION_KEEPCNT, IPPROTO_TCP, TCP_KEEPCNT, AT(keepcnt),
	  SIZE(keepcnt) },
	{ SB_OPTION_KEEPALIVE, SOL_SOCKET, SO_KEEPALIVE, 0, 0 },
	{ SB_OPTION_TOS, IPPROTO_IP, IP_TOS, AT(tos), SIZE(tos) },
	{ SB_OPTION_TTL, IPPROTO_IP, IP_TTL, AT(ttl), SIZE(ttl) },
	{ SB_OPTION_TCLASS, IPPROTO_IPV6, IPV6_TCLASS, AT(tclass),
	  SIZE(tclass) },
	{ SB_OPTION_HOPS, IPPROTO_IPV6, IPV6_UNICAST_HOPS, AT(hops),
	  SIZE(hops) },
	{ SB_OPTION_USER_TIMEOUT, IPPROTO_TCP, TCP_USER_TIMEOUT,
	  AT(user_timeout_ms), SIZE(user_timeout_ms) },
	{ SB_OPTION_SNDBUF, SOL_SOCKET, SO_SNDBUF, AT(sndbuf), SIZE(sndbuf) },
	{ SB_OPTION_RCVBUF, SOL_SOCKET, SO_RCVBUF, AT(rcvbuf), SIZE(rcvbuf) },
	{ SB_OPTION_LOWAT, IPPROTO_TCP, TCP_NOTSENT_LOWAT, AT(lowat),
	  SIZE(lowat) },
	{ SB_OPTION_MAXSEG, IPPROTO_TCP, TCP_MAXSEG, AT(maxseg), SIZE(maxseg) },
	{ SB_OPTION_CONGESTION, IPPROTO_TCP, TCP_CONGESTION, AT(congestion),
	  SIZE(congestion) },
};

static uint32_t value_of(const struct option *o, const struct sb_options *from)
{
	const uint8_t *at = (const uint8_t *)from + o->offset;
	uint16_t half;
	uint32_t word;

	switch (o->bytes) {
	case 0:
		return !!(from->flags & o->bit);
	case 1:
		return *at;
	case 2:
		memcpy(&half, at, sizeof(half));
		return half;
	default:
		memcpy(&word, at, sizeof(word));
		return word;
	}
}

static bool is_same(const struct option *o, const struct sb_options *a,
		    const struct sb_options *b)
{
	if (!(a->set & o->bit))
		return false;
	if (o->bytes > sizeof(uint32_t))
		return memcmp((const uint8_t *)a + o->offset,
			      (const uint8_t *)b + o->offset, o->bytes) == 0;
	return value_of(o, a) == value_of(o, b);
}

static int set(int fd, const struct option *o, const struct sb_options *from)
{
	const char *text = (const char *)from + o->offset;
	int value;

	if (o->bytes > sizeof(uint32_t))
		return setsockopt(fd, o->level, o->name, text,
				  strnlen(text, o->bytes));
	value = value_of(o, from);
	return setsockopt(fd, o->level, o->name, &value, sizeof(value));
}

static void copy_options(struct sb_options *to, const struct sb_entry *e)
{
	const uint32_t *from = (const uint32_t *)(const void *)&e->options;
	uint32_t word[sizeof(*to) / sizeof(uint32_t)];

	for (size_t i = 0; i < sizeof(word) / sizeof(word[0]); i++)
		word[i] = sb_load(&from[i]);
	memcpy(to, word, sizeof(*to));
}

static bool is_ipv4(const struct circuit *c)
{
	return c->remote.family == SB_FAMILY_IPV4 ||
	       c->local.family == SB_FAMILY_IPV4;
}

static void renew_backlog(int fd, const struct sb_options *now,
			  const struct sb_options *before)
{
	uint32_t backlog = now->backlog;

	if (!(now->set & SB_OPTION_BACKLOG) ||
	    (before->set & SB_OPTION_BACKLOG && before->backlog == backlog))
		return;
	listen(fd, backlog > LIMIT_BACKLOG_MAX ? LIMIT_BACKLOG_MAX : backlog);
}

void options_apply(struct circuit *c, int fd)
{
	uint32_t seq = sb_load(&c->shared->options_seq);
	struct sb_options now;

	if (seq == c->options_seq)
		return;
	copy_options(&now, c->shared);
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		const struct option *o = &options[i];

		if (!(now.set & o->bit) || is_same(o, &c->options, &now) ||
		    (o->level == IPPROTO_IPV6 && is_ipv4(c)))
			continue;
		if (set(fd, o, &now) < 0)
			c->line->proxy->count[PROXY_OPTIONS_FAILED]++;
	}
	if (c->phase == CIRCUIT_LISTENING && c->watch.fd >= 0)
		renew_backlog(fd, &now, &c->options);
	c->options = now;
	c->options_seq = seq;
	sb_store(&c->shared->options_ack, seq);
	if (c->word & SB_PEER_OPEN)
		line_ring(c->line, c->entry);
}

static void read_info(const struct circuit *c, struct sb_info *info)
{
	struct tcp_info tcp = { 0 };
	socklen_t length = sizeof(tcp);
	int unsent = 0;

	if (getsockopt(c->watch.fd, IPPROTO_TCP, TCP_INFO, &tcp, &length) == 0)
		*info = (struct sb_info){
			.rtt_us = tcp.tcpi_rtt,
			.rttvar_us = tcp.tcpi_rttvar,
			.snd_mss = tcp.tcpi_snd_mss,
			.rcv_mss = tcp.tcpi_rcv_mss,
			.snd_cwnd = tcp.tcpi_snd_cwnd,
			.retransmits = tcp.tcpi_total_retrans,
			.tcp_state = tcp.tcpi_state,
		};
	if (ioctl(c->watch.fd, SIOCOUTQ, &unsent) == 0)
		info->unsent = unsent;
}

void options_answer_info(struct circuit *c)
{
	struct sb_info info = { 0 };

	c->info_seq = sb_load(&c->shared->info_seq);
	read_info(c, &info);
	c->shared->info = info;
	sb_store(&c->shared->info_ack, c->info_seq);
	line_ring(c->line, c->entry);
}
