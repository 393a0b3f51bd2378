#!/usr/bin/env bash
# The long reliability runs: scripts/stress.sh dsl|state|group|wordcount|broker [number]
set -euo pipefail
cd "$(dirname "$0")/.."
export GOTOOLCHAIN=auto
case ${1:-} in
  dsl) go test ./streams -run 'Random|Metamorphic' -timeout 12h -rapid.checks="${2:-50000}" ;;
  state) go test ./state/... -timeout 12h -rapid.checks="${2:-50000}" ;;
  group) go test ./broker/internal/group -timeout 12h -rapid.checks="${2:-50000}" ;;
  wordcount) go test ./examples/wordcount -run Killed -timeout 12h -count="${2:-50}" ;;
  broker) go test ./broker -run Kill -timeout 12h -count="${2:-10}" ;;
  *) sed -n 2p "$0" >&2; exit 2 ;;
esac
