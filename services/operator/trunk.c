/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * trunk.c - the operator's end of a guest's trunk
 */
#include <errno.h>
#include <string.h>

#include "services/operator/trunk.h"

#define MESSAGE_BYTES ((uint32_t)sizeof(struct sb_message))
#define MESSAGE_WORDS (MESSAGE_BYTES / 4)

/* Each word once: what is checked afterwards is what was copied */
static void copy_out(struct sb_message *to, const void *from)
{
	uint32_t word[MESSAGE_WORDS];
	unsigned int i;

	for (i = 0; i < MESSAGE_WORDS; i++)
		word[i] = sb_load((const uint32_t *)from + i);
	memcpy(to, word, sizeof(word));
}

static int check_header(const struct sb_trunk *page, const char **why)
{
	*why = "the trunk's magic is wrong";
	if (sb_load(&page->magic) != SB_TRUNK_MAGIC)
		return -EPROTO;
	*why = "the trunk's version is not known";
	if (__atomic_load_n(&page->version, __ATOMIC_ACQUIRE) !=
	    SB_TRUNK_VERSION)
		return -EPROTO;
	return 0;
}

static int resume_rings(struct trunk *t, const char **why)
{
	*why = "the trunk's indexes contradict each other";
	if (sb_reader_resume(&t->reader, t->page->index, SB_PEER,
			     SB_TRUNK_AREA_BYTES) ||
	    sb_writer_resume(&t->writer, t->page->index, SB_PEER,
			     SB_TRUNK_AREA_BYTES))
		return -EPROTO;
	if (t->reader.consumed % MESSAGE_BYTES ||
	    t->writer.produced % MESSAGE_BYTES)
		return -EPROTO;
	return 0;
}

static void *map_area(struct trunk *t, uint32_t domain, const uint32_t *shared)
{
	uint32_t gref[SB_TRUNK_AREA_PAGES];
	unsigned int i;

	for (i = 0; i < SB_TRUNK_AREA_PAGES; i++)
		gref[i] = sb_load(&shared[i]);
	return hypervisor_map(t->hypervisor, domain, gref, SB_TRUNK_AREA_PAGES);
}

static int map_pages(struct trunk *t, const struct hypervisor_guest *guest,
		     const char **why)
{
	int err;

	*why = "the trunk's header cannot be mapped";
	t->page = hypervisor_map(t->hypervisor, guest->domain, &guest->gref, 1);
	if (!t->page)
		return -errno;
	err = check_header(t->page, why);
	if (err)
		return err;
	*why = "the trunk's rings cannot be mapped";
	t->tx = map_area(t, guest->domain, t->page->tx_gref);
	if (!t->tx)
		return -errno;
	t->rx = map_area(t, guest->domain, t->page->rx_gref);
	return t->rx ? 0 : -errno;
}

int trunk_attach(struct trunk *t, struct hypervisor *h,
		 const struct hypervisor_guest *guest, uint32_t epoch,
		 const char **why)
{
	int err;

	memset(t, 0, sizeof(*t));
	t->hypervisor = h;
	t->channel = -1;
	err = map_pages(t, guest, why);
	if (!err)
		err = resume_rings(t, why);
	if (!err) {
		*why = "the trunk's event channel cannot be bound";
		t->channel = hypervisor_bind(h, guest->domain, guest->port);
		err = t->channel < 0 ? t->channel : 0;
	}
	if (err) {
		trunk_detach(t);
		return err;
	}
	t->taken_over = sb_load(&t->page->peer_version) != 0;
	t->features = sb_load(&t->page->features) & SB_TRUNK_DATAGRAMS;
	sb_store(&t->page->peer_features, t->features);
	sb_store(&t->page->peer_epoch, epoch);
	sb_store(&t->page->peer_version, SB_TRUNK_VERSION);
	/* whatever the last operator's death swallowed */
	hypervisor_notify(h, t->channel);
	return 0;
}

void trunk_detach(struct trunk *t)
{
	if (t->channel >= 0 && t->hypervisor)
		hypervisor_unbind(t->hypervisor, t->channel);
	if (t->rx)
		hypervisor_unmap(t->hypervisor, t->rx, SB_TRUNK_AREA_PAGES);
	if (t->tx)
		hypervisor_unmap(t->hypervisor, t->tx, SB_TRUNK_AREA_PAGES);
	if (t->page)
		hypervisor_unmap(t->hypervisor, t->page, 1);
	t->page = NULL;
	t->tx = NULL;
	t->rx = NULL;
	t->channel = -1;
	t->queued = 0;
}

int trunk_peek(struct trunk *t, struct sb_message *m)
{
	if (sb_reader_held(&t->reader) < MESSAGE_BYTES) {
		int64_t held = sb_reader_available(&t->reader);

		if (held < 0)
			return -EPROTO;
		if (held < MESSAGE_BYTES)
			return 0;
	}
	copy_out(m, t->tx + sb_reader_offset(&t->reader));
	return 1;
}

void trunk_consume(struct trunk *t)
{
	sb_reader_advance(&t->reader, MESSAGE_BYTES);
}

/* Return: 0, -EAGAIN, -EPROTO */
static int write_message(struct trunk *t, const struct sb_message *m)
{
	if (sb_writer_room(&t->writer) < MESSAGE_BYTES) {
		int64_t room = sb_writer_space(&t->writer);

		if (room < 0)
			return -EPROTO;
		if (room < MESSAGE_BYTES)
			return -EAGAIN;
	}
	memcpy(t->rx + sb_writer_offset(&t->writer), m, sizeof(*m));
	sb_writer_advance(&t->writer, MESSAGE_BYTES);
	return 0;
}

int trunk_send(struct trunk *t, const struct sb_message *m)
{
	int err = t->queued ? -EAGAIN : write_message(t, m);

	if (err != -EAGAIN)
		return err;
	if (t->queued == LIMIT_TRUNK_ANSWERS)
		return -ENOBUFS;
	t->queue[(t->queue_at + t->queued) % LIMIT_TRUNK_ANSWERS] = *m;
	t->queued++;
	return 0;
}

int trunk_flush(struct trunk *t)
{
	while (t->queued) {
		int err = write_message(t, &t->queue[t->queue_at]);

		if (err)
			return err == -EAGAIN ? 0 : err;
		t->queue_at = (t->queue_at + 1) % LIMIT_TRUNK_ANSWERS;
		t->queued--;
	}
	return 0;
}

void trunk_publish(struct trunk *t)
{
	bool wake = sb_writer_publish(&t->writer);

	if (sb_reader_release(&t->reader))
		wake = true;
	if (wake)
		hypervisor_notify(t->hypervisor, t->channel);
}

int trunk_arm(struct trunk *t)
{
	int64_t amount;

	if (t->queued) {
		amount = sb_writer_arm(&t->writer, MESSAGE_BYTES);
		if (amount < 0)
			return -EPROTO;
		return amount >= MESSAGE_BYTES;
	}
	amount = sb_reader_arm(&t->reader, MESSAGE_BYTES);
	if (amount < 0)
		return -EPROTO;
	return amount >= MESSAGE_BYTES;
}
