#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What the manual, the completion and `tokenfs help` say is the same.

# shellcheck disable=SC2154 # lines are of bats

load common

TOP=$E2E/../..

types() {
	"$TOKENFS" help | awk '/^Types/ { on = 1; next } on && /^  / { print $1 }'
}

commands() {
	"$TOKENFS" help | awk '/^Types/ { exit } /^  / { print $1 }'
}

# What stands below these headings of the help of a type; of a secret its bare name
keys() { # TYPE REGEX
	"$TOKENFS" help "$1" | awk -v heading="$2" '
		/^[^ ]/ { on = $0 ~ heading }
		on && /^  [^ ]/ { gsub(",", ""); print $1; if ($2 != "|" && $2) print $2 }' |
		sed 's/-file$//' | sort -u
}

# plain FILE: the text of a page without its marks, and of the page whose keys it says it has
plain() {
	local other
	other=$(sed -n 's/^As of \*tokenfs-\([a-z0-9-]*\)\*(7).*/\1/p' "$1" | head -n 1)
	cat "$1" ${other:+"${1%/*}/$other.7.scd"} | tr -d '*_\134'
}

# words FILE WORD…: each stands there by itself
words() {
	local file=$1 word missing=()
	shift
	for word; do
		plain "$file" | grep -qE -- "(^|[^a-z0-9-])${word//_/}([^a-z0-9-]|-file|-command|-credential|$)" ||
			missing+=("$word")
	done
	[ ${#missing[@]} = 0 ] || {
		printf '%s: not a word of: %s\n' "${file##*/}" "${missing[*]}"
		return 1
	}
}

@test "manual: each type has a page, which has each of its keys and each member of a document" {
	local type page all
	for type in $(types); do
		page=$TOP/providers/$type.7.scd
		[ -e "$page" ] || {
			echo "there is no page for $type"
			return 1
		}
		equal "$(head -n 1 "$page")" "tokenfs-$type(7)"
		mapfile -t all < <(keys "$type" '^Keys:'; keys "$type" '^Members of')
		words "$page" "${all[@]}"
	done
}

@test "manual: tokenfs.conf(5) has the keys of every provider, and the types" {
	local all
	mapfile -t all < <(keys static '^Keys of every')
	[ ${#all[@]} -ge 10 ]
	words "$TOP/contrib/man/tokenfs.conf.5.scd" "${all[@]}"
	equal "$(sed -n 's/^\*type\* = //p' "$TOP/contrib/man/tokenfs.conf.5.scd" | tr -d '|' | xargs -n 1)" \
		"$(types)"
}

@test "manual: README has each type, tokenfs(1) each command" {
	local word
	for word in $(types); do grep -qF "| \`$word\` |" "$TOP/README.md"; done
	for word in $(commands); do
		grep -qE "^\*tokenfs $word\*|^\*${word}\*" "$TOP/contrib/man/tokenfs.1.scd"
	done
}

@test "manual: what SEE ALSO and the text name has a page" {
	local name
	for name in $(grep -ohE '\*tokenfs[a-z0-9.-]*\*\([0-9]\)' "$TOP"/contrib/man/*.scd "$TOP"/providers/*.scd | tr -d '*' |
		sort -u); do
		name=${name%)}
		[ -e "$TOP/contrib/man/${name/(/.}.scd" ] || [ -e "$TOP/providers/$(sed 's/^tokenfs-//; s/(/./' <<<"$name").scd" ] || {
			echo "there is no page $name)"
			return 1
		}
	done
}

@test "manual: the completion offers each command and each type" {
	local COMP_WORDS COMP_CWORD COMPREPLY
	# shellcheck source=contrib/completions/tokenfs.bash
	. "$TOP/contrib/completions/tokenfs.bash"
	COMP_WORDS=(tokenfs '') COMP_CWORD=1
	_tokenfs
	equal "$(printf '%s\n' "${COMPREPLY[@]}")" "$(commands)"
	COMP_WORDS=(tokenfs help '') COMP_CWORD=2
	_tokenfs
	equal "$(printf '%s\n' "${COMPREPLY[@]}")" "$(commands | grep -v '^--'; types)"
}
