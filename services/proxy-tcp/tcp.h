/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tcp.h - switchboard-proxy-tcp: stream circuits and their sockets
 *
 *	proxy-common --- stream.c --- call.c --- connect.c
 *	                     |------- listen.c --- listeners.c --- operator
 *	                     |------- transfer.c --- network
 *	                     |------- exchange.c
 *	                     +------- options.c
 *
 * A guest's connection is a circuit whose rings carry bytes; here it has a
 * socket of Dom0's. So has each of its listeners, whose entry is no circuit
 * but has circuits posted to it.
 *
 *	IDLE --bell, a call--> CALLING --> CONNECTING --> OPEN --> IDLE
 *	  |---bell, posted---> POSTED ------------------> OPEN      (CLOSED
 *	  +---listen order---> LISTENING -----------------> IDLE  is written)
 *	  +---bell, replaces an OPEN one----------------> OPEN, the other
 *						is REPLACED until it is read
 *
 * A look at a circuit moves at most one span each way.
 */
#ifndef PROXY_TCP_TCP_H
#define PROXY_TCP_TCP_H

#include "services/proxy-common/circuit.h"

enum tcp_count {
	TCP_SENT_BYTES = PROXY_OWN_COUNTS, /* from guests to the network */
	TCP_RECEIVED_BYTES, /* from the network to guests */
	TCP_CALLS, /* calls */
	TCP_CALLS_REFUSED, /* by the operator, or by limits */
	TCP_CONNECTED, /* of those, connected */
	TCP_CONNECT_FAILED, /* of those, not */
	TCP_LISTENS, /* orders to listen */
	TCP_LISTEN_FAILED,
	TCP_POSTED, /* circuits posted to listeners */
	TCP_ACCEPTED, /* connections given to them */
	TCP_RESETS, /* connections reset by their other end */
	TCP_EXCHANGED, /* connections that went on in another circuit */
	TCP_EXCHANGES_REFUSED,
	TCP_COUNTS_END
};

enum stream_phase {
	STREAM_IDLE,
	STREAM_CALLING,
	STREAM_CONNECTING,
	STREAM_POSTED,
	STREAM_OPEN,
	STREAM_REPLACED,
	STREAM_LISTENING,
};

/**
 * struct tcp_line - a guest's line
 * @line:      must be first
 * @waiting:   posted circuits whose listener is not known yet
 * @ended:     listeners whose end the operator has not been told
 * @called:    circuits in use that the guest called
 * @listeners: in use
 * @posted:    circuits in use that wait for a connection
 * @listens:   orders to listen so far
 */
struct tcp_line {
	struct line line;
	struct stream *waiting;
	struct stream *ended;
	uint32_t called;
	uint32_t listeners;
	uint32_t posted;
	uint64_t listens;
};

/**
 * struct stream - a circuit, or a listener
 * @circuit:    must be first
 * @watch:      its socket in the loop
 * @also:       LISTENING: a second socket, for IPv4 while the first is for IPv6
 * @phase:      what it is doing
 * @posted_to:  POSTED: entry of its listener
 * @readable:   the socket may have something to read
 * @also_readable: the second one may
 * @also_next:  it is the second one's turn
 * @writable:   the socket may take something
 * @hung_up:    its other end has ended or broken
 * @out_watched: its EPOLLOUT is watched
 * @out_done:   nothing more goes to the socket: shut, or it cannot send
 * @in_done:    nothing more comes from the socket
 * @called:     this generation was begun by a call
 * @error:      errno that a send met, to be told when reading has ended
 * @options_seq: as applied
 * @info_seq:   as answered
 * @last_in:    bytes that the socket gave last time
 * @options:    as applied
 * @local:      of the socket; CALLING: what the guest bound, or family none
 * @also_local: of the second one; or family none
 * @remote:     of the socket; CALLING: what the guest called
 * @old:        OPEN: what this one replaced, whose tx goes out first; or NULL
 * @heir:       REPLACED: by whom, which has the socket now
 * @next:       queue of a listener, or tcp_line.waiting
 * @back:       the pointer that points here, or NULL
 * @posted:     LISTENING: circuits for the next connections
 * @posted_end: where the next one is appended
 * @next_ended: tcp_line.ended; circuit.kept says that it is there
 * @ended_generation: the one whose end is to be reported
 * @sent:       bytes to the network
 * @received:   bytes from the network
 */
struct stream {
	struct circuit circuit;
	struct loop_watch watch;
	struct loop_watch also;
	uint8_t phase;
	uint32_t posted_to;
	bool readable;
	bool also_readable;
	bool also_next;
	bool writable;
	bool hung_up;
	bool out_watched;
	bool out_done;
	bool in_done;
	bool called;
	int error;
	uint32_t options_seq;
	uint32_t info_seq;
	uint32_t last_in;
	struct sb_options options;
	struct sb_address local;
	struct sb_address also_local;
	struct sb_address remote;
	struct stream *old;
	struct stream *heir;
	struct stream *next;
	struct stream **back;
	struct stream *posted;
	struct stream **posted_end;
	struct stream *next_ended;
	uint32_t ended_generation;
	uint64_t sent;
	uint64_t received;
};

extern const struct proxy_kind tcp_kind;

static inline struct stream *stream_of(struct circuit *c)
{
	return (struct stream *)(void *)c;
}

static inline struct tcp_line *tcp_line(struct line *l)
{
	return (struct tcp_line *)(void *)l;
}

static inline struct tcp_line *tcp_line_of(const struct stream *s)
{
	return tcp_line(s->circuit.line);
}

static inline void tcp_count(const struct stream *s, enum tcp_count count,
			     uint64_t by)
{
	s->circuit.line->proxy->count[count] += by;
}

/* --- stream.c --- */

/* A new generation is in use; @phase: what it does now */
void stream_begin(struct stream *s, uint32_t generation,
		  enum stream_phase phase);
/* What it does from now on */
void stream_set_phase(struct stream *s, enum stream_phase phase);
/*
 * Watch @fd edge-triggered; it is then the circuit's. Without EPOLLOUT it is
 * watched for that from the first time on that it can take no more: most
 * connections never come to that. Return: 0 or -errno.
 */
int stream_watch(struct stream *s, int fd, uint32_t events);
/* Watch the socket of @old instead. Return: 0 or -errno */
int stream_take_watch(struct stream *s, struct stream *old);
/* The socket can take no more: look again when it can */
void stream_blocked(struct stream *s);
/* OPEN: local and remote are known */
void stream_opened(struct stream *s);
/* Look at it in its line's next turn */
void stream_look_at(const struct stream *s);
/* May there be one more that is no call? */
bool stream_has_room(const struct stream *s);

/* --- call.c --- */

/* The guest's word offers a circuit to nobody: it calls */
void call_begin(struct stream *s, uint32_t generation);
/* There may be a token, or an answer */
void call_look(struct stream *s);

/* --- connect.c --- */

/* Connect a call to @to, and one that has made progress */
void connect_start(struct stream *s, const struct sb_address *to,
		   const struct sb_address *from);
void connect_look(struct stream *s);

/* --- listen.c --- */

/* The operator orders to listen; said again it changes nothing */
void listen_order(struct line *l, const struct ipc_listen *order);
/* Accept, as far as there are posted circuits */
void listen_look(struct stream *s);
/* A circuit that the guest posted */
void listen_post(struct stream *s, uint32_t generation, uint32_t listener);
/* Take it out of its queue */
void listen_unpost(struct stream *s);
/* The listener ends: so do its second socket and the circuits posted to it */
void listen_ended(struct stream *listener);

/* --- listeners.c --- */

/* The operator's order `listen` */
void listeners_order(struct proxy *p, const struct ipc_message *m);
/**
 * listeners_take_order() - is there something to be done for it?
 *
 * An order repeated, or one that comes too late, changes nothing and is
 * answered with an end where there is one.
 *
 * Return: the listener, idle, with the generation offered; or NULL.
 */
struct stream *listeners_take_order(struct line *l, uint32_t entry,
				    uint32_t generation);
/* Tell the operator which listeners a line has */
void listeners_list(const struct line *l);
/* The operator is to be told of the end of this listener's generation */
void listeners_ended(struct stream *s, uint32_t generation);
/* Tell it, as far as one message goes; false when it cannot be told now */
bool listeners_report(struct line *l);

/* --- exchange.c --- */

/* The guest offers a circuit in place of that in @entry */
void exchange_begin(struct stream *s, uint32_t generation, uint32_t entry,
		    uint32_t replaces);
/* All that the guest wrote to the circuit before this one is sent, or never */
void exchange_end(struct stream *s);
/* A stream ends: so does the one that it replaced, or is replaced by */
void exchange_ended(struct stream *s);

/* --- transfer.c --- */

/* Move one span each way; @owner is the guest's word */
void transfer_run(struct stream *s, uint32_t owner);

/* --- options.c --- */

/* Apply what is new in the entry's options; @fd may not be the circuit's yet */
void options_apply(struct stream *s, int fd);
/* Apply what is applied already to @fd, a listener's second socket, too */
void options_apply_also(struct stream *s, int fd);
/* The guest wants to know how the socket is doing */
void options_answer_info(struct stream *s);

#endif
