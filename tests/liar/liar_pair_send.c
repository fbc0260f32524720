// SPDX-License-Identifier: GPL-2.0-only
/*
 * liar_pair_send.c - pair_send.c, but a record may be none when it is published
 */
#include <linux/random.h>

#include "pair.h"

#include "liar.h"

/* One in so many is honest, and so is where it ends */
#define HONEST_RECORDS 4u

static void advance_honestly(struct sb_writer *w, u32 bytes)
{
	sb_writer_advance(w, bytes);
}

/* The record has been written, and is not published */
static void advance(struct sb_writer *w, u32 bytes)
{
	struct sb_pair *p = container_of(w, struct sb_pair, tx);
	void *at = p->tx_area + sb_writer_offset(w);

	if (liar_tells(LIAR_RECORD)) {
		if (get_random_u32() % HONEST_RECORDS)
			liar_spoil_record(at);
		if (!(get_random_u32() % HONEST_RECORDS))
			bytes = get_random_u32() % (2 * w->size);
	}
	advance_honestly(w, bytes);
}

#define sb_writer_advance advance
#include "pair_send.c"
#undef sb_writer_advance
