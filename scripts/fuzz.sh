#!/usr/bin/env bash
# Runs every fuzz target of the tree for a while, two at a time: scripts/fuzz.sh [time of each, default 20s]
set -euo pipefail
cd "$(dirname "$0")/.."
export GOTOOLCHAIN=auto each=${1:-20s}
# fuzz runs one target of a package.
fuzz() {
  local out
  out=$(go test "./$1" -run '^$' -fuzz "^$2\$" -fuzztime "$each" -parallel 1 2>&1) || { printf 'fuzz %s %s\n%s\n' "$1" "$2" "$out"; return 1; }
  echo "fuzz $1 $2"
}
export -f fuzz
targets=$(git grep -o '^func Fuzz[A-Za-z0-9_]*' -- '*_test.go' | sed -E 's|/[^/]*:func | |')
xargs -P 2 -L 1 bash -c 'fuzz "$@" || exit 255' fuzz <<<"$targets"
echo "fuzz: $(wc -l <<<"$targets") targets, $each each"
