// SPDX-License-Identifier: GPL-2.0-only
/*
 * library_datagrams - libswitchboard on datagram sockets
 *
 *   near (connected to far) <------ 127.0.0.1 ------> far (to nobody)
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guest/lib/switchboard.h"
#include "tests/unit/unit.h"

static struct switchboard *near_end, *far_end;
static struct sockaddr_in near_name, far_name;

static int open_socket(struct sockaddr_in *name)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t bytes = sizeof(*name);

	*name = (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)name, bytes), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)name, &bytes), 0);
	return fd;
}

static void set_up(void)
{
	int near_fd = open_socket(&near_name), far_fd = open_socket(&far_name);

	ck_assert_int_eq(connect(near_fd, (struct sockaddr *)&far_name,
				 sizeof(far_name)),
			 0);
	near_end = switchboard_attach(near_fd, 0);
	far_end = switchboard_attach(far_fd, 0);
	ck_assert_ptr_nonnull(near_end);
	ck_assert_ptr_nonnull(far_end);
}

static void tear_down(void)
{
	ck_assert_int_eq(switchboard_close(near_end), 0);
	ck_assert_int_eq(switchboard_close(far_end), 0);
}

static void put(size_t bytes, int byte)
{
	void *at;

	ck_assert_int_ge(switchboard_reserve(near_end, 1, &at), (ssize_t)bytes);
	memset(at, byte, bytes);
	ck_assert_int_eq(switchboard_commit(near_end, bytes), 0);
}

/* The next datagram at the far end, which is done with */
static void take(size_t bytes, int byte)
{
	struct sockaddr_in from;
	socklen_t from_bytes = sizeof(from);
	const uint8_t *p;
	const void *at;

	ck_assert_int_eq(switchboard_peek_from(far_end, &at,
					       (struct sockaddr *)&from,
					       &from_bytes),
			 (ssize_t)bytes);
	ck_assert_uint_eq(from_bytes, sizeof(from));
	ck_assert_uint_eq(from.sin_port, near_name.sin_port);
	p = at;
	for (size_t i = 0; i < bytes; i++)
		ck_assert_int_eq(p[i], byte);
	ck_assert_int_eq(switchboard_release(far_end, bytes), 0);
}

static void set_nonblocking(struct switchboard *s)
{
	fcntl(switchboard_fd(s), F_SETFL, O_NONBLOCK);
}

START_TEST(a_commit_is_a_datagram)
{
	put(100, 1);
	put(0, 2);
	put(60000, 3);
	put(1, 4);
	take(100, 1);
	take(0, 2);
	take(60000, 3);
	take(1, 4);
}
END_TEST

START_TEST(more_than_is_taken_at_once_comes_in_its_order)
{
	for (int i = 0; i < 50; i++)
		put(10, i);
	for (int i = 0; i < 50; i++)
		take(10, i);
	set_nonblocking(far_end);
	ck_assert_int_eq(switchboard_wait(far_end, SWITCHBOARD_READ, 0), 0);
}
END_TEST

START_TEST(an_answer_goes_to_whom_it_is_for)
{
	const void *in;
	void *out;

	put(5, 7);
	take(5, 7);
	ck_assert_int_gt(switchboard_reserve(far_end, 3, &out), 0);
	memcpy(out, "abc", 3);
	/* it is not connected */
	ck_assert_int_eq(switchboard_commit(far_end, 3), -1);
	ck_assert_int_eq(errno, EDESTADDRREQ);
	/* and what was reserved still is */
	ck_assert_int_eq(switchboard_commit_to(far_end, 3,
					       (struct sockaddr *)&near_name,
					       sizeof(near_name)),
			 0);
	ck_assert_int_eq(switchboard_peek(near_end, 1, &in), 3);
	ck_assert_mem_eq(in, "abc", 3);
	ck_assert_int_eq(switchboard_release(near_end, 3), 0);
}
END_TEST

START_TEST(a_datagram_is_released_once_and_as_a_whole)
{
	const void *at;

	put(10, 1);
	put(20, 2);
	ck_assert_int_eq(switchboard_release(far_end, 0), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(switchboard_peek(far_end, 1, &at), 10);
	ck_assert_int_eq(switchboard_peek(far_end, 1, &at), 10);
	ck_assert_int_eq(switchboard_release(far_end, 4), 0);
	ck_assert_int_eq(switchboard_release(far_end, 4), -1);
	take(20, 2);
}
END_TEST

START_TEST(only_what_was_reserved_can_be_committed)
{
	void *at;
	ssize_t room;

	ck_assert_int_eq(switchboard_commit(near_end, 1), -1);
	ck_assert_int_eq(errno, EINVAL);
	room = switchboard_reserve(near_end, 1, &at);
	ck_assert_int_eq(room, (ssize_t)switchboard_span(near_end));
	ck_assert_int_eq(switchboard_commit(near_end, (size_t)room + 1), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(switchboard_commit(near_end, 1), 0);
	ck_assert_int_eq(switchboard_commit(near_end, 1), -1);
	take(1, 0);
}
END_TEST

START_TEST(nothing_there_is_eagain_and_no_event)
{
	const void *at;

	set_nonblocking(far_end);
	ck_assert_int_eq(switchboard_peek(far_end, 1, &at), -1);
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_int_eq(switchboard_wait(far_end, SWITCHBOARD_READ, 0), 0);
	ck_assert_int_eq(switchboard_wait(far_end, SWITCHBOARD_WRITE, 0),
			 SWITCHBOARD_WRITE);
	put(1, 1);
	put(1, 2);
	ck_assert_int_eq(switchboard_wait(far_end, SWITCHBOARD_READ, 10000),
			 SWITCHBOARD_READ);
	take(1, 1);
	/* taken from the socket with the first, perhaps, and there all the same */
	ck_assert_int_eq(switchboard_wait(far_end, SWITCHBOARD_READ, 10000),
			 SWITCHBOARD_READ);
	take(1, 2);
}
END_TEST

START_TEST(a_refusal_is_told)
{
	const void *at;

	ck_assert_int_eq(switchboard_close(far_end), 0);
	put(1, 1);
	ck_assert_int_eq(switchboard_peek(near_end, 1, &at), -1);
	ck_assert_int_eq(errno, ECONNREFUSED);
	far_end = switchboard_attach(open_socket(&far_name), 0);
	ck_assert_ptr_nonnull(far_end);
}
END_TEST

START_TEST(what_was_not_released_forbids_to_detach)
{
	const void *at;
	int fd;

	put(1, 1);
	put(1, 2);
	ck_assert_int_eq(switchboard_peek(far_end, 1, &at), 1);
	ck_assert_int_eq(switchboard_detach(far_end), -1);
	ck_assert_int_eq(errno, ENOTEMPTY);
	take(1, 1);
	take(1, 2);
	fd = switchboard_fd(far_end);
	ck_assert_int_eq(switchboard_detach(far_end), 0);
	put(1, 3);
	ck_assert_int_eq(recv(fd, &(char){ 0 }, 1, 0), 1);
	far_end = switchboard_attach(fd, SWITCHBOARD_COPY);
	ck_assert_ptr_nonnull(far_end);
}
END_TEST

START_TEST(what_is_for_streams_is_refused)
{
	const void *at;

	ck_assert_int_eq(switchboard_is_mapped(near_end), 0);
	ck_assert_ptr_null(
		switchboard_attach(switchboard_fd(near_end), SWITCHBOARD_MAP));
	ck_assert_int_eq(errno, EOPNOTSUPP);
	ck_assert_int_eq(switchboard_peek(near_end,
					  switchboard_span(near_end) + 1, &at),
			 -1);
	ck_assert_int_eq(errno, EMSGSIZE);
	ck_assert_int_eq(switchboard_flush(near_end), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("library_datagrams");
	TCase *tc = tcase_create("datagrams");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, a_commit_is_a_datagram);
	tcase_add_test(tc, more_than_is_taken_at_once_comes_in_its_order);
	tcase_add_test(tc, an_answer_goes_to_whom_it_is_for);
	tcase_add_test(tc, a_datagram_is_released_once_and_as_a_whole);
	tcase_add_test(tc, only_what_was_reserved_can_be_committed);
	tcase_add_test(tc, nothing_there_is_eagain_and_no_event);
	tcase_add_test(tc, a_refusal_is_told);
	tcase_add_test(tc, what_was_not_released_forbids_to_detach);
	tcase_add_test(tc, what_is_for_streams_is_refused);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
