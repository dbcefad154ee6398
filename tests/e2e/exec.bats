#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Type exec: tokens that a command prints.

load common

setup() {
	begin
}

teardown() {
	finish
}

# program NAME <<…: a shell script in T; prints its path.
program() {
	{
		printf '#!/bin/sh\nT=%s\n' "$T"
		cat
	} >"$T/$1"
	chmod 755 "$T/$1"
	printf '%s' "$T/$1"
}

# command_provider NAME LINE [KEY…]: a section of type exec
command_provider() {
	local name=$1 line=$2
	shift 2
	printf '%s\n' "[$name]" 'type = exec' "command = $line" 'prefetch = no' "$@"
}

fails() { # PATH ERRNO
	equal "$(errno_of open "$1")" "$2"
}

counter() { # a program that prints another token each time: token-1, token-2, …
	program counter <<<'echo x >>"$T/runs"; printf "token-%s\n" $(wc -l <"$T/runs")'
}

runs() {
	wc -l <"$T/runs"
}

another() { # TOKEN: it is another one by now
	[ "$(token cli/access_token)" != "$1" ]
}

why() { # PROVIDER: the sentence of its last error
	token "$1/.status" | jq -r .last_error.message
}

@test "exec: reading runs the command, once, and gives what it printed" {
	config <<<"$(command_provider cli "$(counter)")"
	mount_start
	[ ! -e "$T/runs" ]
	equal "$(token cli/access_token)" token-1
	equal "$(token cli/access_token)" token-1
	equal "$(token cli/.headers/access_token)" 'Authorization: Bearer token-1'
	equal "$(token cli/.env/access_token)" ACCESS_TOKEN=token-1
	equal "$(runs)" 1
	meta cli/access_token '(.expires_at | fromdate) - (.issued_at | fromdate) >= 299' | grep -qx true
}

@test "exec: a token of a short life is renewed by running the command again" {
	config <<<"$(command_provider cli "$(counter)" 'lifetime = 2s')"
	mount_start
	equal "$(token cli/access_token)" token-1
	eventually 15 another token-1
	[ "$(runs)" -ge 2 ]
}

@test "exec: OAuth 2.0 JSON: its expires_in and scope count, its refresh token is nowhere" {
	local line
	line=$(program oauth <<'EOF'
cat <<'JSON'
{
  "access_token": "oauth-token",
  "refresh_token": "REFRESH-77c2",
  "expires_in": "600",
  "token_type": "Bearer",
  "scope": "read"
}
JSON
EOF
	)
	config <<<"$(command_provider cli "$line")"
	mount_start
	equal "$(token cli/access_token)" oauth-token
	equal "$(meta cli/access_token .scope)" read
	meta cli/access_token '(.expires_at | fromdate) - now | . > 590 and . < 601' | grep -qx true
	refuse grep -aq REFRESH-77c2 "$LOG"
	refuse grep -raq REFRESH-77c2 "$STATE"
	refuse grep -q REFRESH-77c2 <(token cli/.meta/access_token; token cli/.status)
}

@test "exec: a Kubernetes ExecCredential lives until its expirationTimestamp" {
	local line
	line=$(program k8s <<'EOF'
printf '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential",
	"status":{"token":"k8s-token","expirationTimestamp":"%s"}}' $(date -u -d '+900 seconds' +%FT%TZ)
EOF
	)
	config <<<"$(command_provider cli "$line")"
	mount_start
	equal "$(token cli/access_token)" k8s-token
	meta cli/access_token '(.expires_at | fromdate) - now | . > 880 and . < 901' | grep -qx true
}

@test "exec: a command that asks for its environment by env(1) gets it, braces and quotes kept" {
	local line
	line=$(program info <<<'printf %s "$KUBERNETES_EXEC_INFO" | base64 -w0')
	config <<<"$(command_provider cli "env KUBERNETES_EXEC_INFO='{\"kind\":\"ExecCredential\"}' $line")"
	mount_start
	equal "$(token cli/access_token | base64 -d)" '{"kind":"ExecCredential"}'
}

@test "exec: no shell reads the command, unless it is asked for" {
	local line
	line=$(program args <<<'printf "%s|" "$@" | base64 -w0')
	config <<<"$(command_provider plain "$line \$(id); \`id\` | cat > $T/made '\$HOME'")
$(command_provider shell "printf %s a b | tr ab xy" 'shell = yes')
$(command_provider echo '/bin/echo $(id)')"
	mount_start
	equal "$(token plain/access_token | base64 -d)" "\$(id);|\`id\`|||cat|>|$T/made|\$HOME|"
	[ ! -e "$T/made" ]
	equal "$(token shell/access_token)" xy
	fails echo/access_token EPROTO
	refuse grep -q uid= <(token echo/.status; cat "$LOG")
}

@test "exec: what is no token is EPROTO, and is repeated nowhere" {
	config <<<"$(command_provider lines "$(program lines <<<'echo HUSH-1; echo HUSH-2')")
$(command_provider words "$(program words <<<'echo please HUSH log in')")
$(command_provider silent true)
$(command_provider much 'head -c 200000 /dev/zero')
$(command_provider json "$(program json <<<'echo "{\"token\": \"HUSH-3\"}"')")"
	mount_start
	for name in lines words silent much json; do
		equal "$name: $(errno_of open $name/access_token)" "$name: EPROTO"
		matches "$(why $name)" '.'
	done
	matches "$(why lines)" 'several lines'
	matches "$(why much)" 'more than 131072 bytes'
	refuse grep -aq HUSH "$LOG" <(for name in lines words json; do token $name/.status; done)
}

@test "exec: a command that fails is EAGAIN, its reason in .status and in the log, without the token" {
	local line
	line=$(program failing <<'EOF'
echo SECRET-TOKEN-1
echo "vault is sealed" >&2
echo "it told SECRET-TOKEN-1" >&2
exit 1
EOF
	)
	config <<<"$(command_provider cli "$line")
$(command_provider telling "$(program telling <<<'echo TOLD-TOKEN; echo bad TOLD-TOKEN >&2; exit 1')")"
	mount_start
	fails cli/access_token EAGAIN
	equal "$(why cli)" "the command ended with status 1, \"vault is sealed\""
	grep -q 'cli/access_token: fetch failed.*vault is sealed' "$LOG"
	fails telling/access_token EAGAIN
	equal "$(why telling)" 'the command ended with status 1'
	refuse grep -aqE 'SECRET-TOKEN|TOLD-TOKEN' "$LOG" <(token cli/.status; token telling/.status)
}

@test "exec: a command that fails works again at the first read after the back-off" {
	config <<<"$(command_provider cli "$(program moody <<<'[ -e "$T/open" ] && echo fine')")"
	mount_start
	fails cli/access_token EAGAIN
	touch "$T/open"
	eventually 30 reads cli/access_token
	equal "$(token cli/access_token)" fine
}

@test "exec: exit status 77 is a refused credential: not tried again until a reload" {
	config <<<"$(command_provider cli "$(program refused <<'EOF'
echo x >>"$T/runs"
[ -e "$T/open" ] && echo fine && exit
echo wrong password >&2
exit 77
EOF
	)")
$(command_provider person "$(program person <<<'echo run: vault login >&2; exit 78')")"
	mount_start
	for _ in $(seq 20); do fails cli/access_token EKEYREJECTED; done
	equal "$(runs)" 1
	matches "$(why cli)" 'refused.*wrong password'
	fails person/access_token ENOKEY
	matches "$(why person)" 'log in.*run: vault login'
	touch "$T/open"
	reload
	equal "$(token cli/access_token)" fine
}

@test "exec: a command that is not there or not executable is said to be so" {
	echo 'echo x' >"$T/plain"
	config <<<"$(command_provider absent '/nowhere/at/all --token')
$(command_provider plain "$T/plain")
$(command_provider inner 'no-such-program-here' 'shell = yes')"
	mount_start
	fails absent/access_token EAGAIN
	matches "$(why absent)" 'cannot be run: No such file.*"/nowhere/at/all"'
	fails plain/access_token EAGAIN
	matches "$(why plain)" "cannot be run: Permission denied.*$T/plain"
	fails inner/access_token EAGAIN
	matches "$(why inner)" 'not found \(status 127\).*no-such-program-here'
}

# A program that says its pid, those of its children too, and hangs.
hanging() {
	program hanging <<'EOF'
sleep 300 &
echo $! >>"$T/pids"
(sleep 300; true) &
echo $! >>"$T/pids"
echo $$ >>"$T/pids"
echo waiting for the vault >&2
touch "$T/hangs"
trap '' TERM INT HUP
wait
sleep 300
EOF
}

all_ended() { # [FILE]
	local pid
	while read -r pid; do ended "$pid" || return; done <"${1:-$T/pids}"
}

@test "exec: at the time limit the command is killed with its children, and the reader hears of it" {
	local start ms
	config <<<"timeout = 2s
$(command_provider cli "$(hanging)")"
	mount_start
	start=${EPOCHREALTIME/./}
	fails cli/access_token ETIMEDOUT
	ms=$(((${EPOCHREALTIME/./} - start) / 1000))
	[ $ms -ge 1500 ] && [ $ms -lt 4000 ] || equal "$ms ms" '2000 ms'
	matches "$(why cli)" 'did not end within.*"waiting for the vault"'
	equal "$(wc -l <"$T/pids")" 3
	eventually 5 all_ended
}

@test "exec: a stalled command delays its own slots only" {
	config <<<"$(command_provider stalled "$(hanging)")
$(command_provider cli "$(counter)")
[here]
type = local"
	mount_start
	spawn "$T/reader" cat "$MNT/stalled/access_token"
	eventually 10 test -e "$T/hangs"
	took 1000 cat "$MNT/cli/access_token" "$MNT/here/access_token"
	took 1000 ls -la "$MNT/stalled"
	running "$SPAWNED"
}

@test "exec: two cold readers cause one run, and when one goes away it goes on for the other" {
	config <<<"$(command_provider cli "$(program slow <<'EOF'
echo x >>"$T/runs"
touch "$T/hangs"
while [ ! -e "$T/open" ]; do sleep 0.1; done
echo slow-token
EOF
	)")"
	mount_start
	spawn "$T/first" cat "$MNT/cli/access_token"
	first=$SPAWNED
	spawn "$T/second" cat "$MNT/cli/access_token"
	eventually 10 test -e "$T/hangs"
	kill "$first"
	eventually 2 ended "$first"
	touch "$T/open"
	eventually 10 grep -qx slow-token "$T/second"
	equal "$(token cli/access_token)" slow-token
	equal "$(runs)" 1
}

@test "exec: kill -9 of the worker ends the command and its children; the next worker runs it anew" {
	config <<<"$(command_provider cli "$(hanging)")"
	mount_start
	spawn "$T/reader" cat "$MNT/cli/access_token"
	eventually 10 test -e "$T/hangs"
	[ "$(wc -l <"$T/pids")" = 3 ]
	mv "$T/pids" "$T/pids.first"
	kill -9 "$(worker)"
	eventually 5 all_ended "$T/pids.first"
	# for the reader who still waits
	eventually 10 test -s "$T/pids"
	answers
}

@test "exec: an unmount ends the command and its children" {
	config <<<"$(command_provider cli "$(hanging)")"
	mount_start
	spawn "$T/reader" cat "$MNT/cli/access_token"
	eventually 10 test -e "$T/hangs"
	kill -TERM "$PID"
	eventually 10 ended "$PID"
	eventually 5 all_ended
	not_mounted
}

@test "exec: the command sees neither the environment, nor a descriptor, nor a terminal of ours" {
	config <<<"$(command_provider cli "$(program look <<'EOF'
{
	env | grep -v -E '^(PWD|OLDPWD|SHLVL|_)=' | cut -d= -f1 | sort | tr '\n' ' '
	ls /proc/self/fd | tr '\n' ' '
	readlink /proc/self/fd/0
	tty 2>&1
} >"$T/seen"
echo abc
EOF
	)")"
	TOKENFS_PRIVATE=hunter2 HOME=$T mount_start
	equal "$(token cli/access_token)" abc
	# ls has a descriptor of its own for the directory
	equal "$(head -1 "$T/seen")" 'HOME LANG PATH 0 1 2 3 /dev/null' ||
		equal "$(head -1 "$T/seen")" 'HOME PATH 0 1 2 3 /dev/null'
	equal "$(sed -n 2p "$T/seen")" 'not a tty'
}

@test "exec: rm forgets the token, and the next read runs the command again" {
	config <<<"$(command_provider cli "$(counter)")"
	mount_start
	equal "$(token cli/access_token)" token-1
	equal "$(errno_of unlink cli/access_token)" OK
	equal "$(token cli/access_token)" token-2
}

@test "exec: a token that was got elsewhere can be imported" {
	config <<<"$(command_provider cli "$(counter)")"
	mount_start
	import cli/access_token imported-1
	equal "$(token cli/access_token)" imported-1
	[ ! -e "$T/runs" ]
	equal "$(errno_of create cli/access_token '{"refresh_token": "x"}')" EINVAL
}

@test "exec: tokenfs check tells what cannot work, with file and line" {
	config <<<"[cli]
type = exec
command = print 'half
[none]
type = exec
[odd]
type = exec
command = x
format = xml"
	run timeout 20 "$TOKENFS" check -c "$CONF"
	[ "$status" -ne 0 ]
	matches "$output" 'tokenfs.conf:[0-9]+: .*quote of command does not close'
	matches "$output" 'tokenfs.conf:[0-9]+: \[none\] has no command'
	matches "$output" 'format is one of'
}
