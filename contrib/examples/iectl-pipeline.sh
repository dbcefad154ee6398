#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# iectl-pipeline.sh: runs several commands of Siemens' iectl with one token of the Industrial Edge
# Management (IEM), which comes from tokenfs.
#
# It replaces the beginning of the usual pipeline script, which needs user and password in the job:
#
#	iectl config add iem --name my-iem --url … --user … --password …
#	iectl config switch --name my-iem --type iem
#	export IEM_TOKEN=$(iectl iem token fetch -q "{.data.access_token}")
#
# Here the password stays with whoever mounts. The token is read once; iectl takes it from IEM_TOKEN and
# logs in nowhere. It lives for a day, so that it outlasts a pipeline.
#
# How to run it: each argument is one command, without the word iectl; they run in order, and the first
# that fails ends the script with its exit status. Without arguments it lists the devices.
#
#	contrib/examples/iectl-pipeline.sh 'iem device list' 'iem job list'
#
# The configuration behind it:
#
#	[iem]
#	type = siemens-iem
#	url = https://iem.example.com
#	user = ci@example.com
#	password-file = /etc/tokenfs/iem.password
set -euo pipefail

MOUNT=${MOUNT:-/run/tokens} # of tokenfs
PROVIDER=${PROVIDER:-iem} # the section of tokenfs.conf
IECTL=${IECTL:-iectl} # the program

[ $# -gt 0 ] || set -- 'iem device list'

# IEM_TOKEN=… : where there is no token, this fails, and says why by its errno
set -a
# shellcheck source=/dev/null
. "$MOUNT/$PROVIDER/.env/access_token"
set +a
: "${IEM_TOKEN:?is not in $MOUNT/$PROVIDER/.env/access_token: is its type siemens-iem?}"

for line; do
	read -ra words <<<"$line"
	printf '== %s %s\n' "$IECTL" "$line" >&2
	"$IECTL" "${words[@]}"
done
