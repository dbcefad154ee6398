#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Restarts, kills and reloads.

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

# --- restarts

@test "a restart fetches nothing: hot tokens, imports and created names are still there" {
	iem
	token iem/access_token >"$T/before"
	put iem/narrow '{"scope": "narrow"}'
	token iem/narrow >"$T/narrow"
	import iem/mine imported-1
	mount_stop
	mount_start
	token iem/access_token | cmp - "$T/before"
	token iem/narrow | cmp - "$T/narrow"
	equal "$(token iem/mine)" imported-1
	equal "$(fake_count)" 2
}

@test "a restart forgets nothing of a lifetime" {
	local before
	iem
	token iem/access_token
	before=$(meta iem/access_token '.expires_at, .issued_at')
	mount_stop
	mount_start
	equal "$(meta iem/access_token '.expires_at, .issued_at')" "$before"
}

@test "a token that ended while nothing ran is not handed out" {
	fake_set '{"expires_in": 1}'
	iem
	token iem/access_token >"$T/before"
	mount_stop
	fake_set '{"expires_in": 300}'
	over() { [ "$(fake tokens | jq 'any(.[]; .active)')" = false ]; }
	eventually 10 over
	mount_start
	refuse cmp -s "$T/before" <(token iem/access_token)
	meta iem/access_token .state | grep -qx hot
}

@test "contract 13: suspended time counts: a clock that ran on ends a token" {
	need_root
	unshare --time --fork --boottime 400 true 2>/dev/null || skip 'no time namespaces here'
	iem
	token iem/access_token >"$T/before"
	mount_stop
	# shellcheck disable=SC2034 # mount_start reads it
	WRAP=(unshare --time --fork --kill-child --boottime 400)
	mount_start
	refuse cmp -s "$T/before" <(token iem/access_token)
	equal "$(fake_count)" 2
	mount_stop
}

@test "another account under the same name gets none of the old one's tokens" {
	iem
	token iem/access_token >"$T/before"
	mount_stop
	sed -i 's/^client-id = .*/client-id = somebody-else/' "$CONF"
	mount_start
	refuse cmp -s "$T/before" <(token iem/access_token)
	equal "$(fake_count)" 2
}

@test "a store that is damaged is refused with a sentence, and is not touched" {
	iem
	import iem/access_token one
	mount_stop
	rm -f "$STATE"/tokenfs.db-*
	printf 'this is no database, whatever it is' >"$STATE/tokenfs.db"
	cp "$STATE/tokenfs.db" "$T/copy"
	run timeout -k 1 20 "$TOKENFS" mount -f -c "$CONF" "$MNT"
	[ "$status" -ne 0 ] && [ "$status" -lt 124 ]
	matches "$output" 'tokenfs\.db|store'
	cmp "$STATE/tokenfs.db" "$T/copy"
	not_mounted
}

# --- kill -9

@test "contract 6: kill -9 of everything right after a read loses no rotated refresh token" {
	local i value last=none
	fake_set '{"rotate": true, "expires_in": 2}'
	config <<<"$(provider iem refresh_token \
		"refresh-token-file = $(secret refresh "$(fake refresh_token -X POST)")")"
	another() {
		value=$(token iem/access_token) && [ "$value" != "$last" ]
	}
	for i in 1 2 3 4 5 6 7 8; do
		mount_start
		eventually 10 another
		kill_all
		last=$value
	done
	mount_start
	eventually 10 another
	fake log | jq -r '.[].form.refresh_token' >"$T/used"
	[ "$(wc -l <"$T/used")" -ge 9 ]
	equal "$(sort "$T/used" | uniq -d)" ''
}

@test "contract 6: kill -9 right after a write loses nothing of it" {
	local i
	config <<<"$(provider iem client_credentials)"
	for i in 1 2 3 4 5; do
		mount_start
		import iem/access_token "token-$i"
		kill_all
	done
	mount_start
	equal "$(token iem/access_token)" token-5
	equal "$(fake_count)" 0
}

@test "contract 6: kill -9 right after rm: what was revoked does not come back" {
	config <<<"$(provider iem client_credentials)"
	mount_start
	put iem/narrow '{"scope": "narrow"}'
	token iem/narrow
	timeout -k 1 20 rm "$MNT/iem/narrow"
	kill_all
	mount_start
	equal "$(errno_of open iem/narrow)" ENOENT
}

@test "contract 7: the worker is killed again and again under readers, and nobody fails" {
	local i old
	successor() {
		local pid
		pid=$(worker) && [ "$pid" != "$old" ] && answers
	}
	iem
	token iem/access_token >"$T/before"
	# shellcheck disable=SC2016
	spawn "$T/failures" timeout 60 sh -c 'until [ -e "$2" ]; do cat "$1" >/dev/null || exit 1; done
		echo done' sh "$MNT/iem/access_token" "$T/stop"
	for i in $(seq 10); do
		old=$(worker)
		kill -9 "$old"
		eventually 10 successor
	done
	: >"$T/stop"
	eventually 10 grep -q . "$T/failures"
	equal "$(cat "$T/failures")" 'done'
	token iem/access_token | cmp - "$T/before"
	equal "$(fake_count)" 1
	running "$PID"
}

@test "contract 7: a worker that finds everything as it was does not wait for the disk" {
	local before
	iem
	token iem/access_token >"$T/before"
	stored() { sha256sum "$STATE/tokenfs.db" "$STATE/tokenfs.db-wal"; }
	before=$(stored)
	kill_worker
	token iem/access_token | cmp - "$T/before"
	equal "$(stored)" "$before"
}

@test "contract 8: workers that end by themselves follow each other more and more slowly" {
	local old start
	iem
	token iem/access_token >"$T/before"
	for _ in 1 2 3 4 5 6 7 8 9; do
		old=$(worker)
		start=${EPOCHREALTIME/./}
		kill -ABRT "$old"
		eventually 10 has_successor "$old"
		token iem/access_token | cmp - "$T/before"
	done
	# Three at once, and then 10 ms, 20, 40, …
	[ $(((${EPOCHREALTIME/./} - start) / 1000)) -ge 320 ]
	equal "$(grep -c 'ended by signal 6 (Aborted): another one goes on' "$LOG")" 9
}

@test "contract 7: a blocked read survives the worker" {
	fake_set '{"mode": "hold"}'
	iem
	# shellcheck disable=SC2016
	spawn "$T/value" timeout 40 sh -c 'cat "$1"; echo " $?"' sh "$MNT/iem/access_token"
	fake await/token/1
	kill -9 "$(worker)"
	fake await/token/2
	fake_set '{"mode": "ok"}'
	eventually 20 grep -q ' ' "$T/value"
	equal "$(cat "$T/value")" "$(token iem/access_token) 0"
}

@test "contract 7: open descriptors and bind mounts survive the worker" {
	local old
	need_root
	successor() { old_is_gone && answers; }
	old_is_gone() { [ "$(worker)" != "$old" ]; }
	iem
	import iem/access_token one
	: >"$T/bound"
	mount --bind "$MNT/iem/access_token" "$T/bound"
	exec 9<"$MNT/iem/access_token"
	old=$(worker)
	kill -9 "$old"
	eventually 10 successor
	equal "$(timeout -k 1 5 cat <&9)" one
	exec 9<&-
	equal "$(timeout -k 1 5 cat "$T/bound")" one
	import iem/access_token two
	follows() { [ "$(timeout -k 1 5 cat "$T/bound")" = two ]; }
	eventually 15 follows
}

# --- reload

@test "SIGHUP reloads: a new provider is there, and hot tokens stay" {
	iem
	token iem/access_token >"$T/before"
	printf '[here]\ntype = local\n' >>"$CONF"
	kill -HUP "$PID"
	eventually 10 test -d "$MNT/here"
	token here/access_token
	token iem/access_token | cmp - "$T/before"
	equal "$(fake_count)" 1
}

@test "tokenfs reload: a provider that was taken out is gone" {
	iem
	printf '[here]\ntype = local\n' >>"$CONF"
	reload
	token here/access_token
	sed -i '/^\[here\]/,$d' "$CONF"
	reload
	refuse test -e "$MNT/here"
	equal "$(timeout -k 1 10 ls "$MNT")" iem
	token iem/access_token
}

@test "a reload of a bad configuration fails with file and line, and the old one goes on" {
	local line
	iem
	token iem/access_token >"$T/before"
	echo 'colour = blue' >>"$CONF"
	line=$(wc -l <"$CONF")
	run timeout -k 1 30 "$TOKENFS" reload -m "$MNT"
	[ "$status" -ne 0 ]
	matches "$output" "$CONF:$line: "
	token iem/access_token | cmp - "$T/before"
	kill -HUP "$PID"
	eventually 10 grep -q "$CONF:$line: " "$LOG"
	token iem/access_token | cmp - "$T/before"
}

@test ".control takes what it knows, and nothing else" {
	iem
	equal "$(errno_of write .control '{"do": "reload"}')" OK
	equal "$(errno_of write .control '{"do": "dance"}')" EINVAL
	equal "$(errno_of write .control 'reload')" EINVAL
	token iem/access_token
}
