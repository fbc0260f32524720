// SPDX-License-Identifier: GPL-2.0-only
/*
 * monitor.c - switchboard-monitor: what happens, for people and programs
 *
 * Asks every service once a second how it is, takes down what they tell in
 * between, and answers HTTP on the loopback. It reads and can change nothing:
 * no service takes an order from it, and nothing depends on it.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "services/common/log.h"
#include "services/common/service.h"
#include "services/monitor/server.h"
#include "services/monitor/watch.h"
#include "services/operator/config.h"

/**
 * struct monitor - the process
 * @page: its own page in the book
 */
struct monitor {
	struct service service;
	struct server server;
	struct watches watches;
	struct book_service *page;
	struct loop_timer second;
};

static const char *listen_address = "127.0.0.1:9090";
static const char *watch_list;
static const char *host_names;

static const struct service_option options[] = {
	{ "--listen", "ADDRESS:PORT", "serve HTTP there [127.0.0.1:9090]",
	  &listen_address },
	{ "--watch", "NAME[:INSTANCE],...",
	  "instead of the operator and its proxies", &watch_list },
	{ "--host-names", "NAME,...", "also answer requests for these hosts",
	  &host_names },
	{ 0 }
};

static struct monitor monitor;

static int64_t wall_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static char *write_report(struct server *server, enum report_kind kind,
			  size_t *bytes)
{
	struct monitor *m = loop_owner(server, struct monitor, server);
	struct report_clock clock = {
		.now_ms = (int64_t)loop_now(&m->service.loop),
		.wall_ms = wall_ms(),
	};

	if (kind == REPORT_CIRCUITS)
		m->watches.wanted_ms = clock.now_ms;
	return report_text(m->watches.book, kind, &clock, bytes);
}

static void fill_status(struct service *s, const struct ipc_survey *survey,
			struct ipc_status *status)
{
	struct monitor *m = loop_owner(s, struct monitor, service);

	counters_fill(status, server_count_name, m->server.count,
		      SERVER_COUNTS);
}

/* The monitor answers its own survey, without a socket */
static void ask_oneself(struct monitor *m)
{
	struct ipc_status *status = &endpoint_draft(IPC_ANSWER_STATUS)->status;

	service_status(&m->service, status);
	fill_status(&m->service, NULL, status);
	book_answer_merge(m->watches.book, m->page, status, 0, 1,
			  (int64_t)loop_now(&m->service.loop));
}

static void each_second(struct loop_timer *timer)
{
	struct monitor *m = loop_owner(timer, struct monitor, second);
	struct loop *loop = &m->service.loop;

	loop_timer_start(loop, timer, MONITOR_SURVEY_EVERY_MS);
	ask_oneself(m);
	watches_ask(&m->watches);
	book_age(m->watches.book, (int64_t)loop_now(loop));
	server_age(&m->server);
}

static bool work(struct loop *loop)
{
	return server_work(&((struct monitor *)loop->owner)->server);
}

/*
 * The operator, and the proxies that its configuration names. A mistake there
 * is the operator's to refuse: the monitor then shows that it is away.
 */
static int watch_configured(struct monitor *m)
{
	char why[CONFIG_ERROR_BYTES];
	struct config *c = config_load(m->service.config, why);
	int error = watches_add(&m->watches, "operator", "main");
	uint32_t i;

	if (!c) {
		log_print(LOG_LEVEL_WARNING,
			  "watching proxy-tcp main, proxy-udp main: %s", why);
		if (!error)
			error = watches_add(&m->watches, "proxy-tcp", "main");
		return error ? error
			     : watches_add(&m->watches, "proxy-udp", "main");
	}
	for (i = 0; i < c->proxies && !error; i++)
		error = watches_add(&m->watches, "proxy-tcp", c->proxy[i]);
	for (i = 0; i < c->udp_proxies && !error; i++)
		error = watches_add(&m->watches, "proxy-udp", c->udp_proxy[i]);
	config_free(c);
	return error;
}

static void acquire_watches(struct monitor *m)
{
	struct watches *all = &m->watches;
	char mistake[SERVICE_PATH_BYTES] = "";
	int error;

	all->service = &m->service;
	all->wanted_ms = INT64_MIN / 2;
	all->book = book_new();
	if (!all->book)
		die("no memory for the book");
	error = watch_list ? watches_add_list(all, watch_list, mistake)
			   : watch_configured(m);
	if (error)
		die("cannot watch '%s': %s; wanted NAME or NAME:INSTANCE, "
		    "each once, at most %u",
		    mistake, strerror(-error), MONITOR_SERVICES_MAX);
	m->page = book_service_add(all->book, m->service.name,
				   m->service.instance, 0);
	if (!m->page)
		die("no room for the monitor itself besides %u services",
		    all->count);
}

static void acquire(struct monitor *m)
{
	struct loop *loop = &m->service.loop;
	int error;

	/* libc would open a file for that later */
	tzset();
	acquire_watches(m);
	m->server.report = write_report;
	m->server.version = &m->watches.book->version;
	m->server.hosts = host_names;
	error = server_open(&m->server, loop, listen_address);
	if (error)
		die("--listen %s: %s; wanted ADDRESS:PORT, free and local",
		    listen_address, strerror(-error));
	loop->before_sleep = work;
	loop->owner = m;
	m->second.fire = each_second;
	loop_timer_start(loop, &m->second, 0);
}

int main(int argc, char **argv)
{
	/* libmicrohttpd, nanomsg when a socket is opened anew, and qsort() */
	static const int calls[] = { __NR_getsockname, __NR_eventfd2,
				     __NR_sysinfo };
	static const struct sandbox sandbox = {
		.call = calls,
		.calls = sizeof(calls) / sizeof(calls[0]),
	};
	struct monitor *m = &monitor;
	int status;

	m->service.name = "monitor";
	m->service.party = IPC_MONITOR;
	m->service.user = "switchboard-monitor";
	m->service.options = options;
	m->service.status = fill_status;
	service_configure(&m->service, argc, argv);
	if (service_acquire(&m->service))
		return EXIT_FAILURE;
	acquire(m);
	if (service_confine(&m->service, &sandbox))
		return EXIT_FAILURE;
	status = service_serve(&m->service);
	server_close(&m->server);
	watches_close(&m->watches);
	book_free(m->watches.book);
	return status;
}
