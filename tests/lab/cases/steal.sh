# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# steal.sh - the steal clock of a guest stands, its other clocks do not
#
#   Dom0 computes <---- one processor ----> the guest computes

cases_alone+=" steal_stands steal_goes_on steal_two_processors"

# Somebody to wait for; of a case that failed he is not left behind for long
dom0_computes() {
	dom0 "systemctl -q is-active computes || systemd-run -q --collect \
		-p RuntimeMaxSec=120 --unit computes sh -c 'while :; do :; done'"
}

dom0_rests() {
	dom0 "systemctl stop computes" || true
}

# ticks_stolen GUEST: while it computes for a third of a second
ticks_stolen() {
	guest "$1" '
		look() {
			read -r _ user _ system _ _ _ _ stolen _ </proc/stat
			used=$((user + system))
		}
		look
		end=$((used + 33))
		before=$stolen
		while [ $used -lt $end ]; do
			look
		done
		echo $((stolen - before))'
}

some_stolen() {
	dom0_computes
	[ "$(ticks_stolen "$1")" -gt 0 ]
}

uptime_of() {
	"$@" "cut -d . -f 1 /proc/uptime"
}

# Its clock passes between two looks at Dom0's what passes there, to a second;
# what looks at the processor's time works
clocks_go_on() {
	local dom0 before
	before=$(uptime_of guest "$1")
	dom0=$(uptime_of dom0)
	wait_for 10 eval "[ \$(uptime_of dom0) -gt $((dom0 + 2)) ]"
	[ "$(uptime_of guest "$1")" -gt $((before + 1)) ]
	guest "$1" "top -b -n 1 | grep '^CPU'"
}

# Both compute: the guest waits for the processor, and is not told
stands() {
	dom0_computes
	ticks_stolen "$1" >"$logs/stolen-$1"
	dom0_rests
	expect "ticks stolen" "$(cat "$logs/stolen-$1")" 0
	clocks_go_on "$1"
}

# A PVH guest with one vCPU is one of those that lose it
case_steal_stands() {
	has_more g-pvh steal_clocks_stopped 0
	stands g-pvh
}

# stands_again GUEST BEFORE: Linux asked anew when it was restored
stands_again() {
	[ "$(type_of "$1")" = pvh ] || return 0
	has_more "$1" steal_clocks_stopped "$2"
	stands "$1"
}

# steal_guest WORD VCPUS: with that word to the module
steal_guest() {
	local overlay=$top/build/steal-overlay
	mkdir -p "$overlay/lib/switchboard"
	echo "$1" >"$overlay/lib/switchboard/parameters"
	dom0 "xl destroy g-peer" >/dev/null 2>&1 || true
	create_guest g-peer --vcpus "$2" --overlay "$overlay"
	wait_for 30 guest_ready g-peer
}

# A guest that wants to know is told; so is one where that costs little
case_steal_goes_on() {
	expect "clocks stopped" "$(count g-pv steal_clocks_stopped)" 0
	steal_guest steal_clock=1 1
	expect "clocks stopped" "$(count g-peer steal_clocks_stopped)" 0
	wait_for 60 some_stolen g-peer
	dom0_rests
	dom0 "xl destroy g-peer"
}

# Several vCPUs lose theirs if told to, also one that comes later. That they keep
# them otherwise: doze_two_processors
case_steal_two_processors() {
	local before
	steal_guest steal_clock=0 2
	before=$(count g-peer steal_clocks_stopped)
	expect "clocks stopped" "$before" 2
	guest g-peer "echo 0 >/sys/devices/system/cpu/cpu1/online
		echo 1 >/sys/devices/system/cpu/cpu1/online"
	has_more g-peer steal_clocks_stopped "$before"
	dom0 "xl destroy g-peer"
}
