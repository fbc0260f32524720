/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ipc_sockets.c - sockets whose peers come and go; nothing ever blocks
 *
 *	operator (binds) ===PAIR=== proxy (connects)
 *	service (binds) ---PUB/SUB, RESPONDENT/SURVEYOR--- monitor (connects)
 */
#include <errno.h>
#include <nanomsg/nn.h>
#include <nanomsg/pair.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "services/common/endpoint.h"
#include "tests/unit/unit.h"

static char directory[] = "/tmp/switchboard-ipc-XXXXXX";
static char path[64];
static struct ipc_message message;

static void make_directory(void)
{
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/socket.ipc", directory);
}

static void remove_directory(void)
{
	unlink(path);
	rmdir(directory);
}

static struct ipc_socket *operator_end(void)
{
	struct ipc_socket *s = ipc_open(IPC_PAIR, IPC_OPERATOR, IPC_PROXY);

	ck_assert_ptr_nonnull(s);
	ck_assert_int_eq(ipc_bind(s, path, 0600), 0);
	return s;
}

static struct ipc_socket *proxy_end(void)
{
	struct ipc_socket *s = ipc_open(IPC_PAIR, IPC_PROXY, IPC_OPERATOR);

	ck_assert_ptr_nonnull(s);
	ck_assert_int_eq(ipc_connect(s, path), 0);
	return s;
}

static void wait_connected(const struct ipc_socket *s, bool wanted)
{
	unit_until(ipc_connected(s) == wanted);
}

static int receive(struct ipc_socket *s, int timeout_ms)
{
	struct pollfd p = { .fd = ipc_receive_fd(s), .events = POLLIN };

	if (poll(&p, 1, timeout_ms) <= 0)
		return -EAGAIN;
	return ipc_receive(s, &message);
}

static int send_detach(struct ipc_socket *s, uint32_t guest)
{
	message.type = IPC_ORDER_DETACH;
	message.line.guest = guest;
	message.line.line = 1;
	return ipc_send(s, &message);
}

START_TEST(nobody_there_is_an_error_and_not_a_wait)
{
	struct ipc_socket *s = operator_end();

	ck_assert_int_eq(send_detach(s, 1), -ENOTCONN);
	ck_assert_int_eq(ipc_receive(s, &message), -EAGAIN);
	ck_assert_uint_eq(ipc_socket_counters(s)->refused, 1);
	ipc_close(s);
}
END_TEST

START_TEST(the_socket_file_has_the_mode_that_was_asked_for)
{
	struct ipc_socket *s = ipc_open(IPC_PAIR, IPC_OPERATOR, IPC_PROXY);
	struct stat st;

	ck_assert_int_eq(ipc_bind(s, path, 0660), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0660);
	ipc_close(s);
}
END_TEST

START_TEST(a_second_owner_of_a_path_is_refused_a_left_over_is_not)
{
	struct ipc_socket *s = operator_end();
	struct ipc_socket *t = ipc_open(IPC_PAIR, IPC_OPERATOR, IPC_PROXY);

	ck_assert_int_eq(ipc_bind(t, path, 0600), -EADDRINUSE);
	ipc_close(s);
	ck_assert_int_eq(ipc_bind(t, path, 0600), 0);
	ipc_close(t);
}
END_TEST

START_TEST(a_path_that_is_too_long_is_an_error)
{
	struct ipc_socket *s = ipc_open(IPC_PAIR, IPC_OPERATOR, IPC_PROXY);
	char longest[200];

	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = 0;
	ck_assert_int_eq(ipc_bind(s, longest, 0600), -ENAMETOOLONG);
	ck_assert_int_eq(ipc_connect(s, longest), -ENAMETOOLONG);
	ipc_close(s);
}
END_TEST

START_TEST(a_burst_is_queued_and_arrives_in_order)
{
	struct ipc_socket *s = operator_end(), *p = proxy_end();
	uint32_t i, got = 0;

	wait_connected(s, true);
	wait_connected(p, true);
	for (i = 0; i < 1000; i++)
		ck_assert_int_eq(send_detach(s, i), 0);
	while (got < 1000) {
		ipc_flush(s);
		if (receive(p, 100) == 0)
			ck_assert_uint_eq(message.line.guest, got++);
	}
	ck_assert_uint_eq(ipc_queued(s), 0);
	ck_assert_uint_eq(ipc_socket_counters(p)->received, 1000);
	ipc_close(p);
	ipc_close(s);
}
END_TEST

START_TEST(a_peer_that_does_not_read_fills_a_bounded_queue)
{
	struct ipc_socket *s = operator_end(), *p = proxy_end();
	uint32_t i;
	int err = 0;

	wait_connected(s, true);
	for (i = 0; i < 100000 && !err; i++)
		err = send_detach(s, 1);
	ck_assert_int_eq(err, -EAGAIN);
	ck_assert_uint_le(ipc_queued(s), IPC_QUEUE_BYTES);
	ck_assert_uint_gt(ipc_queued(s), IPC_QUEUE_BYTES - 512);
	/* what was for this peer is not for the next */
	ipc_close(p);
	wait_connected(s, false);
	ck_assert_int_eq(send_detach(s, 2), -ENOTCONN);
	ck_assert_uint_eq(ipc_queued(s), 0);
	ipc_close(s);
}
END_TEST

START_TEST(a_pair_connects_again_whichever_end_went)
{
	struct ipc_socket *s = operator_end(), *p = proxy_end();
	uint64_t before;

	wait_connected(s, true);
	before = ipc_connections(s);
	ipc_close(p);
	wait_connected(s, false);
	p = proxy_end();
	wait_connected(s, true);
	ck_assert_uint_ne(ipc_connections(s), before);
	wait_connected(p, true);
	ck_assert_int_eq(send_detach(s, 3), 0);
	unit_until(ipc_flush(s) == 0);
	ck_assert_int_eq(receive(p, UNIT_PATIENCE_MS), 0);

	before = ipc_connections(p);
	ipc_close(s);
	wait_connected(p, false);
	s = operator_end();
	wait_connected(p, true);
	ck_assert_uint_ne(ipc_connections(p), before);
	ipc_close(p);
	ipc_close(s);
}
END_TEST

/* Somebody at the other end who speaks nanomsg and nothing else */
static int stranger(void)
{
	char url[80];
	int fd = nn_socket(AF_SP, NN_PAIR);

	snprintf(url, sizeof(url), "ipc://%s", path);
	ck_assert_int_ge(nn_connect(fd, url), 0);
	return fd;
}

START_TEST(what_is_no_message_is_dropped_and_counted_by_cause)
{
	static const char *const junk[] = { "", "hello", "{\"order\":\"list\"}",
					    "{\"report\":\"hello\"}" };
	static const enum ipc_fault fault[] = { IPC_FAULT_SYNTAX,
						IPC_FAULT_SYNTAX,
						IPC_FAULT_PARTY,
						IPC_FAULT_KEY };
	struct ipc_socket *s = operator_end();
	int fd = stranger();
	unsigned int i;

	for (i = 0; i < 4; i++) {
		uint64_t before = ipc_socket_counters(s)->dropped[fault[i]];

		nn_send(fd, junk[i], strlen(junk[i]), 0);
		ck_assert_int_eq(receive(s, UNIT_PATIENCE_MS), -EBADMSG);
		ck_assert_uint_eq(ipc_socket_counters(s)->dropped[fault[i]],
				  before + 1);
		ck_assert_ptr_nonnull(
			strstr(ipc_fault_text(s), ipc_fault_name(fault[i])));
	}
	nn_close(fd);
	ipc_close(s);
}
END_TEST

START_TEST(a_message_beyond_every_maximum_never_gets_in)
{
	struct ipc_socket *s = operator_end();
	size_t bytes = ipc_message_bytes_max(IPC_PROXY, IPC_OPERATOR) + 1;
	char *huge = malloc(bytes);
	int fd = stranger();

	memset(huge, ' ', bytes);
	nn_send(fd, huge, bytes, 0);
	ck_assert_int_eq(receive(s, 300), -EAGAIN);
	/* and another one does, unless its connection is the one that ends */
	do {
		nn_send(fd, "{}", 2, NN_DONTWAIT);
	} while (receive(s, 100) != -EBADMSG);
	nn_close(fd);
	free(huge);
	ipc_close(s);
}
END_TEST

START_TEST(a_survey_is_answered_and_then_over)
{
	struct ipc_socket *service =
		ipc_open(IPC_RESPONDENT, IPC_PROXY, IPC_MONITOR);
	struct ipc_socket *monitor =
		ipc_open(IPC_SURVEYOR, IPC_MONITOR, IPC_OPERATOR | IPC_PROXY);

	ck_assert_int_eq(ipc_bind(service, path, 0600), 0);
	ck_assert_int_eq(ipc_connect(monitor, path), 0);
	wait_connected(monitor, true);
	wait_connected(service, true);
	ck_assert_int_eq(ipc_survey_deadline(monitor, UNIT_PATIENCE_MS), 0);
	ck_assert_int_eq(ipc_receive(monitor, &message), -EAGAIN);
	memset(&message, 0, sizeof(message.survey) + 8);
	message.type = IPC_SURVEY_STATUS;
	ck_assert_int_eq(ipc_send(monitor, &message), 0);
	ck_assert_int_eq(receive(service, UNIT_PATIENCE_MS), 0);
	ck_assert_int_eq(message.type, IPC_SURVEY_STATUS);
	memset(&message, 0, sizeof(message));
	message.type = IPC_ANSWER_STATUS;
	strcpy(message.status.service, "proxy-tcp");
	strcpy(message.status.instance, "main");
	message.status.pid = 1;
	ck_assert_int_eq(ipc_send(service, &message), 0);
	ck_assert_int_eq(receive(monitor, UNIT_PATIENCE_MS), 0);
	ck_assert_str_eq(message.status.service, "proxy-tcp");
	/* the next one is not answered */
	ck_assert_int_eq(ipc_survey_deadline(monitor, 50), 0);
	message.type = IPC_SURVEY_STATUS;
	memset(&message.survey, 0, sizeof(message.survey));
	ck_assert_int_eq(ipc_send(monitor, &message), 0);
	ck_assert_int_eq(receive(monitor, UNIT_PATIENCE_MS), -ETIMEDOUT);
	ipc_close(monitor);
	ipc_close(service);
}
END_TEST

START_TEST(events_reach_who_subscribed_and_are_lost_on_nobody)
{
	struct ipc_socket *service = ipc_open(IPC_PUB, IPC_PROXY, IPC_MONITOR);
	struct ipc_socket *monitor =
		ipc_open(IPC_SUB, IPC_MONITOR, IPC_OPERATOR | IPC_PROXY);

	ck_assert_int_eq(ipc_bind(service, path, 0600), 0);
	memset(&message, 0, sizeof(message));
	message.type = IPC_EVENT;
	strcpy(message.event.event, "guest-connected");
	strcpy(message.event.service, "operator");
	strcpy(message.event.instance, "main");
	ck_assert_int_eq(ipc_send(service, &message), 0);
	ck_assert_int_eq(ipc_connect(monitor, path), 0);
	/* what is published before the connection is ready is lost */
	do {
		ck_assert_int_eq(ipc_send(service, &message), 0);
	} while (receive(monitor, 20) != 0);
	ck_assert_str_eq(message.event.event, "guest-connected");
	ipc_close(monitor);
	ipc_close(service);
}
END_TEST

/* --- endpoints: the same in a loop --- */

static unsigned int greeted, heard;

static void greet(struct endpoint *e)
{
	greeted++;
}

static void hear(struct endpoint *e, const struct ipc_message *m)
{
	heard++;
}

static void turn_until(struct loop *loop, const unsigned int *what,
		       unsigned int value)
{
	uint64_t end_ms = unit_now_ms() + UNIT_PATIENCE_MS;

	while (*what < value && unit_now_ms() < end_ms)
		ck_assert_int_eq(loop_turn(loop, 20), 0);
	ck_assert_uint_eq(*what, value);
}

START_TEST(an_endpoint_tells_when_a_peer_has_come_back)
{
	struct endpoint e = { .connected = greet };
	struct loop loop;
	struct ipc_socket *s;

	greeted = 0;
	ck_assert_int_eq(loop_init(&loop), 0);
	ck_assert_int_eq(endpoint_init(&e, &loop, proxy_end()), 0);
	s = operator_end();
	turn_until(&loop, &greeted, 1);
	ipc_close(s);
	s = operator_end();
	turn_until(&loop, &greeted, 2);
	endpoint_fini(&e);
	ipc_close(s);
	loop_fini(&loop);
}
END_TEST

/* A peer of the kernel's only: it says nothing of what it speaks */
static int silent_end(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)),
			 0);
	ck_assert_int_eq(listen(fd, 5), 0);
	return fd;
}

/* It says so at last, on every connection; then the loop has its turn */
static bool greets(int listener, struct loop *loop)
{
	static const uint8_t pair[] = { 0, 'S', 'P', 0, 0, 16, 0, 0 };
	int fd = accept(listener, NULL, NULL);

	if (fd >= 0)
		send(fd, pair, sizeof(pair), MSG_NOSIGNAL);
	ck_assert_int_eq(loop_turn(loop, 20), 0);
	return greeted;
}

START_TEST(an_endpoint_greets_nobody_who_has_not_greeted)
{
	struct endpoint e = { .connected = greet };
	int listener = silent_end();
	struct ipc_socket *p = proxy_end();
	struct loop loop;

	greeted = 0;
	ck_assert_int_eq(loop_init(&loop), 0);
	ck_assert_int_eq(endpoint_init(&e, &loop, p), 0);
	unit_until(ipc_connections(p) > 0);
	e.timer.fire(&e.timer);
	ck_assert_uint_eq(greeted, 0);
	unit_until(greets(listener, &loop));
	endpoint_fini(&e);
	close(listener);
	loop_fini(&loop);
}
END_TEST

START_TEST(an_endpoint_sends_what_it_queued)
{
	struct endpoint from = { .connected = greet }, to = { .message = hear };
	struct ipc_message *m = endpoint_draft(IPC_ORDER_LIST);
	struct loop loop;
	int i;

	greeted = 0;
	heard = 0;
	ck_assert_int_eq(loop_init(&loop), 0);
	ck_assert_int_eq(endpoint_init(&from, &loop, operator_end()), 0);
	ck_assert_int_eq(endpoint_init(&to, &loop, proxy_end()), 0);
	turn_until(&loop, &greeted, 1);
	for (i = 0; i < 2000; i++)
		ck_assert_int_eq(endpoint_send(&from, m), 0);
	turn_until(&loop, &heard, 2000);
	endpoint_fini(&from);
	endpoint_fini(&to);
	loop_fini(&loop);
}
END_TEST

/* nanomsg 1.1.5 leaks the endpoint of a bind that failed */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:nn_bipc_create\n";
}

static Suite *sockets_suite(void)
{
	Suite *suite = suite_create("sockets");
	TCase *t = tcase_create("sockets");

	tcase_add_checked_fixture(t, make_directory, remove_directory);
	tcase_set_timeout(t, 20);
	tcase_add_test(t, nobody_there_is_an_error_and_not_a_wait);
	tcase_add_test(t, the_socket_file_has_the_mode_that_was_asked_for);
	tcase_add_test(t,
		       a_second_owner_of_a_path_is_refused_a_left_over_is_not);
	tcase_add_test(t, a_path_that_is_too_long_is_an_error);
	tcase_add_test(t, a_burst_is_queued_and_arrives_in_order);
	tcase_add_test(t, a_peer_that_does_not_read_fills_a_bounded_queue);
	tcase_add_test(t, a_pair_connects_again_whichever_end_went);
	tcase_add_test(t, what_is_no_message_is_dropped_and_counted_by_cause);
	tcase_add_test(t, a_message_beyond_every_maximum_never_gets_in);
	tcase_add_test(t, a_survey_is_answered_and_then_over);
	tcase_add_test(t, events_reach_who_subscribed_and_are_lost_on_nobody);
	tcase_add_test(t, an_endpoint_tells_when_a_peer_has_come_back);
	tcase_add_test(t, an_endpoint_greets_nobody_who_has_not_greeted);
	tcase_add_test(t, an_endpoint_sends_what_it_queued);
	suite_add_tcase(suite, t);
	return suite;
}

int main(void)
{
	return unit_run(sockets_suite());
}
