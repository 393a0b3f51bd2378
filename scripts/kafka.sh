#!/usr/bin/env bash
# A one-node Apache Kafka on loopback for the interoperability tests and the benchmarks.
#   scripts/kafka.sh start   resolve the jars from Maven Central (once), format an empty directory, start, wait until it answers
#   scripts/kafka.sh stop    stop it        kill: with SIGKILL
#   scripts/kafka.sh fresh    start with nothing there        format: stop it and leave a formatted, empty directory
#   scripts/kafka.sh classpath
# Environment: KAFKA_HOME (default target/kafka), KAFKA_PORT (29092), KAFKA_VERSION (4.3.1), KAFKA_HEAP (1G), KAFKA_WAIT=no: start does not wait until it answers
set -euo pipefail
cd "$(dirname "$0")/.."
home=${KAFKA_HOME:-$PWD/target/kafka} port=${KAFKA_PORT:-29092} version=${KAFKA_VERSION:-4.3.1} heap=${KAFKA_HEAP:-1G}
libs=$home/libs run=$home/run-$port

resolve() {
  [ -e "$libs/kafka-streams-$version.jar" ] && return
  mkdir -p "$home"
  cat >"$home/pom.xml" <<XML
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion><groupId>millrace</groupId><artifactId>kafka</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$version</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>$version</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-streams</artifactId><version>$version</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-streams-test-utils</artifactId><version>$version</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>connect-runtime</artifactId><version>$version</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>connect-file</artifactId><version>$version</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
XML
  mvn -q -B -f "$home/pom.xml" dependency:copy-dependencies -DoutputDirectory="$libs" >&2
}

format() {
  resolve
  mkdir -p "$run"
  if [ ! -d "$run/data" ]; then
    cat >"$run/server.properties" <<P
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$((port + 1))
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1))
advertised.listeners=PLAINTEXT://127.0.0.1:$port
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
log.dirs=$run/data
num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
P
    java -cp "$libs/*" kafka.tools.StorageTool format -t "$(java -cp "$libs/*" kafka.tools.StorageTool random-uuid 2>/dev/null | tail -1)" -c "$run/server.properties" >"$run/format.log" 2>&1
  fi
}

start() {
  format
  nohup java "-Xmx$heap" "-Xms$heap" -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$libs/*" kafka.Kafka "$run/server.properties" >"$run/server.log" 2>&1 </dev/null &
  echo $! >"$run/pid"
  [ "${KAFKA_WAIT:-yes}" = yes ] || return 0
  for _ in $(seq 300); do
    if java -cp "$libs/*" -Dorg.slf4j.simpleLogger.defaultLogLevel=off org.apache.kafka.tools.TopicCommand --bootstrap-server "127.0.0.1:$port" --list >/dev/null 2>&1; then
      echo "Apache Kafka $version on 127.0.0.1:$port" >&2
      return
    fi
    kill -0 "$(cat "$run/pid")" 2>/dev/null || { tail -5 "$run/server.log" >&2; exit 1; }
  done
  echo "Apache Kafka does not answer on 127.0.0.1:$port: see $run/server.log" >&2
  exit 1
}

halt() {
  local p
  p=$(cat "$run/pid" 2>/dev/null) || return 0
  kill "-$1" "$p" 2>/dev/null || true
  while [ -e "/proc/$p/exe" ]; do sleep 0.1; done
  rm -f "$run/pid"
}

case ${1:-} in
  start) start ;;
  stop) halt TERM ;;
  kill) halt KILL ;;
  fresh) halt TERM; rm -rf "$run"; start ;;
  format) halt TERM; rm -rf "$run"; format ;;
  classpath) resolve; echo "$libs/*" ;;
  *) sed -n 2,7p "$0" >&2; exit 2 ;;
esac
