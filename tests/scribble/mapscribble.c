/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mapscribble.c - a hostile program: nonsense in the circuits it has mapped
 *
 *   mapscribble SECONDS SEED [ADDRESS PORT]
 *
 * Runs in a guest. Keeps a few connections - to ADDRESS, or to itself - maps
 * their circuits and, until the time is up, stores random values into index
 * pages and areas, from two threads that never pause, while another makes
 * random calls on the same sockets. Its connections may end; nothing else of
 * the guest may notice.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <linux/switchboard.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/random.h"

#define SLOTS 8
#define PIECE_MAX 20000u
#define MAPPED_MAX (4096u + 4 * (1u << 20))

/* One connection; @base and @bytes are read by the threads under @lock */
struct slot {
	int fd; /* 0: none */
	int other; /* the accepted end of one to ourselves, or 0 */
	uint8_t *base;
	size_t bytes;
	pthread_mutex_t lock;
};

static struct slot slots[SLOTS];
static struct sockaddr_in target;
static int listener;
static time_t until;
static unsigned int circuits;
static unsigned int attachments;

static bool is_over(void)
{
	return time(NULL) >= until;
}

static uint32_t pick(struct random *r)
{
	static const uint32_t some[] = { 0,	     1,	    0xffffffff,
					 0x80000000, 16384, 16385 };

	return random_below(r, 2) ? random_next(r) : some[random_below(r, 6)];
}

/* Nonsense in one place of one circuit; most of it in the index page */
static void scribble(struct slot *s, struct random *r)
{
	uint32_t *words = (uint32_t *)s->base;
	uint32_t at = random_below(r, 32);

	switch (random_below(r, 4)) {
	case 0: /* near what it is: believable */
		__atomic_fetch_add(&words[at], random_below(r, 5000) - 1000,
				   __ATOMIC_SEQ_CST);
		break;
	case 1:
		at = random_below(r, s->bytes / 4);
		/* fall through */
	default:
		__atomic_store_n(&words[at], pick(r), __ATOMIC_SEQ_CST);
	}
}

static void *scribble_on(void *opaque)
{
	struct random r = random_seed((uintptr_t)opaque);
	struct slot *s;
	int i;

	while (!is_over()) {
		s = &slots[random_below(&r, SLOTS)];
		pthread_mutex_lock(&s->lock);
		for (i = 0; s->base && i < 200; i++)
			scribble(s, &r);
		pthread_mutex_unlock(&s->lock);
	}
	return NULL;
}

static void unmap(struct slot *s)
{
	pthread_mutex_lock(&s->lock);
	if (s->base && munmap(s->base, s->bytes) != 0)
		perror("munmap");
	s->base = NULL;
	pthread_mutex_unlock(&s->lock);
}

static void map(struct slot *s)
{
	struct sb_user_circuit u = { .version = SB_USER_VERSION };
	void *base;

	if (s->base || ioctl(s->fd, SB_USER_ATTACH, &u) != 0)
		return;
	attachments++;
	base = mmap(NULL, u.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd,
		    0);
	if (base == MAP_FAILED || u.bytes > MAPPED_MAX)
		return;
	pthread_mutex_lock(&s->lock);
	s->bytes = u.bytes;
	s->base = base;
	pthread_mutex_unlock(&s->lock);
}

static void hang_up(struct slot *s, struct random *r)
{
	if (!s->fd)
		return;
	/* in either order */
	if (random_below(r, 2))
		unmap(s);
	close(s->fd);
	unmap(s);
	if (s->other)
		close(s->other);
	s->fd = 0;
	s->other = 0;
}

static void call_up(struct slot *s)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 ||
	    connect(fd, (struct sockaddr *)&target, sizeof(target)) != 0) {
		close(fd);
		return;
	}
	s->fd = fd;
	if (listener)
		s->other = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
	circuits++;
	map(s);
}

static void look(struct slot *s, struct random *r)
{
	struct sb_user_wait wait = { .events = 1 + random_below(r, 3),
				     .read_bytes = 1 + random_below(r, 9000),
				     .write_bytes = 1 + random_below(r, 9000),
				     .timeout_ms = random_below(r, 2) };
	struct pollfd p = { .fd = s->fd, .events = POLLIN | POLLOUT };
	int value;

	switch (random_below(r, 4)) {
	case 0:
		ioctl(s->fd, SB_USER_WAIT, &wait);
		break;
	case 1:
		poll(&p, 1, 0);
		break;
	case 2:
		ioctl(s->fd, SIOCINQ, &value);
		break;
	default:
		ioctl(s->fd, SIOCOUTQ, &value);
	}
}

static void play_with_memory(struct slot *s, struct random *r)
{
	pid_t pid;

	pthread_mutex_lock(&s->lock);
	if (s->base && random_below(r, 2)) {
		madvise(s->base, s->bytes, MADV_DONTNEED);
	} else if (s->base) {
		madvise(s->base, s->bytes, MADV_DOFORK);
		pid = fork();
		if (pid == 0) {
			memset(s->base, 0xff, s->bytes);
			_exit(0);
		}
		waitpid(pid, NULL, 0);
	}
	pthread_mutex_unlock(&s->lock);
}

/* send() and recv(), at either end, also of the circuit itself */
static void move_bytes(struct slot *s, struct random *r)
{
	static uint8_t piece[PIECE_MAX];
	size_t bytes = 1 + random_below(r, PIECE_MAX);
	int peek = random_below(r, 4) ? 0 : MSG_PEEK;

	switch (random_below(r, 6)) {
	case 0:
	case 1:
		send(s->fd, piece, bytes, MSG_DONTWAIT);
		break;
	case 2:
	case 3:
		recv(s->fd, piece, bytes, MSG_DONTWAIT | peek);
		break;
	case 4:
		if (s->base)
			send(s->fd, s->base, bytes, MSG_DONTWAIT);
		break;
	default:
		if (!s->other)
			break;
		recv(s->other, piece, bytes, 0);
		send(s->other, piece, bytes, 0);
	}
}

/* What ends connections, seldom */
static void end_something(struct slot *s, struct random *r)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };

	switch (random_below(r, 8)) {
	case 0:
		(void)!connect(s->fd, &none, sizeof(none));
		break;
	case 1:
		shutdown(s->fd, random_below(r, 3));
		break;
	case 2:
	case 3:
		hang_up(s, r);
	}
}

/* One random call on one connection */
static void step(struct slot *s, struct random *r)
{
	if (!s->fd) {
		call_up(s);
		return;
	}
	switch (random_below(r, 20)) {
	case 0:
	case 1:
		end_something(s, r);
		break;
	case 2:
		ioctl(s->fd, SB_USER_DETACH, NULL);
		break;
	case 3:
		unmap(s);
		map(s);
		break;
	case 4:
		play_with_memory(s, r);
		break;
	case 5:
	case 6:
		ioctl(s->fd, SB_USER_RING, NULL);
		break;
	case 7:
	case 8:
	case 9:
		look(s, r);
		break;
	default:
		move_bytes(s, r);
	}
}

static void listen_to_ourselves(void)
{
	socklen_t bytes = sizeof(target);

	target.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&target, bytes) != 0 ||
	    listen(listener, 64) != 0 ||
	    getsockname(listener, (struct sockaddr *)&target, &bytes) != 0) {
		perror("listening");
		exit(1);
	}
}

int main(int argc, char **argv)
{
	unsigned long steps = 0;
	pthread_t thread[2];
	struct random r;
	uintptr_t i;

	if (argc != 3 && argc != 5) {
		fputs("usage: mapscribble SECONDS SEED [ADDRESS PORT]\n",
		      stderr);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	until = time(NULL) + strtol(argv[1], NULL, 10);
	r = random_seed(strtoul(argv[2], NULL, 10));
	target.sin_family = AF_INET;
	if (argc == 5) {
		inet_pton(AF_INET, argv[3], &target.sin_addr);
		target.sin_port = htons(strtoul(argv[4], NULL, 10));
	} else {
		listen_to_ourselves();
	}
	for (i = 0; i < SLOTS; i++)
		pthread_mutex_init(&slots[i].lock, NULL);
	for (i = 0; i < 2; i++)
		pthread_create(&thread[i], NULL, scribble_on,
			       (void *)(i + random_next(&r)));
	for (; !is_over(); steps++)
		step(&slots[random_below(&r, SLOTS)], &r);
	for (i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	printf("%lu steps, %u connections, %u attached\n", steps, circuits,
	       attachments);
	return attachments ? 0 : 1;
}
