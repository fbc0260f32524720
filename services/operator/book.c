/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * book.c - which circuits and listeners of a line the operator ordered
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

static uint32_t *count_of(struct book *b, const struct book_record *record)
{
	return record->kind == SB_ENTRY_LISTENER ? &b->listeners : &b->circuits;
}

struct book_record *book_add(struct book *b, uint32_t entry,
			     uint32_t generation, enum sb_entry_kind kind)
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
	record->kind = (uint8_t)kind;
	record->entry = entry;
	record->book = b;
	++*count_of(b, record);
	return record;
}

void book_remove(struct book *b, struct book_record *record)
{
	struct book_chunk **chunk = &b->chunk[record->entry / BOOK_CHUNK];

	--*count_of(b, record);
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
