/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hypervisor_local.c - the port without a hypervisor keeps Xen's promises
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "services/common/hypervisor.h"
#include "tests/local/broker.h"
#include "tests/local/guest.h"
#include "tests/unit/unit.h"

#define UUID "01234567-89ab-cdef-0123-456789abcdef"

static char directory[] = "/tmp/hypervisor.XXXXXX";
static char spec[64];
static struct broker *broker;
static struct guest *guest;
static struct hypervisor *port;

static void put(void *page, const char *text)
{
	memcpy(page, text, strlen(text) + 1);
}

static struct guest *new_guest(uint32_t domain)
{
	struct guest_options o = { .name = "alpha",
				   .identity = UUID,
				   .domain = domain };
	struct guest *g = guest_new(directory, &o);

	ck_assert_ptr_nonnull(g);
	return g;
}

static void setup(void)
{
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(spec, sizeof(spec), "local:%s", directory);
	broker = broker_start(directory);
	ck_assert_ptr_nonnull(broker);
	port = hypervisor_open(spec, HYPERVISOR_GRANTS | HYPERVISOR_GUESTS);
	ck_assert_ptr_nonnull(port);
	guest = new_guest(0);
}

static void teardown(void)
{
	guest_free(guest);
	hypervisor_close(port);
	broker_stop(broker);
	rmdir(directory);
}

static struct hypervisor_guest next_news(void)
{
	struct hypervisor_guest news;
	struct pollfd set = { hypervisor_guest_fd(port), POLLIN, 0 };

	ck_assert_int_eq(poll(&set, 1, UNIT_PATIENCE_MS), 1);
	ck_assert_int_eq(hypervisor_guest_next(port, &news), 1);
	return news;
}

/* The only channel that is pending, or -EAGAIN */
static int next_pending(struct hypervisor *h, int timeout_ms)
{
	struct pollfd set = { hypervisor_channel_fd(h), POLLIN, 0 };
	int channel = -EAGAIN;

	if (poll(&set, 1, timeout_ms) != 1)
		return -EAGAIN;
	channel = hypervisor_pending(h);
	if (channel >= 0)
		ck_assert_int_eq(hypervisor_pending(h), -EAGAIN);
	return channel;
}

START_TEST(unknown_spec_is_refused)
{
	ck_assert_ptr_null(hypervisor_open("kvm", HYPERVISOR_GRANTS));
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_ptr_null(hypervisor_open("local:/nowhere", 1));
	ck_assert_int_eq(errno, ENOENT);
}
END_TEST

START_TEST(pages_of_several_grants_lie_in_a_row)
{
	uint32_t frame = guest_pages_get(guest, 4), gref[3];
	char *mapped;

	/* out of order, with a hole */
	gref[0] = guest_grant(guest, frame + 3, 0);
	gref[1] = guest_grant(guest, frame, 0);
	gref[2] = guest_grant(guest, frame + 1, 0);
	put(guest_page(guest, frame + 3), "three");
	put(guest_page(guest, frame), "zero");
	put(guest_page(guest, frame + 1), "one");
	mapped = hypervisor_map(port, guest->domain, gref, 3);
	ck_assert_ptr_nonnull(mapped);
	ck_assert_str_eq(mapped, "three");
	ck_assert_str_eq(mapped + 4096, "zero");
	ck_assert_str_eq(mapped + 8192, "one");
	put(mapped + 8192, "written");
	ck_assert_str_eq(guest_page(guest, frame + 1), "written");
	ck_assert_int_eq(hypervisor_unmap(port, mapped, 3), 0);
}
END_TEST

START_TEST(bad_revoked_and_foreign_grants_are_refused)
{
	uint32_t frame = guest_pages_get(guest, 1);
	uint32_t good = guest_grant(guest, frame, 0);
	uint32_t foreign = guest_grant(guest, frame, 7);
	uint32_t revoked = guest_grant(guest, frame, 0);
	uint32_t outside = guest_grant(guest, 0xfffffff, 0);
	uint32_t list[2] = { good, foreign }, huge = 0xffffffff;

	ck_assert_int_eq(guest_grant_end(guest, revoked), 0);
	ck_assert_ptr_null(hypervisor_map(port, guest->domain, &foreign, 1));
	ck_assert_int_eq(errno, EACCES);
	ck_assert_ptr_null(hypervisor_map(port, guest->domain, &revoked, 1));
	ck_assert_int_eq(errno, EACCES);
	ck_assert_ptr_null(hypervisor_map(port, guest->domain, &huge, 1));
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_ptr_null(hypervisor_map(port, guest->domain, &outside, 1));
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_ptr_null(hypervisor_map(port, 99, &good, 1));
	ck_assert_int_eq(errno, ESRCH);
	ck_assert_ptr_null(hypervisor_map(port, guest->domain, list, 2));
	ck_assert_ptr_null(hypervisor_map(port, guest->domain, list, 0));
	ck_assert_ptr_null(hypervisor_map(port, guest->domain, list, 514));
	/* what failed halfway holds nothing */
	ck_assert_int_eq(guest_grant_end(guest, good), 0);
}
END_TEST

START_TEST(grant_ends_only_when_unmapped)
{
	uint32_t gref = guest_grant(guest, guest_pages_get(guest, 1), 0);
	void *first = hypervisor_map(port, guest->domain, &gref, 1);
	void *second = hypervisor_map(port, guest->domain, &gref, 1);

	ck_assert_ptr_nonnull(first);
	ck_assert_ptr_nonnull(second);
	ck_assert_int_eq(guest_grant_end(guest, gref), -EBUSY);
	ck_assert_int_eq(hypervisor_unmap(port, first, 1), 0);
	ck_assert_int_eq(guest_grant_end(guest, gref), -EBUSY);
	ck_assert_int_eq(hypervisor_unmap(port, second, 1), 0);
	ck_assert_int_eq(hypervisor_unmap(port, second, 1), -EINVAL);
	ck_assert_int_eq(guest_grant_end(guest, gref), 0);
}
END_TEST

START_TEST(channel_rings_both_ways_and_masks)
{
	struct guest_channel c;
	int channel;

	ck_assert_int_eq(guest_channel_allocate(guest, &c, 0), 0);
	channel = hypervisor_bind(port, guest->domain, c.port);
	ck_assert_int_ge(channel, 0);
	/* pending at once, as a fresh channel in Xen is */
	ck_assert_int_eq(next_pending(port, UNIT_PATIENCE_MS), channel);
	guest_channel_notify(&c);
	ck_assert_int_eq(next_pending(port, 50), -EAGAIN);
	ck_assert_int_eq(hypervisor_unmask(port, channel), 0);
	ck_assert_int_eq(next_pending(port, UNIT_PATIENCE_MS), channel);
	ck_assert_int_eq(hypervisor_unmask(port, channel), 0);
	ck_assert_int_eq(next_pending(port, 50), -EAGAIN);
	ck_assert(!guest_channel_wait(&c, 0));
	ck_assert_int_eq(hypervisor_notify(port, channel), 0);
	ck_assert(guest_channel_wait(&c, UNIT_PATIENCE_MS));
	ck_assert_int_eq(hypervisor_unbind(port, channel), 0);
	ck_assert_int_eq(hypervisor_notify(port, channel), -ENOTCONN);
	guest_channel_free(guest, &c);
}
END_TEST

START_TEST(bad_channels_are_refused)
{
	struct guest_channel c, foreign;
	int channel;

	ck_assert_int_eq(guest_channel_allocate(guest, &c, 0), 0);
	ck_assert_int_eq(guest_channel_allocate(guest, &foreign, 7), 0);
	channel = hypervisor_bind(port, guest->domain, c.port);
	ck_assert_int_ge(channel, 0);
	ck_assert_int_eq(hypervisor_bind(port, guest->domain, c.port), -EINVAL);
	ck_assert_int_eq(hypervisor_bind(port, guest->domain, foreign.port),
			 -EINVAL);
	ck_assert_int_eq(hypervisor_bind(port, guest->domain, 0xffffffff),
			 -EINVAL);
	ck_assert_int_eq(hypervisor_bind(port, 99, c.port), -ESRCH);
	ck_assert_int_eq(hypervisor_unbind(port, 12345), -ENOTCONN);
}
END_TEST

/* A service maps and binds, then dies without a word */
static void service_that_dies(uint32_t gref, uint32_t event_port)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		struct hypervisor *h = hypervisor_open(spec, HYPERVISOR_GRANTS);
		char *page = hypervisor_map(h, guest->domain, &gref, 1);

		if (page && hypervisor_bind(h, guest->domain, event_port) >= 0)
			put(page, "first");
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
}

START_TEST(another_process_takes_over_without_the_guest)
{
	uint32_t frame = guest_pages_get(guest, 1);
	uint32_t gref = guest_grant(guest, frame, 0);
	struct guest_channel c;
	int channel = -EINVAL;

	ck_assert_int_eq(guest_channel_allocate(guest, &c, 0), 0);
	service_that_dies(gref, c.port);
	ck_assert_str_eq(guest_page(guest, frame), "first");
	ck_assert_ptr_nonnull(hypervisor_map(port, guest->domain, &gref, 1));
	/* the broker learns of the death by and by */
	unit_until((channel = hypervisor_bind(port, guest->domain, c.port)) !=
		   -EINVAL);
	ck_assert_int_ge(channel, 0);
	ck_assert_int_eq(next_pending(port, UNIT_PATIENCE_MS), channel);
	hypervisor_unmask(port, channel);
	guest_channel_notify(&c);
	ck_assert_int_eq(next_pending(port, UNIT_PATIENCE_MS), channel);
}
END_TEST

START_TEST(guest_appears_connects_closes_and_goes)
{
	struct hypervisor_guest news = next_news();
	uint32_t domain = guest->domain;

	ck_assert_int_eq(news.change, HYPERVISOR_GUEST_APPEARED);
	ck_assert_uint_eq(news.domain, domain);
	ck_assert_str_eq(news.name, "alpha");
	ck_assert_str_eq(news.identity, UUID);
	ck_assert_int_eq(hypervisor_guest_offer(port, domain), 0);
	ck_assert_int_eq(guest_device_wait(guest, LOCAL_STATE_INIT_WAIT,
					   UNIT_PATIENCE_MS),
			 0);
	guest->trunk.gref = 77;
	guest->trunk.channel.port = 5;
	guest_device_set(guest, LOCAL_STATE_INITIALISED);
	guest->trunk.channel.port = 0;
	news = next_news();
	ck_assert_int_eq(news.change, HYPERVISOR_GUEST_CONNECTED);
	ck_assert_uint_eq(news.gref, 77);
	ck_assert_uint_eq(news.port, 5);
	hypervisor_guest_attached(port, domain);
	ck_assert_int_eq(guest_device_wait(guest, LOCAL_STATE_CONNECTED,
					   UNIT_PATIENCE_MS),
			 0);
	guest_device_set(guest, LOCAL_STATE_CLOSING);
	ck_assert_int_eq(next_news().change, HYPERVISOR_GUEST_CLOSED);
	hypervisor_guest_withdraw(port, domain, "left");
	hypervisor_guest_offer(port, domain);
	ck_assert_int_eq(guest_device_wait(guest, LOCAL_STATE_CLOSED,
					   UNIT_PATIENCE_MS),
			 0);
	guest_device_set(guest, LOCAL_STATE_INITIALISING);
	ck_assert_int_eq(guest_device_wait(guest, LOCAL_STATE_INIT_WAIT,
					   UNIT_PATIENCE_MS),
			 0);
	guest_free(guest);
	guest = NULL;
	news = next_news();
	ck_assert_int_eq(news.change, HYPERVISOR_GUEST_GONE);
	ck_assert_uint_eq(news.domain, domain);
	ck_assert_int_eq(hypervisor_guest_next(port, &news), 0);
}
END_TEST

START_TEST(mappings_of_a_dead_guest_stay_valid)
{
	uint32_t frame = guest_pages_get(guest, 1);
	uint32_t gref = guest_grant(guest, frame, 0), domain = guest->domain;
	char *page = hypervisor_map(port, domain, &gref, 1);

	ck_assert_ptr_nonnull(page);
	guest_free(guest);
	put(page, "still there");
	guest = NULL;
	while (next_news().change != HYPERVISOR_GUEST_GONE)
		;
	/* its number may be somebody else's now */
	guest = new_guest(domain);
	ck_assert_str_eq(page, "still there");
	ck_assert_int_eq(hypervisor_unmap(port, page, 1), 0);
}
END_TEST

START_TEST(new_operator_sees_connected_guests_again)
{
	struct hypervisor_guest news = next_news();

	hypervisor_guest_offer(port, news.domain);
	guest_device_wait(guest, LOCAL_STATE_INIT_WAIT, UNIT_PATIENCE_MS);
	guest_device_set(guest, LOCAL_STATE_INITIALISED);
	ck_assert_int_eq(next_news().change, HYPERVISOR_GUEST_CONNECTED);
	hypervisor_guest_attached(port, news.domain);
	hypervisor_close(port);
	port = hypervisor_open(spec, HYPERVISOR_GRANTS | HYPERVISOR_GUESTS);
	news = next_news();
	ck_assert_int_eq(news.change, HYPERVISOR_GUEST_APPEARED);
	hypervisor_guest_offer(port, news.domain);
	ck_assert_int_eq(next_news().change, HYPERVISOR_GUEST_CONNECTED);
	guest_device_wait(guest, LOCAL_STATE_CONNECTED, UNIT_PATIENCE_MS);
	ck_assert_uint_eq(guest->backend, LOCAL_STATE_CONNECTED);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("hypervisor_local");
	TCase *tcase = tcase_create("local");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, unknown_spec_is_refused);
	tcase_add_test(tcase, pages_of_several_grants_lie_in_a_row);
	tcase_add_test(tcase, bad_revoked_and_foreign_grants_are_refused);
	tcase_add_test(tcase, grant_ends_only_when_unmapped);
	tcase_add_test(tcase, channel_rings_both_ways_and_masks);
	tcase_add_test(tcase, bad_channels_are_refused);
	tcase_add_test(tcase, another_process_takes_over_without_the_guest);
	tcase_add_test(tcase, guest_appears_connects_closes_and_goes);
	tcase_add_test(tcase, mappings_of_a_dead_guest_stay_valid);
	tcase_add_test(tcase, new_operator_sees_connected_guests_again);
	suite_add_tcase(suite, tcase);
	return unit_run(suite);
}
