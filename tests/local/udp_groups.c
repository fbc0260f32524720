// SPDX-License-Identifier: GPL-2.0-only
/*
 * udp_groups.c - multicast groups that a guest's socket joins, and its sources
 *
 * The machine's own multicast on the loopback interface.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "services/common/address.h"
#include "tests/local/stage_udp.h"
#include "tests/unit/unit.h"

static struct stage stage;
static struct guest_line *line;

static void setup(void)
{
	line = stage_open_attached_udp(&stage);
}

static void teardown(void)
{
	stage_close_attached(&stage, line);
}

/* What @c sends now goes out when every record before it is dealt with */
static void records_done(struct guest_circuit *c, int fd,
			 const struct sb_address *to, bool known)
{
	char byte;

	ck_assert_int_eq(guest_datagram_send(c, to, "x", 1), 0);
	if (!known)
		stage_udp_allow(&stage, to);
	ck_assert_int_eq(stage_udp_take(fd, &byte, 1, NULL), 1);
}

START_TEST(groups_are_joined_where_they_may_be_sent_to)
{
	struct sb_address own = stage_udp_own(SB_FAMILY_IPV4, 5353);
	struct sb_address place = { .family = SB_FAMILY_IPV4 }, group, here;
	struct guest_circuit *c =
		stage_udp_publish(&stage, line, 2, &own, &place);
	struct sb_datagram h = { .kind = SB_DATAGRAM_JOIN, .interface = 1 };
	struct ip_mreqn via = { .imr_ifindex = 1 };
	char byte;
	int fd = stage_udp_socket(SB_FAMILY_IPV4, &here);

	address_parse(&h.remote, "239.1.2.3");
	h.remote.port = c->shared->local.port;
	ck_assert_int_eq(guest_datagram_put(c, &h, NULL), 0);
	stage_udp_allow(&stage, &h.remote);
	group = h.remote;
	ck_assert_int_eq(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &via,
				    sizeof(via)),
			 0);
	records_done(c, fd, &here, false);
	stage_udp_give(fd, &group, "m", 1);
	ck_assert_int_eq(guest_datagram_wait(c, &h, &byte, 1, STAGE_TIMEOUT_MS),
			 1);
	h = (struct sb_datagram){ .kind = SB_DATAGRAM_LEAVE,
				  .interface = 1,
				  .remote = group };
	ck_assert_int_eq(guest_datagram_put(c, &h, NULL), 0);
	records_done(c, fd, &here, true);
	stage_udp_give(fd, &group, "m", 1);
	ck_assert_int_eq(guest_datagram_wait(c, &h, &byte, 1, 50), -ETIMEDOUT);
	close(fd);
}
END_TEST

/* The socket's answer to a record about a group, and to a datagram after it */
static void change_group(struct guest_circuit *c, const struct sb_datagram *h,
			 int error)
{
	struct sb_datagram told;

	ck_assert_int_eq(guest_datagram_put(c, h, NULL), 0);
	if (!error)
		return;
	ck_assert_int_ge(
		guest_datagram_wait(c, &told, NULL, 0, STAGE_TIMEOUT_MS), 0);
	ck_assert_uint_eq(told.kind, SB_DATAGRAM_ERROR_LOCAL);
	ck_assert_int_eq(told.error, error);
}

/* Does a group's datagram from here arrive? One that follows always does */
static void heard(struct guest_circuit *c, int fd, const struct sb_address *at,
		  const struct sb_address *group, bool expected)
{
	struct sb_datagram h;
	char byte;

	stage_udp_give(fd, group, "m", 1);
	if (!expected)
		stage_udp_give(fd, at, "u", 1);
	ck_assert_int_eq(guest_datagram_wait(c, &h, &byte, 1, STAGE_TIMEOUT_MS),
			 1);
	ck_assert_int_eq(byte, expected ? 'm' : 'u');
}

/* Sources: what Linux makes of them for the guest's socket */
START_TEST(members_hear_the_sources_that_they_want)
{
	struct sb_address own = stage_udp_own(SB_FAMILY_IPV4, 5353);
	struct sb_address place = { .family = SB_FAMILY_IPV4 }, here, at;
	struct guest_circuit *c =
		stage_udp_publish(&stage, line, 2, &own, &place);
	struct sb_datagram h = { .flags = SB_DATAGRAM_LOCAL, .interface = 1 };
	struct ip_mreqn via = { .imr_ifindex = 1 };
	int fd = stage_udp_socket(SB_FAMILY_IPV4, &here);

	ck_assert_int_eq(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &via,
				    sizeof(via)),
			 0);
	address_parse(&h.remote, "239.1.2.3");
	h.remote.port = c->shared->local.port;
	at = stage_udp_own(SB_FAMILY_IPV4, h.remote.port);
	memcpy(at.bytes, here.bytes, sizeof(at.bytes));
	memcpy(h.local, here.bytes, sizeof(h.local));
	/* from this machine only */
	h.kind = SB_DATAGRAM_JOIN;
	change_group(c, &h, 0);
	stage_udp_allow(&stage, &h.remote);
	records_done(c, fd, &here, false);
	heard(c, fd, &at, &h.remote, true);
	h.kind = SB_DATAGRAM_BLOCK;
	change_group(c, &h, EINVAL);
	/* twice is once */
	h.kind = SB_DATAGRAM_JOIN;
	change_group(c, &h, 0);
	h.kind = SB_DATAGRAM_LEAVE;
	change_group(c, &h, 0);
	records_done(c, fd, &here, true);
	heard(c, fd, &at, &h.remote, false);
	/* from everybody else; without a source it is no such record */
	h.kind = SB_DATAGRAM_JOIN;
	h.flags = 0;
	change_group(c, &h, 0);
	h.kind = SB_DATAGRAM_BLOCK;
	change_group(c, &h, EINVAL);
	h.flags = SB_DATAGRAM_LOCAL;
	change_group(c, &h, 0);
	records_done(c, fd, &here, true);
	heard(c, fd, &at, &h.remote, false);
	h.kind = SB_DATAGRAM_UNBLOCK;
	change_group(c, &h, 0);
	records_done(c, fd, &here, true);
	heard(c, fd, &at, &h.remote, true);
	close(fd);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("udp_groups");
	TCase *tcase = tcase_create("groups");

	tcase_set_timeout(tcase, 20);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, groups_are_joined_where_they_may_be_sent_to);
	tcase_add_test(tcase, members_hear_the_sources_that_they_want);
	suite_add_tcase(suite, tcase);
	return unit_run(suite);
}
