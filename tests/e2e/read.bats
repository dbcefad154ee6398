#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What a reader sees: the token and its facets.

load common

setup() {
	begin
	fake_start
}

teardown() {
	finish
}

iem() { # [LINE…]
	config <<<"$(provider iem client_credentials 'scope = read write' "$@")"
	mount_start
}

issued() { # the value of the newest token that the server gave
	fake tokens | jq -r '.[-1].access_token'
}

@test "reading a token fetches it, and is the token without a newline" {
	iem
	token iem/access_token >"$T/value"
	printf %s "$(issued)" | cmp - "$T/value"
	equal "$(fake_count)" 1
}

@test "newline = yes ends a token with one" {
	iem 'newline = yes'
	token iem/access_token >"$T/value"
	printf '%s\n' "$(issued)" | cmp - "$T/value"
	equal "$(probe exact "$MNT/iem/access_token")" "$(issued)"
}

@test "exactly st_size bytes, mmap, sendfile and one byte at a time all give the whole token" {
	iem
	equal "$(probe exact "$MNT/iem/access_token")" "$(issued)"
	equal "$(probe mmap "$MNT/iem/access_token")" "$(issued)"
	equal "$(probe sendfile "$MNT/iem/access_token")" "$(issued)"
	equal "$(probe pieces "$MNT/iem/access_token")" "$(issued)"
	equal "$(fake_count)" 1
}

@test "a cold token opens with its true size, as Node and mmap want it" {
	iem
	fake_set '{"length": 6200}'
	equal "$(probe exact "$MNT/iem/access_token" | wc -c)" 6201
	errno_of unlink iem/access_token
	fake_set '{"length": 900}'
	equal "$(probe mmap "$MNT/iem/access_token" | wc -c)" 901
}

@test "a token of 60 kB is whole" {
	iem
	fake_set '{"length": 60000}'
	equal "$(token iem/access_token)" "$(issued)"
	equal "$(stat -c %s "$MNT/iem/access_token")" 60000
}

@test "node reads it" {
	command -v node >/dev/null || skip 'node is not installed'
	iem
	equal "$(timeout -k 1 30 node -p 'require("fs").readFileSync(process.argv[1], "utf8")' \
		"$MNT/iem/access_token")" "$(issued)"
}

@test ".meta tells about a token, and is never the token" {
	iem
	token iem/.meta/access_token | jq -e '.state == "cold" and .expires_at == null'
	token iem/access_token
	token iem/.meta/access_token >"$T/meta"
	jq -e '.provider == "iem" and .name == "access_token" and .type == "oauth2"' "$T/meta"
	jq -e '.state == "hot" and .scope == "read write" and .last_error == null' "$T/meta"
	jq -e '.token_type | ascii_downcase == "bearer"' "$T/meta"
	jq -e '.generation >= 1 and has("renew_at") and has("audience") and has("id")' "$T/meta"
	jq -e '(.expires_at | fromdate) - (.issued_at | fromdate) == 300' "$T/meta"
	refuse grep -qF "$(issued)" "$T/meta"
}

@test ".headers are what curl -H @FILE sends, and the resource takes it" {
	iem
	printf 'Authorization: Bearer %s\n' "$(token iem/access_token)" >"$T/expected"
	token iem/.headers/access_token | cmp - "$T/expected"
	timeout -k 1 20 curl -fsS -H "@$MNT/iem/.headers/access_token" "$FAKE/resource"
	equal "$(fake log | jq -r '.[-1].headers.Authorization')" "Bearer $(issued)"
}

@test ".headers and .env of a cold token fetch it" {
	iem
	timeout -k 1 20 curl -fsS -H "@$MNT/iem/.headers/access_token" "$FAKE/resource"
	equal "$(fake_count)" 1
	equal "$(token iem/.env/access_token)" "ACCESS_TOKEN=$(issued)"
	equal "$(fake_count)" 1
}

@test ".env is sourced by a shell, under the name of the configuration" {
	iem 'env = IEM_TOKEN'
	token iem/access_token
	equal "$(timeout -k 1 20 sh -c 'set -a; . "$1"; sh -c "echo \$IEM_TOKEN"' sh \
		"$MNT/iem/.env/access_token")" "$(issued)"
}

@test "sizes: a token's, .headers' and .env's are true, rendered files have none" {
	local path
	iem
	token iem/access_token
	for path in iem/access_token iem/.headers/access_token iem/.env/access_token; do
		equal "$(stat -c %s "$MNT/$path")" "$(token "$path" | wc -c)"
	done
	for path in iem/.meta/access_token iem/.status .status .metrics; do
		equal "$(stat -c %s "$MNT/$path")" 0
		[ "$(token "$path" | wc -c)" -gt 2 ]
	done
}

@test "modes: tokens are the owner's, what tells about them is everybody's" {
	iem
	mode() { stat -c %a "$MNT/$1"; }
	equal "$(mode .)" 755
	equal "$(mode iem)" 700
	equal "$(mode iem/access_token)" 600
	equal "$(mode iem/.headers/access_token)" 600
	equal "$(mode iem/.env/access_token)" 600
	equal "$(mode iem/.meta/access_token)" 444
	equal "$(mode iem/.status)" 444
	equal "$(mode .status)" 444
	equal "$(mode .metrics)" 444
	equal "$(mode .control)" 600
}

@test "mtime is when the token was issued" {
	iem
	token iem/access_token
	equal "$(stat -c %Y "$MNT/iem/access_token")" \
		"$(meta iem/access_token '.issued_at | fromdate')"
}

@test "extended attributes mirror .meta" {
	iem
	token iem/access_token
	equal "$(errno_of xattr iem/access_token user.token.state)" hot
	equal "$(errno_of xattr iem/access_token user.token.expires_at)" \
		"$(meta iem/access_token .expires_at)"
	matches "$(probe xattrs "$MNT/iem/access_token")" 'user\.token\.expires_at'
	equal "$(errno_of xattr iem/access_token user.token.nothing)" ENODATA
	refuse equal "$(errno_of setxattr iem/access_token user.token.state)" OK
}

@test "ls lists tokens, ls -a what tells about them too" {
	config <<<"$(provider iem client_credentials)"$'\n[iem/one]\nscope = one'
	mount_start
	equal "$(timeout -k 1 10 ls "$MNT/iem")" $'access_token\none'
	equal "$(timeout -k 1 10 ls -A "$MNT/iem")" $'.env\n.headers\n.meta\n.status\naccess_token\none'
	equal "$(timeout -k 1 10 ls "$MNT/iem/.meta")" $'access_token\none'
	equal "$(timeout -k 1 10 ls "$MNT")" iem
}

@test "a declared slot has its own scope and audience, and its own token" {
	config <<<"$(provider iem client_credentials 'scope = all' 'audience-style = audience')
[iem/storage]
scope = storage.read:/a storage.write:/b
audience = https://storage.example.org"
	mount_start
	token iem/storage
	equal "$(fake log | jq -r '.[-1].form | .scope, .audience')" \
		$'storage.read:/a storage.write:/b\nhttps://storage.example.org'
	token iem/access_token
	equal "$(fake log | jq -r '.[-1].form.scope')" all
	refuse equal "$(token iem/storage)" "$(token iem/access_token)"
}

@test "a server that says nothing of a lifetime is believed for a while" {
	iem
	fake_set '{"expires_in": null}'
	token iem/access_token
	meta iem/access_token '.state == "hot" and .expires_at != null' | grep -qx true
}

@test "a token that is a JWT tells its end by itself" {
	local early
	iem
	fake_set '{"expires_in": null, "token": "jwt"}'
	token iem/access_token
	# by the server's clock, which tells whole seconds, from when the request was sent
	early=$(($(token iem/access_token | cut -d. -f2 | base64 -di 2>/dev/null | jq .exp) -
		$(meta iem/access_token '.expires_at | fromdate')))
	[ "$early" -ge 0 ]
	[ "$early" -le 2 ]
}

@test "discovery: OpenID, and RFC 8414 where that is missing; asked once" {
	local style
	for style in openid oauth; do
		fake reset -X POST
		fake_set "{\"discovery\": \"$style\"}"
		STATE=$T/state-$style
		config <<<"$(provider iem client_credentials | sed -e '/-url/d')"$'\n'"issuer = $FAKE"
		mount_start
		token iem/access_token
		errno_of unlink iem/access_token
		token iem/access_token
		equal "$(fake_count)" 2
		equal "$(fake_count revoke)" 1
		[ "$(fake_count discovery)" -le 2 ]
		mount_stop
	done
}

@test "discovery: a document of another issuer is not believed" {
	fake_set '{"discovery": "wrong_issuer"}'
	config <<<"$(provider iem client_credentials | sed -e '/-url/d')"$'\n'"issuer = $FAKE"
	mount_start
	equal "$(errno_of open iem/access_token)" EPROTO
	equal "$(fake_count)" 0
}

@test "client-auth: basic is encoded, basic-raw is not, post and none use the body" {
	local way secret='a+b%c&d e'
	config < <(
		for way in basic basic-raw post; do
			provider $way client_credentials "client-auth = $way"
		done
		# client_credentials is for clients that have a secret (RFC 6749 section 4.4)
		password_provider none alice-password 'client-auth = none' | sed /^client-secret/d
	)
	secret client "$secret" >/dev/null
	mount_start
	for way in basic basic-raw post none; do
		token $way/access_token
		fake log | jq '.[-1]' >"$T/$way"
	done
	header() { jq -r '.headers.Authorization // "none"' "$T/$1"; }
	equal "$(header basic)" "Basic $(printf 'client:a%%2Bb%%25c%%26d+e' | base64 -w0)"
	equal "$(header basic-raw)" "Basic $(printf 'client:%s' "$secret" | base64 -w0)"
	equal "$(header post)" none
	equal "$(jq -r '.form.client_secret' "$T/post")" "$secret"
	equal "$(header none)" none
	jq -e '.form.client_id == "client" and (.form | has("client_secret") | not)' "$T/none"
	jq -e '.form | has("client_secret") | not' "$T/basic"
}

@test "static: the token as it is; rm and writing are not possible" {
	config <<<$'[fixed]\ntype = static\n'"token-file = $(secret fixed static-token-1)"
	mount_start
	equal "$(token fixed/access_token)" static-token-1
	equal "$(errno_of unlink fixed/access_token)" ENOTSUP
	equal "$(errno_of write fixed/access_token '{"access_token": "other"}')" ENOTSUP
	equal "$(token fixed/access_token)" static-token-1
}

@test "audit = yes: an open is logged with who and what, and without the token" {
	config <<<"audit = yes
$(provider iem client_credentials)"
	mount_start
	token iem/access_token
	eventually 5 grep -E 'cat.*access_token|access_token.*cat' "$LOG"
	refuse grep -qF "$(issued)" "$LOG"
}
