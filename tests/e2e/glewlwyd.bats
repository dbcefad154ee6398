#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Against a real authorization server: Glewlwyd.

# shellcheck disable=SC2034 # read by common.bash and login.bash

load common
load login

setup_file() {
	command -v glewlwyd >/dev/null || return 0
	AT_TTL=8 "$SERVERS/glewlwyd.sh" start "$BATS_FILE_TMPDIR/plain" http
}

teardown_file() {
	"$SERVERS/glewlwyd.sh" stop "$BATS_FILE_TMPDIR/plain"
}

setup() {
	ENVIRONMENT=()
	command -v glewlwyd >/dev/null || skip 'glewlwyd is not installed'
	begin
	# shellcheck source=/dev/null
	. "$BATS_FILE_TMPDIR/plain/env"
}

teardown() {
	[ -z "${T:-}" ] || finish
	[ ! -e "$BATS_TEST_TMPDIR/server/pid" ] || "$SERVERS/glewlwyd.sh" stop "$BATS_TEST_TMPDIR/server"
}

# own_server [http|https]: one for this test alone
own_server() {
	"$SERVERS/glewlwyd.sh" start "$BATS_TEST_TMPDIR/server" "$@"
	# shellcheck source=/dev/null
	. "$BATS_TEST_TMPDIR/server/env"
}

# account GRANT [LINE…]: a section at the issuer ISS
account() {
	local grant=$1
	shift
	printf '%s\n' '[gl]' 'type = oauth2' "issuer = $ISS" "client-id = $CLIENT" \
		"client-secret-file = $(secret client "$SECRET")" "grant = $grant" 'prefetch = no' "$@"
}

alice() {
	printf '%s\n' "user = $USER_NAME" "password-file = $(secret password "$USER_PW")"
}

active() { # TOKEN: what introspection says
	curl -fsS -u "$CLIENT:$SECRET" -d "token=$1" "$ISS/introspect" | jq .active
}

password_token() { # ISSUER FILTER: by hand
	curl -fsS -u "$CLIENT:$SECRET" --data-urlencode "username=$USER_NAME" \
		--data-urlencode "password=$USER_PW" -d 'grant_type=password&scope=openid api.read' \
		"$1/token" | jq -r "$2"
}

@test "client_credentials by discovery: a token that the server knows" {
	config <<<"$(account client_credentials 'scope = api.read')"
	mount_start
	equal "$(active "$(token gl/access_token)")" true
	equal "$(meta gl/access_token .scope)" api.read
}

@test "client-auth = post" {
	config <<<"$(account client_credentials 'scope = api.read' 'client-auth = post' |
		sed "s/^client-id = .*/client-id = $CLIENT_POST/")"
	secret client "$SECRET_POST" >/dev/null
	mount_start
	[ -n "$(token gl/access_token)" ]
}

@test "password: a token, its id_token, and renewal by the refresh token" {
	config <<<"$(account password "$(alice)" 'scope = openid api.read')"
	mount_start
	equal "$(active "$(token gl/access_token)")" true
	matches "$(token gl/id_token)" '^[^.]+\.[^.]+\.[^.]+$'
	renewed() { [ "$(meta gl/access_token .generation)" -gt 1 ]; }
	eventually 15 renewed
	equal "$(active "$(token gl/access_token)")" true
}

@test "a wrong password and a wrong secret are EKEYREJECTED" {
	config <<<"$(account password 'user = alice' "password-file = $(secret password wrong)" \
		'scope = openid api.read')"
	mount_start
	equal "$(errno_of open gl/access_token)" EKEYREJECTED
	mount_stop
	config <<<"$(account client_credentials 'scope = api.read')"
	secret client wrong >/dev/null
	mount_start
	equal "$(errno_of open gl/access_token)" EKEYREJECTED
}

@test "a scope that the server does not give is EACCES" {
	config <<<"$(account client_credentials 'scope = no.such.scope')"
	mount_start
	equal "$(errno_of open gl/access_token)" EACCES
}

@test "refresh_token: the configured one; a slot with one of its own" {
	config <<<"$(account refresh_token \
		"refresh-token-file = $(secret refresh "$(password_token "$ISS" .refresh_token)")")"
	mount_start
	equal "$(active "$(token gl/access_token)")" true
	put gl/own "{\"refresh_token\": \"$(password_token "$ISS" .refresh_token)\"}"
	equal "$(active "$(token gl/own)")" true
}

@test "rm revokes: introspection says inactive, and the next read is a new token" {
	local value
	config <<<"$(account client_credentials 'scope = api.read')"
	mount_start
	value=$(token gl/access_token)
	equal "$(active "$value")" true
	timeout -k 1 20 rm "$MNT/gl/access_token"
	equal "$(active "$value")" false
	equal "$(active "$(token gl/access_token)")" true
}

@test "rm of a slot with a refresh token of its own ends that" {
	local refresh
	config <<<"$(account client_credentials)"
	mount_start
	refresh=$(password_token "$ISS" .refresh_token)
	put gl/own "{\"refresh_token\": \"$refresh\"}"
	token gl/own
	timeout -k 1 20 rm "$MNT/gl/own"
	run curl -fsS -u "$CLIENT:$SECRET" -d "grant_type=refresh_token&refresh_token=$refresh" \
		"$ISS/token"
	[ "$status" -ne 0 ]
}

@test "https with its own authority" {
	own_server https
	config <<<"$(account client_credentials 'scope = api.read' "ca-file = $CA")"
	mount_start
	equal "$(curl -fsS --cacert "$CA" -u "$CLIENT:$SECRET" -d "token=$(token gl/access_token)" \
		"$ISS/introspect" | jq .active)" true
}

@test "contract 1: 16 readers over rotations: each token read is one that the server calls active" {
	local seconds=20
	[ -z "${TOKENFS_LONG:-}" ] || seconds=60
	LIMIT=$((seconds + 60)) PROBE_LIMIT=$((seconds + 30))
	config <<<"$(account client_credentials 'scope = api.read')"
	mount_start
	probe introspect "$MNT/gl/access_token" $seconds 16 "$ISS/introspect" "$CLIENT" "$SECRET" \
		>"$T/result"
	cat "$T/result"
	jq -e '.inactive == 0 and .errors == 0 and .reads > 100 and .tokens >= 2' "$T/result"
}

@test "contract 6: 20 rotations of one-time refresh tokens, with kill -9 of everything in between" {
	local i value last=none
	LIMIT=120
	AT_TTL=2 own_server
	ISS=$ISS_ROT
	config <<<"$(account refresh_token \
		"refresh-token-file = $(secret refresh "$(password_token "$ISS_ROT" .refresh_token)")")"
	mount_start
	another() {
		value=$(token gl/access_token) && [ "$value" != "$last" ]
	}
	for i in $(seq 20); do
		eventually 10 another
		last=$value
		if [ $((i % 4)) = 0 ]; then
			kill_all
			mount_start
		fi
	done
	eventually 10 another
	equal "$(active "$value")" true
}

# --- a person logs in

device() { # [LINE…]
	account device_code 'scope = openid api.read' "$@"
}

agree() { # [DIR]: alice, to the code that .login shows
	"$SERVERS/glewlwyd.sh" approve "${1:-$BATS_FILE_TMPDIR/plain}" oidc "$(login gl .user_code)"
}

@test "device code: alice agrees at the server's page, and the token is one that the server knows" {
	config <<<"$(device)"
	mount_start
	equal "$(errno_of open gl/access_token)" ENOKEY
	login gl .message
	agree
	eventually 10 reads gl/access_token
	equal "$(state gl)" 'done'
	equal "$(active "$(token gl/access_token)")" true
	renewed() { [ "$(meta gl/access_token .generation)" -gt 1 ]; }
	eventually 15 renewed
	equal "$(active "$(token gl/access_token)")" true
}

# watched [once]: device() behind twice.py, which writes to $T/polls what was asked of the token endpoint
watched() {
	# shellcheck disable=SC2031
	spawn "$T/port" python3 "$SERVERS/twice.py" "$ISS" "$T/polls" "$@"
	eventually 10 grep -qx '[0-9][0-9]*' "$T/port"
	config <<<"$(device "token-url = http://localhost:$(cat "$T/port")/token")"
	mount_start
}

polls() { # [ERROR]: how many polls there were, or answers of this kind
	grep -c "${1:-}\$" "$T/polls" || true
}

@test "device code: nobody at a keyboard: .login is read, alice agrees, and two polls later the token is there" {
	local before
	watched once
	equal "$(login gl .state)" waiting
	eventually 10 grep -q authorization_pending "$T/polls"
	agree
	before=$(polls)
	eventually 5 reads gl/access_token
	cat "$T/polls"
	[ "$(polls)" -le $((before + 2)) ]
	equal "$(polls none)" 1
	equal "$(state gl)" 'done'
	equal "$(active "$(token gl/access_token)")" true
	awk '$2 != "none" { if (at && $1 - at < 1) exit 1; at = $1 }' "$T/polls"
}

@test "device code: tokenfs login in a terminal: the QR code that a camera reads is alice's page" {
	local page
	watched once
	log_in_on_terminal gl
	eventually 10 shows "$SCREEN" 'Waiting for you'
	page=$(photograph)
	equal "$page" "$(login gl .verification_uri_complete)"
	matches "$page" "^$BASE/.*code=$(login gl .user_code)\$"
	shows "$SCREEN" "$(login gl .user_code)"
	"$SERVERS/glewlwyd.sh" approve "$BATS_FILE_TMPDIR/plain" oidc "${page##*code=}"
	equal "$(exit_status)" 0
	shows "$SCREEN" 'gl/access_token: logged in'
	equal "$(active "$(token gl/access_token)")" true
}

@test "device code: tokenfs login in a pipe: what it prints is enough to log in" {
	config <<<"$(device)"
	mount_start
	log_in gl
	eventually 10 shows "$T/out" "$BASE/"
	"$SERVERS/glewlwyd.sh" approve "$BATS_FILE_TMPDIR/plain" oidc \
		"$(grep -o 'code=.*' "$T/out" | head -n 1 | cut -d= -f2)"
	equal "$(exit_status)" 0
	reads gl/access_token
}

@test "device code: the server's own slow_down makes the polls slower by five seconds" {
	watched
	login gl .message
	eventually 10 grep -q slow_down "$T/polls"
	agree
	eventually 15 reads gl/access_token
	cat "$T/polls"
	equal "$(awk 'NR > 1 && before ~ /slow_down/ { print ($1 - at >= 6) } { at = $1; before = $2 }' \
		"$T/polls")" 1
}

@test "device code: one that nobody used expires, and another one works" {
	DEVICE_TTL=7 own_server
	config <<<"$(device)"
	mount_start
	login gl .message
	eventually 15 state_is gl expired
	login gl .message
	agree "$BATS_TEST_TMPDIR/server"
	eventually 10 reads gl/access_token
}
