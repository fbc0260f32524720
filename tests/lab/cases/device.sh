# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# device.sh - what xenstore says of a guest's device, sense or not
#
# A guest may write below /local/domain/ID/device/switchboard/0 whatever it
# likes: here it is written for g-peer, and what the others notice is nothing.

cases_alone+=" device_nonsense device_toggled"

# The guest's nodes for its device, and the operator's for it
frontend() {
	echo "/local/domain/$(dom0 "xl domid g-peer")/device/switchboard/0"
}

backend() {
	echo "/local/domain/0/backend/switchboard/$(dom0 "xl domid g-peer")/0"
}

# The operator is the one that it was, others connect, status and lists are told
others_are_served() {
	expect "the operator" "$(main_pid switchboard-operator)" "$1"
	guest g-pvh "wget -q -O /dev/null http://10.90.0.1/"
	dom0 "switchboard guests && switchboard status >/dev/null &&
		curl -sf -o /dev/null http://127.0.0.1:9090/api/status"
}

# Domain, mappings and what xenstore had of it
nothing_is_left() {
	local nodes
	nodes=$(backend)
	drop_peer
	wait_for 5 dom0 "! xl list | grep -q '(null)\|g-peer'"
	wait_for 5 dom0 "! xenstore-exists ${nodes%/0}"
}

# Every value is there when the operator is told to connect, for the guest's own
# driver, which would write better ones, is paused meanwhile
write_nonsense() {
	dom0 "xl pause g-peer
	for node in ring-ref event-channel version; do
		for value in '' ' 4' 0x4 '4 4' banana \$(printf %2000s x) -1 \
				99999999999999999999 4294967296 99 8 1 0; do
			xenstore-write $1/state 6 $1/state 1
			xenstore-write -- $1/\$node \"\$value\" $1/state 3
		done
		xenstore-rm $1/\$node
		xenstore-write $1/state 3
	done
	for value in 99 -1 banana ''; do
		xenstore-write -- $1/state \"\$value\"
	done
	xl unpause g-peer"
}

# Numbers that are none, too large, or of something else; nodes that go
device_nonsense() {
	local pid nodes
	make_peer "$1"
	pid=$(main_pid switchboard-operator)
	nodes=$(frontend)
	write_nonsense "$nodes"
	# by the first number that might have been one
	wait_for 10 says 'g-peer .* expelled' dom0 "switchboard guests"
	others_are_served "$pid"
	guest g-peer "cat /proc/net/switchboard >/dev/null"
	dom0 "xenstore-rm $nodes"
	others_are_served "$pid"
	nothing_is_left
}

case_device_nonsense() {
	device_nonsense pvh
	device_nonsense pv
}

# A driver that comes and goes as fast as it can, one that closes twice, while
# somebody reads its statistics; and a backend that makes no sense to its guest
device_toggled() {
	local pid front back
	make_peer "$1"
	pid=$(main_pid switchboard-operator)
	front=$(frontend)
	back=$(backend)
	guest g-peer "(while sleep 0.1; do cat /proc/net/switchboard; done) \
		>/dev/null 2>&1 </dev/null &"
	dom0 "for round in \$(seq 5); do
		for state in 5 6 6 1 3 4 5 5 1 6; do
			xenstore-write $front/state \$state
		done
		switchboard status >/dev/null
	done"
	others_are_served "$pid"
	dom0 "for state in 0 7 99 banana 4 5 6 2 5 6 1 4; do
		xenstore-write $back/state \$state
	done"
	guest g-peer "cat /proc/net/switchboard >/dev/null"
	others_are_served "$pid"
	nothing_is_left
}

case_device_toggled() {
	device_toggled pvh
	device_toggled pv
}
