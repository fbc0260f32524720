/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sbperf - what a TCP path costs, measured by a program that only knows sockets
 *
 *   sbperf serve PORT
 *   sbperf client ADDRESS PORT [--mib N] [--repeat N] [TEST...]
 *
 * A client opens connections, each of which begins with a request of 64 bytes
 * (struct request). The tests:
 *   out64k in64k out1448 in1448   goodput, from and to the client, in writes
 *                     of that size; until the server has said that it has all
 *   rounds            connect, and the answers to 1 to 4 requests of 64
 *                     bytes on the new connection, since connect() was called
 *   rate              connect, one request, one answer, close, one after
 *                     the other
 *   cost              requests, then such connections: not their time, but
 *                     the switches and interrupts of the client's machine
 *   profile-connect, -round, -out, -in   100 of these, or 16 MiB, between
 *                     marks that profile/plugin.c sees
 *   hold              HELD connections at once: memory of the client's machine
 *                     for each; they stay until standard input ends
 *
 * One line for each figure: name, unit, median, minimum, maximum, samples.
 * The server takes one connection at a time, so that nothing is measured but
 * the path. Same program, same machine code, on either path.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define REQUEST_BYTES 64
#define ROUNDS 4
#define SAMPLES_MAX 1000
#define CHUNK_BYTES 65536u
/* Connections of one sample of the rate */
#define RATE_CONNECTIONS 50
/* Connections at once; they wait in the server's backlog */
#define HELD 500

enum request_kind {
	REQUEST_ECHO = 'e', /* answer this, and each that follows */
	REQUEST_SINK = 's', /* read @bytes, then answer */
	REQUEST_SOURCE = 'd', /* send @bytes in writes of @chunk */
};

struct request {
	uint8_t kind;
	uint8_t reserved[3];
	uint32_t chunk;
	uint64_t bytes;
	uint8_t padding[REQUEST_BYTES - 16];
};

static uint8_t chunk[CHUNK_BYTES];
static struct sockaddr_in server;
static unsigned int repeat = 10;
static uint64_t stream_bytes = 32ull << 20;

static void fail(const char *what)
{
	fprintf(stderr, "sbperf: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

/* Return: false at the end of the stream, or when it broke */
static bool read_all(int fd, void *to, size_t bytes)
{
	uint8_t *at = to;

	while (bytes) {
		ssize_t got = read(fd, at, bytes);

		if (got <= 0)
			return false;
		at += got;
		bytes -= got;
	}
	return true;
}

static bool write_all(int fd, const void *from, size_t bytes)
{
	const uint8_t *at = from;

	while (bytes) {
		ssize_t put = write(fd, at, bytes);

		if (put <= 0)
			return false;
		at += put;
		bytes -= put;
	}
	return true;
}

static bool drain(int fd, uint64_t bytes)
{
	while (bytes) {
		size_t piece = bytes < CHUNK_BYTES ? bytes : CHUNK_BYTES;
		ssize_t got = read(fd, chunk, piece);

		if (got <= 0)
			return false;
		bytes -= got;
	}
	return true;
}

static bool pour(int fd, uint64_t bytes, uint32_t piece)
{
	while (bytes) {
		size_t next = bytes < piece ? bytes : piece;

		if (!write_all(fd, chunk, next))
			return false;
		bytes -= next;
	}
	return true;
}

/* The server's part of one connection */

static void serve_connection(int fd)
{
	struct request r;

	while (read_all(fd, &r, sizeof(r))) {
		bool well = true;

		if (r.chunk == 0 || r.chunk > CHUNK_BYTES)
			return;
		if (r.kind == REQUEST_SOURCE)
			well = pour(fd, r.bytes, r.chunk);
		else if (r.kind == REQUEST_SINK)
			well = drain(fd, r.bytes);
		if (!well)
			return;
		if (r.kind != REQUEST_SOURCE && !write_all(fd, &r, sizeof(r)))
			return;
	}
}

_Noreturn static void serve(uint16_t port)
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
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			fail("accept");
		serve_connection(fd);
		close(fd);
	}
}

/* The client */

static int connect_server(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 ||
	    connect(fd, (struct sockaddr *)&server, sizeof(server)) != 0)
		fail("connect");
	return fd;
}

static void ask(int fd, enum request_kind kind, uint64_t bytes, uint32_t piece)
{
	struct request r = { .kind = kind, .bytes = bytes, .chunk = piece };

	if (!write_all(fd, &r, sizeof(r)))
		fail("write");
}

static void await_answer(int fd)
{
	struct request r;

	if (!read_all(fd, &r, sizeof(r)))
		fail("read");
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void report(const char *name, const char *unit, double *sample,
		   unsigned int samples)
{
	qsort(sample, samples, sizeof(*sample), by_value);
	printf("%s %s %.1f %.1f %.1f %u\n", name, unit, sample[samples / 2],
	       sample[0], sample[samples - 1], samples);
	fflush(stdout);
}

static double goodput_mbit(bool out, uint32_t piece, uint64_t bytes)
{
	int fd = connect_server();
	double start = now_us(), end;

	ask(fd, out ? REQUEST_SINK : REQUEST_SOURCE, bytes, piece);
	if (!(out ? pour(fd, bytes, piece) : drain(fd, bytes)))
		fail("stream");
	if (out)
		await_answer(fd);
	end = now_us();
	close(fd);
	return bytes * 8.0 / (end - start);
}

static void measure_goodput(const char *name, bool out, uint32_t piece)
{
	double sample[SAMPLES_MAX];
	unsigned int samples = repeat < 3 ? repeat : 3;

	/* windows open, pools fill: the first is not counted */
	goodput_mbit(out, piece, stream_bytes / 4);
	for (unsigned int n = 0; n < samples; n++)
		sample[n] = goodput_mbit(out, piece, stream_bytes);
	report(name, "Mbit/s", sample, samples);
}

/* at[0]: connected; at[k]: k-th answer is there; since connect() was called */
static void time_rounds(double at[ROUNDS + 1])
{
	double start = now_us();
	int fd = connect_server();

	at[0] = now_us() - start;
	for (int n = 1; n <= ROUNDS; n++) {
		ask(fd, REQUEST_ECHO, 0, 1);
		await_answer(fd);
		at[n] = now_us() - start;
	}
	close(fd);
}

static void measure_rounds(void)
{
	static double sample[ROUNDS + 2][SAMPLES_MAX];
	double at[ROUNDS + 1];

	time_rounds(at);
	for (unsigned int n = 0; n < repeat; n++) {
		time_rounds(at);
		for (int k = 0; k <= ROUNDS; k++)
			sample[k][n] = at[k];
		sample[ROUNDS + 1][n] = (at[ROUNDS] - at[1]) / (ROUNDS - 1);
	}
	report("connect", "us", sample[0], repeat);
	report("answer1", "us", sample[1], repeat);
	report("answer2", "us", sample[2], repeat);
	report("answer3", "us", sample[3], repeat);
	report("answer4", "us", sample[4], repeat);
	report("round", "us", sample[ROUNDS + 1], repeat);
}

static void connect_ask_close(unsigned int times)
{
	for (unsigned int n = 0; n < times; n++) {
		int fd = connect_server();

		ask(fd, REQUEST_ECHO, 0, 1);
		await_answer(fd);
		close(fd);
	}
}

static void measure_rate(void)
{
	double sample[SAMPLES_MAX];
	unsigned int samples = repeat < 3 ? repeat : 3;

	for (unsigned int n = 0; n < samples; n++) {
		double start = now_us();

		connect_ask_close(RATE_CONNECTIONS);
		sample[n] = RATE_CONNECTIONS * 1e6 / (now_us() - start);
	}
	report("rate", "1/s", sample, samples);
}

static void rounds_only(unsigned int times)
{
	int fd = connect_server();

	while (times--) {
		ask(fd, REQUEST_ECHO, 0, 1);
		await_answer(fd);
	}
	close(fd);
}

/* Context switches and interrupts of this machine since it started */
static void read_events(double *switches, double *interrupts)
{
	FILE *file = fopen("/proc/stat", "r");
	char line[4096];

	*switches = *interrupts = 0;
	while (file && fgets(line, sizeof(line), file)) {
		sscanf(line, "ctxt %lf", switches);
		sscanf(line, "intr %lf", interrupts);
	}
	if (file)
		fclose(file);
}

static void measure_events(const char *name, void (*work)(unsigned int))
{
	double switches[2], interrupts[2], each;
	const unsigned int times = 100;
	char label[64];

	read_events(&switches[0], &interrupts[0]);
	work(times);
	read_events(&switches[1], &interrupts[1]);
	each = (switches[1] - switches[0]) / times;
	snprintf(label, sizeof(label), "%s_switches", name);
	report(label, "each", &each, 1);
	each = (interrupts[1] - interrupts[0]) / times;
	snprintf(label, sizeof(label), "%s_interrupts", name);
	report(label, "each", &each, 1);
}

static double free_kib(void)
{
	FILE *file = fopen("/proc/meminfo", "r");
	char line[256];
	double kib = 0;

	while (file && fgets(line, sizeof(line), file))
		sscanf(line, "MemFree: %lf", &kib);
	if (file)
		fclose(file);
	return kib;
}

static void hold(void)
{
	static int fd[HELD];
	double before = free_kib(), each;
	char byte;

	for (int n = 0; n < HELD; n++)
		fd[n] = connect_server();
	each = (before - free_kib()) / HELD;
	report("held_memory", "KiB", &each, 1);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	for (int n = 0; n < HELD; n++)
		close(fd[n]);
}

/* Instructions that do nothing, for the plugin to find */
static void mark_start(void)
{
#ifdef __x86_64__
	__asm__ volatile(".byte 0x0f, 0x1f, 0x84, 0x00, 0x01, 0x00, 0x5b, "
			 "0x5b" ::
				 : "memory");
#endif
}

static void mark_stop(void)
{
#ifdef __x86_64__
	__asm__ volatile(".byte 0x0f, 0x1f, 0x84, 0x00, 0x02, 0x00, 0x5b, "
			 "0x5b" ::
				 : "memory");
#endif
}

static void profile(const char *what)
{
	const uint64_t bytes = 16ull << 20;
	int fd;

	connect_ask_close(10);
	if (!strcmp(what, "connect")) {
		mark_start();
		connect_ask_close(100);
		mark_stop();
		return;
	}
	fd = connect_server();
	ask(fd, REQUEST_ECHO, 0, 1);
	await_answer(fd);
	mark_start();
	for (int n = 0; !strcmp(what, "round") && n < 100; n++) {
		ask(fd, REQUEST_ECHO, 0, 1);
		await_answer(fd);
	}
	if (!strcmp(what, "out")) {
		ask(fd, REQUEST_SINK, bytes, CHUNK_BYTES);
		pour(fd, bytes, CHUNK_BYTES);
		await_answer(fd);
	}
	if (!strcmp(what, "in")) {
		ask(fd, REQUEST_SOURCE, bytes, CHUNK_BYTES);
		drain(fd, bytes);
	}
	mark_stop();
	close(fd);
}

static void run_test(const char *test)
{
	if (!strcmp(test, "out64k"))
		measure_goodput(test, true, 65536);
	else if (!strcmp(test, "in64k"))
		measure_goodput(test, false, 65536);
	else if (!strcmp(test, "out1448"))
		measure_goodput(test, true, 1448);
	else if (!strcmp(test, "in1448"))
		measure_goodput(test, false, 1448);
	else if (!strcmp(test, "rounds"))
		measure_rounds();
	else if (!strcmp(test, "rate"))
		measure_rate();
	else if (!strcmp(test, "hold"))
		hold();
	else if (!strncmp(test, "profile-", 8))
		profile(test + 8);
	else if (!strcmp(test, "cost")) {
		measure_events("round", rounds_only);
		measure_events("connection", connect_ask_close);
	} else {
		fprintf(stderr, "sbperf: no test '%s'\n", test);
		exit(2);
	}
}

static unsigned long number(const char *text, unsigned long max)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*end || end == text || n < 1 || n > max) {
		fprintf(stderr, "sbperf: '%s' is not 1 to %lu\n", text, max);
		exit(2);
	}
	return n;
}

static int run_client(int argc, char **argv)
{
	static const char *const all[] = { "rounds", "rate",	"out64k",
					   "in64k",  "out1448", "in1448" };
	int n = 2;

	if (inet_pton(AF_INET, argv[0], &server.sin_addr) != 1)
		fail(argv[0]);
	server.sin_family = AF_INET;
	server.sin_port = htons(number(argv[1], 65535));
	for (; n + 1 < argc && argv[n][0] == '-'; n += 2)
		if (!strcmp(argv[n], "--mib"))
			stream_bytes = number(argv[n + 1], 4096) << 20;
		else if (!strcmp(argv[n], "--repeat"))
			repeat = number(argv[n + 1], SAMPLES_MAX);
	for (int test = n; test < argc; test++)
		run_test(argv[test]);
	for (size_t test = 0; n == argc && test < 6; test++)
		run_test(all[test]);
	return 0;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc == 3 && !strcmp(argv[1], "serve"))
		serve(number(argv[2], 65535));
	if (argc >= 4 && !strcmp(argv[1], "client"))
		return run_client(argc - 2, argv + 2);
	fprintf(stderr, "usage: sbperf serve PORT\n"
			"       sbperf client ADDRESS PORT [--mib N] "
			"[--repeat N] [TEST...]\n");
	return 2;
}
