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
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "services/common/address.h"
#include "services/common/limits.h"
#include "services/proxy-common/options.h"
#include "services/proxy-tcp/tcp.h"

static const struct option options[] = {
	OPTION_FLAG(SB_OPTION_V6ONLY, IPPROTO_IPV6, IPV6_V6ONLY),
	OPTION_FLAG(SB_OPTION_REUSEPORT, SOL_SOCKET, SO_REUSEPORT),
	OPTION_FLAG(SB_OPTION_NODELAY, IPPROTO_TCP, TCP_NODELAY),
	OPTION_FLAG(SB_OPTION_CORK, IPPROTO_TCP, TCP_CORK),
	OPTION_FLAG(SB_OPTION_QUICKACK, IPPROTO_TCP, TCP_QUICKACK),
	OPTION_FIELD(SB_OPTION_KEEPIDLE, IPPROTO_TCP, TCP_KEEPIDLE, keepidle_s),
	OPTION_FIELD(SB_OPTION_KEEPINTVL, IPPROTO_TCP, TCP_KEEPINTVL,
		     keepintvl_s),
	OPTION_FIELD(SB_OPTION_KEEPCNT, IPPROTO_TCP, TCP_KEEPCNT, keepcnt),
	OPTION_FLAG(SB_OPTION_KEEPALIVE, SOL_SOCKET, SO_KEEPALIVE),
	OPTION_FIELD(SB_OPTION_TOS, IPPROTO_IP, IP_TOS, tos),
	OPTION_FIELD(SB_OPTION_TTL, IPPROTO_IP, IP_TTL, ttl),
	OPTION_FIELD(SB_OPTION_TCLASS, IPPROTO_IPV6, IPV6_TCLASS, tclass),
	OPTION_FIELD(SB_OPTION_HOPS, IPPROTO_IPV6, IPV6_UNICAST_HOPS, hops),
	OPTION_FIELD(SB_OPTION_USER_TIMEOUT, IPPROTO_TCP, TCP_USER_TIMEOUT,
		     user_timeout_ms),
	OPTION_FIELD(SB_OPTION_SNDBUF, SOL_SOCKET, SO_SNDBUF, sndbuf),
	OPTION_FIELD(SB_OPTION_RCVBUF, SOL_SOCKET, SO_RCVBUF, rcvbuf),
	OPTION_FIELD(SB_OPTION_LOWAT, IPPROTO_TCP, TCP_NOTSENT_LOWAT, lowat),
	OPTION_FIELD(SB_OPTION_MAXSEG, IPPROTO_TCP, TCP_MAXSEG, maxseg),
	OPTION_FIELD(SB_OPTION_CONGESTION, IPPROTO_TCP, TCP_CONGESTION,
		     congestion),
};

static bool is_ipv4(const struct stream *s)
{
	return s->remote.family == SB_FAMILY_IPV4 ||
	       s->local.family == SB_FAMILY_IPV4;
}

/* What differs between @before and @now, to one of its sockets */
static void apply(const struct stream *s, int fd, bool ipv4,
		  const struct sb_options *before, const struct sb_options *now)
{
	if (!now->set)
		return;
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		const struct option *o = &options[i];

		if (o->level == IPPROTO_IPV6 && ipv4)
			continue;
		if (option_differs(o, before, now) &&
		    option_set(fd, o, now) < 0)
			s->circuit.line->proxy->count[PROXY_OPTIONS_FAILED]++;
	}
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

void options_apply(struct stream *s, int fd)
{
	uint32_t seq = sb_load(&s->circuit.shared->options_seq);
	struct sb_options now;

	if (seq == s->options_seq)
		return;
	circuit_copy_options(&s->circuit, &now);
	apply(s, fd, is_ipv4(s), &s->options, &now);
	if (s->also.fd >= 0)
		apply(s, s->also.fd, true, &s->options, &now);
	if (s->phase == STREAM_LISTENING && s->watch.fd >= 0)
		renew_backlog(fd, &now, &s->options);
	if (s->also.fd >= 0)
		renew_backlog(s->also.fd, &now, &s->options);
	s->options = now;
	s->options_seq = seq;
	sb_store(&s->circuit.shared->options_ack, seq);
	if (s->circuit.word & SB_PEER_OPEN)
		line_ring(s->circuit.line, s->circuit.entry);
}

void options_apply_also(struct stream *s, int fd)
{
	const struct sb_options none = { 0 };

	apply(s, fd, true, &none, &s->options);
}

static void read_info(const struct stream *s, struct sb_info *info)
{
	struct tcp_info tcp = { 0 };
	socklen_t length = sizeof(tcp);
	int unsent = 0;

	if (getsockopt(s->watch.fd, IPPROTO_TCP, TCP_INFO, &tcp, &length) == 0)
		*info = (struct sb_info){
			.rtt_us = tcp.tcpi_rtt,
			.rttvar_us = tcp.tcpi_rttvar,
			.snd_mss = tcp.tcpi_snd_mss,
			.rcv_mss = tcp.tcpi_rcv_mss,
			.snd_cwnd = tcp.tcpi_snd_cwnd,
			.retransmits = tcp.tcpi_total_retrans,
			.tcp_state = tcp.tcpi_state,
		};
	if (ioctl(s->watch.fd, SIOCOUTQ, &unsent) == 0)
		info->unsent = unsent;
}

void options_answer_info(struct stream *s)
{
	struct sb_info info = { 0 };

	s->info_seq = sb_load(&s->circuit.shared->info_seq);
	read_info(s, &info);
	s->circuit.shared->info = info;
	sb_store(&s->circuit.shared->info_ack, s->info_seq);
	line_ring(s->circuit.line, s->circuit.entry);
}
