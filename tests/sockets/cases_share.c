// SPDX-License-Identifier: GPL-2.0-only
/*
 * cases_share.c - one socket, several descriptors, threads and processes
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "far.h"
#include "near.h"

static void duplicates(struct world *w)
{
	struct pair p = near_pair(w);
	int other = dup(p.near);

	must(other >= 0);
	must_be(close(p.near), 0);
	near_send(other, 100, 1);
	far_ask(w, "recv %d 100 1", p.far);
	far_ask(w, "send %d 100 2", p.far);
	near_recv(other, 100, 2);
	must_be(close(other), 0);
	must_be(far_ask(w, "errno %d", p.far), 0);
}

static void wait_for(pid_t pid)
{
	int status;

	must_be(waitpid(pid, &status, 0), pid);
	/* a child that failed has told why already */
	if (status)
		_exit(1);
}

static void over_fork(struct world *w)
{
	struct pair p = near_pair(w);
	pid_t pid = fork();

	must(pid >= 0);
	if (!pid) {
		near_send(p.near, 50000, 1);
		_exit(0);
	}
	far_ask(w, "recv %d 50000 1", p.far);
	wait_for(pid);
	/* the child's end was not the socket's */
	near_send(p.near, 100, 2);
	far_ask(w, "recv %d 100 2", p.far);
	far_ask(w, "send %d 100 3", p.far);
	near_recv(p.near, 100, 3);
	pid = fork();
	if (!pid) {
		must_be(shutdown(p.near, SHUT_WR), 0);
		_exit(0);
	}
	wait_for(pid);
	must_be(far_ask(w, "errno %d", p.far), 0);
	must_fail(send(p.near, "x", 1, MSG_NOSIGNAL), EPIPE);
}

static void child_outlives(struct world *w)
{
	struct pair p = near_pair(w);
	pid_t pid = fork();

	if (!pid) {
		near_recv(p.near, 1000, 4);
		near_send(p.near, 1000, 5);
		_exit(0);
	}
	must_be(close(p.near), 0);
	far_ask(w, "send %d 1000 4", p.far);
	far_ask(w, "recv %d 1000 5", p.far);
	wait_for(pid);
	must_be(far_ask(w, "errno %d", p.far), 0);
}

/* Several processes wait on one listener, as servers do */
static void accept_in_children(struct world *w)
{
	unsigned int port;
	int listener = near_listen(w, 16, &port);
	pid_t pid[4];
	int i;

	for (i = 0; i < 4; i++) {
		pid[i] = fork();
		if (!pid[i]) {
			int fd = accept(listener, NULL, NULL);

			must(fd >= 0);
			near_send(fd, 10, 1);
			_exit(0);
		}
	}
	close(listener);
	for (i = 0; i < 4; i++) {
		far_start(w, "connect %s %u", endpoint_text(&w->reach), port);
		must_be(far_finish(w), i);
		must_be(far_ask(w, "drain %d 1", i), 10);
	}
	for (i = 0; i < 4; i++)
		wait_for(pid[i]);
}

static void pass(int channel, int fd)
{
	char room[CMSG_SPACE(sizeof(int))] = {};
	struct iovec part = { "x", 1 };
	struct msghdr m = { .msg_iov = &part,
			    .msg_iovlen = 1,
			    .msg_control = room,
			    .msg_controllen = sizeof(room) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	must_be(sendmsg(channel, &m, 0), 1);
}

static int take(int channel)
{
	char room[CMSG_SPACE(sizeof(int))];
	char byte;
	struct iovec part = { &byte, 1 };
	struct msghdr m = { .msg_iov = &part,
			    .msg_iovlen = 1,
			    .msg_control = room,
			    .msg_controllen = sizeof(room) };
	int fd;

	must_be(recvmsg(channel, &m, 0), 1);
	must(CMSG_FIRSTHDR(&m));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(int));
	return fd;
}

static void passed(struct world *w)
{
	struct pair p = near_pair(w);
	int channel[2];
	pid_t pid;

	must_be(socketpair(AF_UNIX, SOCK_STREAM, 0, channel), 0);
	far_ask(w, "send %d 1000 6", p.far);
	pid = fork();
	if (!pid) {
		int fd;

		close(p.near);
		fd = take(channel[1]);
		near_recv(fd, 1000, 6);
		near_send(fd, 1000, 7);
		_exit(0);
	}
	pass(channel[0], p.near);
	must_be(close(p.near), 0);
	far_ask(w, "recv %d 1000 7", p.far);
	wait_for(pid);
	must_be(far_ask(w, "errno %d", p.far), 0);
}

/* A socket whose last descriptor is in flight lives until it is taken */
static void in_flight(struct world *w)
{
	struct pair p = near_pair(w);
	int channel[2];

	must_be(socketpair(AF_UNIX, SOCK_STREAM, 0, channel), 0);
	pass(channel[0], p.near);
	must_be(close(p.near), 0);
	near_sleep_ms(50);
	p.near = take(channel[1]);
	near_send(p.near, 100, 1);
	far_ask(w, "recv %d 100 1", p.far);
	pass(channel[0], p.near);
	must_be(close(p.near), 0);
	must_be(close(channel[0]), 0);
	must_be(close(channel[1]), 0);
	must_be(far_ask(w, "errno %d", p.far), 0);
}

static void *read_all(void *fd)
{
	near_recv(*(int *)fd, 4 << 20, 8);
	return NULL;
}

static void two_threads(struct world *w)
{
	struct pair p = near_pair(w);
	pthread_t thread;
	pid_t pid;

	pthread_create(&thread, NULL, read_all, &p.near);
	pid = fork();
	if (!pid) {
		near_send(p.near, 1 << 20, 9);
		_exit(0);
	}
	far_ask(w, "recv %d %d 9", p.far, 1 << 20);
	far_ask(w, "send %d %d 8", p.far, 4 << 20);
	pthread_join(thread, NULL);
	wait_for(pid);
}

struct blocked {
	struct near_thread thread;
	int fd;
	ssize_t got;
};

static void *block(void *arg)
{
	struct blocked *b = arg;
	char byte;

	near_will_wait(&b->thread);
	b->got = recv(b->fd, &byte, 1, 0);
	return NULL;
}

/* close() by one thread comes back although another waits in recv() */
static void closed_by_thread(struct world *w)
{
	struct pair p = near_pair(w);
	struct blocked b = { .fd = p.near };
	pthread_t thread;

	pthread_create(&thread, NULL, block, &b);
	near_waits(&b.thread, __NR_recvfrom);
	must_be(close(p.near), 0);
	far_ask(w, "send %d 1 1", p.far);
	pthread_join(thread, NULL);
	must_be(b.got, 1);
}

const struct check_case share_cases[] = {
	{ "share-duplicates", duplicates, PAIRS },
	{ "share-over-fork", over_fork, PAIRS },
	{ "share-child-outlives", child_outlives, PAIRS },
	{ "share-accept-in-children", accept_in_children, LISTENS },
	{ "share-passed", passed, PAIRS },
	{ "share-in-flight", in_flight, PAIRS },
	{ "share-two-threads", two_threads, PAIRS },
	{ "share-closed-by-thread", closed_by_thread, PAIRS },
	CASES_END,
};
