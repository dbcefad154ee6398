#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What is wrong with a configuration is said with file and line, and nothing is mounted.

load common

setup() {
	begin
	GOOD=$'type = oauth2\ntoken-url = https://iam.example.org/token\nclient-id = me'
	GOOD+=$'\n'"client-secret-file = $(secret client client-secret)"$'\ngrant = client_credentials'
}

teardown() {
	finish
}

# mistake LINE REGEX <<…: check and mount refuse it with one sentence, at that line.
mistake() {
	local line=$1 sentence=$2
	cat >"$CONF"

	run --separate-stderr timeout -k 1 10 "$TOKENFS" check -c "$CONF"
	equal "$status" 1
	matches "$stderr" "^$CONF:$line: .*($sentence)"
	equal "$(grep -c "^$CONF:" <<<"$stderr")" 1
	equal "$output" ''

	run timeout -k 1 10 "$TOKENFS" mount -f -c "$CONF" "$MNT"
	[ "$status" -ne 0 ] && [ "$status" -lt 124 ]
	matches "$output" "$CONF:$line: "
	not_mounted
}

@test "a good configuration passes, in one line" {
	config <<<$'[iem]\n'"$GOOD"$'\n[iem/storage]\nscope = storage.read:/'
	run --separate-stderr timeout -k 1 10 "$TOKENFS" check -c "$CONF"
	equal "$status" 0
	equal "${#lines[@]}" 1
	equal "$stderr" ''
}

@test "an unknown key: the nearest known one is offered" {
	mistake 7 'client-id' <<<$'[iem]\n'"$GOOD"$'\nclientid = you'
}

@test "a secret in the configuration itself: the ways to give it are told, the secret is not" {
	mistake 7 'password-file' <<<$'[iem]\n'"$GOOD"$'\npassword = hunter2'
	refuse grep -q hunter2 <<<"$stderr$output"
}

@test "http is refused off loopback" {
	mistake 3 'https' <<<$'[iem]\ntype = oauth2\ntoken-url = http://iam.example.org/token\nclient-id = me\nclient-auth = none\ngrant = client_credentials'
}

@test "an unknown type: the known ones are listed" {
	mistake 2 'oauth2.*static|static.*oauth2' <<<$'[iem]\ntype = oauth3'
}

@test "a section without a type" {
	mistake 1 'type' <<<$'[iem]\nowner = root'
}

@test "a required key that is missing is told at its section" {
	mistake 1 'token' <<<$'[here]\ntype = static'
}

@test "a name that cannot be a file" {
	mistake 1 '.' <<<$'[.hidden]\ntype = local'
}

@test "a slot of a provider that is not there" {
	mistake 3 'nobody' <<<$'[here]\ntype = local\n[nobody/one]\nsubject = x'
}

@test "a mode that opens a token to be written by others" {
	mistake 3 'mode' <<<$'[here]\ntype = local\nmode = 0666'
}

@test "an owner that does not exist" {
	mistake 3 'no-such-user' <<<$'[here]\ntype = local\nowner = no-such-user'
}

@test "a secret file that is not there" {
	mistake 3 'none\.secret' <<<$'[here]\ntype = static\n'"token-file = $T/none.secret"
}

@test "a key that stands twice" {
	mistake 4 'lifetime' <<<$'[here]\ntype = local\nlifetime = 1m\nlifetime = 2m'
}

@test "a line that is none" {
	mistake 3 '.' <<<$'[here]\ntype = local\nthis is no line'
}

@test "every mistake is told, not only the first" {
	printf '%s\n' '[here]' 'type = local' 'colour = blue' 'mode = 9' >"$CONF"
	run --separate-stderr timeout -k 1 10 "$TOKENFS" check -c "$CONF"
	equal "$status" 1
	matches "$stderr" "$CONF:3: "
	matches "$stderr" "$CONF:4: "
}

@test "files of FILE.d come after it, and their mistakes bear their own name" {
	config <<<$'[here]\ntype = local'
	mkdir "$CONF.d"
	printf '[there]\ntype = local\n' >"$CONF.d/10-there.conf"
	mount_start
	token there/access_token
	mount_stop
	printf 'colour = blue\n' >>"$CONF.d/10-there.conf"
	run timeout -k 1 10 "$TOKENFS" check -c "$CONF"
	equal "$status" 1
	matches "$output" "$CONF.d/10-there.conf:3: "
}

@test "a secret file that others can read is warned about" {
	config <<<$'[iem]\n'"$GOOD"
	chmod 644 "$T/client.secret"
	run --separate-stderr timeout -k 1 10 "$TOKENFS" check -c "$CONF"
	equal "$status" 0
	matches "$stderr" 'warning'
	matches "$stderr" 'client.secret'
}

@test "a configuration that is not there" {
	run timeout -k 1 10 "$TOKENFS" check -c "$T/none.conf"
	[ "$status" -ne 0 ]
	matches "$output" 'none.conf'
}
