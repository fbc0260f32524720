/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * policy_rules.c - who may connect where and publish what
 *
 * Dom0 of these tests has 192.0.2.1, fd00::1 and the broadcast address
 * 192.0.2.255.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "services/operator/book.h"
#include "services/common/bucket.h"
#include "services/operator/host.h"
#include "services/operator/policy.h"
#include "services/operator/published.h"
#include "tests/unit/random.h"
#include "tests/unit/unit.h"

static const char text[] =
	"{ \"guests\": {"
	"  \"any\": { \"addresses\": [\"10.0.0.2\"], \"connect\": ["
	"    {\"to\":\"any\",\"ports\":\"1-65535\"} ] },"
	"  \"wide\": { \"addresses\": [\"10.0.0.3\"], \"connect\": ["
	"    {\"to\":\"0.0.0.0/0\",\"ports\":\"1-65535\"},"
	"    {\"to\":\"::/0\",\"ports\":\"1-65535\"} ] },"
	"  \"named\": { \"addresses\": [\"10.0.0.4\"], \"connect\": ["
	"    {\"to\":\"127.0.0.1\",\"ports\":80},"
	"    {\"to\":\"192.0.2.1\",\"ports\":80},"
	"    {\"to\":\"169.254.169.254\",\"ports\":80},"
	"    {\"to\":\"10.0.0.2\",\"ports\":80},"
	"    {\"to\":\"fe80::5%2\",\"ports\":80},"
	"    {\"to\":\"198.51.100.0/28\",\"ports\":[80,\"90-92\"]},"
	"    {\"to\":\"2001:db8::/32\",\"ports\":443} ] },"
	"  \"none\": { \"addresses\": [\"10.0.0.5\"] },"
	"  \"host\": { \"addresses\": [\"10.0.0.6\"], \"publish\": ["
	"    {\"ports\":\"80-89\",\"address\":\"192.0.2.1\",\"port\":8080},"
	"    {\"ports\":443,\"address\":\"::\"},"
	"    {\"ports\":443,\"address\":\"0.0.0.0\",\"port\":8443} ] },"
	"  \"mixed\": { \"addresses\": [\"10.0.0.7\"], \"connect\": ["
	"    {\"to\":\"192.0.2.0/24\",\"ports\":53,\"protocol\":\"udp\"},"
	"    {\"to\":\"198.51.100.0/24\",\"ports\":80,\"protocol\":\"tcp\"},"
	"    {\"to\":\"203.0.113.0/24\",\"protocol\":\"icmp\"} ],"
	"    \"publish\": ["
	"    {\"ports\":53,\"address\":\"0.0.0.0\",\"port\":5300,"
	"     \"protocol\":\"udp\"},"
	"    {\"ports\":53,\"address\":\"0.0.0.0\",\"port\":5301,"
	"     \"protocol\":\"tcp\"} ] }"
	"} }";

static struct config *config;
static struct host host;

static void set_up(void)
{
	char error[CONFIG_ERROR_BYTES];
	static const char *const own[] = { "192.0.2.1", "fd00::1",
					   "192.0.2.255" };
	unsigned int i;

	config = config_parse("policy", text, strlen(text), error);
	ck_assert_msg(config != NULL, "%s", error);
	memset(&host, 0, sizeof(host));
	for (i = 0; i < 3; i++)
		address_parse(&host.address[i].address, own[i]);
	host.addresses = 3;
}

static void tear_down(void)
{
	config_free(config);
}

static const struct {
	const char *guest;
	const char *to;
	uint16_t port;
	int verdict;
} connects[] = {
	{ "any", "198.51.100.7", 1, 0 },
	{ "any", "198.51.100.7", 65535, 0 },
	{ "any", "198.51.100.7", 0, EACCES },
	{ "any", "2001:db8::7", 80, 0 },
	{ "any", "10.200.0.1", 80, 0 },
	/* Dom0's own, and what reaches it */
	{ "any", "192.0.2.1", 80, EACCES },
	{ "any", "192.0.2.255", 80, EACCES },
	{ "any", "192.0.2.2", 80, 0 },
	{ "any", "fd00::1", 80, EACCES },
	{ "any", "fd00::2", 80, 0 },
	{ "any", "::ffff:192.0.2.1", 80, EACCES },
	{ "any", "127.0.0.1", 80, EACCES },
	{ "any", "127.255.255.254", 80, EACCES },
	{ "any", "::1", 80, EACCES },
	{ "any", "::ffff:127.0.0.1", 80, EACCES },
	{ "any", "0.0.0.0", 80, EACCES },
	{ "any", "0.0.0.1", 80, EACCES },
	{ "any", "::", 80, EACCES },
	{ "any", "::ffff:0.0.0.0", 80, EACCES },
	{ "any", "::7f00:1", 80, EACCES },
	/* link-local, metadata services */
	{ "any", "169.254.169.254", 80, EACCES },
	{ "any", "169.254.0.1", 80, EACCES },
	{ "any", "::ffff:169.254.169.254", 80, EACCES },
	{ "any", "fe80::1", 80, EACCES },
	{ "any", "fe80::1%3", 80, EACCES },
	{ "any", "febf::1", 80, EACCES },
	{ "any", "fec0::1", 80, EACCES },
	/* to many, to none */
	{ "any", "224.0.0.1", 80, EACCES },
	{ "any", "239.255.255.255", 80, EACCES },
	{ "any", "ff02::1", 80, EACCES },
	{ "any", "255.255.255.255", 80, EACCES },
	{ "any", "240.0.0.1", 80, EACCES },
	/* IPv4 by another name */
	{ "any", "64:ff9b::7f00:1", 80, EACCES },
	{ "any", "2002:7f00:1::", 80, EACCES },
	{ "any", "::ffff:0:127.0.0.1", 80, EACCES },
	/* guests */
	{ "any", "10.0.0.3", 80, EACCES },
	{ "any", "10.0.0.2", 80, EACCES },
	/* a network is as little as "any" */
	{ "wide", "198.51.100.7", 80, 0 },
	{ "wide", "192.0.2.1", 80, EACCES },
	{ "wide", "127.0.0.1", 80, EACCES },
	{ "wide", "::1", 80, EACCES },
	{ "wide", "169.254.169.254", 80, EACCES },
	{ "wide", "fe80::1", 80, EACCES },
	/* named */
	{ "named", "127.0.0.1", 80, 0 },
	{ "named", "127.0.0.1", 81, EACCES },
	{ "named", "127.0.0.2", 80, EACCES },
	{ "named", "::ffff:127.0.0.1", 80, 0 },
	{ "named", "192.0.2.1", 80, 0 },
	{ "named", "192.0.2.1", 443, EACCES },
	{ "named", "169.254.169.254", 80, 0 },
	{ "named", "10.0.0.2", 80, 0 },
	{ "named", "fe80::5%2", 80, 0 },
	{ "named", "fe80::5%3", 80, EACCES },
	{ "named", "fe80::5", 80, EACCES },
	{ "named", "198.51.100.15", 80, 0 },
	{ "named", "198.51.100.16", 80, EACCES },
	{ "named", "198.51.100.1", 91, 0 },
	{ "named", "198.51.100.1", 93, EACCES },
	{ "named", "2001:db8:ffff::1", 443, 0 },
	{ "named", "2001:db9::1", 443, EACCES },
	{ "none", "198.51.100.7", 80, EACCES },
};

START_TEST(a_guest_connects_only_where_it_may)
{
	struct sb_address a;
	int verdict;

	ck_assert_int_eq(address_parse(&a, connects[_i].to), 0);
	a.port = connects[_i].port;
	a = address_unmap(&a);
	verdict = policy_connect(config,
				 config_find_guest(config, connects[_i].guest),
				 &host, CONFIG_TCP, &a);
	ck_assert_msg(verdict == connects[_i].verdict, "%s to %s port %u: %d",
		      connects[_i].guest, connects[_i].to, connects[_i].port,
		      verdict);
}
END_TEST

static const struct {
	const char *guest;
	uint32_t protocol;
	const char *to;
	uint16_t port;
	int verdict;
} protocols[] = {
	/* a rule without a protocol is for all, and an echo has no port */
	{ "any", CONFIG_UDP, "198.51.100.7", 53, 0 },
	{ "any", CONFIG_ICMP, "198.51.100.7", 0, 0 },
	{ "named", CONFIG_ICMP, "198.51.100.1", 0, 0 },
	{ "named", CONFIG_UDP, "198.51.100.1", 81, EACCES },
	/* Dom0's own, and loopback, have to be named for a ping too */
	{ "any", CONFIG_ICMP, "192.0.2.1", 0, EACCES },
	{ "any", CONFIG_ICMP, "127.0.0.1", 0, EACCES },
	{ "any", CONFIG_UDP, "255.255.255.255", 67, EACCES },
	{ "any", CONFIG_UDP, "224.0.0.251", 5353, EACCES },
	{ "mixed", CONFIG_UDP, "192.0.2.9", 53, 0 },
	{ "mixed", CONFIG_TCP, "192.0.2.9", 53, EACCES },
	{ "mixed", CONFIG_ICMP, "192.0.2.9", 0, EACCES },
	{ "mixed", CONFIG_TCP, "198.51.100.7", 80, 0 },
	{ "mixed", CONFIG_UDP, "198.51.100.7", 80, EACCES },
	{ "mixed", CONFIG_ICMP, "203.0.113.5", 0, 0 },
	{ "mixed", CONFIG_UDP, "203.0.113.5", 53, EACCES },
};

START_TEST(a_rule_is_for_its_protocol)
{
	struct sb_address a;

	ck_assert_int_eq(address_parse(&a, protocols[_i].to), 0);
	a.port = protocols[_i].port;
	ck_assert_int_eq(
		policy_connect(config,
			       config_find_guest(config, protocols[_i].guest),
			       &host, protocols[_i].protocol, &a),
		protocols[_i].verdict);
}
END_TEST

START_TEST(a_port_is_published_for_each_protocol)
{
	const struct config_guest *g = config_find_guest(config, "mixed");
	struct sb_address local, at;

	address_parse(&local, "0.0.0.0");
	local.port = 53;
	ck_assert_int_eq(policy_publish(g, CONFIG_UDP, &local, &at), 0);
	ck_assert_uint_eq(at.port, 5300);
	ck_assert_int_eq(policy_publish(g, CONFIG_TCP, &local, &at), 0);
	ck_assert_uint_eq(at.port, 5301);
	/* and that is where other guests are led */
	address_parse(&local, "10.0.0.7");
	local.port = 53;
	ck_assert_int_eq(policy_route(config, CONFIG_UDP, &local), 0);
	ck_assert_uint_eq(local.port, 5300);
	address_parse(&local, "10.0.0.7");
	ck_assert_int_eq(policy_route(config, CONFIG_ICMP, &local),
			 EHOSTUNREACH);
	/* bind(port 0) of a listener takes no port of the others */
	address_parse(&local, "0.0.0.0");
	ck_assert_uint_eq(policy_nth_port(g, &local, 0), 53);
	ck_assert_uint_eq(policy_nth_port(g, &local, 1), 0);
}
END_TEST

START_TEST(when_dom0s_addresses_are_unknown_nothing_wide_is_allowed)
{
	struct sb_address a;

	address_parse(&a, "198.51.100.7");
	a.port = 80;
	host.overflow = true;
	ck_assert_int_eq(policy_connect(config,
					config_find_guest(config, "any"), &host,
					CONFIG_TCP, &a),
			 EACCES);
}
END_TEST

static const struct {
	const char *guest;
	const char *local;
	uint16_t port;
	uint16_t verdict;
	const char *at;
	uint16_t at_port;
} publishes[] = {
	{ "host", "0.0.0.0", 80, 0, "192.0.2.1", 8080 },
	{ "host", "10.0.0.6", 89, 0, "192.0.2.1", 8089 },
	{ "host", "0.0.0.0", 79, EACCES, "", 0 },
	{ "host", "0.0.0.0", 90, EACCES, "", 0 },
	{ "host", "::", 80, 0, "192.0.2.1", 8080 },
	{ "host", "::", 443, 0, "::", 443 },
	{ "host", "0.0.0.0", 443, 0, "0.0.0.0", 8443 },
	{ "none", "0.0.0.0", 80, EACCES, "", 0 },
	{ "any", "::", 80, EACCES, "", 0 },
};

START_TEST(a_guest_publishes_only_what_it_may)
{
	struct sb_address local, at;
	char shown[ADDRESS_TEXT_BYTES];

	address_parse(&local, publishes[_i].local);
	local.port = publishes[_i].port;
	ck_assert_int_eq(
		policy_publish(config_find_guest(config, publishes[_i].guest),
			       CONFIG_TCP, &local, &at),
		publishes[_i].verdict);
	if (publishes[_i].verdict)
		return;
	ck_assert_str_eq(address_text(&at, shown, sizeof(shown)),
			 publishes[_i].at);
	ck_assert_uint_eq(at.port, publishes[_i].at_port);
}
END_TEST

START_TEST(a_socket_on_both_families_takes_a_rule_for_each)
{
	const struct config_guest *g = config_find_guest(config, "host");
	struct sb_address local, at[2];
	char shown[ADDRESS_TEXT_BYTES];

	address_parse(&local, "::");
	local.port = 443;
	ck_assert_int_eq(policy_publish_both(g, CONFIG_TCP, &local, at), 0);
	ck_assert_str_eq(address_text(&at[0], shown, sizeof(shown)), "::");
	ck_assert_uint_eq(at[0].port, 443);
	ck_assert_str_eq(address_text(&at[1], shown, sizeof(shown)), "0.0.0.0");
	ck_assert_uint_eq(at[1].port, 8443);
	/* there may be only one, of either family */
	local.port = 80;
	ck_assert_int_eq(policy_publish_both(g, CONFIG_TCP, &local, at), 0);
	ck_assert_uint_eq(at[0].family, SB_FAMILY_IPV4);
	ck_assert_uint_eq(at[1].family, SB_FAMILY_NONE);
	local.port = 79;
	ck_assert_int_eq(policy_publish_both(g, CONFIG_TCP, &local, at),
			 EACCES);
}
END_TEST

static const struct {
	const char *to;
	uint16_t port;
	uint16_t verdict;
	const char *at;
	uint16_t at_port;
} routes[] = {
	{ "10.0.0.6", 81, 0, "192.0.2.1", 8081 },
	{ "10.0.0.6", 443, 0, "127.0.0.1", 8443 },
	{ "10.0.0.6", 444, ECONNREFUSED, "", 0 },
	{ "10.0.0.5", 80, ECONNREFUSED, "", 0 },
	{ "203.0.113.1", 444, 0, "203.0.113.1", 444 },
};

START_TEST(what_is_another_guests_goes_where_that_guest_publishes)
{
	char shown[ADDRESS_TEXT_BYTES];
	struct sb_address a;

	address_parse(&a, routes[_i].to);
	a.port = routes[_i].port;
	ck_assert_int_eq(policy_route(config, CONFIG_TCP, &a),
			 routes[_i].verdict);
	if (routes[_i].verdict)
		return;
	ck_assert_str_eq(address_text(&a, shown, sizeof(shown)), routes[_i].at);
	ck_assert_uint_eq(a.port, routes[_i].at_port);
}
END_TEST

START_TEST(ports_that_may_be_published_are_counted_off)
{
	const struct config_guest *g = config_find_guest(config, "host");
	struct sb_address v4, v6;

	address_parse(&v4, "0.0.0.0");
	address_parse(&v6, "::");
	ck_assert_uint_eq(policy_nth_port(g, &v4, 0), 80);
	ck_assert_uint_eq(policy_nth_port(g, &v4, 9), 89);
	ck_assert_uint_eq(policy_nth_port(g, &v4, 10), 443);
	ck_assert_uint_eq(policy_nth_port(g, &v4, 11), 0);
	ck_assert_uint_eq(policy_nth_port(g, &v6, 10), 443);
	ck_assert_uint_eq(
		policy_nth_port(config_find_guest(config, "none"), &v4, 0), 0);
}
END_TEST

/* --- Dom0's addresses --- */

static size_t make_netlink(char *to, uint16_t type, const char *address)
{
	struct nlmsghdr *m = (struct nlmsghdr *)(void *)to;
	struct ifaddrmsg *message = NLMSG_DATA(m);
	struct rtattr *attribute = IFA_RTA(message);
	struct sb_address a;
	size_t bytes;

	address_parse(&a, address);
	bytes = a.family == SB_FAMILY_IPV4 ? 4 : 16;
	memset(to, 0, 128);
	m->nlmsg_type = type;
	message->ifa_family = bytes == 4 ? AF_INET : AF_INET6;
	message->ifa_index = 2;
	attribute->rta_type = IFA_ADDRESS;
	attribute->rta_len = (unsigned short)RTA_LENGTH(bytes);
	memcpy(RTA_DATA(attribute), a.bytes, bytes);
	m->nlmsg_len =
		(uint32_t)(NLMSG_LENGTH(sizeof(*message)) + RTA_LENGTH(bytes));
	return m->nlmsg_len;
}

START_TEST(addresses_that_come_and_go_are_followed)
{
	char m[128] __attribute__((aligned(8)));
	struct sb_address a;
	unsigned int i;

	address_parse(&a, "203.0.113.9");
	ck_assert(!host_has(&host, &a));
	host_take(&host, m, make_netlink(m, RTM_NEWADDR, "203.0.113.9"));
	host_take(&host, m, make_netlink(m, RTM_NEWADDR, "203.0.113.9"));
	ck_assert(host_has(&host, &a));
	ck_assert_uint_eq(host.addresses, 4);
	host_take(&host, m, make_netlink(m, RTM_DELADDR, "203.0.113.9"));
	ck_assert(!host_has(&host, &a));
	/* cut short anywhere */
	for (i = 0; i < 40; i++) {
		size_t bytes = make_netlink(m, RTM_NEWADDR, "fd00::77");

		((struct nlmsghdr *)(void *)m)->nlmsg_len = i;
		host_take(&host, m, bytes);
		((struct nlmsghdr *)(void *)m)->nlmsg_len = (uint32_t)bytes;
		host_take(&host, m, i);
	}
}
END_TEST

START_TEST(this_machines_loopback_is_found)
{
	struct host here;
	struct sb_address a;

	address_parse(&a, "127.0.0.1");
	ck_assert_int_eq(host_open(&here), 0);
	ck_assert(host_has(&here, &a));
	ck_assert_int_eq(host_update(&here), 0);
	host_close(&here);
}
END_TEST

/* --- books and buckets --- */

START_TEST(a_book_is_what_a_plain_array_would_be)
{
	static uint32_t model[SB_ENTRIES_MAX];
	struct random r = random_seed(5);
	static struct book b;
	uint32_t round, entry, count = 0;
	struct book_record *record;

	for (round = 0; round < 20000; round++) {
		entry = random_below(&r, SB_ENTRIES_MAX / 64) * 61;
		record = book_find(&b, entry);
		ck_assert_uint_eq(record ? record->generation : 0,
				  model[entry]);
		if (record) {
			book_remove(&b, record);
			model[entry] = 0;
			count--;
		} else {
			model[entry] = random_between(&r, 1, SB_GENERATION_MAX);
			ck_assert_ptr_nonnull(
				book_add(&b, entry, model[entry]));
			count++;
		}
		ck_assert_uint_eq(b.listeners, count);
	}
	for (record = book_next(&b, 0); record;
	     record = book_next(&b, record->entry + 1)) {
		ck_assert_uint_eq(record->generation, model[record->entry]);
		count--;
	}
	ck_assert_uint_eq(count, 0);
	while ((record = book_next(&b, 0)))
		book_remove(&b, record);
	ck_assert_uint_eq(b.listeners, 0);
	ck_assert_ptr_null(book_find(&b, SB_ENTRIES_MAX));
	ck_assert_ptr_null(book_add(&b, SB_ENTRIES_MAX, 1));
}
END_TEST

START_TEST(what_is_published_is_known_until_it_is_removed)
{
	static struct published p;
	static struct book b, c;
	struct book_record *r[32];
	struct sb_address places[BOOK_PLACES] = { 0 }, at;
	int i;

	address_parse(&at, "192.0.2.1");
	for (i = 0; i < 32; i++) {
		r[i] = book_add(&b, (uint32_t)i, 1);
		at.port = (uint16_t)(i * 512 + 80); /* all in one bucket */
		places[0] = at;
		published_move(&p, r[i], places);
	}
	for (i = 31; i >= 0; i -= 2) {
		published_remove(&p, r[i]);
		published_remove(&p, r[i]);
	}
	for (i = 0; i < 32; i++) {
		at.port = (uint16_t)(i * 512 + 80);
		ck_assert_int_eq(published_elsewhere(&p, &at, &b), 0);
		ck_assert_int_eq(published_elsewhere(&p, &at, &c), !(i & 1));
		ck_assert_int_eq(published_has(&p, &at), !(i & 1));
	}
	while ((r[0] = book_next(&b, 0)))
		book_remove(&b, r[0]);
}
END_TEST

START_TEST(a_listener_may_be_published_at_two_places)
{
	static struct published p;
	static struct book b;
	struct book_record *r = book_add(&b, 3, 1);
	struct sb_address six[BOOK_PLACES] = { 0 }, both[BOOK_PLACES];

	address_parse(&six[0], "2001:db8::1");
	six[0].port = 80;
	both[0] = six[0];
	address_parse(&both[1], "192.0.2.1");
	both[1].port = 8080;
	published_move(&p, r, both);
	ck_assert(published_has(&p, &both[0]));
	ck_assert(published_has(&p, &both[1]));
	ck_assert(!published_elsewhere(&p, &both[1], &b));
	/* booked again, at one of them */
	published_move(&p, r, six);
	ck_assert(published_has(&p, &both[0]));
	ck_assert(!published_has(&p, &both[1]));
	published_remove(&p, r);
	ck_assert(!published_has(&p, &both[0]));
	book_remove(&b, r);
}
END_TEST

START_TEST(a_bucket_gives_its_burst_and_then_its_rate)
{
	struct bucket b;
	uint64_t now = 1000000;
	int given = 0;

	bucket_init(&b, 100, 20, now);
	while (bucket_has(&b, now)) {
		bucket_take(&b);
		given++;
	}
	ck_assert_int_eq(given, 20);
	ck_assert_uint_le(bucket_wait_ms(&b), 11);
	for (given = 0; now < 1010000; now++) {
		if (bucket_has(&b, now)) {
			bucket_take(&b);
			given++;
		}
	}
	ck_assert_int_ge(given, 990);
	ck_assert_int_le(given, 1000);
	/* idling fills it, up to the burst */
	for (given = 0, now += 3600000u; bucket_has(&b, now); given++)
		bucket_take(&b);
	ck_assert_int_eq(given, 20);
}
END_TEST

static Suite *policy_suite(void)
{
	Suite *suite = suite_create("policy");
	TCase *t = tcase_create("policy");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_loop_test(t, a_guest_connects_only_where_it_may, 0,
			    sizeof(connects) / sizeof(connects[0]));
	tcase_add_loop_test(t, a_rule_is_for_its_protocol, 0,
			    sizeof(protocols) / sizeof(protocols[0]));
	tcase_add_test(t, a_port_is_published_for_each_protocol);
	tcase_add_test(
		t, when_dom0s_addresses_are_unknown_nothing_wide_is_allowed);
	tcase_add_loop_test(t, a_guest_publishes_only_what_it_may, 0,
			    sizeof(publishes) / sizeof(publishes[0]));
	tcase_add_test(t, a_socket_on_both_families_takes_a_rule_for_each);
	tcase_add_loop_test(
		t, what_is_another_guests_goes_where_that_guest_publishes, 0,
		sizeof(routes) / sizeof(routes[0]));
	tcase_add_test(t, ports_that_may_be_published_are_counted_off);
	tcase_add_test(t, addresses_that_come_and_go_are_followed);
	tcase_add_test(t, this_machines_loopback_is_found);
	tcase_add_test(t, a_book_is_what_a_plain_array_would_be);
	tcase_add_test(t, what_is_published_is_known_until_it_is_removed);
	tcase_add_test(t, a_listener_may_be_published_at_two_places);
	tcase_add_test(t, a_bucket_gives_its_burst_and_then_its_rate);
	suite_add_tcase(suite, t);
	return suite;
}

int main(void)
{
	return unit_run(policy_suite());
}
