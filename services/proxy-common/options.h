/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * options.h - socket options that a guest wants, as system calls
 *
 * Only differences to what was applied before become system calls. Every
 * value goes to setsockopt() and nowhere else, so the kernel is what checks
 * it.
 */
#ifndef PROXY_COMMON_OPTIONS_H
#define PROXY_COMMON_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/line.h"

/**
 * struct option - how an option becomes a system call
 * @bit:    in sb_options.set
 * @level:  of setsockopt()
 * @name:   of setsockopt()
 * @offset: of the value in struct sb_options
 * @bytes:  of the value: 1, 2, 4, or more for a text; 0: it is @bit in
 *          sb_options.flags
 */
struct option {
	uint32_t bit;
	int level;
	int name;
	size_t offset;
	size_t bytes;
};

#define OPTION_FLAG(bit, level, name)  \
	{                              \
		bit, level, name, 0, 0 \
	}
#define OPTION_FIELD(bit, level, name, field)                         \
	{                                                             \
		bit, level, name, offsetof(struct sb_options, field), \
			sizeof(((struct sb_options *)0)->field)       \
	}

/* The value of an option that is no text */
uint32_t option_value(const struct option *o, const struct sb_options *from);

/* Is it wanted in @now, and was it not so in @before? */
bool option_differs(const struct option *o, const struct sb_options *before,
		    const struct sb_options *now);

/* Return: 0 or -errno */
int option_set(int fd, const struct option *o, const struct sb_options *from);

#endif
