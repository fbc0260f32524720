# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# datagram_faults.sh - datagram sockets outlive the proxy without their
# program's help: those that send, and those that others know by their port.
# What the network cannot take in one go is sent in another

cases_alone+=" datagrams_proxy_killed"
cases_per_guest+=" datagram_runs datagrams_scribbled datagram_groups"
cases_per_guest+=" datagram_sources"
cases_per_debian_guest+=" datagrams_rest"

# echoes NAME ADDRESS PORT [SOURCE]: an echo server in a guest
echoes() {
	guest "$1" "(dgramcheck echo ${*:2} >/tmp/echo 2>&1 </dev/null &)"
}

case_datagrams_proxy_killed() {
	local pid
	echoes g-pvh 0.0.0.0 7150
	# one that is a member of one source only
	echoes g-pvh 239.77.1.2 7411 10.90.0.1
	dom0 "systemd-run -q --unit far-echo dgramcheck echo 10.90.0.1 7503" ||
		dom0 "systemctl is-active far-echo"
	wait_for 60 dom0 "dgramcheck client 10.90.0.11 7150 --rounds 20 --lost 2"
	wait_for 60 dom0 "dgramcheck client 239.77.1.2 7411 --rounds 20 \
		--lost 2 --from 10.90.0.1"
	guest g-pvh "rm -f /tmp/result; (dgramcheck client 10.90.0.1 7503 \
		--rounds 150 --pause 50 --lost 30 >/tmp/rounds 2>&1
		echo \$? >/tmp/result) </dev/null >/dev/null 2>&1 &"
	pid=$(main_pid switchboard-proxy-udp@main)
	dom0 "kill -9 $pid"
	wait_for 20 restarted switchboard-proxy-udp@main "$pid"
	# the server's socket is the one that it was, and so is its port
	dom0 "dgramcheck client 10.90.0.11 7150 --rounds 60 --pause 20 --lost 30"
	dom0 "dgramcheck client 239.77.1.2 7411 --rounds 30 --lost 15 \
		--from 10.90.0.1"
	says ' 2 lost' dom0 "dgramcheck client 239.77.1.2 7411 --rounds 2 \
		--lost 2 --from 10.90.0.13"
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
	wait_for 60 guest "$1" "dgramcheck client 203.0.113.2 7504 --rounds 12 \
		--lost 2"
	for bytes in 100 1400 1472 1473 1600 9000; do
		guest "$1" "dgramcheck client 203.0.113.2 7504 --rounds 15 \
			--burst 8 --bytes $bytes"
	done
}

# An echo in Dom0, which answers this guest by now
need_far_echo() {
	dom0 "systemctl is-active -q far-datagrams || systemd-run -q --unit far-datagrams \
		dgramcheck echo 10.90.0.1 7506"
	wait_for 60 guest "$1" "dgramcheck client 10.90.0.1 7506 --rounds 12 \
		--lost 2"
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
	(($(proxy_udp_holds) < 1150))
}

# More than its share: the idle ones' sockets are closed, and nobody sees it
case_datagrams_rest() {
	need_debian_guest "$1"
	need_far_echo "$1"
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

# CASES 33 and 27 for datagrams: somebody else in Dom0 writes records, indexes
# and words that cannot be while the guest uses its sockets
case_datagrams_scribbled() {
	local domain gref lies
	need_far_echo "$1"
	domain=$(dom0 "xl domid $1")
	gref=$(dom0 "xenstore-read \
		/local/domain/$domain/device/switchboard/0/ring-ref")
	lies=$(count "$1" lies)
	guest "$1" "rm -f /tmp/stop
		(until [ -e /tmp/stop ]; do
			dgramcheck client 10.90.0.1 7506 --rounds 5 --lost 5
		done >/dev/null 2>&1; touch /tmp/stopped) </dev/null &"
	says ' turns, [1-9][0-9]* circuits' dom0 "scribble $domain $gref 5 $RANDOM 11"
	guest "$1" "touch /tmp/stop"
	(($(count "$1" lies) > lies))
	wait_for 60 guest "$1" "[ -e /tmp/stopped ]"
	wait_for 60 guest "$1" "dgramcheck client 10.90.0.1 7506 --rounds 20 \
		--lost 2"
	guest "$1" "rm /tmp/stop /tmp/stopped"
}

# group_echo GUEST GROUP PORT [SOURCE]: just this member
group_echo() {
	guest "$1" "killall dgramcheck" || true
	echoes "$@"
}

# A group: a member in the guest hears Dom0 and its own guest, one in Dom0 hears
# the guest; all go through Dom0's network
case_datagram_groups() {
	local number=${guest_number[$1]} unit group port
	for group in 239.77.1.2/74 ff05::7702/73; do
		port=${group#*/}
		group=${group%/*}
		unit=far-group-$port
		group_echo "$1" "$group" "$port$number"
		dom0 "systemctl is-active -q $unit || systemd-run -q --unit $unit \
			dgramcheck echo $group ${port}99"
		wait_for 60 dom0 "dgramcheck client $group $port$number \
			--rounds 20 --lost 2"
		wait_for 60 guest "$1" "dgramcheck client $group ${port}99 \
			--rounds 20 --lost 2"
		wait_for 60 guest "$1" "dgramcheck client $group $port$number \
			--rounds 20 --lost 2"
	done
	guest "$1" "killall dgramcheck"
}

# A member of one source hears that one and nobody else; it is there, and hears
# what is for itself. So it is when the proxy is another one
case_datagram_sources() {
	local number=${guest_number[$1]} group port own other
	for group in 239.77.1.2/74/10.90.0.1/10.90.0.13 \
		ff05::7702/73/fd90::1/fd90::13; do
		IFS=/ read -r group port own other <<<"$group"
		port+=$number
		group_echo "$1" "$group" "$port" "$other"
		wait_for 60 dom0 "dgramcheck client $own $port --rounds 12"
		says ' 2 lost' dom0 "dgramcheck client $group $port --rounds 2 \
			--lost 2 --from $own"
		dom0 "dgramcheck client $group $port --rounds 12 --lost 2 \
			--from $other"
		group_echo "$1" "$group" "$port" "$own"
		wait_for 60 dom0 "dgramcheck client $group $port --rounds 20 \
			--lost 2 --from $own"
	done
	guest "$1" "killall dgramcheck"
}
