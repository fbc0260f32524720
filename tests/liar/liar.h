/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * liar.h - the module of a guest that lies to other guests, see liar.c
 */
#ifndef SB_TESTS_LIAR_H
#define SB_TESTS_LIAR_H

#include "pair.h"

/* What it lies about; names and bits are in the same order */
enum liar_lie {
	LIAR_INDEX, /* indexes of circuits, while they are used */
	LIAR_WORD, /* words of entries */
	LIAR_ENTRY, /* grants, order, kind, errors, addresses of entries */
	LIAR_HEADER, /* of the line, and the grants in its directory */
	LIAR_CALL, /* calls that nobody made and the operator never admitted */
	LIAR_RECORD, /* headers of datagrams, where they end, while in the ring */
	LIAR_BELL, /* all bells, and events without end */
	LIAR_SILENT, /* answers no bell of a caller */
	LIAR_KEEP, /* says that it has unmapped what it has not */
};

/**
 * struct liar_target - what can be lied about
 * @side:      the liar's
 * @channel:   its end of the line
 * @header:    of the line; @directory too
 * @number:    of the entry
 * @entry:     in the table
 * @index:     index page of the circuit
 * @pair:      the kernels' datagrams on the circuit, or NULL; under RCU
 */
struct liar_target {
	enum sb_side side;
	struct sb_channel *channel;
	struct sb_line *header;
	struct sb_directory *directory;
	u32 number;
	struct sb_entry *entry;
	struct sb_index_page *index;
	struct sb_pair *pair;
};

bool liar_tells(enum liar_lie lie);
/* Nonsense into a record's header */
void liar_spoil_record(struct sb_datagram *header);
/* Tell some lies about a target, now */
void liar_tell(const struct liar_target *t);
/* The same about the entries of each line that leads here */
void liar_tell_callers(void);

#endif
