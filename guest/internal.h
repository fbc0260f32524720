/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * internal.h - lines, circuits, trunk: what socket options, interface and
 * proc files need not know
 */
#ifndef SB_GUEST_INTERNAL_H
#define SB_GUEST_INTERNAL_H

#include <linux/interrupt.h>
#include <linux/kref.h>
#include <linux/workqueue.h>
#include <xen/grant_table.h>
#include <xen/interface/event_channel.h>
#include <xen/interface/sched.h>

/* A grant reference that is none: Xen keeps the first few for itself */
#define SB_GREF_NONE 0u

/* The state of a word that means "connected", whichever side writes it */
#define SB_WORD_LIVE 2u
/* The state of a word that means "I am done", whichever side writes it */
#define SB_WORD_CLOSED 3u
SB_ASSERT(SB_OWNER_OFFERED == SB_WORD_LIVE && SB_PEER_OPEN == SB_WORD_LIVE);
SB_ASSERT(SB_OWNER_CLOSED == SB_WORD_CLOSED);
SB_ASSERT(SB_PEER_CLOSED == SB_WORD_CLOSED);

/* Whose a circuit is; moves under line->lock unless said otherwise */
enum sb_circuit_state {
	SB_CIRCUIT_BLANK, /* pages without grants: in-guest, or about to be */
	SB_CIRCUIT_READY, /* the line's pool */
	SB_CIRCUIT_BUSY, /* a socket's: connecting, connected or listening */
	SB_CIRCUIT_POSTED, /* a listener's, offered to the peer (its lock) */
	SB_CIRCUIT_QUEUED, /* a listener's, waiting for accept() (its lock) */
	SB_CIRCUIT_CLOSING, /* nobody's: waits for the peer's CLOSED */
	SB_CIRCUIT_REVOKED, /* nobody's: waits for the peer's UNMAPPED */
	SB_CIRCUIT_ENDING, /* grants to be ended, in process context */
};

/**
 * struct sb_circuit - a circuit, or a listener's entry, as the guest sees it
 * @line:       whose table it is in, referenced; NULL in-guest
 * @entry:      in the line's table; of its own in-guest
 * @number:     of the entry
 * @generation: of the entry now
 * @state:      enum sb_circuit_state
 * @kind:       enum sb_entry_kind
 * @order:      of both areas
 * @pages:      how many pages it has: 0 for a listener's entry
 * @foreign:    another guest's, part of a struct sb_callee
 * @lost:       its line is gone: as if the peer had said CLOSED, ECONNRESET
 * @quarantined: its pages are counted as such
 * @withheld:   the peer is to give its pages back
 * @asked:      called, or listens: waits for the peer's answer
 * @refused:    errno from the operator, or 0
 * @exposed:    a program had it mapped: all of it may be anything; of another
 *              guest's, what that one writes
 * @used:       bytes of each area that may not be zero
 * @index:      the index page
 * @area:       tx and rx, each mapped twice in a row
 * @page:       index page, tx pages, rx pages; behind this structure
 * @gref:       their grants; behind that
 * @list:       lists the grants of a circuit too large for its entry, or NULL
 * @list_gref:  its grant
 * @end:        the sockets at both ends, by enum sb_side; on a line only the
 *              owner's; under RCU
 * @listener:   to which it is posted, under RCU
 * @pair:       the kernels' own: datagrams of two guests, under RCU
 * @node:       in the list of its state
 * @request:    in the trunk's list of messages that had no room
 * @later:      in-guest: rings the other end from a work item
 * @since:      jiffies when it was asked for, or began to close
 * @local:      of a listener's request, or who another guest called
 * @remote:     another guest that called
 * @backlog:    of a listener's request
 * @both:       it listens on both families
 * @ends:       in-guest: ends that still use it
 */
struct sb_circuit {
	struct sb_guest_line *line;
	struct sb_entry *entry;
	u32 number;
	u32 generation;
	u8 state;
	u8 kind;
	u8 order;
	u16 pages;
	bool foreign;
	bool lost;
	bool asked;
	bool quarantined;
	bool withheld;
	bool exposed;
	u16 refused;
	u32 used[2];
	struct sb_index_page *index;
	u8 *area[2];
	struct page **page;
	grant_ref_t *gref;
	u32 *list;
	grant_ref_t list_gref;
	struct sb_sock __rcu *end[2];
	struct sb_listener __rcu *listener;
	struct sb_pair __rcu *pair;
	struct list_head node;
	union {
		struct list_head request;
		struct work_struct later;
	};
	unsigned long since;
	struct sb_address local;
	struct sb_address remote;
	u32 backlog;
	bool both;
	refcount_t ends;
	struct rcu_head rcu;
};

/**
 * struct sb_channel - one end of a line: its event channel and its bells
 * @in:      bells to us
 * @out:     bells to the other end
 * @send:    event channel, as the hypervisor is told
 * @irq:     its interrupt, 0: none
 * @masked:  an event came and was not yet unmasked
 * @closed:  nobody rings, nobody answers any more
 * @dozing:  a process waits for an event in the hypervisor, see doze.c
 * @doze_missed: how often in a row that was for nothing; the dozer's
 * @doze_skips: how often it is not tried; the dozer's
 * @poll:    what the dozer tells the hypervisor
 * @left:    summary bits taken but not yet looked at; the tasklet's
 * @more:    work that the last answer was, beyond a bell; the tasklet's
 * @tasklet: answers the bells
 * @answer:  what to do about the bell of an entry; in the tasklet, under RCU
 * @look:    is there news of the other end? The same; may be NULL
 */
struct sb_channel {
	struct sb_bells in;
	struct sb_bells out;
	struct evtchn_send send;
	int irq;
	bool masked;
	bool closed;
	unsigned long dozing;
	u8 doze_missed;
	u8 doze_skips;
	struct sched_poll poll;
	u64 left;
	u32 more;
	struct tasklet_struct tasklet;
	void (*answer)(struct sb_channel *ch, u32 entry);
	bool (*look)(struct sb_channel *ch);
};

/**
 * struct sb_table_page - 16 entries of a line's table
 * @table: shared
 * @gref:  its grant
 * @slot:  the circuit of each entry, or NULL; read under RCU
 */
struct sb_table_page {
	struct sb_table *table;
	grant_ref_t gref;
	struct sb_circuit *slot[SB_ENTRIES_PER_PAGE];
};

/**
 * struct sb_pool - ready circuits of one size; line->lock
 * @ready:  newest first
 * @count:  its length
 * @low:    its smallest length since the last sweep
 * @surplus: how many that sweep found too much, and are still there; the
 *           sweep's alone
 * @wanted: how many did not find one since circuits were last made
 */
struct sb_pool {
	struct list_head ready;
	u32 count;
	u32 low;
	u32 surplus;
	atomic_t wanted;
};

/**
 * struct sb_guest_line - a line that this guest owns
 * @ref:       users that hold no circuit; the last goes when no circuit is left
 * @number:    the operator's number for it
 * @kind:      enum sb_line_kind
 * @domain:    the peer's
 * @attached:  the peer has shown itself
 * @lost:      torn down: only waits for its circuits
 * @epoch:     the peer's, as last seen
 * @reattached: bit 0: another peer came, what was rung must be rung again
 * @header:    shared; @doorbells and @directory too
 * @gref:      grants of these three
 * @channel:   event channel and bells
 * @lock:      guards what follows
 * @table:     table pages, the first @tables of them exist
 * @tables:    only grows
 * @used:      entries that hold a circuit
 * @entry_hint: look for a free entry from here
 * @exchanges: the peer takes another circuit for a stream, see exchange.c
 * @pool:      ready circuits: of the size of all at first, and of SB_SIZE_ORDERS
 * @withheld:  pages that the peer is to give back, and has not
 * @give:      pages of ready circuits that others need
 * @all_node:  in the list of all lines
 * @closing:   circuits in state CLOSING
 * @ending:    circuits in state ENDING
 * @work:      fills the pool, ends grants
 * @sweep:     trims the pool, resets circuits that do not close
 * @sweep_at:  when it is due, in jiffies; in between it only trims
 * @left:      the sweep has dropped its reference
 * @patience:  until grants that did not end are tried again, jiffies
 * @free:      frees the line
 */
struct sb_guest_line {
	struct kref ref;
	u16 number;
	u8 kind;
	domid_t domain;
	bool attached;
	bool lost;
	u32 epoch;
	unsigned long reattached;
	struct sb_line *header;
	struct sb_doorbells *doorbells;
	struct sb_directory *directory;
	grant_ref_t gref[3];
	struct sb_channel channel;
	spinlock_t lock;
	struct sb_table_page **table;
	u32 tables;
	u32 used;
	u32 entry_hint;
	bool exchanges;
	struct sb_pool pool[1 + SB_SIZES];
	u32 withheld;
	atomic_t give;
	struct list_head all_node;
	struct list_head closing;
	struct list_head ending;
	struct work_struct work;
	struct delayed_work sweep;
	unsigned long sweep_at;
	bool left;
	unsigned long patience;
	struct delayed_work free;
};

/**
 * struct sb_listener - the queues of a listening socket
 * @lock:    guards what follows; inside the socket's lock
 * @open:    takes connections
 * @queue:   circuits that wait for accept(); sk_ack_backlog counts them
 * @waiting: in-guest circuits that wait for room in @queue
 * @posted:  circuits offered to the proxy
 * @posted_count: their number
 * @posted_target: how many there should be
 * @line:    where it is published, or NULL
 * @entry:   its entry there
 * @answer:  of the proxy: 1 not yet, 0 published, else -errno (socket's lock)
 * @options: for circuits that are posted
 * @post:    posts more
 * @sk:      the socket, referenced by @post while it is pending
 */
struct sb_listener {
	spinlock_t lock;
	bool open;
	struct list_head queue;
	struct list_head waiting;
	struct list_head posted;
	u32 posted_count;
	u32 posted_target;
	struct sb_guest_line *line;
	u32 entry;
	int answer;
	struct sb_options options;
	struct work_struct post;
	struct sock *sk;
	struct rcu_head rcu;
};

/* Our own work; and what other guests cause, no more urgent than programs */
extern struct workqueue_struct *sb_workqueue;
extern struct workqueue_struct *sb_foreign_queue;

/* ---- circuit.c: pages, grants, words ---- */
int sb_circuit_init(void);
void sb_circuit_exit(void);
struct sb_circuit *sb_circuit_alloc(unsigned int order);
struct sb_circuit *sb_circuit_alloc_bare(void);
void sb_circuit_free(struct sb_circuit *c);
int sb_circuit_grant(struct sb_circuit *c, domid_t domain);
/* Ends what grants can be ended: true when none is left */
bool sb_circuit_ungrant(struct sb_circuit *c);
void sb_circuit_wipe(struct sb_circuit *c);
/* Ring the other side of @c */
void sb_circuit_ring(struct sb_circuit *c, enum sb_side side);
/* The same while the spinlock of this end's socket is held */
void sb_circuit_ring_locked(struct sb_circuit *c, enum sb_side side);
/* The other side rang: whoever is its owner is to look; under RCU */
void sb_circuit_bell_owner(struct sb_circuit *c);
/* An end stores its word, for good, and lets go of the circuit */
void sb_circuit_leave(struct sb_circuit *c, enum sb_side side, u32 flags);
/* Blank circuits for in-guest use */
struct sb_circuit *sb_circuit_blank_get(void);
void sb_circuit_blank_put(struct sb_circuit *c);

static inline u32 sb_circuit_area_bytes(const struct sb_circuit *c)
{
	return sb_area_bytes(c->order);
}

static inline u32 *sb_circuit_word(struct sb_circuit *c, enum sb_side side)
{
	return side == SB_OWNER ? &c->entry->owner : &c->entry->peer;
}

/* ---- table.c: entries of a line ---- */
int sb_table_init(struct sb_guest_line *line);
/* What the peer has let go of. Returns the pages that are left */
unsigned int sb_table_free(struct sb_guest_line *line);
/* Give @c a free entry of @line. Process context */
int sb_table_place(struct sb_guest_line *line, struct sb_circuit *c);
/* The entry is free again, the peer does not look at it */
void sb_table_clear(struct sb_circuit *c);
/* How many entries there are; only grows */
u32 sb_table_entries(struct sb_guest_line *line);
/* The circuit in an entry, or NULL; under RCU */
struct sb_circuit *sb_table_slot(struct sb_guest_line *line, u32 entry);

/* ---- channel.c ---- */
/* @look may be NULL. The bells are the caller's to set */
void sb_channel_init(struct sb_channel *ch,
		     void (*answer)(struct sb_channel *ch, u32 entry),
		     bool (*look)(struct sb_channel *ch));
/* An event channel for @domain to bind, or bound to its @port. 0 or -errno */
int sb_channel_make(struct sb_channel *ch, domid_t domain);
int sb_channel_join(struct sb_channel *ch, domid_t domain, evtchn_port_t port);
/* For good; process context. Nothing is in the tasklet afterwards */
void sb_channel_close(struct sb_channel *ch);
/* Ask the other end to look at an entry */
void sb_channel_ring(struct sb_channel *ch, u32 entry);
/* Let this end look at an entry, as if its bell had been rung */
void sb_channel_recall(struct sb_channel *ch, u32 entry);
/* Let this end look whether a bell was rung */
void sb_channel_wake(struct sb_channel *ch);
void sb_channel_notify(struct sb_channel *ch);
/* Answer the bells here and now; process context */
void sb_channel_answer(struct sb_channel *ch);

/* ---- line.c ---- */
struct sb_guest_line *sb_line_create(u16 number, u8 kind, domid_t domain);
void sb_line_put(struct sb_guest_line *line);
/* Visit every line, also those whose peer is gone; @visit must not sleep */
void sb_line_visit(void (*visit)(struct sb_guest_line *line, void *arg),
		   void *arg);
/* The peer is gone: every circuit ends, the memory goes when the last does */
void sb_line_lose(struct sb_guest_line *line);
/* End the grant of a page and free it; false while the peer maps it */
bool sb_line_unshare(void *page, grant_ref_t gref);
/* How long to wait before what a peer maps is tried again, jiffies */
unsigned long sb_line_patience(struct sb_guest_line *line);

/* ---- orders.c: what the operator wants; lines by number and kind ---- */
void sb_orders_handle(const struct sb_message *m, domid_t operator);
/* A new operator: what was not answered is asked again. Process context */
void sb_orders_resend(void);
void sb_orders_lose_all(void);
/* There is a device, or no longer one */
void sb_orders_expect(bool device);
/* Wait until there are addresses and a line to connect on */
bool sb_orders_wait_ready(unsigned int seconds);
/* The guest's line of a kind, referenced, when its peer is there; or NULL */
struct sb_guest_line *sb_orders_line(enum sb_line_kind kind);
/* The same, but wait for it: ERR_PTR(-ENETUNREACH) when there is no device */
struct sb_guest_line *sb_orders_line_wait(enum sb_line_kind kind, long timeo);
/* A line's peer attached itself, or another one did; in the line's tasklet */
void sb_orders_line_attached(struct sb_guest_line *line);
/* A direct line, referenced, when its peer is there; or NULL */
struct sb_guest_line *sb_orders_line_direct(unsigned int number);
/* The line of a number, or NULL; stays while the caller is the trunk's work */
struct sb_guest_line *sb_orders_line_number(unsigned int number);

/* ---- trunk.c ---- */
struct xenbus_device;
int sb_trunk_connect(struct xenbus_device *dev);
void sb_trunk_attached(void);
void sb_trunk_disconnect(void);
/* Send LISTEN for an entry that has just become OFFERED */
void sb_trunk_request(struct sb_circuit *c);
/* Forget a request that still waits for room */
void sb_trunk_forget(struct sb_circuit *c);
/* Send a message, when there is room for it */
void sb_trunk_send(const struct sb_message *m);
/* Send LINE_READY or LINE_GONE */
void sb_trunk_say(enum sb_message_type type, unsigned int line);

/* ---- frontend.c ---- */
int sb_frontend_init(void);

/* ---- family.c ---- */
extern struct proto sb_proto;
extern struct proto sb_datagram_proto;
/* Visit each socket that is @wanted, with a reference; @visit may sleep */
void sb_sock_visit(bool (*wanted)(const struct sock *sk),
		   void (*visit)(struct sock *sk));

/* ---- ops.c ---- */
/* bind()'s address */
int sb_bind_parse(struct sb_address *a, const struct sock *sk,
		  const struct sockaddr *sa, int bytes);
int sb_bind_check(const struct sock *sk, const struct sb_address *a);

/* ---- datagram.c ---- */
extern const struct proto_ops sb_datagram_ops;
void sb_datagram_init(struct sb_sock *sb);
/* A bell, or the release of the socket; spinlock or ownership held */
void sb_datagram_bell(struct sb_sock *sb);
/* An option that is only kept in the guest changed; ownership held */
void sb_datagram_hint_changed(struct sb_sock *sb);
/* A line to proxy-udp is there: sockets that need one get their circuits */
void sb_datagram_line_up(void);

static inline bool sb_is_datagram(const struct sb_sock *sb)
{
	return sb->sk.sk_type == SOCK_DGRAM;
}

/* ---- stream.c ---- */
void sb_stream_bell(struct sb_sock *sb);
void sb_stream_release_cb(struct sock *sk);
/* Take in what the peer's word says now; spinlock or ownership held */
void sb_stream_look(struct sb_sock *sb);
/* The peer lied: end the circuit with EPROTO */
void sb_stream_lie(struct sb_sock *sb, const char *what);
/* The same without anybody's lie: @error is what this end hears */
void sb_stream_abort(struct sb_sock *sb, int error);
/* Add flags to our word and ring; ownership held */
void sb_stream_word_add(struct sb_sock *sb, u32 flags);
void sb_stream_fail(struct sb_sock *sb, int error);
/* sb_sock.parting, which holds a reference */
void sb_stream_part(struct work_struct *work);
/* Give the circuit back, with a reset if @abort; ownership held */
void sb_stream_leave(struct sb_sock *sb, bool abort);
/* Back to an unconnected socket; ownership held */
void sb_stream_disconnect(struct sb_sock *sb);
/* An unconnected socket becomes the end @side of a circuit */
void sb_stream_attach(struct sb_sock *sb, struct sb_circuit *c,
		      enum sb_side side);
/* A circuit's memory is about to go: reset the socket that still has it */
void sb_stream_strip(struct sb_sock *sb, struct sb_circuit *c);
/* Take the names of both ends from the circuit's entry */
void sb_stream_names(struct sb_sock *sb);
void sb_stream_write_space(struct sock *sk);
/* Whoever waits to write @sk may: SOCK_NOSPACE is taken back, sleepers and
 * SIGIO are told. @sock is the socket of @sk
 */
void sb_stream_wake_writers(struct sock *sk, struct socket *sock);

/* Read without the lock by the core, and by poll in other files */
static inline void sb_stream_state(struct sock *sk, int state)
{
	/* the core and others look at it without the lock */
	smp_store_release(&sk->sk_state, state);
}

/* Room from which a socket polls writable: a third, as TCP has it */
static inline u32 sb_stream_room_wanted(const struct sb_sock *sb)
{
	return sb->tx.size / 3;
}

/* ---- port.c ---- */
int sb_port_bind(struct sb_sock *sb, const struct sb_address *a);
void sb_port_release(struct sb_sock *sb);
/* Is it a socket on both families, bound there? */
bool sb_port_takes_both(const struct sock *sk, const struct sb_address *a);
int sb_port_listen(struct sb_sock *sb);
void sb_port_unlisten(struct sb_sock *sb);
/* The proxy listens on another port than the one we chose: take that */
void sb_port_move(struct sb_sock *sb, u16 port);
/* Who listens there, referenced; or NULL */
struct sb_sock *sb_port_find(const struct sb_address *a);
/* A datagram socket's ends; @remote of family none: it is not connected */
void sb_port_connect(struct sb_sock *sb, const struct sb_address *local,
		     const struct sb_address *remote);
/* Who gets a datagram, referenced; or NULL */
struct sb_sock *sb_port_find_datagram(const struct sb_address *to,
				      const struct sb_address *from);
/* Each datagram socket with this port; @visit must not sleep */
void sb_port_visit_datagram(u16 port,
			    void (*visit)(struct sb_sock *sb, void *arg),
			    void *arg);

static inline void sb_count(atomic64_t *counter)
{
	atomic64_inc(counter);
}

#include "direct.h"
#include "exchange.h"
#include "pool.h"
#include "stream.h"

#endif
