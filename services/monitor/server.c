// SPDX-License-Identifier: GPL-2.0-only
/*
 * server.c - HTTP for a few readers
 *
 * A report is written at most once for each version of the book; readers of
 * the same version share it, and libmicrohttpd counts who still does.
 *
 * libmicrohttpd bears a client that sends a byte now and then for ever. So
 * every connection is also remembered here, and cut off when a request has
 * taken longer than MONITOR_REQUEST_MS from its first byte to the last one of
 * its answer.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "services/common/log.h"
#include "services/monitor/page.h"
#include "services/monitor/server.h"

const char *const server_count_name[SERVER_COUNTS] = {
	[SERVER_CONNECTIONS] = "http-connections",
	[SERVER_REQUESTS] = "http-requests",
	[SERVER_BAD_METHOD] = "http-bad-method",
	[SERVER_BAD_PATH] = "http-bad-path",
	[SERVER_BAD_HOST] = "http-bad-host",
	[SERVER_BAD_SLOW] = "http-bad-slow",
	[SERVER_FAILED_MEMORY] = "http-failed-memory",
};

/* In every answer: nothing from elsewhere, nothing kept, nothing guessed */
static const char *const header[][2] = {
	{ "Content-Security-Policy", "default-src 'none'; script-src 'self'; "
				     "style-src 'self'; "
				     "img-src 'self'; connect-src 'self'; "
				     "base-uri 'none'; "
				     "form-action 'none'; frame-ancestors "
				     "'none'" },
	{ "X-Content-Type-Options", "nosniff" },
	{ "Referrer-Policy", "no-referrer" },
	{ "Cross-Origin-Resource-Policy", "same-origin" },
	{ "Cross-Origin-Opener-Policy", "same-origin" },
	{ "Cache-Control", "no-store" },
};

static const char *const report_path[REPORT_KINDS] = {
	[REPORT_STATUS] = "/api/status",
	[REPORT_SERVICES] = "/api/services",
	[REPORT_GUESTS] = "/api/guests",
	[REPORT_CIRCUITS] = "/api/circuits",
	[REPORT_COUNTERS] = "/api/counters",
	[REPORT_METRICS] = "/metrics",
};

static struct MHD_Response *make(const char *body, size_t bytes,
				 enum MHD_ResponseMemoryMode mode,
				 const char *type)
{
	/* the library's prototype lacks a const; it only frees or reads */
	struct MHD_Response *r = MHD_create_response_from_buffer(
		bytes, (void *)(uintptr_t)body, mode);
	size_t i;

	if (!r)
		return NULL;
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	for (i = 0; i < sizeof(header) / sizeof(header[0]); i++)
		MHD_add_response_header(r, header[i][0], header[i][1]);
	return r;
}

static enum MHD_Result send_once(struct MHD_Connection *c, unsigned int status,
				 struct MHD_Response *r)
{
	enum MHD_Result result;

	if (!r)
		return MHD_NO;
	result = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return result;
}

/* @text is a JSON object with the key "error" */
static enum MHD_Result refuse(struct server *s, struct MHD_Connection *c,
			      enum server_count why, unsigned int status,
			      const char *text)
{
	struct MHD_Response *r = make(
		text, strlen(text), MHD_RESPMEM_PERSISTENT, "application/json");

	s->count[why]++;
	if (r && status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	return send_once(c, status, r);
}

/* The response for the book as it is now */
static struct MHD_Response *renew(struct server *s, enum report_kind kind)
{
	const char *type = kind == REPORT_METRICS ? "text/plain; "
						    "version=0.0.4; "
						    "charset=utf-8"
						  : "application/json";
	struct MHD_Response *r;
	size_t bytes = 0;
	char *text;

	if (s->cached[kind] && s->cached_version[kind] == *s->version)
		return s->cached[kind];
	text = s->report(s, kind, &bytes);
	if (!text)
		return NULL;
	r = make(text, bytes, MHD_RESPMEM_MUST_FREE, type);
	if (!r) {
		free(text);
		return NULL;
	}
	if (s->cached[kind])
		MHD_destroy_response(s->cached[kind]);
	s->cached[kind] = r;
	s->cached_version[kind] = *s->version;
	return r;
}

static enum MHD_Result answer_report(struct server *s, struct MHD_Connection *c,
				     enum report_kind kind)
{
	struct MHD_Response *r = renew(s, kind);

	if (!r)
		return refuse(s, c, SERVER_FAILED_MEMORY,
			      MHD_HTTP_SERVICE_UNAVAILABLE,
			      "{\"error\":\"no memory for the report\"}\n");
	return MHD_queue_response(c, MHD_HTTP_OK, r);
}

static enum MHD_Result answer_get(struct server *s, struct MHD_Connection *c,
				  const char *path)
{
	const struct page_file *file = page_find(path);
	int kind;

	if (file)
		return send_once(c, MHD_HTTP_OK,
				 make(file->begin,
				      (size_t)(file->end - file->begin),
				      MHD_RESPMEM_PERSISTENT, file->type));
	for (kind = 0; kind < REPORT_KINDS; kind++)
		if (!strcmp(path, report_path[kind]))
			return answer_report(s, c, (enum report_kind)kind);
	return refuse(s, c, SERVER_BAD_PATH, MHD_HTTP_NOT_FOUND,
		      "{\"error\":\"no such path\",\"paths\":[\"/\","
		      "\"/api/status\",\"/api/services\",\"/api/guests\","
		      "\"/api/circuits\",\"/api/counters\",\"/metrics\"]}\n");
}

static enum MHD_Result answer(void *cls, struct MHD_Connection *c,
			      const char *path, const char *method,
			      const char *version, const char *upload,
			      size_t *upload_bytes, void **state)
{
	struct server *s = cls;
	const char *host;

	s->count[SERVER_REQUESTS] += !*state;
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 &&
	    strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return refuse(s, c, SERVER_BAD_METHOD,
			      MHD_HTTP_METHOD_NOT_ALLOWED,
			      "{\"error\":\"only GET and HEAD: "
			      "the monitor changes nothing\"}\n");
	host = MHD_lookup_connection_value(c, MHD_HEADER_KIND,
					   MHD_HTTP_HEADER_HOST);
	if (!server_host_allowed(host, s->hosts))
		return refuse(s, c, SERVER_BAD_HOST,
			      MHD_HTTP_MISDIRECTED_REQUEST,
			      "{\"error\":\"ask for an address, localhost "
			      "or a name given with --host-names\"}\n");
	/* an answer before the request has ended would end the connection */
	if (!*state) {
		*state = s;
		return MHD_YES;
	}
	return answer_get(s, c, path);
}

static struct server_client *find_client(struct server *s, int fd)
{
	unsigned int i;

	for (i = 0; i < MONITOR_CONNECTIONS_MAX; i++)
		if (s->client[i].fd == fd)
			return &s->client[i];
	return NULL;
}

static int fd_of(struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);

	return info ? info->connect_fd : -1;
}

static void come_or_go(void *cls, struct MHD_Connection *c,
		       void **socket_context,
		       enum MHD_ConnectionNotificationCode code)
{
	struct server *s = cls;
	bool comes = code == MHD_CONNECTION_NOTIFY_STARTED;
	int fd = fd_of(c);
	struct server_client *client = find_client(s, comes ? -1 : fd);

	s->count[SERVER_CONNECTIONS] += comes;
	/* it looks for waiting connections only when it runs again */
	s->more |= !comes;
	if (!client || fd < 0)
		return;
	client->fd = comes ? fd : -1;
	client->since_ms = loop_now(s->loop);
}

static void completed(void *cls, struct MHD_Connection *c, void **state,
		      enum MHD_RequestTerminationCode code)
{
	struct server *s = cls;
	int fd = fd_of(c);
	struct server_client *client = fd < 0 ? NULL : find_client(s, fd);

	if (client)
		client->since_ms = loop_now(s->loop);
}

/*
 * Has the client gone, or said all it will? libmicrohttpd does not notice when
 * that arrives together with the last bytes.
 */
static bool hung_up(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLRDHUP };

	return poll(&p, 1, 0) > 0;
}

void server_age(struct server *s)
{
	uint64_t now_ms = loop_now(s->loop);
	unsigned int i;

	for (i = 0; i < MONITOR_CONNECTIONS_MAX; i++) {
		struct server_client *client = &s->client[i];
		uint64_t for_ms = now_ms - client->since_ms;
		bool slow = for_ms >= MONITOR_REQUEST_MS;

		if (client->fd < 0 || for_ms < MONITOR_HALF_CLOSED_MS ||
		    (!slow && !hung_up(client->fd)))
			continue;
		s->count[SERVER_BAD_SLOW] += slow;
		client->since_ms = now_ms;
		shutdown(client->fd, SHUT_RDWR);
	}
	/* time-outs of connections that are silent */
	s->more = true;
}

bool server_work(struct server *s)
{
	MHD_UNSIGNED_LONG_LONG timeout_ms;

	if (!s->more)
		return false;
	s->more = false;
	MHD_run(s->daemon);
	if (MHD_get_timeout(s->daemon, &timeout_ms) == MHD_YES && !timeout_ms)
		s->more = true;
	return s->more;
}

static void ready(struct loop_watch *watch, uint32_t events)
{
	loop_owner(watch, struct server, watch)->more = true;
}

/* No path here has anything to escape: what is escaped is another path */
static size_t keep_escapes(void *cls, struct MHD_Connection *c, char *text)
{
	return strlen(text);
}

static struct MHD_Daemon *start(struct server *s, int fd)
{
	return MHD_start_daemon(
		MHD_USE_EPOLL, 0, NULL, NULL, answer, s,
		MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
		MONITOR_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)MONITOR_CONNECTION_BYTES, MHD_OPTION_CONNECTION_TIMEOUT,
		MONITOR_IDLE_S, MHD_OPTION_STRICT_FOR_CLIENT, 1,
		MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, s,
		MHD_OPTION_NOTIFY_CONNECTION, come_or_go, s,
		MHD_OPTION_NOTIFY_COMPLETED, completed, s, MHD_OPTION_END);
}

int server_open(struct server *s, struct loop *loop, const char *address)
{
	const union MHD_DaemonInfo *info;
	int fd = server_listen(address);
	unsigned int i;

	if (fd < 0)
		return fd;
	s->loop = loop;
	s->watch.ready = ready;
	s->watch.fd = -1;
	for (i = 0; i < MONITOR_CONNECTIONS_MAX; i++)
		s->client[i].fd = -1;
	s->daemon = start(s, fd);
	if (!s->daemon) {
		close(fd);
		return -ENOMEM;
	}
	info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	return loop_watch(loop, &s->watch, info->epoll_fd, EPOLLIN);
}

void server_close(struct server *s)
{
	unsigned int i;

	if (!s->daemon)
		return;
	loop_unwatch(s->loop, &s->watch);
	MHD_stop_daemon(s->daemon);
	s->daemon = NULL;
	for (i = 0; i < REPORT_KINDS; i++) {
		if (s->cached[i])
			MHD_destroy_response(s->cached[i]);
		s->cached[i] = NULL;
	}
}
