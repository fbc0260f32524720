# shellcheck shell=bash
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
	"$lab_run/lab-run" ${terminal[@]+"${terminal[@]}"} -k "$lab_run/token" \
		"tcp:$(cat "$lab_run/port")" "$@"
}

# dom0_push SOURCE... DESTINATION: into a folder that is made if need be.
dom0_push() {
	local destination=${*: -1} source
	[ $# -ge 2 ] || die "push needs SOURCE... DESTINATION"
	for source in "${@:1:$#-1}"; do
		[ -e "$source" ] || die "push: there is no $source"
		# A folder with a slash at its end means what is in it.
		if [[ $source == */ ]]; then
			tar -C "$source" -c .
		else
			tar -C "$(dirname "$source")" -c "$(basename "$source")"
		fi | dom0 sh -c 'mkdir -p "$0" && tar -C "$0" --no-same-owner -x' \
			"$destination"
	done
}

# dom0_pull SOURCE... DESTINATION: from Dom0 into a folder here.
dom0_pull() {
	local destination=${*: -1}
	[ $# -ge 2 ] || die "pull needs SOURCE... DESTINATION"
	mkdir -p "$destination"
	dom0 sh -c 'for file; do
			tar -C "$(dirname "$file")" -c "$(basename "$file")"
		done' pull "${@:1:$#-1}" </dev/null |
		tar -C "$destination" -x -i --no-same-owner
}

# dom0_logs FOLDER: what one wants to see when something failed.
dom0_logs() {
	local to=$1
	mkdir -p "$to"
	cp "$lab_run"/{serial.log,qemu.log} "$to" 2>/dev/null || true
	machine_running && agent_answers || {
		say "Dom0 does not answer: only the serial log is in $to"
		return 0
	}
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
