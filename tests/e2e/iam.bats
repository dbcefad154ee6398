#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# INDIGO IAM: logins, renewals, registration. Numbers are sections of the wire notes
# (catalyst-iam-oauth.md); the server is tests/servers/iam.py.

# shellcheck disable=SC2034 # LIMIT is read by common.bash

load common
load login

setup() {
	begin
	stand_in iam 0 --state "$T/iam.state"
	fake_set '{"interval": 1}'
}

teardown() {
	finish
}

# account [LINE…]: a section at the stand-in, whose issuer is said without its slash (2.2)
account() {
	printf '%s\n' '[iam]' 'type = indigo-iam' "issuer = $FAKE" 'prefetch = no' "$@"
}

known_client() {
	printf '%s\n' 'client-id = client' "client-secret-file = $(secret client client-secret)"
}

iam() { # [LINE…]
	config <<<"$(account "$(known_client)" "$@")"
	mount_start
}

person() { # [SLOT]: logs in, and the token is there
	login iam .state >/dev/null
	approve
	eventually 8 reads "iam/${1:-access_token}"
}

active() { # TOKEN: what introspection says
	curl -fsS --max-time 10 -u client:client-secret --data-urlencode "token=$1" "$FAKE/introspect" |
		jq .active
}

claim() { # TOKEN FILTER: of the JWT
	jq -rR 'split(".")[1] | gsub("-"; "+") | gsub("_"; "/") | @base64d' <<<"$1" | jq -r "$2"
}

sent() { # GRANT_OR_KIND FILTER: of the last such request
	fake log | jq -c "[.[] | select(.grant == \"$1\" or .kind == \"$1\")][-1] | $2"
}

opens_as() { # ERRNO [SLOT]
	[ "$(errno_of open "iam/${2:-access_token}")" = "$1" ]
}

@test "a login at a server that names no interval: a poll each five seconds" {
	fake_set '{"interval": null}'
	iam 'scope = openid offline_access'
	login iam .state
	fake await/poll/2/15
	equal "$(fake log | jq '[.[] | select(.kind == "devicecode" or .grant == "poll").at]
		| (.[1] - .[0] >= 5) and (.[2] - .[1] >= 5) and (.[2] - .[1] < 8)')" true
	approve
	eventually 8 reads iam/access_token
	equal "$(active "$(token iam/access_token)")" true
	equal "$(token iam/.env/access_token)" "BEARER_TOKEN=$(token iam/access_token)"
}

@test "2.2: one slash of the issuer is forgiven, another issuer is EPROTO" {
	iam 'scope = openid offline_access'
	person
	mount_stop
	rm -rf "$STATE"
	fake_set '{"discovery": "no_slash"}'
	config <<<"$(account "$(known_client)" | sed 's,^issuer = .*,&/,')"
	mount_start
	person
	mount_stop
	rm -rf "$STATE"
	fake_set '{"discovery": "wrong_issuer"}'
	mount_start
	equal "$(errno_of open iam/.login)" EPROTO
}

@test "2.6: Deny is not told by the server: the login ends as expired" {
	fake_set '{"code_expires_in": 4}'
	iam 'scope = openid offline_access'
	login iam .state
	deny
	fake await/poll/2/6
	eventually 10 state_is iam expired
	fake_set '{"code_expires_in": 600}'
	person
}

@test "2.6: a code that the server has cleaned up ends the login" {
	fake_set '{"code_expires_in": 600}'
	iam 'scope = openid offline_access'
	login iam .state
	fake expire -X POST
	fake_set '{"cleanup": true}'
	refuse_waiting() { ! state_is iam waiting; }
	eventually 10 refuse_waiting
	matches "$(state iam)" '^(expired|failed|denied)$'
	fake_set '{"cleanup": false}'
	person
}

@test "one login, then 50 renewals by one-time refresh tokens, over the death of worker and of everything" {
	local i value last
	LIMIT=200
	fake_set '{"reuse_refresh_token": false, "expires_in": 2}'
	iam 'scope = openid offline_access'
	login iam .state
	approve
	another() {
		value=$(token iam/access_token) && [ "$value" != "$last" ]
	}
	for i in $(seq 51); do
		eventually 15 another
		last=$value
		if [ $((i % 17)) = 0 ]; then
			kill_all
			mount_start
		elif [ $((i % 5)) = 0 ]; then
			kill -9 "$(worker)"
		fi
	done
	eventually 15 another
	equal "$(active "$value")" true
	equal "$(fake_count devicecode)" 1
	equal "$(fake grants | jq length)" 1
	[ "$(fake_count refresh)" -ge 50 ]
	equal "$(fake log | jq '[.[] | select(.grant == "refresh").form.refresh_token] | length == (unique | length)')" true
}

@test "2.4: AUP: a signature that is missing is EACCES, and keeps the grant" {
	local before
	fake_set '{"expires_in": 3}'
	iam 'scope = openid offline_access'
	person
	before=$(fake grants)
	fake_set '{"aup": true}'
	eventually 10 opens_as EACCES
	matches "$(meta iam/access_token .last_error.message)" 'AUP|policy'
	equal "$(errno_of open iam/access_token)" EACCES
	fake_set '{"aup": false}'
	reload
	eventually 5 reads iam/access_token
	equal "$(fake grants)" "$before"
	equal "$(fake_count devicecode)" 1
}

@test "2.4: a refresh token that is over (401 invalid_token) is EKEYEXPIRED; another login mends it" {
	fake_set '{"expires_in": 3}'
	iam 'scope = openid offline_access'
	person
	fake kill_grants -X POST
	eventually 10 opens_as EKEYEXPIRED
	fake reset -X POST
	equal "$(errno_of open iam/access_token)" EKEYEXPIRED
	equal "$(fake_count)" 0
	person
	equal "$(active "$(token iam/access_token)")" true
}

@test "2.4: a suspended user, a suspended client: EKEYREJECTED, and the grant is kept" {
	local who
	fake_set '{"expires_in": 3}'
	iam 'scope = openid offline_access'
	person
	for who in user client; do
		fake_set "{\"${who}_suspended\": true}"
		eventually 10 opens_as EKEYREJECTED
		fake_set "{\"${who}_suspended\": false}"
		reload
		eventually 5 reads iam/access_token
	done
	equal "$(fake_count devicecode)" 1
}

@test "2.7: a renewal ends the access tokens of its refresh token only: slots have one each" {
	local other
	fake_set '{"expires_in": 3600}'
	config <<<"$(account "$(known_client)" 'scope = openid offline_access' '[iam/storage]' \
		'scope = openid offline_access storage.read:/')"
	mount_start
	person
	person storage
	equal "$(fake grants | jq length)" 2
	other=$(token iam/storage)
	timeout -k 1 20 rm "$MNT/iam/access_token"
	equal "$(active "$other")" true
	equal "$(token iam/storage)" "$other"
	person
	equal "$(active "$other")" true
}

@test "2.7: rm revokes the refresh token, and so the access tokens with it" {
	local value
	iam 'scope = openid offline_access'
	person
	value=$(token iam/access_token)
	equal "$(active "$value")" true
	timeout -k 1 20 rm "$MNT/iam/access_token"
	equal "$(active "$value")" false
	equal "$(fake grants)" '[]'
	equal "$(errno_of open iam/access_token)" ENOKEY
}

@test "2.8: several audiences are one parameter, at the login and at each renewal" {
	local a=https://a.example/x b=https://b.example
	fake_set '{"expires_in": 3}'
	iam 'scope = openid offline_access' "audience = $a $b"
	person
	equal "$(sent poll .form.audience)" "\"$a $b\""
	equal "$(claim "$(token iam/access_token)" '.aud | join(" ")')" "$a $b"
	fake await/refresh/1/10
	equal "$(sent refresh .form.audience)" "\"$a $b\""
	renewed() { [ "$(meta iam/access_token .generation)" -gt 1 ]; }
	eventually 5 renewed
	equal "$(claim "$(token iam/access_token)" '.aud | join(" ")')" "$a $b"
}

@test "2.10: WLCG: what the server left out of the scope is not in .meta" {
	fake_set '{"refused_scopes": ["storage.modify:/"]}'
	iam 'scope = openid offline_access wlcg storage.read:/ storage.modify:/'
	person
	equal "$(meta iam/access_token .scope)" 'openid offline_access wlcg storage.read:/'
	equal "$(claim "$(token iam/access_token)" '.["wlcg.ver"]')" 1.0
	equal "$(claim "$(token iam/access_token)" .aud)" https://wlcg.cern.ch/jwt/v1/any
}

@test "2.9: register = yes: one client, which is known before it is used, and after every death" {
	local client
	fake_set '{"device": "hold"}'
	config <<<"$(account 'register = yes' 'scope = openid offline_access storage.read:/')"
	mount_start
	spawn "$T/page" timeout 20 cat "$MNT/iam/.login"
	fake await/devicecode/1/10
	client=$(fake clients | jq -r '.[-1].client_id')
	equal "$(sent devicecode .form.client_id)" "\"$client\""
	kill_all
	fake_set '{"device": "ok"}'
	mount_start
	person
	equal "$(sent devicecode .form.client_id)" "\"$client\""
	mount_stop
	mount_start
	timeout -k 1 20 rm "$MNT/iam/access_token"
	person
	equal "$(sent devicecode .form.client_id)" "\"$client\""
	equal "$(fake_count register)" 1
}

unregister() { # PROVIDER
	run timeout -k 1 30 "$TOKENFS" unregister -m "$MNT" "$1"
}

@test "2.9: tokenfs unregister: the client is gone at the server, and every token here" {
	local before client
	before=$(fake clients | jq length)
	config <<<"$(account 'register = yes' 'scope = openid offline_access')"
	mount_start
	person
	client=$(fake clients | jq -r '.[-1].client_id')
	put iam/compute '{"scope": "openid offline_access"}'
	person compute
	unregister iam
	equal "$status$output" 0
	equal "$(fake_count unregister)" 1
	equal "$(fake clients | jq length)" "$before"
	equal "$(errno_of open iam/access_token)" ENOKEY
	equal "$(errno_of open iam/compute)" ENOKEY
	equal "$(token iam/.status | jq -c .login_needed)" '["access_token","compute"]'

	unregister iam
	equal "$status" 1
	matches "$output" '^tokenfs: not unregistered: iam has registered no client at its server$'
	equal "$(fake_count unregister)" 1

	person
	refuse [ "$(fake clients | jq -r '.[-1].client_id')" = "$client" ]
	equal "$(fake_count register)" 2
}

@test "tokenfs unregister: what the server says no to keeps everything; wrong usage is 2" {
	local value
	config <<<"$(account 'register = yes' 'scope = openid offline_access')"
	mount_start
	person
	value=$(token iam/access_token)
	fake_set '{"registration": "busy"}'
	unregister iam
	equal "$status" 1
	matches "$output" '^tokenfs: not unregistered: .*503'
	equal "$(token iam/access_token)" "$value"
	fake_set '{"registration": "ok"}'

	unregister nobody
	equal "$status" 1
	matches "$output" 'no provider "nobody"'
	run timeout -k 1 10 "$TOKENFS" unregister
	equal "$status" 2
	matches "$output" '^usage: tokenfs unregister .*PROVIDER$'
}

@test "2.9: register = yes: scopes that the server left out are not asked for" {
	fake_set '{"restricted_scopes": ["storage.modify:/"]}'
	config <<<"$(account 'register = yes' \
		'scope = openid offline_access storage.read:/ storage.modify:/')"
	mount_start
	person
	equal "$(sent devicecode .form.scope)" '"openid offline_access storage.read:/"'
	equal "$(meta iam/access_token .scope)" 'openid offline_access storage.read:/'
}

@test "2.9: register = yes: where it is not allowed EACCES, where it is switched off EINVAL; once" {
	fake_set '{"registration": "users"}'
	config <<<"$(account 'register = yes' 'scope = openid offline_access')"
	mount_start
	equal "$(errno_of open iam/.login)" EACCES
	equal "$(state iam)" failed
	mount_stop
	rm -rf "$STATE"
	fake_set '{"registration": "off"}'
	mount_start
	equal "$(errno_of open iam/.login)" EINVAL
	equal "$(fake_count register)" 2
}

@test "2.4: what the server quotes is nowhere: device code, refresh token, registration" {
	local word
	fake_set '{"expires_in": 3}'
	config <<<"$(account 'register = yes' 'scope = openid offline_access')"
	mount_start
	login iam .state
	fake await/poll/1/5
	approve
	eventually 8 reads iam/access_token
	fake kill_grants -X POST
	eventually 10 opens_as EKEYEXPIRED
	login iam .state
	fake expire -X POST
	eventually 10 state_is iam expired
	for word in $(fake log | jq -r '.[].form | .device_code, .refresh_token | select(.)' | sort -u) \
		$(fake clients | jq -r '.[-1] | .client_secret, .registration'); do
		refuse grep -rqF -- "$word" "$LOG" "$STATE"
		refuse grep -qF -- "$word" <<<"$(token .status; token iam/.status; token iam/.meta/access_token)"
	done
	[ "$(fake log | jq '[.[].form | .device_code, .refresh_token | select(.)] | unique | length')" -ge 3 ]
}

@test "grant = client_credentials, and grant = password with its renewals" {
	config <<<"$(account "$(known_client)" 'grant = client_credentials' 'scope = compute.read')"
	mount_start
	equal "$(active "$(token iam/access_token)")" true
	equal "$(fake grants)" '[]'
	mount_stop
	fake_set '{"expires_in": 3}'
	config <<<"$(account "$(known_client)" 'grant = password' 'user = alice' \
		"password-file = $(secret password alice-password)" 'scope = openid offline_access')"
	mount_start
	equal "$(active "$(token iam/access_token)")" true
	fake await/refresh/2/15
	equal "$(fake_count password)" 1
}

@test "a wrong password is EKEYREJECTED, once" {
	config <<<"$(account "$(known_client)" 'grant = password' 'user = alice' \
		"password-file = $(secret password wrong)" 'scope = openid offline_access')"
	mount_start
	equal "$(errno_of open iam/access_token)" EKEYREJECTED
	equal "$(errno_of open iam/access_token)" EKEYREJECTED
	equal "$(fake_count password)" 1
}

@test "a document for a new name begins a login of its own" {
	iam 'scope = openid offline_access'
	person
	put iam/compute '{"scope": "openid offline_access compute.read"}'
	equal "$(login iam .name)" compute
	approve
	eventually 8 reads iam/compute
	equal "$(meta iam/compute .scope)" 'openid offline_access compute.read'
	equal "$(fake grants | jq length)" 2
	timeout -k 1 20 rm "$MNT/iam/compute"
	equal "$(fake grants | jq length)" 1
	equal "$(active "$(token iam/access_token)")" true
}
