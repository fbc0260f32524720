/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * operator_scene.c - two guests on the operator's stage
 */
#include <stdio.h>
#include <string.h>

#include "tests/unit/operator_scene.h"

const char operator_config[] =
	"{ \"name_servers\": [\"192.0.2.53\"],\n"
	"  \"udp_proxies\": [],\n"
	"  \"guests\": {\n"
	"    \"web\": { \"addresses\": [\"10.0.0.2/24\", \"fd00::2/64\"],\n"
	"      \"connect\": [ {\"to\":\"192.0.2.0/24\",\"ports\":[80,443]},\n"
	"                     {\"to\":\"127.0.0.1\",\"ports\":8080} ],\n"
	"      \"publish\": [ {\"ports\":80,\"address\":\"127.0.0.1\",\n"
	"                     \"port\":18080},\n"
	"                     {\"ports\":90,\"address\":\"127.0.0.1\",\n"
	"                     \"port\":19090},\n"
	"                     {\"ports\":80,\"address\":\"::1\",\n"
	"                     \"port\":18086} ],\n"
	"      \"limits\": {\"circuits\":8,\"listeners\":2} },\n"
	"    \"db\": { \"addresses\": [\"10.0.0.3/24\"],\n"
	"      \"connect\": [ {\"to\":\"any\",\"ports\":\"1-65535\"} ],\n"
	"      \"publish\": [ {\"ports\":80,\"address\":\"127.0.0.1\",\n"
	"                     \"port\":18080} ],\n"
	"      \"limits\": {\"requests_per_s\":50,\"request_burst\":20} }\n"
	"  } }\n";

struct operator_stage stage;
struct guest *web, *db;
struct guest_line *web_line;
struct ipc_message report;

void open_stage(void)
{
	operator_stage_open(&stage, operator_config);
}

void close_stage(void)
{
	guest_free(web);
	guest_free(db);
	operator_stage_close(&stage);
}

void web_up(void)
{
	web = stage_guest(&stage, "web", STAGE_IDENTITY_WEB, 0);
	web_line = stage_guest_up(&stage, web);
}

void db_up(void)
{
	db = stage_guest(&stage, "db", STAGE_IDENTITY_DB, 0);
	stage_guest_up(&stage, db);
}

void send_request(struct guest *g, const struct sb_message *m)
{
	ck_assert_int_eq(guest_trunk_send(g, m), 0);
}

void expect_listen(uint32_t guest, uint32_t entry, uint32_t generation)
{
	const struct ipc_message *m =
		stage_order_expect(&stage, IPC_ORDER_LISTEN);

	ck_assert_uint_eq(m->listen.guest, guest);
	ck_assert_uint_eq(m->listen.entry, entry);
	ck_assert_uint_eq(m->listen.generation, generation);
}

const struct ipc_verdict *ask_about(enum ipc_question_kind kind, const char *to,
				    uint16_t port, const char *from,
				    uint16_t from_port)
{
	const struct ipc_verdict *v;

	memset(&report.question, 0, sizeof(report.question));
	report.type = IPC_REPORT_ASKED;
	report.question.guest = web->domain;
	report.question.line = 0;
	report.question.kind = kind;
	report.question.remote = stage_address(to, port);
	if (from)
		report.question.source = stage_address(from, from_port);
	stage_report(&stage, &report);
	v = &stage_order_expect(&stage, IPC_ORDER_VERDICT)->verdict;
	ck_assert_mem_eq(&v->question, &report.question, sizeof(v->question));
	return v;
}

uint32_t verdict_error(enum ipc_question_kind kind, const char *to,
		       uint16_t port)
{
	return ask_about(kind, to, port, NULL, 0)->error;
}

void reports_done(void)
{
	static uint16_t port;
	const struct ipc_message *m;

	port++;
	report.type = IPC_REPORT_ASKED;
	report.question = (struct ipc_question){
		.guest = web->domain,
		.kind = IPC_KIND_STREAM,
		.remote = stage_address("192.0.2.1", port),
	};
	stage_report(&stage, &report);
	do {
		m = stage_order_next(&stage, STAGE_TIMEOUT_MS);
		ck_assert_ptr_nonnull(m);
	} while (m->type != IPC_ORDER_VERDICT ||
		 m->verdict.question.remote.port != port);
}

void requests_done(struct guest *g)
{
	/* nobody may publish this port: it is refused, in its turn */
	const struct sb_message m =
		stage_listen_message(SB_ENTRIES_MAX - 1, 1, "0.0.0.0", 1);
	struct sb_message refused;

	send_request(g, &m);
	do {
		stage_trunk_expect(g, SB_MESSAGE_REFUSED, &refused);
	} while (refused.entry != m.entry);
}

const struct ipc_message *ask_operator(enum ipc_type type)
{
	struct ipc_socket *s = ipc_open(IPC_REQ, IPC_TOOL, IPC_OPERATOR);
	char path[128];

	snprintf(path, sizeof(path), "%s/operator/control.ipc",
		 stage.base.directory);
	ck_assert_ptr_nonnull(s);
	ck_assert_int_eq(ipc_connect(s, path), 0);
	memset(&report.survey, 0, sizeof(report.survey));
	report.type = type;
	unit_until(ipc_send(s, &report) == 0);
	unit_until(ipc_receive(s, &report) == 0);
	ipc_close(s);
	return &report;
}

const struct ipc_status *ask_status(void)
{
	return &ask_operator(IPC_REQUEST_STATUS)->status;
}

static uint64_t count_proxies(void)
{
	const struct ipc_status *status = ask_status();
	uint32_t i;

	for (i = 0; i < status->counters; i++) {
		if (strcmp(status->counter[i].name, "proxies-here") == 0)
			return status->counter[i].value;
	}
	ck_abort_msg("the operator does not count proxies");
	return 0;
}

void proxies_here(uint64_t count)
{
	unit_until(count_proxies() == count);
}

void report_ended(uint32_t guest, uint32_t entry, uint32_t generation)
{
	report.type = IPC_REPORT_ENDED;
	report.ended.guest = guest;
	report.ended.line = 0;
	report.ended.count = 1;
	report.ended.circuit[0].entry = entry;
	report.ended.circuit[0].generation = generation;
	stage_report(&stage, &report);
}

/* A list with one line and one listener, at one place or two */
static void report_line(uint32_t listener, uint32_t gref, uint32_t port,
			const struct sb_address *at)
{
	report.type = IPC_REPORT_LISTENING;
	report.listen = (struct ipc_listen){
		.guest = web->domain,
		.entry = listener,
		.generation = 1,
		.local = at[0],
		.other = at[1],
		.backlog = 128,
	};
	stage_report(&stage, &report);
	memset(&report.listing, 0, sizeof(report.listing));
	report.type = IPC_REPORT_LISTING;
	report.listing.guest = web->domain;
	strcpy(report.listing.identity, STAGE_IDENTITY_WEB);
	report.listing.gref = gref;
	report.listing.port = port;
	stage_report(&stage, &report);
}

void report_web_line(uint32_t listener, uint32_t gref, uint32_t port)
{
	const struct sb_address at[2] = { stage_address("127.0.0.1", 18080) };

	report_line(listener, gref, port, at);
}

void report_web_both(uint32_t listener)
{
	const struct sb_address at[2] = { stage_address("::1", 18086),
					  stage_address("127.0.0.1", 18080) };

	report_line(listener, web_line->header_gref, web_line->channel.port,
		    at);
}
