// SPDX-License-Identifier: GPL-2.0-only
/*
 * ops.c - the socket operations that are neither connecting, nor accepting,
 * nor moving bytes: bind, names, shutdown, close
 */
#include <linux/in.h>
#include <linux/module.h>
#include <linux/sched/signal.h>

#include "switchboard.h"

/* AF_UNSPEC with INADDR_ANY passes for AF_INET, as in Linux */
int sb_bind_parse(struct sb_address *a, const struct sock *sk,
		  const struct sockaddr *sa, int bytes)
{
	struct sockaddr_in any;

	if (sk->sk_family == AF_INET && bytes >= (int)sizeof(any) &&
	    sa->sa_family == AF_UNSPEC) {
		any = *(const struct sockaddr_in *)sa;
		if (any.sin_addr.s_addr != htonl(INADDR_ANY))
			return -EAFNOSUPPORT;
		any.sin_family = AF_INET;
		return sb_address_parse(a, sk, (struct sockaddr *)&any, bytes);
	}
	return sb_address_parse(a, sk, sa, bytes);
}

/* Datagram sockets may be bound to a group, and ping has no privileged ports */
int sb_bind_check(const struct sock *sk, const struct sb_address *a)
{
	if (sk->sk_family == AF_INET6 && sk->sk_ipv6only &&
	    a->family == SB_FAMILY_IPV4)
		return -EINVAL;
	if (!sb_address_is_any(a) && !sb_address_is_loopback(a) &&
	    !sb_address_is_own(a) &&
	    !(sk->sk_type == SOCK_DGRAM && sb_address_is_multicast(a)) &&
	    !sb_option_hint(sb_sk(sk), SB_HINT_IP_FREEBIND))
		return -EADDRNOTAVAIL;
	if (a->port && a->port < SB_PORT_PRIVILEGED &&
	    (sk->sk_protocol == IPPROTO_TCP ||
	     sk->sk_protocol == IPPROTO_UDP) &&
	    !ns_capable(sock_net(sk)->user_ns, CAP_NET_BIND_SERVICE))
		return -EACCES;
	return 0;
}

static int bind_locked(struct sock *sk, const struct sb_address *a)
{
	struct sb_sock *sb = sb_sk(sk);
	int error;

	if (sk->sk_state != TCP_CLOSE || test_bit(SB_SOCK_IN_PORTS, &sb->flags))
		return -EINVAL;
	error = sb_port_bind(sb, a);
	if (error)
		return error;
	if (!sb_address_is_any(a))
		sk->sk_userlocks |= SOCK_BINDADDR_LOCK;
	if (a->port)
		sk->sk_userlocks |= SOCK_BINDPORT_LOCK;
	return 0;
}

static int stream_bind(struct socket *sock, struct sockaddr *sa, int bytes)
{
	struct sock *sk = sock->sk;
	struct sb_address a;
	int error;

	error = sb_bind_parse(&a, sk, sa, bytes);
	if (!error)
		error = sb_bind_check(sk, &a);
	if (error)
		return error;
	lock_sock(sk);
	error = bind_locked(sk, &a);
	release_sock(sk);
	return error;
}

static int stream_getname(struct socket *sock, struct sockaddr *sa, int peer)
{
	struct sock *sk = sock->sk;
	struct sb_sock *sb = sb_sk(sk);
	struct sb_address a = {};
	int bytes = -ENOTCONN;

	lock_sock(sk);
	if (peer) {
		if (sk->sk_state == TCP_CLOSE || sk->sk_state == TCP_LISTEN ||
		    (sk->sk_state == TCP_SYN_SENT && peer == 1))
			goto out;
		a = sb->remote;
	} else {
		a = sb->local.family ? sb->local : sb->bound;
	}
	if (!a.family)
		a.family = sk->sk_family == AF_INET ? SB_FAMILY_IPV4
						    : SB_FAMILY_IPV6;
	bytes = sb_address_format(&a, sk, sa);
out:
	release_sock(sk);
	return bytes;
}

/* Our half is over: what is in the ring is all that comes */
static void shut_down_sending(struct sb_sock *sb)
{
	struct sock *sk = &sb->sk;

	if (!sb->circuit)
		return;
	sb_stream_word_add(sb, SB_WORD_FIN);
	if (sk->sk_state == TCP_ESTABLISHED)
		sb_stream_state(sk, TCP_FIN_WAIT2);
	else if (sk->sk_state == TCP_CLOSE_WAIT)
		sb_stream_state(sk, TCP_CLOSE);
}

static int shutdown_locked(struct socket *sock, int how)
{
	struct sock *sk = sock->sk;

	switch (sk->sk_state) {
	case TCP_CLOSE:
		WRITE_ONCE(sk->sk_shutdown, sk->sk_shutdown | how);
		return -ENOTCONN;
	case TCP_LISTEN:
		if (!(how & RCV_SHUTDOWN))
			return 0;
		fallthrough;
	case TCP_SYN_SENT:
		sb_stream_disconnect(sb_sk(sk));
		sock->state = SS_UNCONNECTED;
		return 0;
	default:
		WRITE_ONCE(sk->sk_shutdown, sk->sk_shutdown | how);
		if (how & SEND_SHUTDOWN)
			shut_down_sending(sb_sk(sk));
		return 0;
	}
}

static int stream_shutdown(struct socket *sock, int how)
{
	struct sock *sk = sock->sk;
	int error;

	/* SHUT_RD, SHUT_WR, SHUT_RDWR become bits */
	how++;
	if (how & ~SHUTDOWN_MASK || !how)
		return -EINVAL;
	lock_sock(sk);
	if (sock->state == SS_CONNECTING && sk->sk_state != TCP_SYN_SENT &&
	    sk->sk_state != TCP_CLOSE)
		sock->state = SS_CONNECTED;
	error = shutdown_locked(sock, how);
	sk->sk_state_change(sk);
	release_sock(sk);
	return error;
}

/* Has what we wrote left the ring, or will it never? */
static bool drained(struct sb_sock *sb)
{
	s64 room;

	if (!sb->circuit || sb_word_state(sb->seen) == SB_WORD_CLOSED ||
	    sb->seen & SB_WORD_STOP)
		return true;
	if (sb->exchange.old)
		return false;
	room = sb_writer_arm(&sb->tx, sb->tx.size);
	/* on a line the proxy says CLOSED when its socket has it all */
	return room < 0 ||
	       (!sb_circuit_is_proxied(sb->circuit) && room == sb->tx.size);
}

/* SO_LINGER: wait, at most so long, until the peer has it all */
static void linger(struct sb_sock *sb, long timeo)
{
	struct wait_queue_entry wait;

	sb_stream_word_add(sb, SB_WORD_FIN | SB_WORD_STOP);
	sb_wait_begin(&sb->sk, &wait);
	while (timeo && !drained(sb)) {
		set_bit(SOCK_NOSPACE, &sb->sk.sk_socket->flags);
		if (sb_wait_sleep(&sb->sk, &wait, &timeo))
			break;
	}
	sb_wait_end(&sb->sk, &wait);
}

static void close_stream(struct sb_sock *sb)
{
	struct sock *sk = &sb->sk;
	bool abort;

	if (sk->sk_state == TCP_LISTEN)
		sb_accept_stop(sb);
	if (!sb->circuit)
		return;
	if (sb_options_collect(sb))
		sb_stream_options_changed(sb);
	sb_mmap_sync_tx(sb);
	sb_mmap_sync_rx(sb);
	abort = sk->sk_state == TCP_SYN_SENT || sb_transfer_readable(sb);
	if (sock_flag(sk, SOCK_LINGER) && !sk->sk_lingertime)
		abort = true;
	else if (sock_flag(sk, SOCK_LINGER) && !abort &&
		 !(current->flags & PF_EXITING))
		linger(sb, sk->sk_lingertime);
	sb_stream_leave(sb, abort);
}

static int stream_release(struct socket *sock)
{
	struct sock *sk = sock->sk;

	if (!sk)
		return 0;
	lock_sock(sk);
	close_stream(sb_sk(sk));
	sb_port_release(sb_sk(sk));
	sb_stream_state(sk, TCP_CLOSE);
	WRITE_ONCE(sk->sk_shutdown, SHUTDOWN_MASK);
	release_sock(sk);
	set_bit(SB_SOCK_CLOSED, &sb_sk(sk)->flags);
	sock->sk = NULL;
	sock_orphan(sk);
	sock_put(sk);
	return 0;
}

const struct proto_ops sb_stream_ops = {
	.family = PF_INET,
	.owner = THIS_MODULE,
	.release = stream_release,
	.bind = stream_bind,
	.connect = sb_connect,
	.socketpair = sock_no_socketpair,
	.accept = sb_accept,
	.getname = stream_getname,
	.poll = sb_poll,
	.ioctl = sb_transfer_ioctl,
#ifdef CONFIG_COMPAT
	.compat_ioctl = sb_control_compat_ioctl,
#endif
	.gettstamp = sock_gettstamp,
	.listen = sb_accept_listen,
	.shutdown = stream_shutdown,
	.setsockopt = sb_options_set,
	.getsockopt = sb_options_get,
	.sendmsg = sb_transfer_send,
	.recvmsg = sb_transfer_receive,
	.mmap = sb_exposure_mmap,
	.sendpage = sock_no_sendpage,
	.splice_read = sb_transfer_splice_read,
};
