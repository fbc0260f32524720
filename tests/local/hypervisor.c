// SPDX-License-Identifier: GPL-2.0-only
/*
 * hypervisor.c - local-hypervisor DIR: the broker as a program of its own
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/local/broker.h"

int main(int argc, char **argv)
{
	struct broker *b;
	sigset_t wait_for;
	int signal;

	if (argc != 2) {
		fprintf(stderr, "usage: local-hypervisor DIR\n");
		return 2;
	}
	sigemptyset(&wait_for);
	sigaddset(&wait_for, SIGTERM);
	sigaddset(&wait_for, SIGINT);
	sigprocmask(SIG_BLOCK, &wait_for, NULL);
	b = broker_start(argv[1]);
	if (!b) {
		fprintf(stderr, "local-hypervisor: %s: %s\n", argv[1],
			strerror(errno));
		return 1;
	}
	sigwait(&wait_for, &signal);
	broker_stop(b);
	return 0;
}
