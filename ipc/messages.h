/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * messages.h - every message between the Dom0 processes, in one table
 *
 * A message is one JSON object. messages.c holds the table: for each message
 * its name, who may send and receive it, its fields (key, type, range) and
 * its maximum size. Decoding is driven by that table and is strict: an
 * unknown, repeated or missing key, a wrong type, a value out of range, a
 * sender or receiver that the table does not allow, too many bytes: the
 * message is dropped whole, with the reason. What is decoded is plain C.
 *
 * docs/IPC.md is the specification.
 */
#ifndef IPC_MESSAGES_H
#define IPC_MESSAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/address.h"
#include "protocol/line.h"
#include "protocol/trunk.h"

#define IPC_VERSION 1u

/* Sizes of texts, the terminating zero included */
#define IPC_NAME_BYTES 64u
#define IPC_IDENTITY_BYTES 37u
#define IPC_TEXT_BYTES 256u
#define IPC_ADDRESS_TEXT_BYTES 64u

/* Rows that one message holds at most */
#define IPC_CIRCUITS_MAX 128u
#define IPC_GUEST_ROWS_MAX 64u
#define IPC_CIRCUIT_ROWS_MAX 128u
#define IPC_COUNTERS_MAX 64u
#define IPC_GUEST_ADDRESSES_MAX 8u
#define IPC_GUEST_DIRECT_MAX 8u

/* Calls a second, and at once, that a line may be allowed */
#define IPC_CALLS_MAX 1000000u

/* Domain ids above this are Xen's own */
#define IPC_DOMAIN_MAX 0x7fefu

/* Who sends or receives; bits, for a socket may have peers of several kinds */
enum ipc_party {
	IPC_OPERATOR = 0x1,
	IPC_PROXY = 0x2,
	IPC_MONITOR = 0x4,
	IPC_TOOL = 0x8,
};

enum ipc_type {
	/* operator to proxy */
	IPC_ORDER_ATTACH = 1,
	IPC_ORDER_DETACH,
	IPC_ORDER_LISTEN,
	IPC_ORDER_LIST,
	IPC_ORDER_VERDICT,
	IPC_ORDER_WITHDRAW,
	/* proxy to operator */
	IPC_REPORT_HELLO,
	IPC_REPORT_ATTACHED,
	IPC_REPORT_FAILED,
	IPC_REPORT_ENDED,
	IPC_REPORT_LISTING,
	IPC_REPORT_LISTENING,
	IPC_REPORT_ASKED,
	IPC_REPORT_COUNTS,
	/* monitor to every service, and back */
	IPC_SURVEY_STATUS,
	IPC_ANSWER_STATUS,
	/* every service to whoever subscribed */
	IPC_EVENT,
	/* tool to operator, and back; also answered with IPC_ANSWER_STATUS */
	IPC_REQUEST_STATUS,
	IPC_REQUEST_RELOAD,
	IPC_REQUEST_CHECK,
	IPC_ANSWER_DONE,
	IPC_ANSWER_FAILED,
	IPC_TYPES
};

/**
 * struct ipc_attach - map this line of a guest and serve it
 * @guest:         domain id
 * @identity:      the guest's UUID
 * @name:          the guest's name
 * @line:          below SB_LINES_MAX
 * @kind:          JSON "tcp" or "udp": enum sb_line_kind
 * @gref:          grant of the line's header page
 * @port:          the guest's event channel for the line
 * @circuits_max:  calls that may be in use at once, and as many entries that
 *                 are anything else
 * @listeners_max: listeners at once
 * @calls_per_s:   calls taken a second, in the long run
 * @calls_burst:   and at once
 * @addresses:     how many of @address are valid
 * @address:       the guest's own, by which other guests know it
 *
 * Repeated with the same identity, gref and port it changes only the limits
 * and addresses, withdraws all verdicts, and is answered `attached`; questions without an
 * answer are then asked again. With others it replaces the old line.
 */
struct ipc_attach {
	uint32_t guest;
	char identity[IPC_IDENTITY_BYTES];
	char name[IPC_NAME_BYTES];
	uint32_t line;
	uint32_t kind;
	uint32_t gref;
	uint32_t port;
	uint32_t circuits_max;
	uint32_t listeners_max;
	uint32_t calls_per_s;
	uint32_t calls_burst;
	uint32_t addresses;
	char address[IPC_GUEST_ADDRESSES_MAX][IPC_ADDRESS_TEXT_BYTES];
};

/*
 * detach: end all circuits of the line, unmap; not answered; also `withdraw`,
 * and the report `attached`
 */
struct ipc_line {
	uint32_t guest;
	uint32_t line;
};

/**
 * struct ipc_listen - listen; also the report `listening`
 * @guest:      domain id
 * @line:       its line
 * @entry:      the listener
 * @generation: the OFFERED generation that asked
 * @local:      JSON "address" and "port": Dom0's address to bind to
 * @other:      JSON "other" and "other_port": IPv4, when @local is for IPv6 only;
 *              family none: nothing else
 * @backlog:    as the guest gave it, clamped
 */
struct ipc_listen {
	uint32_t guest;
	uint32_t line;
	uint32_t entry;
	uint32_t generation;
	struct sb_address local;
	struct sb_address other;
	uint32_t backlog;
};

/* What a question is about; JSON "stream", "datagram", "bind" */
enum ipc_question_kind {
	IPC_KIND_STREAM = 1, /* a connection to @remote */
	IPC_KIND_DATAGRAM, /* datagrams to @remote */
	IPC_KIND_BIND, /* a datagram socket that the guest bound to @remote */
};

/**
 * struct ipc_question - report `asked`: may the guest, and where does it go?
 * @guest:  domain id
 * @line:   its line
 * @kind:   enum ipc_question_kind
 * @remote: JSON "address" and "port": the destination; for bind what was bound
 * @source: JSON "source" and "source_port": what the guest bound, when it
 *          bound a port; family none otherwise
 */
struct ipc_question {
	uint32_t guest;
	uint32_t line;
	uint32_t kind;
	struct sb_address remote;
	struct sb_address source;
};

/**
 * struct ipc_verdict - the answer to a question
 * @question: as it was asked
 * @error:    0: allowed; or the errno for the guest
 * @to:       JSON "to" and "to_port": where it really goes, or for bind what
 *            Dom0 binds to; family none: to @question.remote itself
 * @from:     JSON "from" and "from_port": what Dom0 binds to first; family
 *            none when the guest bound nothing that is its to bind
 * @direct:   it goes over a line to another guest and not through the proxy
 */
struct ipc_verdict {
	struct ipc_question question;
	uint32_t error;
	struct sb_address to;
	struct sb_address from;
	bool direct;
};

/**
 * struct ipc_hello - first report on every new connection of the pair
 * @service:  "proxy-tcp"
 * @instance: as in the operator's configuration
 * @epoch:    random, not zero, chosen anew by every process
 * @version:  IPC_VERSION
 */
struct ipc_hello {
	char service[IPC_NAME_BYTES];
	char instance[IPC_NAME_BYTES];
	uint32_t epoch;
	uint32_t version;
};

/**
 * struct ipc_failed - a line could not be attached, or had to be given up
 * @guest: domain id
 * @line:  its line; nothing of it is mapped any more, its circuits are ended
 * @error: errno, positive
 * @why:   for a person
 */
struct ipc_failed {
	uint32_t guest;
	uint32_t line;
	uint32_t error;
	char why[IPC_TEXT_BYTES];
};

/**
 * struct ipc_ended - the proxy has written CLOSED into these listeners
 * @count:   pairs
 * @circuit: JSON [[ENTRY,GENERATION],...]
 */
struct ipc_ended {
	uint32_t guest;
	uint32_t line;
	uint32_t count;
	struct ipc_ended_circuit {
		uint32_t entry;
		uint32_t generation;
	} circuit[IPC_CIRCUITS_MAX];
};

/**
 * struct ipc_listing - part of the answer to `list`
 * @guest:    domain id
 * @identity: as in `attach`
 * @line:     its line
 * @gref:     as in `attach`
 * @port:     as in `attach`
 *
 * `list` is answered, for each line in turn, with a `listening` for each
 * listener (JSON as in `listen`) and then this.
 */
struct ipc_listing {
	uint32_t guest;
	char identity[IPC_IDENTITY_BYTES];
	uint32_t line;
	uint32_t gref;
	uint32_t port;
};

/**
 * struct ipc_counts - how much of a line is in use
 * @guest:    domain id
 * @line:     its line
 * @circuits: in use, without listeners and what is posted to them
 * @calls:    so far
 * @refused:  of them, for whatever reason
 */
struct ipc_counts {
	uint32_t guest;
	uint32_t line;
	uint32_t circuits;
	uint64_t calls;
	uint64_t refused;
};

/**
 * struct ipc_survey - ask a service how it is
 * @guests_from:   rows of `guests` to skip; optional
 * @circuits_from: rows of `circuits` to skip; optional
 *
 * Also the tool's request `status`.
 */
struct ipc_survey {
	uint32_t guests_from;
	uint32_t circuits_from;
};

/**
 * struct ipc_guest_row - a guest as one service sees it
 * @domain:    domain id, 0 when it is not running
 * @name:      as in its configuration
 * @identity:  UUID; empty when it is not running
 * @state:     a word: "absent", "offered", "connected", ...
 * @proxy:     instance that serves it; empty when unknown
 * @addresses: how many of @address are valid
 * @directs:   how many of @direct are valid
 * @direct:    guests to which it has a direct line now: what it calls there goes
 *             past Dom0
 * @circuits:  connections now
 * @listeners: listeners now
 * @requests:  requests so far
 * @refused:   requests refused so far
 * @lies:      malformed requests, entries, indexes so far
 */
struct ipc_guest_row {
	uint32_t domain;
	char name[IPC_NAME_BYTES];
	char identity[IPC_IDENTITY_BYTES];
	char state[IPC_NAME_BYTES];
	char proxy[IPC_NAME_BYTES];
	uint32_t addresses;
	char address[IPC_GUEST_ADDRESSES_MAX][IPC_ADDRESS_TEXT_BYTES];
	uint32_t directs;
	char direct[IPC_GUEST_DIRECT_MAX][IPC_NAME_BYTES];
	uint32_t circuits;
	uint32_t listeners;
	uint64_t requests;
	uint64_t refused;
	uint64_t lies;
};

/**
 * struct ipc_circuit_row - a circuit as one service sees it
 * @guest:      domain id
 * @name:       the guest's name
 * @line:       line
 * @entry:      entry
 * @generation: generation
 * @kind:       "stream", "datagram", "listener"
 * @state:      a word: "connecting", "open", "listening", "closing", ...
 * @local:      "ADDRESS" JSON "local"; empty when unknown
 * @local_port: port
 * @remote:     JSON "remote"; empty when unknown
 * @remote_port: port
 * @sent:       bytes from the guest to the network
 * @received:   bytes from the network to the guest
 * @age_s:      seconds since it was asked for
 */
struct ipc_circuit_row {
	uint32_t guest;
	char name[IPC_NAME_BYTES];
	uint32_t line;
	uint32_t entry;
	uint32_t generation;
	char kind[IPC_NAME_BYTES];
	char state[IPC_NAME_BYTES];
	char local[IPC_ADDRESS_TEXT_BYTES];
	uint32_t local_port;
	char remote[IPC_ADDRESS_TEXT_BYTES];
	uint32_t remote_port;
	uint64_t sent;
	uint64_t received;
	uint64_t age_s;
};

struct ipc_counter {
	char name[IPC_NAME_BYTES];
	uint64_t value;
};

/**
 * struct ipc_status - answer to a survey or to the tool's `status`
 * @service:  "operator", "proxy-tcp", ...
 * @instance: of the service
 * @pid:      process
 * @uptime_s: seconds since it started to serve
 * @rss_kib:  resident memory
 * @counters: how many of @counter are valid; JSON {"NAME":VALUE,...}
 * @guests:   how many of @guest are valid
 * @circuits: how many of @circuit are valid
 * @guests_all: guests in all
 * @circuits_all: circuits in all
 * @more:     there are rows behind these
 *
 * It is large: static memory, not the stack.
 */
struct ipc_status {
	char service[IPC_NAME_BYTES];
	char instance[IPC_NAME_BYTES];
	uint32_t pid;
	uint64_t uptime_s;
	uint64_t rss_kib;
	uint32_t counters;
	struct ipc_counter counter[IPC_COUNTERS_MAX];
	uint32_t guests;
	struct ipc_guest_row guest[IPC_GUEST_ROWS_MAX];
	uint32_t circuits;
	struct ipc_circuit_row circuit[IPC_CIRCUIT_ROWS_MAX];
	uint32_t guests_all;
	uint32_t circuits_all;
	bool more;
};

/**
 * struct ipc_event - something that a person may want to know
 * @event:    a word: "guest-connected", "line-lost", ...
 * @service:  who says so
 * @instance: which of them
 * @guest:    name of the guest it is about; empty when about none
 * @domain:   its domain id, or 0
 * @why:      for a person; may be empty
 */
struct ipc_event {
	char event[IPC_NAME_BYTES];
	char service[IPC_NAME_BYTES];
	char instance[IPC_NAME_BYTES];
	char guest[IPC_NAME_BYTES];
	uint32_t domain;
	char why[IPC_TEXT_BYTES];
};

/* Answer of the operator to `reload` and `check` */
struct ipc_answer {
	char text[4 * IPC_TEXT_BYTES];
};

/**
 * struct ipc_message - a decoded message, or one to be encoded
 * @type: says which member of the union is valid
 *
 * Nothing in it is allocated. It is large: static memory, not the stack;
 * only the member of @type is touched.
 */
struct ipc_message {
	enum ipc_type type;
	union {
		struct ipc_attach attach; /* ORDER_ATTACH */
		/* ORDER_DETACH, ORDER_WITHDRAW, REPORT_ATTACHED */
		struct ipc_line line;
		struct ipc_question question; /* REPORT_ASKED */
		struct ipc_verdict verdict; /* ORDER_VERDICT */
		struct ipc_listen listen; /* ORDER_LISTEN, REPORT_LISTENING */
		struct ipc_hello hello; /* REPORT_HELLO */
		struct ipc_failed failed; /* REPORT_FAILED */
		struct ipc_ended ended; /* REPORT_ENDED */
		struct ipc_listing listing; /* REPORT_LISTING */
		struct ipc_counts counts; /* REPORT_COUNTS */
		struct ipc_survey survey; /* SURVEY_STATUS, REQUEST_STATUS */
		struct ipc_status status; /* ANSWER_STATUS */
		struct ipc_event event; /* EVENT */
		struct ipc_answer answer; /* ANSWER_DONE, ANSWER_FAILED */
	};
};

/* Why a message was dropped; index of counters */
enum ipc_fault {
	IPC_FAULT_NONE,
	IPC_FAULT_SIZE, /* more bytes than the table allows */
	IPC_FAULT_SYNTAX, /* not JSON, nested too deep, a key twice */
	IPC_FAULT_NAME, /* no such message */
	IPC_FAULT_PARTY, /* not from this sender, or not for this receiver */
	IPC_FAULT_KEY, /* unknown or missing key */
	IPC_FAULT_TYPE, /* a value of another type */
	IPC_FAULT_RANGE, /* a value too small, too large, too long, malformed */
	IPC_FAULTS
};

/* Short name of a fault, for counters: "size", "syntax", ... */
const char *ipc_fault_name(enum ipc_fault fault);

/* Name of a message as docs/IPC.md has it: "order open" */
const char *ipc_type_name(enum ipc_type type);

/**
 * ipc_message_decode() - check a message and make it plain C
 * @m:        the result; undefined after a fault
 * @text:     JSON, need not end in zero
 * @bytes:    its length
 * @sender:   who may have sent it: bits of enum ipc_party
 * @receiver: who reads it: one of enum ipc_party
 * @why:      on a fault, text for a log (already free of control characters)
 * @why_bytes: size of @why, at least 1
 */
enum ipc_fault ipc_message_decode(struct ipc_message *m, const char *text,
				  size_t bytes, unsigned int sender,
				  unsigned int receiver, char *why,
				  size_t why_bytes);

/**
 * ipc_message_encode() - write a message as JSON
 * @m:     the message
 * @text:  where to; no terminating zero
 * @bytes: size of @text
 *
 * Return: length, -EMSGSIZE when @text or the table's maximum is too small,
 * -EINVAL when a value is out of its range.
 */
int ipc_message_encode(const struct ipc_message *m, char *text, size_t bytes);

/* Largest message that @receiver may get from any of @sender */
size_t ipc_message_bytes_max(unsigned int sender, unsigned int receiver);

#endif
