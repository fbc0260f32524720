/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * messages.c - the table of messages
 *
 * Everything that the Dom0 processes say to each other is here and nowhere
 * else; docs/IPC.md has it in prose, and a test compares the two.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "ipc/table.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define KEY(text) .key = (text), .key_bytes = sizeof(text) - 1

#define INTEGER(key_text, type, member, kind_, min_, max_)                    \
	{                                                                     \
		KEY(key_text), .kind = (kind_), .at = offsetof(type, member), \
			       .min = (min_), .max = (max_)                   \
	}
#define OPTIONAL_INTEGER(key_text, type, member, kind_, max_)              \
	{                                                                  \
		KEY(key_text), .kind = (kind_), .optional = true,          \
			       .at = offsetof(type, member), .max = (max_) \
	}
#define STRING(key_text, type, member, kind_, min_)                           \
	{                                                                     \
		KEY(key_text), .kind = (kind_), .at = offsetof(type, member), \
			       .size = sizeof(((type *)0)->member),           \
			       .min = (min_)                                  \
	}
#define ADDRESS(key_text, type, member, optional_)                           \
	{                                                                    \
		KEY(key_text), .kind = IPC_ADDRESS, .optional = (optional_), \
			       .at = offsetof(type, member)                  \
	}
#define LIST(key_text, type, member, kind_, rows_)                            \
	{                                                                     \
		KEY(key_text), .kind = (kind_), .at = offsetof(type, member), \
			       .rows = (rows_)                                \
	}
#define WORD(key_text, type, member, words_, max_)                             \
	{                                                                      \
		KEY(key_text), .kind = IPC_WORD, .at = offsetof(type, member), \
			       .min = 1, .max = (max_), .word = (words_)       \
	}
#define BOOLEAN(key_text, type, member)                                       \
	{                                                                     \
		KEY(key_text), .kind = IPC_BOOL, .at = offsetof(type, member) \
	}

#define GUEST(type) INTEGER("guest", type, guest, IPC_U32, 0, IPC_DOMAIN_MAX)
#define LINE(type) INTEGER("line", type, line, IPC_U32, 0, SB_LINES_MAX - 1)
#define GREF(type) INTEGER("gref", type, gref, IPC_U32, 0, UINT32_MAX)
#define EVENT_PORT(type) INTEGER("port", type, port, IPC_U32, 0, UINT32_MAX)
#define ENTRY(type) \
	INTEGER("entry", type, entry, IPC_U32, 0, SB_ENTRIES_MAX - 1)
#define GENERATION(type) \
	INTEGER("generation", type, generation, IPC_U32, 1, SB_GENERATION_MAX)

/* By enum sb_line_kind, and by enum ipc_question_kind */
static const char *const line_kinds[] = { NULL, "tcp", "udp" };
static const char *const question_kinds[] = { NULL, "stream", "datagram",
					      "bind" };

static const struct ipc_rows attach_addresses = {
	.count_at = offsetof(struct ipc_attach, addresses),
	.row_bytes = IPC_ADDRESS_TEXT_BYTES,
	.max = IPC_GUEST_ADDRESSES_MAX,
};

static const struct ipc_field attach_fields[] = {
	GUEST(struct ipc_attach),
	STRING("identity", struct ipc_attach, identity, IPC_IDENTITY, 1),
	STRING("name", struct ipc_attach, name, IPC_NAME, 1),
	LINE(struct ipc_attach),
	WORD("kind", struct ipc_attach, kind, line_kinds, SB_LINE_UDP),
	GREF(struct ipc_attach),
	EVENT_PORT(struct ipc_attach),
	INTEGER("circuits_max", struct ipc_attach, circuits_max, IPC_U32, 0,
		(uint32_t)SB_ENTRIES_MAX),
	INTEGER("listeners_max", struct ipc_attach, listeners_max, IPC_U32, 0,
		(uint32_t)SB_ENTRIES_MAX),
	INTEGER("calls_per_s", struct ipc_attach, calls_per_s, IPC_U32, 1,
		IPC_CALLS_MAX),
	INTEGER("calls_burst", struct ipc_attach, calls_burst, IPC_U32, 1,
		IPC_CALLS_MAX),
	LIST("addresses", struct ipc_attach, address, IPC_TEXTS,
	     &attach_addresses),
};

static const struct ipc_field line_fields[] = {
	GUEST(struct ipc_line),
	LINE(struct ipc_line),
};

static const struct ipc_field listen_fields[] = {
	GUEST(struct ipc_listen),
	LINE(struct ipc_listen),
	ENTRY(struct ipc_listen),
	GENERATION(struct ipc_listen),
	ADDRESS("address", struct ipc_listen, local, false),
	INTEGER("port", struct ipc_listen, local.port, IPC_U16, 0, UINT16_MAX),
	ADDRESS("other", struct ipc_listen, other, true),
	OPTIONAL_INTEGER("other_port", struct ipc_listen, other.port, IPC_U16,
			 UINT16_MAX),
	INTEGER("backlog", struct ipc_listen, backlog, IPC_U32, 0, UINT16_MAX),
};

static const struct ipc_field asked_fields[] = {
	GUEST(struct ipc_question),
	LINE(struct ipc_question),
	WORD("kind", struct ipc_question, kind, question_kinds, IPC_KIND_BIND),
	ADDRESS("address", struct ipc_question, remote, false),
	INTEGER("port", struct ipc_question, remote.port, IPC_U16, 0,
		UINT16_MAX),
	ADDRESS("source", struct ipc_question, source, true),
	OPTIONAL_INTEGER("source_port", struct ipc_question, source.port,
			 IPC_U16, UINT16_MAX),
};

static const struct ipc_field verdict_fields[] = {
	INTEGER("guest", struct ipc_verdict, question.guest, IPC_U32, 0,
		IPC_DOMAIN_MAX),
	INTEGER("line", struct ipc_verdict, question.line, IPC_U32, 0,
		SB_LINES_MAX - 1),
	WORD("kind", struct ipc_verdict, question.kind, question_kinds,
	     IPC_KIND_BIND),
	ADDRESS("address", struct ipc_verdict, question.remote, false),
	INTEGER("port", struct ipc_verdict, question.remote.port, IPC_U16, 0,
		UINT16_MAX),
	ADDRESS("source", struct ipc_verdict, question.source, true),
	OPTIONAL_INTEGER("source_port", struct ipc_verdict,
			 question.source.port, IPC_U16, UINT16_MAX),
	INTEGER("error", struct ipc_verdict, error, IPC_U32, 0, 4095),
	ADDRESS("to", struct ipc_verdict, to, true),
	OPTIONAL_INTEGER("to_port", struct ipc_verdict, to.port, IPC_U16,
			 UINT16_MAX),
	ADDRESS("from", struct ipc_verdict, from, true),
	OPTIONAL_INTEGER("from_port", struct ipc_verdict, from.port, IPC_U16,
			 UINT16_MAX),
	BOOLEAN("direct", struct ipc_verdict, direct),
};

static const struct ipc_field hello_fields[] = {
	STRING("service", struct ipc_hello, service, IPC_NAME, 1),
	STRING("instance", struct ipc_hello, instance, IPC_NAME, 1),
	INTEGER("epoch", struct ipc_hello, epoch, IPC_U32, 1, UINT32_MAX),
	INTEGER("version", struct ipc_hello, version, IPC_U32, 1, UINT32_MAX),
};

static const struct ipc_field failed_fields[] = {
	GUEST(struct ipc_failed),
	LINE(struct ipc_failed),
	INTEGER("error", struct ipc_failed, error, IPC_U32, 1, 4095),
	STRING("why", struct ipc_failed, why, IPC_TEXT, 0),
};

static const struct ipc_field ended_circuit_fields[] = {
	ENTRY(struct ipc_ended_circuit),
	GENERATION(struct ipc_ended_circuit),
};

static const struct ipc_rows ended_circuits = {
	.field = ended_circuit_fields,
	.fields = COUNT(ended_circuit_fields),
	.count_at = offsetof(struct ipc_ended, count),
	.row_bytes = sizeof(struct ipc_ended_circuit),
	.max = IPC_CIRCUITS_MAX,
};

static const struct ipc_field ended_fields[] = {
	GUEST(struct ipc_ended),
	LINE(struct ipc_ended),
	LIST("circuits", struct ipc_ended, circuit, IPC_TUPLES,
	     &ended_circuits),
};

static const struct ipc_field listing_fields[] = {
	GUEST(struct ipc_listing),
	STRING("identity", struct ipc_listing, identity, IPC_IDENTITY, 1),
	LINE(struct ipc_listing),
	GREF(struct ipc_listing),
	EVENT_PORT(struct ipc_listing),
};

static const struct ipc_field counts_fields[] = {
	GUEST(struct ipc_counts),
	LINE(struct ipc_counts),
	INTEGER("circuits", struct ipc_counts, circuits, IPC_U32, 0,
		(uint32_t)SB_ENTRIES_MAX),
	INTEGER("calls", struct ipc_counts, calls, IPC_U64, 0, UINT64_MAX),
	INTEGER("refused", struct ipc_counts, refused, IPC_U64, 0, UINT64_MAX),
};

static const struct ipc_field survey_fields[] = {
	OPTIONAL_INTEGER("guests_from", struct ipc_survey, guests_from, IPC_U32,
			 UINT32_MAX),
	OPTIONAL_INTEGER("circuits_from", struct ipc_survey, circuits_from,
			 IPC_U32, UINT32_MAX),
};

static const struct ipc_rows guest_addresses = {
	.count_at = offsetof(struct ipc_guest_row, addresses),
	.row_bytes = IPC_ADDRESS_TEXT_BYTES,
	.max = IPC_GUEST_ADDRESSES_MAX,
};

static const struct ipc_rows guest_directs = {
	.count_at = offsetof(struct ipc_guest_row, directs),
	.row_bytes = IPC_NAME_BYTES,
	.max = IPC_GUEST_DIRECT_MAX,
};

static const struct ipc_field guest_row_fields[] = {
	INTEGER("domain", struct ipc_guest_row, domain, IPC_U32, 0,
		IPC_DOMAIN_MAX),
	STRING("name", struct ipc_guest_row, name, IPC_NAME, 1),
	STRING("identity", struct ipc_guest_row, identity, IPC_IDENTITY, 0),
	STRING("state", struct ipc_guest_row, state, IPC_NAME, 1),
	STRING("proxy", struct ipc_guest_row, proxy, IPC_NAME, 0),
	LIST("addresses", struct ipc_guest_row, address, IPC_TEXTS,
	     &guest_addresses),
	LIST("direct", struct ipc_guest_row, direct, IPC_TEXTS, &guest_directs),
	INTEGER("circuits", struct ipc_guest_row, circuits, IPC_U32, 0,
		UINT32_MAX),
	INTEGER("listeners", struct ipc_guest_row, listeners, IPC_U32, 0,
		UINT32_MAX),
	INTEGER("requests", struct ipc_guest_row, requests, IPC_U64, 0,
		UINT64_MAX),
	INTEGER("refused", struct ipc_guest_row, refused, IPC_U64, 0,
		UINT64_MAX),
	INTEGER("lies", struct ipc_guest_row, lies, IPC_U64, 0, UINT64_MAX),
};

static const struct ipc_rows guest_rows = {
	.field = guest_row_fields,
	.fields = COUNT(guest_row_fields),
	.count_at = offsetof(struct ipc_status, guests),
	.row_bytes = sizeof(struct ipc_guest_row),
	.max = IPC_GUEST_ROWS_MAX,
};

static const struct ipc_field circuit_row_fields[] = {
	GUEST(struct ipc_circuit_row),
	STRING("name", struct ipc_circuit_row, name, IPC_NAME, 1),
	LINE(struct ipc_circuit_row),
	ENTRY(struct ipc_circuit_row),
	GENERATION(struct ipc_circuit_row),
	STRING("kind", struct ipc_circuit_row, kind, IPC_NAME, 1),
	STRING("state", struct ipc_circuit_row, state, IPC_NAME, 1),
	STRING("local", struct ipc_circuit_row, local, IPC_TEXT, 0),
	INTEGER("local_port", struct ipc_circuit_row, local_port, IPC_U32, 0,
		UINT16_MAX),
	STRING("remote", struct ipc_circuit_row, remote, IPC_TEXT, 0),
	INTEGER("remote_port", struct ipc_circuit_row, remote_port, IPC_U32, 0,
		UINT16_MAX),
	INTEGER("sent", struct ipc_circuit_row, sent, IPC_U64, 0, UINT64_MAX),
	INTEGER("received", struct ipc_circuit_row, received, IPC_U64, 0,
		UINT64_MAX),
	INTEGER("age_s", struct ipc_circuit_row, age_s, IPC_U64, 0, UINT64_MAX),
};

static const struct ipc_rows circuit_rows = {
	.field = circuit_row_fields,
	.fields = COUNT(circuit_row_fields),
	.count_at = offsetof(struct ipc_status, circuits),
	.row_bytes = sizeof(struct ipc_circuit_row),
	.max = IPC_CIRCUIT_ROWS_MAX,
};

static const struct ipc_rows counter_rows = {
	.count_at = offsetof(struct ipc_status, counters),
	.row_bytes = sizeof(struct ipc_counter),
	.max = IPC_COUNTERS_MAX,
};

static const struct ipc_field status_fields[] = {
	STRING("service", struct ipc_status, service, IPC_NAME, 1),
	STRING("instance", struct ipc_status, instance, IPC_NAME, 1),
	INTEGER("pid", struct ipc_status, pid, IPC_U32, 1, INT32_MAX),
	INTEGER("uptime_s", struct ipc_status, uptime_s, IPC_U64, 0,
		UINT64_MAX),
	INTEGER("rss_kib", struct ipc_status, rss_kib, IPC_U64, 0, UINT64_MAX),
	LIST("counters", struct ipc_status, counter, IPC_COUNTERS,
	     &counter_rows),
	LIST("guests", struct ipc_status, guest, IPC_ROWS, &guest_rows),
	LIST("circuits", struct ipc_status, circuit, IPC_ROWS, &circuit_rows),
	INTEGER("guests_all", struct ipc_status, guests_all, IPC_U32, 0,
		UINT32_MAX),
	INTEGER("circuits_all", struct ipc_status, circuits_all, IPC_U32, 0,
		UINT32_MAX),
	BOOLEAN("more", struct ipc_status, more),
};

static const struct ipc_field event_fields[] = {
	STRING("service", struct ipc_event, service, IPC_NAME, 1),
	STRING("instance", struct ipc_event, instance, IPC_NAME, 1),
	STRING("guest", struct ipc_event, guest, IPC_NAME, 0),
	INTEGER("domain", struct ipc_event, domain, IPC_U32, 0, IPC_DOMAIN_MAX),
	STRING("why", struct ipc_event, why, IPC_TEXT, 0),
};

static const struct ipc_field answer_fields[] = {
	STRING("text", struct ipc_answer, text, IPC_TEXT, 0),
};

#define DEFINE(key_, name_, sender_, receiver_, bytes, list)         \
	{                                                            \
		.key = (key_), .name = (name_), .sender = (sender_), \
		.receiver = (receiver_), .bytes_max = (bytes),       \
		.field = (list), .fields = COUNT(list)               \
	}

#define SERVICES (IPC_OPERATOR | IPC_PROXY | IPC_MONITOR)
#define ORDER(name_, bytes, list) \
	DEFINE("order", name_, IPC_OPERATOR, IPC_PROXY, bytes, list)
#define REPORT(name_, bytes, list) \
	DEFINE("report", name_, IPC_PROXY, IPC_OPERATOR, bytes, list)
#define REQUEST(name_, bytes, list) \
	DEFINE("request", name_, IPC_TOOL, IPC_OPERATOR, bytes, list)

#define BARE(key_, name_, sender_, receiver_)                        \
	{                                                            \
		.key = (key_), .name = (name_), .sender = (sender_), \
		.receiver = (receiver_), .bytes_max = 64             \
	}

const struct ipc_definition ipc_table[IPC_TYPES] = {
	[IPC_ORDER_ATTACH] = ORDER("attach", 1024, attach_fields),
	[IPC_ORDER_DETACH] = ORDER("detach", 128, line_fields),
	[IPC_ORDER_LISTEN] = ORDER("listen", 512, listen_fields),
	[IPC_ORDER_LIST] = BARE("order", "list", IPC_OPERATOR, IPC_PROXY),
	[IPC_ORDER_VERDICT] = ORDER("verdict", 512, verdict_fields),
	[IPC_ORDER_WITHDRAW] = ORDER("withdraw", 128, line_fields),
	[IPC_REPORT_HELLO] = REPORT("hello", 512, hello_fields),
	[IPC_REPORT_ATTACHED] = REPORT("attached", 128, line_fields),
	[IPC_REPORT_FAILED] = REPORT("failed", 1024, failed_fields),
	[IPC_REPORT_ENDED] = REPORT("ended", 4096, ended_fields),
	[IPC_REPORT_LISTING] = REPORT("listing", 256, listing_fields),
	[IPC_REPORT_LISTENING] = REPORT("listening", 512, listen_fields),
	[IPC_REPORT_ASKED] = REPORT("asked", 512, asked_fields),
	[IPC_REPORT_COUNTS] = REPORT("counts", 256, counts_fields),
	[IPC_SURVEY_STATUS] = DEFINE("survey", "status", IPC_MONITOR, SERVICES,
				     128, survey_fields),
	[IPC_ANSWER_STATUS] =
		DEFINE("answer", "status", SERVICES, IPC_MONITOR | IPC_TOOL,
		       228 * 1024, status_fields),
	[IPC_EVENT] = DEFINE("event", NULL, SERVICES, IPC_MONITOR | IPC_TOOL,
			     1024, event_fields),
	[IPC_REQUEST_STATUS] = REQUEST("status", 128, survey_fields),
	[IPC_REQUEST_RELOAD] =
		BARE("request", "reload", IPC_TOOL, IPC_OPERATOR),
	[IPC_REQUEST_CHECK] = BARE("request", "check", IPC_TOOL, IPC_OPERATOR),
	[IPC_ANSWER_DONE] = DEFINE("answer", "done", IPC_OPERATOR, IPC_TOOL,
				   4096, answer_fields),
	[IPC_ANSWER_FAILED] = DEFINE("answer", "failed", IPC_OPERATOR, IPC_TOOL,
				     4096, answer_fields),
};

bool ipc_name_valid(const char *name)
{
	for (; *name; name++) {
		if (!isalnum((unsigned char)*name) && !strchr("._-+@", *name))
			return false;
	}
	return true;
}

bool ipc_identity_valid(const char *identity)
{
	unsigned int i;

	for (i = 0; i < IPC_IDENTITY_BYTES - 1; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? identity[i] != '-'
			 : !isxdigit((unsigned char)identity[i]))
			return false;
	}
	return !identity[i];
}

const char *ipc_fault_name(enum ipc_fault fault)
{
	static const char *const names[IPC_FAULTS] = {
		[IPC_FAULT_NONE] = "none",     [IPC_FAULT_SIZE] = "size",
		[IPC_FAULT_SYNTAX] = "syntax", [IPC_FAULT_NAME] = "name",
		[IPC_FAULT_PARTY] = "party",   [IPC_FAULT_KEY] = "key",
		[IPC_FAULT_TYPE] = "type",     [IPC_FAULT_RANGE] = "range",
	};

	return (unsigned int)fault < IPC_FAULTS ? names[fault] : "unknown";
}

const char *ipc_type_name(enum ipc_type type)
{
	static const char *const names[IPC_TYPES] = {
		[IPC_ORDER_ATTACH] = "order attach",
		[IPC_ORDER_DETACH] = "order detach",
		[IPC_ORDER_LISTEN] = "order listen",
		[IPC_ORDER_LIST] = "order list",
		[IPC_ORDER_VERDICT] = "order verdict",
		[IPC_ORDER_WITHDRAW] = "order withdraw",
		[IPC_REPORT_HELLO] = "report hello",
		[IPC_REPORT_ATTACHED] = "report attached",
		[IPC_REPORT_FAILED] = "report failed",
		[IPC_REPORT_ENDED] = "report ended",
		[IPC_REPORT_LISTING] = "report listing",
		[IPC_REPORT_LISTENING] = "report listening",
		[IPC_REPORT_ASKED] = "report asked",
		[IPC_REPORT_COUNTS] = "report counts",
		[IPC_SURVEY_STATUS] = "survey status",
		[IPC_ANSWER_STATUS] = "answer status",
		[IPC_EVENT] = "event",
		[IPC_REQUEST_STATUS] = "request status",
		[IPC_REQUEST_RELOAD] = "request reload",
		[IPC_REQUEST_CHECK] = "request check",
		[IPC_ANSWER_DONE] = "answer done",
		[IPC_ANSWER_FAILED] = "answer failed",
	};

	return type > 0 && type < IPC_TYPES ? names[type] : "unknown";
}

size_t ipc_message_bytes_max(unsigned int sender, unsigned int receiver)
{
	size_t bytes = 0;
	unsigned int i;

	for (i = 1; i < IPC_TYPES; i++) {
		const struct ipc_definition *d = &ipc_table[i];

		if (d->sender & sender && d->receiver & receiver &&
		    d->bytes_max > bytes)
			bytes = d->bytes_max;
	}
	return bytes;
}
