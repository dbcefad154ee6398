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

iam() { # [LINE…]
	config <<<"$(account "$@")"
	mount_start
}

person() { # [SLOT]: logs in, and the token is there
	login iam .state >/dev/null
	approve
	eventually 8 reads "iam/${1:-access_token}"
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
