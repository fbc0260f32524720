// SPDX-License-Identifier: GPL-2.0-only
/*
 * line.c - a line: shared pages, event channel, answering bells
 *
 * The event's handler only wakes the tasklet; the event channel is unmasked
 * (late EOI) when the tasklet has found no bell left, so a peer that storms
 * gets no more of the processor than the tasklet's runs. A run answers a
 * bounded number of bells and then lets others have a turn.
 */
#include <linux/bitops.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <xen/events.h>
#include <xen/page.h>
#include <asm/xen/hypercall.h>

#include "switchboard.h"

void sb_line_notify(struct sb_guest_line *line)
{
	sb_count(&sb_counters.events_sent);
	notify_remote_via_evtchn(line->port);
}

/* The peer attached itself for the first time, or another process did */
static bool look_at_peer(struct sb_guest_line *line)
{
	u32 epoch = sb_load(&line->header->peer_epoch);
	u32 version = sb_load(&line->header->peer_version);

	if (version != SB_LINE_VERSION ||
	    (line->attached && epoch == line->epoch))
		return false;
	if (line->attached)
		set_bit(0, &line->reattached);
	line->epoch = epoch;
	WRITE_ONCE(line->attached, true);
	sb_orders_line_attached(line);
	return true;
}

/* Under RCU */
static void answer(struct sb_guest_line *line, u32 entry)
{
	struct sb_circuit *c = sb_table_slot(line, entry);
	struct sb_sock *sb;

	if (!c)
		return;
	switch (READ_ONCE(c->state)) {
	case SB_CIRCUIT_BUSY:
		sb = rcu_dereference(c->end[SB_OWNER]);
		if (sb)
			sb_stream_bell(sb);
		break;
	case SB_CIRCUIT_POSTED:
		sb_accept_bell(c);
		break;
	case SB_CIRCUIT_CLOSING:
	case SB_CIRCUIT_REVOKED:
		sb_pool_check(c);
		break;
	default:
		break;
	}
}

static unsigned int answer_word(struct sb_guest_line *line, u32 word)
{
	u64 bits = sb_bells_take_word(&line->in, word);
	unsigned int answered = 0;

	for (; bits; bits &= bits - 1) {
		answer(line, word * 64 + __ffs64(bits));
		answered++;
	}
	return answered;
}

/* The words of one summary bit: at most 256 bells */
static unsigned int answer_summary_bit(struct sb_guest_line *line, u32 bit)
{
	unsigned int i, answered = 0;

	for (i = 0; i < SB_SUMMARY_WORDS; i++)
		answered += answer_word(line, bit * SB_SUMMARY_WORDS + i);
	return answered;
}

/* Returns the bells answered; more than the bound when some are left */
static unsigned int answer_some(struct sb_guest_line *line)
{
	unsigned int answered = 0;
	u32 bit;

	while (answered <= SB_BELLS_PER_RUN) {
		if (!line->left)
			line->left = sb_bells_take_summary(&line->in);
		if (!line->left) {
			if (sb_bells_arm(&line->in))
				break;
			continue;
		}
		bit = __ffs64(line->left);
		line->left &= line->left - 1;
		/* a bit without bells is work too, or a peer could spin us */
		answered += 1 + answer_summary_bit(line, bit);
	}
	return answered;
}

/* Under RCU. True when the event channel may be unmasked */
static bool answer_run(struct sb_guest_line *line, unsigned int *eoi_flags)
{
	bool news = look_at_peer(line);
	unsigned int answered;

	sb_bells_disarm(&line->in);
	answered = answer_some(line);
	atomic64_add(answered, &sb_counters.bells_answered);
	if (answered > SB_BELLS_PER_RUN) {
		tasklet_schedule(&line->tasklet);
		return false;
	}
	*eoi_flags = answered || news ? 0 : XEN_EOI_FLAG_SPURIOUS;
	return true;
}

static void run(struct tasklet_struct *tasklet)
{
	struct sb_guest_line *line =
		container_of(tasklet, struct sb_guest_line, tasklet);
	unsigned int eoi_flags;

	rcu_read_lock();
	if (!READ_ONCE(line->lost) && answer_run(line, &eoi_flags))
		xen_irq_lateeoi(line->irq, eoi_flags);
	rcu_read_unlock();
}

static irqreturn_t event(int irq, void *arg)
{
	struct sb_guest_line *line = arg;

	sb_count(&sb_counters.events_received);
	tasklet_schedule(&line->tasklet);
	return IRQ_HANDLED;
}

static int alloc_channel(struct sb_guest_line *line)
{
	struct evtchn_alloc_unbound alloc = { .dom = DOMID_SELF,
					      .remote_dom = line->domain };
	int irq, error;

	error = HYPERVISOR_event_channel_op(EVTCHNOP_alloc_unbound, &alloc);
	if (error)
		return error;
	line->port = alloc.port;
	irq = bind_evtchn_to_irqhandler_lateeoi(alloc.port, event, 0,
						"switchboard-line", line);
	if (irq < 0) {
		struct evtchn_close close = { .port = alloc.port };

		HYPERVISOR_event_channel_op(EVTCHNOP_close, &close);
		return irq;
	}
	line->irq = irq;
	return 0;
}

/* A zeroed page that the peer may write; NULL without memory or grants */
static void *shared_page(struct sb_guest_line *line, grant_ref_t *gref)
{
	void *page = (void *)get_zeroed_page(GFP_KERNEL);
	int ref;

	if (!page)
		return NULL;
	ref = gnttab_grant_foreign_access(line->domain, virt_to_gfn(page), 0);
	if (ref < 0) {
		free_page((unsigned long)page);
		return NULL;
	}
	*gref = ref;
	return page;
}

static void unshare_page(void *page, grant_ref_t gref)
{
	if (page)
		gnttab_end_foreign_access(gref, virt_to_page(page));
}

static int alloc_shared(struct sb_guest_line *line)
{
	line->header = shared_page(line, &line->gref[0]);
	line->doorbells = shared_page(line, &line->gref[1]);
	line->directory = shared_page(line, &line->gref[2]);
	if (!line->header || !line->doorbells || !line->directory)
		return -ENOMEM;
	line->in = sb_bells_to_owner(line->header, line->doorbells);
	line->out = sb_bells_to_peer(line->header, line->doorbells);
	line->header->version = SB_LINE_VERSION;
	line->header->kind = line->kind;
	line->header->doorbell_gref = line->gref[1];
	line->header->directory_gref = line->gref[2];
	line->header->owner_armed = 1;
	return 0;
}

static void free_line(struct work_struct *work)
{
	struct sb_guest_line *line =
		container_of(work, struct sb_guest_line, free);

	cancel_work_sync(&line->work);
	/* rings and slots are read under RCU */
	synchronize_rcu();
	if (line->table)
		sb_table_free(line);
	unshare_page(line->directory, line->gref[2]);
	unshare_page(line->doorbells, line->gref[1]);
	unshare_page(line->header, line->gref[0]);
	kfree(line);
}

static struct sb_guest_line *alloc_line(u16 number, u8 kind, domid_t domain)
{
	struct sb_guest_line *line = kzalloc(sizeof(*line), GFP_KERNEL);

	if (!line)
		return NULL;
	kref_init(&line->ref);
	line->number = number;
	line->kind = kind;
	line->domain = domain;
	spin_lock_init(&line->lock);
	INIT_LIST_HEAD(&line->large);
	INIT_LIST_HEAD(&line->ready);
	INIT_LIST_HEAD(&line->closing);
	INIT_LIST_HEAD(&line->ending);
	INIT_WORK(&line->work, sb_pool_work);
	INIT_WORK(&line->free, free_line);
	INIT_DELAYED_WORK(&line->sweep, sb_pool_sweep);
	tasklet_setup(&line->tasklet, run);
	return line;
}

/* Returns a line for the operator to introduce, or ERR_PTR */
struct sb_guest_line *sb_line_create(u16 number, u8 kind, domid_t domain)
{
	struct sb_guest_line *line = alloc_line(number, kind, domain);
	int error;

	if (!line)
		return ERR_PTR(-ENOMEM);
	error = alloc_shared(line);
	if (!error)
		error = sb_table_init(line);
	if (!error)
		error = alloc_channel(line);
	if (error) {
		sb_line_put(line);
		return ERR_PTR(error);
	}
	sb_store(&line->header->magic, SB_LINE_MAGIC);
	queue_delayed_work(sb_workqueue, &line->sweep, SB_SWEEP_S * HZ);
	return line;
}

static void release(struct kref *ref)
{
	struct sb_guest_line *line =
		container_of(ref, struct sb_guest_line, ref);

	queue_work(sb_workqueue, &line->free);
}

void sb_line_put(struct sb_guest_line *line)
{
	kref_put(&line->ref, release);
}

/* Process context. The caller's reference is the one that the sweep drops */
void sb_line_lose(struct sb_guest_line *line)
{
	spin_lock_bh(&line->lock);
	WRITE_ONCE(line->lost, true);
	spin_unlock_bh(&line->lock);
	/* whoever read lost as false has rung, or unmasked, by now */
	synchronize_rcu();
	unbind_from_irqhandler(line->irq, line);
	tasklet_kill(&line->tasklet);
	sb_pool_lose(line);
	mod_delayed_work(sb_workqueue, &line->sweep, 0);
}
