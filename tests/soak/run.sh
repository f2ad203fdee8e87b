#!/usr/bin/env bash
# The long crash, cut, endurance and kill harnesses in full; the suite runs a small sample of each.
#
#   run.sh BUILD            runs all        run.sh BUILD --list     names them
#   run.sh BUILD NAME...    runs these      SWARM_SEED=N            repeats a run with that seed
set -euo pipefail
source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
usage() { printf 'usage: %s BUILD [--list | NAME...]\n' "$0" >&2; exit 2; }
[ $# -ge 1 ] && [ -d "$1" ] || usage
build=$(cd "$1" && pwd); shift
seed=${SWARM_SEED:-$((RANDOM << 15 | RANDOM))}
units=$build/tests/unit/protocol

# unit_test NAME [arguments]: a program that is not built fails; nothing is passed over in silence.
unit_test() {
  [ -x "$units/$1" ] || { printf '%s is not built: cmake --build %s --target %s\n' "$1" "$build" "$1" >&2; return 1; }
  (cd "$units" && "./$1" "${@:2}")
}
soak_test() {
  [ -x "$build/bin/swarmd" ] || { printf 'the programs are not built: cmake --build %s --target programs\n' "$build" >&2; return 1; }
  SWARM_BUILD=$build SWARM_SOAK=1 SWARM_SEED=$seed PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 -m pytest -q -s \
    -p no:cacheprovider "$source_dir/tests/e2e/test_$1.py" -k "$2"
}

run_cuts() { SWARM_CUTS=1000 SWARM_SEED=$seed unit_test tunnel_test '[cut]'; }
run_store() { SWARMD_CRASH_ROUNDS=200 SWARMD_SWEEP=all SWARMD_CRASH_SEED=$seed unit_test store_crash_test; }
run_calls() { soak_test endurance 'behind'; }
run_bytes() { soak_test endurance 'little_memory'; }
run_kills() { soak_test endurance 'kills'; }
run_growth() { soak_test growth 'memory'; }
run_pastes() { soak_test delivery 'nasty'; }
run_folded() { SWARM_REAL_AGENTS=1 soak_test pastes_real 'whole'; }
run_agents() { SWARM_REAL_AGENTS=1 soak_test talk 'several'; }
run_messages() { soak_test messages 'arrives_once'; }
run_plan() { SWARM_E2B_CREATES=${SWARM_E2B_CREATES:-1000} soak_test e2b_cloud 'plans_limits'; }
run_uploads() { SWARM_UPLOADS=1000 "$build/tests/unit/daemon/http_test"; }
run_races() { soak_test locks 'race'; }
run_commits() {
  local test=$build/tests/integration/agentd_git_integration_test
  [ -x "$test" ] || { printf 'the test is not built: cmake --build %s --target agentd_git_integration_test\n' "$build" >&2; return 1; }
  SWARM_COMMITTERS=50 "$test" 'git: a crowd commits*' && SWARM_COMMITTERS=50 soak_test kept_work 'lost'
}
run_trees() {
  local test=$build/tests/unit/agentd/git/agentd_git_test
  [ -x "$test" ] || { printf 'the test is not built: cmake --build %s --target agentd_git_test\n' "$build" >&2; return 1; }
  SWARM_REAL_TREES=${SWARM_REAL_TREES:-/usr/share/doc:/usr/share/zoneinfo:/usr/share/perl} "$test" 'real trees*'
}
run_planted-locks() { "$source_dir/tests/soak/planted_locks.sh"; }
run_planted() { "$source_dir/tests/fuzz/planted.sh"; }
run_planted-properties() { "$source_dir/tests/properties/planted.sh"; }

# crash PROVIDER POINTS
crash() {
  [ -x "$build/bin/swarmd-under-test" ] || { printf 'the harness is not built: cmake --build %s --target programs\n' "$build" >&2; return 1; }
  PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 "$source_dir/tests/harness/crash.py" "$build" --provider "$1" \
    --points "${SWARM_POINTS:-$2}" --state "$build/crash-$1-$seed.json" --seed "$seed"
}
run_crash() { crash scripted 2000; }
run_crash-e2b() { crash e2b 1000; }

run_deploy() {
  [ -x "$build/bin/swarmd-points" ] || { printf 'the harness is not built: cmake --build %s --target programs\n' "$build" >&2; return 1; }
  PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 "$source_dir/tests/harness/deploy.py" "$build" --points "${SWARM_POINTS:-300}" \
    --state "$build/deploy-$seed.json" --seed "$seed"
}

declare -A about=(
  [crash]='the daemon killed at 2,000 points of creating, claiming, pausing and ending; nothing lost, nothing twice'
  [crash-e2b]='the same with provider e2b at our own endpoint over TLS, on its worst days: 1,000 points, pool and ledger held to what ran'
  [deploy]='a team at work, with the daemon, agentd and an agent killed 300 times each; the same branch comes back'
  [cuts]='the tunnel cut 1,000 times at random bytes under traffic both ways'
  [store]='200 crashes of a writing process, and every failure of a system call in the store'
  [calls]='10,000 calls in turn and 200 at once leave nothing behind'
  [bytes]='8 GiB through exec cat and through cp, by hash, in bounded memory'
  [kills]='500 kills of daemon, agentd and client at random moments'
  [growth]='100,000 requests under a heap profiler'
  [messages]='20 agents exchange 100,000 messages under 200 kills of agentd, 20 of the daemon and 400 cuts; each once, in order'
  [plan]="1,000 sandboxes created at an E2B plan's limits, none refused by the endpoint's own count"
  [uploads]='1,000 large uploads of each kind between our HTTP client and server, taken and refused'
  [races]='8 processes race for one lock 10,000 times, fresh and stale'
  [commits]='50 agents commit at once through agentd; no lock error, and no commit is lost with a sandbox or a swarm'
  [trees]='real trees of thousands of files travel into a sandbox and back, byte for byte (SWARM_REAL_TREES: others)'
  [planted-locks]='each planted mistake in overlap, line, lease or token makes a property of locks fail'
  [pastes]='5,000 nasty messages pasted to a program while agentd is killed 20 times'
  [folded]='400 nasty prompts for each of Claude Code and Codex, one turn each and whole'
  [agents]='8 panes of Claude Code at once'
  [planted]='each planted bug is found by its fuzz target within a minute'
  [planted-properties]='each planted mistake in limits, capacity, ledger, budgets, shares and votes makes its property fail'
)
names=(cuts store calls bytes kills growth messages races commits trees plan uploads pastes folded agents planted planted-properties planted-locks crash crash-e2b deploy)

if [ "${1:-}" = --list ]; then
  for name in "${names[@]}"; do printf '%-18s %s\n' "$name" "${about[$name]}"; done
  exit 0
fi
[ $# -gt 0 ] || set -- "${names[@]}"
for name in "$@"; do
  [ -n "${about[$name]:-}" ] || { printf "there is no '%s'; there are: %s\n" "$name" "${names[*]}" >&2; exit 2; }
done
failed=()
for name in "$@"; do
  printf '\n== %s: %s (SWARM_SEED=%s)\n' "$name" "${about[$name]}" "$seed"
  begun=$SECONDS
  rc=0; "run_$name" || rc=$?
  printf -- '-- %s: %s after %ss\n' "$name" "$([ $rc = 0 ] && echo passed || echo "FAILED ($rc)")" $((SECONDS - begun))
  [ $rc = 0 ] || failed+=("$name")
done
[ ${#failed[@]} = 0 ] || { printf '\nfailed: %s; repeat with SWARM_SEED=%s %s %s %s\n' "${failed[*]}" "$seed" "$0" "$build" "${failed[*]}"; exit 1; }
printf '\nall passed (SWARM_SEED=%s)\n' "$seed"
