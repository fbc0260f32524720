// SPDX-License-Identifier: GPL-2.0-only
/*
 * resolver.c - the name servers that the operator hands out
 *
 * The module cannot write /etc/resolv.conf; it offers the same text as
 * /proc/net/switchboard_resolv, and the guest's boot scripts copy it or link
 * to it.
 */
#include "switchboard.h"

#include <linux/mutex.h>
#include <linux/seq_file.h>

/* Guarded by lock: the trunk's worker writes, whoever opens the file reads */
static DEFINE_MUTEX(lock);
static struct sb_address server[SB_RESOLVERS_MAX];
static unsigned int servers;

/**
 * sb_resolver_add() - one more name server, after those before
 * @a: family, bytes and scope are used
 *
 * Return: 0; -EINVAL for what is no address; -ENOSPC past SB_RESOLVERS_MAX.
 */
int sb_resolver_add(const struct sb_address *a)
{
	int err = 0;

	if (a->family != SB_FAMILY_IPV4 && a->family != SB_FAMILY_IPV6)
		return -EINVAL;
	mutex_lock(&lock);
	if (servers < SB_RESOLVERS_MAX)
		server[servers++] = *a;
	else
		err = -ENOSPC;
	mutex_unlock(&lock);
	return err;
}

void sb_resolver_clear(void)
{
	mutex_lock(&lock);
	servers = 0;
	mutex_unlock(&lock);
}

static void show_server(struct seq_file *file, const struct sb_address *a)
{
	if (a->family == SB_FAMILY_IPV4)
		seq_printf(file, "nameserver %pI4\n", a->bytes);
	else if (a->scope)
		seq_printf(file, "nameserver %pI6c%%%u\n", a->bytes, a->scope);
	else
		seq_printf(file, "nameserver %pI6c\n", a->bytes);
}

/* The text of a resolv.conf; for proc.c */
int sb_resolver_show(struct seq_file *file, void *unused)
{
	unsigned int i;

	seq_puts(file, "# name servers of this guest, from its operator\n");
	mutex_lock(&lock);
	for (i = 0; i < servers; i++)
		show_server(file, &server[i]);
	mutex_unlock(&lock);
	return 0;
}
