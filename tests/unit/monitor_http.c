// SPDX-License-Identifier: GPL-2.0-only
/*
 * monitor_http - HTTP for good and rude readers
 *
 *   test --- loopback TCP ---> server in the loop of a second thread
 *
 * The two share nothing but sockets; counters are read when the thread is
 * over. Time passes by hand where a test is about time.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "services/monitor/server.h"
#include "tests/unit/unit.h"

#define ANSWER_BYTES (1 << 20)
#define HOST "Host: 127.0.0.1\r\n"

static struct loop loop;
static struct server server;
static uint64_t version = 1;
static struct loop_watch stop_watch;
static struct loop_watch age_watch;
static int stop_fd, age_fd;
static in_port_t port;
static pthread_t thread;
static unsigned int reports;
static size_t report_bytes;
static char answer[ANSWER_BYTES];
/* How long to wait for an answer before closing */
static unsigned int patience_ms;
/* SERVER_BAD_SLOW, as the test may see it */
static uint64_t slow;

static char *report(struct server *s, enum report_kind kind, size_t *bytes)
{
	char *text = malloc(report_bytes + 1);

	reports++;
	memset(text, 'r', report_bytes + 1);
	text[report_bytes] = 0;
	*bytes = report_bytes;
	return text;
}

static bool work(struct loop *l)
{
	return server_work(&server);
}

static void stop(struct loop_watch *watch, uint32_t events)
{
	loop_stop(&loop);
}

/* Time passes: all connections are as old as this says */
static void age(struct loop_watch *watch, uint32_t events)
{
	uint64_t ms;
	unsigned int i;

	if (read(age_fd, &ms, sizeof(ms)) != sizeof(ms))
		return;
	for (i = 0; i < MONITOR_CONNECTIONS_MAX; i++)
		server.client[i].since_ms -= ms;
	server_age(&server);
	__atomic_store_n(&slow, server.count[SERVER_BAD_SLOW],
			 __ATOMIC_RELAXED);
}

static uint64_t slow_seen(void)
{
	return __atomic_load_n(&slow, __ATOMIC_RELAXED);
}

static void *serve(void *unused)
{
	loop_run(&loop);
	return NULL;
}

static void open_server(void)
{
	const union MHD_DaemonInfo *info;
	struct sockaddr_in address = { 0 };
	socklen_t bytes = sizeof(address);

	signal(SIGPIPE, SIG_IGN);
	report_bytes = 100;
	reports = 0;
	patience_ms = UNIT_PATIENCE_MS;
	slow = 0;
	memset(&server, 0, sizeof(server));
	ck_assert_int_eq(loop_init(&loop), 0);
	server.report = report;
	server.version = &version;
	server.hosts = "dashboard.example,other";
	ck_assert_int_eq(server_open(&server, &loop, "127.0.0.1:0"), 0);
	info = MHD_get_daemon_info(server.daemon, MHD_DAEMON_INFO_LISTEN_FD);
	getsockname(info->listen_fd, (struct sockaddr *)&address, &bytes);
	port = address.sin_port;
	stop_fd = eventfd(0, 0);
	age_fd = eventfd(0, 0);
	stop_watch.ready = stop;
	age_watch.ready = age;
	loop_watch(&loop, &stop_watch, stop_fd, EPOLLIN);
	loop_watch(&loop, &age_watch, age_fd, EPOLLIN);
	loop.before_sleep = work;
	ck_assert_int_eq(pthread_create(&thread, NULL, serve, NULL), 0);
}

static void end_thread(void)
{
	uint64_t one = 1;

	if (!thread)
		return;
	ck_assert_int_eq(write(stop_fd, &one, sizeof(one)), sizeof(one));
	pthread_join(thread, NULL);
	thread = 0;
}

static void close_server(void)
{
	end_thread();
	server_close(&server);
	loop_fini(&loop);
	close(stop_fd);
	close(age_fd);
}

static int dial(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = port };
	struct timeval patience = { .tv_sec = patience_ms / 1000,
				    .tv_usec = patience_ms % 1000 * 1000L };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	ck_assert_int_eq(
		connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void pass_ms(uint64_t ms)
{
	ck_assert_int_eq(write(age_fd, &ms, sizeof(ms)), sizeof(ms));
}

/* Read until the server closes, or until the patience is over */
static size_t read_all(int fd)
{
	size_t got = 0;
	ssize_t n;

	while (got < ANSWER_BYTES - 1 &&
	       (n = recv(fd, answer + got, ANSWER_BYTES - 1 - got, 0)) > 0)
		got += (size_t)n;
	answer[got] = 0;
	close(fd);
	return got;
}

/* Ask on a connection of its own. Return: the status, 0 for no answer */
static int ask_bytes(const char *request, size_t bytes)
{
	int fd = dial();
	int status = 0;

	/* a server that has seen enough may close before all is sent */
	send(fd, request, bytes, MSG_NOSIGNAL);
	shutdown(fd, SHUT_WR);
	read_all(fd);
	if (sscanf(answer, "HTTP/1.%*d %d", &status) != 1)
		return 0;
	return status;
}

static int ask(const char *request)
{
	return ask_bytes(request, strlen(request));
}

static int get(const char *path)
{
	char request[4096];

	snprintf(request, sizeof(request),
		 "GET %s HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", path);
	return ask(request);
}

START_TEST(every_path_answers)
{
	static const char *const paths[] = {
		"/",	       "/page.css",	"/page.js",
		"/icon.svg",   "/api/status",	"/api/services",
		"/api/guests", "/api/circuits", "/api/counters",
		"/metrics"
	};
	size_t i;

	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		ck_assert_msg(get(paths[i]) == 200, "%s: %s", paths[i], answer);
		ck_assert_ptr_nonnull(strstr(answer, "default-src 'none'"));
		ck_assert_ptr_nonnull(strstr(answer, "nosniff"));
		ck_assert_ptr_nonnull(strstr(answer, "no-store"));
	}
}
END_TEST

START_TEST(page_needs_nothing_from_elsewhere)
{
	ck_assert_int_eq(get("/"), 200);
	ck_assert_ptr_nonnull(strstr(answer, "</html>"));
	ck_assert_ptr_null(strstr(answer, "://"));
	ck_assert_ptr_null(strstr(answer, "<script>"));
	ck_assert_ptr_null(strstr(answer, "style="));
	ck_assert_int_eq(get("/page.js"), 200);
	ck_assert_ptr_null(strstr(answer, "innerHTML"));
	ck_assert_ptr_null(strstr(answer, "://"));
	ck_assert_int_eq(get("/page.css"), 200);
	ck_assert_ptr_null(strstr(answer, "url("));
}
END_TEST

START_TEST(head_has_no_body)
{
	ck_assert_int_eq(ask("HEAD /api/status HTTP/1.1\r\n" HOST "Connection: "
			     "close\r\n\r"
			     "\n"),
			 200);
	ck_assert_ptr_nonnull(strstr(answer, "Content-Length: 100\r\n"));
	ck_assert_str_eq(strstr(answer, "\r\n\r\n"), "\r\n\r\n");
}
END_TEST

START_TEST(nothing_can_be_changed)
{
	static const char *const methods[] = { "POST",	"PUT",	   "DELETE",
					       "PATCH", "OPTIONS", "TRACE",
					       "BREW" };
	char request[200];
	size_t i;

	for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		snprintf(request, sizeof(request),
			 "%s /api/status HTTP/1.1\r\n" HOST "Content-Length: "
			 "4\r\n\r\nbody",
			 methods[i]);
		ck_assert_msg(ask(request) == 405, "%s: %s", methods[i],
			      answer);
		ck_assert_ptr_nonnull(strstr(answer, "Allow: GET, HEAD"));
		ck_assert_ptr_nonnull(strstr(answer, "only GET and HEAD"));
	}
	end_thread();
	ck_assert_uint_eq(server.count[SERVER_BAD_METHOD], i);
	ck_assert_uint_eq(reports, 0);
}
END_TEST

START_TEST(unknown_paths_are_told_the_known_ones)
{
	static const char *const paths[] = {
		"/api",
		"/api/",
		"/API/status",
		"//",
		"/page.css/",
		"/../../etc/passwd",
		"/%2e%2e/",
		"/api/status%00",
		"/services/monitor/page/index.html",
	};
	size_t i;

	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		ck_assert_msg(get(paths[i]) == 404, "%s: %s", paths[i], answer);
		ck_assert_ptr_nonnull(strstr(answer, "/api/circuits"));
	}
}
END_TEST

START_TEST(a_foreign_name_is_refused)
{
	ck_assert_int_eq(ask("GET / HTTP/1.1\r\nHost: evil.example\r\n"
			     "Connection: close\r\n\r\n"),
			 421);
	ck_assert_int_eq(ask("GET / HTTP/1.1\r\nHost: dashboard.example:90\r\n"
			     "Connection: close\r\n\r\n"),
			 200);
	ck_assert_int_eq(ask("GET / HTTP/1.0\r\n\r\n"), 421);
	ck_assert_int_eq(ask("GET / HTTP/1.1\r\n\r\n"), 400);
}
END_TEST

START_TEST(hosts_are_told_apart)
{
	static const char *const good[] = { "127.0.0.1",    "127.0.0.1:9090",
					    "10.0.2.15:80", "[::1]:9090",
					    "[fd00::1]",    "localhost",
					    "LOCALHOST:1",  "a",
					    "b:1" };
	static const char *const bad[] = {
		"",    "c",	"a.",	 "ab",	  "127.0.0.1x",	    "[::1",
		":80", "a:80x", "a:b:c", "1.2.3", "evil.127.0.0.1", "[::1]x",
		"a,b", "[]"
	};
	char huge[1000];
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ck_assert_msg(server_host_allowed(good[i], "a,b"), "%s",
			      good[i]);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!server_host_allowed(bad[i], "a,b"), "%s",
			      bad[i]);
	memset(huge, 'a', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = 0;
	ck_assert(!server_host_allowed(huge, huge));
	ck_assert(!server_host_allowed(NULL, NULL));
}
END_TEST

static char asked[256 * 1024];
static size_t asked_bytes;

static void put(const char *text)
{
	while (*text)
		asked[asked_bytes++] = *text++;
}

static void put_many(const char *text, unsigned int times)
{
	while (times--)
		put(text);
}

static int ask_put(void)
{
	int status = ask_bytes(asked, asked_bytes);

	asked_bytes = 0;
	return status;
}

START_TEST(huge_requests_are_refused)
{
	int status;

	put("GET /");
	put_many("a", 200000);
	put(" HTTP/1.1\r\n" HOST "\r\n");
	status = ask_put();
	ck_assert_msg(status == 414 || status == 431 || status == 413,
		      "path: %d", status);

	put("GET / HTTP/1.1\r\n" HOST "X: ");
	put_many("a", 200000);
	put("\r\n\r\n");
	status = ask_put();
	ck_assert_msg(status == 431 || status == 413, "header: %d", status);

	put("GET / HTTP/1.1\r\n" HOST);
	put_many("X: y\r\n", 30000);
	put("\r\n");
	status = ask_put();
	ck_assert_msg(status == 431 || status == 413, "headers: %d", status);
	ck_assert_int_eq(get("/"), 200);
}
END_TEST

/* Time passes until those before it are cut off, and @path is answered */
static void get_in_time(const char *path)
{
	patience_ms = 500;
	do {
		pass_ms(MONITOR_HALF_CLOSED_MS);
	} while (get(path) != 200);
}

START_TEST(rubbish_is_refused_and_disturbs_nobody)
{
	static const char *const rubbish[] = {
		"\r\n\r\n\r\n\r\n",
		"GET\r\n\r\n",
		"GET / HTTP/9.9\r\n" HOST "\r\n",
		"GET / HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n",
		"GET / HTTP/1.1\r\n" HOST "Content-Length: 1e9\r\n\r\n",
		"GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nz",
		"GET / HTTP/1.1\r\nno colon\r\n\r\n",
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	};
	unsigned int seed = 1;
	char noise[512];
	size_t i, j;

	/* what may still become a request is waited for: do not */
	patience_ms = 5;
	for (i = 0; i < sizeof(rubbish) / sizeof(rubbish[0]); i++)
		ask(rubbish[i]);
	for (i = 0; i < 200; i++) {
		for (j = 0; j < sizeof(noise); j++)
			noise[j] = (char)rand_r(&seed);
		if (i & 1)
			snprintf(noise, sizeof(noise),
				 "GET / HTTP/1.1\r\n" HOST);
		ask_bytes(noise, (size_t)rand_r(&seed) % sizeof(noise));
		if (i % 16 == 0)
			pass_ms(MONITOR_HALF_CLOSED_MS);
	}
	get_in_time("/api/status");
}
END_TEST

START_TEST(one_version_is_written_once)
{
	int i;

	for (i = 0; i < 10; i++)
		ck_assert_int_eq(get("/api/status"), 200);
	ck_assert_int_eq(get("/api/guests"), 200);
	end_thread();
	ck_assert_uint_eq(reports, 2);
}
END_TEST

/* Time passes until the server has cut off @count slow connections */
static void pass_until_slow(unsigned int count)
{
	do {
		usleep(20000);
		pass_ms(MONITOR_REQUEST_MS);
	} while (slow_seen() < count);
}

START_TEST(many_connections_wait_and_others_are_served_after_them)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = port };
	int fd[3 * MONITOR_CONNECTIONS_MAX];
	unsigned int i;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (i = 0; i < 3 * MONITOR_CONNECTIONS_MAX; i++) {
		fd[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		ck_assert(connect(fd[i], (struct sockaddr *)&address,
				  sizeof(address)) == 0 ||
			  errno == EINPROGRESS);
		send(fd[i], "G", 1, MSG_NOSIGNAL);
	}
	pass_until_slow(MONITOR_CONNECTIONS_MAX);
	for (i = 0; i < 3 * MONITOR_CONNECTIONS_MAX; i++)
		close(fd[i]);
	/* those that waited are let in, and found to have gone */
	get_in_time("/");
}
END_TEST

START_TEST(a_request_in_drops_is_cut_off)
{
	int fd = dial();
	char byte;

	send(fd, "GET / HT", 8, 0);
	pass_until_slow(1);
	ck_assert_int_eq(recv(fd, &byte, 1, 0), 0);
	close(fd);
}
END_TEST

START_TEST(a_reader_that_does_not_read_is_cut_off)
{
	int fd, room = 4096;

	report_bytes = 64 << 20;
	fd = dial();
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	send(fd, "GET /api/status HTTP/1.1\r\n" HOST "\r\n", 45, 0);
	pass_until_slow(1);
	close(fd);
	ck_assert_int_eq(get("/"), 200);
}
END_TEST

START_TEST(a_connection_carries_many_requests)
{
	int fd = dial();
	int i;

	for (i = 0; i < 100; i++) {
		size_t got = 0;

		send(fd, "GET /api/status HTTP/1.1\r\n" HOST "\r\n",
		     strlen("GET /api/status HTTP/1.1\r\n" HOST "\r\n"), 0);
		do {
			ssize_t n = recv(fd, answer + got, 4096, 0);

			ck_assert_int_gt(n, 0);
			got += (size_t)n;
			answer[got] = 0;
		} while (!strstr(answer, "rrrrrrrrrr") ||
			 strspn(strstr(answer, "rrrr"), "r") < 100);
	}
	close(fd);
	end_thread();
	ck_assert_uint_eq(server.count[SERVER_CONNECTIONS], 1);
	ck_assert_uint_eq(server.count[SERVER_REQUESTS], 100);
}
END_TEST

START_TEST(addresses_to_listen_on_are_checked)
{
	static const char *const bad[] = { "",
					   "127.0.0.1",
					   "127.0.0.1:",
					   "127.0.0.1:x",
					   ":9090",
					   "localhost:9090",
					   "::1:9090",
					   "[::1]",
					   "1.2.3.4:65536",
					   "1.2.3.4:-1",
					   "[::1:80",
					   "[1.2.3.4]:80",
					   "1.2.3.4: 80" };
	size_t i;
	int fd;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(server_listen(bad[i]) == -EINVAL, "%s", bad[i]);
	ck_assert_int_eq(server_listen("192.0.2.1:80"), -EADDRNOTAVAIL);
	fd = server_listen("127.0.0.1:0");
	ck_assert_int_ge(fd, 0);
	close(fd);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("monitor_http");
	TCase *tests = tcase_create("http");

	tcase_add_checked_fixture(tests, open_server, close_server);
	tcase_set_timeout(tests, 20);
	tcase_add_test(tests, every_path_answers);
	tcase_add_test(tests, page_needs_nothing_from_elsewhere);
	tcase_add_test(tests, head_has_no_body);
	tcase_add_test(tests, nothing_can_be_changed);
	tcase_add_test(tests, unknown_paths_are_told_the_known_ones);
	tcase_add_test(tests, a_foreign_name_is_refused);
	tcase_add_test(tests, hosts_are_told_apart);
	tcase_add_test(tests, huge_requests_are_refused);
	tcase_add_test(tests, rubbish_is_refused_and_disturbs_nobody);
	tcase_add_test(tests, one_version_is_written_once);
	tcase_add_test(tests,
		       many_connections_wait_and_others_are_served_after_them);
	tcase_add_test(tests, a_request_in_drops_is_cut_off);
	tcase_add_test(tests, a_reader_that_does_not_read_is_cut_off);
	tcase_add_test(tests, a_connection_carries_many_requests);
	tcase_add_test(tests, addresses_to_listen_on_are_checked);
	suite_add_tcase(suite, tests);
	return unit_run(suite);
}
