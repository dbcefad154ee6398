#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What must not be seen is nowhere, and what is seen was checked.

load common

CLIENT_SECRET=CLIENT-SECRET-a41f
PASSWORD=PASS-WORD-77c2

setup() {
	begin
	fake_start
	fake_set '{"refresh": true, "rotate": true, "expires_in": 60}'
	config < <(
		password_provider iem "$PASSWORD"
		printf '[own]\ntype = local\n'
	)
	secret client "$CLIENT_SECRET" >/dev/null
}

teardown() {
	finish
}

# The secrets that went over the wire, one a line: passwords, client secrets, refresh tokens.
secrets() {
	printf '%s\n' "$CLIENT_SECRET" "$PASSWORD" "$(printf 'client:%s' "$CLIENT_SECRET" | base64 -w0)"
	fake log | jq -r '.[].form.refresh_token // empty'
	grep -aoE 'refresh-[0-9]+-[0-9]+-[0-9a-f]+' "$T/refresh" || true
}

busy_life() {
	mount_start
	token iem/access_token
	fake refresh_token -X POST >"$T/refresh"
	put iem/mine "{\"refresh_token\": \"$(cat "$T/refresh")\"}"
	token iem/mine
	token own/access_token
	fake_set '{"mode": "quote"}'
	errno_of create iem/quoted '{"scope": "quoted"}'
	fake_set '{"mode": "ok"}'
	secrets >"$T/secrets"
	[ "$(wc -l <"$T/secrets")" -ge 5 ]
}

@test "contract 5: no secret is readable through any file of the mount" {
	local file
	busy_life
	timeout -k 1 20 find "$MNT" -type f >"$T/files"
	grep -q '/iem/\.meta/mine$' "$T/files"
	grep -q '/own/\.jwks$' "$T/files"
	while read -r file; do
		timeout -k 1 20 cat "$file" 2>/dev/null || true
		probe xattrs "$file" 2>/dev/null || true
	done <"$T/files" >"$T/seen"
	grep -q '"expires_at"' "$T/seen"
	refuse grep -aFf "$T/secrets" "$T/seen"
}

@test "contract 5: no secret is in a log, in status or in an argument list" {
	busy_life
	grep -q iem "$LOG"
	refuse grep -aFf "$T/secrets" "$LOG"
	refuse grep -aFf "$T/secrets" <("$TOKENFS" status -m "$MNT"; "$TOKENFS" status -m "$MNT" --json)
	refuse grep -laFf "$T/secrets" /proc/[0-9]*/cmdline
	# shellcheck disable=SC2046
	refuse grep -laFf "$T/secrets" $(descendants "$PID" | sed 's,.*,/proc/&/environ,')
}

@test "contract 5: the state directory holds no secret and no token in the clear, and is closed" {
	busy_life
	fake tokens | jq -r '.[].access_token' >>"$T/secrets"
	token own/access_token >>"$T/secrets"
	[ -s "$STATE/tokenfs.db" ]
	refuse grep -raFf "$T/secrets" "$STATE"
	mount_stop
	refuse grep -raFf "$T/secrets" "$STATE"
	equal "$(stat -c %a "$STATE")" 700
	equal "$(find "$STATE" -type f ! -perm 600)" ''
}

@test "contract 5: no process of ours leaves a core dump" {
	local pid
	[ "$(ulimit -Hc)" != 0 ] || skip 'core dumps are off for everybody here'
	ulimit -Sc "$(ulimit -Hc)"
	busy_life
	for pid in $(descendants "$PID"); do
		equal "$(probe core-limit "$pid")" 0
	done
}

@test "contract 5: a second use of a rotated refresh token never happens" {
	local i
	mount_start
	for i in 1 2 3 4 5 6; do
		put "iem/slot$i" "{\"scope\": \"scope$i\"}"
		token "iem/slot$i"
	done
	fake log | jq -r '.[] | select(.kind == "token") | .form.refresh_token // empty' >"$T/used"
	[ "$(wc -l <"$T/used")" -ge 5 ]
	equal "$(sort "$T/used" | uniq -d)" ''
}

@test "contract 12: a token with other bytes than b64token's reaches no file" {
	local mode facet
	config < <(for mode in newline control; do provider $mode client_credentials; done)
	mount_start
	for mode in newline control; do
		fake_set "{\"mode\": \"$mode\"}"
		equal "$(errno_of open $mode/access_token)" EPROTO
		for facet in .headers .env; do
			matches "$(errno_of open $mode/$facet/access_token)" '^(EPROTO|EAGAIN)$'
		done
	done
}

@test "contract 12: headers and environment are one line, and cannot be broken out of by an import" {
	local value
	mount_start
	for value in 'a\nX-Injected: yes' 'a\u0000b' 'a b' 'a\"b' "a'b" 'a$(id)' 'a;b' 'ä' '=a' ''; do
		equal "$value: $(errno_of create iem/bad \
			"{\"access_token\": \"$value\", \"expires_in\": 60}")" "$value: EINVAL"
	done
	import iem/good 'Az09-._~+/=='
	equal "$(token iem/.headers/good)" 'Authorization: Bearer Az09-._~+/=='
	equal "$(token iem/.headers/good | wc -l)" 1
	equal "$(timeout -k 1 20 sh -c '. "$1"; echo "$ACCESS_TOKEN"' sh "$MNT/iem/.env/good")" \
		'Az09-._~+/=='
}
