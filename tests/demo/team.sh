#!/usr/bin/env bash
# The main job, shown on this machine with nothing but what the build made: a repository and a sentence go in, a branch with
# reviewed, tested and merged commits comes back. The four agents are the demo agent: no model is involved and no account
# is needed. The project comes from a seed (DEMO_SEED); nothing of what happens is written anywhere beforehand.
set -euo pipefail
build=$1
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
PATH="$build/bin:$PATH"
seed=${DEMO_SEED:-$(date +%j)}

home=$(mktemp -d /tmp/swarmd-demo-XXXXXX)
export XDG_CONFIG_HOME=$home/config XDG_STATE_HOME=$home/state XDG_DATA_HOME=$home/data XDG_RUNTIME_DIR=$home/run
unset SWARMD_SOCKET
mkdir -p "$XDG_CONFIG_HOME" "$XDG_STATE_HOME" "$XDG_DATA_HOME" "$XDG_RUNTIME_DIR"
chmod 700 "$home" "$XDG_RUNTIME_DIR"
report=${DEMO_REPORT:-}

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
  swarmctl --no-start shutdown --no-publish >/dev/null 2>&1 || true
  swarmctl --no-start sandbox kill --all >/dev/null 2>&1 || true
  swarmctl --no-start daemon stop >/dev/null 2>&1 || true
  rm -rf "$home"
}
trap cleanup EXIT
begun=$SECONDS

say "A project from seed $seed: a bug that a test shows, and wishes for features."
run python3 "$root/tests/demo/sample_project.py" "$seed" "$home/words"
cd "$home/words"
run ls features
say 'Its tests are red.'
run python3 -B -m unittest discover -s tests -t . 2>&1 | tail -4 || true

say 'A team of four works on it. No daemon runs yet: the command starts one. No model is involved.'
run swarmctl deploy --repo . --agents 4 --name demo --env SWARM_DEMO_SEED="$seed" \
  --feature 'Mend what is broken, and make all that is wished for in features/'

say 'What came back: a branch of this repository.'
run git --no-pager log --graph --format='%h %<(8)%an %s' main..swarm/demo
run git shortlog -sn main..swarm/demo
run git checkout -q swarm/demo

say 'Its tests, and those as they were before anybody touched them.'
run python3 -B -m unittest discover -s tests -t . 2>&1 | tail -3
git checkout -q main -- tests
run python3 -B -m unittest discover -s tests -t . 2>&1 | tail -3
git checkout -q swarm/demo -- tests
run python3 -B "$root/tests/demo/sample_project.py" --check .

say 'What the reviews caught, what was in conflict, and how the dispute was settled.'
events=$(swarmctl --json events --from 1 -n 1000 2>/dev/null || true)
python3 - "$events" <<'PYTHON'
import json, sys
lines = [json.loads(line) for line in sys.argv[1].splitlines() if line.strip()]
for event in lines:
    data = event.get("data") or {}
    if event["type"] == "review.changed" and data.get("verdict") in ("request_changes", "challenge"):
        print(f"  review   {data['agent']} {data['verdict']}: {data['title']}")
    if event["type"] == "swarm.merge_refused":
        print(f"  merge    {data['outcome']} in {', '.join(data.get('paths', [])) or 'the tests'}: {data['title']}")
    if event["type"] == "proposal.changed" and data.get("decision"):
        print(f"  vote     {data['decision']}: {data['title']}")
PYTHON

say 'The report, with every finding, vote and attempt.'
run swarmctl report demo --output "$home/report.md"
sed -n '1,40p' "$home/report.md"
run swarmctl report demo --output "$home/report.html"
if [ -n "$report" ]; then cp "$home/report.html" "$report"; say "The report is kept as $report."; fi

say 'What it cost.'
run swarmctl cost summary
run swarmctl swarm ls --all
say "That took $((SECONDS - begun)) seconds. 'swarmctl deploy --help' shows how to do it with your own repository."
