// SPDX-License-Identifier: GPL-2.0-only
/*
 * datagram.c - rounds and goodput of datagrams, and where any are lost
 *
 * A flood is as fast as its sender gets them out. What its receiver's own
 * socket had no room for it is told by SO_RXQ_OVFL; whatever else is missing
 * was lost on the way. The sender of a flood out asks afterwards what came;
 * that of a flood in says behind it how many there were.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/sbperf/sbperf.h"

#define FLOOD_BYTES 1400u
#define FLOOD_COUNT 4000u
#define ROUNDS 4
/* A flood is over when nothing came for so long, milliseconds */
#define QUIET_MS 20
/* Questions and last words may be lost too */
#define TRIES 20

enum note_kind {
	NOTE_ECHO = 'e', /* answer this */
	NOTE_FLOOD = 'f', /* one of a flood */
	NOTE_BEGIN = 'b', /* a flood begins: count from here */
	NOTE_COUNTS = 'c', /* answer what came of it */
	NOTE_SEND = 's', /* send me a flood of @sent, and last words */
	NOTE_LAST = 'l', /* last words of a flood */
};

/**
 * struct note - every datagram begins with it
 * @kind:     enum note_kind
 * @sent:     datagrams of the flood
 * @received: of them
 * @dropped:  by the receiver's socket
 * @us:       from the first to the last
 */
struct note {
	uint8_t kind;
	uint8_t reserved[3];
	uint32_t sent;
	uint32_t received;
	uint32_t dropped;
	double us;
	uint8_t padding[REQUEST_BYTES - 24];
};

/**
 * struct flood - a flood as its receiver sees it
 * @counts:   answer to NOTE_COUNTS
 * @first_us: when the first came
 * @before:   drops of the socket before it began
 * @drops:    drops of the socket
 */
struct flood {
	struct note counts;
	double first_us;
	uint32_t before;
	uint32_t drops;
};

static int open_socket(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		fail("socket");
	return fd;
}

static void note_drops(struct flood *f, struct msghdr *m)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(m);

	for (; c; c = CMSG_NXTHDR(m, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL)
			memcpy(&f->drops, CMSG_DATA(c), sizeof(f->drops));
}

/* One datagram. Return: its kind, or 0 when there was none in time */
static uint8_t take(int fd, struct flood *f, struct note *note,
		    struct sockaddr_in *from)
{
	char control[CMSG_SPACE(sizeof(uint32_t))];
	struct iovec piece = { chunk, FLOOD_BYTES };
	struct msghdr m = { .msg_name = from,
			    .msg_namelen = from ? sizeof(*from) : 0,
			    .msg_iov = &piece,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof(control) };
	ssize_t got = recvmsg(fd, &m, 0);

	if (got < 0 && errno != EAGAIN && errno != ECONNREFUSED)
		fail("recvmsg");
	if (got < (ssize_t)sizeof(*note))
		return 0;
	note_drops(f, &m);
	memcpy(note, chunk, sizeof(*note));
	return note->kind;
}

static void begin(struct flood *f)
{
	memset(&f->counts, 0, sizeof(f->counts));
	f->counts.kind = NOTE_COUNTS;
	f->before = f->drops;
}

static void count_one(struct flood *f)
{
	double now = now_us();

	if (f->counts.received++ == 0)
		f->first_us = now;
	f->counts.us = now - f->first_us;
}

/* As fast as the socket takes them: it blocks when it is full */
static unsigned int send_flood(int fd, const struct sockaddr_in *to,
			       unsigned int number)
{
	static uint8_t bytes[FLOOD_BYTES] = { NOTE_FLOOD };
	unsigned int sent = 0;

	for (unsigned int n = 0; n < number; n++)
		sent += sendto(fd, bytes, sizeof(bytes), 0,
			       (const struct sockaddr *)to,
			       sizeof(*to)) == sizeof(bytes);
	return sent;
}

static void send_note(int fd, const struct sockaddr_in *to,
		      const struct note *note)
{
	/* an error is a loss like any other */
	(void)!sendto(fd, note, sizeof(*note), 0, (const struct sockaddr *)to,
		      sizeof(*to));
}

/* A flood, and when its receiver has had time, last words */
static void serve_flood(int fd, const struct sockaddr_in *to, uint32_t number)
{
	struct note last = { .kind = NOTE_LAST };

	last.sent = send_flood(fd, to, number);
	usleep(QUIET_MS * 1000);
	for (int n = 0; n < 3; n++)
		send_note(fd, to, &last);
}

void serve_datagrams(uint16_t port)
{
	struct sockaddr_in any = { .sin_family = AF_INET,
				   .sin_port = htons(port) };
	struct sockaddr_in from;
	struct flood f = {};
	struct note note;
	int fd = open_socket(), on = 1;

	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) != 0)
		fail("bind");
	setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof(on));
	for (;;) {
		switch (take(fd, &f, &note, &from)) {
		case NOTE_ECHO:
			send_note(fd, &from, &note);
			break;
		case NOTE_BEGIN:
			begin(&f);
			send_note(fd, &from, &note);
			break;
		case NOTE_FLOOD:
			count_one(&f);
			break;
		case NOTE_COUNTS:
			f.counts.dropped = f.drops - f.before;
			send_note(fd, &from, &f.counts);
			break;
		case NOTE_SEND:
			serve_flood(fd, &from, note.sent);
			break;
		}
	}
}

static void set_timeout(int fd, unsigned int ms)
{
	struct timeval limit = { ms / 1000, ms % 1000 * 1000L };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
}

/* Ask until there is an answer of the same kind */
static void exchange(int fd, struct flood *f, uint8_t kind, struct note *answer)
{
	struct note note = { .kind = kind };

	for (int n = 0; n < TRIES; n++) {
		send_note(fd, &server, &note);
		if (take(fd, f, answer, NULL) == kind)
			return;
	}
	errno = ETIMEDOUT;
	fail("datagrams");
}

static void time_rounds(double at[ROUNDS + 1])
{
	double start = now_us();
	struct flood f = {};
	struct note answer;
	int fd = open_socket();

	set_timeout(fd, 1000);
	for (int n = 1; n <= ROUNDS; n++) {
		exchange(fd, &f, NOTE_ECHO, &answer);
		at[n] = now_us() - start;
	}
	close(fd);
}

void measure_datagram_rounds(void)
{
	static double sample[ROUNDS + 1][SAMPLES_MAX];
	static double round[SAMPLES_MAX];
	static const char *const name[] = { NULL, "udp_answer1", "udp_answer2",
					    "udp_answer3", "udp_answer4" };
	double at[ROUNDS + 1];

	time_rounds(at);
	for (unsigned int n = 0; n < repeat; n++) {
		time_rounds(at);
		for (int k = 1; k <= ROUNDS; k++)
			sample[k][n] = at[k];
		round[n] = (at[ROUNDS] - at[1]) / (ROUNDS - 1);
	}
	for (int k = 1; k <= ROUNDS; k++)
		report(name[k], "us", sample[k], repeat);
	report("udp_round", "us", round, repeat);
}

static void report_flood(bool out, const struct note *counts, uint32_t sent)
{
	uint32_t lost = sent - counts->received;

	if (counts->received < 2 || sent == 0)
		fail("flood");
	report_one(out ? "udp_out" : "udp_in", "Mbit/s",
		   (counts->received - 1) * 8.0 * FLOOD_BYTES / counts->us);
	report_one(out ? "udp_out_lost" : "udp_in_lost", "percent",
		   100.0 * lost / sent);
	report_one(out ? "udp_out_receiver" : "udp_in_receiver", "percent",
		   100.0 * counts->dropped / sent);
}

static void flood_out(int fd)
{
	struct flood f = {};
	struct note answer;
	uint32_t sent;

	exchange(fd, &f, NOTE_BEGIN, &answer);
	sent = send_flood(fd, &server, FLOOD_COUNT);
	usleep(QUIET_MS * 1000);
	exchange(fd, &f, NOTE_COUNTS, &answer);
	report_flood(true, &answer, sent);
}

static void flood_in(int fd)
{
	struct note note = { .kind = NOTE_SEND, .sent = FLOOD_COUNT };
	struct flood f = {};
	int quiet = 0;
	uint8_t kind;

	begin(&f);
	send_note(fd, &server, &note);
	do {
		kind = take(fd, &f, &note, NULL);
		if (kind == NOTE_FLOOD)
			count_one(&f);
		quiet = kind ? 0 : quiet + 1;
	} while (kind != NOTE_LAST && quiet < TRIES);
	/* what was dropped last the last words tell */
	f.counts.dropped = f.drops;
	if (kind == NOTE_LAST)
		report_flood(false, &f.counts, note.sent);
}

static void measure_flood(bool out)
{
	int fd = open_socket(), on = 1;
	struct note answer;
	struct flood f = {};

	set_timeout(fd, 100);
	setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof(on));
	exchange(fd, &f, NOTE_ECHO, &answer);
	if (out)
		flood_out(fd);
	else
		flood_in(fd);
	close(fd);
}

void measure_datagrams_out(void)
{
	measure_flood(true);
}

void measure_datagrams_in(void)
{
	measure_flood(false);
}

void profile_datagrams(void (*start)(void), void (*stop)(void))
{
	int fd = open_socket();
	struct flood f = {};
	struct note answer;

	set_timeout(fd, 1000);
	exchange(fd, &f, NOTE_ECHO, &answer);
	start();
	for (int n = 0; n < 100; n++)
		exchange(fd, &f, NOTE_ECHO, &answer);
	stop();
	close(fd);
}
