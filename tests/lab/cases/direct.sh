# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# direct.sh - two guests without Dom0 between them
#
#   g-pvh 10.88.0.11  <==============>  g-pv 10.88.0.12
#         \\                             //
#          ====== g-peer 10.88.0.13 (PVH, made here and destroyed) ======

cases_alone+=" direct_streams direct_many direct_refused direct_denied"
cases_alone+=" direct_callee_destroyed direct_caller_destroyed"
cases_alone+=" direct_paused direct_kinds direct_operator_killed direct_saved"

address_of() {
	echo "10.88.0.${guest_number[$1]}"
}

# far GUEST PORT: a server there that checks every byte
far() {
	guest "$1" "streamcheck server :: $2 >/tmp/far-$2 2>&1 &"
	wait_for 10 guest "$1" "grep -q '^listening' /proc/net/switchboard"
}

far_end() {
	guest "$1" "killall streamcheck" || true
}

# direct CALLER CALLEE WORDS...: streamcheck, and Dom0 was not in the path
direct() {
	local caller=$1 callee=$2 called taken lies
	called=$(count "$caller" direct_called)
	taken=$(count "$callee" direct_taken)
	lies="$(count "$caller" lies) $(count "$callee" lies)"
	guest "$caller" streamcheck client "${@:3}" || return
	has_more "$caller" direct_called "$called" &&
		has_more "$callee" direct_taken "$taken" || {
		echo "not over a direct line"
		return 1
	}
	expect "lies" "$(count "$caller" lies) $(count "$callee" lies)" "$lies"
}

# meets CALLER CALLEE: the monitor says so
meets() {
	[ "$(counter "'$2' in [name for g in status['guests']
		if g['name'] == '$1' for name in g['direct']]")" = True ]
}

meets_not() {
	! meets "$1" "$2"
}

# make_peer [TYPE [WORD...]]
make_peer() {
	dom0 "xl destroy g-peer" >/dev/null 2>&1 || true
	create_guest g-peer ${1:+--type "$@"}
	wait_for 30 guest_ready g-peer
}

drop_peer() {
	dom0 "xl destroy g-peer" || true
}

# Every combination that has a caller and a callee of its own, both families
case_direct_streams() {
	local pair caller callee
	make_peer
	for pair in g-pvh/g-pv g-pv/g-pvh g-pvh/g-peer; do
		caller=${pair%/*}
		callee=${pair#*/}
		far "$callee" 27600
		direct "$caller" "$callee" --connections 2 --out 8388608 \
			--in 8388608 --seconds 120 "$(address_of "$callee")" 27600
		direct "$caller" "$callee" --connections 1 --out 1048576 \
			--in 1048576 --stall 1000 --seconds 120 \
			"fd88::${guest_number[$callee]}" 27600
		direct "$caller" "$callee" --connections 1 --out 8192 --in 8192 \
			--piece 1 --seconds 120 "$(address_of "$callee")" 27600
		wait_for 10 meets "$caller" "$callee"
		far_end "$callee"
	done
	says '^g-pvh .*>g-pv' dom0 "switchboard guests"
	drop_peer
	wait_for 10 meets_not g-pvh g-peer
}

# Many at once: more than the pool has, both ways at the same time
case_direct_many() {
	far g-pv 27600
	far g-pvh 27600
	guest g-pvh "ulimit -n 1024; streamcheck client --connections 200 \
		--out 16384 --in 16384 --stall 1000 --seconds 120 \
		10.88.0.12 27600 >/tmp/many 2>&1; echo \$? >/tmp/many-status" &
	guest g-pv "ulimit -n 1024; streamcheck client --connections 200 \
		--out 16384 --in 16384 --stall 1000 --seconds 120 10.88.0.11 27600"
	wait
	expect "the other way ($(guest g-pvh "tail -n 2 /tmp/many"))" \
		"$(guest g-pvh "cat /tmp/many-status")" 0
	far_end g-pv
	far_end g-pvh
}

case_direct_refused() {
	far g-pv 27600
	direct g-pvh g-pv --connections 1 --out 4096 --in 4096 --seconds 120 \
		10.88.0.12 27600
	# nobody listens there; policy does not let us; it may not publish that
	connect_fails g-pvh 10.88.0.12 27601 refused
	connect_fails g-pvh fd88::12 27601 refused
	connect_fails g-pvh 10.88.0.12 80 "permission denied"
	connect_fails g-pvh fd88::12 7001 refused
	far_end g-pv
	wait_for 10 guest g-pv "! grep -q '^listening' /proc/net/switchboard"
	connect_fails g-pvh 10.88.0.12 27600 refused
}

# reload_with PYTHON: change the configuration in Dom0 and read it again
reload_with() {
	dom0 "python3 - <<'END'
import json
path = '/etc/switchboard/switchboard.json'
c = json.load(open(path))
$1
open(path, 'w').write(json.dumps(c))
END
switchboard reload"
}

# Without direct they meet through the proxies; what was connected is reset.
# A dual-stack listener below 20000 is published under IPv4
case_direct_denied() {
	local called
	far g-pv 7600
	direct g-pvh g-pv --connections 1 --out 4096 --in 4096 --seconds 120 \
		10.88.0.12 7600
	hold_connection g-pvh g-pv
	reload_with "c['guests']['g-pv']['direct'] = False"
	wait_for 3 guest g-pvh "grep -q status /tmp/held"
	wait_for 3 expect_count g-pv pages_foreign 0
	called=$(count g-pvh direct_called)
	guest g-pvh streamcheck client --connections 2 --out 65536 --in 65536 \
		--seconds 120 10.88.0.12 7600
	expect "direct calls" "$(count g-pvh direct_called)" "$called"
	reload_with "del c['guests']['g-pv']['direct']"
	# the guests learn by and by that they may meet again
	wait_for 10 direct g-pvh g-pv --connections 1 --out 4096 --in 4096 \
		--seconds 120 10.88.0.12 7600
	far_end g-pv
}

# hold_connection CALLER CALLEE [PORT]: open, and full of bytes, until it ends;
# what it ended with is in /tmp/held
hold_connection() {
	local port=${3:-27610}
	guest "$2" "(sleep 600 | nc -l -p $port) >/dev/null 2>&1 &"
	wait_for 10 guest "$2" "grep -q '^listening .*:$port ' /proc/net/switchboard"
	guest "$1" "rm -f /tmp/held; (nc $(address_of "$2") $port >/dev/null 2>/tmp/held-error
		echo \"status \$?\" >/tmp/held) </dev/zero >/dev/null 2>&1 &"
	wait_for 10 guest "$1" "grep -q '^open .*:$port ' /proc/net/switchboard"
}

# held_is_reset GUEST: its connection has ended as it should
held_is_reset() {
	wait_for 3 guest "$1" "grep -q status /tmp/held"
	guest "$1" "grep -qi 'reset\|broken' /tmp/held-error"
}

# The callee dies in the middle: the caller hears of it within a second, and
# has no page left that somebody maps. It was called before it was there, which
# went through Dom0, and yet they meet
case_direct_callee_destroyed() {
	drop_peer
	connect_fails g-pvh 10.88.0.13 7600 refused
	make_peer
	far g-peer 7600
	wait_for 10 direct g-pvh g-peer --connections 1 --out 4096 --in 4096 \
		--seconds 120 10.88.0.13 7600
	hold_connection g-pvh g-peer
	drop_peer
	held_is_reset g-pvh
	wait_for 120 expect_count g-pvh pages_quarantined 0
	wait_for 5 dom0 "! xl list | grep -q '(null)'"
	guest g-pvh "wget -q -O /dev/null http://10.90.0.1/"
}

# expect_count GUEST NAME VALUE
expect_count() {
	expect "$2 of $1" "$(count "$1" "$2")" "$3"
}

# The caller dies: nothing of it stays mapped, so that Xen can forget it
case_direct_caller_destroyed() {
	make_peer
	far g-pv 27600
	hold_connection g-peer g-pv
	drop_peer
	wait_for 3 guest g-pv "! grep -q ' direct/' /proc/net/switchboard"
	wait_for 5 dom0 "! xl list | grep -q '(null)'"
	far_end g-pv
	direct_again
}

# The lines between the others carry on
direct_again() {
	far g-pv 27601
	direct g-pvh g-pv --connections 1 --out 65536 --in 65536 --seconds 120 \
		10.88.0.12 27601
	far_end g-pv
}

# A guest that stands still stops its own connections only
case_direct_paused() {
	make_peer
	far g-peer 27600
	hold_connection g-pvh g-peer
	dom0 "xl pause g-peer"
	direct_again
	dom0 "xl unpause g-peer"
	direct g-pvh g-peer --connections 1 --out 65536 --in 65536 --seconds 120 \
		10.88.0.13 27600
	drop_peer
	wait_for 5 guest g-pvh "grep -q status /tmp/held"
}

# transfers CALLER CALLEE...: slow ones, one to each; /tmp/result is how many failed
transfers() {
	local name commands=""
	for name in "${@:2}"; do
		commands+="(streamcheck client --connections 1 --out 1048576 \
			--in 1048576 --piece 1024 --stall 2000 --seconds 120 \
			$(address_of "$name") 27600 || echo failed) & "
	done
	guest "$1" "rm -f /tmp/result; (($commands wait) >/tmp/transfer 2>&1
		grep -c failed /tmp/transfer >/tmp/result) </dev/null >/dev/null 2>&1 &"
	wait_for 10 guest "$1" "awk '\$1 == \"open\" && \$4 ~ /:27600\$/ { n++ }
		END { exit n != $(($# - 1)) }' /proc/net/switchboard"
}

# nothing_left GUEST: nothing of the peer is mapped, or withheld, there
nothing_left() {
	wait_for 3 guest "$1" "! grep -q ' direct/' /proc/net/switchboard"
	wait_for 60 expect_count "$1" pages_withheld 0
	wait_for 60 expect_count "$1" pages_quarantined 0
}

# Each kind calls each: with all four ways busy one end stands still, and what
# is under way goes on; then it dies, and the others hear of it and keep nothing
case_direct_kinds() {
	local type name
	for type in pvh pv; do
		make_peer "$type"
		for name in $guests_all g-peer; do
			far "$name" 27600
		done
		transfers g-pvh g-peer
		transfers g-pv g-peer
		transfers g-peer g-pvh g-pv
		dom0 "xl pause g-peer; sleep 1; xl unpause g-peer"
		for name in g-peer $guests_all; do
			end_of_transfer "$name" 0
			far_end "$name"
		done
		hold_connection g-pvh g-peer 27610
		hold_connection g-pv g-peer 27611
		hold_connection g-peer g-pvh 27612
		hold_connection g-peer g-pv 27613
		drop_peer
		for name in $guests_all; do
			held_is_reset "$name"
			nothing_left "$name"
			guest "$name" "killall nc sleep" || true
		done
		wait_for 5 dom0 "! xl list | grep -q '(null)'"
	done
	direct_again
}

# A new operator learns of the line from both ends; connections carry on
case_direct_operator_killed() {
	far g-pv 27600
	guest g-pvh "rm -f /tmp/result; (streamcheck client --connections 1 \
		--out 1048576 --in 1048576 --piece 1024 --stall 4000 --seconds 120 \
		10.88.0.12 27600 >/tmp/transfer 2>&1
		echo \$? >/tmp/result) </dev/null >/dev/null 2>&1 &"
	wait_for 10 guest g-pvh "grep -q '^open .*:27600 ' /proc/net/switchboard"
	kill_service switchboard-operator
	wait_for 20 dom0 "journalctl -u switchboard-operator --since -20s |
		grep -q 'has met'"
	direct g-pvh g-pv --connections 1 --out 4096 --in 4096 --seconds 120 \
		10.88.0.12 27600
	end_of_transfer g-pvh 0
	far_end g-pv
}

# Saved and restored, a guest that calls and is called: its streams are reset at
# both ends, its pages are nobody's, and afterwards it meets the others again. A
# PV guest, for it takes less time; save_restore has both kinds
case_direct_saved() {
	make_peer pv
	hold_connection g-pvh g-peer
	hold_connection g-peer g-pv
	"$lab" guest save g-peer /var/tmp/g-peer
	wait_for 3 guest g-pvh "grep -q status /tmp/held"
	nothing_left g-pvh
	nothing_left g-pv
	wait_for 5 dom0 "! xl list | grep -q '(null)'"
	"$lab" guest restore g-peer /var/tmp/g-peer
	dom0 "rm /var/tmp/g-peer"
	wait_for 60 guest_ready g-peer
	wait_for 10 guest g-peer "grep -q status /tmp/held"
	nothing_left g-peer
	guest g-peer "killall nc" || true
	far g-peer 27600
	far g-pv 27600
	direct g-pvh g-peer --connections 1 --out 65536 --in 65536 --seconds 30 \
		10.88.0.13 27600
	direct g-peer g-pv --connections 1 --out 65536 --in 65536 --seconds 30 \
		10.88.0.12 27600
	far_end g-pv
	drop_peer
}
