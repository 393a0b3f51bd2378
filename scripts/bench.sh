#!/usr/bin/env bash
# Runs the workloads W0-W4 on a real Apache Kafka: Java Kafka Streams, Millrace and a hand-written loop, one after the other in one run, and prints medians and
# ratios.
#   scripts/bench.sh [-r runs] [workload/guarantee ...]      default: 3 runs of everything; e.g. W1/eos W1nocache/alos startup restore killeos
# Environment: MILLRACE_ANCHORS, the folder of the twins and the loader (default ../shared/anchors beside the repository).
set -euo pipefail
cd "$(dirname "$0")/.."
export GOTOOLCHAIN=auto
anchors=${MILLRACE_ANCHORS:-$PWD/../shared/anchors}
[ -e "$anchors/javastreams/StreamsAnchor.java" ] || { echo "the twins are not at $anchors: set MILLRACE_ANCHORS" >&2; exit 2; }
runs=3
[ "${1:-}" = -r ] && { runs=$2; shift 2; }
[ $# = 0 ] && set -- W0/alos W0/eos W1/alos W1/eos W1nocache/alos W1nocache/eos W2/alos W2/eos W3/alos W3/eos W4/alos W4/eos startup killeos restore
work=$PWD/target/bench bin=$PWD/target/bench/bin out=$PWD/target/bench/results.jsonl
export KAFKA_PORT=${KAFKA_PORT:-19192}
broker=127.0.0.1:$KAFKA_PORT
export ANCHOR_BROKER=$broker ANCHOR_DIR=$work
mkdir -p "$bin" "$work/java"
scripts/kafka.sh fresh
trap 'scripts/kafka.sh stop' EXIT
libs=$(scripts/kafka.sh classpath)
javac -d "$work/java" -cp "$libs" "$anchors/javastreams/StreamsAnchor.java"
for m in load handwritten; do (cd "$anchors/$m" && go build -o "$bin/$m" .); done
go build -o "$bin/workload" ./bench/workload
go build -o "$bin/ratios" ./bench/ratios
"$bin/load" records; "$bin/load" table; "$bin/load" lines; "$bin/load" records -topic in1m -n 1000000 -distinct
: >"$out"

java=(java -Xmx1g -Dorg.slf4j.simpleLogger.defaultLogLevel=error -cp "$work/java:$libs" StreamsAnchor "broker=$broker" "state=$work/state")
ours=("$bin/workload" "broker=$broker" "state=$work/state")
fresh() { rm -rf "$work/state" "$work/gostate"; "$bin/load" drop -prefix bench- >/dev/null; "$bin/load" topic -name out -partitions 4 >/dev/null; sleep 1; }
measure() { "$@" "launch=$(date +%s%3N)" 2>>"$work/errors.log" | tail -1 | tee -a "$out"; }
hang() { # starts a program, waits until it says that it hangs, kills it
  local f p
  f=$(mktemp)
  "$@" >"$f" 2>>"$work/errors.log" &
  p=$!
  until grep -q '"hang"' "$f" || ! kill -0 $p 2>/dev/null; do sleep 0.1; done
  kill -9 $p; wait $p 2>/dev/null || true
  rm -f "$f"
}
workload() { # W guarantee
  local w=$1 g=$2 n=3000000 expected=3000000 extra=() variant="" hand=()
  case $w in W1nocache) w=W1 extra=(cache=0) variant="cache 0" ;; esac
  [ $w = W4 ] && n=500000 expected=5000898
  [ "$g" = eos ] && full=exactly_once_v2 || full=at_least_once
  local args=("workload=$w" "guarantee=$full" commit=100 "records=$n" "expected=$expected" "variant=$variant" "${extra[@]}")
  # An application of its own for each: Java's member stays in its group for the session's time.
  fresh; measure "${java[@]}" "app=bench-java-$w" "${args[@]}"
  fresh; measure "${ours[@]}" "app=bench-ours-$w" "${args[@]}"
  [ $w = W1 ] && hand=("-emit=$([ "$variant" ] && echo each || echo commit)")
  case $w in W0 | W1 | W3)
    fresh
    "$bin/handwritten" "-workload=$w" "-app=bench-hand" "-guarantee=$g" -commit=100ms "-state=$work/gostate" "-variant=$variant" "${hand[@]}" \
      "-launch=$(date +%s%3N)" 2>>"$work/errors.log" | tail -1 | tee -a "$out" ;;
  esac
}
startup() {
  fresh
  "$bin/load" records -topic tiny -n 4 >/dev/null
  local a=(workload=W1 in=tiny expected=0 records=1 commit=100 mode=idle guarantee=exactly_once_v2)
  for impl in java ours; do
    local -n cmd=$impl
    fresh
    measure "${cmd[@]}" "${a[@]}" "app=bench-$impl-start" "variant=start, nothing there"
    measure "${cmd[@]}" "${a[@]}" "app=bench-$impl-start" "variant=start, right after a clean close"
  done
}
killeos() {
  local a=(workload=W1 commit=100 guarantee=exactly_once_v2 settle=0)
  for impl in java ours; do
    local -n cmd=$impl
    fresh
    hang "${cmd[@]}" "${a[@]}" "app=bench-$impl-kill" expected=1500000 mode=hang
    measure "${cmd[@]}" "${a[@]}" "app=bench-$impl-kill" expected=1000 records=1500000 "variant=restart after kill -9"
  done
}
restore() {
  local a=(workload=W1 in=in1m commit=100 guarantee=at_least_once)
  for impl in java ours; do
    local -n cmd=$impl
    local extra=()
    [ $impl = java ] && extra=(session=6000)
    fresh
    hang "${cmd[@]}" "${a[@]}" "${extra[@]}" "app=bench-$impl-restore" expected=1000000 mode=hang
    [ $impl = java ] && sleep 8
    rm -rf "$work/state"
    measure "${cmd[@]}" "${a[@]}" "${extra[@]}" "app=bench-$impl-restore" expected=0 records=1000000 "variant=restore 1M"
  done
}
for _ in $(seq "$runs"); do
  for what in "$@"; do
    case $what in
      */*) workload "${what%/*}" "${what#*/}" ;;
      startup | killeos | restore) $what ;;
      *) echo "unknown: $what" >&2; exit 2 ;;
    esac
  done
done
echo
"$bin/ratios" <"$out"
