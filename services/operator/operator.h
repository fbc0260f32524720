/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * operator.h - the operator: who is there, and what each file does with it
 *
 *	guests.c	guests come, connect, leave: the hypervisor's news
 *	lines.c		their lines to proxies
 *	turns.c		whose turn it is to be looked at
 *	requests.c	what a guest asks on its trunk
 *	questions.c	what a proxy asks about a guest's destinations
 *	proxies.c	orders to proxies, and their comings
 *	reports.c	what proxies report, and their lists
 *	answers.c	status, and the tool's requests
 *	main.c		the four steps
 *
 * One thread. Everything a guest can make grow is bounded by limits.h or the
 * configuration; everything it asks is paid from its bucket of tokens.
 */
#ifndef OPERATOR_OPERATOR_H
#define OPERATOR_OPERATOR_H

#include "services/common/hypervisor.h"
#include "services/common/service.h"
#include "services/operator/book.h"
#include "services/common/bucket.h"
#include "services/operator/config.h"
#include "services/operator/host.h"
#include "services/operator/published.h"
#include "services/operator/trunk.h"

/* A guest's lines to proxies, one of each kind it has an instance for */
#define OPERATOR_TCP_LINE 0u
#define OPERATOR_UDP_LINE 1u
#define OPERATOR_LINES 2u
/* Lines between guests have numbers from this one on */
#define OPERATOR_DIRECT_LINES 8u
/* Dom0's domain id, to which lines are granted */
#define OPERATOR_PROXY_DOMAIN 0u

enum operator_counter {
	COUNT_REQUESTS,
	COUNT_QUESTIONS,
	COUNT_ALLOWED,
	COUNT_WITHDRAWN,
	COUNT_LISTENS,
	COUNT_REFUSED_POLICY,
	COUNT_REFUSED_LIMIT,
	COUNT_REFUSED_IN_USE,
	COUNT_REFUSED_AWAY,
	COUNT_REFUSED_MALFORMED,
	COUNT_LIES,
	COUNT_THROTTLED,
	COUNT_ENDED,
	COUNT_STRAY_REPORTS,
	COUNT_GUESTS_CONNECTED,
	COUNT_GUESTS_EXPELLED,
	COUNT_LINES_LOST,
	COUNT_INTRODUCTIONS,
	COUNT_INTRODUCTIONS_FAILED,
	COUNT_ROUTES,
	COUNT_RELOADS,
	COUNT_RELOADS_FAILED,
	OPERATOR_COUNTERS
};

/**
 * struct proxy - an instance of proxy-tcp or proxy-udp
 * @op:            whose
 * @endpoint:      the pair
 * @kind:          enum sb_line_kind of the lines it serves
 * @instance:      its name
 * @there:         it has said hello on the connection there is now
 * @epoch:         which process; 0: none yet
 * @away_since_ms: when it was last seen to be away
 * @gone_ms:       how long it may be that, as configured then
 * @gone:          takes their lines from its guests when it stays away
 * @round:         of the list asked for last
 * @list_due:      ask for a list when all orders that are due have gone
 * @relist:        asks once more when guests have had time to appear
 * @settled:       guests have had that time: unknown lines are detached
 */
struct proxy {
	struct operator_service *op;
	struct endpoint endpoint;
	uint32_t kind;
	char instance[IPC_NAME_BYTES];
	bool there;
	uint32_t epoch;
	uint64_t away_since_ms;
	uint32_t gone_ms;
	struct loop_timer gone;
	uint32_t round;
	bool list_due;
	struct loop_timer relist;
	bool settled;
};

enum line_state {
	LINE_NONE, /* not asked for */
	LINE_WANTED, /* asked for on the trunk */
	LINE_READY, /* the guest has made it, the proxy has not said attached */
	LINE_ATTACHED, /* the proxy serves it */
	LINE_LOST, /* the guest was told to tear it down */
};

/**
 * struct line - a guest's line to a proxy
 * @guest: whose
 * @number: in @guest->line, and for everybody else
 * @kind:  enum sb_line_kind
 * @state: see above
 * @gref:  valid from READY on
 * @port:  valid from READY on
 * @proxy: that serves it
 * @book:  listeners ordered
 * @counts: what the proxy said of its connections
 * @due:   the proxy is new: attach and listen have to be ordered again
 * @due_entry: listeners before this entry have been, and the line attached;
 *         0: not even that
 * @renew: the proxy is to be told the limits, and forget what it was told of
 *         destinations
 * @withdraw: it is to forget that, and no more
 * @missed: it was told that a guest is reached through Dom0 which may be met
 *         directly later
 * @again: asks for a line again a while after one was lost
 * @forsaken: it was lost because its proxy was gone: whatever that still has
 *         of it is to be detached; until the guest has made another
 */
struct line {
	struct guest *guest;
	uint32_t number;
	uint32_t kind;
	enum line_state state;
	uint32_t gref;
	uint32_t port;
	struct proxy *proxy;
	struct book book;
	struct ipc_counts counts;
	bool due;
	uint32_t due_entry;
	bool renew;
	bool withdraw;
	bool missed;
	struct loop_timer again;
	bool forsaken;
};

enum guest_state {
	GUEST_STRANGER, /* not in the configuration */
	GUEST_OFFERED, /* the device was offered */
	GUEST_CONNECTED, /* the trunk is attached */
	GUEST_EXPELLED, /* lied too often; no device until the domain is new */
};

/**
 * struct guest - a domain that exists
 * @op:       whose
 * @next:     all guests
 * @config:   NULL for a stranger
 * @domain:   domain id
 * @name:     as the hypervisor has it
 * @identity: UUID
 * @state:    see above
 * @trunk:    attached when CONNECTED
 * @line:     to its proxies, by number
 * @bucket:   tokens for requests
 * @retry:    looks at the trunk again: tokens, a proxy, a queue
 * @runnable: in the queue of those whose trunk is to be looked at
 * @next_runnable: that queue
 * @masked:   its event channel waits to be unmasked
 * @requests: so far, on the trunk and in lines that are gone
 * @refused:  of them
 * @lies:     so far
 * @trunk_lies: on this trunk
 * @limit:    for its log lines
 */
struct guest {
	struct operator_service *op;
	struct guest *next;
	const struct config_guest *config;
	uint32_t domain;
	char name[IPC_NAME_BYTES];
	char identity[IPC_IDENTITY_BYTES];
	enum guest_state state;
	struct trunk trunk;
	struct line line[OPERATOR_LINES];
	struct bucket bucket;
	struct loop_timer retry;
	bool runnable;
	struct guest *next_runnable;
	bool masked;
	uint64_t requests;
	uint64_t refused;
	uint64_t lies;
	uint32_t trunk_lies;
	struct log_limit limit;
};

struct operator_service {
	struct service service;
	struct config *config;
	int config_directory;
	struct hypervisor *hypervisor;
	struct loop_watch guest_watch;
	struct loop_watch channel_watch;
	struct host host;
	struct loop_watch host_watch;
	struct endpoint tool;
	struct loop_timer housekeeping;
	struct proxy proxy[2 * LIMIT_PROXIES];
	uint32_t proxies;
	struct guest *guests;
	uint32_t guest_count;
	struct guest *runnable;
	struct guest **runnable_tail;
	struct published published;
	struct introduction *introductions;
	uint32_t introduction_count;
	uint32_t round;
	uint64_t counter[OPERATOR_COUNTERS];
};

/* --- guests.c --- */

/* The hypervisor has news. Return: 0 or -errno, then the port is broken */
int guests_news(struct operator_service *o);
struct guest *guest_find(struct operator_service *o, uint32_t domain);
/* Give up a guest: its trunk, its line, its device */
void guest_expel(struct guest *g, const char *why);
/* Count a lie, log it, expel when there were too many */
void guest_lied(struct guest *g, const char *what);
/* Send a message, or expel a guest that does not take it */
void guest_send(struct guest *g, const struct sb_message *m);
/* Another configuration, @old goes; guests are adapted */
void guests_reconfigure(struct operator_service *o, struct config *config);
const char *guest_state_name(const struct guest *g);

/* --- lines.c --- */

void lines_init(struct guest *g);
/* Which proxy serves it; NULL: no line of that kind */
struct proxy *line_choose_proxy(const struct guest *g, uint32_t kind);
/* The guest has connected: ask for its lines */
void lines_begin(struct guest *g);
/* It is gone: so are its lines */
void lines_end(struct guest *g);
/* Ask the guest for the line, unless its proxy is gone: then when it is back */
void line_want(struct line *l);
/* The guest has made it */
void line_made(struct line *l, uint32_t gref, uint32_t port);
/* The guest has torn it down: ask for another, a little later */
void line_gone(struct line *l);
/* Its proxy has come: ask for the line if there is none */
void line_proxy_came(struct line *l);
/* Its proxy is gone: nobody serves the line, if there is one */
void line_forsake(struct line *l);
/* The line is of no more use: tell the guest, forget what is in it */
void line_lose(struct line *l, const char *why);
/* Has the guest made it? Then a proxy can be ordered to do things with it */
static inline bool line_usable(const struct line *l)
{
	return l->state == LINE_READY || l->state == LINE_ATTACHED;
}
/* Another process begins to count its connections at 0 */
void line_uncount(struct line *l);
/* Remove one record; or all, and the counts */
void line_forget(struct line *l, struct book_record *record);
void line_forget_all(struct line *l);
/* What was said of destinations holds no longer: of one line, of all guests */
void line_withdraw(struct line *l);
void lines_withdraw_all(struct operator_service *o);
/* The configuration is another: so are limits, and all that was said */
void lines_reconfigured(struct operator_service *o);

/* --- turns.c --- */

/* Event channels are pending */
void guests_channels(struct operator_service *o);
/* Let each runnable guest have its turn. Return: is there more to do? */
bool guests_run(struct operator_service *o);
/* Look at a guest's trunk in the next turn */
void guest_wake(struct guest *g);
/* Its trunk is no longer looked at */
void guest_rest(struct guest *g);
/* struct guest's @retry has fired */
void guest_retry(struct loop_timer *timer);

/* --- requests.c --- */

/*
 * A message of the guest. Return: 0 when it is done with, -EAGAIN when it
 * has to wait in the ring.
 */
int request_handle(struct guest *g, const struct sb_message *m);

/*
 * A source that the guest has bound is bound in Dom0 too if it is one that the
 * guest may publish and where nobody listens; any other is the guest's own
 * affair: then family none.
 */
struct sb_address request_source(const struct guest *g,
				 const struct sb_address *bound,
				 uint16_t family);

/* --- questions.c --- */

/* Answer a proxy that serves @l */
void question_handle(struct line *l, const struct ipc_question *q);

/* --- proxies.c --- */

/* Make the sockets. Return: 0 or -errno, logged */
int proxies_open(struct operator_service *o);
struct proxy *proxy_find(const struct operator_service *o, uint32_t kind,
			 const char *instance);
/* "proxy-tcp" */
const char *proxy_service(uint32_t kind);
/* Order what is due for a guest's lines. Return: 0, or -EAGAIN: later */
int proxy_order_due(struct guest *g);
/* Ask for the lists that are due; before sleeping */
void proxies_ask(struct operator_service *o);
/* Look who is gone; once a second */
void proxies_look(struct operator_service *o);
/* Orders. Return: 0, -EAGAIN: later, -ENOTCONN: it is away */
int proxy_attach(struct line *l);
int proxy_detach(struct proxy *p, uint32_t domain, uint32_t line);
int proxy_send(struct proxy *p, const struct ipc_message *m);
int proxy_listen(const struct line *l, const struct book_record *record);
/* Is it there, or only away for a moment, so that a request may wait? */
bool proxy_may_return(const struct proxy *p);
/* Has it been away for so long that its guests have lost their lines? */
bool proxy_is_gone(const struct proxy *p);

/* --- reports.c --- */

/* Any report but hello, of a proxy that is there */
void report_handle(struct proxy *p, const struct ipc_message *m);

/* --- answers.c --- */

/* The tool's socket. Return: 0 or -errno, logged */
int answers_open(struct operator_service *o);
void answers_status(struct service *s, const struct ipc_survey *survey,
		    struct ipc_status *status);
/* Read the file again. Return: true, or false with @text saying why not */
bool operator_reload(struct operator_service *o, char *text, size_t size);

#endif
