// SPDX-License-Identifier: GPL-2.0-only
/*
 * optcheck - options of a guest's socket, and of the real one behind it
 *
 *	optcheck hold ADDRESS PORT NAME=VALUE... [-- NAME=VALUE...]
 *	optcheck read PID PORT
 *
 * The first runs in a guest: a connection with these options, those behind "--"
 * set when it is open; it says "held" and sleeps. The second runs in Dom0 as
 * root: it takes copies of the descriptors of the process PID (the proxy) and
 * prints NAME=VALUE of all known options of those that are connected to PORT.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

struct known {
	const char *name;
	int level;
	int option;
	bool text;
};

static const struct known table[] = {
	{ "nodelay", IPPROTO_TCP, TCP_NODELAY, false },
	{ "keepalive", SOL_SOCKET, SO_KEEPALIVE, false },
	{ "keepidle", IPPROTO_TCP, TCP_KEEPIDLE, false },
	{ "keepintvl", IPPROTO_TCP, TCP_KEEPINTVL, false },
	{ "keepcnt", IPPROTO_TCP, TCP_KEEPCNT, false },
	{ "user_timeout", IPPROTO_TCP, TCP_USER_TIMEOUT, false },
	{ "lowat", IPPROTO_TCP, TCP_NOTSENT_LOWAT, false },
	{ "maxseg", IPPROTO_TCP, TCP_MAXSEG, false },
	{ "tos", IPPROTO_IP, IP_TOS, false },
	{ "ttl", IPPROTO_IP, IP_TTL, false },
	{ "congestion", IPPROTO_TCP, TCP_CONGESTION, true },
};

#define KNOWN_COUNT (sizeof(table) / sizeof(table[0]))

static void die(const char *what)
{
	fprintf(stderr, "optcheck: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void set_option(int fd, const char *word)
{
	const char *value = strchr(word, '=');
	int number;

	for (size_t i = 0; value && i < KNOWN_COUNT; i++) {
		const struct known *known = &table[i];

		if (strncmp(word, known->name, (size_t)(value - word)) != 0 ||
		    known->name[value - word])
			continue;
		number = atoi(++value);
		if (setsockopt(fd, known->level, known->option,
			       known->text ? (const void *)value : &number,
			       known->text ? (socklen_t)strlen(value)
					   : (socklen_t)sizeof(number)))
			die(word);
		return;
	}
	errno = EINVAL;
	die(word);
}

static int hold(char **words)
{
	struct sockaddr_in far = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0)
		die("socket");
	far.sin_port = htons((unsigned short)atoi(words[1]));
	if (inet_pton(AF_INET, words[0], &far.sin_addr) != 1)
		die(words[0]);
	for (words += 2; *words && strcmp(*words, "--") != 0; words++)
		set_option(fd, *words);
	if (connect(fd, (struct sockaddr *)&far, sizeof(far)))
		die("connect");
	while (*words && *++words)
		set_option(fd, *words);
	puts("held");
	fflush(stdout);
	pause();
	return 0;
}

static void print_options(int fd)
{
	for (size_t i = 0; i < KNOWN_COUNT; i++) {
		union {
			int number;
			char text[16];
		} value = { .text = "" };
		socklen_t bytes = sizeof(value);

		if (getsockopt(fd, table[i].level, table[i].option, &value,
			       &bytes))
			continue;
		if (table[i].text)
			printf("%s=%.16s\n", table[i].name, value.text);
		else
			printf("%s=%d\n", table[i].name, value.number);
	}
}

static bool goes_to(int fd, int port)
{
	struct sockaddr_in far = { .sin_family = AF_UNSPEC };
	socklen_t bytes = sizeof(far);

	return getpeername(fd, (struct sockaddr *)&far, &bytes) == 0 &&
	       far.sin_family == AF_INET && ntohs(far.sin_port) == port;
}

/* The real sockets of another process, through copies of its descriptors */
static int read_process(const char *pid, int port)
{
	char path[64];
	struct dirent *entry;
	int found = 0, process = (int)syscall(SYS_pidfd_open, atoi(pid), 0);
	DIR *folder;

	snprintf(path, sizeof(path), "/proc/%.16s/fd", pid);
	folder = opendir(path);
	if (process < 0 || !folder)
		die(path);
	while ((entry = readdir(folder))) {
		int fd = (int)syscall(SYS_pidfd_getfd, process,
				      atoi(entry->d_name), 0);

		if (fd < 0 || entry->d_name[0] == '.')
			continue;
		if (goes_to(fd, port)) {
			print_options(fd);
			found++;
		}
		close(fd);
	}
	closedir(folder);
	return found == 1 ? 0 : 1;
}

int main(int count, char **words)
{
	if (count >= 4 && strcmp(words[1], "hold") == 0)
		return hold(words + 2);
	if (count == 4 && strcmp(words[1], "read") == 0)
		return read_process(words[2], atoi(words[3]));
	fprintf(stderr, "usage: optcheck hold ADDRESS PORT NAME=VALUE... [-- "
			"NAME=VALUE...]\n"
			"       optcheck read PID PORT\n");
	return 2;
}
