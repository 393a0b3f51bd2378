#!/usr/bin/env bash
# Interoperability with Apache Kafka and Java, on loopback:
#   1. examples/wordcount counts on a real Kafka what a shell pipeline counts;
#   2. the same program in Java Kafka Streams goes on from the topics it left: restores its store, counts more;
#   3. examples/wordcount goes on from what Java left, starts afresh with another input, and is killed meanwhile;
#   4. an application with windows, sessions, joins, foreign keys and Suppress goes from ours to Java Kafka Streams and back (streams/interchange);
#   5. Java's clients, Java Kafka Streams, Kafka Connect and kcat work against the embedded broker (scripts/interop-broker.sh);
#   6. so does librdkafka, from Python (scripts/interop-python.sh);
#   7. so does franz-go's own suite (scripts/interop-kgo.sh).
set -euo pipefail
cd "$(dirname "$0")/.."
export GOTOOLCHAIN=auto KAFKA_PORT=${KAFKA_PORT:-29092}
broker=127.0.0.1:$KAFKA_PORT
work=$PWD/target/interop
rm -rf "$work"; mkdir -p "$work"
fail() { echo "interop: $*" >&2; exit 1; }
# words prints "count<TAB>word", highest count first, equal counts by word.
words() { cat "$@" | tr '[:upper:]' '[:lower:]' | tr -cs '[:alnum:]' '\n' | grep -v '^$' | LC_ALL=C sort | uniq -c | awk '{print $1 "\t" $2}' | LC_ALL=C sort -k1,1nr -k2,2; }
sum() { awk '{n += $1} END {print n}' "$1"; }
# A text of words in ASCII, so that the pipeline and the programs agree on what a letter is.
text() { awk -v n="$1" -v seed="$2" 'BEGIN {srand(seed); for (i = 0; i < n; i++) {l = ""; for (j = 0; j < 10; j++) l = l sprintf("%s%d ", rand() < 0.5 ? "Word" : "term", int(rand() * rand() * 5000)); print l}}'; }

scripts/kafka.sh fresh
trap 'scripts/kafka.sh stop' EXIT
libs=$(scripts/kafka.sh classpath)
go build -o "$work/wordcount" ./examples/wordcount
text 20000 1 >"$work/first.txt"
text 5000 2 >"$work/second.txt"
cat "$work/first.txt" "$work/second.txt" >"$work/both.txt"
words "$work/first.txt" >"$work/first.want"
words "$work/both.txt" >"$work/both.want"

echo "1. wordcount on Apache Kafka"
"$work/wordcount" -brokers "$broker" -dir "$work/state" -top 0 "$work/first.txt" >"$work/first.got"
cmp "$work/first.want" "$work/first.got" || fail "wordcount on Apache Kafka counts otherwise than the shell"

echo "2. Java Kafka Streams goes on from it"
kafka() { java -Dorg.slf4j.simpleLogger.defaultLogLevel=error -cp "$libs" "$@"; }
kafka org.apache.kafka.tools.ConsoleProducer --bootstrap-server "$broker" --topic lines <"$work/second.txt" >/dev/null
java -Dorg.slf4j.simpleLogger.defaultLogLevel=error -cp "$libs" interop/WordCount.java "$broker" "$work/java-state" "$(sum "$work/both.want")" >"$work/java.out" 2>"$work/java.err" ||
  fail "Java Kafka Streams did not go on: $(tail -3 "$work/java.err")"
LC_ALL=C sort -k1,1nr -k2,2 "$work/java.out" | cmp - "$work/both.want" || fail "Java Kafka Streams counts otherwise than the shell"
restored=$(sed -n 's/^restored //p' "$work/java.err")
[ "${restored:-0}" -gt 0 ] || fail "Java Kafka Streams restored nothing from the changelog"
echo "   restored $restored records"

echo "3. wordcount goes on from what Java left"
rm -rf "$work/state"
"$work/wordcount" -brokers "$broker" -dir "$work/state" -top 0 "$work/first.txt" >"$work/both.got"
cmp "$work/both.want" "$work/both.got" || fail "wordcount after Java counts otherwise than the shell"
text 100000 3 >"$work/third.txt"
words "$work/third.txt" >"$work/third.want"
again() { "$work/wordcount" -brokers "$broker" -dir "$work/state" -top 0 "$@" >"$work/third.got" 2>"$work/third.err"; }
# Each time it gets some lines more through a pipe that stays open: it cannot end before it is killed, however fast the machine is.
for kill in 1 2 3; do
  : >"$work/third.err"
  exec 9> >(again)
  program=$!
  head -n "$((kill * 25000))" "$work/third.txt" >&9
  until grep -q ' s .* records' "$work/third.err"; do # it has worked for a second
    pgrep -f "^$work/wordcount" >/dev/null || fail "wordcount has ended before it was killed: $(cat "$work/third.err")"
    sleep 0.1
  done
  pkill -9 -f "^$work/wordcount"
  exec 9>&-
  { wait "$program"; } 2>/dev/null || true
  mv "$work/third.err" "$work/third.$kill.err"
done
again "$work/third.txt" || fail "wordcount after three kills: $(cat "$work/third.err")"
cmp "$work/third.want" "$work/third.got" || fail "wordcount after three kills counts otherwise than the shell"
grep -q 'starting afresh' "$work/third.1.err" || fail "wordcount with another input has not started afresh"

echo "4. windows, sessions, joins, foreign keys and Suppress, to Java and back"
MILLRACE_KAFKA="$broker" MILLRACE_JAVA_LIBS="$libs" go test ./streams/interchange -count=1 >"$work/interchange.out" 2>&1 || fail "$(tail -40 "$work/interchange.out")"

echo "   groups and producers of the embedded broker answer as those of Apache Kafka"
MILLRACE_KAFKA="$broker" go test ./broker -run TestOracle -count=1 >"$work/oracle.out" 2>&1 || fail "$(grep -v level= "$work/oracle.out" | tail -40)"
scripts/interop-security.sh "$libs"

scripts/kafka.sh stop

echo "5. Java and kcat against the embedded broker"
scripts/interop-broker.sh "$libs"

echo "6. librdkafka against the embedded broker"
scripts/interop-python.sh

echo "7. franz-go's own suite against the embedded broker"
scripts/interop-kgo.sh plain 10000
echo "interop: 1 passed, 0 failed"
