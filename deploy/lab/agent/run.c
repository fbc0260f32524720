// SPDX-License-Identifier: GPL-2.0-only
/*
 * lab-run - run one command through a lab agent
 *
 *	lab-run [-t] [-k TOKEN-FILE] [-w SECONDS] tcp:PORT|unix:PATH
 *		COMMAND [ARGUMENT...]
 *
 * stdin, stdout, stderr and the exit status are those of the command. -t gives
 * it a terminal. One argument alone goes to a shell, several are executed as
 * they are. -w bounds the wait for the agent's first sign. Exits with 255 when the agent cannot be reached or goes away.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "frame.h"

#define SEND_QUEUE_BYTES (128 * 1024)

static struct queue sending;
static struct queue receiving;
static size_t credit_bytes = FRAME_CREDIT_BYTES;
static bool input_ended;
static bool answered;
static int patience_ms = -1; /* how long to wait for the agent's first frame */
static struct termios terminal_before;
static volatile sig_atomic_t resized;

static int connect_tcp(const char *port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(atoi(port)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)))
		err(255, "cannot connect to 127.0.0.1 port %s", port);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static int connect_unix(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(address.sun_path))
		errx(255, "%s: path too long", path);
	strcpy(address.sun_path, path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)))
		err(255, "cannot connect to %s", path);
	return fd;
}

static int connect_address(const char *address)
{
	if (!strncmp(address, "tcp:", 4))
		return connect_tcp(address + 4);
	if (!strncmp(address, "unix:", 5))
		return connect_unix(address + 5);
	errx(255, "%s: neither tcp:PORT nor unix:PATH", address);
}

static void send_token(const char *path)
{
	char token[128];
	ssize_t length;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		err(255, "%s", path);
	length = read(fd, token, sizeof(token));
	if (length < 0)
		err(255, "%s", path);
	close(fd);
	frame_put(&sending, 0, FRAME_TOKEN, token, length);
}

static void send_command(bool terminal, char **arguments)
{
	struct queue body = { 0 };
	uint8_t flags = terminal ? FRAME_RUN_TERMINAL : 0;

	queue_append(&body, &flags, 1);
	for (; *arguments; arguments++)
		queue_append(&body, *arguments, strlen(*arguments) + 1);
	frame_put(&sending, 0, FRAME_RUN, body.bytes, queue_length(&body));
	queue_free(&body);
}

static void send_size(void)
{
	struct winsize size;
	uint8_t body[4];

	resized = 0;
	if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size))
		return;
	body[0] = size.ws_row & 0xff;
	body[1] = size.ws_row >> 8;
	body[2] = size.ws_col & 0xff;
	body[3] = size.ws_col >> 8;
	frame_put(&sending, 0, FRAME_SIZE, body, sizeof(body));
}

static void note_resize(int number)
{
	(void)number;
	resized = 1;
}

static void restore_terminal(void)
{
	tcsetattr(STDIN_FILENO, TCSANOW, &terminal_before);
}

static void take_terminal(void)
{
	struct sigaction action = { .sa_handler = note_resize };
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &terminal_before))
		err(255, "stdin is no terminal");
	atexit(restore_terminal);
	raw = terminal_before;
	cfmakeraw(&raw);
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	sigaction(SIGWINCH, &action, NULL);
	send_size();
}

static void send_input(void)
{
	uint8_t bytes[FRAME_BODY_MAX];
	size_t most =
		credit_bytes < sizeof(bytes) ? credit_bytes : sizeof(bytes);
	ssize_t length = read(STDIN_FILENO, bytes, most);

	if (length < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (length <= 0) {
		length = 0;
		input_ended = true;
	}
	credit_bytes -= length;
	frame_put(&sending, 0, FRAME_INPUT, bytes, length);
}

static void write_all(int fd, const uint8_t *bytes, size_t length)
{
	while (length) {
		ssize_t done = write(fd, bytes, length);

		if (done < 0 && errno == EAGAIN) {
			struct pollfd wait = { .fd = fd, .events = POLLOUT };

			poll(&wait, 1, -1);
			continue;
		}
		if (done < 0 && errno != EINTR)
			exit(255);
		if (done > 0) {
			bytes += done;
			length -= done;
		}
	}
}

static void handle(const struct frame *frame)
{
	switch (frame->type) {
	case FRAME_OUTPUT:
		write_all(STDOUT_FILENO, frame->body, frame->length);
		break;
	case FRAME_ERROR:
		write_all(STDERR_FILENO, frame->body, frame->length);
		break;
	case FRAME_CREDIT:
		credit_bytes += frame_number(frame);
		break;
	case FRAME_EXIT:
		exit(frame_number(frame));
	}
}

static void receive(int fd)
{
	struct frame frame;
	ssize_t length = queue_fill(&receiving, fd, 2 * FRAME_BODY_MAX);

	if (length == -EINTR)
		return;
	if (length <= 0)
		errx(255, "the agent went away");
	answered = true;
	while ((length = frame_peek(&receiving, &frame)) > 0) {
		handle(&frame);
		queue_drop(&receiving, length);
	}
	if (length < 0)
		errx(255, "the agent sent something that is no frame");
}

static void serve(int fd)
{
	int ready;

	for (;;) {
		struct pollfd polls[2] = {
			{ .fd = fd, .events = POLLIN },
			{ .fd = STDIN_FILENO, .events = POLLIN },
		};

		if (resized)
			send_size();
		if (queue_length(&sending))
			polls[0].events |= POLLOUT;
		if (input_ended || !credit_bytes ||
		    queue_length(&sending) > SEND_QUEUE_BYTES)
			polls[1].fd = -1;
		ready = poll(polls, 2, answered ? -1 : patience_ms);
		if (ready < 0)
			continue;
		if (!ready)
			errx(255, "no answer from the agent");
		if (polls[1].revents)
			send_input();
		if (polls[0].revents & POLLOUT && queue_drain(&sending, fd) < 0)
			errx(255, "the agent went away");
		if (polls[0].revents & ~POLLOUT)
			receive(fd);
	}
}

int main(int count, char **arguments)
{
	const char *token = NULL;
	bool terminal = false;
	int option, fd;

	while ((option = getopt(count, arguments, "+tk:w:")) != -1) {
		if (option == 't')
			terminal = true;
		else if (option == 'k')
			token = optarg;
		else if (option == 'w')
			patience_ms = atoi(optarg) * 1000;
		else
			return 255;
	}
	if (count - optind < 2)
		errx(255, "usage: lab-run [-t] [-k FILE] [-w SECONDS] "
			  "ADDRESS COMMAND...");
	signal(SIGPIPE, SIG_IGN);
	fd = connect_address(arguments[optind]);
	if (token)
		send_token(token);
	send_command(terminal, arguments + optind + 1);
	if (terminal)
		take_terminal();
	serve(fd);
}
