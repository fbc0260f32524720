# shellcheck shell=bash disable=SC2154 # set by lab
# SPDX-License-Identifier: GPL-2.0-only
# dom0 - commands and files for Dom0, and its logs
#
# All through the agent that listens in Dom0; QEMU forwards a port of the
# host's loopback to it, and a token keeps other users of the host out.

# dom0 [-t] COMMAND [ARGUMENT...]
dom0() {
	local terminal=()
	[ "${1:-}" != -t ] || {
		terminal=(-t)
		shift
	}
	"$lab_run/lab-run" ${terminal[@]+-t} -w "${LAB_PATIENCE:-120}" -k "$lab_run/token" \
		"tcp:$(cat "$lab_run/port")" "$@"
}

# tar_of SOURCE...: one archive; of a folder with a slash at its end, what is
# in it.
tar_of() {
	local source words=()
	for source in "$@"; do
		[ -e "$source" ] || die "push: there is no $source"
		if [[ $source == */ ]]; then
			words+=(-C "$(realpath "$source")" .)
		else
			words+=(-C "$(realpath "$(dirname "$source")")"
				"$(basename "$source")")
		fi
	done
	tar -c --sparse --owner=0 --group=0 "${words[@]}"
}

# dom0_push SOURCE... FOLDER: into a folder that is made if need be.
dom0_push() {
	[ $# -ge 2 ] || die "push needs SOURCE... FOLDER"
	# shellcheck disable=SC2016 # for the shell there
	tar_of "${@:1:$#-1}" | dom0 sh -c \
		'mkdir -p "$0" && tar -C "$0" --no-overwrite-dir --warning=no-timestamp -x' "${*: -1}"
}

# dom0_pull SOURCE... DESTINATION: from Dom0 into a folder here.
dom0_pull() {
	local destination=${*: -1}
	[ $# -ge 2 ] || die "pull needs SOURCE... DESTINATION"
	mkdir -p "$destination"
	# shellcheck disable=SC2016 # for the shell there
	dom0 sh -c 'for file; do
			tar -C "$(dirname "$file")" -c "$(basename "$file")"
		done' pull "${@:1:$#-1}" </dev/null |
		tar -C "$destination" -x -i --no-same-owner
}

# dom0_logs FOLDER: what one wants to see when something failed.
dom0_logs() {
	local to=${1:-}
	[ -n "$to" ] || die "logs needs a folder"
	mkdir -p "$to"
	cp "$lab_run"/{serial.log,qemu.log} "$to" 2>/dev/null || true
	if ! machine_running || ! agent_answers; then
		say "Dom0 does not answer: only the serial log is in $to"
		return 0
	fi
	dom0 journalctl --no-pager -b </dev/null >"$to/journal.log" 2>&1 || true
	dom0 xl dmesg </dev/null >"$to/xen.log" 2>&1 || true
	dom0 'xl list; xenstore-ls -fp' </dev/null >"$to/xenstore.log" 2>&1 || true
	dom0_pull /var/log/xen "$to"
	say "logs are in $to"
}

# A person's way in.
dom0_shell() {
	cat <<-END

		This is Dom0 of the lab '$lab_name': Xen in QEMU, run from
		$lab_run
		  xl list                 the guests that run
		  journalctl -f           what the services say
		Leave with "exit": the lab goes on. In another terminal:
		  $lab_command guest create NAME   start a guest
		  $lab_command guest shell NAME    a shell in a guest
		  $lab_command stop                stop the lab

	END
	dom0 -t bash -l
}
