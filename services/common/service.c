/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service.c - what all services have in common: the four steps of main()
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "services/common/limits.h"
#include "services/common/log.h"
#include "services/common/service.h"

#ifndef SWITCHBOARD_VERSION
#define SWITCHBOARD_VERSION "0.1"
#endif

#define OWN_OPTIONS_MAX 8
/* Who may connect: the directory's group, that is the other end */
#define SOCKET_MODE 0660
#define DIRECTORY_MODE 0750

enum option_code {
	OPTION_CONFIG = 'c',
	OPTION_HYPERVISOR = 'H',
	OPTION_RUN_DIR = 'r',
	OPTION_INSTANCE = 'i',
	OPTION_USER = 'u',
	OPTION_VERBOSE = 'v',
	OPTION_HELP = 'h',
	OPTION_VERSION = 'V',
	OPTION_OWN = 256,
};

static const struct option common_options[] = {
	{ "config", required_argument, NULL, OPTION_CONFIG },
	{ "hypervisor", required_argument, NULL, OPTION_HYPERVISOR },
	{ "run-dir", required_argument, NULL, OPTION_RUN_DIR },
	{ "instance", required_argument, NULL, OPTION_INSTANCE },
	{ "user", required_argument, NULL, OPTION_USER },
	{ "verbose", no_argument, NULL, OPTION_VERBOSE },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, OPTION_VERSION },
};

#define COMMON_OPTIONS (sizeof(common_options) / sizeof(common_options[0]))

static void print_help(const struct service *s)
{
	const struct service_option *o;

	printf("usage: switchboard-%s [options]\n"
	       "  --config FILE      configuration (default %s)\n"
	       "  --hypervisor SPEC  xen, or local:DIR for tests\n"
	       "  --run-dir DIR      where the services meet (default %s)\n"
	       "  --instance NAME    which of several (default %s)\n"
	       "  --user NAME        to become when started as root\n"
	       "  --verbose          log more\n"
	       "  --help, --version\n",
	       s->name, s->config, s->run_dir, s->instance);
	for (o = s->options; o && o->name; o++)
		printf("  %s %-*s %s\n", o->name, (int)(17 - strlen(o->name)),
		       o->value ? o->value : "", o->help);
}

static int own_options(const struct service *s, struct option *to)
{
	int count = 0;

	for (; s->options && s->options[count].name; count++) {
		const struct service_option *o = &s->options[count];

		if (count == OWN_OPTIONS_MAX)
			die("more than %d options", OWN_OPTIONS_MAX);
		to[count] = (struct option){
			.name = o->name + 2,
			.has_arg = o->value ? required_argument : no_argument,
			.val = OPTION_OWN + count,
		};
	}
	return count;
}

static void take_option(struct service *s, int code)
{
	const struct service_option *own;

	switch (code) {
	case OPTION_CONFIG:
		s->config = optarg;
		break;
	case OPTION_HYPERVISOR:
		s->hypervisor = optarg;
		break;
	case OPTION_RUN_DIR:
		s->run_dir = optarg;
		break;
	case OPTION_INSTANCE:
		s->instance = optarg;
		break;
	case OPTION_USER:
		s->user = optarg;
		break;
	case OPTION_VERBOSE:
		s->verbose = true;
		break;
	case OPTION_HELP:
		print_help(s);
		exit(EXIT_SUCCESS);
	case OPTION_VERSION:
		printf("switchboard-%s %s\n", s->name, SWITCHBOARD_VERSION);
		exit(EXIT_SUCCESS);
	default:
		if (code < OPTION_OWN)
			exit(EXIT_FAILURE);
		own = &s->options[code - OPTION_OWN];
		*own->text = own->value ? optarg : own->name;
	}
}

void service_configure(struct service *s, int argc, char **argv)
{
	struct option all[COMMON_OPTIONS + OWN_OPTIONS_MAX + 1] = { 0 };
	int code;

	s->config = "/etc/switchboard/switchboard.json";
	s->hypervisor = "xen";
	s->run_dir = "/run/switchboard";
	s->instance = "main";
	memcpy(all, common_options, sizeof(common_options));
	own_options(s, all + COMMON_OPTIONS);
	while ((code = getopt_long(argc, argv, "", all, NULL)) != -1)
		take_option(s, code);
	if (optind < argc)
		die("unexpected argument \"%s\", see --help", argv[optind]);
	if (!*s->instance || strlen(s->instance) >= IPC_NAME_BYTES ||
	    strspn(s->instance, "abcdefghijklmnopqrstuvwxyz0123456789-") !=
		    strlen(s->instance))
		die("--instance \"%s\": expected 1 to %u of a-z, 0-9 and -",
		    s->instance, IPC_NAME_BYTES - 1);
}

int service_path(const struct service *s, char *path, const char *name,
		 const char *instance, const char *file)
{
	int bytes = snprintf(path, SERVICE_PATH_BYTES, "%s/%s%s%s/%s",
			     s->run_dir, name, instance ? "-" : "",
			     instance ? instance : "", file);

	return bytes < SERVICE_PATH_BYTES ? 0 : -ENAMETOOLONG;
}

/* The proxies have instances, the operator and the monitor are alone */
static const char *path_instance(const struct service *s)
{
	return s->party == IPC_PROXY ? s->instance : NULL;
}

static void take_signal(struct loop_watch *watch, uint32_t events)
{
	struct service *s = loop_owner(watch, struct service, signals);
	struct signalfd_siginfo signal;

	if (read(watch->fd, &signal, sizeof(signal)) != sizeof(signal))
		return;
	if (signal.ssi_signo == SIGHUP) {
		if (s->reload)
			s->reload(s);
		return;
	}
	log_print(LOG_LEVEL_INFO, "stopping on signal %u", signal.ssi_signo);
	loop_stop(&s->loop);
}

/* Before any other thread exists, so that all threads block them */
static int acquire_signals(struct service *s)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 ||
	    signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return -errno;
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	s->signals.ready = take_signal;
	return loop_watch(&s->loop, &s->signals, fd, EPOLLIN);
}

/* Made by systemd or tmpfiles in the product; by ourselves in tests */
static int acquire_directory(const struct service *s)
{
	char path[SERVICE_PATH_BYTES];

	if (service_path(s, path, s->name, path_instance(s), ""))
		return -ENAMETOOLONG;
	if (mkdir(s->run_dir, 0755) < 0 && errno != EEXIST)
		return -errno;
	if (mkdir(path, DIRECTORY_MODE) < 0 && errno != EEXIST)
		return -errno;
	return 0;
}

static int acquire_socket(struct service *s, struct endpoint *e,
			  enum ipc_pattern pattern, unsigned int peers,
			  const char *file)
{
	char path[SERVICE_PATH_BYTES];
	struct ipc_socket *socket;
	int err = service_path(s, path, s->name, path_instance(s), file);

	if (err)
		goto failed;
	socket = ipc_open(pattern, s->party, peers);
	if (!socket)
		return -errno;
	err = ipc_bind(socket, path, SOCKET_MODE);
	if (!err)
		err = endpoint_init(e, &s->loop, socket);
	if (!err)
		return 0;
	ipc_close(socket);
failed:
	log_print(LOG_LEVEL_ERROR, "cannot serve at %s: %s", path,
		  strerror(-err));
	return err;
}

static void answer_survey(struct endpoint *e, const struct ipc_message *m)
{
	struct service *s = e->owner;
	struct ipc_message *answer = endpoint_draft(IPC_ANSWER_STATUS);

	service_status(s, &answer->status);
	if (s->status)
		s->status(s, &m->survey, &answer->status);
	endpoint_send(e, answer);
}

static uint32_t random_epoch(void)
{
	uint32_t epoch = 0;

	while (!epoch) {
		if (getrandom(&epoch, sizeof(epoch), 0) != sizeof(epoch))
			die("no random numbers: %s", strerror(errno));
	}
	return epoch;
}

int service_acquire(struct service *s)
{
	int err;

	log_open(s->name, s->verbose);
	s->epoch = random_epoch();
	memory_open(&s->memory);
	err = loop_init(&s->loop);
	if (!err)
		err = acquire_signals(s);
	if (!err)
		err = acquire_directory(s);
	if (err) {
		log_print(LOG_LEVEL_ERROR, "cannot start: %s", strerror(-err));
		return err;
	}
	s->surveys.message = answer_survey;
	s->surveys.owner = s;
	err = acquire_socket(s, &s->surveys, IPC_RESPONDENT, IPC_MONITOR,
			     "status.ipc");
	if (err)
		return err;
	return acquire_socket(s, &s->events, IPC_PUB, IPC_MONITOR | IPC_TOOL,
			      "events.ipc");
}

int service_confine(struct service *s, const struct sandbox *sandbox)
{
	struct sandbox own = *sandbox;

	own.user = s->user;
	return sandbox_enter(&own);
}

static void keep_house(struct loop_timer *timer)
{
	struct service *s = loop_owner(timer, struct service, housekeeping);

	loop_timer_start(&s->loop, timer, LIMIT_HOUSEKEEPING_MS);
	sd_notify(0, "WATCHDOG=1");
}

int service_serve(struct service *s)
{
	int err;

	s->started_ms = loop_now(&s->loop);
	s->housekeeping.fire = keep_house;
	if (getenv("WATCHDOG_USEC"))
		loop_timer_start(&s->loop, &s->housekeeping, 0);
	memory_trim(&s->memory);
	sd_notify(0, "READY=1");
	log_print(LOG_LEVEL_INFO, "ready");
	err = loop_run(&s->loop);
	sd_notify(0, "STOPPING=1");
	if (err)
		log_print(LOG_LEVEL_ERROR, "event loop: %s", strerror(-err));
	endpoint_fini(&s->events);
	endpoint_fini(&s->surveys);
	return err || s->failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

void service_event(struct service *s, const char *event, const char *guest,
		   uint32_t domain, const char *why)
{
	struct ipc_message *m = endpoint_draft(IPC_EVENT);
	struct ipc_event *e = &m->event;

	snprintf(e->event, sizeof(e->event), "%s", event);
	snprintf(e->service, sizeof(e->service), "%s", s->name);
	snprintf(e->instance, sizeof(e->instance), "%s", s->instance);
	snprintf(e->guest, sizeof(e->guest), "%s", guest ? guest : "");
	snprintf(e->why, sizeof(e->why), "%s", why ? why : "");
	e->domain = domain;
	endpoint_send(&s->events, m);
}

void service_status(const struct service *s, struct ipc_status *status)
{
	snprintf(status->service, sizeof(status->service), "%s", s->name);
	snprintf(status->instance, sizeof(status->instance), "%s", s->instance);
	status->pid = (uint32_t)getpid();
	status->uptime_s = (loop_now(&s->loop) - s->started_ms) / 1000;
	status->rss_kib = memory_resident_kib(&s->memory);
	status->counters = 0;
	status->guests = 0;
	status->circuits = 0;
	status->guests_all = 0;
	status->circuits_all = 0;
	status->more = false;
}

void service_raise_descriptors(void)
{
	struct rlimit limit = { LIMIT_DESCRIPTORS, LIMIT_DESCRIPTORS };

	if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
		return;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	log_print(LOG_LEVEL_INFO, "descriptors: %llu, wanted %u",
		  (unsigned long long)limit.rlim_max, LIMIT_DESCRIPTORS);
}
