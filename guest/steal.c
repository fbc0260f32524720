// SPDX-License-Identifier: GPL-2.0-only
/*
 * steal.c - how much Xen writes down whenever a vCPU comes or goes
 *
 * Linux asks Xen for an area (the run state) that says how long each vCPU ran
 * and how long it waited for a processor: the steal clock. Xen writes it at
 * each switch of vCPUs, in three pieces, so that other vCPUs can tell a torn
 * one. In a PVH guest each piece is a walk through the guest's page tables in
 * software, and twelve of them were 40 % of a round trip between two guests.
 *
 * So the area is taken back. It keeps what it said last: a vCPU that runs, and
 * a steal clock that stands. Its readers live with that: the `st` of `top`, the
 * scheduler, which no longer deducts what other guests took, and with several
 * vCPUs the locks, which no longer see whose owner does not run; as that is
 * worth more than a round trip, several vCPUs keep it unless told otherwise.
 * Where it is kept and there is one vCPU, it is written in one piece.
 *
 * Linux asks again for a vCPU that comes online, and after a restore.
 */
#include <linux/cpuhotplug.h>
#include <linux/moduleparam.h>
#include <linux/notifier.h>
#include <linux/smp.h>
#include <xen/xen.h>
#include <xen/interface/xen.h>
#include <xen/interface/vcpu.h>
#include <xen/xen-ops.h>
#include <asm/xen/hypercall.h>

#include "switchboard.h"

static int steal_clock = -1;
module_param(steal_clock, int, 0444);
MODULE_PARM_DESC(steal_clock, "0: stands, 1: goes on, -1: stands if cheaper");

/*
 * On the vCPU itself, so that Xen is not just writing. NULL is "no area" to Xen;
 * it tries once to write there, where nothing is mapped, and does not mind.
 */
static void stop_here(void *unused)
{
	struct vcpu_register_runstate_memory_area area = {};

	if (!HYPERVISOR_vcpu_op(VCPUOP_register_runstate_memory_area,
				xen_vcpu_nr(smp_processor_id()), &area))
		sb_count(&sb_counters.steal_clocks_stopped);
}

/* In the vCPU's own thread, which stays there */
static int online(unsigned int cpu)
{
	stop_here(NULL);
	return 0;
}

static int restored(struct notifier_block *nb, unsigned long action, void *arg)
{
	on_each_cpu(stop_here, NULL, 1);
	return NOTIFY_OK;
}

/* What is lost must be worth it: Xen writes to a PV guest directly */
static bool stops(bool alone)
{
	return steal_clock < 0 ? alone && !xen_pv_domain() : !steal_clock;
}

/**
 * sb_steal_init() - take Linux's run states back, or have them written once
 *
 * For good. What Xen refuses leaves everything as it was.
 */
void sb_steal_init(void)
{
	static struct notifier_block resume = { .notifier_call = restored };
	bool alone = num_possible_cpus() == 1;

	if (!xen_domain())
		return;
	if (stops(alone)) {
		xen_resume_notifier_register(&resume);
		cpuhp_setup_state(CPUHP_AP_ONLINE_DYN, "switchboard:online",
				  online, NULL);
	} else if (alone) {
		HYPERVISOR_vm_assist(VMASST_CMD_disable,
				     VMASST_TYPE_runstate_update_flag);
	}
}
