#!/usr/bin/env bash
# Do the properties of locks find mistakes? Each patch in tests/unit/protocol/coord/planted/ puts one into a copy of the
# sources: PROGRAM-WHAT.patch, `lock` for coord_lock_test and `path` for coord_path_test. The program must pass without
# it, and fail with it.
#
#   planted_locks.sh            all        planted_locks.sh NAME...    those whose name begins so
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
here=$root/tests/unit/protocol/coord/planted
copy=$root/build/planted-locks
jobs=${PLANTED_JOBS:-$(nproc)}
mkdir -p "$copy"
(cd "$root" && git ls-files -z --cached --others --exclude-standard | tar --null -T - -cf -) | tar -C "$copy" -xf -
cd "$copy"
# tar sets the times of the sources, which are older than objects of an earlier run that had a mistake in them.
sed -n 's|^+++ b/||p' "$here"/*.patch | sort -u | xargs touch
cmake --preset dev >/dev/null

build() { cmake --build build/dev -j "$jobs" --target "$1" >"build/$1.log" 2>&1 || { tail -20 "build/$1.log"; return 1; }; }
check() { RC_PARAMS='max_success=2000' timeout 300 "build/dev/tests/unit/protocol/coord/$1" >"build/$1.log" 2>&1; }

[ $# -gt 0 ] || set -- ''
patches=()
for name in "$@"; do for patch in "$here/$name"*.patch; do [ -e "$patch" ] && patches+=("$patch"); done; done
[ ${#patches[@]} -gt 0 ] || { printf 'there is no such mistake in %s\n' "$here" >&2; exit 2; }
declare -A sound
missed=()
for patch in "${patches[@]}"; do
  name=$(basename "$patch" .patch); program=coord_${name%%-*}_test
  if [ -z "${sound[$program]:-}" ]; then
    build "$program"
    check "$program" || { printf '%s fails without a mistake:\n' "$program"; tail -20 "build/$program.log"; exit 1; }
    sound[$program]=1
  fi
  patch -s -p1 <"$patch"
  trap 'patch -s -R -p1 < "$patch"' EXIT
  build "$program"
  begun=$(date +%s%3N)
  if check "$program"; then
    missed+=("$name"); printf '%-36s MISSED\n' "$name"
  else
    what=$(grep -m1 -oE 'Falsifiable after [0-9]+ tests.*|RC_ASSERT\(.*|FAILED:' "build/$program.log" || echo 'it did not end well')
    printf '%-36s found after %5d ms: %s\n' "$name" "$(($(date +%s%3N) - begun))" "${what:0:90}"
  fi
  patch -s -R -p1 <"$patch"
  trap - EXIT
done
[ ${#missed[@]} = 0 ] || { printf 'missed: %s\n' "${missed[*]}"; exit 1; }
printf 'all %d planted mistakes found\n' "${#patches[@]}"
