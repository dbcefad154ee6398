# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# common.bash: what every test here stands on. $TOKENFS is the program under test.
#
# A test owns one temporary directory T with a configuration, a state directory, a mount and its log:
#
#	setup() { begin; fake_start; }
#	teardown() { finish; }
#
#	config <<<"$(provider iem client_credentials)"
#	mount_start
#	equal "$(token iem/access_token)" …
#
# Nothing touches the mount without a time limit. A watchdog aborts the connection of this one mount
# when a test exceeds LIMIT seconds, because a caller of a daemon that does not answer cannot be
# killed. Processes are ended by the pids that were recorded.

bats_require_minimum_version 1.5.0

# They wait for real time, beside each other: where somebody asks for it, one that fails is tried once
# more, and that is told.
BATS_TEST_RETRIES=${TOKENFS_RETRIES:-0}

E2E=${BATS_TEST_DIRNAME:?}
SERVERS=$E2E/../servers
PROBE=$E2E/probe.py
TOKENFS=${TOKENFS:?is the program under test}
LIMIT=${LIMIT:-60}
export LC_ALL=C.UTF-8 no_proxy='*' NO_PROXY='*'
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY all_proxy

# --- assertions

equal() { # ACTUAL EXPECTED
	[ "$1" = "$2" ] && return
	printf 'got:      %s\nexpected: %s\n' "$1" "$2"
	return 1
}

matches() { # TEXT REGEX
	[[ $1 =~ $2 ]] && return
	printf 'got:           %s\nexpected like: %s\n' "$1" "$2"
	return 1
}

refuse() { # COMMAND…: it must fail
	! "$@" || {
		printf 'should have failed: %s\n' "$*"
		return 1
	}
}

eventually() { # SECONDS COMMAND…: it must come to succeed
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || {
			printf 'never: %s\n' "$*"
			return 1
		}
		sleep 0.05
	done
}

# took MS COMMAND…: the fastest of three runs must stay below MS; a stall is longer in each of them.
took() {
	local most=$1 best=999999 start ms
	shift
	for _ in 1 2 3; do
		start=${EPOCHREALTIME/./}
		timeout -k 1 30 "$@" >/dev/null || return
		ms=$(((${EPOCHREALTIME/./} - start) / 1000))
		[ $ms -ge $best ] || best=$ms
	done
	[ "$best" -lt "$most" ] && return
	printf '%s ms and not %s: %s\n' "$best" "$most" "$*"
	return 1
}

need_root() {
	[ "$(id -u)" = 0 ] || skip 'needs root'
}

# --- a test's own directory and processes

begin() {
	T=$(mktemp -d "${TMPDIR:-/tmp}/tokenfs-e2e.XXXXXX")
	chmod 755 "$T"
	CONF=$T/tokenfs.conf STATE=$T/state MNT=$T/mnt LOG=$T/log
	PID='' PIDS=() DEVICE='' WRAP=() CERTIFICATE=''
	[ "${BATS_TEST_TRY_NUMBER:-1}" = 1 ] || echo "# once more: $BATS_TEST_DESCRIPTION" >&3
	mkdir "$MNT"
	: >"$LOG"
}

# spawn OUTPUT COMMAND…: in a session of its own; SPAWNED is its pid, and it ends with the test.
# Descriptor 3 is the test runner's: whoever keeps it keeps the runner waiting.
spawn() {
	local output=$1
	shift
	setsid "$@" </dev/null >>"$output" 2>&1 3>&- &
	SPAWNED=$!
	PIDS+=("$SPAWNED:$(birth "$SPAWNED")")
}

# birth PID: when it began. Numbers are given out again: another lane's process may have it by now.
birth() {
	sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20
}

running() { # PID: it is there and no zombie
	[ -e "/proc/$1" ] && ! grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null
}

ended() {
	! running "$1"
}

descendants() { # PID…: and all below them
	local pid children
	for pid; do
		children=$(cat "/proc/$pid/task/"*/children 2>/dev/null) || true
		echo "$pid"
		# shellcheck disable=SC2086
		[ -z "$children" ] || descendants $children
	done
}

finish() {
	local pid complaint
	# What a test mounted below T goes first: it would keep the connection.
	awk -v under="$T/" -v main="$MNT" 'index($5, under) == 1 && $5 != main { print $5 }' \
		/proc/self/mountinfo | tac | while read -r at; do umount -l "$at"; done
	mount_end
	for pid in "${PIDS[@]}"; do
		[ "$(birth "${pid%:*}")" = "${pid#*:}" ] || continue
		pid=${pid%:*}
		kill "$pid" 2>/dev/null || continue
		eventually 5 ended "$pid" >/dev/null || kill -9 "$pid"
	done
	complaint=$(grep -aE -A20 'Sanitizer|runtime error:' "$LOG" || true)
	if [ -z "${BATS_TEST_COMPLETED:-}" ]; then
		echo '--- log'
		tail -n 40 "$LOG"
	fi
	is_mounted || rm -rf --one-file-system "$T"
	[ -z "$complaint" ] || {
		printf '%s\n' "$complaint"
		return 1
	}
}

# --- the configuration

# config <<…: what stands before the first section belongs to [tokenfs].
config() {
	{
		printf '[tokenfs]\nstate-dir = %s\n' "$STATE"
		cat
	} >"$CONF"
	chmod 600 "$CONF"
}

# secret NAME VALUE: a file that holds a secret; prints its path.
secret() {
	(umask 077 && printf '%s' "$2" >"$T/$1.secret")
	printf '%s' "$T/$1.secret"
}

# provider NAME GRANT [LINE…]: a section for an account at the fake server.
provider() {
	local name=$1 grant=$2
	shift 2
	printf '%s\n' "[$name]" 'type = oauth2' "token-url = $FAKE/token" \
		"revocation-url = $FAKE/revoke" 'client-id = client' \
		"client-secret-file = $(secret client client-secret)" "grant = $grant" \
		'prefetch = no' "$@"
}

# password_provider NAME PASSWORD [LINE…]
password_provider() {
	local name=$1 password=$2
	shift 2
	provider "$name" password 'user = alice' "password-file = $(secret password "$password")" "$@"
}

# --- the mount

# connection: the number of this mount's connection, from its device number
connection() {
	awk -v at="$MNT" '$5 == at { split($3, d, ":"); n = d[2] } END { print n }' /proc/self/mountinfo
}

abort_connection() { # NUMBER
	local fusectl=/sys/fs/fuse/connections own=''
	[ -n "$1" ] || return 0
	# Numbers are given out again: it may be the connection of somebody else's mount by now.
	! awk -v number="0:$1" -v under="$T/" '$3 == number && index($5, under) != 1 { other = 1 }
		END { exit !other }' /proc/self/mountinfo || return 0
	if [ ! -d "$fusectl/$1" ]; then
		own=$(mktemp -d) && mount -t fusectl none "$own" && fusectl=$own
	fi
	[ ! -d "$fusectl/$1" ] || echo 1 >"$fusectl/$1/abort"
	[ -z "$own" ] || { umount -l "$own"; rmdir "$own"; }
}

# How many callers wait for an answer of this mount.
callers() {
	local fusectl=/sys/fs/fuse/connections
	if [ ! -d "$fusectl/$DEVICE" ]; then
		fusectl=$T/fusectl
		[ -d "$fusectl" ] || { mkdir "$fusectl" && mount -t fusectl none "$fusectl"; }
	fi
	cat "$fusectl/$DEVICE/waiting"
}

wait_at_least() { # NUMBER
	[ "$(callers)" -ge "$1" ]
}

# wait_long NUMBER: they wait at each look, and are not just on their way.
wait_long() {
	for _ in 1 2 3 4 5; do
		wait_at_least "$1" || return
		sleep 0.02
	done
}

is_mounted() {
	[ -n "$(connection)" ]
}

not_mounted() {
	! is_mounted
}

answers() {
	timeout -k 1 5 cat "$MNT/.status" >/dev/null 2>&1
}

up_or_dead() {
	ended "$PID" || { is_mounted && answers; }
}

watchdog() {
	DEVICE=$(connection)
	(timeout "$LIMIT" tail --pid="$PID" -f /dev/null || abort_connection "$DEVICE") \
		</dev/null >/dev/null 2>&1 3>&- &
}

# mount_start [ARGUMENT…]: `tokenfs mount -f` with our configuration, if there is one, until it
# answers. PID is the process that was started; WRAP may hold a command that starts it.
mount_start() {
	local configuration=()
	[ ! -e "$CONF" ] || configuration=(-c "$CONF")
	spawn "$LOG" "${WRAP[@]}" "$TOKENFS" mount -f "${configuration[@]}" "$@" "$MNT"
	PID=$SPAWNED
	eventually 20 up_or_dead
	running "$PID" || {
		echo 'tokenfs ended'
		return 1
	}
	watchdog
}

# What keeps processes that should have ended: for whoever reads the failure.
stuck() { # PID
	local pid
	for pid in $(descendants "$1"); do
		printf -- '-- %s %s in %s\n' "$pid" "$(cat "/proc/$pid/comm")" "$(cat "/proc/$pid/wchan")"
		cat "/proc/$pid/stack" "/proc/$pid/task/"*/comm
	done 2>/dev/null
}

mount_stop() {
	timeout -k 1 20 "$TOKENFS" unmount "$MNT"
	eventually 15 ended "$PID" || {
		stuck "$PID"
		return 1
	}
	not_mounted
}

# Ends whatever is left of the mount, by force where asking does not help.
mount_end() {
	local pid tree
	[ -n "$PID" ] || return 0
	tree=$(descendants "$PID")
	if is_mounted; then
		timeout -k 1 10 "$TOKENFS" unmount "$MNT" >/dev/null 2>&1 || true
		! is_mounted || fusermount3 -uz "$MNT" 2>/dev/null || umount -l "$MNT" || true
	fi
	eventually 10 ended "$PID" >/dev/null || abort_connection "$DEVICE"
	for pid in $tree; do
		eventually 2 ended "$pid" >/dev/null || kill -9 "$pid" 2>/dev/null || true
	done
}

# The process that serves: it has the store open.
worker() {
	local pid
	for pid in $(descendants "$PID"); do
		if readlink "/proc/$pid/fd/"* 2>/dev/null | grep -q '/tokenfs\.db$'; then
			echo "$pid"
			return
		fi
	done
	return 1
}

# kill_worker: with a signal that it cannot see coming; its successor answers
kill_worker() {
	local old
	old=$(worker)
	kill -9 "$old"
	eventually 10 has_successor "$old"
}

has_successor() { # PID of the worker before
	local pid
	pid=$(worker) && [ "$pid" != "$1" ] && answers
}

# Everything at once, as when the machine loses power for tokenfs alone.
kill_all() {
	local pid tree
	tree=$(descendants "$PID")
	# shellcheck disable=SC2086
	kill -9 $tree
	for pid in $tree; do eventually 5 ended "$pid"; done
	umount -l "$MNT" || fusermount3 -uz "$MNT"
	PID=''
}

# --- looking at it; paths are relative to the mount

token() { # PATH
	timeout -k 1 40 cat "$MNT/$1"
}

reads() { # PATH
	timeout -k 1 40 cat "$MNT/$1" >/dev/null 2>&1
}

probe() { # SUBCOMMAND ARGUMENT…: see probe.py
	timeout -k 1 "${PROBE_LIMIT:-45}" python3 "$PROBE" "$@"
}

errno_of() { # CALL PATH [ARGUMENT…]: OK, or the name of the errno
	local name=$1 path=$2
	shift 2
	probe "$name" "$MNT/$path" "$@"
}

put() { # PATH DOCUMENT: one write(2)
	equal "$(errno_of create "$1" "$2")" OK
}

meta() { # PATH FILTER: of the .meta beside it
	token "${1%/*}/.meta/${1##*/}" | jq -r "$2"
}

import() { # PATH VALUE [SECONDS]
	put "$1" "{\"access_token\": \"$2\", \"expires_in\": ${3:-300}}"
}

reload() {
	timeout -k 1 30 "$TOKENFS" reload -m "$MNT"
}

# --- the fake server and the stand-ins of vendors, see tests/servers/fake.py and standin.py

# stand_in NAME [PORT] [ARGUMENT…]: tests/servers/NAME.py. FAKE is its URL, and it is spoken to with
# the functions below: one at a time.
stand_in() {
	local name=$1 port=${2:-0} scheme=http
	shift $(($# > 1 ? 2 : 1))
	[ "${1:-}" != --tls ] || scheme=https
	: >"$T/fake.port"
	spawn "$T/fake.port" python3 "$SERVERS/$name.py" --port "$port" "$@"
	FAKE_PID=$SPAWNED
	eventually 10 grep -qx '[0-9][0-9]*' "$T/fake.port"
	FAKE_PORT=$(grep -x '[0-9][0-9]*' "$T/fake.port")
	FAKE=$scheme://localhost:$FAKE_PORT
}

fake_start() { # [PORT] [ARGUMENT…]
	stand_in fake "$@"
}

fake_stop() {
	kill "$FAKE_PID"
	eventually 5 ended "$FAKE_PID"
}

fake() { # PATH [CURL ARGUMENT…]
	local path=$1
	shift
	curl -fsS --max-time 30 ${CERTIFICATE:+--cacert "$CERTIFICATE"} "$@" "$FAKE/_$path"
}

fake_set() { # JSON
	fake control -d "$1" -o /dev/null
}

fake_count() { # [KIND]
	fake "count${1:+/$1}"
}

# certificate: for localhost, signed by itself. CERTIFICATE is its file, KEY its key's.
certificate() {
	CERTIFICATE=$T/cert.pem KEY=$T/key.pem
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 \
		-subj /CN=localhost -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' \
		-keyout "$KEY" -out "$CERTIFICATE" 2>/dev/null
}

# --- secrets

# look_everywhere FILE…: none of the lines of the files (- for input) is readable in the mount, or in a
# log, a status, an argument list, an environment, the state directory, or was in a URL
look_everywhere() {
	cat "$@" >"$T/secrets"
	[ -s "$T/secrets" ]
	probe everything "$MNT" >"$T/seen"
	grep -q '"state"' "$T/seen"
	refuse grep -aFf "$T/secrets" "$T/seen"
	refuse grep -aFf "$T/secrets" "$LOG"
	refuse grep -aFf "$T/secrets" <("$TOKENFS" status -m "$MNT"; "$TOKENFS" status -m "$MNT" --json)
	refuse grep -laFf "$T/secrets" /proc/[0-9]*/cmdline
	# shellcheck disable=SC2046
	refuse grep -laFf "$T/secrets" $(descendants "$PID" | sed 's,.*,/proc/&/environ,')
	refuse grep -raFf "$T/secrets" "$STATE"
	refuse grep -aFf "$T/secrets" <(fake log | jq -r '.[].path')
}
