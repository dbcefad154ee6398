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
	fake await/poll/2/25
	equal "$(fake log | jq '[.[] | select(.kind == "devicecode" or .grant == "poll")]
		| (.[1].at - .[0].answered >= 5) and (.[2].at - .[1].answered >= 5)
			and (.[2].at - .[1].answered < 8)')" true
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

@test "2.7: two slots renew side by side by refresh tokens of their own, and both tokens stay active" {
	local i slot
	fake_set '{"expires_in": 3}'
	config <<<"$(account "$(known_client)" 'scope = openid offline_access' '[iam/storage]' \
		'scope = offline_access storage.read:/' 'audience = https://storage.example.org')"
	mount_start
	person
	person storage
	for i in 1 2 3 4 5 6; do
		fake "await/refresh/$((i + 1))/10"
		for slot in access_token storage; do equal "$(active "$(token iam/$slot)")" true; done
	done
	equal "$(claim "$(token iam/storage)" '.scope + " " + .aud')" \
		'offline_access storage.read:/ https://storage.example.org'
	equal "$(claim "$(token iam/access_token)" '.scope, .aud' | tr '\n' ' ')" 'openid offline_access null '
	equal "$(fake log | jq '[.[] | select(.grant == "refresh").form | [.refresh_token, .audience]]
		| unique | length')" 2
	equal "$(fake_count devicecode)" 2
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

@test "2.10: a scope whose path has .. is EACCES, and costs the others nothing" {
	config <<<"$(account "$(known_client)" 'grant = client_credentials' 'scope = storage.read:/')"
	mount_start
	equal "$(errno_of create iam/up '{"scope": "storage.read:/a/../../b"}')" EACCES
	reads iam/access_token
	put iam/foo '{"scope": "storage.read:/foo"}'
	equal "$(meta iam/foo .scope)" storage.read:/foo
}

@test "2.11: bt_u<uid> is what programs of WLCG look for: exactly the token, by stdio and by name" {
	local name value i
	name=bt_u$(id -u)
	fake_set '{"expires_in": 4, "profile": "wlcg"}'
	config <<<"$(account "$(known_client)" 'scope = openid offline_access' "[iam/$name]" \
		'scope = offline_access storage.read:/')"
	mount_start
	person
	person "$name"
	mkdir "$T/runtime"
	ln -s "$MNT/iam/$name" "$T/runtime/$name"
	for i in 1 2 3; do
		probe stdio "$T/runtime/$name" >"$T/read"
		value=$(cat "$T/read")
		printf %s "$value" | cmp - "$T/read"
		matches "$value" '^[A-Za-z0-9._~+/-]+=*$'
		equal "$(active "$value")" true
		matches "$(probe exact "$MNT/iam/$name")" '^[A-Za-z0-9._~+/-]+=*$'
		fake "await/refresh/$((i * 2))/10"
	done
	put "iam/$name-compute" '{"scope": "offline_access compute.read"}'
	equal "$(login iam .name)" "$name-compute"
	approve
	eventually 8 reads "iam/$name-compute"
	BEARER_TOKEN_FILE=$MNT/iam/$name-compute probe stdio "$MNT/iam/$name-compute" |
		jq -rRe 'split(".") | length == 3'
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

# secrets_of_iam: what went over the wire and no reader may see
secrets_of_iam() {
	printf '%s\n' client-secret other-secret "$(printf client:client-secret | base64)" \
		"$(printf other:other-secret | base64)"
	fake log | jq -r '.[].form | .device_code, .refresh_token, .client_assertion | select(.)' | sort -u
	fake grants | jq -r '.[].refresh_token'
	fake clients | jq -r '.[] | .client_secret, .registration | select(.)'
}

@test "2.4 C15: device code, refresh token, client secret, registration are nowhere, whatever is quoted" {
	fake_set '{"expires_in": 3}'
	config <<<"$(account 'register = yes' 'scope = openid offline_access'
		account "$(known_client)" 'scope = openid offline_access' '[iam2/more]' \
			'scope = openid offline_access storage.read:/' | sed 's/^\[iam\]/[iam2]/'
		gateway)"
	mount_start
	login iam .state
	fake await/poll/1/5
	approve
	eventually 8 reads iam/access_token
	login iam2 .state
	approve
	eventually 8 reads iam2/access_token
	fake_set '{"mode": "quote"}'
	eventually 10 opens_as EINVAL
	reads iam2/access_token || true
	reads gateway/access_token || true
	fake_set '{"mode": "ok"}'
	fake kill_grants -X POST
	reload
	eventually 10 opens_as EKEYEXPIRED
	login iam .state
	secrets_of_iam >"$T/while"
	look_everywhere "$T/while"
	fake "expire/$(login iam .user_code)" -X POST
	eventually 10 state_is iam expired
	log_in iam2
	eventually 10 shows "$T/out" "$FAKE/device"
	secrets_of_iam >"$T/all"
	look_everywhere "$T/while" "$T/all"
	refuse grep -aFf "$T/secrets" "$T/out" "$T/err"
	[ "$(fake log | jq '[.[].form | .device_code, .refresh_token | select(.)] | unique | length')" -ge 4 ]
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

# --- clients that sign

# signing NAME CLIENT [LINE…]: a section of a client that shows a JWT
signing() {
	local name=$1 client=$2
	shift 2
	if [ "$client" = sharer ]; then
		set -- "$@" 'client-auth = client_secret_jwt' \
			"client-secret-file = $(secret shared shared-by-both-and-of-32-bytes-at-least)"
	else
		set -- "$@" 'client-auth = private_key_jwt' "client-key-file = $T/$client.pem"
	fi
	account "client-id = ${client%-*}" 'scope = openid offline_access' "$@" | sed "s/^\[iam\]/[$name]/"
}

# key_of RSA|EC NAME: for the client `signer`, in $T/NAME.pem; the server knows it
key_of() {
	local kind=(RSA -pkeyopt rsa_keygen_bits:2048)
	[ "$1" = RSA ] || kind=(EC -pkeyopt ec_paramgen_curve:prime256v1)
	(umask 077 && openssl genpkey -algorithm "${kind[@]}" -out "$T/$2.pem" 2>/dev/null)
	fake_set "$(openssl pkey -in "$T/$2.pem" -pubout | jq -Rs '{client_key: .}')"
}

@test "2.1 J1 J2: clients that sign log in and renew; nobody asks for a revocation: ENOTSUP, and all stays" {
	local name value
	fake_set '{"expires_in": 3}'
	key_of EC signer-ec
	config < <(signing signed signer-ec; signing shared sharer)
	mount_start
	for name in signed shared; do
		login $name .state
		approve
		eventually 8 reads $name/access_token
	done
	fake await/refresh/4/15
	for name in signed shared; do
		value=$(token $name/access_token)
		equal "$(claim "$value" .sub)" "$(claim "$(token signed/access_token)" .sub)"
		equal "$(errno_of unlink $name/access_token)" ENOTSUP
		reads $name/access_token
	done
	equal "$(fake_count revoke)" 0
	equal "$(fake grants | jq length)" 2
	fake log | jq -r '.[].form | .client_assertion, .refresh_token | select(.)' | sort -u | look_everywhere -
	equal "$(fake log | jq '[.[].form.client_assertion | select(.)] | length == (unique | length)')" true
}

@test "J2: the audience is the token URL exactly: the bare issuer is refused, once" {
	key_of RSA signer-rsa
	config < <(
		signing good signer-rsa 'grant = client_credentials' | sed 's/openid offline_access/compute.read/'
		signing bad signer-rsa 'grant = client_credentials' "assertion-audience = $FAKE/" |
			sed 's/openid offline_access/compute.read/'
	)
	mount_start
	equal "$(active "$(token good/access_token)")" true
	fake reset -X POST
	equal "$(probe repeat 20 open "$MNT/bad/access_token")" '20 EKEYREJECTED'
	equal "$(fake_count)" 1
}

# --- tokens for tokens

# gateway [LINE…]: exchanges the token of iam2 for one of its own client
gateway() {
	account 'client-id = other' "client-secret-file = $(secret other other-secret)" \
		'grant = token_exchange' 'subject-token = iam2/access_token' 'scope = storage.read:/' "$@" |
		sed 's/^\[iam\]/[gateway]/'
}

person_and_gateway() { # [LINE…]
	config < <(account "$(known_client)" 'scope = openid offline_access' | sed 's/^\[iam\]/[iam2]/'
		gateway "$@")
	mount_start
}

logs_in() {
	login iam2 .state
	approve
	eventually 8 reads iam2/access_token
}

gateway_opens_as() { # ERRNO
	[ "$(errno_of open gateway/access_token)" = "$1" ]
}

@test "2.8 X1 X2: the token of another provider's slot is exchanged, for an audience, and says who acts" {
	local value
	person_and_gateway 'audience = https://a.example https://b.example'
	equal "$(errno_of open gateway/access_token)" ENOKEY
	matches "$(meta gateway/access_token .last_error.message)" 'iam2/access_token.*log'
	equal "$(fake_count exchange)" 0
	logs_in
	eventually 8 reads gateway/access_token
	value=$(token gateway/access_token)
	equal "$(active "$value")" true
	equal "$(claim "$value" '.sub, .act.sub, .client_id, .scope, (.aud | join(" "))')" \
		"$(claim "$(token iam2/access_token)" .sub)
other
other
storage.read:/
https://a.example https://b.example"
	equal "$(sent exchange '.form | [.subject_token_type, .audience, has("actor_token")]')" \
		'["urn:ietf:params:oauth:token-type:access_token","https://a.example https://b.example",false]'
	equal "$(token gateway/.headers/access_token)" "Authorization: Bearer $value"
	timeout -k 1 20 rm "$MNT/gateway/access_token"
	equal "$(active "$value")" false
	equal "$(active "$(token iam2/access_token)")" true
}

@test "X4: each renewal exchanges the subject's newest token: the server ends those before it" {
	local i
	fake_set '{"expires_in": 3}'
	person_and_gateway
	logs_in
	for i in $(seq 4); do
		eventually 8 reads gateway/access_token
		equal "$(active "$(token gateway/access_token)")" true
		fake "await/exchange/$((i + 1))/10"
	done
	equal "$(fake log | jq '[.[] | select(.grant == "exchange").form.subject_token] | unique | length > 2')" true
	equal "$(fake_count devicecode)" 1
}

@test "X3: the subject's refresh token is dead: EKEYEXPIRED, whose it is is said, and a login mends both" {
	fake_set '{"expires_in": 3}'
	person_and_gateway
	logs_in
	reads gateway/access_token
	fake kill_grants -X POST
	eventually 12 gateway_opens_as EKEYEXPIRED
	matches "$(meta gateway/access_token .last_error.message)" 'iam2/access_token.*log in again'
	equal "$(errno_of open iam2/access_token)" EKEYEXPIRED
	logs_in
	eventually 8 reads gateway/access_token
	equal "$(active "$(token gateway/access_token)")" true
}

@test "X3 2.4: the policy says no: EACCES; the user has something to sign: EACCES; and afterwards it works" {
	person_and_gateway
	logs_in
	fake_set '{"exchange": false}'
	equal "$(errno_of open gateway/access_token)" EACCES
	matches "$(meta gateway/access_token .last_error.message)" access_denied
	fake_set '{"exchange": true, "aup": true}'
	reload
	eventually 5 gateway_opens_as EACCES
	matches "$(meta gateway/access_token .last_error.message)" 'policy'
	fake_set '{"aup": false}'
	reload
	eventually 5 reads gateway/access_token
	reads iam2/access_token
}

@test "X1: tokens that are made of each other are EINVAL, and nobody is asked" {
	local name of
	for of in one:one one:two,two:one one:two,two:three,three:one; do
		config < <(for name in ${of//,/ }; do
			gateway | sed "s/^\[gateway\]/[${name%:*}]/; s,iam2/access_token,${name#*:}/access_token,"
		done)
		mount_start
		for name in ${of//,/ }; do
			equal "$of: $(errno_of open "${name%:*}/access_token")" "$of: EINVAL"
		done
		matches "$(meta one/access_token .last_error.message)" 'it waits for this very token'
		mount_stop
		rm -rf "$STATE"
	done
	equal "$(fake_count)" 0
}

# --- the client that was registered

@test "G6: a registered client is removed by who says so, and by nothing else; another one comes after" {
	local first
	config <<<"$(account 'register = yes' 'scope = openid offline_access')"
	mount_start
	person
	first=$(sent devicecode .form.client_id)
	timeout -k 1 20 rm "$MNT/iam/access_token"
	reload
	kill_worker
	mount_stop
	config <<<$'[own]\ntype = local'
	mount_start
	mount_stop
	config <<<"$(account 'register = yes' 'scope = openid offline_access')"
	mount_start
	person
	equal "$(sent devicecode .form.client_id)" "$first"
	equal "$(fake_count unregister)" 0
	fake_set '{"registration": "busy"}'
	equal "$(errno_of write .control '{"do": "unregister", "provider": "iam"}')" EAGAIN
	reads iam/access_token
	fake_set '{"registration": "ok"}'
	removed() { [ "$(errno_of write .control '{"do": "unregister", "provider": "iam"}')" = OK ]; }
	eventually 20 removed
	equal "$(fake clients | jq "any(.client_id == $first)")" false
	equal "$(errno_of write .control '{"do": "unregister", "provider": "iam"}')" ENOENT
	equal "$(errno_of write .control '{"do": "unregister", "provider": "nobody"}')" ENOENT
	equal "$(errno_of open iam/access_token)" ENOKEY
	person
	refuse equal "$(sent devicecode .form.client_id)" "$first"
	equal "$(fake_count register)" 2
}
