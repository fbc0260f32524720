# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# streams.sh - what programs in a guest see of their sockets

cases_streams="addresses sockets_local sockets_proxied listen listen_both"
cases_streams+=" bulk thousand"
cases_per_guest+=" $cases_streams"

# tap COMMAND...: run a program that prints TAP, show what failed
tap() {
	local output status=0
	output=$("$@" 2>&1) || status=$?
	grep -v '^ok' <<<"$output"
	grep -q '^1\.\.' <<<"$output" || {
		echo "no plan: the program did not end by itself"
		return 1
	}
	[ $status = 0 ]
}

# The interface, the addresses and the name servers are the operator's, CASES 13
case_addresses() {
	local number=${guest_number[$1]}
	expect "IPv4" "$(guest "$1" "ip -4 -o addr show dev sb0" |
		awk '{ print $4 }')" "10.88.0.$number/24"
	expect "IPv6" "$(guest "$1" "ip -6 -o addr show dev sb0 scope global" |
		awk '{ print $4 }')" "fd88::$number/64"
	expect "name servers" "$(guest "$1" "cat /etc/resolv.conf" |
		awk '/^nameserver/ { printf "%s ", $2 }')" "10.90.0.1 fd90::1 "
	expect "network cards" "$(guest "$1" "ls /sys/class/net" |
		tr '\n' ' ')" "lo sb0 "
}

case_sockets_local() {
	tap guest "$1" sockcheck local --circuit --patience 3
}

case_sockets_proxied() {
	local number=${guest_number[$1]}
	tap guest "$1" sockcheck client --circuit --patience 3 \
		--reach "10.90.0.$number" --ports 7000-7099 10.90.0.1 7500
}

# sockets_between FROM TO WORDS...: some of it from one guest to another, Dom0 out of
# the path, with calls both ways
sockets_between() {
	local taken address=10.88.0.${guest_number[$2]}
	taken=$(count "$2" direct_taken)
	guest "$2" "sockcheck server $address 27500 >/tmp/agents 2>&1 &"
	wait_for 10 guest "$2" \
		"grep -q '^listening .*:27500 ' /proc/net/switchboard"
	tap guest "$1" sockcheck client --circuit --direct --patience 3 \
		--reach "10.88.0.${guest_number[$1]}" --ports 27000-27099 \
		"${@:3}" "$address" 27500
	guest "$2" "killall sockcheck"
	has_more "$2" direct_taken "$taken"
}

# What differs when the pages are another guest's, mapped in a PVH guest and in a
# PV guest; and that no program sees what others left there, who had them mapped at
# the other end. By hand: each connection goes to a port of its own, and a line
# admits so many
case_sockets_direct() {
	sockets_between g-pvh g-pv --case map-
	sockets_between g-pv g-pvh --case map-
}

# listening_at NUMBER PORT: one socket on both families, at a place for each
listening_at() {
	local address
	for address in "10.90.0.$1" "fd90::$1"; do
		dom0 "streamcheck client --connections 3 --out 65536 --in 65536 \
			--seconds 60 $address $2"
	done
}

# With a rule for each family, and again when the proxy was started anew
case_listen_both() {
	local number=${guest_number[$1]}
	guest "$1" "streamcheck server :: 27800 >/dev/null 2>&1 </dev/null &"
	wait_for 10 listening_at "$number" 27800
	kill_service switchboard-proxy-tcp@main
	wait_for 20 listening_at "$number" 27800
	guest "$1" "killall streamcheck"
	wait_for 5 dom0 "! nc -z 10.90.0.$number 27800 && ! nc -z fd90::$number 27800"
}

# Dom0 reaches what a guest publishes, under Dom0's address
case_listen() {
	local number=${guest_number[$1]}
	guest "$1" 'mkdir -p /tmp/www; echo "hello from $(hostname)" >/tmp/www/index.html
		httpd -p 7080 -h /tmp/www'
	wait_for 10 dom0 "curl -sf http://10.90.0.$number:7080/"
	expect "the page" "$(dom0 "curl -s http://10.90.0.$number:7080/")" \
		"hello from $1"
	says ' \(\[::\]\|0\.0\.0\.0\):7080 ' guest "$1" \
		"grep '^listening' /proc/net/switchboard"
	guest "$1" 'killall httpd'
	wait_for 5 dom0 "! curl -s http://10.90.0.$number:7080/"
}

# 200 MB each way at once, every byte checked, then through stalls
case_bulk() {
	local before
	before=$(count "$1" lies)
	guest "$1" streamcheck client --connections 4 --out 52428800 \
		--in 52428800 --seconds 400 10.90.0.1 7501
	guest "$1" streamcheck client --connections 2 --out 1048576 \
		--in 1048576 --stall 2000 --seconds 120 10.90.0.1 7501
	guest "$1" streamcheck client --connections 1 --out 65536 --in 65536 \
		--piece 1 --seconds 120 10.90.0.1 7501
	expect "lies" "$(count "$1" lies)" "$before"
}

# 1000 connections at once from one guest, under Xen's default limits
case_thousand() {
	guest "$1" "ulimit -n 4096; exec streamcheck client \
		--connections 1000 --out 4096 --in 4096 --stall 3000 \
		--seconds 300 10.90.0.1 7501"
	expect "sockets left" "$(guest "$1" \
		"sed -n 's/^# sockets //p' /proc/net/switchboard")" 0
}
