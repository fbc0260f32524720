// SPDX-License-Identifier: GPL-2.0-only
/*
 * mmap.c - a program that works on its circuit in place
 *
 * SB_USER_ATTACH hands the indexes of one end to the program; mmap() then maps
 * the circuit's pages (exposure.c). From then on what the index page says of
 * this end is the program's claim, not our memory: every call on the socket
 * starts with sb_mmap_sync_tx() or _rx(), which load it once, check it as if it
 * came from a stranger, and end the circuit when it cannot be.
 */
#include <linux/poll.h>
#include <linux/uaccess.h>

#include "switchboard.h"
#include "include/uapi/linux/switchboard.h"

/* Loads of one's own index before another thread's storing is a lie */
#define SYNC_TRIES 100

/* ---- what the program claims; ownership held ---- */

/*
 * Own index and the other side's, the latter loaded while the former was what
 * it says: a thread of the program may be moving it. False when they cannot be
 */
static bool snapshot(const u32 *own, const u32 *others, u32 *mine, u32 *theirs)
{
	int i;

	for (i = 0; i < SYNC_TRIES; i++) {
		*mine = sb_load_full(own);
		*theirs = sb_load_full(others);
		if (sb_load_full(own) == *mine)
			return true;
	}
	return false;
}

static void lie(struct sb_sock *sb)
{
	if (sb_word_state(sb->own) != SB_WORD_CLOSED)
		sb_stream_lie(sb, "index, or the program's own,");
}

/* Is there a program whose indexes must be asked for, on a circuit? */
static bool is_attached(const struct sb_sock *sb)
{
	return test_bit(SB_SOCK_ATTACHED, &sb->flags) && sb->circuit;
}

/* What it sees is not what is there: that cannot go on */
static void abort_unseen(struct sb_sock *sb)
{
	if (sb_exposure_failed(sb) && sb_word_state(sb->own) != SB_WORD_CLOSED)
		sb_stream_abort(sb, ECONNRESET);
}

void sb_mmap_sync_tx(struct sb_sock *sb)
{
	struct sb_writer *w = &sb->tx;
	u32 produced, consumed;

	if (!is_attached(sb))
		return;
	abort_unseen(sb);
	if (!snapshot(&w->mine->produced, &w->peer->consumed, &produced,
		      &consumed) ||
	    produced - consumed > w->size) {
		lie(sb);
		return;
	}
	w->produced = produced;
	w->published = produced;
	w->consumed = consumed;
}

void sb_mmap_sync_rx(struct sb_sock *sb)
{
	struct sb_reader *r = &sb->rx;
	u32 consumed, produced;

	if (!is_attached(sb))
		return;
	abort_unseen(sb);
	if (!snapshot(&r->mine->consumed, &r->peer->produced, &consumed,
		      &produced) ||
	    produced - consumed > r->size) {
		lie(sb);
		return;
	}
	r->consumed = consumed;
	r->released = consumed;
	r->produced = produced;
}

void sb_mmap_leave(struct sb_sock *sb)
{
	if (!test_bit(SB_SOCK_ATTACHED, &sb->flags))
		return;
	if (sb->circuit->foreign) {
		sb_exposure_withdraw(sb);
		sb_mmap_sync_tx(sb);
		sb_exposure_clean(sb);
	}
	clear_bit(SB_SOCK_ATTACHED, &sb->flags);
	sb_exposure_set(sb, NULL);
}

/* ---- the ioctls ---- */

/* Socket lock held: 0 when there is a circuit that can be shown */
static int check_attach(const struct sb_sock *sb)
{
	struct sb_circuit *c = sb->circuit;

	if (test_bit(SB_SOCK_ATTACHED, &sb->flags))
		return -EBUSY;
	if (!c || c->kind != SB_ENTRY_STREAM || sb->sk.sk_state == TCP_SYN_SENT)
		return -ENOTCONN;
	return sb_exposure_possible(c) ? 0 : -EOPNOTSUPP;
}

static int attach_locked(struct sb_sock *sb, struct sb_user_circuit *u)
{
	int error = sb_grow_for_program(sb) ?: check_attach(sb);
	struct sb_circuit *c = sb->circuit;
	struct sb_exposure *m;

	if (error)
		return error;
	m = sb_exposure_create(c);
	if (!m)
		return -ENOMEM;
	/* what a former program of this circuit left there is not true */
	sb_store_full(&sb->tx.mine->produced, sb->tx.published);
	sb_store_full(&sb->rx.mine->consumed, sb->rx.released);
	/* of another guest's, only what was touched: see sb_exposure_clean() */
	if (!c->foreign)
		c->exposed = true;
	sb_exposure_set(sb, m);
	set_bit(SB_SOCK_ATTACHED, &sb->flags);
	u->side = sb->side;
	u->area_bytes = sb->tx.size;
	u->bytes = sb_exposure_bytes(m);
	u->tx_offset = PAGE_SIZE + (sb->side == SB_OWNER ? 0 : 2 * sb->tx.size);
	u->rx_offset = PAGE_SIZE + (sb->side == SB_OWNER ? 2 * sb->tx.size : 0);
	return 0;
}

static int user_attach(struct sock *sk, void __user *arg)
{
	struct sb_user_circuit u;
	int error;

	if (copy_from_user(&u, arg, sizeof(u)))
		return -EFAULT;
	if (u.version != SB_USER_VERSION || u.reserved0 ||
	    memchr_inv(u.reserved1, 0, sizeof(u.reserved1)))
		return -EINVAL;
	lock_sock(sk);
	error = attach_locked(sb_sk(sk), &u);
	release_sock(sk);
	if (error)
		return error;
	/* who cannot be told is attached all the same, and may detach */
	return copy_to_user(arg, &u, sizeof(u)) ? -EFAULT : 0;
}

static int user_detach(struct sock *sk)
{
	struct sb_sock *sb = sb_sk(sk);
	int error = 0;

	lock_sock(sk);
	if (test_bit(SB_SOCK_ATTACHED, &sb->flags)) {
		sb_mmap_sync_tx(sb);
		sb_mmap_sync_rx(sb);
		if (sk->sk_err == EPROTO)
			error = -EPROTO;
		sb_mmap_leave(sb);
	} else {
		error = -EINVAL;
	}
	release_sock(sk);
	return error;
}

/* Nobody wants what is written any more */
static bool writing_is_over(const struct sb_sock *sb)
{
	return sb->sk.sk_err || sb->sk.sk_shutdown & SEND_SHUTDOWN ||
	       sb->seen & SB_WORD_STOP;
}

static int user_ring(struct sock *sk)
{
	struct sb_sock *sb = sb_sk(sk);
	int error = -ENOTCONN;

	lock_sock(sk);
	if (is_attached(sb))
		abort_unseen(sb);
	if (sb->circuit && sb->circuit->kind == SB_ENTRY_STREAM) {
		sb_circuit_ring(sb->circuit, sb->side);
		error = writing_is_over(sb) ? -EPIPE : 0;
	}
	release_sock(sk);
	return error;
}

/* Arms the ring when there is less than what is wanted */
static void look_to_read(struct sb_sock *sb, struct sb_user_wait *u)
{
	struct sock *sk = &sb->sk;

	sb_mmap_sync_rx(sb);
	if (sb_transfer_arm_read(sb, u->read_bytes))
		u->events |= SB_USER_READ;
	if (!(sk->sk_shutdown & RCV_SHUTDOWN) && !sk->sk_err &&
	    sk->sk_state != TCP_CLOSE)
		return;
	u->events |= SB_USER_READ | SB_USER_END;
	if (!sock_flag(sk, SOCK_DONE))
		u->error = sk->sk_err;
}

static void look_to_write(struct sb_sock *sb, struct sb_user_wait *u)
{
	sb_mmap_sync_tx(sb);
	/* woken from a third on, see sb_stream_write_space() */
	if (sb_writer_room(&sb->tx) >= u->write_bytes ||
	    sb_transfer_arm_write(sb, max(u->write_bytes,
					  sb_stream_room_wanted(sb))))
		u->events |= SB_USER_WRITE;
	if (!writing_is_over(sb))
		return;
	u->events |= SB_USER_WRITE | SB_USER_BROKEN;
	u->error = sb->sk.sk_err;
}

/* What is true now of @events. 0 or the errno of this call */
static int look(struct sb_sock *sb, struct sb_user_wait *u, u32 events)
{
	u->events = 0;
	u->error = 0;
	if (!sb->circuit && sb->sk.sk_err) {
		/* taken away, with the guest at the other end */
		u->events = events | SB_USER_END | SB_USER_BROKEN;
		u->error = sb->sk.sk_err;
		return 0;
	}
	if (!is_attached(sb))
		return -EINVAL;
	if ((events & SB_USER_READ &&
	     (!u->read_bytes || u->read_bytes > sb->rx.size / 2 + 1)) ||
	    (events & SB_USER_WRITE &&
	     (!u->write_bytes || u->write_bytes > sb->tx.size / 2)))
		return -EINVAL;
	/* the word before the indexes: what came before an end is seen */
	sb_stream_look(sb);
	if (events & SB_USER_READ)
		look_to_read(sb, u);
	if (events & SB_USER_WRITE)
		look_to_write(sb, u);
	return 0;
}

static int wait_locked(struct sb_sock *sb, struct sb_user_wait *u, long timeo)
{
	struct wait_queue_entry wait;
	u32 events = u->events;
	int error;

	sb_wait_begin(&sb->sk, &wait);
	for (;;) {
		error = look(sb, u, events);
		if (error || u->events)
			break;
		error = sb_wait_sleep(&sb->sk, &wait, &timeo);
		if (error)
			break;
	}
	sb_wait_end(&sb->sk, &wait);
	return error;
}

static long wait_time(struct socket *sock, const struct sb_user_wait *u)
{
	bool nonblock = sock->file && sock->file->f_flags & O_NONBLOCK;

	if (u->timeout_ms == SB_USER_FOREVER)
		return MAX_SCHEDULE_TIMEOUT;
	if (u->timeout_ms >= 0)
		return msecs_to_jiffies(u->timeout_ms);
	return u->events & SB_USER_READ ? sock_rcvtimeo(sock->sk, nonblock)
					: sock_sndtimeo(sock->sk, nonblock);
}

static int user_wait(struct socket *sock, void __user *arg)
{
	struct sock *sk = sock->sk;
	struct sb_user_wait u;
	int error;

	if (copy_from_user(&u, arg, sizeof(u)))
		return -EFAULT;
	if (!u.events || u.events & ~(SB_USER_READ | SB_USER_WRITE) ||
	    u.timeout_ms < SB_USER_FOREVER ||
	    memchr_inv(u.reserved, 0, sizeof(u.reserved)))
		return -EINVAL;
	lock_sock(sk);
	error = wait_locked(sb_sk(sk), &u, wait_time(sock, &u));
	release_sock(sk);
	if (error)
		return error;
	return copy_to_user(arg, &u, sizeof(u)) ? -EFAULT : 0;
}

/* Unlocked. What is none of ours goes on to sb_control_ioctl() */
int sb_mmap_ioctl(struct socket *sock, unsigned int cmd, unsigned long arg)
{
	void __user *argument = (void __user *)arg;

	switch (cmd) {
	case SB_USER_ATTACH:
		return user_attach(sock->sk, argument);
	case SB_USER_DETACH:
		return user_detach(sock->sk);
	case SB_USER_RING:
		return user_ring(sock->sk);
	case SB_USER_WAIT:
		return user_wait(sock, argument);
	default:
		return sb_control_ioctl(sock, cmd, arg);
	}
}
