#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# One token follows another.

load common

setup() {
	begin
	fake_start
}

teardown() {
	finish
}

iem() {
	config <<<"$(provider iem client_credentials)"
	mount_start
}

@test "contract 4: the next open by name gives the new token, in its own size" {
	local i
	iem
	for i in $(seq 20); do
		import iem/access_token "token-$i-$(printf %0$((i * 37 % 11 * 100))d 0)"
		equal "$(probe exact "$MNT/iem/access_token" | cut -c1-$((7 + ${#i})))" "token-$i-"
		equal "$(meta iem/access_token .state)" hot
	done
}

@test "contract 4: what follows from a token rotates with it" {
	iem
	import iem/access_token one
	equal "$(token iem/.headers/access_token)" 'Authorization: Bearer one'
	equal "$(token iem/.env/access_token)" 'ACCESS_TOKEN=one'
	import iem/access_token twotwo
	equal "$(token iem/.headers/access_token)" 'Authorization: Bearer twotwo'
	equal "$(token iem/.env/access_token)" 'ACCESS_TOKEN=twotwo'
}

@test "contract 4: an open descriptor keeps its token whole for 10 s, whatever rotates meanwhile" {
	local i
	iem
	import iem/access_token the-first
	spawn "$T/held" python3 "$PROBE" hold "$MNT/iem/access_token" 11 "$T/ready"
	eventually 5 grep -qx the-first "$T/ready"
	for i in $(seq 30); do import iem/access_token "next-$i"; done
	equal "$(token iem/access_token)" next-30
	eventually 20 test -s "$T/held"
	equal "$(cat "$T/held")" 1
}

@test "contract 4: inotify watchers of a file, and of its directory, hear of each rotation" {
	local i
	iem
	import iem/access_token before
	for i in 1 2 3; do
		token iem/access_token
		rm -f "$T/ready" "$T/heard"
		spawn "$T/heard" python3 "$PROBE" watch "$T/ready" 15 \
			"$MNT/iem//access_token" "$MNT/iem/access_token"
		eventually 5 test -e "$T/ready"
		import iem/access_token "after-$i"
		eventually 20 test -s "$T/heard"
		equal "$(cat "$T/heard")" OK
		equal "$(token iem/access_token)" "after-$i"
	done
}

@test "contract 4: watchers hear of a renewal that nobody asked for" {
	fake_set '{"expires_in": 3}'
	iem
	token iem/access_token
	spawn "$T/heard" python3 "$PROBE" watch "$T/ready" 10 \
		"$MNT/iem//access_token" "$MNT/iem/access_token"
	eventually 5 test -e "$T/ready"
	eventually 15 test -s "$T/heard"
	equal "$(cat "$T/heard")" OK
}

@test "contract 4: rotations beside a directory of watchers stop nobody" {
	local i beside
	iem
	import iem/access_token start
	spawn "$T/heard" python3 "$PROBE" watch "$T/ready" 60 "$MNT/iem//never"
	eventually 5 test -e "$T/ready"
	for i in $(seq 20); do
		import iem/access_token "token-$i" &
		beside=$!
		import "iem/other$i" "other-$i"
		wait "$beside"
	done
	equal "$(token iem/access_token)" token-20
	equal "$(token iem/other20)" other-20
	for i in $(seq 20); do timeout -k 1 20 rm "$MNT/iem/other$i"; done
	equal "$(timeout -k 1 10 ls "$MNT/iem")" access_token
}

@test "contract 4: a single-file bind mount follows within 15 s, and never shows a part of a token" {
	local long
	need_root
	long=$(printf 'long-%0900d' 0)
	iem
	import iem/access_token short
	: >"$T/bound"
	mount --bind "$MNT/iem/access_token" "$T/bound"
	bound() { timeout -k 1 20 cat "$T/bound"; }
	equal "$(bound)" short
	import iem/access_token "$long"
	# the one that was bound, whole, as long as its size is what the kernel tells; then the new one
	shows_long() {
		matches "$(bound)" "^(short|$long)\$"
		[ "$(bound)" = "$long" ]
	}
	eventually 15 shows_long
	equal "$(probe exact "$T/bound")" "$long"
	# from now on it follows at once
	import iem/access_token short-2
	shows_short() { [ "$(bound)" = short-2 ] && [ "$(probe exact "$T/bound")" = short-2 ]; }
	eventually 2 shows_short
}

@test "a single-file bind mount cannot be written through: ESTALE" {
	need_root
	iem
	import iem/access_token one
	: >"$T/bound"
	mount --bind "$MNT/iem/access_token" "$T/bound"
	equal "$(probe write "$T/bound" '{"access_token": "two", "expires_in": 60}')" ESTALE
	equal "$(token iem/access_token)" one
}

@test "a directory bind mount is the directory" {
	need_root
	iem
	mkdir "$T/bound"
	mount --bind "$MNT/iem" "$T/bound"
	equal "$(probe exact "$T/bound/access_token")" "$(token iem/access_token)"
	equal "$(probe write "$T/bound/access_token" '{"access_token": "two", "expires_in": 60}')" OK
	equal "$(timeout -k 1 20 cat "$T/bound/access_token")" two
}

@test "a token that is read is renewed ahead: later opens do not wait for the server" {
	iem
	fake_set '{"expires_in": 4}'
	token iem/access_token
	fake_set '{"delay": 0.7}'
	fake await/token/2
	# The renewal is under way and slow; the token that is there is handed out.
	took 300 cat "$MNT/iem/access_token"
}

# --- several slots on one refresh token

# shared: a declared and a written slot beside access_token, on one refresh token that works once
shared() {
	fake_set '{"refresh": true, "rotate": true}'
	config < <(provider iem refresh_token 'audience-style = audience' 'scope = read write' \
		"refresh-token-file = $(secret refresh "$(fake refresh_token -X POST)")"
		printf '%s\n' '[iem/storage]' 'scope = read' 'audience = https://storage.example.org')
	mount_start
	# shellcheck disable=SC2016
	timeout -k 1 20 sh -c 'echo "{\"scope\": \"write\", \"audience\": \"https://b.example\"}" >"$1"' \
		sh "$MNT/iem/written"
}

alive() { # SLOT: the server knows its token
	local value
	value=$(token "iem/$1")
	fake tokens | jq -e --arg value "$value" 'any(.[]; .access_token == $value and .active)'
}

@test "R7 I4: each down-scoped slot has its own token, and reading one costs the others nothing" {
	local slot
	shared
	for _ in 1 2 3; do
		for slot in access_token storage written; do alive $slot; done
	done
	equal "$(fake log | jq -rc '[.[] | select(.kind == "token").form | [.scope, .audience]] | sort')" \
		'[["read","https://storage.example.org"],["read write",null],["write","https://b.example"]]'
	equal "$(cat "$MNT/iem/access_token" "$MNT/iem/storage" "$MNT/iem/written" | wc -c)" 600
	equal "$(for slot in access_token storage written; do meta iem/$slot .scope; done | tr '\n' ,)" \
		'read write,read,write,'
	timeout -k 1 20 rm "$MNT/iem/written"
	for slot in access_token storage; do alive $slot; done
	equal "$(fake_count)" 3
	equal "$(fake_count introspect)" 0
}

@test "R1 R3: slots that share a one-time refresh token renew side by side, and none is used twice" {
	local slot i
	fake_set '{"expires_in": 3}'
	shared
	for i in 1 2 3 4 5 6; do
		for slot in access_token storage written; do alive $slot; done
		fake "await/token/$((i * 3 + 1))/10"
	done
	for slot in access_token storage written; do
		alive $slot
		[ "$(meta iem/$slot .generation)" -ge 4 ]
	done
	fake log | jq -r '.[] | select(.kind == "token").form.refresh_token' >"$T/used"
	[ "$(wc -l <"$T/used")" -ge 18 ]
	equal "$(sort "$T/used" | uniq -d)" ''
}
