/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * direct.h - circuits straight to another guest
 *
 * The calling guest owns line and circuits: for it a direct line is a line
 * like that to a proxy, and direct.c only knows which destination goes over
 * which line. The called guest is the peer: it maps what the other one owns
 * (mapping.c), answers its bells (foreign.c) and puts its calls into the
 * queues of its own listeners (callee.c), if the operator has admitted them
 * (admission.c).
 */
#ifndef SB_GUEST_DIRECT_H
#define SB_GUEST_DIRECT_H

/**
 * struct sb_mapping - pages of another guest, in a row
 * @base:   the row, in the kernel's virtual memory
 * @count:  pages in the row
 * @grants: grant operations it took
 * @handle: of each
 * @page:   PVH: the page at which each grant is mapped
 * @place:  PV: machine address of each page table entry of the row
 * @gref:   PV: the grants, for whoever maps them once more (view.c)
 * @has_pages: @page was allocated
 * @unmap:  the kernel's, in which there is a work item: not for a stack
 */
struct sb_mapping {
	void *base;
	unsigned int count;
	unsigned int grants;
	grant_handle_t *handle;
	struct page **page;
	u64 *place;
	u32 *gref;
	bool has_pages;
	struct gntab_unmap_queue_data unmap;
};

/* What a foreign entry is doing; moves under the line's lock */
enum sb_callee_phase {
	SB_CALLEE_IDLE, /* mapped ahead, or between two generations */
	SB_CALLEE_JOINED, /* a listener's or a socket's */
	SB_CALLEE_LEFT, /* closed here; waits for the caller's end */
	SB_CALLEE_ENDING, /* about to be unmapped */
};

/**
 * struct sb_callee - an entry of a foreign line whose pages are mapped
 * @circuit: what sockets and listeners see of it, as end SB_PEER
 * @line:    its line
 * @map:     its pages
 * @word:    our word as last stored
 * @replaces: generation of the circuit that this one is to replace
 * @replaces_entry: its entry
 * @phase:   enum sb_callee_phase
 * @node:    in a list of those to be unmapped
 */
struct sb_callee {
	struct sb_circuit circuit;
	struct sb_foreign_line *line;
	struct sb_mapping *map;
	u32 word;
	u32 replaces;
	u32 replaces_entry;
	u8 phase;
	struct list_head node;
};

/**
 * struct sb_foreign_page - a mapped page of a foreign line's table
 * @map:  the mapping
 * @slot: what is mapped of each entry, or NULL; read under RCU
 */
struct sb_foreign_page {
	struct sb_mapping *map;
	struct sb_callee *slot[SB_ENTRIES_PER_PAGE];
};

/**
 * struct sb_admissions - which calls may come on a foreign line
 * @lock:    guards the rest
 * @from:    addresses of the caller
 * @froms:   how many
 * @to:      addresses and ports of ours that may be called: by streams, by
 *           datagrams
 * @tos:     how many of each
 */
struct sb_admissions {
	spinlock_t lock;
	struct sb_address from[SB_ADDRESSES_MAX];
	unsigned int froms;
	struct sb_address to[2][SB_ADMISSIONS_MAX];
	unsigned int tos[2];
};

/**
 * struct sb_foreign_line - a line that another guest owns and leads to us
 * @number:    the operator's number for it
 * @domain:    the owner's
 * @gref:      of the header, as the operator told it
 * @port:      the owner's event channel
 * @header:    shared; @doorbells and @directory too
 * @map:       of these three
 * @channel:   event channel and bells
 * @page:      table pages mapped so far; read under RCU
 * @wanted:    entries to be looked at in process context
 * @wanted_words: words of @wanted that have any
 * @work:      looks at them
 * @end:       lets go of everything
 * @lock:      guards phases, words and @mapped
 * @mapped:    entries whose pages are mapped
 * @pages:     how many pages that are
 * @ending:    @end was asked for
 * @admissions: which calls may come
 */
struct sb_foreign_line {
	u16 number;
	domid_t domain;
	u32 gref;
	u32 port;
	struct sb_line *header;
	struct sb_doorbells *doorbells;
	struct sb_directory *directory;
	struct sb_mapping *map[3];
	struct sb_channel channel;
	struct sb_foreign_page *page[SB_TABLE_PAGES_MAX];
	DECLARE_BITMAP(wanted, SB_ENTRIES_MAX);
	DECLARE_BITMAP(wanted_words, SB_ENTRIES_MAX / BITS_PER_LONG);
	struct work_struct work;
	struct work_struct end;
	spinlock_t lock;
	u32 mapped;
	u32 pages;
	unsigned long ending;
	struct sb_admissions admissions;
};

/* ---- mapping.c ---- */
/*
 * Map @grants pages of @domain; place i of the row of @count is grant
 * @order[i], and every grant is in the row. Process context; or ERR_PTR
 */
struct sb_mapping *sb_mapping_make(domid_t domain, const u32 *gref,
				   unsigned int grants, const u16 *order,
				   unsigned int count);
void sb_mapping_end(struct sb_mapping *m);
/* One page: its address, or NULL and no mapping */
void *sb_mapping_page(domid_t domain, u32 gref, struct sb_mapping **m);

/* ---- view.c: another guest's pages in a PV program's page table ---- */
struct sb_view;

/* Is there room for so many pages more? */
bool sb_view_possible(unsigned int count);
/*
 * Of an area that is being mapped, with nothing in it yet: its pages are
 * @gref of @domain, a list that is taken. @lock is the caller's; or ERR_PTR
 */
struct sb_view *sb_view_create(struct vm_area_struct *vma, domid_t domain,
			       u32 *gref, struct mutex *lock);
/*
 * Map @count pages from @first on, SB_SHOWN_PAGES at most, if it has not ended.
 * mmap_lock held, not the view's. -EACCES when Xen does not let us
 */
int sb_view_show(struct sb_view *v, struct vm_area_struct *vma,
		 unsigned int first, unsigned int count);
bool sb_view_is_of(const struct sb_view *v, const struct vm_area_struct *vma);
/* Nothing is shown from here on. Lock held */
void sb_view_end(struct sb_view *v);
/* It has ended; mmap_lock held, not the view's */
void sb_view_free(struct sb_view *v);

/* ---- foreign.c: lines that lead to us ---- */
void sb_foreign_offered(const struct sb_message *m);
void sb_foreign_ended(const struct sb_message *m);
void sb_foreign_admit(const struct sb_message *m);
/* Another operator: tell it what we have */
void sb_foreign_resend(void);
/* Let go of all of them, and wait for that */
void sb_foreign_end_all(void);
/* The owner lied: the line ends */
void sb_foreign_lie(struct sb_foreign_line *line, const char *what, u32 entry);
/* Look at an entry in process context, soon */
void sb_foreign_want(struct sb_foreign_line *line, u32 entry);
/* An entry in the owner's table, when its page is mapped; or NULL. Under RCU */
struct sb_entry *sb_foreign_entry(struct sb_foreign_line *line, u32 entry);
struct sb_callee **sb_foreign_slot(struct sb_foreign_line *line, u32 entry);

/* ---- callee.c: calls of other guests ---- */
/* A bell of the owner; in the tasklet, under RCU */
void sb_callee_bell(struct sb_foreign_line *line, u32 entry);
/* The same in process context, where pages are mapped and unmapped */
void sb_callee_serve(struct sb_foreign_line *line, u32 entry,
		     struct list_head *unmap);
/* Unmap what is in the list */
void sb_callee_unmap(struct list_head *unmap);
/* A socket or listener lets go: hook of sb_circuit_leave() */
void sb_callee_leave(struct sb_circuit *c, u32 flags);
/* Ring the owner: hook of sb_circuit_ring() */
void sb_callee_ring(struct sb_circuit *c);
/* The line ends: whoever has the circuit is told, and lets go */
void sb_callee_lose(struct sb_callee *callee);
/* A generation is somebody's; false when it is no longer idle */
bool sb_callee_begin(struct sb_callee *callee, u32 generation);
/* It never begins: CLOSED and @error */
void sb_callee_refuse(struct sb_callee *callee, u32 generation, u32 error);

static inline struct sb_callee *sb_callee_of(struct sb_circuit *c)
{
	return container_of(c, struct sb_callee, circuit);
}

/* ---- admission.c ---- */
void sb_admission_init(struct sb_admissions *a);
/* As ADMIT says. 0, or -errno: no such thing, no room */
int sb_admission_take(struct sb_admissions *a, const struct sb_message *m);
/* 0, or the errno that the caller gets */
int sb_admission_check(struct sb_admissions *a, enum sb_entry_kind kind,
		       const struct sb_address *from,
		       const struct sb_address *to);
/* Is it an address of the caller, whatever the port? */
bool sb_admission_has_from(struct sb_admissions *a,
			   const struct sb_address *from);

/* ---- direct.c: calls to other guests ---- */
/* The line that leads straight to who has @to, referenced; or NULL */
struct sb_guest_line *sb_direct_line(const struct sb_address *to);
/* Call over a circuit of such a line, which is given back on failure */
int sb_direct_call(struct sb_sock *sb, struct sb_circuit *c);
void sb_direct_route(const struct sb_message *m);
/* Forget all routes over a line */
void sb_direct_forget(u16 line);
/*
 * Which line leads to a destination? SB_LINES_MAX: there is no direct way.
 * False: nothing is known
 */
bool sb_direct_find(const struct sb_address *to, enum sb_entry_kind kind,
		    u16 *line);
/* Nothing is known of it any more */
void sb_direct_forget_place(const struct sb_address *to,
			    enum sb_entry_kind kind);
/* There is no direct way for now */
void sb_direct_none(const struct sb_address *to, enum sb_entry_kind kind);

/* ---- repeat.c: calls that are made again ---- */
/*
 * The peer answered EREMCHG: true when the call will be repeated. Spinlock or
 * ownership held
 */
bool sb_repeat_moved(struct sb_sock *sb);
/* No circuit for it, now: true when it will be repeated. Ownership held */
bool sb_repeat_later(struct sb_sock *sb);
/* A route has come, or will not */
void sb_repeat_route_news(void);
/* A circuit has come back, or what it was made of */
void sb_repeat_room_news(void);

/* ---- pair.c: datagrams; see pair.h ---- */
/* A bell of the circuit, or its end; under RCU */
void sb_pair_bell(struct sb_pair *p);
/* Another guest offers a circuit for datagrams. 0, or an errno for it */
int sb_pair_take(struct sb_circuit *c, struct sb_channel *channel,
		 struct sb_admissions *admissions);
/* The channel by which a datagram socket was last written or read; or NULL */
struct sb_channel *sb_pair_channel(const struct sb_sock *sb);
/* pair_wait.c: a route has come, or will not */
void sb_pair_route_news(void);

/* Does the circuit lead to another guest, whichever of the two owns it? */
static inline bool sb_circuit_is_direct(const struct sb_circuit *c)
{
	return c->foreign || (c->line && c->line->kind == SB_LINE_DIRECT);
}

/* Does it lead to a proxy? */
static inline bool sb_circuit_is_proxied(const struct sb_circuit *c)
{
	return c->line && c->line->kind != SB_LINE_DIRECT;
}

#endif
