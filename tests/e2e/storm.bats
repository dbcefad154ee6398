#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The worker is killed at random, and tokens rotate twenty times a second, under everything at once.

# shellcheck disable=SC2034 # LIMIT is read by common.bash

load common

STORM=${STORM:-$(dirname "$TOKENFS")/storm}
KILLS=${KILLS:-30} LENGTH=10 REFRESHES=20
[ -z "${TOKENFS_LONG:-}" ] || { KILLS=200 LENGTH=60 REFRESHES=100; }

setup() {
	begin
	fake_start
	LIMIT=150
}

teardown() {
	finish
}

# Hot slots `still` and `moving`, and one that is cold whenever it was removed.
iem() {
	fake_set '{"token": "checked"}'
	config <<<"$(
		provider iem client_credentials
		printf '[iem/cold]\nscope = cold\n'
	)"
	mount_start
	import iem/still "$(probe make 1 300000)"
	import iem/moving "$(probe make 2 300000)"
}

# storm ARGUMENT…: what it saw is printed by the test runner, also when all is well.
storm() {
	local status=0
	timeout -k 1 $((LIMIT - 10)) "$STORM" "$@" >"$T/storm" || status=$?
	sed 's/^/# /' "$T/storm" >&3
	[ "$status" = 0 ] || cat "$T/storm"
	return "$status"
}

# What a gap may last is said of a machine that does nothing else, and of a build without sanitizers.
gap_limit() {
	[ -z "${TOKENFS_LONG:-}" ] || grep -qa -e __asan_init -e __tsan_init "$TOKENFS" || echo '-g 250'
}

@test "contract 7: the worker is killed at random times under all that can go on, and nothing fails" {
	need_root
	iem
	: >"$T/bound-still"
	: >"$T/bound-moving"
	# shellcheck disable=SC2046
	storm -k "$PID" "$KILLS" $(gap_limit) hot="$MNT/iem/still" hot="$MNT/iem/moving" \
		cold="$MNT/iem/cold" still="$MNT/iem/still" held="$MNT/iem/moving" \
		bound="$MNT/iem/still,$T/bound-still" bound="$MNT/iem/moving,$T/bound-moving" \
		rotate="$MNT/iem/moving" write="$MNT/iem" watch="$MNT/iem" pulse=0 pulse=1
	running "$PID"
	answers
	# Not one of them was ended by anything but us.
	equal "$(grep -c 'ended by signal 9' "$LOG")" "$KILLS"
	equal "$(grep -c 'another one goes on' "$LOG")" "$KILLS"
}

# A request that is on the wire when the worker dies may be answered to nobody, and the answer holds
# the only refresh token that is good from then on: no client can do anything about that. So the kills
# are between requests, at once after a token was shown: what it came with must be durable by then.
@test "contract 6: a grant of one-time refresh tokens survives a kill after each of its requests" {
	local i
	fake_set '{"rotate": true}'
	config <<<"$(provider iem refresh_token \
		"refresh-token-file = $(secret refresh "$(fake refresh_token -X POST)")")"
	mount_start
	for i in $(seq "$REFRESHES"); do
		put "iem/slot-$i" "{\"scope\": \"s$i\"}"
		token "iem/slot-$i" >"$T/value-$i"
		kill_worker
	done
	token iem/access_token >/dev/null
	for i in $(seq "$REFRESHES"); do
		token "iem/slot-$i" | cmp - "$T/value-$i"
	done
	equal "$(fake_count)" $((REFRESHES + 1))
	fake log | jq -r '.[].form.refresh_token' >"$T/used"
	equal "$(sort -u "$T/used" | wc -l)" $((REFRESHES + 1))
	equal "$(fake tokens | jq 'all(.[]; .active)')" true
}

@test "contract 7: a reader that waits for a server outlives the workers that die meanwhile" {
	fake_set '{"mode": "hold"}'
	config <<<"$(provider iem client_credentials)"
	mount_start
	spawn "$T/outcome" timeout -k 1 60 cat "$MNT/iem/access_token"
	for i in 1 2 3 4; do
		fake await/token/$i
		kill_worker
	done
	fake_set '{"mode": "ok"}'
	eventually 20 test -s "$T/outcome"
	token iem/access_token | cmp - "$T/outcome"
}

@test "contract 4: twenty rotations a second among readers, a watcher, writes and rm hang nobody" {
	need_root
	iem
	storm -t "$LENGTH" rotate="$MNT/iem/moving" hot="$MNT/iem/moving" exact="$MNT/iem/moving" \
		held="$MNT/iem/moving" mtime="$MNT/iem/moving" cold="$MNT/iem/cold" \
		write="$MNT/iem" maybe="$MNT/iem/storm-0" maybe="$MNT/iem/storm-1" watch="$MNT/iem"
	[ "$(sed -n 's/^rotate *\([0-9]*\) .*/\1/p' "$T/storm")" -ge $((LENGTH * 10)) ]
	answers
}

@test "contract 4: mtime changes when the bytes do, and at nothing else" {
	local old first
	mtime() { timeout -k 1 20 stat -c %.Y "$MNT/iem/still"; }
	iem
	first=$(mtime)
	import iem/moving another
	token iem/cold >/dev/null
	equal "$(errno_of write iem/still '{"access_token": ')" EINVAL
	token iem/still >/dev/null
	equal "$(mtime)" "$first"
	kill_worker
	equal "$(mtime)" "$first"
	reload
	equal "$(mtime)" "$first"
	mount_stop
	mount_start
	equal "$(mtime)" "$first"
	old=$(token iem/still)
	import iem/still "$old"
	equal "$(token iem/still)" "$old"
	equal "$(mtime)" "$first"
	import iem/still "$(probe make 3 300000)"
	refuse equal "$(mtime)" "$first"
}

@test "the names under which tokens are replaced are nobody's, while they are in use too" {
	iem
	spawn "$T/rotations" timeout -k 1 30 "$STORM" -t 5 -r 20 rotate="$MNT/iem/moving"
	probe intrude "$MNT/iem" moving 4 >"$T/intrusion"
	eventually 20 grep -q kills "$T/rotations"
	matches "$(cat "$T/rotations")" ' 0 failed, 0 wrong'
	printf '# %s\n' "$(cat "$T/intrusion")" >&3
	# Each was tried hundreds of times, and this is all that ever came of it.
	equal "$(jq -r 'to_entries | sort_by(.key)[] | "\(.key) \(.value | keys | join(","))"' "$T/intrusion")" \
		"$(printf '%s\n' 'create EINVAL' 'from ENOENT' 'link ENOENT' 'mkdir EPERM' 'open ENOENT' \
			'stat ENOENT' 'symlink EPERM' 'to EPERM' 'touch ENOENT' 'unlink ENOENT')"
	[ "$(jq '[.[] | add] | min' "$T/intrusion")" -gt 200 ]
	refuse grep -q next- <(timeout -k 1 10 ls -a "$MNT/iem")
}

# The file is bound before it rotates, so that its inode is that of a token that is over: it must have
# begun to follow. Node's open, fstat and read are far apart, in threads of their own. One reader at a
# time: where several rely on st_size the number may move on between one's open and its fstat (the
# manual says so).
bound_and_followed() {
	iem
	: >"$T/bound"
	mount --bind "$MNT/iem/moving" "$T/bound"
	import iem/moving "$(probe make 3 300000)"
	followed() { [ "$(probe exact "$T/bound" 2>/dev/null)" = "$(token iem/moving)" ]; }
	eventually 25 followed
}

@test "contract 4: a reader of exactly st_size bytes gets whole tokens through a mount of one file that follows" {
	need_root
	bound_and_followed
	storm -t "$LENGTH" rotate="$MNT/iem/moving" exact="$T/bound"
	[ "$(sed -n 's/^rotate *\([0-9]*\) .*/\1/p' "$T/storm")" -ge $((LENGTH * 10)) ]
}

@test "contract 4: Node's readFile gets whole tokens through a mount of one file that follows" {
	need_root
	command -v node >/dev/null || skip 'node is not installed'
	bound_and_followed
	spawn "$T/node" timeout -k 1 $((LENGTH + 40)) node "$E2E/readfile.js" "$T/bound" "$LENGTH"
	storm -t "$LENGTH" rotate="$MNT/iem/moving"
	eventually 40 grep -q ' reads' "$T/node"
	sed 's/^/# node: /' "$T/node" >&3
	# It moves on every 2 s at least.
	[ "$(sed -n 's/.* 0 wrong, \([0-9]*\) tokens$/\1/p' "$T/node")" -ge $((LENGTH / 5)) ]
}
