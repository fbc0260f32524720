/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * udp.h - switchboard-proxy-udp: datagram circuits and their sockets
 *
 *	proxy-common --- datagrams.c --- outlet.c, options.c, rest.c, spare.c
 *	                     |---------- send.c --- destination.c --- operator
 *	                     |              |------ runs.c, group.c
 *	                     |---------- receive.c --- pending.c, neighbour.c
 *	                     |---------- error.c
 *	                     +---------- exchange.c
 *
 * A guest's datagram socket is a circuit whose rings carry records
 * (protocol/datagram.h). Here it has an *outlet*: a socket of Dom0's, and what
 * belongs to it rather than to the circuit. When a circuit is exchanged for a
 * larger one the outlet moves.
 *
 *	LATE --------> BINDING --------> OPEN --> idle (CLOSED is written)
 *	  |--- no port was bound ------->|
 *	  +-----------> REPLACING ------>|  exchange: the outlet of another
 *
 * An outlet rests (rest.c) when its socket was closed to make room for others:
 * the guest's next datagram opens another.
 *
 * The socket is never connected: destinations are the operator's to allow, one
 * by one, and what was allowed is asked of the line's verdicts for each
 * record. A socket whose port the guest does not publish takes datagrams only
 * from addresses that the guest has sent to; one that is published takes them
 * from everybody, and may answer whoever has called.
 */
#ifndef PROXY_UDP_UDP_H
#define PROXY_UDP_UDP_H

#include <sys/socket.h>

#include "protocol/datagram.h"
#include "services/proxy-common/circuit.h"
#include "services/proxy-udp/known.h"

enum udp_count {
	UDP_SENT = PROXY_OWN_COUNTS, /* datagrams, to the network */
	UDP_SENT_BYTES,
	UDP_SENT_CALLS, /* system calls for them */
	UDP_RECEIVED, /* datagrams, to guests */
	UDP_RECEIVED_BYTES,
	UDP_SOCKETS, /* opened */
	UDP_RESTED, /* of them, closed while their guest's socket is open */
	UDP_WOKEN, /* of these, opened again */
	UDP_REUSED, /* used by another of the guest's */
	UDP_BOUND, /* of them, at a published place */
	UDP_UNPUBLISHED, /* bound by guests, but not to be published */
	UDP_BIND_FAILED, /* published places that could not be bound */
	UDP_EXCHANGED, /* circuits exchanged for larger ones */
	UDP_ERRORS, /* ICMP errors told to guests */
	UDP_ERRORS_LOCAL, /* records that could not be sent, and told so */
	/* datagrams lost, by cause; from guests: */
	UDP_DROP_REFUSED, /* policy does not allow their destination */
	UDP_DROP_BAD_RECORD, /* nothing that can be sent */
	UDP_DROP_BUSY, /* the network takes no more (ENOBUFS) */
	/* to guests: */
	UDP_DROP_SOCKET, /* the socket's buffer was full */
	UDP_DROP_NO_ROOM, /* the guest does not read */
	UDP_DROP_STRANGER, /* from where the guest has not sent to */
	UDP_GIVEN_BACK, /* to be sent over a direct line */
	UDP_DROP_ERROR, /* ICMP errors without room for them */
	UDP_CUT, /* not lost, but shortened */
	UDP_COUNTS_END
};

/* IPPROTO_ICMP's number in sb_options.protocol: echo */
#define UDP_PROTOCOL_ECHO 1u

struct datagrams;
struct neighbours;
struct pending;

/**
 * struct udp_line - a guest's line
 * @line:      must be first
 * @peers:     addresses, without ports, that the guest was allowed to send to
 * @former:    the same before verdicts were withdrawn: answers may be on their
 *             way
 * @former_until_ms: then not any more
 * @published: sockets that hold a place, or are in a group
 * @stuck:     sockets whose next datagram waits for larger areas
 * @buffers:   bytes that the kernel may keep for this guest
 * @pending:   bytes of datagrams that wait for room
 * @outlets:   sockets that do not rest
 * @oldest:    of them, the one that was not used for longest
 * @newest:    the one that was used last
 * @spare:     sockets that are nobody's, linked by outlet.newer
 * @spares:    how many
 * @own:       the guest's addresses
 * @owns:      how many
 */
struct udp_line {
	struct line line;
	struct known peers;
	struct known former;
	uint64_t former_until_ms;
	uint32_t published;
	uint32_t stuck;
	uint64_t buffers;
	uint64_t pending;
	uint32_t outlets;
	struct outlet *oldest;
	struct outlet *newest;
	struct outlet *spare;
	uint32_t spares;
	struct sb_address own[IPC_GUEST_ADDRESSES_MAX];
	uint32_t owns;
};

enum datagrams_phase {
	DATAGRAMS_LATE,
	DATAGRAMS_BINDING,
	DATAGRAMS_REPLACING,
	DATAGRAMS_OPEN,
};

/**
 * struct route - a destination that is really somewhere else
 * @shown: as the guest knows it
 * @real:  as the network does
 */
struct route {
	struct sb_address shown;
	struct sb_address real;
};

#define OUTLET_ROUTES 16u

/**
 * struct outlet - a socket of Dom0's
 * @watch:     in the loop
 * @loop:      which one
 * @at:        the circuit that it serves, NULL: it is spare
 * @protocol:  0, or UDP_PROTOCOL_ECHO
 * @family:    of the socket
 * @dual:      an IPv6 socket that does IPv4 too
 * @published: bound where policy publishes the guest's port
 * @open:      the guest has to do with groups: takes from everybody
 * @joined:    is, or was, in a group
 * @counted:   in its line's list of sockets by their last use
 * @readable:  may have datagrams
 * @writable:  may take some
 * @failed:    may have errors in its queue
 * @out_watched: its EPOLLOUT is watched
 * @once:      the loop tells each thing once (EPOLLET), not until it is taken
 * @turn:      of the loop, in which it was read last
 * @retried:   the record in front was tried again after an error
 * @one_by_one: so many records are sent each by itself
 * @run_refused: the shortest records of which the kernel takes no runs
 * @shared:    SB_OPTION_REUSEADDR, _REUSEPORT: others of this guest may join
 * @options:   as applied
 * @options_seq: as applied
 * @local:     what it is bound to, family none when to nothing
 * @callers:   addresses that may be answered; of a published socket
 * @neighbours: other guests that may be answered; NULL: none has called
 * @port:      of Dom0's; 0: not listed as one that sends to neighbours
 * @own_port:  as the guest knows it, while it is listed
 * @next:      in that list
 * @route:     destinations that are somewhere else
 * @routes:    how many, and then which one is the oldest
 * @pending:   datagrams that wait for room
 * @pending_end: where the next one is appended
 * @pendings:  how many
 * @stuck:     the first of them needs larger areas
 * @expected:  payload of the next datagrams, as of the last ones
 * @places:    how many the next call may take
 * @buffer:    of the socket, bytes
 * @counts_drops: the kernel tells how many it dropped
 * @kernel_drops: as it last did
 * @drops:     all that this socket has lost
 * @sent:      bytes to the network
 * @received:  bytes from the network
 * @older:     in the line's list, used before this one
 * @newer:     used after this one
 * @used_ms:   when
 */
struct outlet {
	struct loop_watch watch;
	struct loop *loop;
	struct datagrams *at;
	uint8_t protocol;
	uint8_t family;
	bool dual;
	bool published;
	bool open;
	bool joined;
	bool counted;
	bool readable;
	bool writable;
	bool failed;
	bool out_watched;
	bool once;
	bool retried;
	uint32_t turn;
	uint32_t one_by_one;
	uint32_t run_refused;
	uint32_t shared;
	struct sb_options options;
	uint32_t options_seq;
	struct sb_address local;
	struct known callers;
	struct neighbours *neighbours;
	uint16_t port;
	uint16_t own_port;
	struct outlet *next;
	struct route *route;
	uint32_t routes;
	struct pending *pending;
	struct pending **pending_end;
	uint32_t pendings;
	bool stuck;
	uint32_t expected;
	uint32_t places;
	uint32_t buffer;
	bool counts_drops;
	uint32_t kernel_drops;
	uint32_t drops;
	uint64_t sent;
	uint64_t received;
	struct outlet *older;
	struct outlet *newer;
	uint64_t used_ms;
};

/**
 * struct datagrams - a circuit
 * @circuit:   must be first
 * @phase:     see above
 * @resumed:   a process before this one had it
 * @protocol:  as in struct outlet
 * @bound:     what the guest's socket is bound to
 * @replaces:  entry that it replaces, or SB_ENTRY_NONE
 * @successor: replaces this one
 * @outlet:    NULL until there is one
 */
struct datagrams {
	struct circuit circuit;
	enum datagrams_phase phase;
	bool resumed;
	uint8_t protocol;
	struct sb_address bound;
	uint32_t replaces;
	struct datagrams *successor;
	struct outlet *outlet;
};

extern const struct proxy_kind udp_kind;

static inline struct datagrams *datagrams_of(struct circuit *c)
{
	return (struct datagrams *)(void *)c;
}

static inline struct udp_line *udp_line_of(const struct datagrams *d)
{
	return (struct udp_line *)(void *)d->circuit.line;
}

static inline void udp_count(const struct datagrams *d, enum udp_count count,
			     uint64_t by)
{
	d->circuit.line->proxy->count[count] += by;
}

/* --- datagrams.c --- */

/* The circuit has its outlet: OPEN. Does the guest wait for that? */
void datagrams_opened(struct datagrams *d, bool awaited);
/* It does not get the outlet that it waited for: begin anew */
void datagrams_restart(struct datagrams *d);
/* Look at it in its line's next turn */
void datagrams_look_at(struct datagrams *d);

/* --- outlet.c --- */

/**
 * outlet_open() - make the socket that a circuit asks for
 * @place: to bind to, or NULL
 *
 * Return: 0 or -errno; then there is none.
 */
int outlet_open(struct datagrams *d, const struct sb_address *place);
void outlet_close(struct outlet *o);
/* The line goes */
void outlet_end(struct udp_line *ul);
/* Fields that do not begin as zero */
void outlet_init(struct outlet *o);
/* Its socket is closed, what belongs to it stays */
void outlet_rest(struct outlet *o);
/* It gets another socket. Return: 0 or -errno: it still rests */
int outlet_wake(struct outlet *o);

static inline bool outlet_rests(const struct outlet *o)
{
	return o->watch.fd < 0;
}

/* It serves another circuit from now on */
void outlet_move(struct datagrams *from, struct datagrams *to);
/* It can take no more: look again when it can */
void outlet_blocked(struct outlet *o);
/* How its events are told: each once, or those of reading until it is empty */
void outlet_tell(struct outlet *o, bool once);
/* Length of @a for this socket, or 0 when it cannot go there */
socklen_t outlet_sockaddr(const struct outlet *o, const struct sb_address *a,
			  struct sockaddr_storage *sa);
/* What a guest is shown of an address that the network told */
struct sb_address outlet_show(const struct outlet *o,
			      const struct sb_address *real);
/* What a guest that was shown an address means, unless it is a route */
struct sb_address outlet_unshow(const struct sb_address *shown);

/* --- rest.c --- */

/* It has a socket, which was used just now */
void rest_begin(struct outlet *o);
void rest_touch(struct outlet *o);
/* It has none */
void rest_end(struct outlet *o);
/* The line is about to open another */
void rest_make_room(struct udp_line *ul);
/* There are no descriptors. Return: is there one now? */
bool rest_one(struct proxy *p);

/* --- spare.c --- */

/* Keep what its circuit is done with. Return: was it kept? */
bool spare_keep(struct udp_line *ul, struct outlet *o);
/* One for a circuit that sets these options, or NULL */
struct outlet *spare_take(struct udp_line *ul, uint16_t family, uint32_t set);
/* One of them, or NULL */
struct outlet *spare_any(struct udp_line *ul);

/* --- options.c --- */

/* Apply what is new in the entry's options */
void options_apply(struct datagrams *d);
/* The same before the socket is bound, whatever was applied */
void options_begin(struct datagrams *d);

/* --- destination.c --- */

int destination_begin(struct udp_line *ul);
void destination_end(struct udp_line *ul);
/* What the operator said holds no more */
void destination_withdraw(struct udp_line *ul);
/**
 * destination_find() - where does a datagram go?
 * @header: its record's
 * @real:   where
 *
 * Return: 0; -EINPROGRESS: it was asked, the circuit will be looked at;
 * -EREMCHG: to another guest, which its sender can reach directly; -ENOTCONN:
 * to another guest's socket that has called, and is no more; or the -errno of a
 * refusal.
 */
int destination_find(struct datagrams *d, const struct sb_datagram *header,
		     struct sb_address *real);
/* The same for the place to bind to */
int destination_place(struct datagrams *d, struct sb_address *place);
/* May a datagram from there be given to the guest? */
bool destination_admits(struct datagrams *d, const struct sb_address *real);

/* --- neighbour.c: datagrams of two guests that this process serves --- */

/* The guest's own addresses, as the operator ordered */
void neighbour_addresses(struct udp_line *ul);
/* @d sends to another guest, from what its guest calls @port; 0: it does not
 * say */
void neighbour_sends(struct datagrams *d, uint32_t port);
/* Its socket is to be closed, or somebody else's */
void neighbour_forget(struct outlet *o);
/* It is to be freed */
void neighbour_fini(struct outlet *o);
/*
 * Did that come to @o from another guest's socket? Return: yes, and @shown is
 * that guest's own address and port, which may be answered.
 */
bool neighbour_called(struct outlet *o, const struct sb_address *real,
		      struct sb_address *shown);
/* Where the guest itself was called, as its neighbour sees it */
void neighbour_show_local(const struct outlet *o, struct sb_datagram *h);
/*
 * Has that neighbour called? Return: 0 with where its socket is, -ENOENT: no,
 * or -ENOTCONN: it has, and is no more.
 */
int neighbour_answers(struct outlet *o, const struct sb_address *shown,
		      struct sb_address *real);

/* --- send.c --- */

/* Send records. Return: bytes that are left in the ring, or -EPROTO */
int64_t send_run(struct datagrams *d);

/* --- group.c --- */

/* JOIN, LEAVE, BLOCK, UNBLOCK. Return: 0, -EINPROGRESS, or -errno for the guest */
int group_change(struct datagrams *d, const struct sb_datagram *header);

/* --- receive.c --- */

/* Take datagrams from the socket. Return: 0 or -EPROTO */
int receive_run(struct datagrams *d);
/* Copy a record into the ring. Return: was there room? */
bool receive_put(struct datagrams *d, const struct sb_datagram *header,
		 const void *payload);
/* Ring the bell for what was put */
void receive_publish(struct datagrams *d);

/* --- pending.c --- */

/* Keep a datagram until there is room, or drop it when there are too many */
void pending_add(struct datagrams *d, const struct sb_datagram *header,
		 const uint8_t *payload);
/* Put as many into the ring as there is room for. Return: is none left? */
bool pending_run(struct datagrams *d);
void pending_free(struct outlet *o);

/* --- error.c --- */

/*
 * Take errors from the queue, and tell the guest. Return: how many of them this
 * machine made, at once, when something was sent
 */
unsigned int error_drain(struct datagrams *d);
/* A record could not be sent */
void error_tell(struct datagrams *d, const struct sb_datagram *header,
		uint32_t error);
/* Nobody is where a record goes to */
void error_nobody(struct datagrams *d, const struct sb_datagram *header);
/* The record in front has to go another way: the guest gets it back */
void error_give_back(struct datagrams *d, const struct sb_datagram *header);

/* --- exchange.c --- */

/* Begin: the outlet comes from another circuit. Return: is there one? */
bool exchange_begin(struct datagrams *d);
/* The old circuit has nothing more to send: move */
void exchange_end(struct datagrams *old);
/* One of the two ends before that */
void exchange_forget(struct datagrams *d);

#endif
