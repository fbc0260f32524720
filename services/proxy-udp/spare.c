// SPDX-License-Identifier: GPL-2.0-only
/*
 * spare.c - a socket that one of a guest's has used serves the next one
 *
 * Programs that open a socket for each question make the making of sockets
 * what an answer costs most. So a socket that a guest's closes is kept, if it
 * was a plain client's: its port is given back (a connect() to nothing does
 * that), so that the next one has another port, and it is empty. One for which
 * that is not so is closed. A few are kept for each guest, and go to nobody
 * else.
 *
 * System calls: connect, recvfrom, getsockopt.
 */
#include <errno.h>
#include <linux/sock_diag.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "services/common/limits.h"
#include "services/proxy-udp/udp.h"

/* Has it nothing about it that the next one does not expect? */
static bool is_plain(const struct outlet *o)
{
	return !outlet_rests(o) && !o->protocol && !o->published && !o->open &&
	       !o->joined && !o->failed &&
	       (o->dual || o->family == SB_FAMILY_IPV4) &&
	       (o->buffer == LIMIT_SOCKET_BUFFER_DEFAULT ||
		o->options.set & SB_OPTION_RCVBUF);
}

static bool give_port_back(int fd)
{
	const struct sockaddr nothing = { .sa_family = AF_UNSPEC };
	char byte;

	if (connect(fd, &nothing, sizeof(nothing)) < 0)
		return false;
	return recv(fd, &byte, sizeof(byte), MSG_DONTWAIT) < 0 &&
	       errno == EAGAIN;
}

/* What it has dropped is not the next one's. Return: is it known? */
static bool read_drops(int fd, uint32_t *drops)
{
	uint32_t memory[SK_MEMINFO_VARS];
	socklen_t bytes = sizeof(memory);

	if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, memory, &bytes) < 0 ||
	    bytes <= SK_MEMINFO_DROPS * sizeof(memory[0]))
		return false;
	*drops = memory[SK_MEMINFO_DROPS];
	return true;
}

bool spare_keep(struct udp_line *ul, struct outlet *o)
{
	struct outlet kept = { .watch = o->watch,
			       .loop = o->loop,
			       .family = o->family,
			       .dual = o->dual,
			       .options = o->options,
			       .once = o->once,
			       .turn = o->turn,
			       .counts_drops = o->counts_drops,
			       .newer = ul->spare };

	if (ul->spares >= LIMIT_LINE_SPARES || !is_plain(o) ||
	    !give_port_back(o->watch.fd) ||
	    !read_drops(o->watch.fd, &kept.kernel_drops))
		return false;
	free(o->route);
	*o = kept;
	if (o->once)
		outlet_tell(o, false);
	outlet_init(o);
	ul->spare = o;
	ul->spares++;
	return true;
}

struct outlet *spare_take(struct udp_line *ul, uint16_t family, uint32_t set)
{
	struct outlet **at = &ul->spare, *o;

	/* an option that the last one had set the next one must, too */
	for (; (o = *at); at = &o->newer)
		if (o->family == family && !(o->options.set & ~set))
			break;
	if (!o)
		return NULL;
	*at = o->newer;
	o->newer = NULL;
	ul->spares--;
	return o;
}

struct outlet *spare_any(struct udp_line *ul)
{
	struct outlet *o = ul->spare;

	if (!o)
		return NULL;
	ul->spare = o->newer;
	ul->spares--;
	return o;
}
