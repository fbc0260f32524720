// SPDX-License-Identifier: GPL-2.0-only
/*
 * pair.c - datagrams to and from another guest: the circuit that carries them
 *
 * The guest that sends first owns the line, and takes a circuit of its pool
 * for all its datagrams to the other guest; the other one's kernel answers on
 * the same circuit. A pair ends with its line, or when the other end lies or
 * gives it up; the next datagram begins another, but not at once.
 *
 * Whoever puts a record holds the pair's lock; records are taken out in the
 * line's tasklet only. A pair that is over is freed after an RCU grace period,
 * and nobody touches its circuit: that is looked at under the lock.
 *
 * A ring without room wakes those who wait for some when half of it is free.
 * When the other guest takes nothing out at all, because it stands still say,
 * nobody waits any longer: datagrams are dropped, as a network would.
 */
#include <linux/mutex.h>
#include <linux/slab.h>

#include "pair.h"

static const u32 over_word = SB_WORD_CLOSED | SB_WORD_FIN | SB_WORD_STOP;

/* guards the tables */
static DEFINE_SPINLOCK(pairs_lock);
static struct sb_pair __rcu *pairs[SB_PAIRS_MAX];
static struct sb_pair __rcu *own[SB_LINES_MAX];
static unsigned long not_before[SB_LINES_MAX];
static DECLARE_BITMAP(callers, SB_PAIRS_MAX);

/* One makes a pair, the others wait for it */
static DEFINE_MUTEX(call_mutex);

/* guards @blocked */
static DEFINE_SPINLOCK(blocked_lock);
static LIST_HEAD(blocked);

static void look_at_stalls(struct work_struct *work);
static DECLARE_DELAYED_WORK(stall_work, look_at_stalls);

struct sb_pair *sb_pair_of_line(u16 line)
{
	return rcu_dereference(own[line]);
}

struct sb_pair *sb_pair_that_calls(const struct sb_address *from)
{
	unsigned int slot;
	struct sb_pair *p;

	for_each_set_bit(slot, callers, SB_PAIRS_MAX) {
		p = rcu_dereference(pairs[slot]);
		/* the slot may be another's by now */
		if (p && p->side == SB_PEER &&
		    sb_admission_has_from(p->admissions, from))
			return p;
	}
	return NULL;
}

struct sb_channel *sb_pair_channel(const struct sb_sock *sb)
{
	u8 last = READ_ONCE(sb_ds_of(sb)->last);
	struct sb_pair *p = last ? rcu_dereference(pairs[last - 1]) : NULL;

	return p ? p->channel : NULL;
}

/* ---- waiting for room ---- */

static void wake_blocked(void)
{
	struct sb_datagram_sock *ds, *next;

	spin_lock_bh(&blocked_lock);
	list_for_each_entry_safe(ds, next, &blocked, blocked) {
		list_del_init(&ds->blocked);
		/* a socket that is released leaves the list first */
		ds->sb.sk.sk_state_change(&ds->sb.sk);
		ds->sb.sk.sk_write_space(&ds->sb.sk);
	}
	spin_unlock_bh(&blocked_lock);
}

bool sb_pair_block(struct sb_pair *p, struct sb_datagram_sock *ds, u32 room)
{
	u32 wanted = max(room, p->tx.size / 2);

	spin_lock(&blocked_lock);
	if (list_empty(&ds->blocked))
		list_add_tail(&ds->blocked, &blocked);
	spin_unlock(&blocked_lock);
	if (!p->waiting)
		p->mark = p->tx.consumed;
	p->waiting = true;
	queue_delayed_work(sb_workqueue, &stall_work,
			   msecs_to_jiffies(SB_PAIR_STALL_MS));
	return sb_writer_arm(&p->tx, wanted) >= room;
}

void sb_pair_unblock(struct sb_datagram_sock *ds)
{
	if (list_empty_careful(&ds->blocked))
		return;
	spin_lock_bh(&blocked_lock);
	list_del_init(&ds->blocked);
	spin_unlock_bh(&blocked_lock);
}

static void wake_senders(struct sb_pair *p)
{
	u32 wanted = p->tx.size / 2;
	bool wake = false;

	if (!READ_ONCE(p->waiting))
		return;
	spin_lock_bh(&p->lock);
	if (p->waiting && !p->over) {
		/* a lie is found by whoever writes */
		wake = (u64)sb_writer_arm(&p->tx, wanted) >= wanted;
		p->waiting = !wake;
	}
	spin_unlock_bh(&p->lock);
	if (wake)
		wake_blocked();
}

/* Returns: somebody goes on waiting */
static bool look_at_stall(struct sb_pair *p)
{
	bool waits = false;
	u32 consumed;

	spin_lock_bh(&p->lock);
	if (p->waiting && !p->over) {
		consumed = sb_load(&p->tx.peer->consumed);
		waits = consumed != p->mark;
		p->mark = consumed;
		p->stalled = !waits;
		p->waiting = waits;
	}
	spin_unlock_bh(&p->lock);
	return waits;
}

static void look_at_stalls(struct work_struct *work)
{
	bool waits = false;
	struct sb_pair *p;
	unsigned int slot;

	rcu_read_lock();
	for (slot = 0; slot < SB_PAIRS_MAX; slot++) {
		p = rcu_dereference(pairs[slot]);
		if (p)
			waits |= look_at_stall(p);
	}
	rcu_read_unlock();
	/* those that wait for a ring that moves look again, and wait again */
	wake_blocked();
	if (waits)
		queue_delayed_work(sb_workqueue, &stall_work,
				   msecs_to_jiffies(SB_PAIR_STALL_MS));
}

/* ---- the beginning ---- */

static struct sb_pair *alloc_pair(struct sb_circuit *c, enum sb_side side,
				  gfp_t gfp)
{
	u32 size = sb_circuit_area_bytes(c);
	struct sb_pair *p = kzalloc(sizeof(*p), gfp);

	if (!p)
		return NULL;
	spin_lock_init(&p->lock);
	p->circuit = c;
	p->side = side;
	sb_writer_init(&p->tx, c->index, side, size);
	sb_reader_init(&p->rx, c->index, side, size);
	p->tx_area = c->area[side];
	p->rx_area = c->area[!side];
	return p;
}

static void free_pair(struct sb_pair *p)
{
	if (p)
		bitmap_free(p->ports);
	kfree(p);
}

static void free_later(struct rcu_head *rcu)
{
	free_pair(container_of(rcu, struct sb_pair, rcu));
}

/* Lock held. False: there are too many, or the line has one already */
static bool insert(struct sb_pair *p)
{
	unsigned int slot, place = SB_PAIRS_MAX;
	struct sb_pair *other;

	for (slot = 0; slot < SB_PAIRS_MAX; slot++) {
		other = rcu_dereference_protected(pairs[slot],
						  lockdep_is_held(&pairs_lock));
		if (!other)
			place = slot;
		else if (other->channel == p->channel)
			return false;
	}
	if (place == SB_PAIRS_MAX)
		return false;
	p->slot = place;
	rcu_assign_pointer(pairs[place], p);
	if (p->side == SB_OWNER)
		rcu_assign_pointer(own[p->line], p);
	else
		set_bit(place, callers);
	rcu_assign_pointer(p->circuit->pair, p);
	return true;
}

static bool begin(struct sb_pair *p)
{
	bool inserted;

	spin_lock_bh(&pairs_lock);
	inserted = insert(p);
	spin_unlock_bh(&pairs_lock);
	return inserted;
}

/* The largest there is: what does not fit goes through the proxy */
static struct sb_circuit *take_circuit(struct sb_guest_line *line)
{
	struct sb_circuit *c = sb_pool_take_large(line, SB_LARGE_ORDER);

	return IS_ERR(c) ? sb_pool_take(line, true) : c;
}

/* What is written into it meanwhile, the other end finds there */
static void offer(struct sb_pair *p)
{
	struct sb_circuit *c = p->circuit;
	struct sb_call call = { .generation = c->generation };

	c->entry->kind = SB_ENTRY_DATAGRAM;
	c->entry->listener = SB_ENTRY_NONE;
	c->index->call = call;
	sb_store_full(&c->entry->owner,
		      sb_word(c->generation, SB_OWNER_OFFERED));
	sb_circuit_ring(c, SB_OWNER);
	/* the line may have been lost before anybody could tell us */
	if (READ_ONCE(c->lost))
		sb_pair_end(p, 0);
}

static int call(struct sb_guest_line *line)
{
	struct sb_circuit *c = take_circuit(line);
	struct sb_pair *p;

	if (IS_ERR(c))
		return PTR_ERR(c);
	p = alloc_pair(c, SB_OWNER, GFP_KERNEL);
	if (p)
		p->ports = bitmap_zalloc(U16_MAX + 1, GFP_KERNEL);
	if (p && p->ports) {
		p->channel = &line->channel;
		p->line = line->number;
		if (begin(p)) {
			rcu_read_lock();
			offer(p);
			rcu_read_unlock();
			return 0;
		}
	}
	free_pair(p);
	sb_circuit_leave(c, SB_OWNER, over_word);
	return -ENOBUFS;
}

/* Not at once after one that has ended */
static bool may_call_now(u16 line)
{
	unsigned long then = READ_ONCE(not_before[line]);

	return !then || time_after_eq(jiffies, then);
}

int sb_pair_call(u16 number)
{
	struct sb_guest_line *line;
	int error = -ENETUNREACH;

	mutex_lock(&call_mutex);
	line = sb_orders_line_direct(number);
	if (line) {
		if (rcu_access_pointer(own[number]))
			error = 0;
		else if (may_call_now(number))
			error = call(line);
		sb_line_put(line);
	}
	mutex_unlock(&call_mutex);
	return error;
}

int sb_pair_take(struct sb_circuit *c, struct sb_channel *channel,
		 struct sb_admissions *admissions)
{
	struct sb_pair *p = alloc_pair(c, SB_PEER, GFP_ATOMIC);

	if (!p)
		return ENOMEM;
	p->channel = channel;
	p->admissions = admissions;
	if (begin(p))
		return 0;
	free_pair(p);
	return EBUSY;
}

/* ---- the end ---- */

static void forget_slot(struct sb_sock *sb, void *arg)
{
	if (sb_is_datagram(sb))
		clear_bit(*(u8 *)arg, sb_ds_of(sb)->met);
}

static void remove(struct sb_pair *p)
{
	spin_lock_bh(&pairs_lock);
	RCU_INIT_POINTER(pairs[p->slot], NULL);
	if (p->side == SB_OWNER) {
		RCU_INIT_POINTER(own[p->line], NULL);
		WRITE_ONCE(not_before[p->line], jiffies + SB_PAIR_AGAIN_S * HZ);
	} else {
		clear_bit(p->slot, callers);
	}
	spin_unlock_bh(&pairs_lock);
}

/* A circuit of ours goes back to the pool, which zeroes what was used */
static void note_used(struct sb_pair *p)
{
	struct sb_circuit *c = p->circuit;
	u32 *used = c->used;

	used[p->side] = max(used[p->side], min(p->tx.size, p->tx.produced));
	used[!p->side] = max(used[!p->side], min(p->rx.size, p->rx.produced));
}

void sb_pair_end(struct sb_pair *p, u32 flags)
{
	struct sb_circuit *c = p->circuit;
	bool was_over;

	spin_lock_bh(&p->lock);
	was_over = p->over;
	WRITE_ONCE(p->over, true);
	spin_unlock_bh(&p->lock);
	if (was_over)
		return;
	/* whoever has the slot next is a stranger to all sockets */
	sb_sock_for_each(forget_slot, &p->slot);
	remove(p);
	RCU_INIT_POINTER(c->pair, NULL);
	note_used(p);
	sb_circuit_leave(c, p->side, over_word | flags);
	wake_blocked();
	call_rcu(&p->rcu, free_later);
}

/* ---- bells; in the tasklet, or after its end, under RCU ---- */

static bool is_done(const struct sb_pair *p)
{
	struct sb_circuit *c = p->circuit;
	u32 word = sb_load(sb_circuit_word(c, !p->side));
	u32 state = sb_word_state(word);

	if (READ_ONCE(c->lost))
		return true;
	if (p->side == SB_OWNER)
		return sb_word_generation(word) == c->generation &&
		       state >= SB_PEER_CLOSED;
	return sb_word_generation(word) != c->generation ||
	       state != SB_OWNER_OFFERED || word & SB_WORD_FIN;
}

void sb_pair_bell(struct sb_pair *p)
{
	if (READ_ONCE(p->over))
		return;
	if (is_done(p)) {
		sb_pair_end(p, 0);
		return;
	}
	if (sb_pair_receive(p) && !READ_ONCE(p->broken)) {
		wake_senders(p);
		return;
	}
	sb_count(&sb_counters.lies);
	pr_warn_ratelimited("entry %u: its datagrams are a lie\n",
			    p->circuit->number);
	if (p->side == SB_OWNER)
		p->circuit->entry->owner_error = EPROTO;
	else
		p->circuit->entry->error = EPROTO;
	sb_pair_end(p, SB_WORD_RESET);
}
