# shellcheck shell=bash disable=SC2154 # set by lab
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
	root=initramfs memory='' words=() overlays=()
	shift
	while [ $# -gt 0 ]; do
		case $1 in
		--vif) words+=(vif=auto) && shift && continue ;;
		--vif=*) words+=("${1#--}") && shift && continue ;;
		--root) root=${2:-} ;;
		--memory) memory=${2:-} ;;
		--grant-frames) words+=("frames=${2:-}") ;;
		--overlay) overlays+=("${2:-}") ;;
		--type | --vcpus | --kernel | --append | --crash | --disk | --initrd)
			words+=("${1#--}=${2:-}")
			;;
		*) die "guest create: unknown option $1" ;;
		esac
		[ $# -ge 2 ] || die "guest create: $1 needs a value"
		shift 2
	done
}

check_create() {
	local word folder
	[[ $root =~ ^(initramfs|debian|installed)$ ]] ||
		die "--root is initramfs, debian or installed, not '$root'"
	[ "$root" != installed ] || [ ${#overlays[@]} = 0 ] ||
		die "--overlay: an installed guest has what is on its disk"
	[ -n "$memory" ] || case $root in
	debian | installed) memory=256 ;;
	initramfs) memory=128 ;;
	esac
	words+=("root=$root" "memory=$memory")
	for word in "${words[@]}"; do
		[[ ! $word =~ ^crash= || $word =~ =(destroy|preserve)$ ]] ||
			die "--crash is destroy or preserve, not '${word#*=}'"
		[[ ! $word =~ ^type= || $word =~ ^type=pvh?$ ]] ||
			die "--type is pv or pvh, not '${word#*=}'"
		[[ ! $word =~ ^(memory|vcpus|frames)= || $word =~ =[1-9][0-9]*$ ]] ||
			die "--${word%=*} is a number, not '${word#*=}'"
	done
	for folder in ${overlays[@]+"${overlays[@]}"}; do
		[ -d "$folder" ] || die "--overlay: there is no folder $folder"
	done
}

# Files of the host's go to Dom0 first: a kernel, a disk, an initramfs. A disk
# is mostly holes, and the guest writes to it.
push_files() {
	local i word file to=/var/tmp/lab/$name
	for i in "${!words[@]}"; do
		word=${words[i]%%=*}
		[[ $word =~ ^(kernel|disk|initrd)$ ]] || continue
		file=${words[i]#*=}
		[ -f "$file" ] || die "--$word: there is no file $file"
		dom0_push "$file" "$to"
		words[i]=$word=$to/$(basename "$file")
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
	local name root memory words overlays
	parse_create "$@"
	check_create
	push_files
	pack_overlays | dom0 lab-guest create "$name" "${words[@]}"
	! guest_answers "$name" || return 0
	if emulator_lost "$name"; then
		say "QEMU lost $name in its first instructions (README.md): again"
		dom0 lab-guest destroy "$name" </dev/null >/dev/null 2>&1 || true
		pack_overlays | dom0 lab-guest create "$name" "${words[@]}"
	fi
	guest_wait "$name"
}

# A PVH guest whose kernel has not said a word, and a triple fault: that is
# QEMU's emulation of SVM. Nothing of the guest has run then.
emulator_lost() {
	dom0 "[ ! -s /var/log/xen/console/guest-$1.log ] &&
		! xl list $1 | grep -q ' [-rb][-rb]---- ' &&
		xl dmesg | grep -q 'Triple fault'" \
		</dev/null >/dev/null 2>&1
}

guest_answers() {
	dom0 lab-run -w "$guest_seconds" \
		"unix:/run/lab/guests/$1/socket" true </dev/null
}

# Until the guest's agent runs a command.
guest_wait() {
	! guest_answers "$1" || return 0
	echo "---- the end of the log of $1" >&2
	guest_log "$1" | tail -n 25 >&2 || true
	die "guest $1 did not come up"
}

# guest_run NAME [-t] COMMAND...
guest_run() {
	local socket terminal=()
	socket=unix:/run/lab/guests/$(guest_name_of "${1:-}")/socket
	shift
	[ "${1:-}" != -t ] || {
		terminal=(-t)
		shift
	}
	[ $# -gt 0 ] || die "guest run needs a command"
	dom0 ${terminal[@]+-t} lab-run ${terminal[@]+-t} "$socket" "$@"
}

# guest_push NAME SOURCE... FOLDER: for small files, compressed on the way.
guest_push() {
	local name destination=${*: -1}
	name=$(guest_name_of "${1:-}")
	[ $# -ge 3 ] || die "guest push needs NAME SOURCE... FOLDER"
	shift
	# shellcheck disable=SC2016 # for the shell there
	tar_of "${@:1:$#-1}" | gzip -1 | guest_run "$name" sh -c \
		'mkdir -p "$0" && gzip -dc | tar -C "$0" -x' "$destination"
}

# guest_save NAME FILE, guest_restore NAME FILE: Xen's own, a file in Dom0.
guest_save() {
	dom0 lab-guest save "$(guest_name_of "${1:-}")" "$2" </dev/null
}

guest_restore() {
	dom0 lab-guest restore "$(guest_name_of "${1:-}")" "$2" </dev/null
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
	create | run) "guest_$verb" "$@" ;;
	shell) guest_run "$(guest_name_of "${1:-}")" -t sh -l ;;
	push | save | restore | log | console) "guest_$verb" "$@" ;;
	wait) guest_wait "$(guest_name_of "${1:-}")" ;;
	destroy) dom0 lab-guest destroy "$(guest_name_of "${1:-}")" </dev/null ;;
	list) dom0 lab-guest list </dev/null ;;
	*) die "guest create|run|push|shell|console|log|wait|save|restore|destroy|list" ;;
	esac
}
