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
 *	OFFERED		posted to a listener: queue it; a call: make it; a
 *			listener: an order comes
 *	CLOSED		answer CLOSED, whatever generation it names
 *	REVOKED		unmap, answer UNMAPPED
 * Active, the same generation:
 *	OFFERED		go on: call, connect, accept, move bytes
 *	CLOSED		end it; with RESET, reset the connection
 *	REVOKED		end it and unmap
 *	anything else, or another generation: a lie
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "services/common/limits.h"
#include "services/proxy-tcp/circuit.h"

void circuit_begin(struct circuit *c, uint32_t generation,
		   enum circuit_phase phase)
{
	c->generation = generation;
	c->word = 0;
	c->phase = phase;
	c->readable = false;
	c->writable = false;
	c->hung_up = false;
	c->out_done = false;
	c->in_done = false;
	c->left = false;
	c->error = 0;
	c->last_in = 0;
	/* another number than the one in the entry: to be applied */
	c->options_seq = sb_load(&c->shared->options_seq) - 1;
	c->info_seq = sb_load(&c->shared->info_ack);
	c->options = (struct sb_options){ 0 };
	c->local = (struct sb_address){ 0 };
	c->remote = (struct sb_address){ 0 };
	c->sent = 0;
	c->received = 0;
	c->since_ms = loop_now(&c->line->proxy->service.loop);
	c->called = phase == CIRCUIT_CALLING;
	c->line->circuits++;
	c->line->called += c->called;
	c->line->listeners += phase == CIRCUIT_LISTENING;
	c->line->posted += phase == CIRCUIT_POSTED;
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

void circuit_opened(struct circuit *c)
{
	c->shared->local = c->local;
	c->shared->remote = c->remote;
	circuit_publish(c, SB_PEER_OPEN);
}

static void socket_ready(struct loop_watch *watch, uint32_t events)
{
	struct circuit *c = loop_owner(watch, struct circuit, watch);

	/* errors and hang-ups show in the next call on the socket */
	c->hung_up = c->hung_up || events & ~(EPOLLIN | EPOLLOUT);
	c->readable = c->readable || events & ~EPOLLOUT;
	c->writable = c->writable || events & ~EPOLLIN;
	line_look_at(c->line, c->entry);
}

int circuit_watch(struct circuit *c, int fd, uint32_t events)
{
	c->watch.ready = socket_ready;
	c->out_watched = events & EPOLLOUT;
	return loop_watch(&c->line->proxy->service.loop, &c->watch, fd,
			  events | EPOLLET);
}

void circuit_blocked(struct circuit *c)
{
	c->writable = false;
	if (c->out_watched)
		return;
	c->out_watched = true;
	/* tells at once when there is room again by now */
	loop_rewatch(&c->line->proxy->service.loop, &c->watch,
		     EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
}

static void close_socket(struct circuit *c, uint32_t flags)
{
	const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	int fd = c->watch.fd;

	if (fd < 0)
		return;
	if (flags & SB_WORD_RESET && c->phase == CIRCUIT_OPEN)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	loop_forget(&c->line->proxy->service.loop, &c->watch);
	close(fd);
}

void circuit_report_ended(struct circuit *c, uint32_t generation)
{
	struct line *l = c->line;

	c->ended_generation = generation;
	if (c->told_ended)
		return;
	c->told_ended = true;
	c->next_ended = l->ended;
	l->ended = c;
	proxy_queue(l->proxy, l);
}

/* Out of what it waited in or for */
static void leave_phase(struct circuit *c, enum circuit_phase phase)
{
	struct line *l = c->line;

	c->phase = CIRCUIT_IDLE;
	l->circuits--;
	l->called -= c->called;
	if (phase == CIRCUIT_CALLING) {
		call_forget(c);
	} else if (phase == CIRCUIT_POSTED) {
		l->posted--;
		listen_unpost(c);
	} else if (phase == CIRCUIT_LISTENING) {
		l->listeners--;
		circuit_report_ended(c, c->generation);
		listen_end_posted(c);
	}
}

void circuit_end(struct circuit *c, uint32_t error, uint32_t flags)
{
	close_socket(c, flags);
	leave_phase(c, c->phase);
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

/* Was this generation already answered CLOSED, by us? */
static bool is_over(const struct circuit *c, uint32_t generation)
{
	return c && c->generation == generation &&
	       sb_word_state(c->word) >= SB_PEER_CLOSED;
}

/* Does the guest's word agree with the order to listen? Answer it when not */
static bool is_offered(struct circuit *c, uint32_t generation)
{
	uint32_t owner = sb_load(&c->shared->owner);
	uint32_t error = 0;

	if (sb_word_generation(owner) != generation)
		return false;
	if (sb_word_state(owner) == SB_OWNER_OFFERED) {
		if (__atomic_load_n(&c->shared->kind, __ATOMIC_ACQUIRE) ==
		    SB_ENTRY_LISTENER)
			return true;
		line_lie(c->line, "an order for an entry of another kind",
			 c->entry);
		error = EINVAL;
	}
	circuit_refuse(c, generation, error);
	return false;
}

struct circuit *circuit_take_order(struct line *l, uint32_t entry,
				   uint32_t generation)
{
	struct circuit *c = line_circuit_make(l, entry);

	l->listens++;
	if (!c) {
		line_lie(l, "an order for an entry that is not there", entry);
		return NULL;
	}
	if (circuit_active(c) && c->generation == generation) {
		if (c->phase != CIRCUIT_LISTENING)
			circuit_report_ended(c, generation);
		return NULL;
	}
	if (circuit_active(c))
		circuit_end_liar(c, "a new generation before the old one's "
				    "end");
	if (!is_over(c, generation) && is_offered(c, generation))
		return c;
	circuit_report_ended(c, generation);
	return NULL;
}

void circuit_take(struct circuit *c)
{
	c->word = sb_word(c->generation, SB_PEER_TAKEN);
	sb_store_full(&c->shared->peer, c->word);
}

static void answer_closed(struct line *l, uint32_t entry, uint32_t generation)
{
	struct circuit *c = line_circuit_make(l, entry);

	if (!c || is_over(c, generation))
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
	if (!c->told_ended)
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

static void look_at_offer(struct line *l, uint32_t entry, uint32_t generation)
{
	struct sb_entry *e = line_entry(l, entry);
	uint8_t kind = __atomic_load_n(&e->kind, __ATOMIC_ACQUIRE);
	uint32_t listener = sb_load(&e->listener);
	struct circuit *c;

	if (kind == SB_ENTRY_LISTENER ||
	    is_over(line_circuit(l, entry), generation))
		return;
	if (is_answered(e, generation)) {
		line_ring(l, entry);
		return;
	}
	c = line_circuit_make(l, entry);
	if (!c)
		return;
	if (kind != SB_ENTRY_STREAM) {
		line_lie(l, "an entry of no kind that is known here", entry);
		circuit_refuse(c, generation, EINVAL);
	} else if (listener == SB_ENTRY_NONE) {
		call_begin(c, generation);
	} else {
		listen_post(c, generation, listener);
	}
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
		look_at_offer(l, entry, generation);
		break;
	case SB_OWNER_CLOSED:
		answer_closed(l, entry, generation);
		break;
	case SB_OWNER_REVOKED:
		answer_revoked(l, entry, generation);
		break;
	}
}

static void go_on(struct circuit *c, uint32_t owner)
{
	switch (c->phase) {
	case CIRCUIT_CALLING:
		call_look(c);
		break;
	case CIRCUIT_CONNECTING:
		connect_look(c);
		break;
	case CIRCUIT_LISTENING:
		options_apply(c, c->watch.fd);
		listen_look(c);
		break;
	case CIRCUIT_OPEN:
		options_apply(c, c->watch.fd);
		if (sb_load(&c->shared->info_seq) != c->info_seq)
			options_answer_info(c);
		transfer_run(c, owner);
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
		go_on(c, owner);
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

	if (c && circuit_active(c))
		circuit_follow(c, sb_load(&c->shared->owner));
	else
		look_at_idle(l, entry);
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

int circuit_map(struct circuit *c)
{
	int error = c->pages ? 0 : map_pages(c);
	struct sb_index_page *page = (struct sb_index_page *)c->base;

	if (error) {
		c->line->proxy->count[PROXY_BAD_GRANTS]++;
		return error;
	}
	sb_reader_init(&c->tx, page, SB_PEER, sb_area_bytes(c->order));
	sb_writer_init(&c->rx, page, SB_PEER, sb_area_bytes(c->order));
	return 0;
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
