// SPDX-License-Identifier: GPL-2.0-only
/*
 * lab-agent - run commands for whoever is at the other end of a stream
 *
 *	lab-agent listen PORT TOKEN-FILE	in Dom0, a process a connection
 *	lab-agent serve TERMINAL		in a guest, on its second console
 *
 * Each command is a session (frame.h). A session ends when its process has
 * ended and what it wrote has been sent; what it left running in the
 * background may go on writing, to nobody.
 */
#define _GNU_SOURCE
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
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "frame.h"

#define SESSIONS_MAX 256
#define ARGUMENTS_MAX 1024
#define SEND_QUEUE_BYTES (256 * 1024)
#define COMMAND_PATH \
	"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct session {
	struct session *next;
	uint32_t id;
	pid_t pid;
	int process; /* pidfd, -1 when the process was reaped */
	int input; /* -1 when closed, as the two below */
	int output;
	int error;
	bool terminal; /* input and output are a terminal's master */
	bool input_ended; /* close input when its queue is empty */
	bool told; /* EXIT was sent: output goes to nobody */
	int status;
	struct queue waiting; /* for input */
};

static struct session *sessions;
static size_t session_count;
static struct queue sending;
static struct queue receiving;

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* ---- starting a command ---- */

static _Noreturn void execute(char **arguments)
{
	char *shell[] = { "/bin/sh", "-c", arguments[0], NULL };

	setenv("PATH", COMMAND_PATH, 1);
	setenv("HOME", "/root", 1);
	setenv("USER", "root", 1);
	setenv("LANG", "C.UTF-8", 1);
	if (chdir("/root") && chdir("/"))
		_exit(126);
	execvp(arguments[1] ? arguments[0] : shell[0],
	       arguments[1] ? arguments : shell);
	fprintf(stderr, "%s: %s\n", arguments[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

static _Noreturn void become_command(int input, int output, int error,
				     char **arguments)
{
	setsid();
	signal(SIGPIPE, SIG_DFL);
	dup2(input, STDIN_FILENO);
	dup2(output, STDOUT_FILENO);
	dup2(error, STDERR_FILENO);
	if (isatty(STDIN_FILENO)) {
		ioctl(STDIN_FILENO, TIOCSCTTY, 0);
		setenv("TERM", "xterm", 1);
	}
	execute(arguments);
}

static int open_terminal(int *slave)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	int unlock = 0;

	if (master < 0)
		return -1;
	if (ioctl(master, TIOCSPTLCK, &unlock))
		goto close_master;
	*slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (*slave < 0)
		goto close_master;
	return master;
close_master:
	close(master);
	return -1;
}

static int start_on_terminal(struct session *session, char **arguments)
{
	int slave, master = open_terminal(&slave);

	if (master < 0)
		return -errno;
	session->pid = fork();
	if (!session->pid)
		become_command(slave, slave, slave, arguments);
	close(slave);
	session->input = master;
	session->output = dup(master);
	session->terminal = true;
	return 0;
}

static int start_on_pipes(struct session *session, char **arguments)
{
	int pipes[6];

	for (int i = 0; i < 6; i += 2)
		if (pipe2(pipes + i, O_CLOEXEC))
			return -errno;
	session->pid = fork();
	if (!session->pid)
		become_command(pipes[0], pipes[3], pipes[5], arguments);
	close(pipes[0]);
	close(pipes[3]);
	close(pipes[5]);
	session->input = pipes[1];
	session->output = pipes[2];
	session->error = pipes[4];
	return 0;
}

static void unblock(int fd)
{
	if (fd >= 0)
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

static int start(struct session *session, uint8_t flags, char **arguments)
{
	int status = flags & FRAME_RUN_TERMINAL
			     ? start_on_terminal(session, arguments)
			     : start_on_pipes(session, arguments);

	if (status)
		return status;
	if (session->pid < 0)
		return -EAGAIN;
	session->process = pidfd_open(session->pid, 0);
	fcntl(session->input, F_SETFD, FD_CLOEXEC);
	fcntl(session->output, F_SETFD, FD_CLOEXEC);
	unblock(session->input);
	unblock(session->output);
	unblock(session->error);
	return 0;
}

static struct session *add_session(uint32_t id)
{
	struct session *session = calloc(1, sizeof(*session));

	if (!session)
		err(1, "session");
	session->id = id;
	session->process = session->input = -1;
	session->output = session->error = -1;
	session->next = sessions;
	sessions = session;
	session_count++;
	return session;
}

static struct session *find_session(uint32_t id)
{
	struct session *session;

	for (session = sessions; session; session = session->next)
		if (session->id == id && !session->told)
			return session;
	return NULL;
}

static bool split_arguments(const struct frame *frame, char **arguments)
{
	const uint8_t *at = frame->body + 1, *end = frame->body + frame->length;
	int count = 0;

	if (frame->length < 2 || end[-1])
		return false;
	for (; at < end && count < ARGUMENTS_MAX; count++) {
		arguments[count] = (char *)at;
		at += strlen((char *)at) + 1;
	}
	arguments[count] = NULL;
	return at == end;
}

static void refuse(uint32_t id, const char *reason)
{
	frame_put(&sending, id, FRAME_ERROR, reason, strlen(reason));
	frame_put_number(&sending, id, FRAME_EXIT, 255);
}

static void run(const struct frame *frame)
{
	char *arguments[ARGUMENTS_MAX + 1];
	struct session *session;

	if (!split_arguments(frame, arguments)) {
		refuse(frame->session, "lab-agent: not a list of arguments\n");
		return;
	}
	if (session_count >= SESSIONS_MAX) {
		refuse(frame->session, "lab-agent: too many commands\n");
		return;
	}
	session = add_session(frame->session);
	if (start(session, frame->body[0], arguments)) {
		refuse(frame->session, "lab-agent: cannot start a command\n");
		session->told = true;
		return;
	}
	/* No more credit yet, but the client sees that somebody is here. */
	frame_put_number(&sending, session->id, FRAME_CREDIT, 0);
}

/* ---- frames from the client ---- */

static void resize(struct session *session, const struct frame *frame)
{
	struct winsize size = { 0 };

	if (!session->terminal || frame->length < 4)
		return;
	size.ws_row = frame->body[0] | frame->body[1] << 8;
	size.ws_col = frame->body[2] | frame->body[3] << 8;
	ioctl(session->input, TIOCSWINSZ, &size);
}

static void hang_up(struct session *session)
{
	if (session->process >= 0) {
		kill(-session->pid, SIGHUP);
		kill(-session->pid, SIGTERM);
	}
	session->told = true;
}

static void give_credit(struct session *session, uint32_t bytes)
{
	if (bytes && !session->told)
		frame_put_number(&sending, session->id, FRAME_CREDIT, bytes);
}

static void take_input(struct session *session, const struct frame *frame)
{
	if (!frame->length)
		session->input_ended = true;
	else if (session->input < 0)
		give_credit(session, frame->length);
	else
		queue_append(&session->waiting, frame->body, frame->length);
}

static void handle(const struct frame *frame)
{
	struct session *session;

	if (frame->type == FRAME_RUN) {
		run(frame);
		return;
	}
	session = find_session(frame->session);
	if (!session)
		return;
	if (frame->type == FRAME_INPUT)
		take_input(session, frame);
	else if (frame->type == FRAME_SIZE)
		resize(session, frame);
	else if (frame->type == FRAME_HANGUP)
		hang_up(session);
}

/* False when the client is gone or talks nonsense. */
static bool receive(int fd)
{
	struct frame frame;
	ssize_t length = queue_fill(&receiving, fd, 2 * FRAME_BODY_MAX);

	if (length == -EINTR || length == -EAGAIN)
		return true;
	if (length <= 0)
		return false;
	while ((length = frame_peek(&receiving, &frame)) > 0) {
		handle(&frame);
		queue_drop(&receiving, length);
	}
	return !length;
}

/* ---- what the commands do ---- */

static void close_input(struct session *session)
{
	give_credit(session, queue_length(&session->waiting));
	queue_drop(&session->waiting, queue_length(&session->waiting));
	close_fd(&session->input);
}

static void feed(struct session *session)
{
	ssize_t length = queue_drain(&session->waiting, session->input);

	if (length > 0)
		give_credit(session, length);
	else if (length != -EAGAIN && length != -EINTR)
		close_input(session);
}

/* Read once; false when nothing was there. */
static bool collect(struct session *session, int *fd, enum frame_type type)
{
	static uint8_t bytes[FRAME_BODY_MAX];
	ssize_t length;

	if (*fd < 0)
		return false;
	length = read(*fd, bytes, sizeof(bytes));
	if (length < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (length <= 0) {
		close_fd(fd);
		return false;
	}
	if (!session->told)
		frame_put(&sending, session->id, type, bytes, length);
	return true;
}

static void reap(struct session *session)
{
	int status = 0;

	waitpid(session->pid, &status, 0);
	session->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status)
					      : WEXITSTATUS(status);
	close_fd(&session->process);
}

/* The process has ended: send what it still left in its pipes, then say so. */
static void conclude(struct session *session)
{
	for (int i = 0; i < 64; i++)
		if (!collect(session, &session->output, FRAME_OUTPUT))
			break;
	for (int i = 0; i < 64; i++)
		if (!collect(session, &session->error, FRAME_ERROR))
			break;
	close_input(session);
	if (!session->told)
		frame_put_number(&sending, session->id, FRAME_EXIT,
				 session->status);
	session->told = true;
}

static bool finished(const struct session *session)
{
	return session->told && session->process < 0 && session->output < 0 &&
	       session->error < 0;
}

static void remove_finished(void)
{
	struct session **at = &sessions, *session;

	while ((session = *at)) {
		if (!finished(session)) {
			at = &session->next;
			continue;
		}
		*at = session->next;
		session_count--;
		close_fd(&session->input);
		queue_free(&session->waiting);
		free(session);
	}
}

/* ---- the loop ---- */

#define POLLS_PER_SESSION 4

static void watch_session(const struct session *session, struct pollfd *polls)
{
	bool room = queue_length(&sending) < SEND_QUEUE_BYTES;
	bool feeding = queue_length(&session->waiting) || session->input_ended;

	polls[0] = (struct pollfd){ .fd = session->process, .events = POLLIN };
	polls[1] = (struct pollfd){ .fd = feeding ? session->input : -1,
				    .events = POLLOUT };
	polls[2] = (struct pollfd){ .fd = room ? session->output : -1,
				    .events = POLLIN };
	polls[3] = (struct pollfd){ .fd = room ? session->error : -1,
				    .events = POLLIN };
}

static void end_input(struct session *session)
{
	if (session->terminal) {
		queue_append(&session->waiting, "\004", 1);
		session->input_ended = false;
	} else {
		close_input(session);
	}
}

static void serve_session(struct session *session, const struct pollfd *polls)
{
	if (polls[1].revents && queue_length(&session->waiting))
		feed(session);
	else if (polls[1].revents && session->input_ended)
		end_input(session);
	if (polls[2].revents)
		collect(session, &session->output, FRAME_OUTPUT);
	if (polls[3].revents)
		collect(session, &session->error, FRAME_ERROR);
	if (polls[0].revents) {
		reap(session);
		conclude(session);
	}
}

static void wait_and_serve(int fd, bool *connected)
{
	static struct pollfd polls[1 + POLLS_PER_SESSION * SESSIONS_MAX];
	struct session *session;
	size_t count = 1;

	polls[0].fd = *connected ? fd : -1;
	polls[0].events = POLLIN | (queue_length(&sending) ? POLLOUT : 0);
	for (session = sessions; session; session = session->next) {
		watch_session(session, polls + count);
		count += POLLS_PER_SESSION;
	}
	if (poll(polls, count, -1) < 0)
		return;
	count = 1;
	for (session = sessions; session; session = session->next) {
		serve_session(session, polls + count);
		count += POLLS_PER_SESSION;
	}
	if (polls[0].revents & POLLOUT && queue_drain(&sending, fd) == -EPIPE)
		*connected = false;
	if (*connected && polls[0].revents & ~POLLOUT)
		*connected = receive(fd);
	remove_finished();
}

/* Until the client is gone and nothing that it started writes any more. */
static void serve(int fd)
{
	struct session *session;
	bool connected = true;

	unblock(fd);
	while (connected)
		wait_and_serve(fd, &connected);
	close(fd);
	for (session = sessions; session; session = session->next)
		hang_up(session);
	remove_finished();
	while (sessions) {
		queue_drop(&sending, queue_length(&sending));
		wait_and_serve(-1, &connected);
	}
}

/* ---- the two kinds of stream ---- */

static bool token_matches(const char *path, const struct frame *frame)
{
	struct queue token = { 0 };
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool same;

	if (fd < 0 || queue_fill(&token, fd, FRAME_BODY_MAX) < 0)
		err(1, "%s", path);
	close(fd);
	same = frame->type == FRAME_TOKEN &&
	       frame->length == queue_length(&token) &&
	       !memcmp(frame->body, token.bytes, frame->length);
	queue_free(&token);
	return same;
}

static void serve_connection(int fd, const char *token_path)
{
	struct frame frame;
	ssize_t length;

	while (!(length = frame_peek(&receiving, &frame)))
		if (queue_fill(&receiving, fd, FRAME_BODY_MAX) <= 0)
			return;
	if (length < 0 || !token_matches(token_path, &frame))
		return;
	queue_drop(&receiving, length);
	while ((length = frame_peek(&receiving, &frame)) > 0) {
		handle(&frame);
		queue_drop(&receiving, length);
	}
	serve(fd);
}

static int listen_on(const char *port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(atoi(port)),
		.sin_addr.s_addr = htonl(INADDR_ANY),
	};
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) ||
	    listen(fd, 64))
		err(1, "port %s", port);
	return fd;
}

static _Noreturn void listen_forever(const char *port, const char *token_path)
{
	int one = 1, listener = listen_on(port);

	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			continue;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (!fork()) {
			close(listener);
			signal(SIGCHLD, SIG_DFL);
			serve_connection(fd, token_path);
			_exit(0);
		}
		close(fd);
	}
}

static _Noreturn void serve_terminal(const char *path)
{
	struct termios raw;
	int fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd < 0 || tcgetattr(fd, &raw))
		err(1, "%s", path);
	cfmakeraw(&raw);
	tcsetattr(fd, TCSANOW, &raw);
	tcflush(fd, TCIOFLUSH);
	queue_append(&sending, FRAME_HELLO, strlen(FRAME_HELLO));
	serve(fd);
	errx(1, "%s went away", path);
}

int main(int count, char **arguments)
{
	signal(SIGPIPE, SIG_IGN);
	if (count == 4 && !strcmp(arguments[1], "listen"))
		listen_forever(arguments[2], arguments[3]);
	if (count == 3 && !strcmp(arguments[1], "serve"))
		serve_terminal(arguments[2]);
	errx(2, "usage: lab-agent listen PORT TOKEN-FILE | serve TERMINAL");
}
