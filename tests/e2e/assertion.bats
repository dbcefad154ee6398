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

# keyed NAME: a section whose client signs with the RSA key in $T/key.pem
keyed() {
	printf '%s\n' "[$1]" 'type = oauth2' "token-url = $FAKE/token" 'client-id = client' \
		'client-auth = private_key_jwt' "client-key-file = $T/key.pem" 'prefetch = no'
}

decoded() { # BASE64URL
	local text
	text=$(tr -- '-_' '+/' <<<"$1")
	while ((${#text} % 4)); do text+='='; done
	base64 -d <<<"$text"
}

# verified ASSERTION: its claims, when the public key takes the signature
verified() {
	local header claims signature
	IFS=. read -r header claims signature <<<"$1"
	decoded "$signature" >"$T/signature"
	printf '%s.%s' "$header" "$claims" |
		openssl dgst -sha256 -verify "$T/public.pem" -signature "$T/signature" >/dev/null
	decoded "$claims"
}

@test "J1: a client proves itself by an assertion that its public key verifies, a new one each time" {
	local name claims
	(umask 077 && openssl genrsa -out "$T/key.pem" 2048 2>/dev/null)
	openssl rsa -in "$T/key.pem" -pubout -out "$T/public.pem" 2>/dev/null
	config <<<"$(keyed iam; printf '[iam/%s]\nscope = read\n' one two)"
	mount_start
	for name in one two; do token "iam/$name" >/dev/null; done
	equal "$(fake log | jq -r '.[].form | has("client_secret")' | sort -u)" false
	equal "$(fake log | jq -r '.[].headers.Authorization')" $'null\nnull'
	while read -r name; do
		claims=$(verified "$name")
		equal "$(jq -r '[.iss, .sub, .aud] | join(" ")' <<<"$claims")" \
			"client client $FAKE/token"
		jq -e --argjson now "$EPOCHSECONDS" \
			'.iat <= $now and .exp > $now and .exp <= $now + 60' <<<"$claims"
		jq -r .jti <<<"$claims" >>"$T/ids"
	done < <(fake log | jq -r '.[].form.client_assertion')
	equal "$(sort -u "$T/ids" | wc -l)" 2
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
