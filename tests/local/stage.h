/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * stage.h - what an integration test of a proxy stands on
 *
 *	test: guest ---- broker ---- a proxy (a process) ---- loopback: test
 *	  |                              |
 *	  +---- scripted operator -------+ (the pair)
 *
 * Everything fails the running check test when it fails.
 */
#ifndef TESTS_LOCAL_STAGE_H
#define TESTS_LOCAL_STAGE_H

#include <netinet/in.h>

#include "ipc/ipc.h"
#include "tests/local/broker.h"
#include "tests/local/guest_line.h"
#include "tests/unit/unit.h"

#define STAGE_TIMEOUT_MS UNIT_PATIENCE_MS
/* Questions of a proxy that may be open at once */
#define STAGE_QUESTIONS 256

/**
 * struct stage - a broker, a proxy, its operator
 * @directory: of this test alone
 * @spec:      "local:DIRECTORY"
 * @broker:    the hypervisor
 * @proxy:     process, 0: none
 * @pair:      the operator's end, or NULL when a real operator has it
 * @epoch:     of the proxy, from its hello
 * @user:      that the proxy becomes when started by root
 * @kind:      of the line, and so of the proxy
 * @calls_per_s: of lines that are attached from now on
 * @calls_burst: the same
 * @open:      what the proxy has asked and nobody has answered yet
 * @opens:     how many of them
 */
struct stage {
	char directory[64];
	char spec[80];
	struct broker *broker;
	pid_t proxy;
	struct ipc_socket *pair;
	uint32_t epoch;
	const char *user;
	enum sb_line_kind kind;
	uint32_t calls_per_s;
	uint32_t calls_burst;
	struct ipc_question open[STAGE_QUESTIONS];
	unsigned int opens;
};

/* A fresh directory and its broker */
void stage_open(struct stage *s);
/* Everything that was started, and the directory */
void stage_close(struct stage *s);
/* Start a program of the build with a NULL-terminated list of arguments */
pid_t stage_run(const char *program, const char *const *argument);
/* A service as s->user; the proxies need no @config */
pid_t stage_service(const struct stage *s, const char *name,
		    const char *config);
/* Terminate, or kill; wait. Return: its exit status, or -signal */
int stage_end(pid_t process, int signal);

/* Be the operator, start the proxy, take its hello */
void stage_proxy_start(struct stage *s);
void stage_proxy_kill(struct stage *s);
/* Kill it, start another, attach the line to that */
void stage_proxy_replace(struct stage *s, struct guest_line *l);
/* Be the operator again, after s->pair was closed; take the hello */
void stage_operator_return(struct stage *s);
/*
 * The next report, which must be of @type; skipping news unless wanted, and
 * questions that are only asked again because no answer came in time
 */
const struct ipc_message *stage_expect(struct stage *s, enum ipc_type type);
/* Is there no report within @timeout_ms? News do not count */
bool stage_quiet(struct stage *s, int timeout_ms);
void stage_order(struct stage *s, const struct ipc_message *m);
/* Wait until the proxy has carried out every order that it was given */
void stage_orders_done(struct stage *s);

/* A guest with one line to that proxy, not attached yet */
struct guest_line *stage_line(struct stage *s, const char *name);
/* Order attach, expect attached, wait until the guest sees it */
void stage_attach(struct stage *s, struct guest_line *l);
/* Only the order: of a line that is attached nothing changes for the guest */
void stage_order_attach(struct stage *s, const struct guest_line *l);
void stage_detach(struct stage *s, struct guest_line *l);
/* A stage with the proxy and one guest, whose line is attached */
struct guest_line *stage_open_attached(struct stage *s);
struct guest_line *stage_open_attached_udp(struct stage *s);
void stage_close_attached(struct stage *s, struct guest_line *l);
/* Call, and allow what is asked until the proxy has taken the call */
void stage_connect(struct stage *s, struct guest_circuit *c,
		   const struct sb_address *to);
/* The verdict about a question: 0, or an errno */
void stage_answer(struct stage *s, const struct ipc_question *question,
		  uint32_t error);
/* Only the order; the entry must be offered */
void stage_listen(struct stage *s, const struct guest_circuit *listener,
		  const struct sb_address *at);
/* The same for a listener with a second place */
void stage_listen_both(struct stage *s, const struct guest_circuit *listener,
		       const struct sb_address *at,
		       const struct sb_address *other);

/* 127.0.0.1:@port */
struct sb_address stage_loopback(uint16_t port);
/* A listening socket on a free port of the loopback */
int stage_listener(uint16_t *port);
/* accept() within the time limit */
int stage_accept(int listener);
/* connect() to the loopback, as soon as somebody listens there */
int stage_dial(uint16_t port);
/* A connected pair: a circuit, and what accepted it */
struct guest_circuit *stage_connection(struct stage *s, struct guest_line *l,
				       unsigned int order, int *fd);
/* Wait until @count bytes lie in the guest's rx */
void stage_arrived(struct guest_circuit *c, uint32_t count);
/* The same byte for every position of a stream, whoever writes it */
void stage_fill(uint8_t *bytes, size_t count, uint64_t position, uint32_t seed);
/* Return: are they what stage_fill() makes? */
bool stage_check(const uint8_t *bytes, size_t count, uint64_t position,
		 uint32_t seed);
/* User and system time that a process has used, milliseconds */
uint64_t stage_cpu_ms(pid_t process);
/* Wait until a process rests: one that is busy without end never does */
void stage_rests(pid_t process);
/* Resident memory of a process, KiB */
uint64_t stage_rss_kib(pid_t process);
/* Open descriptors of a process */
unsigned int stage_descriptors(pid_t process);

#endif
