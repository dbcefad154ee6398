#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# controlm.sh: the life of an API token of BMC Control-M: create it from a JSON file, change it, list it,
# use it, delete it.
#
# It replaces these calls, each with the administrator's key in the script:
#
#	curl -X POST   -H "x-api-key: $ADMIN_KEY" -d @create.json "$URL/authentication/token"
#	curl -X PUT    -H "x-api-key: $ADMIN_KEY" -d @update.json "$URL/authentication/token"
#	curl           -H "x-api-key: $ADMIN_KEY" "$URL/authentication/tokens"
#	curl           -H "x-api-key: $VALUE"     "$URL/config/servers"
#	curl -X DELETE -H "x-api-key: $ADMIN_KEY" "$URL/authentication/token/ci"
#
# and the value of the new token, which the server shows once only, is not lost when the script ends.
#
# How to run it: with the two documents. Nothing is left behind, also when a step fails.
#
#	contrib/examples/controlm.sh create.json update.json
#
#	create.json	{"roles": ["Developer"], "expirationDate": "2030-06-30"}
#	update.json	{"roles": ["Developer"], "expirationDate": "2030-12-31"}
#
# Where the server wants an annotation, a document has one: "annotation": {"subject": …, "description": …}.
#
# The configuration behind it:
#
#	[ctm]
#	type = controlm
#	url = https://ctm.example.com:8443/automation-api
#	api-key-file = /etc/tokenfs/ctm.key
set -euo pipefail

MOUNT=${MOUNT:-/run/tokens} # of tokenfs
PROVIDER=${PROVIDER:-ctm} # the section of tokenfs.conf
NAME=${NAME:-ci} # of the new token
URL=${URL:-https://ctm.example.com:8443/automation-api} # of the server
CALL=${CALL:-/config/servers} # what to use the token for
CURL_CA=${CURL_CA:-} # a file: the server's authority

[ $# -eq 2 ] || {
	printf 'usage: %s CREATE.json UPDATE.json\n' "${0##*/}" >&2
	exit 2
}
create=$1 update=$2
directory=$MOUNT/$PROVIDER
token=$directory/$NAME

say() {
	printf '== %s\n' "$*" >&2
}

# One write is one document, and its errno is the server's answer.
write() { # FILE
	cat "$1" >"$token"
}

say "create $NAME"
[ ! -e "$token" ] || {
	printf '%s is there already: choose another NAME\n' "$token" >&2
	exit 1
}
write "$create"
trap 'rm -f -- "$token"' EXIT

say "change it"
write "$update"

say "list"
ls "$directory"
cat "$directory/.meta/$NAME" # roles and dates; never the value

say "use it"
# curl goes on without the header when it cannot read the file: so it is read first
cat "$directory/.headers/$NAME" >/dev/null
curl -fsS ${CURL_CA:+--cacert "$CURL_CA"} -H "@$directory/.headers/$NAME" "$URL$CALL"
printf '\n'

say "delete it"
rm -- "$token"
trap - EXIT
