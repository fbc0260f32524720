// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * circuit.c - mapping a socket's circuit, ringing and sleeping by the kernel
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "guest/lib/internal.h"

static int call(struct switchboard *s, unsigned long request, void *argument)
{
	return ioctl(s->fd, request, argument) == 0 ? 0 : errno;
}

static int circuit_ring(struct switchboard *s)
{
	return call(s, SB_USER_RING, NULL);
}

static int circuit_wait(struct switchboard *s, struct sb_user_wait *wait)
{
	return call(s, SB_USER_WAIT, wait);
}

static int circuit_detach(struct switchboard *s)
{
	int error = call(s, SB_USER_DETACH, NULL);

	munmap(s->rings.map, s->rings.map_bytes);
	return error;
}

static const struct ringer ringer = {
	.ring = circuit_ring,
	.wait = circuit_wait,
	.detach = circuit_detach,
};

static int attach(struct switchboard *s, struct sb_user_circuit *circuit)
{
	int error;

	do {
		memset(circuit, 0, sizeof(*circuit));
		circuit->version = SB_USER_VERSION;
		error = call(s, SB_USER_ATTACH, circuit);
		/* on its way to a larger one, and unread */
	} while (error == EAGAIN && switchboard_leftover_read(s) == 0);
	switch (error) {
	case ENOTTY: /* another kind of socket */
	case EINVAL: /* the same, or another version of the module */
	case EAGAIN: /* the other end takes its time */
	case EOPNOTSUPP: /* a circuit that cannot be mapped */
		return EOPNOTSUPP;
	default:
		return error;
	}
}

static int map(struct switchboard *s, const struct sb_user_circuit *circuit)
{
	uint8_t *base = mmap(NULL, circuit->bytes, PROT_READ | PROT_WRITE,
			     MAP_SHARED, s->fd, 0);

	if (base == MAP_FAILED)
		return errno;
	s->rings.map = base;
	s->rings.map_bytes = circuit->bytes;
	s->rings.tx_area = base + circuit->tx_offset;
	s->rings.rx_area = base + circuit->rx_offset;
	return switchboard_rings_init(s, s->rings.map,
				      (enum sb_side)circuit->side,
				      circuit->area_bytes, &ringer);
}

int switchboard_circuit_init(struct switchboard *s)
{
	struct sb_user_circuit circuit;
	int error = attach(s, &circuit);

	if (error)
		return error;
	error = map(s, &circuit);
	if (!error)
		return 0;
	call(s, SB_USER_DETACH, NULL);
	if (s->rings.map)
		munmap(s->rings.map, s->rings.map_bytes);
	return error;
}
