// SPDX-License-Identifier: GPL-2.0-only
/*
 * repeat.c - calls that are made again
 *
 * A call for which the proxy, or another guest, said EREMCHG belongs somewhere
 * else: it waits for the route that tells where, see direct.c. A call that got
 * no circuit, although some are on their way back, waits for those: the pools
 * of other lines give way (room.c), and a guest that was called a thousand
 * times has not run yet since those calls ended. Neither waits for long. A
 * program notices nothing but the time; one that does not want to wait has
 * been told EINPROGRESS.
 */
#include <linux/moduleparam.h>
#include <linux/slab.h>

#include "switchboard.h"

static unsigned int room_s = SB_ROOM_S;
module_param(room_s, uint, 0644);
MODULE_PARM_DESC(room_s, "seconds that a call waits for a circuit, at most");

/**
 * struct repeat - a call that is to be made again
 * @node:    in the list, oldest first
 * @sb:      referenced
 * @to:      where it goes
 * @until:   in jiffies: what it waits for has come, or never will
 * @proxied: through the proxy, now
 * @room:    it waits for a circuit
 */
struct repeat {
	struct list_head node;
	struct sb_sock *sb;
	struct sb_address to;
	unsigned long until;
	bool proxied;
	bool room;
};

/* guards the list; how many of it wait for a circuit is read without */
static DEFINE_SPINLOCK(repeats_lock);
static LIST_HEAD(repeats);
static atomic_t without_room = ATOMIC_INIT(0);

static void repeat_all(struct work_struct *work);
static DECLARE_DELAYED_WORK(repeats_work, repeat_all);

static struct repeat *create(struct sb_sock *sb, gfp_t gfp)
{
	struct repeat *r = kzalloc(sizeof(*r), gfp);

	if (!r)
		return NULL;
	sock_hold(&sb->sk);
	r->sb = sb;
	r->to = sb->remote;
	return r;
}

static void enqueue(struct repeat *r, unsigned long delay)
{
	spin_lock_bh(&repeats_lock);
	list_add_tail(&r->node, &repeats);
	spin_unlock_bh(&repeats_lock);
	if (delay)
		queue_delayed_work(sb_workqueue, &repeats_work, delay);
	else
		mod_delayed_work(sb_workqueue, &repeats_work, 0);
}

static void finish(struct repeat *r)
{
	list_del(&r->node);
	if (r->room)
		atomic_dec(&without_room);
	sock_put(&r->sb->sk);
	kfree(r);
}

bool sb_repeat_moved(struct sb_sock *sb)
{
	bool direct = sb_circuit_is_direct(sb->circuit);
	struct repeat *r;
	u16 line;

	if (sb->moves == SB_MOVES_MAX)
		return false;
	r = create(sb, GFP_ATOMIC);
	if (!r)
		return false;
	sb->moves++;
	r->until = jiffies + SB_ROUTE_S * HZ;
	r->proxied = direct;
	/* the other guest, or the operator, knows better by now */
	if (sb_direct_find(&r->to, SB_ENTRY_STREAM, &line) &&
	    (direct || line == SB_LINES_MAX))
		sb_direct_forget_place(&r->to, SB_ENTRY_STREAM);
	enqueue(r, 0);
	return true;
}

static void wait_for_room(struct repeat *r)
{
	r->room = true;
	r->until = jiffies + min(READ_ONCE(room_s), SB_ROOM_S_MAX) * HZ;
	atomic_inc(&without_room);
	sb_count(&sb_counters.calls_waited);
}

bool sb_repeat_later(struct sb_sock *sb)
{
	struct repeat *r = create(sb, GFP_KERNEL);

	if (!r)
		return false;
	wait_for_room(r);
	/* what was missing may have come just now: it is tried once more */
	enqueue(r, sb_room_may_come() ? msecs_to_jiffies(SB_ROUTE_TICK_MS) : 0);
	return true;
}

void sb_repeat_route_news(void)
{
	mod_delayed_work(sb_workqueue, &repeats_work, 0);
}

void sb_repeat_room_news(void)
{
	if (atomic_read(&without_room))
		mod_delayed_work(sb_workqueue, &repeats_work, 0);
}

/* Socket lock held: is it still the call that is to be repeated? */
static bool still_calls(const struct sb_sock *sb, const struct repeat *r)
{
	return sb->sk.sk_state == TCP_SYN_SENT && !(r->room && sb->circuit) &&
	       sb->remote.port == r->to.port &&
	       sb_address_equal(&sb->remote, &r->to);
}

/* Socket lock held. Returns 0, or the errno that ends the call */
static int call(struct sb_sock *sb, struct sb_guest_line *line)
{
	struct sb_circuit *c = sb->circuit;
	int error;

	/* the former circuit, which the other side has closed */
	sb->circuit = NULL;
	if (c) {
		rcu_read_lock();
		sb_circuit_leave(c, SB_OWNER, SB_OWNER_CLOSED);
		rcu_read_unlock();
	}
	if (IS_ERR(line))
		return PTR_ERR(line);
	error = sb_connect_over(sb, line);
	if (!error)
		/* the line may have been lost before anybody could tell us */
		sb_stream_look(sb);
	return error;
}

/* May the operator still tell of a line that leads straight there? */
static bool route_may_come(const struct repeat *r)
{
	u16 number = 0;

	return !r->proxied && !r->room && time_before(jiffies, r->until) &&
	       !(sb_direct_find(&r->to, SB_ENTRY_STREAM, &number) &&
		 number == SB_LINES_MAX);
}

/* The line to repeat it on, or ERR_PTR; NULL: it goes on waiting */
static struct sb_guest_line *where_to(const struct repeat *r)
{
	struct sb_guest_line *line = NULL;

	if (!r->proxied)
		line = sb_direct_line(&r->to);
	if (line)
		return line;
	if (route_may_come(r))
		return NULL;
	line = sb_orders_line(SB_LINE_TCP);
	return line ? line : ERR_PTR(-ENETUNREACH);
}

/* It found no circuit: does it go on waiting? */
static bool may_wait(struct repeat *r)
{
	if (r->room)
		return time_before(jiffies, r->until);
	wait_for_room(r);
	return true;
}

/* False: it goes on waiting */
static bool repeat_on(struct repeat *r, struct sb_guest_line *line)
{
	struct sock *sk = &r->sb->sk;
	/* before: what came back meanwhile is for the next time */
	bool hope = sb_room_may_come();
	bool over = true;
	int error;

	lock_sock(sk);
	if (still_calls(r->sb, r)) {
		error = call(r->sb, line);
		over = error != -ENOBUFS || !hope || !may_wait(r);
		if (error && over)
			sb_stream_fail(r->sb, -error);
	}
	release_sock(sk);
	return over;
}

/*
 * False: it goes on waiting. Where one finds no circuit those behind it find
 * none either, and wait in their order: @full, not referenced
 */
static bool repeat_one(struct repeat *r, const struct sb_guest_line **full)
{
	struct sb_guest_line *line = where_to(r);
	bool over;

	if (!line)
		return false;
	if (line == *full && r->room && time_before(jiffies, r->until)) {
		over = false;
	} else {
		over = repeat_on(r, line);
		if (!over)
			*full = line;
	}
	if (!IS_ERR(line))
		sb_line_put(line);
	return over;
}

/* Work: process context, for circuits may have to be made */
static void repeat_all(struct work_struct *work)
{
	const struct sb_guest_line *full = NULL;
	struct repeat *r, *next;
	LIST_HEAD(all);
	bool left;

	spin_lock_bh(&repeats_lock);
	list_splice_init(&repeats, &all);
	spin_unlock_bh(&repeats_lock);
	list_for_each_entry_safe(r, next, &all, node)
		if (repeat_one(r, &full))
			finish(r);
	spin_lock_bh(&repeats_lock);
	list_splice(&all, &repeats);
	left = !list_empty(&repeats);
	spin_unlock_bh(&repeats_lock);
	if (left)
		queue_delayed_work(sb_workqueue, &repeats_work,
				   msecs_to_jiffies(SB_ROUTE_TICK_MS));
}
