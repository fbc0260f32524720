/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * ring.h - one direction of a circuit
 *
 * Free-running 32-bit indexes; the byte with index i is at area[i & (size -
 * 1)]. Each side keeps its own index privately and only ever publishes it;
 * the peer's index is loaded once, checked, and only then used. A peer that
 * lies gets -EPROTO here, and its circuit is ended by the caller: accessors
 * never loop, never touch memory outside the area, and remember the last
 * index they believed, so that one that moves backwards is a lie too.
 *
 * Waking: a side that is about to sleep arms (sb_reader_arm(),
 * sb_writer_arm()): it stores the index past which it wants to be woken and
 * looks again. A side that moved an index looks at the peer's event and rings
 * the doorbell only when that index was passed. An event that nobody renewed
 * is passed once and then stays behind, so a busy ring rings no bells.
 *
 * Nothing here sleeps, locks or allocates. One thread at a time may use a
 * struct sb_writer, one a struct sb_reader; they may be different threads.
 */
#ifndef SWITCHBOARD_RING_H
#define SWITCHBOARD_RING_H

#ifdef __KERNEL__
#include <linux/errno.h>
#else
#include <errno.h>
#endif

#include "circuit.h"

/**
 * struct sb_writer - the private view of the side that writes a ring
 * @mine:      own line of the index page; only ever stored to
 * @peer:      the reader's line; only ever loaded from
 * @size:      bytes in the area, a power of two
 * @produced:  own index, as last published or ahead of it
 * @published: own index as the peer can see it
 * @consumed:  the peer's index as last checked
 */
struct sb_writer {
	struct sb_index *mine;
	const struct sb_index *peer;
	uint32_t size;
	uint32_t produced;
	uint32_t published;
	uint32_t consumed;
};

/**
 * struct sb_reader - the private view of the side that reads a ring
 * @mine:      own line of the index page; only ever stored to
 * @peer:      the writer's line; only ever loaded from
 * @size:      bytes in the area, a power of two
 * @consumed:  own index, as last released or ahead of it
 * @released:  own index as the peer can see it
 * @produced:  the peer's index as last checked
 */
struct sb_reader {
	struct sb_index *mine;
	const struct sb_index *peer;
	uint32_t size;
	uint32_t consumed;
	uint32_t released;
	uint32_t produced;
};

/* Did an index that moved from @from to @to go past @event? */
static inline bool sb_event_passed(uint32_t event, uint32_t from, uint32_t to)
{
	return to - event - 1 < to - from;
}

static inline uint32_t sb_area_bytes(unsigned int order)
{
	return SB_PAGE_BYTES << order;
}

static inline void sb_writer_init(struct sb_writer *w,
				  struct sb_index_page *page, enum sb_side side,
				  uint32_t size)
{
	w->mine = &page->side[side];
	w->peer = &page->side[!side];
	w->size = size;
	w->produced = 0;
	w->published = 0;
	w->consumed = 0;
	/* zero would ask for a bell with the first byte that is read */
	sb_store(&w->mine->space_event, 0xffffffffu);
}

static inline void sb_reader_init(struct sb_reader *r,
				  struct sb_index_page *page, enum sb_side side,
				  uint32_t size)
{
	r->mine = &page->side[side];
	r->peer = &page->side[!side];
	r->size = size;
	r->consumed = 0;
	r->released = 0;
	r->produced = 0;
}

/**
 * sb_writer_resume() - go on from the indexes that are in shared memory
 * @w:     the ring
 * @index: both sides' lines (of an index page, or of a trunk)
 * @side:  ours
 * @size:  bytes in the area, a power of two
 *
 * For a process that takes over from one that died, and for a new ring, whose
 * indexes are zero. Even one's own line may have been written by the owner of
 * the page, so it is checked like the peer's.
 *
 * Return: 0, or -EPROTO when the indexes contradict each other.
 */
static inline int sb_writer_resume(struct sb_writer *w, struct sb_index *index,
				   enum sb_side side, uint32_t size)
{
	w->mine = &index[side];
	w->peer = &index[!side];
	w->size = size;
	w->produced = sb_load_full(&w->mine->produced);
	w->published = w->produced;
	w->consumed = sb_load_full(&w->peer->consumed);
	return w->produced - w->consumed > size ? -EPROTO : 0;
}

/* The same for the side that reads */
static inline int sb_reader_resume(struct sb_reader *r, struct sb_index *index,
				   enum sb_side side, uint32_t size)
{
	r->mine = &index[side];
	r->peer = &index[!side];
	r->size = size;
	r->consumed = sb_load_full(&r->mine->consumed);
	r->released = r->consumed;
	r->produced = sb_load_full(&r->peer->produced);
	return r->produced - r->consumed > size ? -EPROTO : 0;
}

/* Bytes that can be written without another look at the peer */
static inline uint32_t sb_writer_room(const struct sb_writer *w)
{
	return w->size - (w->produced - w->consumed);
}

/**
 * sb_writer_space() - look how much can be written now
 * @w: the ring
 *
 * Return: 0 to @w->size bytes, or -EPROTO when the peer's index is a lie.
 */
static inline int64_t sb_writer_space(struct sb_writer *w)
{
	uint32_t consumed = sb_load_full(&w->peer->consumed);

	/* must lie between what it last was and what has been published */
	if (w->published - consumed > w->published - w->consumed)
		return -EPROTO;
	w->consumed = consumed;
	return sb_writer_room(w);
}

/* Offset in the area at which the next byte goes */
static inline uint32_t sb_writer_offset(const struct sb_writer *w)
{
	return w->produced & (w->size - 1);
}

/* Bytes from that offset to the end of the area */
static inline uint32_t sb_writer_run(const struct sb_writer *w)
{
	return w->size - sb_writer_offset(w);
}

/* @bytes have been written at the offset; the peer does not see them yet */
static inline void sb_writer_advance(struct sb_writer *w, uint32_t bytes)
{
	w->produced += bytes;
}

/**
 * sb_writer_publish() - let the peer see what was written
 * @w: the ring
 *
 * Return: true when the peer asked to be woken: ring its doorbell.
 */
static inline bool sb_writer_publish(struct sb_writer *w)
{
	uint32_t from = w->published;

	if (w->produced == from)
		return false;
	w->published = w->produced;
	sb_store_full(&w->mine->produced, w->produced);
	return sb_event_passed(sb_load_full(&w->peer->data_event), from,
			       w->produced);
}

/**
 * sb_writer_arm() - ask to be woken when there is room
 * @w:    the ring
 * @room: bytes of room to wait for, 1 to @w->size
 *
 * Everything written must be published first: the peer cannot make room of
 * what it does not see.
 *
 * Return: bytes of room now, to be compared with @room before sleeping, or
 * -EPROTO.
 */
static inline int64_t sb_writer_arm(struct sb_writer *w, uint32_t room)
{
	/* room reaches @room when consumed reaches produced - size + room */
	sb_store_full(&w->mine->space_event, w->produced - w->size + room - 1);
	return sb_writer_space(w);
}

/* Bytes that can be read without another look at the peer */
static inline uint32_t sb_reader_held(const struct sb_reader *r)
{
	return r->produced - r->consumed;
}

/**
 * sb_reader_available() - look how much can be read now
 * @r: the ring
 *
 * Return: 0 to @r->size bytes, or -EPROTO when the peer's index is a lie.
 */
static inline int64_t sb_reader_available(struct sb_reader *r)
{
	uint32_t produced = sb_load_full(&r->peer->produced);

	/* must lie between what it last was and a full area */
	if (produced - r->produced > r->released + r->size - r->produced)
		return -EPROTO;
	r->produced = produced;
	return sb_reader_held(r);
}

/* Offset in the area at which the next byte is */
static inline uint32_t sb_reader_offset(const struct sb_reader *r)
{
	return r->consumed & (r->size - 1);
}

/* Bytes from that offset to the end of the area */
static inline uint32_t sb_reader_run(const struct sb_reader *r)
{
	return r->size - sb_reader_offset(r);
}

/* @bytes have been read at the offset; the peer does not know yet */
static inline void sb_reader_advance(struct sb_reader *r, uint32_t bytes)
{
	r->consumed += bytes;
}

/**
 * sb_reader_release() - give the room of what was read back to the peer
 * @r: the ring
 *
 * Return: true when the peer asked to be woken: ring its doorbell.
 */
static inline bool sb_reader_release(struct sb_reader *r)
{
	uint32_t from = r->released;

	if (r->consumed == from)
		return false;
	r->released = r->consumed;
	sb_store_full(&r->mine->consumed, r->consumed);
	return sb_event_passed(sb_load_full(&r->peer->space_event), from,
			       r->consumed);
}

/**
 * sb_reader_arm() - ask to be woken when there is something to read
 * @r:     the ring
 * @bytes: bytes to wait for, 1 to @r->size (more than 1 for SO_RCVLOWAT)
 *
 * Everything read must be released first: the peer cannot fill room that it
 * does not see. Where the reader waits for n bytes and the writer for m bytes
 * of room, n + m must be at most @r->size + 1, or both may wait for ever.
 *
 * Return: bytes readable now, to be compared with @bytes before sleeping, or
 * -EPROTO.
 */
static inline int64_t sb_reader_arm(struct sb_reader *r, uint32_t bytes)
{
	sb_store_full(&r->mine->data_event, r->consumed + bytes - 1);
	return sb_reader_available(r);
}

#endif
