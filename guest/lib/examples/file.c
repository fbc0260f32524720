// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * file.c - send a file, receive a file, with check sums
 *
 *   circuit-file [-c] receive PORT FILE        one connection, then the end
 *   circuit-file [-c] send HOST PORT FILE
 *
 * The file is read straight into the circuit and written straight out of it:
 * read() and write() move each byte once, and nothing else does. -c copies
 * through private buffers, to compare.
 *
 * header, the file's bytes, trailer; the receiver answers with a trailer.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common.h"

#define MAGIC 0x656c6946u

struct header {
	uint32_t magic;
	uint32_t reserved;
	uint64_t bytes;
};

struct trailer {
	uint32_t sum;
	uint32_t error;
};

static void tell(const struct switchboard *s, const char *what, uint64_t bytes,
		 uint32_t sum, uint64_t start_us)
{
	uint64_t us = now_us() - start_us;

	printf("%s %llu bytes, check sum %08x, %s, %llu us, %llu Mbit/s\n",
	       what, (unsigned long long)bytes, sum,
	       switchboard_is_mapped(s) ? "in place" : "copied",
	       (unsigned long long)us,
	       (unsigned long long)(bytes * 8 / (us ? us : 1)));
}

/* The file's next bytes go into the circuit; returns how many */
static size_t send_some(struct switchboard *s, int file, uint64_t left,
			uint32_t *sum)
{
	ssize_t room, got;
	void *at;

	room = switchboard_reserve(s, 1, &at);
	if (room < 0)
		die("sending");
	got = read(file, at, (uint64_t)room < left ? (size_t)room : left);
	if (got < 0)
		die("reading");
	if (got == 0) {
		errno = ENODATA;
		die("the file has shrunk");
	}
	*sum = check_sum(*sum, at, got);
	if (switchboard_commit(s, got) != 0)
		die("sending");
	return got;
}

static void send_file(struct switchboard *s, const char *name)
{
	struct header h = { .magic = MAGIC };
	struct trailer t = { 0 }, answer;
	uint64_t left, start_us = now_us();
	int file = open(name, O_RDONLY);
	struct stat st;

	if (file < 0 || fstat(file, &st) != 0)
		die("%s", name);
	h.bytes = st.st_size;
	if (!put_record(s, &h, sizeof(h)))
		die("sending");
	for (left = h.bytes; left > 0;)
		left -= send_some(s, file, left, &t.sum);
	if (!put_record(s, &t, sizeof(t)) || switchboard_flush(s) != 0)
		die("sending");
	if (!take_record(s, &answer, sizeof(answer)))
		die("no answer");
	errno = answer.error ? (int)answer.error : EBADMSG;
	if (answer.error || answer.sum != t.sum)
		die("the receiver says %08x, not %08x", answer.sum, t.sum);
	tell(s, "sent", h.bytes, t.sum, start_us);
	close(file);
}

/* What is in the circuit goes into the file; returns how much */
static size_t receive_some(struct switchboard *s, int file, uint64_t left,
			   uint32_t *sum)
{
	const void *at;
	ssize_t held, done;

	held = switchboard_peek(s, 1, &at);
	if (held == 0)
		errno = ENODATA;
	if (held <= 0)
		die("receiving");
	done = write(file, at, (uint64_t)held < left ? (size_t)held : left);
	if (done < 0)
		die("writing");
	/* of what is there now: a sender that changes it cheats itself */
	*sum = check_sum(*sum, at, done);
	if (switchboard_release(s, done) != 0)
		die("receiving");
	return done;
}

static void receive_file(struct switchboard *s, const char *name)
{
	uint64_t left, start_us = now_us();
	struct trailer t = { 0 }, sent;
	struct header h;
	int file;

	if (!take_record(s, &h, sizeof(h)))
		die("no header");
	errno = EBADMSG;
	if (h.magic != MAGIC)
		die("no sender of files");
	file = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0666);
	if (file < 0)
		die("%s", name);
	for (left = h.bytes; left > 0;)
		left -= receive_some(s, file, left, &t.sum);
	if (!take_record(s, &sent, sizeof(sent)))
		die("no trailer");
	if (close(file) != 0)
		die("%s", name);
	t.error = sent.sum == t.sum ? 0 : EBADMSG;
	if (!put_record(s, &t, sizeof(t)) || switchboard_flush(s) != 0)
		die("answering");
	errno = t.error;
	if (t.error)
		die("%08x came, not %08x", t.sum, sent.sum);
	tell(s, "received", h.bytes, t.sum, start_us);
}

static int explain(void)
{
	fputs("usage: circuit-file [-c] receive PORT FILE\n"
	      "       circuit-file [-c] send HOST PORT FILE\n",
	      stderr);
	return 2;
}

int main(int argc, char **argv)
{
	bool copy = argc > 1 && strcmp(argv[1], "-c") == 0;
	struct switchboard *s;
	int listener;

	setvbuf(stdout, NULL, _IOLBF, 0);
	argv += copy;
	argc -= copy;
	if (argc == 4 && strcmp(argv[1], "receive") == 0) {
		listener = open_listener(argv[2]);
		s = next_connection(listener, copy);
		close(listener);
		receive_file(s, argv[3]);
	} else if (argc == 5 && strcmp(argv[1], "send") == 0) {
		s = open_connection(argv[2], argv[3], copy);
		send_file(s, argv[4]);
	} else {
		return explain();
	}
	return switchboard_close(s) == 0 ? 0 : 1;
}
