/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * guest_line.h - a test guest's lines and circuits
 *
 * Everything here takes a nonblocking step or waits with a bound; results are
 * 0 or -errno. What is shared with the peer is reached through the pointers
 * of these structures, also to be spoilt.
 */
#ifndef TESTS_LOCAL_GUEST_LINE_H
#define TESTS_LOCAL_GUEST_LINE_H

#include "tests/local/guest.h"

struct guest_circuit;

/**
 * struct guest_line - a line
 * @guest:       whose
 * @number:      as the operator numbers it
 * @remote:      domain of the peer
 * @header:      shared
 * @doorbells:   shared
 * @directory:   shared
 * @table:       shared, below @tables
 * @tables:      table pages
 * @header_gref: to be told to the peer
 * @gref:        all grants of the line, for its end
 * @grefs:       grants in @gref
 * @channel:     of the line
 * @next_entry:  never used from here on
 * @free_entry:  stack of entries given back
 * @free_entries: entries in it
 * @rung:        bells that were taken and not yet looked at
 * @epoch:       peer_epoch as last seen
 * @circuits:    that were not freed
 * @next:        of the guest
 * @back:        the pointer that points here
 */
struct guest_line {
	struct guest *guest;
	uint32_t number;
	uint32_t remote;
	struct sb_line *header;
	struct sb_doorbells *doorbells;
	struct sb_directory *directory;
	struct sb_table *table[SB_TABLE_PAGES_MAX];
	uint32_t tables;
	uint32_t header_gref;
	uint32_t gref[SB_TABLE_PAGES_MAX + 3];
	uint32_t grefs;
	struct guest_channel channel;
	uint32_t next_entry;
	uint32_t free_entry[SB_ENTRIES_MAX];
	uint32_t free_entries;
	uint64_t rung[SB_DOORBELL_WORDS];
	uint32_t epoch;
	struct guest_circuit *circuits;
	struct guest_line *next;
	struct guest_line **back;
};

/* Return: the line, granted to @remote, or NULL */
struct guest_line *guest_line_new(struct guest *g, uint32_t number,
				  enum sb_line_kind kind, uint32_t remote);
/* Forget it and its circuits; their pages stay granted, as after a crash */
void guest_line_free(struct guest_line *l);
/* And its guest */
void guest_line_end(struct guest_line *l);
/* Until peer_epoch is another than it was. Return: 0 or -ETIMEDOUT */
int guest_line_wait_attached(struct guest_line *l, int timeout_ms);
/* Return: entry @n, in a table page made for it when needed, or NULL */
struct sb_entry *guest_line_entry(struct guest_line *l, uint32_t n);

void guest_line_ring(struct guest_line *l, uint32_t entry);
/* Take bells, wait for some when there are none. Return: any taken? */
bool guest_line_wait(struct guest_line *l, int timeout_ms);
/* Was the bell of @entry rung since the last call? */
bool guest_line_rung(struct guest_line *l, uint32_t entry);

/**
 * struct guest_circuit - a stream or a listener
 * @line:       whose
 * @entry:      its place in the table
 * @shared:     that place
 * @generation: current
 * @kind:       enum sb_entry_kind
 * @order:      of the areas
 * @pages:      0 for a listener
 * @frame:      first page
 * @gref:       of the pages
 * @list_frame: page that lists the grants, or 0
 * @index:      shared
 * @tx:         shared
 * @rx:         shared
 * @writer:     of @tx
 * @reader:     of @rx
 * @word:       our word as published
 * @next:       of the line
 * @back:       the pointer that points here
 */
struct guest_circuit {
	struct guest_line *line;
	uint32_t entry;
	struct sb_entry *shared;
	uint32_t generation;
	enum sb_entry_kind kind;
	unsigned int order;
	uint32_t pages;
	uint32_t frame;
	uint32_t gref[GUEST_RUN_MAX];
	uint32_t list_frame;
	struct sb_index_page *index;
	uint8_t *tx;
	uint8_t *rx;
	struct sb_writer writer;
	struct sb_reader reader;
	uint32_t word;
	struct guest_circuit *next;
	struct guest_circuit **back;
};

/* In the pool: READY, without a bell. Return: the circuit, or NULL */
struct guest_circuit *guest_circuit_new(struct guest_line *l,
					unsigned int order);
/* A listener's entry: FREE, no pages. Return: the listener, or NULL */
struct guest_circuit *guest_listener_new(struct guest_line *l);
/* Forget it; its pages stay granted */
void guest_circuit_free(struct guest_circuit *c);
/* Publish flags and state, ring the bell */
void guest_circuit_publish(struct guest_circuit *c, uint32_t flags_and_state);
/* OFFERED, no bell: the operator's order to listen is the bell */
void guest_circuit_offer(struct guest_circuit *c);
/* Write a call, OFFERED, a bell; @local may be NULL */
void guest_circuit_call(struct guest_circuit *c, const struct sb_address *local,
			const struct sb_address *remote);
/* OFFERED and posted to @listener, with a bell */
void guest_circuit_post(struct guest_circuit *c,
			const struct guest_circuit *listener);

/* The peer's word when it is about this generation, otherwise 0 */
uint32_t guest_circuit_peer(const struct guest_circuit *c);
/*
 * Until the peer's state is at least @state. Return: 0; -ETIMEDOUT; the
 * negative error of a CLOSED word when another was waited for.
 */
int guest_circuit_wait(struct guest_circuit *c, enum sb_peer_state state,
		       int timeout_ms);

/* Return: bytes written, -EAGAIN, -EPIPE, or the peer's error */
ssize_t guest_circuit_send(struct guest_circuit *c, const void *bytes,
			   size_t count);
/* Return: bytes read, 0 at the end, -EAGAIN, or the peer's error */
ssize_t guest_circuit_receive(struct guest_circuit *c, void *bytes,
			      size_t count);
/* All of it. Return: 0, -ETIMEDOUT, or as above; -ENODATA at an early end */
int guest_circuit_send_all(struct guest_circuit *c, const void *bytes,
			   size_t count, int timeout_ms);
int guest_circuit_receive_all(struct guest_circuit *c, void *bytes,
			      size_t count, int timeout_ms);

/* shutdown(SHUT_WR), close(), and close() that resets */
void guest_circuit_shutdown(struct guest_circuit *c);
void guest_circuit_close(struct guest_circuit *c);
void guest_circuit_abort(struct guest_circuit *c);
/* After the peer's CLOSED: a new generation, READY. Return: 0 or -EBUSY */
int guest_circuit_recycle(struct guest_circuit *c);
/* From READY or CLOSED: until the pages are ours again, and freed */
int guest_circuit_revoke(struct guest_circuit *c, int timeout_ms);

#endif
