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
#include "services/proxy-tcp/circuit.h"

static uint8_t *tx_area(const struct circuit *c)
{
	return c->base + SB_PAGE_BYTES;
}

static uint8_t *rx_area(const struct circuit *c)
{
	return tx_area(c) + sb_area_bytes(c->order);
}

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
static void cannot_send(struct circuit *c, int error)
{
	c->error = error;
	c->out_done = true;
	c->hung_up = true;
	c->readable = true;
	circuit_publish(c, SB_WORD_STOP);
}

static void sent(struct circuit *c, uint32_t bytes)
{
	sb_reader_advance(&c->tx, bytes);
	c->sent += bytes;
	c->line->proxy->count[PROXY_SENT_BYTES] += bytes;
	c->line->useful = true;
	if (sb_reader_release(&c->tx))
		line_ring(c->line, c->entry);
}

/* Send up to one span of @held bytes */
static void send_some(struct circuit *c, uint32_t held)
{
	uint32_t count = held < LIMIT_SPAN_BYTES ? held : LIMIT_SPAN_BYTES;
	struct iovec piece[2];
	int pieces = make_pieces(piece, tx_area(c), sb_reader_offset(&c->tx),
				 sb_reader_run(&c->tx), count);
	ssize_t done = send_pieces(c->watch.fd, piece, pieces);

	if (done < 0 && errno != EAGAIN && errno != EINTR) {
		cannot_send(c, errno);
		return;
	}
	if (done > 0)
		sent(c, done);
	if (done < (ssize_t)count)
		circuit_blocked(c);
}

/* Return: bytes left in the ring, or -EPROTO */
static int64_t move_out(struct circuit *c)
{
	int64_t held = sb_reader_available(&c->tx);

	if (held > 0 && c->writable) {
		send_some(c, held);
		held = sb_reader_held(&c->tx);
	}
	if (held == 0)
		held = sb_reader_arm(&c->tx, 1);
	if (held > 0 && c->writable && !c->out_done)
		line_look_at(c->line, c->entry);
	return held;
}

static void received(struct circuit *c, uint32_t bytes)
{
	sb_writer_advance(&c->rx, bytes);
	c->received += bytes;
	c->line->proxy->count[PROXY_RECEIVED_BYTES] += bytes;
	if (sb_writer_publish(&c->rx))
		line_ring(c->line, c->entry);
	c->line->useful = true;
}

static void cannot_receive(struct circuit *c, int error)
{
	c->in_done = true;
	if (!c->error)
		c->error = error;
}

/*
 * A short read has emptied the socket, and what comes next is an edge; unless
 * the edge that told of an end is already behind us.
 */
static void note_rest(struct circuit *c, ssize_t got, uint32_t wanted)
{
	if (c->in_done || got < 0 || (got < (ssize_t)wanted && !c->hung_up))
		c->readable = false;
	else
		line_look_at(c->line, c->entry);
}

static void receive_some(struct circuit *c, uint32_t room)
{
	uint32_t count = room < LIMIT_SPAN_BYTES ? room : LIMIT_SPAN_BYTES;
	uint32_t run = sb_writer_run(&c->rx);
	struct iovec piece[2];
	ssize_t got;
	int pieces;

	/* messages as small as the last one need no second piece */
	if (count > run && c->last_in < run)
		count = run;
	pieces = make_pieces(piece, rx_area(c), sb_writer_offset(&c->rx), run,
			     count);
	got = receive_pieces(c->watch.fd, piece, pieces);
	c->last_in = got > 0 ? got : 0;
	if (got > 0)
		received(c, got);
	else if (got == 0)
		cannot_receive(c, 0);
	else if (errno != EAGAIN && errno != EINTR)
		cannot_receive(c, errno);
	note_rest(c, got, count);
}

/*
 * What comes after STOP nobody wants; but it must not stop the other end, and
 * behind it may be an end or an error.
 */
static void drop_some(struct circuit *c)
{
	ssize_t got = recv(c->watch.fd, NULL, LIMIT_SPAN_BYTES,
			   MSG_DONTWAIT | MSG_TRUNC);

	if (got == 0)
		cannot_receive(c, 0);
	else if (got < 0 && errno != EAGAIN)
		cannot_receive(c, errno);
	note_rest(c, got, LIMIT_SPAN_BYTES);
}

/* Return: 0 or -EPROTO */
static int move_in(struct circuit *c, uint32_t owner)
{
	int64_t room;

	if (owner & SB_WORD_STOP) {
		drop_some(c);
		return 0;
	}
	room = sb_writer_space(&c->rx);
	/* the guest reads slowly: not woken for every byte that it takes */
	if (room == 0)
		room = sb_writer_arm(&c->rx, c->rx.size / 2);
	if (room > 0)
		receive_some(c, room);
	return room < 0 ? -EPROTO : 0;
}

/* The guest has written all it will: pass that on once the ring is empty */
static void finish_out(struct circuit *c)
{
	c->out_done = true;
	c->line->useful = true;
	shutdown(c->watch.fd, SHUT_WR);
}

static void finish(struct circuit *c)
{
	bool reset = c->error == ECONNRESET || c->error == EPIPE;

	if (reset)
		c->line->proxy->count[PROXY_RESETS]++;
	circuit_end(c, c->error, c->error ? SB_WORD_RESET : 0);
}

/* Both ways are at their end, or one broke and all that came is delivered */
static bool is_over(const struct circuit *c, bool closing)
{
	if (c->in_done && c->error)
		return true;
	return c->out_done && (c->in_done || closing);
}

void transfer_run(struct circuit *c, uint32_t owner)
{
	bool closing = owner & SB_WORD_FIN && owner & SB_WORD_STOP;
	bool in_was_done = c->in_done;
	int64_t left = 0;

	/* unless close() waits for the last byte, nobody waits for our word */
	c->left = closing && !(c->options.flags & SB_OPTION_LINGER);
	if (!c->out_done)
		left = move_out(c);
	if (left == 0 && owner & SB_WORD_FIN && !c->out_done) {
		if (closing) {
			circuit_end(c, 0, 0);
			return;
		}
		finish_out(c);
	}
	if (left >= 0 && c->readable && !c->in_done && move_in(c, owner) < 0)
		left = -EPROTO;
	if (left < 0)
		circuit_end_liar(c, "a ring index that cannot be");
	else if (is_over(c, closing))
		finish(c);
	else if (c->in_done && !in_was_done)
		circuit_publish(c, SB_WORD_FIN);
}
