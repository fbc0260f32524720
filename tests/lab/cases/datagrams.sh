# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# datagrams.sh - Debian's own programs over UDP and ping: names, time, files, load
#
# In guests of their own, with a Debian root, that the first case makes. The far
# ends are in Dom0 (dom0-setup): BIND for the zone "lab.", chrony, tftpd, iperf3.

guests_debian="d-pvh d-pv"
guest_number+=([d-pvh]=21 [d-pv]=22)
cases_per_debian_guest+=" names named_inside time_told pinged files_carried"
cases_per_debian_guest+=" datagram_load names_between names_load"

# makes a Debian guest unless it runs
need_debian_guest() {
	! guest "$1" true >/dev/null 2>&1 || return 0
	create_guest "$1" --root debian --memory 320
	wait_for 60 guest_ready "$1"
}

# The whole answer to a question of dig's, as one line
asked() {
	guest "$1" "dig +short +tries=3 +time=20 ${*:2}" | sort | tr '\n' ' '
}

# By dig, glibc and busybox, from the server that the operator named
case_names() {
	need_debian_guest "$1"
	expect "dig" "$(asked "$1" dom0.lab A)" "10.90.0.1 "
	expect "dig, IPv6 server" "$(asked "$1" @fd90::1 dom0.lab AAAA)" "fd90::1 "
	expect "an answer too long for UDP" \
		"$(asked "$1" many.lab A | wc -w)" 100
	expect "a name that is not" "$(asked "$1" nobody.lab A)" ""
	expect "glibc" "$(guest "$1" "getent ahostsv4 g-pv.lab" |
		awk 'NR == 1 { print $1 }')" 10.88.0.12
	expect "glibc, IPv6" "$(guest "$1" "getent ahostsv6 g-pv.lab" |
		awk 'NR == 1 { print $1 }')" fd88::12
	says '10\.88\.0\.11' guest "$1" "busybox nslookup web.lab"
	guest "$1" "wget -q -O /dev/null http://dom0.lab/"
}

# A name server in a guest
start_named() {
	guest "$1" "pkill named" || true
	guest "$1" "cat >/tmp/named.conf <<-END
		options { directory \"/tmp\"; recursion no; pid-file none;
			session-keyfile none; listen-on { any; };
			listen-on-v6 { any; }; };
		zone \"inside\" { type primary; file \"/tmp/zone\"; };
	END
	printf '%s\n' '\$TTL 60' '@ SOA a a 1 60 60 60 60' '@ NS a' \
		'a A 192.0.2.77' '\$GENERATE 1-100 many A 192.0.2.\$' \
		'\$GENERATE 1-1000 host\$ A 192.0.2.1' >/tmp/zone
	named -c /tmp/named.conf -g >/tmp/named.log 2>&1 </dev/null &"
	wait_for 60 guest "$1" "dig +short +time=20 @127.0.0.1 a.inside |
		grep -q 192.0.2.77"
}

# Asked from outside, over both families, over UDP and TCP. Dom0's own name
# server has port 53 of all IPv6 addresses
case_named_inside() {
	local at number=${guest_number[$1]}
	need_debian_guest "$1"
	start_named "$1"
	for at in "@10.90.0.$number" "-p 5353 @fd90::$number"; do
		wait_for 60 dom0 "dig +short +time=20 $at a.inside |
			grep -q 192.0.2.77"
		expect "over TCP" "$(dom0 "dig +short +tcp $at a.inside")" \
			192.0.2.77
		expect "too long for UDP" \
			"$(dom0 "dig +short $at many.inside" | wc -l)" 100
	done
	guest "$1" "pkill named"
}

# chrony measures its distance to Dom0's clock and says so
case_time_told() {
	need_debian_guest "$1"
	says 'System clock wrong by' guest "$1" \
		"chronyd -Q -u root -t 60 'server 10.90.0.1 iburst'"
}

# Without a raw socket, CASES 12; that those are refused sockcheck shows
case_pinged() {
	need_debian_guest "$1"
	says ' 0% packet loss' guest "$1" "ping -n -c 3 -W 60 10.90.0.1"
	says ' 0% packet loss' guest "$1" "ping -n -c 2 -W 60 -s 8000 fd90::1"
	guest "$1" "! ping -n -c 1 -W 5 198.51.100.1"
}

# TFTP: the server answers each transfer from a port of its own
case_files_carried() {
	need_debian_guest "$1"
	guest "$1" "cd /tmp && rm -f big && tftp -m binary 10.90.0.1 -c get big"
	expect "fetched" "$(guest "$1" "sha256sum </tmp/big")" \
		"$(dom0 "sha256sum </srv/tftp/big")"
	guest "$1" "cd /tmp && tftp -m binary 10.90.0.1 -c put big from-$1"
	dom0 "cmp /srv/tftp/big /srv/tftp/from-$1; rm /srv/tftp/from-$1"
}

# datagrams_lost GUEST WORD...: how many of an iperf3 run, by the receiver's count
datagrams_lost() {
	guest "$1" "iperf3 -J -u -c 10.90.0.1 -l 1400 -b 4M -t 3 ${*:2}" |
		python3 -c '
import json, sys
end = json.load(sys.stdin)["end"]["sum"]
print(end["lost_packets"], "of", end["packets"], file=sys.stderr)
print(end["lost_packets"] if end["packets"] > 100 else "too few to tell")'
}

# No datagram is lost, unless the machine stalls: then it is tried again
all_arrive() {
	local try lost
	for try in 1 2 3; do
		lost=$(datagrams_lost "$@")
		[ "$lost" != 0 ] || return 0
	done
	echo "lost, $try times"
	return 1
}

case_datagram_load() {
	need_debian_guest "$1"
	all_arrive "$1"
	all_arrive "$1" -R
}

# all_answered GUEST SERVER DOMAIN: 10,000 questions, as fast as the answers come
all_answered() {
	local said
	guest "$1" "seq -f 'host%.0f.$3 A' 1000 >/tmp/questions"
	said=$(guest "$1" "dnsperf -s $2 -d /tmp/questions -n 10 -c 4 -q 16 \
		-t 60 2>&1")
	echo "$said"
	grep -q 'Queries completed: *10000 (100' <<<"$said"
	grep -q 'Queries lost: *0 ' <<<"$said"
	grep -q 'NOERROR 10000 ' <<<"$said"
}

# The name server is in the other Debian guest: over the direct line of both, then
# through the proxies
case_names_between() {
	local other=d-pv out
	[ "$1" != d-pv ] || other=d-pvh
	need_debian_guest "$1"
	need_debian_guest "$other"
	start_named "$other"
	asked "$1" "@10.88.0.${guest_number[$other]}" a.inside A
	out=$(count "$1" datagrams_direct_out)
	all_answered "$1" "10.88.0.${guest_number[$other]}" inside
	(($(count "$1" datagrams_direct_out) >= out + 10000))
	reload_with "c['guests']['$other']['direct'] = False"
	wait_for 60 expect_count "$other" pages_foreign 0
	# a route is asked for again
	wait_for 60 guest "$1" "dig +short +time=2 \
		@10.88.0.${guest_number[$other]} a.inside | grep -q 192.0.2.77"
	out=$(count "$1" datagrams_direct_out)
	all_answered "$1" "10.88.0.${guest_number[$other]}" inside
	expect "datagrams past Dom0" "$(count "$1" datagrams_direct_out)" "$out"
	reload_with "del c['guests']['$other']['direct']"
	guest "$other" "pkill named"
}

case_names_load() {
	need_debian_guest "$1"
	all_answered "$1" 10.90.0.1 lab
	dom0 "xl destroy $1"
}
