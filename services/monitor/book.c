// SPDX-License-Identifier: GPL-2.0-only
/*
 * book.c - what the monitor knows
 *
 * An answer that comes in several parts is collected beside the last whole
 * one, which stays what readers see until the new one is complete.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services/monitor/book.h"

struct book *book_new(void)
{
	return calloc(1, sizeof(struct book));
}

void book_free(struct book *b)
{
	unsigned int i;

	if (!b)
		return;
	for (i = 0; i < b->services; i++) {
		free(b->service[i].guest);
		free(b->service[i].guest_coming);
		free(b->service[i].circuits.circuit);
		free(b->service[i].coming.circuit);
	}
	free(b);
}

static bool same(const struct book_service *s, const char *service,
		 const char *instance)
{
	return !strcmp(s->service, service) && !strcmp(s->instance, instance);
}

struct book_service *book_service_add(struct book *b, const char *service,
				      const char *instance, int64_t now_ms)
{
	struct book_service *s;
	unsigned int i;

	errno = EINVAL;
	if (!*service || strlen(service) >= sizeof(s->service) ||
	    strlen(instance) >= sizeof(s->instance))
		return NULL;
	errno = EEXIST;
	for (i = 0; i < b->services; i++)
		if (same(&b->service[i], service, instance))
			return NULL;
	errno = ENOSPC;
	if (b->services == MONITOR_SERVICES_MAX)
		return NULL;
	s = &b->service[b->services++];
	snprintf(s->service, sizeof(s->service), "%s", service);
	snprintf(s->instance, sizeof(s->instance), "%s", instance);
	s->changed_ms = now_ms;
	b->version++;
	return s;
}

/* Where the next event goes */
static struct ipc_event *event_slot(struct book *b, int64_t now_ms)
{
	struct book_event *e = &b->event[b->events_all++ % MONITOR_EVENTS_MAX];

	memset(e, 0, sizeof(*e));
	e->at_ms = now_ms;
	b->version++;
	return &e->event;
}

/* What the monitor itself noticed about a service */
static void notice(struct book *b, const struct book_service *s,
		   const char *event, const char *why, int64_t now_ms)
{
	struct ipc_event *e = event_slot(b, now_ms);

	snprintf(e->event, sizeof(e->event), "%s", event);
	memcpy(e->service, s->service, sizeof(e->service));
	memcpy(e->instance, s->instance, sizeof(e->instance));
	snprintf(e->why, sizeof(e->why), "%s", why);
}

static void turn_up(struct book *b, struct book_service *s,
		    const struct ipc_status *m, int64_t now_ms)
{
	bool other = s->pid && s->pid != m->pid;

	if (other) {
		s->restarts++;
		notice(b, s, "service-restarted", "another process answers",
		       now_ms);
	}
	if (s->state != BOOK_UP && !other)
		notice(b, s,
		       s->state == BOOK_AWAY ? "service-back" : "service-up",
		       "", now_ms);
	if (s->state != BOOK_UP || other) {
		s->state = BOOK_UP;
		s->changed_ms = now_ms;
	}
	s->answered_ms = now_ms;
}

static uint64_t counter_in(const struct ipc_counter *counter,
			   unsigned int counters, const char *name)
{
	unsigned int i;

	for (i = 0; i < counters; i++)
		if (!strcmp(counter[i].name, name))
			return counter[i].value;
	return 0;
}

/* The difference to the last answer of the same process */
static uint64_t rate_of(const struct book_service *s,
			const struct ipc_status *m, const char *name,
			int64_t now_ms)
{
	if (s->pid != m->pid)
		return 0;
	return book_rate(counter_in(s->counter, s->counters, name),
			 counter_in(m->counter, m->counters, name),
			 now_ms - s->answered_ms);
}

static void take_rates(struct book_service *s, const struct ipc_status *m,
		       int64_t now_ms)
{
	s->sent_rate = rate_of(s, m, "sent-bytes", now_ms);
	s->received_rate = rate_of(s, m, "received-bytes", now_ms);
}

/* What every part carries */
static void take_head(struct book_service *s, const struct ipc_status *m)
{
	s->pid = m->pid;
	s->uptime_s = m->uptime_s;
	s->rss_kib = m->rss_kib;
	s->guests_all = m->guests_all;
	s->circuits_all = m->circuits_all;
	s->counters = m->counters;
	memcpy(s->counter, m->counter, m->counters * sizeof(s->counter[0]));
}

static int add_guests(struct book_service *s, const struct ipc_status *m)
{
	unsigned int count = m->guests;
	struct ipc_guest_row *larger;

	if (count > MONITOR_GUESTS_MAX - s->guests_coming)
		count = MONITOR_GUESTS_MAX - s->guests_coming;
	if (!count)
		return 0;
	larger = reallocarray(s->guest_coming, s->guests_coming + count,
			      sizeof(*larger));
	if (!larger)
		return -ENOMEM;
	memcpy(larger + s->guests_coming, m->guest, count * sizeof(*larger));
	s->guest_coming = larger;
	s->guests_coming += count;
	return 0;
}

/* What has been collected is now what readers see */
static void turn_page(struct book_service *s)
{
	struct book_circuits old = s->circuits;

	book_circuits_merge(&s->coming, &s->circuits);
	s->circuits = s->coming;
	s->coming = old;
	free(s->guest);
	s->guest = s->guest_coming;
	s->guests = s->guests_coming;
	s->guest_coming = NULL;
	s->guests_coming = 0;
}

static void begin_answer(struct book_service *s, int64_t now_ms)
{
	s->coming.count = 0;
	s->coming.answered_ms = now_ms;
	s->guests_coming = 0;
}

int book_answer_merge(struct book *b, struct book_service *s,
		      const struct ipc_status *m, unsigned int part,
		      unsigned int parts, int64_t now_ms)
{
	int error;

	if (!same(s, m->service, m->instance)) {
		s->impostures++;
		return -EPERM;
	}
	if (!part)
		take_rates(s, m, now_ms);
	turn_up(b, s, m, now_ms);
	take_head(s, m);
	b->version++;
	if (!part)
		begin_answer(s, now_ms);
	error = add_guests(s, m);
	if (!error)
		error = book_circuits_add(&s->coming, m->circuit, m->circuits);
	if (error)
		return error;
	if (m->more && (m->circuits || m->guests) && part + 1 < parts)
		return 1;
	turn_page(s);
	return 0;
}

int book_event_add(struct book *b, struct book_service *s,
		   const struct ipc_event *e, int64_t now_ms)
{
	if (!same(s, e->service, e->instance)) {
		s->impostures++;
		return -EPERM;
	}
	*event_slot(b, now_ms) = *e;
	return 0;
}

bool book_service_carries(const struct book_service *s)
{
	return s->state == BOOK_UP && strcmp(s->service, "operator") != 0;
}

uint64_t book_counter(const struct book_service *s, const char *name)
{
	return counter_in(s->counter, s->counters, name);
}

void book_age(struct book *b, int64_t now_ms)
{
	struct book_sample *sample =
		&b->sample[b->samples_all++ % MONITOR_SAMPLES_MAX];
	unsigned int i;

	memset(sample, 0, sizeof(*sample));
	for (i = 0; i < b->services; i++) {
		struct book_service *s = &b->service[i];

		if (s->state == BOOK_UP &&
		    now_ms - s->answered_ms > MONITOR_AWAY_AFTER_MS) {
			s->state = BOOK_AWAY;
			s->changed_ms = s->answered_ms;
			notice(b, s, "service-away", "does not answer surveys",
			       now_ms);
		}
		if (!book_service_carries(s))
			continue;
		sample->sent_rate += s->sent_rate;
		sample->received_rate += s->received_rate;
		sample->circuits += s->circuits_all;
	}
	b->version++;
}

const struct book_event *book_event_back(const struct book *b, uint64_t back)
{
	if (back >= MONITOR_EVENTS_MAX || back >= b->events_all)
		return NULL;
	return &b->event[(b->events_all - 1 - back) % MONITOR_EVENTS_MAX];
}

const struct book_sample *book_sample_back(const struct book *b, uint64_t back)
{
	if (back >= MONITOR_SAMPLES_MAX || back >= b->samples_all)
		return NULL;
	return &b->sample[(b->samples_all - 1 - back) % MONITOR_SAMPLES_MAX];
}
