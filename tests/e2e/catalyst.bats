#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Zoho Catalyst: CLI tokens by device login. Numbers are sections of the wire notes
# (catalyst-iam-oauth.md); the server is tests/servers/zoho.py.

load common
load login

setup() {
	begin
	stand_in zoho 0 --state "$T/zoho.state"
}

teardown() {
	finish
}

# account [LINE…]: a section for the stand-in
account() {
	printf '%s\n' '[zoho]' 'type = catalyst' "accounts-url = $FAKE" 'client-id = 1004.TESTDEVICE' \
		"client-secret-file = $(secret client device-secret)" \
		'scope = ZohoCatalyst.projects.ALL' 'prefetch = no' "$@"
}

catalyst() { # [LINE…]
	config <<<"$(account "$@")"
	mount_start
}

# cli_token NAME: a login from its beginning to its end
cli_token() {
	put "zoho/$1" '{}'
	approve
	eventually 5 reads "zoho/$1"
}

refresh_token() {
	fake grants | jq -r '.[-1].refresh_token'
}

listed() {
	timeout -k 1 10 ls "$MNT/zoho"
}

lists() { # TEXT
	[ "$(listed)" = "$1" ]
}

alive() { # ACCESS_TOKEN: an API takes it
	curl -fsS --max-time 10 -o /dev/null -H "Authorization: Bearer $1" "$FAKE/api"
}

@test "a document begins the login; the CLI token is there when somebody has agreed" {
	catalyst
	equal "$(listed)" ''
	put zoho/ci '{}'
	equal "$(login zoho .state)" waiting
	equal "$(login zoho .name)" ci
	equal "$(login zoho .user_code)" "$(fake codes | jq -r '.[0].user_code')"
	equal "$(login zoho .verification_uri)" "$FAKE/device"
	equal "$(errno_of open zoho/ci)" ENOKEY
	approve
	eventually 5 reads zoho/ci
	equal "$(token zoho/ci)" "m_$(refresh_token)"
	equal "$(listed)" ci
	equal "$(state zoho)" 'done'
	equal "$(fake_count code)" 1
}

@test "1.3: client, device code and refresh token are in no URL" {
	catalyst
	cli_token ci
	timeout -k 1 20 rm "$MNT/zoho/ci"
	equal "$(fake log | jq -r '.[].path' | sort -u)" "$(printf '%s\n' /oauth/v2/token/revoke \
		/oauth/v3/device/code /oauth/v3/device/token)"
}

@test "1.4: milliseconds: a code of five minutes is one of five minutes, polled each second" {
	local now left
	catalyst
	put zoho/ci '{}'
	now=$(date +%s)
	left=$(($(date -d "$(login zoho .expires_at)" +%s) - now))
	[ $left -gt 280 ] && [ $left -le 301 ]
	fake await/poll/2/6
	equal "$(fake log | jq '[.[] | select(.kind == "poll")] | .[1].at - .[0].answered | . >= 1 and . < 3')" true
}

@test ".meta: an id, when it was made, that it does not end; no secret" {
	local value before
	before=$(date +%s)
	catalyst
	cli_token ci
	value=$(token zoho/ci)
	matches "$(meta zoho/ci .id)" '^[0-9a-f]{6}$'
	equal "$(meta zoho/ci ".details.created_time / 1000 | . >= $before and . < $before + 60")" true
	equal "$(meta zoho/ci .expires_at)" null
	refuse grep -q "${value#m_}" <<<"$(token zoho/.meta/ci)"
	equal "$(token zoho/.env/ci)" "CATALYST_TOKEN=$value"
}

@test "the CLI token is there after a restart, without another login" {
	local value
	catalyst
	cli_token ci
	value=$(token zoho/ci)
	mount_stop
	mount_start
	equal "$(token zoho/ci)" "$value"
	kill_all
	mount_start
	equal "$(token zoho/ci)" "$value"
	equal "$(fake_count code)" 1
}

@test "two names are two logins, one after the other" {
	catalyst
	put zoho/one '{}'
	equal "$(errno_of create zoho/two '{}')" EBUSY
	approve
	eventually 5 reads zoho/one
	cli_token two
	equal "$(listed)" "$(printf 'one\ntwo')"
	refuse equal "$(token zoho/one)" "$(token zoho/two)"
	equal "$(fake grants | jq length)" 2
}

@test "denied: the name is gone, .status says so, and another document begins anew" {
	catalyst
	put zoho/ci '{}'
	deny
	eventually 5 state_is zoho denied
	eventually 5 lists ''
	equal "$(errno_of open zoho/ci)" ENOENT
	cli_token ci
	equal "$(listed)" ci
}

@test "expired: the server says so, and another document begins anew" {
	catalyst
	put zoho/ci '{}'
	fake expire -X POST
	eventually 5 state_is zoho expired
	eventually 5 lists ''
	cli_token ci
}

@test "expired: a code of four seconds, with a server that does not answer any more" {
	fake_set '{"code_expires_in": 4000, "poll": "drop"}'
	catalyst
	put zoho/ci '{}'
	eventually 10 state_is zoho expired
}

@test "1.7: rm revokes the CLI token at the server" {
	catalyst
	cli_token ci
	timeout -k 1 20 rm "$MNT/zoho/ci"
	equal "$(listed)" ''
	equal "$(fake grants)" '[]'
	equal "$(fake_count revoke)" 1
}

@test "1.7: a CLI token that is dead already is gone when it is removed" {
	catalyst
	cli_token ci
	fake kill_grants -X POST
	timeout -k 1 20 rm "$MNT/zoho/ci"
	equal "$(listed)" ''
}

@test "1.7: a server that does not look at the body revokes nothing: ENOTSUP, and it stays" {
	fake_set '{"revoke_body": false}'
	catalyst
	cli_token ci
	equal "$(errno_of unlink zoho/ci)" ENOTSUP
	equal "$(token zoho/ci)" "m_$(refresh_token)"
}

@test "1.7: with a server in trouble it stays, and can be removed later" {
	catalyst
	cli_token ci
	fake_set '{"revoke": "busy"}'
	equal "$(errno_of unlink zoho/ci)" EAGAIN
	equal "$(token zoho/ci)" "m_$(refresh_token)"
	fake_set '{"revoke": "ok"}'
	removed() { timeout -k 1 20 rm "$MNT/zoho/ci"; }
	eventually 20 removed
	equal "$(fake grants)" '[]'
}

@test "access_token is made of the CLI token that cli-token names" {
	catalyst 'cli-token = ci'
	equal "$(errno_of open zoho/access_token)" ENOKEY
	cli_token ci
	equal "$(fake_count refresh)" 0
	alive "$(token zoho/access_token)"
	equal "$(token zoho/access_token)" "$(token zoho/access_token)"
	equal "$(fake_count refresh)" 1
	equal "$(token zoho/.headers/access_token)" "Authorization: Bearer $(token zoho/access_token)"
}

@test "access_token of cli-token-file: a CLI token from elsewhere" {
	catalyst "cli-token-file = $(secret cli "m_$(fake refresh_token -X POST)")"
	alive "$(token zoho/access_token)"
}

@test "1.5: a CLI token that the server does not know any more: EKEYREVOKED or EKEYEXPIRED, once" {
	catalyst 'cli-token = ci'
	cli_token ci
	fake kill_grants -X POST
	matches "$(errno_of open zoho/access_token)" '^EKEY(REVOKED|EXPIRED)$'
	matches "$(errno_of open zoho/access_token)" '^EKEY(REVOKED|EXPIRED)$'
	equal "$(fake_count refresh)" 1
}

@test "1.5: throttled: EAGAIN, and the CLI token is kept" {
	catalyst 'cli-token = ci'
	cli_token ci
	fake_set '{"budget": 0}'
	equal "$(errno_of open zoho/access_token)" EAGAIN
	equal "$(token zoho/ci)" "m_$(refresh_token)"
	equal "$(errno_of open zoho/access_token)" EAGAIN
	equal "$(fake_count refresh)" 1
}

@test "1.6: ten access tokens in ten minutes; one more is EAGAIN without a request" {
	catalyst 'cli-token = ci'
	cli_token ci
	for _ in $(seq 10); do
		alive "$(token zoho/access_token)"
		timeout -k 1 20 rm "$MNT/zoho/access_token"
	done
	equal "$(errno_of open zoho/access_token)" EAGAIN
	equal "$(fake_count refresh)" 10
}

@test "1.4: other_dc: the code goes to the data centre of the account, and so does what follows" {
	fake_set '{"user_location": "eu", "moves": true}'
	catalyst 'cli-token = ci'
	cli_token ci
	matches "$(token zoho/.meta/ci)" '"dc": *"eu"'
	alive "$(token zoho/access_token)"
	timeout -k 1 20 rm "$MNT/zoho/ci"
	equal "$(fake grants)" '[]'
}

@test "1.4: a login without a refresh token gives what can be used once" {
	fake_set '{"refresh": false}'
	catalyst
	cli_token ci
	alive "$(token zoho/ci)"
	matches "$(meta zoho/ci .expires_at)" '^20'
}

# The product, the CLI token, may stand in its own file and in its .env; as a refresh token nowhere else.
but_for_the_product() {
	probe everything "$MNT" >"$T/all"
	grep -avE '^(CATALYST_TOKEN=)?m_[0-9a-z.]+$' "$T/all" | refuse grep -aF -- "$(refresh_token)"
	refuse grep -aF -- "$(refresh_token)" "$LOG"
	refuse grep -raF -- "$(refresh_token)" "$STATE"
	refuse grep -laF -- "$(refresh_token)" /proc/[0-9]*/cmdline
	refuse grep -aF -- "$(refresh_token)" <(fake log | jq -r '.[].path')
	refuse grep -aF -- "$(refresh_token)" <("$TOKENFS" status -m "$MNT" --json)
}

@test "C15: device code, client secret and CLI token stand in no other file, no log and no URL" {
	catalyst 'cli-token = ci'
	put zoho/ci '{}'
	fake_set '{"poll": "quote"}'
	eventually 5 state_is zoho failed
	fake_set '{"poll": "ok"}'
	again() { [ "$(errno_of create zoho/ci '{}')" = OK ]; }
	eventually 30 again
	approve
	eventually 5 reads zoho/ci
	token zoho/access_token >/dev/null
	fake_set '{"mode": "quote", "revoke": "quote"}'
	timeout -k 1 20 rm "$MNT/zoho/access_token"
	refuse reads zoho/access_token
	equal "$(errno_of create zoho/more '{"scope": "x"}')" OK
	{
		echo device-secret
		fake log | jq -r '.[].form.code // empty' | sort -u
	} | look_everywhere -
	[ "$(wc -l <"$T/secrets")" -ge 3 ]
	but_for_the_product
}

@test "1.5: another login to the CLI token mends what is made of it at once" {
	catalyst 'cli-token = ci'
	cli_token ci
	fake kill_grants -X POST
	equal "$(errno_of open zoho/access_token)" EKEYEXPIRED
	equal "$(fake_count refresh)" 1
	matches "$(meta zoho/access_token .last_error.message)" 'zoho/ci.*log in again'
	equal "$(errno_of create zoho/ci '{}')" EEXIST
	timeout -k 1 20 rm "$MNT/zoho/ci"
	equal "$(errno_of open zoho/access_token)" ENOKEY
	fake reset -X POST
	cli_token ci
	alive "$(token zoho/access_token)"
	equal "$(fake_count refresh)" 1
}

@test "a document for a name that has a CLI token is EEXIST, and changes nothing" {
	local value
	catalyst
	cli_token ci
	value=$(token zoho/ci)
	equal "$(errno_of create zoho/ci '{}')" EEXIST
	equal "$(errno_of create zoho/ci '{"scope": "ZohoCatalyst.functions.ALL"}')" EEXIST
	matches "$(token .status)$(token zoho/.status)" 'remove it first'
	equal "$(token zoho/ci)" "$value"
	equal "$(meta zoho/ci .scope)" ZohoCatalyst.projects.ALL
	equal "$(fake_count code)" 1
}

@test "1.4: what could be used once and is over: another login for the same name" {
	fake_set '{"refresh": false, "expires_in": 3}'
	catalyst
	cli_token ci
	over() { [ "$(errno_of open zoho/ci)" = ENOKEY ]; }
	eventually 8 over
	fake_set '{"refresh": true}'
	put zoho/ci '{}'
	approve
	eventually 8 reads zoho/ci
	equal "$(token zoho/ci)" "m_$(refresh_token)"
}

@test "1.6: each login says that it may end the oldest one elsewhere" {
	catalyst
	cli_token ci
	grep -q 'at most 20 tokens of one client' "$LOG"
}

@test "1.1: whoever reads a CLI token may revoke it: it is for its owner alone, and no header is made of it" {
	catalyst
	cli_token ci
	equal "$(stat -c %a "$MNT/zoho/ci")" 600
	equal "$(token zoho/.headers/ci)" ''
	equal "$(curl -fsS --max-time 10 -d "token=$(refresh_token)" "$FAKE/oauth/v2/token/revoke" | jq -r .status)" success
}

@test "a token that is made of a CLI token needs no login of its own" {
	catalyst 'cli-token = ci'
	equal "$(errno_of open zoho/.login)" ENOKEY
	put zoho/ci '{}'
	equal "$(token zoho/.status | jq -c .login_needed)" '["ci"]'
	log_in zoho
	eventually 10 shows "$T/out" "$FAKE/device"
	approve
	equal "$(exit_status)" 0
	equal "$(token zoho/.status | jq -c .login_needed)" '[]'
	equal "$(fake_count code)" 1
}
