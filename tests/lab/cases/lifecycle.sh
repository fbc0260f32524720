# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# lifecycle.sh - save and restore, an uplink that goes, binaries that change

cases_per_guest+=" options_carried save_restore"
cases_alone+=" uplink_gone binaries_swapped"

# Calls that block in a guest: recv, poll, epoll, send, accept on port 7090
hold_calls() {
	guest "$1" "killall holdcheck; rm -f /tmp/held" || true
	guest "$1" "holdcheck 10.90.0.1 7502 7503 7090 \
		</dev/null >/tmp/held 2>&1 &"
	wait_for 30 guest "$1" "grep -q '^held' /tmp/held"
}

release_calls() {
	guest "$1" "cat /tmp/held; killall holdcheck"
}

# All of them have returned, as sockets that were reset
expect_reset() {
	local name
	wait_for 30 guest "$1" "grep -q '^all returned' /tmp/held"
	for name in recv send poll epoll; do
		guest "$1" "grep -q '^$name .*ECONNRESET' /tmp/held"
	done
	for name in poll epoll; do
		guest "$1" "grep -q '^$name .*HUP' /tmp/held"
	done
}

# The listener that they held answers again, without the guest's help
expect_accepts() {
	wait_for 60 dom0 "nc -z 10.90.0.${guest_number[$1]} 7090"
	wait_for 10 guest "$1" "grep -q '^accept .*accepted' /tmp/held"
}

# What a program sets is set on the real socket too, before and after connect
case_options_carried() {
	local word said
	local -a before=(nodelay=1 keepalive=1 keepidle=77 keepintvl=11 tos=16)
	local -a after=(keepcnt=3 user_timeout=9000 lowat=4096 congestion=reno)
	guest "$1" "killall optcheck; rm -f /tmp/options" || true
	guest "$1" "optcheck hold 10.90.0.1 7502 ${before[*]} \
		-- ${after[*]} </dev/null >/tmp/options 2>&1 &"
	wait_for 10 guest "$1" "grep -q '^held' /tmp/options"
	said=$(dom0 "optcheck read $(main_pid switchboard-proxy-tcp@main) 7502")
	echo "$said"
	for word in "${before[@]}" "${after[@]}"; do
		grep -qx "$word" <<<"$said" || {
			echo "the real socket has no $word"
			return 1
		}
	done
	says 'timer:(keepalive' dom0 "ss -Htnoi dport = :7502"
	guest "$1" "killall optcheck"
}

# As over a migration: streams end, calls return, listeners are there again
case_save_restore() {
	local stopped
	stopped=$(count "$1" steal_clocks_stopped)
	hold_calls "$1"
	"$lab" guest save "$1" "/var/tmp/$1"
	"$lab" guest restore "$1" "/var/tmp/$1"
	dom0 "rm /var/tmp/$1"
	wait_for 60 guest_ready "$1"
	expect_reset "$1"
	expect_accepts "$1"
	release_calls "$1"
	guest "$1" "wget -q -O /dev/null http://10.90.0.1/"
	stands_again "$1" "$stopped"
}

# Nobody is restarted, nothing is lost: TCP in Dom0 waits for the link
case_uplink_gone() {
	local before after services="switchboard-operator switchboard-proxy-tcp@main"
	before=$(dom0 "systemctl show -P MainPID $services")
	dom0 "ip -n far link set eth0 up; ip link set uplink up"
	start_transfer g-pvh 203.0.113.2
	dom0 "ip -n far link set eth0 down"
	sleep 15
	guest g-pvh "wget -q -O /dev/null http://10.90.0.1/"
	guest g-pvh "[ ! -s /tmp/result ]"
	dom0 "ip -n far link set eth0 up"
	end_of_transfer g-pvh 0
	after=$(dom0 "systemctl show -P MainPID $services")
	expect "the services" "$after" "$before"
}

# swap UNIT PROGRAM: another file under the same name, then an orderly restart
swap() {
	local pid
	pid=$(main_pid "$1")
	dom0 "cd /usr/lib/switchboard && cp $2 $2.new && mv $2.new $2 &&
		systemctl restart $1"
	wait_for 20 restarted "$1" "$pid"
}

# Under load: only proxy-tcp's own connections notice
case_binaries_swapped() {
	start_transfer g-pv
	swap switchboard-operator switchboard-operator
	swap switchboard-monitor switchboard-monitor
	end_of_transfer g-pv 0
	hold_calls g-pv
	swap switchboard-proxy-tcp@main switchboard-proxy-tcp
	expect_reset g-pv
	expect_accepts g-pv
	release_calls g-pv
	guest g-pv "wget -q -O /dev/null http://10.90.0.1/"
}
