// SPDX-License-Identifier: GPL-2.0-only
/*
 * monitor_services - surveys and events between the monitor and services
 *
 *   watches --- status.ipc, events.ipc ---> services made up here
 *
 * All in one loop, over nanomsg's real sockets in a directory of the test's.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "services/monitor/watch.h"
#include "tests/unit/unit.h"

/**
 * struct fake - a service that is made up
 * @says:     the instance it claims to be
 * @circuits: rows it has to tell of
 * @asked:    surveys that came
 * @silent:   do not answer
 */
struct fake {
	const char *says;
	unsigned int circuits;
	unsigned int asked;
	bool silent;
	struct endpoint surveys;
	struct endpoint events;
};

static char directory[64];
static struct service service;
static struct watches watches;
static struct fake fake;

static void fill_rows(struct ipc_status *status, unsigned int from)
{
	unsigned int i;

	for (i = from;
	     i < fake.circuits && status->circuits < IPC_CIRCUIT_ROWS_MAX;
	     i++) {
		struct ipc_circuit_row *row =
			&status->circuit[status->circuits++];

		memset(row, 0, sizeof(*row));
		row->entry = i;
		row->generation = 1;
		snprintf(row->name, sizeof(row->name), "%s", "web");
		snprintf(row->kind, sizeof(row->kind), "%s", "stream");
		snprintf(row->state, sizeof(row->state), "%s", "open");
	}
	status->circuits_all = fake.circuits;
	status->more = i < fake.circuits;
}

static void answer(struct endpoint *e, const struct ipc_message *m)
{
	struct ipc_message *out = endpoint_draft(IPC_ANSWER_STATUS);
	struct ipc_status *status = &out->status;

	fake.asked++;
	if (fake.silent)
		return;
	memset(status, 0, offsetof(struct ipc_status, counter));
	snprintf(status->service, sizeof(status->service), "%s", "proxy-tcp");
	snprintf(status->instance, sizeof(status->instance), "%s", fake.says);
	status->pid = 42;
	status->guests = 0;
	status->guests_all = 0;
	status->circuits = 0;
	fill_rows(status, m->survey.circuits_from);
	ck_assert_int_eq(endpoint_send(e, out), 0);
}

static void bind_fake(struct endpoint *e, enum ipc_pattern pattern,
		      const char *file)
{
	struct ipc_socket *socket = ipc_open(pattern, IPC_PROXY, IPC_MONITOR);
	char path[128];

	snprintf(path, sizeof(path), "%s/proxy-tcp-main/%s", directory, file);
	ck_assert_ptr_nonnull(socket);
	ck_assert_int_eq(ipc_bind(socket, path, 0600), 0);
	ck_assert_int_eq(endpoint_init(e, &service.loop, socket), 0);
}

static void start_fake(void)
{
	fake.surveys.message = answer;
	bind_fake(&fake.surveys, IPC_RESPONDENT, "status.ipc");
	bind_fake(&fake.events, IPC_PUB, "events.ipc");
}

static void stop_fake(void)
{
	endpoint_fini(&fake.surveys);
	endpoint_fini(&fake.events);
}

static void open_all(void)
{
	char mistake[SERVICE_PATH_BYTES];
	char path[128];

	snprintf(directory, sizeof(directory), "%s", "/tmp/monitor-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/proxy-tcp-main", directory);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	memset(&fake, 0, sizeof(fake));
	fake.says = "main";
	service.run_dir = directory;
	ck_assert_int_eq(loop_init(&service.loop), 0);
	watches.service = &service;
	watches.book = book_new();
	watches.wanted_ms = INT64_MIN / 2;
	start_fake();
	ck_assert_int_eq(
		watches_add_list(&watches, "operator,proxy-tcp", mistake), 0);
}

static void close_all(void)
{
	char command[160];

	watches_close(&watches);
	stop_fake();
	book_free(watches.book);
	loop_fini(&service.loop);
	snprintf(command, sizeof(command), "rm -r %s", directory);
	ck_assert_int_eq(system(command), 0);
}

static int64_t now(void)
{
	return (int64_t)loop_now(&service.loop);
}

static const struct book_service *proxy(void)
{
	return watches.watch[1].page;
}

/* Ask every 50 ms until @done, which must be soon */
static void ask_until(bool (*done)(void))
{
	int64_t end = now() + UNIT_PATIENCE_MS, next = now();

	while (!done()) {
		ck_assert_msg(now() < end, "it does not happen");
		if (now() >= next) {
			watches_ask(&watches);
			next = now() + 50;
		}
		ck_assert_int_eq(loop_turn(&service.loop, 10), 0);
	}
}

static void ask_for_ms(int64_t ms)
{
	int64_t end = now() + ms;

	for (; now() < end; loop_turn(&service.loop, 10))
		watches_ask(&watches);
}

/* Only wait for what comes: as the loop does between two surveys */
static void rest_for_ms(int64_t ms)
{
	int64_t end = now() + ms;

	while (now() < end)
		loop_turn(&service.loop, (int)(end - now()));
}

static bool is_up(void)
{
	return proxy()->state == BOOK_UP;
}

static bool has_event(void)
{
	const struct book_event *e = book_event_back(watches.book, 0);

	service_event(&service, "line-lost", "web", 7, "a test says so");
	return e && !strcmp(e->event.event, "line-lost");
}

static bool knows_all_circuits(void)
{
	return proxy()->circuits.count == fake.circuits;
}

static bool was_asked_often(void)
{
	return fake.asked > 5;
}

static bool was_asked_once(void)
{
	return fake.asked == 1;
}

static bool was_asked_twice(void)
{
	return fake.asked >= 2;
}

static bool impostor_is_known(void)
{
	return proxy()->impostures > 0;
}

START_TEST(a_service_that_answers_is_up)
{
	ask_until(is_up);
	ck_assert_uint_eq(proxy()->pid, 42);
	ck_assert_int_eq(watches.watch[0].page->state, BOOK_NEVER);
}
END_TEST

START_TEST(a_service_goes_and_comes_back)
{
	ask_until(is_up);
	stop_fake();
	book_age(watches.book, now() + MONITOR_AWAY_AFTER_MS + 1);
	ck_assert_int_eq(proxy()->state, BOOK_AWAY);
	start_fake();
	ask_until(is_up);
}
END_TEST

START_TEST(events_are_taken_down)
{
	service.name = "proxy-tcp";
	service.instance = "main";
	service.events = fake.events;
	ask_until(has_event);
	ck_assert_str_eq(book_event_back(watches.book, 0)->event.guest, "web");
}
END_TEST

START_TEST(all_circuits_are_asked_for_while_somebody_looks)
{
	fake.circuits = 3 * IPC_CIRCUIT_ROWS_MAX + 5;
	ask_until(was_asked_often);
	ck_assert_uint_eq(proxy()->circuits.count, IPC_CIRCUIT_ROWS_MAX);
	ck_assert_uint_eq(proxy()->circuits_all, fake.circuits);
	watches.wanted_ms = now();
	ask_until(knows_all_circuits);
	watches.wanted_ms = now() - MONITOR_INTEREST_MS;
	fake.asked = 0;
	ask_until(was_asked_often);
	ck_assert_uint_eq(proxy()->circuits.count, IPC_CIRCUIT_ROWS_MAX);
}
END_TEST

static bool waits_for_an_answer(void)
{
	return watches.watch[1].asked;
}

START_TEST(a_silent_service_is_asked_anew)
{
	ask_until(is_up);
	fake.silent = true;
	fake.asked = 0;
	ask_until(was_asked_once);
	ask_for_ms(200);
	ck_assert_uint_eq(fake.asked, 1);
	watches.watch[1].asked_ms -= MONITOR_OVERDUE_MS;
	ask_until(was_asked_twice);
	/* a question may go out before the new connection is known to be there */
	ask_until(waits_for_an_answer);
	ask_for_ms(200);
	ck_assert_uint_le(fake.asked, 3);
	fake.silent = false;
	watches.watch[1].asked_ms -= MONITOR_OVERDUE_MS;
	fake.asked = 0;
	ask_until(was_asked_often);
	ck_assert_int_eq(proxy()->state, BOOK_UP);
}
END_TEST

START_TEST(waiting_costs_nothing)
{
	struct timespec before, after;

	ask_until(is_up);
	watches_ask(&watches);
	ask_until(is_up);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	rest_for_ms(300);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	ck_assert_int_lt((after.tv_sec - before.tv_sec) * 1000 +
				 (after.tv_nsec - before.tv_nsec) / 1000000,
			 100);
}
END_TEST

START_TEST(another_name_is_not_believed)
{
	fake.says = "other";
	ask_until(impostor_is_known);
	ck_assert_int_eq(proxy()->state, BOOK_NEVER);
}
END_TEST

START_TEST(lists_of_services_are_checked)
{
	static const char *const bad[] = { "a:",       ":a",
					   "../x",     "a:../b",
					   "operator", "a b",
					   "c,,d",     "proxy-tcp:main" };
	char mistake[SERVICE_PATH_BYTES], huge[400];
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(watches_add_list(&watches, bad[i], mistake) < 0,
			      "%s", bad[i]);
	memset(huge, 'x', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = 0;
	ck_assert_int_lt(watches_add_list(&watches, huge, mistake), 0);
	for (i = 0; i < MONITOR_SERVICES_MAX; i++) {
		snprintf(huge, sizeof(huge), "proxy-tcp:i%zu", i);
		if (watches_add_list(&watches, huge, mistake))
			break;
	}
	ck_assert_uint_lt(i, MONITOR_SERVICES_MAX);
	ck_assert_uint_eq(watches.count, MONITOR_SERVICES_MAX);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("monitor_services");
	TCase *tests = tcase_create("services");

	tcase_add_checked_fixture(tests, open_all, close_all);
	tcase_set_timeout(tests, 20);
	tcase_add_test(tests, a_service_that_answers_is_up);
	tcase_add_test(tests, a_service_goes_and_comes_back);
	tcase_add_test(tests, events_are_taken_down);
	tcase_add_test(tests, all_circuits_are_asked_for_while_somebody_looks);
	tcase_add_test(tests, a_silent_service_is_asked_anew);
	tcase_add_test(tests, waiting_costs_nothing);
	tcase_add_test(tests, another_name_is_not_believed);
	tcase_add_test(tests, lists_of_services_are_checked);
	suite_add_tcase(suite, tests);
	return unit_run(suite);
}
