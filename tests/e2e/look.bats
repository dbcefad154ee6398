#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Whoever only looks asks no server and waits for nobody.

load common

setup() {
	begin
	fake_start
}

teardown() {
	finish
}

# Twenty cold slots at a server that stalls.
twenty_cold_slots() {
	local i
	fake_set '{"mode": "stall"}'
	config < <(
		provider iem client_credentials
		for i in $(seq -w 20); do printf '[iem/slot%s]\nscope = scope%s\n' "$i" "$i"; done
	)
	mount_start
}

@test "contract 3: ls, stat, find, test and completion over 20 cold slots of a stalled server" {
	twenty_cold_slots
	spawn "$T/reader" cat "$MNT/iem/access_token"
	fake await/token/1
	took 100 ls --color=always -la "$MNT/iem"
	took 100 find "$MNT/iem" -maxdepth 1 -ls
	took 100 stat "$MNT"/iem/slot*
	took 100 bash -c 'compgen -f "$1/"' bash "$MNT/iem"
	took 100 bash -c 'test -e "$1" && test ! -s "$1" && test -r "$1"' bash "$MNT/iem/slot07"
	took 100 cat "$MNT/iem/.meta/slot07" "$MNT/iem/.status" "$MNT/.status" "$MNT/.metrics"
	took 500 find "$MNT" -ls
	took 500 ls -laR "$MNT"
	took 500 du -a "$MNT"
	running "$SPAWNED"
	equal "$(fake_count all)" 1
}

@test "contract 3: rm and echo > on cold slots of a stalled server cause their own request only" {
	local i
	twenty_cold_slots
	for i in 01 02 03; do
		timeout -k 1 30 sh -c 'echo "{\"access_token\": \"t$2\", \"expires_in\": 60}" >"$1"' \
			sh "$MNT/iem/slot$i" "$i"
		equal "$(timeout -k 1 5 cat "$MNT/iem/slot$i")" "t$i"
	done
	timeout -k 1 30 rm -f "$MNT/iem/slot20" || true
	equal "$(fake_count all)" 0
	timeout -k 1 30 rm -f "$MNT/iem/slot01"
	equal "$(fake_count)" 0
	equal "$(fake_count revoke)" 1
}

@test "contract 3: a hot token costs one round trip to open and none to read" {
	local opens reads
	config <<<"$(provider iem client_credentials)"
	mount_start
	token iem/access_token
	read -r opens reads < <(probe answers "$(worker)" "$MNT/iem/access_token" 1000)
	# The open's answer, and that of the release, which nobody waits for.
	[ "$opens" -ge 1000 ] && [ "$opens" -le 2100 ] || equal "$opens answers" '1000 to 2100'
	[ "$reads" -le 100 ] || equal "$reads answers" 'none'
	equal "$(fake_count)" 1
}

@test "contract 3: test -s is false for a token that never was, true for one that was" {
	config <<<"$(provider iem client_credentials)"
	mount_start
	refuse test -s "$MNT/iem/access_token"
	token iem/access_token
	test -s "$MNT/iem/access_token"
	equal "$(fake_count)" 1
}
