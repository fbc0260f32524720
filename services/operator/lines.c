/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lines.c - a guest's lines to proxies, as the operator sees them
 *
 * A guest has a line for each kind of proxy that its configuration names an
 * instance of. The operator asks for it on the trunk, the guest makes it, the
 * proxy is ordered to attach it; what is in it the operator does not see,
 * except for its listeners.
 */
#include <errno.h>

#include "services/operator/operator.h"

/* After a line is gone, until the next is asked for */
#define LINE_AGAIN_MS 1000u

static void want_again(struct loop_timer *timer)
{
	line_want(loop_owner(timer, struct line, again));
}

void lines_init(struct guest *g)
{
	static const uint32_t kind[OPERATOR_LINES] = {
		[OPERATOR_TCP_LINE] = SB_LINE_TCP,
		[OPERATOR_UDP_LINE] = SB_LINE_UDP,
	};
	uint32_t i;

	for (i = 0; i < OPERATOR_LINES; i++) {
		struct line *l = &g->line[i];

		l->guest = g;
		l->number = i;
		l->kind = kind[i];
		l->again.fire = want_again;
	}
}

struct proxy *line_choose_proxy(const struct guest *g, uint32_t kind)
{
	if (!g->config)
		return NULL;
	return proxy_find(g->op, kind,
			  kind == SB_LINE_UDP ? g->config->udp_proxy
					      : g->config->proxy);
}

void line_want(struct line *l)
{
	struct sb_message m = {
		.type = SB_MESSAGE_LINE_WANTED,
		.line = (uint16_t)l->number,
		.kind = (uint8_t)l->kind,
		.domain = OPERATOR_PROXY_DOMAIN,
	};

	if (proxy_is_gone(l->proxy))
		return;
	/* of a line that a proxy listed before the guest was here: go on */
	if (l->state == LINE_NONE || l->state == LINE_LOST)
		l->state = LINE_WANTED;
	guest_send(l->guest, &m);
}

static void begin(struct line *l)
{
	struct guest *g = l->guest;
	struct proxy *p = line_choose_proxy(g, l->kind);

	/* of another proxy, or of the driver before this one, listed by now */
	if (l->state != LINE_NONE && (l->proxy != p || !g->trunk.taken_over)) {
		proxy_detach(l->proxy, g->domain, l->number);
		line_forget_all(l);
		l->state = LINE_NONE;
	}
	/* a list may have come only half */
	if (!g->trunk.taken_over)
		line_forget_all(l);
	l->proxy = p;
	if (!p)
		return;
	/* of one that was made for the operator before us nothing is known */
	if (g->trunk.taken_over && proxy_is_gone(p))
		line_forsake(l);
	else
		line_want(l);
}

void lines_begin(struct guest *g)
{
	uint32_t i;

	for (i = 0; i < OPERATOR_LINES; i++)
		begin(&g->line[i]);
}

static void order_nothing(struct line *l)
{
	l->due = false;
	l->renew = false;
	l->withdraw = false;
	l->missed = false;
}

void lines_end(struct guest *g)
{
	uint32_t i;

	for (i = 0; i < OPERATOR_LINES; i++) {
		struct line *l = &g->line[i];

		if (line_usable(l))
			proxy_detach(l->proxy, g->domain, l->number);
		line_forget_all(l);
		l->state = LINE_NONE;
		order_nothing(l);
		l->forsaken = false;
		loop_timer_stop(&l->again);
	}
}

void line_lose(struct line *l, const char *why)
{
	struct sb_message m = { .type = SB_MESSAGE_LINE_LOST,
				.line = (uint16_t)l->number };
	struct guest *g = l->guest;
	struct operator_service *o = g->op;

	log_guest(&g->limit, LOG_LEVEL_WARNING, g->domain, g->name,
		  "line %u lost: %s", l->number, why);
	o->counter[COUNT_LINES_LOST]++;
	line_forget_all(l);
	order_nothing(l);
	l->state = LINE_LOST;
	guest_send(g, &m);
	service_event(&o->service, "line-lost", g->name, g->domain, why);
}

void line_forsake(struct line *l)
{
	l->forsaken = true;
	line_lose(l, "its proxy is gone");
}

void line_made(struct line *l, uint32_t gref, uint32_t port)
{
	l->gref = gref;
	l->port = port;
	if (l->state != LINE_WANTED)
		return;
	l->state = LINE_READY;
	/* the guest would wait for it */
	if (proxy_is_gone(l->proxy))
		line_forsake(l);
	else
		l->forsaken = false;
}

void line_gone(struct line *l)
{
	line_forget_all(l);
	order_nothing(l);
	l->state = LINE_NONE;
	loop_timer_start(&l->guest->op->service.loop, &l->again, LINE_AGAIN_MS);
}

void line_proxy_came(struct line *l)
{
	if (l->state == LINE_NONE && trunk_attached(&l->guest->trunk) &&
	    !loop_timer_running(&l->again))
		line_want(l);
}

void line_uncount(struct line *l)
{
	l->guest->requests += l->counts.calls;
	l->guest->refused += l->counts.refused;
	l->counts = (struct ipc_counts){ 0 };
}

void line_forget(struct line *l, struct book_record *record)
{
	published_remove(&l->guest->op->published, record);
	book_remove(&l->book, record);
}

void line_forget_all(struct line *l)
{
	struct book_record *r = book_next(&l->book, 0);

	while (r) {
		uint32_t entry = r->entry;

		line_forget(l, r);
		r = book_next(&l->book, entry + 1);
	}
	line_uncount(l);
}

/* In the guest's turn, as everything that is due */
void line_withdraw(struct line *l)
{
	l->missed = false;
	if (!line_usable(l))
		return;
	l->withdraw = true;
	l->guest->op->counter[COUNT_WITHDRAWN]++;
	guest_wake(l->guest);
}

void lines_withdraw_all(struct operator_service *o)
{
	struct guest *g;
	uint32_t i;

	for (g = o->guests; g; g = g->next) {
		for (i = 0; i < OPERATOR_LINES; i++)
			line_withdraw(&g->line[i]);
	}
}

void lines_reconfigured(struct operator_service *o)
{
	struct guest *g;
	uint32_t i;

	for (g = o->guests; g; g = g->next) {
		for (i = 0; i < OPERATOR_LINES; i++)
			g->line[i].renew = line_usable(&g->line[i]);
		guest_wake(g);
	}
}
