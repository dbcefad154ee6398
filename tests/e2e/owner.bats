#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Whose a token is.

load common

setup() {
	need_root
	begin
}

teardown() {
	[ -z "${T:-}" ] || finish
}

as() { # UID COMMAND…
	local id=$1
	shift
	timeout -k 1 20 setpriv --reuid "$id" --regid "$id" --clear-groups "$@"
}

denied() { # UID COMMAND…
	run as "$@"
	[ "$status" -ne 0 ]
	matches "$output" 'Permission denied'
}

@test "contract 14: owner, group and mode are enforced by the kernel" {
	config <<'EOT'
allow-other = yes
[mine]
type = local
[theirs]
type = local
owner = 12345
group = 23456
mode = 0440
EOT
	mount_start
	equal "$(stat -c '%u %g %a' "$MNT/theirs/access_token")" '12345 23456 440'
	equal "$(stat -c '%u %g %a' "$MNT/theirs")" '12345 23456 550'
	as 12345 cat "$MNT/theirs/access_token"
	as 23456 cat "$MNT/theirs/access_token"
	as 23456 cat "$MNT/theirs/.headers/access_token" "$MNT/theirs/.env/access_token"
	denied 34567 cat "$MNT/theirs/access_token"
	denied 12345 cat "$MNT/mine/access_token"
	denied 12345 ls "$MNT/mine"
	denied 23456 cat "$MNT/mine/.headers/access_token"
	denied 12345 sh -c 'echo "{\"do\": \"reload\"}" >"$1"' sh "$MNT/.control"
	as 34567 cat "$MNT/.status" "$MNT/.metrics"
}

@test "contract 14: who may not read may not write, revoke or create" {
	config <<'EOT'
allow-other = yes
[theirs]
type = local
owner = 12345
mode = 0640
EOT
	mount_start
	as 12345 cat "$MNT/theirs/access_token" >"$T/before"
	denied 34567 sh -c 'echo "{}" >"$1"' sh "$MNT/theirs/access_token"
	denied 34567 sh -c 'echo "{}" >"$1"' sh "$MNT/theirs/new"
	denied 34567 rm -f "$MNT/theirs/access_token"
	as 12345 cat "$MNT/theirs/access_token" | cmp - "$T/before"
}

@test "contract 14: without allow-other nobody else gets in" {
	config <<<$'allow-other = no\n[here]\ntype = local\nmode = 0444'
	mount_start
	denied 12345 ls "$MNT/here"
	denied 12345 cat "$MNT/.status"
	token here/access_token
}

@test "a slot that someone creates belongs to that user" {
	config <<'EOT'
allow-other = yes
[shared]
type = local
owner = 12345
mode = 0600
EOT
	mount_start
	as 12345 sh -c 'echo "{\"audience\": \"x\"}" >"$1"' sh "$MNT/shared/new"
	equal "$(stat -c %u "$MNT/shared/new")" 12345
	as 12345 cat "$MNT/shared/new"
	mount_stop
	mount_start
	equal "$(stat -c %u "$MNT/shared/new")" 12345
}

@test "contract 14: what a reload narrows is enforced at once, through a bind mount too" {
	config <<'EOT'
allow-other = yes
[theirs]
type = local
mode = 0444
EOT
	mount_start
	timeout -k 1 5 cat "$MNT/theirs/access_token" >/dev/null
	touch "$T/bound"
	mount --bind "$MNT/theirs/access_token" "$T/bound"
	as 34567 cat "$T/bound" "$MNT/theirs/access_token"
	sed -i 's/0444/0600/' "$CONF"
	timeout -k 1 20 "$TOKENFS" reload -m "$MNT"
	narrowed() { denied 34567 cat "$T/bound" && denied 34567 cat "$MNT/theirs/access_token"; }
	eventually 5 narrowed
	umount "$T/bound"
}
