/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * questions.c - what a proxy asks about a guest's destinations
 *
 * A guest calls without asking the operator: the proxy does, once for each
 * destination, and uses the verdict until it is withdrawn. So nothing here may
 * depend on what changes without lines_withdraw_all(); what does - who listens
 * where - only goes into verdicts that hold for one call.
 */
#include <errno.h>
#include <string.h>

#include "services/operator/introductions.h"
#include "services/operator/policy.h"

/* How many calls that refuses is the proxy's to count */
static int refuse(struct guest *g, enum operator_counter counter, int error)
{
	g->op->counter[counter]++;
	return error;
}

static void log_refusal(struct guest *g, const char *what,
			const struct sb_address *a)
{
	char text[ADDRESS_TEXT_BYTES];

	log_guest(&g->limit, LOG_LEVEL_NOTICE, g->domain, g->name,
		  "%s %s refused by policy", what,
		  address_port_text(a, text, sizeof(text)));
}

/* A datagram to port 0 is no UDP: it is an echo, for ping */
static uint32_t protocol_of(const struct ipc_question *q)
{
	if (q->kind == IPC_KIND_STREAM)
		return CONFIG_TCP;
	return q->remote.port ? CONFIG_UDP : CONFIG_ICMP;
}

/* Another guest's, and straight to it? */
static bool meet(struct guest *g, const struct ipc_question *q,
		 const struct sb_address *remote)
{
	struct introduction_place place = {
		.to = *remote,
		.kind = q->kind == IPC_KIND_STREAM ? SB_ENTRY_STREAM
						   : SB_ENTRY_DATAGRAM,
	};

	return introduction_wanted(g, &place);
}

/* Return: 0, with where to go and where from, or an errno for the guest */
static int judge_connect(struct guest *g, const struct ipc_question *q,
			 struct ipc_verdict *v)
{
	struct operator_service *o = g->op;
	struct sb_address remote = address_unmap(&q->remote);
	uint32_t protocol = protocol_of(q);
	int error = policy_connect(o->config, g->config, &o->host, protocol,
				   &remote);

	if (error) {
		log_refusal(g,
			    q->kind == IPC_KIND_STREAM ? "connect to"
						       : "datagrams to",
			    &remote);
		return refuse(g, COUNT_REFUSED_POLICY, error);
	}
	v->direct = meet(g, q, &remote);
	if (v->direct && q->kind == IPC_KIND_STREAM)
		return 0;
	/* a datagram may have to go through the proxy all the same */
	error = policy_route(o->config, protocol, &remote);
	if (error)
		return refuse(g, COUNT_REFUSED_POLICY, error);
	v->to = remote;
	v->from = request_source(g, &q->source, remote.family);
	return 0;
}

static int judge_bind(struct guest *g, const struct ipc_question *q,
		      struct ipc_verdict *v)
{
	struct sb_address local = address_unmap(&q->remote);

	if (!local.port ||
	    policy_publish(g->config, CONFIG_UDP, &local, &v->to)) {
		log_refusal(g, "bind to", &local);
		return refuse(g, COUNT_REFUSED_POLICY, EACCES);
	}
	return 0;
}

static bool makes_sense(const struct ipc_question *q)
{
	return address_valid(&q->remote) &&
	       (q->source.family == SB_FAMILY_NONE ||
		address_valid(&q->source));
}

void question_handle(struct line *l, const struct ipc_question *q)
{
	struct guest *g = l->guest;
	struct ipc_message *m = endpoint_draft(IPC_ORDER_VERDICT);
	struct ipc_verdict *v = &m->verdict;
	int error;

	memset(v, 0, sizeof(*v));
	v->question = *q;
	g->op->counter[COUNT_QUESTIONS]++;
	if (!makes_sense(q))
		error = refuse(g, COUNT_REFUSED_MALFORMED, EINVAL);
	else if (q->kind == IPC_KIND_BIND)
		error = judge_bind(g, q, v);
	else
		error = judge_connect(g, q, v);
	v->error = (uint32_t)error;
	if (!error)
		g->op->counter[COUNT_ALLOWED]++;
	/* what cannot be sent now is asked again */
	proxy_send(l->proxy, m);
}
