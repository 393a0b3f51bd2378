#!/usr/bin/env bash
# The embedded broker beside Apache Kafka, in one run with one client: produce, consume, latency, transactions, records on the disk, start, memory. Prints medians, ratios and
# goals. Fails if a program fails or a goal is missed. The client is the load program of the benchmarks' twins.
#   scripts/bench-broker.sh [-r runs]      default: 3
# Environment: MILLRACE_ANCHORS (default ../shared/anchors beside the repository)
set -euo pipefail
cd "$(dirname "$0")/.."
export GOTOOLCHAIN=auto
. scripts/bench-lib.sh
[ -d "$anchors/load" ] || { echo "the load program is not at $anchors: set MILLRACE_ANCHORS" >&2; exit 2; }
runs=3
[ "${1:-}" = -r ] && runs=$2
work=$PWD/target/bench-broker out=$PWD/target/bench-broker/results.jsonl errors=$PWD/target/bench-broker/errors.log
mkdir -p "$work/bin"
export KAFKA_PORT=${KAFKA_PORT:-19292} KAFKA_WAIT=no ANCHOR_DIR=$work
ourport=$((KAFKA_PORT + 10))
(cd "$anchors/load" && go build -o "$work/bin/load" .)
go build -o "$work/bin/" ./cmd/millrace ./bench/report ./bench/producers
scripts/kafka.sh classpath >/dev/null
load=$work/bin/load
: >"$out"
trap 'stop TERM' EXIT

# start IMPL TOPIC FLAGS...: starts a broker and waits until it answers about the topic, if one is named. $ready: after how many seconds.
start() {
  local t w; impl=$1
  stop TERM
  [ "$impl" = kafka ] && port=$KAFKA_PORT || port=$ourport
  export ANCHOR_BROKER=127.0.0.1:$port
  t=$(ms)
  "$load" waitmeta -since "$t" ${2:+-topic "$2"} >"$work/ready" &
  w=$!
  if [ "$impl" = kafka ]; then
    scripts/kafka.sh start
    pid=$(cat "target/kafka/run-$port/pid")
  else
    "$work/bin/millrace" broker --data "$work/data" --listen "127.0.0.1:$port" "${@:3}" >"$work/ours.log" 2>&1 &
    pid=$!
  fi
  until ! kill -0 $w 2>/dev/null; do
    kill -0 "$pid" 2>/dev/null || { kill $w; failure "$impl does not start: $(tail -3 "$work/ours.log" "target/kafka/run-$port/server.log" 2>/dev/null)"; exit 1; }
    sleep 0.01
  done
  wait $w
  ready=$(cat "$work/ready")
  export ANCHOR_BROKER_PID=$pid
  system=$pid
}
stop() { # SIGNAL
  [ -n "${pid:-}" ] || return 0
  kill "-$1" "$pid" 2>/dev/null || true
  while [ -e "/proc/$pid/exe" ]; do sleep 0.02; done
  wait "$pid" 2>/dev/null || true
  pid=
}
empty() { # IMPL: nothing is there
  stop TERM
  rm -rf "$work/data"
  [ "$1" != kafka ] || scripts/kafka.sh format
}
memory() { awk -v k="$1:" '$1 == k {printf "%.1f", $2 / 1024}' "/proc/$pid/status"; }
named() { # BENCH CMD...: measure, the benchmark being called so
  local bench=$1; shift
  measure "$impl" "$@" >"$work/line"
  sed -i "\$s/\"bench\":\"[a-z0-9]*\"/\"bench\":\"$bench\"/" "$out"
  tail -1 "$out"
}

round() { # IMPL
  local p size n name
  empty "$1"
  start "$1" ""
  add "$impl" "ready, empty directory" "ready_s=$ready"
  sleep 3
  add "$impl" "memory, idle" "rss_mb=$(memory VmRSS)"
  for p in 1 6; do
    for size in 100 1024; do
      n=2000000 name="$size B, $p partition"
      [ $size = 1024 ] && n=500000 name="1 KiB, $p partition"
      [ $p = 1 ] || name+=s
      named "produce $name" "$load" produce -partitions $p -n $n -size $size
      named "consume $name" "$load" consume -partitions $p -n $n -size $size
    done
  done
  named latency "$load" latency
  named "tx of one record" "$load" tx
  named "e2e" "$load" e2e
  add "$impl" "memory, after load" "rss_mb=$(memory VmRSS)"
  # 1 GiB of log: the peak while it is written, and while it is found again after a kill.
  empty "$impl"
  start "$impl" ""
  local idle
  idle=$(memory VmHWM)
  "$load" produce -topic big -partitions 4 -n 1048576 -size 1024 >/dev/null 2>"$errors" || failure "1 GiB into $impl"
  add "$impl" "1 GiB of log, written" "above_mb=$(awk "BEGIN{print $(memory VmHWM)-$idle}")"
  stop KILL
  start "$impl" big
  add "$impl" "ready, kill -9 with 1 GiB of log" "ready_s=$ready"
  add "$impl" "1 GiB of log, recovered after kill -9" "above_mb=$(awk "BEGIN{print $(memory VmHWM)-$idle}")"
  empty "$impl"
  [ "$impl" = kafka ] && start kafka "" || start millrace "" --sync always
  measure "" "$work/bin/producers" -impl "$impl"
  stop TERM
}

for _ in $(seq "$runs"); do
  round kafka
  round millrace
done
machine >"$work/head.md"
"$work/bin/report" -head "$work/head.md" "$out" | tee "$work/report.md"
[ $failed = 0 ] || { echo "a program has failed: see above" >&2; exit 1; }
