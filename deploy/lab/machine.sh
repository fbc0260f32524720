# shellcheck shell=bash disable=SC2154 # set by lab
# SPDX-License-Identifier: GPL-2.0-only
# machine - the emulated machine: start, snapshots, ports, stop
#
# A lab lives in its run directory $lab_run:
#	disk	what this lab changed, over the cached image; holds snapshots
#	qemu.pid qmp.sock serial.sock serial.log	the machine
#	port lab-run token				the way to Dom0's agent
#	flavour						normal or icount
#
# The first start of a flavour boots and keeps the machine as it was when
# "xl list" worked; later ones copy that disk and go on from there.

readonly agent_port=7117
readonly boot_seconds=${LAB_BOOT_SECONDS:-600}

# Sets machine to the arguments that a snapshot depends on.
describe_machine() {
	local xen_line="dom0_mem=1500M,max:1500M console=com1 loglvl=warning"
	local linux_line="console=hvc0 root=/dev/vda rw quiet mitigations=off"
	local cpu="max,-smap,-rdtscp,-erms,-fsrm"
	# eager-fpu: TCG's XSAVE and XRSTOR ignore CR0.TS, so that with Xen's lazy
	# switching one process now and then gets another's vector registers.
	xen_line+=" spec-ctrl=no,eager-fpu xpti=no bootscrub=0"
	linux_line+=" net.ifnames=0 panic=-1 systemd.show_status=0"
	linux_line+=" cryptomgr.notests=1"
	# What docs/CONFIGURATION.md recommends is there when it is measured
	if [ "$1" = icount ]; then
		linux_line+=" psi=0 nofsgsbase"
		# twice: a comma would end a file's name for QEMU
		linux_line+=" cgroup.memory=nokmem cgroup.memory=nosocket"
	fi
	# Without AVX and protection keys: QEMU 7.2 lets a PVH guest set XCR0 past
	# Xen, which puts back what it knows with its next switch (README.md)
	[ "$1" = icount ] || cpu+=",-avx,-avx2,-fma,-f16c,-pku"
	# shellcheck disable=SC2054 # the commas are QEMU's
	machine=(-M q35 -cpu "$cpu"
		-m "${LAB_MEMORY:-4096}" -display none -vga none -no-reboot
		-kernel "$kernel/xen" -append "$xen_line"
		-initrd "$kernel/vmlinux $linux_line,$dom0/initrd")
	if [ "$1" = icount ]; then
		# shellcheck disable=SC2054
		machine+=(-accel tcg,thread=single -smp 1
			-icount "shift=0,sleep=off"
			-rtc "base=2026-01-01,clock=vm")
	else
		# One processor: with two, QEMU 7.2 delivers interrupts to PVH
		# guests that have them disabled (README.md)
		machine+=(-accel "tcg,thread=single" -smp 1)
	fi
}

# Its process exists, is QEMU, and is no zombie.
machine_running() {
	[ -s "$lab_run/qemu.pid" ] && awk '/^Name:/ { name = $2 }
		/^State:/ { state = $2 } END { exit name !~ /^qemu/ || state == "Z" }' \
		"/proc/$(cat "$lab_run/qemu.pid")/status" 2>/dev/null
}

need_running() {
	machine_running ||
		die "the lab '$lab_name' does not run: $lab_command start"
}

# qmp COMMAND-LINE: a command of QEMU's human monitor; prints its answer.
qmp() {
	local line answers=0 status=0
	coproc QMP { socat - "UNIX-CONNECT:$lab_run/qmp.sock" 2>&1; }
	# Bash forgets these as soon as socat ends, which "quit" makes it do.
	local from=${QMP[0]:-} to=${QMP[1]:-} pid=${QMP_PID:-}
	if [ -z "$from" ] || [ -z "$to" ] || [ -z "$pid" ]; then
		echo "QEMU's monitor does not answer" >&2
		return 1
	fi
	printf '%s\n' '{"execute":"qmp_capabilities"}' \
		'{"execute":"human-monitor-command","arguments":{"command-line":"'"$1"'"}}' >&"$to"
	while [ $answers -lt 2 ] && read -r line <&"$from"; do
		case $line in
		'{"return": {}}'*) answers=$((answers + 1)) ;;
		'{"return": "'*)
			answers=2
			line=${line#*: \"}
			printf '%b' "${line%\"*}" | tr -d '\r'
			;;
		'{"error"'*)
			printf '%s\n' "$line" >&2
			answers=2 status=1
			;;
		esac
	done
	exec {to}>&- || true
	kill "$pid" 2>/dev/null || true
	wait "$pid" 2>/dev/null || true
	return $status
}

# As qmp, for commands that say nothing when they work.
qmp_quiet() {
	local answer
	answer=$(qmp "$1")
	[ -z "$answer" ] || die "QEMU: $1: $answer"
}

# forward_rules HOST:DOM0...: QEMU's words for ports to forward.
forward_rules() {
	local pair
	for pair in "$@"; do
		[[ $pair =~ ^[0-9]+:[0-9]+$ ]] ||
			die "not a pair of ports: $pair (as in 8080:8080)"
		printf ',hostfwd=tcp:127.0.0.1:%s-:%s' "${pair%:*}" "${pair#*:}"
	done
}

# run_qemu [ARGUMENT...]: start it; the error of a taken port names the port.
run_qemu() {
	local log=$lab_run/qemu.log
	rm -f "$lab_run"/*.sock "$lab_run/serial.log"
	qemu-system-x86_64 -name "lab-$lab_name" "${machine[@]}" \
		-chardev "socket,id=serial,path=$lab_run/serial.sock,server=on,wait=off,logfile=$lab_run/serial.log" \
		-serial chardev:serial \
		-qmp "unix:$lab_run/qmp.sock,server=on,wait=off" \
		-drive "file=$lab_run/disk,if=virtio,format=qcow2,cache=unsafe" \
		-drive "file=$guest/disk,if=virtio,format=raw,readonly=on" \
		-netdev "user,id=n0,hostfwd=tcp:127.0.0.1:0-:$agent_port$(forward_rules ${forwards[@]+"${forwards[@]}"})" \
		-device virtio-net-pci,netdev=n0 \
		-daemonize -pidfile "$lab_run/qemu.pid" "$@" \
		>"$log" 2>&1 9>&- && return
	if grep -q 'host forwarding rule' "$log"; then
		die "port $(sed -n "s/.*rule '[^']*127.0.0.1:\([0-9]*\)-.*/\1/p" \
			"$log") on 127.0.0.1 is in use: choose another with --forward"
	fi
	cat "$log" >&2
	die "QEMU did not start"
}

find_agent_port() {
	qmp "info usernet" | awk -v port=$agent_port \
		'/HOST_FORWARD/ && $6 == port { print $4 }' >"$lab_run/port"
	[ -s "$lab_run/port" ] || die "QEMU forwards no port to Dom0's agent"
}

# QEMU's emulation loses an interrupt now and then; when that was the timer's
# and everything sleeps, the machine sleeps until something else comes
# (README.md). So something comes every second. Never on the instruction
# clock, whose runs are to be alike.
start_heartbeat() {
	local pid
	[ "$flavour" = normal ] || return 0
	pid=$(cat "$lab_run/qemu.pid")
	setsid bash -c 'while kill -0 '"$pid"' && sleep 1; do
		: >"/dev/tcp/127.0.0.1/'"$(cat "$lab_run/port")"'"
	done' heartbeat 9>&- </dev/null >/dev/null 2>&1 &
}

agent_answers() {
	timeout 10 "$lab_run/lab-run" -k "$lab_run/token" \
		"tcp:$(cat "$lab_run/port")" true </dev/null 2>/dev/null
}

show_serial_tail() {
	echo "---- the end of $lab_run/serial.log" >&2
	tail -n 25 "$lab_run/serial.log" >&2
}

alive_and() {
	machine_running || {
		show_serial_tail
		die "the machine stopped"
	}
	"$@"
}

xl_works() {
	dom0 'systemctl is-system-running --wait >/dev/null; xl list' \
		</dev/null >/dev/null 2>&1
}

wait_for_boot() {
	wait_until "$boot_seconds" "Dom0's agent" alive_and agent_answers || {
		show_serial_tail
		die "Dom0 did not come up"
	}
	say "Dom0 answers"
	wait_until "$boot_seconds" "xl list" alive_and xl_works || {
		show_serial_tail
		die "Xen's tools do not work in Dom0"
	}
	say "xl works"
}

new_disk() {
	qemu-img create -q -f qcow2 -b "$dom0/disk" -F raw "$lab_run/disk"
}

# Boot, and keep the booted machine for later starts.
boot_machine() {
	say "booting Xen and Dom0 ($flavour); the next start will be quick"
	new_disk
	run_qemu
	find_agent_port
	start_heartbeat
	wait_for_boot
	keep_ready
}

# A snapshot of a processor that is inside an HVM or PVH guest cannot be loaded
# again (QEMU 7.2). It is outside when it sleeps, is in Xen, or in a PV kernel.
outside_guests() {
	qmp "info registers -a" | awk '/^RIP=/ {
			match($0, /CPL=./); level = substr($0, RSTART + 4, 1)
			if ($0 !~ /HLT=1/ && $0 !~ /^RIP=ffff82/ &&
			    !($0 ~ /^RIP=ffffffff/ && level == 3))
				inside = 1
		}
		END { exit inside }'
}

pause_outside_guests() {
	local try
	for try in {1..500}; do
		qmp_quiet stop
		! outside_guests || return 0
		qmp_quiet cont
	done
	die "the guests are too busy for a snapshot ($try tries)"
}

keep_ready() {
	dom0 'cat /usr/local/lib/lab/* >/dev/null; lab-guest list' </dev/null
	pause_outside_guests
	qmp_quiet "savevm ready"
	cp --sparse=always "$lab_run/disk" "$ready.$$"
	mv "$ready.$$" "$ready"
	qmp_quiet cont
	say "kept as a snapshot"
}

restore_machine() {
	cp --sparse=always "$ready" "$lab_run/disk"
	touch "$ready"
	run_qemu -loadvm ready
	find_agent_port
	start_heartbeat
	wait_until 60 "Dom0's agent" alive_and agent_answers ||
		die "Dom0 does not answer after the snapshot was restored"
	set_clock
}

# Dom0's clock stood still in the snapshot. Not on the instruction clock,
# where every run is to be the same.
set_clock() {
	[ "$flavour" = icount ] ||
		dom0 date -s "@$(date +%s.%N)" </dev/null >/dev/null
}

prepare_run_directory() {
	(umask 077 && mkdir -p "$lab_run")
	cp "$tools/lab-run" "$lab_cache/token" "$lab_run"
	echo "$flavour" >"$lab_run/flavour"
	printf '%s\n' ${forwards[@]+"${forwards[@]}"} >"$lab_run/forwards"
}

parse_start() {
	flavour=normal cold=no forwards=()
	while [ $# -gt 0 ]; do
		case $1 in
		--icount) flavour=icount ;;
		--cold) cold=yes ;;
		--forward)
			[ $# -gt 1 ] || die "--forward needs HOST:DOM0"
			forwards+=("$2")
			shift
			;;
		*) die "start: unknown option $1" ;;
		esac
		shift
	done
}

# A start that fails or is interrupted leaves no machine behind.
abandon_start() {
	trap - EXIT
	! machine_running || kill "$(cat "$lab_run/qemu.pid")"
	say "the lab '$lab_name' was not started; its logs are in $lab_run"
}

# Labs that would all boot the same machine let one do it: descriptor 9 is a
# lock until there is a snapshot.
take_turn() {
	[ ! -e "$ready" ] || return 0
	exec 9>"$ready.lock"
	flock -n 9 || {
		say "another lab is booting this machine: waiting for it"
		flock 9
	}
}

machine_start() {
	parse_start "$@"
	! machine_running || die "the lab '$lab_name' runs already"
	images_prepare
	describe_machine "$flavour"
	ready=$lab_cache/ready-$flavour-$(hash_of <<<"${machine[*]} $guest
		$dom0 $(qemu-system-x86_64 --version)").qcow2
	prepare_run_directory
	trap abandon_start EXIT
	take_turn
	if [ $cold = no ] && [ -e "$ready" ]; then
		restore_machine
	else
		find "$lab_cache" -maxdepth 1 -name "ready-*" -mmin +1440 \
			-delete
		boot_machine
	fi
	exec 9>&-
	trap - EXIT
	say "the lab '$lab_name' runs"
}

qemu_gone() {
	! machine_running
}

machine_stop() {
	machine_running || {
		say "the lab '$lab_name' does not run"
		return 0
	}
	qmp quit >/dev/null 2>&1 || true
	wait_until 20 "QEMU to end" qemu_gone ||
		kill -KILL "$(cat "$lab_run/qemu.pid")"
	rm -f "$lab_run"/{qemu.pid,disk,port} "$lab_run"/*.sock
	say "the lab '$lab_name' is stopped; its logs are in $lab_run"
}

machine_status() {
	machine_running || {
		echo "lab '$lab_name': stopped ($lab_run)"
		return 1
	}
	echo "lab '$lab_name': running, $(cat "$lab_run/flavour") ($lab_run)"
	sed 's/^\(.*\):\(.*\)$/port 127.0.0.1:\1 -> Dom0 \2/; /^$/d' \
		"$lab_run/forwards"
	dom0 'xl list; lab-guest list' </dev/null
	qmp "info snapshots" | sed -n '/^List/d; p'
}

# All labs of this cache.
machine_list() {
	local folder state
	for folder in "$lab_cache"/run/*/; do
		[ -d "$folder" ] || continue
		lab_run=${folder%/}
		state=stopped
		! machine_running || state="running, $(cat "$lab_run/flavour")"
		printf '%-16s %-16s %s\n' "$(basename "$lab_run")" "$state" \
			"$(xargs <"$lab_run/forwards")"
	done
}

machine_forward() {
	local pair
	need_running
	for pair in "$@"; do
		forward_rules "$pair" >/dev/null
		qmp_quiet "hostfwd_add tcp:127.0.0.1:${pair%:*}-:${pair#*:}"
		echo "$pair" >>"$lab_run/forwards"
	done
}

machine_snapshot() {
	need_running
	[ $# = 1 ] || die "snapshot needs a name"
	pause_outside_guests
	qmp_quiet "savevm $1"
	qmp_quiet cont
}

machine_restore() {
	need_running
	[ $# = 1 ] || die "restore needs a name"
	flavour=$(cat "$lab_run/flavour")
	qmp_quiet "loadvm $1"
	qmp_quiet cont
	wait_until 60 "Dom0's agent" alive_and agent_answers ||
		die "Dom0 does not answer after the snapshot was restored"
	set_clock
}
