# shellcheck shell=bash disable=SC2034,SC2154 # set here or by lab
# SPDX-License-Identifier: GPL-2.0-only
# common - what every part of the lab uses: messages, waiting, the cache
#
# Nothing here waits for a time: wait_until asks again and again whether
# something is so, under a generous deadline.

lab_cache=${SWITCHBOARD_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/switchboard}
export PATH=$PATH:/usr/sbin:/sbin

say() {
	printf 'lab: %4d s  %s\n' "$SECONDS" "$*" >&2
}

die() {
	printf 'lab: %s\n' "$*" >&2
	exit 1
}

# wait_until SECONDS WHAT COMMAND...: until COMMAND succeeds.
wait_until() {
	local deadline=$((SECONDS + $1)) what=$2
	shift 2
	until "$@"; do
		[ "$SECONDS" -lt "$deadline" ] || {
			say "gave up waiting for $what"
			return 1
		}
		sleep 0.1
	done
}

# need COMMAND PACKAGE: fail clearly when a tool is missing.
need() {
	command -v "$1" >/dev/null ||
		die "$1 is missing: apt-get install $2"
}

# hash_of [FILE...]: a short name for the content of files, named from the
# lab's own folder, and of stdin.
hash_of() (
	cd "$lab_source" || exit
	{
		[ $# -eq 0 ] || find "$@" -type f -print0 | sort -z |
			xargs -0 sha256sum
		cat
	} | sha256sum | cut -c1-16
)
