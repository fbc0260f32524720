/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * published.h - which address and port of Dom0 is whose listener's
 *
 * A hash over the places of the listeners of all books, so that a second guest
 * gets EADDRINUSE without a question to the proxy.
 */
#ifndef OPERATOR_PUBLISHED_H
#define OPERATOR_PUBLISHED_H

#include "services/operator/book.h"

#define PUBLISHED_BUCKETS 512u

/* Zero-initialised */
struct published {
	struct book_place *bucket[PUBLISHED_BUCKETS];
};

/* From now on @record is at these places, of BOOK_PLACES */
void published_move(struct published *p, struct book_record *record,
		    const struct sb_address *at);
void published_remove(struct published *p, struct book_record *record);

/* Does a listener of another book have this very address and port? */
bool published_elsewhere(const struct published *p, const struct sb_address *at,
			 const struct book *b);
/* Does any listener? */
bool published_has(const struct published *p, const struct sb_address *at);

#endif
