# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# hostile.sh - a guest that lies to those it has met (tests/liar)
#
#   g-pvh 10.88.0.11  <==============>  g-pv 10.88.0.12     honest
#         \\                             //
#          ===== g-peer 10.88.0.13 (PVH or PV), lies =====

cases_alone+=" liar_pvh liar_pv liar_datagrams liar_silent liar_keeps"

# make_liar TYPE: always Debian's kernel, which tests/liar/build builds for
make_liar() {
	local name
	dom0 "xl destroy g-peer" >/dev/null 2>&1 || true
	"$lab" guest create g-peer --type "$1" --memory 192 --crash preserve \
		--overlay "$top/build/guest-overlay" \
		--overlay "$top/build/liar-overlay"
	wait_for 30 guest_ready g-peer
	for name in $guests_all g-peer; do
		guest "$name" "dmesg -c >/dev/null"
		far "$name" 27600
	done
}

# lie WORDS: from now on, with commas between; nothing: be honest
lie() {
	guest g-peer "echo $1 >/sys/module/switchboard/parameters/lies"
}

# noticed GUEST: lies, and calls that were refused
noticed() {
	guest "$1" "awk '/^# (lies|direct_refused) / { n += \$3 }
		END { print n }' /proc/net/switchboard"
}

# Nobody but the liar suffers: one round after the other to Dom0 and to each
# other, of which /tmp/honest tells
honest_begin() {
	local name other=g-pv
	for name in $guests_all; do
		guest "$name" "rm -f /tmp/honest; touch /tmp/go
			(while [ -e /tmp/go ]; do
				for to in '10.90.0.1 7501' \
					'$(address_of $other) 27600'; do
					streamcheck client --connections 1 \
						--out 65536 --in 65536 --piece 4096 \
						--seconds 60 \$to >>/tmp/honest 2>&1 ||
						echo failed >>/tmp/honest
				done
				sleep 0.2
			done
			echo end >>/tmp/honest) </dev/null >/dev/null 2>&1 &"
		other=g-pvh
	done
}

honest_rounds() {
	guest "$1" "grep -c ' passed' /tmp/honest || true"
}

# more_rounds GUEST NUMBER: it got further than that
more_rounds() {
	[ "$(honest_rounds "$1")" -gt "$2" ]
}

# honest_go_on ROUNDS...: of g-pvh and g-pv, as they were: one of either kind has
# begun since, in either guest
honest_go_on() {
	wait_for 130 more_rounds g-pvh $(($1 + 1))
	wait_for 130 more_rounds g-pv $(($2 + 1))
}

honest_end() {
	local name
	guest g-pvh "rm /tmp/go"
	guest g-pv "rm /tmp/go"
	for name in $guests_all; do
		wait_for 130 guest "$name" "grep -q end /tmp/honest"
		guest "$name" "! grep failed /tmp/honest"
		guest "$name" "grep passed /tmp/honest" | awk -v name="$name" '
			$(NF - 1) > worst { worst = $(NF - 1) }
			END { print name ": " NR " rounds, at worst " worst " ms" }'
	done
}

# The liar is gone, and with it all that it had and withheld
liar_ends() {
	local name
	drop_peer
	for name in $guests_all; do
		far_end "$name"
		wait_for 60 expect_count "$name" pages_quarantined 0
		wait_for 60 expect_count "$name" pages_withheld 0
		wait_for 20 expect_count "$name" sockets 0
		expect "complaints of $name" \
			"$(guest "$name" dmesg | kernel_reports)" ""
	done
	# a domain that somebody still maps stays as a nameless zombie
	wait_for 5 dom0 "! xl list | grep -q '(null)'"
	direct_again
}

# many CALLER CALLEE... : connections that may fail, but end
many() {
	local to commands=""
	for to in "${@:2}"; do
		commands+="streamcheck client --connections 4 --out 4194304 \
			--in 4194304 --seconds 3 $(address_of "$to") 27600 & "
	done
	guest "$1" "($commands wait) >/dev/null 2>&1 || true"
}

# It calls and is called while it lies: honest before, so that the lines are there
liar_among_honest() {
	local lies name begun now
	local -A before=([g-pvh]=0 [g-pv]=0)
	make_liar "$1"
	honest_begin
	for lies in "" index,word,entry,call bell index,word,entry,call,header; do
		lie "$lies"
		begun="$(honest_rounds g-pvh) $(honest_rounds g-pv)"
		many g-peer g-pvh g-pv &
		many g-pvh g-peer &
		many g-pv g-peer &
		wait
		for name in $guests_all; do
			now=$(noticed "$name")
			echo "${lies:-nothing}: noticed by $name" \
				$((now - before[$name]))
			[ "$lies" != index,word,entry,call ] ||
				[ "$now" -gt "${before[$name]}" ]
			before[$name]=$now
		done
		# shellcheck disable=SC2086 # two numbers
		honest_go_on $begun
	done
	honest_end
	liar_ends
}

case_liar_pvh() {
	liar_among_honest pvh
}

case_liar_pv() {
	liar_among_honest pv
}

# feed GUEST PEER: datagrams of all sizes, as long as there is /tmp/fed
feed() {
	guest "$1" "touch /tmp/fed; (while [ -e /tmp/fed ]; do
			for bytes in 4 1400 16000; do
				timeout 2 dgramcheck client $(address_of "$2") \
					27605 --rounds 8 --lost 8 --burst 8 \
					--bytes \$bytes
			done
		done; touch /tmp/full) </dev/null >/dev/null 2>&1 &"
}

feed_end() {
	guest "$1" "rm /tmp/fed"
	wait_for 10 guest "$1" "rm /tmp/full"
}

noticed_more() {
	[ "$(noticed "$1")" -gt "$2" ]
}

# Records whose lengths, ends and ports are nonsense, indexes that flip beside
# them, storms: the line of the liar ends, as often as it is made, and between
# those that are honest no datagram is lost
case_liar_datagrams() {
	local lies name
	local -A before other=([g-pvh]=10.88.0.12 [g-pv]=10.88.0.11)
	make_liar pvh
	for name in $guests_all g-peer; do
		echo_at "$name" 4 27605
	done
	# those that are honest have met before
	for name in $guests_all; do
		wait_for 60 guest "$name" \
			dgramcheck client "${other[$name]}" 27605 --rounds 10
	done
	feed g-peer g-pvh
	feed g-pv g-peer
	for lies in record index,record record,entry,bell; do
		for name in $guests_all; do
			before[$name]=$(noticed "$name")
		done
		lie "$lies"
		for name in $guests_all; do
			guest "$name" dgramcheck client "${other[$name]}" 27605 \
				--rounds 50 --burst 4 --bytes 1400
			wait_for 30 noticed_more "$name" "${before[$name]}"
			echo "$lies: noticed by $name" \
				$(($(noticed "$name") - before[$name]))
		done
	done
	feed_end g-pv
	echo_end g-pvh
	echo_end g-pv
	liar_ends
	echo_at g-pv 4 27605
	datagrams g-pvh g-pv 10.88.0.12 27605
	echo_end g-pv
}

# call_many GUEST: 200 calls that nobody answers, given up after some seconds:
# more than a call waits for a circuit
call_many() {
	guest "$1" "ulimit -n 1024; streamcheck client --connections 200 \
		--out 4096 --in 4096 --seconds 8 10.88.0.13 27600 2>&1" || true
}

# Calls that are never answered cost their circuits, up to a bound; whoever asks
# for more hears of it soon
case_liar_silent() {
	local withheld
	make_liar pv
	guest g-pvh streamcheck client --connections 1 --out 4096 --in 4096 \
		--seconds 30 10.88.0.13 27600
	lie silent
	# the bound grows with the memory: that of check-debug's guests is large
	wait_for 10 says "No buffer space" call_many g-pvh
	withheld=$(count g-pvh pages_withheld)
	echo "withheld: $withheld pages"
	[ "$withheld" -gt 1024 ]
	says "No buffer space" call_many g-pvh
	# and what was ready, with the large ones
	echo "withheld: $(count g-pvh pages_withheld) pages"
	[ "$(count g-pvh pages_withheld)" -le $((withheld + 8 * 129)) ]
	guest g-pvh "wget -q -O /dev/null http://10.90.0.1/"
	liar_ends
}

# meet_liar: a connection to it, over a direct line or not
meet_liar() {
	guest g-pvh streamcheck client --connections 1 --out 4096 --in 4096 \
		--seconds 30 10.88.0.13 7600
}

# Lines come and go, and the peer never unmaps what it says it has: the pages of
# lines and circuits are quarantined, and then no line is made for it any more
case_liar_keeps() {
	local called kept n
	make_liar pvh
	# the proxy must be able to reach it as well
	far_end g-peer
	wait_for 10 guest g-peer "! grep -q '^listening' /proc/net/switchboard"
	far g-peer 7600
	lie keep
	# how many pages a line has when it is lost is the pool's affair
	for n in {1..40}; do
		called=$(count g-pvh direct_called)
		kept=$(count g-pvh pages_quarantined)
		meet_liar
		! guest g-pvh "dmesg | grep 'cannot be made'" || break
		has_more g-pvh direct_called "$called" || continue
		reload_with "c['guests']['g-peer']['direct'] = False"
		wait_for 20 has_more g-pvh pages_quarantined "$kept"
		reload_with "del c['guests']['g-peer']['direct']"
	done
	echo "$kept pages kept after $((n - 1)) calls"
	guest g-pvh "dmesg | grep -q 'cannot be made'"
	called=$(count g-pvh direct_called)
	meet_liar
	expect "direct calls" "$(count g-pvh direct_called)" "$called"
	expect "quarantined" "$(count g-pvh pages_quarantined)" \
		"$(count g-pvh pages_withheld)"
	liar_ends
}
