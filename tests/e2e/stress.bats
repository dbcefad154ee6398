#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Many readers, mmap readers, stat loops and a writer on one token that rotates all the time.

# shellcheck disable=SC2034 # LIMIT is read by common.bash

load common

STRESS=${STRESS:-$(dirname "$TOKENFS")/stress}
LENGTH=8
[ -z "${TOKENFS_LONG:-}" ] || LENGTH=60

setup() {
	begin
	fake_start
	LIMIT=120
	fake_set '{"token": "checked", "expires_in": 1}'
	config <<<"$(provider iem client_credentials)"
	mount_start
	token iem/access_token
}

teardown() {
	finish
}

stress() { # [ARGUMENT…]
	timeout -k 1 100 "$STRESS" "$MNT/iem/access_token" "$LENGTH" "$@"
}

@test "contract 1: tokens of 1 s from the server, read whole and unmixed beside a writer" {
	stress
	# One renewal at a time: about one request for each token's life.
	[ "$(fake_count)" -le $((LENGTH * 3)) ]
}

@test "contract 1: a new token every 200 ms by import, read whole and unmixed" {
	stress 200
}
