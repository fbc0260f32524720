/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * counters.h - a service's counters, by name
 *
 * A service has one table of names and one array of values, indexed by its
 * own enum; the names are what the monitor and the tool show.
 */
#ifndef SERVICES_COMMON_COUNTERS_H
#define SERVICES_COMMON_COUNTERS_H

#include <stdint.h>

#include "ipc/ipc.h"

/* Append @count named values to a status; what does not fit is left out */
void counters_fill(struct ipc_status *status, const char *const *name,
		   const uint64_t *value, unsigned int count);

/* Append what went through an ipc socket, as "PREFIX-sent", ... */
void counters_fill_ipc(struct ipc_status *status, const char *prefix,
		       const struct ipc_counters *counters);

#endif
