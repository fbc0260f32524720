# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# refusals.sh - what may not be, and what nobody answers

cases_refusals="policy refused unreachable timeout publish_denied raw"
cases_refusals+=" datagrams_counted"
cases_per_guest+=" $cases_refusals"
cases_alone+=" publish_conflict loopback_stays_inside"

# connect GUEST ADDRESS PORT WORDS: fails, with these words
connect_fails() {
	local said
	if said=$(guest "$1" "nc -w 20 $2 $3 </dev/null" 2>&1); then
		echo "connect to $2 port $3 worked"
		return 1
	fi
	grep -qi "$4" <<<"$said" || {
		echo "connect to $2 port $3 said '$said', not '$4'"
		return 1
	}
}

# Not listed is denied, however it is written
case_policy() {
	local address
	for address in 192.0.2.1 127.0.0.2 169.254.169.254 10.0.2.15 224.0.0.1 \
		255.255.255.255 fe80::1 ::ffff:10.0.2.15 fd90::2; do
		[ $address != 127.0.0.2 ] || continue
		connect_fails "$1" $address 80 "denied\|unreachable\|invalid"
	done
	connect_fails "$1" 192.0.2.1 80 "permission denied"
	connect_fails "$1" ::ffff:10.0.2.15 22 "permission denied"
}

# told SERVICE COUNTER: what the monitor tells of it
told() {
	counter "next(c['value'] for s in status['services']
	if s['service'] == '$1' for c in s['counters'] if c['name'] == '$2')"
}

# told_more SERVICE COUNTER NUMBER
told_more() {
	[ "$(told "$1" "$2")" -gt "$3" ]
}

# What the page shows of datagrams and verdicts is counted by who is said to, and
# grows; every name in the page is one that a service has
case_datagrams_counted() {
	local sent refused verdicts
	sent=$(told proxy-udp sent-datagrams)
	refused=$(told proxy-udp dropped-refused)
	verdicts=$(told operator refused-policy)
	says "ermission denied" guest "$1" dgramcheck error 10.90.0.2 80
	# nobody is there: it is sent all the same
	guest "$1" dgramcheck client 10.90.0.1 9999 --rounds 1 --lost 1 || true
	wait_for 20 told_more proxy-udp sent-datagrams "$sent"
	wait_for 20 told_more proxy-udp dropped-refused "$refused"
	wait_for 20 told_more operator refused-policy "$verdicts"
	dom0 "curl -sf http://127.0.0.1:9090/page.js" >"$logs/page.js"
	sed -n '/^const COUNTS/,/^};/s/.*\["\([a-z-]*\)", ".*/\1/p' \
		"$logs/page.js" >"$logs/page.names"
	[ -s "$logs/page.names" ]
	expect "names of nothing" "$(counter "[n for n in \"\"\"$(
		cat "$logs/page.names"
	)\"\"\".split() if n not in {c['name'] for s in status['services']
	for c in s['counters']}]")" "[]"
}

case_refused() {
	connect_fails "$1" 10.90.0.1 7599 "refused"
	connect_fails "$1" fd90::1 7599 "refused"
}

case_unreachable() {
	connect_fails "$1" 198.51.100.1 80 "unreachable\|no route"
}

timed_out() {
	guest "$1" "grep -qi 'timed out' /tmp/timeout"
}

# A SYN that nobody answers holds up nothing else: another connection is over
# before it is given up, after 3 s. A machine that stalls so long is tried again
case_timeout() {
	local try
	for try in {1..5}; do
		guest "$1" 'nc 198.18.0.2 80 </dev/null >/tmp/timeout 2>&1 &'
		guest "$1" "wget -q -O /dev/null http://10.90.0.1/"
		! timed_out "$1" || continue
		wait_for 10 timed_out "$1"
		return
	done
	echo "another connection waited, $try times"
	return 1
}

case_publish_denied() {
	local said
	said=$(guest "$1" "timeout 20 httpd -f -p 22 2>&1" || true)
	grep -qi "denied" <<<"$said" || {
		echo "listening on port 22 said '$said'"
		return 1
	}
}

case_raw() {
	local said
	said=$(guest "$1" "ping -c 1 -W 1 10.90.0.1 2>&1" || true)
	grep -qi "permitted\|denied" <<<"$said" || {
		echo "a raw socket said '$said'"
		return 1
	}
}

# Two guests publish the same address and port: one is told
case_publish_conflict() {
	local said
	guest g-pvh "httpd -p 7200 -h /tmp"
	said=$(guest g-pv "timeout 20 httpd -f -p 7200 2>&1" || true)
	guest g-pvh "killall httpd"
	grep -qi "in use" <<<"$said" || {
		echo "the second listener said '$said'"
		return 1
	}
}

# 127.0.0.1 of one guest is nobody else's
case_loopback_stays_inside() {
	guest g-pvh "mkdir -p /tmp/inside; echo mine >/tmp/inside/index.html
		httpd -p 127.0.0.1:7300 -h /tmp/inside"
	expect "inside" "$(guest g-pvh "wget -q -O - http://127.0.0.1:7300/")" mine
	connect_fails g-pv 127.0.0.1 7300 refused
	dom0 "! curl -s --max-time 5 http://127.0.0.1:7300/"
	guest g-pvh "killall httpd"
}
