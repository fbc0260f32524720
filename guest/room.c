// SPDX-License-Identifier: GPL-2.0-only
/*
 * room.c - memory for circuits, when there is little
 *
 * What is ready in a pool is memory and grants that nobody uses, kept for who
 * comes next on that line. When memory is short it is to be had by others:
 * before a line makes a circuit the pools of all other lines, and everybody's
 * larger circuits, give up as much as is missing; and the kernel asks for it, as
 * a shrinker, whoever needs the memory. All of it takes the time that the peers
 * need to unmap it. So giving way begins while there is still memory to make
 * circuits of, and when that is gone too a call waits, see repeat.c.
 *
 * Something is always left for the programs: a connection that fails is better
 * than one of them killed.
 */
#include <linux/mm.h>
#include <linux/shrinker.h>

#include "switchboard.h"

/*
 * Pages that can be had. Not what the kernel calls available: that counts the
 * inodes of sockets, as if they could be reclaimed
 */
static unsigned long pages_left(void)
{
	return global_zone_page_state(NR_FREE_PAGES) +
	       global_node_page_state(NR_ACTIVE_FILE) +
	       global_node_page_state(NR_INACTIVE_FILE);
}

/* What is never used for circuits is half of this */
static unsigned long pages_kept(void)
{
	return min(totalram_pages() / SB_ROOM_SHARE, SB_ROOM_MAX);
}

bool sb_room_is_short(void)
{
	return pages_left() < pages_kept();
}

struct wanted {
	const struct sb_guest_line *line;
	unsigned long pages;
	unsigned long asked;
};

/* Its work item does it: whoever asks may hold a socket, or be the kernel */
static void ask(struct sb_guest_line *line, void *arg)
{
	struct wanted *w = arg;
	unsigned long pages = sb_pool_spare(line, line == w->line);

	pages = min(pages, w->pages - w->asked);
	if (!pages || READ_ONCE(line->lost))
		return;
	w->asked += pages;
	atomic_cmpxchg(&line->give, 0, pages);
	queue_work(sb_workqueue, &line->work);
}

void sb_room_make(struct sb_guest_line *line)
{
	struct wanted w = { .line = line, .pages = SB_ROOM_PAGES };

	sb_line_visit(ask, &w);
}

bool sb_room_for(struct sb_guest_line *line, unsigned int pages)
{
	unsigned long left = pages_left(), kept = pages_kept();

	if (left >= kept + pages)
		return true;
	sb_room_make(line);
	return left >= kept / 2 + pages;
}

static void look(struct sb_guest_line *line, void *arg)
{
	bool *any = arg;

	*any |= READ_ONCE(line->withheld) || atomic_read(&line->give);
}

bool sb_room_may_come(void)
{
	bool any = false;

	sb_line_visit(look, &any);
	return any;
}

/* ---- what the kernel wants back ---- */

static void add_up(struct sb_guest_line *line, void *arg)
{
	unsigned long *pages = arg;

	*pages += sb_pool_spare(line, false);
}

static unsigned long count(struct shrinker *shrinker, struct shrink_control *sc)
{
	unsigned long pages = 0;

	sb_line_visit(add_up, &pages);
	return pages ? pages : SHRINK_EMPTY;
}

static unsigned long scan(struct shrinker *shrinker, struct shrink_control *sc)
{
	struct wanted w = { .pages = sc->nr_to_scan };

	sb_line_visit(ask, &w);
	return w.asked ? w.asked : SHRINK_STOP;
}

static struct shrinker shrinker = {
	.count_objects = count,
	.scan_objects = scan,
	.seeks = DEFAULT_SEEKS,
};

int sb_room_init(void)
{
	return register_shrinker(&shrinker, "switchboard");
}
