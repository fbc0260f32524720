/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service.h - what all services have in common: the four steps of main()
 *
 *	service_configure(&s, argc, argv);	local input only
 *	service_acquire(&s);			loop, signals, status, events
 *	... the service's own privileged handles ...
 *	service_confine(&s, &sandbox);		every thread
 *	return service_serve(&s);		until SIGTERM
 *
 * Options of every service: --config FILE, --hypervisor SPEC, --run-dir DIR,
 * --instance NAME, --user NAME, --verbose, --help, --version.
 */
#ifndef SERVICES_COMMON_SERVICE_H
#define SERVICES_COMMON_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "services/common/counters.h"
#include "services/common/endpoint.h"
#include "services/common/loop.h"
#include "services/common/memory.h"
#include "services/common/sandbox.h"

#define SERVICE_PATH_BYTES 108 /* what sun_path holds */

/**
 * struct service_option - an option of one service only
 * @name:  "--check"
 * @value: name of its value for --help, or NULL when it takes none
 * @help:  one line
 * @text:  set to the value, or to @name when it takes none
 */
struct service_option {
	const char *name;
	const char *value;
	const char *help;
	const char **text;
};

/**
 * struct service - a running service
 * @name:       "operator", "proxy-tcp", ...: set by the caller
 * @party:      who it is in ipc: set by the caller
 * @user:       default of --user: set by the caller
 * @options:    own options, the last without a name; may be NULL
 * @status:     fills in rows and counters of an answer that is otherwise
 *              ready; may be NULL
 * @reload:     SIGHUP; may be NULL
 * @config:     --config; default /etc/switchboard/switchboard.json
 * @hypervisor: --hypervisor; default "xen"
 * @run_dir:    --run-dir; default /run/switchboard
 * @instance:   --instance; default "main"
 * @epoch:      random, not zero: which process this is
 * @loop:       the loop
 * @started_ms: when it began to serve
 * @failed:     set before loop_stop() to exit with an error
 * @memory, @surveys, @events, @signals, @housekeeping: private
 */
struct service {
	const char *name;
	enum ipc_party party;
	const char *user;
	const struct service_option *options;
	void (*status)(struct service *s, const struct ipc_survey *survey,
		       struct ipc_status *status);
	void (*reload)(struct service *s);
	const char *config;
	const char *hypervisor;
	const char *run_dir;
	const char *instance;
	bool verbose;
	uint32_t epoch;
	struct loop loop;
	uint64_t started_ms;
	bool failed;
	struct memory memory;
	struct endpoint surveys;
	struct endpoint events;
	struct loop_watch signals;
	struct loop_timer housekeeping;
};

/* Options; exits on --help, --version and mistakes */
void service_configure(struct service *s, int argc, char **argv);

/**
 * service_acquire() - what every service opens
 *
 * Log, loop, signals (blocked from here on: before any thread), and in
 * service_directory() the sockets status.ipc (RESPONDENT) and events.ipc
 * (PUB). Return: 0 or -errno, logged.
 */
int service_acquire(struct service *s);

/* Ask for as many descriptors as may be had: a proxy's sockets are one each */
void service_raise_descriptors(void);
/* sandbox.user is taken from --user. Return: 0 or -errno, logged */
int service_confine(struct service *s, const struct sandbox *sandbox);

/* Tells systemd READY, runs the loop, tells STOPPING. Return: exit status */
int service_serve(struct service *s);

/**
 * service_path() - a file of a service in the run directory
 * @path:     SERVICE_PATH_BYTES
 * @name:     "operator" (which has no instances), "proxy-tcp", ...
 * @instance: NULL for the operator and the monitor
 * @file:     "status.ipc"
 *
 * RUN_DIR/NAME/FILE or RUN_DIR/NAME-INSTANCE/FILE. Return: 0 or
 * -ENAMETOOLONG.
 */
int service_path(const struct service *s, char *path, const char *name,
		 const char *instance, const char *file);

/* Publish an event; @guest and @why may be NULL */
void service_event(struct service *s, const char *event, const char *guest,
		   uint32_t domain, const char *why);

/* service, instance, pid, uptime, memory; no rows, no counters */
void service_status(const struct service *s, struct ipc_status *status);

#endif
