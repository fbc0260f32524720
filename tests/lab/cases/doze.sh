# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# doze.sh - processes that wait for their bell in the hypervisor
#
#   guest: sbperf, one connection at a time <======> Dom0: sbperf serve 7504

cases_per_guest+=" doze doze_off doze_busy"
cases_alone+=" doze_direct doze_two_processors"

doze_server() {
	dom0 "systemctl -q is-active far-rounds ||
		systemd-run -q --collect --unit far-rounds sbperf serve 7504"
	wait_for 30 dom0 "nc -z 10.90.0.1 7504"
}

# rounds GUEST [ADDRESS PORT]: some requests, and some MiB each way; few, as
# each wait takes a time slice of whoever computes beside it
rounds() {
	guest "$1" "sbperf client ${2:-10.90.0.1} ${3:-7504} --mib 1 \
		--repeat 10 rounds out64k in64k >/dev/null"
}

# dozed GUEST BEFORE ROUNDS...: rounds, in which a wait was ended by the bell.
# Of a machine that is slow just now it is asked again
dozed() {
	"${@:3}"
	[ "$(count "$1" dozes_woken)" -gt "$2" ]
}

# The waits of a guest with nothing else to do
case_doze() {
	local lies
	lies=$(count "$1" lies)
	doze_server
	wait_for 120 dozed "$1" "$(count "$1" dozes_woken)" rounds "$1"
	wait_for 120 dozed "$1" "$(count "$1" dozes_woken)" \
		guest "$1" "sbperf client 10.90.0.1 7504 udp-rounds"
	expect "lies" "$(count "$1" lies)" "$lies"
}

# It can be turned off
case_doze_off() {
	local before
	doze_server
	guest "$1" "echo N >/sys/module/switchboard/parameters/doze"
	before=$(count "$1" dozes)
	rounds "$1"
	expect "waits in the hypervisor" "$(count "$1" dozes)" "$before"
	guest "$1" "echo Y >/sys/module/switchboard/parameters/doze"
	wait_for 120 dozed "$1" "$(count "$1" dozes_woken)" rounds "$1"
}

# Somebody computes: not one of the waits may take the processor from him
case_doze_busy() {
	local before
	doze_server
	guest "$1" 'while :; do :; done </dev/null >/dev/null 2>&1 &
		echo $! >/tmp/busy'
	wait_for 30 guest "$1" \
		"grep -q '^State:.R' /proc/\$(cat /tmp/busy)/status"
	before=$(count "$1" dozes)
	rounds "$1"
	expect "waits in the hypervisor" "$(count "$1" dozes)" "$before"
	guest "$1" 'kill $(cat /tmp/busy)'
	wait_for 120 dozed "$1" "$(count "$1" dozes_woken)" rounds "$1"
}

# Both ends of a direct line
case_doze_direct() {
	local before
	guest g-pv "sbperf serve 27604 </dev/null >/dev/null 2>&1 &
		echo \$! >/tmp/rounds"
	wait_for 10 guest g-pv "grep -q '^listening' /proc/net/switchboard"
	before=$(count g-pv dozes_woken)
	wait_for 120 dozed g-pvh "$(count g-pvh dozes_woken)" \
		rounds g-pvh 10.88.0.12 27604
	wait_for 120 dozed g-pv "$before" rounds g-pvh 10.88.0.12 27604
	guest g-pv 'kill $(cat /tmp/rounds)'
}

# Several processes of one line, on two processors: whoever dozes answers the
# bells of all
case_doze_two_processors() {
	doze_server
	dom0 "xl destroy g-peer" >/dev/null 2>&1 || true
	create_guest g-peer --vcpus 2
	wait_for 30 guest_ready g-peer
	expect "steal clocks stopped" "$(count g-peer steal_clocks_stopped)" 0
	wait_for 120 dozed g-peer "$(count g-peer dozes_woken)" rounds g-peer
	guest g-peer "for i in 1 2 3; do
			streamcheck client --connections 2 --out 524288 \
				--in 524288 --seconds 200 10.90.0.1 7501 \
				>/tmp/stream-\$i 2>&1 && echo exact >>/tmp/streams &
		done
		sbperf client 10.90.0.1 7504 --repeat 10 rounds udp-rounds &&
			wait"
	expect "streams that were exact" \
		"$(guest g-peer "grep -c exact /tmp/streams")" 3
	expect "lies" "$(count g-peer lies)" 0
	dom0 "xl destroy g-peer"
}
