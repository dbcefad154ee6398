# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# vendor.bash: what holds for every vendor with a login, whatever its requests look like. A test file
# says what its accounts are, and a test hands them all to one of the stories below:
#
#	ACCOUNTS='iem ied'
#	account() { … }		# ACCOUNT SECTION [LINE…]: a section for an account at the stand-in
#	kind() { … }		# ACCOUNT: the kind of its logins, see the stand-in
#	api() { … }		# ACCOUNT: a path that takes its tokens
#	variable() { … }	# ACCOUNT: the variable in its .env
#	right() { … }		# ACCOUNT: the file of its secret, and what is right in it, in two words
#
#	@test "…" { accounts; for_each fetches; }

load common

accounts() { # [LINE…]: mounts all of them
	local account
	config < <(for account in $ACCOUNTS; do account "$account" "$account" "$@"; done)
	mount_start
}

for_each() { # STORY: for each account
	local account
	for account in $ACCOUNTS; do
		echo "-- $account"
		"$1" "$account"
	done
}

logins() { # ACCOUNT: how many requests of its kind there were
	fake_count "$(kind "$1")"
}

calls_api() { # ACCOUNT: with the header lines of the mount, as a user would
	curl -fsS --max-time 20 -H "@$MNT/$1/.headers/access_token" -o /dev/null "$FAKE$(api "$1")"
}

# --- stories

reads_it() {
	token "$1/access_token" >/dev/null
}

fetches() {
	token "$1/access_token" >"$T/value"
	fake tokens | jq -e --rawfile value "$T/value" 'any(.[]; .access_token == $value and .active)'
	token "$1/access_token" | cmp - "$T/value"
	equal "$(logins "$1")" 1
	equal "$(meta "$1/access_token" .state)" hot
}

lives_for() { # ACCOUNT: what the server says, give or take the second that it may be rounded by
	token "$1/access_token" >/dev/null
	meta "$1/access_token" '(.expires_at | fromdate) - now | . > 595 and . < 601.5' | grep -qx true
}

is_used_by_curl() {
	calls_api "$1"
	fake log | jq -e --arg path "$(api "$1")" 'any(.[]; .path == $path)'
}

is_sourced() {
	# shellcheck disable=SC2016
	timeout -k 1 20 sh -c 'set -a; . "$1"; exec env' sh "$MNT/$1/.env/access_token" >"$T/env"
	equal "$(grep "^$(variable "$1")=" "$T/env")" "$(variable "$1")=$(token "$1/access_token")"
}

is_refused_once() {
	equal "$(probe repeat 50 open "$MNT/$1/access_token")" '50 EKEYREJECTED'
	equal "$(logins "$1")" 1
}

comes_back_corrected() {
	local file value
	read -r file value < <(right "$1")
	secret "$file" "$value" >/dev/null
	token "$1/access_token"
	equal "$(logins "$1")" 2
}

# Each on its own: the readers of all accounts at the same time.
read_together() { # TOOL ARGUMENT…: probe TOOL PATH ARGUMENT… for each account, into T/ACCOUNT.out
	local account tool=$1
	shift
	for account in $ACCOUNTS; do
		spawn "$T/$account.out" timeout 45 python3 "$PROBE" "$tool" "$MNT/$account/access_token" "$@"
	done
}

never_met_the_edge() { # after read_together remaining; a life of 4 s, of which one may be rounded off
	local least tokens
	eventually 40 test -s "$T/$1.out"
	read -r least tokens <"$T/$1.out"
	[ "$least" -ge 150 ] || equal "$least ms to go" 'a tenth of the life, if the machine is idle'
	[ "$tokens" -ge 2 ]
}

was_served_to_its_end() { # after read_together until-failure
	local errno values
	eventually 40 test -s "$T/$1.out"
	read -r errno values <"$T/$1.out"
	matches "$errno" '^(ECONNREFUSED|EAGAIN)$'
	equal "$values" 1
}

comes_back() {
	eventually 40 reads "$1/access_token"
}

# --- what the server says instead of a token

# mounts a section ACCOUNT-MODE for each of both
accounts_times() { # MODE…
	local account mode
	config < <(for account in $ACCOUNTS; do
		for mode; do account "$account" "$account-$mode" 'timeout = 3s'; done
	done)
	mount_start
}

each_answers() { # MODE ERRNO: reading ends with that errno for each account, and asks once
	local account paths=() expected=()
	fake_set "{\"mode\": \"$1\"}"
	fake reset -X POST
	for account in $ACCOUNTS; do
		paths+=("$MNT/$account-$1/access_token")
		expected+=("$2")
	done
	equal "$1: $(probe opens "${paths[@]}")" "$1: ${expected[*]}"
	equal "$(fake_count all)" ${#paths[@]}
	equal "$(cat "$MNT"/*-"$1"/.meta/access_token | jq 'select(.state == "hot")')" ''
}

# --- secrets

# secrets_sent: what the accounts sent or got that no reader may see
secrets_sent() {
	local account
	for account in $ACCOUNTS; do right "$account" | cut -d ' ' -f 2; done
	echo REFRESH-
}

quotes_no_secret() { # a server that says what it was sent, and one that answers
	local account
	for account in $ACCOUNTS; do
		token "$account/access_token"
		fake_set '{"mode": "quote"}'
		timeout -k 1 20 rm "$MNT/$account/access_token"
		refuse reads "$account/access_token"
		fake_set '{"mode": "ok"}'
	done
	secrets_sent | look_everywhere -
}

# --- certificates

with_certificates() { # the sections good-ACCOUNT and bad-ACCOUNT
	local account
	config < <(for account in $ACCOUNTS; do
		account "$account" "good-$account" "ca-file = $CERTIFICATE"
		account "$account" "bad-$account"
	done)
	mount_start
}

is_trusted_by_its_authority() {
	equal "$(errno_of open "bad-$1/access_token")" EPROTO
	matches "$(token "bad-$1/.status")" ca-file
	equal "$(logins "$1")" 0
	token "good-$1/access_token"
	equal "$(logins "$1")" 1
}
