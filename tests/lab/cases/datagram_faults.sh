# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# datagram_faults.sh - datagram sockets outlive the proxy without their
# program's help: those that send, and those that others know by their port.
# What the network cannot take in one go is sent in another

cases_alone+=" datagrams_proxy_killed"
cases_per_guest+=" datagram_runs"
cases_per_debian_guest+=" datagrams_rest"

# echoes NAME ADDRESS PORT: an echo server in a guest
echoes() {
	guest "$1" "(dgramcheck echo $2 $3 >/tmp/echo 2>&1 </dev/null &)"
}

case_datagrams_proxy_killed() {
	local pid
	echoes g-pvh 0.0.0.0 7150
	dom0 "systemd-run -q --unit far-echo dgramcheck echo 10.90.0.1 7503" ||
		dom0 "systemctl is-active far-echo"
	wait_for 20 dom0 "dgramcheck client 10.90.0.11 7150 --rounds 20"
	guest g-pvh "rm -f /tmp/result; (dgramcheck client 10.90.0.1 7503 \
		--rounds 150 --pause 50 --lost 30 >/tmp/rounds 2>&1
		echo \$? >/tmp/result) </dev/null >/dev/null 2>&1 &"
	pid=$(main_pid switchboard-proxy-udp@main)
	dom0 "kill -9 $pid"
	wait_for 20 restarted switchboard-proxy-udp@main "$pid"
	# the server's socket is the one that it was, and so is its port
	dom0 "dgramcheck client 10.90.0.11 7150 --rounds 60 --pause 20 --lost 30"
	wait_for 150 guest g-pvh "[ -s /tmp/result ]"
	expect "the client ($(guest g-pvh "cat /tmp/rounds"))" \
		"$(guest g-pvh "cat /tmp/result")" 0
	guest g-pvh "killall dgramcheck"
	dom0 "systemctl stop far-echo"
}

# Many at once through a device with an MTU of 1500: those that fit go through
# the stack together, longer ones cannot; none is lost, none comes twice
case_datagram_runs() {
	local bytes
	dom0 "systemctl is-active -q far-runs || systemd-run -q --unit far-runs \
		-p NetworkNamespacePath=/run/netns/far \
		dgramcheck echo 203.0.113.2 7504"
	wait_for 20 guest "$1" "dgramcheck client 203.0.113.2 7504 --rounds 10"
	for bytes in 100 1400 1472 1473 1600 9000; do
		guest "$1" "dgramcheck client 203.0.113.2 7504 --rounds 15 \
			--burst 8 --bytes $bytes"
	done
}

# The proxy's open descriptors
proxy_udp_holds() {
	dom0 "ls /proc/$(main_pid switchboard-proxy-udp@main)/fd" | wc -l
}

# Another few sockets, and: are there few enough by now?
few_are_held() {
	guest "$1" "rm -f /tmp/few /tmp/few-status
		(dgramcheck many 10.90.0.1 7506 /tmp/few --sockets 20
		echo \$? >/tmp/few-status) >/dev/null 2>&1 </dev/null &
		until [ -e /tmp/few ] || [ -s /tmp/few-status ]; do
			sleep 0.1
		done
		rm /tmp/few"
	(($(proxy_udp_holds) < 1024 + 60))
}

# More than its share: the idle ones' sockets are closed, and nobody sees it
case_datagrams_rest() {
	need_debian_guest "$1"
	dom0 "systemctl is-active -q far-rest || systemd-run -q --unit far-rest \
		dgramcheck echo 10.90.0.1 7506"
	guest "$1" "rm -f /tmp/many /tmp/many-status
		(dgramcheck many 10.90.0.1 7506 /tmp/many --sockets 1200 \
		>/tmp/many-said 2>&1; echo \$? >/tmp/many-status) </dev/null &"
	wait_for 240 guest "$1" "[ -e /tmp/many ] || [ -e /tmp/many-status ]"
	guest "$1" "[ -e /tmp/many ]"
	wait_for 240 few_are_held "$1"
	guest "$1" "rm /tmp/many"
	wait_for 240 guest "$1" "[ -s /tmp/many-status ]"
	expect "all sockets ($(guest "$1" "cat /tmp/many-said"))" \
		"$(guest "$1" "cat /tmp/many-status")" 0
}
