#!/usr/bin/env bash
# The embedded broker beside Apache Kafka, in one run with one client: produce, consume, latency, transactions, start, memory. The client is the load
# program of the benchmarks' twins.
# Environment: MILLRACE_ANCHORS (default ../shared/anchors beside the repository), RUNS (default 3)
set -euo pipefail
cd "$(dirname "$0")/.."
export GOTOOLCHAIN=auto
anchors=${MILLRACE_ANCHORS:-$PWD/../shared/anchors}
[ -d "$anchors/load" ] || { echo "the load program is not at $anchors: set MILLRACE_ANCHORS" >&2; exit 2; }
runs=${RUNS:-3}
work=$PWD/target/bench-broker
mkdir -p "$work/bin"
export KAFKA_PORT=${KAFKA_PORT:-19292} ANCHOR_DIR=$work
port=$((KAFKA_PORT + 10))
(cd "$anchors/load" && go build -o "$work/bin/load" .)
go build -o "$work/bin/millrace" ./cmd/millrace
load=$work/bin/load

# broker NAME ADDRESS PID: one round of measurements, as lines "name what field=value".
round() {
  local name=$1 p
  export ANCHOR_BROKER=$2 ANCHOR_BROKER_PID=$3
  for p in 1 6; do
    for size in 100:2000000 1024:500000; do
      "$load" produce -partitions "$p" -n "${size#*:}" -size "${size%:*}" | sed "s/^/$name produce-${size%:*}B-${p}p /"
      "$load" consume -partitions "$p" -n "${size#*:}" -size "${size%:*}" | sed "s/^/$name consume-${size%:*}B-${p}p /"
    done
  done
  "$load" latency | sed "s/^/$name latency /"
  "$load" tx | sed "s/^/$name transactions /"
  "$load" e2e | sed "s/^/$name end-to-end /"
  awk -v n="$name" '/VmHWM|VmRSS/ {printf "%s rss-after-load %s %d MB\n", n, $1, $2 / 1024}' "/proc/$3/status"
}
start_ours() { # prints the time to ready as the broker itself says it
  "$work/bin/millrace" broker --data "$work/data" --listen "127.0.0.1:$port" >"$work/ours.log" 2>&1 &
  ours=$!
  until ANCHOR_BROKER=127.0.0.1:$port "$load" waitmeta -since "$(date +%s%3N)" >/dev/null 2>&1; do :; done
}
stop_ours() { kill "$ours" 2>/dev/null; wait "$ours" 2>/dev/null || true; }

: >"$work/results.txt"
for _ in $(seq "$runs"); do
  KAFKA_HOME=$PWD/target/kafka scripts/kafka.sh fresh
  round kafka "127.0.0.1:$KAFKA_PORT" "$(cat "target/kafka/run-$KAFKA_PORT/pid")" | tee -a "$work/results.txt"
  scripts/kafka.sh stop
  rm -rf "$work/data"
  start_ours
  awk '/VmRSS/ {printf "millrace rss-idle %d MB\n", $2 / 1024}' "/proc/$ours/status" | tee -a "$work/results.txt"
  round millrace "127.0.0.1:$port" "$ours" | tee -a "$work/results.txt"
  stop_ours
done
echo "results: $work/results.txt"
