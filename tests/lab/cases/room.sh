# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# room.sh - circuits when there is little room for them

cases_alone+=" room_pools room_slow_peer room_kernel"

# serve_idle GUEST PORT: for sbperf's idle connections, which go to PORT + 1
serve_idle() {
	guest "$1" "ulimit -n 8192
		sbperf serve $2 </dev/null >/dev/null 2>&1 &"
	wait_for 10 guest "$1" \
		"grep -q '^listening .*:$(($2 + 1)) ' /proc/net/switchboard"
}

# Of a guest with little memory, circuits that take two thirds of what is free
idle_circuits() {
	guest "$1" "awk '/^MemFree/ { n = int(\$2 * 2 / 3 / 40)
		print (n < 1500 ? n : 1500) }' /proc/meminfo"
}

# hold GUEST COUNT ADDRESS PORT: so many idle connections, each of which answers
hold() {
	guest "$1" "ulimit -n 8192
		sbperf client $3 $4 --count $2 hold </dev/null"
}

# What the pool of one line keeps ready another line gets: circuits with Dom0 and
# then with a guest take more than all memory together, and none is refused.
# check-debug's kernel has memory enough
case_room_pools() {
	local circuits status=0
	dom0 "systemctl stop -q sbperf-room 2>/dev/null
		systemd-run -q --unit=sbperf-room -p LimitNOFILE=65536 \
			sbperf serve 7520"
	serve_idle g-pv 27600
	dom0 "xl destroy g-peer" >/dev/null 2>&1 || true
	create_guest g-peer --memory 144
	wait_for 30 guest_ready g-peer
	circuits=$(idle_circuits g-peer)
	echo "$circuits circuits"
	hold g-peer "$circuits" 10.90.0.1 7520 &&
		hold g-peer "$circuits" 10.88.0.12 27600 || status=$?
	[ -n "${LAB_KERNEL:-}" ] || has_more g-peer pages_given 0 || status=1
	guest g-peer "grep -E '^# (circuits|calls|pages)' \
		/proc/net/switchboard" || status=1
	guest g-pv "killall sbperf" || true
	dom0 "systemctl stop sbperf-room"
	drop_peer
	return $status
}

# A peer that stands still has a lot to give back, more than it may keep: calls
# wait for it, here for as long as it takes, and are made when it goes on
case_room_slow_peer() {
	local circuits=250 before
	# the bound grows with the memory
	[ -z "${LAB_KERNEL:-}" ] || circuits=1000
	make_peer pv
	serve_idle g-peer 27600
	far g-peer 27610
	# the way there is known before
	direct g-pvh g-peer --connections 1 --out 4096 --in 4096 --seconds 120 \
		10.88.0.13 27610
	guest g-pvh "echo 3600 >/sys/module/switchboard/parameters/room_s
		rm -f /tmp/hold /tmp/slow*; ulimit -n 8192
		sleep 6000 | sbperf client 10.88.0.13 27600 --count $circuits \
			hold >/tmp/hold 2>&1 &"
	wait_for 60 guest g-pvh "grep -q held_memory /tmp/hold"
	dom0 "xl pause g-peer"
	guest g-pvh "killall sleep sbperf" || true
	wait_for 10 has_more g-pvh pages_withheld $((circuits * 8))
	before=$(count g-pvh calls_waited)
	guest g-pvh "(streamcheck client --connections 40 --out 4096 --in 4096 \
		--seconds 600 10.88.0.13 27610 >/tmp/slow 2>&1
		echo \$? >/tmp/slow-status) </dev/null >/dev/null 2>&1 &"
	wait_for 10 has_more g-pvh calls_waited "$before" || true
	dom0 "xl unpause g-peer"
	wait_for 60 guest g-pvh "[ -s /tmp/slow-status ]"
	guest g-pvh "echo 2 >/sys/module/switchboard/parameters/room_s
		tail -n 3 /tmp/slow; grep -qx 0 /tmp/slow-status"
	has_more g-pvh calls_waited "$before"
	drop_peer
	wait_for 60 expect_count g-pvh pages_withheld 0
}

# kernel_asks: circuits have come back to the pool, and the kernel wants them all,
# again and again. Adds to $given and to what there was to $had
kernel_asks() {
	local before circuits
	before=$(count g-peer pages_given)
	circuits=$(guest g-peer "streamcheck client --connections 40 \
		--out 4096 --in 4096 --stall 300 --seconds 120 10.90.0.1 7501 \
		>/dev/null || exit
		sed -n 's/^# circuits_existing //p' /proc/net/switchboard
		for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do
			echo 2 >/proc/sys/vm/drop_caches
			sleep 0.1
		done") || return
	given=$((given + $(count g-peer pages_given) - before))
	had=$((had + 9 * circuits))
	[ "$given" -gt 0 ]
}

# The kernel gets what is ready, as from any cache, but not again and again what
# the pool would make anew: a circuit of 129 pages. A sweep may be faster once
case_room_kernel() {
	local given=0 had=0
	make_peer
	wait_for 30 kernel_asks
	echo "$given pages were given of $had"
	guest g-peer "grep -E '^# (circuits|calls|pages)' \
		/proc/net/switchboard"
	[ "$given" -le $((had + 2 * 129)) ]
	guest g-peer streamcheck client --connections 40 --out 4096 --in 4096 \
		--seconds 120 10.90.0.1 7501
	drop_peer
}
