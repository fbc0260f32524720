/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * guest_line.h - a guest that does what it likes with its line to a proxy
 *
 * The input is a script of steps: the guest stores into header, bells,
 * directory, entries and rings; the operator orders; the network's end does
 * something; the proxy takes turns. What is special to a kind of proxy is in
 * its harness: line.c, datagram.c. Sockets are real, on the loopback, and
 * nothing else may be sent to. After each step the books must agree; at the
 * end nothing may be left mapped, bound or open.
 */
#ifndef TESTS_FUZZ_GUEST_LINE_H
#define TESTS_FUZZ_GUEST_LINE_H

#include <sys/socket.h>

#include "services/proxy-common/circuit.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/guest_memory.h"

/*
 * Pages of the guest: header, bells, directory, two of the table, a list of
 * grants, then the pages of eight circuits
 */
#define PAGE_HEADER 0u
#define PAGE_BELLS 1u
#define PAGE_DIRECTORY 2u
#define PAGE_TABLE 3u
#define PAGE_LIST 5u
#define PAGE_CIRCUIT 6u
#define CIRCUITS 8u
#define PAGES (PAGE_CIRCUIT + CIRCUITS * SB_CIRCUIT_PAGES_INLINE)

#define CIRCUITS_MAX 6u
#define LISTENERS_MAX 2u

/**
 * struct step - eight bytes of the script
 * @what:  index of guest_script.act, the rest modifies
 * @entry: which entry or circuit
 * @place: where in it
 * @value: what
 */
struct step {
	uint8_t what;
	uint8_t entry;
	uint16_t place;
	uint32_t value;
};

/**
 * struct guest_script - how a harness reads its input
 * @kind:        of the proxy
 * @entry_kind:  of the guest's circuits at first
 * @table_pages: 1 or 2
 * @order:       of the guest's circuits at first: even ones, odd ones
 * @calls_burst: tokens of the line
 * @act:         what a step may be
 * @acts:        how many
 * @check:       the books of @l agree, once it has been attached
 * @begin:       before an input
 * @end:         after it: nobody's connection may be met by the next
 */
struct guest_script {
	const struct proxy_kind *kind;
	uint8_t entry_kind;
	uint32_t table_pages;
	uint8_t order[2];
	uint32_t calls_burst;
	void (*const *act)(const struct step *s);
	unsigned int acts;
	void (*check)(const struct line *l);
	void (*begin)(void);
	void (*end)(void);
};

/**
 * struct guest_line - what plays now
 * @proxy:    the service
 * @question: the operator was asked last
 * @asked:    it was
 */
struct guest_line {
	struct proxy proxy;
	struct ipc_question question;
	bool asked;
};

extern struct guest_line guest_line;

/* Play a script. Return: 0 */
int guest_line_play(const struct guest_script *script, const uint8_t *input,
		    size_t bytes);

/* The line, or NULL while it is not attached */
struct line *guest_line_now(void);
struct sb_entry *guest_line_entry(unsigned int entry);
/* The index page of a circuit, its areas behind it */
struct sb_index_page *guest_line_circuit(unsigned int entry);
void guest_line_ring(unsigned int entry);
/* A socket on the loopback, any port: where it is goes to @at */
int guest_line_socket(int type, struct sb_address *at);

/*
 * Steps: the guest's word (of now, of the next or another generation), a field
 * of an entry, any byte; header and directory; attach and detach; turns
 */
void act_word(const struct step *s);
void act_field(const struct step *s);
void act_scribble(const struct step *s);
void act_header(const struct step *s);
void act_line(const struct step *s);
void act_turns(const struct step *s);
/* The guest's ring indexes of a circuit: a little further, or anywhere */
void guest_line_index(const struct step *s, uint32_t further);
/* Answer what was asked last */
void guest_line_answer(struct ipc_verdict *verdict);

#endif
