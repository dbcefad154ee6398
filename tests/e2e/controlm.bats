#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Control-M: API tokens that are made, listed, changed and deleted by name, and sessions.

load vendor

PASSWORD=PASS-right-51c0

setup() {
	begin
	stand_in controlm
	fake_set "{\"password\": \"$PASSWORD\"}"
}

teardown() {
	finish
}

# --- accounts

# by_key SECTION [LINE…]: an account that has an API token, of the name boot, made on the web page
by_key() {
	local section=$1
	shift
	[ -s "$T/key.secret" ] ||
		secret key "$(elsewhere boot '["Admin", "Operator", "Reader"]')" >/dev/null
	printf '%s\n' "[$section]" 'type = controlm' "url = $FAKE/automation-api" \
		"api-key-file = $T/key.secret" 'prefetch = no' "list-every = ${LIST_EVERY:-1s}" "$@"
}

by_password() { # SECTION [LINE…]
	local section=$1
	shift
	printf '%s\n' "[$section]" 'type = controlm' "url = $FAKE/automation-api" 'user = emuser' \
		"password-file = $(secret password "${WRONG:-$PASSWORD}")" 'prefetch = no' \
		'list-every = 1s' "$@"
}

ctm() { # [LINE…]: mounts an account with an API token, as ctm, and waits until it is listed
	config <<<"$(by_key ctm "$@")"
	mount_start
	eventually 10 lists boot
}

# --- the server

elsewhere() { # NAME ROLES [DATE]: a token that somebody else made; its value
	fake make -d "$(jq -nc --arg name "$1" --argjson roles "$2" --arg date "${3:-}" \
		'{tokenName: $name, roles: $roles} + if $date == "" then {} else {expirationDate: $date} end')"
}

# at_server NAME FILTER: of what the server has under this name; nothing when it has none
at_server() {
	fake tokens | jq -r --arg name "$1" ".[] | select(.tokenName == \$name) | $2"
}

has_one() { # NAME: exactly one token of this name, and its value is what the file shows
	equal "$(fake tokens | jq --arg name "$1" '[.[] | select(.tokenName == $name)] | length')" 1
	equal "$(token "ctm/$1")" "$(at_server "$1" .tokenValue)"
}

last_of() { # KIND FILTER: of the last request of that kind
	fake log | jq -r --arg kind "$1" "[.[] | select(.kind == \$kind)][-1] | $2"
}

listed_again() { # a listing that began from now on is over
	local before
	before=$(fake_count list)
	fake "await/list/$((before + 2))"
}

# --- the mount

lists() { # NAME
	timeout -k 1 10 ls "$MNT/ctm" | grep -qxF -- "$1"
}

lists_not() {
	! lists "$1"
}

writes() { # ERRNO NAME DOCUMENT
	equal "$(errno_of create "ctm/$2" "$3")" "$1"
}

written() { # NAME DOCUMENT
	[ "$(errno_of create "ctm/$1" "$2")" = OK ]
}

ends_on() { # NAME DATE: at its first moment, or a second earlier for a server whose clock says seconds
	meta "ctm/$1" "(\"$2T00:00:00Z\" | fromdate) - (.expires_at | fromdate) | . >= 0 and . <= 1" |
		grep -qx true
}

# --- listing

@test "controlm: ls shows the server's tokens, those that others make, and no more those that are gone" {
	elsewhere theirs '["Reader"]' >/dev/null
	ctm
	eventually 10 lists theirs
	refuse lists other
	elsewhere other '["Reader"]' >/dev/null
	eventually 10 lists other
	fake remove -d theirs
	eventually 10 lists_not theirs
	equal "$(errno_of open ctm/theirs)" ENOENT
	lists other
}

@test "controlm: a token whose value was never seen is ENOKEY, and .meta says why, and its roles and date" {
	elsewhere theirs '["Reader", "Operator"]' 2099-12-31 >/dev/null
	ctm
	eventually 10 lists theirs
	equal "$(errno_of open ctm/theirs)" ENOKEY
	for facet in .headers .env; do equal "$(errno_of open ctm/$facet/theirs)" ENOKEY; done
	token ctm/.meta/theirs | jq -e '.details.roles == ["Reader", "Operator"]'
	equal "$(meta ctm/theirs .details.expirationDate)" 2099-12-31
	refuse equal "$(meta ctm/theirs .state)" hot
	equal "$(meta ctm/theirs .last_error.code)" ENOKEY
	matches "$(meta ctm/theirs .last_error.message)" '[a-z]'
	equal "$(fake_count create)" 0
}

@test "controlm: names that cannot be files are left out of the list, the others are there" {
	elsewhere 'a/b' '["Reader"]' >/dev/null
	elsewhere .hidden '["Reader"]' >/dev/null
	elsewhere 'mit Leerzeichen & 100 % ü' '["Reader"]' >/dev/null
	ctm
	eventually 10 lists 'mit Leerzeichen & 100 % ü'
	refuse lists .hidden
	equal "$(timeout -k 1 10 ls "$MNT/ctm" | wc -l)" 2
}

@test "controlm: looking asks nothing; the worker lists by itself" {
	config <<<"$(LIST_EVERY=10m by_key ctm)"
	mount_start
	eventually 10 lists boot
	for _ in 1 2 3 4 5; do
		timeout -k 1 10 ls -laR "$MNT/ctm" >/dev/null
		timeout -k 1 10 stat "$MNT/ctm/boot" >/dev/null
	done
	equal "$(fake_count all)" 1
}

@test "controlm: 10000 tokens: ls takes less than a second, and many readers cost one list" {
	fake fill -d 10000
	config <<<"$(LIST_EVERY=10m by_key ctm)"
	mount_start
	eventually 20 lists bulk-09999
	equal "$(timeout -k 1 10 ls "$MNT/ctm" | wc -l)" 10001
	took 1000 ls "$MNT/ctm"
	# shellcheck disable=SC2016
	timeout -k 1 30 sh -c 'for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		ls "$1" >/dev/null & done; wait' sh "$MNT/ctm"
	equal "$(fake_count list)" 1
	writes OK ci '{"roles": ["Admin"]}'
	has_one ci
	equal "$(errno_of open ctm/bulk-05000)" ENOKEY
}

@test "controlm: while the server is down or talks nonsense, ls shows what it said last" {
	local mode
	elsewhere theirs '["Reader"]' >/dev/null
	ctm
	eventually 10 lists theirs
	writes OK ci '{"roles": ["Admin"]}'
	token ctm/ci >"$T/value"
	for mode in html empty bare cut redirect busy; do
		fake_set "{\"mode\": \"$mode\", \"of\": \"list\"}"
		fake reset -X POST
		fake await/list/1
		reload
		lists theirs
		token ctm/ci | cmp - "$T/value"
	done
	equal "$(fake_count elsewhere)" 0
	fake_stop
	reload
	lists theirs
	token ctm/ci | cmp - "$T/value"
	mount_stop
	mount_start
	lists theirs
	token ctm/ci | cmp - "$T/value"
}

replaced_elsewhere() { # NAME: others delete and make it; the value that we know is not its value
	fake remove -d "$1"
	elsewhere "$1" '["Reader"]' >/dev/null
	value_is_unknown() { [ "$(errno_of open "ctm/$1")" = ENOKEY ]; }
	eventually 10 value_is_unknown "$1"
	equal "$(meta "ctm/$1" '.details.roles[]')" Reader
}

@test "controlm: a token that others deleted and made anew is no longer the one that we know" {
	ctm
	writes OK ci '{"roles": ["Admin"]}'
	token ctm/ci
	listed_again
	replaced_elsewhere ci
}

@test "controlm: a token that we make anew after others deleted theirs keeps its value over the next listing" {
	elsewhere ci '["Reader"]' >/dev/null
	ctm
	eventually 10 lists ci
	fake remove -d ci
	eventually 10 lists_not ci
	writes OK ci '{"roles": ["Admin"]}'
	has_one ci
	listed_again
	has_one ci
}

@test "controlm: an update that finds the token gone makes it anew, and its value is kept over the next listing" {
	elsewhere ci '["Reader"]' >/dev/null
	LIST_EVERY=3s ctm
	eventually 10 lists ci
	fake remove -d ci
	writes OK ci '{"roles": ["Admin"]}'
	has_one ci
	listed_again
	has_one ci
}

list_is_held() { # the worker waits for one, and everything else of the account behind it
	fake_set '{"mode": "hold", "of": "list"}'
	fake reset -X POST
	fake await/list/1
}

remount() {
	mount_stop
	mount_start
}

@test "controlm: a name that is listed while somebody writes it stays, and the value of it that is imported then" {
	ctm
	list_is_held
	elsewhere ci '["Reader"]' >"$T/value"
	spawn "$T/errno" timeout 45 python3 "$PROBE" create "$MNT/ctm/ci" '{"roles": ["Admin"]}'
	eventually 10 wait_at_least 1
	fake_set '{"mode": "hold", "of": "get"}'
	fake await/get/1
	list_is_held
	eventually 30 test -s "$T/errno"
	equal "$(cat "$T/errno")" EEXIST
	lists ci
	equal "$(timeout -k 1 5 stat -c %u:%a "$MNT/ctm/ci")" 0:600
	fake_set '{"mode": "ok"}'
	listed_again
	import ctm/ci "$(cat "$T/value")"
	token ctm/ci | cmp - "$T/value"
	remount
	token ctm/ci | cmp - "$T/value"
}

@test "controlm: a value survives its token's absence from the lists, and a write meanwhile that is refused" {
	ctm
	writes OK ci '{"roles": ["Admin"]}'
	listed_again
	fake_set '{"lags": "ci"}'
	eventually 10 lists_not ci
	writes EACCES ci '{"roles": ["Nobody"]}'
	fake_set '{"lags": ""}'
	eventually 10 lists ci
	has_one ci
	remount
	has_one ci
}

@test "controlm: id_token is a name like others: gone with the token, also after a reload and a restart" {
	ctm
	writes OK id_token '{"roles": ["Admin"]}'
	has_one id_token
	listed_again
	fake remove -d id_token
	eventually 10 lists_not id_token
	reload
	equal "$(errno_of open ctm/id_token)" ENOENT
	remount
	equal "$(errno_of open ctm/id_token)" ENOENT
	writes OK id_token '{"roles": ["Reader"]}'
	has_one id_token
}

@test "controlm: what is written while rm is under way makes nothing of a name that is gone then" {
	ctm
	writes OK ci '{"roles": ["Admin"]}'
	fake_set '{"mode": "hold", "of": "delete"}'
	# The name is opened before: its directory is locked while rm waits.
	spawn "$T/errno" timeout 45 python3 -c '
import errno, os, sys
fd = os.open(sys.argv[1], os.O_WRONLY)
print("opened", flush=True)
os.read(os.open(sys.argv[2], os.O_RDONLY), 1)
try:
    os.write(fd, b"{\"roles\": [\"Reader\"]}")
    print("OK")
except OSError as error:
    print(errno.errorcode[error.errno])
' "$MNT/ctm/ci" <(fake await/delete/1)
	eventually 10 grep -qx opened "$T/errno"
	spawn "$T/rm" timeout 45 rm "$MNT/ctm/ci"
	eventually 10 wait_at_least 2
	fake_set '{"mode": "ok"}'
	eventually 30 grep -qx '[A-Z]*' "$T/errno"
	equal "$(tail -n 1 "$T/errno")" ENOENT
	equal "$(at_server ci .tokenName)" ''
	listed_again
	refuse lists ci
	writes OK ci '{"roles": ["Reader"]}'
	has_one ci
	remount
	has_one ci
}

@test "controlm: the files of listed tokens are whose the configuration says, also after a reload" {
	ctm
	equal "$(timeout -k 1 5 stat -c %u:%a "$MNT/ctm/boot")" 0:600
	writes OK ci '{"roles": ["Admin"]}'
	config <<<"$(by_key ctm 'owner = 1' 'mode = 0440')"
	reload
	equal "$(timeout -k 1 5 stat -c %u:%a "$MNT/ctm/boot")" 1:440
	equal "$(timeout -k 1 5 stat -c %u:%a "$MNT/ctm/ci")" 0:600
}

@test "controlm: an imported value lives on when the server says a later day" {
	elsewhere theirs '["Reader"]' 2099-12-31 >"$T/value"
	ctm
	eventually 10 lists theirs
	import ctm/theirs "$(cat "$T/value")" 1
	is_of_2099() { ends_on theirs 2099-12-31; }
	goes_on() { token ctm/theirs | cmp - "$T/value" && is_of_2099; }
	eventually 10 goes_on
}

@test "controlm: a token whose day others moved to the past is over, also after a restart" {
	ctm
	writes OK ci '{"roles": ["Admin"], "expirationDate": "2099-12-31"}'
	token ctm/ci
	listed_again
	fake change -d '{"tokenName": "ci", "expirationDate": "2020-01-31"}'
	is_over() { [ "$(errno_of open ctm/ci)" = EKEYEXPIRED ]; }
	eventually 10 is_over
	mount_stop
	mount_start
	is_over
}

@test "controlm: a name that the server lists twice is one file, which keeps its value" {
	ctm
	fake_set '{"twice": "ci"}'
	writes OK ci '{"roles": ["Admin"]}'
	listed_again
	has_one ci
	listed_again
	has_one ci
}

@test "controlm: a reload while a list is under way brings another list, not that one" {
	elsewhere gone '["Reader"]' >/dev/null
	LIST_EVERY=10m ctm
	fake_set '{"mode": "hold_after", "of": "list"}'
	fake reset -X POST
	reload
	fake await/list/1
	# It is on its way: what it says is what was.
	fake remove -d gone
	reload
	fake_set '{"mode": "ok"}'
	fake await/list/2
	eventually 5 lists_not gone
}

@test "controlm: a full disk does not bring back the value of a token that is gone" {
	need_root
	mkdir "$STATE"
	mount -t tmpfs -o size=1m,mode=0700 none "$STATE" || skip 'tmpfs cannot be mounted'
	ctm
	writes OK ci '{"roles": ["Admin"]}'
	listed_again
	dd if=/dev/zero of="$STATE/filler" bs=4k status=none 2>/dev/null || true
	replaced_elsewhere ci
	elsewhere other '["Reader"]' >/dev/null
	eventually 10 lists other
	rm "$STATE/filler"
	listed_again
	fake_stop
	remount
	lists other
	lists ci
	matches "$(errno_of open ctm/ci)" '^(ENOKEY|ECONNREFUSED)$'
}

# --- creating

@test "controlm: a document makes a token, whose value is in the file at once" {
	ctm
	writes OK ci '{"roles": ["Admin", "Reader"], "expirationDate": "2099-12-31"}'
	has_one ci
	equal "$(at_server ci '.roles | join(",")')" Admin,Reader
	equal "$(at_server ci .expirationDate)" 2099-12-31
	equal "$(meta ctm/ci .state)" hot
	ends_on ci 2099-12-31
	equal "$(meta ctm/ci '.details.roles | join(",")')" Admin,Reader
	lists ci
	equal "$(fake_count create)" 1
}

@test "controlm: a token without an end has none" {
	ctm
	writes OK ci '{"roles": ["Reader"]}'
	has_one ci
	equal "$(meta ctm/ci .expires_at)" null
	equal "$(at_server ci .expirationDate)" null
}

@test "controlm: curl with the header lines of a token gets through, and .env is sourced" {
	ctm
	writes OK ci '{"roles": ["Reader"]}'
	equal "$(token ctm/.headers/ci)" "x-api-key: $(token ctm/ci)"
	curl -fsS --max-time 20 -H "@$MNT/ctm/.headers/ci" -o /dev/null "$FAKE/automation-api/config/servers"
	# shellcheck disable=SC2016
	equal "$(timeout -k 1 20 sh -c '. "$1"; printf %s "$CONTROLM_TOKEN"' sh "$MNT/ctm/.env/ci")" \
		"$(token ctm/ci)"
}

@test "controlm: a value that only the creation tells is never overwritten by what is told later" {
	local value
	for value in absent null empty masked; do
		echo "-- $value"
		fake_set "{\"value\": \"$value\"}"
		[ -n "$PID" ] || ctm
		writes OK "made-$value" '{"roles": ["Admin"]}'
		token "ctm/made-$value" >"$T/value"
		writes OK "made-$value" '{"roles": ["Reader"], "expirationDate": "2099-01-01"}'
		token "ctm/made-$value" | cmp - "$T/value"
		has_one "made-$value"
		listed_again
		token "ctm/made-$value" | cmp - "$T/value"
		equal "$(meta "ctm/made-$value" '.details.roles | join(",")')" Reader
	done
	mount_stop
	mount_start
	for value in absent null empty masked; do has_one "made-$value"; done
	equal "$(fake_count create)" 4
	equal "$(fake_count update)" 4
	equal "$(fake_count delete)" 0
}

@test "controlm: names with spaces, percent signs and umlauts are made, changed and deleted" {
	local name='mit Leerzeichen & 100 %2F ü'
	ctm
	writes OK "$name" '{"roles": ["Admin"]}'
	has_one "$name"
	writes OK "$name" '{"roles": ["Reader"]}'
	has_one "$name"
	timeout -k 1 20 rm "$MNT/ctm/$name"
	equal "$(at_server "$name" .tokenName)" ''
}

@test "controlm: O_EXCL: EEXIST for a name that is there, also when only the server knows it" {
	local status
	config <<<"$(LIST_EVERY=10m by_key ctm)"
	mount_start
	eventually 10 lists boot
	equal "$(errno_of exclusive ctm/ci '{"roles": ["Admin"]}')" OK
	equal "$(errno_of exclusive ctm/ci '{"roles": ["Reader"]}')" EEXIST
	equal "$(at_server ci '.roles[]')" Admin
	for status in 400 409; do
		fake_set "{\"duplicate_status\": $status}"
		elsewhere "theirs-$status" '["Reader"]' >"$T/theirs"
		equal "$status: $(errno_of exclusive "ctm/theirs-$status" '{"roles": ["Admin"]}')" \
			"$status: EEXIST"
		equal "$(at_server "theirs-$status" .tokenValue)" "$(cat "$T/theirs")"
		equal "$(at_server "theirs-$status" '.roles[]')" Reader
	done
	equal "$(fake_count delete)" 0
}

@test "controlm: a document that the server refuses is EINVAL, its sentence is in .status, nothing is made" {
	ctm
	writes EINVAL ci '{"roles": ["Admin"], "expirationDate": "2001-01-01"}'
	matches "$(token ctm/.status)" 'expirationDate must be in the future'
	refuse lists ci
	equal "$(at_server ci .tokenName)" ''
	writes OK ci '{"roles": ["Admin"]}'
	token ctm/ci >"$T/value"
	writes EINVAL ci '{"roles": ["Reader"], "expirationDate": "2001-01-01"}'
	token ctm/ci | cmp - "$T/value"
	equal "$(at_server ci '.roles[]')" Admin
}

@test "controlm: a document that means nothing is EINVAL, and no server is asked" {
	local document
	ctm
	for document in '{}' '{"roles": []}' '{"roles": "Admin"}' '{"roles": [5]}' '{"roles": null}' \
		'{"roles": ["Admin"], "expirationDate": "tomorrow"}' '{"roles": ["Admin"], "colour": "blue"}' \
		'{"roles": ["Admin"], "expirationDate": 20991231}' \
		'{"roles": ["Admin"], "tokenName": "another"}' \
		'{"roles": ["Admin"], "annotation": "text"}' \
		'{"roles": ["Admin"], "annotation": {"subject": "a\r\nx-api-key: b", "description": "c"}}'; do
		equal "$document: $(errno_of create ctm/ci "$document")" "$document: EINVAL"
	done
	refuse lists ci
	equal "$(fake_count create)" 0
	writes OK ci '{"roles": ["Admin"], "tokenName": "ci"}'
}

@test "controlm: a role that the caller does not hold is EACCES, and other writes go on" {
	ctm
	writes EACCES ci '{"roles": ["Boss"]}'
	matches "$(token ctm/.status)" 'a role that you do not hold'
	refuse lists ci
	writes OK ci '{"roles": ["Admin"]}'
	writes EACCES ci '{"roles": ["Boss"]}'
	has_one ci
	equal "$(at_server ci '.roles[]')" Admin
}

@test "controlm: an update that collides is an error, and changes nothing" {
	ctm
	writes OK ci '{"roles": ["Admin"]}'
	token ctm/ci >"$T/value"
	fake_set '{"conflict": true}'
	refuse equal "$(errno_of create ctm/ci '{"roles": ["Reader"]}')" OK
	token ctm/ci | cmp - "$T/value"
	fake_set '{"conflict": false}'
	eventually 20 written ci '{"roles": ["Reader"]}'
	has_one ci
}

@test "controlm: a token that others list can be changed; its value stays unknown" {
	elsewhere theirs '["Reader"]' >"$T/theirs"
	ctm
	eventually 10 lists theirs
	writes OK theirs '{"roles": ["Operator"]}'
	equal "$(at_server theirs '.roles[]')" Operator
	equal "$(at_server theirs .tokenValue)" "$(cat "$T/theirs")"
	equal "$(errno_of open ctm/theirs)" ENOKEY
}

@test "controlm: a value that is known can be imported" {
	local value
	value=$(elsewhere theirs '["Reader"]')
	ctm
	eventually 10 lists theirs
	put ctm/theirs "{\"access_token\": \"$value\"}"
	equal "$(token ctm/theirs)" "$value"
	listed_again
	equal "$(token ctm/theirs)" "$value"
	equal "$(fake_count update)" 0
}

# --- deleting

@test "controlm: rm deletes the token at the server" {
	local value
	ctm
	writes OK ci '{"roles": ["Admin"]}'
	value=$(token ctm/ci)
	timeout -k 1 20 rm "$MNT/ctm/ci"
	equal "$(at_server ci .tokenName)" ''
	refuse lists ci
	equal "$(errno_of open ctm/ci)" ENOENT
	listed_again
	refuse lists ci
	refuse curl -fs -H "x-api-key: $value" -o /dev/null "$FAKE/automation-api/config/servers"
}

@test "controlm: rm of a token of others deletes it, too; of one that is gone already, it is gone" {
	elsewhere theirs '["Reader"]' >/dev/null
	config <<<"$(LIST_EVERY=10m by_key ctm)"
	mount_start
	eventually 10 lists theirs
	timeout -k 1 20 rm "$MNT/ctm/theirs"
	equal "$(at_server theirs .tokenName)" ''
	writes OK ci '{"roles": ["Admin"]}'
	fake remove -d ci
	matches "$(errno_of unlink ctm/ci)" '^(OK|ENOENT)$' # a list may have told it before
	refuse lists ci
}

@test "controlm: rm of the token that is the api-key itself is EBUSY, and it lives" {
	ctm
	equal "$(errno_of unlink ctm/boot)" EBUSY
	lists boot
	equal "$(at_server boot .tokenName)" boot
	equal "$(fake_count delete)" 0
	writes OK ci '{"roles": ["Admin"]}'
	timeout -k 1 20 rm "$MNT/ctm/ci"
}

@test "controlm: where nobody can say which token the api-key is, it lives, and our own can be deleted" {
	fake_set '{"by_value": false}'
	ctm
	refuse equal "$(errno_of unlink ctm/boot)" OK
	equal "$(at_server boot .tokenName)" boot
	writes OK ci '{"roles": ["Admin"]}'
	equal "$(errno_of unlink ctm/ci)" OK
	equal "$(at_server ci .tokenName)" ''
}

@test "controlm: rm that the server refuses or does not answer leaves everything" {
	ctm 'timeout = 3s'
	writes OK ci '{"roles": ["Admin"]}'
	token ctm/ci >"$T/value"
	fake_set '{"mode": "busy", "of": "delete"}'
	equal "$(errno_of unlink ctm/ci)" EAGAIN
	token ctm/ci | cmp - "$T/value"
	fake_set '{"mode": "stall"}'
	matches "$(errno_of unlink ctm/ci)" '^(ETIMEDOUT|EAGAIN)$'
	token ctm/ci | cmp - "$T/value"
	has_one ci
}

# --- annotations

@test "controlm: annotations arrive with what changes something: of the document, else of the account" {
	fake_set '{"annotation": true}'
	config <<<"$(by_key ctm 'annotation-subject = CI' 'annotation-description = made by tokenfs')"
	mount_start
	eventually 10 lists boot
	writes OK ci '{"roles": ["Admin"]}'
	equal "$(last_of create '.headers["Annotation-Subject"]')" CI
	equal "$(last_of create '.headers["Annotation-Description"]')" 'made by tokenfs'
	writes OK ci '{"roles": ["Reader"], "annotation": {"subject": "Change", "description": "CRQ 7"}}'
	equal "$(last_of update '.headers["Annotation-Subject"]')" Change
	equal "$(last_of update '.headers["Annotation-Description"]')" 'CRQ 7'
	timeout -k 1 20 rm "$MNT/ctm/ci"
	refuse equal "$(last_of delete '.headers["Annotation-Subject"]')" null
	equal "$(last_of list '.headers["Annotation-Subject"]')" null
}

@test "controlm: an annotation that is wanted and not there is EINVAL, and the sentence says it" {
	fake_set '{"annotation": true}'
	ctm
	writes EINVAL ci '{"roles": ["Admin"]}'
	matches "$(token ctm/.status)" 'Annotation is required'
	writes OK ci '{"roles": ["Admin"], "annotation": {"subject": "S", "description": "D"}}'
}

# --- credentials

@test "controlm: an api-key that is refused is tried once, however much is written and looked" {
	secret key no-such-key >/dev/null
	config <<<"$(by_key ctm)"
	mount_start
	fake await/list/1
	equal "$(probe repeat 50 create "$MNT/ctm/ci" '{"roles": ["Admin"]}')" '50 EKEYREJECTED'
	for _ in 1 2 3; do timeout -k 1 10 ls -la "$MNT/ctm" >/dev/null; done
	equal "$(fake_count all)" 1
	matches "$(token ctm/.status)" 'invalid or expired|api-key'
}

@test "controlm: an api-key that was corrected is taken at the next write" {
	local value
	value=$(elsewhere boot '["Admin"]')
	secret key no-such-key >/dev/null
	config <<<"$(by_key ctm)"
	mount_start
	writes EKEYREJECTED ci '{"roles": ["Admin"]}'
	secret key "$value" >/dev/null
	writes OK ci '{"roles": ["Admin"]}'
	has_one ci
}

@test "controlm: user and password make tokens over a session, one login for many" {
	local i
	config <<<"$(by_password ctm)"
	mount_start
	for i in 1 2 3 4 5; do
		writes OK "ci$i" '{"roles": ["Admin"]}'
		has_one "ci$i"
	done
	equal "$(fake_count login)" 1
	equal "$(last_of create '.headers | has("x-api-key")')" false
}

@test "controlm: a session that the server has ended is followed by another, and nobody notices" {
	local status n=0
	config <<<"$(by_password ctm)"
	mount_start
	writes OK ci '{"roles": ["Admin"]}'
	for status in 401 500; do
		echo "-- $status"
		fake_set "{\"expired_status\": $status}"
		fake expire -X POST
		writes OK "after-$status" '{"roles": ["Admin"]}'
		has_one "after-$status"
		fake expire -X POST
		writes OK ci "{\"roles\": [\"Reader\"], \"expirationDate\": \"2099-01-0$((n += 1))\"}"
		fake expire -X POST
		timeout -k 1 20 rm "$MNT/ctm/after-$status"
		fake expire -X POST
		elsewhere "theirs-$status" '["Reader"]' >/dev/null
		eventually 10 lists "theirs-$status"
	done
	has_one ci
	[ "$(fake_count login)" -le 10 ]
}

@test "controlm: a wrong password is tried once, by reads, writes and lists together" {
	# shellcheck disable=SC2034 # by_password reads it
	WRONG=wrong
	config <<<"$(by_password ctm)"
	mount_start
	equal "$(probe repeat 50 open "$MNT/ctm/session")" '50 EKEYREJECTED'
	equal "$(probe repeat 50 create "$MNT/ctm/ci" '{"roles": ["Admin"]}')" '50 EKEYREJECTED'
	equal "$(probe repeat 50 open "$MNT/ctm/session")" '50 EKEYREJECTED'
	equal "$(fake_count login)" 1
	secret password "$PASSWORD" >/dev/null
	token ctm/session
	equal "$(fake_count login)" 2
}

@test "controlm: session is a token of its own: Bearer, half an hour; rm logs out" {
	config <<<"$(by_password ctm)"
	mount_start
	token ctm/session >"$T/session"
	equal "$(token ctm/.headers/session)" "Authorization: Bearer $(cat "$T/session")"
	curl -fsS --max-time 20 -H "@$MNT/ctm/.headers/session" -o /dev/null \
		"$FAKE/automation-api/config/servers"
	meta ctm/session '(.expires_at | fromdate) - now | . > 1700 and . < 1801' | grep -qx true
	equal "$(token ctm/.env/session)" "CONTROLM_TOKEN=$(cat "$T/session")"
	timeout -k 1 20 rm "$MNT/ctm/session"
	equal "$(fake_count logout)" 1
	refuse curl -fs -H "Authorization: Bearer $(cat "$T/session")" -o /dev/null \
		"$FAKE/automation-api/config/servers"
	test -e "$MNT/ctm/session"
	refuse cmp -s "$T/session" <(token ctm/session)
	curl -fsS --max-time 20 -H "@$MNT/ctm/.headers/session" -o /dev/null \
		"$FAKE/automation-api/config/servers"
}

@test "controlm: there is no session without user and password" {
	ctm
	refuse test -e "$MNT/ctm/session"
	equal "$(fake_count login)" 0
}

# --- deaths

# dies_while MODE KIND FILE COMMAND…: the worker is killed while the server holds that request; what the
# command printed is in FILE
dies_while() {
	local mode=$1 kind=$2 out=$3
	shift 3
	fake_set "{\"mode\": \"$mode\", \"of\": \"$kind\", \"forgets\": true}"
	fake reset -X POST
	spawn "$out" timeout 45 "$@"
	fake "await/$kind/1"
	[ "$mode" = hold ] || eventually 10 acted "$kind"
	kill_worker
	fake_set '{"mode": "ok"}'
	eventually 30 test -s "$out"
}

acted() { # KIND: the server did what it was asked for ci
	case $1 in
	create) [ -n "$(at_server ci .tokenName)" ] ;;
	delete) [ -z "$(at_server ci .tokenName)" ] ;;
	update) [ "$(at_server ci '.roles[]')" = Reader ] ;;
	esac
}

@test "controlm: kill -9 while the creation is under way, and not acted on: one token, and the write succeeds" {
	ctm
	dies_while hold create "$T/errno" python3 "$PROBE" create "$MNT/ctm/ci" '{"roles": ["Admin"]}'
	equal "$(cat "$T/errno")" OK
	has_one ci
	listed_again
	has_one ci
}

@test "controlm: kill -9 when the server has made the token and not said so: one token, whose value we have" {
	ctm
	dies_while hold_after create "$T/errno" python3 "$PROBE" create "$MNT/ctm/ci" '{"roles": ["Admin"]}'
	equal "$(cat "$T/errno")" OK
	has_one ci
	listed_again
	has_one ci
	equal "$(at_server ci '.roles[]')" Admin
}

@test "controlm: kill -9, and the server acts on the dead one's creation later: the write says so, and rm mends it" {
	ctm
	fake_set '{"mode": "hold", "of": "create", "forgets": true}'
	spawn "$T/errno" timeout 45 python3 "$PROBE" create "$MNT/ctm/ci" '{"roles": ["Admin"]}'
	fake await/create/1
	kill_worker
	fake await/create/2
	elsewhere ci '["Admin"]' >/dev/null # is what the first one comes to
	fake_set '{"mode": "ok"}'
	eventually 30 test -s "$T/errno"
	equal "$(fake tokens | jq '[.[] | select(.tokenName == "ci")] | length')" 1
	matches "$(cat "$T/errno")" '^(OK|EEXIST|EINVAL)$'
	if ! grep -q OK "$T/errno"; then
		matches "$(token ctm/.status)" 'exists'
		eventually 10 lists ci
		timeout -k 1 20 rm "$MNT/ctm/ci"
		writes OK ci '{"roles": ["Admin"]}'
	fi
	has_one ci
}

@test "controlm: kill -9 of everything when the server has made the token: writing again mends it" {
	ctm
	fake_set '{"mode": "hold_after", "of": "create"}'
	spawn "$T/errno" timeout 45 python3 "$PROBE" create "$MNT/ctm/ci" '{"roles": ["Admin"]}'
	eventually 10 acted create
	kill_all
	fake_set '{"mode": "ok"}'
	mount_start
	eventually 10 lists ci
	writes OK ci '{"roles": ["Admin"]}'
	has_one ci
}

@test "controlm: an answer that never comes is ETIMEDOUT, and writing again gives one token with its value" {
	ctm 'timeout = 3s'
	fake_set '{"mode": "hold_after", "of": "create"}'
	writes ETIMEDOUT ci '{"roles": ["Admin"]}'
	acted create
	fake_set '{"mode": "ok"}'
	eventually 35 written ci '{"roles": ["Admin"]}'
	has_one ci
}

@test "controlm: kill -9 around an update: it is done, and the value is the same" {
	local mode
	ctm
	writes OK ci '{"roles": ["Admin"]}'
	token ctm/ci >"$T/value"
	for mode in hold hold_after; do
		echo "-- $mode"
		dies_while $mode update "$T/errno-$mode" python3 "$PROBE" create "$MNT/ctm/ci" \
			'{"roles": ["Reader"]}'
		equal "$(cat "$T/errno-$mode")" OK
		equal "$(at_server ci '.roles[]')" Reader
		token ctm/ci | cmp - "$T/value"
		writes OK ci '{"roles": ["Admin"]}'
	done
	has_one ci
}

@test "controlm: kill -9 around rm: it is gone, and rm succeeds" {
	local mode
	ctm
	for mode in hold hold_after; do
		echo "-- $mode"
		fake_set '{"mode": "ok"}'
		writes OK ci '{"roles": ["Admin"]}'
		dies_while $mode delete "$T/errno-$mode" python3 "$PROBE" unlink "$MNT/ctm/ci"
		equal "$(cat "$T/errno-$mode")" OK
		equal "$(at_server ci .tokenName)" ''
		refuse lists ci
	done
}

@test "controlm: a restart keeps the values, also of everything killed, also without the server" {
	ctm
	writes OK ci '{"roles": ["Admin"], "expirationDate": "2099-12-31"}'
	token ctm/ci >"$T/value"
	mount_stop
	mount_start
	token ctm/ci | cmp - "$T/value"
	kill_all
	mount_start
	token ctm/ci | cmp - "$T/value"
	mount_stop
	fake_stop
	mount_start
	token ctm/ci | cmp - "$T/value"
	ends_on ci 2099-12-31
}

# --- the server

@test "controlm: what is no answer is EPROTO, and makes nothing: a page, nothing, half of it, a redirect" {
	local mode
	config < <(
		for mode in html empty bare redirect; do by_key "ctm-$mode"; done
		by_key ctm
	)
	mount_start
	eventually 10 lists boot
	for mode in html empty bare redirect; do
		fake_set "{\"mode\": \"$mode\", \"of\": \"create\"}"
		equal "$mode: $(errno_of create "ctm-$mode/ci" '{"roles": ["Admin"]}')" "$mode: EPROTO"
	done
	equal "$(fake_count elsewhere)" 0
	equal "$(at_server ci .tokenName)" ''
}

@test "controlm: a server that is busy is EAGAIN, one that is gone ECONNREFUSED, one that comes back works" {
	config < <(by_key ctm; by_key other)
	mount_start
	eventually 10 lists boot
	fake_set '{"mode": "busy", "of": "create"}'
	writes EAGAIN ci '{"roles": ["Admin"]}'
	fake_set '{"mode": "ok"}'
	eventually 35 written ci '{"roles": ["Admin"]}'
	has_one ci
	fake_stop
	matches "$(errno_of create other/new '{"roles": ["Admin"]}')" '^(ECONNREFUSED|EAGAIN)$'
	stand_in controlm "$FAKE_PORT"
	fake_set "{\"password\": \"$PASSWORD\"}"
	secret key "$(elsewhere boot '["Admin"]')" >/dev/null
	eventually 35 written new '{"roles": ["Admin"]}'
	has_one new
}

@test "controlm: a certificate of one's own is trusted by ca-file, and not without" {
	fake_stop
	certificate
	stand_in controlm 0 --tls "$CERTIFICATE" "$KEY"
	config < <(
		by_key ctm "ca-file = $CERTIFICATE"
		by_key bad
	)
	mount_start
	equal "$(errno_of create bad/ci '{"roles": ["Admin"]}')" EPROTO
	matches "$(token bad/.status)" ca-file
	writes OK ci '{"roles": ["Admin"]}'
	has_one ci
}

@test "controlm: passwords and api-keys are seen nowhere" {
	config < <(by_key ctm; by_password person)
	mount_start
	eventually 10 lists boot
	token person/session
	writes OK ci '{"roles": ["Admin"]}'
	fake_set '{"mode": "quote"}'
	refuse equal "$(errno_of create ctm/quoted '{"roles": ["Admin"]}')" OK
	refuse equal "$(errno_of create person/quoted '{"roles": ["Admin"]}')" OK
	fake expire -X POST
	errno_of create person/quoted '{"roles": ["Admin"]}'
	reload
	errno_of create person/quoted '{"roles": ["Admin"]}'
	fake_set '{"mode": "ok"}'
	printf '%s\n' "$PASSWORD" "$(cat "$T/key.secret")" | look_everywhere -
}
