// SPDX-License-Identifier: GPL-2.0-only
/*
 * serve.c - the server of one connection at a time
 */
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/sbperf/sbperf.h"

static bool serve_stream(int fd, const struct request *r)
{
	switch (r->kind) {
	case REQUEST_SOURCE:
		return pour(fd, r->bytes, r->chunk);
	case REQUEST_SINK:
		return drain(fd, r->bytes);
	case REQUEST_CHECK:
		return drain_checked(fd, r->bytes, r->chunk);
	case REQUEST_SINK_IN_PLACE:
		return drain_in_place(fd, r->bytes, false);
	case REQUEST_CHECK_IN_PLACE:
		return drain_in_place(fd, r->bytes, true);
	default:
		return true;
	}
}

static void serve_connection(int fd)
{
	struct request r;

	while (read_all(fd, &r, sizeof(r))) {
		if (r.chunk == 0 || r.chunk > CHUNK_BYTES ||
		    !serve_stream(fd, &r))
			return;
		if (r.kind != REQUEST_SOURCE && !write_all(fd, &r, sizeof(r)))
			return;
	}
}

int listen_at(uint16_t port)
{
	struct sockaddr_in any = { .sin_family = AF_INET,
				   .sin_port = htons(port) };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;

	if (listener < 0 ||
	    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(listener, (struct sockaddr *)&any, sizeof(any)) ||
	    listen(listener, 4096))
		fail("listen");
	return listener;
}

void serve_listener(int listener)
{
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			fail("accept");
		serve_connection(fd);
		close(fd);
	}
}
