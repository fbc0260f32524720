// SPDX-License-Identifier: GPL-2.0-only
/*
 * datagram_ping.c - echo requests and answers of ping sockets
 *
 * A ping socket is a datagram socket whose payload begins with an ICMP header
 * and whose port is the identifier in it. Only echo requests can be sent. The
 * socket in Dom0 has another identifier than the one in the guest, so answers
 * get the guest's; this guest's own addresses are answered here.
 */
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <net/checksum.h>

#include "datagram.h"

SB_ASSERT(sizeof(struct icmphdr) == SB_PING_BYTES);
SB_ASSERT(offsetof(struct icmphdr, un.echo.id) ==
	  offsetof(struct icmp6hdr, icmp6_dataun.u_echo.identifier));

/* Both protocols have type, code, checksum and identifier in the same place */
static bool is_request(const struct sock *sk, const struct icmphdr *icmp)
{
	u8 request = sk->sk_protocol == IPPROTO_ICMP ? ICMP_ECHO
						     : ICMPV6_ECHO_REQUEST;

	return icmp->type == request && icmp->code == 0;
}

static void set_identifier(struct icmphdr *icmp, u16 port)
{
	__be16 identifier = htons(port);

	csum_replace2(&icmp->checksum, icmp->un.echo.id, identifier);
	icmp->un.echo.id = identifier;
}

int sb_datagram_ping_check(const struct sock *sk, u8 *header)
{
	struct icmphdr *icmp = (struct icmphdr *)header;

	if (!is_request(sk, icmp))
		return -EINVAL;
	icmp->un.echo.id = htons(sb_sk(sk)->bound.port);
	return 0;
}

void sb_datagram_ping_renumber(const struct sock *sk, u8 *header)
{
	set_identifier((struct icmphdr *)header, sb_sk(sk)->bound.port);
}

/* Everything is in the first bytes but what the checksum covers */
void sb_datagram_ping_answer(const struct sock *sk, struct sk_buff *skb)
{
	struct icmphdr *icmp = (struct icmphdr *)skb->data;
	const struct sb_datagram *h = sb_datagram_header(skb);
	__wsum sum;

	icmp->type = sk->sk_protocol == IPPROTO_ICMP ? ICMP_ECHOREPLY
						     : ICMPV6_ECHO_REPLY;
	icmp->checksum = 0;
	sum = skb_checksum(skb, 0, skb->len, 0);
	if (sk->sk_protocol == IPPROTO_ICMP) {
		icmp->checksum = csum_fold(sum);
		return;
	}
	/* the pseudo header */
	sum = csum_partial(h->remote.bytes, sizeof(h->remote.bytes), sum);
	sum = csum_partial(h->local, sizeof(h->local), sum);
	sum = csum_add(sum, (__force __wsum)htonl(skb->len));
	sum = csum_add(sum, (__force __wsum)htonl(IPPROTO_ICMPV6));
	icmp->checksum = csum_fold(sum);
}
