# shellcheck shell=bash disable=SC2154 # set by lab
# SPDX-License-Identifier: GPL-2.0-only
# images - everything the lab boots from, built once into the cache
#
#	tools	the command agent and its clients
#	kernel	Xen, one kernel with its modules, busybox
#	dom0	Dom0's root file system: Debian, then ours on top
#	guest	the Debian root file system that guests share
#
# Each lives in $lab_cache/KIND-KEY; the key is a hash of what went in, so a
# changed input is a new name and nothing cached is ever changed in place.

# Modules that Dom0 gets: folders and files below kernel/.
readonly dom0_modules="arch crypto lib net/bridge net/802 net/llc net/core
	net/ipv4 net/ipv6 net/netfilter net/packet net/sched net/unix net/netlink
	fs/ext4 fs/jbd2 fs/mbcache.ko fs/overlayfs fs/squashfs fs/fuse fs/autofs
	fs/binfmt_misc.ko fs/configfs drivers/block drivers/virtio drivers/xen
	drivers/net/virtio_net.ko drivers/net/net_failover.ko
	drivers/net/dummy.ko drivers/net/tun.ko drivers/net/veth.ko
	drivers/net/xen-netback drivers/net/xen-netfront.ko
	drivers/char/hw_random drivers/char/virtio_console.ko"
readonly dom0_initrd_modules="virtio_blk virtio_pci ext4"
# What a guest loads, and when: for a Debian root, a vif, switchboard.ko.
readonly guest_debian_modules="xen-blkfront ext4 overlay"
readonly guest_vif_modules="xen-netfront"
readonly guest_switchboard_modules="dummy"

# The kernel must be the one that the module of this machine is built for.
kernel_package() {
	local headers
	# shellcheck disable=SC2016 # dpkg's words, not ours
	headers=$(dpkg-query -W -f '${Package} ${Version} ${db:Status-Status}\n' \
		'linux-headers-*-amd64' 2>/dev/null |
		awk '$3 == "installed" &&
			$1 ~ /^linux-headers-[0-9.]+-[0-9]+-amd64$/ {
				print $2, $1 }' | sort -V | tail -n 1)
	[ -n "$headers" ] || die "no kernel headers: apt-get install linux-headers-amd64"
	echo "${headers#*linux-headers-} ${headers% *}"
}

codename() (
	# shellcheck source=/dev/null
	. /etc/os-release
	echo "$VERSION_CODENAME"
)

# Debian's own archive as this machine is configured to reach it.
archive_sources() {
	# shellcheck disable=SC2016 # apt's words, not ours
	apt-get indextargets --format \
		'deb $(REPO_URI) $(RELEASE) $(COMPONENT)|$(LABEL)|$(CODENAME)' \
		'Created-By: Packages' |
		awk -F'|' -v name="$(codename)" \
			'$2 ~ /^Debian(-Security)?$/ && index($3, name) == 1 { print $1 }' |
		sort -u
}

packages_of() {
	sed 's/#.*//' "$1" | xargs | tr ' ' ','
}

# build_once KIND KEY COMMAND...: run COMMAND with the path of a new folder,
# unless the folder is in the cache. Prints nothing; its log is kept.
build_once() {
	local kind=$1 folder=$lab_cache/$1-$2 log=$lab_cache/logs/$1.log
	shift 2
	[ ! -d "$folder" ] || return 0
	say "building: $kind"
	rm -rf "$folder".tmp
	mkdir -p "$folder".tmp "$lab_cache/logs"
	# In the background, because "if" would switch "set -e" off inside.
	(
		set -e
		"$@" "$folder".tmp
	) >"$log" 2>&1 &
	if ! wait $!; then
		tail -n 25 "$log" >&2
		die "building $kind failed; the whole log is $log"
	fi
	find "$lab_cache" -maxdepth 1 -name "$kind-*" ! -name '*.tmp' \
		-mmin +1440 -exec rm -rf {} +
	mv "$folder".tmp "$folder"
	say "built: $kind"
}

build_tools() {
	local out=$1 flags="-std=gnu11 -O2 -Wall -Wextra"
	local from=$lab_source/agent
	# shellcheck disable=SC2086 # flags are words
	{
		cc $flags -static -o "$out/lab-agent" "$from"/{agent,frame}.c
		cc $flags -static -o "$out/lab-run" "$from"/{run,frame}.c
		cc $flags -o "$out/lab-console" "$from"/{console,frame}.c \
			-lxenstore -lxengnttab -lxenevtchn
	}
}

# unpack PACKAGE[=VERSION] FOLDER
unpack() (
	mkdir -p "$2"
	cd "$2"
	apt-get -q -o APT::Sandbox::User=root download "$1"
	dpkg-deb -x ./*.deb .
	rm ./*.deb
)

copy_modules() {
	local from=$1/lib/modules/$3/kernel to=$2/lib/modules/$3 path
	mkdir -p "$to/kernel"
	cp "$1/lib/modules/$3"/modules.* "$to"
	for path in $dom0_modules; do
		[ -e "$from/$path" ] || continue
		mkdir -p "$to/kernel/$(dirname "$path")"
		cp -r "$from/$path" "$to/kernel/$path"
	done
	depmod -b "$2" "$3"
}

# The kernel without its self-extractor: nothing to decompress in emulation.
extract_kernel() {
	local offset
	offset=$(grep -abo -m 1 $'\xfd7zXZ\x00' "$1" | head -n 1 | cut -d: -f1)
	tail -c "+$((offset + 1))" "$1" | xz -dc --single-stream 2>/dev/null >"$2" || true
	[ "$(head -c 4 "$2" | tail -c 3)" = ELF ]
}

build_kernel() {
	local out=$1 release version
	read -r release version < <(kernel_package)
	unpack "linux-image-$release=$version" "$out/linux"
	unpack xen-hypervisor-4.17-amd64 "$out/hypervisor"
	unpack busybox-static "$out/box"
	zcat "$out"/hypervisor/boot/xen-4.17-amd64.gz >"$out/xen"
	cp "$out/box/bin/busybox" "$out"
	cp "$out/linux/boot/vmlinuz-$release" "$out/vmlinuz"
	extract_kernel "$out/vmlinuz" "$out/vmlinux"
	copy_modules "$out/linux" "$out/modules" "$release"
	echo "$release" >"$out/release"
	rm -rf "$out/linux" "$out/hypervisor" "$out/box"
}

# debootstrap_into FOLDER PACKAGE-LIST
debootstrap_into() {
	local options=(--mode=root --variant=minbase --format=directory
		--aptopt='APT::Install-Recommends "false"'
		--aptopt='Acquire::Languages "none"'
		--dpkgopt=force-unsafe-io)
	local path
	for path in doc man locale info lintian; do
		options+=("--dpkgopt=path-exclude=/usr/share/$path/*")
	done
	archive_sources >"$1/sources"
	[ -s "$1/sources" ] ||
		die "no Debian archive is known here: apt-get update"
	mmdebstrap "${options[@]}" --include="$(packages_of "$2")" \
		"$(codename)" "$1/root" "$1/sources"
}

build_dom0_base() {
	debootstrap_into "$1" "$lab_source/dom0/packages"
}

build_guest_base() {
	debootstrap_into "$1" "$lab_source/guest/packages"
}

# pack FOLDER: a folder as an initramfs.
pack() {
	(cd "$1" && find . -print0 | cpio -o0 --quiet -H newc -R 0:0)
}

# Modules in the order in which insmod needs them.
ordered_modules() {
	modprobe -d "$kernel/modules" -S "$(cat "$kernel/release")" -a \
		--show-depends "$@" | awk '$1 == "insmod" && !seen[$2]++ { print $2 }'
}

# copy_module_set FOLDER LIST MODULE...: them, what they need, and the order.
copy_module_set() {
	local to=$1 list=$1/$2 file
	shift 2
	for file in $(ordered_modules "$@"); do
		cp "$file" "$to"
		basename "$file" >>"$list"
	done
}

make_dom0_initrd() {
	local stage=$1/initrd.d
	mkdir -p "$stage"/{bin,dev,modules}
	mknod -m 600 "$stage/dev/console" c 5 1
	cp "$kernel/busybox" "$stage/bin"
	ln -s busybox "$stage/bin/sh"
	install -m 755 "$lab_source/dom0/init" "$stage/init"
	# shellcheck disable=SC2086 # modules are words
	copy_module_set "$stage/modules" order $dom0_initrd_modules
	pack "$stage" >"$1/initrd"
	rm -r "$stage"
}

make_guest_cpio() {
	local stage=$1.d
	mkdir -p "$stage"/{bin,sbin,usr/bin,usr/sbin,dev,proc,sys,etc,root,tmp}
	mkdir -p "$stage"/{run,lab/modules,lab/sbin,lib}
	mknod -m 600 "$stage/dev/console" c 5 1
	cp "$kernel/busybox" "$tools/lab-agent" "$stage/lab"
	install -m 755 "$lab_source/guest/init" "$stage/init"
	install -m 755 "$lab_source/guest/start" "$stage/lab/start"
	"$kernel/busybox" --list | while read -r name; do
		ln -s /lab/busybox "$stage/bin/$name"
	done
	cp "$lab_source/guest/inittab" "$stage/lab/inittab"
	# shellcheck disable=SC2086 # modules are words
	{
		copy_module_set "$stage/lab/modules" debian $guest_debian_modules
		copy_module_set "$stage/lab/modules" vif $guest_vif_modules
		copy_module_set "$stage/lab/modules" switchboard \
			$guest_switchboard_modules
	}
	link_init "$stage"
	pack "$stage" >"$1"
	rm -r "$stage"
}

# What both kinds of guest find where busybox's init looks for it.
link_init() {
	local name
	for name in init poweroff reboot halt; do
		ln -sf /lab/busybox "$1/lab/sbin/$name"
		ln -sf /lab/busybox "$1/sbin/$name"
	done
	ln -sf /lab/inittab "$1/etc/inittab"
	echo 'root:x:0:0:root:/root:/bin/sh' >"$1/etc/passwd"
	echo 'root:x:0:' >"$1/etc/group"
}

install_dom0_files() {
	local root=$1
	cp -r "$lab_source/dom0/files/." "$root"
	chmod 755 "$root"/usr/local/sbin/* "$root/etc/xen/scripts/block-lab"
	cp "$tools"/lab-* "$root/usr/local/sbin"
	mkdir -p "$root/usr/local/lib/lab" "$root/var/log/xen/console"
	make_guest_cpio "$root/usr/local/lib/lab/guest.cpio"
	cp "$kernel/vmlinux" "$root/usr/local/lib/lab"
	cp -r "$kernel/modules/lib/modules" "$root/usr/lib"
	install -m 600 "$lab_cache/token" "$root/etc/lab.token"
	echo dom0 >"$root/etc/hostname"
	printf '127.0.0.1 localhost dom0\n::1 localhost\n' >"$root/etc/hosts"
	echo 'nameserver 10.0.2.3' >"$root/etc/resolv.conf"
	: >"$root/etc/fstab"
	sed -i 's/^root:[^:]*:/root::/' "$root/etc/shadow"
}

choose_dom0_units() {
	systemctl --root="$1" --quiet enable lab-agent lab-network
	systemctl --root="$1" --quiet mask apt-daily.timer getty@tty1.service \
		apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
		e2scrub_reap.service fstrim.timer systemd-pstore.service \
		systemd-random-seed.service systemd-update-utmp.service \
		systemd-update-utmp-runlevel.service xendomains.service \
		systemd-tmpfiles-clean.timer
	systemctl --root="$1" --quiet mask tftpd-hpa.service
	systemctl --root="$1" --quiet disable nginx.service named.service \
		chrony.service
}

# disk_of FOLDER FILE MIB: an ext4 image, sparse, without a journal.
disk_of() {
	mke2fs -q -t ext4 -O ^has_journal -E lazy_itable_init=1 -m 0 \
		-d "$1" "$2" "$3M"
}

build_dom0() {
	local out=$1
	cp -a "$dom0_base/root" "$out/root"
	install_dom0_files "$out/root"
	choose_dom0_units "$out/root"
	make_dom0_initrd "$out"
	disk_of "$out/root" "$out/disk" 3072
	rm -rf "$out/root"
}

build_guest() {
	local out=$1
	cp -a "$guest_base/root" "$out/root"
	ln -sf /lab/inittab "$out/root/etc/inittab"
	ln -sf /lab/busybox "$out/root/sbin/poweroff"
	ln -sf /lab/busybox "$out/root/sbin/reboot"
	rm -f "$out/root/etc/resolv.conf"
	disk_of "$out/root" "$out/disk" 768
	rm -rf "$out/root"
}

need_tools() {
	need qemu-system-x86_64 qemu-system-x86
	need qemu-img qemu-utils
	need mmdebstrap mmdebstrap
	need mke2fs e2fsprogs
	need cpio cpio
	need depmod kmod
	need socat socat
	need cc gcc
	need xz xz-utils
	need flock util-linux
}

make_token() {
	[ -s "$lab_cache/token" ] ||
		(umask 077 && head -c 24 /dev/urandom | base64 >"$lab_cache/token")
}

# The text of functions: what they build depends on it.
recipe() {
	declare -f "$@"
}

# Where everything is or will be; sets tools, kernel, dom0, guest and bases.
name_images() {
	local base kernel_made dom0_made
	base=$(recipe debootstrap_into packages_of archive_sources)
	kernel_made=$(recipe unpack copy_modules extract_kernel build_kernel)
	dom0_made=$(recipe build_dom0 make_dom0_initrd make_guest_cpio link_init \
		install_dom0_files choose_dom0_units disk_of pack \
		copy_module_set ordered_modules)
	tools_key=$(hash_of agent <<<"$(recipe build_tools)")
	kernel_key=$(hash_of <<<"$kernel_made $dom0_modules $(kernel_package)")
	dom0_base_key=$(hash_of dom0/packages <<<"$base")
	guest_base_key=$(hash_of guest/packages <<<"$base")
	dom0_key=$(hash_of dom0 guest <<<"$dom0_made $dom0_initrd_modules
		$guest_debian_modules $guest_vif_modules
		$guest_switchboard_modules $tools_key $kernel_key
		$dom0_base_key $(cat "$lab_cache/token")")
	guest_key=$(hash_of <<<"$(recipe build_guest disk_of) $guest_base_key")
	tools=$lab_cache/tools-$tools_key
	kernel=$lab_cache/kernel-$kernel_key
	dom0_base=$lab_cache/dom0_base-$dom0_base_key
	guest_base=$lab_cache/guest_base-$guest_base_key
	dom0=$lab_cache/dom0-$dom0_key
	guest=$lab_cache/guest-$guest_key
}

build_images() {
	local jobs=() job
	build_once guest_base "$guest_base_key" build_guest_base &
	jobs+=($!)
	build_once dom0_base "$dom0_base_key" build_dom0_base &
	jobs+=($!)
	build_once tools "$tools_key" build_tools
	build_once kernel "$kernel_key" build_kernel
	for job in "${jobs[@]}"; do
		wait "$job" || die "an image could not be built"
	done
	build_once guest "$guest_key" build_guest &
	job=$!
	build_once dom0 "$dom0_key" build_dom0
	wait "$job" || die "the guests' image could not be built"
}

images_ready() {
	[ -d "$tools" ] && [ -d "$kernel" ] && [ -d "$dom0" ] && [ -d "$guest" ]
}

# Make sure that all images exist; at once when they do.
images_prepare() {
	mkdir -p "$lab_cache"
	make_token
	name_images
	images_ready && return
	need_tools
	[ "$(id -u)" = 0 ] || die "building the images needs root"
	exec 9>"$lab_cache/lock"
	flock -n 9 || {
		say "another lab is building the images: waiting for it"
		flock 9
	}
	build_images
	exec 9>&-
	say "images are ready in $lab_cache"
}
