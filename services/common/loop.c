/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * loop.c - one thread's event loop: descriptors and timers
 */
#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "services/common/loop.h"

/*
 * The coarse clock, some milliseconds behind: it is memory that the kernel
 * shares, while a PV Dom0 has to enter the kernel for the fine one, every turn
 */
static void renew_clock(struct loop *loop, clockid_t clock)
{
	struct timespec now;
	uint64_t now_ms;

	clock_gettime(clock, &now);
	now_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	/* the two clocks are not quite one */
	if (now_ms > loop->now_ms)
		loop->now_ms = now_ms;
}

/* A timer is due, by the fine clock, which the coarse one is behind */
static void alarm_ready(struct loop_watch *watch, uint32_t events)
{
	struct loop *loop = loop_owner(watch, struct loop, alarm);
	uint64_t times;

	if (read(watch->fd, &times, sizeof(times)) < 0)
		return;
	loop->alarm_ms = 0;
	renew_clock(loop, CLOCK_MONOTONIC);
}

static int init_alarm(struct loop *loop)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	int err;

	if (fd < 0)
		return -errno;
	loop->alarm.ready = alarm_ready;
	err = loop_watch(loop, &loop->alarm, fd, EPOLLIN);
	if (err)
		close(fd);
	return err;
}

int loop_init(struct loop *loop)
{
	int err;

	memset(loop, 0, sizeof(*loop));
	loop->alarm.fd = -1;
	loop->fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->fd < 0)
		return -errno;
	err = init_alarm(loop);
	if (err)
		loop_fini(loop);
	renew_clock(loop, CLOCK_MONOTONIC_COARSE);
	return err;
}

static void close_all(struct loop *loop)
{
	for (unsigned int i = 0; i < loop->closings; i++)
		close(loop->closing[i]);
	loop->closings = 0;
}

void loop_fini(struct loop *loop)
{
	close_all(loop);
	if (loop->alarm.fd >= 0)
		close(loop->alarm.fd);
	loop->alarm.fd = -1;
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

void loop_close_later(struct loop *loop, struct loop_watch *watch)
{
	if (loop->closings == LOOP_CLOSING)
		close_all(loop);
	loop->closing[loop->closings++] = watch->fd;
	loop_forget(loop, watch);
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

static bool is_due(const struct loop *loop)
{
	return loop->timers && loop->timers->deadline_ms <= loop->now_ms;
}

/* One that is set for an earlier time does no harm */
static void set_alarm(struct loop *loop)
{
	uint64_t at_ms = loop->timers ? loop->timers->deadline_ms : 0;
	struct itimerspec at = { 0 };

	if (!at_ms || (loop->alarm_ms && loop->alarm_ms <= at_ms))
		return;
	at.it_value.tv_sec = (time_t)(at_ms / 1000);
	at.it_value.tv_nsec = (long)(at_ms % 1000) * 1000000;
	if (timerfd_settime(loop->alarm.fd, TFD_TIMER_ABSTIME, &at, NULL) == 0)
		loop->alarm_ms = at_ms;
}

static void dispatch(struct loop *loop)
{
	for (loop->at = 0; loop->at < loop->count;) {
		struct epoll_event *event = &loop->events[loop->at++];
		struct loop_watch *watch = event->data.ptr;

		if (watch)
			watch->ready(watch, event->events);
	}
}

int loop_turn(struct loop *loop, int timeout_ms)
{
	loop->turns++;
	if ((loop->before_sleep && loop->before_sleep(loop)) || is_due(loop))
		timeout_ms = 0;
	if (timeout_ms)
		set_alarm(loop);
	/* before an event could name a watch that is gone */
	close_all(loop);
	loop->count =
		epoll_wait(loop->fd, loop->events, LOOP_EVENTS, timeout_ms);
	if (loop->count < 0) {
		loop->count = 0;
		return errno == EINTR ? 0 : -errno;
	}
	renew_clock(loop, CLOCK_MONOTONIC_COARSE);
	dispatch(loop);
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
