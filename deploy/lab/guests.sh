# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# guests - virtual machines in the lab
#
# lab-guest in Dom0 makes them; lab-console there carries commands to them.

readonly guest_seconds=${LAB_GUEST_SECONDS:-300}

guest_name_of() {
	[[ ${1:-} =~ ^[a-zA-Z0-9][a-zA-Z0-9-]*$ ]] || die "not a guest's name: '${1:-}'"
	echo "$1"
}

parse_create() {
	name=$(guest_name_of "${1:-}")
	type=pvh memory= vcpus=1 root=initramfs vif=none overlays=()
	shift
	while [ $# -gt 0 ]; do
		case $1 in
		--type) type=${2:-} ;;
		--memory) memory=${2:-} ;;
		--vcpus) vcpus=${2:-} ;;
		--root) root=${2:-} ;;
		--overlay) overlays+=("${2:-}") ;;
		--vif=*) vif=${1#*=} ;;
		--vif) vif=auto ;;
		*) die "guest create: unknown option $1" ;;
		esac
		[[ $1 == --vif* ]] || shift
		shift
	done
}

check_create() {
	local folder
	[[ $type =~ ^pvh?$ ]] || die "--type is pv or pvh, not '$type'"
	[[ $root =~ ^(initramfs|debian)$ ]] ||
		die "--root is initramfs or debian, not '$root'"
	[ -n "$memory" ] || if [ "$root" = debian ]; then memory=256; else memory=128; fi
	[[ $memory =~ ^[0-9]+$ && $vcpus =~ ^[1-9][0-9]*$ ]] ||
		die "--memory and --vcpus are numbers"
	for folder in ${overlays[@]+"${overlays[@]}"}; do
		[ -d "$folder" ] || die "--overlay: there is no folder $folder"
	done
}

# The overlay folders as one cpio archive; below overlay/ for a Debian root.
pack_overlays() {
	local stage into folder
	[ ${#overlays[@]} -gt 0 ] || return 0
	stage=$(mktemp -d)
	into=$stage
	[ "$root" = initramfs ] || into=$stage/overlay
	mkdir -p "$into"
	for folder in "${overlays[@]}"; do
		cp -a "$folder/." "$into"
	done
	chmod 755 "$into"
	(cd "$stage" && find . -print0 | cpio -o0 --quiet -H newc -R 0:0)
	rm -rf "$stage"
}

guest_create() {
	local name type memory vcpus root vif overlays
	need_running
	parse_create "$@"
	check_create
	pack_overlays | dom0 lab-guest create "$name" "$type" "$memory" "$vcpus" \
		"$root" "$vif"
	guest_wait "$name"
}

guest_wait() {
	local status=0
	timeout "$guest_seconds" "$lab_run/lab-run" -k "$lab_run/token" \
		"tcp:$(cat "$lab_run/port")" \
		lab-run "unix:/run/lab/guests/$1/socket" true </dev/null || status=$?
	[ $status -ne 0 ] || return 0
	echo "---- the end of the log of $1" >&2
	guest_log "$1" | tail -n 25 >&2 || true
	die "guest $1 did not come up"
}

# guest_run NAME [-t] COMMAND...
guest_run() {
	local name terminal=()
	name=$(guest_name_of "${1:-}")
	shift
	[ "${1:-}" != -t ] || {
		terminal=(-t)
		shift
	}
	[ $# -gt 0 ] || die "guest run needs a command"
	dom0 ${terminal[@]+-t} lab-run ${terminal[@]+-t} \
		"unix:/run/lab/guests/$name/socket" "$@"
}

guest_log() {
	dom0 cat "/var/log/xen/console/guest-$(guest_name_of "${1:-}").log" </dev/null
}

guest_console() {
	echo "The console of $1; leave with Ctrl-]" >&2
	dom0 -t xl console "$(guest_name_of "${1:-}")"
}

guest_command() {
	local verb=${1:-}
	[ $# -eq 0 ] || shift
	case $verb in
	create) guest_create "$@" ;;
	run) guest_run "$@" ;;
	shell) guest_run "$(guest_name_of "${1:-}")" -t sh -l ;;
	console) guest_console "$@" ;;
	log) guest_log "$@" ;;
	wait) guest_wait "$(guest_name_of "${1:-}")" ;;
	destroy) dom0 lab-guest destroy "$(guest_name_of "${1:-}")" </dev/null ;;
	list) dom0 lab-guest list </dev/null ;;
	*) die "guest create|run|shell|console|log|wait|destroy|list" ;;
	esac
}
