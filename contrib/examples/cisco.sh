#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# cisco.sh: a call of Cisco's IoT Operations Dashboard, with its two headers.
#
# It replaces this, with user and password in the script, and a token that is over in five minutes:
#
#	TOKEN=$(curl -d '{"username": …, "password": …}' "$URL/iam/auth/token" | jq -r .access_token)
#	curl -H "Authorization: Bearer $TOKEN" -H "x-tenant-id: $TENANT" "$URL/iam/users/me"
#
# Both headers are in one file, and are fresh each time it is opened.
#
# How to run it: with the path of the call; further arguments are curl's.
#
#	contrib/examples/cisco.sh /iam/users/me
#	contrib/examples/cisco.sh /nbapi/… -X POST -d @document.json -H 'Content-Type: application/json'
#
# The configuration behind it:
#
#	[cisco]
#	type = cisco-iotod
#	url = https://us.ciscoiot.com
#	user = ci@example.com
#	password-file = /etc/tokenfs/cisco.password
set -euo pipefail

MOUNT=${MOUNT:-/run/tokens} # of tokenfs
PROVIDER=${PROVIDER:-cisco} # the section of tokenfs.conf
URL=${URL:-https://us.ciscoiot.com} # of the server; https://eu.ciscoiot.com in Europe
CURL_CA=${CURL_CA:-} # a file: the server's authority, where it is not public

call=${1:-/iam/users/me}
[ $# -eq 0 ] || shift
headers=$MOUNT/$PROVIDER/.headers/access_token

# curl goes on without the headers when it cannot read the file: so it is read first
cat "$headers" >/dev/null
curl -fsS ${CURL_CA:+--cacert "$CURL_CA"} -H "@$headers" "$@" "$URL$call"
printf '\n'
