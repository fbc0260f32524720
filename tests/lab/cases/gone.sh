# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# gone.sh - a proxy that stays away: its guests are told, and need not be asked
# when it is back

cases_alone+=" proxy_gone datagram_proxy_gone"

# The operator has taken the guest's line N away
line_lost() {
	dom0 "journalctl -q --no-pager -u switchboard-operator --since '$3' |
		grep -q 'guest $1 .*line $2 lost: its proxy is gone'"
}

now_in_dom0() {
	dom0 "date '+%F %T'"
}

# Streams end in ECONNRESET, calls in ENETUNREACH, also the one that waits; the
# listener is there again
case_proxy_gone() {
	local since
	hold_calls g-pvh
	since=$(now_in_dom0)
	dom0 "systemctl stop switchboard-proxy-tcp@main"
	guest g-pvh "(nc -w 600 10.90.0.1 80 </dev/null >/tmp/call 2>&1
		echo ended >>/tmp/call) >/dev/null 2>&1 &"
	expect_reset g-pvh
	wait_for 120 line_lost g-pvh 0 "$since"
	wait_for 60 guest g-pvh "grep -q ended /tmp/call"
	says "unreachable" guest g-pvh "cat /tmp/call"
	connect_fails g-pvh 10.90.0.1 80 "unreachable"
	connect_fails g-pvh fd90::1 80 "unreachable"
	dom0 "systemctl start switchboard-proxy-tcp@main"
	wait_for 60 guest g-pvh "wget -q -O /dev/null http://10.90.0.1/"
	wait_for 60 guest g-pv "wget -q -O /dev/null http://10.90.0.1/"
	expect_accepts g-pvh
	release_calls g-pvh
}

# Sockets stay: what is sent meanwhile is refused at once, what others know by
# its port is there again
case_datagram_proxy_gone() {
	local since
	echoes g-pvh 0.0.0.0 7150
	dom0 "systemd-run -q --unit far-echo dgramcheck echo 10.90.0.1 7503" ||
		dom0 "systemctl is-active far-echo"
	wait_for 20 dom0 "dgramcheck client 10.90.0.11 7150 --rounds 20"
	since=$(now_in_dom0)
	dom0 "systemctl stop switchboard-proxy-udp@main"
	wait_for 120 line_lost g-pvh 1 "$since"
	says "unreachable" guest g-pvh "nslookup x.lab. 10.90.0.1"
	dom0 "systemctl start switchboard-proxy-udp@main"
	wait_for 60 dom0 "dgramcheck client 10.90.0.11 7150 --rounds 20"
	guest g-pvh "dgramcheck client 10.90.0.1 7503 --rounds 20"
	guest g-pvh "killall dgramcheck"
	dom0 "systemctl stop far-echo"
}
