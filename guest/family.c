// SPDX-License-Identifier: GPL-2.0-only
/*
 * family.c - the protocol families, and how sockets come and go
 *
 * PF_INET and PF_INET6 become ours, PF_PACKET refuses: streams, UDP and ping
 * are there, whoever the program belongs to. Sockets of the kernel's own (NFS
 * and the like reach into struct tcp_sock) and of other network namespaces are
 * refused.
 */
#include <linux/in.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/tcp.h>
#include <net/net_namespace.h>

#include "switchboard.h"

static DEFINE_SPINLOCK(all_lock);
static HLIST_HEAD(all_socks);

/*
 * SO_TIMESTAMPING in the core reads this field of whatever calls itself TCP:
 * it must be inside our memory, and is of no use to anybody.
 */
#define CORE_READS_BYTES offsetofend(struct tcp_sock, snd_una)

struct proto sb_proto = {
	.name = "SWITCHBOARD",
	.owner = THIS_MODULE,
	.obj_size =
		__builtin_choose_expr(sizeof(struct sb_sock) > CORE_READS_BYTES,
				      sizeof(struct sb_sock), CORE_READS_BYTES),
	.keepalive = sb_options_keepalive,
	.release_cb = sb_stream_release_cb,
};

static void destruct(struct sock *sk)
{
	struct sb_sock *sb = sb_sk(sk);

	spin_lock_bh(&all_lock);
	hlist_del_init(&sb->all_node);
	spin_unlock_bh(&all_lock);
	sb_accept_free(sb);
	skb_queue_purge(&sk->sk_receive_queue);
	skb_queue_purge(&sk->sk_error_queue);
	atomic64_dec(&sb_counters.sockets);
}

static void init(struct sb_sock *sb)
{
	struct sock *sk = &sb->sk;

	sk->sk_destruct = destruct;
	sk->sk_protocol = IPPROTO_TCP;
	sk->sk_write_space = sb_stream_write_space;
	INIT_WORK(&sb->parting, sb_stream_part);
	/* a bell finds the socket without a lock */
	sock_set_flag(sk, SOCK_RCU_FREE);
	sb_count(&sb_counters.sockets);
	spin_lock_bh(&all_lock);
	hlist_add_head(&sb->all_node, &all_socks);
	spin_unlock_bh(&all_lock);
}

struct sb_sock *sb_sock_create(struct net *net, int family, int kern, gfp_t gfp)
{
	struct sock *sk = sk_alloc(net, family, gfp, &sb_proto, kern);

	if (!sk)
		return NULL;
	sock_init_data(NULL, sk);
	init(sb_sk(sk));
	return sb_sk(sk);
}

void sb_sock_for_each(void (*visit)(struct sb_sock *sb, void *arg), void *arg)
{
	struct sb_sock *sb;

	spin_lock_bh(&all_lock);
	/* closed ones only wait for RCU */
	hlist_for_each_entry(sb, &all_socks, all_node)
		if (!test_bit(SB_SOCK_CLOSED, &sb->flags))
			visit(sb, arg);
	spin_unlock_bh(&all_lock);
}

static struct sb_sock *socket_at(struct hlist_node *node)
{
	return hlist_entry_safe(node, struct sb_sock, all_node);
}

/* The next socket after @last, referenced; @last's reference is dropped */
static struct sb_sock *next_wanted(struct sb_sock *last,
				   bool (*wanted)(const struct sock *sk))
{
	struct sb_sock *sb;

	spin_lock_bh(&all_lock);
	sb = socket_at(last ? last->all_node.next : all_socks.first);
	while (sb &&
	       (!wanted(&sb->sk) || !refcount_inc_not_zero(&sb->sk.sk_refcnt)))
		sb = socket_at(sb->all_node.next);
	spin_unlock_bh(&all_lock);
	if (last)
		sock_put(&last->sk);
	return sb;
}

void sb_sock_visit(bool (*wanted)(const struct sock *sk),
		   void (*visit)(struct sock *sk))
{
	struct sb_sock *sb = NULL;

	while ((sb = next_wanted(sb, wanted)))
		visit(&sb->sk);
}

static int choose_datagram(int family, int protocol)
{
	int ping = family == PF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;

	if (protocol == 0 || protocol == IPPROTO_UDP)
		return IPPROTO_UDP;
	return protocol == ping ? ping : -EPROTONOSUPPORT;
}

/* The protocol of a socket, or -errno */
static int choose(int family, int type, int protocol)
{
	if (protocol < 0 || protocol >= IPPROTO_MAX)
		return -EINVAL;
	switch (type) {
	case SOCK_STREAM:
		return protocol == 0 || protocol == IPPROTO_TCP
			       ? IPPROTO_TCP
			       : -EPROTONOSUPPORT;
	case SOCK_DGRAM:
		return choose_datagram(family, protocol);
	case SOCK_RAW:
		return -EPERM;
	default:
		return -ESOCKTNOSUPPORT;
	}
}

static int create(struct net *net, struct socket *sock, int protocol, int kern,
		  int family)
{
	bool stream = sock->type == SOCK_STREAM;
	struct sock *sk;

	protocol = choose(family, sock->type, protocol);
	if (protocol < 0)
		return protocol;
	if (kern || !net_eq(net, &init_net))
		return -EAFNOSUPPORT;
	sk = sk_alloc(net, family, GFP_KERNEL,
		      stream ? &sb_proto : &sb_datagram_proto, kern);
	if (!sk)
		return -ENOBUFS;
	sock_init_data(sock, sk);
	init(sb_sk(sk));
	sk->sk_protocol = protocol;
	if (!stream)
		sb_datagram_init(sb_sk(sk));
	sock->ops = stream ? &sb_stream_ops : &sb_datagram_ops;
	sock->state = SS_UNCONNECTED;
	return 0;
}

static int create_v4(struct net *net, struct socket *sock, int protocol,
		     int kern)
{
	return create(net, sock, protocol, kern, PF_INET);
}

static int create_v6(struct net *net, struct socket *sock, int protocol,
		     int kern)
{
	return create(net, sock, protocol, kern, PF_INET6);
}

static int create_packet(struct net *net, struct socket *sock, int protocol,
			 int kern)
{
	return -EPERM;
}

static const struct net_proto_family families[] = {
	{ .family = PF_INET, .create = create_v4, .owner = THIS_MODULE },
	{ .family = PF_INET6, .create = create_v6, .owner = THIS_MODULE },
	{ .family = PF_PACKET, .create = create_packet, .owner = THIS_MODULE },
};

/*
 * A family that was taken away cannot be given back, so a failure halfway
 * leaves programs without it: said loudly, and the rest goes on.
 */
int sb_family_init(void)
{
	unsigned int i;
	int error;

	error = proto_register(&sb_proto, 1);
	if (error)
		return error;
	error = proto_register(&sb_datagram_proto, 1);
	if (error) {
		proto_unregister(&sb_proto);
		return error;
	}
	for (i = 0; i < ARRAY_SIZE(families); i++) {
		sock_unregister(families[i].family);
		error = sock_register(&families[i]);
		if (error)
			pr_err("family %d cannot be registered: %d\n",
			       families[i].family, error);
	}
	return 0;
}

MODULE_ALIAS_NETPROTO(PF_PACKET);
