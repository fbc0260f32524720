// SPDX-License-Identifier: GPL-2.0-only
/*
 * grow.c - which circuits are large
 *
 * A sleep and a wake-up through the hypervisor cost as much as copying a hundred
 * KiB, so a bulk transfer goes as fast as its ring is long. A socket whose
 * program finds its rings full again and again is busy, and is offered a larger
 * circuit; the larger ones are shared out, so that all busy ones get the same
 * size: what SB_GROWN_SHARE of the memory allows for each. So the more there
 * are the smaller they are, and who was here first gives back what is too much.
 *
 * Every few seconds a sweep finds those that moved nothing since it last came
 * by: they are busy no more, and go back to a small circuit. The large one goes
 * to the pool, and from there, unless it is needed again, to the kernel.
 *
 * A program's SO_SNDBUF and SO_RCVBUF bound both areas.
 */
#include <linux/mm.h>

#include "switchboard.h"

static const u8 sizes[] = SB_SIZE_ORDERS;

static atomic_t busy = ATOMIC_INIT(0);

static void sweep(struct work_struct *work);
static DECLARE_DELAYED_WORK(sweep_work, sweep);

/* Pages that all grown circuits together may have */
static unsigned long budget(void)
{
	return min_t(unsigned long, totalram_pages() / SB_GROWN_SHARE,
		     SB_GROWN_MAX);
}

bool sb_grow_reserve(unsigned int order)
{
	long pages = SB_CIRCUIT_PAGES(order);

	if (order == SB_CIRCUIT_ORDER ||
	    atomic64_add_return(pages, &sb_counters.pages_grown) <=
		    (long)budget())
		return true;
	atomic64_sub(pages, &sb_counters.pages_grown);
	return false;
}

void sb_grow_release(unsigned int order)
{
	if (order != SB_CIRCUIT_ORDER)
		atomic64_sub(SB_CIRCUIT_PAGES(order), &sb_counters.pages_grown);
}

/*
 * Can each of the busy ones have that much? What lies ready elsewhere cannot be
 * had, and where there is not enough for all, who came first would keep it.
 */
static bool is_fair(struct sb_guest_line *line, unsigned int order)
{
	long share = budget() - sb_pool_elsewhere(line, order);

	return SB_CIRCUIT_PAGES(order) <= share / max(atomic_read(&busy), 1);
}

static unsigned int fair_order(struct sb_guest_line *line)
{
	unsigned int i;

	for (i = SB_SIZES; i > 0; i--)
		if (is_fair(line, sizes[i - 1]))
			return sizes[i - 1];
	return SB_CIRCUIT_ORDER;
}

/* What the program allows, and what the circuit always has */
static u32 bytes_wanted(const struct sock *sk)
{
	u32 bytes = U32_MAX;

	if (sk->sk_userlocks & SOCK_SNDBUF_LOCK)
		bytes = min_t(u32, bytes, sk->sk_sndbuf);
	if (sk->sk_userlocks & SOCK_RCVBUF_LOCK)
		bytes = min_t(u32, bytes, sk->sk_rcvbuf);
	return max(bytes, sb_area_bytes(SB_CIRCUIT_ORDER));
}

/*
 * The size after this one, or a larger one that is ready anyway, but no more
 * than is fair and wanted
 */
static unsigned int next_order(const struct sb_sock *sb)
{
	unsigned int i, order = SB_CIRCUIT_ORDER, now = sb->circuit->order;
	unsigned int fair = fair_order(sb->circuit->line);
	u32 bytes = bytes_wanted(&sb->sk);

	for (i = 0; i < SB_SIZES; i++) {
		if (sizes[i] > fair || sb_area_bytes(sizes[i]) > bytes)
			break;
		if (order > now && order >= SB_LARGE_ORDER &&
		    !sb_pool_is_ready(sb->circuit->line, sizes[i]))
			break;
		order = sizes[i];
	}
	return order;
}

static void become_busy(struct sb_sock *sb)
{
	if (!test_and_set_bit(SB_SOCK_BUSY, &sb->flags))
		atomic_inc(&busy);
}

static void offer(struct sb_sock *sb, struct sb_circuit *c)
{
	sb_count(c->order > sb->circuit->order ? &sb_counters.circuits_grown
					       : &sb_counters.circuits_shrunk);
	sb_exchange_offer(sb, c);
}

static void crowded(struct sb_sock *sb, unsigned int least)
{
	struct sb_circuit *c;
	unsigned int order;

	if (!sb_exchange_possible(sb))
		return;
	/* before anybody grows: or the first would get what is for all */
	become_busy(sb);
	if (++sb->crowded < SB_GROW_AFTER)
		return;
	sb->crowded = 0;
	order = next_order(sb);
	/* one that it has already is no reason to move */
	if (order < least && order != sb->circuit->order)
		order = SB_CIRCUIT_ORDER;
	if (order == sb->circuit->order)
		return;
	if (order == SB_CIRCUIT_ORDER)
		c = sb_pool_take(sb->circuit->line, false);
	else
		c = sb_pool_take_grown(sb->circuit->line, order);
	if (!IS_ERR_OR_NULL(c))
		offer(sb, c);
}

void sb_grow_crowded(struct sb_sock *sb)
{
	crowded(sb, SB_CIRCUIT_ORDER);
}

/*
 * One wake-up serves all that are polled: where they are so many that none can
 * have a large ring, larger ones cost more than they save
 */
void sb_grow_polled(struct sb_sock *sb)
{
	crowded(sb, SB_LARGE_ORDER);
}

void sb_grow_leave(struct sb_sock *sb)
{
	sb->crowded = 0;
	if (test_and_clear_bit(SB_SOCK_BUSY, &sb->flags))
		atomic_dec(&busy);
}

/* ---- a program that is about to work in place ---- */

/*
 * It keeps what it has for as long as it likes: something must be left for
 * those that come after it. What is ready is in the budget already.
 */
static bool can_spare(const struct sb_sock *sb, unsigned int order)
{
	long left = (long)budget() - atomic64_read(&sb_counters.pages_grown);

	return SB_CIRCUIT_PAGES(order) <= left / SB_GROWN_LEFT ||
	       sb_pool_is_ready(sb->circuit->line, order);
}

static unsigned int order_for_program(const struct sb_sock *sb)
{
	unsigned int fair = fair_order(sb->circuit->line);
	unsigned int i, order = sb->circuit->order;
	u32 bytes = bytes_wanted(&sb->sk);

	for (i = 0; i < SB_SIZES; i++)
		if (sizes[i] > order && sizes[i] <= fair &&
		    sb_area_bytes(sizes[i]) <= bytes && can_spare(sb, sizes[i]))
			order = sizes[i];
	return order;
}

/* The caller is to offer a larger one, if it has one */
static bool wish(struct sb_sock *sb)
{
	struct sb_circuit *c = sb->circuit;

	if (c->order >= SB_LARGE_ORDER || sb->seen & SB_WORD_FIN)
		return false;
	sb_store_full(&c->entry->grow_switch, sizes[SB_SIZES - 1]);
	sb_circuit_ring(c, sb->side);
	return true;
}

/* Offer a larger one. False: there is nothing to wait for */
static bool ask(struct sb_sock *sb)
{
	unsigned int order;
	struct sb_circuit *c;

	if (sb->circuit->foreign)
		return wish(sb);
	order = sb_exchange_possible(sb) ? order_for_program(sb) : 0;
	if (order <= sb->circuit->order)
		return false;
	c = sb_pool_take_large(sb->circuit->line, order);
	if (IS_ERR(c))
		return false;
	become_busy(sb);
	offer(sb, c);
	return true;
}

/* Is this still the small circuit of a connection that nobody waits for? */
static bool may_ask(struct sb_sock *sb, const struct sb_circuit *first)
{
	return first && sb->circuit == first && !sb_is_datagram(sb) &&
	       first->kind == SB_ENTRY_STREAM &&
	       (first->line || first->foreign) &&
	       sb->sk.sk_state != TCP_SYN_SENT && !sb->sk.sk_err &&
	       !test_bit(SB_SOCK_ATTACHED, &sb->flags) &&
	       !sb_transfer_readable(sb);
}

int sb_grow_for_program(struct sb_sock *sb)
{
	unsigned long until = jiffies + msecs_to_jiffies(SB_ATTACH_MS);
	const struct sb_circuit *first = sb->circuit;
	struct wait_queue_entry wait;
	int error = 0;
	long timeo;

	do {
		/* a signal, while nothing is under way, ends no more than this */
		if (error && !sb_exchange_pending(sb))
			return 0;
		error = sb_exchange_settle(sb);
		if (error || !may_ask(sb, first) || !ask(sb))
			return error;
		/* the other end may be about to accept it */
		timeo = 1;
		sb_wait_begin(&sb->sk, &wait);
		if (!sb_exchange_pending(sb))
			error = sb_wait_sleep(&sb->sk, &wait, &timeo);
		sb_wait_end(&sb->sk, &wait);
	} while (time_before(jiffies, until));
	return sb_exchange_settle(sb);
}

void sb_grow_look(struct sb_sock *sb)
{
	const struct sb_circuit *c = sb->circuit;
	struct sb_circuit *larger;
	unsigned int order;

	if (sb_load(&c->entry->grow_switch) <= c->order ||
	    !sb_exchange_possible(sb))
		return;
	order = order_for_program(sb);
	if (order <= c->order)
		return;
	larger = sb_pool_take_grown(c->line, order);
	if (!larger)
		return;
	become_busy(sb);
	offer(sb, larger);
}

/* ---- the sweep ---- */

static bool may_be_idle(const struct sock *sk)
{
	const struct sb_sock *sb = sb_sk(sk);

	/* only the bit is looked at: nothing else stays without the lock */
	return sk->sk_type == SOCK_STREAM && test_bit(SB_SOCK_BUSY, &sb->flags);
}

static bool is_idle(struct sb_sock *sb)
{
	u32 moved = sb->tx.produced + sb->rx.consumed;
	bool same = moved == sb->marked;

	sb->marked = moved;
	return same;
}

static void shrink(struct sock *sk)
{
	struct sb_sock *sb = sb_sk(sk);
	struct sb_circuit *c;

	lock_sock(sk);
	sb->exchange.refusals = 0;
	if (!sb->circuit || !is_idle(sb))
		goto out;
	if (sb->circuit->order > SB_CIRCUIT_ORDER) {
		if (!sb_exchange_possible(sb))
			goto out;
		c = sb_pool_take(sb->circuit->line, true);
		if (IS_ERR(c))
			goto out;
		offer(sb, c);
	}
	sb_grow_leave(sb);
out:
	release_sock(sk);
}

static void sweep(struct work_struct *work)
{
	sb_sock_visit(may_be_idle, shrink);
	queue_delayed_work(sb_workqueue, &sweep_work, SB_SWEEP_S * HZ);
}

void sb_grow_init(void)
{
	queue_delayed_work(sb_workqueue, &sweep_work, SB_SWEEP_S * HZ);
}
