// SPDX-License-Identifier: GPL-2.0-only
/*
 * datagram_rest.c - which of many sockets goes to rest, and when
 */
#include <stdlib.h>
#include <string.h>

#include "services/common/limits.h"
#include "services/proxy-udp/udp.h"
#include "tests/unit/unit.h"

#define MANY (LIMIT_LINE_OUTLETS + 100u)

static struct proxy proxy;
static struct udp_line line[2];
static struct datagrams *circuit;
static struct outlet *outlet;

/* What outlet.c does of it that counts here */
void outlet_rest(struct outlet *o)
{
	o->watch.fd = -1;
	rest_end(o);
}

void proxy_for_each_line(struct proxy *p, void (*visit)(struct line *l))
{
	(void)p;
	for (int i = 0; i < 2; i++)
		visit(&line[i].line);
}

static void setup(void)
{
	memset(&proxy, 0, sizeof(proxy));
	memset(line, 0, sizeof(line));
	proxy.service.loop.now_ms = 1000;
	line[0].line.proxy = &proxy;
	line[1].line.proxy = &proxy;
	circuit = calloc(MANY, sizeof(*circuit));
	outlet = calloc(MANY, sizeof(*outlet));
}

static void teardown(void)
{
	free(circuit);
	free(outlet);
}

/* Sockets @from to @to - 1 are the line's */
static void open_some(struct udp_line *ul, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++) {
		circuit[i].circuit.line = &ul->line;
		outlet[i].at = &circuit[i];
		outlet[i].watch.fd = 100;
		rest_make_room(ul);
		rest_begin(&outlet[i]);
	}
}

static uint32_t count_resting(uint32_t to)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < to; i++)
		count += outlet_rests(&outlet[i]);
	return count;
}

START_TEST(few_sockets_never_rest)
{
	open_some(&line[0], 0, LIMIT_LINE_OUTLETS);
	proxy.service.loop.now_ms += 1000000;
	rest_touch(&outlet[7]);
	ck_assert_uint_eq(count_resting(LIMIT_LINE_OUTLETS), 0);
}
END_TEST

START_TEST(what_was_just_used_does_not_rest)
{
	open_some(&line[0], 0, MANY);
	ck_assert_uint_eq(count_resting(MANY), 0);
	ck_assert_uint_eq(line[0].outlets, MANY);
}
END_TEST

START_TEST(idle_ones_rest_when_others_are_opened)
{
	open_some(&line[0], 0, MANY - 1);
	proxy.service.loop.now_ms += LIMIT_OUTLET_IDLE_MS;
	rest_touch(&outlet[0]);
	open_some(&line[0], MANY - 1, MANY);
	/* those that are the oldest by use, a few at once */
	ck_assert_uint_eq(count_resting(MANY), LIMIT_REST_BURST);
	ck_assert(!outlet_rests(&outlet[0]));
	for (uint32_t i = 1; i <= LIMIT_REST_BURST; i++)
		ck_assert(outlet_rests(&outlet[i]));
}
END_TEST

START_TEST(datagrams_that_wait_keep_their_socket)
{
	open_some(&line[0], 0, MANY);
	proxy.service.loop.now_ms += LIMIT_OUTLET_IDLE_MS;
	outlet[0].readable = true;
	rest_make_room(&line[0]);
	ck_assert_uint_eq(count_resting(MANY), 0);
}
END_TEST

START_TEST(whoever_has_the_most_gives_one)
{
	open_some(&line[0], 0, 10);
	open_some(&line[1], 10, 31);
	ck_assert(rest_one(&proxy));
	ck_assert(outlet_rests(&outlet[10]));
	for (int i = 0; i < 10; i++)
		ck_assert(rest_one(&proxy));
	/* ten and ten: now they take turns */
	ck_assert_uint_eq(count_resting(10), 0);
	for (int i = 0; i < 20; i++)
		ck_assert(rest_one(&proxy));
	ck_assert_uint_eq(count_resting(31), 31);
	ck_assert(!rest_one(&proxy));
}
END_TEST

START_TEST(those_that_others_know_do_not_rest)
{
	open_some(&line[0], 0, 10);
	for (int i = 0; i < 10; i++) {
		outlet[i].published = i % 3 == 0;
		outlet[i].joined = i % 3 == 1;
	}
	for (int i = 0; i < 3; i++)
		ck_assert(rest_one(&proxy));
	ck_assert(!rest_one(&proxy));
	for (int i = 0; i < 10; i++)
		ck_assert(outlet_rests(&outlet[i]) == (i % 3 == 2));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("datagram_rest");
	TCase *tcase = tcase_create("rest");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, few_sockets_never_rest);
	tcase_add_test(tcase, what_was_just_used_does_not_rest);
	tcase_add_test(tcase, idle_ones_rest_when_others_are_opened);
	tcase_add_test(tcase, datagrams_that_wait_keep_their_socket);
	tcase_add_test(tcase, whoever_has_the_most_gives_one);
	tcase_add_test(tcase, those_that_others_know_do_not_rest);
	suite_add_tcase(suite, tcase);
	return unit_run(suite);
}
