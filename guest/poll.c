// SPDX-License-Identifier: GPL-2.0-only
/*
 * poll.c - the event bits, as Linux's TCP gives them
 *
 * Both rings are armed for the next change whenever somebody looks, ready or
 * not: an edge-triggered watcher hears of data that comes while older data is
 * still unread.
 */
#include <linux/poll.h>

#include "switchboard.h"

static bool readable(struct sb_sock *sb)
{
	u32 held, lowat;

	if (!sb->circuit || !sb->circuit->pages)
		return false;
	held = sb_transfer_readable(sb);
	if (sb_transfer_arm_read(sb, held + 1))
		held = sb_transfer_readable(sb);
	/* as TCP: a peer that waits for half a ring must not wait for us */
	lowat = min_t(u32, sb->sk.sk_rcvlowat, sb->rx.size / 2);
	return held && held >= lowat;
}

static bool writable(struct sb_sock *sb)
{
	u32 wanted = sb_stream_room_wanted(sb);

	/* never connected: TCP says writable, and write() says why not */
	if (!sb->circuit || !sb->circuit->pages)
		return true;
	if (sb_writer_room(&sb->tx) >= wanted)
		return true;
	if (sb_transfer_arm_write(sb, wanted))
		return true;
	/* one whose writes fill the ring to the byte finds it full only here */
	sb_grow_polled(sb);
	return false;
}

static __poll_t ready(struct sb_sock *sb)
{
	const struct sock *sk = &sb->sk;
	__poll_t mask = 0;

	if (sk->sk_state == TCP_LISTEN)
		return sb_accept_pending(sb) ? EPOLLIN | EPOLLRDNORM : 0;
	if (sk->sk_shutdown == SHUTDOWN_MASK || sk->sk_state == TCP_CLOSE)
		mask |= EPOLLHUP;
	if (sk->sk_shutdown & RCV_SHUTDOWN)
		mask |= EPOLLIN | EPOLLRDNORM | EPOLLRDHUP;
	if (sk->sk_state != TCP_SYN_SENT) {
		if (readable(sb))
			mask |= EPOLLIN | EPOLLRDNORM;
		if (sk->sk_shutdown & SEND_SHUTDOWN || writable(sb))
			mask |= EPOLLOUT | EPOLLWRNORM;
	}
	if (sk->sk_err)
		mask |= EPOLLERR;
	return mask;
}

__poll_t sb_poll(struct file *file, struct socket *sock,
		 struct poll_table_struct *table)
{
	struct sock *sk = sock->sk;
	__poll_t mask;

	sock_poll_wait(file, sock, table);
	lock_sock(sk);
	sb_stream_look(sb_sk(sk));
	sb_mmap_sync_tx(sb_sk(sk));
	sb_mmap_sync_rx(sb_sk(sk));
	mask = ready(sb_sk(sk));
	release_sock(sk);
	return mask;
}
