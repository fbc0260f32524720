// SPDX-License-Identifier: GPL-2.0-only
/*
 * stream.c - the life of a stream circuit, and of a listener
 *
 * Taking over: connections that the process before this one held, or had begun
 * to make, are lost with it and answered ECONNRESET; circuits posted to a
 * listener wait for the operator's order to listen again; calls that the other
 * process did nothing about are made as if their bell had been rung.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "services/common/address.h"
#include "services/proxy-tcp/tcp.h"

static const char *const phase_name[] = {
	[STREAM_IDLE] = "idle",
	[STREAM_CALLING] = "calling",
	[STREAM_CONNECTING] = "connecting",
	[STREAM_POSTED] = "posted",
	[STREAM_OPEN] = "open",
	[STREAM_REPLACED] = "replaced",
	[STREAM_LISTENING] = "listening",
};

void stream_look_at(const struct stream *s)
{
	line_look_at(s->circuit.line, s->circuit.entry);
}

bool stream_has_room(const struct stream *s)
{
	const struct tcp_line *tl = tcp_line_of(s);

	return tl->line.circuits - tl->called <= tl->line.attach.circuits_max;
}

/* There is one more, or one less, of those that do what it does */
static void count_phase(const struct stream *s, int by)
{
	struct tcp_line *tl = tcp_line_of(s);

	if (s->phase == STREAM_LISTENING)
		tl->listeners += (uint32_t)by;
	else if (s->phase == STREAM_POSTED)
		tl->posted += (uint32_t)by;
	else
		return;
	tl->line.standby = tl->listeners + tl->posted;
}

void stream_set_phase(struct stream *s, enum stream_phase phase)
{
	count_phase(s, -1);
	s->phase = phase;
	count_phase(s, 1);
}

void stream_begin(struct stream *s, uint32_t generation,
		  enum stream_phase phase)
{
	struct sb_entry *e = s->circuit.shared;

	circuit_begin(&s->circuit, generation);
	s->watch.fd = -1;
	s->also.fd = -1;
	s->readable = false;
	s->writable = false;
	s->hung_up = false;
	s->out_done = false;
	s->in_done = false;
	s->error = 0;
	s->last_in = 0;
	/* another number than the one in the entry: to be applied */
	s->options_seq = sb_load(&e->options_seq) - 1;
	s->info_seq = sb_load(&e->info_ack);
	s->options = (struct sb_options){ 0 };
	s->local = (struct sb_address){ 0 };
	s->also_local = (struct sb_address){ 0 };
	s->remote = (struct sb_address){ 0 };
	s->old = NULL;
	s->heir = NULL;
	s->back = NULL;
	s->sent = 0;
	s->received = 0;
	s->called = phase == STREAM_CALLING;
	tcp_line_of(s)->called += s->called;
	stream_set_phase(s, phase);
}

void stream_opened(struct stream *s)
{
	s->circuit.shared->local = s->local;
	s->circuit.shared->remote = s->remote;
	circuit_publish(&s->circuit, SB_PEER_OPEN);
}

static void socket_ready(struct loop_watch *watch, uint32_t events)
{
	struct stream *s = loop_owner(watch, struct stream, watch);

	/* errors and hang-ups show in the next call on the socket */
	s->hung_up = s->hung_up || events & ~(EPOLLIN | EPOLLOUT);
	s->readable = s->readable || events & ~EPOLLOUT;
	s->writable = s->writable || events & ~EPOLLIN;
	stream_look_at(s);
}

int stream_watch(struct stream *s, int fd, uint32_t events)
{
	s->watch.ready = socket_ready;
	s->out_watched = events & EPOLLOUT;
	return loop_watch(&s->circuit.line->proxy->service.loop, &s->watch, fd,
			  events | EPOLLET);
}

int stream_take_watch(struct stream *s, struct stream *old)
{
	struct loop *loop = &s->circuit.line->proxy->service.loop;
	uint32_t events = EPOLLIN | EPOLLRDHUP | EPOLLET;

	s->watch.ready = socket_ready;
	s->watch.fd = old->watch.fd;
	s->out_watched = old->out_watched;
	loop_forget(loop, &old->watch);
	/* tells again of what has happened already */
	return loop_rewatch(loop, &s->watch,
			    s->out_watched ? events | EPOLLOUT : events);
}

void stream_blocked(struct stream *s)
{
	s->writable = false;
	if (s->out_watched)
		return;
	s->out_watched = true;
	/* tells at once when there is room again by now */
	loop_rewatch(&s->circuit.line->proxy->service.loop, &s->watch,
		     EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
}

static void close_socket(struct stream *s, uint32_t flags)
{
	const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	struct loop *loop = &s->circuit.line->proxy->service.loop;
	int fd = s->watch.fd;

	if (fd < 0)
		return;
	if (flags & SB_WORD_RESET && s->phase == STREAM_OPEN)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	if (s->circuit.left) {
		loop_close_later(loop, &s->watch);
		return;
	}
	loop_forget(loop, &s->watch);
	close(fd);
}

/* Out of what it waited in or for, too */
static void ended(struct circuit *c, uint32_t flags)
{
	struct stream *s = stream_of(c);
	enum stream_phase phase = s->phase;

	close_socket(s, flags);
	tcp_line_of(s)->called -= s->called;
	stream_set_phase(s, STREAM_IDLE);
	if (phase == STREAM_POSTED) {
		listen_unpost(s);
	} else if (phase == STREAM_LISTENING) {
		listeners_ended(s, c->generation);
		listen_ended(s);
	} else {
		exchange_ended(s);
	}
}

static void take_over(struct line *l, uint32_t entry, uint32_t generation)
{
	struct sb_entry *e = line_entry(l, entry);
	uint32_t peer = sb_load(&e->peer), state = sb_word_state(peer);
	struct circuit *c;

	if (__atomic_load_n(&e->kind, __ATOMIC_ACQUIRE) != SB_ENTRY_STREAM ||
	    sb_word_generation(peer) != generation ||
	    (state != SB_PEER_TAKEN && state != SB_PEER_OPEN))
		return;
	c = line_circuit_make(l, entry);
	if (c)
		circuit_refuse(c, generation, ECONNRESET);
}

/* A listener is the operator's to order */
static void offered(struct line *l, uint32_t entry, uint32_t generation)
{
	struct sb_entry *e = line_entry(l, entry);
	uint8_t kind = __atomic_load_n(&e->kind, __ATOMIC_ACQUIRE);
	uint32_t listener = sb_load(&e->listener);
	uint32_t replaces = sb_load(&e->replaces);
	struct circuit *c;

	if (kind == SB_ENTRY_LISTENER)
		return;
	c = line_circuit_make(l, entry);
	if (!c)
		return;
	if (kind != SB_ENTRY_STREAM) {
		line_lie(l, "an entry of no kind that is known here", entry);
		circuit_refuse(c, generation, EINVAL);
	} else if (replaces) {
		exchange_begin(stream_of(c), generation, listener, replaces);
	} else if (listener == SB_ENTRY_NONE) {
		call_begin(stream_of(c), generation);
	} else {
		listen_post(stream_of(c), generation, listener);
	}
}

static void go_on(struct circuit *c, uint32_t owner)
{
	struct stream *s = stream_of(c);

	switch (s->phase) {
	case STREAM_CALLING:
		call_look(s);
		break;
	case STREAM_CONNECTING:
		connect_look(s);
		break;
	case STREAM_LISTENING:
		options_apply(s, s->watch.fd);
		listen_look(s);
		break;
	case STREAM_REPLACED:
		stream_look_at(s->heir);
		break;
	case STREAM_OPEN:
		options_apply(s, s->watch.fd);
		if (sb_load(&c->shared->info_seq) != s->info_seq)
			options_answer_info(s);
		transfer_run(s, owner);
		break;
	}
}

static void look_if_listening(struct circuit *c, void *argument)
{
	if (stream_of(c)->phase == STREAM_LISTENING)
		line_look_at(c->line, c->entry);
}

static void line_again(struct line *l)
{
	if (tcp_line(l)->listeners)
		line_for_each(l, look_if_listening, NULL);
	if (l->report_due)
		proxy_queue(l->proxy, l);
}

static bool is_shown(const struct circuit *c)
{
	const struct stream *s = (const struct stream *)(const void *)c;

	return s->phase != STREAM_POSTED && s->phase != STREAM_REPLACED;
}

static const char *state_name(const struct stream *s)
{
	if (s->phase != STREAM_OPEN)
		return phase_name[s->phase];
	if (s->out_done || s->in_done)
		return "half-closed";
	return "open";
}

static void fill(const struct circuit *c, struct ipc_circuit_row *row)
{
	const struct stream *s = (const struct stream *)(const void *)c;

	snprintf(row->kind, sizeof(row->kind), "%s",
		 s->phase == STREAM_LISTENING ? "listener" : "stream");
	snprintf(row->state, sizeof(row->state), "%s", state_name(s));
	address_text(&s->local, row->local, sizeof(row->local));
	row->local_port = s->local.port;
	address_text(&s->remote, row->remote, sizeof(row->remote));
	row->remote_port = s->remote.port;
	row->sent = s->sent;
	row->received = s->received;
}

static void fill_line(const struct line *l, struct ipc_guest_row *row)
{
	const struct tcp_line *tl = (const struct tcp_line *)(const void *)l;

	row->listeners = tl->listeners;
	row->requests += tl->listens;
}

static const char *const count_name[] = {
#define NAME(count, text) [TCP_##count - PROXY_OWN_COUNTS] = text
	NAME(SENT_BYTES, "sent-bytes"),
	NAME(RECEIVED_BYTES, "received-bytes"),
	NAME(CALLS, "calls"),
	NAME(CALLS_REFUSED, "calls-refused"),
	NAME(CONNECTED, "connected"),
	NAME(CONNECT_FAILED, "connect-failed"),
	NAME(LISTENS, "listens"),
	NAME(LISTEN_FAILED, "listen-failed"),
	NAME(POSTED, "posted"),
	NAME(ACCEPTED, "accepted"),
	NAME(RESETS, "resets"),
	NAME(EXCHANGED, "exchanged"),
	NAME(EXCHANGES_REFUSED, "exchanges-refused"),
#undef NAME
};

_Static_assert(sizeof(count_name) / sizeof(count_name[0]) ==
		       TCP_COUNTS_END - PROXY_OWN_COUNTS,
	       "every count has a name");

const struct proxy_kind tcp_kind = {
	.name = "proxy-tcp",
	.user = "switchboard-proxy-tcp",
	.pair = "",
	.line_kind = SB_LINE_TCP,
	.features = SB_FEATURE_EXCHANGE,
	.shares = 2,
	.line_bytes = sizeof(struct tcp_line),
	.circuit_bytes = sizeof(struct stream),
	.count_name = count_name,
	.counts = sizeof(count_name) / sizeof(count_name[0]),
	.line_again = line_again,
	.report = listeners_report,
	.take_over = take_over,
	.offered = offered,
	.go_on = go_on,
	.ended = ended,
	.order = listeners_order,
	.list = listeners_list,
	.fill = fill,
	.is_shown = is_shown,
	.fill_line = fill_line,
};
