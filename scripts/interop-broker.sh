#!/usr/bin/env bash
# Java's clients, Java Kafka Streams, Kafka Connect and kcat against the embedded broker, which is killed and started again in between.
#   scripts/interop-broker.sh [classpath of Kafka's tools]
set -euo pipefail
cd "$(dirname "$0")/.."
export GOTOOLCHAIN=auto
libs=${1:-$(scripts/kafka.sh classpath)}
port=${BROKER_PORT:-29192} server=127.0.0.1:${BROKER_PORT:-29192} rest=http://127.0.0.1:$((${BROKER_PORT:-29192} + 1))
work=$PWD/target/interop-broker
rm -rf "$work"; mkdir -p "$work"
fail() { echo "interop-broker: $*" >&2; tail -n 20 "$work"/*.err >&2; exit 1; }
step() { printf '   %3d s  %s\n' "$SECONDS" "$1"; }
java_with() { timeout "$1" java -Xmx512m -Dorg.slf4j.simpleLogger.defaultLogLevel=error -cp "$libs" "${@:2}"; } # seconds at most
# start takes the name of a directory and flags; restart takes the same ones.
start() {
  flags=("$@")
  : >"$work/out" # what the one before has said must not be taken for this one's
  "$work/millrace" broker --data "$work/$1" --listen "$server" "${@:2}" >"$work/out" 2>>"$work/broker.err" &
  broker=$!
  for _ in $(seq 100); do grep -q '^ready' "$work/out" && return; sleep 0.1; done
  fail "the broker does not start"
}
halt() { kill "-$1" "$broker"; wait "$broker" 2>/dev/null || true; }
restart() { halt "$1"; start "${flags[@]}"; }
# What a shell pipeline counts: "count<TAB>word", highest count first, equal counts by word.
words() { tr '[:upper:]' '[:lower:]' <"$1" | tr -cs '[:alnum:]' '\n' | grep -v '^$' | LC_ALL=C sort | uniq -c | awk '{print $1 "\t" $2}' | LC_ALL=C sort -k1,1nr -k2,2; }
sum() { awk '{n += $1} END {print n + 0}' "$1"; }

go build -o "$work/millrace" ./cmd/millrace
connect=
trap 'kill "$broker" 2>/dev/null || true; [ -z "$connect" ] || kill "$connect" 2>/dev/null || true' EXIT

step "Java's clients"
start clients --set group.consumer.heartbeat.interval.ms=1000 --set group.consumer.min.heartbeat.interval.ms=1000
for program in Clients Tour; do
  java_with 240 "interop/$program.java" "$server" >"$work/$program.out" 2>"$work/$program.err" || fail "Java's clients, after $(tail -1 "$work/$program.out")"
  echo "           $program: $(grep -c '^ok' "$work/$program.out") checks"
done
halt TERM

awk 'BEGIN {srand(7); for (i = 0; i < 20000; i++) {l = ""; for (j = 0; j < 10; j++) l = l sprintf("%s%d ", rand() < 0.5 ? "Word" : "term", int(rand() * rand() * 2000)); print l}}' >"$work/lines"
words "$work/lines" >"$work/want"
produce() { sed -n "$1p" "$work/lines" | java_with 60 org.apache.kafka.tools.ConsoleProducer --bootstrap-server "$server" --topic lines >/dev/null 2>"$work/produce.err" || fail "produce lines $1"; }
for guarantee in at_least_once exactly_once_v2; do
  step "Java Kafka Streams, $guarantee"
  start "$guarantee" --set num.partitions=3
  produce 1,10000
  java_with 150 interop/WordCount.java "$server" "$work/state-$guarantee" "$(sum "$work/want")" "$guarantee" >"$work/$guarantee.out" 2>"$work/$guarantee.err" &
  streams=$!
  until grep -qs '^restored' "$work/$guarantee.err"; do kill -0 $streams || fail "Java Kafka Streams does not start"; sleep 0.05; done
  for from in 10001 12001 14001 16001 18001; do # the program cannot be ready before the last of them
    [ "$guarantee" != exactly_once_v2 ] || restart KILL
    produce "$from,$((from + 1999))"
  done
  wait $streams || fail "Java Kafka Streams, $guarantee, does not finish"
  LC_ALL=C sort -k1,1nr -k2,2 "$work/$guarantee.out" | cmp - "$work/want" || fail "Java Kafka Streams, $guarantee, counts otherwise than the shell"
  if [ "$guarantee" = exactly_once_v2 ]; then
    # What is in the topic, and not only in the program's store: the last committed count of each word.
    java_with 60 org.apache.kafka.tools.consumer.ConsoleConsumer --bootstrap-server "$server" --topic counts --from-beginning --timeout-ms 4000 --isolation-level read_committed \
      --formatter-property print.key=true --formatter-property value.deserializer=org.apache.kafka.common.serialization.LongDeserializer 2>"$work/counts.err" |
      awk -F'\t' '{n[$1] = $2} END {for (w in n) print n[w] "\t" w}' | LC_ALL=C sort -k1,1nr -k2,2 | cmp - "$work/want" || fail "the topic of counts differs from the shell's"
  fi
  halt TERM
done

step "Kafka Connect, distributed"
start connect
cat >"$work/connect.properties" <<P
bootstrap.servers=$server
group.id=connect
key.converter=org.apache.kafka.connect.storage.StringConverter
value.converter=org.apache.kafka.connect.storage.StringConverter
config.storage.topic=connect-configs
offset.storage.topic=connect-offsets
status.storage.topic=connect-status
config.storage.replication.factor=1
offset.storage.replication.factor=1
status.storage.replication.factor=1
offset.flush.interval.ms=500
listeners=$rest
exactly.once.source.support=enabled
plugin.discovery=service_load
P
timeout -k 20 240 java -Xmx512m -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$libs" org.apache.kafka.connect.cli.ConnectDistributed "$work/connect.properties" >"$work/connect.err" 2>&1 &
connect=$!
for _ in $(seq 120); do curl -fs "$rest/connectors" >/dev/null 2>&1 && break; sleep 0.5; done
connector() { # name, configuration
  curl -fsS --retry 10 --retry-all-errors --retry-delay 1 -X PUT -H 'Content-Type: application/json' -d "$2" "$rest/connectors/$1/config" >/dev/null 2>>"$work/connect-put.err" || fail "Kafka Connect does not take the connector $1"
}
connector source "{\"connector.class\":\"org.apache.kafka.connect.file.FileStreamSourceConnector\",\"file\":\"$work/lines\",\"topic\":\"copy\",\"exactly.once.support\":\"requested\"}"
connector sink "{\"connector.class\":\"org.apache.kafka.connect.file.FileStreamSinkConnector\",\"file\":\"$work/copied\",\"topics\":\"copy\",\"consumer.override.isolation.level\":\"read_committed\",\"consumer.override.metadata.max.age.ms\":\"1000\"}"
for _ in $(seq 120); do cmp -s "$work/lines" "$work/copied" && break; sleep 0.5; done
cmp "$work/lines" "$work/copied" || fail "Kafka Connect does not copy a file unchanged: $(curl -s "$rest/connectors/source/status" "$rest/connectors/sink/status")"
kill $connect; wait $connect 2>/dev/null || true; connect= # timeout passes the signal on
halt TERM

if command -v kcat >/dev/null || { [ "$(id -u)" = 0 ] && { apt-get update && apt-get install -y kcat; } >/dev/null 2>"$work/apt.err"; }; then
  step "kcat"
  start kcat --set num.partitions=2
  kcat_with() { timeout 60 kcat -b "$server" -X topic.metadata.refresh.interval.ms=500 "$@" 2>>"$work/kcat.err"; }
  head -2000 "$work/lines" >"$work/some"
  for codec in none gzip snappy lz4 zstd; do
    kcat_with -P -t "kcat-$codec" -p 0 -z "$codec" -X linger.ms=200 <"$work/some" || fail "kcat cannot produce with $codec"
    kcat_with -C -t "kcat-$codec" -p 0 -e -q -o beginning | cmp - "$work/some" || fail "kcat reads otherwise than it wrote with $codec"
    [ "$(kcat_with -Q -t "kcat-$codec:0:-1")" = "kcat-$codec [0] offset 2000" ] || fail "kcat asks in vain for the last offset"
  done
  java_with 60 org.apache.kafka.tools.LogDirsCommand --bootstrap-server "$server" --describe >"$work/sizes" 2>"$work/sizes.err" || fail "sizes of the partitions"
  size() { grep -o "\"partition\":\"kcat-$1-0\",\"size\":[0-9]*" "$work/sizes" | grep -o '[0-9]*$'; }
  for codec in gzip snappy lz4 zstd; do
    [ $((10 * $(size $codec))) -lt $((8 * $(size none))) ] || fail "what kcat compressed with $codec did not arrive compressed: $(size $codec) bytes, $(size none) without"
  done
  kcat_with -P -t kcat-none -p 1 -k key -H name=value <"$work/some" || fail "kcat cannot produce with keys and headers"
  [ "$(kcat_with -C -t kcat-none -p 1 -c 1 -f '%k %h %o')" = "key name=value 0" ] || fail "kcat does not see keys and headers"
  [ "$(kcat_with -G group kcat-none kcat-gzip -e -q -o beginning | wc -l)" = 6000 ] || fail "kcat does not read in a group what it wrote"
  [ "$(kcat_with -G group kcat-none kcat-gzip -e -q | wc -l)" = 0 ] || fail "kcat's group forgets where it was"
  kcat_with -L | grep -q 'topic "kcat-zstd" with 2 partitions' || fail "kcat does not see its topics"
  halt TERM
else
  echo "   kcat is not there and cannot be installed: skipped"
fi
step "done"
echo "interop-broker: 1 passed, 0 failed"
