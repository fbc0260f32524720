// SPDX-License-Identifier: GPL-2.0-only
/*
 * transfer.c - bytes between a circuit's rings and its socket
 *
 * The kernel copies straight between the guest's pages and the socket: one
 * copy, at most two pieces, nothing allocated. A look moves one span each way;
 * what is left over asks for another look, behind everybody else's.
 *
 * The socket is edge-triggered and says once that it is readable or writable;
 * that is remembered until a call comes back short. So a half-closed, idle or
 * blocked circuit costs nothing: no system call, no wake-up.
 *
 * The guest's word was loaded before the ring's index is: with FIN in it, what
 * the index says is all there will be.
 *
 * System calls: sendto, sendmsg, recvfrom, recvmsg, shutdown, epoll_ctl.
 */
#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "services/common/limits.h"
#include "services/proxy-tcp/tcp.h"

/* @count bytes of a ring from @offset on, in one or two pieces */
static int make_pieces(struct iovec *piece, uint8_t *area, uint32_t offset,
		       uint32_t run, uint32_t count)
{
	piece[0].iov_base = area + offset;
	piece[0].iov_len = count < run ? count : run;
	piece[1].iov_base = area;
	piece[1].iov_len = count - piece[0].iov_len;
	return piece[1].iov_len ? 2 : 1;
}

static ssize_t send_pieces(int fd, struct iovec *piece, int pieces)
{
	struct msghdr m = { .msg_iov = piece, .msg_iovlen = pieces };

	if (pieces == 1)
		return send(fd, piece[0].iov_base, piece[0].iov_len,
			    MSG_NOSIGNAL | MSG_DONTWAIT);
	return sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static ssize_t receive_pieces(int fd, struct iovec *piece, int pieces)
{
	struct msghdr m = { .msg_iov = piece, .msg_iovlen = pieces };

	if (pieces == 1)
		return recv(fd, piece[0].iov_base, piece[0].iov_len,
			    MSG_DONTWAIT);
	return recvmsg(fd, &m, MSG_DONTWAIT);
}

/*
 * The socket takes nothing more. What it has received is still the guest's:
 * the error is told behind that.
 */
static void cannot_send(struct stream *s, int error)
{
	s->error = error;
	s->out_done = true;
	s->hung_up = true;
	s->readable = true;
	circuit_publish(&s->circuit, SB_WORD_STOP);
}

/* @c: the stream's circuit, or the one that it replaced; the same below */
static void sent(struct stream *s, struct circuit *c, uint32_t bytes)
{
	sb_reader_advance(&c->tx, bytes);
	s->sent += bytes;
	tcp_count(s, TCP_SENT_BYTES, bytes);
	c->line->useful = true;
	if (sb_reader_release(&c->tx))
		line_ring(c->line, c->entry);
}

/* Send up to one span of @held bytes */
static void send_some(struct stream *s, struct circuit *c, uint32_t held)
{
	uint32_t count = held < LIMIT_SPAN_BYTES ? held : LIMIT_SPAN_BYTES;
	struct iovec piece[2];
	int pieces =
		make_pieces(piece, circuit_tx_area(c), sb_reader_offset(&c->tx),
			    sb_reader_run(&c->tx), count);
	ssize_t done = send_pieces(s->watch.fd, piece, pieces);

	if (done < 0 && errno != EAGAIN && errno != EINTR) {
		cannot_send(s, errno);
		return;
	}
	if (done > 0)
		sent(s, c, done);
	if (done < (ssize_t)count)
		stream_blocked(s);
}

/* Return: bytes left in the ring, or -EPROTO */
static int64_t move_out(struct stream *s, struct circuit *c)
{
	int64_t held = sb_reader_available(&c->tx);

	if (held > 0 && s->writable) {
		send_some(s, c, held);
		held = sb_reader_held(&c->tx);
	}
	if (held == 0)
		held = sb_reader_arm(&c->tx, 1);
	if (held > 0 && s->writable && !s->out_done)
		stream_look_at(s);
	return held;
}

static void received(struct stream *s, uint32_t bytes)
{
	sb_writer_advance(&s->circuit.rx, bytes);
	s->received += bytes;
	tcp_count(s, TCP_RECEIVED_BYTES, bytes);
	if (sb_writer_publish(&s->circuit.rx))
		line_ring(s->circuit.line, s->circuit.entry);
	s->circuit.line->useful = true;
}

static void cannot_receive(struct stream *s, int error)
{
	s->in_done = true;
	if (!s->error)
		s->error = error;
}

/*
 * A short read has emptied the socket, and what comes next is an edge; unless
 * the edge that told of an end is already behind us.
 */
static void note_rest(struct stream *s, ssize_t got, uint32_t wanted)
{
	if (s->in_done || got < 0 || (got < (ssize_t)wanted && !s->hung_up))
		s->readable = false;
	else
		stream_look_at(s);
}

static void receive_some(struct stream *s, uint32_t room)
{
	uint32_t count = room < LIMIT_SPAN_BYTES ? room : LIMIT_SPAN_BYTES;
	uint32_t run = sb_writer_run(&s->circuit.rx);
	struct iovec piece[2];
	ssize_t got;
	int pieces;

	/* messages as small as the last one need no second piece */
	if (count > run && s->last_in < run)
		count = run;
	pieces = make_pieces(piece, circuit_rx_area(&s->circuit),
			     sb_writer_offset(&s->circuit.rx), run, count);
	got = receive_pieces(s->watch.fd, piece, pieces);
	s->last_in = got > 0 ? got : 0;
	if (got > 0)
		received(s, got);
	else if (got == 0)
		cannot_receive(s, 0);
	else if (errno != EAGAIN && errno != EINTR)
		cannot_receive(s, errno);
	note_rest(s, got, count);
}

/*
 * What comes after STOP nobody wants; but it must not stop the other end, and
 * behind it may be an end or an error.
 */
static void drop_some(struct stream *s)
{
	ssize_t got = recv(s->watch.fd, NULL, LIMIT_SPAN_BYTES,
			   MSG_DONTWAIT | MSG_TRUNC);

	if (got == 0)
		cannot_receive(s, 0);
	else if (got < 0 && errno != EAGAIN)
		cannot_receive(s, errno);
	note_rest(s, got, LIMIT_SPAN_BYTES);
}

/* Return: 0 or -EPROTO */
static int move_in(struct stream *s, uint32_t owner)
{
	int64_t room;

	if (owner & SB_WORD_STOP) {
		drop_some(s);
		return 0;
	}
	room = sb_writer_space(&s->circuit.rx);
	/* the guest reads slowly: not woken for every byte that it takes */
	if (room == 0)
		room = sb_writer_arm(&s->circuit.rx, s->circuit.rx.size / 2);
	if (room > 0)
		receive_some(s, room);
	return room < 0 ? -EPROTO : 0;
}

/* The guest has written all it will: pass that on once the ring is empty */
static void finish_out(struct stream *s)
{
	s->out_done = true;
	s->circuit.line->useful = true;
	shutdown(s->watch.fd, SHUT_WR);
}

static void finish(struct stream *s)
{
	bool reset = s->error == ECONNRESET || s->error == EPIPE;

	if (reset)
		tcp_count(s, TCP_RESETS, 1);
	circuit_end(&s->circuit, s->error, s->error ? SB_WORD_RESET : 0);
}

/* Both ways are at their end, or one broke and all that came is delivered */
static bool is_over(const struct stream *s, bool closing)
{
	if (s->in_done && s->error)
		return true;
	return s->out_done && (s->in_done || closing);
}

/*
 * What was written before the circuit was exchanged goes out first. The word
 * before the index: with FIN in it, that is all. Return: 0 when it has gone
 */
static int64_t move_old_out(struct stream *s)
{
	struct circuit *old = &s->old->circuit;
	uint32_t owner = sb_load(&old->shared->owner);
	int64_t left = move_out(s, old);

	if (left)
		return left;
	if (!(owner & SB_WORD_FIN))
		return 1;
	exchange_end(s);
	return 0;
}

void transfer_run(struct stream *s, uint32_t owner)
{
	bool closing = owner & SB_WORD_FIN && owner & SB_WORD_STOP;
	bool in_was_done = s->in_done;
	int64_t left = 0;

	/* unless close() waits for the last byte, nobody waits for our word */
	s->circuit.left = closing && !(s->options.flags & SB_OPTION_LINGER);
	if (s->old && s->out_done)
		exchange_end(s);
	if (s->old)
		left = move_old_out(s);
	if (left == 0 && !s->out_done)
		left = move_out(s, &s->circuit);
	if (left == 0 && owner & SB_WORD_FIN && !s->out_done) {
		if (closing) {
			circuit_end(&s->circuit, 0, 0);
			return;
		}
		finish_out(s);
	}
	if (left >= 0 && s->readable && !s->in_done && move_in(s, owner) < 0)
		left = -EPROTO;
	if (left < 0)
		circuit_end_liar(&s->circuit, "a ring index that cannot be");
	else if (is_over(s, closing))
		finish(s);
	else if (s->in_done && !in_was_done)
		circuit_publish(&s->circuit, SB_WORD_FIN);
}
