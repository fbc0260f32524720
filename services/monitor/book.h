/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * book.h - what the monitor knows about the services, their guests and
 * circuits
 *
 * Every service has a page of the book, made before it is first heard of. Its
 * answers to surveys fill the page; a service that stops answering is away,
 * and what it said last stays readable. Nothing here does any I/O, and the
 * clock is an argument, so all of it is tested without one.
 *
 * Times are milliseconds of a monotonic clock. What a service may make the
 * book hold is bounded by services/common/limits.h.
 */
#ifndef MONITOR_BOOK_H
#define MONITOR_BOOK_H

#include "ipc/messages.h"
#include "services/common/limits.h"

enum book_state {
	BOOK_NEVER, /* has not answered since the monitor started */
	BOOK_UP,
	BOOK_AWAY, /* has answered before, but not lately */
};

/**
 * struct book_circuit - a circuit, and how fast it is
 * @row:           as the service said
 * @sent_rate:     bytes per second from the guest, since the last answer
 * @received_rate: bytes per second to the guest
 */
struct book_circuit {
	struct ipc_circuit_row row;
	uint64_t sent_rate;
	uint64_t received_rate;
};

/**
 * struct book_circuits - circuits of one service, sorted by guest and entry
 * @circuit:     array of @room
 * @count:       valid ones
 * @answered_ms: when the service said so
 */
struct book_circuits {
	struct book_circuit *circuit;
	unsigned int count;
	unsigned int room;
	int64_t answered_ms;
};

/**
 * struct book_service - the page of one service
 * @service:     as in ipc_status
 * @instance:    as in ipc_status
 * @state:       is it there?
 * @changed_ms:  since when it is in that state
 * @answered_ms: when it answered last
 * @restarts:    how often its process was another one than before
 * @impostures:  answers and events in another's name, dropped
 * @sent_rate:   bytes per second from guests, by its counters
 * @received_rate: bytes per second to guests
 * @pid:         and what follows: what it said last
 * @guest:       array of @guests
 * @circuits:    complete as far as it was asked
 * @coming:      the answer that is arriving in several messages
 */
struct book_service {
	char service[IPC_NAME_BYTES];
	char instance[IPC_NAME_BYTES];
	enum book_state state;
	int64_t changed_ms;
	int64_t answered_ms;
	uint64_t restarts;
	uint64_t impostures;
	uint64_t sent_rate;
	uint64_t received_rate;
	uint32_t pid;
	uint64_t uptime_s;
	uint64_t rss_kib;
	unsigned int counters;
	struct ipc_counter counter[IPC_COUNTERS_MAX];
	unsigned int guests;
	struct ipc_guest_row *guest;
	uint32_t guests_all;
	uint32_t circuits_all;
	struct book_circuits circuits;
	struct book_circuits coming;
	unsigned int guests_coming;
	struct ipc_guest_row *guest_coming;
};

struct book_event {
	int64_t at_ms;
	struct ipc_event event;
};

/**
 * struct book_sample - one second of the whole appliance
 * @sent_rate:     bytes per second from all guests
 * @received_rate: bytes per second to all guests
 * @circuits:      circuits of all proxies
 */
struct book_sample {
	uint64_t sent_rate;
	uint64_t received_rate;
	uint32_t circuits;
};

/**
 * struct book - all pages
 * @version:     moves with every change
 * @event:       the latest, a ring; the next goes to @events_all modulo size
 * @events_all:  ever added
 * @sample:      the latest, a ring like @event
 * @samples_all: ever added
 */
struct book {
	uint64_t version;
	unsigned int services;
	struct book_service service[MONITOR_SERVICES_MAX];
	uint64_t events_all;
	struct book_event event[MONITOR_EVENTS_MAX];
	uint64_t samples_all;
	struct book_sample sample[MONITOR_SAMPLES_MAX];
};

/* Return: an empty book, or NULL with errno */
struct book *book_new(void);
void book_free(struct book *b);

/**
 * book_service_add() - expect a service
 *
 * Return: its page, valid as long as the book; NULL with errno: ENOSPC when
 * there are MONITOR_SERVICES_MAX, EEXIST, EINVAL when a name is too long.
 */
struct book_service *book_service_add(struct book *b, const char *service,
				      const char *instance, int64_t now_ms);

/**
 * book_answer_merge() - a service has answered a survey
 * @b:     the book
 * @s:     the service whose socket it came from
 * @m:     the answer
 * @part:  which part of the answer was asked for; 0 begins a new one
 * @parts: how many will be asked for at most
 *
 * Return: 1 when the next part should be asked for, 0 when that was all,
 * -EPERM when the answer speaks for another service, -ENOMEM.
 */
int book_answer_merge(struct book *b, struct book_service *s,
		      const struct ipc_status *m, unsigned int part,
		      unsigned int parts, int64_t now_ms);

/* A service told an event. Return: 0, or -EPERM as above */
int book_event_add(struct book *b, struct book_service *s,
		   const struct ipc_event *e, int64_t now_ms);

/* Once a second: who is away by now, and a sample of the whole */
void book_age(struct book *b, int64_t now_ms);

/* Does it carry circuits? The operator only knows of listeners */
bool book_service_carries(const struct book_service *s);

/**
 * book_counter() - the value of a counter, 0 when the service has none
 */
uint64_t book_counter(const struct book_service *s, const char *name);

/* The event that is @back places before the latest, or NULL */
const struct book_event *book_event_back(const struct book *b, uint64_t back);
const struct book_sample *book_sample_back(const struct book *b, uint64_t back);

/* Per second; 0 when counted backwards or no time has passed */
uint64_t book_rate(uint64_t before, uint64_t now, int64_t passed_ms);

/**
 * book_circuits_merge() - rates for circuits that were known before
 * @now:    just filled from an answer; is sorted here
 * @before: the same service's last answer, sorted
 */
void book_circuits_merge(struct book_circuits *now,
			 const struct book_circuits *before);

/* Return: 0, or -ENOMEM; silently ends at MONITOR_CIRCUITS_MAX */
int book_circuits_add(struct book_circuits *c,
		      const struct ipc_circuit_row *row, unsigned int count);

#endif
