// SPDX-License-Identifier: GPL-2.0-only
/*
 * cases_map.c - what the kernel lets a program do with its circuit's pages
 *
 * Without the library: the ioctls and mmap() of include/uapi, used rightly,
 * wrongly and with malice. Only circuits have them.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/switchboard.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "far.h"
#include "near.h"
#include "protocol/ring.h"

#define RW (PROT_READ | PROT_WRITE)

/* A socket's circuit, mapped */
struct view {
	struct sb_user_circuit u;
	uint8_t *base;
	struct sb_index *mine;
	struct sb_index *other;
	uint8_t *tx;
	uint8_t *rx;
};

/*
 * The pages are another guest's: nobody gets a reference to one, and when this
 * end gives them back it sees zeros in their place
 */
static bool is_foreign(const struct world *w)
{
	return w->direct && w->accepted;
}

static int try_attach(int fd, struct sb_user_circuit *u)
{
	memset(u, 0, sizeof(*u));
	u->version = SB_USER_VERSION;
	return ioctl(fd, SB_USER_ATTACH, u);
}

/* While its circuit is exchanged the other end may be busy, and it is EAGAIN */
static void attach(int fd, struct sb_user_circuit *u)
{
	int got;

	near_until(!(got = try_attach(fd, u)) || errno != EAGAIN);
	must_be(got, 0);
}

static void *try_map(const struct view *v, int fd, int protection, int flags)
{
	return mmap(NULL, v->u.bytes, protection, flags, fd, 0);
}

static struct view view(const struct world *w, int fd)
{
	struct sb_index_page *page;
	struct view v;

	if (!w->circuit)
		check_skip("no circuits here");
	attach(fd, &v.u);
	v.base = try_map(&v, fd, RW, MAP_SHARED);
	must(v.base != MAP_FAILED);
	page = (struct sb_index_page *)v.base;
	v.mine = &page->side[v.u.side];
	v.other = &page->side[!v.u.side];
	v.tx = v.base + v.u.tx_offset;
	v.rx = v.base + v.u.rx_offset;
	return v;
}

static void must_not_map(int fd, size_t bytes, int protection, int flags,
			 off_t offset, int error)
{
	void *at = mmap(NULL, bytes, protection, flags, fd, offset);
	int got = errno;

	must(at == MAP_FAILED);
	must_be(got, error);
}

static void attach_is_checked(struct world *w)
{
	struct pair p = near_pair(w);
	int fresh = near_socket(w, 0);
	struct sb_user_circuit u;
	struct sb_user_wait wait = { .events = SB_USER_READ, .read_bytes = 1 };

	if (!w->circuit)
		check_skip("no circuits here");
	must_not_map(p.near, 4096, RW, MAP_SHARED, 0, ENOTCONN);
	must_fail(try_attach(fresh, &u), ENOTCONN);
	must_fail(ioctl(p.near, SB_USER_ATTACH, NULL), EFAULT);
	memset(&u, 0, sizeof(u));
	u.version = SB_USER_VERSION + 1;
	must_fail(ioctl(p.near, SB_USER_ATTACH, &u), EINVAL);
	u.version = SB_USER_VERSION;
	u.reserved1[2] = 1;
	must_fail(ioctl(p.near, SB_USER_ATTACH, &u), EINVAL);
	must_fail(ioctl(p.near, SB_USER_DETACH, NULL), EINVAL);
	must_fail(ioctl(p.near, SB_USER_WAIT, &wait), EINVAL);
	attach(p.near, &u);
	must_fail(try_attach(p.near, &u), EBUSY);
	must_fail(ioctl(p.near, SB_USER_WAIT, NULL), EFAULT);
	wait.read_bytes = 0;
	must_fail(ioctl(p.near, SB_USER_WAIT, &wait), EINVAL);
	wait.read_bytes = u.area_bytes;
	must_fail(ioctl(p.near, SB_USER_WAIT, &wait), EINVAL);
	wait.read_bytes = 1;
	wait.events = 16;
	must_fail(ioctl(p.near, SB_USER_WAIT, &wait), EINVAL);
	wait.events = SB_USER_READ;
	wait.timeout_ms = -3;
	must_fail(ioctl(p.near, SB_USER_WAIT, &wait), EINVAL);
	wait.timeout_ms = 0;
	must_fail(ioctl(p.near, SB_USER_WAIT, &wait), EAGAIN);
	must_be(ioctl(p.near, SB_USER_DETACH, NULL), 0);
	must_not_map(p.near, 4096, RW, MAP_SHARED, 0, ENOTCONN);
	must_fail(ioctl(fresh, SB_USER_RING, NULL), ENOTCONN);
}

static void only_as_a_whole(struct world *w)
{
	struct pair p = near_pair(w);
	struct view v = view(w, p.near);
	size_t bytes = v.u.bytes;

	must_be(bytes, 4096 + 4 * v.u.area_bytes);
	must_not_map(p.near, bytes, RW, MAP_PRIVATE, 0, EINVAL);
	must_not_map(p.near, bytes, RW | PROT_EXEC, MAP_SHARED, 0, EACCES);
	must_not_map(p.near, bytes - 4096, RW, MAP_SHARED, 0, EINVAL);
	must_not_map(p.near, bytes + 4096, RW, MAP_SHARED, 0, EINVAL);
	must_not_map(p.near, bytes - 4096, RW, MAP_SHARED, 4096, EINVAL);
	must_fail(mprotect(v.base, bytes, PROT_READ | PROT_EXEC), EACCES);
	must_fail(mprotect(v.base, 4096, PROT_READ), EINVAL);
	must_fail(munmap(v.base, 4096), EINVAL);
	must_fail(munmap(v.base + 4096, 4096), EINVAL);
	must(mremap(v.base, bytes, bytes + 4096, MREMAP_MAYMOVE) == MAP_FAILED);
	must(mremap(v.base, 0, bytes, MREMAP_MAYMOVE) == MAP_FAILED);
	/* as a whole it may move, and be thrown away and fetched again */
	v.tx[5] = 77;
	if (is_foreign(w))
		must_fail(madvise(v.base, bytes, MADV_DONTNEED), EINVAL);
	else
		must_be(madvise(v.base, bytes, MADV_DONTNEED), 0);
	must_be(v.tx[5], 77);
	must_be(munmap(v.base, bytes), 0);
	v.base = try_map(&v, p.near, RW, MAP_SHARED);
	must(v.base != MAP_FAILED);
	must_be(v.base[v.u.tx_offset + 5], 77);
}

static void areas_come_twice(struct world *w)
{
	struct pair p = near_pair(w);
	struct view v = view(w, p.near);
	uint32_t size = v.u.area_bytes, i;

	for (i = 0; i < size; i += 4093) {
		v.tx[i] = 1 + i % 255;
		must_be(v.tx[i + size], 1 + i % 255);
		v.rx[i + size] = 1 + i % 251;
		must_be(v.rx[i], 1 + i % 251);
	}
	/* nothing but zeros was there, and one area is not the other */
	must_be(v.tx[1], 0);
	must_be(v.rx[1], 0);
}

/* The rings by hand, and the socket's own calls in between */
static void indexes_are_the_programs(struct world *w)
{
	struct sb_user_wait wait = { .events = SB_USER_READ,
				     .read_bytes = 3,
				     .timeout_ms = SB_USER_FOREVER };
	struct pair p = near_pair(w);
	struct view v = view(w, p.near);
	char text[8];

	memcpy(v.tx, "\x01\x02", 2);
	sb_store_full(&v.mine->produced, 2);
	must_be(ioctl(p.near, SB_USER_RING, NULL), 0);
	near_send(p.near, 100, 1);
	must_be(sb_load(&v.mine->produced), 102);
	far_start(w, "send %d 3 9", p.far);
	must_be(ioctl(p.near, SB_USER_WAIT, &wait), 0);
	must_be(wait.events, SB_USER_READ);
	must_be(sb_load(&v.other->produced), 3);
	far_finish(w);
	sb_store_full(&v.mine->consumed, 2);
	must_be(recv(p.near, text, 8, 0), 1);
	must_be(sb_load(&v.mine->consumed), 3);
	must_be(ioctl(p.near, SB_USER_DETACH, NULL), 0);
	/* from now on nobody looks at what is there */
	near_send(p.near, 50, 1);
	must_be(sb_load(&v.mine->produced), is_foreign(w) ? 0 : 152);
}

static void end_and_error_are_told(struct world *w)
{
	struct sb_user_wait wait = { .events = SB_USER_READ,
				     .read_bytes = 100,
				     .timeout_ms = SB_USER_AS_SOCKET };
	struct pair p = near_pair(w);
	struct view v = view(w, p.near);

	far_ask(w, "send %d 10 1", p.far);
	far_ask(w, "shutdown %d 1", p.far);
	must_be(ioctl(p.near, SB_USER_WAIT, &wait), 0);
	must_be(wait.events, SB_USER_READ | SB_USER_END);
	must_be(wait.error, 0);
	must_be(sb_load(&v.other->produced), 10);
	must_be(shutdown(p.near, SHUT_WR), 0);
	wait.events = SB_USER_WRITE;
	wait.write_bytes = 1;
	must_be(ioctl(p.near, SB_USER_WAIT, &wait), 0);
	must_be(wait.events, SB_USER_WRITE | SB_USER_BROKEN);
	must_fail(ioctl(p.near, SB_USER_RING, NULL), EPIPE);
}

/* Every call on the socket finds what cannot be, and ends that circuit alone */
static void lies_end_the_circuit(struct world *w)
{
	struct sb_user_wait wait = { .events = SB_USER_WRITE,
				     .write_bytes = 1 };
	struct pair other = near_pair(w);
	struct pair p;
	struct view v;
	char byte = 1;
	int kind, value;

	for (kind = 0; kind < 5; kind++) {
		p = near_pair(w);
		v = view(w, p.near);
		if (kind == 1 || kind == 3)
			sb_store(&v.mine->consumed, 1 + kind);
		else
			sb_store(&v.mine->produced, v.u.area_bytes + 1);
		if (kind == 0)
			must_fail(send(p.near, &byte, 1, MSG_NOSIGNAL), EPROTO);
		else if (kind == 1)
			must_fail(recv(p.near, &byte, 1, 0), EPROTO);
		else if (kind == 2)
			must(near_poll(p.near, POLLIN, 0) & POLLERR);
		else if (kind == 3)
			must_be(ioctl(p.near, FIONREAD, &value), 0);
		else
			must_be(ioctl(p.near, SB_USER_WAIT, &wait), 0);
		if (kind == 4)
			must_be(wait.error, EPROTO);
		close(p.near);
		must_be(munmap(v.base, v.u.bytes), 0);
		must(far_ask(w, "errno %d", p.far) >= 0);
	}
	near_send(other.near, 1000, 1);
	far_ask(w, "recv %d 1000 1", other.far);
}

static bool is_zero(const uint8_t *bytes, size_t n)
{
	while (n > 0 && *bytes == 0)
		bytes++, n--;
	return n == 0;
}

/* Does this circuit show anything of former ones? Leaves a mark in it */
static void must_be_clean(const struct view *v)
{
	must(is_zero(v->tx, v->u.area_bytes));
	must(is_zero(v->rx, v->u.area_bytes));
	must(is_zero(v->base + sizeof(struct sb_index_page) / 2,
		     sizeof(struct sb_index_page) / 2));
	memset(v->tx, 0x5a, v->u.area_bytes);
	memset(v->rx, 0x5a, v->u.area_bytes);
	v->base[sizeof(struct sb_index_page) - 1] = 0x5a;
}

/* Pages go to others only when they are clean and seen by nobody else */
static void pages_are_nobody_elses(struct world *w)
{
	uint8_t mark = is_foreign(w) ? 0 : 0x5a;
	struct view kept[8], v;
	struct pair p;
	int i, j;

	for (i = 0; i < 24; i++) {
		p = near_pair(w);
		v = view(w, p.near);
		must_be_clean(&v);
		if (i % 3 == 0) {
			/* give the circuit back while it is mapped */
			struct sockaddr none = { .sa_family = AF_UNSPEC };

			kept[i / 3] = v;
			must_be(connect(p.near, &none, sizeof(none)), 0);
			must_fail(try_attach(p.near, &v.u), ENOTCONN);
		} else {
			must_be(munmap(v.base, v.u.bytes), 0);
		}
		close(p.near);
		far_ask(w, "close %d", p.far);
	}
	for (j = 0; j < 8; j++) {
		for (i = 0; i < (int)v.u.area_bytes; i++)
			must(kept[j].tx[i] == mark && kept[j].rx[i] == mark);
		must_be(munmap(kept[j].base, kept[j].u.bytes), 0);
	}
}

/* A pipe holds a page that nobody has mapped any more */
static void pinned_pages_are_kept(struct world *w)
{
	struct pair p = near_pair(w);
	struct view v = view(w, p.near);
	struct iovec piece = { .iov_base = v.tx, .iov_len = 4096 };
	uint8_t page[4096];
	int pipe_fd[2], i;

	memset(v.tx, 1, 4096);
	must_be(pipe(pipe_fd), 0);
	if (is_foreign(w)) {
		must_fail((int)vmsplice(pipe_fd[1], &piece, 1, 0), EFAULT);
		return;
	}
	must_be(vmsplice(pipe_fd[1], &piece, 1, 0), 4096);
	must_be(munmap(v.base, v.u.bytes), 0);
	close(p.near);
	far_ask(w, "close %d", p.far);
	for (i = 0; i < 20; i++) {
		p = near_pair(w);
		near_send(p.near, 8192, 1);
		far_ask(w, "recv %d 8192 1", p.far);
		close(p.near);
		far_ask(w, "close %d", p.far);
	}
	must_be(read(pipe_fd[0], page, 4096), 4096);
	for (i = 0; i < 4096; i++)
		must_be(page[i], 1);
}

static void children_do_not_have_it(struct world *w)
{
	struct pair p = near_pair(w);
	struct view v = view(w, p.near);
	unsigned char there[1];
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		errno = 0;
		_exit(mincore(v.base, 4096, there) == -1 && errno == ENOMEM
			      ? 0
			      : 1);
	}
	must_be(waitpid(pid, &status, 0), pid);
	must_be(status, 0);
	if (is_foreign(w)) {
		must_fail(madvise(v.base, v.u.bytes, MADV_DOFORK), EINVAL);
		return;
	}
	/* told otherwise, they share it, and it is counted */
	must_be(madvise(v.base, v.u.bytes, MADV_DOFORK), 0);
	pid = fork();
	if (pid == 0) {
		v.tx[0] = 9;
		_exit(munmap(v.base, v.u.bytes) ? 1 : 0);
	}
	must_be(waitpid(pid, &status, 0), pid);
	must_be(status, 0);
	must_be(v.tx[0], 9);
}

static void a_mapping_keeps_the_connection(struct world *w)
{
	struct pair p = near_pair(w);
	struct view v = view(w, p.near);

	memcpy(v.tx, "\x00", 1);
	must_be(close(p.near), 0);
	far_start(w, "errno %d", p.far);
	near_sleep_ms(100);
	must_be(munmap(v.base, v.u.bytes), 0);
	must_be(far_finish(w), 0);
}

const struct check_case map_cases[] = {
	{ "map-attach-is-checked", attach_is_checked, PAIRS },
	{ "map-only-as-a-whole", only_as_a_whole, PAIRS },
	{ "map-areas-come-twice", areas_come_twice, PAIRS },
	{ "map-indexes-are-the-programs", indexes_are_the_programs, PAIRS },
	{ "map-end-and-error-are-told", end_and_error_are_told, PAIRS },
	{ "map-lies-end-the-circuit", lies_end_the_circuit, PAIRS },
	{ "map-pages-are-nobody-elses", pages_are_nobody_elses, PAIRS },
	{ "map-pinned-pages-are-kept", pinned_pages_are_kept, PAIRS },
	{ "map-children-do-not-have-it", children_do_not_have_it, PAIRS },
	{ "map-a-mapping-keeps-the-connection", a_mapping_keeps_the_connection,
	  PAIRS },
	CASES_END,
};
