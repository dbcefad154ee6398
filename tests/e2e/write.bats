#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Writing documents, creating and removing names.

load common

setup() {
	begin
	fake_start
}

teardown() {
	finish
}

iem() { # [LINE…]
	config <<<"$(provider iem client_credentials "$@")"
	mount_start
}

absent() { # NAME: neither listed nor there
	refuse test -e "$MNT/iem/$1"
	refuse grep -qxF "$1" <<<"$(timeout -k 1 10 ls -A "$MNT/iem")"
}

last_form() { # FILTER
	fake log | jq -r "[.[] | select(.kind == \"token\")][-1].form | $1"
}

# --- documents

@test "an import is the token from then on" {
	iem
	token iem/access_token
	import iem/access_token imported-1
	equal "$(token iem/access_token)" imported-1
	equal "$(probe exact "$MNT/iem/access_token")" imported-1
	equal "$(fake_count)" 1
	equal "$(meta iem/access_token .state)" hot
}

@test "a refresh token that is imported becomes the slot's own" {
	iem
	fake_set '{"rotate": true}'
	put iem/mine "{\"refresh_token\": \"$(fake refresh_token -X POST)\"}"
	token iem/mine
	equal "$(last_form .grant_type)" refresh_token
	token iem/access_token
	equal "$(last_form .grant_type)" client_credentials
}

@test "a wish makes a new name: fetched for its scope, and listed" {
	iem 'scope = all'
	put iem/narrow '{"scope": "storage.read:/"}'
	token iem/narrow
	equal "$(last_form .scope)" storage.read:/
	equal "$(timeout -k 1 10 ls "$MNT/iem")" $'access_token\nnarrow'
}

@test "id_token that somebody wrote is his, also after a restart" {
	iem
	fake_set '{"id_token": 300}'
	token iem/access_token >/dev/null
	token iem/id_token >/dev/null
	import iem/id_token mine
	equal "$(token iem/id_token)" mine
	mount_stop
	mount_start
	equal "$(token iem/id_token)" mine
	timeout -k 1 20 rm "$MNT/iem/access_token"
	token iem/access_token >/dev/null
	equal "$(token iem/id_token)" mine
}

@test "every way of writing works: >, tee, cp, dd, printf >>, python" {
	local i=0 document
	iem
	doc() { printf '{"access_token": "way-%d", "expires_in": 300}' "$1" >"$T/document"; }
	check() { equal "$(token "iem/way$1")" "way-$1"; }
	for new in yes no; do
		for i in 1 2 3 4 5 6; do
			[ "$new" = yes ] || import "iem/way$i" "before-$i"
			doc $i
			case $i in
			1) timeout -k 1 20 sh -c 'cat "$1" >"$2"' sh "$T/document" "$MNT/iem/way$i" ;;
			2) timeout -k 1 20 tee "$MNT/iem/way$i" <"$T/document" ;;
			3) timeout -k 1 20 cp "$T/document" "$MNT/iem/way$i" ;;
			4) timeout -k 1 20 dd if="$T/document" of="$MNT/iem/way$i" conv=notrunc status=none ;;
			5) timeout -k 1 20 sh -c 'cat "$1" >>"$2"' sh "$T/document" "$MNT/iem/way$i" ;;
			6) timeout -k 1 20 python3 -c 'import sys
open(sys.argv[2], "w").write(open(sys.argv[1]).read())' "$T/document" "$MNT/iem/way$i" ;;
			esac
			check $i
		done
	done
	equal "$(fake_count all)" 0
}

@test "contract 11: a malformed document is refused and changes nothing" {
	local document before
	iem
	import iem/access_token before
	before=$(meta iem/access_token '.generation, .expires_at')
	for document in '' 'no json' '{' '[]' '"text"' '{} {}' '{"access_token": 5}' '{"colour": "blue"}' \
		'{"access_token": "a b"}' '{"access_token": "a\nb"}' '{"access_token": ""}' \
		'{"access_token": "x", "expires_in": -1}' '{"access_token": "x", "expires_in": "soon"}' \
		'{"scope": {"a": 1}}' '{"resource": "no uri"}'; do
		[ -n "$document" ] || document=@1
		equal "$document: $(errno_of write iem/access_token "$document")" "$document: EINVAL"
		equal "$document: $(errno_of create iem/new "$document")" "$document: EINVAL"
		absent new
	done
	equal "$(token iem/access_token)" before
	equal "$(meta iem/access_token '.generation, .expires_at')" "$before"
	equal "$(fake_count all)" 0
}

@test "contract 11: a document that is too large is refused and changes nothing" {
	iem
	import iem/access_token before
	matches "$(errno_of write iem/access_token @400000)" '^E(FBIG|INVAL)$'
	equal "$(token iem/access_token)" before
	matches "$(errno_of create iem/new @400000)" '^E(FBIG|INVAL)$'
	absent new
}

@test "contract 11: a wish that the server refuses leaves the old token, and no new name" {
	iem
	token iem/access_token >"$T/before"
	fake_set '{"mode": "invalid_scope"}'
	equal "$(errno_of create iem/new '{"scope": "admin"}')" EACCES
	absent new
	equal "$(errno_of write iem/access_token '{"scope": "admin"}')" EACCES
	token iem/access_token | cmp - "$T/before"
}

@test "contract 11: a write's errno is its result: a server that is busy, a server that is gone" {
	iem
	import iem/access_token before
	fake_set '{"mode": "busy", "retry_after": 1}'
	equal "$(errno_of write iem/access_token '{"scope": "other"}')" EAGAIN
	equal "$(token iem/access_token)" before
	fake_stop
	matches "$(errno_of create iem/new '{"scope": "other"}')" '^E(CONNREFUSED|AGAIN)$'
	absent new
	equal "$(token iem/access_token)" before
}

@test "contract 11: on a full disk a write fails and changes nothing" {
	need_root
	mkdir "$STATE"
	mount -t tmpfs -o size=1m,mode=0700 none "$STATE" || skip 'tmpfs cannot be mounted'
	iem
	import iem/access_token before
	dd if=/dev/zero of="$STATE/filler" bs=4k status=none 2>/dev/null || true
	equal "$(errno_of write iem/access_token \
		"{\"access_token\": \"$(printf %060000d 0)\", \"expires_in\": 300}")" ENOSPC
	equal "$(token iem/access_token)" before
	rm "$STATE/filler"
	import iem/access_token after
	equal "$(token iem/access_token)" after
}

@test "what is wrong with a document is said in one sentence, without the document" {
	iem
	equal "$(errno_of write iem/access_token '{"colour": "S3CRET-VALUE"}')" EINVAL
	said() { cat "$LOG" <(token iem/.status) | grep -q colour; }
	eventually 5 said
	refuse grep -q S3CRET-VALUE <(cat "$LOG" <(token iem/.status))
}

@test "opening for writing without a write, and truncating, change nothing" {
	iem
	import iem/access_token before
	timeout -k 1 20 sh -c ': >"$1"; : >>"$1"' sh "$MNT/iem/access_token"
	timeout -k 1 20 truncate -s 0 "$MNT/iem/access_token" 2>/dev/null || true
	equal "$(token iem/access_token)" before
	equal "$(probe exact "$MNT/iem/access_token")" before
}

# --- names

@test "touch of a new name leaves no trace, nor does a draft that nobody writes" {
	iem
	timeout -k 1 20 touch "$MNT/iem/new" 2>/dev/null || true
	absent new
	equal "$(errno_of create-only iem/new)" OK
	absent new
	equal "$(fake_count all)" 0
}

@test "a draft is nothing until its document is written" {
	iem
	exec 9>"$MNT/iem/new"
	absent new
	printf '{"access_token": "now", "expires_in": 60}' >&9
	exec 9>&-
	equal "$(token iem/new)" now
}

@test "O_EXCL: a name that is there is EEXIST, a new one is made" {
	local document='{"access_token": "new", "expires_in": 60}'
	iem
	equal "$(errno_of exclusive iem/access_token "$document")" EEXIST
	equal "$(errno_of exclusive iem/new "$document")" OK
	equal "$(errno_of exclusive iem/new "$document")" EEXIST
	equal "$(token iem/new)" new
}

@test "names: a leading dot, control characters, bad UTF-8 and too many bytes are refused" {
	local document='{"access_token": "new", "expires_in": 60}' name
	iem
	for name in .hidden $'tab\there' $'line\nfeed' $'bad\xffutf8'; do
		equal "$(errno_of create "iem/$name" "$document")" EINVAL
	done
	equal "$(errno_of create "iem/$(printf 'x%.0s' $(seq 256))" "$document")" ENAMETOOLONG
	for name in "$(printf 'x%.0s' $(seq 255))" 'mit Leerzeichen' 'schlüssel' '-rf'; do
		equal "$(errno_of create "iem/$name" "$document")" OK
		equal "$(timeout -k 1 10 cat -- "$MNT/iem/$name")" new
	done
}

@test "what is not a token cannot be written, created or removed" {
	local path
	iem
	for path in iem/.meta/access_token iem/.status .status .metrics iem/.headers/access_token; do
		refuse equal "$path $(errno_of write "$path" '{}')" "$path OK"
		refuse equal "$path $(errno_of unlink "$path")" "$path OK"
	done
	refuse equal "$(errno_of create new-at-the-root '{}')" OK
	refuse equal "$(errno_of create iem/.meta/new '{}')" OK
	equal "$(fake_count all)" 0
}

@test "rename, link, symlink, mkdir, rmdir, mknod, chmod, chown are EPERM" {
	iem
	import iem/one one
	equal "$(errno_of rename iem/one "$MNT/iem/two")" EPERM
	equal "$(errno_of rename iem/one "$MNT/iem/access_token")" EPERM
	equal "$(errno_of link iem/one "$MNT/iem/two")" EPERM
	equal "$(probe symlink one "$MNT/iem/two")" EPERM
	equal "$(errno_of mkdir iem/directory)" EPERM
	equal "$(errno_of mkdir directory)" EPERM
	equal "$(errno_of rmdir iem)" EPERM
	equal "$(errno_of mknod iem/fifo)" EPERM
	equal "$(errno_of chmod iem/one 644)" EPERM
	equal "$(errno_of chown iem/one 12345)" EPERM
	equal "$(token iem/one)" one
	equal "$(timeout -k 1 10 ls "$MNT/iem")" $'access_token\none'
}

@test "a name that is not there is ENOENT" {
	iem
	equal "$(errno_of open iem/nothing)" ENOENT
	equal "$(errno_of open nothing/access_token)" ENOENT
	equal "$(errno_of unlink iem/nothing)" ENOENT
	equal "$(errno_of open iem/.meta/nothing)" ENOENT
}

# --- rm

@test "rm revokes at the server, then forgets; a declared slot comes back cold" {
	local value
	iem
	value=$(token iem/access_token)
	timeout -k 1 20 rm "$MNT/iem/access_token"
	equal "$(fake log | jq -r '.[-1] | .kind, .form.token')" "revoke"$'\n'"$value"
	test -e "$MNT/iem/access_token"
	matches "$(meta iem/access_token .state)" '^(cold|revoked)$'
	refuse equal "$(token iem/access_token)" "$value"
	equal "$(fake_count)" 2
}

@test "rm of a created name takes it away, for good" {
	iem
	put iem/narrow '{"scope": "narrow"}'
	token iem/narrow
	timeout -k 1 20 rm "$MNT/iem/narrow"
	absent narrow
	equal "$(errno_of open iem/narrow)" ENOENT
	mount_stop
	mount_start
	absent narrow
}

@test "rm of a slot with a refresh token of its own revokes that" {
	local refresh
	iem
	refresh=$(fake refresh_token -X POST)
	put iem/mine "{\"refresh_token\": \"$refresh\"}"
	token iem/mine
	timeout -k 1 20 rm "$MNT/iem/mine"
	fake log | jq -e --arg t "$refresh" 'any(.[]; .kind == "revoke" and .form.token == $t)'
	absent mine
}

@test "rm fails when the server is busy or says no: the file stays, nothing is lost" {
	iem
	token iem/access_token >"$T/before"
	fake_set '{"revoke": "busy"}'
	equal "$(errno_of unlink iem/access_token)" EAGAIN
	token iem/access_token | cmp - "$T/before"
	equal "$(fake_count)" 1
}

@test "rm fails when the server does not answer: in time, and nothing is lost" {
	local start
	iem 'timeout = 3s'
	token iem/access_token >"$T/before"
	fake_set '{"revoke": "stall"}'
	start=$SECONDS
	equal "$(errno_of unlink iem/access_token)" ETIMEDOUT
	[ $((SECONDS - start)) -le 11 ]
	token iem/access_token | cmp - "$T/before"
}

@test "rm where no revocation endpoint is known forgets, and the log says so" {
	config <<<"$(provider iem client_credentials | sed '/^revocation-url/d')"
	mount_start
	token iem/access_token
	timeout -k 1 20 rm "$MNT/iem/access_token"
	eventually 5 grep -qi revo "$LOG"
	equal "$(fake_count revoke)" 0
	token iem/access_token
	equal "$(fake_count)" 2
}

@test "an open descriptor keeps a token that was removed" {
	iem
	import iem/one value-one
	exec 9<"$MNT/iem/one"
	timeout -k 1 20 rm "$MNT/iem/one"
	equal "$(timeout -k 1 5 cat <&9)" value-one
	exec 9<&-
	absent one
}
