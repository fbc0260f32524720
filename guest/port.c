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
 *
 * Each protocol has ports of its own. A datagram goes to the socket that fits
 * best, as in Linux: own address before wildcard, connected to the sender
 * before unconnected; among equals the last that was bound, or in a group of
 * SO_REUSEPORT the one that the endpoints' hash names.
 */
#include <linux/in.h>
#include <linux/jhash.h>
#include <linux/random.h>
#include <linux/spinlock.h>

#include "switchboard.h"

#define BUCKETS 256u

enum space { SPACE_TCP, SPACE_UDP, SPACE_PING, SPACE_PING6, SPACES };

static DEFINE_SPINLOCK(ports_lock);
static struct hlist_head buckets[SPACES][BUCKETS];

static struct hlist_head *bucket(int protocol, u16 port)
{
	enum space space = SPACE_TCP;

	if (protocol == IPPROTO_UDP)
		space = SPACE_UDP;
	else if (protocol == IPPROTO_ICMP)
		space = SPACE_PING;
	else if (protocol == IPPROTO_ICMPV6)
		space = SPACE_PING6;
	return &buckets[space][port % BUCKETS];
}

static struct hlist_head *bucket_of(const struct sb_sock *sb, u16 port)
{
	return bucket(sb->sk.sk_protocol, port);
}

bool sb_port_takes_both(const struct sock *sk, const struct sb_address *a)
{
	return a->family == SB_FAMILY_IPV6 && sb_address_is_any(a) &&
	       !sk->sk_ipv6only;
}

static bool overlap(const struct sock *sk, const struct sb_address *a,
		    const struct sock *sk2, const struct sb_address *b)
{
	if (sb_port_takes_both(sk, a) || sb_port_takes_both(sk2, b))
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

	hlist_for_each_entry(other, bucket_of(sb, a->port), port_node) {
		if (other == sb || other->bound.port != a->port)
			continue;
		if (overlap(&sb->sk, a, &other->sk, &other->bound) &&
		    !may_share(sb, other))
			return true;
	}
	return false;
}

static bool in_use(const struct sb_sock *sb, u16 port)
{
	struct sb_sock *other;

	hlist_for_each_entry(other, bucket_of(sb, port), port_node)
		if (other->bound.port == port)
			return true;
	return false;
}

/* Lock held. A port that nobody has; 0 when there is none */
static u16 choose(const struct sb_sock *sb)
{
	u32 range = SB_PORT_LAST - SB_PORT_FIRST + 1;
	u32 start = get_random_u32() % range, i;
	u16 port;

	for (i = 0; i < range; i++) {
		port = SB_PORT_FIRST + (start + i) % range;
		if (!in_use(sb, port))
			return port;
	}
	return 0;
}

static int insert(struct sb_sock *sb, const struct sb_address *a)
{
	struct sb_address chosen = *a;

	if (!chosen.port) {
		chosen.port = choose(sb);
		set_bit(SB_SOCK_AUTOPORT, &sb->flags);
	}
	if (!chosen.port || conflicts(sb, &chosen)) {
		clear_bit(SB_SOCK_AUTOPORT, &sb->flags);
		return -EADDRINUSE;
	}
	sb->bound = chosen;
	sb->sk.sk_num = chosen.port;
	set_bit(SB_SOCK_IN_PORTS, &sb->flags);
	hlist_add_head(&sb->port_node, bucket_of(sb, chosen.port));
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
	if (port && test_bit(SB_SOCK_AUTOPORT, &sb->flags) &&
	    !in_use(sb, port)) {
		hlist_del(&sb->port_node);
		sb->bound.port = port;
		sb->sk.sk_num = port;
		if (sb->local.family)
			sb->local.port = port;
		hlist_add_head(&sb->port_node, bucket_of(sb, port));
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
	return sb_port_takes_both(&sb->sk, &sb->bound) ? 1 : 0;
}

struct sb_sock *sb_port_find(const struct sb_address *a)
{
	struct sb_sock *sb, *best = NULL;
	unsigned int score, best_score = 0;

	spin_lock_bh(&ports_lock);
	hlist_for_each_entry(sb, bucket(IPPROTO_TCP, a->port), port_node) {
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
		hlist_add_head(&best->port_node, bucket(IPPROTO_TCP, a->port));
	}
	spin_unlock_bh(&ports_lock);
	return best;
}

/* Datagrams: the socket's addresses change under the table's lock */
void sb_port_connect(struct sb_sock *sb, const struct sb_address *local,
		     const struct sb_address *remote)
{
	spin_lock_bh(&ports_lock);
	sb->local = *local;
	sb->remote = *remote;
	sb_stream_state(&sb->sk, remote->family ? TCP_ESTABLISHED : TCP_CLOSE);
	spin_unlock_bh(&ports_lock);
}

/* 0: does not match; more is better */
static unsigned int match_datagram(const struct sb_sock *sb,
				   const struct sb_address *to,
				   const struct sb_address *from)
{
	const struct sb_address *at =
		sb->local.family ? &sb->local : &sb->bound;
	unsigned int score;

	if (sb->bound.port != to->port)
		return 0;
	if (sb_address_equal(at, to))
		score = 16;
	else if (!sb_address_is_any(at))
		return 0;
	else if (at->family == to->family)
		score = 2;
	else if (sb_port_takes_both(&sb->sk, at))
		score = 1;
	else
		return 0;
	if (sb->sk.sk_state != TCP_ESTABLISHED)
		return score;
	if (sb->remote.port != from->port ||
	    !sb_address_equal(&sb->remote, from))
		return 0;
	return score + 8;
}

static u32 hash_of(const struct sb_address *to, const struct sb_address *from)
{
	return jhash(from->bytes, sizeof(from->bytes),
		     jhash_2words(to->port, from->port, 0));
}

/* The @wanted-th of those with this score that share their port */
static struct sb_sock *pick(const struct sb_address *to,
			    const struct sb_address *from, unsigned int score,
			    unsigned int wanted)
{
	struct sb_sock *sb;

	hlist_for_each_entry(sb, bucket(IPPROTO_UDP, to->port), port_node)
		if (sb->sk.sk_reuseport &&
		    match_datagram(sb, to, from) == score && !wanted--)
			return sb;
	return NULL;
}

/* Who gets a datagram, referenced; or NULL */
struct sb_sock *sb_port_find_datagram(const struct sb_address *to,
				      const struct sb_address *from)
{
	unsigned int score, best_score = 0, sharing = 0;
	struct sb_sock *sb, *best = NULL;

	spin_lock_bh(&ports_lock);
	hlist_for_each_entry(sb, bucket(IPPROTO_UDP, to->port), port_node) {
		score = match_datagram(sb, to, from);
		if (score > best_score) {
			best = sb;
			best_score = score;
			sharing = 0;
		}
		if (score && score == best_score && sb->sk.sk_reuseport)
			sharing++;
	}
	if (best && best->sk.sk_reuseport && sharing > 1)
		best = pick(to, from, best_score,
			    reciprocal_scale(hash_of(to, from), sharing));
	if (best)
		sock_hold(&best->sk);
	spin_unlock_bh(&ports_lock);
	return best;
}

/* Each datagram socket with this port; @visit must not sleep */
void sb_port_visit_datagram(u16 port,
			    void (*visit)(struct sb_sock *sb, void *arg),
			    void *arg)
{
	struct sb_sock *sb;

	spin_lock_bh(&ports_lock);
	hlist_for_each_entry(sb, bucket(IPPROTO_UDP, port), port_node)
		if (sb->bound.port == port)
			visit(sb, arg);
	spin_unlock_bh(&ports_lock);
}
