// SPDX-License-Identifier: GPL-2.0-only
/*
 * module.c - the order in which everything comes up
 *
 * The interface ioctls keep real sockets of the families that we replace, so
 * they come before the families; the families come before the frontend, so
 * that addresses are never announced for sockets that nobody can open.
 *
 * There is no way back: the kernel exports no means of registering its own
 * families again. The module has no exit function and stays.
 */
#include <linux/module.h>

#include "switchboard.h"

struct workqueue_struct *sb_workqueue;
struct workqueue_struct *sb_foreign_queue;
struct sb_counters sb_counters;

static int __init init_parts(void)
{
	int error;

	error = sb_control_init();
	if (error)
		return error;
	error = sb_netdev_init();
	if (error)
		return error;
	error = sb_proc_init();
	if (error)
		goto exit_netdev;
	error = sb_family_init();
	if (error)
		goto exit_proc;
	return 0;

exit_proc:
	sb_proc_exit();
exit_netdev:
	sb_netdev_exit();
	return error;
}

static void exit_queues(void)
{
	if (sb_foreign_queue)
		destroy_workqueue(sb_foreign_queue);
	if (sb_workqueue)
		destroy_workqueue(sb_workqueue);
}

static int __init init_queues(void)
{
	sb_workqueue =
		alloc_workqueue("switchboard", WQ_MEM_RECLAIM | WQ_HIGHPRI, 0);
	sb_foreign_queue =
		alloc_workqueue("switchboard-foreign", WQ_MEM_RECLAIM, 0);
	if (sb_workqueue && sb_foreign_queue)
		return 0;
	exit_queues();
	return -ENOMEM;
}

static int __init sb_module_init(void)
{
	int error;

	error = init_queues();
	if (error)
		return error;
	error = sb_circuit_init();
	if (!error)
		error = init_parts();
	if (error) {
		sb_circuit_exit();
		exit_queues();
		return error;
	}
	error = sb_room_init();
	if (error)
		pr_err("the pools cannot give way: %d\n", error);
	sb_grow_init();
	sb_steal_init();
	/* the families are ours now, for good: without Dom0 too */
	error = sb_frontend_init();
	if (error)
		pr_err("no frontend: %d\n", error);
	else
		sb_orders_wait_ready(SB_READY_S);
	return 0;
}
module_init(sb_module_init);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Circuit-switched sockets for Xen guests");
