// SPDX-License-Identifier: GPL-2.0-only
/*
 * option_table.c - the socket options that are supported, one row each
 *
 * Ranges, adjustments and errors are those of Linux 6.1. docs/OPTIONS.md shows
 * the same table to people.
 */
#include "datagram.h"
#include "option_rows.h"

#include <linux/in6.h>
#include <linux/net.h>
#include <linux/tcp.h>
#include <net/inet_ecn.h>
#include <net/ip.h>
#include <net/sock.h>
#include <net/tcp.h>

#define DEFAULT_KEEPIDLE_S 7200
#define DEFAULT_KEEPINTVL_S 75
#define DEFAULT_KEEPCNT 9
#define DEFAULT_HOPS 64
#define DEFAULT_LINGER2_S 60
#define DEFAULT_CONGESTION "cubic"
/* IP and TCP headers without options */
#define HEADERS_BYTES 40

static bool in_state(const struct sb_sock *sb, unsigned int states)
{
	return (1 << sb->sk.sk_state) & states;
}

static int check_maxseg(struct sb_sock *sb, int *value)
{
	return *value && *value < TCP_MIN_MSS ? -EINVAL : 0;
}

static int check_linger2(struct sb_sock *sb, int *value)
{
	if (*value < 0)
		*value = -1;
	else if (*value == 0)
		*value = DEFAULT_LINGER2_S;
	else
		*value = min(*value, TCP_FIN_TIMEOUT_MAX / HZ);
	return 0;
}

/* Linux keeps a number of retransmissions and reads back their seconds */
static int check_defer_accept(struct sb_sock *sb, int *value)
{
	int timeout = 1;
	int period = 1;
	int tries = 1;

	while (*value > period && tries++ < 255) {
		timeout = min(2 * timeout, TCP_RTO_MAX / HZ);
		period += timeout;
	}
	*value = *value > 0 ? period : 0;
	return 0;
}

static int check_window_clamp(struct sb_sock *sb, int *value)
{
	if (!*value)
		return in_state(sb, TCPF_CLOSE) ? 0 : -EINVAL;
	*value = max_t(int, *value, SOCK_MIN_RCVBUF / 2);
	return 0;
}

static int check_fastopen(struct sb_sock *sb, int *value)
{
	return in_state(sb, TCPF_CLOSE | TCPF_LISTEN) ? 0 : -EINVAL;
}

/* As on a Linux that does not let clients use it */
static int check_fastopen_connect(struct sb_sock *sb, int *value)
{
	return *value ? -EOPNOTSUPP : 0;
}

/* The proxy's socket alone knows about congestion marks */
static int check_tos(struct sb_sock *sb, int *value)
{
	*value &= ~INET_ECN_MASK & 0xff;
	return 0;
}

static int check_tclass(struct sb_sock *sb, int *value)
{
	*value = *value == -1 ? 0 : *value & ~INET_ECN_MASK;
	return 0;
}

static int check_ttl(struct sb_sock *sb, int *value)
{
	if (*value == 0)
		return -EINVAL;
	if (*value == -1)
		*value = DEFAULT_HOPS;
	return 0;
}

/* There is one way out: whether the interface exists is all there is to know */
static int check_unicast_if(struct sb_sock *sb, int *value)
{
	u32 index = ntohl((__force __be32)*value);

	return !index || sb_datagram_interface(index, 0) ? 0 : -EADDRNOTAVAIL;
}

static int check_hops(struct sb_sock *sb, int *value)
{
	if (*value == -1)
		*value = DEFAULT_HOPS;
	return 0;
}

/* Nobody may take addresses that are not the guest's */
static int check_transparent(struct sb_sock *sb, int *value)
{
	return *value ? -EPERM : 0;
}

static int check_v6only(struct sb_sock *sb, int *value)
{
	if (sb->bound.family != SB_FAMILY_NONE)
		return -EINVAL;
	sb->sk.sk_ipv6only = *value;
	return 0;
}

static int check_membership(struct sb_sock *sb, int *value)
{
	return -EPROTO;
}

int sb_option_get_bytes(char __user *to, int __user *bytes, const void *from,
			size_t size)
{
	int room;

	if (get_user(room, bytes))
		return -EFAULT;
	if (room < 0)
		return -EINVAL;
	size = min_t(size_t, room, size);
	if (put_user((int)size, bytes) || copy_to_user(to, from, size))
		return -EFAULT;
	return 0;
}

/* Only there to be read */
int sb_option_refuse(struct sb_sock *sb, const struct sb_option *o,
		     sockptr_t value, unsigned int bytes)
{
	return -ENOPROTOOPT;
}

/* Options that a socket can have, and this one has not */
static int get_nothing(struct sb_sock *sb, char __user *value,
		       int __user *bytes)
{
	return sb_option_get_bytes(value, bytes, "", 0);
}

/* Asking for nothing is fine: sshd does, to be rid of source routes */
static int set_ip_options(struct sb_sock *sb, const struct sb_option *o,
			  sockptr_t value, unsigned int bytes)
{
	return bytes ? -ENOPROTOOPT : 0;
}

/*
 * Only what every Dom0 allows without privileges can be promised here, where
 * the answer of the proxy's socket is not known.
 */
static int set_congestion(struct sb_sock *sb, const struct sb_option *o,
			  sockptr_t value, unsigned int bytes)
{
	char name[TCP_CA_NAME_MAX] = {};
	long copied;

	if (bytes < 1)
		return -EINVAL;
	copied = strncpy_from_sockptr(name, value,
				      min_t(size_t, sizeof(name) - 1, bytes));
	if (copied < 0)
		return -EFAULT;
	name[copied] = 0;
	if (strcmp(name, "cubic") && strcmp(name, "reno"))
		return -ENOENT;
	lock_sock(&sb->sk);
	memset(sb->options.congestion, 0, sizeof(sb->options.congestion));
	memcpy(sb->options.congestion, name, strlen(name));
	sb->options.set |= SB_OPTION_CONGESTION;
	sb_stream_options_changed(sb);
	release_sock(&sb->sk);
	return 0;
}

static int get_congestion(struct sb_sock *sb, char __user *value,
			  int __user *bytes)
{
	char name[TCP_CA_NAME_MAX] = DEFAULT_CONGESTION;

	BUILD_BUG_ON(sizeof(name) != sizeof(sb->options.congestion));
	lock_sock(&sb->sk);
	if (sb->options.set & SB_OPTION_CONGESTION)
		memcpy(name, sb->options.congestion, sizeof(name));
	release_sock(&sb->sk);
	return sb_option_get_bytes(value, bytes, name, sizeof(name));
}

static void fill_info(struct sb_sock *sb, struct tcp_info *to)
{
	struct sb_info from;
	int err;

	lock_sock(&sb->sk);
	err = sb_stream_info(sb, &from);
	release_sock(&sb->sk);
	if (err)
		return;
	to->tcpi_rtt = from.rtt_us;
	to->tcpi_rttvar = from.rttvar_us;
	to->tcpi_snd_mss = from.snd_mss;
	to->tcpi_rcv_mss = from.rcv_mss;
	to->tcpi_advmss = from.rcv_mss;
	to->tcpi_pmtu = from.snd_mss + HEADERS_BYTES;
	to->tcpi_snd_cwnd = from.snd_cwnd;
	to->tcpi_total_retrans = from.retransmits;
	to->tcpi_notsent_bytes = from.unsent;
}

static int get_info(struct sb_sock *sb, char __user *value, int __user *bytes)
{
	struct tcp_info info = {};

	info.tcpi_state = READ_ONCE(sb->sk.sk_state);
	if (info.tcpi_state == TCP_LISTEN) {
		info.tcpi_unacked = READ_ONCE(sb->sk.sk_ack_backlog);
		info.tcpi_sacked = READ_ONCE(sb->sk.sk_max_ack_backlog);
	} else if (info.tcpi_state != TCP_CLOSE) {
		fill_info(sb, &info);
	}
	return sb_option_get_bytes(value, bytes, &info, sizeof(info));
}

/* The peer's segment size, 0 while there is no connection */
static int segment_bytes(struct sb_sock *sb)
{
	struct sb_info info;
	int err;

	if (in_state(sb, TCPF_CLOSE | TCPF_LISTEN | TCPF_SYN_SENT))
		return 0;
	lock_sock(&sb->sk);
	err = sb_stream_info(sb, &info);
	release_sock(&sb->sk);
	return err ? 0 : info.snd_mss;
}

static int read_maxseg(struct sb_sock *sb, const struct sb_option *o)
{
	return segment_bytes(sb) ?: sb_option_load(sb, o) ?: TCP_MSS_DEFAULT;
}

static int read_mtu(struct sb_sock *sb, const struct sb_option *o)
{
	int bytes = segment_bytes(sb);

	return bytes ? bytes + HEADERS_BYTES : -ENOTCONN;
}

static const struct sb_option table[] = {
	FLAG(SOL_TCP, TCP_NODELAY, SB_OPTION_NODELAY, 0),
	FLAG(SOL_TCP, TCP_CORK, SB_OPTION_CORK, 0),
	FLAG(SOL_TCP, TCP_QUICKACK, SB_OPTION_QUICKACK, 1),
	FIELD(SOL_TCP, TCP_KEEPIDLE, SB_OPTION_KEEPIDLE, U16, keepidle_s, 1,
	      MAX_TCP_KEEPIDLE, DEFAULT_KEEPIDLE_S),
	FIELD(SOL_TCP, TCP_KEEPINTVL, SB_OPTION_KEEPINTVL, U16, keepintvl_s, 1,
	      MAX_TCP_KEEPINTVL, DEFAULT_KEEPINTVL_S),
	FIELD(SOL_TCP, TCP_KEEPCNT, SB_OPTION_KEEPCNT, U8, keepcnt, 1,
	      MAX_TCP_KEEPCNT, DEFAULT_KEEPCNT),
	FIELD(SOL_TCP, TCP_USER_TIMEOUT, SB_OPTION_USER_TIMEOUT, U32,
	      user_timeout_ms, 0, S32_MAX, 0),
	FIELD(SOL_TCP, TCP_NOTSENT_LOWAT, SB_OPTION_LOWAT, U32, lowat, S32_MIN,
	      S32_MAX, 0),
	FIELD(SOL_TCP, TCP_MAXSEG, SB_OPTION_MAXSEG, U16, maxseg, 0,
	      MAX_TCP_WINDOW, 0, .check = check_maxseg, .read = read_maxseg),
	OTHER(SOL_TCP, TCP_CONGESTION, .set = set_congestion,
	      .get = get_congestion),
	OTHER(SOL_TCP, TCP_INFO, .set = sb_option_refuse, .get = get_info),
	OTHER(SOL_TCP, TCP_CC_INFO, .set = sb_option_refuse,
	      .get = get_nothing),
	OTHER(SOL_TCP, TCP_ULP, .set = sb_option_refuse, .get = get_nothing),
	OTHER(SOL_TCP, TCP_FASTOPEN_CONNECT, .check = check_fastopen_connect),
	HINT(SOL_TCP, TCP_FASTOPEN, SB_HINT_FASTOPEN, 0, S32_MAX, 0,
	     .check = check_fastopen),
	HINT(SOL_TCP, TCP_LINGER2, SB_HINT_LINGER2, S32_MIN, S32_MAX,
	     DEFAULT_LINGER2_S, .check = check_linger2),
	HINT(SOL_TCP, TCP_DEFER_ACCEPT, SB_HINT_DEFER_ACCEPT, S32_MIN, S32_MAX,
	     0, .check = check_defer_accept),
	HINT(SOL_TCP, TCP_WINDOW_CLAMP, SB_HINT_WINDOW_CLAMP, S32_MIN, S32_MAX,
	     0, .check = check_window_clamp),
	HINT(SOL_TCP, TCP_THIN_LINEAR_TIMEOUTS, SB_HINT_THIN_LINEAR_TIMEOUTS, 0,
	     1, 0),

	FIELD(SOL_IP, IP_TOS, SB_OPTION_TOS, U8, tos, S32_MIN, S32_MAX, 0,
	      .check = check_tos),
	FIELD(SOL_IP, IP_TTL, SB_OPTION_TTL, U8, ttl, -1, 255, DEFAULT_HOPS,
	      .check = check_ttl),
	OTHER(SOL_IP, IP_MTU, .set = sb_option_refuse, .read = read_mtu),
	OTHER(SOL_IP, IP_OPTIONS, .set = set_ip_options, .get = get_nothing),
	OTHER(SOL_IP, IP_PKTOPTIONS, .set = sb_option_refuse,
	      .get = get_nothing),
	OTHER(SOL_IP, IP_TRANSPARENT, .check = check_transparent),
	OTHER(SOL_IP, IP_ADD_MEMBERSHIP, .check = check_membership),
	OTHER(SOL_IP, IP_DROP_MEMBERSHIP, .check = check_membership),
	HINT(SOL_IP, IP_MTU_DISCOVER, SB_HINT_IP_MTU_DISCOVER, IP_PMTUDISC_DONT,
	     IP_PMTUDISC_OMIT, IP_PMTUDISC_WANT),
	HINT(SOL_IP, IP_UNICAST_IF, SB_HINT_IP_UNICAST_IF, S32_MIN, S32_MAX, 0,
	     .check = check_unicast_if),
	SWITCH(SOL_IP, IP_RECVERR, SB_HINT_IP_RECVERR, 0),
	SWITCH(SOL_IP, IP_FREEBIND, SB_HINT_IP_FREEBIND, 0),
	SWITCH(SOL_IP, IP_BIND_ADDRESS_NO_PORT, SB_HINT_IP_BIND_ADDRESS_NO_PORT,
	       0),
	SWITCH(SOL_IP, IP_MULTICAST_LOOP, SB_HINT_IP_MULTICAST_LOOP, 1),
	HINT(SOL_IP, IP_MULTICAST_ALL, SB_HINT_IP_MULTICAST_ALL, 0, 1, 1),
	SWITCH(SOL_IP, IP_PKTINFO, SB_HINT_IP_PKTINFO, 0),
	SWITCH(SOL_IP, IP_RECVTTL, SB_HINT_IP_RECVTTL, 0),
	SWITCH(SOL_IP, IP_RECVTOS, SB_HINT_IP_RECVTOS, 0),
	SWITCH(SOL_IP, IP_RECVOPTS, SB_HINT_IP_RECVOPTS, 0),
	SWITCH(SOL_IP, IP_RETOPTS, SB_HINT_IP_RETOPTS, 0),
	SWITCH(SOL_IP, IP_RECVORIGDSTADDR, SB_HINT_IP_RECVORIGDSTADDR, 0),

	FLAG(SOL_IPV6, IPV6_V6ONLY, SB_OPTION_V6ONLY, 0, .check = check_v6only),
	FIELD(SOL_IPV6, IPV6_UNICAST_HOPS, SB_OPTION_HOPS, U8, hops, -1, 255,
	      DEFAULT_HOPS, .check = check_hops),
	FIELD(SOL_IPV6, IPV6_TCLASS, SB_OPTION_TCLASS, U8, tclass, -1, 255, 0,
	      .check = check_tclass),
	OTHER(SOL_IPV6, IPV6_MTU, .set = sb_option_refuse, .read = read_mtu),
	OTHER(SOL_IPV6, IPV6_TRANSPARENT, .check = check_transparent),
	OTHER(SOL_IPV6, IPV6_ADD_MEMBERSHIP, .check = check_membership),
	OTHER(SOL_IPV6, IPV6_DROP_MEMBERSHIP, .check = check_membership),
	SWITCH(SOL_IPV6, IPV6_FREEBIND, SB_HINT_IP_FREEBIND, 0),
	HINT(SOL_IPV6, IPV6_MTU_DISCOVER, SB_HINT_IPV6_MTU_DISCOVER,
	     IPV6_PMTUDISC_DONT, IPV6_PMTUDISC_OMIT, IPV6_PMTUDISC_WANT),
	HINT(SOL_IPV6, IPV6_UNICAST_IF, SB_HINT_IPV6_UNICAST_IF, S32_MIN,
	     S32_MAX, 0, .check = check_unicast_if),
	SWITCH(SOL_IPV6, IPV6_RECVERR, SB_HINT_IPV6_RECVERR, 0),
	SWITCH(SOL_IPV6, IPV6_DONTFRAG, SB_HINT_IPV6_DONTFRAG, 0),
	SWITCH(SOL_IPV6, IPV6_AUTOFLOWLABEL, SB_HINT_IPV6_AUTOFLOWLABEL, 1),
	SWITCH(SOL_IPV6, IPV6_FLOWINFO_SEND, SB_HINT_IPV6_FLOWINFO_SEND, 0),
	HINT(SOL_IPV6, IPV6_MULTICAST_LOOP, SB_HINT_IPV6_MULTICAST_LOOP, 0, 1,
	     1),
	SWITCH(SOL_IPV6, IPV6_RECVPKTINFO, SB_HINT_IPV6_RECVPKTINFO, 0),
	SWITCH(SOL_IPV6, IPV6_RECVHOPLIMIT, SB_HINT_IPV6_RECVHOPLIMIT, 0),
	SWITCH(SOL_IPV6, IPV6_RECVTCLASS, SB_HINT_IPV6_RECVTCLASS, 0),
	SWITCH(SOL_IPV6, IPV6_RECVRTHDR, SB_HINT_IPV6_RECVRTHDR, 0),
	SWITCH(SOL_IPV6, IPV6_RECVHOPOPTS, SB_HINT_IPV6_RECVHOPOPTS, 0),
	SWITCH(SOL_IPV6, IPV6_RECVDSTOPTS, SB_HINT_IPV6_RECVDSTOPTS, 0),
	SWITCH(SOL_IPV6, IPV6_RECVPATHMTU, SB_HINT_IPV6_RECVPATHMTU, 0),
	SWITCH(SOL_IPV6, IPV6_RECVORIGDSTADDR, SB_HINT_IPV6_RECVORIGDSTADDR, 0),
	SWITCH(SOL_IPV6, IPV6_FLOWINFO, SB_HINT_IPV6_FLOWINFO, 0),
};

const struct sb_option *sb_option_find(int level, int name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].level == level && table[i].name == name)
			return &table[i];
	return NULL;
}
