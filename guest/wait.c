// SPDX-License-Identifier: GPL-2.0-only
/*
 * wait.c - sleeping on a socket
 *
 * The order is what makes it safe: queue up, arm the ring (the peer now rings
 * when there is something), look once more, and only then sleep. A wake-up
 * that comes after the queueing is remembered by the entry.
 */
#include <linux/sched/signal.h>
#include <linux/wait.h>

#include "switchboard.h"

void sb_wait_begin(struct sock *sk, struct wait_queue_entry *wait)
{
	init_wait_entry(wait, 0);
	wait->func = woken_wake_function;
	wait->flags = 0;
	add_wait_queue(sk_sleep(sk), wait);
}

int sb_wait_sleep(struct sock *sk, struct wait_queue_entry *wait, long *timeo)
{
	if (!*timeo)
		return -EAGAIN;
	if (signal_pending(current))
		return sock_intr_errno(*timeo);
	release_sock(sk);
	*timeo = wait_woken(wait, TASK_INTERRUPTIBLE, *timeo);
	lock_sock(sk);
	return 0;
}

void sb_wait_end(struct sock *sk, struct wait_queue_entry *wait)
{
	remove_wait_queue(sk_sleep(sk), wait);
}
