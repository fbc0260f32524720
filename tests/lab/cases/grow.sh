# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# grow.sh - circuits that grow while they are busy, and give memory back

cases_per_guest+=" grow_proxied"
cases_alone+=" grow_direct"

# grew GUEST BEFORE: exchanges were begun since, and none was refused
grew() {
	local now refused
	now=$(count "$1" circuits_grown)
	refused=$(count "$1" exchanges_refused)
	echo "$1: $now grown, $refused refused," \
		"$(count "$1" pages_grown) pages of such circuits"
	[ "$now" -gt "$2" ]
}

# What a guest keeps ready for the next that grows, at most: one of 129 pages
# for each line. Everything else is the kernel's again
gave_back() {
	[ "$(count "$1" pages_grown)" -le $((4 * 129)) ]
}

# grows_and_shrinks GUEST ADDRESS PORT: a connection to somebody who reads all is
# large while it is busy, and small again when it is idle, and open still
grows_and_shrinks() {
	local grown shrunk
	grown=$(count "$1" circuits_grown)
	shrunk=$(count "$1" circuits_shrunk)
	# busy until that shows; whoever is to listen there may be about to
	guest "$1" "grown() { sed -n 's/^# circuits_grown //p' \\
			/proc/net/switchboard; }
		(while [ \$(grown) -le $grown ]; do
			head -c 1048576 /dev/zero
		done; sleep 600) | for try in \$(seq 100); do
			nc $2 $3 && break
			sleep 0.1
		done >/dev/null 2>&1 &"
	wait_for 120 has_more "$1" circuits_shrunk "$shrunk"
	grew "$1" "$grown"
	guest "$1" "grep -q '^open .*:$3 ' /proc/net/switchboard"
	guest "$1" "killall -q nc; killall -q sleep" || true
}

case_grow_proxied() {
	local grown lies
	grown=$(count "$1" circuits_grown)
	lies=$(count "$1" lies)
	guest "$1" streamcheck client --connections 1 --out 33554432 \
		--in 33554432 --seconds 200 10.90.0.1 7501
	grew "$1" "$grown"
	guest "$1" streamcheck client --connections 40 --out 1048576 \
		--in 1048576 --seconds 200 10.90.0.1 7501
	grows_and_shrinks "$1" 10.90.0.1 7502
	expect "lies" "$(count "$1" lies)" "$lies"
	wait_for 60 gave_back "$1"
}

# Both ways between the two, each of them the caller once
case_grow_direct() {
	local pair caller callee grown
	for pair in g-pvh/g-pv g-pv/g-pvh; do
		caller=${pair%/*}
		callee=${pair#*/}
		grown=$(count "$caller" circuits_grown)
		far "$callee" 27600
		direct "$caller" "$callee" --connections 1 --out 33554432 \
			--in 33554432 --seconds 200 "$(address_of "$callee")" \
			27600
		grew "$caller" "$grown"
		direct "$caller" "$callee" --connections 40 --out 1048576 \
			--in 1048576 --seconds 200 "$(address_of "$callee")" \
			27600
		far_end "$callee"
		guest "$callee" "(sleep 600 | nc -l -p 27610) >/dev/null 2>&1 &"
		grows_and_shrinks "$caller" "$(address_of "$callee")" 27610
		guest "$callee" "killall -q nc; killall -q sleep" || true
		wait_for 60 gave_back "$caller"
	done
}
