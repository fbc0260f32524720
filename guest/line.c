// SPDX-License-Identifier: GPL-2.0-only
/*
 * line.c - a line that this guest owns: shared pages, and who a bell is for
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <xen/page.h>

#include "switchboard.h"

static struct sb_guest_line *line_of(struct sb_channel *channel)
{
	return container_of(channel, struct sb_guest_line, channel);
}

/* The peer attached itself for the first time, or another process did */
static bool look_at_peer(struct sb_channel *channel)
{
	struct sb_guest_line *line = line_of(channel);
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
static void answer(struct sb_channel *channel, u32 entry)
{
	struct sb_circuit *c = sb_table_slot(line_of(channel), entry);
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
	line->channel.in = sb_bells_to_owner(line->header, line->doorbells);
	line->channel.out = sb_bells_to_peer(line->header, line->doorbells);
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

	sb_pool_end(line);
	cancel_delayed_work_sync(&line->sweep);
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
	INIT_LIST_HEAD(&line->others);
	INIT_LIST_HEAD(&line->large);
	INIT_LIST_HEAD(&line->ready);
	INIT_LIST_HEAD(&line->closing);
	INIT_LIST_HEAD(&line->ending);
	INIT_WORK(&line->work, sb_pool_work);
	INIT_WORK(&line->free, free_line);
	INIT_DELAYED_WORK(&line->sweep, sb_pool_sweep);
	sb_channel_init(&line->channel, answer, look_at_peer);
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
		error = sb_channel_make(&line->channel, domain);
	if (error) {
		sb_line_put(line);
		return ERR_PTR(error);
	}
	sb_store(&line->header->magic, SB_LINE_MAGIC);
	sb_pool_begin(line);
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
	/* the sweep may be faster than we are */
	kref_get(&line->ref);
	spin_lock_bh(&line->lock);
	WRITE_ONCE(line->lost, true);
	spin_unlock_bh(&line->lock);
	sb_channel_close(&line->channel);
	sb_pool_lose(line);
	mod_delayed_work(sb_workqueue, &line->sweep, 0);
	sb_line_put(line);
}
