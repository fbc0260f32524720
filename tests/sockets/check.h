/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * check.h - what a case of sockcheck is, and what it may demand
 *
 * A case is a function that returns when all is well. Whatever it demands in
 * vain ends its process with a line that says where and why; the runner
 * (sockcheck.c) gives every case a process of its own and a time limit, so a
 * hang is a failure with a name.
 *
 * The case itself is the near end. The far end is an agent (far.h): a child on
 * the same machine, or a server on another one. Cases do not see the
 * difference, except through struct world.
 */
#ifndef SWITCHBOARD_SOCKETS_CHECK_H
#define SWITCHBOARD_SOCKETS_CHECK_H

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* An address of either family */
union endpoint {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_storage storage;
};

/**
 * struct world - what a case runs in
 * @family:   AF_INET or AF_INET6
 * @accepted: the near socket of a pair comes from accept(), not connect()
 * @circuit:  the near end is on circuits: expect what differs by design
 * @remote:   the far end is another machine
 * @direct:   it is another guest, and circuits lead straight there
 * @patience: factor for all time limits, for slow machines
 * @far:      file descriptor of the agent's control connection
 * @target:   where the agent listens; the port is to be filled in
 * @reach:    where the agent finds the near end's listeners; likewise
 * @port:     first port that the near end may listen on, 0 for any
 * @ports:    how many there are
 * @ports_used: by this case
 */
struct world {
	int family;
	bool accepted;
	bool circuit;
	bool remote;
	bool direct;
	unsigned int patience;
	int far;
	union endpoint target;
	union endpoint reach;
	unsigned int port;
	unsigned int ports;
	unsigned int ports_used;
};

/* In which worlds a case runs */
enum kind {
	/* both with a connected and with an accepted near socket */
	PAIRS = 0,
	/* once per family */
	ONCE = 1,
	/* once per family, and only when the far end is on this machine */
	LOCAL = 2,
	/* once per family, and needs listeners that the far end can reach */
	LISTENS = 3,
};

struct check_case {
	const char *name;
	void (*run)(struct world *w);
	enum kind kind;
};

#define CASES_END                 \
	{                         \
		NULL, NULL, PAIRS \
	}

/* One list per file of cases */
extern const struct check_case connect_cases[];
extern const struct check_case accept_cases[];
extern const struct check_case bind_cases[];
extern const struct check_case data_cases[];
extern const struct check_case message_cases[];
extern const struct check_case wait_cases[];
extern const struct check_case epoll_cases[];
extern const struct check_case end_cases[];
extern const struct check_case name_cases[];
extern const struct check_case option_cases[];
extern const struct check_case signal_cases[];
extern const struct check_case share_cases[];
extern const struct check_case many_cases[];
extern const struct check_case refuse_cases[];
extern const struct check_case datagram_cases[];
extern const struct check_case datagram_wait_cases[];
extern const struct check_case datagram_option_cases[];
extern const struct check_case datagram_error_cases[];
extern const struct check_case datagram_group_cases[];
extern const struct check_case datagram_far_cases[];
extern const struct check_case library_cases[];
extern const struct check_case map_cases[];

/* Ends the case as failed */
void check_fail(const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 3, 4), noreturn));

/* Ends the case as not applicable */
void check_skip(const char *why) __attribute__((noreturn));

#define fail(...) check_fail(__FILE__, __LINE__, __VA_ARGS__)

/* A condition; errno is told too, since most conditions are about calls */
#define must(condition)                                                   \
	do {                                                              \
		errno = 0;                                                \
		if (!(condition))                                         \
			fail("%s is false, errno %d", #condition, errno); \
	} while (0)

/* Two integers */
#define must_be(expression, expected)                                       \
	do {                                                                \
		errno = 0;                                                  \
		long long got_ = (expression);                              \
		long long want_ = (expected);                               \
		if (got_ != want_)                                          \
			fail("%s is %lld, not %lld, errno %d", #expression, \
			     got_, want_, errno);                           \
	} while (0)

/* A call that must return -1 with this errno */
#define must_fail(expression, error)                                     \
	do {                                                             \
		errno = 0;                                               \
		long long got_ = (expression);                           \
		if (got_ != -1 || errno != (error))                      \
			fail("%s is %lld with errno %d, not -1 with %d", \
			     #expression, got_, errno, (error));         \
	} while (0)

#endif
