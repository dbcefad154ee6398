# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# login.bash: logins of a person at the stand-ins of tests/servers/person.py. Loaded behind common.

# login PROVIDER FILTER: of its .login, which begins a login or joins the one under way
login() {
	token "$1/.login" | jq -r "$2"
}

# state PROVIDER: of the login, which begins none
state() {
	token "$1/.status" | jq -r '.login.state'
}

state_is() { # PROVIDER STATE
	[ "$(state "$1")" = "$2" ]
}

# What a person does, with a user code or with the newest one.
approve() { # [CODE]
	fake "approve${1:+/$1}" -X POST -o /dev/null
}

deny() { # [CODE]
	fake "deny${1:+/$1}" -X POST -o /dev/null
}

# ended_as PROVIDER STATE: the login is over, and its end has this name
ended_as() {
	eventually 10 state_is "$@"
}

# --- tokenfs login

# The command without a terminal: its output, what it complained of, and its status are files in T.
log_in() { # [ARGUMENT…]
	rm -f "$T/status"
	# shellcheck disable=SC2016
	spawn "$T/spawned" bash -c 'out=$1 err=$2 status=$3; shift 3
		"$@" >"$out" 2>"$err"; echo $? >"$status.new"; mv "$status.new" "$status"' - \
		"$T/out" "$T/err" "$T/status" "$TOKENFS" login -m "$MNT" "$@"
}

# The same in a terminal; SCREEN is what it shows. COLUMNS_ is its width, ENVIRONMENT goes to env(1).
log_in_on_terminal() { # [ARGUMENT…]
	SCREEN=$T/screen KEYS=$T/keys
	rm -f "$T/status" "$SCREEN" "$KEYS"
	spawn "$T/spawned" env TERM=xterm "${ENVIRONMENT[@]}" python3 "$E2E/terminal.py" run "$SCREEN" "$T/status" \
		"${COLUMNS_:-100}" "$KEYS" "$TOKENFS" login -m "$MNT" "$@"
}

shows() { # FILE TEXT
	grep -qaF -- "$2" "$1" 2>/dev/null
}

exit_status() {
	eventually 20 test -s "$T/status" >&2 && cat "$T/status"
}

# What a camera reads on the screen.
photograph() {
	command -v zbarimg >/dev/null || skip 'zbarimg (package zbar-tools) is not installed'
	python3 "$E2E/terminal.py" picture "$SCREEN" "$T/picture.pgm"
	timeout -k 1 20 zbarimg -q --raw "$T/picture.pgm"
}
