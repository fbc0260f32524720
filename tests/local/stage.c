// SPDX-License-Identifier: GPL-2.0-only
/*
 * stage.c - what an integration test of a proxy stands on
 */
#include <arpa/inet.h>
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/local/stage.h"

#define UUID "01234567-89ab-cdef-0123-4567%08x"
/* A process rests when it works so much of so long, or less */
#define REST_MS 300
#define REST_WORK_MS 10
/* A domain that no test has */
#define NOBODY 30000u

void stage_open(struct stage *s)
{
	memset(s, 0, sizeof(*s));
	signal(SIGPIPE, SIG_IGN);
	snprintf(s->directory, sizeof(s->directory), "/tmp/switchboard.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(s->directory));
	chmod(s->directory, 0755);
	s->user = "root";
	s->kind = SB_LINE_TCP;
	s->calls_per_s = 100000;
	s->calls_burst = 4096;
	snprintf(s->spec, sizeof(s->spec), "local:%s", s->directory);
	s->broker = broker_start(s->directory);
	ck_assert_ptr_nonnull(s->broker);
}

static int remove_node(const char *path, const struct stat *st, int flag,
		       struct FTW *ftw)
{
	return remove(path);
}

void stage_close(struct stage *s)
{
	if (s->proxy)
		ck_assert_int_eq(stage_end(s->proxy, SIGTERM), 0);
	s->proxy = 0;
	ipc_close(s->pair);
	broker_stop(s->broker);
	nftw(s->directory, remove_node, 8, FTW_DEPTH | FTW_PHYS);
}

pid_t stage_run(const char *program, const char *const *argument)
{
	char path[512];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
	pid_t parent = getpid(), child;

	ck_assert_int_gt(length, 0);
	path[length] = 0;
	snprintf(strrchr(path, '/') + 1, 64, "%s", program);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		/* in check's process group: killed with a test that hangs */
		execv(path, (char *const *)argument);
		fprintf(stderr, "%s: %s (of %d)\n", path, strerror(errno),
			parent);
		_exit(127);
	}
	return child;
}

pid_t stage_service(const struct stage *s, const char *name, const char *config)
{
	char program[64];
	const char *argument[] = { program,	 "--hypervisor",
				   s->spec,	 "--run-dir",
				   s->directory, "--user",
				   s->user,	 config ? "--config" : NULL,
				   config,	 NULL };

	snprintf(program, sizeof(program), "switchboard-%s", name);
	return stage_run(program, argument);
}

int stage_end(pid_t process, int signal)
{
	int status;

	kill(process, signal);
	ck_assert_int_eq(waitpid(process, &status, 0), process);
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	return -WTERMSIG(status);
}

static void be_operator(struct stage *s)
{
	char path[128];

	if (s->pair)
		return;
	snprintf(path, sizeof(path), "%s/operator", s->directory);
	mkdir(path, 0755);
	s->pair = ipc_open(IPC_PAIR, IPC_OPERATOR, IPC_PROXY);
	ck_assert_ptr_nonnull(s->pair);
	snprintf(path, sizeof(path), "%s/operator/orders-%smain.ipc",
		 s->directory, s->kind == SB_LINE_UDP ? "udp-" : "");
	ck_assert_int_eq(ipc_bind(s->pair, path, 0666), 0);
}

void stage_proxy_start(struct stage *s)
{
	be_operator(s);
	s->proxy = stage_service(
		s, s->kind == SB_LINE_UDP ? "proxy-udp" : "proxy-tcp", NULL);
	s->opens = 0;
	s->epoch = stage_expect(s, IPC_REPORT_HELLO)->hello.epoch;
}

void stage_proxy_kill(struct stage *s)
{
	ck_assert_int_eq(stage_end(s->proxy, SIGKILL), -SIGKILL);
	s->proxy = 0;
}

void stage_proxy_replace(struct stage *s, struct guest_line *l)
{
	uint32_t before = s->epoch;

	stage_proxy_kill(s);
	stage_proxy_start(s);
	ck_assert_uint_ne(s->epoch, before);
	stage_attach(s, l);
}

/* What comes whenever it likes */
static bool is_news(enum ipc_type type)
{
	return type == IPC_REPORT_ENDED || type == IPC_REPORT_COUNTS;
}

static struct ipc_question *find_open(struct stage *s,
				      const struct ipc_question *q)
{
	for (unsigned int i = 0; i < s->opens; i++)
		if (memcmp(&s->open[i], q, sizeof(*q)) == 0)
			return &s->open[i];
	return NULL;
}

/* A proxy asks again when no answer came in time: that is no new question */
static bool is_asked_again(struct stage *s, const struct ipc_message *m)
{
	if (m->type != IPC_REPORT_ASKED)
		return false;
	if (find_open(s, &m->question))
		return true;
	ck_assert_uint_lt(s->opens, STAGE_QUESTIONS);
	s->open[s->opens++] = m->question;
	return false;
}

/* Return: a report other than unwanted news, or NULL when time is up */
static const struct ipc_message *next_report(struct stage *s, int timeout_ms,
					     enum ipc_type wanted)
{
	static struct ipc_message m;
	uint64_t end_ms = guest_now_ms() + timeout_ms;
	struct pollfd set = { ipc_receive_fd(s->pair), POLLIN, 0 };

	for (;;) {
		int error = ipc_receive(s->pair, &m);
		uint64_t now_ms = guest_now_ms();

		ck_assert_msg(error == 0 || error == -EAGAIN, "%s: %s",
			      strerror(-error), ipc_fault_text(s->pair));
		if (error == 0 && (m.type == wanted || !is_news(m.type)) &&
		    !is_asked_again(s, &m))
			return &m;
		if (now_ms >= end_ms)
			return NULL;
		if (error)
			poll(&set, 1, end_ms - now_ms);
	}
}

const struct ipc_message *stage_expect(struct stage *s, enum ipc_type type)
{
	const struct ipc_message *m = next_report(s, STAGE_TIMEOUT_MS, type);

	ck_assert_msg(m, "no %s", ipc_type_name(type));
	ck_assert_msg(m->type == type, "%s instead of %s: %s",
		      ipc_type_name(m->type), ipc_type_name(type),
		      m->type == IPC_REPORT_FAILED ? m->failed.why : "");
	return m;
}

void stage_operator_return(struct stage *s)
{
	be_operator(s);
	s->opens = 0;
	s->epoch = stage_expect(s, IPC_REPORT_HELLO)->hello.epoch;
}

bool stage_quiet(struct stage *s, int timeout_ms)
{
	return !next_report(s, timeout_ms, IPC_TYPES);
}

/* A verdict closes its question; who attaches a line is asked anew */
static void close_questions(struct stage *s, const struct ipc_message *m)
{
	struct ipc_question *open = NULL;

	if (m->type == IPC_ORDER_ATTACH && m->attach.guest != NOBODY)
		s->opens = 0;
	if (m->type == IPC_ORDER_VERDICT)
		open = find_open(s, &m->verdict.question);
	if (open)
		*open = s->open[--s->opens];
}

void stage_order(struct stage *s, const struct ipc_message *m)
{
	int error;

	close_questions(s, m);
	while ((error = ipc_send(s->pair, m)) == -EAGAIN)
		usleep(1000);
	ck_assert_msg(error == 0, "%s: %s", ipc_type_name(m->type),
		      strerror(-error));
	while (ipc_flush(s->pair))
		usleep(1000);
}

void stage_orders_done(struct stage *s)
{
	static struct ipc_message m;
	const struct ipc_failed *failed;

	/* a guest that is not there: its failure is told in its turn */
	m.type = IPC_ORDER_ATTACH;
	m.attach = (struct ipc_attach){
		.identity = "00000000-0000-0000-0000-000000000000",
		.name = "nobody",
		.guest = NOBODY,
		.kind = s->kind,
		.gref = 1,
		.port = 1,
		.circuits_max = 1,
		.listeners_max = 1,
		.calls_per_s = 1,
		.calls_burst = 1,
	};
	stage_order(s, &m);
	failed = &stage_expect(s, IPC_REPORT_FAILED)->failed;
	ck_assert_uint_eq(failed->guest, NOBODY);
}

struct guest_line *stage_line(struct stage *s, const char *name)
{
	static uint32_t serial;
	char identity[40];
	struct guest_options o = { .name = name, .identity = identity };
	struct guest *g;
	struct guest_line *l;

	snprintf(identity, sizeof(identity), UUID, ++serial);
	g = guest_new(s->directory, &o);
	ck_assert_ptr_nonnull(g);
	l = guest_line_new(g, s->kind == SB_LINE_UDP, s->kind,
			   LOCAL_DOMAIN_SERVICES);
	ck_assert_ptr_nonnull(l);
	return l;
}

void stage_order_attach(struct stage *s, const struct guest_line *l)
{
	static struct ipc_message m;

	m.type = IPC_ORDER_ATTACH;
	m.attach = (struct ipc_attach){
		.guest = l->guest->domain,
		.name = "guest",
		.line = l->number,
		.kind = s->kind,
		.gref = l->header_gref,
		.port = l->channel.port,
		.circuits_max = 2048,
		.listeners_max = 64,
		.calls_per_s = s->calls_per_s,
		.calls_burst = s->calls_burst,
		.addresses = 2,
	};
	/* as stage_udp_guest_address() has them */
	snprintf(m.attach.address[0], sizeof(m.attach.address[0]), "10.99.0.%u",
		 l->guest->domain);
	snprintf(m.attach.address[1], sizeof(m.attach.address[1]), "fd00::%x",
		 l->guest->domain);
	snprintf(m.attach.identity, sizeof(m.attach.identity), UUID,
		 l->guest->domain);
	stage_order(s, &m);
}

void stage_attach(struct stage *s, struct guest_line *l)
{
	stage_order_attach(s, l);
	stage_expect(s, IPC_REPORT_ATTACHED);
	ck_assert_int_eq(guest_line_wait_attached(l, STAGE_TIMEOUT_MS), 0);
}

void stage_detach(struct stage *s, struct guest_line *l)
{
	static struct ipc_message m;

	m.type = IPC_ORDER_DETACH;
	m.line = (struct ipc_line){ l->guest->domain, l->number };
	stage_order(s, &m);
}

void stage_answer(struct stage *s, const struct ipc_question *question,
		  uint32_t error)
{
	static struct ipc_message m;

	m.type = IPC_ORDER_VERDICT;
	m.verdict =
		(struct ipc_verdict){ .question = *question, .error = error };
	stage_order(s, &m);
}

void stage_connect(struct stage *s, struct guest_circuit *c,
		   const struct sb_address *to)
{
	uint64_t end_ms = guest_now_ms() + STAGE_TIMEOUT_MS;
	const struct ipc_message *m;

	guest_circuit_call(c, NULL, to);
	while (!guest_circuit_peer(c)) {
		ck_assert_msg(guest_now_ms() < end_ms, "nobody takes the call");
		m = next_report(s, 2, IPC_REPORT_ASKED);
		if (m && m->type == IPC_REPORT_ASKED)
			stage_answer(s, &m->question, 0);
	}
}

void stage_listen(struct stage *s, const struct guest_circuit *listener,
		  const struct sb_address *at)
{
	static const struct sb_address none;

	stage_listen_both(s, listener, at, &none);
}

void stage_listen_both(struct stage *s, const struct guest_circuit *listener,
		       const struct sb_address *at,
		       const struct sb_address *other)
{
	static struct ipc_message m;

	m.type = IPC_ORDER_LISTEN;
	m.listen = (struct ipc_listen){
		.guest = listener->line->guest->domain,
		.line = listener->line->number,
		.entry = listener->entry,
		.generation = listener->generation,
		.local = *at,
		.other = *other,
		.backlog = 64,
	};
	stage_order(s, &m);
}

struct sb_address stage_loopback(uint16_t port)
{
	return (struct sb_address){ .family = SB_FAMILY_IPV4,
				    .port = port,
				    .bytes = { 127, 0, 0, 1 } };
}

static struct sockaddr_in socket_address(uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = htons(port),
				     .sin_addr = { htonl(INADDR_LOOPBACK) } };
}

int stage_listener(uint16_t *port)
{
	struct sockaddr_in sa = socket_address(0);
	socklen_t length = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	ck_assert_int_eq(listen(fd, 1024), 0);
	getsockname(fd, (struct sockaddr *)&sa, &length);
	*port = ntohs(sa.sin_port);
	return fd;
}

int stage_accept(int listener)
{
	struct pollfd set = { listener, POLLIN, 0 };
	int fd;

	ck_assert_msg(poll(&set, 1, STAGE_TIMEOUT_MS) == 1, "nobody connects");
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	return fd;
}

/* Return: a connected socket, or -errno */
static int dial(uint16_t port)
{
	struct sockaddr_in sa = socket_address(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int error;

	ck_assert_int_ge(fd, 0);
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0)
		return fd;
	error = -errno;
	close(fd);
	return error;
}

int stage_dial(uint16_t port)
{
	int fd;

	unit_until((fd = dial(port)) != -ECONNREFUSED);
	ck_assert_msg(fd >= 0, "connect: %s", strerror(-fd));
	return fd;
}

struct guest_circuit *stage_connection(struct stage *s, struct guest_line *l,
				       unsigned int order, int *fd)
{
	struct guest_circuit *c = guest_circuit_new(l, order);
	struct sb_address to;
	uint16_t port;
	int listener = stage_listener(&port), error;

	ck_assert_ptr_nonnull(c);
	to = stage_loopback(port);
	stage_connect(s, c, &to);
	error = guest_circuit_wait(c, SB_PEER_OPEN, STAGE_TIMEOUT_MS);
	ck_assert_msg(error == 0, "no connection: %s", strerror(-error));
	*fd = stage_accept(listener);
	close(listener);
	return c;
}

void stage_arrived(struct guest_circuit *c, uint32_t count)
{
	unit_until(sb_reader_available(&c->reader) >= (int64_t)count);
}

static uint8_t pattern(uint64_t position, uint32_t seed)
{
	uint64_t x = (position / 8 + seed) * 0x9e3779b97f4a7c15ull;

	return (x ^ x >> 29) >> position % 8 * 8;
}

void stage_fill(uint8_t *bytes, size_t count, uint64_t position, uint32_t seed)
{
	for (size_t i = 0; i < count; i++)
		bytes[i] = pattern(position + i, seed);
}

bool stage_check(const uint8_t *bytes, size_t count, uint64_t position,
		 uint32_t seed)
{
	for (size_t i = 0; i < count; i++)
		if (bytes[i] != pattern(position + i, seed))
			return false;
	return true;
}

static FILE *open_proc(pid_t process, const char *name)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/%s", process, name);
	file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	return file;
}

uint64_t stage_cpu_ms(pid_t process)
{
	unsigned long user = 0, system = 0;
	FILE *file = open_proc(process, "stat");

	ck_assert_int_eq(fscanf(file,
				"%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u "
				"%*u %*u %*u %lu %lu",
				&user, &system),
			 2);
	fclose(file);
	return (user + system) * 1000 / sysconf(_SC_CLK_TCK);
}

/* Return: milliseconds that a process worked of the next REST_MS */
static uint64_t work_ms(pid_t process)
{
	uint64_t before_ms = stage_cpu_ms(process);

	usleep(REST_MS * 1000);
	return stage_cpu_ms(process) - before_ms;
}

void stage_rests(pid_t process)
{
	unit_until(work_ms(process) <= REST_WORK_MS);
}

uint64_t stage_rss_kib(pid_t process)
{
	unsigned long resident = 0;
	FILE *file = open_proc(process, "statm");

	ck_assert_int_eq(fscanf(file, "%*u %lu", &resident), 1);
	fclose(file);
	return resident * 4;
}

unsigned int stage_descriptors(pid_t process)
{
	char path[64];
	unsigned int count = 0;
	DIR *directory;

	snprintf(path, sizeof(path), "/proc/%d/fd", process);
	directory = opendir(path);
	ck_assert_ptr_nonnull(directory);
	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}

static struct guest_line *open_attached(struct stage *s, enum sb_line_kind kind)
{
	struct guest_line *l;

	stage_open(s);
	s->kind = kind;
	stage_proxy_start(s);
	l = stage_line(s, "alpha");
	stage_attach(s, l);
	return l;
}

struct guest_line *stage_open_attached(struct stage *s)
{
	return open_attached(s, SB_LINE_TCP);
}

struct guest_line *stage_open_attached_udp(struct stage *s)
{
	return open_attached(s, SB_LINE_UDP);
}

void stage_close_attached(struct stage *s, struct guest_line *l)
{
	guest_line_end(l);
	stage_close(s);
}
