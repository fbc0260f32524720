// SPDX-License-Identifier: GPL-2.0-only
/*
 * viewcheck - what a program may do with another guest's pages, and how it ends
 *
 *	viewcheck serve PORT COUNT              in the called guest
 *	viewcheck hold PORT                     the same
 *	viewcheck call ADDRESS PORT COUNT       in another
 *
 * The server takes COUNT connections, one after the other, each in a process
 * of its own that maps the circuit and looks for what the caller has written.
 * What it does then goes round: it uses the mapping in all ways that there
 * are, touches it from several threads at once, forks, executes another
 * program, is killed while it touches it, or leaves it to exit(). A process
 * that ends in another way than it should is told, and the exit status is 1.
 * With "hold" it takes one, and touches what it sees, each time anew, until it
 * hears that the connection was reset.
 * The caller copies, waits for the end of each connection, and says how many
 * there were.
 *
 * What the kernel refuses differs between guests: a PVH guest lets areas move.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/switchboard.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* Of what the caller writes: less than an area at first */
#define SENT_BYTES 12000u
#define PAGE_BYTES 4096u
#define THREADS 4

struct view {
	int fd;
	struct sb_user_circuit u;
	uint8_t *base;
};

static void fail(const char *what)
{
	fprintf(stderr, "viewcheck: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void must(bool true_of, const char *what)
{
	if (!true_of)
		fail(what);
}

static uint8_t byte_at(size_t n)
{
	return n * 7 + (n >> 8);
}

/* ---- the called end ---- */

static void *map(const struct view *v)
{
	return mmap(NULL, v->u.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd,
		    0);
}

/* The caller writes when it hears of us: an empty circuit may be exchanged */
static void attach(struct view *v)
{
	struct sb_user_wait wait = { .events = SB_USER_READ,
				     .read_bytes = SENT_BYTES / 2,
				     .timeout_ms = SB_USER_FOREVER };
	int error;

	do {
		v->u.version = SB_USER_VERSION;
		error = ioctl(v->fd, SB_USER_ATTACH, &v->u);
	} while (error && errno == EAGAIN);
	must(!error, "attach");
	v->base = map(v);
	must(v->base != MAP_FAILED, "mmap");
	must(send(v->fd, "", 1, 0) == 1, "send");
	must(ioctl(v->fd, SB_USER_WAIT, &wait) == 0, "wait");
}

/* What the caller has written is there, in either copy of the area */
static bool is_there(const struct view *v)
{
	const uint8_t *rx = v->base + v->u.rx_offset;

	for (size_t n = 0; n < SENT_BYTES / 2; n++)
		if (rx[n] != byte_at(n) ||
		    rx[n + v->u.area_bytes] != byte_at(n))
			return false;
	return true;
}

static void touch_all(const struct view *v)
{
	for (size_t at = PAGE_BYTES; at < v->u.bytes; at += PAGE_BYTES)
		*(volatile uint8_t *)(v->base + at);
}

static void refuse_parts(const struct view *v)
{
	uint8_t *base = v->base;

	must(munmap(base, PAGE_BYTES) != 0 && errno == EINVAL, "unmap first");
	must(munmap(base + PAGE_BYTES, PAGE_BYTES) != 0, "unmap inside");
	must(mprotect(base, PAGE_BYTES, PROT_READ) != 0, "protect first");
	must(mremap(base, v->u.bytes, 2 * v->u.bytes, MREMAP_MAYMOVE) ==
		     MAP_FAILED,
	     "grow");
	must(mremap(base, 0, v->u.bytes, MREMAP_MAYMOVE) == MAP_FAILED, "see "
									"twic"
									"e");
	must(madvise(base, v->u.bytes, MADV_DONTNEED) != 0, "throw away");
	must(madvise(base, v->u.bytes, MADV_DOFORK) != 0, "for children");
}

/* Elsewhere, where a guest can do that, and back */
static void move(struct view *v)
{
	uint8_t *to = mmap(NULL, v->u.bytes, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t *at;

	must(to != MAP_FAILED, "room to move to");
	at = mremap(v->base, v->u.bytes, v->u.bytes,
		    MREMAP_MAYMOVE | MREMAP_FIXED, to);
	if (at != MAP_FAILED)
		v->base = at;
}

/* Nobody gets a reference to such a page */
static void refuse_references(const struct view *v)
{
	uint8_t copy[16];
	struct iovec here = { v->base + v->u.rx_offset, sizeof(copy) };
	struct iovec there = { copy, sizeof(copy) };
	int pipes[2];

	must(pipe(pipes) == 0, "pipe");
	must(vmsplice(pipes[1], &here, 1, 0) < 0 && errno == EFAULT, "vmsplic"
								     "e");
	must(process_vm_readv(getpid(), &there, 1, &here, 1, 0) < 0, "process_"
								     "vm_"
								     "readv");
	must(write(pipes[1], here.iov_base, sizeof(copy)) == sizeof(copy) &&
		     read(pipes[0], copy, sizeof(copy)) == sizeof(copy) &&
		     copy[5] == byte_at(5),
	     "write");
}

static void use_in_all_ways(struct view *v)
{
	refuse_parts(v);
	must(is_there(v), "after refusals");
	refuse_references(v);
	move(v);
	must(is_there(v), "after moving");
	must(mprotect(v->base, v->u.bytes, PROT_READ) == 0, "read only");
	must(is_there(v), "read only");
	must(mprotect(v->base, v->u.bytes, PROT_NONE) == 0, "no access");
	must(mprotect(v->base, v->u.bytes, PROT_READ | PROT_WRITE) == 0, "writa"
									 "ble");
	must(is_there(v), "writable again");
	v->base[v->u.tx_offset] = 1;
	must(v->base[v->u.tx_offset + v->u.area_bytes] == 1, "copies differ");
	must(munmap(v->base, v->u.bytes) == 0, "munmap");
	v->base = map(v);
	must(v->base != MAP_FAILED && is_there(v), "mapped again");
	must(ioctl(v->fd, SB_USER_DETACH) == 0, "detach");
	/* nobody's any more: zeros */
	must(v->base[v->u.rx_offset + 1] == 0, "seen after the end");
	must(munmap(v->base, v->u.bytes) == 0, "munmap at the end");
}

static void *touch_often(void *opaque)
{
	for (int i = 0; i < 20; i++)
		touch_all(opaque);
	return NULL;
}

/* Faults at once, while the protection changes */
static void use_from_threads(struct view *v)
{
	pthread_t thread[THREADS];
	int i;

	for (i = 0; i < THREADS; i++)
		pthread_create(&thread[i], NULL, touch_often, v);
	for (i = 0; i < 20; i++)
		must(mprotect(v->base, v->u.bytes,
			      i % 2 ? PROT_READ | PROT_WRITE : PROT_READ) == 0,
		     "protection");
	for (i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	must(is_there(v), "after threads");
}

static int status_of(pid_t pid)
{
	int status;

	must(waitpid(pid, &status, 0) == pid, "waitpid");
	return status;
}

static void use_and_fork(struct view *v)
{
	char *nothing[] = { (char *)"viewcheck", (char *)"nothing", NULL };
	unsigned char there[1];
	pid_t pid = fork();

	if (pid == 0)
		_exit(mincore(v->base, PAGE_BYTES, there) ? 0 : 1);
	must(status_of(pid) == 0, "a child has it");
	must(is_there(v), "after fork");
	must(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, nothing, NULL) ==
		     0,
	     "spawn");
	must(status_of(pid) == 0, "what was spawned");
	must(is_there(v), "after spawn");
}

static void use_and_execute(struct view *v)
{
	touch_all(v);
	fcntl(v->fd, F_SETFD, FD_CLOEXEC);
	execl("/proc/self/exe", "viewcheck", "nothing", NULL);
	fail("exec");
}

/* By our parent, while we are at it */
static void use_until_killed(struct view *v)
{
	pid_t parent = getpid(), pid = fork();

	if (pid == 0) {
		kill(parent, SIGKILL);
		_exit(0);
	}
	for (;;) {
		touch_all(v);
		mprotect(v->base, v->u.bytes, PROT_READ);
		mprotect(v->base, v->u.bytes, PROT_READ | PROT_WRITE);
	}
}

static void use_and_leave(struct view *v)
{
	touch_all(v);
	shutdown(v->fd, SHUT_WR);
}

static const struct use {
	const char *name;
	void (*with)(struct view *v);
	int status;
} uses[] = {
	{ "in all ways", use_in_all_ways, 0 },
	{ "from threads", use_from_threads, 0 },
	{ "and fork", use_and_fork, 0 },
	{ "and execute", use_and_execute, 0 },
	{ "until killed", use_until_killed, SIGKILL },
	{ "and leave", use_and_leave, 0 },
};

#define USES (sizeof(uses) / sizeof(uses[0]))

static void use_one(int listener, const struct use *use)
{
	struct view v = { .fd = accept(listener, NULL, NULL) };

	must(v.fd >= 0, "accept");
	attach(&v);
	must(is_there(&v), "at first");
	use->with(&v);
	exit(0);
}

static int listen_at(unsigned int port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons(port) };
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	must(bind(listener, (struct sockaddr *)&at, sizeof(at)) == 0 &&
		     listen(listener, 16) == 0,
	     "listen");
	return listener;
}

/* All that is seen is fetched again and again, from whoever may be gone */
static int hold(unsigned int port)
{
	struct sb_user_wait wait = { .events = SB_USER_WRITE,
				     .write_bytes = 1,
				     .timeout_ms = 0 };
	struct view v = { .fd = accept(listen_at(port), NULL, NULL) };
	unsigned long rounds = 0;

	must(v.fd >= 0, "accept");
	attach(&v);
	must(is_there(&v), "at first");
	for (; !(wait.events & SB_USER_BROKEN); rounds++) {
		must(mprotect(v.base, v.u.bytes, PROT_READ) == 0 &&
			     mprotect(v.base, v.u.bytes,
				      PROT_READ | PROT_WRITE) == 0,
		     "protection");
		touch_all(&v);
		wait.events = SB_USER_WRITE;
		must(ioctl(v.fd, SB_USER_WAIT, &wait) == 0, "wait");
	}
	touch_all(&v);
	printf("after %lu rounds: %s\n", rounds, strerror(wait.error));
	return wait.error == ECONNRESET ? 0 : 1;
}

static int serve(unsigned int port, unsigned int count)
{
	int listener = listen_at(port), bad = 0;

	for (unsigned int n = 0; n < count; n++) {
		const struct use *use = &uses[n % USES];
		pid_t pid = fork();
		int status;

		if (pid == 0)
			use_one(listener, use);
		status = status_of(pid);
		if (status == use->status)
			continue;
		bad++;
		fprintf(stderr, "viewcheck: %s: status %#x\n", use->name,
			status);
	}
	printf("served %u, %d of them badly\n", count, bad);
	return bad ? 1 : 0;
}

/* ---- the caller ---- */

static void call_once(const struct sockaddr_in *to)
{
	static uint8_t sent[SENT_BYTES];
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	uint8_t byte;

	for (size_t n = 0; n < SENT_BYTES; n++)
		sent[n] = byte_at(n);
	must(connect(fd, (const struct sockaddr *)to, sizeof(*to)) == 0, "conne"
									 "ct");
	must(recv(fd, &byte, 1, 0) == 1, "not heard of");
	must(send(fd, sent, SENT_BYTES, MSG_NOSIGNAL) == (ssize_t)SENT_BYTES,
	     "send");
	/* an end or a reset, whatever the other one does */
	while (recv(fd, &byte, 1, 0) > 0)
		;
	close(fd);
}

static int call(const char *address, unsigned int port, unsigned int count)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(port) };

	must(inet_pton(AF_INET, address, &to.sin_addr) == 1, address);
	for (unsigned int n = 0; n < count; n++)
		call_once(&to);
	printf("called %u times\n", count);
	return 0;
}

int main(int count, char **word)
{
	if (count == 2 && strcmp(word[1], "nothing") == 0)
		return 0;
	if (count == 4 && strcmp(word[1], "serve") == 0)
		return serve(atoi(word[2]), atoi(word[3]));
	if (count == 3 && strcmp(word[1], "hold") == 0)
		return hold(atoi(word[2]));
	if (count == 5 && strcmp(word[1], "call") == 0)
		return call(word[2], atoi(word[3]), atoi(word[4]));
	fputs("usage: viewcheck serve PORT COUNT\n"
	      "       viewcheck hold PORT\n"
	      "       viewcheck call ADDRESS PORT COUNT\n",
	      stderr);
	return 2;
}
