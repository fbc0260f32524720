/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * near.h - sockets of the near end, and small helpers of the cases
 *
 * All of these end the case when what they are for does not work.
 */
#ifndef SWITCHBOARD_SOCKETS_NEAR_H
#define SWITCHBOARD_SOCKETS_NEAR_H

#include "check.h"

/* A connected near socket, and the agent's number for the other end */
struct pair {
	int near;
	int far;
};

/* A connection in the direction that w->accepted says */
struct pair near_pair(struct world *w);

/* A socket of the world's family, with SOCK_NONBLOCK and the like in @flags */
int near_socket(const struct world *w, int flags);

/* A listener that the far end can reach, and the port where it does */
int near_listen(struct world *w, int backlog, unsigned int *port);

/* A connected socket to @port of the agent's machine */
int near_connect(const struct world *w, unsigned int port);

/* The agent's address with @port */
union endpoint near_target(const struct world *w, unsigned int port);

/* The loopback address of the world's family with @port */
union endpoint near_loopback(const struct world *w, unsigned int port);

/* The wildcard address */
union endpoint near_wildcard(const struct world *w, unsigned int port);

socklen_t endpoint_bytes(const union endpoint *e);
unsigned int endpoint_port(const union endpoint *e);
void endpoint_set_port(union endpoint *e, unsigned int port);
/* "192.0.2.1" or "fd00::1" into an endpoint without port; false: neither */
bool endpoint_parse(union endpoint *e, const char *text);
/* The address alone, in a static buffer */
const char *endpoint_text(const union endpoint *e);

union endpoint near_name(int fd);
union endpoint near_peer(int fd);

/* How long what must happen may take; where it happens nobody waits so long */
#define NEAR_LONG_MS 20000

/* Wait until @condition holds: what somebody else does, in time */
#define near_until(condition)                                                  \
	do {                                                                   \
		uint64_t near_end_ms = near_now_ms() +                         \
				       (uint64_t)NEAR_LONG_MS * near_patience; \
                                                                               \
		while (!(condition)) {                                         \
			if (near_now_ms() > near_end_ms)                       \
				fail("it does not happen: " #condition);       \
			near_sleep_ms(5);                                      \
		}                                                              \
	} while (0)

/**
 * struct near_thread - a thread that is going to wait in a system call
 * @task: its id, atomic, 0 until it runs
 *
 * near_waits() comes back when it does wait there: what is done to the socket
 * then is done under its feet.
 */
struct near_thread {
	int task;
};

/* Of the thread itself, just before the call */
void near_will_wait(struct near_thread *t);
void near_waits(const struct near_thread *t, long system_call);

/* poll() for one descriptor: what it reports within @ms, 0 for nothing */
short near_poll(int fd, short events, int ms);

/* Everything, whatever the sizes of the pieces; pattern of pattern.h */
void near_send(int fd, size_t bytes, unsigned int seed);
void near_recv(int fd, size_t bytes, unsigned int seed);
void near_recv_eof(int fd);

/*
 * Send without blocking until nothing more goes in, and poll() reports no
 * POLLOUT any more: how many bytes
 */
size_t near_fill(int fd, unsigned int seed);

void near_nonblock(int fd, bool on);
int near_get(int fd, int level, int name);
void near_set(int fd, int level, int name, int value);

/**
 * struct near_value - a socket option that holds an int
 * @initial: what a new socket has; NEAR_ANY: the machine decides
 * @set:     a value that can be set, NEAR_NONE: it is only read
 * @then:    what is then read, or NEAR_ANY
 * @bad:     a value that is EINVAL, or NEAR_NONE
 */
struct near_value {
	int level;
	int name;
	int initial;
	int set;
	int then;
	int bad;
};

#define NEAR_ANY (-7777)
#define NEAR_NONE (-8888)

/* All of what @v says is so of @fd */
void near_check_value(int fd, const struct near_value *v);

/* Factor for the pauses in which slow machines catch up; set once by main */
extern unsigned int near_patience;

void near_sleep_ms(unsigned int ms);
uint64_t near_now_ms(void);

#endif
