/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ipc.h - messages between the Dom0 processes
 *
 * The only door to nanomsg. A socket has a pattern, knows who is at either
 * end, and sends and receives whole decoded messages (messages.h). Nothing
 * here ever blocks, and peers may come and go: nanomsg connects again by
 * itself, in its own thread.
 *
 * A service does not use this file's descriptors by hand: see
 * services/common/endpoint.h, which puts a socket into an event loop.
 */
#ifndef IPC_IPC_H
#define IPC_IPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "ipc/messages.h"

struct ipc_socket;

enum ipc_pattern {
	IPC_PAIR, /* operator (binds) and one proxy (connects) */
	IPC_PUB, /* a service (binds); never fails, loses what nobody takes */
	IPC_SUB, /* monitor (connects, to several) */
	IPC_SURVEYOR, /* monitor (connects, to several) */
	IPC_RESPONDENT, /* a service (binds) */
	IPC_REQ, /* tool (connects) */
	IPC_REP, /* operator (binds) */
};

/**
 * struct ipc_counters - what went through a socket
 * @sent:     messages handed to nanomsg
 * @received: messages decoded
 * @refused:  ipc_send() that failed
 * @dropped:  received messages dropped, by enum ipc_fault
 */
struct ipc_counters {
	uint64_t sent;
	uint64_t received;
	uint64_t refused;
	uint64_t dropped[IPC_FAULTS];
};

/**
 * ipc_open() - make a socket
 * @pattern: how it talks
 * @self:    who this process is, one of enum ipc_party
 * @peers:   who may be at the other end, bits of enum ipc_party
 *
 * Return: the socket, or NULL with errno.
 */
struct ipc_socket *ipc_open(enum ipc_pattern pattern, enum ipc_party self,
			    unsigned int peers);
void ipc_close(struct ipc_socket *s);

/**
 * ipc_bind() - make the socket's file and accept peers there
 * @path: absolute path, replaced when it is a left-over
 * @mode: of the file, e.g. 0660: connecting takes the right to write
 *
 * Return: 0 or -errno (ENAMETOOLONG, EADDRINUSE: somebody serves there).
 */
int ipc_bind(struct ipc_socket *s, const char *path, mode_t mode);

/**
 * ipc_connect() - connect now or as soon as somebody serves at @path
 *
 * May be called several times on a SUB or SURVEYOR socket.
 * Return: 0 or -errno.
 */
int ipc_connect(struct ipc_socket *s, const char *path);

/* Readable while ipc_receive() has something; watch it level-triggered */
int ipc_receive_fd(const struct ipc_socket *s);
/*
 * Becomes readable when the peer can take a message, that is also when a pair
 * has just connected; watch it edge-triggered, then call ipc_flush(). -1 for
 * patterns that need none.
 */
int ipc_send_fd(const struct ipc_socket *s);

/**
 * ipc_receive() - take the next message
 * @m: the message
 *
 * Return: 0 with a message; -EAGAIN: none; -EBADMSG: one was dropped and
 * counted, ipc_fault_text() tells why, call again; -ETIMEDOUT: a survey is
 * over; other -errno: the socket is of no more use.
 */
int ipc_receive(struct ipc_socket *s, struct ipc_message *m);

/* Why the last message was dropped, for a log */
const char *ipc_fault_text(const struct ipc_socket *s);

/* JSON of the message last received, valid until the next ipc_receive() */
const char *ipc_received_text(const struct ipc_socket *s, size_t *bytes);

/**
 * ipc_send() - send a message, or queue it while nanomsg is busy
 * @m: the message
 *
 * A PAIR queues up to IPC_QUEUE_BYTES for a connected peer. On the others a
 * message that cannot go now is lost, as their patterns have it.
 * Return: 0; -ENOTCONN: no peer (the caller decides; nothing is kept);
 * -EAGAIN: the queue is full; -EMSGSIZE or -EINVAL: not a valid message.
 */
int ipc_send(struct ipc_socket *s, const struct ipc_message *m);
#define IPC_QUEUE_BYTES ((size_t)256 * 1024)

/* Send what is queued, as far as it goes now. Return: bytes still queued */
size_t ipc_flush(struct ipc_socket *s);

/* Bytes queued */
size_t ipc_queued(const struct ipc_socket *s);

/* Forget what is queued: it was for a peer that is gone */
void ipc_forget(struct ipc_socket *s);

/* Is a peer connected now? */
bool ipc_connected(const struct ipc_socket *s);

/* How many connections there have been: changes when the peer comes back */
uint64_t ipc_connections(const struct ipc_socket *s);

/* How long a SURVEYOR waits for answers; before the survey */
int ipc_survey_deadline(struct ipc_socket *s, unsigned int timeout_ms);

const struct ipc_counters *ipc_socket_counters(const struct ipc_socket *s);

#endif
