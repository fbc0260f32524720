/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sandbox.c - from root to a process that can do only its job
 *
 * libc changes user ids in every thread, and a thread that becomes somebody
 * else loses its capabilities; only the calling thread keeps the few that the
 * service lists. The filter goes to all threads at once (TSYNC). It holds
 * system calls by number, ioctl() by request, socket() by family, and no
 * memory becomes executable any more.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <seccomp.h>
#include <sys/capability.h>

#include "services/common/log.h"
#include "services/common/sandbox.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

/* What every service needs, by who needs it */
static const int common_calls[] = {
	/* the loop */
	__NR_epoll_wait,
	__NR_epoll_pwait,
	__NR_epoll_ctl,
	__NR_read,
	__NR_write,
	__NR_close,
	__NR_clock_gettime,
	__NR_timerfd_settime,
	/* nanomsg's thread: connects again, accepts, moves messages */
	__NR_sendmsg,
	__NR_recvmsg,
	__NR_sendto,
	__NR_recvfrom,
	__NR_connect,
	__NR_accept,
	__NR_accept4,
	__NR_getsockopt,
	__NR_setsockopt,
	__NR_shutdown,
	__NR_fcntl,
	__NR_poll,
	__NR_futex,
	__NR_nanosleep,
	__NR_clock_nanosleep,
	__NR_sched_yield,
	/* and what libc does when it has only just been started */
	__NR_rseq,
	__NR_set_robust_list,
	__NR_sched_getaffinity,
	/* malloc */
	__NR_brk,
	__NR_munmap,
	__NR_mremap,
	__NR_madvise,
	/* status: pread of statm; logs */
	__NR_pread64,
	__NR_writev,
	__NR_fstat,
	__NR_newfstatat,
	__NR_lseek,
	__NR_getpid,
	__NR_gettid,
	__NR_getuid,
	__NR_geteuid,
	__NR_getgid,
	__NR_getegid,
	/* signals and the end */
	__NR_rt_sigreturn,
	__NR_rt_sigprocmask,
	__NR_rt_sigaction,
	__NR_restart_syscall,
	__NR_exit,
	__NR_exit_group,
	__NR_getrandom,
#ifdef SANITIZED
	/* the sanitizers' reports and the leak check's ptrace */
	__NR_openat,
	__NR_open,
	__NR_readlink,
	__NR_readlinkat,
	__NR_clone,
	__NR_clone3,
	__NR_ptrace,
	__NR_wait4,
	__NR_prctl,
	__NR_sigaltstack,
	__NR_getdents64,
	__NR_getdents,
	__NR_mprotect,
	__NR_mmap,
	__NR_tgkill,
	__NR_getppid,
	__NR_kill,
	__NR_gettimeofday,
	__NR_uname,
	__NR_dup,
	__NR_dup2,
	__NR_pipe,
	__NR_pipe2,
	__NR_fork,
	__NR_vfork,
	__NR_execve,
	__NR_stat,
	__NR_access,
	__NR_process_vm_readv,
	__NR_sysinfo,
	__NR_getrlimit,
	__NR_prlimit64,
	__NR_arch_prctl,
	__NR_set_tid_address,
	__NR_getcwd,
	__NR_times,
#endif
};

static int failed(const char *step, int error)
{
	log_print(LOG_LEVEL_ERROR, "cannot confine: %s: %s", step,
		  strerror(error));
	return -error;
}

static int become_user(const struct sandbox *s)
{
	struct passwd *user;

	if (geteuid() != 0) {
		log_print(LOG_LEVEL_INFO, "not root: staying user %u",
			  geteuid());
		return 0;
	}
	if (!s->user || strcmp(s->user, "root") == 0) {
		log_print(LOG_LEVEL_WARNING, "staying root: that is for tests "
					     "only");
		return 0;
	}
	errno = 0;
	user = getpwnam(s->user);
	if (!user)
		return failed(s->user, errno ? errno : ENOENT);
	if (s->capabilities && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return failed("keep capabilities", errno);
	if (initgroups(s->user, user->pw_gid) < 0)
		return failed("set groups", errno);
	if (setresgid(user->pw_gid, user->pw_gid, user->pw_gid) < 0)
		return failed("set group", errno);
	if (setresuid(user->pw_uid, user->pw_uid, user->pw_uid) < 0)
		return failed("set user", errno);
	return 0;
}

/* Keep those of the listed capabilities that there are, and no other */
static int keep_capabilities(const struct sandbox *s)
{
	cap_t now = cap_get_proc(), kept = cap_init();
	size_t i;
	int err = now && kept ? 0 : ENOMEM;

	for (i = 0; i < s->capabilities && !err; i++) {
		cap_value_t c = s->capability[i];
		cap_flag_value_t there = CAP_CLEAR;

		if (cap_get_flag(now, c, CAP_PERMITTED, &there) < 0)
			err = errno;
		if (there == CAP_CLEAR)
			continue;
		if (cap_set_flag(kept, CAP_PERMITTED, 1, &c, CAP_SET) < 0 ||
		    cap_set_flag(kept, CAP_EFFECTIVE, 1, &c, CAP_SET) < 0)
			err = errno;
	}
	if (!err && cap_set_proc(kept) < 0)
		err = errno;
	cap_free(now);
	cap_free(kept);
	return err ? failed("drop capabilities", err) : 0;
}

static int allow_calls(scmp_filter_ctx filter, const int *call, size_t calls)
{
	int err = 0;
	size_t i;

	for (i = 0; i < calls && !err; i++) {
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, call[i], 0);
		/* listed twice, by the service and here */
		if (err == -EEXIST)
			err = 0;
	}
	return err;
}

static int allow_ioctls(scmp_filter_ctx filter, const struct sandbox *s)
{
	int err = 0;
	size_t i;

	/* the kernel takes the request as 32 bits, whatever is above */
	for (i = 0; i < s->ioctls && !err; i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, __NR_ioctl, 1,
				       SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff,
					       s->ioctl[i] & 0xffffffff));
	return err;
}

static int allow_socket(scmp_filter_ctx filter, int family)
{
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, __NR_socket, 1,
				SCMP_A0(SCMP_CMP_MASKED_EQ, 0xffffffff,
					(unsigned int)family));
}

static int allow_sockets(scmp_filter_ctx filter, const struct sandbox *s)
{
	int err = allow_socket(filter, AF_UNIX);

	if (!err && s->inet)
		err = allow_socket(filter, AF_INET);
	if (!err && s->inet)
		err = allow_socket(filter, AF_INET6);
	return err;
}

static int allow_memory(scmp_filter_ctx filter)
{
#ifdef SANITIZED
	return 0;
#else
	int err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, __NR_mmap, 1,
				   SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));

	if (!err)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, __NR_mprotect, 1,
				       SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC,
					       0));
	return err;
#endif
}

/*
 * openat() for reading, relative to one descriptor. A filter cannot see that
 * a name is not absolute: what may be read at all is for file permissions and
 * systemd's unit to say.
 */
static int allow_opening(scmp_filter_ctx filter, const struct sandbox *s)
{
	if (!s->opens)
		return 0;
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, __NR_openat, 2,
				SCMP_A0(SCMP_CMP_MASKED_EQ, 0xffffffff,
					(unsigned int)s->directory),
				SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT,
					O_RDONLY));
}

/*
 * nanomsg removes the file of a socket that it closes, and aborts when it may
 * not, which it may not as another user; that there is none it accepts. The
 * file stays: the next to bind there replaces it.
 */
static int pretend_unlink(scmp_filter_ctx filter)
{
	return seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOENT), __NR_unlink, 0);
}

static int load_filter(const struct sandbox *s)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int err;

	if (!filter)
		return failed("filter", ENOMEM);
	err = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (!err)
		err = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (!err)
		err = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH,
				       SCMP_ACT_KILL_PROCESS);
	if (!err)
		err = allow_calls(filter, common_calls,
				  sizeof(common_calls) / sizeof(int));
	if (!err)
		err = allow_calls(filter, s->call, s->calls);
	if (!err)
		err = allow_ioctls(filter, s);
	if (!err)
		err = allow_sockets(filter, s);
	if (!err)
		err = allow_memory(filter);
	if (!err)
		err = allow_opening(filter, s);
	if (!err)
		err = pretend_unlink(filter);
	if (err == -EEXIST)
		err = 0;
	if (!err)
		err = seccomp_load(filter);
	seccomp_release(filter);
	return err ? failed("system call filter", -err) : 0;
}

int sandbox_enter(const struct sandbox *sandbox)
{
	int err = become_user(sandbox);

	if (!err)
		err = keep_capabilities(sandbox);
	if (!err && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		err = failed("no new privileges", errno);
	if (!err)
		err = load_filter(sandbox);
	return err;
}
