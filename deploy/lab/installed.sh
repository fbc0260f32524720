# shellcheck shell=bash disable=SC2154 # set by lab
# SPDX-License-Identifier: GPL-2.0-only
# installed - a Debian guest that boots by itself, as its owner would set it up
#
# Debian's own init, initramfs-tools and modules on a disk of its own; the module
# comes from what deploy/guest puts into it. The lab adds its agent, which runs
# commands and nothing else.
#
#	installed_base	Debian with the lab's kernel, and the initramfs that
#			update-initramfs makes of it
#
# What deploy/guest makes of a copy of it is new with every module and quickly
# made: it goes to where the caller wants it.

readonly installed_disk_mib=512

# The kernel's package without what the lab's guests have no use for.
install_kernel() {
	local root=$1 release
	release=$(cat "$kernel/release")
	cp -r "$kernel/modules/lib/modules" "$root/usr/lib/"
	cp "$kernel/vmlinuz" "$root/boot/vmlinuz-$release"
	cp "/usr/src/linux-headers-$release/.config" "$root/boot/config-$release"
	chroot "$root" update-initramfs -c -k "$release"
}

# Units that cost an emulated processor seconds and are no part of booting.
choose_guest_units() {
	systemctl --root="$1" --quiet enable lab-agent
	systemctl --root="$1" --quiet mask apt-daily.timer e2scrub_all.timer \
		apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer \
		e2scrub_reap.service systemd-pstore.service \
		getty-static.service getty@tty1.service dev-hugepages.mount \
		dev-mqueue.mount sys-kernel-debug.mount \
		sys-kernel-tracing.mount systemd-random-seed.service \
		systemd-update-utmp.service \
		systemd-update-utmp-runlevel.service \
		systemd-tmpfiles-clean.timer
}

build_installed_base() {
	local root=$1/root
	debootstrap_into "$1" "$lab_source/installed/packages"
	cp -r "$lab_source/installed/files/." "$root"
	install -D -m 755 "$tools/lab-agent" "$root/usr/local/sbin/lab-agent"
	echo '/dev/xvda / ext4 defaults 0 0' >"$root/etc/fstab"
	echo debian >"$root/etc/hostname"
	printf '127.0.0.1 localhost debian\n::1 localhost\n' >"$root/etc/hosts"
	sed -i 's/^root:[^:]*:/root::/' "$root/etc/shadow"
	rm -f "$root/etc/resolv.conf"
	choose_guest_units "$root"
	install_kernel "$root"
}

# Sets installed_base to where it is, and builds it when it is not there.
need_installed_base() {
	local key
	images_prepare
	key=$(hash_of installed <<<"$(recipe build_installed_base install_kernel \
		choose_guest_units debootstrap_into) $tools_key $kernel_key")
	installed_base=$lab_cache/installed_base-$key
	[ ! -d "$installed_base" ] || return 0
	[ "$(id -u)" = 0 ] || die "building the images needs root"
	exec 9>"$lab_cache/lock"
	flock 9
	build_once installed_base "$key" build_installed_base
	exec 9>&-
}

# installed_make PREPARE INTO: runs deploy/guest's script on a copy of the base.
# INTO/initrd-early is of after that, INTO/initrd-late of before.
installed_make() {
	local into=${2:-} root release
	[ $# = 2 ] || die "installed needs PREPARE and a folder"
	[ -x "$1" ] || die "installed: $1 is no program"
	need_installed_base
	rm -rf "$into"
	mkdir -p "$into"
	root=$into/root
	release=$(cat "$kernel/release")
	cp -a "$installed_base/root" "$root"
	cp "$root/boot/initrd.img-$release" "$into/initrd-late"
	"$1" "$root" >&2
	chroot "$root" update-initramfs -u -k "$release" >&2
	mv "$root/boot/initrd.img-$release" "$into/initrd-early"
	rm "$root/boot/vmlinuz-$release"
	disk_of "$root" "$into/disk" $installed_disk_mib
	rm -rf "$root"
}
