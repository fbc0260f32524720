// SPDX-License-Identifier: GPL-2.0-only
/*
 * sockcheck.c - do sockets behave as Linux programs expect?
 *
 *   sockcheck local                    both ends on this machine
 *   sockcheck server ADDRESS PORT      the far end for
 *   sockcheck client ADDRESS PORT      the near end, here
 *
 * Plain sockets but for the last two files of cases: it knows nothing of
 * circuits, and what it expects is what Linux does; run on an ordinary machine
 * it must pass too. What differs by design (raw sockets are refused, circuits
 * can be mapped) hangs on --circuit.
 *
 * Each case runs in a process of its own with a time limit and prints a line
 * of TAP. The near end's listeners in client mode must be reachable for the
 * server at --reach ADDRESS on --ports FIRST-LAST; without these, cases that
 * need them are left out. --direct: from one guest to another, where the pages
 * of an accepted connection belong to the other.
 */
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "far.h"
#include "near.h"

#define CASE_SECONDS 60
#define WHY_BYTES 512
#define EXIT_SKIP 77
#define ONLY_MAX 16

static const struct check_case *const lists[] = {
	connect_cases,
	accept_cases,
	bind_cases,
	data_cases,
	message_cases,
	wait_cases,
	epoll_cases,
	end_cases,
	name_cases,
	option_cases,
	signal_cases,
	share_cases,
	many_cases,
	refuse_cases,
	datagram_cases,
	datagram_wait_cases,
	datagram_option_cases,
	datagram_error_cases,
	datagram_group_cases,
	datagram_far_cases,
	library_cases,
	map_cases,
};

static const char *only[ONLY_MAX];
static int onlies;
static unsigned int number;
static unsigned int failures;
/* Where the case's process says what went wrong */
static int why_fd = -1;

static void tell(int code, const char *text)
{
	if (write(why_fd, text, strlen(text)) < 0)
		code = 1;
	_exit(code);
}

void check_fail(const char *file, int line, const char *format, ...)
{
	char text[WHY_BYTES];
	const char *name = strrchr(file, '/');
	va_list list;
	int n = snprintf(text, sizeof(text), "%s:%d: ", name ? name + 1 : file,
			 line);

	va_start(list, format);
	vsnprintf(text + n, sizeof(text) - (size_t)n, format, list);
	va_end(list);
	tell(1, text);
	abort();
}

void check_skip(const char *why)
{
	tell(EXIT_SKIP, why);
	abort();
}

static int control_connection(const struct world *w)
{
	union endpoint target = w->target;
	int fd;

	if (!w->remote)
		return far_fork(&target);
	fd = near_connect(w, endpoint_port(&w->target));
	return fd;
}

/* In the case's own process */
static void run_case(const struct check_case *c, struct world *w, int why)
{
	sigset_t none;

	setpgid(0, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_IGN);
	why_fd = why;
	w->far = control_connection(w);
	c->run(w);
	_exit(0);
}

/* How the case ended; kills it, its children and its agent after @seconds */
static bool wait_case(pid_t pid, int seconds, int *status)
{
	struct timespec limit = { .tv_sec = seconds };
	sigset_t child;
	bool ended;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	ended = sigtimedwait(&child, NULL, &limit) == SIGCHLD;
	kill(-pid, SIGKILL);
	kill(pid, SIGKILL);
	waitpid(pid, status, 0);
	/* one that was killed has left its own signal behind */
	if (!ended)
		sigwaitinfo(&child, NULL);
	return ended;
}

static void read_why(int fd, char *text, bool ended, int seconds)
{
	ssize_t got = 0;

	if (!ended)
		got = snprintf(text, WHY_BYTES, "still running after %d s",
			       seconds);
	else if (near_poll(fd, POLLIN, 0) & POLLIN)
		got = read(fd, text, WHY_BYTES - 1);
	text[got > 0 ? got : 0] = 0;
	text[strcspn(text, "\n")] = 0;
}

static void print_result(const char *label, int status, char *text)
{
	number++;
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIP) {
		printf("ok %u - %s # SKIP %s\n", number, label, text);
	} else if (WIFEXITED(status) && !WEXITSTATUS(status)) {
		printf("ok %u - %s\n", number, label);
	} else {
		failures++;
		if (!*text)
			snprintf(text, WHY_BYTES, "ended with status %#x",
				 status);
		printf("not ok %u - %s # %s\n", number, label, text);
	}
	fflush(stdout);
}

static void run_one(const struct check_case *c, const struct world *w,
		    const char *label)
{
	int seconds = CASE_SECONDS * (int)w->patience;
	struct world own = *w;
	char text[WHY_BYTES];
	int why[2];
	int status;
	pid_t pid;

	if (pipe(why))
		exit(2);
	pid = fork();
	if (!pid) {
		close(why[0]);
		run_case(c, &own, why[1]);
	}
	close(why[1]);
	read_why(why[0], text, wait_case(pid, seconds, &status), seconds);
	print_result(label, status, text);
	close(why[0]);
}

/* Every name, or what --case says: a name, or all that begin as far as a dash */
static bool is_wanted(const char *name)
{
	size_t n;
	int i;

	for (i = 0; i < onlies; i++) {
		n = strlen(only[i]);
		if (n > 0 && only[i][n - 1] == '-' ? !strncmp(only[i], name, n)
						   : !strcmp(only[i], name))
			return true;
	}
	return onlies == 0;
}

static bool applies(const struct check_case *c, const struct world *w)
{
	bool listens = !w->remote || w->ports;

	if (!is_wanted(c->name))
		return false;
	if (w->accepted)
		return c->kind == PAIRS && listens;
	if (c->kind == LOCAL)
		return !w->remote;
	return c->kind != LISTENS || listens;
}

static void run_world(const struct world *w)
{
	char label[64];
	size_t list;
	const struct check_case *c;

	for (list = 0; list < sizeof(lists) / sizeof(lists[0]); list++) {
		for (c = lists[list]; c->name; c++) {
			if (!applies(c, w))
				continue;
			snprintf(label, sizeof(label), "v%c%s %s",
				 w->family == AF_INET ? '4' : '6',
				 w->accepted ? " accepted" : "", c->name);
			run_one(c, w, label);
		}
	}
}

static void run_both(struct world w)
{
	w.accepted = false;
	run_world(&w);
	w.accepted = true;
	run_world(&w);
}

static unsigned int count_cases(const struct world *w)
{
	unsigned int n = 0;
	const struct check_case *c;
	size_t list;

	for (list = 0; list < sizeof(lists) / sizeof(lists[0]); list++)
		for (c = lists[list]; c->name; c++)
			n += applies(c, w);
	return n;
}

/* The worlds of one machine */
static void fill_local(struct world world[4], const struct world *w)
{
	static const char *const address[] = { "127.0.0.1", "::1" };
	int i;

	for (i = 0; i < 4; i++) {
		world[i] = *w;
		endpoint_parse(&world[i].target, address[i / 2]);
		world[i].reach = world[i].target;
		world[i].family = world[i].target.any.sa_family;
		world[i].accepted = i % 2;
	}
}

static void run_local(const struct world *w)
{
	struct world world[4];
	int i;

	fill_local(world, w);
	for (i = 0; i < 4; i++)
		run_world(&world[i]);
}

/* What is printed goes to @out, numbered from @first on */
static pid_t start_world(const struct world *w, FILE *out, unsigned int first)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	dup2(fileno(out), STDOUT_FILENO);
	number = first;
	run_world(w);
	exit(failures ? 1 : 0);
}

static void print_file(FILE *f)
{
	char line[WHY_BYTES + 128];

	rewind(f);
	while (fgets(line, sizeof(line), f))
		fputs(line, stdout);
	fclose(f);
}

/* Most cases wait most of the time: all worlds at once */
static void run_local_at_once(const struct world *w)
{
	struct world world[4];
	FILE *out[4];
	pid_t pid[4];
	int status;
	int i;

	fill_local(world, w);
	for (i = 0; i < 4; i++) {
		out[i] = tmpfile();
		if (!out[i])
			exit(2);
		pid[i] = start_world(&world[i], out[i], number);
		number += count_cases(&world[i]);
	}
	for (i = 0; i < 4; i++) {
		if (waitpid(pid[i], &status, 0) != pid[i] || status)
			failures++;
		print_file(out[i]);
	}
}

static void usage(void)
{
	fprintf(stderr, "usage: sockcheck [--circuit] [--case NAME or "
			"PREFIX-]... "
			"[--patience N] "
			"local\n"
			"       sockcheck server ADDRESS PORT\n"
			"       sockcheck [...] [--reach ADDRESS --ports "
			"FIRST-LAST] [--direct] "
			"client ADDRESS PORT\n");
	exit(2);
}

static void list_cases(void)
{
	const struct check_case *c;
	size_t list;

	for (list = 0; list < sizeof(lists) / sizeof(lists[0]); list++)
		for (c = lists[list]; c->name; c++)
			puts(c->name);
	exit(0);
}

static void parse_ports(struct world *w, const char *text)
{
	unsigned int last;

	if (sscanf(text, "%u-%u", &w->port, &last) != 2 || last < w->port)
		usage();
	w->ports = last - w->port + 1;
}

static void parse_options(struct world *w, int argc, char **argv)
{
	static const struct option options[] = {
		{ "circuit", no_argument, NULL, 'C' },
		{ "case", required_argument, NULL, 'c' },
		{ "direct", no_argument, NULL, 'd' },
		{ "list", no_argument, NULL, 'l' },
		{ "patience", required_argument, NULL, 'p' },
		{ "ports", required_argument, NULL, 'P' },
		{ "reach", required_argument, NULL, 'r' },
		{},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'C')
			w->circuit = true;
		else if (c == 'c' && onlies < ONLY_MAX)
			only[onlies++] = optarg;
		else if (c == 'd')
			w->direct = true;
		else if (c == 'l')
			list_cases();
		else if (c == 'p' && atoi(optarg) > 0)
			w->patience = (unsigned int)atoi(optarg);
		else if (c == 'P')
			parse_ports(w, optarg);
		else if (c != 'r' || !endpoint_parse(&w->reach, optarg))
			usage();
	}
}

int main(int argc, char **argv)
{
	struct world w = { .patience = 1 };
	sigset_t child;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	parse_options(&w, argc, argv);
	near_patience = w.patience;
	argv += optind;
	argc -= optind;
	/* no arguments: what `make units` runs */
	if (argc == 0) {
		run_local_at_once(&w);
	} else if (argc == 1 && !strcmp(argv[0], "local")) {
		run_local(&w);
	} else {
		if (argc != 3 || !endpoint_parse(&w.target, argv[1]))
			usage();
		endpoint_set_port(&w.target, (unsigned int)atoi(argv[2]));
		w.family = w.target.any.sa_family;
		w.remote = true;
		if (!strcmp(argv[0], "server"))
			return far_server(&w.target) ? 1 : 0;
		if (strcmp(argv[0], "client") != 0)
			usage();
		run_both(w);
	}
	printf("1..%u\n", number);
	return failures ? 1 : 0;
}
