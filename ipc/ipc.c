/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ipc.c - messages between the Dom0 processes
 *
 * All of nanomsg that this project uses. nanomsg runs a thread of its own
 * that connects, accepts and moves bytes; it keeps one message on its way in
 * each direction of a connection and no queue behind it. So a pair has a
 * bounded queue here, for orders that come faster than that thread is
 * scheduled; what the queue holds belongs to one connection and is forgotten
 * with it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <nanomsg/nn.h>
#include <nanomsg/pair.h>
#include <nanomsg/pubsub.h>
#include <nanomsg/reqrep.h>
#include <nanomsg/survey.h>

#include "ipc/ipc.h"

/* How soon nanomsg tries again to connect */
#define RECONNECT_MS 50
#define RECONNECT_MAX_MS 500

/**
 * struct queue - messages waiting for nanomsg, each behind its length
 * @bytes: IPC_QUEUE_BYTES, or NULL when the pattern has no queue
 * @from:  first byte in use
 * @to:    behind the last byte in use
 */
struct queue {
	char *bytes;
	size_t from;
	size_t to;
};

/**
 * struct ipc_socket - a socket
 * @fd:         nanomsg's
 * @receive_fd: readable when something came
 * @send_fd:    readable when something can go, or -1
 * @self:       enum ipc_party
 * @peers:      bits of it
 * @queue:      see above
 * @received:   the message last received, nanomsg's memory
 * @received_bytes: its length
 * @draft:      where messages are encoded
 * @draft_bytes: its size
 */
struct ipc_socket {
	int fd;
	int receive_fd;
	int send_fd;
	unsigned int self;
	unsigned int peers;
	struct queue queue;
	void *received;
	size_t received_bytes;
	char *draft;
	size_t draft_bytes;
	struct ipc_counters counters;
	char fault[160];
};

struct pattern {
	int protocol;
	bool receives;
	bool sends;
	bool queues;
};

static const struct pattern patterns[] = {
	[IPC_PAIR] = { NN_PAIR, true, true, true },
	[IPC_PUB] = { NN_PUB, false, true, false },
	[IPC_SUB] = { NN_SUB, true, false, false },
	[IPC_SURVEYOR] = { NN_SURVEYOR, true, true, false },
	[IPC_RESPONDENT] = { NN_RESPONDENT, true, true, false },
	[IPC_REQ] = { NN_REQ, true, true, false },
	[IPC_REP] = { NN_REP, true, true, false },
};

static int set_option(struct ipc_socket *s, int level, int option, int value)
{
	return nn_setsockopt(s->fd, level, option, &value, sizeof(value)) < 0
		       ? -nn_errno()
		       : 0;
}

static int event_fd(const struct ipc_socket *s, int option)
{
	int fd = -1;
	size_t bytes = sizeof(fd);

	if (nn_getsockopt(s->fd, NN_SOL_SOCKET, option, &fd, &bytes) < 0)
		return -1;
	return fd;
}

/*
 * A message larger than any this end may get ends nanomsg's connection before
 * it is stored; smaller ones are measured against their own maximum.
 */
static int configure(struct ipc_socket *s, const struct pattern *pattern)
{
	size_t max = ipc_message_bytes_max(s->peers, s->self);
	int err = 0;

	if (pattern->receives && max)
		err = set_option(s, NN_SOL_SOCKET, NN_RCVMAXSIZE, (int)max);
	if (!err)
		err = set_option(s, NN_SOL_SOCKET, NN_RECONNECT_IVL,
				 RECONNECT_MS);
	if (!err)
		err = set_option(s, NN_SOL_SOCKET, NN_RECONNECT_IVL_MAX,
				 RECONNECT_MAX_MS);
	if (!err && pattern->protocol == NN_SUB &&
	    nn_setsockopt(s->fd, NN_SUB, NN_SUB_SUBSCRIBE, "", 0) < 0)
		err = -nn_errno();
	if (pattern->receives)
		s->receive_fd = event_fd(s, NN_RCVFD);
	if (pattern->queues)
		s->send_fd = event_fd(s, NN_SNDFD);
	if (!err && ((pattern->receives && s->receive_fd < 0) ||
		     (pattern->queues && s->send_fd < 0)))
		err = -nn_errno();
	return err;
}

static int allocate(struct ipc_socket *s, const struct pattern *pattern)
{
	s->draft_bytes = ipc_message_bytes_max(s->self, s->peers);
	if (pattern->sends && s->draft_bytes) {
		s->draft = malloc(s->draft_bytes);
		if (!s->draft)
			return -ENOMEM;
	}
	if (pattern->queues) {
		s->queue.bytes = malloc(IPC_QUEUE_BYTES);
		if (!s->queue.bytes)
			return -ENOMEM;
	}
	return 0;
}

struct ipc_socket *ipc_open(enum ipc_pattern pattern, enum ipc_party self,
			    unsigned int peers)
{
	struct ipc_socket *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return NULL;
	s->self = self;
	s->peers = peers;
	s->receive_fd = -1;
	s->send_fd = -1;
	s->fd = nn_socket(AF_SP, patterns[pattern].protocol);
	err = s->fd < 0 ? -nn_errno() : configure(s, &patterns[pattern]);
	if (!err)
		err = allocate(s, &patterns[pattern]);
	if (err) {
		ipc_close(s);
		errno = -err;
		return NULL;
	}
	return s;
}

static void free_received(struct ipc_socket *s)
{
	if (s->received)
		nn_freemsg(s->received);
	s->received = NULL;
	s->received_bytes = 0;
}

void ipc_close(struct ipc_socket *s)
{
	if (!s)
		return;
	free_received(s);
	if (s->fd >= 0)
		nn_close(s->fd);
	free(s->queue.bytes);
	free(s->draft);
	free(s);
}

/* nanomsg's name of a path. Return: 0 or -ENAMETOOLONG */
static int make_url(char *url, size_t size, const char *path)
{
	struct sockaddr_un *un = NULL;

	if (strlen(path) >= sizeof(un->sun_path))
		return -ENAMETOOLONG;
	snprintf(url, size, "ipc://%s", path);
	return 0;
}

int ipc_bind(struct ipc_socket *s, const char *path, mode_t mode)
{
	char url[128];
	mode_t mask;
	int err = make_url(url, sizeof(url), path);

	if (err)
		return err;
	/* nobody connects between bind() and chmod() who may not afterwards */
	mask = umask(0177);
	err = nn_bind(s->fd, url) < 0 ? -nn_errno() : 0;
	umask(mask);
	if (!err && chmod(path, mode) < 0)
		err = -errno;
	return err;
}

int ipc_connect(struct ipc_socket *s, const char *path)
{
	char url[128];
	int err = make_url(url, sizeof(url), path);

	if (err)
		return err;
	return nn_connect(s->fd, url) < 0 ? -nn_errno() : 0;
}

int ipc_receive_fd(const struct ipc_socket *s)
{
	return s->receive_fd;
}

int ipc_send_fd(const struct ipc_socket *s)
{
	return s->send_fd;
}

/* nanomsg says EFSM for a socket whose turn it is not: nothing to receive */
static int receive_error(int error)
{
	return error == EFSM ? -EAGAIN : -error;
}

int ipc_receive(struct ipc_socket *s, struct ipc_message *m)
{
	enum ipc_fault fault;
	int bytes;

	free_received(s);
	bytes = nn_recv(s->fd, &s->received, NN_MSG, NN_DONTWAIT);
	if (bytes < 0) {
		s->received = NULL;
		return receive_error(nn_errno());
	}
	s->received_bytes = (size_t)bytes;
	fault = ipc_message_decode(m, s->received, s->received_bytes, s->peers,
				   s->self, s->fault, sizeof(s->fault));
	if (fault != IPC_FAULT_NONE) {
		s->counters.dropped[fault]++;
		return -EBADMSG;
	}
	s->counters.received++;
	return 0;
}

const char *ipc_fault_text(const struct ipc_socket *s)
{
	return s->fault;
}

const char *ipc_received_text(const struct ipc_socket *s, size_t *bytes)
{
	*bytes = s->received_bytes;
	return s->received;
}

/* Return: 0, -EAGAIN when the queue is full */
static int enqueue(struct queue *q, const char *text, uint32_t bytes)
{
	size_t need = sizeof(bytes) + bytes;

	if (IPC_QUEUE_BYTES - (q->to - q->from) < need)
		return -EAGAIN;
	if (IPC_QUEUE_BYTES - q->to < need) {
		memmove(q->bytes, q->bytes + q->from, q->to - q->from);
		q->to -= q->from;
		q->from = 0;
	}
	memcpy(q->bytes + q->to, &bytes, sizeof(bytes));
	memcpy(q->bytes + q->to + sizeof(bytes), text, bytes);
	q->to += need;
	return 0;
}

static int send_now(struct ipc_socket *s, const char *text, size_t bytes)
{
	int err;

	if (nn_send(s->fd, text, bytes, NN_DONTWAIT) >= 0) {
		s->counters.sent++;
		return 0;
	}
	err = nn_errno();
	/* a REP or RESPONDENT that was asked nothing, or whose asker left */
	return err == EFSM ? -ENOTCONN : -err;
}

static int send_or_queue(struct ipc_socket *s, size_t bytes)
{
	int err = -EAGAIN;

	if (s->queue.from == s->queue.to)
		err = send_now(s, s->draft, bytes);
	if (err != -EAGAIN)
		return err;
	if (!ipc_connected(s)) {
		ipc_forget(s);
		return -ENOTCONN;
	}
	if (!s->queue.bytes)
		return -EAGAIN;
	return enqueue(&s->queue, s->draft, (uint32_t)bytes);
}

int ipc_send(struct ipc_socket *s, const struct ipc_message *m)
{
	int bytes = ipc_message_encode(m, s->draft, s->draft_bytes);
	int err = bytes;

	if (bytes >= 0)
		err = send_or_queue(s, (size_t)bytes);
	if (err < 0)
		s->counters.refused++;
	return err;
}

size_t ipc_flush(struct ipc_socket *s)
{
	struct queue *q = &s->queue;

	while (q->from < q->to) {
		const char *text = q->bytes + q->from + sizeof(uint32_t);
		uint32_t bytes;

		memcpy(&bytes, q->bytes + q->from, sizeof(bytes));
		if (send_now(s, text, bytes) < 0)
			break;
		q->from += sizeof(bytes) + bytes;
	}
	if (q->from == q->to)
		ipc_forget(s);
	return ipc_queued(s);
}

size_t ipc_queued(const struct ipc_socket *s)
{
	return s->queue.to - s->queue.from;
}

void ipc_forget(struct ipc_socket *s)
{
	s->queue.from = 0;
	s->queue.to = 0;
}

bool ipc_connected(const struct ipc_socket *s)
{
	return (int64_t)nn_get_statistic(s->fd, NN_STAT_CURRENT_CONNECTIONS) >
	       0;
}

uint64_t ipc_connections(const struct ipc_socket *s)
{
	return nn_get_statistic(s->fd, NN_STAT_ESTABLISHED_CONNECTIONS) +
	       nn_get_statistic(s->fd, NN_STAT_ACCEPTED_CONNECTIONS);
}

int ipc_survey_deadline(struct ipc_socket *s, unsigned int timeout_ms)
{
	return set_option(s, NN_SURVEYOR, NN_SURVEYOR_DEADLINE,
			  (int)timeout_ms);
}

const struct ipc_counters *ipc_socket_counters(const struct ipc_socket *s)
{
	return &s->counters;
}
