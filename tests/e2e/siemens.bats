#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Siemens Industrial Edge: an IEM with both of its logins, an IED with both of its, and the IE Hub.

load vendor

ACCOUNTS='iem realm ied old-ied hub'

setup() {
	begin
	stand_in siemens
	set_right
}

teardown() {
	finish
}

set_right() {
	fake_set '{"password": "PASS-right-51c0", "client_secret": "CLIENT-right-9b7e"}'
}

# ACCOUNT SECTION [LINE…]; $PASSWORD and $CLIENT_SECRET are what it has, the right ones if not set
account() {
	local account=$1 section=$2 user
	user=$(printf '%s\n' 'user = alice@example.com' \
		"password-file = $(secret "$account" "${PASSWORD:-PASS-right-51c0}")")
	shift 2
	printf '%s\n' "[$section]" 'prefetch = no' "$@"
	case $account in
	iem) printf '%s\n' 'type = siemens-iem' "url = $FAKE" "$user" ;;
	realm) printf '%s\n' 'type = siemens-iem' "url = $FAKE" 'login = keycloak' 'client-id = ci' \
		"client-secret-file = $(secret realm "${CLIENT_SECRET:-CLIENT-right-9b7e}")" ;;
	ied) printf '%s\n' 'type = siemens-ied' "url = $FAKE" "$user" ;;
	old-ied) printf '%s\n' 'type = siemens-ied' "url = $FAKE" 'api = v1' "$user" ;;
	hub) printf '%s\n' 'type = siemens-iehub' "login-url = $FAKE" 'client-id = iectl' "$user" ;;
	esac
}

kind() {
	case $1 in
	iem) echo iem ;; realm) echo keycloak ;; ied) echo ied_v2 ;; old-ied) echo ied_v1 ;; hub) echo hub ;;
	esac
}

api() {
	case $1 in
	iem | realm) echo /portal/api/v1/devices ;;
	ied) echo /device/edge/api/v2/hostname ;;
	old-ied) echo /device/edge/b.service/api/v1/system-info ;;
	hub) echo /userinfo ;;
	esac
}

variable() {
	case $1 in
	iem | realm) echo IEM_TOKEN ;; ied | old-ied) echo IED_TOKEN ;; hub) echo IEHUB_TOKEN ;;
	esac
}

right() {
	[ "$1" = realm ] && echo 'realm CLIENT-right-9b7e' || echo "$1 PASS-right-51c0"
}

@test "siemens: each login gives a token, once for many reads" {
	accounts
	for_each fetches
}

@test "siemens: lives are those that the servers say, in ms, in s, and relative" {
	fake_set '{"expires_in": 600}'
	accounts
	for_each lives_for
}

@test "siemens: an answer that does not say when the token ends is a token all the same" {
	fake_set '{"expires_in": null}'
	accounts
	for_each fetches
}

@test "siemens: curl with the header lines gets through, IEM and IED without a scheme" {
	accounts
	for_each is_used_by_curl
	equal "$(token iem/.headers/access_token)" "Authorization: $(token iem/access_token)"
	equal "$(token ied/.headers/access_token)" "Authorization: $(token ied/access_token)"
	equal "$(token hub/.headers/access_token)" "Authorization: Bearer $(token hub/access_token)"
}

@test "siemens: a shell that sources .env has the variable that iectl wants" {
	accounts
	for_each is_sourced
}

@test "siemens: a reader never meets the end of a short life" {
	fake_set '{"expires_in": 4, "token": "checked"}'
	accounts
	read_together remaining 7
	for_each never_met_the_edge
}

@test "siemens: a wrong password is tried once in 50 reads, and the right one when it is written" {
	# shellcheck disable=SC2034 # account reads them
	PASSWORD=wrong CLIENT_SECRET=wrong
	accounts
	for_each is_refused_once
	for_each comes_back_corrected
}

@test "siemens-ied: no loop of reads, restarts, reloads and deaths locks the account" {
	local i
	# shellcheck disable=SC2034
	PASSWORD=wrong ACCOUNTS=ied
	accounts
	for i in 1 2 3 4 5 6; do
		equal "$(probe repeat 5 open "$MNT/ied/access_token")" '5 EKEYREJECTED'
		case $i in
		1 | 4) reload ;;
		2 | 5) kill_worker ;;
		3 | 6) mount_stop && mount_start ;;
		esac
	done
	echo "attempts: $(fake_count ied_v2)"
	equal "$(fake locked)" no
}

@test "siemens-ied: a service manager that starts it again and again does not lock the account" {
	# shellcheck disable=SC2034
	PASSWORD=wrong ACCOUNTS=ied
	config < <(account ied ied | sed '/^prefetch/d')
	for _ in 1 2 3 4 5 6; do
		mount_start
		refuse reads ied/access_token
		mount_stop
	done
	equal "$(fake locked)" no
	echo "attempts: $(fake_count ied_v2)"
	equal "$(fake_count ied_v2)" 1
}

@test "siemens-ied: a reader of an account that the device has locked asks once" {
	local i
	for i in 1 2 3 4 5; do
		curl -sS -H 'Content-Type: application/json' -o /dev/null \
			-d '{"username": "alice@example.com", "password": "wrong"}' \
			"$FAKE/device/edge/api/v2/login/direct"
	done
	equal "$(fake locked)" yes
	fake reset -X POST
	# shellcheck disable=SC2034
	ACCOUNTS=ied
	accounts
	for_each is_refused_once
}

@test "siemens: every way to refuse a login is a refusal: JSON, a page, nothing" {
	local refusal
	# shellcheck disable=SC2034
	PASSWORD=wrong ACCOUNTS='iem ied old-ied'
	config < <(for refusal in json html empty; do
		account iem "iem-$refusal"
		[ $refusal = empty ] || account ied "ied-$refusal"
		[ $refusal != empty ] || account old-ied "old-ied-$refusal"
	done)
	mount_start
	for refusal in json html empty; do
		fake_set "{\"refusal\": \"$refusal\"}"
		equal "$(errno_of open "iem-$refusal/access_token")" EKEYREJECTED
	done
	fake_set '{"refusal": "html"}'
	equal "$(errno_of open ied-html/access_token)" EKEYREJECTED
	fake_set '{"refusal": "empty"}'
	equal "$(errno_of open old-ied-empty/access_token)" EKEYREJECTED
}

@test "siemens: what is no token is EPROTO: a page, nothing, half an answer, a redirect" {
	local mode
	accounts_times html empty bare cut redirect
	for mode in html empty bare cut redirect; do each_answers $mode EPROTO; done
}

@test "siemens: a server that is busy is EAGAIN, one that stalls ETIMEDOUT" {
	accounts_times busy stall deny_html
	each_answers busy EAGAIN
	each_answers deny_html EKEYREJECTED
	# shellcheck disable=SC2034
	ACCOUNTS='iem ied'
	each_answers stall ETIMEDOUT
}

@test "siemens: a token is served to its end while the server is down, which then comes back" {
	fake_set '{"expires_in": 6}'
	accounts
	for_each reads_it
	fake_stop
	read_together until-failure 15
	for_each was_served_to_its_end
	stand_in siemens "$FAKE_PORT"
	set_right
	for_each comes_back
}

@test "siemens: a certificate of one's own is trusted by ca-file, and not without" {
	fake_stop
	certificate
	stand_in siemens 0 --tls "$CERTIFICATE" "$KEY"
	set_right
	with_certificates
	for_each is_trusted_by_its_authority
}

@test "siemens: passwords, client secrets and refresh tokens are seen nowhere" {
	accounts
	quotes_no_secret
}
