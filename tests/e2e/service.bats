#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A service manager keeps the mount's descriptors: tests/servers/manager.py plays systemd's part.

load common

setup() {
	begin
	strings "$TOKENFS" | grep -q FDSTORE || skip 'built without libsystemd'
	fake_start
}
teardown() { finish; }

# The supervisor's pid, as the manager started it last.
started() {
	awk '$1 == "started" { pid = $2 } END { print pid }' "$T/manager.log"
}

events() { # WORD: how many there were
	grep -c "^$1" "$T/manager.log"
}

at_least() { # WORD N
	[ "$(events "$1")" -ge "$2" ]
}

managed_start() {
	: >"$T/manager.log"
	WRAP=(python3 "$SERVERS/manager.py" "$T/manager.log")
	mount_start
}

@test "the service manager hears when the mount answers, and keeps its descriptors" {
	config <<<"$(provider iem client_credentials)"
	managed_start
	eventually 10 at_least ready 1
	eventually 5 at_least stored 6
	mount_stop
	equal "$(events removed)" 6
}

@test "a mount outlives its supervisor: who reads waits for the next one, an open descriptor reads on" {
	local old worker reader i
	config <<<"$(provider iem client_credentials)"
	managed_start
	eventually 10 at_least ready 1
	old=$(token iem/access_token)
	exec 7<"$MNT/iem/access_token"
	spawn "$T/reads" bash -c "while :; do cat '$MNT/iem/access_token' >/dev/null || echo failed; echo read; done"
	reader=$SPAWNED
	eventually 10 grep -q read "$T/reads"
	for i in 1 2 3; do
		kill -9 "$(started)"
		eventually 20 at_least started $((i + 1))
		eventually 20 at_least ready $((i + 1))
		equal "$(token iem/access_token)" "$old"
	done
	equal "$(timeout -k 1 10 cat <&7)" "$old"
	exec 7<&-
	kill "$reader"
	eventually 5 ended "$reader"
	refuse grep -q failed "$T/reads"
	equal "$(fake_count)" 1
	worker=$(worker)
	running "$worker"
	mount_stop
}

@test "what another version left with the service manager is let go, and mounted anew" {
	config <<<"$(provider iem client_credentials)"
	export MANAGER_AGES=yes
	managed_start
	eventually 10 at_least ready 1
	token iem/access_token
	exec 7<"$MNT/iem/access_token"
	kill -9 "$(started)"
	eventually 20 at_least ready 2
	exec 7<&-
	token iem/access_token
	equal "$(grep -c " $MNT " /proc/self/mountinfo)" 1
	eventually 5 at_least stored 12
	mount_stop
}
