#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Coming and going: mount, unmount, status, signals.

load common

setup() {
	begin
}

teardown() {
	finish
}

local_provider() {
	config <<<$'[here]\ntype = local'
}

# The process that stands above all others which serve the mount.
daemon() {
	local pid pids
	pids=$(grep -lzxF "$MNT" /proc/[0-9]*/cmdline 2>/dev/null | cut -d/ -f3)
	for pid in $pids; do
		running "$pid" || continue # the grep itself
		grep -qx "$(awk '/^PPid:/ { print $2 }' "/proc/$pid/status")" <<<"$pids" && continue
		echo "$pid"
		return
	done
	return 1
}

@test "without a configuration one provider needs no server" {
	[ ! -e /etc/tokenfs/tokenfs.conf ] || skip 'there is a configuration on this machine'
	export XDG_CONFIG_HOME=$T/none XDG_STATE_HOME=$T STATE_DIRECTORY=$STATE HOME=$T
	mount_start
	matches "$(token local/access_token)" '^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$'
	mount_stop
}

@test "mount without -f comes back when the mount answers, and unmount ends it" {
	local_provider
	timeout -k 1 20 "$TOKENFS" mount -c "$CONF" "$MNT" </dev/null >>"$LOG" 2>&1 3>&-
	is_mounted
	PID=$(daemon)
	watchdog
	token here/access_token
	mount_stop
}

@test "mount(8)'s way works: FILE MOUNTPOINT -o OPTIONS" {
	local_provider
	timeout -k 1 20 "$TOKENFS" "$CONF" "$MNT" -o rw,dev </dev/null >>"$LOG" 2>&1 3>&-
	is_mounted
	PID=$(daemon)
	watchdog
	token here/access_token
	mount_stop
}

@test "SIGTERM unmounts and is no failure" {
	local_provider
	mount_start
	kill -TERM "$PID"
	wait "$PID"
	not_mounted
}

@test "unmounting what is not mounted says so" {
	run timeout -k 1 10 "$TOKENFS" unmount "$MNT"
	[ "$status" -ne 0 ]
	matches "$output" "$MNT"
}

@test "a second mount on the same state directory is refused with a sentence" {
	local_provider
	mount_start
	mkdir "$T/second"
	run timeout -k 1 20 "$TOKENFS" mount -f -c "$CONF" "$T/second"
	[ "$status" -ne 0 ] && [ "$status" -lt 124 ]
	matches "$output" 'another|already|in use|state'
	token here/access_token
}

@test "mounting on what is no directory is refused with a sentence" {
	local_provider
	: >"$T/file"
	run timeout -k 1 20 "$TOKENFS" mount -f -c "$CONF" "$T/file"
	[ "$status" -ne 0 ] && [ "$status" -lt 124 ]
	matches "$output" "$T/file"
}

@test "status prints a table, and the same as JSON" {
	local_provider
	mount_start
	token here/access_token
	run timeout -k 1 10 "$TOKENFS" status -m "$MNT"
	equal "$status" 0
	matches "$output" 'here +access_token +hot'
	timeout -k 1 10 "$TOKENFS" status -m "$MNT" --json >"$T/status.json"
	jq -e . "$T/status.json"
	grep -q here "$T/status.json"
	grep -q access_token "$T/status.json"
}

@test ".status of the mount tells version and providers, .metrics is OpenMetrics" {
	local_provider
	mount_start
	token .status | jq -e '.version and .providers'
	matches "$(token .metrics)" '# EOF'
}

@test "version and help need no mount" {
	matches "$("$TOKENFS" --version)" '[0-9]+\.[0-9]+'
	matches "$("$TOKENFS" help)" 'mount'
	matches "$("$TOKENFS" help mount)" 'tokenfs mount'
	matches "$("$TOKENFS" help oauth2)" 'client-secret-file'
	run "$TOKENFS" bogus
	equal "$status" 2
}

@test "an unknown option is an error of usage" {
	run timeout -k 1 10 "$TOKENFS" mount --bogus "$MNT"
	equal "$status" 2
	not_mounted
}
