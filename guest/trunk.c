// SPDX-License-Identifier: GPL-2.0-only
/*
 * trunk.c - the line to the operator: two rings of messages
 *
 * Any context sends; what finds no room waits: a request in a list through its
 * circuit, news of a line as a bit. One work item receives, so that orders are
 * handled one after the other and may sleep. When another operator process
 * takes over (peer_epoch moves), everything unanswered is sent again; the
 * rings carry on where their published indexes are.
 */
#include <linux/bitmap.h>
#include <linux/slab.h>
#include <xen/events.h>
#include <xen/page.h>
#include <xen/xenbus.h>

#include "switchboard.h"

#define MESSAGE_BYTES ((u32)sizeof(struct sb_message))
#define TRUNK_PAGES (1 + 2 * SB_TRUNK_AREA_PAGES)

static void receive(struct work_struct *work);

/* A message that waits for room */
struct waiting {
	struct list_head node;
	struct sb_message message;
};

/*
 * @lock guards @tx, @up, @pending and the bits; @rx and @epoch are the work
 * item's; the rest changes only while there is neither event nor work item.
 */
static struct {
	struct xenbus_device *dev;
	struct sb_trunk *header;
	u8 *tx_area;
	u8 *rx_area;
	struct page *page[TRUNK_PAGES];
	grant_ref_t gref[TRUNK_PAGES];
	unsigned int pages;
	evtchn_port_t port;
	int irq;
	spinlock_t lock;
	bool up;
	struct sb_writer tx;
	struct sb_reader rx;
	u32 epoch;
	struct list_head pending;
	struct list_head messages;
	unsigned int message_count;
	DECLARE_BITMAP(ready_unsent, SB_LINES_MAX);
	DECLARE_BITMAP(gone_unsent, SB_LINES_MAX);
	struct work_struct work;
	bool masked;
} trunk = {
	.lock = __SPIN_LOCK_UNLOCKED(trunk.lock),
	.pending = LIST_HEAD_INIT(trunk.pending),
	.messages = LIST_HEAD_INIT(trunk.messages),
	.work = __WORK_INITIALIZER(trunk.work, receive),
};

/* The operator's index is a lie: we stop talking to it */
static void give_up(const char *what)
{
	trunk.up = false;
	sb_count(&sb_counters.lies);
	pr_warn_ratelimited("the operator's %s index is a lie\n", what);
}

/* Lock held. A place for the next message, or NULL */
static struct sb_message *place(void)
{
	s64 room = sb_writer_room(&trunk.tx);

	if (room < MESSAGE_BYTES)
		room = sb_writer_space(&trunk.tx);
	if (room >= 0 && room < MESSAGE_BYTES)
		room = sb_writer_arm(&trunk.tx, MESSAGE_BYTES);
	if (room < 0)
		give_up("consumed");
	if (room < MESSAGE_BYTES)
		return NULL;
	sb_count(&sb_counters.messages_sent);
	return (void *)(trunk.tx_area + sb_writer_offset(&trunk.tx));
}

static bool put(const struct sb_message *m)
{
	struct sb_message *to = place();

	if (!to)
		return false;
	*to = *m;
	sb_writer_advance(&trunk.tx, MESSAGE_BYTES);
	return true;
}

static bool put_request(const struct sb_circuit *c)
{
	struct sb_message m = {
		.type = SB_MESSAGE_LISTEN,
		.line = c->line->number,
		.entry = c->number,
		.generation = c->generation,
		.kind = c->both ? SB_LISTEN_BOTH : SB_LISTEN_ONE,
		.backlog = c->backlog,
		.local = c->local,
	};

	return put(&m);
}

static bool put_line(enum sb_message_type type, unsigned int number)
{
	struct sb_message m = { .type = type, .line = number };
	struct sb_guest_line *line = sb_orders_line_number(number);

	if (type == SB_MESSAGE_LINE_READY) {
		if (!line)
			return true;
		m.kind = line->kind;
		m.domain = line->domain;
		m.gref = line->gref[0];
		m.port = line->channel.send.port;
	}
	return put(&m);
}

static void forget_message(struct waiting *w)
{
	list_del(&w->node);
	trunk.message_count--;
	kfree(w);
}

static void put_messages(void)
{
	struct waiting *w, *next;

	list_for_each_entry_safe(w, next, &trunk.messages, node) {
		if (!put(&w->message))
			break;
		forget_message(w);
	}
}

/* Lock held: as much as there is room for, oldest first */
static void flush(void)
{
	struct sb_circuit *c, *next;
	unsigned int n;

	if (!trunk.up)
		return;
	put_messages();
	for_each_set_bit(n, trunk.gone_unsent, SB_LINES_MAX)
		if (put_line(SB_MESSAGE_LINE_GONE, n))
			__clear_bit(n, trunk.gone_unsent);
	for_each_set_bit(n, trunk.ready_unsent, SB_LINES_MAX)
		if (put_line(SB_MESSAGE_LINE_READY, n))
			__clear_bit(n, trunk.ready_unsent);
	list_for_each_entry_safe(c, next, &trunk.pending, request) {
		if (!put_request(c))
			break;
		list_del_init(&c->request);
	}
	if (sb_writer_publish(&trunk.tx)) {
		sb_count(&sb_counters.events_sent);
		notify_remote_via_evtchn(trunk.port);
	}
}

void sb_trunk_request(struct sb_circuit *c)
{
	spin_lock_bh(&trunk.lock);
	c->asked = true;
	c->since = jiffies;
	if (list_empty(&c->request))
		list_add_tail(&c->request, &trunk.pending);
	flush();
	spin_unlock_bh(&trunk.lock);
}

/* What the operator does not get it asks for again, or does without */
void sb_trunk_send(const struct sb_message *m)
{
	struct waiting *w = kmalloc(sizeof(*w), GFP_ATOMIC);

	if (!w)
		return;
	w->message = *m;
	spin_lock_bh(&trunk.lock);
	list_add_tail(&w->node, &trunk.messages);
	if (trunk.message_count++ == SB_MESSAGES_MAX)
		forget_message(list_first_entry(&trunk.messages, struct waiting,
						node));
	flush();
	spin_unlock_bh(&trunk.lock);
}

void sb_trunk_forget(struct sb_circuit *c)
{
	spin_lock_bh(&trunk.lock);
	list_del_init(&c->request);
	spin_unlock_bh(&trunk.lock);
}

/* Of a trunk that is gone nobody wants to hear which of its lines are */
void sb_trunk_say(enum sb_message_type type, unsigned int line)
{
	spin_lock_bh(&trunk.lock);
	if (type == SB_MESSAGE_LINE_GONE) {
		if (trunk.up)
			__set_bit(line, trunk.gone_unsent);
		__clear_bit(line, trunk.ready_unsent);
	} else {
		__set_bit(line, trunk.ready_unsent);
	}
	flush();
	spin_unlock_bh(&trunk.lock);
}

/* The next message, copied; false when there is none */
static bool next_message(struct sb_message *m)
{
	s64 held = sb_reader_available(&trunk.rx);

	if (held >= 0 && held < MESSAGE_BYTES)
		held = sb_reader_arm(&trunk.rx, MESSAGE_BYTES);
	if (held < 0) {
		spin_lock_bh(&trunk.lock);
		give_up("produced");
		spin_unlock_bh(&trunk.lock);
	}
	if (held < (s64)MESSAGE_BYTES)
		return false;
	memcpy(m, trunk.rx_area + sb_reader_offset(&trunk.rx), sizeof(*m));
	sb_reader_advance(&trunk.rx, MESSAGE_BYTES);
	if (sb_reader_release(&trunk.rx))
		notify_remote_via_evtchn(trunk.port);
	return true;
}

/* An operator is there when it has told its version */
static void look_at_peer(void)
{
	u32 epoch = sb_load(&trunk.header->peer_epoch);
	bool was_up = trunk.up;

	if (sb_load(&trunk.header->peer_version) != SB_TRUNK_VERSION)
		return;
	if (was_up && epoch == trunk.epoch)
		return;
	trunk.epoch = epoch;
	spin_lock_bh(&trunk.lock);
	trunk.up = true;
	spin_unlock_bh(&trunk.lock);
	sb_orders_resend();
}

static void receive(struct work_struct *work)
{
	struct sb_message m;
	bool any = false;

	look_at_peer();
	while (trunk.up && next_message(&m)) {
		any = true;
		sb_count(&sb_counters.messages_received);
		sb_orders_handle(&m, trunk.dev->otherend_id);
	}
	spin_lock_bh(&trunk.lock);
	flush();
	spin_unlock_bh(&trunk.lock);
	if (xchg(&trunk.masked, false))
		xen_irq_lateeoi(trunk.irq, any ? 0 : XEN_EOI_FLAG_SPURIOUS);
}

static irqreturn_t event(int irq, void *arg)
{
	sb_count(&sb_counters.events_received);
	WRITE_ONCE(trunk.masked, true);
	queue_work(sb_workqueue, &trunk.work);
	return IRQ_HANDLED;
}

static void free_pages_of_trunk(void)
{
	while (trunk.pages) {
		trunk.pages--;
		gnttab_end_foreign_access(trunk.gref[trunk.pages],
					  trunk.page[trunk.pages]);
	}
}

/* A run of pages that are physically in a row, each with its own grant */
static u8 *alloc_run(unsigned int count)
{
	u8 *run = alloc_pages_exact(count * PAGE_SIZE, GFP_KERNEL | __GFP_ZERO);
	unsigned int i;
	int ref;

	if (!run)
		return NULL;
	for (i = 0; i < count; i++) {
		ref = gnttab_grant_foreign_access(
			trunk.dev->otherend_id,
			virt_to_gfn(run + i * PAGE_SIZE), 0);
		if (ref < 0)
			goto undo;
		trunk.gref[trunk.pages] = ref;
		trunk.page[trunk.pages++] = virt_to_page(run + i * PAGE_SIZE);
	}
	return run;

undo:
	/* those that are granted go with the trunk's other pages */
	for (; i < count; i++)
		free_page((unsigned long)run + i * PAGE_SIZE);
	return NULL;
}

static int alloc_shared(void)
{
	unsigned int i;

	trunk.header = (struct sb_trunk *)alloc_run(1);
	trunk.tx_area = alloc_run(SB_TRUNK_AREA_PAGES);
	trunk.rx_area = alloc_run(SB_TRUNK_AREA_PAGES);
	if (!trunk.header || !trunk.tx_area || !trunk.rx_area)
		return -ENOMEM;
	for (i = 0; i < SB_TRUNK_AREA_PAGES; i++) {
		trunk.header->tx_gref[i] = trunk.gref[1 + i];
		trunk.header->rx_gref[i] =
			trunk.gref[1 + SB_TRUNK_AREA_PAGES + i];
	}
	return 0;
}

/* Both rings have the indexes of the header page, not a page of their own */
static void init_rings(void)
{
	struct sb_index *index = trunk.header->index;

	memset(&trunk.tx, 0, sizeof(trunk.tx));
	memset(&trunk.rx, 0, sizeof(trunk.rx));
	trunk.tx.mine = &index[SB_OWNER];
	trunk.tx.peer = &index[SB_PEER];
	trunk.tx.size = SB_TRUNK_AREA_BYTES;
	trunk.rx.mine = &index[SB_OWNER];
	trunk.rx.peer = &index[SB_PEER];
	trunk.rx.size = SB_TRUNK_AREA_BYTES;
	sb_reader_arm(&trunk.rx, MESSAGE_BYTES);
	trunk.header->version = SB_TRUNK_VERSION;
	trunk.header->features = SB_TRUNK_DATAGRAMS;
	sb_store(&trunk.header->magic, SB_TRUNK_MAGIC);
}

static int bind_channel(void)
{
	int irq, error;

	error = xenbus_alloc_evtchn(trunk.dev, &trunk.port);
	if (error)
		return error;
	irq = bind_evtchn_to_irqhandler_lateeoi(trunk.port, event, 0,
						"switchboard-trunk", NULL);
	if (irq < 0) {
		xenbus_free_evtchn(trunk.dev, trunk.port);
		return irq;
	}
	trunk.irq = irq;
	return 0;
}

static int write_keys(struct xenbus_transaction t)
{
	const char *node = trunk.dev->nodename;
	int error;

	error = xenbus_printf(t, node, "ring-ref", "%u", trunk.gref[0]);
	if (!error)
		error = xenbus_printf(t, node, "event-channel", "%u",
				      trunk.port);
	if (!error)
		error = xenbus_printf(t, node, "version", "%u",
				      SB_TRUNK_VERSION);
	return error;
}

static int tell_backend(void)
{
	struct xenbus_transaction t;
	int error;

	do {
		error = xenbus_transaction_start(&t);
		if (error)
			return error;
		error = write_keys(t);
		if (error) {
			xenbus_transaction_end(t, 1);
			return error;
		}
		error = xenbus_transaction_end(t, 0);
	} while (error == -EAGAIN);
	return error;
}

/* From the frontend: make a trunk and tell the backend where it is */
int sb_trunk_connect(struct xenbus_device *dev)
{
	int error;

	trunk.dev = dev;
	trunk.epoch = 0;
	error = alloc_shared();
	if (error)
		goto free_shared;
	init_rings();
	error = bind_channel();
	if (error)
		goto free_shared;
	error = tell_backend();
	if (error)
		goto unbind;
	sb_orders_expect(true);
	return 0;

unbind:
	unbind_from_irqhandler(trunk.irq, NULL);
	trunk.irq = 0;
free_shared:
	free_pages_of_trunk();
	trunk.dev = NULL;
	return error;
}

void sb_trunk_attached(void)
{
	queue_work(sb_workqueue, &trunk.work);
}

/* From the frontend: the backend is gone, or we have been moved elsewhere */
void sb_trunk_disconnect(void)
{
	if (!trunk.dev)
		return;
	sb_orders_expect(false);
	spin_lock_bh(&trunk.lock);
	trunk.up = false;
	while (!list_empty(&trunk.messages))
		forget_message(list_first_entry(&trunk.messages, struct waiting,
						node));
	bitmap_zero(trunk.ready_unsent, SB_LINES_MAX);
	bitmap_zero(trunk.gone_unsent, SB_LINES_MAX);
	spin_unlock_bh(&trunk.lock);
	unbind_from_irqhandler(trunk.irq, NULL);
	cancel_work_sync(&trunk.work);
	trunk.masked = false;
	sb_orders_lose_all();
	free_pages_of_trunk();
	trunk.dev = NULL;
}
