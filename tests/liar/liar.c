// SPDX-License-Identifier: GPL-2.0-only
/*
 * liar.c - a guest that lies to the guests it has met
 *
 * The guest's module, built once more with these files, and loaded in a guest
 * of the lab instead of it. It is honest until somebody writes the names of
 * lies, with commas between, to the parameter `lies`. Then a thread stores
 * nonsense into all that a direct line and its circuits share with the other
 * guest and that this side writes, as a caller and as a called guest, again and
 * again, and rings for it. What needs no memory to be written is done where
 * the honest module would do it: a bell that is not answered
 * (liar_foreign.c), a page that stays mapped (liar_mapping.c), a datagram's
 * record that is no such thing when it is published (liar_pair_send.c).
 *
 * Its own connections are what suffers; that it does not lie about them to
 * itself, and does not crash, is all it owes its own kernel.
 */
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/random.h>

#include "switchboard.h"

#include "liar.h"

/* Lies about one target in a row, and the pauses behind all targets */
#define LIES_IN_A_ROW 4u
#define PAUSE_US 5000ul
#define STORM_PAUSE_US 200ul

static const char *const names[] = {
	[LIAR_INDEX] = "index", [LIAR_WORD] = "word",
	[LIAR_ENTRY] = "entry", [LIAR_HEADER] = "header",
	[LIAR_CALL] = "call",	[LIAR_RECORD] = "record",
	[LIAR_BELL] = "bell",	[LIAR_SILENT] = "silent",
	[LIAR_KEEP] = "keep",
};

static unsigned long told;

bool liar_tells(enum liar_lie lie)
{
	return test_bit(lie, &told);
}

/* ---- values ---- */

static u32 below(u32 bound)
{
	return get_random_u32() % bound;
}

/* Often one that something is compared with */
static u32 pick(u32 now)
{
	static const u32 some[] = { 0,	   1,	  0xffffffff, 0x80000000,
				    16384, 16385, 262144,     262145 };

	switch (below(4)) {
	case 0:
		return get_random_u32();
	case 1:
		return some[below(ARRAY_SIZE(some))];
	case 2:
		return now + below(3) - 1;
	default:
		return now ^ 1u << below(32);
	}
}

static void spoil(u32 *word)
{
	sb_store(word, pick(sb_load(word)));
}

/* Some word of a structure, which no compiler looks at meanwhile */
static void spoil_in(void *at, size_t bytes)
{
	spoil((u32 *)at + below(bytes / sizeof(u32)));
}

/* ---- lies ---- */

static void lie_about_index(const struct liar_target *t)
{
	if (t->index)
		spoil_in(&t->index->side[t->side],
			 offsetof(struct sb_index, reserved));
}

static void lie_about_word(const struct liar_target *t)
{
	u32 *word = t->side == SB_OWNER ? &t->entry->owner : &t->entry->peer;

	/* a state of this generation, or of the next */
	if (below(2))
		sb_store(word,
			 sb_word(sb_word_generation(sb_load(word)) + below(2),
				 below(128)));
	else
		spoil(word);
}

static void lie_about_entry(const struct liar_target *t)
{
	struct sb_entry *e = t->entry;

	if (t->side == SB_PEER) {
		spoil_in(&e->error, offsetof(struct sb_entry, reserved2) -
					    offsetof(struct sb_entry, error));
		return;
	}
	switch (below(4)) {
	case 0:
		WRITE_ONCE(e->order, pick(e->order));
		break;
	case 1:
		WRITE_ONCE(e->kind, pick(e->kind));
		break;
	default:
		spoil_in(&e->listener,
			 offsetof(struct sb_entry, peer) -
				 offsetof(struct sb_entry, listener));
	}
}

static void lie_about_header(const struct liar_target *t)
{
	struct sb_line *h = t->header;

	if (t->side == SB_PEER)
		spoil_in(&h->peer_version,
			 offsetof(struct sb_line, reserved2) -
				 offsetof(struct sb_line, peer_version));
	else if (below(2))
		spoil(&h->table_pages);
	else
		spoil_in(t->directory, 8 * sizeof(u32));
}

/* To a port that nobody announced, from an address of somebody else */
static void lie_about_call(const struct liar_target *t)
{
	u32 generation = sb_word_generation(sb_load(&t->entry->owner));
	struct sb_call *call = t->index ? &t->index->call : NULL;

	if (t->side == SB_PEER || !call)
		return;
	spoil_in(&call->local, sizeof(call->local));
	spoil_in(&call->remote, sizeof(call->remote));
	sb_store(&call->generation, generation);
	sb_store_full(&t->entry->owner, sb_word(generation, SB_OWNER_OFFERED));
}

void liar_spoil_record(struct sb_datagram *header)
{
	static const u32 bytes[] = { 0,
				     1,
				     SB_DATAGRAM_MAX,
				     SB_DATAGRAM_MAX + 1,
				     -(u32)sizeof(*header),
				     U32_MAX };

	if (below(2))
		sb_store(&header->bytes, bytes[below(ARRAY_SIZE(bytes))]);
	else
		spoil_in(header, sizeof(*header));
}

/* One of those that may be read right now */
static void lie_about_records(const struct liar_target *t)
{
	struct sb_pair *p = t->pair;
	struct sb_datagram *record;

	if (!p)
		return;
	spin_lock_bh(&p->lock);
	if (!p->over) {
		record = (struct sb_datagram *)p->tx_area;
		record += below(p->tx.size / sizeof(*record));
		liar_spoil_record(record);
	}
	spin_unlock_bh(&p->lock);
}

static void lie_about_bells(const struct liar_target *t)
{
	unsigned int i;

	for (i = 0; i < SB_DOORBELL_WORDS; i++)
		sb_fetch_or64(&t->channel->out.word[i], ~0ull);
	sb_fetch_or64(t->channel->out.summary, ~0ull);
	if (!READ_ONCE(t->channel->closed))
		sb_channel_notify(t->channel);
}

void liar_tell(const struct liar_target *t)
{
	static void (*const tell[])(const struct liar_target *t) = {
		[LIAR_INDEX] = lie_about_index,
		[LIAR_WORD] = lie_about_word,
		[LIAR_ENTRY] = lie_about_entry,
		[LIAR_HEADER] = lie_about_header,
		[LIAR_CALL] = lie_about_call,
		[LIAR_RECORD] = lie_about_records,
		[LIAR_BELL] = lie_about_bells,
	};
	unsigned int i;
	u32 lie;

	for (i = 0; i < LIES_IN_A_ROW; i++) {
		lie = below(ARRAY_SIZE(tell));
		if (liar_tells(lie))
			tell[lie](t);
	}
	sb_channel_ring(t->channel, t->number);
}

/* ---- to whom we call ---- */

/*
 * The page of a circuit in the table: with a reference taken while it still
 * was there it is nobody else's until the reference is put.
 */
static struct page *index_of(struct sb_guest_line *line, u32 entry)
{
	struct sb_circuit *c = sb_table_slot(line, entry);
	struct page *page;

	if (!c || !c->pages)
		return NULL;
	page = c->page[0];
	if (!get_page_unless_zero(page))
		return NULL;
	if (sb_table_slot(line, entry) == c)
		return page;
	put_page(page);
	return NULL;
}

static void tell_entry(struct sb_guest_line *line, u32 entry)
{
	struct sb_table *table =
		line->table[entry / SB_ENTRIES_PER_PAGE]->table;
	struct liar_target t = {
		.side = SB_OWNER,
		.channel = &line->channel,
		.header = line->header,
		.directory = line->directory,
		.number = entry,
		.entry = &table->entry[entry % SB_ENTRIES_PER_PAGE],
	};
	struct sb_circuit *c;
	struct page *index;

	rcu_read_lock();
	c = sb_table_slot(line, entry);
	t.pair = c ? rcu_dereference(c->pair) : NULL;
	index = index_of(line, entry);
	t.index = index ? page_address(index) : NULL;
	liar_tell(&t);
	rcu_read_unlock();
	if (index)
		put_page(index);
}

static void tell_called(void)
{
	struct sb_guest_line *line;
	unsigned int n;
	u32 entry;

	for (n = 0; n < SB_LINES_MAX; n++) {
		line = sb_orders_line_direct(n);
		if (!line)
			continue;
		for (entry = 0; entry < sb_table_entries(line); entry++)
			tell_entry(line, entry);
		sb_line_put(line);
	}
}

/* ---- the thread, and the parameter ---- */

static int tell_all(void *unused)
{
	unsigned long pause;

	for (;;) {
		if (!READ_ONCE(told)) {
			schedule_timeout_interruptible(HZ / 50);
			continue;
		}
		tell_called();
		liar_tell_callers();
		pause = liar_tells(LIAR_BELL) ? STORM_PAUSE_US : PAUSE_US;
		usleep_range(pause, 2 * pause);
	}
	return 0;
}

static int set_lies(const char *value, const struct kernel_param *kp)
{
	static struct task_struct *thread;
	char *copy = kstrdup(value, GFP_KERNEL), *rest = copy, *name;
	unsigned long wanted = 0;
	int lie = 0;

	if (!copy)
		return -ENOMEM;
	while (lie >= 0 && (name = strsep(&rest, ",\n"))) {
		lie = *name ? match_string(names, ARRAY_SIZE(names), name) : 0;
		if (*name && lie >= 0)
			__set_bit(lie, &wanted);
	}
	kfree(copy);
	if (lie < 0)
		return lie;
	WRITE_ONCE(told, wanted);
	if (!thread)
		thread = kthread_run(tell_all, NULL, "liar");
	return PTR_ERR_OR_ZERO(thread);
}

static const struct kernel_param_ops lies_ops = { .set = set_lies };
module_param_cb(lies, &lies_ops, NULL, 0200);
MODULE_PARM_DESC(lies, "what is lied about, names with commas between");
