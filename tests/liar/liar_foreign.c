// SPDX-License-Identifier: GPL-2.0-only
/*
 * liar_foreign.c - foreign.c, but bells may stay unanswered; and lies for callers
 */
#include "switchboard.h"

#include "liar.h"

/* As many of a caller's entries are lied about */
#define ENTRIES 64u

static void ignore_bell(struct sb_foreign_line *line, u32 entry)
{
	if (!liar_tells(LIAR_SILENT))
		sb_callee_bell(line, entry);
}

#define sb_callee_bell ignore_bell
#include "foreign.c"
#undef sb_callee_bell

/* Lock held, so that the line is not released; RCU keeps the circuit */
static void tell_caller(struct sb_foreign_line *line, u32 entry)
{
	struct liar_target t = {
		.side = SB_PEER,
		.channel = &line->channel,
		.header = line->header,
		.directory = line->directory,
		.number = entry,
		.entry = sb_foreign_entry(line, entry),
	};
	struct sb_callee *callee;

	if (!t.entry)
		return;
	callee = smp_load_acquire(sb_foreign_slot(line, entry));
	t.index = callee ? callee->circuit.index : NULL;
	t.pair = callee ? rcu_dereference_bh(callee->circuit.pair) : NULL;
	liar_tell(&t);
}

void liar_tell_callers(void)
{
	unsigned int n, entry;

	for (n = 0; n < SB_LINES_MAX; n++) {
		spin_lock_bh(&foreign_lock);
		for (entry = 0; entry < ENTRIES && lines[n]; entry++)
			if (!test_bit(0, &lines[n]->ending))
				tell_caller(lines[n], entry);
		spin_unlock_bh(&foreign_lock);
	}
}
