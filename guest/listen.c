// SPDX-License-Identifier: GPL-2.0-only
/*
 * listen.c - a socket begins to listen, is published, and stops
 *
 * listen() asks the operator and waits for the proxy's answer, so that a
 * refusal is listen()'s error. A listener bound to a loopback address asks
 * nobody; neither does one in a guest without a line: it has in-guest
 * connections only, until a line comes up.
 */
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "switchboard.h"

static const u32 abandon = SB_OWNER_CLOSED | SB_WORD_FIN | SB_WORD_STOP;

/* No longer (or never) on a line: spinlock or ownership held */
static void unpublish(struct sb_sock *sb, int error)
{
	struct sb_listener *l = sb->listener;
	struct sb_circuit *c = sb->circuit;

	spin_lock_bh(&l->lock);
	l->line = NULL;
	l->entry = SB_ENTRY_NONE;
	l->answer = -error;
	spin_unlock_bh(&l->lock);
	sb->circuit = NULL;
	sb_circuit_leave(c, SB_OWNER, abandon);
}

/* The proxy listens. A port that we chose gives way to the one it has */
static void published(struct sb_sock *sb)
{
	struct sb_listener *l = sb->listener;
	struct sb_address local;

	if (sb_address_copy(&local, &sb->circuit->entry->local))
		sb_port_move(sb, local.port);
	spin_lock_bh(&l->lock);
	l->line = sb->circuit->line;
	l->entry = sb->circuit->number;
	l->answer = 0;
	spin_unlock_bh(&l->lock);
	sb_accept_post(l);
}

void sb_accept_look(struct sb_sock *sb)
{
	struct sb_circuit *c = sb->circuit;
	u32 word = sb_load(sb->peer_word);
	u32 error = 0;

	if (sb_word_generation(word) != c->generation)
		word = 0;
	if (READ_ONCE(c->refused))
		error = c->refused;
	else if (READ_ONCE(c->lost))
		error = ENETDOWN;
	else if (sb_word_state(word) == SB_PEER_CLOSED)
		error = sb_load(&c->entry->error) ?: ECONNABORTED;
	if (error) {
		unpublish(sb, error < MAX_ERRNO ? error : EPROTO);
		sb->sk.sk_state_change(&sb->sk);
	} else if (sb_word_state(word) == SB_PEER_OPEN &&
		   sb->listener->answer) {
		published(sb);
		sb->sk.sk_state_change(&sb->sk);
	}
}

static bool wants_publishing(const struct sb_sock *sb)
{
	return !sb_address_is_loopback(&sb->bound);
}

/* Ask for it: the answer comes to sb_accept_look() */
static int ask(struct sb_sock *sb, struct sb_guest_line *line)
{
	struct sb_circuit *c = sb_pool_take_bare(line);

	if (IS_ERR(c))
		return PTR_ERR(c);
	sb->listener->answer = 1;
	c->local = sb->bound;
	c->backlog = sb->sk.sk_max_ack_backlog;
	c->both = sb_port_takes_both(&sb->sk, &sb->bound);
	sb_options_collect(sb);
	c->entry->options = sb->options;
	sb_stream_attach(sb, c, SB_OWNER);
	sb_store_full(sb->word, sb->own);
	sb_trunk_request(c);
	sb_stream_look(sb);
	return 0;
}

static int wait_for_answer(struct sb_sock *sb)
{
	struct sb_listener *l = sb->listener;
	struct wait_queue_entry wait;
	long timeo = SB_LISTEN_S * HZ;
	int error = 0;

	sb_wait_begin(&sb->sk, &wait);
	while (!error && sb->circuit && l->answer == 1)
		error = sb_wait_sleep(&sb->sk, &wait, &timeo);
	sb_wait_end(&sb->sk, &wait);
	if (l->answer <= 0)
		return l->answer;
	if (sb->circuit)
		unpublish(sb, ETIMEDOUT);
	return error && error != -EAGAIN ? error : -ETIMEDOUT;
}

static int publish(struct sb_sock *sb)
{
	struct sb_guest_line *line;
	int error;

	if (!wants_publishing(sb))
		return 0;
	release_sock(&sb->sk);
	line = sb_orders_line_wait(SB_LINE_TCP, SB_ATTACH_S * HZ);
	lock_sock(&sb->sk);
	if (IS_ERR(line))
		return PTR_ERR(line) == -ENETUNREACH ? 0 : PTR_ERR(line);
	error = sb->circuit ? -EINVAL : ask(sb, line);
	sb_line_put(line);
	return error ? error : wait_for_answer(sb);
}

static struct sb_listener *create(struct sb_sock *sb)
{
	struct sb_listener *l = kzalloc(sizeof(*l), GFP_KERNEL);

	if (!l)
		return NULL;
	spin_lock_init(&l->lock);
	INIT_LIST_HEAD(&l->queue);
	INIT_LIST_HEAD(&l->waiting);
	INIT_LIST_HEAD(&l->posted);
	INIT_WORK(&l->post, sb_accept_post_work);
	l->posted_target = SB_POSTED_MIN;
	l->entry = SB_ENTRY_NONE;
	l->sk = &sb->sk;
	return l;
}

static int prepare(struct sb_sock *sb)
{
	struct sb_address any = {};

	if (!sb->listener) {
		struct sb_listener *l = create(sb);

		if (!l)
			return -ENOBUFS;
		/* whoever connects may look at it without our lock */
		smp_store_release(&sb->listener, l);
	}
	if (sb->bound.family)
		return 0;
	any.family =
		sb->sk.sk_family == AF_INET ? SB_FAMILY_IPV4 : SB_FAMILY_IPV6;
	return sb_port_bind(sb, &any);
}

static void open_listener(struct sb_sock *sb)
{
	struct sb_listener *l = sb->listener;

	WRITE_ONCE(sb->sk.sk_ack_backlog, 0);
	sb_options_collect(sb);
	spin_lock_bh(&l->lock);
	l->options = sb->options;
	l->open = true;
	spin_unlock_bh(&l->lock);
	sb_stream_state(&sb->sk, TCP_LISTEN);
	sb_accept_post(l);
}

static int begin(struct sb_sock *sb)
{
	int error = prepare(sb);

	if (error)
		return error;
	error = sb_port_listen(sb);
	if (error)
		return error;
	error = publish(sb);
	if (!error && sb->sk.sk_state != TCP_CLOSE)
		error = -EINVAL;
	if (error) {
		sb_port_unlisten(sb);
		return error;
	}
	open_listener(sb);
	return 0;
}

static int listen_locked(struct socket *sock, int backlog)
{
	struct sock *sk = sock->sk;
	struct sb_sock *sb = sb_sk(sk);

	if (sock->state != SS_UNCONNECTED ||
	    (sk->sk_state != TCP_CLOSE && sk->sk_state != TCP_LISTEN))
		return -EINVAL;
	/* a former connection's circuit */
	if (sk->sk_state == TCP_CLOSE && sb->circuit && sb->circuit->pages)
		sb_stream_leave(sb, true);
	WRITE_ONCE(sk->sk_max_ack_backlog, backlog);
	sb->options.set |= SB_OPTION_BACKLOG;
	sb->options.backlog = backlog;
	if (sk->sk_state == TCP_CLOSE)
		return begin(sb);
	sb_options_collect(sb);
	sb_stream_options_changed(sb);
	return 0;
}

int sb_accept_listen(struct socket *sock, int backlog)
{
	struct sock *sk = sock->sk;
	int error;

	lock_sock(sk);
	error = listen_locked(sock, backlog);
	release_sock(sk);
	return error;
}

void sb_accept_options(struct sb_sock *sb)
{
	struct sb_listener *l = sb->listener;

	spin_lock_bh(&l->lock);
	l->options = sb->options;
	spin_unlock_bh(&l->lock);
}

static void drop(struct list_head *list, int error)
{
	struct sb_circuit *c, *next;

	list_for_each_entry_safe(c, next, list, node) {
		list_del_init(&c->node);
		sb_accept_refuse(c, error);
	}
}

/* Ownership held, nobody waits in the queues any more afterwards */
void sb_accept_stop(struct sb_sock *sb)
{
	struct sb_listener *l = sb->listener;
	LIST_HEAD(waiting);
	LIST_HEAD(others);

	rcu_read_lock();
	spin_lock_bh(&l->lock);
	l->open = false;
	l->line = NULL;
	list_splice_init(&l->waiting, &waiting);
	list_splice_init(&l->queue, &others);
	list_splice_tail_init(&l->posted, &others);
	l->posted_count = 0;
	WRITE_ONCE(sb->sk.sk_ack_backlog, 0);
	spin_unlock_bh(&l->lock);
	drop(&waiting, ECONNREFUSED);
	drop(&others, ECONNRESET);
	rcu_read_unlock();
	if (sb->circuit)
		unpublish(sb, ECONNABORTED);
}

void sb_accept_free(struct sb_sock *sb)
{
	if (sb->listener)
		kfree_rcu(sb->listener, rcu);
}

bool sb_accept_pending(const struct sb_sock *sb)
{
	return READ_ONCE(sb->sk.sk_ack_backlog) > 0;
}

static void line_up(struct sock *sk)
{
	struct sb_sock *sb = sb_sk(sk);
	struct sb_guest_line *line;

	line = sb_orders_line(SB_LINE_TCP);
	if (!line)
		return;
	lock_sock(sk);
	if (sk->sk_state == TCP_LISTEN && !sb->circuit && wants_publishing(sb))
		ask(sb, line);
	release_sock(sk);
	sb_line_put(line);
}

static bool is_listening(const struct sock *sk)
{
	return READ_ONCE(sk->sk_state) == TCP_LISTEN;
}

void sb_accept_line_up(void)
{
	sb_sock_visit(is_listening, line_up);
}
