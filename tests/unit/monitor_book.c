// SPDX-License-Identifier: GPL-2.0-only
/*
 * monitor_book - answers and silence become what the monitor knows
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "services/monitor/book.h"
#include "tests/unit/unit.h"

static struct book *book;
static struct book_service *broker;
static struct book_service *proxy;
static struct ipc_status answer;

static void open_book(void)
{
	book = book_new();
	ck_assert_ptr_nonnull(book);
	broker = book_service_add(book, "operator", "main", 0);
	proxy = book_service_add(book, "proxy-tcp", "main", 0);
	ck_assert_ptr_nonnull(broker);
	ck_assert_ptr_nonnull(proxy);
}

static void close_book(void)
{
	book_free(book);
}

/* An answer of proxy-tcp main without rows */
static void proxy_says(uint32_t pid)
{
	memset(&answer, 0, sizeof(answer));
	snprintf(answer.service, sizeof(answer.service), "%s", "proxy-tcp");
	snprintf(answer.instance, sizeof(answer.instance), "%s", "main");
	answer.pid = pid;
}

static void add_counter(const char *name, uint64_t value)
{
	struct ipc_counter *c = &answer.counter[answer.counters++];

	snprintf(c->name, sizeof(c->name), "%s", name);
	c->value = value;
}

static void add_circuit(uint32_t entry, uint32_t generation, uint64_t sent)
{
	struct ipc_circuit_row *row = &answer.circuit[answer.circuits++];

	memset(row, 0, sizeof(*row));
	row->guest = 7;
	row->entry = entry;
	row->generation = generation;
	row->sent = sent;
	row->received = 2 * sent;
	answer.circuits_all = answer.circuits;
}

static int merge(unsigned int part, unsigned int parts, int64_t now_ms)
{
	return book_answer_merge(book, proxy, &answer, part, parts, now_ms);
}

/* What the latest event says */
static const char *latest(void)
{
	const struct book_event *e = book_event_back(book, 0);

	return e ? e->event.event : "";
}

START_TEST(service_is_unknown_until_it_answers)
{
	ck_assert_int_eq(proxy->state, BOOK_NEVER);
	book_age(book, 100000);
	ck_assert_int_eq(proxy->state, BOOK_NEVER);
	proxy_says(10);
	ck_assert_int_eq(merge(0, 1, 100500), 0);
	ck_assert_int_eq(proxy->state, BOOK_UP);
	ck_assert_int_eq(proxy->changed_ms, 100500);
	ck_assert_str_eq(latest(), "service-up");
	ck_assert_int_eq(broker->state, BOOK_NEVER);
}
END_TEST

START_TEST(silence_is_away_since_the_last_answer)
{
	proxy_says(10);
	merge(0, 1, 1000);
	book_age(book, 1000 + MONITOR_AWAY_AFTER_MS);
	ck_assert_int_eq(proxy->state, BOOK_UP);
	book_age(book, 1001 + MONITOR_AWAY_AFTER_MS);
	ck_assert_int_eq(proxy->state, BOOK_AWAY);
	ck_assert_int_eq(proxy->changed_ms, 1000);
	ck_assert_str_eq(latest(), "service-away");
	merge(0, 1, 9000);
	ck_assert_int_eq(proxy->state, BOOK_UP);
	ck_assert_int_eq(proxy->changed_ms, 9000);
	ck_assert_int_eq(proxy->restarts, 0);
	ck_assert_str_eq(latest(), "service-back");
}
END_TEST

START_TEST(another_process_is_a_restart)
{
	proxy_says(10);
	merge(0, 1, 1000);
	proxy_says(11);
	merge(0, 1, 1400);
	ck_assert_int_eq(proxy->restarts, 1);
	ck_assert_int_eq(proxy->changed_ms, 1400);
	ck_assert_str_eq(latest(), "service-restarted");
	merge(0, 1, 1800);
	ck_assert_int_eq(proxy->restarts, 1);
	ck_assert_int_eq(proxy->changed_ms, 1400);
}
END_TEST

START_TEST(nobody_speaks_for_another)
{
	struct ipc_event e = { .event = "x",
			       .service = "operator",
			       .instance = "main" };

	proxy_says(10);
	snprintf(answer.service, sizeof(answer.service), "%s", "operator");
	ck_assert_int_eq(merge(0, 1, 1000), -EPERM);
	ck_assert_int_eq(proxy->state, BOOK_NEVER);
	ck_assert_int_eq(broker->state, BOOK_NEVER);
	ck_assert_int_eq(book_event_add(book, proxy, &e, 1000), -EPERM);
	ck_assert_ptr_null(book_event_back(book, 0));
	ck_assert_int_eq(proxy->impostures, 2);
}
END_TEST

START_TEST(rates_are_of_the_same_circuit)
{
	proxy_says(10);
	add_circuit(5, 1, 1000);
	add_circuit(3, 1, 500);
	merge(0, 1, 1000);
	ck_assert_uint_eq(proxy->circuits.count, 2);
	ck_assert_uint_eq(proxy->circuits.circuit[0].row.entry, 3);
	ck_assert_uint_eq(proxy->circuits.circuit[0].sent_rate, 0);

	proxy_says(10);
	add_circuit(5, 2, 9000); /* another connection in the same entry */
	add_circuit(3, 1, 1500);
	merge(0, 1, 3000);
	ck_assert_uint_eq(proxy->circuits.circuit[0].sent_rate, 500);
	ck_assert_uint_eq(proxy->circuits.circuit[0].received_rate, 1000);
	ck_assert_uint_eq(proxy->circuits.circuit[1].sent_rate, 0);
}
END_TEST

START_TEST(counting_backwards_is_no_rate)
{
	proxy_says(10);
	add_circuit(3, 1, 1500);
	merge(0, 1, 1000);
	proxy_says(10);
	add_circuit(3, 1, 15);
	merge(0, 1, 2000);
	ck_assert_uint_eq(proxy->circuits.circuit[0].sent_rate, 0);
	proxy_says(10);
	add_circuit(3, 1, 150);
	merge(0, 1, 2000); /* a clock that stands still */
	ck_assert_uint_eq(proxy->circuits.circuit[0].sent_rate, 0);
}
END_TEST

START_TEST(parts_show_when_all_have_come)
{
	proxy_says(10);
	add_circuit(1, 1, 0);
	merge(0, 1, 1000);

	proxy_says(10);
	add_circuit(1, 1, 0);
	add_circuit(2, 1, 0);
	answer.more = true;
	ck_assert_int_eq(merge(0, 4, 2000), 1);
	ck_assert_uint_eq(proxy->circuits.count, 1);
	proxy_says(10);
	add_circuit(2, 1, 0); /* moved up while 1 ended */
	add_circuit(3, 1, 0);
	ck_assert_int_eq(merge(1, 4, 2010), 0);
	ck_assert_uint_eq(proxy->circuits.count, 3);
}
END_TEST

START_TEST(an_answer_that_breaks_off_is_forgotten)
{
	proxy_says(10);
	add_circuit(1, 1, 0);
	answer.more = true;
	ck_assert_int_eq(merge(0, 4, 1000), 1);
	proxy_says(10);
	add_circuit(9, 1, 0);
	ck_assert_int_eq(merge(0, 4, 2000), 0);
	ck_assert_uint_eq(proxy->circuits.count, 1);
	ck_assert_uint_eq(proxy->circuits.circuit[0].row.entry, 9);
}
END_TEST

START_TEST(an_endless_answer_ends)
{
	unsigned int part;

	for (part = 0; part < 1000; part++) {
		unsigned int i;

		proxy_says(10);
		answer.more = true;
		for (i = 0; i < IPC_CIRCUIT_ROWS_MAX; i++)
			add_circuit(part * IPC_CIRCUIT_ROWS_MAX + i, 1, 0);
		answer.guests = IPC_GUEST_ROWS_MAX;
		if (merge(part, MONITOR_PARTS_MAX, 1000) != 1)
			break;
	}
	ck_assert_uint_eq(part, MONITOR_PARTS_MAX - 1);
	ck_assert_uint_eq(proxy->circuits.count, MONITOR_CIRCUITS_MAX);
	ck_assert_uint_eq(proxy->guests, MONITOR_GUESTS_MAX);
}
END_TEST

START_TEST(more_without_rows_is_not_believed)
{
	proxy_says(10);
	answer.more = true;
	ck_assert_int_eq(merge(0, 4, 1000), 0);
}
END_TEST

START_TEST(events_are_the_latest_ones)
{
	struct ipc_event e = { .service = "proxy-tcp", .instance = "main" };
	unsigned int i;

	for (i = 0; i < 3 * MONITOR_EVENTS_MAX; i++) {
		snprintf(e.event, sizeof(e.event), "event-%u", i);
		ck_assert_int_eq(book_event_add(book, proxy, &e, i), 0);
	}
	snprintf(e.event, sizeof(e.event), "event-%u", i - 1);
	ck_assert_str_eq(latest(), e.event);
	ck_assert_ptr_nonnull(book_event_back(book, MONITOR_EVENTS_MAX - 1));
	ck_assert_ptr_null(book_event_back(book, MONITOR_EVENTS_MAX));
}
END_TEST

START_TEST(samples_add_up_who_is_there)
{
	proxy_says(10);
	add_counter("sent-bytes", 1000);
	add_counter("received-bytes", 5000);
	add_circuit(1, 1, 0);
	merge(0, 1, 1000);
	ck_assert_uint_eq(proxy->sent_rate, 0);
	proxy_says(10);
	add_counter("sent-bytes", 2000);
	add_counter("received-bytes", 7000);
	add_circuit(1, 1, 0);
	merge(0, 1, 2000);
	book_age(book, 2000);
	ck_assert_uint_eq(book_sample_back(book, 0)->sent_rate, 1000);
	ck_assert_uint_eq(book_sample_back(book, 0)->received_rate, 2000);
	ck_assert_uint_eq(book_sample_back(book, 0)->circuits, 1);
	book_age(book, 90000);
	ck_assert_uint_eq(book_sample_back(book, 0)->sent_rate, 0);
	ck_assert_uint_eq(book_sample_back(book, 0)->circuits, 0);
	ck_assert_uint_eq(book_sample_back(book, 1)->circuits, 1);
	ck_assert_ptr_null(book_sample_back(book, 2));
}
END_TEST

START_TEST(a_new_process_counts_from_zero)
{
	proxy_says(10);
	add_counter("sent-bytes", 1000);
	merge(0, 1, 1000);
	proxy_says(11);
	add_counter("sent-bytes", 50000);
	merge(0, 1, 2000);
	ck_assert_uint_eq(proxy->sent_rate, 0);
}
END_TEST

START_TEST(services_are_bounded_and_distinct)
{
	char name[80];
	unsigned int i;

	ck_assert_ptr_null(book_service_add(book, "operator", "main", 0));
	ck_assert_int_eq(errno, EEXIST);
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	ck_assert_ptr_null(book_service_add(book, name, "main", 0));
	ck_assert_int_eq(errno, EINVAL);
	for (i = 2; i < MONITOR_SERVICES_MAX; i++) {
		snprintf(name, sizeof(name), "%u", i);
		ck_assert_ptr_nonnull(
			book_service_add(book, "proxy-tcp", name, 0));
	}
	ck_assert_ptr_null(book_service_add(book, "proxy-udp", "main", 0));
	ck_assert_int_eq(errno, ENOSPC);
}
END_TEST

START_TEST(counters_are_found_by_name)
{
	proxy_says(10);
	add_counter("lies", 42);
	merge(0, 1, 1000);
	ck_assert_uint_eq(book_counter(proxy, "lies"), 42);
	ck_assert_uint_eq(book_counter(proxy, "truths"), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("monitor_book");
	TCase *tests = tcase_create("book");

	tcase_add_checked_fixture(tests, open_book, close_book);
	tcase_add_test(tests, service_is_unknown_until_it_answers);
	tcase_add_test(tests, silence_is_away_since_the_last_answer);
	tcase_add_test(tests, another_process_is_a_restart);
	tcase_add_test(tests, nobody_speaks_for_another);
	tcase_add_test(tests, rates_are_of_the_same_circuit);
	tcase_add_test(tests, counting_backwards_is_no_rate);
	tcase_add_test(tests, parts_show_when_all_have_come);
	tcase_add_test(tests, an_answer_that_breaks_off_is_forgotten);
	tcase_add_test(tests, an_endless_answer_ends);
	tcase_add_test(tests, more_without_rows_is_not_believed);
	tcase_add_test(tests, events_are_the_latest_ones);
	tcase_add_test(tests, samples_add_up_who_is_there);
	tcase_add_test(tests, a_new_process_counts_from_zero);
	tcase_add_test(tests, services_are_bounded_and_distinct);
	tcase_add_test(tests, counters_are_found_by_name);
	suite_add_tcase(suite, tests);
	return unit_run(suite);
}
