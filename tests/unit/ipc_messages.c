/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ipc_messages.c - messages survive the way there and back, and nothing else
 * gets through
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/table.h"
#include "tests/unit/random.h"
#include "tests/unit/unit.h"

#define ALL_PARTIES (IPC_OPERATOR | IPC_PROXY | IPC_MONITOR | IPC_TOOL)
#define TEXT_BYTES (256 * 1024)

static struct ipc_message sent, got;
static char text[TEXT_BYTES], again[TEXT_BYTES], why[160];

static void fill_fields(struct random *r, const struct ipc_field *field,
			uint32_t fields, char *body);

static void fill_text(struct random *r, char *at, uint32_t size, uint64_t min,
		      const char *letters)
{
	uint32_t bytes = random_between(r, (uint32_t)min, size - 1), i;

	for (i = 0; i < bytes; i++)
		at[i] = letters[random_below(r, (uint32_t)strlen(letters))];
	at[bytes] = 0;
}

static void fill_integer(struct random *r, const struct ipc_field *f, char *at)
{
	uint64_t v = (uint64_t)random_next(r) << 32 | random_next(r);

	if (random_below(r, 4) == 0)
		v = random_below(r, 2) ? f->min : f->max;
	else if (f->max - f->min != UINT64_MAX)
		v = f->min + v % (f->max - f->min + 1);
	if (f->kind == IPC_U16)
		*(uint16_t *)(void *)at = (uint16_t)v;
	else if (f->kind == IPC_U32)
		*(uint32_t *)(void *)at = (uint32_t)v;
	else
		*(uint64_t *)(void *)at = v;
}

/* Its port is a field of its own */
static void fill_address(struct random *r, struct sb_address *a)
{
	uint32_t i;

	a->family = random_below(r, 2) ? SB_FAMILY_IPV4 : SB_FAMILY_IPV6;
	memset(a->bytes, 0, sizeof(a->bytes));
	for (i = 0; i < (a->family == SB_FAMILY_IPV4 ? 4u : 16u); i++)
		a->bytes[i] = (uint8_t)random_next(r);
	a->scope = 0;
	if (a->family == SB_FAMILY_IPV6 && random_below(r, 3) == 0)
		a->scope = random_next(r);
}

static void fill_row(struct random *r, const struct ipc_field *f, char *row)
{
	if (f->kind == IPC_COUNTERS) {
		fill_text(r, row, IPC_NAME_BYTES, 1, "abcxyz019-_.");
		((struct ipc_counter *)(void *)row)->value = random_next(r);
	} else if (f->kind == IPC_TEXTS) {
		fill_text(r, row, f->rows->row_bytes, 0, "0123456789abcdef:.");
	} else {
		fill_fields(r, f->rows->field, f->rows->fields, row);
	}
}

static void fill_value(struct random *r, const struct ipc_field *f, char *body)
{
	static const char name[] = "abcdefgXYZ0123456789._-+@";
	uint32_t *count, i;

	switch (f->kind) {
	case IPC_U16:
	case IPC_U32:
	case IPC_U64:
		fill_integer(r, f, body + f->at);
		break;
	case IPC_WORD:
		*(uint32_t *)(void *)(body + f->at) =
			random_between(r, (uint32_t)f->min, (uint32_t)f->max);
		break;
	case IPC_BOOL:
		*(bool *)(body + f->at) = random_below(r, 2);
		break;
	case IPC_NAME:
		fill_text(r, body + f->at, f->size, f->min, name);
		break;
	case IPC_TEXT:
		fill_text(r, body + f->at, f->size, f->min, "ab \"\\/{}[]:,~");
		break;
	case IPC_IDENTITY:
		snprintf(body + f->at, IPC_IDENTITY_BYTES, "%s",
			 "0123abcd-4567-89AB-cdef-0123456789ab");
		break;
	case IPC_ADDRESS:
		fill_address(r, (void *)(body + f->at));
		break;
	default:
		count = (uint32_t *)(void *)(body + f->rows->count_at);
		*count = random_below(r, f->rows->max + 1);
		for (i = 0; i < *count; i++)
			fill_row(r, f,
				 body + f->at + (size_t)i * f->rows->row_bytes);
	}
}

static void fill_fields(struct random *r, const struct ipc_field *field,
			uint32_t fields, char *body)
{
	uint32_t i;

	for (i = 0; i < fields; i++)
		fill_value(r, &field[i], body);
}

static void fill_message(struct random *r, enum ipc_type type)
{
	memset(&sent, 0, sizeof(sent));
	sent.type = type;
	fill_fields(r, ipc_table[type].field, ipc_table[type].fields,
		    (char *)&sent.attach);
	if (type == IPC_EVENT)
		fill_text(r, sent.event.event, IPC_NAME_BYTES, 1, "guest-");
}

static enum ipc_fault decode(const char *json, size_t bytes)
{
	/* a copy of its own, so that a sanitizer sees a read behind the end */
	char *copy = malloc(bytes + !bytes);
	enum ipc_fault fault;

	memcpy(copy, json, bytes);
	fault = ipc_message_decode(&got, copy, bytes, ALL_PARTIES, ALL_PARTIES,
				   why, sizeof(why));
	free(copy);
	return fault;
}

START_TEST(every_message_survives_the_way_there_and_back)
{
	struct random r = random_seed((uint64_t)_i);
	int round, rounds = _i == IPC_ANSWER_STATUS ? 5 : 40;

	for (round = 0; round < rounds; round++) {
		int bytes, bytes_again;

		fill_message(&r, _i);
		bytes = ipc_message_encode(&sent, text, sizeof(text));
		ck_assert_msg(bytes > 0, "%s: %d", ipc_type_name(_i), bytes);
		ck_assert_uint_le((unsigned int)bytes, ipc_table[_i].bytes_max);
		ck_assert_msg(decode(text, (size_t)bytes) == IPC_FAULT_NONE,
			      "%s: %.*s", why, bytes, text);
		ck_assert_int_eq(got.type, _i);
		bytes_again = ipc_message_encode(&got, again, sizeof(again));
		ck_assert_int_eq(bytes_again, bytes);
		ck_assert_mem_eq(text, again, (size_t)bytes);
	}
}
END_TEST

START_TEST(the_largest_message_of_a_kind_fits_its_maximum)
{
	struct random r = random_seed(99);
	uint32_t i;

	fill_message(&r, IPC_REPORT_ENDED);
	sent.ended.count = IPC_CIRCUITS_MAX;
	for (i = 0; i < IPC_CIRCUITS_MAX; i++) {
		sent.ended.circuit[i].entry = SB_ENTRIES_MAX - 1;
		sent.ended.circuit[i].generation = SB_GENERATION_MAX;
	}
	ck_assert_int_gt(ipc_message_encode(&sent, text, sizeof(text)), 0);
}
END_TEST

/* Whatever is done to a message, it is refused or still within its ranges */
START_TEST(a_mutilated_message_is_refused_or_still_valid)
{
	static const char odd[] = "{}[]\",:\\0-9.eE tfn\n\0\x80\xff";
	struct random r = random_seed((uint64_t)_i + 1000);
	int round, rounds = _i == IPC_ANSWER_STATUS ? 20 : 300;

	for (round = 0; round < rounds; round++) {
		int bytes, cuts;

		fill_message(&r, _i);
		bytes = ipc_message_encode(&sent, text, sizeof(text));
		ck_assert_int_gt(bytes, 0);
		for (cuts = (int)random_between(&r, 1, 4); cuts; cuts--) {
			uint32_t at = random_below(&r, (uint32_t)bytes);

			text[at] = odd[random_below(&r, sizeof(odd) - 1)];
		}
		if (random_below(&r, 3) == 0)
			bytes = (int)random_below(&r, (uint32_t)bytes + 1);
		if (decode(text, (size_t)bytes) != IPC_FAULT_NONE)
			continue;
		ck_assert_int_gt(ipc_message_encode(&got, again, sizeof(again)),
				 0);
	}
}
END_TEST

static const struct {
	const char *json;
	enum ipc_fault fault;
	const char *named; /* in the explanation */
} wrong[] = {
	{ "", IPC_FAULT_SYNTAX, "" },
	{ "{", IPC_FAULT_SYNTAX, "" },
	{ "[]", IPC_FAULT_SYNTAX, "" },
	{ "{}", IPC_FAULT_SYNTAX, "" },
	{ "{\"order\":\"dance\"}", IPC_FAULT_NAME, "unknown" },
	{ "{\"order\":1}", IPC_FAULT_TYPE, "unknown" },
	{ "{\"guest\":1,\"order\":\"detach\",\"line\":0}", IPC_FAULT_TYPE, "" },
	{ "{\"order\":\"list\"", IPC_FAULT_SYNTAX, "order list" },
	{ "{\"order\":\"list\"}x", IPC_FAULT_SYNTAX, "order list" },
	{ "{\"order\":\"list\"}{}", IPC_FAULT_SYNTAX, "order list" },
	{ "{\"order\":\"list\",}", IPC_FAULT_KEY, "order list" },
	{ "{\"order\":\"list\",\"x\":1}", IPC_FAULT_KEY, "order list" },
	{ "{\"order\":\"detach\"}", IPC_FAULT_KEY, "guest" },
	{ "{\"order\":\"detach\",\"guest\":1}", IPC_FAULT_KEY, "line" },
	{ "{\"order\":\"detach\",\"guest\":1,\"line\":0,\"x\":1}",
	  IPC_FAULT_KEY, "order detach" },
	{ "{\"order\":\"detach\",\"guest\":1,\"line\":0,\"line\":0}",
	  IPC_FAULT_SYNTAX, "line" },
	{ "{\"order\":\"detach\",\"guest\":1,\"line\":64}", IPC_FAULT_RANGE,
	  "line" },
	{ "{\"order\":\"detach\",\"guest\":32752,\"line\":0}", IPC_FAULT_RANGE,
	  "guest" },
	{ "{\"order\":\"detach\",\"guest\":-1,\"line\":0}", IPC_FAULT_RANGE,
	  "guest" },
	{ "{\"order\":\"detach\",\"guest\":1.0,\"line\":0}", IPC_FAULT_TYPE,
	  "guest" },
	{ "{\"order\":\"detach\",\"guest\":1e0,\"line\":0}", IPC_FAULT_TYPE,
	  "guest" },
	{ "{\"order\":\"detach\",\"guest\":01,\"line\":0}", IPC_FAULT_SYNTAX,
	  "guest" },
	{ "{\"order\":\"detach\",\"guest\":\"1\",\"line\":0}", IPC_FAULT_TYPE,
	  "guest" },
	{ "{\"order\":\"detach\",\"guest\":null,\"line\":0}", IPC_FAULT_TYPE,
	  "guest" },
	{ "{\"order\":\"detach\",\"guest\":[[[[1]]]],\"line\":0}",
	  IPC_FAULT_TYPE, "guest" },
	{ "{\"order\":\"detach\",\"guest\":18446744073709551616,\"line\":0}",
	  IPC_FAULT_RANGE, "guest" },
	{ "{\"report\":\"failed\",\"guest\":1,\"line\":0,\"error\":0,"
	  "\"why\":\"\"}",
	  IPC_FAULT_RANGE, "error" },
	{ "{\"report\":\"failed\",\"guest\":1,\"line\":0,\"error\":5,"
	  "\"why\":\"a\nb\"}",
	  IPC_FAULT_RANGE, "why" },
	{ "{\"report\":\"failed\",\"guest\":1,\"line\":0,\"error\":5,"
	  "\"why\":\"a\\u0000b\"}",
	  IPC_FAULT_RANGE, "why" },
	{ "{\"report\":\"ended\",\"guest\":1,\"line\":0,\"circuits\":1}",
	  IPC_FAULT_TYPE, "circuits" },
	{ "{\"report\":\"ended\",\"guest\":1,\"line\":0,\"circuits\":[[1]]}",
	  IPC_FAULT_SYNTAX, "circuits" },
	{ "{\"report\":\"ended\",\"guest\":1,\"line\":0,"
	  "\"circuits\":[[1,2,3]]}",
	  IPC_FAULT_SYNTAX, "circuits" },
	{ "{\"report\":\"ended\",\"guest\":1,\"line\":0,"
	  "\"circuits\":[[16384,1]]}",
	  IPC_FAULT_RANGE, "circuits" },
	{ "{\"report\":\"ended\",\"guest\":1,\"line\":0,"
	  "\"circuits\":[[1,0]]}",
	  IPC_FAULT_RANGE, "circuits" },
	{ "{\"report\":\"asked\",\"guest\":1,\"line\":0,\"kind\":\"pigeon\","
	  "\"address\":\"192.0.2.1\",\"port\":80}",
	  IPC_FAULT_RANGE, "kind" },
	{ "{\"report\":\"asked\",\"guest\":1,\"line\":0,\"kind\":1,"
	  "\"address\":\"192.0.2.1\",\"port\":80}",
	  IPC_FAULT_TYPE, "kind" },
	{ "{\"report\":\"asked\",\"guest\":1,\"line\":0,"
	  "\"kind\":\"stream\",\"port\":80}",
	  IPC_FAULT_KEY, "address" },
	{ "{\"order\":\"verdict\",\"guest\":1,\"line\":0,"
	  "\"kind\":\"stream\",\"address\":\"192.0.2.1\",\"port\":80,"
	  "\"error\":4096,\"direct\":false}",
	  IPC_FAULT_RANGE, "error" },
	{ "{\"order\":\"verdict\",\"guest\":1,\"line\":0,"
	  "\"kind\":\"stream\",\"address\":\"192.0.2.1\",\"port\":80,"
	  "\"error\":0}",
	  IPC_FAULT_KEY, "direct" },
	{ "{\"order\":\"withdraw\",\"guest\":1}", IPC_FAULT_KEY, "line" },
	{ "{\"order\":\"listen\",\"guest\":1,\"line\":0,\"entry\":1,"
	  "\"generation\":1,\"address\":\"localhost\",\"port\":80,"
	  "\"backlog\":5}",
	  IPC_FAULT_RANGE, "address" },
};

START_TEST(a_wrong_message_is_refused_with_its_reason)
{
	enum ipc_fault fault = decode(wrong[_i].json, strlen(wrong[_i].json));

	ck_assert_msg(fault == wrong[_i].fault, "%s gave %s", wrong[_i].json,
		      ipc_fault_name(fault));
	ck_assert_msg(strstr(why, wrong[_i].named) != NULL, "%s in \"%s\"",
		      wrong[_i].named, why);
}
END_TEST

START_TEST(sender_and_receiver_must_be_those_of_the_table)
{
	const char json[] = "{\"order\":\"list\"}";

	ck_assert_int_eq(ipc_message_decode(&got, json, strlen(json), IPC_PROXY,
					    IPC_PROXY, why, sizeof(why)),
			 IPC_FAULT_PARTY);
	ck_assert_int_eq(ipc_message_decode(&got, json, strlen(json),
					    IPC_OPERATOR, IPC_MONITOR, why,
					    sizeof(why)),
			 IPC_FAULT_PARTY);
	ck_assert_int_eq(ipc_message_decode(&got, json, strlen(json),
					    IPC_OPERATOR, IPC_PROXY, why,
					    sizeof(why)),
			 IPC_FAULT_NONE);
}
END_TEST

START_TEST(more_bytes_than_the_table_allows_are_refused)
{
	char json[256];

	snprintf(json, sizeof(json), "%-64s ", "{\"order\":\"list\"}");
	ck_assert_int_eq(decode(json, 64), IPC_FAULT_NONE);
	ck_assert_int_eq(decode(json, 65), IPC_FAULT_SIZE);
}
END_TEST

START_TEST(keys_come_in_any_order_and_optional_ones_may_miss)
{
	const char json[] = " { \"report\" : \"asked\" , \"port\" : 80, "
			    "\"kind\":\"stream\","
			    "\"address\":\"fe80::1%4\", \"line\":2,"
			    "\"guest\":1 } ";

	memset(&got, 0xff, sizeof(got));
	ck_assert_msg(decode(json, strlen(json)) == IPC_FAULT_NONE, "%s", why);
	ck_assert_int_eq(got.type, IPC_REPORT_ASKED);
	ck_assert_uint_eq(got.question.kind, IPC_KIND_STREAM);
	ck_assert_uint_eq(got.question.remote.family, SB_FAMILY_IPV6);
	ck_assert_uint_eq(got.question.remote.scope, 4);
	ck_assert_uint_eq(got.question.remote.port, 80);
	ck_assert_uint_eq(got.question.source.family, SB_FAMILY_NONE);
	ck_assert_uint_eq(got.question.source.port, 0);
	ck_assert_uint_eq(got.question.line, 2);
}
END_TEST

START_TEST(a_verdict_without_a_place_to_go_means_the_place_asked_for)
{
	const char json[] = "{\"order\":\"verdict\",\"guest\":3,\"line\":1,"
			    "\"kind\":\"datagram\",\"address\":\"192.0.2.1\","
			    "\"port\":53,\"error\":0,\"direct\":true}";

	memset(&got, 0xff, sizeof(got));
	ck_assert_msg(decode(json, strlen(json)) == IPC_FAULT_NONE, "%s", why);
	ck_assert_int_eq(got.type, IPC_ORDER_VERDICT);
	ck_assert_uint_eq(got.verdict.question.kind, IPC_KIND_DATAGRAM);
	ck_assert_uint_eq(got.verdict.question.remote.port, 53);
	ck_assert_uint_eq(got.verdict.question.source.family, SB_FAMILY_NONE);
	ck_assert_uint_eq(got.verdict.to.family, SB_FAMILY_NONE);
	ck_assert_uint_eq(got.verdict.to.port, 0);
	ck_assert_uint_eq(got.verdict.from.family, SB_FAMILY_NONE);
	ck_assert(got.verdict.direct);
}
END_TEST

START_TEST(a_survey_without_keys_starts_at_the_first_row)
{
	const char json[] = "{\"survey\":\"status\"}";

	memset(&got, 0xff, sizeof(got));
	ck_assert_int_eq(decode(json, strlen(json)), IPC_FAULT_NONE);
	ck_assert_uint_eq(got.survey.guests_from, 0);
	ck_assert_uint_eq(got.survey.circuits_from, 0);
}
END_TEST

START_TEST(what_the_other_end_would_drop_is_not_sent)
{
	sent.type = IPC_ORDER_DETACH;
	sent.line.guest = 1;
	sent.line.line = SB_LINES_MAX;
	ck_assert_int_eq(ipc_message_encode(&sent, text, sizeof(text)),
			 -EINVAL);
	sent.line.line = 0;
	ck_assert_int_eq(ipc_message_encode(&sent, text, 20), -EMSGSIZE);
	ck_assert_int_eq(ipc_message_encode(&sent, text, 0), -EMSGSIZE);
	sent.type = 0;
	ck_assert_int_eq(ipc_message_encode(&sent, text, sizeof(text)),
			 -EINVAL);
	sent.type = IPC_EVENT;
	memset(&sent.event, 0, sizeof(sent.event));
	ck_assert_int_eq(ipc_message_encode(&sent, text, sizeof(text)),
			 -EINVAL);
}
END_TEST

static Suite *messages_suite(void)
{
	Suite *suite = suite_create("messages");
	TCase *valid = tcase_create("valid"), *invalid = tcase_create("wrong");

	tcase_add_loop_test(valid,
			    every_message_survives_the_way_there_and_back, 1,
			    IPC_TYPES);
	tcase_add_test(valid, the_largest_message_of_a_kind_fits_its_maximum);
	tcase_add_test(valid,
		       keys_come_in_any_order_and_optional_ones_may_miss);
	tcase_add_test(
		valid,
		a_verdict_without_a_place_to_go_means_the_place_asked_for);
	tcase_add_test(valid, a_survey_without_keys_starts_at_the_first_row);
	tcase_add_loop_test(invalid,
			    a_mutilated_message_is_refused_or_still_valid, 1,
			    IPC_TYPES);
	tcase_add_loop_test(invalid, a_wrong_message_is_refused_with_its_reason,
			    0, sizeof(wrong) / sizeof(wrong[0]));
	tcase_add_test(invalid, sender_and_receiver_must_be_those_of_the_table);
	tcase_add_test(invalid, more_bytes_than_the_table_allows_are_refused);
	tcase_add_test(invalid, what_the_other_end_would_drop_is_not_sent);
	suite_add_tcase(suite, valid);
	suite_add_tcase(suite, invalid);
	return suite;
}

int main(void)
{
	return unit_run(messages_suite());
}
