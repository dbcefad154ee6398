# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Completion of tokenfs for bash. Goes to /usr/share/bash-completion/completions/tokenfs.

_tokenfs_mountpoints() {
	findmnt -rno TARGET -t fuse.tokenfs
}

# The providers of a mount: of the one that `-m` names, else of the usual one.
_tokenfs_providers() {
	local i mountpoint=/run/tokens
	((EUID == 0)) || mountpoint=${XDG_RUNTIME_DIR-}/tokens
	for ((i = 1; i < COMP_CWORD; i++)); do
		[[ ${COMP_WORDS[i]} != -m ]] || mountpoint=${COMP_WORDS[i + 1]}
	done
	[[ ! -d $mountpoint ]] || (cd "$mountpoint" && printf '%s\n' */ | tr -d /)
}

_tokenfs_words() {
	mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2")
}

_tokenfs_files() {
	mapfile -t COMPREPLY < <(compgen -f -- "$1")
	compopt -o filenames 2>/dev/null
}

_tokenfs_directories() {
	mapfile -t COMPREPLY < <(compgen -d -- "$1")
	compopt -o filenames 2>/dev/null
}

_tokenfs() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
	local commands='mount unmount check status login reload upgrade unregister help'
	local types='oauth2 indigo-iam siemens-iem siemens-ied siemens-iehub controlm catalyst'
	types+=' cisco-iotod cisco-ei local exec static'

	if ((COMP_CWORD == 1)); then
		_tokenfs_words "$commands --version" "$word"
		return
	fi
	case $before in
	-c)
		_tokenfs_files "$word"
		return
		;;
	-m)
		_tokenfs_words "$(_tokenfs_mountpoints)" "$word"
		return
		;;
	-o) return ;;
	esac
	case ${COMP_WORDS[1]} in
	mount)
		if [[ $word == -* ]]; then
			_tokenfs_words '-f -c -o' "$word"
		else
			_tokenfs_directories "$word"
		fi
		;;
	unmount) _tokenfs_words "$(_tokenfs_mountpoints)" "$word" ;;
	check) _tokenfs_words '-c' "$word" ;;
	status) _tokenfs_words '-m --json' "$word" ;;
	login | unregister)
		if [[ $word == -* ]]; then
			_tokenfs_words '-m' "$word"
		else
			_tokenfs_words "$(_tokenfs_providers)" "$word"
		fi
		;;
	reload | upgrade) _tokenfs_words '-m' "$word" ;;
	help) ((COMP_CWORD > 2)) || _tokenfs_words "$commands $types" "$word" ;;
	esac
}

complete -F _tokenfs tokenfs
