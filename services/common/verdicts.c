// SPDX-License-Identifier: GPL-2.0-only
/*
 * verdicts.c - what the operator said about a line's destinations
 *
 * Slots in a hash with chains, and in one of two lists by age: questions that
 * are open, answers in the order in which they were last used. The guest
 * chooses what is hashed; it does not know the seed, and its chains are its
 * own line's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "services/common/limits.h"
#include "services/common/loop.h"
#include "services/common/verdicts.h"

_Static_assert((VERDICT_BUCKETS & (VERDICT_BUCKETS - 1)) == 0, "a power of "
							       "two");
_Static_assert(LIMIT_LINE_QUESTIONS < LIMIT_LINE_VERDICTS, "a question always "
							   "finds a slot");

/**
 * struct verdict - an open question, or an answer
 * @age:     in verdicts.open or verdicts.answered, oldest first
 * @chain:   next in the same bucket, or next unused
 * @key:     what it is about
 * @is_open: a question
 * @again_ms: when it is asked again; 0: it could not be asked yet
 * @once:    the answer holds for one use
 * @until_ms: when an open question ends, or an answer does; 0: never
 * @answer:  of a question that is not open
 * @waiting: for the answer
 */
struct verdict {
	struct verdict_waiter age;
	struct verdict *chain;
	struct verdict_key key;
	bool is_open;
	bool once;
	uint64_t again_ms;
	uint64_t until_ms;
	struct verdict_answer answer;
	struct verdict_waiter waiting;
};

static void list_init(struct verdict_waiter *list)
{
	list->next = list;
	list->back = list;
}

static bool list_empty(const struct verdict_waiter *list)
{
	return list->next == list;
}

static void list_append(struct verdict_waiter *list, struct verdict_waiter *w)
{
	w->next = list;
	w->back = list->back;
	w->back->next = w;
	list->back = w;
}

static void list_remove(struct verdict_waiter *w)
{
	w->next->back = w->back;
	w->back->next = w->next;
}

/* It waits for nothing any more */
static void release(struct verdict_waiter *w)
{
	list_remove(w);
	w->next = NULL;
	w->back = NULL;
}

static struct verdict *of_age(struct verdict_waiter *age)
{
	return loop_owner(age, struct verdict, age);
}

static bool is_same(const struct verdict_key *a, const struct verdict_key *b)
{
	return a->kind == b->kind &&
	       memcmp(&a->remote, &b->remote, sizeof(a->remote)) == 0 &&
	       memcmp(&a->source, &b->source, sizeof(a->source)) == 0;
}

static uint64_t mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ull;
	return hash ^ hash >> 29;
}

/* Sources are too rare to be worth it */
static struct verdict **bucket_of(struct verdicts *v,
				  const struct verdict_key *key)
{
	uint64_t word[sizeof(key->remote) / sizeof(uint64_t)];
	uint64_t hash = mix(v->seed, key->kind);

	memcpy(word, &key->remote, sizeof(word));
	for (size_t i = 0; i < sizeof(word) / sizeof(word[0]); i++)
		hash = mix(hash, word[i]);
	return &v->bucket[(hash >> 32) & (VERDICT_BUCKETS - 1)];
}

static struct verdict *look_up(struct verdicts *v,
			       const struct verdict_key *key)
{
	struct verdict *found = *bucket_of(v, key);

	while (found && !is_same(&found->key, key))
		found = found->chain;
	return found;
}

/* Out of the hash, its age list and the counts */
static void forget(struct verdicts *v, struct verdict *gone)
{
	struct verdict **at = bucket_of(v, &gone->key);

	while (*at != gone)
		at = &(*at)->chain;
	*at = gone->chain;
	list_remove(&gone->age);
	if (gone->is_open)
		v->questions--;
	else
		v->known--;
	gone->chain = v->unused;
	v->unused = gone;
}

static struct verdict *take_slot(struct verdicts *v)
{
	struct verdict *slot;

	if (!v->unused && v->fresh < LIMIT_LINE_VERDICTS)
		return &v->slot[v->fresh++];
	if (!v->unused)
		forget(v, of_age(v->answered.next));
	slot = v->unused;
	v->unused = slot->chain;
	return slot;
}

static struct verdict *open_question(struct verdicts *v,
				     const struct verdict_key *key,
				     uint64_t now_ms)
{
	struct verdict *question = take_slot(v);
	struct verdict **bucket = bucket_of(v, key);

	*question = (struct verdict){
		.chain = *bucket,
		.key = *key,
		.is_open = true,
		.once = key->kind == IPC_KIND_BIND ||
			key->source.family != SB_FAMILY_NONE,
		.until_ms = now_ms + LIMIT_QUESTION_MS,
	};
	*bucket = question;
	list_init(&question->waiting);
	list_append(&v->open, &question->age);
	v->questions++;
	return question;
}

/* Return: is it on its way? */
static bool ask(struct verdicts *v, struct verdict *question, uint64_t now_ms)
{
	bool asked = v->ask(v, &question->key);

	question->again_ms = asked ? now_ms + LIMIT_ASK_AGAIN_MS : 0;
	return asked;
}

/* As many as there may be questions; each finds its answer or asks */
static void wake_crowd(struct verdicts *v)
{
	uint32_t room = LIMIT_LINE_QUESTIONS - v->questions;

	while (room-- && !list_empty(&v->crowd)) {
		struct verdict_waiter *w = v->crowd.next;

		release(w);
		v->wake(w);
	}
}

static void settle(struct verdicts *v, struct verdict *question,
		   const struct verdict_answer *answer, uint64_t now_ms)
{
	list_remove(&question->age);
	list_append(&v->answered, &question->age);
	if (question->is_open) {
		question->is_open = false;
		v->questions--;
		v->known++;
	}
	question->answer = *answer;
	/* the next call goes there itself; if it does not, things have changed */
	question->once = question->once || answer->direct;
	if (!question->answer.error && answer->to.family == SB_FAMILY_NONE)
		question->answer.to = question->key.remote;
	question->until_ms = answer->error ? now_ms + LIMIT_REFUSAL_MS : 0;
	while (!list_empty(&question->waiting)) {
		struct verdict_waiter *w = question->waiting.next;

		release(w);
		v->wake(w);
	}
	wake_crowd(v);
}

int verdicts_init(struct verdicts *v, uint64_t seed)
{
	v->questions = 0;
	v->known = 0;
	v->seed = mix(seed, sizeof(*v));
	v->unused = NULL;
	v->fresh = 0;
	list_init(&v->crowd);
	list_init(&v->open);
	list_init(&v->answered);
	memset(v->bucket, 0, sizeof(v->bucket));
	v->slot = calloc(LIMIT_LINE_VERDICTS, sizeof(*v->slot));
	return v->slot ? 0 : -ENOMEM;
}

void verdicts_fini(struct verdicts *v)
{
	free(v->slot);
	v->slot = NULL;
}

bool verdicts_find(struct verdicts *v, const struct verdict_key *key,
		   uint64_t now_ms, struct verdict_answer *answer)
{
	struct verdict *found = look_up(v, key);

	if (!found || found->is_open)
		return false;
	if (found->until_ms && now_ms >= found->until_ms) {
		forget(v, found);
		return false;
	}
	*answer = found->answer;
	if (found->once) {
		forget(v, found);
	} else if (found->age.next != &v->answered) {
		list_remove(&found->age);
		list_append(&v->answered, &found->age);
	}
	return true;
}

void verdicts_wait(struct verdicts *v, const struct verdict_key *key,
		   uint64_t now_ms, struct verdict_waiter *w)
{
	struct verdict *question = look_up(v, key);

	if (verdicts_waits(w))
		return;
	if (question && !question->is_open) {
		forget(v, question);
		question = NULL;
	}
	if (!question && v->questions >= LIMIT_LINE_QUESTIONS) {
		list_append(&v->crowd, w);
		return;
	}
	if (!question) {
		question = open_question(v, key, now_ms);
		ask(v, question, now_ms);
	}
	list_append(&question->waiting, w);
}

void verdicts_leave(struct verdict_waiter *w)
{
	if (verdicts_waits(w))
		release(w);
}

bool verdicts_answer(struct verdicts *v, const struct ipc_verdict *verdict,
		     uint64_t now_ms)
{
	const struct verdict_key key = {
		.kind = verdict->question.kind,
		.remote = verdict->question.remote,
		.source = verdict->question.source,
	};
	const struct verdict_answer answer = {
		.error = verdict->error,
		.direct = verdict->direct,
		.to = verdict->to,
		.from = verdict->from,
	};
	struct verdict *question = look_up(v, &key);

	if (!question)
		return false;
	settle(v, question, &answer, now_ms);
	return true;
}

void verdicts_withdraw(struct verdicts *v)
{
	while (!list_empty(&v->answered))
		forget(v, of_age(v->answered.next));
}

static void ask_due(struct verdicts *v, uint64_t now_ms)
{
	struct verdict_waiter *at;

	for (at = v->open.next; at != &v->open; at = at->next) {
		struct verdict *question = of_age(at);

		/* what cannot be asked now: the rest has no better luck */
		if (now_ms >= question->again_ms && !ask(v, question, now_ms))
			return;
	}
}

void verdicts_ask_again(struct verdicts *v, uint64_t now_ms)
{
	struct verdict_waiter *at;

	for (at = v->open.next; at != &v->open; at = at->next)
		of_age(at)->again_ms = 0;
	ask_due(v, now_ms);
}

void verdicts_sweep(struct verdicts *v, uint64_t now_ms)
{
	static const struct verdict_answer overdue = { .error = ENETUNREACH };

	while (!list_empty(&v->open) &&
	       now_ms >= of_age(v->open.next)->until_ms)
		settle(v, of_age(v->open.next), &overdue, now_ms);
	ask_due(v, now_ms);
	wake_crowd(v);
}

bool verdicts_busy(const struct verdicts *v)
{
	return v->questions || !list_empty(&v->crowd);
}
