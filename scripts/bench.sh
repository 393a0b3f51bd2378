#!/usr/bin/env bash
# Runs the workloads W0-W4 on a real Apache Kafka: Java Kafka Streams, Millrace and a hand-written loop, one after the other in one run, and prints medians, ratios
# and goals. Fails if a program fails or a goal is missed.
#   scripts/bench.sh [-r runs] [what ...]      default: 3 runs of everything; e.g. W1/eos W1nocache/alos startup restore killeos driver nodes
# Environment: MILLRACE_ANCHORS, the folder of the twins and the loader (default ../shared/anchors beside the repository).
set -euo pipefail
cd "$(dirname "$0")/.."
export GOTOOLCHAIN=auto
. scripts/bench-lib.sh
[ -e "$anchors/javastreams/StreamsAnchor.java" ] || { echo "the twins are not at $anchors: set MILLRACE_ANCHORS" >&2; exit 2; }
runs=3
[ "${1:-}" = -r ] && { runs=$2; shift 2; }
[ $# = 0 ] && set -- W0/alos W0/eos W1/alos W1/eos W1nocache/alos W1nocache/eos W2/alos W2/eos W3/alos W3/eos W4/alos W4/eos startup killeos restore driver nodes
work=$PWD/target/bench bin=$PWD/target/bench/bin out=$PWD/target/bench/results.jsonl errors=$PWD/target/bench/errors.log
export KAFKA_PORT=${KAFKA_PORT:-19192}
broker=127.0.0.1:$KAFKA_PORT
export ANCHOR_BROKER=$broker ANCHOR_DIR=$work
mkdir -p "$bin" "$work/java"
libs=$(scripts/kafka.sh classpath)
[ "$work/java/StreamsAnchor.class" -nt "$anchors/javastreams/StreamsAnchor.java" ] || javac -d "$work/java" -cp "$libs" "$anchors/javastreams/StreamsAnchor.java"
for m in load handwritten; do (cd "$anchors/$m" && go build -o "$bin/$m" .); done
go build -o "$bin/" ./bench/workload ./bench/report
go test -c -o "$bin/topology.test" ./topology
scripts/kafka.sh fresh
trap 'scripts/kafka.sh stop' EXIT
system=$(cat "${KAFKA_HOME:-target/kafka}/run-$KAFKA_PORT/pid")
"$bin/load" records; "$bin/load" table; "$bin/load" lines; "$bin/load" records -topic in1m -n 1000000 -distinct; "$bin/load" records -topic tiny -n 4
: >"$out"

java=(java -Xmx1g -Dorg.slf4j.simpleLogger.defaultLogLevel=error -cp "$work/java:$libs" StreamsAnchor "broker=$broker" "state=$work/state")
ours=("$bin/workload" "broker=$broker" "state=$work/state")
fresh() { rm -rf "$work/state" "$work/gostate"; "$bin/load" drop -prefix bench- >/dev/null; "$bin/load" topic -name out -partitions 4 >/dev/null; sleep 1; }
now() { local i=$1; shift; measure "$i" "$@" "launch=$(ms)"; }
hang() { # starts a program, waits until it says that it hangs, kills it
  local f=$work/hang p i
  : >"$f" >"$errors"
  "$@" >"$f" 2>"$errors" &
  p=$!
  for i in $(seq 3000); do
    grep -q '"hang"' "$f" && break
    kill -0 $p 2>/dev/null || break
    sleep 0.1
  done
  kill -9 $p 2>/dev/null || true
  wait $p 2>/dev/null || true
  grep -q '"hang"' "$f" || failure "$*"
}
verify() { # SUM RECORDS WHAT: what is in the output topic, in the first run
  local v
  [ "$run" = 1 ] || return 0
  v=$("$bin/load" verify -sum)
  [[ "$v" == *"\"records\":$2,"* || "$2" = any ]] && [[ "$v" == *"\"sum\":$1,"* ]] || failure "$3 has written $v, not $2 records with the sum $1"
}
workload() { # W guarantee
  local w=$1 g=$2 n=3000000 expected=3000000 extra=() variant="" hand=() sum=3000000 records=any
  case $w in W1nocache) w=W1 extra=(cache=0) variant="cache 0" records=3000000 ;; W0 | W3) sum=0 records=3000000 ;; esac
  [ $w = W4 ] && n=500000 expected=5000898 sum=5000898
  [ "$g" = eos ] && full=exactly_once_v2 || full=at_least_once
  local args=("workload=$w" "guarantee=$full" commit=100 "records=$n" "expected=$expected" "variant=$variant" "${extra[@]}")
  # An application of its own for each: committed offsets stay, and Java's member stays in its group for the session's time.
  local app=bench-$1-$2-$run
  fresh; now "" "${java[@]}" "app=$app-java" "${args[@]}"
  fresh; now "" "${ours[@]}" "app=$app-ours" "${args[@]}"
  verify $sum $records "$w $g $variant"
  [ $w = W1 ] && hand=("-emit=$([ "$variant" ] && echo each || echo commit)")
  case $w in W0 | W1 | W3)
    fresh
    measure "" "$bin/handwritten" "-workload=$w" "-app=$app-hand" "-guarantee=$g" -commit=100ms "-state=$work/gostate" "-variant=$variant" "${hand[@]}" "-launch=$(ms)" ;;
  esac
}
startup() {
  local a=(workload=W1 in=tiny expected=0 records=1 commit=100 mode=idle guarantee=exactly_once_v2 "variant=start, nothing there")
  local b=(workload=W1 commit=100 guarantee=exactly_once_v2)
  for impl in java ours; do
    local -n cmd=$impl
    fresh
    now "" "${cmd[@]}" "${a[@]}" "app=bench-start-$run-$impl"
    "${cmd[@]}" "${b[@]}" "app=bench-again-$run-$impl" expected=100000 >/dev/null 2>"$errors" || failure "$impl, to be closed"
    now "" "${cmd[@]}" "${b[@]}" "app=bench-again-$run-$impl" expected=1000 "variant=restart after a clean close"
  done
}
killeos() {
  local a=(workload=W1 commit=100 guarantee=exactly_once_v2 settle=0)
  for impl in java ours; do
    local -n cmd=$impl
    fresh
    hang "${cmd[@]}" "${a[@]}" "app=bench-kill-$run-$impl" expected=1500000 mode=hang
    now "" "${cmd[@]}" "${a[@]}" "app=bench-kill-$run-$impl" expected=1000 records=1500000 "variant=restart after kill -9"
  done
}
restore() {
  local a=(workload=W1 in=in1m commit=100 guarantee=at_least_once)
  for impl in java ours; do
    local -n cmd=$impl
    local extra=()
    [ $impl = java ] && extra=(session=6000)
    fresh
    hang "${cmd[@]}" "${a[@]}" "${extra[@]}" "app=bench-restore-$run-$impl" expected=1000000 mode=hang
    [ $impl = java ] && sleep 8
    rm -rf "$work/state"
    now "" "${cmd[@]}" "${a[@]}" "${extra[@]}" "app=bench-restore-$run-$impl" expected=0 records=1000000 "variant=restore 1M"
  done
}
driver() {
  measure "" "${java[@]}" mode=driver workload=W1 store=memory
  sed -i 's/"impl":"java-ttd","workload":"W1","variant":"memory round [0-9]*"/"impl":"java","bench":"test driver, W1, in memory"/' "$out"
  measure "" "${ours[@]}" mode=driver workload=W1
}
nodes() {
  local line
  line=$("$bin/topology.test" -test.run '^$' -test.bench FiveNodes -test.benchmem | grep ^BenchmarkFiveNodes) || { failure "the benchmark of five nodes"; return; }
  # BenchmarkFiveNodes-2 N ns ns/op bytes B/op allocs allocs/op
  set -- $line
  add millrace "five operators" "ns_rec=$3" "allocs_rec=$7"
}
for run in $(seq "$runs"); do
  for what in "$@"; do
    case $what in
      */*) workload "${what%/*}" "${what#*/}" ;;
      startup | killeos | restore | driver | nodes) $what ;;
      *) echo "unknown: $what" >&2; exit 2 ;;
    esac
  done
done
echo
machine >"$work/head.md"
"$bin/report" -head "$work/head.md" "$out" | tee "$work/report.md"
[ $failed = 0 ] || { echo "a program has failed: see above" >&2; exit 1; }
