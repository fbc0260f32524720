// SPDX-License-Identifier: GPL-2.0-only
/*
 * transfer.c - bytes between a program and the rings
 *
 * One copy, one publication, and a bell only when the peer asked for one.
 * Nothing is allocated. MSG_MORE is a hint that costs nothing to ignore: the
 * bytes are in the ring, and TCP_CORK does reach the proxy's socket. What is
 * copied lies within the area by the ring's own arithmetic, so the kernel is
 * not asked whether it does (_copy_from_iter()): it would look for the mapping
 * among all there are.
 *
 * A program that waits by epoll never tells us that it waits; so whoever finds
 * a ring empty, or full, arms it for the next change before it returns.
 */
#include <linux/fs.h>
#include <linux/sched/signal.h>
#include <linux/splice.h>
#include <linux/uio.h>
#include <asm/ioctls.h>
#include <linux/sockios.h>

#include "switchboard.h"

static void publish(struct sb_sock *sb)
{
	if (sb->circuit && sb_writer_publish(&sb->tx))
		sb_circuit_ring(sb->circuit, sb->side);
}

static bool may_send(const struct sb_sock *sb)
{
	return sb->circuit && !sb->sk.sk_err &&
	       !(sb->sk.sk_shutdown & SEND_SHUTDOWN);
}

/* Room for the @wanted bytes, or as many as there are; a lie ends it all */
static u32 find_room(struct sb_sock *sb, size_t wanted)
{
	s64 room = sb_writer_room(&sb->tx);

	if (room < wanted)
		room = sb_writer_space(&sb->tx);
	if (room >= 0)
		return room;
	sb_stream_lie(sb, "consumed index");
	return 0;
}

/* Ask to be woken when a part of the ring is free. True when it is now */
bool sb_transfer_arm_write(struct sb_sock *sb, u32 wanted)
{
	s64 room;

	sk_set_bit(SOCKWQ_ASYNC_NOSPACE, &sb->sk);
	set_bit(SOCK_NOSPACE, &sb->sk.sk_socket->flags);
	room = sb_writer_arm(&sb->tx, wanted);
	if (room >= 0)
		return room >= wanted;
	sb_stream_lie(sb, "consumed index");
	return true;
}

/* SOL_SOCKET options change without our knowing: a good moment to look */
static void collect_options(struct sb_sock *sb)
{
	if (sb_options_collect(sb))
		sb_stream_options_changed(sb);
}

/* 0 when there is a point in trying again */
static int wait_for_room(struct sb_sock *sb, long *timeo)
{
	struct sock *sk = &sb->sk;
	struct wait_queue_entry wait;
	/* somebody who polls wants to hear of less than a half */
	u32 part = test_bit(SOCK_NOSPACE, &sk->sk_socket->flags) ? 3 : 2;
	int error = 0;

	collect_options(sb);
	publish(sb);
	sb_grow_crowded(sb);
	sb_wait_begin(sk, &wait);
	while (!error && may_send(sb) && !(sb->seen & SB_WORD_STOP) &&
	       !sb_transfer_arm_write(sb, sb->tx.size / part))
		error = sb_wait_sleep(sk, &wait, timeo);
	sb_wait_end(sk, &wait);
	/* less than what we asked for is better than nothing */
	return error && may_send(sb) && sb_writer_room(&sb->tx) ? 0 : error;
}

/* Returns bytes, or -EFAULT */
static int copy_in(struct sb_sock *sb, struct msghdr *msg, u32 bytes)
{
	struct sb_writer *w = &sb->tx;
	size_t copied;

	if (bytes > sb_writer_run(w))
		sb->circuit->used[sb->side] = w->size;
	copied = _copy_from_iter(sb->tx_area + sb_writer_offset(w), bytes,
				 &msg->msg_iter);
	sb_writer_advance(w, copied);
	return copied ? copied : -EFAULT;
}

/*
 * The peer has closed: as with TCP, this write seems to succeed and provokes
 * the reset that the next one hears of.
 */
static int write_to_nobody(struct sb_sock *sb, struct msghdr *msg)
{
	int bytes = msg_data_left(msg);

	iov_iter_advance(&msg->msg_iter, bytes);
	sb->seen |= SB_WORD_CLOSED;
	sb_stream_fail(sb,
		       sb->sk.sk_state == TCP_CLOSE_WAIT ? EPIPE : ECONNRESET);
	return bytes;
}

static int send_some(struct sb_sock *sb, struct msghdr *msg, long *timeo)
{
	u32 room;
	int error;

	if (!may_send(sb))
		return -EPIPE;
	if (unlikely(sb->seen & SB_WORD_STOP))
		return write_to_nobody(sb, msg);
	room = find_room(sb, msg_data_left(msg));
	if (room)
		return copy_in(sb, msg,
			       min_t(size_t, room, msg_data_left(msg)));
	if (!may_send(sb))
		return -EPIPE;
	error = wait_for_room(sb, timeo);
	return error;
}

static int wait_established(struct sock *sk, long *timeo)
{
	struct wait_queue_entry wait;
	int error;

	if (likely(sk->sk_state == TCP_ESTABLISHED))
		return 0;
	error = sock_error(sk);
	sb_wait_begin(sk, &wait);
	while (!error && sk->sk_state == TCP_SYN_SENT) {
		error = sb_wait_sleep(sk, &wait, timeo);
		if (!error)
			error = sock_error(sk);
	}
	sb_wait_end(sk, &wait);
	if (error)
		return error;
	return sk->sk_state == TCP_CLOSE || sk->sk_state == TCP_LISTEN ||
			       !may_send(sb_sk(sk))
		       ? -EPIPE
		       : 0;
}

static int send_locked(struct sock *sk, struct msghdr *msg)
{
	struct sb_sock *sb = sb_sk(sk);
	long timeo = sock_sndtimeo(sk, msg->msg_flags & MSG_DONTWAIT);
	int sent = 0, result;

	result = wait_established(sk, &timeo);
	if (!result && !may_send(sb))
		result = -EPIPE;
	while (result >= 0 && msg_data_left(msg)) {
		result = send_some(sb, msg, &timeo);
		if (result > 0)
			sent += result;
	}
	publish(sb);
	if (sent || result >= 0)
		return sent;
	return sk_stream_error(sk, msg->msg_flags, result);
}

int sb_transfer_send(struct socket *sock, struct msghdr *msg, size_t bytes)
{
	struct sock *sk = sock->sk;
	int result;

	if (unlikely(msg->msg_flags & (MSG_OOB | MSG_FASTOPEN)))
		return -EOPNOTSUPP;
	/* the core lets anybody who calls itself TCP turn it on */
	if (unlikely(msg->msg_flags & MSG_ZEROCOPY &&
		     sock_flag(sk, SOCK_ZEROCOPY)))
		return -ENOBUFS;
	lock_sock(sk);
	sb_mmap_sync_tx(sb_sk(sk));
	result = send_locked(sk, msg);
	release_sock(sk);
	return result;
}

/* What is in the ring is all there will be, and what follows is in another */
static bool reads_both(const struct sb_sock *sb)
{
	return sb->exchange.reads_old && sb->exchange.at_end;
}

/* Bytes that a ring holds; 0 too when the peer lied */
static u32 look_for_data(struct sb_sock *sb, struct sb_reader *r)
{
	s64 held = sb_reader_available(r);

	if (held == r->size)
		sb_grow_crowded(sb);
	if (held >= 0)
		return held;
	if (sb_word_state(sb->own) != SB_WORD_CLOSED)
		sb_stream_lie(sb, "produced index");
	return 0;
}

/* Bytes that can be read behind the first @skip; 0 too when the peer lied */
static u32 find_data(struct sb_sock *sb, u32 skip, size_t wanted)
{
	s64 held;

	if (!sb->circuit || !sb->circuit->pages)
		return 0;
	if (unlikely(sb->exchange.reads_old))
		sb_exchange_read_on(sb);
	held = sb_reader_held(&sb->rx);
	if (held < skip + wanted || held == skip)
		held = look_for_data(sb, &sb->rx);
	if (held > skip)
		return held - skip;
	if (likely(!reads_both(sb)))
		return 0;
	skip -= held;
	held = look_for_data(sb, &sb->exchange.rx);
	return held > skip ? held - skip : 0;
}

u32 sb_transfer_readable(struct sb_sock *sb)
{
	u32 held = find_data(sb, 0, sb->rx.size);

	if (unlikely(held && reads_both(sb)))
		held += look_for_data(sb, &sb->exchange.rx);
	return held;
}

/* Ask for a bell when there are @bytes. True when there are */
bool sb_transfer_arm_read(struct sb_sock *sb, u32 bytes)
{
	struct sb_reader *r;
	s64 held;

	if (!sb->circuit || !sb->circuit->pages)
		return false;
	r = &sb->rx;
	if (unlikely(reads_both(sb))) {
		if (sb_reader_held(r) >= bytes)
			return true;
		bytes -= sb_reader_held(r);
		r = &sb->exchange.rx;
	}
	held = sb_reader_arm(r, bytes);
	/* a lie is found by whoever reads */
	return held < 0 || held >= bytes;
}

/* Returns bytes, or -EFAULT */
static int copy_out(struct sb_sock *sb, struct msghdr *msg, u32 skip, u32 bytes,
		    int flags)
{
	struct sb_reader *r = &sb->rx;
	const u8 *from = sb->rx_area;
	u32 offset;

	if (unlikely(skip && skip >= sb_reader_held(r) && reads_both(sb))) {
		/* a look at what is behind the old ring */
		skip -= sb_reader_held(r);
		r = &sb->exchange.rx;
		from = sb->exchange.rx_area;
	}
	offset = (r->consumed + skip) & (r->size - 1);
	if (!(flags & MSG_TRUNC))
		bytes = _copy_to_iter(from + offset, bytes, &msg->msg_iter);
	if (!bytes)
		return -EFAULT;
	if (flags & MSG_PEEK)
		return bytes;
	if (bytes > sb_reader_run(r))
		sb->circuit->used[!sb->side] = r->size;
	sb_reader_advance(r, bytes);
	if (sb_reader_release(r))
		sb_circuit_ring(sb->circuit, sb->side);
	return bytes;
}

/**
 * struct receipt - one recv() under way
 * @msg:    where to
 * @flags:  MSG_*
 * @left:   bytes still wanted
 * @copied: bytes had
 * @target: bytes to wait for
 * @timeo:  how long, in jiffies
 */
struct receipt {
	struct msghdr *msg;
	int flags;
	size_t left;
	int copied;
	int target;
	long timeo;
};

/* Nothing to read: 1 to go on waiting, else the end of this recv() */
static int may_wait(struct sock *sk, const struct receipt *r)
{
	bool over = sk->sk_err || sk->sk_state == TCP_CLOSE ||
		    sk->sk_shutdown & RCV_SHUTDOWN;

	if (r->copied)
		return !(r->copied >= r->target || !r->timeo || over ||
			 signal_pending(current));
	if (sock_flag(sk, SOCK_DONE))
		return 0;
	if (sk->sk_err)
		return sock_error(sk);
	if (sk->sk_shutdown & RCV_SHUTDOWN)
		return 0;
	if (sk->sk_state == TCP_CLOSE)
		return -ENOTCONN;
	if (!r->timeo)
		return -EAGAIN;
	return signal_pending(current) ? sock_intr_errno(r->timeo) : 1;
}

static u32 skipped(const struct receipt *r)
{
	return r->flags & MSG_PEEK ? r->copied : 0;
}

/* Sleep until there may be more. Armed when it returns without time left too */
static void wait_for_data(struct sb_sock *sb, struct receipt *r)
{
	struct wait_queue_entry wait;
	u32 more = clamp_t(int, r->target - r->copied, 1, 4096);

	sb_wait_begin(&sb->sk, &wait);
	sk_set_bit(SOCKWQ_ASYNC_WAITDATA, &sb->sk);
	if (!sb_transfer_arm_read(sb, skipped(r) + more))
		sb_wait_sleep(&sb->sk, &wait, &r->timeo);
	sk_clear_bit(SOCKWQ_ASYNC_WAITDATA, &sb->sk);
	sb_wait_end(&sb->sk, &wait);
}

/* 1 to go on, 0 at the end, or an error */
static int receive_nothing(struct sb_sock *sb, struct receipt *r)
{
	u32 seen = sb->seen;
	int result;

	/* the word may say that what came since is all: look at both again */
	sb_stream_look(sb);
	if (sb->seen != seen)
		return 1;
	result = may_wait(&sb->sk, r);
	if (result == -EAGAIN && sb_transfer_arm_read(sb, skipped(r) + 1))
		return 1;
	if (result == 1) {
		collect_options(sb);
		wait_for_data(sb, r);
	}
	return result;
}

/* As much as there can be without anything being read */
static u32 peekable(const struct sb_sock *sb)
{
	if (unlikely(reads_both(sb)))
		return sb_reader_held(&sb->rx) + sb->exchange.rx.size;
	return sb->rx.size;
}

static int receive_some(struct sb_sock *sb, struct receipt *r)
{
	u32 skip = skipped(r);
	u32 bytes = find_data(sb, skip, r->left);
	int result;

	if (!bytes) {
		/* a whole ring was peeked at: there cannot be more */
		if (skip && skip == peekable(sb))
			return 0;
		return receive_nothing(sb, r);
	}
	if (!r->left)
		return 0;
	result = copy_out(sb, r->msg, skip, min_t(size_t, bytes, r->left),
			  r->flags);
	if (result < 0)
		return result;
	r->copied += result;
	r->left -= result;
	return r->left ? 1 : 0;
}

/* Whoever waits by epoll or SIGIO must hear of what comes after this */
static void arm_for_watchers(struct sb_sock *sb)
{
	struct sock *sk = &sb->sk;

	if (!sb->circuit || !sb->circuit->pages || sb_reader_held(&sb->rx) ||
	    (reads_both(sb) && sb_reader_held(&sb->exchange.rx)))
		return;
	/* who queues up after this looks at the ring after that */
	if (!waitqueue_active(sk_sleep(sk)) && !sock_flag(sk, SOCK_FASYNC))
		return;
	if (sb_transfer_arm_read(sb, 1))
		sk->sk_data_ready(sk);
}

static int receive_locked(struct sock *sk, struct msghdr *msg, size_t bytes,
			  int flags)
{
	struct sb_sock *sb = sb_sk(sk);
	struct receipt r = {
		.msg = msg,
		.flags = flags,
		.left = bytes,
		.target = sock_rcvlowat(sk, flags & MSG_WAITALL, bytes),
		.timeo = sock_rcvtimeo(sk, flags & MSG_DONTWAIT),
	};
	int result;

	if (sk->sk_state == TCP_LISTEN)
		return -ENOTCONN;
	if (flags & MSG_OOB)
		return -EINVAL;
	do {
		result = receive_some(sb, &r);
	} while (result == 1);
	arm_for_watchers(sb);
	return r.copied ? r.copied : result;
}

int sb_transfer_receive(struct socket *sock, struct msghdr *msg, size_t bytes,
			int flags)
{
	struct sock *sk = sock->sk;
	int result;

	if (unlikely(flags & MSG_ERRQUEUE))
		return -EAGAIN;
	lock_sock(sk);
	sb_mmap_sync_rx(sb_sk(sk));
	result = receive_locked(sk, msg, bytes, flags);
	release_sock(sk);
	return result;
}

/*
 * The generic function, but for SPLICE_F_NONBLOCK, which it does not know.
 * A pipe without room answers as a page fault would.
 */
ssize_t sb_transfer_splice_read(struct socket *sock, loff_t *ppos,
				struct pipe_inode_info *pipe, size_t bytes,
				unsigned int flags)
{
	bool once =
		flags & SPLICE_F_NONBLOCK || sock->file->f_flags & O_NONBLOCK;
	struct msghdr msg = {};
	int result;

	if (*ppos)
		return -ESPIPE;
	iov_iter_pipe(&msg.msg_iter, ITER_DEST, pipe, bytes);
	result =
		sb_transfer_receive(sock, &msg, bytes, once ? MSG_DONTWAIT : 0);
	if (result < 0)
		pipe_discard_from(pipe, msg.msg_iter.start_head);
	return result == -EFAULT ? -EAGAIN : result;
}

/* What has been written and not yet taken; the proxy's socket included */
static int unsent(struct sb_sock *sb, bool in_ring_only)
{
	struct sb_info info;
	u32 bytes;

	if (!sb->circuit || !sb->circuit->pages)
		return 0;
	bytes = sb->tx.size - find_room(sb, sb->tx.size);
	bytes += sb_exchange_unsent(sb);
	if (in_ring_only || sb_stream_info(sb, &info))
		return bytes;
	return bytes + min_t(u32, info.unsent, INT_MAX - bytes);
}

static int count_bytes(struct sock *sk, unsigned int cmd)
{
	struct sb_sock *sb = sb_sk(sk);

	if (cmd == SIOCATMARK)
		return 0;
	if (sk->sk_state == TCP_LISTEN)
		return -EINVAL;
	if (sk->sk_state == TCP_SYN_SENT)
		return 0;
	if (cmd == SIOCINQ)
		sb_mmap_sync_rx(sb);
	else
		sb_mmap_sync_tx(sb);
	switch (cmd) {
	case SIOCINQ:
		return sb_transfer_readable(sb);
	case SIOCOUTQ:
		return unsent(sb, false);
	default:
		return unsent(sb, true);
	}
}

int sb_transfer_ioctl(struct socket *sock, unsigned int cmd, unsigned long arg)
{
	struct sock *sk = sock->sk;
	int answer;

	switch (cmd) {
	case SIOCINQ:
	case SIOCOUTQ:
	case SIOCOUTQNSD:
	case SIOCATMARK:
		break;
	default:
		return sb_mmap_ioctl(sock, cmd, arg);
	}
	lock_sock(sk);
	answer = count_bytes(sk, cmd);
	release_sock(sk);
	return answer < 0 ? answer : put_user(answer, (int __user *)arg);
}
