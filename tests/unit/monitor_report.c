// SPDX-License-Identifier: GPL-2.0-only
/*
 * monitor_report - reports are JSON and metrics, whatever a guest is called
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services/monitor/report.h"
#include "tests/unit/unit.h"

#define EVIL "<script>\"alert\"</script>\\\n\x01\xc3\xa9"

/* 2026-11-23T10:00:00.250Z */
static const struct report_clock clock_ = { 60000, 1795428000250 };
static struct book *book;
static struct ipc_status answer;

static void says(const char *service)
{
	memset(&answer, 0, sizeof(answer));
	snprintf(answer.service, sizeof(answer.service), "%s", service);
	snprintf(answer.instance, sizeof(answer.instance), "%s", "main");
	answer.pid = 10;
}

static void add_guest(const char *state, uint32_t circuits)
{
	struct ipc_guest_row *g = &answer.guest[answer.guests++];

	g->domain = 7;
	snprintf(g->name, sizeof(g->name), "%s", EVIL);
	snprintf(g->state, sizeof(g->state), "%s", state);
	snprintf(g->address[0], sizeof(g->address[0]), "%s", "192.0.2.1");
	g->addresses = 1;
	snprintf(g->direct[0], sizeof(g->direct[0]), "%s", "neighbour");
	g->directs = 1;
	g->circuits = circuits;
	answer.guests_all++;
}

static void add_counter(const char *name, uint64_t value)
{
	struct ipc_counter *c = &answer.counter[answer.counters++];

	snprintf(c->name, sizeof(c->name), "%s", name);
	c->value = value;
}

static void operator_answers(struct book_service *s)
{
	says("operator");
	add_guest("connected", 3);
	add_counter("refused-policy", 4);
	add_counter("requests", 100);
	book_answer_merge(book, s, &answer, 0, 1, 59000);
}

static void proxy_answers(struct book_service *s, uint64_t sent, int64_t now_ms)
{
	struct ipc_circuit_row *row = &answer.circuit[0];

	says("proxy-tcp");
	add_guest("attached", 2);
	add_counter("lies", UINT64_MAX);
	row->guest = 7;
	snprintf(row->name, sizeof(row->name), "%s", EVIL);
	snprintf(row->remote, sizeof(row->remote), "%s", "fd00::1");
	row->sent = sent;
	answer.circuits = 1;
	answer.circuits_all = 300;
	answer.more = true;
	book_answer_merge(book, s, &answer, 0, 1, now_ms);
}

static void open_book(void)
{
	struct ipc_event e = { .event = "line-lost",
			       .service = "operator",
			       .instance = "main",
			       .guest = EVIL,
			       .why = EVIL };
	struct book_service *broker, *proxy;

	book = book_new();
	broker = book_service_add(book, "operator", "main", 0);
	proxy = book_service_add(book, "proxy-tcp", "main", 0);
	book_service_add(book, "proxy-udp", "main", 30000);
	operator_answers(broker);
	proxy_answers(proxy, 1000, 58000);
	proxy_answers(proxy, 3000, 59000);
	book_event_add(book, broker, &e, 59500);
	book_age(book, 60000);
}

static void close_book(void)
{
	book_free(book);
}

static json_t *report(enum report_kind kind)
{
	json_error_t error;
	size_t bytes;
	char *text = report_text(book, kind, &clock_, &bytes);
	json_t *o;

	ck_assert_ptr_nonnull(text);
	ck_assert_uint_eq(strlen(text), bytes);
	o = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	ck_assert_msg(o != NULL, "%s in %s", error.text, text);
	free(text);
	return o;
}

static const char *text_at(json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	ck_assert_msg(text != NULL, "no text at %s", key);
	return text;
}

static json_int_t number_at(json_t *o, const char *key)
{
	json_t *value = json_object_get(o, key);

	ck_assert_msg(json_is_integer(value), "no number at %s", key);
	return json_integer_value(value);
}

static json_t *row_of(json_t *o, const char *key, size_t index)
{
	json_t *row = json_array_get(json_object_get(o, key), index);

	ck_assert_msg(row != NULL, "no row %zu at %s", index, key);
	return row;
}

START_TEST(services_tell_state_and_since)
{
	json_t *o = report(REPORT_SERVICES);

	ck_assert_str_eq(text_at(o, "time"), "2026-11-23T10:00:00.250Z");
	ck_assert_str_eq(text_at(row_of(o, "services", 0), "state"), "up");
	ck_assert_str_eq(text_at(row_of(o, "services", 2), "state"), "away");
	ck_assert_str_eq(text_at(row_of(o, "services", 2), "since"), "2026-11-"
								     "23T09:59:"
								     "30.250Z");
	ck_assert(
		json_is_false(json_object_get(row_of(o, "services", 2), "see"
									"n")));
	json_decref(o);
}
END_TEST

START_TEST(a_guest_is_one_row_whoever_tells_of_it)
{
	json_t *o = report(REPORT_GUESTS);
	json_t *guest = row_of(o, "guests", 0);

	ck_assert_uint_eq(json_array_size(json_object_get(o, "guests")), 1);
	ck_assert_str_eq(text_at(guest, "name"), EVIL);
	ck_assert_str_eq(text_at(guest, "state"), "connected");
	ck_assert_int_eq(number_at(guest, "sent_rate"), 2000);
	ck_assert_int_eq(number_at(row_of(guest, "seen_by", 0), "circuits"), 3);
	ck_assert_int_eq(number_at(row_of(guest, "seen_by", 1), "circuits"), 2);
	ck_assert_str_eq(json_string_value(row_of(guest, "direct", 0)), "neighb"
									"our");
	json_decref(o);
}
END_TEST

START_TEST(circuits_say_that_there_are_more)
{
	json_t *o = report(REPORT_CIRCUITS);

	ck_assert_int_eq(number_at(o, "circuits_all"), 300);
	ck_assert(json_is_true(json_object_get(o, "circuits_more")));
	ck_assert_str_eq(text_at(row_of(o, "circuits", 0), "remote"), "fd00::"
								      "1");
	ck_assert_int_eq(number_at(row_of(o, "circuits", 0), "sent_rate"),
			 2000);
	json_decref(o);
}
END_TEST

START_TEST(causes_are_sorted_into_refusals_and_errors)
{
	json_t *o = report(REPORT_COUNTERS);

	ck_assert_uint_eq(json_array_size(json_object_get(o, "refusals")), 1);
	ck_assert_str_eq(text_at(row_of(o, "refusals", 0), "cause"), "refused-"
								     "policy");
	ck_assert_int_eq(number_at(row_of(o, "refusals", 0), "count"), 4);
	ck_assert_str_eq(text_at(row_of(o, "errors", 0), "cause"), "lies");
	ck_assert_int_eq(number_at(row_of(o, "errors", 0), "count"), INT64_MAX);
	json_decref(o);
}
END_TEST

START_TEST(status_is_everything)
{
	static const char *const keys[] = { "services", "guests", "circuits",
					    "refusals", "errors", "events",
					    "history" };
	json_t *o = report(REPORT_STATUS);
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		ck_assert_msg(json_array_size(json_object_get(o, keys[i])) > 0,
			      "nothing at %s", keys[i]);
	ck_assert_str_eq(text_at(row_of(o, "events", 0), "why"), EVIL);
	ck_assert_str_eq(text_at(row_of(o, "events", 0), "time"), "2026-11-"
								  "23T09:59:59."
								  "750Z");
	json_decref(o);
}
END_TEST

START_TEST(metrics_are_one_value_a_line)
{
	size_t bytes;
	char *text = report_text(book, REPORT_METRICS, &clock_, &bytes);
	char *line, *rest = text;

	ck_assert_uint_eq(strlen(text), bytes);
	ck_assert_ptr_nonnull(strstr(text, "switchboard_up{service=\"proxy-"
					   "udp\",instance=\"main\"} 0\n"));
	ck_assert_ptr_nonnull(strstr(text, "guest=\"<script>\\\"alert\\\"</"
					   "script>\\\\\\n"));
	while ((line = strsep(&rest, "\n")) && *line)
		ck_assert_msg(*line == '#' ||
				      !strncmp(line, "switchboard_", 12),
			      "not a metric: %s", line);
	free(text);
}
END_TEST

START_TEST(an_empty_book_can_be_reported)
{
	struct book *empty = book_new();
	int kind;

	for (kind = 0; kind < REPORT_KINDS; kind++) {
		size_t bytes = 0;
		char *text = report_text(empty, (enum report_kind)kind, &clock_,
					 &bytes);

		ck_assert_ptr_nonnull(text);
		ck_assert_uint_gt(bytes, 0);
		free(text);
	}
	book_free(empty);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("monitor_report");
	TCase *tests = tcase_create("report");

	tcase_add_checked_fixture(tests, open_book, close_book);
	tcase_add_test(tests, services_tell_state_and_since);
	tcase_add_test(tests, a_guest_is_one_row_whoever_tells_of_it);
	tcase_add_test(tests, circuits_say_that_there_are_more);
	tcase_add_test(tests, causes_are_sorted_into_refusals_and_errors);
	tcase_add_test(tests, status_is_everything);
	tcase_add_test(tests, metrics_are_one_value_a_line);
	tcase_add_test(tests, an_empty_book_can_be_reported);
	suite_add_tcase(suite, tests);
	return unit_run(suite);
}
