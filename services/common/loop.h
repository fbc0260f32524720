/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * loop.h - one thread's event loop: descriptors and timers
 *
 * Watches and timers are embedded in what they serve and belong to the
 * caller; the loop allocates nothing. A callback may add, change or remove
 * any watch or timer, also its own; a watch that was removed is not called
 * again, even for an event that had already been fetched. (Free its memory
 * only from before_sleep, or when its callback cannot be pending: see
 * loop_unwatch().)
 */
#ifndef SERVICES_COMMON_LOOP_H
#define SERVICES_COMMON_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

#define LOOP_EVENTS 64
#define LOOP_CLOSING 64

/* The structure that @member is embedded in */
#define loop_owner(pointer, type, member) \
	((type *)(void *)((char *)(pointer)-offsetof(type, member)))

struct loop;

/**
 * struct loop_watch - a descriptor in the loop
 * @fd:    the descriptor; -1 while not watched
 * @ready: called with EPOLL* bits
 */
struct loop_watch {
	int fd;
	void (*ready)(struct loop_watch *watch, uint32_t events);
};

/**
 * struct loop_timer - something to be done later; zero-initialised
 * @fire:        called once, the timer then no longer runs
 * @deadline_ms: when, on loop_now()'s clock
 * @next:        private: running timers, soonest first
 * @back:        private: the pointer that points here; NULL when not running
 */
struct loop_timer {
	void (*fire)(struct loop_timer *timer);
	uint64_t deadline_ms;
	struct loop_timer *next;
	struct loop_timer **back;
};

/**
 * struct loop - the loop
 * @fd:           epoll descriptor
 * @stopping:     set by loop_stop()
 * @now_ms:       monotonic, as of the last wake-up
 * @timers:       running timers, soonest first
 * @alarm:        descriptor that becomes readable when the soonest is due: it
 *                stays set from one wait to the next, where a time limit of
 *                the wait would have to be set and taken back each time
 * @alarm_ms:     when that is, 0: not set
 * @before_sleep: called before every wait, for batched work; may be NULL;
 *                returns true when there is more work: the wait then only
 *                looks for events
 * @owner:        for before_sleep
 * @turns:        so far
 * @events:       fetched, being dispatched from @at to @count
 * @closing:      descriptors to be closed before the loop looks for events
 * @closings:     how many
 */
struct loop {
	int fd;
	bool stopping;
	uint64_t now_ms;
	struct loop_timer *timers;
	struct loop_watch alarm;
	uint64_t alarm_ms;
	bool (*before_sleep)(struct loop *loop);
	void *owner;
	uint32_t turns;
	int at;
	int count;
	struct epoll_event events[LOOP_EVENTS];
	int closing[LOOP_CLOSING];
	unsigned int closings;
};

/* Return: 0 or -errno */
int loop_init(struct loop *loop);
void loop_fini(struct loop *loop);

/**
 * loop_watch() - call @ready when @fd has @events
 * @watch: @ready is set by the caller, @fd is set here
 *
 * Return: 0 or -errno.
 */
int loop_watch(struct loop *loop, struct loop_watch *watch, int fd,
	       uint32_t events);
/* Other events for a watched descriptor. Return: 0 or -errno */
int loop_rewatch(struct loop *loop, struct loop_watch *watch, uint32_t events);
/*
 * Watch no longer; before the descriptor is closed. Events already fetched for
 * this watch are forgotten, so its memory may be freed at once. Nothing when
 * it is not watched.
 */
void loop_unwatch(struct loop *loop, struct loop_watch *watch);
/*
 * The same for a descriptor that has no duplicate and is closed right after:
 * the kernel then forgets it by itself, which saves a system call.
 */
void loop_forget(struct loop *loop, struct loop_watch *watch);
/*
 * Forget it, and close its descriptor when all else of this turn is done:
 * whoever waits for something goes first.
 */
void loop_close_later(struct loop *loop, struct loop_watch *watch);

/* Milliseconds, monotonic; the same during one dispatch */
static inline uint64_t loop_now(const struct loop *loop)
{
	return loop->now_ms;
}

/* The same from before_sleep() to the last event that its wait has told of */
static inline uint32_t loop_turns(const struct loop *loop)
{
	return loop->turns;
}

/* (Re)start a timer. Cost grows with running timers: for tens, not thousands */
void loop_timer_start(struct loop *loop, struct loop_timer *timer,
		      uint64_t after_ms);
void loop_timer_stop(struct loop_timer *timer);
static inline bool loop_timer_running(const struct loop_timer *timer)
{
	return timer->back;
}

/* Wait once, at most @timeout_ms (-1: no bound), and dispatch. 0 or -errno */
int loop_turn(struct loop *loop, int timeout_ms);
/* Turn until loop_stop(). Return: 0 or -errno */
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

#endif
