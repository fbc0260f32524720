// SPDX-License-Identifier: GPL-2.0-only
/*
 * proc.c - what the module tells people
 *
 * /proc/net/switchboard lists every socket on one line, then what has been
 * counted. /proc/net/switchboard_resolv is a resolv.conf. Both may be read by
 * anybody, as /proc/net/tcp may.
 */
#include "switchboard.h"

#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/user_namespace.h>
#include <net/net_namespace.h>
#include <net/tcp_states.h>

#define LIST_NAME "switchboard"
#define RESOLVER_NAME "switchboard_resolv"

/* Longest "[address]:port" */
#define ENDPOINT_BYTES 64

static const char *state_name(u8 state)
{
	static const char *const name[] = {
		[TCP_ESTABLISHED] = "open",    [TCP_SYN_SENT] = "connecting",
		[TCP_FIN_WAIT1] = "fin-sent",  [TCP_FIN_WAIT2] = "fin-sent",
		[TCP_TIME_WAIT] = "closed",    [TCP_CLOSE] = "idle",
		[TCP_CLOSE_WAIT] = "fin-seen", [TCP_LAST_ACK] = "closing",
		[TCP_LISTEN] = "listening",    [TCP_CLOSING] = "closing",
	};

	return state < ARRAY_SIZE(name) && name[state] ? name[state] : "?";
}

static void show_endpoint(struct seq_file *file, const struct sb_address *a)
{
	char text[ENDPOINT_BYTES] = "-";

	if (a->family == SB_FAMILY_IPV4)
		snprintf(text, sizeof(text), "%pI4:%u", a->bytes, a->port);
	else if (a->family == SB_FAMILY_IPV6)
		snprintf(text, sizeof(text), "[%pI6c]:%u", a->bytes, a->port);
	seq_printf(file, " %-28s", text);
}

/* line/entry/generation of a circuit to a proxy */
static void show_circuit(struct seq_file *file, const struct sb_circuit *c)
{
	const struct sb_guest_line *line = c ? READ_ONCE(c->line) : NULL;

	if (line)
		seq_printf(file, "%u/%u/%u", line->number, c->number,
			   READ_ONCE(c->generation));
	else if (c && c->foreign)
		seq_printf(file, "direct/%u/%u", c->number,
			   READ_ONCE(c->generation));
	else
		seq_puts(file, c ? "in-guest" : "-");
}

static const char *kind_name(const struct sock *sk)
{
	bool v6 = sk->sk_family == AF_INET6;

	if (sk->sk_type != SOCK_DGRAM)
		return v6 ? "ipv6" : "ipv4";
	if (sk->sk_protocol == IPPROTO_UDP)
		return v6 ? "udp6" : "udp4";
	return v6 ? "png6" : "png4";
}

/* Bytes of either ring; a datagram socket's queue of this guest too */
static void show_held(struct seq_file *file, const struct sb_sock *sb)
{
	const struct sock *sk = &sb->sk;
	u32 rx = READ_ONCE(sb->rx.produced) - READ_ONCE(sb->rx.consumed);
	u32 tx = READ_ONCE(sb->tx.published) - READ_ONCE(sb->tx.consumed);

	if (sk->sk_type == SOCK_DGRAM) {
		if (!READ_ONCE(sb->circuit))
			rx = tx = 0;
		rx += sk_rmem_alloc_get(sk);
	}
	seq_printf(file, " %8u %8u", tx, rx);
}

/* The socket may be changing: what is printed is a look, not a promise */
static void show_sock(struct sb_sock *sb, void *arg)
{
	struct seq_file *file = arg;
	struct sock *sk = &sb->sk;

	seq_printf(file, "%-10s %s", state_name(READ_ONCE(sk->sk_state)),
		   kind_name(sk));
	/* what listens is bound, and has no other address */
	show_endpoint(file, sb->local.family ? &sb->local : &sb->bound);
	show_endpoint(file, &sb->remote);
	show_held(file, sb);
	seq_printf(file, " %8lu %5u ", sock_i_ino(sk),
		   from_kuid_munged(seq_user_ns(file), sock_i_uid(sk)));
	show_circuit(file, READ_ONCE(sb->circuit));
	seq_putc(file, '\n');
}

struct row {
	const char *name;
	const atomic64_t *value;
};

static void show_counters(struct seq_file *file)
{
	static const struct row row[] = {
		{ "sockets", &sb_counters.sockets },
		{ "circuits_existing", &sb_counters.circuits_existing },
		{ "circuits_ready", &sb_counters.circuits_ready },
		{ "circuits_opened", &sb_counters.circuits_opened },
		{ "circuits_refused", &sb_counters.circuits_refused },
		{ "circuits_ended", &sb_counters.circuits_ended },
		{ "loopback_opened", &sb_counters.loopback_opened },
		{ "datagrams_in_guest", &sb_counters.datagrams_in_guest },
		{ "datagrams_direct_out", &sb_counters.datagrams_direct_out },
		{ "datagrams_direct_in", &sb_counters.datagrams_direct_in },
		{ "datagrams_dropped", &sb_counters.datagrams_dropped },
		{ "lies", &sb_counters.lies },
		{ "calls_waited", &sb_counters.calls_waited },
		{ "pages_given", &sb_counters.pages_given },
		{ "pages_quarantined", &sb_counters.pages_quarantined },
		{ "pages_withheld", &sb_counters.pages_withheld },
		{ "events_sent", &sb_counters.events_sent },
		{ "events_received", &sb_counters.events_received },
		{ "dozes", &sb_counters.dozes },
		{ "dozes_woken", &sb_counters.dozes_woken },
		{ "steal_clocks_stopped", &sb_counters.steal_clocks_stopped },
		{ "bells_rung", &sb_counters.bells_rung },
		{ "bells_answered", &sb_counters.bells_answered },
		{ "messages_sent", &sb_counters.messages_sent },
		{ "messages_received", &sb_counters.messages_received },
		{ "direct_called", &sb_counters.direct_called },
		{ "direct_taken", &sb_counters.direct_taken },
		{ "direct_refused", &sb_counters.direct_refused },
		{ "pages_foreign", &sb_counters.pages_foreign },
		{ "pages_viewed", &sb_counters.pages_viewed },
		{ "views_failed", &sb_counters.views_failed },
		{ "circuits_exchanged", &sb_counters.circuits_exchanged },
		{ "exchanges_refused", &sb_counters.exchanges_refused },
		{ "circuits_grown", &sb_counters.circuits_grown },
		{ "circuits_shrunk", &sb_counters.circuits_shrunk },
		{ "pages_grown", &sb_counters.pages_grown },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(row); i++)
		seq_printf(file, "# %s %lld\n", row[i].name,
			   (long long)atomic64_read(row[i].value));
}

static int show_list(struct seq_file *file, void *unused)
{
	seq_printf(file, "%-10s %-4s %-28s %-28s %8s %8s %8s %5s %s\n", "state",
		   "kind", "local", "remote", "tx", "rx", "inode", "uid",
		   "circuit");
	sb_sock_for_each(show_sock, file);
	show_counters(file);
	return 0;
}

/**
 * sb_proc_init() - make both files
 *
 * Return: 0 or -ENOMEM. A kernel without /proc has nothing to make.
 */
int sb_proc_init(void)
{
	if (!IS_ENABLED(CONFIG_PROC_FS))
		return 0;
	if (!proc_create_single(LIST_NAME, 0444, init_net.proc_net, show_list))
		return -ENOMEM;
	if (!proc_create_single(RESOLVER_NAME, 0444, init_net.proc_net,
				sb_resolver_show)) {
		remove_proc_entry(LIST_NAME, init_net.proc_net);
		return -ENOMEM;
	}
	return 0;
}

void sb_proc_exit(void)
{
	remove_proc_entry(RESOLVER_NAME, init_net.proc_net);
	remove_proc_entry(LIST_NAME, init_net.proc_net);
}
