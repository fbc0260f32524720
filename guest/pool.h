/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pool.h - ready circuits of a line, and those that end
 *
 *   pool.c    circuits that are ready: made, taken, given up
 *   ending.c  circuits that end, until they are ready again or freed
 *   upkeep.c  the line's work item and its sweep, and the line's end
 */
#ifndef SB_GUEST_POOL_H
#define SB_GUEST_POOL_H

/* ---- pool.c: ready circuits of a line ---- */
void sb_pool_init(struct sb_guest_line *line);
/* A ready circuit, else, when @may_make, a new one; or ERR_PTR */
struct sb_circuit *sb_pool_take(struct sb_guest_line *line, bool may_make);
/* A ready one of SB_SIZE_ORDERS, or NULL: then there will be one soon */
struct sb_circuit *sb_pool_take_grown(struct sb_guest_line *line,
				      unsigned int order);
/* Is there one that need not be made? Until somebody else takes it */
bool sb_pool_is_ready(struct sb_guest_line *line, unsigned int order);
/* Pages of larger circuits that are ready, but not such a one of that line */
long sb_pool_elsewhere(struct sb_guest_line *line, unsigned int order);
/* One of SB_SIZE_ORDERS, made if need be; or ERR_PTR. Process context */
struct sb_circuit *sb_pool_take_large(struct sb_guest_line *line,
				      unsigned int order);
/* Pages of ready circuits that others can have: of the larger ones only? */
u32 sb_pool_spare(struct sb_guest_line *line, bool larger);
/* An entry without pages, for a listener */
struct sb_circuit *sb_pool_take_bare(struct sb_guest_line *line);

/* ---- ending.c: circuits that end ---- */
/* A circuit of state CLOSING or REVOKED: has the peer answered? */
void sb_pool_check(struct sb_circuit *c);
void sb_pool_close(struct sb_circuit *c);

/* ---- withheld.c: what another guest does not give back ---- */
/* The peer is to give the circuit back; it has. line->lock held */
void sb_withheld_add(struct sb_circuit *c);
void sb_withheld_drop(struct sb_circuit *c);
/* So many of the line's own pages are left, and no circuit */
void sb_withheld_line(struct sb_guest_line *line, unsigned int pages);
/* Does that guest get nothing more? */
bool sb_withheld_too_much(u8 kind, domid_t domain);

/* ---- room.c: memory for circuits ---- */
int sb_room_init(void);
/* May a circuit of so many pages be made on @line? Others give way for it */
bool sb_room_for(struct sb_guest_line *line, unsigned int pages);
/* There was none in spite of that */
void sb_room_make(struct sb_guest_line *line);
/* Is so little left that nothing should be made ahead of use? */
bool sb_room_is_short(void);
/* Is anything on its way back? */
bool sb_room_may_come(void);

/* ---- upkeep.c: the pool's work item and sweep, the line's end ---- */
void sb_pool_work(struct work_struct *work);
void sb_pool_sweep(struct work_struct *work);
void sb_pool_lose(struct sb_guest_line *line);

/* ---- among these files: pool.c; line->lock held ---- */
/* The entry begins a new life, zeroed and offered to nobody */
void sb_pool_begin_generation(struct sb_circuit *c);
/* Into the pool, and out of it */
void sb_pool_make_ready(struct sb_circuit *c);
void sb_pool_forget_ready(struct sb_circuit *c);

/* ---- pool.c; the work item ---- */
/* Make what is missing */
void sb_pool_refill(struct sb_guest_line *line);
/* Give up as much as others asked for */
void sb_pool_give(struct sb_guest_line *line);
/* What nobody needed since the last time is too much */
void sb_pool_look_over(struct sb_guest_line *line);
/* Give some of that back. True: there is more */
bool sb_pool_trim(struct sb_guest_line *line);

/* ---- ending.c ---- */
/* Its grants are to end, in the work item; line->lock held */
void sb_ending_move(struct sb_circuit *c);
/* The peer is to unmap it; then its grants end, and its pages are put */
void sb_ending_revoke(struct sb_circuit *c);
/* The work item's part: end the grants of what is on line->ending */
void sb_ending_work(struct sb_guest_line *line);
/* Nobody's circuits that the peer does not drain are reset in the end */
void sb_ending_reset_orphans(struct sb_guest_line *line);

#endif
