#!/usr/bin/env bash
# Runs every fuzz target of the tree for a while: scripts/fuzz.sh [time of each, default 20s]
set -euo pipefail
cd "$(dirname "$0")/.."
export GOTOOLCHAIN=auto
each=${1:-20s}
n=0
for file in $(git grep -l '^func Fuzz' -- '*_test.go'); do
  for target in $(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$file"); do
    echo "fuzz $(dirname "$file") $target"
    go test "./$(dirname "$file")" -run '^$' -fuzz "^$target\$" -fuzztime "$each" >"${TMPDIR:-/tmp}/fuzz.$$" 2>&1 || { cat "${TMPDIR:-/tmp}/fuzz.$$"; exit 1; }
    n=$((n + 1))
  done
done
rm -f "${TMPDIR:-/tmp}/fuzz.$$"
echo "fuzz: $n targets, $each each"
