/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * loop.c - one thread's event loop: descriptors and timers
 */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "services/common/loop.h"

/*
 * The coarse clock, some milliseconds behind: it is memory that the kernel
 * shares, while a PV Dom0 has to enter the kernel for the fine one, every turn
 */
static void renew_clock(struct loop *loop)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	loop->now_ms =
		(uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

int loop_init(struct loop *loop)
{
	memset(loop, 0, sizeof(*loop));
	loop->fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->fd < 0)
		return -errno;
	renew_clock(loop);
	return 0;
}

void loop_fini(struct loop *loop)
{
	if (loop->fd >= 0)
		close(loop->fd);
	loop->fd = -1;
}

static int control(struct loop *loop, struct loop_watch *watch, int operation,
		   int fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = watch };

	return epoll_ctl(loop->fd, operation, fd, &event) < 0 ? -errno : 0;
}

int loop_watch(struct loop *loop, struct loop_watch *watch, int fd,
	       uint32_t events)
{
	int err = control(loop, watch, EPOLL_CTL_ADD, fd, events);

	watch->fd = err ? -1 : fd;
	return err;
}

int loop_rewatch(struct loop *loop, struct loop_watch *watch, uint32_t events)
{
	return control(loop, watch, EPOLL_CTL_MOD, watch->fd, events);
}

void loop_unwatch(struct loop *loop, struct loop_watch *watch)
{
	if (watch->fd < 0)
		return;
	control(loop, watch, EPOLL_CTL_DEL, watch->fd, 0);
	loop_forget(loop, watch);
}

void loop_forget(struct loop *loop, struct loop_watch *watch)
{
	int i;

	watch->fd = -1;
	for (i = loop->at; i < loop->count; i++) {
		if (loop->events[i].data.ptr == watch)
			loop->events[i].data.ptr = NULL;
	}
}

void loop_timer_stop(struct loop_timer *timer)
{
	if (!timer->back)
		return;
	*timer->back = timer->next;
	if (timer->next)
		timer->next->back = timer->back;
	timer->back = NULL;
	timer->next = NULL;
}

void loop_timer_start(struct loop *loop, struct loop_timer *timer,
		      uint64_t after_ms)
{
	struct loop_timer **at = &loop->timers;

	loop_timer_stop(timer);
	timer->deadline_ms = loop->now_ms + after_ms;
	while (*at && (*at)->deadline_ms <= timer->deadline_ms)
		at = &(*at)->next;
	timer->next = *at;
	timer->back = at;
	if (timer->next)
		timer->next->back = &timer->next;
	*at = timer;
}

static void fire_timers(struct loop *loop)
{
	/* those that a callback starts anew wait for the next turn */
	uint64_t now = loop->now_ms;

	while (loop->timers && loop->timers->deadline_ms <= now) {
		struct loop_timer *timer = loop->timers;

		loop_timer_stop(timer);
		timer->fire(timer);
		if (loop->timers == timer)
			break;
	}
}

/* How long to wait: until the first timer, @timeout_ms at most */
static int wait_ms(const struct loop *loop, int timeout_ms)
{
	uint64_t left;

	if (!loop->timers)
		return timeout_ms;
	if (loop->timers->deadline_ms <= loop->now_ms)
		return 0;
	left = loop->timers->deadline_ms - loop->now_ms;
	if (timeout_ms >= 0 && left > (uint64_t)timeout_ms)
		return timeout_ms;
	return left > INT32_MAX ? INT32_MAX : (int)left;
}

int loop_turn(struct loop *loop, int timeout_ms)
{
	int wait;

	if (loop->before_sleep && loop->before_sleep(loop))
		timeout_ms = 0;
	if (loop->timers)
		renew_clock(loop);
	wait = wait_ms(loop, timeout_ms);
	loop->count = epoll_wait(loop->fd, loop->events, LOOP_EVENTS, wait);
	if (loop->count < 0) {
		loop->count = 0;
		return errno == EINTR ? 0 : -errno;
	}
	renew_clock(loop);
	for (loop->at = 0; loop->at < loop->count;) {
		struct epoll_event *event = &loop->events[loop->at++];
		struct loop_watch *watch = event->data.ptr;

		if (watch)
			watch->ready(watch, event->events);
	}
	fire_timers(loop);
	return 0;
}

int loop_run(struct loop *loop)
{
	int err = 0;

	while (!loop->stopping && !err)
		err = loop_turn(loop, -1);
	return err;
}

void loop_stop(struct loop *loop)
{
	loop->stopping = true;
}
