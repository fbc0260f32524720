// SPDX-License-Identifier: GPL-2.0-only
/*
 * guest_trunk.c - a test guest's line to the operator
 */
#include <errno.h>
#include <string.h>

#include "tests/local/guest_trunk.h"

static int grant_pages(struct guest *g, uint32_t frame, uint32_t count,
		       uint32_t *gref)
{
	for (uint32_t i = 0; i < count; i++) {
		gref[i] = guest_grant(g, frame + i, LOCAL_DOMAIN_SERVICES);
		if (!gref[i])
			return -ENOSPC;
	}
	return 0;
}

int guest_trunk_make(struct guest *g)
{
	struct guest_trunk *t = &g->trunk;
	uint32_t frame = guest_pages_get(g, 1 + 2 * SB_TRUNK_AREA_PAGES);
	uint32_t rx_frame = frame + 1 + SB_TRUNK_AREA_PAGES;
	int error;

	if (!frame)
		return -ENOMEM;
	t->page = guest_page(g, frame);
	t->tx = guest_page(g, frame + 1);
	t->rx = guest_page(g, rx_frame);
	t->page->magic = SB_TRUNK_MAGIC;
	t->page->version = SB_TRUNK_VERSION;
	error = grant_pages(g, frame, 1, &t->gref);
	if (!error)
		error = grant_pages(g, frame + 1, SB_TRUNK_AREA_PAGES,
				    t->page->tx_gref);
	if (!error)
		error = grant_pages(g, rx_frame, SB_TRUNK_AREA_PAGES,
				    t->page->rx_gref);
	if (error)
		return error;
	sb_writer_resume(&t->writer, t->page->index, SB_OWNER,
			 SB_TRUNK_AREA_BYTES);
	sb_reader_resume(&t->reader, t->page->index, SB_OWNER,
			 SB_TRUNK_AREA_BYTES);
	return guest_channel_allocate(g, &t->channel, LOCAL_DOMAIN_SERVICES);
}

int guest_trunk_connect(struct guest *g, int timeout_ms)
{
	int error = guest_device_wait(g, LOCAL_STATE_INIT_WAIT, timeout_ms);

	if (!error && !g->trunk.page)
		error = guest_trunk_make(g);
	if (!error)
		error = guest_device_set(g, LOCAL_STATE_INITIALISED);
	if (!error)
		error = guest_device_wait(g, LOCAL_STATE_CONNECTED, timeout_ms);
	if (!error)
		error = guest_device_set(g, LOCAL_STATE_CONNECTED);
	return error;
}

int guest_trunk_disconnect(struct guest *g, int timeout_ms)
{
	struct guest_trunk *t = &g->trunk;
	uint32_t frame = guest_frame(g, t->page);
	uint32_t pages = 1 + 2 * SB_TRUNK_AREA_PAGES;
	int error = guest_device_set(g, LOCAL_STATE_CLOSING);

	if (!error)
		error = guest_device_wait(g, LOCAL_STATE_CLOSED, timeout_ms);
	if (error)
		return error;
	for (uint32_t gref = 0; gref < LOCAL_GRANTS && !error; gref++)
		if (g->grant[gref].flags & LOCAL_GRANT_PERMITTED &&
		    g->grant[gref].frame - frame < pages)
			error = guest_grant_end(g, gref);
	if (error)
		return error;
	guest_channel_free(g, &t->channel);
	guest_pages_put(g, frame, pages);
	t->page = NULL;
	return guest_device_set(g, LOCAL_STATE_CLOSED);
}

int guest_trunk_send(struct guest *g, const struct sb_message *m)
{
	struct guest_trunk *t = &g->trunk;
	int64_t space = sb_writer_space(&t->writer);

	if (space < 0)
		return space;
	if (space < (int64_t)sizeof(*m))
		return -EAGAIN;
	memcpy(t->tx + sb_writer_offset(&t->writer), m, sizeof(*m));
	sb_writer_advance(&t->writer, sizeof(*m));
	if (sb_writer_publish(&t->writer))
		guest_channel_notify(&t->channel);
	return 0;
}

int guest_trunk_receive(struct guest *g, struct sb_message *m, int timeout_ms)
{
	struct guest_trunk *t = &g->trunk;
	uint64_t end_ms = guest_now_ms() + timeout_ms;
	int64_t held;

	for (;;) {
		uint64_t now_ms = guest_now_ms();

		held = sb_reader_arm(&t->reader, sizeof(*m));
		if (held < 0)
			return held;
		if (held >= (int64_t)sizeof(*m))
			break;
		if (now_ms >= end_ms)
			return -ETIMEDOUT;
		guest_channel_wait(&t->channel, end_ms - now_ms);
	}
	memcpy(m, t->rx + sb_reader_offset(&t->reader), sizeof(*m));
	sb_reader_advance(&t->reader, sizeof(*m));
	if (sb_reader_release(&t->reader))
		guest_channel_notify(&t->channel);
	return 0;
}

int guest_trunk_expect(struct guest *g, enum sb_message_type type,
		       struct sb_message *m, int timeout_ms)
{
	int error = guest_trunk_receive(g, m, timeout_ms);

	return error ? error : m->type == type ? 0 : -EBADMSG;
}

int guest_request_line_ready(const struct guest_line *l)
{
	struct sb_message m = { .type = SB_MESSAGE_LINE_READY,
				.line = l->number,
				.gref = l->header_gref,
				.port = l->channel.port };

	return guest_trunk_send(l->guest, &m);
}

int guest_request_line_gone(struct guest *g, uint32_t line)
{
	struct sb_message m = { .type = SB_MESSAGE_LINE_GONE, .line = line };

	return guest_trunk_send(g, &m);
}

int guest_request_listen(const struct guest_circuit *c,
			 const struct sb_address *local, uint32_t backlog)
{
	struct sb_message m = { .type = SB_MESSAGE_LISTEN,
				.line = c->line->number,
				.entry = c->entry,
				.generation = c->generation,
				.backlog = backlog,
				.local = *local };

	return guest_trunk_send(c->line->guest, &m);
}

struct guest_line *guest_start_line(struct guest *g, int timeout_ms)
{
	struct guest_line *l = NULL;
	struct sb_message m;
	int error = guest_trunk_connect(g, timeout_ms);

	while (!error) {
		error = guest_trunk_receive(g, &m, timeout_ms);
		if (error ||
		    (m.type == SB_MESSAGE_LINE_WANTED && m.kind == SB_LINE_TCP))
			break;
	}
	if (!error) {
		l = guest_line_new(g, m.line, m.kind, m.domain);
		error = l ? guest_request_line_ready(l) : -ENOMEM;
	}
	if (!error)
		error = guest_line_wait_attached(l, timeout_ms);
	if (!error)
		return l;
	guest_line_free(l);
	errno = -error;
	return NULL;
}
