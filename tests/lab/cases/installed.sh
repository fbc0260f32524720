# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# installed.sh - Debian guests that boot by themselves, from what deploy/guest
# puts on their disk: systemd is their init, update-initramfs made the initramfs
#
# Nothing of the lab loads the module there: debian-pvh's initramfs does, and that
# of debian-pv, which has none, leaves it to systemd-modules-load.

cases_alone+=" installed_early installed_late"
guest_number+=([debian-pvh]=31 [debian-pv]=32)
installed=$top/build/installed-guest

# installed_boots GUEST INITRD: the disk is made by the script and with the module
# that `make install` puts into Dom0
installed_boots() {
	"$lab" installed build/dom0/usr/share/switchboard/guest/prepare \
		"$installed"
	dom0 "xl destroy $1" >/dev/null 2>&1 || true
	LAB_GUEST_SECONDS=900 "$lab" guest create "$1" --root installed \
		--type "$(type_of "$1")" --disk "$installed/disk" \
		--initrd "$installed/$2" --memory 320 --crash preserve
	# "degraded" will be told by what is expected of it
	wait_for 60 guest "$1" "systemctl is-system-running |
		grep -q 'running\|degraded'"
	guest "$1" "systemctl --failed"
}

installed_ends() {
	dom0 "xl destroy $1; rm -rf /var/tmp/lab/$1"
	rm -rf "$installed"
}

# loaded_before GUEST YES-OR-NO: was the module there when systemd began?
loaded_before() {
	expect "loaded before systemd" "$(guest "$1" dmesg | awk '
		/switchboard: loading out-of-tree/ && !module { module = NR }
		/systemd\[1\]: systemd .* running in system mode/ { init = NR }
		END { print !module || !init ? "?" : module < init ? "yes" : "no" }')" \
		"$2"
}

# What systemd waits for, the only network there is, names, calls both ways
expect_network() {
	local address=${guest_number[$1]}
	expect "systemd" "$(guest "$1" "systemctl is-active switchboard-guest \
		network-online.target nginx" | xargs)" "active active active"
	expect "interfaces" "$(guest "$1" "ls /sys/class/net" | xargs)" "lo sb0"
	says "10\.88\.0\.$address/24" guest "$1" "ip -4 address show dev sb0"
	expect "a name" "$(guest "$1" "getent ahostsv4 g-pv.lab" |
		awk 'NR == 1 { print $1 }')" 10.88.0.12
	guest "$1" "curl -sf -o /dev/null http://dom0.lab/ &&
		wget -q -O /dev/null 'http://[fd90::1]/'"
	# Debian's NGINX, unchanged: a socket for each family
	says nginx dom0 "curl -s http://10.90.0.$address:8031/"
	says nginx dom0 "curl -s 'http://[fd90::$address]:8031/'"
}

case_installed_early() {
	installed_boots debian-pvh initrd-early
	loaded_before debian-pvh yes
	expect_network debian-pvh
	installed_ends debian-pvh
}

case_installed_late() {
	installed_boots debian-pv initrd-late
	loaded_before debian-pv no
	expect_network debian-pv
	installed_ends debian-pv
}
