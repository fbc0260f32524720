// SPDX-License-Identifier: GPL-2.0-only
/*
 * family.c - the protocol families, and how sockets come and go
 *
 * PF_INET and PF_INET6 become ours, PF_PACKET refuses. Streams are whole.
 * Datagram sockets exist so that programs can do interface ioctls and look at
 * options, as many do before anything else; whatever would move a datagram
 * answers EPROTONOSUPPORT. Sockets of the kernel's own (NFS and the like
 * reach into struct tcp_sock) and of other network namespaces are refused.
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
	atomic64_dec(&sb_counters.sockets);
}

static void init(struct sb_sock *sb)
{
	struct sock *sk = &sb->sk;

	sk->sk_destruct = destruct;
	sk->sk_protocol = IPPROTO_TCP;
	sk->sk_write_space = sb_stream_write_space;
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

/* The next listening socket after @last, referenced; @last's is dropped */
static struct sb_sock *next_listener(struct sb_sock *last)
{
	struct sb_sock *sb;

	spin_lock_bh(&all_lock);
	sb = socket_at(last ? last->all_node.next : all_socks.first);
	while (sb && (sb->sk.sk_state != TCP_LISTEN ||
		      !refcount_inc_not_zero(&sb->sk.sk_refcnt)))
		sb = socket_at(sb->all_node.next);
	spin_unlock_bh(&all_lock);
	if (last)
		sock_put(&last->sk);
	return sb;
}

void sb_sock_visit_listeners(void (*visit)(struct sock *sk))
{
	struct sb_sock *sb = NULL;

	while ((sb = next_listener(sb)))
		visit(&sb->sk);
}

static int control_release(struct socket *sock)
{
	struct sock *sk = sock->sk;

	if (!sk)
		return 0;
	set_bit(SB_SOCK_CLOSED, &sb_sk(sk)->flags);
	sock->sk = NULL;
	sock_orphan(sk);
	sock_put(sk);
	return 0;
}

static int control_bind(struct socket *sock, struct sockaddr *addr, int bytes)
{
	return -EPROTONOSUPPORT;
}

static int control_connect(struct socket *sock, struct sockaddr *addr,
			   int bytes, int flags)
{
	return -EPROTONOSUPPORT;
}

static int control_getname(struct socket *sock, struct sockaddr *addr, int peer)
{
	struct sb_address any = {};

	if (peer)
		return -ENOTCONN;
	any.family = sock->sk->sk_family == AF_INET ? SB_FAMILY_IPV4
						    : SB_FAMILY_IPV6;
	return sb_address_format(&any, sock->sk, addr);
}

static __poll_t control_poll(struct file *file, struct socket *sock,
			     struct poll_table_struct *table)
{
	sock_poll_wait(file, sock, table);
	return EPOLLOUT | EPOLLWRNORM;
}

static int control_shutdown(struct socket *sock, int how)
{
	return -ENOTCONN;
}

static int control_sendmsg(struct socket *sock, struct msghdr *msg,
			   size_t bytes)
{
	return -EPROTONOSUPPORT;
}

static int control_recvmsg(struct socket *sock, struct msghdr *msg,
			   size_t bytes, int flags)
{
	return -EPROTONOSUPPORT;
}

static const struct proto_ops control_ops = {
	.family = PF_INET,
	.owner = THIS_MODULE,
	.release = control_release,
	.bind = control_bind,
	.connect = control_connect,
	.socketpair = sock_no_socketpair,
	.accept = sock_no_accept,
	.getname = control_getname,
	.poll = control_poll,
	.ioctl = sb_control_ioctl,
#ifdef CONFIG_COMPAT
	.compat_ioctl = sb_control_compat_ioctl,
#endif
	.listen = sock_no_listen,
	.shutdown = control_shutdown,
	.setsockopt = sb_options_set,
	.getsockopt = sb_options_get,
	.sendmsg = control_sendmsg,
	.recvmsg = control_recvmsg,
	.mmap = sock_no_mmap,
	.sendpage = sock_no_sendpage,
};

/* Which operations a socket of a type and protocol gets, or ERR_PTR */
static const struct proto_ops *choose_ops(int type, int protocol)
{
	if (protocol < 0 || protocol >= IPPROTO_MAX)
		return ERR_PTR(-EINVAL);
	switch (type) {
	case SOCK_STREAM:
		if (protocol == 0 || protocol == IPPROTO_TCP)
			return &sb_stream_ops;
		return ERR_PTR(-EPROTONOSUPPORT);
	case SOCK_DGRAM:
		if (protocol == 0 || protocol == IPPROTO_UDP)
			return &control_ops;
		return ERR_PTR(-EPROTONOSUPPORT);
	case SOCK_RAW:
		return ERR_PTR(-EPERM);
	default:
		return ERR_PTR(-ESOCKTNOSUPPORT);
	}
}

static int create(struct net *net, struct socket *sock, int protocol, int kern,
		  int family)
{
	const struct proto_ops *ops = choose_ops(sock->type, protocol);
	struct sock *sk;

	if (IS_ERR(ops))
		return PTR_ERR(ops);
	if (kern || !net_eq(net, &init_net))
		return -EAFNOSUPPORT;
	sk = sk_alloc(net, family, GFP_KERNEL, &sb_proto, kern);
	if (!sk)
		return -ENOBUFS;
	sock_init_data(sock, sk);
	init(sb_sk(sk));
	sock->ops = ops;
	sock->state = SS_UNCONNECTED;
	if (sock->type == SOCK_DGRAM) {
		sk->sk_protocol = IPPROTO_UDP;
		set_bit(SB_SOCK_CONTROL, &sb_sk(sk)->flags);
	}
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
