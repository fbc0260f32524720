// SPDX-License-Identifier: GPL-2.0-only
/*
 * accept.c - listening sockets
 *
 * A listener has an entry of its own in the line's table, without pages, and
 * posts circuits to it in advance: the proxy puts a connection into one of
 * them, rings, and the circuit moves to the queue. In-guest connections join
 * the same queue. accept() turns a queued circuit into a socket.
 *
 * A listener bound to a loopback address, or in a guest without Dom0's
 * service, only has in-guest connections. When a line comes up (again) every
 * listener that should be published is.
 */
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "switchboard.h"

static const u32 abandon = SB_OWNER_CLOSED | SB_WORD_FIN | SB_WORD_STOP;

/* ---- the queues; listener->lock held ---- */

static u32 posted_wanted(const struct sb_listener *l)
{
	u32 room = 0, queued = READ_ONCE(l->sk->sk_ack_backlog);

	if (queued <= READ_ONCE(l->sk->sk_max_ack_backlog))
		room = READ_ONCE(l->sk->sk_max_ack_backlog) + 1 - queued;
	return l->open && l->line ? min(room, l->posted_target) : 0;
}

static void unpost(struct sb_listener *l, struct sb_circuit *c)
{
	list_del_init(&c->node);
	l->posted_count--;
	RCU_INIT_POINTER(c->listener, NULL);
}

static void post_one(struct sb_listener *l, struct sb_circuit *c)
{
	struct sb_entry *e = c->entry;

	rcu_assign_pointer(c->listener, l);
	e->listener = l->entry;
	e->options = l->options;
	list_add_tail(&c->node, &l->posted);
	l->posted_count++;
	/* the bell finds the listener when it finds this state */
	smp_store_release(&c->state, SB_CIRCUIT_POSTED);
	sb_store_full(&e->owner, sb_word(c->generation, SB_OWNER_OFFERED));
	sb_circuit_ring(c, SB_OWNER);
	/* the line may have been lost before anybody could tell us */
	if (READ_ONCE(c->lost)) {
		unpost(l, c);
		sb_circuit_leave(c, SB_OWNER, abandon);
	}
}

/* From the pool only; true when there are as many as there should be */
static bool post_ready(struct sb_listener *l)
{
	struct sb_circuit *c;

	while (l->posted_count < posted_wanted(l)) {
		c = sb_pool_take(l->line, false);
		if (IS_ERR(c))
			return false;
		post_one(l, c);
	}
	return true;
}

/* Post what is missing, soon and in process context */
void sb_accept_post(struct sb_listener *l)
{
	sock_hold(l->sk);
	if (!queue_work(sb_workqueue, &l->post))
		sock_put(l->sk);
}

static void enqueue(struct sb_listener *l, struct sb_circuit *c)
{
	c->state = SB_CIRCUIT_QUEUED;
	list_add_tail(&c->node, &l->queue);
	sk_acceptq_added(l->sk);
}

static struct sb_circuit *dequeue(struct sb_listener *l)
{
	struct sb_circuit *c;

	c = list_first_entry_or_null(&l->queue, struct sb_circuit, node);
	if (!c)
		return NULL;
	list_del_init(&c->node);
	sk_acceptq_removed(l->sk);
	RCU_INIT_POINTER(c->listener, NULL);
	return c;
}

/* An in-guest circuit is connected as soon as it is queued */
static void enqueue_in_guest(struct sb_listener *l, struct sb_circuit *c)
{
	sb_store_full(&c->entry->peer, sb_word(c->generation, SB_WORD_LIVE));
	enqueue(l, c);
}

/* ---- posting ---- */

/* Work: makes circuits when the pool has none. One at a time, unlocked */
void sb_accept_post_work(struct work_struct *work)
{
	struct sb_listener *l = container_of(work, struct sb_listener, post);
	struct sock *sk = l->sk;
	struct sb_circuit *c;

	lock_sock(sk);
	for (;;) {
		spin_lock_bh(&l->lock);
		if (post_ready(l)) {
			spin_unlock_bh(&l->lock);
			break;
		}
		spin_unlock_bh(&l->lock);
		/* the line stays while the listener's entry is ours */
		c = sb_pool_take(l->line, true);
		if (IS_ERR(c))
			break;
		spin_lock_bh(&l->lock);
		post_one(l, c);
		spin_unlock_bh(&l->lock);
	}
	release_sock(sk);
	sock_put(sk);
}

/* The pool ran out of posted circuits: more next time */
static void post_after(struct sb_listener *l)
{
	if (!l->posted_count)
		l->posted_target = min(2 * l->posted_target, SB_POSTED_MAX);
	if (!post_ready(l))
		sb_accept_post(l);
}

/* In the line's tasklet, under RCU */
void sb_accept_bell(struct sb_circuit *c)
{
	struct sb_listener *l = rcu_dereference(c->listener);
	u32 word = sb_load(&c->entry->peer);
	bool opened = false, ended = false;

	if (!l || sb_word_generation(word) != c->generation)
		return;
	spin_lock_bh(&l->lock);
	if (l->open && c->state == SB_CIRCUIT_POSTED &&
	    sb_word_state(word) >= SB_PEER_OPEN) {
		unpost(l, c);
		/* opened and ended already counts as opened */
		opened = sb_word_state(word) == SB_PEER_OPEN ||
			 !sb_load(&c->entry->error);
		ended = !opened;
		if (opened) {
			rcu_assign_pointer(c->listener, l);
			enqueue(l, c);
			sb_count(&sb_counters.circuits_opened);
		}
		post_after(l);
	}
	spin_unlock_bh(&l->lock);
	if (ended)
		sb_circuit_leave(c, SB_OWNER, abandon);
	if (opened)
		l->sk->sk_data_ready(l->sk);
}

void sb_accept_lost(struct sb_circuit *c)
{
	struct sb_listener *l = rcu_dereference(c->listener);
	bool was_posted;

	if (!l)
		return;
	spin_lock_bh(&l->lock);
	was_posted = c->state == SB_CIRCUIT_POSTED && !list_empty(&c->node);
	if (was_posted)
		unpost(l, c);
	spin_unlock_bh(&l->lock);
	/* a queued one is accepted, and tells the program that it was reset */
	if (was_posted)
		sb_circuit_leave(c, SB_OWNER, abandon);
}

/* ---- in-guest connections ---- */

int sb_accept_join(struct sb_sock *listening, struct sb_circuit *c)
{
	struct sb_listener *l = READ_ONCE(listening->listener);
	bool queued = false;

	if (!l)
		return -ECONNREFUSED;
	spin_lock_bh(&l->lock);
	if (!l->open) {
		spin_unlock_bh(&l->lock);
		return -ECONNREFUSED;
	}
	rcu_assign_pointer(c->listener, l);
	if (!sk_acceptq_is_full(l->sk)) {
		enqueue_in_guest(l, c);
		queued = true;
	} else {
		list_add_tail(&c->node, &l->waiting);
	}
	spin_unlock_bh(&l->lock);
	if (queued)
		l->sk->sk_data_ready(l->sk);
	return 0;
}

/* Out of the lists of a listener that is not about to empty them itself */
static bool take_out(struct sb_circuit *c, bool queued_too)
{
	struct sb_listener *l;
	bool taken = false, queued;

	rcu_read_lock();
	l = rcu_dereference(c->listener);
	if (l) {
		spin_lock_bh(&l->lock);
		queued = c->state == SB_CIRCUIT_QUEUED;
		taken = l->open && !list_empty(&c->node) &&
			(queued_too || !queued);
		if (taken) {
			list_del_init(&c->node);
			RCU_INIT_POINTER(c->listener, NULL);
		}
		if (taken && queued)
			sk_acceptq_removed(l->sk);
		spin_unlock_bh(&l->lock);
	}
	rcu_read_unlock();
	return taken;
}

/* Waiting is joined, but not told so yet */
bool sb_accept_unjoin(struct sb_circuit *c)
{
	return take_out(c, false);
}

bool sb_accept_withdraw(struct sb_circuit *c)
{
	return take_out(c, true);
}

/* There is room in the queue again: the next that waits is connected */
static struct sb_circuit *admit(struct sb_listener *l)
{
	struct sb_circuit *c;

	c = list_first_entry_or_null(&l->waiting, struct sb_circuit, node);
	if (!c || sk_acceptq_is_full(l->sk))
		return NULL;
	list_del_init(&c->node);
	enqueue_in_guest(l, c);
	return c;
}

/* ---- accept() ---- */

static struct sb_circuit *take_queued(struct sb_listener *l)
{
	struct sb_circuit *c, *admitted = NULL;

	rcu_read_lock();
	spin_lock_bh(&l->lock);
	c = dequeue(l);
	if (c) {
		/* from here on a bell finds a socket, or nothing */
		c->state = SB_CIRCUIT_BUSY;
		admitted = admit(l);
		if (!post_ready(l))
			sb_accept_post(l);
	}
	spin_unlock_bh(&l->lock);
	if (admitted)
		sb_circuit_ring(admitted, SB_PEER);
	rcu_read_unlock();
	return c;
}

static enum sb_side accepted_side(const struct sb_circuit *c)
{
	return c->line ? SB_OWNER : SB_PEER;
}

/* Under RCU: a queued, waiting or posted circuit that nobody will accept */
void sb_accept_refuse(struct sb_circuit *c, int error)
{
	if (c->line)
		c->entry->owner_error = error;
	else
		c->entry->error = error;
	RCU_INIT_POINTER(c->listener, NULL);
	sb_circuit_leave(c, accepted_side(c), abandon | SB_WORD_RESET);
}

/* Linux copies the whole socket; these are the parts that programs notice */
static void inherit(struct sock *sk, const struct sock *from)
{
	sk->sk_sndbuf = from->sk_sndbuf;
	sk->sk_rcvbuf = from->sk_rcvbuf;
	sk->sk_rcvlowat = from->sk_rcvlowat;
	sk->sk_rcvtimeo = from->sk_rcvtimeo;
	sk->sk_sndtimeo = from->sk_sndtimeo;
	sk->sk_lingertime = from->sk_lingertime;
	sk->sk_priority = from->sk_priority;
	sk->sk_mark = from->sk_mark;
	sk->sk_reuse = from->sk_reuse;
	sk->sk_reuseport = from->sk_reuseport;
	sk->sk_ipv6only = from->sk_ipv6only;
	sk->sk_userlocks = from->sk_userlocks & ~SOCK_BINDPORT_LOCK;
	sk->sk_flags |=
		from->sk_flags &
		(BIT(SOCK_LINGER) | BIT(SOCK_KEEPOPEN) | BIT(SOCK_URGINLINE) |
		 BIT(SOCK_DBG) | BIT(SOCK_LOCALROUTE) | BIT(SOCK_BROADCAST));
	sb_sk(sk)->options = sb_sk(from)->options;
	sb_sk(sk)->hints = sb_sk(from)->hints;
	sb_sk(sk)->options.set &= ~SB_OPTION_BACKLOG;
	sb_sk(sk)->options.backlog = 0;
}

static void adopt(struct sock *sk, struct sb_circuit *c)
{
	struct sb_sock *sb = sb_sk(sk);

	lock_sock(sk);
	/* its state until the word is looked at, right here */
	sb_stream_state(sk, TCP_ESTABLISHED);
	sb_stream_attach(sb, c, accepted_side(c));
	sb_stream_names(sb);
	sb_stream_look(sb);
	if (c->line &&
	    memcmp(&c->entry->options, &sb->options, sizeof(sb->options)))
		sb_stream_options_changed(sb);
	release_sock(sk);
}

static struct sock *make_socket(struct sock *listening, struct sb_circuit *c)
{
	struct sb_sock *sb;

	sb = sb_sock_create(sock_net(listening), listening->sk_family, 0,
			    GFP_KERNEL);
	if (!sb) {
		rcu_read_lock();
		sb_accept_refuse(c, ECONNRESET);
		rcu_read_unlock();
		return NULL;
	}
	sb->sk.sk_type = SOCK_STREAM;
	inherit(&sb->sk, listening);
	adopt(&sb->sk, c);
	return &sb->sk;
}

static int wait_for_queue(struct sock *sk, long timeo, struct sb_circuit **c)
{
	struct sb_listener *l = sb_sk(sk)->listener;
	struct wait_queue_entry wait;
	int error = 0;

	sb_wait_begin(sk, &wait);
	for (;;) {
		if (sk->sk_state != TCP_LISTEN) {
			error = -EINVAL;
			break;
		}
		*c = take_queued(l);
		if (*c)
			break;
		error = sb_wait_sleep(sk, &wait, &timeo);
		if (error)
			break;
	}
	sb_wait_end(sk, &wait);
	return error;
}

int sb_accept(struct socket *sock, struct socket *newsock, int flags, bool kern)
{
	struct sock *sk = sock->sk, *child;
	struct sb_circuit *c = NULL;
	int error;

	lock_sock(sk);
	error = sk->sk_state == TCP_LISTEN ? 0 : -EINVAL;
	if (!error)
		error = wait_for_queue(
			sk, sock_rcvtimeo(sk, flags & O_NONBLOCK), &c);
	release_sock(sk);
	if (error)
		return error;
	child = make_socket(sk, c);
	if (!child)
		return -ENOBUFS;
	sock_graft(child, newsock);
	newsock->state = SS_CONNECTED;
	return 0;
}
