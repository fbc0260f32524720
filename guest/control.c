// SPDX-License-Identifier: GPL-2.0-only
/*
 * control.c - interface ioctls on circuit sockets
 *
 * ifconfig, route and many libraries ask about interfaces and addresses by an
 * ioctl on any AF_INET or AF_INET6 socket. Those belong to the kernel's own IP
 * stack, which no program can reach once the module has taken its families.
 * One datagram socket of each real family, opened before that and kept, stands
 * in for all: the stack decides on the caller's capabilities, not on the
 * socket's.
 */
#include "switchboard.h"

#include <linux/if_arp.h>
#include <linux/in6.h>
#include <linux/net.h>
#include <linux/sockios.h>
#include <net/net_namespace.h>
#include <net/sock.h>

/* Either is NULL in a kernel without that protocol */
static struct socket *ipv4;
static struct socket *ipv6;

/* What inet_ioctl() and inet6_ioctl() answer without looking at the socket */
static bool is_ours(unsigned int cmd)
{
	switch (cmd) {
	case SIOCADDRT:
	case SIOCDELRT:
	case SIOCRTMSG:
	case SIOCGARP:
	case SIOCSARP:
	case SIOCDARP:
	case SIOCGIFADDR:
	case SIOCSIFADDR:
	case SIOCDIFADDR:
	case SIOCGIFBRDADDR:
	case SIOCSIFBRDADDR:
	case SIOCGIFNETMASK:
	case SIOCSIFNETMASK:
	case SIOCGIFDSTADDR:
	case SIOCSIFDSTADDR:
	case SIOCGIFPFLAGS:
	case SIOCSIFPFLAGS:
	case SIOCSIFFLAGS:
		return true;
	default:
		return false;
	}
}

/* The stand-in for @sock, NULL when @cmd is not for it */
static struct socket *stand_in(const struct socket *sock, unsigned int cmd)
{
	if (!is_ours(cmd) || !net_eq(sock_net(sock->sk), &init_net))
		return NULL;
	return sock->sk->sk_family == AF_INET6 ? ipv6 : ipv4;
}

/**
 * sb_control_ioctl() - an ioctl that is not about the stream of @sock
 * @sock: a circuit socket
 * @cmd:  SIOC...
 * @arg:  the caller's pointer
 *
 * Return: as ioctl() of a Linux socket; -ENOIOCTLCMD for what the core is to
 * try next (interface ioctls that need no address) and then refuse.
 */
int sb_control_ioctl(struct socket *sock, unsigned int cmd, unsigned long arg)
{
	struct socket *real = stand_in(sock, cmd);

	return real ? real->ops->ioctl(real, cmd, arg) : -ENOIOCTLCMD;
}

#ifdef CONFIG_COMPAT
/* The same for a 32-bit program; the core translates all but the routes */
int sb_control_compat_ioctl(struct socket *sock, unsigned int cmd,
			    unsigned long arg)
{
	struct socket *real = stand_in(sock, cmd);

	if (!real || !real->ops->compat_ioctl)
		return -ENOIOCTLCMD;
	return real->ops->compat_ioctl(real, cmd, arg);
}
#endif

static void drop(struct socket **real)
{
	if (*real)
		sock_release(*real);
	*real = NULL;
}

static int open_real(int family, struct socket **real)
{
	int err = sock_create_kern(&init_net, family, SOCK_DGRAM, 0, real);

	if (!err)
		return 0;
	*real = NULL;
	return err == -EAFNOSUPPORT ? 0 : err;
}

/**
 * sb_control_init() - open the stand-ins
 *
 * Must come before the module takes PF_INET and PF_INET6.
 *
 * Return: 0, also in a kernel that has no such family; -errno.
 */
int sb_control_init(void)
{
	int err = open_real(PF_INET, &ipv4);

	if (err)
		return err;
	err = open_real(PF_INET6, &ipv6);
	if (err)
		drop(&ipv4);
	return err;
}

void sb_control_exit(void)
{
	drop(&ipv6);
	drop(&ipv4);
}
