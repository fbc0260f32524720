// SPDX-License-Identifier: GPL-2.0-only
/*
 * line.c - a line that this guest owns: shared pages, and who a bell is for
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <xen/page.h>

#include "switchboard.h"

/* Every line, those that are lost too, until its memory goes */
static LIST_HEAD(lines);
static DEFINE_SPINLOCK(lines_lock);

void sb_line_visit(void (*visit)(struct sb_guest_line *line, void *arg),
		   void *arg)
{
	struct sb_guest_line *line;

	spin_lock_bh(&lines_lock);
	list_for_each_entry(line, &lines, all_node)
		visit(line, arg);
	spin_unlock_bh(&lines_lock);
}

static void enlist(struct sb_guest_line *line)
{
	spin_lock_bh(&lines_lock);
	list_add(&line->all_node, &lines);
	spin_unlock_bh(&lines_lock);
}

static void delist(struct sb_guest_line *line)
{
	spin_lock_bh(&lines_lock);
	list_del_init(&line->all_node);
	spin_unlock_bh(&lines_lock);
}

static struct sb_guest_line *line_of(struct sb_channel *channel)
{
	return container_of(channel, struct sb_guest_line, channel);
}

/*
 * The peer attached itself for the first time, or another process did: in Dom0,
 * for in another guest there is no other. Each time all circuits are rung again.
 */
static bool look_at_peer(struct sb_channel *channel)
{
	struct sb_guest_line *line = line_of(channel);
	u32 epoch = sb_load(&line->header->peer_epoch);
	u32 version = sb_load(&line->header->peer_version);

	if (version != SB_LINE_VERSION ||
	    (line->attached &&
	     (epoch == line->epoch || line->kind == SB_LINE_DIRECT)))
		return false;
	if (line->attached)
		set_bit(0, &line->reattached);
	line->epoch = epoch;
	WRITE_ONCE(line->exchanges,
		   sb_load(&line->header->peer_features) & SB_FEATURE_EXCHANGE);
	WRITE_ONCE(line->attached, true);
	sb_orders_line_attached(line);
	return true;
}

/* Under RCU */
static void answer(struct sb_channel *channel, u32 entry)
{
	struct sb_circuit *c = sb_table_slot(line_of(channel), entry);

	if (!c)
		return;
	switch (READ_ONCE(c->state)) {
	case SB_CIRCUIT_BUSY:
		sb_circuit_bell_owner(c);
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

bool sb_line_unshare(void *page, grant_ref_t gref)
{
	if (!gnttab_try_end_foreign_access(gref))
		return false;
	free_page((unsigned long)page);
	return true;
}

/* Returns 1 when the peer still maps the page, which then stays */
static unsigned int unshare_page(void **page, grant_ref_t gref)
{
	if (*page && !sb_line_unshare(*page, gref))
		return 1;
	*page = NULL;
	return 0;
}

unsigned long sb_line_patience(struct sb_guest_line *line)
{
	line->patience =
		clamp_t(unsigned long, 2 * line->patience,
			msecs_to_jiffies(SB_PATIENCE_MS), SB_SWEEP_S * HZ);
	return line->patience;
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
	line->header->features =
		line->kind == SB_LINE_UDP ? 0 : SB_FEATURE_EXCHANGE;
	line->header->doorbell_gref = line->gref[1];
	line->header->directory_gref = line->gref[2];
	line->header->owner_armed = 1;
	return 0;
}

/* Pages that the peer still maps are tried again for as long as it takes */
static void free_line(struct work_struct *work)
{
	struct sb_guest_line *line =
		container_of(to_delayed_work(work), struct sb_guest_line, free);
	void **page[] = { (void **)&line->header, (void **)&line->doorbells,
			  (void **)&line->directory };
	unsigned int i, left;

	cancel_delayed_work_sync(&line->sweep);
	cancel_work_sync(&line->work);
	/* rings and slots are read under RCU */
	synchronize_rcu();
	left = line->table ? sb_table_free(line) : 0;
	for (i = 0; i < ARRAY_SIZE(page); i++)
		left += unshare_page(page[i], line->gref[i]);
	sb_withheld_line(line, left);
	if (left) {
		queue_delayed_work(sb_workqueue, &line->free,
				   sb_line_patience(line));
		return;
	}
	delist(line);
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
	INIT_LIST_HEAD(&line->all_node);
	sb_pool_init(line);
	INIT_LIST_HEAD(&line->closing);
	INIT_LIST_HEAD(&line->ending);
	INIT_WORK(&line->work, sb_pool_work);
	INIT_DELAYED_WORK(&line->free, free_line);
	INIT_DELAYED_WORK(&line->sweep, sb_pool_sweep);
	sb_channel_init(&line->channel, answer, look_at_peer);
	return line;
}

/* Returns a line for the operator to introduce, or ERR_PTR */
struct sb_guest_line *sb_line_create(u16 number, u8 kind, domid_t domain)
{
	struct sb_guest_line *line;
	int error;

	if (sb_withheld_too_much(kind, domain))
		return ERR_PTR(-ENOBUFS);
	line = alloc_line(number, kind, domain);
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
	enlist(line);
	line->sweep_at = jiffies;
	queue_delayed_work(sb_workqueue, &line->sweep, SB_SWEEP_S * HZ);
	return line;
}

static void release(struct kref *ref)
{
	struct sb_guest_line *line =
		container_of(ref, struct sb_guest_line, ref);

	queue_delayed_work(sb_workqueue, &line->free, 0);
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
