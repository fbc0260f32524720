/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * option_rows.h - how the rows of the option tables are written
 */
#ifndef SB_GUEST_OPTION_ROWS_H
#define SB_GUEST_OPTION_ROWS_H

#include "options.h"

#define FLAG(l, n, b, at_first, ...)                                           \
	{                                                                      \
		.level = l, .name = n, .store = SB_STORE_FLAG, .yes_no = true, \
		.bit = b, .min = S32_MIN, .max = S32_MAX, .initial = at_first, \
		__VA_ARGS__                                                    \
	}
#define FIELD(l, n, b, width, field, least, most, at_first, ...)            \
	{                                                                   \
		.level = l, .name = n, .store = SB_STORE_##width, .bit = b, \
		.where = offsetof(struct sb_options, field), .min = least,  \
		.max = most, .initial = at_first, __VA_ARGS__               \
	}
#define HINT(l, n, hint, least, most, at_first, ...)                          \
	{                                                                     \
		.level = l, .name = n, .store = SB_STORE_HINT, .where = hint, \
		.min = least, .max = most, .initial = at_first, __VA_ARGS__   \
	}
#define SWITCH(l, n, hint, at_first) \
	HINT(l, n, hint, S32_MIN, S32_MAX, at_first, .yes_no = true)
#define OTHER(l, n, ...)                                          \
	{                                                         \
		.level = l, .name = n, .store = SB_STORE_NOWHERE, \
		.min = S32_MIN, .max = S32_MAX, __VA_ARGS__       \
	}

#endif
