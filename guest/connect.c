// SPDX-License-Identifier: GPL-2.0-only
/*
 * connect.c - from an address to a circuit that is on its way
 *
 * A circuit from the pool, the call in its index page, its word, a bell: the
 * proxy connects it, as far as the operator lets it. What comes back comes
 * through the circuit's entry.
 */
#include <linux/sched/signal.h>

#include "switchboard.h"

static int parse_remote(struct sb_address *a, const struct sock *sk,
			const struct sockaddr *sa, int bytes)
{
	int error = sb_address_parse(a, sk, sa, bytes);

	if (error)
		return error;
	/* nothing to connect to means this machine, as in Linux */
	sb_address_any_to_loopback(a);
	if (sb_address_is_multicast(a))
		return -ENETUNREACH;
	if (sk->sk_family == AF_INET6 && sk->sk_ipv6only &&
	    a->family == SB_FAMILY_IPV4)
		return -ENETUNREACH;
	return 0;
}

/* The line to call on, referenced. Socket lock held, dropped while there is none */
static struct sb_guest_line *
find_line(struct sock *sk, const struct sb_address *remote, int flags)
{
	long timeo = sock_sndtimeo(sk, flags & O_NONBLOCK);
	struct sb_guest_line *line = sb_direct_line(remote);

	if (!line)
		line = sb_orders_line(SB_LINE_TCP);
	if (line)
		return line;
	release_sock(sk);
	line = sb_orders_line_wait(SB_LINE_TCP, timeo);
	lock_sock(sk);
	return line;
}

/* The word is the last: with it the peer may believe the rest */
static void call(struct sb_sock *sb, struct sb_circuit *c)
{
	struct sb_call *call = &c->index->call;

	call->generation = c->generation;
	call->local = sb->bound;
	call->remote = sb->remote;
	sb_options_collect(sb);
	c->entry->options = sb->options;
	sb_stream_attach(sb, c, SB_OWNER);
	c->since = jiffies;
	WRITE_ONCE(c->asked, true);
	sb_store_full(sb->word, sb->own);
	sb_circuit_ring(c, SB_OWNER);
}

int sb_connect_over(struct sb_sock *sb, struct sb_guest_line *line)
{
	struct sb_circuit *c = sb_pool_take(line, true);

	if (IS_ERR(c))
		return PTR_ERR(c);
	if (line->kind == SB_LINE_DIRECT)
		return sb_direct_call(sb, c);
	call(sb, c);
	return 0;
}

static int connect_line(struct sb_sock *sb, const struct sb_address *remote,
			int flags)
{
	struct sb_guest_line *line;
	struct sock *sk = &sb->sk;
	int error = -EALREADY;

	if (sb->bound.family && sb_address_is_loopback(&sb->bound))
		return -EINVAL;
	line = find_line(sk, remote, flags);
	if (IS_ERR(line))
		return PTR_ERR(line);
	if (sk->sk_state == TCP_CLOSE && !sb->circuit) {
		sb->remote = *remote;
		sb->moves = 0;
		sb_stream_state(sk, TCP_SYN_SENT);
		error = sb_connect_over(sb, line);
		if (error == -ENOBUFS && sb_repeat_later(sb))
			error = 0;
		if (error)
			sb_stream_state(sk, TCP_CLOSE);
	}
	sb_line_put(line);
	/* the line may have been lost before anybody could tell us */
	if (!error)
		sb_stream_look(sb);
	return error;
}

static int start(struct sock *sk, const struct sockaddr *sa, int bytes,
		 int flags)
{
	struct sb_sock *sb = sb_sk(sk);
	struct sb_address remote;
	int error;

	error = parse_remote(&remote, sk, sa, bytes);
	if (error)
		return error;
	/* a former connection's circuit, which ended before it was closed */
	sb_stream_leave(sb, true);
	WRITE_ONCE(sk->sk_err, 0);
	sk->sk_shutdown = 0;
	sock_reset_flag(sk, SOCK_DONE);
	memset(&sb->local, 0, sizeof(sb->local));
	if (sb_loopback_wanted(&remote))
		return sb_loopback_connect(sb, &remote);
	return connect_line(sb, &remote, flags);
}

/* Until the state moves; returns the errno of giving up, or 0 */
static int wait_connected(struct sock *sk, int flags)
{
	long timeo = sock_sndtimeo(sk, flags & O_NONBLOCK);
	struct wait_queue_entry wait;
	int error = 0;

	if (!timeo)
		return -EINPROGRESS;
	sb_wait_begin(sk, &wait);
	while (!error && sk->sk_state == TCP_SYN_SENT)
		error = timeo ? sb_wait_sleep(sk, &wait, &timeo) : -EINPROGRESS;
	sb_wait_end(sk, &wait);
	return sk->sk_state == TCP_SYN_SENT ? error : 0;
}

static int finish(struct socket *sock, int flags)
{
	struct sock *sk = sock->sk;
	int error;

	if (sk->sk_state == TCP_CLOSE) {
		error = sock_error(sk);
		sock->state = SS_UNCONNECTED;
		sb_stream_disconnect(sb_sk(sk));
		return error ? error : -ECONNABORTED;
	}
	sock->state = SS_CONNECTED;
	return 0;
}

static int connect_locked(struct socket *sock, struct sockaddr *sa, int bytes,
			  int flags)
{
	struct sock *sk = sock->sk;
	int in_progress = -EALREADY, error;

	if (sock->state == SS_CONNECTED)
		return -EISCONN;
	if (sock->state == SS_UNCONNECTED) {
		if (sk->sk_state != TCP_CLOSE)
			return -EISCONN;
		error = start(sk, sa, bytes, flags);
		if (error)
			return error;
		sock->state = SS_CONNECTING;
		in_progress = -EINPROGRESS;
	}
	if (sk->sk_state == TCP_SYN_SENT) {
		error = wait_connected(sk, flags);
		if (error)
			return error == -EINPROGRESS ? in_progress : error;
	}
	return finish(sock, flags);
}

int sb_connect(struct socket *sock, struct sockaddr *sa, int bytes, int flags)
{
	struct sock *sk = sock->sk;
	int error = 0;

	if (bytes < (int)sizeof(sa->sa_family))
		return -EINVAL;
	lock_sock(sk);
	if (sa->sa_family == AF_UNSPEC) {
		sb_stream_disconnect(sb_sk(sk));
		sock->state = SS_UNCONNECTED;
	} else {
		error = connect_locked(sock, sa, bytes, flags);
	}
	release_sock(sk);
	return error;
}
