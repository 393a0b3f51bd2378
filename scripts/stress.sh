#!/usr/bin/env bash
# The long reliability runs: scripts/stress.sh dsl|state|group|wordcount|broker|crash|kafka [number]
set -euo pipefail
cd "$(dirname "$0")/.."
export GOTOOLCHAIN=auto
case ${1:-} in
  dsl) go test ./streams/internal/randomtest -timeout 12h -rapid.checks="$((${2:-50000} / 5))" ;; # in five parts
  state) go test ./state/statetest -timeout 12h -rapid.checks="${2:-50000}" ;;
  group) go test ./broker/internal/group -timeout 12h -rapid.checks="${2:-50000}" ;;
  wordcount) go test ./examples/wordcount -run Killed -timeout 12h -count="${2:-50}" ;;
  broker) MILLRACE_TEST_KILLS="${2:-1000}" go test ./broker -run Killed -timeout 12h -v ;; # so many kills in each of its tests
  crash) MILLRACE_FAULTS="${2:-1000}" go test ./streams/crashtest -timeout 12h -count=1 -v ;;
  kafka) # crash, against an Apache Kafka
    export KAFKA_PORT=${KAFKA_PORT:-29092}
    scripts/kafka.sh fresh
    trap 'scripts/kafka.sh stop' EXIT
    MILLRACE_KAFKA=127.0.0.1:$KAFKA_PORT MILLRACE_FAULTS="${2:-100}" go test ./streams/crashtest -timeout 12h -count=1 -v ;;
  *) sed -n 2p "$0" >&2; exit 2 ;;
esac
