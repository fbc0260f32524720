# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# zerocopy.sh - programs that work on their circuits in place
#
# What the kernel allows and refuses is in sockcheck's cases map-* and
# library-*, which the cases sockets_local and sockets_proxied run.

cases_per_guest+=" examples mapped_nonsense"
cases_alone+=" direct_in_place direct_in_place_destroyed direct_in_place_saved"
cases_alone+=" direct_in_place_views direct_in_place_fetched"

# Somebody listens in that guest
listening() {
	guest "$1" "grep -q ^listening /proc/net/switchboard"
}

# copy_file FROM TO ADDRESS SENDER RECEIVER [HOW]: a file, byte for byte; SENDER and
# RECEIVER are -c for who copies, or empty; HOW the receiver then works
copy_file() {
	guest "$2" "rm -f /tmp/copy /tmp/in; killall -q circuit-file
		(circuit-file $5 receive 7200 /tmp/copy >/tmp/in 2>&1 &)"
	wait_for 20 listening "$2"
	guest "$1" "circuit-file $4 send $3 7200 /tmp/file" >"$logs/sent"
	cat "$logs/sent"
	wait_for 20 guest "$2" "grep -q ^received /tmp/in"
	guest "$2" "cat /tmp/in"
	expect "the copy" "$(guest "$2" "md5sum </tmp/copy")" \
		"$(guest "$1" "md5sum </tmp/file")"
	[ "$4" = -c ] || grep -q "in place" "$logs/sent"
	[ "$5" = -c ] || guest "$2" "grep -q '${6:-in place}' /tmp/in"
}

# Files and values from the other guest, through the proxies, and within one;
# each guest may publish port 7200 at Dom0's address
case_examples() {
	local far=g-pv name
	[ "$1" != g-pv ] || far=g-pvh
	for name in "$1" "$far"; do
		guest "$name" "head -c 3000001 /dev/urandom >/tmp/file"
	done
	copy_file "$far" "$1" 10.90.0.1 "" ""
	copy_file "$far" "$1" 10.90.0.1 -c ""
	copy_file "$far" "$1" 10.90.0.1 "" -c
	copy_file "$1" "$1" 127.0.0.1 "" ""
	guest "$1" "(circuit-store 7200 >/dev/null 2>&1 &)"
	wait_for 20 listening "$1"
	guest "$far" "circuit-load 10.90.0.1 7200 300 1000"
	guest "$far" "circuit-load -c 10.90.0.1 7200 300 10 8"
	guest "$1" "circuit-load 127.0.0.1 7200 2000 1000 16
		killall circuit-store"
}

# A program that scribbles over all that it has mapped, while others work
case_mapped_nonsense() {
	guest "$1" "rm -f /tmp/nonsense; dmesg -c >/dev/null
		(mapscribble 10 $RANDOM >/tmp/nonsense 2>&1
		mapscribble 10 $RANDOM 10.90.0.1 7501 >>/tmp/nonsense 2>&1
		echo end >>/tmp/nonsense) </dev/null >/dev/null 2>&1 &"
	guest "$1" "streamcheck client --connections 4 --out 1000000 \
		--in 1000000 --seconds 120 10.90.0.1 7501"
	guest "$1" "sockcheck --circuit --patience 9 \
		--case library-reads local >/tmp/reads 2>&1 || {
			cat /tmp/reads
			exit 1
		}"
	wait_for 90 guest "$1" "grep -q end /tmp/nonsense"
	guest "$1" "cat /tmp/nonsense"
	expect "scribblers that did their work" \
		"$(guest "$1" "grep -c attached /tmp/nonsense")" 2
	expect "complaints of the kernel" "$(guest "$1" \
		"dmesg | grep -cE 'BUG|Oops|WARNING|bad page|Call Trace'")" 0
	wait_for 30 guest "$1" \
		"grep -q '^# sockets 0' /proc/net/switchboard"
	guest "$1" "wget -q -O /dev/null http://10.90.0.1/"
}

# quiet GUEST: its kernel has not complained
quiet() {
	expect "complaints of $1" "$(guest "$1" \
		"dmesg | grep -cE 'BUG|Oops|WARNING|bad page|Call Trace|stays in a program'")" 0
}

# Between two guests without a copy
case_direct_in_place() {
	local name
	for name in g-pvh g-pv; do
		guest "$name" "dmesg -c >/dev/null
			head -c 3000001 /dev/urandom >/tmp/file"
	done
	copy_file g-pv g-pvh 10.88.0.11 "" ""
	copy_file g-pv g-pvh fd88::11 -c ""
	copy_file g-pvh g-pv 10.88.0.12 "" ""
	guest g-pvh "(circuit-store 7200 >/dev/null 2>&1 &)"
	wait_for 20 listening g-pvh
	guest g-pv "circuit-load 10.88.0.11 7200 1000 1000"
	guest g-pv "mapscribble 5 $RANDOM 10.88.0.11 7200"
	guest g-pv "circuit-load 10.88.0.11 7200 1000 1000 16"
	guest g-pvh "killall circuit-store"
	for name in g-pvh g-pv; do
		quiet "$name"
	done
}

# receive_endlessly GUEST FROM: a program there works in place on what the other
# guest sends it, until that ends
receive_endlessly() {
	guest "$1" "dmesg -c >/dev/null; rm -f /tmp/in
		(circuit-file receive 7200 /dev/null >/tmp/in 2>&1
		echo status \$? >>/tmp/in) </dev/null >/dev/null 2>&1 &"
	wait_for 20 listening "$1"
	guest "$2" "(truncate -s 4G /tmp/file
		circuit-file send 10.88.0.${guest_number[$1]} 7200 /tmp/file) \
		</dev/null >/dev/null 2>&1 &"
	wait_for 20 guest "$1" "grep -q ^open /proc/net/switchboard"
	[ "$(type_of "$1")" != pv ] || wait_for 20 has_more "$1" pages_viewed 1
}

# The caller dies while its pages are mapped into a program of the callee
case_direct_in_place_destroyed() {
	local pages name
	for name in g-pvh g-pv; do
		make_peer
		receive_endlessly "$name" g-peer
		pages=$(count "$name" pages_foreign)
		drop_peer
		wait_for 10 guest "$name" "grep -q status /tmp/in"
		guest "$name" "cat /tmp/in"
		guest "$name" "grep -q 'reset by peer' /tmp/in"
		wait_for 5 dom0 "! xl list | grep -q '(null)'"
		# the circuit's at least, and those that were ready
		wait_for 10 fewer "$name" pages_foreign $((pages - 8)) || {
			echo "pages of a guest that is gone are still mapped"
			return 1
		}
		wait_for 5 fewer "$name" pages_viewed 1
		quiet "$name"
	done
}

# The same, and the program asks for page after page of a guest that is gone
case_direct_in_place_fetched() {
	local name
	for name in g-pvh g-pv; do
		make_peer pv
		guest "$name" "dmesg -c >/dev/null; rm -f /tmp/in
			(viewcheck hold 7200 >/tmp/in 2>&1
			echo status \$? >>/tmp/in) </dev/null >/dev/null 2>&1 &"
		wait_for 20 listening "$name"
		guest g-peer "viewcheck call 10.88.0.${guest_number[$name]} \
			7200 1 </dev/null >/dev/null 2>&1 &"
		wait_for 20 guest "$name" \
			"grep -q ^open /proc/net/switchboard"
		[ "$name" != g-pv ] || wait_for 20 has_more g-pv pages_viewed 1
		drop_peer
		wait_for 10 guest "$name" "grep -q status /tmp/in"
		guest "$name" "cat /tmp/in; grep -q 'status 0' /tmp/in"
		wait_for 5 dom0 "! xl list | grep -q '(null)'"
		wait_for 5 fewer "$name" pages_viewed 1
		echo "views that failed: $(count "$name" views_failed)"
		quiet "$name"
	done
}

# A PV guest is saved while a program of its own works in another's pages
case_direct_in_place_saved() {
	make_peer pv
	receive_endlessly g-peer g-pvh
	"$lab" guest save g-peer /var/tmp/g-peer
	wait_for 10 fewer g-pvh pages_withheld 1
	"$lab" guest restore g-peer /var/tmp/g-peer
	dom0 "rm /var/tmp/g-peer"
	wait_for 60 guest_ready g-peer
	wait_for 10 guest g-peer "grep -q status /tmp/in"
	guest g-peer "grep 'reset by peer' /tmp/in"
	wait_for 5 fewer g-peer pages_viewed 1
	guest g-pvh "killall -q circuit-file" || true
	drop_peer
}

# view FROM TO COUNT: programs of TO do with FROM's pages whatever they can, one
# after the other, and nothing of that stays
view() {
	local failed
	failed=$(count "$2" views_failed)
	guest "$1" "dmesg -c >/dev/null"
	guest "$2" "dmesg -c >/dev/null
		(viewcheck serve 7200 $3 >/tmp/views 2>&1
		echo status \$? >>/tmp/views) </dev/null >/dev/null 2>&1 &"
	wait_for 20 listening "$2"
	guest "$1" "viewcheck call 10.88.0.${guest_number[$2]} 7200 $3"
	wait_for 20 guest "$2" "grep status /tmp/views"
	guest "$2" "cat /tmp/views"
	guest "$2" "grep -q 'status 0' /tmp/views"
	wait_for 5 fewer "$2" pages_viewed 1
	wait_for 10 fewer "$1" pages_quarantined 1
	expect "pages that could not be seen" "$(count "$2" views_failed)" \
		"$failed"
	quiet "$1"
	quiet "$2"
}

# Every combination; the last one often, then the guest whose pages were seen
# dies. With two processors threads really fault at once
case_direct_in_place_views() {
	make_peer pv --vcpus 2
	view g-pv g-pvh 6
	view g-pvh g-pv 12
	view g-pv g-peer 24
	view g-peer g-pv 200
	drop_peer
	wait_for 5 dom0 "! xl list | grep -q '(null)'"
}
