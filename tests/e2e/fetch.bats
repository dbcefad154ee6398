#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Fetching, waiting, failing, backing off.

load common

setup() {
	begin
	fake_start
}

teardown() {
	finish
}

fails() { # PATH ERRNO
	equal "$(errno_of open "$1")" "$2"
}

# --- one fetch for many

@test "contract 2: N cold readers of a slot cause one fetch (1000 of them)" {
	fake_set '{"mode": "hold"}'
	config <<<"$(provider iem client_credentials)"
	mount_start
	spawn "$T/crowd" python3 "$PROBE" crowd "$MNT/iem/access_token" 1000 "$T/ready"
	eventually 20 test -e "$T/ready"
	fake await/token/1
	fake_set '{"mode": "ok"}'
	eventually 30 test -s "$T/crowd"
	equal "$(jq -c . "$T/crowd")" '{"outcomes":{"OK":1000},"values":1}'
	equal "$(fake_count)" 1
}

@test "contract 2: 1000 cold readers of a token that is refused are all told so, by one fetch" {
	fake_set '{"mode": "hold"}'
	config <<<"$(provider iem client_credentials)"
	mount_start
	spawn "$T/crowd" python3 "$PROBE" crowd "$MNT/iem/access_token" 1000 "$T/ready"
	eventually 20 test -e "$T/ready"
	fake await/token/1
	fake_set '{"mode": "deny"}'
	eventually 30 test -s "$T/crowd"
	equal "$(jq -c . "$T/crowd")" '{"outcomes":{"EKEYREJECTED":1000},"values":0}'
	equal "$(fake_count)" 1
}

@test "contract 2: requests that share a grant go one after the other" {
	local i
	fake_set '{"delay": 0.1}'
	config < <(
		provider iem client_credentials
		for i in 1 2 3 4 5 6; do printf '[iem/s%s]\nscope = s%s\n' $i $i; done
	)
	mount_start
	timeout -k 1 30 sh -c 'for file; do cat "$file" >/dev/null & done; wait' sh "$MNT"/iem/s?
	equal "$(fake_count)" 6
	equal "$(fake peak)" 1
}

@test "contract 2: a failing open in the back-off causes no request" {
	config <<<"$(provider iem client_credentials)"
	mount_start
	fake_set '{"mode": "busy", "retry_after": 30}'
	fails iem/access_token EAGAIN
	for _ in 1 2 3 4 5; do fails iem/access_token EAGAIN; done
	equal "$(fake_count)" 1
}

# --- what is handed out

@test "contract 1: each open gives a whole token with the margin to go" {
	local least tokens
	fake_set '{"token": "checked", "expires_in": 4}'
	config <<<"$(provider iem client_credentials)"
	mount_start
	read -r least tokens < <(probe remaining "$MNT/iem/access_token" 6)
	[ "$least" -ge 380 ] || equal "$least ms to go" '400, a tenth of the life'
	[ "$tokens" -ge 2 ]
}

@test "contract 1: an open gives an errno, and no bytes, for each kind of garbage" {
	local mode i=0
	local modes='html empty truncated length_shorter no_token newline control mac redirect huge'
	config < <(for mode in $modes; do provider "$mode" client_credentials; done)
	mount_start
	for mode in $modes; do
		fake_set "{\"mode\": \"$mode\"}"
		equal "$mode: $(errno_of open "$mode/access_token")" "$mode: EPROTO"
		equal "$(fake_count)" $((i += 1))
	done
	equal "$(fake_count elsewhere)" 0
}

@test "contract 1: an answer that breaks off is no token" {
	fake_set '{"mode": "length_longer"}'
	config <<<"$(provider iem client_credentials)"
	mount_start
	matches "$(errno_of open iem/access_token)" '^(EPROTO|EAGAIN|ECONNRESET)$'
	equal "$(fake_count)" 1
}

@test "contract 1: an answer that trickles in is a whole token" {
	fake_set '{"mode": "trickle", "token": "checked"}'
	config <<<"$(provider iem client_credentials)"
	mount_start
	equal "$(token iem/access_token)" "$(fake tokens | jq -r '.[-1].access_token')"
}

# --- errors

@test "errno: EKEYREJECTED for credentials that are refused, in all the ways servers say it" {
	local mode
	config < <(for mode in deny deny_empty error_200; do provider "$mode" client_credentials; done)
	mount_start
	for mode in deny deny_empty error_200; do
		fake_set "{\"mode\": \"$mode\"}"
		fails "$mode/access_token" EKEYREJECTED
	done
}

@test "errno: EACCES for a scope that is not ours, and the other slots go on" {
	config <<<"$(provider iem client_credentials)"$'\n[iem/much]\nscope = admin'
	mount_start
	fake_set '{"mode": "invalid_scope"}'
	fails iem/much EACCES
	fails iem/much EACCES
	equal "$(fake_count)" 1
	fake_set '{"mode": "ok"}'
	token iem/access_token
}

@test "errno: EAGAIN for 429 and 5xx" {
	local status
	config < <(for status in 429 500 502 503; do provider "p$status" client_credentials; done)
	mount_start
	for status in 429 500 502 503; do
		fake_set "{\"mode\": \"busy\", \"status\": $status}"
		fails "p$status/access_token" EAGAIN
	done
}

@test "errno: ECONNREFUSED where nobody listens" {
	config <<<"$(provider iem client_credentials)"
	mount_start
	fake_stop
	fails iem/access_token ECONNREFUSED
}

@test "errno: EHOSTUNREACH for a name that does not exist" {
	config <<<"timeout = 10s
$(provider iem client_credentials | sed 's,http://localhost:[0-9]*,https://nothing.invalid,')"
	mount_start
	fails iem/access_token EHOSTUNREACH
}

@test "errno: EKEYEXPIRED for a refresh token that is over" {
	config <<<"$(provider iem refresh_token "refresh-token-file = $(secret refresh refresh-0-0-dead)")"
	mount_start
	fails iem/access_token EKEYEXPIRED
	fails iem/access_token EKEYEXPIRED
	equal "$(fake_count)" 1
}

@test "errno: EPROTO for a certificate that nobody vouches for; ca-file mends it" {
	fake_stop
	certificate
	fake_start 0 --tls "$CERTIFICATE" "$KEY"
	config < <(
		provider bad client_credentials
		provider good client_credentials "ca-file = $CERTIFICATE"
		provider blind client_credentials 'insecure-tls = yes'
	)
	mount_start
	fails bad/access_token EPROTO
	matches "$(token bad/.status)" 'ca-file'
	token good/access_token
	token blind/access_token
	grep -q insecure-tls "$LOG"
}

@test "errno: the sentence that tells more is in .status and .meta" {
	fake_set '{"mode": "deny"}'
	config <<<"$(provider iem client_credentials)"
	mount_start
	fails iem/access_token EKEYREJECTED
	matches "$(token iem/.status)" 'invalid_client'
	token iem/.meta/access_token | jq -e '.state == "failed" and .last_error.code == "EKEYREJECTED"'
	token iem/.meta/access_token | jq -e '.last_error.message != "" and .last_error.at != null'
}

# --- refused credentials

@test "contract 9: 50 reads with a wrong password cause one request" {
	fake_set '{"password": "right"}'
	config <<<"$(password_provider iem wrong)"
	mount_start
	for _ in $(seq 50); do refuse reads iem/access_token; done
	equal "$(fake_count)" 1
	refuse fails iem/access_token OK
}

@test "contract 9: with prefetch a wrong password costs one request, however many slots there are" {
	fake_set '{"password": "right"}'
	config <<<"$(password_provider iem wrong | sed '/^prefetch/d')
[iem/one]
scope = one
[iem/two]
scope = two"
	mount_start
	fake await/token/1
	refuse reads iem/one
	refuse reads iem/two
	refuse reads iem/access_token
	equal "$(fake_count)" 1
}

@test "contract 9: a password that was corrected is tried after a reload" {
	fake_set '{"password": "right"}'
	config <<<"$(password_provider iem wrong)"
	mount_start
	refuse reads iem/access_token
	secret password right >/dev/null
	reload
	token iem/access_token
	equal "$(fake_count)" 2
}

@test "contract 9: Retry-After is waited for in full" {
	local first second
	fake_set '{"mode": "busy", "status": 429, "retry_after": 3}'
	config <<<"$(provider iem client_credentials)"
	mount_start
	fails iem/access_token EAGAIN
	fake_set '{"mode": "ok"}'
	eventually 15 reads iem/access_token
	read -r first second < <(fake log | jq -r '[.[].at] | map(. * 1000 | floor) | @tsv')
	equal "$(fake_count)" 2
	[ $((second - first)) -ge 2950 ] || equal "$((second - first)) ms" '3000 ms'
}

# --- stalls

@test "contract 8: no open takes longer than the timeout" {
	local start ms
	fake_set '{"mode": "stall"}'
	config <<<"timeout = 2s
$(provider iem client_credentials)"
	mount_start
	start=${EPOCHREALTIME/./}
	fails iem/access_token ETIMEDOUT
	ms=$(((${EPOCHREALTIME/./} - start) / 1000))
	[ $ms -ge 1500 ] && [ $ms -lt 4000 ] || equal "$ms ms" '2000 ms'
}

@test "contract 8: a trickle that never ends is a stall" {
	fake_set '{"mode": "trickle", "pace": 0.5}'
	config <<<"timeout = 2s
$(provider iem client_credentials)"
	mount_start
	fails iem/access_token ETIMEDOUT
}

@test "contract 8: a stalled server delays its own slots only" {
	local stalled
	stalled=$(provider stalled client_credentials)
	fake_start
	config <<<"$stalled
$(provider iem client_credentials)
[here]
type = local"
	curl -fsS -d '{"mode": "stall"}' -o /dev/null \
		"$(sed -n 's,^token-url = \(.*\)/token,\1,p' <<<"$stalled")/_control"
	mount_start
	spawn "$T/reader" cat "$MNT/stalled/access_token"
	curl -fsS "$(sed -n 's,^token-url = \(.*\)/token,\1,p' <<<"$stalled")/_await/token/1"
	took 1000 cat "$MNT/iem/access_token" "$MNT/here/access_token"
	running "$SPAWNED"
}

@test "contract 8: Ctrl-C ends a waiting reader at once, and the fetch goes on for the next" {
	local ms how
	fake_set '{"mode": "hold"}'
	config <<<"$(provider iem client_credentials)"
	mount_start
	read -r ms how < <(probe interrupt "$MNT/iem/access_token" "$FAKE/_await/token/1")
	equal "$how" SIGINT
	[ "$ms" -lt 1000 ] || equal "$ms ms" 'at once'
	fake_set '{"mode": "ok"}'
	token iem/access_token
	equal "$(fake_count)" 1
}

@test "SIGTERM unmounts at once, even with a reader that waits for a stalled server" {
	fake_set '{"mode": "stall"}'
	config <<<"$(provider iem client_credentials)"
	mount_start
	spawn "$T/reader" cat "$MNT/iem/access_token"
	fake await/token/1
	kill -TERM "$PID"
	eventually 5 ended "$PID"
	not_mounted
}

@test "contract 8: a name server that does not answer stops nobody else" {
	need_root
	inside() { timeout -k 1 20 nsenter -m -t "$PID" "$@"; }
	inside_is_up() { ended "$PID" || inside mountpoint -q "$MNT"; }
	printf 'nameserver 127.7.7.53\noptions timeout:20\n' >"$T/resolv.conf"
	spawn "$T/mute" python3 "$PROBE" mute 127.7.7.53
	eventually 5 grep -q listening "$T/mute"
	config <<<"timeout = 8s
$(provider lost client_credentials | sed 's,http://localhost:[0-9]*,https://a.name.example,')
$(provider iem client_credentials)"
	# The mount stays in a namespace of its own, with a resolv.conf of its own.
	# shellcheck disable=SC2016
	spawn "$LOG" unshare -m --propagation private sh -c 'mount --bind "$1" /etc/resolv.conf
		shift; exec "$@"' sh "$T/resolv.conf" "$TOKENFS" mount -f -c "$CONF" "$MNT"
	PID=$SPAWNED
	eventually 20 inside_is_up
	spawn "$T/reader" timeout 20 nsenter -m -t "$PID" cat "$MNT/lost/access_token"
	took 1000 nsenter -m -t "$PID" cat "$MNT/iem/access_token"
	took 1000 nsenter -m -t "$PID" ls -la "$MNT/lost"
	running "$SPAWNED"
	kill -TERM "$PID"
	eventually 15 ended "$PID"
}

# --- outages

@test "contract 10: a valid token is served to its end while the server is down" {
	local start ms errno values
	fake_set '{"expires_in": 6}'
	config <<<"$(provider iem client_credentials)"
	mount_start
	start=${EPOCHREALTIME/./}
	token iem/access_token
	fake_stop
	read -r errno values < <(probe until-failure "$MNT/iem/access_token" 15)
	ms=$(((${EPOCHREALTIME/./} - start) / 1000))
	matches "$errno" '^(ECONNREFUSED|EAGAIN)$'
	equal "$values" 1
	# To the end, and not only to the margin's beginning (a tenth of the life earlier).
	[ "$ms" -ge 5950 ] && [ "$ms" -le 7500 ] || equal "$ms ms" '6000 ms'
}

@test "contract 10: when the server is up again, the first read after the back-off works" {
	config <<<"$(provider iem client_credentials)"
	mount_start
	fake_stop
	fails iem/access_token ECONNREFUSED
	fake_start "$FAKE_PORT"
	eventually 30 reads iem/access_token
	equal "$(fake_count)" 1
}

# --- clocks

@test "contract 13: a server whose clock is an hour off changes no lifetime" {
	local skew
	config <<<"$(provider iem client_credentials)"
	mount_start
	for skew in 3600 -3600; do
		fake_set "{\"skew\": $skew}"
		token iem/access_token
		meta iem/access_token '(.expires_at | fromdate) - now | . > 290 and . < 301' | grep -qx true
		errno_of unlink iem/access_token
	done
}

@test "contract 13: a lifetime counts from the moment the request was sent" {
	local sent_at
	fake_set '{"expires_in": 60, "delay": 3}'
	config <<<"$(provider iem client_credentials)"
	mount_start
	token iem/access_token
	sent_at=$(fake log | jq '.[0].at')
	meta iem/access_token "(.expires_at | fromdate) - $sent_at | . > 58 and . <= 60.5" |
		grep -qx true
}

@test "contract 9: a password-file that was rewritten is tried at the next open" {
	fake_set '{"password": "right"}'
	config <<<"$(password_provider iem wrong)"
	mount_start
	equal "$(errno_of open iem/access_token)" EKEYREJECTED
	equal "$(errno_of open iem/access_token)" EKEYREJECTED
	equal "$(fake_count)" 1
	secret password right >/dev/null
	[ -n "$(token iem/access_token)" ]
	equal "$(fake_count)" 2
}

@test "a secret file that is no plain file is ENOKEY with a sentence, and holds nobody up" {
	config <<<"$(provider iem client_credentials)"
	mount_start
	rm "$T/client.secret"
	mkfifo "$T/client.secret"
	equal "$(errno_of open iem/access_token)" ENOKEY
	grep -q 'not a plain file' "$MNT/iem/.status"
}
