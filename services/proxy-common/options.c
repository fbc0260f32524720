// SPDX-License-Identifier: GPL-2.0-only
/*
 * options.c - socket options that a guest wants, as system calls
 *
 * System calls: setsockopt.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "services/proxy-common/options.h"

uint32_t option_value(const struct option *o, const struct sb_options *from)
{
	const uint8_t *at = (const uint8_t *)from + o->offset;
	uint16_t half;
	uint32_t word;

	switch (o->bytes) {
	case 0:
		return !!(from->flags & o->bit);
	case 1:
		return *at;
	case 2:
		memcpy(&half, at, sizeof(half));
		return half;
	default:
		memcpy(&word, at, sizeof(word));
		return word;
	}
}

bool option_differs(const struct option *o, const struct sb_options *before,
		    const struct sb_options *now)
{
	if (!(now->set & o->bit))
		return false;
	if (!(before->set & o->bit))
		return true;
	if (o->bytes > sizeof(uint32_t))
		return memcmp((const uint8_t *)before + o->offset,
			      (const uint8_t *)now + o->offset, o->bytes) != 0;
	return option_value(o, before) != option_value(o, now);
}

int option_set(int fd, const struct option *o, const struct sb_options *from)
{
	const char *text = (const char *)from + o->offset;
	int value = 0, done;

	if (o->bytes > sizeof(uint32_t)) {
		done = setsockopt(fd, o->level, o->name, text,
				  strnlen(text, o->bytes));
	} else {
		value = (int)option_value(o, from);
		done = setsockopt(fd, o->level, o->name, &value, sizeof(value));
	}
	return done < 0 ? -errno : 0;
}
