#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A directory and a single file of the mount, given to containers: they see each rotation, and the death of
# the worker is nothing to them.

# shellcheck disable=SC2034 # LIMIT is read by common.bash
# shellcheck disable=SC2030,SC2031 # each test is a shell of its own

load common

setup() {
	begin
	LIMIT=120
	need_root
	need busybox
	ROOT=$T/root
	mkdir -p "$ROOT"/{bin,proc,dev,secrets,run}
	cp "$(type -P busybox)" "$ROOT/bin/busybox"
	ln -s busybox "$ROOT/bin/sh"
	: >"$ROOT/run/token"
	CONTAINER=() CGROUP='' HOW='dd'
}

teardown() {
	local status=0
	[ -n "${BATS_TEST_COMPLETED:-}" ] || {
		cut -c1-150 "$T/seen" 2>/dev/null || true
		end_inside
	}
	finish || status=$?
	# What the runtimes made of cgroups is empty by now.
	[ -z "${CGROUP:-}" ] || find /sys/fs/cgroup -depth -type d -name "$CGROUP" -exec rmdir {} + || true
	return "$status"
}

# What a runtime has started does not end with it.
end_inside() {
	local last=${PIDS[-1]:-}
	[ -n "$last" ] && [ "$(birth "${last%:*}")" = "${last#*:}" ] || return 0
	# shellcheck disable=SC2046
	kill -9 $(descendants "${last%:*}") 2>/dev/null || true
}

need() { # PROGRAM: or the test is skipped
	type -P "$1" >/dev/null || skip "$1 is not installed"
}

# What runs inside: a line of each token that it sees, by its directory and by its file, until it is told to
# end. It asks by names alone, as programs do; a read that fails is a line too. It reads by dd, which is
# read(2) and nothing else, or by cat, which is sendfile(2) in BusyBox.
# shellcheck disable=SC2016
INSIDE='
	PATH=/bin
	case $HOW in
	dd) get() { busybox dd if="$1" bs=64k status=none; } ;;
	cat) get() { busybox cat "$1"; } ;;
	esac
	say() {
		value=$(get "$2" 2>&1) || value="failed: $value"
		eval "last=\$$1"
		[ "$value" = "$last" ] || echo "$1 $value"
		eval "$1=\$value"
	}
	until [ "$directory" = the-end ] && [ "$file" = the-end ]; do
		say directory /secrets/access_token
		say file /run/token
	done
	echo over'

iem() {
	fake_start
	config <<<"$(provider iem client_credentials)"
	mount_start
	import iem/access_token token-0
}

# The configuration of an OCI runtime, from the one that it makes itself.
bundle() { # RUNTIME
	(cd "$T" && "$1" spec)
	jq --arg fs "$MNT/iem" --arg root "$ROOT" --arg inside "HOW=$HOW$INSIDE" --arg cgroup "/$CGROUP" '
		.root = {path: $root, readonly: true} |
		.process.terminal = false |
		.process.args = ["/bin/sh", "-c", $inside] |
		.linux.cgroupsPath = $cgroup | del(.linux.resources) |
		.mounts += [
			{destination: "/secrets", type: "bind", source: $fs, options: ["rbind", "ro"]},
			{destination: "/run/token", type: "bind", source: ($fs + "/access_token"),
			 options: ["rbind", "ro"]}]' "$T/config.json" >"$T/config.new"
	mv "$T/config.new" "$T/config.json"
}

# Runs it with /secrets and /run/token, over rotations and two deaths of the worker.
follows() {
	local i old
	successor() {
		local pid
		pid=$(worker) && [ "$pid" != "$old" ] && answers
	}
	sees() { grep -qx "directory $1" "$T/seen" && grep -qx "file $1" "$T/seen"; }
	spawn "$T/seen" timeout -k 1 100 "${CONTAINER[@]}"
	eventually 20 sees token-0
	for i in 1 2 3 4; do
		import iem/access_token "token-$i$(printf %0$((i * 37 % 11 * 50))d 0)"
		eventually 20 sees "$(token iem/access_token)"
		[ $((i % 2)) = 0 ] || {
			old=$(worker)
			kill -9 "$old"
			eventually 10 successor
		}
	done
	import iem/access_token the-end
	eventually 20 grep -qx over "$T/seen"
	# Nothing but the tokens, in their order, was ever read.
	equal "$(grep -c '^directory token-[0-4]0*$' "$T/seen") $(grep -c '^file token-[0-4]0*$' "$T/seen")" '5 5'
	equal "$(grep -vxE '(directory|file) (token-[0-4]0*|the-end)|over' "$T/seen")" ''
	eventually 20 ended "$SPAWNED"
}

# A mount namespace and a chroot, and nothing else.
plain() {
	iem
	# shellcheck disable=SC2016
	CONTAINER=(unshare -m -p -f --kill-child sh -c '
		mount --rbind "$1" "$2/secrets" && mount --bind "$1/access_token" "$2/run/token" &&
		exec chroot "$2" /bin/sh -c "$3"' sh "$MNT/iem" "$ROOT" "HOW=$HOW$INSIDE")
}

@test "containers: a mount namespace and a chroot follow rotations, and survive the worker" {
	plain
	follows
}

@test "containers: sendfile gives whole tokens too, by the directory and by the file" {
	HOW='cat'
	plain
	follows
}

@test "containers: bubblewrap follows rotations, and survives the worker" {
	need bwrap
	iem
	CONTAINER=(bwrap --bind "$ROOT" / --proc /proc --dev /dev --ro-bind "$MNT/iem" /secrets
		--ro-bind "$MNT/iem/access_token" /run/token --unshare-all --die-with-parent
		/bin/sh -c "HOW=$HOW$INSIDE")
	follows
}

@test "containers: runc follows rotations, and survives the worker" {
	need runc
	iem
	CGROUP=${T##*/}
	bundle runc
	CONTAINER=(runc --root "$T/runtime" run -b "$T" "$CGROUP")
	follows
}

@test "containers: crun follows rotations, and survives the worker" {
	need crun
	iem
	CGROUP=${T##*/}
	bundle crun
	CONTAINER=(crun --root "$T/runtime" run -b "$T" "$CGROUP")
	# crun wants cgroups of one kind: where there are two, it gets a namespace that shows one.
	# shellcheck disable=SC2016
	[ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ] ||
		CONTAINER=(unshare -m --propagation slave sh -c 'umount -R /sys/fs/cgroup &&
			mount -t cgroup2 none /sys/fs/cgroup && exec "$@"' - "${CONTAINER[@]}")
	follows
}
