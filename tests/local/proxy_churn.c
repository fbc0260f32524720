// SPDX-License-Identifier: GPL-2.0-only
/*
 * proxy_churn.c - connections come and go all day, and nothing is left of them
 *
 * A guest with few circuits talks to a thousand peers, one after the other, and
 * each connection ends in another way: half closed by the guest, half closed by
 * the network, reset. Once all peers are known nothing may grow any more.
 * CHURN_S=86400 makes it a day.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/local/stage.h"
#include "tests/unit/unit.h"

#define PEERS 1000u
#define CIRCUITS 16u
/* What the allocator may still need; a sanitizer keeps what was freed, too */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SPARE_KIB 16384u
#else
#define SPARE_KIB 128u
#endif

static struct stage stage;
static struct guest_line *line;
static struct guest_circuit *circuit[CIRCUITS];
static int listener;
static uint16_t port;

/* On all addresses of the loopback: each is a peer */
static void listen_everywhere(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	socklen_t length = sizeof(sa);

	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(listener, 0);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&sa, length), 0);
	ck_assert_int_eq(listen(listener, 64), 0);
	getsockname(listener, (struct sockaddr *)&sa, &length);
	port = ntohs(sa.sin_port);
}

static void setup(void)
{
	line = stage_open_attached(&stage);
	listen_everywhere();
	for (unsigned int i = 0; i < CIRCUITS; i++) {
		circuit[i] = guest_circuit_new(line, 0);
		ck_assert_ptr_nonnull(circuit[i]);
	}
}

static void teardown(void)
{
	close(listener);
	stage_close_attached(&stage, line);
}

static void guest_takes(struct guest_circuit *c, char expected)
{
	char byte = 0;

	ck_assert_int_eq(
		guest_circuit_receive_all(c, &byte, 1, STAGE_TIMEOUT_MS), 0);
	ck_assert_int_eq(byte, expected);
}

static void network_takes(int fd, char expected)
{
	char byte = 0;

	ck_assert_int_eq(recv(fd, &byte, 1, 0), 1);
	ck_assert_int_eq(byte, expected);
}

static void guest_ends_first(struct guest_circuit *c, int fd)
{
	char byte;

	ck_assert_int_eq(guest_circuit_send(c, "q", 1), 1);
	guest_circuit_shutdown(c);
	network_takes(fd, 'q');
	ck_assert_int_eq(recv(fd, &byte, 1, 0), 0);
	ck_assert_int_eq(write(fd, "a", 1), 1);
	close(fd);
	guest_takes(c, 'a');
}

static void network_ends_first(struct guest_circuit *c, int fd)
{
	char byte;

	ck_assert_int_eq(write(fd, "a", 1), 1);
	shutdown(fd, SHUT_WR);
	guest_takes(c, 'a');
	ck_assert_int_eq(guest_circuit_receive_all(c, &byte, 1,
						   STAGE_TIMEOUT_MS),
			 -ENODATA);
	ck_assert_int_eq(guest_circuit_send(c, "q", 1), 1);
	guest_circuit_close(c);
	network_takes(fd, 'q');
	ck_assert_int_eq(recv(fd, &byte, 1, 0), 0);
	close(fd);
}

static void guest_resets(struct guest_circuit *c, int fd)
{
	ck_assert_int_eq(guest_circuit_send(c, "q", 1), 1);
	network_takes(fd, 'q');
	guest_circuit_abort(c);
	close(fd);
}

static void (*const ways_to_end[])(struct guest_circuit *c, int fd) = {
	guest_ends_first, network_ends_first, guest_resets
};

static void visit(unsigned int number, struct guest_circuit *c)
{
	struct sb_address to = stage_loopback(port);

	to.bytes[1] = 1;
	to.bytes[2] = (uint8_t)(number / 250);
	to.bytes[3] = (uint8_t)(1 + number % 250);
	stage_connect(&stage, c, &to);
	ck_assert_int_eq(guest_circuit_wait(c, SB_PEER_OPEN, STAGE_TIMEOUT_MS),
			 0);
	ways_to_end[number % 3](c, stage_accept(listener));
	ck_assert_int_eq(
		guest_circuit_wait(c, SB_PEER_CLOSED, STAGE_TIMEOUT_MS), 0);
	ck_assert_int_eq(guest_circuit_recycle(c), 0);
}

static void visit_all(void)
{
	for (unsigned int i = 0; i < PEERS; i++)
		visit(i, circuit[i % CIRCUITS]);
}

static unsigned int churn_s(void)
{
	const char *text = getenv("CHURN_S");

	return text ? (unsigned int)atoi(text) : 0;
}

START_TEST(a_day_of_comings_and_goings_leaves_nothing)
{
	uint64_t end_ms = guest_now_ms() + churn_s() * 1000ull;
	unsigned int descriptors, granted;
	uint64_t rss_kib;

	visit_all();
	rss_kib = stage_rss_kib(stage.proxy) + SPARE_KIB;
	descriptors = stage_descriptors(stage.proxy);
	granted = line->guest->free_grants;
	do {
		visit_all();
		ck_assert_uint_le(stage_rss_kib(stage.proxy), rss_kib);
		unit_until(stage_descriptors(stage.proxy) <= descriptors);
	} while (guest_now_ms() < end_ms);
	/* the proxy counts none, and the guest has what it had */
	while (stage_expect(&stage, IPC_REPORT_COUNTS)->counts.circuits)
		;
	ck_assert_uint_eq(line->guest->free_grants, granted);
	for (unsigned int i = 0; i < CIRCUITS; i++)
		ck_assert_int_eq(
			guest_circuit_revoke(circuit[i], STAGE_TIMEOUT_MS), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("proxy_churn");
	TCase *tcase = tcase_create("churn");

	tcase_set_timeout(tcase, 30 + churn_s());
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_day_of_comings_and_goings_leaves_nothing);
	suite_add_tcase(suite, tcase);
	return unit_run(suite);
}
