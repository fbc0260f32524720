/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * main.c - switchboard: the command
 *
 * Asks the operator over REQ/REP, prints what it answers, and exits with 0
 * when that was good, 1 when it was not, 2 when nobody answered.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/ipc.h"
#include "services/common/limits.h"

#define STATUS_GOOD 0
#define STATUS_BAD 1
#define STATUS_NOBODY 2

static struct ipc_message message;

struct command {
	const char *name;
	const char *help;
	int (*run)(struct ipc_socket *s);
};

/* Send @message, put the answer in its place. Return: 0 or -errno */
static int ask(struct ipc_socket *s)
{
	struct pollfd p = { .fd = ipc_receive_fd(s), .events = POLLIN };
	int err = ipc_send(s, &message);

	if (err)
		return err;
	if (poll(&p, 1, (int)LIMIT_TOOL_MS) <= 0)
		return -ETIMEDOUT;
	err = ipc_receive(s, &message);
	if (err == -EBADMSG)
		fprintf(stderr, "switchboard: %s\n", ipc_fault_text(s));
	return err;
}

static int nobody(int err)
{
	fprintf(stderr, "switchboard: no answer from the operator: %s\n",
		strerror(-err));
	return STATUS_NOBODY;
}

/* The rows behind those that were shown. Return: 0 or -errno */
static int ask_status(struct ipc_socket *s, uint32_t guests_from,
		      uint32_t circuits_from)
{
	message.type = IPC_REQUEST_STATUS;
	message.survey.guests_from = guests_from;
	message.survey.circuits_from = circuits_from;
	return ask(s);
}

static int show_status(struct ipc_socket *s)
{
	const struct ipc_status *status = &message.status;
	int err = ask_status(s, 0, 0);
	uint32_t i;

	if (err)
		return nobody(err);
	printf("%s %s, pid %u, up %lu s, %lu KiB\n", status->service,
	       status->instance, status->pid, (unsigned long)status->uptime_s,
	       (unsigned long)status->rss_kib);
	printf("%u guests, %u listeners\n", status->guests_all,
	       status->circuits_all);
	for (i = 0; i < status->counters; i++)
		printf("  %-28s %lu\n", status->counter[i].name,
		       (unsigned long)status->counter[i].value);
	return STATUS_GOOD;
}

static void print_guest(const struct ipc_guest_row *g)
{
	uint32_t i;

	printf("%-20s %6u  %-10s %-8s %6u %6u %10lu %8lu %6lu ", g->name,
	       g->domain, g->state, g->proxy, g->circuits, g->listeners,
	       (unsigned long)g->requests, (unsigned long)g->refused,
	       (unsigned long)g->lies);
	for (i = 0; i < g->addresses; i++)
		printf(" %s", g->address[i]);
	for (i = 0; i < g->directs; i++)
		printf(" >%s", g->direct[i]);
	putchar('\n');
}

static int show_guests(struct ipc_socket *s)
{
	uint32_t shown = 0, i;
	int err;

	printf("%-20s %6s  %-10s %-8s %6s %6s %10s %8s %6s  %s\n", "GUEST",
	       "DOMAIN", "STATE", "PROXY", "CIRC", "LISTEN", "REQUESTS",
	       "REFUSED", "LIES", "ADDRESSES >DIRECT TO");
	do {
		err = ask_status(s, shown, UINT32_MAX);
		if (err)
			return nobody(err);
		for (i = 0; i < message.status.guests; i++)
			print_guest(&message.status.guest[i]);
		shown += message.status.guests;
	} while (message.status.guests && shown < message.status.guests_all);
	return STATUS_GOOD;
}

static void print_listener(const struct ipc_circuit_row *c)
{
	printf("%-20s %5u %8u  %-9s %6lu  %s port %u\n", c->name, c->entry,
	       c->generation, c->kind, (unsigned long)c->age_s, c->local,
	       c->local_port);
}

static int show_listeners(struct ipc_socket *s)
{
	uint32_t shown = 0, i;
	int err;

	printf("%-20s %5s %8s  %-9s %6s  %s\n", "GUEST", "ENTRY", "GENERAT.",
	       "KIND", "AGE/s", "ADDRESS");
	do {
		err = ask_status(s, UINT32_MAX, shown);
		if (err)
			return nobody(err);
		for (i = 0; i < message.status.circuits; i++)
			print_listener(&message.status.circuit[i]);
		shown += message.status.circuits;
	} while (message.status.circuits &&
		 shown < message.status.circuits_all);
	return STATUS_GOOD;
}

static int request(struct ipc_socket *s, enum ipc_type type)
{
	bool done;
	int err;

	message.type = type;
	err = ask(s);
	if (err)
		return nobody(err);
	done = message.type == IPC_ANSWER_DONE;
	fprintf(done ? stdout : stderr, "%s\n", message.answer.text);
	return done ? STATUS_GOOD : STATUS_BAD;
}

static int reload(struct ipc_socket *s)
{
	return request(s, IPC_REQUEST_RELOAD);
}

static int check(struct ipc_socket *s)
{
	return request(s, IPC_REQUEST_CHECK);
}

static const struct command commands[] = {
	{ "status", "the operator's state and counters", show_status },
	{ "guests", "guests of the configuration, one a line", show_guests },
	{ "listeners", "what guests listen on, and where", show_listeners },
	{ "reload", "read the configuration again", reload },
	{ "check", "check the configuration, change nothing", check },
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void print_help(FILE *to)
{
	unsigned int i;

	fputs("usage: switchboard [--run-dir DIR] COMMAND\n", to);
	for (i = 0; i < COMMANDS; i++)
		fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].help);
}

static int run(const struct command *c, const char *run_dir)
{
	struct ipc_socket *s = ipc_open(IPC_REQ, IPC_TOOL, IPC_OPERATOR);
	char path[128];
	int err, status;

	snprintf(path, sizeof(path), "%s/operator/control.ipc", run_dir);
	err = s ? ipc_connect(s, path) : -errno;
	status = err ? nobody(err) : c->run(s);
	ipc_close(s);
	return status;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "run-dir", required_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *run_dir = "/run/switchboard";
	unsigned int i;
	int code;

	while ((code = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (code != 'r') {
			print_help(code == 'h' ? stdout : stderr);
			return code == 'h' ? STATUS_GOOD : STATUS_NOBODY;
		}
		run_dir = optarg;
	}
	for (i = 0; i < COMMANDS && optind + 1 == argc; i++) {
		if (strcmp(commands[i].name, argv[optind]) == 0)
			return run(&commands[i], run_dir);
	}
	print_help(stderr);
	return STATUS_NOBODY;
}
