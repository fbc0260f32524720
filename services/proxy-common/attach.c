// SPDX-License-Identifier: GPL-2.0-only
/*
 * attach.c - a line is mapped, taken over, and let go
 *
 * Taking over: when the header tells of another process before this one, each
 * entry is looked at once. What the other process held, or was asked for, is
 * the kind's to take over; everything else is looked at as if its bell had
 * been rung, for bells may have died with it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "services/common/limits.h"
#include "services/proxy-common/circuit.h"

static void *map_page(struct line *l, uint32_t gref)
{
	return hypervisor_map(l->proxy->port, l->attach.guest, &gref, 1);
}

static int map_line(struct line *l, const char **why)
{
	*why = "the header page cannot be mapped";
	l->header = map_page(l, l->attach.gref);
	if (!l->header)
		return -errno;
	*why = "the header is not that of a line";
	if (sb_load(&l->header->magic) != SB_LINE_MAGIC)
		return -EPROTO;
	*why = "the line has another version or kind";
	if (__atomic_load_n(&l->header->version, __ATOMIC_ACQUIRE) !=
		    SB_LINE_VERSION ||
	    __atomic_load_n(&l->header->kind, __ATOMIC_ACQUIRE) !=
		    l->proxy->kind->line_kind)
		return -EPROTO;
	*why = "the doorbell page cannot be mapped";
	l->doorbells = map_page(l, sb_load(&l->header->doorbell_gref));
	if (!l->doorbells)
		return -errno;
	*why = "the directory page cannot be mapped";
	l->directory = map_page(l, sb_load(&l->header->directory_gref));
	return l->directory ? 0 : -errno;
}

static int bind_line(struct line *l, const char **why)
{
	int error;

	*why = "the event channel cannot be bound";
	l->channel = hypervisor_bind(l->proxy->port, l->attach.guest,
				     l->attach.port);
	if (l->channel < 0)
		return l->channel;
	*why = "no memory";
	error = proxy_channel_add(l->proxy, l->channel, l);
	if (error) {
		hypervisor_unbind(l->proxy->port, l->channel);
		l->channel = -1;
	}
	return error;
}

/* Was this generation asked of the process before us, and not ended? */
static bool is_orphan(const struct sb_entry *e)
{
	uint32_t owner = sb_load(&e->owner), peer = sb_load(&e->peer);

	if (sb_word_state(owner) != SB_OWNER_OFFERED ||
	    !sb_word_generation(owner))
		return false;
	return sb_word_generation(peer) != sb_word_generation(owner) ||
	       sb_word_state(peer) < SB_PEER_CLOSED;
}

static void look_at_all(struct line *l, bool taken_over)
{
	uint32_t pages = sb_load(&l->header->table_pages);
	struct sb_entry *e;

	if (pages > SB_TABLE_PAGES_MAX)
		pages = SB_TABLE_PAGES_MAX;
	for (uint32_t n = 0; n < pages * SB_ENTRIES_PER_PAGE; n++) {
		line_look_at(l, n);
		e = taken_over ? line_entry(l, n) : NULL;
		if (e && is_orphan(e))
			l->proxy->kind->take_over(
				l, n, sb_word_generation(sb_load(&e->owner)));
	}
}

static void introduce(struct line *l)
{
	uint32_t before = sb_load(&l->header->peer_epoch);
	struct proxy *p = l->proxy;

	l->ours = sb_bells_to_peer(l->header, l->doorbells);
	l->theirs = sb_bells_to_owner(l->header, l->doorbells);
	if (before)
		sb_bells_resume(&l->theirs);
	/* a ring that died halfway: bits without their summary */
	for (uint32_t word = 0; word < SB_DOORBELL_WORDS; word++)
		sb_bells_take_word(&l->ours, word);
	look_at_all(l, before);
	while (++p->epoch == before || !p->epoch)
		;
	sb_store(&l->header->peer_features,
		 sb_load(&l->header->features) & p->kind->features);
	sb_store(&l->header->peer_version, SB_LINE_VERSION);
	sb_store_full(&l->header->peer_epoch, p->epoch);
	l->notify = true;
	proxy_queue(p, l);
}

static void unmap_page(struct line *l, void *page)
{
	if (page)
		hypervisor_unmap(l->proxy->port, page, 1);
}

static void release(struct line *l)
{
	if (l->channel >= 0) {
		proxy_channel_remove(l->proxy, l->channel);
		hypervisor_unbind(l->proxy->port, l->channel);
	}
	for (uint32_t n = 0; n < SB_TABLE_PAGES_MAX; n++) {
		if (!l->page[n])
			continue;
		unmap_page(l, l->page[n]->shared);
		free(l->page[n]);
	}
	unmap_page(l, l->directory);
	unmap_page(l, l->doorbells);
	unmap_page(l, l->header);
	questions_end(l);
	free(l);
}

static bool is_same(const struct line *l, const struct ipc_attach *order)
{
	return l->attach.gref == order->gref && l->attach.port == order->port &&
	       strcmp(l->attach.identity, order->identity) == 0;
}

static void add_to_proxy(struct line *l)
{
	struct line **bucket = &l->proxy->line[l->attach.guest % PROXY_BUCKETS];

	l->chain = *bucket;
	*bucket = l;
	l->proxy->lines++;
}

/* Another operator, or another configuration */
static void renew(struct line *l, const struct ipc_attach *order)
{
	l->attach = *order;
	bucket_change(&l->tokens, order->calls_per_s, order->calls_burst);
	questions_withdraw(l);
	verdicts_ask_again(&l->verdicts, loop_now(&l->proxy->service.loop));
	l->told = (struct ipc_counts){ 0 };
}

static int prepare(struct line *l)
{
	l->channel = -1;
	l->held_end = &l->held;
	bucket_init(&l->tokens, l->attach.calls_per_s, l->attach.calls_burst,
		    loop_now(&l->proxy->service.loop));
	return questions_begin(l);
}

int line_attach(struct proxy *p, const struct ipc_attach *order,
		const char **why)
{
	struct line *l = proxy_line_find(p, order->guest, order->line);
	int error;

	if (l && is_same(l, order)) {
		renew(l, order);
		return 0;
	}
	if (l)
		line_detach(l);
	*why = "no memory";
	l = calloc(1, p->kind->line_bytes);
	if (!l)
		return -ENOMEM;
	l->proxy = p;
	l->attach = *order;
	error = prepare(l);
	if (!error)
		error = map_line(l, why);
	if (!error)
		error = bind_line(l, why);
	if (!error && p->kind->line_begin)
		error = p->kind->line_begin(l);
	if (error) {
		release(l);
		return error;
	}
	add_to_proxy(l);
	introduce(l);
	return 0;
}

static void let_go(struct circuit *c, void *argument)
{
	if (c->active)
		circuit_end(c, ECONNRESET, SB_WORD_RESET);
	circuit_unmap(c);
}

static void free_circuit(struct circuit *c, void *argument)
{
	line_circuit_free(c);
}

static void remove_from_proxy(struct line *l)
{
	struct line **at = &l->proxy->line[l->attach.guest % PROXY_BUCKETS];

	while (*at != l)
		at = &(*at)->chain;
	*at = l->chain;
	l->proxy->lines--;
	if (!l->queued)
		return;
	for (at = &l->proxy->first; *at != l; at = &(*at)->next)
		;
	*at = l->next;
	if (l->proxy->last == &l->next)
		l->proxy->last = at;
}

void line_detach(struct line *l)
{
	line_for_each(l, let_go, NULL);
	if (l->proxy->kind->line_end)
		l->proxy->kind->line_end(l);
	line_for_each(l, free_circuit, NULL);
	if (l->notify)
		hypervisor_notify(l->proxy->port, l->channel);
	remove_from_proxy(l);
	release(l);
}
