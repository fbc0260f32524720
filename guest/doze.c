// SPDX-License-Identifier: GPL-2.0-only
/*
 * doze.c - a process waits for its bell in the hypervisor
 *
 * A process that is about to sleep on a socket, on a processor that has nothing
 * else to do, dozes first: with the event channel masked, SCHEDOP_poll blocks
 * the vCPU until the event has come, and what the interrupt would do is done
 * right there. The vCPU is blocked as it would be in the idle loop, so others
 * have the physical processor; but there is no interrupt, no end of it, no
 * stopped tick and no switch to the idle task and back.
 *
 * Xen ends the call for any other event of the vCPU too: interrupts of devices,
 * of other vCPUs, of timers. Their handlers run before the process goes on, and
 * it looks whether they left somebody else to run, or a signal. What comes
 * between that look and the call is seen at the next event: at the latest the
 * tick, which runs on whatever processor is not idle. That bounds each call;
 * SB_DOZE_TICKS bounds all of them.
 *
 * No event is lost: one that came before it was masked has woken the process
 * or is still pending, then the call returns at once; one that comes last is
 * pending when the channel is unmasked, which delivers it.
 *
 * A channel has one dozer at a time, who answers the bells of all its sockets.
 * He holds nothing but the channel itself, whose end waits for him.
 */
#include <linux/irq.h>
#include <linux/moduleparam.h>
#include <linux/sched/signal.h>
#include <linux/sched/stat.h>
#include <linux/tick.h>
#include <linux/wait.h>
#include <xen/events.h>
#include <xen/interface/sched.h>
#include <asm/xen/hypercall.h>

#include "switchboard.h"

/* Bits of sb_channel.dozing */
enum { DOZING };

static bool doze = true;
module_param(doze, bool, 0644);
MODULE_PARM_DESC(doze, "let processes wait in the hypervisor, if alone");

/* The channel whose bell will wake the socket; ownership held, under RCU */
static struct sb_channel *channel_of(struct sb_sock *sb)
{
	struct sb_circuit *c = sb->circuit;
	struct sb_channel *ch = NULL;

	if (sb_is_datagram(sb))
		ch = sb_pair_channel(sb);
	if (ch || !c)
		return ch;
	if (c->foreign)
		return &sb_callee_of(c)->line->channel;
	return c->line ? &c->line->channel : NULL;
}

/* Nobody else wants this processor, nor a signal this process */
static bool undisturbed(void)
{
	return !signal_pending(current) && single_task_running() &&
	       !need_resched();
}

/* After waits that were too long for it, it is tried less and less often */
static bool worth_it(struct sb_channel *ch)
{
	if (!ch->doze_skips)
		return true;
	ch->doze_skips--;
	return false;
}

static void note(struct sb_channel *ch, bool woken)
{
	ch->doze_missed =
		woken ? 0 : min_t(u8, ch->doze_missed + 1, SB_DOZE_MISSED_MAX);
	ch->doze_skips = (1u << ch->doze_missed) - 1;
	if (woken)
		sb_count(&sb_counters.dozes_woken);
}

/* Whoever waits for it frees the channel: that is not looked at any more */
static void leave(struct sb_channel *ch)
{
	clear_and_wake_up_bit(DOZING, &ch->dozing);
}

/* Under RCU: it may be that of a circuit which is not the socket's own */
static struct sb_channel *take_channel(struct sb_sock *sb)
{
	struct sb_channel *ch = channel_of(sb);

	if (!ch || test_bit(DOZING, &ch->dozing) ||
	    test_and_set_bit(DOZING, &ch->dozing))
		return NULL;
	/* whoever closes it sees that we are here, or we see that he closes */
	if (!READ_ONCE(ch->closed) && ch->irq && worth_it(ch))
		return ch;
	leave(ch);
	return NULL;
}

struct sb_channel *sb_doze_begin(struct sb_sock *sb, long timeo)
{
	struct sb_channel *ch;

	/* a processor without a tick might not come back in time */
	if (!READ_ONCE(doze) || timeo <= SB_DOZE_TICKS || !undisturbed() ||
	    tick_nohz_full_enabled())
		return NULL;
	rcu_read_lock();
	ch = take_channel(sb);
	rcu_read_unlock();
	return ch;
}

/* Masked: until the socket was woken, or anything else wants to happen */
static bool wait_masked(struct sb_channel *ch,
			const struct wait_queue_entry *wait)
{
	unsigned long end = jiffies + SB_DOZE_TICKS;
	unsigned int calls = 0;

	while (!(READ_ONCE(wait->flags) & WQ_FLAG_WOKEN)) {
		if (calls++ == SB_DOZE_CALLS || time_after(jiffies, end) ||
		    READ_ONCE(ch->closed) || !undisturbed() ||
		    HYPERVISOR_sched_op(SCHEDOP_poll, &ch->poll))
			return false;
		xen_clear_irq_pending(ch->irq);
		sb_channel_answer(ch);
	}
	return true;
}

/*
 * The event alone, not the interrupt as disable_irq() would: that looks it up
 * four times, and drops an event whose handler is just about to run. Here the
 * handler runs, and the tasklet after it.
 */
static struct irq_data *mask(struct sb_channel *ch)
{
	struct irq_data *data = irq_get_irq_data(ch->irq);

	data->chip->irq_mask(data);
	return data;
}

static void unmask(struct irq_data *data)
{
	data->chip->irq_unmask(data);
}

/**
 * sb_doze() - wait a moment for a bell; process context, no locks held
 * @ch:    what sb_doze_begin() returned; not to be used any more
 * @wait:  queued, see sb_wait_begin()
 * @timeo: how long the process would wait, in jiffies
 *
 * Return: how long it would still wait. It has to sleep even so: that ends at
 * once if it was woken.
 */
long sb_doze(struct sb_channel *ch, const struct wait_queue_entry *wait,
	     long timeo)
{
	unsigned long begin = jiffies;
	struct irq_data *data = mask(ch);

	sb_count(&sb_counters.dozes);
	note(ch, wait_masked(ch, wait));
	unmask(data);
	leave(ch);
	if (timeo == MAX_SCHEDULE_TIMEOUT)
		return timeo;
	return max_t(long, 1, timeo - (long)(jiffies - begin));
}

/**
 * sb_doze_end() - wait until nobody dozes on a channel that is closed
 * @ch: after a grace period since it was closed
 */
void sb_doze_end(struct sb_channel *ch)
{
	wait_on_bit(&ch->dozing, DOZING, TASK_UNINTERRUPTIBLE);
}
