#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Tokens that are made here: the type `local`.

load common

setup() {
	begin
	config <<'EOT'
[here]
type = local
issuer = issuer.example
audience = https://api.example
lifetime = 2m
[here/second]
subject = somebody
audience = a b
EOT
	mount_start
}

teardown() {
	finish
}

part() { # TOKEN NUMBER: header (1) or claims (2), decoded
	cut -d. -f"$2" <<<"$1" | python3 -c '
import base64, sys
text = sys.stdin.read().strip()
sys.stdout.write(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode())'
}

# verify TOKEN JWKS: the signature, with the key that the token names.
verify() {
	python3 - "$1" "$2" "$T" <<'PY'
import base64, json, sys
def raw(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
token, jwks, directory = sys.argv[1:]
head, claims, signature = token.split(".")
header = json.loads(raw(head))
assert header["alg"] == "EdDSA", header
key = next(key for key in json.load(open(jwks))["keys"] if key["kid"] == header["kid"])
assert key["kty"] == "OKP" and key["crv"] == "Ed25519" and "d" not in key, key
for name, content in (
        # SubjectPublicKeyInfo of an Ed25519 key: RFC 8410.
        ("key.der", bytes.fromhex("302a300506032b6570032100") + raw(key["x"])),
        ("signed", f"{head}.{claims}".encode()), ("signature", raw(signature))):
    with open(f"{directory}/{name}", "wb") as file:
        file.write(content)
PY
	openssl pkeyutl -verify -pubin -keyform DER -inkey "$T/key.der" -rawin -in "$T/signed" \
		-sigfile "$T/signature"
}

@test "a token is a JWT that verifies against .jwks" {
	local value
	value=$(token here/access_token)
	token here/.jwks >"$T/jwks"
	jq -e '.keys | length == 1' "$T/jwks"
	verify "$value" "$T/jwks"
}

@test "a token that was changed does not verify" {
	local value
	value=$(token here/access_token)
	token here/.jwks >"$T/jwks"
	refuse verify "${value%%.*}.$(printf '{"sub":"root"}' | base64 -w0 | tr -d =).${value##*.}" \
		"$T/jwks"
}

@test "its claims are those of the configuration" {
	part "$(token here/access_token)" 2 >"$T/claims"
	jq -e '.iss == "issuer.example" and .aud == "https://api.example"' "$T/claims"
	jq -e '.sub == "here/access_token" and .exp - .iat == 120 and (.jti | length > 10)' "$T/claims"
	jq -e '(now - .iat) | . > -2 and . < 30' "$T/claims"
	part "$(token here/second)" 2 | jq -e '.sub == "somebody" and .aud == ["a", "b"]'
}

@test "a document asks for other claims, but not for another issuer" {
	put here/ci '{"subject": "ci", "lifetime": 60, "claims": {"role": "builder", "n": [1, 2]}}'
	part "$(token here/ci)" 2 | jq -e '.sub == "ci" and .role == "builder" and .n == [1, 2]'
	equal "$(errno_of create here/evil '{"claims": {"iss": "somebody-else"}}')" EINVAL
	refuse test -e "$MNT/here/evil"
}

@test "the key stays over a restart" {
	token here/access_token
	token here/.jwks >"$T/jwks"
	mount_stop
	mount_start
	token here/.jwks | cmp - "$T/jwks"
	verify "$(token here/access_token)" "$T/jwks"
}

@test "rm makes a new token at the next read" {
	local first
	first=$(token here/access_token)
	timeout -k 1 20 rm "$MNT/here/access_token"
	refuse equal "$(token here/access_token)" "$first"
}

@test "modes: .jwks is for everybody" {
	equal "$(stat -c %a "$MNT/here/.jwks")" 444
}
