#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What meets a login that is under way: renewals, documents, revocations, reloads, deaths.
# The server is tests/servers/iam.py, which is polled each second here.

load common
load login

setup() {
	begin
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
		'scope = openid offline_access' 'timeout = 8s' "$@"
}

iam() {
	config <<<"$(account)"
	mount_start
}

person() { # logs in, and the token is there
	login iam .state >/dev/null
	approve
	eventually 8 reads iam/access_token
}

generation() {
	meta iam/access_token .generation
}

renewed() { # SINCE
	reads iam/access_token && [ "$(generation)" -gt "$1" ]
}

@test "an old refresh token's refusal that comes after a login does not end what the login brought" {
	local before
	fake_set '{"expires_in": 5}'
	iam
	person
	fake kill_grants -X POST
	fake_set '{"delay": 5}'
	fake await/refresh/1/10
	fake_set '{"delay": 0}'
	before=$(generation)
	login iam .state
	approve
	ended_as iam 'done'
	[ "$(generation)" -gt "$before" ]
	# the refusal comes meanwhile
	before=$(generation)
	eventually 12 renewed "$before"
	before=$(generation)
	eventually 12 renewed "$before"
	equal "$(fake_count devicecode)" 2
}

# slots: an account whose slots have a login each, and a second slot
slots() {
	config <<<"$(account '[iam/storage]' 'scope = openid offline_access storage.read:/' |
		sed 's/^type = .*/type = indigo-iam/')"
	mount_start
}

last_error() {
	token iam/.status | jq -r .last_error.message
}

@test "a document for a slot whose login is under way is EBUSY, unless it asks for the same" {
	slots
	put iam/storage '{"scope": "openid storage.read:/x"}'
	equal "$(errno_of create iam/storage '{"scope": "openid storage.read:/y"}')" EBUSY
	matches "$(last_error)" '^storage: a login for it is under way'
	equal "$(errno_of create iam/storage '{"refresh_token": "a.b.c"}')" EBUSY
	equal "$(errno_of create iam/storage '{"access_token": "abc", "expires_in": 300}')" EBUSY
	put iam/storage '{"scope": "openid storage.read:/x"}'
	equal "$(fake_count devicecode)" 1
	approve
	eventually 8 reads iam/storage
	equal "$(meta iam/storage .scope)" 'openid storage.read:/x'
}

@test "a document for another name while a login is under way is EBUSY, and .status says why" {
	slots
	login iam .state
	equal "$(errno_of create iam/compute '{"scope": "openid compute.read"}')" EBUSY
	matches "$(last_error)" '^compute: another login is under way'
	equal "$(errno_of open iam/compute)" ENOENT
}

@test "a document whose login cannot begin changes nothing: a reload says what the slot is for" {
	slots
	fake_set '{"device": "drop"}'
	refuse equal "$(errno_of create iam/storage '{"scope": "openid storage.read:/x"}')" OK
	fake_set '{"device": "ok"}'
	sed -i 's,storage.read:/,storage.create:/,' "$CONF"
	reload
	login iam .state >/dev/null
	timeout -k 1 10 rm "$MNT/iam/.login"
	put iam/access_token '{"scope": "openid"}'
	approve
	eventually 8 reads iam/access_token
	equal "$(login iam .name)" storage
	approve
	eventually 8 reads iam/storage
	equal "$(meta iam/storage .scope)" 'openid offline_access storage.create:/'
}

@test "no login begins for a slot that is being revoked" {
	config <<<"$(account | sed 's/^type = .*/type = indigo-iam/')"
	mount_start
	person # and the kernel knows the name .login: an unlink under way locks the directory
	fake_set '{"revoke": "hold"}'
	spawn "$T/rm" timeout -k 1 30 rm "$MNT/iam/access_token"
	fake await/revoke/1/5
	equal "$(errno_of open iam/.login)" EBUSY
	fake_set '{"revoke": "ok"}'
	eventually 5 ended "$SPAWNED"
	matches "$(last_error)" 'revocation'
	person
}

# no_more POLLS: none comes in the time of two
no_more() {
	refuse fake "await/poll/$(($1 + 1))/3"
	equal "$(fake_count poll)" "$1"
}

@test "a reload that changes what is asked for ends the login; one that changes nothing does not" {
	iam
	login iam .state
	reload
	equal "$(state iam)" waiting
	sed -i 's/^scope = .*/scope = openid offline_access storage.read:\//' "$CONF"
	reload
	equal "$(state iam)" cancelled
	matches "$(token iam/.status | jq -r .login.message)" 'configuration'
	approve
	no_more "$(fake_count poll)"
	equal "$(errno_of open iam/access_token)" ENOKEY
	person
	equal "$(meta iam/access_token .scope)" 'openid offline_access storage.read:/'
}

@test "a reload that takes the provider or its device grant away ends the login" {
	iam
	login iam .state
	cp "$CONF" "$T/before"
	sed -i 's/^grant = .*/grant = client_credentials/' "$CONF"
	reload
	no_more "$(fake_count poll)"
	cp "$T/before" "$CONF"
	reload
	equal "$(state iam)" cancelled
	login iam .state
	sed -i '/^\[iam\]/,$d' "$CONF"
	reload
	no_more "$(fake_count poll)"
	cp "$T/before" "$CONF"
	reload
	equal "$(state iam)" cancelled
	person
}

control() { # DOCUMENT
	timeout -k 1 20 tee "$MNT/.control" <<<"$1" >/dev/null
}

@test "the removal of the registered client ends the login, and what the client was refused" {
	config <<<"$(account 'register = yes' |
		sed 's/^type = .*/type = indigo-iam/; s,^\(issuer = .*\)/$,\1,; /^client-/d')"
	mount_start
	login iam .state
	control '{"do": "unregister", "provider": "iam"}'
	equal "$(state iam)" cancelled
	no_more "$(fake_count poll)"
	login iam .state
	fake_set '{"client_suspended": true}'
	ended_as iam failed
	equal "$(errno_of open iam/.login)" EKEYREJECTED
	fake_set '{"client_suspended": false}'
	control '{"do": "unregister", "provider": "iam"}'
	person
	equal "$(fake_count register)" 3
}

@test "tokenfs login: a login for all slots that brings no refresh token is one login" {
	config <<<"$(account '[iam/storage]' 'scope = storage.read:/' |
		sed 's/^scope = openid.*/scope = openid/')"
	mount_start
	log_in iam
	eventually 10 shows "$T/out" "$FAKE/device"
	approve
	equal "$(exit_status)" 0
	reads iam/access_token
	equal "$(token iam/.status | jq -c .login_needed)" '[]'
	equal "$(state iam)" 'done'
	equal "$(fake_count devicecode)" 1
}

@test "tokenfs login: another login in the place of ours is not ours" {
	iam
	log_in iam
	eventually 10 shows "$T/out" "$FAKE/device"
	# shellcheck disable=SC2046
	kill -STOP $(descendants "$SPAWNED")
	sleep 1.1 # the codes end at another second
	timeout -k 1 10 rm "$MNT/iam/.login"
	login iam .state
	# shellcheck disable=SC2046
	kill -CONT $(descendants "$SPAWNED")
	equal "$(exit_status)" 1
	equal "$(state iam)" waiting
}

@test "who waits for the id_token has it when a login is over" {
	fake_set '{"expires_in": 6, "id_expires_in": 2}'
	iam
	person
	reads iam/id_token
	fake_set '{"delay": 7}'
	fake await/refresh/1/10
	fake_set '{"delay": 0, "id_expires_in": 600}'
	spawn "$T/id" timeout 20 cat "$MNT/iam/id_token"
	login iam .state
	approve
	ended_as iam 'done'
	eventually 2 ended "$SPAWNED"
	equal "$(jq -rR 'split(".")[1] | gsub("-"; "+") | gsub("_"; "/") | @base64d | fromjson.aud' "$T/id")" client
}

@test "a full disk at the end of a login: it failed, and another one works" {
	need_root
	slots
	mount_stop
	rm -rf "$STATE"
	mkdir "$STATE"
	mount -t tmpfs -o size=1m,mode=0700 none "$STATE" || skip 'tmpfs cannot be mounted'
	mount_start
	login iam .state
	dd if=/dev/zero of="$STATE/filler" bs=4k status=none 2>/dev/null || true
	approve
	ended_as iam failed
	matches "$(last_error)" 'could not be stored'
	rm "$STATE/filler"
	person
	mount_stop
}

@test "the worker dies while the server is away: the same code, and the token comes" {
	local code
	iam
	code=$(login iam .user_code)
	fake_stop
	kill_worker
	eventually 5 state_is iam waiting
	equal "$(login iam .user_code)" "$code"
	kill_worker
	eventually 5 state_is iam waiting
	stand_in iam "$FAKE_PORT" --state "$T/iam.state"
	approve
	eventually 30 reads iam/access_token
	equal "$(fake_count devicecode)" 0
	fake_stop
	login iam .state || true
	equal "$(state iam)" failed
}

@test "the worker dies while the server is away: the login can be cancelled, and ends with its code" {
	fake_set '{"code_expires_in": 6}'
	iam
	login iam .state
	fake_stop
	kill_worker
	eventually 5 state_is iam waiting
	timeout -k 1 10 rm "$MNT/iam/.login"
	equal "$(state iam)" cancelled
	stand_in iam "$FAKE_PORT" --state "$T/iam.state"
	fake_set '{"code_expires_in": 6, "interval": 1, "denial": true}'
	eventually 20 reads iam/.login
	fake_stop
	kill_worker
	eventually 30 state_is iam expired
}

@test "the code is in .login alone: a file that everybody may read does not have it" {
	local code
	iam
	code=$(login iam .user_code)
	refuse grep -qF "$code" <<<"$(token .status; token iam/.status; token iam/.meta/access_token; token .metrics)"
	matches "$(token iam/.status | jq -r .login.message)" 'iam/\.login'
	refuse grep -qF "$code" "$LOG"
}

@test "a mount with another scope than that of the login that was begun does not go on with it" {
	local code
	iam
	code=$(login iam .user_code)
	mount_stop
	mount_start
	equal "$(login iam .user_code)" "$code"
	mount_stop
	sed -i 's/^scope = .*/scope = openid offline_access storage.read:\//' "$CONF"
	mount_start
	equal "$(state iam)" null
	refuse equal "$(login iam .user_code)" "$code"
	approve
	eventually 8 reads iam/access_token
	equal "$(meta iam/access_token .scope)" 'openid offline_access storage.read:/'
	mount_stop
	mount_start
	reads iam/access_token
	equal "$(fake_count devicecode)" 2
}

@test "readers and a writer who wait for the code have it over deaths of the worker" {
	local i
	slots
	fake_set '{"device": "hold"}'
	# shellcheck disable=SC2016
	spawn "$T/written" bash -c 'echo "{\"scope\": \"openid compute.read\"}" >"$1" && echo yes' - "$MNT/iam/compute"
	fake await/devicecode/1/5
	for i in 1 2; do spawn "$T/page$i" timeout 20 cat "$MNT/iam/.login"; done
	kill_worker
	kill_worker
	fake_set '{"device": "ok"}'
	eventually 15 shows "$T/written" yes
	for i in 1 2; do eventually 10 shows "$T/page$i" '}'; done
	equal "$(jq -r .name "$T"/page? | sort -u)" "$(login iam .name)"
	equal "$(jq -r .user_code "$T"/page? | sort -u)" "$(login iam .user_code)"
	equal "$(errno_of open iam/compute)" ENOKEY
}
