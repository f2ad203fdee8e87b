#!/usr/bin/env bash
# Do the fuzz targets find bugs? Each patch in planted/ puts one into a copy of the sources: FUZZTARGET-WHAT.patch. The
# target must pass its seeds without the bug, and find it within a minute.
#
#   planted.sh            all        planted.sh NAME...    those whose name begins so
#   PLANTED_SECONDS=60    how long each may take
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
copy=$root/build/planted
seconds=${PLANTED_SECONDS:-60}
jobs=${PLANTED_JOBS:-$(nproc)}
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0 UBSAN_OPTIONS=print_stacktrace=0

mkdir -p "$copy"
(cd "$root" && git ls-files -z --cached --others --exclude-standard | tar --null --ignore-failed-read -T - -cf - 2>/dev/null) | tar -C "$copy" -xf -
cd "$copy"
# tar sets the times of the sources, which are older than objects of an earlier run that had a bug in them.
sed -n 's|^+++ b/||p' "$here"/planted/*.patch | sort -u | xargs touch
cmake --preset asan >/dev/null

build() { cmake --build build/asan -j "$jobs" --target "$1" >"build/$1.log" 2>&1 || { tail -20 "build/$1.log"; return 1; }; }
# fuzz TARGET [options]: runs on a copy of the seeds, so that nothing is learnt from one bug for the next.
fuzz() {
  local target=$1 seeds words=() dictionary; shift
  dictionary=$root/tests/fuzz/dictionaries/${target%_fuzz}.dict
  [ ! -e "$dictionary" ] || words=("-dict=$dictionary" -only_ascii=1 -len_control=0)
  seeds=$(mktemp -d)
  cp -r "$(cat "build/asan/fuzz/$target.corpus")/." "$seeds"
  "build/asan/fuzz/$target" "${words[@]}" "$@" -timeout=10 -rss_limit_mb=2048 -artifact_prefix="$seeds/" "$seeds" >"build/$target.log" 2>&1
}

[ $# -gt 0 ] || set -- ''
patches=()
for name in "$@"; do for patch in "$here/planted/$name"*.patch; do [ -e "$patch" ] && patches+=("$patch"); done; done
[ ${#patches[@]} -gt 0 ] || { printf 'there is no such bug in %s\n' "$here/planted" >&2; exit 2; }

missed=()
for patch in "${patches[@]}"; do
  name=$(basename "$patch" .patch); target=${name%%-*}_fuzz
  if [ ! -e "build/$target.sound" ]; then
    build "$target"
    fuzz "$target" -runs=0 || { printf '%s fails without a planted bug:\n' "$target"; tail -20 "build/$target.log"; exit 1; }
    touch "build/$target.sound"
  fi
  patch -s -p1 < "$patch"
  trap 'patch -s -R -p1 < "$patch"' EXIT
  build "$target"
  begun=$(date +%s%3N)
  if fuzz "$target" -max_total_time="$seconds"; then
    missed+=("$name"); printf '%-40s MISSED in %s s\n' "$name" "$seconds"
  else
    # A finding names what broke; anything else (the program did not start, say) is no finding.
    what=$(grep -m1 -oE 'broken promise: .*|ERROR: (Address|Leak|Undefined)[A-Za-z]*Sanitizer: [a-zA-Z-]+|runtime error: .*|ERROR: libFuzzer: [a-z -]+|Assertion .*' "build/$target.log" || true)
    [ -n "$what" ] || { printf '%s: %s ended oddly:\n' "$name" "$target"; tail -20 "build/$target.log"; exit 1; }
    printf '%-40s found after %5d ms: %s\n' "$name" "$(($(date +%s%3N) - begun))" "${what:0:100}"
  fi
  patch -s -R -p1 < "$patch"
  trap - EXIT
done
rm -f build/*.sound
[ ${#missed[@]} = 0 ] || { printf 'missed: %s\n' "${missed[*]}"; exit 1; }
printf 'all %d planted bugs found\n' "${#patches[@]}"
