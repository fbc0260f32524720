// SPDX-License-Identifier: GPL-2.0-only
/*
 * ends.c - two attachments that are connected to each other
 *
 * The rings' ringer does what the kernel does for a circuit: it starts from
 * the indexes in the page, arms, looks again, and sleeps on an eventfd.
 */
#include "tests/library/ends.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* Longer than any test sleeps: a wake-up that is lost shows as this */
#define LOST_MS 20000

/* One end of rings: an attachment and what the kernel would know of it */
struct ringed {
	struct switchboard s; /* first: freed by the library */
	struct sb_index_page *page;
	enum sb_side side;
	uint32_t size;
	bool nonblocking;
	uint32_t finished; /* atomic */
	uint32_t left; /* atomic */
	int bell[2]; /* of the thread that reads, and that writes */
	struct ringed *other;
};

static struct ringed *ringed_of(struct switchboard *s)
{
	return (struct ringed *)s;
}

static void ring_both(struct ringed *to)
{
	uint64_t one = 1;

	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(write(to->bell[i], &one, 8), 8);
}

static int ends_ring(struct switchboard *s)
{
	struct ringed *e = ringed_of(s);

	ring_both(e->other);
	return sb_load_full(&e->other->left) ? EPIPE : 0;
}

/* What is true now; arms for what is not */
static int look(struct ringed *e, struct sb_user_wait *wait, uint32_t events)
{
	struct sb_reader r;
	struct sb_writer w;
	uint32_t finished = sb_load_full(&e->other->finished);
	uint32_t left = sb_load_full(&e->other->left);

	wait->events = 0;
	wait->error = 0;
	if (events & SB_USER_READ) {
		if (sb_reader_resume(&r, e->page->side, e->side, e->size) != 0)
			return EPROTO;
		if (sb_reader_arm(&r, wait->read_bytes) >= wait->read_bytes)
			wait->events |= SB_USER_READ;
		if (finished || left)
			wait->events |= SB_USER_READ | SB_USER_END;
	}
	if (events & SB_USER_WRITE) {
		if (sb_writer_resume(&w, e->page->side, e->side, e->size) != 0)
			return EPROTO;
		if (sb_writer_arm(&w, wait->write_bytes) >= wait->write_bytes)
			wait->events |= SB_USER_WRITE;
		if (left)
			wait->events |= SB_USER_WRITE | SB_USER_BROKEN;
	}
	return 0;
}

static int ends_wait(struct switchboard *s, struct sb_user_wait *wait)
{
	struct ringed *e = ringed_of(s);
	uint32_t events = wait->events;
	int bell = e->bell[events == SB_USER_WRITE];
	struct pollfd p = { .fd = bell, .events = POLLIN };
	int timeout_ms = wait->timeout_ms < 0 ? LOST_MS : wait->timeout_ms;
	uint64_t count;
	int error;

	if (e->nonblocking && wait->timeout_ms == SB_USER_AS_SOCKET)
		timeout_ms = 0;
	for (;;) {
		error = look(e, wait, events);
		if (error || wait->events)
			return error;
		if (poll(&p, 1, timeout_ms) == 0) {
			ck_assert_msg(timeout_ms != LOST_MS, "a wake-up was "
							     "lost");
			return EAGAIN;
		}
		ck_assert_int_eq(read(bell, &count, 8), 8);
	}
}

static int ends_detach(struct switchboard *s)
{
	struct ringed *e = ringed_of(s);

	close(e->bell[0]);
	close(e->bell[1]);
	return 0;
}

static const struct ringer ringer = {
	.ring = ends_ring,
	.wait = ends_wait,
	.detach = ends_detach,
};

/* @size bytes of @fd from @from, twice in a row at @to */
static void map_twice(int fd, uint8_t *to, size_t size, off_t from)
{
	for (int i = 0; i < 2; i++)
		ck_assert_ptr_ne(mmap(to + i * size, size,
				      PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_FIXED, fd, from),
				 MAP_FAILED);
}

static uint8_t *map_circuit(int fd, size_t size)
{
	uint8_t *base = mmap(NULL, SB_PAGE_BYTES + 4 * size, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(base, MAP_FAILED);
	ck_assert_ptr_ne(mmap(base, SB_PAGE_BYTES, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_FIXED, fd, 0),
			 MAP_FAILED);
	map_twice(fd, base + SB_PAGE_BYTES, size, SB_PAGE_BYTES);
	map_twice(fd, base + SB_PAGE_BYTES + 2 * size, size,
		  SB_PAGE_BYTES + size);
	return base;
}

static struct ringed *open_ringed(uint8_t *base, size_t size, enum sb_side side)
{
	struct ringed *e = calloc(1, sizeof(*e));

	ck_assert_ptr_nonnull(e);
	e->page = (struct sb_index_page *)base;
	e->side = side;
	e->size = size;
	e->bell[0] = eventfd(0, 0);
	e->bell[1] = eventfd(0, 0);
	e->s.fd = -1;
	e->s.rings.tx_area = base + SB_PAGE_BYTES + (side ? 2 * size : 0);
	e->s.rings.rx_area = base + SB_PAGE_BYTES + (side ? 0 : 2 * size);
	ck_assert_int_eq(
		switchboard_rings_init(&e->s, e->page, side, size, &ringer), 0);
	return e;
}

static void open_rings(struct ends *ends, unsigned int order)
{
	size_t size = sb_area_bytes(order);
	int fd = memfd_create("circuit", 0);
	struct ringed *e[2];
	uint8_t *base;

	ck_assert_int_eq(ftruncate(fd, SB_PAGE_BYTES + 2 * size), 0);
	base = map_circuit(fd, size);
	close(fd);
	ends->page = (struct sb_index_page *)base;
	for (int i = 0; i < 2; i++)
		e[i] = open_ringed(base, size, (enum sb_side)i);
	for (int i = 0; i < 2; i++) {
		e[i]->other = e[!i];
		ends->s[i] = &e[i]->s;
	}
}

/* Buffers that a test can fill; before the connection is made */
static void make_small(int fd)
{
	int bytes = 32768;

	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes,
				    sizeof(bytes)),
			 0);
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes,
				    sizeof(bytes)),
			 0);
}

static void connect_tcp(int fd[2])
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t bytes = sizeof(a);
	int listening = socket(AF_INET, SOCK_STREAM, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(listening, (struct sockaddr *)&a, bytes), 0);
	make_small(listening);
	ck_assert_int_eq(listen(listening, 1), 0);
	ck_assert_int_eq(getsockname(listening, (struct sockaddr *)&a, &bytes),
			 0);
	fd[0] = socket(AF_INET, SOCK_STREAM, 0);
	make_small(fd[0]);
	ck_assert_int_eq(connect(fd[0], (struct sockaddr *)&a, bytes), 0);
	fd[1] = accept(listening, NULL, NULL);
	ck_assert_int_ge(fd[1], 0);
	close(listening);
}

static void open_sockets(struct ends *ends)
{
	int fd[2];

	if (ends->kind == ENDS_TCP)
		connect_tcp(fd);
	else
		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	for (int i = 0; i < 2; i++) {
		ends->s[i] = switchboard_attach(fd[i], 0);
		ck_assert_ptr_nonnull(ends->s[i]);
	}
}

struct ends *ends_open(enum ends_kind kind)
{
	struct ends *ends = calloc(1, sizeof(*ends));

	ck_assert_ptr_nonnull(ends);
	ends->kind = kind;
	if (kind == ENDS_PAGE)
		open_rings(ends, 0);
	else if (kind == ENDS_RING)
		open_rings(ends, SB_ORDER_DEFAULT);
	else
		open_sockets(ends);
	return ends;
}

void ends_set_nonblocking(struct ends *ends, int end)
{
	if (ends_are_mapped(ends->kind))
		ringed_of(ends->s[end])->nonblocking = true;
	else
		ck_assert_int_eq(fcntl(switchboard_fd(ends->s[end]), F_SETFL,
				       O_NONBLOCK),
				 0);
}

void ends_finish(struct ends *ends, int end)
{
	struct ringed *e;

	if (!ends_are_mapped(ends->kind)) {
		ck_assert_int_eq(
			shutdown(switchboard_fd(ends->s[end]), SHUT_WR), 0);
		return;
	}
	e = ringed_of(ends->s[end]);
	sb_store_full(&e->finished, 1);
	ring_both(e->other);
}

void ends_leave(struct ends *ends, int end)
{
	struct ringed *e = ringed_of(ends->s[end]);

	if (ends_are_mapped(ends->kind)) {
		/* the other end still looks at it: freed by ends_close() */
		sb_store_full(&e->left, 1);
		ring_both(e->other);
		return;
	}
	switchboard_close(ends->s[end]);
	ends->s[end] = NULL;
}

void ends_close(struct ends *ends)
{
	size_t size = 0;

	if (ends->page)
		size = ringed_of(ends->s[0])->size;
	for (int i = 0; i < 2; i++) {
		if (!ends->s[i])
			continue;
		if (ends_are_mapped(ends->kind))
			ck_assert_int_eq(switchboard_detach(ends->s[i]), 0);
		else
			switchboard_close(ends->s[i]);
	}
	if (ends->page)
		munmap(ends->page, SB_PAGE_BYTES + 4 * size);
	free(ends);
}
