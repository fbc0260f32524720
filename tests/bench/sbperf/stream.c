// SPDX-License-Identifier: GPL-2.0-only
/*
 * stream.c - what one connection at a time costs: its bytes, set-up and rounds
 */
#include <stdio.h>
#include <unistd.h>

#include "tests/bench/sbperf/sbperf.h"

#define ROUNDS 4
/* Connections of one sample of the rate */
#define RATE_CONNECTIONS 50
/* At most so many writes for a figure of a size, and at least so many bytes */
#define SIZE_WRITES 16384u
/* Bytes that a program makes and looks at, in pieces of: */
#define TOUCHED_BYTES 65536u

static unsigned int few(void)
{
	return repeat < 3 ? repeat : 3;
}

static double goodput_mbit(enum request_kind kind, uint32_t piece,
			   uint64_t bytes)
{
	int fd = connect_server();
	double start = now_us(), end;
	bool well;

	ask(fd, kind, bytes, piece);
	if (kind == REQUEST_SOURCE)
		well = drain(fd, bytes);
	else if (kind == REQUEST_CHECK)
		well = pour_made(fd, bytes, piece);
	else
		well = pour(fd, bytes, piece);
	if (!well)
		fail("stream");
	if (kind != REQUEST_SOURCE)
		await_answer(fd);
	end = now_us();
	close(fd);
	return bytes * 8.0 / (end - start);
}

static void measure_stream(const char *name, enum request_kind kind,
			   uint32_t piece, uint64_t bytes, unsigned int samples)
{
	double sample[SAMPLES_MAX];

	/* windows open, pools fill: the first is not counted */
	goodput_mbit(kind, piece, bytes / 4);
	for (unsigned int n = 0; n < samples; n++)
		sample[n] = goodput_mbit(kind, piece, bytes);
	report(name, "Mbit/s", sample, samples);
}

void measure_out64k(void)
{
	measure_stream("out64k", REQUEST_SINK, 65536, stream_bytes, few());
}

void measure_in64k(void)
{
	measure_stream("in64k", REQUEST_SOURCE, 65536, stream_bytes, few());
}

void measure_out1448(void)
{
	measure_stream("out1448", REQUEST_SINK, 1448, stream_bytes, few());
}

void measure_in1448(void)
{
	measure_stream("in1448", REQUEST_SOURCE, 1448, stream_bytes, few());
}

void measure_touched(void)
{
	measure_stream("touched", REQUEST_CHECK, TOUCHED_BYTES, stream_bytes,
		       few());
}

void measure_sizes(void)
{
	char name[32];

	for (uint32_t piece = 64; piece <= CHUNK_BYTES; piece *= 4) {
		uint64_t bytes = (uint64_t)piece * SIZE_WRITES;

		if (bytes > stream_bytes)
			bytes = stream_bytes;
		snprintf(name, sizeof(name), "size%u", piece);
		measure_stream(name, REQUEST_SINK, piece, bytes, 1);
	}
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

void measure_rounds(void)
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

void connect_ask_close(unsigned int times)
{
	for (unsigned int n = 0; n < times; n++) {
		int fd = connect_server();

		ask(fd, REQUEST_ECHO, 0, 1);
		await_answer(fd);
		close(fd);
	}
}

void measure_rate(void)
{
	double sample[SAMPLES_MAX];

	for (unsigned int n = 0; n < few(); n++) {
		double start = now_us();

		connect_ask_close(RATE_CONNECTIONS);
		sample[n] = RATE_CONNECTIONS * 1e6 / (now_us() - start);
	}
	report("rate", "1/s", sample, few());
}
