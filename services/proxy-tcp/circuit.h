/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * circuit.h - an entry of a line, its pages and its socket
 *
 * A circuit is known from the first look at its entry until the guest takes
 * its pages back. It is idle between generations, with its pages mapped: so
 * the next connection costs no hypercall.
 *
 *	IDLE --bell, a call--> CALLING --> CONNECTING --> OPEN --> IDLE
 *	  |---bell, posted---> POSTED ------------------> OPEN      (CLOSED
 *	  +---listen order---> LISTENING -----------------> IDLE  is written)
 *
 * What the guest's word allows in each phase is in circuit_look().
 */
#ifndef PROXY_TCP_CIRCUIT_H
#define PROXY_TCP_CIRCUIT_H

#include "protocol/ring.h"
#include "services/proxy-tcp/line.h"

enum circuit_phase {
	CIRCUIT_IDLE,
	CIRCUIT_CALLING,
	CIRCUIT_CONNECTING,
	CIRCUIT_POSTED,
	CIRCUIT_OPEN,
	CIRCUIT_LISTENING,
};

/**
 * struct circuit - what is known of an entry
 * @watch:      its socket in the loop
 * @line:       its line
 * @shared:     the entry in the guest
 * @entry:      its number
 * @generation: the one in use, or the last one that was
 * @word:       our word as published, 0 when nothing was for @generation
 * @phase:      what it is doing
 * @posted_to:  POSTED: entry of its listener
 * @order:      of the mapped areas
 * @pages:      mapped, 0: none
 * @readable:   the socket may have something to read
 * @writable:   the socket may take something
 * @hung_up:    its other end has ended or broken
 * @out_watched: its EPOLLOUT is watched
 * @out_done:   nothing more goes to the socket: shut, or it cannot send
 * @in_done:    nothing more comes from the socket
 * @told_ended: on the line's list of ends to be reported
 * @called:     this generation was begun by a call
 * @left:       the program has closed it: nobody waits for its bells
 * @error:      errno that a send met, to be told when reading has ended
 * @options_seq: as applied
 * @info_seq:   as answered
 * @last_in:    bytes that the socket gave last time
 * @base:       index page, then tx, then rx; the guest's
 * @tx:         ring from the guest
 * @rx:         ring to the guest
 * @options:    as applied
 * @local:      of the socket; CALLING: what the guest bound, or family none
 * @remote:     of the socket; CALLING: what the guest called
 * @question:   CALLING: waits for the operator's answer
 * @next:       queue of a listener, line.waiting, or line.held
 * @back:       the pointer that points here, or NULL
 * @posted:     LISTENING: circuits for the next connections
 * @posted_end: where the next one is appended
 * @next_ended: line.ended
 * @ended_generation: the one whose end is to be reported
 * @sent:       bytes to the network
 * @received:   bytes from the network
 * @since_ms:   when it was asked for
 */
struct circuit {
	struct loop_watch watch;
	struct line *line;
	struct sb_entry *shared;
	uint32_t entry;
	uint32_t generation;
	uint32_t word;
	uint8_t phase;
	uint32_t posted_to;
	uint8_t order;
	uint16_t pages;
	bool readable;
	bool writable;
	bool hung_up;
	bool out_watched;
	bool out_done;
	bool in_done;
	bool told_ended;
	bool called;
	bool left;
	int error;
	uint32_t options_seq;
	uint32_t info_seq;
	uint32_t last_in;
	uint8_t *base;
	struct sb_reader tx;
	struct sb_writer rx;
	struct sb_options options;
	struct sb_address local;
	struct sb_address remote;
	struct verdict_waiter question;
	struct circuit *next;
	struct circuit **back;
	struct circuit *posted;
	struct circuit **posted_end;
	struct circuit *next_ended;
	uint32_t ended_generation;
	uint64_t sent;
	uint64_t received;
	uint64_t since_ms;
};

/* Look at an entry of which nothing is known yet, or at a known circuit */
void circuit_look(struct line *l, uint32_t entry);

/* The same for an active circuit, whose guest's word is @owner */
void circuit_follow(struct circuit *c, uint32_t owner);

/* Is a generation in use? */
static inline bool circuit_active(const struct circuit *c)
{
	return c->phase != CIRCUIT_IDLE;
}

/**
 * circuit_begin() - a new generation is in use
 * @phase: what it does now
 */
void circuit_begin(struct circuit *c, uint32_t generation,
		   enum circuit_phase phase);
/*
 * Map the pages that the entry names, unless they are, and start its rings.
 * Return: 0 or -errno.
 */
int circuit_map(struct circuit *c);
void circuit_unmap(struct circuit *c);
/*
 * Watch @fd edge-triggered; it is then the circuit's. Without EPOLLOUT it is
 * watched for that from the first time on that it can take no more: most
 * connections never come to that. Return: 0 or -errno.
 */
int circuit_watch(struct circuit *c, int fd, uint32_t events);
/* The socket can take no more: look again when it can */
void circuit_blocked(struct circuit *c);
/**
 * circuit_take_order() - the operator orders to listen for an entry
 *
 * An order repeated, or one that comes too late, changes nothing and is
 * answered with an end where there is one.
 *
 * Return: the circuit, idle, with the generation offered; or NULL.
 */
struct circuit *circuit_take_order(struct line *l, uint32_t entry,
				   uint32_t generation);
/* TAKEN, without a bell: nobody waits for that */
void circuit_take(struct circuit *c);
/* OPEN: local and remote are known */
void circuit_opened(struct circuit *c);
/* Publish our word with these flags added and at least this state; ring */
void circuit_publish(struct circuit *c, uint32_t flags_and_state);
/**
 * circuit_end() - write CLOSED, let go of the socket
 * @error: errno, positive, or 0
 * @flags: SB_WORD_RESET or 0: the socket's other end is reset too
 */
void circuit_end(struct circuit *c, uint32_t error, uint32_t flags);
/* The same for a guest that lied */
void circuit_end_liar(struct circuit *c, const char *what);
/* Answer for a generation that never began: CLOSED and @error */
void circuit_refuse(struct circuit *c, uint32_t generation, uint32_t error);
/* The operator is to be told of the end of this listener's generation */
void circuit_report_ended(struct circuit *c, uint32_t generation);

/* call.c: the guest's word offers a circuit to nobody: it calls */
void call_begin(struct circuit *c, uint32_t generation);
/* There may be a token, or an answer */
void call_look(struct circuit *c);
/* It waits for neither any more */
void call_forget(struct circuit *c);
/* Calls of a line wait for tokens: those for which there are some go on */
void call_release_held(struct line *l);

/* connect.c: connect a call to @to, and one that has made progress */
void connect_start(struct circuit *c, const struct sb_address *to,
		   const struct sb_address *from);
void connect_look(struct circuit *c);

/* listen.c */
void listen_order(struct line *l, const struct ipc_listen *order);
/* Accept, as far as there are posted circuits */
void listen_look(struct circuit *c);
/* A circuit that the guest posted */
void listen_post(struct circuit *c, uint32_t generation, uint32_t listener);
/* Take it out of its queue */
void listen_unpost(struct circuit *c);
/* The listener ends: so do the circuits posted to it */
void listen_end_posted(struct circuit *listener);

/* transfer.c: move one span each way; @owner is the guest's word */
void transfer_run(struct circuit *c, uint32_t owner);

/* options.c */
/* Apply what is new in the entry's options; @fd may not be the circuit's yet */
void options_apply(struct circuit *c, int fd);
/* The guest wants to know how the socket is doing */
void options_answer_info(struct circuit *c);

#endif
