/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * main.c - switchboard-operator: the broker
 *
 * Configure: the file. Acquire: the hypervisor, Dom0's addresses, the
 * sockets to proxies and tool. Confine: own user, no capability. Serve: the
 * hypervisor's news, trunks, reports, surveys.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/ioctl.h>
#include <xen/xen.h>
#include <xen/sys/evtchn.h>
#include <xen/sys/gntdev.h>

#include "services/operator/introductions.h"

static const char *check_file;

static const struct service_option options[] = {
	{ "--check", "FILE", "check a configuration and exit", &check_file },
	{ NULL, NULL, NULL, NULL },
};

/* What the hypervisor port needs, see the heads of hypervisor_*.c */
static const unsigned long requests[] = {
	IOCTL_GNTDEV_MAP_GRANT_REF,
	IOCTL_GNTDEV_UNMAP_GRANT_REF,
	IOCTL_GNTDEV_GET_OFFSET_FOR_VADDR,
	IOCTL_EVTCHN_BIND_INTERDOMAIN,
	IOCTL_EVTCHN_UNBIND,
	IOCTL_EVTCHN_NOTIFY,
};

static int check_configuration(const char *path)
{
	char error[CONFIG_ERROR_BYTES];
	struct config *c = config_load(path, error);

	if (!c) {
		fprintf(stderr, "%s\n", error);
		return EXIT_FAILURE;
	}
	printf("%s: %u guests, no mistakes\n", path, c->guests);
	config_free(c);
	return EXIT_SUCCESS;
}

static void guest_ready(struct loop_watch *watch, uint32_t events)
{
	struct operator_service *o =
		loop_owner(watch, struct operator_service, guest_watch);
	int err = guests_news(o);

	if (!err)
		return;
	/* without xenstore there is nothing to do here: start anew */
	log_print(LOG_LEVEL_ERROR, "no more news of guests: %s",
		  strerror(-err));
	loop_unwatch(&o->service.loop, watch);
	o->service.failed = true;
	loop_stop(&o->service.loop);
}

static void channel_ready(struct loop_watch *watch, uint32_t events)
{
	guests_channels(
		loop_owner(watch, struct operator_service, channel_watch));
}

static void host_ready(struct loop_watch *watch, uint32_t events)
{
	struct operator_service *o =
		loop_owner(watch, struct operator_service, host_watch);
	int err = host_update(&o->host);

	if (err)
		log_print(LOG_LEVEL_ERROR, "Dom0's addresses: %s",
			  strerror(-err));
	/* what is Dom0's own is part of many a verdict */
	lines_withdraw_all(o);
}

static bool before_sleep(struct loop *loop)
{
	bool more = guests_run(loop->owner);

	proxies_ask(loop->owner);
	return more;
}

static void reload(struct service *s)
{
	char text[CONFIG_ERROR_BYTES * 2];

	operator_reload(loop_owner(s, struct operator_service, service), text,
			sizeof(text));
}

static void keep_house(struct loop_timer *timer)
{
	struct operator_service *o =
		loop_owner(timer, struct operator_service, housekeeping);

	loop_timer_start(&o->service.loop, timer, LIMIT_HOUSEKEEPING_MS);
	proxies_look(o);
	introductions_look(o);
}

/* The directory stays open, so that the file can be read again later */
static void configure(struct operator_service *o)
{
	char error[CONFIG_ERROR_BYTES], directory[4096];
	const char *slash = strrchr(o->service.config, '/');

	o->config = config_load(o->service.config, error);
	if (!o->config)
		die("%s", error);
	snprintf(directory, sizeof(directory), "%.*s",
		 slash ? (int)(slash - o->service.config + 1) : 1,
		 slash ? o->service.config : ".");
	o->config_directory =
		open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (o->config_directory < 0)
		die("%s: %s", directory, strerror(errno));
}

static int acquire(struct operator_service *o)
{
	struct loop *loop = &o->service.loop;
	int err = service_acquire(&o->service);

	if (err)
		return err;
	err = host_open(&o->host);
	if (err) {
		log_print(LOG_LEVEL_ERROR, "Dom0's addresses: %s",
			  strerror(-err));
		return err;
	}
	o->hypervisor = hypervisor_open(o->service.hypervisor,
					HYPERVISOR_GRANTS | HYPERVISOR_GUESTS);
	if (!o->hypervisor) {
		err = -errno;
		log_print(LOG_LEVEL_ERROR, "hypervisor %s: %s",
			  o->service.hypervisor, strerror(-err));
		return err;
	}
	err = proxies_open(o);
	if (!err)
		err = answers_open(o);
	if (!err)
		err = loop_watch(loop, &o->host_watch, o->host.fd, EPOLLIN);
	if (!err)
		err = loop_watch(loop, &o->guest_watch,
				 hypervisor_guest_fd(o->hypervisor), EPOLLIN);
	if (!err)
		err = loop_watch(loop, &o->channel_watch,
				 hypervisor_channel_fd(o->hypervisor), EPOLLIN);
	return err;
}

static void prepare(struct operator_service *o)
{
	o->service.loop.before_sleep = before_sleep;
	o->service.loop.owner = o;
	o->runnable_tail = &o->runnable;
	o->housekeeping.fire = keep_house;
	loop_timer_start(&o->service.loop, &o->housekeeping,
			 LIMIT_HOUSEKEEPING_MS);
}

int main(int argc, char **argv)
{
	static struct operator_service o = {
		.service = {
			.name = "operator",
			.party = IPC_OPERATOR,
			.user = "switchboard-operator",
			.options = options,
			.status = answers_status,
			.reload = reload,
		},
		.guest_watch = { -1, guest_ready },
		.channel_watch = { -1, channel_ready },
		.host_watch = { -1, host_ready },
	};
	struct sandbox sandbox = {
		.ioctl = requests,
		.ioctls = sizeof(requests) / sizeof(requests[0]),
	};

	service_configure(&o.service, argc, argv);
	if (check_file)
		return check_configuration(check_file);
	configure(&o);
	if (acquire(&o))
		return EXIT_FAILURE;
	prepare(&o);
	sandbox.opens = true;
	sandbox.directory = o.config_directory;
	if (service_confine(&o.service, &sandbox))
		return EXIT_FAILURE;
	return service_serve(&o.service);
}
