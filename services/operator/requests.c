/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * requests.c - what a guest asks on its trunk
 *
 * A request may come twice, from a guest that saw another operator take over:
 * the same entry and generation give the same order again, which the proxy
 * knows for what it is. A request that cannot be answered now waits where it
 * is, in the guest's own ring.
 */
#include <errno.h>
#include <string.h>

#include "services/operator/introductions.h"
#include "services/operator/policy.h"

/* Ports tried for one bind(port 0) */
#define FREE_PORT_TRIES 4096u

static int refuse(struct guest *g, const struct sb_message *request,
		  uint32_t error, enum operator_counter counter)
{
	struct sb_message m = {
		.type = SB_MESSAGE_REFUSED,
		.line = request->line,
		.entry = request->entry,
		.generation = request->generation,
		.error = error,
	};

	g->refused++;
	g->op->counter[counter]++;
	guest_send(g, &m);
	return 0;
}

static int malformed(struct guest *g, const struct sb_message *m,
		     const char *what)
{
	refuse(g, m, EINVAL, COUNT_REFUSED_MALFORMED);
	guest_lied(g, what);
	return 0;
}

/* The proxy is away: wait a moment for it, then say so */
static int away(struct guest *g, const struct sb_message *m)
{
	if (proxy_may_return(g->line[m->line].proxy))
		return -EAGAIN;
	return refuse(g, m, ENETUNREACH, COUNT_REFUSED_AWAY);
}

static bool known_family(const struct sb_address *a)
{
	return (a->family == SB_FAMILY_IPV4 || a->family == SB_FAMILY_IPV6) &&
	       address_valid(a);
}

/* What is wrong with a LISTEN, or NULL */
static const char *wrong_request(const struct sb_message *m)
{
	if (m->line != OPERATOR_TCP_LINE)
		return "no such line";
	if (m->entry >= SB_ENTRIES_MAX)
		return "no such entry";
	if (m->generation < 1 || m->generation > SB_GENERATION_MAX)
		return "no such generation";
	if (!known_family(&m->local))
		return "a listener without a local address";
	if (m->kind > SB_LISTEN_BOTH)
		return "a listener of no known kind";
	return NULL;
}

/*
 * The record of a request: the one there is when it is repeated, otherwise a
 * new one, in place of an older generation's whose end was not reported yet.
 */
static struct book_record *book_request(struct guest *g,
					const struct sb_message *m)
{
	struct line *l = &g->line[m->line];
	struct book_record *r = book_find(&l->book, m->entry);

	if (r && r->generation == m->generation)
		return r;
	if (r)
		line_forget(l, r);
	r = book_add(&l->book, m->entry, m->generation);
	if (r) {
		r->round = g->op->round;
		r->asked_ms = loop_now(&g->op->service.loop);
	}
	return r;
}

struct sb_address request_source(const struct guest *g,
				 const struct sb_address *bound,
				 uint16_t family)
{
	struct sb_address local = address_unmap(bound), source;

	if (local.family == SB_FAMILY_NONE || !local.port ||
	    policy_publish(g->config, CONFIG_TCP, &local, &source) ||
	    source.family != family ||
	    published_has(&g->op->published, &source))
		return (struct sb_address){ 0 };
	return source;
}

/* A record that is there already needs no room */
static bool listeners_full(const struct line *l, uint32_t entry)
{
	return l->book.listeners >= l->guest->config->limits.listeners &&
	       !book_find(&l->book, entry);
}

static void log_refusal(struct guest *g, const struct sb_address *a)
{
	char text[ADDRESS_TEXT_BYTES];

	log_guest(&g->limit, LOG_LEVEL_NOTICE, g->domain, g->name,
		  "listen at %s refused by policy",
		  address_port_text(a, text, sizeof(text)));
}

/* Where policy has it; port 0 is none. Return: 0 or EACCES */
static int places_of(const struct guest *g, const struct sb_message *m,
		     const struct sb_address *local, struct sb_address *at)
{
	at[1] = (struct sb_address){ 0 };
	return m->kind == SB_LISTEN_BOTH
		       ? policy_publish_both(g->config, CONFIG_TCP, local, at)
		       : policy_publish(g->config, CONFIG_TCP, local, at);
}

/* Does a listener of a book other than @b have one of these places? */
static bool places_taken(const struct guest *g, const struct sb_address *at,
			 const struct book *b)
{
	uint32_t i;

	for (i = 0; i < BOOK_PLACES; i++) {
		if (at[i].family != SB_FAMILY_NONE &&
		    published_elsewhere(&g->op->published, &at[i], b))
			return true;
	}
	return false;
}

/* bind(port 0): the first port that may be published and is free */
static int choose_free(const struct guest *g, const struct sb_message *m,
		       const struct sb_address *local, struct sb_address *at)
{
	struct sb_address wanted = *local;
	int err = EACCES;
	uint32_t n;

	for (n = 0; n < FREE_PORT_TRIES; n++) {
		wanted.port = policy_nth_port(g->config, local, n);
		if (!wanted.port)
			return err;
		err = EADDRINUSE;
		if (places_of(g, m, &wanted, at) == 0 &&
		    !places_taken(g, at, NULL))
			return 0;
	}
	return err;
}

/* Where does the listener appear? Return: 0 or an errno for the guest */
static int choose_places(const struct guest *g, const struct sb_message *m,
			 struct sb_address *at)
{
	struct sb_address local = address_unmap(&m->local);
	int err;

	if (!local.port)
		return choose_free(g, m, &local, at);
	err = places_of(g, m, &local, at);
	if (err)
		return err;
	return places_taken(g, at, &g->line[m->line].book) ? EADDRINUSE : 0;
}

static int book_listener(struct guest *g, const struct sb_message *m,
			 const struct sb_address *at)
{
	struct operator_service *o = g->op;
	struct book_record *r = book_request(g, m);
	int err;

	if (!r)
		return refuse(g, m, ENOBUFS, COUNT_REFUSED_LIMIT);
	published_move(&o->published, r, at);
	r->backlog = m->backlog > UINT16_MAX ? UINT16_MAX : m->backlog;
	err = proxy_listen(&g->line[m->line], r);
	if (!err) {
		o->counter[COUNT_LISTENS]++;
		return 0;
	}
	line_forget(&g->line[m->line], r);
	return err == -EAGAIN ? err : away(g, m);
}

static int handle_listen(struct guest *g, const struct sb_message *m)
{
	const char *wrong = wrong_request(m);
	const struct book_record *r;
	struct sb_address at[BOOK_PLACES];
	struct line *l;
	uint32_t i;
	int err;

	if (wrong)
		return malformed(g, m, wrong);
	l = &g->line[m->line];
	if (!line_usable(l))
		return refuse(g, m, ENETUNREACH, COUNT_REFUSED_AWAY);
	r = book_find(&l->book, m->entry);
	if (r && r->generation == m->generation) {
		/* asked for again: the same place */
		for (i = 0; i < BOOK_PLACES; i++)
			at[i] = r->place[i].address;
		return book_listener(g, m, at);
	}
	err = choose_places(g, m, at);
	if (err == EACCES) {
		log_refusal(g, &m->local);
		return refuse(g, m, EACCES, COUNT_REFUSED_POLICY);
	}
	if (err)
		return refuse(g, m, (uint32_t)err, COUNT_REFUSED_IN_USE);
	if (listeners_full(l, m->entry))
		return refuse(g, m, ENOBUFS, COUNT_REFUSED_LIMIT);
	return book_listener(g, m, at);
}

/* Is it a line to a proxy, of which something is known? */
static bool names_line(const struct guest *g, const struct sb_message *m)
{
	return m->line < OPERATOR_LINES && g->line[m->line].state != LINE_NONE;
}

/* The guest has made the line, or says again that it has */
static int handle_line_ready(struct guest *g, const struct sb_message *m)
{
	struct line *line;
	int err;

	if (introduction_line_ready(g, m))
		return 0;
	if (!names_line(g, m))
		return malformed(g, m, "a line that was not asked for");
	line = &g->line[m->line];
	/* on its way before the guest heard that: LINE_GONE is behind it */
	if (line->state == LINE_LOST)
		return 0;
	/* it would have to be lost or gone first */
	if (line_usable(line) &&
	    (line->gref != m->gref || line->port != m->port))
		return malformed(g, m, "another line in place of one that is");
	line_made(line, m->gref, m->port);
	if (!line_usable(line))
		return 0;
	err = proxy_attach(line);
	/* a proxy that is away gets the order when it says hello */
	return err == -EAGAIN ? err : 0;
}

static int handle_line_gone(struct guest *g, const struct sb_message *m)
{
	struct line *line;

	if (introduction_line_gone(g, m))
		return 0;
	if (!names_line(g, m))
		return malformed(g, m, "a line that is not there is gone");
	line = &g->line[m->line];
	if (line_usable(line) &&
	    proxy_detach(line->proxy, g->domain, m->line) == -EAGAIN)
		return -EAGAIN;
	line_gone(line);
	return 0;
}

int request_handle(struct guest *g, const struct sb_message *m)
{
	int err;

	switch (m->type) {
	case SB_MESSAGE_LISTEN:
		err = handle_listen(g, m);
		break;
	case SB_MESSAGE_LINE_READY:
		err = handle_line_ready(g, m);
		break;
	case SB_MESSAGE_LINE_GONE:
		err = handle_line_gone(g, m);
		break;
	case SB_MESSAGE_LINE_TAKEN:
		err = introduction_line_taken(g, m)
			      ? 0
			      : malformed(g, m, "a line that was not offered");
		break;
	case SB_MESSAGE_ADMITTED:
		err = introduction_admitted(g, m) ? 0
						  : malformed(g, m,
							      "an admission "
							      "nobody asked "
							      "for");
		break;
	default:
		guest_lied(g, "a message of no known type");
		err = 0;
	}
	if (err != -EAGAIN) {
		g->requests++;
		g->op->counter[COUNT_REQUESTS]++;
	}
	return err;
}
