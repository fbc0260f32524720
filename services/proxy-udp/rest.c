// SPDX-License-Identifier: GPL-2.0-only
/*
 * rest.c - sockets of Dom0's that go to rest when there are too many
 *
 * A guest's datagram socket that nobody uses needs none of Dom0's: nothing of
 * it would be missed but late answers to what it once sent. So the socket of
 * the one that was not used for longest is closed, and the guest's gets
 * another with its next datagram, without knowing. It stays when others know
 * it: by its published port, or as a member of a group.
 *
 * - A guest that has more than its share rests its own, as it opens others, if
 *   they were not used for a while.
 * - When there are no descriptors, whoever has the most rests one, used or not:
 *   so a guest that opens thousands takes them from itself.
 *
 * The sockets of a line are in a list by their last use. A socket that wakes
 * costs its guest a token, like a new one.
 */
#include "services/common/limits.h"
#include "services/proxy-udp/udp.h"

static uint64_t now_of(const struct udp_line *ul)
{
	return loop_now(&ul->line.proxy->service.loop);
}

static void leave(struct udp_line *ul, struct outlet *o)
{
	*(o->older ? &o->older->newer : &ul->oldest) = o->newer;
	*(o->newer ? &o->newer->older : &ul->newest) = o->older;
	o->older = NULL;
	o->newer = NULL;
}

static void join(struct udp_line *ul, struct outlet *o)
{
	o->older = ul->newest;
	*(ul->newest ? &ul->newest->newer : &ul->oldest) = o;
	ul->newest = o;
	o->used_ms = now_of(ul);
}

void rest_begin(struct outlet *o)
{
	struct udp_line *ul = udp_line_of(o->at);

	join(ul, o);
	ul->outlets++;
	o->counted = true;
}

void rest_touch(struct outlet *o)
{
	struct udp_line *ul = udp_line_of(o->at);

	if (ul->newest == o) {
		o->used_ms = now_of(ul);
		return;
	}
	leave(ul, o);
	join(ul, o);
}

void rest_end(struct outlet *o)
{
	struct udp_line *ul = udp_line_of(o->at);

	if (!o->counted)
		return;
	leave(ul, o);
	ul->outlets--;
	o->counted = false;
}

/* Would nobody miss it? */
static bool may_rest(const struct outlet *o)
{
	return !o->published && !o->joined;
}

/* The oldest that may rest; those that may not are few, and come last then */
static struct outlet *find(struct udp_line *ul)
{
	struct outlet *o;

	for (unsigned int n = 0; n < LIMIT_REST_LOOKS; n++) {
		o = ul->oldest;
		if (!o || may_rest(o))
			return o;
		rest_touch(o);
	}
	return NULL;
}

void rest_make_room(struct udp_line *ul)
{
	uint64_t now_ms = now_of(ul);
	struct outlet *o;

	for (unsigned int n = 0; n < LIMIT_REST_BURST; n++) {
		if (ul->outlets < LIMIT_LINE_OUTLETS)
			return;
		o = find(ul);
		if (!o || now_ms - o->used_ms < LIMIT_OUTLET_IDLE_MS ||
		    o->readable || o->pending)
			return;
		outlet_rest(o);
	}
}

/* One thread: of the line that has the most */
static struct outlet *oldest;
static uint32_t most;

static void find_most(struct line *l)
{
	struct udp_line *ul = (struct udp_line *)(void *)l;
	struct outlet *o;

	if (ul->outlets <= most)
		return;
	o = find(ul);
	if (!o)
		return;
	oldest = o;
	most = ul->outlets;
}

bool rest_one(struct proxy *p)
{
	oldest = NULL;
	most = 0;
	proxy_for_each_line(p, find_most);
	if (oldest)
		outlet_rest(oldest);
	return oldest;
}
