// SPDX-License-Identifier: GPL-2.0-only
/*
 * proxy.c - events in, turns for the lines, notifications out
 *
 * One round of the loop: events mark entries and queue lines; then every
 * queued line gets one turn; then all channels that were heard are unmasked
 * with one system call. A line stays masked while it is busy: whoever rings
 * meanwhile finds it disarmed and sends no event.
 *
 * An event of which nothing came is normal now and then. A guest that sends
 * many of them in a row is unmasked by a timer, so that a storm of events
 * costs a bounded number of system calls a second.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "services/common/limits.h"
#include "services/proxy-common/circuit.h"

static void flush_unmasks(struct proxy *p)
{
	hypervisor_unmask_all(p->port, p->unmask, p->unmasks);
	p->unmasks = 0;
}

static void unmask(struct proxy *p, struct line *l)
{
	if (p->unmasks == HYPERVISOR_BATCH)
		flush_unmasks(p);
	p->unmask[p->unmasks++] = l->channel;
	l->masked = false;
}

/* A line has nothing more to do: hear its channel again, now or later */
static void settle(struct proxy *p, struct line *l)
{
	if (!l->masked || l->throttled)
		return;
	l->useless = l->useful ? 0 : l->useless + 1;
	l->useful = false;
	if (l->useless < LIMIT_LINE_USELESS_EVENTS) {
		unmask(p, l);
		return;
	}
	l->throttled = true;
	p->count[PROXY_THROTTLED]++;
	if (!loop_timer_running(&p->throttle))
		loop_timer_start(&p->service.loop, &p->throttle,
				 LIMIT_LINE_THROTTLE_MS);
}

/* Lines that are queued during a round have their turn in the next */
static bool work(struct loop *loop)
{
	struct proxy *p = loop->owner;
	struct line *l = p->first, *next;
	bool again;

	p->first = NULL;
	p->last = &p->first;
	for (; l; l = next) {
		next = l->next;
		/* still queued: a line in its turn asks for another by result */
		again = line_run(l);
		l->queued = false;
		if (again)
			proxy_queue(p, l);
		else
			settle(p, l);
	}
	if (p->unmasks)
		flush_unmasks(p);
	return p->first;
}

void proxy_queue(struct proxy *p, struct line *l)
{
	if (l->queued)
		return;
	l->queued = true;
	l->next = NULL;
	*p->last = l;
	p->last = &l->next;
}

void proxy_for_each_line(struct proxy *p, void (*visit)(struct line *l))
{
	struct line *l, *next;

	for (unsigned int i = 0; i < PROXY_BUCKETS; i++) {
		for (l = p->line[i]; l; l = next) {
			next = l->chain;
			visit(l);
		}
	}
}

static void end_throttle(struct line *l)
{
	if (!l->throttled)
		return;
	l->throttled = false;
	/* one useless event is heard, then it waits again */
	l->useless--;
	unmask(l->proxy, l);
}

static void throttle_over(struct loop_timer *timer)
{
	struct proxy *p = loop_owner(timer, struct proxy, throttle);

	proxy_for_each_line(p, end_throttle);
	flush_unmasks(p);
}

static void starved_over(struct loop_timer *timer)
{
	struct proxy *p = loop_owner(timer, struct proxy, starved);

	proxy_for_each_line(p, p->kind->line_again);
}

static void counts_due(struct loop_timer *timer)
{
	struct proxy *p = loop_owner(timer, struct proxy, counts);

	loop_timer_start(&p->service.loop, timer, LIMIT_COUNTS_MS);
	proxy_for_each_line(p, orders_report_counts);
	proxy_for_each_line(p, line_ring_now);
}

void proxy_starve(struct proxy *p)
{
	if (!loop_timer_running(&p->starved))
		loop_timer_start(&p->service.loop, &p->starved,
				 LIMIT_STARVED_MS);
}

int proxy_channel_add(struct proxy *p, int channel, struct line *l)
{
	unsigned int max = p->channels_max;
	struct proxy_channel *grown;

	if ((unsigned int)channel >= max) {
		max = channel + 64;
		grown = realloc(p->by_channel, max * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		memset(grown + p->channels_max, 0,
		       (max - p->channels_max) * sizeof(*grown));
		p->by_channel = grown;
		p->channels_max = max;
	}
	p->by_channel[channel].line = l;
	return 0;
}

void proxy_channel_remove(struct proxy *p, int channel)
{
	p->by_channel[channel].line = NULL;
}

static void channels_ready(struct loop_watch *watch, uint32_t events)
{
	struct proxy *p = loop_owner(watch, struct proxy, channels);
	struct line *l;
	int channel;

	/* each is masked now: there are no more than lines */
	while ((channel = hypervisor_pending(p->port)) >= 0) {
		l = (unsigned int)channel < p->channels_max
			    ? p->by_channel[channel].line
			    : NULL;
		p->count[PROXY_EVENTS]++;
		if (l)
			line_event(l);
	}
}

struct line *proxy_line_find(struct proxy *p, uint32_t domain, uint32_t number)
{
	struct line *l = p->line[domain % PROXY_BUCKETS];

	while (l && (l->attach.guest != domain || l->attach.line != number))
		l = l->chain;
	return l;
}

int proxy_init(struct proxy *p)
{
	p->last = &p->first;
	p->epoch = p->service.epoch;
	p->throttle.fire = throttle_over;
	p->starved.fire = starved_over;
	p->tokens.fire = tokens_due;
	p->questions.fire = questions_due;
	p->counts.fire = counts_due;
	loop_timer_start(&p->service.loop, &p->counts, LIMIT_COUNTS_MS);
	p->service.loop.before_sleep = work;
	p->service.loop.owner = p;
	p->channels.ready = channels_ready;
	return loop_watch(&p->service.loop, &p->channels,
			  hypervisor_channel_fd(p->port), EPOLLIN | EPOLLET);
}

void proxy_fini(struct proxy *p)
{
	proxy_for_each_line(p, line_detach);
	loop_timer_stop(&p->throttle);
	loop_timer_stop(&p->starved);
	loop_timer_stop(&p->tokens);
	loop_timer_stop(&p->questions);
	loop_timer_stop(&p->counts);
	loop_unwatch(&p->service.loop, &p->channels);
	free(p->by_channel);
}
