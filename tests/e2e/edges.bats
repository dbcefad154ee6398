#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Where two things meet: a removal and a fetch, a reload and a request under way, a full disk and a
# server that gives, a mistake and a death.

load common

setup() {
	begin
	fake_start
}

teardown() {
	[ -z "${FULL:-}" ] || rm -f "$STATE/filler"
	finish
}

iem() { # [LINE…]
	config <<<"$(provider iem client_credentials "$@")"
	mount_start
}

# One refresh token after the other, each of which works once.
rotating() {
	fake_set '{"rotate": true}'
	config <<<"$(provider iem refresh_token \
		"refresh-token-file = $(secret refresh "$(fake refresh_token -X POST)")")"
	mount_start
}

used_once() { # every refresh token that was ever sent
	equal "$(fake log | jq -r '.[] | select(.kind == "token") | .form.refresh_token // empty' |
		sort | uniq -d)" ''
}

forms() { # FILTER: of the last request for a token
	fake log | jq -r "[.[] | select(.kind == \"token\")][-1].form | $1"
}

no_token_is_alive() {
	[ "$(fake tokens | jq 'any(.[]; .active)')" = false ]
}

# A state directory of 1 MiB. Only what stays mounted below T is left to the end of the test.
small_state() {
	need_root
	mkdir "$STATE"
	mount -t tmpfs -o size=1m,mode=0700 none "$STATE" || skip 'tmpfs cannot be mounted'
	FULL=yes
}

fill() {
	dd if=/dev/zero of="$STATE/filler" bs=4k status=none 2>/dev/null || true
	refuse dd if=/dev/zero of="$STATE/filler-2" bs=4k count=1 status=none 2>/dev/null
	rm -f "$STATE/filler-2"
}

bind_file() { # PATH: at $T/bound
	need_root
	: >"$T/bound"
	mount --bind "$MNT/$1" "$T/bound"
}

# --- rm

@test "rm of a declared name that a refresh token was written to brings back what is configured" {
	local refresh
	iem
	for _ in 1 2; do
		refresh=$(fake refresh_token -X POST)
		# shellcheck disable=SC2016
		timeout -k 1 20 sh -c 'echo "{\"refresh_token\": \"$1\"}" >"$2"' sh "$refresh" \
			"$MNT/iem/access_token"
		token iem/access_token
		equal "$(forms .grant_type)" refresh_token
		timeout -k 1 20 rm "$MNT/iem/access_token"
		fake log | jq -e --arg t "$refresh" 'any(.[]; .kind == "revoke" and .form.token == $t)'
		token iem/access_token
		equal "$(forms .grant_type)" client_credentials
	done
	mount_stop
	mount_start
	put iem/other '{"scope": "other"}'
	equal "$(forms .grant_type)" client_credentials
	refuse grep -q 'ended by signal\|ended with status' "$LOG"
}

@test "a reader of a name that is being removed does not cost the provider its refresh token" {
	rotating
	token iem/access_token
	fake_set '{"expires_in": 1, "revoke": "hold"}'
	put iem/mine "{\"refresh_token\": \"$(fake refresh_token -X POST)\"}"
	fake_set '{"expires_in": 300}'
	ended_at_server() { [ "$(fake tokens | jq '.[-1].active')" = false ]; }
	eventually 10 ended_at_server
	spawn "$T/rm" timeout 20 rm "$MNT/iem/mine"
	fake await/revoke/1
	spawn "$T/reader" timeout 20 cat "$MNT/iem/.env/mine"
	eventually 10 wait_at_least 2
	fake_set '{"revoke": "ok"}'
	eventually 10 ended "$SPAWNED"
	refuse grep -q '=' "$T/reader"
	mount_stop
	mount_start
	put iem/other '{"scope": "other"}'
	used_once
}

@test "a name that came with another token, and then was written and removed, harms nobody" {
	iem
	fake_set '{"id_token": 1}'
	token iem/access_token
	over() { [ "$(meta iem/id_token .state)" != hot ]; }
	eventually 5 over
	token iem/id_token
	eventually 5 over
	timeout -k 1 20 rm "$MNT/iem/id_token"
	fake_set '{"id_token": null}'
	import iem/id_token mine
	bind_file iem/id_token
	timeout -k 1 20 rm "$MNT/iem/id_token"
	# Past every cache: it is forgotten when its number means nothing any more.
	forgotten() { ! timeout -k 1 5 stat --cached=never "$T/bound" >/dev/null 2>&1; }
	eventually 20 forgotten
	timeout -k 1 20 rm "$MNT/iem/access_token"
	token iem/access_token
	refuse grep -q 'ended by signal\|ended with status' "$LOG"
}

@test "contract 3: while rm waits for its server, who lists, looks up, creates or rotates waits for nobody" {
	local i
	iem
	token iem/access_token
	import iem/other one
	fake_set '{"revoke": "hold"}'
	spawn "$T/rm" timeout 30 rm "$MNT/iem/access_token"
	for i in 1 2; do
		fake await/revoke/$i
		timeout -k 1 2 ls -l "$MNT/iem" "$MNT/iem/.meta" >/dev/null
		timeout -k 1 2 test ! -e "$MNT/iem/nothing"
		timeout -k 1 2 test -e "$MNT/iem/.status"
		import "iem/new-$i" "new-$i"
		import iem/other "other-$i"
		equal "$(token iem/other)" "other-$i"
		running "$SPAWNED"
		# Its successor takes it up, and holds nobody up either.
		[ "$i" = 2 ] || kill_worker
	done
	fake_set '{"revoke": "ok"}'
	eventually 10 ended "$SPAWNED"
	equal "$(cat "$T/rm")" ''
	eventually 5 no_token_is_alive
	equal "$(timeout -k 1 5 ls "$MNT/iem" | paste -sd' ')" 'access_token new-1 new-2 other'
}

@test "rm by a relative path, and through a mount of the directory itself, does the same" {
	need_root
	iem
	import iem/one value-one
	import iem/two value-two
	mkdir "$T/bound"
	mount --bind "$MNT/iem" "$T/bound"
	(cd "$MNT/iem" && timeout -k 1 20 rm one)
	timeout -k 1 20 rm "$T/bound/two"
	token iem/access_token >"$T/before"
	fake_set '{"revoke": "busy"}'
	(cd "$MNT/iem" && equal "$(probe unlink access_token)" EAGAIN)
	equal "$(probe unlink "$T/bound/access_token")" EAGAIN
	token iem/access_token | cmp - "$T/before"
	equal "$(timeout -k 1 5 ls "$MNT/iem")" access_token
}

@test "rm of a name that others remove and make again: it is gone, or was not there" {
	iem
	probe contend "$MNT/iem/one" 4 >"$T/rm"
	equal "$(jq -c 'keys - ["OK", "ENOENT", "phantom"]' "$T/rm")" '[]'
	equal "$(jq .phantom "$T/rm")" 0
	equal "$(fake_count revoke)" "$(jq .OK "$T/rm")"
}

@test "contract 8: more that remove than there is room for are told so, and hold nobody up" {
	iem
	import iem/one value-one
	fake_set '{"revoke": "hold"}'
	spawn "$T/rm" timeout -k 1 50 python3 "$PROBE" remove-crowd "$MNT/iem/one" 4300
	fake await/revoke/1
	eventually 20 wait_long 4030
	for _ in 1 2 3; do timeout -k 1 3 ls -l "$MNT/iem" >/dev/null; done
	fake_set '{"revoke": "ok"}'
	eventually 30 ended "$SPAWNED"
	equal "$(jq -c 'keys - ["OK", "ENOENT", "EAGAIN", "phantom"]' "$T/rm")" '[]'
	equal "$(jq -c '[.OK, .phantom, .EAGAIN > 0]' "$T/rm")" '[1,0,true]'
	equal "$(fake_count revoke)" 1
}

@test "rm whose time went by in the queue asks nothing of the server: the token lives" {
	iem
	import iem/one value-one
	import iem/two value-two
	fake_set '{"revoke": "hold"}'
	spawn "$T/one" timeout 20 python3 "$PROBE" unlink "$MNT/iem/one"
	spawn "$T/two" timeout 20 python3 "$PROBE" unlink "$MNT/iem/two"
	fake await/revoke/1
	eventually 15 grep -q . "$T/one"
	eventually 5 grep -q . "$T/two"
	equal "$(cat "$T/one" "$T/two" | paste -sd' ')" 'ETIMEDOUT ETIMEDOUT'
	equal "$(fake_count revoke)" 1
}

@test "rm while the token is on its way: it is revoked when it comes, and shown to nobody" {
	iem
	fake_set '{"expires_in": 1}'
	put iem/narrow '{"scope": "narrow"}'
	eventually 10 no_token_is_alive
	fake_set '{"expires_in": 300, "mode": "hold"}'
	# shellcheck disable=SC2016
	spawn "$T/reader" timeout 30 sh -c 'cat "$1"; echo " $?"' sh "$MNT/iem/narrow"
	fake await/token/2
	spawn "$T/rm" timeout 20 rm "$MNT/iem/narrow"
	removing() { ended "$SPAWNED" || wait_long 2; }
	eventually 10 removing
	fake_set '{"mode": "ok"}'
	eventually 10 grep -q ' [0-9]*$' "$T/reader"
	matches "$(cat "$T/reader")" ' [1-9][0-9]*$'
	refuse grep -q fake- "$T/reader"
	eventually 10 no_token_is_alive
	fake tokens | jq -r '.[-1].access_token' >"$T/late"
	fake log | jq -e --rawfile t "$T/late" \
		'any(.[]; .kind == "revoke" and .form.token == ($t | rtrimstr("\n")))'
	eventually 10 ended "$SPAWNED"
	equal "$(errno_of open iem/narrow)" ENOENT
}

@test "rm of a declared name while its token is on its way: that token is revoked when it comes" {
	local late
	iem
	fake_set '{"mode": "hold"}'
	spawn "$T/reader" timeout 30 cat "$MNT/iem/access_token"
	fake await/token/1
	spawn "$T/rm" timeout 20 rm "$MNT/iem/access_token"
	removing() { ended "$SPAWNED" || wait_long 2; }
	eventually 10 removing
	fake_set '{"mode": "ok"}'
	fake await/revoke/1
	late=$(fake tokens | jq -r '.[0].access_token')
	fake log | jq -e --arg t "$late" 'any(.[]; .kind == "revoke" and .form.token == $t)'
	refuse equal "$(token iem/access_token)" "$late"
	refuse grep -qF "$late" "$T/reader"
}

@test "after rm neither .headers nor .env shows the token that was revoked" {
	local path value
	iem
	for _ in 1 2 3; do
		put iem/narrow '{"scope": "narrow"}'
		for path in narrow access_token; do
			value=$(token "iem/$path")
			[ -n "$value" ]
			token "iem/.headers/$path" | grep -qF "$value"
			token "iem/.env/$path" | grep -qF "$value"
			exec 8<"$MNT/iem/.headers/$path" 9<"$MNT/iem/.env/$path"
			timeout -k 1 20 rm "$MNT/iem/$path"
			refuse grep -qsF "$value" <(token "iem/.headers/$path")
			refuse grep -qsF "$value" <(token "iem/.env/$path")
			refuse grep -qsF "$value" <(timeout -k 1 20 cat /proc/self/fd/8 8<&8)
			refuse grep -qsF "$value" <(timeout -k 1 20 cat /proc/self/fd/9 9<&9)
			exec 8<&- 9<&-
		done
	done
}

# --- mistakes in the configuration

@test "contract 7: the worker dies while the configuration is half written, and the mount stays" {
	local old line
	iem
	token iem/access_token >"$T/before"
	cp "$CONF" "$T/right"
	echo 'colour = blue' >>"$CONF"
	line=$(wc -l <"$CONF")
	old=$(worker)
	kill -9 "$old"
	eventually 5 ended "$old"
	tried() { ended "$PID" || answers || grep -q "$CONF:$line: " "$LOG"; }
	eventually 20 tried
	cp "$T/right" "$CONF"
	eventually 20 answers
	running "$PID"
	token iem/access_token | cmp - "$T/before"
	equal "$(fake_count)" 1
}

refused_as_inside() { # LINE: of a configuration that is ours but for it
	cp "$CONF" "$T/right"
	printf '[mirror]\ntype = static\nprefetch = no\n%s\n' "$1" >>"$CONF"
	run timeout -k 1 10 "$TOKENFS" reload -m "$MNT"
	equal "$status" 1
	equal "${#lines[@]}" 1
	matches "$output" "${1%% *}.*mount"
	answers
	equal "$(errno_of open mirror/access_token)" ENOENT
	token iem/access_token | cmp - "$T/before"
	cp "$T/right" "$CONF"
}

@test "a configuration that names a file of the mount itself is refused, and the mount answers" {
	# shellcheck disable=SC2034 # mount_start reads it
	LIMIT=20
	iem
	token iem/access_token >"$T/before"
	refused_as_inside "token-file = $MNT/iem/access_token"
	refused_as_inside "token-file = $MNT/iem/.meta/../access_token"
	refused_as_inside "ca-file = $MNT/iem/access_token"
	equal "$(fake_count)" 1
}

@test "a configuration that names a file of the mount through a link is refused as well" {
	# shellcheck disable=SC2034 # mount_start reads it
	LIMIT=20
	iem
	token iem/access_token >"$T/before"
	ln -s "$MNT" "$T/alias"
	ln -s "$MNT/iem/access_token" "$T/link"
	refused_as_inside "token-file = $T/alias/iem/access_token"
	refused_as_inside "token-file = $T/link"
	equal "$(fake_count)" 1
}

@test "a KEY-command that failed is run again after a while, without a reload, not at each open" {
	cat >"$T/tell" <<-EOT
		#!/bin/sh
		echo run >>"$T/runs"
		[ -e "$T/there" ] || exit 1
		echo client-secret
	EOT
	chmod 755 "$T/tell"
	config < <(provider iem client_credentials |
		sed "s,^client-secret-file = .*,client-secret-command = $T/tell,")
	mount_start
	for _ in 1 2 3 4 5; do equal "$(errno_of open iem/access_token)" ENOKEY; done
	[ "$(wc -l <"$T/runs")" -le 3 ] || equal "$(wc -l <"$T/runs") runs" 'few'
	: >"$T/there"
	eventually 15 reads iem/access_token
	equal "$(fake_count)" 1
}

# --- reloads

@test "a reload with another scope while a token of the old one is on its way shows the new one's" {
	iem 'scope = old'
	fake_set '{"mode": "hold"}'
	spawn "$T/reader" timeout 30 cat "$MNT/iem/access_token"
	fake await/token/1
	sed -i 's/^scope = old/scope = new/' "$CONF"
	reload
	fake_set '{"mode": "ok"}'
	eventually 10 ended "$SPAWNED"
	shown() {
		fake tokens | jq -r --arg t "$(token iem/access_token)" \
			'.[] | select(.access_token == $t).scope'
	}
	equal "$(shown)" new
	mount_stop
	mount_start
	equal "$(shown)" new
}

@test "a provider that a reload took out is not renewed any more" {
	local before
	fake_set '{"expires_in": 3}'
	iem
	token iem/access_token
	cp "$CONF" "$T/right"
	config <<<$'[here]\ntype = local'
	reload
	refuse test -e "$MNT/iem"
	before=$(fake_count)
	refuse fake "await/token/$((before + 1))/4"
	cp "$T/right" "$CONF"
	reload
	token iem/access_token
	[ "$(fake_count)" -gt "$before" ]
}

@test "a document that is on its way when a reload undeclares its name is not lost" {
	iem
	cp "$CONF" "$T/without"
	printf '[iem/storage]\nscope = storage\n' >>"$CONF"
	reload
	fake_set '{"mode": "hold"}'
	spawn "$T/written" python3 "$PROBE" create "$MNT/iem/storage" '{"scope": "mine"}'
	fake await/token/1
	cp "$T/without" "$CONF"
	reload
	fake_set '{"mode": "ok"}'
	eventually 10 grep -q . "$T/written"
	equal "$(cat "$T/written")" OK
	equal "$(token iem/storage)" "$(fake tokens | jq -r '.[-1].access_token')"
	equal "$(forms .scope)" mine
	mount_stop
	mount_start
	equal "$(token iem/storage)" "$(fake tokens | jq -r '.[-1].access_token')"
	equal "$(fake_count)" 1
}

@test "a provider that a reload added on a full disk is kept once there is room again" {
	small_state
	iem
	token iem/access_token
	fill
	cat >>"$CONF" < <(provider two client_credentials)
	refuse reload
	rm "$STATE/filler"
	reload
	token two/access_token >"$T/before"
	equal "$(fake_count)" 2
	kill_all
	mount_start
	token two/access_token | cmp - "$T/before"
	equal "$(fake_count)" 2
}

# --- the grant

@test "contract 9: a password rewritten while the old one was being refused is tried next" {
	fake_set '{"password": "right", "mode": "hold"}'
	config <<<"$(password_provider iem wrong)"
	mount_start
	spawn "$T/reader" timeout 30 cat "$MNT/iem/access_token"
	fake await/token/1
	secret password right >/dev/null
	fake_set '{"mode": "ok"}'
	eventually 10 ended "$SPAWNED"
	token iem/access_token
	equal "$(fake_count)" 2
}

@test "contract 9: a refused password is not tried again by the next worker" {
	fake_set '{"password": "right"}'
	config <<<"$(password_provider iem wrong)"
	mount_start
	equal "$(errno_of open iem/access_token)" EKEYREJECTED
	kill_worker
	equal "$(errno_of open iem/access_token)" EKEYREJECTED
	equal "$(errno_of open iem/access_token)" EKEYREJECTED
	equal "$(fake_count)" 1
	secret password right >/dev/null
	token iem/access_token
	equal "$(fake_count)" 2
}

@test "contract 6: SIGTERM waits for the answer to a refresh token that works once" {
	rotating
	fake_set '{"delay": 1}'
	spawn "$T/reader" timeout 20 cat "$MNT/iem/access_token"
	fake await/token/1
	kill -TERM "$PID"
	eventually 10 ended "$PID"
	not_mounted
	fake_set '{"delay": 0}'
	mount_start
	put iem/other '{"scope": "other"}'
	used_once
}

@test "on a full disk reads that fail with ENOSPC do not use up one refresh token each" {
	small_state
	rotating
	put iem/start '{"scope": "start"}'
	fake reset -o /dev/null
	fill
	SECONDS=0
	for _ in 1 2 3 4 5 6; do equal "$(errno_of open iem/access_token)" ENOSPC; done
	[ "$(fake_count)" -le $((2 + SECONDS)) ] || equal "$(fake_count) requests" 'one a second at most'
	rm "$STATE/filler"
	eventually 15 reads iem/access_token
	used_once
}

@test "rm on a full disk fails, and what the server revoked is shown to nobody" {
	small_state
	config < <(
		provider iem client_credentials
		provider two client_credentials | sed '/^revocation-url/d'
	)
	mount_start
	put iem/narrow '{"scope": "narrow"}'
	token iem/narrow >"$T/revoked"
	import two/mine value-mine
	fill
	equal "$(errno_of unlink iem/narrow)" ENOSPC
	fake log | jq -e --rawfile t "$T/revoked" 'any(.[]; .kind == "revoke" and .form.token == $t)'
	refuse cmp -s "$T/revoked" <(token iem/narrow)
	# No server has heard of this one: it is not lost.
	equal "$(errno_of unlink two/mine)" ENOSPC
	equal "$(token two/mine)" value-mine
	rm "$STATE/filler"
	timeout -k 1 20 rm "$MNT/iem/narrow" "$MNT/two/mine"
	equal "$(timeout -k 1 5 ls "$MNT/iem" "$MNT/two" | grep -c 'narrow\|mine')" 0
}

@test "an id_token that is over, of a server that sends no other, costs no request each" {
	iem
	fake_set '{"id_token": 2}'
	token iem/access_token
	token iem/id_token
	fake_set '{"id_token": null}'
	over() { [ "$(meta iem/id_token .state)" != hot ]; }
	eventually 5 over
	fake reset -o /dev/null
	for _ in 1 2 3 4 5 6 7 8 9 10; do refuse reads iem/id_token; done
	[ "$(fake_count)" -le 2 ] || equal "$(fake_count) requests" 'two at most'
	reads iem/access_token
}

@test "who waits for an id_token whose removal is refused gets the next one that comes with a token" {
	iem
	fake_set '{"id_token": 3, "revoke": "hold"}'
	token iem/access_token
	token iem/id_token
	spawn "$T/rm" timeout 20 rm "$MNT/iem/id_token"
	local rm=$SPAWNED
	fake await/revoke/1
	over() { [ "$(meta iem/id_token .state)" != hot ]; }
	eventually 5 over
	fake_set '{"id_token": 300}'
	spawn "$T/reader" timeout 20 cat "$MNT/iem/id_token"
	eventually 10 wait_long 2
	fake_set '{"revoke": "busy"}'
	eventually 10 ended "$rm"
	eventually 10 ended "$SPAWNED"
	matches "$(cat "$T/reader")" '^[^.]+\.[^.]+\.'
	refuse fake await/token/3/1
	equal "$(token iem/id_token)" "$(cat "$T/reader")"
	equal "$(fake_count)" 2
}

# --- generations

@test "contract 4: rotations that never pause leave no old tokens behind, and a bound file follows" {
	local n
	rows() {
		sqlite3 -readonly "$STATE/tokenfs.db" \
			'SELECT count(*), min(generation), max(generation) FROM token' | tr '|' ' '
	}
	fake_set '{"expires_in": 1}'
	iem
	token iem/access_token
	bind_file iem/access_token
	fake_set '{"length": 700}'
	size_is() { [ "$(probe exact "$T/bound" 2>/dev/null | wc -c)" = $(($1 + 1)) ]; }
	eventually 13 size_is 700
	for n in 300 1900 200; do
		fake_set "{\"length\": $n}"
		eventually 5 size_is "$n"
	done
	first_is_gone() {
		local first last
		read -r n first last < <(rows)
		[ "$first" -gt 1 ] && [ "$last" -gt 15 ]
	}
	eventually 6 first_is_gone
	[ "$n" -lt 40 ] || equal "$n rows" 'less than 40'
}

@test "a token that was written ends as EKEYEXPIRED, and no other is fetched in its place" {
	iem
	import iem/mine imported 3
	equal "$(probe until-failure "$MNT/iem/mine" 10)" 'EKEYEXPIRED 1'
	mount_stop
	mount_start
	equal "$(errno_of open iem/mine)" EKEYEXPIRED
	equal "$(fake_count)" 0
}

@test "two documents written through one O_EXCL descriptor are both taken" {
	iem
	run timeout -k 1 20 python3 - "$MNT/iem/new" <<-'EOT'
		import os, sys
		fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
		for value in "one", "two":
		    os.write(fd, b'{"access_token": "%s", "expires_in": 60}' % value.encode())
		    print(open(sys.argv[1]).read())
	EOT
	equal "$output" $'one\ntwo'
	equal "$(token iem/new)" two
}

@test "who tried to write through a bound file and then reads by name gets the token" {
	iem
	bind_file iem/access_token
	run timeout -k 1 20 python3 - "$T/bound" "$MNT/iem/access_token" <<-'EOT'
		import errno, os, sys
		try:
		    os.open(sys.argv[1], os.O_WRONLY)
		except OSError as error:
		    print(errno.errorcode[error.errno])
		fd = os.open(sys.argv[2], os.O_RDONLY)
		print(os.read(fd, 1 << 20).decode())
	EOT
	equal "${lines[0]}" ESTALE
	equal "${lines[1]:-nothing}" "$(fake tokens | jq -r '.[-1].access_token')"
}

# --- many that wait

@test "contract 8: 40 large documents and 20 readers that wait for one server delay no other" {
	need_root
	config <<<"$(provider stalled client_credentials)"$'\n[here]\ntype = local'
	mount_start
	token here/access_token
	fake_set '{"mode": "hold"}'
	cat >"$T/many.py" <<-'EOT'
		import errno, os, sys, threading
		def write(number):
		    fd = os.open(f"{sys.argv[1]}/n{number}", os.O_WRONLY | os.O_CREAT, 0o600)
		    try:
		        os.write(fd, b'{"scope": "%s"}' % (b"s" * 2000))
		        outcome = b"OK\n"
		    except OSError as error:
		        outcome = errno.errorcode[error.errno].encode() + b"\n"
		    os.write(1, outcome)
		def read():
		    os.open(sys.argv[1] + "/access_token", os.O_RDONLY)
		for number in range(40):
		    threading.Thread(target=write, args=(number,)).start()
		for number in range(20):
		    threading.Thread(target=read).start()
	EOT
	: >"$T/many"
	spawn "$T/many" timeout 50 python3 "$T/many.py" "$MNT/stalled"
	fake await/token/1
	# Those that there is no room for are told so.
	all_came() { [ $(($(callers) + $(wc -l <"$T/many"))) -ge 60 ]; }
	eventually 10 all_came
	took 1000 cat "$MNT/here/access_token"
	took 1000 cat "$MNT/here/.status"
	wait_at_least 40
	refuse grep -vx 'EAGAIN' "$T/many"
	fake_set '{"mode": "ok"}'
	eventually 20 ended "$SPAWNED"
	[ "$(grep -cx OK "$T/many")" -ge 20 ]
}

@test "a configuration of several megabytes is in force for the next worker too" {
	local old
	config < <(
		printf '[here]\ntype = local\nprefetch = no\n'
		awk 'BEGIN { for (i = 0; i < 20000; i++) printf "[here/n%05d]\naudience = https://%060d.example\n", i, i }'
	)
	[ "$(stat -c %s "$CONF")" -gt 2000000 ]
	mount_start
	token here/n00007 >"$T/before"
	old=$(worker)
	kill -9 "$old"
	successor() { [ "$(worker)" != "$old" ] && answers; }
	eventually 20 successor
	token here/n00007 | cmp - "$T/before"
	equal "$(find "$MNT/here/" -maxdepth 1 -name 'n*' | wc -l)" 20000
}
