#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The example of providers/TEMPLATE.md, as it stands there: its stand-in and its tests.

load common

ACME_TOKENFS=${ACME_TOKENFS:-$(dirname "$TOKENFS")/tests/tokenfs-acme}

setup() {
	begin
}

teardown() {
	finish
}

part() { # FILE
	mkdir -p "$T/${1%/*}"
	awk -v part="$1" -f "$E2E/../template/part.awk" "$E2E/../../providers/TEMPLATE.md" >"$T/$1"
}

# A run of bats inside of this one knows nothing of it.
own_run() (
	local bats=$BATS_ROOT/bin/bats
	PATH=${PATH//"$BATS_LIBEXEC:"/}
	unset "${!BATS_@}"
	TMPDIR=$T TOKENFS=$ACME_TOKENFS timeout -k 5 "$LIMIT" "$bats" --formatter tap "$1" 3>&-
)

@test "TEMPLATE.md: the tests of its example pass with the type and the stand-in of the page" {
	part tests/servers/acme.py
	part tests/e2e/acme.bats
	cp "$E2E/common.bash" "$E2E/probe.py" "$T/tests/e2e/"
	cp "$SERVERS/checked.py" "$T/tests/servers/"
	own_run "$T/tests/e2e/acme.bats" >"$T/acme.tap" 2>&1 ||
		{
			cat "$T/acme.tap"
			return 1
		}
	equal "$(grep -c '^ok ' "$T/acme.tap")" "$(grep -c '^@test ' "$T/tests/e2e/acme.bats")"
}
