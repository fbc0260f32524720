# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# lib.sh - what the lab tests share: the lab, guests, TAP, waiting
#
#   this machine          Dom0 10.90.0.1                 guests, no network card
#   +------------+  tcp  +-----------------------+      +---------------------+
#   | tests/lab  |------>| operator proxy monitor|<====>| g-pvh 10.88.0.11    |
#   +------------+       | far ends of the tests |<====>| g-pv  10.88.0.12    |
#                        +-----------------------+      +---------------------+

export LAB_NAME=${LAB_NAME:-check}
lab=$top/deploy/lab/lab
logs=${LAB_LOGS:-$top/build/lab-logs}
guests_all="g-pvh g-pv"
# The last number of its addresses: 10.88.0.N, fd88::N, 10.90.0.N in Dom0
declare -A guest_number=([g-pvh]=11 [g-pv]=12 [g-peer]=13)

passed=0
failed=0
lost=0

say() {
	printf '  %4d s  %s\n' "$SECONDS" "$*"
}

# Run in Dom0: one argument is a shell line
dom0() {
	"$lab" dom0 "$@" </dev/null
}

# guest NAME COMMAND...: run in a guest
guest() {
	timeout 900 "$lab" guest run "$@" </dev/null
}

# count GUEST NAME: what /proc/net/switchboard says there
count() {
	guest "$1" "sed -n 's/^# $2 //p' /proc/net/switchboard"
}

# has_more GUEST NAME NUMBER, fewer GUEST NAME NUMBER: what it counts there
has_more() {
	[ "$(count "$1" "$2")" -gt "$3" ]
}

fewer() {
	[ "$(count "$1" "$2")" -lt "$3" ]
}

# wait_for SECONDS COMMAND...: until it succeeds. So long as a quiet machine needs
# at most; a busy one gets ten times that, and no run that passes waits so long
wait_for() {
	local deadline=$((SECONDS + 10 * $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$deadline" ] || {
			echo "gave up waiting for: $*"
			return 1
		}
		sleep 0.1
	done
}

type_of() {
	[[ $1 == *-pv ]] && echo pv || echo pvh
}

# debug_words TYPE: what tests/check-debug wants of its guests, one a line; nothing
# for others. Its kernel makes interfaces that Debian's has in modules
debug_words() {
	[ -n "${LAB_KERNEL:-}" ] || return 0
	case $1 in
	pvh) printf '%s\n' --kernel "$LAB_KERNEL" --memory 640 \
		--append "dummy.numdummies=0 fb_tunnels=none" \
		--overlay "$top/build/debug/overlay" ;;
	pv) printf '%s\n' --append slub_debug=FZPU ;;
	esac
}

# create_guest NAME [--type TYPE] [WORDS...]: the name tells the type otherwise
create_guest() {
	local name=$1 type watched
	shift
	type=$(type_of "$name")
	if [ "${1:-}" = --type ]; then
		type=$2
		shift 2
	fi
	mapfile -t watched < <(debug_words "$type")
	"$lab" guest create "$name" --type "$type" --memory 192 \
		--crash preserve --overlay "$top/build/guest-overlay" "$@" \
		"${watched[@]}"
}

# The guest has its addresses and the line that connections need
guest_ready() {
	guest "$1" "ip -4 addr show dev sb0" | grep -q 'inet '
}

# counter FILTER: a number out of the monitor's JSON, from inside Dom0
counter() {
	dom0 "curl -sf http://127.0.0.1:9090/api/status" | python3 -c "
import json, sys
status = json.load(sys.stdin)
print($1)"
}

# expect WHAT ACTUAL EXPECTED
expect() {
	[ "$2" = "$3" ] || {
		echo "$1: expected '$3', got '$2'"
		return 1
	}
}

# says WORDS COMMAND...: what it says, shown, contains the words (of grep)
says() {
	local said words=$1
	shift
	said=$("$@" 2>&1) || true
	echo "$said"
	grep -q -- "$words" <<<"$said"
}

# QEMU's emulation of PVH guests is not perfect (deploy/lab/README.md). A guest
# that is gone or answers nothing after a failed case is made again, and the case
# runs once more; but first what it did last is kept, and if that speaks against
# the module, or the guest is no PVH guest, the case has failed.
lost_guests() {
	local name
	for name in $guests_all; do
		timeout 20 "$lab" guest run "$name" true </dev/null \
			>/dev/null 2>&1 || echo "$name"
	done
}

# keep_evidence GUEST FOLDER: registers and stack three times, so that one sees
# whether it spins, its kernel log, Xen's
keep_evidence() {
	mkdir -p "$2"
	{
		dom0 "xl list; xl vcpu-list; xl dmesg | tail -n 100" >"$2/xen.log"
		dom0 "cat /var/log/xen/console/guest-$1.log" >"$2/console.log"
		dom0 "for try in 1 2 3; do
			/usr/lib/xen-4.17/bin/xenctx -a -S \$(xl domid $1) 0
		done" >"$2/registers.log"
	} 2>&1
}

kernel_words='BUG: |WARNING: |Oops|Kernel panic|general protection|lockup'
kernel_words+='|blocked for more than|detected stall|possible (circular|recursive)'
kernel_words+='|inconsistent lock|unreferenced object'

# What a kernel says of a fault of its own. One warning is Linux's: of a PV guest
# whose second console resumes (deploy/lab/README.md).
kernel_reports() {
	sed '/WARNING: .*evtchn_put/,/end trace/d' | grep -A 30 -E "$kernel_words"
}

# evidence_accuses GUEST FOLDER: a report of the kernel, the module's code in the
# program counter, or no PVH guest
evidence_accuses() {
	if kernel_reports <"$2/console.log" >"$2/accused"; then
		head -n 30 "$2/accused"
	elif grep -q '^rip: ffffffff[a-c]' "$2/registers.log"; then
		echo "it spins in a module: see $2/registers.log"
	elif [ "$(type_of "$1")" = pv ]; then
		echo "a PV guest: the emulation does not lose those"
	else
		return 1
	fi
}

replace_guests() {
	local name
	for name in $guests_all; do
		dom0 "xl destroy $name" >/dev/null 2>&1
		create_guest "$name" && wait_for 30 guest_ready "$name"
	done
}

# recover CASE: 0 when guests were lost, none of them by our fault; they are new
recover() {
	local name folder status=0 names
	names=$(lost_guests)
	[ -n "$names" ] || return 1
	for name in $names; do
		lost=$((lost + 1))
		folder=$logs/lost/$lost-$name
		say "$1: $name answers no more; what it did last is in $folder"
		keep_evidence "$name" "$folder"
		! evidence_accuses "$name" "$folder" || status=1
	done
	replace_guests
	return $status
}

# A case is a function case_NAME; what it prints explains a failure
run_case() {
	local name=$1 start=$SECONDS status
	shift
	# not in a condition: that would switch -e off inside
	(
		set -e
		"case_$name" "$@"
	) >"$logs/$name${1:+-$1}.log" 2>&1
	status=$?
	if [ $status != 0 ] && [ -z "${again:-}" ] &&
		recover "$name${1:+ $1}"; then
		again=yes run_case "$name" "$@"
		return
	fi
	if [ $status = 0 ]; then
		passed=$((passed + 1))
		printf '  ok    %-44s %4d s\n' "$name${1:+ $1}" $((SECONDS - start))
		return
	fi
	failed=$((failed + 1))
	printf '  FAIL  %-44s %4d s\n' "$name${1:+ $1}" $((SECONDS - start))
	tail -n 30 "$logs/$name${1:+-$1}.log" | sed 's/^/        | /'
}
