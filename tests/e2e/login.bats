#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A person logs in: .login, .status and `tokenfs login`. The server is tests/servers/iam.py, which is
# polled each second here.

# shellcheck disable=SC2034 # ENVIRONMENT is read by login.bash

load common
load login

setup() {
	begin
	ENVIRONMENT=()
	stand_in iam 0 --state "$T/iam.state"
	fake_set '{"interval": 1, "denial": true}'
}

teardown() {
	finish
}

# account [LINE…]: a section at the stand-in
account() {
	printf '%s\n' '[iam]' 'type = oauth2' "issuer = $FAKE/" 'client-id = client' \
		"client-secret-file = $(secret client client-secret)" 'grant = device_code' \
		'scope = openid offline_access' 'timeout = 5s' "$@"
}

iam() {
	config <<<"$(account)"
	mount_start
}

again() { # the server, which forgot nothing
	stand_in iam "$FAKE_PORT" --state "$T/iam.state"
}

polls() { # of a user code's device code, which the log has
	fake log | jq "[.[] | select(.grant == \"poll\" and .form.device_code == \"$1\")] | length"
}

# Gets out of whatever was before, and in.
succeeds() {
	equal "$(login iam .state)" waiting
	approve "$(login iam .user_code)"
	eventually 8 reads iam/access_token
	equal "$(state iam)" 'done'
}

# --- the files

@test "nothing begins a login but a read of .login: no mount, ls, stat, .status, read of the token" {
	iam
	timeout -k 1 10 ls -laR "$MNT" >/dev/null
	timeout -k 1 10 stat "$MNT/iam/.login" >/dev/null
	token iam/.status >/dev/null
	token iam/.meta/access_token >/dev/null
	equal "$(errno_of open iam/access_token)" ENOKEY
	equal "$(state iam)" null
	equal "$(fake_count devicecode)" 0
	equal "$(fake_count)" 0
}

@test ".login tells page, code and expiry; its sentence too; nothing secret is in it" {
	iam
	token iam/.login >"$T/page"
	equal "$(jq -r '[.provider, .name, .state] | join(" ")' "$T/page")" 'iam access_token waiting'
	equal "$(jq -r .user_code "$T/page")" "$(fake codes | jq -r '.[0].user_code')"
	equal "$(jq -r .verification_uri "$T/page")" "$FAKE/device"
	equal "$(jq -r .verification_uri_complete "$T/page")" \
		"$FAKE/device?user_code=$(jq -r .user_code "$T/page")"
	matches "$(jq -r .expires_at "$T/page")" '^20[0-9-]+T[0-9:]+Z$'
	matches "$(jq -r .message "$T/page")" "$(jq -r .user_code "$T/page")"
	fake await/poll/1/5
	refuse grep -qF "$(fake log | jq -r '[.[].form.device_code // empty][0]')" "$T/page"
}

@test "the token is there within two polls after somebody agreed" {
	local before
	iam
	login iam .user_code
	fake await/poll/1/6
	before=$(fake_count poll)
	approve
	eventually 5 reads iam/access_token
	[ "$(fake_count poll)" -le $((before + 2)) ]
	equal "$(state iam)" 'done'
	equal "$(token iam/.status | jq -c .login_needed)" '[]'
	equal "$(token iam/access_token)" "$(fake tokens | jq -r '.[-1].access_token')"
}

@test "a second reader joins: the same code, and one request at the server" {
	local i
	fake_set '{"device": "hold"}'
	iam
	for i in 1 2 3; do spawn "$T/page$i" timeout 20 cat "$MNT/iam/.login"; done
	fake await/devicecode/1/5
	fake_set '{"device": "ok"}'
	for i in 1 2 3; do eventually 10 shows "$T/page$i" '}'; done
	equal "$(jq -r .user_code "$T"/page? | sort | uniq -c | awk '{ print $1 }')" 3
	equal "$(login iam .user_code)" "$(jq -r .user_code "$T/page1")"
	equal "$(fake_count devicecode)" 1
}

@test "opening the token while a person is waited for is ENOKEY at once" {
	iam
	login iam .state
	equal "$(errno_of open iam/access_token)" ENOKEY
	local start=${EPOCHREALTIME/./}
	equal "$(errno_of open iam/access_token)" ENOKEY
	[ $((${EPOCHREALTIME/./} - start)) -lt 1500000 ]
	equal "$(meta iam/access_token .state)" login_required
}

@test "watchers of the directory see the token come" {
	iam
	login iam .state
	spawn "$T/heard" python3 "$PROBE" watch "$T/ready" 20 "$MNT/iam//access_token"
	eventually 5 test -e "$T/ready"
	approve
	eventually 10 test -s "$T/heard"
	equal "$(cat "$T/heard")" OK
	reads iam/access_token
}

@test "denied: .status says so, and a new read of .login begins anew" {
	iam
	login iam .state
	deny
	ended_as iam denied
	equal "$(errno_of open iam/access_token)" ENOKEY
	succeeds
}

@test "expired: .status says so, and a new read of .login begins anew" {
	fake_set '{"code_expires_in": 2}'
	iam
	login iam .state
	ended_as iam expired
	fake_set '{"code_expires_in": 600}'
	succeeds
}

@test "removing .login ends the login: no poll comes after it, and its code gets nobody in" {
	local code device
	iam
	code=$(login iam .user_code)
	fake await/poll/1/5
	device=$(fake log | jq -r '[.[].form.device_code // empty][0]')
	timeout -k 1 10 rm "$MNT/iam/.login"
	equal "$(state iam)" cancelled
	equal "$(errno_of unlink iam/.login)" ENOENT
	approve "$code"
	fake reset -X POST
	refuse equal "$(login iam .user_code)" "$code"
	fake await/poll/2/6
	equal "$(polls "$device")" 0
	succeeds
}

@test "removing .login wakes those who wait for the code" {
	fake_set '{"device": "hold"}'
	iam
	spawn "$T/page" timeout 20 cat "$MNT/iam/.login"
	fake await/devicecode/1/5
	timeout -k 1 10 rm "$MNT/iam/.login"
	eventually 5 ended "$SPAWNED"
	equal "$(state iam)" cancelled
	fake_set '{"device": "ok"}'
	succeeds
}

@test "a server that is away for a while: the login goes on, and the token comes" {
	iam
	login iam .state
	fake await/poll/1/5
	fake_stop
	equal "$(state iam)" waiting
	again
	approve
	eventually 20 reads iam/access_token
	equal "$(fake_count devicecode)" 0
}

@test "a server that drops and stalls: the login goes on" {
	iam
	login iam .state
	fake_set '{"mode": "drop"}'
	fake await/poll/2/10
	equal "$(state iam)" waiting
	fake_set '{"mode": "busy"}'
	fake await/poll/3/10
	equal "$(state iam)" waiting
	approve
	fake_set '{"mode": "ok"}'
	eventually 20 reads iam/access_token
}

@test "kill -9 of the worker while a person is waited for: the same code, and the token comes" {
	local code
	iam
	code=$(login iam .user_code)
	kill -9 "$(worker)"
	equal "$(login iam .user_code)" "$code"
	kill -9 "$(worker)"
	fake await/poll/2/20
	approve
	eventually 15 reads iam/access_token
	equal "$(fake_count devicecode)" 1
	equal "$(state iam)" 'done'
	# one poller, at its pace (D3 D8)
	fake log | jq -e '[.[] | select(.grant == "poll")] | [.[1:], .[:-1]] | transpose
		| all(.[0].at - .[1].at > 0.95)'
}

@test "kill -9 of everything, and another mount: the same code, and the token comes" {
	local code
	iam
	code=$(login iam .user_code)
	kill_all
	mount_start
	equal "$(login iam .user_code)" "$code"
	mount_stop
	approve
	mount_start
	eventually 15 reads iam/access_token
	equal "$(fake_count devicecode)" 1
}

@test "a login that cannot begin says why, and a later one can" {
	iam
	fake_stop
	equal "$(errno_of open iam/.login)" ECONNREFUSED
	matches "$(token iam/.status | jq -r .last_error.message)" "refuses connections"
	equal "$(state iam)" failed
	again
	eventually 30 reads iam/.login
	succeeds
}

@test "a server in trouble is EAGAIN, one that answers nonsense EPROTO, an unknown client EKEYREJECTED" {
	local mode
	iam
	fake_set '{"device": "busy"}'
	equal "$(errno_of open iam/.login)" EAGAIN
	mount_stop
	for mode in html empty truncated; do
		rm -rf "$STATE"
		fake_set "{\"device\": \"$mode\"}"
		mount_start
		equal "$(errno_of open iam/.login)" EPROTO
		equal "$(state iam)" failed
		mount_stop
	done
	fake_set '{"device": "ok"}'
	config <<<"$(account | sed 's/^client-id = .*/client-id = nobody/; s/^type = .*/type = indigo-iam/')"
	mount_start
	equal "$(errno_of open iam/.login)" EKEYREJECTED
	equal "$(errno_of open iam/access_token)" ENOKEY
}

@test "where nobody has to log in there is no .login" {
	config <<<"$(account | sed 's/^grant = .*/grant = client_credentials/')"
	mount_start
	matches "$(errno_of open iam/.login)" '^(ENOENT|ENOTSUP)$'
	matches "$(errno_of unlink iam/.login)" '^(ENOENT|EPERM|ENOTSUP)$'
}

@test "rm revokes what the login brought, and the next token needs another login" {
	config <<<"$(account | sed 's/^type = .*/type = indigo-iam/')"
	mount_start
	succeeds
	timeout -k 1 20 rm "$MNT/iam/access_token"
	equal "$(fake grants)" '[]'
	equal "$(errno_of open iam/access_token)" ENOKEY
	succeeds
	equal "$(fake_count devicecode)" 2
}

@test "the token is renewed by the login's refresh token, without a person" {
	fake_set '{"expires_in": 4}'
	iam
	succeeds
	renewed() { [ "$(meta iam/access_token .generation)" -gt 2 ] && reads iam/access_token; }
	eventually 15 renewed
	equal "$(fake_count devicecode)" 1
}

@test "C15 D9: device code, client secret, refresh token and assertion are nowhere, whatever is quoted" {
	local answer
	fake_set '{"expires_in": 3}'
	config <<<"$(account | sed 's/^client-id = .*/client-id = other/')"
	secret client other-secret >/dev/null
	mount_start
	secrets_sent() {
		printf '%s\n' other-secret "$(printf other:other-secret | base64)"
		fake log | jq -r '.[].form | .device_code, .refresh_token | select(.)' | sort -u
		fake grants | jq -r '.[].refresh_token'
	}
	log_in iam
	eventually 10 shows "$T/out" "$FAKE/device"
	fake await/poll/1/5
	approve
	equal "$(exit_status)" 0
	reads iam/access_token
	for answer in quote error_200 html; do
		fake_set "{\"mode\": \"$answer\"}"
		failing() { [ "$(meta iam/access_token .last_error)" != null ]; }
		eventually 10 failing
		secrets_sent | look_everywhere -
		fake_set '{"mode": "ok"}'
		reload
		eventually 10 reads iam/access_token
	done
	fake_set '{"revoke": "quote"}'
	timeout -k 1 20 rm "$MNT/iam/access_token" || true
	fake_set '{"revoke": "ok"}'
	log_in iam
	fake_set '{"mode": "quote"}'
	equal "$(exit_status)" 1
	secrets_sent | look_everywhere -
	refuse grep -aFf "$T/secrets" "$T/out" "$T/err"
	[ "$(wc -l <"$T/secrets")" -ge 5 ]
}

# --- tokenfs login

@test "tokenfs login, without a terminal: plain text, and 0 when the token is there" {
	iam
	log_in iam
	eventually 10 shows "$T/out" "$FAKE/device?user_code="
	shows "$T/out" "    $FAKE/device"
	shows "$T/out" "    $(login iam .user_code)"
	approve
	equal "$(exit_status)" 0
	reads iam/access_token
	shows "$T/out" 'iam/access_token: logged in'
	equal "$(cat "$T/err")" ''
	refuse grep -qP '[\x00-\x09\x0b-\x1f]|█|▀' "$T/out"
	equal "$(fake_count devicecode)" 1
}

@test "tokenfs login, in a terminal: a camera reads the page from the QR code" {
	iam
	log_in_on_terminal iam
	eventually 10 shows "$SCREEN" 'Waiting for you'
	equal "$(photograph)" "$(login iam .verification_uri_complete)"
	shows "$SCREEN" "$(printf '\033[1m%s\033[0m' "$(login iam .user_code)")"
	approve
	equal "$(exit_status)" 0
	shows "$SCREEN" 'iam/access_token: logged in'
	reads iam/access_token
}

@test "tokenfs login: without a page that knows the code, the QR code is of the page" {
	fake_set '{"complete": false}'
	iam
	log_in_on_terminal iam
	eventually 10 shows "$SCREEN" 'Waiting for you'
	equal "$(photograph)" "$FAKE/device"
}

@test "tokenfs login: NO_COLOR has no colours, TERM=dumb no escape sequence at all" {
	iam
	ENVIRONMENT=(NO_COLOR=1)
	log_in_on_terminal iam
	eventually 10 shows "$SCREEN" 'Waiting for you'
	refuse grep -qaP '\x1b\[[0-9;]*m' "$SCREEN"
	equal "$(photograph)" "$(login iam .verification_uri_complete)"
	ENVIRONMENT=(TERM=dumb)
	log_in_on_terminal iam
	eventually 10 shows "$SCREEN" '█'
	equal "$(photograph)" "$(login iam .verification_uri_complete)"
	approve
	equal "$(exit_status)" 0
	refuse grep -qaF $'\033' "$SCREEN"
	refuse shows "$SCREEN" 'Waiting for you'
}

@test "tokenfs login: no QR code in a narrow terminal, nor without UTF-8; the page is there as text" {
	iam
	COLUMNS_=30 log_in_on_terminal iam
	eventually 10 shows "$SCREEN" 'Waiting for you'
	shows "$SCREEN" "$FAKE/device?user_code="
	refuse grep -qa '█' "$SCREEN"
	ENVIRONMENT=(LC_ALL=C)
	log_in_on_terminal iam
	eventually 10 shows "$SCREEN" 'Waiting for you'
	refuse grep -qa '█' "$SCREEN"
}

@test "tokenfs login: the countdown rewrites its line" {
	iam
	log_in_on_terminal iam
	eventually 10 grep -qaP '(\r\x1b\[KWaiting for you; the code lives [0-9ms ]+){3}' "$SCREEN"
	equal "$(grep -caP 'Waiting for you' "$SCREEN")" 1
}

@test "tokenfs login: Ctrl-C leaves no login behind, 130" {
	iam
	log_in_on_terminal iam
	eventually 10 shows "$SCREEN" 'Waiting for you'
	printf '\003' >"$KEYS"
	equal "$(exit_status)" 130
	equal "$(state iam)" cancelled
	shows "$SCREEN" 'given up'
}

@test "tokenfs login: SIGTERM and SIGHUP too; 143, 129" {
	local pair pid
	iam
	for pair in TERM:143 HUP:129; do
		log_in iam
		eventually 10 shows "$T/out" "$FAKE/device"
		for pid in $(descendants "$SPAWNED"); do
			[ "$(readlink "/proc/$pid/exe")" != "$(realpath "$TOKENFS")" ] || kill -"${pair%:*}" "$pid"
		done
		equal "$(exit_status)" "${pair#*:}"
		equal "$(state iam)" cancelled
	done
}

@test "tokenfs login: Ctrl-C works while the server does not answer" {
	fake_set '{"device": "hold"}'
	config <<<"$(account | sed 's/^timeout = .*/timeout = 60s/')"
	mount_start
	log_in_on_terminal iam
	fake await/devicecode/1/5
	printf '\003' >"$KEYS"
	eventually 5 test -s "$T/status"
	equal "$(exit_status)" 130
	equal "$(state iam)" cancelled
}

@test "tokenfs login: denied and expired are 1, and why" {
	iam
	log_in iam
	eventually 10 shows "$T/out" "$FAKE/device"
	deny
	equal "$(exit_status)" 1
	matches "$(cat "$T/err")" '^tokenfs: iam/access_token: '
	equal "$(wc -l <"$T/err")" 1
	fake_set '{"code_expires_in": 2}'
	log_in iam
	eventually 10 shows "$T/out" "$FAKE/device"
	equal "$(exit_status)" 1
	matches "$(cat "$T/err")" '^tokenfs: iam/access_token: '
}

@test "tokenfs login: somebody else removes .login: 1" {
	iam
	log_in iam
	eventually 10 shows "$T/out" "$FAKE/device"
	timeout -k 1 10 rm "$MNT/iam/.login"
	equal "$(exit_status)" 1
}

@test "tokenfs login keeps nobody from unmounting: 1" {
	iam
	log_in iam
	eventually 10 shows "$T/out" "$FAKE/device"
	fake await/poll/2/20
	mount_stop
	equal "$(exit_status)" 1
	matches "$(cat "$T/err")" '^tokenfs: iam/access_token: '
}

@test "tokenfs login: who reads its first line only can log in all the same" {
	iam
	# shellcheck disable=SC2016
	spawn "$T/first" bash -c '"$@" | head -n 1; echo "${PIPESTATUS[0]}"' - "$TOKENFS" login -m "$MNT" iam
	eventually 10 shows "$T/first" 'To log in'
	fake await/poll/1/5
	approve
	eventually 10 ended "$SPAWNED"
	equal "$(tail -n 1 "$T/first")" 0
}

@test "tokenfs login goes on over the death of the worker" {
	iam
	log_in iam
	eventually 10 shows "$T/out" "$FAKE/device"
	kill -9 "$(worker)"
	eventually 10 worker
	approve
	equal "$(exit_status)" 0
	reads iam/access_token
}

@test "tokenfs login joins a login, and two commands end together" {
	iam
	login iam .state
	log_in iam
	eventually 10 shows "$T/out" "$(login iam .user_code)"
	mv "$T/out" "$T/first.out"
	timeout -k 1 30 "$TOKENFS" login -m "$MNT" iam >"$T/second.out" 2>&1 3>&- &
	local second=$!
	eventually 10 shows "$T/second.out" "$(login iam .user_code)"
	approve
	wait "$second"
	equal "$(exit_status)" 0
	equal "$(fake_count devicecode)" 1
}

@test "tokenfs login: where it cannot begin it says why: 1; wrong usage: 2" {
	iam
	fake_stop
	run -1 timeout -k 1 20 "$TOKENFS" login -m "$MNT" iam
	matches "$output" 'refuses connections'
	run -1 timeout -k 1 20 "$TOKENFS" login -m "$MNT" nobody
	matches "$output" 'no provider "nobody"'
	run -1 timeout -k 1 20 "$TOKENFS" login -m "$MNT" ../iam
	run -2 timeout -k 1 20 "$TOKENFS" login -m "$MNT"
	run -2 timeout -k 1 20 "$TOKENFS" login -m "$MNT" iam more
	mount_stop
	run -1 timeout -k 1 20 "$TOKENFS" login -m "$MNT" iam
	config <<<"$(account | sed 's/^grant = .*/grant = client_credentials/')"
	mount_start
	run -1 timeout -k 1 20 "$TOKENFS" login -m "$MNT" iam
	matches "$output" '^tokenfs: iam: '
}

@test "tokenfs login: slots with a login each, one after the other" {
	local i
	config <<<"$(account '[iam/storage]' 'scope = openid offline_access storage.read:/' |
		sed 's/^type = .*/type = indigo-iam/')"
	mount_start
	log_in iam
	for i in 1 2; do
		fake await/devicecode/$i/10
		approve
	done
	equal "$(exit_status)" 0
	reads iam/access_token
	reads iam/storage
	equal "$(grep -c 'logged in' "$T/out")" 2
	equal "$(fake_count devicecode)" 2
}
