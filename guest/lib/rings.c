// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * rings.c - bytes in place: the rings of a mapped circuit
 *
 * All the work is in protocol/ring.h; here it is decided when to make a system
 * call. Ringing: when the other end asked to be woken. Waiting: when a ring is
 * empty, or full; a full one is waited for until half of it is free, so that
 * a stream costs two wake-ups per ring and not one per write.
 *
 * The other end's indexes are checked as in the kernel. A lie is EPROTO; the
 * kernel finds it too, and ends the circuit, when it next looks.
 */
#include <errno.h>
#include <limits.h>

#include "guest/lib/internal.h"

/* SWITCHBOARD_* and SB_USER_* events are the same bits */
SB_ASSERT(SWITCHBOARD_READ == SB_USER_READ);
SB_ASSERT(SWITCHBOARD_WRITE == SB_USER_WRITE);

static int fail(int error)
{
	errno = error;
	return -1;
}

/* Sleep until there are so many bytes, or so much room. 0, or -1 with errno */
static int sleep_for(struct switchboard *s, struct sb_user_wait *wait)
{
	int error;

	wait->timeout_ms = SB_USER_AS_SOCKET;
	error = s->rings.ringer->wait(s, wait);
	return error ? fail(error) : 0;
}

/* 0 when there may be room now, -1 with errno when there never will be */
static int sleep_for_room(struct switchboard *s)
{
	struct sb_user_wait wait = { .events = SB_USER_WRITE,
				     .write_bytes = s->span };

	if (sleep_for(s, &wait) != 0)
		return -1;
	if (wait.events & SB_USER_BROKEN)
		return fail(wait.error ? (int)wait.error : EPIPE);
	return 0;
}

/*
 * A send() or recv() on the socket moves our index in the page. It is believed
 * no more than the other end's: that may have written it. 0 or -EPROTO
 */
static int catch_up_tx(struct rings *r)
{
	if (sb_load(&r->tx.mine->produced) == r->tx.published)
		return 0;
	return sb_writer_resume(&r->tx, r->index, r->side, r->tx.size);
}

static int catch_up_rx(struct rings *r)
{
	if (sb_load(&r->rx.mine->consumed) == r->rx.released)
		return 0;
	return sb_reader_resume(&r->rx, r->index, r->side, r->rx.size);
}

/* Indexes that cannot be: the kernel may know that there is more to it */
static int lie(struct switchboard *s)
{
	struct sb_user_wait wait = { .events = SB_USER_READ, .read_bytes = 1 };

	if (s->rings.ringer->wait(s, &wait) == 0 && wait.error)
		return wait.error;
	return EPROTO;
}

static ssize_t rings_reserve(struct switchboard *s, size_t bytes, void **at)
{
	struct sb_writer *w = &s->rings.tx;
	int64_t room;

	if (catch_up_tx(&s->rings) != 0)
		return fail(lie(s));
	room = sb_writer_room(w);
	/* a look at the other end's line is cheap, a short span is not */
	if (room < (int64_t)s->span)
		room = sb_writer_space(w);
	while (room >= 0 && room < (int64_t)bytes) {
		if (sleep_for_room(s) != 0)
			return -1;
		room = sb_writer_space(w);
	}
	if (room < 0)
		return fail(lie(s));
	*at = s->rings.tx_area + sb_writer_offset(w);
	return room;
}

static int rings_commit(struct switchboard *s, size_t bytes)
{
	int error = 0;

	sb_writer_advance(&s->rings.tx, bytes);
	if (sb_writer_publish(&s->rings.tx))
		error = s->rings.ringer->ring(s);
	return error ? fail(error) : 0;
}

/* What is committed can be seen by the other end */
static int rings_flush(struct switchboard *s)
{
	(void)s;
	return 0;
}

/* 1: look again. 0: what is there is all. -1 with errno */
static int sleep_for_data(struct switchboard *s, uint32_t bytes, uint32_t held)
{
	struct sb_user_wait wait = { .events = SB_USER_READ,
				     .read_bytes = bytes };

	if (sleep_for(s, &wait) != 0)
		return -1;
	if (!(wait.events & SB_USER_END))
		return 1;
	/* the last bytes may have come with the end */
	if (sb_reader_available(&s->rings.rx) != held)
		return 1;
	return wait.error && held == 0 ? fail(wait.error) : 0;
}

static ssize_t rings_peek(struct switchboard *s, size_t bytes, const void **at)
{
	struct sb_reader *r = &s->rings.rx;
	int64_t held;
	int more = 1;

	if (catch_up_rx(&s->rings) != 0)
		return fail(lie(s));
	held = sb_reader_held(r);
	if (held < (int64_t)s->span)
		held = sb_reader_available(r);
	while (more > 0 && held >= 0 && held < (int64_t)bytes) {
		more = sleep_for_data(s, bytes, held);
		held = sb_reader_available(r);
	}
	if (more < 0)
		return -1;
	if (held < 0)
		return fail(lie(s));
	*at = s->rings.rx_area + sb_reader_offset(r);
	return held;
}

static int rings_release(struct switchboard *s, size_t bytes)
{
	sb_reader_advance(&s->rings.rx, bytes);
	/* who no longer writes does not stop us from reading */
	if (sb_reader_release(&s->rings.rx))
		s->rings.ringer->ring(s);
	return 0;
}

/* What can be had without a system call */
static unsigned int ready(struct switchboard *s, unsigned int events)
{
	unsigned int found = 0;

	/* what contradicts itself is the kernel's to find */
	if (events & SWITCHBOARD_READ && catch_up_rx(&s->rings) == 0 &&
	    sb_reader_available(&s->rings.rx) > 0)
		found |= SWITCHBOARD_READ;
	if (events & SWITCHBOARD_WRITE && catch_up_tx(&s->rings) == 0 &&
	    sb_writer_space(&s->rings.tx) > 0)
		found |= SWITCHBOARD_WRITE;
	return found;
}

static int rings_wait(struct switchboard *s, unsigned int events,
		      int timeout_ms)
{
	struct sb_user_wait wait = {
		.events = events,
		.read_bytes = 1,
		.write_bytes = 1,
		.timeout_ms = timeout_ms == SWITCHBOARD_FOREVER
				      ? SB_USER_FOREVER
				      : timeout_ms,
	};
	unsigned int found = ready(s, events);
	int error;

	if (found)
		return found;
	error = s->rings.ringer->wait(s, &wait);
	if (error == EAGAIN)
		return 0;
	if (error)
		return fail(error);
	return wait.events & events;
}

static int rings_detach(struct switchboard *s, bool force)
{
	int error = s->rings.ringer->detach(s);

	return error && !force ? fail(error) : 0;
}

static const struct transport rings = {
	.reserve = rings_reserve,
	.commit = rings_commit,
	.flush = rings_flush,
	.peek = rings_peek,
	.release = rings_release,
	.wait = rings_wait,
	.detach = rings_detach,
};

int switchboard_rings_init(struct switchboard *s, struct sb_index_page *page,
			   enum sb_side side, uint32_t size,
			   const struct ringer *ringer)
{
	if (sb_writer_resume(&s->rings.tx, page->side, side, size) != 0 ||
	    sb_reader_resume(&s->rings.rx, page->side, side, size) != 0)
		return EPROTO;
	s->rings.index = page->side;
	s->rings.side = side;
	s->rings.ringer = ringer;
	s->transport = &rings;
	/* who reads n and who writes m at once need n + m <= size + 1 */
	s->span = size / 2;
	return 0;
}
