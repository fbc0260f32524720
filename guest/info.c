// SPDX-License-Identifier: GPL-2.0-only
/*
 * info.c - what the peer's socket is doing, and what it should do
 */
#include <linux/sched/signal.h>

#include "switchboard.h"

/* Connections without a proxy have no segments: what a fast loopback would say */
static void synthesise(const struct sb_sock *sb, struct sb_info *info)
{
	info->rtt_us = 10;
	info->rttvar_us = 5;
	info->snd_mss = 32768;
	info->rcv_mss = 32768;
	info->snd_cwnd = 10;
	info->tcp_state = sb->sk.sk_state;
}

static bool has_answered(const struct sb_circuit *c, u32 seq)
{
	return sb_load(&c->entry->info_ack) == seq;
}

static bool wait_for_answer(struct sb_sock *sb, struct sb_circuit *c, u32 seq)
{
	long timeo = msecs_to_jiffies(SB_INFO_MS);
	struct wait_queue_entry wait;
	bool done;

	sb_wait_begin(&sb->sk, &wait);
	set_bit(SB_SOCK_ASKS, &sb->flags);
	while (!(done = has_answered(c, seq))) {
		if (sb_wait_sleep(&sb->sk, &wait, &timeo))
			break;
		/* another process may have closed it meanwhile */
		if (sb->circuit != c)
			break;
	}
	clear_bit(SB_SOCK_ASKS, &sb->flags);
	sb_wait_end(&sb->sk, &wait);
	return done && sb->circuit == c;
}

int sb_stream_info(struct sb_sock *sb, struct sb_info *info)
{
	struct sb_circuit *c = sb->circuit;
	unsigned int tries = 0;
	bool answered;
	u32 seq;

	memset(info, 0, sizeof(*info));
	if (!c || !c->pages || sb->sk.sk_state == TCP_SYN_SENT)
		return -ENOTCONN;
	if (!sb_circuit_is_proxied(c)) {
		synthesise(sb, info);
		return 0;
	}
	do {
		c = sb->circuit;
		if (!c || sb_word_state(sb->seen) == SB_WORD_CLOSED)
			return -ENOTCONN;
		seq = c->entry->info_seq + 1;
		sb_store(&c->entry->info_seq, seq);
		sb_circuit_ring(c, sb->side);
		answered = wait_for_answer(sb, c, seq);
		/* exchanged meanwhile: the other one is answered */
	} while (!answered && sb->circuit != c && tries++ < SB_INFO_TRIES);
	if (!answered)
		return -ETIMEDOUT;
	memcpy(info, &c->entry->info, sizeof(*info));
	return 0;
}

void sb_stream_options_changed(struct sb_sock *sb)
{
	struct sb_circuit *c = sb->circuit;

	if (sb->listener)
		sb_accept_options(sb);
	if (!c || !sb_circuit_is_proxied(c))
		return;
	c->entry->options = sb->options;
	sb_store(&c->entry->options_seq, c->entry->options_seq + 1);
	sb_circuit_ring(c, sb->side);
}
