/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * line.h - what two parties share before any circuit
 *
 * A line is kernel-only memory of the owner, granted to the peer: a header
 * page, a page of doorbells, a directory page with the grants of the table
 * pages, and the table of circuit entries, which grows a page (16 entries) at
 * a time. It has one event channel.
 *
 * An entry is four cache lines, two written by each side. Each side's state
 * is one 32-bit word: generation, flags, state. Within a generation a word's
 * state and flags only ever grow. Whatever else a side tells is written
 * before its word and may be believed only with it.
 *
 * Life of an entry (owner/peer):
 *   FREE/-         nothing is granted
 *   READY/-        pages granted, in the owner's pool; the peer may map them
 *   OFFERED/-      the owner asked for a connection, or posted the circuit to
 *                  a listener, or wants to listen (no pages)
 *   OFFERED/TAKEN  the peer has accepted the request and works on it
 *   OFFERED/OPEN   connected, or listening: local and remote are valid
 *   CLOSED/...     the owner gives up whatever is left; the peer answers
 *   .../CLOSED     the peer will not touch the pages again; error is valid
 *   then           the owner zeroes the pages and begins a new generation
 *                  with READY, the pages still granted and mapped,
 *   REVOKED/-      or, from READY or after CLOSED, takes the pages back: the
 *                  peer unmaps them and answers
 *   REVOKED/UNMAPPED  the owner ends the grants, and only then frees pages
 */
#ifndef SWITCHBOARD_LINE_H
#define SWITCHBOARD_LINE_H

#include "address.h"
#include "circuit.h"

#define SB_LINE_MAGIC 0x654e4c53u /* "SLNe" */
#define SB_LINE_VERSION 1u

/* Entries in a table page, table pages of a line, entries of a line */
#define SB_ENTRIES_PER_PAGE 16u
#define SB_TABLE_PAGES_MAX 1024u
#define SB_ENTRIES_MAX (SB_ENTRIES_PER_PAGE * SB_TABLE_PAGES_MAX)
#define SB_ENTRY_NONE 0xffffffffu

/* Bits of sb_line.features: the circuit of a stream can be exchanged */
#define SB_FEATURE_EXCHANGE 0x1u

/* What a line is for */
enum sb_line_kind {
	SB_LINE_TCP = 1,
	SB_LINE_UDP = 2,
	SB_LINE_DIRECT = 3,
};

enum sb_entry_kind {
	SB_ENTRY_STREAM = 1,
	SB_ENTRY_DATAGRAM = 2,
	SB_ENTRY_LISTENER = 3,
};

/* A side's word: state in bits 0-3, flags in bits 4-7, generation above */
enum sb_owner_state {
	SB_OWNER_FREE = 0,
	SB_OWNER_READY = 1,
	SB_OWNER_OFFERED = 2,
	SB_OWNER_CLOSED = 3,
	SB_OWNER_REVOKED = 4,
};

enum sb_peer_state {
	SB_PEER_NONE = 0,
	SB_PEER_TAKEN = 1,
	SB_PEER_OPEN = 2,
	SB_PEER_CLOSED = 3,
	SB_PEER_UNMAPPED = 4,
};

#define SB_WORD_STATE 0x0fu
/* I write no more: what is produced when you see this is all there is */
#define SB_WORD_FIN 0x10u
/* I read no more: what you write from now on nobody wants */
#define SB_WORD_STOP 0x20u
/* This end was not orderly: the connection is to be reset */
#define SB_WORD_RESET 0x40u
#define SB_WORD_FLAGS 0x70u
#define SB_GENERATION_SHIFT 8
#define SB_GENERATION_MAX 0xffffffu

static inline uint32_t sb_word(uint32_t generation, uint32_t flags_and_state)
{
	return generation << SB_GENERATION_SHIFT | flags_and_state;
}

static inline uint32_t sb_word_generation(uint32_t word)
{
	return word >> SB_GENERATION_SHIFT;
}

static inline uint32_t sb_word_state(uint32_t word)
{
	return word & SB_WORD_STATE;
}

/* Generations run from 1 to SB_GENERATION_MAX and start again at 1 */
static inline uint32_t sb_generation_next(uint32_t generation)
{
	return generation >= SB_GENERATION_MAX ? 1 : generation + 1;
}

/* Bits of sb_options.set and sb_options.flags */
#define SB_OPTION_NODELAY 0x0001u
#define SB_OPTION_CORK 0x0002u
#define SB_OPTION_KEEPALIVE 0x0004u
#define SB_OPTION_QUICKACK 0x0008u
#define SB_OPTION_REUSEADDR 0x0010u
#define SB_OPTION_REUSEPORT 0x0020u
#define SB_OPTION_V6ONLY 0x0040u
#define SB_OPTION_LINGER 0x0080u
/* Of datagram sockets */
#define SB_OPTION_BROADCAST 0x0100u
#define SB_OPTION_LOCAL 0x0200u /* records tell SB_DATAGRAM_LOCAL, _INTERFACE */
#define SB_OPTION_RECVHOPS 0x0400u /* records tell SB_DATAGRAM_HOPS */
#define SB_OPTION_RECVTOS 0x0800u /* records tell SB_DATAGRAM_TOS */
#define SB_OPTION_MULTICAST_LOOP 0x1000u
#define SB_OPTION_MULTICAST_ALL 0x2000u
/* Only in .set: the field of the same name is valid */
#define SB_OPTION_KEEPIDLE 0x00010000u
#define SB_OPTION_KEEPINTVL 0x00020000u
#define SB_OPTION_KEEPCNT 0x00040000u
#define SB_OPTION_TOS 0x00080000u
#define SB_OPTION_TCLASS 0x00100000u
#define SB_OPTION_TTL 0x00200000u
#define SB_OPTION_HOPS 0x00400000u
#define SB_OPTION_USER_TIMEOUT 0x00800000u
#define SB_OPTION_SNDBUF 0x01000000u
#define SB_OPTION_RCVBUF 0x02000000u
#define SB_OPTION_LOWAT 0x04000000u
#define SB_OPTION_MAXSEG 0x08000000u
#define SB_OPTION_CONGESTION 0x10000000u
#define SB_OPTION_BACKLOG 0x20000000u
#define SB_OPTION_MTU_DISCOVER 0x40000000u
#define SB_OPTION_MULTICAST_HOPS 0x80000000u

/**
 * struct sb_options - the socket options that the peer's socket should have
 * @set:        which of the options below the owner has set at all
 * @flags:      values of the options that are a bit
 * @keepidle_s: TCP_KEEPIDLE, seconds
 * @keepintvl_s: TCP_KEEPINTVL, seconds
 * @keepcnt:    TCP_KEEPCNT
 * @tos:        IP_TOS
 * @tclass:     IPV6_TCLASS
 * @ttl:        IP_TTL
 * @hops:       IPV6_UNICAST_HOPS
 * @mtu_discover: IP_MTU_DISCOVER or IPV6_MTU_DISCOVER
 * @multicast_hops: IP_MULTICAST_TTL or IPV6_MULTICAST_HOPS
 * @protocol:   of a datagram socket: 0 for UDP, 1 for ICMP echo (of the family
 *              of the call's local address), valid in every generation
 * @user_timeout_ms: TCP_USER_TIMEOUT
 * @sndbuf:     SO_SNDBUF, bytes as the application gave them
 * @rcvbuf:     SO_RCVBUF, bytes as the application gave them
 * @lowat:      TCP_NOTSENT_LOWAT, bytes
 * @linger_s:   SO_LINGER, seconds, valid when the LINGER flag is on
 * @maxseg:     TCP_MAXSEG
 * @backlog:    listen()'s second argument, for a listener
 * @congestion: TCP_CONGESTION, padded with zeros
 */
struct sb_options {
	uint32_t set;
	uint32_t flags;
	uint16_t keepidle_s;
	uint16_t keepintvl_s;
	uint8_t keepcnt;
	uint8_t tos;
	uint8_t tclass;
	uint8_t ttl;
	uint8_t hops;
	uint8_t mtu_discover;
	uint8_t multicast_hops;
	uint8_t protocol;
	uint32_t user_timeout_ms;
	uint32_t sndbuf;
	uint32_t rcvbuf;
	uint32_t lowat;
	uint16_t linger_s;
	uint16_t maxseg;
	uint32_t backlog;
	uint8_t congestion[16];
};

/**
 * struct sb_info - what the peer's socket is doing, for TCP_INFO and SIOCOUTQ
 * @rtt_us:      smoothed round-trip time
 * @rttvar_us:   its variation
 * @snd_mss:     bytes
 * @rcv_mss:     bytes
 * @snd_cwnd:    segments
 * @retransmits: segments sent again since the connection opened
 * @unsent:      bytes the socket holds that its peer has not acknowledged
 * @tcp_state:   1 to 12 as in TCP_INFO
 */
struct sb_info {
	uint32_t rtt_us;
	uint32_t rttvar_us;
	uint32_t snd_mss;
	uint32_t rcv_mss;
	uint32_t snd_cwnd;
	uint32_t retransmits;
	uint32_t unsent;
	uint32_t tcp_state;
};

/**
 * struct sb_entry - a circuit's place in the table
 * @owner:       the owner's word: state, flags, generation
 * @order:       of both areas, SB_ORDER_MIN to SB_ORDER_MAX
 * @kind:        enum sb_entry_kind
 * @reserved0:   zero
 * @listener:    entry of the listener this circuit is posted to, of the circuit
 *               that it replaces, or SB_ENTRY_NONE; read with the OFFERED word
 * @owner_error: errno that goes with the owner's SB_WORD_RESET, or 0
 * @gref:        grants: index page, tx pages, rx pages, when the circuit has
 *               SB_CIRCUIT_PAGES_INLINE pages or fewer
 * @gref_list:   grant of a kernel-only page that lists the grants, otherwise 0
 * @options_seq: moves when @options changed
 * @info_seq:    moves when the owner wants @info renewed
 * @options:     wanted socket options
 * @replaces:    generation of the entry that @listener names, whose stream goes
 *               on in this circuit (docs/PROTOCOL.md, Exchange); 0: none
 * @peer:        the peer's word: state, flags, generation it answers
 * @error:       errno (Linux numbers, positive) of a CLOSED word, or 0
 * @options_ack: @options_seq that has been applied
 * @info_ack:    @info_seq that @info answers
 * @info:        state of the peer's socket
 * @replaced:    generation of this entry in which that happened; or older
 * @grow_switch: the order of areas that the peer wishes for; or 0
 * @reserved1:   zero
 * @local:       the connection's or listener's own address, valid from OPEN
 * @remote:      the other end's address, valid from OPEN of a connection
 * @reserved2:   zero
 */
struct sb_entry {
	/* written by the owner */
	uint32_t owner;
	uint8_t order;
	uint8_t kind;
	uint16_t reserved0;
	uint32_t listener;
	uint32_t owner_error;
	uint32_t gref[SB_CIRCUIT_PAGES_INLINE];
	uint32_t gref_list;
	uint32_t options_seq;
	uint32_t info_seq;
	struct sb_options options;
	uint32_t replaces;
	/* written by the peer */
	uint32_t peer;
	uint32_t error;
	uint32_t options_ack;
	uint32_t info_ack;
	struct sb_info info;
	uint32_t replaced;
	uint32_t grow_switch;
	uint32_t reserved1[2];
	struct sb_address local;
	struct sb_address remote;
	uint32_t reserved2[4];
};

/**
 * struct sb_line - the header page of a line
 * @magic:         SB_LINE_MAGIC
 * @version:       SB_LINE_VERSION
 * @kind:          enum sb_line_kind
 * @features:      SB_FEATURE_* that the owner offers
 * @doorbell_gref: grant of the doorbell page
 * @directory_gref: grant of the directory page
 * @table_pages:   table pages that the directory names; only ever grows
 * @owner_armed:   1 when the owner sleeps and wants an event; see doorbell.h
 * @peer_version:  0 until the peer has attached, then SB_LINE_VERSION
 * @peer_features: those of @features that the peer uses
 * @peer_epoch:    changes whenever another process takes over the peer's side
 * @peer_armed:    1 when the peer sleeps and wants an event
 * @to_owner:      summary of the owner's doorbells
 * @to_peer:       summary of the peer's doorbells
 */
struct sb_line {
	/* written by the owner */
	uint32_t magic;
	uint16_t version;
	uint16_t kind;
	uint32_t features;
	uint32_t doorbell_gref;
	uint32_t directory_gref;
	uint32_t table_pages;
	uint32_t reserved0[10];
	uint32_t owner_armed;
	uint32_t reserved1[15];
	/* written by the peer */
	uint32_t peer_version;
	uint32_t peer_features;
	uint32_t peer_epoch;
	uint32_t reserved2[13];
	uint32_t peer_armed;
	uint32_t reserved3[15];
	/* written by both, atomically */
	uint64_t to_owner;
	uint64_t reserved4[7];
	uint64_t to_peer;
	uint64_t reserved5[7];
	uint8_t reserved6[SB_PAGE_BYTES - 6 * 64];
};

#define SB_DOORBELL_WORDS (SB_ENTRIES_MAX / 64)

/**
 * struct sb_doorbells - the doorbell page: a bit for each entry, each way
 * @to_owner: bits that the peer sets and the owner takes
 * @to_peer:  bits that the owner sets and the peer takes
 */
struct sb_doorbells {
	uint64_t to_owner[SB_DOORBELL_WORDS];
	uint64_t to_peer[SB_DOORBELL_WORDS];
};

/**
 * struct sb_directory - the directory page
 * @gref: grant of each table page, valid below sb_line.table_pages
 */
struct sb_directory {
	uint32_t gref[SB_TABLE_PAGES_MAX];
};

/**
 * struct sb_table - a table page
 * @entry: entry n of the line is entry n % 16 of table page n / 16
 */
struct sb_table {
	struct sb_entry entry[SB_ENTRIES_PER_PAGE];
};

SB_ASSERT_AT(struct sb_options, set, 0);
SB_ASSERT_AT(struct sb_options, flags, 4);
SB_ASSERT_AT(struct sb_options, keepidle_s, 8);
SB_ASSERT_AT(struct sb_options, keepintvl_s, 10);
SB_ASSERT_AT(struct sb_options, keepcnt, 12);
SB_ASSERT_AT(struct sb_options, tos, 13);
SB_ASSERT_AT(struct sb_options, tclass, 14);
SB_ASSERT_AT(struct sb_options, ttl, 15);
SB_ASSERT_AT(struct sb_options, hops, 16);
SB_ASSERT_AT(struct sb_options, mtu_discover, 17);
SB_ASSERT_AT(struct sb_options, multicast_hops, 18);
SB_ASSERT_AT(struct sb_options, protocol, 19);
SB_ASSERT_AT(struct sb_options, user_timeout_ms, 20);
SB_ASSERT_AT(struct sb_options, sndbuf, 24);
SB_ASSERT_AT(struct sb_options, rcvbuf, 28);
SB_ASSERT_AT(struct sb_options, lowat, 32);
SB_ASSERT_AT(struct sb_options, linger_s, 36);
SB_ASSERT_AT(struct sb_options, maxseg, 38);
SB_ASSERT_AT(struct sb_options, backlog, 40);
SB_ASSERT_AT(struct sb_options, congestion, 44);
SB_ASSERT_SIZE(struct sb_options, 60);

SB_ASSERT_AT(struct sb_info, rtt_us, 0);
SB_ASSERT_AT(struct sb_info, rttvar_us, 4);
SB_ASSERT_AT(struct sb_info, snd_mss, 8);
SB_ASSERT_AT(struct sb_info, rcv_mss, 12);
SB_ASSERT_AT(struct sb_info, snd_cwnd, 16);
SB_ASSERT_AT(struct sb_info, retransmits, 20);
SB_ASSERT_AT(struct sb_info, unsent, 24);
SB_ASSERT_AT(struct sb_info, tcp_state, 28);
SB_ASSERT_SIZE(struct sb_info, 32);

SB_ASSERT_AT(struct sb_entry, owner, 0);
SB_ASSERT_AT(struct sb_entry, order, 4);
SB_ASSERT_AT(struct sb_entry, kind, 5);
SB_ASSERT_AT(struct sb_entry, listener, 8);
SB_ASSERT_AT(struct sb_entry, owner_error, 12);
SB_ASSERT_AT(struct sb_entry, gref, 16);
SB_ASSERT_AT(struct sb_entry, gref_list, 52);
SB_ASSERT_AT(struct sb_entry, options_seq, 56);
SB_ASSERT_AT(struct sb_entry, info_seq, 60);
SB_ASSERT_AT(struct sb_entry, options, 64);
SB_ASSERT_AT(struct sb_entry, replaces, 124);
SB_ASSERT_AT(struct sb_entry, peer, 128);
SB_ASSERT_AT(struct sb_entry, error, 132);
SB_ASSERT_AT(struct sb_entry, options_ack, 136);
SB_ASSERT_AT(struct sb_entry, info_ack, 140);
SB_ASSERT_AT(struct sb_entry, info, 144);
SB_ASSERT_AT(struct sb_entry, replaced, 176);
SB_ASSERT_AT(struct sb_entry, grow_switch, 180);
SB_ASSERT_AT(struct sb_entry, local, 192);
SB_ASSERT_AT(struct sb_entry, remote, 216);
SB_ASSERT_SIZE(struct sb_entry, 256);

SB_ASSERT_AT(struct sb_line, magic, 0);
SB_ASSERT_AT(struct sb_line, version, 4);
SB_ASSERT_AT(struct sb_line, kind, 6);
SB_ASSERT_AT(struct sb_line, features, 8);
SB_ASSERT_AT(struct sb_line, doorbell_gref, 12);
SB_ASSERT_AT(struct sb_line, directory_gref, 16);
SB_ASSERT_AT(struct sb_line, table_pages, 20);
SB_ASSERT_AT(struct sb_line, owner_armed, 64);
SB_ASSERT_AT(struct sb_line, peer_version, 128);
SB_ASSERT_AT(struct sb_line, peer_features, 132);
SB_ASSERT_AT(struct sb_line, peer_epoch, 136);
SB_ASSERT_AT(struct sb_line, peer_armed, 192);
SB_ASSERT_AT(struct sb_line, to_owner, 256);
SB_ASSERT_AT(struct sb_line, to_peer, 320);
SB_ASSERT_SIZE(struct sb_line, SB_PAGE_BYTES);

SB_ASSERT_AT(struct sb_doorbells, to_owner, 0);
SB_ASSERT_AT(struct sb_doorbells, to_peer, 2048);
SB_ASSERT_SIZE(struct sb_doorbells, SB_PAGE_BYTES);
SB_ASSERT_SIZE(struct sb_directory, SB_PAGE_BYTES);
SB_ASSERT_SIZE(struct sb_table, SB_PAGE_BYTES);

#endif
