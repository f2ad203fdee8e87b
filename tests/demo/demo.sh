#!/usr/bin/env bash
# What swarmd does, shown on this machine with nothing but what the build made: a sandbox, programs in it, files in and out,
# what it cannot reach, what survives a killed daemon. Everything runs in directories of its own and is removed at the end.
set -euo pipefail
build=$1
PATH="$build/bin:$PATH"

home=$(mktemp -d /tmp/swarmd-demo-XXXXXX)
export XDG_CONFIG_HOME=$home/config XDG_STATE_HOME=$home/state XDG_DATA_HOME=$home/data XDG_RUNTIME_DIR=$home/run
unset SWARMD_SOCKET
mkdir -p "$XDG_CONFIG_HOME" "$XDG_STATE_HOME" "$XDG_DATA_HOME" "$XDG_RUNTIME_DIR"
chmod 700 "$home" "$XDG_RUNTIME_DIR"

bold='' dim='' plain=''
if [ -t 1 ]; then bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'; fi
say() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
# Shows a command as one would type it, then runs it.
run() {
  local word shown=''
  for word in "$@"; do
    case $word in *[!A-Za-z0-9_./:=@-]*) shown+=" '$word'" ;; *) shown+=" $word" ;; esac
  done
  printf '%s$%s%s\n' "$dim" "$shown" "$plain"
  "$@"
}
cleanup() {
  swarmctl --no-start sandbox kill demo >/dev/null 2>&1 || true
  swarmctl --no-start daemon stop >/dev/null 2>&1 || true
  rm -rf "$home"
}
trap cleanup EXIT
expect() {  # expect WANTED ACTUAL WHAT
  [ "$1" = "$2" ] || { printf 'demo: %s: expected %s, got %s\n' "$3" "$1" "$2" >&2; exit 1; }
}

say 'A sandbox. No daemon runs yet: the first command starts one.'
run swarmctl sandbox create --name demo

say 'A program in it, as a user that exists only inside; its exit status is ours.'
run swarmctl exec demo -- sh -c 'id; uname -n; exit 7' || status=$?
expect 7 "${status:-0}" 'exit status'

say 'It sees no process of the host, no file of yours, no network.'
run swarmctl exec demo -- sh -c 'echo "processes: $(ls /proc | grep -c "^[0-9]")"; ls -A /home; cat /etc/shadow || true; ls /sys/class/net 2>/dev/null || echo "no network devices shown"' || true

say 'Files go in, are worked on, and come back.'
printf 'one\ntwo\nthree\n' > "$home/words.txt"
run swarmctl cp "$home/words.txt" demo:/workspace/words.txt
run swarmctl exec demo -- sh -c 'tac /workspace/words.txt > /workspace/reversed.txt'
run swarmctl cp demo:/workspace/reversed.txt "$home/reversed.txt"
run cat "$home/reversed.txt"
expect three "$(head -1 "$home/reversed.txt")" 'first line'

say 'A script through standard input.'
printf 'for i in 1 2 3; do echo "line $i"; done\n' | run swarmctl exec -i demo -- sh

say 'A program in the background outlives a daemon that is killed.'
run swarmctl exec --detach demo -- sh -c 'i=0; while [ $i -lt 600 ]; do i=$((i+1)); echo tick $i; sleep 0.1; done'
pid=$(swarmctl --json daemon status | sed -n 's/.*"pid": *\([0-9]*\).*/\1/p' | head -1)
run kill -9 "$pid"
run swarmctl sandbox ls
run swarmctl ps demo

say 'The end: nothing is left.'
run swarmctl sandbox kill demo
run swarmctl sandbox ls --all
expect 0 "$(find "$XDG_STATE_HOME/swarmd/sandboxes" -mindepth 1 -maxdepth 1 | wc -l)" 'directories left'
say "That is one sandbox on this machine. 'swarmctl help' shows the rest; the README goes on from here."
