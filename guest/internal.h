/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * internal.h - lines, circuits, trunk: what socket options, interface and
 * proc files need not know
 */
#ifndef SB_GUEST_INTERNAL_H
#define SB_GUEST_INTERNAL_H

#endif
