// SPDX-License-Identifier: GPL-2.0-only
/*
 * circuit.c - a look at an entry: what the guest's word asks for
 *
 * The guest's word is loaded once for each look. A word that cannot follow
 * from what was before ends the circuit: nothing of the process's own state
 * is derived from it, so the worst that it can do is to end a connection.
 *
 * Idle, by the state in the word:
 *	FREE		nothing
 *	READY		map ahead of use
 *	OFFERED		the kind's offered()
 *	CLOSED		answer CLOSED, whatever generation it names
 *	REVOKED		unmap, answer UNMAPPED
 * Active, the same generation:
 *	OFFERED		the kind's go_on()
 *	CLOSED		end it; with RESET, reset the connection
 *	REVOKED		end it and unmap
 *	anything else, or another generation: a lie
 */
#include <errno.h>
#include <string.h>

#include "services/common/address.h"
#include "services/common/limits.h"
#include "services/proxy-common/circuit.h"

void circuit_begin(struct circuit *c, uint32_t generation)
{
	c->generation = generation;
	c->word = 0;
	c->active = true;
	c->paid = false;
	c->left = false;
	c->since_ms = loop_now(&c->line->proxy->service.loop);
	c->line->circuits++;
}

void circuit_resume(struct circuit *c, uint32_t generation)
{
	uint32_t word = sb_load(&c->shared->peer);

	circuit_begin(c, generation);
	if (sb_word_generation(word) == generation &&
	    sb_word_state(word) < SB_PEER_CLOSED)
		c->word = word;
}

static void store_word(struct circuit *c, uint32_t word)
{
	c->word = word;
	sb_store_full(&c->shared->peer, word);
	if (c->left)
		line_ring_later(c->line, c->entry);
	else
		line_ring(c->line, c->entry);
}

void circuit_publish(struct circuit *c, uint32_t flags_and_state)
{
	uint32_t state = c->word & SB_WORD_STATE;

	if ((flags_and_state & SB_WORD_STATE) > state)
		state = flags_and_state & SB_WORD_STATE;
	store_word(c, sb_word(c->generation,
			      ((c->word | flags_and_state) & SB_WORD_FLAGS) |
				      state));
}

void circuit_take(struct circuit *c)
{
	c->word = sb_word(c->generation, SB_PEER_TAKEN);
	sb_store_full(&c->shared->peer, c->word);
}

void circuit_end(struct circuit *c, uint32_t error, uint32_t flags)
{
	c->line->proxy->kind->ended(c, flags);
	verdicts_leave(&c->question);
	tokens_leave(c);
	c->active = false;
	c->line->circuits--;
	c->line->proxy->count[PROXY_ENDED]++;
	sb_store(&c->shared->error, error);
	circuit_publish(c, flags | SB_PEER_CLOSED);
}

void circuit_end_liar(struct circuit *c, const char *what)
{
	line_lie(c->line, what, c->entry);
	circuit_end(c, EPROTO, SB_WORD_RESET);
}

void circuit_refuse(struct circuit *c, uint32_t generation, uint32_t error)
{
	c->generation = generation;
	c->left = false;
	c->line->refused++;
	sb_store(&c->shared->error, error);
	store_word(c, sb_word(generation, SB_PEER_CLOSED));
}

bool circuit_is_over(const struct circuit *c, uint32_t generation)
{
	return c && c->generation == generation &&
	       sb_word_state(c->word) >= SB_PEER_CLOSED;
}

static void answer_closed(struct line *l, uint32_t entry, uint32_t generation)
{
	struct circuit *c = line_circuit_make(l, entry);

	if (!c || circuit_is_over(c, generation))
		return;
	c->generation = generation;
	c->left = false;
	sb_store(&c->shared->error, 0);
	store_word(c, sb_word(generation, SB_PEER_CLOSED));
}

static void answer_revoked(struct line *l, uint32_t entry, uint32_t generation)
{
	struct circuit *c = line_circuit_make(l, entry);

	if (!c)
		return;
	circuit_unmap(c);
	c->generation = generation;
	c->left = false;
	store_word(c, sb_word(generation, SB_PEER_UNMAPPED));
	if (!c->kept)
		line_circuit_free(c);
}

static void map_ahead(struct line *l, uint32_t entry)
{
	struct circuit *c;

	if (l->mapped >= line_mapped_max(l))
		return;
	c = line_circuit_make(l, entry);
	if (c && !c->pages && circuit_map(c) == 0)
		l->useful = true;
}

/* By the process before us; its bell may have died with it */
static bool is_answered(const struct sb_entry *e, uint32_t generation)
{
	uint32_t peer = sb_load(&e->peer);

	return sb_word_generation(peer) == generation &&
	       sb_word_state(peer) >= SB_PEER_CLOSED;
}

static void look_at_offer(struct line *l, uint32_t entry,
			  const struct sb_entry *e, uint32_t generation)
{
	if (circuit_is_over(line_circuit(l, entry), generation))
		return;
	if (is_answered(e, generation))
		line_ring(l, entry);
	else
		l->proxy->kind->offered(l, entry, generation);
}

static void look_at_idle(struct line *l, uint32_t entry)
{
	struct sb_entry *e = line_entry(l, entry);
	uint32_t owner, generation;

	if (!e) {
		line_lie(l, "a bell for an entry that is not there", entry);
		return;
	}
	owner = sb_load(&e->owner);
	generation = sb_word_generation(owner);
	if (!generation && owner) {
		line_lie(l, "generation 0", entry);
		return;
	}
	switch (sb_word_state(owner)) {
	case SB_OWNER_READY:
		map_ahead(l, entry);
		break;
	case SB_OWNER_OFFERED:
		look_at_offer(l, entry, e, generation);
		break;
	case SB_OWNER_CLOSED:
		answer_closed(l, entry, generation);
		break;
	case SB_OWNER_REVOKED:
		answer_revoked(l, entry, generation);
		break;
	}
}

void circuit_follow(struct circuit *c, uint32_t owner)
{
	struct line *l = c->line;
	uint32_t entry = c->entry;

	if (sb_word_generation(owner) != c->generation) {
		circuit_end_liar(c, "a new generation before the old one's "
				    "end");
		look_at_idle(l, entry);
		return;
	}
	switch (sb_word_state(owner)) {
	case SB_OWNER_OFFERED:
		l->proxy->kind->go_on(c, owner);
		break;
	case SB_OWNER_CLOSED:
		circuit_end(c, 0, owner & SB_WORD_RESET);
		break;
	case SB_OWNER_REVOKED:
		circuit_end(c, 0, SB_WORD_RESET);
		answer_revoked(l, entry, sb_word_generation(owner));
		break;
	default:
		circuit_end_liar(c, "a word that went backwards");
	}
}

void circuit_look(struct line *l, uint32_t entry)
{
	struct circuit *c = line_circuit(l, entry);

	if (c && c->active)
		circuit_follow(c, sb_load(&c->shared->owner));
	else
		look_at_idle(l, entry);
}

/* Each word of the guest's is loaded once: what is checked is what is used */
static void copy_words(void *to, const void *from, size_t bytes)
{
	const uint32_t *word = (const uint32_t *)from;
	uint32_t copy;

	for (size_t i = 0; i < bytes / sizeof(copy); i++) {
		copy = sb_load(&word[i]);
		memcpy((uint8_t *)to + i * sizeof(copy), &copy, sizeof(copy));
	}
}

static bool is_address(const struct sb_address *a)
{
	return a->family == SB_FAMILY_NONE || address_valid(a);
}

int circuit_read_call(const struct circuit *c, struct sb_call *call)
{
	const struct sb_index_page *page =
		(const struct sb_index_page *)(const void *)c->base;

	copy_words(call, &page->call, sizeof(*call));
	if (call->generation != c->generation || !is_address(&call->local) ||
	    !is_address(&call->remote))
		return -EPROTO;
	return 0;
}

void circuit_copy_options(const struct circuit *c, struct sb_options *to)
{
	copy_words(to, &c->shared->options, sizeof(*to));
}

/* Copy the grants out of the entry or its list. Return: 0 or -errno */
static int read_grants(struct circuit *c, uint32_t count, uint32_t *gref)
{
	struct hypervisor *port = c->line->proxy->port;
	const uint32_t *from = c->shared->gref;
	uint32_t list;
	void *page = NULL;

	if (count > SB_CIRCUIT_PAGES_INLINE) {
		list = sb_load(&c->shared->gref_list);
		page = hypervisor_map(port, c->line->attach.guest, &list, 1);
		if (!page)
			return -errno;
		from = page;
	}
	for (uint32_t i = 0; i < count; i++)
		gref[i] = sb_load(&from[i]);
	if (page)
		hypervisor_unmap(port, page, 1);
	return 0;
}

static int map_pages(struct circuit *c)
{
	uint32_t gref[SB_CIRCUIT_PAGES(SB_ORDER_MAX)];
	uint8_t order = __atomic_load_n(&c->shared->order, __ATOMIC_ACQUIRE);
	struct line *l = c->line;
	int error;

	if (order > SB_ORDER_MAX)
		return -EINVAL;
	if (l->mapped >= line_mapped_max(l) + LIMIT_LINE_MAPPED_SPARE)
		return -ENOBUFS;
	error = read_grants(c, SB_CIRCUIT_PAGES(order), gref);
	if (error)
		return error;
	c->base = hypervisor_map(l->proxy->port, l->attach.guest, gref,
				 SB_CIRCUIT_PAGES(order));
	if (!c->base)
		return -errno;
	c->order = order;
	c->pages = SB_CIRCUIT_PAGES(order);
	l->mapped++;
	return 0;
}

static int map_unless_mapped(struct circuit *c)
{
	int error = c->pages ? 0 : map_pages(c);

	if (error)
		c->line->proxy->count[PROXY_BAD_GRANTS]++;
	return error;
}

int circuit_map(struct circuit *c)
{
	int error = map_unless_mapped(c);
	struct sb_index_page *page;

	if (error)
		return error;
	page = (struct sb_index_page *)(void *)c->base;
	sb_reader_init(&c->tx, page, SB_PEER, sb_area_bytes(c->order));
	sb_writer_init(&c->rx, page, SB_PEER, sb_area_bytes(c->order));
	return 0;
}

int circuit_map_again(struct circuit *c)
{
	int error = map_unless_mapped(c);
	struct sb_index_page *page;

	if (error)
		return error;
	page = (struct sb_index_page *)(void *)c->base;
	error = sb_reader_resume(&c->tx, page->side, SB_PEER,
				 sb_area_bytes(c->order));
	if (!error)
		error = sb_writer_resume(&c->rx, page->side, SB_PEER,
					 sb_area_bytes(c->order));
	return error;
}

void circuit_unmap(struct circuit *c)
{
	if (!c->pages)
		return;
	hypervisor_unmap(c->line->proxy->port, c->base, c->pages);
	c->pages = 0;
	c->base = NULL;
	c->line->mapped--;
}
