/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sandbox.h - from root to a process that can do only its job
 *
 * Called once every privileged handle is open. Every thread is confined,
 * nanomsg's worker too. A system call or an ioctl request that is not listed
 * kills the process with SIGSYS, which systemd and the audit log tell.
 */
#ifndef SERVICES_COMMON_SANDBOX_H
#define SERVICES_COMMON_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

/**
 * struct sandbox - what a service keeps
 * @user:         to become; NULL or not root: stay who we are, and log it
 * @capability:   CAP_* to keep (effective and permitted), @capabilities of them
 * @call:         __NR_* beyond those every service needs, @calls of them
 * @ioctl:        requests allowed, @ioctls of them
 *
 * Every service may: wait, read, write, map anonymous and shared memory of
 * open descriptors, use futexes, clocks, AF_UNIX sockets for nanomsg and the
 * journal, and exit. Not: open files, execute, fork, make other
 * sockets, make memory executable.
 * @inet:         may make AF_INET and AF_INET6 sockets
 * @opens:        may open files for reading by their name in @directory
 * @directory:    descriptor, when @opens
 */
struct sandbox {
	const char *user;
	const int *capability;
	size_t capabilities;
	const int *call;
	size_t calls;
	const unsigned long *ioctl;
	size_t ioctls;
	bool inet;
	bool opens;
	int directory;
};

/* Return: 0, or -errno with a line in the log that names the step */
int sandbox_enter(const struct sandbox *sandbox);

#endif
