// SPDX-License-Identifier: GPL-2.0-only
/*
 * foreign.c - lines of other guests that lead to us
 *
 * The operator tells of such a line: whose it is, the grant of its header, its
 * event channel. Header, bells and directory are mapped at once, a page of the
 * table when an entry in it is first rung for, a circuit's pages when it is
 * READY or, at the latest, when its call comes. Bells are answered in the
 * tasklet; whatever needs mapping is left to the work item.
 *
 * The other guest may write anything at any time. An entry's number is
 * bounded by the bitmap that it comes from; the number of table pages is
 * loaded once for each use and bounded; a grant is only ever passed to Xen.
 * What cannot be ends the line, which the operator is told.
 *
 * The end runs in a work item of its own: it waits for processes that have
 * the locks of their sockets. Every circuit is taken away from its socket,
 * which hears ECONNRESET, then everything is unmapped, and only then is the
 * operator told that the line is gone.
 */
#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "switchboard.h"

/* Told to the owner; there is no other process here that could take over */
#define EPOCH 1u

/* guards @lines */
static DEFINE_SPINLOCK(foreign_lock);
static struct sb_foreign_line *lines[SB_LINES_MAX];

static struct sb_foreign_line *line_of(struct sb_channel *channel)
{
	return container_of(channel, struct sb_foreign_line, channel);
}

static void answer(struct sb_channel *channel, u32 entry)
{
	sb_callee_bell(line_of(channel), entry);
}

/* ---- the table ---- */

static struct sb_foreign_page *page_of(struct sb_foreign_line *line, u32 entry)
{
	return rcu_dereference_raw(line->page[entry / SB_ENTRIES_PER_PAGE]);
}

struct sb_entry *sb_foreign_entry(struct sb_foreign_line *line, u32 entry)
{
	struct sb_foreign_page *p = page_of(line, entry);
	struct sb_table *table;

	if (!p)
		return NULL;
	table = p->map->base;
	return &table->entry[entry % SB_ENTRIES_PER_PAGE];
}

struct sb_callee **sb_foreign_slot(struct sb_foreign_line *line, u32 entry)
{
	struct sb_foreign_page *p = page_of(line, entry);

	return p ? &p->slot[entry % SB_ENTRIES_PER_PAGE] : NULL;
}

/* Process context. False when there is no such page, which is a lie */
static bool map_table(struct sb_foreign_line *line, u32 n)
{
	struct sb_foreign_page *p;
	u32 gref;

	if (n >= sb_load(&line->header->table_pages))
		return false;
	gref = sb_load(&line->directory->gref[n]);
	p = kzalloc(sizeof(*p), GFP_KERNEL);
	if (!p)
		return false;
	if (!sb_mapping_page(line->domain, gref, &p->map)) {
		kfree(p);
		return false;
	}
	/* a bell that finds the page finds it whole */
	smp_store_release(&line->page[n], p);
	return true;
}

/* ---- what needs process context ---- */

void sb_foreign_want(struct sb_foreign_line *line, u32 entry)
{
	set_bit(entry, line->wanted);
	set_bit(entry / BITS_PER_LONG, line->wanted_words);
	queue_work(sb_foreign_queue, &line->work);
}

static void serve(struct sb_foreign_line *line, u32 entry,
		  struct list_head *unmap)
{
	if (test_bit(0, &line->ending))
		return;
	if (!page_of(line, entry) &&
	    !map_table(line, entry / SB_ENTRIES_PER_PAGE)) {
		sb_foreign_lie(line, "table", entry);
		return;
	}
	sb_callee_serve(line, entry, unmap);
}

static void serve_wanted(struct work_struct *work)
{
	struct sb_foreign_line *line =
		container_of(work, struct sb_foreign_line, work);
	unsigned long bits, word;
	LIST_HEAD(unmap);

	for_each_set_bit(word, line->wanted_words,
			 SB_ENTRIES_MAX / BITS_PER_LONG) {
		clear_bit(word, line->wanted_words);
		bits = xchg(&line->wanted[word], 0);
		for (; bits; bits &= bits - 1)
			serve(line, word * BITS_PER_LONG + __ffs(bits), &unmap);
		cond_resched();
	}
	sb_callee_unmap(&unmap);
}

/* ---- the end ---- */

static void visit(struct sb_foreign_line *line,
		  void (*what)(struct sb_callee *callee))
{
	struct sb_foreign_page *p;
	unsigned int n, i;

	for (n = 0; n < SB_TABLE_PAGES_MAX; n++) {
		p = line->page[n];
		for (i = 0; p && i < SB_ENTRIES_PER_PAGE; i++)
			if (p->slot[i])
				what(p->slot[i]);
	}
}

static void collect(struct sb_foreign_line *line, struct list_head *unmap)
{
	struct sb_foreign_page *p;
	unsigned int n, i;

	for (n = 0; n < SB_TABLE_PAGES_MAX; n++) {
		p = line->page[n];
		for (i = 0; p && i < SB_ENTRIES_PER_PAGE; i++) {
			if (p->slot[i])
				list_add(&p->slot[i]->node, unmap);
			p->slot[i] = NULL;
		}
	}
}

static void release(struct sb_foreign_line *line)
{
	unsigned int n;

	for (n = 0; n < SB_TABLE_PAGES_MAX; n++) {
		if (!line->page[n])
			continue;
		sb_mapping_end(line->page[n]->map);
		kfree(line->page[n]);
	}
	for (n = 0; n < ARRAY_SIZE(line->map); n++)
		if (line->map[n])
			sb_mapping_end(line->map[n]);
	kvfree(line);
}

static void end(struct work_struct *work)
{
	struct sb_foreign_line *line =
		container_of(work, struct sb_foreign_line, end);
	u16 number = line->number;
	LIST_HEAD(unmap);

	sb_channel_close(&line->channel);
	cancel_work_sync(&line->work);
	visit(line, sb_callee_lose);
	collect(line, &unmap);
	sb_callee_unmap(&unmap);
	spin_lock_bh(&foreign_lock);
	number = line->number;
	lines[number] = NULL;
	spin_unlock_bh(&foreign_lock);
	release(line);
	sb_trunk_say(SB_MESSAGE_LINE_GONE, number);
}

static void begin_end(struct sb_foreign_line *line)
{
	if (!test_and_set_bit(0, &line->ending))
		queue_work(sb_workqueue, &line->end);
}

void sb_foreign_lie(struct sb_foreign_line *line, const char *what, u32 entry)
{
	sb_count(&sb_counters.lies);
	pr_warn_ratelimited("line %u of domain %u, entry %u: the %s is a lie\n",
			    line->number, line->domain, entry, what);
	begin_end(line);
}

/* ---- the beginning ---- */

static int map_header(struct sb_foreign_line *line)
{
	struct sb_line *h;

	h = sb_mapping_page(line->domain, line->gref, &line->map[0]);
	if (!h)
		return -EACCES;
	line->header = h;
	if (sb_load(&h->magic) != SB_LINE_MAGIC ||
	    READ_ONCE(h->version) != SB_LINE_VERSION ||
	    READ_ONCE(h->kind) != SB_LINE_DIRECT)
		return -EPROTO;
	line->doorbells = sb_mapping_page(
		line->domain, sb_load(&h->doorbell_gref), &line->map[1]);
	line->directory = sb_mapping_page(
		line->domain, sb_load(&h->directory_gref), &line->map[2]);
	return line->doorbells && line->directory ? 0 : -EACCES;
}

/* Circuits that are ready already, and bells of which we heard nothing */
static void look_at_all(struct sb_foreign_line *line)
{
	u32 n, pages = sb_load(&line->header->table_pages);
	u32 word;

	for (word = 0; word < SB_DOORBELL_WORDS; word++)
		sb_bells_take_word(&line->channel.in, word);
	pages = min(pages, SB_TABLE_PAGES_MAX);
	for (n = 0; n < pages * SB_ENTRIES_PER_PAGE; n++)
		sb_foreign_want(line, n);
}

static void introduce(struct sb_foreign_line *line)
{
	look_at_all(line);
	sb_store(&line->header->peer_features,
		 sb_load(&line->header->features) & SB_FEATURE_EXCHANGE);
	sb_store(&line->header->peer_epoch, EPOCH);
	sb_store_full(&line->header->peer_version, SB_LINE_VERSION);
	sb_channel_notify(&line->channel);
	/* it takes what was rung meanwhile, and arms */
	sb_channel_wake(&line->channel);
}

static struct sb_foreign_line *alloc_line(const struct sb_message *m)
{
	struct sb_foreign_line *line = kvzalloc(sizeof(*line), GFP_KERNEL);

	if (!line)
		return NULL;
	line->number = m->line;
	line->domain = m->domain;
	line->gref = m->gref;
	line->port = m->port;
	spin_lock_init(&line->lock);
	INIT_WORK(&line->work, serve_wanted);
	INIT_WORK(&line->end, end);
	sb_admission_init(&line->admissions);
	sb_channel_init(&line->channel, answer, NULL);
	return line;
}

static int attach(struct sb_foreign_line *line)
{
	int error = map_header(line);

	if (error)
		return error;
	line->channel.in = sb_bells_to_peer(line->header, line->doorbells);
	line->channel.out = sb_bells_to_owner(line->header, line->doorbells);
	return sb_channel_join(&line->channel, line->domain, line->port);
}

static int make(const struct sb_message *m)
{
	struct sb_foreign_line *line = alloc_line(m);
	int error;

	if (!line)
		return -ENOMEM;
	error = attach(line);
	if (error) {
		sb_channel_close(&line->channel);
		release(line);
		return error;
	}
	spin_lock_bh(&foreign_lock);
	lines[m->line] = line;
	spin_unlock_bh(&foreign_lock);
	introduce(line);
	return 0;
}

/* ---- what the operator says; its work item only ---- */

static void say_taken(const struct sb_foreign_line *line)
{
	struct sb_message m = {
		.type = SB_MESSAGE_LINE_TAKEN,
		.line = line->number,
		.kind = SB_LINE_DIRECT,
		.domain = line->domain,
		.gref = line->gref,
		.port = line->port,
	};

	sb_trunk_send(&m);
}

static void say_declined(const struct sb_message *offer, int error)
{
	struct sb_message m = *offer;

	pr_warn_ratelimited("line %u of domain %u cannot be taken: %d\n",
			    offer->line, offer->domain, error);
	m.type = SB_MESSAGE_LINE_TAKEN;
	m.error = -error;
	sb_trunk_send(&m);
}

/* Lock held: the line that the operator speaks of, under another number? */
static struct sb_foreign_line *find(const struct sb_message *m)
{
	unsigned int n;

	for (n = 0; n < SB_LINES_MAX; n++)
		if (lines[n] && lines[n]->domain == m->domain &&
		    lines[n]->gref == m->gref && lines[n]->port == m->port &&
		    !test_bit(0, &lines[n]->ending))
			return lines[n];
	return NULL;
}

/* Lock held. An operator that is new may have another number for it */
static void renumber(struct sb_foreign_line *line, u16 number)
{
	lines[line->number] = NULL;
	line->number = number;
	lines[number] = line;
}

void sb_foreign_offered(const struct sb_message *m)
{
	struct sb_foreign_line *line;
	bool taken;
	int error;

	spin_lock_bh(&foreign_lock);
	line = find(m);
	taken = lines[m->line] && lines[m->line] != line;
	if (line && !taken && line->number != m->line)
		renumber(line, m->line);
	spin_unlock_bh(&foreign_lock);
	if (m->kind != SB_LINE_DIRECT)
		error = -EINVAL;
	else if (taken || sb_orders_line_number(m->line))
		error = -EEXIST;
	else
		error = line ? 0 : make(m);
	if (error) {
		say_declined(m, error);
		return;
	}
	spin_lock_bh(&foreign_lock);
	/* gone again already: then that is what the operator hears */
	if (lines[m->line])
		say_taken(lines[m->line]);
	spin_unlock_bh(&foreign_lock);
}

void sb_foreign_ended(const struct sb_message *m)
{
	bool there;

	spin_lock_bh(&foreign_lock);
	there = lines[m->line];
	if (there)
		begin_end(lines[m->line]);
	spin_unlock_bh(&foreign_lock);
	if (!there)
		sb_trunk_say(SB_MESSAGE_LINE_GONE, m->line);
}

/* A destination is confirmed: only then may the other guest call it */
static void confirm(const struct sb_message *admit, int error)
{
	struct sb_message m = {
		.type = SB_MESSAGE_ADMITTED,
		.line = admit->line,
		.error = -error,
		.kind = admit->kind,
		.local = admit->local,
	};

	sb_trunk_send(&m);
}

void sb_foreign_admit(const struct sb_message *m)
{
	int error = -ENOENT;

	spin_lock_bh(&foreign_lock);
	if (lines[m->line] && !test_bit(0, &lines[m->line]->ending))
		error = sb_admission_take(&lines[m->line]->admissions, m);
	spin_unlock_bh(&foreign_lock);
	if (error && error != -ENOENT)
		pr_warn_ratelimited("line %u: not admitted: %d\n", m->line,
				    error);
	if (m->local.family != SB_FAMILY_NONE && !m->error)
		confirm(m, error);
}

void sb_foreign_resend(void)
{
	unsigned int n;

	for (n = 0; n < SB_LINES_MAX; n++) {
		spin_lock_bh(&foreign_lock);
		if (lines[n] && !test_bit(0, &lines[n]->ending))
			say_taken(lines[n]);
		spin_unlock_bh(&foreign_lock);
	}
}

void sb_foreign_end_all(void)
{
	struct sb_foreign_line *line;
	unsigned int n;

	for (n = 0; n < SB_LINES_MAX; n++) {
		spin_lock_bh(&foreign_lock);
		line = lines[n];
		if (line)
			begin_end(line);
		spin_unlock_bh(&foreign_lock);
	}
	flush_workqueue(sb_workqueue);
}
