// SPDX-License-Identifier: GPL-2.0-only
/*
 * datagram.c - datagram sockets: UDP and ping
 *
 * Such a socket has no connection: connect() only says whom it talks to. What
 * is for this guest is queued at the other socket (datagram_queue.c) and never
 * needs a circuit. For everything else the socket takes one circuit to
 * proxy-udp when it first needs it (datagram_circuit.c), and keeps it.
 *
 * A bell looks at the peer's word and takes error records, so that sk_err is
 * right without anybody having to ask, and wakes whoever waits for datagrams.
 */
#include <linux/in.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/sockios.h>
#include <asm/ioctls.h>

#include "datagram.h"

int sb_datagram_autobind(struct sb_datagram_sock *ds)
{
	struct sb_sock *sb = &ds->sb;
	struct sb_address a = sb->bound;

	if (a.port)
		return 0;
	if (!a.family)
		a.family = sb->sk.sk_family == AF_INET ? SB_FAMILY_IPV4
						       : SB_FAMILY_IPV6;
	return sb_port_bind(sb, &a) ? -EAGAIN : 0;
}

/* ---- bind and connect ---- */

static int check_ping_bind(const struct sock *sk, const struct sb_address *a)
{
	if (sk->sk_protocol == IPPROTO_ICMPV6 && a->family != SB_FAMILY_IPV6)
		return -EADDRNOTAVAIL;
	return sb_address_is_multicast(a) ? -EADDRNOTAVAIL : 0;
}

static int bind_locked(struct sb_datagram_sock *ds, const struct sb_address *a)
{
	struct sb_sock *sb = &ds->sb;
	struct sock *sk = &sb->sk;
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
	error = sb_datagram_publish(ds);
	if (!error)
		return 0;
	sk->sk_userlocks &= ~(SOCK_BINDADDR_LOCK | SOCK_BINDPORT_LOCK);
	sb_port_release(sb);
	return error;
}

static int datagram_bind(struct socket *sock, struct sockaddr *sa, int bytes)
{
	struct sock *sk = sock->sk;
	struct sb_address a;
	int error;

	error = sb_bind_parse(&a, sk, sa, bytes);
	if (!error && sb_datagram_is_ping(sk))
		error = check_ping_bind(sk, &a);
	if (!error)
		error = sb_bind_check(sk, &a);
	if (error)
		return error;
	lock_sock(sk);
	error = bind_locked(sb_ds(sk), &a);
	release_sock(sk);
	return error;
}

/* The address that datagrams to @remote come from, as getsockname() tells it */
static int choose_local(const struct sb_sock *sb,
			const struct sb_address *remote,
			struct sb_address *local)
{
	static const u8 loopback4[16] = { 127, 0, 0, 1 };

	*local = sb->bound;
	if (!sb_address_is_any(&sb->bound)) {
		if (sb->bound.family != remote->family)
			return -ENETUNREACH;
		if (sb_address_is_loopback(local) &&
		    !sb_loopback_wanted(remote))
			return -EINVAL;
		return 0;
	}
	if (sb_loopback_wanted(remote)) {
		*local = *remote;
		if (remote->family == SB_FAMILY_IPV4 &&
		    sb_address_is_loopback(remote))
			memcpy(local->bytes, loopback4, sizeof(loopback4));
	} else if (!sb_address_own_first(remote->family, local)) {
		return -ENETUNREACH;
	}
	local->port = sb->bound.port;
	return 0;
}

/* An address of a link, or of a group there, without the link */
static bool lacks_link(struct sb_datagram_sock *ds, const struct sb_address *a)
{
	const struct sock *sk = &ds->sb.sk;

	if (a->family != SB_FAMILY_IPV6 || a->scope || sk->sk_bound_dev_if)
		return false;
	if (sb_address_is_multicast(a))
		return (a->bytes[1] & 0xf) <= 2 && !ds->group_out[1];
	return a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80;
}

static int parse_remote(struct sb_datagram_sock *ds, struct sb_address *a,
			const struct sockaddr *sa, int bytes)
{
	const struct sock *sk = &ds->sb.sk;
	int error = sb_address_parse(a, sk, sa, bytes);

	if (error)
		return error;
	if (lacks_link(ds, a))
		return -EINVAL;
	sb_address_any_to_loopback(a);
	if (a->family == SB_FAMILY_IPV4 && sk->sk_family == AF_INET6 &&
	    (sk->sk_ipv6only || sb_datagram_is_ping(sk)))
		return -ENETUNREACH;
	if (sb_address_is_broadcast(a) && !sock_flag(sk, SOCK_BROADCAST))
		return -EACCES;
	return 0;
}

static int connect_locked(struct sb_datagram_sock *ds,
			  const struct sockaddr *sa, int bytes)
{
	struct sb_sock *sb = &ds->sb;
	struct sb_address remote, local;
	int error;

	error = sb_datagram_autobind(ds);
	if (!error)
		error = parse_remote(ds, &remote, sa, bytes);
	if (!error)
		error = choose_local(sb, &remote, &local);
	if (error)
		return error;
	sb_port_connect(sb, &local, &remote);
	sb->sk.sk_socket->state = SS_CONNECTED;
	return 0;
}

/* To nobody in particular again. A port that we chose is given back */
static void disconnect(struct sb_datagram_sock *ds)
{
	static const struct sb_address none;
	struct sb_sock *sb = &ds->sb;
	struct sb_address a = sb->bound;

	sb_port_connect(sb, &none, &none);
	sb->sk.sk_socket->state = SS_UNCONNECTED;
	if (sb->sk.sk_userlocks & SOCK_BINDPORT_LOCK)
		return;
	/* joined groups need the circuit, whatever its port */
	if (!sb_datagram_joined_outside(ds))
		sb_datagram_leave(ds);
	sb_port_release(sb);
	clear_bit(SB_SOCK_PORT_TOLD, &sb->flags);
	/* an address that the program chose stays */
	a.port = 0;
	if (sb->sk.sk_userlocks & SOCK_BINDADDR_LOCK)
		sb->bound = a;
}

static int datagram_connect(struct socket *sock, struct sockaddr *sa, int bytes,
			    int flags)
{
	struct sock *sk = sock->sk;
	int error = 0;

	if (bytes < (int)sizeof(sa->sa_family))
		return -EINVAL;
	lock_sock(sk);
	if (sa->sa_family == AF_UNSPEC)
		disconnect(sb_ds(sk));
	else
		error = connect_locked(sb_ds(sk), sa, bytes);
	release_sock(sk);
	return error;
}

static int datagram_getname(struct socket *sock, struct sockaddr *sa, int peer)
{
	struct sock *sk = sock->sk;
	struct sb_sock *sb = sb_sk(sk);
	struct sb_address a;
	int bytes = -ENOTCONN;

	lock_sock(sk);
	if (!peer) {
		sb_datagram_settle_port(sb_ds(sk));
		a = sb->local.family ? sb->local : sb->bound;
	} else if (sb_datagram_is_connected(sk) && sb->remote.port) {
		a = sb->remote;
	} else {
		goto out;
	}
	if (!a.family)
		a.family = sk->sk_family == AF_INET ? SB_FAMILY_IPV4
						    : SB_FAMILY_IPV6;
	bytes = sb_address_format(&a, sk, sa);
out:
	release_sock(sk);
	return bytes;
}

/* ---- shutdown and close ---- */

static int datagram_shutdown(struct socket *sock, int how)
{
	struct sock *sk = sock->sk;
	int error;

	/* SHUT_RD, SHUT_WR, SHUT_RDWR become bits */
	how++;
	if (how & ~SHUTDOWN_MASK || !how)
		return -EINVAL;
	lock_sock(sk);
	error = sb_datagram_is_connected(sk) ? 0 : -ENOTCONN;
	WRITE_ONCE(sk->sk_shutdown, sk->sk_shutdown | how);
	sk->sk_state_change(sk);
	release_sock(sk);
	return error;
}

static int datagram_release(struct socket *sock)
{
	struct sock *sk = sock->sk;
	struct sb_datagram_sock *ds;

	if (!sk)
		return 0;
	ds = sb_ds(sk);
	lock_sock(sk);
	/* what was corked is not sent, as in Linux */
	kvfree(ds->cork);
	ds->cork = NULL;
	sb_datagram_options_tell(ds);
	sb_pair_unblock(ds);
	sb_datagram_leave(ds);
	sb_port_release(&ds->sb);
	sb_datagram_part_all(ds);
	kfree_skb(xchg(&ds->spare, NULL));
	sb_stream_state(sk, TCP_CLOSE);
	WRITE_ONCE(sk->sk_shutdown, SHUTDOWN_MASK);
	set_bit(SB_SOCK_CLOSED, &ds->sb.flags);
	release_sock(sk);
	if (cancel_delayed_work(&ds->work))
		sock_put(sk);
	sock->sk = NULL;
	sock_orphan(sk);
	sock_put(sk);
	return 0;
}

/* ---- waking and polling ---- */

bool sb_datagram_writable(struct sb_datagram_sock *ds)
{
	struct sb_sock *sb = &ds->sb;
	u32 wanted;
	s64 room;

	if (!list_empty_careful(&ds->blocked))
		return false;
	if (!sb->circuit)
		return true;
	/* one that does not fit at all gets a larger circuit */
	wanted = min(max(sb_stream_room_wanted(sb), ds->room), sb->tx.size);
	if (sb_writer_room(&sb->tx) >= wanted)
		return true;
	sb_datagram_flush(ds);
	sk_set_bit(SOCKWQ_ASYNC_NOSPACE, &sb->sk);
	set_bit(SOCK_NOSPACE, &sb->sk.sk_socket->flags);
	room = sb_writer_arm(&sb->tx, wanted);
	if (room < 0)
		sb_datagram_lie(ds, "consumed index");
	return room < 0 || room >= wanted;
}

static __poll_t ready(struct sb_datagram_sock *ds)
{
	struct sock *sk = &ds->sb.sk;
	bool readable = sb_datagram_pending(ds);
	__poll_t mask = 0;

	/* armed for the next, even when there is one: see poll.c */
	if (sb_datagram_arm(ds))
		readable = sb_datagram_pending(ds) || readable;
	if (READ_ONCE(sk->sk_err) || !skb_queue_empty(&sk->sk_error_queue)) {
		mask |= EPOLLERR;
		if (sock_flag(sk, SOCK_SELECT_ERR_QUEUE))
			mask |= EPOLLPRI;
	}
	if (sk->sk_shutdown & RCV_SHUTDOWN)
		mask |= EPOLLRDHUP | EPOLLIN | EPOLLRDNORM;
	if (sk->sk_shutdown == SHUTDOWN_MASK)
		mask |= EPOLLHUP;
	if (readable)
		mask |= EPOLLIN | EPOLLRDNORM;
	if (sb_datagram_writable(ds))
		mask |= EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND;
	return mask;
}

static __poll_t poll_datagram(struct file *file, struct socket *sock,
			      struct poll_table_struct *table)
{
	struct sock *sk = sock->sk;
	__poll_t mask;

	sock_poll_wait(file, sock, table);
	lock_sock(sk);
	sb_datagram_look(sb_ds(sk));
	mask = ready(sb_ds(sk));
	release_sock(sk);
	return mask;
}

void sb_datagram_write_space(struct sock *sk)
{
	struct sb_datagram_sock *ds = sb_ds(sk);
	struct sb_sock *sb = &ds->sb;
	struct socket *sock = sk->sk_socket;
	u32 used;

	if (!sock || !test_bit(SOCK_NOSPACE, &sock->flags))
		return;
	if (sb->circuit) {
		/* whoever wakes checks the index */
		used = sb->tx.produced - sb_load(&sb->tx.peer->consumed);
		if (used <= sb->tx.size &&
		    sb->tx.size - used <
			    min(max(sb_stream_room_wanted(sb), ds->room),
				sb->tx.size))
			return;
	}
	sb_stream_wake_writers(sk, sock);
}

/* What the peer has produced in the ring that is read now */
static u32 produced(const struct sb_datagram_sock *ds)
{
	return sb_load(ds->old ? &ds->old_rx.peer->produced
			       : &ds->sb.rx.peer->produced);
}

/*
 * A datagram in front is somebody's to read. When there were only errors, or
 * what is not for this socket, the bell must ring again for the next.
 */
void sb_datagram_bell(struct sb_sock *sb)
{
	struct sb_datagram_sock *ds = sb_ds_of(sb);
	bool news = false;

	sb_datagram_look(ds);
	if (sb_datagram_pending(ds))
		news = (sb->circuit || ds->old) && produced(ds) != sb->told;
	else
		news = sb_datagram_arm(ds);
	if (news) {
		sb->told = produced(ds);
		sb->sk.sk_data_ready(&sb->sk);
	}
	sb->sk.sk_write_space(&sb->sk);
}

static int datagram_ioctl(struct socket *sock, unsigned int cmd,
			  unsigned long arg)
{
	struct sock *sk = sock->sk;
	struct sb_sock *sb = sb_sk(sk);
	int answer = 0;

	if (cmd != SIOCINQ && cmd != SIOCOUTQ)
		return sb_control_ioctl(sock, cmd, arg);
	lock_sock(sk);
	if (cmd == SIOCINQ)
		answer = sb_datagram_next_bytes(sb_ds(sk));
	else if (sb->circuit && sb_writer_space(&sb->tx) >= 0)
		answer = sb->tx.size - sb_writer_room(&sb->tx);
	release_sock(sk);
	return put_user(answer, (int __user *)arg);
}

/* sendfile(): pieces of one datagram, until no more is announced */
static ssize_t datagram_sendpage(struct socket *sock, struct page *page,
				 int offset, size_t bytes, int flags)
{
	if (flags & MSG_SENDPAGE_NOTLAST)
		flags |= MSG_MORE;
	return sock_no_sendpage(sock, page, offset, bytes, flags);
}

/* ---- sockets come and go ---- */

static void line_up(struct sock *sk)
{
	struct sb_datagram_sock *ds = sb_ds(sk);

	lock_sock(sk);
	if (!ds->sb.circuit)
		sb_datagram_schedule(ds, 0);
	release_sock(sk);
}

static bool wants_line(const struct sock *sk)
{
	return sk->sk_type == SOCK_DGRAM;
}

void sb_datagram_line_up(void)
{
	sb_sock_visit(wants_line, line_up);
}

void sb_datagram_hint_changed(struct sb_sock *sb)
{
	sb_datagram_options_tell(sb_ds_of(sb));
}

void sb_datagram_init(struct sb_sock *sb)
{
	struct sb_datagram_sock *ds = sb_ds_of(sb);

	INIT_LIST_HEAD(&ds->groups);
	INIT_LIST_HEAD(&ds->blocked);
	INIT_DELAYED_WORK(&ds->work, sb_datagram_work);
	sb->sk.sk_write_space = sb_datagram_write_space;
}

struct proto sb_datagram_proto = {
	.name = "SWITCHBOARD-UDP",
	.owner = THIS_MODULE,
	.obj_size = sizeof(struct sb_datagram_sock),
	.release_cb = sb_stream_release_cb,
};

const struct proto_ops sb_datagram_ops = {
	.family = PF_INET,
	.owner = THIS_MODULE,
	.release = datagram_release,
	.bind = datagram_bind,
	.connect = datagram_connect,
	.socketpair = sock_no_socketpair,
	.accept = sock_no_accept,
	.getname = datagram_getname,
	.poll = poll_datagram,
	.ioctl = datagram_ioctl,
#ifdef CONFIG_COMPAT
	.compat_ioctl = sb_control_compat_ioctl,
#endif
	.gettstamp = sock_gettstamp,
	.listen = sock_no_listen,
	.shutdown = datagram_shutdown,
	.setsockopt = sb_options_set,
	.getsockopt = sb_options_get,
	.sendmsg = sb_datagram_send,
	.recvmsg = sb_datagram_receive,
	.mmap = sock_no_mmap,
	.sendpage = datagram_sendpage,
	.set_peek_off = sk_set_peek_off,
};
