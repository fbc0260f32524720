# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# direct_datagrams.sh - datagrams of two guests without Dom0 between them
#
#   g-pvh 10.88.0.11  <==============>  g-pv 10.88.0.12
#         \\                             //
#          ====== g-peer 10.88.0.13 (PVH, made here and destroyed) ======
#
# One that was not introduced yet goes to the proxy first and comes back to wait
# for the route, so what comes back never came from Dom0: the echo's answer is
# only taken from whom it was sent to.

cases_alone+=" direct_datagrams direct_datagrams_many"
cases_alone+=" direct_datagrams_refused direct_datagrams_denied"
cases_alone+=" direct_datagrams_destroyed direct_datagrams_paused"
cases_alone+=" direct_datagrams_operator_killed"

# echo_at GUEST FAMILY PORT: sends back whatever comes
echo_at() {
	local any=0.0.0.0
	[ "$2" = 4 ] || any=::
	guest "$1" "dgramcheck echo $any $3 >/tmp/echo-$2-$3 2>&1 &"
	wait_for 60 guest "$1" "grep -q ':$3 ' /proc/net/switchboard"
}

echo_end() {
	guest "$1" "killall dgramcheck" || true
}

# datagrams CALLER CALLEE WORDS...: dgramcheck, and Dom0 was not in the path:
# each side has put and taken all of them, once they have been introduced
datagrams() {
	local caller=$1 callee=$2 out in lies
	guest "$caller" dgramcheck client --rounds 10 "$3" "$4"
	out=$(count "$caller" datagrams_direct_out)
	in=$(count "$callee" datagrams_direct_in)
	lies="$(count "$caller" lies) $(count "$callee" lies)"
	guest "$caller" dgramcheck client --rounds 100 "${@:3}"
	out=$(($(count "$caller" datagrams_direct_out) - out))
	in=$(($(count "$callee" datagrams_direct_in) - in))
	expect "lies" "$(count "$caller" lies) $(count "$callee" lies)" "$lies"
	[ "$out" -ge 100 ] && [ "$in" -ge 100 ] || {
		echo "not over a direct line: $out out, $in in"
		return 1
	}
}

# Every combination that has a caller and a callee of its own, both families,
# the smallest and the largest, one by one and many with one system call
case_direct_datagrams() {
	local pair caller callee number
	make_peer
	for pair in g-pvh/g-pv g-pv/g-pvh g-pvh/g-peer g-pv/g-peer; do
		caller=${pair%/*}
		callee=${pair#*/}
		[ "$pair" != g-pv/g-peer ] || make_peer pv
		number=${guest_number[$callee]}
		echo_at "$callee" 4 27600
		echo_at "$callee" 6 27601
		datagrams "$caller" "$callee" "10.88.0.$number" 27600 --bytes 64
		datagrams "$caller" "$callee" "fd88::$number" 27601 --bytes 1400 \
			--burst 32
		datagrams "$caller" "$callee" "10.88.0.$number" 27600 \
			--bytes 65507
		expect "the source" "$(guest "$callee" "cat /tmp/echo-4-27600")" \
			"from $(address_of "$caller")"
		expect "the source" "$(guest "$callee" "cat /tmp/echo-6-27601")" \
			"from fd88::${guest_number[$caller]}"
		echo_end "$callee"
	done
	drop_peer
}

# Many sockets at once, both ways, with one server each
case_direct_datagrams_many() {
	local i
	echo_at g-pv 4 27600
	echo_at g-pvh 4 27600
	guest g-pvh "rm -f /tmp/many.*; for i in \$(seq 20); do
		(dgramcheck client 10.88.0.12 27600 --rounds 200 --burst 4 \
			>/tmp/many.\$i 2>&1; echo \$? >/tmp/many.\$i.status) &
		done; wait" &
	guest g-pv "rm -f /tmp/many.*; for i in \$(seq 20); do
		(dgramcheck client 10.88.0.11 27600 --rounds 200 --burst 4 \
			>/tmp/many.\$i 2>&1; echo \$? >/tmp/many.\$i.status) &
		done; wait"
	wait
	for i in g-pvh g-pv; do
		expect "$i" "$(guest "$i" "cat /tmp/many.*.status | sort | uniq -c" |
			tr -s ' ')" " 20 0"
	done
	echo_end g-pv
	echo_end g-pvh
}

# Nobody is at the port; policy does not let us
case_direct_datagrams_refused() {
	echo_at g-pv 4 27600
	datagrams g-pvh g-pv 10.88.0.12 27600
	says refused guest g-pvh dgramcheck error 10.88.0.12 27602
	says refused guest g-pvh dgramcheck error fd88::12 27602
	says "ermission denied" guest g-pvh dgramcheck error 10.88.0.12 80
	# whoever was there is gone: the pair says so, not the network
	echo_end g-pv
	says refused guest g-pvh dgramcheck error 10.88.0.12 27600
}

# proxied NUMBER PORT FAMILY: through the proxies the callee sees who has called it,
# and the caller is answered from where it sent to
proxied() {
	guest g-pv "rm -f /tmp/echo-*"
	echo_at g-pv "$3" "$2"
	guest g-pvh dgramcheck client "$1" "$2" --rounds 10
	guest g-pvh dgramcheck client "$1" "$2" --rounds 10 --bytes 1400 --burst 8
	expect "the source" "$(guest g-pv "sort -u /tmp/echo-$3-$2")" \
		"from ${1%12}11"
	echo_end g-pv
}

# Without direct they meet through the proxies
case_direct_datagrams_denied() {
	local out
	echo_at g-pv 4 7600
	datagrams g-pvh g-pv 10.88.0.12 7600
	reload_with "c['guests']['g-pv']['direct'] = False"
	wait_for 60 expect_count g-pv pages_foreign 0
	wait_for 100 guest g-pvh dgramcheck client 10.88.0.12 7600 --rounds 10
	out=$(count g-pvh datagrams_direct_out)
	guest g-pvh dgramcheck client 10.88.0.12 7600
	echo_end g-pv
	proxied 10.88.0.12 7600 4
	proxied fd88::12 27601 6
	expect "datagrams past Dom0" "$(count g-pvh datagrams_direct_out)" "$out"
	reload_with "del c['guests']['g-pv']['direct']"
	echo_at g-pv 4 7600
	wait_for 100 guest g-pvh "dgramcheck client 10.88.0.12 7600 >/dev/null &&
		[ \$(sed -n 's/^# datagrams_direct_out //p' \
			/proc/net/switchboard) -gt $out ]"
	datagrams g-pvh g-pv 10.88.0.12 7600
	echo_end g-pv
}

# One end is destroyed in the middle: the other lets go of everything, and goes on
case_direct_datagrams_destroyed() {
	make_peer
	echo_at g-peer 4 27600
	echo_at g-pv 4 27600
	datagrams g-pvh g-peer 10.88.0.13 27600
	guest g-pvh "dgramcheck client 10.88.0.13 27600 --rounds 1000000 \
		--burst 8 --lost 1 >/tmp/on 2>&1 &"
	guest g-peer "dgramcheck client 10.88.0.12 27600 --rounds 1000000 \
		--burst 8 --lost 1 >/tmp/on 2>&1 &"
	drop_peer
	wait_for 60 dom0 "! xl list | grep -q '(null)'"
	wait_for 120 expect_count g-pvh pages_quarantined 0
	guest g-pvh "killall dgramcheck" || true
	datagrams g-pvh g-pv 10.88.0.12 27600
	echo_end g-pv
}

# A guest that stands still: datagrams for it are lost, nobody waits for it. It
# has called before, over the other family: what it is sent finds its own way
case_direct_datagrams_paused() {
	make_peer
	echo_at g-pvh 4 27604
	datagrams g-peer g-pvh 10.88.0.11 27604
	echo_end g-pvh
	echo_at g-peer 6 27604
	datagrams g-pvh g-peer fd88::13 27604
	echo_at g-peer 4 27603
	echo_at g-pv 4 27600
	datagrams g-pvh g-peer 10.88.0.13 27603
	dom0 "xl pause g-peer"
	# more than its ring holds, from a socket that would block
	guest g-pvh "dgramcheck client 10.88.0.13 27603 --rounds 12 --burst 32 \
		--bytes 16000 --lost 12 | grep -q '12 lost'"
	datagrams g-pvh g-pv 10.88.0.12 27600
	dom0 "xl unpause g-peer"
	wait_for 100 guest g-pvh dgramcheck client 10.88.0.13 27603 --rounds 10
	datagrams g-pvh g-peer 10.88.0.13 27603
	echo_end g-pv
	drop_peer
}

# A new operator learns of the line from both ends; datagrams go on
case_direct_datagrams_operator_killed() {
	echo_at g-pv 4 27600
	datagrams g-pvh g-pv 10.88.0.12 27600
	kill_service switchboard-operator
	wait_for 60 dom0 "journalctl -u switchboard-operator --since -60s |
		grep -q 'has met'"
	datagrams g-pvh g-pv 10.88.0.12 27600
	echo_end g-pv
}
