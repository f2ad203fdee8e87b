#!/usr/bin/env bash
# Do the properties find an off-by-one? Each patch in planted/ puts one into a copy of the sources; its first lines name
# the test program and the property. The property must hold without it, and fail with it.
#
#   planted.sh            all        planted.sh NAME...    those whose name begins so
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
copy=$root/build/planted-properties
jobs=${PLANTED_JOBS:-$(nproc)}

mkdir -p "$copy"
(cd "$root" && git ls-files -z --cached --others --exclude-standard | tar --null -T - -cf -) | tar -C "$copy" -xf -
cd "$copy"
# tar sets the times of the sources, which are older than objects of an earlier run that had a bug in them.
sed -n 's|^+++ b/||p' "$here"/planted/*.patch | sort -u | xargs touch
cmake --preset dev >/dev/null

[ $# -gt 0 ] || set -- ''
patches=()
for name in "$@"; do for patch in "$here/planted/$name"*.patch; do [ -e "$patch" ] && patches+=("$patch"); done; done
[ ${#patches[@]} -gt 0 ] || { printf 'there is no such bug in %s\n' "$here/planted" >&2; exit 2; }

build() { cmake --build build/dev -j "$jobs" --target "$1" >"build/$1.log" 2>&1 || { tail -20 "build/$1.log"; return 1; }; }
# holds TARGET PROPERTY: runs it on its own.
holds() { "build/dev/tests/unit/daemon/$1" "${2//,/\\,}" >"build/$1.log" 2>&1; }

missed=()
declare -A sound=()
for patch in "${patches[@]}"; do
  name=$(basename "$patch" .patch)
  target=$(sed -n 's/^target: //p' "$patch"); property=$(sed -n 's/^property: //p' "$patch")
  if [ -z "${sound[$property]:-}" ]; then
    build "$target"
    holds "$target" "$property" || { printf '"%s" fails without a planted bug:\n' "$property"; tail -20 "build/$target.log"; exit 1; }
    sound[$property]=1
  fi
  patch -s -p1 < "$patch"
  trap 'patch -s -R -p1 < "$patch"' EXIT
  build "$target"
  begun=$(date +%s%3N)
  if holds "$target" "$property"; then
    missed+=("$name"); printf '%-36s MISSED by "%s"\n' "$name" "$property"
  else
    # A property that fails says so; anything else (the program did not start, say) is no finding.
    how=$(grep -m1 -oE 'Falsifiable after [0-9]+ tests?( and [0-9]+ shrinks?)?' "build/$target.log" || true)
    [ -n "$how" ] || { printf '%s: %s ended oddly:\n' "$name" "$target"; tail -20 "build/$target.log"; exit 1; }
    printf '%-36s found after %5d ms: %s\n' "$name" "$(($(date +%s%3N) - begun))" "$how"
  fi
  patch -s -R -p1 < "$patch"
  trap - EXIT
done
[ ${#missed[@]} = 0 ] || { printf 'missed: %s\n' "${missed[*]}"; exit 1; }
printf 'all %d planted bugs found\n' "${#patches[@]}"
