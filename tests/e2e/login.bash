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
