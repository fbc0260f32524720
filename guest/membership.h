/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * membership.h - the options that join and leave multicast groups
 *
 * Setters of rows of the option tables: which option it is says the row.
 */
#ifndef SB_GUEST_MEMBERSHIP_H
#define SB_GUEST_MEMBERSHIP_H

#include "options.h"

struct ip_mreqn;

/* struct ip_mreqn, or the shorter forms of @least bytes; zeros behind */
int sb_membership_read4(sockptr_t value, unsigned int bytes, unsigned int least,
			struct ip_mreqn *request);

/* IP_ADD_MEMBERSHIP and IP_DROP_MEMBERSHIP */
int sb_membership_set4(struct sb_sock *sb, const struct sb_option *o,
		       sockptr_t value, unsigned int bytes);
/* The same of IPv6 */
int sb_membership_set6(struct sb_sock *sb, const struct sb_option *o,
		       sockptr_t value, unsigned int bytes);
/* MCAST_JOIN_GROUP and MCAST_LEAVE_GROUP, of both protocols */
int sb_membership_set(struct sb_sock *sb, const struct sb_option *o,
		      sockptr_t value, unsigned int bytes);

/* IP_ADD_SOURCE_MEMBERSHIP and its three companions */
int sb_membership_source4(struct sb_sock *sb, const struct sb_option *o,
			  sockptr_t value, unsigned int bytes);
/* MCAST_JOIN_SOURCE_GROUP and its three companions, of both protocols */
int sb_membership_source(struct sb_sock *sb, const struct sb_option *o,
			 sockptr_t value, unsigned int bytes);

#endif
