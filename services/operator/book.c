/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * book.c - which listeners of a line the operator ordered
 */
#include <stdlib.h>
#include <string.h>

#include "services/operator/book.h"

struct book_record *book_find(const struct book *b, uint32_t entry)
{
	struct book_chunk *chunk;

	if (entry >= SB_ENTRIES_MAX)
		return NULL;
	chunk = b->chunk[entry / BOOK_CHUNK];
	if (!chunk || !chunk->record[entry % BOOK_CHUNK].generation)
		return NULL;
	return &chunk->record[entry % BOOK_CHUNK];
}

struct book_record *book_add(struct book *b, uint32_t entry,
			     uint32_t generation)
{
	struct book_chunk **chunk;
	struct book_record *record;

	if (entry >= SB_ENTRIES_MAX)
		return NULL;
	chunk = &b->chunk[entry / BOOK_CHUNK];
	if (!*chunk)
		*chunk = calloc(1, sizeof(**chunk));
	if (!*chunk)
		return NULL;
	(*chunk)->used++;
	record = &(*chunk)->record[entry % BOOK_CHUNK];
	memset(record, 0, sizeof(*record));
	record->generation = generation;
	record->entry = entry;
	record->book = b;
	b->listeners++;
	return record;
}

void book_remove(struct book *b, struct book_record *record)
{
	struct book_chunk **chunk = &b->chunk[record->entry / BOOK_CHUNK];

	b->listeners--;
	record->generation = 0;
	if (--(*chunk)->used)
		return;
	free(*chunk);
	*chunk = NULL;
}

struct book_record *book_next(const struct book *b, uint32_t entry)
{
	while (entry < SB_ENTRIES_MAX) {
		const struct book_chunk *chunk = b->chunk[entry / BOOK_CHUNK];
		struct book_record *record;

		if (!chunk) {
			entry = (entry / BOOK_CHUNK + 1) * BOOK_CHUNK;
			continue;
		}
		record = book_find(b, entry++);
		if (record)
			return record;
	}
	return NULL;
}
