#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Clients that sign who they are, and tokens that are given for others.

load common

setup() {
	begin
	fake_start
}

teardown() {
	finish
}

# new_key RS256|ES256: a pair in $T/key.pem and $T/public.pem
new_key() {
	local kind=(RSA -pkeyopt rsa_keygen_bits:2048)
	[ "$1" = RS256 ] || kind=(EC -pkeyopt ec_paramgen_curve:prime256v1)
	(umask 077 && openssl genpkey -algorithm "${kind[@]}" -out "$T/key.pem" 2>/dev/null)
	openssl pkey -in "$T/key.pem" -pubout -out "$T/public.pem"
}

# The server takes what this key has signed, and nothing else.
server_knows() { # FILE
	fake_set "$(jq -Rs '{client_key: .}' "$1")"
}

# keyed NAME [LINE…]: a section whose client signs with the key in $T/key.pem
keyed() {
	local name=$1
	shift
	printf '%s\n' "[$name]" 'type = oauth2' "token-url = $FAKE/token" "revocation-url = $FAKE/revoke" \
		'client-id = client' 'client-auth = private_key_jwt' "client-key-file = $T/key.pem" \
		'prefetch = no' "$@"
}

# account_of ALGORITHM: a section whose client signs so, and a server that knows it
account_of() {
	local secret=shared-by-both-and-of-32-bytes-at-least
	if [ "$1" = HS256 ]; then
		fake_set "{\"client_key\": null, \"client_secret\": \"$secret\"}"
		provider iam client_credentials 'client-auth = client_secret_jwt'
		secret client "$secret" >/dev/null
	else
		new_key "$1"
		server_knows "$T/public.pem"
		keyed iam 'client-key-id = one'
	fi
}

decoded() { # BASE64URL
	jq -Rr 'gsub("-"; "+") | gsub("_"; "/") | @base64d' <<<"$1"
}

assertions() { # that were sent
	fake log | jq -r '.[].form.client_assertion'
}

@test "J1 J2 J4 J5: a client proves itself by assertions that the server verifies: RS256, ES256, HS256" {
	local how name header claims now
	for how in RS256 ES256 HS256; do
		echo "-- $how"
		fake reset -X POST
		account_of $how >"$T/account"
		config < <(cat "$T/account"; printf '[iam/%s]\nscope = read\n' one two)
		mount_start
		for name in one two; do token "iam/$name" >/dev/null; done
		timeout -k 1 20 rm "$MNT/iam/two"
		equal "$(fake tokens | jq -c '[.[-2:][].active]')" '[true,false]'
		equal "$(fake log | jq -r '[.[].kind] | join(" ")')" 'token token revoke'
		equal "$(fake log | jq -c '[.[] | .form.client_secret, .headers.Authorization] | unique')" '[null]'
		now=$EPOCHSECONDS
		assertions >"$T/sent"
		while IFS=. read -r header claims _; do
			equal "$(decoded "$header" | jq -r .alg)" $how
			decoded "$claims" | jq -e --argjson now "$now" --arg aud "$FAKE/token" \
				'.iss == "client" and .sub == "client" and .aud == $aud and .iat <= $now
				and .exp > $now and .exp <= $now + 60'
		done <"$T/sent"
		equal "$(cut -d. -f2 "$T/sent" | while read -r claims; do decoded "$claims" | jq -r .jti; done |
			sort -u | wc -l)" 3
		mount_stop
		rm -rf "$STATE"
	done
}

@test "J1: a key that the server does not know is EKEYREJECTED, after one attempt; what it quotes is nowhere" {
	local how
	for how in RS256 ES256 HS256; do
		echo "-- $how"
		fake reset -X POST
		config <<<"$(account_of $how)"
		if [ $how = HS256 ]; then
			fake_set '{"client_secret": "another-secret-that-has-32-bytes-too"}'
		else
			cp "$T/key.pem" "$T/mine.pem"
			new_key $how
			mv "$T/mine.pem" "$T/key.pem"
			server_knows "$T/public.pem"
		fi
		mount_start
		equal "$(probe repeat 50 open "$MNT/iam/access_token")" '50 EKEYREJECTED'
		equal "$(fake_count all)" 1
		matches "$(token iam/.status)" "refused the client's assertion \(invalid_client\)"
		assertions | look_everywhere -
		mount_stop
		rm -rf "$STATE"
	done
}

@test "J1: another key, and a reload, mend it" {
	new_key ES256
	server_knows "$T/public.pem"
	mv "$T/key.pem" "$T/good.pem"
	new_key ES256
	config <<<"$(keyed iam)"
	mount_start
	equal "$(errno_of open iam/access_token)" EKEYREJECTED
	cp "$T/good.pem" "$T/key.pem"
	reload
	eventually 5 reads iam/access_token
}

@test "J3: the client speaks for a user, and somebody else's assertion goes out as it is" {
	local claims
	new_key ES256
	server_knows "$T/public.pem"
	config < <(
		printf '%s\n' '[robot]' 'type = oauth2' "token-url = $FAKE/token" 'client-id = robot' \
			'client-auth = none' "client-key-file = $T/key.pem" 'grant = jwt_bearer' \
			'user = alice' 'prefetch = no'
		printf '%s\n' '[given]' 'type = oauth2' "token-url = $FAKE/token" 'client-id = robot' \
			'client-auth = none' 'grant = jwt_bearer' 'prefetch = no' \
			"subject-token-file = $T/given.secret"
	)
	secret given nonsense >/dev/null
	mount_start
	reads robot/access_token
	claims=$(decoded "$(fake log | jq -r '.[-1].form.assertion' | cut -d. -f2)")
	equal "$(jq -r '[.iss, .sub, .aud] | join(" ")' <<<"$claims")" "robot alice $FAKE/token"
	equal "$(errno_of open given/access_token)" EKEYREJECTED
	equal "$(errno_of open given/access_token)" EKEYREJECTED
	equal "$(fake log | jq '[.[] | select(.form.assertion == "nonsense")] | length')" 1
	fake log | jq -r '.[].form.assertion' | look_everywhere -
}

@test "J1: a key with a password is EINVAL, .status says it, and nobody is asked" {
	(umask 077 && openssl genrsa -aes256 -passout pass:x -out "$T/key.pem" 2048 2>/dev/null)
	config <<<"$(keyed iam)"
	mount_start
	equal "$(errno_of open iam/access_token)" EINVAL
	matches "$(token iam/.status)" 'client-key of iam is protected by a password'
	equal "$(fake_count all)" 0
}

@test "X1: the token in a file is exchanged for one that is read as any other" {
	config <<<"$(provider iam 'token_exchange' "subject-token-file = $(secret subject SUBJECT-1)")"
	mount_start
	token iam/access_token
	matches "$(token iam/.headers/access_token)" '^Authorization: Bearer '
	equal "$(fake log | jq -r '.[0].form.subject_token')" SUBJECT-1
	equal "$(fake_count)" 1
}

@test "X2: what is no access token is a file, but makes no header, also after a new mount" {
	config <<<"$(provider iam 'token_exchange' 'requested-token-type = id_token' \
		"subject-token-file = $(secret subject SUBJECT-1)")"
	mount_start
	equal "$(errno_of open iam/.headers/access_token)" ENOTSUP
	[ -n "$(token iam/access_token)" ]
	equal "$(meta iam/access_token .token_type)" N_A
	equal "$(errno_of open iam/.headers/access_token)" ENOTSUP
	equal "$(timeout -k 1 10 ls "$MNT/iam/.headers")" access_token
	mount_stop
	mount_start
	[ -n "$(token iam/access_token)" ]
	equal "$(errno_of open iam/.headers/access_token)" ENOTSUP
	equal "$(fake_count)" 1
}

@test "X1: the token of another provider is fetched, and exchanged" {
	config < <(
		provider me client_credentials
		provider service token_exchange 'subject-token = me/access_token'
	)
	mount_start
	token service/access_token
	equal "$(fake log | jq -r '.[1].form.subject_token')" "$(token me/access_token)"
	equal "$(fake_count)" 2
}

@test "X1: tokens that need each other over another name of the same account are refused at once" {
	config < <(
		provider one token_exchange 'subject-token = two/extra' 'timeout = 6s'
		provider two token_exchange 'subject-token = one/access_token' 'timeout = 6s'
		printf '%s\n' '[two/extra]' 'scope = extra'
	)
	mount_start
	equal "$(errno_of open two/access_token)" EINVAL
	matches "$(meta two/access_token .last_error.message)" 'waits for this very token'
	equal "$(errno_of open one/access_token)" EINVAL
	equal "$(fake_count)" 0
}

@test "X3: a subject in a file that is refused is asked for once; another one in its place at once" {
	config < <(
		provider iam token_exchange "subject-token-file = $(secret subject bad)"
		printf '%s\n' '[iam/other]' 'scope = read'
	)
	fake_set '{"mode": "invalid_grant"}'
	mount_start
	equal "$(probe repeat 50 open "$MNT/iam/access_token")" '50 EKEYREJECTED'
	equal "$(fake_count)" 1
	matches "$(token iam/.status)" 'refused the subject-token'
	fake_set '{"mode": "ok"}'
	token iam/other
	equal "$(errno_of open iam/access_token)" EKEYREJECTED
	equal "$(fake_count)" 2
	secret subject good >/dev/null
	token iam/access_token
	equal "$(fake log | jq -r '.[-1].form.subject_token')" good
	fake log | jq -r '.[].form.subject_token' | sort -u | sed 's/^/"/; s/$/"/' | look_everywhere -
}

@test "X3: the token of a slot that is refused is asked for once; after its renewal it is tried at once" {
	config < <(
		provider me client_credentials
		provider service token_exchange 'subject-token = me/access_token'
	)
	mount_start
	token me/access_token
	fake_set '{"mode": "invalid_grant"}'
	equal "$(probe repeat 50 open "$MNT/service/access_token")" '50 EKEYREJECTED'
	equal "$(fake_count)" 2
	fake_set '{"mode": "ok"}'
	equal "$(errno_of open service/access_token)" EKEYREJECTED
	timeout -k 1 20 rm "$MNT/me/access_token"
	token service/access_token
	equal "$(fake log | jq -r '[.[] | select(.kind == "token")][-1].form.subject_token')" \
		"$(token me/access_token)"
	equal "$(fake_count)" 4
}
