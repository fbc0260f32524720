/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sbperf.h - what the parts of sbperf share: requests, waiting, figures
 *
 * A server has three processes: one that takes one connection at a time, so
 * that nothing is measured but the path (PORT, TCP), one that takes all of
 * them (PORT + 1), and one for datagrams (PORT, UDP).
 */
#ifndef TESTS_BENCH_SBPERF_SBPERF_H
#define TESTS_BENCH_SBPERF_SBPERF_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REQUEST_BYTES 64
#define SAMPLES_MAX 1000
/* Largest write; reads are of READ_BYTES */
#define CHUNK_BYTES 1048576u
#define READ_BYTES 65536u

enum request_kind {
	REQUEST_ECHO = 'e', /* answer this, and each that follows */
	REQUEST_SINK = 's', /* read @bytes, then answer */
	REQUEST_CHECK = 'k', /* the same, and look at every byte of them */
	REQUEST_SINK_IN_PLACE = 'S', /* both again, by libswitchboard */
	REQUEST_CHECK_IN_PLACE = 'K',
	REQUEST_SOURCE = 'd', /* send @bytes in writes of @chunk */
	REQUEST_COUNT = 'c', /* of many: count from here on, what is there */
};

/**
 * struct request - begins every connection; what is asked, and the answer
 * @kind:  enum request_kind
 * @chunk: bytes of a write
 * @bytes: of the stream
 */
struct request {
	uint8_t kind;
	uint8_t reserved[3];
	uint32_t chunk;
	uint64_t bytes;
	uint8_t padding[REQUEST_BYTES - 16];
};

/**
 * struct tally - what the server of many says to REQUEST_COUNT
 * @us:      since the count before
 * @flows:   connections that carry streams
 * @sum:     bytes of all of them since then
 * @least:   bytes of the one that got least
 * @most:    of the one that got most
 * @squares: sum of the squares of MiB, for Jain's index
 */
struct tally {
	double us;
	double flows;
	double sum;
	double least;
	double most;
	double squares;
	uint8_t padding[REQUEST_BYTES - 48];
};

_Static_assert(sizeof(struct request) == REQUEST_BYTES, "request");
_Static_assert(sizeof(struct tally) == REQUEST_BYTES, "tally");

/* io.c: of the client */
extern struct sockaddr_in server;
extern unsigned int repeat;
extern unsigned int count;
extern uint64_t stream_bytes;

extern uint8_t chunk[CHUNK_BYTES];
_Noreturn void fail(const char *what);
double now_us(void);
/* Return: false at the end of the stream, or when it broke */
bool read_all(int fd, void *to, size_t bytes);
bool write_all(int fd, const void *from, size_t bytes);
bool drain(int fd, uint64_t bytes);
bool pour(int fd, uint64_t bytes, uint32_t piece);
/* The same, every byte written before and looked at after */
bool drain_checked(int fd, uint64_t bytes, uint32_t piece);
bool pour_made(int fd, uint64_t bytes, uint32_t piece);
/* Connect to the server's PORT, or to the one of many */
int connect_server(void);
int connect_many(void);
void ask(int fd, enum request_kind kind, uint64_t bytes, uint32_t piece);
void await_answer(int fd);
/* Room for @n descriptors */
void allow_descriptors(unsigned int n);
/* One line; sorts the samples */
void report(const char *name, const char *unit, double *sample,
	    unsigned int samples);
void report_one(const char *name, const char *unit, double value);

/* touch.c: bytes that depend on @n */
void touch_make(uint8_t *bytes, size_t size, uint64_t n);
bool touch_check(const uint8_t *bytes, size_t size, uint64_t n);

/* zero.c: by libswitchboard */
bool drain_in_place(int fd, uint64_t bytes, bool touch);

/* serve.c, datagram.c, many.c */
int listen_at(uint16_t port);
_Noreturn void serve_listener(int listener);
_Noreturn void serve_datagrams(uint16_t port);
_Noreturn void serve_many(uint16_t port);

/* The tests */
void measure_out64k(void);
void measure_in64k(void);
void measure_out1448(void);
void measure_in1448(void);
void measure_touched(void);
void measure_zero(void);
void measure_zero_touched(void);
void measure_sizes(void);
void measure_rounds(void);
void measure_rate(void);
void measure_datagrams_out(void);
void measure_datagrams_in(void);
void measure_cost(void);
void measure_hold(void);
void measure_datagram_rounds(void);
void measure_many(void);
void profile(const char *what);

/* stream.c, zero.c, datagram.c: for others too */
void connect_ask_close(unsigned int times);
void profile_zero(bool touch, uint64_t bytes, void (*start)(void),
		  void (*stop)(void));
void profile_datagrams(void (*start)(void), void (*stop)(void));

#endif
