# shellcheck shell=bash disable=SC2034 # for who sources this
# SPDX-License-Identifier: GPL-2.0-only
#
# lab.sh - a lab on the instruction clock with everything that is measured
#
# Sourced by run and profile/run, in the top folder.

lab=deploy/lab/lab
port=7001
dom0_address=10.90.0.1
staged=build/bench
# Of the guests that serve on circuits, as switchboard.json has them
declare -A address=([pvh]=10.88.0.21 [pv]=10.88.0.22)
declare -A serves=([pvh]=7101 [pv]=7201)
# One answer to a lab's command must come within this
command_s=900

say() {
	printf 'bench: %4d s  %s\n' "$SECONDS" "$*" >&2
}

dom0() {
	timeout $command_s "$lab" dom0 "$@" </dev/null
}

guest() {
	timeout $command_s "$lab" guest run "$@" </dev/null
}

# What runs in Dom0 and in guests, without what only a debugger reads
stage() {
	local file
	say "building"
	make -s -j2 programs module >/dev/null
	rm -rf "$staged/dom0" "$staged/guest" "$staged/circuits"
	deploy/install build/release "$staged/dom0"
	for file in "$staged"/dom0/usr/lib/switchboard/* "$staged"/dom0/usr/bin/*; do
		[ "$(head -c 2 "$file")" = "#!" ] || strip "$file"
	done
	rm -rf "$staged"/dom0/usr/{src,share}
	install -D -s build/release/bin/sbperf "$staged/dom0/usr/bin/sbperf"
	cp tests/bench/switchboard.json "$staged/dom0/etc/switchboard/"
	chmod 644 "$staged/dom0/etc/switchboard/switchboard.json"
	install -D -s build/release/bin/sbperf "$staged/guest/bin/sbperf"
	mkdir -p "$staged/circuits/lib/switchboard"
	strip -g -o "$staged/circuits/lib/switchboard/switchboard.ko" \
		guest/switchboard.ko
}

start_lab() {
	timeout 30 "$lab" stop >/dev/null 2>&1 || true
	say "the lab, on the instruction clock"
	timeout 900 "$lab" start --icount
	timeout $command_s "$lab" push "$staged/dom0/." /
	dom0 '{ systemd-sysusers; systemd-tmpfiles --create switchboard.conf
		systemctl daemon-reload; } 2>/dev/null
		systemctl start switchboard.target || exit 1
		systemd-run -q --unit=sbperf -p LimitNOFILE=65536 \
			sbperf serve '$port
}

stop_lab() {
	timeout 60 "$lab" stop >/dev/null 2>&1
}

# create NAME TYPE WORD...: on the packet-switched path
create_on_packets() {
	timeout $command_s "$lab" guest create "$1" --type "$2" --vif \
		--overlay "$staged/guest" "${@:3}"
}

# create NAME TYPE ADDRESS PORT WORD...: on circuits; it can connect there
create_on_circuits() {
	timeout $command_s "$lab" guest create "$1" --type "$2" \
		--overlay "$staged/guest" --overlay "$staged/circuits" "${@:5}"
	wait_for_circuits "$1" "$3" "$4"
}

# The line exists when the guest has its address
wait_for_circuits() {
	local tries
	for tries in {1..50}; do
		guest "$1" /bin/sbperf client "$2" "$3" --repeat 1 \
			rounds >/dev/null 2>&1 && return
	done
	say "$1 cannot connect after $tries tries"
	guest "$1" 'dmesg | tail -n 20' >&2
	return 1
}

destroy() {
	timeout $command_s "$lab" guest destroy "$1"
}

# serve_in GUEST PORT
serve_in() {
	guest "$1" "ulimit -n 65536
		/bin/sbperf serve $2 </dev/null >/dev/null 2>&1 &"
}

# Of a guest with a network card
address_of() {
	guest "$1" "ip -4 addr show dev eth0" |
		sed -n 's/.*inet \([0-9.]*\).*/\1/p'
}
