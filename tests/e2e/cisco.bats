#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Cisco: the IoT Operations Dashboard with users and API keys, and Edge Intelligence on a device.

load vendor

ACCOUNTS='person key new-key ei'
TENANT=11111111-aaaa-4bbb-8ccc-000000000001
OTHER=22222222-aaaa-4bbb-8ccc-000000000002

setup() {
	begin
	stand_in cisco
	set_right
}

teardown() {
	finish
}

set_right() {
	fake_set '{"password": "PASS-right-51c0", "key_secret": "KEY-right-9b7e"}'
}

# ACCOUNT SECTION [LINE…]; $SECRET is what it has, the right one if not set
account() {
	local account=$1 section=$2 user key
	user=$(printf '%s\n' 'user = alice@example.com' \
		"password-file = $(secret "$account" "${SECRET:-PASS-right-51c0}")")
	key="client-secret-file = $(secret "$account-key" "${SECRET:-KEY-right-9b7e}")"
	shift 2
	printf '%s\n' "[$section]" 'prefetch = no' "$@"
	case $account in
	person) printf '%s\n' 'type = cisco-iotod' "url = $FAKE" "$user" ;;
	key) printf '%s\n' 'type = cisco-iotod' "url = $FAKE" 'client-id = acme->ci' "$key" \
		'api = iam' "tenant-id = $TENANT" ;;
	new-key) printf '%s\n' 'type = cisco-iotod' "url = $FAKE" 'client-id = 5f0c0ffe-key' "$key" \
		'api = nbapi' "tenant-id = $TENANT" ;;
	ei) printf '%s\n' 'type = cisco-ei' "url = $FAKE/api/v2/edge-intelligence" "$user" ;;
	esac
}

kind() {
	case $1 in person | key) echo token ;; new-key) echo nbapi ;; ei) echo ei ;; esac
}

api() {
	[ "$1" = ei ] && echo /api/v2/edge-intelligence/pipelines || echo /nbapi/edm/v1/devices
}

variable() {
	[ "$1" = ei ] && echo CISCO_EI_TOKEN || echo CISCO_IOTOD_TOKEN
}

right() {
	case $1 in
	key | new-key) echo "$1-key KEY-right-9b7e" ;;
	*) echo "$1 PASS-right-51c0" ;;
	esac
}

# person and key are asked at the same place: what is counted is told apart by taking turns
take_turns() { # STORY…
	local all=$ACCOUNTS
	for ACCOUNTS in $all; do
		fake reset -X POST
		for story; do for_each "$story"; done
	done
	ACCOUNTS=$all
}

@test "cisco: each login gives a token, once for many reads" {
	accounts
	take_turns fetches
}

@test "cisco: lives are those that the servers say" {
	fake_set '{"expires_in": 600}'
	accounts
	for_each lives_for
}

@test "cisco: a login that is answered with 201 is one" {
	fake_set '{"user_status": 201}'
	# shellcheck disable=SC2034
	ACCOUNTS=person
	accounts
	for_each fetches
}

@test "cisco: curl with the header lines gets through: Bearer, and the tenant" {
	accounts
	for_each is_used_by_curl
	equal "$(token person/.headers/access_token)" \
		"Authorization: Bearer $(token person/access_token)"$'\n'"x-tenant-id: $TENANT"
	equal "$(token ei/.headers/access_token)" "Authorization: Bearer $(token ei/access_token)"
}

@test "cisco: a shell that sources .env has the token and the tenant" {
	accounts
	for_each is_sourced
	for account in person key new-key; do
		grep -qx "CISCO_IOTOD_TENANT_ID=$TENANT" <(token $account/.env/access_token)
	done
	refuse grep -q TENANT <(token ei/.env/access_token)
}

@test "cisco-iotod: the tenant is asked for once, and of persons only" {
	fake_set '{"expires_in": 2}'
	accounts
	token person/access_token >"$T/first"
	token key/access_token
	token new-key/access_token
	equal "$(fake_count me)" 1
	again() { refuse cmp -s "$T/first" <(token person/access_token); }
	eventually 10 again
	equal "$(fake_count me)" 1
	equal "$(token person/.headers/access_token | grep tenant)" "x-tenant-id: $TENANT"
}

@test "cisco-iotod: with several tenants the error names them, and tenant-id chooses" {
	fake_set "{\"tenants\": [\"$TENANT\", \"$OTHER\"]}"
	config < <(
		account person person
		account person chosen "tenant-id = $OTHER"
	)
	mount_start
	refuse reads person/access_token
	matches "$(token person/.status)" "$TENANT"
	matches "$(token person/.status)" "$OTHER"
	matches "$(token person/.status)" tenant-id
	token chosen/access_token
	equal "$(token chosen/.headers/access_token | grep tenant)" "x-tenant-id: $OTHER"
	curl -fsS --max-time 20 -H "@$MNT/chosen/.headers/access_token" -o /dev/null "$FAKE$(api key)"
}

@test "cisco-iotod: a person without a tenant is told so" {
	fake_set '{"tenants": []}'
	config <<<"$(account person person)"
	mount_start
	refuse reads person/access_token
	matches "$(token person/.status)" tenant
}

@test "cisco-iotod: an API key without a tenant-id is a mistake of the configuration" {
	config <<<"$(account key key | sed '/^tenant-id/d')"
	run timeout -k 1 20 "$TOKENFS" check -c "$CONF"
	[ "$status" -ne 0 ]
	matches "$output" tenant-id
}

@test "cisco-ei: the end of a token in all the ways devices say it, clocks that drift included" {
	local expiry
	# shellcheck disable=SC2034
	ACCOUNTS=ei
	fake_set '{"expires_in": 600}'
	accounts
	for expiry in both seconds at; do
		echo "-- $expiry"
		fake_set "{\"ei_expiry\": \"$expiry\"}"
		for_each lives_for
		timeout -k 1 20 rm "$MNT/ei/access_token"
	done
	fake_set '{"ei_expiry": "both", "ei_skew": -7200}'
	for_each lives_for
	timeout -k 1 20 rm "$MNT/ei/access_token"
	fake_set '{"ei_expiry": "none"}'
	fake reset -X POST
	for_each fetches
}

@test "cisco-ei: a password that must be changed first is no token, and .status says so" {
	fake_set '{"first_login": true}'
	# shellcheck disable=SC2034
	ACCOUNTS=ei
	accounts
	matches "$(errno_of open ei/access_token)" '^(EACCES|EKEYREJECTED)$'
	matches "$(token ei/.status)" 'Password change needed'
	refuse reads ei/access_token
	equal "$(fake_count ei)" 1
}

@test "cisco: a reader never meets the end of a short life" {
	fake_set '{"expires_in": 4, "token": "checked"}'
	accounts
	read_together remaining 7
	for_each never_met_the_edge
}

@test "cisco: a wrong password is tried once in 50 reads, and the right one when it is written" {
	# shellcheck disable=SC2034 # account reads it
	SECRET=wrong
	accounts
	take_turns is_refused_once comes_back_corrected
}

@test "cisco: a refusal with 400 is one too" {
	fake_set '{"refusal": 400}'
	# shellcheck disable=SC2034
	SECRET=wrong
	accounts
	for _ in 1 2; do
		equal "$(probe opens "$MNT"/*/access_token)" \
			'EKEYREJECTED EKEYREJECTED EKEYREJECTED EKEYREJECTED'
	done
	equal "$(fake_count)" 4
}

@test "cisco: what is no token is EPROTO: a page, nothing, half an answer, a redirect" {
	local mode
	accounts_times html empty bare cut redirect
	for mode in html empty bare cut redirect; do each_answers $mode EPROTO; done
}

@test "cisco: a server that is busy is EAGAIN, one that stalls ETIMEDOUT" {
	accounts_times busy stall deny_html
	each_answers busy EAGAIN
	each_answers deny_html EKEYREJECTED
	# shellcheck disable=SC2034
	ACCOUNTS='person ei'
	each_answers stall ETIMEDOUT
}

@test "cisco: a token is served to its end while the server is down, which then comes back" {
	fake_set '{"expires_in": 6}'
	accounts
	for_each reads_it
	fake_stop
	read_together until-failure 15
	for_each was_served_to_its_end
	stand_in cisco "$FAKE_PORT"
	set_right
	for_each comes_back
}

@test "cisco: a certificate of one's own is trusted by ca-file, and not without" {
	fake_stop
	certificate
	stand_in cisco 0 --tls "$CERTIFICATE" "$KEY"
	set_right
	with_certificates
	take_turns is_trusted_by_its_authority
}

@test "cisco: passwords, secrets of API keys and refresh tokens are seen nowhere" {
	accounts
	quotes_no_secret
}
