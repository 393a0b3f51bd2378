#!/usr/bin/env bash
# Java's clients, Java Kafka Streams, Kafka Connect and kcat against the embedded broker, which is killed and started again in between.
#   scripts/interop-broker.sh [classpath of Kafka's tools]
set -euo pipefail
cd "$(dirname "$0")/.."
export GOTOOLCHAIN=auto
libs=${1:-$(scripts/kafka.sh classpath)}
port=${BROKER_PORT:-29192} server=127.0.0.1:${BROKER_PORT:-29192}
work=$PWD/target/interop-broker
rm -rf "$work"; mkdir -p "$work"
fail() { echo "interop-broker: $*" >&2; tail -n 20 "$work"/*.err >&2; exit 1; }
run_java() { java -Xmx512m -Dorg.slf4j.simpleLogger.defaultLogLevel=error -cp "$libs" "$@"; }
start() {
  "$work/millrace" broker --data "$work/data" --listen "$server" >"$work/out" 2>>"$work/broker.err" &
  broker=$!
  for _ in $(seq 100); do grep -q '^ready' "$work/out" && return; sleep 0.1; done
  fail "the broker does not start"
}
topic() { run_java org.apache.kafka.tools.TopicCommand --bootstrap-server "$server" --create --if-not-exists --topic "$1" --partitions "$2" >/dev/null 2>>"$work/topic.err" || fail "create topic $1"; }

go build -o "$work/millrace" ./cmd/millrace
start
trap 'kill $broker 2>/dev/null || true; [ -z "${connect:-}" ] || kill -9 $connect 2>/dev/null || true' EXIT

echo "   Java's clients"
run_java interop/Clients.java "$server" >"$work/clients.out" 2>"$work/clients.err" || fail "Java's clients"

echo "   Java Kafka Streams, exactly once, the broker killed in between"
topic lines 3; topic counts 3
awk 'BEGIN {for (i = 0; i < 3000; i++) print "a word " i % 7 " and another"}' >"$work/lines"
run_java org.apache.kafka.tools.ConsoleProducer --bootstrap-server "$server" --topic lines <"$work/lines" >/dev/null 2>"$work/produce.err" || fail "produce lines"
run_java interop/WordCount.java "$server" "$work/state" 15000 >"$work/streams.out" 2>"$work/streams.err" &
streams=$!
for _ in 1 2 3; do sleep 2; kill -9 $broker; wait $broker 2>/dev/null || true; start; done
wait $streams || fail "Java Kafka Streams does not finish"
[ "$(awk '{n += $1} END {print n}' "$work/streams.out")" = 15000 ] || fail "Java Kafka Streams counts $(awk '{n += $1} END {print n}' "$work/streams.out") words, want 15000"

echo "   Kafka Connect"
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
listeners=http://127.0.0.1:$((port + 1))
exactly.once.source.support=enabled
plugin.discovery=service_load
P
java -Xmx512m -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$libs" org.apache.kafka.connect.cli.ConnectDistributed "$work/connect.properties" >"$work/connect.err" 2>&1 &
connect=$!
for _ in $(seq 120); do curl -fs "http://127.0.0.1:$((port + 1))/connectors" >/dev/null 2>&1 && break; sleep 0.5; done
curl -fs -X PUT -H 'Content-Type: application/json' "http://127.0.0.1:$((port + 1))/connectors/from-file/config" >/dev/null 2>>"$work/connect-put.err" \
  -d "{\"connector.class\":\"org.apache.kafka.connect.file.FileStreamSourceConnector\",\"file\":\"$work/lines\",\"topic\":\"from-file\",\"exactly.once.support\":\"requested\"}" || fail "Kafka Connect does not take a connector"
got=0
for _ in $(seq 40); do
  got=$(run_java org.apache.kafka.tools.GetOffsetShell --bootstrap-server "$server" --topic from-file 2>/dev/null | awk -F: '{n += $3} END {print n + 0}')
  [ "$got" -ge 3000 ] && break
  sleep 0.5
done
[ "$got" -ge 3000 ] || fail "Kafka Connect has written $got of 3000 lines"
kill -9 $connect; wait $connect 2>/dev/null || true; connect=

if command -v kcat >/dev/null || { [ "$(id -u)" = 0 ] && { apt-get update && apt-get install -y kcat; } >/dev/null 2>"$work/apt.err"; }; then
  echo "   kcat"
  topic kcat 2
  for codec in none gzip snappy lz4 zstd; do
    seq 100 | kcat -b "$server" -P -t kcat -z "$codec" 2>>"$work/kcat.err" || fail "kcat cannot produce with $codec"
  done
  [ "$(kcat -b "$server" -G g kcat -e -o beginning 2>>"$work/kcat.err" | wc -l)" = 500 ] || fail "kcat does not read in a group what it wrote"
  kcat -b "$server" -L 2>>"$work/kcat.err" | grep -q 'topic "kcat" with 2 partitions' || fail "kcat does not see its topic"
else
  echo "   kcat is not there and cannot be installed: skipped"
fi
echo "interop-broker: 1 passed, 0 failed"
