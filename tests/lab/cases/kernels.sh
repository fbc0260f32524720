# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# kernels.sh - what the guests' kernels said while the other cases ran

cases_last+=" kernels_content"

[ -z "${LAB_KERNEL:-}" ] || cases_last+=" kernels_leak"

# kmemleak's second look at what the first found: nothing of the module's
case_kernels_leak() {
	local found
	guest g-pvh "[ -e /sys/kernel/debug/kmemleak ] ||
		mount -t debugfs debugfs /sys/kernel/debug
		echo scan >/sys/kernel/debug/kmemleak"
	sleep 10
	found=$(guest g-pvh "echo scan >/sys/kernel/debug/kmemleak
		cat /sys/kernel/debug/kmemleak")
	echo "$found"
	! grep -q '\[switchboard\]' <<<"$found"
}

# No guest's kernel, of those that are gone too, has reported a fault
case_kernels_content() {
	local file reports status=0
	for file in $(dom0 "ls /var/log/xen/console/guest-*.log*"); do
		reports=$(dom0 "cat $file" | kernel_reports) || continue
		echo "$file:"
		head -n 40 <<<"$reports"
		status=1
	done
	return $status
}
