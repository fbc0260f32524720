// SPDX-License-Identifier: GPL-2.0-only
/*
 * port.c - who is bound to which address and port inside this guest
 *
 * The rules are those of Linux's TCP. Two sockets conflict when their
 * addresses overlap, unless both said SO_REUSEADDR and the other does not listen, or
 * both said SO_REUSEPORT and belong to the same user. "::" without
 * IPV6_V6ONLY overlaps every IPv4 address too.
 *
 * A socket is found by connect() only while it listens. Several that share a
 * port through SO_REUSEPORT get connections in turn.
 */
#include <linux/random.h>
#include <linux/spinlock.h>

#include "switchboard.h"

#define BUCKETS 256u

static DEFINE_SPINLOCK(ports_lock);
static struct hlist_head buckets[BUCKETS];

static struct hlist_head *bucket(u16 port)
{
	return &buckets[port % BUCKETS];
}

static bool takes_both(const struct sock *sk, const struct sb_address *a)
{
	return a->family == SB_FAMILY_IPV6 && sb_address_is_any(a) &&
	       !sk->sk_ipv6only;
}

static bool overlap(const struct sock *sk, const struct sb_address *a,
		    const struct sock *sk2, const struct sb_address *b)
{
	if (takes_both(sk, a) || takes_both(sk2, b))
		return true;
	if (a->family != b->family)
		return false;
	return sb_address_is_any(a) || sb_address_is_any(b) ||
	       sb_address_equal(a, b);
}

static bool may_share(const struct sb_sock *sb, const struct sb_sock *other)
{
	const struct sock *sk = &sb->sk, *sk2 = &other->sk;

	if (sk->sk_reuseport && sk2->sk_reuseport &&
	    uid_eq(sock_i_uid((struct sock *)sk),
		   sock_i_uid((struct sock *)sk2)))
		return true;
	return sk->sk_reuse && sk2->sk_reuse &&
	       !test_bit(SB_SOCK_LISTENS, &other->flags);
}

/* Lock held */
static bool conflicts(const struct sb_sock *sb, const struct sb_address *a)
{
	struct sb_sock *other;

	hlist_for_each_entry(other, bucket(a->port), port_node) {
		if (other == sb || other->bound.port != a->port)
			continue;
		if (overlap(&sb->sk, a, &other->sk, &other->bound) &&
		    !may_share(sb, other))
			return true;
	}
	return false;
}

static bool in_use(u16 port)
{
	struct sb_sock *other;

	hlist_for_each_entry(other, bucket(port), port_node)
		if (other->bound.port == port)
			return true;
	return false;
}

/* Lock held. A port that nobody has; 0 when there is none */
static u16 choose(void)
{
	u32 range = SB_PORT_LAST - SB_PORT_FIRST + 1;
	u32 start = get_random_u32() % range, i;
	u16 port;

	for (i = 0; i < range; i++) {
		port = SB_PORT_FIRST + (start + i) % range;
		if (!in_use(port))
			return port;
	}
	return 0;
}

static int insert(struct sb_sock *sb, const struct sb_address *a)
{
	struct sb_address chosen = *a;

	if (!chosen.port) {
		chosen.port = choose();
		set_bit(SB_SOCK_AUTOPORT, &sb->flags);
	}
	if (!chosen.port || conflicts(sb, &chosen)) {
		clear_bit(SB_SOCK_AUTOPORT, &sb->flags);
		return -EADDRINUSE;
	}
	sb->bound = chosen;
	sb->sk.sk_num = chosen.port;
	set_bit(SB_SOCK_IN_PORTS, &sb->flags);
	hlist_add_head(&sb->port_node, bucket(chosen.port));
	return 0;
}

/* Socket lock held; port 0 lets us choose. Writes sb->bound */
int sb_port_bind(struct sb_sock *sb, const struct sb_address *a)
{
	int error;

	spin_lock_bh(&ports_lock);
	error = insert(sb, a);
	spin_unlock_bh(&ports_lock);
	return error;
}

void sb_port_release(struct sb_sock *sb)
{
	spin_lock_bh(&ports_lock);
	if (test_and_clear_bit(SB_SOCK_IN_PORTS, &sb->flags)) {
		clear_bit(SB_SOCK_LISTENS, &sb->flags);
		clear_bit(SB_SOCK_AUTOPORT, &sb->flags);
		hlist_del_init(&sb->port_node);
	}
	spin_unlock_bh(&ports_lock);
	memset(&sb->bound, 0, sizeof(sb->bound));
	sb->sk.sk_num = 0;
}

/* Another socket that shares the address by SO_REUSEADDR may listen already */
int sb_port_listen(struct sb_sock *sb)
{
	int error = 0;

	spin_lock_bh(&ports_lock);
	set_bit(SB_SOCK_LISTENS, &sb->flags);
	if (conflicts(sb, &sb->bound)) {
		clear_bit(SB_SOCK_LISTENS, &sb->flags);
		error = -EADDRINUSE;
	}
	spin_unlock_bh(&ports_lock);
	return error;
}

void sb_port_unlisten(struct sb_sock *sb)
{
	clear_bit(SB_SOCK_LISTENS, &sb->flags);
}

/* The proxy listens on another port than the one we chose: take that */
void sb_port_move(struct sb_sock *sb, u16 port)
{
	spin_lock_bh(&ports_lock);
	if (port && test_bit(SB_SOCK_AUTOPORT, &sb->flags) && !in_use(port)) {
		hlist_del(&sb->port_node);
		sb->bound.port = port;
		sb->sk.sk_num = port;
		hlist_add_head(&sb->port_node, bucket(port));
	}
	spin_unlock_bh(&ports_lock);
}

/* 0: does not match; more is better */
static unsigned int match(const struct sb_sock *sb, const struct sb_address *a)
{
	if (!test_bit(SB_SOCK_LISTENS, &sb->flags) || sb->bound.port != a->port)
		return 0;
	if (sb_address_equal(&sb->bound, a))
		return 3;
	if (!sb_address_is_any(&sb->bound))
		return 0;
	if (sb->bound.family == a->family)
		return 2;
	return takes_both(&sb->sk, &sb->bound) ? 1 : 0;
}

struct sb_sock *sb_port_find(const struct sb_address *a)
{
	struct sb_sock *sb, *best = NULL;
	unsigned int score, best_score = 0;

	spin_lock_bh(&ports_lock);
	hlist_for_each_entry(sb, bucket(a->port), port_node) {
		score = match(sb, a);
		/* the last of equals: moved to the front, it is next to last */
		if (score && score >= best_score) {
			best = sb;
			best_score = score;
		}
	}
	if (best) {
		sock_hold(&best->sk);
		hlist_del(&best->port_node);
		hlist_add_head(&best->port_node, bucket(a->port));
	}
	spin_unlock_bh(&ports_lock);
	return best;
}
