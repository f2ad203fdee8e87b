#!/usr/bin/env bash
# Every benchmark that is built, each figure beside its rival from the same run, then the programs end to end.
#
#   run.sh BUILD [--json FILE]     FILE: one array of {name, value, unit, rival, rival_value, ratio}, added to
set -euo pipefail
source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
usage() { printf 'usage: %s BUILD [--json FILE]\n' "$0" >&2; exit 2; }
{ [ $# = 1 ] || { [ $# = 3 ] && [ "$2" = --json ]; }; } && [ -d "$1" ] || usage
build=$(cd "$1" && pwd)
json=()
[ $# = 1 ] || json=(--json "$(realpath -m "$3")")
failed=()
run() {
  local name=$1; shift
  printf '\n== %s\n' "$name"
  "$@" || failed+=("$name")
}
printf '%-44s %12s %-7s %-28s %12s  %s\n' figure ours unit rival theirs ratio
printf 'load when it began: %s\n' "$(cut -d' ' -f1-3 /proc/loadavg)"
found=0
for program in "$build"/bin/*_bench; do
  [ -x "$program" ] || continue
  [ "$(basename "$program")" != claim_bench ] || continue  # claims.py runs it
  found=1
  # A call and its answer are two wake-ups; whether they cross to another processor is the scheduler's choice, made anew for
  # each pair of processes, and costs more than all that is compared. On one processor it is the same for both sides.
  pin=()
  [ "$(basename "$program")" != wire_bench ] || pin=(taskset -c 0)
  run "$(basename "$program")" "${pin[@]}" "$program" "${json[@]}"
done
[ $found = 1 ] || { printf 'no benchmark is built: cmake --build %s\n' "$build" >&2; exit 1; }
if [ -x "$build/bin/local_create" ]; then run local_create "$build/bin/local_create" 50 20; fi
if [ ! -x "$build/bin/swarmd" ]; then
  printf '\n== end_to_end: swarmd is not built\n'; failed+=(end_to_end)
elif ! /usr/bin/python3 -c 'import msgpack, pytest' 2>/dev/null; then
  printf '\n== end_to_end: needs python3-msgpack and python3-pytest\n'; failed+=(end_to_end)
else
  run end_to_end env SWARM_BUILD="$build" PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 "$source_dir/end_to_end.py" "${json[@]}"
  run team env SWARM_BUILD="$build" PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 "$source_dir/team.py" "${json[@]}"
  run e2b env SWARM_BUILD="$build" PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 "$source_dir/e2b.py" "${json[@]}"
  run template env SWARM_BUILD="$build" PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 "$source_dir/template.py" "${json[@]}"
  run panes env SWARM_BUILD="$build" PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 "$source_dir/pane_costs.py" "${json[@]}"
fi
# Against a provider whose sandboxes exist in its memory only, with the daemon that the tests build.
if [ -x "$build/bin/swarmd-under-test" ] && [ -x "$build/bin/claim_bench" ]; then
  export PYTHONDONTWRITEBYTECODE=1
  run claims env SWARM_BUILD="$build" /usr/bin/python3 "$source_dir/claims.py" --plot "$build/claims.svg" "${json[@]}"
  run growth env SWARM_BUILD="$build" /usr/bin/python3 "$source_dir/growth.py" "${json[@]}"
fi
printf '\nload when it ended: %s\n' "$(cut -d' ' -f1-3 /proc/loadavg)"
[ ${#failed[@]} = 0 ] || { printf 'failed: %s\n' "${failed[*]}" >&2; exit 1; }
