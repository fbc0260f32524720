/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * trunk.h - the line between a guest and the operator
 *
 * It alone carries requests. Five pages of the guest: a header, two pages for
 * the messages that the guest sends, two for those of the operator. Both
 * rings are those of ring.h, with messages of a fixed size that never
 * straddle the wrap. The header's grant and the event channel are in
 * xenstore, see docs/PROTOCOL.md.
 */
#ifndef SWITCHBOARD_TRUNK_H
#define SWITCHBOARD_TRUNK_H

#include "address.h"
#include "circuit.h"

#define SB_TRUNK_MAGIC 0x6b545253u /* "SRTk" */
#define SB_TRUNK_VERSION 1u
#define SB_TRUNK_AREA_PAGES 2u
#define SB_TRUNK_AREA_BYTES (SB_TRUNK_AREA_PAGES * SB_PAGE_BYTES)

/* Feature: ADMIT and ROUTE may be about datagrams */
#define SB_TRUNK_DATAGRAMS 0x1u

/* Lines of one guest are numbered below this */
#define SB_LINES_MAX 64u

enum sb_message_type {
	/* guest to operator */
	SB_MESSAGE_LINE_READY = 1, /* line, gref (header page), port */
	SB_MESSAGE_LINE_GONE = 2, /* line: torn down, its grants ended */
	SB_MESSAGE_LISTEN = 4, /* line, entry, generation, local, backlog */
	SB_MESSAGE_LINE_TAKEN = 5, /* line, domain, gref, port; error */
	SB_MESSAGE_ADMITTED = 6, /* line, local, kind; error */
	/* operator to guest */
	SB_MESSAGE_ADDRESS = 0x81, /* local: address; prefix */
	SB_MESSAGE_NAMESERVER = 0x82, /* local: address */
	SB_MESSAGE_CONFIGURED = 0x83, /* no more addresses or name servers */
	SB_MESSAGE_LINE_WANTED = 0x84, /* line, kind, domain: make one */
	SB_MESSAGE_LINE_LOST = 0x85, /* line: its peer is gone, tear down */
	SB_MESSAGE_REFUSED = 0x86, /* line, entry, generation, error */
	SB_MESSAGE_LINE_OFFERED = 0x87, /* line, kind, domain, gref, port */
	SB_MESSAGE_LINE_ENDED = 0x88, /* line: offered once, now let go of it */
	SB_MESSAGE_ADMIT = 0x89, /* line, local, kind; remote; error: not now */
	SB_MESSAGE_ROUTE = 0x8a, /* line, remote, kind; error: no way */
};

/* What a LISTEN wants; its kind */
enum sb_listen_kind {
	SB_LISTEN_ONE = 0, /* the family of its address */
	SB_LISTEN_BOTH = 1, /* both: bound to ::, without IPV6_V6ONLY */
};

/**
 * struct sb_message - a request or an order
 * @type:       enum sb_message_type
 * @line:       which of the guest's lines, below SB_LINES_MAX
 * @entry:      which entry of that line
 * @generation: of the entry, so that a message sent again is known as such
 * @error:      errno (Linux numbers, positive)
 * @gref:       grant of a line's header page
 * @port:       event channel of the line's owner
 * @domain:     to whom the line and its channel are to be granted; of a line
 *              that is offered: whose it is
 * @kind:       enum sb_line_kind; of an address that may be called what may go
 *              there: SB_ENTRY_STREAM or SB_ENTRY_DATAGRAM; of LISTEN
 *              enum sb_listen_kind
 * @prefix:     length in bits of the network part of @local
 * @reserved0:  zero
 * @backlog:    listen()'s second argument
 * @local:      bound address (family none when unbound), or the one handed out
 * @remote:     who may call
 * @reserved1:  zero
 */
struct sb_message {
	uint16_t type;
	uint16_t line;
	uint32_t entry;
	uint32_t generation;
	uint32_t error;
	uint32_t gref;
	uint32_t port;
	uint32_t domain;
	uint8_t kind;
	uint8_t prefix;
	uint16_t reserved0;
	uint32_t backlog;
	uint32_t reserved2;
	struct sb_address local;
	struct sb_address remote;
	uint32_t reserved1[10];
};

/**
 * struct sb_trunk - the header page of a trunk
 * @magic:    SB_TRUNK_MAGIC
 * @version:  SB_TRUNK_VERSION
 * @reserved0: zero
 * @features: feature bits the guest offers: SB_TRUNK_DATAGRAMS
 * @tx_gref:  pages of the guest's messages
 * @rx_gref:  pages of the operator's messages
 * @peer_version: 0 until the operator has attached, then SB_TRUNK_VERSION
 * @peer_features: those of @features that the operator uses
 * @peer_epoch: changes when another operator process takes over: the guest
 *             sends again whatever was not answered
 * @index:    of both rings: the guest is SB_OWNER
 */
struct sb_trunk {
	/* written by the guest */
	uint32_t magic;
	uint16_t version;
	uint16_t reserved0;
	uint32_t features;
	uint32_t tx_gref[SB_TRUNK_AREA_PAGES];
	uint32_t rx_gref[SB_TRUNK_AREA_PAGES];
	uint32_t reserved1[9];
	/* written by the operator */
	uint32_t peer_version;
	uint32_t peer_features;
	uint32_t peer_epoch;
	uint32_t reserved2[13];
	uint8_t reserved3[1024 - 128];
	/* each half written by one side, as ring.h says */
	struct sb_index index[2];
	uint8_t reserved4[SB_PAGE_BYTES - 1024 - 128];
};

SB_ASSERT_AT(struct sb_message, type, 0);
SB_ASSERT_AT(struct sb_message, line, 2);
SB_ASSERT_AT(struct sb_message, entry, 4);
SB_ASSERT_AT(struct sb_message, generation, 8);
SB_ASSERT_AT(struct sb_message, error, 12);
SB_ASSERT_AT(struct sb_message, gref, 16);
SB_ASSERT_AT(struct sb_message, port, 20);
SB_ASSERT_AT(struct sb_message, domain, 24);
SB_ASSERT_AT(struct sb_message, kind, 28);
SB_ASSERT_AT(struct sb_message, prefix, 29);
SB_ASSERT_AT(struct sb_message, backlog, 32);
SB_ASSERT_AT(struct sb_message, local, 40);
SB_ASSERT_AT(struct sb_message, remote, 64);
SB_ASSERT_SIZE(struct sb_message, 128);

SB_ASSERT_AT(struct sb_trunk, magic, 0);
SB_ASSERT_AT(struct sb_trunk, version, 4);
SB_ASSERT_AT(struct sb_trunk, features, 8);
SB_ASSERT_AT(struct sb_trunk, tx_gref, 12);
SB_ASSERT_AT(struct sb_trunk, rx_gref, 20);
SB_ASSERT_AT(struct sb_trunk, peer_version, 64);
SB_ASSERT_AT(struct sb_trunk, peer_features, 68);
SB_ASSERT_AT(struct sb_trunk, peer_epoch, 72);
SB_ASSERT_AT(struct sb_trunk, index, 1024);
SB_ASSERT_SIZE(struct sb_trunk, SB_PAGE_BYTES);

#endif
