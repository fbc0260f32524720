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

/*
 * Remember it, and wake the process. One that dozes is running already, as the
 * scheduler sees it: on another processor that takes an interrupt.
 */
static int wake(struct wait_queue_entry *wait, unsigned int mode, int sync,
		void *key)
{
	int woken = woken_wake_function(wait, mode, sync, key);

	if (!woken)
		kick_process(wait->private);
	return woken;
}

void sb_wait_begin(struct sock *sk, struct wait_queue_entry *wait)
{
	init_wait_entry(wait, 0);
	wait->func = wake;
	wait->flags = 0;
	add_wait_queue(sk_sleep(sk), wait);
}

int sb_wait_sleep(struct sock *sk, struct wait_queue_entry *wait, long *timeo)
{
	struct sb_channel *channel;

	if (!*timeo)
		return -EAGAIN;
	if (signal_pending(current))
		return sock_intr_errno(*timeo);
	channel = sb_doze_begin(sb_sk(sk), *timeo);
	release_sock(sk);
	if (channel)
		*timeo = sb_doze(channel, wait, *timeo);
	*timeo = wait_woken(wait, TASK_INTERRUPTIBLE, *timeo);
	lock_sock(sk);
	return 0;
}

void sb_wait_end(struct sock *sk, struct wait_queue_entry *wait)
{
	remove_wait_queue(sk_sleep(sk), wait);
}
