/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * switchboard.h - what the files of the module tell each other
 *
 * Locks, outermost first. docs/GUEST.md tells the whole story.
 *
 *   lock_sock(sk)      everything in struct sb_sock unless said otherwise. The
 *                      bell (softirq) takes the spinlock half; when a process
 *                      owns the socket the bell is left to release_sock().
 *   listener->lock     a listener's queues (spinlock, bh off)
 *   port table's lock  who is bound where (spinlock, bh off)
 *   line->lock         a line's entries and pools, state of its circuits
 *                      (spinlock, bh off)
 *   trunk's lock       the guest's message ring (spinlock, bh off)
 *
 * Sockets and circuits are freed after an RCU grace period: a bell finds them
 * without a lock. Two sockets are never locked at the same time.
 *
 * Nothing that a peer, or an attached program, can write is believed: words
 * and indexes are loaded once with sb_load*() and checked; a lie ends that one
 * circuit with EPROTO.
 */
#ifndef SB_GUEST_SWITCHBOARD_H
#define SB_GUEST_SWITCHBOARD_H

#undef pr_fmt
#define pr_fmt(fmt) "switchboard: " fmt

#include <linux/list.h>
#include <linux/net.h>
#include <linux/sockptr.h>
#include <linux/workqueue.h>
#include <net/sock.h>

#include "../protocol/ring.h"
#include "../protocol/trunk.h"
#include "../protocol/doorbell.h"
#include "limits.h"
#include "options.h"

struct sb_circuit;
struct sb_listener;
struct sb_exposure;
struct sb_pair;
struct seq_file;

/**
 * struct sb_exchange - a stream on its way to another circuit, see exchange.c
 * @next:     owner: offered to the peer in place of sb_sock.circuit, or NULL
 * @offer:    peer: the same, not looked at yet; the socket's spinlock
 * @old:      what sb_sock.circuit replaced and is not done with, or NULL
 * @old_tx:   of @old
 * @old_word: our word in @old's entry
 * @old_peer_word: the peer's
 * @old_own:  our word there as last stored
 * @rx:       what is read after sb_sock.rx, when @reads_old
 * @rx_area:  of @rx
 * @reads_old: sb_sock.rx is @old's
 * @at_end:   and what it holds is all that it will
 * @refusals: how often the peer refused, since the sweep of grow.c
 */
struct sb_exchange {
	struct sb_circuit *next;
	struct sb_circuit *offer;
	struct sb_circuit *old;
	struct sb_writer old_tx;
	u32 *old_word;
	const u32 *old_peer_word;
	u32 old_own;
	struct sb_reader rx;
	u8 *rx_area;
	bool reads_old;
	bool at_end;
	u8 refusals;
};

/**
 * struct sb_sock - a socket of ours: a stream, and the beginning of a datagram
 * socket (datagram.h)
 * @sk:      must be first
 * @pinet6:  NULL for ever: where core code would look for struct ipv6_pinfo
 * @circuit: connected, connecting, or the entry of a listener; or NULL
 * @tx:      what we write; valid while @circuit is
 * @rx:      what we read; valid while @circuit is
 * @tx_area: mapped twice in a row
 * @rx_area: mapped twice in a row
 * @word:    our word in the circuit's entry
 * @peer_word: the peer's word in the circuit's entry
 * @own:     our word as last stored
 * @seen:    the peer's word as last believed
 * @told:    the peer's produced index, of which readers have been told
 * @side:    enum sb_side of ours
 * @moves:   how often this call was repeated elsewhere
 * @crowded: how often a ring was found full since that last mattered
 * @marked:  bytes moved when the sweep came by, see grow.c
 * @exchange: of @circuit for another
 * @flags:   SB_SOCK_* bits, atomic
 * @bound:   what bind() chose; family none when unbound
 * @local:   what getsockname() tells; family none when unknown
 * @remote:  what getpeername() tells
 * @options: what the peer's socket should have; .set says which were set
 * @hints:   options that are only kept; an accepted socket inherits both
 * @exposure: what an attached program may map, or NULL; exposure.c's lock
 * @listener: queues of a listening socket, allocated by the first listen()
 * @parting: lets go of another guest's circuit, after an abort
 * @port_node: in the port table, under its lock
 * @all_node: in the list of all sockets
 */
struct sb_sock {
	struct sock sk;
	void *pinet6;
	struct sb_circuit *circuit;
	struct sb_writer tx;
	struct sb_reader rx;
	u8 *tx_area;
	u8 *rx_area;
	u32 *word;
	const u32 *peer_word;
	u32 own;
	u32 seen;
	u32 told;
	u8 side;
	u8 moves;
	u8 crowded;
	u32 marked;
	struct sb_exchange exchange;
	unsigned long flags;
	struct sb_address bound;
	struct sb_address local;
	struct sb_address remote;
	struct sb_options options;
	struct sb_hints hints;
	struct sb_exposure *exposure;
	struct sb_listener *listener;
	struct work_struct parting;
	struct hlist_node port_node;
	struct hlist_node all_node;
};

/* Bits of sb_sock.flags */
enum {
	SB_SOCK_BELL, /* a bell rang while a process owned the socket */
	SB_SOCK_IN_PORTS, /* in the port table */
	SB_SOCK_LISTENS, /* takes connections from the port table */
	SB_SOCK_AUTOPORT, /* the port was chosen by us */
	SB_SOCK_CLOSED, /* by the program: only memory that waits to be freed */
	SB_SOCK_REJOIN, /* another proxy came, that knows of no groups */
	SB_SOCK_ASKS, /* waits for an answer about its socket */
	SB_SOCK_PORT_TOLD, /* a datagram socket's port is known, and stays */
	SB_SOCK_ATTACHED, /* a program moves the indexes, see mmap.c */
	SB_SOCK_BUSY, /* its rings were found full, see grow.c */
};

static inline struct sb_sock *sb_sk(const struct sock *sk)
{
	return container_of(sk, struct sb_sock, sk);
}

/**
 * struct sb_counters - what happened since the module was loaded
 * @circuits_opened:   circuits that reached OPEN, both directions
 * @circuits_refused:  connects that failed, for whatever reason
 * @circuits_ended:    circuits given back
 * @circuits_existing: circuits that own pages now, in whatever state
 * @circuits_ready:    of those, in a pool
 * @lies:              circuits ended because the peer's word or index lied
 * @calls_waited:      calls that found no circuit, and waited for one
 * @pages_given:       pages of ready circuits that had to make room for others
 * @pages_quarantined: pages that a peer may still map
 * @pages_withheld:    pages that other guests are to give back: the quarantined
 *                     ones, and those of circuits that wait for an answer
 * @events_sent:       event-channel notifications sent
 * @events_received:   event-channel interrupts
 * @dozes:             waits in the hypervisor, see doze.c
 * @dozes_woken:       of those, ended by the bell that was waited for
 * @steal_clocks_stopped: run states that Xen need not write, see steal.c
 * @bells_rung:        doorbells rung, in-guest ones too
 * @bells_answered:    doorbells looked at
 * @messages_sent:     requests on the trunk
 * @messages_received: orders and answers on the trunk
 * @loopback_opened:   in-guest connections
 * @datagrams_in_guest: datagrams queued at another socket of this guest
 * @datagrams_direct_out: datagrams put into another guest's ring
 * @datagrams_direct_in: datagrams of other guests queued at a socket
 * @datagrams_dropped: datagrams for which there was no room, or no use
 * @sockets:           sockets that exist now
 * @direct_called:     calls over direct lines
 * @direct_taken:      calls of other guests that were taken
 * @direct_refused:    calls and datagrams of other guests that were not
 * @pages_foreign:     pages of other guests' circuits that are mapped
 * @pages_viewed:      of those, mapped into programs, see view.c
 * @views_failed:      programs that could not have them
 * @circuits_exchanged: streams that went on in another circuit
 * @exchanges_refused: streams that could not
 * @circuits_grown:    offers of a larger circuit
 * @circuits_shrunk:   offers of a smaller one
 * @pages_grown:       pages of circuits that are larger than all are at first
 */
struct sb_counters {
	atomic64_t circuits_opened;
	atomic64_t circuits_refused;
	atomic64_t circuits_ended;
	atomic64_t circuits_existing;
	atomic64_t circuits_ready;
	atomic64_t lies;
	atomic64_t calls_waited;
	atomic64_t pages_given;
	atomic64_t pages_quarantined;
	atomic64_t pages_withheld;
	atomic64_t events_sent;
	atomic64_t events_received;
	atomic64_t dozes;
	atomic64_t dozes_woken;
	atomic64_t steal_clocks_stopped;
	atomic64_t bells_rung;
	atomic64_t bells_answered;
	atomic64_t messages_sent;
	atomic64_t messages_received;
	atomic64_t loopback_opened;
	atomic64_t datagrams_in_guest;
	atomic64_t datagrams_direct_out;
	atomic64_t datagrams_direct_in;
	atomic64_t datagrams_dropped;
	atomic64_t sockets;
	atomic64_t direct_called;
	atomic64_t direct_taken;
	atomic64_t direct_refused;
	atomic64_t pages_foreign;
	atomic64_t pages_viewed;
	atomic64_t views_failed;
	atomic64_t circuits_exchanged;
	atomic64_t exchanges_refused;
	atomic64_t circuits_grown;
	atomic64_t circuits_shrunk;
	atomic64_t pages_grown;
};

extern struct sb_counters sb_counters;

/* ---- netdev.c: interface sb0, addresses, name servers ---- */
int sb_netdev_init(void);
void sb_netdev_exit(void);
/* Process context; -EEXIST is not an error: returns 0 */
int sb_netdev_add_address(const struct sb_address *a, u8 prefix);
/* Take all addresses that sb_netdev_add_address() gave sb0 away */
void sb_netdev_clear(void);
int sb_resolver_add(const struct sb_address *a);
void sb_resolver_clear(void);
/* resolver.c for proc.c */
int sb_resolver_show(struct seq_file *file, void *unused);

/* The index of sb0, as programs know it */
u32 sb_netdev_index(void);

/* ---- control.c: interface ioctls ---- */
int sb_control_init(void);
void sb_control_exit(void);
/* Everything but FIONREAD, SIOCOUTQ, SIOCOUTQNSD and SIOCATMARK; unlocked */
int sb_control_ioctl(struct socket *sock, unsigned int cmd, unsigned long arg);
#ifdef CONFIG_COMPAT
/* proto_ops.compat_ioctl */
int sb_control_compat_ioctl(struct socket *sock, unsigned int cmd,
			    unsigned long arg);
#endif

/* ---- options.c: setsockopt, getsockopt ----
 *
 * On Linux 6.1 SOL_SOCKET never comes here: the core keeps those options in
 * struct sock, and sb_options_collect() (options.h) takes them over.
 * Called without the socket lock.
 */
int sb_options_set(struct socket *sock, int level, int optname,
		   sockptr_t optval, unsigned int optlen);
int sb_options_get(struct socket *sock, int level, int optname,
		   char __user *optval, int __user *optlen);

/* ---- steal.c ---- */
void sb_steal_init(void);

/* ---- proc.c ---- */
int sb_proc_init(void);
void sb_proc_exit(void);

/* ---- family.c: sockets come and go ---- */
int sb_family_init(void);
/* A socket without a struct socket, for accept(); NULL without memory */
struct sb_sock *sb_sock_create(struct net *net, int family, int kern,
			       gfp_t gfp);
/*
 * Visit every socket that exists. @visit must not sleep and may only read;
 * sk_state, bound, local, remote, tx and rx may be changing meanwhile.
 */
void sb_sock_for_each(void (*visit)(struct sb_sock *sb, void *arg), void *arg);

/* ---- address.c ---- */
/* Linux's sockaddr to ours; v4-mapped becomes IPv4. 0, -EINVAL, -EAFNOSUPPORT */
int sb_address_parse(struct sb_address *a, const struct sock *sk,
		     const struct sockaddr *sa, int bytes);
/* Ours to Linux's, as a socket of @sk's family tells it. Returns its length */
int sb_address_format(const struct sb_address *a, const struct sock *sk,
		      struct sockaddr *sa);
/* Copy an address that the peer wrote: false when it is none */
bool sb_address_copy(struct sb_address *to, const struct sb_address *from);
bool sb_address_is_any(const struct sb_address *a);
bool sb_address_is_loopback(const struct sb_address *a);
bool sb_address_is_own(const struct sb_address *a);
/* 255.255.255.255 too */
bool sb_address_is_multicast(const struct sb_address *a);
bool sb_address_is_broadcast(const struct sb_address *a);
/* As connect() and sendto() understand it: no address means this machine */
void sb_address_any_to_loopback(struct sb_address *a);
/* The first own address of a family; false when there is none */
bool sb_address_own_first(u16 family, struct sb_address *a);
/* As sb_address_parse(), of whatever family the address says */
int sb_address_parse_any(struct sb_address *a, const struct sockaddr *sa,
			 int bytes);
/* Same address, whatever the port */
bool sb_address_equal(const struct sb_address *a, const struct sb_address *b);
/* The list of own addresses, from the trunk's work only */
int sb_address_own_add(const struct sb_address *a);
void sb_address_own_clear(void);

/* ---- stream.c: states of a socket; the caller holds lock_sock() ---- */
extern const struct proto_ops sb_stream_ops;
/* The options changed: tell the peer. Called again whenever a circuit opens */
void sb_stream_options_changed(struct sb_sock *sb);
/*
 * What the peer's socket is doing. Waits up to SB_INFO_MS for the proxy's
 * answer and lets go of the socket lock meanwhile; in-guest connections are
 * answered at once. 0, -ENOTCONN, -ETIMEDOUT (@info is then zero).
 */
int sb_stream_info(struct sb_sock *sb, struct sb_info *info);

#include "internal.h"

#endif
