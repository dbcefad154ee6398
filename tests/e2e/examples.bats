#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# contrib/examples: what the vendors' own pages do in scripts, with tokens from files.

load common

EXAMPLES=$E2E/../../contrib/examples

setup() {
	begin
}

teardown() {
	finish
}

example() { # NAME ARGUMENT…: with the mount, into T/out and T/err
	local name=$1
	shift
	MOUNT=$MNT timeout -k 1 30 "$EXAMPLES/$name" "$@" >"$T/out" 2>"$T/err"
}

# --- iectl-pipeline.sh

# An iectl that knows `iem device list`: it uses IEM_TOKEN as the real one does, and never logs in.
iectl() {
	cat >"$T/iectl" <<-'END'
		#!/bin/sh
		[ "$*" = 'iem device list' ] || { echo "unknown: $*" >&2; exit 7; }
		exec curl -fsS --max-time 10 -H "Authorization: ${IEM_TOKEN:?}" "$IEM/portal/api/v1/devices"
	END
	chmod 755 "$T/iectl"
	export IECTL=$T/iectl IEM=$FAKE
}

iem() { # PASSWORD
	stand_in siemens
	iectl
	config <<-END
		[iem]
		type = siemens-iem
		url = $FAKE
		user = alice@example.com
		password-file = $(secret password "$1")
	END
	mount_start
}

@test "examples: iectl-pipeline.sh runs its commands with one token and one login" {
	iem right
	example iectl-pipeline.sh
	grep -q edge-1 "$T/out"
	example iectl-pipeline.sh 'iem device list' 'iem device list'
	equal "$(grep -o edge-1 "$T/out" | wc -l)" 2
	equal "$(fake_count iem)" 1
	equal "$(fake_count iem_api)" 3
}

@test "examples: iectl-pipeline.sh ends with the first command that fails" {
	local status=0
	iem right
	example iectl-pipeline.sh 'iem frobnicate' 'iem device list' || status=$?
	equal "$status" 7
	equal "$(fake_count iem_api)" 0
}

@test "examples: iectl-pipeline.sh without a token fails and runs nothing" {
	iem wrong
	refuse example iectl-pipeline.sh
	grep -q 'iem/.env/access_token' "$T/err"
	equal "$(fake_count iem_api)" 0
	equal "$(fake_count iem)" 1
}

# --- controlm.sh

ctm() {
	stand_in controlm
	export URL=$FAKE/automation-api
	config <<-END
		[ctm]
		type = controlm
		url = $URL
		api-key-file = $(secret key "$(fake make -d '{"tokenName": "boot", "roles": ["Admin"]}')")
	END
	printf '{"roles": ["Admin"], "expirationDate": "2099-06-30"}' >"$T/create.json"
	printf '{"roles": ["Admin"], "expirationDate": "2099-12-31"}' >"$T/update.json"
	mount_start
}

nothing_is_left() {
	equal "$(fake tokens | jq -r '.[].tokenName')" boot
	refuse test -e "$MNT/ctm/ci"
}

@test "examples: controlm.sh makes, changes, lists, uses and deletes a token" {
	ctm
	example controlm.sh "$T/create.json" "$T/update.json"
	equal "$(fake log | jq -r '.[].kind' | grep -xE 'create|update|api|delete')" \
		"create"$'\n'"update"$'\n'"api"$'\n'"delete"
	fake log | jq -e 'any(.[]; .kind == "create" and (.body | test("2099-06-30")))'
	fake log | jq -e 'any(.[]; .kind == "update" and (.body | test("2099-12-31")))'
	grep -qx ci "$T/out"
	grep -q IN01 "$T/out"
	nothing_is_left
}

@test "examples: controlm.sh leaves nothing behind when a step fails" {
	ctm
	fake_set '{"mode": "deny_html", "of": "api"}'
	refuse example controlm.sh "$T/create.json" "$T/update.json"
	fake_set '{"mode": "ok"}'
	nothing_is_left
	printf '{"roles": ["Boss"]}' >"$T/update.json"
	refuse example controlm.sh "$T/create.json" "$T/update.json"
	nothing_is_left
}

@test "examples: controlm.sh touches no token that is there already" {
	ctm
	put ctm/ci '{"roles": ["Admin"]}'
	token ctm/ci >"$T/value"
	refuse example controlm.sh "$T/create.json" "$T/update.json"
	token ctm/ci | cmp - "$T/value"
	equal "$(fake_count delete)" 0
	equal "$(fake_count update)" 0
}

# --- cisco.sh

@test "examples: cisco.sh calls with both headers, and over TLS" {
	certificate
	stand_in cisco 0 --tls "$CERTIFICATE" "$KEY"
	config <<-END
		[cisco]
		type = cisco-iotod
		url = $FAKE
		user = alice@example.com
		password-file = $(secret password right)
		ca-file = $CERTIFICATE
	END
	mount_start
	export URL=$FAKE CURL_CA=$CERTIFICATE
	example cisco.sh
	grep -q tenant_id "$T/out"
	example cisco.sh /nbapi/edm/v1/devices
	grep -q devices "$T/out"
	equal "$(fake_count token)" 1
	fake_stop
	refuse example cisco.sh
}
