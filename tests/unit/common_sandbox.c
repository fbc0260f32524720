/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * common_sandbox.c - what a confined service may no longer do
 *
 * Our filter is the only one that a proxy has: systemd's own ones would be
 * run one after the other for every notification. So everything that they
 * would forbid (systemd.exec(5): RestrictAddressFamilies=, MemoryDenyWrite-
 * Execute=, SystemCallArchitectures=, LockPersonality=, RestrictNamespaces=,
 * RestrictRealtime=, RestrictSUIDSGID=, ProtectClock=, -Hostname=,
 * -KernelLogs=, -KernelModules=) is tried here, and ends the process.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "services/common/sandbox.h"
#include "tests/unit/unit.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

#define X32 0x40000000

/* As proxies have it, whose own lists add nothing that is tried here */
static const struct sandbox sandbox = { .user = "nobody", .inet = true };

/**
 * struct forbidden - a system call
 * @call:     number
 * @argument: of it
 * @name:     of it
 * @allowed_sanitized: sanitizers need it
 */
struct forbidden {
	long call;
	unsigned long argument[6];
	const char *name;
	bool allowed_sanitized;
};

static const struct forbidden forbidden[] = {
	/* RestrictAddressFamilies */
	{ __NR_socket, { AF_NETLINK, SOCK_RAW, 0 }, "socket netlink", false },
	{ __NR_socket, { AF_PACKET, SOCK_RAW, 0 }, "socket packet", false },
	{ __NR_socket, { AF_VSOCK, SOCK_STREAM }, "socket vsock", false },
	{ __NR_socketpair, { AF_UNIX, SOCK_STREAM }, "socketpair", false },
	/* MemoryDenyWriteExecute */
	{ __NR_mmap,
	  { 0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
	    MAP_PRIVATE | MAP_ANONYMOUS, ~0ul, 0 },
	  "mmap exec",
	  true },
	{ __NR_mprotect, { 0, 4096, PROT_READ | PROT_EXEC }, "mprotect", true },
	{ __NR_pkey_mprotect, { 0, 4096, PROT_EXEC }, "pkey_mprotect", false },
	{ __NR_shmat, { 0, 0, 0 }, "shmat", false },
	{ __NR_memfd_create, { 0, 0 }, "memfd_create", false },
	/* SystemCallArchitectures */
	{ X32 | __NR_getpid, { 0 }, "x32 getpid", false },
	/* LockPersonality */
	{ __NR_personality, { 8 }, "personality", false },
	/* RestrictNamespaces */
	{ __NR_unshare, { CLONE_NEWUSER }, "unshare", false },
	{ __NR_setns, { 0, 0 }, "setns", false },
	{ __NR_clone, { CLONE_NEWNS | SIGCHLD }, "clone newns", true },
	{ __NR_clone3, { 0, 0 }, "clone3", true },
	/* RestrictRealtime */
	{ __NR_sched_setscheduler,
	  { 0, SCHED_FIFO },
	  "sched_setscheduler",
	  false },
	{ __NR_sched_setattr, { 0 }, "sched_setattr", false },
	/* RestrictSUIDSGID */
	{ __NR_chmod, { 0, S_ISUID }, "chmod", false },
	{ __NR_fchmod, { 0, S_ISUID }, "fchmod", false },
	{ __NR_fchmodat, { 0, 0, S_ISUID }, "fchmodat", false },
	{ __NR_mkdir, { 0, S_ISGID }, "mkdir", false },
	{ __NR_mknod, { 0, S_ISUID }, "mknod", false },
	{ __NR_openat, { ~0ul, 0, O_CREAT, S_ISUID }, "openat create", true },
	{ __NR_openat2, { 0 }, "openat2", false },
	{ __NR_creat, { 0, S_ISUID }, "creat", false },
	/* ProtectClock */
	{ __NR_clock_settime, { 0 }, "clock_settime", false },
	{ __NR_settimeofday, { 0 }, "settimeofday", false },
	{ __NR_clock_adjtime, { 0 }, "clock_adjtime", false },
	{ __NR_adjtimex, { 0 }, "adjtimex", false },
	/* ProtectHostname */
	{ __NR_sethostname, { 0 }, "sethostname", false },
	{ __NR_setdomainname, { 0 }, "setdomainname", false },
	/* ProtectKernelLogs, ProtectKernelModules */
	{ __NR_syslog, { 3 }, "syslog", false },
	{ __NR_init_module, { 0 }, "init_module", false },
	{ __NR_finit_module, { 0 }, "finit_module", false },
	{ __NR_delete_module, { 0 }, "delete_module", false },
	/* and what no unit has to forbid */
	{ __NR_execve, { 0 }, "execve", true },
	{ __NR_ptrace, { 0 }, "ptrace", true },
	{ __NR_ioctl, { 0, 0x5401 }, "ioctl", false },
	{ __NR_bpf, { 0 }, "bpf", false },
	{ __NR_io_uring_setup, { 0 }, "io_uring_setup", false },
};

static int status_of(pid_t child)
{
	int status;

	ck_assert_int_eq(waitpid(child, &status, 0), child);
	return status;
}

START_TEST(what_systemd_would_forbid_ends_the_process)
{
	const struct forbidden *f = &forbidden[_i];
	pid_t child;
	int status;

	if (SANITIZED && f->allowed_sanitized)
		return;
	child = fork();
	if (!child) {
		if (sandbox_enter(&sandbox))
			_exit(2);
		syscall(f->call, f->argument[0], f->argument[1], f->argument[2],
			f->argument[3], f->argument[4], f->argument[5]);
		_exit(errno == EFAULT ? 3 : 4);
	}
	status = status_of(child);
	ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS,
		      "%s: status %#x", f->name, status);
}
END_TEST

/* The other way into the same kernel */
START_TEST(a_call_of_another_architecture_ends_the_process)
{
	pid_t child = fork();
	int status;

	if (!child) {
		long result = 20; /* getpid of i386 */

		if (sandbox_enter(&sandbox))
			_exit(2);
		__asm__ volatile("int $0x80" : "+a"(result) : : "memory");
		_exit(3);
	}
	status = status_of(child);
	/* a kernel without that way ends it with SIGSEGV */
	ck_assert_msg(WIFSIGNALED(status), "status %#x", status);
}
END_TEST

START_TEST(what_a_proxy_does_goes_on)
{
	static char page[4096] __attribute__((aligned(4096)));
	pid_t child = fork();

	if (!child) {
		int fd;

		if (sandbox_enter(&sandbox))
			_exit(2);
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd < 0 || close(fd) < 0)
			_exit(3);
		fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd >= 0 && close(fd) < 0)
			_exit(4);
		if (mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ||
		    mprotect(page, sizeof(page), PROT_READ) < 0)
			_exit(5);
		_exit(0);
	}
	ck_assert_int_eq(status_of(child), 0);
}
END_TEST

static Suite *sandbox_suite(void)
{
	Suite *suite = suite_create("sandbox");
	TCase *t = tcase_create("sandbox");

	tcase_add_loop_test(t, what_systemd_would_forbid_ends_the_process, 0,
			    sizeof(forbidden) / sizeof(forbidden[0]));
	tcase_add_test(t, a_call_of_another_architecture_ends_the_process);
	tcase_add_test(t, what_a_proxy_does_goes_on);
	suite_add_tcase(suite, t);
	return suite;
}

int main(void)
{
	return unit_run(sandbox_suite());
}
