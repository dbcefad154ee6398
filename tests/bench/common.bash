# SPDX-License-Identifier: Apache-2.0
# What the benchmarks share: a directory of their own, tokenfs and its peers, and their end. Sourced.
#
# begin BUILD_DIR makes $dir, and $ram on a tmpfs; whatever was started is in `pids` and ends with the
# shell, whatever was mounted is below $dir.
# shellcheck shell=bash

self=${0##*/}

die() {
	printf '%s: %s\n' "$self" "$*" >&2
	exit 1
}

note() {
	printf '%s: %s\n' "$self" "$*" >&2
}

# await SECONDS COMMAND...: until the command succeeds
await() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		((SECONDS < end)) || return 1
		sleep 0.02
	done
}

gone() {
	[[ ! -d /proc/$1 || $(sed 's/.*) //; s/ .*//' "/proc/$1/stat" 2>/dev/null) == [ZX]* ]]
}

# end PID: a process of ours
end() {
	kill -TERM "$1" 2>/dev/null || true
	await 10 gone "$1" || kill -KILL "$1" 2>/dev/null || true
	wait "$1" 2>/dev/null || true
}

# The innermost first.
mounts_below() {
	awk -v dir="$1/" 'index($2, dir) == 1 { print $2 }' /proc/self/mounts | tac
}

unmount() {
	mountpoint -q "$1" || return 0
	umount -l "$1" 2>/dev/null || fusermount3 -uz "$1"
}

# end_all: what was started, and what was mounted
end_all() {
	local pid mount
	for pid in "${pids[@]}"; do end "$pid"; done
	pids=()
	for mount in $(mounts_below "$dir"); do unmount "$mount" || true; done
}

clean_up() {
	end_all
	rm -rf --one-file-system "$dir" "$ram"
}

# descendants PID: its children, their children, …
descendants() {
	local children child
	read -ra children < <(cat "/proc/$1"/task/*/children 2>/dev/null | tr '\n' ' ') || true
	for child in "${children[@]}"; do
		printf '%s\n' "$child"
		descendants "$child"
	done
}

has_store_open() {
	find "/proc/$1/fd" -lname '*/tokenfs.db' -print -quit 2>/dev/null | grep -q .
}

# The worker is the one descendant that runs the same program and has the store open.
find_worker() {
	local pid
	for pid in $(descendants "$1"); do
		if [[ /proc/$pid/exe -ef /proc/$1/exe ]] && has_store_open "$pid"; then
			worker=$pid
			return 0
		fi
	done
	return 1
}

# random_text BYTES: letters and digits
random_text() {
	LC_ALL=C tr -dc 'A-Za-z0-9' </dev/urandom | head -c "$1" || true
}

is_ram() {
	[[ -d $1 && -w $1 && $(stat -f -c %T "$1") == tmpfs ]]
}

find_ram() {
	local place
	for place in /dev/shm "${XDG_RUNTIME_DIR:-}" /run /tmp; do
		if is_ram "$place"; then
			mktemp -d "$place/tokenfs-bench.XXXXXX"
			return 0
		fi
	done
	return 1
}

served_or_gone() {
	mountpoint -q "$1" || gone "$2"
}

# served MOUNTPOINT PID: waits until the process has mounted; false when it ends without
served() {
	await 60 served_or_gone "$1" "$2"
	mountpoint -q "$1"
}

# launch CONFIGURATION MOUNTPOINT: sets `tokenfs` and `worker`
launch() {
	mkdir -p "$2"
	"$build/tokenfs" mount -f -c "$1" "$2" 2>"$1.log" &
	tokenfs=$!
	pids+=("$tokenfs")
	if ! served "$2" "$tokenfs"; then
		cat "$1.log" >&2
		die "tokenfs does not mount (is /dev/fuse there, and may you use it?)"
	fi
	await 60 find_worker "$tokenfs" || die "the worker of tokenfs was not found"
}

# start_direct_io FILE: a peer that serves its bytes; sets `direct`
start_direct_io() {
	mkdir -p "$dir/direct"
	"$build/bench-direct-io" "$dir/direct" "$1" &
	direct=$!
	pids+=("$direct")
	served "$dir/direct" "$direct" || die "bench-direct-io does not mount"
}

# A mature FUSE filesystem in C, for comparison; one of our own, where it is installed: sets `lxcfs`.
start_lxcfs() {
	lxcfs=
	if ! command -v lxcfs >/dev/null || ((EUID != 0)); then
		note "lxcfs is skipped: it is not installed, or you are not root"
		return 0
	fi
	mkdir -p "$dir/lxcfs"
	command lxcfs -f -p "$dir/lxcfs.pid" "$dir/lxcfs" >"$dir/lxcfs.log" 2>&1 &
	local pid=$!
	pids+=("$pid")
	if served "$dir/lxcfs" "$pid" && [[ -r $dir/lxcfs/proc/uptime ]]; then
		lxcfs=$pid
	else
		note "lxcfs is skipped: it does not start"
	fi
}

# begin BUILD_DIR PROGRAM...: the programs are there, and so are $build, $dir and $ram
begin() {
	local program
	build=$(cd "$1" && pwd) || exit 1
	shift
	for program in "$@"; do
		[[ -x $build/$program ]] || die "$build/$program is not there: build it first"
	done
	# shellcheck disable=SC2034 # whoever sources this uses them
	pids=() worker='' tokenfs='' direct='' lxcfs=''
	dir=$(mktemp -d "${TMPDIR:-/tmp}/tokenfs-bench.XXXXXX")
	ram=$(find_ram) || {
		rmdir "$dir"
		die "no writable tmpfs to compare with"
	}
	trap clean_up EXIT
	trap 'exit 1' INT TERM
}
