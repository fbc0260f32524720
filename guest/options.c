// SPDX-License-Identifier: GPL-2.0-only
/*
 * options.c - socket options
 *
 * Every option is a row of one table. Three kinds take effect or are kept:
 * a flag or a field of struct sb_options, carried to the peer's socket, and a
 * hint, which is checked, kept and read back because it has no meaning on a
 * circuit. Rows with functions of their own do what a value alone cannot say.
 * What has no row is refused with ENOPROTOOPT, so that no program believes in
 * an option that nothing obeys. Ranges and errors are those of Linux 6.1.
 *
 * docs/OPTIONS.md shows the table to people.
 */
#include "datagram.h"

#include <linux/net.h>
#include <linux/sockptr.h>
#include <net/sock.h>

static void store_field(struct sb_options *options, const struct sb_option *o,
			int value)
{
	void *field = (u8 *)options + o->where;

	if (o->store == SB_STORE_U8)
		*(u8 *)field = value;
	else if (o->store == SB_STORE_U16)
		*(u16 *)field = value;
	else
		*(u32 *)field = value;
}

static int load_field(const struct sb_options *options,
		      const struct sb_option *o)
{
	const void *field = (const u8 *)options + o->where;

	if (o->store == SB_STORE_U8)
		return *(const u8 *)field;
	if (o->store == SB_STORE_U16)
		return *(const u16 *)field;
	return *(const u32 *)field;
}

static void set_flag(struct sb_options *options, u32 bit, bool on)
{
	options->set |= bit;
	if (on)
		options->flags |= bit;
	else
		options->flags &= ~bit;
}

/* Locked. What the peer must know is carried at once. */
static void store_value(struct sb_sock *sb, const struct sb_option *o,
			int value)
{
	switch (o->store) {
	case SB_STORE_NOWHERE:
		return;
	case SB_STORE_HINT:
		sb->hints.changed[o->where] = value ^ o->initial;
		if (sb_is_datagram(sb))
			sb_datagram_hint_changed(sb);
		return;
	case SB_STORE_FLAG:
		set_flag(&sb->options, o->bit, value);
		break;
	default:
		sb->options.set |= o->bit;
		store_field(&sb->options, o, value);
	}
	sb_stream_options_changed(sb);
}

int sb_option_load(const struct sb_sock *sb, const struct sb_option *o)
{
	if (o->store == SB_STORE_NOWHERE)
		return o->initial;
	if (o->store == SB_STORE_HINT)
		return sb->hints.changed[o->where] ^ o->initial;
	if (!(sb->options.set & o->bit))
		return o->initial;
	if (o->store == SB_STORE_FLAG)
		return !!(sb->options.flags & o->bit);
	return load_field(&sb->options, o);
}

/* Locked or not: hints are looked at, never waited for. Those that start at 0 */
bool sb_option_hint(const struct sb_sock *sb, enum sb_hint hint)
{
	return READ_ONCE(sb->hints.changed[hint]);
}

/* Linux lets IP_... be set by one byte too, or by none, which means 0 */
static int copy_value(int level, sockptr_t optval, unsigned int optlen,
		      int *value)
{
	u8 byte = 0;

	if (optlen >= sizeof(*value))
		return copy_from_sockptr(value, optval, sizeof(*value))
			       ? -EFAULT
			       : 0;
	if (level != SOL_IP)
		return -EINVAL;
	if (optlen && copy_from_sockptr(&byte, optval, sizeof(byte)))
		return -EFAULT;
	*value = byte;
	return 0;
}

/* The options of a level that sockets of this family do not have */
static const struct sb_option *find(const struct sb_sock *sb, int level,
				    int name)
{
	if (level == SOL_IPV6 && sb->sk.sk_family != AF_INET6)
		return NULL;
	if (sb_is_datagram(sb))
		return sb_datagram_option_find(level, name);
	return sb_option_find(level, name);
}

/**
 * sb_options_set() - setsockopt() of any level but SOL_SOCKET
 * @sock:    a circuit socket, not locked
 * @level:   SOL_...
 * @optname: the option
 * @optval:  of the program or of the kernel
 * @optlen:  its bytes
 *
 * Return: as Linux; -ENOPROTOOPT for what is not supported.
 */
int sb_options_set(struct socket *sock, int level, int optname,
		   sockptr_t optval, unsigned int optlen)
{
	struct sb_sock *sb = sb_sk(sock->sk);
	const struct sb_option *o = find(sb, level, optname);
	int value;
	int err;

	if (!o)
		return -ENOPROTOOPT;
	if (o->set)
		return o->set(sb, o, optval, optlen);
	err = copy_value(level, optval, optlen, &value);
	if (err)
		return err;
	if (value < o->min || value > o->max)
		return -EINVAL;
	if (o->yes_no)
		value = !!value;
	lock_sock(sock->sk);
	err = o->check ? o->check(sb, &value) : 0;
	if (!err)
		store_value(sb, o, value);
	release_sock(sock->sk);
	return err;
}

static int put_value(int level, int value, char __user *optval,
		     int __user *optlen)
{
	u8 byte = value;
	int room;

	if (get_user(room, optlen))
		return -EFAULT;
	if (room < 0)
		return -EINVAL;
	if (level == SOL_IP && room > 0 && room < (int)sizeof(value) &&
	    value >= 0 && value <= 255) {
		if (put_user(1, optlen) || copy_to_user(optval, &byte, 1))
			return -EFAULT;
		return 0;
	}
	room = min_t(int, room, sizeof(value));
	if (put_user(room, optlen) || copy_to_user(optval, &value, room))
		return -EFAULT;
	return 0;
}

/**
 * sb_options_get() - getsockopt() of any level but SOL_SOCKET
 * @sock:    a circuit socket, not locked
 * @level:   SOL_...
 * @optname: the option
 * @optval:  where the program wants it
 * @optlen:  in: room; out: bytes written
 *
 * Return: as Linux; -ENOPROTOOPT for what is not supported.
 */
int sb_options_get(struct socket *sock, int level, int optname,
		   char __user *optval, int __user *optlen)
{
	struct sb_sock *sb = sb_sk(sock->sk);
	const struct sb_option *o = find(sb, level, optname);
	int value;

	/* so Linux says on IPv4 sockets */
	if (sock->sk->sk_family == AF_INET && level != SOL_TCP &&
	    level != SOL_UDP && level != SOL_IP)
		return -EOPNOTSUPP;
	/* some are only there to be set */
	if (!o || (o->set && !o->get && !o->read))
		return -ENOPROTOOPT;
	if (o->get)
		return o->get(sb, optval, optlen);
	if (o->read) {
		value = o->read(sb, o);
		if (value < 0)
			return value;
	} else {
		lock_sock(sock->sk);
		value = sb_option_load(sb, o);
		release_sock(sock->sk);
	}
	return put_value(level, value, optval, optlen);
}

static bool collect_flag(struct sb_options *options, u32 bit, bool on)
{
	if (!!(options->flags & bit) == on)
		return false;
	set_flag(options, bit, on);
	return true;
}

static bool collect_bytes(struct sb_options *options, u32 bit, u32 *field,
			  bool locked, int doubled)
{
	u32 bytes = doubled / 2;

	if (!locked || (options->set & bit && *field == bytes))
		return false;
	options->set |= bit;
	*field = bytes;
	return true;
}

static bool collect_linger(struct sb_options *options, const struct sock *sk)
{
	unsigned long seconds = sk->sk_lingertime / HZ;
	bool on = sock_flag(sk, SOCK_LINGER);
	bool changed = collect_flag(options, SB_OPTION_LINGER, on);

	seconds = min_t(unsigned long, seconds, U16_MAX);
	if (on && options->linger_s != seconds) {
		options->linger_s = seconds;
		changed = true;
	}
	return changed;
}

bool sb_options_collect(struct sb_sock *sb)
{
	struct sb_options *options = &sb->options;
	const struct sock *sk = &sb->sk;
	bool changed;

	changed = collect_flag(options, SB_OPTION_KEEPALIVE,
			       sock_flag(sk, SOCK_KEEPOPEN));
	changed |= collect_flag(options, SB_OPTION_REUSEADDR, sk->sk_reuse);
	changed |= collect_flag(options, SB_OPTION_REUSEPORT, sk->sk_reuseport);
	changed |= collect_linger(options, sk);
	changed |= collect_bytes(options, SB_OPTION_SNDBUF, &options->sndbuf,
				 sk->sk_userlocks & SOCK_SNDBUF_LOCK,
				 READ_ONCE(sk->sk_sndbuf));
	changed |= collect_bytes(options, SB_OPTION_RCVBUF, &options->rcvbuf,
				 sk->sk_userlocks & SOCK_RCVBUF_LOCK,
				 READ_ONCE(sk->sk_rcvbuf));
	return changed;
}

/* The core changes its own flag only after this call */
void sb_options_keepalive(struct sock *sk, int on)
{
	struct sb_sock *sb = sb_sk(sk);

	sb_options_collect(sb);
	collect_flag(&sb->options, SB_OPTION_KEEPALIVE, on);
	sb_stream_options_changed(sb);
}
