# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# kernels.sh - what the guests' kernels said while the other cases ran

cases_last+=" kernels_content"

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
