/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * counters.c - a service's counters, by name
 */
#include <stdio.h>

#include "services/common/counters.h"

static void add(struct ipc_status *status, const char *prefix, const char *name,
		uint64_t value)
{
	struct ipc_counter *counter = &status->counter[status->counters];

	if (status->counters == IPC_COUNTERS_MAX)
		return;
	snprintf(counter->name, sizeof(counter->name), "%s%s", prefix, name);
	counter->value = value;
	status->counters++;
}

void counters_fill(struct ipc_status *status, const char *const *name,
		   const uint64_t *value, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		if (name[i])
			add(status, "", name[i], value[i]);
	}
}

void counters_fill_ipc(struct ipc_status *status, const char *prefix,
		       const struct ipc_counters *counters)
{
	uint64_t dropped = 0;
	char name[IPC_NAME_BYTES];
	unsigned int i;

	for (i = 1; i < IPC_FAULTS; i++)
		dropped += counters->dropped[i];
	add(status, prefix, "-sent", counters->sent);
	add(status, prefix, "-received", counters->received);
	add(status, prefix, "-refused", counters->refused);
	add(status, prefix, "-dropped", dropped);
	for (i = 1; i < IPC_FAULTS; i++) {
		if (!counters->dropped[i])
			continue;
		snprintf(name, sizeof(name), "-dropped-%s", ipc_fault_name(i));
		add(status, prefix, name, counters->dropped[i]);
	}
}
