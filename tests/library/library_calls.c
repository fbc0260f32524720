// SPDX-License-Identifier: GPL-2.0-only
/*
 * library_calls - what each call of libswitchboard answers
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/library/ends.h"
#include "tests/unit/unit.h"

static void put(struct switchboard *s, const char *text)
{
	size_t bytes = strlen(text);
	void *at;

	ck_assert_int_ge(switchboard_reserve(s, bytes, &at), (ssize_t)bytes);
	memcpy(at, text, bytes);
	ck_assert_int_eq(switchboard_commit(s, bytes), 0);
}

/* Exactly @text is there, and is taken */
static void take(struct switchboard *s, const char *text)
{
	size_t bytes = strlen(text);
	const void *at;

	ck_assert_int_eq(switchboard_peek(s, bytes, &at), (ssize_t)bytes);
	ck_assert_mem_eq(at, text, bytes);
	ck_assert_int_eq(switchboard_release(s, bytes), 0);
}

static void *put_slowly(void *opaque)
{
	struct timespec pause = { .tv_nsec = 5000000 };

	for (int i = 0; i < 5; i++) {
		nanosleep(&pause, NULL);
		put(opaque, "ab");
	}
	return NULL;
}

START_TEST(peek_waits_for_as_much_as_is_asked_for)
{
	struct ends *ends = ends_open((enum ends_kind)_i);
	pthread_t thread;

	pthread_create(&thread, NULL, put_slowly, ends->s[0]);
	take(ends->s[1], "ababababab");
	pthread_join(thread, NULL);
	ends_close(ends);
}
END_TEST

START_TEST(peek_gives_what_is_left_at_the_end_and_then_nothing)
{
	struct ends *ends = ends_open((enum ends_kind)_i);
	const void *at;

	put(ends->s[0], "hello");
	ends_finish(ends, 0);
	ck_assert_int_eq(switchboard_peek(ends->s[1], 100, &at), 5);
	ck_assert_mem_eq(at, "hello", 5);
	ck_assert_int_eq(switchboard_release(ends->s[1], 5), 0);
	ck_assert_int_eq(switchboard_peek(ends->s[1], 1, &at), 0);
	ck_assert_int_eq(switchboard_peek(ends->s[1], 1, &at), 0);
	/* the other direction is as it was */
	put(ends->s[1], "still");
	take(ends->s[0], "still");
	ends_close(ends);
}
END_TEST

START_TEST(what_was_not_released_is_seen_again)
{
	struct ends *ends = ends_open((enum ends_kind)_i);
	const void *at;

	put(ends->s[0], "0123456789");
	ck_assert_int_eq(switchboard_peek(ends->s[1], 10, &at), 10);
	ck_assert_int_eq(switchboard_release(ends->s[1], 4), 0);
	ck_assert_int_eq(switchboard_release(ends->s[1], 1), 0);
	take(ends->s[1], "56789");
	ends_close(ends);
}
END_TEST

START_TEST(commit_may_come_in_parts)
{
	struct ends *ends = ends_open((enum ends_kind)_i);
	void *at, *again;

	ck_assert_int_ge(switchboard_reserve(ends->s[0], 6, &at), 6);
	ck_assert_int_ge(switchboard_reserve(ends->s[0], 6, &again), 6);
	ck_assert_ptr_eq(at, again);
	memcpy(at, "parts!", 6);
	ck_assert_int_eq(switchboard_commit(ends->s[0], 2), 0);
	ck_assert_int_eq(switchboard_commit(ends->s[0], 0), 0);
	ck_assert_int_eq(switchboard_commit(ends->s[0], 4), 0);
	ck_assert_int_eq(switchboard_flush(ends->s[0]), 0);
	take(ends->s[1], "parts!");
	ends_close(ends);
}
END_TEST

START_TEST(sizes_are_checked)
{
	struct ends *ends = ends_open((enum ends_kind)_i);
	struct switchboard *s = ends->s[0];
	size_t span = switchboard_span(s);
	const void *from;
	ssize_t room;
	void *at;

	ck_assert_int_eq(switchboard_reserve(s, 0, &at), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(switchboard_reserve(s, span + 1, &at), -1);
	ck_assert_int_eq(errno, EMSGSIZE);
	ck_assert_int_eq(switchboard_peek(s, 0, &from), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(switchboard_peek(s, span + 1, &from), -1);
	ck_assert_int_eq(errno, EMSGSIZE);
	ck_assert_int_eq(switchboard_commit(s, 1), -1);
	ck_assert_int_eq(errno, EINVAL);
	room = switchboard_reserve(s, span, &at);
	ck_assert_int_ge(room, (ssize_t)span);
	ck_assert_int_eq(switchboard_commit(s, room + 1), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(switchboard_release(s, 1), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(switchboard_is_mapped(s), ends_are_mapped(ends->kind));
	ends_close(ends);
}
END_TEST

START_TEST(wait_tells_what_can_be_done)
{
	struct ends *ends = ends_open((enum ends_kind)_i);
	struct switchboard *s = ends->s[1];
	unsigned int both = SWITCHBOARD_READ | SWITCHBOARD_WRITE;

	ck_assert_int_eq(switchboard_wait(s, SWITCHBOARD_READ, 0), 0);
	ck_assert_int_eq(switchboard_wait(s, SWITCHBOARD_READ, 10), 0);
	ck_assert_int_eq(switchboard_wait(s, both, SWITCHBOARD_FOREVER),
			 SWITCHBOARD_WRITE);
	put(ends->s[0], "x");
	ck_assert_int_eq(switchboard_wait(s, SWITCHBOARD_READ,
					  SWITCHBOARD_FOREVER),
			 SWITCHBOARD_READ);
	take(s, "x");
	ends_finish(ends, 0);
	ck_assert_int_eq(switchboard_wait(s, SWITCHBOARD_READ,
					  SWITCHBOARD_FOREVER),
			 SWITCHBOARD_READ);
	ck_assert_int_eq(switchboard_wait(s, 0, 0), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(switchboard_wait(s, 4, 0), -1);
	ck_assert_int_eq(errno, EINVAL);
	ends_close(ends);
}
END_TEST

START_TEST(a_full_way_out_is_not_writable_until_it_is_read)
{
	struct ends *ends = ends_open((enum ends_kind)_i);
	struct switchboard *s = ends->s[0];
	ssize_t room, held;
	const void *from;
	void *at;

	ends_set_nonblocking(ends, 0);
	ends_set_nonblocking(ends, 1);
	while ((room = switchboard_reserve(s, 1, &at)) > 0) {
		memset(at, 1, room);
		ck_assert_int_eq(switchboard_commit(s, room), 0);
	}
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_int_eq(switchboard_wait(s, SWITCHBOARD_WRITE, 0), 0);
	if (!ends_are_mapped(ends->kind)) {
		ck_assert_int_eq(switchboard_flush(s), -1);
		ck_assert_int_eq(errno, EAGAIN);
		ck_assert_int_eq(switchboard_detach(s), -1);
		ck_assert_int_eq(errno, EAGAIN);
	}
	do {
		while ((held = switchboard_peek(ends->s[1], 1, &from)) > 0)
			switchboard_release(ends->s[1], held);
	} while (switchboard_flush(s) != 0);
	ck_assert_int_eq(switchboard_wait(s, SWITCHBOARD_WRITE, 1000),
			 SWITCHBOARD_WRITE);
	ends_close(ends);
}
END_TEST

START_TEST(writing_to_nobody_ends_without_a_signal)
{
	struct ends *ends = ends_open((enum ends_kind)_i);
	struct switchboard *s = ends->s[0];
	int commits = 0, error = 0;
	ssize_t room;
	void *at;

	ends_leave(ends, 1);
	while (!error && commits++ < 1000) {
		room = switchboard_reserve(s, 1, &at);
		if (room < 0 || switchboard_commit(s, room) != 0)
			error = errno;
	}
	ck_assert_msg(error == EPIPE || error == ECONNRESET, "%s",
		      strerror(error));
	ends_close(ends);
}
END_TEST

START_TEST(reading_from_nobody_ends)
{
	struct ends *ends = ends_open((enum ends_kind)_i);
	const void *at;

	put(ends->s[1], "last words");
	ends_leave(ends, 1);
	take(ends->s[0], "last words");
	ck_assert_int_eq(switchboard_peek(ends->s[0], 1, &at), 0);
	ends_close(ends);
}
END_TEST

START_TEST(an_ordinary_socket_is_left_after_detaching)
{
	struct ends *ends = ends_open((enum ends_kind)_i);
	int fd = switchboard_fd(ends->s[1]);
	const void *at;
	char text[8];

	put(ends->s[0], "sent");
	ck_assert_int_ge(switchboard_peek(ends->s[1], 1, &at), 1);
	ck_assert_int_eq(switchboard_detach(ends->s[1]), -1);
	ck_assert_int_eq(errno, ENOTEMPTY);
	take(ends->s[1], "sent");
	ck_assert_int_eq(switchboard_detach(ends->s[1]), 0);
	ends->s[1] = NULL;
	put(ends->s[0], "again");
	ck_assert_int_eq(recv(fd, text, sizeof(text), 0), 5);
	ck_assert_mem_eq(text, "again", 5);
	ck_assert_int_eq(send(fd, "back", 4, 0), 4);
	take(ends->s[0], "back");
	close(fd);
	ends_close(ends);
}
END_TEST

static void expect_refused(int fd, unsigned int flags, int error)
{
	ck_assert_ptr_null(switchboard_attach(fd, flags));
	ck_assert_int_eq(errno, error);
}

START_TEST(attach_refuses_what_is_no_connected_stream)
{
	int fd[2], stream = socket(AF_INET, SOCK_STREAM, 0);

	expect_refused(-1, 0, EBADF);
	expect_refused(0, 0, ENOTSOCK);
	expect_refused(stream, 0, ENOTCONN);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fd), 0);
	expect_refused(fd[0], 0, EPROTOTYPE);
	close(fd[0]);
	close(fd[1]);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	expect_refused(fd[0], SWITCHBOARD_MAP, EOPNOTSUPP);
	expect_refused(fd[0], SWITCHBOARD_MAP | SWITCHBOARD_COPY, EINVAL);
	expect_refused(fd[0], 4, EINVAL);
	close(fd[0]);
	close(fd[1]);
	close(stream);
}
END_TEST

/* Indexes that cannot be: the call fails, nothing is touched */
START_TEST(lies_of_the_other_end_are_found)
{
	struct ends *ends = ends_open(ENDS_RING);
	struct switchboard *s = ends->s[0];
	const void *from;
	void *at;

	sb_store(&ends->page->side[1].produced, 16385);
	ck_assert_int_eq(switchboard_peek(s, 1, &from), -1);
	ck_assert_int_eq(errno, EPROTO);
	sb_store(&ends->page->side[1].produced, 0);
	sb_store(&ends->page->side[1].consumed, 20000);
	while (switchboard_reserve(s, 8192, &at) > 0)
		ck_assert_int_eq(switchboard_commit(s, 4096), 0);
	ck_assert_int_eq(errno, EPROTO);
	ends_close(ends);
}
END_TEST

/* A writer that streams without pause rings no bell that nobody asked for */
START_TEST(a_busy_ring_rings_no_bells)
{
	struct ends *ends = ends_open(ENDS_RING);
	uint32_t event = ends->page->side[1].data_event;

	put(ends->s[0], "the first byte rings");
	take(ends->s[1], "the first byte rings");
	for (int i = 0; i < 1000; i++) {
		put(ends->s[0], "nobody sleeps");
		take(ends->s[1], "nobody sleeps");
	}
	ck_assert_uint_eq(ends->page->side[1].data_event, event);
	ends_close(ends);
}
END_TEST

static TCase *both_transports(void)
{
	TCase *tests = tcase_create("both transports");

	tcase_set_timeout(tests, 30);
	tcase_add_loop_test(tests, peek_waits_for_as_much_as_is_asked_for, 0,
			    ENDS_KINDS);
	tcase_add_loop_test(tests,
			    peek_gives_what_is_left_at_the_end_and_then_nothing,
			    0, ENDS_KINDS);
	tcase_add_loop_test(tests, what_was_not_released_is_seen_again, 0,
			    ENDS_KINDS);
	tcase_add_loop_test(tests, commit_may_come_in_parts, 0, ENDS_KINDS);
	tcase_add_loop_test(tests, sizes_are_checked, 0, ENDS_KINDS);
	tcase_add_loop_test(tests, wait_tells_what_can_be_done, 0, ENDS_KINDS);
	tcase_add_loop_test(tests,
			    a_full_way_out_is_not_writable_until_it_is_read, 0,
			    ENDS_KINDS);
	tcase_add_loop_test(tests, writing_to_nobody_ends_without_a_signal, 0,
			    ENDS_KINDS);
	tcase_add_loop_test(tests, reading_from_nobody_ends, 0, ENDS_KINDS);
	return tests;
}

int main(void)
{
	Suite *suite = suite_create("library_calls");
	TCase *one = tcase_create("one transport");

	tcase_add_loop_test(one, an_ordinary_socket_is_left_after_detaching, 0,
			    ENDS_PAGE);
	tcase_add_test(one, attach_refuses_what_is_no_connected_stream);
	tcase_add_test(one, lies_of_the_other_end_are_found);
	tcase_add_test(one, a_busy_ring_rings_no_bells);
	suite_add_tcase(suite, both_transports());
	suite_add_tcase(suite, one);
	return unit_run(suite);
}
