/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * limits.h - every bound of the guest module in one place
 */
#ifndef SB_GUEST_LIMITS_H
#define SB_GUEST_LIMITS_H

/* Both areas of a circuit at first: 16 KiB each, 9 pages with the index page */
#define SB_CIRCUIT_ORDER 2u
/* What a busy one grows to: 64 KiB, 256 KiB, 1 MiB; 33, 129 and 513 pages */
#define SB_SIZES 3u
#define SB_SIZE_ORDERS     \
	{                  \
		4u, 6u, 8u \
	}
/* What a datagram socket exchanges its circuit for: 256 KiB */
#define SB_LARGE_ORDER 6u
/* Ready circuits of that size that a line keeps: growing allocates nothing */
#define SB_LARGE_KEPT 1u
/* Grown circuits of all lines take at most this part of the memory, pages */
#define SB_GROWN_SHARE 8u
#define SB_GROWN_MAX 32768u
/* A ring found full, or empty by its writer's peer, so often is a busy one */
#define SB_GROW_AFTER 2u
/* Circuits of one size that are made in one go for those that asked */
#define SB_GROW_BATCH 16u

/* Ready circuits a line keeps: at least; and of those idle, at most */
#define SB_POOL_MIN 4u
#define SB_POOL_MAX 256u
/* What is too much goes back in so many pages at a time, so often */
#define SB_TRIM_PAGES 64u
#define SB_TRIM_MS 20u

/* Blank circuits (pages and mapping, no grants) kept for in-guest use */
#define SB_BLANK_MAX 16u

/* Circuits posted to one listener: at first, at most */
#define SB_POSTED_MIN 4u
#define SB_POSTED_MAX 64u

/* Bells answered in one go before others get the processor */
#define SB_BELLS_PER_RUN 256u

/*
 * Waiting in the hypervisor: for so many ticks, and calls of it, at most; and
 * how often it is left out at most when it was too short (a power of two)
 */
#define SB_DOZE_TICKS 2u
#define SB_DOZE_CALLS 8u
#define SB_DOZE_MISSED_MAX 6u

/* Messages about direct lines that wait for room on the trunk */
#define SB_MESSAGES_MAX 1024u

/* Own addresses and name servers the operator may hand out */
#define SB_ADDRESSES_MAX 16u
#define SB_RESOLVERS_MAX 8u

/*
 * Pages that another guest may withhold from us, because it neither uses nor
 * returns them: at least, and at most this part of the memory. Beyond, no
 * circuits are made for it
 */
#define SB_WITHHELD_MIN 1024u
#define SB_WITHHELD_SHARE 32u

/*
 * When no more than this part of the memory is left, and at most so many pages,
 * pools give up what is ready; when half of that is, no circuit is made. And how
 * many pages give way at once
 */
#define SB_ROOM_SHARE 8u
#define SB_ROOM_MAX 8192ul
#define SB_ROOM_PAGES 1024u
/* How long a call waits for what is on its way back, unless told; at most */
#define SB_ROOM_S 2u
#define SB_ROOM_S_MAX 3600u

/*
 * Lines of other guests that lead here: circuits of one that are mapped, pages
 * of all, destinations that are admitted on one
 */
#define SB_FOREIGN_CIRCUITS_MAX 4096u
#define SB_FOREIGN_PAGES_MAX 131072
/*
 * PV: pages of other guests that programs may see, each time that they do; and
 * of grants that are mapped, which Xen counts for each place (262144 in a guest
 * by default), so many at most then: up to two for each page above, and these
 */
#define SB_VIEWED_PAGES_MAX 65536
#define SB_MAPPED_GRANTS_MAX 229376
#define SB_ADMISSIONS_MAX 256u

/* Destinations known to be reached over direct lines */
#define SB_ROUTES_MAX 1024u
/* How long a call waits to hear of the line to repeat it on */
#define SB_ROUTE_S 3u
#define SB_ROUTE_TICK_MS 100u
/* How long datagrams go through the proxy when there is no direct way */
#define SB_NO_ROUTE_S 10u
/* How often one call is repeated */
#define SB_MOVES_MAX 3u

/*
 * Datagrams between two guests: pairs of guests, one for each direct line at
 * most; records taken out of a ring in one go; how long a ring may stand still
 * until datagrams for it are dropped; how long after one that ended no other
 * is made; datagrams that wait for a route
 */
#define SB_PAIRS_MAX 64u
#define SB_RECORDS_PER_RUN 64u
#define SB_PAIR_STALL_MS 200u
#define SB_PAIR_AGAIN_S 1u
#define SB_PARCELS_MAX 256u

/* How long a closed socket's circuit may take to drain, then it is reset */
#define SB_ORPHAN_S 120u
/* How often pools are trimmed and orphans looked for */
#define SB_SWEEP_S 5u
/* Grants of a lost line that did not end are tried again, first after this */
#define SB_PATIENCE_MS 20u

/* A blocking connect or listen waits this long for the operator at start-up */
#define SB_ATTACH_S 10u
/* listen() gives up when nobody answered */
#define SB_LISTEN_S 30u
/* insmod waits this long for addresses and a line, when there is a device */
#define SB_READY_S 10u
/* connect() gives up when nobody answered: later than the proxy's kernel would */
#define SB_CONNECT_S 180u
/* How often a datagram socket that waits for the proxy looks for itself */
#define SB_ANSWER_MS 10u
/* A peer that refuses so often is not asked again for a while */
#define SB_REFUSALS_MAX 8u
/* How long attaching looks for a larger circuit */
#define SB_ATTACH_MS 20u
/* What is left when a program gets one is so many times as much */
#define SB_GROWN_LEFT 4u
/* Pages that a program sees when it touches one of them; a power of two */
#define SB_SHOWN_PAGES 64ul
/* How long attaching waits for a peer that takes another circuit */
#define SB_SETTLE_MS 500u
/* How long TCP_INFO waits for the proxy's answer */
#define SB_INFO_MS 200u
/* How often it asks again when the circuit was exchanged meanwhile */
#define SB_INFO_TRIES 2u

/* Ports that bind() and connect() choose themselves */
#define SB_PORT_FIRST 32768u
#define SB_PORT_LAST 60999u
/* Ports below need CAP_NET_BIND_SERVICE */
#define SB_PORT_PRIVILEGED 1024u

#endif
