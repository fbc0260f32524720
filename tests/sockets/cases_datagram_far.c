// SPDX-License-Identifier: GPL-2.0-only
/*
 * cases_datagram_far.c - UDP sockets against the far end
 *
 * CASES 9 is round_trip() and unconnected(), 33 all_sizes().
 */
#include <netinet/udp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "datagram.h"
#include "far.h"
#include "near.h"
#include "pattern.h"

static void round_trip(struct world *w)
{
	struct dgram_far p = dgram_far(w);

	dgram_send(p.near, 100, 1);
	far_ask(w, "udprecv %d 100 1", p.far);
	far_ask(w, "udpsend %d 200 2", p.far);
	dgram_recv(p.near, 200, 2);
	dgram_none(p.near);
	must(near_poll(p.near, POLLOUT, NEAR_LONG_MS) & POLLOUT);
	dgram_send(p.near, 1, 3);
	far_ask(w, "udprecv %d 1 3", p.far);
	dgram_send(p.near, 0, 3);
	far_ask(w, "udprecv %d 0 3", p.far);
	far_ask(w, "udpsend %d 0 3", p.far);
	dgram_recv(p.near, 0, 3);
}

/* Many rounds on one socket, and each on a socket of its own */
static void rounds(struct world *w)
{
	struct dgram_far p = dgram_far(w);
	union endpoint to = near_peer(p.near);
	unsigned int i;
	int fd;

	far_start(w, "udpecho %d 120", p.far);
	for (i = 0; i < 100; i++) {
		dgram_send(p.near, 10 + i * 10, i);
		dgram_recv(p.near, 10 + i * 10, i);
	}
	for (i = 0; i < 20; i++) {
		fd = dgram_socket(w);
		dgram_send_to(fd, &to, 100, i);
		dgram_recv(fd, 100, i);
		close(fd);
	}
	far_finish(w);
}

static void all_sizes(struct world *w)
{
	static const size_t size[] = { 63,   64,    65,	   1472,  1473, 8192,
				       9000, 16000, 16320, 16384, 40000 };
	struct dgram_far p = dgram_far(w);
	size_t i;

	for (i = 0; i < sizeof(size) / sizeof(size[0]); i++) {
		dgram_send(p.near, size[i], (unsigned int)i);
		far_ask(w, "udprecv %d %zu %zu", p.far, size[i], i);
		far_ask(w, "udpsend %d %zu %zu", p.far, size[i], i);
		dgram_recv(p.near, size[i], (unsigned int)i);
	}
	dgram_send(p.near, 65507, 1);
	far_ask(w, "udprecv %d 65507 1", p.far);
	far_ask(w, "udpsend %d 65507 1", p.far);
	dgram_recv(p.near, 65507, 1);
}

/* What comes first is too large for a socket that is still small */
static void large_comes(struct world *w)
{
	struct dgram_far p = dgram_far(w);

	dgram_send(p.near, 10, 1);
	far_ask(w, "udprecv %d 10 1", p.far);
	far_ask(w, "udpsend %d 20 2", p.far);
	far_ask(w, "udpsend %d 60000 3", p.far);
	far_ask(w, "udpsend %d 30 4", p.far);
	dgram_recv(p.near, 20, 2);
	dgram_recv(p.near, 60000, 3);
	dgram_recv(p.near, 30, 4);
}

static void unconnected(struct world *w)
{
	union endpoint to[5], from;
	int far[5];
	int fd = dgram_socket(w);
	int i;

	for (i = 0; i < 5; i++) {
		far[i] = (int)far_ask(w, "udp");
		to[i] = near_target(w, (unsigned int)far_ask(w, "port %d",
							     far[i]));
		dgram_send_to(fd, &to[i], 50, (unsigned int)i);
	}
	for (i = 0; i < 5; i++) {
		far_ask(w, "udprecv %d 50 %d", far[i], i);
		far_ask(w, "udpsend %d 60 %d", far[i], i);
		from = dgram_recv(fd, 60, (unsigned int)i);
		must(endpoint_same(&from, &to[i]));
	}
}

static void filtered(struct world *w)
{
	struct dgram_far p = dgram_far(w);
	int other = (int)far_ask(w, "udp");
	union endpoint to =
		near_target(w, (unsigned int)far_ask(w, "port %d", other));

	/* the socket is known to both; only the one it talks to is heard */
	dgram_send_to(p.near, &to, 10, 1);
	far_ask(w, "udprecv %d 10 1", other);
	far_ask(w, "udpsend %d 10 2", other);
	dgram_send(p.near, 10, 3);
	far_ask(w, "udprecv %d 10 3", p.far);
	far_ask(w, "udpsend %d 10 4", p.far);
	dgram_recv(p.near, 10, 4);
	dgram_none(p.near);
}

static void refused(struct world *w)
{
	struct dgram_far p = dgram_far(w);
	char byte;

	far_ask(w, "close %d", p.far);
	must_be(send(p.near, "x", 1, 0), 1);
	must(near_poll(p.near, POLLIN, NEAR_LONG_MS) & POLLERR);
	must_fail(recv(p.near, &byte, 1, MSG_DONTWAIT), ECONNREFUSED);
	dgram_none(p.near);
}

static void refused_queue(struct world *w)
{
	bool v4 = w->family == AF_INET;
	struct dgram_far p = dgram_far(w);
	union endpoint to = near_peer(p.near);
	struct dgram_message m;
	int fd = dgram_socket(w);

	near_set(fd, v4 ? SOL_IP : SOL_IPV6, v4 ? IP_RECVERR : IPV6_RECVERR, 1);
	far_ask(w, "close %d", p.far);
	dgram_send_to(fd, &to, 30, 1);
	must(near_poll(fd, POLLIN, NEAR_LONG_MS) & POLLERR);
	must(dgram_recv_message(fd, &m, MSG_ERRQUEUE) >= 0);
	must(endpoint_same(&m.name, &to));
	must(dgram_control(&m, v4 ? SOL_IP : SOL_IPV6,
			   v4 ? IP_RECVERR : IPV6_RECVERR));
}

static void flood_out(struct world *w)
{
	struct dgram_far p = dgram_far(w);
	unsigned int i;

	/* each is answered: what is on its way is bounded */
	far_start(w, "udpecho %d 300", p.far);
	for (i = 0; i < 300; i++) {
		dgram_send(p.near, 1400, i);
		if (i >= 4)
			dgram_recv(p.near, 1400, i - 4);
	}
	for (i = 296; i < 300; i++)
		dgram_recv(p.near, 1400, i);
	far_finish(w);
}

/* What went before is sent, though nobody calls again */
static void batch_broken(struct world *w)
{
	struct dgram_far p = dgram_far(w);
	struct mmsghdr message[3] = {};
	uint8_t byte[10];
	struct iovec part = { byte, sizeof(byte) };

	pattern_fill(byte, sizeof(byte), 1, 0);
	for (int i = 0; i < 3; i++) {
		message[i].msg_hdr.msg_iov = &part;
		message[i].msg_hdr.msg_iovlen = 1;
	}
	message[1].msg_hdr.msg_iov = (struct iovec *)8;
	must_be(sendmmsg(p.near, message, 3, 0), 1);
	far_ask(w, "udprecv %d 10 1", p.far);
	message[0].msg_hdr.msg_iov = (struct iovec *)8;
	must_fail(sendmmsg(p.near, message, 3, 0), EFAULT);
	dgram_none(p.near);
}

static void told_of_each(struct world *w)
{
	bool v4 = w->family == AF_INET;
	struct dgram_far p = dgram_far(w);
	struct dgram_message m;

	near_set(p.near, v4 ? SOL_IP : SOL_IPV6,
		 v4 ? IP_PKTINFO : IPV6_RECVPKTINFO, 1);
	near_set(p.near, v4 ? SOL_IP : SOL_IPV6,
		 v4 ? IP_RECVTTL : IPV6_RECVHOPLIMIT, 1);
	near_set(p.near, v4 ? SOL_IP : SOL_IPV6,
		 v4 ? IP_RECVTOS : IPV6_RECVTCLASS, 1);
	dgram_send(p.near, 10, 1);
	far_ask(w, "udprecv %d 10 1", p.far);
	far_ask(w, "udpsend %d 10 2", p.far);
	must_be(dgram_recv_message(p.near, &m, 0), 10);
	must(dgram_control(&m, v4 ? SOL_IP : SOL_IPV6,
			   v4 ? IP_PKTINFO : IPV6_PKTINFO));
	must(dgram_control(&m, v4 ? SOL_IP : SOL_IPV6,
			   v4 ? IP_TTL : IPV6_HOPLIMIT));
	must(dgram_control(&m, v4 ? SOL_IP : SOL_IPV6,
			   v4 ? IP_TOS : IPV6_TCLASS));
}

/* What is peeked at comes while one waits for it, and is received after that */
static void peeked_on(struct world *w)
{
	struct dgram_far p = dgram_far(w);
	uint8_t buffer[100];
	size_t i;

	dgram_send(p.near, 10, 1);
	far_ask(w, "udprecv %d 10 1", p.far);
	near_set(p.near, SOL_SOCKET, SO_PEEK_OFF, 0);
	for (i = 1; i <= 5; i++)
		far_ask(w, "udpsend %d %zu %zu", p.far, i * 10, i);
	for (i = 1; i <= 5; i++) {
		must_be(recv(p.near, buffer, sizeof(buffer), MSG_PEEK),
			(long long)(i * 10));
		must(pattern_check(buffer, i * 10, i, 0) == i * 10);
	}
	far_start(w, "udpsend %d 60 6", p.far);
	must_be(recv(p.near, buffer, sizeof(buffer), MSG_PEEK), 60);
	far_finish(w);
	for (i = 1; i <= 6; i++)
		dgram_recv(p.near, i * 10, i);
	must_be(near_get(p.near, SOL_SOCKET, SO_PEEK_OFF), 0);
}

/* The port that getsockname() tells is the one that others can send to */
static void published(struct world *w)
{
	union endpoint e =
		w->remote ? near_wildcard(w, 0) : near_loopback(w, 0);
	int fd = dgram_socket(w);
	int far = (int)far_ask(w, "udp");

	near_set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (w->ports)
		endpoint_set_port(&e, w->port + w->ports_used++ % w->ports);
	must_be(bind(fd, &e.any, endpoint_bytes(&e)), 0);
	e = near_name(fd);
	far_ask(w, "udpto %s %u %d 100 1", endpoint_text(&w->reach),
		endpoint_port(&e), far);
	e = dgram_recv(fd, 100, 1);
	dgram_send_to(fd, &e, 10, 2);
	far_ask(w, "udprecv %d 10 2", far);
}

#define RUN_BYTES 1480
#define RUN_SEGMENT 150

/* What is received together is told by its length. Return: was anything? */
static bool run_comes_joined(struct world *w, const struct dgram_far *p)
{
	struct dgram_message m;
	bool joined = false;
	const int *segment;
	size_t sum = 0;
	ssize_t got;

	far_ask(w, "udprun %d %d 2 %d", p->far, RUN_BYTES, RUN_SEGMENT);
	while (sum < RUN_BYTES) {
		got = dgram_recv_message(p->near, &m, 0);
		must(got > 0);
		must(pattern_check(m.data, (size_t)got, 2, sum) == (size_t)got);
		segment = dgram_control(&m, SOL_UDP, UDP_GRO);
		must(segment ? *segment == RUN_SEGMENT && got > RUN_SEGMENT
			     : got <= RUN_SEGMENT);
		joined = joined || segment;
		sum += (size_t)got;
		/* none but the last is shorter than the others */
		must(sum == RUN_BYTES || !(sum % RUN_SEGMENT));
	}
	must_be(sum, RUN_BYTES);
	return joined;
}

static void joined(struct world *w)
{
	struct dgram_far p = dgram_far(w);

	dgram_send(p.near, 10, 1);
	far_ask(w, "udprecv %d 10 1", p.far);
	must(!run_comes_joined(w, &p));
	near_set(p.near, SOL_UDP, UDP_GRO, 1);
	near_until(run_comes_joined(w, &p));
	/* and with others between them */
	far_ask(w, "udpsend %d 150 3", p.far);
	far_ask(w, "udpsend %d 200 4", p.far);
	dgram_recv(p.near, 150, 3);
	dgram_recv(p.near, 200, 4);
}

const struct check_case datagram_far_cases[] = {
	{ "datagram-far-round-trip", round_trip, ONCE },
	{ "datagram-far-rounds", rounds, ONCE },
	{ "datagram-far-all-sizes", all_sizes, ONCE },
	{ "datagram-far-large-comes", large_comes, ONCE },
	{ "datagram-far-unconnected", unconnected, ONCE },
	{ "datagram-far-filtered", filtered, ONCE },
	{ "datagram-far-joined", joined, ONCE },
	{ "datagram-far-peeked-on", peeked_on, ONCE },
	{ "datagram-far-refused", refused, ONCE },
	{ "datagram-far-refused-queue", refused_queue, ONCE },
	{ "datagram-far-flood-out", flood_out, ONCE },
	{ "datagram-far-batch-broken", batch_broken, ONCE },
	{ "datagram-far-told-of-each", told_of_each, ONCE },
	{ "datagram-far-published", published, LISTENS },
	CASES_END,
};
