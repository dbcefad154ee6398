#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The program on disk takes over from the one that runs, and nobody who reads notices.

load common

setup() {
	begin
	fake_start
	cp "$TOKENFS" "$T/tokenfs"
	TOKENFS=$T/tokenfs
}

teardown() {
	finish
}

iem() {
	config <<<"$(provider iem client_credentials)"
	mount_start
}

status_of() {
	token .status | jq "$1"
}

# Reads in a tight loop until told to stop; says what failed.
reader() {
	while [ ! -e "$T/stop" ]; do
		cat "$MNT/iem/access_token" >/dev/null || echo failed
	done
	echo stopped
}

@test "upgrade replaces every process under readers: no read fails, the token stays" {
	local rounds=3 before old
	[ -z "${TOKENFS_LONG:-}" ] || rounds=10
	iem
	token iem/access_token >"$T/before"
	spawn "$T/read" bash -c "$(declare -f reader); T=$T MNT=$MNT reader"
	for _ in $(seq $rounds); do
		old=$(status_of .worker)
		timeout -k 1 30 "$TOKENFS" upgrade -m "$MNT"
		[ "$(status_of .worker)" != "$old" ]
	done
	equal "$(status_of .upgrades)" $rounds
	touch "$T/stop"
	eventually 10 grep -qx stopped "$T/read"
	equal "$(cat "$T/read")" stopped
	token iem/access_token | cmp - "$T/before"
	equal "$(fake_count)" 1
}

@test "upgrade: an open that waits for a server waits on, and gets its token" {
	fake_set '{"mode": "hold"}'
	iem
	spawn "$T/waiting" cat "$MNT/iem/access_token"
	fake await/token/1
	spawn "$T/upgraded" timeout -k 1 30 "$TOKENFS" upgrade -m "$MNT"
	fake_set '{"mode": "ok"}'
	eventually 20 test -s "$T/waiting"
	upgraded() { [ "$(status_of .upgrades)" = 1 ]; }
	eventually 20 upgraded
	token iem/access_token | cmp - "$T/waiting"
	equal "$(fake_count)" 1
}

@test "upgrade: rotations are announced by the new program's announcer" {
	iem
	import iem/access_token before
	timeout -k 1 30 "$TOKENFS" upgrade -m "$MNT"
	spawn "$T/heard" python3 "$PROBE" watch "$T/ready" 15 "$MNT/iem//access_token"
	eventually 5 test -e "$T/ready"
	import iem/access_token after
	eventually 20 test -s "$T/heard"
	equal "$(cat "$T/heard")" OK
}

@test "upgrade: a program that does not start leaves the old one serving" {
	iem
	token iem/access_token >"$T/before"
	cp "$TOKENFS" "$T/client"
	printf '#!/bin/sh\nexit 1\n' >"$T/broken"
	chmod +x "$T/broken"
	mv "$T/broken" "$TOKENFS"
	run timeout -k 1 30 "$T/client" upgrade -m "$MNT"
	equal "$status" 1
	matches "$output" 'the version that ran goes on'
	token iem/access_token | cmp - "$T/before"
	mv "$T/client" "$TOKENFS"
	timeout -k 1 30 "$TOKENFS" upgrade -m "$MNT"
	token iem/access_token | cmp - "$T/before"
}
