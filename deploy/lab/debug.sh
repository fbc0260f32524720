# shellcheck shell=bash disable=SC2154 # set by lab
# SPDX-License-Identifier: GPL-2.0-only
# debug - a kernel for PVH guests that watches itself: KASAN, lockdep, kmemleak
#
# Built from Debian's linux-source-6.1 into $lab_cache/debug-KEY: vmlinux, and
# build/, which is what "make -C" needs to build a module for it.

readonly debug_tarball=/usr/src/linux-source-6.1.tar.xz
# Code that a PVH guest runs before the shadow memory of KASAN is there
readonly debug_early="arch/x86/platform/pvh:enlighten.o arch/x86/xen:enlighten_pvh.o
	lib:string.o"

configure_debug_kernel() {
	local entry
	for entry in $debug_early; do
		echo "KASAN_SANITIZE_${entry#*:} := n" >>"${entry%:*}/Makefile"
	done
	make -s allnoconfig
	scripts/kconfig/merge_config.sh -m .config "$lab_source/debug/config"
	make -s olddefconfig
	grep -q '^CONFIG_KASAN=y' .config && grep -q '^CONFIG_XEN_PVH=y' .config &&
		grep -q '^CONFIG_PROVE_LOCKING=y' .config
}

# A tenth of the tree is enough for modules.
prune_debug_kernel() {
	rm -rf Documentation drivers fs sound samples net mm rust block certs \
		crypto init ipc io_uring security virt usr kernel lib vmlinux.o
	find arch -mindepth 1 -maxdepth 1 ! -name x86 ! -name Kconfig \
		-exec rm -rf {} +
	find . \( -name '*.o' -o -name '*.a' -o -name '*.cmd' \) \
		! -path './scripts/*' ! -path './tools/*' -delete
}

build_debug_kernel() (
	local out=$1
	mkdir "$out/build"
	cd "$out/build"
	tar -x -f "$debug_tarball" --strip-components=1
	configure_debug_kernel
	make -s "-j$(nproc)" vmlinux modules
	mv vmlinux "$out/vmlinux"
	prune_debug_kernel
)

# Prints the folder; builds it first when need be, in 10 minutes of two cores.
debug_kernel() {
	local key
	mkdir -p "$lab_cache"
	[ -s "$debug_tarball" ] ||
		die "there is no $debug_tarball: apt-get install linux-source-6.1"
	need flex flex
	need bison bison
	need bc bc
	key=$(hash_of debug <<<"$(recipe configure_debug_kernel prune_debug_kernel \
		build_debug_kernel) $debug_early $(stat -c %s "$debug_tarball")")
	(
		flock 9
		build_once debug "$key" build_debug_kernel
	) 9>"$lab_cache/debug.lock"
	echo "$lab_cache/debug-$key"
}
