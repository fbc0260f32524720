/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * book.h - which listeners of a line the operator ordered
 *
 * An array over the line's entries, in chunks that exist while something is
 * in them. The owner bounds how many records there are; the table of entries
 * bounds the rest.
 */
#ifndef OPERATOR_BOOK_H
#define OPERATOR_BOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/address.h"
#include "protocol/line.h"

#define BOOK_CHUNK 64u
#define BOOK_CHUNKS (SB_ENTRIES_MAX / BOOK_CHUNK)

/* Where a listener may be: one for each family */
#define BOOK_PLACES 2u

struct book;

/**
 * struct book_place - where Dom0 listens
 * @address: family none: nowhere
 * @record:  for whom, while it is published
 * @next:    places with the same hash, see published.h
 */
struct book_place {
	struct sb_address address;
	struct book_record *record;
	struct book_place *next;
};

/**
 * struct book_record - a listener
 * @generation: 0: nothing here
 * @round:      of the list that last confirmed it, or when it was ordered
 * @asked_ms:   when
 * @place:      where Dom0 listens; the second, if there is one, is IPv4
 * @backlog:    as the guest gave it, clamped
 * @book:       whose it is
 * @entry:      which
 */
struct book_record {
	uint32_t generation;
	uint32_t round;
	uint64_t asked_ms;
	struct book_place place[BOOK_PLACES];
	uint32_t backlog;
	uint32_t entry;
	struct book *book;
};

struct book_chunk {
	uint32_t used;
	struct book_record record[BOOK_CHUNK];
};

/**
 * struct book - the records of one line; zero-initialised
 * @listeners: listeners in it
 */
struct book {
	uint32_t listeners;
	struct book_chunk *chunk[BOOK_CHUNKS];
};

/* Return: the record of @entry, or NULL */
struct book_record *book_find(const struct book *b, uint32_t entry);

/*
 * A new record for @entry, which must have none; @generation is set. Return:
 * the record, or NULL when memory is short.
 */
struct book_record *book_add(struct book *b, uint32_t entry,
			     uint32_t generation);
void book_remove(struct book *b, struct book_record *record);

/* The first record at or behind @entry, or NULL */
struct book_record *book_next(const struct book *b, uint32_t entry);

#endif
