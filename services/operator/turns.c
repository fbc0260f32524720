/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * turns.c - whose turn it is
 *
 * Guests whose trunk has something wait in a queue and have their turn one
 * after the other, a bounded number of messages each; an event channel stays
 * masked until its guest's work is done, and an event that had nothing behind
 * it costs a token too, so a storm of events is paid for like requests.
 */
#include <errno.h>

#include "services/operator/operator.h"

/* When a proxy or its queue was not ready */
#define RETRY_MS 10u

void guest_wake(struct guest *g)
{
	struct operator_service *o = g->op;

	if (g->runnable || !trunk_attached(&g->trunk))
		return;
	g->runnable = true;
	g->next_runnable = NULL;
	*o->runnable_tail = g;
	o->runnable_tail = &g->next_runnable;
}

static struct guest *take_runnable(struct operator_service *o)
{
	struct guest *g = o->runnable;

	o->runnable = g->next_runnable;
	if (!o->runnable)
		o->runnable_tail = &o->runnable;
	g->runnable = false;
	return g;
}

void guest_rest(struct guest *g)
{
	struct operator_service *o = g->op;
	struct guest **at = &o->runnable;

	loop_timer_stop(&g->retry);
	if (!g->runnable)
		return;
	while (*at != g)
		at = &(*at)->next_runnable;
	*at = g->next_runnable;
	if (!*at)
		o->runnable_tail = at;
	g->runnable = false;
}

void guest_retry(struct loop_timer *timer)
{
	guest_wake(loop_owner(timer, struct guest, retry));
}

void guests_channels(struct operator_service *o)
{
	struct guest *g;
	int channel;

	while ((channel = hypervisor_pending(o->hypervisor)) >= 0) {
		for (g = o->guests; g; g = g->next) {
			if (trunk_attached(&g->trunk) &&
			    g->trunk.channel == channel)
				break;
		}
		if (!g)
			continue;
		g->masked = true;
		guest_wake(g);
	}
}

/* Come back later; the channel stays masked until then */
static void wait_for(struct guest *g, uint64_t ms)
{
	loop_timer_start(&g->op->service.loop, &g->retry, ms);
}

static bool pay(struct guest *g)
{
	struct operator_service *o = g->op;

	if (!bucket_has(&g->bucket, loop_now(&o->service.loop))) {
		o->counter[COUNT_THROTTLED]++;
		wait_for(g, bucket_wait_ms(&g->bucket));
		return false;
	}
	bucket_take(&g->bucket);
	return true;
}

/* Return: messages handled, or -errno: it stopped, and will be woken */
static int read_messages(struct guest *g)
{
	struct sb_message m;
	int handled, got;

	for (handled = 0; handled < (int)LIMIT_TRUNK_BURST; handled++) {
		got = trunk_peek(&g->trunk, &m);
		if (got < 0)
			return got;
		if (!got)
			break;
		if (!pay(g))
			return -EBUSY;
		got = request_handle(g, &m);
		if (!trunk_attached(&g->trunk))
			return -ESHUTDOWN;
		if (got == -EAGAIN) {
			wait_for(g, RETRY_MS);
			return -EBUSY;
		}
		trunk_consume(&g->trunk);
	}
	return handled;
}

/* Nothing more to do: sleep until the next event */
static void sleep_on(struct guest *g)
{
	int more = trunk_arm(&g->trunk);

	if (more < 0) {
		guest_expel(g, "a lie in the trunk's indexes");
		return;
	}
	if (more) {
		guest_wake(g);
		return;
	}
	if (g->masked) {
		g->masked = false;
		hypervisor_unmask(g->op->hypervisor, g->trunk.channel);
	}
}

static void run(struct guest *g)
{
	int handled = 0;
	bool lied;

	if (loop_timer_running(&g->retry))
		return; /* the timer wakes it */
	if (proxy_order_due(g) == -EAGAIN) {
		wait_for(g, RETRY_MS);
		return;
	}
	lied = trunk_flush(&g->trunk) < 0;
	/* whoever does not take answers gets no more of them */
	if (!lied && !g->trunk.queued)
		handled = read_messages(g);
	if (handled == -EPROTO)
		lied = true;
	if (lied)
		guest_expel(g, "a lie in the trunk's indexes");
	if (!trunk_attached(&g->trunk))
		return;
	trunk_publish(&g->trunk);
	if (handled == -EBUSY)
		return;
	if (handled == (int)LIMIT_TRUNK_BURST)
		guest_wake(g);
	else if (handled || !g->masked || pay(g))
		sleep_on(g);
}

bool guests_run(struct operator_service *o)
{
	struct guest *last;

	if (!o->runnable)
		return false;
	last = loop_owner(o->runnable_tail, struct guest, next_runnable);
	/* those that wake anew meanwhile stand behind the last */
	while (o->runnable) {
		struct guest *g = take_runnable(o);
		bool end = g == last;

		run(g);
		if (end)
			break;
	}
	return o->runnable;
}
