/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * layout.h - fixed-width types and the assertions that pin offsets
 */
#ifndef SWITCHBOARD_LAYOUT_H
#define SWITCHBOARD_LAYOUT_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdbool.h>
#include <stdint.h>
#endif

#ifdef __cplusplus
#define SB_ASSERT(condition) static_assert(condition, #condition)
#else
#define SB_ASSERT(condition) _Static_assert(condition, #condition)
#endif

#define SB_ASSERT_AT(type, field, offset) \
	SB_ASSERT(__builtin_offsetof(type, field) == (offset))
#define SB_ASSERT_SIZE(type, bytes) SB_ASSERT(sizeof(type) == (bytes))

#endif
