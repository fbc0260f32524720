/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ends.h - two attachments that are connected to each other
 *
 *   ends->s[0] ------ ENDS_UNIX, ENDS_TCP: ordinary sockets, copied ------ s[1]
 *              ------ ENDS_PAGE, ENDS_RING: mapped rings; no kernel, the
 *                     two ends ring each other through eventfds
 */
#ifndef TESTS_LIBRARY_ENDS_H
#define TESTS_LIBRARY_ENDS_H

#include <stdbool.h>

#include "guest/lib/internal.h"

enum ends_kind {
	ENDS_UNIX,
	ENDS_TCP,
	ENDS_PAGE, /* areas of one page */
	ENDS_RING, /* areas of the usual size */
	ENDS_KINDS,
};

struct ends {
	enum ends_kind kind;
	struct switchboard *s[2];
	struct sb_index_page *page; /* of rings, or NULL */
};

/* Connect and attach; failures end the test */
struct ends *ends_open(enum ends_kind kind);
static inline bool ends_are_mapped(enum ends_kind kind)
{
	return kind >= ENDS_PAGE;
}
/* That end will not block any more */
void ends_set_nonblocking(struct ends *ends, int end);
/* That end writes no more */
void ends_finish(struct ends *ends, int end);
/* That end is gone, with its attachment */
void ends_leave(struct ends *ends, int end);
/* Whatever is left */
void ends_close(struct ends *ends);

#endif
