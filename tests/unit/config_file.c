/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * config_file.c - the configuration, and what is said about mistakes in it
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services/operator/config.h"
#include "services/operator/config_place.h"
#include "tests/unit/random.h"
#include "tests/unit/unit.h"

static char error[CONFIG_ERROR_BYTES];

static struct config *parse(const char *text)
{
	error[0] = 0;
	return config_parse("f.json", text, strlen(text), error);
}

static const char full[] =
	"{\n"
	"  \"name_servers\": [ \"192.0.2.53\", \"fd00::53\" ],\n"
	"  \"proxies\": [ \"main\", \"second\" ],\n"
	"  \"limits\": { \"circuits\": 100, \"requests_per_s\": 10 },\n"
	"  \"guests\": {\n"
	"    \"web\": {\n"
	"      \"identity\": \"01234567-89ab-cdef-0123-456789abcdef\",\n"
	"      \"addresses\": [ \"10.0.0.2/24\", \"fd00::2/64\", "
	"\"10.0.1.1\" ],\n"
	"      \"connect\": [\n"
	"        { \"to\": \"any\", \"ports\": 443 },\n"
	"        { \"to\": \"192.0.2.0/24\", \"ports\": [ 80, \"8000-8010\", "
	"\"22\" ] }\n"
	"      ],\n"
	"      \"publish\": [\n"
	"        { \"ports\": \"80-89\", \"address\": \"0.0.0.0\", "
	"\"port\": 8080 },\n"
	"        { \"ports\": 443, \"address\": \"::\" }\n"
	"      ],\n"
	"      \"proxy\": \"second\",\n"
	"      \"direct\": false,\n"
	"      \"limits\": { \"listeners\": 3 }\n"
	"    },\n"
	"    \"db\": { \"addresses\": [ \"10.0.0.3/24\" ] }\n"
	"  }\n"
	"}\n";

START_TEST(a_whole_file_is_read)
{
	struct config *c = parse(full);
	const struct config_guest *web, *db;

	ck_assert_msg(c != NULL, "%s", error);
	ck_assert_uint_eq(c->name_servers, 2);
	ck_assert_uint_eq(c->proxies, 2);
	ck_assert_uint_eq(c->guests, 2);
	web = config_find_guest(c, "web");
	db = config_find_guest(c, "db");
	ck_assert_ptr_nonnull(web);
	ck_assert_ptr_null(config_find_guest(c, "we"));
	ck_assert_uint_eq(web->addresses, 3);
	ck_assert_uint_eq(web->address[0].bits, 24);
	ck_assert_uint_eq(web->address[2].bits, 32);
	ck_assert_uint_eq(web->connects, 2);
	ck_assert(web->connect[0].any);
	ck_assert_uint_eq(web->connect[1].ports, 3);
	ck_assert_uint_eq(web->connect[1].port[1].first, 8000);
	ck_assert_uint_eq(web->connect[1].port[1].last, 8010);
	ck_assert_uint_eq(web->publishes, 2);
	ck_assert_uint_eq(web->publish[0].at.port, 8080);
	ck_assert_uint_eq(web->publish[1].at.port, 443);
	ck_assert_str_eq(web->proxy, "second");
	ck_assert_uint_eq(c->proxy_away_s, LIMIT_PROXY_AWAY_S_DEFAULT);
	ck_assert_uint_eq(web->limits.circuits, 100);
	ck_assert_uint_eq(web->limits.listeners, 3);
	ck_assert_uint_eq(web->limits.requests_per_s, 10);
	ck_assert_str_eq(db->proxy, "main");
	ck_assert(!web->direct);
	ck_assert(db->direct);
	ck_assert_uint_eq(db->limits.listeners, LIMIT_LISTENERS_DEFAULT);
	ck_assert_uint_eq(db->connects, 0);
	config_free(c);
}
END_TEST

#define GUEST(inside) "{ \"guests\": {\n \"web\": {\n" inside " } } }"
#define WITH_ADDRESS(inside) GUEST("\"addresses\": [\"10.0.0.2\"],\n" inside)

static const struct {
	const char *text;
	const char *error; /* the beginning */
} mistakes[] = {
	{ "", "f.json:1:" },
	{ "{\n\n  \"guests\": {\n}", "f.json:4:" },
	{ "{ \"guests\": {},\n \"guests\": {} }", "f.json:2:" },
	{ "[]", "f.json:1: expected an object" },
	{ "{}", "f.json:1: key \"guests\" is missing" },
	{ "{\n \"guest\": {} }", "f.json:2: guest: unknown key" },
	{ "{\n \"guests\": [] }", "f.json:2: guests: expected an object" },
	{ "{\"guests\":{\n\n \"web\": 5 }}", "f.json:3: guests.web: expected "
					     "an object {...}, not a number" },
	{ "{\"guests\":{\n \"w b\": {} }}", "f.json:2: guests.w b: \"w b\" is "
					    "no name" },
	{ "{\"guests\":{\n \"\": {} }}", "f.json:2: guests.: \"\" is no name" },
	{ "{\"guests\":{\n \"a\\u00e4\": {} }}", "f.json:2: guests.a\\xc3" },
	{ GUEST(""), "f.json:2: guests.web: key \"addresses\" is missing" },
	{ GUEST("\n\"addresses\": [ ]"), "f.json:4: guests.web.addresses: a "
					 "guest needs" },
	{ GUEST("\"addresses\": [\n\"10.0.0.2/24\",\n \"10.0.0\" ]"),
	  "f.json:5: guests.web.addresses[1]: expected an address" },
	{ GUEST("\"addresses\": [ \"10.0.0.2/33\" ]"), "f.json:3: "
						       "guests.web.addresses[0]"
						       ": the length behind" },
	{ GUEST("\"addresses\": [ \"10.0.0.2/\" ]"), "f.json:3: "
						     "guests.web.addresses[0]: "
						     "the length behind" },
	{ GUEST("\"addresses\": [ \"10.0.0.2/2x\" ]"), "f.json:3: "
						       "guests.web.addresses[0]"
						       ": the length behind" },
	{ GUEST("\"addresses\": [ \"127.0.0.1\" ]"), "f.json:3: "
						     "guests.web.addresses[0]: "
						     "no address that a "
						     "guest" },
	{ GUEST("\"addresses\": [ \"::ffff:10.0.0.1\" ]"), "f.json:3: "
							   "guests.web."
							   "addresses[0]: no "
							   "address that a "
							   "guest" },
	{ GUEST("\"addresses\": [ 7 ]"), "f.json:3: guests.web.addresses[0]: "
					 "expected a text" },
	{ GUEST("\"addresses\": [\"10.0.0.1\"] },\n \"b\": {\n"
		" \"addresses\": [ \"10.0.0.9\",\n \"10.0.0.1\" ]"),
	  "f.json:6: guests.b.addresses[1]: guest \"web\" has this" },
	{ WITH_ADDRESS("\"connect\": 1"), "f.json:4: guests.web.connect: "
					  "expected a list" },
	{ WITH_ADDRESS("\"connect\": [\n 1 ]"), "f.json:5: "
						"guests.web.connect[0]: "
						"expected an object" },
	{ WITH_ADDRESS("\"connect\": [\n { \"to\": \"any\" } ]"), "f.json:5: "
								  "guests.web."
								  "connect[0]: "
								  "key "
								  "\"ports\" "
								  "is "
								  "missing" },
	{ WITH_ADDRESS("\"connect\": [ { \"ports\": 1,\n\"to\": \"10.0.0.1/8\""
		       " } ]"),
	  "f.json:5: guests.web.connect[0].to: expected \"any\"" },
	{ WITH_ADDRESS("\"connect\": [ { \"to\": \"::ffff:10.0.0.1\","
		       "\"ports\": 1 } ]"),
	  "f.json:4: guests.web.connect[0].to: write the IPv4" },
	{ WITH_ADDRESS("\"connect\": [ { \"to\": \"any\",\n \"ports\": 0 } ]"),
	  "f.json:5: guests.web.connect[0].ports: 0 is not between 1 and" },
	{ WITH_ADDRESS("\"connect\": [ { \"to\": \"any\", \"ports\": [] } ]"),
	  "f.json:4: guests.web.connect[0].ports: the list is empty" },
	{ WITH_ADDRESS("\"connect\": [ { \"to\": \"any\", \"ports\": [ 1,\n2,"
		       "\n\"9-3\" ] } ]"),
	  "f.json:6: guests.web.connect[0].ports[2]: \"9-3\" is neither" },
	{ WITH_ADDRESS("\"connect\": [ { \"to\": \"any\", \"ports\": "
		       "\"1-65536\" } ]"),
	  "f.json:4: guests.web.connect[0].ports: \"1-65536\" is neither" },
	{ WITH_ADDRESS("\"connect\": [ { \"to\": \"any\", \"ports\": "
		       "\"http\" } ]"),
	  "f.json:4: guests.web.connect[0].ports: \"http\" is neither" },
	{ WITH_ADDRESS("\"connect\": [ { \"to\": \"any\", \"ports\": 1, "
		       "\"port\": 1 } ]"),
	  "f.json:4: guests.web.connect[0].port: unknown key" },
	{ WITH_ADDRESS("\"publish\": [ { \"ports\": 1 } ]"), "f.json:4: "
							     "guests.web."
							     "publish[0]: key "
							     "\"address\" is "
							     "missing" },
	{ WITH_ADDRESS("\"publish\": [ { \"ports\": 1, \"address\": "
		       "\"224.0.0.1\" } ]"),
	  "f.json:4: guests.web.publish[0].address: nothing can listen" },
	{ WITH_ADDRESS("\"publish\": [ { \"ports\": \"1-1000\", \"address\": "
		       "\"10.0.0.1\", \"port\": 65000 } ]"),
	  "f.json:4: guests.web.publish[0]: the ports end behind" },
	{ "{ \"proxy_away_s\": 0 }", "f.json:1: proxy_away_s: 0 is not "
				     "between" },
	{ WITH_ADDRESS("\"proxy\": \"other\""), "f.json:4: guests.web.proxy: "
						"\"other\" is not in "
						"\"proxies\"" },
	{ WITH_ADDRESS("\"direct\": 1"), "f.json:4: guests.web.direct: "
					 "expected true or false" },
	{ WITH_ADDRESS("\"identity\": \"x\""), "f.json:4: guests.web.identity: "
					       "expected a UUID" },
	{ WITH_ADDRESS("\"limits\": {\n \"circuits\": -1 }"), "f.json:5: "
							      "guests.web."
							      "limits.circuits:"
							      " -1 is not "
							      "between" },
	{ WITH_ADDRESS("\"limits\": {\n \"circuits\": 1.5 }"), "f.json:5: "
							       "guests.web."
							       "limits."
							       "circuits: "
							       "expected a "
							       "number" },
	{ WITH_ADDRESS("\"limits\": { \"request_burst\": 0 }"), "f.json:4: "
								"guests.web."
								"limits."
								"request_burst:"
								" 0 is not "
								"between" },
	{ "{ \"proxies\": [],\n\"guests\": {} }", "f.json:1: proxies: the list "
						  "is empty" },
	{ "{ \"proxies\": [ \"a\",\n\"a\" ], \"guests\": {} }", "f.json:2: "
								"proxies[1]: "
								"\"a\" is "
								"there "
								"already" },
	{ "{ \"udp_proxies\": [ \"a\",\n\"a\" ], \"guests\": {} }", "f.json:2: "
								    "udp_"
								    "proxies[1]"
								    ": \"a\" "
								    "is there "
								    "already" },
	{ WITH_ADDRESS("\"udp_proxy\": \"b\""), "f.json:4: "
						"guests.web.udp_proxy: \"b\" "
						"is not in \"udp_proxies\"" },
	{ WITH_ADDRESS("\"connect\": [ {\"to\":\"any\",\"ports\":1,"
		       "\"protocol\":\"sctp\"} ]"),
	  "f.json:4: guests.web.connect[0].protocol: expected \"tcp\", "
	  "\"udp\" or \"icmp\"" },
	{ WITH_ADDRESS("\"connect\": [ {\"to\":\"any\","
		       "\"protocol\":\"udp\"} ]"),
	  "f.json:4: guests.web.connect[0]: key \"ports\" is missing" },
	{ WITH_ADDRESS("\"publish\": [ {\"ports\":1,"
		       "\"address\":\"0.0.0.0\",\"protocol\":\"icmp\"} ]"),
	  "f.json:4: guests.web.publish[0].protocol: expected \"tcp\" or "
	  "\"udp\"" },
	{ "{ \"proxies\": [ \"a/../b\" ], \"guests\": {} }", "f.json:1: "
							     "proxies[0]: "
							     "\"a/../b\" is no "
							     "name" },
	{ "{ \"proxies\": [ \"a.b\" ], \"guests\": {} }", "f.json:1: "
							  "proxies[0]: an "
							  "instance is of "
							  "a-z" },
	{ "{ \"name_servers\": [ \"localhost\" ], \"guests\": {} }",
	  "f.json:1: name_servers[0]: \"localhost\" is no IP address" },
	{ "{ \"name_servers\": [ \"::1\", \"::2\", \"::3\", \"::4\" ] }",
	  "f.json:1: name_servers: 4 elements, at most 3" },
	{ "[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]", "f.json:1: nested "
							"deeper than" },
};

START_TEST(a_mistake_is_named_with_file_line_and_key)
{
	struct config *c = parse(mistakes[_i].text);

	ck_assert_msg(c == NULL, "accepted: %s", mistakes[_i].text);
	ck_assert_msg(strncmp(error, mistakes[_i].error,
			      strlen(mistakes[_i].error)) == 0,
		      "\"%s\" instead of \"%s\" for %s", error,
		      mistakes[_i].error, mistakes[_i].text);
}
END_TEST

/* Keys that look alike, brackets in texts, escapes: the walk sees through */
START_TEST(a_place_is_found_between_others_that_look_like_it)
{
	static const char text[] = "{ \"a\": \"{\\\"b\\\": [\", \"list\": [ "
				   "[1, \"]\"], {},\n"
				   "  { \"b\": 1, \"x\\\"y\": 2,\n"
				   "    \"b\\u0063\": [ { \"k\": 1 },\n"
				   "      { \"k\": 2 } ] } ] }";
	struct config_place top = { NULL, NULL, 0 };
	struct config_place list = { &top, "list", 0 };
	struct config_place element = { &list, NULL, 2 };
	struct config_place key = { &element, "bc", 0 };
	struct config_place inner = { &key, NULL, 1 };
	struct config_place k = { &inner, "k", 0 };
	struct config_place quoted = { &element, "x\"y", 0 };
	struct config_place missing = { &element, "none", 0 };
	char shown[64];

	ck_assert_str_eq(config_place_text(&k, shown, sizeof(shown)), "list[2]."
								      "bc[1]."
								      "k");
	ck_assert_uint_eq(config_place_line(&top, text, strlen(text)), 1);
	ck_assert_uint_eq(config_place_line(&element, text, strlen(text)), 2);
	ck_assert_uint_eq(config_place_line(&quoted, text, strlen(text)), 2);
	ck_assert_uint_eq(config_place_line(&key, text, strlen(text)), 3);
	ck_assert_uint_eq(config_place_line(&k, text, strlen(text)), 4);
	ck_assert_uint_eq(config_place_line(&missing, text, strlen(text)), 2);
}
END_TEST

/* Any one byte changed: refused with a place, or still a configuration */
START_TEST(a_damaged_file_never_harms)
{
	static const char odd[] = "{}[]\",:\\0-9/.\n\xff";
	struct random r = random_seed((uint64_t)_i);
	char text[sizeof(full)];
	int round;

	for (round = 0; round < 500; round++) {
		struct config *c;
		uint32_t cuts = random_between(&r, 1, 3);

		memcpy(text, full, sizeof(full));
		while (cuts--)
			text[random_below(&r, sizeof(full) - 1)] =
				odd[random_below(&r, sizeof(odd) - 1)];
		c = config_parse("f.json", text,
				 random_below(&r, 4)
					 ? sizeof(full) - 1
					 : random_below(&r, sizeof(full)),
				 error);
		if (!c)
			ck_assert_int_eq(strncmp(error, "f.json:", 7), 0);
		config_free(c);
	}
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_named)
{
	ck_assert_ptr_null(config_load("/nowhere/switchboard.json", error));
	ck_assert_str_eq(error, "/nowhere/switchboard.json: No such file or "
				"directory");
	ck_assert_ptr_null(config_load("/", error));
	ck_assert_str_eq(error, "/: Is a directory");
	ck_assert_ptr_null(config_load("/dev/zero", error));
	ck_assert_ptr_nonnull(strstr(error, "more than"));
}
END_TEST

static Suite *config_suite(void)
{
	Suite *suite = suite_create("configuration");
	TCase *t = tcase_create("file");

	tcase_add_test(t, a_whole_file_is_read);
	tcase_add_loop_test(t, a_mistake_is_named_with_file_line_and_key, 0,
			    sizeof(mistakes) / sizeof(mistakes[0]));
	tcase_add_test(t, a_place_is_found_between_others_that_look_like_it);
	tcase_add_loop_test(t, a_damaged_file_never_harms, 0, 8);
	tcase_add_test(t, a_file_that_cannot_be_read_is_named);
	suite_add_tcase(suite, t);
	return suite;
}

int main(void)
{
	return unit_run(config_suite());
}
