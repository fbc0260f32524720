// SPDX-License-Identifier: GPL-2.0-only
/*
 * datagrams.c - what proxy-udp adds to what the kernel spends
 *
 * A sender sends datagrams of 1400 bytes, a receiver answers every so many of
 * them with one, for which the sender waits: nothing is lost, and both
 * contestants do the same.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/native/spent.h"
#include "tests/bench/sbperf/sbperf.h"
#include "tests/local/guest_datagram.h"
#include "tests/local/guest_trunk.h"

#define PAYLOAD_BYTES 1400u
/* Until there is an answer: half of what a small circuit holds */
#define WINDOW 5
#define TURN_WINDOWS 4000
#define LIMIT_MS 20000

static struct guest_circuit *circuit;
static struct sb_address to;
static int plain_fd;

_Noreturn static void answer_windows(int fd)
{
	struct sockaddr_in from;
	socklen_t length = sizeof(from);

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	for (unsigned int n = 1;; n++) {
		if (recvfrom(fd, chunk, PAYLOAD_BYTES, 0,
			     (struct sockaddr *)&from, &length) < 0)
			fail("recvfrom");
		if (n % WINDOW == 0 &&
		    sendto(fd, chunk, REQUEST_BYTES, 0,
			   (struct sockaddr *)&from, length) < 0)
			fail("sendto");
	}
}

/* Return: the process that receives and answers; its address is in@at */
static pid_t start_receiver(struct sockaddr_in *at)
{
	socklen_t length = sizeof(*at);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	pid_t child;

	*at = (struct sockaddr_in){ .sin_family = AF_INET,
				    .sin_addr = { htonl(INADDR_LOOPBACK) } };
	if (fd < 0 || bind(fd, (struct sockaddr *)at, length) != 0 ||
	    getsockname(fd, (struct sockaddr *)at, &length) != 0)
		fail("receiver");
	child = fork();
	if (child < 0)
		fail("fork");
	if (child == 0)
		answer_windows(fd);
	close(fd);
	return child;
}

static void plain_windows(void)
{
	for (int n = 0; n < TURN_WINDOWS; n++) {
		for (int k = 0; k < WINDOW; k++)
			if (send(plain_fd, chunk, PAYLOAD_BYTES, 0) < 0)
				fail("send");
		if (recv(plain_fd, chunk, REQUEST_BYTES, 0) < 0)
			fail("recv");
	}
}

static void guest_windows(void)
{
	struct sb_datagram header;

	for (int n = 0; n < TURN_WINDOWS; n++) {
		for (int k = 0; k < WINDOW; k++)
			if (guest_datagram_send(circuit, &to, chunk,
						PAYLOAD_BYTES))
				fail("guest's send");
		if (guest_datagram_wait(circuit, &header, chunk, REQUEST_BYTES,
					LIMIT_MS) != REQUEST_BYTES)
			fail("guest's receive");
	}
}

static struct guest_line *start_line(struct guest *g)
{
	struct guest_line *l;
	struct sb_message m;

	do {
		errno = -guest_trunk_receive(g, &m, LIMIT_MS);
		if (errno)
			fail("no line for datagrams");
	} while (m.type != SB_MESSAGE_LINE_WANTED || m.kind != SB_LINE_UDP);
	l = guest_line_new(g, m.line, m.kind, m.domain);
	if (!l || guest_request_line_ready(l) ||
	    guest_line_wait_attached(l, LIMIT_MS))
		fail("guest's line");
	return l;
}

void measure_datagrams(struct guest *g, pid_t proxy_udp)
{
	struct guest_line *l = start_line(g);
	struct sockaddr_in at;

	watched.proxy = proxy_udp;
	watched.server = start_receiver(&at);
	plain_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (plain_fd < 0 ||
	    connect(plain_fd, (struct sockaddr *)&at, sizeof(at)) != 0)
		fail("sender");
	to = (struct sb_address){ .family = SB_FAMILY_IPV4,
				  .port = ntohs(at.sin_port),
				  .bytes = { 127, 0, 0, 1 } };
	circuit = guest_datagram_new(l, SB_ORDER_DEFAULT);
	if (!circuit)
		fail("guest's circuit");
	guest_datagram_offer(circuit, NULL);
	errno = -guest_circuit_wait(circuit, SB_PEER_OPEN, LIMIT_MS);
	if (errno)
		fail("guest's socket");
	spent_compare("datagrams_out", plain_windows, guest_windows,
		      (double)TURN_WINDOWS * WINDOW);
	kill(watched.server, SIGTERM);
}
