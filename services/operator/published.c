/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * published.c - which address and port of Dom0 is whose listener's
 */
#include "services/common/address.h"
#include "services/operator/published.h"

/* Ports come from the configuration: no guest can aim at one bucket */
static struct book_place **bucket_of(struct published *p,
				     const struct sb_address *a)
{
	return &p->bucket[(a->port + a->bytes[3] * 31u + a->bytes[15]) %
			  PUBLISHED_BUCKETS];
}

static void take_out(struct published *p, struct book_place *place)
{
	struct book_place **at = bucket_of(p, &place->address);

	while (*at && *at != place)
		at = &(*at)->next;
	if (*at)
		*at = place->next;
	place->next = NULL;
	place->record = NULL;
}

static void put_in(struct published *p, struct book_place *place,
		   struct book_record *record)
{
	struct book_place **bucket = bucket_of(p, &place->address);

	place->record = record;
	place->next = *bucket;
	*bucket = place;
}

void published_move(struct published *p, struct book_record *record,
		    const struct sb_address *at)
{
	uint32_t i;

	published_remove(p, record);
	for (i = 0; i < BOOK_PLACES; i++) {
		record->place[i].address = at[i];
		if (at[i].family != SB_FAMILY_NONE)
			put_in(p, &record->place[i], record);
	}
}

void published_remove(struct published *p, struct book_record *record)
{
	uint32_t i;

	for (i = 0; i < BOOK_PLACES; i++) {
		if (record->place[i].record)
			take_out(p, &record->place[i]);
	}
}

bool published_elsewhere(const struct published *p, const struct sb_address *at,
			 const struct book *b)
{
	const struct book_place *place = *bucket_of((struct published *)p, at);

	for (; place; place = place->next) {
		if (place->record->book != b &&
		    place->address.port == at->port &&
		    address_equal(&place->address, at))
			return true;
	}
	return false;
}

bool published_has(const struct published *p, const struct sb_address *at)
{
	return published_elsewhere(p, at, NULL);
}
