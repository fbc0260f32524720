// SPDX-License-Identifier: GPL-2.0-only
/*
 * channel.c - one end of a line: event channel, ringing, answering bells
 *
 * The event's handler only wakes the tasklet; the event channel is unmasked
 * (late EOI) when the tasklet has found no bell left, so a peer that storms
 * gets no more of the processor than the tasklet's runs. A run answers a
 * bounded number of bells and then lets others have a turn.
 *
 * Both ends of a line use this: the owner's (line.c), and that of a guest
 * which another guest's line leads to (foreign.c).
 */
#include <linux/bitops.h>
#include <xen/events.h>
#include <asm/xen/hypercall.h>

#include "switchboard.h"

/*
 * What Xen is told lies in the channel, not on the stack: it finds memory in
 * the kernel's direct mapping, of large pages, in fewer steps.
 */
void sb_channel_notify(struct sb_channel *ch)
{
	sb_count(&sb_counters.events_sent);
	HYPERVISOR_event_channel_op(EVTCHNOP_send, &ch->send);
}

/*
 * Not to be interrupted by another process between bell and event: all rings
 * of others would stop at the bell meanwhile. The end of the channel waits for
 * whoever is in here.
 */
void sb_channel_ring(struct sb_channel *ch, u32 entry)
{
	preempt_disable();
	if (!READ_ONCE(ch->closed) && sb_bells_ring(&ch->out, entry))
		sb_channel_notify(ch);
	preempt_enable();
}

void sb_channel_recall(struct sb_channel *ch, u32 entry)
{
	sb_bells_ring(&ch->in, entry);
	sb_channel_wake(ch);
}

void sb_channel_wake(struct sb_channel *ch)
{
	preempt_disable();
	if (!READ_ONCE(ch->closed))
		tasklet_schedule(&ch->tasklet);
	preempt_enable();
}

static unsigned int answer_word(struct sb_channel *ch, u32 word)
{
	u64 bits = sb_bells_take_word(&ch->in, word);
	unsigned int answered = 0;

	for (; bits; bits &= bits - 1) {
		ch->answer(ch, word * 64 + __ffs64(bits));
		answered += 1 + ch->more;
		ch->more = 0;
	}
	return answered;
}

/* The words of one summary bit: at most 256 bells */
static unsigned int answer_summary_bit(struct sb_channel *ch, u32 bit)
{
	unsigned int i, answered = 0;

	for (i = 0; i < SB_SUMMARY_WORDS; i++)
		answered += answer_word(ch, bit * SB_SUMMARY_WORDS + i);
	return answered;
}

/* Returns the bells answered; more than the bound when some are left */
static unsigned int answer_some(struct sb_channel *ch)
{
	unsigned int answered = 0;
	u32 bit;

	while (answered <= SB_BELLS_PER_RUN) {
		if (!ch->left)
			ch->left = sb_bells_take_summary(&ch->in);
		if (!ch->left) {
			if (sb_bells_arm(&ch->in))
				break;
			/* a bit that comes back as often as it is taken */
			answered++;
			continue;
		}
		bit = __ffs64(ch->left);
		ch->left &= ch->left - 1;
		/* a bit without bells is work too, or a peer could spin us */
		answered += 1 + answer_summary_bit(ch, bit);
	}
	return answered;
}

/* Under RCU. True when the event channel may be unmasked */
static bool answer_run(struct sb_channel *ch, unsigned int *eoi_flags)
{
	bool news = ch->look && ch->look(ch);
	unsigned int answered;

	sb_bells_disarm(&ch->in);
	answered = answer_some(ch);
	atomic64_add(answered, &sb_counters.bells_answered);
	if (answered > SB_BELLS_PER_RUN) {
		tasklet_schedule(&ch->tasklet);
		return false;
	}
	*eoi_flags = answered || news ? 0 : XEN_EOI_FLAG_SPURIOUS;
	return true;
}

static void run(struct tasklet_struct *tasklet)
{
	struct sb_channel *ch =
		container_of(tasklet, struct sb_channel, tasklet);
	unsigned int eoi_flags;

	rcu_read_lock();
	if (!READ_ONCE(ch->closed) && answer_run(ch, &eoi_flags) &&
	    READ_ONCE(ch->masked)) {
		WRITE_ONCE(ch->masked, false);
		xen_irq_lateeoi(ch->irq, eoi_flags);
	}
	rcu_read_unlock();
}

/* What the tasklet does, in its place, unless it is just doing it elsewhere */
void sb_channel_answer(struct sb_channel *ch)
{
	local_bh_disable();
	if (tasklet_trylock(&ch->tasklet)) {
		run(&ch->tasklet);
		tasklet_unlock(&ch->tasklet);
	} else {
		tasklet_schedule(&ch->tasklet);
	}
	local_bh_enable();
}

static irqreturn_t event(int irq, void *arg)
{
	struct sb_channel *ch = arg;

	sb_count(&sb_counters.events_received);
	/* the first may come before whoever binds it knows its number */
	ch->irq = irq;
	WRITE_ONCE(ch->masked, true);
	tasklet_schedule(&ch->tasklet);
	return IRQ_HANDLED;
}

static int take_port(struct sb_channel *ch, evtchn_port_t port)
{
	int irq;

	ch->send.port = port;
	irq = bind_evtchn_to_irqhandler_lateeoi(port, event, 0,
						"switchboard-line", ch);
	if (irq < 0) {
		struct evtchn_close close = { .port = port };

		HYPERVISOR_event_channel_op(EVTCHNOP_close, &close);
		return irq;
	}
	ch->irq = irq;
	return 0;
}

int sb_channel_make(struct sb_channel *ch, domid_t domain)
{
	struct evtchn_alloc_unbound alloc = { .dom = DOMID_SELF,
					      .remote_dom = domain };
	int error;

	error = HYPERVISOR_event_channel_op(EVTCHNOP_alloc_unbound, &alloc);
	return error ? error : take_port(ch, alloc.port);
}

int sb_channel_join(struct sb_channel *ch, domid_t domain, evtchn_port_t port)
{
	struct evtchn_bind_interdomain bind = { .remote_dom = domain,
						.remote_port = port };
	int error;

	error = HYPERVISOR_event_channel_op(EVTCHNOP_bind_interdomain, &bind);
	return error ? error : take_port(ch, bind.local_port);
}

void sb_channel_init(struct sb_channel *ch,
		     void (*answer)(struct sb_channel *ch, u32 entry),
		     bool (*look)(struct sb_channel *ch))
{
	ch->answer = answer;
	ch->look = look;
	set_xen_guest_handle(ch->poll.ports, &ch->send.port);
	ch->poll.nr_ports = 1;
	tasklet_setup(&ch->tasklet, run);
}

void sb_channel_close(struct sb_channel *ch)
{
	WRITE_ONCE(ch->closed, true);
	/* whoever read closed as false has rung, or unmasked, by now */
	synchronize_rcu();
	sb_doze_end(ch);
	if (ch->irq)
		unbind_from_irqhandler(ch->irq, ch);
	tasklet_kill(&ch->tasklet);
}
