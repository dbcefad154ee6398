#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# glewlwyd.sh: a real authorization server for the tests, on loopback, alone in one directory.
#
#	glewlwyd.sh start DIR [http|https]	writes DIR/env, to be sourced
#	glewlwyd.sh stop DIR
#	glewlwyd.sh approve DIR ISSUER CODE	alice agrees to a device code of an issuer, by its page
#
# The environment says how long things live: AT_TTL (access tokens, 8 s), RT_TTL (refresh tokens,
# 3600 s), DEVICE_TTL (device codes, 120 s). The package is expected to be installed.
#
# Two issuers stand in it: `oidc`, whose refresh token stays, and `rot`, whose refresh tokens work
# once; a second use of one ends the whole chain.
set -euo pipefail

fail() {
	printf 'glewlwyd.sh: %s\n' "$*" >&2
	exit 1
}

usage() {
	fail 'usage: glewlwyd.sh start DIR [http|https] | stop DIR | approve DIR ISSUER CODE'
}

# A process is known by its pid and the tick it was born at: pids come back.
born() {
	sed -n 's/^.*) [^Z] //p' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f19
}

alive() {
	local pid birth
	[ -s "$dir/pid" ] || return 1
	read -r pid birth <"$dir/pid"
	[ -n "$birth" ] && [ "$(born "$pid")" = "$birth" ]
}

stop() {
	local pid left=100
	if alive; then
		read -r pid _ <"$dir/pid"
		kill "$pid"
		while alive && [ $((left -= 1)) -gt 0 ]; do sleep 0.05; done
		! alive || kill -KILL "$pid"
	fi
	rm -f "$dir/pid"
}

free_port() {
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

make_certificates() {
	local key=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)

	openssl req -x509 "${key[@]}" -days 2 -subj '/CN=tokenfs test authority' \
		-addext 'keyUsage=critical,keyCertSign' -keyout "$dir/ca.key" -out "$dir/ca.pem"
	openssl req "${key[@]}" -subj /CN=localhost -keyout "$dir/tls.key" -out "$dir/tls.csr"
	openssl x509 -req -days 2 -in "$dir/tls.csr" -CA "$dir/ca.pem" -CAkey "$dir/ca.key" \
		-CAcreateserial -out "$dir/tls.pem" \
		-extfile <(echo 'subjectAltName=DNS:localhost,IP:127.0.0.1')
} 2>/dev/null

write_configuration() {
	local lib=/usr/lib/glewlwyd secure=false
	[ "$mode" = http ] || secure=true

	cat <<-CONF
		port = $port
		bind_address = "127.0.0.1"
		external_url = "$base"
		login_url = "login.html"
		api_prefix = "api"
		static_files_path = "/usr/share/glewlwyd/webapp/"
		cookie_domain = "$host"
		cookie_secure = 0
		session_expiration = 3600
		session_key = "tokenfs_test"
		log_mode = "file"
		log_level = "INFO"
		log_file = "$dir/glewlwyd.log"
		admin_scope = "g_admin"
		profile_scope = "g_profile"
		admin_session_authentication = "cookie,api_key"
		hash_algorithm = "SHA512"
		user_module_path = "$lib/user"
		client_module_path = "$lib/client"
		user_auth_scheme_module_path = "$lib/scheme"
		plugin_module_path = "$lib/plugin"
		use_secure_connection = $secure
		secure_connection_key_file = "$dir/tls.key"
		secure_connection_pem_file = "$dir/tls.pem"
		database = { type = "sqlite3" path = "$dir/glewlwyd.db" };
	CONF
}

wait_until_it_answers() {
	local left=200
	until "${curl[@]}" -f --max-time 2 -o /dev/null "$base/config" 2>/dev/null; do
		alive || fail "the server ended, see $dir/output"
		[ $((left -= 1)) -gt 0 ] || fail "no answer from $base"
		sleep 0.05
	done
}

# rest METHOD PATH: sends the JSON of standard input as the administrator.
rest() {
	local status
	status=$("${curl[@]}" -X "$1" -H "Authorization: token $admin" -H 'Content-Type: application/json' \
		-d @- -o "$dir/answer" -w '%{http_code}' "$base/api/$2")
	[ "$status" = 200 ] || fail "$1 $2: $status $(head -c 300 "$dir/answer")"
}

log_in_as_administrator() {
	local jar=$dir/jar

	"${curl[@]}" -f -c "$jar" -H 'Content-Type: application/json' -o /dev/null \
		-d '{"username": "admin", "password": "password"}' "$base/api/auth/"
	admin=$("${curl[@]}" -f -b "$jar" -X POST "$base/api/key/" | jq -er .key)
	rm -f "$jar"
}

add_scopes_and_user() {
	local scope
	for scope in api.read api.write tokens.manage; do
		jq -n --arg name "$scope" '{name: $name, display_name: $name, description: $name,
			password_required: false, scheme: {}}' | rest POST scope/
	done
	jq -n '{username: "alice", password: "alice-pw-1", name: "Alice", email: "alice@localhost",
		enabled: true, scope: ["g_profile", "openid", "api.read", "api.write"]}' | rest POST user/
}

# add_issuer NAME always|never: whether refresh tokens work once
add_issuer() {
	jq -n --arg name "$1" --arg once "$2" --arg iss "$base/api/$1" \
		--argjson access "${AT_TTL:-8}" --argjson refresh "${RT_TTL:-3600}" \
		--argjson device "${DEVICE_TTL:-120}" \
		--rawfile private "$dir/sign.key" --rawfile public "$dir/sign.pub" '
	def on(names): [names | {key: ., value: true}] | from_entries;
	{module: "oidc", name: $name, display_name: $name, enabled: true, parameters: (
		on("auth-type-code-enabled", "auth-type-token-enabled", "auth-type-id-token-enabled",
		   "auth-type-none-enabled", "auth-type-password-enabled", "auth-type-client-enabled",
		   "auth-type-device-enabled", "auth-type-refresh-enabled",
		   "auth-type-code-revoke-replayed", "refresh-token-rolling", "allow-non-oidc",
		   "introspection-revocation-allowed", "introspection-revocation-allow-target-client",
		   "register-client-allowed", "register-client-management-allowed",
		   "pkce-allowed", "jwks-show", "resource-allowed", "oauth-dpop-allowed")
		+ {iss: $iss, "jwt-type": "ecdsa", "jwt-key-size": "256", key: $private, cert: $public,
		   "access-token-duration": $access, "refresh-token-duration": $refresh,
		   "refresh-token-one-use": $once, "code-duration": 60,
		   "device-authorization-expiration": $device, "device-authorization-interval": 1,
		   "allowed-scope": ["openid", "api.read", "api.write"], "subject-type": "public",
		   "introspection-revocation-auth-scope": ["tokens.manage"],
		   "register-client-auth-scope": [], "register-client-credentials-scope": ["api.read"],
		   "resource-scope": {"api.read": ["https://api.example/"]},
		   "resource-client-property": "resource", "resource-scope-and-client-property": false,
		   "oauth-dpop-iat-duration": 30})}' | rest POST mod/plugin/
}

# add_client ID METHOD [SECRET]: without a secret it is a public one
add_client() {
	jq -n --arg id "$1" --arg method "$2" --arg secret "${3-}" '
	{client_id: $id, name: $id, enabled: true, confidential: ($secret != ""),
	 redirect_uri: ["http://localhost:4242"], token_endpoint_auth_method: [$method],
	 authorization_type: ["code", "password", "client_credentials", "refresh_token",
			      "device_authorization", "delete_token"],
	 scope: ["api.read", "api.write", "tokens.manage"]}
	| if $secret != "" then . + {client_secret: $secret} else . end' | rest POST client/
}

write_environment() {
	local ca=
	[ "$mode" = http ] || ca=$dir/ca.pem

	cat <<-ENV
		BASE=$base
		ISS=$base/api/oidc
		ISS_ROT=$base/api/rot
		CLIENT=conf
		SECRET=conf-secret
		CLIENT_POST=confpost
		SECRET_POST=confpost-secret
		CLIENT_PUBLIC=pub
		USER_NAME=alice
		USER_PW=alice-pw-1
		AT_TTL=${AT_TTL:-8}
		CA=$ca
	ENV
}

start() {
	mkdir -p "$dir"
	chmod 700 "$dir"
	dir=$(cd "$dir" && pwd)
	stop
	port=$(free_port)
	host=localhost
	curl=(curl -sS --noproxy '*')
	if [ "$mode" = https ]; then
		make_certificates
		curl+=(--cacert "$dir/ca.pem")
	fi
	base=$mode://$host:$port

	rm -f "$dir/glewlwyd.db"
	zcat /usr/share/doc/glewlwyd/database/init.sqlite3.sql.gz | sqlite3 "$dir/glewlwyd.db"
	openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:prime256v1 -out "$dir/sign.key"
	openssl pkey -in "$dir/sign.key" -pubout -out "$dir/sign.pub"
	write_configuration >"$dir/glewlwyd.conf"

	# Descriptor 3 is the test runner's: a server that keeps it keeps the runner waiting.
	setsid glewlwyd --config-file="$dir/glewlwyd.conf" </dev/null >"$dir/output" 2>&1 3>&- &
	pid=$!
	printf '%s %s\n' "$pid" "$(born "$pid")" >"$dir/pid"

	wait_until_it_answers
	log_in_as_administrator
	add_scopes_and_user
	add_issuer oidc never
	add_issuer rot always
	add_client conf client_secret_basic conf-secret
	add_client confpost client_secret_post confpost-secret
	add_client pub none
	rm -f "$dir/answer"
	write_environment >"$dir/env"
}

# --- what a person does

# Where the page of a device code sends the browser next.
device_page() { # MORE
	"${curl[@]}" -b "$jar" -o /dev/null -w '%{redirect_url}' "$device_url$1"
}

parameter() { # URL NAME
	sed -n "s/.*[?&]$2=\([^&]*\).*/\1/p" <<<"$1" | tr + ' '
}

approve() { # ISSUER CODE
	local next
	# shellcheck source=/dev/null
	. "$dir/env"
	curl=(curl -sS --noproxy '*')
	[ -z "$CA" ] || curl+=(--cacert "$CA")
	jar=$(mktemp "$dir/jar.XXXXXX")
	device_url="$BASE/api/$1/device?code=$2"
	"${curl[@]}" -f -c "$jar" -H 'Content-Type: application/json' -o /dev/null \
		-d "{\"username\": \"$USER_NAME\", \"password\": \"$USER_PW\"}" "$BASE/api/auth/"
	next=$(device_page '')
	[ -n "$(parameter "$next" client_id)" ] || fail "$2 is not known: $next"
	"${curl[@]}" -f -b "$jar" -X PUT -H 'Content-Type: application/json' -o /dev/null \
		-d "{\"scope\": \"$(parameter "$next" scope)\"}" \
		"$BASE/api/auth/grant/$(parameter "$next" client_id)/"
	next=$(device_page '&g_continue')
	rm -f "$jar"
	[[ $next == *prompt=deviceComplete* ]] || fail "$2 was not approved: $next"
}

[ $# -ge 2 ] || usage
verb=$1 dir=$2 mode=${3:-http}
case $verb in
start)
	case $mode in http | https) start ;; *) usage ;; esac
	;;
stop) stop ;;
approve)
	[ $# -eq 4 ] || usage
	approve "$3" "$4"
	;;
*) usage ;;
esac
